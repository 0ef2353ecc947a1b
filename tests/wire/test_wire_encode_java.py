"""Our bytes against Java's: every rule for a scalar in bulk, values of any shape, calls, DTOs, whole roll files."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import random
import struct
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import java_words as words
import pytest
from fix_java import WirePeer

import pychronix as px
from pychronix import errors, wire
from pychronix.wire import WireWriter, encoding

T0 = 1_700_000_000_000
READERS = ("5.19.76", "5.26ea7", "2026.4")


@pytest.fixture
def writer(wire_peer: Callable[..., WirePeer]) -> WirePeer:
    return wire_peer("Writer")


def java_writes(writer: WirePeer, programs: Sequence[str], verb: str = "items", **fields: object) -> list[str]:
    """The payload, in hex, of each program."""
    found: list[str] = []
    for start in range(0, len(programs), 500):
        chunk = "\n".join(programs[start : start + 500])
        found += [row[0] for row in writer.rows(verb, programs=chunk, **fields)]
    return found


def check(writer: WirePeer, programs: Sequence[str], ours: Sequence[bytes], **fields: object) -> None:
    java = java_writes(writer, programs, **fields)
    wrong = [
        f"{program}: java {theirs}, we {mine.hex() or '-'}"
        for program, theirs, mine in zip(programs, java, ours, strict=True)
        if theirs != (mine.hex() or "-")
    ]
    assert not wrong, f"{len(wrong)} of {len(programs)}: " + "; ".join(wrong[:10])


def written(write: Callable[[WireWriter], object], wire_type: str = "BINARY_LIGHT") -> bytes:
    out = WireWriter(wire_type)
    write(out)
    return out.to_bytes()


# --- scalars ---------------------------------------------------------------------------------------------------------


def integers(bits: int, signed: bool, count: int = 1500) -> list[int]:
    """Integers of a width: the edges of all widths, and as many random ones of every size."""
    chance = random.Random(bits)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    edges = {0, 1, 2, low, high, low + 1, high - 1}
    for power in range(65):
        edges |= {sign * ((1 << power) + near) for sign in (-1, 1) for near in (-1, 0, 1)}
    found = {number for number in edges if low <= number <= high}
    for _ in range(count):
        number = chance.getrandbits(chance.randint(1, bits)) * chance.choice((-1, 1) if signed else (1,))
        # Every other one fits a 32-bit float, as Java asks.
        number = number >> 24 << 24 if chance.random() < 0.2 else number
        found.add(max(low, min(high, number)))
    return sorted(found)


@pytest.mark.parametrize(
    ("method", "bits", "signed"),
    [
        ("int8", 8, True),
        ("int16", 16, True),
        ("int32", 32, True),
        ("int64", 64, True),
        ("uint8", 8, False),
        ("uint16", 16, False),
        ("uint32", 32, False),
    ],
)
def test_integers(writer: WirePeer, method: str, bits: int, signed: bool) -> None:
    numbers = integers(bits, signed)
    ours = [written(lambda out, n=number: getattr(out.value(), method)(n)) for number in numbers]
    check(writer, [f"value {method} {number}" for number in numbers], ours)
    if method == "int64":
        assert ours == [wire.encode_document({"": number})[1:] for number in numbers]
        check(
            writer,
            [f"value hex64 {n}" for n in numbers],
            [written(lambda out, n=n: out.value().int64_0x(n)) for n in numbers],
        )


def doubles() -> list[float]:
    """Doubles around every edge of the rules: decimals of two, four and six places, 32-bit floats, integers, the rest."""
    chance = random.Random(64)
    found = [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 3.4028234663852886e38, 3.5e38]
    found += [1e-7, 1e15, 1e16, 1e22, 0.1 + 0.2, 2.5e-6, 0.0000005, 0.00000049999999]
    for power in range(-160, 161, 3):
        found += [math.ldexp(1.0, power), math.ldexp(1.0000001, power)]
    for power in (7, 8, 15, 16, 24, 31, 32, 33, 53, 62, 63, 64):
        found += [float((1 << power) + near) for near in (-1, 0, 1)]
    for scale in (1, 2, 3, 4, 5, 6, 7):
        for bits in (6, 13, 14, 20, 21, 27, 34, 35, 41, 42, 48):
            found += [(chance.getrandbits(bits) + near) / 10**scale for near in (0, 1, 2) for _ in range(3)]
            found += [((1 << bits) + near) / 10**scale for near in (-2, -1, 0, 1, 2)]
    for limit in (34359.738368, 4398046.511104, 0.016384, 2.097152):
        found += [limit + near * step for step in (1e-6, 1e-4, 1e-2, 0.5) for near in range(-30, 31)]
        found += [round(limit + near * 0.01, places) for near in range(-30, 31) for places in (2, 4, 6)]
    for _ in range(800):
        found.append(struct.unpack("<f", struct.pack("<I", chance.getrandbits(32)))[0])
        found.append(struct.unpack("<d", struct.pack("<Q", chance.getrandbits(64)))[0])
        found.append(chance.uniform(-1e5, 1e5))
        found.append(round(chance.uniform(-1e6, 1e6), chance.randint(0, 7)))
    found = [number for number in found if number == number] + [
        math.nan
    ]  # one NaN: Java keeps no others' payloads apart
    return found + [-number for number in found if number == number]


def test_doubles(writer: WirePeer) -> None:
    numbers = doubles()
    ours = [written(lambda out, n=number: out.value().float64(n)) for number in numbers]
    check(writer, [f"value float64 {words.double(number)}" for number in numbers], ours)
    assert ours == [wire.encode_document({"": number})[1:] for number in numbers]
    check(writer, [f"value object D {words.double(number)}" for number in numbers], [wire.encode(n) for n in numbers])


def test_floats(writer: WirePeer) -> None:
    numpy = pytest.importorskip("numpy")
    numbers = [number for number in doubles() if not math.isfinite(number) or abs(number) < 3.4e38]
    numbers += [number / 10**6 for number in range(-20000, 20000, 37)]
    ours = [written(lambda out, n=number: out.value().float32(n)) for number in numbers]
    check(writer, [f"value float32 {words.single(number)}" for number in numbers], ours)
    assert ours == [wire.encode_document({"": numpy.float32(number)})[1:] for number in numbers]
    boxed = [f"value object F {words.single(number)}" for number in numbers]
    check(writer, boxed, [wire.encode(numpy.float32(number)) for number in numbers])
    check(writer, boxed, [written(lambda out, n=number: out.value().fixed_float32(n)) for number in numbers])


def texts() -> list[str]:
    chance = random.Random(8)
    found = ["", "A", "a\0b", "\0", "€é", "\U0001f600", "\ud800", "\udc00x", "\x7f\x80\u07ff\u0800\uffff"]
    found += ["x" * count for count in (30, 31, 32, 33, 126, 127, 128, 129, 200, 16383, 16384, 70000)]
    found += ["é" * count for count in (14, 15, 16, 17, 31, 32, 33, 63, 64)]
    found += ["€" * count for count in (10, 11, 12, 31, 32)] + ["\U0001f600" * count for count in (5, 6, 15, 16)]
    alphabet = "ab0 \0\x7f\x80\xff\u0100\u07ff\u0800\ud7ff\ud800\udfff\uffff\U00010000\U0010ffff"
    return found + ["".join(chance.choices(alphabet, k=chance.randint(1, 40))) for _ in range(600)]


def test_texts(writer: WirePeer) -> None:
    found = texts()
    ours = [written(lambda out, t=text: out.value().text(t)) for text in found]
    check(writer, [f"value text {words.text(text)}" for text in found], ours)
    assert ours == [wire.encode(text) for text in found]
    check(writer, [f"value object T {words.text(text)}" for text in found], ours)
    check(
        writer,
        [f"comment {words.text(text)}" for text in found],
        [written(lambda o, t=text: o.comment(t)) for text in found],
    )
    names = [f"value prefix {words.text(text)} null value literal {words.text(text)}" for text in found]
    check(
        writer,
        names,
        [written(lambda o, t=text: o.value().type_prefix(t).null().value().type_literal(t)) for text in found],
    )


def test_names(writer: WirePeer) -> None:
    found = [text for text in texts() if all(character <= "\xff" for character in text)] + [
        "0",
        "7",
        "12",
        "007",
        "2147483647",
        "2147483648",
        "99999999999",
        "1x",
        "-1",
        "+1",
        "1_0",
        "1 ",
        " 1",
    ]
    found += [
        "".join(map(chr, range(0x60, 0x7F))),
        "".join(map(chr, range(0xC0, 0xE0))),
        "\xb2",
        "1\xb2",
        "9" * 31,
        "0" * 30 + "5",
        "0" * 31,
        "0" * 32,
        "1" * 40,
    ]
    ours = [written(lambda out, t=text: out.write(t).null()) for text in found]
    check(writer, [f"write {words.text(text)} null" for text in found], ours)
    assert ours == [wire.encode_document({text: None}) for text in found]
    events = [written(lambda out, t=text: out.write_event(t).null()) for text in found]
    check(writer, [f"event {words.text(text)} null" for text in found], events)
    assert events == [wire.encode_map({text: None}) for text in found]
    numbers = integers(32, True, 300)
    check(
        writer,
        [f"id {number} null" for number in numbers],
        [written(lambda out, n=number: out.write_event(n).null()) for number in numbers],
    )


def test_bytes(writer: WirePeer) -> None:
    found = [bytes(count) for count in (0, 1, 2, 127, 253, 254, 255, 256, 257, 65533, 65534, 65535, 65536, 70000)]
    found += [bytes(range(256))]
    ours = [written(lambda out, b=raw: out.value().bytes(b)) for raw in found]
    check(writer, [f"value bytes {words.raw(raw)}" for raw in found], ours)
    check(writer, [f"value store {words.raw(raw)}" for raw in found], ours)
    assert ours == [wire.encode_document({"": raw})[1:] for raw in found]
    check(writer, [f"value object X {words.raw(raw)}" for raw in found], [wire.encode(raw) for raw in found])
    typed = [written(lambda out, b=raw: out.value().bytes(b, "byte[]")) for raw in found]
    assert typed == [wire.encode(raw) for raw in found]


def moments() -> list[datetime.datetime]:
    chance = random.Random(24)
    found = [
        datetime.datetime(1, 1, 1),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime.datetime(2024, 3, 5, 1),
    ]
    for _ in range(300):
        found.append(
            datetime.datetime(
                chance.randint(1, 9999), chance.randint(1, 12), chance.randint(1, 28), chance.randint(0, 23)
            )
            + datetime.timedelta(minutes=chance.randint(0, 59))
            + datetime.timedelta(seconds=chance.choice((0, 0, chance.randint(0, 59))))
            + datetime.timedelta(
                microseconds=chance.choice((0, 0, 1000 * chance.randint(0, 999), chance.randint(0, 999999)))
            )
        )
    return found


def test_times(writer: WirePeer) -> None:
    zones = [
        ZoneInfo("Europe/London"),
        ZoneInfo("America/New_York"),
        ZoneInfo("UTC"),
        datetime.timezone.utc,
        datetime.timezone(datetime.timedelta(hours=5, minutes=45)),
        datetime.timezone(-datetime.timedelta(hours=3)),
        datetime.timezone(datetime.timedelta(hours=1, seconds=30)),
    ]
    found: list[Any] = []
    for number, moment in enumerate(moments()):
        found += [moment, moment.date(), moment.time()]
        if moment.year > 1970:
            found.append(moment.replace(tzinfo=zones[number % len(zones)]))
    check(writer, [f"value object {words.boxed(value)}" for value in found], [wire.encode(value) for value in found])
    check(writer, [f"value object {words.boxed(v)}" for v in found], [wire.encode_document({"": v})[1:] for v in found])


def test_durations_decimals_large_integers_and_uuids(writer: WirePeer) -> None:
    chance = random.Random(30)
    found: list[Any] = [uuid.UUID(int=chance.getrandbits(128)) for _ in range(50)]
    found += [1 << 63, -(1 << 63) - 1, 10**30, -(10**40)]
    found += [
        datetime.timedelta(microseconds=micros) for micros in (0, 1, -1, 999_999, -999_999, 1_000_000, -1_000_000)
    ]
    found += [
        datetime.timedelta(
            seconds=chance.choice((0, chance.randint(-(10**6), 10**6))), microseconds=chance.randint(-(10**7), 10**7)
        )
        for _ in range(300)
    ]
    found += [
        decimal.Decimal(text)
        for text in ("0", "0.00", "1E+3", "-1E-7", "0.000001", "0.0000001", "12.50", "1E+30", "0E+3")
    ]
    found += [decimal.Decimal(chance.randint(-(10**9), 10**9)).scaleb(chance.randint(-25, 25)) for _ in range(300)]
    check(writer, [f"value object {words.boxed(value)}" for value in found], [wire.encode(value) for value in found])


def test_numpy_scalars_are_javas_boxes(writer: WirePeer) -> None:
    numpy = pytest.importorskip("numpy")
    for number in (-128, -1, 0, 1, 127):
        for kind, box in (("int8", "B"), ("int16", "S"), ("int32", "I"), ("int64", "L")):
            check(writer, [f"value object {box} {number}"], [wire.encode(getattr(numpy, kind)(number))])


# --- shapes ----------------------------------------------------------------------------------------------------------


def values(chance: random.Random, depth: int) -> Any:
    """A value of any kind that both sides can hold."""
    if depth and chance.random() < 0.5:
        count = chance.choice((0, 1, 2, 3, 5))
        if chance.random() < 0.5:
            return [values(chance, depth - 1) for _ in range(count)]
        return {scalar_key(chance): values(chance, depth - 1) for _ in range(count)}
    return chance.choice(
        (
            None,
            True,
            False,
            chance.randint(-300, 70000),
            chance.getrandbits(63),
            -chance.getrandbits(40),
            chance.random(),
            float(chance.randint(-70000, 70000)),
            round(chance.uniform(-1e4, 1e4), 2),
            "text",
            "é" * chance.randint(0, 40),
            b"bytes" * chance.randint(0, 60),
            datetime.date(2024, 3, 5),
            datetime.time(1, 2, 3),
            datetime.datetime(2024, 1, 2, 3, 4),
            datetime.datetime(2024, 6, 7, 8, 9, tzinfo=ZoneInfo("Europe/Berlin")),
            uuid.UUID(int=chance.getrandbits(128)),
        )
    )


def scalar_key(chance: random.Random) -> Any:
    return chance.choice(("a", "name", "12", "é", "k" * 40, chance.randint(-5, 500), chance.random(), True, None))


def test_objects_and_maps_of_any_shape(writer: WirePeer) -> None:
    chance = random.Random(1)
    found = [values(chance, 4) for _ in range(1500)]
    check(writer, [f"value object {words.boxed(value)}" for value in found], [wire.encode(value) for value in found])
    sets = [set(chance.sample(range(10**6), count)) for count in (0, 1, 2, 5, 40)]
    check(writer, [f"value object {words.boxed(value)}" for value in sets], [wire.encode(value) for value in sets])
    check(
        writer,
        [f"value object dynamic ( {words.fields({'s': value})} )" for value in sets],
        [
            utf8_prefix("pychronix.peer.wire.Writer$Dynamic", wire.encode_document({"": {"s": value}})[1:])
            for value in sets
        ],
    )


def utf8_prefix(type_name: str, value: bytes) -> bytes:
    return b"\xb6" + bytes((len(type_name),)) + type_name.encode() + value


def test_documents_of_any_shape(writer: WirePeer) -> None:
    chance = random.Random(2)
    found = [{f"f{i}": values(chance, 3) for i in range(chance.randint(0, 6))} for _ in range(1000)]
    for wire_type in ("BINARY_LIGHT", "BINARY", "FIELDLESS_BINARY", "COMPRESSED_BINARY"):
        check(
            writer,
            [words.fields(document) for document in found],
            [wire.encode_document(document, wire_type=wire_type) for document in found],
            wire=wire_type,
        )


def test_values_with_a_type(writer: WirePeer) -> None:
    java = [
        "value object set [ I 1 T 0041 null ]",
        "value object sorted [ I 1 I 2 ]",
        "value object tree { T 0061 I 1 }",
        "value object bits [ 5 -1 ]",
        "value object ints [ 1 -1 70000 ]",
        "value object longs [ 5 4294967296 ]",
        "value object SIDE BUY",
        "value object CLS java.lang.String",
        "value object INS 2024-03-05T01:02:03Z",
        f"value object LEG {words.double(1.5)} 7",
        "value object texts [ T 0041 ]",
    ]
    typed = wire.Typed
    ours = [
        typed("!set", [1, "A", None]),
        typed("!oset", [1, 2]),
        typed("!omap", {"a": 1}),
        typed("!bitset", [5, -1]),
        typed("int[]", [1, -1, 70000]),
        typed("long[]", [5, 1 << 32]),
        typed("pychronix.peer.wire.Writer$Side", "BUY"),
        wire.TypeLiteral("String"),
        typed("java.time.Instant", "2024-03-05T01:02:03Z"),
        typed("pychronix.peer.wire.Writer$Leg", {"px": 1.5, "qty": 7}),
        ["A"],
    ]
    check(writer, java, [wire.encode(value) for value in ours])


def test_bound_values_padding_and_blocks(writer: WirePeer) -> None:
    programs, ours = [], []
    for shift in range(17):
        out = WireWriter()
        out.padding(shift).write("n").int64_for_binding(-5)
        with out.write("inner").marshallable() as inner:
            inner.write("i").int32_for_binding(6).write("a").int64_array(3)
            with inner.write("s").sequence() as items:
                items.int64_for_binding(1)
                items.text("x")
                items.int128_for_binding(1, 2)
        out.write("t").text("after")
        ours.append(out.to_bytes())
        programs.append(
            f"padding {shift} write 006e bind64 -5 write {words.text('inner')} marshallable ( write 0069 bind32 6"
            " write 0061 array 3 write 0073 sequence ( bind64 1 text 0078 bind128 1 2 ) )"
            f" write 0074 text {words.text('after')}"
        )
    check(writer, programs, ours)


def random_items(chance: random.Random, out: WireWriter, depth: int) -> str:
    """Writes a few random items; returns the words that have Java do the same."""
    found = []
    for _ in range(chance.randint(0, 5)):
        name = chance.choice(("a", "name", "42", "é", "long" * 9, ""))
        kind = chance.randrange(7)
        if kind == 0:
            count = chance.randint(0, 40)
            out.padding(count)
            found.append(f"padding {count}")
            continue
        if kind == 1:
            out.comment(name)
            found.append(f"comment {words.text(name)}")
            continue
        if kind == 2:
            number = chance.randint(0, 1 << 20)
            found.append(f"id {number} {random_value(chance, out.write_event(number), depth)}")
        elif kind == 3:
            found.append(f"event {words.text(name)} {random_value(chance, out.write_event(name), depth)}")
        elif kind == 4:
            found.append(f"value {random_value(chance, out.value(), depth)}")
        else:
            found.append(f"write {words.text(name)} {random_value(chance, out.write(name), depth)}")
    return " ".join(found)


def random_value(chance: random.Random, out: wire.ValueWriter, depth: int) -> str:
    kind = chance.randrange(11 if depth else 9)
    number = chance.getrandbits(chance.randint(1, 31))
    if kind == 0:
        out.int64_for_binding(number)
        return f"bind64 {number}"
    if kind == 1:
        out.int32_for_binding(number)
        return f"bind32 {number}"
    if kind == 2:
        out.int128_for_binding(number, -number)
        return f"bind128 {number} -{number}"
    if kind == 3:
        out.int64_array(number % 5)
        return f"array {number % 5}"
    if kind == 4:
        out.int32(number)
        return f"int32 {number}"
    if kind == 5:
        out.text("é" * (number % 40))
        return f"text {words.text('é' * (number % 40))}"
    if kind == 6:
        value = values(chance, 2)
        out.object(value)
        return f"object {words.boxed(value)}"
    if kind == 7:
        return f"prefix {words.text('pkg.Type')} {random_value(chance, out.type_prefix('pkg.Type'), depth)}"
    if kind == 8:
        mapping = {f"k{i}": values(chance, 1) for i in range(number % 4)}
        out.map(mapping)
        return f"map {words.boxed(mapping)}"
    if kind == 9:
        with out.sequence() as items:
            return f"sequence ( {' '.join(random_value(chance, items, depth - 1) for _ in range(number % 5))} )"
    with out.marshallable() as inner:
        return f"marshallable ( {random_items(chance, inner, depth - 1)} )"


@pytest.mark.parametrize("wire_type", ["BINARY_LIGHT", "FIELDLESS_BINARY"])
def test_documents_written_item_by_item(writer: WirePeer, wire_type: str) -> None:
    chance = random.Random(77)
    programs, ours = [], []
    for _ in range(1500):
        out = WireWriter(wire_type)
        programs.append(random_items(chance, out, 4))
        ours.append(out.to_bytes())
    check(writer, programs, ours, wire=wire_type)


def test_compressed_binary_compresses_a_store_of_bytes(writer: WirePeer) -> None:
    found = [b"a" * count for count in (0, 63, 64, 127, 128, 129, 1000, 100_000)] + [random.Random(9).randbytes(300)]
    for method, word in (("bytes_store", "store"), ("bytes", "bytes")):
        check(
            writer,
            [f"value {word} {words.raw(raw)}" for raw in found],
            [written(lambda out, b=raw, m=method: getattr(out.value(), m)(b), "COMPRESSED_BINARY") for raw in found],
            wire="COMPRESSED_BINARY",
        )


# --- calls -----------------------------------------------------------------------------------------------------------


class Side(enum.Enum):
    __wire_type__ = "pychronix.peer.wire.Writer$Side"
    BUY = 0
    SELL = 1


@dataclasses.dataclass
class Leg:
    px: float
    qty: int


def declared(name: str, hint: Any, value: object) -> bytes:
    """A call of a method whose one argument is declared so."""
    return encoding.event_payload(name, (value,), (encoding.encoder_of(hint, argument=True),)).at(0)


def test_calls_of_methods(writer: WirePeer) -> None:
    leg = f"LEG {words.double(1.5)} 7"
    calls: list[tuple[str, bytes]] = [
        ("none", wire.encode_event("none")),
        ("say T 00680069", wire.encode_event("say", "hi")),
        ("say null", wire.encode_event("say", None)),
        ("flag Z 1", wire.encode_event("flag", True)),
        ("side SIDE SELL", wire.encode_event("side", Side.SELL)),
        (f"leg {leg}", wire.encode_event("leg", Leg(1.5, 7))),
        (f"leg {leg}", wire.encode_event("leg", {"px": 1.5, "qty": 7})),
        (f"any {leg}", wire.encode_event("any", wire.Typed("pychronix.peer.wire.Writer$Leg", {"px": 1.5, "qty": 7}))),
        ("raw X 010203", wire.encode_event("raw", b"\1\2\3")),
        ("two T 0061 I 3", wire.encode_event("two", "a", 3)),
        (f"three T 0061 L 4294967296 D {words.double(0.1)}", wire.encode_event("three", "a", 1 << 32, 0.1)),
        (f"legs {leg} {leg}", wire.encode_event("legs", Leg(1.5, 7), {"px": 1.5, "qty": 7})),
    ]
    numbers = [1, "a", None, 1.5, b"x", [2], {"k": 3}]
    calls += [
        (f"list {words.items(numbers)}", wire.encode_event("list", numbers)),
        ("list [ ]", wire.encode_event("list", ())),
        (
            f"list [ {leg} ]",
            wire.encode_event("list", [wire.Typed("pychronix.peer.wire.Writer$Leg", {"px": 1.5, "qty": 7})]),
        ),
        (f"map {words.boxed({'k': 1})}", declared("map", dict[str, int], {"k": 1})),
        (f"map {words.boxed({'k': 1})}", declared("map", dict, {"k": 1})),
        (f"list {words.items(numbers)}", declared("list", list[int], numbers)),
        ("list null", declared("list", list[int] | None, None)),
        ("any I 5", declared("any", Any, 5)),
        (f"any {words.boxed({'k': 1})}", declared("any", object, {"k": 1})),
        ("any set [ I 1 ]", declared("any", set[int], {1})),
        (f"leg {leg}", declared("leg", Leg, Leg(1.5, 7))),
        ("leg null", declared("leg", Leg | None, None)),
    ]
    calls += [(f"num I {number}", wire.encode_event("num", number)) for number in integers(32, True, 50)]
    calls += [(f"lng L {number}", wire.encode_event("lng", number)) for number in integers(64, True, 50)]
    calls += [(f"dbl D {words.double(number)}", wire.encode_event("dbl", number)) for number in doubles()[::40]]
    check(writer, [program for program, _ in calls], [ours for _, ours in calls], verb="calls")


# --- a DTO of Java's -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class AllFields:
    """Writer.AllFields: with its fields declared, it is written just as Java's."""

    flag: bool
    int8: int
    int16: int
    letter: str
    int32: int
    int64: int
    float32: Any  # numpy.float32, or what it is to be written as
    float64: float
    text: str | None
    bytes: bytes
    side: Side
    date: datetime.date
    time: datetime.time
    dateTime: datetime.datetime
    zoned: datetime.datetime
    uuid: uuid.UUID
    decimal: decimal.Decimal
    integer: int
    duration: datetime.timedelta
    leg: Leg
    legs: list[Leg]
    texts: list[str]
    longs: list[int]
    ints: list[int]
    counts: dict[str, int]
    anything: Any
    type: wire.TypeLiteral


