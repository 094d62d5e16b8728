"""Many jobs, one after another: features are made ahead in another process, files are written behind in a thread.

What is finished stays: a run that was cut off goes on where it was when the same command is given again.
"""

import json
import re
import shutil
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import torch

from alphafold3_pytorch.features.featurize import Complex, assemble
from alphafold3_pytorch.features.options import CONVENTIONS
from alphafold3_pytorch.features.tokens import Tokens, tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand, Polymer, Protein, Rna
from alphafold3_pytorch.inputs.write import write as write_jobs
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.predict import writer
from alphafold3_pytorch.predict.ahead import AHEAD, FeaturesAhead, Task
from alphafold3_pytorch.predict.chemistry import check
from alphafold3_pytorch.predict.plan import Plan, plan, sizes
from alphafold3_pytorch.predict.predictor import Policy, Predictor, Settings, Wanted
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.predict.report import JobFacts, Result, write_report
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import confidence
from alphafold3_pytorch.predict.writer.stored import stored_result
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


class Listener:
    """Hears how a run goes. The command line shows it."""

    def listed(self, tasks: Sequence[Task]) -> None: ...

    def started(self, task: Task, planned: Plan) -> None: ...

    def advanced(self, task: Task, stage: str, part: float) -> None: ...

    def finished(self, task: Task) -> None: ...


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    folder: Path
    ranking: list[writer.Ranked] = field(default_factory=list)  # best first
    results: list[Result] = field(default_factory=list)  # of this run, in the order in which they were made
    warnings: tuple[str, ...] = ()
    tokens: Tokens | None = None
    problem: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # by stage; nothing where nothing was left to do


