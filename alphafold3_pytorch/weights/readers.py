"""Other people's weight files as a dictionary of tensors; the rules give it meaning.

`read` recognises the container by its content. No code from a file is ever executed. A file that is truncated, empty,
or something else altogether is one ValueError.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from alphafold3_pytorch.weights import checkpoints, records
from alphafold3_pytorch.weights.atomic import replacing

INDEX_SUFFIX = ".safetensors.index.json"
LONGEST_HEADER = 100_000_000  # of a safetensors file, by its specification
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class WeightFile:
    """The content of one set of weights."""

    tensors: dict[str, Tensor]  # by the names of whoever published them
    metadata: dict[str, str]  # what the container says beside them: identifier, part taken, versions
    container: str  # "alphafold3", "pytorch" or "safetensors"


def read(path: str | Path) -> WeightFile:
    """Read a weight file, a split one (give any part, the others are beside it), or a folder that holds one model."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give a weight file or the folder that holds one")
    if path.is_dir():
        return read(file_in(path))
    parts = records.with_siblings(path)
    container = recognise(parts[0])
    if container == "alphafold3":
        return WeightFile(*records.read_records(parts), container)
    if container == "pytorch":
        return WeightFile(*checkpoints.read_checkpoint(path), container)
    return WeightFile(*read_safetensors(path), container)


def file_in(folder: Path) -> Path:
    """The one weight file of a folder (the first part, the index, where there are several files)."""
    records_file = records.select_file(folder)
    if found := sorted(folder.glob(f"*{INDEX_SUFFIX}")) + ([records_file] if records_file else []):
        return only(folder, found)
    if deepspeed := checkpoints.find_deepspeed_file(folder):
        return deepspeed
    found = sorted(entry for entry in folder.iterdir() if entry.suffix in SUFFIXES and entry.is_file())
    if not found:
        raise ValueError(
            f"{folder} holds no weights (looked for *.bin.zst, *.bin, {', '.join('*' + s for s in SUFFIXES)})"
        )
    return only(folder, found)


def only(folder: Path, found: list[Path]) -> Path:
    if len(found) > 1:
        raise ValueError(f"{folder} holds several models ({', '.join(p.name for p in found)}); give the one you mean")
    return found[0]


def recognise(path: Path) -> str:
    """The container that a file is, by its first bytes; names lie."""
    with path.open("rb") as file:
        start = file.read(64)
    text = start.lstrip().lower()
    if not start:
        raise ValueError(f"{path} is empty; download it again")
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<error")):
        raise ValueError(f"{path} is a web page or an error message of a server, not weights; download it again")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{path} is a Git LFS pointer, not the weights themselves; run `git lfs pull` where it came from"
        )
    if path.name.endswith(INDEX_SUFFIX) or (
        start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER
    ):
        return "safetensors"
    if start.startswith((checkpoints.ZIP_MAGIC, checkpoints.LEGACY_MAGIC)) or (
        start[0] == 0x80 and start[1:2] <= b"\x05"
    ):
        return "pytorch"
    if records.looks_like_records(start):
        return "alphafold3"
    raise ValueError(
        f"{path} is not a weight file that is known here (AlphaFold 3 records, PyTorch checkpoint, safetensors), "
        f"or it is damaged; it begins with {start[:8]!r}"
    )


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """One file, or all shards of a set (of which `path` is the index or a member)."""
    index = index_of(path)
    if index is None:
        return read_shard(path)
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        places = {str(key): str(name) for key, name in content["weight_map"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is not the index of a safetensors set (weight_map is missing or damaged)") from error
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        tensors |= read_member(index, name, [key for key in places if places[key] == name])
    return tensors, {str(key): str(value) for key, value in (content.get("metadata") or {}).items()}


def index_of(path: Path) -> Path | None:
    """The index of the set that a file belongs to, None for a file that is complete by itself."""
    if path.name.endswith(INDEX_SUFFIX):
        return path
    member = re.fullmatch(r"(.+)-\d{5}-of-(\d{5})\.safetensors", path.name)
    if member is None or int(member[2]) == 1:
        return None
    index = path.with_name(member[1] + INDEX_SUFFIX)
    if not index.exists():
        raise ValueError(f"{path} is one of {int(member[2])} shards and their index {index.name} is not beside it")
    return index


def read_member(index: Path, name: str, keys: list[str]) -> dict[str, Tensor]:
    """The tensors that the index places in one shard."""
    shard = index.parent / name
    if Path(name).name != name or not shard.is_file():
        raise ValueError(f"{index} names the shard {name}, which is not beside it; download it")
    tensors, _ = read_shard(shard)
    if missing := [key for key in keys if key not in tensors]:
        raise ValueError(f"{shard} lacks {missing[0]} ({len(missing)} in all), which {index.name} places there")
    return {key: tensors[key] for key in keys}


def read_shard(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})
    except (SafetensorError, TypeError) as error:  # TypeError: a type that this PyTorch does not know
        raise ValueError(f"{path} is truncated or not a safetensors file ({error}); download it again") from error


def save_safetensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write one file, whole or not at all. Tensors that share memory are written each in full."""
    path, seen, separate = Path(path), set(), {}
    for key, tensor in tensors.items():
        tensor = checkpoints.own_storage(tensor)
        shared = tensor.untyped_storage().data_ptr() in seen
        seen.add(tensor.untyped_storage().data_ptr())
        separate[key] = tensor.clone() if shared else tensor
    with replacing(path) as temporary:
        save_file(separate, temporary, dict(metadata or {}))
