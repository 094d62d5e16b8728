"""Scores of whole samples: those of the official post-processing, and small ones worked out by hand."""

import numpy as np
import pytest

from alphafold3_pytorch.predict.scores.confidence import confidence, mean_of_others, ranking_score
from tests.predict.samples import golden_sample, golden_scores, small_sample

SAME_NAME = ("ptm", "iptm", "ranking_score", "fraction_disordered", "has_clash", "chain_pair_iptm")
SAME_NAME += ("chain_pair_pae_min", "chain_pair_pde_min", "chain_pair_pde_mean")
OTHER_NAME = {"chain_ptm": "iptm_ichain", "chain_iptm": "iptm_xchain"}
# The reference divides by a number of tokens + 1e-8, and sums PDE in single precision.
TOLERANCE = {"chain_pair_pde_mean": 1e-5}


@pytest.mark.parametrize("number", range(4))
def test_official_scores(number):
    scores, expected = confidence(golden_sample(number)), golden_scores(number)
    assert scores.chains == ("A", "B", "C", "D")
    for ours, theirs in (dict(zip(SAME_NAME, SAME_NAME, strict=True)) | OTHER_NAME).items():
        atol = TOLERANCE.get(ours, 1e-8)
        np.testing.assert_allclose(getattr(scores, ours), expected[theirs], rtol=0, atol=atol, err_msg=ours)


def test_two_chains_by_hand():
    """A of two residues, B of one. Row 1 has no frame, so its good terms do not count."""
    tm = [[1.0, 0.5, 0.25], [1.0, 1.0, 1.0], [0.5, 0.125, 0.75]]
    pae = [[1.0, 2.0, 9.0], [0.5, 0.5, 0.5], [6.0, 7.0, 0.75]]
    sample = small_sample(
        [("A", "protein", ["GLY", "GLY"]), ("B", "protein", ["GLY"])],
        tm=tm,
        tm_interface=tm,
        pae=pae,
        pde=pae,
        framed=[True, False, True],
        plddt=[90, 90, 90, 90, 70, 70, 70, 70, 10, 20, 30, 40],
    )
    scores = confidence(sample)
    assert scores.ptm == pytest.approx(1.75 / 3)
    assert scores.iptm == pytest.approx((0.5 + 0.125) / 2)
    np.testing.assert_allclose(scores.chain_pair_iptm, [[0.75, 0.3125], [0.3125, 0.75]])
    np.testing.assert_allclose(scores.chain_iptm, [0.3125, 0.3125])
    np.testing.assert_allclose(scores.chain_pair_pae_min, [[1.0, 9.0], [6.0, 0.75]])
    np.testing.assert_allclose(scores.chain_pair_pde_min, [[0.5, 0.5], [6.0, 0.75]])
    np.testing.assert_allclose(scores.chain_pair_pde_mean, [[1.0, 4.75], [6.5, 0.75]])
    np.testing.assert_allclose(scores.chain_plddt, [80.0, 25.0])
    assert scores.plddt == pytest.approx(185 / 3)
    expected = 0.8 * scores.iptm + 0.2 * scores.ptm + 0.5 * scores.fraction_disordered
    assert scores.ranking_score == pytest.approx(expected)


def test_one_chain_is_ranked_by_its_ptm():
    scores = confidence(small_sample([("A", "rna", ["A", "U"])], tm=np.full((2, 2), 0.5)))
    assert np.isnan(scores.iptm) and np.isnan(scores.chain_iptm).all()
    assert scores.ranking_score == scores.ptm == 0.5
    assert scores.interfaces == ()


def test_without_frames_nothing_is_known():
    scores = confidence(small_sample([("A", "ligand", ["ZN"]), ("B", "ligand", ["MG"])], framed=[False, False]))
    assert np.isnan([scores.ptm, scores.iptm, scores.ranking_score]).all()
    assert np.isnan(scores.chain_pair_iptm).all() and np.isnan(scores.chain_pair_pae_min).all()


def test_ranking_score_costs_and_gains():
    assert ranking_score(0.5, 0.75, 0.0, False) == pytest.approx(0.7)
    assert ranking_score(0.5, float("nan"), 0.5, True) == pytest.approx(0.75 - 100)


def test_mean_of_others_leaves_out_what_is_not_defined():
    nan = float("nan")
    pairs = np.array([[9.0, 0.2, 0.4], [0.2, 9.0, nan], [0.4, nan, nan]])
    np.testing.assert_allclose(mean_of_others(pairs), [0.3, 0.2, 0.4])
