"""Cases of Protenix and OpenFold3: their feature dictionaries as a FeatureBatch, their stages from ours."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Msa
from alphafold3_pytorch.models.config import SamplerConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import Move, noise_schedule
from alphafold3_pytorch.weights.families import load_tensors
from tools.parity_stage import LIMIT, TRAJECTORY_LIMIT, Recorder, Stage

FIRST_WINDOW = {"input_embedder.atom_attention_encoder.3", "input_embedder.atom_attn_enc.3"}
FIRST = "cycle1.pairformer_stack.blocks.0"


def peer_stages(case: Path, dtype: torch.dtype, intermediates: bool) -> Iterator[Stage]:
    weights, inputs = load_file(case / "weights.safetensors"), load_file(case / "inputs.safetensors")
    network = load_tensors({key: array.float() for key, array in weights.items()}).eval().to(dtype)
    config = case_config(case)
    network.config = replace(network.config, sampler=sampler_config(config, network.config.sampler))
    openfold = "input_embedder.linear_s.weight" in weights
    features = {key[5:]: array for key, array in inputs.items() if key.startswith("feat.")}
    probes = {key[6:]: array for key, array in inputs.items() if key.startswith("probe.")}
    if openfold:
        features = {key: array[0] for key, array in features.items()}
        probes = {key: array.squeeze(2) if key == "rollout_noise" else array[0] for key, array in probes.items()}
    batch = (openfold_batch if openfold else protenix_batch)(features, network).to(dtype=dtype)
    probes = {key: array.to(dtype) for key, array in probes.items()}

    reference = load_file(case / "outputs.safetensors") | load_file(case / "outputs_f64ref.safetensors")
    tolerance = json.loads((case / "tolerance.json").read_text()) if (case / "tolerance.json").exists() else {}
    inside = case / "intermediates_f64ref.safetensors"
    inside = inside if inside.exists() else case / "intermediates.safetensors"
    inner = load_file(inside) if intermediates and inside.exists() else {}
    recorder = Recorder(network, (OPENFOLD if openfold else PROTENIX) if inner else {})
    ours = outputs(network, batch, probes)
    for name, value in recorder.stop().items():
        if name in inner:
            target = inner[name][0] if openfold else inner[name]
            if name in FIRST_WINDOW:  # it may have fewer atoms and keys than places
                queries, keys = int(batch.atom_mask[0, : value.shape[2]].sum()), batch.key_index[0, 0] >= 0
                value, target = value[0, 0, :queries][:, keys], target[:queries][:, keys]
            else:
                value = without_padding(value[0], target, batch)
                value = value.reshape(target.shape) if value.numel() == target.numel() else value
            if name == "cycle1.msa_module.blocks.0.0" and batch.msa is not None:  # rows are not read where masked
                value, target = (x[batch.msa.mask[0]] for x in (value, target))
            yield Stage(name, value, target)
    for name, target in sorted(reference.items()):
        name_of_ours = {"s_input": "s_inputs", "experimentally_resolved_logits": "resolved_logits"}.get(name, name)
        if name_of_ours not in ours:
            continue
        value = ours[name_of_ours]
        target = target.reshape(value.shape) if target.numel() == value.numel() else target
        floor = tolerance.get(f"outputs/{name}", {}).get("max_abs_diff_f32_vs_f64")
        score = name in SCORES
        scale = max(1.0, target.abs().max().item()) if score else None
        limit = TRAJECTORY_LIMIT if name.startswith("rollout") else LIMIT
        yield Stage(name, value, target, limit, floor, scale)


SCORES = {"plddt", "pae", "pde", "atom_plddt", "token_pair_pae", "token_pair_pde"}  # in their units, float32 only


def case_config(case: Path) -> dict:
    path = case / "config.json"
    return json.loads(path.read_text())["config"] if path.exists() else {}


def sampler_config(config: dict, sampler: SamplerConfig) -> SamplerConfig:
    """The case's own constants of Algorithm 18; the file of weights does not hold them."""
    names = {"gamma0": "gamma", "gamma_0": "gamma", "gamma_min": "gamma_min", "noise_scale_lambda": "noise_scale"}
    names |= {"noise_scale": "noise_scale", "step_scale_eta": "step_scale", "step_scale": "step_scale"}
    names |= {"rho": "rho", "p": "rho", "s_max": "sigma_max", "s_min": "sigma_min"}
    given = config.get("sample_diffusion", {}) | config.get("inference_noise_scheduler", config.get("noise_schedule", {}))
    return replace(sampler, **{names[name]: value for name, value in given.items() if name in names})


