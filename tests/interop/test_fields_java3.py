"""Typed fields beside Chronicle 3.6.0: every kind written by Java's Bytes is read by ours, and the other way round, with
equal bytes. Which bytes those are is in tests/unit/test_fields.py."""

from __future__ import annotations

import enum
import math
import random
import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from field_values import DOUBLES, FLOATS, LONG_MAX, LONG_MIN, TEXTS, same
from fix_java import JavaError
from fix_java3 import Java, Java3Appender, Java3Peer, Java3Tailer

from pychronix import ExcerptReader, open_queue
from pychronix import fields as px
from pychronix.errors import EncodingError, UsageError
from pychronix.fields import FieldReader, FieldWriter


class Colour(enum.Enum):
    """The peer's enum."""

    RED = 0
    GREEN = 1
    BLUE = 2


COLOUR = Java("class", "Colour")


class Peer:
    """A journal of Java's: ``write`` gives the bytes that calls of its Bytes write, ``read`` what they return."""

    def __init__(self, appender: Java3Appender, tailer: Java3Tailer) -> None:
        self.appender = appender
        self.tailer = tailer

    def write(self, *calls: Any, capacity: int = 8192) -> bytes:
        return self.appender.calls(*calls, capacity=capacity).data

    def read(self, raw: bytes, *calls: Any) -> list[Any]:
        """Of an excerpt that holds our bytes; all of them must be read."""
        outcomes = self.tailer.outcomes(*calls, "remaining", index=self.appender.append(raw))
        assert outcomes[-1].result == 0, f"Java left {outcomes[-1].result} bytes of {raw.hex()}"
        return [outcome.filled[0] if outcome.filled else outcome.result for outcome in outcomes[:-1]]


@pytest.fixture
def peer(java3: Java3Peer, tmp_path: Path) -> Iterator[Peer]:
    with java3.vanilla(tmp_path / "q", index_block=4096, data_block=1 << 20) as queue:
        yield Peer(queue.appender(), queue.tailer())


DOUBLES = [*DOUBLES, 3.4028234663852886e38 * 1.001]  # Just beyond a float.
LONGS = [
    *(sign * (1 << bits) + more for bits in (0, 7, 8, 14, 15, 16, 21, 28, 31, 32, 35, 56, 62) for sign in (1, -1)
      for more in range(-4, 5)), LONG_MIN, LONG_MIN + 1, LONG_MIN + 2, LONG_MIN + 3, LONG_MAX - 1, LONG_MAX,
]  # fmt: skip


def within(bits: int, signed: bool = True) -> list[int]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return sorted({number for number in LONGS if low <= number <= high} | {low, low + 1, low + 2, low + 3, high})


# Our kind -> Java's write, Java's read, values.
KINDS: dict[str, tuple[str, str, list[Any]]] = {
    "boolean": ("writeBoolean", "readBoolean", [True, False]),
    "byte": ("writeByte", "readByte", within(8)),
    "unsigned_byte": ("writeUnsignedByte", "readUnsignedByte", within(8, False)),
    "short": ("writeShort", "readShort", within(16)),
    "unsigned_short": ("writeUnsignedShort", "readUnsignedShort", within(16, False)),
    "char": ("writeChar", "readChar", ["a", "\0", "€", "\ud83d", "\uffff"]),
    "int24": ("writeInt24", "readInt24", within(24)),
    "int": ("writeInt", "readInt", within(32)),
    "unsigned_int": ("writeUnsignedInt", "readUnsignedInt", within(32, False)),
    "int48": ("writeInt48", "readInt48", within(48)),
    "long": ("writeLong", "readLong", LONGS),
    "float": ("writeFloat", "readFloat", FLOATS),
    "double": ("writeDouble", "readDouble", DOUBLES),
    "compact_short": ("writeCompactShort", "readCompactShort", within(16)),
    "compact_unsigned_short": ("writeCompactUnsignedShort", "readCompactUnsignedShort", [*range(0, 254, 23), 253, 254]),
    "compact_int": ("writeCompactInt", "readCompactInt", within(32)),
    "compact_unsigned_int": ("writeCompactUnsignedInt", "readCompactUnsignedInt", within(32, False)),
    "compact_long": ("writeCompactLong", "readCompactLong", LONGS),
    "compact_double": ("writeCompactDouble", "readCompactDouble", DOUBLES),
    "stop_bit": ("writeStopBit", "readStopBit", LONGS),
    "string": ("writeUTFΔ", "readUTFΔ", TEXTS),
    "utf": ("writeUTF", "readUTF", [text for text in TEXTS if text is not None]),
}


