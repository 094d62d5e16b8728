"""A random complex with the shapes of a protein, as plain tensors: what every implementation under test is given."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Module = TypeVar("Module", bound=torch.nn.Module)

ATOMS_PER_TOKEN = 8
DIM_SINGLE, DIM_PAIR, DIM_MSA, DIM_INPUTS = 384, 128, 64, 449
MSA_ROWS = 512
SIGMA = 24.0  # Å, the noise level of the timed step


@dataclass(frozen=True)
class System:
    """One chain; every token is a residue of the same number of atoms, each residue a conformer of its own."""

    tokens: int
    atoms: int
    atom_to_token: Tensor
    positions: Tensor  # of the reference conformers, Å
    elements: Tensor  # atomic numbers
    names: Tensor  # four characters of 64
    residues: Tensor  # 20 amino acids


def random_system(tokens: int, seed: int = 0) -> System:
    generator = torch.Generator().manual_seed(seed)
    atoms = tokens * ATOMS_PER_TOKEN
    return System(
        tokens,
        atoms,
        torch.arange(tokens).repeat_interleave(ATOMS_PER_TOKEN),
        torch.randn(atoms, 3, generator=generator) * 1.5,
        torch.tensor([6, 7, 8, 16])[torch.randint(0, 4, (atoms,), generator=generator)],
        torch.randint(0, 64, (atoms, 4), generator=generator),
        torch.randint(0, 20, (tokens,), generator=generator),
    )


def activations(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def randomise(module: Module) -> Module:
    """Random weights that keep activations of order one; none is zero, as none is in a trained model."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.7 * parameter.shape[-1] ** -0.5, generator=generator)
            else:
                parameter.uniform_(0.5, 1.0, generator=generator)
    return module.eval()
