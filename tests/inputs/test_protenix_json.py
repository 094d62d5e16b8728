import json
import re
from dataclasses import replace

import pytest

from alphafold3_pytorch.chem.ccd import component
from alphafold3_pytorch.chem.ligands import from_smiles
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein, Rna
from alphafold3_pytorch.inputs.molecule_files import cif_of, sdf_of
from alphafold3_pytorch.inputs.read import parse, read
from alphafold3_pytorch.inputs.write import write

A3M = ">q\nPVLSC\n>UniRef100_A0A_9606/1-5\nPV-SC\n"


def job_of(*sequences: dict, **more: object) -> str:
    return json.dumps([{"name": "one", "sequences": list(sequences), **more}])


PROTEIN = {"proteinChain": {"sequence": "PVLSC", "count": 2}}
SMILES = {"ligand": {"ligand": "CC[CH2:7]Cl", "count": 2}}
HEAVY = {"ligand": {"ligand": "CCS", "count": 1}}


def test_chains_ligands_ions_and_ids():
    changes = [{"ptmType": "CCD_SEP", "ptmPosition": 4}]
    protein = {"proteinChain": {"sequence": "PVLSC", "count": 1, "id": ["B"], "modifications": changes}}
    sugars = {"ligand": {"ligand": "CCD_NAG_BMA", "count": 2}}
    (job,) = parse(job_of(protein, sugars, {"ion": {"ion": "MG", "count": 1}}, SMILES, modelSeeds=[101]))
    chain, glycan, ion, smiles = job.entities
    assert isinstance(chain, Protein) and chain.ids == ("B",) and chain.residues()[3] == "SEP"
    assert isinstance(glycan, Ligand) and glycan.codes == ("NAG", "BMA") and glycan.ids == ("A", "C")
    assert isinstance(ion, Ligand) and ion.codes == ("MG",)
    assert isinstance(smiles, Ligand) and smiles.smiles == "CC[CH2:7]Cl" and job.seeds == (101,)


BOND = {"entity1": 1, "position1": 5, "atom1": "SG", "entity2": "2", "position2": "1", "atom2": 7}
SIDES = {"1": "left", "2": "right"}
OLD = {f"{SIDES[key[-1]]}_{key[:-1]}": str(value) for key, value in BOND.items()}


@pytest.mark.parametrize(("bond", "ends"), [(BOND, 2), (OLD, 2), (BOND | {"copy1": 2, "copy2": 1, "atom2": "C3"}, 1)])
def test_bonds_in_old_and_new_words_and_by_number(bond, ends):
    (job,) = parse(job_of(PROTEIN, SMILES, covalent_bonds=[bond]))
    assert {(first.atom, last.atom) for first, last in job.bonds} == {("SG", "C3")} and len(job.bonds) == ends
    chains = [("A", "C"), ("B", "D")] if ends == 2 else [("B", "C")]
    assert [(first.chain, last.chain) for first, last in job.bonds] == chains and len(build(job).bonds) == ends


def test_atoms_without_map_numbers_are_counted_from_zero():
    (job,) = parse(job_of(PROTEIN, HEAVY, covalent_bonds=[BOND | {"copy1": 1, "atom2": 2}]))
    assert job.bonds[0][1].atom == "S1"


def test_alignments_and_molecules_by_path(tmp_path, monkeypatch):
    old = tmp_path / "msas"
    old.mkdir()
    (old / "pairing.a3m").write_text(A3M)
    (tmp_path / "rna.a3m").write_text(">q\nACGU\n")
    (tmp_path / "x.sdf").write_text(sdf_of(from_smiles("C[C@H](N)C#N", "X")))
    first = {"proteinChain": {"sequence": "PVLSC", "msa": {"precomputed_msa_dir": "msas", "pairing_db": "uniref100"}}}
    second = {"proteinChain": {"sequence": "PVLSC", "unpairedMsaPath": "msas/pairing.a3m"}}
    rna = {"rnaSequence": {"sequence": "ACGU", "unpairedMsaPath": "rna.a3m"}}
    (tmp_path / "job.json").write_text(job_of(first, second, rna, {"ligand": {"ligand": "FILE_x.sdf", "count": 1}}))
    for folder in (tmp_path, old):  # beside the job file, whatever the working folder is
        monkeypatch.chdir(folder)
        (job,) = read(tmp_path / "job.json")
        one, two, three, four = job.entities
        assert isinstance(one, Protein) and (one.unpaired_msa, one.paired_msa) == ("", A3M)
        assert isinstance(two, Protein) and (two.unpaired_msa, two.paired_msa) == (A3M, "")
        assert isinstance(three, Rna) and three.unpaired_msa == ">q\nACGU\n"
        assert isinstance(four, Ligand) and four.component is not None and "N2" in four.component.names
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "job.json").write_text(job_of(second))
    monkeypatch.chdir(tmp_path)  # or where the program runs
    assert read("elsewhere/job.json")[0].entities[0] == two_of(job)


