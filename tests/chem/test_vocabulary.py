import pytest

from alphafold3_pytorch.chem import elements, residues
from alphafold3_pytorch.chem.ccd import component
from alphafold3_pytorch.chem.residues import RESIDUES


def test_classes_are_in_the_order_that_weights_count_on():
    names = [residue.name for residue in RESIDUES]
    assert names[:3] == ["ALA", "ARG", "ASN"] and names[20] == "UNK"
    assert names[21:26] == ["A", "G", "C", "U", "N"] and names[26:31] == ["DA", "DG", "DC", "DT", "DN"]
    assert names[31] == "GAP" and len(names) == residues.CLASSES == 32


@pytest.mark.parametrize(
    "residue", [residue for residue in RESIDUES if residue.atoms], ids=lambda residue: residue.name
)
def test_atoms_are_those_of_the_dictionary_inside_a_chain(residue):
    known = component(residue.name)
    heavy = [name for name, keep in zip(known.names, known.heavy, strict=True) if keep]
    assert [name for name in heavy if name != residues.C_TERMINAL] == list(residue.atoms)
    assert {residue.centre, residue.distogram, *residue.frame} <= set(residue.atoms)


def test_letters_and_names_of_every_kind():
    assert residues.residue_name("T", "dna") == "DT" and residues.residue_name("t", "protein") == "THR"
    assert residues.residue_name("T", "rna") == "N" and residues.residue_name("B", "protein") == "UNK"
    assert residues.index_of("DT", "dna") == 29 and residues.index_of("DT", "protein") == residues.UNKNOWN
    assert residues.index_of("ATP", "ligand") == residues.UNKNOWN and residues.index_of("PSU", "rna") == 25


def test_elements_in_any_case_and_back():
    assert [elements.atomic_number(symbol) for symbol in ("H", "d", "CL", "Cl", "X", "og")] == [1, 1, 17, 17, 0, 118]
    assert all(elements.atomic_number(elements.symbol(number)) == number for number in range(119))
    with pytest.raises(ValueError, match="'Zz' does not exist"):
        elements.atomic_number("Zz")
