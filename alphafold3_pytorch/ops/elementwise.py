"""Elementwise operations that sit between matrix products."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from alphafold3_pytorch.shapes import Float, Tensor

_reuse = False


@contextmanager
def reusing() -> Iterator[None]:
    """Where no gradient is wanted, `add` overwrites its first argument: for callers who own what they pass."""
    global _reuse
    before, _reuse = _reuse, not torch.is_grad_enabled()
    try:
        yield
    finally:
        _reuse = before


def add(x: Float[Tensor, "*b c"], update: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
    """x + update."""
    return x.add_(update) if _reuse and not torch.is_grad_enabled() else x + update


def swiglu(x: Float[Tensor, "*b c2"]) -> Float[Tensor, "*b c"]:
    """silu(first half) * second half of the last axis."""
    gate, value = x.chunk(2, dim=-1)
    if torch.is_grad_enabled():
        return F.silu(gate) * value
    return F.silu(gate, inplace=False).mul_(value)


def modulate(x: Float[Tensor, "*b c"], scale: Float[Tensor, "*e c"], shift: Float[Tensor, "*e c"]):
    """x * scale + shift, where scale and shift may be shared by all samples."""
    return torch.addcmul(shift, x, scale)
