"""The feature dictionary of official AlphaFold 3 as a FeatureBatch."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features import windows
from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Msa, Templates
from alphafold3_pytorch.nn.templates import template_pair_features

SLOTS = 24
# Their residue classes in ours: 20 amino acids, unknown, gap, A G C U, DA DG DC DT, unknown nucleotide.
OURS = torch.tensor([*range(21), 31, 21, 22, 23, 24, 26, 27, 28, 29, 25])
# Slots of C, CA, N (C1', C3', C4') and of the pseudo beta, by their residue class.
FRAME = torch.tensor([[2, 1, 0]] * 20 + [[0, 0, 0]] * 2 + [[12, 8, 6]] * 8 + [[0, 0, 0]])
BETA = torch.tensor([4] * 7 + [1] + [4] * 12 + [0, 0, 22, 23, 14, 14, 21, 22, 13, 13, 0])
IDS = ("residue_index", "token_index", "asym_id", "entity_id", "sym_id")


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
        residue, token, asym, entity, sym = (self.features[name].long()[None] for name in IDS)
        return FeatureBatch(
            token_mask=self.tokens[None],
            restype=OURS[self.features["aatype"].long()][None],
            residue_index=residue,
            token_index=token,
            asym_id=asym,
            entity_id=entity,
            sym_id=sym,
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
            templates=dense_templates(self.templates(), asym),
        )

    def token_features(self) -> Tensor:
        profile = torch.zeros(len(self.tokens), 32).index_add_(1, OURS, self.features["profile"])
        return torch.cat([profile, self.features["deletion_mean"][:, None].float()], dim=1)

    def atom_features(self) -> Tensor:
        atoms = {
            name: self.atoms(self.features[f"ref_{name}"]) for name in ("pos", "element", "charge", "atom_name_chars")
        }
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

    The exact direction is zero there. Theirs is a rounding error divided by 1e-6, because their compiler fuses products
    and sums in another order where it negates; the same order of operations reproduces it.
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
