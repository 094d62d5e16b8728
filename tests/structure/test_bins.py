"""Bins against numpy's digitize and the numbers printed in the supplement."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from alphafold3_pytorch.structure.bins import (
    bin_centres,
    bin_edges,
    bin_index,
    distogram_edges,
    edges_from_lower,
    edges_from_upper,
    error_edges,
)


def test_error_bins_are_half_an_angstrom_with_centres_from_a_quarter():
    torch.testing.assert_close(bin_centres(error_edges()), 0.25 + 0.5 * torch.arange(64.0))
    values = torch.tensor([0.0, 0.49, 0.5, 31.4, 31.5, 1000.0])
    assert bin_index(values, error_edges()).tolist() == [0, 0, 1, 62, 63, 63]


def test_distogram_bins_take_in_what_lies_outside():
    assert len(bin_centres(distogram_edges())) == 64
    assert bin_index(torch.tensor([0.0, 2.3, 2.32, 21.68, 21.69, 50.0]), distogram_edges()).tolist() == [
        0,
        0,
        1,
        62,
        63,
        63,
    ]


def test_edges_from_one_side():
    torch.testing.assert_close(edges_from_upper(torch.linspace(0.5, 32, 64)), error_edges())
    torch.testing.assert_close(edges_from_lower(torch.linspace(0, 31.5, 64)), error_edges())


@given(st.lists(st.floats(-5, 40, width=32), min_size=1, max_size=20), st.integers(2, 70))
def test_every_value_lies_in_its_bin(values, count):
    edges = bin_edges(0.0, 32.0, count)
    expected = np.clip(np.digitize(np.float32(values), edges.numpy()) - 1, 0, count - 1)
    assert bin_index(torch.tensor(values), edges).tolist() == expected.tolist()
