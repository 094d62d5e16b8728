"""Reader and writer of Boltz YAML, version 1."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

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
    head_to_tail,
)
from alphafold3_pytorch.inputs.keyed import Species, keyed_alignments
from alphafold3_pytorch.inputs.molecule_files import smiles_of
from alphafold3_pytorch.inputs.reading import (
    Problems,
    Record,
    brief,
    find,
    job_name,
    made,
    parse_yaml,
    read_a3m,
    read_text,
)
from alphafold3_pytorch.inputs.template_files import template_of
from alphafold3_pytorch.inputs.writing import Draft, no_molecule_file, own_component, rings
from alphafold3_pytorch.structure.mmcif import read_entry

POLYMERS: dict[str, Any] = {"protein": Protein, "rna": Rna, "dna": Dna}
KINDS = (*POLYMERS, "ligand")
UNNAMED = "is given as SMILES, which has no atom names; give it by its component code instead"


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The job of a YAML text; paths in it are relative to the folder, or to where the program runs."""
    return [_Reader(parse_yaml(text, source), folder or Path(), source).job()]


class _Reader:
    def __init__(self, document: Any, folder: Path, source: str):
        self.problems, self.folder, self.source = Problems(source), folder, source
        self.top = Record(document, "", self.problems)
        self.species = Species()
        self.rings: list[Bond] = []

    def job(self) -> Job:
        self.problems.check()
        version = self.top.take("version", int, 1)
        if version != 1:
            self.problems.add("version", f"is {version}; known is 1")
        self.top.refuse("properties", reason="affinities are not predicted; remove it")
        entities = [self._entity(record) for record in self.top.records("sequences")]
        present = self._with_templates([entity for entity in entities if entity])
        bonds = self._bonds({chain for entity in present if _is_smiles(entity) for chain in entity.ids})
        self.top.finish()
        self.problems.check()
        name = job_name(self.source)
        job = made(self.problems, "", Job, name=name, entities=present, bonds=(*bonds, *self.rings))
        self.problems.check()
        assert job is not None
        return job

    def _entity(self, record: Record) -> Entity | None:
        if len(record.given) == 1:  # PROTEIN is protein
            record.given = {kind.lower(): inner for kind, inner in record.given.items()}
        choice = record.choice(*KINDS)
        if choice is None:
            return None
        kind, inner = choice
        count = len(self.problems.found)
        ids = tuple(inner.texts("id"))
        content = self._ligand(inner) if kind == "ligand" else self._polymer(kind, inner)
        closed = inner.take("cyclic", bool, False)
        inner.finish()
        if len(self.problems.found) > count:
            return None
        entity = made(self.problems, inner.path, POLYMERS.get(kind, Ligand), ids=ids, **content)
        if closed and entity:
            self._close(inner, entity)
        return entity

    def _close(self, inner: Record, entity: Entity) -> None:
        if isinstance(entity, Ligand):
            what = "is for polymers; the rings of a ligand are in its SMILES or component"
            self.problems.add(inner.place("cyclic"), what)
            return
        with self.problems.at(inner.place("cyclic")):
            self.rings += [head_to_tail(chain, entity) for chain in entity.ids]

    def _polymer(self, kind: str, inner: Record) -> dict[str, Any]:
        changes = []
        for change in inner.records("modifications", needed=False):
            codes = change.texts("ccd")
            changes.append(Modification(codes[0] if codes else "?", change.take("position", int)))
            change.finish()
        content: dict[str, Any] = {"sequence": inner.take("sequence", str), "modifications": tuple(changes)}
        if kind != "protein":
            inner.refuse("msa", reason="Boltz reads alignments of proteins only; remove it")
            return content
        return content | self._alignments(inner)

    def _alignments(self, inner: Record) -> dict[str, str]:
        path = inner.take("msa", str, "")
        if not path:
            return {}
        if path == "empty":
            return {"unpaired_msa": "", "paired_msa": ""}
        with self.problems.at(inner.place("msa")):
            if not path.removesuffix(".gz").endswith(".csv"):
                return {"unpaired_msa": read_a3m(self.folder, path), "paired_msa": ""}
            unpaired, paired = keyed_alignments(read_rows(find(self.folder, path)), self.species)
            return {"unpaired_msa": unpaired, "paired_msa": paired}
        return {}

    def _ligand(self, inner: Record) -> dict[str, Any]:
        inner.one_of("ccd", "smiles")
        if inner.given.get("smiles") is not None:
            inner.known.append("ccd")
            return {"smiles": inner.take("smiles", str)}
        inner.known.append("smiles")
        return {"codes": tuple(inner.texts("ccd", needed=False))}

    def _with_templates(self, entities: list[Entity]) -> tuple[Entity, ...]:
        """Entities with the templates of their chains; copies of a chain share them."""
        proteins = {chain: entity for entity in entities if isinstance(entity, Protein) for chain in entity.ids}
        found: dict[str, list[Template]] = {}
        for record in self.top.records("templates", needed=False):
            record.refuse("pdb", reason="files in the old PDB format are not read; convert it to mmCIF")
            record.refuse("force", "threshold", reason="templates are not enforced by a potential; remove it")
            path = record.take("cif", str, ... if record.given.get("pdb") is None else "")
            chains, theirs = record.texts("chain_id", needed=False), record.texts("template_id", needed=False)
            record.finish()
            with self.problems.at(record.path):
                for first, template in self._templates(path, proteins, chains, theirs) if path else ():
                    found.setdefault(first, []).append(template)
        return tuple(
            replace(entity, templates=tuple(found[entity.ids[0]])) if entity.ids[0] in found else entity
            for entity in entities
        )

    def _templates(
        self, path: str, proteins: dict[str, Protein], chains: list[str], theirs: list[str]
    ) -> list[tuple[str, Template]]:
        """Templates of the named chains, or of all that are like one of the file, under the first id of the entity."""
        if theirs and len(theirs) != len(chains):
            raise ValueError(f"template_id names {len(theirs)} chains, chain_id {len(chains)}; they are pairs")
        unknown = [chain for chain in chains if chain not in proteins]
        if unknown:
            raise ValueError(f"chain_id: {unknown[0]} is no protein chain of this job")
        entry = read_entry(find(self.folder, path))
        wanted = zip(chains or proteins, theirs or [None] * len(chains or proteins), strict=True)
        pairs = dict.fromkeys((proteins[chain].ids[0], name) for chain, name in wanted)
        found = [(first, template_of(entry, proteins[first].sequence, name)) for first, name in pairs]
        missing = [first for first, template in found if template is None]
        if missing and (chains or len(missing) == len(found)):
            raise ValueError(f"no chain of {path} is like the sequence of {', '.join(missing) or 'any protein'}")
        return [(first, template) for first, template in found if template]

    def _bonds(self, unnamed: set[str]) -> list[Bond]:
        bonds = []
        for record in self.top.records("constraints", needed=False):
            reason = "pocket and contact constraints are not supported; remove them"
            record.refuse("pocket", "contact", reason=reason)
            given = record.take("bond", dict, None)
            record.finish()
            if given is None:
                continue
            inner = Record(given, record.place("bond"), self.problems)
            ends = [self._atom(inner, name, unnamed) for name in ("atom1", "atom2")]
            inner.finish()
            if ends[0] and ends[1]:
                bonds.append((ends[0], ends[1]))
        return bonds

    def _atom(self, inner: Record, name: str, unnamed: set[str]) -> AtomAddress | None:
        value = inner.take(name, list)
        if [type(part) for part in value] != [str, int, str]:
            self.problems.add(inner.place(name), f"is {brief(value)}; write chain, residue and atom, [A, 145, SG]")
            return None
        if value[0] in unnamed:
            self.problems.add(inner.place(name), f"chain {value[0]} {UNNAMED}")
        return AtomAddress(*value)


