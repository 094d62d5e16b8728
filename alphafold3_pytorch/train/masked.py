"""Means and cross-entropies over the valid part of padded tensors: an empty mask gives 0 and a zero gradient.

What lies outside a mask never enters the result, be it NaN. What lies inside does: a NaN there makes the loss of this
one example NaN, so that it can be named (`LossBreakdown.bad_examples`).
"""

import torch

from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.bins import bin_index
from alphafold3_pytorch.structure.geometry import widen


def masked_mean(values: Float[Tensor, "..."], mask: Bool[Tensor, "..."], dims: tuple[int, ...]) -> Float[Tensor, "..."]:
    """The mean of `values` in the mask over the axes `dims`; 0 where the mask is empty. The mask broadcasts."""
    mask = mask.expand(values.shape)
    total = torch.where(mask, values, values.new_zeros(())).sum(dims)
    return total / mask.sum(dims).clamp_min(1)


def cross_entropy(
    logits: Float[Tensor, "b *shape c"], labels: Int[Tensor, "b *shape"], mask: Bool[Tensor, "b *shape"]
) -> Float[Tensor, "b"]:
    """The mean of -log softmax(logits)[label] over all that is in the mask, for each example."""
    logits = torch.where(mask[..., None], widen(logits), 0.0)
    label = labels.clamp(0, logits.shape[-1] - 1).long()
    surprise = -logits.log_softmax(-1).gather(-1, label[..., None]).squeeze(-1)
    return masked_mean(surprise, mask, tuple(range(1, mask.ndim)))


def binned_loss(
    logits: Float[Tensor, "b *shape c"],
    values: Float[Tensor, "b *shape"],
    mask: Bool[Tensor, "b *shape"],
    edges: Float[Tensor, "edges"],
) -> Float[Tensor, "b"]:
    """Cross-entropy of logits over the bins between `edges` with the bins that `values` fall into."""
    if logits.shape[-1] != len(edges) - 1:
        raise ValueError(
            f"logits over {logits.shape[-1]} bins, but the {len(edges)} bin edges make {len(edges) - 1} bins"
        )
    return cross_entropy(logits, bin_index(values, edges), mask)


def at_atoms(
    coords: Float[Tensor, "b m 3"], mask: Bool[Tensor, "b m"], index: Int[Tensor, "b *shape"]
) -> tuple[Float[Tensor, "b *shape 3"], Bool[Tensor, "b *shape"]]:
    """Positions and mask of the atoms that `index` points at; -1 gives position 0 outside the mask."""
    flat = index.flatten(1)
    at = flat.clamp_min(0)
    there = mask.gather(1, at) & (flat >= 0)
    picked = torch.where(there[..., None], coords.gather(1, at[..., None].expand(-1, -1, 3)), 0.0)
    return picked.unflatten(1, index.shape[1:]), there.unflatten(1, index.shape[1:])
