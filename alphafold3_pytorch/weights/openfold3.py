"""OpenFold3: sizes and rules of model versions 1 (p2, releases 0.4) and 2 (release 0.5)."""

from collections.abc import Collection, Mapping

import torch

from alphafold3_pytorch.models.config import (
    AtomConfig,
    ConfidenceConfig,
    DiffusionConfig,
    MsaConfig,
    NetworkConfig,
    PairConfig,
    PairformerConfig,
    TemplateConfig,
)
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights.blocks import Names, blocks, joined, linear, norm
from alphafold3_pytorch.weights.rules import Alias, Ignore, Part, Rule, Rulebook, WeightsError, pad_columns, rule
from alphafold3_pytorch.weights.sizes import Sizes

NAMES = Names(
    triangle_bias="linear_z",
    transition=("layer_norm", "swiglu.linear_a", "swiglu.linear_b", "linear_out"),
    single="attn_pair_bias",
    single_norm="layer_norm_a",
    single_norm_pair="layer_norm_z",
    single_bias="linear_z",
    single_projections="mha",
    pair_stack=".pair_stack",
    ada="layer_norm_a",
    ada_query="layer_norm_a_q",
    ada_key="layer_norm_a_k",
    ada_cond="layer_norm_s",
    ada_scale="linear_g",
    ada_shift="linear_s",
    attention_gate="linear_ada_out",
    conditioned="conditioned_transition",
    conditioned_norm="layer_norm",
    conditioned_project=("swiglu.linear_a", "swiglu.linear_b"),
    conditioned_out="linear_out",
    conditioned_gate="linear_g",
)
INPUTS, DENOISER, HEADS = "input_embedder.atom_attn_enc", "diffusion_module", "aux_heads"
CONFIDENCE = f"{HEADS}.pairformer_embedding"
STACK_NORM = f"{DENOISER}.diffusion_transformer.layer_norm_z.weight"
VERSION = "version_tensor"
ELEMENTS = 119  # theirs: atomic number - 1, the last for unknown


def recognises(keys: Collection[str]) -> bool:
    return "input_embedder.linear_token_bonds.weight" in keys and f"{HEADS}.distogram.linear.weight" in keys


def version_of_keys(keys: Collection[str]) -> int:
    """Version 2 has one norm of the pair for the whole diffusion transformer, version 1 one per block."""
    return 2 if STACK_NORM in keys else 1


def check(tensors: Mapping[str, Tensor]) -> None:
    """The version that a file states must be the one that its keys show: the two compute differently."""
    if VERSION not in tensors:
        return
    stated, shown = tensors[VERSION].flatten().tolist(), version_of_keys(tensors)
    if not stated or stated[0] != shown:
        numbers = ".".join(f"{number:g}" for number in stated) or "nothing"
        raise WeightsError(f"{VERSION} says model version {numbers}, but the other arrays are those of version {shown}")


def pair_config(sizes: Sizes, block: str, swap_bias: bool, dropout: float = 0.25) -> PairConfig:
    heads = sizes(f"{block}.tri_att_start.linear_z.weight")
    transition = f"{block}.pair_transition.swiglu.linear_a.weight"
    return PairConfig(
        hidden=sizes(f"{block}.tri_mul_out.linear_z.weight", 1),
        heads=heads,
        dim_head=sizes(f"{block}.tri_att_start.mha.linear_q.weight") // heads,
        factor=sizes(transition) // sizes(transition, 1),
        dropout=dropout,
        swap_bias=swap_bias,
    )


