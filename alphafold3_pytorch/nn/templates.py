"""Templates: their pair features and their embedding (AF3 Algorithm 16)."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from alphafold3_pytorch.nn.pair import PairBlock
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor

BINS = (3.25, 50.75, 39)  # Å, lower edges of the distogram bins: first, last, number


def distance_bins(distance_squared: Float[Tensor, "*b"], low: float, high: float, bins: int) -> Float[Tensor, "*b d"]:
    """One-hot distance bins between squared lower edges, the last one open; all zero below the first edge."""
    lower = torch.linspace(low, high, bins, dtype=torch.float64).square()
    upper = torch.cat([lower[1:], lower.new_tensor([1e8])])
    lower, upper = (edges.to(distance_squared) for edges in (lower, upper))
    inside = (distance_squared[..., None] > lower) & (distance_squared[..., None] < upper)
    return inside.to(distance_squared.dtype)


def template_pair_features(
    restype: Float[Tensor, "b n r"],
    pseudo_beta: Float[Tensor, "b n 3"],
    pseudo_beta_mask: Bool[Tensor, "b n"],
    backbone: Float[Tensor, "b n 3 3"],
    backbone_mask: Bool[Tensor, "b n"],
    asym_id: Int[Tensor, "b n"],
) -> Float[Tensor, "b n n f"]:
    """Distogram 39, pseudo-beta mask, restype of j, restype of i, unit vector 3, frame mask, within chains only."""
    same_chain = asym_id[:, :, None] == asym_id[:, None, :]
    beta_pairs = (pseudo_beta_mask[:, :, None] & pseudo_beta_mask[:, None, :] & same_chain)[..., None]
    frame_pairs = (backbone_mask[:, :, None] & backbone_mask[:, None, :] & same_chain)[..., None]
    apart = pseudo_beta[:, :, None] - pseudo_beta[:, None, :]
    distogram = distance_bins(apart.square().sum(dim=-1), *BINS)
    n = restype.shape[1]
    parts = [
        distogram * beta_pairs,
        beta_pairs,
        restype[:, None].expand(-1, n, -1, -1),
        restype[:, :, None].expand(-1, -1, n, -1),
        backbone_directions(backbone) * frame_pairs,
        frame_pairs,
    ]
    return torch.cat([part.to(restype.dtype) for part in parts], dim=-1)


def backbone_directions(backbone: Float[Tensor, "b n 3 3"], eps: float = 1e-6) -> Float[Tensor, "b n n 3"]:
    """Unit vector to the CA of j in the frame of i: x axis CA to C, y axis towards N, origin CA."""
    nitrogen, alpha, carbon = backbone.unbind(dim=-2)
    normalise = lambda x: x / x.norm(dim=-1, keepdim=True).clamp(min=eps)  # noqa: E731
    x_axis = normalise(carbon - alpha)
    to_nitrogen = nitrogen - alpha
    y_axis = normalise(to_nitrogen - (to_nitrogen * x_axis).sum(dim=-1, keepdim=True) * x_axis)
    frame = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-2)
    apart = alpha[:, None, :] - alpha[:, :, None]
    return normalise(torch.einsum("bixc,bijc->bijx", frame, apart))


class TemplateEmbedder(nn.Module):
    """AF3 Algorithm 16: each template joins the pair in a small stack of blocks; their mean is projected."""

    def __init__(self, dim_pair: int = 128, dim: int = 64, features: int = 108, depth: int = 2, **pair_block: Any):
        super().__init__()
        self.norm_pair, self.pair = LayerNorm(dim_pair), Linear(dim_pair, dim)
        self.features = Linear(features, dim)
        self.blocks = nn.ModuleList(PairBlock(dim, **pair_block) for _ in range(depth))
        self.norm_out, self.out = LayerNorm(dim), Linear(dim, dim_pair, init="zero")

    def forward(
        self,
        pair: Float[Tensor, "b n n cz"],
        templates: Iterable[tuple[Float[Tensor, "b n n f"], Float[Tensor, "b"]]],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b n n cz"]:
        """`templates` yields the pair features and the weight (0 for an absent one) of one template at a time."""
        query = self.pair(self.norm_pair(pair))
        total, count = torch.zeros_like(query), query.new_zeros(len(query))
        for features, weight in templates:
            x = query + self.features(features)
            del features  # as large as the pair
            for block in self.blocks:
                x = block(x, mask)
            total = total + self.norm_out(x) * weight[:, None, None, None]
            count = count + weight
        return self.out(F.relu(total / count.clamp(min=1)[:, None, None, None]))
