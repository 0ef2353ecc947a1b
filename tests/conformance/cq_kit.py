"""What the conformance and interop tests share: a clock, raw looks at files, other processes.

Files are looked at through ``pychronix.formats`` and plain reads, never through the native core.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pychronix as px
from pychronix.formats import cq5

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_709_635_062_500  # 2024-03-05T10:37:42.5Z, the instant of the specification's tables.
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
CYCLE = 19787  # Of T0, for all daily roll cycles.
FIRST = CYCLE << 32
UNLOCKED = -(1 << 63)
WRITE_LOCK = "chronicle.write.lock"
APPEND_LOCK = "chronicle.append.lock"
BLOCK = 4096  # Small files; Java takes it too.
DEADLINE_S = 30.0

#: Every length modulo 4, some longer ones.
MESSAGES = [bytes((7 * n + i) % 251 for i in range(n % 23 + 1)) for n in range(60)] + [b"x" * 300, b"y" * 4001]


class Clock:
    """A clock that stands still until it is moved; what ``open_queue(clock=)`` takes."""

    def __init__(self, ms: int = T0) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms * 1_000_000


def create(
    path: Path, messages: Iterable[bytes] = (), *, roll: str = "TEST4_DAILY", clock_ms: int = T0, **options: Any
) -> list[int]:
    """A queue of ours with these messages in one cycle; their indexes."""
    options.setdefault("block_size_bytes", BLOCK)
    with px.open_queue(path, "a", roll=roll, clock=Clock(clock_ms), **options) as queue:
        return list(queue.appender().append_many(messages))


def append(path: Path, messages: Iterable[bytes], *, clock_ms: int = T0, **options: Any) -> list[int]:
    """Appends to an existing queue through a new queue object; the indexes."""
    options.setdefault("block_size_bytes", BLOCK)
    with px.open_queue(path, "r+", clock=Clock(clock_ms), **options) as queue:
        appender = queue.appender()
        return [appender.append(message) for message in messages]


def read_all(path: Path, *, backward: bool = False, meta: bool = False) -> list[tuple[int, bytes]]:
    """(index, payload) of all messages, as a tailer of ours shows them."""
    with px.open_queue(path) as queue:
        if backward:
            return list(queue.tailer(start="end", direction="backward", meta=meta).with_index())
        return list(queue.tailer(meta=meta).with_index())


def numbered(messages: Sequence[bytes], first: int = FIRST) -> list[tuple[int, bytes]]:
    """The messages with consecutive indexes."""
    return [(first + i, message) for i, message in enumerate(messages)]


def pairs(excerpts: Iterable[Any]) -> list[tuple[int, bytes]]:
    """Java's excerpts as (index, payload)."""
    return [(excerpt.index, excerpt.data) for excerpt in excerpts]


# --- raw looks at files ------------------------------------------------------------------------------------------


def roll_files(queue: Path) -> list[Path]:
    """The roll files in order of their names."""
    return sorted(queue.glob("*.cq4"))


def roll_file(queue: Path) -> Path:
    """The only roll file."""
    (path,) = roll_files(queue)
    return path