def all_fields(seed: int) -> AllFields:
    """A value of each field, random where it may be."""
    numpy = pytest.importorskip("numpy")
    chance = random.Random(seed)
    return AllFields(
        flag=chance.random() < 0.5,
        int8=chance.randint(-128, 127),
        int16=chance.randint(-32768, 32767),
        letter="é",
        int32=chance.randint(-(1 << 31), (1 << 31) - 1),
        int64=chance.getrandbits(63) - (1 << 62),
        float32=numpy.float32(chance.uniform(-1e9, 1e9)),
        float64=chance.uniform(-1e9, 1e9),
        text=chance.choice(("text", "", None, "é€\U0001f600")),
        bytes=chance.randbytes(chance.choice((0, 3, 300))),
        side=Side.SELL,
        date=datetime.date(2024, 3, 5),
        time=datetime.time(1, 2, 3),
        dateTime=datetime.datetime(2024, 3, 5, 1, 2, 3),
        zoned=datetime.datetime(2024, 7, 5, 1, tzinfo=ZoneInfo("Europe/Paris")),
        uuid=uuid.UUID(int=chance.getrandbits(128)),
        decimal=decimal.Decimal("12.50"),
        integer=10**30,
        duration=datetime.timedelta(hours=1, seconds=2),
        leg=Leg(1.5, 7),
        legs=[Leg(2.25, chance.randint(0, 9)) for _ in range(2)],
        texts=["a", "", "c"],
        longs=[1, 1 << 40, -5],
        ints=[1, 300, -70000],
        counts={"k1": 1},
        anything=chance.choice((None, 5, "text", 1.5, [1, "a"], {"k": 1})),
        type=wire.TypeLiteral("String"),
    )


