"""Cases of Protenix and OpenFold3: their stages from our network."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.models.config import SamplerConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import Move, noise_schedule
from alphafold3_pytorch.predict import scores
from alphafold3_pytorch.weights.families import load_tensors
from tools.parity_peer_features import openfold_batch, protenix_batch
from tools.parity_stage import NOISY_LIMIT, TRAJECTORY_LIMIT, Recorder, Stage, each, even, load_any, load_json

FIRST_WINDOW = {"input_embedder.atom_attention_encoder.3", "input_embedder.atom_attn_enc.3"}
FIRST = "cycle1.pairformer_stack.blocks.0"
NAMES = {"s_input": "s_inputs", "experimentally_resolved_logits": "resolved_logits", "xl_noisy": "x_noisy"}
NAMES |= {"t": "t_hat_noise_level", "plddt": "atom_plddt", "pae": "token_pair_pae", "pde": "token_pair_pde"}
PAIRS = ("pae_logits", "pde_logits", "token_pair_pae", "token_pair_pde")


@dataclass
class Case:
    """A case in memory: the network, its batch, what to probe it with, and what the peer computed."""

    network: Network
    batch: FeatureBatch
    probes: dict[str, Tensor]
    reference: dict[str, Tensor]
    exact: set[str]  # references that were computed in float64
    inside: dict[str, Tensor]
    floors: dict[str, float]
    openfold: bool


def read_case(folder: Path, dtype: torch.dtype, intermediates: bool) -> Case:
    weights = load_any(folder, "weights")
    openfold = "input_embedder.linear_s.weight" in weights
    network = load_tensors(weights).to(dtype)
    sampler = sampler_config(load_json(folder / "config.json").get("config", {}), network.config.sampler)
    network.config = replace(network.config, sampler=sampler)
    inputs = load_any(folder, "inputs")
    features = {key.removeprefix("feat."): array for key, array in inputs.items() if key.startswith("feat.")}
    probes = {key.removeprefix("probe."): array for key, array in inputs.items() if key.startswith("probe.")}
    exact = load_any(folder, "outputs_f64ref", optional=True)
    reference = load_any(folder, "outputs", optional=True) | exact
    inside = load_any(folder, "intermediates", optional=True) | load_any(folder, "intermediates_f64ref", optional=True)
    if openfold:  # everything of theirs has a batch axis
        features = {key: array[0] for key, array in features.items()}
        probes = {key: array[:, 0] if key == "rollout_noise" else array[0] for key, array in probes.items()}
        inside = {key: array[0] for key, array in inside.items()}
    batch = (openfold_batch if openfold else protenix_batch)(features, network).to(dtype=dtype)
    tolerance = load_json(folder / "tolerance.json")
    floors = [key.removeprefix("outputs/") for key in tolerance if key.startswith("outputs/")]
    return Case(
        network,
        batch,
        {NAMES.get(key, key): array.to(dtype) for key, array in probes.items()},
        {NAMES.get(key, key): array for key, array in reference.items()},
        {NAMES.get(key, key) for key in exact},
        inside if intermediates else {},
        {NAMES.get(key, key): tolerance[f"outputs/{key}"]["max_abs_diff_f32_vs_f64"] for key in floors},
        openfold,
    )


def sampler_config(config: dict, sampler: SamplerConfig) -> SamplerConfig:
    """The case's own constants of Algorithm 18; the file of weights does not hold them."""
    names = {"gamma0": "gamma", "gamma_0": "gamma", "gamma_min": "gamma_min", "noise_scale_lambda": "noise_scale"}
    names |= {"noise_scale": "noise_scale", "step_scale_eta": "step_scale", "step_scale": "step_scale"}
    names |= {"rho": "rho", "p": "rho", "s_max": "sigma_max", "s_min": "sigma_min"}
    given = config.get("sample_diffusion", {}) | config.get(
        "inference_noise_scheduler", config.get("noise_schedule", {})
    )
    return replace(sampler, **{names[name]: float(value) for name, value in given.items() if name in names})


def peer_stages(folder: Path, dtype: torch.dtype, intermediates: bool) -> Iterator[Stage]:
    case = read_case(folder, dtype, intermediates)
    recorder = Recorder(case.network, (OPENFOLD if case.openfold else PROTENIX) if case.inside else {})
    ours = outputs(case)
    yield from inner_stages(recorder.stop(), case)
    for name, value in ours.items():
        if name in case.reference:
            target = case.reference[name]
            target = target.reshape(value.shape) if target.numel() == value.numel() else target
            yield from output_stages(name, value, target, case)


