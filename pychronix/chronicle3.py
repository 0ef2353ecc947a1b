"""Chronicle 3.x journals: finding one, and the settings that its files do not store.

The decision hidden here is what a Vanilla or Indexed journal is taken for. Neither format records its configuration, and a
reader that is configured otherwise than the writer was addresses nonsense (spec chronicle-3, 2.13 and 3.6). So what the
files betray is inferred (cycles from directory names, block sizes from file lengths, thread-id bits from the names of data
files, line sizes from the index), and what they do not (entries per cycle) is Java's default unless the caller says
otherwise.

Rules
- Only names, lengths and a few index entries are read here; nothing is written.
- What the files tell for certain (names, lengths, line sizes) wins over an option, with a warning; ``thread_bits`` is only
  likely, so there the option wins. All are checked, since no format check will ever catch them.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypedDict

from pychronix.errors import (
    AccessError,
    NotFoundError,
    NotReadyError,
    SystemCallError,
    UnsupportedFormatError,
    UsageError,
)
from pychronix.rolling import MAX_CYCLE, MAX_INDEX, compile_pattern

__all__ = [
    "Chronicle3Options",
    "Chronicle3Settings",
    "IndexedCycle",
    "VanillaCycle",
    "detect",
    "indexed_base",
    "resolve",
]

KIB, MIB = 1 << 10, 1 << 20
MAX_BLOCK_BYTES = 1 << 30  # Java cannot map more than 2^31 - 1 bytes at once.
MIN_ENTRIES, MAX_ENTRIES = 1 << 8, 1 << 48  # VanillaChronicle.MIN_CYCLE_INDEX and the builder's upper limit.
DEFAULT_RESERVE_BYTES = 128 * KIB  # Java's defaultMessageSize and messageCapacity.
DEFAULT_MAPPED_BYTES = 512 * MIB
_SAMPLED_CYCLES = 8  # Directories looked into for lengths and names ...
_SAMPLED_ENTRIES = 4096  # ... and index entries of each.
_VISITED_DIRECTORIES = 1 << 12  # Whoever is sent into a foreign tree comes back.
_DATE_PARTS = 8  # Six from year to second, and some literals between.
_MIN_THREAD_BITS, _MAX_THREAD_BITS = 8, 32
_LINE_SIZES = (64, 128, 32, 256, 512, 1 * KIB, 2 * KIB, 4 * KIB, 16)  # Likely ones first; 64 is Java's default.
_LINES_LOOKED_AT = 64 * KIB  # Bytes of an index file that tell the size of its lines.
_PID_MAX = "/proc/sys/kernel/pid_max"

_INDEX_FILE = re.compile(r"index-(\d+)")
_DATA_FILE = re.compile(r"data-(\d+)-(\d+)")


class Chronicle3Options(TypedDict, total=False):
    """What ``open_queue`` takes for Chronicle 3.x journals besides path, mode and roll."""

    entries_per_cycle: int
    """Vanilla: the factor between cycle and index, a power of two in 2^8..2^48 (Java: entriesPerCycle)."""
    index_block_bytes: int
    """Size of an index file (Vanilla), growth step of the index file (Indexed)."""
    data_block_bytes: int
    """Size of a data file (Vanilla), block that no excerpt crosses (Indexed)."""
    reserve_bytes: int
    """Room that the beginning of an excerpt asks for in its block (Java: defaultMessageSize, messageCapacity)."""
    thread_bits: int
    """Vanilla: bits of an index entry that hold the writer's thread id, 8..32."""
    thread_id: int
    """Vanilla: the id that data files of our appenders are named after, instead of the thread's own."""
    max_mapped_bytes: int
    """Vanilla: how much of the journal one appender or tailer keeps mapped."""
    synchronous: bool
    """Every append is on disk when it returns (Java: synchronous)."""
    line_bytes: int
    """Indexed: size of an index line (Java: cacheLineSize), 64 by default; found out as soon as a line is full."""


_OF_ONE_FORMAT = {
    "vanilla": ("entries_per_cycle", "thread_bits", "thread_id", "max_mapped_bytes"),
    "indexed": ("line_bytes",),
}


