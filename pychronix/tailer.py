"""Reading excerpts: the Tailer.

The decision hidden here is how reading gets fast without the caller seeing it: the core scans up to 1 024 messages at a
time, Python copies their bytes once and hands out iterators that run in C, and the position within such a batch is read
off the iterator instead of being counted.

How. ``_pending`` is an iterator that advances by one with every message handed out; ``operator.length_hint`` of it is
the number of messages of the batch that were not. The native tailer already stands behind the batch, so the index is
``_batch_end`` less that number. Any call but reading on first gives the rest back (``_settle``): the core unreads them,
and ``_pending`` is exhausted, which ends every iterator over the batch, so that a loop in progress goes on where the
call has put the tailer.

Rules
- What a reader sees was committed and never changes, hence reading ahead is invisible, but for the work it saves.
- Named tailers store their position after every message, direction NONE repeats one message, metadata documents come
  between: these three read one document at a time (``_singly``).
- ``_lock`` is only ever taken by ``with``: the interpreter lets no signal strike between a lock's taking and the block
  that gives it back, as it does between ``acquire()`` and ``try``.
- One thread at a time: what scans, reads or moves holds ``_lock`` while the batch is in flux, and a second thread gets
  BusyError instead of waiting. Handing out a batch takes no lock, nor do the facts.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import lru_cache, partial
from itertools import chain, islice
from operator import length_hint
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pychronix import _boundary
from pychronix._boundary import BATCH, ClosedFacts, DocumentBatch, DocumentCells, Living, Window, lib
from pychronix.codec import decode_all
from pychronix.errors import (
    BusyError,
    CodecError,
    RecordLengthError,
    UnsupportedFormatError,
    UsageError,
    WireError,
)
from pychronix.fields import FieldReader
from pychronix.fields.records import Packed, RecordLayout, record_layout
from pychronix.rolling import moment_ms
from pychronix.wire import decode
from pychronix.wire.decoding import wire_type_of
from pychronix.wire.document import Document
from pychronix.wire.shapes import Shapes
from pychronix.wire.tables import Table, needed

if TYPE_CHECKING:
    import datetime
    from types import TracebackType

    from pychronix._boundary import Handle, TailerInfo
    from pychronix.queue import Queue

__all__ = ["Direction", "ExcerptReader", "Spans", "Tailer", "TailerState"]

_LARGE = 2048  # From this mean size on, slicing the mapping beats copying the whole region first and slicing that.
_BULK_BYTES = 16 << 20  # What is decoded at once has about so many bytes at most.
_EAGER_GROWTH = 4  # read() reads ahead 1, 4, 16 ... messages: a random access pays for one, a loop soon for none.


class Direction(IntEnum):
    """Where a tailer goes after a read (Java: TailerDirection)."""

    BACKWARD = -1
    NONE = 0
    FORWARD = 1

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, direction: str | int) -> Direction:
        """The direction of that name, in any case, or of that number."""
        try:
            if isinstance(direction, str):
                return cls[direction.upper()]
            return cls(direction)
        except (KeyError, ValueError):
            raise UsageError(f"unknown direction {direction!r}", hint='one of "forward", "backward", "none"') from None


class TailerState(IntEnum):
    """Where a tailer stands (Java: TailerState).

    What the next read does: UNINITIALISED goes to the first message there is; FOUND_IN_CYCLE reads; END_OF_CYCLE goes to
    the next cycle, if there is one; NOT_REACHED_IN_CYCLE and CYCLE_NOT_FOUND look the index up again;
    BEYOND_START_OF_CYCLE starts again going forward, and looks for an earlier cycle going backward.
    """

    UNINITIALISED = lib.CX_UNINITIALISED
    FOUND_IN_CYCLE = lib.CX_FOUND_IN_CYCLE
    END_OF_CYCLE = lib.CX_END_OF_CYCLE
    NOT_REACHED_IN_CYCLE = lib.CX_NOT_REACHED_IN_CYCLE
    BEYOND_START_OF_CYCLE = lib.CX_BEYOND_START_OF_CYCLE
    CYCLE_NOT_FOUND = lib.CX_CYCLE_NOT_FOUND

    def __str__(self) -> str:
        return self.name


class Spans(NamedTuple):
    """A batch of messages without an object for each: message i is ``data[starts[i]:stops[i]]``.

    Its index is ``first_index + i * step``. All three are read-only memoryviews; ``data`` lies in the mapped file and
    stays valid as long as it is referred to, starts and stops are copies of type int32.
    """

    data: memoryview
    starts: memoryview
    stops: memoryview
    first_index: int
    step: int


class ExcerptReader(FieldReader):
    """One excerpt and a cursor over its typed fields: what ``Tailer.reading()`` hands out, for a ``with`` block.

    False, with ``index`` None, where there was none to read (Java: isPresent).
    """

    __slots__ = ("_rollback", "_tailer", "index")

    def __init__(self, tailer: Tailer, data: bytes | None, index: int | None, dialect: str) -> None:
        FieldReader.__init__(self, b"" if data is None else data, dialect)
        self._tailer = tailer
        self._rollback = False
        self.index = index

    def rollback_on_close(self) -> None:
        """When the block ends the tailer goes back to this excerpt, which the next read returns again.

        Of a metadata document, which has no index of its own, to the excerpt behind it.
        """
        self._rollback = True

    def __bool__(self) -> bool:
        return self.index is not None

    def __enter__(self) -> ExcerptReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._rollback and self.index is not None:
            self._tailer.move_to_index(self.index)


_NOTHING: Iterator[bytes] = iter(())
# In _pending while a batch is being scanned and none of it is handed out: if Ctrl-C strikes there, nothing is lost.
_SCANNED: Iterator[bytes] = iter([])

# Globals are found faster than attributes of lib.
_cx_move_to_index, _cx_read, _unpack = lib.cx_move_to_index, lib.cx_read, _boundary.unpack

_tailers: Living[Tailer] = Living()


def _forget_batches() -> None:
    """In a forked child, what the parent read ahead is the parent's: the next read is to answer ForkedError."""
    _tailers.forked()
    for tailer in _tailers.all():
        tailer._forget()
        tailer._lock = threading.Lock()  # The thread that held it, if one did, does not exist here.


