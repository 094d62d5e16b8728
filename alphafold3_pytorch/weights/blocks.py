"""Rules of the blocks that PyTorch implementations of AlphaFold 3 write alike, differing in names only."""

from collections.abc import Callable
from dataclasses import dataclass

from alphafold3_pytorch.models.config import AtomTransformerConfig
from alphafold3_pytorch.weights.rules import ROW, Part, Rule, rule
from alphafold3_pytorch.weights.sizes import Sizes


def norm(theirs: str, ours: str) -> list[Rule]:
    return [rule(f"{ours}.weight", f"{theirs}.weight"), rule(f"{ours}.bias", f"{theirs}.bias")]


def linear(theirs: str, ours: str, bias: bool = False) -> list[Rule]:
    return [rule(f"{ours}.{name}", f"{theirs}.{name}") for name in (("weight", "bias") if bias else ("weight",))]


def blocks(depth: int, theirs: str, ours: str, of_block: Callable[[str, str], list[Rule]]) -> list[Rule]:
    return [each for i in range(depth) for each in of_block(f"{theirs}.{i}", f"{ours}.{i}")]


def joined(ours: str, *theirs: str, dim: int = 0, sizes: tuple[int, ...] = ()) -> list[Rule]:
    """Several Linears without bias as one."""
    return [rule(f"{ours}.weight", *(f"{key}.weight" for key in theirs), dim=dim, sizes=sizes)]


def triangle_multiplication(theirs: str, ours: str) -> list[Rule]:
    return [
        *norm(f"{theirs}.layer_norm_in", f"{ours}.norm_in"),
        *norm(f"{theirs}.layer_norm_out", f"{ours}.norm_out"),
        *joined(f"{ours}.project", f"{theirs}.linear_a_p", f"{theirs}.linear_b_p"),
        *joined(f"{ours}.gate", f"{theirs}.linear_a_g", f"{theirs}.linear_b_g"),
        *linear(f"{theirs}.linear_z", f"{ours}.out"),
        *linear(f"{theirs}.linear_g", f"{ours}.out_gate"),
    ]


