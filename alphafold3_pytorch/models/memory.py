"""Memory policy of training, around the layers: recomputation. (That of inference is `ops.rows`.)"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


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
