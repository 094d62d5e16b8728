"""The weights in the package."""

import torch

from alphafold3_pytorch.models.presets import preset
from alphafold3_pytorch.predict.loading import load_weights, published_file
from alphafold3_pytorch.weights.families import NATIVE, plan_file


def test_the_file_is_the_published_model():
    [model] = NATIVE.models
    path = published_file(model.preset)
    file, planned = plan_file(path)
    assert planned.identity.presets == (model.preset,) and planned.identity.config == preset(model.preset)
    assert path.stat().st_size < 25e6
    assert all(tensor.dtype == torch.float16 and tensor.isfinite().all() for tensor in file.tensors.values())


def test_it_is_found_by_name_and_says_what_it_is():
    network, provenance = load_weights("nano")
    assert sum(parameter.numel() for parameter in network.parameters()) == NATIVE.models[0].parameters
    assert (provenance.weights, provenance.licence) == ("nano", "Apache-2.0")
    assert "not to be trusted" in provenance.warning
