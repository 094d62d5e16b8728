"""Guided predictions: what is in them, and that they are kept apart from others."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alphafold3_pytorch import cli
from alphafold3_pytorch.features.featurize import prepare
from alphafold3_pytorch.inputs.job import Job, Protein
from alphafold3_pytorch.predict.chemistry import check
from alphafold3_pytorch.predict.guidance import guide
from alphafold3_pytorch.predict.predictor import Settings
from alphafold3_pytorch.structure.mmcif import read_entry


def test_samples_do_not_depend_on_one_another(tiny_predictor, monkeypatch):
    monkeypatch.setattr(guide, "ROUNDS", 3)
    known = prepare(Job("short", (Protein(("A",), "MKT"),)), 1)
    made = lambda *numbers: list(tiny_predictor[0].predict(known, 1, Settings(guided=True), numbers))  # noqa: E731
    together, (alone,) = made(0, 1), made(1)
    assert np.array_equal(together[1].structure.positions, alone.structure.positions)
    assert np.array_equal(together[1].plddt, alone.plddt)


def run(monkeypatch, capsys, *words: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["af3", "predict", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


def problems(folder: Path) -> int:
    """Of the sample in a folder."""
    (path,) = folder.rglob("*sample-0_model.cif")
    return sum(check(read_entry(path).structure).found.values())


def test_the_command_mends_and_keeps_guided_samples_apart(root, tmp_path, tiny_weights, monkeypatch, capsys):
    """A random network puts atoms hundreds of Å from their neighbours."""
    job, out = root / "examples" / "job.yaml", tmp_path / "out"
    words = [job, "-o", out, "--weights", tiny_weights, "--samples", 1, "--device", "cpu", "--no-report"]
    assert run(monkeypatch, capsys, *words)[0] == 0
    (record,) = out.rglob("*_run.json")
    before, wild = json.loads(record.read_text()), problems(out)
    assert before.pop("guided") is None
    record.write_text(json.dumps(before))  # as it was written before there was a guide
    assert run(monkeypatch, capsys, *words)[0] == 0
    code, said = run(monkeypatch, capsys, *words, "--guided")
    assert code == 2 and "made otherwise (one is guided, the other is not)" in said
    # In a process of its own: checking shapes at every call would make it ten times as slow.
    program = [sys.executable, "-m", "alphafold3_pytorch.cli", "predict", *map(str, words), "--guided", "--overwrite"]
    subprocess.run(program, check=True, capture_output=True)
    assert json.loads(record.read_text())["guided"] is True
    assert run(monkeypatch, capsys, *words)[0] == 2
    assert wild > 300 and problems(out) < wild / 5
