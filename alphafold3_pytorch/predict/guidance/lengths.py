"""Ideal distances of atoms one and two bonds apart, inside residues and at the bonds between them."""

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.predict.chemistry.expected import ANGLE, BOND, NONMETALS, Expected
from alphafold3_pytorch.predict.chemistry.links import Links, covalent_radii
from alphafold3_pytorch.predict.chemistry.shape import SHORTEST
from alphafold3_pytorch.structure.table import Structure

# Declared bonds have a length by covalent radii only, and angles by nothing but common sense.
DECLARED = 0.9, 1.03  # of the sum of the radii: an amide is shorter than that, a disulfide is not
COORDINATED = 0.95, 1.15  # the same for a metal
OPENING = 100.0, 128.0  # degrees between a declared bond and its neighbours

Ranges = tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, "p"], Float[np.ndarray, "p"]]  # atoms, shortest, longest


def bond_ranges(structure: Structure, expected: Expected, links: Links) -> Ranges:
    """Bonds inside residues."""
    same = alike(structure, np.concatenate([expected[BOND].atoms, links.pairs]))
    return _known(expected[BOND].atoms, expected[BOND].values, same)


def angle_ranges(structure: Structure, expected: Expected, links: Links) -> Ranges:
    """Ends of angles inside residues, at bonds along chains, and at declared bonds."""
    same = alike(structure, np.concatenate([expected[BOND].atoms, links.pairs]))
    atoms, low, high = _known(expected[ANGLE].atoms, expected[ANGLE].values, same)
    around, shortest, longest = declared_angles(structure, expected, links)
    return (
        np.concatenate([atoms, links.angles[:, [0, 2]], around]),
        np.concatenate([low, links.spans, shortest]),
        np.concatenate([high, links.spans, longest]),
    )


def link_ranges(structure: Structure, links: Links) -> Ranges:
    """Bonds between residues."""
    metal = is_metal(structure)[links.pairs].any(axis=1)
    factors = np.where(np.stack([metal, metal], axis=1), COORDINATED, DECLARED)
    factors[~links.declared] = 1
    low, high = (links.lengths[:, None] * factors).T
    return links.pairs, low, high


def is_metal(structure: Structure) -> Bool[np.ndarray, "m"]:
    return np.asarray(~np.isin(structure.elements, list(NONMETALS)))


def alike(structure: Structure, bonds: Int[np.ndarray, "k 2"]) -> Int[np.ndarray, "m"]:
    """One number for atoms that differ in a hydrogen or a double bond only, as the oxygens of a carboxylate do."""
    count = len(structure)
    ends = np.concatenate([bonds, bonds[:, ::-1]])
    alone = ends[(np.bincount(ends[:, 0], minlength=count) == 1)[ends[:, 0]]]
    found = np.arange(count)
    kinds = np.stack([alone[:, 1], structure.elements[alone[:, 0]]], axis=1)
    _, first, inverse = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    found[alone[:, 0]] = alone[first, 0][inverse.reshape(-1)]
    return found


def _known(atoms: Int[np.ndarray, "k w"], ideal: Float[np.ndarray, "k 2"], same: Int[np.ndarray, "m"]) -> Ranges:
    """From the shortest to the longest ideal distance of all rows whose atoms are alike; without unknown ones."""
    known = (ideal > SHORTEST).all(axis=1)
    atoms, ideal = atoms[known], ideal[known]
    rows = same[atoms]
    rows = np.where(rows[:, :1] > rows[:, -1:], rows[:, ::-1], rows)
    _, kind = np.unique(rows, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    low, high = np.full(len(atoms), np.inf), np.zeros(len(atoms))
    np.minimum.at(low, kind, ideal[:, 0])
    np.maximum.at(high, kind, ideal[:, 1])
    return atoms[:, [0, -1]], low[kind], high[kind]


def declared_angles(structure: Structure, expected: Expected, links: Links) -> Ranges:
    """Atoms two bonds apart over a declared bond, neither atom a metal: within a usual opening of the angle."""
    bonds = np.concatenate([expected[BOND].atoms, links.pairs])
    ends, metal = np.concatenate([bonds, bonds[:, ::-1]]), is_metal(structure)
    found = [
        (a, middle, b)
        for bond in links.pairs[links.declared].tolist()
        for middle, far in (bond, bond[::-1])
        for a, b in ((far, near) for near in ends[ends[:, 0] == middle, 1].tolist() if near != far)
    ]
    rows = np.array(found, np.int64).reshape(-1, 3)
    rows = rows[~metal[rows].any(axis=1)]
    radii = covalent_radii(structure.elements[rows])
    one, two = radii[:, 0] + radii[:, 1], radii[:, 1] + radii[:, 2]
    low, high = (np.sqrt(one**2 + two**2 - 2 * one * two * np.cos(np.radians(opening))) for opening in OPENING)
    return rows[:, [0, 2]], low, high
