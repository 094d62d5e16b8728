import re

import pytest

from alphafold3_pytorch.chem.component import read_components
from alphafold3_pytorch.inputs.build import BuildOptions, build
from alphafold3_pytorch.inputs.job import (
    AtomAddress,
    Dna,
    Job,
    Ligand,
    Modification,
    Protein,
    Rna,
    Template,
    chain_names,
    chain_order,
)


def names(structure, chain="A", residue=1):
    number = [chain.id for chain in structure.chains].index(chain)
    return structure.names[(structure.chain == number) & (structure.residue == residue - 1)].tolist()


def bond(first, second):
    return AtomAddress(*first), AtomAddress(*second)


def test_chain_names_sort_as_they_are_made():
    made = [name for name, _ in zip(chain_names(), range(800), strict=False)]
    assert made[25:29] == ["Z", "AA", "BA", "CA"] and sorted(made, key=chain_order) == made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Protein(("A",), "AC1"), "protein A: the sequence has '1' in it"),
        (lambda: Rna(("A",), ""), "rna A: the sequence is empty"),
        (
            lambda: Dna(("A",), "ACG", (Modification("6OG", 4),)),
            "6OG is at position 4, but residues are numbered 1 to 3",
        ),
        (lambda: Ligand(("A",)), "ligand A is empty"),
        (lambda: Ligand(("A",), codes=("ATP",), smiles="C"), "more than one way"),
        (lambda: Template("", (1, 2), (1,)), "2 queryIndices but 1 templateIndices"),
        (lambda: Template("", (-1,), (1,)), "counted from 0"),
        (lambda: Job("j", ()), "job 'j' is empty"),
        (lambda: Job("j", (Dna(("A", "A"), "ACG"),)), "two chains have the id 'A'"),
        (lambda: Job("j", (Dna(("A b",), "ACG"),)), "'A b' cannot be a chain id; use letters, digits, _ and -"),
        (lambda: Job("j", (Dna(("A/B",), "ACG"),)), "'A/B' cannot be a chain id"),
        (lambda: Job("j", (Dna(("Ä",), "ACG"),)), "'Ä' cannot be a chain id"),
        (lambda: Job("j", (Dna(("A",), "ACG"),), seeds=()), "no seed"),
        (lambda: Job("j", (Dna(("A",), "ACG"),), seeds=(-1,)), "seed -1 is out of range"),
    ],
)
def test_mistakes_name_field_and_value(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_terminal_atoms_are_at_the_termini_only():
    structure = build(Job("j", (Protein(("A",), "GG"), Rna(("B",), "AA"))))
    assert "OXT" not in names(structure) and "OXT" in names(structure, residue=2)
    assert "OP3" in names(structure, "B") and "OP3" not in names(structure, "B", 2)
    bare = build(Job("j", (Protein(("A",), "AG"), Rna(("B",), "A"))), BuildOptions(terminal_atoms=False))
    assert names(bare, "A", 2) == ["N", "CA", "C", "O"] and "OP3" not in names(bare, "B")


def test_modified_residues_and_unknown_letters_have_the_atoms_of_their_component():
    structure = build(Job("j", (Protein(("A",), "ASX", (Modification("SEP", 2),)),)))
    assert structure.chains[0].residues == ("ALA", "SEP", "UNK") and "P" in names(structure, residue=2)
    assert "CB" in names(structure, residue=3) and "HA" not in names(structure)


SUGARS = Job(
    "j",
    (Protein(("A",), "NA"), Ligand(("B",), codes=("NAG", "NAG")), Ligand(("C",), codes=("NAG",))),
    bonds=(bond(("A", 1, "ND2"), ("B", 1, "C1")), bond(("B", 1, "O4"), ("B", 2, "C1"))),
)


@pytest.mark.parametrize(
    ("leaving", "free_sugar_keeps_oxygen"),
    [("bonded", True), ("sugar oxygen", False), ("sugar oxygen if bonded", True)],
)
def test_bonds_cost_leaving_atoms(leaving, free_sugar_keeps_oxygen):
    structure = build(SUGARS, BuildOptions(leaving=leaving))
    assert "O1" not in names(structure, "B", 1) and "O1" not in names(structure, "B", 2)
    assert ("O1" in names(structure, "C")) is free_sugar_keeps_oxygen
    assert [structure.names[list(pair)].tolist() for pair in structure.bonds] == [["ND2", "C1"], ["O4", "C1"]]


def test_ketoses_lose_the_oxygen_of_their_own_carbon():
    job = Job("j", (Ligand(("A",), codes=("GAL", "SIA")),), bonds=(bond(("A", 1, "O3"), ("A", 2, "C2")),))
    assert "O2" not in names(build(job), "A", 2) and "O1" in names(build(job), "A", 1)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (("Q", 1, "C1"), "there is no chain 'Q'; chains are A, B, C"),
        (("B", 3, "C1"), "chain B has residues 1 to 2, not 3"),
        (("B", 1, "C99"), "NAG has no atom 'C99'; its atoms are C1, C2"),
        (("B", 1, "H1"), "NAG has no atom 'H1'"),
    ],
)
def test_bonds_to_nothing_are_named(end, message):
    job = Job("j", SUGARS.entities, bonds=(bond(("A", 1, "ND2"), end),))
    with pytest.raises(ValueError, match=re.escape(f"bond 1 (A:1:ND2 to {AtomAddress(*end)}): {message}")):
        build(job)


def test_own_components_and_smiles_get_codes_of_their_own():
    text = "data_X\n_chem_comp.id MY-X\nloop_\n_chem_comp_atom.atom_id\n_chem_comp_atom.type_symbol\nC1 C\nO1 O\n"
    own = read_components(text)
    job = Job("j", (Ligand(("B",), codes=("MY-X",)), Ligand(("A",), smiles="CCO")), components=own)
    structure = build(job)
    assert [chain.residues for chain in structure.chains] == [("LIG_A",), ("MY-X",)]
    assert names(structure, "A") == ["C1", "C2", "O1"] and "LIG_A" not in own


def test_chains_are_sorted_by_name():
    entities = (Dna(("BA", "C"), "A"), Ligand(("AB",), codes=("MG",)), Protein(("AA",), "G"))
    assert [chain.id for chain in build(Job("j", entities)).chains] == ["C", "AA", "BA", "AB"]
    unsorted = build(Job("j", entities), BuildOptions(sort_chains=False))
    assert [chain.id for chain in unsorted.chains] == ["BA", "C", "AB", "AA"]


def test_copies_of_a_ligand_without_a_code_are_one_entity():
    job = Job("j", (Ligand(("A", "B"), smiles="CCO"), Ligand(("C",), smiles="CCO"), Ligand(("D",), smiles="OCC")))
    assert [chain.residues[0] for chain in build(job).chains] == ["LIG_A", "LIG_A", "LIG_A", "LIG_D"]
    apart = build(job, BuildOptions(one_code_per_ligand=False))
    assert [chain.residues[0] for chain in apart.chains] == ["LIG_A", "LIG_B", "LIG_C", "LIG_D"]
