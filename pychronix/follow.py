"""Waiting for data that is not there yet. The only module that waits for it.

The decision hidden here is when to look again: at once while data flows, then after a pause that doubles up to a limit.
A store through a mapping raises no file event, so the next header is polled; nothing here touches the native core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from pychronix.errors import UsageError

__all__ = ["StopEvent", "follow"]

T = TypeVar("T")


class StopEvent(Protocol):
    """Anything that says when to stop: a ``threading.Event``, say."""

    def is_set(self) -> bool: ...


def follow(
    source: Iterable[T] | Callable[[], Iterable[T]],
    *,
    poll_ms_min: float = 0.05,
    poll_ms_max: float = 20.0,
    stop: StopEvent | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[T]:
    """What ``source`` yields, for ever: at its end this waits and iterates it again.

    ``source`` is a tailer, or a method of one (``tailer.with_index``, ``tailer.views``): anything whose iteration, or
    whose call's result, ends where the data ends and goes on there the next time. A pause lasts poll_ms_min after an
    item and doubles up to poll_ms_max while none comes. ``stop`` is looked at before each item and each pause; once it
    is set, the iteration ends. ``sleep`` takes seconds; tests pass their own. Ctrl-C is raised as KeyboardInterrupt
    where the caller stands, and no item of an ordinary tailer is lost: one that was not yielded is yielded by the
    next iteration. (A named tailer's position moves on as the message is read, as Java's.)

    >>> for payload in follow(queue.tailer(start="end")):  # doctest: +SKIP
    ...     print(payload)
    """
    if not callable(source) and not isinstance(source, Iterable):
        raise TypeError(f"follow() takes a tailer or a method of one, not {type(source).__name__}")
    if not 0 < poll_ms_min <= poll_ms_max:
        raise UsageError(f"poll_ms_min is to be above 0 and at most poll_ms_max, not {poll_ms_min} and {poll_ms_max}")
    return _follow(source if callable(source) else source.__iter__, poll_ms_min, poll_ms_max, stop, sleep)


def _follow(
    read: Callable[[], Iterable[T]],
    poll_ms_min: float,
    poll_ms_max: float,
    stop: StopEvent | None,
    sleep: Callable[[float], object],
) -> Iterator[T]:
    pause_ms = poll_ms_min
    while stop is None or not stop.is_set():
        for item in read():
            pause_ms = poll_ms_min
            yield item
            if stop is not None and stop.is_set():
                return
        sleep(pause_ms / 1000)
        pause_ms = min(2 * pause_ms, poll_ms_max)
