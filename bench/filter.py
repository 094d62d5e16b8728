"""Processor time and memory of filtering mmCIF files, beside the bare parse of the same files by Biotite and gemmi.

    python -m bench.filter FOLDER [--every 5]

Every way runs alone in a process of its own, on one core. Files are read once before, so that none waits for the disk.
"""

import argparse
import gzip
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

ENTRIES = 200_000


def filtered(path: Path, out: Path) -> None:
    from alphafold3_pytorch.curation.filters import FAILED, Settings, filter_file
    from alphafold3_pytorch.curation.policy import TRAINING

    decision = filter_file(path, Settings(replace(TRAINING, latest="9999-12-31"), out))
    if decision.status == FAILED:
        print(f"{path.name}: {decision.reason}", file=sys.stderr)


def entry(path: Path, out: Path) -> None:
    from alphafold3_pytorch.structure.mmcif import read_entry

    read_entry(path)


def biotite(path: Path, out: Path) -> None:
    """All categories to columns, and the structure with all its models."""
    from biotite.structure.io import pdbx

    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        parsed = pdbx.CIFFile.read(io.StringIO(file.read()))
    pdbx.get_structure(parsed, altloc="occupancy")


def gemmi(path: Path, out: Path) -> None:
    import gemmi as library

    library.read_structure(str(path))


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "filter": filtered,
    "read_entry": entry,
    "biotite": biotite,
    "gemmi": gemmi,
}


def measure(way: str, paths: list[Path]) -> tuple[float, float]:
    """Processor seconds for all files, and peak memory in MB. Files that a way cannot read count as well."""
    with tempfile.TemporaryDirectory() as out:
        WAYS[way](paths[0], Path(out))  # imports, the dictionary
        start = time.process_time()
        for path in paths:
            try:
                WAYS[way](path, Path(out))
            except Exception as error:  # noqa: BLE001
                print(f"{way}: {path.name}: {error}", file=sys.stderr)
        seconds = time.process_time() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def compare(folder: Path, every: int) -> Table:
    paths = _paths(folder, every)
    for path in paths:
        path.read_bytes()
    title = f"{len(paths)} files of {folder.name}, one core"
    table = Table("", "s", "entries / s / core", "peak MB", "x biotite", "h, 2 cores", "h, 64 cores", title=title)
    command = [sys.executable, "-m", "bench.filter", str(folder), "--every", str(every), "--way"]
    results = {}
    for way in WAYS:
        done = subprocess.run([*command, way], capture_output=True, text=True, check=True)
        results[way] = tuple(map(float, done.stdout.split()))
        print(done.stderr, end="", file=sys.stderr)
    for way, (seconds, memory) in results.items():
        hours = ENTRIES * seconds / len(paths) / 3600
        ratio = seconds / results["biotite"][0]
        row = (f"{seconds:.1f}", f"{len(paths) / seconds:.1f}", f"{memory:.0f}", f"{ratio:.2f}")
        table.add_row(way, *row, f"{hours / 2:.1f}", f"{hours / 64:.2f}")
    return table


def _paths(folder: Path, every: int) -> list[Path]:
    return sorted(path for path in folder.rglob("*.cif*") if path.is_file())[::every]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only one file of so many")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(*measure(options.way, _paths(options.folder, options.every)))
    else:
        Console().print(compare(options.folder, options.every))


if __name__ == "__main__":
    main()
