"""CQL values: what Cassandra's own types make of JSON we decode to the same, text for text."""

from __future__ import annotations

import copy
import datetime
import ipaddress
import json
import math
import pickle
import random
import re
import struct
import uuid
from decimal import Decimal
from typing import Any

import pytest
from fix_cassandra import Cassandra, CassandraPeer

import pychronix as px
from pychronix.cassandra import (
    UNSET,
    CqlType,
    Duration,
    decode_value,
    parse_type,
    parse_types,
    value_json,
    value_literal,
)
from pychronix.wire import NanoTime, Pairs, Typed

UTC = datetime.timezone.utc
ID = "5b6962dd-3f90-4c93-8f61-eabfa4a803e2"
TIME_ID = "50554d6e-29bb-11e5-b345-feff819cdc9f"
ADDR = "udt<street: text, zip: int, phones: set<text>>"

# CQL type, JSON of a value, and what it is in Python.
VALUES: list[tuple[str, str, Any]] = [
    ("ascii", '"a\'b"', "a'b"),
    ("text", '"Gr\u00fc\u00dfe \'q\' \U0001f600"', "Gr\u00fc\u00dfe 'q' \U0001f600"),
    ("varchar", '""', ""),
    ("tinyint", "-128", -128),
    ("smallint", "-32768", -32768),
    ("int", "-5", -5),
    ("bigint", "9223372036854775807", 2**63 - 1),
    ("varint", "-123456789012345678901234567890", -123456789012345678901234567890),
    ("varint", "128", 128),
    ("varint", "0", 0),
    ("decimal", "-1.5", Decimal("-1.5")),
    ("decimal", '"12345678901234567890.123456789"', Decimal("12345678901234567890.123456789")),
    ("decimal", "0", Decimal(0)),
    ("float", "1.5", 1.5),
    ("double", "-0.1", -0.1),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("blob", '"0xcafe"', b"\xca\xfe"),
    ("blob", '"0x"', b""),
    ("inet", '"192.0.2.1"', ipaddress.ip_address("192.0.2.1")),
    ("inet", '"2001:db8::1"', ipaddress.ip_address("2001:db8::1")),
    ("uuid", f'"{ID}"', uuid.UUID(ID)),
    ("timeuuid", f'"{TIME_ID}"', uuid.UUID(TIME_ID)),
    ("date", '"2024-03-05"', datetime.date(2024, 3, 5)),
    ("date", '"1969-12-31"', datetime.date(1969, 12, 31)),
    ("date", '"0001-01-01"', datetime.date(1, 1, 1)),
    ("date", '"-0044-03-15"', Typed("date", "-0044-03-15")),
    ("date", '"-5877641-06-23"', Typed("date", "-5877641-06-23")),
    ("time", '"10:37:42.123456789"', NanoTime(10, 37, 42, 123456, nanosecond=789)),
    ("time", '"23:59:59.5"', datetime.time(23, 59, 59, 500_000)),
    ("time", '"00:00:00"', datetime.time(0)),
    ("timestamp", '"2024-03-05 10:37:42.500+0000"', datetime.datetime(2024, 3, 5, 10, 37, 42, 500_000, UTC)),
    ("timestamp", "253402300800000", Typed("timestamp", "+10000-01-01T00:00:00.000Z")),
    ("duration", '"1y2mo3d4h5m6s7ms8us9ns"', Duration(14, 3, 14_706_007_008_009)),
    ("duration", '"-2mo1ns"', Duration(-2, 0, -1)),
    ("list<int>", "[1, 2, 3]", [1, 2, 3]),
    ("frozen<list<text>>", "[]", []),
    ("set<int>", "[3, 1, 2]", [1, 2, 3]),
    ("map<text, int>", '{"a": 1, "b": 2}', {"a": 1, "b": 2}),
    ("map<int, text>", '{"1": "x", "-2": "y"}', {-2: "y", 1: "x"}),
    ("map<frozen<list<int>>, text>", '{"[1, 2]": "x"}', Pairs([([1, 2], "x")])),
    ("map<uuid, boolean>", f'{{"{ID}": true}}', {uuid.UUID(ID): True}),
    ("map<time, inet>", '{"10:37:42.1": "192.0.2.1"}',
     {datetime.time(10, 37, 42, 100_000): ipaddress.ip_address("192.0.2.1")}),
    ("map<blob, duration>", '{"0xca": "1d"}', {b"\xca": Duration(0, 1, 0)}),
    ("tuple<int, text, frozen<list<double>>>", "[1, null, [1.5]]", (1, None, [1.5])),
    ("set<frozen<map<text, frozen<set<int>>>>>", '[{"a": [2, 1]}]', [{"a": [1, 2]}]),
    ("frozen<addr>", '{"street": "x", "zip": 5, "phones": ["1"]}', {"street": "x", "zip": 5, "phones": ["1"]}),
    ("map<text, frozen<addr>>", '{"h": {"street": "x"}}', {"h": {"street": "x", "zip": None, "phones": None}}),
]  # fmt: skip
# Those of 5.0 alone. Elements of most types, long and short, have their length before them.
VECTORS: list[tuple[str, str, Any]] = [
    ("vector<float, 3>", "[1.5, -2, 0]", [1.5, -2.0, 0.0]),
    ("vector<text, 2>", '["a", "bc"]', ["a", "bc"]),
    ("vector<ascii, 1>", '["a"]', ["a"]),
    ("vector<blob, 1>", '["0xca"]', [b"\xca"]),
    ("vector<tinyint, 2>", "[1, 2]", [1, 2]),
    ("vector<smallint, 2>", "[1, 2]", [1, 2]),
    ("vector<int, 2>", "[1, 2]", [1, 2]),
    ("vector<bigint, 1>", "[5]", [5]),
    ("vector<varint, 2>", "[5, 700]", [5, 700]),
    ("vector<decimal, 1>", "[5.5]", [Decimal("5.5")]),
    ("vector<double, 1>", "[5]", [5.0]),
    ("vector<boolean, 2>", "[true, false]", [True, False]),
    ("vector<date, 1>", '["2024-03-05"]', [datetime.date(2024, 3, 5)]),
    ("vector<time, 1>", '["10:00:00"]', [datetime.time(10)]),
    ("vector<timestamp, 1>", '["2024-03-05 00:00:00.000Z"]', [datetime.datetime(2024, 3, 5, tzinfo=UTC)]),
    ("vector<uuid, 1>", f'["{ID}"]', [uuid.UUID(ID)]),
    ("vector<timeuuid, 1>", f'["{TIME_ID}"]', [uuid.UUID(TIME_ID)]),
    ("vector<inet, 1>", '["192.0.2.1"]', [ipaddress.ip_address("192.0.2.1")]),
    ("vector<duration, 1>", '["1d"]', [Duration(0, 1, 0)]),
    ("vector<vector<int, 2>, 2>", "[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ("vector<vector<text, 1>, 2>", '[["a"], ["b"]]', [["a"], ["b"]]),
    ("vector<frozen<list<int>>, 2>", "[[1], [2, 3]]", [[1], [2, 3]]),
    ("vector<frozen<tuple<int, int>>, 1>", "[[1, 2]]", [(1, 2)]),
    ("list<vector<float, 2>>", "[[1, 2]]", [[1.0, 2.0]]),
    ("vector<text, 1>", json.dumps(["x" * 300]), ["x" * 300]),
]


@pytest.fixture(params=["4.0.19", "4.1.7", "5.0.3"])
def peer(request: pytest.FixtureRequest, cassandra: Cassandra) -> CassandraPeer:
    peer = cassandra(request.param)
    peer.udt("addr", {"street": "text", "zip": "int", "phones": "frozen<set<text>>"})
    return peer


def test_values_are_those_of_cassandra(peer: CassandraPeer) -> None:
    five = peer.release.startswith("5.")
    for cql_type, text, expected in VALUES + VECTORS * five:
        ours = cql_type.replace("addr", ADDR)
        data = peer.encode(cql_type, text)
        shown = peer.show(cql_type, data)
        value = decode_value(ours, data)
        assert (cql_type, value) == (cql_type, expected)
        assert type(value) is type(expected)
        # Cassandra's own class names name the same type.
        if five:
            assert parse_type(shown["class"]) == parse_type(ours), shown["class"]
            assert value_literal(ours, data) == as_ours(shown["literal"])
        assert comparable(value_json(ours, data)) == comparable(json.loads(as_ours(shown["json"]), parse_float=Decimal))


def as_ours(text: str) -> str:
    """IPv6 with :: for zeros, and T between date and time."""
    text = text.replace("2001:db8:0:0:0:0:0:1", "2001:db8::1")
    return re.sub(r"(\d\d-\d\d) (\d\d:)", r"\1T\2", text)


def comparable(value: Any) -> Any:
    """Numbers of JSON as numbers, also where one side has text."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    return value


def test_random_bytes_are_values_where_they_are_cassandras(peer: CassandraPeer, budget: Any) -> None:
    """Bytes that Cassandra's validation takes we decode, and to what it shows; what is cut short neither takes."""
    rng = random.Random(11)
    sizes = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8, "uuid": 16, "date": 4, "timestamp": 8, "double": 8,
             "float": 4}  # fmt: skip
    for _ in range(budget.of(8, 60, 300)):
        for cql_type, size in sizes.items():
            data = rng.randbytes(size)
            value, shown = decode_value(cql_type, data), peer.show(cql_type, data)["string"]
            if cql_type == "timestamp" and isinstance(value, Typed):
                continue  # Cassandra shows years BC without their sign.
            if isinstance(value, float):
                # Java 17 may show more digits than it takes; as bytes they are the same.
                form = {"float": ">f", "double": ">d"}[cql_type]
                same = [struct.pack(form, float(text)) for text in (shown, value_literal(cql_type, data))]
                assert same == [data, data] or math.isnan(value)
            else:
                assert value_literal(cql_type, data).strip("'") == shown
            with pytest.raises(px.EncodingError):
                decode_value(cql_type, data + b"\0")
        scale, unscaled = rng.randrange(-400, 400), rng.randbytes(rng.randrange(1, 40))
        data = scale.to_bytes(4, "big", signed=True) + unscaled
        assert Decimal(peer.show("decimal", data)["string"]) == decode_value("decimal", data)
        assert value_literal("varint", unscaled) == peer.show("varint", unscaled)["string"]