def argument(kind: str, value: Any) -> Any:
    return ord(value) if kind == "char" else value


@pytest.mark.parametrize("kind", KINDS)
def test_java_writes_the_same_bytes_and_reads_ours(peer: Peer, kind: str) -> None:
    write, read, values = KINDS[kind]
    doc = FieldWriter()
    for value in values:
        getattr(doc, f"write_{kind}")(value)
    raw = peer.write(*[(write, argument(kind, value)) for value in values])
    assert raw.hex() == bytes(doc).hex()
    assert all(map(same, values, peer.read(bytes(doc), *[read] * len(values))))
    reader = FieldReader(raw)
    assert all(same(value, getattr(reader, f"read_{kind}")()) for value in values) and reader.remaining == 0


def test_8bit_text(peer: Peer) -> None:
    values = [None, "", "abc", "é\xff\0", "ÿ" * 128]
    doc = FieldWriter()
    for value in values:
        doc.write_8bit_text(value)
    assert bytes(doc) == peer.write(*[("write8bitText", value) for value in values])
    found = peer.read(bytes(doc), *[("read8bitText", Java("sb", ""))] * 5)
    assert found == ["", *values[1:]]  # Java says null by its result, and empties the builder.
    reader = FieldReader(bytes(doc))
    assert [reader.read_8bit_text() for _ in values] == values


def test_the_broken_kind_is_refused_where_java_cannot_read_itself_back(peer: Peer) -> None:
    for number in (255, 300, 65534, 65535):
        raw = peer.write(("writeCompactUnsignedShort", number)) + bytes(3)
        index = peer.appender.append(raw)
        assert peer.tailer.calls("readCompactUnsignedShort", index=index)[0] != number or number == 65535
        with pytest.raises(UsageError):
            FieldWriter().write_compact_unsigned_short(number)
    raw = peer.write(("writeCompactUnsignedShort", 65535))
    assert raw.hex() == "ffffffff"
    index = peer.appender.append(b"\xff\x34\x12")
    assert peer.tailer.calls("readCompactUnsignedShort", index=index) == [0x1234]
    assert FieldReader(b"\xff\x34\x12").read_compact_unsigned_short() == 0x1234


def test_bytes_and_chars_without_their_length(peer: Peer) -> None:
    doc = FieldWriter()
    doc.write(b"raw\0")
    doc.write_bytes("abcé")
    doc.write_chars("a€\U0001f600")
    raw = peer.write(("write", b"raw\0"), ("writeBytes", "abcé"), ("writeChars", "a€\U0001f600"))
    assert raw == bytes(doc)
    found = peer.read(raw, ("readFully", bytes(8)), *["readChar"] * 4)
    assert found == [b"raw\0abc\xe9", "a", "€", "\ud83d", "\ude00"]
    reader = FieldReader(raw)
    assert (reader.read(8), reader.read_chars(4)) == (b"raw\0abc\xe9", "a€\U0001f600")


FIXED = [
    ("boolean", "Boolean", True), ("byte", "Byte", -2), ("unsigned_byte", "UnsignedByte", 254), ("short", "Short", -2),
    ("unsigned_short", "UnsignedShort", 65534), ("char", "Char", "€"), ("int24", "Int24", -2), ("int", "Int", -2),
    ("unsigned_int", "UnsignedInt", (1 << 32) - 2), ("int48", "Int48", -(1 << 47)), ("long", "Long", LONG_MIN),
    ("float", "Float", 1.5), ("double", "Double", 1.1),
]  # fmt: skip


