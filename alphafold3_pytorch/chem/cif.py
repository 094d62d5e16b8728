"""mmCIF tables, text or binary. Whatever is wrong with a file is one ValueError that says where.

Text is taken apart word by word, by the grammar of CIF 1.1: how words are laid out on lines does not matter. Biotite
reads BinaryCIF.
"""

import gzip
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from biotite.structure.io.pdbx import BinaryCIFFile
from jaxtyping import Float

GZIP = b"\x1f\x8b"
UNKNOWN = "?", "."
_WORD = re.compile(
    r"^;[^\n]*(?:\n(?!;)[^\n]*)*(?:\n;)?"  # a text field: from a line that starts with ; to the next such line
    r"|'[^'\n]*(?:'(?=\S)[^'\n]*)*'(?=\s)"  # a quote ends where a space follows, so 'a dog's life' is one word
    r'|"[^"\n]*(?:"(?=\S)[^"\n]*)*"(?=\s)'
    r"|#[^\n]*"  # a comment
    r"|\S+",
    re.MULTILINE | re.ASCII,
)
_MARK = re.compile(r"_|data_|save_|(?:loop_|stop_|global_)$", re.IGNORECASE)  # words that are no values


class Block:
    """A data block: columns by category and name. What is not known, `?` or `.`, is an empty text or NaN."""

    def __init__(self, name: str, tables: Mapping[str, Any]):
        self.name = name
        self._tables = tables

    def __contains__(self, category: str) -> bool:
        return category in self._tables

    def _column(self, category: str, name: str) -> Any:
        """Biotite's column, or None where the block has none."""
        if category not in self._tables:
            return None
        with _refusal(f"data_{self.name}: the table _{category}"):
            return self._tables[category].get(name)

    def rows(self, category: str) -> int:
        """The length of a table, 0 where there is none."""
        if category not in self._tables:
            return 0
        with _refusal(f"data_{self.name}: the table _{category}"):
            return self._tables[category].row_count

    def texts(self, category: str, name: str, default: str | None = None) -> np.ndarray:
        """A column [k] of str; where there is none, the default in every row, or an error."""
        column = self._column(category, name)
        if column is None:
            return np.full(self.rows(category), self._absent(category, name, default))
        with _refusal(f"data_{self.name}: _{category}.{name}"):
            return column.as_array(str, "")

    def numbers(self, category: str, name: str, default: float | None = None) -> Float[np.ndarray, "k"]:
        """The same as numbers."""
        column = self._column(category, name)
        if column is None:
            return np.full(self.rows(category), self._absent(category, name, default), float)
        with _refusal(f"data_{self.name}: _{category}.{name}"):
            numbers = column.as_array(float, np.nan)
            if np.isinf(numbers).any():
                raise ValueError("a number is infinite")
            return numbers

    def _absent(self, category: str, name: str, default: Any) -> Any:
        if default is None:
            raise ValueError(f"data_{self.name} has no _{category}.{name}, which is needed here")
        return default

    def value(self, category: str, name: str, default: str = "") -> str:
        """The first known value of a column."""
        known = [text for text in self.texts(category, name, "").tolist() if text]
        return known[0] if known else default


class _Table(dict[str, "_Column"]):
    """Columns of CIF text by name."""

    @property
    def row_count(self) -> int:
        return len(next(iter(self.values())).words)


class _Column:
    """Words as they stand in the text; they become an array when it is asked for, as Biotite's columns do."""

    def __init__(self, words: list[str]):
        self.words = words

    def as_array(self, kind: type, unknown: Any) -> np.ndarray:
        known = {word: unknown if word in UNKNOWN else kind(_unquoted(word)) for word in set(self.words)}
        return np.array([known[word] for word in self.words], kind)


def _unquoted(word: str) -> str:
    if word[0] == ";" and "\n" in word:
        return word[1:-2]
    return word[1:-1] if word[0] in "'\"" else word


def read(source: str | bytes) -> list[Block]:
    """The data blocks of mmCIF text or of a BinaryCIF file."""
    with _refusal("this mmCIF"):
        if isinstance(source, str):
            return [Block(name, tables) for name, tables in _blocks(_words(source))]
        file: Any = BinaryCIFFile.read(io.BytesIO(source))
        return [Block(name, file[name]) for name in file]


