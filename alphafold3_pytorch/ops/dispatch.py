"""Which kernel runs: the first that can. `AF3_KERNELS=reference` takes the plain PyTorch definition everywhere."""

import os

import torch

from alphafold3_pytorch.shapes import Tensor


def reference_only() -> bool:
    return os.environ.get("AF3_KERNELS", "").lower() == "reference"


def plain_inference(*tensors: Tensor | None) -> bool:
    """float32 on a CPU, no gradient wanted, no autocast, and not being traced."""
    if torch.is_grad_enabled() or reference_only() or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    return all(x is None or (x.dtype == torch.float32 and x.device.type == "cpu") for x in tensors)
