"""Files of our own: everything comes back, and a file that we cannot understand is refused."""

import json
from dataclasses import replace

import pytest
import torch

from alphafold3_pytorch.models.presets import PRESETS
from alphafold3_pytorch.weights import configs
from alphafold3_pytorch.weights.families import export, load, load_tensors, save_native
from alphafold3_pytorch.weights.readers import read, save_safetensors
from alphafold3_pytorch.weights.rules import WeightsError, identical
from tests.weights.conftest import golden


@pytest.fixture(scope="module")
def network():
    return load_tensors(golden("openfold3"))


def test_everything_comes_back(case, tmp_path):
    network = load_tensors(golden(case))
    network.config = replace(network.config, recycles=7)  # ours keep what no other file holds
    save_native(network, tmp_path / "n.safetensors")
    again = load(tmp_path / "n.safetensors")
    assert again.config == network.config
    before, after = network.state_dict(), again.state_dict()
    assert set(before) == set(after) and all(identical(before[key], after[key]) for key in before)


def test_export_through_our_own_file(case, tmp_path):
    network = load_tensors(golden(case))
    save_native(network, tmp_path / "n.safetensors")
    family = case.split("_")[0]
    direct, through = export(network, family), export(load(tmp_path / "n.safetensors"), family)
    assert set(direct) == set(through) and all(identical(direct[key], through[key]) for key in direct)


def test_metadata_say_whose_weights_they_are(network, tmp_path):
    save_native(network, tmp_path / "own.safetensors")
    metadata = read(tmp_path / "own.safetensors").metadata
    assert (metadata["format"], metadata["format_version"], metadata["licence"]) == (
        "alphafold3-pytorch",
        "1",
        "not stated",
    )
    save_native(network, tmp_path / "theirs.safetensors", {"family": "openfold3", "licence": "Apache-2.0"})
    assert read(tmp_path / "theirs.safetensors").metadata["licence"] == "Apache-2.0"


def change(path, **metadata):
    file = read(path)
    save_safetensors(path, file.tensors, {k: v for k, v in (file.metadata | metadata).items() if v is not None})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (dict(config=None), "metadata hold no config; save a network with"),
        (dict(format="other"), "metadata hold no config"),
        (dict(format_version="2", package_version="9.0"), r"format has version 2 \(package 9.0\), known is 1; update"),
        (dict(config="{"), "its config is not JSON"),
        (dict(config="[]"), "config should be a table of fields"),
        (dict(config='{"dim_pair": "wide"}'), "config.dim_pair is 'wide', which is not of the type int"),
        (dict(config='{"dim_pear": 128}'), "config has the unknown field 'dim_pear'; did you mean dim_pair"),
        (dict(config='{"msa": {"deptth": 4}}'), "config.msa has the unknown field 'deptth'; did you mean depth"),
        (dict(config='{"zzz": 4}'), "unknown field 'zzz'; it was written by another version"),
        (dict(config='{"dim_pair": 8}'), "looks like weights of this package"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(network, tmp_path, metadata, message):
    path = tmp_path / "n.safetensors"
    save_native(network, path)
    change(path, **metadata)
    with pytest.raises(WeightsError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_a_bare_state_dict_has_no_config(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "state.pt")
    with pytest.raises(WeightsError, match="hold no config; save a network with"):
        load(tmp_path / "state.pt")


@pytest.mark.parametrize("name", PRESETS)
def test_configs_survive_json(name):
    assert configs.from_json(configs.to_json(PRESETS[name])) == PRESETS[name]


def test_wrong_types_in_a_config():
    def complaint(**fields):
        with pytest.raises(ValueError) as caught:
            configs.from_json(json.dumps(fields))
        return str(caught.value)

    assert "config.distogram_bias" in complaint(distogram_bias=1)
    assert "config.dim_pair" in complaint(dim_pair=True)
    assert "config.dim_pair" in complaint(dim_pair=None)
    assert "config.atoms.key_norm is 'odd'" in complaint(atoms={"key_norm": "odd"})
    assert "config.residue_table" in complaint(residue_table=["A"])
    assert "config.templates" in complaint(templates=3)
    assert configs.from_json('{"templates": null, "sampler": {"gamma": 1}}').templates is None


def test_differences_name_the_fields():
    one, other = PRESETS["openfold3"], PRESETS["openfold3-p2"]
    assert configs.differences(one, one) == []
    told = configs.differences(one, other)
    assert "diffusion.shared_pair_norm (True there, False here)" in told and len(told) == 5
