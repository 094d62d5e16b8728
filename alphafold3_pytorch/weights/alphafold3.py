"""Official AlphaFold 3 (DeepMind): sizes and rules of the haiku parameters."""

import json
from collections.abc import Collection
from importlib import resources

import torch

from alphafold3_pytorch.models.config import (
    AtomConfig,
    AtomTransformerConfig,
    ConfidenceConfig,
    DiffusionConfig,
    MsaConfig,
    NetworkConfig,
    PairConfig,
    PairformerConfig,
    TemplateConfig,
)
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights.alphafold3_blocks import (
    LAYERS,
    Scope,
    atom_embedder,
    atom_transformer,
    msa_block,
    pair_block,
    pairformer_block,
    transformer_block,
)
from alphafold3_pytorch.weights.records import IDENTIFIER
from alphafold3_pytorch.weights.rules import COLUMN, ROW, Ignore, Op, Part, Rule, Rulebook, columns, permute, rule
from alphafold3_pytorch.weights.sizes import Sizes

EVO, HEAD, JUDGE = "diffuser/evoformer", "diffuser/~/diffusion_head", "diffuser/confidence_head"
TRUNK = f"{EVO}/__layer_stack_no_per_layer_1/trunk_pairformer"
MSA = f"{EVO}/__layer_stack_no_per_layer/msa_stack"
TEMPLATE = f"{EVO}/template_embedding/single_template_embedding"
TEMPLATE_STACK = f"{TEMPLATE}/__layer_stack_no_per_layer/template_embedding_iteration"
CONFIDENCE = f"{JUDGE}/__layer_stack_no_per_layer/confidence_pairformer"
TOKENS = f"{HEAD}/transformer"
# Our residue classes in theirs: 20 amino acids, unknown, A G C U, unknown, DA DG DC DT, unknown, gap.
RESIDUES = (*range(21), 22, 23, 24, 25, 30, 26, 27, 28, 29, 30, 21)
CLASSES = 31


def recognises(keys: Collection[str]) -> bool:
    return any(key.startswith("diffuser/") for key in keys)


def fourier_constants() -> tuple[Tensor, Tensor]:
    """The frequencies and phases of the noise embedding, which the parameter file does not hold."""
    path = resources.files("alphafold3_pytorch.weights") / "alphafold3_fourier.json"
    constants = json.loads(path.read_text())
    return torch.tensor(constants["weight"]), torch.tensor(constants["phase"])


def config(sizes: Sizes) -> NetworkConfig:
    """The network of a parameter file."""
    dim_inputs, dim_single = sizes.shape(f"{EVO}/single_activations/weights", 2)
    inputs = f"{EVO}_conditioning_"
    msa, averaging = f"{MSA}/outer_product_mean/left_projection/weights", f"{MSA}/msa_attention1/v_projection/weights"
    queries = f"{TRUNK}/single_attention_q_projection/weights"
    return NetworkConfig(
        dim_single=dim_single,
        dim_pair=sizes(f"{EVO}/left_single/weights", 1),
        dim_input_token=dim_inputs - 2 * CLASSES - 1,
        input_encoder=atom_transformer_config(sizes, f"{inputs}atom_transformer_encoder"),
        residue_types=CLASSES,
        residue_table=RESIDUES,
        atoms=AtomConfig(
            dim=sizes(f"{inputs}embed_ref_pos/weights", 1),
            dim_pair=sizes(f"{inputs}embed_pair_offsets_1/weights", 1),
            key_norm="own",
            mask_keys=False,
        ),
        msa=MsaConfig(
            dim=sizes(msa, 1),
            depth=sizes(msa),
            hidden_outer=sizes(msa, 2),
            heads=sizes(averaging, 2),
            dim_head=sizes(averaging, 3),
            pair=pair_config(sizes, MSA),
        ),
        templates=TemplateConfig(
            dim=sizes(f"{TEMPLATE}/output_layer_norm/scale"),
            features=39 + 1 + 2 * CLASSES + 3 + 1,
            depth=sizes(f"{TEMPLATE_STACK}/pair_attention1/act_norm/scale"),
            pair=pair_config(sizes, TEMPLATE_STACK),
        ),
        pairformer=PairformerConfig(
            depth=sizes(queries),
            heads=sizes(queries, 2),
            dim_head=sizes(queries, 3),
            pair=pair_config(sizes, TRUNK),
        ),
        diffusion=diffusion_config(sizes),
        confidence=confidence_config(sizes),
        distogram_bins=sizes("diffuser/distogram_head/half_logits/weights", 1),
    )


