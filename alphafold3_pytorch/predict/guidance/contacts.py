"""Who is near whom: the restraints that depend on where the atoms are, good until they have moved a little."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float as NpFloat
from jaxtyping import Int as NpInt

from alphafold3_pytorch.predict.chemistry.expected import BOND, Expected
from alphafold3_pytorch.predict.chemistry.links import Links, disulfides
from alphafold3_pytorch.predict.chemistry.measure import TINY, near
from alphafold3_pytorch.predict.chemistry.packing import Bonded, overlaps
from alphafold3_pytorch.predict.guidance.terms import Distances, norm, pick, soft
from alphafold3_pytorch.shapes import Float, Int, Tensor
from alphafold3_pytorch.structure.table import Structure

SLACK = 1.0  # Å that two atoms may approach each other before who is near must be looked up again
MARGIN = 0.1  # Å beyond what the check allows
WIDTH = 0.06  # Å
DISULFIDE, DISULFIDE_WIDTH = 2.04, 0.03  # Å
CLEARANCE = 2.2  # Å between the centre of a ring and the middle of a bond that does not go through it
CROWD = 20  # bonds near a ring, on average, that are looked at


@dataclass(frozen=True, eq=False)
class Contacts:
    """What must keep apart, and sulfurs that are near enough to be bonded."""

    apart: Distances
    disulfides: Distances
    threaded: tuple[tuple[Int[Tensor, "_ _"], Int[Tensor, "_ 2"]], ...]  # rings of one size, and bonds near them

    def terms(self, points: Float[Tensor, "m 3"]) -> dict[str, Float[Tensor, ""]]:
        rings = points.new_zeros(())
        for ring, bond in self.threaded:
            gap = norm(pick(points, ring).mean(dim=1) - pick(points, bond).mean(dim=1))
            rings = rings + soft((CLEARANCE - gap).clamp(min=0) / WIDTH).sum()
        return {
            "clashes": self.apart.energy(points).sum(),
            "disulfides": self.disulfides.energy(points).sum(),
            "rings": rings,
        }


class Surroundings:
    """Finds contacts as `chemistry.packing` does; sulfurs of cysteines that are near enough count as bonded."""

    def __init__(self, structure: Structure, expected: Expected, links: Links):
        self.structure = structure
        self.bonds = np.concatenate([expected[BOND].atoms, links.pairs])
        self.rings = [rows.atoms for key, rows in expected.items() if key.check == "ring" and len(rows.atoms)]
        self.sulfurs = np.zeros((0, 2), np.int64)
        self.bonded = Bonded(self.bonds, len(structure))

    def contacts(self, points: Float[Tensor, "m 3"]) -> Contacts:
        """Of positions as they are."""
        found = points.detach().double().cpu().numpy()
        structure = replace(self.structure, positions=found)
        sulfurs = disulfides(structure)
        if not np.array_equal(sulfurs, self.sulfurs):
            self.sulfurs, self.bonded = sulfurs, Bonded(np.concatenate([self.bonds, sulfurs]), len(structure))
        pairs, closeness = overlaps(structure, self.bonded, SLACK + MARGIN)
        gaps = np.maximum(np.linalg.norm(found[pairs[:, 0]] - found[pairs[:, 1]], axis=1), TINY)
        allowed = gaps / closeness + MARGIN
        tensor = lambda array, like=points.dtype: torch.as_tensor(array).to(points.device, like)  # noqa: E731
        index = lambda array: tensor(array, torch.int64)  # noqa: E731
        length = tensor(np.full(len(sulfurs), DISULFIDE))
        return Contacts(
            Distances(index(pairs), tensor(allowed), tensor(np.full(len(pairs), np.inf)), WIDTH),
            Distances(index(sulfurs), length, length, DISULFIDE_WIDTH),
            tuple((index(ring), index(bond)) for ring, bond in (self.threaded(found, rings) for rings in self.rings)),
        )

    def threaded(
        self, points: NpFloat[np.ndarray, "m 3"], rings: NpInt[np.ndarray, "n s"]
    ) -> tuple[NpInt[np.ndarray, "r s"], NpInt[np.ndarray, "r 2"]]:
        """Rings and bonds so near their centre that they might go through; a bond of the ring's own atoms does not."""
        found, left = [np.zeros((0, 2), np.int64)], CROWD * len(rings)
        for i, j in near(points[rings].mean(axis=1), points[self.bonds].mean(axis=1), CLEARANCE + SLACK):
            apart = (rings[i][:, :, None] != self.bonds[j][:, None]).all(axis=(1, 2))
            found.append(np.stack([i, j], axis=1)[apart][:left])
            left -= len(found[-1])
            if not left:
                break
        i, j = np.concatenate(found).T
        return rings[i], self.bonds[j]
