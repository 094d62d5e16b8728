import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from alphafold3_pytorch.features.atom_batch import (
    alphafold3_inputs_to_batched_atom_input,
    collate_inputs_to_batched_atom_input,
    maybe_transform_to_atom_input,
    register_input_transform,
)
from alphafold3_pytorch.features.atom_input import alphafold3_input_to_tensors, to_atom_input
from alphafold3_pytorch.features.tensors import SHAPES, check_shapes
from alphafold3_pytorch.inputs.alphafold3_input import Alphafold3Input, AtomInput

WIDTHS = {"ATOM": 389, "PAIR": 5, "TOKEN": 33, "MSA": 32, "MSA_EXTRA": 2, "TEMPLATE": 108, "q": 32, "l": 128}
EVERYTHING: dict[str, Any] = dict(
    proteins=["AG", "WX"],
    ss_rna=["ACGUN"],
    ds_dna=["ACG"],
    ligands=["CCO", "c1ccccc1Cl", "CCO"],
    metal_ions=["Mg", "Zn2+"],
)


def test_the_example_of_the_readme():
    tensors = alphafold3_input_to_tensors(Alphafold3Input(proteins=["AG"]), dim_atom_inputs=3, atoms_per_window=27)
    assert tensors["molecule_atom_lens"].tolist() == [5, 4] and tensors["atom_inputs"].shape == (9, 3)
    assert tensors["atom_inputs"].tolist()[0] == [0, 2, 1]  # N: no charge, two implied hydrogens, one bond
    assert tensors["atompair_inputs"].shape == (1, 27, 108, 5) and "is_molecule_mod" not in tensors
    assert tensors["molecule_atom_indices"].tolist() == [1, 6] and tensors["distogram_atom_indices"].tolist() == [4, 6]


def test_shapes_are_those_of_the_forward_method():
    batch = collate_inputs_to_batched_atom_input([Alphafold3Input(**EVERYTHING), Alphafold3Input(ligands=["C"])])
    tensors = batch.model_forward_dict()
    assert set(tensors) <= set(SHAPES)
    check_shapes(tensors, WIDTHS)
    assert "chains" not in tensors and len(batch.chains or [None, None]) == 2


def test_kinds_and_identities():
    tensors = alphafold3_input_to_tensors(Alphafold3Input(**EVERYTHING))
    kinds = tensors["is_molecule_types"].int().argmax(dim=1)
    assert kinds.tolist() == [0] * 4 + [1] * 5 + [2] * 6 + [3] * (3 + 7 + 3) + [4] * 2
    assert tensors["molecule_ids"].tolist()[-2:] == [32, 32] and tensors["molecule_ids"][3] == 20
    asym, entity, sym = tensors["additional_molecule_feats"][:, 2:].unbind(dim=1)
    assert asym.tolist()[-2:] == [9, 10] and asym[0] == 1
    assert entity[15] == entity[25] and sym[25] == 2  # two ethanols are copies of one entity
    bonds = tensors["token_bonds"]
    assert bonds[15, 16] and bonds[16, 17] and not bonds[15, 17] and not bonds[17, 18] and torch.equal(bonds, bonds.T)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_the_ground_truth_changes_no_input_feature(seed):
    torch.manual_seed(seed)
    plain = alphafold3_input_to_tensors(Alphafold3Input(proteins=["AG"], ligands=["CCO"]))
    labelled = alphafold3_input_to_tensors(
        Alphafold3Input(proteins=["AG"], ligands=["CCO"], atom_pos=torch.randn(12, 3), resolution=2.0)
    )
    for name, value in plain.items():
        assert torch.equal(value, labelled[name]), name
    assert set(labelled) - set(plain) == {"atom_pos", "resolved_labels", "resolution"}


def test_labels_and_missing_atoms():
    inputs = Alphafold3Input(
        proteins=["AG"], atom_pos=[torch.ones(5, 3), torch.ones(4, 3)], missing_atom_indices=[[4], None]
    )
    tensors = alphafold3_input_to_tensors(inputs, 3)
    assert tensors["missing_atom_mask"].nonzero().flatten().tolist() == [4]
    assert tensors["resolved_labels"].sum() == 8 and tensors["atom_pos"].shape == (9, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(atom_pos=torch.zeros(8, 3)), "atom_pos has shape (8, 3); the complex has 9 atoms"),
        (dict(missing_atom_indices=[[1]]), "missing_atom_indices has 1 entries for 2 residues"),
        (dict(missing_atom_indices=[[5], []]), "missing_atom_indices[0] has 5, but that residue has 5 atoms"),
        (dict(msa=torch.zeros(3, 4, 32)), "msa has shape (3, 4, 32); axis 1 must be the 2 tokens"),
        (dict(resolved_labels=torch.zeros(3)), "resolved_labels has shape (3,); axis 0 must be the 9 atoms"),
        (
            dict(extract_atom_feats_fn=lambda atom: torch.zeros(7)),
            "gives 7 features, but the model has dim_atom_inputs = 389",
        ),
        (dict(extract_atompair_feats_fn=lambda mol: torch.zeros(2, 2)), "extract_atompair_feats_fn gave shape (2, 2)"),
        (
            dict(add_atom_ids=True, custom_atoms=["C", "N"]),
            "custom_atoms lacks the elements with the atomic numbers [8]",
        ),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        alphafold3_input_to_tensors(Alphafold3Input(proteins=["AG"], **given))


