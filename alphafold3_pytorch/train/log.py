"""What a run leaves behind about itself: tables of steps and of validations, and whatever loggers Fabric has."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

Progress = Callable[[int, int, Mapping[str, float | int]], None]  # step, of how many, values
STEPS, VALIDATIONS = "steps.csv", "validation.csv"


def silent(step: int, steps: int, values: Mapping[str, float | int]) -> None:
    """No progress is shown."""


class StepLog:
    """Writes on the first process only."""

    def __init__(self, folder: Path, fabric: Fabric, progress: Progress = silent):
        self.folder, self.fabric, self.progress = folder, fabric, progress
        self.begun: set[Path] = set()

    def step(self, step: int, steps: int, values: Mapping[str, float | int]) -> None:
        self.fabric.log_dict(dict(values), step=step)
        if self.fabric.is_global_zero:
            self.append(self.folder / STEPS, {"step": step, **values})
            self.progress(step, steps, values)

    def validation(self, step: int, kind: str, values: Mapping[str, float | int]) -> None:
        """One row for each score: which there are depends on the structures."""
        self.fabric.log_dict({f"{kind}/{name}": value for name, value in values.items()}, step=step)
        if self.fabric.is_global_zero:
            for name, value in values.items():
                self.append(self.folder / VALIDATIONS, {"step": step, "set": kind, "score": name, "value": value})

    def append(self, path: Path, row: Mapping[str, Any]) -> None:
        if path not in self.begun:
            path.parent.mkdir(parents=True, exist_ok=True)
            forget(path, int(row["step"]), list(row))
            self.begun.add(path)
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row.values())


def forget(path: Path, step: int, header: list[str]) -> None:
    """A table of the steps before `step`: a run that goes on repeats those after its checkpoint."""
    rows = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in list(csv.reader(file))[1:] if row and int(row[0]) < step]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
