"""Attention with an additive bias that the samples (or rows) of a complex may share."""

import torch
import torch.nn.functional as F

from alphafold3_pytorch.shapes import Float, Tensor

MASKED = -1e9  # added to the logits of a masked key; finite, so that a row without any key averages all values


def attention(
    q: Float[Tensor, "b k h q d"],
    k: Float[Tensor, "b k h l d"],
    v: Float[Tensor, "b k h l d"],
    bias: Float[Tensor, "b e h q l"] | Float[Tensor, "b e 1 1 l"],
) -> Float[Tensor, "b k h q d"]:
    """softmax(q k^T / sqrt(d) + bias) v. `e` is 1 (one bias for the whole axis `k`, never copied) or equals `k`."""
    bias = bias.to(q.dtype)
    if q.shape[0] == 1:
        return _attention(q[0], k[0], v[0], bias[0])[None]
    return torch.stack([_attention(*example) for example in zip(q, k, v, bias, strict=True)])


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    bias = bias.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def window_attention(
    q: Float[Tensor, "b k w h q d"],
    k: Float[Tensor, "b k w h l d"],
    v: Float[Tensor, "b k w h l c"],
    bias: Float[Tensor, "b w h q l"],
) -> Float[Tensor, "b k w h q c"]:
    """The same within windows of atoms; the samples `k` of a complex share one bias."""
    logits = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2)) + bias[:, None]
    return torch.matmul(logits.softmax(dim=-1), v)
