"""The trainer: it repeats itself, goes on exactly, leaves out what is bad, and ends clearly."""

import csv
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import small_model, small_trainer
from torch.utils.data import Dataset

from alphafold3_pytorch.mocks import MockAtomDataset
from alphafold3_pytorch.train import checkpoints
from alphafold3_pytorch.train.schedule import Schedule
from alphafold3_pytorch.train.trainer import TrainingDiverged
from alphafold3_pytorch.weights import families

SMALL = Path(__file__).with_name("small.py")


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def state_of(path: Path) -> dict:
    return {key: value for key, value in checkpoints.read(path).items() if key != "id"}


def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    """20 steps are 10, an end by SIGKILL, and 10 more."""
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    small_trainer(straight, 20, checkpoint_every=10)()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(SMALL), str(cut), "1000000", "10"], env=environment)
    middle, deadline = cut / "af3.ckpt.10.pt", time.time() + 120
    while not middle.exists():
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for step, file in checkpoints.checkpoints(cut, "af3.ckpt.").items():
        if step > 10:  # it may have come further before it was killed
            file.unlink()
    trainer = small_trainer(cut, 20, checkpoint_every=10)
    assert trainer.load_from_checkpoint_folder() == middle
    trainer()
    assert same(state_of(straight / "af3.ckpt.20.pt"), state_of(cut / "af3.ckpt.20.pt"))
    tables = [list(csv.reader((folder / "steps.csv").read_text().splitlines())) for folder in (straight, cut)]
    losses, again = ([row[:13] for row in table] for table in tables)
    assert losses == again and len(losses) == 21


def test_another_seed_is_another_run(tmp_path):
    for seed in (0, 1):
        small_trainer(tmp_path / str(seed), 2, seed=seed)()
    first, second = (state_of(tmp_path / str(seed) / "af3.ckpt.2.pt")["ema"] for seed in (0, 1))
    assert not same(first, second)


def test_the_callers_random_numbers_are_its_own(tmp_path):
    before = torch.get_rng_state()
    trainer = small_trainer(tmp_path, 1)
    torch.set_rng_state(before)
    trainer()
    assert torch.equal(before, torch.get_rng_state())


def test_workers_make_the_same_examples(tmp_path):
    for workers in (0, 2):
        small_trainer(tmp_path / str(workers), 3, num_workers=workers)()
    first, second = (state_of(tmp_path / str(workers) / "af3.ckpt.3.pt") for workers in (0, 2))
    assert same(first, second)


class Faulty(Dataset):
    """The second of three examples cannot be read."""

    def __init__(self, bad: tuple[int, ...] = (1,)):
        self.good, self.bad = MockAtomDataset(3, max_seq_len=4), bad

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int):
        if index in self.bad:
            raise RuntimeError(f"file {index} is broken")
        return self.good[index]


def test_a_bad_example_is_left_out_named_and_counted(tmp_path, caplog):
    trainer = small_trainer(tmp_path, 4, dataset=Faulty())
    trainer()
    assert trainer.step == 4 and trainer.failed == len(caplog.messages) > 0
    assert "left out example 1: RuntimeError: file 1 is broken" in caplog.messages
    rows = list(csv.DictReader((tmp_path / "steps.csv").read_text().splitlines()))
    assert rows[-1]["failed"] == str(trainer.failed)


def test_only_bad_examples_end_the_run(tmp_path):
    with pytest.raises(ValueError, match="100 examples in a row are bad; the last is example .: RuntimeError") as error:
        small_trainer(tmp_path, 4, dataset=Faulty(bad=(0, 1, 2)))()
    assert "is broken" in str(error.value)


def test_an_empty_data_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="empty"):
        small_trainer(tmp_path, 4, dataset=MockAtomDataset(0))()


class Poisoned(MockAtomDataset):
    """One example without a number in it, or all of them."""

    bad: tuple[int, ...] = (1,)

    def __getitem__(self, index: int):
        item = super().__getitem__(index)
        if index in self.bad:
            count = len(item.atom_inputs)
            item.atom_pos, item.resolved_labels = torch.full((count, 3), torch.nan), torch.ones(count)
        return item


def test_a_step_that_is_not_finite_is_left_out(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        trainer = small_trainer(tmp_path, 6, dataset=Poisoned(3, max_seq_len=4))
        trainer()
    assert trainer.skipped == 2
    assert sum("the gradient is not finite (example 1: total_loss" in message for message in caplog.messages) == 2
    state = state_of(tmp_path / "af3.ckpt.6.pt")
    assert all(torch.isfinite(x).all() for x in state["model"]["state_dict"].values())
    assert state["scheduler"]["last_epoch"] == 4


def test_step_after_step_that_is_not_finite_ends_the_run(tmp_path):
    dataset = Poisoned(2, max_seq_len=4)
    dataset.bad = (0, 1)
    with pytest.raises(TrainingDiverged, match="3 steps in a row were left out, the last at step 3"):
        small_trainer(tmp_path, 6, dataset=dataset, most_skipped=3)()


def test_a_spike_is_left_out(tmp_path):
    trainer = small_trainer(tmp_path, 1, spike=10.0)
    trainer.norms = [1.0] * 30
    assert trainer.accept(9.0, [])
    assert not trainer.accept(11.0, [])
    assert trainer.norms[-1] == 9.0 and trainer.skipped == 1


def test_weights_are_the_averages_and_load(tmp_path):
    trainer = small_trainer(tmp_path, 3, ema_decay=0.5)
    trainer()
    network = families.load(tmp_path / "weights.safetensors")
    assert trainer.ema is not None
    averages = trainer.ema.values
    for name, value in network.named_parameters(prefix="network"):
        torch.testing.assert_close(value, averages[name], rtol=0, atol=0)


def test_switch_ema_trains_from_the_averages(tmp_path):
    trainer = small_trainer(tmp_path, 2, ema_decay=0.5, ema_update_model_with_ema_every=2)
    trainer()
    assert trainer.ema is not None
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, trainer.ema.values[name])


