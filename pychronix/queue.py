"""Opening a queue, and what can be asked of one.

The decision hidden here is what an open queue is made of: which of the settings given and the settings stored win,
which formats and releases may be appended to, and which facts come from the directory, the table store or the roll
files. Reading and writing excerpts is the tailers' and appenders' business.

Rules
- An existing queue's roll cycle, epoch, roll time and source id win over arguments, as in Java; a difference is warned
  of (ChronixWarning), never an error.
- Mode "r" never writes a byte and takes no lock.
- A Queue may be shared by threads. Closing it closes its appenders and tailers.
"""

from __future__ import annotations

import datetime
import mmap
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pychronix import _boundary, chronicle3, methods, search
from pychronix._boundary import Handle, Living, lib
from pychronix.appender import Appender, ObservedAppender
from pychronix.chronicle3 import Chronicle3Options, Chronicle3Settings, IndexedCycle, VanillaCycle
from pychronix.codec import Codec, codec_of
from pychronix.codec import wire as wire_codec
from pychronix.errors import (
    ChronixWarning,
    ClosedError,
    NotFoundError,
    ReadOnlyError,
    SettingsChangedError,
    UnsupportedFormatError,
    UsageError,
)
from pychronix.rolling import RollCycle, format_roll_time, moment_ms, parse_roll_time
from pychronix.table import TableStore
from pychronix.tailer import Direction, Tailer, TailerState

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from pychronix._boundary import Settings

__all__ = ["Cycle", "Queue", "open_queue"]

OnCycle = Callable[[int, str, bool], object]
"""Called with cycle, path of its roll file, and whether it was acquired (True) or released (False)."""

DEFAULT_BLOCK_BYTES = 64 << 20  # As Java's.
MAX_BLOCK_BYTES = 1 << 40  # Beyond that a block is a typing error, not a wish.
DEFAULT_TIMEOUT_MS = 10_000  # As Java's timeoutMS.
_MAX_SOURCE_ID = (1 << 31) - 1
_KIB, _GIB = 1 << 10, 1 << 30
# Java's wire types that a queue can have; only the last one's roll files differ.
_WIRE_TYPES = ("BINARY_LIGHT", "BINARY", "COMPRESSED_BINARY", "FIELDLESS_BINARY")
_REPROBES = 100  # How often a queue may be recreated under us before we say so.


class _Common(NamedTuple):
    """The arguments of open_queue that all formats have, checked."""

    path: str
    mode: str
    timeout_ms: int
    clock: Callable[[], int] | None
    on_cycle: OnCycle | None
    codec: Codec | None


class _Wishes(NamedTuple):
    """Those of .cq4 queues, checked; None where the caller did not say."""

    common: _Common
    roll: RollCycle | None
    epoch_ms: int
    roll_time: str | None
    source_id: int
    block_size_bytes: int
    index_count: int | None
    index_spacing: int | None
    wire_type: str | None

    @property
    def path(self) -> str:
        return self.common.path

    @property
    def mode(self) -> str:
        return self.common.mode


