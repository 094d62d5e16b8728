"""Seconds and memory of clustering a folder of mmCIF files: the step for each file, and the clusters of all.

    python -m bench.cluster FOLDER [--every 5]

Each part runs alone in a process of its own, on one core. Processor seconds are those of the part and of MMseqs2: on a
busy machine they say more than the clock. Files are read once before, so that none waits for the disk. Hours are
processor seconds by the number of cores, as if everything grew with the number of entries; clusters grow faster.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alphafold3_pytorch.curation import mmseqs
from alphafold3_pytorch.curation.clusters import cluster_entries, read_sequences, whole, write_sequences
from alphafold3_pytorch.curation.interfaces import describe

ENTRIES = 200_000


def files(folder: Path, every: int) -> list[Path]:
    return sorted(path for path in folder.rglob("*.cif*") if path.is_file())[::every]


def describe_all(paths: list[Path], out: Path) -> None:
    entries = []
    for path in paths:
        try:
            entries.append(describe(path))
        except Exception as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    write_sequences(out, [whole(entry) for entry in entries])


def cluster_all(paths: list[Path], out: Path) -> None:
    cluster_entries(read_sequences(out), mmseqs.find_tool(), 1)


PARTS = {"sequences and interfaces": describe_all, "clusters": cluster_all}


def measure(part: str, paths: list[Path], out: Path) -> dict[str, float]:
    """Of one part, after its imports and a first file."""
    describe(paths[0])
    used = lambda: sum(time for who in WHO for time in resource.getrusage(who)[:2])  # noqa: E731
    before, start = used(), time.perf_counter()
    PARTS[part](paths, out)
    seconds, processor = time.perf_counter() - start, used() - before
    own, program = (resource.getrusage(who).ru_maxrss / 1000 for who in WHO)
    return {"seconds": seconds, "processor": processor, "own": own, "program": program}


WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def compare(folder: Path, every: int) -> Table:
    paths = files(folder, every)
    for path in paths:
        path.read_bytes()
    title = f"{len(paths)} files of {folder.name}, one core"
    columns = "s", "processor s", "entries / s", "peak MB", "of MMseqs2", "h, 2 cores", "h, 64 cores"
    table = Table("", *columns, title=title)
    with tempfile.TemporaryDirectory() as out:
        for part in PARTS:
            command = [sys.executable, "-m", "bench.cluster", str(folder), "--every", str(every), "--part", part]
            done = subprocess.run([*command, "--out", out], stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout)
            hours = ENTRIES * found["processor"] / len(paths) / 3600
            speed = f"{len(paths) / found['processor']:.1f}"
            memory = (f"{found['own']:.0f}", f"{found['program']:.0f}")
            times = (f"{found['seconds']:.1f}", f"{found['processor']:.1f}")
            table.add_row(part, *times, speed, *memory, f"{hours / 2:.1f}", f"{hours / 64:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only one file of so many")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options.part, files(options.folder, options.every), options.out)))
    else:
        Console(width=120).print(compare(options.folder, options.every))


if __name__ == "__main__":
    main()
