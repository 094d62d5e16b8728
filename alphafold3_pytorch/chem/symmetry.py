"""Which atoms of a residue or ligand are interchangeable: names that mean nothing (SI 4.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, permutations, product
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.molecules import heavy_molecule, molecule

MOST_OPTIONS = 1000  # ways to rename the atoms of one component; six ligands of a metal have 720
# Atoms of standard residues whose names are arbitrary. The others follow IUPAC rules, as CD1 and CD2 of leucine do.
AMBIGUOUS = {
    "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),),
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")),
    "TYR": (("CD1", "CD2"), ("CE1", "CE2")),
}
END = (("O", "OXT"),)
POLYMER_NAMES = {"N", "CA", "C", "O", "P", "OP1", "OP2", "O5'", "O3'"}  # of modified residues: linked, or named by rule
TETRAHEDRAL = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
Ends = dict[tuple[int, int, str], list[int]]  # by centre, element and kind of bond
RESONANT = {7, 8, 16}  # two ends N, O or S of one atom are alike, whichever has the double bond or the charge


@dataclass(frozen=True, eq=False)
class Site:
    """Atoms that can be renamed together: with option p, atom i takes the place of atom `options[p, i]`."""

    atoms: Int[np.ndarray, "k"]
    options: Int[np.ndarray, "p k"]  # the first one leaves everything as it is


@lru_cache(maxsize=4096)
def standard_sites(code: str, names: tuple[str, ...]) -> tuple[Site, ...]:
    """Those of a standard residue with these atoms."""
    there = [tuple(pair for pair in pairs if set(pair) <= set(names)) for pairs in (AMBIGUOUS.get(code, ()), END)]
    return tuple(_swapped([tuple(names.index(name) for name in pair) for pair in pairs]) for pairs in there if pairs)


def _swapped(pairs: Sequence[tuple[int, ...]]) -> Site:
    atoms = np.array(pairs).T.ravel()
    return Site(atoms, np.stack([atoms, np.roll(atoms, len(pairs))]))


@lru_cache(maxsize=4096)
def sites(component: Component, names: tuple[str, ...], fixed: frozenset[str] = frozenset()) -> tuple[Site, ...]:
    """Those of a residue that is not standard, or of a ligand, with these atoms in this order.

    Automorphisms of the graph of heavy atoms that keep its stereochemistry and the `fixed` atoms. Ends of one atom (the
    oxygens of a phosphate) are permuted freely and by themselves unless the rest has symmetries too; then all
    combinations are one site. Of more than MOST_OPTIONS the first are taken.
    """
    mol = heavy_molecule(component, names)
    ends = end_groups(mol, {names.index(name) for name in fixed & set(names)})
    stereo = _stereo(component, names, mol, {place for group in ends.values() for place in group})
    cores = [core for core in _cores(mol, ends, [name in fixed for name in names]) if stereo.is_kept(core)]
    if len(cores) == 1:
        return tuple(Site(np.array(group), np.array(_orders(group))) for group in ends.values())
    options = np.array(list(islice(_combined(cores, ends, len(names)), MOST_OPTIONS)))
    moved = np.flatnonzero((options != options[0]).any(axis=0))
    return (Site(moved, options[:, moved]),)


def _orders(group: Sequence[int]) -> list[tuple[int, ...]]:
    return list(islice(permutations(group), MOST_OPTIONS))


def end_groups(mol: Any, fixed: set[int]) -> Ends:
    """Two or more atoms of one element that hang on the same atom by one bond, alike but for resonance."""
    groups: Ends = {}
    for atom in mol.GetAtoms():
        if atom.GetDegree() != 1 or atom.GetIdx() in fixed:
            continue
        bond = atom.GetBonds()[0]
        centre, element = bond.GetOtherAtom(atom), atom.GetAtomicNum()
        if centre.GetDegree() > 1:
            kind = "" if element in RESONANT else str(bond.GetBondType())
            groups.setdefault((centre.GetIdx(), element, kind), []).append(atom.GetIdx())
    return {key: group for key, group in groups.items() if len(group) > 1}


def _cores(mol: Any, ends: Ends, fixed: Sequence[bool]) -> list[dict[int, int]]:
    """Automorphisms of what is left without those ends, the identity first."""
    core, kinds = Chem.RWMol(mol), {}
    for atom in core.GetAtoms():
        place = atom.GetIdx()
        hung = sorted((element, kind, len(group)) for (at, element, kind), group in ends.items() if at == place)
        kind = place if fixed[place] else (atom.GetAtomicNum(), *hung)
        atom.SetIsotope(kinds.setdefault(kind, len(kinds) + 1))
        atom.SetIntProp("at", place)
        atom.SetFormalCharge(0)
    for place in sorted((place for group in ends.values() for place in group), reverse=True):
        core.RemoveAtom(place)
    places = [atom.GetIntProp("at") for atom in core.GetAtoms()]
    rows = core.GetSubstructMatches(core, uniquify=False, useChirality=False, maxMatches=MOST_OPTIONS)
    identity = tuple(range(len(places)))
    ways = [identity, *(row for row in rows if row != identity)]
    return [dict(zip(places, (places[to] for to in row), strict=True)) for row in ways]


def _combined(cores: Sequence[dict[int, int]], ends: Ends, count: int) -> Iterator[list[int]]:
    """Every automorphism of the core with every order of the ends, which go where their centre goes."""
    for choice in product(*(_orders(range(len(group))) for group in ends.values())):
        for core in cores:
            row = [core.get(place, place) for place in range(count)]
            for ((centre, element, kind), group), order in zip(ends.items(), choice, strict=True):
                there = ends[core[centre], element, kind]
                for atom, place in zip(group, order, strict=True):
                    row[atom] = there[place]
            yield row


@dataclass(frozen=True, eq=False)
class Stereo:
    """What must not be mirrored: stereocentres, and double bonds between cis and trans."""

    positions: Float[np.ndarray, "m 3"]  # of an ideal conformer, NaN where unknown
    centres: list[list[int]]  # of each the centre and three neighbours
    doubles: list[list[int]]  # of each a neighbour, both ends, a neighbour

    def is_kept(self, core: dict[int, int]) -> bool:
        """Whether an automorphism takes each of them to one of the same hand. Unknown ones it must leave alone."""
        for side, groups in ((_hand, self.centres), (_side, self.doubles)):
            for places in groups:
                images = [core[place] for place in places]
                if images != places and not side(self.positions[places]) * side(self.positions[images]) > 0:
                    return False
        return True


def _hand(points: Float[np.ndarray, "4 3"]) -> float:
    centre, *others = points
    return float(np.linalg.det(np.array(others) - centre))


def _side(points: Float[np.ndarray, "4 3"]) -> float:
    """Positive for cis, negative for trans."""
    first, left, right, last = points
    axis = right - left
    return float(np.cross(first - left, axis) @ np.cross(last - right, axis))


def _stereo(component: Component, names: tuple[str, ...], mol: Any, ends: set[int]) -> Stereo:
    """An atom with two ends that are alike has no hand."""
    whole = molecule(component)
    tags = whole.GetAtoms() if whole is not None else ()
    handed = {component.names[atom.GetIntProp("place")] for atom in tags if atom.GetChiralTag() in TETRAHEDRAL}
    near = [[other.GetIdx() for other in atom.GetNeighbors()] for atom in mol.GetAtoms()]
    found = [[place, *near[place][:3]] for place, name in enumerate(names) if name in handed and len(near[place]) > 2]
    centres = [places for places in found if not ends & set(near[places[0]])]
    doubles = []
    for bond in mol.GetBonds():
        pair = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        others = [[place for place in near[end] if place not in {*pair, *ends}] for end in pair]
        if bond.GetBondType() == Chem.BondType.DOUBLE and not bond.IsInRing() and all(others):
            doubles.append([others[0][0], *pair, others[1][0]])
    known = component.ideal if component.model is None or np.isfinite(component.ideal).all() else component.model
    return Stereo(known[[component.index[name] for name in names]], centres, doubles)
