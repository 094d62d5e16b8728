"""Two processes on the CPU: gradients are shared, examples are not, and one checkpoint is written."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from alphafold3_pytorch.train import checkpoints

PROGRAM = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from small import small_trainer
options = {"devices": 2, "strategy": "ddp_find_unused_parameters_true"}
trainer = small_trainer(Path(sys.argv[1]), 2, fabric_kwargs=options)
trainer()
total = torch.cat([value.flatten() for value in trainer.model.parameters()])
everyone = trainer.fabric.all_gather(total)
assert torch.equal(everyone[0], everyone[1])
"""


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path):
    folder = Path(__file__).parent
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "PYTHONPATH": str(folder), "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "run")]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    state = checkpoints.read(tmp_path / "run" / "af3.ckpt.2.pt")
    assert state["positions"] == [4, 4]
    assert all(torch.isfinite(value).all() for value in state["model"]["state_dict"].values())
