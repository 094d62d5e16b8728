"""Crops of deposited entries: what is chosen, how often, and that what remains is what it was."""

import functools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphafold3_pytorch.features.atom_batch import maybe_transform_to_atom_input
from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.features.bonds import bond_matrix
from alphafold3_pytorch.features.collate import collate_labels
from alphafold3_pytorch.features.crop import (
    METHODS,
    CropConfig,
    atoms_of,
    choose_tokens,
    crop_config,
    draw_method,
    possible_references,
    take,
    touches_other_chain,
)
from alphafold3_pytorch.features.featurize import Complex, assemble, prepare
from alphafold3_pytorch.features.labels import entry_labels, known_positions
from alphafold3_pytorch.features.truth import crop_labels
from alphafold3_pytorch.inputs.mmcif import to_job
from alphafold3_pytorch.inputs.pdb_input import PDBInput
from alphafold3_pytorch.structure.mmcif import Entry, read_entry

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "structures"
ENTRIES = {
    "1c4q": "five protein chains, each with a ligand of three residues",
    "2agg": "a peptide with a modified residue that is bonded to the protein",
    "1g2f": "DNA, proteins, ions",
    "1xda": "many small chains",
}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the reference data is not on this machine")
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names, seeds = st.sampled_from(sorted(ENTRIES)), st.integers(0, 2**32 - 1)
only = st.sampled_from(METHODS)


@functools.cache
def known(name: str) -> tuple[Complex, Entry, np.ndarray]:
    """The complex with an alignment and templates of random content, the entry, and the true positions."""
    entry = read_entry(DATA / f"{name}.cif.gz")
    whole = prepare(to_job(entry))
    stream, count = np.random.default_rng(0), len(whole.tokens)
    rows = stream.integers(0, 32, (4, count)).astype(np.int8)
    msa = replace(whole.msa, rows=rows, deletions=rows[::-1].copy(), profile=stream.random((count, 32)))
    atoms = stream.normal(size=whole.templates.positions.shape).astype(np.float32)
    templates = replace(whole.templates, positions=atoms, mask=atoms[..., 0] > 0)
    return replace(whole, msa=msa, templates=templates), entry, known_positions(whole.tokens.structure, entry.structure)


def weighted(method: str, **sizes: int) -> CropConfig:
    return CropConfig(**{each: float(each == method) for each in METHODS}, **sizes)  # type: ignore[arg-type]


def chosen_of(name: str, config: CropConfig, seed: int, chains: tuple[str, ...] = ()) -> np.ndarray:
    whole, _, positions = known(name)
    return choose_tokens(whole.tokens, positions[whole.layout.centre], chains, config, seed)


# Choosing


@given(names, only, st.integers(30, 400), st.integers(200, 3000) | st.none(), seeds)
@quick
def test_crops_are_as_large_as_they_may_be(name, method, size, atoms, seed):
    tokens = known(name)[0].tokens
    chosen = chosen_of(name, weighted(method, tokens=size, **({"atoms": atoms} if atoms else {})), seed)
    assert 0 < len(chosen) <= size and (np.diff(chosen) > 0).all()
    assert np.isin(tokens.space, tokens.space[chosen]).sum() == len(chosen)  # residues are whole
    assert atoms is None or len(atoms_of(tokens, chosen)) <= atoms
    resolved = np.isfinite(known(name)[2][known(name)[0].layout.centre]).all(axis=1).sum()
    if atoms is None and len(tokens) > size:
        largest = np.bincount(tokens.space).max()
        assert len(chosen) > min(size, resolved) - largest


@given(names, only, seeds)
@quick
def test_the_same_seed_gives_the_same_crop(name, method, seed):
    first, second = (chosen_of(name, weighted(method, tokens=60), seed) for _ in range(2))
    assert np.array_equal(first, second)


@given(names, st.integers(20, 200), seeds)
@quick
def test_contiguous_crops_are_a_stretch_of_each_chain(name, size, seed):
    tokens = known(name)[0].tokens
    chosen = chosen_of(name, weighted("contiguous", tokens=size), seed)
    for chain in np.unique(tokens.chain[chosen]):
        places = chosen[tokens.chain[chosen] == chain]
        if np.bincount(tokens.space).max() <= size:
            assert len(places) == places[-1] - places[0] + 1


def test_contiguous_crops_do_not_take_the_first_chain_whole():
    """The lengths are uniform: the mean is half of a chain, and the whole of it is one case of many."""
    tokens = known("1c4q")[0].tokens
    length = int((tokens.chain == 0).sum())
    config = weighted("contiguous", tokens=2 * length)
    crops = [chosen_of("1c4q", config, seed) for seed in range(300)]
    lengths = np.array([[(tokens.chain[crop] == chain).sum() for chain in range(5)] for crop in crops])
    assert (lengths == length).mean() < 0.2 and (lengths == length).any(axis=1).mean() < 0.6
    assert np.ptp(lengths.mean(axis=0)) < 0.15 * length


