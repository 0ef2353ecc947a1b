"""Typed fields beside Java 2026.4 and 5.26: every kind written by Java's Bytes is read by ours, and the other way round,
with equal bytes; in excerpts of one .cq4 queue, too. Which bytes those are is in tests/unit/test_fields.py."""

from __future__ import annotations

import enum
import math
import random
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_plus

import pytest
from field_values import DOUBLES, FLOATS, LONG_MAX, LONG_MIN, TEXTS, same
from fix_java import RELEASE, JavaError, JavaPeer, unhex

import pychronix as px
from pychronix.fields import FieldReader, FieldWriter


class Side(enum.Enum):
    BUY = 1
    SELL = 2


class Token(tuple):
    """An argument of a given Java type: ``Token(("char", "x"))``."""


def token(value: object) -> str:
    if isinstance(value, Token):
        kind, inner = value
        text = str(ord(inner)) if kind == "char" else str(inner)
    elif value is None:
        kind, text = "null", ""
    elif isinstance(value, bool):
        kind, text = "boolean", str(value).lower()
    elif isinstance(value, int):
        kind, text = "num", str(value)
    elif isinstance(value, float):
        kind, text = "real", {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))
    elif isinstance(value, str):
        kind, text = "utf16", value.encode("utf-16-be", "surrogatepass").hex() or "-"
    elif isinstance(value, bytes):
        kind, text = "bytes", value.hex() or "-"
    elif isinstance(value, Decimal):
        kind, text = "bigdec", str(value)
    elif isinstance(value, Side):
        kind, text = "enum", value.name
    else:
        raise TypeError(f"no Java type for {value!r}")
    return f"{kind}~{quote(text, safe='')}"


def value_of(text: str) -> object:
    kind, _, inner = text.partition("~")
    inner = unquote_plus(inner)
    if kind in ("null", "void"):
        return None
    if kind in ("num", "bigint"):
        return int(inner)
    if kind == "bits":
        return struct.unpack(">d", bytes.fromhex(inner.zfill(16)))[0]
    if kind == "boolean":
        return inner == "true"
    if kind == "char":
        return chr(int(inner))
    if kind == "bigdec":
        return Decimal(inner)
    if kind == "enum":
        return Side[inner]
    assert kind == "utf16", text
    return bytes.fromhex(inner).decode("utf-16-be", "surrogatepass")


def calls(*wanted: tuple[Any, ...]) -> str:
    return ",".join(":".join([name, *map(token, arguments)]) for name, *arguments in wanted)


@pytest.fixture(params=[RELEASE, "5.26ea7"])
def java(request: pytest.FixtureRequest, peer_of: Callable[[str], JavaPeer]) -> JavaPeer:
    """A peer of each release in which every kind is proven both ways."""
    return peer_of(request.param)


Write = Callable[..., bytes]
Read = Callable[..., list[object]]


@pytest.fixture
def java_write(java: JavaPeer) -> Write:
    """The bytes that calls of Java's Bytes write: ``java_write(("writeInt", 5))``."""

    def write(*wanted: tuple[Any, ...]) -> bytes:
        return unhex(java.request("calls", do=calls(*wanted)).fields["hex"])

    return write


@pytest.fixture
def java_read(java: JavaPeer) -> Read:
    """What calls of Java's Bytes return for these bytes, all of which they must read."""

    def read(raw: bytes, *wanted: tuple[Any, ...]) -> list[object]:
        reply = java.request("calls", hex=raw, do=calls(*wanted))
        assert reply.fields["hex"] == "-", f"Java left {reply.fields['hex']}"
        return [value_of(row[1]) for row in reply.rows]

    return read


STOP_BITS = [
    *(sign * (1 << bits) + more for bits in range(0, 63, 7) for sign in (1, -1) for more in (-1, 0, 1)), LONG_MIN, LONG_MAX,
    0x3FFF, -0x4000, 300000,
]  # fmt: skip

