"""Hits of a template search: which chains of the PDB were found, and how they are aligned to the query."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from alphafold3_pytorch.search.alignment import parse_fasta

# An entry of the PDB, short or long, and the chain as the authors call it; hmmsearch adds the part that it has aligned.
_CHAIN = re.compile(r"(?P<entry>\d[A-Za-z0-9]{3}|pdb_[A-Za-z0-9]{8})_(?P<chain>\w+)")
_PART = re.compile(rf"{_CHAIN.pattern}/(?P<start>\d+)-(?P<end>\d+)")
_LENGTH = re.compile(r"\blength:(\d+)")
_ALIGNED = re.compile(r"(?P<side>[QT]) (?P<name>\S+)\s+(?P<start>\d+) (?P<letters>\S+)\s+\d+ \((?P<length>\d+)\)")
_E_VALUE = re.compile(r"\bE-value=(\S+)")


@dataclass(frozen=True)
class Hit:
    """Places count from 0. What is aligned to nothing of the query is in `sequence` too."""

    entry: str  # lower case
    chain: str  # the authors' id
    sequence: str  # the part that was found
    start: int  # of this part in the sequence that was searched
    length: int | None  # of all of that sequence
    query_indices: tuple[int, ...]
    indices: tuple[int, ...]  # in `sequence`, for each of the query's
    e_value: float | None = None

    @property
    def name(self) -> str:
        return f"{self.entry}_{self.chain}"


def parse_hits(text: str, residues: int | None = None) -> list[Hit]:
    """The hits of HHsearch (hhr) or hmmsearch (a3m, Stockholm) in their order; others than chains of the PDB are left
    out, as are rows of an alignment that do not say which part of a chain they are (the query itself).

    The columns of an alignment must be the residues of the query, if it is said how many these are.
    """
    if text.lstrip().startswith("Query "):
        return parse_hhr(text)
    if text.lstrip().startswith("# STOCKHOLM"):
        return parse_hmmsearch_sto(text, residues)
    return parse_hmmsearch_a3m(text, residues)


def parse_hhr(text: str) -> list[Hit]:
    """The hits of an HHsearch report."""
    _, *parts = re.split(r"^No \d+ *\n", text, flags=re.MULTILINE)
    found = (_hhr_hit(part) for part in parts)
    return [hit for hit in found if hit]


def _hhr_hit(part: str) -> Hit | None:
    name = _CHAIN.match(part.removeprefix(">"))
    rows = [match for line in part.splitlines() if (match := _ALIGNED.match(line)) and match["name"] != "Consensus"]
    sides = {side: [row for row in rows if row["side"] == side] for side in "QT"}
    if name is None:
        return None
    letters = {side: "".join(row["letters"] for row in found) for side, found in sides.items()}
    if not rows or len(letters["Q"]) != len(letters["T"]):
        raise ValueError(f"hit {name[0]} of the HHsearch report is not an alignment of two rows of the same length")
    e_value = _E_VALUE.search(part)
    return _hit(
        name,
        zip(letters["Q"], letters["T"], strict=True),
        start=int(sides["T"][0]["start"]) - 1,
        length=int(sides["T"][0]["length"]),
        first=int(sides["Q"][0]["start"]) - 1,
        e_value=float(e_value[1]) if e_value else None,
    )


def parse_hmmsearch_a3m(text: str, residues: int | None = None) -> list[Hit]:
    """Rows of an a3m whose columns are the query's residues."""
    hits: list[Hit] = []
    for header, row in zip(*parse_fasta(text), strict=True):
        if name := _PART.match(header):
            length = _LENGTH.search(header)
            pairs = (("-" if letter.islower() else "x", letter) for letter in row)
            hits.append(_part_hit(name, pairs, int(length[1]) if length else None))
            residues = _checked_width(name[0], sum(not letter.islower() for letter in row), residues)
    return hits


def _checked_width(name: str, width: int, residues: int | None) -> int:
    """The number of columns that the next row must have too."""
    if residues not in (None, width):
        raise ValueError(f"{name} is aligned to {width} columns, but the query has {residues} residues")
    return width


def parse_hmmsearch_sto(text: str, residues: int | None = None) -> list[Hit]:
    """Rows of a Stockholm alignment; its line RF says which columns are the query's residues."""
    rows: dict[str, list[str]] = {}
    lengths: dict[str, int] = {}
    reference = ""
    for line in text.splitlines():
        fields = line.split(maxsplit=3)
        if line.startswith("#=GC RF"):
            reference += "".join(fields[2:])
        elif line.startswith("#=GS") and len(fields) == 4 and (length := _LENGTH.search(fields[3])):
            lengths[fields[1]] = int(length[1])
        elif fields and line[0] not in "#/":
            rows.setdefault(fields[0], []).append(fields[-1])
    named = {name: (match, "".join(row)) for name, row in rows.items() if (match := _PART.match(name))}
    for name, (_, row) in named.items():
        if len(row) != len(reference):
            raise ValueError(
                f"{name} of the Stockholm alignment has {len(row)} columns, its line #=GC RF {len(reference)}"
            )
    columns = ["-" if mark == "." else "x" for mark in reference]
    if named:
        _checked_width("the Stockholm alignment", columns.count("x"), residues)
    return [_part_hit(match, zip(columns, row, strict=True), lengths.get(name)) for name, (match, row) in named.items()]


def _part_hit(name: re.Match[str], pairs: Iterator[tuple[str, str]], length: int | None) -> Hit:
    hit = _hit(name, pairs, int(name["start"]) - 1, length)
    stated = int(name["end"]) - int(name["start"]) + 1
    if len(hit.sequence) != stated:
        raise ValueError(f"hit {name[0]} has {len(hit.sequence)} residues; by its name there are {stated}")
    return hit


def _hit(
    name: re.Match[str],
    pairs: Iterator[tuple[str, str]],
    start: int,
    length: int | None,
    first: int = 0,
    e_value: float | None = None,
) -> Hit:
    """Goes along the columns of query and hit; `first` is the query's residue in the first of them."""
    query, letters, indices = first, [], []
    for theirs, mine in pairs:
        if mine not in "-.":
            if theirs != "-":
                indices.append((query, len(letters)))
            letters.append(mine.upper())
        query += theirs != "-"
    return Hit(
        entry=name["entry"].lower(),
        chain=name["chain"],
        sequence="".join(letters),
        start=start,
        length=length,
        query_indices=tuple(place for place, _ in indices),
        indices=tuple(place for _, place in indices),
        e_value=e_value,
    )