def test_java_reads_a_dto_of_every_kind_of_field_and_writes_the_same(wire_peer: Callable[..., WirePeer]) -> None:
    for release in READERS:
        writer = wire_peer("Writer", release=release)
        for seed in range(20):
            document = readable(all_fields(seed), release)
            ours = wire.encode_document(document)
            # As a mapping, whose counts are an object: another encoding, that Java reads as the same.
            other = wire.encode_document(dataclasses.asdict(document))
            for data in (ours, other):
                answer = writer.ask("dto", data=data)
                check_fields(answer, document)
                if release == "2026.4":
                    assert answer["data"] == ours.hex()


def readable(document: AllFields, release: str) -> AllFields:
    """The document without what that release cannot read; older ones lose their way after a text beyond Latin-1."""
    if release == "2026.4":
        return document
    text = document.text if document.text and document.text.isascii() else ""
    unread = ("uuid",) if release == "5.26ea7" else ("bytes", "uuid", "duration", "ints")
    return dataclasses.replace(document, text=text, **dict.fromkeys(unread))


def check_fields(answer: dict[str, str], document: AllFields) -> None:
    """What Java has in its fields is what was written."""
    assert answer["flag"] == str(document.flag).lower()
    for name in ("int8", "int16", "int32", "int64"):
        assert int(answer[name]) == getattr(document, name)
    assert int(answer["letter"]) == ord("é")
    assert answer["float32"].zfill(8) == words.single(float(document.float32))
    assert answer["float64"].zfill(16) == words.double(document.float64)
    assert answer["text"] == ("null" if document.text is None else document.text)
    assert answer["bytes"] == ("null" if document.bytes is None else words.raw(document.bytes))
    assert answer["side"] == "SELL"
    assert (answer["date"], answer["time"], answer["dateTime"]) == ("2024-03-05", "01:02:03", "2024-03-05T01:02:03")
    assert answer["zoned"] == "2024-07-05T01:00+02:00[Europe/Paris]"
    assert answer["uuid"] == ("null" if document.uuid is None else str(document.uuid))
    assert (answer["decimal"], answer["integer"]) == ("12.50", str(10**30))
    assert answer["duration"] == ("null" if document.duration is None else "PT1H2S")
    assert answer["leg"] == "1.5 7"
    assert answer["legs"] == "".join(f"2.25 {leg.qty};" for leg in document.legs)
    assert answer["texts"] == "a||c"
    assert answer["longs"] == f"[1, {1 << 40}, -5]"
    assert answer["ints"] == ("null" if document.ints is None else "[1, 300, -70000]")
    assert answer["counts"] == "{k1=1}"
    shown = {None: "null", 5: "java.lang.Integer 5", "text": "java.lang.String text", 1.5: "java.lang.Double 1.5"}
    if isinstance(document.anything, list | dict):
        assert answer["anything"].endswith("[1, a]" if isinstance(document.anything, list) else "{k=1}")
    else:
        assert answer["anything"] == shown[document.anything]
    assert answer["type"] == "class java.lang.String"


