"""The learning rate over the steps of training (SI 5.4)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """A factor for the learning rate: a linear warm-up, then `decay` after every `every` steps."""

    warmup: int = 1000
    decay: float = 0.95
    every: int = 50_000

    def __call__(self, step: int) -> float:
        """The factor of a step; the first step is 0."""
        return min(1.0, (step + 1) / max(1, self.warmup)) * self.decay ** (step // self.every)


PAPER = Schedule()
