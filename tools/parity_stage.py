"""One comparison with a reference, and the tools to collect what is compared."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from alphafold3_pytorch.weights.readers import read

LIMIT, TRAJECTORY_LIMIT = 1e-4, 1e-3  # of the reference's standard deviation
NOISY_LIMIT = 1e-3  # for what the reference has in single precision only, and not well
WIDTH = 86  # of the column of names


@dataclass(frozen=True)
class Stage:
    name: str
    ours: Tensor
    reference: Tensor
    limit: float = LIMIT
    floor: float | None = None  # the reference's own float32 error
    scale: float | None = None  # what the limit multiplies, if not the reference's standard deviation

    @property
    def error(self) -> float:
        if self.ours.shape != self.reference.shape:
            return float("inf")
        difference = (self.ours.double() - self.reference.double()).abs()
        return float("nan") if difference.isnan().any() else difference.max().item()

    @property
    def deviation(self) -> float:
        if self.scale is not None:
            return self.scale
        reference = self.reference.double()
        return max(reference.std().item() if reference.numel() > 1 else reference.abs().item(), 1e-6)

    @property
    def passed(self) -> bool:
        return self.error <= self.limit * self.deviation

    def line(self) -> str:
        verdict = "ok" if self.passed else "OFF"
        floor = "-" if self.floor is None else f"{self.floor:.1e}"
        numbers = f"{self.error:12.2e}{self.error / self.deviation:12.2e}{self.limit:9.0e}{floor:>13}"
        shapes = "" if self.ours.shape == self.reference.shape else f"  {[*self.ours.shape]} {[*self.reference.shape]}"
        return f"{verdict:6}{self.name:{WIDTH}}{numbers}{shapes}"


def each(
    name: str, ours: Tensor, reference: Tensor, limit: float = LIMIT, floor: float | None = None
) -> Iterator[Stage]:
    """One stage per entry of the leading axis, each judged by its own deviation."""
    if len(ours) != len(reference):
        yield Stage(name, ours, reference, limit, floor)
        return
    for i, (value, target) in enumerate(zip(ours, reference, strict=True)):
        yield Stage(f"{name}/{i}", value, target, limit, floor)


def even(levels: Tensor) -> Tensor:
    """Noise levels on the scale on which they are evenly spaced, so that the last count as much as the first."""
    return levels.double() ** (1 / 7)


def load_any(folder: Path, name: str, optional: bool = False) -> dict[str, Tensor]:
    """Arrays of a case by the name of their file, whatever its container."""
    found = [path for suffix in ("safetensors", "bin.zst", "pt") if (path := folder / f"{name}.{suffix}").exists()]
    if not found and not optional:
        raise ValueError(f"{folder} is not a case directory: it has no {name}.safetensors")
    return dict(read(found[0]).tensors) if found else {}


def load_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds, nothing if there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


class Recorder:
    """Keeps the output of the first call of modules of a network."""

    def __init__(self, network: nn.Module, paths: Mapping[str, tuple[str, Callable[[Any], Any]]]):
        """`paths`: name of the stage -> (path of the module, what to keep of its output)."""
        self.kept: dict[str, Tensor] = {}
        self.hooks = [
            network.get_submodule(path).register_forward_hook(self.hook(name, keep))
            for name, (path, keep) in paths.items()
            if _has(network, path)
        ]

    def hook(self, name: str, keep: Callable[[Any], Any]):
        def record(module: nn.Module, arguments: Any, output: Any) -> None:
            if name not in self.kept:
                self.kept[name] = keep(output).detach().clone()

        return record

    def stop(self) -> dict[str, Tensor]:
        for hook in self.hooks:
            hook.remove()
        return self.kept


def _has(network: nn.Module, path: str) -> bool:
    try:
        return network.get_submodule(path) is not None
    except AttributeError:
        return False
