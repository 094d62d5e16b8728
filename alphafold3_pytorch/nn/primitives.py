"""Linear and LayerNorm with the conventions of AlphaFold 3: no bias unless asked for, initialisation by role."""

import math
from typing import Literal

from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.shapes import Float, Tensor

Init = Literal["default", "relu", "gate", "zero"]


class Linear(nn.Linear):
    """A linear layer without bias by default.

    `init` names the role: "default" (variance 1 / fan-in), "relu" (2 / fan-in, in front of a swish),
    "gate" (weights 0, bias `bias_init`, in front of a sigmoid), "zero" (last layer of a residual update).
    """

    def __init__(self, dim_in: int, dim_out: int, bias: bool = False, init: Init = "default", bias_init: float = 0.0):
        self.init, self.bias_init = init, bias_init
        super().__init__(dim_in, dim_out, bias)

    def reset_parameters(self):
        if self.weight.is_meta:  # filled later, with somebody's weights
            return
        variance = {"default": 1.0, "relu": 2.0, "gate": 0.0, "zero": 0.0}[self.init] / max(self.in_features, 1)
        if variance:
            nn.init.normal_(self.weight, std=math.sqrt(variance))
        else:
            nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.constant_(self.bias, self.bias_init)

    def forward(self, input: Float[Tensor, "*b c"]) -> Float[Tensor, "*b d"]:
        return ops.linear(input, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the last axis, epsilon 1e-5, statistics in float32; `scale` and `offset` are learned if wanted."""

    def __init__(self, dim: int, scale: bool = True, offset: bool = True):
        super().__init__(dim, elementwise_affine=scale, bias=scale and offset)
