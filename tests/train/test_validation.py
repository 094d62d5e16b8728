"""Scores of a validation against structures with known errors."""

from dataclasses import replace

import pytest
import torch

from alphafold3_pytorch.features.featurize import assemble, prepare
from alphafold3_pytorch.inputs.job import Job, Ligand, Protein
from alphafold3_pytorch.structure.lddt import group_lddt
from alphafold3_pytorch.train.validation import Validation, Validator, groups_of, lddts


@pytest.fixture(scope="module")
def batch():
    entities = (Protein(("A", "B"), "ACDEFG"), Ligand(("C",), codes=("GOL",)))
    return assemble(prepare(Job("test", entities), 1))


def test_each_kind_of_chain_and_interface_has_a_score(batch):
    count = batch.atom_mask.shape[1]
    true, known = 5 * torch.randn(count, 3), batch.atom_mask[0]
    perfect = dict(lddts(true @ torch.linalg.qr(torch.randn(3, 3)).Q + 7, true, known, groups_of(batch)))
    assert set(perfect) == {
        "lddt",
        "protein-protein intra-chain",
        "ligand-ligand intra-chain",
        "protein-protein interface",
        "ligand-protein interface",
    }
    assert all(value == 1 for value in perfect.values())


def test_a_moved_chain_costs_its_interfaces_only(batch):
    groups = groups_of(batch)
    true, known = 5 * torch.randn(batch.atom_mask.shape[1], 3), batch.atom_mask[0]
    moved = true + 100 * groups.chains[1][1][:, None]
    scores = dict(lddts(moved, true, known, groups))
    assert scores["protein-protein interface"] == 0 and scores["protein-protein intra-chain"] == 1
    assert scores["ligand-protein interface"] == 0.5  # one of the two
    everything = float(group_lddt(moved, true, known, known, groups.cutoff))
    assert scores["lddt"] == everything < 1


def test_what_is_not_resolved_has_no_score(batch):
    true = torch.randn(batch.atom_mask.shape[1], 3)
    assert dict(lddts(true, true, torch.zeros_like(batch.atom_mask[0]), groups_of(batch))) == {}


def test_the_selection_score_has_the_papers_weights():
    validator = Validator([], lambda item: item, Validation())
    means = {"protein-protein intra-chain": 0.5, "ligand-protein interface": 0.2, "lddt": 0.9, "gpde": 3.0}
    assert validator.with_selection(means)["selection"] == pytest.approx((20 * 0.5 + 10 * 0.2) / 30)
    tuned = Validator([], lambda item: item, replace(Validation(), fine_tuning=True))
    only_rna = {"RNA-protein interface": 1.0, "DNA-protein interface": 0.0}
    assert tuned.with_selection(only_rna)["selection"] == pytest.approx(2 / 12)
    assert "selection" not in validator.with_selection({"lddt": 0.9})
