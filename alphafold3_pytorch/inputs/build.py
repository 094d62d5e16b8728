"""Job to Structure: which residues there are, which atoms each of them has, and which are bonded."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from alphafold3_pytorch.chem.ccd import Components, standard_component
from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.chem.residues import C_TERMINAL, DNA, FIVE_PRIME, PROTEIN, RNA
from alphafold3_pytorch.inputs.job import AtomAddress, Entity, Job, Ligand, chain_order
from alphafold3_pytorch.structure.table import Chain, Structure

Leaving = Literal["bonded", "sugar oxygen", "sugar oxygen if bonded"]


@dataclass(frozen=True)
class BuildOptions:
    """Which atoms are left out.

    `leaving` says what a bond costs: "bonded" takes the leaving atom next to each bonded atom, as the dictionary flags
    it; "sugar oxygen" takes O1 of every sugar unless O1 is bonded, bonds or no bonds (official AlphaFold 3);
    "sugar oxygen if bonded" does so only for sugars with a bond (the official option `fix_standalone_glycans`).
    """

    terminal_atoms: bool = True  # OXT at the C terminus, OP3 at the 5' end
    leaving: Leaving = "bonded"
    sort_chains: bool = True
    one_code_per_ligand: bool = True  # copies of a ligand without a code have one code, and so are one entity


class Place(NamedTuple):
    chain: str
    residue: int  # from 0


def build(job: Job, options: BuildOptions = BuildOptions()) -> Structure:
    """All atoms of a job, without positions."""
    named = sorted(job.chains(), key=lambda item: chain_order(item[0])) if options.sort_chains else list(job.chains())
    own = dict(job.components)
    codes = LigandCodes(own, options.one_code_per_ligand)
    chains = tuple(Chain(name, entity.kind, codes.residues(name, entity)) for name, entity in named)
    components = Components(own)
    bonded = _bonded_atoms(job, chains, components)
    columns = [_chain_columns(number, chain, components, bonded, options) for number, chain in enumerate(chains)]
    names, elements, charges, chain, residue = (np.concatenate(column) for column in zip(*columns, strict=True))
    structure = Structure(
        chains=chains,
        chain=chain,
        residue=residue,
        names=names,
        elements=elements,
        charges=charges,
        positions=np.full((len(names), 3), np.nan),
        bonds=np.zeros((0, 2), np.int64),
        components=components,
    )
    return replace(structure, bonds=_bonds(job, structure))


class LigandCodes:
    """Gives codes to ligands that have none; their components join the job's own."""

    def __init__(self, own: dict[str, Component], shared: bool):
        self.own, self.shared = own, shared
        self.given: dict[Hashable, str] = {}

    def residues(self, name: str, entity: Entity) -> tuple[str, ...]:
        """Component codes of a chain."""
        if not isinstance(entity, Ligand):
            return entity.residues()
        return entity.codes or (self.code(name, entity),)

    def code(self, name: str, ligand: Ligand) -> str:
        key: Hashable = ligand.smiles
        if ligand.component is not None:
            key = ligand.component.name, ligand.component.names, ligand.component.bonds.tobytes()
        if self.shared and key in self.given:
            return self.given[key]
        code = self.given[key] = f"LIG_{name}"
        known = ligand.component
        self.own[code] = from_smiles(ligand.smiles, code) if known is None else replace(known, code=code)
        return code


def _bonded_atoms(job: Job, chains: tuple[Chain, ...], components: Components) -> dict[Place, set[str]]:
    """Names of atoms with declared bonds, by residue. All ends are checked here."""
    by_id = {chain.id: chain for chain in chains}
    bonded: dict[Place, set[str]] = {}
    for number, bond in enumerate(job.bonds):
        for end in bond:
            try:
                _check_end(end, by_id, components)
            except ValueError as error:
                raise ValueError(f"bond {number + 1} ({bond[0]} to {bond[1]}): {error}") from None
            bonded.setdefault(Place(end.chain, end.residue - 1), set()).add(end.atom)
    return bonded


