"""The only module that talks to the native core.

The decision hidden here is how C looks from Python: which exception a code becomes, how long to go on when the core
says "not now", how a mapped window becomes a read-only memoryview that outlives every handle, and how a bytes-like
argument gets across. Above this module there are no codes below zero, no pointers and no cffi objects.

Rules
- The fast path is the caller's: it calls ``lib.cx_...`` itself, and comes here only if the result is negative.
- Closing is not freeing. A handle is freed when the last Python object that could use it is gone (``Handle``), so a
  thread that is inside a call when another one closes never touches freed memory.
- Waiting for another process's lock happens here and nowhere else below ``follow``; it never lasts longer than the
  queue's timeout, and Ctrl-C ends it.
- Views are always read-only: ffi.buffer over C memory is writable, and a store into a page that is mapped for reading
  only would end the process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from operator import index as _as_int
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from weakref import ref

try:
    from pychronix._native import ffi, lib
except ModuleNotFoundError as _missing:
    raise ImportError(
        "the native core is not built in this copy of pychronix: run Python outside of the checkout, or in the checkout "
        "`pip install -e .`"
    ) from _missing
from pychronix.errors import (
    AccessError,
    AppendLockedError,
    BusyError,
    ChronixError,
    ClosedError,
    CorruptError,
    CycleClosedError,
    CycleFullError,
    ForkedError,
    IndexRangeError,
    LockedError,
    MessageTooLongError,
    NotFoundError,
    NotReadyError,
    OutOfMemoryError,
    QueueFullError,
    ReadOnlyError,
    SettingsChangedError,
    SystemCallError,
    UnsupportedFormatError,
    UsageError,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pychronix._native import AppenderInfo, Batch, CData, CycleInfo, Excerpt, Settings, TailerInfo
else:
    Buffer = AppenderInfo = Batch = CData = CycleInfo = Excerpt = Settings = TailerInfo = Any

__all__ = [
    "BATCH",
    "AppenderInfo",
    "Batch",
    "Buffer",
    "CData",
    "ClosedFacts",
    "CycleInfo",
    "DocumentBatch",
    "DocumentCells",
    "Excerpt",
    "Handle",
    "Living",
    "Settings",
    "TailerInfo",
    "Window",
    "advance",
    "as_bytes",
    "batch_format",
    "borrowed",
    "build_flags",
    "chars",
    "checked",
    "copy",
    "error_for",
    "int64",
    "int64s",
    "is_not_now",
    "kill_at",
    "kill_points",
    "latin_string",
    "lengths_pointer",
    "lib",
    "new_batch",
    "new_cycle_info",
    "new_excerpt",
    "new_format",
    "new_settings",
    "out_int64",
    "path_string",
    "patient",
    "patiently",
    "spans",
    "spans_copied",
    "text_of",
    "unpack",
    "unpacked",
    "until_ready",
    "wait_for",
]

BATCH = lib.CX_BATCH
"""Most messages that one scan returns."""

_ERRORS: dict[int, type[ChronixError]] = {
    lib.CX_E_CLOSED: ClosedError,
    lib.CX_E_BUSY: BusyError,
    lib.CX_E_FORKED: ForkedError,
    lib.CX_E_USAGE: UsageError,
    lib.CX_E_NOT_FOUND: NotFoundError,
    lib.CX_E_NO_SPACE: QueueFullError,
    lib.CX_E_TOO_LONG: MessageTooLongError,
    lib.CX_E_CORRUPT: CorruptError,
    lib.CX_E_OS: SystemCallError,
    lib.CX_E_PERMISSION: AccessError,
    lib.CX_E_LOCKED: LockedError,
    lib.CX_E_FILE_LOCKED: LockedError,
    lib.CX_E_NOT_READY: NotReadyError,
    lib.CX_E_APPEND_LOCKED: AppendLockedError,
    lib.CX_E_EOF: CycleClosedError,
    lib.CX_E_UNSUPPORTED: UnsupportedFormatError,
    lib.CX_E_CYCLE_FULL: CycleFullError,
    lib.CX_E_INDEX: IndexRangeError,
    lib.CX_E_CHANGED: SettingsChangedError,
    lib.CX_E_READ_ONLY: ReadOnlyError,
    lib.CX_E_NO_MEMORY: OutOfMemoryError,
}

_NOT_NOW = frozenset({lib.CX_E_LOCKED, lib.CX_E_FILE_LOCKED, lib.CX_E_NOT_READY})

# Java waits 1.5 times its timeout for the write lock (TableStoreWriteLock), so that whoever holds it times out first.
_LOCK_PATIENCE = 1.5
_EAGER_CALLS = 20  # A holder that runs keeps the lock for a few microseconds, which is a few calls.
_YIELD_S = 0.000_2  # Then others may need the processor in order to give the lock back.
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.000_05, 0.005
_CLOSE_PATIENCE_S = 5.0  # For a thread inside a handle that another one closes: longer than any one call.
_FEW_LIVING = 64  # References to objects that are gone are dropped when there are more than that.


# --- errors ----------------------------------------------------------------------------------------------------------


def error_for(code: int, path: str | None = None) -> ChronixError:
    """The exception of a negative result; to be called by the thread that got it, before its next call."""
    info = lib.cx_error()
    kind = _ERRORS.get(code)
    if info.code != code:
        # Codes such as CX_E_CLOSED may come without details.
        summary = (kind.__doc__ or kind.__name__).partition(".")[0] if kind else f"the native core answered {code}"
        return (kind or ChronixError)(summary, path=path)
    text = ffi.string(info.text).decode("utf-8", "replace")
    where = os.fsdecode(ffi.string(info.path)) or path
    offset = info.offset if info.offset >= 0 else None
    value = info.value
    error = (kind or ChronixError)(
        text or f"the native core answered {code}", path=where, offset=offset, errno=info.os_errno or None
    )
    if isinstance(error, (LockedError, AppendLockedError)):
        error.pid = value or None
        if isinstance(error, LockedError) and value:
            error.hint = (
                "that is this process: another thread of it, or an earlier process with its pid (README, Limits)"
                if value == os.getpid()
                else f"wait longer for process {value} (timeout_ms=), or end it if it hangs"
            )
    elif isinstance(error, IndexRangeError):
        error.next_index = value
        error.hint = f"the next index is {value:#x}"
    return error


def checked(code: int, path: str | None = None) -> int:
    """The result, or the exception that it stands for."""
    if code < 0:
        raise error_for(code, path)
    return code


# --- patience --------------------------------------------------------------------------------------------------------


def is_not_now(code: int) -> bool:
    """Whether a result says that nothing was changed and the same call may succeed later."""
    return code in _NOT_NOW


def patiently(call: Callable[[], int], code: int, timeout_ms: int, discard: Callable[[], int] | None = None) -> int:
    """Repeats a call whose result was ``code`` while the core says "not now"; returns the last result.

    At first at once, then with pauses of 50 us to 5 ms, until timeout_ms (1.5 times that for the write lock, as Java).
    ``discard``, if given, is called once when a file was not ready for all that time, and the call repeated: an
    appender may rename a roll file whose creator died.
    """
    begun = time.monotonic()
    pause = _PAUSE_MIN_S
    calls = 0
    while code in _NOT_NOW:
        elapsed = time.monotonic() - begun
        if elapsed * 1000 >= (timeout_ms * _LOCK_PATIENCE if code == lib.CX_E_LOCKED else timeout_ms):
            if code != lib.CX_E_NOT_READY or discard is None:
                break
            discarded = discard()
            discard = None
            if discarded < 0:
                return discarded
        elif calls >= _EAGER_CALLS:
            if elapsed < _YIELD_S:
                os.sched_yield()
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, _PAUSE_MAX_S)
        calls += 1
        code = call()
    return code


def patient(call: Callable[[], int], timeout_ms: int) -> int:
    """Calls, and repeats while the core says "not now"; returns the last result."""
    code = call()
    return patiently(call, code, timeout_ms) if code in _NOT_NOW else code


_T = TypeVar("_T")


def until_ready(call: Callable[[], _T], timeout_ms: int) -> _T:
    """What a call returns, repeated with pauses while it raises NotReadyError, until the timeout lets that through."""
    give_up = time.monotonic() + timeout_ms / 1000
    while True:
        try:
            return call()
        except NotReadyError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(_PAUSE_MAX_S)


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits a little for a thread inside a handle that another one closes; longer than any one call takes."""
    give_up = time.monotonic() + _CLOSE_PATIENCE_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(_PAUSE_MIN_S)


