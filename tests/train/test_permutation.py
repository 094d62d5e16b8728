"""Scrambled ground truths: the permutation that is found must undo what was done to them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from alphafold3_pytorch import Alphafold3, Alphafold3Input, MultiChainPermutationAlignment
from alphafold3_pytorch.features.batch import Labels, Truth
from alphafold3_pytorch.features.bonds import Bonds, find_bonds
from alphafold3_pytorch.features.collate import collate_labels, pad_and_join
from alphafold3_pytorch.features.crop import CropConfig, atoms_of, choose_tokens, take
from alphafold3_pytorch.features.featurize import assemble, prepare
from alphafold3_pytorch.features.labels import known_positions
from alphafold3_pytorch.features.layout import lay_out
from alphafold3_pytorch.features.tokens import Tokens, tokenize
from alphafold3_pytorch.features.truth import atom_keys, copies_of, crop_labels, swaps_of
from alphafold3_pytorch.inputs.build import build
from alphafold3_pytorch.inputs.mmcif import to_job
from alphafold3_pytorch.structure.geometry import random_rotation, rotate, weighted_rigid_align
from alphafold3_pytorch.structure.mmcif import read_entry
from alphafold3_pytorch.train.lddt import smooth_lddt_loss
from alphafold3_pytorch.train.permutation import greedy, permute_labels
from tests.synthetic import randomise, small_arguments

ENTRIES = {
    "2hhb": "two copies of two chains, haem, phosphate",
    "1xda": "insulin: four copies of two chains, zinc, chloride, phenol, fatty acids",
    "1c4q": "a homopentamer with five trisaccharides",
    "3cbc": "a homotrimer with sulfates, glycerols, ions",
    "1b5f": "glycans of different lengths bonded to two copies",
    "1j59": "a dimer on DNA of two pairs of strands",
    "100d": "a strand that is its own complement, and spermine, whose ends are alike",
    "1g2f": "zinc fingers on DNA that is its own complement",
}


@dataclass
class Whole:
    tokens: Tokens
    bonds: Bonds
    positions: np.ndarray
    centre: np.ndarray


@pytest.fixture(scope="module")
def entries(shared: Path) -> dict[str, Whole]:
    return {name: whole(shared / "data" / "structures" / f"{name}.cif.gz") for name in ENTRIES}


def whole(path: Path) -> Whole:
    entry = read_entry(path)
    tokens = tokenize(build(to_job(entry)))
    return Whole(tokens, find_bonds(tokens), known_positions(tokens.structure, entry.structure), lay_out(tokens).centre)


def scrambled(known: Whole, stream: np.random.Generator) -> np.ndarray:
    """The truth with the copies of every molecule, and all atoms with arbitrary names, in random order."""
    tokens = known.tokens
    molecule, kind, copies = copies_of(
        tokens.structure.chain,
        tokens.entity_id[tokens.atom_to_token],
        atom_keys(tokens),
        np.concatenate([known.bonds.polymer_ligand, known.bonds.ligand_ligand]),
    )
    source = np.arange(len(molecule))
    for number in np.unique(kind):
        members = np.unique(molecule[kind == number])
        for member, copy in zip(members, stream.permutation(len(members)), strict=True):
            source[molecule == member] = copies[molecule == member, copy]
    positions = np.where((source >= 0)[:, None], known.positions[source], np.nan)
    swaps = swaps_of(tokens, np.arange(len(source)))
    for site in np.unique(swaps[:, 0]):
        rows = swaps[swaps[:, 0] == site]
        rows = rows[rows[:, 1] == stream.choice(np.unique(rows[:, 1]))]
        positions[rows[:, 2]] = positions[rows[:, 3]]
    return positions


def losses(predicted, positions, resolved) -> tuple[float, float]:
    """Mean squared error after alignment, and smooth lDDT loss."""
    aligned = weighted_rigid_align(positions, predicted, mask=resolved)
    error = ((aligned - predicted).square().sum(-1) * resolved).sum() / resolved.sum()
    nucleotide = torch.zeros_like(resolved)
    return float(error), float(smooth_lddt_loss(predicted, positions, nucleotide, resolved)[0])


def case(known: Whole, seed: int, noise: float, size: int | None):
    """Prediction, scrambled labels, and the labels as they were."""
    stream = np.random.default_rng(seed)
    torch.manual_seed(seed)
    chosen = np.arange(len(known.tokens))
    if size is not None:
        chosen = choose_tokens(known.tokens, known.positions[known.centre], (), CropConfig(tokens=size), stream)
    atoms = len(atoms_of(known.tokens, chosen))
    labels = crop_labels(known.tokens, known.bonds, known.positions, chosen, atoms + 7)
    other = crop_labels(known.tokens, known.bonds, scrambled(known, stream), chosen, atoms + 7)
    predicted = rotate(labels.positions, random_rotation()) + 20 * torch.randn(3)
    return predicted + noise * torch.randn_like(predicted), other, labels


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_a_scrambled_truth_is_put_in_order(entries, name, noise):
    """Crops against the truth of the whole entry. The loss is that of the truth as it was, or less."""
    worse = 0
    for seed in range(3):
        predicted, labels, original = case(entries[name], seed, noise, 70)
        found = permute_labels(predicted, labels)
        error, smooth = losses(predicted, found.positions, found.resolved)
        best, best_smooth = losses(predicted, original.positions, original.resolved)
        assert error <= best + 1e-4 and smooth <= best_smooth + 1e-4, (seed, error, best)
        assert int(found.resolved.sum()) == int(original.resolved.sum())
        worse += losses(predicted, labels.positions, labels.resolved)[0] > best + 0.1
    assert worse  # the truth was indeed scrambled


@pytest.mark.parametrize("name", ["1xda", "1g2f", "100d"])
def test_a_whole_entry_is_put_in_order(entries, name):
    predicted, labels, original = case(entries[name], 0, 0.0, None)
    found = permute_labels(predicted, labels)
    assert torch.equal(found.positions, original.positions) and torch.equal(found.resolved, original.resolved)


def test_a_batch_is_what_its_examples_are(entries):
    cases = [case(entries[name], 3, 0.3, 60) for name in ("1g2f", "1xda", "1c4q")]
    labels = collate_labels([labels for _, labels, _ in cases])
    predicted = pad_and_join([predicted for predicted, _, _ in cases], 0)
    together = permute_labels(predicted, labels)
    for row, (own, labels_, _) in enumerate(cases):
        alone, count = permute_labels(own, labels_), own.shape[1]
        assert torch.equal(together.resolved[row, :count], alone.resolved[0])
        assert torch.equal(together.positions[row, :count], alone.positions[0])
        assert not together.resolved[row, count:].any()


def test_ions_and_what_is_not_known():
    """Two ions that stand for each other; one of them unknown; nothing known at all."""
    positions = torch.tensor([[[0.0, 0, 0], [9, 0, 0]]])
    truth = Truth(
        positions=positions,
        resolved=torch.ones(1, 2, dtype=torch.bool),
        molecule=torch.tensor([[0, 1, -1]]),
        kind=torch.tensor([[0, 0, -1]]),
        copies=torch.tensor([[[0, 1], [0, 1], [-1, -1]]]),
        swaps=torch.zeros(1, 0, 4, dtype=torch.long),
    )
    predicted = torch.tensor([[[5.0, 1, 0], [-4, 1, 0], [7, 7, 7]]])
    for known in ([True, True], [True, False], [False, False]):
        resolved = torch.tensor([known])
        labels = Labels(torch.zeros(1, 3, 3), torch.zeros(1, 3).bool(), truth=replace(truth, resolved=resolved))
        found = permute_labels(predicted, labels)
        assert int(found.resolved.sum()) == sum(known) and not found.resolved[0, 2] and found.positions.isfinite().all()
    with pytest.raises(ValueError, match="labels.truth is None"):
        permute_labels(predicted, Labels(torch.zeros(1, 3, 3), torch.zeros(1, 3).bool()))


def test_bonded_chains_move_together():
    """Chains 0 and 1 are copies with a ligand each, 2 is a copy without one; the ligands are bonded crosswise."""
    chain = np.repeat(np.arange(5), [2, 2, 2, 1, 1])
    entity = np.repeat([1, 1, 1, 2, 2], [2, 2, 2, 1, 1])
    key = np.array([0, 1, 0, 1, 0, 1, 0, 0])
    molecule, kind, copies = copies_of(chain, entity, key, np.array([[1, 7], [6, 3]]))
    assert molecule.tolist() == [0, 0, 1, 1, 2, 2, 1, 0]
    assert kind[0] == kind[2] == kind[6] != kind[4]
    assert copies.tolist() == [[0, 2], [1, 3], [0, 2], [1, 3], [4, -1], [5, -1], [7, 6], [7, 6]]


def test_greedy_takes_every_copy_once():
    cost = np.array([[1.0, 2.0, 9.0], [0.5, 3.0, 9.0], [4.0, np.inf, np.inf]])
    assert greedy(cost, [0, 0, 1]) == [1, 0, 0]


# Through the doors


def dimers(swap: bool):
    """Two complexes of two copies and a third chain, the copies of the first one swapped or not."""
    stream = torch.Generator().manual_seed(1)
    true = 8 * torch.randn(2, 14, 3, generator=stream)
    lengths = torch.tensor([[3, 2, 3, 2, 4], [3, 2, 3, 2, 0]])
    features = torch.zeros(2, 5, 5, dtype=torch.long)
    features[..., 0] = torch.tensor([1, 2, 1, 2, 1])
    features[..., 2] = torch.tensor([1, 1, 2, 2, 3])
    features[..., 3] = torch.tensor([1, 1, 1, 1, 2])
    given = true.clone()
    if swap:
        given[0, :5], given[0, 5:10] = true[0, 5:10], true[0, :5]
    mask = torch.ones(2, 14, dtype=torch.bool)
    mask[1, 10:] = False
    return true, given, lengths, features, mask


def test_the_module_permutes_each_example_of_a_batch():
    true, given, lengths, features, mask = dimers(swap=True)
    predicted = rotate(true, random_rotation((2,))) + 3
    align = MultiChainPermutationAlignment()
    found, known = align(predicted, given, lengths, additional_molecule_feats=features, mask=mask, return_mask=True)
    assert torch.equal(known, mask) and torch.equal(found, torch.where(mask[..., None], true, 0.0))
    mask[0, 1] = False  # an atom of the first chain in the file, the second in the prediction
    found, known = align(predicted, given, lengths, additional_molecule_feats=features, mask=mask, return_mask=True)
    assert not known[0, 6] and known[0, 1] and torch.equal(found[known], true[known])
    with pytest.raises(ValueError, match="additional_molecule_feats is None"):
        align(predicted, given, lengths)


@pytest.fixture(scope="module")
def model() -> Alphafold3:
    return randomise(Alphafold3(**small_arguments(dim_atom_inputs=389)), scale=0.2)


def test_the_loss_does_not_depend_on_the_order_of_copies(model):
    """Of the README's class, from sequences: the same noise, the same loss."""
    positions = 5 * torch.randn(2, 15, 3)
    found = {}
    for permute in (False, True):
        for order in ((0, 1), (1, 0)):
            torch.manual_seed(5)
            given = Alphafold3Input(proteins=["GAS", "GAS"], atom_pos=positions[list(order)].flatten(0, 1))
            loss = model.forward_with_alphafold3_inputs(given, permute_labels=permute)
            found[permute, order] = float(loss.detach())
    assert found[True, (0, 1)] == pytest.approx(found[True, (1, 0)], rel=1e-5)
    assert found[False, (0, 1)] != pytest.approx(found[False, (1, 0)], rel=1e-3)


def test_the_loss_of_a_crop_uses_the_whole_truth(model, shared):
    """Another order of the copies in the file, of which the crop has a part: the same loss."""
    path = shared / "data" / "structures" / "1c4q.cif.gz"
    complete, known = prepare(to_job(read_entry(path))), whole(path)
    chosen = choose_tokens(known.tokens, known.positions[known.centre], (), CropConfig(tokens=24), 2)
    batch, found = replace(assemble(take(complete, chosen)), msa=None, templates=None), []
    with torch.no_grad():
        trunk = model.network(batch, 1)
        for positions in (known.positions, scrambled(known, np.random.default_rng(4))):
            labels = crop_labels(known.tokens, known.bonds, positions, chosen, batch.atom_mask.shape[1], 2.0)
            torch.manual_seed(7)
            loss = model.loss(batch, labels, trunk, model.loss_config, {}, 2, permute_labels=True)
            found.append(float(loss.total_loss))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
