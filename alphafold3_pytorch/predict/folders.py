"""Where predictions go: what is there already, and whether it may be added to."""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from alphafold3_pytorch.inputs.job import Job
from alphafold3_pytorch.inputs.write import write as write_jobs
from alphafold3_pytorch.predict import writer
from alphafold3_pytorch.predict.predictor import Settings, Wanted
from alphafold3_pytorch.weights.atomic import replacing


@dataclass(frozen=True)
class Request:
    """What a user asked for, for all jobs alike."""

    out: Path
    settings: Settings = Settings()
    formats: Collection[str] = ("cif", "sdf")
    wanted: Wanted = Wanted()
    report: bool = True
    overwrite: bool = False


class Folders:
    """The folders of a request's jobs. `made_with` is what must agree for samples to belong together, beside the job.

    Before weights are loaded it has no word of them; they are compared once more afterwards.
    """

    def __init__(self, request: Request, made_with: Mapping[str, object]):
        self.request, self.made_with = request, made_with

    def of(self, job: Job) -> Path:
        return self.request.out / writer.file_name(job.name)

    def check(self, jobs: Sequence[Job]) -> None:
        """All that is wrong with the folders in one ValueError, one a line."""
        problems = [
            *unusable(self.request.out),
            *self.shared(jobs),
            *(each for job in jobs for each in self.taken(job)),
        ]
        if problems:
            raise ValueError("\n".join(dict.fromkeys(problems)))

    def shared(self, jobs: Sequence[Job]) -> Iterator[str]:
        """Jobs that would be written to the same folder, on this file system or on one that knows no case."""
        names: dict[str, Job] = {}
        for job in jobs:
            other = names.setdefault(writer.file_name(job.name).casefold(), job)
            if other is not job and self.of(other) == self.of(job):
                yield f"two jobs would be written to {self.of(job)}: {other.name!r} and {job.name!r}; rename one"
            elif other is not job:
                yield (
                    f"the jobs {other.name!r} and {job.name!r} differ only in upper and lower case, and would share a "
                    "folder on some file systems; rename one"
                )

    def taken(self, job: Job) -> Iterator[str]:
        """The folder is new, holds a part of this very prediction, or may be overwritten; or else why not."""
        folder = self.of(job)
        if folder.exists() and (wrong := list(unusable(folder))):
            yield from wrong
            return
        if not self.record_path(job).exists() and any(folder.glob("seed-*_sample-*")):
            yield f"{folder} has samples of some other program; choose another folder"
        difference = self.difference(job)
        if difference and not self.request.overwrite:
            yield (
                f"{folder} holds a prediction that was made otherwise ({difference}); choose another folder, or "
                "replace it with --overwrite"
            )

    def record(self, job: Job) -> dict[str, object]:
        """What must agree for the samples in a folder to belong to the same prediction."""
        chains = [chain for chain, _ in job.chains()]  # the text of the job has upper-case ones only
        wanted = [name for name, value in asdict(self.request.wanted).items() if value]
        return {
            **self.made_with,
            "files": " ".join([*self.request.formats, *wanted]),
            "job": sha256(repr((chains, job_text(replace(job, seeds=(0,))))).encode()).hexdigest(),
        }

    def record_path(self, job: Job) -> Path:
        return self.of(job) / f"{writer.file_name(job.name)}_run.json"

    def difference(self, job: Job) -> str:
        """Between this prediction and the one in the folder; empty where there is none."""
        path = self.record_path(job)
        if not path.exists():
            return ""
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return f"{path.name} cannot be read"
        now = self.record(job)
        name = next((name for name, value in now.items() if before.get(name) != value), "")
        unspeakable = {"": "", "job": "the job differs", "parameters": "the weights differ"}
        unspeakable["guided"] = "one is guided, the other is not"
        return unspeakable.get(name, f"{name} was {before.get(name)}, now it is {now.get(name)}")

    def missing(self, job: Job) -> dict[int, tuple[int, ...]]:
        """Seeds, and the numbers of their samples that are not there; what was made otherwise does not count."""
        done = set() if self.difference(job) else writer.finished_samples(self.of(job), job.name)
        numbers = range(self.request.settings.samples)
        missing = {seed: tuple(number for number in numbers if (seed, number) not in done) for seed in job.seeds}
        return {seed: numbers for seed, numbers in missing.items() if numbers}

    def begin(self, job: Job) -> None:
        """Clears the folder of what does not belong in it, and writes down what will be in it."""
        folder = self.of(job)
        if self.difference(job):
            for sample in folder.glob("seed-*_sample-*"):  # before the record that says whose they are
                shutil.rmtree(sample)
            shutil.rmtree(folder)
        for left in folder.glob(".*.*.*"):  # of a run that was killed while it wrote
            if left.suffix in (".tmp", ".old"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        writer.write_job(folder, job.name, job_text(job))
        writer.ranking_path(folder, job.name).unlink(missing_ok=True)  # that it is there says that all is done
        with replacing(self.record_path(job)) as temporary:
            temporary.write_text(json.dumps(self.record(job), indent=1), encoding="utf-8")


def unusable(folder: Path) -> Iterator[str]:
    """Why nothing can be written to a folder, or to the place where it would be made."""
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not place.is_dir():
        yield f"{folder} cannot be made: {place} is a file; choose another folder"
    elif not os.access(place, os.W_OK | os.X_OK):
        yield f"{folder} cannot be written: {place} does not let you; choose another folder"


def job_text(job: Job) -> str:
    """The job with its alignments and templates as AlphaFold 3 JSON."""
    return next(iter(write_jobs([job], "alphafold3").files.values()))
