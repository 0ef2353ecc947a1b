"""Decoding: the vectors of the format's description (Java's bytes), every code, and what is no Wire."""

from __future__ import annotations

import datetime
import gzip
import math
import time
import uuid
import zlib
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pychronix.errors import UsageError, WireError
from pychronix.wire import (
    History,
    Limits,
    LongArray,
    NanoDateTime,
    NanoTime,
    Opaque,
    Pairs,
    Typed,
    TypeLiteral,
    decode,
    walk,
)
from pychronix.wire.codes import DELTA
from pychronix.wire.decoding import from_tokens, parse, to_value
from pychronix.wire.times import (
    format_date_time,
    format_instant,
    format_time,
    format_zoned,
    parse_date,
    parse_date_time,
    parse_instant,
    parse_time,
    parse_zoned,
)
from pychronix.wire.walking import LIMITS

I64 = (1 << 63) - 1


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def block(content: bytes, *, wide: bool = True) -> bytes:
    """A block of that content, 82 or 80."""
    return b"\x82" + len(content).to_bytes(4, "little") + content if wide else bytes((0x80, len(content))) + content


def same(expected: Any, data: bytes) -> None:
    """Both ways of decoding give that value, of the same type."""
    for found in (decode(data, wire_type="BINARY_LIGHT"), to_value(from_tokens(data, LIMITS))):
        assert (type(expected), repr(expected)) == (type(found), repr(found))


