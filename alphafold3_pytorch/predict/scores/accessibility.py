"""Accessible surface of protein residues, and from it the disordered part of a structure (SI 5.9.3).

AlphaFold 3 measures surface with DSSP (Kabsch and Sander, 1983): a water molecule of 1.4 Å rolls over atoms whose radii
depend on their place in the residue; each sphere has 401 dots. A stretch of residues that is as exposed as an unfolded
chain counts as disordered (Piovesan et al., 2022).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from biotite.structure import AtomArray, sasa  # pyright: ignore[reportAttributeAccessIssue]
from jaxtyping import Float, Int

from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.structure.table import Structure

RADII = {"N": 1.65, "CA": 1.87, "C": 1.76, "O": 1.40}  # Å; a residue without one of these is left out
SIDE_CHAIN, WATER = 1.80, 1.40
DOTS = 401
GOLDEN_RATIO = (1 + 5**0.5) / 2
WINDOW, DISORDERED = 25, 0.581

# The surface (Å²) of each residue in an open chain (Rost and Sander, 1994); any other residue counts as alanine.
MAXIMUM = {
    "ALA": 106.0,
    "ARG": 248.0,
    "ASN": 157.0,
    "ASP": 163.0,
    "CYS": 135.0,
    "GLN": 198.0,
    "GLU": 194.0,
    "GLY": 84.0,
    "HIS": 184.0,
    "ILE": 169.0,
    "LEU": 164.0,
    "LYS": 205.0,
    "MET": 188.0,
    "PHE": 197.0,
    "PRO": 136.0,
    "SER": 130.0,
    "THR": 142.0,
    "TRP": 227.0,
    "TYR": 222.0,
    "VAL": 142.0,
}


class ChainAtoms(NamedTuple):
    """The atoms of one protein chain."""

    codes: tuple[str, ...]  # of its residues
    residue: Int[np.ndarray, "m"]  # place in `codes`
    names: np.ndarray  # [m] of str
    positions: Float[np.ndarray, "m 3"]


def protein_chains(structure: Structure) -> Iterator[ChainAtoms]:
    for number, chain in enumerate(structure.chains):
        atoms = structure.chain == number
        if chain.kind == PROTEIN and atoms.any():
            columns = structure.residue[atoms], structure.names[atoms], structure.positions[atoms]
            yield ChainAtoms(chain.residues, *columns)


def fraction_disordered(chains: Iterable[ChainAtoms]) -> float:
    """The part of all protein residues that is disordered, 0 without protein; each chain is looked at by itself.

    Chains of one sequence are taken to be alike, and only the first of them is measured, as the reference does.
    """
    flags: dict[tuple[str, ...], np.ndarray] = {}
    found = []
    for chain in chains:
        if chain.codes not in flags:
            residues, areas = accessible_areas(chain)
            relative = relative_areas(areas, [chain.codes[place] for place in residues.tolist()])
            flags[chain.codes] = smoothed(relative) > DISORDERED
        found.append(flags[chain.codes])
    joined = np.concatenate([np.zeros(0, bool), *found])
    return float(joined.mean()) if len(joined) else 0.0


def accessible_areas(chain: ChainAtoms, dots: int = DOTS) -> tuple[Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """Residues that have their backbone atoms, and the accessible surface of each in whole Å², as DSSP prints it."""
    backbone = np.isin(chain.names, list(RADII))
    kept = np.isin(chain.residue, np.flatnonzero(np.bincount(chain.residue[backbone]) == len(RADII)))
    if not kept.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    positions = np.round(chain.positions[kept].astype(np.float64), 3)  # the digits of a structure file
    radii = np.array([RADII.get(name, SIDE_CHAIN) for name in chain.names[kept].tolist()])
    areas = atom_areas(positions, radii, dots)
    residues, place = np.unique(chain.residue[kept], return_inverse=True)
    return residues, np.floor(np.bincount(place, areas) + 0.5).astype(np.int64)


def atom_areas(
    positions: Float[np.ndarray, "m 3"], radii: Float[np.ndarray, "m"], dots: int, side: float = 500.0
) -> Float[np.ndarray, "m"]:
    """Accessible surface (Å²) of each atom.

    Space is taken in cubes of this `side` (Å), so that a structure that fell apart needs no more memory than another.
    """
    array = AtomArray(len(positions))
    array.coord = positions
    least = positions.min(axis=0)
    cubes, cube = np.unique((positions - least) // side, axis=0, return_inverse=True)
    reach, areas = 2 * (radii.max() + WATER), np.zeros(len(positions))
    for number, corner in enumerate(least + cubes * side):
        inside = cube.ravel() == number
        near = ((positions > corner - reach) & (positions < corner + side + reach)).all(axis=1)
        options = dict(ignore_ions=False, point_number=dots, point_distr=sphere, vdw_radii=radii[near])
        areas[inside] = sasa(array[near], WATER, inside[near], **options)[inside[near]]
    return areas


def sphere(dots: int) -> Float[np.ndarray, "dots 3"]:
    """Dots on the unit sphere along a golden spiral; an odd number of them, so that one lies on the equator."""
    index = np.arange(dots) - dots // 2
    latitude = np.arcsin(2 * index / dots)
    longitude = np.fmod(index, GOLDEN_RATIO) * 2 * np.pi / GOLDEN_RATIO
    around = np.cos(latitude)
    return np.stack([np.sin(longitude) * around, np.cos(longitude) * around, np.sin(latitude)], axis=1)


def relative_areas(areas: Int[np.ndarray, "r"], codes: Sequence[str]) -> Float[np.ndarray, "r"]:
    """Relative accessible surface (RASA), 0 to 1."""
    maxima = np.array([MAXIMUM.get(code, MAXIMUM["ALA"]) for code in codes])
    return np.minimum(areas / maxima, 1.0)


def smoothed(values: Float[np.ndarray, "r"], window: int = WINDOW) -> Float[np.ndarray, "r"]:
    """Means over a window of residues; the chain is mirrored at its ends."""
    if not len(values):
        return values
    mirrored = np.pad(values, (window - 1) // 2, "reflect")
    return np.convolve(mirrored, np.ones(window), "valid") / window
