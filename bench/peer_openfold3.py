"""Worker: OpenFold3 0.5.0, run as its own inference runs it on a CPU: no Triton kernels, in place, no chunks."""

# pyright: reportMissingImports=false

import torch
from openfold3.core.model.latent.msa_module import MSAModuleBlock
from openfold3.core.model.latent.pairformer import PairFormerBlock
from openfold3.core.model.structure.diffusion_module import DiffusionModule
from openfold3.projects.of3_all_atom.config.model_config import model_config

from bench import system
from bench.system import activations
from bench.worker import Case, serve

ARCHITECTURE = model_config.architecture
OF_A_STACK = {"no_blocks", "blocks_per_ckpt", "use_reentrant", "clear_cache_between_blocks", "tune_chunk_size"}


def block_options(stack) -> dict:
    return {name: value for name, value in stack.items() if name not in OF_A_STACK}


def pairformer(tokens: int) -> Case:
    block = system.randomise(PairFormerBlock(**block_options(ARCHITECTURE.pairformer)))
    single, pair = activations(1, tokens, system.DIM_SINGLE), activations(1, tokens, tokens, system.DIM_PAIR)
    masks = dict(single_mask=torch.ones(1, tokens), pair_mask=torch.ones(1, tokens, tokens))
    return lambda: (single.clone(), pair.clone()), lambda s, z: block(s, z, **masks, inplace_safe=True)


def msa(tokens: int) -> Case:
    block = system.randomise(MSAModuleBlock(**block_options(ARCHITECTURE.msa.msa_module)))
    rows = activations(1, system.MSA_ROWS, tokens, system.DIM_MSA)
    pair = activations(1, tokens, tokens, system.DIM_PAIR)
    masks = dict(msa_mask=torch.ones(1, system.MSA_ROWS, tokens), pair_mask=torch.ones(1, tokens, tokens))
    return lambda: (rows.clone(), pair.clone()), lambda m, z: block(m, z, **masks, inplace_safe=True)


def features_of(case: system.System) -> dict[str, torch.Tensor]:
    """With the axes of a batch and of samples in front, as its diffusion module is called."""
    one_hot = torch.nn.functional.one_hot
    chain = torch.zeros(case.tokens, dtype=torch.int32)
    per_token = torch.full((case.tokens,), system.ATOMS_PER_TOKEN, dtype=torch.int32)
    features = {
        "residue_index": torch.arange(case.tokens, dtype=torch.int32),
        "token_index": torch.arange(case.tokens, dtype=torch.int32),
        "asym_id": chain,
        "entity_id": chain,
        "sym_id": chain,
        "ref_pos": case.positions,
        "ref_mask": torch.ones(case.atoms, dtype=torch.int32),
        "ref_charge": torch.zeros(case.atoms),
        "ref_element": one_hot(case.elements - 1, 119).int(),
        "ref_atom_name_chars": one_hot(case.names, 64).int(),
        "ref_space_uid": case.atom_to_token.int(),
        "num_atoms_per_token": per_token,
        "start_atom_index": per_token.cumsum(0, dtype=torch.int32) - per_token,
        "atom_to_token_index": case.atom_to_token.int(),
        "token_mask": torch.ones(case.tokens),
        "atom_mask": torch.ones(case.atoms),
    }
    return {name: feature[None, None] for name, feature in features.items()}


def denoise(tokens: int, samples: int) -> Case:
    module = system.randomise(DiffusionModule(config=ARCHITECTURE.diffusion_module))
    case = system.random_system(tokens)
    features = features_of(case)
    constant = dict(
        batch=features,
        token_mask=features["token_mask"],
        atom_mask=features["atom_mask"],
        t=torch.tensor(system.SIGMA),
        si_input=activations(1, 1, tokens, system.DIM_INPUTS),
        si_trunk=activations(1, 1, tokens, system.DIM_SINGLE),
        zij_trunk=activations(1, 1, tokens, tokens, system.DIM_PAIR),
        use_conditioning=True,
        use_high_precision_attention=True,
    )
    noisy = activations(1, samples, case.atoms, 3, scale=system.SIGMA)
    return lambda: (noisy.clone(),), lambda x: module(xl_noisy=x, **constant)


ROWS = {
    "pairformer": pairformer,
    "msa": msa,
    "denoise1": lambda tokens: denoise(tokens, 1),
    "denoise5": lambda tokens: denoise(tokens, 5),
}

if __name__ == "__main__":
    serve(ROWS)
