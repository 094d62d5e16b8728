"""Alignments of chains to one MSA of the complex: rows paired by species, then the others side by side (SI 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Int8

from alphafold3_pytorch.chem import residues
from alphafold3_pytorch.chem.residues import CLASSES, GAP, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.features.options import PAPER, FeatureOptions
from alphafold3_pytorch.features.tokens import Tokens, parent_of
from alphafold3_pytorch.inputs.job import Entity, Job, Polymer
from alphafold3_pytorch.search.alignment import Alignment, parse_alignment, query_alone
from alphafold3_pytorch.structure.table import Chain

SHORTEST = 5  # residues of a chain whose alignment is read
ALIKE = {"B": "D", "Z": "E", "U": "C"}  # ambiguous and rare amino acids count as these
MOST_DELETIONS = 127  # counts are limited as the reference implementation stores them


@dataclass(frozen=True, eq=False)
class ComplexMsa:
    """Columns are tokens; classes of chem.residues."""

    rows: Int8[np.ndarray, "s n"]
    deletions: Int8[np.ndarray, "s n"]  # at most MOST_DELETIONS
    profile: Float[np.ndarray, "n r"]
    deletion_mean: Float[np.ndarray, "n"]


@dataclass(eq=False)
class ChainMsa:
    """Rows of one chain; columns are residues, or atoms of a ligand."""

    unpaired: np.ndarray
    unpaired_deletions: np.ndarray
    paired: np.ndarray
    paired_deletions: np.ndarray
    species: tuple[str, ...]
    profile: np.ndarray
    deletion_mean: np.ndarray


def complex_msa(tokens: Tokens, job: Job, options: FeatureOptions = PAPER) -> ComplexMsa:
    """The alignment of all tokens. A chain without an alignment has its own sequence."""
    structure, entities = tokens.structure, dict(job.chains())
    present = [structure.chains[number] for number in dict.fromkeys(tokens.chain.tolist())]
    sequences = {chain.id: sequence_of(tokens, chain, options) for chain in present}
    pairing = len({sequences[chain.id] for chain in present if chain.kind == PROTEIN}) > 1
    chains = _read_all(present, entities, sequences, pairing)
    if pairing:
        _pair(chains, options)
        if options.resolve_msa_overlaps:
            for chain in chains:
                _drop_paired(chain)
    _drop_gapped(chains)
    return _merge(chains, alignment_columns(tokens), options)


def sequence_of(tokens: Tokens, chain: Chain, options: FeatureOptions = PAPER) -> str:
    """Letters of the residues that have tokens, modified ones by their parent; gaps for the atoms of a ligand."""
    number = tokens.structure.chains.index(chain)
    mine = tokens.chain == number
    if not chain.is_polymer:
        return "-" * int(mine.sum())
    letters = []
    for place in dict.fromkeys(tokens.residue[mine].tolist()):
        code = chain.residues[place]
        index = residues.INDEX.get(code)
        index = parent_of(tokens.structure, chain, code, options) if index is None else index
        letters.append(residues.RESIDUES[index].letter)
    return "".join(letters)


def _read_all(
    present: Sequence[Chain], entities: dict[str, Entity], sequences: dict[str, str], pairing: bool
) -> list[ChainMsa]:
    """The alignment of each chain; that of copies of a chain is read once."""
    known: dict[tuple[int, str], ChainMsa] = {}
    chains = []
    for chain in present:
        key = id(entities[chain.id]), sequences[chain.id]
        known[key] = known.get(key) or _read(chain, entities[chain.id], sequences[chain.id], pairing)
        chains.append(replace(known[key]))
    return chains


def _read(chain: Chain, entity: Entity, sequence: str, pairing: bool) -> ChainMsa:
    unpaired = paired = ""
    if isinstance(entity, Polymer) and len(sequence) >= SHORTEST:
        unpaired = (entity.unpaired_msa or "") if chain.kind in (PROTEIN, RNA) else ""
        paired = (entity.paired_msa or "") if chain.kind == PROTEIN and pairing else ""
    given = entity.sequence if isinstance(entity, Polymer) else sequence
    rows, deletions, _ = _parsed(chain, "unpaired", unpaired, sequence, given)
    paired_rows, paired_deletions, alignment = _parsed(chain, "paired", paired, sequence, given)
    return ChainMsa(
        unpaired=rows,
        unpaired_deletions=_limited(deletions),
        paired=paired_rows,
        paired_deletions=_limited(paired_deletions),
        species=alignment.species(),
        profile=profile_of(rows),
        deletion_mean=deletions.mean(axis=0),
    )


def _limited(deletions: Int[np.ndarray, "s c"]) -> Int8[np.ndarray, "s c"]:
    return np.minimum(deletions, MOST_DELETIONS).astype(np.int8)


def profile_of(rows: Int8[np.ndarray, "s c"]) -> Float[np.ndarray, "c r"]:
    """The share of each class in each column."""
    width = rows.shape[1]
    counts = np.bincount((rows + CLASSES * np.arange(width)).ravel(), minlength=width * CLASSES)
    return counts.reshape(width, CLASSES) / len(rows)


def _parsed(chain: Chain, which: str, text: str, sequence: str, given: str) -> tuple[np.ndarray, np.ndarray, Alignment]:
    """Classes, deletions and the alignment itself; `given` is the sequence as the job has it."""
    try:
        alignment = parse_alignment(text) if text.strip() else query_alone(sequence)
        if alignment.letters.shape[1] != len(sequence):
            raise ValueError(f"it has {alignment.letters.shape[1]} columns, the chain has {len(sequence)} residues")
    except ValueError as error:
        raise ValueError(f"{which} MSA of chain {chain.id}: {error}") from None
    rows = encoding(chain.kind)[alignment.letters]
    found = alignment.sequence()
    if found != given.upper() and (rows[0] != encoding(chain.kind)[query_alone(sequence).letters[0]]).any():
        raise ValueError(
            f"{which} MSA of chain {chain.id}: the first row is {found[:30]}..., but it must be the sequence of "
            f"the chain, {sequence[:30]}..."
        )
    return rows, alignment.deletions, alignment


def encoding(kind: str) -> Int8[np.ndarray, "256"]:
    """Classes of letters in an alignment of a chain of this kind."""
    table = np.full(256, residues.UNKNOWN_OF[kind], np.int8)
    table[ord("-")] = GAP
    if kind == LIGAND:
        return table
    for letter, index in residues.BY_LETTER[kind].items():
        table[ord(letter)] = index
    if kind == PROTEIN:
        for letter, alike in ALIKE.items():
            table[ord(letter)] = residues.BY_LETTER[PROTEIN][alike]
    return table


def _pair(chains: Sequence[ChainMsa], options: FeatureOptions) -> None:
    """Paired rows by species: in more chains first, then by their places in the alignments; the query on top."""
    places = paired_places([chain.species for chain in chains], options.paired_rows, options.rows_per_species)
    for number, chain in enumerate(chains):
        rows, width = places[:, number], chain.paired.shape[1]
        chain.paired = np.concatenate([chain.paired, np.full((1, width), GAP, np.int8)])[rows]
        chain.paired_deletions = np.concatenate([chain.paired_deletions, np.zeros((1, width), np.int8)])[rows]


def paired_places(species: Sequence[Sequence[str]], limit: int, per_species: int) -> Int[np.ndarray, "s c"]:
    """For each paired row the rows of the chains' alignments, -1 where a chain has none of that species."""
    rows_of = [_rows_by_species(names) for names in species]
    chains_with: dict[bytes, int] = {}
    fewest: dict[bytes, int] = {}
    for rows in rows_of:
        for name, places in rows.items():
            chains_with[name] = chains_with.get(name, 0) + 1
            fewest[name] = min(fewest.get(name, per_species), len(places))
    blocks, count = [np.zeros((1, len(species)), int)], 0
    for shared in sorted({number for name, number in chains_with.items() if name and number > 1}, reverse=True):
        names = [name for name, number in chains_with.items() if number == shared and name]
        block = np.concatenate([_block(name, rows_of, fewest[name]) for name in names])
        blocks.append(block[np.argsort(_rank(block))])
        count += len(block)
        if count >= limit:
            break
    return np.concatenate(blocks)[:limit]


