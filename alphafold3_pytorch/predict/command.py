"""The commands `af3 predict` and `af3 plan`, from words on the command line to a run."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from alphafold3_pytorch.features.featurize import assemble, prepare
from alphafold3_pytorch.features.options import CONVENTIONS
from alphafold3_pytorch.inputs.job import Job
from alphafold3_pytorch.inputs.read import read
from alphafold3_pytorch.predict.display import Display, console, duration, outcome_table, plan_table
from alphafold3_pytorch.predict.folders import Request
from alphafold3_pytorch.predict.loading import config_of, load_weights
from alphafold3_pytorch.predict.plan import Plan, product_rate
from alphafold3_pytorch.predict.plan import plan as plan_one
from alphafold3_pytorch.predict.predictor import Precision, Predictor, Settings, Wanted
from alphafold3_pytorch.predict.run import Outcome, check, run
from alphafold3_pytorch.search.templates import LATEST, TemplateLimits, complete

__all__ = ["Request", "Settings", "Wanted", "plan", "predict"]

# Of a folder, files with these endings (or packed ones) are jobs.
ENDINGS = (".json", ".yaml", ".yml", ".fasta", ".fa", ".cif", ".mmcif", ".bcif")
PACKED = (".gz", ".xz", ".zst")
MOST_SEEDS = 100_000
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def predict(
    files: Sequence[Path],
    weights: str,
    seeds: str | None,
    device: str,
    precision: str,
    request: Request,
    template_folder: Path | None = None,
    max_template_date: str = LATEST,
) -> bool:
    """Predicts all jobs of the files; True if one of them failed."""
    chosen, where = () if seeds is None else seeds_of(seeds), device_of(device)
    dtype = precision_of(precision, where)
    exactness: Precision = "float32" if dtype == torch.float32 else "bfloat16"
    found = [job for _, job in read_jobs(files, template_folder, max_template_date)]
    jobs = [replace(job, seeds=chosen) for job in found] if chosen else found
    check(jobs, request, config_of(weights), exactness)
    network, provenance = load_weights(weights)
    predictor = Predictor(network, where, exactness)
    if provenance.warning:
        print(f"af3: {provenance.warning}", file=sys.stderr)
    failed = False
    with Display(product_rate(where, dtype)) as display:
        for outcome in run(jobs, predictor, provenance, request, display):
            with display.aside():
                show(outcome)
            failed |= bool(outcome.problem)
    return failed


def show(outcome: Outcome) -> None:
    for warning in outcome.warnings:
        print(f"af3: {outcome.job.name}: {warning}", file=sys.stderr)
    if outcome.problem:
        print(f"af3: {' '.join(outcome.problem.split())}", file=sys.stderr)
        return
    if not outcome.results:
        console().print(f"{outcome.job.name} was finished before: {outcome.folder}")
        return
    console().print(outcome_table(outcome))
    stages = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in outcome.seconds.items() if seconds > 0.5)
    console().print(f"{outcome.folder} ({stages})\n")


def plan(
    files: Sequence[Path],
    weights: str,
    settings: Settings,
    device: str,
    precision: str,
    template_folder: Path | None = None,
    max_template_date: str = LATEST,
) -> int:
    """Shows what the jobs would take. 0 if all of them fit, 1 if one does not, 2 if one cannot be predicted at all."""
    where, dtype = device_of(device), precision_of(precision, device_of(device))
    config = config_of(weights)
    plans: list[tuple[Path, Job, int, Plan | None]] = []
    problems = []
    for path, job in read_jobs(files, template_folder, max_template_date):
        templates, planned = 0, None
        try:
            known = prepare(job, options=CONVENTIONS[config.conventions])
            templates = int(known.templates.mask.any(axis=(1, 2)).sum())
            planned = plan_one(assemble(known), config, settings, where, dtype)
            problems += [] if planned.fits else [f"job {job.name}: {planned.refusal}"]
        except ValueError as error:
            problems.append(f"job {job.name}: {' '.join(str(error).split())}")
        plans.append((path, job, templates, planned))
    console().print(plan_table(plans, product_rate(where, dtype)))
    for problem in problems:
        print(f"af3: {problem}", file=sys.stderr)
    return 2 if any(planned is None for *_, planned in plans) else int(bool(problems))


def read_jobs(
    files: Sequence[Path], template_folder: Path | None = None, max_template_date: str = LATEST
) -> list[tuple[Path, Job]]:
    """All jobs, hits of templates made templates; all mistakes of all files in one ValueError, one a line."""
    limits = TemplateLimits(released_by=max_template_date)
    jobs: list[tuple[Path, Job]] = []
    problems: list[str] = []
    for path in [each for given in files for each in job_files(given)]:
        try:
            jobs += [(path, _completed(path, job, template_folder, limits)) for job in read(path)]
        except ValueError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
    if problems:
        raise ValueError("\n".join(problems))
    return jobs


def _completed(path: Path, job: Job, folder: Path | None, limits: TemplateLimits) -> Job:
    try:
        return complete(job, folder, limits)
    except ValueError as error:
        raise ValueError(f"{path}: job {job.name}: {error}") from None


def job_files(path: Path) -> list[Path]:
    """A file itself, or the job files in a folder."""
    if not path.is_dir():
        return [path]
    unpacked = lambda each: each.with_suffix("") if each.suffix in PACKED else each  # noqa: E731
    found = sorted(each for each in path.iterdir() if each.is_file() and unpacked(each).suffix.lower() in ENDINGS)
    if not found:
        raise ValueError(f"{path} has no job file; their names end in {', '.join(ENDINGS)}")
    return found


def seeds_of(text: str) -> tuple[int, ...]:
    """`1,2,3` or `1-20`, or both: `1,5-7`."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if not match or match[2] and int(match[2]) < int(match[1]):
            raise ValueError(f"--seeds {text}: {part!r} is no number or range; write 1,2,3 or 1-20")
        span = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(seeds) + len(span) > MOST_SEEDS:
            raise ValueError(f"--seeds {text}: these are more than {MOST_SEEDS:,} seeds")
        seeds += span
    return tuple(dict.fromkeys(seeds))


def device_of(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used ({reason}); use auto, cpu or cuda") from None
    return device


def precision_of(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    if name not in PRECISIONS:
        raise ValueError(f"--precision {name} is not known; use auto, {' or '.join(PRECISIONS)}")
    return PRECISIONS[name]
