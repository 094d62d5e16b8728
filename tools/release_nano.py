"""The weights in the package, of a finished run: python tools/release_nano.py RUN/weights.safetensors"""

import sys
from pathlib import Path

import torch

from alphafold3_pytorch import __version__, weights
from alphafold3_pytorch.models.presets import preset
from alphafold3_pytorch.weights import configs, native
from alphafold3_pytorch.weights.families import plan_file

NAME = "nano"
ORIGIN = {"family": "native", "preset": NAME, "licence": "Apache-2.0", "origin": "docs/nano.md of alphafold3-pytorch"}


def release(run: Path) -> Path:
    """In float16, with the sampler of the preset, which was chosen after training."""
    file, planned = plan_file(run)
    config = preset(NAME)
    if differing := configs.differences(planned.identity.config, config):
        raise SystemExit(f"{run} has other sizes than {NAME}: {'; '.join(differing)}")
    state = planned.rulebook.load(file.tensors, planned.target, torch.float16)
    to = Path(weights.__file__).parent / f"{NAME}.safetensors"
    native.save(to, state, config, ORIGIN)
    return to


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(f"{release(Path(sys.argv[1]))} (alphafold3-pytorch {__version__})")
