"""mmCIF to Entry: a deposited structure with the whole sequence of every chain, and what is known of the experiment."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from alphafold3_pytorch.chem import cif, elements
from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.ccd_cache import dictionary
from alphafold3_pytorch.chem.component import Component, components_of
from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.structure.table import Chain, Structure

WATER = ("HOH", "DOD")
HYDROGEN = 1
KINDS = {
    "polypeptide(L)": PROTEIN,
    "polypeptide(D)": PROTEIN,
    "polyribonucleotide": RNA,
    "polydeoxyribonucleotide": DNA,
}  # of _entity_poly.type; in other polymers most residues decide
RESOLUTIONS = (
    ("refine", "ls_d_res_high"),
    ("em_3d_reconstruction", "resolution"),
    ("reflns", "d_resolution_high"),
)
DATES = ("pdbx_audit_revision_history", "revision_date"), ("database_PDB_rev", "date")
LINKAGE = ({"C", "N"}, {"O3'", "P"})  # between neighbours in a chain
COLUMNS = {  # of _atom_site, with what stands in for a column that is not there; None where it is needed
    "asym": ("label_asym_id", None),
    "entity": ("label_entity_id", ""),
    "seq": ("label_seq_id", None),
    "code": ("label_comp_id", None),
    "name": ("label_atom_id", None),
    "symbol": ("type_symbol", ""),
    "alternative": ("label_alt_id", ""),
    "author_chain": ("auth_asym_id", ""),
    "author_number": ("auth_seq_id", ""),
    "insertion": ("pdbx_PDB_ins_code", ""),
    "model": ("pdbx_PDB_model_num", ""),
}

Sites = dict[str, np.ndarray]


@dataclass(frozen=True)
class AuthorNames:
    """What the authors call a chain and its residues: for messages, and for files that speak of these."""

    chain: str
    residues: tuple[str, ...]  # numbers with insertion codes; empty where not known


@dataclass(frozen=True, eq=False)
class Entry:
    """Chains are those with atoms, under their `label_asym_id`, without waters, hydrogens and other conformations."""

    id: str
    method: str  # "X-RAY DIFFRACTION"; several are joined by semicolons
    resolution: float | None  # Å
    released: str  # date, ISO; empty where the file does not say
    structure: Structure
    authors: tuple[AuthorNames, ...]  # of each chain

    def address(self, chain: int, residue: int) -> str:
        """A residue in the words of the authors, `residue 52B of chain A`."""
        names = self.authors[chain]
        return f"residue {names.residues[residue] or residue + 1} of chain {names.chain}"


def read_entry(source: str | bytes | Path | cif.Block, model: int = 1) -> Entry:
    """Of mmCIF text, BinaryCIF bytes, a file with either, or a block that is read already; the n-th of its models."""
    block = source if isinstance(source, cif.Block) else _block(source)
    sites = _sites(block, model)
    runs = _runs(sites)
    chains = _chains(block, sites, runs)
    return Entry(
        id=block.value("entry", "id", block.name),
        method="; ".join(dict.fromkeys(block.texts("exptl", "method", "").tolist())).upper(),
        resolution=_resolution(block),
        released=release_date(block),
        structure=_structure(block, sites, runs, chains),
        authors=tuple(AuthorNames(named.author, tuple(named.author_numbers)) for named in chains),
    )


def _block(source: str | bytes | Path) -> cif.Block:
    blocks = cif.read_file(source) if isinstance(source, Path) else cif.read(source)
    found = next((block for block in blocks if "atom_site" in block), None)
    if found is None:
        what = source if isinstance(source, Path) else "this text"
        raise ValueError(
            f"{what} is no mmCIF entry, which starts with data_NAME and has a table _atom_site; files in the old PDB "
            "format have to be converted"
        )
    return found


def _sites(block: cif.Block, model: int) -> Sites:
    """The rows of one model without hydrogens and waters."""
    sites: Sites = {name: block.texts("atom_site", *column) for name, column in COLUMNS.items()}
    numbers = sites.pop("model")
    models = list(dict.fromkeys(numbers.tolist()))
    if not 1 <= model <= len(models):
        raise ValueError(f"data_{block.name} has models 1 to {len(models)}, not {model}")
    sites["element"] = _elements(sites)
    sites["position"] = np.stack([block.numbers("atom_site", f"Cartn_{axis}") for axis in "xyz"], axis=1)
    sites["occupancy"] = np.nan_to_num(block.numbers("atom_site", "occupancy", 1.0), nan=1.0)
    sites["charge"] = np.nan_to_num(block.numbers("atom_site", "pdbx_formal_charge", 0.0)).astype(int)
    if (sites["insertion"] != "").any():
        sites["author_number"] = np.char.add(sites["author_number"], sites["insertion"])
    waters = [entity for entity, kind in _entity_types(block).items() if kind == "water"]
    water = np.isin(sites["code"], WATER) | np.isin(sites["entity"], waters)
    keep = (numbers == models[model - 1]) & (sites["element"] != HYDROGEN) & ~water
    if not keep.any():
        raise ValueError(f"data_{block.name} has no atoms beside water and hydrogen")
    return _with_own_chains(block, {name: column[keep] for name, column in sites.items()})


def _elements(sites: Sites) -> Int[np.ndarray, "m"]:
    """By the symbols; where these are no elements (some writers cut MG to M) by the dictionary."""
    symbols, which = np.unique(sites["symbol"], return_inverse=True)
    numbers = np.array([elements.NUMBERS.get(symbol.upper(), -1) for symbol in symbols.tolist()])[which]
    components = Components()
    for row in np.flatnonzero(numbers < 0).tolist():
        code, name, symbol = (sites[column][row].item() for column in ("code", "name", "symbol"))
        place = components[code].index.get(name) if code in components else None
        numbers[row] = elements.atomic_number(symbol or "X") if place is None else components[code].elements[place]
    return numbers


def _with_own_chains(block: cif.Block, sites: Sites) -> Sites:
    """Ligands that share the id of a polymer, as some old files and converters have it, get one of their own."""
    single = sites["seq"] == ""
    polymers = np.unique(sites["asym"][~single])
    scheme = _grouped(block, "pdbx_nonpoly_scheme", "asym_id", "pdb_mon_id", "pdb_seq_num", "pdb_ins_code")
    listed = [f"{asym}_{''.join(row)}" for asym in polymers.tolist() for row in scheme.get(asym, [])]
    shared = np.isin(sites["asym"], polymers)
    if not listed and not (shared & single).any():
        return sites
    own = np.char.add(np.char.add(np.char.add(sites["asym"], "_"), sites["code"]), sites["author_number"])
    stray = shared & (single | np.isin(own, listed))
    return sites | {"asym": np.where(stray, own, sites["asym"]), "seq": np.where(stray, "", sites["seq"])}


def _entity_types(block: cif.Block) -> dict[str, str]:
    """`polymer`, `non-polymer`, `branched`, `water` by entity."""
    return dict(zip(block.texts("entity", "id", "").tolist(), block.texts("entity", "type", "").tolist(), strict=True))


def _runs(sites: Sites) -> Int[np.ndarray, "k"]:
    """Where the rows of one residue begin, one after the other, and the end."""
    changed = np.zeros(len(sites["asym"]), bool)
    for name in ("asym", "seq", "code", "author_number"):
        changed[1:] |= sites[name][1:] != sites[name][:-1]
    changed[0] = True
    return np.append(np.flatnonzero(changed), len(changed))


@dataclass(frozen=True)
class _NamedChain:
    """A chain, and how the tables of the file speak of it and of its residues."""

    chain: Chain
    entity: str
    author: str
    author_numbers: list[str]
    labelled_by: str  # the column that tells its residues apart: "seq", or "author_number" in what is no polymer
    places: dict[str, int]  # by these labels
    numbers: dict[str, int]  # number in the entity -> place


class Listed(NamedTuple):
    """A row of a table that lists residues."""

    label: str  # as in `_NamedChain.places`
    number: str  # in the entity
    code: str
    author: str  # number


def _chains(block: cif.Block, sites: Sites, runs: np.ndarray) -> list[_NamedChain]:
    """The chains in the order of their atoms."""
    rows: dict[str, list[int]] = {}
    for row, asym in zip(runs[:-1].tolist(), sites["asym"][runs[:-1]].tolist(), strict=True):
        rows.setdefault(asym, []).append(row)
    types, stated = _entity_types(block), _grouped(block, "entity_poly", "entity_id", "type")
    tables, chains = _Listings(block), []
    for asym, mine in rows.items():
        entity, author = (sites[name][mine[0]].item() for name in ("entity", "author_chain"))
        polymer = types.get(entity, "polymer") == "polymer" and bool((sites["seq"][mine] != "").any())
        labelled_by = "seq" if polymer or not sites["author_number"][mine[0]] else "author_number"
        listed = tables.polymer(asym, entity) if polymer else tables.branched(asym)
        listed = listed or _listed_by_atoms(sites, mine, labelled_by)
        kind = _kind([text for (text,) in stated.get(entity, [])], listed) if polymer else LIGAND
        chains.append(_named(Chain(asym, kind, ()), entity, author or asym, labelled_by, listed))
    return chains


class _Listings:
    """What the file's tables say of the residues of chains."""

    def __init__(self, block: cif.Block):
        scheme = "seq_id", "mon_id", "pdb_seq_num", "pdb_ins_code"
        self.of_asym = _grouped(block, "pdbx_poly_seq_scheme", "asym_id", *scheme)
        self.of_entity = _grouped(block, "entity_poly_seq", "entity_id", "num", "mon_id")
        self.branches = _grouped(block, "pdbx_branch_scheme", "asym_id", "pdb_seq_num", "num", "mon_id")

    def polymer(self, asym: str, entity: str) -> list[Listed]:
        if asym in self.of_asym:
            return [Listed(number, number, code, author + more) for number, code, author, more in self.of_asym[asym]]
        return [Listed(number, number, code, "") for number, code in self.of_entity.get(entity, [])]

    def branched(self, asym: str) -> list[Listed]:
        return [Listed(author, number, code, author) for author, number, code in self.branches.get(asym, [])]


