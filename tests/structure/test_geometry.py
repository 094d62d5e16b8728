"""Geometry against laws that any right implementation obeys and against plain numpy loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.structure.geometry import (
    CentreRandomAugmentation,
    ComputeAlignmentError,
    ExpressCoordinatesInFrame,
    RigidFrom3Points,
    RigidFromReference3Points,
    WeightedRigidAlign,
    fit_rigid,
    random_rotation,
    rigid_from_3_points,
    rotate,
    rotation_from_quaternion,
    row_chunks,
    weighted_rigid_align,
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def assert_proper(rotation, tol=1e-5):
    eye = torch.eye(3, dtype=rotation.dtype).expand_as(rotation)
    torch.testing.assert_close(rotation @ rotation.mT, eye, atol=tol, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(rotation.shape[:-2], dtype=rotation.dtype))


# Random motions


def test_quarter_turn_about_z():
    turn = rotation_from_quaternion(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(turn, torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))


def test_random_rotations_are_uniform_on_so3(generator):
    count = 40_000
    rotation = random_rotation((count,), generator, dtype=torch.float64)
    assert_proper(rotation, 1e-12)
    # Haar measure: E[R_ij] = 0, E[R_ij^2] = 1/3 (variance 4/45), E[trace] = 0, E[trace^2] = 1
    assert rotation.mean(0).abs().max() < 5 * (1 / 3 / count) ** 0.5
    assert (rotation.square().mean(0) - 1 / 3).abs().max() < 5 * (4 / 45 / count) ** 0.5
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(trace.mean()) < 5 / count**0.5 and abs(trace.square().mean() - 1) < 5 * (2 / count) ** 0.5
    # the angle has density (1 - cos a) / pi on [0, pi]
    angle = np.sort(((trace - 1) / 2).clamp(-1, 1).acos().numpy())
    distance = np.abs((angle - np.sin(angle)) / np.pi - np.arange(count) / count).max()
    assert distance < 1.95 / count**0.5  # Kolmogorov-Smirnov at p = 0.001


def test_augmentation_centres_rotates_and_shifts(generator):
    coords = 7 + 5 * torch.randn(2000, 4, 3, generator=generator)
    moved = CentreRandomAugmentation(trans_scale=2.5)(coords, generator=generator)
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(coords, coords), atol=1e-4, rtol=1e-4)
    centre = moved.mean(1)
    assert centre.mean(0).abs().max() < 0.3 and (centre.std(0) - 2.5).abs().max() < 0.2
    torch.testing.assert_close(
        CentreRandomAugmentation(trans_scale=0.0)(coords).mean(1), torch.zeros(2000, 3), atol=1e-4, rtol=0
    )


def test_augmentation_ignores_padding(generator):
    coords, mask = torch.randn(3, 6, 3), torch.arange(6) < torch.tensor([[6], [4], [0]])
    seed = generator.get_state()
    plain = CentreRandomAugmentation()(coords, mask, generator)
    coords[~mask] = torch.nan
    padded = CentreRandomAugmentation()(coords, mask, generator.set_state(seed))
    torch.testing.assert_close(plain, padded)
    assert (padded[~mask] == 0).all()


def test_every_copy_gets_its_own_motion_and_a_seed_repeats_it():
    coords = torch.randn(1, 1, 5, 3).expand(2, 4, 5, 3)
    first, second = (CentreRandomAugmentation()(coords, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert (first.flatten(0, 1)[:, None] - first.flatten(0, 1)[None]).abs().amax((2, 3)).fill_diagonal_(1).min() > 0.01


# Best fit


def test_random_move_then_align_gives_the_original_back(generator):
    coords, weights = 10 * torch.randn(3, 5, 20, 3, generator=generator), torch.rand(3, 5, 20, generator=generator)
    moved = CentreRandomAugmentation(trans_scale=50.0)(coords, generator=generator)
    torch.testing.assert_close(weighted_rigid_align(moved, coords, weights), coords, atol=1e-4, rtol=0)
    torch.testing.assert_close(WeightedRigidAlign()(moved, coords, weights), moved, atol=1e-4, rtol=0)


def test_align_does_not_reflect(generator):
    coords = torch.randn(8, 12, 3, generator=generator)
    mirror = coords * torch.tensor([1.0, 1.0, -1.0])
    rotation, _ = fit_rigid(mirror, coords, torch.ones(8, 12))
    assert_proper(rotation)
    assert (weighted_rigid_align(mirror, coords) - coords).square().sum(-1).mean() > 0.1


def test_align_is_optimal(generator):
    """No small rotation or shift on top of the fit brings the points nearer."""
    mobile, target = torch.randn(2, 1, 9, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(1, 9, generator=generator, dtype=torch.float64)
    best = weighted_rigid_align(mobile, target, weights)
    cost = lambda x: (weights[..., None] * (x - target).square()).sum((-2, -1))  # noqa: E731
    small = torch.cat([torch.ones(500, 1), 0.01 * torch.randn(500, 3, generator=generator)], -1).double()
    shift = 0.01 * torch.randn(500, 1, 3, generator=generator)
    assert (cost(rotate(best, rotation_from_quaternion(small))) >= cost(best)).all()
    assert (cost(best + shift) >= cost(best)).all()


def test_weights_and_mask_choose_the_points(generator):
    coords = torch.randn(2, 10, 3, generator=generator)
    moved = CentreRandomAugmentation()(coords, generator=generator)
    mask = torch.arange(10) < torch.tensor([[6], [8]])
    broken = torch.where(mask[..., None], moved, 5 * torch.randn(2, 10, 3, generator=generator))
    torch.testing.assert_close(
        weighted_rigid_align(broken, coords, mask.float())[mask], coords[mask], atol=1e-5, rtol=0
    )
    broken[~mask] = torch.nan
    aligned = weighted_rigid_align(broken, coords, mask=mask)
    torch.testing.assert_close(aligned, coords * mask[..., None], atol=1e-5, rtol=0)


@settings(deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.sampled_from(["zero", "line", "plane", "any"]),
)
def test_align_is_finite_and_proper_whatever_is_there(points, present, kind):
    mobile, target = torch.randn(2, 1, points, 3)
    flat = {"zero": [0, 0, 0], "line": [1, 0, 0], "plane": [1, 1, 0], "any": [1, 1, 1]}[kind]
    mobile, mask = mobile * torch.tensor(flat), torch.tensor(present[:points])[None]
    rotation, translation = fit_rigid(mobile, target, mask.float())
    assert_proper(rotation.double())
    assert translation.isfinite().all()
    assert weighted_rigid_align(mobile, target, mask=mask).isfinite().all()


def test_without_weight_nothing_moves():
    mobile, target = torch.randn(2, 2, 5, 3)
    torch.testing.assert_close(weighted_rigid_align(mobile, target, torch.zeros(2, 5)), mobile)


def test_align_keeps_out_of_the_gradient_and_of_other_examples():
    mobile, target = torch.randn(2, 2, 5, 3).requires_grad_().unbind(0)
    target = torch.where(torch.tensor([True, False])[:, None, None], target, torch.nan)
    aligned = WeightedRigidAlign()(target, mobile)
    assert not aligned.requires_grad
    assert aligned[0].isfinite().all() and aligned[1].isnan().all()
    torch.testing.assert_close(aligned[0], WeightedRigidAlign()(target[:1], mobile[:1])[0])


def test_autocast_and_half_precision_do_not_round():
    coords = 100 * torch.randn(2, 30, 3)
    moved = CentreRandomAugmentation()(coords)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        aligned = weighted_rigid_align(moved, coords)
    torch.testing.assert_close(aligned, coords, atol=1e-3, rtol=0)
    assert CentreRandomAugmentation()(coords.bfloat16()).dtype == torch.float32


# Frames


def test_rigid_puts_the_points_where_algorithm_21_says(generator):
    points = torch.randn(4, 5, 3, 3, generator=generator)
    rotation, origin = rigid_from_3_points(points)
    assert_proper(rotation)
    local = rotate(points - origin.unsqueeze(-2), rotation.mT)
    first, middle, third = local.unbind(-2)
    torch.testing.assert_close(middle, torch.zeros_like(middle))
    torch.testing.assert_close(third[..., 1:], torch.zeros_like(third[..., 1:]), atol=1e-5, rtol=0)
    torch.testing.assert_close(first[..., 2], torch.zeros_like(first[..., 2]), atol=1e-5, rtol=0)
    assert (third[..., 0] > 0).all() and (first[..., 1] > 0).all()


@pytest.mark.parametrize("module", [RigidFrom3Points, RigidFromReference3Points])
def test_rigid_batched_is_single_and_tuple_is_tensor(module, generator):
    points = torch.randn(3, 4, 3, 3, generator=generator)
    rotation, origin = module()(points)
    from_tuple = module()(tuple(points.unbind(-2)))
    torch.testing.assert_close((rotation, origin), from_tuple)
    for i, j in np.ndindex(3, 4):
        torch.testing.assert_close(module()(points[i, j]), (rotation[i, j], origin[i, j]))


def test_rigid_is_finite_without_a_direction():
    points = torch.zeros(3, 3, 3)
    points[1, :, 0], points[2, 0] = torch.tensor([0.0, 1.0, 2.0]), torch.nan
    points.requires_grad_()
    rotation, _ = rigid_from_3_points(points)
    rotation[:2].sum().backward()
    assert rotation[:2].isfinite().all() and points.grad is not None and points.grad[:2].isfinite().all()


def numpy_in_frame(x, frame):
    """Algorithm 29 for one position, written out."""
    a, b, c = frame
    w1, w2 = (a - b) / np.linalg.norm(a - b), (c - b) / np.linalg.norm(c - b)
    e1 = (w1 + w2) / np.linalg.norm(w1 + w2)
    e2 = (w2 - w1) / np.linalg.norm(w2 - w1)
    d = x - b
    return np.array([d @ e1, d @ e2, d @ np.cross(e1, e2)])


def test_express_coordinates_against_a_loop(generator):
    coords = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    frame = torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64)
    express = ExpressCoordinatesInFrame()
    expected = [[numpy_in_frame(coords[b, n].numpy(), frame[b, n].numpy()) for n in range(4)] for b in range(2)]
    torch.testing.assert_close(express(coords, frame), torch.tensor(np.array(expected)))
    per_example = express(coords, frame[:, 0])
    torch.testing.assert_close(per_example, express(coords, frame[:, :1].expand_as(frame)))
    torch.testing.assert_close(express(coords[:1], frame[0, 0]), per_example[:1])


def test_alignment_error_against_a_loop(generator):
    pred, true = torch.randn(2, 2, 5, 3, generator=generator, dtype=torch.float64)
    pred_frames, true_frames = torch.randn(2, 2, 5, 3, 3, generator=generator, dtype=torch.float64)
    expected = np.zeros((2, 5, 5))
    for b, i, j in np.ndindex(2, 5, 5):
        seen = numpy_in_frame(pred[b, j].numpy(), pred_frames[b, i].numpy())
        truth = numpy_in_frame(true[b, j].numpy(), true_frames[b, i].numpy())
        expected[b, i, j] = np.sqrt(((seen - truth) ** 2).sum() + 1e-8)
    error = ComputeAlignmentError()(pred, true, pred_frames, true_frames)
    torch.testing.assert_close(error, torch.tensor(expected))
    torch.testing.assert_close(ComputeAlignmentError(budget=1)(pred, true, pred_frames, true_frames), error)


def test_alignment_error_of_a_moved_structure_is_zero(generator):
    atoms = 5 * torch.randn(2, 6, 3, 3, generator=generator)
    moved = CentreRandomAugmentation()(atoms.flatten(1, 2), generator=generator).unflatten(1, (6, 3))
    error = ComputeAlignmentError()(moved[:, :, 1], atoms[:, :, 1], moved, atoms)
    assert error.max() < 1e-3  # and not below sqrt(eps)
    assert error.min() >= 1e-4 * 0.999


def test_alignment_error_outside_the_mask_is_zero(generator):
    atoms = torch.randn(2, 1, 6, 3, 3, generator=generator)
    mask = torch.arange(6)[None] < 4
    atoms[:, ~mask] = torch.nan
    pred, true = atoms.requires_grad_()
    error = ComputeAlignmentError()(pred[:, :, 1], true[:, :, 1], pred, true, mask)
    assert (error[:, 4:] == 0).all() and (error[:, :, 4:] == 0).all()
    short = ComputeAlignmentError()(pred[:, :4, 1], true[:, :4, 1], pred[:, :4], true[:, :4])
    torch.testing.assert_close(error[:, :4, :4], short)
    error.sum().backward()
    assert atoms.grad is not None and atoms.grad.isfinite().all()


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 200))
def test_row_chunks_cover_all_rows_once(rows, size, budget):
    chunks = list(row_chunks(rows, size, budget))
    assert [row for i, j in chunks for row in range(i, j)] == list(range(rows))
    assert all(j - i == 1 or (j - i) * size <= budget for i, j in chunks)