@pytest.mark.parametrize("kind, java_kind, value", FIXED)
def test_the_forms_with_an_offset(peer: Peer, kind: str, java_kind: str, value: Any) -> None:
    doc = FieldWriter()
    doc.write(bytes(16))
    getattr(doc, f"write_{kind}")(value, offset=5)
    raw = peer.write(("write", bytes(16)), (f"write{java_kind}", Java("long", 5), argument(kind, value)))
    assert raw == bytes(doc)
    assert same(value, getattr(FieldReader(raw), f"read_{kind}")(offset=5))
    outcomes = peer.tailer.outcomes((f"read{java_kind}", Java("long", 5)), index=peer.appender.append(raw))
    assert same(value, outcomes[0].result) and outcomes[0].position == 0


def test_a_text_in_a_field_of_fixed_size(peer: Peer) -> None:
    doc = FieldWriter()
    doc.write(b"\xff" * 16)
    assert doc.write_string_at(2, 10, "h€y") == 8
    raw = peer.write(("write", b"\xff" * 16), ("writeUTFΔ", Java("long", 2), Java("int", 10), "h€y"))
    assert raw.hex() == bytes(doc).hex()
    index = peer.appender.append(raw)
    assert peer.tailer.calls(("readUTFΔ", Java("long", 2)), index=index) == ["h€y"]
    doc.write_string_at(2, 10, None)
    assert bytes(doc) == peer.write(("write", raw), ("writeUTFΔ", Java("long", 2), Java("int", 10), None))
    with pytest.raises(JavaError):
        peer.write(("writeUTFΔ", Java("long", 0), Java("int", 4), "abcd"))
    with pytest.raises(UsageError):
        doc.write_string_at(0, 4, "abcd")


NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 1.5, 1.1, 0.1, 0.3, 100.0, 1e7, 1e10, 1e15, 123456789.125, 1e-3, 1e-5, 1e-7, 4.35, math.pi,
    -math.e, 2.675, 1234.5678, -0.001, 0.05, 99.995, 1e17, math.nan, math.inf, -math.inf,
]  # fmt: skip


def test_appended_text_is_javas(peer: Peer) -> None:
    doc = FieldWriter()
    wanted: list[Any] = []
    for number in (0, 5, -22, LONG_MIN, LONG_MAX):
        doc.append_long(number)
        doc.append_char("\n")
        wanted += [("append", Java("long", number)), ("append", Java("char", "\n"))]
    for value in (True, False):
        doc.append_boolean(value)
        wanted.append(("append", value))
    doc.append_char("é")
    doc.append_text("aé€\U0001f600\ud83d")
    wanted += [("append", Java("char", "é")), ("append", "aé€\U0001f600\ud83d")]
    when = 1_700_000_000_123
    doc.append_date_time_millis(when)
    doc.append_date_millis(when)
    doc.append_time_millis(when % 86_400_000)
    doc.append_time_millis(100 * 3_600_000 + 1)
    wanted += [("appendDateTimeMillis", when), ("appendDateMillis", when), ("appendTimeMillis", when % 86_400_000),
               ("appendTimeMillis", 100 * 3_600_000 + 1)]  # fmt: skip
    for number in NUMBERS:
        doc.append_char("\n")
        doc.append_double(number)
        wanted += [("append", Java("char", "\n")), ("append", Java("double", number))]
    assert peer.write(*wanted).split(b"\n") == bytes(doc).split(b"\n")


@pytest.mark.parametrize("places", [0, 1, 2, 5, 9])
def test_rounded_text_is_javas(peer: Peer, places: int) -> None:
    doc = FieldWriter()
    wanted: list[Any] = []
    for number in NUMBERS[:-3]:
        doc.append_double(number, places)
        doc.append_char("\n")
        wanted += [("append", Java("double", number), Java("int", places)), ("append", Java("char", "\n"))]
    assert peer.write(*wanted).split(b"\n") == bytes(doc).split(b"\n")


