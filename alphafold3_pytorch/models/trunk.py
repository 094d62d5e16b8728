"""From features to the single and pair representations (AF3 Algorithms 1 and 2)."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from alphafold3_pytorch import ops
from alphafold3_pytorch.features.batch import DenseTemplates, FeatureBatch, Msa, Templates
from alphafold3_pytorch.models.config import AtomConfig, AtomTransformerConfig, MsaConfig, NetworkConfig
from alphafold3_pytorch.nn.atoms import AtomEmbedder, AtomEmbedding, AtomEncoder
from alphafold3_pytorch.nn.constraints import ConstraintEmbedder, SubstructureEmbedder
from alphafold3_pytorch.nn.embed import RelativePositionEncoding, ResidueTypes
from alphafold3_pytorch.nn.pair import MSABlock, Options, PairformerBlock
from alphafold3_pytorch.nn.primitives import LayerNorm, Linear
from alphafold3_pytorch.nn.templates import TemplateEmbedder, template_pair_features
from alphafold3_pytorch.nn.transformer import AtomContext, AtomTransformer
from alphafold3_pytorch.shapes import Bool, Float, Tensor


def atom_embedder(config: AtomConfig, dim_single: int | None = None, dim_pair: int | None = None) -> AtomEmbedder:
    sizes = config.dim, config.dim_pair, config.features, config.pair_features
    return AtomEmbedder(*sizes, dim_single, dim_pair, config.types, config.pair_types)


def embed_atoms(
    embedder: AtomEmbedder, batch: FeatureBatch, trunk: tuple[Tensor, Tensor] | None = None
) -> AtomEmbedding:
    extra = batch.extra or {}
    types = extra.get("atom_types"), extra.get("atompair_types")
    return embedder(
        batch.atom_features, batch.atompair_features, batch.atom_to_token, batch.key_index, trunk=trunk, types=types
    )


def atom_context(transformer: AtomTransformer, batch: FeatureBatch, embedding: tuple[Tensor, Tensor]) -> AtomContext:
    return transformer.context(*embedding, batch.key_index, batch.atom_mask, (batch.extra or {}).get("atom_parents"))


def atom_transformer_options(config: AtomConfig, transformer: AtomTransformerConfig) -> dict[str, Any]:
    names = ("key_norm", "shared_pair_norm", "mask_keys")
    return asdict(transformer) | {name: getattr(config, name) for name in names}


class InputFeatureEmbedder(nn.Module):
    """AF3 Algorithm 2: one vector per token from its atoms, residue type and MSA profile."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        atoms = config.atoms
        self.embedder = atom_embedder(atoms)
        options = atom_transformer_options(atoms, config.input_encoder)
        self.encoder = AtomEncoder(atoms.dim, atoms.dim_pair, config.dim_input_token, **options)
        self.residues = ResidueTypes(config.residue_types, config.residue_table)
        width = config.embedding_features
        self.embedding = Linear(width, config.dim_inputs) if width else None

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b n ci"]:
        atom, pair = embed_atoms(self.embedder, batch)
        context = atom_context(self.encoder.transformer, batch, (atom, pair))
        tokens, _ = self.encoder(atom, context, batch.atom_to_token, batch.atom_mask, batch.token_mask.shape[1])
        restype = self.residues.one_hot(batch.restype, atom.dtype)
        inputs = torch.cat([tokens[:, 0], restype, *self.further(batch.token_features)], dim=-1)
        if self.embedding is not None:
            inputs = inputs + self.embedding((batch.extra or {})["token_embedding"])
        return inputs

    def further(self, features: Float[Tensor, "b n f"]) -> tuple[Tensor, ...]:
        """The profile in the weights' vocabulary, and what follows it."""
        if self.residues.table is None:
            return (features,)
        classes = len(self.residues.table)
        return self.residues.merge(features[..., :classes]), features[..., classes:]


