"""Triangle updates of the pair representation."""

from functools import partial
from typing import Literal

import torch
from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.attention import add_mask, merge_heads, split_heads
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Bool, Float, Tensor


class TriangleMultiplication(nn.Module):
    """AF3 Algorithms 12-13: edge ij from edges ik, jk ("outgoing") or ki, kj ("incoming"). Returns the update."""

    def __init__(self, dim: int, hidden: int | None = None, *, mix: Literal["outgoing", "incoming"]):
        super().__init__()
        hidden = hidden or dim
        self.mix: Literal["outgoing", "incoming"] = mix
        self.norm_in, self.norm_out = LayerNorm(dim), LayerNorm(hidden)
        self.project, self.gate = Linear(dim, 2 * hidden), Linear(dim, 2 * hidden, init="gate")
        self.out, self.out_gate = Linear(hidden, dim, init="zero"), Linear(dim, dim, init="gate")

    def forward(
        self, pair: Float[Tensor, "b n n c"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n n c"]:
        width = self.project.out_features
        sides = ops.in_rows(partial(self.sides, columns=mask), pair, mask, width=width, out_axis=2)
        left, right = sides.chunk(2, dim=1)
        update = ops.triangle_multiplication(left, right, self.mix).permute(0, 2, 3, 1)
        del sides, left, right  # twice the size of the pair
        return ops.in_rows(self.finish, update, pair, width=width)

    def sides(
        self, pair: Float[Tensor, "b r n c"], rows: Bool[Tensor, "b r"] | None, columns: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b d r n"]:
        """Left and right factors of some rows, channels first: the product needs one matrix per channel."""
        x = self.norm_in(pair)
        sides = ops.channels_first(self.gate.weight, x).sigmoid() * ops.channels_first(self.project.weight, x)
        if rows is None or columns is None:
            return sides
        return sides * (rows[:, None, :, None] & columns[:, None, None])

    def finish(self, update: Float[Tensor, "b r n d"], pair: Float[Tensor, "b r n c"]) -> Float[Tensor, "b r n c"]:
        return self.out(self.norm_out(update)) * self.out_gate(self.norm_in(pair)).sigmoid()


class TriangleAttention(nn.Module):
    """AF3 Algorithms 14-15: edge ij attends along its row ("starting") or its column ("ending"). Returns the update.

    `swap_bias` biases the ending node's logits by edge ik instead of the paper's ki, as some published weights expect.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 4,
        dim_head: int = 32,
        *,
        node_type: Literal["starting", "ending"],
        swap_bias: bool = False,
    ):
        super().__init__()
        self.heads, self.ending, self.swap_bias = heads, node_type == "ending", swap_bias
        inner = heads * dim_head
        self.norm = LayerNorm(dim)
        self.pair_bias = Linear(dim, heads)
        self.qkv = Linear(dim, 3 * inner)
        self.gate = Linear(dim, inner, init="gate")
        self.out = Linear(inner, dim, init="zero")

    def forward(
        self, pair: Float[Tensor, "b n n c"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n n c"]:
        x = ops.in_rows(self.norm, pair.transpose(1, 2) if self.ending else pair, width=pair.shape[-1])
        bias = ops.channels_first(self.pair_bias.weight, x)
        bias = add_mask(bias.transpose(-1, -2).contiguous() if self.swap_bias else bias, mask)
        update = ops.in_rows(partial(self.attend, bias), x, mask, width=self.qkv.out_features)
        return update.transpose(1, 2) if self.ending else update

    def attend(
        self, bias: Float[Tensor, "b h n n"], x: Float[Tensor, "b r n c"], rows: Bool[Tensor, "b r"] | None = None
    ) -> Float[Tensor, "b r n c"]:
        """Attention within each of `r` rows, which share one bias; an absent row has no key and averages its values."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        attended = ops.attention(q, k, v, bias[:, None])
        if rows is not None:
            attended = torch.where(rows[:, :, None, None, None], attended, v.mean(dim=-2, keepdim=True))
        return self.out(merge_heads(attended) * self.gate(x).sigmoid())
