"""The mathematics inside the layers as functions: where fast kernels live next to their plain definitions."""

from alphafold3_pytorch.ops.attention import attention, window_attention
from alphafold3_pytorch.ops.elementwise import modulate, swiglu
from alphafold3_pytorch.ops.triangle import triangle_multiplication

__all__ = ["attention", "modulate", "swiglu", "triangle_multiplication", "window_attention"]