def _check_end(end: AtomAddress, chains: dict[str, Chain], components: Components) -> None:
    if end.chain not in chains:
        raise ValueError(f"there is no chain {end.chain!r}; chains are {', '.join(chains)}")
    residues = chains[end.chain].residues
    if not 1 <= end.residue <= len(residues):
        raise ValueError(f"chain {end.chain} has residues 1 to {len(residues)}, not {end.residue}")
    component = components[residues[end.residue - 1]]
    names = [name for name, heavy in zip(component.names, component.heavy, strict=True) if heavy]
    if end.atom not in names:
        raise ValueError(f"{component.code} has no atom {end.atom!r}; its atoms are {', '.join(names)}")


def _chain_columns(
    number: int, chain: Chain, components: Components, bonded: dict[Place, set[str]], options: BuildOptions
) -> tuple[np.ndarray, ...]:
    """Names, elements, charges, chain and residue of the atoms of one chain."""
    last = len(chain.residues) - 1
    rows: list[tuple[Component, np.ndarray]] = []
    kept: dict[tuple[str, bool, bool], np.ndarray] = {}
    for place, code in enumerate(chain.residues):
        ends = bonded.get(Place(chain.id, place), set())
        key = (code, place == 0, place == last)
        if ends or key not in kept:
            component = components[code]
            dropped = _missing(component, chain.kind, place == 0, place == last, ends, options)
            keep = component.heavy & ~np.isin(component.names, list(dropped))
            if not ends:
                kept[key] = keep
        else:
            keep = kept[key]
        rows.append((components[code], np.flatnonzero(keep)))
    counts = [len(keep) for _, keep in rows]
    return (
        np.array([component.names[atom] for component, keep in rows for atom in keep], str).reshape(-1),
        np.concatenate([component.elements[keep] for component, keep in rows]).astype(np.int64),
        np.concatenate([component.charges[keep] for component, keep in rows]).astype(np.int64),
        np.full(sum(counts), number),
        np.repeat(np.arange(len(rows)), counts),
    )


def _missing(
    component: Component, kind: str, first: bool, last: bool, bonded: set[str], options: BuildOptions
) -> set[str]:
    """Names of the atoms that a residue lacks where it stands."""
    missing = set()
    if kind == PROTEIN and not (last and options.terminal_atoms):
        missing.add(C_TERMINAL)
    if kind in (RNA, DNA) and not (first and options.terminal_atoms):
        missing.add(FIVE_PRIME)
    if options.leaving == "bonded":
        return (missing | _leaving(component, bonded)) - bonded
    sugar = kind not in (PROTEIN, RNA, DNA) and is_sugar(component)
    if sugar and "O1" not in bonded and (bonded or options.leaving == "sugar oxygen"):
        missing.add("O1")
    return missing - bonded


def is_sugar(component: Component) -> bool:
    """By what the dictionary says of the code, as in official AlphaFold 3."""
    listed = standard_component(component.code)
    return listed is not None and listed.is_saccharide


def _leaving(component: Component, bonded: set[str]) -> set[str]:
    """For each bonded atom one neighbour that the dictionary calls leaving."""
    leaving: set[str] = set()
    for atom in sorted(bonded):
        free = [
            name
            for name in component.neighbours(atom)
            if component.leaving[component.index[name]] and component.heavy[component.index[name]]
        ]
        leaving.update([name for name in free if name not in bonded | leaving][:1])
    return leaving


def _bonds(job: Job, structure: Structure) -> np.ndarray:
    """Declared bonds as pairs of atoms, in the order and direction in which they were declared."""
    if not job.bonds:
        return np.zeros((0, 2), np.int64)
    numbers = {chain.id: number for number, chain in enumerate(structure.chains)}
    atoms = zip(structure.chain.tolist(), structure.residue.tolist(), structure.names.tolist(), strict=True)
    index = {address: place for place, address in enumerate(atoms)}
    ends = [[index[numbers[end.chain], end.residue - 1, end.atom] for end in bond] for bond in job.bonds]
    return np.array(ends, np.int64)
