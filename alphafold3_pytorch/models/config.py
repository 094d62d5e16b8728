"""Sizes and options of a network, as plain numbers. Presets are `replace(...)` of one another (models.presets)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from alphafold3_pytorch.nn.attention import KeyNorm


@dataclass(frozen=True)
class PairConfig:
    """One pair block: triangle multiplications of `hidden` channels, triangle attentions, a transition."""

    hidden: int = 128
    heads: int = 4
    dim_head: int = 32
    factor: int = 4
    dropout: float = 0.25
    swap_bias: bool = False  # ending-node attention biased by edge ik, not the paper's ki


@dataclass(frozen=True)
class AtomTransformerConfig:
    depth: int = 3
    heads: int = 4
    dim_head: int | None = None  # None: the width divided by the heads
    dim_value: int | None = None  # per head; None: as dim_head


@dataclass(frozen=True)
class AtomConfig:
    """What the three atom transformers share."""

    dim: int = 128
    dim_pair: int = 16
    features: int = 389
    pair_features: int = 5
    types: int | None = None  # classes of an optional learned atom-type embedding
    pair_types: int | None = None  # classes of an optional learned bond-type embedding
    queries: int = 32
    keys: int = 128
    key_norm: KeyNorm = "shared"
    shared_pair_norm: bool = True
    mask_keys: bool = True


@dataclass(frozen=True)
class MsaConfig:
    dim: int = 64
    types: int = 32
    features: int = 2
    depth: int = 4
    hidden_outer: int = 32
    heads: int = 8
    dim_head: int = 8
    dropout: float = 0.15
    max_rows: int | None = 1024  # None: all
    pair: PairConfig = PairConfig()


@dataclass(frozen=True)
class TemplateConfig:
    dim: int = 64
    features: int = 108
    depth: int = 2
    pair: PairConfig = PairConfig(hidden=64, dim_head=16, factor=2)


@dataclass(frozen=True)
class PairformerConfig:
    depth: int = 48
    heads: int = 16
    dim_head: int | None = None
    pair: PairConfig = PairConfig()


@dataclass(frozen=True)
class DiffusionConfig:
    dim_token: int = 768
    dim_single: int | None = None  # of the conditioning; None: as in the trunk
    dim_pair: int | None = None
    depth: int = 24
    heads: int = 16
    dim_head: int | None = None
    group: int = 4  # blocks per group in the official parameter file; the network knows no groups
    shared_pair_norm: bool = True
    encoder: AtomTransformerConfig = AtomTransformerConfig()
    decoder: AtomTransformerConfig = AtomTransformerConfig()
    dim_fourier: int = 256
    single_transitions: int = 2
    pair_transitions: int = 2
    embed_positions: bool = False  # condition on an embedding of relative positions, not on their one-hot form
    sigma_data: float = 16.0


@dataclass(frozen=True)
class ConfidenceConfig:
    depth: int = 4
    heads: int = 16
    dim_head: int | None = None
    pair: PairConfig = PairConfig(dropout=0.0)
    distance_bins: int = 39
    plddt_bins: int = 50
    pae_bins: int = 64
    pde_bins: int = 64
    atoms_per_token: int = 24
    norm_single: bool = False  # clamp and normalise the trunk's single representation
    raw_distance: bool = False  # embed the distance (Å) besides its bin
    sum_pairs: bool = False  # PDE: symmetrise the pair before the head, not the logits after it


@dataclass(frozen=True)
class SamplerConfig:
    """SI 3.7.1, Algorithm 18 and the noise schedule; noise levels are given as multiples of sigma_data."""

    steps: int = 200
    sigma_max: float = 160.0
    sigma_min: float = 4e-4
    rho: float = 7.0
    gamma: float = 0.8
    gamma_min: float = 1.0
    noise_scale: float = 1.003
    step_scale: float = 1.5
    end_at_zero: bool = False


@dataclass(frozen=True)
class SubstructureConfig:
    """A transformer over all token pairs that embeds classes of known distances."""

    classes: int = 4
    dim: int = 128
    heads: int = 4
    depth: int = 1


@dataclass(frozen=True)
class NetworkConfig:
    dim_single: int = 384
    dim_pair: int = 128
    dim_input_token: int = 384
    input_encoder: AtomTransformerConfig = AtomTransformerConfig()
    residue_types: int = 32
    residue_table: tuple[int, ...] | None = None  # our residue vocabulary in the weights' one; None if they agree
    token_features: int = 33
    modifications: int = 0  # flags of modified molecules that are embedded into the single representation
    embedding_features: int | None = None  # width of an optional language-model embedding per token
    constraints: int = 0  # width of optional pair constraints
    unknown_constraint: bool = True  # a constraint of -1 is unknown and takes a learned value
    substructure: SubstructureConfig | None = None
    pair_from_single: bool = False  # initialise the pair from the projected single, not from the inputs
    r_max: int = 32
    s_max: int = 2
    atoms: AtomConfig = AtomConfig()
    msa: MsaConfig = MsaConfig()
    templates: TemplateConfig | None = TemplateConfig()
    pairformer: PairformerConfig = PairformerConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    distogram_bins: int = 64
    distogram_bias: bool = False
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    recycles: int = 10
    conventions: str = "paper"  # how the features are made that it was trained with (features.options.CONVENTIONS)

    @property
    def dim_inputs(self) -> int:
        """Width of the single input representation: atoms' token activation, residue type, further token features."""
        merged = 0 if self.residue_table is None else self.residue_types - len(self.residue_table)
        return self.dim_input_token + self.residue_types + self.token_features + merged


def config_from_dict(values: Mapping[str, Any], kind: type = NetworkConfig) -> Any:
    """The config that `dataclasses.asdict` took apart. ValueError for a field that does not exist."""
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {each.name for each in fields(kind)})
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it was written by another version")
    return kind(**{name: _revive(value, hints[name]) for name, value in values.items()})


def _revive(value: Any, hint: Any) -> Any:
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)]
    if isinstance(value, Mapping) and kinds:
        return config_from_dict(value, kinds[0])
    return tuple(value) if isinstance(value, list) else value
