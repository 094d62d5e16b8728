"""Worker: Protenix 2.0.0, the sizes of its v1 base model, run as its own inference runs it on a CPU.

That is: PyTorch kernels, in place, no chunks below 1,024 tokens; the denoiser with its cache of shared variables and
its fused normalisation.
"""

# pyright: reportMissingImports=false

import copy
import os

os.environ.setdefault("LAYERNORM_TYPE", "torch")  # read when protenix is imported

import torch
from configs.configs_base import configs as configs_base
from configs.configs_data import data_configs
from configs.configs_inference import inference_configs
from configs.configs_model_type import model_configs
from protenix.config.config import parse_configs
from protenix.model.modules.diffusion import DiffusionModule
from protenix.model.modules.pairformer import MSABlock, PairformerBlock
from protenix.model.protenix import update_input_feature_dict
from protenix.model.triangular import layers

from bench import system
from bench.system import activations
from bench.worker import Case, serve

MODEL = "protenix_base_default_v1.0.0"


class NoSampling:
    """Its initial weights come from a slow sampler; they are replaced anyway."""

    @staticmethod
    def std(**_):
        return 1.0

    @staticmethod
    def rvs(size, **_):
        return torch.zeros(size).numpy()


layers.truncnorm = NoSampling


def update(tree, other):
    for key, value in other.items():
        tree[key] = update(tree[key], value) if isinstance(value, dict) and isinstance(tree.get(key), dict) else value
    return tree


def configuration():
    tree = {**copy.deepcopy(configs_base), "data": copy.deepcopy(data_configs), **copy.deepcopy(inference_configs)}
    update(tree, copy.deepcopy(model_configs[MODEL]))
    arguments = f"--model_name {MODEL} --triangle_attention torch --triangle_multiplicative torch --dtype fp32"
    return parse_configs(configs=tree, arg_str=arguments, fill_required_with_null=True)


def pairformer(tokens: int) -> Case:
    config = configuration().model.pairformer
    block = system.randomise(PairformerBlock(n_heads=config.n_heads, c_z=system.DIM_PAIR, c_s=system.DIM_SINGLE))
    single, pair = activations(tokens, system.DIM_SINGLE), activations(tokens, tokens, system.DIM_PAIR)
    return lambda: (single.clone(), pair.clone()), lambda s, z: block(s, z, pair_mask=None, inplace_safe=True)


def msa(tokens: int) -> Case:
    chunk = configuration().model.msa_module.msa_chunk_size
    block = system.randomise(MSABlock(c_m=system.DIM_MSA, c_z=system.DIM_PAIR, msa_chunk_size=chunk))
    rows, pair = activations(system.MSA_ROWS, tokens, system.DIM_MSA), activations(tokens, tokens, system.DIM_PAIR)
    return lambda: (rows.clone(), pair.clone()), lambda m, z: block(m, z, pair_mask=None, inplace_safe=True)


def features_of(case: system.System, module: DiffusionModule):
    one_hot = torch.nn.functional.one_hot
    chain = torch.zeros(case.tokens, dtype=torch.long)
    features = {
        "residue_index": torch.arange(case.tokens),
        "token_index": torch.arange(case.tokens),
        "asym_id": chain,
        "entity_id": chain,
        "sym_id": chain,
        "ref_pos": case.positions,
        "ref_mask": torch.ones(case.atoms, dtype=torch.long),
        "ref_charge": torch.zeros(case.atoms, dtype=torch.long),
        "ref_element": one_hot(case.elements - 1, 128),
        "ref_atom_name_chars": one_hot(case.names, 64),
        "ref_space_uid": case.atom_to_token,
        "atom_to_token_idx": case.atom_to_token,
    }
    return update_input_feature_dict(module.diffusion_conditioning.relpe.generate_relp(features))


def denoise(tokens: int, samples: int) -> Case:
    config = configuration()
    module = system.randomise(DiffusionModule(**config.model.diffusion_module))
    case = system.random_system(tokens)
    features = features_of(case, module)
    pair = activations(tokens, tokens, system.DIM_PAIR)
    pair = module.diffusion_conditioning.prepare_cache(features["relp"], pair, False)
    names = "ref_pos ref_charge ref_mask ref_element ref_atom_name_chars atom_to_token_idx d_lm v_lm pad_info".split()
    atom_inputs = {name: features[name] for name in names}
    cached = module.atom_attention_encoder.prepare_cache(**atom_inputs, r_l=True, z=pair, inplace_safe=False)
    constant = dict(
        t_hat_noise_level=torch.full((samples,), system.SIGMA),
        input_feature_dict=features,
        s_inputs=activations(tokens, system.DIM_INPUTS),
        s_trunk=activations(tokens, system.DIM_SINGLE),
        z_trunk=None,
        pair_z=pair,
        p_lm=cached[0],
        c_l=cached[1],
        chunk_size=config.infer_setting.chunk_size,
        inplace_safe=True,
        enable_efficient_fusion=True,
    )
    noisy = activations(samples, case.atoms, 3, scale=system.SIGMA)
    return lambda: (noisy.clone(),), lambda x: module(x_noisy=x, **constant)


ROWS = {
    "pairformer": pairformer,
    "msa": msa,
    "denoise1": lambda tokens: denoise(tokens, 1),
    "denoise5": lambda tokens: denoise(tokens, 5),
}

if __name__ == "__main__":
    serve(ROWS)
