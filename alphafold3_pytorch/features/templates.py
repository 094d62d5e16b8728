"""Templates of protein chains: the atoms of their residues, put in the places of the query's (SI 2.4, 2.8)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.chem import residues
from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.residues import GAP, PROTEIN, RESIDUES, UNKNOWN
from alphafold3_pytorch.features.msa import SHORTEST, alignment_columns, encoding
from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.features.tokens import SELENOMETHIONINE, Tokens
from alphafold3_pytorch.inputs.job import Job, Protein, Template
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.table import Structure

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
        templates = _known_templates(entity) if isinstance(entity, Protein) and int(mine.sum()) >= SHORTEST else ()
        if entity_id not in of_entity:
            of_entity[entity_id] = _chain_part(chain.id, templates, width, options, tokens.structure.components)
        parts.append(of_entity[entity_id])
    columns = alignment_columns(tokens)
    restype, positions, mask = (
        np.concatenate([getattr(part, name) for part in parts], axis=1)[:, columns]
        for name in ("restype", "positions", "mask")
    )
    return TemplateAtoms(restype, positions, mask)


def _known_templates(protein: Protein) -> tuple[Template, ...]:
    if protein.templates is None and protein.template_hits is not None:
        where = f"protein {protein.ids[0]} has hits of templates"
        raise ValueError(f"{where}; make templates of them first, with search.templates.complete")
    return protein.templates or ()


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
    """The only polymer chain of an mmCIF text."""
    structure = read_entry(mmcif).structure
    polymers = [number for number, chain in enumerate(structure.chains) if chain.is_polymer]
    if len(polymers) != 1:
        ids = ", ".join(structure.chains[number].id for number in polymers[:5])
        raise ValueError(f"the mmCIF has {len(polymers)} polymer chains ({ids}); a template is a single chain")
    return chain_atoms(structure, polymers[0], components or Components())


def chain_atoms(structure: Structure, number: int, components: Components) -> TemplateChain:
    """A chain of a structure as a template."""
    codes = np.array(structure.chains[number].residues)
    mine = structure.chain == number
    residue, names = structure.residue[mine], structure.names[mine]
    names = np.where((codes[residue] == SELENOMETHIONINE) & (names == "SE"), "SD", names)
    place = np.array([PLACE.get(name, -1) for name in names.tolist()], int)
    rows, columns = residue[place >= 0], place[place >= 0]
    positions, mask = np.zeros((len(codes), len(ATOMS), 3), np.float32), np.zeros((len(codes), len(ATOMS)), bool)
    positions[rows, columns], mask[rows, columns] = structure.positions[mine][place >= 0], True
    restype = np.array([_class_of(code, components) for code in codes.tolist()])
    _order_arginine(restype, positions, mask)
    return TemplateChain(restype, positions, mask)


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
