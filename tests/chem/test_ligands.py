import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.rdDistGeom import EmbedMolecule

from alphafold3_pytorch.chem.ligands import from_mol, from_sdf, from_smiles, ion_code, parse_glycan


def test_atoms_of_smiles_are_named_in_their_order():
    ligand = from_smiles("OC(=O)c1ccc(Cl)cc1", "LIG_A")
    heavy = [name for name, keep in zip(ligand.names, ligand.heavy, strict=True) if keep]
    assert heavy == ["O1", "C1", "O2", "C2", "C3", "C4", "C5", "CL1", "C6", "C7"]
    assert np.isnan(ligand.ideal).all() and ligand.type == "NON-POLYMER" and ligand.aromatic.sum() == 6


@pytest.mark.parametrize("smiles", ["", "C(", "not a molecule", "C1CC", "[Xx]"])
def test_broken_smiles_are_one_clear_sentence(smiles):
    with pytest.raises(ValueError, match="RDKit understands"):
        from_smiles(smiles, "LIG_A")


def test_a_molecule_keeps_its_names_and_its_conformer():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    EmbedMolecule(mol, randomSeed=1)
    for number, atom in enumerate(mol.GetAtoms()):
        atom.SetProp("atom_name", f"X{number}")
    ligand = from_mol(mol, "LIG_A")
    assert ligand.names[:3] == ("X0", "X1", "X2")
    assert np.allclose(ligand.ideal, mol.GetConformer().GetPositions())


def test_sdf_is_read_with_its_atoms_in_order():
    mol = Chem.MolFromSmiles("NCC(=O)O")
    EmbedMolecule(mol, randomSeed=1, useRandomCoords=True)
    ligand = from_sdf(Chem.MolToMolBlock(mol) + "\n$$$$\nanother", "LIG_A")
    assert [ligand.names[i] for i in range(5)] == ["N1", "C1", "C2", "O1", "O2"]
    with pytest.raises(ValueError, match="SDF or MOL"):
        from_sdf("nothing", "LIG_A")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Mg", "MG"),
        ("mg2+", "MG"),
        ("MG+2", "MG"),
        ("Fe", "FE"),
        ("Fe2+", "FE2"),
        ("Fe3+", "FE"),
        ("Cl-", "CL"),
        ("Zn", "ZN"),
    ],
)
def test_ions_by_any_notation(name, code):
    assert ion_code(name) == code


@pytest.mark.parametrize("name", ["Mn", "Co", "Ni", "Cu", "Na", "Ca", "K"])
def test_the_metals_of_the_original_package(name):
    assert ion_code(name) == name.upper()


def test_what_is_no_ion_is_named():
    with pytest.raises(ValueError, match="metal_ions: 'ATP' is not an ion"):
        ion_code("ATP")


def test_glycans_become_sugars_and_bonds():
    glycan = parse_glycan("NAG(4-1 NAG(4-1 BMA(3-1 MAN)(6-1 MAN)))")
    assert glycan.codes == ("NAG", "NAG", "BMA", "MAN", "MAN")
    assert glycan.bonds[2:] == ((2, "O3", 3, "C1"), (2, "O6", 4, "C1"))


@given(st.text(alphabet="NAGBMF()41-6 ", max_size=30))
def test_any_glycan_text_is_read_or_refused(text):
    try:
        glycan = parse_glycan(text)
    except ValueError as error:
        assert "glycan" in str(error)
    else:
        assert len(glycan.bonds) == max(0, len(glycan.codes) - 1)