def config(sizes: Sizes) -> NetworkConfig:
    """The network of a checkpoint. Ending-node attention is biased by edge ik in version 2, by ki as in the paper in
    version 1: no shape shows that."""
    second = version_of_keys(sizes.shapes) == 2
    averaging, outer = "msa_module.blocks.0.msa_att_row", "msa_module.blocks.0.outer_product_mean.linear_1.weight"
    has_averaging = f"{averaging}.linear_z.weight" in sizes
    heads = sizes(f"{averaging}.linear_z.weight") if has_averaging else MsaConfig.heads
    stack, templates = "pairformer_stack.blocks", "template_embedder.template_pair_stack.blocks"
    return NetworkConfig(
        dim_single=sizes("input_embedder.linear_s.weight"),
        dim_pair=sizes("input_embedder.linear_z_i.weight"),
        dim_input_token=sizes("input_embedder.linear_s.weight", 1) - 65,
        input_encoder=NAMES.atom_transformer_config(sizes, f"{INPUTS}.atom_transformer"),
        atoms=AtomConfig(
            dim=sizes(f"{INPUTS}.linear_l.weight", 1),
            dim_pair=sizes(f"{INPUTS}.linear_l.weight"),
            key_norm="own",
        ),
        msa=MsaConfig(
            dim=sizes("msa_module_embedder.linear_m.weight"),
            depth=sizes.blocks("msa_module.blocks"),
            hidden_outer=sizes(outer),
            heads=heads,
            dim_head=sizes(f"{averaging}.linear_v.weight") // heads if has_averaging else MsaConfig.dim_head,
            pair=pair_config(sizes, "msa_module.blocks.0.pair_stack", second),
        ),
        templates=TemplateConfig(
            dim=sizes("template_embedder.linear_t.weight", 1),
            depth=sizes.blocks(templates),
            pair=pair_config(sizes, f"{templates}.0", second),
        ),
        pairformer=PairformerConfig(
            sizes.blocks(stack),
            *heads_of(sizes, f"{stack}.0.attn_pair_bias"),
            pair=pair_config(sizes, f"{stack}.0.pair_stack", second),
        ),
        diffusion=diffusion_config(sizes),
        confidence=confidence_config(sizes),
        distogram_bins=sizes(f"{HEADS}.distogram.linear.weight"),
        recycles=3,
    )


def heads_of(sizes: Sizes, attention: str) -> tuple[int, int]:
    """How many heads, and how wide each."""
    heads = sizes(f"{attention}.linear_z.weight")
    return heads, sizes(f"{attention}.mha.linear_q.weight") // heads


def diffusion_config(sizes: Sizes) -> DiffusionConfig:
    blocks = f"{DENOISER}.diffusion_transformer.blocks"
    heads, dim_head = heads_of(sizes, f"{blocks}.0.attention_pair_bias")
    return DiffusionConfig(
        dim_token=sizes(f"{DENOISER}.layer_norm_a.weight"),
        depth=sizes.blocks(blocks),
        heads=heads,
        dim_head=dim_head,
        shared_pair_norm=version_of_keys(sizes.shapes) == 2,
        encoder=NAMES.atom_transformer_config(sizes, f"{DENOISER}.atom_attn_enc.atom_transformer"),
        decoder=NAMES.atom_transformer_config(sizes, f"{DENOISER}.atom_attn_dec.atom_transformer"),
        dim_fourier=sizes(f"{DENOISER}.diffusion_conditioning.fourier_emb.w"),
    )


def confidence_config(sizes: Sizes) -> ConfidenceConfig:
    slots = sizes(f"{HEADS}.experimentally_resolved.linear.weight") // 2
    blocks = f"{CONFIDENCE}.pairformer_stack.blocks"
    return ConfidenceConfig(
        sizes.blocks(blocks),
        *heads_of(sizes, f"{blocks}.0.attn_pair_bias"),
        pair=pair_config(sizes, f"{blocks}.0.pair_stack", version_of_keys(sizes.shapes) == 2, dropout=0.0),
        distance_bins=sizes(f"{CONFIDENCE}.linear_distance.weight", 1),
        plddt_bins=sizes(f"{HEADS}.plddt.linear.weight") // slots,
        pae_bins=sizes(f"{HEADS}.pae.linear.weight"),
        pde_bins=sizes(f"{HEADS}.pde.linear.weight"),
        atoms_per_token=slots,
    )


def rulebook(config: NetworkConfig) -> Rulebook:
    rules = [
        *_inputs(config),
        *_trunk(config),
        *_templates(config),
        *_msa(config),
        *_denoiser(config),
        *_heads(config),
    ]
    version = torch.tensor([2.0 if config.diffusion.shared_pair_norm else 1.0, 0.0, 0.0])
    reason = "the version of the model, which its keys tell as well"
    alias = Alias(f"sample_diffusion.{DENOISER}.", f"{DENOISER}.")
    return Rulebook(tuple(rules), (Ignore(VERSION, reason, fill=version, optional=True),), (alias,))


