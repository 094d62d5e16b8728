"""Checks of shape: bond lengths and angles, bonds between residues, flat groups.

The tolerances are those of PoseBusters (Buttenschoen et al. 2024): 25 % of a length or of the distance between the ends
of an angle, 0.25 Å off a plane.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.predict.chemistry.expected import ANGLE, BOND, Expected
from alphafold3_pytorch.predict.chemistry.links import Links
from alphafold3_pytorch.predict.chemistry.measure import off_plane
from alphafold3_pytorch.predict.chemistry.problems import Finding, Names, Problem, finding
from alphafold3_pytorch.structure.table import Structure

TOLERANCE = 0.25
OFF_PLANE = 0.25  # Å
SHORTEST = 0.5  # Å; what is shorter is no bond


def bond_lengths(structure: Structure, expected: Expected) -> Finding:
    """Bonds inside residues."""
    rows, names = expected[BOND], Names(structure)

    def text(row: int, found: str, ideal: str) -> str:
        atoms = rows.atoms[row]
        return f"the bond {names.group(atoms)} of {names.residue(int(atoms[0]))} is {found} long instead of {ideal}"

    return _distances("bond_length", structure, rows.atoms, rows.values, text)


def bond_angles(structure: Structure, expected: Expected, links: Links) -> Finding:
    """Angles inside residues and at the bonds along chains, by the distance between their ends."""
    rows, names = expected[ANGLE], Names(structure)
    atoms = np.concatenate([rows.atoms, links.angles])
    ideal = np.concatenate([rows.values, np.repeat(links.spans[:, None], 2, axis=1)])

    def text(row: int, found: str, ideal: str) -> str:
        ends, where = atoms[row, [0, 2]], names.residue(int(atoms[row, 1]))
        apart = f"{' and '.join(structure.names[ends].tolist())} are {found} apart instead of {ideal}"
        return f"the angle {names.group(atoms[row])} at {where} is bent: {apart}"

    return _distances("bond_angle", structure, atoms, ideal, text)


def links_between(structure: Structure, links: Links) -> Finding:
    """Bonds along chains and declared ones, rings of cyclic peptides and disulfides among them."""
    names = Names(structure)

    def text(row: int, found: str, ideal: str) -> str:
        ends = [f"{names.atom(atom)} of {names.residue(atom)}" for atom in links.pairs[row].tolist()]
        return f"the bond from {ends[0]} to {ends[1]} is {found} long instead of {ideal}"

    return _distances("broken_bond", structure, links.pairs, np.repeat(links.lengths[:, None], 2, axis=1), text)


def _distances(
    kind: str,
    structure: Structure,
    atoms: Int[np.ndarray, "k w"],
    ideal: Float[np.ndarray, "k 2"],
    text: Callable[[int, str, str], str],
) -> Finding:
    """Distances between the first and the last atom of each row against the shortest and longest ideal ones."""
    known = (ideal > SHORTEST).all(axis=1)  # neither NaN nor atoms that a component has in one place
    atoms, ideal = atoms[known], ideal[known]
    points = structure.positions.astype(float)
    found = np.linalg.norm(points[atoms[:, 0]] - points[atoms[:, -1]], axis=1)
    nearest = np.clip(found, ideal[:, 0], ideal[:, 1])
    off = np.abs(found - nearest) / nearest
    places, names = np.flatnonzero(known), Names(structure)

    def describe(row: int) -> Problem:
        value, goal = float(found[row]), float(nearest[row])
        words = text(int(places[row]), f"{value:.2f} Å", f"{goal:.2f} Å")
        return Problem(kind, names.addresses(atoms[row]), words, round(value, 3), round(goal, 3))

    return finding(kind, off > TOLERANCE, off, describe)


def flat_groups(expected: Expected, links: Links) -> list[tuple[str, Int[np.ndarray, "_ _"]]]:
    """Aromatic rings, trigonal centres, double bonds, carboxylates, guanidinium and peptide groups.

    A bond between residues may make a trigonal atom tetrahedral: planes around bonded atoms are left out.
    """
    groups = [(key.what, rows.atoms) for key, rows in expected.items() if key.check == "plane"]
    linked = np.unique(links.pairs[links.declared])
    groups = [(what, atoms[~_changed(what, atoms, linked)]) for what, atoms in groups]
    return [*groups, ("peptide group", links.peptides[:, :4])]


def planes(structure: Structure, expected: Expected, links: Links) -> Finding:
    """Groups of atoms that should be flat."""
    groups = flat_groups(expected, links)
    off = np.concatenate([off_plane(structure.positions[atoms].astype(float)) for _, atoms in groups])
    starts = np.cumsum([0, *(len(atoms) for _, atoms in groups)])
    names = Names(structure)

    def describe(row: int) -> Problem:
        group = int(np.searchsorted(starts, row, side="right")) - 1
        what, atoms = groups[group][0], groups[group][1][row - starts[group]]
        where = f"{what} {names.group(atoms)} of {names.residue(int(atoms[0]))}"
        text = f"the {where} is bent: an atom lies {off[row]:.2f} Å off its plane"
        return Problem("planarity", names.addresses(atoms), text, round(float(off[row]), 3), 0.0)

    return finding("planarity", off > OFF_PLANE, off, describe)


def _changed(what: str, atoms: Int[np.ndarray, "k s"], linked: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "k"]:
    """Whether the atoms that make a group flat have a bond to another residue; aromatic rings stay flat."""
    count = {"aromatic ring": 0, "double bond": 2}.get(what, 1)
    return np.asarray(np.isin(atoms[:, :count], linked).any(axis=1))
