"""Chemistry of predictions and of references: what is impossible, and how far bonds are from their ideal lengths."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from alphafold3_pytorch.evaluate.rows import NONE, Geometry
from alphafold3_pytorch.predict.chemistry import KINDS, SLIGHT, check
from alphafold3_pytorch.predict.chemistry.expected import BOND, expected
from alphafold3_pytorch.predict.chemistry.links import find_links
from alphafold3_pytorch.structure.table import Structure

CLOSE = 0.1  # Å
GRAVE = [kind for kind, known in KINDS.items() if known.severity > SLIGHT]


@dataclass
class Problems:
    """Of a structure: how many by kind and by chain; -1 and the reason where its chemistry is not known."""

    count: int = -1
    chains: Counter[str] = field(default_factory=Counter)
    geometry: Geometry = field(default_factory=Geometry)
    why: str = ""

    @classmethod
    def of(cls, structure: Structure) -> "Problems":
        try:
            found = check(structure)
        except ValueError as error:
            return cls(why=f"chemistry not checked: {error}")
        chains = Counter(
            chain
            for problem in found.problems
            if problem.kind in GRAVE
            for chain in {atom.split(":")[0] for atom in problem.atoms}
        )
        geometry = Geometry(dict(found.checked), dict(found.found), *bond_lengths(structure))
        return cls(sum(found.found[kind] for kind in GRAVE), chains, geometry)

    def of_chain(self, chain: str) -> int:
        return -1 if self.why else self.chains[chain]


def bond_lengths(structure: Structure) -> tuple[float, float]:
    """Against the ideal ones, inside residues and between them: RMSD in Å, and the share that is within `CLOSE`."""
    rows, links = expected(structure)[BOND], find_links(structure)
    atoms = np.concatenate([rows.atoms, links.pairs])
    ideal = np.concatenate([rows.values.mean(axis=1), links.lengths])
    off = np.linalg.norm(np.diff(structure.positions[atoms], axis=1)[:, 0], axis=1) - ideal
    off = off[np.isfinite(off)]
    return (float(np.sqrt((off**2).mean())), float((abs(off) < CLOSE).mean())) if len(off) else (NONE, NONE)
