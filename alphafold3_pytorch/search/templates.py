"""Hits of a template search to templates: filters of SI 2.4, and the hit's residues found in the mmCIF file."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal  # pyright: ignore[reportAttributeAccessIssue]

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.chem.residues import LETTERS, PROTEIN
from alphafold3_pytorch.inputs.job import Template
from alphafold3_pytorch.search.hits import Hit
from alphafold3_pytorch.structure import cif_text
from alphafold3_pytorch.structure.mmcif import Entry, read_entry, release_date
from alphafold3_pytorch.structure.mmcif_text import tables
from alphafold3_pytorch.structure.table import Structure

logger = logging.getLogger(__name__)
SUFFIXES = [f"{part}{end}" for part in ("", "-assembly1") for end in (".cif", ".cif.gz", ".bcif", ".bcif.gz")]
GAP = -11, -1  # opening and extending, with BLOSUM62
COMPONENT_TABLES = ("chem_comp_atom", "chem_comp_bond")  # templates need no chemistry
ALIKE = 0.9  # share of a hit's residues that its chain must have, where the two sequences are not the same


@dataclass(frozen=True)
class TemplateLimits:
    """Which hits become templates. The defaults are those of inference; training draws from up to 20."""

    released_by: str | None = "2021-09-30"  # ISO date of the latest ones
    shortest: int = 10  # residues of a hit
    least_aligned: float = 0.1  # share of the query that is aligned to the hit: more than this
    longest_copy: float = 0.95  # a hit that is a piece of the query itself must not be longer than this share of it
    most: int = 4


def templates_of(
    hits: Sequence[Hit], query: str, folder: Path, limits: TemplateLimits = TemplateLimits()
) -> tuple[Template, ...]:
    """The first hits that pass; of several with the same residues in the same places the first.

    The folder has mmCIF files named by entry, `1abc.cif`, `1abc.cif.gz` or `.bcif`, side by side or by the middle two
    letters (`ab/1abc.cif.gz`). Entries that are not there are named in a warning.
    """
    found: dict[str, Template] = {}
    missing: dict[str, None] = {}
    for hit in hits:
        if len(found) == limits.most:
            break
        if not _is_useful(hit, query, limits):
            continue
        path = find_entry(folder, hit.entry)
        if path is None:
            missing[hit.entry] = None
            continue
        made = _template(hit, path, len(query), limits)
        if made is not None:
            found.setdefault(*made)
    if missing:
        names = ", ".join(list(missing)[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        logger.warning("templates: %s has no mmCIF file of %s", folder, names)
    return tuple(found.values())


def _is_useful(hit: Hit, query: str, limits: TemplateLimits) -> bool:
    """What can be said without the file."""
    if max(hit.query_indices, default=-1) >= len(query):
        raise ValueError(
            f"hit {hit.name} is aligned to residue {max(hit.query_indices) + 1} of a query of {len(query)}; the hits "
            "are those of another sequence"
        )
    copy = len(hit.sequence) > limits.longest_copy * len(query) and hit.sequence in query
    aligned = len(hit.query_indices) > limits.least_aligned * len(query)
    return aligned and not copy and len(hit.sequence) >= limits.shortest


def find_entry(folder: Path, entry: str) -> Path | None:
    """The file of an entry."""
    places = (folder / name / f"{entry}{suffix}" for suffix in SUFFIXES for name in ("", entry[-3:-1]))
    return next((place for place in places if place.is_file()), None)


def _template(hit: Hit, path: Path, width: int, limits: TemplateLimits) -> tuple[str, Template] | None:
    """A template and a text by which to tell it from others; or None, and the log says why."""
    try:
        if limits.released_by is not None:
            date = _release_date(path)
            if not date or date > limits.released_by:
                return _left_out(hit, f"released {date or 'nobody knows when'}, the limit is {limits.released_by}")
        entry = _entry(path)
        number = _chain_of(entry, hit.chain)
        if number is None:
            return _left_out(hit, f"{path} has no protein chain of that name", logging.WARNING)
        return _made(hit, entry, number, width, limits)
    except ValueError as error:
        raise ValueError(f"template {hit.name} ({path}): {error}") from None


def _made(hit: Hit, entry: Entry, number: int, width: int, limits: TemplateLimits) -> tuple[str, Template] | None:
    structure, sequence = entry.structure, _sequence(entry, number)
    unknown = [code for code in structure.chains[number].residues if code not in structure.components]
    if unknown:
        return _left_out(hit, f"it has the unknown component {unknown[0]}", logging.WARNING)
    pairs = _located(hit, sequence)
    if len(pairs) <= limits.least_aligned * width:
        return _left_out(hit, "its sequence in the mmCIF file is another one", logging.WARNING)
    if not np.isin(structure.residue[structure.chain == number], list(pairs.values())).any():
        return _left_out(hit, "none of its aligned residues has atoms")
    row = "".join(sequence[pairs[place]] if place in pairs else "-" for place in range(width))
    return row, Template(chain_mmcif(entry, number), tuple(pairs), tuple(pairs.values()))


def _left_out(hit: Hit, reason: str, level: int = logging.INFO) -> None:
    logger.log(level, "template %s left out: %s", hit.name, reason)


@lru_cache(maxsize=4)
def _entry(path: Path) -> Entry:
    """Chains of one entry often follow each other among hits."""
    return read_entry(path)


def _release_date(path: Path) -> str:
    """Read without the atoms, since most hits need no more."""
    return next((date for block in cif.read_file(path) if (date := release_date(block))), "")


def _chain_of(entry: Entry, author: str) -> int | None:
    """A protein chain by the authors' id."""
    chains = zip(entry.structure.chains, entry.authors, strict=True)
    return next((n for n, (chain, names) in enumerate(chains) if names.chain == author and chain.kind == PROTEIN), None)


