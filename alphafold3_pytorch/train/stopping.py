"""Ctrl-C, and SIGTERM of a cluster that wants its machine back: a run ends where nothing is lost."""

import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

logger = logging.getLogger(__name__)
SIGNALS = signal.SIGINT, signal.SIGTERM


def leave_to_parent(worker: int) -> None:
    """In a worker process: a terminal sends Ctrl-C, and a cluster SIGTERM, to all processes; one has to answer."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


class Stopped(KeyboardInterrupt):
    """Someone asked for the end, and the state of the run is whole."""


class StopRequest:
    """While the context lasts, the first signal is noted (`asked`); the second one ends the program where it is."""

    def __init__(self) -> None:
        self.asked, self.before = False, {}

    def __enter__(self) -> "StopRequest":
        self.asked = False
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self.before: dict[int, Any] = {each: signal.signal(each, self.ask) for each in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each, handler in self.before.items():
            signal.signal(each, handler)

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        logger.warning("will stop and write a checkpoint as soon as possible; once more: stop now")
