"""Features of the next complexes, made in another process while the model runs."""

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

import torch

from alphafold3_pytorch.features.featurize import Complex, prepare
from alphafold3_pytorch.features.options import FeatureOptions
from alphafold3_pytorch.inputs.job import Job

AHEAD = 2  # complexes whose features are made while the model runs


@dataclass(frozen=True)
class Task:
    """One seed of one job: what is still to be done of it."""

    job: Job
    seed: int
    numbers: tuple[int, ...]  # of the samples


class FeaturesAhead:
    """Features of tasks in their order. A single task needs no other process."""

    def __init__(self, tasks: Sequence[Task], options: FeatureOptions):
        self.waiting, self.options = deque(tasks), options
        self.made: dict[int, tuple[Task, Future[Complex]]] = {}
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "FeaturesAhead":
        if len(self.waiting) > 1:
            self.pool = process()
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if self.pool is None:
            return
        if kind is not None:  # nobody waits for features that nobody will use
            for child in active_children():
                child.terminate()
        self.pool.shutdown(cancel_futures=True)

    def get(self, task: Task) -> Complex:
        """If the other process dies, another one takes over; a task that kills that one too has failed."""
        for _ in range(2):
            try:
                return self.made_of(task)
            except BrokenProcessPool:
                self.restart()
        raise ValueError(
            f"the process that makes the features of {task.job.name} was killed, most likely for want of memory; "
            "free some, or make the alignments smaller"
        )

    def made_of(self, task: Task) -> Complex:
        if self.pool is None:
            return prepare(task.job, task.seed, self.options)
        while self.waiting and (id(task) not in self.made or len(self.made) <= AHEAD):
            following = self.waiting[0]
            future = self.pool.submit(prepare, following.job, following.seed, self.options)
            self.made[id(following)] = self.waiting.popleft(), future
        known = self.made[id(task)][1].result()
        del self.made[id(task)]
        return known

    def restart(self) -> None:
        """Another process, for all that has not been asked for."""
        self.waiting.extendleft(task for task, _ in reversed(self.made.values()))
        self.made.clear()
        self.pool = process()

    def drop(self, tasks: Sequence[Task]) -> None:
        """These will not be asked for any more."""
        for task in tasks:
            if id(task) in self.made:
                self.made.pop(id(task))[1].cancel()
            elif task in self.waiting:
                self.waiting.remove(task)


def process() -> ProcessPoolExecutor:
    """One process, running already; it leaves Ctrl-C to us, and ends when we do."""
    pool = ProcessPoolExecutor(1, get_context("spawn"), begin)
    with deaf():
        pool.submit(int)
    return pool


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started meanwhile do not hear Ctrl-C. Ours hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin() -> None:
    """In the other process."""
    torch.set_num_threads(1)
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Where our own process is killed, nobody else tells this one."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
