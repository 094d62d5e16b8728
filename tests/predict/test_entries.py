"""Entries of the PDB, predicted again from their mmCIF: the same molecules come out, in files that others read.

The entry is read by gemmi and the output by gemmi, Biotite and RDKit, so that nothing of ours judges itself.
"""

import gzip
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from biotite.structure import AtomArray
from biotite.structure.io import pdbx
from rdkit import Chem

from alphafold3_pytorch.inputs.job import Job, Ligand, Protein
from alphafold3_pytorch.inputs.read import read
from alphafold3_pytorch.predict import plan as planning
from alphafold3_pytorch.predict.predictor import Settings
from alphafold3_pytorch.predict.run import Listener, Request, run
from alphafold3_pytorch.predict.writer import file_name
from tests.dictionaries import complaints

GOLDENS = Path(__file__).parents[1] / "goldens" / "entries"
COMMITTED = "1crn", "124d", "5i55"  # disulfides; DNA with RNA; a modified peptide with two small molecules
ENTRIES = {
    "7etn": "two copies of a peptide",
    "1cyo": "protein with haem",
    "4i39": "a ligand bound to a cysteine",
    "1dsr": "a glycopeptide of modified residues",
    "1bna": "DNA",
    "2koc": "RNA",
    "1dgc": "protein with DNA",
    "2hbb": "ions",
    "1as5": "modified residues and disulfides",
    "193d": "two cyclic peptides in DNA",
    "394d": "chains of DNA and RNA residues",
    "2x1f": "protein with RNA",
}
SUMMARY = {
    *("chain_ids", "chain_iptm", "chain_pair_iptm", "chain_pair_pae_min", "chain_ptm", "fraction_disordered"),
    *("has_clash", "iptm", "ptm", "ranking_score", "warning", "chains", "plddt", "chain_plddt", "chain_pair_pde_mean"),
    *("chain_pair_pde_min", "interfaces", "chemistry", "ranking_score_exact", "seed", "sample", "software", "weights"),
    "settings",
}
DETAILS = {
    *("atom_chain_ids", "atom_plddts", "contact_probs", "pae", "token_chain_ids", "token_res_ids", "warning"),
}
BONDS = {"covale", "disulf"}
Key = tuple[str, str, str, str]  # chain, number in the sequence (or "."), component, atom


@pytest.fixture(autouse=True)
def without_plans(monkeypatch) -> None:
    """Everything fits, and planning takes longer than these predictions."""
    nothing = planning.Work(dict.fromkeys(planning.EFFICIENCY, 1.0), dict.fromkeys(planning.EFFICIENCY, 1), 1, 1)
    monkeypatch.setattr(planning, "work_of", lambda *arguments: nothing)


@pytest.fixture
def predicted(tiny_predictor, tmp_path):
    def predict(job: Job) -> Path:
        predictor, provenance = tiny_predictor
        (outcome,) = run([job], predictor, provenance, Request(tmp_path, Settings(1)), Listener())
        assert not outcome.problem
        return outcome.folder

    return predict


def block_of(path: Path) -> gemmi.cif.Block:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return gemmi.cif.read_string(text).sole_block()


def table(block: gemmi.cif.Block, category: str, *names: str) -> list[list[str]]:
    return [[gemmi.cif.as_string(cell) for cell in row] for row in block.find(category, list(names))]


def atoms(block: gemmi.cif.Block) -> list[Key]:
    """Of the first model, without hydrogens, waters and unknown atoms; other conformations are not counted."""
    names = "label_asym_id", "label_seq_id", "label_comp_id", "label_atom_id", "type_symbol", "pdbx_PDB_model_num"
    numbers = "auth_seq_id", "label_alt_id"
    found: dict[tuple[str, ...], Key] = {}
    rows = table(block, "_atom_site.", *names, *numbers)
    for asym, seq, code, atom, symbol, model, author, _ in rows:
        if model != rows[0][5] or symbol in ("H", "D") or code in ("HOH", "DOD", "UNX", "UNL"):
            continue
        found.setdefault((asym, seq or author, code, atom), (asym, seq, code, atom))
    return list(found.values())


def sequences(block: gemmi.cif.Block) -> dict[str, list[str]]:
    """Component codes of every polymer with atoms."""
    residues: dict[str, list[str]] = {}
    heterogeneous = set()
    for entity, number, code in table(block, "_entity_poly_seq.", "entity_id", "num", "mon_id"):
        if (entity, number) not in heterogeneous:
            residues.setdefault(entity, []).append(code)
        heterogeneous.add((entity, number))
    asyms = table(block, "_struct_asym.", "id", "entity_id")
    present = {key[0] for key in atoms(block)}
    return {asym: residues[entity] for asym, entity in asyms if entity in residues and asym in present}