def test_java_parses_what_we_append(peer: Peer) -> None:
    doc = FieldWriter()
    finite = NUMBERS[:-3]
    for number in finite:
        doc.append_double(number)
        doc.append_char(",")
    doc.append_text("NaN,Infinity,")
    doc.append_long(LONG_MIN + 1)
    doc.append_text(";one|zwei€;yes,")
    found = peer.read(
        bytes(doc), *["parseDouble"] * len(finite), "parseDouble", ("skipTo", Java("stop", ",")), "parseDouble",
        ("skipTo", Java("stop", ",")), "parseLong", ("parseUtf8", Java("stop", "|")), ("parseUtf8", Java("stop", ";")),
        ("parseBoolean", Java("stop", ",")),
    )  # fmt: skip
    assert all(math.isclose(ours, javas, rel_tol=1e-15) for ours, javas in zip(finite, found, strict=False))
    assert math.isnan(found[len(finite)])
    assert found[len(finite) + 1 :] == [True, math.inf, True, LONG_MIN + 1, "one", "zwei€", True]
    reader = FieldReader(bytes(doc))
    assert [reader.parse_double() for _ in finite] == finite


# --- enums, collections ----------------------------------------------------------------------------------------------


def test_enums(peer: Peer) -> None:
    doc = FieldWriter()
    doc.write_enum(Colour.GREEN)
    doc.write_enum(None)
    doc.write_enum("RED")
    raw = peer.write(("writeEnum", Java("enum", "GREEN")), ("writeEnum", None), ("writeEnum", "RED"))
    assert raw == bytes(doc)
    found = peer.read(raw, *[("readEnum", COLOUR)] * 3)
    assert found == [Java("enum", "GREEN"), None, Java("enum", "RED")]
    reader = FieldReader(raw)
    assert [reader.read_enum(Colour) for _ in range(3)] == [Colour.GREEN, None, Colour.RED]


def test_a_text_in_an_enum_survives_in_java_only_as_ascii(peer: Peer) -> None:
    """Why write_enum refuses it."""
    index = peer.appender.append(peer.write(("writeEnum", "é")))
    try:
        found = peer.tailer.calls(("readEnum", Java("class", "java.lang.String")), index=index)
    except JavaError:
        found = [None]
    assert found != ["é"]
    with pytest.raises(EncodingError):
        FieldWriter().write_enum("é")


STRING_CLASS = Java("class", "java.lang.String")


def test_lists_and_maps(peer: Peer) -> None:
    doc = FieldWriter()
    doc.write_list(["a", "bc", None])
    doc.write_list([])
    doc.write_map({"k1": "v1", "k2": None})
    doc.write_list([Colour.RED, Colour.BLUE])
    doc.write_map({"n": 5})
    raw = peer.write(
        ("writeList", ["a", "bc", None]), ("writeList", []), ("writeMap", {"k1": "v1", "k2": None}),
        ("writeList", [Java("enum", "RED"), Java("enum", "BLUE")]), ("writeMap", {"n": Java("long", 5)}),
    )  # fmt: skip
    assert raw.hex() == bytes(doc).hex()
    found = peer.read(
        raw, ("readList", Java("list", []), STRING_CLASS), ("readList", Java("list", []), STRING_CLASS),
        ("readMap", Java("map", {}), STRING_CLASS, STRING_CLASS), ("readList", Java("list", []), COLOUR),
        ("readMap", Java("map", {}), STRING_CLASS, Java("class", "java.lang.Long")),
    )  # fmt: skip
    assert found[:3] == [["a", "bc", None], [], {"k1": "v1", "k2": None}]
    assert found[3:] == [[Java("enum", "RED"), Java("enum", "BLUE")], {"n": 5}]
    reader = FieldReader(raw)
    assert [reader.read_list(), reader.read_list(), reader.read_map()] == found[:3]
    assert [reader.read_list(Colour), reader.read_map(str, int)] == [[Colour.RED, Colour.BLUE], {"n": 5}]


