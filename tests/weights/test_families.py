"""Weights of every family into our network and back, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from alphafold3_pytorch.models.network import Network
from alphafold3_pytorch.weights import alphafold3, families, native
from alphafold3_pytorch.weights.families import FAMILIES, export, identify, load_tensors, plan, reasons_against
from alphafold3_pytorch.weights.rules import WeightsError, identical, shapes_of
from tests.weights.conftest import golden

ELEMENT = "input_embedder.atom_attn_enc.ref_atom_feature_embedder.linear_ref_element.weight"


def unread(name: str, weights: dict[str, Tensor]) -> set[str]:
    """The arrays that nothing reads, whole or in part."""
    return {ignore.key for ignore in plan(weights).rulebook.ignores}


def same(left: dict[str, Tensor], right: dict[str, Tensor], but: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    return set(left) == set(right) and all(identical(left[key], right[key]) for key in set(left) - but)


def test_round_trip_is_exact(case):
    weights = golden(case)
    family = identify(shapes_of(weights)).family
    assert family.name == case.split("_")[0]
    back = export(load_tensors(weights), family.name)
    copies = {key for key in back if key.startswith("sample_diffusion.")}
    assert len(copies) == (
        0 if family.name != "openfold3" else sum(key.startswith("diffusion_module.") for key in back)
    )
    assert same({key: value for key, value in back.items() if key not in copies}, weights, unread(case, weights))
    assert not plan(weights).rulebook.changed_by_loading(weights)
    assert same(load_tensors(back).state_dict(), load_tensors(weights).state_dict())


def test_constants_of_the_file_come_back_too(case):
    weights = golden(case)
    known = {ignore.key for ignore in plan(weights).rulebook.ignores if ignore.fill is not None}
    back = export(load_tensors(weights), case.split("_")[0])
    assert all(torch.equal(back[key], weights[key]) for key in known)
    assert len(known) == {"alphafold3": 0, "openfold3": 1, "protenix": 2}[case.split("_")[0]]


def test_official_stacks_keep_the_layers_that_are_read():
    weights = golden("alphafold3")
    back = export(load_tensors(weights), "alphafold3")
    key = f"{alphafold3.MSA}/msa_transition/transition1/weights"
    assert torch.equal(back[key][:-1], weights[key][:-1]) and not back[key][-1].any()


def test_noise_embedding_is_the_official_one(shared):
    import numpy as np

    constants = np.load(shared / "parity" / "constants" / "noise_fourier_embedding.npz")
    weight, phase = alphafold3.fourier_constants()
    assert sorted(constants) == ["bias", "weight"]
    assert np.array_equal(weight, constants["weight"]) and np.array_equal(phase, constants["bias"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_one_precision_for_all(dtype):
    mixed = {
        key: value.to((torch.float32, torch.bfloat16, torch.float16)[i % 3])
        for i, (key, value) in enumerate(golden("alphafold3").items())
    }
    network = load_tensors(mixed, dtype=dtype)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {dtype}
    assert not network.training and not any(tensor.is_meta for tensor in network.state_dict().values())


# ---- the two versions of OpenFold3


@pytest.mark.parametrize(("name", "version"), [("openfold3", 2), ("openfold3_p2", 1)])
def test_openfold_versions_are_told_by_their_keys(name, version):
    weights = golden(name)
    weights.pop("version_tensor")
    network = load_tensors(weights)
    assert network.config.pairformer.pair.swap_bias == (version == 2)
    assert export(network, "openfold3")["version_tensor"].tolist() == [version, 0, 0]


@pytest.mark.parametrize(("name", "stated"), [("openfold3", 1.0), ("openfold3_p2", 2.0), ("openfold3", 0.0)])
def test_a_version_that_the_keys_contradict_is_refused(name, stated):
    weights = golden(name) | {"version_tensor": torch.tensor([stated, 0.0, 0.0])}
    with pytest.raises(WeightsError, match=rf"version_tensor says model version {stated:g}\.0\.0, but"):
        load_tensors(weights)


def test_the_first_preview_is_refused_by_its_name(tmp_path):
    torch.save(golden("openfold3_p2"), tmp_path / "of3_ft3_v1.pt")
    with pytest.raises(WeightsError, match="of3_ft3_v1.pt is the first preview of OpenFold3"):
        families.load(tmp_path / "of3_ft3_v1.pt")


def test_openfold_copies_of_the_diffusion_module():
    weights = golden("openfold3")
    prefix, start = "sample_diffusion.", "diffusion_module."
    copies = {prefix + key: value for key, value in weights.items() if key.startswith(start)}
    assert same(load_tensors(weights | copies).state_dict(), load_tensors(weights).state_dict())
    with pytest.raises(WeightsError, match="not part of the model: sample_diffusion.diffusion_module.other"):
        load_tensors(weights | {"sample_diffusion.diffusion_module.other": torch.ones(1)})


# ---- Protenix


def test_constraint_model_without_language_model_weights():
    weights = golden("protenix_constraint")
    del weights["input_embedder.linear_esm.weight"]
    network = load_tensors(weights)
    assert network.config.embedding_features is None and network.config.constraints == 5
    assert same(export(network, "protenix"), weights, unread("protenix_constraint", weights))


# ---- what is refused


def test_missing_unknown_and_misshapen_arrays_are_named():
    weights = golden("protenix_v1")
    key = "pairformer_stack.blocks.0.tri_mul_out.linear_z.weight"
    for changed, message in [
        ({k: v for k, v in weights.items() if k != key}, "array missing"),
        ({k: v for k, v in weights.items() if k != "layernorm_s.bias"}, "1 array missing: layernorm_s.bias$"),
        (weights | {"lora.weight": torch.ones(1)}, "1 array not part of the model: lora.weight"),
        (weights | {"layernorm_s.bias": torch.ones(3)}, r"wrong shape: layernorm_s.bias \[3\]"),
        (weights | {key: torch.ones(0, 3)}, "does not tell the size"),
    ]:
        with pytest.raises(WeightsError, match=f"^looks like weights of Protenix .*{message}"):
            load_tensors(changed)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            ["alphafold/alphafold_iteration/evoformer/left_single//weights"],
            "weights of AlphaFold 2, which are not read",
        ),
        (["evoformer.blocks.0.msa_att_row.linear_z.weight"], "weights of AlphaFold 2"),
        (["s_init.weight", "structure_module.score_model.s_to_a_linear.0.weight"], "weights of Boltz"),
        (["encoder.layer.0.weight"], "of no known family .its arrays: encoder.layer.0.weight.*known are AlphaFold 3"),
        (["diffuser/evoformer/left_single/bias"], "looks like weights of AlphaFold 3 .*array missing"),
    ],
)
def test_foreign_weights_are_named(keys, message):
    with pytest.raises(WeightsError, match=message):
        load_tensors({key: torch.ones(2, 2) for key in keys})


def test_sizes_that_contradict_each_other():
    weights = golden("openfold3")
    weights["pairformer_stack.blocks.0.attn_pair_bias.linear_z.weight"] = torch.ones(10**6, 2)
    with pytest.raises(WeightsError, match="looks like weights of OpenFold3"):
        load_tensors(weights)


# ---- export to another family


@pytest.mark.parametrize("family", ["alphafold3", "protenix", "openfold3"])
def test_no_network_is_written_as_another_family(case, family):
    network = load_tensors(golden(case))
    if case.startswith(family):
        assert reasons_against(network.config, FAMILIES[family]) == []
    else:
        with pytest.raises(WeightsError, match="this network cannot be written as weights of"):
            export(network, family)


def test_options_that_no_array_shows_are_compared():
    network = load_tensors(golden("openfold3_p2"))
    swapped = replace(network.config.pairformer, pair=replace(network.config.pairformer.pair, swap_bias=True))
    network.config = replace(network.config, pairformer=swapped)
    with pytest.raises(WeightsError, match="pairformer.pair.swap_bias .False there, True here"):
        export(network, "openfold3")


def test_settings_outside_the_file_do_not_matter():
    config = load_tensors(golden("protenix_v2")).config
    config = replace(config, recycles=1, sampler=replace(config.sampler, steps=7), msa=replace(config.msa, dropout=0.5))
    assert reasons_against(config, FAMILIES["protenix"]) == []


def test_what_a_layout_has_no_place_for_is_not_dropped():
    network = load_tensors(golden("openfold3"))
    with torch.no_grad():
        network.inputs.embedder.atom.weight[:, 4] = 1.0  # element 0, for which OpenFold3 has no column
    with pytest.raises(WeightsError, match="has no place for what these parameters hold.*inputs.embedder.atom.weight"):
        export(network, "openfold3")
    official = load_tensors(golden("alphafold3"))
    official.diffusion.conditioning.fourier.phase.add_(1)
    with pytest.raises(WeightsError, match="has no place.*fourier.phase"):
        export(official, "alphafold3")


def test_every_buffer_of_the_network_is_filled(case):
    state = native.shapes_of_network(load_tensors(golden(case)).config)
    network = load_tensors(golden(case))
    assert set(state) == set(dict(network.named_parameters())) | set(dict(network.named_buffers()))
    assert isinstance(network, Network) and families.NATIVE.recognises(state)
