"""Our features against those that official AlphaFold 3 makes of the same jobs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from alphafold3_pytorch.chem.residues import UNKNOWN_DNA, UNKNOWN_RNA
from alphafold3_pytorch.features.featurize import assemble
from tools.features_parity import cases, complex_of, differences, find_dictionary, main
from tools.parity_alphafold3 import Layout

FOLDER = Path(__file__).parents[1] / "goldens" / "features"
CASES = list(cases(FOLDER))


@pytest.fixture(scope="module")
def dictionary():
    return find_dictionary(FOLDER, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_feature_is_equal(case, dictionary):
    wrong = {name: what for name, what in differences(case, dictionary).items() if what}
    assert not wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_batch_is_the_one_made_of_their_dictionary(case, dictionary):
    known = complex_of(case, dictionary)
    arrays = {name: array for name, array in np.load(case.features).items() if "layout/" not in name}
    arrays |= {"ref_pos": in_slots(known, arrays["ref_pos"])}  # RDKit's version decides about these
    layout = Layout({name: torch.from_numpy(array) for name, array in arrays.items()})
    ours, theirs = assemble(known), layout.batch()
    tokens, atoms = len(known.tokens), len(known.tokens.structure)
    for name in ("residue_index", "token_index", "asym_id", "entity_id", "sym_id", "token_features", "distogram_atom"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)[:, :tokens]), name
    assert torch.equal(one_unknown(ours.restype), theirs.restype[:, :tokens])
    assert torch.equal(ours.token_bonds, theirs.token_bonds[:, :tokens, :tokens])
    for name in ("atom_features", "atom_to_token", "atom_slot"):
        assert torch.allclose(getattr(ours, name)[:, :atoms], getattr(theirs, name)[:, :atoms]), name
    pairs = [batch.atompair_features.flatten(1, 2)[:, :atoms] for batch in (ours, theirs)]
    assert torch.equal(*pairs)
    assert ours.msa is not None and theirs.msa is not None
    assert torch.equal(one_unknown(ours.msa.rows), theirs.msa.rows[:, :, :tokens])
    assert torch.allclose(ours.msa.features, theirs.msa.features[:, :, :tokens])
    for name, value in vars(layout.templates()).items():
        assert torch.equal(
            getattr(ours.templates, name), value[:, :, :tokens].to(getattr(ours.templates, name).dtype)
        ), name


def in_slots(known, like):
    slots = np.zeros_like(like)
    slots[known.tokens.atom_to_token, known.layout.slot] = known.positions
    return slots


def one_unknown(types):
    """Their vocabulary has one unknown nucleotide."""
    return types.masked_fill(types == UNKNOWN_DNA, UNKNOWN_RNA)


def test_a_difference_is_noticed(dictionary, tmp_path):
    case = CASES[0]
    arrays = dict(np.load(case.features))
    arrays["aatype"] = arrays["aatype"] + 1
    arrays["msa"] = arrays["msa"][:-1]
    arrays["new"] = np.zeros(1)
    np.savez(tmp_path / "features.npz", **arrays)
    changed = type(case)(case.name, case.job, tmp_path / "features.npz", case.settings)
    wrong = {name for name, what in differences(changed, dictionary).items() if what}
    assert wrong == {"aatype", "msa", "new"}


@pytest.mark.parametrize(("changed", "status"), [(False, 0), (True, 1)])
def test_the_tool_says_whether_a_folder_agrees(tmp_path, capsys, changed, status):
    name = "f06_ligand_smiles"
    arrays = dict(np.load(FOLDER / f"{name}.npz"))
    if changed:
        arrays["residue_index"] = arrays["residue_index"][::-1].copy()
    np.savez(tmp_path / f"{name}.npz", **arrays)
    for file in (f"{name}.json", "index.json", "components.cif.gz"):
        shutil.copy(FOLDER / file, tmp_path / file)
    with pytest.raises(SystemExit) as left:
        main(tmp_path)
    assert left.value.code == status and f"of {len(arrays)} features agree" in capsys.readouterr().out


def test_all_reference_cases_agree(shared):
    for folder in (shared / "parity" / "features", shared / "parity" / "golden" / "alphafold3"):
        components = find_dictionary(folder, None)
        for case in cases(folder):
            assert not [name for name, what in differences(case, components).items() if what], case.name