# Our kind -> Java's write, Java's read, values.
KINDS: dict[str, tuple[str, str, list[Any]]] = {
    "boolean": ("writeBoolean", "readBoolean", [True, False]),
    "byte": ("writeByte", "readByte", [0, 1, -1, -128, 127]),
    "unsigned_byte": ("writeUnsignedByte", "readUnsignedByte", [0, 127, 128, 255]),
    "short": ("writeShort", "readShort", [0, -1, -32768, 32767]),
    "unsigned_short": ("writeUnsignedShort", "readUnsignedShort", [0, 32768, 65535]),
    "char": (
        "writeChar",
        "readChar",
        list("a\0\x7f\x80€") + ["\u3fff", "\u4000", "\ud83d", "\uff7f", "\uff80", "\uffff"],
    ),
    "int24": ("writeInt24", "readInt24", [0, -1, 0x123456, -(1 << 23), (1 << 23) - 1]),
    "unsigned_int24": ("writeUnsignedInt24", "readUnsignedInt24", [0, 0x800000, 0xFFFFFF]),
    "int": ("writeInt", "readInt", [0, -1, 0x12345678, -(1 << 31), (1 << 31) - 1]),
    "unsigned_int": ("writeUnsignedInt", "readUnsignedInt", [0, 1 << 31, (1 << 32) - 1]),
    "long": ("writeLong", "readLong", [0, -1, LONG_MIN, LONG_MAX]),
    "float": ("writeFloat", "readFloat", FLOATS),
    "double": ("writeDouble", "readDouble", DOUBLES),
    "stop_bit": ("writeStopBit", "readStopBit", STOP_BITS),
    "stop_bit_double": ("writeStopBit", "readStopBitDouble", DOUBLES),
    "string": ("writeUtf8", "readUtf8", TEXTS),
    "8bit_text": ("write8bit", "read8bit", [None, "", "abc", "é\xff\0", "ÿ" * 128]),
    "big_integer": ("writeBigInteger", "readBigInteger", [0, 1, -1, 127, 128, -128, -129, 1 << 64, -(1 << 100)]),
    "big_decimal": ("writeBigDecimal", "readBigDecimal", [Decimal(t) for t in ("0", "12.340", "-1E-130", "9" * 60)]),
    "enum": ("writeEnum", "readEnum", [Side.BUY, Side.SELL]),
}
CASES = [(kind, value) for kind, (_, _, values) in KINDS.items() for value in values]


def argument(kind: str, value: Any) -> Any:
    if kind == "char":
        return Token(("char", value))
    if kind == "big_integer":
        return Token(("bigint", value))
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_java_writes_the_same_bytes_and_reads_ours(java_write: Write, java_read: Read, kind: str) -> None:
    write, read, values = KINDS[kind]
    doc = FieldWriter("v5")
    for value in values:
        getattr(doc, f"write_{kind}")(value)
    raw = java_write(*[(write, argument(kind, value)) for value in values])
    assert raw.hex() == bytes(doc).hex()
    reads = [(read, Token(("class", "Side")))] if kind == "enum" else [(read,)]
    assert all(map(same, values, java_read(bytes(doc), *reads * len(values))))
    reader = FieldReader(raw, "v5")
    found = [reader.read_enum(Side) if kind == "enum" else getattr(reader, f"read_{kind}")() for _ in values]
    assert all(map(same, values, found)) and reader.remaining == 0


@pytest.mark.java
@pytest.mark.parametrize("kind", KINDS)
def test_java_5_20_reads_what_we_write(peer_of: Callable[[str], JavaPeer], kind: str) -> None:
    """It writes a few kinds in other ways: no negative int24, and the last chars in three bytes."""
    _, read, values = KINDS[kind]
    doc = FieldWriter("v5")
    for value in values:
        getattr(doc, f"write_{kind}")(value)
    wanted = calls(*[(read, Token(("class", "Side"))) if kind == "enum" else (read,)] * len(values))
    reply = peer_of("5.20.123").request("calls", hex=bytes(doc), do=wanted)
    assert reply.fields["hex"] == "-"
    assert all(same(value, value_of(row[1])) for value, row in zip(values, reply.rows, strict=True))


def test_bytes_with_and_without_their_length(java_write: Write) -> None:
    doc = FieldWriter("v5")
    doc.write_with_length(b"\0\1" * 70)
    doc.write(b"raw")
    doc.write_bytes("é")
    assert bytes(doc) == java_write(
        ("writeWithLength", Token(("store", (b"\0\1" * 70).hex()))), ("write", b"raw"), ("write", b"\xe9")
    )


