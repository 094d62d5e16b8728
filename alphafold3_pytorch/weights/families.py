"""The table of model families whose published weights load."""

from collections.abc import Mapping

import torch

from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.shapes import Tensor
from alphafold3_pytorch.weights import alphafold3, openfold3, protenix
from alphafold3_pytorch.weights.sizes import Sizes


def load_tensors(tensors: Mapping[str, Tensor]) -> Network:
    sizes = Sizes({key: tuple(value.shape) for key, value in tensors.items()})
    family = next(f for f in (alphafold3, protenix, openfold3) if f.recognises(tensors))
    config = family.config(sizes)
    with torch.device("meta"):
        network = Network(config)
    state = family.rulebook(config).load(tensors, {k: tuple(v.shape) for k, v in network.state_dict().items()})
    network.load_state_dict(state, assign=True)
    return network
