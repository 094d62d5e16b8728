"""Accessible surface: whole numbers of Å² equal to DSSP's, and the laws of a rolling sphere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.predict.scores.accessibility import (
    MAXIMUM,
    RADII,
    ChainAtoms,
    accessible_areas,
    atom_areas,
    fraction_disordered,
    protein_chains,
    relative_areas,
    smoothed,
    sphere,
)
from tests.predict.samples import golden_sample, golden_scores

BACKBONE = np.array([[0.0, 0, 0], [1.46, 0, 0], [2.0, 1.42, 0], [1.25, 2.4, 0]])  # N CA C O


def glycines(*places):
    """A chain of glycines, each moved to a place (Å)."""
    positions = np.concatenate([BACKBONE + place for place in places])
    residue = np.repeat(np.arange(len(places)), 4)
    return ChainAtoms(("GLY",) * len(places), residue, np.array([*RADII] * len(places)), positions)


@pytest.mark.parametrize("number", range(4))
def test_areas_are_those_of_dssp(number):
    scores = golden_scores(number)
    for name, chain in zip("AB", protein_chains(golden_sample(number).structure), strict=True):
        residues, areas = accessible_areas(chain)
        assert residues.tolist() == list(range(len(chain.codes)))
        np.testing.assert_array_equal(areas, scores[f"dssp_acc_{name}"])
        relative = smoothed(relative_areas(areas, chain.codes))
        np.testing.assert_allclose(relative, scores[f"windowed_rasa_{name}"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("number", range(4))
def test_fraction_disordered(number):
    found = fraction_disordered(protein_chains(golden_sample(number).structure))
    assert found == golden_scores(number)["fraction_disordered"]


def test_the_dots_lie_evenly_on_the_sphere():
    dots = sphere(401)
    np.testing.assert_allclose(np.linalg.norm(dots, axis=1), 1.0)
    np.testing.assert_allclose(dots.mean(axis=0), 0.0, atol=2e-3)
    np.testing.assert_allclose(dots.T @ dots / len(dots), np.eye(3) / 3, atol=2e-3)


def test_residues_far_apart_do_not_hide_each_other():
    """One glycine alone has what each of two has at any distance, and more than either has at 4 Å."""
    alone = accessible_areas(glycines([0, 0, 0]))[1][0]
    for distance in (20.0, 1e3, 1e5):  # the last in single precision
        areas = accessible_areas(glycines([0, 0, 0], [distance, 0, -distance]))[1]
        np.testing.assert_allclose(areas, alone, atol=2 if distance > 1e4 else 0)
    assert (accessible_areas(glycines([0, 0, 0], [0, 0, 4]))[1] < alone).all()


def test_cubes_do_not_matter():
    positions = np.random.default_rng(0).normal(size=(150, 3)) * 6
    whole, parts = (atom_areas(positions, np.full(150, 1.8), 101, side) for side in (500.0, 5.0))
    np.testing.assert_allclose(parts, whole)


def test_the_surface_of_one_glycine_against_the_integral():
    """A million random directions instead of the 401 dots."""
    chain = glycines([0, 0, 0])
    radii = np.array([*RADII.values()]) + 1.4
    direction = np.random.default_rng(0).normal(size=(250_000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    area = 0.0
    for atom in range(4):
        points = chain.positions[atom] + radii[atom] * direction
        others = [other for other in range(4) if other != atom]
        free = np.all([np.linalg.norm(points - chain.positions[o], axis=1) > radii[o] for o in others], axis=0)
        area += free.mean() * 4 * np.pi * radii[atom] ** 2
    assert accessible_areas(chain)[1][0] == pytest.approx(area, abs=1.5)


def test_a_residue_without_its_backbone_is_left_out():
    chain = glycines([0, 0, 0], [30, 0, 0], [60, 0, 0])
    kept = np.arange(12) != 5  # the second CA
    residues, _ = accessible_areas(chain._replace(**{name: getattr(chain, name)[kept] for name in chain._fields[1:]}))
    assert residues.tolist() == [0, 2]
    nothing = chain._replace(names=np.full(12, "CB"))
    assert len(accessible_areas(nothing)[0]) == 0
    assert fraction_disordered([nothing]) == 0.0
    assert fraction_disordered([]) == 0.0


def test_equal_sequences_are_measured_once():
    open_, packed = glycines(*[[20 * k, 0, 0] for k in range(30)]), glycines(*[[0.0, 0, 0.3 * k] for k in range(30)])
    assert fraction_disordered([open_]) == 1.0
    assert fraction_disordered([packed]) < 1.0
    assert fraction_disordered([open_, packed]) == 1.0
    assert fraction_disordered([open_, packed._replace(codes=("ALA",) * 30)]) < 1.0


def test_relative_area_is_at_most_one_and_unknown_residues_count_as_alanine():
    found = relative_areas(np.array([53, 53, 9999]), ["ALA", "SEP", "TRP"])
    assert found.tolist() == [0.5, 0.5, 1.0]
    assert len(MAXIMUM) == 20


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_smoothing_keeps_the_range_and_a_constant(values):
    found = smoothed(np.array(values))
    assert len(found) == len(values)
    assert (found >= min(values) - 1e-9).all() and (found <= max(values) + 1e-9).all()
    np.testing.assert_allclose(smoothed(np.full(len(values), values[0])), values[0])
