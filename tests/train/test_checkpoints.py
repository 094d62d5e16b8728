"""Checkpoint files: whole or not there, found by step, and never run as code."""

import pickle

import pytest
import torch

from alphafold3_pytorch.train import checkpoints

STATE = {"model": {"state_dict": {"a": torch.arange(3)}}, "optimizer": {}, "step": 3}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new folder" / "x.pt"
    checkpoints.write(path, STATE)
    state = checkpoints.read(path)
    assert state["step"] == 3 and torch.equal(state["model"]["state_dict"]["a"], torch.arange(3))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    checkpoints.write(path, STATE)
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        checkpoints.write(path, {**STATE, "bad": lambda: None})
    assert checkpoints.read(path)["step"] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


class Malicious:
    def __reduce__(self):
        return (open, ("/nonexistent/should-not-be-opened", "w"))


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", pickle.dumps(Malicious(), protocol=2)])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no checkpoint of a training run, or a damaged one"):
        checkpoints.read(path)


def test_a_cut_off_file_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    checkpoints.write(path, STATE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.read(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({**STATE, "format": checkpoints.FORMAT, "bad": Malicious()}, path)
    with pytest.raises(ValueError, match="is no checkpoint"):
        checkpoints.read(path)


def test_weights_alone_and_later_formats_are_told_apart(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"model": {}}, path)
    with pytest.raises(ValueError, match="to start from weights, use weights="):
        checkpoints.read(path)
    torch.save({**STATE, "format": 99}, path)
    with pytest.raises(ValueError, match="format 99"):
        checkpoints.read(path)


def test_the_newest_is_that_of_the_latest_step(tmp_path):
    for step in (9, 100, 20):
        checkpoints.write(tmp_path / f"run.{step}.pt", STATE)
    (tmp_path / "other.500.pt").touch()
    (tmp_path / "run.600.pt.tmp").touch()
    assert checkpoints.newest(tmp_path, "run.") == tmp_path / "run.100.pt"
    assert checkpoints.newest(tmp_path / "run.9.pt", "run.") == tmp_path / "run.9.pt"
    with pytest.raises(ValueError, match=r"there is no checkpoint none<step>\.pt"):
        checkpoints.newest(tmp_path, "none")
