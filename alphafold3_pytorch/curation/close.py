"""Chains that stand in one another."""

import numpy as np
from biotite.structure import CellList  # pyright: ignore[reportAttributeAccessIssue]
from jaxtyping import Float, Int

from alphafold3_pytorch.structure.table import Structure

ROWS = 2**24  # entries of a table of neighbours; a structure that collapsed needs no more memory


def shares_inside(structure: Structure, distance: float) -> Float[np.ndarray, "c c"]:
    """The share of a chain's atoms (row) within `distance` (Å) of another chain (column), bonds not counted."""
    count = len(structure.chains)
    atoms, others = _meetings(structure, distance)
    inside = np.zeros((count, count))
    np.add.at(inside, (structure.chain[atoms], others), 1)
    return inside / np.maximum(np.bincount(structure.chain, minlength=count), 1)[:, None]


def _meetings(structure: Structure, distance: float) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Atoms and the chains that they are near to, each pair once."""
    positions, chain = structure.positions.astype(np.float32), structure.chain
    extent = float(np.ptp(positions, axis=0).max())
    cells = CellList(positions, cell_size=max(4.0, extent / 100))  # a structure that fell apart needs no more cells
    partners = _partners(structure)
    count, found = len(structure.chains), set()
    step = max(1, ROWS // len(positions))
    for start in range(0, len(positions), step):
        near = cells.get_atoms(positions[start : start + step], distance)  # -1 fills its rows
        rows, columns = np.nonzero((near >= 0) & (chain[near] != chain[start : start + step, None]))
        for atom, other in zip((rows + start).tolist(), near[rows, columns].tolist(), strict=True):
            if other not in partners.get(atom, ()):
                found.add(atom * count + int(chain[other]))
    keys = np.array(sorted(found), np.int64)
    return keys // count, keys % count


def _partners(structure: Structure) -> dict[int, set[int]]:
    """Atoms that are bonded to each other across residues."""
    partners: dict[int, set[int]] = {}
    for one, other in structure.bonds.tolist():
        partners.setdefault(one, set()).add(other)
        partners.setdefault(other, set()).add(one)
    return partners
