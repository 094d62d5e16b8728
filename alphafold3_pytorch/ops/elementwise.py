"""Elementwise operations that sit between matrix products."""

import torch
import torch.nn.functional as F

from alphafold3_pytorch.shapes import Float, Tensor


def swiglu(x: Float[Tensor, "*b c2"]) -> Float[Tensor, "*b c"]:
    """silu(first half) * second half of the last axis."""
    gate, value = x.chunk(2, dim=-1)
    if torch.is_grad_enabled():
        return F.silu(gate) * value
    return F.silu(gate, inplace=False).mul_(value)


def modulate(x: Float[Tensor, "*b c"], scale: Float[Tensor, "*e c"], shift: Float[Tensor, "*e c"]):
    """x * scale + shift, where scale and shift may be shared by all samples."""
    return torch.addcmul(shift, x, scale)
