"""Chronicle 3 by specification: layouts, names, the reader and the verifier, held against files that Java made."""

from __future__ import annotations

import lzma
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fix_java
import pytest
from fix_java import FixtureQueue, JavaError, unpack_fixture
from fix_java3 import Java3Peer, Java3Queue, fixture3_names
from hypothesis import given
from hypothesis import strategies as st

import pychronix as px
from pychronix.errors import ChronixError, CorruptError, NotFoundError, UnsupportedFormatError
from pychronix.formats import Format, detect, indexed, indexed_path, vanilla
from pychronix.inspect import Chronicle3Layout, read_queue, verify

DAY = 19787
FIXTURES = Path(fix_java.__file__).parents[1] / "fixtures"


def journal_names() -> list[str]:
    """All journals of fixtures/v3: "vanilla/days", "indexed/l64" and so on."""
    names = []
    for archive in fixture3_names():
        expected = fix_java.json.loads(lzma.decompress((FIXTURES / f"{archive}.expected.json.xz").read_bytes()))
        names += [f"{archive.removeprefix('v3/')}/{journal}" for journal in expected["queues"]]
    return names


JOURNALS = journal_names()
VANILLA = [name for name in JOURNALS if name.startswith("vanilla") or name in ("fields/fields", "fields/fields-raw")]
INDEXED = [name for name in JOURNALS if name not in VANILLA]


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FixtureQueue]:
    """All of them by name, unpacked once: only to be read."""
    return {
        f"{archive.removeprefix('v3/')}/{journal}": fixture
        for archive in fixture3_names()
        for journal, fixture in unpack_fixture(archive, tmp_path_factory.mktemp("v3")).items()
    }


Copy = Callable[[str], Path]


@pytest.fixture
def copy(journals: dict[str, FixtureQueue], tmp_path: Path) -> Copy:
    """A copy of a journal, to be damaged."""

    def copied(name: str) -> Path:
        source, target = journals[name].path, tmp_path / Path(name).name
        if source.is_dir():
            return Path(shutil.copytree(source, target))
        for suffix in (".index", ".data"):
            shutil.copy(source.with_name(source.name + suffix), target.with_name(target.name + suffix))
        return target

    return copied


def layout_of(journal: FixtureQueue) -> Chronicle3Layout | None:
    """What cannot be read off the files, taken from the builder's options."""
    options = journal.expected["options"]
    if "entries" not in options:
        return None
    settings = verify(journal.path).settings
    assert isinstance(settings, vanilla.Settings)
    return replace(settings, entries=options["entries"])


def read(path: Path, settings: Chronicle3Layout | None = None) -> list[tuple[int, bytes]]:
    return [(index, payload) for index, payload, _ in read_queue(path, settings)]


def kinds(path: Path, settings: Chronicle3Layout | None = None) -> set[str]:
    return set(verify(path, settings).kinds)


