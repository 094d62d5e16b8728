"""Reader and writer of plain FASTA, and reader of Boltz' FASTA: one job, a chain for each record."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.inputs.job import Dna, Entity, Job, Ligand, Protein, Rna, chain_names
from alphafold3_pytorch.inputs.reading import Problems, brief, job_name, made, read_a3m
from alphafold3_pytorch.inputs.writing import Draft

POLYMERS: dict[str, Any] = {"protein": Protein, "rna": Rna, "dna": Dna}
BOLTZ_KINDS = (*POLYMERS, "ccd", "smiles")


class FastaRecord(NamedTuple):
    header: str
    content: str
    line: int

    @property
    def place(self) -> str:
        return f"line {self.line} (>{self.header[:30]})"

    @property
    def fields(self) -> list[str]:
        """The parts of the header."""
        return [part.strip() for part in self.header.split("|")]


def records(text: str, source: str) -> list[FastaRecord]:
    """Headers and what stands below them, lines joined without white space at their ends."""
    found: list[tuple[str, list[str], int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith(">"):
            found.append((line[1:].strip(), [], number))
        elif line and not found:
            raise ValueError(
                f"{source}: line {number} is {line[:30]!r}; the first line must be a header that starts with >"
            )
        elif line:
            found[-1][1].append(line)
    return [FastaRecord(header, "".join(lines), number) for header, lines, number in found]


def read_records(
    text: str, source: str, entity: Callable[[FastaRecord, str], Entity | None], problems: Problems
) -> list[Job]:
    """One job of all records; `entity` makes the chain of a record, which gets the next id."""
    names = chain_names()
    entities: list[Entity | None] = []
    for record in records(text, source):
        with problems.at(record.place):
            if not record.content:
                raise ValueError("there is nothing below this header")
            entities.append(entity(record, next(names)))
    problems.check()
    present = tuple(entity for entity in entities if entity)
    job = made(problems, "", Job, name=job_name(source), entities=present)
    problems.check()
    return [job] if job else []


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The job of a FASTA text. Letters tell protein, RNA and DNA apart."""
    return read_records(text, source, _plain, Problems(source))


def _plain(record: FastaRecord, chain: str) -> Entity:
    sequence = record.content.upper()
    return POLYMERS[kind_of(sequence)]((chain,), sequence, description="" if record.header == chain else record.header)


def kind_of(sequence: str) -> str:
    """DNA has T and no letters but ACGTN, RNA has U and no letters but ACGUN; the rest is protein if it has others."""
    letters = set(sequence)
    if ":" in letters:
        raise ValueError("the sequence has ':' in it; write each chain as a record of its own")
    if letters <= set("ACGTN") and "T" in letters:
        return "dna"
    if letters <= set("ACGUN") and "U" in letters:
        return "rna"
    if letters <= set("ACGN"):
        raise ValueError(
            "a sequence of A, C, G and N alone can be protein, RNA or DNA; say which in all headers: >protein|name"
        )
    return PROTEIN


def is_boltz(header: list[str]) -> bool:
    """Whether the fields of a header are those of Boltz: >chain|kind|alignment."""
    return len(header) > 1 and header[1].lower() in BOLTZ_KINDS


def parse_boltz(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The job of a Boltz FASTA text, whose headers are >chain|kind, for proteins >chain|protein|alignment."""
    place = folder or Path()
    return read_records(text, source, lambda record, _: _boltz(record, place), Problems(source))


def _boltz(record: FastaRecord, folder: Path) -> Entity:
    fields = record.fields
    if not is_boltz(fields) or not fields[0] or len(fields) > 3:
        raise ValueError(f"the header must be >chain|kind, where kind is one of {', '.join(BOLTZ_KINDS)}")
    ids, kind, path = (fields[0],), fields[1].lower(), fields[2] if len(fields) == 3 else ""
    if path and kind != PROTEIN:
        raise ValueError(f"{brief(path)} has no meaning here; only proteins have an alignment")
    if kind == "ccd":
        return Ligand(ids, codes=(record.content,))
    if kind == "smiles":
        return Ligand(ids, smiles=record.content)
    if not path:
        return POLYMERS[kind](ids, record.content)
    unpaired = "" if path == "empty" else read_a3m(folder, path)
    return Protein(ids, record.content, unpaired_msa=unpaired, paired_msa="")


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """A file for each job."""
    for job in jobs:
        draft.lose_name(job)
        draft.lose_seeds(job)
        named = draft.in_order(draft.sayable(job, _reason))
        draft.lose_bonds(named, named.bonds, "FASTA has no bonds")
        draft.add(job.name, ".fasta", "".join(_record(named, chain, entity, draft) for chain, entity in named.chains()))


def _reason(job: Job, entity: Entity) -> str:
    if isinstance(entity, Ligand):
        return "FASTA has polymers only"
    try:
        told = kind_of(entity.sequence.upper())
    except ValueError:
        told = "any kind of chain"
    return "" if told == entity.kind else f"the letters of this {entity.kind} look like {told}"


def _record(job: Job, chain: str, entity: Any, draft: Draft) -> str:
    draft.lose_fields(job, entity, "unpaired_msa", "paired_msa", "templates", "template_hits", "max_template_date")
    for change in entity.modifications:
        draft.lose(job, f"{draft.chains(entity)}: the modification {change.code} at {change.position}")
    return f">{header_text(job, entity, entity.description, draft) or chain}\n{entity.sequence}\n"


def header_text(job: Job, entity: Entity, text: str, draft: Draft) -> str:
    """A description on one line."""
    line = " ".join(text.split())
    if line != entity.description:
        draft.lose_fields(job, entity, "description")
    return line
