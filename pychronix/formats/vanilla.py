"""Layouts of Chronicle 3.x's VanillaChronicle: the executable specification.

The decision hidden here is where every byte of a Vanilla journal lies, and which directory, file and slot an index
names. Nothing is shared with the C core or with ``chronicle3``; a test that holds them against each other proves both.
Numbers in parentheses are sections of the specification of Chronicle 3.x.

A journal is a directory of cycle directories. Each has ``index-<n>``, whose slots of 8 bytes name records, and
``data-<thread id>-<m>``, which hold them. Nothing in a file says how it is to be read, so there is `Settings`:
what Java's builder was told, or what `infer` reads off names, lengths and slots.

Hostile bytes raise CorruptError; every loop is bounded by the size of a file.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import construct as c

from pychronix.errors import AccessError, CorruptError, SystemCallError, UnsupportedFormatError

__all__ = [
    "CYCLES",
    "DatePattern",
    "Files",
    "Settings",
    "Slot",
    "index_entry",
    "index_file",
    "infer",
    "is_journal",
    "leaf_directories",
    "payload_at",
    "record",
    "slots_of",
    "thread_bits_of",
]

LENGTH_SIZE = 4
"""A record is its length, complemented, and its payload; a slot names the payload's offset (2.6, 2.7)."""
SLOT_SIZE = 8
CORRUPT_BITS = 0xC000_0000
"""Bits that no length has (2.7)."""
THREAD_BITS_MIN, THREAD_BITS_MAX = 8, 32
_MIB = 1 << 20

# --- layouts (2.6, 2.7) ----------------------------------------------------------------------------------------------

record = c.Aligned(
    4,
    c.Struct(
        "payload" / c.Prefixed(c.ExprAdapter(c.Int32ul, c.obj_ ^ 0xFFFF_FFFF, c.obj_ ^ 0xFFFF_FFFF), c.GreedyBytes),
    ),
)
"""One record as Java lays it out from the start of a data file on: length, payload, up to three bytes of padding."""


def index_entry(thread_bits: int) -> Any:
    """A slot that was written: who wrote the record, and where it is in the data files of that thread (2.6)."""
    return c.ByteSwapped(
        c.BitStruct("thread_id" / c.BitsInteger(thread_bits), "position" / c.BitsInteger(64 - thread_bits))
    )


def index_file(slots: int) -> Any:
    """An index file of so many slots; 0 is a slot that was not written."""
    return c.Array(slots, c.Int64ul)


# --- names (2.3) -----------------------------------------------------------------------------------------------------

_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_NUMBER = re.compile(r"[ \t]*([0-9]{1,18})")
_UNIT_MS = {"s": 1000, "m": 60_000, "H": 3_600_000, "d": _DAY_MS}


