"""Alignments as arrays: a3m and Stockholm text in, rows of letters with counts of deletions out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from alphafold3_pytorch.inputs import stockholm

GAP = ord("-")
_LOWER = np.zeros(256, bool)
_LOWER[ord("a") : ord("z") + 1] = True
_DOTS = bytes.maketrans(b".", b"-")

# db|accession|NAME_SPECIES of UniProt; an accession may have an isoform number. UniRef100_accession_taxon/ of ColabFold
# searches whose hits got the numbers of their taxa, as Protenix has them.
_UNIPROT = re.compile(r"(?:tr|sp)\|[A-Z0-9]{6,10}(?:_\d+)?\|[A-Z0-9]{1,10}_(?P<species>[A-Z0-9]{1,5})")
_UNIREF = re.compile(r"UniRef100_[A-Z0-9-]+_(?P<species>\d+)(?=/|\s|$)")


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
        """Species of the rows by their UniProt names, or numbers of taxa; empty where there is none."""
        found = (_UNIPROT.match(name.strip()) or _UNIREF.match(name.strip()) for name in self.names)
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
    ends = np.cumsum([len(row) for row in rows])
    starts = np.concatenate([[0], ends[:-1]])
    _check_letters(names, joined, starts)
    columns = np.flatnonzero(~_LOWER[joined])
    counts = np.searchsorted(columns, ends) - np.searchsorted(columns, starts)
    wrong = np.flatnonzero(counts != counts[0])
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"row {place + 1} of the alignment ({names[place][:40]!r}) has {counts[place]} columns, the query has "
            f"{counts[0]}; lower-case letters do not count"
        )
    columns = columns.reshape(len(rows), int(counts[0]))
    deletions = np.diff(columns, axis=1, prepend=starts[:, None] - 1) - 1
    return Alignment(tuple(names), joined[columns], deletions.astype(np.int32))


_ALLOWED = np.zeros(256, bool)
_ALLOWED[ord("A") : ord("Z") + 1] = _ALLOWED[ord("a") : ord("z") + 1] = True
_ALLOWED[[GAP, ord("*")]] = True


def _check_letters(names: Sequence[str], joined: np.ndarray, starts: np.ndarray) -> None:
    odd = np.flatnonzero(~_ALLOWED[joined])
    if len(odd):
        row = int(np.searchsorted(starts, odd[0], side="right")) - 1
        raise ValueError(f"row {row + 1} of the alignment ({names[row][:40]!r}) has {chr(joined[odd[0]])!r} in it")


def parse_alignment(text: str) -> Alignment:
    """a3m or Stockholm, told apart by the first line."""
    return parse_a3m(stockholm.to_a3m(text) if stockholm.is_stockholm(text) else text)
