"""Reader and writer of Protenix JSON: the server's list of jobs with bonds, alignments, SMILES and molecule files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.component import Component, read_components
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs.counted import CountedReader
from alphafold3_pytorch.inputs.job import AtomAddress, Bond, Entity, Job, Ligand, chain_names
from alphafold3_pytorch.inputs.molecule_files import read_molecule, sdf_names, sdf_of
from alphafold3_pytorch.inputs.reading import Record, brief, find, made, read_a3m, read_text
from alphafold3_pytorch.inputs.server_json import counted_ligand, polymer_item
from alphafold3_pytorch.inputs.writing import Draft, no_molecule_file, own_component

ENDS = (("1", "left"), ("2", "right"))  # new and old names of the two ends of a bond


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The jobs of a JSON text; paths in it are relative to the folder, or to where the program runs."""
    return _Reader(text, folder or Path(), source).jobs()


class _Reader(CountedReader):
    def job(self, record: Record) -> Job | None:
        record.take("assembly_id", str, None)  # where the job was made from
        record.refuse("constraint", "epitopes", reason="contact and pocket constraints are not supported; remove them")
        return super().job(record)

    def free_names(self, inners: list[Record]) -> Iterator[str]:
        given = [inner.given.get("id") for inner in inners]
        taken = {name for names in given if isinstance(names, list) for name in names if isinstance(name, str)}
        return (name for name in chain_names() if name not in taken)

    def ids(self, inner: Record) -> tuple[str, ...]:
        names = inner.take_list("id", str, needed=False)
        if not names:
            return super().ids(inner)
        count = inner.take("count", int, len(names))
        if count != len(names):
            self.problems.add(inner.place("id"), f"has {len(names)} ids, but count is {count}")
        return tuple(names)

    def polymer(self, kind: str, inner: Record) -> dict[str, Any]:
        inner.take("label_entity_id", str, None)  # where the job was made from
        inner.take_list("label_asym_id", str, needed=False)
        content = super().polymer(kind, inner)
        if kind == "proteinChain":
            inner.refuse("glycans", reason="is not part of Protenix JSON; give sugars as ligands with covalent_bonds")
            return content | self._protein_alignments(inner) | {"template_hits": self._template_hits(inner)}
        if kind == "rnaSequence":
            return content | {"unpaired_msa": self._alignment(inner, "unpairedMsa")}
        return content

    def _template_hits(self, inner: Record) -> str | None:
        path = inner.take("templatesPath", str, None)
        if not path:
            return None
        return made(self.problems, inner.place("templatesPath"), read_text, find(self.folder, path))

    def _protein_alignments(self, inner: Record) -> dict[str, str | None]:
        """What is there; of two alignments one may be absent, then none is wanted."""
        found = {
            "unpaired_msa": self._alignment(inner, "unpairedMsa"),
            "paired_msa": self._alignment(inner, "pairedMsa"),
        }
        old = self._old_alignments(inner)
        if any(text is not None for text in found.values()):
            return {name: text or "" for name, text in found.items()}
        return old or found

    def _alignment(self, inner: Record, name: str) -> str | None:
        """An alignment that is there itself or in a file."""
        inner.one_of(name, f"{name}Path")
        text, path = inner.take(name, str, None), inner.take(f"{name}Path", str, None)
        if not path:
            return text
        return made(self.problems, inner.place(f"{name}Path"), read_a3m, self.folder, path)

    def _old_alignments(self, inner: Record) -> dict[str, str | None]:
        """Alignments in a folder, the way of the first versions."""
        given = inner.take("msa", dict, None)
        if not given:
            return {}
        record = Record(given, inner.place("msa"), self.problems)
        path = record.take("precomputed_msa_dir", str, None)
        for name in ("pairing_db", "pairing_db_fpath", "non_pairing_db_fpath", "search_tool", "msa_save_dir"):
            record.take(name, str, None)  # of the search that made the folder
        record.finish()
        if path is None:
            return {}
        names = {"unpaired_msa": "non_pairing.a3m", "paired_msa": "pairing.a3m"}
        there = {key: f"{path}/{name}" for key, name in names.items() if find(self.folder, f"{path}/{name}").is_file()}
        if not there:
            self.problems.add(record.place("precomputed_msa_dir"), f"{path} has no pairing.a3m and no non_pairing.a3m")
        read = {key: made(self.problems, record.path, read_a3m, self.folder, file) for key, file in there.items()}
        return {key: read.get(key) or "" for key in names}

    def ligand(self, kind: str, inner: Record) -> dict[str, Any]:
        inner.take("label_entity_id", str, None)
        inner.take_list("label_asym_id", str, needed=False)
        text = inner.take(kind, str)
        if kind == "ion":
            return {"codes": (text,)}
        if text.startswith("CCD_"):
            return {"codes": tuple(text.removeprefix("CCD_").split("_"))}
        if text.startswith("FILE_"):
            path = text.removeprefix("FILE_")
            return {"component": made(self.problems, inner.place(kind), read_molecule, self.folder, path)}
        return {"smiles": text}

    def components(self, record: Record) -> dict[str, Component]:
        record.one_of("userCCD", "userCCDPath")
        text, path = record.take("userCCD", str, ""), record.take("userCCDPath", str, "")
        if path:
            text = made(self.problems, record.place("userCCDPath"), read_text, find(self.folder, path))
        return (made(self.problems, record.place("userCCD"), read_components, text) if text else None) or {}

    def bonds(self, record: Record, entities: list[Entity | None]) -> list[Bond]:
        bonds: list[Bond] = []
        for item in record.records("covalent_bonds", needed=False):
            ends = [self._ends(item, entities, *names) for names in ENDS]
            item.finish()
            if len(ends[0]) != len(ends[1]) and all(ends):
                what = f"the ends have {len(ends[0])} and {len(ends[1])} copies; say which, with copy1 and copy2"
                self.problems.add(item.path, what)
            bonds += zip(*ends, strict=False)
        return bonds

    def _ends(self, item: Record, entities: list[Entity | None], new: str, old: str) -> list[AtomAddress]:
        """One end of a bond, in every copy that is meant. Nothing where it cannot be found."""

        def taken(name: str, needed: bool = True) -> Any:
            key = f"{old}_{name}" if f"{old}_{name}" in item.given else f"{name}{new}"
            item.known.append(key)
            value = item.given.get(key)
            if value is None and needed:
                self.problems.add(item.place(key), "is missing")
            if value is None or name == "atom" and isinstance(value, str) and not value.isdecimal():
                return value
            return self._number(item.place(key), value)

        number, copy, position, atom = taken("entity"), taken("copy", False), taken("position"), taken("atom")
        if number is None or position is None or atom is None:
            return []
        with self.problems.at(item.path):
            if not 1 <= number <= len(entities):
                raise ValueError(f"entity{new} is {number}, but the entities are numbered 1 to {len(entities)}")
            entity = entities[number - 1]
            if entity is None:
                return []
            if copy is not None and not 1 <= copy <= len(entity.ids):
                raise ValueError(f"copy{new} is {copy}, but entity {number} has {len(entity.ids)}")
            name = _atom_name(entity, atom) if isinstance(atom, int) else atom
            chains = entity.ids if copy is None else entity.ids[copy - 1 : copy]
            return [AtomAddress(chain, position, name) for chain in chains]
        return []

    def _number(self, place: str, value: Any) -> int | None:
        if Record.fits(value, int) or isinstance(value, str) and value.isdecimal() and len(value) < 10:
            return int(value)
        self.problems.add(place, f"is {brief(value)}; it must be a whole number")
        return None


