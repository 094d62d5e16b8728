"""From what the README's class samples to a file."""

from pathlib import Path

import gemmi
import pytest
import torch

from alphafold3_pytorch.features.atom_input import alphafold3_input_to_tensors
from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input
from alphafold3_pytorch.predict.writer.biomolecule import alphafold3_input_to_biomolecule, write_mmcif


@pytest.fixture
def inputs() -> Alphafold3Input:
    return Alphafold3Input(proteins=["AGK"], ss_rna=["AU"], ligands=["CCO"], metal_ions=["MG"])


def test_positions_are_those_of_the_atoms_that_the_model_sees(inputs: Alphafold3Input, tmp_path: Path) -> None:
    count = len(alphafold3_input_to_tensors(inputs)["atom_inputs"])
    positions = torch.randn(count, 3) * 10
    write_mmcif(
        alphafold3_input_to_biomolecule(inputs, positions, torch.full((count,), 70.0)), tmp_path / "a.cif", "an id"
    )
    found = gemmi.read_structure(str(tmp_path / "a.cif"))
    atoms = [row.atom for row in found[0].all()]
    assert torch.allclose(torch.tensor([atom.pos.tolist() for atom in atoms]), positions, atol=1e-3)
    assert {atom.b_iso for atom in atoms} == {70.0}
    assert [chain.name for chain in found[0]] == ["A", "B", "C", "D"]


def test_other_numbers_of_atoms_are_refused(inputs: Alphafold3Input) -> None:
    with pytest.raises(ValueError, match=r"shape \[5, 3\]; the input has \d+ atoms"):
        alphafold3_input_to_biomolecule(inputs, torch.zeros(5, 3))