def diffusion_config(sizes: Sizes) -> DiffusionConfig:
    outer, _, inner, heads = sizes.shape(f"{TOKENS}/{LAYERS}/pair_logits_projection/weights", 4)
    atoms = f"{HEAD}/diffusion_atom_transformer"
    return DiffusionConfig(
        dim_token=sizes(f"{HEAD}/output_norm/scale"),
        dim_single=sizes(f"{HEAD}/single_cond_initial_projection/weights", 1),
        dim_pair=sizes(f"{HEAD}/pair_cond_initial_projection/weights", 1),
        depth=outer * inner,
        group=inner,
        heads=heads,
        dim_head=sizes(f"{TOKENS}/{LAYERS}/{LAYERS}/transformerq_projection/weights", 4),
        encoder=atom_transformer_config(sizes, f"{atoms}_encoder"),
        decoder=atom_transformer_config(sizes, f"{atoms}_decoder"),
        dim_fourier=sizes(f"{HEAD}/noise_embedding_initial_norm/scale"),
    )


def confidence_config(sizes: Sizes) -> ConfidenceConfig:
    depth, _, heads, dim_head = sizes.shape(f"{CONFIDENCE}/single_attention_q_projection/weights", 4)
    _, slots, plddt_bins = sizes.shape(f"{JUDGE}/plddt_logits/weights", 3)
    return ConfidenceConfig(
        depth=depth,
        heads=heads,
        dim_head=dim_head,
        pair=pair_config(sizes, CONFIDENCE, dropout=0.0),
        distance_bins=sizes(f"{JUDGE}/~_embed_features/distogram_feat_project/weights"),
        plddt_bins=plddt_bins,
        pae_bins=sizes(f"{JUDGE}/pae_logits/weights", 1),
        pde_bins=sizes(f"{JUDGE}/left_half_distance_logits/weights", 1),
        atoms_per_token=slots,
    )


def atom_transformer_config(sizes: Sizes, theirs: str) -> AtomTransformerConfig:
    _, depth, heads = sizes.shape(f"{theirs}/pair_logits_projection/weights", 3)
    layers = f"{theirs}/{LAYERS}/{theirs.rsplit('/', 1)[1]}"
    widths = (sizes(f"{layers}{name}_projection/weights", 3) for name in "qv")
    return AtomTransformerConfig(depth, heads, *widths)


def pair_config(sizes: Sizes, stack: str, dropout: float = 0.25) -> PairConfig:
    _, heads, dim_head, _ = sizes.shape(f"{stack}/pair_attention1/q_projection/weights", 4)
    _, inner, dim = sizes.shape(f"{stack}/pair_transition/transition2/weights", 3)
    return PairConfig(
        hidden=sizes(f"{stack}/triangle_multiplication_outgoing/center_norm/scale", 1),
        heads=heads,
        dim_head=dim_head,
        factor=inner // dim,
        dropout=dropout,
        swap_bias=True,
    )


def input_columns(config: NetworkConfig, before: int = 0) -> Op:
    """Their input representation ends, ours begins, with the token activation; `before` columns precede both."""
    first = before + 2 * CLASSES + 1
    order = [*range(before), *range(first, first + config.dim_input_token), *range(before, first)]
    return columns(order)


def trunk(config: NetworkConfig) -> list[Rule]:
    scope, reorder = Scope(f"{EVO}/", "trunk"), input_columns(config)
    rules = [
        *atom_embedder(f"{EVO}_conditioning_", "inputs.embedder"),
        *atom_transformer(
            config.input_encoder,
            f"{EVO}_conditioning_atom_transformer_encoder",
            "inputs.encoder.transformer",
            config.atoms.dim,
        ),
        Scope(f"{EVO}_conditioning_", "inputs").linear("project_atom_features_for_aggr", "encoder.token"),
        scope.linear("single_activations", "single", op=reorder),
        scope.linear("left_single", "pair_i", op=reorder),
        scope.linear("right_single", "pair_j", op=reorder),
        scope.linear("~_relative_encoding/position_activations", "relative_positions.project"),
        scope.linear("bond_embedding", "bonds"),
        *scope.norm("prev_embedding_layer_norm", "norm_pair"),
        scope.linear("prev_embedding", "recycle_pair"),
        *scope.norm("prev_single_embedding_layer_norm", "norm_single"),
        scope.linear("prev_single_embedding", "recycle_single"),
        scope.linear("msa_activations", "msa.rows"),
        scope.linear("extra_msa_target_feat", "msa.inputs", op=reorder),
    ]
    for i in range(config.msa.depth):
        last = i == config.msa.depth - 1
        rules += msa_block(Scope(MSA, f"trunk.msa.blocks.{i}", (i,)), config.msa, last)
    for i in range(config.pairformer.depth):
        rules += pairformer_block(Scope(TRUNK, f"trunk.pairformer.blocks.{i}", (i,)), config.pairformer)
    return rules + templates(config)


