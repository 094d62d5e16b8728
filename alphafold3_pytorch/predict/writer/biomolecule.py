"""The README's way from sampled positions to a file: an Alphafold3Input and positions to mmCIF."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from alphafold3_pytorch.features.atom_input import OPTIONS
from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from alphafold3_pytorch.structure.table import Structure
from alphafold3_pytorch.weights.atomic import replacing


@dataclass(frozen=True, eq=False)
class Biomolecule:
    """A structure with positions, and what its B-factors shall be."""

    structure: Structure
    b_factors: Float[np.ndarray, "m"] | None = None

    def to_mmcif(self, file_id: str = "model") -> str:
        """The mmCIF text."""
        return mmcif_text(self.structure, file_id, self.b_factors)


def alphafold3_input_to_biomolecule(
    alphafold3_input: Alphafold3Input, atom_positions: Any, b_factors: Any = None
) -> Biomolecule:
    """`atom_positions` [m 3] as `Alphafold3.forward` samples them, without padding; `b_factors` [m], such as pLDDT."""
    structure = build(alphafold3_input.to_job(), OPTIONS.build)
    positions = np.asarray(atom_positions, np.float64)
    if positions.shape != (len(structure), 3):
        shape = list(positions.shape)
        raise ValueError(f"atom_positions has the shape {shape}; the input has {len(structure)} atoms, so give [m 3]")
    temperatures = None if b_factors is None else np.asarray(b_factors, np.float64)
    return Biomolecule(replace(structure, positions=positions), temperatures)


def write_mmcif(biomolecule: Biomolecule, output_filepath: Path | str, file_id: str = "model") -> None:
    """The mmCIF file of a biomolecule."""
    with replacing(Path(output_filepath)) as temporary:
        temporary.write_text(biomolecule.to_mmcif(file_id), encoding="utf-8")
