"""Sets for tests of clustering: entries made up of a few words, folders of real ones, MMseqs2 as it was recorded."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alphafold3_pytorch.curation.interfaces import Described, Molecule
from alphafold3_pytorch.curation.mmseqs import Tool
from alphafold3_pytorch.structure.entry_text import entry_text
from alphafold3_pytorch.structure.mmcif import Entry, read_entry

GOLDENS = Path(__file__).parents[1] / "goldens"
NAMES = ("1crn", "124d", "5i55")
needs_mmseqs = pytest.mark.skipif(shutil.which("mmseqs") is None, reason="the program mmseqs (MMseqs2) is not there")


class Recorded(Tool):
    """Says what MMseqs2 14 said of tests/goldens/mmseqs; of anything else that nothing is alike."""

    def run(self, *words: str) -> bool:
        recorded = GOLDENS / "mmseqs"
        if Path(words[1]).read_text() != (recorded / "proteins.fasta").read_text():
            return False
        if words[0] == "easy-cluster":
            shutil.copy(recorded / "proteins_cluster.tsv", f"{words[2]}_cluster.tsv")
        else:
            shutil.copy(recorded / "proteins_search.tsv", words[3])
        return True


RECORDED = Recorded(Path("mmseqs"), "14-7e284")


def proteins() -> list[str]:
    return (GOLDENS / "mmseqs" / "proteins.fasta").read_text().split("\n")[1::2]


def described(name: str, *chains: str, pairs: tuple[tuple[int, int], ...] = ()) -> Described:
    """An entry of `kind:text` words, whose chains are A, B, C."""
    rows = [word.split(":") for word in chains]
    return Described(name, tuple(Molecule("ABCDEFGH"[n], *row) for n, row in enumerate(rows)), pairs)


def real(name: str) -> Entry:
    return read_entry(GOLDENS / "entries" / f"{name}.cif.gz")


def write(folder: Path, name: str, entry: Entry) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.cif").write_text(entry_text(entry), encoding="utf-8")


def mirrored(entry: Entry) -> Entry:
    return replace(entry, structure=replace(entry.structure, positions=entry.structure.positions * [-1.0, 1.0, 1.0]))
