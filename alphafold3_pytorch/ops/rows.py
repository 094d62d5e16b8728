"""Row-wise loops: the same numbers with less memory in flight, and on a CPU from a cache instead of from memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from alphafold3_pytorch.shapes import Tensor

# Elements of the widest intermediate of a group of rows: what a CPU's cache holds; elsewhere only memory counts.
_budgets = {"cpu": 2**19, "other": 2**28}

# Where the work is counted and not done (predict.accounting): takes a group of rows, and how many more there are.
_sampled: Callable[[Callable[[], Tensor], int], None] | None = None


@contextmanager
def sampling(count: Callable[[Callable[[], Tensor], int], None]) -> Iterator[None]:
    """Of all loops over rows only the first group is run; `count` hears of the others."""
    global _sampled
    before, _sampled = _sampled, count
    try:
        yield
    finally:
        _sampled = before


@contextmanager
def row_budget(elements: int) -> Iterator[None]:
    """Another size of the groups of rows: fewer elements at a time need less memory, on any device."""
    before = dict(_budgets)
    _budgets.update(cpu=elements, other=elements)
    try:
        yield
    finally:
        _budgets.update(before)


def budget_of(device: torch.device) -> int:
    """Elements of the widest intermediate of a group of rows."""
    return _budgets["cpu" if device.type == "cpu" else "other"]


def in_rows(
    function: Callable[..., Tensor], *rows: Tensor | None, width: int, axis: int = 1, out_axis: int = 1
) -> Tensor:
    """`function(*rows)`, on groups of consecutive rows where no gradient is wanted.

    `rows` are cut along `axis`, the result is put together along `out_axis`. `width` is the number of channels of the
    widest intermediate.
    """
    first = rows[0]
    assert first is not None
    size = first.shape[axis]
    per_row = first.numel() // max(1, size * first.shape[-1]) * width
    step = max(1, budget_of(first.device) // max(1, per_row))
    if torch.is_grad_enabled() or size <= step:
        return function(*rows)
    result = None
    starts = range(0, size, step)
    if _sampled is not None:
        _sampled(lambda: function(*(None if x is None else x.narrow(axis, 0, step) for x in rows)), len(starts) - 1)
        starts = starts[:1]
    for start in starts:
        length = min(step, size - start)
        part = function(*(None if x is None else x.narrow(axis, start, length) for x in rows))
        if result is None:
            result = part.new_empty(*part.shape[:out_axis], size, *part.shape[out_axis + 1 :])
        result.narrow(out_axis, start, length).copy_(part)
    assert result is not None
    return result
