"""Small random weights of each family, as their own code wrote them."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

CASES = Path(__file__).resolve().parents[1] / "goldens" / "cases"
NAMES = sorted(path.name for path in CASES.iterdir())


def golden_file(name: str) -> Path:
    return CASES / name / ("params.safetensors" if name == "alphafold3" else "weights.safetensors")


def golden(name: str) -> dict[str, Tensor]:
    """In single precision."""
    return {key: value.float() for key, value in load_file(golden_file(name)).items()}


@pytest.fixture(params=NAMES)
def case(request) -> str:
    return request.param
