"""Layouts of Chronicle 3.x's IndexedChronicle: the executable specification.

The decision hidden here is where every byte of ``<path>.index`` and ``<path>.data`` lies. Nothing is shared with the C
core; a test that holds the two against each other proves both. Numbers in parentheses are sections of the
specification of Chronicle 3.x.

Excerpts stand back to back in the data file, without lengths. The index file is an array of lines: a base of 8 bytes,
then entries of 4 bytes, the distance of each excerpt's end from that base. A negative entry is padding: a number that
names no excerpt, since what would have come there did not fit the rest of the data block (3.2, 3.4).

Hostile bytes raise CorruptError; every loop is bounded by the size of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import construct as c

from pychronix.errors import CorruptError

__all__ = ["LINE_SIZES", "Entry", "Settings", "entries_of", "entries_per_line", "index_line", "infer_line", "remains"]

BASE_SIZE = 8
ENTRY_SIZE = 4
LINE_SIZES = (64, 128, 32, 256, 512, 1024, 2048, 4096)
"""Sizes of a line (Java: cacheLineSize), the likely ones first; 64 is the default."""

Read = Callable[[int, int], bytes]
"""Offset and size to the bytes there, fewer at the end of the file."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an Indexed journal does not say of itself."""

    line_size: int = 64
    data_block: int | None = None
    """No excerpt crosses a multiple of it; only `pychronix.inspect` wants to know, and takes None for unknown."""


def entries_per_line(line_size: int) -> int:
    """Numbers of a line: 14 of 64 bytes, 30 of 128."""
    return (line_size - BASE_SIZE) // ENTRY_SIZE


def index_line(line_size: int) -> Any:
    """One line of the index file (3.2)."""
    return c.Struct("base" / c.Int64sl, "entries" / c.Array(entries_per_line(line_size), c.Int32sl))


class Entry(NamedTuple):
    """One number that was used: an excerpt or padding, with its place in the data file."""

    number: int
    start: int
    stop: int
    padding: bool
    offset: int
    """Of the entry in the index file."""


def entries_of(read: Read, size: int, line_size: int) -> Iterator[Entry]:
    """Every number that was used, from 0 on, up to the first entry that is 0.

    Raises CorruptError where an entry cannot be: ends that go backward, a base that is not where the line before
    ended (3.4: it always is).
    """
    layout = index_line(line_size)
    number = end = 0
    for at in range(0, size, line_size):
        data = read(at, line_size)
        line = layout.parse(data.ljust(line_size, b"\0"))
        if line.base != end and (line.base or line.entries[0]):
            raise CorruptError(
                f"cannot read the index: line {at // line_size} has base {line.base}, not {end}", offset=at
            )
        for place, entry in enumerate(line.entries):
            if not entry:
                return
            stop = line.base + abs(entry)
            offset = at + BASE_SIZE + ENTRY_SIZE * place
            if stop < end:
                raise CorruptError(
                    f"cannot read the index: excerpt {number} ends at {stop}, before {end}", offset=offset
                )
            yield Entry(number, end, stop, entry < 0, offset)
            number, end = number + 1, stop


def remains(read: Read, size: int, line_size: int, numbers: int) -> int | None:
    """Offset of the first byte of the index file, behind so many numbers, that is not 0 and should be; None if none is.

    The base of the line after a full one may be there already (3.4).
    """
    line, place = divmod(numbers, entries_per_line(line_size))
    at = line * line_size + BASE_SIZE + (ENTRY_SIZE * place)
    while at < size:
        data = read(at, min(1 << 16, size - at))
        rest = data.lstrip(b"\0")
        if rest:
            return at + len(data) - len(rest)
        at += max(len(data), 1)
    return None


def infer_line(read: Read, size: int) -> int:
    """The size of a line: the first likely one with which the beginning of the file makes sense, else 64."""
    size = min(size, 1 << 20)
    for line_size in LINE_SIZES:
        numbers = 0
        try:
            for entry in entries_of(read, size - size % line_size, line_size):
                numbers = entry.number + 1
        except CorruptError:
            continue
        if remains(read, size, line_size, numbers) is None:
            return line_size
    return LINE_SIZES[0]
