"""Randomness that depends on numbers alone: the same step, or the same example, draws the same whenever it is made.

A run that is resumed goes on exactly, whatever the number of workers, and no generator's state has to be stored.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

STEP, EXAMPLE, ORDER, VALIDATION = range(4)  # what a stream is for


def mixed(*numbers: int) -> int:
    """One seed of several numbers; neighbours have nothing in common."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0]) >> 1


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """While it lasts, the global generators of Python, NumPy and PyTorch start from these numbers."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = mixed(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
