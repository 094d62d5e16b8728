"""Moves predicted atoms to where chemistry allows them: while a sample forms, and at its end."""

from alphafold3_pytorch.predict.guidance.guide import Guide
from alphafold3_pytorch.predict.guidance.restraints import Restraints

__all__ = ["Guide", "Restraints"]
