"""Protenix (ByteDance): sizes and rules, for all its versions."""

from collections.abc import Collection

import torch

from alphafold3_pytorch.models.config import (
    AtomConfig,
    ConfidenceConfig,
    DiffusionConfig,
    MsaConfig,
    NetworkConfig,
    PairConfig,
    PairformerConfig,
    SamplerConfig,
    SubstructureConfig,
    TemplateConfig,
)
from alphafold3_pytorch.weights.blocks import Names, blocks, joined, linear, norm
from alphafold3_pytorch.weights.rules import Ignore, Part, Rule, Rulebook, columns, permute, reshape, rule
from alphafold3_pytorch.weights.sizes import Sizes

NAMES = Names(
    triangle_bias="linear",
    transition=("layernorm1", "linear_no_bias_a", "linear_no_bias_b", "linear_no_bias"),
    single="attention_pair_bias",
    single_norm="layernorm_a",
    single_norm_pair="layernorm_z",
    single_bias="linear_nobias_z",
    single_projections="attention",
    pair_stack="",
    ada="layernorm_a",
    ada_query="layernorm_a",
    ada_key="layernorm_kv",
    ada_cond="layernorm_s",
    ada_scale="linear_s",
    ada_shift="linear_nobias_s",
    attention_gate="linear_a_last",
    conditioned="conditioned_transition_block",
    conditioned_norm="adaln",
    conditioned_project=("linear_nobias_a1", "linear_nobias_a2"),
    conditioned_out="linear_nobias_b",
    conditioned_gate="linear_s",
)
INPUTS, DENOISER, CONFIDENCE = "input_embedder.atom_attention_encoder", "diffusion_module", "confidence_head"
ATOM_BLOCKS = "atom_transformer.diffusion_transformer"
CONSTRAINTS = "constraint_embedder"
SUBSTRUCTURE = f"{CONSTRAINTS}.substructure_z_embedder"
LAYER = ("self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias")
LAYER += tuple(f"{part}.{kind}" for part in ("linear1", "linear2", "norm1", "norm2") for kind in ("weight", "bias"))


def recognises(keys: Collection[str]) -> bool:
    return "linear_no_bias_sinit.weight" in keys and "confidence_head.linear_no_bias_d_wo_onehot.weight" in keys


def pair_config(sizes: Sizes, block: str, dropout: float = 0.25) -> PairConfig:
    heads = sizes(f"{block}.tri_att_start.linear.weight")
    transition = f"{block}.pair_transition.linear_no_bias_a.weight"
    return PairConfig(
        hidden=sizes(f"{block}.tri_mul_out.linear_z.weight", 1),
        heads=heads,
        dim_head=sizes(f"{block}.tri_att_start.mha.linear_q.weight") // heads,
        factor=sizes(transition) // sizes(transition, 1),
        dropout=dropout,
    )


