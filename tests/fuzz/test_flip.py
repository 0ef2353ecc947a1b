"""Damaged queues: only ChronixError comes out, soon, and appending to one loses nothing that could still be read.

Single bytes of everything that has a meaning (headers, index pages, table store, message headers) in small queues, of
ours and of Java's; random corruption and hostile figures in larger ones; files that are no files. All of it happens in
processes of its own (damage.py), for a crash to be a finding and not the end of the tests.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from damage import REPLACE, TRUNCATE, Bad, Case, Patch, flips, run

import pychronix as px
from pychronix.formats import cq5

if TYPE_CHECKING:
    from conftest import Budget
    from fix_java import FixtureQueue

DAY_NS = 86_400_000_000_000
START_NS = 19_787 * DAY_NS + 38_262_500_000_000
BLOCK = 1 << 16
TABLE = "metadata.cq4t"


class Sample:
    """A queue to damage: its directory, its indexes, the time of its last cycle."""

    def __init__(self, path: Path, clock_ns: int) -> None:
        self.path = path
        self.clock_ns = clock_ns
        with px.open_queue(path) as queue:
            self.indexes = [index for index, _ in queue.tailer().with_index()]
            self.files = [cycle.name for cycle in queue.cycles()]
            self.used = {cycle.name: cycle.used_bytes for cycle in queue.cycles()}

    def used_part(self, file: str) -> bytes:
        """The bytes of a file up to some way behind its data: the rest, often many megabytes, is a hole."""
        with open(self.path / file, "rb") as handle:
            return handle.read(self.used.get(file, BLOCK) + 64)

    def damaged(self, cases: Sequence[Case], how: str) -> list[Bad]:
        return run(self.path, cases, how, clock_ns=self.clock_ns, indexes=self.indexes)


def make(
    path: Path, *, roll: str, counts: Sequence[int], sizes: Sequence[int], index_count: int | None = None
) -> Sample:
    now = [START_NS]
    generator = random.Random(1)
    with px.open_queue(
        path, "a", roll=roll, block_size_bytes=BLOCK, clock=lambda: now[0], index_count=index_count
    ) as queue:
        appender = queue.appender()
        for count in counts:
            appender.append_many([generator.randbytes(generator.choice(sizes)) for _ in range(count)])
            with appender.writing(meta=True) as excerpt:
                excerpt.write(b"user's metadata")
            now[0] += DAY_NS
        with queue.tailer("named") as tailer:
            tailer.read_many(3)
        with queue.tailer("replicated:one") as tailer:
            tailer.read_many(3)
    return Sample(path, now[0] - DAY_NS)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Two cycles with index pages that turned over."""
    return make(tmp_path_factory.mktemp("small") / "q", roll="TEST_DAILY", counts=(12, 11), sizes=(1, 5, 30))


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Several blocks and pages."""
    sizes = (1, 20, 64, 300, 4000, 30_000)
    return make(
        tmp_path_factory.mktemp("larger") / "q", roll="TEST4_DAILY", counts=(200, 90, 150), sizes=sizes, index_count=8
    )


def none(bad: Sequence[Bad]) -> None:
    if bad:
        pytest.fail("\n".join([f"{len(bad)} bad cases:", *map(str, bad)]), pytrace=False)


def places(sample: Sample, part: str, file: str) -> list[int]:
    """Offsets of the bytes that have a meaning: a roll file's header, pages and message headers; a table's entries."""
    data = sample.used_part(file)
    if file == TABLE:
        padded = (4 + cq5.first_document(data)) % 4 == 0 or not any(data[cq5.first_document(data) :][:1])
    else:
        padded = cq5.parse_roll_header(data[: cq5.first_document(data)]).padded
    found: list[int] = []
    for at, word in cq5.documents(lambda at, size: data[at : at + size], len(data), padded=padded):
        if word in (0, cq5.EOF):
            if part == "messages":
                found += range(at, at + 8)
            break
        stop = at + 4 + (word & cq5.LENGTH_MASK)
        assert stop <= len(data)
        kind = "messages"
        if file == TABLE:
            kind = "table"
        elif at == 0:
            kind = "header"
        elif word & cq5.META_DATA and stop - at > 60:
            kind = "pages"
        if kind == part:
            found += range(at, stop if kind != "messages" else at + 4)
    return found


PARTS = ("header", "pages", "messages", "table")


def single_bytes(sample: Sample, part: str, every: int, file: str | None = None) -> list[Case]:
    generator = random.Random(7)
    file = TABLE if part == "table" else file or sample.files[-1]
    cases = list(flips(sample.path, file, places(sample, part, file), generator))
    return cases[generator.randrange(every) :: every]


@pytest.mark.parametrize("part", PARTS)
def test_reading_with_one_byte_wrong(small: Sample, part: str, budget: Budget) -> None:
    none(small.damaged(single_bytes(small, part, budget.of(12, 2, 1)), "read"))


@pytest.mark.parametrize("part", PARTS)
def test_appending_with_one_byte_wrong(small: Sample, part: str, budget: Budget) -> None:
    none(small.damaged(single_bytes(small, part, budget.of(40, 4, 1)), "append"))


@pytest.mark.parametrize("part", ("header", "pages", "messages"))
def test_a_closed_cycle_with_one_byte_wrong(small: Sample, part: str, budget: Budget) -> None:
    cases = single_bytes(small, part, budget.of(60, 6, 1), small.files[0])
    none(small.damaged(cases, "read"))
    none(small.damaged(cases[:: budget.of(4, 2, 1)], "append"))


FIXTURES = ("2026.4", "5.20.123", "4.16.4", "5.16.11", "fieldless", "named-tailers", "custom-index", "no-metadata")


@pytest.mark.parametrize("name", FIXTURES)
def test_java_made_files_with_one_byte_wrong(java_fixture, name: str, budget: Budget) -> None:  # type: ignore[no-untyped-def]
    queues: dict[str, FixtureQueue] = java_fixture(f"v5/{name}")
    for fixture in list(queues.values())[: budget.of(1, 1, 9)]:
        sample = Sample(fixture.path, START_NS)
        # Index pages of default size are mostly empty: their first bytes, and what is set.
        for part in PARTS:
            if part == "table" and not (fixture.path / TABLE).exists():
                continue
            file = TABLE if part == "table" else sample.files[-1]
            data = sample.used_part(file)
            offsets = [at for at in places(sample, part, file) if data[at] or at < 400]
            cases = list(flips(fixture.path, file, offsets, random.Random(3)))
            none(sample.damaged(cases[:: max(1, len(cases) // budget.of(20, 250, 100_000))], "read"))
            none(sample.damaged(cases[:: max(1, len(cases) // budget.of(5, 60, 20_000))], "append"))


# --- larger damage ---------------------------------------------------------------------------------------------------


def random_damage(sample: Sample, number: int) -> Iterator[Case]:
    """Garbage, zeros and displaced pieces anywhere in the used part, one to four pieces at a time."""
    generator = random.Random(11)
    files = [TABLE, *sample.files]
    for _ in range(number):
        case = []
        for _ in range(generator.choice((1, 1, 2, 4))):
            file = generator.choice(files)
            data = (sample.path / file).read_bytes()
            used = sample.used.get(file, 1200)
            offset = generator.choice((generator.randrange(used), generator.randrange(min(used, 1000))))
            length = generator.choice((1, 2, 4, 8, 64, 4096, 20_000))
            length = max(1, min(length, len(data) - offset))
            sort = generator.randrange(4)
            if sort == 0:
                piece = generator.randbytes(length)
            elif sort == 1:
                piece = bytes(length)
            elif sort == 2:
                piece = b"\xff" * length
            else:
                start = generator.randrange(len(data) - length + 1)
                piece = data[start : start + length]
            case.append(Patch(file, offset, piece))
        yield case


def test_random_damage(larger: Sample, budget: Budget) -> None:
    none(larger.damaged(list(random_damage(larger, budget.of(80, 1000, 50_000))), "read"))
    none(larger.damaged(list(random_damage(larger, budget.of(20, 300, 10_000))), "append"))


def u32(number: int) -> bytes:
    return struct.pack("<I", number & 0xFFFFFFFF)


def i64(number: int) -> bytes:
    return struct.pack("<q", number if number < 1 << 63 else number - (1 << 64))


class Layout:
    """Where things are in a roll file, found with the independent reader."""

    def __init__(self, sample: Sample, file: str) -> None:
        self.data = (sample.path / file).read_bytes()
        self.header = cq5.parse_roll_header(self.data[: 4 + struct.unpack_from("<I", self.data)[0] % (1 << 30)])
        documents = list(
            cq5.documents(lambda at, size: self.data[at : at + size], len(self.data), padded=self.header.padded)
        )
        self.documents = documents
        self.messages = [at for at, word in documents if word and word < 0x40000000]
        self.root = self.header.index2index
        self.root_slots = self._slots(self.root)
        self.page = struct.unpack_from("<q", self.data, self.root_slots)[0]
        self.page_slots = self._slots(self.page)
        self.end = documents[-1][0]

    def _slots(self, page: int) -> int:
        """Offset of a page's first slot: behind name, padding, 8D, capacity and used."""
        at = page + 4 + 2 + self.data[page + 5]
        return self.data.index(b"\x8d", at) + 17


