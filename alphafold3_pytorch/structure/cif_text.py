"""Tables to CIF text: `?` and `.` as they stand, other values quoted where they must be.

Biotite's writer leaves values such as `[Mg+2]`, `#1` and `data_x` bare, which other readers refuse or misread.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

Table = dict[str, list[str]]
_BARE = re.compile(r"""(?!data_|save_|loop_|stop_|global_)[^\s_#$'"\[\];][^\s'"]*""", re.IGNORECASE)


def write(name: str, tables: Mapping[str, Table], comments: Iterable[str] = ()) -> str:
    """One data block. Comment lines go above it; a table without rows is left out."""
    lines = [f"# {line}" for text in comments for line in text.splitlines()]
    lines += ["data_" + re.sub(r"\s", "_", name), "#"]
    for category, table in tables.items():
        if next(iter(table.values()), []):
            lines += [*_table(category, table), "#"]
    return "\n".join(lines) + "\n"


def _table(category: str, table: Table) -> Iterator[str]:
    names = [f"_{category}.{item}" for item in table]
    columns = [_quoted(values) for values in table.values()]
    if len(columns[0]) == 1:
        width = max(map(len, names))
        yield from (_joined([name.ljust(width), column[0]]) for name, column in zip(names, columns, strict=True))
        return
    yield "loop_"
    yield from names
    if any("\n" in value for column in columns for value in column):
        yield from map(_joined, zip(*columns, strict=True))
        return
    widths = [max(map(len, column)) for column in columns]
    pattern = " ".join(f"%-{width}s" for width in widths)
    yield from ((pattern % row).rstrip() for row in zip(*columns, strict=True))


def _joined(values: Iterable[str]) -> str:
    """Values on one line, text fields on lines of their own."""
    return " ".join(values).strip("\n")


def _quoted(values: list[str]) -> list[str]:
    known = {value: quote(value) for value in set(values)}
    return [known[value] for value in values]


def quote(value: str) -> str:
    """A value as it stands in a file."""
    if _BARE.fullmatch(value):
        return value
    if "\n" not in value:
        for mark in "'\"":
            if mark not in value:
                return f"{mark}{value}{mark}"
    return f"\n;{value}\n;\n"
