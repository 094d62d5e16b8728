"""Structures as text: what other programs read in it is what was written."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, get_structure
from hypothesis import given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Dna, Job, Ligand, Modification, Protein
from alphafold3_pytorch.structure import cif_text
from alphafold3_pytorch.structure.bio_pdb import to_bio_pdb
from alphafold3_pytorch.structure.entities import entities_of, one_letter_codes
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.mmcif_chemistry import disulfides
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from alphafold3_pytorch.structure.pdb_text import pdb_text
from alphafold3_pytorch.structure.table import Structure
from tests.dictionaries import complaints
from tests.predict.written import EVERYTHING, placed

LINES = st.text(st.characters(min_codepoint=33, max_codepoint=126) | st.just(" "), max_size=12)
VALUES = LINES | st.lists(LINES.filter(lambda line: not line.lstrip().startswith(";")), min_size=2).map("\n".join)
ODD = ["?", ".", "", "[Mg+2]", "#1", "data_x", "LOOP_", "_y", "a'b", "O5'", "a'b\"c", ";x", "l1\nl2", " lead", "a b"]


@pytest.fixture(scope="module")
def everything() -> Structure:
    return placed(EVERYTHING)


@pytest.fixture(scope="module")
def text(everything: Structure) -> str:
    return mmcif_text(everything, "everything", np.arange(len(everything)) / 10)


@pytest.mark.parametrize("values", [ODD, [*ODD, "two\nlines"], ["one"], ["one\ntwo"]])
def test_values_come_back(values: list[str]) -> None:
    assert read_back(values) == values


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_any_values_come_back(values: list[str]) -> None:
    assert read_back(values) == values


def read_back(values: list[str]) -> list[str]:
    block = gemmi.cif.read_string(cif_text.write("x", {"a": {"one": values, "two": values[::-1]}}, ["a comment"]))[0]
    found = [list(block.find_values(f"_a.{name}")) for name in ("one", "two")]
    plain = [[v if v in ("?", ".") else gemmi.cif.as_string(v) for v in column] for column in found]
    assert plain[0] == plain[1][::-1]
    return plain[0]


def read_atoms(text: str) -> Any:
    file = CIFFile.deserialize(text)
    return get_structure(file, model=1, include_bonds=True, extra_fields=["charge", "b_factor"])


def test_biotite_reads_the_same_atoms(everything: Structure, text: str) -> None:
    atoms = read_atoms(text)
    chains = np.array([chain.id for chain in everything.chains])
    codes = [
        chain.residues[place] for chain, place, rows in everything.residues() for _ in range(rows.start, rows.stop)
    ]
    assert atoms.chain_id.tolist() == chains[everything.chain].tolist()
    assert atoms.res_name.tolist() == codes
    assert (atoms.res_id == everything.residue + 1).all()
    assert (atoms.atom_name == everything.names).all()
    assert (atoms.charge == everything.charges).all()
    assert np.abs(atoms.coord - everything.positions).max() < 1e-3
    assert np.allclose(atoms.b_factor, np.arange(len(atoms)) / 10, atol=0.01)


def test_biotite_reads_the_same_bonds(everything: Structure, text: str) -> None:
    """Those between residues, and those of a ligand that no dictionary has, with their orders."""
    found = {frozenset(bond) for bond in read_atoms(text).bonds.as_array()[:, :2].tolist()}
    assert {frozenset(bond) for bond in everything.bonds.tolist()} <= found
    assert {frozenset(bond) for bond in disulfides(everything).tolist()} <= found
    bonds = gemmi.cif.read_string(text)[0].find("_chem_comp_bond.", ["comp_id", "value_order", "pdbx_aromatic_flag"])
    own = everything.components["LIG_E"]
    mine = [tuple(row)[1:] for row in bonds if row[0] == "LIG_E"]
    assert len(mine) == len(own.bonds)
    assert sum(order == "doub" for order, _ in mine) == sum(own.orders == 2)
    assert sum(flag == "Y" for _, flag in mine) == 10  # indole


def test_gemmi_reads_entities_and_connections(everything: Structure, text: str) -> None:
    found = gemmi.make_structure_from_block(gemmi.cif.read_string(text)[0])
    assert [chain.name for chain in found[0]].count("AB") == 1
    types = [entity.entity_type.name for entity in found.entities]
    assert types == ["Polymer", "Branched", "Polymer", "Polymer", "NonPolymer", "NonPolymer", "NonPolymer"]
    assert found.entities[0].full_sequence == list(everything.chains[0].residues)
    assert found.entities[0].subchains == ["A", "AB"]
    kinds = [connection.type.name for connection in found.connections]
    assert kinds == ["Covale"] * 5 + ["MetalC"] + ["Disulf"] * 2
    ends = [str(found.connections[place].partner1) for place in (0, 6)]
    assert ends == ["A/ASN 3/ND2", "A/CYS 4/SG"]


def test_the_dictionary_accepts_the_file(text: str) -> None:
    document = gemmi.cif.read_string(text)
    assert complaints(document, "mmcif_pdbx.dic") == []
    document[0].find_values("_entity.type")[0] = "nonsense"
    assert complaints(document, "mmcif_pdbx.dic")


def test_only_atoms_with_positions_are_written(everything: Structure) -> None:
    positions = everything.positions.copy()
    gone = everything.bonds[0, 0]
    positions[[0, gone]] = np.nan
    text = mmcif_text(replace(everything, positions=positions), "part")
    assert len(read_atoms(text)) == len(everything) - 2
    assert "covale5" not in text and "covale4" in text


def test_sequences_have_letters_of_parents() -> None:
    job = Job("x", (Protein(("A",), "MX", (Modification("MSE", 1),)), Dna(("B",), "AC", (Modification("5MC", 2),))))
    structure = build(job)
    assert [one_letter_codes(entity, structure) for entity in entities_of(structure)] == [
        ("(MSE)(UNK)", "MX"),
        ("(DA)(5MC)", "AC"),
    ]


def test_long_sequences_come_back() -> None:
    structure = build(Job("x", (Protein(("A",), "ACDEF" * 50),)))
    block = gemmi.cif.read_string(mmcif_text(structure, "x"))[0]
    found = gemmi.cif.as_string(block.find_value("_entity_poly.pdbx_seq_one_letter_code"))
    assert found.replace("\n", "") == "ACDEF" * 50


def test_copies_share_an_entity() -> None:
    structure = build(Job("x", (Protein(("A", "C"), "GG"), Ligand(("B", "D"), smiles="CO"), Protein(("E",), "GA"))))
    assert [entity.chains for entity in entities_of(structure)] == [("A", "C"), ("B", "D"), ("E",)]


@pytest.mark.parametrize(("distance", "expected"), [(2.05, 1), (1.0, 0), (3.0, 0)])
def test_disulfides_are_found_by_distance(distance: float, expected: int) -> None:
    structure = placed(Job("x", (Protein(("A", "B"), "C"),)))
    positions = structure.positions + 50.0 * structure.chain[:, None]
    sulfur = np.flatnonzero(structure.names == "SG")
    positions[sulfur[1]] = positions[sulfur[0]] + (0, 0, distance)
    structure = replace(structure, positions=positions)
    assert len(disulfides(structure)) == expected
    if expected:
        assert len(disulfides(replace(structure, bonds=sulfur[None]))) == 0  # declared already


def test_pdb_comes_back() -> None:
    structure = placed(Job("x", (Protein(("A",), "KMC", (Modification("MSE", 2),)), Ligand(("B",), smiles="CCO"))))
    text = pdb_text(structure, np.full(len(structure), 87.654), ["Mind the random weights."])
    atoms = PDBFile.read(io.StringIO(text)).get_structure(model=1, include_bonds=True, extra_fields=["b_factor"])
    assert np.abs(atoms.coord - structure.positions).max() < 1e-3
    assert (atoms.atom_name == structure.names).all()
    assert np.allclose(atoms.b_factor, 87.65)
    assert set(atoms.res_name[atoms.hetero].tolist()) == {"MSE", "LIG"}
    assert text.startswith("REMARK   1 Mind the random weights.\nREMARK   1 Component LIG_B is called LIG here.\n")
    assert gemmi.read_pdb_string(text)[0]["B"][0].name == "LIG"


def test_pdb_refuses_what_it_cannot_say(everything: Structure) -> None:
    with pytest.raises(ValueError, match="chain AB .* use the mmCIF file"):
        pdb_text(everything, np.zeros(len(everything)))
    far = placed(Job("x", (Protein(("A",), "G"),)))
    with pytest.raises(ValueError, match="does not fit into a PDB file"):
        pdb_text(replace(far, positions=far.positions + 1e5), np.zeros(len(far)))


def test_bio_pdb_has_every_atom(everything: Structure) -> None:
    pytest.importorskip("Bio", reason="Biopython is not installed")
    found = to_bio_pdb(everything, b_factors=np.arange(len(everything)) / 10)
    atoms = list(found.get_atoms())
    assert [atom.get_id() for atom in atoms] == everything.names.tolist()
    assert np.allclose([atom.coord for atom in atoms], everything.positions, atol=1e-3)
    assert [chain.id for chain in found[0]] == [chain.id for chain in everything.chains]
    assert ("H_MSE", 2, " ") in found[0]["A"]
    assert atoms[5].bfactor == 0.5


@pytest.mark.parametrize("name", ["1dsr", "100d", "101d", "1en2", "1a34"])
def test_entries_of_the_pdb_come_back(name: str, shared: Path) -> None:
    path = shared / "data" / "structures" / f"{name}.cif.gz"
    before = read_entry(path).structure
    after = read_entry(mmcif_text(before, name)).structure
    known = ~np.isnan(before.positions.sum(axis=1))
    assert after.chains == before.chains
    for column in ("chain", "residue", "names", "elements", "charges"):
        assert (getattr(after, column)[known] == getattr(before, column)[known]).all()
    assert np.abs(after.positions[known] - before.positions[known]).max() < 1e-3
    declared = np.concatenate([before.bonds, disulfides(before)])
    assert {frozenset(bond) for bond in after.bonds.tolist()} == {frozenset(bond) for bond in declared.tolist()}