def templates(config: NetworkConfig) -> list[Rule]:
    scope = Scope(f"{TEMPLATE}/", "trunk.templates")
    widths = (39, 1, CLASSES, CLASSES, 1, 1, 1, 1)
    features = [
        scope.weight(f"template_pair_embedding_{i}")
        if width > 1
        else scope.part(f"template_pair_embedding_{i}/weights", COLUMN)
        for i, width in enumerate(widths)
    ]
    settings = config.templates or TemplateConfig(depth=0)
    return [
        rule("trunk.templates.features.weight", *features, dim=1, sizes=widths),
        scope.linear("template_pair_embedding_8", "pair"),
        *scope.norm("query_embedding_norm", "norm_pair"),
        *scope.norm("output_layer_norm", "norm_out"),
        Scope(f"{EVO}/template_embedding/", "trunk.templates").linear("output_linear", "out"),
        *(
            each
            for i in range(settings.depth)
            for each in pair_block(Scope(TEMPLATE_STACK, f"trunk.templates.blocks.{i}", (i,)), settings.pair)
        ),
    ]


def denoiser(config: NetworkConfig) -> list[Rule]:
    scope, condition = Scope(f"{HEAD}/", "diffusion"), Scope(f"{HEAD}/", "diffusion.conditioning")
    atoms = scope.inside("diffusion_", "embedder")
    reorder = input_columns(config, before=config.dim_single)
    diffusion = config.diffusion
    rules = [
        condition.scale("pair_cond_initial_norm", "norm_pair"),
        condition.linear("pair_cond_initial_projection", "pair"),
        condition.scale("single_cond_initial_norm", "norm_single", op=reorder),
        condition.linear("single_cond_initial_projection", "single", op=reorder),
        condition.scale("noise_embedding_initial_norm", "norm_noise"),
        condition.linear("noise_embedding_initial_projection", "noise"),
        *atom_embedder(f"{HEAD}/diffusion_", "diffusion.embedder"),
        atoms.scale("lnorm_trunk_single_cond", "norm_single"),
        atoms.linear("embed_trunk_single_cond", "single"),
        atoms.scale("lnorm_trunk_pair_cond", "norm_token_pair"),
        atoms.linear("embed_trunk_pair_cond", "token_pair"),
        scope.linear("diffusion_atom_positions_to_features", "encoder.positions"),
        scope.linear("diffusion_project_atom_features_for_aggr", "encoder.token"),
        scope.scale("single_cond_embedding_norm", "norm_single"),
        scope.linear("single_cond_embedding_projection", "single"),
        scope.scale("output_norm", "norm_token"),
        scope.linear("diffusion_project_token_features_for_broadcast", "decoder.token"),
        scope.scale("diffusion_atom_features_layer_norm", "decoder.norm"),
        scope.linear("diffusion_atom_features_to_position_update", "decoder.out"),
    ]
    for kind, count in (("pair", diffusion.pair_transitions), ("single", diffusion.single_transitions)):
        for i in range(count):
            part = Scope(f"{HEAD}/{kind}_transition_{i}ffw_", f"diffusion.conditioning.{kind}_transitions.{i}")
            rules += [*part.norm("layer_norm", "norm"), part.linear("transition1", "project")]
            rules += [part.linear("transition2", "out")]
    for name, settings in (("encoder", diffusion.encoder), ("decoder", diffusion.decoder)):
        theirs = f"{HEAD}/diffusion_atom_transformer_{name}"
        rules += atom_transformer(settings, theirs, f"diffusion.{name}.transformer", config.atoms.dim)
    return rules + token_transformer(diffusion)


