"""Optional embeddings of what a user knows about pairs of tokens: pockets, contacts, docked parts, substructures."""

import torch
from torch import nn

from alphafold3_pytorch.nn.primitives import Linear
from alphafold3_pytorch.shapes import Float, Tensor


class ConstraintEmbedder(nn.Module):
    """A projection of pair constraints. Entries of -1 are unknown and replaced by a learned value if `unknown`."""

    def __init__(self, features: int, dim_pair: int, unknown: bool = True):
        super().__init__()
        self.unknown = nn.Parameter(torch.zeros(features)) if unknown else None
        self.project = Linear(features, dim_pair, init="zero")

    def forward(self, constraints: Float[Tensor, "b n n f"]) -> Float[Tensor, "b n n cz"]:
        if self.unknown is not None:
            constraints = torch.where(constraints == -1, self.unknown, constraints)
        return self.project(constraints)


class SubstructureEmbedder(nn.Module):
    """Known distance classes of a substructure: a plain transformer over the sequence of all token pairs."""

    def __init__(self, dim_pair: int, classes: int = 4, dim: int = 128, heads: int = 4, depth: int = 1):
        super().__init__()
        self.project = Linear(classes, dim)
        layer = lambda: nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=0.1, batch_first=True)  # noqa: E731
        self.layers = nn.ModuleList(layer() for _ in range(depth))
        self.out = Linear(dim, dim_pair, init="zero")

    def forward(self, classes: Float[Tensor, "b n n f"]) -> Float[Tensor, "b n n cz"]:
        x = self.project(classes).flatten(1, 2)
        for layer in self.layers:
            x = layer(x)
        return self.out(x).unflatten(1, classes.shape[1:3])
