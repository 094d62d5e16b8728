"""The moving average against its definition."""

import pytest
import torch
from torch import nn

from alphafold3_pytorch.train.ema import MovingAverage


@pytest.mark.parametrize("use_foreach", [True, False])
def test_the_average_is_the_weighted_sum_of_all_values(use_foreach):
    module = nn.Linear(1, 1, bias=False)
    values = [3.0, -1.0, 2.0, 5.0]
    module.weight.data.fill_(values[0])
    average = MovingAverage(module, 0.9, use_foreach=use_foreach)
    for value in values[1:]:
        module.weight.data.fill_(value)
        average.update()
    expected = 0.9**3 * 3 + 0.1 * (0.9**2 * -1 + 0.9 * 2 + 5)
    assert float(average.values["weight"]) == pytest.approx(expected)


def test_the_module_gets_its_own_parameters_back_even_after_an_error():
    module = nn.Linear(2, 2)
    average = MovingAverage(module, 0.0)
    before = module.weight.detach().clone()
    average.values["weight"].zero_()
    with pytest.raises(RuntimeError), average.in_place():
        assert not module.weight.any()
        raise RuntimeError
    assert torch.equal(module.weight, before)


def test_frozen_parameters_are_not_averaged_and_low_precision_is_averaged_in_float32():
    module = nn.Linear(2, 2).bfloat16()
    module.bias.requires_grad_(False)
    average = MovingAverage(module)
    assert list(average.values) == ["weight"] and average.values["weight"].dtype == torch.float32


def test_averages_of_other_parameters_are_refused():
    with pytest.raises(ValueError, match="other parameters .*bias"):
        MovingAverage(nn.Linear(2, 2)).load({"weight": torch.zeros(2, 2)})


def test_a_decay_beyond_one_is_refused():
    with pytest.raises(ValueError, match="ema_decay is 2.0"):
        MovingAverage(nn.Linear(2, 2), 2.0)
