"""The order of samples."""

from dataclasses import replace

import numpy as np
import pytest

from alphafold3_pytorch.predict.chemistry import Chemistry
from alphafold3_pytorch.predict.scores.confidence import confidence
from alphafold3_pytorch.predict.scores.ranking import Judged, merit, rank
from tests.predict.samples import golden_sample, small_sample

CHAINS = [("A", "protein", ["GLY"]), ("B", "protein", ["GLY"]), ("L", "ligand", ["ZN"])]


def judged(seed, number, *, score=0.5, penalty=0.0, clash=False, ptm=(0.5, 0.5, 0.5), iptm=(0.5, 0.5, 0.5)):
    sample = replace(small_sample(CHAINS), seed=seed, number=number)
    scores = replace(
        confidence(sample),
        ranking_score=score,
        has_clash=clash,
        chain_ptm=np.array(ptm),
        chain_iptm=np.array(iptm),
    )
    return Judged(sample, scores, Chemistry({}, (), penalty))


def order(results, chains=()):
    return [(result.sample.seed, result.sample.number) for result in rank(results, chains)]


def test_best_first_then_by_seed_and_number():
    results = [judged(2, 0), judged(1, 1), judged(1, 0), judged(9, 9, score=0.9), judged(0, 0, score=float("nan"))]
    assert order(results) == [(9, 9), (1, 0), (1, 1), (2, 0), (0, 0)]


def test_wrong_chemistry_costs():
    results = [judged(1, 0, score=0.9, penalty=0.5), judged(2, 0, score=0.5)]
    assert order(results) == [(2, 0), (1, 0)]


def test_official_samples_are_in_the_official_order():
    results = [Judged(each, confidence(each), Chemistry({}, (), 0.0)) for each in map(golden_sample, range(4))]
    assert [result.confidence.ranking_score for result in rank(results)] == sorted(
        (result.confidence.ranking_score for result in results), reverse=True
    )


def test_one_chain_or_an_interface():
    one, two = judged(1, 0, ptm=(0.9, 0.1, 0.0)), judged(2, 0, ptm=(0.2, 0.8, 0.0), iptm=(0.1, 0.2, 0.6))
    assert order([one, two], ["A"]) == [(1, 0), (2, 0)]
    assert order([one, two], ["B"]) == [(2, 0), (1, 0)]
    assert merit(two, ["L"]) == pytest.approx(0.6)
    assert merit(two, ["B", "A"]) == pytest.approx(0.15)
    assert merit(judged(3, 0, clash=True, penalty=0.25), ["A", "B"]) == pytest.approx(0.5 - 100.25)


def test_chains_that_cannot_be():
    with pytest.raises(ValueError, match="no chain 'X' to rank by; the chains are A, B, L"):
        rank([judged(1, 0)], ["X"])
    with pytest.raises(ValueError, match="none, one or two"):
        rank([judged(1, 0)], ["A", "B", "L"])
