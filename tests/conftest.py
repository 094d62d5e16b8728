"""What every test shares: shapes checked at every call, one thread, fixed seeds, the reference data."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Before anything of the package is imported: from here on beartype checks every annotated signature in it.
install_import_hook("alphafold3_pytorch", "beartype.beartype")

import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data of other implementations, in the folder `shared` beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "parity").is_dir():
        pytest.skip("the reference data (folder `shared` beside the checkout) is not on this machine")
    return folder