def open_queue(
    path: str | os.PathLike[str],
    mode: str = "r",
    *,
    format: str | None = None,
    roll: str | RollCycle | VanillaCycle | None = None,
    epoch_ms: int = 0,
    roll_time: str | datetime.time | None = None,
    source_id: int = 0,
    block_size_bytes: int = DEFAULT_BLOCK_BYTES,
    index_count: int | None = None,
    index_spacing: int | None = None,
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
    clock: Callable[[], int] | None = None,
    on_cycle: OnCycle | None = None,
    codec: object = None,
    wire_type: str | None = None,
    **options: Unpack[Chronicle3Options],
) -> Queue:
    """Opens the Chronicle Queue in the directory ``path``, of whatever format it is.

    ``mode`` is "r" to read only (nothing is ever written, a read-only directory will do), "a" to read and append
    (directory and table store are created if missing), "r+" for the same on an existing queue only.

    ``format``: what to create, "cq5" (default), "vanilla" or "indexed"; an existing queue's is found out. An Indexed
    journal's path is that of its files without .index or .data.

    For a queue that is created:
        ``roll``: how long a file lasts, a RollCycle, its name or its file name pattern (default FAST_DAILY).
        ``epoch_ms``: when cycle 0 begins, in ms since 1970 UTC; or ``roll_time``, a time of day ("22:30", UTC).
        ``source_id``: 1 or more marks where messages of this queue come from.
        ``wire_type``: "BINARY_LIGHT" (default, and what others than the next are here), or "FIELDLESS_BINARY", which
        leaves out the names of fields, in roll files too: their first one tells. Java must be told.
    An existing queue's own values win; a ChronixWarning says so if others were given.

    For roll files that are created: ``block_size_bytes`` (they grow by it), ``index_count`` and ``index_spacing`` (size
    of index pages and messages per entry; powers of two, default the roll cycle's).

    For Chronicle 3.x journals ``roll`` is SECONDS, MINUTES, HOURS, DAYS (default), a SimpleDateFormat pattern or a
    VanillaCycle. Their files store no settings; these ``options`` say what names and lengths do not tell, or how a
    journal is made (defaults are Java's; ``queue.chronicle3`` has what was found, ``pychronix.chronicle3`` more):
        ``entries_per_cycle``, of Vanilla: what the indexes of two cycles are apart. Never told by the files.
        ``index_block_bytes``, ``data_block_bytes``: of Indexed they must be given to append, if not Java's default.
        ``line_bytes``, of Indexed; ``thread_bits``, ``thread_id``, ``max_mapped_bytes``, of Vanilla.
        ``reserve_bytes``: the room that an excerpt asks for at its beginning; ``synchronous``: all appends durable.

    ``timeout_ms``: how long to wait for another process (1.5 times as long for the write lock, as Java).
    ``clock``: returns ns since 1970; decides the cycle of an append. Default: the system's.
    ``on_cycle(cycle, path, acquired)``: called when an appender or tailer of this queue has opened (True) or let go of
    (False) a roll file (Java: StoreFileListener), within the call that did so. If it raises, that is only warned of.
    ``codec``: how ``append_value`` and ``values`` turn values into excerpts: a name, a struct.Struct, a NumPy dtype, a
    construct struct, or an object with encode and decode (``pychronix.codec``). Default: "wire", for journals of
    Chronicle 3.x "bytes". Stored nowhere.

    Raises NotFoundError (no queue there, and mode is not "a"), UsageError (an argument), UnsupportedFormatError (a
    format or release that cannot be read, or not be appended to), CorruptError, AccessError, LockedError,
    NotReadyError.
    """
    common = _checked_common(path, mode, timeout_ms, clock, on_cycle, codec)
    kind = _wanted_format(common.path, format)
    if kind in ("vanilla", "indexed"):
        for option, value, default in (
            ("epoch_ms", epoch_ms, 0),
            ("roll_time", roll_time, None),
            ("source_id", source_id, 0),
            ("block_size_bytes", block_size_bytes, DEFAULT_BLOCK_BYTES),
            ("index_count", index_count, None),
            ("index_spacing", index_spacing, None),
            ("wire_type", wire_type, None),
        ):
            if value != default:
                raise UsageError(f"{option} is an option of .cq4 queues, and {common.path} is {kind}")
        if isinstance(roll, RollCycle):
            raise UsageError(f"{roll.name} is a roll cycle of .cq4 queues", hint="a Vanilla journal has a VanillaCycle")
        found, differences = _boundary.until_ready(
            lambda: chronicle3.resolve(kind, common.path, roll, options), timeout_ms
        )
        queue = _open_chronicle3(common, found)
    else:
        if options:
            chronicle3.check_names(options)
            raise UsageError(
                f"{min(options)} is an option of Chronicle 3.x journals", hint='give format="vanilla", too'
            )
        if isinstance(roll, VanillaCycle):
            raise UsageError(f"{roll.name} is a cycle of Vanilla journals", hint='give format="vanilla", too')
        queue, differences = _open_cq5(
            _checked_wishes(
                common, roll, epoch_ms, roll_time, source_id, block_size_bytes, index_count, index_spacing, wire_type
            )
        )
    for difference in differences:
        warnings.warn(f"{queue.path}: {difference}", ChronixWarning, stacklevel=2)
    return queue


def _checked_common(
    path: str | os.PathLike[str],
    mode: str,
    timeout_ms: int,
    clock: Callable[[], int] | None,
    on_cycle: OnCycle | None,
    codec: object,
) -> _Common:
    """The arguments of every format if they make sense, before anything is touched."""
    text = os.fsdecode(path)
    if not text:
        raise UsageError("the path of a queue is empty")
    if mode not in ("r", "a", "r+"):
        raise UsageError(f"unknown mode {mode!r}", hint='one of "r" (read only), "a" (append, create), "r+" (append)')
    _check_range("timeout_ms", timeout_ms, 0, 1 << 40)
    for what, function in (("clock", clock), ("on_cycle", on_cycle)):
        if function is not None and not callable(function):
            raise TypeError(f"{what} is a callable, not {type(function).__name__}")
    found = None if codec is None else codec_of(codec)
    # Files are opened for as long as the queue is, and the process may change its directory meanwhile.
    try:
        text = os.path.abspath(text)
    except FileNotFoundError as cause:
        raise NotFoundError(f"cannot open {text}: the current directory was deleted", path=text) from cause
    return _Common(text, mode, timeout_ms, clock, on_cycle, found)


def _check_range(what: str, number: int, low: int, high: int) -> None:
    if not low <= _boundary.int64(number, what) <= high:
        raise UsageError(f"{what} is within {low}..{high}, not {number}")


def _wanted_format(path: str, format: str | None) -> str | None:
    """The format of what is at a path, "cq5" for all with ``.cq4`` files; if there is nothing yet, the one wished."""
    if format not in (None, "cq5", "cq4", "vanilla", "indexed"):
        raise UsageError(f"unknown format {format!r}", hint='one of "cq5", "vanilla", "indexed"')
    found: str | None = "cq5"
    if not os.path.exists(os.path.join(path, "metadata.cq4t")):
        found = chronicle3.detect(path)
        if found is None and os.path.isdir(path) and any(name.endswith((".cq4", ".cq4t")) for name in os.listdir(path)):
            found = "cq5"
    if None not in (format, found) and found != format and {found, format} != {"cq4", "cq5"}:
        warnings.warn(f"{path}: the queue's format is {found}, not {format} as asked for", ChronixWarning, stacklevel=3)
    return found or format


