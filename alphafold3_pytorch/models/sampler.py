"""Sampling structures from noise (AF3 Algorithm 18)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch

from alphafold3_pytorch.models.config import SamplerConfig
from alphafold3_pytorch.shapes import Bool, Float, Tensor
from alphafold3_pytorch.structure.geometry import random_rotation

Denoise = Callable[[Tensor, Tensor], Tensor]  # positions [b k m 3], noise level [b 1] -> denoised positions


def noise_schedule(
    config: SamplerConfig, steps: int | None = None, sigma_data: float = 16.0
) -> Float[Tensor, "steps_plus_1"]:
    """Noise levels (Å, float64) from the first to the last step (SI 3.7.1, equation 7)."""
    fraction = torch.linspace(0, 1, (steps or config.steps) + 1, dtype=torch.float64)
    first, last = config.sigma_max ** (1 / config.rho), config.sigma_min ** (1 / config.rho)
    levels = sigma_data * (first + fraction * (last - first)) ** config.rho
    if config.end_at_zero:
        levels[-1] = 0
    return levels


class Move(NamedTuple):
    """The random draws of one step: a rigid motion and unit noise."""

    rotation: Float[Tensor, "b k 3 3"]  # applied as positions @ rotation
    translation: Float[Tensor, "b k 3"]  # Å
    noise: Float[Tensor, "b k m 3"]


@runtime_checkable
class Draws(Protocol):
    """The source of all randomness of a sampling run."""

    def initial(self) -> Float[Tensor, "b k m 3"]: ...

    def steps(self) -> Iterator[Move]: ...


class RandomDraws:
    """Draws of one generator per complex and sample: a sample does not depend on what else is in the batch."""

    def __init__(self, atom_mask: Bool[Tensor, "b m"], seeds: Sequence[Sequence[int]], trans_scale: float = 1.0):
        self.atom_mask, self.trans_scale = atom_mask, trans_scale
        self.counts = atom_mask.sum(dim=1).tolist()
        self.generators = [[torch.Generator().manual_seed(seed) for seed in row] for row in seeds]

    def normal(self, *shape: int | None) -> Float[Tensor, "b k *shape"]:
        """Unit normal draws; None stands for the atoms of a complex, of which only the present ones are drawn."""
        width = self.atom_mask.shape[1]
        rows = []
        for count, row in zip(self.counts, self.generators, strict=True):
            sizes = [count if size is None else size for size in shape]
            draws = torch.stack([torch.randn(sizes, generator=generator) for generator in row])
            rows.append(draws if None not in shape else torch.nn.functional.pad(draws, (0, 0, 0, width - count)))
        return torch.stack(rows).to(self.atom_mask.device)

    def initial(self) -> Float[Tensor, "b k m 3"]:
        return self.normal(None, 3)

    def steps(self) -> Iterator[Move]:
        while True:
            rotations = [[random_rotation((), generator) for generator in row] for row in self.generators]
            rotation = torch.stack([torch.stack(row) for row in rotations]).to(self.atom_mask.device)
            yield Move(rotation, self.normal(3) * self.trans_scale, self.normal(None, 3))


def sample_positions(
    denoise: Denoise,
    atom_mask: Bool[Tensor, "b m"],
    draws: Draws,
    config: SamplerConfig,
    steps: int | None = None,
    sigma_data: float = 16.0,
    centre: bool = True,
) -> Iterator[Float[Tensor, "b k m 3"]]:
    """Positions (Å) after each step. Only `denoise` knows the network; only `draws` is random."""
    levels = noise_schedule(config, steps, sigma_data)
    x = draws.initial()
    levels = levels.to(x.device, x.dtype)
    x = x * levels[0]
    mask = atom_mask[:, None, :, None].to(x.dtype)
    for previous, level, move in zip(levels[:-1], levels[1:], draws.steps(), strict=False):
        if centre:
            x = x - (x * mask).sum(dim=2, keepdim=True) / mask.sum(dim=2, keepdim=True).clamp(min=1e-6)
        x = x @ move.rotation.to(x) + move.translation.to(x)[:, :, None]
        raised = previous * (1 + (config.gamma if level > config.gamma_min else 0.0))
        x = x + config.noise_scale * (raised.square() - previous.square()).sqrt() * move.noise.to(x)
        denoised = denoise(x, raised.expand(len(x), 1))
        x = x + config.step_scale * (level - raised) * (x - denoised) / raised
        yield x
