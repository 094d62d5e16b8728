"""mmCIF tables, text or binary, read by Biotite. Whatever is wrong with a file is one ValueError that says where."""

import gzip
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from biotite.structure.io.pdbx import BinaryCIFFile, CIFFile
from jaxtyping import Float

GZIP = b"\x1f\x8b"
_FIELD = re.compile(r"\n;.*?\n;[^\n]*", re.DOTALL)  # a text over several lines, and what follows on its last line
_SPACE = r"(?:[ \t]*(?:#.*)?\n)"  # a line without words
_NO_ROWS = re.compile(rf"\nloop_[ \t]*\n(?:_\S+[ \t]*\n)+(?={_SPACE}*(?:loop_|data_|\Z)|{_SPACE}+_)")
_MISLEADING = re.compile(r"\n(?=[_#]|loop_|data_)")


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


def read(source: str | bytes) -> list[Block]:
    """The data blocks of mmCIF text or of a BinaryCIF file."""
    with _refusal("this mmCIF"):
        if isinstance(source, bytes):
            file: Any = BinaryCIFFile.read(io.BytesIO(source))
        else:
            file = CIFFile.deserialize(_NO_ROWS.sub("\n", _FIELD.sub(_plain, source)))
        return [Block(name, file[name]) for name in file]


def _plain(match: re.Match[str]) -> str:
    """A text field as Biotite understands it: no line in it looks like a name, nothing stands behind its end."""
    field, _, rest = match[0].rpartition("\n;")
    return _MISLEADING.sub("\n ", field) + "\n;" + (f"\n{rest}" if rest.strip() else "")


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
