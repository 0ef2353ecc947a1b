"""Specification 11, items 19 to 26: the header of a roll file."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import (
    BLOCK,
    FIRST,
    MESSAGES,
    Clock,
    append,
    create,
    header_of,
    numbered,
    page_at,
    pairs,
    peek,
    poke,
    queue_of,
    read_all,
    roll_file,
    roll_file_bytes,
    u32,
)
from fix_java import FixtureQueue, JavaPeer, JavaPeerFactory

import pychronix as px
from pychronix.errors import CorruptError
from pychronix.formats import cq5
from pychronix.rolling import ROLL_CYCLES, shift_of_counts

Unpack = Callable[[str], dict[str, FixtureQueue]]
FEW = [b"zero", b"one", b"three", b"seventeen bytes.."]
CREATABLE = sorted(name for name, roll in ROLL_CYCLES.items() if roll.creatable)


@pytest.mark.parametrize(
    "fields",
    [
        ("writePosition", "indexing", "dataFormat"),
        ("dataFormat", "indexing", "writePosition"),
        ("indexing", "dataFormat", "writePosition"),
        ("unknown", "writePosition", "text", "indexing", "history", "dataFormat", "unknown"),
        ("history", "text", "dataFormat", "unknown", "writePosition", "indexing", "text"),
    ],
    ids=" ".join,
)
def test_19_fields_are_found_by_name_in_any_order(tmp_path: Path, fields: Sequence[str]) -> None:
    path = tmp_path / "q"
    file = queue_of(path, roll_file_bytes(FEW, fields=fields, indexing=("lastIndex", "indexSpacing", "unknown",
                                                                        "index2Index", "indexCount")))  # fmt: skip
    assert read_all(path) == numbered(FEW)
    assert read_all(path, backward=True) == numbered(FEW)[::-1]
    with px.open_queue(path) as queue:
        cycle = queue.cycles()[0]
        assert (cycle.index_count, cycle.index_spacing, cycle.data_format) == (32, 4, 1)
    assert append(path, [b"more"]) == [FIRST + 4]
    header = header_of(file)
    assert header.write_position == kit.data_offsets(file)[-1]
    assert header.sequence_word == header.write_position << 32 | 4
    assert read_all(path) == numbered([*FEW, b"more"])


CODES = {
    "bare": lambda n: bytes([n]),
    "a1": lambda n: b"\xa1" + struct.pack("<B", n),
    "a2": lambda n: b"\xa2" + struct.pack("<H", n),
    "a3": lambda n: b"\xa3" + struct.pack("<I", n),
    "a4": lambda n: b"\xa4" + struct.pack("<b", n),
    "a5": lambda n: b"\xa5" + struct.pack("<h", n),
    "a6": lambda n: b"\xa6" + struct.pack("<i", n),
    "a7": lambda n: b"\xa7" + struct.pack("<q", n),
    "af": lambda n: b"\xaf" + struct.pack("<q", n),
    "float32": lambda n: b"\x90" + struct.pack("<f", n),
    "float64": lambda n: b"\x91" + struct.pack("<d", n),
    "stop 2": lambda n: b"\x92" + cq5.c.VarInt.build(n * 100),
    "stop 4": lambda n: b"\x94" + cq5.c.VarInt.build(n * 10_000),
    "text": lambda n: bytes([0xE0 + len(str(n))]) + str(n).encode(),
    "padded": lambda n: b"\x8f\x8e\x02\0\0\0xx\xa1" + struct.pack("<B", n),
    "commented": lambda n: b"\xbe\x05hello\xa1" + struct.pack("<B", n),
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_20_integers_may_be_written_in_any_way(tmp_path: Path, code: str) -> None:
    path = tmp_path / "q"
    encode = CODES[code]
    data = roll_file_bytes(FEW, index_count=encode(64), index_spacing=encode(8), data_format=encode(1))
    assert cq5.parse_roll_header(data).index_count == 64, "the independent reader agrees"
    queue_of(path, data)
    with px.open_queue(path) as queue:
        cycle = queue.cycles()[0]
        assert (cycle.index_count, cycle.index_spacing, cycle.data_format) == (64, 8, 1)
    assert read_all(path) == numbered(FEW)


def test_20_any_other_data_format_is_unpadded(tmp_path: Path) -> None:
    for value in (b"\xa1\x00", b"\x00", b"\xa1\x02", b"\xa1\xff"):
        path = tmp_path / value.hex()
        queue_of(path, roll_file_bytes(FEW, data_format=value, padded=False))
        assert read_all(path) == numbered(FEW)


def test_21_a_write_position_of_one_long_is_read(tmp_path: Path) -> None:
    for padded, data_format in ((True, b"\xa1\x01"), (False, b"\xa1\x00")):
        path = tmp_path / f"{padded}"
        queue_of(path, roll_file_bytes(FEW, position="one", padded=padded, data_format=data_format))
        assert read_all(path) == numbered(FEW)
        assert read_all(path, backward=True) == numbered(FEW)[::-1]
        with px.open_queue(path) as queue:
            assert queue.last_index == FIRST + 3
            tailer = queue.tailer(start="end")
            assert (tailer.index, tailer.read()) == (FIRST + 4, None)


def test_21_an_appender_keeps_the_one_long(tmp_path: Path) -> None:
    path = tmp_path / "q"
    file = queue_of(path, roll_file_bytes(FEW, position="one"))
    head = peek(file, 0, header_of(file).stop)
    assert append(path, [b"more", b"and more"]) == [FIRST + 4, FIRST + 5]
    header = header_of(file)
    assert header.sequence_word is None
    assert header.write_position == kit.data_offsets(file)[-1]
    changed = [at for at in range(len(head)) if peek(file, at, 1) != head[at : at + 1]]
    bound = [header.write_position_offset, header.index2index_offset, header.last_index_offset]
    assert all(any(start <= at < start + 8 for start in bound) for at in changed)


def test_22_a_v4_file_reads_as_it_did_in_4(tmp_path: Path) -> None:
    # The sample of the specification (4.3): unpadded, no dataFormat, text without a type code.
    messages = [b"one", b"two", b"three", b"a much longer item that will need to be split"]
    path = tmp_path / "q"
    path.mkdir()
    fields = {
        "wireType": None,
        "writePosition": [0, 0],
        "roll": {"length": kit.DAY_MS, "format": "yyyyMMdd", "epoch": 0},
        "indexing": {"indexCount": 8192, "indexSpacing": 64, "index2Index": 0, "lastIndex": 0},
        "lastAcknowledgedIndexReplicated": -1,
        "recovery": {"timeStamp": 0},
        "deltaCheckpointInterval": 0,
        "lastIndexReplicated": -1,
        "sourceId": 0,
    }
    data = cq5.roll_header("4.16").build(fields)
    assert len(data) - 4 == 438
    for message in messages:
        data += struct.pack("<I", len(message)) + message
    (path / "20211125.cq4").write_bytes(data.ljust(327_680, b"\0"))
    (path / "directory-listing.cq4t").write_bytes(bytes(65_536))
    with px.open_queue(path) as queue:
        assert (queue.format, queue.roll_cycle.name, queue.first_cycle) == ("cq4", "DAILY", 18956)
        assert list(queue.tailer().with_index()) == numbered(messages, 18956 << 32)


@pytest.mark.parametrize("queue", ["daily", "test4_daily"])
def test_22_files_of_4_16_are_read(java_fixture: Unpack, queue: str) -> None:
    fixture = java_fixture("v5/4.16.4")[queue]
    assert fixture.excerpts
    assert read_all(fixture.path) == fixture.excerpts
    assert read_all(fixture.path, backward=True) == fixture.excerpts[::-1]
    assert any(offset % 4 for offset in kit.data_offsets(kit.roll_files(fixture.path)[0]))


@pytest.mark.parametrize("roll", ["TEST_DAILY", "TEST4_DAILY", "FAST_DAILY", "MINUTELY"])
def test_23_a_new_file_has_header_and_two_index_pages(tmp_path: Path, roll: str) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll=roll, clock=Clock(), block_size_bytes=BLOCK) as queue:
        with queue.appender().writing(meta=True) as excerpt:  # Creates the file, but no message.
            excerpt.write(b"user metadata")
        file = Path(queue.cycles()[0].path)
        counts = (queue.roll_cycle.index_count, queue.roll_cycle.index_spacing)
    header = header_of(file)
    assert (header.index_count, header.index_spacing, header.data_format) == (*counts, 1)
    assert (header.write_position, header.sequence_word, header.last_index) == (0, 0, 0)
    documents = kit.documents_of(file)
    assert len(documents) == 5
    assert header.index2index == documents[1][0]
    top, page = page_at(file, documents[1][0]), page_at(file, documents[2][0])
    assert (top.event, top.capacity, top.used, top.slots[0]) == ("index2index", counts[0], 1, documents[2][0])
    assert (page.event, page.capacity, page.used) == ("index", counts[0], 0)
    assert not any(top.slots[1:])
    assert not any(page.slots)


def test_23_java_appends_to_a_file_we_created_without_messages(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue:
        with queue.appender().writing(meta=True) as excerpt:
            excerpt.write(b"user metadata")
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
        assert theirs.dump() == []
        assert theirs.appender().append_many([b"one", b"two"]) == [FIRST, FIRST + 1]
    assert read_all(path) == numbered([b"one", b"two"])


CREATOR = """
import sys
import pychronix as px
clock = [1_709_635_062]
settings = {"roll": "TEST_SECONDLY", "block_size_bytes": 1 << 20}
with px.open_queue(sys.argv[1], "a", clock=lambda: clock[0] * 10**9, **settings) as queue:
    appender = queue.appender()
    print("up", flush=True)
    for line in sys.stdin:
        clock[0] += 1
        appender.append(line.encode())
