"""Reader of mmCIF entries: what a deposited structure consists of, as a job to predict it again."""

import logging
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.residues import BY_LETTER, DNA, LIGAND, PROTEIN, RNA, residue_name
from alphafold3_pytorch.inputs.job import AtomAddress, Bond, Dna, Entity, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.inputs.reading import job_name
from alphafold3_pytorch.structure.mmcif import Entry, read_entry
from alphafold3_pytorch.structure.table import Chain

logger = logging.getLogger(__name__)
POLYMERS = {PROTEIN: Protein, RNA: Rna, DNA: Dna}
UNKNOWN_LETTER = {PROTEIN: "X", RNA: "N", DNA: "N"}
NAMELESS = ("", "XXXX")  # what programs write where there is no entry yet
UNKNOWN_LIGANDS = ("UNL", "UNX")  # codes for what the experiment shows and nobody knows


def is_mmcif(text: str) -> bool:
    """Whether a text is an mmCIF file with atoms."""
    return re.match(r"(\s|#.*\n)*data_", text, re.IGNORECASE) is not None and "_atom_site." in text


def parse(content: str | bytes, folder: Path | None = None, source: str = "job") -> Job:
    """The job of mmCIF text or BinaryCIF. It speaks of no other files, so the folder does not matter."""
    try:
        job = to_job(read_entry(content))
        return replace(job, name=job_name(source)) if job.name in NAMELESS else job
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def to_job(entry: Entry) -> Job:
    """Sequences with their modifications, ligands, ions and the bonds between residues; no position is used.

    Chains keep their ids (`label_asym_id`); copies of a chain are one entity.
    """
    structure = entry.structure
    copies: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for number, chain in enumerate(structure.chains):
        _check_codes(entry, number)
        copies[chain.kind, chain.residues].append(chain.id)
    for code in UNKNOWN_LIGANDS:
        if ids := copies.pop((LIGAND, (code,)), []):
            logger.warning("%s: left out %s, which is %s: a ligand that nobody knows", entry.id, ", ".join(ids), code)
    entities = tuple(
        _entity(Chain(ids[0], kind, residues), tuple(ids), structure.components)
        for (kind, residues), ids in copies.items()
    )
    kept = {chain for ids in copies.values() for chain in ids}
    bonds = tuple(bond for bond in _bonds(entry) if bond[0].chain in kept and bond[1].chain in kept)
    return Job(entry.id, entities, bonds, components=structure.components.own)


def _check_codes(entry: Entry, number: int) -> None:
    """Every component has to be known."""
    chain = entry.structure.chains[number]
    for place, code in enumerate(chain.residues):
        if code not in entry.structure.components:
            raise ValueError(
                f"{entry.id}: {entry.address(number, place)} is the component {code}, which neither the dictionary nor "
                "the file defines; add its tables _chem_comp, _chem_comp_atom and _chem_comp_bond to the file"
            )


def _entity(chain: Chain, ids: tuple[str, ...], components: Components) -> Entity:
    if not chain.is_polymer:
        return Ligand(ids, codes=chain.residues)
    letters = [_letter(code, chain.kind, components) for code in chain.residues]
    changes = [
        Modification(code, place)
        for place, (code, letter) in enumerate(zip(chain.residues, letters, strict=True), start=1)
        if residue_name(letter, chain.kind) != code
    ]
    return POLYMERS[chain.kind](ids, "".join(letters), tuple(changes))


def _letter(code: str, kind: str, components: Components) -> str:
    """Of a residue or of what it is a modification of."""
    letter = components[code].letter
    return letter if letter in BY_LETTER[kind] else UNKNOWN_LETTER[kind]


def _bonds(entry: Entry) -> list[Bond]:
    return [(_address(entry, one), _address(entry, other)) for one, other in entry.structure.bonds.tolist()]


def _address(entry: Entry, atom: int) -> AtomAddress:
    """Of an atom with a bond, which its component has to have too."""
    structure = entry.structure
    chain, place, name = int(structure.chain[atom]), int(structure.residue[atom]), str(structure.names[atom])
    code = structure.chains[chain].residues[place]
    if name not in structure.components[code].index:
        raise ValueError(
            f"{entry.id}: {entry.address(chain, place)} has a bond at atom {name}, which the component {code} does not "
            "have; if the file is older than the present atom names of the dictionary, use its current version"
        )
    return AtomAddress(structure.chains[chain].id, place + 1, name)