def _integer(option: str, options: Chronicle3Options, default: int | None = None) -> int:
    value = options.get(option, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{option} is an int, not {type(value).__name__}")
    return value


def _check_power_of_two(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high or value & (value - 1):
        raise UsageError(f"{what} is a power of two within {low}..{high}, not {value}")


# --- cycles ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VanillaCycle:
    """How long a Vanilla journal's cycle is, what its directories are called, and how its indexes are cut.

    Java's own are attributes (``VanillaCycle.DAYS``); any SimpleDateFormat pattern of yyyy MM dd HH mm ss, with ``/``
    for nested directories, makes another: ``VanillaCycle.of("yyyyMMdd/HH")``. (Java: VanillaChronicle.Cycle.)
    """

    name: str
    format: str
    length_ms: int
    entries: int
    """Entries per cycle, a power of two: index = cycle * entries + sequence."""

    SECONDS: ClassVar[VanillaCycle]
    MINUTES: ClassVar[VanillaCycle]
    HOURS: ClassVar[VanillaCycle]
    DAYS: ClassVar[VanillaCycle]

    def __post_init__(self) -> None:
        _check_power_of_two("entries_per_cycle", self.entries, MIN_ENTRIES, MAX_ENTRIES)
        if compile_pattern(self.format, nested=True).resolution_ms > self.length_ms:
            raise UsageError(f"the cycle format {self.format!r} gives several cycles of {self.length_ms} ms one name")

    @classmethod
    def of(cls, roll: str | VanillaCycle) -> VanillaCycle:
        """Java's cycle of that name, in any case; or one of that SimpleDateFormat pattern, as long as it resolves."""
        if isinstance(roll, VanillaCycle):
            return roll
        if isinstance(roll, str):
            known = _BY_NAME.get(roll.strip().upper())
            if known is not None:
                return known
            try:
                length_ms = compile_pattern(roll, nested=True).resolution_ms
            except UnsupportedFormatError:
                pass
            else:
                return cls("CUSTOM", roll, length_ms, _BY_LENGTH[length_ms].entries)
        raise UsageError(
            f"unknown cycle {roll!r} of a Vanilla journal",
            hint="one of " + ", ".join(_BY_NAME) + ", or a pattern such as yyyyMMdd/HH",
        )

    @property
    def shift(self) -> int:
        """Bits of an index that hold the sequence."""
        return self.entries.bit_length() - 1

    @property
    def index_count(self) -> None:
        """Vanilla journals have index files, not pages."""
        return None

    @property
    def index_spacing(self) -> None:
        """Every excerpt of a Vanilla journal is indexed."""
        return None

    @property
    def sequence_mask(self) -> int:
        """The bits of an index that hold the sequence."""
        return self.entries - 1

    def index(self, cycle: int, sequence: int) -> int:
        """The index of an excerpt; raises UsageError where Java's long could not hold it."""
        if not 0 <= sequence < self.entries:
            raise UsageError(f"sequence {sequence} is not within 0..{self.entries - 1}")
        if not 0 <= cycle <= MAX_CYCLE or cycle * self.entries + sequence > MAX_INDEX:
            raise UsageError(f"cycle {cycle} is out of range")
        return cycle * self.entries + sequence

    def cycle_of(self, index: int) -> int:
        """The cycle of an index."""
        if not 0 <= index <= MAX_INDEX or index >> self.shift > MAX_CYCLE:
            raise UsageError(f"{index:#x} is not an index")
        return index >> self.shift

    def sequence_of(self, index: int) -> int:
        """The 0-based number of an excerpt within its cycle."""
        return index & self.sequence_mask

    def file_name(self, cycle: int, epoch_ms: int = 0) -> str:
        """The directory of a cycle, relative to the journal's."""
        if not 0 <= cycle <= MAX_CYCLE:
            raise UsageError(f"cycle {cycle} is not within 0..{MAX_CYCLE}")
        return compile_pattern(self.format, nested=True).format(cycle * self.length_ms)

    def cycle_of_file(self, name: str, epoch_ms: int = 0) -> int | None:
        """The cycle whose directory has this name, None if no cycle's has."""
        time_ms = compile_pattern(self.format, nested=True).parse(name)
        return None if time_ms is None or time_ms < 0 else time_ms // self.length_ms

    def cycle_at(self, time_ms: int, epoch_ms: int = 0) -> int:
        """The cycle of a moment."""
        return time_ms // self.length_ms

    def start_ms(self, cycle: int, epoch_ms: int = 0) -> int:
        """The first moment of a cycle."""
        return cycle * self.length_ms


VanillaCycle.SECONDS = VanillaCycle("SECONDS", "yyyyMMddHHmmss", 1000, 1 << 28)
VanillaCycle.MINUTES = VanillaCycle("MINUTES", "yyyyMMddHHmm", 60_000, 1 << 34)
VanillaCycle.HOURS = VanillaCycle("HOURS", "yyyyMMddHH", 3_600_000, 1 << 40)
VanillaCycle.DAYS = VanillaCycle("DAYS", "yyyyMMdd", 86_400_000, 1 << 40)
_KNOWN = (VanillaCycle.SECONDS, VanillaCycle.MINUTES, VanillaCycle.HOURS, VanillaCycle.DAYS)
_BY_NAME = {cycle.name: cycle for cycle in _KNOWN}
_BY_LENGTH = {cycle.length_ms: cycle for cycle in _KNOWN}


@dataclass(frozen=True, slots=True)
class IndexedCycle:
    """An Indexed journal never rolls: one cycle, number 0, whose sequence is the index. ``base`` is its file name."""

    base: str

    @property
    def name(self) -> str:
        """ "NONE"."""
        return "NONE"

    @property
    def format(self) -> str:
        """The file name, which holds no date."""
        return self.base

    @property
    def length_ms(self) -> int:
        """0: it has no end."""
        return 0

    @property
    def shift(self) -> int:
        """63: all of an index is the sequence."""
        return 63

    @property
    def index_count(self) -> None:
        """Indexed journals have lines, not pages."""
        return None

    @property
    def index_spacing(self) -> None:
        """Every excerpt of an Indexed journal is indexed."""
        return None

    @property
    def sequence_mask(self) -> int:
        """The bits of an index that hold the sequence: all."""
        return MAX_INDEX

    def index(self, cycle: int, sequence: int) -> int:
        """The sequence itself."""
        if cycle != 0 or not 0 <= sequence <= MAX_INDEX:
            raise UsageError(f"an Indexed journal has no cycle {cycle}, sequence {sequence}")
        return sequence

    def cycle_of(self, index: int) -> int:
        """0."""
        if not 0 <= index <= MAX_INDEX:
            raise UsageError(f"{index:#x} is not an index")
        return 0

    def sequence_of(self, index: int) -> int:
        """The index itself."""
        return index

    def file_name(self, cycle: int, epoch_ms: int = 0) -> str:
        """Name of the data file."""
        return self.base + ".data"

    def cycle_of_file(self, name: str, epoch_ms: int = 0) -> int | None:
        """0 for the names of its two files."""
        return 0 if name in (self.base + ".data", self.base + ".index") else None

    def cycle_at(self, time_ms: int, epoch_ms: int = 0) -> int:
        """0, whenever."""
        return 0

    def start_ms(self, cycle: int, epoch_ms: int = 0) -> int:
        """0: nobody knows when it began."""
        return 0


# --- finding ---------------------------------------------------------------------------------------------------------


def indexed_base(path: str) -> str:
    """The path of an Indexed journal without .index or .data, which may both be given."""
    for suffix in (".index", ".data"):
        if path.endswith(suffix) and os.path.isfile(path):
            return path[: -len(suffix)]
    return path


def detect(path: str) -> str | None:
    """ "vanilla" or "indexed" if a Chronicle 3.x journal is at a path, None if not."""
    if os.path.isdir(path):
        if any(entry.name.endswith((".cq4", ".cq4t")) for entry in _scan(path)):
            return None
        return "vanilla" if next(_leaves(path), None) is not None else None
    base = indexed_base(path)
    return "indexed" if os.path.isfile(base + ".index") and os.path.isfile(base + ".data") else None


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []  # Deleted since its parent was listed.
    except PermissionError as cause:
        raise AccessError("cannot list the journal's directory", path=path) from cause
    except OSError as cause:
        raise SystemCallError(f"cannot list the directory: {cause.strerror}", path=path, errno=cause.errno) from cause


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A symbolic link to itself, for one.
        return False


def _leaves(path: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Directories with index or data files, newest name first, relative to the journal, each with its entries."""
    waiting = [(path, "", 0)]
    for _ in range(_VISITED_DIRECTORIES):
        if not waiting:
            return
        directory, relative, depth = waiting.pop()
        entries = _scan(directory)
        if relative and any(_INDEX_FILE.fullmatch(entry.name) or _DATA_FILE.fullmatch(entry.name) for entry in entries):
            yield relative, entries
        elif depth < _DATE_PARTS:
            waiting += (
                (entry.path, f"{relative}/{entry.name}" if relative else entry.name, depth + 1)
                for entry in entries
                if re.search(r"\d", relative + entry.name) and _is_directory(entry)
            )


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chronicle3Settings:
    """What a Chronicle 3.x journal is opened with: what was found, completed by what was wished and by defaults."""

    format: str
    path: str
    exists: bool
    cycle: VanillaCycle | IndexedCycle
    index_block_bytes: int
    data_block_bytes: int
    reserve_bytes: int
    max_mapped_bytes: int
    thread_bits: int
    thread_id: int
    synchronous: bool
    line_bytes: int

    @property
    def directory(self) -> str:
        """What the cycles' names are relative to."""
        return self.path if self.format == "vanilla" else os.path.dirname(self.path)


def check_names(options: Mapping[str, object]) -> None:
    """TypeError for an option that no journal has, a typing error for instance."""
    unknown = set(options) - set(Chronicle3Options.__annotations__)
    if unknown:
        known = ", ".join(Chronicle3Options.__annotations__)
        raise TypeError(f"open_queue() got an unexpected keyword argument {min(unknown)!r}; Chronicle 3.x has {known}")


def resolve(
    format: str, path: str, roll: str | VanillaCycle | None, options: Chronicle3Options
) -> tuple[Chronicle3Settings, list[str]]:
    """The settings of the journal at a path, whether it exists or not, and the wishes that cannot come true, in words.

    Raises NotReadyError while another process makes its first file, UsageError for an option out of range, and
    UnsupportedFormatError where the files fit no settings.
    """
    check_names(options)
    if not isinstance(options.get("synchronous", False), bool):
        raise TypeError(f"synchronous is a bool, not {type(options['synchronous']).__name__}")
    for owner, names in _OF_ONE_FORMAT.items():
        if owner != format and (others := options.keys() & set(names)):
            raise UsageError(f"{min(others)} is an option of {owner.title()} journals, and {path} is {format}")
    return (_vanilla if format == "vanilla" else _indexed)(path, roll, options)


def _vanilla(
    path: str, roll: str | VanillaCycle | None, options: Chronicle3Options
) -> tuple[Chronicle3Settings, list[str]]:
    differences: list[str] = []
    leaves = []
    for leaf in _leaves(path):
        leaves.append(leaf)
        if len(leaves) == _SAMPLED_CYCLES:
            break
    cycle = _cycle_of(path, [name for name, _ in leaves], roll, differences)
    if "entries_per_cycle" in options:
        cycle = VanillaCycle("CUSTOM", cycle.format, cycle.length_ms, _integer("entries_per_cycle", options))
    index_bytes = _block(path, leaves, _INDEX_FILE, "index_block_bytes", options, 16 * MIB, differences)
    data_bytes = _block(path, leaves, _DATA_FILE, "data_block_bytes", options, 64 * MIB, differences)
    if not leaves and index_bytes // 8 > cycle.entries:
        raise UsageError(
            f"an index file of {index_bytes} bytes holds more entries than a cycle, which has {cycle.entries}: "
            "Java's tailers would miss every other cycle",
            hint=f"index_block_bytes={max(KIB, 8 * cycle.entries)}" if 8 * cycle.entries >= KIB else None,
        )
    reserve = _integer("reserve_bytes", options, min(DEFAULT_RESERVE_BYTES, data_bytes // 2))
    if not 0 <= reserve <= data_bytes - 4:
        raise UsageError(f"reserve_bytes is within 0..{data_bytes - 4} (the data block less a length), not {reserve}")
    mapped = _integer("max_mapped_bytes", options, DEFAULT_MAPPED_BYTES)
    if mapped < 1:
        raise UsageError(f"max_mapped_bytes is at least 1, not {mapped}")
    thread_id = _integer("thread_id", options, 0)
    thread_bits = _thread_bits(path, leaves, data_bytes, options)
    if not 0 <= thread_id < 1 << min(thread_bits, 31):
        raise UsageError(f"thread_id {thread_id} does not fit {thread_bits} bits")
    return Chronicle3Settings(
        "vanilla",
        path,
        bool(leaves),
        cycle,
        index_bytes,
        data_bytes,
        reserve,
        mapped,
        thread_bits,
        thread_id,
        options.get("synchronous", False),
        0,
    ), differences


def _cycle_of(path: str, names: list[str], roll: str | VanillaCycle | None, differences: list[str]) -> VanillaCycle:
    wished = None if roll is None else VanillaCycle.of(roll)
    if not names:
        return wished or VanillaCycle.DAYS
    if wished is not None and any(wished.cycle_of_file(name) is not None for name in names):
        return wished
    for name in names:
        found = _cycle_named(name)
        if found is not None:
            if wished is not None:
                differences.append(f"the journal's directories are named {found.format}, not {wished.format}")
            return found
    raise UnsupportedFormatError(
        f"cannot read a date in the cycle directory {names[0]!r}",
        path=path,
        hint="give the journal's cycle format: roll=\"yyyyMMdd'x'\"",
    )


def _cycle_named(name: str) -> VanillaCycle | None:
    """The cycle of a directory name whose digits are a date, from the year down to days, hours, minutes or seconds."""
    fields = "yyyyMMddHHmmss"
    pattern = ""
    used = 0
    for part in re.findall(r"\d+|/|[^\d/]+", name):
        if part.isdigit():
            if used + len(part) > len(fields):
                return None
            pattern += fields[used : used + len(part)]
            used += len(part)
        else:
            pattern += part if not any(c.isalpha() or c == "'" for c in part) else "'" + part.replace("'", "''") + "'"
    if used not in (8, 10, 12, 14):
        return None
    for known in _KNOWN:
        if known.format == pattern:
            return known if known.cycle_of_file(name) is not None else None
    try:
        found = VanillaCycle.of(pattern)
    except (UsageError, UnsupportedFormatError):
        return None
    return found if found.cycle_of_file(name) is not None else None


def _block(
    path: str,
    leaves: Iterable[tuple[str, list[os.DirEntry[str]]]],
    names: re.Pattern[str],
    option: str,
    options: Chronicle3Options,
    default: int,
    differences: list[str],
) -> int:
    """The size of index or data files: their greatest length, which is a power of two, or the option, or the default."""
    longest, fresh = 0, None
    for _, entries in leaves:
        for entry in entries:
            if names.fullmatch(entry.name):
                try:
                    length = entry.stat().st_size
                except OSError:  # Deleted since it was listed, or a symbolic link to nowhere.
                    continue
                longest = max(longest, length)
                if length == 0:
                    fresh = entry.path
            elif _DATA_FILE.fullmatch(entry.name):  # Made before the index file that its first record is entered in.
                fresh = entry.path
    if longest == 0 and fresh is not None and option not in options:
        raise NotReadyError(
            "another process is just making the journal's first files, whose length tells the block size",
            path=fresh,
            hint=f"if that process has died: give {option}",
        )
    wished = _integer(option, options, 0)
    if option in options:
        _check_power_of_two(option, wished, KIB, MAX_BLOCK_BYTES)
    # A file that somebody cut short has another length: then the option, or the default, is believed.
    found = longest if longest >= KIB and longest & (longest - 1) == 0 and longest <= MAX_BLOCK_BYTES else 0
    if found and wished and found != wished:
        differences.append(f"the journal's {option} is {found}, not {wished} as asked for")
    return found or wished or default


def _thread_bits(
    path: str,
    leaves: list[tuple[str, list[os.DirEntry[str]]]],
    data_bytes: int,
    options: Chronicle3Options,
) -> int:
    """How many bits of an index entry are the thread id (spec 2.6): as the entries and the names of data files agree."""
    if "thread_bits" in options:
        bits = _integer("thread_bits", options)
        if not _MIN_THREAD_BITS <= bits <= _MAX_THREAD_BITS:
            raise UsageError(f"thread_bits is within {_MIN_THREAD_BITS}..{_MAX_THREAD_BITS}, not {bits}")
        return bits
    native = _native_thread_bits()
    votes = dict.fromkeys([native, *range(_MIN_THREAD_BITS, _MAX_THREAD_BITS + 1)], 0)
    for _, entries in leaves:
        files = {
            (int(match[1]), int(match[2]))
            for entry in entries
            if (match := _DATA_FILE.fullmatch(entry.name)) is not None
        }
        for slot in _entries(entries):
            for bits in votes:
                low = slot & ((1 << (64 - bits)) - 1)
                if (slot >> (64 - bits), low // data_bytes) in files and low % data_bytes >= 4:
                    votes[bits] += 1
        if any(votes.values()):
            break
    best = max(votes, key=lambda bits: votes[bits])  # The first of equals: this machine's own.
    return best if votes[best] else native


def _entries(entries: list[os.DirEntry[str]]) -> Iterator[int]:
    """Some entries of a cycle's first index file that are not empty."""
    for entry in entries:
        if _INDEX_FILE.fullmatch(entry.name):
            try:
                with open(entry.path, "rb") as file:
                    raw = file.read(8 * _SAMPLED_ENTRIES)
            except OSError:
                continue  # Reading says so, with the path, if it is ever needed.
            yield from (slot for (slot,) in struct.iter_unpack("<Q", raw[: len(raw) // 8 * 8]) if slot)
            return


def _native_thread_bits() -> int:
    """What Java takes on this machine: log2 of pid_max, rounded up (lang's OS.findMaxPid)."""
    try:
        with open(_PID_MAX) as file:
            pid_max = int(file.read())
    except (OSError, ValueError):
        return 16
    return min(max((pid_max - 1).bit_length(), _MIN_THREAD_BITS), _MAX_THREAD_BITS)


def _indexed(
    path: str, roll: str | VanillaCycle | None, options: Chronicle3Options
) -> tuple[Chronicle3Settings, list[str]]:
    if roll is not None:
        raise UsageError("an Indexed journal does not roll: leave out roll=")
    base = indexed_base(path)
    differences: list[str] = []
    line = _integer("line_bytes", options, _LINE_SIZES[0])
    _check_power_of_two("line_bytes", line, min(_LINE_SIZES), max(_LINE_SIZES))
    found = _line_size(base + ".index", line)
    if found != line and "line_bytes" in options:
        differences.append(f"the journal's line_bytes is {found}, not {line} as asked for")
    line = found
    data_bytes = _integer("data_block_bytes", options, 128 * MIB)
    if not 4 * KIB <= data_bytes <= MAX_BLOCK_BYTES or data_bytes % 8:
        raise UsageError(f"data_block_bytes is within {4 * KIB}..{MAX_BLOCK_BYTES}, not {data_bytes}")
    # Java reckons with its default data block here, whatever was set.
    index_bytes = _integer("index_block_bytes", options, 32 * MIB)
    if not line <= index_bytes <= MAX_BLOCK_BYTES or index_bytes % line:
        raise UsageError(f"index_block_bytes is a multiple of line_bytes up to {MAX_BLOCK_BYTES}, not {index_bytes}")
    reserve = _integer("reserve_bytes", options, min(DEFAULT_RESERVE_BYTES, data_bytes // 2))
    if not 0 <= reserve < data_bytes:
        raise UsageError(f"reserve_bytes is less than data_block_bytes, not {reserve}")
    return Chronicle3Settings(
        "indexed",
        base,
        os.path.isfile(base + ".index") and os.path.isfile(base + ".data"),
        IndexedCycle(os.path.basename(base)),
        index_bytes,
        data_bytes,
        reserve,
        0,
        0,
        0,
        options.get("synchronous", False),
        line,
    ), differences


def _line_size(index_path: str, expected: int) -> int:
    """The size of an index line: what is expected, unless the beginning of the file fits another and not that one."""
    try:
        with open(index_path, "rb") as file:
            # What a writer adds while we read is in the second copy before anything behind it can be in the first.
            early = file.read(_LINES_LOOKED_AT)
            file.seek(0)
            late = file.read(_LINES_LOOKED_AT)
    except OSError:
        return expected  # It is created, or opening it says what is wrong.
    return next((size for size in (expected, *_LINE_SIZES) if _are_lines(early, late, size)), expected)


def _are_lines(early: bytes, late: bytes, size: int) -> bool:
    """Whether the beginning of an index file makes sense with lines of a size (spec 3.2).

    Each base is where the line before ended, ends do not go backward, and nothing follows the first entry that is 0.
    """
    line = struct.Struct(f"<q{(size - 8) // 4}i")
    end = 0
    for at in range(0, len(late) - size + 1, size):
        base, *entries = line.unpack_from(late, at)
        if base != end and (base or entries[0]):
            return False
        for place, entry in enumerate(entries):
            if not entry:
                return not early[at + 8 + 4 * place :].strip(b"\0")
            if base + abs(entry) < end:
                return False
            end = base + abs(entry)
    return True


def missing(path: str, format: str) -> NotFoundError:
    """What opening for reading answers where there is no such journal."""
    what = "cycle directories" if format == "vanilla" else f"{os.path.basename(path)}.index and .data"
    return NotFoundError(f"there is no {format} journal: no {what}", path=path, hint='mode="a" creates one')
