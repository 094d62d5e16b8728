"""Each layer of the trunk against its algorithm, written as loops over indices."""

import math

import pytest
import torch
import torch.nn.functional as F

from alphafold3_pytorch import ops
from alphafold3_pytorch.nn.adaptive import AdaptiveLayerNorm, ConditionedTransition
from alphafold3_pytorch.nn.attention import AttentionPairBias
from alphafold3_pytorch.nn.msa import MSAPairWeightedAveraging, OuterProductMean
from alphafold3_pytorch.nn.pair import MSABlock, PairBlock, PairformerBlock, SharedDropout
from alphafold3_pytorch.nn.transition import Transition
from alphafold3_pytorch.nn.triangle import TriangleAttention, TriangleMultiplication
from alphafold3_pytorch.ops.rows import row_budget
from tests.synthetic import randomise

N, C = 5, 12


@pytest.fixture
def pair():
    return torch.randn(2, N, N, C)


@pytest.fixture
def mask():
    return torch.tensor([[True] * N, [True] * (N - 2) + [False] * 2])


@pytest.mark.parametrize("mix", ["outgoing", "incoming"])
def test_triangle_multiplication(pair, mask, mix):
    layer = randomise(TriangleMultiplication(C, 8, mix=mix))
    x = layer.norm_in(pair)
    present = (mask[:, :, None] & mask[:, None])[..., None]
    a, b = (layer.gate(x).sigmoid() * layer.project(x) * present).chunk(2, dim=-1)
    update = torch.zeros(2, N, N, 8)
    for i in range(N):
        for j in range(N):
            for k in range(N):
                update[:, i, j] += a[:, i, k] * b[:, j, k] if mix == "outgoing" else a[:, k, i] * b[:, k, j]
    expected = layer.out(layer.norm_out(update)) * layer.out_gate(x).sigmoid()
    torch.testing.assert_close(layer(pair, mask), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("node", "swap"), [("starting", False), ("ending", False), ("ending", True)])
