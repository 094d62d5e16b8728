import gzip
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from alphafold3_pytorch.features.atom_batch import maybe_transform_to_atom_input, pdb_inputs_to_batched_atom_input
from alphafold3_pytorch.features.dense_templates import dense_templates
from alphafold3_pytorch.features.featurize import batched, featurize, template_tensors
from alphafold3_pytorch.features.labels import entry_labels, known_positions
from alphafold3_pytorch.features.pdb_input import pdb_complex, pdb_input_to_molecule_input
from alphafold3_pytorch.features.templates import TemplateAtoms
from alphafold3_pytorch.features.tensors import SHAPES, check_shapes
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.job import AtomAddress, Job, Ligand, Modification, Protein, Rna
from alphafold3_pytorch.inputs.mmcif import to_job
from alphafold3_pytorch.inputs.pdb_input import PDBInput
from alphafold3_pytorch.nn.templates import template_pair_features
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.structure.mmcif_text import mmcif_text

WIDTHS = {"ATOM": 389, "PAIR": 5, "TOKEN": 33, "MSA": 32, "MSA_EXTRA": 2, "TEMPLATE": 108, "q": 32, "l": 128}
LABELS = {"atom_pos", "resolved_labels", "missing_atom_mask", "resolution"}
SEQUENCE, ALIKE = "MKVLAWGHTEPLSMQRNDYF", "MKVLAWGHTEPLSMQRNDYW"
JOB = Job(
    "1xyz",
    (
        Protein(("A", "B"), SEQUENCE, (Modification("SEP", 13),)),
        Rna(("C",), "ACGU"),
        Ligand(("D",), codes=("NAG", "NAG")),
        Ligand(("E",), codes=("MG",)),
    ),
    ((AtomAddress("A", 17, "ND2"), AtomAddress("D", 1, "C1")), (AtomAddress("D", 1, "O4"), AtomAddress("D", 2, "C1"))),
)
DATED = "_pdbx_audit_revision_history.revision_date 2015-01-01\n_refine.ls_d_res_high 2.5\n"


def written(path: Path, seed: int = 0, job: Job = JOB, unresolved: int = 3) -> Path:
    """An entry with random positions; some residues of chain B and one atom of chain A have none."""
    structure = build(job)
    structure.positions[:] = np.random.default_rng(seed).normal(size=(len(structure), 3)) * 10
    structure.positions[(structure.chain == 1) & (structure.residue < unresolved)] = np.nan
    structure.positions[5] = np.nan
    path.write_text(mmcif_text(structure, job.name) + DATED)
    return path


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "1xyz.cif")


def test_the_tensors_of_the_forward_method(path):
    tensors = maybe_transform_to_atom_input(PDBInput(mmcif_filepath=path)).model_forward_dict()
    assert set(tensors) <= set(SHAPES) and LABELS <= set(tensors)
    check_shapes({name: value[None] for name, value in tensors.items()}, WIDTHS)
    assert tensors["resolution"] == 2.5 and not tensors["resolved_labels"][5] and tensors["missing_atom_mask"][5]


def test_positions_change_no_input_feature(path, tmp_path):
    """Bit for bit: the ground truth may be anything."""
    moved = written(tmp_path / "2xyz.cif", seed=9)
    ours, theirs = (maybe_transform_to_atom_input(PDBInput(mmcif_filepath=file)).dict() for file in (path, moved))
    assert not torch.equal(ours["atom_pos"], theirs["atom_pos"])
    for name in set(ours) - {"atom_pos", "filepath"}:
        assert torch.equal(ours[name], theirs[name]), name


def test_which_atoms_are_resolved_changes_no_input_feature(path, tmp_path):
    fewer = written(tmp_path / "3xyz.cif", unresolved=15)
    ours, theirs = (maybe_transform_to_atom_input(PDBInput(mmcif_filepath=file)).dict() for file in (path, fewer))
    assert theirs["resolved_labels"].sum() < ours["resolved_labels"].sum()
    for name in set(ours) - LABELS - {"filepath"}:
        assert torch.equal(ours[name], theirs[name]), name