"""


def test_24_the_first_header_is_ready_only_when_both_pages_are(tmp_path: Path) -> None:
    path = tmp_path / "q"
    with kit.python(CREATOR, path) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "up\n"
        roll = ROLL_CYCLES["TEST_SECONDLY"]
        for number in range(1, 31):
            file = path / roll.file_name(1_709_635_062 + number)
            process.stdin.write("message\n")
            process.stdin.flush()
            limit = time.monotonic() + kit.DEADLINE_S
            seen: set[int] = set()
            while True:
                try:
                    with open(file, "rb") as stream:
                        head = stream.read(1 << 10)
                except FileNotFoundError:
                    head = b""
                word = int.from_bytes(head[:4], "little")
                if word and word != cq5.NOT_COMPLETE:
                    break
                seen.add(word)
                assert time.monotonic() < limit
            header = cq5.parse_roll_header(head)
            top = page_at(file, header.index2index)
            assert (top.event, top.used, top.slots[0]) == ("index2index", 1, kit.documents_of(file)[2][0])
            assert page_at(file, top.slots[0]).event == "index"
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("roll", CREATABLE)
def test_25_bound_values_are_aligned(tmp_path: Path, roll: str) -> None:
    path = tmp_path / "q"
    create(path, [b"one"], roll=roll)
    file = roll_file(path)
    header = header_of(file)
    assert peek(file, header.write_position_offset - 17, 1) == b"\x8d"
    assert header.write_position_offset % 16 == 0
    for offset in (header.index2index_offset, header.last_index_offset):
        assert (offset % 8, peek(file, offset - 1, 1)) == (0, b"\xa7")
    top = page_at(file, header.index2index)
    for page in (top, page_at(file, top.slots[0])):
        assert (page.slots_offset % 8, peek(file, page.slots_offset - 17, 1)) == (0, b"\x8d")
    assert all(entry.offset % 8 == 0 for entry in kit.table_of(path).entries)
    # The layouts say the same of every byte of the header.
    fields = {
        "writePosition": [header.write_position, header.sequence_word],
        "indexing": {
            "indexCount": header.index_count,
            "indexSpacing": header.index_spacing,
            "index2Index": header.index2index,
            "lastIndex": header.last_index,
        },
        "dataFormat": 1,
    }
    built = cq5.roll_header("5.24").build(fields)
    # After the last field: if the end modulo 64 is beyond 60, padding up to the next multiple of 64 (4.1).
    assert peek(file, 4, len(built) - 4) == built[4:]
    assert u32(file, 0) & cq5.LENGTH_MASK in (len(built) - 4, -(-len(built) // 64) * 64 - 4)


@pytest.mark.parametrize(("count", "spacing"), [(8, 1), (16, 2), (1024, 32_768), (32_768, 1 << 20), (64, 65_536)])
def test_25_custom_counts_move_nothing_off_its_place(java: JavaPeer, tmp_path: Path, count: int, spacing: int) -> None:
    options = {"index_count": count, "index_spacing": spacing}
    block = max(BLOCK, 32 * count)
    create(tmp_path / "ours", MESSAGES, block_size_bytes=block, **options)
    with java.open(tmp_path / "java", roll="TEST4_DAILY", clock_ms=kit.T0, block_size=block, **options) as queue:
        queue.appender().append_many(MESSAGES)
    ours, theirs = (bytearray(roll_file(tmp_path / who).read_bytes()) for who in ("ours", "java"))
    header = cq5.parse_roll_header(bytes(ours))
    if shift_of_counts(count, spacing) > 32:
        # The Java process that creates a file cuts its sequence words by the roll cycle's counts, any other by the
        # file's (5.4); ours always by the file's.
        word = slice(header.write_position_offset + 8, header.write_position_offset + 16)
        assert struct.unpack("<Q", theirs[word])[0] == header.write_position << 32 | len(MESSAGES) - 1
        theirs[word] = ours[word]
    assert kit.differences(bytes(ours), bytes(theirs)) == []
    assert (header.write_position_offset % 16, header.index2index_offset % 8, header.last_index_offset % 8) == (0, 0, 0)


@pytest.mark.parametrize(
    "word", [100, 0x4000_0000 | 65_537, 0x4000_0000 | 0x3FFF_FFFF, 0x4000_0000, 0x4000_0001], ids=hex
)
def test_26_a_first_document_that_is_no_header_is_damage(tmp_path: Path, word: int) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = roll_file(path)
    poke(file, 0, struct.pack("<I", word))
    before = file.read_bytes()
    with px.open_queue(path) as queue:
        with pytest.raises(CorruptError) as caught:
            queue.tailer().read()
        assert (caught.value.path, caught.value.offset is not None) == (str(file), True)
    with px.open_queue(path, "r+", clock=Clock(), timeout_ms=50, block_size_bytes=BLOCK) as queue:
        with pytest.raises(CorruptError):
            queue.appender().append(b"two")
    assert file.read_bytes() == before
    assert kit.table_values(path)[kit.WRITE_LOCK] == kit.UNLOCKED


def test_26_a_header_of_another_kind_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = roll_file(path)
    good = file.read_bytes()
    for was, becomes in ((b"header", b"hdr..."), (b"writePosition", b"wrotePosition")):
        file.write_bytes(good.replace(was, becomes, 1))
        with pytest.raises(CorruptError):
            read_all(path)


def test_26_java_refuses_such_a_file_too(java_peer: JavaPeerFactory, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    poke(roll_file(path), 0, struct.pack("<I", 100))
    queue = java_peer().open(path, readonly=True)
    with pytest.raises(Exception, match="magic number"):
        pairs(queue.dump())