def _sequence(entry: Entry, number: int) -> str:
    """Letters of all residues of a chain; a modified one has its parent's."""
    components = entry.structure.components
    letters = (
        components[code].letter if code in components else "" for code in entry.structure.chains[number].residues
    )
    return "".join(letter if len(letter) == 1 else "X" for letter in letters)


def _located(hit: Hit, sequence: str) -> dict[int, int]:
    """The query's residues and the chain's that stand for them.

    Hits are numbered as in the sequence that was searched. Where the file has another one, the two are aligned; nothing
    is found if they differ much.
    """
    end = hit.start + len(hit.sequence)
    if len(sequence) == hit.length or sequence[hit.start : end] == hit.sequence:
        return {query: place + hit.start for query, place in zip(hit.query_indices, hit.indices, strict=True)}
    there = _aligned(hit.sequence, sequence)
    return {query: there[place] for query, place in zip(hit.query_indices, hit.indices, strict=True) if place in there}


def _aligned(part: str, sequence: str) -> dict[int, int]:
    """Places of the same letters of a part and the whole."""
    texts = [ProteinSequence("".join(c if c in LETTERS else "X" for c in text)) for text in (part, sequence)]
    matrix = SubstitutionMatrix.std_protein_matrix()
    best = align_optimal(*texts, matrix, gap_penalty=GAP, terminal_penalty=False, max_number=1)[0].trace
    same = [(one, other) for one, other in best.tolist() if one >= 0 <= other and part[one] == sequence[other]]
    return dict(same) if len(same) >= ALIKE * len(part) else {}


def chain_mmcif(entry: Entry, number: int) -> str:
    """One chain of an entry as mmCIF text, with the entry's release date."""
    structure = entry.structure
    mine = structure.chain == number
    alone = Structure(
        chains=(structure.chains[number],),
        chain=np.zeros(mine.sum(), int),
        residue=structure.residue[mine],
        names=structure.names[mine],
        elements=structure.elements[mine],
        charges=structure.charges[mine],
        positions=structure.positions[mine],
        bonds=np.zeros((0, 2), np.int64),
        components=structure.components,
    )
    written = {name: table for name, table in tables(alone, entry.id).items() if name not in COMPONENT_TABLES}
    history = {"ordinal": ["1"], "data_content_type": ["Structure model"], "revision_date": [entry.released or "?"]}
    return cif_text.write(entry.id, written | {"pdbx_audit_revision_history": history})
