"""Job: what is to be predicted, in the words of a biologist and of no file format.

Every reader makes one, and everything after it starts from one. A mistake is a ValueError that names field and value.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, product
from string import ascii_uppercase
from typing import ClassVar, NamedTuple

from alphafold3_pytorch.chem.component import Component
from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA, residue_name


@dataclass(frozen=True)
class Modification:
    """The residue at a position (from 1) is this component instead."""

    code: str
    position: int


@dataclass(frozen=True)
class Template:
    """A protein chain of known structure, and which of its residues (from 0) stands for which of the query's."""

    mmcif: str
    query_indices: tuple[int, ...]
    template_indices: tuple[int, ...]

    def __post_init__(self) -> None:
        query, hit = len(self.query_indices), len(self.template_indices)
        if query != hit:
            raise ValueError(f"template: {query} queryIndices but {hit} templateIndices; they are pairs")
        if min((*self.query_indices, *self.template_indices), default=0) < 0:
            raise ValueError("template: an index is negative; residues are counted from 0")


@dataclass(frozen=True)
class Polymer:
    """Chains of one sequence. An MSA of None is still to be searched; an empty one is the query alone."""

    kind: ClassVar[str]
    ids: tuple[str, ...]
    sequence: str
    modifications: tuple[Modification, ...] = ()
    unpaired_msa: str | None = None  # a3m
    paired_msa: str | None = None
    templates: tuple[Template, ...] | None = None
    description: str = ""
    max_template_date: str = ""  # ISO; templates that are released later are not searched for

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z]+", self.sequence):
            odd = re.sub("[A-Za-z]", "", self.sequence)
            what = f"has {odd[0]!r} in it" if odd else "is empty"
            raise ValueError(f"{self.kind} {self.ids[0]}: the sequence {what}; write one letter for each residue")
        length = len(self.sequence)
        if self.max_template_date and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.max_template_date):
            what = f"maxTemplateDate is {self.max_template_date!r}; write year-month-day, 2021-09-30"
            raise ValueError(f"{self.kind} {self.ids[0]}: {what}")
        for change in self.modifications:
            if not 1 <= change.position <= length:
                where = f"modification {change.code} is at position {change.position}"
                raise ValueError(f"{self.kind} {self.ids[0]}: {where}, but residues are numbered 1 to {length}")

    def residues(self) -> tuple[str, ...]:
        """Component codes along the chain."""
        codes = [residue_name(letter, self.kind) for letter in self.sequence]
        for change in self.modifications:
            codes[change.position - 1] = change.code
        return tuple(codes)


@dataclass(frozen=True)
class Protein(Polymer):
    kind: ClassVar[str] = PROTEIN
    template_hits: str | None = None  # a report of HHsearch or hmmsearch, of which templates are still to be made


@dataclass(frozen=True)
class Rna(Polymer):
    kind: ClassVar[str] = RNA


@dataclass(frozen=True)
class Dna(Polymer):
    kind: ClassVar[str] = DNA


@dataclass(frozen=True)
class Ligand:
    """Copies of a ligand or ion: component codes (several for a glycan), SMILES, or a component of the user's own."""

    kind: ClassVar[str] = LIGAND
    ids: tuple[str, ...]
    codes: tuple[str, ...] = ()
    smiles: str = ""
    component: Component | None = field(default=None, compare=False)
    description: str = ""

    def __post_init__(self) -> None:
        given = bool(self.codes) + bool(self.smiles) + (self.component is not None)
        if given != 1:
            what = "is empty" if not given else "is given in more than one way"
            raise ValueError(f"ligand {self.ids[0]} {what}; give component codes, SMILES or a molecule")


Entity = Protein | Rna | Dna | Ligand


class AtomAddress(NamedTuple):
    """An atom by its chain, residue number (from 1) and name."""

    chain: str
    residue: int
    atom: str

    def __str__(self) -> str:
        return f"{self.chain}:{self.residue}:{self.atom}"


Bond = tuple[AtomAddress, AtomAddress]


BACKBONE_ENDS = {PROTEIN: ("C", "N"), RNA: ("O3'", "P"), DNA: ("O3'", "P")}


def head_to_tail(chain: str, polymer: Polymer) -> Bond:
    """The bond that closes a chain to a ring: from its last residue to its first one."""
    if len(polymer.sequence) < 3:
        raise ValueError(f"{polymer.kind} {chain}: a ring has at least 3 residues")
    last, first = BACKBONE_ENDS[polymer.kind]
    return AtomAddress(chain, len(polymer.sequence), last), AtomAddress(chain, 1, first)


@dataclass(frozen=True)
class Job:
    """One prediction: entities, bonds between their atoms, seeds, and components that the dictionary does not have."""

    name: str
    entities: tuple[Entity, ...]
    bonds: tuple[Bond, ...] = ()
    seeds: tuple[int, ...] = (1,)
    components: Mapping[str, Component] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.entities:
            raise ValueError(f"job {self.name!r} is empty; give at least one protein, RNA, DNA or ligand")
        seen: set[str] = set()
        for chain, entity in self.chains():
            if not re.fullmatch("[A-Za-z0-9_-]+", chain):
                raise ValueError(f"{entity.kind}: {chain!r} cannot be a chain id; use letters, digits, _ and -")
            if chain in seen:
                raise ValueError(f"two chains have the id {chain!r}; ids must be unique")
            seen.add(chain)
        if not self.seeds:
            raise ValueError(f"job {self.name!r} has no seed; give at least one")
        wrong = next((seed for seed in self.seeds if not 0 <= seed < 1 << 32), None)
        if wrong is not None:
            raise ValueError(f"job {self.name!r}: seed {wrong} is out of range; use 0 to {(1 << 32) - 1}")

    def chains(self) -> Iterator[tuple[str, Entity]]:
        """Every chain id with its entity, copies one after the other."""
        for entity in self.entities:
            for chain in entity.ids:
                yield chain, entity


def chain_names() -> Iterator[str]:
    """A, B, ... Z, AA, BA, ... ZA, AB, ...: the order in which chains are named and sorted."""
    for length in count(1):
        for letters in product(ascii_uppercase, repeat=length):
            yield "".join(reversed(letters))


def chain_order(name: str) -> tuple[int, str]:
    """Sorts chain names in the order of `chain_names`."""
    return len(name), name[::-1]
