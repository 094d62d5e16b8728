"""What a plan says against what a real run does: operations, memory, and what is refused."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from alphafold3_pytorch.features.batch import FeatureBatch
from alphafold3_pytorch.features.featurize import assemble, prepare
from alphafold3_pytorch.inputs.job import Job, Protein
from alphafold3_pytorch.predict import plan as planning
from alphafold3_pytorch.predict.accounting import Cost, cost
from alphafold3_pytorch.predict.loading import random_network
from alphafold3_pytorch.predict.plan import Work, cgroup_limits, plan, policies, work_of
from alphafold3_pytorch.predict.predictor import Policy, Predictor, Settings
from tests.predict.test_predictor import JOB
from tests.predict.tiny import TINY, deeper

CPU, CUDA, FLOAT = torch.device("cpu"), torch.device("cuda"), torch.float32
THREE = Policy(3)
GB = 10**9


def batch_of(residues: int) -> FeatureBatch:
    sequence = "MKTAYIAKQRGCWLE" * (residues // 15 + 1)
    return assemble(prepare(Job("sized", (Protein(("A",), sequence[:residues]),))))


def work(batch: FeatureBatch, policy: Policy = THREE, settings: Settings | None = None) -> Work:
    return work_of(batch, TINY, settings or Settings(3), policy, CPU, FLOAT)


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [(Policy(3), 0.01), (Policy(1), 0.01), (Policy(3, rows=2**14), 0.05), (Policy(3, keep_bias=False), 0.01)],
)
def test_operations_are_those_of_a_real_run(policy, tolerance, monkeypatch):
    """But for the distogram, and for the last group of rows, which counts as a full one."""
    monkeypatch.setenv("AF3_KERNELS", "reference")  # PyTorch's counter does not know fused kernels of the CPU
    known, network = prepare(JOB), random_network(deeper(TINY, 3))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        list(Predictor(network).predict(known, 1, Settings(3), policy=policy))
    planned = work_of(assemble(known), network.config, Settings(3), policy, CPU, FLOAT)
    assert sum(planned.flops.values()) == pytest.approx(counter.get_total_flops(), rel=tolerance)


def test_guidance_takes_its_time():
    batch = batch_of(20)
    plain, guided, twice = (
        work(batch, settings=settings).seconds(1e9)["diffusion"]
        for settings in (Settings(3), Settings(3, guided=True), Settings(6, guided=True))
    )
    assert guided - plain > 3 * 0.6
    assert twice - work(batch, settings=Settings(6)).seconds(1e9)["diffusion"] == pytest.approx(2 * (guided - plain))


def test_operations_grow_with_recycles_steps_and_samples():
    batch = batch_of(20)
    usual, more = work(batch).flops, work(batch, settings=Settings(3, recycles=3, steps=8)).flops
    for stage in ("trunk", "diffusion"):  # twice, but for what is done once
        assert 1.6 * usual[stage] < more[stage] < 2 * usual[stage]
    assert work(batch, settings=Settings(6)).flops["confidence"] == 2 * usual["confidence"]


def test_matrix_product_by_hand():
    left, right = torch.empty(10, 20, device="meta"), torch.empty(20, 30, device="meta")
    assert cost(lambda a, b: (a @ b).relu().sum(), left, right) == Cost(12000.0, 2 * 4 * 10 * 30)
    assert cost(lambda a, b: (a @ b).relu_().sum(), left, right).memory == 4 * 10 * 30 + 4


REAL_PEAK = """
import sys, threading, torch
torch.set_num_threads(1)
from pathlib import Path
from alphafold3_pytorch.features.featurize import assemble
from alphafold3_pytorch.ops.rows import row_budget
from alphafold3_pytorch.predict.loading import random_network
from tests.predict.test_plan import MEDIUM, batch_of

def status(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])

network = random_network(MEDIUM)
with torch.no_grad():
    network(batch_of(16), 1)  # libraries are loaded, buffers of kernels are there
    batch = batch_of(int(sys.argv[1]))
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before = status("VmRSS")
    network(batch, 2)
    print(status("VmHWM") - before)