@dataclass(frozen=True)
class Names:
    """What a peer calls the parts of its blocks."""

    triangle_bias: str
    transition: tuple[str, str, str, str]  # norm, gate, value, out
    single: str  # prefix of the single attention in a pairformer block
    single_norm: str
    single_norm_pair: str
    single_bias: str
    single_projections: str
    pair_stack: str  # prefix of the pair updates within a pairformer block
    ada: str  # adaptive norm of attention with a common key norm
    ada_query: str
    ada_key: str
    ada_cond: str  # within an adaptive norm: the norm of the condition, scale and shift
    ada_scale: str
    ada_shift: str
    attention_gate: str
    conditioned: str  # the conditioned transition
    conditioned_norm: str
    conditioned_project: tuple[str, str]
    conditioned_out: str
    conditioned_gate: str

    def triangle_attention(self, theirs: str, ours: str) -> list[Rule]:
        return [
            *norm(f"{theirs}.layer_norm", f"{ours}.norm"),
            *linear(f"{theirs}.{self.triangle_bias}", f"{ours}.pair_bias"),
            *joined(f"{ours}.qkv", *(f"{theirs}.mha.linear_{x}" for x in "qkv")),
            *linear(f"{theirs}.mha.linear_g", f"{ours}.gate"),
            *linear(f"{theirs}.mha.linear_o", f"{ours}.out"),
        ]

    def swiglu(self, theirs: str, ours: str) -> list[Rule]:
        layer_norm, gate, value, out = (f"{theirs}.{name}" for name in self.transition)
        return [*norm(layer_norm, f"{ours}.norm"), *joined(f"{ours}.project", gate, value), *linear(out, f"{ours}.out")]

    def pair_block(self, theirs: str, ours: str) -> list[Rule]:
        return [
            *triangle_multiplication(f"{theirs}.tri_mul_out", f"{ours}.outgoing"),
            *triangle_multiplication(f"{theirs}.tri_mul_in", f"{ours}.incoming"),
            *self.triangle_attention(f"{theirs}.tri_att_start", f"{ours}.starting"),
            *self.triangle_attention(f"{theirs}.tri_att_end", f"{ours}.ending"),
            *self.swiglu(f"{theirs}.pair_transition", f"{ours}.transition"),
        ]

    def pairformer_block(self, theirs: str, ours: str) -> list[Rule]:
        attention, projections = f"{theirs}.{self.single}", f"{theirs}.{self.single}.{self.single_projections}"
        return [
            *self.pair_block(f"{theirs}{self.pair_stack}", f"{ours}.pair_block"),
            *norm(f"{attention}.{self.single_norm}", f"{ours}.attention.norm"),
            *norm(f"{attention}.{self.single_norm_pair}", f"{ours}.attention.norm_pair"),
            *linear(f"{attention}.{self.single_bias}", f"{ours}.attention.pair_bias"),
            *self.projections(projections, f"{ours}.attention"),
            *self.swiglu(f"{theirs}.single_transition", f"{ours}.transition"),
        ]

    def projections(self, theirs: str, ours: str) -> list[Rule]:
        return [
            *linear(f"{theirs}.linear_q", f"{ours}.q", bias=True),
            *joined(f"{ours}.kv", f"{theirs}.linear_k", f"{theirs}.linear_v"),
            *linear(f"{theirs}.linear_g", f"{ours}.gate"),
            *linear(f"{theirs}.linear_o", f"{ours}.out"),
        ]

    def adaptive_norm(self, theirs: str, ours: str) -> list[Rule]:
        return [
            *linear(f"{theirs}.{self.ada_cond}", f"{ours}.norm_cond"),
            *linear(f"{theirs}.{self.ada_scale}", f"{ours}.scale", bias=True),
            *linear(f"{theirs}.{self.ada_shift}", f"{ours}.shift"),
        ]

    def transformer_block(self, theirs: str, ours: str, of_atoms: bool) -> list[Rule]:
        attention, transition = f"{theirs}.attention_pair_bias", f"{theirs}.{self.conditioned}"
        query = self.ada_query if of_atoms else self.ada
        key = self.adaptive_norm(f"{attention}.{self.ada_key}", f"{ours}.attention.norm_key") if of_atoms else []
        return [
            *self.adaptive_norm(f"{attention}.{query}", f"{ours}.attention.norm"),
            *key,
            *self.projections(f"{attention}.{self.single_projections}", f"{ours}.attention"),
            *linear(f"{attention}.{self.attention_gate}", f"{ours}.attention.out_gate", bias=True),
            *self.adaptive_norm(f"{transition}.{self.conditioned_norm}", f"{ours}.transition.norm"),
            *joined(f"{ours}.transition.project", *(f"{transition}.{name}" for name in self.conditioned_project)),
            *linear(f"{transition}.{self.conditioned_out}", f"{ours}.transition.out"),
            *linear(f"{transition}.{self.conditioned_gate}", f"{ours}.transition.out_gate", bias=True),
        ]

    def atom_transformer_config(self, sizes: Sizes, theirs: str) -> AtomTransformerConfig:
        heads = sizes(f"{theirs}.blocks.0.attention_pair_bias.{self.single_bias}.weight")
        inner = sizes(f"{theirs}.blocks.0.attention_pair_bias.{self.single_projections}.linear_q.weight")
        return AtomTransformerConfig(sizes.blocks(f"{theirs}.blocks"), heads, inner // heads)

    def transformer(
        self, theirs: str, ours: str, depth: int, of_atoms: bool = False, stack_norm: str | None = None
    ) -> list[Rule]:
        """A stack of conditioned blocks; `stack_norm` is the norm of the pair if it is one for the whole stack."""
        blocks = [f"{theirs}.blocks.{i}" for i in range(depth)]
        biases = [Part(f"{block}.attention_pair_bias.{self.single_bias}.weight", ROW) for block in blocks]
        norms = [f"{block}.attention_pair_bias.{self.single_norm_pair}.weight" for block in blocks]
        scales = [Part(key, ROW) for key in ([f"{stack_norm}.weight"] if stack_norm else norms)]
        return [
            rule(f"{ours}.pair_bias.weight", *biases),
            rule(f"{ours}.pair_bias.scale", *scales),
            *(
                each
                for i, block in enumerate(blocks)
                for each in self.transformer_block(block, f"{ours}.blocks.{i}", of_atoms)
            ),
        ]
