import copy
import json
import re

import pytest

from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs.job import Ligand, Protein, Rna
from alphafold3_pytorch.inputs.molecule_files import sdf_of
from alphafold3_pytorch.inputs.read import parse
from alphafold3_pytorch.inputs.write import write
from alphafold3_pytorch.search.alignment import parse_a3m

PROTEIN = {
    "molecule_type": "protein",
    "chain_ids": ["A", "B"],
    "sequence": "PVLSC",
    "non_canonical_residues": {"4": "SEP"},
}
CHAINS = [
    PROTEIN,
    {"molecule_type": "RNA", "chain_ids": "C", "sequence": "ACGU", "cyclic": True},
    {"molecule_type": "dna", "chain_ids": "D", "sequence": "ACGT", "description": "a strand"},
    {"molecule_type": "ligand", "chain_ids": "E", "ccd_codes": "ATP"},
    {"molecule_type": "ligand", "chain_ids": "F", "smiles": "CCO", "ligand_name": "ETH"},
]
QUERY = {"chains": CHAINS, "covalent_bonds": [[["A", 5, "SG"], ["F", 1, "C1"]]]}


def text_of(query: dict, **more: object) -> str:
    return json.dumps({"queries": {"one": query}, **more})


def test_everything_that_is_understood():
    (job,) = parse(text_of(QUERY, seeds=[4, 5]))
    protein, rna, dna, ligand, smiles = job.entities
    assert job.name == "one" and job.seeds == (4, 5) and isinstance(protein, Protein)
    assert protein.ids == ("A", "B") and protein.residues()[3] == "SEP" and protein.unpaired_msa is None
    assert isinstance(rna, Rna) and dna.description == "a strand" and smiles.description == "ETH"
    assert isinstance(ligand, Ligand) and ligand.codes == ("ATP",)
    assert [f"{a}-{b}" for a, b in job.bonds] == ["A:5:SG-F:1:C1", "C:4:O3'-C:1:P"]


def test_what_the_dialect_can_say_comes_back():
    jobs = parse(json.dumps({"seeds": [3], "queries": {"one": QUERY, "two": {"chains": CHAINS[2:]}}}))
    draft = write(jobs, "openfold3")
    (text,) = draft.files.values()
    assert len(jobs) == 2 and not draft.lost and parse(text) == jobs


def test_alignments_and_molecules_by_path(tmp_path):
    folder = tmp_path / "A"
    folder.mkdir()
    (folder / "uniref90_hits.a3m").write_text(">q\nPVLSC\n>a\nPV-SC\n")
    (folder / "uniprot_hits.a3m").write_text(">q\nPVLSC\n>tr|A0A000|ABC_HUMAN/1-5\nPV-SC")
    (tmp_path / "x.sdf").write_text(sdf_of(from_smiles("CCO", "X")))
    ligand = {"molecule_type": "ligand", "chain_ids": "Z", "sdf_file_path": "x.sdf"}
    (job,) = parse(text_of({"chains": [PROTEIN | {"main_msa_file_paths": "A"}, ligand]}), tmp_path)
    protein, molecule = job.entities
    assert (
        isinstance(protein, Protein)
        and "HUMAN" in (protein.paired_msa or "")
        and ">a\n" in (protein.unpaired_msa or "")
    )
    assert isinstance(molecule, Ligand) and molecule.component is not None
    (single,) = parse(text_of({"chains": [PROTEIN], "use_msas": False}))
    assert single.entities[0].unpaired_msa == single.entities[0].paired_msa == ""  # type: ignore[union-attr]


def test_rows_of_paired_alignments_are_paired_by_their_place(tmp_path):
    for chain in "AB":
        (tmp_path / f"{chain}.a3m").write_text(f">q\nPVLSC\n>x{chain}\nPV-SC\n>y{chain}\nP--SC\n")
    chains = [{**PROTEIN, "chain_ids": chain, "paired_msa_file_paths": f"{chain}.a3m"} for chain in "AB"]
    (job,) = parse(text_of({"chains": chains}), tmp_path)
    species = [parse_a3m(entity.paired_msa or "").species() for entity in job.entities if isinstance(entity, Protein)]
    assert species[0] == species[1] and len(set(species[0])) == 3


def changed(place: int, **values: object) -> str:
    query = copy.deepcopy(QUERY)
    query["chains"][place] |= values
    return text_of(query)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (text_of(QUERY | {"pocket_constraint": {"x": 1}}), "queries.one.pocket_constraint: pocket constraints are not"),
        (text_of(QUERY | {"leaving_atoms": [1]}), "leaving_atoms: is not supported; atoms that the dictionary marks"),
        (text_of(QUERY | {"query_name": "two"}), 'query_name: is "two", but the query is called "one"'),
        (text_of(QUERY | {"use_main_msas": False}), "can be switched off alone only where alignments are given"),
        (text_of(QUERY | {"covalent_bonds": [[["A", 5, 3], ["F", 1, "C1"]]]}), "write two atoms by name"),
        (text_of(QUERY, sedes=[1]), "sedes: unknown key; did you mean seeds?"),
        (text_of({"chains": []}), "job 'one' is empty"),
        (json.dumps({"queries": {}}), "queries: is empty; give at least one query"),
        (changed(0, molecule_type="lipid"), 'molecule_type: is "lipid"; known are protein, rna, dna, ligand'),
        (changed(0, template_cif_paths=["x.cif"]), "template_cif_paths: x.cif: No such file"),
        (changed(0, template_cif_paths=["x"], template_cif_chain_ids=["A", "B"]), "give a chain or null for each"),
        (changed(0, template_cif_paths=["x"], template_alignment_file_path="y"), "give one of them"),
        (changed(0, template_alignment_file_path="x.m8"), "has no alignments of hits"),
        (changed(0, template_entry_chain_ids=["1abc_A"]), "notes of its own choice"),
        (changed(1, template_cif_paths=["x.cif"]), "templates are for proteins"),
        (changed(0, smiles="C"), "chains[0].smiles: is for ligands, this is protein"),
        (changed(0, non_canonical_residues={"x": "SEP"}), 'has "x": "SEP"; write "5": "SEP"'),
        (changed(0, main_msa_file_paths="no.a3m"), "no.a3m: No such file"),
        (changed(1, paired_msa_file_paths="x.a3m"), "only alignments of proteins are paired"),
        (changed(2, main_msa_file_paths="x.a3m"), "alignments of DNA are not used"),
        (changed(3, sequence="ACGT"), "is for polymers, this is a ligand"),
        (changed(3, smiles="C"), "has smiles and ccd_codes; give one of them"),
    ],
)
def test_mistakes_are_named_with_their_path(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)


def test_alignments_in_other_formats_are_refused(tmp_path):
    (tmp_path / "x.npz").write_text("PK\x03\x04")
    with pytest.raises(ValueError, match="no alignment in a3m or Stockholm format"):
        parse(changed(0, main_msa_file_paths="x.npz"), tmp_path)
