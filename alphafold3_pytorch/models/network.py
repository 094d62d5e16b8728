"""The whole network: embed, trunk, denoise, sample, and judge (AF3 Algorithm 1)."""

from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import nn

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.diffusion import DiffusionModule
from alphafold3_pytorch.models.sampler import Draws, sample_positions
from alphafold3_pytorch.models.trunk import InputFeatureEmbedder, Trunk
from alphafold3_pytorch.nn.heads import ConfidenceHead, ConfidenceLogits, DistogramHead
from alphafold3_pytorch.shapes import Float, Tensor


class Network(nn.Module):
    """Input embedder, trunk, diffusion module, distogram head and confidence head, of the sizes of a config."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.inputs = InputFeatureEmbedder(config)
        self.trunk = Trunk(config)
        self.diffusion = DiffusionModule(config)
        self.distogram = DistogramHead(config.dim_pair, config.distogram_bins, config.distogram_bias)
        options = asdict(config.confidence)
        sizes = config.dim_inputs, config.dim_single, config.dim_pair
        self.confidence = ConfidenceHead(*sizes, pair_block=options.pop("pair"), **options)

    def predict_confidence(
        self,
        batch: FeatureBatch,
        inputs: Float[Tensor, "b n ci"],
        single: Float[Tensor, "b n cs"],
        pair: Float[Tensor, "b n n cz"],
        positions: Float[Tensor, "b k m 3"],
    ) -> ConfidenceLogits:
        atoms = batch.distogram_atom, batch.atom_to_token, batch.atom_slot
        return self.confidence(inputs, single, pair, positions, *atoms, batch.absent_mask)

    def sample(
        self,
        batch: FeatureBatch,
        inputs: Float[Tensor, "b n ci"],
        single: Float[Tensor, "b n cs"],
        pair: Float[Tensor, "b n n cz"],
        draws: Draws,
        steps: int | None = None,
        centre: bool = True,
    ) -> Iterator[Float[Tensor, "b k m 3"]]:
        """Positions (Å) of all samples after each step of the sampler."""
        prepared = self.diffusion.prepare(batch, inputs, single, pair)
        denoise = lambda x, level: self.diffusion(prepared, x, level)  # noqa: E731
        config, sigma_data = self.config.sampler, self.config.diffusion.sigma_data
        return sample_positions(denoise, batch.atom_mask, draws, config, steps, sigma_data, centre)

    def forward(
        self,
        batch: FeatureBatch,
        passes: int | None = None,
        generator: torch.Generator | None = None,
        detach: bool = True,
    ) -> tuple[Float[Tensor, "b n ci"], Float[Tensor, "b n cs"], Float[Tensor, "b n n cz"]]:
        """The input, single and pair representations after `passes` passes through the trunk."""
        inputs = self.inputs(batch)
        passes = self.config.recycles + 1 if passes is None else passes
        single, pair = self.trunk(batch, inputs, passes, generator, detach)
        return inputs, single, pair
