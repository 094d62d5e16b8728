"""Which weights a user means, and what every file made with them has to say of them."""

import os
from difflib import get_close_matches
from pathlib import Path

import torch

from alphafold3_pytorch import weights
from alphafold3_pytorch.chem.ccd_cache import cache_folder
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.models.presets import PRESETS, preset
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.weights.families import FAMILIES, build, origin_of, plan_file

RANDOM = "random"
PACKAGED = "nano"
WARNINGS = {
    RANDOM: "The weights are random: this structure and its scores mean nothing. It was made to measure time and "
    "memory.",
    PACKAGED: "The weights are those of a very small network (nano): its folds and scores are not to be trusted. Take "
    "published weights for real work.",
}


def load_weights(given: str) -> tuple[Network, Provenance]:
    """A network by the path of its file, the name of a published model, or `random` (`random:PRESET`).

    A name is looked for in the folders of `weight_folders`.
    """
    name, _, of_preset = given.partition(":")
    if name == RANDOM:
        return random_network(preset(of_preset) if of_preset else NetworkConfig()), Provenance(
            weights=given, family=RANDOM, licence="none", warning=WARNINGS[RANDOM]
        )
    path = Path(given)
    path = path if path.exists() else published_file(given)
    file, planned = plan_file(path)
    origin = origin_of(planned.identity, file.metadata)
    family = origin.get("family", planned.identity.family.name)
    preset_name = origin.get("preset", "")
    provenance = Provenance(
        weights=preset_name or path.name,
        family=family,
        licence=origin.get("licence", "not stated"),
        warning=WARNINGS.get(family, WARNINGS.get(preset_name, "")),
    )
    return build(planned, file.tensors, torch.float32, free=True), provenance


def config_of(given: str) -> NetworkConfig:
    """The sizes of the weights that a user means, without loading them; a published model needs no file for this."""
    name, _, of_preset = given.partition(":")
    if name == RANDOM:
        return preset(of_preset) if of_preset else NetworkConfig()
    path = Path(given)
    if not path.exists() and given in PRESETS:
        return PRESETS[given]
    return plan_file(path if path.exists() else published_file(given))[1].identity.config


def random_network(config: NetworkConfig, seed: int = 0) -> Network:
    """Every weight drawn at random, such that activations neither vanish nor explode."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.7 * parameter.shape[-1] ** -0.5, generator=generator)
        for constant in network.buffers():  # of the Fourier embedding
            constant.normal_(generator=generator)
    return network.eval()


def weight_folders() -> list[Path]:
    """Where published files are looked for by name: the folders of AF3_WEIGHTS, one in the cache, and the package."""
    named = [Path(folder).expanduser() for folder in os.environ.get("AF3_WEIGHTS", "").split(os.pathsep) if folder]
    return [*named, cache_folder() / "weights", Path(weights.__file__).parent]


def published_file(name: str) -> Path:
    """The file of a published model in one of the folders. ValueError says what to do where there is none."""
    models = {model.preset: (family, model) for family in FAMILIES.values() for model in family.models}
    if name not in models:
        near = get_close_matches(name, [*models, RANDOM], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`af3 weights list` shows the names"
        raise ValueError(f"--weights {name}: there is no such file, and no published model of that name; {hint}")
    family, model = models[name]
    folders = weight_folders()
    for path in (folder / file for folder in folders for file in (*model.files, f"{name}.safetensors")):
        if path.exists():
            return path
    raise ValueError(
        f"--weights {name}: none of {', '.join((*model.files, f'{name}.safetensors'))} is in "
        f"{' or '.join(str(folder) for folder in folders)}; get it from {family.files or family.origin} and put it "
        "there, or name the file"
    )
