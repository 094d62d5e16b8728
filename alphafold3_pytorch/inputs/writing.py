"""What all writers of job files share: the files, ids that the dialect allows, and the list of what it cannot say."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.molecules import molecule
from alphafold3_pytorch.inputs.job import Bond, Entity, Job, Ligand, Modification, Polymer, chain_names, head_to_tail

LABELS = {
    "description": "the description",
    "unpaired_msa": "the unpaired MSA",
    "paired_msa": "the paired MSA",
    "templates": "the templates",
    "template_hits": "the hits of a template search",
    "max_template_date": "the date limit of templates",
}


@dataclass
class Draft:
    """Job files by name, files that these refer to by path, and what could not be said."""

    files: dict[str, str] = field(default_factory=dict)
    attached: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    folder: str = ""  # of files that the job at hand refers to
    former: dict[str, str] = field(default_factory=dict)  # ids of the job at hand before chains got new ones

    def add(self, name: str, suffix: str, text: str) -> None:
        self.files[_unused(f"{slug(name)}{suffix}", self.files)] = text

    def attach(self, entity: Entity | Polymer, suffix: str, text: str) -> str:
        """A file of a chain of the job at hand; gives the path to write into the job file."""
        path = _unused(f"{self.folder}/{slug(entity.ids[0])}{suffix}", self.attached)
        self.attached[path] = text
        return path

    def _free_folder(self, job: Job) -> str:
        taken = {path.split("/")[0] for path in self.attached}
        folder, number = f"{slug(job.name)}_files", 1
        while folder in taken:
            number += 1
            folder = f"{slug(job.name)}_files_{number}"
        return folder

    def lose(self, job: Job, what: str) -> None:
        line = f"{job.name}: {what}"
        if line not in self.lost:  # copies of a chain lose the same
            self.lost.append(line)

    def chains(self, entity: Entity | Polymer) -> str:
        """An entity in a message, by the ids that the job gave it."""
        return f"chain {', '.join(self.former.get(chain, chain) for chain in entity.ids)}"

    def lose_fields(self, job: Job, entity: Entity | Polymer, *names: str) -> None:
        """Fields that the dialect does not have, where the job says something there."""
        for name in names:
            value = getattr(entity, name, None)
            if value is None or value == "" and name in ("description", "max_template_date"):
                continue
            what = LABELS[name] if value else f"{LABELS[name]}: none is wanted"
            self.lose(job, f"{self.chains(entity)}: {what}")

    def alignments(self, job: Job, entity: Any, *names: str) -> dict[str, str | None]:
        """Alignments for dialects that search for all of a chain's or for none."""
        texts = {name: getattr(entity, name) for name in names}
        missing = [name for name, text in texts.items() if text is None]
        if missing and len(missing) < len(texts):
            self.lose(job, f"{self.chains(entity)}: {LABELS[missing[0]]} is still to be searched")
            texts[missing[0]] = ""
        return texts

    def lose_name(self, job: Job) -> None:
        """Of a job whose name is that of its file."""
        if slug(job.name) != job.name:
            self.lose(job, f"the name, which is that of the file, is {slug(job.name)} now")

    def lose_seeds(self, job: Job) -> None:
        if job.seeds != (1,):
            self.lose(job, f"the seeds {', '.join(map(str, job.seeds))}")

    def sayable(self, job: Job, reason: Callable[[Job, Entity], str]) -> Job:
        """The job without the chains that there is a reason to leave out, and without their bonds."""
        self.former, self.folder = {}, self._free_folder(job)
        reasons = [(entity, reason(job, entity)) for entity in job.entities]
        kept = tuple(entity for entity, why in reasons if not why)
        if not kept:
            raise ValueError(f"nothing of job {job.name!r} can be written in this dialect: {reasons[0][1]}")
        for entity, why in reasons:
            if why:
                self.lose(job, f"{self.chains(entity)} is left out: {why}")
        present = {chain for entity in kept for chain in entity.ids}
        bonds = tuple(bond for bond in job.bonds if {end.chain for end in bond} <= present)
        self.lose_bonds(job, [bond for bond in job.bonds if bond not in bonds], "a chain of it is left out")
        return replace(job, entities=kept, bonds=bonds)

    def lose_bonds(self, job: Job, bonds: Iterable[Bond], why: str) -> None:
        for first, second in map_bonds(list(bonds), self.former):
            self.lose(job, f"the bond {first} to {second}: {why}")

    def standard_modifications(self, job: Job, entity: Any) -> list[Modification]:
        """Modifications by components of the dictionary."""
        for change in entity.modifications:
            if change.code in job.components:
                what = f"the modification {change.code} at {change.position}: it is no component of the dictionary"
                self.lose(job, f"{self.chains(entity)}: {what}")
        return [change for change in entity.modifications if change.code not in job.components]

    def in_order(self, job: Job) -> Job:
        """With the ids A, B, C ... of dialects that have none."""
        names = chain_names()
        return self.renamed(job, {chain: next(names) for chain, _ in job.chains()}, "this dialect has no chain ids")

    def with_ids(self, job: Job, allowed: Callable[[str], object], rule: str) -> Job:
        """With new ids where the dialect does not allow the old ones."""
        taken = {chain for chain, _ in job.chains() if allowed(chain)}
        names = (name for name in chain_names() if name not in taken)
        new = {chain: chain if chain in taken else next(names) for chain, _ in job.chains()}
        return self.renamed(job, new, rule)

    def renamed(self, job: Job, new: Mapping[str, str], why: str) -> Job:
        self.former = {name: old for old, name in new.items()}
        changed = {old: name for old, name in new.items() if old != name}
        if not changed:
            return job
        pairs = ", ".join(f"{old} is {name}" for old, name in changed.items())
        self.lose(job, f"chain ids, {why}: {pairs}")
        entities = [replace(entity, ids=tuple(new[chain] for chain in entity.ids)) for entity in job.entities]
        return replace(job, entities=tuple(entities), bonds=tuple(map_bonds(job.bonds, new)))

    def places(self, out: Path | None) -> dict[Path, str]:
        """Where each file goes: into a folder (if none is given, the working one), or the job file as `out` itself."""
        if out is None or out.is_dir():
            folder = out or Path()
            return {folder / name: text for name, text in (self.files | self.attached).items()}
        if len(self.files) > 1:
            raise ValueError(f"{len(self.files)} job files cannot be one file {out}; give a folder that exists")
        (text,) = self.files.values()
        return {out: text} | {out.parent / name: text for name, text in self.attached.items()}