class MSAModule(nn.Module):
    """AF3 Algorithm 8: MSA rows inform the pair representation."""

    def __init__(self, config: MsaConfig, dim_inputs: int, dim_pair: int, table: tuple[int, ...] | None = None):
        super().__init__()
        self.max_rows = config.max_rows
        self.residues = ResidueTypes(config.types, table)
        self.rows, self.inputs = Linear(config.types + config.features, config.dim), Linear(dim_inputs, config.dim)
        sizes = config.dim, dim_pair, config.hidden_outer, config.heads, config.dim_head, config.dropout
        self.blocks = nn.ModuleList(
            MSABlock(*sizes, last=i == config.depth - 1, pair_block=asdict(config.pair)) for i in range(config.depth)
        )

    def forward(
        self,
        msa: Msa,
        inputs: Float[Tensor, "b n ci"],
        pair: Float[Tensor, "b n n cz"],
        mask: Bool[Tensor, "b n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "b n n cz"]:
        """At most `max_rows` rows are used: the query and a random choice among the others."""
        msa = self.choose_rows(msa, generator)
        x = self.embed_rows(msa) + self.inputs(inputs)[:, None]
        for block in self.blocks:
            x, pair = block(x, pair, msa.mask, mask)
        return pair

    def embed_rows(self, msa: Msa) -> Float[Tensor, "b s n cm"]:
        types, features = self.rows.weight.split([self.residues.classes, msa.features.shape[-1]], dim=1)
        if msa.rows.is_floating_point():
            embedded = self.residues.merge(msa.rows) @ types.T
        else:
            embedded = nn.functional.embedding(self.residues(msa.rows), types.T)
        return embedded + msa.features @ features.T

    def choose_rows(self, msa: Msa, generator: torch.Generator | None) -> Msa:
        count = msa.mask.shape[1]
        if self.max_rows is None or count <= self.max_rows:
            return msa
        priority = torch.rand(count, generator=generator).to(msa.mask.device) + msa.mask.any(dim=2).float().mean(dim=0)
        priority[0] = torch.inf
        rows = priority.topk(self.max_rows).indices.sort().values
        return Msa(msa.rows[:, rows], msa.features[:, rows], msa.mask[:, rows])


class PairformerStack(nn.Module):
    """AF3 Algorithm 17."""

    def __init__(
        self,
        dim_single: int = 384,
        dim_pair: int = 128,
        depth: int = 48,
        heads: int = 16,
        dim_head: int | None = None,
        pair_block: Options | None = None,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            PairformerBlock(dim_single, dim_pair, heads, dim_head, pair_block) for _ in range(depth)
        )

    def forward(
        self, single: Float[Tensor, "b n cs"], pair: Float[Tensor, "b n n cz"], mask: Bool[Tensor, "b n"] | None = None
    ) -> tuple[Float[Tensor, "b n cs"], Float[Tensor, "b n n cz"]]:
        for block in self.blocks:
            single, pair = block(single, pair, mask)
        return single, pair


class Trunk(nn.Module):
    """AF3 Algorithm 1 lines 1-14: initial embeddings, recycled through templates, MSA and pairformer."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        dim_single, dim_pair = config.dim_single, config.dim_pair
        dim_source = dim_single if config.pair_from_single else config.dim_inputs
        self.pair_from_single = config.pair_from_single
        self.single = Linear(config.dim_inputs, dim_single)
        self.pair_i, self.pair_j = Linear(dim_source, dim_pair), Linear(dim_source, dim_pair)
        self.relative_positions = RelativePositionEncoding(dim_pair, config.r_max, config.s_max)
        self.bonds = Linear(1, dim_pair)
        constraints = config.constraints
        self.constraints = constraints and ConstraintEmbedder(constraints, dim_pair, config.unknown_constraint) or None
        substructure = config.substructure
        self.substructure = substructure and SubstructureEmbedder(dim_pair, **asdict(substructure))
        self.modifications = Linear(config.modifications, dim_single) if config.modifications else None
        self.norm_single, self.recycle_single = LayerNorm(dim_single), Linear(dim_single, dim_single, init="zero")
        self.norm_pair, self.recycle_pair = LayerNorm(dim_pair), Linear(dim_pair, dim_pair, init="zero")
        self.residues = ResidueTypes(config.residue_types, config.residue_table)
        templates = config.templates
        self.templates = templates and TemplateEmbedder(
            dim_pair, templates.dim, templates.features, templates.depth, **asdict(templates.pair)
        )
        self.msa = MSAModule(config.msa, config.dim_inputs, dim_pair, config.residue_table)
        stack = config.pairformer
        sizes = dim_single, dim_pair, stack.depth, stack.heads, stack.dim_head
        self.pairformer = PairformerStack(*sizes, asdict(stack.pair))

    def forward(
        self,
        batch: FeatureBatch,
        inputs: Float[Tensor, "b n ci"],
        passes: int,
        generator: torch.Generator | None = None,
        detach: bool = True,
    ) -> tuple[Float[Tensor, "b n cs"], Float[Tensor, "b n n cz"]]:
        """`passes` is the number of recycles + 1. Only the last pass is differentiated, unless `detach` is off."""
        initial = self.initial(batch, inputs)
        single, pair = (torch.zeros_like(each) for each in initial)
        for i in range(passes):
            with torch.set_grad_enabled(torch.is_grad_enabled() and (i == passes - 1 or not detach)), ops.reusing():
                single = initial[0] + self.recycle_single(self.norm_single(single))
                pair = ops.add(self.recycle_pair(self.norm_pair(pair)), initial[1])
                single, pair = self.cycle(batch, inputs, single, pair, generator)
        return single, pair

    def initial(self, batch: FeatureBatch, inputs: Float[Tensor, "b n ci"]) -> tuple[Tensor, Tensor]:
        single = self.single(inputs)
        source = single if self.pair_from_single else inputs
        pair = self.pair_i(source)[:, :, None] + self.pair_j(source)[:, None]
        ids = batch.residue_index, batch.token_index, batch.asym_id, batch.entity_id, batch.sym_id
        extra = batch.extra or {}
        pair = pair + self.relative_positions(*ids, extra.get("cyclic"))
        pair = pair + self.bonds(batch.token_bonds[..., None].to(pair.dtype))
        if self.constraints is not None and "constraints" in extra:
            pair = pair + self.constraints(extra["constraints"].to(pair.dtype))
        if self.substructure is not None and "substructure" in extra:
            pair = pair + self.substructure(extra["substructure"].to(pair.dtype))
        if self.modifications is not None and "modifications" in extra:
            single = single + self.modifications(extra["modifications"].to(single.dtype))
        return single, pair

    def cycle(
        self, batch: FeatureBatch, inputs: Tensor, single: Tensor, pair: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """One pass, with what is recycled already in `single` and `pair`."""
        mask = batch.absent_mask
        if self.templates is not None and batch.templates is not None:
            pair = ops.add(pair, self.templates(pair, self.template_features(batch, pair.dtype), mask))
        if batch.msa is not None:
            pair = self.msa(batch.msa, inputs, pair, mask, generator)
        return self.pairformer(single, pair, mask)

    def template_features(self, batch: FeatureBatch, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
        templates = batch.templates
        if isinstance(templates, DenseTemplates):
            for i in range(templates.mask.shape[1]):
                yield templates.features[:, i].to(dtype), templates.mask[:, i].to(dtype)
        elif templates is not None:
            for i, times in distinct_templates(templates):
                restype = self.residues.one_hot(templates.restype[:, i], dtype)
                parts = templates.pseudo_beta, templates.pseudo_beta_mask, templates.backbone, templates.backbone_mask
                beta, beta_mask, backbone, mask = (part[:, i] for part in parts)
                weight = torch.full((len(restype),), times, dtype=dtype, device=restype.device)
                yield template_pair_features(restype, beta, beta_mask, backbone, mask, batch.asym_id).to(dtype), weight


def distinct_templates(templates: Templates) -> list[tuple[int, int]]:
    """Places of templates and how often each is there: empty slots are alike, and are computed once."""
    if templates.restype.is_meta:  # without data nobody can tell
        return [(place, 1) for place in range(templates.restype.shape[1])]
    empty = ~(templates.pseudo_beta_mask | templates.backbone_mask).any(dim=2).any(dim=0)
    first: dict[bytes | int, list[int]] = {}
    for i, absent in enumerate(empty.tolist()):
        key = templates.restype[:, i].cpu().numpy().tobytes() if absent else i
        first.setdefault(key, [i, 0])[1] += 1
    return [(place, times) for place, times in first.values()]
