"""Model selection: interface lDDT, global PDE and surface by hand, and the choice among samples."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alphafold3_pytorch import ComputeModelSelectionScore, ScoreDetails
from alphafold3_pytorch.alphafold3 import Alphafold3Logits
from alphafold3_pytorch.chem.residues import INDEX
from alphafold3_pytorch.inputs.alphafold3_input import BatchedAtomInput
from alphafold3_pytorch.predict.scores.selection import FINE_TUNING, INITIAL_TRAINING, KINDS

PROTEIN, RNA, DNA, LIGAND, ION = range(5)


def complex_of(kinds=(PROTEIN, PROTEIN), chains=((1, 2),), tokens=4, atoms=3) -> Any:
    """One example of two chains whose tokens lie on a line, 3 Å apart; true positions of everything."""
    count = 2 * tokens * atoms
    line = torch.arange(count)[:, None] * torch.tensor([1.0, 0.5, 0.2])
    asym = torch.repeat_interleave(torch.tensor([1, 2]), tokens)
    types = nn.functional.one_hot(torch.tensor(kinds)[asym - 1], 5).bool()
    feats = torch.stack([torch.arange(2 * tokens), torch.arange(2 * tokens), asym, asym, asym], dim=-1)
    lengths = torch.full((1, 2 * tokens), atoms)
    return BatchedAtomInput(
        atom_inputs=torch.zeros(1, count, 3),
        atompair_inputs=torch.zeros(1, count, count, 5),
        additional_molecule_feats=feats[None],
        is_molecule_types=types[None],
        molecule_atom_lens=lengths,
        molecule_ids=torch.full((1, 2 * tokens), INDEX["GLY"]),
        missing_atom_mask=torch.zeros(1, count, dtype=torch.bool),
        atom_pos=line[None],
        distogram_atom_indices=(lengths.cumsum(1) - atoms),
        chains=torch.tensor(chains),
    )


def sample_of(positions, pde_bin=0, tokens=8):
    """A sample whose PDE is certain, and whose tokens all touch with certainty."""
    pde, distances = torch.zeros(1, 64, tokens, tokens), torch.zeros(1, 64, tokens, tokens)
    pde[:, pde_bin] = distances[:, 0] = 1e4
    return positions, pde, torch.full(positions.shape[:2], 50.0), distances


def shifted(batch, chain, distance):
    """The truth, with one chain moved."""
    positions = batch.atom_pos.clone()
    atoms = positions.shape[1] // 2
    positions[:, (chain - 1) * atoms : chain * atoms] += distance
    return positions


def test_interface_lddt_sees_both_chains():
    """In the original it ignored the second chain: moving it by any amount still gave 1."""
    batch, compute = complex_of(), ComputeModelSelectionScore()
    score = lambda positions: compute.compute_model_selection_score(batch, [sample_of(positions)]).item()  # noqa: E731
    assert score(batch.atom_pos) == 20.0
    assert score(shifted(batch, 1, 0.3)) == 20.0
    assert 0 < score(shifted(batch, 2, 1.5)) < 20.0
    assert score(shifted(batch, 2, 1.5)) == pytest.approx(score(shifted(batch, 1, -1.5)))
    assert score(shifted(batch, 2, 40.0)) == 0.0


def test_one_chain_alone_is_blind_to_the_other():
    batch, compute = complex_of(chains=((1, -1),)), ComputeModelSelectionScore()
    moved = compute.compute_model_selection_score(batch, [sample_of(shifted(batch, 2, 40.0))])
    assert moved.item() == 20.0


def test_atoms_without_a_true_position_do_not_count():
    batch, compute = complex_of(), ComputeModelSelectionScore()
    positions = batch.atom_pos.clone()
    positions[0, 12:18] += 40.0
    assert compute.compute_model_selection_score(batch, [sample_of(positions)]).item() < 20.0
    batch.missing_atom_mask[0, 12:18] = True
    assert compute.compute_model_selection_score(batch, [sample_of(positions)]).item() == 20.0


def test_nucleic_acids_look_further():
    """Two chains 20 Å apart: pairs count where either is a nucleic acid."""
    for kinds, expected in (((PROTEIN, PROTEIN), None), ((PROTEIN, DNA), 10.0), ((RNA, RNA), 16.0)):
        batch = complex_of(kinds)
        batch.atom_pos = shifted(batch, 2, torch.tensor([0.0, 18.0, 0.0]))
        score = ComputeModelSelectionScore().compute_model_selection_score(batch, [sample_of(batch.atom_pos)])
        assert score.isnan() if expected is None else score.item() == expected


@pytest.mark.parametrize(
    ("kinds", "lddt_type", "initial", "fine"),
    [
        ((PROTEIN, RNA), "interface", 10, 2),
        ((LIGAND, RNA), "interface", 5, 2),
        ((LIGAND, PROTEIN), "interface", 10, 10),
        ((ION, PROTEIN), "interface", 10, 10),
        ((ION, ION), "interface", 10, 0),
        ((DNA, DNA), "intra-chain", 4, 4),
    ],
)
def test_weights(kinds, lddt_type, initial, fine):
    compute, (one, two) = ComputeModelSelectionScore(), kinds
    assert compute.get_lddt_weight(one, two, lddt_type) == initial
    assert compute.get_lddt_weight(one, two, lddt_type, is_fine_tuning=True) == fine
    assert ComputeModelSelectionScore(is_fine_tuning=True).get_lddt_weight(two, one, lddt_type) == fine


def test_every_pair_of_kinds_has_a_weight():
    for weights in (INITIAL_TRAINING, FINE_TUNING):
        compute = ComputeModelSelectionScore(weight_dict_config=weights)
        for a, b in np.ndindex(len(KINDS), len(KINDS)):
            assert compute.get_lddt_weight(a, b, "interface") >= 0
    with pytest.raises(ValueError, match="RNA-RNA has no interface weight; give one in weight_dict_config"):
        ComputeModelSelectionScore(weight_dict_config={"x": {}}).get_lddt_weight(RNA, RNA, "interface")


def test_the_score_is_the_mean_of_the_confident_and_the_best():
    batch, compute = complex_of(), ComputeModelSelectionScore()
    samples = [
        sample_of(shifted(batch, 2, 1.5), pde_bin=1),
        sample_of(batch.atom_pos, pde_bin=9),
        sample_of(shifted(batch, 2, 40.0), pde_bin=5),
    ]
    details = compute.compute_model_selection_score(batch, samples, return_details=True)
    assert isinstance(details, ScoreDetails)
    assert (details.best_gpde_index, details.best_lddt_index) == (0, 1)
    assert [each.gpde.item() for each in details.scored_samples] == pytest.approx([0.75, 4.75, 2.75])
    values = [each.lddt.item() for each in details.scored_samples]
    assert details.score.item() == pytest.approx((values[0] + values[1]) / 2)
    plain = compute.compute_model_selection_score(batch, samples, return_unweighted_scores=True)
    assert plain.item() == pytest.approx(details.score.item() / 20)


def test_gpde_weights_by_contacts():
    """Two of three tokens touch with probability 3/4; whatever has no atom to stand for it does not count."""
    pde, distances = torch.zeros(1, 64, 3, 3), torch.zeros(1, 64, 3, 3)
    pde[:, 3], pde[:, 3, 0, 1], pde[:, 21, 0, 1] = 1e4, 0, 1e4
    distances[:, -1] = 1e4
    distances[:, :, 0, 1] = -1e4
    distances[:, 5, 0, 1], distances[:, 40, 0, 1] = float(np.log(3)), 0.0
    distances[:, :, 1, 0] = distances[:, :, 0, 1]
    compute = ComputeModelSelectionScore()
    gpde = lambda mask: compute.compute_gpde(pde, distances, compute.dist_breaks, torch.tensor([mask]))  # noqa: E731
    assert gpde([True, True, True]).item() == pytest.approx((1.75 + 10.75) / 2)
    assert gpde([True, True, False]).item() == pytest.approx((1.75 + 10.75) / 2)
    assert gpde([True, False, True]).item() == 0.0


def test_the_last_contact_bin_ends_at_the_threshold():
    """64 bins of 0.3125 Å from 2 Å on: the 19th ends at 7.94 Å."""
    breaks = ComputeModelSelectionScore().dist_breaks
    assert len(breaks) == 63 and breaks[18] == pytest.approx(7.9375) and breaks[19] > 8
    with pytest.raises(ValueError, match="dist_breaks has 63 edges between the 32 distance bins"):
        half = torch.zeros(1, 32, 2, 2)
        ComputeModelSelectionScore().compute_gpde(torch.zeros(1, 64, 2, 2), half, breaks, torch.ones(1, 2).bool())


def test_unresolved_residues_are_measured_as_predicted():
    """Chain A's first two glycines are not resolved. Predicted far from everything they have 6 % more surface."""
    batch = complex_of(atoms=4)
    glycine = torch.tensor([[0.0, 0, 0], [1.46, 0, 0], [2.0, 1.42, 0], [1.25, 2.4, 0]])
    spread = torch.cat([glycine + 50.0 * k for k in range(8)])[None]
    crowded = torch.cat([glycine + 0.3 * k for k in range(8)])[None]
    batch.atom_pos = crowded
    batch.missing_atom_mask[0, :8] = True
    unresolved = torch.tensor([[True, True, False, False, False, False, False, False]])
    compute = ComputeModelSelectionScore()

    def rasa(positions):
        options: dict[str, Any] = dict(compute_rasa=True, unresolved_cid=[1], unresolved_residue_mask=unresolved)
        both = compute.compute_model_selection_score(batch, [sample_of(positions)], **options)
        alone = compute.compute_model_selection_score(batch, [sample_of(positions)])
        return (2 * both - alone).item() / 10

    assert rasa(spread) == pytest.approx(1.0)  # 190 Å² each, more than a glycine in a chain can have
    assert 0 < rasa(crowded) < 0.7
    with pytest.raises(ValueError, match="compute_rasa needs"):
        compute.compute_model_selection_score(batch, [sample_of(spread)], compute_rasa=True)


