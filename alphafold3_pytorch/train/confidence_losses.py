"""The four losses of the confidence head (SI 4.3): pLDDT, PAE, PDE and experimentally resolved atoms.

Each target compares one predicted structure with the truth in a way that no rigid motion changes, so nothing is
aligned; all targets are made without gradient, and every loss is one value per example.
"""

from typing import NamedTuple

import torch

from alphafold3_pytorch.features.batch import FeatureBatch, Labels
from alphafold3_pytorch.shapes import Bool, Float, Int, Tensor
from alphafold3_pytorch.structure.bins import bin_edges, error_edges
from alphafold3_pytorch.structure.geometry import ComputeAlignmentError
from alphafold3_pytorch.structure.lddt import NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF, atom_lddt, distances
from alphafold3_pytorch.train.masked import at_atoms, binned_loss, cross_entropy


class ConfidenceLosses(NamedTuple):
    """One value per example."""

    plddt: Float[Tensor, "b"]
    pae: Float[Tensor, "b"]
    pde: Float[Tensor, "b"]
    resolved: Float[Tensor, "b"]


def lddt_references(batch: FeatureBatch) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
    """SI 4.3.1: CA or C1' of every standard residue (-1 for other tokens) and the radius in Å within which it counts.

    A standard residue is a polymer token of several atoms: modified residues and ligands are split into single atoms.
    """
    atoms = torch.zeros_like(batch.centre_atom, dtype=torch.int64)
    atoms = atoms.scatter_add(1, batch.atom_to_token.clamp_min(0).long(), batch.atom_mask.long())
    standard = batch.token_mask & batch.molecule_type[..., :3].any(-1) & (atoms > 1)
    radius = torch.where(batch.molecule_type[..., 1:3].any(-1), NUCLEIC_ACID_CUTOFF, OTHER_CUTOFF)
    return torch.where(standard, batch.centre_atom, -1), radius


@torch.no_grad()
def plddt_target(
    predicted: Float[Tensor, "b m 3"], batch: FeatureBatch, labels: Labels
) -> tuple[Float[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """SI 4.3.1: the lDDT of each atom, and which atoms have one."""
    reference, radius = lddt_references(batch)
    return atom_lddt(predicted, labels.positions, labels.resolved & batch.atom_mask, reference, radius)


@torch.no_grad()
def pae_target(
    predicted: Float[Tensor, "b m 3"], batch: FeatureBatch, labels: Labels
) -> tuple[Float[Tensor, "b n n"], Bool[Tensor, "b n n"]]:
    """SI 4.3.2: the error (Å) of the centre atom of token j seen from frame i (Algorithm 30), and which pairs count."""
    mask = labels.resolved & batch.atom_mask
    centre, there = at_atoms(predicted, mask, batch.centre_atom)
    frame, frame_there = at_atoms(predicted, mask, batch.frame_atoms)
    true_centre, true_frame = (at_atoms(labels.positions, mask, i)[0] for i in (batch.centre_atom, batch.frame_atoms))
    error = ComputeAlignmentError()(centre, true_centre, frame, true_frame)
    rows, columns = frame_there.all(-1) & batch.token_mask, there & batch.token_mask
    known = rows[:, :, None] & columns[:, None, :]
    return torch.where(known, error, 0.0), known


@torch.no_grad()
def pde_target(
    predicted: Float[Tensor, "b m 3"], batch: FeatureBatch, labels: Labels
) -> tuple[Float[Tensor, "b n n"], Bool[Tensor, "b n n"]]:
    """SI 4.3.3: the error (Å) of the distance between the distogram atoms of tokens i and j, and which pairs count."""
    mask = labels.resolved & batch.atom_mask
    x, there = at_atoms(predicted, mask, batch.distogram_atom)
    true, _ = at_atoms(labels.positions, mask, batch.distogram_atom)
    there = there & batch.token_mask
    known = there[:, :, None] & there[:, None, :]
    return torch.where(known, (distances(x, x) - distances(true, true)).abs(), 0.0), known


def trains_confidence(
    resolution: Float[Tensor, "b"] | None, examples: int, low: float = 0.1, high: float = 4.0
) -> Bool[Tensor, "b"]:
    """SI 4.3: which examples train the confidence head, those whose resolution lies from `low` to `high` Å.

    Unknown (None, or NaN for one example) trains; a data set keeps an example out by giving it a resolution of 0.
    """
    if resolution is None:
        return torch.ones(examples, dtype=torch.bool)
    return resolution.isnan() | ((resolution >= low) & (resolution <= high))


def confidence_losses(
    predicted: Float[Tensor, "b m 3"],
    batch: FeatureBatch,
    labels: Labels,
    *,
    plddt: Float[Tensor, "b m plddt_bins"],
    pde: Float[Tensor, "b n n pde_bins"],
    resolved: Float[Tensor, "b m 2"],
    pae: Float[Tensor, "b n n pae_bins"] | None = None,
    pae_edges: Float[Tensor, "pae_edges"] | None = None,
    pde_edges: Float[Tensor, "pde_edges"] | None = None,
    resolution_range: tuple[float, float] = (0.1, 4.0),
) -> ConfidenceLosses:
    """SI 4.3: logits against what the predicted (rolled out) structure really is; without `pae` its loss is 0.

    `labels` must already be permuted to match the prediction (SI 4.2). Default edges: `structure.bins`.
    """
    predicted = predicted.detach()
    pae_edges, pde_edges = (error_edges() if edges is None else edges for edges in (pae_edges, pde_edges))
    losses = ConfidenceLosses(
        plddt=binned_loss(plddt, *plddt_target(predicted, batch, labels), bin_edges(0.0, 1.0, plddt.shape[-1])),
        pae=predicted.new_zeros(len(predicted))
        if pae is None
        else binned_loss(pae, *pae_target(predicted, batch, labels), pae_edges),
        pde=binned_loss(pde, *pde_target(predicted, batch, labels), pde_edges),
        resolved=cross_entropy(resolved, labels.resolved.long(), batch.atom_mask),
    )
    trained = trains_confidence(labels.resolution, len(predicted), *resolution_range).to(predicted.device)
    return ConfidenceLosses(*(torch.where(trained, loss, 0.0) for loss in losses))
