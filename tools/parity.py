"""Compare the network with a reference implementation, stage by stage.

    python tools/parity.py CASE_DIR [CASE_DIR ...] [--float64] [--outputs-only]

A case directory holds a small model of a family, its inputs, and what the family's own code computed from them, in the
layout of Protenix and OpenFold3 cases (weights.safetensors, inputs.safetensors, outputs*.safetensors) or of official
AlphaFold 3 cases (params.safetensors, features.npz, outputs.safetensors). Where a reference in double precision is
given, that is the one compared with. Exits with 1 when a stage is off by more than its limit, with 2 where nothing can
be compared.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.parity_alphafold3 import alphafold3_stages  # noqa: E402
from tools.parity_peers import peer_stages  # noqa: E402
from tools.parity_stage import WIDTH, Stage  # noqa: E402


def stages(case: Path, dtype: torch.dtype = torch.float32, intermediates: bool = True) -> Iterator[Stage]:
    """All stages of a case: what we compute beside what the reference computed."""
    if (case / "features.npz").exists():
        yield from alphafold3_stages(case, dtype, intermediates)
    elif (case / "inputs.safetensors").exists():
        yield from peer_stages(case, dtype, intermediates)
    else:
        raise ValueError(f"{case} is not a case directory: it has neither inputs.safetensors nor features.npz")


def run(case: Path, dtype: torch.dtype, intermediates: bool) -> int:
    """Print one line per stage; the number of stages that are off."""
    print(f"{case}\n{'':6}{'stage':{WIDTH}}{'max |error|':>12}{'/ deviation':>12}{'limit':>9}{'noise floor':>13}")
    passed = []
    with torch.no_grad():
        for stage in stages(case, dtype, intermediates):
            passed.append(stage.passed)
            print(stage.line(), flush=True)
    failed = passed.count(False)
    if not passed:
        raise ValueError(f"{case} holds no outputs that could be compared")
    print(f"{'all stages agree' if not failed else f'{failed} stages differ'}\n")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path, nargs="+", help="directory of a case")
    parser.add_argument("--float64", action="store_true", help="compute in double precision")
    parser.add_argument("--outputs-only", action="store_true", help="leave activations inside the network out")
    arguments = parser.parse_args()
    dtype = torch.float64 if arguments.float64 else torch.float32
    code = 0
    for case in arguments.case:
        try:
            code = max(code, min(1, run(case, dtype, not arguments.outputs_only)))
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
