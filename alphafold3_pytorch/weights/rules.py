"""How a published checkpoint maps onto our parameters: rules that load, and read backwards, export.

A rule fills one of our parameters from one or more of their arrays. Everything is planned on shapes before a tensor
moves: every parameter of ours is filled exactly once, every array of theirs is used, or ignored for a reason that is
written down.

Loading and exporting are exact inverses on all that is used: rules only move numbers. What is ignored is not kept, and
exported as zeros (or as the constant that it is). That is safe because the reason to ignore an array is that no forward
pass reads it, theirs included: whatever it holds, their program predicts the same.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import NamedTuple

import torch

from alphafold3_pytorch.shapes import Tensor

Shape = tuple[int, ...]


class WeightsError(ValueError):
    """A checkpoint that does not fit: says which keys, and what was expected."""


class Op(NamedTuple):
    """A reversible rearrangement: `export(load(x))` is x."""

    load: Callable[[Tensor], Tensor]
    export: Callable[[Tensor], Tensor]


KEEP = Op(lambda x: x, lambda x: x)
ROW = Op(lambda x: x[None], lambda x: x[0])  # one block's slice of an array over blocks
COLUMN = Op(lambda x: x[:, None], lambda x: x[:, 0])  # a Linear on a scalar, stored as a vector


def chain(*ops: Op) -> Op:
    def load(x: Tensor) -> Tensor:
        for op in ops:
            x = op.load(x)
        return x

    def export(x: Tensor) -> Tensor:
        for op in reversed(ops):
            x = op.export(x)
        return x

    return Op(load, export)


def reshape(theirs: Sequence[int], ours: Sequence[int]) -> Op:
    return Op(lambda x: x.reshape(tuple(ours)), lambda x: x.reshape(tuple(theirs)))


def permute(*axes: int) -> Op:
    inverse = [axes.index(axis) for axis in range(len(axes))]
    return Op(lambda x: x.permute(axes), lambda x: x.permute(inverse))


def dense(*out: int) -> Op:
    """A weight stored as (in, *out) -> ours, (out, in)."""
    return Op(lambda x: x.reshape(x.shape[0], -1).T, lambda x: x.T.reshape(x.shape[1], *out))


def columns(order: Sequence[int]) -> Op:
    """Our column i is their column order[i]; `order` is a permutation."""
    inverse = sorted(range(len(order)), key=lambda i: order[i])
    return Op(lambda x: x[..., list(order)], lambda x: x[..., inverse])


def pad_columns(before: int, after: int) -> Op:
    """Zero columns around theirs, for classes that their model has not."""
    pad = lambda x: torch.nn.functional.pad(x, (before, after))  # noqa: E731
    return Op(pad, lambda x: x[..., before : x.shape[-1] - after])


class Part(NamedTuple):
    """An array of theirs, or one entry of its leading axes where they stack layers."""

    key: str
    op: Op = KEEP
    index: Shape = ()


@dataclass(frozen=True)
class Rule:
    """Our parameter `target` is `op` of `parts`, joined along `dim` (in equal sizes unless `sizes` says otherwise)."""

    target: str
    parts: tuple[Part, ...]
    dim: int = 0
    sizes: tuple[int, ...] = ()
    op: Op = KEEP

    def load(self, fetch: Callable[[Part], Tensor]) -> Tensor:
        tensors = [part.op.load(fetch(part)) for part in self.parts]
        return self.op.load(tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=self.dim))

    def export(self, tensor: Tensor) -> list[tuple[Part, Tensor]]:
        tensor = self.op.export(tensor)
        width = tensor.shape[self.dim] if self.sizes or self.parts[1:] else 0
        sizes = list(self.sizes) or [width // len(self.parts)] * len(self.parts)
        if sum(sizes) != width:
            raise WeightsError(f"{self.target} {list(tensor.shape)} is not made of parts of {sizes}")
        pieces = tensor.split(sizes, dim=self.dim) if self.parts[1:] else (tensor,)
        return [(part, part.op.export(piece)) for part, piece in zip(self.parts, pieces, strict=True)]


def rule(target: str, *parts: Part | str, **options) -> Rule:
    return Rule(target, tuple(Part(part) if isinstance(part, str) else part for part in parts), **options)


@dataclass(frozen=True)
class Ignore:
    """An array of theirs that no forward pass reads. It is written back as `fill`, zeros unless given.

    One that is optional need not be there, and is written only if it has a `fill`.
    """

    key: str
    reason: str
    shape: Shape = ()
    index: Shape = ()
    fill: Tensor | None = None
    optional: bool = False


@dataclass(frozen=True)
class Alias:
    """Keys under `prefix` repeat the tensors under `of`; a file may have them or not."""

    prefix: str
    of: str

    def original(self, key: str) -> str | None:
        return self.of + key.removeprefix(self.prefix) if key.startswith(self.prefix) else None


class Ignored(NamedTuple):
    """What of a file is left out for one reason."""

    reason: str
    arrays: int
    values: int


@dataclass(frozen=True)
class Rulebook:
    """All rules of one architecture."""

    rules: tuple[Rule, ...]
    ignores: tuple[Ignore, ...] = ()
    aliases: tuple[Alias, ...] = ()
    constants: Mapping[str, Tensor] = field(default_factory=dict)  # parameters of ours that are in no file

    def check(self, source: Mapping[str, Shape], target: Mapping[str, Shape]) -> None:
        """Raise WeightsError unless the rules map exactly these arrays onto exactly these parameters."""
        self._check_rules(target)
        present = set(source) - set(self.copies(source))
        required = {part.key for rule in self.rules for part in rule.parts}
        required |= {ignore.key for ignore in self.ignores if not ignore.optional}
        missing, unused = required - present, self._unused(source, present)
        problems = {"missing": missing, "not part of the model": unused}
        if not (missing or unused):
            problems = {"of the wrong shape": self._misshapen(source, target)}
        if any(problems.values()):
            told = [f"{_count(len(names))} {what}: {_some(names)}" for what, names in problems.items() if names]
            raise WeightsError("; ".join(told) + _similar(missing, unused))

    def _check_rules(self, target: Mapping[str, Shape]) -> None:
        """The rules against our own parameters; what is wrong here is wrong in this package."""
        filled = Counter([*(rule.target for rule in self.rules), *self.constants])
        wrong = [name for name in target if filled[name] != 1] + [name for name in filled if name not in target]
        if wrong:
            raise AssertionError(f"the rules do not fill every parameter exactly once: {_some(wrong)}")

    def copies(self, keys: Collection[str]) -> dict[str, str]:
        """The keys that repeat another key of the file, and which."""
        originals = ((key, alias.original(key)) for key in keys for alias in self.aliases)
        return {key: original for key, original in originals if original and original in keys}

    def _unused(self, source: Mapping[str, Shape], present: set[str]) -> set[str]:
        used: dict[str, set[Shape]] = {}
        for key, index in [(part.key, part.index) for rule in self.rules for part in rule.parts] + [
            (ignore.key, ignore.index) for ignore in self.ignores
        ]:
            used.setdefault(key, set()).add(index)
        unused = present - set(used)
        for key in present & set(used):
            depth = len(next(iter(used[key])))
            whole = set(product(*(range(size) for size in source[key][:depth])))
            unused |= {f"{key}{list(index)}" for index in whole - used[key]}
        return unused

    def _misshapen(self, source: Mapping[str, Shape], target: Mapping[str, Shape]) -> set[str]:
        wrong = {
            f"the constants of {name} are {list(value.shape)}, the file is for {list(target[name])}"
            for name, value in self.constants.items()
            if tuple(value.shape) != tuple(target[name])
        }
        for rule in self.rules:
            theirs = " + ".join(f"{part.key} {list(source[part.key])}" for part in rule.parts)
            try:
                shape = tuple(rule.load(lambda part: torch.empty(source[part.key], device="meta")[part.index]).shape)
            except (RuntimeError, IndexError):
                wrong.add(f"{theirs}, which should give {rule.target} {list(target[rule.target])}")
                continue
            if shape != tuple(target[rule.target]):
                wrong.add(f"{theirs}, which give {list(shape)} where {rule.target} is {list(target[rule.target])}")
        return wrong

    def ignored(self, source: Mapping[str, Shape]) -> list[Ignored]:
        """What of a file is left out, by reason."""
        sizes: dict[str, list[int]] = {}
        for ignore in self.ignores:
            if ignore.key in source:
                sizes.setdefault(ignore.reason, []).append(prod(source[ignore.key][len(ignore.index) :]))
        if copies := self.copies(source):
            sizes["a second copy of other arrays of the file"] = [prod(source[key]) for key in copies]
        return [Ignored(reason, len(each), sum(each)) for reason, each in sizes.items()]

    def load(
        self,
        source: dict[str, Tensor],
        target: Mapping[str, Shape],
        dtype: torch.dtype | None = None,
        free: bool = False,
    ) -> dict[str, Tensor]:
        """Our parameters from their arrays, in `dtype` or their own. `free`: drop each array after its last use."""
        self.check(shapes_of(source), target)
        rules = sorted(self.rules, key=lambda rule: rule.parts[0].key)
        last = {part.key: rule for rule in rules for part in rule.parts}
        state = {}
        for rule in rules:
            state[rule.target] = rule.load(fetch_from(source)).to(dtype).contiguous()
            for key in {part.key for part in rule.parts if free and last[part.key] is rule}:
                del source[key]
        return state | {name: value.to(dtype) for name, value in self.constants.items()}

    def changed_by_loading(self, source: Mapping[str, Tensor]) -> list[str]:
        """The arrays that would not come back bit for bit from an export of what they were loaded to."""
        fetch = fetch_from(source)
        pairs = (pair for rule in self.rules for pair in rule.export(rule.load(fetch)))
        return [part.key for part, piece in pairs if not identical(piece.to(fetch(part).dtype), fetch(part))]

    def changed_by_export(self, state: Mapping[str, Tensor], arrays: Mapping[str, Tensor]) -> list[str]:
        """Our parameters that `arrays` do not hold: what their layout has no place for."""
        fetch = fetch_from(arrays)
        lost = [rule.target for rule in self.rules if not identical(rule.load(fetch), state[rule.target])]
        return lost + [
            name for name, value in self.constants.items() if not torch.equal(value.to(state[name]), state[name])
        ]

    def export(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their arrays from our parameters: what `load` reads, arrays that nothing reads included."""
        pieces: dict[str, dict[Shape, Tensor]] = {}
        for rule in self.rules:
            for part, tensor in rule.export(state[rule.target]):
                pieces.setdefault(part.key, {})[part.index] = tensor
        for ignore in self.ignores:
            if ignore.optional and ignore.fill is None:
                continue
            siblings = pieces.setdefault(ignore.key, {})
            fill = torch.zeros(ignore.shape) if ignore.fill is None else ignore.fill
            siblings[ignore.index] = torch.zeros_like(next(iter(siblings.values()))) if siblings else fill
        arrays = {key: _assemble(parts) for key, parts in pieces.items()}
        for alias in self.aliases:
            copies = {key: array for key, array in arrays.items() if key.startswith(alias.of)}
            arrays |= {alias.prefix + key.removeprefix(alias.of): array for key, array in copies.items()}
        return arrays


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def fetch_from(source: Mapping[str, Tensor]) -> Callable[[Part], Tensor]:
    return lambda part: source[part.key][part.index]


def identical(left: Tensor, right: Tensor) -> bool:
    """The same shape, type and bits, NaN included."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    raw = (x.contiguous().reshape(-1).view(torch.uint8) for x in (left, right))
    return torch.equal(left, right) or torch.equal(*raw)


def _assemble(parts: dict[Shape, Tensor]) -> Tensor:
    if () in parts:
        return parts[()].contiguous()
    sizes = [max(axis) + 1 for axis in zip(*parts, strict=True)]
    return torch.stack([parts[index] for index in product(*(range(size) for size in sizes))]).unflatten(0, sizes)


def _count(arrays: int) -> str:
    return "1 array" if arrays == 1 else f"{arrays} arrays"


def _some(names: Collection[str], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(sorted(names)[:limit]) + more


def _similar(missing: Collection[str], unused: Collection[str], limit: int = 4) -> str:
    """Which unused array may be meant by the missing ones that are shown."""
    found = [(name, get_close_matches(name, unused, n=1, cutoff=0.85)) for name in sorted(missing)[:limit]]
    pairs = [f"{near[0]} for {name}" for name, near in found if near]
    return f" (a mistaken name? {', '.join(pairs)})" if pairs else ""