class Living(Generic[_T]):
    """Objects, as long as they live: a WeakSet, but without callbacks, which are Python, where Ctrl-C would be lost.

    Threads may add at the same time.
    """

    __slots__ = ("_limit", "_lock", "_references")

    def __init__(self) -> None:
        self._references: list[ref[_T]] = []
        self._limit = _FEW_LIVING
        self.forked()

    def add(self, item: _T) -> None:
        """Adds an object that is not there yet."""
        with self._lock:
            self._references.append(ref(item))
            if len(self._references) >= self._limit:
                self._references = [reference for reference in self._references if reference() is not None]
                self._limit = max(2 * len(self._references), _FEW_LIVING)

    def all(self) -> list[_T]:
        """Those that live."""
        return [item for reference in self._references if (item := reference()) is not None]

    def forked(self) -> None:
        """For a child: whoever added something in another thread of the parent does not exist here."""
        self._lock = threading.Lock()


# --- handles ---------------------------------------------------------------------------------------------------------


class Handle:
    """A native handle with its end: closed once at most, freed when nothing refers to this object any more.

    ``number`` is what calls take. ``parent`` (the queue's Handle) is kept, so that a queue is freed after its
    appenders and tailers whatever the order in which Python lets go of them.
    """

    __slots__ = ("_close", "_owner", "closed", "number", "path")

    def __init__(
        self,
        open_: Callable[[CData], int],
        close: Callable[[int], int],
        free: Callable[[int], None],
        *,
        path: str,
        timeout_ms: int,
        parent: Handle | None = None,
    ) -> None:
        out = ffi.new("uintptr_t *")
        checked(patient(lambda: open_(out), timeout_ms), path)
        number: int = out[0]
        self.number = number
        self.path = path
        self.closed = False
        self._close = close
        # As with windows no line of Python runs at the end, in which Ctrl-C could strike and be lost.
        destructor: Any = partial(free)
        destructor.parent = parent
        self._owner = ffi.gc(ffi.cast("uintptr_t", number), destructor)

    @classmethod
    def queue(cls, path: str, settings: Settings, timeout_ms: int) -> Handle:
        """Opens a queue."""
        raw = path_string(path)
        return cls(
            lambda out: lib.cx_queue_open(raw, settings, out),
            lib.cx_queue_close,
            lib.cx_queue_free,
            path=path,
            timeout_ms=timeout_ms,
        )

    def appender(self, timeout_ms: int) -> Handle:
        """Opens an appender of this queue."""
        return Handle(
            lambda out: lib.cx_appender_open(self.number, out),
            lib.cx_appender_close,
            lib.cx_appender_free,
            path=self.path,
            timeout_ms=timeout_ms,
            parent=self,
        )

    def tailer(self, name: str | None, timeout_ms: int) -> Handle:
        """Opens a tailer of this queue; a named one keeps its position in the table store."""
        # The key's other parts: "index." before, ".version" after the name.
        raw = ffi.NULL if name is None else latin_string(name, "tailer's name", lib.CX_KEY_MAX - len("index..version"))
        return Handle(
            lambda out: lib.cx_tailer_open(self.number, raw, out),
            lib.cx_tailer_close,
            lib.cx_tailer_free,
            path=self.path,
            timeout_ms=timeout_ms,
            parent=self,
        )

    def close(self) -> None:
        """Closes; once more is nothing. Waits a little for a thread inside the handle, then raises BusyError."""
        if self.closed:
            return
        code = self._close(self.number)
        if code == lib.CX_E_BUSY:
            wait_for(lambda: self._close(self.number) != lib.CX_E_BUSY)
            code = self._close(self.number)
        if code < 0 and code not in (lib.CX_E_CLOSED, lib.CX_E_FORKED):
            raise error_for(code, self.path)
        self.closed = True


