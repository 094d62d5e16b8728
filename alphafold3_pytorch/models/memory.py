"""Memory policy around the layers: recomputation in training, row-wise loops in inference."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from alphafold3_pytorch.nn.pair import PairBlock
from alphafold3_pytorch.shapes import Tensor


def recompute(module: nn.Module) -> None:
    """Store only the inputs of a module in training and run it again in the backward pass."""
    plain = module.forward

    def forward(*arguments: Any, **options: Any) -> Any:
        if module.training and torch.is_grad_enabled():
            return checkpoint(plain, *arguments, use_reentrant=False, **options)
        return plain(*arguments, **options)

    module.forward = forward


def recompute_blocks(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        recompute(module)


def in_rows(function: Callable[..., Tensor], rows: int, axis: int, *sliced: Any, **shared: Any) -> Tensor:
    """`function` on `rows` rows of its sliced arguments at a time; the results are written into one tensor."""
    size = sliced[0].shape[axis]
    if torch.is_grad_enabled() or size <= rows:
        return function(*sliced, **shared)
    result = None
    for start in range(0, size, rows):
        length = min(rows, size - start)
        part = function(*(None if x is None else x.narrow(axis, start, length) for x in sliced), **shared)
        if result is None:
            result = part.new_empty(*part.shape[:axis], size, *part.shape[axis + 1 :])
        result.narrow(axis, start, length).copy_(part)
    assert result is not None
    return result


def chunk_pair_blocks(network: nn.Module, rows: int) -> None:
    """In inference, transitions and triangle attentions of all pair blocks take `rows` rows of the pair at a time."""
    for block in network.modules():
        if isinstance(block, PairBlock):
            block.transition.forward = partial(in_rows, block.transition.forward, rows, 1)
            for attention in (block.starting, block.ending):
                setattr(attention, "attend", partial(_attend_in_rows, attention.attend, rows))  # noqa: B010


def _attend_in_rows(
    attend: Callable[..., Tensor], rows: int, x: Tensor, bias: Tensor, mask: Tensor | None = None
) -> Tensor:
    return in_rows(lambda x, rows=None: attend(x, bias, rows), rows, 1, x, mask)
