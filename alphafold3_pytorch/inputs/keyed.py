"""Alignments whose rows are paired by a key or by their place, said as a job says it: by species in UniProt names.

The pairing of rows of several chains goes by species. A key that is the same in two chains becomes the same made-up
species in both.
"""

from collections.abc import Iterable

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Species:
    """Made-up species for keys; one of these for all chains of a job."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def header(self, key: str) -> str:
        """A UniProt name whose species stands for the key."""
        number = self.numbers.setdefault(key, len(self.numbers))
        code = ""
        for _ in range(5):
            number, digit = divmod(number, len(LETTERS))
            code = LETTERS[digit] + code
        return f"tr|ROW{code}|ROW_{code}"


def keyed_alignments(rows: Iterable[tuple[str, str]], species: Species) -> tuple[str, str]:
    """Rows, the query first, and their keys to an unpaired and a paired alignment (a3m); an empty key is none."""
    (query, _), *others = rows
    unpaired = [f">query\n{query}\n"] + [f">row_{place}\n{row}\n" for place, (row, key) in enumerate(others) if not key]
    paired = [f">query\n{query}\n"] + [f">{species.header(key)}\n{row}\n" for row, key in others if key]
    return "".join(unpaired), "".join(paired) if len(paired) > 1 else ""
