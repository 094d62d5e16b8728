"""Clashes against a loop over all pairs of atoms, and at their limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.predict.scores.clash import clashing_atoms, clashing_chains, has_clash
from tests.predict.samples import golden_sample, golden_scores, small_sample


def loop(positions, chain, residue):
    """The definition, pair by pair."""
    found = np.zeros(len(chain), bool)
    for i, j in np.ndindex(len(chain), len(chain)):
        stranger = chain[i] != chain[j] or abs(residue[i] - residue[j]) > 1
        found[i] |= stranger and np.linalg.norm(positions[i] - positions[j]) <= 1.1
    return found


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_clashing_atoms_against_a_loop(seed):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    positions = random.normal(size=(count, 3)) * random.choice([0.5, 2.0, 1e4])
    chain, residue = np.sort(random.integers(0, 3, count)), np.sort(random.integers(0, 6, count))
    assert clashing_atoms(positions, chain, residue).tolist() == loop(positions, chain, residue).tolist()


@pytest.mark.parametrize("number", range(4))
def test_golden_samples(number):
    assert has_clash(golden_sample(number).structure) == golden_scores(number)["has_clash"]


def pairs_of_atoms(on_top, apart):
    """Two chains of one residue: so many atoms of one on top of one of the other, the rest far away."""
    line = 10.0 * np.arange(on_top + apart)[:, None] * np.array([1.0, 0, 0])
    shift = np.where(np.arange(on_top + apart) < on_top, 0.5, 1e6)[:, None]
    positions = np.concatenate([line, line + shift])
    return positions, np.repeat([3, 7], on_top + apart), np.zeros(2 * (on_top + apart), int)


def test_more_than_half_of_the_atoms_or_more_than_a_hundred():
    assert clashing_chains(*pairs_of_atoms(5, 5)) == []
    assert clashing_chains(*pairs_of_atoms(6, 5)) == [3, 7]
    assert clashing_chains(*pairs_of_atoms(100, 200)) == []
    assert clashing_chains(*pairs_of_atoms(101, 200)) == [3, 7]
    assert clashing_chains(*pairs_of_atoms(5, 50), count=4) == [3, 7]
    assert clashing_chains(*pairs_of_atoms(6, 5), distance=0.4) == []


def test_ligands_do_not_clash_and_chains_fold_onto_themselves():
    sample = small_sample([("A", "protein", ["GLY"] * 4), ("B", "ligand", ["ZN"])])
    structure = replace(
        sample.structure, positions=np.where(sample.structure.chain[:, None] == 0, sample.structure.positions, 0.0)
    )
    assert not has_clash(structure)
    assert has_clash(replace(structure, positions=np.zeros_like(structure.positions)))  # residues 1 and 3
    assert not has_clash(small_sample([("B", "ligand", ["ZN", "ZN"])], positions=np.zeros((2, 3))).structure)
