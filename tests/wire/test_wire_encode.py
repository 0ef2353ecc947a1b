"""Writing Wire: the vectors of Appendix B.1, what a value becomes, what is refused. Against Java: test_wire_encode_java."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import math
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import pytest

from pychronix import errors, wire
from pychronix.wire import WireWriter, encoding, scalars


def hexed(data: bytes) -> str:
    return data.hex(" ")


def written(write: Callable[[WireWriter], object]) -> str:
    out = WireWriter()
    write(out)
    return hexed(out.to_bytes())


INTEGERS = """
0 a1 00
127 a1 7f
128 a1 80
255 a1 ff
256 a5 00 01
32767 a5 ff 7f
32768 a2 00 80
65535 a2 ff ff
65536 a6 00 00 01 00
16777217 a6 01 00 00 01
2147483647 a6 ff ff ff 7f
2147483648 a3 00 00 00 80
4294967295 a3 ff ff ff ff
4294967296 90 00 00 80 4f
1099511627776 90 00 00 80 53
1099511627777 a7 01 00 00 00 00 01 00 00
9223372036854775807 90 00 00 00 5f
-9223372036854775808 90 00 00 00 df
-1 a4 ff
-128 a4 80
-129 a5 7f ff
-32769 a6 ff 7f ff ff
-2147483649 a7 ff ff ff 7f ff ff ff ff
"""
DOUBLES = """
0 a1 00
-0.0 a1 00
1.5 92 96 01
1.25 92 7d
0.1 92 0a
0.0001 94 01
0.000001 96 01
1e-7 91 48 af bc 9a f2 d7 7a 3e
123456.789 94 d2 85 d8 cc 04
65536 90 00 00 80 47
16777217 a3 01 00 00 01
1e9 90 28 6b 6e 4e
1e15 91 00 00 34 26 f5 6b 0c 43
-1.5 92 95 81 00
-0.01 92 80 00
-40000 90 00 40 1c c7
3.141592653589793 91 18 2d 44 54 fb 21 09 40
nan 90 00 00 c0 7f
inf 90 00 00 80 7f
"""


def vectors(table: str) -> list[tuple[str, str]]:
    return [(number, encoded) for number, encoded in (line.split(" ", 1) for line in table.split("\n") if line)]


@pytest.mark.parametrize(("number", "encoded"), vectors(INTEGERS))
def test_integers_of_appendix_b(number: str, encoded: str) -> None:
    assert written(lambda out: out.value().int64(int(number))) == encoded


@pytest.mark.parametrize(("number", "encoded"), vectors(DOUBLES))
def test_doubles_of_appendix_b(number: str, encoded: str) -> None:
    assert written(lambda out: out.value().float64(float(number))) == encoded


@pytest.mark.parametrize(
    ("write", "encoded"),
    [
        (lambda out: out.value().int64_0x(255), "af ff 00 00 00 00 00 00 00"),
        (lambda out: out.value().float32(1.5), "92 96 01"),
        (lambda out: out.value().float32(-1.5), "90 00 00 c0 bf"),
        (lambda out: out.value().text(""), "e0"),
        (lambda out: out.value().text("A"), "e1 41"),
        (lambda out: out.value().text(None), "bb"),
        (lambda out: out.value().text("€é"), "e5 e2 82 ac c3 a9"),
        (lambda out: out.value().text("\U0001f600"), "e6 ed a0 bd ed b8 80"),
        (lambda out: out.value().text("a\0b"), "e3 61 00 62"),
        (lambda out: out.value().text("x" * 31), "ff" + " 78" * 31),
        (lambda out: out.value().text("x" * 32), "b8 20" + " 78" * 32),
        (lambda out: out.value().text("x" * 200), "b8 c8 01" + " 78" * 200),
        (lambda out: out.write("abc"), "c3 61 62 63"),
        (lambda out: out.write("é"), "c1 e9"),
        (lambda out: out.write("x" * 32), "b7 20" + " 78" * 32),
        (lambda out: out.write("12"), "ba 0c"),
        (lambda out: out.write(""), "c0"),
        (lambda out: out.write("2147483648"), "ca 32 31 34 37 34 38 33 36 34 38"),
        (lambda out: out.write("1x"), "c2 31 78"),
        (lambda out: out.write_event("say"), "b9 03 73 61 79"),
        (lambda out: out.write_event(77), "ba 4d"),
        (lambda out: out.write_event(300), "ba ac 02"),
        (lambda out: out.write_event(-1), "ba 80 00"),
        (lambda out: out.write_key(5), "bd a6 05 00 00 00"),
        (lambda out: out.comment("hello"), "be 05 68 65 6c 6c 6f"),
        (lambda out: out.padding(1), "8f"),
        (lambda out: out.padding(4), "8f 8f 8f 8f"),
        (lambda out: out.padding(5), "8e 00 00 00 00"),
        (lambda out: out.padding(7), "8e 02 00 00 00 00 00"),
        (lambda out: out.value().time(datetime.time(1, 2, 3)), "b2 08 30 31 3a 30 32 3a 30 33"),
        (lambda out: out.value().date(datetime.date(2024, 3, 5)), "b3 0a 32 30 32 34 2d 30 33 2d 30 35"),
        (
            lambda out: out.value().uuid(uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")),
            "a0 08 07 06 05 04 03 02 01 10 0f 0e 0d 0c 0b 0a 09",
        ),
        (lambda out: out.value().type_prefix("MyType").null(), "b6 06 4d 79 54 79 70 65 bb"),
        (lambda out: out.value().type_literal("String"), "bc 06 53 74 72 69 6e 67"),
        (lambda out: out.value().bytes(b"\1\2\3"), "80 04 8a 01 02 03"),
        (lambda out: out.value().bytes(b""), "80 01 8a"),
        (lambda out: out.value().bytes(bytes(300)), "81 2d 01 8a" + " 00" * 300),
        (lambda out: out.value().bytes(bytes(70000)), "82 71 11 01 00 8a" + " 00" * 70000),
        (lambda out: out.value().sequence([]), "82 00 00 00 00"),
        (lambda out: out.value().sequence(lambda o: o.int32(1).value().int32(2)), "82 04 00 00 00 a1 01 a1 02"),
        (lambda out: out.value().marshallable({"k": "v"}), "82 04 00 00 00 c1 6b e1 76"),
        (lambda out: out.value().map({"k": 1}), "82 08 00 00 00 b9 01 6b a6 01 00 00 00"),
        (lambda out: out.write("arr").int64_array(2), "c3 61 72 72 8f 8f 8f 8d 02" + " 00" * 31),
        (lambda out: out.write("v").int64_for_binding(5), "c1 76 8e 00 00 00 00 a7 05 00 00 00 00 00 00 00"),
    ],
)
def test_items_of_appendix_b(write: Callable[[WireWriter], object], encoded: str) -> None:
    assert written(write) == encoded


def test_documents_of_appendix_b() -> None:
    person = {"name": "bob", "age": 40}
    assert hexed(wire.encode_document(person)) == "c4 6e 61 6d 65 e3 62 6f 62 c3 61 67 65 a1 28"
    assert hexed(wire.encode_document(person, wire_type="FIELDLESS_BINARY")) == "e3 62 6f 62 a1 28"
    assert hexed(wire.encode_map({"k1": 1})) == "b9 02 6b 31 a6 01 00 00 00"
    assert hexed(wire.encode_event("say", "hi")) == "b9 03 73 61 79 e2 68 69"
    assert hexed(wire.encode_event("num", 7)) == "b9 03 6e 75 6d a1 07"
    assert hexed(wire.encode_event("dbl", 1.5)) == "b9 03 64 62 6c 92 96 01"
    assert hexed(wire.encode_event("two", "a", 3)) == "b9 03 74 77 6f 82 04 00 00 00 e1 61 a1 03"
    assert hexed(wire.encode_event(5, "id")) == "ba 05 e2 69 64"
    assert hexed(wire.encode_event("go")) == "b9 02 67 6f e0"
    history = wire.History(((7, 0x12345),), (1, 2))
    assert hexed(wire.encode_event("say", "hi", history=history)) == (
        "ba 80 00 81 1f 00 86 01 07 00 00 00 45 23 01 00 00 00 00 00 02 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00"
        " b9 03 73 61 79 e2 68 69"
    )


class Side(enum.Enum):
    BUY = 1


class JavaSide(enum.Enum):
    __wire_type__ = "pkg.Side"
    SELL = 2


@dataclasses.dataclass
class Leg:
    px: float
    qty: int


@dataclasses.dataclass
class Order:
    id: int
    leg: Leg
    legs: list[Leg]
    next: Order | None = None
    extra: Any = None
    marks: dict[str, int] = dataclasses.field(default_factory=dict)


wire.alias(Leg, "pkg.Leg")


def test_a_dataclass_is_an_object_and_a_declared_one_needs_no_type() -> None:
    leg = "c2 70 78 92 96 01 c3 71 74 79 a1 07"
    block = f"82 0c 00 00 00 {leg}"
    typed = f"b6 07 70 6b 67 2e 4c 65 67 {block}"
    one = Leg(1.5, 7)
    assert hexed(wire.encode_document(one)) == leg
    assert hexed(wire.encode(one)) == typed
    assert hexed(wire.encode_document({"l": one})) == f"c1 6c {typed}"
    assert hexed(wire.encode_document(Order(1, one, [one], extra=one, marks={"k": 1}))) == (
        f"c2 69 64 a1 01 c3 6c 65 67 {block} c4 6c 65 67 73 82 11 00 00 00 {block} c4 6e 65 78 74 bb"
        f" c5 65 78 74 72 61 {typed} c5 6d 61 72 6b 73 82 05 00 00 00 b9 01 6b a1 01"
    )


class JavaMapping(dict[str, int]):
    __wire_type__ = "pkg.Mapping"


@dataclasses.dataclass
class BigLeg(Leg):
    more: int = 0


def test_a_mapping_class_with_a_type_name_is_an_object() -> None:
    typed = "b6 0b 70 6b 67 2e 4d 61 70 70 69 6e 67 82 04 00 00 00 c1 61 a1 01"
    assert hexed(wire.encode(JavaMapping(a=1))) == typed
    assert hexed(wire.encode_document({"m": JavaMapping(a=1)})) == f"c1 6d {typed}"
    assert hexed(wire.encode_document(JavaMapping(a=1))) == "c1 61 a1 01"
    assert wire.alias_of(JavaMapping) == "pkg.Mapping"
    assert wire.alias_of(dict) is None
    assert (
        wire.encode(collections.OrderedDict(a=1))
        == wire.encode({"a": 1})
        == wire.encode(types.MappingProxyType({"a": 1}))
    )


def test_a_subclass_carries_a_type_where_its_base_is_declared() -> None:
    assert wire.alias_of(BigLeg) == "pkg.Leg"
    big = BigLeg(1.5, 7, 9)
    assert wire.encode_document(Order(1, big, [])).count(b"\xb6\x07pkg.Leg\x82") == 1
    wire.alias(BigLeg, "pkg.BigLeg")
    assert wire.encode_document(Order(1, big, [big])).count(b"\xb6\x0apkg.BigLeg\x82") == 2
    with pytest.raises(errors.WireError, match="empty"):
        wire.alias(BigLeg, "")


@dataclasses.dataclass
class Declared:
    names: set[str] = dataclasses.field(default_factory=set)
    pair: tuple[int, ...] = ()
    noted: Annotated[list[int], "a note"] = dataclasses.field(default_factory=list)
    either: int | str = 0
    boxed: list[Any] = dataclasses.field(default_factory=list)
    text: Sequence[str] = ()


def test_what_is_declared_decides_as_in_java() -> None:
    declared = Declared({"a"}, (1, 2), [3], "x", [4], "text")
    assert hexed(wire.encode_document(declared)) == (
        "c5 6e 61 6d 65 73 82 02 00 00 00 e1 61 c4 70 61 69 72 82 04 00 00 00 a1 01 a1 02"
        " c5 6e 6f 74 65 64 82 02 00 00 00 a1 03 c6 65 69 74 68 65 72 e1 78"
        " c5 62 6f 78 65 64 82 05 00 00 00 a6 04 00 00 00 c4 74 65 78 74 e4 74 65 78 74"
    )
    unresolved = dataclasses.make_dataclass("Unresolved", [("a", "no_such_name"), ("b", "int")])
    assert wire.encode_document(unresolved([1], 2)) == wire.encode_document({"a": [1], "b": 2})


def test_an_argument_is_an_object_a_list_one_of_boxed_items() -> None:
    assert wire.encode_event("e", [1]) == b"\xb9\x01e" + wire.encode([1])
    assert wire.encode_event("e", {"a": 1}) == b"\xb9\x01e\x82\4\0\0\0" + wire.encode_document({"a": 1})
    for declared in (dict, dict[str, int], Mapping[str, int]):
        encoder = encoding.encoder_of(declared, argument=True)
        assert encoding.event_payload("e", ({"a": 1},), (encoder,)).at(0) == b"\xb9\x01e" + wire.encode({"a": 1})


def test_enums_are_their_names_with_their_type_where_java_could_not_know_it() -> None:
    assert hexed(wire.encode(Side.BUY)) == "e3 42 55 59"
    assert hexed(wire.encode(JavaSide.SELL)) == "b6 08 70 6b 67 2e 53 69 64 65 e4 53 45 4c 4c"
    assert hexed(wire.encode_document({"s": JavaSide.SELL})) == "c1 73 e4 53 45 4c 4c"


def test_values_that_java_has_no_code_for_are_text() -> None:
    assert wire.encode(decimal.Decimal("12.50")) == wire.encode("12.50")
    assert wire.encode(decimal.Decimal("-0.00")) == wire.encode("0.00")
    assert wire.encode(decimal.Decimal("1E+30")) == wire.encode("1E+30")
    assert wire.encode(1 << 64) == wire.encode("18446744073709551616")
    assert wire.encode(datetime.timedelta(hours=-1, microseconds=1)) == wire.encode("PT-59M-59.999999S")


def test_the_value_types_are_written_as_they_were_read() -> None:
    assert hexed(wire.encode(wire.Typed("T", {"a": 1}))) == "b6 01 54 82 04 00 00 00 c1 61 a1 01"
    assert hexed(wire.encode(wire.Typed("!omap", {"a": 1}))) == (
        "b6 05 21 6f 6d 61 70 82 08 00 00 00 b9 01 61 a6 01 00 00 00"
    )
    assert hexed(wire.encode({1})) == "b6 04 21 73 65 74 82 05 00 00 00 a6 01 00 00 00"
    assert hexed(wire.encode(wire.Typed("LocalDate", "+12345-01-01"))) == "b3 0c " + b"+12345-01-01".hex(" ")
    assert hexed(wire.encode(wire.Opaque(b"\1\2"))) == "82 02 00 00 00 01 02"
    assert hexed(wire.encode(wire.TypeLiteral("String"))) == "bc 06 53 74 72 69 6e 67"
    assert hexed(wire.encode_document(wire.Pairs([("a", 1), ("a", 2)]))) == "c1 61 a1 01 c1 61 a1 02"
    slots = " 02" + " 00" * 7 + " 01" + " 00" * 7 + " 03" + " 00" * 15
    assert hexed(wire.encode(wire.LongArray([3], capacity=2))) == f"8e 02 00 00 00 00 00 8d{slots}"


def test_numpy_scalars_have_the_width_of_their_type() -> None:
    numpy = pytest.importorskip("numpy")
    assert hexed(wire.encode(numpy.int8(5))) == "a4 05"
    assert hexed(wire.encode(numpy.int16(5))) == "a5 05 00"
    assert hexed(wire.encode(numpy.int64(5))) == "a7 05" + " 00" * 7
    assert hexed(wire.encode(numpy.uint16(65535))) == "a6 ff ff 00 00"
    assert wire.encode(numpy.uint64((1 << 64) - 1)) == wire.encode((1 << 64) - 1)
    assert hexed(wire.encode(numpy.float32(0.1))) == "90 cd cc cc 3d"
    assert wire.encode(numpy.float64(0.1)) == wire.encode(0.1)
    assert hexed(wire.encode_document({"a": numpy.float32(0.1), "b": numpy.int64(5)})) == "c1 61 92 0a c1 62 a1 05"
    assert wire.encode(numpy.bool_(True)) == b"\xb1"
    assert wire.encode(numpy.str_("x")) == wire.encode("x")
    assert wire.encode(numpy.datetime64("2024-03-05")) == wire.encode(datetime.date(2024, 3, 5))
    assert wire.encode(numpy.datetime64("2024-03-05T01:02:03.123456789"))[2:] == b"2024-03-05T01:02:03.123456789"
    assert wire.encode(numpy.timedelta64(1500, "ms")) == wire.encode("PT1.5S")
    assert wire.encode(numpy.datetime64("2024-03-05T01")) == wire.encode(datetime.datetime(2024, 3, 5, 1))
    assert wire.encode(numpy.datetime64("NaT")) == wire.encode(numpy.timedelta64("NaT")) == b"\xbb"
    assert wire.encode(numpy.timedelta64(1 << 62, "h")) == wire.encode(
        f"PT{1 << 62}H"
    )  # NumPy itself would wrap around
    assert wire.encode(numpy.timedelta64(2, "25s")) == wire.encode("PT50S")
    for value in (
        numpy.datetime64("2024"),
        numpy.timedelta64(1, "M"),
        numpy.complex64(1),
        numpy.longdouble(1),
        numpy.zeros(2),
    ):
        with pytest.raises(errors.WireError):
            wire.encode(value)


CYCLE: list[Any] = []
CYCLE.append({"again": CYCLE})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, {"b c": object()}]}, "a[1]['b c']"),
        ({"a": {"b": 1j}}, "a.b"),
        ({"a": [decimal.Decimal("NaN")]}, "a[0]"),
        ({"a": datetime.time(1, tzinfo=datetime.timezone.utc)}, "a"),
        ({"a": wire.History(((1 << 31, 0),), ())}, "a"),
        ({"a": wire.History((("x", 0),), ())}, "a"),  # type: ignore[arg-type]
        ({"a": wire.History(((1,),), ())}, "a"),  # type: ignore[arg-type]
        ({"a": wire.History(((1, 2),) * 129, ())}, "a"),
        ({"a": wire.History((), (0,) * 256)}, "a"),
        ({"a": wire.LongArray([1 << 63])}, "a"),
        ({"a": wire.LongArray([1.5])}, "a"),  # type: ignore[list-item]
        ({"a": {"\u0141": 1}}, "a.\u0141"),
        ({"a": wire.LongArray([1, 2], capacity=1)}, "a"),
        ({"a": wire.Typed(5, 1)}, "a"),  # type: ignore[arg-type]
        ({"a": Order(1, Leg(1.0, {}), [])}, None),  # type: ignore[arg-type]
        ({"a": Order(1, Leg(1.0, object()), [])}, "a.leg.qty"),  # type: ignore[arg-type]
        ({"a": CYCLE}, "a[0].again[0]"),
        ({"a": iter(())}, "a"),
        ({"a": b""[0:0].decode}, "a"),
    ],
)
def test_what_wire_cannot_hold_is_refused_with_its_place(value: Any, place: str | None) -> None:
    for encode in (wire.encode, wire.encode_map, wire.encode_document, lambda v: wire.encode_event("e", v)):
        if place is None:
            encode(value)
            continue
        with pytest.raises(errors.WireError) as caught:
            encode(value)
        assert place in caught.value.message


def test_nesting_ends_at_the_limit() -> None:
    value: Any = 1
    for _ in range(scalars.MAX_DEPTH):
        value = [value]
    assert wire.encode(value)
    with pytest.raises(errors.WireError, match="within blocks"):
        wire.encode([value])


@pytest.mark.parametrize("value", [5, "text", None, [1], b"x", Order])
def test_a_document_has_fields(value: object) -> None:
    with pytest.raises(errors.WireError, match="a document is a mapping"):
        wire.encode_document(value)


def test_other_wire_types_are_refused() -> None:
    for wire_type in ("TEXT", "JSON", "RAW", "binary"):
        with pytest.raises(errors.WireError, match="not as"):
            wire.encode({}, wire_type=wire_type)
        with pytest.raises(errors.WireError, match="not as"):
            WireWriter(wire_type)


@pytest.mark.parametrize(
    "write",
    [
        lambda out: out.int8(128),
        lambda out: out.uint8(-1),
        lambda out: out.int16(32768),
        lambda out: out.uint16(65536),
        lambda out: out.int32(1 << 31),
        lambda out: out.uint32(1 << 32),
        lambda out: out.int64(1 << 63),
        lambda out: out.int64(1.0),
        lambda out: out.fixed_int8(200),
        lambda out: out.int64_0x(1 << 63),
        lambda out: out.float32(1e39),
        lambda out: out.fixed_float32(1e39),
        lambda out: out.bool(2),
        lambda out: out.text(b"x"),
        lambda out: out.bytes("x"),
        lambda out: out.bytes_store(5),
        lambda out: out.bytes_marshallable("x"),
        lambda out: out.float64("x"),
        lambda out: out.float32([]),
        lambda out: out.fixed_float64(None),
        lambda out: out.date("2024-03-05"),
        lambda out: out.date_time(datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)),
        lambda out: out.zoned_date_time(datetime.datetime(2024, 1, 1)),
        lambda out: out.uuid("x"),
        lambda out: out.map([1]),
        lambda out: out.object([1, object()]),
        lambda out: out.type_prefix("T").object(object()),
        lambda out: out.type_prefix(5),
        lambda out: out.sequence([1, [object()]]),
        lambda out: out.sequence(lambda inner: inner.int8(1000)),
        lambda out: out.marshallable({"a": object()}),
        lambda out: out.marshallable(lambda inner: inner.write("a").int8(1000)),
        lambda out: out.int32_for_binding(1 << 31),
        lambda out: out.int64_for_binding(1 << 63),
        lambda out: out.int64_array(-1),
        lambda out: out.int64_array(1, [1, 2]),
    ],
)
def test_a_refused_value_leaves_nothing_not_even_its_name(write: Callable[[wire.ValueWriter], object]) -> None:
    out = WireWriter()
    out.write("before").int32(1)
    before = out.to_bytes()
    with pytest.raises(errors.WireError):
        write(out.write("name"))
    assert out.to_bytes() == before
    out.write("after").int64_for_binding(2)
    again = WireWriter()
    again.write("before").int32(1).write("after").int64_for_binding(2)
    assert out.to_bytes() == again.to_bytes()


def test_blocks_are_with_blocks_too() -> None:
    out = WireWriter()
    with out.write("legs").sequence() as legs:
        for px in (1.5, 2.5):
            with legs.marshallable() as leg:
                leg.write("px").float64(px)
        with pytest.raises(errors.WireError, match="not ended"):
            out.to_bytes()
    assert out.to_bytes() == wire.encode_document({"legs": [{"px": 1.5}, {"px": 2.5}]})


def test_the_bytes_are_aligned_for_wherever_the_payload_will_begin() -> None:
    out = WireWriter()
    out.write("a").int32_for_binding(1)
    with out.write("block").marshallable() as block:
        block.write("b").int64_for_binding(2).write("text").text("x")
        with block.write("inner").marshallable() as inner:
            inner.write("c").int128_for_binding(3, 4)
        block.write("d").int64_array(2, [5])
    payload = out.payload()
    assert payload.alignment == 16
    for start, form in enumerate(payload.forms()):
        at = form.index(b"\xa6\x01\0\0\0")
        assert (start + at + 1) % 4 == 0
        at = form.index(b"\xa7\x02" + bytes(7))
        assert (start + at + 1) % 8 == 0
        at = form.index(b"\x8d\x02" + bytes(7) + b"\x02")
        assert (start + at + 1) % 16 == 0
        at = form.index(b"\x8d\x02" + bytes(7) + b"\x01")
        assert (start + at + 1) % 8 == 0
        block_at = form.index(b"\xc5block") + 6
        assert block_at + 5 + int.from_bytes(form[block_at + 1 : block_at + 5], "little") == len(form)
        inner_at = form.index(b"\xc5inner") + 6
        inner_end = inner_at + 5 + int.from_bytes(form[inner_at + 1 : inner_at + 5], "little")
        assert form[inner_end : inner_end + 2] == b"\xc1d"


def test_a_name_is_not_kept_for_ever() -> None:
    before = len(scalars.name)
    for number in range(40_000):
        assert scalars.name[f"n{number}"] == bytes((0xC0 + len(f"n{number}"),)) + f"n{number}".encode()
    assert before <= len(scalars.name) <= 1 << 14


def test_sequences_and_buffers_of_the_standard_library() -> None:
    numbers = array.array("i", [1, 2])
    assert (
        wire.encode(numbers)
        == wire.encode([1, 2])
        == wire.encode(range(1, 3))
        == wire.encode(collections.deque((1, 2)))
    )
    assert wire.encode(memoryview(numbers)) == wire.encode(b"\1\0\0\0\2\0\0\0") == wire.encode(bytearray(numbers))


def test_the_sign_of_zero_and_a_large_double_are_lost_as_in_java() -> None:
    assert wire.encode_document({"a": -0.0}) == wire.encode_document({"a": 0})
    assert wire.encode_document({"a": 2.0**63}) == wire.encode_document({"a": (1 << 63) - 1})
    assert math.copysign(1, -0.0) == -1