def test_only_the_parameters_are_taken(tmp_path):
    first = small_trainer(tmp_path / "a", 2, ema_decay=0.5)
    first()
    second = small_trainer(tmp_path / "b", 2)
    second.load(tmp_path / "a", only_model=True)
    assert second.step == 0 and first.ema is not None
    for name, value in second.model.named_parameters():
        assert torch.equal(value, first.ema.values[name])


def test_checkpoints_of_another_run_are_not_mixed_in(tmp_path):
    small_trainer(tmp_path, 2)()
    with pytest.raises(ValueError, match="is of an earlier run; resume it"):
        small_trainer(tmp_path, 2)()
    small_trainer(tmp_path, 2, overwrite_checkpoints=True)()


def test_old_checkpoints_are_removed(tmp_path):
    small_trainer(tmp_path, 5, checkpoint_every=1, keep_checkpoints=2)()
    assert list(checkpoints.checkpoints(tmp_path, "af3.ckpt.")) == [4, 5]


def test_another_architecture_is_named(tmp_path):
    small_trainer(tmp_path, 1)()
    other = small_trainer(tmp_path, 1, model=small_model(dim_single=32))
    with pytest.raises(ValueError, match=r"is of another architecture: network\S+ is \(16.* there and \(32.* here"):
        other.load(tmp_path)


def test_a_finished_run_does_nothing_more(tmp_path):
    trainer = small_trainer(tmp_path, 2)
    trainer()
    before = (tmp_path / "af3.ckpt.2.pt").stat().st_mtime_ns
    trainer()
    assert (tmp_path / "af3.ckpt.2.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_checkpoint_that_goes_on_exactly(tmp_path, number):
    """It comes in the middle of the third step, which is then done anew."""
    dataset = Interrupting(5, max_seq_len=6)
    dataset.number, handler = number, signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        small_trainer(tmp_path / "cut", 4, dataset=dataset, grad_accum_every=2)()
    assert signal.getsignal(number) is handler
    assert [file.name for file in sorted((tmp_path / "cut").glob("*.pt"))] == ["af3.ckpt.2.pt"]
    trainer = small_trainer(tmp_path / "cut", 4, grad_accum_every=2)
    trainer.load_from_checkpoint_folder()
    trainer()
    small_trainer(tmp_path / "straight", 4, grad_accum_every=2)()
    assert same(*(state_of(tmp_path / name / "af3.ckpt.4.pt") for name in ("cut", "straight")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_signals_to_the_trainer(tmp_path, number):
    dataset = Interrupting(5, max_seq_len=6)
    dataset.number = number
    trainer = small_trainer(tmp_path, 6, dataset=dataset, num_workers=1)
    trainer()
    assert (trainer.step, trainer.failed) == (6, 0)


class Interrupting(MockAtomDataset):
    """Sends a signal when its fifth example is made."""

    number, made = signal.SIGINT, 0

    def __getitem__(self, index: int):
        self.made += 1
        if self.made == 5:
            os.kill(os.getpid(), self.number)
        return super().__getitem__(index)


def test_a_full_disk_is_an_error_of_the_file_and_leaves_the_one_before(tmp_path, monkeypatch):
    small_trainer(tmp_path, 1)()
    trainer = small_trainer(tmp_path, 2)
    trainer.load_from_checkpoint_folder()

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"af3.ckpt.2.pt could not be written; is the disk full\?"):
        trainer()
    assert [file.name for file in tmp_path.glob("*.pt")] == ["af3.ckpt.1.pt"]


@pytest.mark.parametrize("name", ["num_train_steps", "batch_size", "grad_accum_every"])
def test_numbers_have_to_be_positive(tmp_path, name):
    options = {"steps" if name == "num_train_steps" else name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        small_trainer(tmp_path, **options)


def test_a_model_without_trained_parameters_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no parameter of the model is trained"):
        small_trainer(tmp_path, model=small_model().requires_grad_(False))


def test_an_optimizer_and_a_scheduler_of_ones_own(tmp_path):
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    trainer = small_trainer(tmp_path, 2, model=model, optimizer=optimizer, scheduler=scheduler)
    trainer()
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_the_schedule_of_the_paper():
    schedule = Schedule()
    assert schedule(0) == pytest.approx(1e-3) and schedule(499) == pytest.approx(0.5)
    assert schedule(999) == schedule(49_999) == 1
    assert schedule(50_000) == pytest.approx(0.95) and schedule(100_000) == pytest.approx(0.95**2)
