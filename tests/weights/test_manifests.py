"""Every published model: its arrays are all accounted for, and its preset is what its owner says."""

import gzip
import json
from functools import cache
from math import prod
from pathlib import Path

import pytest
import torch

from alphafold3_pytorch.models.presets import PRESETS, preset
from alphafold3_pytorch.weights import native
from alphafold3_pytorch.weights.families import FAMILIES, NATIVE, identify
from alphafold3_pytorch.weights.rules import Shape, shapes_of

MANIFESTS = Path(__file__).resolve().parents[1] / "goldens" / "manifests"
SETTINGS = json.loads((MANIFESTS / "settings.json").read_text())
MODELS = {
    model.preset: (family, model) for family in FAMILIES.values() for model in family.models if family is not NATIVE
}
BUFFERS = ("version_tensor", "fourier_emb.w", "fourier_emb.b")  # which their owner does not count


@cache
def manifest(name: str) -> dict[str, Shape]:
    arrays = json.loads(gzip.decompress((MANIFESTS / f"{name}.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in arrays.items()}


@pytest.fixture(params=sorted(SETTINGS))
def name(request) -> str:
    return request.param


def test_there_is_a_preset_for_every_model():
    assert set(PRESETS) - {model.preset for model in NATIVE.models} == set(SETTINGS) == set(MODELS)


def test_preset_is_the_config_of_the_arrays(name):
    identity = identify(manifest(name))
    assert identity.family is MODELS[name][0]
    assert name in identity.presets
    assert identity.config == preset(name)


def test_preset_has_the_owners_settings(name):
    settings, config = SETTINGS[name], preset(name)
    names = ("steps", "gamma", "gamma_min", "noise_scale", "step_scale")
    assert {key: getattr(config.sampler, key) for key in names} == {key: settings[key] for key in names}
    assert config.recycles == settings["recycles"]


def test_every_array_is_used_or_ignored_for_a_reason(name):
    shapes, config = manifest(name), preset(name)
    rulebook = MODELS[name][0].rulebook(config)
    rulebook.check(shapes, native.shapes_of_network(config))
    ignored = rulebook.ignored(shapes)
    assert all(len(each.reason) > 10 for each in ignored)
    total, used = sum(map(prod, shapes.values())), sum(map(prod, native.shapes_of_network(config).values()))
    elements = [key for key in set(shapes) - set(rulebook.copies(shapes)) if key.endswith("linear_ref_element.weight")]
    padding = sum(9 * shapes[key][0] for key in elements)  # OpenFold3 has 119 elements, we 128 columns
    constants = sum(value.numel() for value in rulebook.constants.values())
    assert total - sum(each.values for each in ignored) == used - padding - constants


def test_export_has_the_published_arrays_and_count(name):
    config, (family, model) = preset(name), MODELS[name]
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in native.shapes_of_network(config).items()}
    rulebook = family.rulebook(config)
    shapes = shapes_of(rulebook.export(state))
    assert shapes == manifest(name)
    counted = [key for key in set(shapes) - set(rulebook.copies(shapes)) if not key.endswith(BUFFERS)]
    assert sum(prod(shapes[key]) for key in counted) == model.parameters == SETTINGS[name]["parameters"]
    assert len(shapes) == SETTINGS[name]["arrays"]


def test_models_of_one_size_are_told_by_the_name_of_the_file():
    shapes = manifest("protenix_mini_esm_v0.5.0")
    assert identify(shapes).presets == ("protenix_mini_esm_v0.5.0", "protenix_mini_ism_v0.5.0")
    assert identify(shapes, file_name="protenix_mini_ism_v0.5.0.pt").preset == "protenix_mini_ism_v0.5.0"


def test_an_optional_input_may_be_missing():
    shapes = dict(manifest("protenix_base_constraint_v0.5.0"))
    del shapes["input_embedder.linear_esm.weight"]
    identity = identify(shapes)
    assert identity.presets == ("protenix_base_constraint_v0.5.0",)
    assert identity.config.embedding_features is None


def test_settings_of_unknown_sizes_are_the_familys_own():
    shapes = {key: shape for key, shape in manifest("protenix_mini_default_v0.5.0").items()}
    shapes = {key: shape for key, shape in shapes.items() if ".blocks.15." not in key}  # one block less
    identity = identify(shapes)
    assert identity.presets == () and identity.config.sampler == preset("protenix_base_default_v0.5.0").sampler


def test_unknown_preset_names_the_near_ones():
    with pytest.raises(ValueError, match="protenix-v1'; did you mean protenix-v2"):
        preset("protenix-v1")


def test_copies_agree_with_the_reference_data(shared):
    for path in sorted(MANIFESTS.glob("*.json.gz")):
        content = json.loads(gzip.decompress((shared / "parity" / "manifests" / path.name).read_bytes()))
        arrays = {key: value["shape"] for key, value in content["params"].items()} if "params" in content else content
        assert {key: tuple(shape) for key, shape in arrays.items()} == manifest(path.name.removesuffix(".json.gz"))
