"""The same weights in every container that their owners use load to the same network."""

import pytest
import torch

from alphafold3_pytorch.weights import records
from alphafold3_pytorch.weights.checkpoints import save_checkpoint
from alphafold3_pytorch.weights.families import FAMILIES, load, load_tensors, plan_file
from alphafold3_pytorch.weights.rules import identical
from tests.weights.conftest import golden, golden_file


def loads_as(name: str, path) -> None:
    expected, loaded = load_tensors(golden(name)), load(path)
    assert loaded.config == expected.config
    left, right = expected.state_dict(), loaded.state_dict()
    assert all(identical(left[key], right[key]) for key in left)


def prefixed(prefix: str, weights):
    return {prefix + key: value for key, value in weights.items()}


def test_half_precision_file_as_it_is(case):
    loads_as(case, golden_file(case))


def test_protenix_as_published(tmp_path):
    weights = golden("protenix_v1")
    content = {"model": prefixed("module.", weights), "optimizer": {"state": {}}, "step": 3}
    torch.save(content, tmp_path / "ddp.pt")
    torch.save({"model": weights}, tmp_path / "plain.pt")
    for name in ("ddp.pt", "plain.pt"):
        loads_as("protenix_v1", tmp_path / name)
    file, _ = plan_file(tmp_path / "ddp.pt")
    assert file.metadata == {"part": "model", "step": "3", "prefix": "module."}


def test_openfold_trained_with_lightning(tmp_path):
    weights = golden("openfold3")
    other = {key: torch.zeros_like(value) for key, value in weights.items()}
    content = {
        "pytorch-lightning_version": "2.5",
        "epoch": 4,
        "state_dict": prefixed("model.", other),
        "ema": {"params": weights, "decay": 0.999},
    }
    torch.save(content, tmp_path / "epoch.ckpt")
    loads_as("openfold3", tmp_path / "epoch.ckpt")  # the averaged weights


def test_openfold_trained_with_deepspeed(tmp_path):
    folder = tmp_path / "epoch.ckpt" / "checkpoint"
    folder.mkdir(parents=True)
    content = {"module": prefixed("_forward_module.model.", golden("openfold3_p2")), "global_steps": 9}
    torch.save(content, folder / "mp_rank_00_model_states.pt")
    loads_as("openfold3_p2", tmp_path / "epoch.ckpt")


@pytest.mark.parametrize("form", ["af3.bin.zst", "af3.bin", "af3.{}.bin.zst", "af3.bin.zst.{}"])
def test_official_records(tmp_path, form):
    whole = tmp_path / form.replace(".{}", "")
    records.write_records(whole, golden("alphafold3"), identifier="a release")
    if "{}" in form:
        data = whole.read_bytes()
        whole.unlink()
        for i in range(3):
            (tmp_path / form.format(i)).write_bytes(data[i * len(data) // 3 : (i + 1) * len(data) // 3])
    loads_as("alphafold3", tmp_path)


def test_owners_containers_are_what_we_write(case, tmp_path):
    weights, family = golden(case), FAMILIES[case.split("_")[0]]
    path = tmp_path / f"out{family.suffixes[0]}"
    family.write(path, weights, "a release")
    loads_as(case, path)
    if family.name == "protenix":
        assert list(torch.load(path, weights_only=True)) == ["model"]
    if family.name == "alphafold3":
        assert plan_file(path)[0].metadata == {"identifier": "a release"}


def test_an_identifier_that_is_no_text_comes_back(tmp_path):
    raw = bytes(range(200, 232))
    weights = {records.IDENTIFIER: torch.tensor(list(raw), dtype=torch.uint8), "a/b": torch.ones(1)}
    records.write_records(tmp_path / "one.bin", weights)
    identifier = records.read_records([tmp_path / "one.bin"])[1]["identifier"]
    records.write_records(tmp_path / "two.bin", {"a/b": torch.ones(1)}, identifier)
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()


def test_a_view_is_written_without_the_rest_of_its_memory(tmp_path):
    whole = torch.randn(1000, 100)
    save_checkpoint(tmp_path / "view.pt", {"a": whole[:2], "b": whole[:2]})
    assert (tmp_path / "view.pt").stat().st_size < 10_000
    assert torch.equal(torch.load(tmp_path / "view.pt", weights_only=True)["a"], whole[:2])