@given(names, seeds)
@quick
def test_spatial_crops_are_the_nearest_tokens(name, seed):
    """Independently: some token of the crop has all of it within a ball that holds no residue that would have fit."""
    whole, _, positions = known(name)
    tokens, centres = whole.tokens, positions[whole.layout.centre]
    chosen = chosen_of(name, weighted("spatial", tokens=80), seed)
    ordinary = np.bincount(tokens.space)[tokens.space] == 1
    left = np.setdiff1d(np.flatnonzero(np.isfinite(centres[:, 0]) & ordinary), chosen)
    distance = np.linalg.norm(centres[chosen, None] - centres, axis=-1)
    radius = np.nanmax(np.where(ordinary[chosen], distance[:, chosen], 0), axis=1)
    assert (distance[:, left].min(axis=1, initial=np.inf) >= radius).any()


@given(names, seeds, st.sampled_from([("A",), ("A", "B"), ()]))
@quick
def test_spatial_crops_lie_around_the_chains(name, seed, chains):
    tokens = known(name)[0].tokens
    ids = [tokens.structure.chains[number].id for number in tokens.chain]
    chosen = chosen_of(name, weighted("spatial", tokens=40), seed, chains)
    assert not chains or any(ids[token] in chains for token in chosen)


@given(names, st.sampled_from([("A", "B"), ("B", "E"), ()]))
@quick
def test_references_of_interface_crops_are_near_another_chain(name, chains):
    whole, _, positions = known(name)
    tokens, centres = whole.tokens, positions[whole.layout.centre]
    numbers = [number for number, chain in enumerate(tokens.structure.chains) if chain.id in chains]
    if len(numbers) == 1:
        return
    found = possible_references(tokens, centres, numbers, 15.0)["spatial_interface"]
    mine = np.isin(tokens.chain, numbers) if chains else np.ones(len(tokens), bool)
    distance = np.linalg.norm(centres[:, None] - centres, axis=-1)
    near = (distance < 15) & (tokens.chain[:, None] != tokens.chain) & mine[:, None] & mine
    assert np.array_equal(found, np.flatnonzero(near.any(axis=1)))


@pytest.mark.parametrize(
    ("chains", "expected"),
    [(("A", "B"), (0.2, 0.4, 0.4)), (("A",), (1 / 3, 2 / 3, 0)), ((), (0.2, 0.4, 0.4))],
)
def test_methods_are_as_frequent_as_in_the_paper(chains, expected):
    whole, _, positions = known("1c4q")
    numbers = [number for number, chain in enumerate(whole.tokens.structure.chains) if chain.id in chains]
    references = possible_references(whole.tokens, positions[whole.layout.centre], numbers, 15.0)
    stream, count = np.random.default_rng(0), 3000
    drawn = [draw_method(references, CropConfig(), stream) for _ in range(count)]
    for method, share in zip(METHODS, expected, strict=True):
        assert abs(drawn.count(method) / count - share) <= 4 * np.sqrt(share * (1 - share) / count)


def test_every_token_can_be_chosen():
    tokens = known("1c4q")[0].tokens
    for method in METHODS[:2]:
        seen = {token for seed in range(200) for token in chosen_of("1c4q", weighted(method, tokens=80), seed).tolist()}
        assert seen == set(range(len(tokens)))


def test_interfaces_far_from_the_origin():
    points = np.array([[0.0, 0, 0], [14.9, 0, 0], [100, 0, 0], [115.1, 0, 0]]) + 5e4
    assert touches_other_chain(points, np.array([0, 1, 0, 1]), 15.0).tolist() == [True, True, False, False]


def test_small_complexes_are_taken_whole():
    count = len(known("2agg")[0].tokens)
    assert np.array_equal(chosen_of("2agg", CropConfig(tokens=count), 0), np.arange(count))


# Taking


@given(names, only, st.integers(20, 200), seeds)
@quick
def test_what_remains_is_what_it_was(name, method, size, seed):
    """Every field of the batch, against the same rows of the whole batch."""
    whole, _, _ = known(name)
    chosen = chosen_of(name, weighted(method, tokens=size), seed)
    part, full = take(whole, chosen), assembled(name)
    crop, atoms = assemble(part), atoms_of(whole.tokens, chosen)
    rows, count = torch.from_numpy(chosen), len(atoms)
    for field in "restype residue_index asym_id entity_id sym_id molecule_type token_features".split():
        assert torch.equal(getattr(crop, field), getattr(full, field)[:, rows]), field
    assert torch.equal(crop.token_bonds, full.token_bonds[:, rows][:, :, rows])
    assert torch.equal(crop.atom_features[:, :count], full.atom_features[:, atoms])
    assert torch.equal(crop.atom_slot[:, :count], full.atom_slot[:, atoms])
    assert torch.equal(rows[crop.atom_to_token[0, :count]], full.atom_to_token[0, atoms])
    for field in ("centre_atom", "distogram_atom", "frame_atoms"):
        ours, theirs = getattr(crop, field)[0], getattr(full, field)[0, rows]
        assert torch.equal(torch.where(ours < 0, -1, torch.from_numpy(atoms)[ours.clamp(min=0)]), theirs), field
    steps = crop.token_index[0].diff()
    same = part.tokens.space[1:] == part.tokens.space[:-1]
    assert torch.equal(steps[same], full.token_index[0, rows].diff()[same])  # within a residue tokens keep their order
    assert crop.msa is not None and full.msa is not None
    assert torch.equal(crop.msa.rows, full.msa.rows[:, :, rows])
    assert torch.equal(crop.msa.features, full.msa.features[:, :, rows])
    for field in fields(crop.templates):  # type: ignore[arg-type]
        assert torch.equal(getattr(crop.templates, field.name), getattr(full.templates, field.name)[:, :, rows])


