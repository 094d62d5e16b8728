"""Templates from structure files that a job names: a chain, and the alignment of its sequence to the query's."""

import numpy as np
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal  # pyright: ignore[reportAttributeAccessIssue]

from alphafold3_pytorch.chem.residues import LETTERS, PROTEIN
from alphafold3_pytorch.inputs.job import Template
from alphafold3_pytorch.structure import cif_text
from alphafold3_pytorch.structure.mmcif import Entry
from alphafold3_pytorch.structure.mmcif_text import tables
from alphafold3_pytorch.structure.table import Structure

GAP = -11, -1  # opening and extending, with BLOSUM62
SHORTEST, LEAST_ALIKE = 10, 0.1  # residues that are aligned; share of the query that is the same in a template
COMPONENT_TABLES = ("chem_comp_atom", "chem_comp_bond")  # templates need no chemistry


def template_of(entry: Entry, query: str, chain: str | None = None) -> Template | None:
    """A protein chain by its `label_asym_id`, or the one that is most like the query; None if it is hardly so.

    The stretches of the two sequences that fit best (local alignment) become the pairs of residues.
    """
    proteins = {chain.id: n for n, chain in enumerate(entry.structure.chains) if chain.kind == PROTEIN}
    if chain is not None and chain not in proteins:
        raise ValueError(f"{entry.id} has no protein chain {chain}; it has {', '.join(proteins) or 'none'}")
    same, best = LEAST_ALIKE * len(query), None
    for name, number in proteins.items():
        sequence = chain_sequence(entry, number)
        if chain in (None, name) and sequence.strip("X"):
            pairs = aligned(query, sequence, local=True)
            count = sum(query[one] == sequence[other] for one, other in pairs)
            if count > same and len(pairs) >= SHORTEST:
                same, best = count, (number, pairs)
    if best is None:
        return None
    return Template(chain_mmcif(entry, best[0]), *zip(*best[1], strict=True))


def chain_sequence(entry: Entry, number: int) -> str:
    """Letters of all residues of a chain; a modified one has its parent's."""
    components = entry.structure.components
    letters = (
        components[code].letter if code in components else "" for code in entry.structure.chains[number].residues
    )
    return "".join(letter if len(letter) == 1 else "X" for letter in letters)


def aligned(one: str, other: str, local: bool = False) -> list[tuple[int, int]]:
    """Pairs of places in two sequences."""
    texts = [ProteinSequence("".join(c if c in LETTERS else "X" for c in text)) for text in (one, other)]
    matrix = SubstitutionMatrix.std_protein_matrix()
    found = align_optimal(*texts, matrix, gap_penalty=GAP, terminal_penalty=False, local=local, max_number=1)
    return [(first, second) for first, second in found[0].trace.tolist() if first >= 0 <= second]


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
