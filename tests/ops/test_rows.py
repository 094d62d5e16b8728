"""Loops over rows give what one call gives; `add` overwrites only for those who asked for it."""

import pytest
import torch

from alphafold3_pytorch import ops
from alphafold3_pytorch.ops.rows import row_budget


@pytest.mark.parametrize("axis,out_axis", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("budget", [1, 120, 10**9])
def test_groups_of_rows_give_the_same(axis, out_axis, budget):
    x, sizes = torch.randn(2, 5, 7, 3), []

    def function(part):
        sizes.append(part.shape[axis])
        return (part.movedim(axis, out_axis) if axis != out_axis else part) * 2

    with torch.no_grad(), row_budget(budget):
        result = ops.in_rows(function, x, width=4, axis=axis, out_axis=out_axis)
    assert torch.equal(result, (x.movedim(axis, out_axis) if axis != out_axis else x) * 2)
    assert sum(sizes) == x.shape[axis] and max(sizes) in ((1,) if budget == 1 else (2, 3, x.shape[axis]))


def test_add_keeps_its_argument_unless_the_caller_owns_it():
    x, update = torch.randn(3), torch.randn(3)
    expected = x + update
    assert torch.equal(ops.add(x, update), expected) and not torch.equal(x, expected)
    with ops.reusing():  # a gradient is wanted
        assert ops.add(x, update) is not x
    with torch.no_grad(), ops.reusing():
        assert ops.add(x, update) is x
    assert torch.equal(x, expected)
    with torch.no_grad():
        assert ops.add(x, update) is not x
