"""Matrices of token pairs, taken together by chain: the tokens of a chain are consecutive."""

import numpy as np
from jaxtyping import Bool, Float, Int


def chain_starts(chain: Int[np.ndarray, "n"]) -> Int[np.ndarray, "c"]:
    """The first token of each chain."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(chain)) + 1])
    assert len(starts) == len(np.unique(chain)), "the tokens of a chain must be consecutive"
    return starts


def chain_sizes(starts: Int[np.ndarray, "c"], count: int) -> Int[np.ndarray, "c"]:
    return np.diff([*starts.tolist(), count])


def column_sums(matrix: np.ndarray, starts: Int[np.ndarray, "c"]) -> Float[np.ndarray, "n c"]:
    """For each row, the sum over the columns of each chain."""
    return np.add.reduceat(matrix, starts, axis=1, dtype=np.float64)


def best_rows(
    values: Float[np.ndarray, "n c"], starts: Int[np.ndarray, "c"], counted: Bool[np.ndarray, "n c"]
) -> Float[np.ndarray, "c c"]:
    """The largest counted value among the rows of each chain, for either of two chains; NaN without any."""
    best = np.maximum.reduceat(np.where(counted, values, -np.inf), starts, axis=0)
    best = np.maximum(best, best.T)
    return np.where(np.isneginf(best), np.nan, best)


def ratio(part: np.ndarray, whole: np.ndarray, without: float = 0.0) -> np.ndarray:
    """part / whole, and `without` where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), without), where=whole > 0)
