"""Typed fields on bytes, without a queue: every row and escape of spec chronicle-3 4, what "v5" does otherwise, what is
refused, and what happens to bytes that are cut off. Bytes are the specification's, which Java wrote; the tests against
living Java are tests/interop/test_fields_java3.py and test_fields_java5.py."""

from __future__ import annotations

import enum
import math
import pickle
import time
import zlib
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pychronix import fields as px
from pychronix.errors import EncodingError, EndOfDocumentError, MessageTooLongError, UnsupportedFormatError, UsageError
from pychronix.fields import FieldReader, FieldWriter

DIALECTS = ("v3", "v5")
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1


class Side(enum.Enum):
    BUY = 1
    SELL = 2


def written(method: str, *values: object, dialect: str = "v3", **options: object) -> bytes:
    doc = FieldWriter(dialect)
    getattr(doc, f"write_{method}")(*values, **options)
    return bytes(doc)


def read(method: str, raw: bytes, *arguments: object, dialect: str = "v3") -> object:
    """The one field that these bytes are."""
    doc = FieldReader(raw, dialect)
    value = getattr(doc, f"read_{method}")(*arguments)
    assert doc.remaining == 0
    return value


# Kind, value, bytes: the same in both dialects.
BOTH = [
    ("boolean", True, "59"),
    ("byte", -2, "fe"), ("byte", 127, "7f"), ("byte", -128, "80"),
    ("unsigned_byte", 254, "fe"), ("unsigned_byte", 0, "00"), ("unsigned_byte", 255, "ff"),
    ("short", -2, "feff"), ("short", -32768, "0080"), ("short", 32767, "ff7f"),
    ("unsigned_short", 65534, "feff"), ("unsigned_short", 65535, "ffff"),
    ("int24", -2, "feffff"), ("int24", 0x123456, "563412"), ("int24", -(1 << 23), "000080"),
    ("int24", (1 << 23) - 1, "ffff7f"),
    ("int", 0x12345678, "78563412"), ("int", -2, "feffffff"), ("int", -(1 << 31), "00000080"),
    ("unsigned_int", (1 << 32) - 1, "ffffffff"),
    ("long", -2, "feffffffffffffff"), ("long", LONG_MIN, "0000000000000080"), ("long", LONG_MAX, "ffffffffffffff7f"),
    ("float", 1.5, "0000c03f"), ("float", -0.0, "00000080"), ("float", math.inf, "0000807f"),
    ("double", 1.1, "9a9999999999f13f"), ("double", -math.inf, "000000000000f0ff"),
    ("stop_bit", 0, "00"), ("stop_bit", -1, "8000"), ("stop_bit", 127, "7f"), ("stop_bit", -2, "8100"),
    ("stop_bit", 128, "8001"), ("stop_bit", -128, "ff00"), ("stop_bit", 16383, "ff7f"), ("stop_bit", -129, "808100"),
    ("stop_bit", 16384, "808001"), ("stop_bit", -16384, "ffff00"), ("stop_bit", 300000, "e0a712"),
    ("stop_bit", -16385, "80808100"), ("stop_bit", LONG_MAX, "ff" * 8 + "7f"), ("stop_bit", LONG_MIN, "ff" * 9 + "00"),
    ("string", "hello", "0568656c6c6f"), ("string", "", "00"), ("string", None, "8000"),
    ("string", "é€\U0001f600\0", "0cc3a9e282aceda0bdedb88000"), ("string", "\ud83d", "03eda0bd"),
    ("string", "x" * 127, "7f" + "78" * 127), ("string", "x" * 128, "8001" + "78" * 128),
    ("8bit_text", None, "8000"), ("8bit_text", "", "00"), ("8bit_text", "abcé", "04616263e9"),
    ("8bit_text", "ÿ" * 128, "8001" + "ff" * 128),
    ("with_length", b"", "00"), ("with_length", b"\0\xff", "0200ff"),
    ("enum", "RED", "03524544"),
]  # fmt: skip

V3 = [
    ("boolean", False, "00"),
    ("char", "€", "ac20"), ("char", "\uffff", "ffff"), ("char", "\ud800", "00d8"),
    ("int48", 0x123456789ABC, "bc9a78563412"), ("int48", -2, "feffffffffff"), ("int48", -(1 << 47), "000000000080"),
    ("int48", (1 << 47) - 1, "ffffffffff7f"),
    ("compact_short", -125, "83"), ("compact_short", 127, "7f"), ("compact_short", 0, "00"),
    ("compact_short", -32768, "80"), ("compact_short", 32767, "82"), ("compact_short", -126, "8182ff"),
    ("compact_short", -127, "8181ff"), ("compact_short", -128, "8180ff"), ("compact_short", 128, "818000"),
    ("compact_short", -32767, "810180"), ("compact_short", 32766, "81fe7f"),
    ("compact_int", -32765, "0380"), ("compact_int", 32767, "ff7f"), ("compact_int", -(1 << 31), "0080"),
    ("compact_int", (1 << 31) - 1, "0280"), ("compact_int", -32766, "01800280ffff"),
    ("compact_int", -32768, "01800080ffff"), ("compact_int", 32768, "018000800000"),
    ("compact_long", -(1 << 31) + 3, "03000080"), ("compact_long", (1 << 31) - 1, "ffffff7f"),
    ("compact_long", LONG_MIN, "00000080"), ("compact_long", LONG_MAX, "02000080"),
    ("compact_long", -(1 << 31) + 2, "0100008002000080ffffffff"), ("compact_long", 1 << 31, "010000800000008000000000"),
    ("compact_unsigned_int", 0, "0000"), ("compact_unsigned_int", 65534, "feff"),
    ("compact_unsigned_int", 65535, "ffffffff0000"), ("compact_unsigned_int", (1 << 32) - 1, "ffffffffffff"),
    ("compact_unsigned_short", 0, "00"), ("compact_unsigned_short", 254, "fe"),
    ("compact_double", 1.5, "0000c03f"), ("compact_double", -0.0, "00000080"), ("compact_double", math.inf, "0000807f"),
    ("compact_double", -math.inf, "000080ff"), ("compact_double", 1.1, "0000c07f9a9999999999f13f"),
    ("compact_double", 1e300, "0000c07f9c7500883ce4377e"), ("compact_double", 5e-324, "0000c07f0100000000000000"),
    ("utf", "hellö", "060068656c6cc3b6"), ("utf", "", "0000"), ("utf", "\U0001f600", "0600eda0bdedb880"),
    ("enum", None, "8000"),
    ("list", ["a", "bc", None], "0301610262638000"), ("list", [], "00"),
    ("map", {"k1": "v1", "k2": "v2"}, "02026b31027631026b32027632"), ("map", {}, "00"),
]  # fmt: skip