# --- objects ---------------------------------------------------------------------------------------------------------

ENUM_CLASS = "pychronix.peer.Values$Colour"
# Java's value, ours; Java reads what we write as that value again.
OBJECTS: list[tuple[Any, Any]] = [
    (None, None),
    ("text", "text"), ("é€\U0001f600\0", "é€\U0001f600\0"), ("", ""),
    (Java("int", -123), px.JavaInteger(-123)), (Java("int", -(1 << 31)), px.JavaInteger(-(1 << 31))),
    (Java("long", 5), 5), (Java("long", LONG_MIN), LONG_MIN),
    *((Java("double", number), number) for number in
      (1.5, 1e300, 1e7, 9999999.0, 0.001, 0.00099, -0.0, 5e-324, 1.1, 123456789.125, math.inf, -math.inf, 100.0)),
    (Java("double", 1e23), px.JavaDouble(1e23, "9.999999999999999E22")),
    (Java("date", 1_700_000_000_123), datetime(2023, 11, 14, 22, 13, 20, 123_000, timezone.utc)),
    (Java("date", -5), datetime(1969, 12, 31, 23, 59, 59, 995_000, timezone.utc)),
    (Java("date", LONG_MAX), px.JavaDate(LONG_MAX)),
    (Java("class", "java.lang.Integer"), px.JavaClass("Integer")),
    (Java("class", "java.math.BigDecimal"), px.JavaClass("BigDecimal")),
    (Java("class", "java.util.ArrayList"), px.JavaClass("java.util.ArrayList")),
    (Java("bigdec", "12.340"), Decimal("12.340")), (Java("bigdec", "1E+3"), Decimal("1E+3")),
    (Java("bigdec", "-1.5E-40"), Decimal("-1.5E-40")), (Java("bigdec", "0.000001"), Decimal("0.000001")),
    (Java("bigdec", "1E-7"), Decimal("1E-7")), (Java("bigdec", "0E-10"), Decimal("0E-10")),
    (Java("bigint", "-123456789012345678901234567890"), px.JavaBigInteger(-123456789012345678901234567890)),
    (Java("boolean", True), True), (Java("boolean", False), False),
    (Java("short", -3), px.JavaShort(-3)), (Java("byte", 7), px.JavaByte(7)),
    *((Java("float", number), px.JavaFloat(number)) for number in (1.5, 0.1, 1e10, 16777216.0, 3.4028234663852886e38)),
    (Java("enum", "RED"), px.JavaObject(ENUM_CLASS, "RED")),
]  # fmt: skip


@pytest.mark.parametrize("theirs, ours", OBJECTS, ids=lambda value: repr(value)[:40])
def test_objects(peer: Peer, theirs: Any, ours: Any) -> None:
    raw = peer.write(("writeObject", theirs))
    reader = FieldReader(raw)
    found = reader.read_object()
    assert same(found, ours) and reader.remaining == 0
    for value in (found, ours):
        doc = FieldWriter()
        doc.write_object(value)
        assert bytes(doc) == raw
    back = peer.read(raw, "readObject")[0]
    plain = theirs.value if isinstance(theirs, Java) and theirs.type in _PLAIN else theirs
    assert back == plain or same(back, struct.unpack("<f", struct.pack("<f", plain))[0])


_PLAIN = ("int", "long", "short", "byte", "double", "float", "boolean")


def test_python_values_that_java_has_no_own_type_for(peer: Peer) -> None:
    doc = FieldWriter()
    doc.write_object(1 << 70)
    doc.write_object(b"\0\1\xff")
    found = peer.read(bytes(doc), "readObject", "readObject")
    assert found == [Java("bigint", str(1 << 70)), b"\0\1\xff"]


