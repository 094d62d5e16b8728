"""The class of the README from the outside: arguments, errors, losses, files."""

from typing import Any

import pytest
import torch

from alphafold3_pytorch import Alphafold3, Alphafold3Input, Alphafold3Logits, ConfidenceHeadLogits
from tests.synthetic import collate, complex_tensors, randomise, small_arguments, without


@pytest.fixture(scope="module")
def model() -> Alphafold3:
    return randomise(Alphafold3(**small_arguments()), scale=0.3)


@pytest.fixture(scope="module")
def tensors():
    return collate([complex_tensors(6, seed=1), complex_tensors(4, 2, seed=2)])


def unlabelled(tensors):
    return without(tensors, "atom_pos", "resolved_labels")


def test_loss_and_its_parts(model, tensors):
    loss, parts = model(
        **tensors, return_loss_breakdown=True, diffusion_add_bond_loss=True, diffusion_add_smooth_lddt_loss=True
    )
    assert all(part > 0 for part in parts)
    total = 4 * parts.total_diffusion + 1e-2 * parts.distogram + 1e-4 * parts.confidence
    torch.testing.assert_close(loss, total)
    torch.testing.assert_close(parts.confidence, parts.pae + parts.pde + parts.plddt + parts.resolved)


def test_confidence_is_trained_within_the_resolution_range(model, tensors):
    _, parts = model(**tensors, resolution=torch.tensor([9.0, 9.0]), return_loss_breakdown=True)
    assert parts.confidence == 0
    _, parts = model(**tensors, resolution=torch.tensor([2.0, 9.0]), return_loss_breakdown=True)
    assert parts.confidence > 0


def test_given_distance_labels(model, tensors):
    inputs = unlabelled(tensors)
    n = inputs["molecule_ids"].shape[1]
    loss, parts = model(**inputs, distance_labels=torch.zeros(2, n, n).long(), return_loss_breakdown=True)
    assert parts.distogram > 0 and parts.total_diffusion == 0
    torch.testing.assert_close(loss, 1e-2 * parts.distogram)


def test_samples(model, tensors):
    inputs = unlabelled(tensors)
    m = inputs["atom_inputs"].shape[1]
    positions = model(**inputs, num_sample_steps=3, seed=1)
    assert positions.shape == (2, m, 3)
    lengths = inputs["molecule_atom_lens"].sum(dim=1)
    assert (positions[1, lengths[1] :] == 0).all()
    torch.testing.assert_close(model(**inputs, num_sample_steps=3, seed=1), positions)
    path = model(**inputs, num_sample_steps=3, seed=1, return_all_diffused_atom_pos=True)
    assert path.shape == (4, 2, m, 3)
    torch.testing.assert_close(path[-1], positions)


def test_logits(model, tensors):
    inputs = unlabelled(tensors)
    n, m = inputs["molecule_ids"].shape[1], inputs["atom_inputs"].shape[1]
    _, logits = model(**inputs, num_sample_steps=2, return_confidence_head_logits=True)
    assert isinstance(logits, ConfidenceHeadLogits)
    shapes = [tuple(each.shape) for each in logits if each is not None]
    assert shapes == [(2, 64, n, n), (2, 64, n, n), (2, 50, m), (2, 2, m)]
    options = dict(return_confidence_head_logits=True, return_distogram_head_logits=True)
    _, logits = model(**without(inputs, "atom_indices_for_frame"), num_sample_steps=2, **options)
    assert isinstance(logits, Alphafold3Logits)
    assert logits.pae is None and logits.distance.shape == (2, 64, n, n)


def test_sampling_leaves_the_mode_alone(model, tensors):
    assert model.training
    model(**unlabelled(tensors), num_sample_steps=1)
    assert model.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dim_pairwize=3), "dim_pairwize.*dim_pairwise"),
        (dict(msa_module_kwargs=dict(dept=3)), "msa_module_kwargs.*dept.*depth"),
        (dict(pairformer_stack=dict(pairwise_block_kwargs=dict(tri_attn_head=1))), "tri_attn_head.*tri_attn_heads"),
        (dict(diffusion_module_kwargs=dict(single_cond_kwargs=dict(num_transition=1))), "num_transitions"),
        (dict(edm_kwargs=dict(sigmamin=1)), "sigma_min"),
        (dict(dim_atom_inputs=None), "dim_atom_inputs"),
    ],
)
def test_unknown_arguments_name_the_near_ones(arguments, message):
    with pytest.raises(TypeError, match=message):
        Alphafold3(**small_arguments(**arguments))


