"""The mathematics inside the layers as functions: where fast kernels live next to their plain definitions."""

from alphafold3_pytorch.ops.attention import attention, window_attention
from alphafold3_pytorch.ops.elementwise import add, modulate, reusing, swiglu
from alphafold3_pytorch.ops.linear import channels_first, linear, product
from alphafold3_pytorch.ops.rows import in_rows
from alphafold3_pytorch.ops.triangle import triangle_multiplication

__all__ = [
    "add",
    "attention",
    "channels_first",
    "in_rows",
    "linear",
    "modulate",
    "product",
    "reusing",
    "swiglu",
    "triangle_multiplication",
    "window_attention",
]