class ClosedFacts:
    """Stands for the facts of a closed handle: whatever is asked, the answer is ClosedError."""

    __slots__ = ("_path", "_what")

    def __init__(self, what: str, path: str) -> None:
        self._what = what
        self._path = path

    def __getattr__(self, name: str) -> NoReturn:
        raise ClosedError(f"the {self._what} is closed", path=self._path)


# --- arguments -------------------------------------------------------------------------------------------------------


def int64(value: int, what: str) -> int:
    """The value if C's int64_t holds it; TypeError or UsageError naming ``what`` if not."""
    try:
        number = _as_int(value)
    except TypeError:
        raise TypeError(f"{what} is an int, not {type(value).__name__}") from None
    if not -(1 << 63) <= number < 1 << 63:
        raise UsageError(f"{what} {number} does not fit 64 bits")
    return number


def clock_ms(clock: Callable[[], int]) -> int:
    """What a caller's clock reads, in ms; TypeError or UsageError if that is no time in ns."""
    return int64(clock(), "what clock() returns") // 1_000_000


def _terminated(raw: bytes, what: str, size: int) -> bytes:
    if b"\0" in raw:
        raise UsageError(f"a {what} cannot contain NUL: {raw!r}")
    if len(raw) >= size:
        raise UsageError(f"a {what} has at most {size - 1} bytes, not {len(raw)}")
    return raw


