"""Several FeatureBatches to one: tokens, atoms, windows, rows and templates padded to the largest."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features.batch import FeatureBatch, Labels

Group = TypeVar("Group")
# Fields that point at atoms or tokens: padding points at nothing.
INDICES = {"atom_to_token", "key_index", "centre_atom", "distogram_atom", "frame_atoms"}
INDICES |= {"molecule", "kind", "copies", "swaps"}  # of Truth


def collate(batches: Sequence[FeatureBatch]) -> FeatureBatch:
    """Examples keep their own windows, so that each is what it would be alone."""
    if not batches:
        raise ValueError("there are no feature batches to collate")
    for name in ("msa", "templates"):
        kinds = {type(getattr(batch, name)) for batch in batches}
        if len(kinds) > 1:
            found = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise ValueError(f"{name} is {found} in one batch; make all features with the same options")
    return _merge(list(batches))


def collate_labels(labels: Sequence[Labels]) -> Labels:
    return _merge(list(labels))


def _merge(groups: list[Group]) -> Group:
    kind: Any = type(groups[0])
    return kind(
        **{item.name: _field(item.name, [getattr(group, item.name) for group in groups]) for item in fields(kind)}
    )


def _field(name: str, values: list[Any]) -> Any:
    if all(value is None for value in values):
        return None
    if is_dataclass(values[0]):
        return _merge(values)
    if isinstance(values[0], dict):
        return {key: _field(key, [value[key] for value in values]) for key in values[0]}
    return pad_and_join(values, -1 if name in INDICES else 0)


def pad_and_join(values: Sequence[Tensor], pad: int) -> Tensor:
    """Along the batch axis; every other axis is padded to the longest."""
    shape = [max(value.shape[axis] for value in values) for axis in range(1, values[0].ndim)]
    return torch.cat([_padded(value, shape, pad) for value in values])


def _padded(value: Tensor, shape: Sequence[int], pad: int) -> Tensor:
    sides = [side for size, have in zip(shape, value.shape[1:], strict=True) for side in (size - have, 0)]
    return F.pad(value, sides[::-1], value=bool(pad) if value.dtype == torch.bool else pad)