def _open_cq5(wishes: _Wishes) -> tuple[Queue, list[str]]:
    path, timeout_ms = wishes.common.path, wishes.common.timeout_ms
    raw = _boundary.path_string(path)
    for _ in range(_REPROBES):
        settings = _boundary.new_settings()
        code = _boundary.patient(lambda s=settings: lib.cx_probe(raw, s), timeout_ms)  # type: ignore[misc]
        kind = _boundary.checked(code, path)
        roll_cycle, differences = _resolve(settings, kind, wishes)
        try:
            handle = Handle.queue(path, settings, timeout_ms)
        except SettingsChangedError:
            continue
        return Queue(handle, settings, wishes.common, roll_cycle), differences
    raise _boundary.error_for(lib.CX_E_CHANGED, path)


def _open_chronicle3(common: _Common, found: Chronicle3Settings) -> Queue:
    path, mode = found.path, common.mode
    if not found.exists and mode != "a":
        raise chronicle3.missing(path, found.format)
    _boundary.path_string(path)
    settings = _boundary.new_settings()
    settings.kind = lib.CX_KIND_VANILLA if found.format == "vanilla" else lib.CX_KIND_INDEXED
    settings.writable = mode != "r"
    settings.create = mode == "a"
    settings.length_ms = found.cycle.length_ms
    settings.shift = found.cycle.shift
    if found.format == "vanilla":
        settings.format = _boundary.latin_string(found.cycle.format, "cycle format", lib.CX_FORMAT_MAX)
    settings.index_block_bytes = found.index_block_bytes
    settings.data_block_bytes = found.data_block_bytes
    settings.reserve_bytes = found.reserve_bytes
    settings.max_mapped_bytes = found.max_mapped_bytes
    settings.thread_bits = found.thread_bits
    settings.thread_id = found.thread_id
    settings.synchronous = found.synchronous
    settings.line_bytes = found.line_bytes
    handle = Handle.queue(path, settings, common.timeout_ms)
    return Queue(handle, settings, common._replace(path=path), found.cycle, found)


def _checked_wishes(
    common: _Common,
    roll: str | RollCycle | None,
    epoch_ms: int,
    roll_time: str | datetime.time | None,
    source_id: int,
    block_size_bytes: int,
    index_count: int | None,
    index_spacing: int | None,
    wire_type: str | None,
) -> _Wishes:
    """The arguments of .cq4 queues if they make sense, before anything is touched."""
    epoch_ms = _boundary.int64(epoch_ms, "epoch_ms")
    stored_roll_time = None
    if roll_time is not None:
        if epoch_ms:
            raise UsageError("epoch_ms and roll_time are two words for one thing: give one of them")
        epoch_ms = parse_roll_time(roll_time)
        stored_roll_time = format_roll_time(epoch_ms)
    _check_range("source_id", source_id, 0, _MAX_SOURCE_ID)
    _check_range("block_size_bytes", block_size_bytes, 1, MAX_BLOCK_BYTES)
    if wire_type not in (None, *_WIRE_TYPES):
        raise UsageError(f"no queue can be of wire type {wire_type!r}", hint=f"one of {', '.join(_WIRE_TYPES)}")
    cycle = None if roll is None else RollCycle.parse(roll)
    # Checks the counts, whatever the roll cycle will be.
    (cycle or RollCycle.FAST_DAILY).with_counts(index_count, index_spacing)
    return _Wishes(
        common, cycle, epoch_ms, stored_roll_time, source_id, block_size_bytes, index_count, index_spacing, wire_type
    )


def _resolve(settings: Settings, kind: int, wishes: _Wishes) -> tuple[RollCycle, list[str]]:
    """Completes what was probed with what was wished; the roll cycle, and the wishes that do not come true."""
    path, writable = wishes.path, wishes.mode != "r"
    differences: list[str] = []
    if kind == lib.CX_KIND_NONE:
        roll = _new_queue(settings, wishes)
    elif kind == lib.CX_KIND_BARE:
        # A directory that has lost its table store, or a copy of roll files alone.
        first = _boundary.text_of(settings.first_file)
        guessed = RollCycle.guess([first])
        if guessed is None:
            raise UnsupportedFormatError(
                f"no roll cycle of Chronicle Queue names a file {first!r}, and there is no metadata.cq4t", path=path
            )
        roll = guessed
        if wishes.roll is not None and wishes.roll.format != roll.format:
            differences.append(f"its files are of {roll.name}, not {wishes.roll.name}")
        _put_wishes(settings, wishes, roll)
    else:
        roll = RollCycle.of(_boundary.text_of(settings.format), settings.length_ms)
        differences = _differences(settings, roll, wishes)
    if wishes.wire_type is not None:
        fieldless = wishes.wire_type == "FIELDLESS_BINARY"
        if not _boundary.text_of(settings.first_file):
            settings.fieldless = fieldless  # Its first roll file is still to be made.
        elif bool(settings.fieldless) != fieldless:
            found = "FIELDLESS_BINARY" if settings.fieldless else "BINARY_LIGHT"
            differences.append(f"the queue's wire type is {found}, not {wishes.wire_type} as asked for")
    if writable:
        _check_appendable(kind, roll, wishes)
    counted = roll.with_counts(wishes.index_count, wishes.index_spacing)
    settings.index_count = counted.index_count
    settings.index_spacing = counted.index_spacing
    settings.shift = roll.shift
    settings.stride = roll.index_spacing
    settings.writable = writable
    settings.create = writable and (wishes.mode == "a" or kind == lib.CX_KIND_BARE)
    settings.block_bytes, settings.overlap_bytes = _mapping(wishes.block_size_bytes, counted.index_count)
    return counted, differences


