"""Random complexes as tensor arguments of `Alphafold3.forward`: chains, a ligand, MSA, templates, labels."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features.tensors import SHAPES

Module = TypeVar("Module", bound=torch.nn.Module)
SIZES = dict(ATOM=11, PAIR=5, TOKEN=33, MSA=32, MSA_EXTRA=2, TEMPLATE=108, MODS=0, CONSTRAINTS=0)


def small_arguments(**changes: Any) -> dict[str, Any]:
    """Arguments of a very small `Alphafold3`."""
    arguments: dict[str, Any] = dict(
        dim_atom_inputs=SIZES["ATOM"],
        dim_template_feats=108,
        dim_template_model=8,
        atoms_per_window=8,
        dim_atom=16,
        dim_atompair=4,
        dim_input_embedder_token=12,
        dim_single=24,
        dim_pairwise=16,
        dim_token=32,
        num_molecule_mods=0,
        diffusion_num_augmentations=3,
        num_rollout_steps=2,
        input_embedder_kwargs=dict(atom_transformer_blocks=1, atom_transformer_heads=2),
        confidence_head_kwargs=dict(pairformer_depth=1, pairformer_kwargs=PAIRFORMER),
        template_embedder_kwargs=dict(pairformer_stack_depth=1, pairwise_block_kwargs=PAIR),
        msa_module_kwargs=dict(
            depth=2, dim_msa=12, msa_pwa_heads=2, msa_pwa_dim_head=4, pairwise_block_kwargs=PAIR, max_num_msa=8
        ),
        pairformer_stack=dict(depth=2, **PAIRFORMER),
        diffusion_module_kwargs=dict(
            atom_encoder_depth=1,
            atom_encoder_heads=2,
            token_transformer_depth=2,
            token_transformer_heads=2,
            atom_decoder_depth=1,
            atom_decoder_heads=2,
            dim_fourier=16,
        ),
    )
    return arguments | changes


PAIR = dict(tri_attn_heads=2, tri_attn_dim_head=4)
PAIRFORMER = dict(pair_bias_attn_heads=2, pair_bias_attn_dim_head=8, pairwise_block_kwargs=PAIR)


def complex_tensors(
    residues: int, ligand: int = 3, seed: int = 0, rows: int = 5, labels: bool = True
) -> dict[str, Tensor]:
    """Two protein chains of `residues` tokens together, then `ligand` atoms of one ligand; batch of one."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    integers = lambda low, high, *shape: torch.randint(low, high, shape, generator=generator)  # noqa: E731
    n, half = residues + ligand, residues // 2
    lengths = torch.cat([integers(3, 9, residues), torch.ones(ligand, dtype=torch.long)])
    m = int(lengths.sum())
    offsets = lengths.cumsum(0) - lengths
    chain = torch.tensor([0] * half + [1] * (residues - half) + [2] * ligand)
    residue = torch.cat([torch.arange(half), torch.arange(residues - half), torch.zeros(ligand, dtype=torch.long)])
    entity = torch.tensor([0] * residues + [1] * ligand)
    symmetry = torch.where(chain == 1, 1, 0)
    conformer = torch.repeat_interleave(torch.where(chain == 2, residues, torch.arange(n)), lengths)
    position = normal(m, 3)
    same = (conformer[:, None] == conformer[None]).float()[..., None]
    offset = position[:, None] - position[None]
    pairs = torch.cat([offset, 1 / (1 + offset.square().sum(-1, keepdim=True)), torch.ones(m, m, 1)], dim=-1) * same
    bonds = torch.zeros(n, n, dtype=torch.bool)
    bonds[range(residues, n - 1), range(residues + 1, n)] = True
    tensors = dict(
        atom_inputs=normal(m, SIZES["ATOM"]),
        atompair_inputs=pairs,
        additional_molecule_feats=torch.stack([residue, torch.arange(n), chain, entity, symmetry], dim=-1),
        is_molecule_types=F.one_hot(torch.where(chain == 2, 3, 0), 5).bool(),
        molecule_atom_lens=lengths,
        molecule_ids=torch.cat([integers(0, 20, residues), torch.full((ligand,), 20)]),
        additional_token_feats=normal(n, 33),
        msa=F.one_hot(integers(0, 32, rows, n), 32).float(),
        msa_mask=torch.ones(rows, dtype=torch.bool),
        additional_msa_feats=normal(rows, n, 2),
        templates=normal(2, n, n, 108),
        template_mask=torch.tensor([True, False]),
        token_bonds=bonds,
        molecule_atom_indices=offsets + lengths.clamp(max=2) - 1,
        distogram_atom_indices=offsets + lengths - 1,
        atom_indices_for_frame=torch.where((lengths > 2)[:, None], offsets[:, None] + torch.arange(3), -1),
    )
    if labels:
        tensors |= dict(atom_pos=position * 4, resolved_labels=(torch.rand(m, generator=generator) < 0.9).long())
    return {name: tensor[None] for name, tensor in tensors.items()}


def without(tensors: Mapping[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(names)}


def collate(complexes: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Complexes of different sizes in one batch: indices padded with -1, everything else with 0."""
    batch = {}
    for name, first in complexes[0].items():
        tensors = [each[name][0] for each in complexes]
        largest = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
        fill = -1 if "indices" in name else 0
        batch[name] = torch.stack([pad(tensor, largest, fill) for tensor in tensors])
        assert batch[name].ndim == first.ndim == len(SHAPES[name].split("|")[0].split())
    return batch


def pad(tensor: Tensor, shape: Sequence[int], value: int = 0) -> Tensor:
    missing = [size - have for size, have in zip(shape, tensor.shape, strict=True)]
    return F.pad(tensor, [x for more in reversed(missing) for x in (0, more)], value=value)


def randomise(module: Module, seed: int = 0, scale: float = 0.2) -> Module:
    """Random values for every parameter, so that no zero hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = scale * torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.ndim == 1 and name.endswith("weight") or name.endswith("scale")
            parameter.copy_(1 + noise if is_scale else noise)
    return module
