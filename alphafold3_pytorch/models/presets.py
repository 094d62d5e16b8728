"""The published models as configs, by the names that their owners gave them. Each is `replace(...)` of another.

Sizes are those of the parameter files. What no file holds (sampler, recycling) is from the owners' configurations.
The last is this package's own.
"""

from dataclasses import replace
from difflib import get_close_matches

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
    SubstructureConfig,
    TemplateConfig,
)

# ---- OpenFold3: the paper's sizes; version 2 biases ending-node attention by the other edge

_ATOMS = AtomTransformerConfig(dim_head=32)
_PAIR = PairConfig()
_TEMPLATE_PAIR = PairConfig(hidden=64, dim_head=16, factor=2)

OPENFOLD3_P2 = NetworkConfig(
    input_encoder=_ATOMS,
    atoms=AtomConfig(key_norm="own"),
    pairformer=PairformerConfig(dim_head=24),
    diffusion=DiffusionConfig(dim_head=48, shared_pair_norm=False, encoder=_ATOMS, decoder=_ATOMS),
    confidence=ConfidenceConfig(dim_head=24, atoms_per_token=23),
    recycles=3,
    conventions="openfold3",
)


def _swap_bias(config: NetworkConfig) -> NetworkConfig:
    """The same network with all ending-node attentions biased by edge ik."""
    swapped = {
        name: replace(part, pair=replace(part.pair, swap_bias=True))
        for name in ("msa", "templates", "pairformer", "confidence")
        if (part := getattr(config, name))
    }
    return replace(config, **swapped)


OPENFOLD3 = replace(_swap_bias(OPENFOLD3_P2), diffusion=replace(OPENFOLD3_P2.diffusion, shared_pair_norm=True))

# ---- Official AlphaFold 3

_OFFICIAL_ATOMS = replace(_ATOMS, dim_value=32)

ALPHAFOLD3 = replace(
    OPENFOLD3,
    input_encoder=_OFFICIAL_ATOMS,
    residue_types=31,
    # 20 amino acids and unknown; A G C U and unknown; DA DG DC DT and unknown, which is the same class; gap
    residue_table=(*range(21), 22, 23, 24, 25, 30, 26, 27, 28, 29, 30, 21),
    atoms=AtomConfig(key_norm="own", mask_keys=False),
    templates=TemplateConfig(features=106, pair=replace(_TEMPLATE_PAIR, swap_bias=True)),
    diffusion=DiffusionConfig(
        dim_single=384, dim_pair=128, dim_head=48, encoder=_OFFICIAL_ATOMS, decoder=_OFFICIAL_ATOMS
    ),
    confidence=replace(OPENFOLD3.confidence, atoms_per_token=24),
    recycles=10,
    conventions="alphafold3",
)

# ---- Protenix

PROTENIX_V1 = NetworkConfig(
    input_encoder=_ATOMS,
    unknown_constraint=False,
    pair_from_single=True,
    atoms=AtomConfig(key_norm="chained", shared_pair_norm=False),
    msa=MsaConfig(max_rows=16384),
    templates=TemplateConfig(pair=replace(_TEMPLATE_PAIR, hidden=128, dim_head=32)),
    pairformer=PairformerConfig(dim_head=24),
    diffusion=DiffusionConfig(
        dim_head=48, shared_pair_norm=False, encoder=_ATOMS, decoder=_ATOMS, embed_positions=True
    ),
    confidence=ConfidenceConfig(dim_head=24, norm_single=True, raw_distance=True, sum_pairs=True),
    distogram_bias=True,
    sampler=SamplerConfig(end_at_zero=True),
    recycles=9,
    conventions="protenix",
)

_WIDE = replace(_PAIR, hidden=256, heads=8)

PROTENIX_V2 = replace(
    PROTENIX_V1,
    dim_pair=256,
    msa=MsaConfig(dim=128, max_rows=16384, pair=_WIDE),
    templates=TemplateConfig(pair=replace(_TEMPLATE_PAIR, heads=2, dim_head=32)),
    pairformer=PairformerConfig(dim_head=24, pair=_WIDE),
    confidence=replace(PROTENIX_V1.confidence, pair=replace(_WIDE, dropout=0.0)),
)

PROTENIX_V05 = replace(PROTENIX_V1, templates=None)

PROTENIX_CONSTRAINT = replace(PROTENIX_V05, embedding_features=2560, constraints=5, substructure=SubstructureConfig())

_ONE_BLOCK = replace(_ATOMS, depth=1)

PROTENIX_MINI = replace(
    PROTENIX_V05,
    msa=MsaConfig(depth=1, max_rows=16384),
    pairformer=PairformerConfig(depth=16, dim_head=24),
    diffusion=replace(PROTENIX_V1.diffusion, depth=8, encoder=_ONE_BLOCK, decoder=_ONE_BLOCK),
    sampler=SamplerConfig(steps=5, gamma=0.0, step_scale=1.0, end_at_zero=True),
    recycles=3,
)

PROTENIX_MINI_EMBEDDING = replace(PROTENIX_MINI, embedding_features=2560)

PROTENIX_TINY = replace(PROTENIX_MINI, pairformer=PairformerConfig(depth=8, dim_head=24))

# ---- This package's own: what a CPU can train

_NANO_PAIR = PairConfig(hidden=32, dim_head=16, factor=2)

NANO = NetworkConfig(
    dim_single=128,
    dim_pair=64,
    dim_input_token=128,
    input_encoder=AtomTransformerConfig(depth=1),
    atoms=AtomConfig(dim=64),
    msa=MsaConfig(dim=32, depth=1, hidden_outer=16, heads=4, max_rows=128, pair=_NANO_PAIR),
    templates=None,  # so small a set has few
    pairformer=PairformerConfig(depth=4, heads=4, pair=_NANO_PAIR),
    diffusion=DiffusionConfig(
        dim_token=192,
        depth=4,
        heads=4,
        dim_fourier=64,
        sigma_data=8.0,  # Å; of a crop of 64 tokens
        encoder=AtomTransformerConfig(depth=2),
        decoder=AtomTransformerConfig(depth=2),
    ),
    confidence=ConfidenceConfig(depth=1, heads=4, pair=replace(_NANO_PAIR, dropout=0.0)),
    recycles=0,
)

PRESETS: dict[str, NetworkConfig] = {
    "alphafold3": ALPHAFOLD3,
    "protenix-v2": PROTENIX_V2,
    "protenix_base_default_v1.0.0": PROTENIX_V1,
    "protenix_base_20250630_v1.0.0": PROTENIX_V1,
    "protenix_base_default_v0.5.0": PROTENIX_V05,
    "protenix_base_constraint_v0.5.0": PROTENIX_CONSTRAINT,
    "protenix_mini_default_v0.5.0": PROTENIX_MINI,
    "protenix_mini_esm_v0.5.0": PROTENIX_MINI_EMBEDDING,
    "protenix_mini_ism_v0.5.0": PROTENIX_MINI_EMBEDDING,
    "protenix_tiny_default_v0.5.0": PROTENIX_TINY,
    "openfold3": OPENFOLD3,
    "openfold3-p2": OPENFOLD3_P2,
    "nano": NANO,
}


def preset(name: str) -> NetworkConfig:
    """The config of a published model."""
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS) or list(PRESETS)
        raise ValueError(f"there is no preset {name!r}; did you mean {', '.join(near)}?")
    return PRESETS[name]