def _new_queue(settings: Settings, wishes: _Wishes) -> RollCycle:
    path = wishes.path
    if wishes.mode != "a":
        found = "the directory holds no queue" if os.path.isdir(path) else "there is nothing"
        raise NotFoundError(f"cannot open {path}: {found}", path=path, hint='mode="a" creates a queue')
    roll = wishes.roll or RollCycle.FAST_DAILY
    reason = roll.not_creatable_reason
    if reason is not None:
        raise UnsupportedFormatError(f"cannot create a {roll.name} queue: {reason}", path=path)
    _put_wishes(settings, wishes, roll)
    return roll


def _put_wishes(settings: Settings, wishes: _Wishes, roll: RollCycle) -> None:
    settings.format = _boundary.latin_string(roll.format, "roll pattern", lib.CX_FORMAT_MAX)
    settings.length_ms = roll.length_ms
    settings.epoch_ms = wishes.epoch_ms
    settings.source_id = wishes.source_id
    if wishes.roll_time is not None:
        settings.roll_time = wishes.roll_time.encode()
        settings.roll_time_zone = b"UTC"


def _differences(settings: Settings, roll: RollCycle, wishes: _Wishes) -> list[str]:
    """What was asked for and is not so, in words."""
    differences = []
    wished = wishes.roll
    if wished is not None and (wished.format, wished.length_ms) != (roll.format, roll.length_ms):
        differences.append(f"the queue's roll cycle is {roll.name}, not {wished.name} as asked for")
    if (wishes.epoch_ms or wishes.roll_time is not None) and wishes.epoch_ms != settings.epoch_ms:
        differences.append(f"the queue's epoch is {settings.epoch_ms} ms, not {wishes.epoch_ms} ms as asked for")
    if wishes.source_id and wishes.source_id != settings.source_id:
        differences.append(f"the queue's source id is {settings.source_id}, not {wishes.source_id} as asked for")
    return differences


def _check_appendable(kind: int, roll: RollCycle, wishes: _Wishes) -> None:
    path = wishes.path
    hint = "pychronix only reads it"
    if kind == lib.CX_KIND_V4:
        raise UnsupportedFormatError(
            "cannot append to a queue of Chronicle 4, whose roll settings are in its roll files",
            path=path,
            hint=f"{hint}; Java releases 5.26 to 2026.4 append to it (adding a metadata.cq4t)",
        )
    if kind == lib.CX_KIND_V5_UNPADDED:
        raise UnsupportedFormatError(
            "cannot append to a queue whose metadata.cq4t was written by Chronicle Queue 5.16 or older",
            path=path,
            hint=f"{hint}; only that release appends to it, later ones cannot even open it",
        )
    if kind != lib.CX_KIND_NONE and roll.format == RollCycle.WEEKLY.format:
        raise UnsupportedFormatError(
            f"cannot append to a WEEKLY queue: {RollCycle.WEEKLY.not_creatable_reason}", path=path, hint=hint
        )