V5 = [
    ("boolean", False, "4e"),
    ("char", "a", "61"), ("char", "\u0080", "8001"), ("char", "\u3fff", "ff7f"), ("char", "\u8000", "808002"),
    ("char", "\uff7f", "fffe03"), ("char", "\uff80", "ff00"), ("char", "\ufffe", "8100"), ("char", "\uffff", "8000"),
    ("unsigned_int24", 0xFFFFFF, "ffffff"), ("unsigned_int24", 0x123456, "563412"),
    ("stop_bit_double", 0.0, "00"), ("stop_bit_double", 1.0, "9f7c"), ("stop_bit_double", -1.0, "df7c"),
    ("stop_bit_double", 1.5, "9f7e"), ("stop_bit_double", math.pi, "a082a49fdad188ad0c"),
    ("big_integer", 0, "0100"), ("big_integer", -129, "02ff7f"), ("big_integer", 128, "020080"),
    ("big_integer", -128, "0180"), ("big_integer", 1 << 64, "09010000000000000000"),
    ("big_decimal", Decimal("12.340"), "02303403"), ("big_decimal", Decimal("-1"), "01ff00"),
    ("big_decimal", Decimal("1E-130"), "01018201"),
]  # fmt: skip

ROWS = [
    (dialect, *row)
    for dialect, rows in (("v3", BOTH + V3), ("v5", BOTH + V5))
    for row in rows
]  # fmt: skip


@pytest.mark.parametrize("dialect, kind, value, raw", ROWS)
def test_each_kind_is_written_as_java_does_and_read_back(dialect, kind, value, raw):
    assert written(kind, value, dialect=dialect).hex() == raw
    back = read(kind, bytes.fromhex(raw), dialect=dialect)
    assert back == value and type(back) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, back) == math.copysign(1, value)


@pytest.mark.parametrize("dialect, kind, value, raw", ROWS)
def test_cut_off_anywhere_it_is_the_end_of_the_document(dialect, kind, value, raw):
    whole = bytes.fromhex(raw)
    for stop in range(len(whole)):
        doc = FieldReader(b"ab" + whole[:stop], dialect)
        doc.skip(2)
        with pytest.raises(EndOfDocumentError) as caught:
            getattr(doc, f"read_{kind}")()
        assert isinstance(caught.value, EOFError)
        assert doc.position == 2


@pytest.mark.parametrize("kind", ["double", "float", "compact_double"])
def test_nan_is_a_nan(kind):
    assert math.isnan(read(kind, written(kind, math.nan)))


def test_a_compact_nan_is_followed_by_the_double():
    assert written("compact_double", math.nan).hex() == "0000c07f" + "000000000000f87f"


@pytest.mark.parametrize("raw, value", [("01", True), ("ff", True), ("4e", True), ("6e", True), ("00", False)])
def test_any_byte_but_0_is_true_in_v3(raw, value):
    assert read("boolean", bytes.fromhex(raw)) is value


@pytest.mark.parametrize("raw, value", [("01", True), ("59", True), ("4e", False), ("6e", False), ("00", False)])
def test_n_is_false_in_v5(raw, value):
    assert read("boolean", bytes.fromhex(raw), dialect="v5") is value


def test_the_reader_of_the_broken_kind_reads_as_java_does():
    assert read("compact_unsigned_short", b"\xff\x34\x12") == 0x1234


OUT_OF_RANGE = [
    ("byte", [-129, 128]), ("unsigned_byte", [-1, 256]), ("short", [-32769, 32768]), ("unsigned_short", [-1, 65536]),
    ("int24", [-(1 << 23) - 1, 1 << 23]), ("int", [-(1 << 31) - 1, 1 << 31]), ("unsigned_int", [-1, 1 << 32]),
    ("long", [LONG_MIN - 1, LONG_MAX + 1]), ("float", [1e39, -1e39]), ("stop_bit", [LONG_MIN - 1, LONG_MAX + 1]),
    ("8bit_text", ["€"]), ("char", ["", "ab", "\U0001f600"]), ("bytes", ["€"]), ("enum", ["€"]),
]  # fmt: skip
OUT_OF_RANGE_V3 = [
    ("int48", [-(1 << 47) - 1, 1 << 47]), ("compact_short", [-32769, 32768]), ("compact_int", [-(1 << 31) - 1, 1 << 31]),
    ("compact_long", [LONG_MIN - 1, LONG_MAX + 1]), ("compact_unsigned_int", [-1, 1 << 32]),
    ("compact_unsigned_short", [-1, 255, 65535, 65536]), ("utf", ["x" * 65536]), ("enum", ["é"]), ("list", [["é"]]),
    ("map", [{"a": "é"}]), ("object", [Decimal("NaN"), datetime(2020, 1, 1, 0, 0, 0, 1)]),
]  # fmt: skip
OUT_OF_RANGE_V5 = [
    ("unsigned_int24", [-1, 1 << 24]), ("big_decimal", [Decimal("1E+3"), Decimal("NaN"), Decimal("Infinity")]),
]  # fmt: skip


@pytest.mark.parametrize(
    "dialect, kind, value",
    [
        (dialect, kind, value)
        for dialect, rows in (("v3", OUT_OF_RANGE + OUT_OF_RANGE_V3), ("v5", OUT_OF_RANGE + OUT_OF_RANGE_V5))
        for kind, values in rows
        for value in values
    ],
)
def test_out_of_range_is_a_value_error_before_anything_moves(dialect, kind, value):
    doc = FieldWriter(dialect)
    doc.write(b"before")
    with pytest.raises(UsageError) as caught:
        getattr(doc, f"write_{kind}")(value)
    assert isinstance(caught.value, ValueError)
    assert (bytes(doc), doc.position) == (b"before", 6)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("at", [0, 2, 5])
