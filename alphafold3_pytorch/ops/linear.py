"""Linear maps of the last axis."""

import torch
import torch.nn.functional as F

from alphafold3_pytorch.ops.dispatch import plain_inference
from alphafold3_pytorch.shapes import Float, Tensor

# oneDNN's product: on processors with AVX-512 up to 1.25 times as fast as the BLAS behind `F.linear`.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def linear(x: Float[Tensor, "*b c"], weight: Float[Tensor, "d c"], bias: Float[Tensor, "d"] | None = None):
    """x weight^T + bias."""
    if _ONEDNN is not None and x.numel() > 0 and plain_inference(x, weight, bias):
        return _ONEDNN(x, weight, bias, "none", [], "")
    return F.linear(x, weight, bias)


def product(a: Float[Tensor, "*b q c"], b: Float[Tensor, "*b l c"]) -> Float[Tensor, "*b q l"]:
    """a b^T."""
    if a.shape[:-2].numel() == 1:
        lead = a.shape[:-2]
        return linear(a.reshape(a.shape[-2:]), b.reshape(b.shape[-2:])).view(*lead, a.shape[-2], b.shape[-2])
    return torch.matmul(a, b.transpose(-1, -2))


def channels_first(weight: Float[Tensor, "d c"], x: Float[Tensor, "*b q l c"]) -> Float[Tensor, "*b d q l"]:
    """A linear map whose result has its channels in front, contiguous, as attention and triangle products want them."""
    flat = x.flatten(-3, -2)
    return product(weight.expand(*flat.shape[:-2], -1, -1), flat).unflatten(-1, x.shape[-3:-1])
