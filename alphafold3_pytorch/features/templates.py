"""Templates of protein chains: the atoms of their residues, put in the places of the query's (SI 2.4, 2.8)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem import cif, residues
from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.component import MISSING
from alphafold3_pytorch.chem.residues import GAP, PROTEIN, RESIDUES, UNKNOWN
from alphafold3_pytorch.features.msa import SHORTEST, alignment_columns, encoding
from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.features.tokens import SELENOMETHIONINE, Tokens
from alphafold3_pytorch.inputs.job import Job, Protein, Template

# All heavy atoms of the standard amino acids, in the order that template features are gathered from.
ATOMS = (
    "N CA C CB O CG CG1 CG2 OG OG1 SG CD CD1 CD2 ND1 ND2 OD1 OD2 SD CE CE1 CE2 CE3 NE NE1 NE2 OE1 OE2 CH2 NH1 NH2 "
    "OH CZ CZ2 CZ3 NZ OXT"
).split()
PLACE = {name: place for place, name in enumerate(ATOMS)}


@dataclass(frozen=True, eq=False)
class TemplateAtoms:
    """Atoms of the templates of every token. Slots that are empty for a token have the class that the options say."""

    restype: Int[np.ndarray, "t n"]
    positions: Float[np.ndarray, "t n a 3"]  # Å, ATOMS
    mask: Bool[np.ndarray, "t n a"]

    def backbone(self) -> tuple[Float[np.ndarray, "t n 3 3"], Bool[np.ndarray, "t n"]]:
        """N, CA and C; an unknown residue has N three times."""
        places = np.where((self.restype == UNKNOWN)[..., None], PLACE["N"], [PLACE["N"], PLACE["CA"], PLACE["C"]])
        known = np.take_along_axis(self.mask, places, axis=2).all(axis=-1)
        return np.take_along_axis(self.positions, places[..., None], axis=2), np.asarray(known)

    def pseudo_beta(self) -> tuple[Float[np.ndarray, "t n 3"], Bool[np.ndarray, "t n"]]:
        """CB, CA of glycine, N of an unknown residue."""
        glycine = self.restype == residues.INDEX["GLY"]
        place = np.where(glycine, PLACE["CA"], np.where(self.restype == UNKNOWN, PLACE["N"], PLACE["CB"]))[..., None]
        positions = np.take_along_axis(self.positions, place[..., None], axis=2)[:, :, 0]
        return positions, np.take_along_axis(self.mask, place, axis=2)[..., 0]


@dataclass(frozen=True, eq=False)
class TemplateChain:
    """Residues of a chain of known structure; those without atoms count too."""

    restype: Int[np.ndarray, "r"]
    positions: Float[np.ndarray, "r a 3"]
    mask: Bool[np.ndarray, "r a"]


def template_atoms(tokens: Tokens, job: Job, options: FeatureOptions = PAPER) -> TemplateAtoms:
    """The first templates of each protein chain. Copies of a chain have the templates of the first copy."""
    entities, parts = dict(job.chains()), []
    of_entity: dict[int, TemplateAtoms] = {}
    for number in dict.fromkeys(tokens.chain.tolist()):
        chain, mine = tokens.structure.chains[number], tokens.chain == number
        width = len(set(tokens.residue[mine].tolist())) if chain.is_polymer else int(mine.sum())
        entity, entity_id = entities[chain.id], int(tokens.entity_id[mine][0])
        templates = (entity.templates or ()) if isinstance(entity, Protein) and int(mine.sum()) >= SHORTEST else ()
        if entity_id not in of_entity:
            of_entity[entity_id] = _chain_part(chain.id, templates, width, options, tokens.structure.components)
        parts.append(of_entity[entity_id])
    columns = alignment_columns(tokens)
    restype, positions, mask = (
        np.concatenate([getattr(part, name) for part in parts], axis=1)[:, columns]
        for name in ("restype", "positions", "mask")
    )
    return TemplateAtoms(restype, positions, mask)


def _chain_part(
    chain: str, templates: Sequence[Template], width: int, options: FeatureOptions, components: Components
) -> TemplateAtoms:
    slots = options.templates
    restype = np.full((slots, width), GAP if options.empty_template == "gap" else 0)
    if options.empty_template == "gap then zero" and slots and not templates:
        restype[0] = GAP
    positions, mask = np.zeros((slots, width, len(ATOMS), 3), np.float32), np.zeros((slots, width, len(ATOMS)), bool)
    for slot, template in enumerate(templates[:slots]):
        try:
            known = read_chain(template.mmcif, components)
            query, hit = _checked(template, width, len(known.restype))
        except ValueError as error:
            raise ValueError(f"template {slot + 1} of chain {chain}: {error}") from None
        restype[slot] = GAP
        restype[slot, query] = known.restype[hit]
        positions[slot, query], mask[slot, query] = known.positions[hit], known.mask[hit]
    return TemplateAtoms(restype, positions, mask)


def _checked(template: Template, width: int, residues_there: int) -> tuple[list[int], list[int]]:
    query, hit = list(template.query_indices), list(template.template_indices)
    if max(query, default=-1) >= width:
        raise ValueError(f"queryIndices has {max(query)}, but the chain has residues 0 to {width - 1}")
    if max(hit, default=-1) >= residues_there:
        raise ValueError(f"templateIndices has {max(hit)}, but the template has residues 0 to {residues_there - 1}")
    return query, hit


def read_chain(mmcif: str, components: Components | None = None) -> TemplateChain:
    """The only polymer chain of an mmCIF text: first model, best alternative location."""
    components = components or Components()
    block = cif.read(mmcif)[0]
    rows = _atom_rows(block)
    codes = _sequence(block, rows)
    residue = {number: place for place, number in enumerate(codes)}
    count = len(codes)
    positions, mask = np.zeros((count, len(ATOMS), 3), np.float32), np.zeros((count, len(ATOMS)), bool)
    for number, name, point in rows:
        selenium = codes[number] == SELENOMETHIONINE and name == "SE"
        place = PLACE.get("SD" if selenium else name)
        if place is not None:
            positions[residue[number], place], mask[residue[number], place] = point, True
    restype = np.array([_class_of(code, components) for code in codes.values()])
    _order_arginine(restype, positions, mask)
    return TemplateChain(restype, positions, mask)


AtomRow = tuple[int, str, tuple[float, float, float]]


def _atom_rows(block: cif.Block) -> list[AtomRow]:
    """Residue number, name and position of the polymer atoms of the first model."""
    column = lambda name, default=None: block.column("atom_site", name, default)  # noqa: E731
    numbers, names, chains = column("label_seq_id"), column("label_atom_id"), column("label_asym_id")
    models, others = column("pdbx_PDB_model_num", "1"), column("label_alt_id", ".")
    points = zip(*(column(f"Cartn_{axis}") for axis in "xyz"), strict=True)
    occupancy = column("occupancy", "1")
    table = list(zip(chains, numbers, names, models, others, occupancy, points, strict=True))
    table = [row for row in table if row[1] not in MISSING and row[3] == table[0][3]]
    found = sorted({row[0] for row in table})
    if len(found) != 1:
        raise ValueError(
            f"the mmCIF has {len(found)} polymer chains ({', '.join(found[:5])}); a template is a single chain"
        )
    best = _alternatives(table)
    kept = [row for row in table if row[4] in (*MISSING, best.get(row[1]))]
    return [(int(row[1]), row[2], (float(row[6][0]), float(row[6][1]), float(row[6][2]))) for row in kept]


def _alternatives(table: Sequence[tuple]) -> dict[str, str]:
    """For each residue with alternative locations, the one with the highest occupancy; the first of equals."""
    sums: dict[str, dict[str, float]] = {}
    for _, number, _, _, other, occupancy, _ in table:
        if other not in MISSING:
            places = sums.setdefault(number, {})
            places[other] = places.get(other, 0.0) + float(occupancy if occupancy not in MISSING else 1)
    return {number: min(places, key=lambda place: (-places[place], place)) for number, places in sums.items()}


def _sequence(block: cif.Block, rows: Sequence[AtomRow]) -> dict[int, str]:
    """Residue number -> component code, from the tables of the sequence, else from the atoms."""
    sites = block.table("atom_site")
    place = next(place for place, number in enumerate(sites["label_seq_id"]) if number not in MISSING)
    chain, entity = sites["label_asym_id"][place], sites.get("label_entity_id", ["?"] * (place + 1))[place]
    if block.table("pdbx_poly_seq_scheme"):
        found = _numbered(block, "pdbx_poly_seq_scheme", "asym_id", chain, "seq_id", "mon_id")
    elif block.table("entity_poly_seq"):
        found = _numbered(block, "entity_poly_seq", "entity_id", entity, "num", "mon_id")
    else:
        found = _numbered(block, "atom_site", "label_asym_id", chain, "label_seq_id", "label_comp_id")
    codes: dict[int, str] = {}
    for number, code in found:
        codes.setdefault(int(number), code)  # the first of several residues in one place
    missing = next((number for number, _, _ in rows if number not in codes), None)
    if missing is not None:
        raise ValueError(f"residue {missing} has atoms but is not in the sequence of chain {chain}")
    return codes


def _numbered(block: cif.Block, category: str, key: str, wanted: str, number: str, code: str) -> list[tuple[str, str]]:
    """Numbers and codes of the rows of one chain or entity."""
    columns = (block.column(category, name) for name in (key, number, code))
    return [(n, c) for owner, n, c in zip(*columns, strict=True) if owner == wanted and n not in MISSING]


def _class_of(code: str, components: Components) -> int:
    if code in residues.INDEX and RESIDUES[residues.INDEX[code]].kind == PROTEIN:
        return residues.INDEX[code]
    letter = components[code].letter if code in components else ""
    return int(encoding(PROTEIN)[ord(letter)]) if len(letter) == 1 else UNKNOWN


def _order_arginine(restype: np.ndarray, positions: np.ndarray, mask: np.ndarray) -> None:
    """NH1 of arginine is the one nearer to CD."""
    first, second, delta = PLACE["NH1"], PLACE["NH2"], PLACE["CD"]
    whole = (restype == residues.INDEX["ARG"]) & mask[:, [first, second, delta]].all(axis=1)
    distance = np.linalg.norm(positions[:, [first, second]] - positions[:, [delta]], axis=-1)
    swap = np.flatnonzero(whole & (distance[:, 0] > distance[:, 1]))
    rows = swap[:, None]
    positions[rows, [first, second]] = positions[rows, [second, first]]