@pytest.mark.parametrize("release", READERS)
def test_java_reads_our_queue_into_its_dto(wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str) -> None:
    documents = [readable(all_fields(seed), release) for seed in range(50)]
    with px.open_queue(tmp_path / "q", "a", roll="DAILY") as queue, queue.appender() as appender:
        for document in documents:
            appender.append_document(document)
    rows = wire_peer("Writer", release=release).rows("dtos", dir=tmp_path / "q")
    assert [row[1:] for row in rows] == [
        [str(d.text if d.text is not None else "null"), str(d.int64), "1.5 7"] for d in documents
    ]
    if release == "2026.4":
        assert [row[0] for row in rows] == [wire.encode_document(document).hex() for document in documents]


# --- roll files ------------------------------------------------------------------------------------------------------


def script(
    chance: random.Random, count: int, kinds: Sequence[int] = range(7)
) -> tuple[list[str], list[Callable[[px.Appender], object]]]:
    """Calls of an appender: as words for Java, and as ours."""
    programs: list[str] = []
    calls: list[Callable[[px.Appender], object]] = []

    def both(program: str, call: Callable[[px.Appender], object]) -> None:
        programs.append(program)
        calls.append(call)

    for number in range(count):
        kind = chance.choice(kinds)
        if kind == 0:
            text = "t" * chance.randint(0, 40)
            both(f"text {words.text(text)}", lambda a, t=text: a.append_text(t))
        elif kind == 1:
            mapping = {f"k{i}": values(chance, 2) for i in range(chance.randint(0, 4))}
            both(f"map {words.boxed(mapping)}", lambda a, m=mapping: a.append_map(m))
        elif kind == 2:
            document = {f"f{i}": values(chance, 2) for i in range(chance.randint(0, 4))}
            both(f"document {words.fields(document)}", lambda a, d=document: a.append_document(d))
        elif kind == 3:
            value = values(chance, 2)

            def message(appender: px.Appender, value: Any = value) -> None:
                with appender.writing_document() as out:
                    out.write("message").object(value)

            both(f"message {words.text('message')} {words.boxed(value)}", message)
        elif kind == 4:
            pad = chance.randint(0, 20)

            def bound(appender: px.Appender, number: int = number, pad: int = pad) -> None:
                with appender.writing_document() as out:
                    out.padding(pad).write("n").int64_for_binding(number)
                    with out.write("inner").marshallable() as inner:
                        inner.write("two").int128_for_binding(1, -number).write("i").int32_for_binding(number)
                        inner.write("a").int64_array(4).write("t").text("x" * pad)

            both(
                f"writing padding {pad} write 006e bind64 {number} write {words.text('inner')} marshallable ("
                f" write {words.text('two')} bind128 1 -{number} write 0069 bind32 {number} write 0061 array 4"
                f" write 0074 text {words.text('x' * pad)} )",
                bound,
            )
        elif kind == 5:

            def meta(appender: px.Appender, number: int = number) -> None:
                with appender.writing_document(meta=True) as out:
                    out.write("m").int64_for_binding(number)

            both(f"meta write 006d bind64 {number}", meta)
        else:
            raw = chance.randbytes(chance.randint(1, 30))
            both(f"bytes {raw.hex()}", lambda a, b=raw: a.append(b))
    return programs, calls


