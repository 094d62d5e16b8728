"""Which chain or interface an example of training is cropped around (SI 2.5.1)."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch.utils.data import Sampler

from alphafold3_pytorch.chem.residues import DNA, LIGAND, PROTEIN, RNA
from alphafold3_pytorch.curation.interfaces import PEPTIDE
from alphafold3_pytorch.curation.tables import CHAIN_COLUMNS, INTERFACE_COLUMNS, NUCLEIC_ACID, table_rows

PATHS = str | Path | Sequence[str | Path]
KINDS = (PROTEIN, PEPTIDE, RNA, DNA, NUCLEIC_ACID, LIGAND)
COLUMNS = [name for name in INTERFACE_COLUMNS if "chain_cluster" not in name]
PER_DRAW = 4  # random numbers that Philox makes in one step, of which a draw takes two


class WeightedPDBSampler(Sampler[str]):
    """Draws chains and interfaces with weights (β / N) (α_prot n_prot + α_nuc n_nuc + α_ligand n_ligand).

    N is the number of chains or interfaces in the same cluster, n counts the molecules in the chain or interface. Draw
    number n of an epoch depends on the seed, the epoch and n alone. Of `world_size` ranks each takes every
    `world_size`-th, so that no draw is taken twice.
    """

    def __init__(
        self,
        chain_mapping_paths: PATHS,
        interface_mapping_path: str | Path,
        batch_size: int,
        beta_chain: float = 0.5,
        beta_interface: float = 1.0,
        alpha_prot: float = 3.0,
        alpha_nuc: float = 3.0,
        alpha_ligand: float = 1.0,
        pdb_ids_to_skip: Sequence[str] = (),
        pdb_ids_to_keep: Sequence[str] = (),
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; use 1 or more")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}; of world_size {world_size} it goes from 0 to {world_size - 1}")
        self.batch_size, self.seed, self.rank, self.world_size = batch_size, seed, rank, world_size
        self.epoch = self.drawn = 0  # `drawn` counts the draws of all ranks
        single = isinstance(chain_mapping_paths, str | Path)
        tables = [_read_chains(Path(path)) for path in ([chain_mapping_paths] if single else chain_mapping_paths)]
        tables.append(_read_interfaces(Path(interface_mapping_path)))
        wanted = _wanted(pdb_ids_to_skip, pdb_ids_to_keep)
        rows = [(table, *row) for table, read in enumerate(tables) for row in read if wanted(row[0])]
        if not rows:
            raise ValueError("nothing is left to draw; see the tables, pdb_ids_to_skip and pdb_ids_to_keep")
        self.rows = [(entry, first, second) for _, entry, first, second, _, _ in rows]
        self.clusters = _numbered([(table, cluster) for table, *_, cluster in rows])
        alphas = _alphas(alpha_prot, alpha_nuc, alpha_ligand)
        betas = np.where([bool(second) for *_, second in self.rows], beta_interface, beta_chain)
        counted = np.array([sum(alphas[kind] for kind in kinds) for *_, kinds, _ in rows])
        self.weights = _normalised(betas / np.bincount(self.clusters)[self.clusters] * counted)
        self._drawable = np.flatnonzero(self.weights)
        self._ends = np.cumsum(self.weights[self._drawable])
        self._grouped, self._group_ends = _by_cluster(self.clusters, self.weights)

    def __len__(self) -> int:
        """Batches that have as many examples as there are chains and interfaces."""
        return len(self.rows) // self.batch_size

    def __iter__(self) -> Iterator[str]:
        """Ids of entries, for ever."""
        while True:
            yield self.sample(1)[0][0]

    def sample(self, batch_size: int) -> list[tuple[str, str, str]]:
        """Entry, chain, and the other chain of an interface or an empty text; drawn by the weights."""
        places = np.searchsorted(self._ends, self._uniform(batch_size)[:, 0] * self._ends[-1], side="right")
        return self._rows(self._drawable, places)

    def cluster_based_sample(self, batch_size: int) -> list[tuple[str, str, str]]:
        """The same from clusters that are all as likely, by the weights inside them."""
        which, inside = self._uniform(batch_size).T
        clusters = np.floor(which * self._group_ends[-1].round())
        return self._rows(self._grouped, np.searchsorted(self._group_ends, clusters + inside))

    def _rows(self, order: Int[np.ndarray, "r"], places: Int[np.ndarray, "k"]) -> list[tuple[str, str, str]]:
        """Rows by their place in an order; what rounding has put behind the end is the last one."""
        return [self.rows[row] for row in order[np.minimum(places, len(order) - 1)].tolist()]

    def set_epoch(self, epoch: int) -> None:
        """Starts an epoch: other draws than in all others, the same every time."""
        self.epoch, self.drawn = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the draws are. It is the same on every rank that has drawn as often."""
        return {"seed": self.seed, "epoch": self.epoch, "drawn": self.drawn, "rows": len(self.rows)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken, with the same draws, be it on another number of ranks."""
        if state["rows"] != len(self.rows):
            raise ValueError(
                f"the state is of a sampler of {state['rows']} chains and interfaces, this one has {len(self.rows)}; "
                "give it the same tables and lists of entries"
            )
        self.seed, self.epoch, self.drawn = state["seed"], state["epoch"], state["drawn"]

    def _uniform(self, count: int) -> Float[np.ndarray, "k 2"]:
        """Two numbers from [0, 1) for each of the next draws of this rank."""
        if count < 1:
            raise ValueError(f"batch_size is {count}; use 1 or more")
        bits = np.random.Philox(np.random.SeedSequence([self.seed, self.epoch])).advance(self.drawn)
        numbers = np.random.Generator(bits).random((count * self.world_size, PER_DRAW))
        self.drawn += count * self.world_size
        return numbers[self.rank :: self.world_size, :2]


Read = tuple[str, str, str, tuple[str, ...], str]  # entry, chain, other chain, kinds of molecules, cluster


def _read_chains(path: Path) -> list[Read]:
    rows = table_rows(path, CHAIN_COLUMNS)
    return [
        (intern(entry), intern(chain), "", (_kind(path, molecule),), intern(cluster))
        for entry, chain, molecule, cluster in rows
    ]


def _read_interfaces(path: Path) -> list[Read]:
    found = []
    for entry, one, other, *molecules, cluster in table_rows(path, COLUMNS):
        kinds = tuple(_kind(path, molecule) for molecule in molecules)
        found.append((intern(entry), intern(one), intern(other), kinds, intern(cluster)))
    return found


@cache
def _kind(path: Path, molecule: str) -> str:
    kind = molecule.split("-")[0]
    if kind not in KINDS:
        raise ValueError(f"{path}: unknown molecule {molecule!r}; known are {', '.join(KINDS)}, ligands as ligand-CODE")
    return kind


def _wanted(skip: Sequence[str], keep: Sequence[str]) -> Callable[[str], bool]:
    """Whether an entry is used: by lists of entries, of which an empty one says nothing."""
    skipped, kept = set(skip), set(keep)
    return lambda entry: entry not in skipped and (not kept or entry in kept)


def _alphas(protein: float, nucleic_acid: float, ligand: float) -> dict[str, float]:
    nucleic_acids = dict.fromkeys((RNA, DNA, NUCLEIC_ACID), nucleic_acid)
    return {PROTEIN: protein, PEPTIDE: protein, LIGAND: ligand, **nucleic_acids}


def _numbered(clusters: Sequence[tuple[int, str]]) -> Int[np.ndarray, "r"]:
    """Clusters from 0. An id that stands in two tables is two clusters."""
    numbers: dict[tuple[int, str], int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])


def _normalised(weights: Float[np.ndarray, "r"]) -> Float[np.ndarray, "r"]:
    if not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError("weights are negative or all 0; betas and alphas are at least 0, and some are larger")
    return weights / weights.sum()


def _by_cluster(
    clusters: Int[np.ndarray, "r"], weights: Float[np.ndarray, "r"]
) -> tuple[Int[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """Rows with a weight in the order of their clusters; those of the n-th cluster end between n and n + 1."""
    order = np.argsort(clusters, kind="stable")
    order = order[weights[order] > 0]
    number = np.unique(clusters[order], return_inverse=True)[1]
    totals = np.bincount(number, weights[order])
    ends = np.cumsum(weights[order] / totals[number])
    return order, ends