@pytest.mark.parametrize(
    "kind", ["byte", "unsigned_byte", "short", "int24", "unsigned_int24", "int", "int48", "long", "float"]
)
def test_what_is_refused_changes_nothing_of_what_is_there(dialect, kind, at):
    if kind in ("unsigned_int24", "int48") and dialect == ("v3" if kind == "unsigned_int24" else "v5"):
        return
    write = f"write_{kind}"
    doc = FieldWriter(dialect)
    doc.write(b"before")
    doc.position = at
    for wrong in (0x123456789ABCDEF0123456, "text", None):
        with pytest.raises((UsageError, TypeError)):
            getattr(doc, write)(wrong if kind != "float" or wrong in ("text", None) else 1e300)
    assert (bytes(doc), doc.position) == (b"before", at)
    doc.position = 6
    with pytest.raises(UsageError):
        getattr(doc, write)(0x123456789ABCDEF0123456 if kind != "float" else 1e300)
    doc.seek(16)
    doc.write(b"!")
    assert bytes(doc) == b"before" + bytes(10) + b"!"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "kind, wrong",
    [
        ("byte", "1"), ("int", 1.5), ("int", None), ("int24", "x"), ("unsigned_int", b"1"), ("long", None),
        ("double", "1"), ("double", None), ("float", b""), ("stop_bit", 1.0), ("char", 65), ("string", b"x"),
        ("8bit_text", 1), ("bytes", 5), ("with_length", "text"), ("compact_int", "1"), ("compact_double", "1"),
        ("utf", None), ("int48", 1.5), ("object", [1]), ("object", object()), ("object", Side.BUY),
        ("big_integer", 1.5), ("big_decimal", 1), ("stop_bit_double", "1"), ("unsigned_int24", None),
    ],
)  # fmt: skip
def test_another_type_is_a_type_error(dialect, kind, wrong):
    doc = FieldWriter(dialect)
    with pytest.raises((TypeError, UsageError)) as caught:
        getattr(doc, f"write_{kind}")(wrong)
    assert isinstance(caught.value, TypeError) or "has no" in str(caught.value)
    assert bytes(doc) == b""


ONLY_V3 = {
    "int48": 1, "compact_short": 1, "compact_unsigned_short": 1, "compact_int": 1, "compact_unsigned_int": 1,
    "compact_long": 1, "compact_double": 1.0, "utf": "", "list": [], "map": {}, "object": None, "chars": "x",
}  # fmt: skip
ONLY_V5 = {"unsigned_int24": 1, "big_integer": 1, "big_decimal": Decimal(1), "stop_bit_double": 1.0}


@pytest.mark.parametrize(
    "dialect, kind, value",
    [("v5", kind, value) for kind, value in ONLY_V3.items()] + [("v3", kind, value) for kind, value in ONLY_V5.items()],
)
def test_what_java_of_that_release_lacks_is_refused(dialect, kind, value):
    doc = FieldWriter(dialect)
    with pytest.raises(UsageError, match=r"has no .*docs/fields\.md"):
        getattr(doc, f"write_{kind}")(value)
    assert bytes(doc) == b""
    reader = FieldReader(bytes(16), dialect)
    with pytest.raises(UsageError, match="has no"):
        getattr(reader, f"read_{kind}")(*([1] if kind == "chars" else []))
    assert reader.position == 0


def test_there_are_two_dialects():
    for call in (lambda: FieldWriter("v4"), lambda: FieldReader(b"", "v4")):
        with pytest.raises(UsageError, match="unknown dialect 'v4'"):
            call()
    assert [(FieldWriter(name).dialect, FieldReader(b"", name).dialect) for name in DIALECTS] == [
        ("v3", "v3"),
        ("v5", "v5"),
    ]


# --- round trips -----------------------------------------------------------------------------------------------------


def ints(bits: int, signed: bool = True) -> st.SearchStrategy[int]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    near = [low, low + 1, low + 2, low + 3, high - 1, high, -126, -127, -128, -32766, 254, 255, 65534, 65535]
    return st.integers(low, high) | st.sampled_from([number for number in near if low <= number <= high])


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
LATIN = st.text(st.characters(max_codepoint=255), max_size=50)
KINDS = {
    "boolean": st.booleans(), "byte": ints(8), "unsigned_byte": ints(8, False), "short": ints(16),
    "unsigned_short": ints(16, False), "char": st.characters(max_codepoint=0xFFFF, exclude_categories=()),
    "int24": ints(24), "int": ints(32), "unsigned_int": ints(32, False), "long": ints(64), "float": st.floats(width=32),
    "double": st.floats(), "stop_bit": ints(64), "string": st.none() | ANY_TEXT, "8bit_text": st.none() | LATIN,
    "with_length": st.binary(max_size=200),
}  # fmt: skip
KINDS_V3 = {
    "int48": ints(48), "compact_short": ints(16), "compact_unsigned_short": st.integers(0, 254), "compact_int": ints(32),
    "compact_unsigned_int": ints(32, False), "compact_long": ints(64), "compact_double": st.floats(), "utf": ANY_TEXT,
    "object": st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | ANY_TEXT | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False),
}  # fmt: skip
KINDS_V5 = {
    "unsigned_int24": ints(24, False), "big_integer": st.integers(), "stop_bit_double": st.floats(),
    "big_decimal": st.builds(lambda n, places: Decimal(f"{n}E-{places}"), st.integers(), st.integers(0, 400)),
}  # fmt: skip