def _rank(block: Int[np.ndarray, "k c"]) -> Float[np.ndarray, "k"]:
    """The product of the places in a row; its logarithm where the product is too large a number."""
    with np.errstate(over="ignore", divide="ignore"):
        product = np.abs(np.prod(block.astype(np.float32), axis=1))
        return np.log(np.abs(block).astype(float)).sum(axis=1) if np.isinf(product).any() else product


def _rows_by_species(names: Sequence[str]) -> dict[bytes, Int[np.ndarray, "k"]]:
    """Rows of each species, species in alphabetical order. Nothing for an alignment of the query alone."""
    if len(names) == 1 and not names[0]:
        return {}
    labels = np.array([name.encode() for name in names], dtype=object)
    order = labels.argsort()
    found, first = np.unique(labels[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, first[1:]), strict=True))


def _block(name: bytes, rows_of: Sequence[dict[bytes, np.ndarray]], count: int) -> Int[np.ndarray, "k c"]:
    absent = np.full(count, -1)
    return np.stack([rows.get(name, absent)[:count] for rows in rows_of], axis=1)


def _drop_paired(chain: ChainMsa) -> None:
    """Unpaired rows that are among the paired ones are left out."""
    paired = {row.tobytes() for row in chain.paired}
    keep = np.array([row.tobytes() not in paired for row in chain.unpaired], bool)
    chain.unpaired, chain.unpaired_deletions = chain.unpaired[keep], chain.unpaired_deletions[keep]