FIXED = [
    ("boolean", "Boolean", True), ("byte", "Byte", -2), ("unsigned_byte", "UnsignedByte", 254), ("short", "Short", -2),
    ("unsigned_short", "UnsignedShort", 65534), ("int24", "Int24", -2), ("int", "Int", -2),
    ("unsigned_int", "UnsignedInt", (1 << 32) - 2), ("long", "Long", -2),
    ("float", "Float", 1.5), ("double", "Double", 1.1),
]  # fmt: skip


@pytest.mark.parametrize("kind, java_kind, value", FIXED)
def test_the_forms_with_an_offset(java: JavaPeer, java_write: Write, kind: str, java_kind: str, value: Any) -> None:
    doc = FieldWriter("v5")
    doc.write(bytes(16))
    getattr(doc, f"write_{kind}")(value, offset=5)
    raw = java_write(("write", bytes(16)), (f"write{java_kind}", Token(("long", 5)), value))
    assert raw == bytes(doc)
    if kind == "int24":
        return  # Java writes, but does not read it at an offset.
    reply = java.request("calls", hex=raw, do=calls((f"read{java_kind}", Token(("long", 5)))))
    assert same(value, value_of(reply.rows[0][1])) and reply.rows[0][0] == "0"


def test_a_limited_text_at_an_offset(java: JavaPeer, java_write: Write) -> None:
    doc = FieldWriter("v5")
    doc.write(b"\xff" * 16)
    assert doc.write_string_at(2, 5, "h€y") == 8
    raw = java_write(("write", b"\xff" * 16), ("writeUtf8Limited", Token(("long", 2)), "h€y", Token(("int", 5))))
    assert raw == bytes(doc)
    reply = java.request("calls", hex=raw, do=calls(("readUtf8Limited", Token(("long", 2)), Token(("int", 5)))))
    assert value_of(reply.rows[0][1]) == FieldReader(raw, "v5").read_string(offset=2) == "h€y"
    with pytest.raises(JavaError):
        java_write(("writeUtf8Limited", Token(("long", 0)), "abcdef", Token(("int", 5))))


NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 1.5, 1.1, 0.1, 0.3, 100.0, 1e7, 1e10, 1e15, 1e17, 1e20, 123456789.125, 1e-3, 1e-5, 1e-7, 4.35,
    math.pi, -math.e, 1e100, 1.7976931348623157e308, 0.001, 2.675, 1234.5678, -0.001, 0.05, 99.995,
]  # fmt: skip


def test_appended_text_is_javas(java_write: Write) -> None:
    doc = FieldWriter("v5")
    wanted: list[tuple[Any, ...]] = []
    for number in (0, 5, -22, LONG_MIN, LONG_MAX):
        doc.append_long(number)
        wanted.append(("append", Token(("long", number))))
        doc.append_char("\n")
        wanted.append(("append", Token(("char", "\n"))))
    for value in (True, False):
        doc.append_boolean(value)
        wanted.append(("append", value))
    for char in "aé€":
        doc.append_char(char)
        wanted.append(("append", Token(("char", char))))
    doc.append_text("aé€\U0001f600\ud83d")
    wanted.append(("appendUtf8", "aé€\U0001f600\ud83d"))
    doc.append_date_millis(1_700_000_000_123)
    doc.append_time_millis(1_700_000_000_123)
    wanted += [("appendDateMillis", 1_700_000_000_123), ("appendTimeMillis", 1_700_000_000_123)]
    for number in [*NUMBERS, math.nan, math.inf, -math.inf]:
        doc.append_double(number)
        doc.append_char("\n")
        wanted += [("append", Token(("double", repr(number).replace("inf", "Infinity").replace("nan", "NaN")))),
                   ("append", Token(("char", "\n")))]  # fmt: skip
    assert java_write(*wanted).split(b"\n") == bytes(doc).split(b"\n")


