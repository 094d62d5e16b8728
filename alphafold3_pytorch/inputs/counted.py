"""What the lists of jobs of AlphaFold Server and of Protenix share: sequences with a count of copies, without ids."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.inputs.job import (
    Bond,
    Dna,
    Entity,
    Job,
    Ligand,
    Modification,
    Protein,
    Rna,
    chain_names,
)
from alphafold3_pytorch.inputs.reading import Problems, Record, made, parse_json

POLYMERS: dict[str, Any] = {"proteinChain": Protein, "dnaSequence": Dna, "rnaSequence": Rna}
KINDS = (*POLYMERS, "ligand", "ion")
MOST_COPIES = 10_000


class CountedReader:
    """Reads the jobs of a list, or a single one. Subclasses say what else a job and a chain may have."""

    def __init__(self, text: str, folder: Path, source: str):
        document = parse_json(text, source)
        self.problems, self.folder = Problems(source), folder
        listed = document if isinstance(document, list) else [document]
        places = [f"[{number}]" if len(listed) > 1 else "" for number in range(len(listed))]
        self.records = [Record(value, place, self.problems) for value, place in zip(listed, places, strict=True)]

    def jobs(self) -> list[Job]:
        if not self.records:
            self.problems.add("", "the list of jobs is empty")
        jobs = [self.job(record) for record in self.records]
        self.problems.check()
        return [job for job in jobs if job]

    def job(self, record: Record) -> Job | None:
        count = len(self.problems.found)
        name, seeds = record.take("name", str), record.seeds("modelSeeds")
        items = [(item.path, item.choice(*KINDS)) for item in record.records("sequences")]
        self.names = self.free_names([inner for _, choice in items if choice for inner in [choice[1]]])
        entities, bonds = [], []
        for _, choice in items:
            entity, more, links = self.entity(*choice) if choice else (None, [], [])
            entities += [entity, *more]
            bonds += links
        bonds += self.bonds(record, entities)
        own = self.components(record)
        record.finish()
        if len(self.problems.found) > count:
            return None
        present = tuple(entity for entity in entities if entity)
        return made(self.problems, record.path, Job, name, present, tuple(bonds), seeds, own)

    def free_names(self, inners: list[Record]) -> Iterator[str]:
        """Ids for chains that have none."""
        return chain_names()

    def entity(self, kind: str, inner: Record) -> tuple[Entity | None, list[Entity], list[Bond]]:
        """A chain or ligand, further ones that hang on it, and the bonds between them."""
        count = len(self.problems.found)
        ids = self.ids(inner)
        content = self.polymer(kind, inner) if kind in POLYMERS else self.ligand(kind, inner)
        more, bonds = self.attached(kind, inner, ids)
        inner.finish()
        if len(self.problems.found) > count:
            return None, [], []
        return made(self.problems, inner.path, POLYMERS.get(kind, Ligand), ids=ids, **content), more, bonds

    def ids(self, inner: Record) -> tuple[str, ...]:
        """An id for each copy."""
        count = inner.take("count", int, 1)
        if not 1 <= count <= MOST_COPIES:
            self.problems.add(inner.place("count"), f"is {count}; it must be 1 to {MOST_COPIES}")
            count = 1
        return tuple(next(self.names) for _ in range(count))

    def polymer(self, kind: str, inner: Record) -> dict[str, Any]:
        """Sequence, modifications, and in some dialects alignments and templates."""
        return {"sequence": inner.take("sequence", str), "modifications": modifications(inner, kind)}

    def ligand(self, kind: str, inner: Record) -> dict[str, Any]:
        """What a ligand or an ion is made of."""
        return {"codes": (inner.take(kind, str).removeprefix("CCD_"),)}

    def attached(self, kind: str, inner: Record, ids: tuple[str, ...]) -> tuple[list[Entity], list[Bond]]:
        """What hangs on a chain."""
        return [], []

    def components(self, record: Record) -> dict[str, Component]:
        """Components of the user's own."""
        return {}

    def bonds(self, record: Record, entities: list[Entity | None]) -> list[Bond]:
        """Bonds that a job lists."""
        return []


def modifications(inner: Record, kind: str) -> tuple[Modification, ...]:
    code, position = modification_keys(kind)
    changes = []
    for change in inner.records("modifications", needed=False):
        changes.append(Modification(change.take(code, str).removeprefix("CCD_"), change.take(position, int)))
        change.finish()
    return tuple(changes)


def modification_keys(kind: str) -> tuple[str, str]:
    return ("ptmType", "ptmPosition") if kind == "proteinChain" else ("modificationType", "basePosition")
