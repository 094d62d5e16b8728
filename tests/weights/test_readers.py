"""Readers against files of others, against their own writers, and against everything that is not a weight file."""

import json
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from alphafold3_pytorch.weights import records
from alphafold3_pytorch.weights.readers import read, save_safetensors

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4), "b": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}
RECORDS = {
    "diffuser/evoformer/left_single/weights": torch.arange(6.0).reshape(2, 3),
    "diffuser/evoformer/left_single/bias": torch.tensor([0.1, 0.2], dtype=torch.bfloat16),
    "diffuser/scalar/scale": torch.tensor(3.0, dtype=torch.float16),
    "diffuser/empty/offset": torch.zeros(0, 4),
}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Equal names, types, shapes and bytes (NaN included)."""

    def raw(x: torch.Tensor) -> tuple:
        return x.dtype, x.shape, bytes(x.contiguous().reshape(-1).view(torch.uint8).tolist())

    return list(left) == list(right) and all(raw(left[key]) == raw(right[key]) for key in left)


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


# ---- official AlphaFold 3 records


def test_official_golden_files(shared):
    folder = shared / "parity" / "golden" / "alphafold3"
    ours, theirs = read(folder / "params.bin.zst"), read(folder / "params.safetensors")
    assert same(dict(sorted(ours.tensors.items())), dict(sorted(theirs.tensors.items())))
    assert len(ours.tensors) == 404 and ours.container == "alphafold3" and theirs.container == "safetensors"
    assert ours.metadata == {"identifier": "golden-random-params"}
    mixed = read(folder / "params_mixed_dtypes.bin.zst").tensors
    assert {tensor.dtype for tensor in mixed.values()} == {torch.float16, torch.bfloat16}
    assert all(torch.equal(tensor, theirs.tensors[key].to(tensor.dtype)) for key, tensor in mixed.items())


@pytest.mark.parametrize("name", ["af3.bin.zst", "af3.bin"])
def test_records_round_trip(tmp_path, name):
    records.write_records(tmp_path / name, RECORDS, identifier="a name")
    file = read(tmp_path / name)
    assert same(file.tensors, RECORDS) and file.metadata == {"identifier": "a name"}
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_layout_is_the_official_one(tmp_path):
    records.write_records(tmp_path / "m.bin", {"s/w": torch.tensor([[1.0], [2.0]])})
    numbers = b"".join(n.to_bytes(4, "little") for n in (1, 1, 7, 2, 8))
    expected = numbers + b"swfloat32" + bytes([2, 0, 0, 0, 1, 0, 0, 0]) + bytes.fromhex("0000803f00000040")
    assert (tmp_path / "m.bin").read_bytes() == expected


@pytest.mark.parametrize("form", ["af3.{}.bin.zst", "af3.bin.zst.{}", "af3.{}.bin"])
def test_split_files(tmp_path, form):
    whole = tmp_path / ("x.bin.zst" if "zst" in form else "x.bin")
    records.write_records(whole, RECORDS)
    data = whole.read_bytes()
    whole.unlink()
    parts = [tmp_path / form.format(i) for i in range(3)]
    for part, piece in zip(parts, (data[:40], data[40:55], data[55:]), strict=True):
        part.write_bytes(piece)
    for path in (tmp_path, *parts):  # the folder, or any part
        assert same(read(path).tensors, RECORDS)
    parts[1].unlink()
    with pytest.raises(ValueError, match="part 1 is missing"):
        read(parts[0])


def test_a_lone_number_is_part_of_the_name(tmp_path):
    records.write_records(tmp_path / "af3.20241104.bin.zst", RECORDS)
    assert same(read(tmp_path).tensors, RECORDS)


def test_several_frames_are_one_stream(tmp_path):
    records.write_records(tmp_path / "x.bin", RECORDS)
    data = (tmp_path / "x.bin").read_bytes()
    frames = zstandard.compress(data[:33]) + zstandard.compress(data[33:])
    (tmp_path / "y.bin.zst").write_bytes(frames)
    assert same(read(tmp_path / "y.bin.zst").tensors, RECORDS)


def test_folder_with_several_models_is_ambiguous(tmp_path):
    for name in ("one.bin.zst", "two.bin.zst"):
        records.write_records(tmp_path / name, RECORDS)
    with pytest.raises(ValueError, match="several models .*one, two"):
        read(tmp_path)
    (tmp_path / "two.bin.zst").rename(tmp_path / "two.0.bin.zst")  # numbered names come first, as in the official rule
    assert same(read(tmp_path).tensors, RECORDS)


ARRAYS = st.builds(
    lambda dtype, shape, seed: (
        torch.randint(0, 256, (*shape, dtype.itemsize), generator=torch.Generator().manual_seed(seed))
        .to(torch.uint8)
        .view(dtype)
        .reshape(shape)
    ),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.uint8]),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.integers(0, 99),
)
MODELS = st.dictionaries(st.from_regex(r"[a-zé~_/]{1,9}/[a-z_]{1,6}", fullmatch=True), ARRAYS, min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(model=MODELS, cut=st.floats(0, 1, exclude_max=True), packed=st.booleans())
def test_any_model_round_trips_and_any_cut_is_seen(tmp_path_factory, model, cut, packed):
    path = tmp_path_factory.mktemp("records") / ("m.bin.zst" if packed else "m.bin")
    records.write_records(path, model)
    assert same(read(path).tensors, model)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    try:
        tensors = read(path).tensors
    except ValueError as error:
        assert str(path) in str(error)
    else:  # an unpacked stream has no end mark: a cut between two records leaves a shorter model
        assert not packed and same(tensors, dict(list(model.items())[: len(tensors)]))


def test_every_cut_of_a_packed_file_is_refused(tmp_path):
    path = tmp_path / "m.bin.zst"
    records.write_records(path, RECORDS, identifier="model")
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read(path)


def test_damage_names_record_and_place(tmp_path):
    path = tmp_path / "m.bin"
    records.write_records(path, RECORDS)
    data = path.read_bytes()
    first = 20 + len("diffuser/evoformer/left_single" + "weights" + "float32") + 8 + 24
    cases = {
        data[
            : first - 4
        ]: "record 1, from byte 0 .* ends within the data of diffuser/evoformer/left_single/weights, .* 20 of",
        data[: first + 7]: f"record 2, from byte {first} .* ends within a header, after 7 of 20",
        data.replace(b"bfloat16", b"complex9"): "record 2, .* unknown type 'complex9'",
        data[:first] + data: "record 2, .*/weights was already given",
        data[:first] + b"\xff" * 40: "record 2, .* no record has the header",
        data.replace(
            b"\x02\x00\x00\x00\x03\x00\x00\x00", b"\x02\x00\x00\x00\x02\x00\x00\x00"
        ): "does not fill 24 bytes",
        data.replace(b"diff", b"\xff\xfeff", 1): "record 1, .* names are not text",
    }
    for content, message in cases.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read(path)


def test_damaged_packed_stream(tmp_path):
    path = tmp_path / "m.bin.zst"
    records.write_records(path, {"s/w": torch.randn(1000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="record 1, .* compressed stream is damaged"):
        read(path)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.bin.zst"
    records.write_records(path, RECORDS)
    with pytest.raises(ValueError, match="scope/name"):
        records.write_records(path, {"s/w": torch.ones(2), "no scope": torch.ones(2)})
    assert same(read(path).tensors, RECORDS) and len(list(tmp_path.iterdir())) == 1


# ---- PyTorch checkpoints

EMA = {key: value + 1 for key, value in STATE.items()}


def prefixed(prefix: str, state: dict = STATE) -> dict:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    ("content", "part", "prefix"),
    [
        (STATE, "whole file", None),
        ({"model": STATE, "optimizer": {"state": {}}, "step": 7}, "model", None),
        ({"model": prefixed("module.")}, "model", "module."),
        ({"state_dict": prefixed("model.")}, "state_dict", "model."),
        ({"module": prefixed("_forward_module.model.")}, "module", "_orig_mod and the like model."),
        ({"state_dict": prefixed("module._orig_mod.")}, "state_dict", "_orig_mod and the like module."),
        ({"state_dict": prefixed("model.", EMA), "ema": {"params": STATE, "decay": 0.999}}, "ema.params", None),
        ({"module": EMA, "ema": {"params": prefixed("module.")}}, "ema.params", "module."),
        ({"state_dict": prefixed("model."), "ema": {}}, "state_dict", "model."),
        ({"state_dict": STATE, "ema": {"decay": torch.tensor(0.9)}}, "state_dict", None),
        ({"model": {"version": "0.8.3", "state_dict": STATE}}, "model.state_dict", None),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_wrapped_checkpoints(tmp_path, content, part, prefix, legacy):
    torch.save(content, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    file = read(tmp_path / "m.pt")
    assert same(file.tensors, STATE)
    assert file.container == "pytorch"
    assert file.metadata["part"] == part and file.metadata.get("prefix") == prefix


def test_what_stands_beside_the_weights_is_told(tmp_path):
    content = {"model": {"version": "0.8.3", "state_dict": {**STATE, "extra": None}}, "step": 7, "config": {"a": 1}}
    torch.save(content, tmp_path / "m.pt")
    file = read(tmp_path / "m.pt")
    assert same(file.tensors, STATE)
    assert file.metadata == {
        "part": "model.state_dict",
        "step": "7",
        "model.version": "0.8.3",
        "left_out": "not tensors: extra",
    }


def test_lightning_module_with_metrics_beside_the_model(tmp_path):
    content = {"state_dict": {**prefixed("model."), "metric.total": torch.ones(1)}, "pytorch-lightning_version": "2.5"}
    torch.save(content, tmp_path / "m.ckpt")
    assert list(read(tmp_path / "m.ckpt").tensors) == ["a.weight", "b", "metric.total"]


def test_colliding_names_are_refused(tmp_path):
    torch.save({"a.w": torch.ones(1), "a._orig_mod.w": torch.ones(1)}, tmp_path / "m.pt")
    with pytest.raises(ValueError, match="two weights have the same name"):
        read(tmp_path / "m.pt")


def test_deepspeed_folders(tmp_path):
    inner = tmp_path / "run.ckpt" / "checkpoint"
    inner.mkdir(parents=True)
    torch.save({"module": STATE}, inner / "mp_rank_00_model_states.pt")
    assert same(read(tmp_path / "run.ckpt").tensors, STATE)
    (tmp_path / "latest").write_text("run.ckpt/checkpoint\n")
    assert same(read(tmp_path).tensors, STATE)
    (inner / "mp_rank_01_model_states.pt").touch()
    with pytest.raises(ValueError, match="several ranks"):
        read(tmp_path)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, legacy):
    trap = tmp_path / "trapped"
    content = {"model": STATE, "callback": Trap(trap)}
    torch.save(content, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"(posix|nt)\.mkdir.* not executed"):
        read(tmp_path / "m.pt")
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(2, 6))
def test_bare_pickle_is_refused_and_not_run(tmp_path, protocol):
    trap = tmp_path / "trapped"
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Trap(trap), protocol))
    with pytest.raises(ValueError, match="nothing in it was executed"):
        read(tmp_path / "m.pt")
    assert not trap.exists()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated_checkpoint(tmp_path, keep):
    torch.save({"model": STATE}, tmp_path / "m.pt")
    data = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ValueError, match="m.pt is truncated or not a PyTorch checkpoint"):
        read(tmp_path / "m.pt")


@pytest.mark.parametrize("legacy", [False, True])
@settings(max_examples=100, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_checkpoint_never_ends_in_another_error(tmp_path_factory, legacy, place, byte):
    path = tmp_path_factory.mktemp("damaged") / "m.pt"
    torch.save({"model": STATE}, path, _use_new_zipfile_serialization=not legacy)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] = byte
    path.write_bytes(data)
    try:
        read(path)
    except ValueError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("content", [[STATE], torch.ones(3), {"lr": 0.1}, {"model": {}}, {}])
def test_checkpoint_without_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        read(tmp_path / "m.pt")


# ---- safetensors


def test_safetensors_round_trip(tmp_path):
    base = torch.randn(4, 6)
    tensors = {
        "t": base.t(),
        "row": base[1],
        "again": base,
        "half": base.half(),
        "n": torch.tensor(3),
        "empty": base[:0],
    }
    save_safetensors(tmp_path / "m.safetensors", tensors, {"family": "x"})
    file = read(tmp_path / "m.safetensors")
    assert same(dict(sorted(file.tensors.items())), dict(sorted(tensors.items())))
    assert file.metadata == {"family": "x"}
    umask_mode = (tmp_path / "plain").open("w").close() or (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "m.safetensors").stat().st_mode == umask_mode


def test_saving_over_the_file_that_the_tensors_come_from(tmp_path):
    save_safetensors(tmp_path / "m.safetensors", STATE)
    save_safetensors(tmp_path / "m.safetensors", read(tmp_path / "m.safetensors").tensors, {"round": "2"})
    assert same(dict(sorted(read(tmp_path / "m.safetensors").tensors.items())), STATE)


def test_failed_save_leaves_the_old_file(tmp_path):
    save_safetensors(tmp_path / "m.safetensors", STATE)
    before = (tmp_path / "m.safetensors").read_bytes()
    with pytest.raises(TypeError):
        save_safetensors(tmp_path / "m.safetensors", STATE, {"step": 3})  # type: ignore[dict-item]
    assert (tmp_path / "m.safetensors").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_save_into_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; make the folder first"):
        save_safetensors(tmp_path / "nowhere" / "m.safetensors", STATE)


@pytest.fixture
def shards(tmp_path) -> Path:
    names = [f"m-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for name, key in zip(names, STATE, strict=True):
        save_file({key: STATE[key]}, tmp_path / name)
    index = {"metadata": {"total_size": 52}, "weight_map": dict(zip(STATE, names, strict=True))}
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


def test_sharded_safetensors(shards):
    for path in (shards, *shards.iterdir()):  # the folder, the index, any shard
        assert same(read(path).tensors, STATE)
    assert read(shards).metadata == {"total_size": "52"}


def test_incomplete_shards(shards):
    first, second = sorted(shards.glob("*-of-*"))
    second.rename(shards / "elsewhere")
    with pytest.raises(ValueError, match="names the shard m-00002-of-00002.safetensors, which is not beside it"):
        read(first)
    save_file({"other": torch.ones(1)}, second)
    with pytest.raises(ValueError, match="lacks b "):
        read(shards)
    (shards / "m.safetensors.index.json").write_text('{"weight_map": {"b": "../secret.safetensors"}}')
    with pytest.raises(ValueError, match="not beside it"):
        read(shards)
    (shards / "m.safetensors.index.json").write_text('{"weight_map": 3}')
    with pytest.raises(ValueError, match="not the index"):
        read(shards)
    (shards / "m.safetensors.index.json").unlink()
    with pytest.raises(ValueError, match="one of 2 shards"):
        read(first)


@pytest.mark.parametrize("size", [9, 20, 60, -1])
def test_truncated_safetensors(tmp_path, size):
    save_safetensors(tmp_path / "m.safetensors", STATE)
    (tmp_path / "m.safetensors").write_bytes((tmp_path / "m.safetensors").read_bytes()[:size])
    with pytest.raises(ValueError, match="m.safetensors is truncated or not a safetensors file"):
        read(tmp_path / "m.safetensors")


# ---- everything else


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "error message of a server"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "not a weight file that is known here"),
        (b"just some text that somebody called weights", "not a weight file that is known here"),
        (b"x", "not a weight file that is known here"),
        (bytes(64), "not a weight file that is known here"),
        (b"PK\x03\x04 a zip archive of something", "truncated or not a PyTorch checkpoint"),
        (zstandard.compress(b"a text, well packed, but of no use here"), "record 1, .* AlphaFold 3 model"),
        (zstandard.compress(b""), "holds no parameters"),
    ],
)
@pytest.mark.parametrize("name", ["m.pt", "m.bin.zst", "m.safetensors"])
def test_foreign_files_are_one_clear_error(tmp_path, content, message, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_noise_never_ends_in_another_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("noise") / "m.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read(path)


def test_missing_file_and_folder_without_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "m.pt")
    with pytest.raises(ValueError, match="holds no weights"):
        read(tmp_path)
    for name in ("one.pt", "two.pt"):
        torch.save(STATE, tmp_path / name)
    with pytest.raises(ValueError, match=r"several models \(one.pt, two.pt\)"):
        read(tmp_path)
