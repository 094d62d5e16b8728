"""The terms of the restraint energy: tensors of atoms and ideal values, and how far positions are from them.

Points are those of one sample, [m 3] in Å. A term is a deviation in units of its own width; small ones count as half
their square, large ones as their size, so that what is far off does not outweigh everything else.
"""

from dataclasses import dataclass

import torch

from alphafold3_pytorch.shapes import Float, Int, Tensor

LARGE = 5.0  # deviations, in widths, from which the energy grows no faster than they do
TINY = 1e-6
SQUARINGS = 6  # of a matrix that singles out the direction in which a group of atoms is thinnest


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between the first and the last atom of each row, from `low` to `high` Å."""

    atoms: Int[Tensor, "p 2"]
    low: Float[Tensor, "p"]
    high: Float[Tensor, "p"]
    width: float  # Å

    def to(self, device: torch.device | str) -> "Distances":
        return Distances(self.atoms.to(device), self.low.to(device), self.high.to(device), self.width)

    def off(self, points: Float[Tensor, "m 3"]) -> Float[Tensor, "p"]:
        """How much too long, or too short if negative (Å)."""
        first, last = pick(points, self.atoms).unbind(dim=1)
        found = norm(first - last)
        return found - found.clamp(self.low, self.high)

    def energy(self, points: Float[Tensor, "m 3"]) -> Float[Tensor, "p"]:
        return soft(self.off(points) / self.width)


def pick(points: Float[Tensor, "m 3"], atoms: Int[Tensor, "*g s"]) -> Float[Tensor, "*g s 3"]:
    return points.index_select(0, atoms.flatten()).view(*atoms.shape, 3)


def soft(off: Float[Tensor, "*g"]) -> Float[Tensor, "*g"]:
    return soft_square(off.square())


def soft_square(square: Float[Tensor, "*g"], large: float = LARGE) -> Float[Tensor, "*g"]:
    """Of the square of a deviation: half of it, or `large` times the deviation where that is larger."""
    return square / (1 + (1 + square / large**2).sqrt())


def norm(vectors: Float[Tensor, "*g 3"]) -> Float[Tensor, "*g"]:
    return (vectors.square().sum(dim=-1) + TINY**2).sqrt()


def handedness(points: Float[Tensor, "c 4 3"]) -> Float[Tensor, "c"]:
    """Volume spanned by the directions from the first point to the others: 0.77 for a tetrahedron, 0 if flat."""
    arms = points[:, 1:] - points[:, :1]
    one, two, three = (arms / norm(arms)[..., None]).unbind(dim=1)
    return (one * torch.linalg.cross(two, three)).sum(dim=-1)


def cosines(points: Float[Tensor, "d 4 3"]) -> Float[Tensor, "d"]:
    """Of torsion angles: 1 for cis, -1 for trans."""
    first, axis, last = points.diff(dim=1).unbind(dim=1)
    left, right = torch.linalg.cross(first, axis), torch.linalg.cross(axis, last)
    return (left * right).sum(dim=-1) / (norm(left) * norm(right))


def thickness(points: Float[Tensor, "g s 3"]) -> Float[Tensor, "g"]:
    """Sum of the squared distances (Å²) from the plane that fits each group best.

    The normal of the best plane makes this sum smallest, so the sum does not change with it to first order: it is
    found without gradients.
    """
    centred = points - points.mean(dim=1, keepdim=True)
    return (centred @ normals(centred.detach())[:, :, None]).square().sum(dim=(1, 2))


def normals(centred: Float[Tensor, "g s 3"]) -> Float[Tensor, "g 3"]:
    """Unit vectors across groups of points, by powers of the adjugate of their covariance matrix."""
    rows = (centred.mT @ centred).unbind(dim=1)
    power = torch.stack([torch.linalg.cross(rows[k - 2], rows[k - 1]) for k in range(3)], dim=1)
    for _ in range(SQUARINGS):
        power = power / (power.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] + TINY**3)
        power = power @ power
    longest = power.diagonal(dim1=1, dim2=2).argmax(dim=1)
    found = power[torch.arange(len(power), device=power.device), longest]
    return found / found.norm(dim=-1, keepdim=True).clamp(min=TINY**3)
