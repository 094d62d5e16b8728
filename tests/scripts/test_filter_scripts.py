"""The scripts under their names and flags of old, and `af3 data filter`, which does the same."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alphafold3_pytorch import cli
from alphafold3_pytorch.curation import filter_command, run
from alphafold3_pytorch.curation.filter_command import policy
from alphafold3_pytorch.curation.policy import TEST, TRAINING, VALIDATION
from alphafold3_pytorch.curation.run import Request


@pytest.fixture
def asked(monkeypatch) -> list[Request]:
    """What a script would run."""
    found: list[Request] = []
    monkeypatch.setattr(filter_command, "filter_set", lambda request: found.append(request) or 0)
    return found


def ask(split: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        filter_command.script(split, arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


def test_without_flags_the_folders_are_those_of_old(asked):
    for split, limits in (("train", TRAINING), ("val", VALIDATION), ("test", TEST)):
        assert ask(split) == 0
        request = asked.pop()
        assert request.assembly_dir == Path("data/pdb_data/unfiltered_assembly_mmcifs")
        assert request.settings.asym_dir == Path("data/pdb_data/unfiltered_asym_mmcifs")
        assert request.settings.output_dir == Path(f"data/pdb_data/{split}_mmcifs")
        assert request.settings.policy == limits and request.settings.evaluation == (split != "train")


@pytest.mark.parametrize("flags", ["-i A -a B -c C -o D -f 2000-01-01 -l 2001-01-01 -s -n 3 -w 10", None])
def test_short_and_long_flags(asked, flags):
    long = (
        "--mmcif_assembly_dir A --mmcif_asym_dir B --ccd_dir C --output_dir D --min_cutoff_date 2000-01-01 "
        "--max_cutoff_date 2001-01-01 --skip_existing --no_workers 3 --chunksize 10"
    )
    assert ask("train", *(flags or long).split()) == 0
    (request,) = asked
    settings = request.settings
    assert (request.assembly_dir, settings.asym_dir) == (Path("A"), Path("B"))
    assert (settings.ccd_dir, settings.output_dir) == (Path("C"), Path("D"))
    assert (settings.policy.earliest, settings.policy.latest) == ("2000-01-01", "2001-01-01")
    assert request.skip_existing and request.workers == 3


def test_the_exclusion_set(asked):
    for split, flag, expected in [
        ("train", [], False),
        ("train", ["--remove_ligands_in_exclusion_set"], True),
        ("val", [], True),
        ("val", ["--keep_ligands_in_exclusion_set"], False),
        ("test", ["-e"], False),
    ]:
        ask(split, *flag)
        assert asked.pop().settings.policy.exclude_ligands == expected


def test_mistakes_are_one_line(capsys):
    assert ask("train", "-f", "September") == 2
    assert "the earliest date is 'September'; write it as 2021-09-30" in capsys.readouterr().err
    assert ask("train", "-i", "nowhere", "-o", "nowhere/out") == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(ValueError, match="train, val, test"):
        policy("valid")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_scripts_are_those_of_their_split(root, asked, monkeypatch, split):
    script = root / "scripts" / f"filter_pdb_{split}_mmcifs.py"
    monkeypatch.setattr(sys, "argv", [str(script), "-n", "2"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    assert asked[0].settings.output_dir.name == f"{split}_mmcifs" and asked[0].workers == 2


def in_turn(function, tasks, workers, lost):
    yield from map(function, tasks)


def test_command_and_script_write_the_same(shared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "on_this_machine", in_turn)
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("100d", "1l2y"):
        shutil.copy(shared / "data" / "structures" / f"{name}.cif.gz", "in")
    command = CliRunner().invoke(cli.app, "data filter in -o a --split train --workers 1".split())
    assert ask("train", *"-i in -a in -o b -n 1".split()) == command.exit_code == 0
    assert command.stdout.startswith("1 kept, 1 dropped, 0 failed") and "1 kept" in capsys.readouterr().out
    one, other = (Path(out, "00", "100d.cif").read_bytes() for out in "ab")
    assert one == other


def test_failures_are_in_the_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "on_this_machine", in_turn)
    (tmp_path / "1aaa.cif").write_text("nothing")
    command = CliRunner().invoke(cli.app, ["data", "filter", str(tmp_path), "-o", str(tmp_path / "out")])
    assert command.exit_code == 1 and "1aaa.cif: " in command.stdout
