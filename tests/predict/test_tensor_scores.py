"""The original's score classes: the same numbers as those of a sample, made from logits, and what was wrong there."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from alphafold3_pytorch import ComputeClash, ComputeConfidenceScore, ComputeRankingScore
from alphafold3_pytorch.alphafold3 import ConfidenceHeadLogits
from alphafold3_pytorch.predict.scores import expected_error, expected_plddt, interface_sizes, tm_terms
from alphafold3_pytorch.predict.scores.confidence import Confidence, confidence
from tests.predict.samples import golden_sample, golden_scores


class Case(NamedTuple):
    """A golden sample with random logits, as tensors of one example, and its scores by the other way."""

    scores: Confidence
    logits: Any
    tokens: dict[str, Any]
    atoms: dict[str, Any]
    molecule_ids: torch.Tensor


@pytest.fixture
def case():
    sample = golden_sample(2)
    tokens, structure = sample.tokens, sample.structure
    n, m = len(tokens), len(structure)
    pae, pde, plddt = 3 * torch.randn(n, n, 64), torch.randn(n, n, 64), torch.randn(m, 50)
    asym = torch.from_numpy(tokens.asym_id)
    sizes = interface_sizes(asym, torch.ones(n, dtype=torch.bool))
    arrays = dict(plddt=expected_plddt(plddt), pae=expected_error(pae), pde=expected_error(pde))
    arrays |= dict(tm=tm_terms(pae, n), tm_interface=tm_terms(pae, sizes))
    scores = confidence(type(sample)(**{**vars(sample), **{name: value.numpy() for name, value in arrays.items()}}))
    logits = ConfidenceHeadLogits(*(x.movedim(-1, 0)[None] for x in (pae, pde, plddt, torch.zeros(m, 2))))
    kinds = torch.nn.functional.one_hot(torch.from_numpy(tokens.kind), 5).bool()[None]
    return Case(
        scores,
        logits,
        dict(asym_id=asym[None], has_frame=torch.from_numpy(sample.framed)[None]),
        dict(
            molecule_atom_lens=torch.from_numpy(np.bincount(tokens.atom_to_token))[None],
            atom_pos=torch.from_numpy(structure.positions)[None],
            atom_mask=torch.ones(1, m, dtype=torch.bool),
            is_molecule_types=kinds,
        ),
        torch.from_numpy(tokens.restype)[None],
    )


def padded(case: Case, tokens: int = 5, atoms: int = 7) -> Case:
    """The same with padding, and chains renamed so that they are not in order."""
    pad = torch.nn.functional.pad
    pae, pde, plddt, resolved = case.logits
    pairs = [pad(x, (0, tokens, 0, tokens), value=3.0) for x in (pae, pde)]
    logits = ConfidenceHeadLogits(pairs[0], pairs[1], pad(plddt, (0, atoms)), pad(resolved, (0, atoms)))
    asym = torch.tensor([-1, 30, 10, 40, 20])[case.tokens["asym_id"]]
    known = case.atoms
    return Case(
        case.scores,
        logits,
        dict(asym_id=pad(asym, (0, tokens), value=-1), has_frame=pad(case.tokens["has_frame"], (0, tokens))),
        dict(
            molecule_atom_lens=pad(known["molecule_atom_lens"], (0, tokens)),
            atom_pos=pad(known["atom_pos"], (0, 0, 0, atoms)),
            atom_mask=pad(known["atom_mask"], (0, atoms)),
            is_molecule_types=pad(known["is_molecule_types"], (0, 0, 0, tokens)),
        ),
        pad(case.molecule_ids, (0, tokens)),
    )


@pytest.mark.parametrize("change", [lambda case: case, padded], ids=["plain", "padded"])
def test_the_scores_of_a_sample(case, change):
    changed = change(case)
    result = ComputeRankingScore().compute_full_complex_metric(
        changed.logits,
        **changed.tokens,
        **changed.atoms,
        return_confidence_score=True,
        molecule_ids=changed.molecule_ids,
    )
    metric, (scores, clash) = result
    assert metric.item() == pytest.approx(case.scores.ranking_score, abs=1e-4)
    assert scores.ptm.item() == pytest.approx(case.scores.ptm, abs=1e-5)
    assert scores.iptm.item() == pytest.approx(case.scores.iptm, abs=1e-5)
    assert scores.plddt[0, :442].mean().item() == pytest.approx(case.scores.plddt, abs=1e-3)
    assert clash.tolist() == [case.scores.has_clash] == [True]


def test_disorder_is_measured_on_the_structure(case):
    """It was always 0 in the original, which compared 1 - pLDDT with pLDDT in 0..100."""
    compute = ComputeRankingScore().compute_disorder
    atoms = {name: case.atoms[name] for name in ("atom_pos", "atom_mask", "molecule_atom_lens", "is_molecule_types")}
    found = compute(**atoms, asym_id=case.tokens["asym_id"], molecule_ids=case.molecule_ids)
    assert found.item() == pytest.approx(golden_scores(2)["fraction_disordered"].item())
    with pytest.raises(ValueError, match="molecule_ids is needed"):
        compute(**atoms, asym_id=case.tokens["asym_id"])
    ligands = {**atoms, "is_molecule_types": torch.zeros_like(atoms["is_molecule_types"])}
    assert compute(**ligands, asym_id=case.tokens["asym_id"]).item() == 0.0


def test_interface_metric_is_the_mean_of_both_chains(case):
    compute = ComputeRankingScore().compute_interface_metric
    for chains, places in (([1], [0]), ([1, 2], [0, 1]), ([4, 2], [3, 1])):
        found = compute(case.logits, **case.tokens, interface_chains=[chains])
        assert found.item() == pytest.approx(case.scores.chain_iptm[places].mean(), abs=1e-5)
    renamed = padded(case)
    found = compute(renamed.logits, **renamed.tokens, interface_chains=[[20, 10]])  # chains 4 and 2
    assert found.item() == pytest.approx(case.scores.chain_iptm[[3, 1]].mean(), abs=1e-5)
    with pytest.raises(ValueError, match="no chain with asym_id 9"):
        compute(case.logits, **case.tokens, interface_chains=[[9]])


def test_chain_pairs(case):
    values, defined, ids = ComputeConfidenceScore().compute_ptm(
        case.logits.pae, **case.tokens, compute_chain_wise_iptm=True
    )
    assert ids.tolist() == [[1, 2, 3, 4]]
    assert defined[0].tolist() == (~np.eye(4, dtype=bool)).tolist()
    expected = np.where(np.eye(4, dtype=bool), 0, case.scores.chain_pair_iptm)
    np.testing.assert_allclose(values[0].numpy(), expected, atol=1e-5)


def certain(value_bin, tokens, bins=64):
    logits = torch.zeros(1, bins, tokens, tokens)
    logits[:, value_bin] = 1e4
    return logits


@pytest.mark.parametrize("value_bin", [0, 10, 63])
def test_bins_are_those_of_the_labels(value_bin):
    """Errors that are certain: bin k has its middle at 0.25 + k / 2 Å, and so has PDE."""
    asym, framed = torch.tensor([[0] * 20 + [1] * 12]), torch.ones(1, 32, dtype=torch.bool)
    error = 0.25 + value_bin / 2
    d0 = 1.24 * 17 ** (1 / 3) - 1.8
    compute = ComputeConfidenceScore()
    for interface in (False, True):
        score = compute.compute_ptm(certain(value_bin, 32), asym, framed, interface=interface)
        assert score.item() == pytest.approx(1 / (1 + (error / d0) ** 2), rel=1e-5)
    pde = compute.compute_pde(certain(value_bin, 32), framed)
    torch.testing.assert_close(pde, torch.full((1, 32, 32), error))
    same = ComputeConfidenceScore(pae_breaks=torch.arange(0, 31.5, 0.5), pde_breaks=torch.arange(0, 31.5, 0.5))
    torch.testing.assert_close(same.compute_pde(certain(value_bin, 32), framed), pde)
    coarse = ComputeConfidenceScore(pae_breaks=torch.arange(0, 28.0, 4.0))
    assert coarse.compute_ptm(certain(2, 32, 8), asym, framed).item() == pytest.approx(1 / (1 + (10 / d0) ** 2))
    with pytest.raises(ValueError, match="64 bins have 63 breaks between them, not 7"):
        coarse.compute_ptm(certain(2, 32), asym, framed)


def test_weights_of_residues_count_columns():
    """Half the weight on tokens that nothing is known of: they count half."""
    logits = certain(0, 40)
    logits[:, :, :, 20:] = certain(63, 40)[:, :, :, 20:]
    asym, framed = torch.zeros(1, 40, dtype=torch.long), torch.ones(1, 40, dtype=torch.bool)
    d0 = 1.24 * 25 ** (1 / 3) - 1.8
    near, far = (1 / (1 + (error / d0) ** 2) for error in (0.25, 31.75))
    weights = torch.where(torch.arange(40) < 20, 1.0, 0.5)[None]
    score = ComputeConfidenceScore().compute_ptm(logits, asym, framed, weights)
    assert score.item() == pytest.approx((20 * near + 10 * far) / 30, rel=1e-5)


def test_an_example_of_one_chain_has_no_iptm_and_is_ranked_by_ptm(case):
    logits = ConfidenceHeadLogits(certain(0, 2), certain(0, 2), torch.zeros(1, 50, 2), torch.zeros(1, 2, 2))
    known: dict[str, Any] = dict(asym_id=torch.zeros(1, 2, dtype=torch.long), has_frame=torch.ones(1, 2).bool())
    scores = ComputeConfidenceScore()(logits, **known)
    assert scores.iptm is not None and scores.iptm.isnan().all()
    assert ComputeConfidenceScore()(logits, **known, multimer_mode=False).iptm is None
    positions = torch.tensor([[[0.0, 0, 0], [9.0, 0, 0]]])
    metric = ComputeRankingScore().compute_full_complex_metric(
        logits,
        **known,
        molecule_atom_lens=torch.ones(1, 2, dtype=torch.long),
        atom_pos=positions,
        atom_mask=torch.ones(1, 2, dtype=torch.bool),
        is_molecule_types=torch.zeros(1, 2, 5, dtype=torch.bool),
    )
    assert metric.item() == pytest.approx(scores.ptm.item())
    assert ComputeRankingScore().compute_single_chain_metric(logits, **known).item() == pytest.approx(metric.item())
    for compute in (ComputeConfidenceScore(), ComputeRankingScore().compute_single_chain_metric):
        with pytest.raises(ValueError, match="no PAE"):
            compute(logits._replace(pae=None), **known)


def test_modified_residues_have_their_mean_plddt(case):
    modified = torch.zeros(1, 442, dtype=torch.long)
    modified[0, 5:9] = 1
    compute = ComputeRankingScore().compute_modified_residue_score
    plddt = ComputeConfidenceScore().compute_plddt(case.logits.plddt)
    assert compute(case.logits, case.atoms["atom_mask"], modified).item() == pytest.approx(plddt[0, 5:9].mean().item())
    assert compute(case.logits, case.atoms["atom_mask"], 0 * modified).isnan().all()


def test_clash_of_tensors():
    """Two chains of two tokens of two atoms, one on top of the other."""
    positions = torch.arange(4.0)[:, None] * torch.tensor([5.0, 0, 0])
    positions = torch.cat([positions, positions + 0.1])
    known = torch.ones(8, dtype=torch.bool), torch.tensor([2, 2, 2, 2]), torch.tensor([0, 0, 1, 1])
    assert ComputeClash()(positions, *known).tolist() == [True]
    assert ComputeClash(atom_clash_dist=0.01)(positions, *known).tolist() == [False]
    assert ComputeClash()(positions[None], *(x[None] for x in known)).tolist() == [True]
    assert ComputeClash()(positions, torch.arange(8) < 4, *known[1:]).tolist() == [False]
    types = torch.tensor([[True, False, False, False, False]] * 2 + [[False, False, False, True, False]] * 2)
    assert ComputeClash()(positions, *known, types).tolist() == [False]
