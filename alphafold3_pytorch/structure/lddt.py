"""Local distance difference test (lDDT): how well a prediction keeps the distances between neighbouring atoms.

It compares distances, so no superposition is needed, and it goes through atoms in groups, so memory stays small.
"""

import torch

from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.geometry import row_chunks, widen

THRESHOLDS = (0.5, 1.0, 2.0, 4.0)  # Å
NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF = 30.0, 15.0  # Å


def distances(rows: Float[Tensor, "*#b i 3"], columns: Float[Tensor, "*#b j 3"]) -> Float[Tensor, "... i j"]:
    """All distances, without the matrix product that would round them; the gradient at distance 0 is 0."""
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


@torch.no_grad()
def atom_lddt(
    predicted: Float[Tensor, "b m 3"],
    true: Float[Tensor, "b m 3"],
    mask: Bool[Tensor, "b m"],
    reference: Int[Tensor, "b n"],
    cutoff: Float[Tensor, "b n"],
    budget: int = 2**21,
) -> tuple[Float[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """SI 4.3.1: lDDT (0..1) of every atom against the `reference` atoms within the `cutoff` (Å) of each of these.

    `reference` holds atom indices (-1: none); an atom is not compared with itself. The mask that comes back is True
    where an atom exists and has at least one reference atom near it; elsewhere the lDDT is 0.
    """
    predicted, true = (torch.where(mask[..., None], widen(x), 0.0) for x in (predicted, true))
    index = reference.clamp_min(0)
    there = (reference >= 0) & mask.gather(1, index)
    b, m, _ = predicted.shape
    at = index[..., None].expand(-1, -1, 3)
    columns, true_columns = predicted.gather(1, at), true.gather(1, at)
    parts = []
    for i, j in row_chunks(m, b * reference.shape[1], budget):
        truth = distances(true[:, i:j], true_columns)
        itself = torch.arange(i, j, device=index.device)[:, None] == index[:, None, :]
        near = (truth < cutoff[:, None, :]) & there[:, None, :] & mask[:, i:j, None] & ~itself
        error = (truth - distances(predicted[:, i:j], columns)).abs()
        passed = sum((error < threshold).to(error.dtype) for threshold in THRESHOLDS) / len(THRESHOLDS)
        parts.append(torch.stack([(passed * near).sum(-1), near.sum(-1).to(error.dtype)]))
    score, pairs = torch.cat(parts, dim=-1)
    return score / pairs.clamp_min(1.0), pairs > 0


@torch.no_grad()
def group_lddt(
    predicted: Float[Tensor, "m 3"],
    true: Float[Tensor, "m 3"],
    first: Bool[Tensor, "m"],
    second: Bool[Tensor, "m"],
    cutoff: Float[Tensor, "m"],
    budget: int = 2**21,
) -> Float[Tensor, ""]:
    """lDDT (0..1) over the pairs of an atom of the first and an atom of the second group; NaN without such pairs.

    A pair counts where its true distance is below the `cutoff` (Å) of either atom; an atom is no pair with itself.
    """
    predicted, true = widen(predicted), widen(true)
    rows, columns = first.nonzero()[:, 0], second.nonzero()[:, 0]
    score, pairs = predicted.new_zeros(2).double()
    for start, stop in row_chunks(len(rows), len(columns), budget):
        group = rows[start:stop]
        truth = distances(true[group], true[columns])
        radius = torch.maximum(cutoff[group, None], cutoff[columns])
        near = (truth < radius) & (group[:, None] != columns)
        error = (truth - distances(predicted[group], predicted[columns])).abs()[near]
        score += sum((error < threshold).sum() for threshold in THRESHOLDS) / len(THRESHOLDS)
        pairs += near.sum()
    return (score / pairs).to(predicted.dtype)
