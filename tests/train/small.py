"""A model that trains in a fraction of a second, on made-up tensors. Run as a program it trains: FOLDER STEPS EVERY."""

import sys
from pathlib import Path
from typing import Any

import torch

from alphafold3_pytorch.alphafold3 import Alphafold3
from alphafold3_pytorch.mocks import MockAtomDataset
from alphafold3_pytorch.train.trainer import Trainer


def small_model(**options: Any) -> Alphafold3:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "dim_atom": 8,
        "dim_atompair": 4,
        "dim_input_embedder_token": 16,
        "dim_single": 16,
        "dim_pairwise": 8,
        "dim_token": 16,
        "dim_template_model": 8,
        "dim_atom_inputs": 77,
        "dim_template_feats": 108,
        "atoms_per_window": 8,
        "num_rollout_steps": 2,
        "diffusion_num_augmentations": 2,
        "confidence_head_kwargs": {"pairformer_depth": 1},
        "template_embedder_kwargs": {"pairformer_stack_depth": 1},
        "msa_module_kwargs": {"depth": 1, "dim_msa": 8, "max_num_msa": 4},
        "pairformer_stack": {"depth": 1, "pair_bias_attn_dim_head": 4, "pair_bias_attn_heads": 2},
        "input_embedder_kwargs": {"atom_transformer_blocks": 1, "atom_transformer_heads": 1},
        "diffusion_module_kwargs": {
            "atom_encoder_depth": 1,
            "token_transformer_depth": 1,
            "atom_decoder_depth": 1,
            "atom_encoder_heads": 1,
            "token_transformer_heads": 2,
            "atom_decoder_heads": 1,
            "dim_fourier": 16,
        },
    }
    return Alphafold3(**{**sizes, **options})


def small_trainer(folder: Path, steps: int = 4, model: Any = None, **options: Any) -> Trainer:
    settings = {"dataset": MockAtomDataset(5, max_seq_len=6), "batch_size": 1, "accelerator": "cpu", **options}
    return Trainer(model or small_model(), num_train_steps=steps, checkpoint_folder=folder, **settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    path, count, every = sys.argv[1:]
    small_trainer(Path(path), int(count), checkpoint_every=int(every))()
