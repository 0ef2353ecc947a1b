"""Replicas: a local queue with the same excerpts at the same indexes.

The decision hidden here is where a copy goes on after it was killed at any moment: behind its own last excerpt, for an
append is whole or not there. That one excerpt is read again and compared, so that a queue which is no replica of this
source is refused before anything is appended to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pychronix.errors import ReplicaError, UsageError
from pychronix.follow import follow as follow_
from pychronix.tcp.client import RemoteTailer
from pychronix.tcp.protocol import parse_address

if TYPE_CHECKING:
    from pychronix import Appender, Queue
    from pychronix.follow import StopEvent

__all__ = ["replicate"]

_PADDING_MAX = 64  # Padding entries in a row; an Indexed journal has one or two.


def replicate(
    source: Queue | RemoteTailer | str,
    queue: Queue,
    *,
    follow: bool = False,
    stop: StopEvent | None = None,
) -> int:
    """Copies what ``queue`` lacks of a source, at the same indexes; returns the number of excerpts copied.

    ``source`` is a queue, ``tcp://host:port``, or a RemoteTailer, which is to start where the replica ends or before.
    ``queue`` is open for appending, has the source's format and roll cycle (the protocol does not tell them), and is
    appended to by nobody else. With ``follow`` this goes on until ``stop`` is set or Ctrl-C; otherwise it ends where
    the source ends. It may be killed at any moment: the next call goes on from what is there.

    Raises ReplicaError if the replica's last excerpt is not the source's, or the source lacks what comes next;
    otherwise what ``RemoteTailer`` and ``Appender.append_at`` raise.
    """
    last = queue.last_index
    if isinstance(source, str):
        with RemoteTailer(*parse_address(source), start="start" if last is None else last) as tailer:
            return _copy_remote(tailer, queue, last, follow, stop)
    if isinstance(source, RemoteTailer):
        return _copy_remote(source, queue, last, follow, stop)
    if source is queue:
        raise UsageError("a queue cannot be its own replica", path=queue.path)
    if _numbering(source) != _numbering(queue):
        raise UsageError(
            f"a replica numbers its excerpts as its source does, but the source is {source.format} "
            f"{source.roll_cycle.name} and the replica {queue.format} {queue.roll_cycle.name}",
            path=queue.path,
        )
    with source.tailer() as tailer, queue.appender() as appender:
        if last is not None:
            # The replica may end with padding, which no tailer stands on: the copy begins before it, then.
            known = next(filter(tailer.move_to_index, range(last, max(last - _PADDING_MAX, -1), -1)), None)
            if known is None or (known != last and not source.has_padding):
                raise ReplicaError(f"the source has no excerpt {last:#x}, the replica's last", path=queue.path)
        copy = _Copy(queue, appender, last)
        copy.fill = source.has_padding
        return copy.take(follow_(tailer.with_index, stop=stop) if follow else tailer.with_index())


def _numbering(queue: Queue) -> tuple[object, ...]:
    """What decides which index an excerpt of a moment has."""
    roll = queue.roll_cycle
    return roll.shift, roll.length_ms, queue.epoch_ms, queue.has_padding


def _copy_remote(tailer: RemoteTailer, queue: Queue, last: int | None, follow: bool, stop: StopEvent | None) -> int:
    with queue.appender() as appender:
        copy = _Copy(queue, appender, last)
        before, tailer.on_padding = tailer.on_padding, copy.pad
        try:
            return copy.take(tailer.follow(stop=stop, with_index=True) if follow else tailer.with_index())
        finally:
            tailer.on_padding = before


class _Copy:
    """One copy in progress."""

    def __init__(self, queue: Queue, appender: Appender, last: int | None) -> None:
        self._queue = queue
        self._appender = appender
        self._last = -1 if last is None else last
        self._next = self._last + 1  # The first index that the replica has not.
        self._compared = last is None
        self.fill = False  # A number that does not come is padding.

    def take(self, pairs: Iterator[tuple[int, bytes]]) -> int:
        append_at = self._appender.append_at
        copied = 0
        for index, payload in pairs:
            if index > self._last:
                if not self._compared:
                    self._missing(index)
                if self.fill:
                    for number in range(self._next, index):
                        self.pad(number)
                copied += append_at(index, payload)
                self._next = index + 1
            elif index == self._last:
                self._compare(payload)
        return copied

    def pad(self, index: int) -> None:
        """A padding entry of an Indexed source: its replica needs it, too, for numbers are counted with it."""
        if index == self._last:
            self._compared = True
        elif index >= self._next:
            self._appender.append_padding()
            self._next = index + 1

    def _missing(self, index: int) -> None:
        """The source goes on without having shown the replica's last entry: unless that is padding, they differ."""
        with self._queue.tailer() as tailer:
            if self.fill and not tailer.move_to_index(self._last):
                self._compared = True
                return
        raise ReplicaError(
            f"the source goes on with {index:#x} and has not shown {self._last:#x}, the replica's last",
            path=self._queue.path,
            hint="it was recreated, or the remote tailer starts too late",
        )

    def _compare(self, payload: bytes) -> None:
        with self._queue.tailer(start=self._last) as tailer:
            own = tailer.read()
        if own != payload:
            raise ReplicaError(
                f"excerpt {self._last:#x}, the replica's last, is not the source's",
                path=self._queue.path,
                hint="this queue is no replica of that source, or somebody else appended to it",
            )
        self._compared = True
