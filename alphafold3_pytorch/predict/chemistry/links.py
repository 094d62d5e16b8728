"""Bonds between residues: along the chain, declared in the input, and disulfides that formed by themselves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from rdkit import Chem

from alphafold3_pytorch.chem.elements import SYMBOLS
from alphafold3_pytorch.chem.residues import DNA, PROTEIN, RNA
from alphafold3_pytorch.predict.chemistry.measure import near
from alphafold3_pytorch.structure.table import Structure

# Å. Engh and Huber (2001) for peptides, Parkinson et al. (1996) for nucleic acids; the distances between ends follow
# from their lengths and angles. Names are of the residue before the bond, then of the one after it.
LENGTHS = {("C", "N"): 1.336, ("O3'", "P"): 1.607}
SPANS = {
    ("CA", "C", "N"): 2.44,
    ("O", "C", "N"): 2.25,
    ("C", "N", "CA"): 2.44,
    ("C3'", "O3'", "P"): 2.62,
    ("O3'", "P", "O5'"): 2.52,
    ("O3'", "P", "OP1"): 2.50,
    ("O3'", "P", "OP2"): 2.50,
}
DISULFIDE = 1.54, 2.56  # Å between two sulfurs: 2.05 and 25 % of it
SULFUR = 16
TABLE = Chem.GetPeriodicTable()


@dataclass(frozen=True, eq=False)
class Links:
    """Bonds between residues. `pairs` run from one residue of a polymer to the next, or as they were declared."""

    pairs: Int[np.ndarray, "k 2"]
    lengths: Float[np.ndarray, "k"]  # ideal, Å
    declared: Bool[np.ndarray, "k"]
    angles: Int[np.ndarray, "a 3"]  # at bonds along chains, the middle atom second
    spans: Float[np.ndarray, "a"]  # ideal distance between the ends
    peptides: Int[np.ndarray, "p 5"]  # CA C O, N CA of the next residue
    disulfides: Int[np.ndarray, "s 2"]  # found, not declared


def find_links(structure: Structure) -> Links:
    """All bonds between residues of a structure."""
    joints = Joints(structure)
    chain = [joints.atoms(*names) for names in LENGTHS]
    lengths = [np.full(len(pairs), length) for pairs, length in zip(chain, LENGTHS.values(), strict=True)]
    along = np.concatenate(chain)
    known = set(map(frozenset, along.tolist()))  # entries of the PDB declare those of modified residues too
    declared = structure.bonds[[frozenset(bond) not in known for bond in structure.bonds.tolist()]].reshape(-1, 2)
    angles = [joints.angle(names) for names in SPANS]
    return Links(
        pairs=np.concatenate([along, declared]),
        lengths=np.concatenate([*lengths, covalent_radii(structure.elements[declared]).sum(axis=1)]),
        declared=np.repeat([False, True], [len(along), len(declared)]),
        angles=np.concatenate(angles),
        spans=np.repeat(list(SPANS.values()), [len(found) for found in angles]),
        peptides=joints.peptides(),
        disulfides=disulfides(structure),
    )


class Joints:
    """Where atoms of a name are in each residue of a polymer and in the one after it."""

    def __init__(self, structure: Structure):
        self.structure, self.keys = structure, structure.residue_keys
        kinds = np.repeat([chain.kind for chain in structure.chains], [len(c.residues) for c in structure.chains])
        last = np.cumsum([len(chain.residues) for chain in structure.chains]) - 1
        self.follows = ~np.isin(np.arange(len(kinds)), last)  # there is a next residue in the chain
        self.of_kind = {"C": kinds == PROTEIN, "O3'": np.isin(kinds, [RNA, DNA])}

    def places(self, name: str) -> Int[np.ndarray, "r"]:
        """The atom of that name in each residue, -1 where there is none."""
        found = np.full(len(self.follows), -1)
        atoms = np.flatnonzero(self.structure.names == name)
        found[self.keys[atoms]] = atoms
        return found

    def atoms(self, before: str, after: str, extra: tuple[str, ...] = (), beyond: tuple[str, ...] = ()) -> np.ndarray:
        """Rows of atoms at each bond between two residues: its ends, more of the first and of the second residue."""
        here = [self.places(name) for name in (before, *extra)]
        there = [np.roll(self.places(name), -1) for name in (after, *beyond)]
        rows = np.stack([here[0], there[0], *here[1:], *there[1:]], axis=1)
        return rows[self.follows & self.of_kind[before] & (rows >= 0).all(axis=1)]

    def angle(self, names: tuple[str, str, str]) -> Int[np.ndarray, "a 3"]:
        """Angles at the bonds; the bond is among the first two or the last two names."""
        if names[:2] in LENGTHS:
            return self.atoms(names[0], names[1], beyond=names[2:])
        return self.atoms(names[1], names[2], extra=names[:1])[:, [2, 0, 1]]

    def peptides(self) -> Int[np.ndarray, "p 5"]:
        return self.atoms("C", "N", extra=("CA", "O"), beyond=("CA",))[:, [2, 0, 3, 1, 4]]


def covalent_radii(elements: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Å, RDKit's (Cordero et al. 2008); 0 for a dummy atom."""
    return np.array([0.0, *map(TABLE.GetRcovalent, range(1, len(SYMBOLS) + 1))])[elements]


def vdw_radii(elements: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Å, RDKit's; 0 for a dummy atom."""
    return np.array([0.0, *map(TABLE.GetRvdw, range(1, len(SYMBOLS) + 1))])[elements]


def disulfides(structure: Structure) -> Int[np.ndarray, "s 2"]:
    """Pairs of cysteine sulfurs at bonding distance, beside those that are declared to be bonded."""
    cysteine = np.array([chain.residues[place] == "CYS" for chain, place, _ in structure.residues()])
    counts = [atoms.stop - atoms.start for _, _, atoms in structure.residues()]
    free = np.repeat(cysteine, counts) & (structure.elements == SULFUR)
    free[structure.bonds] = False
    sulfurs = np.flatnonzero(free)
    points = structure.positions[sulfurs].astype(float)
    found = [np.zeros((0, 2), np.int64)]
    for i, j in near(points, points, DISULFIDE[1]):
        far_enough = np.linalg.norm(points[i] - points[j], axis=1) > DISULFIDE[0]
        found.append(np.stack([i, j], axis=1)[far_enough & (i != j)])
    pairs = np.concatenate(found)
    alone = np.bincount(pairs[:, 0], minlength=len(sulfurs)) == 1  # a sulfur with two partners has no disulfide
    return sulfurs[pairs[(pairs[:, 0] < pairs[:, 1]) & alone[pairs].all(axis=1)]]