def test_labels_are_the_positions_of_the_same_atoms(path):
    entry = read_entry(path)
    structure = build(to_job(entry))
    positions = known_positions(structure, entry.structure)
    theirs = {
        (entry.structure.chains[c].id, r, n): x
        for c, r, n, x in zip(
            entry.structure.chain.tolist(),
            entry.structure.residue.tolist(),
            entry.structure.names.tolist(),
            entry.structure.positions,
            strict=True,
        )
    }
    for atom in range(len(structure)):
        key = structure.chains[structure.chain[atom]].id, int(structure.residue[atom]), str(structure.names[atom])
        assert np.array_equal(positions[atom], theirs.get(key, [np.nan] * 3), equal_nan=True), key
    assert (~np.isnan(positions[:, 0])).sum() == len(entry.structure) < len(structure)
    labels: Any = entry_labels(structure, entry, featurize(to_job(entry)).atom_mask.shape[1])
    assert int(labels.resolved.sum()) == len(entry.structure) and labels.resolution.tolist() == [2.5]
    assert labels.positions.isfinite().all() and not labels.resolved[0, len(structure) :].any()


def test_inference_has_no_labels(path):
    tensors = maybe_transform_to_atom_input(PDBInput(mmcif_filepath=path, inference=True)).dict()
    assert not LABELS & set(tensors)


def test_molecules_give_the_same_tensors(path):
    direct = maybe_transform_to_atom_input(PDBInput(mmcif_filepath=path)).dict()
    through = maybe_transform_to_atom_input(pdb_input_to_molecule_input(PDBInput(mmcif_filepath=path))).dict()
    conformers = {"atom_inputs", "atompair_inputs"}  # those of a MoleculeInput are drawn in another order
    assert set(direct) - set(through) <= {
        *("msa", "msa_mask", "additional_msa_feats", "additional_token_feats", "filepath"),
        *("atom_indices_for_frame", "valid_atom_indices_for_frame"),
    }
    for name in set(through) - conformers:
        assert torch.equal(direct[name], through[name]), name


def test_batches_are_padded(path, tmp_path):
    small = written(tmp_path / "s.cif", job=replace(JOB, entities=JOB.entities[:1], bonds=()))
    batch = pdb_inputs_to_batched_atom_input([PDBInput(mmcif_filepath=path), PDBInput(mmcif_filepath=small)])
    check_shapes(batch.model_forward_dict(), WIDTHS)
    assert batch.missing_atom_mask is not None and batch.missing_atom_mask[1, -1]


@pytest.fixture
def searched(path, tmp_path):
    """An alignment in one layout, hits in the other, the template beside the entry."""
    query = SEQUENCE
    (tmp_path / "msa").mkdir()
    (tmp_path / "msa" / "1xyzA_x.a3m").write_text(
        f">query\n{query}\n>a\n{query[:-1]}-\n>b\nM-{query[2:8]}aa{query[8:]}\n"
    )
    folder = tmp_path / "hits" / "1xyz_B" / "hhr"
    folder.mkdir(parents=True)
    rows = "".join(
        f">7tem_A/1-20 mol:protein length:20\n{'-' * shift}{ALIKE[: 20 - shift]}{ALIKE[20 - shift :].lower()}\n"
        for shift in (0, 1, 2)
    )
    (folder / "hits.a3m.gz").write_bytes(gzip.compress(rows.encode()))
    written(tmp_path / "7tem.cif", seed=4, job=Job("7tem", (Protein(("A",), ALIKE),)))
    return PDBInput(mmcif_filepath=path, msa_dir=tmp_path / "msa", templates_dir=tmp_path / "hits")


def test_alignments_and_templates_are_found(searched):
    tensors = maybe_transform_to_atom_input(searched).model_forward_dict()
    check_shapes({name: value[None] for name, value in tensors.items()}, WIDTHS)
    assert tensors["msa"].shape[0] >= 3 and tensors["additional_msa_feats"][..., 0].sum() > 0
    assert tensors["template_mask"].tolist() == [True, True, True, False]
    count = len(tensors["molecule_ids"])
    assert tensors["templates"].shape == (4, count, count, 108)