class Clock:
    """Adds the time since the last tick to a stage."""

    def __init__(self, seconds: dict[str, float]):
        self.seconds, self.last = seconds, time.perf_counter()

    def tick(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def run(
    jobs: Sequence[Job], predictor: Predictor, provenance: Provenance, request: Request, listener: Listener
) -> Iterator[Outcome]:
    """Predicts all jobs. A job that fails is an outcome with a problem; the others go on."""
    runner = Runner(predictor, provenance, request, listener)
    runner.check(jobs)
    yield from runner.run(jobs)


class Runner:
    def __init__(self, predictor: Predictor, provenance: Provenance, request: Request, listener: Listener):
        self.predictor, self.request, self.listener = predictor, request, listener
        config = predictor.network.config
        self.settings = request.settings.of(config)
        recorded = {"recycles": self.settings.recycles or 0, "steps": self.settings.steps or 0}
        recorded |= {"samples": self.settings.samples, "precision": predictor.precision}
        self.provenance = replace(provenance, settings=recorded)
        self.options = CONVENTIONS[config.conventions]
        self.parameters = checksum(predictor.network)
        self.plans: dict[tuple[int, ...], Plan] = {}

    def folder(self, job: Job) -> Path:
        return self.request.out / writer.file_name(job.name)

    def check(self, jobs: Sequence[Job]) -> None:
        """Everything that can be known to fail before anything is run or written."""
        names: dict[str, str] = {}
        for job in jobs:
            name = writer.file_name(job.name)
            if name in names:
                raise ValueError(
                    f"two jobs would be written to {self.folder(job)}: {names[name]!r} and {job.name!r}; rename one"
                )
            names[name] = job.name
            self.check_folder(job)
        if self.predictor.network.config.embedding_features:
            raise ValueError(
                f"the weights {self.provenance.weights} need language-model embeddings, which are not computed here; "
                "take a model without them"
            )

    # ---- what is there already

    def record(self, job: Job) -> dict[str, object]:
        """What must agree for the samples in a folder to belong to the same prediction."""
        settings = {name: value for name, value in self.provenance.settings.items() if name != "samples"}
        chains = [chain for chain, _ in job.chains()]  # the text of the job has upper-case ones only
        wanted = [name for name, value in asdict(self.request.wanted).items() if value]
        return {
            "weights": self.provenance.weights,
            "parameters": self.parameters,
            **settings,
            "version": self.provenance.version,
            "files": " ".join([*self.request.formats, *wanted]),
            "job": sha256(repr((chains, job_text(replace(job, seeds=(0,))))).encode()).hexdigest(),
        }

    def record_path(self, job: Job) -> Path:
        return self.folder(job) / f"{writer.file_name(job.name)}_run.json"

    def check_folder(self, job: Job) -> None:
        """The folder is new, holds a part of this very prediction, or may be overwritten."""
        if not self.record_path(job).exists() and any(self.folder(job).glob("seed-*_sample-*")):
            raise ValueError(f"{self.folder(job)} has samples of some other program; choose another folder")
        difference = self.difference(job)
        if difference and not self.request.overwrite:
            raise ValueError(
                f"{self.folder(job)} holds a prediction that was made otherwise ({difference}); choose another folder, "
                "or replace it with --overwrite"
            )

    def difference(self, job: Job) -> str:
        """Between this prediction and the one in the folder; empty where there is none."""
        path = self.record_path(job)
        if not path.exists():
            return ""
        before, now = json.loads(path.read_text(encoding="utf-8")), self.record(job)
        name = next((name for name, value in now.items() if before.get(name) != value), "")
        unspeakable = {"": "", "job": "the job differs", "parameters": "the weights differ"}
        return unspeakable.get(name, f"{name} was {before.get(name)}, now it is {now.get(name)}")

    def tasks(self, job: Job) -> list[Task]:
        """What is missing in the folder; what was made otherwise does not count."""
        folder = self.folder(job)
        done = set() if self.difference(job) else writer.finished_samples(folder, job.name)
        missing = {seed: [n for n in range(self.settings.samples) if (seed, n) not in done] for seed in job.seeds}
        return [Task(job, seed, tuple(numbers)) for seed, numbers in missing.items() if numbers]

    # ---- the run

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        todo = [(job, self.tasks(job)) for job in jobs]
        everything = [task for _, several in todo for task in several]
        self.listener.listed(everything)
        with FeaturesAhead(everything, self.options) as features, ThreadPoolExecutor(1) as behind:
            for job, several in todo:
                outcome = Outcome(job, self.folder(job))
                try:
                    self.predict(several, features, outcome, behind)
                    self.conclude(outcome, done_before=not several)
                except (ValueError, OSError, torch.OutOfMemoryError) as error:
                    outcome.problem = f"job {job.name}: {error}"
                    features.drop(several)
                yield outcome

    def predict(
        self, tasks: Sequence[Task], features: FeaturesAhead, outcome: Outcome, behind: ThreadPoolExecutor
    ) -> None:
        """All that is missing of a job. Files are written while the next sample is made."""
        clock, writing = Clock(outcome.seconds), deque[Future[Result]]()
        for task in tasks:
            known = features.get(task)
            clock.tick("features")
            planned = self.plan(known, len(task.numbers))
            if not planned.fits:
                raise ValueError(planned.refusal)
            if task is tasks[0]:
                self.begin(task.job)
            outcome.tokens = known.tokens
            self.listener.started(task, planned)
            clock.tick("plan")
            for sample in self.samples(task, known, planned.policy, clock):
                writing.append(behind.submit(self.finish, outcome.job, sample))
                if len(writing) > AHEAD:
                    outcome.results.append(writing.popleft().result())
                    clock.tick("files")
            self.listener.finished(task)
        outcome.results += [future.result() for future in writing]
        clock.tick("files")

    def samples(self, task: Task, known: Complex, policy: Policy, clock: "Clock") -> Iterator[Sample]:
        def advanced(stage: str, part: float) -> None:
            clock.tick(stage)
            self.listener.advanced(task, stage, part)

        settings, wanted = self.settings, self.request.wanted
        return self.predictor.predict(known, task.seed, settings, task.numbers, policy, wanted, advanced)

    def plan(self, known: Complex, samples: int) -> Plan:
        """Complexes of the same size have the same plan."""
        batch, predictor = assemble(known), self.predictor
        key = (*sizes(batch), samples)
        if key not in self.plans:
            settings = replace(self.settings, samples=samples)
            config = predictor.network.config
            self.plans[key] = plan(batch, config, settings, predictor.device, predictor.dtype, loaded=True)
        return self.plans[key]

    def begin(self, job: Job) -> None:
        """Clears the folder of what does not belong in it, and writes down what will be in it."""
        folder = self.folder(job)
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

    def finish(self, job: Job, sample: Sample) -> Result:
        """Scores, checks and writes a sample; what the report needs of it is kept."""
        judged, chemistry = confidence(sample), check(sample.structure)
        folder = self.folder(job)
        paths = writer.write_sample(folder, job.name, sample, judged, chemistry, self.provenance, self.request.formats)
        structure = next(path for path in paths if path.name.endswith("_model.cif"))
        start = structure.name.removesuffix("model.cif") + "ligand_"
        ligands = {path.stem.removeprefix(start): path.read_text() for path in paths if path.suffix == ".sdf"}
        link = str(structure.relative_to(folder))
        return Result.of(sample, judged, chemistry, structure.read_text(encoding="utf-8"), link, ligands)

    def conclude(self, outcome: Outcome, done_before: bool) -> None:
        """Ranks all samples in the folder, those of earlier runs too, and writes report, best sample and table."""
        job, folder = outcome.job, outcome.folder
        rows = writer.read_ranking(folder, job.name)
        outcome.ranking = sorted(rows, key=lambda row: -row.merit)
        outcome.warnings = job_warnings(job)
        page = folder / f"{writer.file_name(job.name)}_report.html"
        ranked = done_before and writer.ranking_path(folder, job.name).exists()
        if self.request.report and not (ranked and page.exists()):
            tokens = outcome.tokens or tokenize(build(job, self.options.build), self.options)
            new = {(result.seed, result.number): result for result in outcome.results}
            results = [
                new.get(row[:2]) or stored_result(folder, job.name, row.seed, row.sample, tokens)
                for row in outcome.ranking
            ]
            write_report(page, self.facts(outcome, tokens), results)
        if not ranked:
            writer.write_ranking(folder, job.name, rows, self.provenance, outcome.ranking[0][:2])

    def facts(self, outcome: Outcome, tokens: Tokens) -> JobFacts:
        job, provenance = outcome.job, self.provenance
        return JobFacts(
            name=job.name,
            tokens=tokens,
            seeds=tuple(dict.fromkeys(row.seed for row in outcome.ranking)),
            weights=provenance.weights,
            licence=provenance.licence,
            settings={name: str(value) for name, value in provenance.settings.items()},
            descriptions={chain: entity.description for chain, entity in job.chains() if entity.description},
            msa_depths={chain: msa_depth(entity) for chain, entity in job.chains() if not isinstance(entity, Ligand)},
            random_weights=bool(provenance.warning),
            date=time.strftime("%Y-%m-%d"),
            seconds=sum(outcome.seconds.values()),
        )


def checksum(network: Network) -> int:
    """Of all parameters: files of the same name may hold other weights."""
    found = 0
    for tensor in network.state_dict().values():
        found = crc32(tensor.cpu().reshape(-1).view(torch.uint8).numpy(), found)
    return found


def job_text(job: Job) -> str:
    """The job with its alignments and templates as AlphaFold 3 JSON."""
    return next(iter(write_jobs([job], "alphafold3").files.values()))


def msa_depth(entity: Polymer) -> int:
    """Sequences of the alignments, the query counted once."""
    texts = (entity.unpaired_msa or "", entity.paired_msa or "")
    return 1 + sum(max(0, len(re.findall("^>", text, re.MULTILINE)) - 1) for text in texts)


def job_warnings(job: Job) -> tuple[str, ...]:
    """What a user should know about the input."""
    unsearched = [
        chain
        for chain, entity in job.chains()
        if isinstance(entity, Protein | Rna) and entity.unpaired_msa is None and entity.paired_msa is None
    ]
    if not unsearched:
        return ()
    several = "s" * (len(unsearched) > 1)
    return (f"chain{several} {', '.join(unsearched)}: the job has no alignment; predicted from the sequence alone",)
