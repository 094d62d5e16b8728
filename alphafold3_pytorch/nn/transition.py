"""The gated transition of every residual stack."""

from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Float, Tensor


class Transition(nn.Module):
    """AF3 Algorithm 11: a SwiGLU layer of `factor` times the width. Returns the update, without the residual."""

    def __init__(self, dim: int, factor: int = 4):
        super().__init__()
        self.norm = LayerNorm(dim)
        self.project = Linear(dim, 2 * factor * dim, init="relu")
        self.out = Linear(factor * dim, dim, init="zero")

    def forward(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
        if x.ndim < 4:
            return self.update(x)
        return ops.in_rows(self.update, x, width=self.project.out_features)

    def update(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
        return self.out(ops.swiglu(self.project(self.norm(x))))
