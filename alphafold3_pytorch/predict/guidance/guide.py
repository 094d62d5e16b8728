"""Guide: moves the atoms of a sample to where chemistry allows them, and no further."""

from collections.abc import Callable

import torch

from alphafold3_pytorch.models.sampler import Denoise
from alphafold3_pytorch.predict.guidance.contacts import SLACK
from alphafold3_pytorch.predict.guidance.minimise import minimise
from alphafold3_pytorch.predict.guidance.restraints import Restraints
from alphafold3_pytorch.predict.guidance.terms import soft_square
from alphafold3_pytorch.shapes import Float, Tensor
from alphafold3_pytorch.structure.table import Structure

HIGHEST = 8.0  # Å of noise above which positions are too blurred to be guided
LOOSE = 0.5  # width of the tether to the denoised positions, as a part of the noise level
TIGHT = 0.05  # Å, the same at the least
ITERATIONS = 10  # of each step of the sampler
TETHER = 0.1  # Å, width of the tether to the finished sample
YIELDS = 0.7  # widths from which a tether pulls no harder
ROUNDS, ITERATIONS_PER_ROUND = 30, 50
PLIANT = 0.02  # of the energy of planes in the first rounds: an atom on the wrong side has to leave its plane
SETTLED = 0.01  # Å: a round that moves no atom further is the last
# Seconds on a core, with those for each atom: of a guided step, and of settling a sample shaken by 0.3 Å.
STEP_TAKES, SETTLING_TAKES = (0.035, 1.0e-5), (0.6, 3.1e-4)


class Guide:
    """Guides the samples of one complex. Each sample is guided by itself, whatever else is in its batch."""

    def __init__(self, structure: Structure, device: torch.device | str = "cpu"):
        self.restraints = Restraints.of(structure).to(device)
        self.movable = torch.from_numpy(structure.elements > 0).to(device)

    def guided(self, denoise: Denoise) -> Denoise:
        """The same, followed by the guide."""
        return lambda x, level: self(denoise(x, level), float(level[0, 0]))

    @torch.enable_grad()
    def __call__(self, denoised: Float[Tensor, "1 k m 3"], level: float) -> Float[Tensor, "1 k m 3"]:
        """Denoised positions at a noise level (Å), nearer to good chemistry."""
        if level > HIGHEST:
            return denoised
        width = max(LOOSE * level, TIGHT)
        return torch.stack([self.moved(points, width, 1, ITERATIONS) for points in denoised[0]])[None]

    @torch.enable_grad()
    def settle(self, positions: Float[Tensor, "k m 3"]) -> Float[Tensor, "k m 3"]:
        """Finished positions with their chemistry put right, each atom as near to where it was as that allows."""
        return torch.stack([self.moved(points, TETHER, ROUNDS, ITERATIONS_PER_ROUND) for points in positions])

    def moved(self, points: Float[Tensor, "m 3"], width: float, rounds: int, iterations: int) -> Float[Tensor, "m 3"]:
        """Neighbours are looked up anew in each round, which ends when an atom has moved far: by half of what the
        list of neighbours allows, or by half of what a bond is off. Of several rounds the first let flat groups bend.
        """
        count = len(self.movable)
        centre = points[:count].mean(dim=0)
        start = found = points[:count] - centre
        planes = PLIANT if rounds > 1 else 1.0
        for number in range(rounds):
            before, total = found, self.energy(found, start, width, planes)
            radius = max(SLACK, self.restraints.stretch(before)) / 2
            found = minimise(total, before, self.movable, iterations, radius)
            settled = (found - before).norm(dim=-1).max() < SETTLED
            if settled and planes == 1:
                break
            planes = 1.0 if settled or number >= rounds // 2 else planes
        return torch.cat([torch.where(self.movable[:, None], found + centre, points[:count]), points[count:]])

    def energy(
        self, points: Float[Tensor, "m 3"], start: Float[Tensor, "m 3"], width: float, planes: float
    ) -> Callable[[Tensor], Tensor]:
        """Of restraints, with the neighbours that these points have, and of the tether to the start."""
        contacts = self.restraints.contacts(points)

        def total(x: Tensor) -> Tensor:
            terms = self.restraints.terms(x, contacts, planes)
            return torch.stack(list(terms.values())).sum() + tether(x - start, width)

        return total


def seconds(atoms: int, levels: Float[Tensor, "steps"]) -> float:
    """What guiding one sample takes, about: in the steps at these noise levels (Å), and at the end."""
    steps = int((levels <= HIGHEST).sum())
    return steps * (STEP_TAKES[0] + STEP_TAKES[1] * atoms) + SETTLING_TAKES[0] + SETTLING_TAKES[1] * atoms


def tether(offsets: Float[Tensor, "m 3"], width: float) -> Float[Tensor, ""]:
    """Holds atoms to where they were: firmly those that have no reason to move far, loosely those that have."""
    return soft_square(offsets.square().sum(dim=-1) / width**2, YIELDS).sum()
