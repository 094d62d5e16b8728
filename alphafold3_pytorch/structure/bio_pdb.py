"""Structure to Biopython's own, for those who go on with it. Biopython is not a dependency of this package."""

from typing import Any

import numpy as np
from jaxtyping import Float

from alphafold3_pytorch.chem import elements
from alphafold3_pytorch.structure.entities import is_standard
from alphafold3_pytorch.structure.table import Structure


def to_bio_pdb(structure: Structure, name: str = "model", b_factors: Float[np.ndarray, "m"] | None = None) -> Any:
    """A `Bio.PDB.Structure.Structure` of one model, with chains of every kind; atoms without positions are left out."""
    try:
        from Bio.PDB.Atom import Atom  # pyright: ignore[reportMissingImports]
        from Bio.PDB.Chain import Chain  # pyright: ignore[reportMissingImports]
        from Bio.PDB.Model import Model  # pyright: ignore[reportMissingImports]
        from Bio.PDB.Residue import Residue  # pyright: ignore[reportMissingImports]
        from Bio.PDB.Structure import Structure as BioStructure  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ValueError("Bio.PDB structures need Biopython: pip install biopython") from None
    whole, model = BioStructure(name), Model(0)
    whole.add(model)
    chains = {chain.id: Chain(chain.id) for chain in structure.chains}
    for chain in chains.values():
        model.add(chain)
    known = ~np.isnan(structure.positions.sum(axis=1))
    temperatures = np.zeros(len(structure)) if b_factors is None else b_factors
    for owner, place, atoms in structure.residues():
        code = owner.residues[place]
        residue = Residue((" " if is_standard(code, owner) else f"H_{code}", place + 1, " "), code, " ")
        chains[owner.id].add(residue)
        for row in np.flatnonzero(known[atoms]) + atoms.start:
            label, element = str(structure.names[row]), elements.symbol(int(structure.elements[row])).upper()
            padded = label if len(element) > 1 or len(label) > 3 else f" {label}"
            values = structure.positions[row].astype(np.float32), float(temperatures[row]), 1.0, " "
            residue.add(Atom(label, *values, f"{padded:<4}", int(row) + 1, element=element))
    return whole