@functools.cache
def assembled(name: str) -> FeatureBatch:
    return assemble(known(name)[0])


@given(names, st.integers(1, 2**16), seeds)
@quick
def test_any_choice_of_tokens_is_consistent(name, share, seed):
    """Also one that cuts residues: indices stay inside, frames need all three atoms, bonds both ends."""
    whole, _, _ = known(name)
    stream = np.random.default_rng(seed)
    chosen = np.flatnonzero(stream.random(len(whole.tokens)) < max(share / 2**16, 0.05))
    if not len(chosen):
        return
    part = take(whole, chosen)
    atoms, back = atoms_of(whole.tokens, chosen), np.append(atoms_of(whole.tokens, chosen), -1)
    inside = set(atoms.tolist())
    for ours, theirs in zip(part.frames, whole.frames[chosen], strict=True):
        assert back[ours].tolist() == (theirs.tolist() if set(theirs.tolist()) <= inside else [-1] * 3)
    for name_ in ("polymer_ligand", "ligand_ligand"):
        ours, theirs = getattr(part.bonds, name_), getattr(whole.bonds, name_)
        assert back[ours].tolist() == [pair for pair in theirs.tolist() if set(pair) <= inside]
    assert part.tokens.names == [whole.tokens.names[token] for token in chosen]
    assert np.array_equal(part.tokens.structure.names, whole.tokens.structure.names[atoms])
    assert len(np.unique(part.tokens.space)) == part.tokens.space.max() + 1
    assert bond_matrix(part.tokens, part.bonds).shape == (len(chosen), len(chosen))


def test_labels_of_a_crop():
    whole, entry, positions = known("1c4q")
    chosen = chosen_of("1c4q", CropConfig(tokens=90), 3)
    atoms = atoms_of(whole.tokens, chosen)
    padded = assemble(take(whole, chosen)).atom_mask.shape[1]
    labels = crop_labels(whole.tokens, whole.bonds, positions, chosen, padded, entry.resolution)
    plain = entry_labels(take(whole, chosen).tokens.structure, entry, padded)
    assert torch.equal(labels.positions, plain.positions) and torch.equal(labels.resolved, plain.resolved)
    assert labels.resolution is not None and labels.truth is not None and plain.resolution is not None
    assert torch.equal(labels.resolution, plain.resolution)
    own = torch.from_numpy(atoms)
    assert (labels.truth.copies[0, : len(atoms)] == own[:, None]).any(dim=1).all()
    double = collate_labels([labels, labels])
    assert double.truth is not None and double.truth.copies.shape[0] == 2


# PDBInput


def test_a_pdb_input_is_cropped():
    path = DATA / "1c4q.cif.gz"
    config = {"n_res": 100, "contiguous_weight": 0.2, "spatial_weight": 0.4, "spatial_interface_weight": 0.4}
    given_ = PDBInput(mmcif_filepath=path, cropping_config=config, chains=("A", "B"), training=True)
    tensors = maybe_transform_to_atom_input(given_)
    assert tensors.atom_pos is not None and len(tensors.molecule_ids) == 100
    assert len(tensors.atom_inputs) == len(tensors.atom_pos) == int(tensors.molecule_atom_lens.sum())
    again = maybe_transform_to_atom_input(given_)
    other = maybe_transform_to_atom_input(replace(given_, seed=2))
    assert again.atom_pos is not None and torch.equal(tensors.atom_pos, again.atom_pos)
    assert other.atom_pos is not None and tensors.atom_pos.shape != other.atom_pos.shape


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"n_res": 0}, "a crop of 0 tokens is empty"),
        ({"n_atoms": -1}, "a crop of -1 atoms is empty"),
        ({"contiguous_weight": -1}, "give positive ones"),
        ({"contiguous_weight": 0, "spatial_weight": 0, "spatial_interface_weight": 0}, "give positive ones"),
        ({"size": 1}, "cropping_config has 'size'; known are n_res, n_atoms"),
    ],
)
def test_configs_that_do_not_fit(given_, message):
    with pytest.raises(ValueError, match=message):
        crop_config(given_)


def test_chains_that_do_not_fit():
    with pytest.raises(ValueError, match="there is no chain 'Q' to crop around; the chains are A, B"):
        chosen_of("1c4q", CropConfig(tokens=9), 0, ("Q",))
    with pytest.raises(ValueError, match="give one chain, or the two of an interface"):
        chosen_of("1c4q", CropConfig(tokens=9), 0, ("A", "B", "C"))
    with pytest.raises(ValueError, match="no token can be the middle of a spatial crop"):
        chosen_of("1c4q", weighted("spatial_interface", tokens=9), 0, ("A",))
