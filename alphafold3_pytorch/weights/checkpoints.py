"""PyTorch checkpoints (.pt, .pth, .ckpt): the state dict inside, whatever wraps it, without running code from the file.

Trainers wrap a state dict in other dictionaries (`{"model": ...}`, Lightning's `state_dict` and `ema`, DeepSpeed's
`module`) and prefix its keys (`module.` by DistributedDataParallel, `model.` by Lightning, `_orig_mod.` by
torch.compile). All of it is peeled off, and the metadata say what was taken.
"""

import contextlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from alphafold3_pytorch.weights.atomic import replacing

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF"  # the first pickle of files from before PyTorch 1.6

# Where the weights may be, the preferred place first: averaged weights are what a model is meant to be used with.
WRAPPERS = ("ema", "state_dict", "model", "module", "model_state_dict", "params")
# Names that a wrapping module puts into every key below it, at any depth.
WRAPPING_MODULES = {"_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# Names that a training loop puts before all keys.
PREFIXES = ("module.", "model.")
DEEPSPEED_FILE = "mp_rank_00_model_states.pt"


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, mapped from the file where its format allows, and which part of the file they are."""
    content = load_without_code(path)
    part, found = unwrap(content)
    tensors = {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        entries = ", ".join(map(str, content))[:200] if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f"{path} holds no state dict (names and tensors), only: {entries or 'nothing'}")
    metadata = {"part": part or "whole file", **scalars(content, part)}
    if others := [str(key) for key in found if str(key) not in tensors]:
        metadata["left_out"] = f"not tensors: {', '.join(others)}"
    lightning = isinstance(content, Mapping) and "pytorch-lightning_version" in content
    tensors, prefix = strip_prefixes(path, tensors, partial=lightning and part in ("state_dict", "module"))
    return tensors, metadata | ({"prefix": prefix} if prefix else {})


def load_without_code(path: Path) -> Any:
    """What was saved, if it is made of tensors, containers and plain values only."""
    with path.open("rb") as file:
        start = file.read(len(LEGACY_MAGIC))
    if not start.startswith((ZIP_MAGIC, LEGACY_MAGIC)):
        raise ValueError(f"{path} is a Python pickle but no PyTorch checkpoint; nothing in it was executed")
    mappable = (
        start.startswith(ZIP_MAGIC) and path.suffix != ".safetensors"
    )  # by that suffix PyTorch takes another reader
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path if mappable else file, map_location="cpu", weights_only=True, mmap=mappable)
    except UnpicklingError as error:
        raise ValueError(refusal(path, error)) from error
    except (OSError, MemoryError):  # the machine, not the file
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        if foreign := other_archive(path):
            raise ValueError(f"{path} is {foreign}") from error
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ValueError(f"{path} is truncated or not a PyTorch checkpoint ({reason}); download it again") from error


def other_archive(path: Path) -> str | None:
    """What an intact zip archive is, if it is none of PyTorch's state dicts."""
    names = []
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:  # a damaged one can fail in any way
        names = archive.namelist()
    if not names:
        return None
    if all(name.endswith(".npy") for name in names):
        return "a NumPy archive, as AlphaFold 2 has; only models of the AlphaFold 3 architecture are read"
    if any("/code/" in name for name in names):
        return "a TorchScript program, which is code; nothing in it was executed"
    return None if any(name.endswith("data.pkl") for name in names) else "a zip archive without weights"


def refusal(path: Path, error: UnpicklingError) -> str:
    """The message for a file whose pickle asks for more than tensors."""
    named = re.findall(r"GLOBAL ([\w.]+)", str(error))
    if not named:
        return f"{path} is damaged or not a PyTorch checkpoint; nothing in it was executed"
    with contextlib.suppress(Exception):  # the whole list; files of the legacy format and damaged ones have none
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path) or named
    return (
        f"{path} asks for code beside tensors ({', '.join(dict.fromkeys(named))}); this was refused and not executed. "
        "Where you trust the file, load it with the program that wrote it and save its state dict alone"
    )


def unwrap(content: Any, path: str = "") -> tuple[str, Mapping[Any, Any]]:
    """Follow the wrappers down to a state dict: its dotted place and itself, empty if there is none."""
    if not isinstance(content, Mapping):
        return path, {}
    places = [unwrap(content[name], f"{path}.{name}".lstrip(".")) for name in WRAPPERS if name in content]
    most = max((count_tensors(found) for _, found in places), default=0)
    for part, found in places:
        if most and count_tensors(found) > most / 2:  # an average of a few statistics is no model
            return part, found
    return path, content if count_tensors(content) else {}


def count_tensors(mapping: Mapping[Any, Any]) -> int:
    return sum(isinstance(value, Tensor) for value in mapping.values())


def scalars(content: Any, part: str) -> dict[str, str]:
    """Plain values (version, step, epoch, decay) that stand beside the way to `part`."""
    result, level = {}, ""
    for name in [*part.split("."), ""]:
        if not isinstance(content, Mapping):
            break
        values = {key: value for key, value in content.items() if isinstance(value, str | int | float)}
        result |= {f"{level}{key}": str(value) for key, value in values.items() if len(str(value)) <= 200}
        content, level = content.get(name), f"{level}{name}."
    return result


def strip_prefixes(path: Path, tensors: dict[str, Tensor], partial: bool) -> tuple[dict[str, Tensor], str]:
    """Keys without what wrappers added, and what was taken off. `partial`: not all keys need to begin with `model.`."""
    names = {key: ".".join(word for word in key.split(".") if word not in WRAPPING_MODULES) for key in tensors}
    removed = ["_orig_mod and the like"] if any(key != name for key, name in names.items()) else []
    while prefix := shared_prefix(names.values(), partial and "model." not in removed):
        names = {key: name.removeprefix(prefix) for key, name in names.items()}
        removed.append(prefix)
    if len(set(names.values())) < len(names):
        raise ValueError(f"{path}: two weights have the same name once the prefixes {', '.join(removed)} are taken off")
    return {names[key]: tensor for key, tensor in tensors.items()}, " ".join(removed)


def shared_prefix(names: Any, partial: bool) -> str | None:
    """The prefix of all names (of some, for `model.` of a Lightning module that holds metrics as well)."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in names):
            return prefix
    return "model." if partial and any(name.startswith("model.") for name in names) else None


def save_checkpoint(path: Path, state: Mapping[str, Tensor], wrapper: str | None = None) -> None:
    """Write a state dict, under a key if its owner's program looks for it there."""
    own = {id(tensor): own_storage(tensor) for tensor in state.values()}
    content = {key: own[id(tensor)] for key, tensor in state.items()}
    with replacing(path) as temporary:
        torch.save({wrapper: content} if wrapper else content, temporary)


def own_storage(tensor: Tensor) -> Tensor:
    """The tensor in memory of its own: of a view, a file would take the whole."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def find_deepspeed_file(folder: Path) -> Path | None:
    """The weights of a DeepSpeed checkpoint folder, as written or as wrapped by Lightning."""
    places = [folder, folder / "checkpoint"]
    if (folder / "latest").is_file():
        places.append(folder / (folder / "latest").read_text().strip())
    found = next((place for place in places if (place / DEEPSPEED_FILE).is_file()), None)
    if found and (found / "mp_rank_01_model_states.pt").exists():
        raise ValueError(f"{found} splits the weights over several ranks; merge them with DeepSpeed's zero_to_fp32.py")
    return found / DEEPSPEED_FILE if found else None
