"""The smooth local distance difference test as a loss (AF3 Algorithm 27).

It goes through atoms in groups: an atoms x atoms x copies tensor never exists, neither in the forward nor in the
backward pass.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from alphafold3_pytorch.shapes import Bool, Float, Tensor
from alphafold3_pytorch.structure.geometry import row_chunks, widen
from alphafold3_pytorch.structure.lddt import NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF, THRESHOLDS, distances


def smooth_lddt_loss(
    predicted: Float[Tensor, "*#b m 3"],
    true: Float[Tensor, "*#b m 3"],
    is_nucleotide: Bool[Tensor, "*#b m"],
    mask: Bool[Tensor, "*#b m"],
    nucleic_acid_cutoff: float = NUCLEIC_ACID_CUTOFF,
    other_cutoff: float = OTHER_CUTOFF,
    budget: int = 2**21,
) -> Float[Tensor, "..."]:
    """AF3 Algorithm 27 for every leading index: 1 - (mean score of the pairs within the cutoff of their first atom).

    The first atom alone decides between the two cutoffs (line 5). `true` with a leading axis of 1 is compared with all
    copies of `predicted`. An example without any pair has loss 0. `budget` bounds each working tensor.
    """
    predicted, true = (torch.where(mask[..., None], widen(x), 0.0) for x in (predicted, true))
    lead = torch.broadcast_shapes(predicted.shape[:-2], true.shape[:-2])
    cutoff = torch.where(is_nucleotide, nucleic_acid_cutoff, other_cutoff)
    score, pairs = _SmoothSums.apply(predicted.expand(*lead, -1, -1), true, cutoff, mask, budget)
    return torch.where(pairs > 0, 1 - score / pairs.clamp_min(1.0), 0.0 * score)


class _SmoothSums(torch.autograd.Function):
    """Sum of scores and number of pairs of each example, going through the first atoms in groups.

    The gradient of a group is taken as soon as its score is known, so the backward pass has only to scale the sum of
    these, and no group is computed twice.
    """

    @staticmethod
    def forward(ctx, predicted: Tensor, true: Tensor, cutoff: Tensor, mask: Tensor, budget: int):
        score, pairs = predicted.new_zeros((2, *predicted.shape[:-2])).unbind(0)
        slope = torch.zeros_like(predicted) if ctx.needs_input_grad[0] else None
        for start, stop in row_chunks(mask.shape[-1], predicted[..., 0].numel(), budget):
            with torch.set_grad_enabled(slope is not None):
                x = predicted.detach().requires_grad_(slope is not None)
                more_score, more_pairs = _group_sums(x, true, cutoff, mask, start, stop)
                if slope is not None:
                    slope += torch.autograd.grad(more_score.sum(), x)[0]
            score, pairs = score + more_score.detach(), pairs + more_pairs
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(pairs)
        return score, pairs

    @staticmethod
    @once_differentiable
    def backward(ctx, score_gradient: Tensor, _: Tensor):  # type: ignore[override]
        return score_gradient[..., None, None] * ctx.saved_tensors[0], None, None, None, None


def _group_sums(
    predicted: Tensor, true: Tensor, cutoff: Tensor, mask: Tensor, start: int, stop: int
) -> tuple[Tensor, Tensor]:
    """Sum of scores and number of pairs (l, m) with `start` <= l < `stop`."""
    truth = distances(true[..., start:stop, :], true)
    atom = torch.arange(mask.shape[-1], device=mask.device)
    other = atom[start:stop, None] != atom
    counted = (truth < cutoff[..., start:stop, None]) & mask[..., start:stop, None] & mask[..., None, :] & other
    error = (truth - distances(predicted[..., start:stop, :], predicted)).abs()
    score = sum(torch.sigmoid(threshold - error) for threshold in THRESHOLDS) / len(THRESHOLDS)
    return (score * counted).sum((-2, -1)), counted.sum((-2, -1)).to(error.dtype)


class SmoothLDDTLoss(nn.Module):
    """AF3 Algorithm 27: 1 - smooth lDDT, averaged over the batch; 0.1959 at best, as the score is soft."""

    def __init__(
        self, nucleic_acid_cutoff: float = NUCLEIC_ACID_CUTOFF, other_cutoff: float = OTHER_CUTOFF, budget: int = 2**21
    ):
        super().__init__()
        self.cutoffs, self.budget = (nucleic_acid_cutoff, other_cutoff), budget

    def forward(
        self,
        pred_coords: Float[Tensor, "*b m 3"],
        true_coords: Float[Tensor, "*b m 3"],
        is_dna: Bool[Tensor, "*#b m"],
        is_rna: Bool[Tensor, "*#b m"],
        coords_mask: Bool[Tensor, "*#b m"] | None = None,
    ) -> Float[Tensor, ""]:
        """Atoms outside `coords_mask` take part in no pair. `smooth_lddt_loss` gives one value per example."""
        mask = torch.ones_like(is_dna) if coords_mask is None else coords_mask
        return smooth_lddt_loss(pred_coords, true_coords, is_dna | is_rna, mask, *self.cutoffs, self.budget).mean()