def test_another_width_needs_a_function():
    with pytest.raises(ValueError, match="dim_atom_inputs is 77.*389.*formal charge"):
        alphafold3_input_to_tensors(Alphafold3Input(proteins=["AG"]), 77)
    own = Alphafold3Input(
        proteins=["AG"],
        extract_atom_feats_fn=lambda atom: torch.tensor([atom.GetAtomicNum(), 1.0]),
        extract_atompair_feats_fn=lambda mol: torch.ones(mol.GetNumAtoms(), mol.GetNumAtoms(), 2),
    )
    tensors = alphafold3_input_to_tensors(own, 2)
    assert tensors["atom_inputs"][:, 0].tolist() == [7, 6, 6, 8, 6, 7, 6, 6, 8]
    assert tensors["atompair_inputs"].sum() == 2 * (25 + 16)


def test_numbers_of_elements_and_bonds():
    inputs = Alphafold3Input(ligands=["CC=O"], add_atom_ids=True, add_atompair_ids=True, directed_bonds=True)
    tensors = alphafold3_input_to_tensors(inputs)
    assert tensors["atom_ids"].tolist() == [6, 6, 8]
    row = tensors["atompair_ids"][0, :, 48:51]  # keys start 48 atoms before the window
    assert row[:3].tolist() == [[0, 1, 0], [6, 0, 2], [0, 7, 0]]
    plain = alphafold3_input_to_tensors(
        Alphafold3Input(ligands=["Clc1ccccc1"], add_atom_ids=True, add_atompair_ids=True)
    )
    assert plain["atompair_ids"].max() == 4 and plain["atom_ids"][0] == 17


def test_features_of_the_caller_replace_ours():
    own = Alphafold3Input(proteins=["AG"], msa=torch.rand(3, 2, 32), templates=torch.rand(2, 2, 2, 108))
    tensors = alphafold3_input_to_tensors(own)
    assert own.msa is not None and torch.equal(tensors["msa"], own.msa) and tensors["msa_mask"].tolist() == [True] * 3
    assert tensors["additional_msa_feats"].shape == (3, 2, 2) and tensors["template_mask"].tolist() == [True] * 2
    assert alphafold3_input_to_tensors(Alphafold3Input(proteins=["AG"]))["msa"][0].argmax(dim=1).tolist() == [0, 7]


def test_a_molecule_has_its_own_atoms_in_their_order():
    mol = Chem.MolFromSmiles("OCC")
    tensors = alphafold3_input_to_tensors(Alphafold3Input(ligands=[mol]))
    assert tensors["atom_inputs"][:, 4:132].argmax(dim=1).tolist() == [8, 6, 6]


def test_padding_of_a_batch():
    labelled = Alphafold3Input(proteins=["AG"], atom_pos=torch.ones(9, 3), resolution=1.5)
    batch = collate_inputs_to_batched_atom_input([labelled, Alphafold3Input(ligands=["C"])], dim_atom_inputs=3)
    assert (
        batch.molecule_atom_lens.tolist() == [[5, 4], [1, 0]]
        and batch.additional_molecule_feats[1, 1].tolist() == [-1] * 5
    )
    assert (
        batch.missing_atom_mask is not None
        and not batch.missing_atom_mask[0].any()
        and batch.missing_atom_mask[1].all()
    )
    assert batch.resolution is not None and batch.resolution[0] == 1.5 and batch.resolution[1].isnan()
    assert batch.atom_inputs[1, 1:].abs().sum() == 0 and not batch.is_molecule_types[1, 1].any()
    alone = alphafold3_inputs_to_batched_atom_input(labelled, dim_atom_inputs=3)
    assert alone.missing_atom_mask is None and torch.equal(alone.atom_inputs[0], batch.atom_inputs[0])


def test_dense_pairs_become_windows():
    item = to_atom_input(Alphafold3Input(proteins=["AG"]), 3)
    dense = torch.rand(9, 9, 5)
    batch = collate_inputs_to_batched_atom_input([AtomInput(**{**item.dict(), "atompair_inputs": dense})])
    assert torch.equal(batch.atompair_inputs[0, 0, :9, 48:57], dense) and batch.atompair_inputs.sum() == dense.sum()
    with pytest.raises(ValueError, match=r"atompair_inputs has shape \(1, 27, 108, 5\)"):
        wrong = to_atom_input(Alphafold3Input(proteins=["AG"]), 3, atoms_per_window=27)
        collate_inputs_to_batched_atom_input([wrong])


def test_own_input_types_can_be_taught():
    class Mine:
        pass

    with pytest.raises(ValueError, match="Mine cannot become an AtomInput.*register_input_transform"):
        maybe_transform_to_atom_input(Mine())
    register_input_transform(Mine, lambda inputs, **options: to_atom_input(Alphafold3Input(proteins=["AG"]), 3))
    assert len(maybe_transform_to_atom_input(Mine()).molecule_ids) == 2


def test_an_input_that_fails_is_an_error_and_not_another_input():
    with pytest.raises(ValueError, match="RDKit understands"):
        collate_inputs_to_batched_atom_input([Alphafold3Input(proteins=["AG"]), Alphafold3Input(ligands=["C1CC"])])
    with pytest.raises(ValueError, match="no inputs to collate"):
        collate_inputs_to_batched_atom_input([])


def test_inputs_are_mapped_and_moved():
    batch = collate_inputs_to_batched_atom_input(
        ["AG", "MK"], map_input_fn=lambda text: Alphafold3Input(proteins=[text])
    )
    assert batch.molecule_ids.tolist() == [[0, 7], [12, 11]]
    assert batch.to("cpu").molecule_ids.device.type == "cpu"
