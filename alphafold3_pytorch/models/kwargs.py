"""The keyword arguments of `Alphafold3` as a NetworkConfig: one table per group of options."""

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from alphafold3_pytorch.models.config import (
    AtomConfig,
    AtomTransformerConfig,
    ConfidenceConfig,
    DiffusionConfig,
    MsaConfig,
    NetworkConfig,
    PairConfig,
    PairformerConfig,
    SamplerConfig,
    TemplateConfig,
)

# option of a group -> field of its config; None: accepted, without effect
PAIR_BLOCK = {
    "tri_mult_dim_hidden": "hidden",
    "tri_attn_heads": "heads",
    "tri_attn_dim_head": "dim_head",
    "dropout_row_prob": "dropout",
    "dropout_col_prob": "dropout",
}
ATOMS = {"atom_transformer_blocks": "depth", "atom_transformer_heads": "heads", "atom_transformer_kwargs": None}
MSA = {
    "depth": "depth",
    "dim_msa": "dim",
    "outer_product_mean_dim_hidden": "hidden_outer",
    "msa_pwa_dropout_row_prob": "dropout",
    "msa_pwa_heads": "heads",
    "msa_pwa_dim_head": "dim_head",
    "max_num_msa": "max_rows",
    "pairwise_block_kwargs": "pair",
    "layerscale_output": None,
}
TEMPLATES = {"pairformer_stack_depth": "depth", "pairwise_block_kwargs": "pair", "layerscale_output": None}
PAIRFORMER = {
    "depth": "depth",
    "pair_bias_attn_heads": "heads",
    "pair_bias_attn_dim_head": "dim_head",
    "dropout_row_prob": "dropout",
    "pairwise_block_kwargs": "pair",
}
CONFIDENCE = {"pairformer_depth": "depth", "pairformer_kwargs": "pairformer"}
DIFFUSION = {
    "single_cond_kwargs": "single_cond",
    "pairwise_cond_kwargs": "pair_cond",
    "atom_encoder_depth": "encoder_depth",
    "atom_encoder_heads": "encoder_heads",
    "token_transformer_depth": "depth",
    "token_transformer_heads": "heads",
    "atom_decoder_depth": "decoder_depth",
    "atom_decoder_heads": "decoder_heads",
    "dim_fourier": "dim_fourier",
}
TRANSITIONS = {"num_transitions": "count", "transition_expansion_factor": "factor"}
SAMPLER = {
    "sigma_min": "sigma_min",
    "sigma_max": "sigma_max",
    "rho": "rho",
    "S_noise": "noise_scale",
    "step_scale": "step_scale",
    "num_sample_steps": "steps",
    "gamma": "gamma",
    "gamma_min": "gamma_min",
    **dict.fromkeys(("P_mean", "P_std", "augment_during_sampling")),
    **dict.fromkeys(("S_churn", "S_tmin", "S_tmax", "karras_formulation")),
}
TRAINING_NOISE: dict[str, str | None] = dict.fromkeys(SAMPLER) | {"P_mean": "P_mean", "P_std": "P_std"}
KARRAS = {"S_churn", "S_tmin", "S_tmax", "karras_formulation"}
POSITIONS = {"r_max": "r_max", "s_max": "s_max"}
CONSTRAINTS = {"pocket": 1, "contact": 1, "docking": 4}  # features of each kind of pair constraint


