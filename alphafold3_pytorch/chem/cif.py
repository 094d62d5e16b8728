"""CIF text to tables: categories of columns of strings, `?` and `.` as they stand."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"""'((?:[^']|'(?=\S))*)'(?=\s|$)|"((?:[^"]|"(?=\S))*)"(?=\s|$)|(\#.*)|(\S+)""")
_DECORATED = re.compile(r"['\"#]")

Table = dict[str, list[str]]


@dataclass
class Block:
    """One data block: category name (without the underscore) -> column name -> values."""

    name: str
    tables: dict[str, Table] = field(default_factory=dict)

    def table(self, category: str) -> Table:
        return self.tables.get(category, {})

    def column(self, category: str, name: str, default: str | None = None) -> list[str]:
        """A column; where there is none, the default in every row, or an error."""
        table = self.table(category)
        if name in table:
            return table[name]
        if default is None:
            raise ValueError(f"data_{self.name} has no _{category}.{name}, which is needed here")
        return [default] * len(next(iter(table.values()), []))

    def value(self, category: str, name: str, default: str = "?") -> str:
        """The first value of a column."""
        return (self.table(category).get(name) or [default])[0]


def read(text: str) -> list[Block]:
    """The data blocks of a CIF file. Errors are ValueErrors with the line number."""
    return _Reader(text).blocks


class _Reader:
    """Goes through the lines; `names` are the open items, `values` what has been read for them."""

    def __init__(self, text: str):
        self.blocks: list[Block] = []
        self.names: list[str] = []
        self.values: list[str] = []
        self.looping = False
        self.line = 0
        self._read(text)
        self._close()

    def _read(self, text: str) -> None:
        block: list[str] | None = None  # the lines of an open text field
        for self.line, line in enumerate(text.splitlines(), start=1):
            if block is not None:
                if line.startswith(";"):
                    self._value("\n".join(block))
                    block, line = None, line[1:]
                else:
                    block.append(line)
                    continue
            elif line.startswith(";"):
                block = [line[1:]]
                continue
            self._tokens(line)
        if block is not None:
            raise ValueError(f"line {self.line}: the file ends inside a text field (a line that starts with ; ends it)")

    def _tokens(self, line: str) -> None:
        if _DECORATED.search(line):
            for single, double, comment, bare in _TOKEN.findall(line):
                if comment:
                    break
                self._word(bare) if bare else self._value(single or double)
            return
        words = line.split()
        if self.looping and self.values and words and words[0][0] != "_" and not _is_keyword(words[0]):
            self.values += words  # a row of a table: nearly every line is one
            return
        for word in words:
            self._word(word)

    def _word(self, word: str) -> None:
        if word.startswith("_"):
            self._name(word[1:])
        elif word.lower() == "loop_":
            self._close()
            self.looping = True
        elif word.lower().startswith("data_"):
            self._close()
            self.blocks.append(Block(word[5:]))
        elif word.lower().startswith("save_"):
            raise ValueError(f"line {self.line}: {word} belongs to a CIF dictionary, not to data")
        else:
            self._value(word)

    def _name(self, name: str) -> None:
        if self.values or (self.names and not self.looping):
            self._close()
        if "." not in name:
            raise ValueError(f"line {self.line}: _{name} has no category; mmCIF names look like _atom_site.id")
        self.names.append(name)

    def _value(self, value: str) -> None:
        if not self.names:
            raise ValueError(f"line {self.line}: the value {value[:40]!r} belongs to no name")
        self.values.append(value)

    def _close(self) -> None:
        """Files what has been read under its names."""
        if self.names:
            if not self.blocks:
                raise ValueError(f"line {self.line}: _{self.names[0]} stands before the first data_ line")
            self._check_count()
            for place, name in enumerate(self.names):
                category, column = name.split(".", 1)
                table = self.blocks[-1].tables.setdefault(category, {})
                table[column] = self.values[place :: len(self.names)]
        self.names, self.values, self.looping = [], [], False

    def _check_count(self) -> None:
        rows, rest = divmod(len(self.values), len(self.names))
        wrong = rest if self.looping else (rows, rest) != (1, 0)
        if wrong:
            what = f"{len(self.values)} values for {len(self.names)} names, the first of them _{self.names[0]}"
            raise ValueError(f"line {self.line}: {what}")


def _is_keyword(word: str) -> bool:
    return word[:5].lower() in ("loop_", "data_", "save_")
