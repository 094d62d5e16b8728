"""Reader and writer of AlphaFold 3's own JSON, versions 1 to 4."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.component import Component, read_components
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs import stockholm
from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Bond,
    Dna,
    Entity,
    Job,
    Ligand,
    Modification,
    Polymer,
    Protein,
    Rna,
    Template,
)
from alphafold3_pytorch.inputs.molecule_files import cif_of, shaped
from alphafold3_pytorch.inputs.reading import Problems, Record, brief, made, parse_json, read_text
from alphafold3_pytorch.inputs.writing import Draft

VERSIONS = (1, 2, 3, 4)
SINCE = {"unpairedMsaPath": 2, "pairedMsaPath": 2, "mmcifPath": 2, "userCCDPath": 3, "description": 4}


def read(path: Path | str) -> Job:
    """The job of a file. All its mistakes are in one ValueError, one a line."""
    path = Path(path)
    return parse(read_text(path), folder=path.parent, source=str(path))


def parse(text: str, folder: Path | None = None, source: str = "job") -> Job:
    """The job of a JSON text; paths in it are relative to the folder."""
    return _Reader(parse_json(text, source), folder or Path(), source).job()


class _Reader:
    def __init__(self, document: Any, folder: Path, source: str):
        self.problems = Problems(source)
        self.folder = folder
        self.top = Record(document, "", self.problems)
        self.version = 0

    def job(self) -> Job:
        self.problems.check()
        self._check_dialect()
        name = self.top.take("name", str)
        seeds = self.top.take_list("modelSeeds", int)
        entities = [self._entity(record) for record in self.top.records("sequences")]
        pairs = self.top.take_list("bondedAtomPairs", list, needed=False)
        bonds = [self._bond(pair, f"bondedAtomPairs[{number}]") for number, pair in enumerate(pairs)]
        own = self._text(self.top, "userCCD", "userCCDPath")
        components = made(self.problems, "userCCD", read_components, own) if own else {}
        self.top.finish()
        self.problems.check()
        good = tuple(entity for entity in entities if entity)
        self._check_bonds(bonds, good)
        job = made(
            self.problems,
            "",
            Job,
            name=name,
            entities=good,
            bonds=tuple(bond for bond in bonds if bond),
            seeds=tuple(seeds),
            components=components or {},
        )
        self.problems.check()
        assert job is not None
        return job

    def _check_dialect(self) -> None:
        dialect, self.version = self.top.take("dialect", str), self.top.take("version", int)
        if dialect != "alphafold3":
            self.problems.add("dialect", f'is {brief(dialect)}; this reader knows "alphafold3"')
        if self.version not in VERSIONS:
            self.problems.add("version", f"is {self.version}; known are {', '.join(map(str, VERSIONS))}")
        self.problems.check()

    def _take(self, record: Record, name: str, kind: type, default: Any) -> Any:
        """A value whose name came with a later version."""
        needed = SINCE.get(name, 1)
        refuse = f"needs version {needed}, this file says version {self.version}" if needed > self.version else ""
        return record.take(name, kind, default, refuse=refuse)

    def _text(self, record: Record, name: str, path_name: str) -> str | None:
        """A text that is there itself or in a file."""
        record.one_of(name, path_name)
        text, path = record.take(name, str, None), self._take(record, path_name, str, None)
        if path is None or text is not None:
            return text
        return made(self.problems, record.place(path_name), read_text, self.folder / path)

    def _alignment(self, record: Record, name: str) -> str | None:
        """An a3m text; a Stockholm one becomes a3m."""
        text = self._text(record, name, f"{name}Path")
        if text and stockholm.is_stockholm(text):
            return made(self.problems, record.place(name), stockholm.to_a3m, text)
        return text

    def _entity(self, record: Record) -> Entity | None:
        kinds = {"protein": self._protein, "rna": self._rna, "dna": self._dna, "ligand": self._ligand}
        choice = record.choice(*kinds)
        if choice is None:
            return None
        kind, inner = choice
        count = len(self.problems.found)
        kwargs = {"ids": self._ids(inner), "description": self._take(inner, "description", str, "")}
        entity = kinds[kind](inner, kwargs)
        inner.finish()
        return entity if len(self.problems.found) == count else None

    def _ids(self, record: Record) -> tuple[str, ...]:
        single = isinstance(record.given.get("id"), str)
        ids = [record.take("id", str)] if single else record.take_list("id", str)
        for chain in ids:
            if not (chain.isascii() and chain.isalpha() and chain.isupper()):
                self.problems.add(record.place("id"), f"is {brief(chain)}; use upper-case letters")
        if record.given.get("id") == []:
            self.problems.add(record.place("id"), "is empty; give a letter or a list of them")
        return tuple(ids) or ("?",)

    def _protein(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        unpaired = self._alignment(record, "unpairedMsa")
        paired = self._alignment(record, "pairedMsa")
        if (unpaired is None) != (paired is None):
            missing = "pairedMsa" if paired is None else "unpairedMsa"
            self.problems.add(record.path, f'lacks {missing}; give both MSAs or none, "" for one that is not wanted')
        kwargs |= {"unpaired_msa": unpaired, "paired_msa": paired, "templates": self._templates(record)}
        return self._polymer(record, Protein, kwargs, "ptmType", "ptmPosition")

    def _rna(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        kwargs["unpaired_msa"] = self._alignment(record, "unpairedMsa")
        return self._polymer(record, Rna, kwargs, "modificationType", "basePosition")

    def _dna(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        return self._polymer(record, Dna, kwargs, "modificationType", "basePosition")

    def _polymer(self, record: Record, kind: Any, kwargs: dict[str, Any], code: str, position: str) -> Entity | None:
        changes = []
        for change in record.records("modifications", needed=False):
            changes.append(Modification(change.take(code, str), change.take(position, int)))
            change.finish()
        sequence = record.take("sequence", str)
        if not isinstance(record.given.get("sequence"), str):
            return None
        return made(self.problems, record.path, kind, sequence=sequence, modifications=tuple(changes), **kwargs)

    def _templates(self, record: Record) -> tuple[Template, ...] | None:
        found = []
        for item in record.records("templates", needed=False):
            mmcif = self._text(item, "mmcif", "mmcifPath")
            indices = [tuple(item.take_list(name, int)) for name in ("queryIndices", "templateIndices")]
            item.finish()
            if mmcif is None:
                self.problems.add(item.path, "lacks mmcif; give the text of the template or mmcifPath")
            else:
                found.append(made(self.problems, item.path, Template, mmcif, *indices))
        given = record.given.get("templates") is not None
        return tuple(template for template in found if template) if given else None

    def _ligand(self, record: Record, kwargs: dict[str, Any]) -> Entity | None:
        codes, smiles = record.take_list("ccdCodes", str, needed=False), record.take("smiles", str, "")
        record.one_of("ccdCodes", "smiles")
        return made(self.problems, record.path, Ligand, codes=tuple(codes), smiles=smiles, **kwargs)

    def _bond(self, pair: list[Any], path: str) -> Bond | None:
        ends = [end for end in pair if isinstance(end, list) and [type(part) for part in end] == [str, int, str]]
        if len(pair) != 2 or len(ends) != 2:
            self.problems.add(path, f'is {brief(pair)}; write two atoms, [["A", 145, "SG"], ["L", 1, "C04"]]')
            return None
        return AtomAddress(*ends[0]), AtomAddress(*ends[1])

    def _check_bonds(self, bonds: list[Bond | None], entities: tuple[Entity, ...]) -> None:
        unnamed = {chain for entity in entities if isinstance(entity, Ligand) and entity.smiles for chain in entity.ids}
        for number, bond in enumerate(bonds):
            for end in bond or ():
                if end.chain in unnamed:
                    what = f"chain {end.chain} is given as SMILES, which has no atom names; give it as userCCD instead"
                    self.problems.add(f"bondedAtomPairs[{number}]", what)


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """A file for each job. It says everything that a job can, but ids that are not upper-case letters."""
    for job in jobs:
        allowed = draft.with_ids(job, lambda chain: re.fullmatch("[A-Z]+", chain), "which are upper-case letters here")
        draft.add(job.name, ".json", json.dumps(_Writer(allowed, draft).document(), indent=2) + "\n")


class _Writer:
    def __init__(self, job: Job, draft: Draft):
        self.job, self.draft = job, draft
        self.own: dict[str, Component] = dict(job.components)
        self.bonded = {end.chain for bond in job.bonds for end in bond}

    def document(self) -> dict[str, Any]:
        job = self.job
        sequences = [{entity.kind: self._entity(entity)} for entity in job.entities]
        described = any(entity.description for entity in job.entities)
        document: dict[str, Any] = {"name": job.name, "modelSeeds": list(job.seeds), "sequences": sequences}
        if job.bonds:
            document["bondedAtomPairs"] = [[list(end) for end in bond] for bond in job.bonds]
        if self.own:
            document["userCCD"] = "".join(cif_of(shaped(component)) for component in self.own.values())
        return document | {"dialect": "alphafold3", "version": 4 if described else 1}

    def _entity(self, entity: Entity) -> dict[str, Any]:
        content: dict[str, Any] = {"id": entity.ids[0] if len(entity.ids) == 1 else list(entity.ids)}
        content |= self._ligand(entity) if isinstance(entity, Ligand) else self._polymer(entity)
        return content | ({"description": entity.description} if entity.description else {})

    def _ligand(self, ligand: Ligand) -> dict[str, Any]:
        """A molecule becomes a component of the userCCD, and so do SMILES with a bond, which needs names of atoms."""
        if ligand.codes:
            return {"ccdCodes": list(ligand.codes)}
        if ligand.component is None and not self.bonded & set(ligand.ids):
            return {"smiles": ligand.smiles}
        code = self._free_code(ligand.ids[0])
        component = ligand.component or from_smiles(ligand.smiles, code)
        self.own[code] = replace(component, code=code)
        if ligand.smiles:
            self.draft.lose(self.job, f"{self.draft.chains(ligand)}: SMILES; with a bond it is component {code} now")
        return {"ccdCodes": [code]}

    def _free_code(self, chain: str) -> str:
        """A code that means nothing else. Without an underscore: official AlphaFold 3 warns of them."""
        taken = Components(self.own)
        return next(code for code in (f"LIG-{chain}{'-X' * count}" for count in range(99)) if code not in taken)

    def _polymer(self, entity: Polymer) -> dict[str, Any]:
        code, position = (
            ("ptmType", "ptmPosition") if entity.kind == "protein" else ("modificationType", "basePosition")
        )
        content: dict[str, Any] = {"sequence": entity.sequence}
        if entity.modifications:
            content["modifications"] = [{code: at.code, position: at.position} for at in entity.modifications]
        self.draft.lose_fields(self.job, entity, "template_hits", "max_template_date")
        if entity.kind == "protein":
            texts = self.draft.alignments(self.job, entity, "unpaired_msa", "paired_msa")
            content |= {"unpairedMsa": texts["unpaired_msa"], "pairedMsa": texts["paired_msa"]}
            if entity.templates is not None:
                content["templates"] = [_template(template) for template in entity.templates]
        elif entity.kind == "rna":
            content["unpairedMsa"] = entity.unpaired_msa
            self.draft.lose_fields(self.job, entity, "paired_msa", "templates")
        else:
            self.draft.lose_fields(self.job, entity, "unpaired_msa", "paired_msa", "templates")
        return {key: value for key, value in content.items() if value is not None}


def _template(template: Template) -> dict[str, Any]:
    indices = {"queryIndices": list(template.query_indices), "templateIndices": list(template.template_indices)}
    return {"mmcif": template.mmcif, **indices}