class Echo(nn.Module):
    """A model that predicts what it was told to."""

    def __init__(self, sample):
        super().__init__()
        self.sample = sample

    def forward(self, *, return_loss, return_confidence_head_logits, return_distogram_head_logits, **tensors):
        assert not return_loss and return_confidence_head_logits and return_distogram_head_logits
        assert "chains" not in tensors
        positions, pde, plddt, distances = self.sample
        atoms = plddt.shape[1]
        logits = Alphafold3Logits(None, pde, torch.zeros(1, 50, atoms), torch.zeros(1, 2, atoms), distances)
        return positions, logits


def test_models_are_sampled_and_compared():
    batch, compute = complex_of(), ComputeModelSelectionScore()
    models = Echo(sample_of(shifted(batch, 2, 40.0), 0)), Echo(sample_of(batch.atom_pos, 4))
    details = compute(models, batch, return_details=True)
    assert isinstance(details, ScoreDetails)
    assert (details.best_gpde_index, details.best_lddt_index, details.score.item()) == (0, 1, 10.0)
    torch.testing.assert_close(details.scored_samples[0].plddt, torch.full((1, 24), 50.0))


def test_what_is_missing_is_named():
    batch, compute = complex_of(), ComputeModelSelectionScore()
    sample = sample_of(batch.atom_pos)
    batch.chains = torch.tensor([[-1, -1]])
    with pytest.raises(ValueError, match="one chain or the interface of two"):
        compute.compute_model_selection_score(batch, [sample])
    batch.chains = torch.tensor([[1, 7]])
    with pytest.raises(ValueError, match=r"no chain with asym_id 7; there are \[1, 2\]"):
        compute.compute_model_selection_score(batch, [sample])
    batch.chains = None
    with pytest.raises(ValueError, match="the batch has no chains"):
        compute.compute_model_selection_score(batch, [sample])
