"""Layers conditioned on a single representation: adaptive LayerNorm and the conditioned transition.

What depends on the condition alone is computed by `condition` and applied by `forward`, so that a sampler computes it
once for all samples of a step, and once per prediction where the condition does not change with the noise level.
"""

from typing import NamedTuple

from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Float, Tensor


class Modulation(NamedTuple):
    """Elementwise scale and shift of a normalised activation."""

    scale: Float[Tensor, "*b c"]
    shift: Float[Tensor, "*b c"]


class AdaptiveLayerNorm(nn.Module):
    """AF3 Algorithm 26: LayerNorm whose scale and shift are predicted from a condition."""

    def __init__(self, dim: int, dim_cond: int):
        super().__init__()
        self.norm = LayerNorm(dim, scale=False, offset=False)
        self.norm_cond = LayerNorm(dim_cond, offset=False)
        self.scale = Linear(dim_cond, dim, bias=True, init="gate", bias_init=1.0)
        self.shift = Linear(dim_cond, dim, init="zero")

    def condition(self, cond: Float[Tensor, "*b cs"]) -> Modulation:
        cond = self.norm_cond(cond)
        return Modulation(self.scale(cond).sigmoid(), self.shift(cond))

    def forward(self, x: Float[Tensor, "*b c"], modulation: Modulation) -> Float[Tensor, "*b c"]:
        return ops.modulate(self.norm(x), *modulation)


class ConditionedTransition(nn.Module):
    """AF3 Algorithm 25: a SwiGLU transition with adaptive LayerNorm and an adaptive-zero output gate."""

    def __init__(self, dim: int, dim_cond: int, factor: int = 2):
        super().__init__()
        self.norm = AdaptiveLayerNorm(dim, dim_cond)
        self.project = Linear(dim, 2 * factor * dim, init="relu")
        self.out = Linear(factor * dim, dim)
        self.out_gate = Linear(dim_cond, dim, bias=True, init="gate", bias_init=-2.0)

    def condition(self, cond: Float[Tensor, "*b cs"]) -> tuple[Modulation, Float[Tensor, "*b c"]]:
        return self.norm.condition(cond), self.out_gate(cond).sigmoid()

    def forward(
        self, x: Float[Tensor, "*b c"], condition: tuple[Modulation, Float[Tensor, "*e c"]]
    ) -> Float[Tensor, "*b c"]:
        modulation, gate = condition
        return gate * self.out(ops.swiglu(self.project(self.norm(x, modulation))))
