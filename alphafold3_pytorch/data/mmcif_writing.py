"""Writing mmCIF under the import path of the original package."""

from alphafold3_pytorch.predict.writer.biomolecule import write_mmcif

__all__ = ["write_mmcif"]
