"""The guide against entries of the PDB: shaken ones are mended, turned hands turned back, good ones left alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from alphafold3_pytorch.predict.chemistry import Chemistry, check
from alphafold3_pytorch.predict.guidance.guide import HIGHEST, Guide
from alphafold3_pytorch.structure.table import Structure
from tests.predict.chemistry_samples import atom, drawn, embedded, entry, swapped

Load = Callable[[str], Structure]


@pytest.fixture(scope="module")
def load(shared) -> Load:
    return lambda name: entry(shared, name)


def settled(structure: Structure) -> Structure:
    found = Guide(structure).settle(torch.from_numpy(structure.positions).float()[None])[0]
    return replace(structure, positions=found.double().numpy())


def shaken(structure: Structure, size: float, seed: int = 0) -> Structure:
    noise = np.random.default_rng(seed).normal(size=structure.positions.shape)
    return replace(structure, positions=structure.positions + size * noise)


def shift(one: Structure, other: Structure) -> np.ndarray:
    return np.linalg.norm(one.positions - other.positions, axis=1)


def rms(one: Structure, other: Structure) -> float:
    return float(np.sqrt(np.square(shift(one, other)).mean()))


def kinds(chemistry: Chemistry) -> dict[str, int]:
    return {kind: count for kind, count in chemistry.found.items() if count}


# Disulfides; RNA; glycans; ATP and a magnesium ion; biotin; DNA
ENTRIES = "1crn 2g32 3bwh 2agg 1mk5 1bna".split()


@pytest.mark.parametrize("name", ENTRIES)
def test_good_entries_have_little_energy_and_stay_where_they_are(load, name):
    structure = load(name)
    guide, points = Guide(structure), torch.from_numpy(structure.positions)
    terms = guide.restraints.terms(points, guide.restraints.contacts(points))
    assert all(float(energy) < len(structure) for energy in terms.values())
    moved = shift(settled(structure), structure)
    assert np.sqrt(np.square(moved).mean()) < 0.06 and np.quantile(moved, 0.99) < 0.15


@pytest.mark.parametrize("name", ["1crn", "2g32", "3bwh", "1bna"])
def test_shaken_entries_are_mended(load, name):
    structure = load(name)
    wrong = shaken(structure, 0.3)
    right = settled(wrong)
    assert sum(check(wrong).found.values()) > len(structure) / 3
    assert sum(check(right).found.values()) <= sum(check(structure).found.values())
    assert rms(right, structure) < 0.7 * rms(wrong, structure)


def test_what_is_badly_shaken_is_mended_too(load):
    assert not kinds(check(settled(shaken(load("1crn"), 0.6))))


def test_a_cyclic_peptide_stays_closed(load):
    structure = load("1sfi")
    peptide = next(number for number, chain in enumerate(structure.chains) if len(chain.residues) == 14)
    ends = atom(structure, "N", 0, peptide), atom(structure, "C", 13, peptide)
    closed = replace(structure, bonds=np.concatenate([structure.bonds, [ends]]))
    wrong = shaken(closed, 0.3)
    assert check(wrong).problems and not check(settled(wrong)).problems


@pytest.mark.parametrize("name", ["1crn", "3bwh"])
def test_turned_hands_are_turned_back(load, name):
    """Every seventh centre reflected through the plane of its neighbours: of amino acids and sugars."""
    structure = load(name)
    positions = structure.positions.copy()
    for centre, *around in Guide(structure).restraints.centres[::7].tolist():
        one, two, three = positions[around]
        normal = np.cross(two - one, three - one) / np.linalg.norm(np.cross(two - one, three - one))
        positions[centre] -= 2 * normal * ((positions[centre] - one) @ normal)
    wrong = replace(structure, positions=positions)
    assert check(wrong).found["chirality"] > len(structure) / 60
    right = settled(wrong)
    assert not check(right).problems
    assert rms(right, structure) < 0.1


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("O=C1C[C@H](C)[C@@H](O)C1", "O=C1C[C@H](C)[C@H](O)C1"),
        ("C[S@](=O)c1ccccc1", "C[S@@](=O)c1ccccc1"),
        ("C/C=C/Cl", "C/C=C\\Cl"),
        ("C/C(F)=N/O", "C/C(F)=N\\O"),
    ],
)
def test_a_ligand_becomes_what_its_smiles_says(given, shape):
    wrong = embedded(given, shape)
    assert kinds(check(wrong)) and not kinds(check(settled(shaken(wrong, 0.05))))


def test_a_threaded_ring_is_cleared():
    """Ethane through the middle of benzene."""
    pair = drawn("BNZ", "ETA", apart=0.0)
    ring, rod = pair.chain == 0, pair.chain == 1
    positions = pair.positions.copy()
    centre = positions[ring].mean(axis=0)
    normal = np.linalg.svd(positions[ring] - centre)[2][2]
    ends = np.flatnonzero(rod)
    positions[rod] += 8.0
    positions[ends] = centre + 0.3 + np.outer(np.arange(len(ends)) - 0.5, 1.5 * normal)
    wrong = replace(pair, positions=positions)
    assert check(wrong).found["pierced_ring"]
    assert not check(settled(wrong)).found["pierced_ring"]


def test_names_of_like_atoms_do_not_matter():
    structure = drawn("ASP")
    turned = swapped(structure, (atom(structure, "OD1"), atom(structure, "OD2")))
    assert shift(settled(turned), turned).max() < 0.05


def test_dummy_atoms_and_padding_stay(load):
    structure = load("1crn")
    dummies = np.arange(len(structure)) % 50 == 0
    structure = replace(structure, elements=np.where(dummies, 0, structure.elements))
    points = torch.from_numpy(shaken(structure, 0.3).positions).float()
    padded = torch.nn.functional.pad(points, (0, 0, 0, 5), value=3.0)[None]
    found = Guide(structure).settle(padded)
    assert found.shape == padded.shape and torch.equal(found[0, -5:], padded[0, -5:])
    still = torch.from_numpy(dummies)
    assert torch.equal(found[0, :-5][still], points[still])
    assert (found[0, :-5] - points)[~still].norm(dim=-1).mean() > 0.1


def test_each_sample_is_guided_by_itself(load):
    structure = load("1crn")
    guide = Guide(structure)
    points = torch.stack([torch.from_numpy(shaken(structure, 0.3, seed).positions).float() for seed in range(2)])
    together, alone = guide(points[None], 1.0), guide(points[None, 1:2], 1.0)
    assert torch.equal(together[:, 1:2], alone) and not torch.equal(alone, points[None, 1:2])
    assert torch.equal(guide.settle(points)[1:], guide.settle(points[1:]))


def test_a_step_leads_towards_right_chemistry_and_not_far(load):
    """Nothing is done above a level; far below it atoms are held where the network says."""
    structure = load("1crn")
    guide, points = Guide(structure), torch.from_numpy(shaken(structure, 0.3).positions).float()[None, None]
    before = float(guide.restraints.energy(points[0])[0])
    for level, least, farthest in ((0.01, 0.8, 0.3), (1.0, 0.3, 0.6)):
        moved = guide(points, level)
        assert float(guide.restraints.energy(moved[0])[0]) < least * before
        assert (moved - points).norm(dim=-1).median() < farthest
    assert guide(points, HIGHEST + 0.1) is points