def path_string(path: str) -> bytes:
    """A path for a C function; UsageError if C would not see all of it."""
    return _terminated(os.fsencode(path), "path", lib.CX_PATH_MAX)


def latin_string(text: str, what: str, size: int) -> bytes:
    """A key or pattern for a C function, in the encoding of the files; ``size`` counts the NUL that ends it."""
    try:
        raw = text.encode("iso-8859-1")
    except UnicodeEncodeError:
        raise UsageError(f"a {what} consists of ISO-8859-1 characters, not {text!r}") from None
    if not raw:
        raise UsageError(f"a {what} cannot be empty")
    return _terminated(raw, what, size)


def _type_error(data: object) -> TypeError:
    if isinstance(data, str):
        return TypeError(
            "a message is bytes, not str: did you forget to encode it? append_text() writes text as Java's writeText"
        )
    return TypeError(f"a message is bytes-like, not {type(data).__name__}")


def borrowed(data: Buffer) -> CData:
    """The contiguous bytes of an object as char[], in a ``with`` block: meanwhile its memory cannot move.

    Raises TypeError for what is not bytes-like, naming what was given, and UsageError for what is not contiguous.
    """
    if isinstance(data, str):
        raise _type_error(data)
    try:
        return ffi.from_buffer("char[]", data)
    except TypeError:
        raise _type_error(data) from None
    except (BufferError, ValueError) as cause:
        raise UsageError(f"a message is contiguous bytes: {cause}", hint="pass bytes(...) of it") from None


def as_bytes(data: Buffer) -> bytes:
    """A copy of the bytes of a bytes-like object, or TypeError saying what was given."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray):
        return bytes(data)
    with borrowed(data) as pointer:
        return ffi.buffer(pointer)[:]


def lengths_pointer(lengths: Buffer) -> CData:
    """An array('I') as ``const uint32_t *``."""
    return ffi.from_buffer("uint32_t[]", lengths)


def advance(data: bytes, offset: int) -> CData:
    """A pointer into bytes."""
    return ffi.from_buffer("char[]", data) + offset


def out_int64(value: int = 0) -> CData:
    """An int64_t for C to write to; ``[0]`` reads it."""
    pointer: CData = ffi.new("int64_t *", value)
    return pointer


def int64s(count: int) -> CData:
    """An array of int64_t."""
    array: CData = ffi.new("int64_t[]", count)
    return array


def chars(size: int) -> CData:
    """A char array for C to fill; ``text_of`` reads it."""
    array: CData = ffi.new("char[]", size)
    return array


def unpacked(array: CData, count: int) -> list[int]:
    """The first ``count`` numbers of an array."""
    return ffi.unpack(array, count)


def text_of(array: CData) -> str:
    """A NUL-terminated char array that ``latin_string`` is the inverse of."""
    return ffi.string(array).decode("iso-8859-1")


def new_settings() -> Settings:
    """Zeroed cx_settings."""
    return ffi.new("cx_settings *")


def new_cycle_info() -> CycleInfo:
    """Zeroed cx_cycle_info."""
    return ffi.new("cx_cycle_info *")


def new_excerpt() -> Excerpt:
    """Where cx_read writes; belongs to one tailer."""
    return ffi.new("cx_excerpt *")


def new_batch() -> Batch:
    """Where cx_scan writes; belongs to one tailer."""
    return ffi.new("cx_batch *")


# --- mapped bytes ----------------------------------------------------------------------------------------------------


unpack: Callable[[CData, int], bytes] = ffi.unpack  # type: ignore[assignment]
"""The fastest way from a ``const char *`` and a length to bytes."""


def copy(address: int, length: int) -> bytes:
    """The mapped bytes at an address that the last call on a handle gave."""
    return ffi.buffer(ffi.cast("char *", address), length)[:]


def spans(batch: Batch, count: int) -> tuple[list[int], list[int]]:
    """Starts and stops of a batch's messages, relative to its region, in the order of reading."""
    unpack = ffi.unpack
    return unpack(batch.starts, count), unpack(batch.stops, count)


