"""Cases of official AlphaFold 3: its feature dictionary as a FeatureBatch, its stages from ours."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Msa, Templates
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.sampler import Move, noise_schedule
from alphafold3_pytorch.nn.templates import template_pair_features
from alphafold3_pytorch.predict import scores
from alphafold3_pytorch.weights.families import load_tensors
from tools.parity_stage import LIMIT, TRAJECTORY_LIMIT, Recorder, Stage

SLOTS = 24
# Their residue classes in ours: 20 amino acids, unknown, gap, A G C U, DA DG DC DT, unknown nucleotide.
OURS = torch.tensor([*range(21), 31, 21, 22, 23, 24, 26, 27, 28, 29, 25])
# Slots of C, CA, N (C1', C3', C4') and of the pseudo beta, by their residue class.
FRAME = torch.tensor([[2, 1, 0]] * 20 + [[0, 0, 0]] * 2 + [[12, 8, 6]] * 8 + [[0, 0, 0]])
BETA = torch.tensor([4] * 7 + [1] + [4] * 12 + [0, 0, 22, 23, 14, 14, 21, 22, 13, 13, 0])


def alphafold3_stages(case: Path, dtype: torch.dtype, intermediates: bool) -> Iterator[Stage]:
    reference = load_file(case / "outputs.safetensors")
    features = {key: array for key, array in np.load(case / "features.npz").items() if not key.startswith("layout/")}
    features = {key: torch.from_numpy(array) for key, array in features.items()}
    network = load_tensors(load_file(case / "params.safetensors")).eval().to(dtype)
    layout = Layout(features)
    batch = layout.batch().to(dtype=dtype)
    floors = json.loads((case / "noise_floor.json").read_text())["stages"] if (case / "noise_floor.json").exists() else {}
    inner = case / "intermediates.safetensors"
    inside = load_file(inner) if intermediates and inner.exists() else {}
    recorder = Recorder(network, INSIDE if inside else {})
    ours = outputs(network, batch, reference, layout, dtype)
    kept = recorder.stop()
    for name, value in kept.items():
        if name in inside:
            yield Stage(name, *layout.valid(value.squeeze(0), inside[name]))
    for name, target in sorted(reference.items()):
        if name not in ours:
            continue
        values = layout.valid(ours[name].reshape(target.shape), target)
        kind = name.split("/")
        key = "denoised" if kind[0] == "denoise" else kind[0] if kind[0] in floors else kind[-1]
        floor = floors.get(key, {}).get("max_abs_diff")
        limit = TRAJECTORY_LIMIT if kind[-1] in ("trajectory", "atom_positions") else LIMIT
        yield Stage(name, *values, limit, floor)


class Layout:
    """Tokens with their 24 slots, and the flat list of atoms in windows; gathers between them are in the features."""

    def __init__(self, features: Mapping[str, Tensor]):
        self.features = features
        self.to_atoms, self.atom_known = self.gather("token_atoms_to_queries")
        self.to_slots, _ = self.gather("queries_to_token_atoms")
        self.tokens = features["seq_mask"]
        self.slots = features["pred_dense_atom_mask"]

    def gather(self, name: str) -> tuple[Tensor, Tensor]:
        index, mask = self.features[f"{name}:gather_idxs"], self.features[f"{name}:gather_mask"]
        size = int(self.features[f"{name}:input_shape"].prod())
        return torch.where(index < 0, index + size, index), mask

    def atoms(self, slots: Tensor) -> Tensor:
        """[N, 24, ...] -> [atoms, ...]"""
        known = self.atom_known.flatten()
        values = slots.flatten(0, 1)[self.to_atoms.flatten()]
        return values * known.view(-1, *[1] * (values.ndim - 1))

    def in_slots(self, atoms: Tensor) -> Tensor:
        """[..., atoms, c] -> [..., N, 24, c]"""
        return atoms[..., self.to_slots.flatten(), :].unflatten(-2, self.to_slots.shape)

    def valid(self, ours: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both at what exists: valid tokens, token pairs or atoms; windows are compared at their atoms."""
        shape, count, windows_count = tuple(target.shape), len(self.tokens), len(self.to_atoms)
        pick = None
        for lead in range(len(shape)):
            rest = shape[lead:]
            if rest[:2] == (count, SLOTS):
                pick = (..., self.slots, *[slice(None)] * (len(rest) - 2))
            elif rest[:2] == (count, count):
                pick = (..., self.tokens[:, None] & self.tokens, *[slice(None)] * (len(rest) - 2))
            elif rest[:1] == (count,):
                pick = (..., self.tokens, *[slice(None)] * (len(rest) - 1))
            elif rest[:2] == (windows_count, 32):
                pick = (..., self.atom_mask().view(windows_count, 32), *[slice(None)] * (len(rest) - 2))
                ours = ours.reshape(shape)
            if pick is not None:
                return ours[pick], target[pick]
        return ours, target

    def atom_mask(self) -> Tensor:
        return self.atoms(self.features["pred_dense_atom_mask"]).bool()

    def batch(self) -> FeatureBatch:
        atom_to_token, known = self.gather("tokens_to_queries")
        keys, key_known = self.gather("queries_to_keys")
        keys = keys.masked_fill(~key_known, -1)[None]
        space = self.features["ref_space_uid"]
        last = torch.arange(self.to_atoms.numel()).clamp(max=space.numel() - 1)
        through_slots = space.flatten()[last]  # their keys' conformers: an index of atoms used on slots of tokens
        positions = self.atoms(self.features["ref_pos"])[None]
        pairs = windows.atompair_features(positions, self.atoms(space)[None].long(), keys, through_slots[None].long())
        beta, beta_known = self.gather("token_atoms_to_pseudo_beta")
        beta = self.to_slots.flatten()[beta].masked_fill(~beta_known, -1)
        count = len(self.tokens)
        return FeatureBatch(
            token_mask=self.tokens[None],
            restype=OURS[self.features["aatype"].long()][None],
            **{name: self.features[name].long()[None] for name in IDS},
            molecule_type=torch.zeros(1, count, 5, dtype=torch.bool),
            token_features=self.token_features()[None],
            token_bonds=self.bonds()[None],
            atom_mask=self.atom_mask()[None],
            atom_features=self.atom_features()[None],
            atom_to_token=atom_to_token.masked_fill(~known, -1).flatten()[None],
            atom_slot=(self.to_atoms % SLOTS).flatten()[None],
            key_index=keys,
            atompair_features=pairs,
            centre_atom=torch.full((1, count), -1),
            distogram_atom=beta[None],
            frame_atoms=torch.full((1, count, 3), -1),
            msa=self.msa(),
            templates=dense_templates(self.templates(), self.features["asym_id"].long()[None]),
        )

    def token_features(self) -> Tensor:
        profile = torch.zeros(len(self.tokens), 32).index_add_(1, OURS, self.features["profile"])
        return torch.cat([profile, self.features["deletion_mean"][:, None].float()], dim=1)

    def atom_features(self) -> Tensor:
        atoms = {name: self.atoms(self.features[f"ref_{name}"]) for name in ("pos", "element", "charge", "atom_name_chars")}
        mask = self.atoms(self.features["ref_mask"])[:, None].float()
        element = F.one_hot(atoms["element"].long(), 128)
        names = F.one_hot(atoms["atom_name_chars"].long(), 64).flatten(1)
        charge = torch.arcsinh(atoms["charge"].float())[:, None]
        return torch.cat([atoms["pos"], mask, element, charge, names], dim=1) * mask

    def bonds(self) -> Tensor:
        count = len(self.tokens)
        matrix = torch.zeros(count, count)
        for name in ("tokens_to_polymer_ligand_bonds", "tokens_to_ligand_ligand_bonds"):
            index, known = self.gather(name)
            pairs = index[known.all(dim=1)]
            matrix[pairs[:, 0], pairs[:, 1]] = 1
        matrix[0, 0] = 0
        return matrix

    def msa(self) -> Msa:
        used = self.features["msa_mask"].any(dim=1)
        deletions = self.features["deletion_matrix"][used].float()
        features = torch.stack([deletions.clamp(0, 1), torch.arctan(deletions / 3) * 2 / torch.pi], dim=-1)
        return Msa(OURS[self.features["msa"][used].long()][None], features[None], self.features["msa_mask"][used][None])

    def templates(self) -> Templates:
        types = self.features["template_aatype"].long()
        positions, known = self.features["template_atom_positions"], self.features["template_atom_mask"]
        place = lambda slots, index: slots.gather(2, index)  # noqa: E731
        beta, frame = BETA[types][..., None], FRAME[types].flip(-1)  # N, CA, C
        at = lambda index: positions.gather(2, index[..., None].expand(*index.shape, 3))  # noqa: E731
        return Templates(
            restype=OURS[types][None],
            pseudo_beta=at(beta)[None, :, :, 0],
            pseudo_beta_mask=place(known, beta)[None, :, :, 0],
            backbone=at(frame)[None],
            backbone_mask=place(known, frame).all(dim=-1)[None],
        )


