"""Small building blocks under the names of the original package, for models of one's own."""

from typing import Any

from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.adaptive import AdaptiveLayerNorm
from alphafold3_pytorch.nn.attention import add_mask, merge_heads, split_heads
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Bool, Float, Tensor


class PreLayerNorm(nn.Module):
    """A layer behind a LayerNorm."""

    def __init__(self, fn: nn.Module, *, dim: int):
        super().__init__()
        self.norm, self.fn = LayerNorm(dim), fn

    def forward(self, x: Float[Tensor, "*b c"], **options: Any) -> Any:
        return self.fn(self.norm(x), **options)


class ConditionWrapper(nn.Module):
    """A layer between an adaptive LayerNorm and an adaptive-zero output gate (AF3 Algorithms 24-26)."""

    def __init__(self, fn: nn.Module, *, dim: int, dim_cond: int, adaptive_zero_bias_init_value: float = -2.0):
        super().__init__()
        self.norm, self.fn = AdaptiveLayerNorm(dim, dim_cond), fn
        self.out_gate = Linear(dim_cond, dim, bias=True, init="gate", bias_init=adaptive_zero_bias_init_value)

    def forward(self, x: Float[Tensor, "*b c"], *, cond: Float[Tensor, "*e cs"], **options: Any) -> Tensor:
        return self.fn(self.norm(x, self.norm.condition(cond)), **options) * self.out_gate(cond).sigmoid()


class Attend(nn.Module):
    """softmax(q k^T / sqrt(d) + bias) v."""

    def forward(
        self,
        q: Float[Tensor, "b h q d"],
        k: Float[Tensor, "b h l d"],
        v: Float[Tensor, "b h l d"],
        mask: Bool[Tensor, "b l"] | None = None,
        attn_bias: Float[Tensor, "b h q l"] | None = None,
    ) -> Float[Tensor, "b h q d"]:
        bias = q.new_zeros(*q.shape[:3], k.shape[2]) if attn_bias is None else attn_bias
        return ops.attention(q[:, None], k[:, None], v[:, None], add_mask(bias, mask)[:, None])[:, 0]


class Attention(nn.Module):
    """Multi-head attention with gated output, to the sequence itself or to a context."""

    def __init__(
        self, *, dim: int, dim_head: int = 64, heads: int = 8, gate_output: bool = True, query_bias: bool = True
    ):
        super().__init__()
        inner = heads * dim_head
        self.heads, self.attend = heads, Attend()
        self.q, self.kv = Linear(dim, inner, bias=query_bias), Linear(dim, 2 * inner)
        self.gate = Linear(dim, inner, init="gate") if gate_output else None
        self.out = Linear(inner, dim)

    def forward(
        self,
        seq: Float[Tensor, "b q c"],
        mask: Bool[Tensor, "b l"] | None = None,
        context: Float[Tensor, "b l c"] | None = None,
        attn_bias: Float[Tensor, "b h q l"] | None = None,
    ) -> Float[Tensor, "b q c"]:
        keys = self.kv(seq if context is None else context).chunk(2, dim=-1)
        q, k, v = (split_heads(x, self.heads) for x in (self.q(seq), *keys))
        attended = merge_heads(self.attend(q, k, v, mask, attn_bias))
        return self.out(attended if self.gate is None else attended * self.gate(seq).sigmoid())