def unknown_names(given: Mapping[str, Any], known: Mapping[str, Any] | list[str], where: str) -> None:
    """Raise TypeError for names that do not exist, naming the near ones."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, list(known), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; it takes {', '.join(known)}"
            raise TypeError(f"{where} has no argument {name!r}{hint}")


def options(given: Mapping[str, Any] | None, table: Mapping[str, str | None], where: str) -> dict[str, Any]:
    """The given options under our names."""
    given = given or {}
    unknown_names(given, table, where)
    return {field: value for name, value in given.items() if (field := table[name]) is not None and value is not None}


def pair_config(
    base: PairConfig, given: Mapping[str, Any], dim: int, where: str, dropout: float | None = None
) -> PairConfig:
    values = options(given, PAIR_BLOCK, f"{where}['pairwise_block_kwargs']")
    settings: dict[str, Any] = {"hidden": dim, "heads": base.heads, "dim_head": base.dim_head, "factor": base.factor}
    settings["dropout"] = base.dropout if dropout is None else dropout
    return PairConfig(**(settings | values))


def pairformer(given: Mapping[str, Any] | None, dim_pair: int, where: str) -> dict[str, Any]:
    values = options(given, PAIRFORMER, where)
    pair = pair_config(PairConfig(), values.pop("pair", {}), dim_pair, where, values.pop("dropout", None))
    return {"heads": 16, "dim_head": 64, "pair": pair} | values


def sampler_config(given: Mapping[str, Any] | None) -> SamplerConfig:
    karras = KARRAS & set(given or {})
    if karras:
        warnings.warn(
            f"edm_kwargs {sorted(karras)} have no effect: the sampler is that of AF3 Algorithm 18 (gamma, gamma_min)",
            stacklevel=4,
        )
    return SamplerConfig(**options(given, SAMPLER, "edm_kwargs"))


def diffusion_config(given: Mapping[str, Any] | None, dim_token: int, sigma_data: float) -> DiffusionConfig:
    values = options(given, DIFFUSION, "diffusion_module_kwargs")
    counts = {}
    for name, field in (("single_cond", "single_transitions"), ("pair_cond", "pair_transitions")):
        transitions = options(values.pop(name, {}), TRANSITIONS, f"diffusion_module_kwargs['{name}_kwargs']")
        if transitions.pop("factor", 2) != 2:
            raise ValueError(
                "transition_expansion_factor: the conditioning transitions have factor 2 (AF3 Algorithm 21)"
            )
        counts[field] = transitions.get("count", 2)
    atoms = {}
    for name in ("encoder", "decoder"):
        depth, heads = values.pop(f"{name}_depth", 3), values.pop(f"{name}_heads", 4)
        atoms[name] = AtomTransformerConfig(depth, heads)
    return DiffusionConfig(dim_token=dim_token, sigma_data=sigma_data, **counts, **atoms, **values)


def constraint_width(constraints: list[str] | None) -> int:
    for name in constraints or []:
        if name not in CONSTRAINTS:
            raise ValueError(f"constraints: {name!r} is not one of {', '.join(CONSTRAINTS)}")
    return sum(CONSTRAINTS[name] for name in constraints or [])


def network_config(arguments: Mapping[str, Any]) -> NetworkConfig:
    """The network that the arguments of `Alphafold3` describe, defaults filled in and bins given by their edges."""
    a = arguments
    dim_pair = a["dim_pairwise"]
    msa = options(a["msa_module_kwargs"], MSA, "msa_module_kwargs")
    msa_pair = pair_config(PairConfig(), msa.pop("pair", {}), dim_pair, "msa_module_kwargs")
    templates = options(a["template_embedder_kwargs"], TEMPLATES, "template_embedder_kwargs")
    dim_template = a["dim_template_model"]
    template_pair = pair_config(
        TemplateConfig().pair, templates.pop("pair", {}), dim_template, "template_embedder_kwargs"
    )
    confidence = options(a["confidence_head_kwargs"], CONFIDENCE, "confidence_head_kwargs")
    judge = pairformer(confidence.pop("pairformer", {}), dim_pair, "confidence_head_kwargs['pairformer_kwargs']")
    positions = options(a["relative_position_encoding_kwargs"], POSITIONS, "relative_position_encoding_kwargs")
    window = a["atoms_per_window"]
    return NetworkConfig(
        dim_single=a["dim_single"],
        dim_pair=dim_pair,
        dim_input_token=a["dim_input_embedder_token"],
        input_encoder=AtomTransformerConfig(**options(a["input_embedder_kwargs"], ATOMS, "input_embedder_kwargs")),
        residue_types=a["num_molecule_types"],
        token_features=a["dim_additional_token_feats"],
        modifications=a["num_molecule_mods"],
        constraints=constraint_width(a["constraints"]),
        atoms=AtomConfig(
            dim=a["dim_atom"],
            dim_pair=a["dim_atompair"],
            features=a["dim_atom_inputs"],
            pair_features=a["dim_atompair_inputs"],
            types=a["num_atom_embeds"],
            pair_types=a["num_atompair_embeds"],
            queries=window,
            keys=4 * window,
        ),
        msa=MsaConfig(
            types=a["dim_msa_inputs"],
            features=a["dim_additional_msa_feats"],
            pair=msa_pair,
            **({"dim_head": 32, "max_rows": None} | msa),
        ),
        templates=TemplateConfig(dim=dim_template, features=a["dim_template_feats"], pair=template_pair, **templates),
        pairformer=PairformerConfig(**pairformer(a["pairformer_stack"], dim_pair, "pairformer_stack")),
        diffusion=diffusion_config(a["diffusion_module_kwargs"], a["dim_token"], float(a["sigma_data"])),
        confidence=ConfidenceConfig(
            plddt_bins=a["num_plddt_bins"],
            pae_bins=len(a["pae_bins"]) - 1,
            pde_bins=len(a["pde_bins"]) - 1,
            **(judge | confidence),
        ),
        distogram_bins=len(a["distance_bins"]) - 1,
        sampler=sampler_config(a["edm_kwargs"]),
        **positions,
    )
