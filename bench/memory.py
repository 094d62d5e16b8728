"""Peak memory of the full-size trunk on the CPU, beyond the weights, and how it grows with the number of tokens.

    python bench/memory.py [--tokens 256 512 768] [--blocks 48] [--rows 1024] [--templates 4] [--json OUT]

Each size runs in a process of its own: one pass of MSA module, templates and pairformer in float32, with the state of a
pass before it, without gradients. What is counted is the highest resident memory minus that after the weights and the
features were there. It does not depend on the number of pairformer blocks, so a few (`--blocks 2`) show it as well.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alphafold3_pytorch.features.batch import FeatureBatch, Msa, Templates  # noqa: E402
from alphafold3_pytorch.models.config import NetworkConfig  # noqa: E402
from alphafold3_pytorch.models.trunk import Trunk  # noqa: E402
from bench import system  # noqa: E402
from bench.ours import batch_of  # noqa: E402
from bench.worker import forget_peak, peak, resident  # noqa: E402


def full_batch(tokens: int, rows: int, templates: int) -> FeatureBatch:
    batch = batch_of(system.random_system(tokens))
    per_row, per_template = (1, rows, tokens), (1, templates, tokens)
    msa = Msa(torch.randint(0, 32, per_row), torch.rand(*per_row, 2), torch.ones(per_row, dtype=torch.bool))
    there = torch.ones(per_template, dtype=torch.bool)
    positions = torch.randn(*per_template, 3) * 20
    backbone = positions[..., None, :] + torch.randn(*per_template, 3, 3)
    aligned = Templates(torch.randint(0, 20, per_template), positions, there, backbone, there)
    return replace(batch, msa=msa, templates=aligned if templates else None)


@torch.no_grad()
def measure(tokens: int, blocks: int, rows: int, templates: int) -> dict:
    config = NetworkConfig()
    config = replace(config, pairformer=replace(config.pairformer, depth=blocks))
    trunk = system.randomise(Trunk(config))
    batch = full_batch(tokens, rows, templates)
    inputs = system.activations(1, tokens, config.dim_inputs)
    before = resident()
    forget_peak()
    start = time.perf_counter()
    state = trunk(batch, inputs, passes=1)
    seconds = time.perf_counter() - start
    weights = sum(parameter.numel() * parameter.element_size() for parameter in trunk.parameters())
    finite = all(bool(x.isfinite().all()) for x in state)
    return dict(tokens=tokens, weights=weights, before=before, peak=peak(), seconds=seconds, finite=finite)


def law(results: list[dict]) -> str:
    """Least squares of a + b n^2 and of c n^p on the memory beyond weights and features."""
    sizes = torch.tensor([result["tokens"] for result in results], dtype=torch.float64)
    used = torch.tensor([result["peak"] - result["before"] for result in results], dtype=torch.float64)
    squares = torch.stack([torch.ones_like(sizes), sizes**2], dim=1)
    constant, per_pair = torch.linalg.lstsq(squares, used[:, None]).solution[:, 0].tolist()
    logs = torch.stack([torch.ones_like(sizes), sizes.log()], dim=1)
    scale, power = torch.linalg.lstsq(logs, used.log()[:, None]).solution[:, 0].tolist()
    in_pairs = per_pair / (4 * system.DIM_PAIR)
    return (
        f"{constant / 1e9:.2f} GB + {per_pair:,.0f} bytes x tokens^2 (that is {in_pairs:.1f} pair representations); "
        f"as a power law {math.exp(scale) / 1e3:,.1f} kB x tokens^{power:.2f}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[256, 512, 768])
    parser.add_argument("--blocks", type=int, default=48, help="pairformer blocks (48)")
    parser.add_argument("--rows", type=int, default=1024, help="MSA rows (1024)")
    parser.add_argument("--templates", type=int, default=4)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    sizes = ["--blocks", str(options.blocks), "--rows", str(options.rows), "--templates", str(options.templates)]
    if options.here:
        print(json.dumps(measure(options.tokens[0], options.blocks, options.rows, options.templates)))
        return 0
    results = []
    print("| tokens | seconds | weights, GB | before, GB | peak, GB | peak - before, GB |\n|" + " ---: |" * 6)
    for tokens in options.tokens:
        command = [sys.executable, __file__, "--here", "--tokens", str(tokens), *sizes]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{tokens} tokens: the process ended with {done.returncode} (memory?)", file=sys.stderr)
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        if not result["finite"]:
            print(f"{tokens} tokens: the result is not finite", file=sys.stderr)
        results.append(result)
        bytes_ = result["weights"], result["before"], result["peak"], result["peak"] - result["before"]
        cells = [str(tokens), f"{result['seconds']:.1f}", *(f"{x / 1e9:.2f}" for x in bytes_)]
        print(f"| {' | '.join(cells)} |", flush=True)
    if len(results) > 1:
        print(f"\npeak - before = {law(results)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return int(len(results) < len(options.tokens))


if __name__ == "__main__":
    sys.exit(main())