def config(sizes: Sizes) -> NetworkConfig:
    """The network of a checkpoint. Sampler and recycling settings are not in the file: see models.presets."""
    dim_single, dim_inputs = sizes("linear_no_bias_sinit.weight"), sizes("linear_no_bias_sinit.weight", 1)
    averaging = "msa_module.blocks.0.msa_stack.msa_pair_weighted_averaging"
    has_averaging = f"{averaging}.linear_no_bias_z.weight" in sizes
    heads = sizes(f"{averaging}.linear_no_bias_z.weight") if has_averaging else MsaConfig.heads
    templates = sizes.blocks("template_embedder.pairformer_stack.blocks")
    outer = "msa_module.blocks.0.outer_product_mean_msa.linear_1.weight"
    return NetworkConfig(
        dim_single=dim_single,
        dim_pair=sizes("linear_no_bias_zinit1.weight"),
        dim_input_token=dim_inputs - 65,
        input_encoder=NAMES.atom_transformer_config(sizes, f"{INPUTS}.{ATOM_BLOCKS}"),
        embedding_features=sizes("input_embedder.linear_esm.weight", 1) if _has_esm(sizes) else None,
        constraints=_constraint_width(sizes),
        unknown_constraint=False,
        substructure=_substructure(sizes),
        pair_from_single=True,
        atoms=AtomConfig(
            dim=sizes(f"{INPUTS}.linear_no_bias_f.weight"),
            dim_pair=sizes(f"{INPUTS}.linear_no_bias_d.weight"),
            key_norm="chained",
            shared_pair_norm=False,
        ),
        msa=MsaConfig(
            dim=sizes("msa_module.linear_no_bias_m.weight"),
            depth=sizes.blocks("msa_module.blocks"),
            hidden_outer=sizes(outer),
            heads=heads,
            dim_head=sizes(f"{averaging}.linear_no_bias_mv.weight") // heads if has_averaging else MsaConfig.dim_head,
            max_rows=16384,
            pair=pair_config(sizes, "msa_module.blocks.0.pair_stack"),
        ),
        templates=TemplateConfig(
            dim=sizes("template_embedder.linear_no_bias_a.weight"),
            depth=templates,
            pair=pair_config(sizes, "template_embedder.pairformer_stack.blocks.0"),
        )
        if templates
        else None,
        pairformer=PairformerConfig(
            sizes.blocks("pairformer_stack.blocks"),
            *heads_of(sizes, "pairformer_stack.blocks.0"),
            pair=pair_config(sizes, "pairformer_stack.blocks.0"),
        ),
        diffusion=diffusion_config(sizes),
        confidence=confidence_config(sizes),
        distogram_bins=sizes("distogram_head.linear.weight"),
        distogram_bias=True,
        sampler=SamplerConfig(end_at_zero=True),
        recycles=9,
    )


def heads_of(sizes: Sizes, block: str) -> tuple[int, int]:
    """How many heads, and how wide each."""
    heads = sizes(f"{block}.attention_pair_bias.linear_nobias_z.weight")
    return heads, sizes(f"{block}.attention_pair_bias.attention.linear_q.weight") // heads


def diffusion_config(sizes: Sizes) -> DiffusionConfig:
    blocks = f"{DENOISER}.diffusion_transformer.blocks"
    heads, dim_head = heads_of(sizes, f"{blocks}.0")
    return DiffusionConfig(
        dim_token=sizes(f"{DENOISER}.layernorm_a.weight"),
        depth=sizes.blocks(blocks),
        heads=heads,
        dim_head=dim_head,
        shared_pair_norm=False,
        encoder=NAMES.atom_transformer_config(sizes, f"{DENOISER}.atom_attention_encoder.{ATOM_BLOCKS}"),
        decoder=NAMES.atom_transformer_config(sizes, f"{DENOISER}.atom_attention_decoder.{ATOM_BLOCKS}"),
        dim_fourier=sizes(f"{DENOISER}.diffusion_conditioning.fourier_embedding.w"),
        embed_positions=True,
    )


def confidence_config(sizes: Sizes) -> ConfidenceConfig:
    slots, _, plddt_bins = sizes.shape(f"{CONFIDENCE}.plddt_weight", 3)
    blocks = f"{CONFIDENCE}.pairformer_stack.blocks"
    return ConfidenceConfig(
        sizes.blocks(blocks),
        *heads_of(sizes, f"{blocks}.0"),
        pair=pair_config(sizes, f"{blocks}.0", dropout=0.0),
        distance_bins=sizes(f"{CONFIDENCE}.linear_no_bias_d.weight", 1),
        plddt_bins=plddt_bins,
        pae_bins=sizes(f"{CONFIDENCE}.linear_no_bias_pae.weight"),
        pde_bins=sizes(f"{CONFIDENCE}.linear_no_bias_pde.weight"),
        atoms_per_token=slots,
        norm_single=True,
        raw_distance=True,
        sum_pairs=True,
    )


def _has_esm(sizes: Sizes) -> bool:
    return "input_embedder.linear_esm.weight" in sizes


CONSTRAINT_KEYS = tuple(f"{CONSTRAINTS}.{name}_z_embedder.weight" for name in ("pocket", "contact", "contact_atom"))


def _constraint_width(sizes: Sizes) -> int:
    return sum(sizes(key, 1) for key in CONSTRAINT_KEYS if key in sizes)


