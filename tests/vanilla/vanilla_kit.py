"""What the tests of Vanilla journals share: configurations for Java and pychronix alike, and a reader in Python.

The reader (`read_journal`) follows spec chronicle-3 2.4 to 2.7 word by word and shares nothing with the core.
"""

from __future__ import annotations

import datetime
import functools
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DAY = 19787  # 2024-03-05
DAY_MS = 86_400_000
NOW_MS = int(time.time() * 1000)


class Config(NamedTuple):
    """A configuration, in Java's words and in ours."""

    name: str
    java: dict[str, Any]
    ours: dict[str, Any]
    length_ms: int
    entries: int

    @property
    def cycle(self) -> int:
        """A cycle that is over, but not long ago: Java looks into every one between it and now."""
        return NOW_MS // self.length_ms - 10

    def index(self, cycle: int, sequence: int) -> int:
        return cycle * self.entries + sequence

    def time_ms(self, cycle: int) -> int:
        """A moment in a cycle."""
        return cycle * self.length_ms + self.length_ms // 2


def _config(name: str, roll: str, length_ms: int, entries: int, index: int, data: int, **java: Any) -> Config:
    if "/" in roll or entries == 256:
        java |= {"format": roll, "length_ms": length_ms, "entries": entries}
    else:
        java["cycle"] = roll
    reserve = java.get("message_size", 128 << 10)
    ours = {
        "format": "vanilla", "roll": roll, "index_block_bytes": index, "data_block_bytes": data,
        "entries_per_cycle": entries, "reserve_bytes": 0 if reserve > data - 4 else reserve,
    }  # fmt: skip
    if java.get("synchronous"):
        ours["synchronous"] = True
    return Config(name, {**java, "index_block": index, "data_block": data}, ours, length_ms, entries)


CONFIGS = [
    _config("seconds", "SECONDS", 1000, 1 << 28, 4096, 65536),
    _config("minutes", "MINUTES", 60_000, 1 << 34, 1024, 4096),
    _config("hours", "HOURS", 3_600_000, 1 << 40, 8192, 1 << 20),
    _config("days-defaults", "DAYS", DAY_MS, 1 << 40, 16 << 20, 64 << 20),
    _config("days-small", "DAYS", DAY_MS, 1 << 40, 1024, 8192),
    _config("nested", "yyyyMMdd/HHmm/ss", 1000, 1 << 16, 4096, 65536),
    _config("nested-days", "yyyy/MM/dd", DAY_MS, 1 << 32, 4096, 65536),
    _config("few-entries", "yyyyMMdd", DAY_MS, 256, 1024, 65536),
    _config("message-size", "DAYS", DAY_MS, 1 << 40, 4096, 65536, message_size=20_000),
    _config("synchronous", "DAYS", DAY_MS, 1 << 40, 4096, 65536, synchronous=True),
]


class Slot(NamedTuple):
    """An index entry and what it names."""

    index: int
    thread: int
    file: int
    position: int
    payload: bytes


def read_journal(base: Path, *, entries: int, index_block: int, data_block: int, thread_bits: int, length_ms: int,
                 format: str) -> Iterator[Slot]:  # fmt: skip
    """Every message that the index names, cycle by cycle, up to the first empty slot of each."""
    low_bits = 64 - thread_bits
    codes = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    for java, python in codes.items():
        format = format.replace(java, python)
    format = format.replace("'", "")
    contents = functools.lru_cache(64)(Path.read_bytes)
    leaves = []
    for root, directories, _ in os.walk(base):
        if not directories and root != str(base):
            when = datetime.datetime.strptime(os.path.relpath(root, base), format).replace(tzinfo=datetime.timezone.utc)
            leaves.append((int(when.timestamp() * 1000) // length_ms, Path(root)))
    for cycle, directory in sorted(leaves):
        sequence = 0
        while sequence < entries:
            number, slot = divmod(sequence, index_block // 8)
            index_file = directory / f"index-{number}"
            if not index_file.exists():
                break
            (entry,) = struct.unpack_from("<Q", contents(index_file), 8 * slot)
            if entry == 0:
                break
            thread = entry >> low_bits
            file, position = divmod(entry & ((1 << low_bits) - 1), data_block)
            data = contents(directory / f"data-{thread}-{file}")
            (word,) = struct.unpack_from("<i", data, position - 4)
            assert word < 0, f"{directory}: entry {sequence} names a record without a length"
            yield Slot(cycle * entries + sequence, thread, file, position, data[position : position + ~word])
            sequence += 1


def files_of(base: Path) -> dict[str, bytes]:
    """Contents of all files below a directory by relative path."""
    return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}
