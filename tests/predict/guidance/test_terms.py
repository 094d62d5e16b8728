"""The terms of the restraint energy against the NumPy measures of the chemistry check, and against differences."""

import numpy as np
import pytest
import torch

from alphafold3_pytorch.predict.chemistry import measure
from alphafold3_pytorch.predict.guidance.contacts import Contacts
from alphafold3_pytorch.predict.guidance.minimise import minimise
from alphafold3_pytorch.predict.guidance.restraints import Restraints
from alphafold3_pytorch.predict.guidance.terms import LARGE, cosines, handedness, soft, thickness
from alphafold3_pytorch.structure.geometry import random_rotation
from tests.predict.chemistry_samples import drawn


def groups(size: int) -> torch.Tensor:
    return torch.randn(50, size, 3, dtype=torch.float64)


def test_hands_and_torsions_are_those_of_the_check():
    points = groups(4)
    np.testing.assert_allclose(handedness(points), measure.handedness(points.numpy()), atol=1e-9)
    np.testing.assert_allclose(cosines(points), np.cos(np.radians(measure.torsions(points.numpy()))), atol=1e-9)


@pytest.mark.parametrize("size", [4, 5, 6, 9])
def test_thickness_is_the_smallest_moment(size):
    points = groups(size) * torch.tensor([1.0, 1.0, 0.4], dtype=torch.float64)
    centred = points - points.mean(dim=1, keepdim=True)
    moments = torch.linalg.eigvalsh(centred.mT @ centred)
    found = thickness(points)
    assert (found >= moments[:, 0] - 1e-9).all()  # of any plane
    apart = moments[:, 0] < 0.8 * moments[:, 1]
    assert apart.sum() > 20
    torch.testing.assert_close(found[apart], moments[apart, 0], rtol=1e-6, atol=1e-9)


def test_a_flat_group_is_flat_in_single_precision():
    flat = torch.randn(20, 6, 3) * torch.tensor([1.0, 1.0, 0.0]) @ random_rotation((20,)).float()
    assert (thickness(flat) < 1e-9).all()


def test_small_deviations_are_squared_and_large_ones_are_not():
    off = torch.tensor([0.0, 0.1, 1e4])
    torch.testing.assert_close(soft(off), torch.tensor([0.0, 0.005, LARGE * 1e4]), rtol=1e-3, atol=1e-9)


@pytest.fixture(scope="module")
def shaken() -> tuple[Restraints, Contacts, torch.Tensor]:
    """Residues of all kinds near one another, far from ideal, in double precision."""
    structure = drawn("TRP", "ARG", "A", "NAG", "RET", apart=4.0)
    restraints = Restraints.of(structure)
    noise = np.random.default_rng(0).normal(size=(len(structure), 3))
    points = torch.from_numpy(structure.positions + 0.2 * noise)
    return restraints, restraints.contacts(points), points


def test_gradients_are_differences(shaken):
    restraints, contacts, points = shaken
    assert all(float(value) > 0 for kind, value in restraints.terms(points, contacts).items() if kind in TERMS)
    for kind in TERMS:
        at = lambda x, kind=kind: restraints.terms(x, contacts)[kind]  # noqa: E731
        (slope,) = torch.autograd.grad(at(points.requires_grad_()), points)
        for seed in range(5):
            along = torch.randn(points.shape, dtype=points.dtype, generator=torch.Generator().manual_seed(seed))
            change = (at(points + 1e-6 * along) - at(points - 1e-6 * along)).detach() / 2e-6
            torch.testing.assert_close((slope * along).sum(), change, rtol=1e-4, atol=1e-3)


TERMS = ("bonds", "angles", "centres", "turns", "planes", "clashes")


def test_the_energy_does_not_know_where_it_is(shaken):
    restraints, _, points = shaken
    moved = points.detach() @ random_rotation(()).double() + torch.tensor([30.0, -20.0, 5.0])
    torch.testing.assert_close(*restraints.energy(torch.stack([points.detach(), moved])), rtol=1e-5, atol=0)


def test_a_mirror_image_has_other_hands_and_nothing_else(shaken):
    restraints, _, points = shaken
    (one, other) = (restraints.terms(x, restraints.contacts(x)) for x in (points.detach(), -points.detach()))
    differ = {kind for kind in one if not torch.isclose(one[kind], other[kind], rtol=1e-5)}
    assert differ == {"centres"}


def test_minimisation_finds_the_bottom_of_a_valley():
    """Rosenbrock's, of which the third coordinate is left alone; and an atom that may not move stays."""

    def energy(x: torch.Tensor) -> torch.Tensor:
        return ((1 - x[:, 0]).square() + 100 * (x[:, 1] - x[:, 0].square()).square()).sum()

    start = torch.tensor([[-1.2, 1.0, 7.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    found = minimise(energy, start, torch.tensor([True, False]), 500, 10.0)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1.0, 7.0]).double(), rtol=0, atol=0.01)
    assert torch.equal(found[1], start[1])
