"""The blocks of the trunk's stacks."""

from typing import Any

import torch
from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.attention import AttentionPairBias
from alphafold3_pytorch.nn.msa import MSAPairWeightedAveraging, OuterProductMean
from alphafold3_pytorch.nn.transition import Transition
from alphafold3_pytorch.nn.triangle import TriangleAttention, TriangleMultiplication
from alphafold3_pytorch.shapes import Bool, Float, Tensor

Options = dict[str, Any]  # of a PairBlock


class SharedDropout(nn.Module):
    """Dropout with one mask for all rows (`axis` 1) or columns (`axis` 2) of an array [b, rows, columns, channels]."""

    def __init__(self, probability: float, axis: int):
        super().__init__()
        self.probability, self.axis = probability, axis

    def forward(self, x: Float[Tensor, "b i j c"]) -> Float[Tensor, "b i j c"]:
        if not self.training or self.probability == 0:
            return x
        shape = [1 if axis == self.axis else size for axis, size in enumerate(x.shape)]
        return x * nn.functional.dropout(torch.ones(shape, dtype=x.dtype, device=x.device), self.probability)


class PairBlock(nn.Module):
    """The pair half of AF3 Algorithm 17: two triangle multiplications, two triangle attentions, a transition."""

    def __init__(
        self,
        dim: int,
        hidden: int | None = None,
        heads: int = 4,
        dim_head: int = 32,
        factor: int = 4,
        dropout: float = 0.25,
        swap_bias: bool = False,
    ):
        super().__init__()
        attention: dict[str, Any] = dict(heads=heads, dim_head=dim_head)
        self.outgoing = TriangleMultiplication(dim, hidden, mix="outgoing")
        self.incoming = TriangleMultiplication(dim, hidden, mix="incoming")
        self.starting = TriangleAttention(dim, **attention, node_type="starting")
        self.ending = TriangleAttention(dim, **attention, node_type="ending", swap_bias=swap_bias)
        self.transition = Transition(dim, factor)
        self.drop_rows, self.drop_columns = SharedDropout(dropout, axis=1), SharedDropout(dropout, axis=2)

    def forward(
        self, pair: Float[Tensor, "b n n c"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n n c"]:
        pair = ops.add(pair, self.drop_rows(self.outgoing(pair, mask)))
        pair = ops.add(pair, self.drop_rows(self.incoming(pair, mask)))
        pair = ops.add(pair, self.drop_rows(self.starting(pair, mask)))
        pair = ops.add(pair, self.drop_columns(self.ending(pair, mask)))
        return ops.add(pair, self.transition(pair))


class PairformerBlock(nn.Module):
    """AF3 Algorithm 17, one block: the pair is updated, then the single attends with the new pair as bias."""

    def __init__(
        self, dim: int, dim_pair: int, heads: int = 16, dim_head: int | None = None, pair_block: Options | None = None
    ):
        super().__init__()
        self.pair_block = PairBlock(dim_pair, **(pair_block or {}))
        self.attention = AttentionPairBias(dim, dim_pair, heads, dim_head)
        self.transition = Transition(dim)

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n cz"], mask: Bool[Tensor, "b n"] | None = None
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n cz"]]:
        pair = self.pair_block(pair, mask)
        single = single + self.attention(single, pair, mask)
        return single + self.transition(single), pair


class MSABlock(nn.Module):
    """AF3 Algorithm 8, one block. The last block of a stack has no row update: nothing would read it."""

    def __init__(
        self,
        dim: int,
        dim_pair: int,
        hidden_outer: int = 32,
        heads: int = 8,
        dim_head: int = 8,
        dropout: float = 0.15,
        last: bool = False,
        pair_block: Options | None = None,
    ):
        super().__init__()
        self.outer_product_mean = OuterProductMean(dim, dim_pair, hidden_outer)
        self.averaging = None if last else MSAPairWeightedAveraging(dim, dim_pair, heads, dim_head)
        self.transition = None if last else Transition(dim)
        self.drop_rows = SharedDropout(dropout, axis=1)
        self.pair_block = PairBlock(dim_pair, **(pair_block or {}))

    def forward(
        self,
        msa: Float[Tensor, "b s n cm"],
        pair: Float[Tensor, "b n n cz"],
        msa_mask: Bool[Tensor, "b s n"],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> tuple[Float[Tensor, "b s n cm"], Float[Tensor, "b n n cz"]]:
        pair = ops.add(pair, self.outer_product_mean(msa, msa_mask))
        if self.averaging is not None and self.transition is not None:
            msa = ops.add(msa, self.drop_rows(self.averaging(msa, pair, mask)))
            msa = ops.add(msa, self.transition(msa) * msa_mask[..., None])
        return msa, self.pair_block(pair, mask)