def _drop_gapped(chains: Sequence[ChainMsa]) -> None:
    """Paired rows that are gaps in all chains are left out."""
    keep = np.any([(chain.paired != GAP).any(axis=1) for chain in chains], axis=0)
    for chain in chains:
        chain.paired, chain.paired_deletions = chain.paired[keep], chain.paired_deletions[keep]


def _merge(chains: Sequence[ChainMsa], columns: Int[np.ndarray, "n"], options: FeatureOptions) -> ComplexMsa:
    """Paired rows, then unpaired rows padded with gaps; columns of residues become columns of tokens."""
    paired = min(len(chains[0].paired), options.paired_rows)
    unpaired = min(max(len(chain.unpaired) for chain in chains), options.msa_rows - paired)
    starts = np.cumsum([0, *(chain.unpaired.shape[1] for chain in chains)])
    tokens = np.searchsorted(columns, starts)

    def stacked(above: str, below: str, pad: int) -> np.ndarray:
        table = np.full((paired + unpaired, len(columns)), pad, np.int8)
        for number, chain in enumerate(chains):
            mine = slice(tokens[number], tokens[number + 1])
            top, bottom = getattr(chain, above)[:paired], getattr(chain, below)[:unpaired]
            table[:paired, mine] = np.take(top, columns[mine] - starts[number], axis=1)
            table[paired : paired + len(bottom), mine] = np.take(bottom, columns[mine] - starts[number], axis=1)
        return table

    return ComplexMsa(
        rows=stacked("paired", "unpaired", GAP),
        deletions=stacked("paired_deletions", "unpaired_deletions", 0),
        profile=np.concatenate([chain.profile for chain in chains])[columns].astype(np.float32),
        deletion_mean=np.concatenate([chain.deletion_mean for chain in chains])[columns],
    )


def alignment_columns(tokens: Tokens) -> Int[np.ndarray, "n"]:
    """The column of each token in the alignments side by side: its residue's, or an own one in a ligand."""
    polymer = np.array([chain.is_polymer for chain in tokens.structure.chains])[tokens.chain]
    new = np.where(polymer, np.diff(tokens.space, prepend=-1) != 0, True)
    return np.cumsum(new) - 1