def test_triangle_attention(pair, mask, node, swap):
    heads, dim = 2, 4
    layer = randomise(TriangleAttention(C, heads, dim, node_type=node, swap_bias=swap))
    x = layer.norm(pair)
    q, k, v = (part.unflatten(-1, (heads, dim)) for part in layer.qkv(x).chunk(3, dim=-1))
    bias, gate = layer.pair_bias(x), layer.gate(x).sigmoid()
    expected = torch.zeros_like(pair)
    for b in range(2):
        for i in range(N):
            for j in range(N):
                if not (mask[b, i] and mask[b, j]):
                    continue
                attended = []
                for h in range(heads):
                    if node == "starting":
                        edges = [(i, other) for other in range(N)]
                        biases = [bias[b, j, other, h] for other in range(N)]
                    else:
                        edges = [(other, j) for other in range(N)]
                        biases = [bias[b, i, o, h] if swap else bias[b, o, i, h] for o in range(N)]
                    there = [other for other in range(N) if mask[b, other]]
                    logits = torch.stack(
                        [q[b, i, j, h] @ k[(b, *edges[o], h)] / math.sqrt(dim) + biases[o] for o in there]
                    )
                    values = torch.stack([v[(b, *edges[o], h)] for o in there])
                    attended.append(logits.softmax(0) @ values)
                expected[b, i, j] = layer.out(torch.cat(attended) * gate[b, i, j])
    there = (mask[:, :, None] & mask[:, None])[..., None]
    torch.testing.assert_close(layer(pair, mask) * there, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("budget", [2**22, 1])
def test_outer_product_mean(mask, budget):
    rows, hidden = 4, 3
    layer = randomise(OuterProductMean(6, C, hidden))
    msa = torch.randn(2, rows, N, 6)
    present = mask[:, None].expand(-1, rows, -1).clone()
    present[:, 2, 1] = False
    a, b = (layer.project(layer.norm(msa)) * present[..., None]).chunk(2, dim=-1)
    expected = torch.zeros(2, N, N, C)
    for i in range(N):
        for j in range(N):
            outer = torch.stack([torch.einsum("bc,bd->bcd", a[:, s, i], b[:, s, j]) for s in range(rows)]).sum(0)
            count = (present[:, :, i] & present[:, :, j]).sum(1)[:, None]
            expected[:, i, j] = layer.out(outer.flatten(1)) / (count + 1e-3)
    with torch.no_grad(), row_budget(budget):
        torch.testing.assert_close(layer(msa, present), expected, atol=1e-4, rtol=1e-4)


def test_pair_weighted_averaging(pair, mask):
    layer = randomise(MSAPairWeightedAveraging(6, C, heads=2, dim_head=3))
    msa = torch.randn(2, 4, N, 6)
    x = layer.norm(msa)
    value, gate = layer.value(x).unflatten(-1, (2, 3)), layer.gate(x).sigmoid()
    logits = layer.pair_bias(layer.norm_pair(pair)).masked_fill(~mask[:, None, :, None], -torch.inf)
    average = torch.einsum("bijh,bsjhd->bsihd", logits.softmax(dim=2), value).flatten(-2)
    torch.testing.assert_close(layer(msa, pair, mask), layer.out(average * gate), atol=1e-5, rtol=1e-4)


def test_attention_pair_bias(pair, mask):
    heads = 2
    layer = randomise(AttentionPairBias(8, C, heads, 3))
    single = torch.randn(2, N, 8)
    x = layer.norm(single)
    q, k, v = (part.unflatten(-1, (heads, 3)) for part in (layer.q(x), *layer.kv(x).chunk(2, dim=-1)))
    logits = torch.einsum("bihd,bjhd->bijh", q, k) / math.sqrt(3) + layer.pair_bias(layer.norm_pair(pair))
    weights = logits.masked_fill(~mask[:, None, :, None], -torch.inf).softmax(dim=2)
    attended = torch.einsum("bijh,bjhd->bihd", weights, v).flatten(-2)
    expected = layer.out(attended * layer.gate(x).sigmoid())
    torch.testing.assert_close(layer(single, pair, mask), expected, atol=1e-5, rtol=1e-4)


def test_transition_is_swiglu():
    layer = randomise(Transition(6, factor=3))
    x = torch.randn(2, 6)
    gate, value = layer.project(layer.norm(x)).chunk(2, dim=-1)
    torch.testing.assert_close(layer(x), layer.out(F.silu(gate) * value))
    with torch.no_grad():
        torch.testing.assert_close(layer(x), layer.out(F.silu(gate) * value))


def test_conditioned_layers():
    norm, transition = randomise(AdaptiveLayerNorm(6, 4)), randomise(ConditionedTransition(6, 4))
    x, cond = torch.randn(3, 6), torch.randn(3, 4)
    s = F.layer_norm(cond, (4,)) * norm.norm_cond.weight
    expected = norm.scale(s).sigmoid() * F.layer_norm(x, (6,)) + norm.shift(s)
    torch.testing.assert_close(norm(x, norm.condition(cond)), expected)
    inner = transition.norm(x, transition.norm.condition(cond))
    expected = transition.out_gate(cond).sigmoid() * transition.out(ops.swiglu(transition.project(inner)))
    torch.testing.assert_close(transition(x, transition.condition(cond)), expected)


def test_attention_shares_its_bias():
    q, k, v = (torch.randn(2, 3, 2, 5, 4) for _ in range(3))
    bias = torch.randn(2, 1, 2, 5, 5)
    weights = (q @ k.transpose(-1, -2) / 2 + bias).softmax(dim=-1)
    torch.testing.assert_close(ops.attention(q, k, v, bias), weights @ v, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("block", [PairBlock(C, 8, 2, 4), PairformerBlock(8, C, 2, 4), MSABlock(6, C)])
def test_no_mask_is_a_full_mask(block, pair):
    randomise(block).eval()
    full = torch.ones(2, N, dtype=torch.bool)
    rows = torch.randn(2, 3, N, 6), torch.ones(2, 3, N, dtype=torch.bool)
    arguments = {PairBlock: (pair,), PairformerBlock: (torch.randn(2, N, 8), pair), MSABlock: (rows[0], pair, rows[1])}
    given = arguments[type(block)]
    torch.testing.assert_close(block(*given, mask=full), block(*given), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("axis", [1, 2])
def test_shared_dropout(axis):
    dropout = SharedDropout(0.5, axis)
    dropped = dropout(torch.ones(2, 40, 40, 6))
    assert (dropped == dropped.narrow(axis, 0, 1)).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropout.eval()(torch.ones(2, 4, 4, 6)) == 1).all()