def _mapping(block_size_bytes: int, index_count: int) -> tuple[int, int]:
    """Block and overlap of roll files as Java reckons them."""
    page = mmap.PAGESIZE
    block = max(block_size_bytes, page, 32 * index_count)
    block = -(-block // page) * page
    if block < 64 * _KIB:
        return block, block
    if block < 256 * _KIB:
        return block, 64 * _KIB
    if block < 4 * _GIB:
        return block, block // 4
    return block, _GIB


class Cycle:
    """One cycle of a queue: a roll file, in a Vanilla journal a directory. Looked up when first asked for, and kept."""

    __slots__ = ("_facts", "_queue", "first_index", "name", "number", "path", "start_ms")

    number: int
    """The cycle number."""
    name: str
    """File name."""
    path: str
    """Path of the file."""
    first_index: int
    """Index that the first message has, or would have."""
    start_ms: int
    """When the cycle begins, in ms since 1970 UTC."""

    def __init__(self, queue: Queue, number: int) -> None:
        self._queue = queue
        self._facts: _CycleFacts | None = None
        self.number = number
        self.name = queue.file_name(number)
        self.path = queue.path_of(number)
        self.first_index = queue.index(number, 0)
        self.start_ms = queue.start_ms(number)

    @property
    def count(self) -> int:
        """Number of messages."""
        return self._look().count

    @property
    def last_index(self) -> int | None:
        """Index of the last message, None if there is none."""
        count = self._look().count
        return self.first_index + count - 1 if count else None

    @property
    def size_bytes(self) -> int:
        """Length of the file. It is sparse: most of it may take no disk space."""
        return self._look().size_bytes

    @property
    def used_bytes(self) -> int:
        """Offset behind the last document."""
        return self._look().used_bytes

    @property
    def closed(self) -> bool:
        """Whether the file ends with an end-of-data marker: nothing will be added."""
        return self._look().closed

    @property
    def ready(self) -> bool:
        """Whether the file's header is complete; if not, all other facts are 0."""
        return self._look().ready

    @property
    def data_format(self) -> int:
        """1: documents are 4-byte aligned; 0: they are not (older releases)."""
        return self._look().data_format

    @property
    def index_count(self) -> int:
        """Entries of one index page."""
        return self._look().index_count

    @property
    def index_spacing(self) -> int:
        """Messages per index entry."""
        return self._look().index_spacing

    def _look(self) -> _CycleFacts:
        if self._facts is None:
            self._facts = self._queue._cycle_facts(self.number)
        return self._facts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cycle):
            return NotImplemented
        return (self.number, self.path) == (other.number, other.path)

    def __hash__(self) -> int:
        return hash((self.number, self.path))

    def __repr__(self) -> str:
        return f"<Cycle {self.number}, {self.name}>"


@dataclass(frozen=True, slots=True)
class _CycleFacts:
    count: int
    size_bytes: int
    used_bytes: int
    closed: bool
    ready: bool
    data_format: int
    index_count: int
    index_spacing: int


_NO_FACTS = _CycleFacts(0, 0, 0, False, False, 0, 0, 0)


