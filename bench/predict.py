"""Time and memory of a whole prediction by stage, and how near the forecast of `af3 plan` is to them.

    python bench/predict.py [--tokens 128 384] [--recycles 1] [--steps 20] [--samples 5] [--weights random] [--json OUT]

Each size runs in a process of its own and does what `af3 predict` does with a job file; the default weights are random
and full-size. A prediction as published has 10 recycles and 200 steps. For one with fewer the last columns say what it
would be then: the trunk is scaled by its passes, the diffusion by its steps, all else is the same. Memory is the
highest resident memory while a stage runs. Busy seconds are those of all threads together; so is the rate of a matrix
product that the forecast starts from, so that busy seconds by threads compare with it where the machine has other work.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alphafold3_pytorch.inputs.read import read  # noqa: E402
from alphafold3_pytorch.predict import run  # noqa: E402
from alphafold3_pytorch.predict.loading import load_weights  # noqa: E402
from alphafold3_pytorch.predict.plan import PROGRAM, SPARE, Plan  # noqa: E402
from alphafold3_pytorch.predict.predictor import Predictor, Settings  # noqa: E402
from bench.blocks import environment  # noqa: E402
from bench.jobs import Size, complex_job, family_of, write_job  # noqa: E402
from bench.worker import forget_peak, peak, sgemm  # noqa: E402

PASSES, STEPS = 11, 200  # of a prediction as published
PRODUCT = 2048  # rows and columns of the matrices whose product the forecast rests on


class Watch(run.Listener):
    """Keeps the plan, the highest memory in every stage, and the time of all threads."""

    planned: Plan

    def __init__(self) -> None:
        self.peaks: dict[str, int] = defaultdict(int)
        self.busy: dict[str, float] = defaultdict(float)
        self.last = time.process_time()

    def started(self, task: Any, planned: Plan) -> None:
        self.planned = planned
        self.advanced(task, "plan", 0)

    def advanced(self, task: Any, stage: str, part: float) -> None:
        self.peaks[stage] = max(self.peaks[stage], peak())
        self.busy[stage] += time.process_time() - self.last
        self.last = time.process_time()
        forget_peak()


@contextmanager
def timed(place: object, function: str, clock: Any, seconds: dict[str, float], name: str) -> Iterator[None]:
    """Adds up the time of all calls of a function."""
    original = getattr(place, function)

    def call(*arguments: Any, **named: Any) -> Any:
        start = clock()
        try:
            return original(*arguments, **named)
        finally:
            seconds[name] = seconds.get(name, 0.0) + clock() - start

    with patch.object(place, function, call):
        yield


def measure(file: Path, settings: Settings, weights: str) -> dict[str, Any]:
    start = time.perf_counter()
    (job,) = read(file)
    seconds = {"read": time.perf_counter() - start}
    network, provenance = load_weights(weights)
    rate = torch.get_num_threads() * 2 * PRODUCT**3 / min(sgemm(PRODUCT)["busy"] for _ in range(5))
    watch, behind = Watch(), {}
    forget_peak()
    with (
        tempfile.TemporaryDirectory() as folder,
        timed(run, "confidence", time.thread_time, behind, "scores"),
        timed(run, "check", time.thread_time, behind, "chemistry"),
        timed(run.writer, "write_sample", time.thread_time, behind, "files"),
        timed(run.Runner, "conclude", time.perf_counter, seconds, "ranking and report"),
    ):
        request = run.Request(Path(folder), settings)
        (outcome,) = run.Runner(Predictor(network), provenance, request, watch).run([job])
    if outcome.problem:
        raise ValueError(outcome.problem)
    work, ended = watch.planned.work, seconds.pop("ranking and report")
    names = {"files": "waiting for files"}
    seconds |= {names.get(stage, stage): spent for stage, spent in outcome.seconds.items()}
    return dict(
        plan=dict(tokens=watch.planned.tokens, atoms=watch.planned.atoms, rows=watch.planned.msa_rows, peak=work.peak),
        rate=rate,
        threads=torch.get_num_threads(),
        seconds=seconds | {"ranking and report": ended},
        behind=behind,
        peaks=watch.peaks,
        busy=watch.busy,
        forecast=work.seconds(rate),
        forecast_memory={
            stage: PROGRAM + work.weights + work.features + SPARE * more for stage, more in work.memory.items()
        },
    )


def table(result: dict[str, Any], settings: Settings) -> str:
    """As Markdown."""
    assert settings.recycles is not None and settings.steps is not None
    factor = {"trunk": PASSES / (settings.recycles + 1), "diffusion": STEPS / settings.steps}
    full = {stage: spent * factor.get(stage, 1) for stage, spent in result["seconds"].items()}
    head = ["stage", "s", "busy, s", "forecast, s", "peak, GB", "forecast, GB", "full, s", "share of full"]
    lines = [head, ["---", *["---:"] * 7]]
    for stage, spent in result["seconds"].items():
        busy, forecast = (number(result[name].get(stage)) for name in ("busy", "forecast"))
        peaks, memory = (number(result[name].get(stage), 1e9) for name in ("peaks", "forecast_memory"))
        cells = [number(spent), busy, forecast, peaks, memory, number(full[stage])]
        lines.append([stage, *cells, f"{full[stage] / sum(full.values()):.1%}"])
    sums = [sum(result[name].values()) for name in ("seconds", "busy", "forecast")]
    lines.append(["all", *map(number, sums), number(max(result["peaks"].values()), 1e9)])
    lines[-1] += [number(result["plan"]["peak"], 1e9), number(sum(full.values())), "100%"]
    lines += [[f"behind: {name}", number(spent), *[""] * 6] for name, spent in result["behind"].items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, unit: float = 1) -> str:
    return "" if value is None else f"{value / unit:.2f}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 384])
    parser.add_argument("--recycles", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", default="random", help="a weight file, or random:PRESET (random, full size)")
    parser.add_argument("--alignment", type=Path, metavar="A3M", help="what the alignments are made of")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    settings = Settings(options.samples, options.recycles, options.steps)
    torch.set_num_threads(options.threads)
    if options.here:
        print(json.dumps(measure(options.here, settings, options.weights)))
        return 0
    family, source = family_of(options.alignment, Size.rows)
    print(f"{source}; {options.samples} samples, {options.recycles} recycles, {options.steps} steps\n")
    results, failed = [], False
    for tokens in options.tokens:
        with tempfile.TemporaryDirectory() as folder:
            file = write_job(complex_job(Size(tokens), family), Path(folder))
            command = [sys.executable, __file__, *sys.argv[1:], "--here", str(file)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(options.threads))
        if done.returncode:
            print(f"{tokens} tokens: the process ended with {done.returncode}", file=sys.stderr)
            failed = True
            continue
        results.append(json.loads(done.stdout.splitlines()[-1]))
        planned, rate = results[-1]["plan"], results[-1]["rate"] / 1e9
        print(f"{planned['tokens']} tokens, {planned['atoms']} atoms, {planned['rows']} MSA rows; ", end="")
        print(f"{results[-1]['threads']} threads, sgemm at {rate:.0f} GFLOP/s\n\n{table(results[-1], settings)}\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