def _substructure(sizes: Sizes) -> SubstructureConfig | None:
    if f"{SUBSTRUCTURE}.input_proj.weight" not in sizes:
        return None
    dim, classes = sizes.shape(f"{SUBSTRUCTURE}.input_proj.weight", 2)
    return SubstructureConfig(classes, dim, heads=4, depth=sizes.blocks(f"{SUBSTRUCTURE}.transformer.layers"))


def rulebook(config: NetworkConfig) -> Rulebook:
    stacks = [
        *blocks(config.pairformer.depth, "pairformer_stack.blocks", "trunk.pairformer.blocks", NAMES.pairformer_block),
        *blocks(
            config.confidence.depth,
            f"{CONFIDENCE}.pairformer_stack.blocks",
            "confidence.blocks",
            NAMES.pairformer_block,
        ),
    ]
    rules = [
        *_inputs(config),
        *_trunk(config),
        *_templates(config),
        *_msa(config),
        *_denoiser(config),
        *_heads(config),
        *stacks,
    ]
    return Rulebook(tuple(rules), _ignores(config))


def _atoms(config: AtomConfig, theirs: str, ours: str) -> list[Rule]:
    """Their columns: position, then mask, element (number - 1), name, then charge. Ours: see FeatureBatch."""
    element = [4 + (number - 1) % 128 for number in range(128)]
    order = [0, 1, 2, 3, *element, 388, *range(132, 388)]
    features = [f"{theirs}.linear_no_bias_{name}.weight" for name in ("ref_pos", "f", "ref_charge")]
    return [
        rule(f"{ours}.atom.weight", *features, dim=1, sizes=(3, 385, 1), op=columns(order)),
        *joined(f"{ours}.pair", *(f"{theirs}.linear_no_bias_{x}" for x in ("d", "invd", "v")), dim=1, sizes=(3, 1, 1)),
        *linear(f"{theirs}.linear_no_bias_cl", f"{ours}.query"),
        *linear(f"{theirs}.linear_no_bias_cm", f"{ours}.key"),
        *(each for i in range(3) for each in linear(f"{theirs}.small_mlp.{2 * i + 1}", f"{ours}.mlp.layers.{i}")),
    ]


def _inputs(config: NetworkConfig) -> list[Rule]:
    rules = [
        *_atoms(config.atoms, INPUTS, "inputs.embedder"),
        *NAMES.transformer(
            f"{INPUTS}.{ATOM_BLOCKS}", "inputs.encoder.transformer", config.input_encoder.depth, of_atoms=True
        ),
        *linear(f"{INPUTS}.linear_no_bias_q", "inputs.encoder.token"),
    ]
    if config.embedding_features:
        rules += linear("input_embedder.linear_esm", "inputs.embedding")
    return rules


def _trunk(config: NetworkConfig) -> list[Rule]:
    rules = [
        *linear("linear_no_bias_sinit", "trunk.single"),
        *linear("linear_no_bias_zinit1", "trunk.pair_i"),
        *linear("linear_no_bias_zinit2", "trunk.pair_j"),
        *linear("relative_position_encoding.linear_no_bias", "trunk.relative_positions.project"),
        *linear("linear_no_bias_token_bond", "trunk.bonds"),
        *norm("layernorm_s", "trunk.norm_single"),
        *linear("linear_no_bias_s", "trunk.recycle_single"),
        *norm("layernorm_z_cycle", "trunk.norm_pair"),
        *linear("linear_no_bias_z_cycle", "trunk.recycle_pair"),
    ]
    if config.constraints:
        rules.append(rule("trunk.constraints.project.weight", *CONSTRAINT_KEYS, dim=1, sizes=(1, 2, 2)))
    if config.substructure:
        ours = "trunk.substructure"
        rules += linear(f"{SUBSTRUCTURE}.input_proj", f"{ours}.project")
        rules += linear(f"{SUBSTRUCTURE}.output_proj", f"{ours}.out")
        for i in range(config.substructure.depth):
            theirs = f"{SUBSTRUCTURE}.transformer.layers.{i}"
            rules += [rule(f"{ours}.layers.{i}.{name}", f"{theirs}.{name}") for name in LAYER]
    return rules