def new_format() -> CData:
    """Where batch_format writes; belongs to one tailer."""
    return chars(lib.CX_BATCH_FORMAT_MAX)


def batch_format(batch: Batch, room: CData) -> bytes:
    """The format with which struct takes a batch's messages out of its region, from the low end on."""
    length = checked(lib.cx_batch_format(batch, room, lib.CX_BATCH_FORMAT_MAX))
    return ffi.buffer(room, length)[:]


def spans_copied(batch: Batch, count: int) -> tuple[memoryview, memoryview]:
    """The same as two memoryviews of int32, without an object per message."""
    size = 4 * count
    return (
        memoryview(ffi.buffer(batch.starts, size)[:]).cast("i"),
        memoryview(ffi.buffer(batch.stops, size)[:]).cast("i"),
    )


class Window:
    """A mapped piece of a file that stays mapped while this object, or any memoryview made of it, lives."""

    __slots__ = ("address", "number", "view")

    def __init__(self, tailer: int, number: int) -> None:
        address = ffi.new("uint64_t *")
        length = ffi.new("int64_t *")
        checked(lib.cx_window_acquire(tailer, number, address, length))
        # The buffer keeps the pointer, the pointer's destructor gives the window back: only after the last view. It has no
        # line of Python in which Ctrl-C could strike: there it would be lost, and the window with it.
        base = ffi.gc(ffi.cast("char *", address[0]), partial(lib.cx_window_release, number))
        self.number = number
        self.address: int = address[0]
        self.view = memoryview(ffi.buffer(base, length[0])).toreadonly()

    def part(self, address: int, length: int) -> memoryview:
        """A read-only view of the bytes at an address within the window."""
        start = address - self.address
        return self.view[start : start + length]


# --- documents in bulk ----------------------------------------------------------------------------------------------


class DocumentBatch:
    """Payloads in memory, for DocumentCells: the messages of a scan, valid until the tailer's next call, or some bytes."""

    __slots__ = ("_keep", "address", "count", "region", "starts", "stops")

    def __init__(self, address: int, region: int, starts: CData, stops: CData, count: int, keep: object = None) -> None:
        self.address = address
        self.region = region
        self.starts = starts
        self.stops = stops
        self.count = count
        self._keep = keep

    @classmethod
    def of_scan(cls, batch: Batch, count: int) -> DocumentBatch:
        """The messages that cx_scan has just found."""
        return cls(batch.address, batch.region, batch.starts, batch.stops, count)

    @classmethod
    def of_payloads(cls, payloads: list[bytes]) -> DocumentBatch:
        """At most BATCH payloads, of less than 2 GiB together."""
        joined = b"".join(payloads)
        bounds = [0, *accumulate(map(len, payloads))]
        pointer = ffi.from_buffer("char[]", joined)
        places = ffi.new("int32_t[]", bounds)
        address: Any = ffi.cast("uintptr_t", pointer)
        return cls(int(address), len(joined), places, places + 1, len(payloads), (pointer, places))

    def payload(self, at: int) -> bytes:
        """One of them."""
        start: int = self.starts[at]
        return copy(self.address + start, self.stops[at] - start)

    def piece(self, extent: int) -> bytes:
        """What an extent, as DocumentCells gives it, refers to."""
        return copy(self.address + (extent >> 32), extent & 0xFFFFFFFF)