def _words(text: str) -> list[str]:
    """The words of a text, quotes and the marks of text fields still around them. Most lines are split at spaces."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    words: list[str] = []
    done = 0
    for number, line in enumerate(lines):
        if number < done or line[:1] != ";" and "'" not in line and '"' not in line and "#" not in line:
            continue
        words += " ".join(lines[done:number]).split()
        done = number + 1
        if line[:1] == ";":
            done = next((end for end in range(done, len(lines)) if lines[end][:1] == ";"), len(lines)) + 1
        words += _quoted_words("\n".join([*lines[number:done], ""]))
    return words + " ".join(lines[done:]).split()


def _quoted_words(lines: str) -> list[str]:
    words = [word for word in _WORD.findall(lines) if word[0] != "#"]
    for word in words:
        if word[0] in "'\"" and (len(word) == 1 or word[-1] != word[0]):
            raise ValueError(f"the quote {word[:30]} does not end on its line")
        if word[0] == ";" and "\n" in word and not word.endswith("\n;"):
            raise ValueError(f"the text field {word.splitlines()[0][:30]} does not end")
    return words


def _blocks(words: list[str]) -> list[tuple[str, dict[str, _Table]]]:
    """Tables by category, block by block. A text that does not start with a block has none."""
    blocks: list[tuple[str, dict[str, _Table]]] = []
    if not words or words[0][:5].lower() != "data_":
        return blocks
    marks = [place for place, word in enumerate(words) if "_" in word and _MARK.match(word)]
    names: list[str] | None = None  # in the head of a loop, its columns so far
    for mark, end in pairwise([*marks, len(words)]):
        word, values = words[mark], words[mark + 1 : end]
        if names and _category(word) != _category(names[0]):
            names = None  # the loop had no rows
        if word[0] == "_" and names is not None:
            names.append(word)
            if values:
                _add_columns(blocks[-1], names, values)
                names = None
        elif word[0] == "_":
            if len(values) != 1:
                raise ValueError(f"data_{blocks[-1][0]}: {word} has {len(values)} values; it needs one")
            _add_columns(blocks[-1], [word], values)
        elif values or word[:5].lower() not in ("data_", "loop_", "stop_"):
            raise ValueError(f"{' '.join([word, *values[:1]])[:40]} is not understood")
        elif word[:5].lower() == "data_":
            blocks.append((word[5:], {}))
            names = None
        else:
            names = [] if word.lower() == "loop_" else None
    return blocks


def _category(name: str) -> str:
    return name[1:].rpartition(".")[0]


def _add_columns(block: tuple[str, dict[str, _Table]], names: list[str], values: list[str]) -> None:
    """The columns of a loop, or a single value."""
    category, width = _category(names[0]), len(names)
    table = block[1].setdefault(category, _Table())
    where = f"data_{block[0]}: the table _{category}"
    if len(values) % width or table and table.row_count != len(values) // width:
        raise ValueError(f"{where} has {len(values)} values where {names[-1]} ends a row; the table is not full")
    for place, name in enumerate(names):
        item = name[1:].rpartition(".")[2]
        if item in table:
            raise ValueError(f"{where} has the column {item} twice")
        table[item] = _Column(values[place::width])


def read_file(path: Path | str) -> list[Block]:
    """The data blocks of a `.cif` or `.bcif` file, packed by gzip or not; told apart by their first bytes."""
    raw = Path(path).read_bytes()
    with _refusal(str(path)):
        raw = gzip.decompress(raw) if raw.startswith(GZIP) else raw
        return read(raw if is_binary(raw) else raw.decode("utf-8-sig"))


def is_binary(raw: bytes) -> bool:
    """BinaryCIF starts with a MessagePack map, which no text does."""
    return raw[:1] in (b"\xde", b"\xdf") or b"\x80" <= raw[:1] <= b"\x8f"


@contextmanager
def _refusal(what: str) -> Iterator[None]:
    """Biotite meets untrusted text with errors of many kinds."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            raise
        first = error.__cause__ or error.__context__ or error  # Biotite wraps what went wrong
        reason = re.sub(r"np\.str_\((.*)\)", r"\1", str(first)) or type(first).__name__
        raise ValueError(f"{what} cannot be read: {reason}") from None
