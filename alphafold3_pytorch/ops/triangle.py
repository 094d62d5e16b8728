"""The triangle product of AF3 Algorithms 12 and 13."""

from typing import Literal

import torch

from alphafold3_pytorch.shapes import Float, Tensor


def triangle_multiplication(
    left: Float[Tensor, "b c n n"], right: Float[Tensor, "b c n n"], mix: Literal["outgoing", "incoming"]
) -> Float[Tensor, "b c n n"]:
    """Channels first. Outgoing: sum_k left_ik right_jk. Incoming: sum_k left_ki right_kj."""
    if mix == "outgoing":
        return torch.matmul(left, right.transpose(-1, -2))
    return torch.matmul(left.transpose(-1, -2), right)