def token_transformer(config: DiffusionConfig) -> list[Rule]:
    """Blocks in groups; one projection gives the pair biases of all blocks of a group."""
    ours, biases = "diffusion.transformer", f"{TOKENS}/{LAYERS}/pair_logits_projection/weights"
    groups = config.depth // config.group
    layers = f"{TOKENS}/{LAYERS}/{LAYERS}/transformer"
    rules = [
        rule(f"{ours}.pair_bias.scale", Part(f"{TOKENS}/pair_input_layer_norm/scale", ROW)),
        rule(f"{ours}.pair_bias.weight", *(Part(biases, permute(1, 2, 0), (i,)) for i in range(groups))),
    ]
    for i in range(config.depth):
        scope = Scope(layers, f"{ours}.blocks.{i}", divmod(i, config.group))
        rules += transformer_block(scope, config.heads, of_atoms=False)
    return rules


def heads(config: NetworkConfig) -> list[Rule]:
    scope, reorder = Scope(f"{JUDGE}/", "confidence"), input_columns(config)
    rules = [
        Scope("diffuser/distogram_head/", "distogram").linear("half_logits", "logits"),
        scope.linear("~_embed_features/left_target_feat_project", "inputs_j", op=reorder),
        scope.linear("~_embed_features/right_target_feat_project", "inputs_i", op=reorder),
        scope.linear("~_embed_features/distogram_feat_project", "distance_bins"),
        *scope.norm("pae_logits_ln", "norm_pae"),
        scope.linear("pae_logits", "pae"),
        *scope.norm("logits_ln", "norm_pde"),
        scope.linear("left_half_distance_logits", "pde"),
        *scope.norm("plddt_logits_ln", "norm_plddt"),
        scope.linear("plddt_logits", "plddt", config.confidence.atoms_per_token, -1),
        *scope.norm("experimentally_resolved_ln", "norm_resolved"),
        scope.linear("experimentally_resolved_logits", "resolved", config.confidence.atoms_per_token, -1),
    ]
    for i in range(config.confidence.depth):
        rules += pairformer_block(Scope(CONFIDENCE, f"confidence.blocks.{i}", (i,)), config.confidence)
    return rules


def rulebook(config: NetworkConfig) -> Rulebook:
    rules = [*trunk(config), *denoiser(config), *heads(config)]
    weight, phase = fourier_constants()
    fourier = "diffusion.conditioning.fourier"
    constants = {f"{fourier}.weight": weight, f"{fourier}.phase": phase}
    return Rulebook(tuple(rules), tuple(ignored(config)), constants=constants)


def ignored(config: NetworkConfig) -> list[Ignore]:
    identifier = Ignore(IDENTIFIER, "the identifier of the parameter release", optional=True)
    return [*_last_row_update(config.msa, config.dim_pair), *_first_copies(config.atoms), identifier]


def _last_row_update(config: MsaConfig, dim_pair: int) -> list[Ignore]:
    dim, heads = config.dim, config.heads
    inner = heads * config.dim_head
    attention = {
        "act_norm/scale": (dim,),
        "act_norm/offset": (dim,),
        "pair_norm/scale": (dim_pair,),
        "pair_norm/offset": (dim_pair,),
        "pair_logits/weights": (dim_pair, heads),
        "v_projection/weights": (dim, heads, config.dim_head),
        "gating_query/weights": (dim, inner),
        "output_projection/weights": (inner, dim),
    }
    transition = {
        "input_layer_norm/scale": (dim,),
        "input_layer_norm/offset": (dim,),
        "transition1/weights": (dim, 8 * dim),
        "transition2/weights": (4 * dim, dim),
    }
    shapes = {f"msa_attention1/{name}": shape for name, shape in attention.items()}
    shapes |= {f"msa_transition/{name}": shape for name, shape in transition.items()}
    reason = "the row update of the last MSA block, which nothing reads"
    return [Ignore(f"{MSA}/{name}", reason, shape, (config.depth - 1,)) for name, shape in shapes.items()]


def _first_copies(config: AtomConfig) -> list[Ignore]:
    reason = "a first copy that the model declares and does not read; the one ending in _1 is read"
    widths = {
        "single_to_pair_cond_row": config.dim,
        "single_to_pair_cond_col": config.dim,
        "embed_pair_offsets": 3,
        "embed_pair_distances": 1,
    }
    prefixes = f"{EVO}_conditioning_", f"{HEAD}/diffusion_"
    keys = {f"{prefix}{name}/weights": width for prefix in prefixes for name, width in widths.items()}
    return [Ignore(key, reason, (width, config.dim_pair)) for key, width in keys.items()]