def test_training_draws_templates_that_are_older_than_the_entry(searched, path):
    counts = [len(template_slots(replace(searched, training=True, seed=seed))) for seed in range(12)]
    assert counts == [0] * 12  # released on the same day
    path.write_text(path.read_text().replace("2015-01-01", "2016-01-01"))
    counts = [len(template_slots(replace(searched, training=True, seed=seed))) for seed in range(12)]
    assert set(counts) == {0, 1, 2, 3} and len(template_slots(replace(searched, cutoff_date="2014-01-01"))) == 0


def test_what_is_not_found_is_said(searched, tmp_path, caplog):
    (tmp_path / "msa" / "1xyzA_x.a3m").unlink()
    maybe_transform_to_atom_input(searched)
    assert "1xyz: chain A has no alignment in" in caplog.text
    (tmp_path / "hits" / "1xyz_B" / "hhr" / "hits.a3m.gz").unlink()
    (tmp_path / "hits" / "1xyzB_protein_db.m8").write_text("")
    with pytest.raises(ValueError, match="1xyzB_protein_db.m8 has hits without their alignments"):
        maybe_transform_to_atom_input(searched)


def template_slots(inputs):
    protein = pdb_complex(inputs).job.entities[0]
    assert isinstance(protein, Protein) and protein.templates is not None
    return protein.templates


def test_template_pair_features_are_those_of_the_network():
    stream = np.random.default_rng(0)
    known = stream.random((2, 7, 37)) < 0.8
    atoms = TemplateAtoms(
        stream.integers(0, 21, (2, 7)), stream.normal(size=(2, 7, 37, 3)).astype(np.float32) * 9, known
    )
    asym = np.array([1, 1, 1, 1, 2, 2, 3])
    ours, groups = dense_templates(atoms, asym), template_tensors(atoms)
    for slot in range(2):
        theirs = template_pair_features(
            F.one_hot(groups.restype[:, slot], 32).float(),
            groups.pseudo_beta[:, slot],
            groups.pseudo_beta_mask[:, slot],
            groups.backbone[:, slot],
            groups.backbone_mask[:, slot],
            batched(asym),
        )[0]
        assert torch.allclose(ours[slot], theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mmcif_filepath": "x.pdb"}, "mmcif_filepath is 'x.pdb'; it must end in .cif"),
        ({"cropping_config": {"n_res": 8}, "inference": True}, "cropping_config needs the positions"),
        ({"cropping_config": {"n_tokens": 8}}, "cropping_config has 'n_tokens'; known are n_res"),
        ({"cropping_config": {"n_res": 8}, "chains": ("Z", None)}, "there is no chain 'Z' to crop around"),
        ({"cutoff_date": "30.9.2021"}, "write year-month-day"),
        ({"training": True, "inference": True}, "choose one"),
        ({"msa_dir": "/nowhere"}, "msa_dir is '/nowhere', which is not a folder"),
        ({"max_length": 3}, "tokens; max_length is 3"),
    ],
)
def test_arguments_that_do_not_fit(path, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        maybe_transform_to_atom_input(PDBInput(**({"mmcif_filepath": path} | changes)))


def test_folders_of_templates(tmp_path):
    sorted_by_letters = PDBInput(mmcif_filepath=tmp_path / "a4" / "7a4d-assembly1.cif.gz")
    assert sorted_by_letters.file_id == "7a4d-assembly1" and sorted_by_letters.template_folder == tmp_path
    assert PDBInput(mmcif_filepath=tmp_path / "7a4d.bcif").template_folder == tmp_path


@pytest.mark.parametrize("name", ["721p-assembly1", "7a4d-assembly1", "209d-assembly1"])
def test_files_of_the_original_package(shared, name):
    path = shared / "data" / "structures_assembly" / f"{name}.cif.gz"
    tensors = maybe_transform_to_atom_input(PDBInput(mmcif_filepath=path)).dict()
    assert tensors["resolved_labels"].float().mean() > 0.9 and tensors["atom_pos"].shape == (
        len(tensors["atom_inputs"]),
        3,
    )
