"""Reader and writer of AlphaFold Server JSON: a list of jobs, glycans on protein chains, no bonds and no ids."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alphafold3_pytorch.chem.ccd import Components, standard_component
from alphafold3_pytorch.chem.ligands import Glycan, parse_glycan
from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.inputs.counted import CountedReader, modification_keys
from alphafold3_pytorch.inputs.job import AtomAddress, Bond, Entity, Job, Ligand
from alphafold3_pytorch.inputs.reading import Record, brief
from alphafold3_pytorch.inputs.writing import Draft

DIALECT = "alphafoldserver"
VERSIONS = (1, 2, 3)  # only 1 is documented, but all are in use; what is new in them would be an unknown key
GLYCOSYLATED = {"N": "ND2", "S": "OG", "T": "OG1"}  # the atom that a sugar hangs on
# The core of every N-glycan, the only one whose linkages are known without being said.
CORES = {
    "NAG(NAG)": "NAG(4-1 NAG)",
    "NAG(NAG(BMA))": "NAG(4-1 NAG(4-1 BMA))",
    "NAG(NAG(BMA(MAN)(MAN)))": "NAG(4-1 NAG(4-1 BMA(3-1 MAN)(6-1 MAN)))",
}
SERVER_ONLY = ("glycans", "useStructureTemplate", "maxTemplateDate")


def is_server(document: Any) -> bool:
    """Whether a list of counted chains is the server's, and not Protenix'."""
    jobs = [job for job in (document if isinstance(document, list) else [document]) if isinstance(job, dict)]
    chains = [chain for job in jobs for chain in _chains(job)]
    return any("dialect" in job for job in jobs) or any(key in chain for chain in chains for key in SERVER_ONLY)


def _chains(job: dict[str, Any]) -> list[dict[str, Any]]:
    listed = job.get("sequences")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [inner for item in items for inner in item.values() if isinstance(inner, dict)]


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The jobs of a JSON text."""
    return _Reader(text, folder or Path(), source).jobs()


class _Reader(CountedReader):
    def job(self, record: Record) -> Job | None:
        dialect, version = record.take("dialect", str, DIALECT), record.take("version", int, 1)
        if dialect != DIALECT:
            self.problems.add(record.place("dialect"), f'is {brief(dialect)}; this reader knows "{DIALECT}"')
        if version not in VERSIONS:
            self.problems.add(record.place("version"), f"is {version}; known are {', '.join(map(str, VERSIONS))}")
        return super().job(record)

    def polymer(self, kind: str, inner: Record) -> dict[str, Any]:
        content = super().polymer(kind, inner)
        if kind != "proteinChain":
            return content
        wanted, date = inner.take("useStructureTemplate", bool, True), inner.take("maxTemplateDate", str, "")
        return content | {"max_template_date": date, "templates": None if wanted else ()}

    def attached(self, kind: str, inner: Record, ids: tuple[str, ...]) -> tuple[list[Entity], list[Bond]]:
        """Glycans: a ligand for each, bonded to every copy of the protein."""
        entities: list[Entity] = []
        bonds: list[Bond] = []
        for item in inner.records("glycans", needed=False) if kind == "proteinChain" else []:
            text, position = item.take("residues", str), item.take("position", int)
            item.finish()
            with self.problems.at(item.path):
                atom = glycosylated_atom(str(inner.given.get("sequence", "")), position)
                glycan = parse_linked(CORES[text] if atom == "ND2" and text in CORES else text)
                names = tuple(next(self.names) for _ in ids)
                for protein, sugar in zip(ids, names, strict=True):
                    first = AtomAddress(sugar, 1, anomeric_atom(glycan.codes[0]))
                    bonds.append((AtomAddress(protein, position, atom), first))
                    bonds += inner_bonds(glycan, sugar)
                entities.append(Ligand(names, codes=glycan.codes))
        return entities, bonds


def parse_linked(text: str) -> Glycan:
    """A glycan. The server's notation has no linkages; beyond the core they must be written out."""
    if not text.strip():
        raise ValueError("residues is empty; write the sugars, NAG(4-1 NAG)")
    try:
        glycan = parse_glycan(text)
    except ValueError as error:
        more = "the server's notation does not say which atoms are bonded, so write the linkages into it"
        raise ValueError(f"{error}; {more}" if "say how" in str(error) else str(error)) from None
    return glycan