def _grouped(block: cif.Block, category: str, key: str, *names: str) -> dict[str, list[tuple[str, ...]]]:
    """The rows of a table by chain or entity; columns that are not there are empty."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    if category in block:
        columns = (block.texts(category, name, "").tolist() for name in names)
        for owner, *values in zip(block.texts(category, key).tolist(), *columns, strict=True):
            groups.setdefault(owner, []).append(tuple(values))
    return groups


def _listed_by_atoms(sites: Sites, rows: list[int], labelled_by: str) -> list[Listed]:
    """Residues of a chain of which no table says more than the atoms do."""
    columns = [sites[name][rows].tolist() for name in (labelled_by, "code", "author_number")]
    number = {label: str(place) for place, label in enumerate(dict.fromkeys(columns[0]), start=1)}
    return [Listed(label, number[label], code, author) for label, code, author in zip(*columns, strict=True)]


def _named(chain: Chain, entity: str, author: str, labelled_by: str, listed: list[Listed]) -> _NamedChain:
    """Where several components compete for one place the first that is listed has it."""
    first: dict[str, Listed] = {}
    for row in listed:
        first.setdefault(row.label, row)
    return _NamedChain(
        chain=replace(chain, residues=tuple(row.code for row in first.values())),
        entity=entity,
        author=author,
        author_numbers=[row.author for row in first.values()],
        labelled_by=labelled_by,
        places={label: place for place, label in enumerate(first)},
        numbers={row.number: place for place, row in enumerate(first.values())},
    )


def _kind(stated: list[str], listed: list[Listed]) -> str:
    """Of a polymer: as the file says, or as most of its residues are."""
    if stated and stated[0] in KINDS:
        return KINDS[stated[0]]
    components = Components()
    kinds = Counter(components[row.code].kind for row in listed if row.code in components)
    return kinds.most_common(1)[0][0] if kinds else PROTEIN


def _structure(block: cif.Block, sites: Sites, runs: np.ndarray, chains: list[_NamedChain]) -> Structure:
    chain, residue = _owners(sites, runs, chains)
    starts = np.concatenate([[0], np.cumsum([len(named.chain.residues) for named in chains])])
    keys = np.where(residue >= 0, starts[chain] + residue, -1)
    rows = np.flatnonzero((keys >= 0) & _chosen(keys, sites))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    rows = rows[_first_of_each(keys[rows], sites["name"][rows])]
    structure = Structure(
        chains=tuple(named.chain for named in chains),
        chain=chain[rows],
        residue=residue[rows],
        names=sites["name"][rows],
        elements=sites["element"][rows],
        charges=sites["charge"][rows],
        positions=sites["position"][rows],
        bonds=np.zeros((0, 2), np.int64),
        components=Components(_own_components(block, chains)),
    )
    finder = _Finder(structure, chains, sites["alternative"][rows])
    pairs = dict.fromkeys(
        (min(pair), max(pair)) for pair in (*_connections(block, finder), *_branch_links(block, finder))
    )
    return replace(structure, bonds=np.array(list(pairs), np.int64).reshape(-1, 2))


def _owners(sites: Sites, runs: np.ndarray, chains: list[_NamedChain]) -> tuple[np.ndarray, np.ndarray]:
    """Chain of each atom and place of its residue, -1 where another component has that place."""
    number_of = {named.chain.id: number for number, named in enumerate(chains)}
    owners, places = [], []
    for row in runs[:-1].tolist():
        number = number_of[sites["asym"][row].item()]
        named = chains[number]
        label = sites[named.labelled_by][row].item()
        if label not in named.places:
            raise ValueError(
                f"residue {label or sites['code'][row]} has atoms but is not in the sequence of chain {named.chain.id}"
            )
        place = named.places[label]
        owners.append(number)
        places.append(place if named.chain.residues[place] == sites["code"][row] else -1)
    lengths = np.diff(runs)
    return np.repeat(owners, lengths), np.repeat(places, lengths)


def _chosen(keys: Int[np.ndarray, "m"], sites: Sites) -> Bool[np.ndarray, "m"]:
    """Atoms of the most occupied of the alternative locations of each residue; of equals the first by name."""
    places, occupancy = sites["alternative"], sites["occupancy"]
    sums: dict[int, dict[str, float]] = {}
    several = np.flatnonzero(places != "")
    for row, key, place in zip(several.tolist(), keys[several].tolist(), places[several].tolist(), strict=True):
        found = sums.setdefault(key, {})
        found[place] = found.get(place, 0.0) + float(occupancy[row])
    best = {key: min(found, key=lambda place: (-found[place], place)) for key, found in sums.items()}
    chosen = places == ""
    chosen[several] = [
        best[key] == place for key, place in zip(keys[several].tolist(), places[several].tolist(), strict=True)
    ]
    return chosen


def _first_of_each(keys: Int[np.ndarray, "m"], names: np.ndarray) -> Int[np.ndarray, "k"]:
    """Places of the first atom of each name in each residue."""
    words, word = np.unique(names, return_inverse=True)
    _, first = np.unique(keys * len(words) + word, return_index=True)
    return np.sort(first)


def _own_components(block: cif.Block, chains: list[_NamedChain]) -> dict[str, Component]:
    """Definitions of components that the dictionary does not have."""
    if "chem_comp_atom" not in block:
        return {}
    codes = {code for named in chains for code in named.chain.residues}
    return components_of(block, {code for code in codes if code not in dictionary()})


@dataclass(frozen=True, eq=False)
class _Finder:
    """Atoms by the names that the tables of bonds have for them."""

    structure: Structure
    chains: list[_NamedChain]
    alternatives: np.ndarray

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {named.chain.id: number for number, named in enumerate(self.chains)}

    @cached_property
    def keys(self) -> np.ndarray:
        return self.structure.residue_keys

    def atom(self, chain: int, place: int | None, name: str, alternative: str = "") -> int | None:
        """Where an atom is, None if it is not known or stands elsewhere."""
        if place is None:
            return None
        key = sum(len(named.chain.residues) for named in self.chains[:chain]) + place
        start, stop = np.searchsorted(self.keys, [key, key + 1])
        found = start + np.flatnonzero(self.structure.names[start:stop] == name)
        if not len(found) or (alternative and self.alternatives[found[0]] not in ("", alternative)):
            return None
        return int(found[0])


def _connections(block: cif.Block, finder: _Finder) -> Iterator[tuple[int, int]]:
    """Covalent bonds and disulfide bridges of the table of connections, those that every chain has left out."""
    if "struct_conn" not in block:
        return
    kinds, ends = block.texts("struct_conn", "conn_type_id", ""), []
    for partner in ("ptnr1", "ptnr2"):
        names = "label_asym_id label_seq_id auth_seq_id label_atom_id symmetry".split()
        columns = [block.texts("struct_conn", f"{partner}_{name}", "").tolist() for name in names]
        more = [
            block.texts("struct_conn", f"pdbx_{partner}_{name}", "").tolist()
            for name in ("PDB_ins_code", "label_alt_id")
        ]
        ends.append(list(zip(*columns, *more, strict=True)))
    for kind, one, other in zip(kinds.tolist(), *ends, strict=True):
        if not kind.startswith(("covale", "disulf")) or one[4] != other[4]:  # another copy in the crystal
            continue
        first, second = _partner(finder, *one), _partner(finder, *other)
        if first is not None and second is not None and not _usual(finder.structure, first, second):
            yield first, second


def _partner(
    finder: _Finder, asym: str, seq: str, author: str, atom: str, _: str, insertion: str, other: str
) -> int | None:
    number = finder.numbers.get(asym)
    if number is None:
        return None
    named = finder.chains[number]
    label = seq if named.labelled_by == "seq" else author + insertion
    return finder.atom(number, named.places.get(label), atom, other)


def _usual(structure: Structure, one: int, other: int) -> bool:
    """Whether a bond is inside a residue or links neighbours in a polymer."""
    if structure.chain[one] != structure.chain[other]:
        return False
    apart = abs(int(structure.residue[one] - structure.residue[other]))
    polymer = structure.chains[structure.chain[one]].is_polymer
    return apart == 0 or (polymer and apart == 1 and {structure.names[one], structure.names[other]} in LINKAGE)


def _branch_links(block: cif.Block, finder: _Finder) -> Iterator[tuple[int, int]]:
    """Bonds between the sugars of a branched entity, in each of its chains."""
    names = [f"{name}_{end}" for end in (1, 2) for name in ("entity_branch_list_num", "atom_id")]
    links = _grouped(block, "pdbx_entity_branch_link", "entity_id", *names)
    for number, named in enumerate(finder.chains):
        for first, first_atom, second, second_atom in links.get(named.entity, []):
            one = finder.atom(number, named.numbers.get(first), first_atom)
            other = finder.atom(number, named.numbers.get(second), second_atom)
            if one is not None and other is not None:
                yield one, other


def _resolution(block: cif.Block) -> float | None:
    """Of the model, or else of the data; Å."""
    for category, name in RESOLUTIONS:
        known = block.numbers(category, name, np.nan)
        if not np.isnan(known).all():
            return float(known[~np.isnan(known)][0])
    return None


def release_date(block: cif.Block) -> str:
    """The first revision."""
    for category, name in DATES:
        dates = [date for date in block.texts(category, name, "").tolist() if date]
        if dates:
            return min(dates)
    return ""
