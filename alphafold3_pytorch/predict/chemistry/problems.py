"""Problem: something in a structure that cannot be; and how the checks name atoms and report what they find."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from alphafold3_pytorch.structure.table import Structure

LISTED = 200  # problems of each kind in a report; all are counted


@dataclass(frozen=True)
class Problem:
    """Something in a structure that cannot be, in a biologist's words."""

    kind: str  # of KINDS
    atoms: tuple[str, ...]  # "A:23:THR:CB": chain, residue number, component, atom
    text: str
    value: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class Finding:
    """What one check looked at and what it found."""

    kind: str
    checked: int
    found: int
    problems: tuple[Problem, ...]  # the worst first, at most LISTED


def finding(
    kind: str,
    wrong: Bool[np.ndarray, "k"],
    badness: Float[np.ndarray, "k"],
    describe: Callable[[int], Problem],
    checked: int | None = None,
) -> Finding:
    """The finding of a check on k things (or `checked`), some of them wrong, and some of these worse than others."""
    places = np.flatnonzero(wrong)
    worst = places[np.argsort(-badness[places], kind="stable")][:LISTED]
    return Finding(
        kind,
        len(wrong) if checked is None else checked,
        len(places),
        tuple(describe(place) for place in worst.tolist()),
    )


class Names:
    """How atoms and residues of a structure are called."""

    def __init__(self, structure: Structure):
        self.structure = structure

    def code(self, atom: int) -> str:
        return self.structure.chains[self.structure.chain[atom]].residues[self.structure.residue[atom]]

    def atom(self, atom: int) -> str:
        return str(self.structure.names[atom])

    def numbered(self, atom: int) -> str:
        """`THR 23`."""
        return f"{self.code(atom)} {self.structure.residue[atom] + 1}"

    def chain(self, atom: int) -> str:
        return self.structure.chains[self.structure.chain[atom]].id

    def residue(self, atom: int) -> str:
        """`THR 23 in chain A`."""
        return f"{self.numbered(atom)} in chain {self.chain(atom)}"

    def address(self, atom: int) -> str:
        """`A:23:THR:CB`."""
        return f"{self.chain(atom)}:{self.structure.residue[atom] + 1}:{self.code(atom)}:{self.atom(atom)}"

    def addresses(self, atoms: np.ndarray) -> tuple[str, ...]:
        return tuple(self.address(atom) for atom in atoms.tolist())

    def group(self, atoms: np.ndarray) -> str:
        """`N-CA-C`."""
        return "-".join(self.structure.names[atoms].tolist())