def _atom_name(entity: Entity, number: int) -> str:
    """The atom of a SMILES or file ligand by its map number, or by its place from 0 among the heavy atoms."""
    if not isinstance(entity, Ligand) or entity.codes:
        raise ValueError(f"atom {number} of {entity.kind} {entity.ids[0]}: only atoms of SMILES and files have numbers")
    component = entity.component or from_smiles(entity.smiles, "LIG")
    names = [name for name, heavy in zip(component.names, component.heavy, strict=True) if heavy]
    mapped = {atom.GetAtomMapNum(): component.names[atom.GetIdx()] for atom in component.mol.GetAtoms()}
    mapped.pop(0, None)
    if not entity.smiles or not mapped:
        mapped = dict(enumerate(names))
    if number not in mapped:
        raise ValueError(f"ligand {entity.ids[0]} has no atom {number}; it has {', '.join(map(str, mapped))}")
    return mapped[number]


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """All jobs in one file, alignments and molecules in files beside it."""
    records = [_Writer(job, draft).record() for job in jobs]
    draft.add(jobs[0].name, ".json", json.dumps(records, indent=2) + "\n")


def _reason(job: Job, entity: Entity) -> str:
    """Why a chain cannot be written."""
    if isinstance(entity, Ligand) and any("_" in code for code in entity.codes) and len(entity.codes) > 1:
        return "Protenix joins codes by _, which is part of one"
    return no_molecule_file(job, entity)


