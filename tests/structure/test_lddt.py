"""lDDT between two groups of atoms against a numpy loop."""

import numpy as np
import pytest
import torch

from alphafold3_pytorch.structure.lddt import group_lddt


def numpy_lddt(predicted, true, first, second, cutoff):
    """lDDT of two groups, pair by pair."""
    passed = []
    for i, j in np.ndindex(len(true), len(true)):
        distance = np.linalg.norm(true[i] - true[j])
        if first[i] and second[j] and i != j and distance < max(cutoff[i], cutoff[j]):
            error = abs(distance - np.linalg.norm(predicted[i] - predicted[j]))
            passed.append(np.mean([error < limit for limit in (0.5, 1, 2, 4)]))
    return np.mean(passed) if passed else np.nan


@pytest.mark.parametrize("budget", [2**21, 40])
def test_group_lddt_against_a_loop(budget):
    true = 8 * torch.randn(30, 3)
    predicted = true + torch.randn(30, 3)
    first, second = torch.rand(30) < 0.5, torch.rand(30) < 0.5
    cutoff = torch.where(torch.rand(30) < 0.3, 30.0, 10.0)
    arrays = [x.numpy() for x in (predicted, true, first, second, cutoff)]
    found = group_lddt(predicted, true, first, second, cutoff, budget)
    assert found.item() == pytest.approx(numpy_lddt(*arrays), abs=1e-6)
    assert group_lddt(true, true, first, second, cutoff).item() == 1.0
    assert group_lddt(true, true, first, torch.zeros(30).bool(), cutoff).isnan()