"""
MEDIUM = replace(TINY, dim_pair=64)
MANY_HEADS = replace(TINY, diffusion=replace(TINY.diffusion, depth=24, heads=16))


def real_peak(residues: int, root: Path) -> int:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", REAL_PEAK, str(residues)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_memory_grows_as_that_of_a_real_trunk(root):
    """From one size to another: what the libraries take once, 30 MB, is part of `PROGRAM`."""
    small, large = 160, 352
    planned = [work_of(batch_of(n), MEDIUM, Settings(1), Policy(1), CPU, FLOAT).memory["trunk"] for n in (small, large)]
    real = real_peak(large, root) - real_peak(small, root)
    assert planned[1] - planned[0] == pytest.approx(real, rel=0.1)


def test_more_tokens_need_more():
    peaks = [work(batch_of(residues)).memory for residues in (20, 40, 80)]
    for small, large in zip(peaks, peaks[1:], strict=False):
        assert all(large[stage] > 1.5 * small[stage] for stage in small)


def test_fewer_samples_or_rows_at_once_need_less():
    batch, few = batch_of(100), Policy(1, rows=2**14)
    many, one, rows = (
        work_of(batch, MEDIUM, Settings(50), policy, CUDA, FLOAT).memory for policy in (Policy(50), Policy(1), few)
    )
    assert one["diffusion"] < 0.7 * many["diffusion"] and one["trunk"] == many["trunk"] > 1.1 * rows["trunk"]


def test_biases_made_anew_need_less_memory_and_more_operations():
    kept, anew = (
        work_of(batch_of(400), MANY_HEADS, Settings(1), Policy(1, keep_bias=keep), CPU, FLOAT) for keep in (True, False)
    )
    assert anew.memory["diffusion"] < 0.6 * kept.memory["diffusion"] and anew.memory["trunk"] == kept.memory["trunk"]
    assert anew.flops["diffusion"] > 1.1 * kept.flops["diffusion"]


def test_bfloat16_takes_less():
    batch, policy = batch_of(100), Policy(1)
    half = work_of(batch, MEDIUM, Settings(1), policy, CUDA, torch.bfloat16)
    whole = work_of(batch, MEDIUM, Settings(1), policy, CUDA, FLOAT)
    assert half.memory["trunk"] < 0.7 * whole.memory["trunk"] and half.weights < whole.weights
    assert half.flops["trunk"] == whole.flops["trunk"]


def test_policies_go_from_fast_to_frugal(monkeypatch):
    """With ever less memory: all samples at once, one at a time, biases made anew, and no."""
    batch, many = batch_of(400), Settings(20)
    device, ladder = CPU, list(policies(20, CPU))
    frugal = Policy(1, keep_bias=False)
    assert Policy(1, planning.FEWER_ROWS) in policies(20, CUDA)
    assert ladder[:2] == [Policy(20), Policy(1)] and ladder[-2:] == [replace(frugal, samples_at_once=20), frugal]
    peaks = {policy: work_of(batch, MANY_HEADS, many, policy, device, FLOAT).peak for policy in ladder[:2] + [frugal]}
    assert sorted(peaks.values(), reverse=True) == list(peaks.values())
    for policy, amount in peaks.items():
        monkeypatch.setattr(planning, "available_memory", lambda _, amount=amount: amount)
        made = plan(batch, MANY_HEADS, many, device, FLOAT)
        assert made.fits and made.policy == policy
    monkeypatch.setattr(planning, "available_memory", lambda _: 0.2 * GB)
    made = plan(batch, MANY_HEADS, many, device, FLOAT)
    assert not made.fits and made.policy == frugal


def test_loaded_weights_are_not_counted_twice(monkeypatch):
    batch = batch_of(20)
    whole = work(batch, Policy(3)).peak
    left = whole - work(batch).weights - planning.PROGRAM
    monkeypatch.setattr(planning, "available_memory", lambda device: left)
    assert plan(batch, TINY, Settings(3), CPU, FLOAT, loaded=True).fits
    assert not plan(batch, TINY, Settings(3), CPU, FLOAT).fits


def test_a_refusal_says_how_much_is_missing(monkeypatch):
    monkeypatch.setattr(planning, "available_memory", lambda device: 0.1 * GB)
    made = plan(batch_of(20), TINY, Settings(1), CPU, FLOAT)
    assert made.refusal == (
        f"20 tokens need {made.work.peak / GB:.1f} GB more, and 0.1 GB are free; free some, take a machine with more, "
        "or predict a smaller complex"
    )


def test_available_memory_is_no_more_than_the_machine_has():
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert 0 < planning.available_memory(CPU) <= pages * size


def test_memory_of_the_control_groups_around_us(tmp_path):
    own, inner = tmp_path / "cgroup", tmp_path / "root" / "slurm" / "job"
    inner.mkdir(parents=True)
    own.write_text("0::/slurm/job\n")
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("5\n")
    (inner.parent / "memory.max").write_text("1000\n")
    (inner.parent / "memory.current").write_text("300\n")
    assert list(cgroup_limits(tmp_path / "root", own)) == [700.0]
    assert list(cgroup_limits(tmp_path / "root", tmp_path / "none")) == []
