"""JSON: one line that every reader loads, in which nothing is lost."""

from __future__ import annotations

import datetime
import json
from typing import Any
from uuid import UUID

import pytest
from wire_payloads import exact

from pychronix.errors import WireError
from pychronix.wire import (
    Document,
    History,
    LongArray,
    NanoDateTime,
    Opaque,
    Pairs,
    Typed,
    TypeLiteral,
    decode,
    parse_json,
    to_json,
    value_to_json,
)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "null"),
        (True, "true"),
        (9223372036854775807, "9223372036854775807"),
        (1 << 100, "1267650600228229401496703205376"),
        (1.0, "1.0"),
        (1e300, "1e+300"),
        (float("nan"), '{"@Float64": "NaN"}'),
        (float("-inf"), '{"@Float64": "-Infinity"}'),
        ('a "b" \\ \n\0', '"a \\"b\\" \\\\ \\n\\u0000"'),
        ("h\u00e9llo \u20ac", '"h\u00e9llo \u20ac"'),
        ("\x7f\x85\u2028\u2029\ufeff", '"\\u007f\\u0085\\u2028\\u2029\\ufeff"'),
        ("\U0001f600 \ud800", '"\\ud83d\\ude00 \\ud800"'),
        (b"\x01\x02\x03", '{"@!binary": "AQID"}'),
        (Opaque(b"\x01"), '{"@!opaque": "AQ=="}'),
        (UUID(int=1), '{"@UUID": "00000000-0000-0000-0000-000000000001"}'),
        (datetime.date(2024, 3, 5), '{"@Date": "2024-03-05"}'),
        (datetime.time(10, 37), '{"@Time": "10:37"}'),
        (NanoDateTime(2024, 3, 5, nanosecond=1), '{"@DateTime": "2024-03-05T00:00:00.000000001"}'),
        (
            datetime.datetime(2024, 3, 5, tzinfo=datetime.timezone.utc),
            '{"@ZonedDateTime": "2024-03-05T00:00Z"}',
        ),
        (Typed("LocalDate", "+12345-01-01"), '{"@LocalDate": "+12345-01-01"}'),
        (TypeLiteral("String"), '{"@type": "String"}'),
        (Typed("my.Type", {"a": [1]}), '{"@my.Type": {"a": [1]}}'),
        (Typed("!set", []), '{"@!set": []}'),
        (Typed("a", Typed("b", None)), '{"@a": {"@b": null}}'),
        (Typed("type", "x"), '{"@!typed": ["type", "x"]}'),
        (Typed("int", 5), '{"@!typed": ["int", 5]}'),
        (Typed("!typed", [1]), '{"@!typed": ["!typed", [1]]}'),
        ({}, "{}"),
        ({"a": 1, "@b": 2}, '{"a": 1, "@b": 2}'),
        ({"@b": 2}, '{"@!seqmap": [{"key": "@b", "value": 2}]}'),
        ({5: "x"}, '{"@!seqmap": [{"key": 5, "value": "x"}]}'),
        (
            Pairs([("a", 1), ("a", 2)]),
            '{"@!seqmap": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]}',
        ),
        (History(((2, 7),), (1,)), '{"@!history": {"sources": [2, 7], "timings": [1]}}'),
        (
            {"history": History((), (1,)), "say": "hi"},
            '{"history": {"sources": [], "timings": [1]}, "say": "hi"}',
        ),
        (LongArray([1, 2], 5), "[1, 2]"),
    ],
    ids=repr,
)
def test_a_value_and_back(value: Any, line: str) -> None:
    assert line == value_to_json(value)
    json.loads(line)
    assert exact(value) == exact(parse_json(line))


def test_a_payload_and_its_document() -> None:
    payload = bytes.fromhex("b903736179 8207000000 e26869 900000005f".replace("8207", "8208"))
    assert '{"say": ["hi", 9223372036854775807]}' == to_json(payload) == Document(payload).to_json()
    assert decode(payload) == parse_json(to_json(payload))
    assert "null" == to_json(b"")
    assert '["hi", 5]' == to_json(bytes.fromhex("e26869a105"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"say":"hi","n":1,', {"say": "hi", "n": 1}),
        (b'{"a": "\xed\xa0\xbd\xed\xb8\x80"}', {"a": "\U0001f600"}),
        ('{"a": 1, "a": 2}', Pairs([("a", 1), ("a", 2)])),
        ("[NaN, 1e400]", [float("nan"), float("inf")]),
        ('{"@int": 5}', 5),
        ('{"@Date": {"x": 1}}', Typed("Date", {"x": 1})),
        (
            '{"history": {"@net.openhft.chronicle.wire.VanillaMessageHistory": {"sources": [2, 7], "timings": [1]}}}',
            {"history": History(((2, 7),), (1,))},
        ),
    ],
)
def test_what_people_and_java_write(text: str | bytes, value: Any) -> None:
    assert exact(value) == exact(parse_json(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "Expecting value in line 1"),
        ('{"a": 1', "delimiter"),
        ('{"a":\n0xff}', "in line 2"),
        ('{"@!binary": "?"}', "base64 is expected"),
        ('{"@Date": "x"}', "cannot read a date"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "cannot read JSON"),
        (b"\xff", "cannot read"),
        ('{"a": 1} {"b": 2}', "Extra data"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_what_is_refused(text: str | bytes, what: str) -> None:
    with pytest.raises(WireError, match=what):
        parse_json(text)


def test_deeper_than_readers_of_json_bear_is_refused() -> None:
    value: Any = 0
    for _ in range(499):
        value = [value]
    assert value == json.loads(value_to_json(value)) == parse_json(value_to_json(value))
    with pytest.raises(WireError, match="nested deeper than 500 levels"):
        value_to_json([[value]])


def test_no_value_of_wire_is_refused() -> None:
    with pytest.raises(WireError, match="no value of Wire is a complex"):
        value_to_json({"a": [1j]})
