"""Many jobs, one after another: features are made ahead in another process, files are written behind in a thread.

What is finished stays: a run that was cut off goes on where it was when the same command is given again.
"""

import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import torch

from alphafold3_pytorch.features.featurize import Complex, assemble
from alphafold3_pytorch.features.options import CONVENTIONS
from alphafold3_pytorch.features.tokens import Tokens, tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand, Polymer, Protein, Rna
from alphafold3_pytorch.models.config import NetworkConfig
from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.predict import writer
from alphafold3_pytorch.predict.ahead import AHEAD, FeaturesAhead, Task
from alphafold3_pytorch.predict.chemistry import check as check_chemistry
from alphafold3_pytorch.predict.folders import Folders, Request
from alphafold3_pytorch.predict.plan import Plan, plan, sizes
from alphafold3_pytorch.predict.predictor import Policy, Precision, Predictor
from alphafold3_pytorch.predict.provenance import Provenance
from alphafold3_pytorch.predict.report import JobFacts, Result, write_report
from alphafold3_pytorch.predict.sample import Sample
from alphafold3_pytorch.predict.scores.confidence import confidence
from alphafold3_pytorch.predict.writer.stored import stored_result


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
    check_model(predictor.network.config)
    runner = Runner(predictor, provenance, request, listener)
    runner.folders.check(jobs)
    yield from runner.run(jobs)


def check(jobs: Sequence[Job], request: Request, config: NetworkConfig, precision: Precision) -> None:
    """What can be known to fail before weights are loaded; `run` looks again, with the weights."""
    check_model(config)
    Folders(request, made_with(request, config, precision)).check(jobs)


def check_model(config: NetworkConfig) -> None:
    if config.embedding_features:
        raise ValueError(
            "these weights need language-model embeddings, which are not computed here; take a model without them"
        )


def made_with(request: Request, config: NetworkConfig, precision: Precision) -> dict[str, str | int | None]:
    """The settings that a prediction depends on. What is None goes without saying, in older folders too."""
    settings = request.settings.of(config)
    recorded = {"recycles": settings.recycles or 0, "steps": settings.steps or 0, "precision": precision}
    return {**recorded, "guided": settings.guided or None}


class Runner:
    def __init__(self, predictor: Predictor, provenance: Provenance, request: Request, listener: Listener):
        self.predictor, self.request, self.listener = predictor, request, listener
        config = predictor.network.config
        self.settings = request.settings.of(config)
        recorded = made_with(request, config, predictor.precision)
        said = {name: value for name, value in recorded.items() if value is not None}
        self.provenance = replace(provenance, settings=said | {"samples": self.settings.samples})
        weights = {"weights": provenance.weights, "parameters": checksum(predictor.network)}
        self.folders = Folders(request, weights | recorded | {"version": provenance.version})
        self.options = CONVENTIONS[config.conventions]
        self.plans: dict[tuple[int, ...], Plan] = {}

    # ---- the run

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        todo = [(job, [Task(job, *each) for each in self.folders.missing(job).items()]) for job in jobs]
        everything = [task for _, several in todo for task in several]
        self.listener.listed(everything)
        with FeaturesAhead(everything, self.options) as features, ThreadPoolExecutor(1) as behind:
            for job, several in todo:
                outcome = Outcome(job, self.folders.of(job))
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
                self.folders.begin(task.job)
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

    def finish(self, job: Job, sample: Sample) -> Result:
        """Scores, checks and writes a sample; what the report needs of it is kept."""
        judged, chemistry = confidence(sample), check_chemistry(sample.structure)
        folder = self.folders.of(job)
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
        outcome.warnings = job_warnings(job, self.predictor.network.config.templates is not None)
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
            weights_warning=provenance.warning,
            date=time.strftime("%Y-%m-%d"),
            seconds=sum(outcome.seconds.values()),
        )


def checksum(network: Network) -> int:
    """Of all parameters: files of the same name may hold other weights."""
    found = 0
    for tensor in network.state_dict().values():
        found = crc32(tensor.cpu().reshape(-1).view(torch.uint8).numpy(), found)
    return found


def msa_depth(entity: Polymer) -> int:
    """Sequences of the alignments, the query counted once."""
    texts = (entity.unpaired_msa or "", entity.paired_msa or "")
    return 1 + sum(max(0, len(re.findall("^>", text, re.MULTILINE)) - 1) for text in texts)


def job_warnings(job: Job, reads_templates: bool = True) -> tuple[str, ...]:
    """What a user should know about the input, and about what the network makes of it."""
    chains = list(job.chains())
    unsearched = [
        chain
        for chain, entity in chains
        if isinstance(entity, Protein | Rna) and entity.unpaired_msa is None and entity.paired_msa is None
    ]
    unread = [chain for chain, entity in chains if getattr(entity, "templates", None) and not reads_templates]
    found = {
        "the job has no alignment; predicted from the sequence alone": unsearched,
        "the job has templates, which these weights do not read": unread,
    }
    return tuple(f"chain{'s' * (len(of) > 1)} {', '.join(of)}: {words}" for words, of in found.items() if of)