def map_bonds(bonds: Sequence[Bond], new: Mapping[str, str]) -> list[Bond]:
    """Bonds with other chain ids."""
    return [tuple(end._replace(chain=new.get(end.chain, end.chain)) for end in bond) for bond in bonds]  # type: ignore[misc]


def slug(name: str) -> str:
    """A job's name as the name of a file."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_")[:100] or "job"


def _unused(path: str, taken: Mapping[str, str]) -> str:
    stem, dot, suffix = path.rpartition(".")
    number = 1
    while path in taken:
        number += 1
        path = f"{stem}_{number}{dot}{suffix}"
    return path


def rings(job: Job) -> tuple[set[int], list[Bond]]:
    """Which entities are rings, by their number, and the bonds that do not close one."""
    closing: dict[int, set[Bond]] = {}
    for number, entity in enumerate(job.entities):
        if not isinstance(entity, Ligand) and len(entity.sequence) >= 3:
            bonds = {head_to_tail(chain, entity) for chain in entity.ids}
            if bonds <= set(job.bonds):
                closing[number] = bonds
    known = set().union(*closing.values())
    return set(closing), [bond for bond in job.bonds if bond not in known]


def own_component(job: Job, ligand: Ligand) -> Component | None:
    """The molecule of a ligand of the user's own, given as one or by a code that the job defines."""
    if len(ligand.codes) == 1:
        return job.components.get(ligand.codes[0])
    return ligand.component


def no_molecule_file(job: Job, entity: Entity) -> str:
    """Why dialects with components, SMILES and molecule files cannot say a ligand."""
    if not isinstance(entity, Ligand):
        return ""
    own = own_component(job, entity)
    if own is None and any(code in job.components for code in entity.codes):
        return "it has several components, and some are not in the dictionary"
    return "" if own is None or molecule(own) is not None else f"RDKit does not understand {own.code}"
