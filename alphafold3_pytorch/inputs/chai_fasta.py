"""Reader and writer of Chai-1 FASTA: kinds in headers, modified residues in brackets, glycans with their linkages."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.ligands import parse_glycan
from alphafold3_pytorch.chem.molecules import molecule
from alphafold3_pytorch.chem.residues import BY_LETTER, PROTEIN
from alphafold3_pytorch.inputs.fasta import POLYMERS, FastaRecord, header_text, read_records
from alphafold3_pytorch.inputs.job import Bond, Entity, Job, Ligand, Modification
from alphafold3_pytorch.inputs.molecule_files import smiles_of
from alphafold3_pytorch.inputs.reading import Problems, job_name
from alphafold3_pytorch.inputs.server_json import inner_bonds
from alphafold3_pytorch.inputs.writing import Draft, own_component

KINDS = (*POLYMERS, "ligand", "glycan")
_RESIDUE = re.compile(r"[A-Za-z]|\(([A-Za-z0-9]+)\)|\[([A-Za-z0-9]+)\]")
_SUGAR = re.compile("[A-Z0-9]{3}")
_FROM, _TO = re.compile("O[1-6]"), re.compile("C[1-6]")


def is_chai(header: list[str]) -> bool:
    """Whether the fields of a header are those of Chai-1: >kind|name."""
    return header[0].lower() in KINDS


def parse(text: str, folder: Path | None = None, source: str = "job") -> list[Job]:
    """The job of a FASTA text. Names become descriptions; chains are A, B, C, as in Chai-1."""
    bonds: list[Bond] = []
    jobs = read_records(text, source, lambda record, chain: _entity(record, chain, bonds), Problems(source))
    return [Job(job_name(source), jobs[0].entities, tuple(bonds))]


def _entity(record: FastaRecord, chain: str, bonds: list[Bond]) -> Entity:
    kind, name = record.fields[0].lower(), _name(record, chain)
    if kind == "ligand":
        return Ligand((chain,), smiles=record.content, description=name)
    if kind == "glycan":
        glycan = parse_glycan(record.content)
        bonds += inner_bonds(glycan, chain)
        return Ligand((chain,), codes=glycan.codes, description=name)
    sequence, changes = split(record.content, kind)
    return POLYMERS[kind]((chain,), sequence, changes, description=name)


def _name(record: FastaRecord, chain: str) -> str:
    """The name in a header; nothing where it is the id that the chain gets anyway."""
    if not is_chai(record.fields) or len(record.fields) > 2:
        raise ValueError(f"the header must be >kind|name=..., where kind is one of {', '.join(KINDS)}")
    if len(record.fields) == 1:
        return ""
    name = record.fields[1].removeprefix("name=")
    if "=" in name:
        raise ValueError(f"the header says {name}; known is name=")
    return "" if name == chain else name


def split(text: str, kind: str) -> tuple[str, tuple[Modification, ...]]:
    """One letter for each residue, and those in brackets, whose letter is that of the residue they derive from."""
    letters, changes, place = [], [], 0
    text = "".join(text.split())
    while place < len(text):
        match = _RESIDUE.match(text, place)
        if match is None:
            raise ValueError(f"the sequence is not understood from {text[place : place + 10]!r}; write AR(SEP)TG")
        place = match.end()
        code = match[1] or match[2]
        letters.append(parent_letter(code.upper(), kind) if code else match[0].upper())
        if code:
            changes.append(Modification(code.upper(), len(letters)))
    return "".join(letters), tuple(changes)


def parent_letter(code: str, kind: str) -> str:
    """The letter of the residue that a modified one derives from."""
    letter = Components()[code].letter
    return letter if letter in BY_LETTER[kind] else "X" if kind == PROTEIN else "N"


def write(jobs: Sequence[Job], draft: Draft) -> None:
    """A file for each job."""
    for job in jobs:
        draft.lose_name(job)
        draft.lose_seeds(job)
        named = draft.in_order(draft.sayable(job, _reason))
        written: set[Bond] = set()
        text = "".join(_record(named, chain, entity, draft, written) for chain, entity in named.chains())
        lost = [bond for bond in named.bonds if bond not in written]
        draft.lose_bonds(named, lost, "Chai-1 takes bonds from its file of restraints")
        draft.add(job.name, ".fasta", text)


def _reason(job: Job, entity: Entity) -> str:
    """Why a chain cannot be written."""
    if not isinstance(entity, Ligand) or entity.smiles or _is_glycan(job, entity):
        return ""
    component = own_component(job, entity)
    if component is None and len(entity.codes) == 1:
        component = Components()[entity.codes[0]]
    if component is None:
        return "it has several components that are not one glycan"
    return "" if molecule(component) is not None else f"RDKit does not understand {component.code}"


def _record(job: Job, chain: str, entity: Entity, draft: Draft, written: set[Bond]) -> str:
    draft.lose_fields(job, entity, "unpaired_msa", "paired_msa", "templates", "template_hits", "max_template_date")
    name = header_text(job, entity, re.sub("[|=]", " ", entity.description), draft) or chain
    if not isinstance(entity, Ligand):
        return f">{entity.kind}|name={name}\n{_sequence(job, entity, draft)}\n"
    if entity.smiles:
        return f">ligand|name={name}\n{entity.smiles}\n"
    if _is_glycan(job, entity):
        written |= set(_links(job, chain))
        return f">glycan|name={name}\n{_notation(job, entity, chain, 1)}\n"
    component = own_component(job, entity) or Components()[entity.codes[0]]
    draft.lose(job, f"{draft.chains(entity)}: {component.code} is SMILES now, without names of atoms")
    return f">ligand|name={name}\n{smiles_of(component)}\n"


def _sequence(job: Job, entity: Any, draft: Draft) -> str:
    letters = list(entity.sequence)
    for change in draft.standard_modifications(job, entity):
        letter, parent = letters[change.position - 1], parent_letter(change.code, entity.kind)
        letters[change.position - 1] = f"({change.code})"
        if parent != letter.upper():
            draft.lose(job, f"{draft.chains(entity)}: the letter {letter} below {change.code}; it is read as {parent}")
    return "".join(letters)


def _links(job: Job, chain: str) -> list[Bond]:
    """Bonds within a chain."""
    return [bond for bond in job.bonds if bond[0].chain == bond[1].chain == chain]


def _is_glycan(job: Job, ligand: Ligand) -> bool:
    """Whether every copy is sugars whose bonds are a tree that the notation has: O to C, numbered as it is written."""
    sugars = all(_SUGAR.fullmatch(code) and code not in job.components for code in ligand.codes)
    if not ligand.codes or not sugars or not all(Components()[code].is_saccharide for code in ligand.codes):
        return False
    return all(_has_notation(job, ligand, chain) for chain in ligand.ids)


def _has_notation(job: Job, ligand: Ligand, chain: str) -> bool:
    links = _links(job, chain)
    for first, second in links:
        if not 1 <= first.residue < second.residue <= len(ligand.codes):
            return False
        if not (_FROM.fullmatch(first.atom) and _TO.fullmatch(second.atom)):
            return False
    glycan = parse_glycan(_notation(job, ligand, chain, 1))
    return glycan.codes == ligand.codes and sorted(inner_bonds(glycan, chain)) == sorted(links)


def _notation(job: Job, ligand: Ligand, chain: str, residue: int) -> str:
    """A sugar and in brackets what hangs on it."""
    branches = [
        f"({first.atom[1]}-{second.atom[1]} {_notation(job, ligand, chain, second.residue)})"
        for first, second in sorted(_links(job, chain), key=lambda bond: bond[1].residue)
        if first.residue == residue
    ]
    return ligand.codes[residue - 1] + "".join(branches)
