"""Communication between the MSA and the pair representation."""

from functools import partial

import torch
from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.attention import add_mask
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Bool, Float, Tensor


class OuterProductMean(nn.Module):
    """AF3 Algorithm 9: the mean over rows of the outer product of two columns, projected. Returns the pair update."""

    eps = 1e-3  # added to the number of rows; the bias of the projection is divided too, as in every published model

    def __init__(self, dim_msa: int, dim_pair: int, hidden: int = 32):
        super().__init__()
        self.hidden = hidden
        self.norm = LayerNorm(dim_msa)
        self.project = Linear(dim_msa, 2 * hidden)
        self.out = Linear(hidden * hidden, dim_pair, bias=True, init="zero")

    def forward(self, msa: Float[Tensor, "b s n cm"], mask: Bool[Tensor, "b s n"]) -> Float[Tensor, "b n n cz"]:
        sides = lambda rows, present: self.project(self.norm(rows)) * present[..., None]  # noqa: E731
        left, right = ops.in_rows(sides, msa, mask, width=2 * msa.shape[-1]).chunk(2, dim=-1)
        weight = mask.to(left.dtype)
        count = torch.einsum("bsi,bsj->bij", weight, weight)[..., None] + self.eps
        # Rows of the pair come from columns of the alignment, each `width` outer products per alignment row. Large
        # groups pay here: the products are used once.
        width = max(1, left.shape[2] * self.hidden**2 // (8 * left.shape[1]))
        outer = partial(self.outer, right.flatten(2).transpose(1, 2).contiguous())
        return ops.in_rows(outer, left, width=width, axis=2).div_(count)

    def outer(self, right: Float[Tensor, "b nd s"], left: Float[Tensor, "b s r c"]) -> Float[Tensor, "b r n cz"]:
        products = ops.product(left.flatten(2).transpose(1, 2), right)
        products = products.unflatten(2, (-1, self.hidden)).unflatten(1, (-1, self.hidden))  # b r c n d
        return self.out(products.transpose(2, 3).flatten(3))


class MSAPairWeightedAveraging(nn.Module):
    """AF3 Algorithm 10: every row is averaged over columns with weights from the pair. Returns the MSA update."""

    def __init__(self, dim_msa: int, dim_pair: int, heads: int = 8, dim_head: int = 8):
        super().__init__()
        self.heads = heads
        inner = heads * dim_head
        self.norm, self.norm_pair = LayerNorm(dim_msa), LayerNorm(dim_pair)
        self.pair_bias = Linear(dim_pair, heads)
        self.value, self.gate = Linear(dim_msa, inner), Linear(dim_msa, inner, init="gate")
        self.out = Linear(inner, dim_msa, init="zero")

    def forward(
        self, msa: Float[Tensor, "b s n cm"], pair: Float[Tensor, "b n n cz"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b s n cm"]:
        logits = self.pair_bias(self.norm_pair(pair)).permute(0, 3, 1, 2)
        weights = add_mask(logits, mask).softmax(dim=-1)
        return ops.in_rows(partial(self.average, weights), msa, width=2 * self.value.out_features)

    def average(self, weights: Float[Tensor, "b h n n"], msa: Float[Tensor, "b r n cm"]) -> Float[Tensor, "b r n cm"]:
        """The update of some rows."""
        x = self.norm(msa)
        value = self.value(x).unflatten(-1, (self.heads, -1))
        average = torch.einsum("bhij,bsjhd->bsihd", weights.to(value.dtype), value)
        return self.out(average.flatten(-2) * self.gate(x).sigmoid())
