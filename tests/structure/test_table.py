import numpy as np

from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein


def test_residues_cover_all_atoms_in_order():
    structure = build(Job("t", (Protein(("A", "B"), "AGW"), Ligand(("C",), codes=("NAG", "NAG")))))
    slices = [atoms for _, _, atoms in structure.residues()]
    assert [(chain.id, place) for chain, place, _ in structure.residues()][-3:] == [("B", 2), ("C", 0), ("C", 1)]
    assert slices[0].start == 0 and slices[-1].stop == len(structure)
    assert all(a.stop == b.start for a, b in zip(slices, slices[1:], strict=False))
    assert (np.diff(structure.residue_keys) >= 0).all() and structure.chains[2].is_polymer is False
