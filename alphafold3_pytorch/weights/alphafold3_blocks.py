"""Rules of the blocks of official AlphaFold 3: haiku scopes, stacked layers, weights as (in, out...)."""

import torch

from alphafold3_pytorch.models.config import (
    AtomTransformerConfig,
    ConfidenceConfig,
    MsaConfig,
    PairConfig,
    PairformerConfig,
)
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights.rules import KEEP, ROW, Op, Part, Rule, chain, dense, permute, reshape, rule

LAYERS = "__layer_stack_with_per_layer"  # the scope of the stacks of atom and token transformers


class Scope:
    """Rules for one layer of a stack (`index`), or for a module that is not stacked."""

    def __init__(self, theirs: str, ours: str, index: tuple[int, ...] = ()):
        self.theirs, self.ours, self.index = theirs, ours, index

    def part(self, name: str, op: Op = KEEP) -> Part:
        return Part(self.theirs + name, op, self.index)

    def weight(self, name: str, *out: int) -> Part:
        """A Linear stored as (in, *out)."""
        return self.part(f"{name}/weights", dense(*(out or (-1,))))

    def flipped(self, name: str, *out: int) -> Part:
        """A Linear stored as (*out, in)."""
        return self.part(f"{name}/weights", flat(*out))

    def bias(self, name: str, ours: str, *out: int) -> Rule:
        return rule(f"{self.ours}.{ours}.bias", self.part(f"{name}/bias", reshape(out or (-1,), (-1,))))

    def linear(self, name: str, ours: str, *out: int, op: Op = KEEP) -> Rule:
        return rule(f"{self.ours}.{ours}.weight", self.weight(name, *out), op=op)

    def scale(self, name: str, ours: str, op: Op = KEEP) -> Rule:
        return rule(f"{self.ours}.{ours}.weight", self.part(f"{name}/scale"), op=op)

    def norm(self, name: str, ours: str) -> list[Rule]:
        return [self.scale(name, ours), rule(f"{self.ours}.{ours}.bias", self.part(f"{name}/offset"))]

    def inside(self, theirs: str, ours: str) -> "Scope":
        return Scope(f"{self.theirs}{theirs}", f"{self.ours}.{ours}", self.index)


def flat(*out: int) -> Op:
    return Op(lambda x: x.reshape(-1, x.shape[-1]), lambda x: x.reshape(*out, x.shape[-1]))


def interleaved(swap: bool) -> Op:
    """Rows a0 b0 a1 b1 ... of theirs as a0 a1 ... b0 b1 ..., or b before a."""

    def load(x: Tensor) -> Tensor:
        return torch.cat([x[1::2], x[::2]] if swap else [x[::2], x[1::2]])

    def export(x: Tensor) -> Tensor:
        first, second = x.chunk(2)
        return torch.stack([second, first] if swap else [first, second], dim=1).flatten(0, 1)

    return Op(load, export)


def triangle_multiplication(scope: Scope, swap: bool) -> list[Rule]:
    """The incoming product of theirs is sum_k a_kj b_ki: their b is our left."""
    return [
        *scope.norm("left_norm_input", "norm_in"),
        *scope.norm("center_norm", "norm_out"),
        scope.linear("projection", "project", op=interleaved(swap)),
        scope.linear("gate", "gate", op=interleaved(swap)),
        scope.linear("output_projection", "out"),
        scope.linear("gating_linear", "out_gate"),
    ]


def triangle_attention(scope: Scope, heads: int) -> list[Rule]:
    queries, keys = scope.flipped("q_projection", heads, -1), scope.flipped("k_projection", heads, -1)
    return [
        *scope.norm("act_norm", "norm"),
        scope.linear("pair_bias_projection", "pair_bias"),
        rule(f"{scope.ours}.qkv.weight", queries, keys, scope.weight("v_projection", heads, -1)),
        rule(f"{scope.ours}.gate.weight", scope.flipped("gating_query", -1)),
        scope.linear("output_projection", "out"),
    ]


def transition(scope: Scope) -> list[Rule]:
    return [
        *scope.norm("input_layer_norm", "norm"),
        scope.linear("transition1", "project"),
        scope.linear("transition2", "out"),
    ]


def pair_block(scope: Scope, config: PairConfig) -> list[Rule]:
    return [
        *triangle_multiplication(scope.inside("/triangle_multiplication_outgoing/", "outgoing"), swap=False),
        *triangle_multiplication(scope.inside("/triangle_multiplication_incoming/", "incoming"), swap=True),
        *triangle_attention(scope.inside("/pair_attention1/", "starting"), config.heads),
        *triangle_attention(scope.inside("/pair_attention2/", "ending"), config.heads),
        *transition(scope.inside("/pair_transition/", "transition")),
    ]


def attention(scope: Scope, heads: int, widths: tuple[int, ...] = ()) -> list[Rule]:
    """`widths` of keys and values, if they differ."""
    keys, values = scope.weight("k_projection", heads, -1), scope.weight("v_projection", heads, -1)
    return [
        scope.linear("q_projection", "q", heads, -1),
        scope.bias("q_projection", "q", heads, -1),
        rule(f"{scope.ours}.kv.weight", keys, values, sizes=widths),
        scope.linear("gating_query", "gate"),
        scope.linear("transition2", "out"),
    ]