def roll_file(path: Path) -> bytes:
    (file,) = path.glob("*.cq4")
    return file.read_bytes()


def same_roll_files(
    writer: WirePeer,
    path: Path,
    wire_type: str,
    programs: list[str],
    calls: list[Callable[[px.Appender], object]],
    made_by_java: bool,
) -> None:
    """Runs the same calls in Java and here; the roll files are equal byte for byte."""
    java, ours = path / "java", path / "ours"
    programs, calls = ["text 0041", *programs], [lambda appender: appender.append_text("A"), *calls]
    if made_by_java:
        writer.rows("queue", dir=ours, clock_ms=T0, programs=programs[0], wire=wire_type)
    rows = writer.rows("queue", dir=java, clock_ms=T0, programs="\n".join(programs), wire=wire_type)
    with px.open_queue(ours, "a", clock=lambda: T0 * 1_000_000, block_size_bytes=1 << 16) as queue:
        assert queue.wire_type == wire_type
        appender = queue.appender()
        for call in calls[made_by_java:]:
            call(appender)
        assert appender.last_index == max(int(row[0]) for row in rows)
    one, other = roll_file(ours), roll_file(java)
    assert [hex(at) for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b][:8] == []
    assert len(one) == len(other)


@pytest.mark.parametrize("wire_type", ["BINARY_LIGHT", "FIELDLESS_BINARY"])
@pytest.mark.parametrize("seed", [1, 2])
def test_roll_files_are_javas_byte_for_byte(writer: WirePeer, tmp_path: Path, wire_type: str, seed: int) -> None:
    # A FIELDLESS queue is made by Java: ours goes on in one.
    same_roll_files(writer, tmp_path, wire_type, *script(random.Random(seed), 400), wire_type == "FIELDLESS_BINARY")


