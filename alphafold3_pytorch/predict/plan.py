"""What a prediction will take, before it starts: memory by stage, time, and the policy under which it fits.

The network is run on tensors without data, of the true sizes, once for every kind of block (`predict.accounting`).
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphafold3_pytorch.features.batch import FeatureBatch, Templates, map_tensors
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import noise_schedule
from alphafold3_pytorch.models.trunk import distinct_templates
from alphafold3_pytorch.ops.rows import budget_of, row_budget
from alphafold3_pytorch.predict.accounting import Cost, cost, measured
from alphafold3_pytorch.predict.guidance import guide
from alphafold3_pytorch.predict.predictor import Policy, Settings, lowered
from alphafold3_pytorch.predict.scores import contact_probability

PROGRAM = 0.5e9  # bytes of Python, PyTorch and the libraries
SPARE = 1.1  # on what the accounting finds: buffers inside of kernels, fragmentation
FEWER_ROWS = 2**24  # elements of an intermediate on a GPU that is short of memory
# Share of the rate of a large matrix product that the stages reach (bench/predict.py).
EFFICIENCY = {"trunk": 0.5, "diffusion": 0.85, "confidence": 0.5}


@dataclass(frozen=True)
class Work:
    """Operations and memory of one seed."""

    flops: dict[str, float]  # by stage
    memory: dict[str, int]  # bytes beside weights and features, by stage
    features: int
    weights: int
    guidance: float = 0.0  # seconds, whatever the rate

    @property
    def peak(self) -> float:
        return PROGRAM + self.weights + self.features + SPARE * max(self.memory.values())

    def seconds(self, rate: float) -> dict[str, float]:
        """By stage; `rate` in floating-point operations per second of a large matrix product."""
        found = {stage: flops / rate / EFFICIENCY[stage] for stage, flops in self.flops.items()}
        return {**found, "diffusion": found["diffusion"] + self.guidance}


@dataclass(frozen=True)
class Plan:
    """One seed of one job on one device."""

    tokens: int
    atoms: int
    msa_rows: int
    templates: int
    policy: Policy
    work: Work
    available: float  # bytes that are free
    resident: float = 0.0  # bytes of the peak that are taken already: weights that have been loaded

    @property
    def fits(self) -> bool:
        return self.work.peak - self.resident <= self.available

    @property
    def refusal(self) -> str:
        """Why it cannot be run, and what can be done."""
        return (
            f"{self.tokens} tokens need {(self.work.peak - self.resident) / 1e9:.1f} GB more, and "
            f"{self.available / 1e9:.1f} GB are free; free some, take a machine with more, or predict a smaller complex"
        )


def plan(
    batch: FeatureBatch,
    config: NetworkConfig,
    settings: Settings,
    device: torch.device,
    dtype: torch.dtype,
    loaded: bool = False,
) -> Plan:
    """The first policy under which the prediction fits, or else the most frugal one. `loaded`: weights are there."""
    available = available_memory(device)
    made = None
    for policy in policies(settings.samples, device):
        work = work_of(batch, config, settings, policy, device, dtype)
        made = Plan(*sizes(batch), policy, work, available, work.weights + PROGRAM if loaded else 0.0)
        if made.fits:
            break
    assert made is not None
    return made


def policies(samples: int, device: torch.device) -> Iterator[Policy]:
    """From the fastest to the most frugal."""
    yield Policy(samples)
    if samples > 1:
        yield Policy(1)
    if device.type != "cpu":
        yield Policy(1, FEWER_ROWS)
    rows = None if device.type == "cpu" else FEWER_ROWS
    yield Policy(samples, rows, keep_bias=False)
    if samples > 1:
        yield Policy(1, rows, keep_bias=False)


def sizes(batch: FeatureBatch) -> tuple[int, int, int, int]:
    """Tokens, atoms, MSA rows, templates."""
    rows = 0 if batch.msa is None else batch.msa.mask.shape[1]
    templates = getattr(batch.templates, "restype", None)
    return batch.token_mask.shape[1], int(batch.atom_mask.sum()), rows, 0 if templates is None else templates.shape[1]


@lru_cache(maxsize=4)
def skeleton(config: NetworkConfig, dtype: torch.dtype) -> Network:
    """A network without data; of the stacks whose blocks are all alike it has one block."""
    msa, pairformer = replace(config.msa, depth=min(2, config.msa.depth)), replace(config.pairformer, depth=1)
    with torch.device("meta"):
        network = Network(
            replace(config, msa=msa, pairformer=pairformer, confidence=replace(config.confidence, depth=1))
        )
    return lowered(network, dtype).eval()


@lru_cache(maxsize=4)
def weight_bytes(config: NetworkConfig, dtype: torch.dtype) -> int:
    with torch.device("meta"):
        return sum(bytes_of(p) for p in lowered(Network(config), dtype).parameters())


def work_of(
    batch: FeatureBatch,
    config: NetworkConfig,
    settings: Settings,
    policy: Policy,
    device: torch.device,
    dtype: torch.dtype,
) -> Work:
    """What one seed takes; every stage as `Predictor` runs it."""
    network, whole = skeleton(config, dtype), settings.of(config)
    assert whole.recycles is not None and whole.steps is not None
    bare, bare_trunk = without_data(batch, torch.float32), without_data(batch, dtype)
    n, m = batch.token_mask.shape[1], batch.atom_mask.shape[1]
    single, pair = (1, n, config.dim_single), (1, n, n, config.dim_pair)
    empty = lambda *shape: torch.empty(*shape, device="meta")  # noqa: E731
    inputs = empty(1, n, config.dim_inputs)
    trunk = [each.to(dtype) for each in (inputs, empty(*single), empty(*pair))]
    group = min(policy.samples_at_once, settings.samples)
    with torch.no_grad(), row_budget(policy.rows or budget_of(device)):
        embed = cost(network.inputs, bare)
        passed = cost(network.trunk, bare_trunk, trunk[0], 1)
        block = cost(network.trunk.pairformer, trunk[1], trunk[2])
        row_block = cost_of_msa_block(network, config, bare, trunk[2])
        prepare, prepared = measured(
            network.diffusion.prepare, bare, inputs, trunk[1].float(), trunk[2], policy.keep_bias
        )
        step = cost(network.diffusion, prepared, empty(1, group, m, 3), empty(1, 1))
        judge = cost(network.predict_confidence, bare, *trunk, empty(1, 1, m, 3))
        contacts = cost(lambda pair: contact_probability(network.distogram(pair)[0].float()), trunk[2])
    blocks = block * (config.pairformer.depth - 1) + row_block * max(0, config.msa.depth - 2)
    more = block * (config.confidence.depth - 1)
    kept = bytes_of(inputs, trunk)
    levels = noise_schedule(config.sampler, whole.steps, config.diffusion.sigma_data)[:-1]
    return Work(
        flops={
            "trunk": embed.flops + (passed.flops + blocks.flops) * (whole.recycles + 1),
            "diffusion": prepare.flops + step.flops * whole.steps * settings.samples / group,
            "confidence": (judge.flops + more.flops) * settings.samples,
        },
        memory={  # every kind of block is in what was measured
            "trunk": bytes_of(inputs) + max(embed.memory, passed.memory),
            "diffusion": kept + max(prepare.memory, bytes_of(prepared) + step.memory),
            "confidence": kept + max(contacts.memory, judge.memory),
        },
        features=bytes_of(batch),
        weights=weight_bytes(config, dtype),
        guidance=settings.samples * guide.seconds(m, levels) if settings.guided else 0.0,
    )


def without_data(batch: FeatureBatch, dtype: torch.dtype) -> FeatureBatch:
    if isinstance(batch.templates, Templates):
        kept = [place for place, _ in distinct_templates(batch.templates)]
        batch = replace(batch, templates=map_tensors(batch.templates, lambda x: x[:, kept]))
    bare = batch.to("meta", dtype)
    bare.__dict__["absent_mask"] = None  # a complex by itself has no padding; without data nobody can tell
    return bare


def cost_of_msa_block(network: Network, config: NetworkConfig, batch: FeatureBatch, pair: Tensor) -> Cost:
    """A block that is not the last one."""
    if batch.msa is None or config.msa.depth < 2:
        return Cost(0.0, 0)
    mask = batch.msa.mask[:, : config.msa.max_rows]
    rows = torch.empty(*mask.shape, config.msa.dim, device="meta", dtype=pair.dtype)
    return cost(network.trunk.msa.blocks[0], rows, pair, mask)


def bytes_of(*things: Any) -> int:
    """Of all tensors in them, views counted once."""
    tensors = [each for thing in things for each in leaves(thing)]
    return sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}.values())


def leaves(thing: Any) -> Iterator[Tensor]:
    if isinstance(thing, Tensor):
        yield thing
    elif is_dataclass(thing):
        for item in fields(thing):
            yield from leaves(getattr(thing, item.name))
    elif isinstance(thing, dict | tuple | list):
        for item in thing.values() if isinstance(thing, dict) else thing:
            yield from leaves(item)


def available_memory(device: torch.device) -> float:
    """Bytes that a prediction may take: free on a GPU; of the machine, or of the container that we are in."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    amounts = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    if (info := Path("/proc/meminfo")).exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
        amounts.append(1024 * float(lines["MemAvailable"].split()[0]))
    return min([*amounts, *cgroup_limits()])


def cgroup_limits(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """Free bytes of our control group and of those around it: a container's, a queue's."""
    lines = own.read_text().splitlines() if own.exists() else []
    inside = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    for group in (root / inside, *(root / inside).parents):
        limit, used = group / "memory.max", group / "memory.current"
        if limit.exists() and used.exists() and (text := limit.read_text().strip()) != "max":
            yield float(text) - float(used.read_text())
        if group == root:
            return


@lru_cache(maxsize=4)
def product_rate(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """Floating-point operations per second of a product of two large matrices, the best of a few."""
    matrix = torch.rand(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
