"""Cases of official AlphaFold 3: its stages from our network."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphafold3_pytorch.features.batch import FeatureBatch, Templates
from alphafold3_pytorch.models.config import SamplerConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import Move, noise_schedule
from alphafold3_pytorch.predict import scores
from alphafold3_pytorch.weights.families import load_tensors
from tools.parity_alphafold3_features import Layout
from tools.parity_stage import LIMIT, TRAJECTORY_LIMIT, Recorder, Stage, each, even, load_any, load_json

ROUNDING = 2.0**-22  # of float32, with a margin


@dataclass
class Case:
    """A case in memory: the network, its batch, and what the official code computed."""

    network: Network
    layout: Layout
    batch: FeatureBatch
    reference: dict[str, Tensor]
    inside: dict[str, Tensor]
    floors: dict[str, dict[str, float]]
    dtype: torch.dtype

    def numbers(self, pattern: str) -> list[int]:
        """The numbers in the names of the references that match."""
        return sorted({int(match[1]) for match in (re.match(pattern, name) for name in self.reference) if match})


def read_case(folder: Path, dtype: torch.dtype, intermediates: bool) -> Case:
    features = {key: array for key, array in np.load(folder / "features.npz").items() if not key.startswith("layout/")}
    layout = Layout({key: torch.from_numpy(array) for key, array in features.items()})
    network = load_tensors(load_any(folder, "params")).to(dtype)
    sampler = sampler_config(load_json(folder / "config.json").get("sample_config", {}), network.config.sampler)
    network.config = replace(network.config, sampler=sampler)
    reference = load_any(folder, "outputs", optional=True) | load_any(folder, "outputs_f64ref", optional=True)
    inside = load_any(folder, "intermediates", optional=True) | load_any(folder, "intermediates_f64ref", optional=True)
    floors = load_json(folder / "noise_floor.json").get("stages", {})
    batch = layout.batch().to(dtype=dtype)
    return Case(network, layout, batch, reference, inside if intermediates else {}, floors, dtype)


def sampler_config(given: dict, sampler: SamplerConfig) -> SamplerConfig:
    names = {"gamma_0": "gamma", "gamma_min": "gamma_min", "noise_scale": "noise_scale", "step_scale": "step_scale"}
    return replace(sampler, **{names[name]: float(value) for name, value in given.items() if name in names})


def alphafold3_stages(folder: Path, dtype: torch.dtype, intermediates: bool) -> Iterator[Stage]:
    case = read_case(folder, dtype, intermediates)
    recorder = Recorder(case.network, INSIDE if case.inside else {})
    ours = outputs(case)
    for name, value in recorder.stop().items():
        if name in case.inside:
            target = case.inside[name]
            value = value.reshape(target.shape) if value.numel() == target.numel() else value
            yield Stage(name, *case.layout.valid(value, target))
    for name, value in ours.items():
        if name in case.reference:
            yield from output_stages(name, value, case)


def output_stages(name: str, value: Tensor, case: Case) -> Iterator[Stage]:
    target = case.reference[name]
    value, target = case.layout.valid(value.reshape(target.shape), target)
    kind = name.split("/")
    key = "denoised" if kind[0] == "denoise" else kind[0] if kind[0] in case.floors else kind[-1]
    floor = case.floors.get(key, {}).get("max_abs_diff")
    if kind[-1] == "trajectory":
        yield from each(name, value, target, TRAJECTORY_LIMIT)
    elif kind[-1] == "noise_levels":
        yield Stage(name, even(value), even(target))
    elif kind[-1] == "network_update":
        yield Stage(name, value, target, scale=update_scale(kind[1], target, case))
    else:
        yield Stage(name, value, target, TRAJECTORY_LIMIT if kind[-1] == "atom_positions" else LIMIT, floor)


def update_scale(index: str, target: Tensor, case: Case) -> float:
    """The reference took its raw output from the denoised positions: at small noise levels rounding is most of it."""
    noisy, level = (case.reference[f"denoise/{index}/{name}"].double() for name in ("positions_noisy", "noise_level"))
    sigma_data = case.network.config.diffusion.sigma_data
    rounding = ROUNDING * noisy.abs().max() * (level.square() + sigma_data**2).sqrt() / (level * sigma_data)
    return max(target.double().std().item(), rounding.item() / LIMIT)


def outputs(case: Case) -> dict[str, Tensor]:
    """Everything that we can compute of what the reference may hold, in the order of the network."""
    network, batch = case.network, case.batch
    inputs = network.inputs(batch)
    width = network.config.dim_input_token
    result = {"target_feat": torch.cat([inputs[0, :, width:], inputs[0, :, :width]], dim=1)}
    single, pair = network.trunk(batch, inputs, 1)  # first: activations inside are of the first pass
    for count in case.numbers(r"trunk/pass(\d+)/") or [4]:
        single, pair = network.trunk(batch, inputs, count)
        result[f"trunk/pass{count}/single"], result[f"trunk/pass{count}/pair"] = single[0], pair[0]
    result |= without_templates(case, inputs)
    logits = network.distogram(pair)[0]
    result["distogram/logits"], result["distogram/contact_probs"] = logits, scores.contact_probability(logits)
    result["distogram/bin_edges"] = torch.linspace(2.3125, 21.6875, logits.shape[-1] - 1, dtype=torch.float64)
    result |= denoised(case, (inputs, single, pair))
    if "sample/noise_levels" in case.reference:
        result |= sampled(case, (inputs, single, pair))
    if "confidence/dense_atom_positions" in case.reference:
        positions = case.layout.atoms(case.reference["confidence/dense_atom_positions"].to(case.dtype))[None, None]
        result |= confidences(network.predict_confidence(batch, inputs, single, pair, positions), case.layout)
    return result


def without_templates(case: Case, inputs: Tensor) -> dict[str, Tensor]:
    """With every template array zeroed."""
    templates = case.layout.templates()
    empty = Templates(**{name: torch.zeros_like(value) for name, value in vars(templates).items()}).to(dtype=case.dtype)
    batch, result = replace(case.batch, templates=empty), {}
    for count in case.numbers(r"trunk_no_template/pass(\d+)/"):
        single, pair = case.network.trunk(batch, inputs, count)
        result[f"trunk_no_template/pass{count}/single"], result[f"trunk_no_template/pass{count}/pair"] = (
            single[0],
            pair[0],
        )
    return result


def denoised(case: Case, trunk: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    result, layout, diffusion = {}, case.layout, case.network.diffusion
    prepared = diffusion.prepare(case.batch, *trunk)
    indices = case.numbers(r"denoise/(\d+)/")
    for index in sorted(indices, key=lambda index: index != 1):  # first: activations inside are of call 1
        noisy = layout.atoms(case.reference[f"denoise/{index}/positions_noisy"].to(case.dtype))[None, None]
        level = case.reference[f"denoise/{index}/noise_level"].to(case.dtype).reshape(1, 1)
        positions = diffusion(prepared, noisy, level)
        result[f"denoise/{index}/positions_denoised"] = layout.in_slots(positions[0, 0])
        scaled = noisy * (level.square() + diffusion.sigma_data**2).rsqrt()
        result[f"denoise/{index}/network_update"] = layout.in_slots(diffusion.update(prepared, scaled, level)[0, 0])
    return dict(sorted(result.items()))


class RecordedDraws:
    def __init__(self, reference: Mapping[str, Tensor], layout: Layout, dtype: torch.dtype):
        self.values = {key.removeprefix("sample/"): value.to(dtype) for key, value in reference.items()}
        self.layout = layout

    def noise(self, name: str, index: int | None = None) -> Tensor:
        values = self.values[name] if index is None else self.values[name][index]
        return torch.stack([self.layout.atoms(sample) for sample in values])[None]

    def initial(self) -> Tensor:
        return self.noise("init_normal")

    def steps(self) -> Iterator[Move]:
        moves = zip(self.values["rotation"], self.values["translation"], strict=True)
        for i, (rotation, translation) in enumerate(moves):
            yield Move(rotation[None], translation[None], self.noise("noise_normal", i))


def sampled(case: Case, trunk: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    steps = len(case.reference["sample/noise_levels"]) - 1
    levels = noise_schedule(case.network.config.sampler, steps, case.network.config.diffusion.sigma_data)
    draws = RecordedDraws(case.reference, case.layout, case.dtype)
    trajectory = list(case.network.sample(case.batch, *trunk, draws, steps))
    slots = torch.stack([case.layout.in_slots(positions[0]) for positions in trajectory])
    return {"sample/noise_levels": levels, "sample/trajectory": slots, "sample/atom_positions": slots[-1]}


def confidences(heads, layout: Layout) -> dict[str, Tensor]:
    mask = layout.tokens
    pairs = mask[:, None] & mask
    pae, pde = heads.pae[0, 0], heads.pde[0, 0]
    errors = scores.expected_error(pde)
    sizes = scores.interface_sizes(layout.features["asym_id"].long(), mask)
    return {
        "confidence/predicted_lddt": layout.in_slots(scores.expected_plddt(heads.plddt[0, 0])[:, None]),
        "confidence/predicted_experimentally_resolved": layout.in_slots(heads.resolved[0, 0].softmax(dim=-1)[:, 1:]),
        "confidence/full_pae": scores.expected_error(pae),
        "confidence/full_pde": errors,
        "confidence/average_pde": errors[pairs].mean(),
        "confidence/tmscore_adjusted_pae_global": scores.tm_terms(pae, int(mask.sum())),
        "confidence/tmscore_adjusted_pae_interface": scores.tm_terms(pae, sizes),
    }


def first(output):
    return output[0]


def plain(output):
    return output


ENCODER = "target_feat/evoformer_conditioning_atom_transformer_encoder"
DENOISE = "denoise1/diffusion_atom_transformer"
INSIDE = {
    f"{ENCODER}.input.queries_single_cond": ("inputs.embedder", first),
    f"{ENCODER}.__call__": ("inputs.encoder.transformer", plain),
    "trunk_pass1/left_single.__call__": ("trunk.pair_i", plain),
    "trunk_pass1/right_single.__call__": ("trunk.pair_j", plain),
    "trunk_pass1/single_activations.__call__": ("trunk.single", plain),
    "trunk_pass1/prev_embedding.__call__": ("trunk.recycle_pair", plain),
    "trunk_pass1/prev_single_embedding.__call__": ("trunk.recycle_single", plain),
    "trunk_pass1/template_embedding.__call__": ("trunk.templates", plain),
    "trunk_pass1/evoformer._embed_process_msa": ("trunk.msa", plain),
    "denoise1/diffusion_head._conditioning.single_cond": ("diffusion.conditioning", plain),
    f"{DENOISE}_encoder.input.queries_single_cond": ("diffusion.embedder", first),
    f"{DENOISE}_encoder.__call__": ("diffusion.encoder.transformer", plain),
    "denoise1/transformer.__call__": ("diffusion.transformer", plain),
    f"{DENOISE}_decoder.__call__": ("diffusion.decoder.transformer", plain),
}
