"""Wall time and peak memory of the README's first example: a loss with its gradients, then sampled positions.

python bench/example1.py [--threads 2] [SCRIPT ...]
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path, nargs="*", default=[ROOT / "examples" / "from_tensors.py"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    own = dict(OMP_NUM_THREADS=str(options.threads), OMP_WAIT_POLICY="passive", PYTHONPATH=str(ROOT))
    code = 0
    print("| script | threads | seconds | busy, s | peak, GB |\n| --- |" + " ---: |" * 4)
    for script in options.script:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, **own}, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        busy = used.ru_utime + used.ru_stime
        print(f"| {script.name} | {options.threads} | {seconds:.1f} | {busy:.1f} | {peak / 1e9:.2f} |", flush=True)
        code = max(code, os.waitstatus_to_exitcode(status))
    return code


if __name__ == "__main__":
    sys.exit(main())