os.register_at_fork(after_in_child=_forget_batches)


@lru_cache(maxsize=64)
def _equal_batch(lead: int, length: int, pitch: int, count: int) -> Struct:
    """Takes a batch of messages of one length out of its region at once: even uncached 3 times faster than slicing."""
    one = f"{lead}x{length}s" if lead else f"{length}s"
    gap = f"{pitch - lead - length}x" if pitch - lead - length else ""
    return Struct((one + gap) * (count - 1) + one)


class Tailer:
    """Reads a queue's excerpts in order, forward or backward, from any position.

    Comes from ``Queue.tailer()``. Iterating yields the payloads as bytes up to the present end; iterating again
    continues there. A payload is exactly what is stored: an excerpt that was appended empty reads as the one padding
    byte 8F. Memoryviews from ``views()`` need no copy and stay valid after everything is closed.

    A tailer that reads a message does not change the queue. One with a name keeps its position in the table store,
    where the next tailer of that name, in this process, another, or Java, continues.

    One thread at a time. Calls on the tailer in the body of a loop over it are fine: the loop goes on at the new
    position. (Java: StoreTailer.)
    """

    __slots__ = (
        "__weakref__",
        "_acquired",
        "_acquired_cycle",
        "_astray",
        "_batch",
        "_batch_end",
        "_clock",
        "_dialect",
        "_direction",
        "_excerpt",
        "_facts",
        "_format",
        "_handle",
        "_limit",
        "_lock",
        "_meta",
        "_name",
        "_number",
        "_path",
        "_payloads",
        "_pending",
        "_queue",
        "_read_before",
        "_shapes",
        "_singly",
        "_step",
        "_striding",
        "_told",
        "_window",
    )

    _facts: TailerInfo

    def __init__(
        self,
        queue: Queue,
        handle: Handle,
        name: str | None = None,
        meta: bool = False,
        told: Callable[[int, bool], None] | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._number = handle.number
        self._path = handle.path
        self._name = name
        self._meta = meta
        self._told = told
        self._clock = clock
        self._dialect = queue.dialect
        self._facts = lib.cx_tailer_facts(handle.number)
        self._acquired = 0
        self._acquired_cycle: int | None = None
        self._direction = Direction.FORWARD
        self._striding = False
        self._singly = False
        self._batch = _boundary.new_batch()
        self._format = _boundary.new_format()
        self._excerpt = _boundary.new_excerpt()
        self._window: Window | None = None
        self._shapes: dict[str, Shapes] = {}
        # Where the native tailer is to go back to, and last_read_index there: set while settling, which Ctrl-C may end.
        self._astray: tuple[int, int] | None = None
        self._read_before = -1  # last_read_index before the batch.
        self._lock = threading.Lock()
        self._limit = 1
        self._pending: Iterator[object] = _NOTHING
        self._payloads: Iterator[bytes] = _NOTHING
        self._batch_end = 0
        self._step = 1
        self._choose_way()
        self._announce()
        _tailers.add(self)

    # Reading.

    def read(self) -> bytes | None:
        """The next payload, or None at the end. Call again later: there may be more.

        Fine for a message now and then and for polling; a loop over the tailer is the fast way to read many. Where a
        signal's exception (Ctrl-C) ends this very call, its message may count as read; a loop keeps it. Raises
        CorruptError with path and offset where the file breaks the format; ClosedError, BusyError, ForkedError.
        """
        for payload in self._payloads:
            return payload
        limit = self._limit
        if limit == 1 or self._singly:
            found = self._read_one()
        else:
            payloads = self._fill(limit)
            found = None if payloads is None else next(payloads)
        self._limit = 1 if found is None else min(limit * _EAGER_GROWTH, BATCH)
        return found

    def read_many(self, count: int) -> list[bytes]:
        """The next payloads, at most ``count``; fewer, possibly none, at the end."""
        if _boundary.int64(count, "count") < 0:
            raise UsageError(f"a count is not negative: {count}")
        if self._singly:
            return list(islice(iter(self.read, None), count))
        found = list(islice(self._payloads, count))
        while len(found) < count:
            payloads = self._fill(min(count - len(found), BATCH))
            if payloads is None:
                break
            found.extend(payloads)
        return found

    def __iter__(self) -> Iterator[bytes]:
        """The payloads up to the present end, as bytes. The fast way.

        With direction NONE this repeats one message for ever.
        """
        if self._singly:
            return iter(self.read, None)
        return chain.from_iterable(self._payload_batches())

    def with_index(self) -> Iterator[tuple[int, bytes]]:
        """Pairs of index and payload up to the present end. A metadata document has the index of the next message."""
        if self._singly:
            return self._indexed_singly()
        return chain.from_iterable(self._indexed_batches())

    def views(self) -> Iterator[memoryview]:
        """The payloads up to the present end as read-only memoryviews of the mapped file: no copy is made.

        A view stays valid as long as it is referred to, also after closing, and keeps its window mapped meanwhile
        (up to a GiB of address space, no memory). Where somebody cuts a roll file short under a view, it reads as zeros.
        """
        if self._singly:
            return self._views_singly()
        return chain.from_iterable(self._view_batches())

    def spans(self, limit: int = BATCH) -> Iterator[Spans]:
        """The messages up to the present end in batches of at most ``limit``, without an object for each.

        For bulk work on columns. The position moves by whole batches. Raises UsageError for named tailers, direction
        NONE and metadata, which are read one at a time.
        """
        if not 1 <= _boundary.int64(limit, "limit") <= BATCH:
            raise UsageError(f"limit is within 1..{BATCH}, not {limit}")
        if self._singly:
            raise UsageError(
                "spans cannot be had of named tailers, nor with metadata, direction NONE or striding", path=self._path
            )
        while True:
            with self._inside():
                count = self._scan(limit)
                if not count:
                    return
                batch = self._batch
                starts, stops = _boundary.spans_copied(batch, count)
                data = self._window_of(batch.window).part(batch.address, batch.region)
                spans = Spans(data, starts, stops, batch.first_index, self._step)
                self._pending, self._payloads = (pending := iter(range(count))), _NOTHING
            # Until here Ctrl-C loses nothing. Not handed out if an on_cycle callback has moved the tailer.
            if self._pending is pending:
                self._pending = _NOTHING
                yield spans

    # Documents.

    def documents(self, wire_type: str | None = None) -> Iterator[Document]:
        """The excerpts up to the present end as Documents: what they say as Python values, without Java's classes.

        ``wire_type`` is one of Java's names ("BINARY_LIGHT", "TEXT", "RAW" ...); by default text is told from binary by
        its bytes. A Document decodes when it is looked at, and raises WireError with its index then, if it is no Wire.
        Chronicle 3.x stores no Wire of its own: there a wire type must be named, else UnsupportedFormatError.
        """
        kind = self._wire_type(wire_type)
        return (Document(data, wire_type=kind, index=index, is_meta=self.is_meta) for index, data in self.with_index())

    def read_document(self, wire_type: str | None = None) -> Document | None:
        """The next excerpt as a Document, or None at the end. Arguments and errors are those of ``documents``."""
        kind = self._wire_type(wire_type)
        data, index = self._read_with_index()
        return None if data is None else Document(data, wire_type=kind, index=index, is_meta=self.is_meta)

    def _read_with_index(self) -> tuple[bytes, int] | tuple[None, None]:
        """read(), and the index of what it read."""
        payload = self.read()
        if payload is None:
            return None, None
        if self._pending is _NOTHING:  # It was read by itself.
            return payload, self._excerpt.index
        return payload, self._batch_end - self._step * (length_hint(self._pending) + 1)

    def _wire_type(self, wire_type: str | None) -> str:
        """How documents are to be read."""
        if wire_type is None and self._queue.wire_type is None:
            raise UnsupportedFormatError(
                f"cannot read documents: excerpts of {self._queue.format} are no Wire unless a program made them so",
                path=self._path,
                hint='if one did, name the wire type, as in documents("BINARY"); typed fields are read by reading()',
            )
        return wire_type_of("auto" if wire_type is None else wire_type)

    # Typed fields.

    def reading(self) -> ExcerptReader:
        """The next excerpt with a cursor over its fields, for a ``with`` block; false at the end.

        As in Java the excerpt counts as read however the block ends, also by an exception, unless
        ``doc.rollback_on_close()`` was called. (Java: readingDocument; in Chronicle 3 nextIndex and finish.)

        >>> with tailer.reading() as doc:  # doctest: +SKIP
        ...     if doc:
        ...         print(doc.index, doc.read_int(), doc.read_string())
        """
        payload, index = self._read_with_index()
        return ExcerptReader(self, payload, index, self._dialect)

    def read_records(self, layout: object, count: int | None = None, *, into: str | None = None) -> Any:
        """Excerpts that are records of one layout, up to the present end or ``count``. The fast way for numbers.

        ``layout`` is one of ``Appender.append_records``: a struct format or struct.Struct gives an iterator of tuples, a
        construct struct one of Containers, a NumPy dtype one structured array. ``into="numpy"`` makes an array of a
        struct format, too, with the fields f0, f1 ...

        Raises RecordLengthError where an excerpt has another length, with its ``index``; the tailer then stands on it,
        what came before was handed out, or is the error's ``records`` where it was to become an array.

        >>> for number, time, price in tailer.read_records("iqd"): ...  # doctest: +SKIP
        """
        found = record_layout(layout)
        count = None if count is None else _boundary.int64(count, "count")
        if into not in (None, "numpy"):
            raise UsageError(f'into is None or "numpy", not {into!r}')
        if count is not None and count < 0:
            raise UsageError(f"a count is not negative: {count}")
        if into == "numpy" or found.is_array:
            return self._record_array(found, count)
        records = chain.from_iterable(self._record_batches(found, BATCH if count is None else min(count, BATCH)))
        return records if count is None else islice(records, count)

    # Documents and values in bulk.

    def read_documents(self, count: int | None = None, *, into: str = "dict", wire_type: str | None = None) -> Any:
        """The next documents, decoded in bulk: all up to the present end, or at most ``count``.

        ``into="dict"``: a list of what ``wire.decode`` gives for each (``wire_type`` as in ``documents``). ``"columns"``: a
        dict of lists, one for each field, None where a document has no such field. ``"numpy"``: the same as arrays: int64;
        float64 with NaN where something is missing; bool; object for anything else. ``"arrow"``: a pyarrow.Table.
        A column's name is the field's path, ``order.id`` (pychronix.wire.tables has the rules).

        Documents of the same fields are taken apart by the core, some millions a second; all others one by one.

        Raises WireError for a document that is none, with its ``index``; the tailer then stands on it, and what came
        before is the error's ``documents``, in the form asked for. With "arrow", UsageError for a column that Arrow has
        no type for; the tailer is then where it was. ModuleNotFoundError if NumPy, or pyarrow, is not there; nothing is
        read then.

        >>> tailer.read_documents(1000, into="numpy")["order.px"].mean()  # doctest: +SKIP
        """
        if into not in ("dict", "columns", "numpy", "arrow"):
            raise UsageError(f'into is "dict", "columns", "numpy" or "arrow", not {into!r}')
        if count is not None and _boundary.int64(count, "count") < 0:
            raise UsageError(f"a count is not negative: {count}")
        if into in ("numpy", "arrow"):
            needed("pyarrow" if into == "arrow" else into)  # Before anything is read: a named tailer would lose it.
        shapes = self._shapes_of(self._wire_type(wire_type))
        found: Any
        if into == "dict":
            found = []

            def take(batch: DocumentBatch) -> tuple[int, WireError | None]:
                values, error = shapes.values(batch)
                found.extend(values)
                return len(values), error

            error = self._documents(count, take)
        else:
            table = Table(raw=into != "columns")

            def add(batch: DocumentBatch) -> tuple[int, WireError | None]:
                before = table.count
                error = shapes.add_to(table, batch)
                return table.count - before, error

            resume = self.index
            error = self._documents(count, add)
            try:
                found = {"columns": table.lists, "numpy": table.arrays, "arrow": table.arrow}[into]()
            except UsageError:
                self.move_to_index(resume)
                raise
        if error is not None:
            error.documents = found
            raise error
        return found

    def values(self) -> Iterator[Any]:
        """The values up to the present end, as the queue's codec has them (``open_queue(codec=)``).

        They are decoded as far ahead as messages are read ahead. Raises CodecError for an excerpt that the codec fails on,
        with its ``index``; the tailer then stands on it, and what came before was handed out.
        """
        return chain.from_iterable(self._value_batches())

    # Moving.

    def to_start(self) -> Tailer:
        """Before the first message. Returns the tailer itself, as Java."""
        self._move(lambda: lib.cx_to_start(self._number))
        return self

    def to_end(self) -> Tailer:
        """Behind the last message; with direction BACKWARD on the last message. Returns the tailer itself, as Java."""
        self._move(lambda: lib.cx_to_end(self._number))
        return self

    def move_to_index(self, index: int) -> bool:
        """Whether there is a message with this index, which the next read then returns.

        If not, ``state`` says why, and reading goes on as Java's: with an index one beyond a closed cycle at
        the next one, with an index not reached yet once it is, with a cycle that does not exist where the tailer was.
        """
        if self._lock.locked():
            raise self._busy()
        with self._lock:
            if self._pending is not _NOTHING:
                self._settle()
            self._limit = 1
            if self._clock is not None:
                self._tick()
            try:
                code = _cx_move_to_index(self._number, index)
            except (TypeError, OverflowError):
                index = _boundary.int64(index, "index")
                code = _cx_move_to_index(self._number, index)
            if code < 0:
                code = self._move_again(code, index)
        if self._told is not None:
            self._announce()
        return code == 1

    def move_to_cycle(self, cycle: int, end: bool = False) -> bool:
        """Whether this cycle has a roll file; the tailer then stands on its first message.

        ``end``: behind its last message, or on that message if the direction is BACKWARD.
        """
        number = _boundary.int64(cycle, "cycle")
        if end and number in self._queue._cycle_numbers():
            count = self._queue._cycle_facts(number).count
            if count:
                backward = self._direction is Direction.BACKWARD
                self.move_to_index(self._queue.index(number, count - 1) + (not backward))
                return True
        return self._move(lambda: lib.cx_move_to_cycle(self._number, number)) == 1

    def seek_date(self, moment: int | str | datetime.date, exact: bool = False) -> bool:
        """Whether there is a cycle at or after a moment; the tailer then stands on the first message of the first one.

        ``exact``: only the cycle of that moment counts. If there is none the tailer stays where it is. An int is ns
        since 1970; text is ISO 8601; a date is its midnight; naive means UTC.
        """
        wanted = self._queue.cycle_at(moment_ms(moment))
        found = next((cycle for cycle in self._queue._cycle_numbers() if cycle >= wanted), None)
        return found is not None and (found == wanted or not exact) and self.move_to_cycle(found)

    @property
    def direction(self) -> Direction:
        """FORWARD, BACKWARD or NONE; can be set, also by name.

        The position is that of the next read in any direction: having read message 2 forward, a tailer turned round
        reads 3 (if there is one), then 2 (as Java).
        """
        return self._direction

    @direction.setter
    def direction(self, direction: Direction | str | int) -> None:
        wanted = Direction.parse(direction)
        self._move(lambda: lib.cx_set_direction(self._number, wanted))
        self._direction = wanted
        self._choose_way()

    @property
    def striding(self) -> bool:
        """Whether going backward visits only every message that has an entry in the index; can be set."""
        return self._striding

    @striding.setter
    def striding(self, striding: bool) -> None:
        self._move(lambda: lib.cx_set_striding(self._number, 1 if striding else 0))
        self._striding = bool(striding)
        self._choose_way()

    @property
    def meta(self) -> bool:
        """Whether metadata documents (headers, index pages, the user's) are read, too; can be set."""
        return self._meta

    @meta.setter
    def meta(self, meta: bool) -> None:
        with self._inside():
            self._settle()
            self._meta = bool(meta)
            self._choose_way()

    # Facts.

    @property
    def queue(self) -> Queue:
        """The queue this tailer reads."""
        return self._queue

    @property
    def name(self) -> str | None:
        """Name under which the position is kept, None for an ordinary tailer."""
        return self._name

    @property
    def index(self) -> int:
        """Index of the next message to read, exact also within a loop; 0 before an empty queue has a message."""
        rest = length_hint(self._pending)
        if rest:
            return self._batch_end - self._step * rest
        if self._pending is _SCANNED and not self._lock.locked():
            with self._lock:
                self._settle()
        return self._astray[0] if self._astray else self._facts.index

    @property
    def last_read_index(self) -> int | None:
        """Index of the last message read, None before the first."""
        rest = length_hint(self._pending)
        if rest:
            return self._batch_end - self._step * (rest + 1)
        index = self._astray[1] if self._astray else self._facts.last_read_index
        return None if index < 0 else index

    @property
    def is_meta(self) -> bool:
        """Whether the last document read was metadata, which only happens with ``meta``."""
        return self._meta and self._excerpt.meta != 0

    @property
    def cycle(self) -> int | None:
        """The cycle whose roll file is open, or was last; None if none was."""
        cycle = self._facts.cycle
        return None if cycle < 0 else cycle

    @property
    def sequence(self) -> int:
        """Number within its cycle of the next message to read."""
        return self._queue.sequence_of(self.index)

    @property
    def state(self) -> TailerState:
        """Where the tailer stands, in Java's words."""
        if length_hint(self._pending):
            return TailerState.FOUND_IN_CYCLE
        return TailerState(self._facts.state)

    # End.

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def close(self) -> None:
        """Gives the roll file back. Once more is nothing. Views stay valid."""
        self._number = 0  # A thread that keeps reading gets ClosedError at its next call, and gives the lock back.
        _boundary.wait_for(lambda: not self._lock.locked())
        if self._lock.locked():
            raise self._busy()
        with self._lock:
            if self._handle.closed:
                return
            self._handle.close()
            self._forget()
            self._window = None
            self._facts = ClosedFacts("tailer", self._path)  # type: ignore[assignment]
        if self._told is not None and self._acquired_cycle is not None:
            cycle, self._acquired_cycle = self._acquired_cycle, None
            self._told(cycle, False)

    def __enter__(self) -> Tailer:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        name = "" if self._name is None else f" {self._name!r}"
        if self.closed:
            return f"<Tailer{name} of {self._path!r}, closed>"
        return (
            f"<Tailer{name} of {self._path!r}, {self._direction.name.lower()}, index {self.index:#x}, "
            f"{self.state.name}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tailer cannot be pickled: open the queue where it is needed")

    # Batches. Methods up to _window_of are called with _lock held, unless they say otherwise.

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Holds _lock, or raises BusyError; then tells of roll files opened. Where speed matters it is written out."""
        if self._lock.locked():
            raise self._busy()
        with self._lock:
            yield
        if self._told is not None:
            self._announce()

    def _busy(self) -> BusyError:
        return BusyError("another thread is inside the tailer", path=self._path)

    def _choose_way(self) -> None:
        self._singly = (
            self._name is not None
            or self._meta
            or self._direction is Direction.NONE
            or (self._striding and self._direction is Direction.BACKWARD)
        )
        self._limit = 1

    def _forget(self) -> None:
        """Ends all iterators over the current batch, whose rest is then read by nobody."""
        deque(self._pending, maxlen=0)
        self._pending = self._payloads = _NOTHING
        self._astray = None

    def _settle(self) -> None:
        """Gives back what was scanned but not handed out: the native tailer then stands where the caller thinks."""
        if self._pending is _SCANNED:
            rest = self._batch.count
            resume, before = self._batch.first_index, self._read_before
        else:
            rest = length_hint(self._pending)
            resume = self._batch_end - self._step * rest
            before = resume - self._step
        if rest or self._astray:
            # By index, and noted: where Ctrl-C strikes in here, the next call does it once more, and nothing is read
            # twice or never. Nothing can strike between the note and the end of the batch, after which only the note
            # tells how much of it was left.
            self._astray = astray = self._astray or (resume, before)
            deque(self._pending, maxlen=0)
            _boundary.checked(lib.cx_unread(self._number, *astray), self._path)
            self._astray = None
        self._pending = self._payloads = _NOTHING

    def _scan(self, limit: int) -> int:
        """Scans the next batch into _batch; the number of its messages, 0 at the end."""
        if self._pending is not _NOTHING or self._astray:
            self._settle()
        batch = self._batch
        batch.count = 0
        self._read_before = self._facts.last_read_index
        self._pending = _SCANNED
        if self._clock is not None:
            self._tick()
        count = lib.cx_scan(self._number, batch, limit, 1)
        if count <= 0:
            self._pending = _NOTHING
            if count == lib.CX_E_NOT_READY:
                return 0  # The next roll file is being created: there is nothing in it yet.
            if count < 0:
                raise _boundary.error_for(count, self._path)
            return 0
        self._step = self._direction
        self._batch_end = batch.first_index + self._step * count
        return count

    def _fill(self, limit: int) -> Iterator[bytes] | None:
        """Scans the next batch and makes its payloads; None at the end. Takes the lock itself."""
        if self._lock.locked():
            raise self._busy()
        with self._lock:
            count = self._scan(limit)
            payloads = self._payloads_of_batch(count) if count else None
        if self._told is not None:
            self._announce()
        return payloads

    def _payloads_of_batch(self, count: int) -> Iterator[bytes]:
        """The payloads of the batch just scanned, which _pending and _payloads then refer to."""
        batch = self._batch
        region = batch.region
        if region > _LARGE * count:
            pending, views = self._views_of_batch(count)
            self._pending = pending
            # Made when they are asked for: a batch may be as large as a window.
            self._payloads = map(bytes, views)
            return self._payloads
        data = _boundary.copy(batch.address, region)
        length = batch.equal_length
        if length >= 0:
            items = _equal_batch(batch.lead, length, batch.pitch, count).unpack_from(data)
        else:
            # Parsing a format of 1 024 items and unpacking with it is still 3 times faster than slicing.
            items = Struct(_boundary.batch_format(batch, self._format)).unpack_from(data)
        if self._step < 0:
            items = items[::-1]
        self._pending = self._payloads = iter(items)
        return self._payloads

    def _views_of_batch(self, count: int) -> tuple[Iterator[int], Iterator[memoryview]]:
        batch = self._batch
        view = self._window_of(batch.window).part(batch.address, batch.region)
        starts, stops = _boundary.spans(batch, count)
        pending = iter(starts)
        return pending, map(view.__getitem__, map(slice, pending, stops))

    def _window_of(self, number: int) -> Window:
        window = self._window
        # While it is ours its number cannot be given to another window.
        if window is None or window.number != number:
            self._window = window = Window(self._number, number)
        return window

    def _payload_batches(self) -> Iterator[Iterator[bytes]]:
        while True:
            if self._singly:
                yield iter(self.read, None)
                return
            # The rest of a batch that read() or an earlier loop began; an exhausted iterator is harmless.
            payloads: Iterator[bytes] | None = self._payloads
            if not length_hint(self._pending) or payloads is _NOTHING:
                payloads = self._fill(BATCH)
                if payloads is None:
                    return
            assert payloads is not None
            yield payloads

    def _indexed_batches(self) -> Iterator[Iterator[tuple[int, bytes]]]:
        while True:
            if self._singly:
                yield self._indexed_singly()
                return
            payloads: Iterator[bytes] | None = self._payloads
            if not length_hint(self._pending) or payloads is _NOTHING:
                payloads = self._fill(BATCH)
                if payloads is None:
                    return
            assert payloads is not None
            # read() within the loop must not take from this batch behind zip's back: it settles first.
            self._payloads = _NOTHING
            yield zip(range(self.index, self._batch_end, self._step), payloads, strict=False)

    def _view_batches(self) -> Iterator[Iterator[memoryview]]:
        while True:
            if self._singly:
                yield self._views_singly()
                return
            with self._inside():
                count = self._scan(BATCH)
                if not count:
                    return
                self._pending, views = self._views_of_batch(count)
            yield views

    # Records.

    def _record_batches(self, layout: RecordLayout, limit: int) -> Iterator[Iterator[Any]]:
        while limit:
            if self._singly:
                yield self._records_singly(layout)
                return
            with self._inside():
                if not self._scan_records(layout, limit):
                    return
                records = layout.decoded(self._packed())
                # Read ahead as payloads are: what is not handed out is given back. None are left for read() to take.
                self._pending, self._payloads = records, _NOTHING
            yield records

    def _record_array(self, layout: RecordLayout, count: int | None) -> Any:
        arrays = layout.arrays()
        packed = bytearray()  # Grows in place, and becomes the array's memory.
        left = BATCH if count is None else count
        try:
            while left:
                if self._singly:
                    for payload in islice(self._payloads_singly(layout), count):
                        packed += payload
                    break
                with self._inside():
                    if not self._scan_records(layout, min(left, BATCH)):
                        break
                    batch = self._packed()
                    packed += arrays.packed(batch)
                    self._pending = self._payloads = _NOTHING
                if count is not None:
                    left -= batch.total
        except RecordLengthError as error:
            error.records = arrays.array(packed)
            raise
        return arrays.array(packed)

    def _scan_records(self, layout: RecordLayout, limit: int) -> int:
        """Scans the next batch, of records alone; their number, 0 at the end. Called with _lock held."""
        count = self._scan(limit)
        batch = self._batch
        if not count or batch.equal_length == layout.size:
            return count
        starts, stops = _boundary.spans(batch, count)
        good = next((i for i in range(count) if stops[i] - starts[i] != layout.size), count)
        if good == count:
            return count
        index, length = batch.first_index + self._direction * good, stops[good] - starts[good]
        self._settle()
        if good:
            return self._scan(good)
        raise self._no_record(layout, index, length)

    def _packed(self) -> Packed:
        """The batch of records just scanned, in the order of reading. Called with _lock held."""
        batch = self._batch
        count = batch.count
        if batch.equal_length >= 0 and batch.region <= _LARGE * count and self._step > 0:
            return Packed(_boundary.copy(batch.address, batch.region), count, batch.pitch, batch.lead)
        payloads = list(map(bytes, self._views_of_batch(count)[1]))
        return Packed(b"".join(payloads), count, len(payloads[0]), 0)

    def _records_singly(self, layout: RecordLayout) -> Iterator[Any]:
        for payload in self._payloads_singly(layout):
            yield next(layout.decoded(Packed(payload, 1, layout.size, 0)))

    def _payloads_singly(self, layout: RecordLayout) -> Iterator[bytes]:
        while (payload := self._read_one()) is not None:
            if len(payload) != layout.size:
                index = self._excerpt.index
                self.move_to_index(index)
                raise self._no_record(layout, index, len(payload))
            yield payload

    def _no_record(self, layout: RecordLayout, index: int, length: int) -> RecordLengthError:
        error = RecordLengthError(
            f"cannot read excerpt {index:#x} as a record of {layout.size} bytes: it has {length}",
            path=self._path,
            hint="read() or skip this one, or use its own layout",
        )
        error.index = index
        return error

    # Documents and values.

    def _shapes_of(self, wire_type: str) -> Shapes:
        shapes = self._shapes.get(wire_type)
        if shapes is None:
            general, bare = partial(decode, wire_type=wire_type), partial(decode, wire_type="BINARY_LIGHT")
            # There is nothing to learn from what is not to be read as binary.
            learns = wire_type == "auto" or "BINARY" in wire_type
            shapes = self._shapes[wire_type] = Shapes(DocumentCells(), general, bare, learns=learns)
        return shapes

    def _scan_bounded(self, limit: int) -> int:
        """Scans the next batch, of no more bytes than are to be decoded at once; their number, 0 at the end."""
        count = self._scan(limit)
        region = self._batch.region
        if count > 1 and region > _BULK_BYTES:
            self._settle()
            count = self._scan(max(1, count * _BULK_BYTES // region))
        return count

    def _documents(
        self, count: int | None, take: Callable[[DocumentBatch], tuple[int, WireError | None]]
    ) -> WireError | None:
        """Gives the next documents to ``take``, which answers how many it took, fewer where one raised this error.

        The tailer then stands behind the last one taken. The error gets the index of the document.
        """
        if count is None and self._direction is Direction.NONE:
            raise UsageError("direction NONE repeats one document for ever: give a count", path=self._path)
        left = count
        while left is None or left:
            limit = BATCH if left is None else min(left, BATCH)
            if self._singly:
                # One by one, since each is to be the tailer's last when the next one raises.
                payload = self._read_one()
                if payload is None:
                    return None
                found = 1
                done, error = take(DocumentBatch.of_payloads([payload]))
                index = self._excerpt.index
                if error is not None:
                    self.move_to_index(index)
            else:
                with self._inside():
                    found = self._scan_bounded(limit)
                    if not found:
                        return None
                    done, error = take(DocumentBatch.of_scan(self._batch, found))
                    index = self._batch.first_index + self._step * done
                    self._pending = iter(range(found - done))
                    self._settle()
            if error is not None:
                error.index = index
                error.path = error.path or self._path
                return error
            if left is not None:
                left -= found
        return None

    def _value_batches(self) -> Iterator[Iterable[Any]]:
        codec = self._queue.codec
        while True:
            if self._singly:
                yield self._values_singly()
                return
            with self._inside():
                count = self._scan_bounded(BATCH)
                if not count:
                    return
                batch = self._batch
                first = batch.first_index
                error: Exception | None
                if codec.name == "wire":
                    values, error = self._shapes_of("auto").values(DocumentBatch.of_scan(batch, count))
                else:
                    values, error = decode_all(codec, list(self._payloads_of_batch(count)))
                done = len(values)
                if done < count:
                    # Only what was decoded is the batch: the tailer is to stand on the next one.
                    self._pending, self._payloads = iter(range(count - done)), _NOTHING
                    self._settle()
                    self._batch_end = first + self._step * done
                self._pending, self._payloads = pending = iter(values), _NOTHING
            yield pending[0]
            if error is not None and self.index == self._batch_end:
                raise self._undecodable(self._batch_end, error)

    def _values_singly(self) -> Iterator[Any]:
        codec = self._queue.codec
        while (payload := self._read_one()) is not None:
            index = self._excerpt.index
            values, error = decode_all(codec, [payload])
            if error is not None:
                self.move_to_index(index)
                raise self._undecodable(index, error)
            yield values[0]

    def _undecodable(self, index: int, cause: Exception) -> CodecError:
        error = CodecError(
            f"the codec {self._queue.codec.name} cannot read excerpt {index:#x}: {cause}",
            path=self._path,
            hint="read() it as bytes, or skip it, and go on",
        )
        error.index = index
        error.__cause__ = cause
        return error

    # One at a time.

    def _read_one(self) -> bytes | None:
        """The payload of the next document, which _excerpt then describes; None at the end. Takes the lock itself."""
        if self._lock.locked():
            raise self._busy()
        with self._lock:
            excerpt = self._excerpt
            payload = _unpack(excerpt.data, excerpt.length) if self._advance() else None
        if self._told is not None:
            self._announce()
        return payload

    def _advance(self) -> bool:
        """Reads the next document into _excerpt; False at the end. Called with _lock held."""
        if self._pending is not _NOTHING:
            self._settle()
        if self._clock is not None:
            self._tick()
        code = _cx_read(self._number, self._excerpt, self._meta)
        if code < 0:
            if code == lib.CX_E_NOT_READY:
                return False
            code = self._advance_again(code)
        return code == 1

    def _advance_again(self, code: int) -> int:
        # Apart from _advance, whose every call a closure would make slower.
        return self._persist(code, lambda: lib.cx_read(self._number, self._excerpt, self._meta))

    def _indexed_singly(self) -> Iterator[tuple[int, bytes]]:
        while (payload := self._read_one()) is not None:
            yield self._excerpt.index, payload

    def _views_singly(self) -> Iterator[memoryview]:
        excerpt = self._excerpt
        while True:
            with self._inside():
                if not self._advance():
                    return
                view = self._window_of(excerpt.window).part(excerpt.address, excerpt.length)
            yield view

    # Helpers.

    def _move(self, call: Callable[[], int]) -> int:
        with self._inside():
            self._settle()
            self._limit = 1
            if self._clock is not None:
                self._tick()
            code = call()
            return self._persist(code, call) if code < 0 else code

    def _move_again(self, code: int, index: int) -> int:
        return self._persist(code, lambda: lib.cx_move_to_index(self._number, index))

    def _tick(self) -> None:
        """Tells the core the caller's time: a tailer of a Vanilla journal goes no further than the present cycle."""
        assert self._clock is not None
        _boundary.checked(lib.cx_set_clock(self._number, _boundary.clock_ms(self._clock)), self._path)

    def _persist(self, code: int, call: Callable[[], int]) -> int:
        code = _boundary.patiently(call, code, self._queue.timeout_ms)
        if code < 0:
            raise _boundary.error_for(code, self._path)
        return code

    def _announce(self) -> None:
        """Tells the queue's on_cycle of roll files opened since the last look."""
        if self._told is None:
            return
        facts = self._facts
        if facts.acquired != self._acquired:
            self._acquired = facts.acquired
            before, self._acquired_cycle = self._acquired_cycle, facts.acquired_cycle
            if before is not None:
                self._told(before, False)
            self._told(self._acquired_cycle, True)