@pytest.mark.parametrize("release", ["5.19.76", "5.26ea7"])
def test_bound_values_lie_as_in_the_files_of_older_releases(
    wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str
) -> None:
    same_roll_files(
        wire_peer("Writer", release=release),
        tmp_path,
        "BINARY_LIGHT",
        *script(random.Random(3), 300, (0, 4, 5, 6)),
        True,
    )


def test_bound_values_are_aligned_in_files_whose_messages_begin_anywhere(
    wire_peer: Callable[..., WirePeer], tmp_path: Path
) -> None:
    # Releases up to 5.17 do not align messages.
    wire_peer("Writer", release="5.17.43").rows("queue", dir=tmp_path, clock_ms=T0, programs="text 0041")
    with px.open_queue(tmp_path, "a", clock=lambda: T0 * 1_000_000) as queue, queue.appender() as appender:
        for number in range(200):
            appender.append(bytes(1 + number % 7))
            with appender.writing_document() as document:
                document.write("n").int64_for_binding(0x1122334455667700 + number)
                document.write("two").int128_for_binding(0x2122334455667700 + number, -1)
    raw = roll_file(tmp_path)
    begins = set()
    for number in range(200):
        at = raw.index((0x1122334455667700 + number).to_bytes(8, "little"))
        assert at % 8 == 0
        assert (raw.index((0x2122334455667700 + number).to_bytes(8, "little")) - 16) % 16 == 0
        begins.add(raw.rindex(b"\xc1n", 0, at) % 16)
    assert {begin % 4 for begin in begins} == {0, 1, 2, 3}


def test_names_beyond_latin_1_are_refused_for_java_mangles_them(writer: WirePeer, tmp_path: Path) -> None:
    name = "naïve\u0141"
    with pytest.raises(errors.WireError, match="U\\+00FF"):
        wire.encode_document({name: 1})
    with pytest.raises(errors.WireError, match="U\\+00FF"):
        wire.encode_map({name: 1})
    writer.rows(
        "queue",
        dir=tmp_path,
        clock_ms=T0,
        programs=f"writing write {words.text(name)} null event {words.text(name)} null",
    )
    with px.open_queue(tmp_path) as queue:
        (payload,) = queue.tailer()
    assert payload.hex() == "c66e006100ef00bbb9066e61ef766541bb"  # half of its UTF-16, and the low byte of each