def test_classes_that_write_their_own_bytes(peer: Peer) -> None:
    raw = peer.write(("writeObject", Java("ext", "5:x")), ("writeObject", Java("marsh", "-7:€")))
    readers = {
        "pychronix.peer.Values$Ext": lambda doc: ("ext", doc.read_int(), doc.read_utf()),
        "pychronix.peer.Values$Marsh": lambda doc: ("marsh", doc.read_stop_bit(), doc.read_string()),
    }
    reader = FieldReader(raw)
    assert reader.read_object(readers) == ("ext", 5, "x")
    assert reader.read_object(readers) == ("marsh", -7, "€")
    doc = FieldWriter()
    own = FieldWriter()
    own.write_int(5)
    own.write_utf("x")
    doc.write_object(px.JavaObject("pychronix.peer.Values$Ext", bytes(own)))
    own = FieldWriter()
    own.write_stop_bit(-7)
    own.write_string("€")
    doc.write_object(px.JavaObject("pychronix.peer.Values$Marsh", bytes(own)))
    assert bytes(doc) == raw
    assert peer.read(raw, "readObject", "readObject") == [Java("ext", "5:x"), Java("marsh", "-7:€")]


SERIALIZED = [
    (Java("pojo", "3:abc"), "pychronix.peer.Values$Pojo"),
    (Java("list", [1.5, "a"]), "java.util.ArrayList"),
    (Java("map", {"a": "b"}), "java.util.LinkedHashMap"),
    (b"\0\1", "[B"),
    (Java("uuid", "123e4567-e89b-12d3-a456-426614174000"), "java.util.UUID"),
    (Java("instant", "2023-11-14T22:13:20.123Z"), "java.time.Ser"),
    (Java("char", "x"), "java.lang.Character"),
]