def test_unknown_tensors_name_the_near_ones(model, tensors):
    with pytest.raises(TypeError, match="atom_position.*atom_pos"):
        model(**tensors, atom_position=torch.zeros(1))
    with pytest.raises(TypeError, match="needs atom_inputs"):
        model(**without(tensors, "atom_inputs"))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("msa", (2, 5, 9, 31), r"msa: expected shape \(b=2, s, n=9, msa=32\), got \(2, 5, 9, 31\)"),
        ("molecule_ids", (2, 8), r"molecule_ids: expected shape \(b=2, n=9\), got \(2, 8\)"),
        (
            "atompair_inputs",
            (2, 4, 5),
            r"atompair_inputs: expected shape \(b=2, m=\d+, m=\d+, pair=5\) or \(b=2, w, q=8",
        ),
        ("atom_pos", (2, 3, 3), r"atom_pos: expected shape \(b=2, m=\d+, 3\), got \(2, 3, 3\)"),
    ],
)
def test_wrong_shapes_name_the_argument(model, tensors, name, shape, message):
    dtype = tensors[name].dtype
    with pytest.raises(ValueError, match=message):
        model(**(tensors | {name: torch.zeros(shape, dtype=dtype)}))


def test_more_atoms_than_inputs(model, tensors):
    lengths = tensors["molecule_atom_lens"] + 1
    with pytest.raises(ValueError, match="molecule_atom_lens: .* atoms in a complex, but atom_inputs has"):
        model(**(tensors | {"molecule_atom_lens": lengths}))


def test_modifications_must_agree_with_the_model(model, tensors):
    flags = torch.zeros(2, 9, 4)
    with pytest.raises(ValueError, match="is_molecule_mod"):
        model(**tensors, is_molecule_mod=flags)
    modified = Alphafold3(**small_arguments(num_molecule_mods=4))
    with pytest.raises(ValueError, match="is_molecule_mod is needed"):
        modified(**tensors)
    assert modified(**tensors, is_molecule_mod=flags).isfinite()


def test_windowed_pairs_equal_dense_ones(model, tensors):
    from alphafold3_pytorch.features.tensors import feature_batch

    config = model.config.atoms
    inputs = unlabelled(tensors)
    batch = feature_batch(inputs, config.queries, config.keys, model.sizes)
    windows = batch.atompair_features
    dense = model(**inputs, num_sample_steps=2, seed=3)
    torch.testing.assert_close(model(**(inputs | {"atompair_inputs": windows}), num_sample_steps=2, seed=3), dense)


def test_optional_atom_inputs(tensors):
    model = Alphafold3(**small_arguments(num_atom_embeds=7, num_atompair_embeds=3, constraints=["pocket", "docking"]))
    n, m = tensors["molecule_ids"].shape[1], tensors["atom_inputs"].shape[1]
    more = dict(
        atom_ids=torch.randint(0, 7, (2, m)),
        atompair_ids=torch.randint(0, 3, (2, m, m)),
        atom_parent_ids=torch.zeros(2, m).long(),
        token_constraints=torch.full((2, n, n, 5), -1.0),
        missing_atom_mask=torch.zeros(2, m).bool(),
    )
    assert model(**tensors, **more).isfinite()


def test_atoms_attend_within_their_parent(model, tensors):
    """Moving the features of one parent's atoms changes the token activations of no other."""
    inputs = unlabelled(tensors)
    m = inputs["atom_inputs"].shape[1]
    parents = (torch.arange(m) >= 10).long().expand(2, -1)
    from alphafold3_pytorch.features.tensors import feature_batch

    def tokens(atoms):
        given = inputs | {"atom_parent_ids": parents, "atom_inputs": atoms}
        given["atompair_inputs"] = torch.zeros_like(inputs["atompair_inputs"])
        return model.network.inputs(feature_batch(given, 8, 32, model.sizes))

    changed = inputs["atom_inputs"].clone()
    changed[:, 10:] += 1
    batch = feature_batch(inputs, 8, 32, model.sizes)
    untouched = batch.atom_to_token[0, 9]
    before, after = tokens(inputs["atom_inputs"]), tokens(changed)
    torch.testing.assert_close(before[0, :untouched], after[0, :untouched])
    assert (before - after).abs().max() > 0.01