def inner_bonds(glycan: Glycan, chain: str) -> list[Bond]:
    """The bonds between the sugars of a glycan."""
    return [
        (AtomAddress(chain, parent + 1, atom), AtomAddress(chain, child + 1, carbon))
        for parent, atom, child, carbon in glycan.bonds
    ]


def glycosylated_atom(sequence: str, position: int) -> str:
    """The atom of a residue that sugars hang on."""
    if not 1 <= position <= len(sequence):
        raise ValueError(f"position is {position}, but residues are numbered 1 to {len(sequence)}")
    letter = sequence[position - 1].upper()
    if letter not in GLYCOSYLATED:
        where = f"residue {position} is {letter}, and glycans hang on N, S or T"
        raise ValueError(f"{where}; for another bond give the sugar as a ligand in AlphaFold 3 JSON")
    return GLYCOSYLATED[letter]


def anomeric_atom(code: str) -> str:
    """The carbon of a sugar that bonds to what it hangs on: C1 of NAG, C2 of SIA."""
    component = Components()[code]
    leaving = [component.names[place] for place in np.flatnonzero(component.leaving & component.heavy)]
    if not component.is_saccharide or len(leaving) != 1:
        raise ValueError(f"{code} is no sugar that can hang on a residue")
    return next(name for name in component.neighbours(leaving[0]) if name.startswith("C"))


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """All jobs in one file."""
    records = [_record(draft.in_order(draft.sayable(job, _reason)), draft) for job in jobs]
    draft.add(jobs[0].name, ".json", json.dumps(records, indent=2) + "\n")


def _reason(job: Job, entity: Entity) -> str:
    """Why a chain cannot be written."""
    sayable = not isinstance(entity, Ligand) or len(entity.codes) == 1 and entity.codes[0] not in job.components
    return "" if sayable else "the server has ligands of one component of the dictionary only"


def _record(job: Job, draft: Draft) -> dict[str, Any]:
    draft.lose_bonds(job, job.bonds, "the server has no bonds")
    sequences = [_item(job, entity, draft) for entity in job.entities]
    seeds = [] if job.seeds == (1,) else [str(seed) for seed in job.seeds]
    return {"name": job.name, "modelSeeds": seeds, "sequences": sequences, "dialect": DIALECT, "version": 1}


def _item(job: Job, entity: Entity, draft: Draft) -> dict[str, Any]:
    draft.lose_fields(job, entity, "description", "unpaired_msa", "paired_msa", "template_hits")
    count = len(entity.ids)
    if isinstance(entity, Ligand):
        return counted_ligand(entity.codes[0], count)
    item = polymer_item(job, entity, draft)
    if entity.kind != PROTEIN or entity.templates:
        draft.lose_fields(job, entity, "templates", "max_template_date")
        return item
    inner = item["proteinChain"]
    if entity.templates is not None:
        inner["useStructureTemplate"] = False
    if entity.max_template_date:
        inner["maxTemplateDate"] = entity.max_template_date
    return item


def counted_ligand(code: str, count: int) -> dict[str, Any]:
    """A component, as an ion if it is one."""
    known = standard_component(code)
    if known is not None and known.is_ion:
        return {"ion": {"ion": code, "count": count}}
    return {"ligand": {"ligand": f"CCD_{code}", "count": count}}


KEYS = {"protein": "proteinChain", "rna": "rnaSequence", "dna": "dnaSequence"}


def polymer_item(job: Job, entity: Any, draft: Draft) -> dict[str, Any]:
    """A chain with its modifications; those by a component of the user's own cannot be said."""
    key = KEYS[entity.kind]
    code, position = modification_keys(key)
    kept = draft.standard_modifications(job, entity)
    inner: dict[str, Any] = {"sequence": entity.sequence, "count": len(entity.ids)}
    if kept:
        inner["modifications"] = [{code: f"CCD_{change.code}", position: change.position} for change in kept]
    return {key: inner}
