"""Measures against brute force, other definitions, and shapes whose measures are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.predict.chemistry import measure

TETRAHEDRON = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1]], float)
HEXAGON = np.stack([np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3), np.zeros(6)], axis=1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.1, 5.0), st.integers(0, 1000))
def test_near_finds_every_pair_once(first, second, radius, seed):
    random = np.random.default_rng(seed)
    a, b = (random.uniform(-6, 6, (count, 3)) for count in (first, second))
    found = [pair for i, j in measure.near(a, b, radius) for pair in zip(i.tolist(), j.tolist(), strict=True)]
    close = np.linalg.norm(a[:, None] - b[None], axis=-1) <= radius
    assert sorted(found) == sorted(map(tuple, np.argwhere(close).tolist()))


def test_near_comes_in_chunks_that_leave_nothing_out(monkeypatch):
    monkeypatch.setattr(measure, "CHUNK", 7)
    points = np.random.default_rng(0).uniform(0, 3, (40, 3))
    chunks = list(measure.near(points, points, 1.0))
    assert len(chunks) > 20
    assert sum(len(i) for i, _ in chunks) == (np.linalg.norm(points[:, None] - points[None], axis=-1) <= 1).sum()


def test_handedness():
    mirrored = TETRAHEDRON * [1, 1, -1]
    flat = np.array([[0, 0, 0], [1, 0, 0], [-1, 2, 0], [-1, -2, 0]], float)
    ideal = 4 / 3**1.5
    assert measure.handedness(np.stack([TETRAHEDRON, mirrored, flat])) == pytest.approx([ideal, -ideal, 0])


@pytest.mark.parametrize("angle", [-170.0, -90.0, 0.0, 60.0, 179.0])
def test_torsions(angle):
    """Seen along the axis, the last point is clockwise of the first (IUPAC)."""
    turn = np.radians(angle)
    points = np.array([[[1, 0, 0], [0, 0, 0], [0, 0, -1], [np.cos(turn), -np.sin(turn), -1]]])
    assert measure.torsions(points) == pytest.approx([angle])


def test_off_plane():
    lifted = HEXAGON + [[0, 0, height] for height in (0.3, -0.3) * 3]
    assert measure.off_plane(np.stack([HEXAGON, lifted])) == pytest.approx([0, 0.3], abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "through"),
    [
        ([0, 0, -1], [0, 0, 1], True),
        ([0.5, 0.3, 1], [0.2, 0.1, -0.2], True),
        ([0, 0, 0.1], [0, 0, 1], False),  # ends above
        ([2, 0, -1], [2, 0, 1], False),  # outside
        ([0.3, 0.2, 0], [0.1, 0.2, 0], False),  # in the plane
        ([0, 0, 0], [0, 0, 0], False),
    ],
)
def test_pierced(start, end, through):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    starts, ends = (np.array([point], float) @ turn + 7 for point in (start, end))
    assert measure.pierced(starts, ends, (HEXAGON @ turn + 7)[None]).tolist() == [through]
