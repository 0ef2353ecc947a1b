"""Writing excerpts: the Appender, its growing buffer, and the indexes of many.

The decision hidden here is how Python values become calls that each append whole excerpts: bytes go straight through
one call, many messages through one call per thousand, everything else through a copy or a buffer.

Rules
- ``append`` is one Python frame around one native call; what is seldom needed (a clock of the caller's, a callback at
  a roll) lives in a subclass, so that it costs the others nothing.
- A call either appends its message and returns its index, or raises and has appended nothing. ``append_many`` keeps
  what it appended before an error and says so in the error's ``appended``.
- One thread at a time: a second one gets BusyError.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, NoReturn, overload

from pychronix import _boundary
from pychronix._boundary import ClosedFacts, lib
from pychronix.codec import encode_all, encode_one
from pychronix.errors import MessageTooLongError, UsageError
from pychronix.fields import FieldWriter
from pychronix.fields.records import record_layout
from pychronix.wire import encode_text
from pychronix.wire.encoding import document_payload, event_payload, map_payload
from pychronix.wire.scalars import Payload
from pychronix.wire.writing import WireWriter

if TYPE_CHECKING:
    from types import TracebackType

    from pychronix._boundary import AppenderInfo, Buffer, CData, Handle
    from pychronix.queue import Queue

__all__ = ["Appender", "ExcerptBuffer", "Indexes"]

_CHUNK_MESSAGES = 1024  # One native call, hence one hold of the write lock, appends at most so many messages ...
_CHUNK_BYTES = 1 << 20  # ... and about so many bytes: others wait for that lock.
_FIRST_CHUNK = 32  # The sizes are unknown before the first chunk, which must not eat the memory.
_COPY_BELOW = 1 << 16  # Copying a small bytearray is quicker than borrowing its memory.
_UINT32_MAX = (1 << 32) - 1

# A global is found faster than an attribute of lib. For the same reason no closure in append() may refer to its data.
_cx_append, _cx_begin, _cx_append_begun = lib.cx_append, lib.cx_begin, lib.cx_append_begun
_ANY_TIME = lib.CX_ANY_TIME


@lru_cache(maxsize=16)
def _equal_lengths(length: int, count: int) -> CData:
    """The lengths of a chunk of records, for the native call, which only reads them."""
    return _boundary.lengths_pointer(array("I", (length,)) * count)


def _lengths(messages: Sequence[Buffer]) -> CData:
    """The lengths of a chunk of messages, for the native call. To find them equal is quicker than to store them."""
    lengths = list(map(len, messages))  # type: ignore[arg-type]
    first = lengths[0]
    if lengths[-1] == first and lengths.count(first) == len(lengths):
        return _equal_lengths(first, len(lengths))
    return _boundary.lengths_pointer(array("I", lengths))


class Indexes(Sequence[int]):
    """Indexes of messages that were appended together: consecutive, but for a gap where the cycle rolled.

    Behaves like the range of them: len, iteration, ``[i]``, slices, ``in``. ``first`` and ``last`` are None if empty.
    ``pieces`` are the contiguous ranges, usually one.
    """

    __slots__ = ("_stops", "pieces")

    pieces: tuple[range, ...]

    def __init__(self, pieces: Iterable[range] = ()) -> None:
        self.pieces = tuple(piece for piece in pieces if piece)
        self._stops = tuple(accumulate(map(len, self.pieces)))

    @property
    def first(self) -> int | None:
        """The smallest index."""
        return self.pieces[0][0] if self.pieces else None

    @property
    def last(self) -> int | None:
        """The largest index."""
        return self.pieces[-1][-1] if self.pieces else None

    def __len__(self) -> int:
        return self._stops[-1] if self._stops else 0

    def __iter__(self) -> Iterator[int]:
        for piece in self.pieces:
            yield from piece

    def __contains__(self, value: object) -> bool:
        return any(value in piece for piece in self.pieces)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step != 1:
                return tuple(self[i] for i in range(start, stop, step))
            pieces = []
            before = 0
            for piece in self.pieces:
                pieces.append(piece[max(start - before, 0) : max(stop - before, 0)])
                before += len(piece)
            return Indexes(pieces)
        position = range(len(self))[at]  # Negative numbers and the IndexError are range's.
        which = bisect_right(self._stops, position)
        return self.pieces[which][position - self._stops[which]]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Indexes):
            return self.pieces == other.pieces
        if isinstance(other, (range, list, tuple)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        pieces = ", ".join(f"{piece[0]:#x}..{piece[-1]:#x}" for piece in self.pieces)
        return f"<Indexes of {len(self)}: {pieces}>"


class ExcerptBuffer(FieldWriter):
    """A growing buffer that becomes one excerpt: what ``Appender.writing()`` hands out, for a ``with`` block.

    Takes raw bytes, and typed fields as Java's Bytes. They are written at ``position``, which moves along; writing before
    the end overwrites, a seek beyond the end leaves zeros between. ``index`` is the excerpt's once it is committed, None
    before (and for metadata).
    """

    __slots__ = ("_appender", "_begun_ms", "_meta", "_rollback", "index")

    def __init__(self, appender: Appender, meta: bool, dialect: str) -> None:
        FieldWriter.__init__(self, dialect)
        self._appender = appender
        self._begun_ms = _ANY_TIME
        self._meta = meta
        self._rollback = False
        self.index: int | None = None

    def write_text(self, text: str | None) -> int:
        """Writes a Wire text value, as Java's ``wire.getValueOut().text(...)``; returns the number of bytes."""
        return self.write(encode_text(text))

    def rollback_on_close(self) -> None:
        """When the block ends nothing is written. (Java: rollbackOnClose.)"""
        self._rollback = True

    def __enter__(self) -> ExcerptBuffer:
        if self._finished:
            self._check_open()
        if self._appender._begins:
            self._begun_ms = self._appender._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        done = self._finish()
        if kind is not None or self._rollback:
            return
        if self._meta:
            self._appender._append_meta(done)
        else:
            appender = self._appender
            begun_ms = self._begun_ms
            self.index = appender.append(done) if begun_ms == _ANY_TIME else appender._append_begun(done, begun_ms)