def links(block: gemmi.cif.Block) -> set[frozenset[tuple[str, str, str]]]:
    """Covalent bonds and disulfides between residues: pairs of chain, component and atom; numbers differ in ligands."""
    ends = [f"ptnr{end}_label_{name}" for end in (1, 2) for name in ("asym_id", "comp_id", "atom_id")]
    rows = table(block, "_struct_conn.", "conn_type_id", *ends)
    pairs = [((a, b, c), (d, e, f)) for kind, a, b, c, d, e, f in rows if kind in BONDS]
    return {frozenset(pair) for pair in pairs if not {"HOH"} & {end[1] for end in pair}}


def neighbours(block: gemmi.cif.Block, pair: frozenset[tuple[str, str, str]]) -> bool:
    """The usual bond of a chain, which some entries state for modified residues."""
    polymers = {asym for asym, *_ in pair} & sequences(block).keys()
    return (
        len({asym for asym, *_ in pair}) == 1
        and bool(polymers)
        and {atom for *_, atom in pair} <= {"C", "N", "P", "O3'"}
    )


def check_files(folder: Path, name: str) -> gemmi.cif.Block:
    """All files of a sample can be read and say what they should; returns the mmCIF."""
    assert not list(folder.rglob(".*"))
    path = folder / f"{name}_model.cif"
    sample = folder / "seed-1_sample-0" / f"{name}_seed-1_sample-0_model.cif"
    assert path.read_bytes() == sample.read_bytes()
    block = block_of(path)
    biotite = pdbx.get_structure(pdbx.CIFFile.read(StringIO(path.read_text())), model=1, use_author_fields=False)
    assert isinstance(biotite, AtomArray) and np.isfinite(np.asarray(biotite.coord)).all()
    keys = atoms(block)
    assert len(biotite) == len(keys) == len(set(table_rows(block)))
    gemmi_atoms = gemmi.make_structure_from_block(block)[0].count_atom_sites()
    assert gemmi_atoms == len(keys)
    check_json(folder, name, block)
    return block


def table_rows(block: gemmi.cif.Block) -> list[tuple[str, ...]]:
    names = "label_asym_id", "auth_seq_id", "label_comp_id", "label_atom_id"
    return [tuple(row) for row in table(block, "_atom_site.", *names)]


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def check_json(folder: Path, name: str, block: gemmi.cif.Block) -> None:
    summary = strict((folder / f"{name}_summary_confidences.json").read_text())
    details = strict((folder / f"{name}_confidences.json").read_text())
    assert summary.keys() == SUMMARY and details.keys() == DETAILS
    chains = [row[0] for row in table(block, "_atom_site.", "label_asym_id")]
    assert details["atom_chain_ids"] == chains and summary["chains"] == list(dict.fromkeys(chains))
    factors = [float(row[0]) for row in table(block, "_atom_site.", "B_iso_or_equiv")]
    np.testing.assert_allclose(details["atom_plddts"], factors, atol=0.0101)
    tokens = len(details["token_chain_ids"])
    for matrix in ("pae", "contact_probs"):
        assert np.array(details[matrix]).shape == (tokens, tokens)
    assert summary["chain_ids"] == details["token_chain_ids"] and len(details["token_res_ids"]) == tokens
    assert math.isfinite(summary["ranking_score_exact"])


def graph(mol: Chem.Mol) -> str:
    """Canonical SMILES without stereochemistry, which the weights know nothing of."""
    bare = Chem.RemoveHs(Chem.Mol(mol))
    Chem.RemoveStereochemistry(bare)
    return Chem.MolToSmiles(bare)


def check_ligands(folder: Path, name: str, block: gemmi.cif.Block, polymers: Sequence[str]) -> int:
    """Every ligand but ions has a record that RDKit reads, with the atoms of the mmCIF in their order."""
    sites = table(block, "_atom_site.", "label_asym_id", "type_symbol")
    ligands = Counter(asym for asym, _ in sites if asym not in polymers)
    expected = {asym for asym, count in ligands.items() if count > 1}
    records = {path.stem.removeprefix(f"{name}_ligand_"): path for path in folder.glob(f"{name}_ligand_*.sdf")}
    assert records.keys() == expected
    for asym, path in records.items():
        (mol,) = Chem.SDMolSupplier(str(path))
        symbols = [symbol.capitalize() for chain, symbol in sites if chain == asym]
        assert [atom.GetSymbol() for atom in mol.GetAtoms()] == symbols
        assert mol.GetProp("chain_id") == asym and len(Chem.GetMolFrags(mol)) == 1
    return len(records)


