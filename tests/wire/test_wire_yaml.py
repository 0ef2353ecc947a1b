"""YAML: how each value looks, what people may type, and what is refused."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fix_java import JavaError, WirePeer
from wire_payloads import alike, exact

from pychronix.errors import WireError
from pychronix.wire import (
    Document,
    History,
    LongArray,
    NanoTime,
    Opaque,
    Pairs,
    Typed,
    TypeLiteral,
    decode,
    encode_map,
    parse_text,
    parse_yaml,
    parse_yaml_all,
    to_yaml,
    value_to_yaml,
)

UTC = datetime.timezone.utc


def yaml_of(hexadecimal: str) -> str:
    return to_yaml(bytes.fromhex(hexadecimal))


# --- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, '!!null ""'),
        (True, "true"),
        (-5, "-5"),
        (1 << 62, "4611686018427387904"),
        (0.5, "0.5"),
        (-0.0, "-0.0"),
        (1e300, "1.0e+300"),
        (1e-7, "1.0e-07"),
        (float("nan"), "!Float64 NaN"),
        (float("-inf"), "!Float64 -Infinity"),
        ("plain text", "plain text"),
        ("EUR/USD-3.5_x", "EUR/USD-3.5_x"),
        ("", '""'),
        ("true", '!String "true"'),
        ("True", '"True"'),
        (Typed("a", "false"), '!!typed [ a, !String "false" ]'),
        (Typed("String", "x"), "!!typed [ String, x ]"),
        ("No", '"No"'),
        ("NaN", '"NaN"'),
        ("12", '"12"'),
        ("2024-03-05", '"2024-03-05"'),
        ("a: b", '"a: b"'),
        ("it's", '"it\'s"'),
        ('say "x" \\', '"say \\"x\\" \\\\"'),
        ("two\nlines\t", '"two\\nlines\\t"'),
        ("\0\x01\x7f\x85\u2028\ufeff", '"\\0\\x01\\x7F\\x85\\u2028\\uFEFF"'),
        ("h\u00e9llo \u20ac", '"h\u00e9llo \u20ac"'),
        ("\U0001f600", '"\\uD83D\\uDE00"'),
        ("\ud800", '"\\uD800"'),
        (b"\x01\x02\x03", "!!binary AQID"),
        (b"", '!!binary ""'),
        (Opaque(b"\x01"), '!!opaque "AQ=="'),
        (UUID(int=1), "!UUID 00000000-0000-0000-0000-000000000001"),
        (datetime.date(2024, 3, 5), "2024-03-05"),
        (datetime.time(10, 37), "!Time 10:37"),
        (NanoTime(1, 2, 3, 4, nanosecond=5), "!Time 01:02:03.000004005"),
        (datetime.datetime(2024, 3, 5, 1, 2, 3), "!DateTime 2024-03-05T01:02:03"),
        (datetime.datetime(2024, 3, 5, tzinfo=UTC), '!ZonedDateTime "2024-03-05T00:00Z"'),
        (
            datetime.datetime(2024, 3, 5, tzinfo=ZoneInfo("Europe/Paris")),
            '!ZonedDateTime "2024-03-05T00:00+01:00[Europe/Paris]"',
        ),
        (Typed("LocalDate", "+12345-01-01"), '!LocalDate "+12345-01-01"'),
        (TypeLiteral("int[]"), '!type "int[]"'),
        (Typed("my.Colour", "RED"), "!my.Colour RED"),
        (Typed("!set", []), "!!set []"),
        (Typed("a b,\u00e9", 1), "!a%20b%2C%C3%A9 1"),
        (Typed("a", Typed("b", 1)), "!!typed [ a, !b 1 ]"),
        (Typed("a", None), '!!typed [ a, !!null "" ]'),
        (Typed("UUID", "none"), "!!typed [ UUID, none ]"),
        (Typed("int", 5), "!!typed [ int, 5 ]"),
        (Typed("", {}), '!!typed [ "", {} ]'),
        (LongArray([1, 2], 2), "[ 1, 2 ]"),
        (LongArray([], 4), "[] # capacity: 4"),
        ([], "[]"),
        ([[], {}], "[\n  [],\n  {}\n]"),
    ],
    ids=repr,
)
def test_a_value_and_back(value: Any, text: str) -> None:
    assert f"{text}\n" == value_to_yaml(value)
    assert exact(value) == exact(parse_yaml(text))
    # Below a name and in a list as well.
    for around in ({"k": value}, {"k": [value, value]}):
        assert exact(around) == exact(parse_yaml(value_to_yaml(around)))


def test_names_are_in_block_style_and_all_else_is_in_brackets() -> None:
    value = {"a": 1, "b": {"c": [1, {"d": "x"}]}, "12": Typed("T", {"e": None}), "": []}
    text = 'a: 1\nb: {\n  c: [\n    1,\n    {\n      d: x\n    }\n  ]\n}\n"12": !T {\n  e: !!null ""\n}\n"": []\n'
    assert text == value_to_yaml(value)
    assert value == parse_yaml(text)


def test_keys_that_are_no_texts_stand_apart() -> None:
    value = {5: "five", "m": {Typed("Unit", "DAYS"): 1, 2.5: []}}
    text = value_to_yaml(value)
    assert "? 5\n: five\nm: {\n  ? !Unit DAYS : 1,\n  ? 2.5 : []\n}\n" == text
    assert exact(value) == exact(parse_yaml(text))


def test_a_name_twice() -> None:
    value = Pairs([("via", "r1"), ("end", 1), ("via", "r2")])
    assert "via: r1\nend: 1\nvia: r2\n" == value_to_yaml(value)
    assert exact(value) == exact(parse_yaml("via: r1\nend: 1\nvia: r2\n"))


def test_a_long_name() -> None:
    name = "n" * 2000
    for value in ({name: 1}, {"m": {name: 1, "x": 2}}):
        assert value == parse_yaml(value_to_yaml(value))


def test_the_history_is_the_first_name() -> None:
    payload = bytes.fromhex(
        "ba8000 81 1f00 86 01 02000000 4523010000000000 02 0500000000000000 0600000000000000 b903736179 e26869"
    )
    assert "history: { sources: [ 2, 0x12345 ], timings: [ 5, 6 ] }\nsay: hi\n" == to_yaml(payload)
    assert {"history": History(((2, 0x12345),), (5, 6)), "say": "hi"} == parse_yaml(to_yaml(payload))
    assert to_yaml(payload) == Document(payload).to_yaml()


def test_what_only_the_bytes_tell() -> None:
    # A long in hex, milliseconds, a long coded as float, a remark, an array with room.
    assert "x: 0xff\ny: -0x1\n" == yaml_of("c178 afff00000000000000 c179 afffffffffffffffff")
    assert "t: 1712984614912 # 2024-04-13T05:03:34.912\n" == yaml_of("c174 a700e8d6d58e010000")
    assert "n: 9223372036854775807\n" == yaml_of("c16e 900000005f")
    assert "# a remark\nx: [\n  # 1\\n2\n  1\n]\n" == yaml_of("be08612072656d61726b c178 8207000000 be03310a32 a101")
    array = "c161 8d 03000000000000000100000000000000 0900000000000000 00000000000000000000000000000000"
    assert "a: [ 9 ] # capacity: 3\n" == yaml_of(array)
    nanos = "c174 8209000000 a7" + (1712984614912000007).to_bytes(8, "little").hex()
    assert "t: [\n  1712984614912000007 # 2024-04-13T05:03:34.912000007\n]\n" == yaml_of(nanos)


def test_several_values_without_names_are_a_list() -> None:
    assert "- hi\n- 5\n" == yaml_of("e26869 a105")
    assert ["hi", 5] == parse_yaml(yaml_of("e26869 a105"))
    # What has a name among them is a mapping of its own, as decode says.
    payload = bytes.fromhex("e26869 c178 a105 bda105 a106")
    assert "- hi\n- x: 5\n- ? 5\n  : 6\n" == to_yaml(payload)
    assert decode(payload) == parse_yaml(to_yaml(payload))


def test_nothing_and_a_name_without_a_value() -> None:
    assert "" == to_yaml(b"") == yaml_of("8f8f")
    assert "x:\n" == yaml_of("c178")
    assert {"x": None} == parse_yaml("x:\n")


def test_payloads_of_text() -> None:
    assert "a: 1\nb: [\n  x\n]\n" == to_yaml(b"{a: 1, b: [x]}", wire_type="YAML")
    assert "a: 1\n" == to_yaml(b'{"a": 1}', wire_type="JSON") == to_yaml(b'"a":1', wire_type="JSON_ONLY")
    assert '"no": "null"\n' == to_yaml(b"no: null", wire_type="TEXT")
    assert "!!binary aGk=\n" == to_yaml(b"hi", wire_type="RAW")


def test_damage_is_a_wire_error_with_its_offset() -> None:
    with pytest.raises(WireError) as error:
        yaml_of("c178 a7 0102")
    assert 2 == error.value.offset


def test_deep_nesting_is_not_indented_without_end() -> None:
    value: Any = "x"
    for _ in range(300):
        value = [value]
    text = value_to_yaml(value)
    assert max(map(len, text.splitlines())) < 50
    assert value == parse_yaml(text)


def test_no_value_of_wire_is_refused() -> None:
    with pytest.raises(WireError, match="no value of Wire is a complex"):
        value_to_yaml({"a": [1j]})


def test_a_value_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append({"a": endless})
    with pytest.raises(WireError, match="nested deeper than 900 levels, or without end"):
        value_to_yaml(endless)


# --- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("null", None),
        ("~", None),
        ("a:\nb: null\nc: ~", {"a": None, "b": None, "c": None}),
        ("[true, True, FALSE, yes, no, on]", [True, True, False, "yes", "no", "on"]),
        ("[1_000, 0x1F, -0x10, 012, +5, 1e3, 1.5d, .5, -.5, 08]", [1000, 31, -16, 10, 5, 1000.0, 1.5, 0.5, -0.5, 8.0]),
        ("[.inf, -.inf, Infinity, 9223372036854775808]", [float("inf"), float("-inf"), float("inf"), 1 << 63]),
        ("[0xffffffffffffffff, 0x8000000000000000]", [-1, -(1 << 63)]),
        ("['12', \"1.5\", '2024-03-05', 1x, 1.2.3, 0b11, 1 2]", ["12", "1.5", "2024-03-05", "1x", "1.2.3", "0b11", "1 2"]),
        ("[2024-03-05, 10:37, 1:02:03]", [datetime.date(2024, 3, 5), datetime.time(10, 37), datetime.time(1, 2, 3)]),
        ("t: 2024-03-05T10:37:42.5", {"t": datetime.datetime(2024, 3, 5, 10, 37, 42, 500000)}),
        ("t: 2024-03-05T10:37:42Z", {"t": datetime.datetime(2024, 3, 5, 10, 37, 42, tzinfo=UTC)}),
        (
            "t: 2024-03-05T10:37+01:00[Europe/Paris]",
            {"t": datetime.datetime(2024, 3, 5, 10, 37, tzinfo=ZoneInfo("Europe/Paris"))},
        ),
        ("text: |\n  one\n  two\nmore: >\n  one\n  two\n", {"text": "one\ntwo\n", "more": "one two\n"}),
        ("- a\n- b: 1\n  c: [x, {y: z}]\n", ["a", {"b": 1, "c": ["x", {"y": "z"}]}]),
        ("a: &one [1]\nb: *one\n", {"a": [1], "b": [1]}),
        ("a: ! 12", {"a": "12"}),
        ("a: !!str 12", {"a": "12"}),
        ("a: !my.Order\n  qty: 5\n  side: !Side BUY\n", {"a": Typed("my.Order", {"qty": 5, "side": Typed("Side", "BUY")})}),
        ("!my.Order {qty: 5}", Typed("my.Order", {"qty": 5})),
        ("a: !int 5\nb: !Float64 2.5", {"a": 5, "b": 2.5}),
        ("? [1, 2]\n: x\n", Pairs([([1, 2], "x")])),
        ("? 5: five\nx: y", {5: "five", "x": "y"}),
        ("? {a: 1}\n: x", Pairs([({"a": 1}, "x")])),
        ("{a: 1,\t# tab\n b: 2}", {"a": 1, "b": 2}),
        ("t: 1712984614912\n, # 20240413T05:03:34.912\nu: 1", {"t": 1712984614912, "u": 1}),
        ("!byte[] !!binary AQID", b"\x01\x02\x03"),
        ('!byte[] "\\x01\\xFF"', b"\x01\xff"),
        ("!a !!null \"\"", Typed("a", None)),
        ("!!seqmap [ { key: 5, value: x } ]", {5: "x"}),
        ("--- !!omap []\n...", Typed("!omap", {})),
        ('"\\uD83D\\uDE00 \\ud83d"', "\U0001f600 \ud83d"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_people_and_java_type(text: str, value: Any) -> None:
    assert exact(value) == exact(parse_yaml(text))


def test_several_documents() -> None:
    assert [{"a": 1}, "b", None] == list(parse_yaml_all("a: 1\n--- b\n...\n---\n"))
    with pytest.raises(WireError, match="holds more than one"):
        parse_yaml("a: 1\n--- b")


def test_java_s_text_is_not_people_s_yaml() -> None:
    text = "a: null\nb: ~\nc:\nd: .5\ne: True\nf: true"
    assert {"a": "null", "b": "~", "c": "", "d": ".5", "e": "True", "f": True} == parse_text(text)
    assert {"a": None, "b": None, "c": None, "d": 0.5, "e": True, "f": True} == parse_yaml(text)
    assert {"a": "\U0001f600"} == parse_text(b"a: \xed\xa0\xbd\xed\xb8\x80")


@pytest.mark.parametrize(
    ("text", "what", "offset"),
    [
        ("a: [1", "expected ',' or ']'", 5),
        ("a: b: c", "mapping values are not allowed here in line 1, column 5", 4),
        ("x: @a", "cannot start any token", 3),
        ("x: *none", r"the alias \*none stands for nothing before it", 3),
        ("&a [*a]", r"the alias \*a stands for nothing before it", 4),
        ("x: !!binary ???", "base64 is expected here", 3),
        ("x: !UUID 12", "cannot read a UUID", 3),
        ("x: !Date 2024-13-01", "cannot read a date", 3),
        ("x: !!null 5", "a null has no value", 3),
        ("!!typed [1, 2]", "!!typed takes a name and a value", 13),
        ("!!seqmap [1]", "!!seqmap takes a sequence", 11),
        ('!byte[] "\u20ac"', "below 256", 0),
        ("a\0b", "a NUL character", 1),
        ('"\\UFFFFFFFF"', "cannot read YAML", 3),
    ],
)
def test_what_is_refused_and_where(text: str, what: str, offset: int) -> None:
    with pytest.raises(WireError, match=what) as error:
        parse_yaml(text)
    assert offset == error.value.offset


_LAUGHS = "a0: &a0 [" + "x," * 9 + "]\n" + "".join(
    f"a{at}: &a{at} [{','.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 10)
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "nested deeper than 1000 levels"),
        ("{a: " * 100_000, "nested deeper than 1000 levels"),
        ("- " * 100_000, "nested deeper than 1000 levels"),
        ("? " * 100_000, "nested deeper than 1000 levels"),
        ("[\n" * 100_000, "nested deeper than 1000 levels"),
        ("!a " * 10_000 + "x", "10000 tags before one value"),
        (_LAUGHS, "aliases stand for more than 100000 values"),
    ],
    ids=["sequences", "mappings", "block sequences", "keys", "lines", "tags", "laughs"],
)
def test_hostile_texts_end_early(text: str, what: str) -> None:
    start = time.perf_counter()
    with pytest.raises(WireError, match=what):
        parse_yaml(text)
    assert time.perf_counter() - start < 20


def test_a_number_of_a_million_digits_is_a_text() -> None:
    assert "9" * 1_000_000 == parse_yaml("9" * 1_000_000)


# --- beside Java's TextWire ------------------------------------------------------------------------------------------

_SCALARS = (
    ["1", "-1", "+1", "1_000", "0x1F", "-0x1F", "012", "08", "1e5", "1E5", "1.5", "-.5", "1d", "1.5f", "0x1p3", "1."]
    + ["-Infinity", "+Infinity", "+NaN", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1" * 41]
    + ["01:02:03", "1:02:03", "25:00:00", "2024-03-05", "2024-02-30", "2024-03-05T01:02:03.5Z", "-a", "+", "1a", "0x1G"]
    + ["2024-03-05T01:02:03+01:00", "null", "~", ".5", "True", "false", "yes", "a b", "a:b", "'12'", '"12"', "''"]
    + ['!!null ""', "!int 5", "!byte 5", "!double 2", "!String 12", "!UUID 00000000-0000-0000-0000-000000000001"]
    + ["!Date 2024-03-05", "!Time 10:37", "!DateTime 2024-03-05T01:02:03", "!!binary AQID", '!byte[] "\\x01\\xFF"']
    + ["[]", "[ 1, 2 ]", "{ a: 1 }", "{ ? 5 : 1 }", "!!set [ a ]", "!TimeUnit DAYS", "!type int", "0b11", "1__0", "#x"]
    + ["1_000.5", "1e400", "0", "-0", "00", "0x0", "1e", "1_", "12-34", "1/2", "+1.5e-3", "10:37:42.5x", "5 # remark"]
)


@pytest.mark.parametrize("scalar", _SCALARS)
def test_a_scalar_is_to_us_what_it_is_to_java(wire_peer: Callable[..., WirePeer], scalar: str) -> None:
    text = f"x: {scalar}\n"
    try:
        read = decode(bytes.fromhex(wire_peer("Texts").ask("binary", text=text)["data"]))
    except JavaError as error:
        pytest.fail(f"Java: {error}")
    assert alike(read, parse_text(text))


def test_what_was_typed_is_read_by_java(wire_peer: Callable[..., WirePeer]) -> None:
    """YAML of a person, made a document by us: Java shows the same values."""
    typed = "# an order\nsymbol: EUR/USD\nqty: 1_000\npx: 1.0837\nlegs:\n  - {side: BUY}\n  - {side: SELL, note: ~}\n"
    payload = encode_map(parse_yaml(typed))
    shown = wire_peer("Reader").ask("text", data=payload)["text"]
    assert alike(parse_yaml(typed), parse_text(shown))