class DatePattern:
    """A pattern of Java's SimpleDateFormat in GMT, of the letters ``y M d H m s``, quotes and literals.

    Parsing is as lenient as Java's: what follows the pattern is ignored, a number may be shorter or (the last of
    several that touch, or before a literal) longer than its letters, and a 32nd of January is the 1st of February.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        #: (letter, width) of a field, ("", text) of a literal.
        self.parts: list[tuple[str, Any]] = []
        for match in re.finditer(r"([A-Za-z])\1*|''|'((?:[^']|'')+)'|[^A-Za-z']+|'", pattern):
            text = match[0]
            if text == "'":
                raise UnsupportedFormatError(f"cannot read the cycle format {pattern!r}: a quote has no end")
            if match[1] is not None:
                if text not in ("yyyy", "MM", "dd", "HH", "mm", "ss"):
                    raise UnsupportedFormatError(f"cannot read the cycle format {pattern!r}: {text} is not known")
                self.parts.append((text[0], len(text)))
            else:
                # Two quotes are one, within quotes and without.
                literal = match[2] if match[2] is not None else text
                self.parts.append(("", literal.replace("''", "'")))

    @property
    def resolution_ms(self) -> int:
        """How much time one name stands for: a day, or less where there are smaller fields."""
        return min((_UNIT_MS.get(letter, _DAY_MS) for letter, _ in self.parts if letter), default=_DAY_MS)

    def format(self, time_ms: int) -> str:
        """The name of a moment, milliseconds since 1970; UnsupportedFormatError beyond the year 9999."""
        days, of_day = divmod(time_ms, _DAY_MS)
        try:
            date = datetime.date.fromordinal(_EPOCH_ORDINAL + days)
        except (ValueError, OverflowError) as cause:
            raise UnsupportedFormatError(f"no name for {time_ms} ms since 1970") from cause
        seconds = of_day // 1000
        values = {
            "y": date.year, "M": date.month, "d": date.day,
            "H": seconds // 3600, "m": seconds // 60 % 60, "s": seconds % 60,
        }  # fmt: skip
        return "".join(f"{values[letter]:0{part}d}" if letter else part for letter, part in self.parts)

    def parse(self, name: str) -> int | None:
        """The moment a name stands for, None if Java's parser would not take it."""
        values = {"y": 1970, "M": 1, "d": 1, "H": 0, "m": 0, "s": 0}
        at = 0
        for number, (letter, part) in enumerate(self.parts):
            if not letter:
                if not name.startswith(part, at):
                    return None
                at += len(part)
                continue
            # Where fields touch, Java counts off a field's letters, before it skips blanks.
            touches = number + 1 < len(self.parts) and self.parts[number + 1][0] != ""
            limit = at + part if touches else len(name)
            digits = _NUMBER.match(name, at, limit)
            if digits is None or limit > len(name):
                return None
            values[letter] = int(digits[1])
            at = digits.end()
        months = values["y"] * 12 + values["M"] - 1
        try:
            first = datetime.date(months // 12, months % 12 + 1, 1).toordinal()
        except (ValueError, OverflowError):
            return None  # A year that no journal has.
        days = first - _EPOCH_ORDINAL + values["d"] - 1
        return days * _DAY_MS + values["H"] * 3_600_000 + values["m"] * 60_000 + values["s"] * 1000


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> DatePattern:
    return DatePattern(pattern)


# --- settings (2.2, 2.4) ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings:
    """What a Vanilla journal does not say of itself; Java's defaults."""

    format: str = "yyyyMMdd"
    length_ms: int = _DAY_MS
    entries: int = 1 << 40
    """The factor between cycle and index, a power of two."""
    index_block: int = 16 * _MIB
    data_block: int = 64 * _MIB
    thread_bits: int = 22

    @property
    def slots(self) -> int:
        """Slots of an index file."""
        return self.index_block // SLOT_SIZE

    def name_of(self, cycle: int) -> str:
        """The directory of a cycle, relative to the journal's."""
        return _pattern(self.format).format(cycle * self.length_ms)

    def cycle_of(self, name: str) -> int | None:
        """The cycle Java takes a directory for, None if for none. The name need not be `name_of` that cycle."""
        time_ms = _pattern(self.format).parse(name)
        return None if time_ms is None or time_ms < 0 else time_ms // self.length_ms

    def index(self, cycle: int, file: int, slot: int) -> int:
        """The index of the excerpt that a slot names."""
        return cycle * self.entries + file * self.slots + slot

    def split(self, index: int) -> tuple[int, int, int]:
        """Cycle, number of the index file, and slot of an index."""
        cycle, sequence = divmod(index, self.entries)
        return cycle, sequence // self.slots, sequence % self.slots

    def slot(self, value: int) -> Slot:
        """What a slot's value (not 0) says."""
        thread_id, position = value >> (64 - self.thread_bits), value & ((1 << (64 - self.thread_bits)) - 1)
        return Slot(thread_id, *divmod(position, self.data_block))


CYCLES = {
    "SECONDS": Settings("yyyyMMddHHmmss", 1000, 1 << 28),
    "MINUTES": Settings("yyyyMMddHHmm", 60_000, 1 << 34),
    "HOURS": Settings("yyyyMMddHH", 3_600_000, 1 << 40),
    "DAYS": Settings("yyyyMMdd", _DAY_MS, 1 << 40),
}
"""Java's own (VanillaChronicle.Cycle)."""


class Slot(NamedTuple):
    """Where a record is: data file ``data-<thread_id>-<file>``, and the offset of its payload."""

    thread_id: int
    file: int
    offset: int


# --- directories -----------------------------------------------------------------------------------------------------

_INDEX_NAME = re.compile(r"index-(\d{1,9})")
_DATA_NAME = re.compile(r"data-(\d{1,10})-(\d{1,9})")
_DEPTH_MAX = 16


def _listing(path: str) -> list[os.DirEntry[str]]:
    """A directory's entries by name; none if it is gone."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as cause:
        raise AccessError("cannot list a directory of the journal", path=path) from cause
    except OSError as cause:
        raise SystemCallError(f"cannot list the directory: {cause.strerror}", path=path, errno=cause.errno) from cause


def leaf_directories(path: str, relative: str = "", depth: int = 0) -> Iterator[str]:
    """Directories below a journal that have none below them, relative to it, sorted: each is a cycle to Java (2.3)."""
    below = [entry.name for entry in _listing(path) if entry.is_dir()] if depth < _DEPTH_MAX else []
    if not below and relative:
        yield relative
    for name in below:
        yield from leaf_directories(os.path.join(path, name), f"{relative}/{name}" if relative else name, depth + 1)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0  # Deleted since it was listed.


@dataclass(frozen=True, slots=True)
class Files:
    """A cycle directory's files: numbers to sizes, and names that mean nothing."""

    index: dict[int, int]
    data: dict[tuple[int, int], int]
    strange: list[str]

    @classmethod
    def of(cls, directory: str) -> Files:
        """The files of a directory."""
        files = cls({}, {}, [])
        for entry in _listing(directory):
            if not entry.is_file():
                files.strange.append(entry.name)
            elif (index := _INDEX_NAME.fullmatch(entry.name)) is not None:
                files.index[int(index[1])] = _size(entry)
            elif (data := _DATA_NAME.fullmatch(entry.name)) is not None:
                files.data[int(data[1]), int(data[2])] = _size(entry)
            else:
                files.strange.append(entry.name)
        return files

    @property
    def any(self) -> bool:
        """Whether there is a file of a Vanilla journal."""
        return bool(self.index or self.data)


def is_journal(path: str) -> bool:
    """Whether any directory below has a file of a Vanilla journal."""
    return any(Files.of(os.path.join(path, name)).any for name in leaf_directories(path))


# --- reading ---------------------------------------------------------------------------------------------------------

Read = Callable[[int, int], bytes]
"""Offset and size to the bytes there, fewer at the end of the file."""


def slots_of(read: Read, slots: int) -> Iterator[tuple[int, int]]:
    """Number and value of every slot of an index file that was written, in order.

    In a sound file these are 0, 1, 2 and so on. What is beyond the end of a short file was not written (2.5).
    """
    chunk = 4096
    zeros = bytes(chunk * SLOT_SIZE)
    layout = index_file(chunk)
    for first in range(0, slots, chunk):
        data = read(first * SLOT_SIZE, min(chunk, slots - first) * SLOT_SIZE).ljust(len(zeros), b"\0")
        if data != zeros:
            for slot, value in enumerate(layout.parse(data), first):
                if value:
                    yield slot, value


def payload_at(read: Read, offset: int, block: int) -> bytes | None:
    """The payload that begins at an offset of a data file; None if it was not committed (its length is 0).

    Raises CorruptError where no record can be: before the first, past the block, or of an impossible length.
    """
    if not LENGTH_SIZE <= offset <= block:
        raise CorruptError(f"cannot read a record at {offset:#x}: the data block has {block:#x} bytes", offset=offset)
    word = int.from_bytes(read(offset - LENGTH_SIZE, LENGTH_SIZE).ljust(LENGTH_SIZE, b"\0"), "little")
    if word == 0:
        return None
    length = word ^ 0xFFFF_FFFF
    if length & CORRUPT_BITS:
        raise CorruptError(f"cannot read a record: {word:#010x} is not a length", offset=offset - LENGTH_SIZE)
    if offset + length > block:
        raise CorruptError(
            f"cannot read a record: its {length} bytes end past the data block", offset=offset - LENGTH_SIZE
        )
    payload = read(offset, length)
    if len(payload) < length:
        raise CorruptError(
            f"cannot read a record: the file ends after {len(payload)} of its {length} bytes", offset=offset
        )
    return payload


# --- what files betray (2.6, 2.13) -----------------------------------------------------------------------------------


def thread_bits_of(values: Iterable[int], files: set[tuple[int, int]], data_block: int) -> dict[int, int]:
    """For each possible number of thread-id bits how many slots (not 0) fit the names of the data files with it."""
    votes = dict.fromkeys(range(THREAD_BITS_MIN, THREAD_BITS_MAX + 1), 0)
    for value in values:
        for bits in votes:
            file, offset = divmod(value & ((1 << (64 - bits)) - 1), data_block)
            votes[bits] += offset >= LENGTH_SIZE and (value >> (64 - bits), file) in files
    return votes


def infer(
    names: Sequence[str], files: Sequence[Files], slots: Callable[[str, int], Iterable[int]], given: Settings | None
) -> Settings:
    """The settings of a journal with these leaf directories.

    `slots` gives the values (not 0) of an index file of a directory. What `given` says is believed; of what is inferred,
    cycle length and entries are Java's for the finest field in the names. Raises UnsupportedFormatError where the
    names are no dates.
    """
    if given is not None:
        return given
    settings = next((found for name in names if (found := _named(name)) is not None), None)
    if settings is None:
        if names:
            raise UnsupportedFormatError(f"cannot read a date in the cycle directory {names[0]!r}")
        settings = CYCLES["DAYS"]
    index_block = _block(size for within in files for size in within.index.values())
    data_block = _block(size for within in files for size in within.data.values())
    settings = replace(
        settings, index_block=index_block or settings.index_block, data_block=data_block or settings.data_block
    )
    for name, within in zip(names, files, strict=True):
        values = [value for number in sorted(within.index) for value in slots(name, number)]
        if values:
            votes = thread_bits_of(values, set(within.data), settings.data_block)
            best = max(votes.values())
            if best:
                # pid_max is 4 194 304 on most machines and 32 768 on others; the rest is rare.
                likely = sorted(votes, key=lambda bits: (-votes[bits], bits not in (22, 15), bits))
                return replace(settings, thread_bits=likely[0])
    return settings


def _block(sizes: Iterable[int]) -> int:
    """The longest file, rounded up to a power of two: a file that was cut is shorter than its block; 0 if none."""
    longest = max(sizes, default=0)
    return 1 << max(longest - 1, SLOT_SIZE - 1).bit_length() if longest else 0


def _named(name: str) -> Settings | None:
    """Settings whose cycles are named like this: digits are yyyyMMdd and so on, whatever stands between is literal."""
    digits = "yyyyMMddHHmmss"
    parts = re.findall(r"\d+|\D+", name)
    count = sum(len(part) for part in parts if part.isdigit())
    known = {len(settings.format): settings for settings in CYCLES.values()}.get(count)
    if known is None:
        return None
    pattern, at = "", 0
    for part in parts:
        if part.isdigit():
            pattern += digits[at : at + len(part)]
            at += len(part)
        else:
            literal = part.replace("'", "''")
            pattern += f"'{literal}'" if re.search(r"[A-Za-z']", part) else part
    try:
        settings = replace(known, format=known.format if pattern == known.format else pattern)
        cycle = settings.cycle_of(name)
    except UnsupportedFormatError:
        return None
    return settings if cycle is not None and settings.name_of(cycle) == name else None