class DocumentCells:
    """What cx_columns makes of a batch: the cells of the shape that was taken last. Belongs to one reader."""

    __slots__ = ("_batch", "_floats", "_kinds", "_numbers", "_out", "_plain", "_region", "_rows", "_slots", "_steps",
                 "_values")  # fmt: skip

    def __init__(self) -> None:
        self._batch: DocumentBatch | None = None
        self._region: CData = ffi.NULL
        self._numbers: CData = ffi.new("uint8_t[]", BATCH)
        self._steps: CData = ffi.new("cx_step[]", lib.CX_STEPS_MAX)
        self._plain: CData = ffi.new("int32_t *")
        self._out: CData = chars(1 << 16)
        self._rows = 0
        self._slots = 0
        self._grow(16)

    def shape_of(self, document: bytes) -> list[tuple[int, int, int]]:
        """The steps of a document's shape, as (CX_STEP_*, offset, length); none if it has none."""
        count = lib.cx_shape(document, len(document), self._steps, lib.CX_STEPS_MAX)
        steps: Any = self._steps
        return [(steps[i].op, steps[i].start, steps[i].length) for i in range(count)]

    def plan(self, document: bytes, steps: list[tuple[int, int, int]]) -> tuple[bytes, CData, int, int]:
        """What ``take`` needs of a shape."""
        slots = sum(op == lib.CX_STEP_VALUE for op, _, _ in steps)
        return document, ffi.new("cx_step[]", steps), len(steps), slots

    def begin(self, documents: DocumentBatch) -> None:
        """From here on of these documents, of which none is taken."""
        self._batch = documents
        self._region = ffi.cast("char *", documents.address)
        ffi.memmove(self._numbers, bytes(documents.count), documents.count)

    def take(self, plan: tuple[bytes, CData, int, int], number: int) -> int:
        """Takes the documents apart that are of this shape and not taken yet; how many those are."""
        document, steps, count, slots = plan
        batch = self._batch
        assert batch is not None
        if slots > self._slots:
            self._grow(slots)
        self._rows = checked(
            lib.cx_columns(
                self._region, batch.region, batch.starts, batch.stops, batch.count, document, len(document), steps, count,
                self._numbers, number, self._kinds[0], self._values[0], slots,
            )
        )  # fmt: skip
        return self._rows

    def numbers(self) -> bytes:
        """The number by which each document was taken, 0 if it was not."""
        assert self._batch is not None
        return ffi.buffer(self._numbers, self._batch.count)[:]

    def kinds(self, slot: int) -> bytes:
        """The cells' kinds of a column (CX_CELL_*)."""
        return ffi.buffer(self._kinds[slot], self._rows)[:]

    def raw(self, slot: int) -> bytes:
        """The cells of a column as 64-bit words."""
        return ffi.buffer(self._values[slot], 8 * self._rows)[:]

    def ints(self, slot: int) -> list[int]:
        """The cells of a column as integers."""
        return ffi.unpack(self._values[slot], self._rows)

    def floats(self, slot: int) -> list[float]:
        """The cells of a column as floats."""
        return ffi.unpack(self._floats[slot], self._rows)  # type: ignore[return-value]

    def texts(self, slot: int) -> tuple[bytes, bool] | None:
        """The texts of a column ("" for other cells), a zero byte after each, and whether all is ASCII.

        None if a text has zero bytes itself.
        """
        batch = self._batch
        assert batch is not None
        while True:
            room = len(self._out)
            size = checked(
                lib.cx_texts(
                    self._region, batch.region, self._kinds[slot], self._values[slot], self._rows, self._out, room,
                    self._plain,
                )
            )  # fmt: skip
            if size <= room:
                break
            self._out = chars(max(size, 2 * room))
        plain = self._plain[0]
        if plain == lib.CX_TEXTS_ZERO:
            return None
        return ffi.buffer(self._out, size)[:], plain == lib.CX_TEXTS_ASCII

    def _grow(self, slots: int) -> None:
        kinds: CData = ffi.new("uint8_t[]", slots * BATCH)
        values: CData = ffi.new("int64_t[]", slots * BATCH)
        # A pointer for each column; the first ones keep the memory.
        self._kinds = [kinds] + [kinds + slot * BATCH for slot in range(1, slots)]
        self._values = [values] + [values + slot * BATCH for slot in range(1, slots)]
        self._floats = [ffi.cast("double *", column) for column in self._values]
        self._slots = slots


# --- facts of the build ----------------------------------------------------------------------------------------------


def build_flags() -> tuple[str, ...]:
    """What the core was built with, for test reports: "sanitizers", "kill points", "tiny windows"."""
    flags = lib.cx_build_flags()
    names = {1: "sanitizers", 2: "kill points", 4: "tiny windows"}
    return tuple(name for bit, name in names.items() if flags & bit)


def kill_points() -> tuple[str, ...]:
    """Names of the places at which a test may kill the process; none but in builds with CX_KILL_POINTS."""
    names: list[str] = []
    while (name := lib.cx_kill_point(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return tuple(names)


def kill_at(point: str, after: int = 1) -> None:
    """Makes this process kill itself when it passes the point for the after-th time."""
    checked(lib.cx_kill_at(latin_string(point, "kill point", 64), after))
