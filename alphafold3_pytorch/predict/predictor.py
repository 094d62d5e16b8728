"""Predictor: a network and how to run it. From the features of one complex to its samples, one stage after another."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.features.featurize import Complex, assemble
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import RandomDraws, sample_positions
from alphafold3_pytorch.nn.heads import ConfidenceLogits
from alphafold3_pytorch.ops.rows import in_rows, row_budget
from alphafold3_pytorch.predict.guidance.guide import Guide
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores import (
    contact_probability,
    expected_error,
    expected_plddt,
    interface_sizes,
    tm_terms,
)
from alphafold3_pytorch.shapes import Float, Tensor

Precision = Literal["float32", "bfloat16"]
Report = Callable[[str, float], None]  # a stage of STAGES, and which part of it has just been done
STAGES = ("trunk", "diffusion", "confidence")


@dataclass(frozen=True)
class Settings:
    """How a prediction is made. None stands for what the weights were published with."""

    samples: int = 5
    recycles: int | None = None
    steps: int | None = None
    guided: bool = False  # towards right chemistry, while samples form and at their end

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("recycles", 0), ("steps", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}; it must be at least {least}")

    def of(self, config: NetworkConfig) -> "Settings":
        """The same with the network's own numbers where none are given."""
        recycles = config.recycles if self.recycles is None else self.recycles
        return replace(self, recycles=recycles, steps=self.steps or config.sampler.steps)


@dataclass(frozen=True)
class Policy:
    """What is given up for memory; numbers stay the same. `predict.plan` chooses it."""

    samples_at_once: int = 5
    rows: int | None = None  # elements of an intermediate that are computed at a time (ops.rows); None: the usual
    keep_bias: bool = True  # of the diffusion's attention, or make it anew at each step

    def __str__(self) -> str:
        parts = [f"{self.samples_at_once} sample{'s' * (self.samples_at_once > 1)} at a time"]
        parts += ["pairs a few rows at a time"] * (self.rows is not None)
        return ", ".join(parts + ["biases made anew at each step"] * (not self.keep_bias))

    def limits(self) -> AbstractContextManager[None]:
        """Around everything that is computed, and around nothing else: it is for the whole program."""
        return nullcontext() if self.rows is None else row_budget(self.rows)


@dataclass(frozen=True)
class Wanted:
    """Arrays that are large, and kept only for who asks."""

    embeddings: bool = False
    distogram: bool = False
    pae_probabilities: bool = False


