"""Hits of a template search to templates: filters of SI 2.4, and the hit's residues found in the mmCIF file."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from alphafold3_pytorch.chem import cif
from alphafold3_pytorch.chem.residues import PROTEIN
from alphafold3_pytorch.inputs.job import Entity, Job, Protein, Template
from alphafold3_pytorch.inputs.template_files import aligned, chain_mmcif, chain_sequence
from alphafold3_pytorch.search.hits import Hit, parse_hits
from alphafold3_pytorch.structure.mmcif import Entry, read_entry, release_date

logger = logging.getLogger(__name__)
SUFFIXES = [f"{part}{end}" for part in ("", "-assembly1") for end in (".cif", ".cif.gz", ".bcif", ".bcif.gz")]
LATEST = "2021-09-30"
ALIKE = 0.9  # share of a hit's residues that its chain must have, where the two sequences are not the same


@dataclass(frozen=True)
class TemplateLimits:
    """Which hits become templates. The defaults are those of inference; training draws from up to 20."""

    released_by: str | None = LATEST  # ISO date of the latest ones
    shortest: int = 10  # residues of a hit
    least_aligned: float = 0.1  # share of the query that is aligned to the hit: more than this
    longest_copy: float = 0.95  # a hit that is a piece of the query itself must not be longer than this share of it
    most: int = 4

    def __post_init__(self) -> None:
        if self.released_by is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.released_by):
            raise ValueError(
                f"{self.released_by!r} is no date that templates can be released by; write year-month-day, {LATEST}"
            )


def complete(job: Job, folder: Path | None, limits: TemplateLimits = TemplateLimits()) -> Job:
    """The job with templates where it has hits. A date limit of the chain itself counts instead of that in `limits`."""
    return replace(job, entities=tuple(_completed(entity, folder, limits) for entity in job.entities))


def _completed(entity: Entity, folder: Path | None, limits: TemplateLimits) -> Entity:
    if not isinstance(entity, Protein) or entity.template_hits is None or entity.templates is not None:
        return entity
    where = f"template hits of protein {entity.ids[0]}"
    if folder is None:
        raise ValueError(f"{where}: give the folder of the mmCIF files of the entries (--template-folder)")
    if not folder.is_dir():
        raise ValueError(f"{where}: the template folder {folder} is not there")
    limits = replace(limits, released_by=entity.max_template_date or limits.released_by)
    try:
        hits = parse_hits(entity.template_hits, len(entity.sequence))
        found = templates_of(hits, entity.sequence, folder, limits)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return replace(entity, templates=found, template_hits=None)


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
            released = _release_date(path)
            if not released or released > limits.released_by:
                return _left_out(hit, f"released {released or 'nobody knows when'}, the limit is {limits.released_by}")
        entry = _entry(path)
        number = _chain_of(entry, hit.chain)
        if number is None:
            return _left_out(hit, f"{path} has no protein chain of that name", logging.WARNING)
        return _made(hit, entry, number, width, limits)
    except ValueError as error:
        raise ValueError(f"template {hit.name} ({path}): {error}") from None


def _made(hit: Hit, entry: Entry, number: int, width: int, limits: TemplateLimits) -> tuple[str, Template] | None:
    structure, sequence = entry.structure, chain_sequence(entry, number)
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


@lru_cache(maxsize=1)
def _blocks(path: Path) -> list[cif.Block]:
    return cif.read_file(path)


@lru_cache(maxsize=4)
def _entry(path: Path) -> Entry:
    """Chains of one entry often follow each other among hits."""
    block = next((block for block in _blocks(path) if "atom_site" in block), None)
    return read_entry(path if block is None else block)


def _release_date(path: Path) -> str:
    """Known before the atoms are looked at, since most hits need no more."""
    return next((date for block in _blocks(path) if (date := release_date(block))), "")


def _chain_of(entry: Entry, author: str) -> int | None:
    """A protein chain by the authors' id."""
    chains = zip(entry.structure.chains, entry.authors, strict=True)
    return next((n for n, (chain, names) in enumerate(chains) if names.chain == author and chain.kind == PROTEIN), None)


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
    same = [(one, other) for one, other in aligned(part, sequence) if part[one] == sequence[other]]
    return dict(same) if len(same) >= ALIKE * len(part) else {}