def _templates(config: NetworkConfig) -> list[Rule]:
    if config.templates is None:
        return []
    theirs, ours = "template_embedder", "trunk.templates"
    return [
        *norm(f"{theirs}.layernorm_z", f"{ours}.norm_pair"),
        *linear(f"{theirs}.linear_no_bias_z", f"{ours}.pair"),
        *linear(f"{theirs}.linear_no_bias_a", f"{ours}.features"),
        *norm(f"{theirs}.layernorm_v", f"{ours}.norm_out"),
        *linear(f"{theirs}.linear_no_bias_u", f"{ours}.out"),
        *blocks(config.templates.depth, f"{theirs}.pairformer_stack.blocks", f"{ours}.blocks", NAMES.pair_block),
    ]


def _msa(config: NetworkConfig) -> list[Rule]:
    rules = linear("msa_module.linear_no_bias_m", "trunk.msa.rows")
    rules += linear("msa_module.linear_no_bias_s", "trunk.msa.inputs")
    for i in range(config.msa.depth):
        theirs, ours = f"msa_module.blocks.{i}", f"trunk.msa.blocks.{i}"
        outer = f"{theirs}.outer_product_mean_msa"
        rules += norm(f"{outer}.layer_norm", f"{ours}.outer_product_mean.norm")
        rules += joined(f"{ours}.outer_product_mean.project", f"{outer}.linear_1", f"{outer}.linear_2")
        rules += linear(f"{outer}.linear_out", f"{ours}.outer_product_mean.out", bias=True)
        rules += NAMES.pair_block(f"{theirs}.pair_stack", f"{ours}.pair_block")
        if i < config.msa.depth - 1:
            averaging = f"{theirs}.msa_stack.msa_pair_weighted_averaging"
            rules += norm(f"{averaging}.layernorm_m", f"{ours}.averaging.norm")
            rules += norm(f"{averaging}.layernorm_z", f"{ours}.averaging.norm_pair")
            names = {"z": "pair_bias", "mv": "value", "mg": "gate", "out": "out"}
            for name, our_name in names.items():
                rules += linear(f"{averaging}.linear_no_bias_{name}", f"{ours}.averaging.{our_name}")
            rules += NAMES.swiglu(f"{theirs}.msa_stack.transition_m", f"{ours}.transition")
    return rules


def _denoiser(config: NetworkConfig) -> list[Rule]:
    diffusion = config.diffusion
    conditioning, ours = f"{DENOISER}.diffusion_conditioning", "diffusion.conditioning"
    encoder, decoder = f"{DENOISER}.atom_attention_encoder", f"{DENOISER}.atom_attention_decoder"
    rules = [
        *linear(f"{conditioning}.relpe.linear_no_bias", f"{ours}.relative_positions.project"),
        *linear(f"{conditioning}.layernorm_z", f"{ours}.norm_pair"),
        *linear(f"{conditioning}.linear_no_bias_z", f"{ours}.pair"),
        *linear(f"{conditioning}.layernorm_s", f"{ours}.norm_single"),
        *linear(f"{conditioning}.linear_no_bias_s", f"{ours}.single"),
        rule(f"{ours}.fourier.weight", f"{conditioning}.fourier_embedding.w"),
        rule(f"{ours}.fourier.phase", f"{conditioning}.fourier_embedding.b"),
        *linear(f"{conditioning}.layernorm_n", f"{ours}.norm_noise"),
        *linear(f"{conditioning}.linear_no_bias_n", f"{ours}.noise"),
        *_atoms(config.atoms, encoder, "diffusion.embedder"),
        *linear(f"{encoder}.layernorm_s", "diffusion.embedder.norm_single"),
        *linear(f"{encoder}.linear_no_bias_s", "diffusion.embedder.single"),
        *linear(f"{encoder}.layernorm_z", "diffusion.embedder.norm_token_pair"),
        *linear(f"{encoder}.linear_no_bias_z", "diffusion.embedder.token_pair"),
        *linear(f"{encoder}.linear_no_bias_r", "diffusion.encoder.positions"),
        *linear(f"{encoder}.linear_no_bias_q", "diffusion.encoder.token"),
        *linear(f"{DENOISER}.layernorm_s", "diffusion.norm_single"),
        *linear(f"{DENOISER}.linear_no_bias_s", "diffusion.single"),
        *linear(f"{DENOISER}.layernorm_a", "diffusion.norm_token"),
        *linear(f"{decoder}.linear_no_bias_a", "diffusion.decoder.token"),
        *linear(f"{decoder}.layernorm_q", "diffusion.decoder.norm"),
        *linear(f"{decoder}.linear_no_bias_out", "diffusion.decoder.out"),
    ]
    for kind, name in (("z", "pair_transitions"), ("s", "single_transitions")):
        for i in range(getattr(diffusion, name)):
            rules += NAMES.swiglu(f"{conditioning}.transition_{kind}{i + 1}", f"{ours}.{name}.{i}")
    stack = f"{DENOISER}.diffusion_transformer"
    rules += NAMES.transformer(stack, "diffusion.transformer", diffusion.depth)
    depths = {"encoder": diffusion.encoder.depth, "decoder": diffusion.decoder.depth}
    for name, depth in depths.items():
        blocks = f"{DENOISER}.atom_attention_{name}.{ATOM_BLOCKS}"
        rules += NAMES.transformer(blocks, f"diffusion.{name}.transformer", depth, of_atoms=True)
    return rules


