"""Importing is cheap, the public names are all there, and help does not wait for PyTorch."""

import subprocess
import sys

import pytest

import alphafold3_pytorch

IMPORT_COST = """
import time, torch
start = time.perf_counter()
import alphafold3_pytorch
print(time.perf_counter() - start)
"""

HELP_COST = """
import contextlib, io, sys, time
start = time.perf_counter()
from alphafold3_pytorch import cli
sys.argv = ["af3", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
    cli.main()
assert "Usage" in out.getvalue()
assert "torch" not in sys.modules, "help must not load PyTorch"
print(time.perf_counter() - start)
"""


@pytest.fixture
def python(root):
    """Runs code in a fresh interpreter at the root of the repository and returns what it prints."""

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(("code", "limit"), [(IMPORT_COST, 0.5), (HELP_COST, 1.0)], ids=["import", "help"])
def test_time(python, code, limit):
    """The best of three: the limit is on the work, not on what else the machine does."""
    assert min(float(python(code)) for _ in range(3)) < limit


def test_star_import_gives_every_public_name(python):
    names = python("from alphafold3_pytorch import *\nprint(*dir())").split()
    assert set(alphafold3_pytorch.__all__) <= set(names)


def test_public_names_are_the_objects_themselves():
    from alphafold3_pytorch.features.batch import FeatureBatch

    assert alphafold3_pytorch.FeatureBatch is FeatureBatch
    assert {"FeatureBatch", "__version__"} <= set(dir(alphafold3_pytorch))
    for name in alphafold3_pytorch.__all__:
        assert getattr(alphafold3_pytorch, name) is not None


def test_unknown_name_suggests_the_near_ones():
    with pytest.raises(AttributeError, match="'FeatureBatsh'; did you mean FeatureBatch"):
        _ = alphafold3_pytorch.FeatureBatsh
    with pytest.raises(AttributeError, match="no attribute 'qqq'$"):
        _ = alphafold3_pytorch.qqq
    with pytest.raises(ImportError):
        from alphafold3_pytorch import Featuring  # noqa: F401