class Queue:
    """A Chronicle Queue: a directory with one roll file per cycle, or a journal of Chronicle 3.x. From ``open_queue``.

    May be shared by threads; each takes its own appender and tailer. Use it as a context manager or close it: a queue
    that is only forgotten gives a ResourceWarning. (Java: SingleChronicleQueue.)
    """

    def __init__(
        self,
        handle: Handle,
        settings: Settings,
        common: _Common,
        roll_cycle: RollCycle | VanillaCycle | IndexedCycle,
        chronicle3: Chronicle3Settings | None = None,
    ) -> None:
        self._handle = handle
        self._path = common.path
        self._mode = common.mode
        self._roll_cycle = roll_cycle
        self._kind = settings.kind
        self._chronicle3 = chronicle3
        self._fieldless = bool(settings.fieldless)
        self._epoch_ms = settings.epoch_ms
        self._source_id = settings.source_id
        self._roll_time = _boundary.text_of(settings.roll_time) or None
        self._timeout_ms = common.timeout_ms
        self._clock = common.clock
        self._on_cycle = common.on_cycle
        codec = common.codec or codec_of("wire" if chronicle3 is None else "bytes")
        # A fieldless queue has no names in its documents, whoever writes them.
        self._codec = wire_codec("FIELDLESS_BINARY") if self._fieldless and codec.name == "wire" else codec
        self._lock = threading.Lock()
        self._children: Living[Appender | Tailer] = Living()
        self._closed = False

    # Facts.

    @property
    def path(self) -> str:
        """The directory, or the files of an Indexed journal without .index and .data; absolute."""
        return self._path

    @property
    def mode(self) -> str:
        """ "r", "a" or "r+", as it was opened."""
        return self._mode

    @property
    def codec(self) -> Codec:
        """What ``append_value`` and ``values`` use, as it was opened with."""
        return self._codec

    @property
    def format(self) -> str:
        """ "cq5", "cq4" for a queue of Chronicle 4, "vanilla" or "indexed" for a journal of Chronicle 3.x."""
        if self._chronicle3 is not None:
            return self._chronicle3.format
        return "cq4" if self._kind == lib.CX_KIND_V4 else "cq5"

    @property
    def chronicle3(self) -> Chronicle3Settings | None:
        """What a Chronicle 3.x journal was opened with, inferred or given; None for other formats."""
        return self._chronicle3

    @property
    def dialect(self) -> str:
        """ "v3" or "v5": how Java's Bytes writes typed fields into excerpts of this format (docs/fields.md)."""
        return "v5" if self._chronicle3 is None else "v3"

    @property
    def has_padding(self) -> bool:
        """Whether a number between two excerpts is a padding entry, as in an Indexed journal, and never just missing."""
        return self._kind == lib.CX_KIND_INDEXED

    @property
    def many_writers(self) -> bool:
        """Whether several appenders at once may append; an Indexed journal has one, hence none over TCP."""
        return self._kind != lib.CX_KIND_INDEXED

    @property
    def writable(self) -> bool:
        """Whether it can be appended to."""
        return self._mode != "r"

    @property
    def roll_cycle(self) -> RollCycle | VanillaCycle | IndexedCycle:
        """How long a file lasts and how indexes are cut; its counts are those of roll files that we create."""
        return self._roll_cycle

    @property
    def wire_type(self) -> str | None:
        """ "BINARY_LIGHT" or "FIELDLESS_BINARY"; None where excerpts are no Wire documents (Chronicle 3.x)."""
        if self._chronicle3 is not None:
            return None
        return "FIELDLESS_BINARY" if self._fieldless else "BINARY_LIGHT"

    @property
    def source_id(self) -> int:
        """Where messages of this queue come from, 0 if nobody said."""
        return self._source_id

    @property
    def epoch_ms(self) -> int:
        """When cycle 0 begins, in ms since 1970 UTC, as it is stored."""
        return self._epoch_ms

    @property
    def roll_time(self) -> str | None:
        """The time of day (UTC) at which a daily queue rolls, if it was given so."""
        return self._roll_time

    @property
    def timeout_ms(self) -> int:
        """How long calls wait for another process."""
        return self._timeout_ms

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    # Contents.

    @property
    def first_cycle(self) -> int | None:
        """Number of the first cycle that has a file, None if there is none (Java: Integer.MAX_VALUE)."""
        numbers = self._cycle_numbers()
        return numbers[0] if numbers else None

    @property
    def last_cycle(self) -> int | None:
        """Number of the last cycle that has a file, None if there is none (Java: Integer.MIN_VALUE)."""
        numbers = self._cycle_numbers()
        return numbers[-1] if numbers else None

    @property
    def first_index(self) -> int | None:
        """Index that the first message of the first cycle has; None if there is no cycle (Java: Long.MAX_VALUE)."""
        cycle = self.first_cycle
        return None if cycle is None else self.index(cycle, 0)

    @property
    def last_index(self) -> int | None:
        """Index of the last message, None if there is none (Java: -1)."""
        for number in reversed(self._cycle_numbers()):
            count = self._cycle_facts(number).count
            if count:
                return self.index(number, count - 1)
        return None

    def cycles(self) -> Sequence[Cycle]:
        """The cycles that have a file, in order."""
        return tuple(Cycle(self, number) for number in self._cycle_numbers())

    def count(self, start: int | None = None, end: int | None = None) -> int:
        """Number of messages from index ``start`` on and before index ``end``; all of them by default.

        The order of the two does not matter. Between two indexes of one cycle it is their difference, whether those
        messages exist or not; raises NotFoundError if the cycle of either has no file. (Java: countExcerpts.)
        """
        numbers = self._cycle_numbers()
        if not numbers:
            if start is None and end is None:
                return 0
        elif start is None:
            start = self.index(numbers[0], 0)
        if end is None and numbers:
            count = self._cycle_facts(numbers[-1]).count
            end = self.index(numbers[-1], max(count - 1, 0)) + (count > 0)
        assert start is not None or not numbers
        return self._count(numbers, start or 0, end or 0)

    def _count(self, numbers: Sequence[int], start: int, end: int) -> int:
        start, end = sorted((_boundary.int64(start, "start"), _boundary.int64(end, "end")))
        if start < 0:
            raise UsageError(f"an index is not negative: {start}")
        if start == end:
            return 0
        roll = self._roll_cycle
        total = 0
        # A tailer that went backward beyond a cycle's first message stands on sequence -1 of the next one (Java).
        if roll.sequence_of(start) == roll.sequence_mask and roll.cycle_of(start) + 1 in numbers:
            total += 1
            start += 1
        if roll.sequence_of(end) == roll.sequence_mask and roll.cycle_of(end) + 1 in numbers:
            total -= 1
            end += 1
        # The end of a cycle that is full is the beginning of the next one, which need not be there.
        if end > start and roll.cycle_of(end) not in numbers:
            last = roll.cycle_of(end - 1)
            if last in numbers and self._cycle_facts(last).count > roll.sequence_of(end - 1) == roll.sequence_mask:
                total += 1
                end -= 1
        low, high = roll.cycle_of(start), roll.cycle_of(end)
        if low == high:
            return total + end - start
        for cycle in (low, high):
            if cycle not in numbers:
                raise NotFoundError(f"cannot count from {start:#x} to {end:#x}: cycle {cycle} has no roll file",
                                    path=self._path)  # fmt: skip
        whole = sum(self._cycle_facts(number).count for number in numbers if low <= number < high)
        return total + whole - roll.sequence_of(start) + roll.sequence_of(end)

    # Arithmetic.

    def index(self, cycle: int, sequence: int) -> int:
        """The index of message number ``sequence`` (from 0) of a cycle."""
        return self._roll_cycle.index(cycle, sequence)

    def cycle_of(self, index: int) -> int:
        """The cycle of an index."""
        return self._roll_cycle.cycle_of(index)

    def sequence_of(self, index: int) -> int:
        """The number within its cycle of an index."""
        return self._roll_cycle.sequence_of(index)

    def file_name(self, cycle: int) -> str:
        """Name of a cycle's roll file, whether it exists or not."""
        return self._roll_cycle.file_name(cycle, self._epoch_ms)

    def cycle_of_file(self, name: str) -> int | None:
        """The cycle whose roll file has this name (or path), None if no cycle's has."""
        if self._chronicle3 is None:
            name = os.path.basename(name)
        else:
            name = name.removeprefix(self._chronicle3.directory + os.sep)  # A cycle's directory may be nested.
        return self._roll_cycle.cycle_of_file(name, self._epoch_ms)

    def path_of(self, cycle: int) -> str:
        """Path of a cycle's roll file (Vanilla: directory), whether it exists or not."""
        directory = self._path if self._chronicle3 is None else self._chronicle3.directory
        return os.path.join(directory, self.file_name(cycle))

    def cycle_at(self, time_ms: int) -> int:
        """The cycle of a moment, in ms since 1970 UTC."""
        return self._roll_cycle.cycle_at(time_ms, self._epoch_ms)

    def start_ms(self, cycle: int) -> int:
        """When a cycle begins, in ms since 1970 UTC."""
        return self._roll_cycle.start_ms(cycle, self._epoch_ms)

    def index_of(self, moment: int | str | datetime.date, sequence: int = 0) -> int:
        """The index of message number ``sequence`` of the cycle of a moment: ``index_of("2015-04-16", 10)``.

        An int is ns since 1970; text is ISO 8601; a date is its midnight; naive means UTC.
        """
        return self.index(self.cycle_at(moment_ms(moment)), sequence)

    def date_of(self, index: int) -> datetime.datetime:
        """When the cycle of an index begins (UTC): the inverse of ``index_of``, beside ``sequence_of``."""
        start_ms = self.start_ms(self.cycle_of(index))
        try:
            return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(
                milliseconds=start_ms
            )
        except OverflowError:
            raise UsageError(f"the cycle of {index:#x} begins after the year 9999") from None

    def find_match(self, compare: Callable[[bytes], int]) -> int:
        """The index of an excerpt that compares equal in a queue that is in order, or ``~i`` for the place i of none.

        ``compare(payload)`` is below 0 where the payload comes before what is looked for, 0 at it, above 0 after it.
        Binary search, about log2(count) reads. (Java: Excerpt.findMatch, of Indexed journals.)
        """
        return search.find_match(self, compare)

    def find_range(self, compare: Callable[[bytes], int]) -> range:
        """The indexes from the first excerpt that compares equal to one past the last. (Java: Excerpt.findRange.)"""
        return search.find_range(self, compare)

    # Appenders and tailers.

    def appender(self) -> Appender:
        """A new appender. Each thread needs its own; raises ReadOnlyError in mode "r"."""
        self._check_open()
        if not self.writable:
            raise ReadOnlyError("the queue was opened for reading only", path=self._path)
        handle = self._handle.appender(self._timeout_ms)
        appender: Appender
        if self._clock is None and self._on_cycle is None:
            appender = Appender(self, handle)
        else:
            told = None if self._on_cycle is None else self._told
            appender = ObservedAppender(self, handle, self._clock, told)
        self._adopt(appender)
        return appender

    def tailer(
        self,
        name: str | None = None,
        *,
        start: int | str | None = None,
        direction: Direction | str | int = Direction.FORWARD,
        meta: bool = False,
    ) -> Tailer:
        """A new tailer. Each thread needs its own.

        ``name``: keeps its position in the table store under this name, as Java's named tailers do (not in mode "r").
        ``start``: "start", "end", or an index to move to (NotFoundError if its cycle does not exist; an index that is
        not written yet is waited for); default the first message, or where the name left off.
        ``direction``: "forward", "backward" or "none". ``meta``: metadata documents are read, too.
        """
        self._check_open()
        wanted = Direction.parse(direction)
        if isinstance(start, str):
            if start not in ("start", "end"):
                raise UsageError(f"unknown start {start!r}", hint='one of "start", "end", or an index')
        elif start is not None:
            start = _boundary.int64(start, "start")
            if start < 0:
                raise UsageError(f"an index is not negative: {start}")
        if name is not None:
            if not isinstance(name, str):
                raise TypeError(f"the name of a tailer is str, not {type(name).__name__}")
            if not self.writable:
                raise ReadOnlyError(f"the named tailer {name!r} would write its position", path=self._path)
        handle = self._handle.tailer(name, self._timeout_ms)
        tailer = Tailer(self, handle, name, meta, None if self._on_cycle is None else self._told, self._clock)
        self._adopt(tailer)
        if wanted is not Direction.FORWARD:
            tailer.direction = wanted
        if start == "start":
            tailer.to_start()
        elif start == "end":
            tailer.to_end()
        elif start is not None and not tailer.move_to_index(int(start)) and tailer.state is TailerState.CYCLE_NOT_FOUND:
            tailer.close()
            raise NotFoundError(f"cannot start at {start:#x}: its cycle has no roll file", path=self._path)
        return tailer

    def method_writer(
        self,
        *interfaces: type | str,
        generic_event: str | None = None,
        use_method_ids: bool = True,
        wall_clock: bool = False,
    ) -> Any:
        """An object whose methods write their calls as events, as Java's method writers do: a MethodWriter.

        ``interfaces``: classes whose public functions are its methods (a ``typing.Protocol``, say), or names of methods.
        Hints of such a class count: an argument of another class than the dataclass declared carries its type's name; a
        function that returns an interface begins a chain. ``generic_event`` names the method whose first argument is the
        name of the event. ``use_method_ids``: methods with a ``method_id`` are written by their number. ``wall_clock``:
        times in histories are ns since 1970, as with Java's ``-Dhistory.wall.clock=true``.

        Messages have a history if the queue has a source id. Each thread needs its own.
        (Java: ChronicleQueue.methodWriter.)
        """
        options: dict[str, Any] = {"generic_event": generic_event, "use_method_ids": use_method_ids}
        appender = self.appender()
        try:
            return methods.MethodWriter(appender, interfaces, wall_clock=wall_clock, **options)
        except BaseException:
            appender.close()
            raise

    def method_reader(
        self,
        *handlers: object,
        tailer: Tailer | str | None = None,
        interface: type | None = None,
        default: Callable[[str | int, Any], object] | None = None,
        metadata: object | None = None,
        scanning: bool = False,
        wall_clock: bool = False,
    ) -> methods.MethodReader:
        """A reader that calls the methods of the handlers with the events of this queue, as Java's method readers do.

        ``handlers``: objects with a public method for each event they know, or mappings of names to functions; the first
        that knows an event is called. Hints of a method's parameters convert its arguments (``wire.hints``). What a method
        returns is asked first for the following events of the same message: a chained call. ``tailer``: an open tailer
        of this queue, or the name of one; default a new one at the start. ``interface``: only this class's methods are
        called. ``default``: is called with name and value of an event that no handler knows; without it such events are
        skipped. ``metadata``: the handler of metadata documents, which are not read without one. ``scanning``:
        ``read_one`` goes on to a message that is known. (Java: ExcerptTailer.methodReader.)
        """
        if isinstance(tailer, Tailer) and tailer.queue is not self:
            raise UsageError("the tailer is another queue's", path=self._path)
        opened = tailer if isinstance(tailer, Tailer) else self.tailer(tailer)
        options: dict[str, Any] = {"interface": interface, "default": default, "metadata": metadata}
        try:
            return methods.MethodReader(opened, handlers, scanning=scanning, wall_clock=wall_clock, **options)
        except BaseException:
            if opened is not tailer:
                opened.close()
            raise

    @property
    def table_store(self) -> TableStore:
        """Keys and values of metadata.cq4t: locks, listing, positions of named tailers. Chronicle 3.x has none."""
        if self._chronicle3 is not None:
            raise UnsupportedFormatError("a journal of Chronicle 3.x has no table store", path=self._path)
        return TableStore(self)

    def refresh(self) -> None:
        """Looks at the directory again, for others too: the listing in the table store is corrected.

        Needed after roll files were deleted or put there by other means; does nothing to files in mode "r".
        """
        self._checked(lambda: lib.cx_queue_refresh(self._handle.number))

    # End.

    def close(self) -> None:
        """Closes the appenders and tailers of this queue, then the queue. Once more is nothing.

        Raises BusyError if a thread stays inside one of them for seconds.
        """
        with self._lock:
            self._closed = True
            children = self._children.all()
        for child in children:
            child.close()
        self._handle.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        # Without a handle __init__ never ran: opening failed, and said so.
        handle = getattr(self, "_handle", None)
        if handle is not None and not handle.closed:
            warnings.warn(f"unclosed queue {self._path!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<Queue {self._path!r}, {self.format} {self._roll_cycle.name}, mode {self._mode!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a queue cannot be pickled: open it where it is needed")

    # Helpers.

    def _adopt(self, child: Appender | Tailer) -> None:
        with self._lock:
            self._children.add(child)
            closed = self._closed
        if closed:  # By another thread, after our check.
            child.close()
            self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the queue is closed", path=self._path)

    def _checked(self, call: Callable[[], int]) -> int:
        return _boundary.checked(_boundary.patient(call, self._timeout_ms), self._path)

    def _cycle_numbers(self) -> list[int]:
        number = self._handle.number
        capacity = 64
        while True:
            array = _boundary.int64s(capacity)
            count = self._checked(lambda a=array, c=capacity: lib.cx_queue_cycles(number, a, c))  # type: ignore[misc]
            if count <= capacity:
                return _boundary.unpacked(array, count)
            capacity = count + 16  # A roll may come between.

    def _cycle_facts(self, cycle: int) -> _CycleFacts:
        info = _boundary.new_cycle_info()
        code = lib.cx_queue_cycle(self._handle.number, cycle, info)
        if code == lib.CX_E_NOT_FOUND or code == lib.CX_E_NOT_READY:
            return _NO_FACTS  # Deleted since it was listed, or just being created.
        _boundary.checked(code, self._path)
        return _CycleFacts(
            info.count,
            info.size_bytes,
            info.used_bytes,
            bool(info.closed),
            bool(info.ready),
            info.data_format,
            info.index_count,
            info.index_spacing,
        )

    def _told(self, cycle: int, acquired: bool) -> None:
        """Calls on_cycle; its failure must not look like a failure of the append or read that caused it."""
        assert self._on_cycle is not None
        try:
            self._on_cycle(cycle, self.path_of(cycle), acquired)
        except Exception as error:
            warnings.warn(f"on_cycle failed for cycle {cycle}: {error!r}", ChronixWarning, stacklevel=3)
