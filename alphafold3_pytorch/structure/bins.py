"""Bins of a distance, an error or a score: one definition for the labels in training and for the scores in prediction.

`edges` are c + 1 rising numbers: bin i holds the values in [edges_i, edges_{i+1}). The first bin also takes everything
below its lower edge and the last bin everything above its upper edge.
"""

import torch

from alphafold3_pytorch.shapes import Float, Int, Tensor


def bin_edges(low: float, high: float, count: int) -> Float[Tensor, "edges"]:
    """The edges of `count` equal bins from `low` to `high`."""
    return torch.linspace(low, high, count + 1)


def distogram_edges() -> Float[Tensor, "edges"]:
    """SI 4.4: 64 bins of 0.3125 Å from 2 to 22 Å."""
    return bin_edges(2.0, 22.0, 64)


def error_edges(count: int = 64) -> Float[Tensor, "edges"]:
    """SI 4.3.2, 4.3.3: the bins of PAE and PDE, 0.5 Å each from 0 to 32 Å, with centres 0.25, 0.75, ... 31.75 Å."""
    return bin_edges(0.0, 32.0, count)


def edges_from_upper(upper: Float[Tensor, "c"], low: float = 0.0) -> Float[Tensor, "edges"]:
    """Edges from the upper edges of all bins: linspace(0.5, 32, 64) gives `error_edges()`."""
    return torch.cat([upper.new_tensor([low]), upper])


def edges_from_lower(lower: Float[Tensor, "c"]) -> Float[Tensor, "edges"]:
    """Edges from the lower edges of all bins; the last bin is drawn as wide as the one before it."""
    return torch.cat([lower, 2 * lower[-1:] - lower[-2:-1]])


def bin_index(values: Float[Tensor, "*b"], edges: Float[Tensor, "edges"]) -> Int[Tensor, "*b"]:
    """The bin of each value; values outside the range fall into the first and the last bin."""
    return torch.bucketize(values, edges[1:-1].to(values.device), right=True)


def bin_centres(edges: Float[Tensor, "edges"]) -> Float[Tensor, "c"]:
    """The middle of each bin, open ones included."""
    return (edges[1:] + edges[:-1]) / 2