class Predictor:
    """Runs a network on one complex at a time.

    In bfloat16 the trunk and the confidence head compute in it; the diffusion stays in float32 (as do normalisation
    statistics, softmax and coordinates). The same complex, seed and sample number give the same structure whatever
    other samples are made with it.
    """

    def __init__(self, network: Network, device: torch.device | str = "cpu", precision: Precision = "float32"):
        self.network = network.eval().to(device)
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.dtype = torch.float32 if precision == "float32" else torch.bfloat16
        lowered(network, self.dtype)

    def predict(
        self,
        known: Complex,
        seed: int,
        settings: Settings = Settings(),
        numbers: Sequence[int] | None = None,
        policy: Policy = Policy(),
        wanted: Wanted = Wanted(),
        report: Report = lambda stage, part: None,
    ) -> Iterator[Sample]:
        """The samples of one seed with these numbers (default: all of them), each as soon as it is ready."""
        chosen = settings.of(self.network.config)
        numbers = range(chosen.samples) if numbers is None else numbers
        assert chosen.recycles is not None and chosen.steps is not None
        batch = assemble(known).to(self.device)
        with policy.limits():
            inputs, single, pair = self.embed(batch, chosen.recycles + 1, seed, report)
            guide = Guide(known.tokens.structure, self.device) if chosen.guided else None
            positions = self.sample(batch, (inputs, single, pair), seed, numbers, chosen.steps, policy, report, guide)
            distogram = self.distogram(pair)
            shared = {"single": _array(single[0]), "pair": _array(pair[0])} if wanted.embeddings else {}
            shared |= {"distogram": _array(distogram)} if wanted.distogram else {}
            contacts = _array(contact_probability(distogram))
            trunk = inputs.to(self.dtype), single, pair
            del distogram
        for number, points in zip(numbers, positions, strict=True):
            with policy.limits():
                logits = self.judge(batch, trunk, points)
                report("confidence", 1 / len(numbers))
                sample = to_sample(known, seed, number, batch, points, logits, contacts, shared, wanted)
                del logits
            yield sample

    @torch.no_grad()
    def embed(self, batch: FeatureBatch, passes: int, seed: int, report: Report) -> tuple[Tensor, Tensor, Tensor]:
        """The trunk's output; the inputs are exact, single and pair have the trunk's precision."""
        network, generator = self.network, torch.Generator().manual_seed(seed)
        inputs = network.inputs(batch)
        blocks = [*network.trunk.msa.blocks, *network.trunk.pairformer.blocks]
        batch = batch.to(dtype=self.dtype)
        with after_each(blocks, lambda: report("trunk", 1 / len(blocks) / passes)):
            single, pair = network.trunk(batch, inputs.to(self.dtype), passes, generator)
        return inputs, single, pair

    @torch.no_grad()
    def sample(
        self,
        batch: FeatureBatch,
        trunk: tuple[Tensor, Tensor, Tensor],
        seed: int,
        numbers: Sequence[int],
        steps: int,
        policy: Policy,
        report: Report,
        guide: Guide | None = None,
    ) -> Float[Tensor, "k m 3"]:
        """Positions (Å) of all samples, as many of them at a time as the policy allows."""
        config, sigma_data = self.network.config.sampler, self.network.config.diffusion.sigma_data
        inputs, single, pair = trunk
        prepared = self.network.diffusion.prepare(batch, inputs, single.float(), pair, policy.keep_bias)
        found = []
        for start in range(0, len(numbers), policy.samples_at_once):
            group = numbers[start : start + policy.samples_at_once]
            draws = RandomDraws(batch.atom_mask, [[sample_seed(seed, number) for number in group]])
            denoise = lambda x, level: self.network.diffusion(prepared, x, level)  # noqa: E731
            denoise = guide.guided(denoise) if guide else denoise
            found.append(batch.atom_features.new_zeros(()))
            for positions in sample_positions(denoise, batch.atom_mask, draws, config, steps, sigma_data):
                found[-1] = positions[0]
                report("diffusion", len(group) / len(numbers) / steps)
        positions = torch.cat(found)
        return guide.settle(positions) if guide else positions

    @torch.no_grad()
    def distogram(self, pair: Float[Tensor, "1 n n cz"]) -> Float[Tensor, "n n d"]:
        return self.network.distogram(pair)[0].float()

    @torch.no_grad()
    def judge(
        self, batch: FeatureBatch, trunk: tuple[Tensor, Tensor, Tensor], points: Float[Tensor, "m 3"]
    ) -> ConfidenceLogits:
        """What the confidence head says of one sample."""
        return self.network.predict_confidence(batch, *trunk, points[None, None])


def lowered(network: Network, dtype: torch.dtype) -> Network:
    """Trunk and heads compute in this precision; diffusion and input embedder stay in float32."""
    for part in (network.trunk, network.confidence, network.distogram):
        part.to(dtype)
    return network


def sample_seed(seed: int, number: int) -> int:
    """One number for a sample's own random stream: samples of neighbouring seeds share nothing."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) >> 1


def to_sample(
    known: Complex,
    seed: int,
    number: int,
    batch: FeatureBatch,
    points: Float[Tensor, "m 3"],
    logits: ConfidenceLogits,
    contacts: np.ndarray,
    shared: dict[str, np.ndarray],
    wanted: Wanted,
) -> Sample:
    """Arrays without padding from what the heads say of the one sample in `logits`."""
    structure = known.tokens.structure
    atoms = len(structure)
    pae, pde, plddt, _ = (each[:, 0] for each in logits)
    framed = (batch.frame_atoms[0] >= 0).all(dim=-1)
    sizes = interface_sizes(batch.asym_id[0], batch.token_mask[0])
    by_rows = lambda function, *rows: _array(in_rows(function, *rows, width=pae.shape[-1])[0])  # noqa: E731
    return Sample(
        seed=seed,
        number=number,
        tokens=known.tokens,
        structure=replace(structure, positions=_array(points[:atoms]).astype(np.float64)),
        plddt=_array(expected_plddt(plddt[0, :atoms].float())),
        pae=by_rows(lambda part: expected_error(part.float()), pae),
        pde=by_rows(lambda part: expected_error(part.float()), pde),
        contacts=contacts,
        tm=by_rows(lambda part: tm_terms(part.float(), len(sizes)), pae),
        tm_interface=by_rows(lambda part, size: tm_terms(part.float(), size), pae, sizes[None]),
        framed=framed.cpu().numpy(),
        pae_probabilities=pae[0].float().softmax(dim=-1).half().cpu().numpy() if wanted.pae_probabilities else None,
        extra=shared,
    )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()


@contextmanager
def after_each(modules: Sequence[nn.Module], function: Callable[[], None]) -> Iterator[None]:
    """While it lasts, `function` is called after every call of one of the modules."""
    hooks = [module.register_forward_hook(lambda *_: function()) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
