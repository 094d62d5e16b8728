"""What a structure should look like, from its components: lengths, hands of stereo centres, planes, rings.

Worked out once for each component (as far as its atoms are there), then laid over all its copies in a structure.
Stereochemistry is what RDKit perceives in the SMILES or SDF of a user, or in the ideal coordinates of the dictionary.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.molecules import heavy_molecule, molecule
from alphafold3_pytorch.structure.table import Structure

NONMETALS = frozenset([1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54, 85, 86])
CARBON, NITROGEN = 6, 7
LARGEST_RING = 8  # larger ones are neither flat nor too narrow to be passed through
LARGEST_FLAT_RING = 7
TETRAHEDRAL = {Chem.ChiralType.CHI_TETRAHEDRAL_CCW: 1, Chem.ChiralType.CHI_TETRAHEDRAL_CW: -1}
CIS = {Chem.BondStereo.STEREOZ: True, Chem.BondStereo.STEREOCIS: True}
CIS |= {Chem.BondStereo.STEREOE: False, Chem.BondStereo.STEREOTRANS: False}


class Key(NamedTuple):
    """What is checked on a group of atoms."""

    check: str  # bond, angle, centre, double, plane, ring
    size: int  # of the group
    what: str = ""  # the name of a plane


BOND, ANGLE, CENTRE, DOUBLE = Key("bond", 2), Key("angle", 3), Key("centre", 4), Key("double", 4)
VALUES = {BOND: 2, ANGLE: 2, CENTRE: 1, DOUBLE: 1}  # numbers that go with each group; others have none


@dataclass(frozen=True, eq=False)
class Rows:
    """Groups of atoms, one per row, and what is expected of them.

    bond: two atoms; shortest and longest ideal length. angle: three atoms, the middle one second; the same of the
    distance between the ends. centre: the centre and three neighbours, -1 for one outside the residue; sign of their
    handedness. double: four atoms along a double bond; 1 if cis. plane, ring: nothing else.
    """

    atoms: Int[np.ndarray, "k w"]
    values: Float[np.ndarray, "k v"]

    def at(self, starts: Int[np.ndarray, "r"]) -> "Rows":
        """The same for residues whose atoms start there."""
        atoms = np.where(self.atoms >= 0, self.atoms + starts[:, None, None], -1)
        return Rows(atoms.reshape(-1, self.atoms.shape[1]), np.tile(self.values, (len(starts), 1)))


Expected = Mapping[Key, Rows]
Row = tuple[list[int], list[float]]  # atoms and values
Found = dict[Key, list[Row]]


def expected(structure: Structure) -> Expected:
    """What is expected of all residues of a structure; nothing yet of the bonds between them."""
    copies: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for chain, place, atoms in structure.residues():
        copies[chain.residues[place], tuple(structure.names[atoms].tolist())].append(atoms.start)
    parts: dict[Key, list[Rows]] = defaultdict(list)
    for (code, names), starts in copies.items():
        for key, rows in of_component(structure.components[code], names).items():
            parts[key].append(rows.at(np.array(starts)))
    return {key: joined(rows) for key, rows in parts.items()}


def joined(parts: Sequence[Rows]) -> Rows:
    return Rows(np.concatenate([rows.atoms for rows in parts]), np.concatenate([rows.values for rows in parts]))


@lru_cache(maxsize=4096)
def of_component(component: Component, names: tuple[str, ...]) -> Expected:
    """What is expected of a residue with these atoms; places count along `names`."""
    here = np.full(len(component.names), -1)
    for place, name in enumerate(names):
        if name not in component.index:
            raise ValueError(f"{component.code} has no atom {name!r}; its atoms are {', '.join(component.names)}")
        here[component.index[name]] = place
    table: Found = defaultdict(list)
    _add_lengths(table, component, here)
    _add_stereo(table, component, here)
    _add_shapes(table, component, names)
    return {key: _rows(key, table[key]) for key in {**VALUES, **table}}


def _rows(key: Key, found: list[Row]) -> Rows:
    atoms = np.array([atoms for atoms, _ in found], np.int64).reshape(-1, key.size)
    return Rows(atoms, np.array([values for _, values in found], float).reshape(len(found), VALUES.get(key, 0)))


# Lengths and angles


def _add_lengths(table: Found, component: Component, here: np.ndarray) -> None:
    ideal = _ideal_distances(component)
    if ideal is None:
        ideal = np.full((2, len(here), len(here)), np.nan)
    metal = ~np.isin(component.elements, list(NONMETALS))
    bonds = component.bonds[(here[component.bonds] >= 0).all(axis=1)]
    for a, b in bonds.tolist():
        table[BOND].append((here[[a, b]].tolist(), ideal[:, a, b].tolist()))
    for middle, neighbours in _neighbours(bonds).items():
        for a, b in combinations(neighbours, 2):
            if not metal[[middle, a, b]].any():
                table[ANGLE].append((here[[a, middle, b]].tolist(), ideal[:, a, b].tolist()))


def _neighbours(bonds: np.ndarray) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for a, b in bonds.tolist():
        found[a].append(b)
        found[b].append(a)
    return found


def _ideal_distances(component: Component) -> Float[np.ndarray, "2 a a"] | None:
    """Shortest and longest ideal distances of atoms one or two bonds apart: the dictionary's, else RDKit's bounds."""
    if not np.isnan(component.ideal).any():
        distances = np.linalg.norm(component.ideal[:, None] - component.ideal[None], axis=-1)
        return np.stack([distances, distances])
    mol = molecule(component)
    if mol is None:
        return None
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol, set15bounds=False, doTriangleSmoothing=False)
    lower, upper = np.tril(bounds), np.triu(bounds)
    back = np.argsort([atom.GetIntProp("place") for atom in mol.GetAtoms()])
    return np.stack([lower + lower.T, upper + upper.T])[:, back][:, :, back]


# Stereochemistry


@lru_cache(maxsize=4096)
def stereo_molecule(component: Component) -> Any:
    """The molecule with tags on true stereo centres and double bonds only, or None where RDKit cannot understand it."""
    mol = molecule(component)
    if mol is None:
        return None
    mol = Chem.Mol(mol)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def _add_stereo(table: Found, component: Component, here: np.ndarray) -> None:
    mol = stereo_molecule(component)
    if mol is None:
        return
    place = {atom.GetIdx(): int(here[atom.GetIntProp("place")]) for atom in mol.GetAtoms()}
    for atom in mol.GetAtoms():
        centre = _centre(atom, place)
        if centre is not None:
            table[CENTRE].append(centre)
    for bond in mol.GetBonds():
        double = _double(bond, place)
        if double is not None:
            table[DOUBLE].append(double)


def _centre(atom: Any, place: dict[int, int]) -> Row | None:
    """The centre, three of its neighbours and their hand, if it has one and is there.

    CCW says that the first three neighbours, in the order of the bonds, span a positive volume. Of four, leaving out
    the second or the last keeps the sign for the other three; the first or third turns it.
    """
    sign, around = TETRAHEDRAL.get(atom.GetChiralTag()), [bond.GetOtherAtom(atom) for bond in atom.GetBonds()]
    if sign is None or place[atom.GetIdx()] < 0 or len(around) not in (3, 4) or _interchangeable(around, place):
        return None
    if any(other.GetAtomicNum() not in NONMETALS for other in (atom, *around)):
        return None
    if len(around) == 4:
        # The least useful one: a hydrogen, else an absent one, else the last.
        rank = [(other.GetAtomicNum() != 1, place[other.GetIdx()] >= 0, -k) for k, other in enumerate(around)]
        left_out = rank.index(min(rank))
        sign = sign if left_out % 2 else -sign
        around.pop(left_out)
    places = [place[other.GetIdx()] for other in around]
    hydrogens = any(other.GetAtomicNum() == 1 for other in around)
    return None if hydrogens or places.count(-1) > 1 else ([place[atom.GetIdx()], *places], [float(sign)])


def _interchangeable(around: list[Any], place: dict[int, int]) -> bool:
    """Two neighbours differ in a hydrogen, a charge or a double bond only, as the free oxygens of a phosphate do."""
    ends = [atom.GetAtomicNum() for atom in around if place[atom.GetIdx()] >= 0 and _heavy_degree(atom) == 1]
    return len(set(ends)) < len(ends)


def _heavy_degree(atom: Any) -> int:
    return sum(other.GetAtomicNum() != 1 for other in atom.GetNeighbors())


def _double(bond: Any, place: dict[int, int]) -> Row | None:
    """A neighbour, both ends, a neighbour, and whether the outer two are on one side."""
    cis = CIS.get(bond.GetStereo())
    if cis is None or _tautomeric(bond):
        return None
    ends = [bond.GetBeginAtom(), bond.GetEndAtom()]
    outer = []
    for end, partner, named in zip(ends, ends[::-1], bond.GetStereoAtoms(), strict=True):
        others = [a.GetIdx() for a in end.GetNeighbors() if a.GetIdx() != partner.GetIdx() and place[a.GetIdx()] >= 0]
        if not others or place[end.GetIdx()] < 0:
            return None
        outer.append(named if named in others else others[0])
        cis ^= named not in others
    first, last = (place[atom] for atom in outer)
    return [first, *(place[end.GetIdx()] for end in ends), last], [float(cis)]


def _tautomeric(bond: Any) -> bool:
    """C=N of an amidine or guanidine: the double bond moves, and with it what is cis."""
    for carbon, partner in ((bond.GetBeginAtom(), bond.GetEndAtom()), (bond.GetEndAtom(), bond.GetBeginAtom())):
        nitrogens = [other for other in carbon.GetNeighbors() if other.GetAtomicNum() == NITROGEN]
        if partner.GetAtomicNum() == NITROGEN and carbon.GetAtomicNum() == CARBON and len(nitrogens) > 1:
            return True
    return False


@lru_cache(maxsize=4096)
def same_if_inverted(component: Component, atoms: frozenset[str]) -> bool:
    """Whether the molecule stays the same when these centres are inverted: a meso form with its atoms swapped."""
    mol = Chem.Mol(stereo_molecule(component))
    before = Chem.MolToSmiles(Chem.RemoveHs(mol))
    for atom in mol.GetAtoms():
        if component.names[atom.GetIntProp("place")] in atoms:
            atom.InvertChirality()
    return Chem.MolToSmiles(Chem.RemoveHs(mol)) == before


def hand(component: Component, name: str) -> tuple[str, str]:
    """What the hand of a centre is called, and what the other one: L and D for amino acids, else R and S."""
    if name == "CA" and component.type.upper().startswith(("L-PEPTIDE", "D-PEPTIDE")):
        return ("L", "D") if component.type.upper().startswith("L") else ("D", "L")
    atoms = {component.names[atom.GetIntProp("place")]: atom for atom in stereo_molecule(component).GetAtoms()}
    label = atoms[name].GetProp("_CIPCode") if atoms[name].HasProp("_CIPCode") else ""
    return {"R": ("R", "S"), "S": ("S", "R")}.get(label, ("", ""))


# Planes and rings


def _add_shapes(table: Found, component: Component, names: tuple[str, ...]) -> None:
    """Flat groups and small rings, as RDKit sees the residue without metals and hydrogens."""
    kept = [k for k, name in enumerate(names) if int(component.elements[component.index[name]]) in NONMETALS]
    mol = heavy_molecule(component, tuple(names[k] for k in kept))
    Chem.GetSSSR(mol)
    place = dict(enumerate(kept))
    for ring in mol.GetRingInfo().AtomRings():
        if len(ring) <= LARGEST_RING:
            atoms = [place[atom] for atom in ring]
            table[Key("ring", len(ring))].append((atoms, []))
            if len(ring) <= LARGEST_FLAT_RING and all(mol.GetAtomWithIdx(atom).GetIsAromatic() for atom in ring):
                table[Key("plane", len(ring), "aromatic ring")].append((atoms, []))
    for what, group in _flat_groups(mol):
        table[Key("plane", len(group), what)].append(([place[atom] for atom in group], []))


def _flat_groups(mol: Any) -> list[tuple[str, list[int]]]:
    """Trigonal centres (the centre first), double bonds (both ends first) with what is on them, guanidinium groups."""
    groups = []
    for atom in mol.GetAtoms():
        around = [other.GetIdx() for other in atom.GetNeighbors()]
        if _is_trigonal(atom) and len(around) == 3:
            groups.append((_trigonal_name(atom), [atom.GetIdx(), *around, *_on_guanidinium(atom)]))
    for bond in mol.GetBonds():
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        flat = bond.GetBondType() == Chem.BondType.DOUBLE and all(map(_is_trigonal, ends))
        if flat and all(end.GetDegree() > 1 for end in ends):
            group = [*ends, *(other for end in ends for other in end.GetNeighbors())]
            groups.append(("double bond", list(dict.fromkeys(atom.GetIdx() for atom in group))))
    return groups


def _is_trigonal(atom: Any) -> bool:
    """sp2 by its own double or aromatic bond; an amide's nitrogen, which may be a little pyramidal, is not."""
    if atom.GetAtomicNum() not in (CARBON, NITROGEN) or atom.GetHybridization() != Chem.HybridizationType.SP2:
        return False
    return atom.GetIsAromatic() or any(bond.GetBondType() == Chem.BondType.DOUBLE for bond in atom.GetBonds())


def _trigonal_name(atom: Any) -> str:
    ends = [other.GetAtomicNum() for other in atom.GetNeighbors() if other.GetDegree() == 1]
    nitrogens = sum(other.GetAtomicNum() == NITROGEN for other in atom.GetNeighbors())
    if nitrogens == 3 and not atom.GetIsAromatic():
        return "guanidinium group"
    return "carboxylate" if ends.count(8) == 2 and atom.GetAtomicNum() == CARBON else "trigonal centre"


def _on_guanidinium(atom: Any) -> list[int]:
    """CD of arginine: what hangs on the only substituted nitrogen of a guanidinium group lies in its plane."""
    if _trigonal_name(atom) != "guanidinium group":
        return []
    beyond = [
        far.GetIdx() for near in atom.GetNeighbors() for far in near.GetNeighbors() if far.GetIdx() != atom.GetIdx()
    ]
    return beyond if len(beyond) == 1 else []