def outputs(network: Network, batch: FeatureBatch, probes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    atoms = int(batch.atom_mask.sum())
    pad = batch.atom_mask.shape[1] - atoms
    noisy, level = (probes["x_noisy"], probes["t_hat_noise_level"]) if "x_noisy" in probes else (probes["xl_noisy"], probes["t"])
    padded = lambda x: F.pad(x, (0, 0, 0, pad))  # noqa: E731
    result: dict[str, Tensor] = {}
    inputs = network.inputs(batch)
    result["s_inputs"] = inputs[0]
    single, pair = network.trunk(batch, inputs, passes=1)
    result["s_cycle1"], result["z_cycle1"] = single[0], pair[0]
    single, pair = network.trunk(batch, inputs, passes=3)
    result["s_cycle3"], result["z_cycle3"] = single[0], pair[0]
    result["distogram_logits"] = network.distogram(pair)[0]
    prepared = network.diffusion.prepare(batch, inputs, single, pair)
    result["x_denoised"] = network.diffusion(prepared, padded(noisy)[None], level[None])[0, :, :atoms]
    for steps in (200, 6):
        result[f"noise_schedule_{steps}"] = noise_schedule(network.config.sampler, steps)
    rollout = network.sample(batch, inputs, single, pair, RecordedDraws(padded(probes["rollout_noise"])), 6, centre=False)
    for positions in rollout:
        result["rollout_x"] = positions[0, :, :atoms]
    points = padded(probes["x_pred_coords"])[None]
    logits = network.predict_confidence(batch, inputs, single, pair, points)
    result["pae_logits"], result["pde_logits"] = logits.pae[0], logits.pde[0]
    result["plddt_logits"], result["resolved_logits"] = logits.plddt[0, :, :atoms], logits.resolved[0, :, :atoms]
    return result


class RecordedDraws:
    """Noise from a file; no augmentation."""

    def __init__(self, noise: Tensor):
        self.noise = noise  # step, sample, atom, 3

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


def atoms_of(network: Network, features: Mapping[str, Tensor], element: Tensor, inside: bool) -> dict[str, Tensor]:
    """Atom fields of a FeatureBatch, padded to whole windows. `element` is one-hot by atomic number."""
    config = network.config.atoms
    count = len(features["ref_pos"])
    pad = -count % config.queries
    charge = torch.arcsinh(features["ref_charge"].float())[:, None]
    names = features["ref_atom_name_chars"].flatten(1).float()
    mask = features["ref_mask"][:, None].float()
    atom_features = torch.cat([features["ref_pos"], mask, element, charge, names], dim=1)
    atom_mask = F.pad(torch.ones(count, dtype=torch.bool), (0, pad))[None]
    positions = F.pad(features["ref_pos"], (0, 0, 0, pad))[None]
    space = F.pad(features["ref_space_uid"].long(), (0, pad), value=-1)[None]
    keys = windows.key_index(atom_mask, config.queries, config.keys, inside=inside)
    return dict(
        atom_mask=atom_mask,
        atom_features=F.pad(atom_features, (0, 0, 0, pad))[None],
        key_index=keys,
        atompair_features=windows.atompair_features(positions, space, keys),
    )


def tokens_of(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = ("residue_index", "token_index", "asym_id", "entity_id", "sym_id")
    tokens = {name: features[name].long()[None] for name in names}
    count = len(features["residue_index"])
    return tokens | dict(
        token_mask=torch.ones(1, count, dtype=torch.bool),
        restype=features["restype"].argmax(dim=-1)[None],
        token_features=torch.cat([features["profile"], features["deletion_mean"][:, None]], dim=-1)[None],
        token_bonds=features["token_bonds"].float()[None],
        molecule_type=torch.zeros(1, count, 5, dtype=torch.bool),
        centre_atom=torch.full((1, count), -1),
        frame_atoms=torch.full((1, count, 3), -1),
    )


def template_features(features, aatype, beta_mask, frame_mask, same_chain: Tensor) -> Tensor:
    """All 108 template features, zero between chains where they should be."""
    n = aatype.shape[1]
    parts = [
        features["template_distogram"] * same_chain[..., None],
        (beta_mask * same_chain)[..., None],
        aatype[:, None].expand(-1, n, -1, -1),
        aatype[:, :, None].expand(-1, -1, n, -1),
        features["template_unit_vector"] * same_chain[..., None],
        (frame_mask * same_chain)[..., None],
    ]
    return torch.cat([part.float() for part in parts], dim=-1)[None]


def protenix_batch(features: Mapping[str, Tensor], network: Network) -> FeatureBatch:
    element = F.one_hot((features["ref_element"].argmax(dim=-1) + 1) % 128, 128).float()
    atoms = atoms_of(network, features, element, inside=False)
    count, pad = len(features["ref_pos"]), atoms["atom_mask"].shape[1] - len(features["ref_pos"])
    present = F.pad(features["ref_mask"], (0, pad))[None, :, None]
    atoms["atom_features"] = atoms["atom_features"] * present
    to_token = F.pad(features["atom_to_token_idx"].long(), (0, pad), value=-1)[None]
    representative = torch.nonzero(features["distogram_rep_atom_mask"]).flatten()[None]
    same_chain = (features["asym_id"][:, None] == features["asym_id"][None]).float()
    templates = None
    if "template_aatype" in features:
        aatype = F.one_hot(features["template_aatype"], 32)
        masks = features["template_pseudo_beta_mask"], features["template_backbone_frame_mask"]
        pairs = template_features(features, aatype, *masks, same_chain)
        templates = DenseTemplates(pairs, torch.ones(1, pairs.shape[1], dtype=torch.bool))
    extra = {}
    if "esm_token_embedding" in features:
        extra["token_embedding"] = features["esm_token_embedding"][None]
    if "constraint_feature.pocket" in features:
        names = ("pocket", "contact", "contact_atom")
        extra["constraints"] = torch.cat([features[f"constraint_feature.{name}"] for name in names], dim=-1)[None]
        extra["substructure"] = features["constraint_feature.substructure"][None].float()
    return FeatureBatch(
        **tokens_of(features),
        **atoms,
        atom_to_token=to_token,
        atom_slot=F.pad(features["atom_to_tokatom_idx"].long(), (0, pad))[None],
        distogram_atom=representative,
        msa=msa_of(features, features["msa"], torch.ones_like(features["msa"], dtype=torch.bool)),
        templates=templates,
        extra=extra,
    )


def msa_of(features: Mapping[str, Tensor], rows: Tensor, mask: Tensor) -> Msa:
    deletions = torch.stack([features["has_deletion"], features["deletion_value"]], dim=-1)
    return Msa(rows.long()[None], deletions.float()[None], mask[None])


def openfold_batch(features: Mapping[str, Tensor], network: Network) -> FeatureBatch:
    element = F.pad(features["ref_element"].float(), (1, 128 - 119 - 1))
    atoms = atoms_of(network, features, element, inside=True)
    pad = atoms["atom_mask"].shape[1] - len(features["ref_pos"])
    to_token = features["atom_to_token_index"].long()
    slot = torch.arange(len(to_token)) - features["start_atom_index"].long()[to_token]
    same_chain = (features["asym_id"][:, None] == features["asym_id"][None]).float()
    square = lambda mask: mask[:, :, None] * mask[:, None]  # noqa: E731
    masks = square(features["template_pseudo_beta_mask"]), square(features["template_backbone_frame_mask"])
    pairs = template_features(features, features["template_restype"], *masks, same_chain)
    extra = {"cyclic": features["cyclic_mask"].bool()[None]} if "cyclic_mask" in features else {}
    return FeatureBatch(
        **tokens_of(features),
        **atoms,
        atom_to_token=F.pad(to_token, (0, pad), value=-1)[None],
        atom_slot=F.pad(slot, (0, pad))[None],
        distogram_atom=openfold_representatives(features)[None],
        msa=msa_of(features, features["msa"].argmax(dim=-1), features["msa_mask"].bool()),
        templates=DenseTemplates(pairs, torch.ones(1, pairs.shape[1], dtype=torch.bool)),
        extra=extra,
    )


def openfold_representatives(features: Mapping[str, Tensor]) -> Tensor:
    """CB (CA of GLY), C4 of purines, C2 of pyrimidines, the atom of an atomised token; atom 0 for an unknown nucleotide."""
    codes = features["ref_atom_name_chars"].argmax(dim=-1)
    names = ["".join(chr(code + 32) for code in row).strip() for row in codes.tolist()]
    restypes = features["restype"].argmax(dim=-1).tolist()
    wanted = dict.fromkeys(range(21), "CB") | {7: "CA"}
    wanted |= dict.fromkeys((21, 22, 26, 27), "C4") | dict.fromkeys((23, 24, 28, 29), "C2")
    chosen = []
    for token, start in enumerate(features["start_atom_index"].tolist()):
        count = int(features["num_atoms_per_token"][token])
        inside = names[start : start + count]
        name = wanted.get(restypes[token])
        at = start + inside.index(name) if name in inside else 0
        chosen.append(start if features["is_atomized"][token] else at)
    return torch.tensor(chosen)


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
