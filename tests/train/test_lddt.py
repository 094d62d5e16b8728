"""Smooth and sharp lDDT against numpy loops, and the laws they obey."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from alphafold3_pytorch.structure.geometry import CentreRandomAugmentation
from alphafold3_pytorch.structure.lddt import atom_lddt
from alphafold3_pytorch.train.lddt import SmoothLDDTLoss, smooth_lddt_loss

BEST = 1 - np.mean(1 / (1 + np.exp(-np.array([0.5, 1.0, 2.0, 4.0]))))


def numpy_smooth_lddt_loss(predicted, true, is_nucleotide, mask):
    """Algorithm 27 for one structure, pair by pair."""
    score = pairs = 0.0
    for i, j in np.ndindex(len(mask), len(mask)):
        truth = np.linalg.norm(true[i] - true[j])
        if i == j or not (mask[i] and mask[j]) or truth >= (30 if is_nucleotide[i] else 15):
            continue
        error = abs(truth - np.linalg.norm(predicted[i] - predicted[j]))
        score += np.mean([1 / (1 + np.exp(error - c)) for c in (0.5, 1, 2, 4)])
        pairs += 1
    return 1 - score / pairs if pairs else 0.0


@pytest.fixture
def example():
    torch.manual_seed(0)
    true = 12 * torch.randn(2, 1, 14, 3)
    predicted = true + torch.randn(2, 3, 14, 3)
    return predicted, true, torch.rand(2, 1, 14) < 0.4, torch.rand(2, 1, 14) < 0.8


def test_smooth_lddt_against_a_loop(example):
    predicted, true, is_nucleotide, mask = example
    loss = smooth_lddt_loss(*example)
    for b, k in np.ndindex(2, 3):
        args = predicted[b, k].numpy(), true[b, 0].numpy(), is_nucleotide[b, 0].numpy(), mask[b, 0].numpy()
        assert loss[b, k].item() == pytest.approx(numpy_smooth_lddt_loss(*args), abs=1e-5)


def test_the_first_atom_alone_decides_the_cutoff():
    """One nucleotide and one other atom 20 Å apart: only the pair that starts at the nucleotide counts."""
    true = torch.tensor([[[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]])
    no, yes = torch.tensor([[False, False]]), torch.tensor([[True, False]])
    assert SmoothLDDTLoss()(true, true, yes, no).item() == pytest.approx(BEST, abs=1e-6)
    assert SmoothLDDTLoss()(true, true, no, yes).item() == pytest.approx(BEST, abs=1e-6)
    assert SmoothLDDTLoss()(true, true, no, no).item() == 0


def test_smooth_lddt_is_blind_to_rigid_motion_and_best_for_the_truth(example):
    predicted, true, is_nucleotide, mask = example
    moved = CentreRandomAugmentation(trans_scale=30.0)(predicted)
    loss = smooth_lddt_loss(predicted, true, is_nucleotide, mask)
    torch.testing.assert_close(smooth_lddt_loss(moved, true, is_nucleotide, mask), loss, atol=1e-5, rtol=0)
    perfect = smooth_lddt_loss(true, true, is_nucleotide, mask)
    torch.testing.assert_close(perfect, torch.full_like(perfect, BEST))
    assert (loss > BEST).all()


def test_smooth_lddt_in_pieces_is_the_same_with_its_gradient(example):
    predicted, *rest = example
    results = []
    for budget in (1, 100, 10**6):
        x = predicted.clone().requires_grad_()
        loss = smooth_lddt_loss(x, *rest, budget=budget)
        results.append((loss, *torch.autograd.grad(loss.sum(), x)))
    torch.testing.assert_close(results[0], results[2])
    torch.testing.assert_close(results[1], results[2])
    assert results[0][1].abs().sum() > 0


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation returned."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.size = max([self.size, *(x.numel() for x in tree_leaves(result) if isinstance(x, torch.Tensor))])
        return result


def test_smooth_lddt_never_holds_all_pairs():
    true, one = 10 * torch.randn(1, 1, 100, 3), torch.ones(1, 1, 100).bool()
    predicted = (true + torch.randn(1, 8, 100, 3)).requires_grad_()
    with LargestTensor() as largest:
        smooth_lddt_loss(predicted, true, one, one, budget=4000).sum().backward()
    assert largest.size == 4000  # and not 8 x 100 x 100


def test_smooth_lddt_gradient_by_differences(example):
    predicted, true, is_nucleotide, mask = example
    x, rest = predicted[:1, :1, :5].double().requires_grad_(), (true[:1, :, :5].double(), is_nucleotide[:1, :, :5])
    assert torch.autograd.gradcheck(lambda x: smooth_lddt_loss(x, *rest, torch.ones(1, 1, 5).bool()), x)


def test_smooth_lddt_gradient_is_finite_where_atoms_coincide(example):
    _, true, is_nucleotide, mask = example
    x = torch.zeros_like(true).requires_grad_()
    smooth_lddt_loss(x, true, is_nucleotide, mask).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_masked_atoms_never_matter(present):
    torch.manual_seed(1)
    true, mask = 5 * torch.randn(1, 6, 3), torch.tensor(present)[None]
    predicted, is_nucleotide = true + torch.randn(1, 6, 3), torch.tensor([[True, False] * 3])
    here = mask[0]
    short = smooth_lddt_loss(predicted[:, here], true[:, here], is_nucleotide[:, here], mask[:, here])
    true, predicted = (torch.where(mask[..., None], x, torch.nan).requires_grad_() for x in (true, predicted))
    loss = smooth_lddt_loss(predicted, true, is_nucleotide, mask)
    torch.testing.assert_close(loss, short)
    loss.sum().backward()
    assert predicted.grad is not None and predicted.grad.isfinite().all()


def test_no_pair_gives_zero_loss_and_gradient():
    x, none = torch.randn(1, 3, 3).requires_grad_(), torch.zeros(1, 3).bool()
    loss = SmoothLDDTLoss()(x, x.detach(), none, none, none)
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and (x.grad == 0).all()


def numpy_atom_lddt(predicted, true, mask, reference, cutoff):
    result = np.full(len(mask), np.nan)
    for i in np.flatnonzero(mask):
        scores = []
        for atom, radius in zip(reference, cutoff, strict=True):
            if atom < 0 or atom == i or not mask[atom]:
                continue
            truth = np.linalg.norm(true[i] - true[atom])
            if truth < radius:
                error = abs(truth - np.linalg.norm(predicted[i] - predicted[atom]))
                scores.append(np.mean([error < c for c in (0.5, 1, 2, 4)]))
        result[i] = np.mean(scores) if scores else np.nan
    return result


@pytest.mark.parametrize("budget", [1, 2**22])
def test_atom_lddt_against_a_loop(budget):
    torch.manual_seed(0)
    true = 12 * torch.randn(3, 15, 3)
    predicted, mask = true + 2 * torch.randn(3, 15, 3), torch.rand(3, 15) < 0.8
    reference = torch.stack([torch.randperm(15)[:7] for _ in range(3)])
    reference[:, 0], reference[2] = -1, -1
    cutoff = torch.where(torch.rand(3, 7) < 0.5, 30.0, 15.0)
    lddt, known = atom_lddt(predicted, true, mask, reference, cutoff, budget)
    for b in range(3):
        expected = numpy_atom_lddt(*(x[b].numpy() for x in (predicted, true, mask, reference, cutoff)))
        np.testing.assert_array_equal(known[b].numpy(), ~np.isnan(expected))
        np.testing.assert_allclose(lddt[b].numpy(), np.nan_to_num(expected), atol=1e-6)
    assert not known[2].any()
