"""Clusters of chains and of interfaces (SI 2.5.3), and the folder of tables that samplers read.

Proteins are clustered at 40 % identity, peptides and nucleic acids at 100 %, ligands by their component codes;
interfaces by the clusters of their two chains. A cluster id is used once in a folder, whatever the table.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.curation import mmseqs
from alphafold3_pytorch.curation.interfaces import PEPTIDE, Described, Key, Molecule
from alphafold3_pytorch.curation.tables import (
    CHAIN_COLUMNS,
    CHAIN_TABLES,
    INTERFACE_COLUMNS,
    Row,
    chain_table,
    interface_table,
    write_table,
)
from alphafold3_pytorch.weights.atomic import replacing

IDENTITIES = {PROTEIN: 0.4, PEPTIDE: 1.0, RNA: 1.0, DNA: 1.0}  # SI 2.5.3
SEQUENCES, INTERFACES = "all_chain_sequences.json", "interface_chain_ids.json"


@dataclass(frozen=True)
class Selected:
    """What of an entry is listed in the tables."""

    entry: Described
    chains: frozenset[int]  # places in its molecules
    interfaces: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Clusters:
    """Ids of clusters, each used once."""

    chains: dict[Key, int]
    interfaces: dict[tuple[int, int], int]  # by the ids of the clusters of the chains, the smaller one first

    def of_chain(self, molecule: Molecule) -> int:
        return self.chains[molecule.key]

    def of_pair(self, entry: Described, pair: tuple[int, int]) -> int:
        return self.interfaces[self.ends(entry, pair)]

    def ends(self, entry: Described, pair: tuple[int, int]) -> tuple[int, int]:
        one, other = (self.of_chain(entry.molecules[place]) for place in pair)
        return min(one, other), max(one, other)


def whole(entry: Described) -> Selected:
    return Selected(entry, frozenset(range(len(entry.molecules))), entry.interfaces)


def cluster_entries(entries: Sequence[Described], tool: mmseqs.Tool, threads: int) -> Clusters:
    """Clusters of all chains and interfaces. They depend on the entries, not on their order."""
    chains: dict[Key, int] = {}
    number = 0
    for kind in (*IDENTITIES, LIGAND):
        texts = texts_of(entries, kind)
        for group in groups_of(tool, kind, texts, threads):
            chains |= {(kind, texts[place]): number for place in group}
            number += 1
    known = Clusters(chains, {})
    pairs = sorted({known.ends(entry, pair) for entry in entries for pair in entry.interfaces})
    return Clusters(chains, {pair: number + place for place, pair in enumerate(pairs)})


def texts_of(entries: Iterable[Described], kind: str) -> list[str]:
    """The different molecules of a kind, longest first."""
    texts = {molecule.text for entry in entries for molecule in entry.molecules if molecule.kind == kind}
    return sorted(texts, key=lambda text: (-len(text), text))


def groups_of(tool: mmseqs.Tool, kind: str, texts: Sequence[str], threads: int) -> list[list[int]]:
    """Places of molecules that are in one cluster. A ligand is alone."""
    if kind == LIGAND:
        return [[place] for place in range(len(texts))]
    return mmseqs.cluster(tool, kind, texts, IDENTITIES[kind], threads)


def chain_rows(selected: Iterable[Selected], clusters: Clusters, kinds: Sequence[str]) -> Iterator[Row]:
    for each in selected:
        for place, molecule in enumerate(each.entry.molecules):
            if place in each.chains and molecule.kind in kinds:
                yield each.entry.id, molecule.chain, molecule.id, clusters.of_chain(molecule)


def interface_rows(selected: Iterable[Selected], clusters: Clusters) -> Iterator[Row]:
    for each in selected:
        for pair in each.interfaces:
            ends = [each.entry.molecules[place] for place in pair]
            chains, molecules = [end.chain for end in ends], [end.id for end in ends]
            own = [clusters.of_chain(end) for end in ends]
            yield each.entry.id, *chains, *molecules, *own, clusters.of_pair(each.entry, pair)


def write_tables(folder: Path, selected: Sequence[Selected], clusters: Clusters, format: str = "csv") -> None:
    """One table for each kind of chain and one of interfaces; those of kinds that are absent have no rows."""
    for name, kinds in CHAIN_TABLES.items():
        write_table(chain_table(folder, name, format), CHAIN_COLUMNS, chain_rows(selected, clusters, kinds))
    write_table(interface_table(folder, format), INTERFACE_COLUMNS, interface_rows(selected, clusters))


def write_sequences(folder: Path, selected: Sequence[Selected], prefix: str = "") -> None:
    """Chains and interfaces as JSON: what a later clustering needs of this one as its reference."""
    sequences, interfaces = [], {}
    for each in selected:
        names = [f"{molecule.chain}:{molecule.id}" for molecule in each.entry.molecules]
        texts = [molecule.text for molecule in each.entry.molecules]
        sequences.append({each.entry.id: {names[place]: texts[place] for place in sorted(each.chains)}})
        interfaces[each.entry.id] = [f"{names[one]}+{names[other]}" for one, other in each.interfaces]
    for name, content in ((SEQUENCES, sequences), (INTERFACES, interfaces)):
        with replacing(folder / f"{prefix}{name}") as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")


def write_fasta(folder: Path, selected: Sequence[Selected]) -> None:
    """All sequences of polymers of a kind, under the names of entry and chain."""
    for name, kinds in CHAIN_TABLES.items():
        if LIGAND in kinds:
            continue
        with replacing(folder / f"sequences_{name}.fasta") as temporary, temporary.open("w", encoding="utf-8") as out:
            for each in selected:
                for place, molecule in enumerate(each.entry.molecules):
                    if place in each.chains and molecule.kind in kinds:
                        out.write(f">{each.entry.id}_{molecule.chain}\n{molecule.text}\n")


def read_sequences(folder: Path) -> list[Described]:
    """The chains of the entries of a folder of clusters."""
    path = folder / SEQUENCES
    if not path.is_file():
        raise ValueError(f"{folder} is no reference clustering: it has no {SEQUENCES}; cluster the reference set first")
    rows = (item for each in json.loads(path.read_text(encoding="utf-8")) for item in each.items())
    return [Described(name, tuple(_molecule(*item) for item in chains.items()), ()) for name, chains in rows]


def _molecule(name: str, text: str) -> Molecule:
    """Of `A:protein` or `B:ligand-ATP`."""
    chain, _, molecule = name.partition(":")
    return Molecule(chain, molecule.split("-")[0], text)