def dense_templates(templates: Templates, asym_id: Tensor) -> DenseTemplates:
    """Our pair features, but between frames at one place the directions that the reference's rounding gives.

    The exact direction is zero there. Theirs is a rounding error divided by 1e-6, because their compiler fuses products and
    sums in another order where it negates; the same order of operations reproduces it.
    """
    types, *parts = (value for value in vars(templates).values())
    table = torch.full((32,), 20).scatter(0, OURS, torch.arange(31))
    restype = F.one_hot(table[types], 31).float()
    slots = []
    for index in range(types.shape[1]):
        beta, beta_mask, backbone, mask = (part[:, index] for part in parts)
        features = template_pair_features(restype[:, index], beta, beta_mask, backbone, mask, asym_id)
        apart = (backbone[:, :, None, 1] - backbone[:, None, :, 1]).norm(dim=-1)
        same_place = (apart < 1e-3) & (mask[:, :, None] & mask[:, None]) & (asym_id[:, :, None] == asym_id[:, None])
        rounded = torch.from_numpy(fused_directions(backbone[0].numpy()))[None]
        features[..., -4:-1] = torch.where(same_place[..., None], rounded, features[..., -4:-1])
        slots.append(features)
    return DenseTemplates(torch.stack(slots, dim=1), torch.ones(1, len(slots), dtype=torch.bool))