def output_stages(name: str, value: Tensor, target: Tensor, case: Case) -> Iterator[Stage]:
    floor = case.floors.get(name)
    if name == "x_denoised":
        yield from each(name, value, target, floor=floor)
    elif name.startswith("noise_schedule"):
        yield Stage(name, even(value), even(target))
    elif name.startswith("rollout"):
        yield Stage(name, value, target, TRAJECTORY_LIMIT, floor)
    elif name in PAIRS and name not in case.exact and not case.openfold and value.shape == target.shape:
        # their float32 distance of an atom to itself is off by up to 6e-3 Å, and spreads from the diagonal
        apart = ~torch.eye(value.shape[1], dtype=torch.bool)
        yield Stage(name, value[:, apart], target[:, apart], NOISY_LIMIT, floor)
    else:
        yield Stage(name, value, target, floor=floor)


def inner_stages(kept: Mapping[str, Tensor], case: Case) -> Iterator[Stage]:
    """Activations inside the network."""
    batch = case.batch
    for name, value in kept.items():
        if name not in case.inside:
            continue
        target = case.inside[name]
        if name in FIRST_WINDOW:  # it may have fewer atoms and keys than places
            queries, keys = int(batch.atom_mask[0, : value.shape[2]].sum()), batch.key_index[0, 0] >= 0
            value, target = value[0, 0, :queries][:, keys], target[:queries][:, keys]
        else:
            value = without_padding(value[0], target, batch)
            value = value.reshape(target.shape) if value.numel() == target.numel() else value
        if name == "cycle1.msa_module.blocks.0.0" and batch.msa is not None:  # rows are not read where masked
            value, target = (x[batch.msa.mask[0]] for x in (value, target))
        yield Stage(name, value, target)


def outputs(case: Case) -> dict[str, Tensor]:
    """Everything that we can compute of what the reference may hold, in the order of the network."""
    network, batch, probes = case.network, case.batch, case.probes
    atoms = int(batch.atom_mask.sum())
    padded = lambda x: F.pad(x, (0, 0, 0, batch.atom_mask.shape[1] - atoms))  # noqa: E731
    inputs = network.inputs(batch)
    result = {"s_inputs": inputs[0]}
    single, pair = network.trunk(batch, inputs, passes=1)  # first: activations inside are of the first cycle
    cycles = numbers(r"[sz]_cycle(\d+)", case.reference) or [3]
    for count in cycles:
        single, pair = network.trunk(batch, inputs, passes=count)
        result[f"s_cycle{count}"], result[f"z_cycle{count}"] = single[0], pair[0]
    result["distogram_logits"] = network.distogram(pair)[0]
    result["contact_probs"] = scores.contact_probability(result["distogram_logits"])
    for steps in numbers(r"noise_schedule_(\d+)", case.reference):
        result[f"noise_schedule_{steps}"] = noise_schedule(network.config.sampler, steps)
    if "x_noisy" in probes:
        prepared = network.diffusion.prepare(batch, inputs, single, pair)
        noisy, level = padded(probes["x_noisy"])[None], probes["t_hat_noise_level"][None]
        result["x_denoised"] = network.diffusion(prepared, noisy, level)[0, :, :atoms]
    if "rollout_noise" in probes:
        draws = RecordedDraws(padded(probes["rollout_noise"]))
        for positions in network.sample(batch, inputs, single, pair, draws, draws.count, centre=False):
            result["rollout_x"] = positions[0, :, :atoms]
    if "x_pred_coords" in probes:
        logits = network.predict_confidence(batch, inputs, single, pair, padded(probes["x_pred_coords"])[None])
        result |= confidence(logits, atoms, case.openfold)
    return result


def confidence(logits, atoms: int, openfold: bool) -> dict[str, Tensor]:
    plddt, resolved = logits.plddt[0, :, :atoms], logits.resolved[0, :, :atoms]
    return {
        "plddt_logits": plddt,
        "resolved_logits": resolved,
        "pae_logits": logits.pae[0],
        "pde_logits": logits.pde[0],
        "atom_plddt": scores.expected_plddt(plddt) / (1 if openfold else 100),
        "token_pair_pae": scores.expected_error(logits.pae[0]),
        "token_pair_pde": scores.expected_error(logits.pde[0]),
    }


def numbers(pattern: str, names: Mapping[str, Tensor]) -> list[int]:
    """The numbers in the names that match."""
    return sorted({int(match[1]) for match in (re.fullmatch(pattern, name) for name in names) if match})


class RecordedDraws:
    """Noise from a file; no augmentation."""

    def __init__(self, noise: Tensor):
        self.noise = noise  # step, sample, atom, 3
        self.count = len(noise) - 1

    def initial(self) -> Tensor:
        return self.noise[:1]

    def steps(self) -> Iterator[Move]:
        for noise in self.noise[1:]:
            samples = len(noise)
            yield Move(torch.eye(3).expand(1, samples, 3, 3), torch.zeros(1, samples, 3), noise[None])


def without_padding(value: Tensor, target: Tensor, batch: FeatureBatch) -> Tensor:
    """Cut an axis of padded atoms to the atoms, where the reference has these."""
    padded, atoms = batch.atom_mask.shape[1], int(batch.atom_mask.sum())
    for axis in range(-1, -1 - min(value.ndim, target.ndim), -1):
        if (value.shape[axis], target.shape[axis]) == (padded, atoms):
            value = value.narrow(axis, 0, atoms)
    return value


