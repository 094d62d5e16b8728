"""Reading the sizes of a network off the shapes of its arrays."""

import re
from collections.abc import Mapping

from alphafold3_pytorch.weights.rules import Shape, WeightsError


class Sizes:
    """Widths and depths from the arrays of a checkpoint; `metadata` is what its file says beside them."""

    def __init__(self, shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None = None):
        self.shapes = shapes
        self.metadata = metadata or {}

    def __contains__(self, key: str) -> bool:
        return key in self.shapes

    def __call__(self, key: str, axis: int = 0) -> int:
        shape = self.shape(key)
        if axis >= len(shape):
            raise self.unreadable(key)
        return shape[axis]

    def shape(self, key: str, axes: int | None = None) -> Shape:
        """The shape of an array, which must have that many axes, none of them empty."""
        if key not in self.shapes:
            raise WeightsError(f"1 array missing, by which the size of the model is told: {key}")
        shape = tuple(self.shapes[key])
        if len(shape) != (axes or len(shape)) or 0 in shape:
            raise self.unreadable(key)
        return shape

    def unreadable(self, key: str) -> WeightsError:
        return WeightsError(f"{key} has the shape {list(self.shapes[key])}, which does not tell the size of the model")

    def blocks(self, prefix: str) -> int:
        """How many `prefix.N.` there are."""
        pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        return len({match[1] for match in map(pattern.match, self.shapes) if match})
