"""Jobs of any size: protein chains with alignments and templates, ligands, ions, glycans and modified residues."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from alphafold3_pytorch.chem.residues import LETTERS
from alphafold3_pytorch.features.reference import reference_positions
from alphafold3_pytorch.features.tokens import tokenize
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Bond,
    Entity,
    Job,
    Ligand,
    Modification,
    Protein,
    Template,
    chain_names,
)
from alphafold3_pytorch.inputs.reading import read_text
from alphafold3_pytorch.inputs.write import write
from alphafold3_pytorch.search.alignment import parse_fasta
from alphafold3_pytorch.search.templates import chain_mmcif
from alphafold3_pytorch.structure.mmcif import AuthorNames, Entry

LONGEST = 500  # residues of a chain
PAIR_EXTRAS = 31 + 1 + 28 + 18  # tokens of ATP, MG, two NAG and, for one token each, two SEP
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "msas" / "protenix__7pzb__1__non_pairing.a3m.gz"

Family = list[list[str]]  # rows of an alignment; a piece is the letter of a column and the insertion in front of it


@dataclass(frozen=True)
class Size:
    tokens: int
    rows: int = 4000  # of the unpaired alignment of each chain; half as many are paired
    templates: int = 4


def complex_job(size: Size, family: Family) -> Job:
    """Pairs of protein chains, no two alike; each pair with ATP, MG, a glycan of two sugars and phosphoserines."""
    pairs = max(1, round(size.tokens / (2 * LONGEST)))
    lengths = np.diff(np.linspace(0, size.tokens - PAIR_EXTRAS * pairs, 2 * pairs + 1).round().astype(int)).tolist()
    names = chain_names()
    entities: list[Entity] = []
    bonds: list[Bond] = []
    for number, length in enumerate(lengths):
        chain = protein(next(names), length, number, size, family)
        entities.append(chain)
        if number % 2:
            continue
        entities += [Ligand((next(names),), ("ATP",)), Ligand((next(names),), ("MG",))]
        entities.append(sugar := Ligand((next(names),), ("NAG", "NAG")))
        (root,), (tree,) = chain.ids, sugar.ids
        bonds.append((AtomAddress(root, 1, "ND2"), AtomAddress(tree, 1, "C1")))
        bonds.append((AtomAddress(tree, 1, "O4"), AtomAddress(tree, 2, "C1")))
    return Job(f"bench-{size.tokens}", tuple(entities), tuple(bonds))


def protein(name: str, length: int, number: int, size: Size, family: Family) -> Protein:
    """A chain that starts with the asparagine of the glycan and a phosphoserine."""
    rows = [stretched(row, length, 37 * number) for row in family]
    sequence = rows[0] = "NS" + rows[0][2:]
    texts = (a3m(rows[: size.rows]), a3m([sequence, *rows[-size.rows // 2 :]]))
    made = Protein((name,), sequence, (Modification("SEP", 2),), *texts)
    return replace(made, templates=tuple(template(sequence, seed) for seed in range(size.templates)))


def stretched(row: Sequence[str], length: int, start: int) -> str:
    """The row again and again, from a column of its own on."""
    times = -(-(start + length) // len(row))
    return "".join((list(row) * times)[start : start + length])


def write_job(job: Job, folder: Path, dialect: str = "alphafold3") -> Path:
    """Its file, with those that it names beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    places = write([job], dialect).places(folder)
    for path, text in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return next(iter(places))


def a3m(rows: Sequence[str]) -> str:
    """Rows named as UniProt names them, four of each species."""
    named = (f">tr|A0A{place:07d}|P_{place // 4:05d}/1-{len(rows[0])}\n{row}\n" for place, row in enumerate(rows))
    return "".join([f">query\n{rows[0]}\n", *islice(named, 1, None)])


def template(sequence: str, seed: int) -> Template:
    """A chain of this sequence whose residues stand in a row, 3.8 Å from each other."""
    structure = build(Job("template", (Protein(("A",), sequence),)))
    positions = reference_positions(tokenize(structure), seed).astype(float)
    placed = replace(structure, positions=positions + structure.residue[:, None] * [3.8, 0.0, 0.0])
    numbers = tuple(str(place + 1) for place in range(len(sequence)))
    entry = Entry(f"t{seed:03d}", "X-RAY DIFFRACTION", 2.0, "2020-01-01", placed, (AuthorNames("A", numbers),))
    places = tuple(range(len(sequence)))
    return Template(chain_mmcif(entry, 0), places, places)


def family_of(path: Path | None, rows: int) -> tuple[Family, str]:
    """An alignment to make all others from, and where it is from: a file, or a model of one where there is none."""
    path = path or (REAL if REAL.exists() else None)
    if path is None:
        return synthetic_family(rows), "synthetic alignments"
    sequences = parse_fasta(read_text(path))[1]
    found = [re.findall("[a-z]*[A-Z-]", sequence) for sequence in sequences]
    return (found * (1 + rows // len(found)))[: rows + 1], f"alignments made of {path.name}"


def synthetic_family(rows: int, length: int = 250) -> Family:
    """Substitutions in half of the columns, deletions in a fifth of them at the ends, an insertion in one of fifty."""
    random = np.random.default_rng(0)
    letters = np.array(list(LETTERS))
    query = random.choice(letters, length)
    table = np.where(random.random((rows, length)) < 0.5, query, random.choice(letters, (rows, length)))
    ends = random.integers(0, length // 5, (rows, 2))
    columns = np.arange(length)
    table[(columns < ends[:, :1]) | (columns >= length - ends[:, 1:])] = "-"
    inserted = np.where(random.random((rows, length)) < 0.02, "aa", "")
    return [query.tolist(), *np.char.add(inserted, table).tolist()]
