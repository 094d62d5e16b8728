"""What all readers of job files share: opening files, and taking records apart while collecting every mistake."""

import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import zstandard

Made = TypeVar("Made")
NAMES = {
    str: "text",
    int: "a whole number",
    list: "a list",
    dict: "a record { }",
    bool: "true or false",
    float: "a number",
}


def read_text(path: Path) -> str:
    """The text of a file, unpacked if it is a gzip, xz or zstd file by its first bytes."""
    raw = path.read_bytes()
    try:
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        elif raw.startswith(b"\xfd7zXZ\x00"):
            raw = lzma.decompress(raw)
        elif raw.startswith(b"\x28\xb5\x2f\xfd"):
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as error:
        raise ValueError(f"{path} is a compressed file that cannot be unpacked: {error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file") from None


def parse_json(text: str, source: str) -> Any:
    """JSON in which no key occurs twice in one record."""
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{source} is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: {error}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise ValueError(f"the key {key!r} occurs twice in one record")
        record[key] = value
    return record


class Problems:
    """Everything that is wrong with a file."""

    def __init__(self, source: str):
        self.source = source
        self.found: list[str] = []

    def add(self, path: str, what: object) -> None:
        self.found.append(f"{path}: {what}" if path else str(what))

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """A ValueError inside is a problem at this path."""
        try:
            yield
        except (ValueError, OSError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
            self.add(path, reason)

    def check(self) -> None:
        """Raises if there is any."""
        if self.found:
            raise ValueError("\n".join(f"{self.source}: {problem}" for problem in self.found))


class Record:
    """A record of a file. Values are taken out by name; what is left in the end is unknown."""

    def __init__(self, value: Any, path: str, problems: Problems):
        self.path, self.problems = path, problems
        self.given: dict[str, Any] = {}
        self.known: list[str] = []
        if isinstance(value, dict):
            self.given = value
        else:
            problems.add(path, f"is {brief(value)}; it must be {NAMES[dict]}")

    def place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str, kind: type[Made], default: Any = ..., *, refuse: str = "") -> Any:
        """The value under a name; `default` where it is absent or null, required without one."""
        self.known.append(name)
        value = self.given.get(name)
        if value is None:
            if default is ...:
                self.problems.add(self.place(name), f"is missing; it must be {NAMES[kind]}")
                return kind()
            return default
        if refuse:
            self.problems.add(self.place(name), refuse)
            return default
        if not self.fits(value, kind):
            self.problems.add(self.place(name), f"is {brief(value)}; it must be {NAMES[kind]}")
            return kind() if default is ... else default
        return value

    @staticmethod
    def fits(value: Any, kind: type) -> bool:
        """True and false are no numbers here."""
        return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))

    def take_list(self, name: str, kind: type[Made], needed: bool = True) -> list[Made]:
        """A list of values of one kind; empty where it is absent."""
        good: list[Made] = []
        for number, value in enumerate(self.take(name, list, ... if needed else [])):
            if self.fits(value, kind):
                good.append(value)
            else:
                self.problems.add(f"{self.place(name)}[{number}]", f"is {brief(value)}; it must be {NAMES[kind]}")
        return good

    def records(self, name: str, needed: bool = True) -> list["Record"]:
        """A list of records; empty where it is absent."""
        values = self.take(name, list, ... if needed else [])
        return [Record(value, f"{self.place(name)}[{number}]", self.problems) for number, value in enumerate(values)]

    def one_of(self, *names: str) -> None:
        """At most one of these is given."""
        given = [name for name in names if self.given.get(name) is not None]
        if len(given) > 1:
            self.problems.add(self.path, f"has {' and '.join(given)}; give one of them")

    def finish(self) -> None:
        """Names that nobody has asked for are problems."""
        for name in self.given:
            if name not in self.known:
                near = get_close_matches(name, self.known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(self.known)}"
                self.problems.add(self.place(name), f"unknown key; {hint}")


def brief(value: Any) -> str:
    """A value in a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def made(problems: Problems, path: str, function: Callable[..., Made], *args: Any, **kwargs: Any) -> Made | None:
    """The result of a call, or None and a problem."""
    with problems.at(path):
        return function(*args, **kwargs)
    return None
