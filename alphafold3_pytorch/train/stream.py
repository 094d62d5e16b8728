"""The endless stream of examples of a run: which come next, made by workers, with the bad ones left out and named."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from alphafold3_pytorch.train.random_streams import EXAMPLE, ORDER, seeded
from alphafold3_pytorch.train.stopping import leave_to_parent

logger = logging.getLogger(__name__)
MOST_FAILURES = 100  # in a row


class Drawn(NamedTuple):
    """What became of one place in the stream: an example, or the reason why there is none."""

    position: int
    name: str
    example: Any
    failure: str = ""


class Places(Dataset):
    """Makes the example of a place (position, index). Its randomness depends on the seed and the position alone."""

    def __init__(self, dataset: Any, make: Callable[[Any], Any], seed: int):
        self.dataset, self.make, self.seed = dataset, make, seed

    def __getitem__(self, place: tuple[int, Any]) -> Drawn:
        position, index = place
        name = f"example {index}"
        try:
            with seeded(self.seed, EXAMPLE, position):
                item = self.dataset[index]
                name = name_of(item) or name
                return Drawn(position, name, self.make(item))
        except Exception as error:  # whatever it is: one bad example must not end the run
            reason = " ".join(str(error).split())
            return Drawn(position, name, None, f"{type(error).__name__}: {reason}")


def name_of(item: Any) -> str:
    """What an example is called in messages."""
    for field in ("name", "file_id", "filepath"):
        if isinstance(value := getattr(item, field, None), str):
            return value
    return ""


def order(dataset: Any, sampler: Iterable[Any] | None, seed: int) -> Iterator[Any]:
    """Indices without end: a new permutation for each epoch, or what a sampler yields time after time."""
    for epoch in itertools.count():
        count = 0
        for index in permutation(dataset, seed, epoch) if sampler is None else sampled(sampler, seed, epoch):
            yield index
            count += 1
        if not count:
            raise ValueError("the data set is empty: there is nothing to train on")


def permutation(dataset: Any, seed: int, epoch: int) -> list[int]:
    with seeded(seed, ORDER, epoch):
        return torch.randperm(len(dataset)).tolist()


def sampled(sampler: Iterable[Any], seed: int, epoch: int) -> Iterator[Any]:
    """What a sampler yields, each draw with its own randomness."""
    source = iter(sampler)
    for draw in itertools.count():
        with seeded(seed, ORDER, epoch, draw):
            try:
                index = next(source)
            except StopIteration:
                return
        yield index


class Stream:
    """Examples for one of `ranks` processes, starting after the places that are used up.

    Rank r takes places r, r + ranks, r + 2 ranks, ... `position` is the next place to take: all that has to be stored.
    """

    def __init__(
        self,
        dataset: Any,
        make: Callable[[Any], Any],
        *,
        sampler: Iterable[Any] | None = None,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        position: int = 0,
        workers: int = 0,
    ):
        self.position, self.failed, self.ranks = position + rank, 0, ranks
        places = itertools.islice(enumerate(order(dataset, sampler, seed)), self.position, None, ranks)
        options = (
            {"prefetch_factor": 4, "persistent_workers": True, "worker_init_fn": leave_to_parent} if workers else {}
        )
        loader = DataLoader(
            Places(dataset, make, seed), sampler=places, batch_size=None, num_workers=workers, **options
        )
        with seeded(seed, ORDER):  # workers get their seeds from the global generator
            self.source = iter(loader)

    def take(self, count: int) -> list[Drawn]:
        """The next good examples."""
        taken, failures = [], 0
        while len(taken) < count:
            drawn = self.next()
            self.position = drawn.position + self.ranks
            if not drawn.failure:
                taken.append(drawn)
                failures = 0
                continue
            self.failed += 1
            failures += 1
            logger.warning("left out %s: %s", drawn.name, drawn.failure)
            if failures == MOST_FAILURES:
                raise ValueError(f"{failures} examples in a row are bad; the last is {drawn.name}: {drawn.failure}")
        return taken

    def next(self) -> Drawn:
        try:
            return next(self.source)
        except RuntimeError as error:  # of the loader; what a worker raises is in `failure`
            reason = str(error).splitlines()[0]
            raise OSError(
                f"a process that makes examples ended; was memory short? Try fewer workers ({reason})"
            ) from error