def _heads(config: NetworkConfig) -> list[Rule]:
    confidence, ours = config.confidence, "confidence"
    rules = [
        *linear("distogram_head.linear", "distogram.logits", bias=config.distogram_bias),
        *norm(f"{CONFIDENCE}.input_strunk_ln", f"{ours}.norm_single"),
        *linear(f"{CONFIDENCE}.linear_no_bias_s1", f"{ours}.inputs_j"),
        *linear(f"{CONFIDENCE}.linear_no_bias_s2", f"{ours}.inputs_i"),
        *linear(f"{CONFIDENCE}.linear_no_bias_d", f"{ours}.distance_bins"),
        *linear(f"{CONFIDENCE}.linear_no_bias_d_wo_onehot", f"{ours}.distance"),
        *linear(f"{CONFIDENCE}.linear_no_bias_pae", f"{ours}.pae"),
        *linear(f"{CONFIDENCE}.linear_no_bias_pde", f"{ours}.pde"),
    ]
    for name in ("pae", "pde", "plddt", "resolved"):
        rules += norm(f"{CONFIDENCE}.{name}_ln", f"{ours}.norm_{name}")
    for name, bins in (("plddt", confidence.plddt_bins), ("resolved", 2)):
        # (slot, channel, bin) -> (slot and bin, channel)
        slots, dim = confidence.atoms_per_token, config.dim_single
        op = reshape((slots, bins, dim), (slots * bins, dim))
        rules.append(rule(f"{ours}.{name}.weight", Part(f"{CONFIDENCE}.{name}_weight", permute(0, 2, 1)), op=op))
    return rules


def _ignores(config: NetworkConfig) -> tuple[Ignore, ...]:
    lower = 3.25 + 1.25 * torch.arange(config.confidence.distance_bins)
    bins = "the edges of the confidence head's distance bins are the same in every model"
    upper = torch.cat([lower[1:], torch.tensor([1e6])])
    ignores = [
        Ignore(f"{CONFIDENCE}.lower_bins", bins, fill=lower),
        Ignore(f"{CONFIDENCE}.upper_bins", bins, fill=upper),
    ]
    if config.templates is None:
        reason = "a template embedder without blocks is never run"
        dim, dim_pair = TemplateConfig.dim, config.dim_pair
        shapes = {
            "linear_no_bias_z.weight": (dim, dim_pair),
            "layernorm_z.weight": (dim_pair,),
            "layernorm_z.bias": (dim_pair,),
            "linear_no_bias_a.weight": (dim, TemplateConfig.features),
            "layernorm_v.weight": (dim,),
            "layernorm_v.bias": (dim,),
            "linear_no_bias_u.weight": (dim_pair, dim),
        }
        ignores += [Ignore(f"template_embedder.{key}", reason, shape) for key, shape in shapes.items()]
    return tuple(ignores)
