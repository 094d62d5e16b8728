"""`af3 weights`: what it prints, what it writes, and that every mishap is one line and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from alphafold3_pytorch import cli
from alphafold3_pytorch.weights import records, report
from alphafold3_pytorch.weights.checkpoints import save_checkpoint
from alphafold3_pytorch.weights.families import FAMILIES, load
from alphafold3_pytorch.weights.readers import read
from alphafold3_pytorch.weights.rules import identical
from tests.weights.conftest import golden, golden_file


def af3(*words: object) -> str:
    """The output of `af3 weights ...`; an error of the user is raised as it is."""
    arguments = ["weights", *map(str, words)]
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "160"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def owners_file(name: str, folder: Path) -> Path:
    family = FAMILIES[name.split("_")[0]]
    path = folder / f"{name}{family.suffixes[0]}"
    family.write(path, golden(name), "a release")
    return path


# ---- list, inspect


def test_list_names_every_model_with_its_licence():
    output = af3("list")
    for family in FAMILIES.values():
        for model in family.models:
            assert model.preset in output and f"{model.parameters:,}" in output and model.files[0] in output
    assert "non-commercial" in output and output.count("Apache-2.0") == 3


def test_inspect_tells_everything(tmp_path):
    output = " ".join(af3("inspect", owners_file("alphafold3", tmp_path)).split())
    for words in (
        "AlphaFold 3 (Google DeepMind)",
        "unknown: the sizes are of no published model",
        "single 16, pair 16, MSA 8 channels",
        "identifier │ a release",
        "the row update of the last MSA block",
        "200 steps, gamma 0.8",
        "the defaults of AlphaFold 3",
        "not to be passed on",
    ):
        assert words in output, words
    weights = golden("openfold3")
    copies = {f"sample_diffusion.{k}": v for k, v in weights.items() if k.startswith("diffusion_module.")}
    content = {"ema": {"params": weights | copies, "decay": 0.9}, "state_dict": weights}
    torch.save(content, tmp_path / "of3.ckpt")
    output = " ".join(af3("inspect", tmp_path / "of3.ckpt").split())
    assert "ema.params" in output and "a second copy of other arrays" in output and "Apache-2.0" in output


def test_inspect_our_own_file_tells_where_it_came_from(tmp_path):
    af3("convert", golden_file("protenix_v2"), "--to", tmp_path / "n.safetensors")
    output = " ".join(af3("inspect", tmp_path / "n.safetensors").split())
    assert "Protenix (ByteDance), as a file of this package" in output
    assert "Apache-2.0" in output and "https://github.com/bytedance/Protenix" in output
    assert "float16" in output and "both from │ the file" in output


# ---- convert


def test_convert_there_and_back(case, tmp_path):
    family = FAMILIES[case.split("_")[0]]
    first, middle = owners_file(case, tmp_path), tmp_path / "n.safetensors"
    back = tmp_path / f"back{family.suffixes[0]}"
    assert af3("convert", first, "--to", middle) == f"wrote {middle}\n"
    af3("convert", middle, "--to", back, "--layout", family.name)
    left, right = load(first), load(back)
    assert left.config == right.config
    before, after = left.state_dict(), right.state_dict()
    assert all(identical(before[key], after[key]) for key in before)
    assert read(back).metadata.get("identifier") == ("a release" if case == "alphafold3" else None)


def test_convert_keeps_the_precision_unless_told(tmp_path):
    for words, dtype in (((), torch.float16), (("--dtype", "bfloat16"), torch.bfloat16)):
        af3("convert", golden_file("openfold3"), "--to", tmp_path / "n.safetensors", "--force", *words)
        assert {tensor.dtype for tensor in read(tmp_path / "n.safetensors").tensors.values()} == {dtype}


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        ("n.pt", [], r"layout native end in .safetensors; name it so, or choose the layout protenix or openfold3"),
        (
            "n.safetensors",
            ["--layout", "alphafold3"],
            r"end in .bin.zst or .bin; name it so, or choose the layout native",
        ),
        ("n.safetensors", ["--layout", "boltz"], "there is no layout 'boltz'; known are alphafold3, protenix"),
        ("n.safetensors", ["--dtype", "int8"], "there is no precision 'int8'; known are float32"),
        ("no/n.safetensors", [], "no does not exist; make the folder first"),
        ("weights.safetensors", ["--force"], "is the file to read; give another name"),
        ("old.safetensors", [], "exists already; give another name, or --force"),
        ("n.bin", ["--layout", "alphafold3"], "this network cannot be written as weights of AlphaFold 3"),
    ],
)
def test_convert_refuses_before_it_writes(tmp_path, to, options, message):
    source = tmp_path / "weights.safetensors"
    source.write_bytes(golden_file("openfold3").read_bytes())
    (tmp_path / "old.safetensors").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=message):
        af3("convert", source, "--to", tmp_path / to, *options)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_replaces(tmp_path):
    (tmp_path / "n.safetensors").write_bytes(b"old")
    af3("convert", golden_file("openfold3"), "--to", tmp_path / "n.safetensors", "--force")
    assert load(tmp_path / "n.safetensors").config.recycles == 3


# ---- verify


def failed(path: Path) -> list[str]:
    return [check.what for check in report.verify(path) if not check.passed]


def test_verify_passes_what_is_sound(case, tmp_path):
    path = owners_file(case, tmp_path)
    assert failed(path) == []
    assert af3("verify", path).count("ok") >= 6
    af3("convert", path, "--to", tmp_path / "n.safetensors")
    assert failed(tmp_path / "n.safetensors") == []


def test_verify_finds_what_is_wrong(tmp_path):
    path = tmp_path / "w.pt"

    def write(name: str, **changes: torch.Tensor) -> None:
        save_checkpoint(path, golden(name) | {key.replace("__", "."): value for key, value in changes.items()})

    write("protenix_v1", layernorm_s__bias=torch.full((16,), float("nan")))
    assert failed(path) == ["every value is finite"]
    write("protenix_v1", confidence_head__lower_bins=torch.zeros(39))
    assert failed(path) == ["constants are as expected"]
    fourier = "diffusion_module__diffusion_conditioning__fourier_embedding__w"
    write("protenix_v1", **{fourier: torch.zeros(256)})
    assert failed(path) == ["constants are as expected"]
    copied = "sample_diffusion__diffusion_module__diffusion_conditioning__fourier_emb__w"
    write("openfold3", **{copied: torch.zeros(256)})
    assert failed(path) == ["copies are equal"]
    result = CliRunner().invoke(cli.app, ["weights", "verify", str(path)])
    assert result.exit_code == 1 and "FAILED" in result.output


# ---- mishaps, as a user sees them


def damaged(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"bad.{kind}"
    if kind == "npz":
        import numpy as np

        np.savez(path, w=np.ones(3))
    elif kind == "boltz.pt":
        torch.save({"state_dict": {"structure_module.score_model.a.weight": torch.ones(2)}}, path)
    elif kind == "torchscript.pt":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    elif kind == "part.safetensors":
        save_file({"diffuser/evoformer/left_single/weights": torch.ones(2, 2)}, path)
    else:
        whole = tmp_path / f"whole.{kind}"
        if kind == "safetensors":
            whole.write_bytes(golden_file("openfold3").read_bytes())
        elif kind == "bin.zst":
            records.write_records(whole, golden("alphafold3"))
        else:
            torch.save(golden("openfold3"), whole)
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
        whole.unlink()
    return path


MISHAPS = {
    "npz": "is a NumPy archive, as AlphaFold 2 has",
    "boltz.pt": "holds weights of Boltz, which are not read",
    "torchscript.pt": "is a TorchScript program",
    "part.safetensors": "looks like weights of AlphaFold 3 .Google DeepMind., but: 1 array missing",
    "safetensors": "is truncated or not a safetensors file",
    "bin.zst": "the compressed stream ends early",
    "pt": "is truncated or not a PyTorch checkpoint",
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", MISHAPS)
def test_damaged_and_foreign_files(tmp_path, kind):
    path = damaged(tmp_path, kind)
    for command in (["inspect", path], ["verify", path], ["convert", path, "--to", tmp_path / "n.safetensors"]):
        with pytest.raises(ValueError, match=MISHAPS[kind]) as caught:
            af3(*command)
        assert str(path) in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_one_line_and_exit_code_2(tmp_path, root):
    path = damaged(tmp_path, "pt")
    command = [sys.executable, "-m", "alphafold3_pytorch.cli", "weights", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"af3: {path} is truncated") and done.stderr.count("\n") == 1