def peek(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file, as read(2) sees them (coherent with mappings)."""
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def poke(path: Path, offset: int, data: bytes) -> None:
    """Overwrites bytes of a file in place."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def u32(path: Path, offset: int) -> int:
    """The header word at an offset."""
    return int(struct.unpack("<I", peek(path, offset, 4))[0])


def i64(path: Path, offset: int) -> int:
    """The long at an offset."""
    return int(struct.unpack("<q", peek(path, offset, 8))[0])


def header_of(path: Path) -> cq5.RollHeader:
    """The header of a roll file."""
    return cq5.parse_roll_header(peek(path, 0, cq5.HEADER_MAX + 4))


def documents_of(path: Path) -> list[tuple[int, int]]:
    """(offset, header word) of each document, then of what ends them."""
    with open(path, "rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        return list(cq5.documents(read, os.path.getsize(path), padded=header_of(path).padded))


def data_offsets(path: Path) -> list[int]:
    """Where the headers of the messages are."""
    return [offset for offset, word in documents_of(path) if 0 < word < cq5.META_DATA]


def end_of(path: Path) -> int:
    """Where the header is that ends the data."""
    return documents_of(path)[-1][0]


def page_at(path: Path, offset: int) -> cq5.IndexPage:
    """The index page whose document header is at an offset."""
    return cq5.parse_index_page(peek(path, offset, 4 + (u32(path, offset) & cq5.LENGTH_MASK)), offset)


def table_of(queue: Path) -> cq5.TableStore:
    """The table store."""
    return cq5.parse_table_store((queue / "metadata.cq4t").read_bytes())


def table_values(queue: Path) -> dict[str, int]:
    """The table store's values by key in lower case."""
    return table_of(queue).values()


def set_key(queue: Path, key: str, value: int) -> None:
    """Stores a value of the table store."""
    (offset,) = [entry.offset for entry in table_of(queue).entries if entry.key.lower() == key.lower()]
    poke(queue / "metadata.cq4t", offset, struct.pack("<q", value))


def snapshot(queue: Path) -> dict[str, bytes]:
    """Every file's bytes."""
    return {path.name: path.read_bytes() for path in sorted(queue.iterdir())}


def differences(ours: bytes, theirs: bytes, limit: int = 8) -> list[str]:
    """Where two files differ, for a message that a reader can use."""
    found = [] if len(ours) == len(theirs) else [f"sizes {len(ours)} and {len(theirs)}"]
    if ours != theirs:
        places = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b]
        found += [f"{i:#x}: {ours[i : i + 8].hex()} and {theirs[i : i + 8].hex()}" for i in places[:limit]]
    return found


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """A file as another process sees it while it is written: a shared mapping of its own."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        view = memoryview(mapping)
        try:
            yield view
        finally:
            view.release()


# --- other processes -----------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE_S) -> None:
    """Returns once the condition holds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true"
        os.sched_yield()


def start_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that runs `code` with pychronix importable; it talks over pipes."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@contextmanager
def python(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """As start_python; killed and reaped at the end if it still runs."""
    process = start_python(code, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def dead_pid() -> int:
    """The number of a process that has ended and was reaped."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(20)
    assert not os.path.exists(f"/proc/{process.pid}")
    return process.pid


LIVE = "import sys; print('up', flush=True); sys.stdin.read()"
"""Code of a process that lives until its stdin closes."""


@contextmanager
def live_process() -> Iterator[subprocess.Popen[str]]:
    """A process that is alive."""
    with python(LIVE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process


SLOW_WRITER = """
import mmap, os, sys
import pychronix as px
path, source = sys.argv[1:]
with px.open_queue(path, "r+", clock=lambda: 1_709_635_062_500_000_000) as queue, open(source, "rb") as file:
    appender = queue.appender()
    print("up", flush=True)
    for line in sys.stdin:
        # The message comes off the disk page by page while it is appended: there is time to look on.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as message:
            message.madvise(mmap.MADV_RANDOM)
            appender.append(message)
        print(appender.lost_locks, appender.recovered_locks, flush=True)
"""


@contextmanager
def slow_writer(path: Path, size: int) -> Iterator[subprocess.Popen[str]]:
    """A process that appends a message of `size` times b"m", slowly, for each line it gets; it answers with a line."""
    source = path.with_suffix(".source")
    with open(source, "wb") as file:
        file.write(b"m" * size)
        file.flush()
        os.fsync(file.fileno())
    with python(SLOW_WRITER, path, source) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process


# --- wire, as a file from elsewhere may have it ----------------------------------------------------------------------


class Wire:
    """Writes wire items one after the other, at an offset of a file."""

    def __init__(self, base: int = 4) -> None:
        self.base = base
        self.data = bytearray()

    def raw(self, data: bytes) -> Wire:
        self.data += data
        return self

    def event(self, name: str) -> Wire:
        return self.raw(b"\xb9" + bytes([len(name)]) + name.encode())

    def field(self, name: str) -> Wire:
        return self.raw(bytes([0xC0 + len(name)]) + name.encode())

    def type(self, name: str) -> Wire:
        return self.raw(b"\xb6" + bytes([len(name)]) + name.encode())

    def align(self, modulus: int, residue: int) -> Wire:
        gap = (residue - self.base - len(self.data)) % modulus
        return self.raw(cq5.padding(gap))

    def bound(self, value: int) -> Wire:
        return self.align(8, 7).raw(b"\xa7" + struct.pack("<q", value))

    def two_long(self, *values: int) -> Wire:
        return self.align(16, 15).raw(b"\x8d" + struct.pack("<4q", 2, 2, *values))

    @contextmanager
    def block(self) -> Iterator[Wire]:
        start = len(self.data) + 5
        self.raw(b"\x82\0\0\0\0")
        yield self
        struct.pack_into("<I", self.data, start - 4, len(self.data) - start)


def roll_file_bytes(
    messages: Iterable[bytes],
    *,
    fields: Sequence[str] = ("writePosition", "indexing", "dataFormat"),
    position: str = "two",
    index_count: bytes = b"\xa1\x20",
    index_spacing: bytes = b"\xa1\x04",
    data_format: bytes = b"\xa1\x01",
    padded: bool = True,
    indexing: Sequence[str] = ("indexCount", "indexSpacing", "index2Index", "lastIndex"),
    size: int = 8192,
) -> bytes:
    """A roll file without index pages as some other writer might leave it: fields in any order, strange ones between.

    `fields` may hold "unknown" (a nested object), "text" and "history" (unknown values of other kinds); `position` is
    "two" or "one" (very old files: a single long without a sequence word). `dataFormat` is written as given.
    """
    place = sequence = -1
    for _ in range(2):  # The second time with the position that the first found.
        wire = Wire()
        wire.event("header").type("SCQStore")
        with wire.block():
            for name in fields:
                if name == "writePosition":
                    wire.field(name)
                    at = max(place, 0)
                    if position == "two":
                        wire.two_long(at, (at << 32 | max(sequence, 0)) & (1 << 63) - 1)
                    else:
                        wire.bound(at)
                elif name == "indexing":
                    wire.field(name).type("SCQSIndexing")
                    with wire.block():
                        for inner in indexing:
                            wire.field(inner)
                            if inner == "indexCount":
                                wire.raw(index_count)
                            elif inner == "indexSpacing":
                                wire.raw(index_spacing)
                            elif inner == "unknown":
                                wire.raw(b"\xe3abc")
                            else:
                                wire.bound(0)
                elif name == "dataFormat":
                    wire.field(name).raw(data_format)
                elif name == "unknown":
                    wire.field("recovery").type("TimedStoreRecovery")
                    with wire.block():
                        wire.field("timeStamp").bound(5).field("dataFormat").raw(b"\xa1\x07")
                elif name == "text":
                    wire.field("comment").raw(b"\xb8\x28" + b"a text with the field writePosition in.." + b"\x8f\x8f")
                elif name == "history":
                    wire.field("blob").raw(b"\x80\x04\x8a\xc3EO")
        data = bytearray(struct.pack("<I", len(wire.data) | cq5.META_DATA) + wire.data)
        sequence = -1
        for message in messages:
            if padded:
                data += bytes(-len(data) % 4)
            place = len(data)
            sequence += 1
            data += struct.pack("<I", len(message)) + message
    return bytes(data) + bytes(max(64, size - len(data)))


def queue_of(path: Path, data: bytes, *, roll: str = "TEST4_DAILY", cycle: int = CYCLE) -> Path:
    """A queue with a table store of ours and this roll file; the roll file's path."""
    with px.open_queue(path, "a", roll=roll, block_size_bytes=BLOCK) as queue:
        file = path / queue.file_name(cycle)
    file.write_bytes(data)
    return file
