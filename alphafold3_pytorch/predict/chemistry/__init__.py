"""Is a predicted structure chemically possible: stereo centres, double bonds, planes, lengths, angles, clashes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import expm1

import numpy as np

from alphafold3_pytorch.predict.chemistry.expected import expected
from alphafold3_pytorch.predict.chemistry.links import find_links
from alphafold3_pytorch.predict.chemistry.packing import clashes, pierced_rings
from alphafold3_pytorch.predict.chemistry.problems import Finding, Problem
from alphafold3_pytorch.predict.chemistry.shape import bond_angles, bond_lengths, links_between, planes
from alphafold3_pytorch.predict.chemistry.stereo import chirality, double_bonds, peptides
from alphafold3_pytorch.structure.table import Structure

SEVERE, MODERATE, SLIGHT = 1.0, 0.3, 0.05
LARGEST_PENALTY = 0.1
SCALE = 7.0  # severity at which the penalty is about two thirds of the largest


@dataclass(frozen=True)
class Kind:
    """A kind of problem: what it means, and how much one counts in the penalty."""

    meaning: str
    severity: float


KINDS: Mapping[str, Kind] = {
    "chirality": Kind("a stereo centre has the wrong hand, or none", SEVERE),
    "double_bond": Kind("a double bond is cis instead of trans, or the other way round", SEVERE),
    "broken_bond": Kind("a bond between residues is more than 25 % too long or too short", SEVERE),
    "clash": Kind("residues of different chains overlap", SEVERE),
    "pierced_ring": Kind("a bond goes through a ring", SEVERE),
    "internal_clash": Kind("residues of one chain, or parts of a residue, overlap", MODERATE),
    "bond_length": Kind("a bond inside a residue is more than 25 % too long or too short", MODERATE),
    "bond_angle": Kind("the ends of an angle are more than 25 % too far apart or too near", MODERATE),
    "planarity": Kind("an atom lies more than 0.25 Å off the plane of its flat group", MODERATE),
    "twisted_peptide": Kind("a peptide bond is more than 30° from flat", MODERATE),
    "cis_peptide": Kind("a peptide bond before anything but proline is cis: rare, not impossible", SLIGHT),
}


@dataclass(frozen=True)
class Chemistry:
    """What was checked, and what was found wrong."""

    checked: Mapping[str, int]  # how many of each kind
    problems: tuple[Problem, ...]  # the worst of each kind, at most 200
    penalty: float  # what the problems cost in the ranking, from 0
    found: Mapping[str, int] = field(default_factory=dict)  # how many problems of each kind there are, listed or not
    clashes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # between two chains, by their ids


def check(structure: Structure) -> Chemistry:
    """Checks a structure of which every atom has a position."""
    missing = int((~np.isfinite(structure.positions)).any(axis=1).sum())
    if missing or not len(structure):
        what = f"{missing} of {len(structure)} atoms have no position" if missing else "the structure has no atoms"
        raise ValueError(f"{what}; the chemistry of complete structures only can be checked")
    wanted, links = expected(structure), find_links(structure)
    between, inside, by_chains = clashes(structure, wanted, links)
    findings = [
        chirality(structure, wanted, links),
        double_bonds(structure, wanted, links),
        links_between(structure, links),
        between,
        pierced_rings(structure, wanted, links),
        inside,
        bond_lengths(structure, wanted),
        bond_angles(structure, wanted, links),
        planes(structure, wanted, links),
        *peptides(structure, links),
    ]
    return Chemistry(
        checked={found.kind: found.checked for found in findings},
        problems=tuple(problem for found in findings for problem in found.problems),
        penalty=penalty(findings),
        found={found.kind: found.found for found in findings},
        clashes=by_chains,
    )


def penalty(findings: list[Finding]) -> float:
    """From 0 towards LARGEST_PENALTY, more with every problem. It can reorder samples of nearly equal scores only."""
    total = sum(KINDS[found.kind].severity * found.found for found in findings)
    return -LARGEST_PENALTY * expm1(-total / SCALE)
