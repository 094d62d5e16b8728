"""A network so small that a prediction takes a fraction of a second. What it predicts means nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

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
from alphafold3_pytorch.predict.loading import load_weights, random_network
from alphafold3_pytorch.predict.predictor import Predictor
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.weights.families import save_native

PAIR = PairConfig(hidden=16, heads=2, dim_head=8, factor=2)
ONE_BLOCK = AtomTransformerConfig(depth=1, heads=2)
TINY = NetworkConfig(
    dim_single=32,
    dim_pair=16,
    dim_input_token=32,
    input_encoder=ONE_BLOCK,
    atoms=AtomConfig(dim=16, dim_pair=8),
    msa=MsaConfig(dim=16, depth=2, hidden_outer=8, heads=2, max_rows=8, pair=PAIR),
    templates=TemplateConfig(dim=16, depth=1, pair=PAIR),
    pairformer=PairformerConfig(depth=2, heads=2, pair=PAIR),
    diffusion=DiffusionConfig(
        dim_token=32, depth=2, heads=2, group=1, encoder=ONE_BLOCK, decoder=ONE_BLOCK, dim_fourier=32
    ),
    confidence=ConfidenceConfig(depth=2, heads=2, pair=PAIR),
    sampler=SamplerConfig(steps=4),
    recycles=1,
)
NO_OWNER = {"family": "random", "preset": "random", "licence": "none"}


def weight_file(folder: Path, config: NetworkConfig = TINY, seed: int = 0) -> Path:
    path = folder / f"tiny{seed}.safetensors"
    save_native(random_network(config, seed), path, origin=NO_OWNER)
    return path


def loaded(path: Path) -> tuple[Predictor, Provenance]:
    network, provenance = load_weights(str(path))
    return Predictor(network), provenance


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    return weight_file(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def tiny_predictor(tiny_weights) -> tuple[Predictor, Provenance]:
    return loaded(tiny_weights)


def deeper(config: NetworkConfig, blocks: int) -> NetworkConfig:
    return replace(config, pairformer=replace(config.pairformer, depth=blocks))
