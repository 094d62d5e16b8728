"""A model and its losses as one module: what is differentiated, and wrapped where there are several devices."""

from typing import Any

from torch import nn

from alphafold3_pytorch.train.examples import AtomBatch, Batch
from alphafold3_pytorch.train.losses import LossBreakdown, LossConfig


class Objective(nn.Module):
    """The loss of a batch, by parts and examples (of tensor inputs: their mean)."""

    def __init__(self, model: Any, loss: LossConfig, rollout_steps: int | None = None):
        super().__init__()
        self.model, self.loss, self.rollout_steps = model, loss, rollout_steps

    def forward(self, batch: Batch, passes: int) -> LossBreakdown:
        """`passes` through the trunk, the last of which is differentiated."""
        if isinstance(batch, AtomBatch):
            return self.of_tensors(batch, passes)
        trunk = self.model.network(batch.features, passes)
        labels, known = batch.labels, batch.labels.truth is not None
        options = {"rollout_steps": self.rollout_steps, "permute_labels": known}
        return self.model.loss(batch.features, labels, trunk, self.loss, {}, **options)

    def of_tensors(self, batch: AtomBatch, passes: int) -> LossBreakdown:
        _, breakdown = self.model(
            **batch.tensors,
            num_recycling_steps=passes,
            num_rollout_steps=self.rollout_steps,
            diffusion_add_bond_loss=bool(self.loss.bond),
            diffusion_add_smooth_lddt_loss=bool(self.loss.smooth_lddt),
            return_loss=True,
            return_loss_breakdown=True,
        )
        return LossBreakdown(*(part[None] for part in breakdown))
