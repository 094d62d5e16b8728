"""Reading the sizes of a network off the shapes of its arrays."""

import re
from collections.abc import Mapping

from alphafold3_pytorch.weights.rules import Shape, WeightsError


class Sizes:
    """Widths and depths from the arrays of a checkpoint."""

    def __init__(self, shapes: Mapping[str, Shape]):
        self.shapes = shapes

    def __contains__(self, key: str) -> bool:
        return key in self.shapes

    def __call__(self, key: str, axis: int = 0) -> int:
        if key not in self.shapes:
            raise WeightsError(f"the file has no array {key!r}, by which its model is recognised")
        return self.shapes[key][axis]

    def blocks(self, prefix: str) -> int:
        """How many consecutive `prefix.N.` there are."""
        pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        return 1 + max((int(match[1]) for match in map(pattern.match, self.shapes) if match), default=-1)