def fused_directions(backbone: np.ndarray) -> np.ndarray:
    """Unit vectors in float32 with fused multiply-add where LLVM contracts: [n 3 3] (N, CA, C) -> [n n 3]."""

    def fma(a, b, c):
        return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)

    def dot(a, b):
        return fma(a[2], b[2], fma(a[0], b[0], a[1] * b[1]))

    def normalise(v):
        length = np.sqrt(np.maximum(dot(v, v), np.float32(1e-12)))
        return [part / length for part in v]

    nitrogen, alpha, carbon = ([backbone[:, atom, axis] for axis in range(3)] for atom in range(3))
    x = normalise([c - a for c, a in zip(carbon, alpha, strict=True)])
    towards = [n - a for n, a in zip(nitrogen, alpha, strict=True)]
    along = dot(towards, x)
    y = normalise([fma(-along, x[axis], towards[axis]) for axis in range(3)])
    z = [fma(x[i], y[j], -(x[j] * y[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    row = [part[None] for part in alpha]
    local = []
    for axis in (x, y, z):
        axis = [part[:, None] for part in axis]
        origin = fma(axis[2], alpha[2][:, None], fma(axis[1], alpha[1][:, None], axis[0] * alpha[0][:, None]))
        local.append(dot(axis, row) - origin)
    return np.stack(normalise(local), axis=-1)


IDS = ("residue_index", "token_index", "asym_id", "entity_id", "sym_id")


def outputs(
    network: Network, batch: FeatureBatch, reference: Mapping[str, Tensor], layout: Layout, dtype: torch.dtype
) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    inputs = network.inputs(batch)
    width = network.config.dim_input_token
    result["target_feat"] = torch.cat([inputs[0, :, width:], inputs[0, :, :width]], dim=1)
    passes = sorted({int(key.split("/")[1].removeprefix("pass")) for key in reference if key.startswith("trunk/")})
    single, pair = network.trunk(batch, inputs, 1)
    for count in passes:
        single, pair = network.trunk(batch, inputs, count)
        result[f"trunk/pass{count}/single"], result[f"trunk/pass{count}/pair"] = single[0], pair[0]
    result |= without_templates(network, batch, inputs, layout)
    logits = network.distogram(pair)[0]
    result["distogram/logits"], result["distogram/contact_probs"] = logits, scores.contact_probability(logits)
    result["distogram/bin_edges"] = torch.linspace(2.3125, 21.6875, 63, dtype=torch.float64)
    result |= denoised(network, batch, (inputs, single, pair), reference, layout, dtype)
    result |= sampled(network, batch, (inputs, single, pair), reference, layout, dtype)
    positions = layout.atoms(reference["confidence/dense_atom_positions"].to(dtype))[None, None]
    heads = network.predict_confidence(batch, inputs, single, pair, positions)
    return result | confidences(heads, layout)


def without_templates(network: Network, batch: FeatureBatch, inputs: Tensor, layout: Layout) -> dict[str, Tensor]:
    """With every template array zeroed."""
    templates = layout.templates()
    empty = Templates(**{name: torch.zeros_like(value) for name, value in vars(templates).items()}).to(dtype=inputs.dtype)
    single, pair = network.trunk(replace(batch, templates=empty), inputs, 1)
    return {"trunk_no_template/pass1/single": single[0], "trunk_no_template/pass1/pair": pair[0]}


def denoised(network, batch, trunk, reference, layout: Layout, dtype) -> dict[str, Tensor]:
    result = {}
    prepared = network.diffusion.prepare(batch, *trunk)
    for index in {key.split("/")[1] for key in reference if key.startswith("denoise/")}:
        noisy = layout.atoms(reference[f"denoise/{index}/positions_noisy"].to(dtype))[None, None]
        level = reference[f"denoise/{index}/noise_level"].to(dtype).reshape(1, 1)
        positions = network.diffusion(prepared, noisy, level)[0, 0]
        result[f"denoise/{index}/positions_denoised"] = layout.in_slots(positions)
    return result


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


def sampled(network, batch, trunk, reference, layout: Layout, dtype) -> dict[str, Tensor]:
    steps = len(reference["sample/noise_levels"]) - 1
    draws = RecordedDraws(reference, layout, dtype)
    trajectory = list(network.sample(batch, *trunk, draws, steps))
    slots = torch.stack([layout.in_slots(positions[0]) for positions in trajectory])
    levels = noise_schedule(network.config.sampler, steps)
    return {"sample/trajectory": slots, "sample/atom_positions": slots[-1], "sample/noise_levels": levels}


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


def whole(output):
    return output


ENCODER = "target_feat/evoformer_conditioning_atom_transformer_encoder"
DENOISE = "denoise1/diffusion_atom_transformer"
INSIDE = {
    f"{ENCODER}.input.queries_single_cond": ("inputs.embedder", lambda output: output[0]),
    f"{ENCODER}.__call__": ("inputs.encoder.transformer", whole),
    "trunk_pass1/left_single.__call__": ("trunk.pair_i", whole),
    "trunk_pass1/right_single.__call__": ("trunk.pair_j", whole),
    "trunk_pass1/single_activations.__call__": ("trunk.single", whole),
    "trunk_pass1/prev_embedding.__call__": ("trunk.recycle_pair", whole),
    "trunk_pass1/prev_single_embedding.__call__": ("trunk.recycle_single", whole),
    "trunk_pass1/template_embedding.__call__": ("trunk.templates", whole),
    "trunk_pass1/evoformer._embed_process_msa": ("trunk.msa", whole),
}
