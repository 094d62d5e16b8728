"""Every fast path against its definition, at odd sizes too."""

import pytest
import torch
import torch.nn.functional as F

from alphafold3_pytorch import Attend, Attention, ConditionWrapper, PreLayerNorm, full_pairwise_repr_to_windowed, ops
from alphafold3_pytorch.nn.primitives import Linear
from alphafold3_pytorch.ops.dispatch import plain_inference
from alphafold3_pytorch.ops.rows import row_budget

SHAPES = [(1, 1), (7, 3), (2, 5, 9), (2, 1, 33, 17), (3, 0, 4)]


@pytest.fixture(params=["reference", ""])
def kernels(request, monkeypatch):
    monkeypatch.setenv("AF3_KERNELS", request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_linear(kernels, shape, bias):
    x, weight, offset = torch.randn(shape), torch.randn(6, shape[-1]), torch.randn(6) if bias else None
    expected = F.linear(x.double(), weight.double(), None if offset is None else offset.double()).float()
    with torch.no_grad():
        torch.testing.assert_close(ops.linear(x, weight, offset), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ops.linear(x, weight, offset), expected, atol=1e-5, rtol=1e-5)


def test_linear_of_strided_inputs(kernels):
    x, weight = torch.randn(4, 6, 10), torch.randn(8, 6)
    with torch.no_grad():
        for strided in (x.transpose(1, 2), x.transpose(1, 2)[:, ::2], x.transpose(1, 2).expand(4, 10, 6)):
            torch.testing.assert_close(ops.linear(strided, weight), strided @ weight.T, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(
                ops.linear(strided, weight.flip(0)[::2]), strided @ weight.flip(0)[::2].T, atol=1e-5, rtol=1e-5
            )


def test_the_fast_linear_is_for_inference_alone(monkeypatch):
    monkeypatch.delenv("AF3_KERNELS", raising=False)
    x = torch.randn(2, 2)
    assert not plain_inference(x)
    with torch.no_grad():
        assert plain_inference(x, None)
        assert not plain_inference(x, x.double())
        with torch.autocast("cpu", torch.bfloat16):
            assert not plain_inference(x)
        monkeypatch.setenv("AF3_KERNELS", "reference")
        assert not plain_inference(x)


def test_gradients_reach_a_linear_layer():
    layer, x = Linear(3, 2, bias=True), torch.randn(4, 3, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(4, 3))


@pytest.mark.parametrize("lead", [(), (1,), (2,), (2, 3)])
def test_products_and_channels_first(kernels, lead):
    a, b, weight = torch.randn(*lead, 5, 4), torch.randn(*lead, 6, 4), torch.randn(3, 4)
    x = torch.randn(*lead, 5, 6, 4)
    with torch.no_grad():
        torch.testing.assert_close(ops.product(a, b), a @ b.transpose(-1, -2), atol=1e-5, rtol=1e-5)
        expected = (x @ weight.T).movedim(-1, -3)
        torch.testing.assert_close(ops.channels_first(weight, x), expected, atol=1e-5, rtol=1e-5)
        assert ops.channels_first(weight, x).is_contiguous()


@pytest.mark.parametrize("budget", [1, 30, 2**30])
@pytest.mark.parametrize("out_axis", [1, 2])
def test_rows(budget, out_axis):
    x, more = torch.randn(2, 7, 3, 4), torch.randn(2, 7)

    def function(rows, extra):
        result = rows * 2 + extra[:, :, None, None]
        return result.transpose(1, out_axis) if out_axis != 1 else result

    with torch.no_grad(), row_budget(budget):
        torch.testing.assert_close(ops.in_rows(function, x, more, width=4, out_axis=out_axis), function(x, more))
        nothing = ops.in_rows(lambda rows, absent: rows if absent is None else absent, x, None, width=4)
        torch.testing.assert_close(nothing, x)


def test_modulate_and_swiglu():
    x, scale, shift = torch.randn(2, 3, 4), torch.randn(2, 1, 4), torch.randn(2, 1, 4)
    torch.testing.assert_close(ops.modulate(x, scale, shift), x * scale + shift)
    expected = F.silu(x[..., :2]) * x[..., 2:]
    torch.testing.assert_close(ops.swiglu(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(ops.swiglu(x), expected)


def test_windows_of_a_pair_representation():
    pairs = torch.arange(100.0).view(1, 10, 10)
    windows = full_pairwise_repr_to_windowed(pairs, 2)
    assert windows.shape == (1, 5, 2, 8)
    for window in range(5):
        for query in range(2):
            keys = [2 * window - 3 + key for key in range(8)]
            expected = [pairs[0, 2 * window + query, key] if 0 <= key < 10 else 0.0 for key in keys]
            assert windows[0, window, query].tolist() == [float(value) for value in expected]


def test_blocks_of_the_original_names():
    x, cond, mask = torch.randn(2, 5, 8), torch.randn(2, 5, 6), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    attention = Attention(dim=8, dim_head=4, heads=2)
    assert PreLayerNorm(attention, dim=8)(x, mask=mask).shape == x.shape
    assert ConditionWrapper(attention, dim=8, dim_cond=6)(x, cond=cond, mask=mask).shape == x.shape
    changed = x.clone()
    changed[1, 3:] += 1
    torch.testing.assert_close(attention(x, mask)[1, :3], attention(changed, mask)[1, :3])
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))
    torch.testing.assert_close(Attend()(q, k, v), (q @ k.transpose(-1, -2) / 2).softmax(-1) @ v, atol=1e-5, rtol=1e-5)