class _Writer:
    def __init__(self, job: Job, draft: Draft):
        self.job, self.draft = draft.sayable(job, _reason), draft
        self.names: dict[str, dict[str, str]] = {}  # of atoms in molecule files, by chain

    def record(self) -> dict[str, Any]:
        job = self.job
        sequences = [
            self._ligand(entity) if isinstance(entity, Ligand) else self._polymer(entity) for entity in job.entities
        ]
        record: dict[str, Any] = {"name": job.name, "sequences": sequences}
        if job.seeds != (1,):
            record["modelSeeds"] = list(job.seeds)
        return record | ({"covalent_bonds": [self._bond(bond) for bond in job.bonds]} if job.bonds else {})

    def _polymer(self, entity: Any) -> dict[str, Any]:
        job, draft = self.job, self.draft
        draft.lose_fields(job, entity, "description", "templates", "max_template_date")
        item = polymer_item(job, entity, draft)
        inner = next(iter(item.values()))
        inner["id"] = list(entity.ids)
        if entity.kind == "protein":
            self._template_hits(entity, inner)
            self._alignments(entity, inner, {"unpaired_msa": "unpairedMsaPath", "paired_msa": "pairedMsaPath"})
        elif entity.kind == "rna":
            self._alignments(entity, inner, {"unpaired_msa": "unpairedMsaPath"})
        else:
            draft.lose_fields(job, entity, "unpaired_msa", "paired_msa")
        return item

    def _template_hits(self, entity: Any, inner: dict[str, Any]) -> None:
        """Protenix tells reports of HHsearch and hmmsearch apart by their names; it has none for Stockholm."""
        text = entity.template_hits
        if not text or text.lstrip().startswith("# STOCKHOLM"):
            self.draft.lose_fields(self.job, entity, "template_hits")
            return
        suffix = "_templates.hhr" if text.lstrip().startswith("Query ") else "_templates.a3m"
        inner["templatesPath"] = self.draft.attach(entity, suffix, text)

    def _alignments(self, entity: Any, inner: dict[str, Any], keys: dict[str, str]) -> None:
        texts = self.draft.alignments(self.job, entity, *keys)
        if any(text is not None for text in texts.values()) and not any(texts.values()):
            texts["unpaired_msa"] = f">query\n{entity.sequence}\n"  # there is no other way to say: no alignment
        for field, text in texts.items():
            if text:
                inner[keys[field]] = self.draft.attach(entity, f"_{field.removesuffix('_msa')}.a3m", text)

    def _ligand(self, ligand: Ligand) -> dict[str, Any]:
        job, draft = self.job, self.draft
        draft.lose_fields(job, ligand, "description")
        own = own_component(job, ligand)
        if own is not None:
            self.names |= dict.fromkeys(ligand.ids, sdf_names(own))
            text = f"FILE_{draft.attach(ligand, '.sdf', sdf_of(own))}"
        elif len(ligand.codes) == 1:
            item = counted_ligand(ligand.codes[0], len(ligand.ids))
            next(iter(item.values()))["id"] = list(ligand.ids)
            return item
        else:
            text = ligand.smiles or "_".join(["CCD", *ligand.codes])
        return {"ligand": {"ligand": text, "count": len(ligand.ids), "id": list(ligand.ids)}}

    def _bond(self, bond: Bond) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for end, (number, _) in zip(bond, ENDS, strict=True):
            place = next(place for place, entity in enumerate(self.job.entities) if end.chain in entity.ids)
            record |= {
                f"entity{number}": place + 1,
                f"copy{number}": self.job.entities[place].ids.index(end.chain) + 1,
                f"position{number}": end.residue,
                f"atom{number}": self.names.get(end.chain, {}).get(end.atom, end.atom),
            }
        return record
