"""Many inputs to one padded batch of the tensors of `Alphafold3.forward`, and the table of what can become them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from alphafold3_pytorch.features.atom_input import to_atom_input
from alphafold3_pytorch.features.molecule_input import molecule_input_to_atom_input
from alphafold3_pytorch.features.pdb_input import pdb_input_to_atom_input
from alphafold3_pytorch.features.tensors import windowed
from alphafold3_pytorch.features.windows import key_index
from alphafold3_pytorch.inputs.alphafold3_input import (
    Alphafold3Input,
    AtomInput,
    BatchedAtomInput,
    MoleculeInput,
    MoleculeLengthMoleculeInput,
)
from alphafold3_pytorch.inputs.pdb_input import PDBInput

Transform = Callable[..., AtomInput]
INPUT_TO_ATOM_TRANSFORM: dict[type, Transform] = {
    AtomInput: lambda inputs, **_: inputs,
    MoleculeInput: molecule_input_to_atom_input,
    MoleculeLengthMoleculeInput: molecule_input_to_atom_input,
    Alphafold3Input: to_atom_input,
    PDBInput: pdb_input_to_atom_input,
}
# What stands for nothing, where it is not 0, False or `int_pad_value`.
PADDING: dict[str, Any] = {"molecule_atom_lens": 0, "missing_atom_mask": True, "resolution": torch.nan}
PADDING |= dict.fromkeys(("atom_ids", "atompair_ids", "molecule_ids"), 0)
NOT_TENSORS = ("chains", "filepath")


def register_input_transform(input_type: type, function: Transform) -> None:
    """Teach the package to make an AtomInput of a type of your own."""
    INPUT_TO_ATOM_TRANSFORM[input_type] = function


def maybe_transform_to_atom_input(inputs: Any, **options: Any) -> AtomInput:
    """An AtomInput as it is, anything else by its transform. An input that cannot be transformed is an error."""
    transform = next(
        (INPUT_TO_ATOM_TRANSFORM[kind] for kind in type(inputs).__mro__ if kind in INPUT_TO_ATOM_TRANSFORM), None
    )
    if transform is None:
        known = ", ".join(kind.__name__ for kind in INPUT_TO_ATOM_TRANSFORM)
        raise ValueError(
            f"{type(inputs).__name__} cannot become an AtomInput; known are {known}, or use register_input_transform"
        )
    return transform(inputs, **options)


def maybe_transform_to_atom_inputs(inputs: Sequence[Any], **options: Any) -> list[AtomInput]:
    return [maybe_transform_to_atom_input(item, **options) for item in inputs]


def collate_inputs_to_batched_atom_input(
    inputs: Sequence[Any],
    int_pad_value: int = -1,
    atoms_per_window: int = 32,
    map_input_fn: Callable[[Any], Any] | None = None,
    transform_to_atom_inputs: bool = True,
    **options: Any,
) -> BatchedAtomInput:
    """Pads and stacks. Every input counts: one that fails is an error, it is not replaced by another."""
    items = [map_input_fn(item) for item in inputs] if map_input_fn is not None else list(inputs)
    if not items:
        raise ValueError("there are no inputs to collate")
    if transform_to_atom_inputs:
        items = maybe_transform_to_atom_inputs(items, atoms_per_window=atoms_per_window, **options)
    rows = [_windowed(item.dict(), atoms_per_window) for item in items]
    _complete_labels(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    batch = {name: _stack(name, [row.get(name) for row in rows], int_pad_value) for name in names}
    return BatchedAtomInput(**batch)


def alphafold3_inputs_to_batched_atom_input(inputs: Any, **options: Any) -> BatchedAtomInput:
    """One Alphafold3Input or several."""
    several = inputs if isinstance(inputs, list | tuple) else [inputs]
    return collate_inputs_to_batched_atom_input(several, **options)


pdb_inputs_to_batched_atom_input = alphafold3_inputs_to_batched_atom_input


def _complete_labels(rows: list[dict[str, Any]]) -> None:
    """Where some inputs have positions, or name atoms without one, every input says which of its atoms have none."""
    labelled = {"atom_pos" in row for row in rows}
    if len(labelled) == 1 and not any("missing_atom_mask" in row for row in rows):
        return
    for row in rows:
        row.setdefault("missing_atom_mask", torch.full((len(row["atom_inputs"]),), "atom_pos" not in row))


def _windowed(row: dict[str, Any], queries: int) -> dict[str, Any]:
    """Tensors of all pairs of atoms become windows."""
    for name in ("atompair_inputs", "atompair_ids"):
        value = row.get(name)
        if value is not None and value.shape[0] == value.shape[1] == len(row["atom_inputs"]):
            index = key_index(torch.ones(1, len(value), dtype=torch.bool), queries, 4 * queries)
            row[name] = windowed(value[None], index, queries)[0]
        elif value is not None and value.shape[1:3] != (queries, 4 * queries):
            size = f"[windows, {queries}, {4 * queries}]"
            raise ValueError(f"{name} has shape {tuple(value.shape)}; it must be {size} or [atoms, atoms]")
    return row


def _stack(name: str, values: list[Any], int_pad_value: int) -> Any:
    if name in NOT_TENSORS:
        return values
    example = next(value for value in values if value is not None)
    pad = PADDING.get(
        name, False if example.dtype == torch.bool else 0 if example.is_floating_point() else int_pad_value
    )
    given = [example.new_empty((0,) * example.ndim) if value is None else value for value in values]
    if example.ndim == 0:
        return torch.stack([torch.full_like(example, pad) if value is None else value for value in values])
    shape = [max(value.shape[axis] for value in given) for axis in range(example.ndim)]
    return torch.stack([_pad_to(value, shape, pad) for value in given])


def _pad_to(value: Tensor, shape: list[int], pad: Any) -> Tensor:
    missing = [(0, size - have) for size, have in zip(shape, value.shape, strict=True)]
    return F.pad(value, [side for pair in reversed(missing) for side in pair], value=pad)
