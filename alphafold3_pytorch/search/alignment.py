"""Alignments as arrays: a3m and Stockholm text in, rows of letters with counts of deletions out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

GAP = ord("-")
_LOWER = np.zeros(256, bool)
_LOWER[ord("a") : ord("z") + 1] = True
_DOTS = bytes.maketrans(b".", b"-")

# db|accession|NAME_SPECIES of UniProt; an accession may have an isoform number.
_UNIPROT = re.compile(r"(?:tr|sp)\|[A-Z0-9]{6,10}(?:_\d+)?\|[A-Z0-9]{1,10}_(?P<species>[A-Z0-9]{1,5})")


@dataclass(frozen=True, eq=False)
class Alignment:
    """Rows aligned to the columns of the query, which is the first row."""

    names: tuple[str, ...]  # header lines, without the mark
    letters: UInt8[np.ndarray, "s c"]  # ASCII, upper case, gaps are -
    deletions: Int[np.ndarray, "s c"]  # letters left out in front of a column

    def __len__(self) -> int:
        return len(self.letters)

    def rows(self, keep: np.ndarray) -> "Alignment":
        """Some of the rows."""
        places = np.arange(len(self))[keep]
        return Alignment(tuple(self.names[place] for place in places), self.letters[keep], self.deletions[keep])

    def sequence(self, row: int = 0) -> str:
        """The letters of a row."""
        return self.letters[row].tobytes().decode("ascii")

    def species(self) -> tuple[str, ...]:
        """Species of the rows by their UniProt names; empty where there is none."""
        found = (_UNIPROT.match(name.strip()) for name in self.names)
        return tuple(match["species"] if match else "" for match in found)

    def without_duplicates(self) -> "Alignment":
        """The first of the rows with the same letters."""
        first: dict[bytes, int] = {}
        for place, row in enumerate(self.letters):
            first.setdefault(row.tobytes(), place)
        return self.rows(np.array(sorted(first.values())))


def query_alone(sequence: str) -> Alignment:
    """An alignment of nothing but the query."""
    letters = np.frombuffer(sequence.upper().encode("ascii"), np.uint8)[None].copy()
    return Alignment(("query",), letters, np.zeros(letters.shape, np.int32))


def parse_fasta(text: str) -> tuple[list[str], list[str]]:
    """Headers and sequences; sequences may go over several lines."""
    names: list[str] = []
    parts: list[list[str]] = []
    for number, line in enumerate(text.replace("\0", "").splitlines(), start=1):
        line = line.strip()
        if line.startswith(">"):
            names.append(line[1:])
            parts.append([])
        elif line and not line.startswith("#"):
            if not names:
                raise ValueError(
                    f"line {number} is {line[:30]!r}, but the first line must be a header that starts with >"
                )
            parts[-1].append(line)
    return names, ["".join(lines) for lines in parts]


def parse_a3m(text: str) -> Alignment:
    """Upper-case letters and - are columns, lower-case letters are left out; every row has the same columns."""
    names, sequences = parse_fasta(text)
    if not names:
        raise ValueError("the a3m text has no sequence")
    return from_a3m_rows(names, sequences)


def from_a3m_rows(names: Sequence[str], sequences: Sequence[str]) -> Alignment:
    rows = [sequence.encode("ascii", "replace") for sequence in sequences]
    joined = np.frombuffer(b"".join(rows).translate(_DOTS), np.uint8)
    lengths = np.array([len(row) for row in rows])
    starts = np.cumsum(lengths) - lengths
    _check_letters(names, joined, starts)
    columns = np.flatnonzero(~_LOWER[joined])
    row_of = np.searchsorted(starts, columns, side="right") - 1
    counts = np.bincount(row_of, minlength=len(rows))
    wrong = np.flatnonzero(counts != counts[0])
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"row {place + 1} of the alignment ({names[place][:40]!r}) has {counts[place]} columns, the query has "
            f"{counts[0]}; lower-case letters do not count"
        )
    shape = len(rows), int(counts[0])
    before = np.concatenate([[-1], columns[:-1]]) if len(columns) else columns
    first = np.arange(len(columns)) % max(shape[1], 1) == 0
    before = np.where(first, starts[row_of] - 1, before)
    deletions = (columns - before - 1).astype(np.int32)
    return Alignment(tuple(names), joined[columns].reshape(shape), deletions.reshape(shape))


_ALLOWED = np.zeros(256, bool)
_ALLOWED[ord("A") : ord("Z") + 1] = _ALLOWED[ord("a") : ord("z") + 1] = True
_ALLOWED[[GAP, ord("*")]] = True


def _check_letters(names: Sequence[str], joined: np.ndarray, starts: np.ndarray) -> None:
    odd = np.flatnonzero(~_ALLOWED[joined])
    if len(odd):
        row = int(np.searchsorted(starts, odd[0], side="right")) - 1
        raise ValueError(f"row {row + 1} of the alignment ({names[row][:40]!r}) has {chr(joined[odd[0]])!r} in it")


def parse_stockholm(text: str) -> Alignment:
    """Columns where the first sequence has a gap are left out, as in an a3m made of it."""
    sequences: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "//")):
            continue
        fields = line.split()
        if len(fields) != 2:
            raise ValueError(f"{line[:40]!r} is no Stockholm line; one has a name and aligned letters")
        sequences.setdefault(fields[0], []).append(fields[1])
    if not sequences:
        raise ValueError("the Stockholm text has no sequence")
    names, rows = list(sequences), ["".join(parts).upper().replace(".", "-") for parts in sequences.values()]
    ragged = next((name for name, row in zip(names, rows, strict=True) if len(row) != len(rows[0])), None)
    if ragged is not None:
        raise ValueError(f"sequence {ragged[:40]!r} of the Stockholm alignment is not as long as the first")
    keep = [letter != "-" for letter in rows[0]]
    return from_a3m_rows(names, [_as_a3m(row, keep) for row in rows])


def _as_a3m(row: str, keep: Sequence[bool]) -> str:
    return "".join(
        letter if column else letter.lower()
        for letter, column in zip(row, keep, strict=True)
        if column or letter != "-"
    )


def parse_alignment(text: str) -> Alignment:
    """a3m or Stockholm, told apart by the first line."""
    return parse_stockholm(text) if text.lstrip().startswith("# STOCKHOLM") else parse_a3m(text)
