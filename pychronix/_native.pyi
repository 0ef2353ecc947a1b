"""The native core as ``_boundary`` sees it: ``native/chronix_api.h``, typed.

The header is the contract; this stub repeats what a Python caller must know. A handle is an int that ``cx_*_open``
wrote through its ``out`` pointer. A result below 0 is a ``CX_E_*`` code, whose details ``cx_error()`` has for the
calling thread. Every call drops the GIL. Nothing here may be used but by ``pychronix._boundary``.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, overload

from typing_extensions import Buffer

Handle: TypeAlias = int
"""uintptr_t of a queue, appender or tailer."""

Data: TypeAlias = bytes | CData
"""``const void *``: bytes are passed as they are, without a copy; everything else goes through ffi.from_buffer."""

class CData:
    """A C pointer, array or struct."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> int: ...
    def __add__(self, offset: int) -> CData: ...
    def __enter__(self) -> CData: ...
    def __exit__(self, *_: object) -> None: ...

class CBuffer:
    """What ffi.buffer gives: slices of it are bytes."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class ErrorInfo(CData):
    """cx_error_info: what the calling thread's last failed call left."""

    code: int
    os_errno: int
    offset: int
    value: int
    path: CData
    text: CData

class Settings(CData):
    """cx_settings: what a queue is, out of cx_probe and into cx_queue_open."""

    kind: int
    source_id: int
    length_ms: int
    epoch_ms: int
    index_count: int
    index_spacing: int
    shift: int
    stride: int
    fieldless: int
    writable: int
    create: int
    block_bytes: int
    overlap_bytes: int
    format: Any  # char[64]: assigned from bytes, read through ffi.string
    roll_time: Any
    roll_time_zone: Any
    first_file: Any
    index_block_bytes: int
    data_block_bytes: int
    reserve_bytes: int
    max_mapped_bytes: int
    thread_bits: int
    thread_id: int
    synchronous: int
    line_bytes: int

class CycleInfo(CData):
    """cx_cycle_info: facts of one roll file."""

    count: int
    size_bytes: int
    used_bytes: int
    closed: int
    data_format: int
    index_count: int
    index_spacing: int
    ready: int

class AppenderInfo(CData):
    """cx_appender_info: read without a call, valid until the handle is freed."""

    last_index: int
    cycle: int
    rolls: int
    lock_lost: int
    recovered: int

class TailerInfo(CData):
    """cx_tailer_info: read without a call, valid until the handle is freed."""

    index: int
    cycle: int
    last_read_index: int
    acquired: int
    acquired_cycle: int
    state: int
    direction: int

class Excerpt(CData):
    """cx_excerpt: one document; address is valid until the next call on the handle."""

    address: int
    length: int
    index: int
    offset: int
    data: CData
    window: int
    meta: int

class Batch(CData):
    """cx_batch: messages with consecutive indexes; starts and stops are relative to address."""

    address: int
    region: int
    first_index: int
    window: int
    count: int
    equal_length: int
    pitch: int
    lead: int
    starts: CData
    stops: CData

class _FFI:
    @overload
    def new(self, ctype: Literal["cx_settings *"]) -> Settings: ...
    @overload
    def new(self, ctype: Literal["cx_cycle_info *"]) -> CycleInfo: ...
    @overload
    def new(self, ctype: Literal["cx_excerpt *"]) -> Excerpt: ...
    @overload
    def new(self, ctype: Literal["cx_batch *"]) -> Batch: ...
    @overload
    def new(self, ctype: str, init: object = ...) -> Any: ...
    def buffer(self, pointer: CData, size: int = ...) -> CBuffer: ...
    def cast(self, ctype: str, value: int | CData) -> CData: ...
    def from_buffer(self, ctype: str, data: Buffer) -> CData: ...
    def gc(self, pointer: CData, destructor: Callable[[CData], object], size: int = ...) -> CData: ...
    def memmove(self, to: CData, of: CData | Buffer, size: int) -> None: ...
    def string(self, text: CData) -> bytes: ...
    def unpack(self, array: CData, length: int) -> list[int]: ...
    NULL: CData