def test_an_empty_value_of_any_type_is_none_but_text_and_blob() -> None:
    for cql_type in (
        "int",
        "boolean",
        "uuid",
        "decimal",
        "varint",
        "inet",
        "timestamp",
        "list<int>",
        "map<int, int>",
        "empty",
    ):
        assert decode_value(cql_type, b"") is None
        assert value_literal(cql_type, b"") == "null"
    assert [decode_value(cql_type, b"") for cql_type in ("text", "ascii", "blob")] == ["", "", b""]
    assert decode_value("tuple<int, text>", b"") == (None, None)
    assert decode_value("int", None) is None
    assert decode_value("int", UNSET) is UNSET is pickle.loads(pickle.dumps(UNSET)) is copy.deepcopy(UNSET)
    assert (value_literal("int", UNSET), value_json("int", UNSET), value_json("int", None)) == ("unset", "unset", None)


def test_json_has_text_for_what_it_has_no_word_for() -> None:
    assert value_json("double", bytes.fromhex("7ff8000000000000")) == "NaN"
    assert value_json("float", bytes.fromhex("ff800000")) == "-Infinity"
    assert value_json("varint", b"\x01" + bytes(16)) == str(1 << 128)
    assert value_json("blob", b"\xca\xfe") == "0xcafe"
    huge = (1 << 40_000).to_bytes(5001, "big")
    assert len(value_literal("varint", huge)) == 12_042
    assert json.dumps(value_json("decimal", (2**31 - 1).to_bytes(4, "big") + b"\1")) == '"1E-2147483647"'