def pairformer_block(scope: Scope, config: PairformerConfig | ConfidenceConfig) -> list[Rule]:
    single = scope.inside("/single_attention_", "attention")
    pair = scope.inside("/single_pair_logits_", "attention")
    return [
        *pair_block(scope.inside("", "pair_block"), config.pair),
        *single.norm("layer_norm", "norm"),
        *attention(single, config.heads),
        *pair.norm("norm", "norm_pair"),
        pair.linear("projection", "pair_bias"),
        *transition(scope.inside("/single_transition/", "transition")),
    ]


def msa_block(scope: Scope, config: MsaConfig, last: bool) -> list[Rule]:
    outer, hidden = scope.inside("/outer_product_mean/", "outer_product_mean"), config.hidden_outer
    flatten = chain(reshape((hidden, hidden, -1), (hidden * hidden, -1)), permute(1, 0))
    rules = [
        *outer.norm("layer_norm_input", "norm"),
        rule(f"{outer.ours}.project.weight", outer.weight("left_projection"), outer.weight("right_projection")),
        rule(f"{outer.ours}.out.weight", outer.part("output_w", flatten)),
        rule(f"{outer.ours}.out.bias", outer.part("output_b")),
        *pair_block(scope.inside("", "pair_block"), config.pair),
    ]
    if not last:
        rows = scope.inside("/msa_attention1/", "averaging")
        rules += [
            *rows.norm("act_norm", "norm"),
            *rows.norm("pair_norm", "norm_pair"),
            rows.linear("pair_logits", "pair_bias"),
            rows.linear("v_projection", "value", config.heads, -1),
            rows.linear("gating_query", "gate"),
            rows.linear("output_projection", "out"),
            *transition(scope.inside("/msa_transition/", "transition")),
        ]
    return rules


def adaptive_norm(scope: Scope, prefix: str, ours: str) -> list[Rule]:
    return [
        scope.scale(f"{prefix}single_cond_layer_norm", f"{ours}.norm_cond"),
        scope.linear(f"{prefix}single_cond_scale", f"{ours}.scale"),
        scope.bias(f"{prefix}single_cond_scale", f"{ours}.scale"),
        scope.linear(f"{prefix}single_cond_bias", f"{ours}.shift"),
    ]


def transformer_block(scope: Scope, heads: int, of_atoms: bool, widths: tuple[int, ...] = ()) -> list[Rule]:
    within = scope.inside("", "attention")
    norms = adaptive_norm(within, "q" if of_atoms else "", "norm")
    return [
        *(norms + adaptive_norm(within, "k", "norm_key") if of_atoms else norms),
        *attention(within, heads, widths),
        within.linear("adaptive_zero_cond", "out_gate"),
        within.bias("adaptive_zero_cond", "out_gate"),
        *adaptive_norm(scope, "ffw_", "transition.norm"),
        scope.linear("ffw_transition1", "transition.project"),
        scope.linear("ffw_transition2", "transition.out"),
        scope.linear("ffw_adaptive_zero_cond", "transition.out_gate"),
        scope.bias("ffw_adaptive_zero_cond", "transition.out_gate"),
    ]


def atom_transformer(config: AtomTransformerConfig, theirs: str, ours: str, dim: int) -> list[Rule]:
    name, dim_head = theirs.rsplit("/", 1)[1], config.dim_head or dim // config.heads
    widths = config.heads * dim_head, config.heads * (config.dim_value or dim_head)
    layers = f"{theirs}/{LAYERS}/{name}"
    return [
        rule(f"{ours}.pair_bias.scale", Part(f"{theirs}/pair_input_layer_norm/scale", ROW)),
        rule(f"{ours}.pair_bias.weight", Part(f"{theirs}/pair_logits_projection/weights", permute(1, 2, 0))),
        *(
            each
            for i in range(config.depth)
            for each in transformer_block(Scope(layers, f"{ours}.blocks.{i}", (i,)), config.heads, True, widths)
        ),
    ]


def atom_embedder(theirs: str, ours: str) -> list[Rule]:
    scope = Scope(theirs, ours)
    features = [scope.weight(f"embed_ref_{name}") for name in ("pos", "mask", "element", "charge", "atom_name")]
    names = ("pair_offsets_1", "pair_distances_1", "pair_offsets_valid")
    pairs = [scope.weight(f"embed_{name}") for name in names]
    return [
        rule(f"{ours}.atom.weight", *features, dim=1, sizes=(3, 1, 128, 1, 256)),
        rule(f"{ours}.pair.weight", *pairs, dim=1, sizes=(3, 1, 1)),
        scope.linear("single_to_pair_cond_row_1", "query"),
        scope.linear("single_to_pair_cond_col_1", "key"),
        *(scope.linear(f"pair_mlp_{i + 1}", f"mlp.layers.{i}") for i in range(3)),
    ]
