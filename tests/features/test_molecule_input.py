from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem.rdDistGeom import EmbedMolecule

from alphafold3_pytorch.features.molecule_input import molecule_input_to_atom_input, positions_of_molecules
from alphafold3_pytorch.inputs.alphafold3_input import MoleculeInput, MoleculeLengthMoleculeInput


def glycine_and_ethanol(**more: Any) -> dict[str, Any]:
    return dict(
        molecules=[Chem.MolFromSmiles("NCC=O"), Chem.MolFromSmiles("CCO")],
        molecule_ids=torch.tensor([7, 20]),
        additional_molecule_feats=torch.ones(2, 5, dtype=torch.long),
        is_molecule_types=torch.eye(5)[[0, 3]].bool(),
        **more,
    )


def test_a_ligand_is_spread_over_its_atoms():
    inputs = MoleculeLengthMoleculeInput(
        molecule_token_pool_lens=[4, 3],
        one_token_per_atom=[False, True],
        molecule_atom_indices=[1, 0],
        distogram_atom_indices=[-1, 0],
        **glycine_and_ethanol(),
    )
    item = molecule_input_to_atom_input(inputs)
    assert item.molecule_atom_lens.tolist() == [4, 1, 1, 1] and item.molecule_ids.tolist() == [7, 20, 20, 20]
    assert item.molecule_atom_indices is not None and item.molecule_atom_indices.tolist() == [1, 4, 5, 6]
    assert item.distogram_atom_indices is not None and item.distogram_atom_indices.tolist() == [-1, 4, 5, 6]
    assert item.atom_inputs.shape == (7, 389) and item.atompair_inputs.shape == (1, 32, 128, 5)


def test_rows_of_tokens_are_taken_as_they_are():
    inputs = MoleculeInput(molecule_token_pool_lens=[4, 3], **glycine_and_ethanol(), atom_pos=torch.zeros(7, 3))
    item = molecule_input_to_atom_input(inputs, dim_atom_inputs=3)
    assert item.molecule_atom_lens.tolist() == [4, 3] and item.atom_inputs.shape == (7, 3)
    assert item.atom_pos is not None and item.model_forward_dict().keys() >= {"atom_inputs", "atom_pos"}
    with pytest.raises(ValueError, match="adds up to 6 atoms, the molecules have 7"):
        molecule_input_to_atom_input(MoleculeInput(molecule_token_pool_lens=[4, 2], **glycine_and_ethanol()))


def test_conformers_of_the_molecules_are_kept_but_for_a_rigid_move():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    EmbedMolecule(mol, randomSeed=3)
    given, moved = mol.GetConformer().GetPositions(), positions_of_molecules([mol], seed=1)
    distances = [np.linalg.norm(points[:, None] - points, axis=-1) for points in (given, moved)]
    assert np.allclose(*distances, atol=1e-4) and not np.allclose(given, moved, atol=1e-2)
