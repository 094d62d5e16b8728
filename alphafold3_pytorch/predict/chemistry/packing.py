"""Checks of packing: atoms that overlap, bonds that go through rings.

Two atoms overlap when they are closer than 0.75 of the sum of their van der Waals radii (the ratio of PoseBusters),
with exceptions for what is near by nature:
- one or two bonds apart, atoms are no business of this check; three bonds apart the ratio is 0.5, four 0.65;
- nitrogen, oxygen and fluorine may share a hydrogen: 0.7;
- metals coordinate: 0.75 of the sum of the covalent radii.
Residues count, not atoms: two residues that overlap are one clash.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from alphafold3_pytorch.predict.chemistry.expected import BOND, NONMETALS, Expected
from alphafold3_pytorch.predict.chemistry.links import Links, covalent_radii, vdw_radii
from alphafold3_pytorch.predict.chemistry.measure import TINY, near, pierced, repeated
from alphafold3_pytorch.predict.chemistry.problems import Finding, Names, Problem, finding
from alphafold3_pytorch.structure.table import Structure

RATIO = 0.75
RATIO_HYDROGEN_BOND = 0.7
RATIO_APART = {3: 0.5, 4: 0.65}  # by number of bonds
MOST = 1_000_000  # pairs of atoms; a structure with more that overlap has collapsed, and counting ends
POLAR = (7, 8, 9)
CROWD = 100  # bonds near a ring; matter is never so dense, and counting ends
REACH = 3.0  # Å from the centre of a small ring to the middle of a bond that goes through it


def clashes(
    structure: Structure, expected: Expected, links: Links
) -> tuple[Finding, Finding, Mapping[tuple[str, str], int]]:
    """Overlaps between chains, overlaps inside chains, and how many there are between each two chains."""
    bonds = np.concatenate([expected[BOND].atoms, links.pairs, links.disulfides])
    pairs, closeness = overlaps(structure, Bonded(bonds, len(structure)))
    rows, counts = _worst_of_residues(structure, pairs, closeness)
    pairs, closeness = pairs[rows], closeness[rows]
    across = np.diff(structure.chain[pairs], axis=1)[:, 0] != 0
    names, atoms = Names(structure), len(structure)

    def describe(row: int, kind: str) -> Problem:
        a, b = pairs[row].tolist()
        gap = max(float(np.linalg.norm(np.subtract(*structure.positions[[a, b]].astype(float)))), TINY)
        more = f" ({counts[row]} such pairs of atoms)" if counts[row] > 1 else ""
        what = f"{names.atom(a)} and {names.atom(b)} are {gap:.2f} Å apart{more}"
        text = f"{names.residue(a)} and {names.residue(b)} overlap: {what}"
        allowed = round(gap / float(closeness[row]), 3)
        return Problem(kind, names.addresses(pairs[row]), text, round(gap, 3), allowed)

    with_others = atoms if len(structure.chains) > 1 else 0
    return (
        finding("clash", across, -closeness, partial(describe, kind="clash"), with_others),
        finding("internal_clash", ~across, -closeness, partial(describe, kind="internal_clash"), atoms),
        _between_chains(structure, pairs[across]),
    )


class Bonded:
    """Which atoms are one to four bonds apart."""

    def __init__(self, bonds: Int[np.ndarray, "k 2"], count: int):
        self.weights = np.array([count, 1])
        self.ends = np.unique(np.concatenate([bonds, bonds[:, ::-1]]), axis=0)
        self.starts = np.searchsorted(self.ends[:, 0], np.arange(count + 1))
        self.walks = {1: self.ends}
        for length in (2, 3, 4):
            self.walks[length] = self._further(self.walks[length - 1])
        self.keys = {length: np.sort(pairs @ self.weights) for length, pairs in self.walks.items()}

    def _further(self, pairs: Int[np.ndarray, "p 2"]) -> Int[np.ndarray, "q 2"]:
        """The first atom of each pair with every neighbour of the second."""
        start, stop = self.starts[pairs[:, 1]], self.starts[pairs[:, 1] + 1]
        places, nth = repeated(stop - start)
        return np.stack([pairs[places, 0], self.ends[start[places] + nth, 1]], axis=1)

    def apart(self, pairs: Int[np.ndarray, "p 2"], length: int) -> Bool[np.ndarray, "p"]:
        """Whether so many bonds lead from one atom to the other, on the shortest way or a longer one."""
        return _among(pairs @ self.weights, self.keys[length])


def _among(values: Int[np.ndarray, "p"], known: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "p"]:
    """Whether each value is in a sorted list."""
    return np.append(known, -1)[np.searchsorted(known, values)] == values


def overlaps(
    structure: Structure, bonded: Bonded, slack: float = 0.0
) -> tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, "p"]]:
    """Pairs of atoms that overlap, or would `slack` Å nearer; and their distance as a part of what is allowed."""
    found, total = [(np.zeros((0, 2), np.int64), np.zeros(0))], 0
    for pairs, distance, ratio, spare in _close(structure, slack):
        for length, least in RATIO_APART.items():
            ratio = np.where(bonded.apart(pairs, length), np.minimum(ratio, least), ratio)
        kept = (distance < ratio + spare) & ~bonded.apart(pairs, 1) & ~bonded.apart(pairs, 2)
        found.append((pairs[kept], distance[kept] / ratio[kept]))
        total += int(kept.sum())
        if total > MOST:
            break
    pairs, closeness = zip(*found, strict=True)
    return np.concatenate(pairs), np.concatenate(closeness)


def _close(
    structure: Structure, slack: float
) -> Iterator[tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, "p"], Float[np.ndarray, "p"], Float[np.ndarray, "p"]]]:
    """Pairs of atoms too close if not bonded; in sums of radii: their distance, what is allowed, and the slack."""
    atoms = np.flatnonzero(structure.elements)  # dummy atoms have no size
    points, element = structure.positions[atoms].astype(float), structure.elements[atoms]
    metal, polar = ~np.isin(element, list(NONMETALS)), np.isin(element, POLAR)
    covalent, vdw = covalent_radii(element), vdw_radii(element)
    largest = float(np.where(metal, covalent, vdw).max(initial=1.0))
    for i, j in near(points, points, 2 * RATIO * largest + slack):
        i, j = i[i < j], j[i < j]
        radii = np.where(metal[i] | metal[j], covalent[i] + covalent[j], vdw[i] + vdw[j])
        ratio = np.where(polar[i] & polar[j], RATIO_HYDROGEN_BOND, RATIO)
        distance = np.maximum(np.linalg.norm(points[i] - points[j], axis=1), TINY) / radii
        spare = slack / radii
        close = distance < ratio + spare
        yield atoms[np.stack([i, j], axis=1)[close]], distance[close], ratio[close], spare[close]


def _worst_of_residues(
    structure: Structure, pairs: Int[np.ndarray, "p 2"], closeness: Float[np.ndarray, "p"]
) -> tuple[Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """For each pair of residues, which pair of atoms is worst and how many there are."""
    keys = structure.residue_keys[pairs] @ [len(structure), 1]
    order = np.lexsort((closeness, keys))
    _, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    return order[first], counts


def _between_chains(structure: Structure, pairs: Int[np.ndarray, "k 2"]) -> Mapping[tuple[str, str], int]:
    chains, counts = np.unique(structure.chain[pairs], axis=0, return_counts=True)
    ids = [chain.id for chain in structure.chains]
    return {(ids[a], ids[b]): count for (a, b), count in zip(chains.tolist(), counts.tolist(), strict=True)}


def pierced_rings(structure: Structure, expected: Expected, links: Links) -> Finding:
    """Bonds that go through a ring of up to eight atoms."""
    bonds = np.concatenate([expected[BOND].atoms, links.pairs, links.disulfides])
    rings = [rows.atoms for key, rows in expected.items() if key.check == "ring"]
    through = [
        (ring, bond) for atoms in rings for ring, bond in _through(structure.positions.astype(float), atoms, bonds)
    ]
    names = Names(structure)

    def describe(row: int) -> Problem:
        ring, bond = through[row]
        where = f"the ring {names.group(ring)} of {names.residue(int(ring[0]))}"
        text = f"the bond {names.group(bond)} of {names.residue(int(bond[0]))} goes through {where}"
        return Problem("pierced_ring", names.addresses(np.concatenate([bond, ring])), text)

    wrong = np.ones(len(through), bool)
    return finding("pierced_ring", wrong, np.zeros(len(through)), describe, sum(map(len, rings)))


def _through(
    points: Float[np.ndarray, "m 3"], rings: Int[np.ndarray, "r s"], bonds: Int[np.ndarray, "k 2"]
) -> Iterator[tuple[Int[np.ndarray, "s"], Int[np.ndarray, "2"]]]:
    """Rings and the bonds that go through them; a bond of one of the ring's own atoms does not."""
    left = CROWD * len(rings)
    for i, j in near(points[rings].mean(axis=1), points[bonds].mean(axis=1), REACH):
        apart = (rings[i][:, :, None] != bonds[j][:, None]).all(axis=(1, 2))
        i, j = i[apart][:left], j[apart][:left]
        hit = pierced(points[bonds[j, 0]], points[bonds[j, 1]], points[rings[i]])
        yield from zip(rings[i[hit]], bonds[j[hit]], strict=True)
        left -= len(i)
        if not left:
            return
