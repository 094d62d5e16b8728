"""Everything that is wrong with a job file, found before anything is run."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand
from alphafold3_pytorch.inputs.read import dialect_of, parse
from alphafold3_pytorch.inputs.reading import read_content
from alphafold3_pytorch.structure.table import Structure


@dataclass(frozen=True)
class Summary:
    """A good job."""

    name: str
    chains: int
    residues: int
    tokens: int
    seeds: int


@dataclass
class Checked:
    """What is in a file, or what is wrong with it, one line each."""

    path: Path
    dialect: str = ""
    jobs: list[Summary] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check(path: Path, count_tokens: Callable[[Structure, Job], int]) -> Checked:
    """Reads a file and builds its jobs. `count_tokens` may find further mistakes and raise ValueError."""
    checked = Checked(path)
    try:
        content = read_content(path)
        checked.dialect = dialect_of(content, str(path))
        jobs = parse(content, path.parent, str(path))
    except OSError as error:
        checked.problems = [f"{error.filename or path}: {error.strerror or error}"]
        return checked
    except ValueError as error:
        checked.problems = str(error).splitlines()
        return checked
    for job in jobs:
        found = list(job_problems(job))
        if not found:
            try:
                checked.jobs.append(_summary(job, count_tokens))
            except ValueError as error:
                found = [" ".join(str(error).split())]
        checked.problems += [f"{path}: job {job.name}: {problem}" for problem in found]
    return checked


def _summary(job: Job, count_tokens: Callable[[Structure, Job], int]) -> Summary:
    structure = build(job)
    residues = sum(len(chain.residues) for chain in structure.chains)
    return Summary(job.name, len(structure.chains), residues, count_tokens(structure, job), len(job.seeds))


def job_problems(job: Job) -> Iterator[str]:
    """Unknown component codes, SMILES that are no molecule, bonds to atoms that do not exist."""
    found = [*_unknown_codes(job), *_bad_smiles(job)]
    yield from found
    if found:
        return
    for number, bond in enumerate(job.bonds, start=1):
        try:
            build(replace(job, bonds=(bond,)))
        except ValueError as error:
            yield re.sub("^bond 1 ", f"bond {number} ", str(error))


def _unknown_codes(job: Job) -> Iterator[str]:
    components = Components(job.components)
    for entity in job.entities:
        codes = entity.codes if isinstance(entity, Ligand) else [change.code for change in entity.modifications]
        for code in dict.fromkeys(codes):
            try:
                components[code]
            except ValueError as error:
                yield f"{entity.kind} {entity.ids[0]}: {error}"


def _bad_smiles(job: Job) -> Iterator[str]:
    for entity in job.entities:
        if isinstance(entity, Ligand) and entity.smiles:
            try:
                from_smiles(entity.smiles, "LIG")
            except ValueError as error:
                yield f"ligand {entity.ids[0]}: {error}"


def print_table(files: Iterable[Checked]) -> None:
    """A row for each good job."""
    table = Table("file", "dialect", "job")
    for name in ("chains", "residues", "tokens", "seeds"):
        table.add_column(name, justify="right")
    for file in files:
        for job in file.jobs:
            table.add_row(str(file.path), file.dialect, *map(str, astuple(job)))
    console = Console(markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 1000  # of a file: nothing is cut
    if table.row_count:
        console.print(table)