def joined(value: object) -> object:
    """A text whose pairs of surrogates are the characters they stand for."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return value


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_any_fields_in_any_order_come_back(dialect, data):
    kinds = {**KINDS, **(KINDS_V3 if dialect == "v3" else KINDS_V5)}
    names = data.draw(st.lists(st.sampled_from(sorted(kinds)), max_size=30))
    values = [data.draw(kinds[name]) for name in names]
    doc = FieldWriter(dialect)
    positions = []
    for name, value in zip(names, values, strict=True):
        getattr(doc, f"write_{name}")(value)
        positions.append(doc.position)
    assert len(doc) == doc.position
    reader = FieldReader(bytes(doc), dialect)
    for name, value, position in zip(names, values, positions, strict=True):
        assert same(joined(value), getattr(reader, f"read_{name}")()), name
        assert position == reader.position
    assert reader.remaining == 0


@pytest.mark.parametrize("dialect", DIALECTS)
@given(raw=st.binary(max_size=40), data=st.data())
def test_random_bytes_are_a_field_or_an_error_that_moves_nothing(dialect, raw, data):
    kinds = {**KINDS, **(KINDS_V3 | {"list": 0, "map": 0} if dialect == "v3" else KINDS_V5)}
    name = data.draw(st.sampled_from(sorted(kinds)))
    doc = FieldReader(raw, dialect)
    try:
        getattr(doc, f"read_{name}")()
    except (EndOfDocumentError, EncodingError, UnsupportedFormatError):
        assert doc.position == 0
    else:
        assert 0 < doc.position <= len(raw)


@pytest.mark.parametrize("raw", ["80" * 10, "ff" * 9 + "01", "ff" * 11 + "00", "80" * 9 + "02"])
def test_a_stop_bit_integer_beyond_64_bits_is_an_encoding_error(raw):
    doc = FieldReader(bytes.fromhex(raw))
    with pytest.raises(EncodingError, match="64 bits"):
        doc.read_stop_bit()
    assert doc.position == 0


@pytest.mark.parametrize("kind", ["string", "8bit_text", "with_length"])
def test_a_negative_length_is_an_encoding_error(kind):
    doc = FieldReader(b"\x81\x00abc")
    with pytest.raises(EncodingError, match="-2"):
        getattr(doc, f"read_{kind}")()
    assert doc.position == 0


def test_decimals_have_as_many_digits_as_they_like():
    number = Decimal((1, (9,) * 6000, -7))
    assert read("big_decimal", written("big_decimal", number, dialect="v5"), dialect="v5") == number


@pytest.mark.parametrize("bits", [8191, 8192, 8193, 20_001, 70_000])
def test_long_decimals_are_exact(bits):
    for number in ((1 << bits) - 1, -(1 << bits), 10 ** (bits // 4)):
        sign, digits, _ = Decimal(number).as_tuple()
        expected = Decimal((sign, digits, -5))
        found = read("big_decimal", written("big_decimal", expected, dialect="v5"), dialect="v5")
        assert found.as_tuple() == expected.as_tuple()


def test_a_hostile_decimal_takes_no_minutes():
    data = b"\x80\x80\x40" + b"\x55" * (1 << 20) + b"\x03"
    started = time.process_time()
    assert FieldReader(data, "v5").read_big_decimal().adjusted() == 2_525_219
    assert time.process_time() - started < 60  # Minutes, where the time grows with the square of the length.


def test_bytes_that_are_no_text_are_an_encoding_error():
    doc = FieldReader(b"\x02\xffx")
    with pytest.raises(EncodingError):
        doc.read_string()
    assert doc.position == 0


def test_utf8_proper_is_read_too():
    assert read("string", b"\x04" + "\U0001f600".encode()) == "\U0001f600"


# --- raw, positions --------------------------------------------------------------------------------------------------


def test_raw_bytes_have_no_length():
    assert written("bytes", "abcé").hex() == "616263e9"
    assert written("bytes", bytearray(b"xy")) == b"xy"
    assert written("chars", "a€\U0001f600").hex() == "6100ac203dd800de"
    doc = FieldReader(bytes.fromhex("6100ac203dd800de") + b"rest")
    assert doc.read_chars(4) == "a€\U0001f600"
    assert (doc.read_bytes(2), doc.read(), doc.read()) == (b"re", b"st", b"")
    with pytest.raises(EndOfDocumentError, match="1 bytes at position 12: the document ends at 12"):
        doc.read(1)


FIXED = [(kind, value, raw) for kind, value, raw in BOTH + V3 if kind in {
    "boolean", "byte", "unsigned_byte", "short", "unsigned_short", "char", "int24", "int", "unsigned_int", "int48", "long",
    "float", "double",
}]  # fmt: skip


@pytest.mark.parametrize("kind, value, raw", FIXED)
def test_kinds_of_fixed_size_have_a_form_with_an_offset(kind, value, raw):
    doc = FieldWriter()
    doc.write(b"......")
    getattr(doc, f"write_{kind}")(value, offset=3)
    size = len(raw) // 2
    assert bytes(doc) == (b"..." + bytes.fromhex(raw) + b"......"[3 + size :])[: max(6, 3 + size)]
    assert (doc.position, len(doc)) == (6, max(6, 3 + size))
    reader = FieldReader(b"..." + bytes.fromhex(raw))
    reader.position = 1
    assert getattr(reader, f"read_{kind}")(offset=3) == value
    assert reader.position == 1
    for wrong in (-1, 1 << 30):
        with pytest.raises(UsageError, match="an offset is within"):
            getattr(reader, f"read_{kind}")(offset=wrong)
        with pytest.raises(UsageError, match="an offset is within"):
            getattr(doc, f"write_{kind}")(value, offset=wrong)
    with pytest.raises(EndOfDocumentError, match="offset 4"):
        getattr(reader, f"read_{kind}")(offset=4)
    with pytest.raises(TypeError):
        getattr(doc, f"write_{kind}")(value, offset="1")


@pytest.mark.parametrize("kind, values", OUT_OF_RANGE[:8])
def test_out_of_range_at_an_offset_writes_nothing(kind, values):
    doc = FieldWriter()
    for value in values:
        with pytest.raises(UsageError):
            getattr(doc, f"write_{kind}")(value, offset=0)
    assert bytes(doc) == b""


def test_a_text_in_a_field_of_fixed_size():
    doc = FieldWriter()
    doc.write(b"\xff" * 12)
    assert doc.write_string_at(2, 8, "héy") == 7
    assert (bytes(doc).hex(), doc.position) == ("ffff" + "0468c3a979000000" + "ffff", 12)
    assert FieldReader(bytes(doc)).read_string(offset=2) == "héy"
    assert doc.write_string_at(2, 8, None) == 4
    assert bytes(doc).hex() == "ffff" + "8000c3a979000000" + "ffff"
    with pytest.raises(UsageError, match="9 bytes does not fit 8"):
        doc.write_string_at(2, 8, "x" * 8)
    doc.write_string_at(20, 4, "abc")
    assert (len(doc), bytes(doc)[12:20]) == (24, bytes(8))


def test_a_limited_text_of_v5_counts_the_text_alone_and_fills_nothing():
    doc = FieldWriter("v5")
    doc.write(b"\xff" * 8)
    assert doc.write_string_at(0, 4, "abcd") == 5
    assert bytes(doc).hex() == "0461626364ffffff"
    with pytest.raises(UsageError):
        doc.write_string_at(0, 4, "abcde")


def test_positions_of_a_writer():
    doc = FieldWriter()
    doc.write_int(1)
    doc.skip(-2)
    doc.write_byte(5)
    assert (bytes(doc).hex(), doc.position, len(doc)) == ("01000500", 3, 4)
    doc.align(4)
    doc.align(4)
    doc.pad(2)
    assert (doc.position, bytes(doc).hex()) == (6, "010005000000")
    doc.position = 10
    assert len(doc) == 6
    doc.write_byte(7)
    assert bytes(doc).hex() == "0100050000000000000007"
    doc.seek(2)
    assert (len(doc), doc.position) == (11, 2)
    doc.write(b"")
    doc.truncate()
    assert bytes(doc).hex() == "0100"
    doc.seek(8)
    doc.write_byte(1)
    assert bytes(doc).hex() == "010000000000000001"
    with pytest.raises(UsageError, match="position"):
        doc.skip(-10)
    with pytest.raises(UsageError, match="at least 1"):
        doc.align(0)
    with pytest.raises(UsageError, match="not negative"):
        doc.pad(-1)
    assert doc.position == 9 and doc and repr(doc) == "<FieldWriter of 9 bytes, position 9>"


def test_a_writer_grows_at_every_size():
    doc = FieldWriter()
    for number in range(2000):
        doc.write_byte(number % 100)
        doc.write_long(number)
    reader = FieldReader(bytes(doc))
    assert all((reader.read_byte(), reader.read_long()) == (number % 100, number) for number in range(2000))


def test_a_message_has_an_end():
    doc = FieldWriter()
    doc.seek((1 << 30) - 2)
    with pytest.raises(MessageTooLongError):
        doc.write_int(1)
    assert len(doc) == 0


def test_a_view_of_what_was_written():
    doc = FieldWriter()
    doc.write_int(1)
    with doc.buffer() as view:
        assert len(view) == 4
        view[0] = 9
    assert doc.position == 4 and bytes(doc) == b"\x09\0\0\0"


def test_positions_of_a_reader():
    doc = FieldReader(memoryview(bytes(range(10))))
    assert (len(doc), doc.remaining, doc.peek(), doc.peek(3), doc.peek_unsigned_byte()) == (10, 10, b"\0", b"\0\1\2", 0)
    doc.skip(3)
    doc.align(4)
    assert (doc.position, doc.read_unsigned_byte()) == (4, 4)
    doc.skip(-2)
    assert doc.position == 3
    doc.position = 10
    assert (doc.remaining, doc.peek(), doc.peek_unsigned_byte(), bool(doc)) == (0, b"", -1, True)
    for move in (lambda: doc.skip(1), lambda: setattr(doc, "position", 11), lambda: doc.align(3)):
        with pytest.raises(EndOfDocumentError):
            move()
    for move in (
        lambda: doc.skip(-11),
        lambda: setattr(doc, "position", -1),
        lambda: doc.align(0),
        lambda: doc.read(-1),
    ):
        with pytest.raises(UsageError):
            move()
    assert doc.position == 10 and repr(doc) == "<FieldReader of 10 bytes, position 10>"
    assert bytes(doc) == bytes(range(10))


# --- text for people -------------------------------------------------------------------------------------------------


def appended(method: str, *values: object, dialect: str = "v3") -> str:
    doc = FieldWriter(dialect)
    getattr(doc, f"append_{method}")(*values)
    return bytes(doc).decode("utf-8", "surrogatepass")


WHEN = 1_700_000_000_123


@pytest.mark.parametrize(
    "method, values, v3, v5",
    [
        ("long", (0,), "0", "0"), ("long", (-22,), "-22", "-22"), ("long", (LONG_MIN,), str(LONG_MIN), str(LONG_MIN)),
        ("boolean", (True,), "true", "T"), ("boolean", (False,), "false", "F"),
        ("double", (1.5,), "1.5", "1.5"), ("double", (1.0,), "1", "1.0"), ("double", (0.0,), "0", "0.0"),
        ("double", (-0.0,), "-0", "-0.0"), ("double", (1e7,), "10000000", "10000000.0"),
        ("double", (1e-5,), "0.00001", "0.00001"), ("double", (math.inf,), "Infinity", "Infinity"),
        ("double", (-math.inf,), "-Infinity", "-Infinity"),
        ("double", (math.nan,), "NaN", "NaN"), ("double", (math.pi,), "3.141592653589793", "3.141592653589793"),
        ("double", (1.1, 2), "1.1", "1.10"), ("double", (1.5, 0), "2", "2"), ("double", (-1.0, 2), "-1", "-1.00"),
        ("double", (123456789.125, 2), "123456789.13", "123456789.13"), ("double", (4.35, 1), "4.4", "4.4"),
        ("double", (0.001, 2), "0", "0.00"), ("double", (-0.001, 1), "-0", "0.0"),
        ("double", (100.0, 5), "100", "100.00000"),
        ("double", (1e20, 2), "100000000000000000000", "100000000000000000000.00"),
        ("double", (0.05, 1), "0.1", "0.1"),
        ("char", ("é",), "\udce9", "é"), ("text", ("a€",), "a€", "a€"),
        ("date_millis", (WHEN,), "2023/11/14", "20231114"), ("date_millis", (0,), "1970/01/01", "19700101"),
        ("time_millis", (WHEN % 86_400_000,), "22:13:20.123", "22:13:20.123"),
        ("date_time_millis", (WHEN,), "2023/11/14T22:13:20.123", "20231114T22:13:20.123"),
        ("time_millis", (100 * 3_600_000,), "100:00:00.000", "04:00:00.000"),
        ("date_time_millis", (datetime(2023, 11, 14, 22, 13, 20, 123_456),), "2023/11/14T22:13:20.123",
         "20231114T22:13:20.123"),
        ("date_time_millis", (datetime(2023, 11, 15, 0, 13, 20, 0, timezone(timedelta(hours=2))),),
         "2023/11/14T22:13:20.000", "20231114T22:13:20.000"),
    ],
)  # fmt: skip
def test_appended_text(method, values, v3, v5):
    for dialect, wanted in (("v3", v3), ("v5", v5)):
        doc = FieldWriter(dialect)
        getattr(doc, f"append_{method}")(*values)
        assert bytes(doc) == wanted.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "method, values",
    [("long", (1 << 63,)), ("double", (1.5, -1)), ("double", (1.5, 19)), ("char", ("ab",)), ("date_millis", (-1,)),
     ("date_millis", (253_402_300_800_000,)), ("time_millis", (-1,)), ("date_millis", (datetime(1969, 12, 31),))],
)  # fmt: skip
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_cannot_be_appended(dialect, method, values):
    doc = FieldWriter(dialect)
    with pytest.raises(UsageError):
        getattr(doc, f"append_{method}")(*values)
    assert bytes(doc) == b""


@pytest.mark.parametrize(
    "method, wrong", [("long", "1"), ("double", "1.5"), ("text", 5), ("char", 5), ("date_millis", "x")]
)
def test_append_takes_values_not_their_text(method, wrong):
    with pytest.raises(TypeError):
        getattr(FieldWriter(), f"append_{method}")(wrong)


def test_the_dialects_differ_in_what_append_refuses():
    with pytest.raises(EncodingError):
        FieldWriter("v3").append_char("€")
    for wrong in (math.nan, math.inf):
        with pytest.raises(UsageError, match="no decimal places"):
            FieldWriter("v5").append_double(wrong, 2)
        FieldWriter("v3").append_double(wrong, 2)


@given(st.floats(allow_nan=False), st.sampled_from(DIALECTS))
def test_appended_doubles_are_parsed_back(number, dialect):
    doc = FieldWriter(dialect)
    doc.append_double(number)
    doc.append_char(",")
    doc.append_long(5)
    assert b"e" not in bytes(doc)
    reader = FieldReader(bytes(doc), dialect)
    assert (reader.parse_double(), reader.parse_long(), reader.remaining) == (number, 5, 0)


@given(ints(64), st.sampled_from(DIALECTS))
def test_appended_longs_are_parsed_back(number, dialect):
    doc = FieldWriter(dialect)
    doc.append_long(number)
    doc.append_text(";x")
    reader = FieldReader(bytes(doc), dialect)
    assert (reader.parse_long(), reader.read()) == (number, b"x")


@given(st.integers(0, 253_402_300_799_999), st.sampled_from(DIALECTS))
def test_appended_dates_are_parsed_back(millis, dialect):
    doc = FieldWriter(dialect)
    doc.append_date_time_millis(millis)
    doc.append_date_millis(millis)
    doc.append_time_millis(millis % 86_400_000)
    reader = FieldReader(bytes(doc), dialect)
    assert reader.parse_date_time_millis() == millis
    assert reader.parse_date_millis() == millis // 86_400_000 * 86_400_000
    assert reader.parse_time_millis() == millis % 86_400_000
    assert reader.remaining == 0


def test_parsing_up_to_a_stop_character():
    doc = FieldReader("one,zwei€,trois;4,-5.50|NaN,-Infinity,yes;maybe;F,".encode())
    assert (doc.parse_utf8(","), doc.parse_utf8("€"), doc.parse_utf8(",;"), doc.parse_utf8(",;")) == (
        "one",
        "zwei",
        "",
        "trois",
    )
    assert (doc.parse_long(), doc.parse_decimal()) == (4, Decimal("-5.50"))
    assert math.isnan(doc.parse_double()) and doc.parse_double() == -math.inf
    assert [doc.parse_boolean(";,") for _ in range(3)] == [True, None, False]
    with pytest.raises(EndOfDocumentError):
        doc.parse_utf8(",")
    for parse in (
        doc.parse_long,
        doc.parse_double,
        doc.parse_date_millis,
        doc.parse_time_millis,
        doc.parse_date_time_millis,
    ):
        with pytest.raises(EndOfDocumentError):
            parse()
    doc.position = 0
    assert doc.skip_to("|") and doc.parse_utf8(",") == "NaN"
    assert not doc.skip_to("#") and doc.remaining == 0
    for parse in (doc.skip_to, doc.parse_utf8):
        with pytest.raises(UsageError, match="stop character"):
            parse("")


def test_the_end_ends_a_number_and_a_text():
    assert FieldReader(b"12").parse_long() == 12
    assert FieldReader(b"1.5").parse_double() == 1.5
    assert FieldReader(b"abc").parse_utf8(",") == "abc"


@pytest.mark.parametrize("text", ["", "x", "-", ".", "-x", "é", "e5"])
@pytest.mark.parametrize("method", ["long", "double", "decimal"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_number_is_an_error_that_moves_nothing(dialect, method, text):
    doc = FieldReader(text.encode(), dialect)
    with pytest.raises((EncodingError, EndOfDocumentError)):
        getattr(doc, f"parse_{method}")()
    assert doc.position == 0


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "9" * 5000])
def test_a_number_beyond_64_bits_is_an_encoding_error(text):
    with pytest.raises(EncodingError, match="64 bits"):
        FieldReader(text.encode()).parse_long()


@pytest.mark.parametrize("text", ["1e" + "9" * 30, "1E-" + "9" * 30])
def test_an_exponent_beyond_any_decimal_is_an_encoding_error(text):
    doc = FieldReader(text.encode(), "v5")
    with pytest.raises(EncodingError, match="exponent"):
        doc.parse_decimal()
    assert doc.position == 0


def test_v5_parses_exponents_signs_and_spaces_v3_does_not():
    assert FieldReader(b"  1.5e3,", "v5").parse_double() == 1500.0
    assert FieldReader(b" +7", "v5").parse_long() == 7
    doc = FieldReader(b"1e3")
    assert (doc.parse_double(), doc.read()) == (1.0, b"3")


@pytest.mark.parametrize("text", ["2023/13/01", "20230230", "22:13", "xx:00:00.000", "2023/11/14 22:13:20.123"])
def test_no_date_is_an_error_that_moves_nothing(text):
    doc = FieldReader(text.encode())
    with pytest.raises((EncodingError, EndOfDocumentError)):
        doc.parse_date_time_millis()
    assert doc.position == 0


# --- enums, collections, objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_enums_by_name(dialect):
    raw = written("enum", Side.BUY, dialect=dialect)
    assert raw == b"\x03BUY"
    assert read("enum", raw, Side, dialect=dialect) is Side.BUY
    assert read("enum", raw, dialect=dialect) == "BUY"
    doc = FieldReader(b"\x03WHO", dialect)
    with pytest.raises(EncodingError, match="none of its names"):
        doc.read_enum(Side)
    assert doc.position == 0


def test_v5_has_no_null_enum_and_no_objects_in_its_place():
    for wrong in (None, 5):
        with pytest.raises(TypeError):
            FieldWriter("v5").write_enum(wrong)
    with pytest.raises(TypeError):
        FieldReader(b"\x01a", "v5").read_enum(int)


def test_lists_and_maps_of_other_things():
    assert written("list", [1, -22]).hex() == "02" + "0c0131" + "0c032d3232"
    assert read("list", bytes.fromhex("020c01310c032d3232"), int) == [1, -22]
    raw = written("list", [1, None, Decimal("1.50"), "a"])
    assert raw.hex() == "04" + "0c0131" + "8000" + "45030a426967446563696d616c04312e3530" + "0161"
    assert read("list", raw[:-2].replace(b"\x04", b"\x03", 1), object) == [1, None, Decimal("1.50")]
    assert read("list", written("list", [Side.SELL, None]), Side) == [Side.SELL, None]
    assert read("map", written("map", {Side.BUY: 1.5}), Side, float) == {Side.BUY: 1.5}


@pytest.mark.parametrize("raw", ["8100", "8000", "ffffffffffffffff7f"])
@pytest.mark.parametrize("kind", ["list", "map"])
def test_counts_that_cannot_be(kind, raw):
    doc = FieldReader(bytes.fromhex(raw) + b"\x01a\x01b")
    with pytest.raises((EncodingError, EndOfDocumentError)):
        getattr(doc, f"read_{kind}")()
    assert doc.position == 0


OBJECTS = [
    (None, "4e"), ("abc", "1303616263"), (px.JavaInteger(-123), "09042d313233"), (-22, "0c032d3232"),
    (1.5, "0403312e35"), (1e300, "0407312e3045333030"), (math.inf, "0408" + b"Infinity".hex()), (0.001, "0405302e303031"),
    (1e7, "0405312e304537"), (9999999.0, "0409393939393939392e30"), (-0.0, "04042d302e30"),
    (5e-324, "0408342e39452d333234"),
    (datetime(2023, 11, 14, 22, 13, 20, 123_000, timezone.utc), "140d31373030303030303030313233"),
    (datetime(1969, 12, 31, 23, 59, 59, 995_000, timezone.utc), "14022d35"),
    (px.JavaDate(LONG_MAX), "1413" + str(LONG_MAX).encode().hex()),
    (px.JavaClass("Integer"), "0307496e7465676572"), (b"\0\1", "02020001"),
    (Decimal("12.340"), "45030a426967446563696d616c0631322e333430"),
    (Decimal("1E+3"), "45030a426967446563696d616c04" + b"1E+3".hex()),
    (px.JavaBigInteger(5), "45030a426967496e74656765720135"),
    (True, "450307426f6f6c65616e0474727565"), (False, "450307426f6f6c65616e0566616c7365"),
    (px.JavaShort(-3), "45030553686f7274022d33"), (px.JavaByte(7), "450304427974650137"),
    (px.JavaFloat(1.5), "450305466c6f617403312e35"),
    (px.JavaObject("Probe$Color", "RED"), "45030b50726f626524436f6c6f7203524544"),
]  # fmt: skip


@pytest.mark.parametrize("value, raw", OBJECTS)
def test_objects(value, raw):
    assert written("object", value).hex() == raw
    back = read("object", bytes.fromhex(raw))
    assert back == value and type(back) is type(value)
    assert written("object", back).hex() == raw
    for stop in range(len(raw) // 2):
        doc = FieldReader(bytes.fromhex(raw)[:stop])
        with pytest.raises(EndOfDocumentError):
            doc.read_object()
        assert doc.position == 0


def test_big_numbers_go_where_they_fit():
    assert read("object", written("object", 1 << 63)) == px.JavaBigInteger(1 << 63)
    assert read("object", written("object", Decimal("5E-3"))) == Decimal("0.005")
    for kind, number in ((px.JavaInteger, 1 << 31), (px.JavaShort, 1 << 15), (px.JavaByte, 128)):
        with pytest.raises(EncodingError, match="does not fit"):
            FieldWriter().write_object(kind(number))
    with pytest.raises(EncodingError):
        px.JavaFloat(1e39)
    with pytest.raises(EncodingError):
        FieldWriter().write_object(px.JavaDate(1 << 63))


def test_a_float_keeps_the_text_that_java_gave_it():
    raw = bytes.fromhex("450305466c6f6174") + b"\x061.0E10"
    value = read("object", raw)
    assert (value, type(value), value.text) == (1e10, px.JavaFloat, "1.0E10")
    assert written("object", value) == raw
    assert pickle.loads(pickle.dumps(value)).text == "1.0E10"
    assert px.JavaFloat(3.4028234663852886e38).text == "3.4028235E38"
    assert px.JavaFloat(0.1).text == "0.1" and px.JavaFloat(16777216).text == "1.6777216E7"


def test_a_double_with_more_digits_than_it_needs_keeps_them():
    raw = b"\x04\x149.999999999999999E22"
    value = read("object", raw)
    assert (value, type(value), value.text) == (1e23, px.JavaDouble, "9.999999999999999E22")
    assert written("object", value) == raw
    assert pickle.loads(pickle.dumps(value)).text == value.text
    assert written("object", px.JavaDouble(1e23)) == written("object", 1e23) == b"\x04\x061.0E23"


def test_a_class_that_writes_its_own_bytes_needs_a_reader():
    raw = bytes.fromhex("45030950726f626524457874050000000100") + b"x"
    doc = FieldReader(raw + b"next")
    found = doc.read_object({"Probe$Ext": lambda inner: (inner.read_int(), inner.read_utf())})
    assert (found, doc.read()) == ((5, "x"), b"next")
    assert written("object", px.JavaObject("Probe$Ext", bytes.fromhex("050000000100") + b"x")) == raw

    def failing(inner):
        inner.read_int()
        raise KeyError("mine")

    doc.position = 0
    with pytest.raises(KeyError):
        doc.read_object({"Probe$Ext": failing})
    assert doc.position == 0


@pytest.mark.parametrize("code", [0x5B, 0x1B, 0x7B, 0x1A, 0x19])
def test_reserved_codes_are_told_apart(code):
    with pytest.raises(UnsupportedFormatError, match="is kept for"):
        FieldReader(bytes((code, 0))).read_object()


@pytest.mark.parametrize(
    "raw", ["ff", "00", "4513", "450380 00", "090178", "090131 ".replace("31", "2d"), "0c8000", "140178", "04027878",
            "450307426f6f6c65616e0178", "45030553686f72740178", "45030a426967446563696d616c0178",
            "0903315f30", "0c022031", "04036e616e", "0403696e66", "45030553686f7274022031"],
)  # fmt: skip
def test_what_is_no_object_is_an_encoding_error(raw):
    doc = FieldReader(bytes.fromhex(raw))
    with pytest.raises(EncodingError):
        doc.read_object()
    assert doc.position == 0


STREAM = bytes.fromhex("aced0005") + b"sr\0\x0ejava.util.UUID" + bytes(30)


@pytest.mark.parametrize(
    "stream, name",
    [
        (STREAM, "java.util.UUID"),
        (b"\xac\xed\0\5ur\0\2[B" + bytes(12), "[B"),
        (b"\xac\xed\0\5~r\0\1E" + bytes(12), "E"),
        (b"\xac\xed\0\5t\0\1x", "java.lang.String"),
        (b"\xac\xed\0\5vr\0\1x", "java.lang.Class"),
        (b"\xac\xed\0\5r\0\1x", "java.io.ObjectStreamClass"),
        (b"\xac\xed\0\5p", None),
        (b"\xac\xed\0\5sr\xff\xffshort", None),
        (b"\xac\xed\0\5sr\0\1\xff" + bytes(8), None),
        (b"\xac\xed\0\4sr\0\1x", None),
        (b"nothing of Java", None),
    ],
)
def test_a_serialized_object_is_opaque_but_for_its_class(stream, name):
    packed = zlib.compress(stream)
    for raw in (packed, stream):
        field = b"S" + len(raw).to_bytes(4, "little") + raw
        found = read("object", field)
        assert found == px.JavaSerialized(raw) and found.framed
        assert (found.class_name, found.stream, found.raw) == (name, stream, raw)
        assert written("object", found) == field
    assert repr(found) == f"<JavaSerialized {name}, {len(raw)} bytes>"


def test_a_serialized_object_without_a_length_reaches_to_the_end():
    found = read("object", b"S" + STREAM)
    assert (found.framed, found.raw, found.class_name) == (False, STREAM, "java.util.UUID")
    assert written("object", found) == b"S" + STREAM


def test_a_damaged_serialized_object_is_an_encoding_error_when_it_is_unpacked():
    found = px.JavaSerialized(zlib.compress(STREAM)[:-8])
    assert found.class_name == "java.util.UUID"
    with pytest.raises(EncodingError, match="cut off"):
        _ = found.stream
    found = px.JavaSerialized(b"\x78\x9c" + b"\xff" * 20)
    assert found.class_name is None
    with pytest.raises(EncodingError, match="cannot inflate"):
        _ = found.stream


def test_the_class_of_a_stream_that_blows_up_is_found_in_little_memory():
    bomb = zlib.compress(STREAM + bytes(50_000_000))
    assert px.JavaSerialized(bomb).class_name == "java.util.UUID"


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_layouts_read_and_write():
    layout = "i, q,utf,side:enum, skip(3), tag:bytes(2), align(8), c, rest"
    fields = px.parse_layout(layout)
    assert [str(field) for field in fields] == [
        "int", "long", "utf", "side:enum", "skip(3)", "tag:bytes(2)", "align(8)", "char", "rest",
    ]  # fmt: skip
    values = [7, -1, "é", "BUY", b"ab", "x", b"tail"]
    doc = FieldWriter()
    px.write_fields(doc, layout, values)
    reader = FieldReader(bytes(doc))
    assert px.read_fields(reader, fields) == values
    assert reader.remaining == 0
    assert px.parse_layout(",".join(map(str, fields))) == fields


def test_the_two_utfs_of_a_layout():
    doc = FieldWriter()
    px.write_fields(doc, "utf,string,utf_short,8bit_text", ["a", None, "b", "c"])
    assert bytes(doc).hex() == "0161" + "8000" + "010062" + "0163"


@pytest.mark.parametrize("dialect, rows", [("v3", BOTH + V3), ("v5", BOTH + V5)])
def test_a_layout_names_every_kind(dialect, rows):
    for kind, value, raw in rows:
        name = {"utf": "utf_short", "with_length": "bytes_with_length"}.get(kind, kind)
        doc = FieldWriter(dialect)
        px.write_fields(doc, name, [value])
        assert bytes(doc).hex() == raw
        assert px.read_fields(FieldReader(bytes(doc), dialect), name) == [value]


@pytest.mark.parametrize(
    "layout", ["", "i,", "x", "int(4)", "bytes", "bytes(x)", "skip", "a:b:i", "a:i,a:q", "i q", "Q", "read_int", "i;q"]
)
def test_layouts_that_are_none(layout):
    with pytest.raises(UsageError):
        px.parse_layout(layout)


def test_a_layout_that_does_not_fit():
    doc = FieldReader(bytes(6))
    with pytest.raises(EndOfDocumentError):
        px.read_fields(doc, "i,i")
    assert doc.position == 0
    writer = FieldWriter()
    for values in ([1], [1, 2, 3]):
        with pytest.raises(UsageError, match="2 fields with a value"):
            px.write_fields(writer, "i,i", values)
    with pytest.raises(UsageError, match="3 units, not 2"):
        px.write_fields(writer, "bytes(3)", [b"ab"])
    with pytest.raises(UsageError, match="2 units, not 1"):
        px.write_fields(writer, "chars(2)", ["a"])
    with pytest.raises(UsageError):
        px.write_fields(writer, "i,b,b", [1, 2, 300])
    assert bytes(writer) == b""


@pytest.mark.parametrize(
    "layout, text, value",
    [("i", "-7", -7), ("q", "0x10", 16), ("d", "1e3", 1000.0), ("?", "yes", True), ("?", "F", False), ("utf", "7", "7"),
     ("bytes(2)", "00ff", b"\0\xff"), ("big_decimal", "1.50", Decimal("1.50")), ("c", "x", "x")],
)  # fmt: skip
def test_the_value_that_a_text_stands_for(layout, text, value):
    (field,) = px.parse_layout(layout)
    found = field.value_of(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "layout, text", [("i", "x"), ("d", ""), ("?", "perhaps"), ("bytes(2)", "0"), ("big_decimal", "x")]
)
def test_a_text_that_is_no_value(layout, text):
    (field,) = px.parse_layout(layout)
    with pytest.raises(UsageError, match="is no value of a field"):
        field.value_of(text)