def test_files(tmp_path, model, tensors):
    path = tmp_path / "model.pt"
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path)
    inputs = unlabelled(tensors)
    expected = model(**inputs, num_sample_steps=2, seed=5)
    again = Alphafold3.init_and_load(path)
    torch.testing.assert_close(again(**inputs, num_sample_steps=2, seed=5), expected)
    other = Alphafold3(**small_arguments())
    other.load(path, strict=True)
    torch.testing.assert_close(other(**inputs, num_sample_steps=2, seed=5), expected)
    assert torch.load(path, weights_only=True)["model"]["version"]
    torch.save({"model": {}}, path)
    with pytest.raises(ValueError, match="not written by Alphafold3.save"):
        Alphafold3.init_and_load(path)


def test_a_config_instead_of_arguments(tmp_path, model, tensors):
    twin = Alphafold3(config=model.config)
    twin.load_state_dict(model.state_dict())
    path = tmp_path / "twin.pt"
    twin.save(path)
    again = Alphafold3.init_and_load(path)
    assert again.config == model.config
    inputs = unlabelled(tensors)
    torch.testing.assert_close(again(**inputs, seed=1, num_sample_steps=2), model(**inputs, seed=1, num_sample_steps=2))


@pytest.mark.parametrize(
    "case", ["protenix_v1/weights.safetensors", "openfold3/weights.safetensors", "alphafold3/params.safetensors"]
)
def test_published_weights_sample_and_train(root, case):
    model = Alphafold3.from_checkpoint(
        root / "tests" / "goldens" / "cases" / case, diffusion_num_augmentations=2, num_rollout_steps=2
    )
    known = Alphafold3Input(
        proteins=["AG"], metal_ions=["Mg"], atom_pos=[torch.randn(5, 3), torch.randn(4, 3), torch.randn(1, 3)]
    )
    loss = model.forward_with_alphafold3_inputs(known)
    loss.backward()
    assert loss.isfinite() and model.network.trunk.single.weight.grad is not None
    asked = Alphafold3Input(proteins=["MKT"], ligands=["CCO"])
    positions = model.forward_with_alphafold3_inputs([asked, Alphafold3Input(ss_rna=["AU"])], num_sample_steps=2)
    assert positions.shape[0] == 2 and positions.isfinite().all()


def test_shrink_and_perturb():
    model = Alphafold3(**small_arguments())
    before = [parameter.clone() for parameter in model.parameters()]
    model.shrink_and_perturb_(0.5, 0.0)
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(new, old / 2)
    with pytest.raises(ValueError, match="shrink_factor"):
        model.shrink_and_perturb_(2.0)


def test_biopython_structures_of_every_kind_of_chain():
    model = randomise(Alphafold3(**{**small_arguments(), "dim_atom_inputs": 3, "num_molecule_mods": 0}), scale=0.3)
    inputs = [
        Alphafold3Input(proteins=["AG"], ss_rna=["AC"], ligands=["CCO"], metal_ions=["Mg"]),
        Alphafold3Input(ss_dna=["ACG"]),
    ]
    options: dict[str, Any] = dict(num_sample_steps=2, seed=1)
    positions = model.forward_with_alphafold3_inputs(inputs, **options)
    structures = model.forward_with_alphafold3_inputs(inputs, **options, return_bio_pdb_structures=True)
    for structure, own in zip(structures, positions, strict=True):
        found = torch.tensor([atom.coord.tolist() for atom in structure.get_atoms()])
        torch.testing.assert_close(found, own[: len(found)])
        assert (own[len(found) :] == 0).all()
    assert [chain.id for chain in structures[0].get_chains()] == ["A", "B", "C", "D"]
    assert [residue.get_resname() for residue in structures[1].get_residues()] == ["DA", "DC", "DG"]
    with pytest.raises(ValueError, match="forward_with_alphafold3_inputs"):
        model(**unlabelled(collate([complex_tensors(4, 2, seed=2)])), return_bio_pdb_structures=True)
