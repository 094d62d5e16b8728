"""Time the parts of the network beside Protenix and OpenFold3, each in its own process and environment.

    python bench/blocks.py --protenix-python PTX/bin/python --openfold3-python OF3/bin/python [--json OUT]

One table: seconds per part, the others' time as a multiple of ours, peak memory, and how near we are to the rate of a
plain matrix product. All run on the CPU in float32 with random weights, the same sizes and the same environment; runs
take turns, so that a busy moment of the machine hits all of them. docs/benchmarks.md says how to set the others up.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ROWS = {
    "pairformer": "pairformer block",
    "msa": "MSA block, 512 rows",
    "denoise1": "denoise, 1 sample",
    "denoise5": "denoise, 5 samples",
}
NAMES = ("ours", "protenix", "openfold3")
MODULES = {"ours": "bench.ours", "protenix": "bench.peer_protenix", "openfold3": "bench.peer_openfold3"}

# CPU seconds of the official implementation (JAX) on one thread, at 128 and 256 tokens, where known.
OFFICIAL = {"pairformer": {128: 0.65, 256: 4.0}, "denoise1": {128: 1.7, 256: 3.7}}


class WorkerFailed(Exception):
    """Carries what the worker said last."""


class Worker:
    """A process that answers one line per line; see bench/worker.py."""

    def __init__(self, python: str, module: str, environment: dict[str, str]):
        self.errors = tempfile.TemporaryFile("w+")
        command = [python, "-W", "ignore", "-m", module]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )

    def ask(self, do: str, **request) -> dict:
        assert self.process.stdin and self.process.stdout
        try:
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
            answer = json.loads(self.process.stdout.readline() or "{}")
        except (BrokenPipeError, json.JSONDecodeError) as error:
            answer = {"error": str(error)}
        if not answer or "error" in answer:
            self.errors.seek(0)
            said = [line for line in self.errors.read().splitlines() if "ResourceWarning" not in line]
            raise WorkerFailed("; ".join([*said[-2:], answer.get("error", "")]).strip("; "))
        return answer

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()
        self.errors.close()


@dataclass
class Measured:
    """`busy` is the time of all threads together, without that in which others had the processor."""

    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    memory_before: int = 0
    memory_peak: int = 0

    def add(self, answer: dict[str, float]) -> None:
        self.seconds.append(answer["seconds"])
        self.busy.append(answer["busy"])

    def median(self, clock: str) -> float:
        return statistics.median(getattr(self, clock))


@dataclass
class Row:
    name: str
    tokens: int
    flops: int = 0
    product: Measured = field(default_factory=Measured)  # of two matrices of 2048 x 2048
    measured: dict[str, Measured] = field(default_factory=dict)

    def time(self, who: str, clock: str) -> float | None:
        return self.measured[who].median(clock) if who in self.measured else None

    def ratio(self, peer: str, clock: str) -> float | None:
        ours, theirs = self.time("ours", clock), self.time(peer, clock)
        return theirs / ours if ours and theirs else None

    def rate(self, clock: str) -> float:
        """Floating-point operations per second of a plain matrix product."""
        return 2 * 2048**3 / self.product.median(clock)

    def share(self, clock: str) -> float:
        """Of that rate: operations of matrix products only, in the time of everything."""
        return self.flops / self.measured["ours"].median(clock) / self.rate(clock)


def environment(threads: int) -> dict[str, str]:
    """The same for all. Threads that wait do not spin: on a machine with other work that is up to ten times slower."""
    count = str(threads)
    own = dict(OMP_NUM_THREADS=count, MKL_NUM_THREADS=count, OMP_WAIT_POLICY="passive", PYTHONPATH=str(ROOT))
    return {**os.environ, **own, "LAYERNORM_TYPE": "torch", "PYTHONDONTWRITEBYTECODE": "1"}


def measure(name: str, tokens: int, pythons: dict[str, str], threads: int, budget: float) -> Row:
    """Start all workers on a row and let them take turns for `budget` seconds, at least three times each."""
    row, workers = Row(name, tokens), {}
    try:
        for who, python in pythons.items():
            workers[who] = Worker(python, MODULES[who], environment(threads))
            try:
                if not workers[who].ask("start", row=name, tokens=tokens)["finite"]:
                    raise WorkerFailed("its output is not finite")
                row.measured[who] = Measured()
            except WorkerFailed as error:
                print(f"{who} skipped for {ROWS[name]}, {tokens} tokens: {error}", file=sys.stderr)
        if "ours" not in row.measured:
            raise WorkerFailed("without ours there is nothing to compare with")
        begin = time.monotonic()
        while len(row.product.seconds) < 3 or time.monotonic() < begin + budget:
            for who, measured in row.measured.items():
                measured.add(workers[who].ask("time"))
            row.product.add(workers["ours"].ask("sgemm", size=2048))
        for who, measured in row.measured.items():
            memory = workers[who].ask("memory")
            measured.memory_before, measured.memory_peak = memory["before"], memory["peak"]
        row.flops = workers["ours"].ask("flops")["flops"]
    finally:
        for worker in workers.values():
            worker.close()
    return row


def table(rows: list[Row], clock: str) -> str:
    """As Markdown, so that a run can be pasted into the documentation."""
    peers = [who for who in NAMES[1:] if any(who in row.measured for row in rows)]
    head = ["part", "tokens", "ours, s", *(f"{who}, s" for who in peers), *(f"{who} / ours" for who in peers)]
    head += ["official, 1 thread, s", "GFLOP", "share of sgemm", *(f"{who}, peak GB" for who in ["ours", *peers])]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in rows:
        times = [row.time(who, clock) for who in ["ours", *peers]]
        peaks = [row.measured[who].memory_peak / 1e9 if who in row.measured else None for who in ["ours", *peers]]
        cells = [ROWS[row.name], str(row.tokens), *(number(x, 3) for x in times)]
        cells += [number(row.ratio(who, clock), 2) for who in peers]
        cells += [number(OFFICIAL.get(row.name, {}).get(row.tokens), 2), number(row.flops / 1e9, 1)]
        cells += [f"{row.share(clock):.0%}", *(number(x, 2) for x in peaks)]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protenix-python", metavar="PATH", help="interpreter of an environment with protenix 2.0.0")
    parser.add_argument("--openfold3-python", metavar="PATH", help="interpreter of an environment with openfold3 0.5.0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--budget", type=float, default=40.0, metavar="S", help="seconds of runs per row (40)")
    clocks = "by the wall clock, or busy seconds of all threads: steadier where the machine has other work"
    parser.add_argument("--clock", choices=["seconds", "busy"], default="seconds", help=clocks)
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write every single time there")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    pythons = {"ours": sys.executable}
    for who in NAMES[1:]:
        python = getattr(options, f"{who}_python")
        if python and Path(python).exists():
            pythons[who] = python
        else:
            print(f"{who} skipped: {f'{python} does not exist' if python else f'no --{who}-python'}", file=sys.stderr)
    rows = []
    for name in options.rows:
        for tokens in options.tokens:
            rows.append(measure(name, tokens, pythons, options.threads, options.budget))
            print(f"{ROWS[name]}, {tokens} tokens done", file=sys.stderr)
    rate = statistics.median(row.rate(options.clock) for row in rows) / 1e9
    threads = f"{options.threads} thread{'s' * (options.threads > 1)}"
    print(f"{threads}, medians ({options.clock}) of runs in turn; sgemm of 2048 x 2048 at {rate:.0f} GFLOP/s\n")
    print(table(rows, options.clock))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