def patch(path: Path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


# --- against Java's files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOURNALS)
def test_the_reader_shows_what_java_shows(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[name]
    assert journal.excerpts == read(journal.path, layout_of(journal))


@pytest.mark.parametrize("name", JOURNALS)
def test_what_java_wrote_is_sound(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[name]
    report = verify(journal.path, layout_of(journal))
    expected = {"no-index": 1, "unused": 1} if name == "vanilla/unfinished" else {}
    assert expected == dict(report.kinds), str(report)
    assert report.ok
    assert report.messages == journal.expected["count"]


@pytest.mark.parametrize("name", VANILLA)
def test_settings_are_inferred_from_names_lengths_and_slots(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[name]
    options = journal.expected["options"]
    expected = vanilla.CYCLES[options.get("cycle", "DAYS")]
    settings = replace(
        expected,
        format=options.get("format", expected.format),
        index_block=options.get("index_block", expected.index_block),
        data_block=options.get("data_block", expected.data_block),
        thread_bits=journal.expected["thread_bits"],
    )
    found = verify(journal.path).settings
    assert isinstance(found, vanilla.Settings)
    # A pattern may be told in several ways; it has the same names.
    assert settings.name_of(settings.length_ms and DAY) == found.name_of(DAY)
    assert settings == replace(found, format=settings.format)


@pytest.mark.parametrize("name", INDEXED)
def test_the_line_size_is_inferred_and_padding_found(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[name]
    data = journal.path.with_name(journal.path.name + ".index").read_bytes()

    def read_at(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    line_size = indexed.infer_line(read_at, len(data))
    assert line_size == journal.expected["options"].get("line", 64)
    entries = list(indexed.entries_of(read_at, len(data), line_size))
    assert [entry.number for entry in entries if entry.padding] == journal.expected["padding"]
    assert len(entries) - 1 == journal.expected["last_index"]


# --- layouts build Java's very bytes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["vanilla/days", "vanilla/hours", "vanilla/pid-15", "vanilla/pid-17", "vanilla/threads"]
)
def test_vanilla_layouts_build_the_files_java_made(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[name]
    settings = verify(journal.path).settings
    assert isinstance(settings, vanilla.Settings)
    payloads = dict(journal.excerpts)
    entry = vanilla.index_entry(settings.thread_bits)
    for directory in sorted(path for path in journal.path.iterdir()):
        cycle = settings.cycle_of(directory.name)
        assert cycle is not None
        records: dict[str, bytes] = {}
        values = []
        for index in sorted(index for index in payloads if settings.split(index)[0] == cycle):
            _, number, slot = settings.split(index)
            raw = (directory / f"index-{number}").read_bytes()[8 * slot : 8 * slot + 8]
            parsed = entry.parse(raw)
            where = settings.slot(int.from_bytes(raw, "little"))
            assert (where.thread_id, where.file * settings.data_block + where.offset) == (
                parsed.thread_id,
                parsed.position,
            )
            data = f"data-{where.thread_id}-{where.file}"
            # Java appends: each record begins where the one before it, of the same thread, ended.
            records[data] = records.get(data, b"")
            assert where.offset == len(records[data]) + vanilla.LENGTH_SIZE
            records[data] += vanilla.record.build({"payload": payloads[index]})
            values.append(int.from_bytes(entry.build(parsed), "little"))
        for data, content in records.items():
            assert (directory / data).read_bytes() == content.ljust(settings.data_block, b"\0")
        for number in range(-(-len(values) // settings.slots)):
            part = values[number * settings.slots : (number + 1) * settings.slots]
            built = vanilla.index_file(settings.slots).build(part + [0] * (settings.slots - len(part)))
            assert (directory / f"index-{number}").read_bytes() == built


class IndexedWriter:
    """IndexedChronicle's appender by specification (3.4), in memory."""

    def __init__(self, line_size: int, data_block: int) -> None:
        self.per_line, self.block = indexed.entries_per_line(line_size), data_block
        self.layout = indexed.index_line(line_size)
        self.lines: list[tuple[int, list[int]]] = []
        self.data = bytearray()
        self.stop = data_block

    def _line(self) -> tuple[int, list[int]]:
        if not self.lines or len(self.lines[-1][1]) == self.per_line:
            self.lines.append((len(self.data), []))
        return self.lines[-1]

    def pad(self) -> None:
        base, entries = self._line()
        if self.stop - base:
            entries.append(base - self.stop)
        self.data = self.data.ljust(self.stop, b"\0")
        self.stop += self.block

    def append(self, payload: bytes) -> None:
        if len(self.data) + len(payload) > self.stop:
            self.pad()
        base, entries = self._line()
        self.data += payload
        entries.append(len(self.data) - base)

    def index(self, size: int) -> bytes:
        lines = [*self.lines]
        if lines and len(lines[-1][1]) == self.per_line:
            lines.append((len(self.data), []))  # The base of the line after a full one is written at once.
        built = b"".join(
            self.layout.build({"base": base, "entries": entries + [0] * (self.per_line - len(entries))})
            for base, entries in lines
        )
        return built.ljust(size, b"\0")


@pytest.mark.parametrize("name", ["l64", "l128", "padding", "padding-128", "exact", "hollow", "big"])
def test_indexed_layouts_build_the_files_java_made(name: str, journals: dict[str, FixtureQueue]) -> None:
    journal = journals[f"indexed/{name}"]
    options = journal.expected["options"]
    writer = IndexedWriter(options.get("line", 64), options["data_block"])
    for _, payload in journal.excerpts:
        writer.append(payload)
    index, data = (journal.path.with_name(journal.path.name + suffix).read_bytes() for suffix in (".index", ".data"))
    assert index == writer.index(len(index))
    assert data == bytes(writer.data).ljust(len(data), b"\0")


def test_the_worked_examples_of_the_specification() -> None:
    entry = vanilla.index_entry(15)
    assert entry.parse(bytes.fromhex("94000000000046d2")) == {"thread_id": 0x6923, "position": 0x94}
    assert entry.build({"thread_id": 0x6924, "position": 4}) == bytes.fromhex("04000000000048d2")
    assert vanilla.record.build({"payload": b"12345678"}) == b"\xf7\xff\xff\xff12345678"
    assert vanilla.record.build({"payload": b""}) == b"\xff\xff\xff\xff"
    assert vanilla.record.parse(b"\xfe\xff\xff\xffA\0\0\0").payload == b"A"
    assert vanilla.CYCLES["DAYS"].index(20779, 0, 0) == 22846752113557504
    assert vanilla.CYCLES["DAYS"].name_of(20779) == "20261122"
    assert vanilla.CYCLES["DAYS"].split(22846752113557504 + 2**21 + 5) == (20779, 1, 5)
    line = bytes.fromhex(
        "0000000000000000 e8030000 d0070000 b80b0000 a00f0000 00f0ffff e8130000 d0170000 b81b0000"
    ).ljust(64, b"\0")
    found = indexed.entries_of(lambda offset, size: line[offset : offset + size], 64, 64)
    assert [(e.number, e.start, e.stop, e.padding) for e in found] == [
        (0, 0, 1000, False),
        (1, 1000, 2000, False),
        (2, 2000, 3000, False),
        (3, 3000, 4000, False),
        (4, 4000, 4096, True),
        (5, 4096, 5096, False),
        (6, 5096, 6096, False),
        (7, 6096, 7096, False),
    ]


# --- against the C core's files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("thread_bits", [15, 22])
@given(sizes=st.lists(st.integers(0, 4092), max_size=80), gap=st.integers(0, 3))
def test_vanilla_journals_of_our_own_are_sound(
    thread_bits: int, sizes: list[int], gap: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("own") / "q"
    now = [DAY * 86_400 * 10**9]
    written = []
    with px.open_queue(
        path, "a", format="vanilla", index_block_bytes=1024, data_block_bytes=4096, reserve_bytes=0,
        thread_bits=thread_bits, clock=lambda: now[0],
    ) as queue:  # fmt: skip
        for appender in (queue.appender(), queue.appender()):
            with appender:
                for number, size in enumerate(sizes):
                    payload = bytes([number]) * size
                    written.append((appender.append(payload), payload))
            now[0] += gap * 86_400 * 10**9
    if not written:
        return
    written.sort(key=lambda excerpt: excerpt[0])
    settings = replace(vanilla.CYCLES["DAYS"], index_block=1024, data_block=4096, thread_bits=thread_bits)
    assert read(path, settings) == written
    report = verify(path)
    assert report.clean, str(report)
    assert report.settings == settings


@pytest.mark.parametrize("line_size", [64, 128])
@given(
    sizes=st.lists(st.integers(0, 4095), max_size=80),
    sessions=st.integers(1, 3),
    reserve=st.sampled_from([0, 100, 2048]),
)
def test_indexed_journals_of_our_own_are_sound(
    line_size: int, sizes: list[int], sessions: int, reserve: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("own") / "i"
    written = []
    for session in range(sessions):
        with px.open_queue(
            path, "a", format="indexed", index_block_bytes=4096, data_block_bytes=4096, reserve_bytes=reserve,
            line_bytes=line_size,
        ) as queue, queue.appender() as appender:  # fmt: skip
            for number, size in enumerate(sizes):
                payload = bytes([number + session]) * size
                written.append((appender.append(payload), payload))
    layout = indexed.Settings(line_size, 4096)
    assert read(path, layout) == written
    report = verify(path, layout)
    assert report.clean, str(report)
    assert report.messages == len(written)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("yyyyMMdd", "20240305"),
        ("yyyyMMddHHmmss", "20240305103742"),
        ("yyyyMMdd/HHmm/ss", "20240305/1037/42"),
        ("yyyy-MM-dd'T'HH'h'", "2024-03-05T10h"),
        ("yyyy/'day' MM.dd", "2024/day 03.05"),
        ("yyyy''MM''''dd", "2024'03''05"),
        ("'it''s 'yyyyMMdd", "it's 20240305"),
    ],
)
def test_names_are_written_and_read_as_simple_date_format_does(pattern: str, name: str) -> None:
    found = vanilla.DatePattern(pattern)
    assert found.format(1_709_635_062_000) == name
    time_ms = found.parse(name)
    assert time_ms is not None
    assert 1_709_635_062_000 // found.resolution_ms * found.resolution_ms == time_ms


@pytest.mark.parametrize("pattern", ["yyyyMMdd'T", "yyDDD", "yyyyMMddzzz", "EEE"])
def test_patterns_beyond_the_known_letters_are_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedFormatError):
        vanilla.DatePattern(pattern)


@given(st.integers(0, 2**31 - 1), st.sampled_from([*vanilla.CYCLES.values()]))
def test_every_cycle_has_one_name(cycle: int, settings: vanilla.Settings) -> None:
    cycle %= 253_402_300_800_000 // settings.length_ms  # The year 10000.
    assert settings.cycle_of(settings.name_of(cycle)) == cycle


ODD_NAMES = [
    "20240305", "20240305.bak", "2024030510", "20240399", "20241305", "2024", "202403", "2024035", "backup", "x20240305",
    " 20240305", "2024 305", "202403 5", "202403  5", "2024 3 5", "20240305x", "20240300", "00010101", "20240005",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_taken_for_the_cycle_java_takes_them_for(name: str, java3: Java3Peer, tmp_path: Path) -> None:
    (tmp_path / "q" / name).mkdir(parents=True)
    before_first = java3.vanilla(tmp_path / "q").tailer().start()
    cycle = vanilla.CYCLES["DAYS"].cycle_of(name)
    assert before_first == (-1 if cycle is None else cycle * (1 << 40) - 1)


@pytest.mark.parametrize(
    "name",
    ["2024/03/05/10", "2024/3/5/10", "2024/03/05/10.old", "2024/03", "2024/03/05/99", "2024/ 3/5/1", "2024/3 /5/1"],
)
def test_nested_names_are_taken_for_the_cycle_java_takes_them_for(name: str, java3: Java3Peer, tmp_path: Path) -> None:
    settings = replace(vanilla.CYCLES["HOURS"], format="yyyy/MM/dd/HH")
    (tmp_path / "q" / name).mkdir(parents=True)
    before_first = java3.vanilla(tmp_path / "q", cycle="HOURS", format=settings.format).tailer().start()
    cycle = settings.cycle_of(name)
    assert before_first == (-1 if cycle is None else cycle * (1 << 40) - 1)


# --- detection -------------------------------------------------------------------------------------------------------


def test_journals_are_recognised_by_their_files(copy: Copy, tmp_path: Path) -> None:
    assert detect(copy("vanilla/days")) is Format.VANILLA
    assert detect(copy("vanilla/nested")) is Format.VANILLA
    path = copy("indexed/l64")
    for name in (path, f"{path}.index", f"{path}.data"):
        assert detect(name) is Format.INDEXED
        assert indexed_path(name) == str(path)
    (tmp_path / "l64.data").unlink()
    with pytest.raises(NotFoundError):
        detect(path)
    (tmp_path / "empty" / "20240305").mkdir(parents=True)
    with pytest.raises(UnsupportedFormatError):
        detect(tmp_path / "empty")


# --- damage ----------------------------------------------------------------------------------------------------------


def first_cycle(path: Path) -> Path:
    return min(path.iterdir())


def journal_in_java(java3: Java3Peer, path: Path) -> Java3Queue:
    return java3.vanilla(path, index_block=1024, data_block=16384)


def remade_for_java(java3: Java3Peer, path: Path) -> Path:
    """As vanilla/days, two cycles of 20 excerpts, with the thread-id bits of this machine's Java."""
    appender = journal_in_java(java3, path).appender()
    for cycle in (DAY, DAY + 1):
        appender.generate(1, 20, sizes="10", cycle=cycle)
    return path


@pytest.mark.parametrize("what", ["slot", "length"])
def test_a_hole_hides_the_rest_of_its_cycle_as_it_does_for_java(what: str, java3: Java3Peer, tmp_path: Path) -> None:
    path = remade_for_java(java3, tmp_path / "q")
    cycle = first_cycle(path)
    if what == "slot":
        patch(cycle / "index-0", 8 * 7, bytes(8))
        assert kinds(path) == {"hole"}
    else:
        patch(next(cycle.glob("data-*")), 7 * 16, bytes(4))
        assert kinds(path) == {"no-length"}
    shown = read(path)
    assert len(shown) == 27
    assert journal_in_java(java3, path).dump() == shown
    assert not verify(path).ok


def test_a_corrupt_length_is_an_error_to_both(java3: Java3Peer, tmp_path: Path) -> None:
    path = remade_for_java(java3, tmp_path / "q")
    data = next(first_cycle(path).glob("data-*"))
    patch(data, 7 * 16, struct.pack("<I", 5))  # Its complement has both top bits.
    with pytest.raises(CorruptError, match="not a length") as caught:
        read(path)
    assert (caught.value.path, caught.value.offset) == (str(data), 7 * 16)
    assert kinds(path) == {"bad-record"}
    with pytest.raises(JavaError, match="Corrupted length"):
        journal_in_java(java3, path).dump()


def test_a_missing_data_file_is_an_error_to_both(java3: Java3Peer, tmp_path: Path) -> None:
    path = remade_for_java(java3, tmp_path / "q")
    data = next(first_cycle(path).glob("data-*"))
    data.unlink()
    with pytest.raises(CorruptError, match="no such data file"):
        read(path)
    assert kinds(path) == {"no-data-file"}
    with pytest.raises(JavaError, match="FileNotFound"):
        journal_in_java(java3, path).dump()


def test_records_that_share_bytes_are_told(copy: Copy) -> None:
    path = copy("vanilla/exact")
    index = first_cycle(path) / "index-0"
    slots = list(struct.unpack("<3Q", index.read_bytes()[:24]))
    patch(index, 8, struct.pack("<Q", slots[0]))
    assert {"doubled"} <= kinds(path)
    data = next(first_cycle(path).glob("data-*-0"))
    patch(data, 104, struct.pack("<I", 7 ^ 0xFFFF_FFFF))
    patch(index, 8, struct.pack("<Q", slots[0] + 104))
    report = verify(path)
    assert report.kinds["overlap"] == 1
    assert next(finding for finding in report.findings if finding.kind == "overlap").offset == 104
    patch(index, 8, struct.pack("<Q", slots[0] + 101))
    assert "unaligned" in kinds(path) or "bad-record" in kinds(path)


def test_files_that_do_not_belong_are_told(copy: Copy) -> None:
    path = copy("vanilla/days")
    cycle = first_cycle(path)
    (cycle / "notes.txt").write_text("x")
    assert kinds(path) == {"strange-file"}
    assert verify(path).ok
    (cycle / "data-1-x").write_text("x")
    assert not verify(path).ok
    (path / "backup").mkdir()
    (path / "20240305.bak").mkdir()
    report = verify(path)
    assert report.kinds == {"strange-file": 2, "strange-directory": 2}
    assert "cycle 19787" in str(report)


def test_sizes_and_missing_index_files_are_told(copy: Copy, journals: dict[str, FixtureQueue]) -> None:
    path = copy("vanilla/days")
    cycle = first_cycle(path)
    with open(cycle / "index-1", "r+b") as file:
        file.truncate(512)  # 22 of its 64 slots are used.
    assert read(path) == journals["vanilla/days"].excerpts
    assert kinds(path) == {"short-file"}
    (cycle / "index-0").unlink()
    assert {"no-index-file", "hole"} <= kinds(path)


def test_indexed_damage_is_told(copy: Copy) -> None:
    path = copy("indexed/padding")
    index, data = (path.with_name(path.name + suffix) for suffix in (".index", ".data"))
    sound = index.read_bytes()

    def kinds_with(offset: int, value: bytes) -> set[str]:
        index.write_bytes(sound)
        patch(index, offset, value)
        return kinds(path, indexed.Settings(64, 8192))

    assert kinds(path, indexed.Settings(64, 8192)) == set()
    assert kinds_with(8 + 4 * 5, bytes(4)) == {"hole"}
    assert kinds_with(8 + 4 * 5, struct.pack("<i", 1)) == {"damage"}  # goes backward
    assert kinds_with(64, struct.pack("<q", 7)) == {"damage"}  # no base
    padding = next(n for n in range(14) if struct.unpack_from("<i", sound, 8 + 4 * n)[0] < 0)
    (value,) = struct.unpack_from("<i", sound, 8 + 4 * padding)
    assert kinds_with(8 + 4 * padding, struct.pack("<i", 100 - value)) == {"crosses-block"}
    assert "bad-padding" in kinds_with(8 + 4 * (padding - 1), struct.pack("<i", value + 100))
    index.write_bytes(sound[:100])
    assert "odd-size" in kinds(path, indexed.Settings(64, 8192))
    index.write_bytes(sound)
    with open(data, "r+b") as file:
        file.truncate(30000)
    assert kinds(path, indexed.Settings(64, 8192)) == {"beyond-data"}
    with pytest.raises(CorruptError, match="the file has 30000 bytes"):
        read(path)


@pytest.mark.parametrize("name", ["vanilla/exact", "indexed/padding"])
def test_only_our_errors_escape_whatever_the_bytes(name: str, copy: Copy, journals: dict[str, FixtureQueue]) -> None:
    path = copy(name)
    files = sorted(file for file in path.parent.rglob("*") if file.is_file())
    whole = [file.read_bytes() for file in files]
    seen = set()

    @given(st.data())
    def damaged(data: st.DataObject) -> None:
        for file, content in zip(files, whole, strict=True):
            file.write_bytes(content)
        for _ in range(data.draw(st.integers(1, 4))):
            number = data.draw(st.integers(0, len(files) - 1))
            offset = data.draw(st.integers(0, min(len(whole[number]), 400)))
            patch(files[number], offset, data.draw(st.binary(min_size=1, max_size=9)))
        report = verify(path)
        assert report.messages <= journals[name].expected["count"] + 4096
        seen.update(report.kinds)
        try:
            read(path)
        except ChronixError:
            assert not report.ok

    damaged()
    assert len(seen) >= 2, "the damage did nothing"