# Appendix B.1 of the format's description: bytes that Java wrote for these values.
VALUES: list[tuple[str, Any]] = [
    ("a1 00", 0), ("a1 7f", 127), ("a1 80", 128), ("a1 ff", 255), ("a5 00 01", 256), ("a5 ff 7f", 32767),
    ("a2 00 80", 32768), ("a2 ff ff", 65535), ("a6 00 00 01 00", 65536), ("a6 01 00 00 01", 16777217),
    ("a6 ff ff ff 7f", 2147483647), ("a3 00 00 00 80", 2147483648), ("a3 ff ff ff ff", 4294967295),
    ("90 00 00 80 4f", 1 << 32), ("90 00 00 80 53", 1 << 40), ("a7 01 00 00 00 00 01 00 00", (1 << 40) + 1),
    ("90 00 00 00 5f", I64), ("90 00 00 00 df", -I64 - 1), ("a4 ff", -1), ("a4 80", -128), ("a5 7f ff", -129),
    ("a6 ff 7f ff ff", -32769), ("a7 ff ff ff 7f ff ff ff ff", -2147483649), ("af ff 00 00 00 00 00 00 00", 255),
    ("92 96 01", 1.5), ("92 7d", 1.25), ("92 0a", 0.1), ("94 01", 0.0001), ("96 01", 0.000001),
    ("91 48 af bc 9a f2 d7 7a 3e", 1e-7), ("94 d2 85 d8 cc 04", 123456.789), ("90 00 00 80 47", 65536.0),
    ("a3 01 00 00 01", 16777217), ("90 28 6b 6e 4e", 1e9), ("91 00 00 34 26 f5 6b 0c 43", 1e15),
    ("92 95 81 00", -1.5), ("92 80 00", -0.01), ("90 00 40 1c c7", -40000.0),
    ("91 18 2d 44 54 fb 21 09 40", math.pi), ("90 00 00 c0 7f", math.nan), ("90 00 00 80 7f", math.inf),
    ("90 00 00 c0 bf", -1.5), ("e0", ""), ("e1 41", "A"), ("bb", None), ("e5 e2 82 ac c3 a9", "€é"),
    ("e6 ed a0 bd ed b8 80", "\U0001f600"), ("e4 f0 9f 98 80", "\U0001f600"), ("e3 61 00 62", "a\0b"),
    ("b8 20" + "78" * 32, "x" * 32), ("b8 c8 01" + "78" * 200, "x" * 200), ("b8 80 00", None),
    ("b2 08 30 31 3a 30 32 3a 30 33", datetime.time(1, 2, 3)),
    ("b3 0a 32 30 32 34 2d 30 33 2d 30 35", datetime.date(2024, 3, 5)),
    ("a0 08 07 06 05 04 03 02 01 10 0f 0e 0d 0c 0b 0a 09", uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")),
    ("bc 06 53 74 72 69 6e 67", TypeLiteral("String")), ("80 04 8a 01 02 03", b"\1\2\3"), ("80 01 8a", b""),
    ("81 2d 01 8a" + "07" * 300, b"\7" * 300), ("b6 06 62 79 74 65 5b 5d 80 04 8a 01 02 03", b"\1\2\3"),
    ("82 04 00 00 00 a1 01 a1 02", [1, 2]), ("82 00 00 00 00", []), ("82 04 00 00 00 c1 6b e1 76", {"k": "v"}),
    ("82 08 00 00 00 b9 01 6b a6 01 00 00 00", {"k": 1}), ("b1", True), ("b0", False), ("28", 40),
    ("c3 61 62 63 a1 01", {"abc": 1}), ("c1 e9 a1 01", {"é": 1}), ("ba 0c a1 01", {"12": 1}),
    ("b7 20" + "6e" * 32 + "a1 01", {"n" * 32: 1}), ("b9 03 73 61 79 e2 68 69", {"say": "hi"}),
    ("bd a6 05 00 00 00 a1 01", {5: 1}), ("bd a1 05 a1 01", {5: 1}), ("bd e1 78 a1 01", {"x": 1}),
    ("be 05 68 65 6c 6c 6f a1 01", 1), ("8f 8f a1 01 8f", 1), ("8e 02 00 00 00 00 00 a1 01", 1), ("8f", None),
    ("", None), ("a1 01 a1 02", [1, 2]),
    ("c3 61 72 72 8f 8f 8f 8d" + "02" + "00" * 7 + "00" * 24, {"arr": LongArray((), 2)}),
    ("c3 61 72 72 8f 8f 8f 8d" + "02" + "00" * 7 + "01" + "00" * 7 + "05" + "00" * 15, {"arr": LongArray((5,), 2)}),
    ("c1 76 8e 00 00 00 00 a7 05 00 00 00 00 00 00 00", {"v": 5}),
    ("c4 6e 61 6d 65 e3 62 6f 62 c3 61 67 65 a1 28", {"name": "bob", "age": 40}), ("e3 62 6f 62 a1 28", ["bob", 40]),
    ("b6 06 4d 79 54 79 70 65 e3 52 45 44", Typed("MyType", "RED")),
    ("b6 04 21 73 65 74 82 04 00 00 00 e1 61 e1 62", Typed("!set", ["a", "b"])),
    ("b6 05 21 6f 6d 61 70 82 00 00 00 00", Typed("!omap", {})), ("b6 01 41 b6 01 42 a1 01", Typed("A", Typed("B", 1))),
    ("82 07 00 00 00 8f 8f 8f c1 6b e1 76", {"k": "v"}), ("82 03 00 00 00 8f 8f 8f", []),
    ("c1 6b a1 01 c1 6b a1 02", Pairs([("k", 1), ("k", 2)])),
    ("bd 82 02 00 00 00 a1 05 e1 78", Pairs([([5], "x")])), ("b9 03 76 69 61", {"via": None}),
    ("a1 01 c1 6b e1 76", [1, {"k": "v"}]), ("8a 01 02", b"\1\2"),
    # Spec 9.9: method calls; 8.9: their history is apart.
    ("b9 03 74 77 6f 82 04 00 00 00 e1 61 a1 03", {"two": ["a", 3]}), ("ba 05 e2 69 64", {"5": "id"}),
    ("b9 03 76 69 61 e2 72 31 b9 03 65 6e 64 e1 65", {"via": "r1", "end": "e"}),
    ("ba 80 00 81 1f 00 86 01 02 00 00 00 07 00 00 00 45 23 01 00 02" + "01" + "00" * 7 + "02" + "00" * 7
     + "b9 03 73 61 79 e2 68 69", {"say": "hi"}),
    # Appendix B.4, a table store's header.
    ("c6 6c 65 6e 67 74 68 a6 00 5c 26 05 c6 66 6f 72 6d 61 74 eb" + b"yyyyMMdd'F'".hex()
     + "c8 72 6f 6c 6c 54 69 6d 65 b2 05 32 32 3a 33 30",
     {"length": 86400000, "format": "yyyyMMdd'F'", "rollTime": datetime.time(22, 30)}),
]  # fmt: skip


NOT_ONE_VALUE = ("8f", "a1 01 a1 02", "e3 62 6f 62 a1 28", "a1 01 c1 6b e1 76")


@pytest.mark.parametrize("text, expected", VALUES, ids=[text[:40] or "nothing" for text, _ in VALUES])
def test_the_vectors_of_the_format(text: str, expected: Any) -> None:
    same(expected, unhex(text))
    # In a block, too: the same value as the second argument of a call, beside one of an object.
    value = unhex(text)
    if not isinstance(expected, dict) and value[:1] not in (b"", b"\x8a") and text not in NOT_ONE_VALUE:
        same({"e": ["x", expected]}, b"\xb9\x01e" + block(b"\xe1x" + value))
        same({"e": {"f": expected, "g": 1}}, b"\xb9\x01e" + block(b"\xc1f" + value + b"\xc1g\xa1\x01"))


def test_a_blob_in_a_block_is_opaque_and_its_neighbours_are_read() -> None:
    # Spec 9.10: {int 1, long 2, "hi", 1.5, true, 'A'} of a BytesMarshallable.
    blob = unhex("01 00 00 00 02 00 00 00 00 00 00 00 02 68 69 00 00 00 00 00 00 f8 3f 59 41")
    data = b"\xc1a\xb6\x05p.Dto" + block(blob) + b"\xc1b\xa1\x07"
    same({"a": Typed("p.Dto", Opaque(blob)), "b": 7}, data)
    nested = b"\xb9\x04call" + block(b"\xc1n\xe1x" + data)
    same({"call": {"n": "x", "a": Typed("p.Dto", Opaque(blob)), "b": 7}}, nested)
    # It may begin with any code: one of the delta wire, a block's that is too long, a name's.
    for start in ("9a 99 99 99 99 99 f1 3f", "82 ff ff ff ff 01", "c2 00 00 00", "b9 40 00", "86 80", "8d 01", "bf"):
        same(
            {"a": Typed("p.Dto", Opaque(unhex(start))), "b": 7},
            b"\xc1a\xb6\x05p.Dto" + block(unhex(start)) + b"\xc1b\xa1\x07",
        )


def test_damage_of_what_is_clearly_wire_is_an_error_with_its_offset() -> None:
    for data, offset in (
        (b"\xb9\x01e" + block(b"\xc4name\xe9bob"), 13),
        (b"\xb9\x01e" + block(b"\xc4name\x82\xff\x00\x00\x00"), 13),
        (b"\xb9\x01e" + block(b"\xc4name\xe1x\xc3two"), 19),
        (b"\xe5abc", 0),
        (b"\x82\x05\x00\x00\x00\xa1", 0),
        (b"\xc1a\xa7\x01", 2),
        (b"\xc1a\xc1b\xa1\x01", 2),
        (b"\xb6\x01A", 3),
        (b"\x92\xff\xff", 1),
        (b"\xb5\x03abc", 0),
        (b"\xc1a\x93", 2),
    ):
        for read in (decode, lambda one: list(walk(one))):
            with pytest.raises(WireError) as caught:
                read(data)
            assert caught.value.offset == offset, (data, caught.value)


@pytest.mark.parametrize("code", sorted(DELTA))
def test_delta_codes_are_named(code: int) -> None:
    for data in (bytes((code, 1)), b"\xc1a" + bytes((code, 1)), b"\xb9\x01e" + block(b"\xc1a" + bytes((code, 1, 65)))):
        with pytest.raises(WireError, match=r"ANCHOR|UPDATED_ALIAS|FLOAT_SET_LOW_|SET_LOW_INT") as caught:
            decode(data)
        assert f"{code:#04x}" in str(caught.value)


def test_every_code_is_a_value_a_name_or_an_error() -> None:
    operands = b"\x01" * 40
    for code in range(256):
        data = bytes((code,)) + operands
        try:
            value = decode(data, wire_type="BINARY")
        except WireError as error:
            assert code in DELTA or code >= 0x80, error
        else:
            assert value is not None or code in (0xBB, 0x8E)
    unused = [0x83, 0x84, 0x85, 0x8B, 0x8C, 0x93, 0x95, 0x97, 0x98, 0x99, 0x9D, 0x9E, 0x9F, *range(0xAA, 0xAF), 0xBF]
    for code in unused:
        with pytest.raises(WireError, match=f"{code:#04x}"):
            decode(bytes((code,)) + operands)


def test_histories_are_apart_in_both_forms() -> None:
    history = History(((2, 0x12345 << 32 | 7), (3, 9)), (100, 200, 300))
    binary = b"\x86\x02" + b"\2\0\0\0\3\0\0\0" + (0x12345 << 32 | 7).to_bytes(8, "little") + (9).to_bytes(8, "little")
    binary += b"\3" + b"".join(one.to_bytes(8, "little") for one in (100, 200, 300))
    sources = block(
        b"\xa1\2\xaf" + (0x12345 << 32 | 7).to_bytes(8, "little") + b"\xa1\3\xaf" + (9).to_bytes(8, "little")
    )
    described = b"\xb9\7history\x81" + (lambda content: len(content).to_bytes(2, "little") + content)(
        b"\xc7sources" + sources + b"\xc7timings" + block(b"\xa1\x64\xa1\xc8\xa5\x2c\x01")
    )
    for head in (b"\xba\x80\0\x81" + len(binary).to_bytes(2, "little") + binary, described):
        content = parse(head + b"\xb9\3say\xe2hi")
        assert (content.kind, content.items, content.history) == ("event", [("say", "hi")], history)
        assert parse(head).kind == "empty"
        assert parse(head).history == history
    # A field of that name that is none is a field.
    assert decode(b"\xb9\7history\xe1x") == {"history": "x"}


def test_compressed_bytes() -> None:
    raw = b"some bytes " * 50
    for name, packed in ((b"lzw", zlib.compress(raw)), (b"gzip", gzip.compress(raw))):
        data = b"\xc1b\xb6" + bytes((len(name),)) + name + block(b"\x8a" + packed) + b"\xc1c\xa1\1"
        same({"b": raw, "c": 1}, data)
        assert [(token.kind, token.code) for token in walk(data)][1] == ("value", 0xB6)
        with pytest.raises(WireError, match="more than 549 bytes"):
            decode(data, limits=Limits(inflated_bytes=549))
        assert decode(data, limits=Limits(inflated_bytes=550)) == {"b": raw, "c": 1}
        for damaged in (data.replace(packed, packed[:-1] + b"?"), data.replace(packed[:6], b"??????")):
            with pytest.raises(WireError):
                decode(damaged)
    for name in (b"binary", b"!binary"):
        same({"b": raw}, b"\xc1b\xb6" + bytes((len(name),)) + name + block(b"\x8a" + raw))


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    one = zlib.compress(bytes(1 << 20), 9)
    value = b"\xb6\3lzw" + block(b"\x8a" + one)
    data = b"".join(b"\xc1b" + value for _ in range(100))
    with pytest.raises(WireError, match=r"hold more than 67108864 bytes") as caught:
        decode(data)
    assert caught.value.offset == 64 * (len(value) + 2) + 2


@pytest.mark.parametrize("depth", [10, 500, 501, 100_000])
def test_nesting_has_a_limit_that_is_not_pythons(depth: int) -> None:
    size = 7 * depth + 2
    heads = (b"\x82" + (size - 7 * level - 5).to_bytes(4, "little") + b"\xc1a" for level in range(depth))
    data = b"".join(heads) + b"\xe1x"
    begun = time.process_time()
    if depth <= LIMITS.depth:
        value = decode(data)
        for _ in range(depth):
            value = value["a"]
        assert value == "x"
    else:
        with pytest.raises(WireError, match="more than 500 blocks or types"):
            decode(data)
    assert time.process_time() - begun < 5


def test_a_million_blocks_within_each_other() -> None:
    typed = b"\xb6\1A" * 300_000 + b"\xa1\1"
    for data in (b"\x80\xff" * 500_000, b"\x82\xff\xff\xff\x7f" * 200_000, typed, b"\xbd" * 1_000_000):
        begun = time.process_time()
        with pytest.raises(WireError):
            decode(data)
        assert time.process_time() - begun < 10


def test_types_and_blocks_count_alike() -> None:
    def nested(depth: int) -> bytes:
        data = b"\xa1\1"
        for _ in range(depth):
            data = b"\xb6\1A" + block(data)
        return data

    assert repr(decode(nested(100))) == "Typed('A', [" * 100 + "1" + "])" * 100
    decode(nested(250))
    with pytest.raises(WireError, match="more than 500 blocks or types"):
        decode(nested(251))


def test_blobs_within_blobs_are_linear() -> None:
    # Every block is damaged behind the one in it, so each turns out to be a blob after its content was read.
    heads, tails = b"", b""
    for level in range(490):
        size = 4_000_000 + 6 * (490 - level) - 5
        heads += b"\x82" + size.to_bytes(4, "little")
        tails += b"\xbf"
    payload = heads + b"\x8a" + b"\0" * 3_999_999 + tails
    begun = time.process_time()
    value = decode(payload)
    assert (type(value), len(value)) == (Opaque, len(payload) - 5)
    assert time.process_time() - begun < 3


def test_counts_that_are_not_there() -> None:
    for text in (
        "8d ff ff ff ff ff ff ff 7f 00 00 00 00 00 00 00 00",
        "8d 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00",
        "8d ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00 00",
        "b8 ff ff ff ff ff ff ff ff 7f",
        "8e ff ff ff ff",
        "82 ff ff ff ff",
        "b7 ff ff ff 7f",
        "ba ff ff ff ff ff ff ff ff ff ff 01",
        "be ff ff 03",
    ):
        with pytest.raises(WireError):
            decode(unhex(text))


def test_wire_types() -> None:
    assert decode(b"\xe2hi", wire_type="RAW") == b"\xe2hi"
    assert parse(b"\xe2hi", "RAW").kind == "raw"
    for name in ("BINARY", "BINARY_LIGHT", "FIELDLESS_BINARY", "COMPRESSED_BINARY", "binary_light"):
        assert decode(b"\x41", wire_type=name) == 65
    assert decode(b"plain words") == "plain words"
    assert parse(b"plain words").kind == "text"
    with pytest.raises(UsageError, match="DELTA_BINARY"):
        decode(b"", wire_type="DELTA_BINARY")


def test_any_buffer_is_taken() -> None:
    for kind in (bytes, bytearray, memoryview):
        assert decode(kind(b"\xc1a\xa1\1")) == {"a": 1}
    assert [token.kind for token in walk(memoryview(b"xx\xc1a\xa1\1yy"), 2, 6)] == ["field", "value"]


def test_tokens_tell_every_item() -> None:
    data = b"\x8f\x8f\xbe\2no" + b"\xb9\1e\xb6\1T" + block(b"\xc1a\xa1\1\x8e\1\0\0\0\0", wide=False) + b"\xbd\xa1\5\xb1"
    found = [(token.kind, token.value, token.start, token.stop) for token in walk(data)]
    assert found == [
        ("padding", 2, 0, 2),
        ("comment", "no", 2, 6),
        ("event", "e", 6, 9),
        ("type", "T", 9, 12),
        ("open", "map", 12, 14),
        ("field", "a", 14, 16),
        ("value", 1, 16, 18),
        ("padding", 6, 18, 24),
        ("close", "map", 24, 24),
        ("key", None, 24, 25),
        ("value", 5, 25, 27),
        ("value", True, 27, 28),
    ]


ZONED = [
    ("2024-03-05T10:37Z", datetime.datetime(2024, 3, 5, 10, 37, tzinfo=datetime.timezone.utc)),
    ("2024-03-05T10:37:42.500+01:00[Europe/Berlin]",
     datetime.datetime(2024, 3, 5, 10, 37, 42, 500_000, tzinfo=ZoneInfo("Europe/Berlin"))),
    ("2024-10-27T02:30+02:00[Europe/Berlin]", datetime.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))),
    ("2024-10-27T02:30+01:00[Europe/Berlin]",
     datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))),
    ("2024-03-05T10:37+05:00[Mars/Base]",
     datetime.datetime(2024, 3, 5, 10, 37, tzinfo=datetime.timezone(datetime.timedelta(hours=5), "Mars/Base"))),
    ("2024-03-05T10:37-03:30:15",
     datetime.datetime(2024, 3, 5, 10, 37, tzinfo=datetime.timezone(-datetime.timedelta(hours=3, minutes=30, seconds=15)))),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", ZONED)