@pytest.mark.parametrize("theirs, name", SERIALIZED, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("compressed", [True, False])
def test_serialized_objects(java3: Java3Peer, tmp_path: Path, theirs: Any, name: str, compressed: bool) -> None:
    with java3.vanilla(tmp_path / "q", index_block=4096, data_block=65536, compressed=compressed) as queue:
        appender, tailer = queue.appender(), queue.tailer()
        raw = appender.calls(("writeObject", theirs)).data
        found = FieldReader(raw).read_object()
        assert isinstance(found, px.JavaSerialized)
        assert (found.class_name, found.framed, found.stream[:4].hex()) == (name, compressed, "aced0005")
        doc = FieldWriter()
        doc.write_object(found)
        assert bytes(doc) == raw
        back = tailer.calls("readObject", index=appender.append(bytes(doc)))[0]
        assert back == theirs or (isinstance(theirs, Java) and theirs.value == back)


# --- thirty at once --------------------------------------------------------------------------------------------------


def test_all_kinds_in_one_excerpt(peer: Peer) -> None:
    calls = [(write, argument(kind, values[len(values) // 2])) for kind, (write, _, values) in KINDS.items()]
    raw = peer.write(*calls, ("write8bitText", "é"), ("writeEnum", Java("enum", "BLUE")), ("writeList", ["x"]),
                     ("writeMap", {"k": "v"}), ("writeObject", Java("bigdec", "1.0")), ("write", b"tail"))  # fmt: skip
    layout = ",".join({"utf": "utf_short"}.get(kind, kind) for kind in KINDS) + ",8bit_text,enum,list,map,object,rest"
    values = [values[len(values) // 2] for _, _, values in KINDS.values()]
    values += ["é", "BLUE", ["x"], {"k": "v"}, Decimal("1.0"), b"tail"]
    found = px.read_fields(FieldReader(raw), layout)
    assert all(map(same, values, found)) and len(values) == len(found)
    doc = FieldWriter()
    px.write_fields(doc, layout, values)
    assert bytes(doc) == raw


# --- excerpts of journals --------------------------------------------------------------------------------------------


def all_values(seed: int) -> list[tuple[str, Any]]:
    picked = random.Random(seed)
    return [(kind, picked.choice(KINDS[kind][2])) for kind in picked.sample(sorted(KINDS), k=len(KINDS))]


def check(doc: ExcerptReader, index: int, values: list[tuple[str, Any]]) -> None:
    assert doc and doc.index == index and doc.dialect == "v3"
    for kind, value in values:
        back = getattr(doc, f"read_{kind}")()
        assert same(value, back), (kind, value, back)
    assert doc.remaining == 0


@pytest.mark.parametrize("seed", range(2))
def test_excerpts_of_a_vanilla_journal(java3: Java3Peer, tmp_path: Path, seed: int) -> None:
    """Java and we append by turns to one journal, each through its cursor; each reads what the other wrote."""
    values = all_values(seed)
    writes = [(KINDS[kind][0], argument(kind, value)) for kind, value in values]
    with java3.vanilla(tmp_path / "q", index_block=4096, data_block=1 << 20) as theirs:
        their_appender, their_tailer = theirs.appender(), theirs.tailer()
        first = their_appender.calls(*writes)
        with open_queue(tmp_path / "q", "r+") as ours:
            appender, tailer = ours.appender(), ours.tailer()
            indexes = [first.index]
            for _ in range(3):
                with appender.writing() as doc:
                    for kind, value in values:
                        getattr(doc, f"write_{kind}")(value)
                assert doc.index is not None
                indexes += [doc.index, their_appender.calls(*writes).index]
            for index in indexes:
                with tailer.reading() as found:
                    check(found, index, values)
                assert their_tailer.index(index)
                outcomes = their_tailer.outcomes(*[KINDS[kind][1] for kind, _ in values], "remaining")
                assert outcomes[-1].result == 0
                assert all(same(value, outcome.result) for (_, value), outcome in zip(values, outcomes, strict=False))
            with tailer.reading() as found:
                assert not found


def test_excerpts_of_an_indexed_journal(java3: Java3Peer, tmp_path: Path) -> None:
    """One writer at a time: Java, then we."""
    values = all_values(7)
    with java3.indexed(tmp_path / "q") as theirs:
        assert theirs.appender().calls(*[(KINDS[kind][0], argument(kind, value)) for kind, value in values]).index == 0
    with open_queue(tmp_path / "q", "r+") as ours:
        with ours.appender().writing() as doc:
            for kind, value in values:
                getattr(doc, f"write_{kind}")(value)
        tailer = ours.tailer()
        for index in (0, 1):
            with tailer.reading() as found:
                check(found, index, values)
    with java3.indexed(tmp_path / "q") as theirs:
        outcomes = theirs.tailer().outcomes(*[KINDS[kind][1] for kind, _ in values], "remaining", index=1)
        assert outcomes[-1].result == 0
        assert all(same(value, outcome.result) for (_, value), outcome in zip(values, outcomes, strict=False))


@pytest.mark.parametrize("kind", ["vanilla", "indexed"])
def test_records_are_what_java_writes_field_by_field(java3: Java3Peer, tmp_path: Path, kind: str) -> None:
    records = [(number, number << 33, number / 8) for number in range(2500)]
    with open_queue(tmp_path / "q", "a", format=kind) as ours:
        indexes = ours.appender().append_records("iqd", records)
    with java3.vanilla(tmp_path / "q") if kind == "vanilla" else java3.indexed(tmp_path / "q") as theirs:
        tailer = theirs.tailer()
        for number in (0, 1, 1023, 1024, 2499):
            assert tailer.calls("readInt", "readLong", "readDouble", index=indexes[number]) == list(records[number])
        appender = theirs.appender()
        for number in range(3):
            appender.calls(("writeInt", number), ("writeLong", -number), ("writeDouble", 0.5))
    with open_queue(tmp_path / "q", "r") as ours:
        found = list(ours.tailer().read_records("iqd"))
        assert found == [*records, *((number, -number, 0.5) for number in range(3))]