@pytest.mark.parametrize("places", [0, 1, 2, 5, 9])
def test_rounded_text_is_javas(java_write: Write, places: int) -> None:
    doc = FieldWriter("v5")
    wanted: list[tuple[Any, ...]] = []
    for number in NUMBERS:
        doc.append_double(number, places)
        doc.append_char("\n")
        wanted += [("append", Token(("double", number)), Token(("int", places))), ("append", Token(("char", "\n")))]
    assert java_write(*wanted).split(b"\n") == bytes(doc).split(b"\n")


def test_java_parses_what_we_append_and_we_what_java_appends(java_write: Write, java_read: Read) -> None:
    doc = FieldWriter("v5")
    for number in NUMBERS:
        doc.append_double(number)
        doc.append_char(",")
    doc.append_long(-5)
    doc.append_text(";one|two")
    found = java_read(
        bytes(doc), *[("parseDouble",)] * len(NUMBERS), ("parseLong",), ("parseUtf8", Token(("stop", "|"))),
        ("parseUtf8", Token(("stop", "|"))),
    )  # fmt: skip
    # Java's own parsing is within a few bits of the number; ours is exact.
    assert all(math.isclose(ours, javas, rel_tol=1e-15) for ours, javas in zip(NUMBERS, found, strict=False))
    assert found[len(NUMBERS) :] == [-5, "one", "two"]
    for number in NUMBERS:
        text = java_write(("append", Token(("double", number))), ("append", Token(("char", ","))))
        assert FieldReader(text, "v5").parse_double() == number


def test_what_is_out_of_range_java_refuses_or_cuts(java_write: Write) -> None:
    """Where Java would write something else than it was given, we raise."""
    for call in (
        ("writeUnsignedByte", 256),
        ("writeUnsignedShort", -1),
        ("writeInt24", 1 << 23),
        ("writeUnsignedInt", 1 << 32),
    ):
        with pytest.raises(JavaError):
            java_write(call)
    assert java_write(("write8bit", "€")) == b"\x01\xac"
    for write in ("unsigned_byte", "unsigned_short", "int24", "unsigned_int"):
        with pytest.raises(px.UsageError):
            getattr(FieldWriter("v5"), f"write_{write}")(1 << 40)
    with pytest.raises(px.UsageError):
        FieldWriter("v5").write_8bit_text("€")


def some_values(seed: int) -> list[tuple[str, Any]]:
    picked = random.Random(seed)
    return [(kind, picked.choice(KINDS[kind][2])) for kind in picked.choices(sorted(KINDS), k=40)]


@pytest.mark.parametrize("seed", range(3))
def test_excerpts_of_one_queue(java: JavaPeer, tmp_path: Path, seed: int) -> None:
    """Java and we append by turns, each through its cursor over an excerpt; each reads what the other wrote."""
    values = some_values(seed)
    writes = calls(*[(KINDS[kind][0], argument(kind, value)) for kind, value in values])
    reads = calls(
        *[(KINDS[kind][1], *([Token(("class", "Side"))] if kind == "enum" else [])) for kind, _ in values]
    )  # fmt: skip
    with java.open(tmp_path / "q") as theirs, px.open_queue(tmp_path / "q", "a") as ours:
        java_appender, java_tailer = theirs.appender(), theirs.tailer()
        appender, tailer = ours.appender(), ours.tailer()
        for _ in range(3):
            written = java.request("calls", a=java_appender.number, do=writes)
            with appender.writing() as doc:
                for kind, value in values:
                    getattr(doc, f"write_{kind}")(value)
            assert doc.index == int(written.fields["index"]) + 1
            for index in (doc.index - 1, doc.index):
                with tailer.reading() as found:
                    assert found and found.index == index
                    for kind, value in values:
                        back = found.read_enum(Side) if kind == "enum" else getattr(found, f"read_{kind}")()
                        assert same(value, back), (kind, value, back)
                    assert found.remaining == 0
                reply = java.request("calls", t=java_tailer.number, do=reads)
                assert (int(reply.fields["index"]), reply.fields["hex"]) == (index, "-")
                assert all(same(value, value_of(row[1])) for (_, value), row in zip(values, reply.rows, strict=True))
            with tailer.reading() as found:
                assert not found and found.index is None