def _atoms(theirs: str, ours: str) -> list[Rule]:
    features = f"{theirs}.ref_atom_feature_embedder"
    sources = {"pos": 3, "mask": 1, "element": 128, "charge": 1, "atom_chars": 256}
    parts = [
        Part(f"{features}.linear_ref_{name}.weight", pad_columns(1, 128 - ELEMENTS - 1))
        if name == "element"
        else Part(f"{features}.linear_ref_{name}.weight")
        for name in sources
    ]
    pair = [f"{features}.linear_{name}" for name in ("ref_offset", "inv_sq_dists", "valid_mask")]
    return [
        rule(f"{ours}.atom.weight", *parts, dim=1, sizes=tuple(sources.values())),
        *joined(f"{ours}.pair", *pair, dim=1, sizes=(3, 1, 1)),
        *linear(f"{theirs}.linear_l", f"{ours}.query"),
        *linear(f"{theirs}.linear_m", f"{ours}.key"),
        *(each for i in range(3) for each in linear(f"{theirs}.pair_mlp.{2 * i + 1}", f"{ours}.mlp.layers.{i}")),
    ]


def _atom_transformer(theirs: str, ours: str, depth: int) -> list[Rule]:
    theirs = f"{theirs}.atom_transformer"
    return NAMES.transformer(theirs, f"{ours}.transformer", depth, of_atoms=True, stack_norm=f"{theirs}.layer_norm_z")


def _inputs(config: NetworkConfig) -> list[Rule]:
    return [
        *_atoms(INPUTS, "inputs.embedder"),
        *_atom_transformer(INPUTS, "inputs.encoder", config.input_encoder.depth),
        *linear(f"{INPUTS}.linear_q.0", "inputs.encoder.token"),
    ]


def _trunk(config: NetworkConfig) -> list[Rule]:
    return [
        *linear("input_embedder.linear_s", "trunk.single"),
        *linear("input_embedder.linear_z_i", "trunk.pair_i"),
        *linear("input_embedder.linear_z_j", "trunk.pair_j"),
        *linear("input_embedder.linear_relpos", "trunk.relative_positions.project"),
        *linear("input_embedder.linear_token_bonds", "trunk.bonds"),
        *norm("layer_norm_s", "trunk.norm_single"),
        *linear("linear_s", "trunk.recycle_single"),
        *norm("layer_norm_z", "trunk.norm_pair"),
        *linear("linear_z", "trunk.recycle_pair"),
        *blocks(config.pairformer.depth, "pairformer_stack.blocks", "trunk.pairformer.blocks", NAMES.pairformer_block),
    ]


def _templates(config: NetworkConfig) -> list[Rule]:
    """Their features of residue types come i before j."""
    theirs, ours = "template_embedder.template_pair_embedder", "trunk.templates"
    stack = "template_embedder.template_pair_stack"
    names = ("dgram", "pseudo_beta_mask", "aatype", "aatype", "x", "y", "z", "backbone_mask")
    keys = [f"{theirs}.{name}_linear" for name in names]
    keys[2], keys[3] = f"{theirs}.aatype_linear_2", f"{theirs}.aatype_linear_1"
    depth = config.templates.depth if config.templates else 0
    return [
        *norm(f"{theirs}.layer_norm_z", f"{ours}.norm_pair"),
        *linear(f"{theirs}.linear_z", f"{ours}.pair"),
        *joined(f"{ours}.features", *keys, dim=1, sizes=(39, 1, 32, 32, 1, 1, 1, 1)),
        *norm(f"{stack}.layer_norm", f"{ours}.norm_out"),
        *linear("template_embedder.linear_t", f"{ours}.out"),
        *blocks(depth, f"{stack}.blocks", f"{ours}.blocks", NAMES.pair_block),
    ]


def _msa(config: NetworkConfig) -> list[Rule]:
    rules = linear("msa_module_embedder.linear_m", "trunk.msa.rows")
    rules += linear("msa_module_embedder.linear_s_input", "trunk.msa.inputs")
    for i in range(config.msa.depth):
        theirs, ours = f"msa_module.blocks.{i}", f"trunk.msa.blocks.{i}"
        outer = f"{theirs}.outer_product_mean"
        rules += norm(f"{outer}.layer_norm", f"{ours}.outer_product_mean.norm")
        rules += joined(f"{ours}.outer_product_mean.project", f"{outer}.linear_1", f"{outer}.linear_2")
        rules += linear(f"{outer}.linear_out", f"{ours}.outer_product_mean.out", bias=True)
        rules += NAMES.pair_block(f"{theirs}.pair_stack", f"{ours}.pair_block")
        if i < config.msa.depth - 1:
            averaging = f"{theirs}.msa_att_row"
            rules += norm(f"{averaging}.layer_norm_m", f"{ours}.averaging.norm")
            rules += norm(f"{averaging}.layer_norm_z", f"{ours}.averaging.norm_pair")
            for name, our_name in {"z": "pair_bias", "v": "value", "g": "gate", "o": "out"}.items():
                rules += linear(f"{averaging}.linear_{name}", f"{ours}.averaging.{our_name}")
            rules += NAMES.swiglu(f"{theirs}.msa_transition", f"{ours}.transition")
    return rules


