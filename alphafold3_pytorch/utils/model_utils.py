"""Helpers under the import path of the original package."""

import torch

from alphafold3_pytorch.shapes import Int, Tensor


def exclusive_cumsum(x: Int[Tensor, "*b n"], dim: int = -1) -> Int[Tensor, "*b n"]:
    """Running sum that leaves out the element itself: the offset of each molecule's first atom."""
    return torch.cumsum(x, dim=dim) - x