def whole(output):
    return output


def item(index: int):
    return lambda output: output[index]


UPDATES = {
    "tri_mul_out": "pair_block.outgoing",
    "tri_mul_in": "pair_block.incoming",
    "tri_att_start": "pair_block.starting",
    "pair_transition": "pair_block.transition",
}
TRUNK = "trunk.pairformer.blocks.0"
PROTENIX = {
    "input_embedder.atom_attention_encoder.0": ("inputs.encoder", item(0)),
    "input_embedder.atom_attention_encoder.1": ("inputs.encoder", item(1)),
    "input_embedder.atom_attention_encoder.2": ("inputs.embedder", item(0)),
    "input_embedder.atom_attention_encoder.3": ("inputs.embedder", lambda output: output[1][:, :1]),
    "relative_position_encoding": ("trunk.relative_positions", whole),
    "s_init": ("trunk.single", whole),
    "cycle1.template_embedder": ("trunk.templates", whole),
    "cycle1.msa_module.blocks.0.outer_product_mean_msa": ("trunk.msa.blocks.0.outer_product_mean", whole),
    "cycle1.msa_module.blocks.0.0": ("trunk.msa.blocks.0", item(0)),
    "cycle1.msa_module.blocks.0.1": ("trunk.msa.blocks.0", item(1)),
    "cycle1.msa_module": ("trunk.msa", whole),
    **{f"{FIRST}.{theirs}": (f"{TRUNK}.{ours}", whole) for theirs, ours in UPDATES.items()},
    f"{FIRST}.tri_att_end": (f"{TRUNK}.pair_block.ending", lambda output: output.transpose(1, 2)),
    f"{FIRST}.attention_pair_bias": (f"{TRUNK}.attention", whole),
    f"{FIRST}.single_transition": (f"{TRUNK}.transition", whole),
    f"{FIRST}.0": (TRUNK, item(0)),
    f"{FIRST}.1": (TRUNK, item(1)),
    "denoise.atom_attention_encoder.0": ("diffusion.encoder", item(0)),
    "denoise.atom_attention_encoder.1": ("diffusion.encoder", item(1)),
    "denoise.atom_attention_encoder.2": ("diffusion.embedder", item(0)),
    "denoise.diffusion_conditioning.0": ("diffusion.conditioning", whole),
    "denoise.diffusion_transformer": ("diffusion.transformer", whole),
    "denoise.diffusion_transformer.blocks.0": ("diffusion.transformer.blocks.0", whole),
    "denoise.atom_attention_decoder": ("diffusion.decoder", whole),
}
OPENFOLD = {
    "input_embedder.0": ("inputs", whole),
    "input_embedder.1": ("trunk.single", whole),
    "input_embedder.atom_attn_enc.0": ("inputs.encoder", item(0)),
    "input_embedder.atom_attn_enc.1": ("inputs.encoder", item(1)),
    "input_embedder.atom_attn_enc.2": ("inputs.embedder", item(0)),
    "input_embedder.atom_attn_enc.3": ("inputs.embedder", lambda output: output[1][:, :1]),
    "cycle1.template_embedder": ("trunk.templates", whole),
    "cycle1.msa_module.blocks.0.outer_product_mean": ("trunk.msa.blocks.0.outer_product_mean", whole),
    "cycle1.msa_module.blocks.0.msa_att_row": ("trunk.msa.blocks.0.averaging", whole),
    "cycle1.msa_module.blocks.0.0": ("trunk.msa.blocks.0", item(0)),
    "cycle1.msa_module.blocks.0.1": ("trunk.msa.blocks.0", item(1)),
    "cycle1.msa_module": ("trunk.msa", whole),
    **{f"{FIRST}.pair_stack.{theirs}": (f"{TRUNK}.{ours}", whole) for theirs, ours in UPDATES.items()},
    f"{FIRST}.pair_stack.tri_att_end": (f"{TRUNK}.pair_block.ending", lambda output: output.transpose(1, 2)),
    f"{FIRST}.attn_pair_bias": (f"{TRUNK}.attention", whole),
    f"{FIRST}.single_transition": (f"{TRUNK}.transition", whole),
    f"{FIRST}.0": (TRUNK, item(0)),
    f"{FIRST}.1": (TRUNK, item(1)),
    "denoise.atom_attn_enc.0": ("diffusion.encoder", item(0)),
    "denoise.atom_attn_enc.1": ("diffusion.encoder", item(1)),
    "denoise.atom_attn_enc.2": ("diffusion.embedder", item(0)),
    "denoise.diffusion_conditioning.0": ("diffusion.conditioning", whole),
    "denoise.diffusion_transformer": ("diffusion.transformer", whole),
    "denoise.diffusion_transformer.blocks.0": ("diffusion.transformer.blocks.0", whole),
    "denoise.atom_attn_dec": ("diffusion.decoder", whole),
}