def _is_smiles(entity: Entity) -> bool:
    return isinstance(entity, Ligand) and bool(entity.smiles)


def read_rows(path: Path) -> list[tuple[str, str]]:
    """Aligned sequences of a CSV file and the keys by which rows of chains are paired, empty for none."""
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    if not rows or not {"sequence", "key"} <= set(rows[0]):
        raise ValueError(f"{path} is not an alignment of Boltz; its columns must be sequence and key")
    return [(row["sequence"] or "", (row["key"] or "").strip()) for row in rows]


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """A file for each job, alignments in files beside it."""
    for job in jobs:
        record = _Writer(job, draft).record()
        draft.add(job.name, ".yaml", yaml.dump(record, Dumper=_Dumper, sort_keys=False, width=10**6))


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(value, list | dict) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


_Dumper.add_representer(list, _list)


class _Writer:
    def __init__(self, job: Job, draft: Draft):
        self.job, self.draft = draft.sayable(job, no_molecule_file), draft
        self.unnamed: set[str] = set()  # chains whose atoms cannot be named

    def record(self) -> dict[str, Any]:
        job, draft = self.job, self.draft
        draft.lose_name(job)
        draft.lose_seeds(job)
        closed, bonds = rings(job)
        items = [self._item(entity, number in closed) for number, entity in enumerate(job.entities)]
        record: dict[str, Any] = {"version": 1, "sequences": items}
        kept = [bond for bond in bonds if not {end.chain for end in bond} & self.unnamed]
        lost = [bond for bond in bonds if bond not in kept]
        draft.lose_bonds(job, lost, "Boltz bonds components of the dictionary only")
        if kept:
            ends = [{f"atom{number}": list(end) for number, end in enumerate(bond, start=1)} for bond in kept]
            record["constraints"] = [{"bond": bond} for bond in ends]
        return record

    def _item(self, entity: Entity, closed: bool) -> dict[str, Any]:
        self.draft.lose_fields(self.job, entity, "description", "templates", "template_hits", "max_template_date")
        content = self._ligand(entity) if isinstance(entity, Ligand) else self._polymer(entity)
        return {entity.kind: {"id": _one_or_all(entity.ids), **content, **({"cyclic": True} if closed else {})}}

    def _polymer(self, entity: Polymer) -> dict[str, Any]:
        content: dict[str, Any] = {"sequence": entity.sequence}
        kept = self.draft.standard_modifications(self.job, entity)
        if kept:
            content["modifications"] = [{"position": change.position, "ccd": change.code} for change in kept]
        if entity.kind != "protein":
            self.draft.lose_fields(self.job, entity, "unpaired_msa", "paired_msa")
            return content
        text = self.draft.alignments(self.job, entity, "unpaired_msa", "paired_msa")["unpaired_msa"]
        if entity.paired_msa:
            self.draft.lose_fields(self.job, entity, "paired_msa")
        if text is not None:
            content["msa"] = self.draft.attach(entity, ".a3m", text) if text else "empty"
        return content

    def _ligand(self, ligand: Ligand) -> dict[str, Any]:
        own = own_component(self.job, ligand)
        if own is not None:
            what = f"{self.draft.chains(ligand)}: {own.code} is SMILES now, without names and coordinates of atoms"
            self.draft.lose(self.job, what)
        elif ligand.codes:
            return {"ccd": _one_or_all(ligand.codes)}
        self.unnamed |= set(ligand.ids)
        return {"smiles": ligand.smiles if own is None else smiles_of(own)}


def _one_or_all(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
