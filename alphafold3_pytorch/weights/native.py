"""Our own files: safetensors under our parameter names, the config and the origin of the weights in the metadata."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import torch

from alphafold3_pytorch import __version__
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights import configs
from alphafold3_pytorch.weights.readers import save_safetensors
from alphafold3_pytorch.weights.rules import Rulebook, Shape, WeightsError, rule, shapes_of
from alphafold3_pytorch.weights.sizes import Sizes

FORMAT, FORMAT_VERSION = "alphafold3-pytorch", 1


def recognises(keys: Collection[str]) -> bool:
    return {"trunk.single.weight", "diffusion.conditioning.single.weight"} <= set(keys)


def config(sizes: Sizes) -> NetworkConfig:
    """The config in the metadata."""
    metadata = sizes.metadata
    if metadata.get("format") != FORMAT or "config" not in metadata:
        raise WeightsError("its metadata hold no config; save a network with weights.families.save_native")
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        writer = metadata.get("package_version", "?")
        raise WeightsError(
            f"its format has version {version or '?'} (package {writer}), known is {FORMAT_VERSION}; update the package"
        )
    return configs.from_json(metadata["config"])


@lru_cache(maxsize=4)
def shapes_of_network(config: NetworkConfig) -> dict[str, Shape]:
    """Every parameter and buffer of a network, without making it."""
    with torch.device("meta"):
        return shapes_of(Network(config).state_dict())


def rulebook(config: NetworkConfig) -> Rulebook:
    return Rulebook(tuple(rule(name, name) for name in shapes_of_network(config)))


def save(path: str | Path, state: Mapping[str, Tensor], config: NetworkConfig, origin: Mapping[str, str]) -> None:
    """Write a file, whole or not at all. `origin`: whose weights they are (family, preset, licence, origin, ...)."""
    about = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "package_version": __version__}
    save_safetensors(path, state, {**origin, **about, "config": configs.to_json(config)})
