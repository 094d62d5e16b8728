"""What a computation costs, found by running it on tensors without data: operations, and the most memory held at once.

It counts the storages that are alive after each operation. Attention counts as a fused kernel, which holds no logits.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from alphafold3_pytorch.ops.rows import sampling


@dataclass(frozen=True)
class Cost:
    flops: float
    memory: int  # bytes, beside the arguments'

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other."""
        return Cost(self.flops + other.flops, max(self.memory, other.memory))

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.flops * times, self.memory)


class _Storages(TorchDispatchMode):
    """Adds up the storages that operations make, until nobody holds them any more."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.peak = 0
        self.seen: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                self._watch(tensor.untyped_storage(), counted=False)  # not made here: a parameter, an argument
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._watch(tensor.untyped_storage())
        self.peak = max(self.peak, self.held)
        return result

    def _watch(self, storage: torch.UntypedStorage, counted: bool = True) -> None:
        key = storage._cdata
        if key in self.seen:
            return
        size = storage.nbytes() if counted else 0
        self.held += size
        self.seen[key] = weakref.ref(storage, lambda _: self._release(key, size))

    def _release(self, key: int, size: int) -> None:
        del self.seen[key]
        self.held -= size


class _FusedAttention(TorchFunctionMode):
    """Scaled dot-product attention makes nothing but its result."""

    flops = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = args[:3]
        *lead, length, width = query.shape
        self.flops += 2 * torch.Size(lead).numel() * length * key.shape[-2] * (width + value.shape[-1])
        return query.new_empty(*lead, length, value.shape[-1])


def cost(function: Callable[..., Any], *arguments: Any) -> Cost:
    """Of a call with tensors on the device `meta`."""
    return measured(function, *arguments)[0]


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[Cost, Any]:
    """The cost of such a call and what it returns."""
    products, storages, fused = FlopCounterMode(display=False), _Storages(), _FusedAttention()
    flops = lambda: products.get_total_flops() + fused.flops  # noqa: E731
    further = 0

    def repeat(group: Callable[[], Tensor], times: int) -> None:
        nonlocal further
        before = flops() + further
        group()
        further += (flops() + further - before) * (times - 1)

    with torch.no_grad(), products, storages, fused, sampling(repeat):
        result = function(*arguments)
    return Cost(float(flops() + further), storages.peak), result
