"""The layouts against the annotated bytes of the specification (§2-§4, §9.11, Appendix B, F)."""

from __future__ import annotations

import contextlib
import re
import struct
from pathlib import Path
from typing import Any

import construct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pychronix.errors import CorruptError, NotFoundError, UnsupportedFormatError
from pychronix.formats import Format, cq5, detect

UNLOCKED = cq5.UNLOCKED


def spec_bytes(text: str) -> bytes:
    """Bytes written as in the specification: hex pairs, and quoted ASCII."""
    data = bytearray()
    for quoted, pair in re.findall(r'"([^"]*)"|\b([0-9a-fA-F]{2})\b', text):
        data += quoted.encode() if quoted else bytes([int(pair, 16)])
    return bytes(data)


def longs(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


# §3.6: metadata.cq4t of 5.25ea1.
METADATA_5_25 = b"".join(
    [
        spec_bytes("b0 00 00 40 b9 06 68 65 61 64 65 72 b6 07 53 54 53 74 6f 72 65 82 9a 00 00 00"),
        spec_bytes('c8 "wireType" b6 08 "WireType" ec "BINARY_LIGHT"'),
        spec_bytes('c8 "metadata" b6 07 "SCQMeta" 82 60 00 00 00 c4 "roll" b6 08 "SCQSRoll" 82 27 00 00 00'),
        spec_bytes('c6 "length" a6 00 5c 26 05 c6 "format" eb') + b"yyyyMMdd'F'" + spec_bytes('c5 "epoch" a1 00'),
        spec_bytes('d7 "deltaCheckpointInterval" a1 40 c8 "sourceId" a1 00 8f 8f 8f'),
        spec_bytes('20 00 00 00 b9 14 "listing.highestCycle" 8f a7 dd 4c 00 00 00 00 00 00'),
        spec_bytes('24 00 00 00 b9 13 "listing.lowestCycle" 8e 01 00 00 00 00 a7 dd 4c 00 00 00 00 00 00'),
        spec_bytes('1c 00 00 00 b9 10 "listing.modCount" 8f a7 03 00 00 00 00 00 00 00'),
        spec_bytes('24 00 00 00 b9 14 "chronicle.write.lock" 8e 00 00 00 00 a7') + longs(UNLOCKED),
        spec_bytes('24 00 00 00 b9 15 "chronicle.append.lock" 8f 8f 8f 8f a7') + longs(UNLOCKED),
        spec_bytes('2c 00 00 00 b9 1d "chronicle.lastIndexReplicated" 8f 8f 8f 8f a7') + longs(-1),
        spec_bytes('34 00 00 00 b9 29 "chronicle.lastAcknowledgedIndexReplicated" a7') + longs(-1),
        spec_bytes('2c 00 00 00 b9 1a "chronicle.lastIndexMSynced" 8e 02 00 00 00 00 00 a7') + longs(-1),
        spec_bytes('2c 00 00 00 b9 1a "index.replicated:tailerOne" 8e 02 00 00 00 00 00 a7') + longs(0x4CDD00000002),
        bytes(64),
    ]
)

# §4.2: 20211118F.cq4 of 5.20.102, with its pages of 4096 slots.
ROLL_5_20 = b"".join(
    [
        spec_bytes('c0 00 00 40 b9 06 "header" b6 08 "SCQStore" 82 a9 00 00 00'),
        spec_bytes('cd "writePosition" 8e 01 00 00 00 00 8d') + longs(2, 2, 0x10124, 0x0001012400000003),
        spec_bytes('c8 "indexing" b6 0c "SCQSIndexing" 82 4c 00 00 00 ca "indexCount" a5 00 10'),
        spec_bytes('cc "indexSpacing" a5 00 01 cb "index2Index" 8f a7') + longs(0xC4),
        spec_bytes('c9 "lastIndex" 8e 00 00 00 00 a7') + longs(256) + spec_bytes('ca "dataFormat" 01'),
        spec_bytes('20 80 00 40 b9 0b "index2index" 8f 8f 8d') + longs(4096, 1, 0x80E8) + bytes(8 * 4095),
        spec_bytes('1c 80 00 40 b9 05 "index" 8f 8f 8f 8f 8d') + longs(4096, 1, 0x10108) + bytes(8 * 4095),
        spec_bytes("04 00 00 00 e3 6f 6e 65 04 00 00 00 e3 74 77 6f 06 00 00 00 e5 74 68 72 65 65 00 00"),
        spec_bytes("44 00 00 00 b8 42") + b"a much longer item that will have to be wrapped over several lines",
        bytes(64),
    ]
)

# B.2: FAST_DAILY of the current writer.
ROLL_5_26 = b"".join(
    [
        spec_bytes('c1 00 00 40 b9 06 "header" b6 08 "SCQStore" 82 aa 00 00 00'),
        spec_bytes('cd "writePosition" 8e 01 00 00 00 00 8d') + longs(2, 2, 0x1014C, 0x0001014C00000005),
        spec_bytes('c8 "indexing" b6 0c "SCQSIndexing" 82 4c 00 00 00 ca "indexCount" a5 00 10'),
        spec_bytes('cc "indexSpacing" a5 00 01 cb "index2Index" 8f a7') + longs(0xC8),
        spec_bytes('c9 "lastIndex" 8e 00 00 00 00 a7') + longs(256) + spec_bytes('ca "dataFormat" a1 01 00 00 00'),
        spec_bytes('24 80 00 40 b9 0b "index2index" 8e 01 00 00 00 00 8d') + longs(4096, 1, 0x80F0) + bytes(8 * 4095),
        spec_bytes('1c 80 00 40 b9 05 "index" 8f 8f 8f 8f 8d') + longs(4096, 1, 0x10110) + bytes(8 * 4095),
        b"".join(spec_bytes('08 00 00 00 e7 "hello "') + b"%d" % number for number in range(5)),
        spec_bytes("0f 00 00 00 c3 6d 73 67 e3 61 62 63 c1 6e a6 40 e2 01 00"),
        bytes(64),
    ]
)

# B.4, with the format's own quotes.
TABLE_HEADER_ROLL_TIME = (
    spec_bytes(
        'd4 00 00 40 b9 06 "header" b6 07 "STStore" 82 be 00 00 00 c8 "wireType" b6 08 "WireType" ec "BINARY_LIGHT"'
    )
    + spec_bytes('c8 "metadata" b6 07 "SCQMeta" 82 84 00 00 00 c4 "roll" b6 08 "SCQSRoll" 82 4b 00 00 00')
    + spec_bytes('c6 "length" a6 00 5c 26 05 c6 "format" eb')
    + b"yyyyMMdd'F'"
    + spec_bytes('c5 "epoch" a6 40 f6 d3 04 c8 "rollTime" b2 05 "22:30" cc "rollTimeZone" e3 "UTC"')
    + spec_bytes('d7 "deltaCheckpointInterval" a1 40 c8 "sourceId" a1 07 8f 8f 8f')
)

# §9.11, of a TEST8_DAILY queue.
FIELDLESS_HEADER = (
    spec_bytes('6e 00 00 40 b9 06 "header" b6 08 "SCQStore" 82 57 00 00 00 8f 8f 8f 8f 8d')
    + longs(2, 2, 0x30, 0x38)
    + spec_bytes('b6 0c "SCQSIndexing" 82 1d 00 00 00 a1 80 a1 08 a7')
    + longs(0x58)
    + spec_bytes("8e 02 00 00 00 00 00 a7")
    + longs(0x68)
    + spec_bytes("a1 01")
)

FAST_DAILY = {"length": 86_400_000, "format": "yyyyMMdd'F'", "epoch": 0}


def documents(data: bytes, *, padded: bool = True) -> list[tuple[int, int]]:
    return list(cq5.documents(lambda offset, size: data[offset : offset + size], len(data), padded=padded))


# --- document headers --------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_the_header_layout_and_the_constants_say_the_same(word: int) -> None:
    parsed = cq5.document_header.parse(struct.pack("<I", word))
    assert bool(word & cq5.NOT_COMPLETE) == parsed.not_complete
    assert bool(word & cq5.META_DATA) == parsed.meta_data
    assert word & cq5.LENGTH_MASK == parsed.length


def test_end_of_data_is_the_bytes_of_b3() -> None:
    assert spec_bytes("00 00 00 c0 c3 45 4f 46") == cq5.END_OF_DATA.build({"decoration": b"\xc3EOF"})
    assert None is cq5.END_OF_DATA.parse(spec_bytes("00 00 00 c0 00 00 00 00")).decoration


def test_a_padded_walk_skips_gaps_and_stops_at_eof() -> None:
    data = spec_bytes("02 00 00 00 6d 32 00 00 00 00 00 c0 c3 45 4f 46 00 00 00 00")  # B.3
    assert [(0, 2), (8, cq5.EOF)] == documents(data)


def test_an_unpadded_walk_takes_every_byte() -> None:
    data = spec_bytes('03 00 00 00 "one" 05 00 00 00 "three" 00 00 00 00')
    assert [(0, 3), (7, 5), (16, 0)] == documents(data, padded=False)


@pytest.mark.parametrize("cut", range(4))
def test_the_end_of_the_file_is_the_end_of_the_data(cut: int) -> None:
    assert [(0, 4), (8, 0)] == documents(spec_bytes('04 00 00 00 "four"') + bytes(cut))
    assert [(0, 0)] == documents(bytes(cut))


@pytest.mark.parametrize("word", [0x80000000, 0x80000005, 0xC0000001, 0xFFFFFFFF])
def test_a_header_that_is_not_complete_ends_the_walk(word: int) -> None:
    assert [(0, word)] == documents(struct.pack("<I", word) + bytes(16))


@pytest.mark.parametrize("word", [17, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF])
def test_a_document_beyond_the_file_is_damage(word: int) -> None:
    with pytest.raises(CorruptError) as caught:
        documents(spec_bytes('04 00 00 00 "four"') + struct.pack("<I", word) + bytes(16))
    assert 8 == caught.value.offset


@pytest.mark.parametrize("padded", [True, False])
def test_a_walk_over_many_chunks_finds_every_document(padded: bool) -> None:
    lengths = [1 + number * 7919 % 4001 for number in range(3000)]
    data = bytearray()
    expected = []
    for length in lengths:
        if padded:
            data += bytes(-len(data) % 4)
        expected.append((len(data), length))
        data += struct.pack("<I", length) + bytes(length)
    found = documents(bytes(data + bytes(8)), padded=padded)
    assert expected == found[:-1]
    assert 0 == found[-1][1]


# --- the table store ---------------------------------------------------------------------------


def test_the_table_store_of_5_25_is_read_as_annotated() -> None:
    table = cq5.parse_table_store(METADATA_5_25)
    assert (86_400_000, "yyyyMMdd'F'", 0, None, None) == table.roll
    assert ("BINARY_LIGHT", 0, 64, True, 0x238) == (
        table.wire_type,
        table.source_id,
        table.delta_checkpoint_interval,
        table.padded,
        table.stop,
    )
    assert [
        ("listing.highestCycle", 19677, 0xD0),
        ("listing.lowestCycle", 19677, 0xF8),
        ("listing.modCount", 3, 0x118),
        ("chronicle.write.lock", UNLOCKED, 0x140),
        ("chronicle.append.lock", UNLOCKED, 0x168),
        ("chronicle.lastIndexReplicated", -1, 0x198),
        ("chronicle.lastAcknowledgedIndexReplicated", -1, 0x1D0),
        ("chronicle.lastIndexMSynced", -1, 0x200),
        ("index.replicated:tailerOne", 0x4CDD00000002, 0x230),
    ] == [(entry.key, entry.value, entry.offset) for entry in table.entries]


def test_the_layouts_build_the_table_store_of_5_25() -> None:
    data = cq5.table_header("5.24").build(
        {"wireType": None, "metadata": {"roll": FAST_DAILY, "deltaCheckpointInterval": 64, "sourceId": 0}}
    )
    for entry in cq5.parse_table_store(METADATA_5_25).entries:
        assert entry.document == len(data)
        data += cq5.table_entry.build({"key": entry.key, "value": entry.value}, base=len(data))
    assert METADATA_5_25[: len(data)] == data


def test_a_table_header_with_roll_time_is_that_of_b4() -> None:
    layout = cq5.table_header("5.24", roll_time=True, roll_time_zone=True)
    roll = FAST_DAILY | {"epoch": 81_000_000, "rollTime": "22:30", "rollTimeZone": "UTC"}
    fields = {"wireType": None, "metadata": {"roll": roll, "deltaCheckpointInterval": 64, "sourceId": 7}}
    assert TABLE_HEADER_ROLL_TIME == layout.build(fields)
    assert roll == layout.parse(TABLE_HEADER_ROLL_TIME).metadata.roll
    table = cq5.parse_table_store(TABLE_HEADER_ROLL_TIME)
    assert (86_400_000, "yyyyMMdd'F'", 81_000_000, "22:30", "UTC") == table.roll
    assert (7, len(TABLE_HEADER_ROLL_TIME)) == (table.source_id, table.stop)


@pytest.mark.parametrize(
    "release, length, delta, padded",
    [("5.16", 222, -1, False), ("5.17", 168, 64, True), ("5.24", 172, 64, True), ("5.27", 144, None, True)],
)
def test_a_table_header_has_the_length_of_its_release(
    release: str, length: int, delta: int | None, padded: bool
) -> None:
    meta = {"roll": FAST_DAILY | {"format": "yyyyMMdd"}, "deltaCheckpointInterval": delta, "sourceId": 0}
    fields = {"wireType": None, "recovery": {"timeStamp": 0}, "metadata": meta}
    data = cq5.table_header(release).build(fields)
    assert length == len(data) - 4
    data += cq5.table_entry.build({"key": "listing.modCount", "value": 5}, base=len(data))
    table = cq5.parse_table_store(data + bytes(16))
    assert (delta, padded, {"listing.modcount": 5}) == (
        table.delta_checkpoint_interval,
        table.padded,
        table.values(),
    )


def test_keys_are_compared_without_regard_to_case_and_the_first_counts() -> None:
    data = METADATA_5_25[:0x238]
    data += cq5.table_entry.build({"key": "LISTING.MODCOUNT", "value": 9}, base=len(data))
    assert 3 == cq5.parse_table_store(data).values()["listing.modcount"]


# --- roll files --------------------------------------------------------------------------------


def check_header(header: cq5.RollHeader, **expected: Any) -> None:
    assert expected == {name: getattr(header, name) for name in expected}


def test_the_roll_file_of_5_20_is_read_as_annotated() -> None:
    check_header(
        cq5.parse_roll_header(ROLL_5_20),
        stop=0xC4,
        write_position=0x10124,
        write_position_offset=0x40,
        sequence_word=0x0001012400000003,
        index_count=4096,
        index_spacing=256,
        index2index=0xC4,
        index2index_offset=0x98,
        last_index=256,
        last_index_offset=0xB0,
        data_format=1,
        padded=True,
        fieldless=False,
        roll=None,
    )
    offsets = [0, 0xC4, 0x80E8, 0x10108, 0x10110, 0x10118, 0x10124, 0x1016C]
    assert offsets == [offset for offset, _ in documents(ROLL_5_20)]
    top = cq5.parse_index_page(ROLL_5_20[0xC4:0x80E8], 0xC4)
    assert ("index2index", 4096, 1, 0x80E8, 0xE8) == (top.event, top.capacity, top.used, top.slots[0], top.slots_offset)
    page = cq5.parse_index_page(ROLL_5_20[0x80E8:0x10108], 0x80E8)
    assert ("index", 4096, 1, 0x10108, 0x8108) == (
        page.event,
        page.capacity,
        page.used,
        page.slots[0],
        page.slots_offset,
    )


def test_the_roll_file_of_5_26_is_read_as_annotated() -> None:
    check_header(
        cq5.parse_roll_header(ROLL_5_26),
        stop=0xC5,
        write_position=0x1014C,
        sequence_word=0x0001014C00000005,
        index2index=0xC8,
        last_index=256,
        data_format=1,
    )
    offsets = [0, 0xC8, 0x80F0, 0x10110, 0x1011C, 0x10128, 0x10134, 0x10140, 0x1014C, 0x10160]
    assert offsets == [offset for offset, _ in documents(ROLL_5_26)]


@pytest.mark.parametrize("release, sample", [("5.19", ROLL_5_20), ("5.24", ROLL_5_26)])
def test_the_layouts_build_and_parse_the_sampled_files(release: str, sample: bytes) -> None:
    header = cq5.parse_roll_header(sample)
    fields = {
        "writePosition": [header.write_position, header.sequence_word],
        "indexing": {
            "indexCount": 4096,
            "indexSpacing": 256,
            "index2Index": header.index2index,
            "lastIndex": header.last_index,
        },
        "dataFormat": 1,
    }
    assert sample[: header.stop] == cq5.roll_header(release).build(fields)
    assert fields == cq5.roll_header(release).parse(sample)
    for event, base in (
        ("index2index", header.index2index),
        ("index", header.index2index + 0x8024 + 4 * (release == "5.24")),
    ):
        page = cq5.index_page(event).parse(sample[base:], base=base)
        built = cq5.index_page(event).build(page, base=base)
        assert sample[base : base + len(built)] == built


def test_a_header_without_names_is_read_by_order() -> None:
    header = cq5.parse_roll_header(FIELDLESS_HEADER)
    check_header(
        header,
        fieldless=True,
        write_position=0x30,
        write_position_offset=0x30,
        sequence_word=0x38,
        index_count=128,
        index_spacing=8,
        index2index=0x58,
        index2index_offset=0x58,
        last_index=0x68,
        last_index_offset=0x68,
        data_format=1,
    )
    fields = {
        "writePosition": [0x30, 0x38],
        "indexing": {"indexCount": 128, "indexSpacing": 8, "index2Index": 0x58, "lastIndex": 0x68},
        "dataFormat": 1,
    }
    assert FIELDLESS_HEADER == cq5.roll_header("fieldless").build(fields)


@pytest.mark.parametrize(
    "release, length, position, padded",
    [("4.16", 438, 0x60, False), ("5.16", 260, 0x40, False), ("5.17", 180, 0x40, False), ("5.19", 192, 0x40, True)]
    + [("5.24", 193, 0x40, True)],
)
def test_a_roll_header_has_the_length_of_its_release(release: str, length: int, position: int, padded: bool) -> None:
    fields = {
        "wireType": None,
        "writePosition": [0, 0],
        "roll": {"length": 86_400_000, "format": "yyyyMMdd", "epoch": 0},
        "indexing": {
            "indexCount": 8192,
            "indexSpacing": 64 if release == "4.16" else 256,
            "index2Index": 0,
            "lastIndex": 0,
        },
        "dataFormat": 1,
        "lastAcknowledgedIndexReplicated": -1,
        "recovery": {"timeStamp": 0},
        "deltaCheckpointInterval": 0,
        "lastIndexReplicated": -1,
        "sourceId": 0,
    }
    data = cq5.roll_header(release).build(fields)
    assert length == len(data) - 4
    header = cq5.parse_roll_header(data)
    check_header(header, write_position_offset=position, padded=padded, index_count=8192)
    assert ("4.16" == release) == (header.roll is not None)


@pytest.mark.parametrize(
    "old, new",
    [
        ("ca 64 61 74 61 46 6f 72 6d 61 74 a1 01", "ca 64 61 74 61 46 6f 72 6d 61 74 8f 01"),
        ('cc "indexSpacing" a5 00 01', 'cc "indexSpacing" a2 00 01'),
        ('ca "indexCount" a5 00 10', 'ca "indexCount" e2 "32"'),
        ('cb "index2Index" 8f a7', 'cb "index2IndeX" 8f a7'),
    ],
)
def test_other_encodings_and_unknown_fields_are_taken_or_named(old: str, new: str) -> None:
    data = ROLL_5_26[:0xC5].replace(spec_bytes(old), spec_bytes(new))
    assert data != ROLL_5_26[:0xC5]
    if "IndeX" in new:
        with pytest.raises(CorruptError, match="index2Index is missing"):
            cq5.parse_roll_header(data)
    else:
        header = cq5.parse_roll_header(data)
        assert (1, 256) == (header.data_format, header.index_spacing)


def test_write_position_may_be_a_single_long() -> None:
    two = spec_bytes("8e 01 00 00 00 00 8d") + longs(2, 2, 0x1014C, 0x0001014C00000005)
    one = spec_bytes("a7") + longs(0x1014C)
    data = bytearray(ROLL_5_26[:0xC5].replace(two, one))
    cut = len(two) - len(one)
    data[0] -= cut
    data[data.index(0x82) + 1] -= cut
    header = cq5.parse_roll_header(bytes(data))
    check_header(header, write_position=0x1014C, sequence_word=None, index2index=0xC8)


@pytest.mark.parametrize("value, expected", [(0x5F000000, 2**63 - 1), (0xDF000000, -(2**63)), (0x7FC00000, 0)])
def test_a_float_stands_for_a_saturated_integer(value: int, expected: int) -> None:
    item = cq5.walk(b"\x90" + struct.pack("<I", value), 0, 5)[0]
    assert expected == cq5.as_int(item, "x")


@pytest.mark.parametrize("word", [0, 0x80000000, 0xC0000000, 0x00000010, 0x40000000, 0x40010001, 0x40000FFF])
def test_a_first_document_that_is_no_header_is_damage(word: int) -> None:
    for data in (b"", b"\0\0", struct.pack("<I", word) + bytes(100)):
        with pytest.raises(CorruptError):
            cq5.parse_roll_header(data)


@pytest.mark.parametrize("sample", [ROLL_5_20[:0xC4], ROLL_5_26[:0xC5], FIELDLESS_HEADER, METADATA_5_25])
def test_any_flipped_byte_is_read_or_refused(sample: bytes) -> None:
    for at in range(len(sample)):
        for value in (0, 1, 0x7F, 0x80, 0x82, 0x8E, 0xB6, 0xFF, sample[at] ^ 0x40):
            data = sample[:at] + bytes([value]) + sample[at + 1 :]
            for parse in (cq5.parse_roll_header, cq5.parse_table_store):
                with contextlib.suppress(CorruptError):
                    parse(data)


@given(st.binary(max_size=300), st.booleans())
def test_random_headers_are_read_or_refused(payload: bytes, table: bool) -> None:
    start = b"\xb9\x06header\xb6" + (b"\x07STStore" if table else b"\x08SCQStore") + b"\x82"
    body = start + struct.pack("<I", len(payload)) + payload
    data = struct.pack("<I", len(body) | cq5.META_DATA) + body
    with contextlib.suppress(CorruptError):
        (cq5.parse_table_store if table else cq5.parse_roll_header)(data)


def test_deep_nesting_is_refused() -> None:
    data = b""
    for _ in range(5000):
        data = b"\x82" + struct.pack("<I", len(data)) + data
    with pytest.raises(CorruptError, match="nested"):
        cq5.walk(data, 0, len(data))


def test_a_layout_refuses_bytes_that_java_would_not_write() -> None:
    data = ROLL_5_26[:0xC5].replace(spec_bytes('ca "dataFormat" a1 01'), spec_bytes('ca "dataFormat" a4 01'))
    with pytest.raises(construct.ConstructError):
        cq5.roll_header("5.24").parse(data)


@pytest.mark.parametrize(
    "count, expected", [(0, ""), (4, "8f 8f 8f 8f"), (5, "8e 00 00 00 00"), (7, "8e 02 00 00 00 00 00")]
)
def test_padding_is_written_as_in_b1(count: int, expected: str) -> None:
    assert spec_bytes(expected) == cq5.padding(count)


# --- detection ---------------------------------------------------------------------------------


def test_the_table_store_tells_the_format(tmp_path: Path) -> None:
    (tmp_path / "directory-listing.cq4t").touch()
    assert Format.CQ4 is detect(tmp_path)
    (tmp_path / "metadata.cq4t").touch()
    assert Format.CQ5 is detect(str(tmp_path))


def test_roll_files_alone_tell_it_by_their_settings(tmp_path: Path) -> None:
    (tmp_path / "20200101.cq4").touch()
    assert Format.CQ5 is detect(tmp_path)
    fields = {
        "wireType": None,
        "writePosition": [0, 0],
        "roll": {"length": 86_400_000, "format": "yyyyMMdd", "epoch": 0},
        "indexing": {"indexCount": 8192, "indexSpacing": 64, "index2Index": 0, "lastIndex": 0},
        "lastAcknowledgedIndexReplicated": -1,
        "recovery": {"timeStamp": 0},
        "deltaCheckpointInterval": 0,
        "lastIndexReplicated": -1,
        "sourceId": 0,
    }
    (tmp_path / "20200102.cq4").write_bytes(cq5.roll_header("4.16").build(fields) + bytes(64))
    assert Format.CQ4 is detect(tmp_path)


def test_what_holds_no_queue_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError):
        detect(tmp_path)
    (tmp_path / "20200101.cq4-17.discard").touch()
    with pytest.raises(UnsupportedFormatError):
        detect(tmp_path)
    for absent in (tmp_path / "absent", tmp_path / "20200101.cq4-17.discard"):
        with pytest.raises(NotFoundError):
            detect(absent)