def test_zoned_times_both_ways(text: str, expected: datetime.datetime) -> None:
    found = parse_zoned(text)
    assert isinstance(found, datetime.datetime)
    assert (found, found.tzinfo, found.fold) == (expected, expected.tzinfo, expected.fold)
    assert format_zoned(found) == text
    same(found, bytes((0xB5, len(text))) + text.encode())


def test_times_finer_than_python_has() -> None:
    time_of_day = parse_time("10:37:42.123456789")
    assert isinstance(time_of_day, NanoTime)
    assert (time_of_day.microsecond, time_of_day.nanosecond) == (123456, 789)
    assert format_time(time_of_day) == str(time_of_day) == "10:37:42.123456789"
    assert time_of_day != datetime.time(10, 37, 42, 123456)
    assert datetime.time(10, 37, 42, 123456) < time_of_day < datetime.time(10, 37, 42, 123457)
    moment = parse_date_time("2024-03-05T10:37:42.123456789")
    assert isinstance(moment, NanoDateTime)
    assert format_date_time(moment) == "2024-03-05T10:37:42.123456789"
    assert moment == NanoDateTime(2024, 3, 5, 10, 37, 42, 123456, nanosecond=789)
    assert len({moment, moment.replace(nanosecond=788), moment.replace(nanosecond=0)}) == 3
    assert moment.replace(nanosecond=0) == datetime.datetime(2024, 3, 5, 10, 37, 42, 123456)
    assert format_instant(parse_instant("2024-03-05T10:37:42.000000001Z")) == "2024-03-05T10:37:42.000000001Z"  # type: ignore[arg-type]
    assert type(parse_time("10:37:42.123456000")) is datetime.time


def test_years_that_python_has_not_stay_text() -> None:
    assert parse_date("-0044-03-15") == Typed("LocalDate", "-0044-03-15")
    assert parse_date_time("+12024-02-29T00:00") == Typed("LocalDateTime", "+12024-02-29T00:00")
    assert parse_zoned("+12024-02-29T00:00Z") == Typed("ZonedDateTime", "+12024-02-29T00:00Z")
    for parse_one, text in (
        (parse_date, "2023-02-29"),
        (parse_date, "x"),
        (parse_time, "24:00"),
        (parse_date, "+12023-02-29"),
    ):
        with pytest.raises(WireError, match="is none"):
            parse_one(text)  # type: ignore[operator]