class _Lib:
    CX_E_CLOSED: int
    CX_E_BUSY: int
    CX_E_FORKED: int
    CX_E_USAGE: int
    CX_E_NOT_FOUND: int
    CX_E_NO_SPACE: int
    CX_E_TOO_LONG: int
    CX_E_CORRUPT: int
    CX_E_OS: int
    CX_E_PERMISSION: int
    CX_E_LOCKED: int
    CX_E_FILE_LOCKED: int
    CX_E_NOT_READY: int
    CX_E_APPEND_LOCKED: int
    CX_E_EOF: int
    CX_E_UNSUPPORTED: int
    CX_E_CYCLE_FULL: int
    CX_E_INDEX: int
    CX_E_CHANGED: int
    CX_E_READ_ONLY: int
    CX_E_NO_MEMORY: int

    CX_CLOCK_NOW: int
    CX_ANY_TIME: int
    CX_MESSAGE_MAX: int
    CX_BATCH: int
    CX_FORMAT_MAX: int
    CX_KEY_MAX: int
    CX_BATCH_FORMAT_MAX: int
    CX_PATH_MAX: int

    CX_KIND_NONE: int
    CX_KIND_V5: int
    CX_KIND_V5_UNPADDED: int
    CX_KIND_V4: int
    CX_KIND_BARE: int
    CX_KIND_VANILLA: int
    CX_KIND_INDEXED: int

    CX_BACKWARD: int
    CX_NONE: int
    CX_FORWARD: int

    CX_UNINITIALISED: int
    CX_FOUND_IN_CYCLE: int
    CX_END_OF_CYCLE: int
    CX_NOT_REACHED_IN_CYCLE: int
    CX_BEYOND_START_OF_CYCLE: int
    CX_CYCLE_NOT_FOUND: int

    CX_STEP_SAME: int
    CX_STEP_VALUE: int
    CX_STEP_OPEN: int
    CX_STEP_CLOSE: int
    CX_STEP_HISTORY: int
    CX_STEPS_MAX: int
    CX_SHAPE_DEPTH_MAX: int

    CX_CELL_INT: int
    CX_CELL_FLOAT: int
    CX_CELL_TEXT: int
    CX_CELL_NULL: int
    CX_CELL_FALSE: int
    CX_CELL_TRUE: int
    CX_CELL_BYTES: int
    CX_CELL_OTHER: int

    CX_TEXTS_ASCII: int
    CX_TEXTS_HIGH: int
    CX_TEXTS_ZERO: int

    def cx_error(self) -> ErrorInfo: ...

    # Queue.
    def cx_probe(self, path: bytes, settings: Settings) -> int:
        """Reads what a directory holds, writes nothing, takes no lock. Returns CX_KIND_*."""
    def cx_queue_open(self, path: bytes, settings: Settings, out: CData) -> int: ...
    def cx_queue_close(self, queue: Handle) -> int:
        """Gives files and locks back; the handle then answers CX_E_CLOSED until it is freed."""
    def cx_queue_free(self, queue: Handle) -> None:
        """Exactly once, when no appender, tailer or other thread can use the handle any more."""
    def cx_queue_cycles(self, queue: Handle, cycles: CData, capacity: int) -> int:
        """Existing cycles, ascending; returns their number, fills at most capacity of them."""
    def cx_queue_refresh(self, queue: Handle) -> int: ...
    def cx_queue_cycle(self, queue: Handle, cycle: int, info: CycleInfo) -> int: ...

    # Table store.
    def cx_table_next(self, queue: Handle, cursor: CData, key: CData, value: CData) -> int:
        """1 with the entry at *cursor, 0 at the end."""
    def cx_table_get(self, queue: Handle, key: bytes, value: CData) -> int: ...
    def cx_table_ensure(self, queue: Handle, key: bytes, value: int) -> int:
        """1 created, 0 it was there."""
    def cx_table_cas(self, queue: Handle, key: bytes, expected: CData, value: int) -> int:
        """1 set; 0 with the value found in *expected."""

    # Appender.
    def cx_appender_open(self, queue: Handle, out: CData) -> int: ...
    def cx_appender_facts(self, appender: Handle) -> AppenderInfo: ...
    def cx_appender_close(self, appender: Handle) -> int: ...
    def cx_appender_free(self, appender: Handle) -> None: ...
    def cx_set_clock(self, handle: Handle, now_ms: int) -> int:
        """What the clock reads from now on, in ms; CX_CLOCK_NOW: the system clock."""
    def cx_append(self, appender: Handle, data: Data, length: int) -> int:
        """The index of the message."""
    def cx_append_many(
        self, appender: Handle, data: Data, lengths: CData, count: int, first_index: CData
    ) -> int:
        """How many were appended (>= 1), with consecutive indexes from *first_index on."""
    def cx_append_meta(self, appender: Handle, data: Data, length: int) -> int: ...
    def cx_append_at(self, appender: Handle, index: int, data: Data, length: int) -> int:
        """1 appended, 0 already written, CX_E_INDEX beyond the next index (which error.value is)."""
    def cx_begin(self, appender: Handle) -> int: ...
    def cx_append_begun(self, appender: Handle, data: Data, length: int, begun_ms: int) -> int: ...
    def cx_append_placed(
        self, appender: Handle, data: Data, lengths: CData, count: int, meta: int, begun_ms: int
    ) -> int: ...
    def cx_total_length(self, lengths: CData, count: int) -> int: ...
    def cx_append_padding(self, appender: Handle) -> int: ...
    def cx_sync(self, appender: Handle) -> int: ...
    def cx_pretouch(self, appender: Handle) -> int:
        """Bytes populated ahead of the append position."""
    def cx_normalise_eofs(self, appender: Handle) -> int: ...
    def cx_allow_discard(self, appender: Handle) -> int:
        """The next call may rename a roll file whose first header never became ready."""

    # Tailer.
    def cx_tailer_open(self, queue: Handle, name: bytes | CData, out: CData) -> int: ...
    def cx_tailer_facts(self, tailer: Handle) -> TailerInfo: ...
    def cx_tailer_close(self, tailer: Handle) -> int: ...
    def cx_tailer_free(self, tailer: Handle) -> None: ...
    def cx_read(self, tailer: Handle, excerpt: Excerpt, with_meta: int) -> int:
        """1 and the next document, or 0 if there is none (yet)."""
    def cx_scan(self, tailer: Handle, batch: Batch, limit: int, gather: int) -> int:
        """Number of messages found, 0 if there is none (yet); the tailer then stands after them."""
    def cx_batch_format(self, batch: Batch, format: CData, capacity: int) -> int:
        """Writes the struct format that takes the messages out of the region; returns its length."""
    def cx_unread(self, tailer: Handle, index: int, last_read: int) -> int:
        """Stands on index again, which a scan went past; once more changes nothing."""
    def cx_set_direction(self, tailer: Handle, direction: int) -> int: ...
    def cx_set_striding(self, tailer: Handle, striding: int) -> int: ...
    def cx_to_start(self, tailer: Handle) -> int: ...
    def cx_to_end(self, tailer: Handle) -> int: ...
    def cx_move_to_index(self, tailer: Handle, index: int) -> int: ...
    def cx_move_to_cycle(self, tailer: Handle, cycle: int) -> int: ...
    def cx_window_acquire(self, tailer: Handle, window: int, address: CData, length: CData) -> int:
        """Takes a reference on a window that a batch or excerpt named; its bytes stay mapped until it is released."""
    def cx_window_release(self, window: int, unused: CData) -> None:
        """From any thread, even when every handle is gone."""

    # Documents in bulk.
    def cx_shape(self, document: Data, length: int, steps: CData, capacity: int) -> int:
        """The number of steps of the document's shape, 0 if it has none that is known to the core."""
    def cx_columns(
        self,
        region: Data,
        length: int,
        starts: CData,
        stops: CData,
        count: int,
        sample: Data,
        sample_length: int,
        steps: CData,
        step_count: int,
        shapes: CData,
        shape: int,
        kinds: CData,
        values: CData,
        slots: int,
    ) -> int:
        """How many of the documents whose shapes[i] is 0 are of this shape; their cells, column by column."""
    def cx_texts(
        self, region: Data, length: int, kinds: CData, values: CData, rows: int, out: CData, capacity: int, plain: CData
    ) -> int:
        """The bytes of a column's texts, a zero byte after each; more than capacity: nothing was copied."""

    # Facts of the build.
    def cx_build_flags(self) -> int: ...
    def cx_kill_at(self, point: bytes, after: int) -> int: ...
    def cx_kill_point(self, i: int) -> CData: ...

ffi: _FFI
lib: _Lib