def check_entry(source: Path, job: Job, folder: Path) -> None:
    name = file_name(job.name)
    entry, block = block_of(source), check_files(folder, name)
    assert sequences(block) == sequences(entry)
    observed, there = Counter(atoms(entry)), Counter(atoms(block))
    assert not observed - there, "atoms of the entry that are not in the prediction"
    assert {key[0] for key in there} == {key[0] for key in observed}
    declared = {pair for pair in links(entry) if not neighbours(entry, pair)}
    assert declared == {pair for pair in links(block) if not neighbours(block, pair)}
    check_ligands(folder, name, block, list(sequences(entry)))


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_entries(name, predicted):
    source = GOLDENS / f"{name}.cif.gz"
    (job,) = read(source)
    check_entry(source, job, predicted(job))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES, ids=lambda name: f"{name} {ENTRIES[name]}")
def test_entries_of_every_kind(name, shared, predicted):
    source = shared / "data" / "structures" / f"{name}.cif.gz"
    (job,) = read(source)
    check_entry(source, job, predicted(job))


@pytest.mark.parametrize("name", COMMITTED)
def test_the_dictionaries_have_nothing_against_it(name, predicted):
    (job,) = read(GOLDENS / f"{name}.cif.gz")
    path = predicted(job) / f"{file_name(job.name)}_model.cif"
    assert complaints(gemmi.cif.read(str(path)), "mmcif_ma.dic", "mmcif_pdbx.dic") == []


def test_chain_ids_of_several_characters(shared, predicted):
    """An entry whose ligand shares the id of a polymer: it gets one of its own, C_PXA6."""
    (job,) = read(shared / "data" / "structures_assembly" / "209d-assembly1.cif.gz")
    folder = predicted(job)
    block = check_files(folder, file_name(job.name))
    assert "C_PXA6" in {key[0] for key in atoms(block)}
    assert check_ligands(folder, file_name(job.name), block, ["A", "B", "C"]) == 1


def test_long_names_of_components(shared, predicted):
    """Of an entry whose ligand is in no dictionary, and has a name of eleven letters; the protein is cut short."""
    (job,) = read(shared / "data" / "structures" / "9cox.cif.gz")
    ligands = tuple(entity for entity in job.entities if isinstance(entity, Ligand))
    short = replace(job, entities=(Protein(("A",), "MKTAYIAKQR"), *ligands))
    folder = predicted(short)
    block = check_files(folder, file_name(job.name))
    source = block_of(shared / "data" / "structures" / "9cox.cif.gz")
    mine = {key for key in atoms(source) if key[2] == "UNKNOWN_CCD"}
    assert mine and mine == {key for key in atoms(block) if key[2] == "UNKNOWN_CCD"}
    assert check_ligands(folder, file_name(job.name), block, ["A"]) == 2


def cropped(text: str, length: int) -> str:
    """The first columns of an a3m, without rows that have nothing in them."""
    rows = []
    for record in text.split(">")[1:]:
        header, *lines = record.splitlines()
        row, columns = "", 0
        for letter in "".join(lines):
            columns += not letter.islower()
            if columns > length:
                break
            row += letter
        if row.strip("-"):
            rows.append(f">{header}\n{row}\n")
    return "".join(rows)


def test_two_proteins_with_paired_alignments(shared, predicted):
    """The first 40 residues of the two proteins of 7wux; their alignments have some thousand rows."""
    entities: list[Protein] = []
    for number, chain in ((1, "A"), (2, "B")):
        both = []
        for kind in ("non_pairing", "pairing"):
            path = shared / "data" / "msas" / f"protenix__7wux__{number}__{kind}.a3m.gz"
            both.append(cropped(gzip.decompress(path.read_bytes()).decode(), 40))
        sequence = both[0].split("\n")[1]
        entities.append(Protein((chain,), sequence, unpaired_msa=both[0], paired_msa=both[1]))
    folder = predicted(Job("two proteins", tuple(entities)))
    block = check_files(folder, "two_proteins")
    letters = [gemmi.one_letter_code(codes) for codes in sequences(block).values()]
    assert letters == [entity.sequence for entity in entities]
    data = strict((folder / "two_proteins_data.json").read_text())
    assert data["sequences"][1]["protein"]["pairedMsa"] == entities[1].paired_msa


@pytest.mark.parametrize(
    "smiles", ["CC(=O)Oc1ccccc1C(=O)O", "C[N+](C)(C)CC([O-])=O", "O=[N+]([O-])c1ccncc1", "OB(O)c1ccccc1", "CS(=O)(=O)N"]
)
def test_a_smiles_comes_back_as_it_went_in(smiles, predicted):
    job = Job("smiles", (Protein(("A",), "MKT"), Ligand(("LIG1",), smiles=smiles)))
    folder = predicted(job)
    block = check_files(folder, "smiles")
    assert check_ligands(folder, "smiles", block, ["A"]) == 1
    (mol,) = Chem.SDMolSupplier(str(folder / "smiles_ligand_LIG1.sdf"))
    assert graph(mol) == graph(Chem.MolFromSmiles(smiles))
