"""One comparison with a reference, and the tools to collect what is compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

LIMIT, TRAJECTORY_LIMIT = 1e-4, 1e-3  # of the reference's standard deviation


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
        return f"{verdict:6}{self.name:58}{numbers}{shapes}"


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
