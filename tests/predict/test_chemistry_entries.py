"""The chemistry check against entries of the PDB, as they are and with one thing changed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from alphafold3_pytorch.predict.chemistry import check
from alphafold3_pytorch.structure.table import Structure
from tests.predict.chemistry_samples import atom, entry, moved, only

Load = Callable[[str], Structure]


@pytest.fixture(scope="module")
def load(shared) -> Load:
    return lambda name: entry(shared, name)


def renamed(structure: Structure, codes: dict[str, str]) -> Structure:
    chains = (replace(c, residues=tuple(codes.get(code, code) for code in c.residues)) for c in structure.chains)
    return replace(structure, chains=tuple(chains))


# Crambin, BPTI, lysozyme, haem, biotin with streptavidin, glycans, ATP, RNA, oxidised cysteines, cis-prolines.
@pytest.mark.parametrize("name", "1crn 1ejg 5pti 4lzt 1cyo 1mk5 3bwh 1qz5 2g32 2agg 7rpz 2nwd".split())
def test_good_structures_are_good(load, name):
    chemistry = check(load(name))
    assert not chemistry.problems and chemistry.penalty == 0
    assert chemistry.checked["bond_length"] > 200


@pytest.mark.parametrize("name", ["1crn", "2g32", "3bwh"])
def test_a_mirror_image_has_every_hand_wrong_and_nothing_else(load, name):
    structure = load(name)
    chemistry = check(replace(structure, positions=structure.positions * [-1, 1, 1]))
    assert {kind: count for kind, count in chemistry.found.items() if count} == {
        "chirality": chemistry.checked["chirality"]
    }


def test_the_other_anomer_is_noticed(load):
    """NDG is the alpha form of NAG: it differs in C1, whose O1 is the neighbour's oxygen in a glycan."""
    chemistry = check(renamed(load("3bwh"), {"NAG": "NDG"}))
    assert sorted(problem.atoms for problem in chemistry.problems) == [("B:1:NDG:C1",), ("B:2:NDG:C1",)]


def test_amino_acids_of_the_other_hand_are_noticed(load):
    structure = load("1crn")
    chemistry = check(renamed(structure, {"ALA": "DAL"}))
    alanines = structure.chains[0].residues.count("ALA")
    assert chemistry.found["chirality"] == alanines == len(chemistry.problems) == 5
    assert all(problem.text.endswith("has the wrong hand (L instead of D)") for problem in chemistry.problems)


def test_a_gap_in_the_chain_is_noticed(load):
    """Residues 21 to 46 of crambin are 2 Å away, and one disulfide that formed by itself is not held against it."""
    structure = load("1crn")
    far = {int(k): (0.0, 0.0, 2.0) for k in np.flatnonzero(structure.residue >= 20)}
    chemistry = check(moved(structure, far))
    texts = [problem.text for problem in chemistry.problems if problem.kind == "broken_bond"]
    assert any(text.startswith("the bond from C of THR 21") or "N of THR 21 in chain A" in text for text in texts)
    assert chemistry.found["chirality"] == 0


def test_declared_disulfides_are_checked(load):
    structure = load("1crn")
    assert len(structure.bonds) == 3
    stretched = moved(structure, {int(structure.bonds[0, 0]): (4.0, 0.0, 0.0)})
    assert "from SG of CYS 3 in chain A to SG of CYS 40 in chain A" in "".join(
        p.text for p in check(stretched).problems
    )


def test_disulfides_need_not_be_declared(load):
    structure = load("1crn")
    assert not check(replace(structure, bonds=structure.bonds[:0])).problems


def test_the_ring_of_a_cyclic_peptide_is_closed_by_a_declared_bond(load):
    """Sunflower trypsin inhibitor, whose first nitrogen is bonded to its last carbon; the entry does not say so."""
    structure = load("1sfi")
    peptide = next(number for number, chain in enumerate(structure.chains) if len(chain.residues) == 14)
    ends = atom(structure, "N", 0, peptide), atom(structure, "C", 13, peptide)
    (problem,) = check(structure).problems
    assert problem.kind == "internal_clash" and "GLY 1 in chain B and ASP 14 in chain B overlap" in problem.text
    closed = replace(structure, bonds=np.concatenate([structure.bonds, [ends]]))
    assert not check(closed).problems
    opened = check(moved(closed, {ends[0]: structure.positions[ends[0]] - structure.positions[ends[1]]}))
    assert any(problem.kind == "broken_bond" and "GLY 1" in problem.text for problem in opened.problems)


def test_cis_peptides(load):
    """Ala-Asp in a legume lectin is known to be cis; cis-prolines are nothing special."""
    found = [problem for problem in check(load("3zyr")).problems if problem.kind == "cis_peptide"]
    assert [problem.atoms[1] for problem in found] == ["A:94:ALA:C", "B:94:ALA:C"]
    assert all(abs(problem.value or 180) < 30 for problem in found)
    assert check(load("7rpz")).found["cis_peptide"] == 0


def test_a_twisted_peptide_is_noticed(load):
    structure = only(load("1crn"), load("1crn").residue < 2)
    c, n = atom(structure, "C", 0), atom(structure, "N", 1)
    axis = structure.positions[n] - structure.positions[c]
    axis /= np.linalg.norm(axis)
    later = structure.residue == 1
    turned = structure.positions.copy()
    arms = turned[later] - turned[n]
    turned[later] = turned[n] + arms @ np.outer(axis, axis) + np.cross(axis, arms - arms @ np.outer(axis, axis))
    problems = check(replace(structure, positions=turned)).problems  # by 90 degrees
    assert [problem.kind for problem in problems] == ["twisted_peptide"]
    assert abs(abs(problems[0].value or 0) - 90) < 10


def test_copies_on_top_of_each_other_clash(load):
    structure = load("1crn")
    (chain,) = structure.chains
    twice = Structure(
        chains=(chain, replace(chain, id="B")),
        chain=np.repeat([0, 1], len(structure)),
        residue=np.tile(structure.residue, 2),
        names=np.tile(structure.names, 2),
        elements=np.tile(structure.elements, 2),
        charges=np.tile(structure.charges, 2),
        positions=np.concatenate([structure.positions, structure.positions + 0.5]),
        bonds=np.zeros((0, 2), np.int64),
    )
    chemistry = check(twice)
    assert chemistry.clashes == {("A", "B"): chemistry.found["clash"]} and chemistry.found["clash"] > 46