def test_hits_of_templates_are_kept_for_a_folder_of_structures(tmp_path):
    (tmp_path / "x.hhr").write_text("Query one\n")
    (job,) = parse(job_of({"proteinChain": {"sequence": "PVLSC", "templatesPath": "x.hhr"}}), tmp_path)
    assert isinstance(job.entities[0], Protein) and job.entities[0].template_hits == "Query one\n"
    assert job.entities[0].templates is None
    draft = write([job], "protenix")
    assert not draft.lost and draft.attached == {"one_files/A_templates.hhr": "Query one\n"}
    assert write([job], "alphafold3").lost == ["one: chain A: the hits of a template search"]


def two_of(job: Job) -> Protein:
    entity = job.entities[1]
    assert isinstance(entity, Protein)
    return Protein(("A",), entity.sequence, unpaired_msa=entity.unpaired_msa, paired_msa=entity.paired_msa)


def bonded(**bond: object) -> str:
    whole = {"entity1": 1, "position1": 1, "atom1": "N", "entity2": 2, "position2": 1, "atom2": "C1"} | bond
    return job_of(PROTEIN, SMILES, covalent_bonds=[{key: value for key, value in whole.items() if value is not None}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (job_of(PROTEIN, constraint={"pocket": {}}), "constraint: contact and pocket constraints are not supported"),
        (job_of(PROTEIN, userCCD="data_X\n"), "userCCD: there is no chemical component"),
        (job_of(PROTEIN, userCCDPath="no.cif"), "userCCDPath: no.cif: No such file"),
        (
            job_of({"proteinChain": {"sequence": "PV", "templatesPath": "x.hhr"}}),
            "templatesPath: x.hhr: No such file",
        ),
        (job_of({"proteinChain": {"sequence": "PV", "unpairedMsaPath": "no.a3m"}}), "no.a3m: No such file"),
        (job_of({"proteinChain": {"sequence": "PV", "msa": {"precomputed_msa_dir": "no"}}}), "no has no pairing.a3m"),
        (job_of({"proteinChain": {"sequence": "PV", "id": ["A"], "count": 2}}), "id: has 1 ids, but count is 2"),
        (job_of({"proteinChain": {"sequence": "PV", "cuont": 2}}), "cuont: unknown key; did you mean count?"),
        (job_of({"ligand": {"ligand": "FILE_x.pdb"}}), "x.pdb is no SDF or MOL file"),
        (bonded(entity2=3), "covalent_bonds[0]: entity2 is 3, but the entities are numbered 1 to 2"),
        (bonded(copy1=3), "copy1 is 3, but entity 1 has 2"),
        (bonded(copy1=1), "the ends have 1 and 2 copies; say which, with copy1 and copy2"),
        (bonded(atom2=99), "ligand C has no atom 99; it has 7"),
        (bonded(atom1=0), "atom 0 of protein A: only atoms of SMILES and files have numbers"),
        (bonded(position1="x"), 'position1: is "x"; it must be a whole number'),
        (bonded(atom1=None), "atom1: is missing"),
        (bonded(atm1="N"), "covalent_bonds[0].atm1: unknown key; did you mean atom1?"),
        ("[]", "is JSON, but no job file"),
    ],
)
def test_mistakes_are_named_with_their_path(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)


def test_components_of_the_users_own(tmp_path):
    (tmp_path / "own.cif").write_text(cif_of(replace(component("SEP"), code="MYS")))
    protein = {"proteinChain": {"sequence": "AST", "modifications": [{"ptmType": "CCD_MYS", "ptmPosition": 2}]}}
    (job,) = parse(job_of(protein, userCCDPath="own.cif"), tmp_path)
    assert job.components["MYS"].kind == "protein" and "P" in build(job).names


def test_a_file_of_several_molecules_is_refused(tmp_path):
    (tmp_path / "x.sdf").write_text(2 * sdf_of(from_smiles("CCO", "X")))
    with pytest.raises(ValueError, match="x.sdf has 2 molecules"):
        parse(job_of({"ligand": {"ligand": "FILE_x.sdf"}}), tmp_path)
