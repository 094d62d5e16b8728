"""Network configs as flat tables and JSON: how two differ, and which fields a foreign one has that we do not know."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from alphafold3_pytorch.models.config import NetworkConfig, config_from_dict

# What no file of weights holds: how to run the network, and what only training reads.
NOT_IN_FILES = ("sampler", "recycles", "conventions", "dropout", "max_rows")


def flat(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted field names and their values. An absent part (None) is one entry."""
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from flat(value, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}", value


def differences(theirs: NetworkConfig, ours: NetworkConfig, ignoring: tuple[str, ...] = NOT_IN_FILES) -> list[str]:
    """Fields in which two configs differ, with both values, unless a word of their name is to be ignored."""
    left, right = dict(flat(theirs)), dict(flat(ours))
    names = [name for name in {**left, **right} if not set(name.split(".")) & set(ignoring)]
    return [f"{n} ({left.get(n)} there, {right.get(n)} here)" for n in names if left.get(n) != right.get(n)]


def to_json(config: NetworkConfig) -> str:
    return json.dumps(asdict(config))


def from_json(text: str) -> NetworkConfig:
    """The config that `to_json` wrote; ValueError for anything else."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"its config is not JSON ({error})") from error
    try:
        return config_from_dict(checked(values, NetworkConfig))
    except TypeError as error:
        raise ValueError(f"its config is not complete ({error})") from error


def checked(values: Any, kind: type, path: str = "config") -> dict[str, Any]:
    """The fields, every one of them known and with a value of its type (a whole number may stand for a float)."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{path} should be a table of fields, not {values!r}")
    hints, result = get_type_hints(kind), {}
    for name, value in values.items():
        if name not in hints:
            near = get_close_matches(str(name), hints)
            meant = f"did you mean {', '.join(near)}?" if near else "it was written by another version"
            raise ValueError(f"{path} has the unknown field {name!r}; {meant}")
        kinds = (hints[name], *get_args(hints[name]))
        nested = next((each for each in kinds if is_dataclass(each)), None)
        if isinstance(nested, type) and value is not None:
            value = checked(value, nested, f"{path}.{name}")
        elif not any(fits(value, each) for each in kinds):
            wanted = getattr(hints[name], "__name__", hints[name])
            raise ValueError(f"{path}.{name} is {value!r}, which is not of the type {wanted}")
        result[name] = float(value) if hints[name] is float and isinstance(value, int) else value
    return result


def fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value can be of a type that a config field has."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if isinstance(value, list):
        return getattr(kind, "__origin__", None) is tuple and all(type(each) is int for each in value)
    if isinstance(value, str):
        return value == kind or value in get_args(kind) or kind is str
    return isinstance(value, int | float if kind is float else kind) if isinstance(kind, type) else False
