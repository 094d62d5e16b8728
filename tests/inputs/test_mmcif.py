import csv
import logging

import numpy as np
import pytest

from alphafold3_pytorch.features.featurize import featurize
from alphafold3_pytorch.inputs import mmcif
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import AtomAddress, Dna, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.inputs.read import read
from alphafold3_pytorch.structure.mmcif_text import mmcif_text
from tests.structure.test_mmcif import ENTRY

JOB = Job(
    "law",
    (
        Protein(("A", "C"), "GXCSNM", (Modification("SEP", 4), Modification("MSE", 6))),
        Rna(("D",), "ANGU", (Modification("DA", 1),)),  # a hybrid
        Dna(("E",), "ACGTN"),
        Ligand(("F", "G"), codes=("NAG", "NAG")),
        Ligand(("H", "I"), codes=("MG",)),
        Ligand(("B",), codes=("ATP",)),
    ),
    (
        (AtomAddress("A", 3, "SG"), AtomAddress("C", 3, "SG")),
        (AtomAddress("A", 5, "ND2"), AtomAddress("F", 1, "C1")),
        (AtomAddress("F", 1, "O4"), AtomAddress("F", 2, "C1")),
        (AtomAddress("G", 1, "O4"), AtomAddress("G", 2, "C1")),
    ),
)


def written(job: Job) -> str:
    structure = build(job)
    structure.positions[:] = np.random.default_rng(0).normal(size=(len(structure), 3))
    sulfur = (structure.names == "SG").nonzero()[0]
    structure.positions[sulfur[0]] = structure.positions[sulfur[1]] + [0, 0, 2.05]
    return mmcif_text(structure, job.name)


def parts(job: Job):
    """Entities by what they are, whatever their order."""
    entities = {(e.kind, e.codes if isinstance(e, Ligand) else e.residues()): set(e.ids) for e in job.entities}
    return entities, {frozenset(bond) for bond in job.bonds}


def test_a_job_that_is_written_is_the_same_job_when_read():
    again = mmcif.parse(written(JOB))
    assert parts(again) == parts(JOB) and again.name == "law"
    sequences = {entity.ids[0]: entity.sequence for entity in again.entities if not isinstance(entity, Ligand)}
    assert sequences == {"A": "GXCSNM", "D": "ANGU", "E": "ACGTN"}  # letters of what was modified


def test_an_entry_without_a_name_is_called_after_its_file():
    text = written(JOB).replace("data_law", "data_XXXX").replace("_entry.id law", "_entry.id XXXX")
    assert mmcif.parse(text, source="models/mine.cif.gz").name == "mine"


def test_no_position_is_in_the_job():
    """Positions decide about nothing but which atoms there are."""
    text, moved = written(JOB), build(JOB)
    moved.positions[:] = np.random.default_rng(5).normal(size=(len(moved), 3))
    sulfur = (moved.names == "SG").nonzero()[0]
    moved.positions[sulfur[0]] = moved.positions[sulfur[1]] + [2.05, 0, 0]
    assert mmcif.parse(mmcif_text(moved, JOB.name)) == mmcif.parse(text)


def test_copies_ligands_and_bonds_of_an_entry():
    job = mmcif.parse(ENTRY.replace("ZZ-9", "ATP").replace("N1 ", "N9 "))
    assert job.name == "9XYZ" and [entity.ids for entity in job.entities] == [("A",), ("B",), ("C",), ("D",)]
    kinds, _ = parts(job)
    assert ("protein", ("GLY", "CYS", "CYS", "ASN")) in kinds and ("ligand", ("NAG", "NAG", "BMA")) in kinds
    assert (AtomAddress("B", 1, "O4"), AtomAddress("B", 2, "C1")) in job.bonds and len(job.bonds) == 4
    assert featurize(job).restype.shape == (1, 4 + (14 + 14 + 11) + 31 + 1)


def test_what_nobody_knows_is_left_out_with_a_word(caplog):
    text = ENTRY.replace("ZZ-9", "UNL")
    with caplog.at_level(logging.WARNING):
        job = mmcif.parse(text)
    assert "9XYZ: left out C, which is UNL" in caplog.text and [e.ids for e in job.entities] == [("A",), ("B",), ("D",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ENTRY,
            "job.cif: 9XYZ: residue 201 of chain X is the component ZZ-9, which neither the dictionary nor the file",
        ),
        (ENTRY.replace("ZZ-9", "ATP").replace(" O4 ", " OLD "), "9XYZ: residue 101 of chain Y has a bond at atom OLD"),
        (ENTRY.replace("ASN A 1 4", "ASN A 1 7"), "job.cif: residue 7 has atoms but is not in the sequence"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        mmcif.parse(text, source="job.cif")


def test_mmcif_is_known_by_its_text():
    assert mmcif.is_mmcif(ENTRY) and mmcif.is_mmcif("# comment\n\nDATA_X\nloop_\n_atom_site.id\n1\n")
    assert not mmcif.is_mmcif("data_LIG\n_chem_comp.id LIG\n") and not mmcif.is_mmcif('{"name": "data_ _atom_site."}')
    assert not mmcif.is_mmcif("") and not mmcif.is_mmcif("HEADER    LYASE\n")


OLD_NAMES = {"1a2c", "1eta", "1gbt", "3u4w", "4wvp", "5b59", "5eu8", "6lu7"}  # of atoms: the files are old


def test_deposited_entries_become_features(shared):
    folder = shared / "data"
    rows = list(csv.DictReader((folder / "index.csv").read_text().splitlines()))
    small = [row for row in rows if int(row["n_tokens"]) < 150 and row["entry_id"] not in OLD_NAMES]
    chosen = small[::25] + [row for row in small if row["has_glycan"] == "1" or row["n_hybrid"] != "0"][:4]
    for row in chosen:
        batch = featurize(read(folder / row["file"])[0])
        assert batch.token_mask.all() and len(batch.asym_id[0].unique()) >= int(row["n_polymer_chains"])


def test_names_that_the_dictionary_has_changed_are_refused(shared):
    with pytest.raises(
        ValueError, match="6LU7: residue .* has a bond at atom C41, which the component 02J does not have"
    ):
        read(shared / "data" / "structures" / "6lu7.cif.gz")
    with pytest.raises(ValueError, match="7FGZ: residue 302 of chain A is the component 7ZTVU"):
        read(shared / "data" / "structures" / "7fgz.cif.gz")
    assert "UNKNOWN_CCD" in read(shared / "data" / "structures" / "9cox.cif.gz")[0].components
