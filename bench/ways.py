"""The ways to append and to read that the cases of both format families measure, each around the loop that is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat

import pychronix as px
from bench.pairing import clocked, expect


def last_payload(queue: px.Queue) -> bytes | None:
    """The last excerpt, as a reader of its own sees it."""
    tailer = queue.tailer()
    tailer.direction = "backward"
    return tailer.to_end().read()


def one_by_one(appender: px.Appender, message: bytes, count: int) -> int:
    """Nanoseconds for one call a message."""
    append_one = appender.append
    begun = time.perf_counter_ns()
    for _ in repeat(None, count):
        append_one(message)
    return time.perf_counter_ns() - begun


def many(appender: px.Appender, message: bytes, count: int) -> int:
    """Nanoseconds for one call for all messages."""
    messages = [message] * count
    return clocked(lambda: appender.append_many(messages))


def read_all(queue: px.Queue, count: int, work: Callable[[px.Tailer], int | None]) -> int:
    """Nanoseconds of a pass of a new tailer, which reads all ``count`` messages."""
    with queue.tailer() as tailer:
        begun = time.perf_counter_ns()
        seen = work(tailer)
        nanos = time.perf_counter_ns() - begun
        # Loops that count nothing are held to account by where they left the tailer.
        expect("last message read", tailer.last_read_index, queue.last_index)
        if seen is not None:
            expect("messages seen", seen, count)
    return nanos


def by_for(tailer: px.Tailer) -> None:
    """A loop that does nothing with the payloads."""
    for _payload in tailer:
        pass


def by_spans(tailer: px.Tailer) -> int:
    """Batches, without an object for each message."""
    return sum(len(spans.starts) for spans in tailer.spans())
