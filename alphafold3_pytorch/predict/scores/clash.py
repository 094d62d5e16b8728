"""Chains that lie on top of each other or of themselves (SI 5.9.2)."""

import numpy as np
from biotite.structure import CellList  # pyright: ignore[reportAttributeAccessIssue]
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.structure.geometry import row_chunks
from alphafold3_pytorch.structure.table import Structure

CLASH_DISTANCE = 1.1  # Å
CLASH_COUNT = 100
CLASH_RATIO = 0.5


def has_clash(structure: Structure) -> bool:
    """Whether a polymer chain has too many atoms on top of other atoms of polymers; ligands do not count."""
    polymer = np.array([chain.is_polymer for chain in structure.chains], bool)[structure.chain]
    return bool(clashing_chains(structure.positions[polymer], structure.chain[polymer], structure.residue[polymer]))


def clashing_chains(
    positions: Float[np.ndarray, "m 3"],
    chain: Int[np.ndarray, "m"],
    residue: Int[np.ndarray, "m"],
    distance: float = CLASH_DISTANCE,
    count: int = CLASH_COUNT,
    ratio: float = CLASH_RATIO,
) -> list[int]:
    """Chains of which more than `count` atoms, or more than this `ratio` of them, clash."""
    clashing = clashing_atoms(positions, chain, residue, distance)
    numbers, place = np.unique(chain, return_inverse=True)
    clashes, sizes = np.bincount(place, clashing, len(numbers)), np.bincount(place, minlength=len(numbers))
    return numbers[(clashes > count) | (clashes > ratio * sizes)].tolist()


def clashing_atoms(
    positions: Float[np.ndarray, "m 3"],
    chain: Int[np.ndarray, "m"],
    residue: Int[np.ndarray, "m"],
    distance: float = CLASH_DISTANCE,
) -> Bool[np.ndarray, "m"]:
    """Atoms within `distance` (Å) of another chain, or of a residue of their own chain that is not next to theirs."""
    found = np.zeros(len(positions), bool)
    if not len(positions):
        return found
    extent = float(np.ptp(positions, axis=0).max())
    cells = CellList(positions, cell_size=max(4.0, extent / 100))  # a structure that fell apart needs no more cells
    for start, stop in row_chunks(len(positions), len(positions), 2**24):  # and one that collapsed, no more memory
        near = cells.get_atoms(positions[start:stop].astype(np.float32), distance)  # -1 fills its rows
        strange = (chain[near] != chain[start:stop, None]) | (np.abs(residue[near] - residue[start:stop, None]) > 1)
        found[start:stop] = (strange & (near >= 0)).any(axis=1)
    return found
