"""The small model of `small.py` for all tests of training."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
