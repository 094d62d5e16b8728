"""Targets and losses of the confidence head on a small complex, against numpy loops; padding must not matter."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from alphafold3_pytorch.features.batch import FeatureBatch, Labels
from alphafold3_pytorch.structure.bins import bin_centres, error_edges
from alphafold3_pytorch.structure.geometry import CentreRandomAugmentation
from alphafold3_pytorch.train.confidence_losses import (
    confidence_losses,
    lddt_references,
    pae_target,
    pde_target,
    plddt_target,
    trains_confidence,
)

ATOMS_OF_TOKENS = [4, 4, 5, 6, 1, 1, 1]  # three residues, a nucleotide, two ligand atoms, an ion
TYPES = [0, 0, 0, 1, 3, 3, 4]


def complex_batch(token_padding=0, atom_padding=0) -> FeatureBatch:
    """Two copies of the complex; the second lacks the last token's frame and the first token's centre."""
    n, m = len(TYPES), sum(ATOMS_OF_TOKENS)
    first = np.cumsum([0, *ATOMS_OF_TOKENS[:-1]])
    pad_n = lambda x, value=0: torch.nn.functional.pad(torch.tensor(x), (0, token_padding), value=value).expand(2, -1)  # noqa: E731
    pad_m = lambda x, value=0: torch.nn.functional.pad(torch.tensor(x), (0, atom_padding), value=value).expand(2, -1)  # noqa: E731
    zero = torch.zeros(2, n + token_padding, dtype=torch.int64)
    polymer = [count > 1 for count in ATOMS_OF_TOKENS]
    frame = [[a, a + 1, a + 2] if p else [-1, -1, -1] for a, p in zip(first.tolist(), polymer, strict=True)]
    frames = torch.nn.functional.pad(torch.tensor(frame), (0, 0, 0, token_padding), value=-1).expand(2, -1, -1)
    kinds = torch.nn.functional.one_hot(torch.tensor(TYPES), 5).bool()
    return FeatureBatch(
        token_mask=pad_n([True] * n, False),
        restype=zero,
        residue_index=zero,
        token_index=zero,
        asym_id=zero,
        entity_id=zero,
        sym_id=zero,
        molecule_type=torch.nn.functional.pad(kinds, (0, 0, 0, token_padding)).expand(2, -1, -1),
        token_features=torch.zeros(2, n + token_padding, 5),
        token_bonds=torch.zeros(2, n + token_padding, n + token_padding),
        atom_mask=pad_m([True] * m, False),
        atom_features=torch.zeros(2, m + atom_padding, 5),
        atom_to_token=pad_m(np.repeat(np.arange(n), ATOMS_OF_TOKENS)),
        atom_slot=torch.zeros(2, m + atom_padding, dtype=torch.int64),
        key_index=torch.zeros(2, 1, 8, dtype=torch.int64),
        atompair_features=torch.zeros(2, 1, 2, 8, 5),
        centre_atom=pad_n([a + p for a, p in zip(first.tolist(), polymer, strict=True)], -1),
        distogram_atom=pad_n([a + 3 * p for a, p in zip(first.tolist(), polymer, strict=True)], -1),
        frame_atoms=frames,
    )


def structures(atom_padding=0):
    torch.manual_seed(0)
    m = sum(ATOMS_OF_TOKENS)
    true = 8 * torch.randn(2, m, 3)
    predicted, resolved = true + torch.randn(2, m, 3), torch.rand(2, m) < 0.85
    resolved[0, :8] = True
    pad = lambda x, value: torch.nn.functional.pad(x, (0, 0, 0, atom_padding), value=value)  # noqa: E731
    resolved = pad(resolved[..., None], False)[..., 0]
    true = torch.where(resolved[..., None], pad(true, 0.0), 0.0)
    return pad(predicted, 3.0), Labels(positions=true, resolved=resolved)


def logits(n=7, m=22, seed=1) -> dict[str, Any]:
    torch.manual_seed(seed)
    shapes = {"plddt": (2, m, 50), "pde": (2, n, n, 64), "resolved": (2, m, 2), "pae": (2, n, n, 64)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def test_references_are_the_centres_of_standard_residues():
    reference, radius = lddt_references(complex_batch(token_padding=2))
    assert reference[0].tolist() == [1, 5, 9, 14, -1, -1, -1, -1, -1]
    assert radius[0, :4].tolist() == [15, 15, 15, 30]


def test_pae_and_pde_targets_against_loops():
    batch, (predicted, labels) = complex_batch(), structures()
    error, mask = pae_target(predicted, batch, labels)
    gap, gap_mask = pde_target(predicted, batch, labels)
    centre, frames, distogram = (x[0].numpy() for x in (batch.centre_atom, batch.frame_atoms, batch.distogram_atom))
    for b, i, j in np.ndindex(2, 7, 7):
        there = labels.resolved[b].numpy()
        assert mask[b, i, j].item() == bool(frames[i].min() >= 0 and there[frames[i]].all() and there[centre[j]])
        assert gap_mask[b, i, j].item() == bool(there[distogram[i]] and there[distogram[j]])
        x, y = predicted[b].numpy(), labels.positions[b].numpy()
        if mask[b, i, j]:
            seen, truth = (local(s[centre[j]], s[frames[i]]) for s in (x, y))
            assert error[b, i, j].item() == pytest.approx(np.linalg.norm(seen - truth), abs=1e-3)
        if gap_mask[b, i, j]:
            lengths = [np.linalg.norm(s[distogram[i]] - s[distogram[j]]) for s in (x, y)]
            assert gap[b, i, j].item() == pytest.approx(abs(lengths[0] - lengths[1]), abs=1e-4)
    assert mask.any() and not mask.all()


def local(x, frame):
    """Position in the frame of three atoms, by solving for the axes of Algorithm 29."""
    a, b, c = frame - frame[1]
    a, c = a / np.linalg.norm(a), c / np.linalg.norm(c)
    axes = np.stack([(a + c) / np.linalg.norm(a + c), (c - a) / np.linalg.norm(c - a)])
    return np.linalg.inv(np.stack([*axes, np.cross(*axes)]).T) @ (x - frame[1])


def test_targets_are_blind_to_rigid_motion_and_perfect_for_the_truth():
    batch, (predicted, labels) = complex_batch(), structures()
    moved = CentreRandomAugmentation(30.0)(predicted)
    for target in (plddt_target, pae_target, pde_target):
        torch.testing.assert_close(target(moved, batch, labels), target(predicted, batch, labels), atol=1e-3, rtol=1e-3)
    truth = CentreRandomAugmentation()(labels.positions)
    lddt, known = plddt_target(truth, batch, labels)
    assert (lddt[known] == 1).all()
    error, mask = pae_target(truth, batch, labels)
    assert error[mask].max() < 1e-2


def test_losses_do_not_see_padding():
    predicted, labels = structures()
    short = confidence_losses(predicted, complex_batch(), labels, **logits())
    wide = logits(n=10, m=27, seed=2)
    for name, x in logits().items():
        wide[name][tuple(slice(size) for size in x.shape)] = x
    predicted, labels = structures(atom_padding=5)
    predicted[:, 22:], labels.positions[:, 22:] = torch.nan, torch.nan
    padded = confidence_losses(predicted, complex_batch(3, 5), labels, **wide)
    torch.testing.assert_close(padded, short)
    assert all((loss > 0).all() for loss in short)


def test_right_answers_cost_nothing():
    """Logits sure of the bin that each value falls into, found from the bin centres that the scores use."""
    batch, (predicted, labels) = complex_batch(), structures()
    sure: dict[str, Any] = {"resolved": torch.stack([~labels.resolved, labels.resolved], dim=-1).float()}
    for name, target in (("pae", pae_target), ("pde", pde_target)):
        sure[name] = -(target(predicted, batch, labels)[0].clamp(0, 31.9)[..., None] - bin_centres(error_edges())).abs()
    lddt = plddt_target(predicted, batch, labels)[0]
    sure["plddt"] = -((lddt + 1e-4).clamp_max(0.999)[..., None] - (torch.arange(50) + 0.5) / 50).abs()
    losses = confidence_losses(predicted, batch, labels, **{name: 1e5 * x for name, x in sure.items()})
    torch.testing.assert_close(losses, type(losses)(*[torch.zeros(2)] * 4), atol=1e-3, rtol=0)


def test_without_pae_logits_there_is_no_pae_loss():
    predicted, labels = structures()
    without = {name: x for name, x in logits().items() if name != "pae"}
    losses = confidence_losses(predicted, complex_batch(), labels, **without)
    assert (losses.pae == 0).all() and (losses.pde > 0).all()


def test_nothing_resolved_costs_only_the_resolved_loss_and_gradients_stay_finite():
    predicted, labels = structures()
    labels = Labels(positions=torch.full_like(labels.positions, torch.nan), resolved=torch.zeros_like(labels.resolved))
    heads = {name: x.requires_grad_() for name, x in logits().items()}
    losses = confidence_losses(predicted.requires_grad_(), complex_batch(), labels, **heads)
    assert (losses.plddt == 0).all() and (losses.pae == 0).all() and (losses.pde == 0).all()
    torch.stack(losses).sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in heads.values())
    assert predicted.grad is None


def test_resolution_decides_who_trains():
    assert trains_confidence(None, 2).tolist() == [True, True]
    known = torch.tensor([0.0, 0.1, 4.0, 4.1, torch.nan])
    assert trains_confidence(known, 5).tolist() == [False, True, True, False, True]
    predicted, labels = structures()
    losses = confidence_losses(
        predicted, complex_batch(), replace(labels, resolution=torch.tensor([2.0, 9.0])), **logits()
    )
    assert all(loss[0] > 0 and loss[1] == 0 for loss in losses)


def test_logits_must_fit_the_bins():
    predicted, labels = structures()
    with pytest.raises(ValueError, match="logits over 64 bins, but the 33 bin edges make 32 bins"):
        confidence_losses(predicted, complex_batch(), labels, **logits(), pae_edges=torch.linspace(0, 32, 33))