@pytest.mark.parametrize(
    ("cql_type", "data"),
    [
        ("int", "00"), ("int", "0000000000"), ("empty", "00"),
        ("boolean", "0000"), ("inet", "0102"), ("uuid", "00"), ("text", "ff"),
        ("ascii", "c3bc"), ("time", "ffffffffffffffff"), ("decimal", "0000"), ("duration", "00"),
        ("duration", "0000000000"), ("list<int>", "7fffffff"), ("list<int>", "ffffffff"), ("list<int>", "0000000100000004"),
        ("list<int>", "000000010000000400000001ff"), ("map<int, int>", "000000010000000400000001"),
        ("tuple<int>", "0000000400000001ff"), ("vector<float, 3>", "00000000"), ("vector<text, 999999999>", "00"),
        ("vector<text, 1>", "ffffffffffffffffff"), ("vector<int, 1>", "0000000100"),
    ],
)  # fmt: skip
def test_bytes_that_are_none_of_the_type(cql_type: str, data: str) -> None:
    with pytest.raises(px.EncodingError, match=f"(is|are) no {re.escape(cql_type)}: "):
        decode_value(cql_type, bytes.fromhex(data))


def test_hostile_bytes_are_never_more_than_an_error(budget: Any) -> None:
    rng = random.Random(3)
    types = sorted({name.replace("addr", ADDR) for name, _, _ in VALUES + VECTORS} | {"empty", "counter"})
    for _ in range(budget.of(2000, 20_000, 500_000)):
        cql_type = rng.choice(types)
        data = bytearray(rng.randbytes(rng.randrange(40)))
        if len(data) > 4 and rng.random() < 0.7:
            data[:3] = bytes(3)
        try:
            value_literal(cql_type, bytes(data))
            value_json(cql_type, bytes(data))
        except px.EncodingError:
            pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("INT", "int"),
        ("varchar", "text"),
        ("frozen<map<text,frozen<list<int>>>>", "map<text, list<int>>"),
        ("vector< float , 3 >", "vector<float, 3>"),
        ('udt<street text, "Zip" int>', 'udt<street: text, "Zip": int>'),
        ('udt<"a""b": int>', 'udt<"a""b": int>'),
        ("org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.TimestampType)", "timestamp"),
        ("UserType(ks,61646472,73:UTF8Type,7a:Int32Type)", "udt<s: text, z: int>"),
        ("VectorType(FloatType , 3)", "vector<float, 3>"),
        ("tuple<int>", "tuple<int>"),
    ],
)
def test_types_are_read_as_cassandra_writes_them(text: str, shown: str) -> None:
    assert str(parse_type(text)) == shown
    assert parse_type(shown) == parse_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "no_such", "int int", "int,", "list", "list<", "list<int", "list<int>>", "list<int, int>", "map<int>",
        "vector<int>", "vector<int, 0>", "vector<int, x>", "udt<>", "udt<a>", "frozen<int, int>", "list<int)", "int<int>",
        "UserType(ks)", "UserType(ks,61,zz:Int32Type)", "list<" * 200 + "int" + ">" * 200, "int;", "'text'",
    ],
)  # fmt: skip
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(px.UsageError, match="CQL type"):
        parse_type(text)


def test_types_with_commas_between() -> None:
    assert parse_types("int, map<text, int>,tuple<int, int>") == (
        CqlType("int"),
        CqlType("map", (CqlType("text"), CqlType("int"))),
        CqlType("tuple", (CqlType("int"), CqlType("int"))),
    )
    with pytest.raises(px.UsageError, match="not one CQL type"):
        parse_type("int, int")
