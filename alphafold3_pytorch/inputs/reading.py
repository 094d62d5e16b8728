"""What all readers of job files share: opening files, and taking records apart while collecting every mistake."""

import gzip
import json
import lzma
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
import zstandard

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.inputs import stockholm

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
    content = read_content(path)
    if isinstance(content, bytes):
        raise ValueError(f"{path} is not a text file")
    return content


def read_content(path: Path) -> str | bytes:
    """The same, or the bytes of a BinaryCIF file."""
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
    if cif.is_binary(raw):
        return raw
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file") from None


def find(folder: Path, path: str) -> Path:
    """A file that a job names: beside the job file, else in the working folder, where other programs look."""
    beside = folder / path
    return Path(path) if not beside.exists() and Path(path).exists() else beside


def read_a3m(folder: Path, path: str) -> str:
    """The text of an a3m or Stockholm alignment, as a3m."""
    text = read_text(find(folder, path))
    if stockholm.is_stockholm(text):
        return stockholm.to_a3m(text)
    if text.strip() and not text.lstrip().startswith((">", "#")):
        raise ValueError(f"{path} is no alignment in a3m or Stockholm format; a3m starts with >")
    return text


def job_name(source: str) -> str:
    """What a job is called where its file does not say."""
    return Path(source).name.split(".")[0] or "job"


class _StrictYaml(yaml.SafeLoader):
    """YAML in which 004 and NO are text, as the component codes that they are, and no key occurs twice."""

    yaml_implicit_resolvers = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported; write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        pairs = [(self.construct_object(key), value) for key, value in node.value]
        for key, _ in pairs:
            if not isinstance(key, str):
                raise yaml.YAMLError(f"the key {key!r} is not text")
        return _without_repeats([(key, self.construct_object(value, deep=True)) for key, value in pairs])


for _tag, _pattern in {
    "null": r"~|null||Null|NULL",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"-?(?:0|[1-9]\d{0,17})",
    "float": r"-?(?:0|[1-9]\d*)\.\d*",
}.items():
    _StrictYaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None)


def parse_yaml(text: str, source: str) -> Any:
    """YAML in which no key occurs twice in one record."""
    try:
        return yaml.load(text, Loader=_StrictYaml)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{source} is not valid YAML: {error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{source} is not valid YAML: {error}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{source} is not valid YAML: {error}") from None


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

    def texts(self, name: str, needed: bool = True) -> list[str]:
        """A text, or a list of texts; numbers count as text, since codes and ids may be digits."""
        value = self.given.get(name)
        if value == []:
            self.problems.add(self.place(name), "is empty; give a text or a list of them")
        if isinstance(value, list):
            self.known.append(name)
            for number, item in enumerate(value):
                if not (self.fits(item, str) or self.fits(item, int)):
                    self.problems.add(f"{self.place(name)}[{number}]", f"is {brief(item)}; it must be {NAMES[str]}")
            return [str(item) for item in value if self.fits(item, str) or self.fits(item, int)]
        if self.fits(value, int):
            self.known.append(name)
            return [str(value)]
        text = self.take(name, str, ... if needed else None)
        return [] if text is None else [text]

    def refuse(self, *names: str, reason: str) -> None:
        """Names that the dialect has and this package does not support; their absence may be spelled out."""
        for name in names:
            self.known.append(name)
            if self.given.get(name) not in (None, False, "", [], {}):
                self.problems.add(self.place(name), reason)

    def choice(self, *names: str) -> tuple[str, "Record"] | None:
        """A record of a single record, which says by its name what it is."""
        given = [name for name in names if name in self.given]
        self.known += names
        self.finish()
        if len(given) != 1:
            self.problems.add(self.path, f"must be one of {', '.join(names)}")
            return None
        return given[0], Record(self.take(given[0], dict), self.place(given[0]), self.problems)

    def seeds(self, name: str) -> tuple[int, ...]:
        """Seeds as numbers or as texts of digits; (1,) where there are none."""
        seeds = []
        for number, value in enumerate(self.take(name, list, [])):
            if self.fits(value, int) or isinstance(value, str) and re.fullmatch(r"\d{1,10}", value):
                seeds.append(int(value))
            else:
                self.problems.add(f"{self.place(name)}[{number}]", f"is {brief(value)}; it must be {NAMES[int]}")
        return tuple(seeds) or (1,)

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
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, TypeError, ValueError):
        return f"a {type(value).__name__} of many levels"
    return text if len(text) <= 40 else f"{text[:37]}..."


def made(problems: Problems, path: str, function: Callable[..., Made], *args: Any, **kwargs: Any) -> Made | None:
    """The result of a call, or None and a problem."""
    with problems.at(path):
        return function(*args, **kwargs)
    return None
