"""Measures on many small groups of points at once: handedness, torsions, flatness, neighbours, rings pierced.

Everything is in Å and degrees, NumPy only, and finite for any finite points.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

TINY = 1e-9
CHUNK = 1 << 20  # candidate pairs looked at together
# Cells of a grid have one number each: z itself, so that a column of three cells is one range, and x and y times odd
# numbers, modulo 2^64. Far cells may share a number; the distance then tells them apart.
STRIDES = np.array([7046029254386353131, 3202034522624059733, 1], np.int64)
COLUMNS = np.array([(x, y, 0) for x, y in product((-1, 0, 1), repeat=2)])


def directions(vectors: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """The vectors at length 1; a zero vector stays what it is."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)


def handedness(points: Float[np.ndarray, "k 4 3"]) -> Float[np.ndarray, "k"]:
    """Volume spanned by the directions from the first point to the others: 0.77 for a tetrahedron, 0 if flat."""
    arms = directions(points[:, 1:] - points[:, :1])
    return (arms[:, 0] * np.cross(arms[:, 1], arms[:, 2])).sum(axis=-1)


def torsions(points: Float[np.ndarray, "k 4 3"]) -> Float[np.ndarray, "k"]:
    """Torsion angles, -180 to 180."""
    first, axis, last = (points[:, k + 1] - points[:, k] for k in range(3))
    left, right = np.cross(first, axis), np.cross(axis, last)
    sine = (np.cross(left, right) * directions(axis)).sum(axis=-1)
    return np.degrees(np.arctan2(sine, (left * right).sum(axis=-1)))


def off_plane(points: Float[np.ndarray, "k s 3"]) -> Float[np.ndarray, "k"]:
    """The largest distance of a point from the plane that fits its group best."""
    centred = points - points.mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(np.einsum("ksi,ksj->kij", centred, centred))
    return np.abs(np.einsum("ksi,ki->ks", centred, axes[:, :, 0])).max(axis=1)


def near(
    first: Float[np.ndarray, "n 3"], second: Float[np.ndarray, "m 3"], radius: float
) -> Iterator[tuple[Int[np.ndarray, "p"], Int[np.ndarray, "p"]]]:
    """Every pair no further apart than `radius`, as places in `first` and in `second`, a chunk at a time."""
    keys, cells = _cells(second, radius) @ STRIDES, _cells(first, radius)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    for column in COLUMNS:
        wanted = (cells + column) @ STRIDES
        start = np.searchsorted(keys, wanted - 1, side="left")
        count = np.searchsorted(keys, wanted + 1, side="right") - start
        for rows in _chunks(count):
            i, nth = repeated(count[rows])
            j = order[start[rows][i] + nth]
            i = i + rows.start
            close = ((first[i] - second[j]) ** 2).sum(axis=-1) <= radius**2
            yield i[close], j[close]


def repeated(count: Int[np.ndarray, "n"]) -> tuple[Int[np.ndarray, "p"], Int[np.ndarray, "p"]]:
    """Each place as often as its count says, with 0, 1, 2 ... beside it."""
    places = np.repeat(np.arange(len(count)), count)
    return places, np.arange(len(places)) - np.repeat(np.cumsum(count) - count, count)


def _chunks(count: Int[np.ndarray, "n"]) -> Iterator[slice]:
    """Runs of places whose counts come to about CHUNK, one place at the least."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    edges = np.unique(np.searchsorted(ends, np.arange(CHUNK, total, CHUNK), side="right")).tolist()
    return (slice(low, high) for low, high in zip([0, *edges], [*edges, len(count)], strict=True))


def _cells(points: Float[np.ndarray, "n 3"], size: float) -> Int[np.ndarray, "n 3"]:
    return np.clip(np.floor(points / size), -(2.0**52), 2.0**52).astype(np.int64)


def pierced(
    starts: Float[np.ndarray, "k 3"], ends: Float[np.ndarray, "k 3"], rings: Float[np.ndarray, "k s 3"]
) -> Bool[np.ndarray, "k"]:
    """Whether the line from start to end goes through the ring, seen as triangles around its centre.

    Möller and Trumbore (1997), Fast, minimum storage ray/triangle intersection.
    """
    centre = rings.mean(axis=1, keepdims=True)
    one, two = rings - centre, np.roll(rings, -1, axis=1) - centre
    along, from_centre = (ends - starts)[:, None], starts[:, None] - centre
    across, turned = np.cross(along, two), np.cross(from_centre, one)
    size = (one * across).sum(axis=-1)
    scale = 1 / np.where(np.abs(size) > TINY, size, np.inf)
    u, v, t = (scale * (a * b).sum(axis=-1) for a, b in ((from_centre, across), (along, turned), (two, turned)))
    return ((scale != 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= 0) & (t <= 1)).any(axis=1)