def hostile(sample: Sample, file: str) -> dict[str, Case]:
    """Figures that somebody chose to do harm."""
    lay = Layout(sample, file)
    size = len(lay.data)
    middle = lay.messages[len(lay.messages) // 2]
    position, word = lay.header.write_position_offset, lay.header.write_position_offset + 8
    cases: dict[str, Case] = {}

    def add(name: str, *patches: tuple[int, bytes]) -> None:
        cases[f"{file}: {name}"] = [Patch(file, offset, data) for offset, data in patches]

    for length in (0x3FFFFFFF, 0x3FFFFFFC, size, size - middle - 4, size - middle - 3, size - middle - 8, 0x20000000):
        add(f"message of {length:#x} bytes", (middle, u32(length)))
        add(f"metadata of {length:#x} bytes", (middle, u32(0x40000000 | length)))
        add(f"header of {length:#x} bytes", (0, u32(0x40000000 | length)))
        add(f"index page of {length:#x} bytes", (lay.page, u32(0x40000000 | length)))
    for header in (0x40000000, 0x80000000, 0x80000005, 0xBFFFFFFF, 0xC0000000, 0xC0000001, 0xFFFFFFFF, 0):
        for name, at in (("message", middle), ("first", lay.messages[0]), ("file", 0), ("page", lay.page)):
            add(f"{name} header {header:#x}", (at, u32(header)))
            add(f"root header {header:#x}", (lay.root, u32(header)))
    wild = (-1, 1, 4, lay.root, lay.page, middle, middle + 4, middle + 2, size, size - 4, size - 1, size + 4, lay.end)
    wild += (1 << 31, 1 << 32, (1 << 62) + 4, -(1 << 63), (1 << 63) - 1, (1 << 63) - 4, (1 << 40), lay.page + 4)
    for number in wild:
        add(f"writePosition {number:#x}", (position, i64(number)))
        for shift in (32, lay_shift(lay)):
            lie = ((number << shift) | 3) % (1 << 64)
            add(f"writePosition {number:#x} and a word that agrees ({shift})", (position, i64(number) + i64(lie)))
        add(f"index2Index {number:#x}", (lay.header.index2index_offset, i64(number)))
        add(f"lastIndex {number:#x}", (lay.header.last_index_offset, i64(number)))
        for slot in (0, 1, 7):
            add(f"root slot {slot} {number:#x}", (lay.root_slots + 8 * slot, i64(number)))
            add(f"page slot {slot} {number:#x}", (lay.page_slots + 8 * slot, i64(number)))
        add(f"capacity {number:#x}", (lay.page_slots - 16, i64(number)))
        add(f"used {number:#x}", (lay.page_slots - 8, i64(number)))
        add(f"root capacity {number:#x}", (lay.root_slots - 16, i64(number)))
    add("root slots all at the root", *((lay.root_slots + 8 * i, i64(lay.root)) for i in range(8)))
    add("page slots all at the page", *((lay.page_slots + 8 * i, i64(lay.page)) for i in range(8)))
    add("page slots backwards", *((lay.page_slots + 8 * i, i64(lay.messages[8 - i])) for i in range(8)))
    for sequence in (0, 1, 1 << 20, (1 << 32) - 1):
        old = lay.header.write_position
        add(f"sequence word says {sequence:#x}", (word, i64(((old << 32) | sequence) % (1 << 64))))
    at = lay.data.index(b"indexCount") + 10
    for count in (0, 1, 2, 7, 8, 16, 0x7F):
        # In place of whatever encoding is there, one byte of value.
        add(f"indexCount {count}", (at + 1, bytes([count])), (at, lay.data[at : at + 1]))
    add("indexCount of 4 bytes", (at, b"\xa6\x00\x00\x00\x40"))
    add("indexCount of 2 bytes", (at, b"\xa5\x00\x40"))
    at = lay.data.index(b"indexSpacing") + 12
    for spacing in (0, 3, 0x40, 0x7F):
        add(f"indexSpacing {spacing}", (at + 1, bytes([spacing])))
    # A chain of one-byte documents through what was one message, and of padding through a whole block.
    add("a thousand documents", (lay.messages[-1], (u32(1) + b"x\0\0\0") * 1000 + bytes(8)))
    add("a thousand metadata documents", (lay.messages[-1], (u32(0x40000001) + b"x\0\0\0") * 1000 + bytes(8)))
    add("metadata to the end", (lay.end, u32(0x40000000 | (size - lay.end - 4))))
    add("a message to the end", (lay.end, u32(size - lay.end - 4)))
    add("metadata of length 0 for ever", (lay.end, u32(0x40000000) * ((size - lay.end) // 4)))
    return cases


def lay_shift(lay: Layout) -> int:
    bits = 2 * (lay.header.index_count.bit_length() - 1) + lay.header.index_spacing.bit_length() - 1
    return max(32, bits)


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("how", ["read", "append"])
def test_hostile_figures_in_roll_files(larger: Sample, which: int, how: str, budget: Budget) -> None:
    cases = list(hostile(larger, larger.files[which]).values())
    step = budget.of(8 if how == "append" else 4, 1, 1)
    none(larger.damaged(cases[::step], how))


def hostile_tables(sample: Sample) -> list[Case]:
    """The same for the table store: entries with huge lengths, keys that run on, values that lie."""
    data = (sample.path / TABLE).read_bytes()
    cases = []
    at, entries = 0, []
    while (word := struct.unpack_from("<I", data, at)[0]) != 0:
        entries.append(at)
        at += 4 + (word & 0x3FFFFFFF)
    for entry in entries[:9]:
        for length in (1, 0x3FFFFFFF, len(data), len(data) - entry - 4, len(data) - entry - 3, 0x40000010, 0x80000001):
            cases.append([Patch(TABLE, entry, u32(length))])
        for stop_bit in (b"\xff\x7f", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\0"):
            cases.append([Patch(TABLE, entry + 5, stop_bit)])
    for entry in entries[1:]:
        (length,) = struct.unpack_from("<I", data, entry)
        for value in (0, -1, 1, -(1 << 63), (1 << 63) - 1, 1 << 31, -(1 << 31), 1, os.getpid(), 1 << 40, 19_787 << 32):
            cases.append([Patch(TABLE, entry + 4 + length - 8, i64(value))])
    # Entries without end, and one that says the same key again.
    cases.append([Patch(TABLE, at, (u32(4) + b"abcd") * ((len(data) - at) // 8))])
    first = data[entries[1] : entries[2]]
    cases.append([Patch(TABLE, at, first * ((65_536 - at) // len(first)))])
    return cases


@pytest.mark.parametrize("how", ["read", "append"])
def test_hostile_figures_in_the_table_store(larger: Sample, how: str, budget: Budget) -> None:
    none(larger.damaged(hostile_tables(larger)[:: budget.of(3 if how == "append" else 1, 1, 1)], how))


def test_the_harness_names_what_goes_wrong(small: Sample) -> None:
    """A worker that crashes, lets an error through or circles is a finding, and the cases behind it are still tried."""
    harmless: Case = [Patch(TABLE, 60_000, b"\0")]
    for how, words in (("crash", "ended with -11"), ("escape", "KeyError"), ("spin", "processor time")):
        bad = small.damaged([harmless] * 4, how)
        assert len(bad) == 2
        assert all(words in one.what for one in bad), bad


# --- truncation and files that are no files --------------------------------------------------------------------------


def test_truncated_files(larger: Sample, budget: Budget) -> None:
    """Cut at every kind of place: in the header, in pages, at and within documents, at pages of memory, behind it all."""
    cases: list[Case] = []
    for file in (TABLE, larger.files[0], larger.files[-1]):
        size = (larger.path / file).stat().st_size
        cuts = {
            0,
            1,
            3,
            4,
            5,
            40,
            64,
            72,
            100,
            150,
            190,
            200,
            4095,
            4096,
            4097,
            8192,
            65_535,
            65_536,
            size - 1,
            size - 4,
        }
        if file != TABLE:
            lay = Layout(larger, file)
            for at in (lay.root, lay.page, lay.page_slots, lay.messages[0], lay.messages[7], lay.messages[-1], lay.end):
                cuts |= {at - 1, at, at + 1, at + 3, at + 4, at + 5, at + 8}
        cases += [[Patch(file, cut, TRUNCATE)] for cut in sorted(cuts) if cut < size]
    none(larger.damaged(cases[:: budget.of(2, 1, 1)], "read"))
    none(larger.damaged(cases[:: budget.of(3, 1, 1)], "append"))


def test_files_truncated_or_overwritten_under_open_handles(larger: Sample, budget: Budget) -> None:
    """The same while a tailer and an appender have the file open and mapped: an error, never SIGBUS."""
    cases: list[Case] = []
    for file in (TABLE, larger.files[0], larger.files[-1]):
        for cut in (0, 1, 100, 4096, 8192, 20_000, 65_536, 100_000):
            cases.append([Patch(file, cut, TRUNCATE)])
    cases += list(random_damage(larger, budget.of(30, 300, 5000)))
    none(larger.damaged(cases, "live"))


KINDS = ("directory", "fifo", "loop", "dangling", "empty", "socket", "device", "unreadable")


@pytest.mark.parametrize("which", ["table", "first", "last"])
def test_something_else_in_the_place_of_a_file(larger: Sample, which: str) -> None:
    file = {"table": TABLE, "first": larger.files[0], "last": larger.files[-1]}[which]
    cases: list[Case] = [[Patch(file, number, REPLACE)] for number in range(len(KINDS))]
    none(larger.damaged(cases, "read"))
    none(larger.damaged(cases, "append"))


def test_directories_that_cannot_be_used(larger: Sample) -> None:
    """Without permission to list, to enter, to write; not a directory at all."""
    cases: list[Case] = [[Patch(".", mode, REPLACE)] for mode in (0, 0o100, 0o400, 0o500, 0o300, 0o700)]
    none(larger.damaged(cases, "read"))
    none(larger.damaged(cases, "append"))


@pytest.mark.parametrize("name", ["a file", "fifo", "loop", "x" * 300, "/".join(["x" * 200] * 30), "n\0ul", "\udcff"])
@pytest.mark.parametrize("mode", ["r", "a", "r+"])
def test_paths_that_are_no_directory(tmp_path: Path, name: str, mode: str) -> None:
    (tmp_path / "a file").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    if name == "\udcff" and mode == "a":
        px.open_queue(os.path.join(tmp_path, name), mode).close()  # An odd name, but a name.
        return
    with pytest.raises(px.ChronixError):
        px.open_queue(os.path.join(tmp_path, name), mode, timeout_ms=1)