def _denoiser(config: NetworkConfig) -> list[Rule]:
    diffusion = config.diffusion
    conditioning, ours = f"{DENOISER}.diffusion_conditioning", "diffusion.conditioning"
    encoder, decoder = f"{DENOISER}.atom_attn_enc", f"{DENOISER}.atom_attn_dec"
    noisy = f"{encoder}.noisy_position_embedder"
    stack = f"{DENOISER}.diffusion_transformer"
    rules = [
        *linear(f"{conditioning}.layer_norm_z", f"{ours}.norm_pair"),
        *linear(f"{conditioning}.linear_z", f"{ours}.pair"),
        *linear(f"{conditioning}.layer_norm_s", f"{ours}.norm_single"),
        *linear(f"{conditioning}.linear_s", f"{ours}.single"),
        rule(f"{ours}.fourier.weight", f"{conditioning}.fourier_emb.w"),
        rule(f"{ours}.fourier.phase", f"{conditioning}.fourier_emb.b"),
        *linear(f"{conditioning}.layer_norm_n", f"{ours}.norm_noise"),
        *linear(f"{conditioning}.linear_n", f"{ours}.noise"),
        *_atoms(encoder, "diffusion.embedder"),
        *linear(f"{noisy}.layer_norm_s", "diffusion.embedder.norm_single"),
        *linear(f"{noisy}.linear_s", "diffusion.embedder.single"),
        *linear(f"{noisy}.layer_norm_z", "diffusion.embedder.norm_token_pair"),
        *linear(f"{noisy}.linear_z", "diffusion.embedder.token_pair"),
        *linear(f"{noisy}.linear_r", "diffusion.encoder.positions"),
        *linear(f"{encoder}.linear_q.0", "diffusion.encoder.token"),
        *_atom_transformer(encoder, "diffusion.encoder", diffusion.encoder.depth),
        *linear(f"{DENOISER}.layer_norm_s", "diffusion.norm_single"),
        *linear(f"{DENOISER}.linear_s", "diffusion.single"),
        *linear(f"{DENOISER}.layer_norm_a", "diffusion.norm_token"),
        *linear(f"{decoder}.linear_q_in", "diffusion.decoder.token"),
        *linear(f"{decoder}.layer_norm", "diffusion.decoder.norm"),
        *linear(f"{decoder}.linear_q_out", "diffusion.decoder.out"),
        *_atom_transformer(decoder, "diffusion.decoder", diffusion.decoder.depth),
    ]
    for kind, name in (("z", "pair_transitions"), ("s", "single_transitions")):
        rules += blocks(getattr(diffusion, name), f"{conditioning}.transition_{kind}", f"{ours}.{name}", NAMES.swiglu)
    stack_norm = f"{stack}.layer_norm_z" if diffusion.shared_pair_norm else None
    return rules + NAMES.transformer(stack, "diffusion.transformer", diffusion.depth, stack_norm=stack_norm)


def _heads(config: NetworkConfig) -> list[Rule]:
    rules = [
        *linear(f"{HEADS}.distogram.linear", "distogram.logits"),
        *linear(f"{CONFIDENCE}.linear_i", "confidence.inputs_i"),
        *linear(f"{CONFIDENCE}.linear_j", "confidence.inputs_j"),
        *linear(f"{CONFIDENCE}.linear_distance", "confidence.distance_bins"),
        *blocks(
            config.confidence.depth,
            f"{CONFIDENCE}.pairformer_stack.blocks",
            "confidence.blocks",
            NAMES.pairformer_block,
        ),
    ]
    for theirs, ours in {"pae": "pae", "pde": "pde", "plddt": "plddt", "experimentally_resolved": "resolved"}.items():
        rules += norm(f"{HEADS}.{theirs}.layer_norm", f"confidence.norm_{ours}")
        rules += linear(f"{HEADS}.{theirs}.linear", f"confidence.{ours}")
    return rules
