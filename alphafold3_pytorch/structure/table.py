"""Structure: chains, and the columns of their atoms."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from alphafold3_pytorch.chem.ccd import Components
from alphafold3_pytorch.chem.residues import POLYMERS


@dataclass(frozen=True)
class Chain:
    """A chain as it is meant to be, whether its atoms are known or not."""

    id: str
    kind: str  # protein, rna, dna or ligand
    residues: tuple[str, ...]  # component codes

    @property
    def is_polymer(self) -> bool:
        return self.kind in POLYMERS


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in the order of chains and residues, without hydrogens. Unknown positions are NaN."""

    chains: tuple[Chain, ...]
    chain: Int[np.ndarray, "m"]  # place in `chains`
    residue: Int[np.ndarray, "m"]  # place in the residues of the chain; the residue number is one more
    names: np.ndarray  # [m] of str
    elements: Int[np.ndarray, "m"]
    charges: Int[np.ndarray, "m"]
    positions: Float[np.ndarray, "m 3"]
    bonds: Int[np.ndarray, "k 2"]  # between residues, beside those of the chain itself
    components: Components = field(default_factory=Components)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def residue_keys(self) -> Int[np.ndarray, "m"]:
        """A number for each residue of the structure, counted over all chains."""
        starts = np.concatenate([[0], np.cumsum([len(chain.residues) for chain in self.chains])])
        return starts[self.chain] + self.residue

    def residues(self) -> Iterator[tuple[Chain, int, slice]]:
        """Every residue that has atoms: its chain, its place in it, and where its atoms are."""
        keys = self.residue_keys
        edges = np.flatnonzero(np.diff(keys)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(keys)], strict=True):
            if stop > start:
                yield self.chains[self.chain[start]], int(self.residue[start]), slice(start, stop)
