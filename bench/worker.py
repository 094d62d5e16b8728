"""The process that holds one implementation: it answers one JSON line for each JSON line it reads.

    {"do": "start", "row": "pairformer", "tokens": 128}   build, run once, and say whether the result is finite
    {"do": "time"}                                        run once: seconds by the clock, and of all threads together
    {"do": "memory"}                                      resident memory before the first run, and its peak since
    {"do": "flops"}                                       floating-point operations of the matrix products of a run
    {"do": "sgemm", "size": 2048}                         the same for a matrix product

Nothing but PyTorch is imported here, so that it runs in the environment of any implementation.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

# A case has inputs that a run may overwrite, and the run itself.
Case = tuple[Callable[[], tuple[Any, ...]], Callable[..., Any]]
Rows = dict[str, Callable[[int], Case]]


def serve(rows: Rows) -> None:
    """Answer on the real standard output; what the implementation prints goes to standard error."""
    output = os.dup(1)
    answers = os.fdopen(output, "w")
    os.dup2(2, 1)
    case: Case | None = None
    before = 0
    with torch.no_grad():
        for line in sys.stdin:
            request = json.loads(line)
            match request["do"]:
                case "start":
                    torch.manual_seed(0)
                    case = rows[request["row"]](request["tokens"])
                    before = resident()
                    forget_peak()
                    answer = {"finite": all(bool(x.isfinite().all()) for x in tensors(run(case)[1]))}
                case "time" if case:
                    answer = run(case)[0]
                case "memory":
                    answer = {"before": before, "peak": peak()}
                case "flops" if case:
                    answer = {"flops": operations(case)}
                case "sgemm":
                    answer = sgemm(request["size"])
                case _:
                    answer = {"error": f"{line.strip()} cannot be done now"}
            print(json.dumps(answer), file=answers, flush=True)


def run(case: Case) -> tuple[dict[str, float], Any]:
    fresh, call = case
    return timed(call, *fresh())


def timed(call: Callable[..., Any], *inputs: Any) -> tuple[dict[str, float], Any]:
    start, start_busy = time.perf_counter(), time.process_time()
    result = call(*inputs)
    return {"seconds": time.perf_counter() - start, "busy": time.process_time() - start_busy}, result


def tensors(result: Any) -> Iterable[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors(part)]


def operations(case: Case) -> int:
    """Counted on the plain definitions, attention as two matrix products: the counter knows no other kernels."""
    plain = patch.dict(os.environ, AF3_KERNELS="reference")
    with plain, FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run(case)
    return counter.get_total_flops()


def sgemm(size: int) -> dict[str, float]:
    return timed(torch.mm, torch.randn(size, size), torch.randn(size, size))[0]


def resident() -> int:
    """Bytes of this process in memory."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak()


def forget_peak() -> None:
    """Let the peak be that of what follows, where the system can (Linux); elsewhere it is that of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
