"""Time to make the features of complexes, by step, beside Protenix and OpenFold3.

    python bench/featurize.py [--tokens 450 1000 2000 5000] [--runs 5] [--protenix-python PTX/bin/python]
                              [--openfold3-python OF3/bin/python] [--alignment A3M] [--json OUT]

Two protein chains for each 1,000 tokens, no two alike, each with 4,000 alignment rows, 2,000 paired ones and 4
templates; each pair with ATP, MG, a glycan and two phosphoserines. From the job file to the tensors, on one thread.
Each size runs in a process of its own; its first run is named apart, since it also loads what later ones have. The
others get the same complexes without templates; OpenFold3 gets single sugars without bonds, since it takes no others.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from alphafold3_pytorch.features import featurize  # noqa: E402
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein  # noqa: E402
from alphafold3_pytorch.inputs.read import read  # noqa: E402
from bench.blocks import environment  # noqa: E402
from bench.jobs import Family, Size, complex_job, family_of, write_job  # noqa: E402
from bench.worker import forget_peak, peak  # noqa: E402

# The functions that `features.featurize` calls, by step.
STEPS = {
    "build": ("build",),
    "tokens": ("tokenize", "lay_out"),
    "reference": ("reference_positions",),
    "frames, bonds": ("frame_atoms", "find_bonds"),
    "msa": ("complex_msa",),
    "templates": ("template_atoms",),
    "tensors": ("assemble",),
}


def measure(file: Path, runs: int) -> dict[str, Any]:
    """Processor seconds of the steps of every run."""
    made, tokens = [], 0
    forget_peak()
    for _ in range(runs):
        steps: dict[str, float] = {}
        patches = [
            patch.object(featurize, name, timed(getattr(featurize, name), step, steps))
            for step, names in STEPS.items()
            for name in names
        ]
        start, start_busy = time.perf_counter(), time.process_time()
        (job,) = read(file)
        steps["read"] = time.process_time() - start_busy
        for each in patches:
            each.start()
        batch = featurize.featurize(job)
        patch.stopall()
        made.append(dict(steps=steps, seconds=time.perf_counter() - start, busy=time.process_time() - start_busy))
        tokens = batch.token_mask.shape[1]
        del job, batch
    return dict(tokens=tokens, runs=made, peak=peak())


def timed(function: Any, step: str, steps: dict[str, float]) -> Any:
    def call(*arguments: Any) -> Any:
        start = time.process_time()
        result = function(*arguments)
        steps[step] = steps.get(step, 0.0) + time.process_time() - start
        return result

    return call


def ask(command: list[str]) -> dict[str, Any] | None:
    """What a process says on its last line; None, and a word on why, where it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environment(1), capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command[:1])} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def import_seconds() -> float:
    """Of a fresh process, from its start."""
    names = "alphafold3_pytorch.features.featurize, alphafold3_pytorch.inputs.read"
    code = f"import {names}, time; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], env=environment(1), capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_all(tokens: int, family: Family, options: argparse.Namespace) -> dict[str, Any]:
    job, result = complex_job(Size(tokens), family), {}
    bare = without_templates(job)
    with tempfile.TemporaryDirectory() as folder:
        ours = {"ours": job, "ours, no templates": bare} if peers_of(options) else {"ours": job}
        for name, each in ours.items():
            file = write_job(each, Path(folder) / name)
            result[name] = ask([sys.executable, __file__, "--here", str(file), "--runs", str(options.runs)])
        for name, each in (("protenix", bare), ("openfold3", with_single_sugars(bare))):
            if python := getattr(options, f"{name}_python"):
                file = write_job(each, Path(folder) / name, name)
                script = str(ROOT / "bench" / "featurize_peer.py")
                result[name] = ask([python, "-W", "ignore", script, name, str(file), str(options.runs)])
    return result


def peers_of(options: argparse.Namespace) -> list[str]:
    return [peer for peer in ("protenix", "openfold3") if getattr(options, f"{peer}_python")]


def without_templates(job: Job) -> Job:
    return replace(job, entities=tuple(replace(e, templates=()) if isinstance(e, Protein) else e for e in job.entities))


def with_single_sugars(job: Job) -> Job:
    entities = tuple(replace(e, codes=e.codes[:1]) if isinstance(e, Ligand) else e for e in job.entities)
    return replace(job, entities=entities, bonds=())


def tables(results: list[dict[str, Any]], peers: list[str]) -> str:
    """As Markdown: our steps, and everyone's totals."""
    steps = ["read", *STEPS]
    lines = [["tokens", *steps, "all", "first run", "wall", "peak, GB"]]
    for result in results:
        ours = result["ours"]
        runs = ours["runs"][1:] or ours["runs"]
        cells = [median(run["steps"][step] for run in runs) for step in steps]
        cells += [median(run["busy"] for run in runs), f"{ours['runs'][0]['busy']:.2f}"]
        cells += [median(run["seconds"] for run in runs), f"{ours['peak'] / 1e9:.2f}"]
        lines.append([str(ours["tokens"]), *cells])
    found = [result for result in results if any(result.get(peer) for peer in peers)]
    others = [["tokens", "ours, no templates", *[cell for peer in peers for cell in (peer, f"{peer} / ours")]]]
    for result in found:
        own = busy(result["ours, no templates"])
        cells = [f"{own:.2f}"]
        for peer in peers:
            theirs = busy(result[peer]) if result.get(peer) else None
            cells += [f"{theirs:.2f}", f"{theirs / own:.1f}"] if theirs else ["", ""]
        others.append([str(result["ours"]["tokens"]), *cells])
    return "\n\n".join(as_markdown(each) for each in ([lines, others] if found else [lines]))


def as_markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], ["---:"] * len(lines[0]), *lines[1:]])


def median(values: Any) -> str:
    return f"{statistics.median(values):.3f}"


def busy(measured: dict[str, Any]) -> float:
    """The median without the first run."""
    runs = measured.get("runs")
    values = [run["busy"] for run in runs] if runs else measured["busy"]
    return statistics.median(values[1:] or values)


def law(results: list[dict[str, Any]]) -> str:
    """The power of the number of tokens with which time grows, between neighbouring sizes."""
    points = [(result["ours"]["tokens"], busy(result["ours"])) for result in results]
    powers = [
        f"{math.log(b[1] / a[1]) / math.log(b[0] / a[0]):.2f} from {a[0]} to {b[0]}"
        for a, b in zip(points, points[1:], strict=False)
    ]
    return f"time grows with the power of tokens: {', '.join(powers)}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[450, 1000, 2000, 5000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--protenix-python", metavar="PATH", help="interpreter of an environment with protenix 2.0.0")
    parser.add_argument("--openfold3-python", metavar="PATH", help="interpreter of an environment with openfold3 0.5.0")
    parser.add_argument("--alignment", type=Path, metavar="A3M", help="what the alignments are made of")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.here:
        print(json.dumps(measure(options.here, options.runs)))
        return 0
    family, source = family_of(options.alignment, Size.rows)
    results = []
    for tokens in options.tokens:
        result = measure_all(tokens, family, options)
        results += [result] if result["ours"] else []
        print(f"{tokens} tokens done", file=sys.stderr)
    print(f"{source}; processor seconds, medians of {options.runs - 1} runs after the first")
    print(f"a fresh process imports all that is needed in {median(import_seconds() for _ in range(options.runs))}\n")
    print(tables(results, peers_of(options)))
    if len(results) > 1:
        print(f"\n{law(results)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return int(len(results) < len(options.tokens))


if __name__ == "__main__":
    sys.exit(main())
