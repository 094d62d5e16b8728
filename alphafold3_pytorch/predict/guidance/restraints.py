"""Restraints: everything that `predict.chemistry` checks, as one smooth energy of the positions."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int as NpInt

from alphafold3_pytorch.predict.chemistry.expected import Expected, expected
from alphafold3_pytorch.predict.chemistry.links import Links, find_links
from alphafold3_pytorch.predict.chemistry.problems import Names
from alphafold3_pytorch.predict.chemistry.shape import flat_groups
from alphafold3_pytorch.predict.chemistry.stereo import centres, has_substituted_nitrogen, sided_bonds
from alphafold3_pytorch.predict.guidance.contacts import Contacts, Surroundings
from alphafold3_pytorch.predict.guidance.lengths import Ranges, angle_ranges, bond_ranges, link_ranges
from alphafold3_pytorch.predict.guidance.terms import (
    Distances,
    cosines,
    handedness,
    pick,
    soft,
    soft_square,
    thickness,
)
from alphafold3_pytorch.shapes import Float, Int, Tensor
from alphafold3_pytorch.structure.table import Structure

BOND_WIDTH = 0.03  # Å
LINK_WIDTH = 0.03  # Å
ANGLE_WIDTH = 0.08  # Å, of the distance between the ends
FLAT_WIDTH = 0.05  # Å
TURN_WIDTH = 0.12  # radians
HAND_WIDTH = 0.03
HAND = 0.55  # handedness that is enough (0.77 for a tetrahedron); lengths and angles do the rest
CIS, TRANS, EITHER = 1, -1, 0


@dataclass(frozen=True, eq=False)
class Restraints:
    """The restraints of one complex, made by `Restraints.of(structure)`, whose positions do not matter."""

    bonds: Distances
    angles: Distances
    links: Distances
    centres: Int[Tensor, "c 4"]
    hands: Float[Tensor, "c"]  # 1 or -1
    turns: Int[Tensor, "d 4"]  # along double and peptide bonds
    sides: Float[Tensor, "d"]  # CIS, TRANS or EITHER
    flat: tuple[Int[Tensor, "_ _"], ...]
    surroundings: Surroundings

    @classmethod
    def of(cls, structure: Structure) -> "Restraints":
        structure = replace(structure, positions=np.zeros((len(structure), 3)))
        wanted, links = expected(structure), find_links(structure)
        atoms, hands = centres(structure, wanted, links)
        turns, sides = turned(structure, wanted, links)
        return cls(
            distances(bond_ranges(structure, wanted, links), BOND_WIDTH),
            distances(angle_ranges(structure, wanted, links), ANGLE_WIDTH),
            distances(link_ranges(structure, links), LINK_WIDTH),
            torch.from_numpy(atoms),
            torch.from_numpy(hands).float(),
            torch.from_numpy(turns),
            torch.from_numpy(sides).float(),
            tuple(torch.from_numpy(group) for group in flat(wanted, links)),
            Surroundings(structure, wanted, links),
        )

    def to(self, device: torch.device | str) -> "Restraints":
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Distances | Tensor)}
        return replace(self, **moved, flat=tuple(group.to(device) for group in self.flat))

    def contacts(self, points: Float[Tensor, "m 3"]) -> Contacts:
        """Who is near whom at these positions."""
        return self.surroundings.contacts(points[: len(self.surroundings.structure)])

    def stretch(self, points: Float[Tensor, "m 3"]) -> float:
        """Of the bond that is farthest from its length (Å)."""
        found = torch.cat([self.bonds.off(points), self.links.off(points), points.new_zeros(1)])
        return float(found.abs().max())

    def terms(
        self, points: Float[Tensor, "m 3"], contacts: Contacts, planes: float = 1.0
    ) -> dict[str, Float[Tensor, ""]]:
        """The energy of each kind, of one sample; `planes` is the weight of planes."""
        wrong = (HAND - handedness(pick(points, self.centres)) * self.hands).clamp(min=0)
        cosine = cosines(pick(points, self.turns))
        side = torch.where(self.sides == EITHER, cosine.detach().sign(), self.sides)
        groups = [soft_square(thickness(pick(points, group)) / FLAT_WIDTH**2).sum() for group in self.flat]
        return {
            "bonds": self.bonds.energy(points).sum(),
            "angles": self.angles.energy(points).sum(),
            "links": self.links.energy(points).sum(),
            "centres": soft(wrong / HAND_WIDTH).sum(),
            "turns": (1 - side * cosine).sum() / TURN_WIDTH**2,
            "planes": planes * torch.stack(groups).sum() if groups else points.new_zeros(()),
            **contacts.terms(points),
        }

    def energy(self, positions: Float[Tensor, "k m 3"]) -> Float[Tensor, "k"]:
        """Half a squared deviation, in widths, of each restraint; summed up for each sample."""
        samples = [self.terms(points, self.contacts(points)) for points in positions]
        return torch.stack([torch.stack(list(terms.values())).sum() for terms in samples])


def distances(ranges: Ranges, width: float) -> Distances:
    atoms, low, high = ranges
    return Distances(torch.from_numpy(atoms), torch.from_numpy(low).float(), torch.from_numpy(high).float(), width)


def turned(
    structure: Structure, wanted: Expected, links: Links
) -> tuple[NpInt[np.ndarray, "d 4"], NpInt[np.ndarray, "d"]]:
    """Torsions over double and peptide bonds, and which side is right. Before proline and its like it is either."""
    double, cis = sided_bonds(wanted, links)
    peptide, names = links.peptides[:, [0, 1, 3, 4]], Names(structure)
    codes = [names.code(atom) for atom in peptide[:, 3].tolist()]
    free = {code for code in set(codes) if has_substituted_nitrogen(structure, code)}
    sides = np.array([EITHER if code in free else TRANS for code in codes], np.int64)
    return np.concatenate([double, peptide]), np.concatenate([np.where(cis, CIS, TRANS), sides])


def flat(wanted: Expected, links: Links) -> list[NpInt[np.ndarray, "_ _"]]:
    """Flat groups by their size. Double bonds that may have to turn over are left out: their torsion flattens them."""
    sided = {frozenset(ends) for ends in sided_bonds(wanted, links)[0][:, 1:3].tolist()}
    groups: dict[int, list[np.ndarray]] = {}
    for what, atoms in flat_groups(wanted, links):
        if what == "double bond":
            atoms = atoms[[frozenset(ends) not in sided for ends in atoms[:, :2].tolist()]].reshape(-1, atoms.shape[1])
        if len(atoms):
            groups.setdefault(atoms.shape[1], []).append(atoms)
    return [np.concatenate(parts) for parts in groups.values()]