class DocumentWriter(WireWriter):
    """A Wire document that becomes one excerpt: what ``Appender.writing_document()`` hands out, for a ``with`` block.

    ``index`` is the excerpt's once it is committed, None before (and for metadata).
    """

    __slots__ = ("_appender", "_begun_ms", "_meta", "_rollback", "index")

    def __init__(self, appender: Appender, meta: bool) -> None:
        WireWriter.__init__(self, appender._wire_type)
        self._appender = appender
        self._begun_ms = _ANY_TIME
        self._meta = meta
        self._rollback = False
        self.index: int | None = None

    def rollback_on_close(self) -> None:
        """When the block ends nothing is written. (Java: rollbackOnClose.)"""
        self._rollback = True

    def __enter__(self) -> DocumentWriter:
        if self._appender._begins:
            self._begun_ms = self._appender._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None and not self._rollback:
            index = self._appender._append_payload(self.payload(), self._meta, self._begun_ms)
            self.index = None if self._meta else index


class Appender:
    """Appends excerpts at the end of a queue, beside any number of other appenders in any process.

    Comes from ``Queue.appender()``. Visible to every reader as soon as a call returns; on disk after ``sync()`` or with
    ``durable=True``. One thread at a time. Closing the queue closes it; ``with`` closes it, too.
    (Java: StoreAppender.)
    """

    __slots__ = (
        "__weakref__",
        "_begins",
        "_dialect",
        "_facts",
        "_handle",
        "_number",
        "_path",
        "_queue",
        "_timeout_ms",
        "_wire_type",
    )

    _facts: AppenderInfo

    def __init__(self, queue: Queue, handle: Handle) -> None:
        self._queue = queue
        self._handle = handle
        self._number = handle.number
        self._path = handle.path
        self._timeout_ms = queue.timeout_ms
        self._facts = lib.cx_appender_facts(handle.number)
        self._dialect = queue.dialect
        self._wire_type = queue.wire_type or "BINARY_LIGHT"  # Chronicle 3.x has no Wire: the same bytes all the same
        self._begins = True  # Whether it matters when an excerpt of writing() was begun: asked once.

    # Appending.

    def append(self, data: Buffer, durable: bool = False) -> int:
        """Appends one excerpt and returns its index. The fast path: ``bytes`` are fastest.

        ``data`` is any contiguous bytes-like object, stored as it is; in ``.cq4`` queues an empty one is stored as
        the one padding byte 8F, as Java does. ``durable`` waits until it is on disk. (Java: writeBytes.)

        Raises TypeError for str; MessageTooLongError; LockedError if a live process kept the write lock for 1.5 times
        the queue's timeout; AppendLockedError; CycleClosedError if the clock names a cycle that is already closed;
        CycleFullError; QueueFullError on a full disk; ClosedError, BusyError, ForkedError. Nothing is written then.
        """
        try:
            index = _cx_append(self._number, data, len(data))  # type: ignore[arg-type]
        except TypeError:
            index = self._append_other(data)
        if index < 0:
            index = self._append_again(index, data)
        if durable:
            self.sync()
        return index

    def append_many(self, messages: Iterable[Buffer], *, durable: bool = False) -> Indexes:
        """Appends each of many excerpts and returns their indexes. The fast way to write a lot.

        Takes any iterable, also an endless generator's slice: about a thousand messages or 1 MiB at a time go through
        one native call under one lock, so other writers' messages may come between, and the cycle may roll.

        Raises what ``append`` raises, and whatever the iterable raises. What was appended before stays appended; the
        exception's attribute ``appended`` has its indexes.
        """
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"append_many takes an iterable of messages, not one {type(messages).__name__}: use append")
        listed = messages if type(messages) is list else None  # Slices of a list are quicker than its iterator.
        rest = iter(messages)
        pieces: list[range] = []
        limit = _FIRST_CHUNK
        at = 0
        try:
            while chunk := list(islice(rest, limit)) if listed is None else listed[at : at + limit]:
                at += len(chunk)
                size = self._append_chunk(chunk, pieces)
                limit = max(1, min(_CHUNK_MESSAGES, _CHUNK_BYTES * len(chunk) // (size or 1)))
            if durable and pieces:
                self.sync()
        except BaseException as error:
            error.appended = Indexes(pieces)  # type: ignore[attr-defined]
            raise
        return Indexes(pieces)

    def append_text(self, text: str | None, *, durable: bool = False) -> int:
        """Appends a text as Java's ``writeText`` does, and returns its index; None is Java's null."""
        return self.append(encode_text(text), durable=durable)

    def append_document(self, value: object, *, durable: bool = False) -> int:
        """Appends an object as a Wire document, as Java's ``writeDocument`` does, and returns its index.

        ``value`` is a mapping, a dataclass or a Typed of one; see ``wire.encode_document``. Raises WireError for what Wire
        cannot hold, and what ``append`` raises; nothing is written then.
        """
        return self._append_encoded(document_payload(value, self._wire_type), durable)

    def append_map(self, mapping: Mapping[Any, Any], *, durable: bool = False) -> int:
        """Appends a mapping as Java's ``writeMap`` does, and returns its index; see ``wire.encode_map``."""
        return self._append_encoded(map_payload(mapping, self._wire_type), durable)

    def append_event(self, event: str | int, *arguments: object, durable: bool = False) -> int:
        """Appends a call of a method, by name or id, as Java's method writers do, and returns its index.

        A Java MethodReader takes it. No history is written before it: see ``Queue.method_writer``, and
        ``wire.encode_event``.
        """
        return self._append_encoded(event_payload(event, arguments, None, None, self._wire_type), durable)

    def append_at(self, index: int, data: Buffer) -> bool:
        """Appends an excerpt at exactly this index: True if it did, False if the index was already written.

        For copying a queue: repeating the copy changes nothing. An index beyond the next one raises IndexRangeError,
        whose ``next_index`` is that one; sequence 0 of a cycle that does not exist creates it, a past one too, where
        tailers then wait until an append or ``normalise_eofs`` closes it. Works under an append lock that this
        process holds. (Java: InternalAppender.writeBytes(index, bytes).)
        """
        index = _boundary.int64(index, "index")
        if index < 0:
            raise UsageError(f"an index is not negative: {index}")

        def call() -> int:
            with _boundary.borrowed(data) as raw:
                return lib.cx_append_at(self._number, index, raw, len(raw))

        appended = self._checked(call) == 1
        self._announce()
        return appended

    def append_records(self, layout: object, records: Iterable[Any], *, durable: bool = False) -> Indexes:
        """Appends many records of one layout, each as an excerpt, and returns their indexes. The fast way for numbers.

        ``layout`` is a format of ``struct`` (without a prefix "<": little-endian, not aligned) or a ``struct.Struct``,
        for records that are tuples; a NumPy dtype, for a structured array, a (n, itemsize) array of bytes or tuples; or
        a ``construct`` struct of fixed size, for dicts. About a thousand go through one native call, as with
        append_many.

        Raises UsageError for a record that does not fit, with its number, and what ``append`` raises. What was
        appended before stays appended; the exception's attribute ``appended`` has its indexes.

        >>> appender.append_records("iqd", [(1, 2, 3.5)] * 1000)  # doctest: +SKIP
        """
        found = record_layout(layout)
        pieces: list[range] = []
        try:
            for joined, count in found.encoded(records, _CHUNK_MESSAGES, _CHUNK_BYTES):
                self._append_joined(joined, _equal_lengths(found.size, count), count, pieces)
            if durable and pieces:
                self.sync()
        except BaseException as error:
            error.appended = Indexes(pieces)  # type: ignore[attr-defined]
            raise
        return Indexes(pieces)

    def append_value(self, value: Any, *, durable: bool = False) -> int:
        """Appends a value as the queue's codec writes it (``open_queue(codec=)``), and returns its index.

        Raises CodecError, and nothing is written, where the codec fails; and what ``append`` raises.
        """
        return self.append(encode_one(self._queue.codec, value), durable=durable)

    def append_values(self, values: Iterable[Any], *, durable: bool = False) -> Indexes:
        """Appends each of many values as the queue's codec writes it, and returns their indexes.

        All are encoded before the first is appended: where the codec fails on one, CodecError says which, and nothing is
        written. Otherwise as append_many.
        """
        return self.append_many(encode_all(self._queue.codec, values), durable=durable)

    def writing(self, meta: bool = False) -> ExcerptBuffer:
        """A growing buffer that is appended as one excerpt when the ``with`` block ends; takes typed fields.

        An exception in the block, or ``rollback_on_close()``, and nothing at all is written. In ``.cq4`` queues an empty
        buffer is appended as the one padding byte 8F. No lock is held while the block runs. ``meta`` writes a metadata
        document, which readers skip and which takes no index. (Java: writingDocument; in Chronicle 3 startExcerpt and
        finish.)

        >>> with appender.writing() as doc:  # doctest: +SKIP
        ...     doc.write_int(7)
        ...     doc.write_string("hello")
        >>> doc.index  # doctest: +SKIP
        """
        return ExcerptBuffer(self, meta, self._dialect)

    def writing_document(self, meta: bool = False) -> DocumentWriter:
        """A Wire document that is appended when the ``with`` block ends, written item by item as Java's.

        An exception in the block, or ``rollback_on_close()``, and nothing at all is written. No lock is held while the
        block runs: values that Java binds to are aligned when the place of the document is known. ``meta`` writes a
        metadata document. (Java: writingDocument.)

        >>> with appender.writing_document() as wire:  # doctest: +SKIP
        ...     wire.write("name").text("bob").write("age").int32(40)
        >>> wire.index  # doctest: +SKIP
        """
        return DocumentWriter(self, meta)

    # Durability, upkeep.

    def sync(self) -> None:
        """Returns when everything appended through this appender is on disk.

        Also raises ``chronicle.lastIndexMSynced`` in the table store, if there is one, as Java does. Raises
        SystemCallError if the disk refuses: what was appended is then visible, but not known to be durable.
        """
        self._checked(lambda: lib.cx_sync(self._number))

    def pretouch(self) -> int:
        """Allocates and populates pages ahead of the append position, so that no append waits for the kernel.

        Call it from time to time (Java: pretouch()). Returns the number of bytes populated.
        """
        return self._checked(lambda: lib.cx_pretouch(self._number))

    def append_padding(self) -> None:
        """Ends the data block of an Indexed journal with the entry that fills it and takes an index (Java: addPaddedEntry).

        What a replica needs, whose source has padding there. Raises UnsupportedFormatError where not
        ``queue.has_padding``.
        """
        self._checked(lambda: lib.cx_append_padding(self._number))

    def normalise_eofs(self) -> None:
        """Writes the end-of-data markers that crashed writers left out of older cycles (Java: normaliseEOFs())."""
        self._checked(lambda: lib.cx_normalise_eofs(self._number))

    # Facts.

    @property
    def queue(self) -> Queue:
        """The queue this appender appends to."""
        return self._queue

    @property
    def last_index(self) -> int | None:
        """Index of the last excerpt appended through this appender, None before the first."""
        index = self._facts.last_index
        return None if index < 0 else index

    @property
    def cycle(self) -> int | None:
        """The cycle whose roll file is open for appending, None while none is."""
        cycle = self._facts.cycle
        return None if cycle < 0 else cycle

    @property
    def recovered_locks(self) -> int:
        """How many write locks of dead processes this appender released."""
        return self._facts.recovered

    @property
    def lost_locks(self) -> int:
        """How often somebody forced the write lock open while this appender held it."""
        return self._facts.lock_lost

    # End.

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def close(self) -> None:
        """Gives the roll file back. Once more is nothing."""
        if not self._handle.closed:
            self._handle.close()
            self._facts = ClosedFacts("appender", self._path)  # type: ignore[assignment]

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Appender of {self._path!r}, closed>"
        last = self.last_index
        return f"<Appender of {self._path!r}, last index {'none' if last is None else hex(last)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an appender cannot be pickled: open the queue where it is needed")

    # Helpers.

    def _tick(self) -> None:
        """Tells the core the time before a call; nothing here, where it reads the system clock itself."""

    def _announce(self) -> None:
        """Tells the queue's on_cycle of a roll; nothing here."""

    def _checked(self, call: Callable[[], int]) -> int:
        """The result of a call, repeated while the core says "not now"."""
        self._tick()
        code = call()
        return self._persist(code, call) if code < 0 else code

    def _persist(self, code: int, call: Callable[[], int]) -> int:
        """Repeats a call that gave ``code`` while the core says "not now"; returns its result or raises."""
        if _boundary.is_not_now(code):

            def again() -> int:
                self._tick()
                return call()

            code = _boundary.patiently(again, code, self._timeout_ms, lambda: lib.cx_allow_discard(self._number))
        if code < 0:
            raise _boundary.error_for(code, self._path)
        return code

    def _append_again(self, code: int, data: Buffer) -> int:
        """What follows an append that gave ``code``, the error of a call that changed nothing."""
        return self._persist(code, lambda: self._append_other(data))

    def _append_other(self, data: Buffer) -> int:
        """One append of anything bytes-like, by the native code's result."""
        if isinstance(data, bytearray) and len(data) < _COPY_BELOW:
            data = bytes(data)
        if isinstance(data, bytes):
            return lib.cx_append(self._number, data, len(data))
        with _boundary.borrowed(data) as raw:
            return lib.cx_append(self._number, raw, len(raw))

    def _begin(self) -> int:
        """Begins an excerpt: what _append_begun takes when it is finished, or _ANY_TIME where that does not matter."""
        begun_ms = _cx_begin(self._number)
        if begun_ms < 0:
            raise _boundary.error_for(begun_ms, self._path)
        # A format to which it does not matter once need not be asked again.
        self._begins = begun_ms != _ANY_TIME
        return begun_ms

    def _append_begun(self, data: bytes, begun_ms: int) -> int:
        index = _cx_append_begun(self._number, data, len(data), begun_ms)
        return index if index >= 0 else self._append_begun_again(index, data, begun_ms)

    def _append_begun_again(self, code: int, data: bytes, begun_ms: int) -> int:
        """What follows an _append_begun that gave ``code``."""
        return self._persist(code, lambda: lib.cx_append_begun(self._number, data, len(data), begun_ms))

    def _append_encoded(self, payload: Payload, durable: bool) -> int:
        """Appends a document; the index."""
        if not payload.marks:
            return self.append(bytes(payload.data), durable)
        index = self._append_payload(payload, False, _ANY_TIME)
        if durable:
            self.sync()
        return index

    def _append_payload(self, payload: Payload, meta: bool, begun_ms: int) -> int:
        """Appends a document that was begun at some time; the index, 0 for metadata."""
        if not payload.marks:
            data = bytes(payload.data)
            if meta:
                self._append_meta(data)
                return 0
            return self.append(data) if begun_ms == _ANY_TIME else self._append_begun(data, begun_ms)
        # What Java aligns lies differently in each of these forms; the core takes the one for the place it finds.
        forms = payload.forms()
        joined, lengths = b"".join(forms), _lengths(forms)
        index = self._checked(lambda: lib.cx_append_placed(self._number, joined, lengths, len(forms), meta, begun_ms))
        self._announce()
        return index

    def _append_meta(self, data: bytes) -> None:
        self._checked(lambda: lib.cx_append_meta(self._number, data, len(data)))
        self._announce()

    def _append_chunk(self, chunk: Sequence[Buffer], pieces: list[range]) -> int:
        """Appends all of a chunk and adds their indexes to ``pieces``; returns the number of bytes."""
        try:
            pointer = _lengths(chunk)
            size = lib.cx_total_length(pointer, len(chunk))
            joined = b"" if size > _CHUNK_BYTES and len(chunk) > 1 else b"".join(chunk)
        except (TypeError, OverflowError, BufferError):
            size = -1
        else:
            if size > _CHUNK_BYTES and len(chunk) > 1:
                half = len(chunk) // 2
                return self._append_chunk(chunk[:half], pieces) + self._append_chunk(chunk[half:], pieces)
        if size < 0 or len(joined) != size:
            # Something is not bytes, or its items are longer than a byte, or it is too long to be anything.
            plain = [_boundary.as_bytes(message) for message in chunk]
            longest = max(map(len, plain))
            if longest > _UINT32_MAX:
                raise MessageTooLongError(f"a message has at most {lib.CX_MESSAGE_MAX} bytes, not {longest}")
            return self._append_chunk(plain, pieces)
        self._append_joined(joined, pointer, len(chunk), pieces)
        return size

    def _append_joined(self, joined: bytes, lengths: CData, total: int, pieces: list[range]) -> None:
        """Appends ``total`` messages that lie back to back in ``joined``."""
        first = _boundary.out_int64()
        done = at = 0
        while True:
            data = _boundary.advance(joined, at) if at else joined
            count = self._append_rest(data, lengths + done, total - done, first)
            start = first[0]
            if pieces and pieces[-1].stop == start:
                pieces[-1] = range(pieces[-1].start, start + count)
            else:
                pieces.append(range(start, start + count))
            self._announce()
            if done + count >= total:
                return
            at += lib.cx_total_length(lengths + done, count)
            done += count

    def _append_rest(self, data: bytes | CData, lengths: CData, count: int, first: CData) -> int:
        """One native call for the messages whose bytes are in data; returns how many it appended."""

        def call() -> int:
            return lib.cx_append_many(self._number, data, lengths, count, first)

        return self._checked(call)


class ObservedAppender(Appender):
    """An Appender of a queue that has a clock of its own, or somebody who wants to hear of rolls."""

    __slots__ = ("_clock", "_cycle", "_rolls", "_told")

    def __init__(
        self,
        queue: Queue,
        handle: Handle,
        clock: Callable[[], int] | None,
        told: Callable[[int, bool], None] | None,
    ) -> None:
        super().__init__(queue, handle)
        self._clock = clock
        self._told = told
        self._cycle = -1
        self._rolls = 0
        self._announce()

    def append(self, data: Buffer, durable: bool = False) -> int:
        index = self._checked(lambda: self._append_other(data))
        self._announce()
        if durable:
            self.sync()
        return index

    append.__doc__ = Appender.append.__doc__

    def _begin(self) -> int:
        self._tick()
        return super()._begin()

    def _append_begun(self, data: bytes, begun_ms: int) -> int:
        self._tick()
        index = super()._append_begun(data, begun_ms)
        self._announce()
        return index

    def close(self) -> None:
        super().close()
        if self._told is not None and self._cycle >= 0:
            cycle, self._cycle = self._cycle, -1
            self._told(cycle, False)

    close.__doc__ = Appender.close.__doc__

    def _tick(self) -> None:
        if self._clock is not None:
            _boundary.checked(lib.cx_set_clock(self._number, _boundary.clock_ms(self._clock)), self._path)

    def _announce(self) -> None:
        if self._told is None:
            return
        facts = self._facts
        if facts.rolls != self._rolls:
            self._rolls = facts.rolls
            before, self._cycle = self._cycle, facts.cycle
            if before >= 0:
                self._told(before, False)
            if self._cycle >= 0:
                self._told(self._cycle, True)
