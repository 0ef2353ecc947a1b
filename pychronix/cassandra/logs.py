"""Reading Cassandra's logs, live or not: one or several, from a moment on, past all that Cassandra does to them.

The decision hidden here is how a log changes while it is read: hour by hour into files, of which the oldest are deleted
(``max_log_size``), and from the beginning again in the same directory (``nodetool enablefullquerylog``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import heapq
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

import pychronix as px
from pychronix.cassandra.cql import EPOCH
from pychronix.cassandra.records import AuditRecord, NotARecordError, Record, UnknownRecord, decode_record, read_record
from pychronix.errors import NotReadyError, UsageError
from pychronix.follow import StopEvent
from pychronix.follow import follow as go_on


def read_log(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    since: datetime.datetime | None = None,
    follow: bool = False,
    keep_unknown: bool = False,
    stop: StopEvent | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> LogReader:
    """The records of one log or several, those of several merged by time.

    A path is the directory of a log, of either kind, or one of its ``.cq4`` files, wherever it was archived to.
    ``since`` leaves out earlier records (naive means UTC), without reading the hours before it. With ``follow`` it goes
    on for ever with what is logged, as `pychronix.follow.follow` does (``stop`` and ``sleep`` are its): also after
    ``nodetool enablefullquerylog`` emptied the directory, and past files that Cassandra deletes to keep its
    ``max_log_size`` (what was not read by then is lost).

    An excerpt that is no record raises CodecError with its index; with ``keep_unknown`` it is an `UnknownRecord`, whose
    time is about that of the record before it; ``since`` leaves none of those out that stand in the hours it reads.
    The logs are opened at once: raises NotFoundError where there is none. The iterator closes them at its end, and as
    a context manager.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    since_ms = None if since is None else _ms(since)
    with contextlib.ExitStack() as stack:
        logs = [
            stack.enter_context(_Log(path, since_ms, follow=follow, keep_unknown=keep_unknown))
            for path in dict.fromkeys(os.fspath(path) for path in paths)
        ]
        opened = stack.pop_all()
    return LogReader(_records_of(logs, opened, follow, stop, sleep), opened)


class LogReader(Iterator[Record]):
    """An iterator of records that can be closed; see `read_log`."""

    def __init__(self, records: Generator[Record, None, None], opened: contextlib.ExitStack) -> None:
        self._records = records
        self._opened = opened

    def __next__(self) -> Record:
        return next(self._records)

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the logs; the iteration is over."""
        self._records.close()
        self._opened.close()


def _records_of(
    logs: Sequence[_Log],
    opened: contextlib.ExitStack,
    following: bool,
    stop: StopEvent | None,
    sleep: Callable[[float], object],
) -> Generator[Record, None, None]:
    def merged() -> Iterator[Record]:
        if len(logs) == 1:
            return logs[0].records()
        return heapq.merge(*(log.records() for log in logs), key=lambda record: record.time_ms)

    with opened:
        if following:
            yield from go_on(merged, poll_ms_min=1.0, poll_ms_max=20.0, stop=stop, sleep=sleep)
        else:
            yield from merged()


def _ms(moment: datetime.datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return (moment - EPOCH) // datetime.timedelta(milliseconds=1)


class _Log:
    """A log's queue and a place in it, which outlives that the log is emptied and begun anew."""

    def __init__(self, path: str, since_ms: int | None, *, follow: bool, keep_unknown: bool) -> None:
        self._path = path
        self._since_ms = since_ms
        self._keep_unknown = keep_unknown
        self._last_ms = 0
        self._only: int | None = None
        self._directory = path
        if path.endswith(".cq4") and os.path.isfile(path):
            if follow:
                raise UsageError("a single file of a log cannot be followed", path=path, hint="name its directory")
            self._directory = os.path.dirname(path) or "."
        self._open()

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def records(self) -> Iterator[Record]:
        """The records up to the present end."""
        yield from self._new()
        if self._is_replaced():
            # What came into the old files since then, and before they were deleted; it is still mapped.
            yield from self._new()
            with contextlib.suppress(px.NotFoundError, NotReadyError):
                self._reopen()
                yield from self._new()

    def _new(self) -> Iterator[Record]:
        for index, payload in self._tailer.with_index():
            if self._only is not None and self._queue.cycle_of(index) != self._only:
                return
            record = self._record(payload, index)
            if not self._tells_time(record):
                yield dataclasses.replace(record, time_ms=self._about(index))
                continue
            self._last_ms = record.time_ms
            if self._since_ms is None or record.time_ms >= self._since_ms:
                yield record

    @staticmethod
    def _tells_time(record: Record) -> bool:
        return record.type != UnknownRecord.type and not (isinstance(record, AuditRecord) and record.event is None)

    def _about(self, index: int) -> int:
        """When a record was written that does not tell: after the one before it, and after its file began."""
        if not self._queue.roll_cycle.length_ms:  # An Indexed journal, which is no log of Cassandra's.
            return self._last_ms
        return max(self._last_ms, self._queue.start_ms(self._queue.cycle_of(index)))

    def _record(self, payload: bytes, index: int) -> Record:
        if not self._keep_unknown:
            return decode_record(payload, index, self._path)
        try:
            return read_record(payload, index, self._path)
        except NotARecordError as error:
            return UnknownRecord(index, self._path, 0, payload, str(error))

    def _open(self) -> None:
        identity = self._identity()
        with contextlib.ExitStack() as stack:
            try:
                queue = stack.enter_context(px.open_queue(self._directory))
            except px.NotFoundError as error:
                error.hint = "a log's directory has .cq4 files"  # Nobody makes a log with mode="a".
                raise
            tailer = stack.enter_context(queue.tailer())
            self._place(queue, tailer)
            self._opened = stack.pop_all()
        self._queue, self._tailer, self._was = queue, tailer, identity

    def _place(self, queue: px.Queue, tailer: px.Tailer) -> None:
        if self._directory != self._path:
            name = os.path.basename(self._path)
            numbers = [cycle.number for cycle in queue.cycles() if os.path.basename(cycle.path) == name]
            if not numbers or not tailer.move_to_cycle(numbers[0]):
                raise px.NotFoundError("this is no file of the log beside it", path=self._path)
            self._only = numbers[0]
        elif self._since_ms is not None and queue.roll_cycle.length_ms:
            # A record is written after its query began: no earlier cycle has one that began since then.
            wanted = queue.cycle_at(self._since_ms)
            later = [cycle.number for cycle in queue.cycles() if cycle.number >= wanted]
            if not (later and tailer.move_to_cycle(later[0])):
                tailer.to_end()

    def _reopen(self) -> None:
        old = self._opened
        self._open()
        old.close()

    def _close(self) -> None:
        self._opened.close()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(os.path.join(self._directory, "metadata.cq4t"))
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _is_replaced(self) -> bool:
        now = self._identity()
        return now is not None and now != self._was
