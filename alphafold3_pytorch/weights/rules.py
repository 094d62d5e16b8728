"""How a published checkpoint maps onto our parameters: rules that load, and read backwards, export.

A rule fills one of our parameters from one or more of their arrays. Everything is planned on shapes before a tensor moves:
every parameter of ours is filled exactly once, every array of theirs is used, or ignored for a reason that is written down.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import torch

from alphafold3_pytorch.shapes import Tensor

Shape = tuple[int, ...]


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
        pieces = tensor.split(list(self.sizes) or tensor.shape[self.dim] // len(self.parts), dim=self.dim)
        return [(part, part.op.export(piece)) for part, piece in zip(self.parts, pieces, strict=True)]


def rule(target: str, *parts: Part | str, **options) -> Rule:
    return Rule(target, tuple(Part(part) if isinstance(part, str) else part for part in parts), **options)


@dataclass(frozen=True)
class Ignore:
    """An array of theirs that no forward pass reads. It is written back as `fill`, zeros unless given."""

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


class WeightsError(ValueError):
    """A checkpoint that does not fit: says which keys, and what was expected."""


@dataclass(frozen=True)
class Rulebook:
    """All rules of one architecture."""

    rules: tuple[Rule, ...]
    ignores: tuple[Ignore, ...] = ()
    aliases: tuple[Alias, ...] = ()
    constants: Mapping[str, Tensor] = field(default_factory=dict)  # parameters of ours that are in no file

    def without_aliases(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not any(key.startswith(alias.prefix) for alias in self.aliases)]

    def check(self, source: Mapping[str, Shape], target: Mapping[str, Shape]) -> None:
        """Raise WeightsError unless the rules map exactly these arrays onto exactly these parameters."""
        present = set(self.without_aliases(source))
        filled = [*(rule.target for rule in self.rules), *self.constants]
        problems = [
            _report("parameters that no rule fills", set(target) - set(filled)),
            _report("parameters filled twice", _repeated(filled)),
            _report("rules for parameters that do not exist", set(filled) - set(target)),
            _report("arrays missing from the file", self._required() - present),
            _report("arrays of the file that no rule uses", self._unused(source, present)),
        ]
        if not any(problems):
            problems = [_report("arrays of an unexpected shape", self._misshapen(source, target))]
        if any(problems):
            raise WeightsError("the weights do not fit the model: " + "; ".join(filter(None, problems)))

    def _required(self) -> set[str]:
        keys = {part.key for rule in self.rules for part in rule.parts}
        return keys | {ignore.key for ignore in self.ignores if not ignore.optional}

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
        wrong = set()
        for rule in self.rules:
            theirs = [f"{part.key} {source[part.key][len(part.index) :]}" for part in rule.parts]
            try:
                shape = tuple(rule.load(lambda part: torch.empty(source[part.key], device="meta")[part.index]).shape)
            except (RuntimeError, IndexError) as error:
                wrong.add(f"{' + '.join(theirs)} for {rule.target} ({error})")
                continue
            if shape != tuple(target[rule.target]):
                wrong.add(f"{' + '.join(theirs)} give {shape}, {rule.target} is {tuple(target[rule.target])}")
        return wrong

    def load(self, source: Mapping[str, Tensor], target: Mapping[str, Shape]) -> dict[str, Tensor]:
        """Our parameters from their arrays, in the arrays' own dtypes."""
        self.check({key: tuple(array.shape) for key, array in source.items()}, target)
        fetch = lambda part: source[part.key][part.index]  # noqa: E731
        return {rule.target: rule.load(fetch).contiguous() for rule in self.rules} | dict(self.constants)

    def export(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their arrays from our parameters: what `load` reads, arrays that nothing reads included."""
        pieces: dict[str, dict[Shape, Tensor]] = {}
        for rule in self.rules:
            for part, tensor in rule.export(state[rule.target]):
                pieces.setdefault(part.key, {})[part.index] = tensor
        for ignore in self.ignores:
            siblings = pieces.setdefault(ignore.key, {})
            fill = torch.zeros(ignore.shape) if ignore.fill is None else ignore.fill
            siblings[ignore.index] = torch.zeros_like(next(iter(siblings.values()))) if siblings else fill
        arrays = {key: _assemble(parts) for key, parts in pieces.items()}
        for alias in self.aliases:
            copies = {key: array for key, array in arrays.items() if key.startswith(alias.of)}
            arrays |= {alias.prefix + key.removeprefix(alias.of): array for key, array in copies.items()}
        return arrays


def _assemble(parts: dict[Shape, Tensor]) -> Tensor:
    if () in parts:
        return parts[()].contiguous()
    sizes = [max(axis) + 1 for axis in zip(*parts, strict=True)]
    return torch.stack([parts[index] for index in product(*(range(size) for size in sizes))]).unflatten(0, sizes)


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _report(what: str, names: set[str], limit: int = 4) -> str:
    if not names:
        return ""
    shown = ", ".join(sorted(names)[:limit])
    return f"{len(names)} {what} ({shown}{', ...' if len(names) > limit else ''})"
