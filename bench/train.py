"""Time and peak memory of training steps: the small network on a CPU, the full-size one where there is a GPU.

    python bench/train.py [--experiment nano] [--tokens 128] [--steps 5] [--set NAME=VALUE ...]

The structure is a made-up protein of so many residues with an alignment of 128 made-up rows. One JSON line: seconds
of a step by the clock (median without the first) and of all threads (mean), and peak memory of the process or the GPU.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from alphafold3_pytorch.alphafold3 import Alphafold3  # noqa: E402
from alphafold3_pytorch.features.batch import Labels  # noqa: E402
from alphafold3_pytorch.features.featurize import featurize  # noqa: E402
from alphafold3_pytorch.inputs.job import Job, Protein  # noqa: E402
from alphafold3_pytorch.train.config import RECOMPUTED, RunSettings, make_fabric, make_network, settings  # noqa: E402
from alphafold3_pytorch.train.examples import Example  # noqa: E402
from alphafold3_pytorch.train.trainer import Trainer  # noqa: E402
from bench.worker import forget_peak, peak  # noqa: E402


class OneExample(Dataset):
    def __init__(self, tokens: int):
        letters = "ACDEFGHIKLMNPQRSTVWY"
        draw = torch.Generator().manual_seed(0)
        rows = ["".join(letters[k] for k in torch.randint(20, (tokens,), generator=draw)) for _ in range(128)]
        msa = "".join(f">{number}\n{row}\n" for number, row in enumerate(rows))
        features = featurize(Job("made-up", (Protein(("A",), rows[0], unpaired_msa=msa),)), seed=1)
        known = features.atom_mask
        positions = 20 * torch.randn(*known.shape, 3, generator=draw)
        self.example = Example("made-up", features, Labels(positions, known, torch.tensor([2.0])))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Example:
        return self.example


def trainer(run: RunSettings, tokens: int, steps: int, folder: str, times: list[float]) -> Trainer:
    fabric = make_fabric(run)
    network, _ = make_network(run)
    options: dict[str, Any] = dict.fromkeys(RECOMPUTED, run.recompute)
    model = Alphafold3(network=network, diffusion_num_augmentations=run.diffusion_copies, **options)
    return Trainer(
        model,
        dataset=OneExample(tokens),
        num_train_steps=steps,
        batch_size=1,
        fabric=fabric,
        loss=run.loss,
        num_recycles=0,
        num_rollout_steps=run.rollout_steps,
        use_torch_compile=run.compile,
        checkpoint_every=10**9,
        checkpoint_folder=folder,
        progress=lambda step, steps, values: times.append(float(values["seconds"])),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--experiment", default="initial" if on_gpu else "nano")
    parser.add_argument("--tokens", type=int, default=384 if on_gpu else 128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="further settings of the experiment")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    run = settings([f"experiment={options.experiment}", "out=unused", "data.folder=unused", *options.set])
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        one = trainer(run, options.tokens, options.steps + 1, folder, times)
        if one.fabric.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        forget_peak()
        start = time.process_time()
        one()
        busy = time.process_time() - start
    on_gpu = one.fabric.device.type == "cuda"
    result = {
        "experiment": options.experiment,
        "device": torch.cuda.get_device_name() if on_gpu else f"{options.threads} CPU threads",
        "tokens": options.tokens,
        "parameters": sum(value.numel() for value in one.model.parameters()),
        "seconds": round(statistics.median(times[1:]), 3),
        "busy_seconds": round(busy / len(times), 3),
        "peak_gb": round((torch.cuda.max_memory_allocated() if on_gpu else peak()) / 1e9, 2),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
