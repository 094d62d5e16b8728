"""What `af3 train` does: the runs of a command line, one after another, and what is seen of them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alphafold3_pytorch.train.config import build_run, runs

SHOWN = {"total_loss": "loss", "diffusion_mse": "mse", "diffusion_smooth_lddt": "lddt loss", "distogram": "distogram"}


def train(changes: Sequence[str], make_model: Callable[..., Any], resume: bool = False, show: bool = False) -> None:
    """Run everything that the changes ask for; with `show` print the settings only."""
    wanted = runs(changes)
    if show:
        print("---\n".join(yaml.safe_dump(asdict(run), sort_keys=False) for run in wanted), end="")
        return
    console = Console(stderr=True)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    for run in wanted:
        with Display(console, run.out) as display:
            trainer = build_run(run, make_model, resume, display)
            if trainer.step >= run.steps:
                console.print(f"{run.out}: all of its {trainer.step} steps are done; steps=NUMBER asks for more")
                continue
            trainer()
        if trainer.fabric.is_global_zero:
            counts = f"{trainer.skipped} steps and {trainer.failed} examples left out"
            console.print(f"{run.out}: {trainer.step} steps, {counts}; weights in weights.safetensors")


class Display:
    """A progress bar with losses and throughput."""

    def __init__(self, console: Console, title: str):
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.bar = Progress(*columns, TextColumn("{task.fields[values]}"), console=console)
        self.title, self.task = title, None

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, step: int, steps: int, values: Mapping[str, float | int]) -> None:
        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task(self.title, values="")
        losses = [f"{short} {values[name]:.3g}" for name, short in SHOWN.items()]
        counts = [f"{values[name]:.0f} {name}" for name in ("skipped", "failed") if values[name]]
        text = ", ".join([*losses, *counts, f"{values['examples_per_second']:.2g} examples/s"])
        self.bar.update(self.task, completed=step, total=steps, values=text)
