"""Payloads and texts to try the readers and writers of Wire with, and how their values are compared."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from pychronix.wire import LongArray, Pairs, Typed
from pychronix.wire.scalars import utf8
from pychronix.wire.text import stop_bit, to_utf8


def exact(value: Any) -> Any:
    """A value in a form that is equal only to that of the same value: 1 is not 1.0 nor True, NaN is NaN."""
    if isinstance(value, dict):
        pairs = value.pairs() if isinstance(value, Pairs) else value.items()
        return type(value).__name__, [(exact(key), exact(item)) for key, item in pairs]
    if isinstance(value, Typed):
        return "Typed", value.name, exact(value.value)
    if isinstance(value, LongArray):
        return "list", [exact(item) for item in value]
    if isinstance(value, list):
        return "list", [exact(item) for item in value]
    return type(value).__name__, repr(value)


def alike(left: Any, right: Any) -> bool:
    """Whether two values are the same but for 1 and 1.0: Java shows some longs as floats, and rounds none beyond 2**53."""
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = [list(one.pairs() if isinstance(one, Pairs) else one.items()) for one in (left, right)]
        return len(pairs[0]) == len(pairs[1]) and all(
            alike(*keys) and alike(*values)
            for keys, values in (zip(*both, strict=True) for both in zip(*pairs, strict=True))
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, Typed) and isinstance(right, Typed):
        return left.name == right.name and alike(left.value, right.value)
    if {type(left), type(right)} == {int, float}:
        return float(left) == float(right)
    return exact(left) == exact(right)


# Names and texts in which everything occurs that some reader of text takes for something else.
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(
        st.sampled_from(
            "\0\x01\t\n\r\x1b\x7f\x85\xa0\ufeff\ufffe\u2028\ud83d\ude00\U0001f600 :#-?!&*%@`'\"[]{},|>=~/\\ab1"
        )
    ),
    st.sampled_from(
        ["", "true", "False", "null", "~", "yes", "NO", "on", "y", "n", "nan", "NaN", ".nan", "Infinity", "-Infinity"]
        + [
            ".inf",
            ".5",
            "1_000",
            "0x1F",
            "012",
            "1e5",
            "1d",
            "-",
            "- a",
            "? a",
            "a: b",
            "a:b",
            "a #b",
            "...",
            "---",
            "<<",
        ]
        + [
            "=",
            "2024-03-05",
            "10:37",
            "2024-03-05T01:02:03",
            "01020304-0506-0708-090a-0b0c0d0e0f10",
            "it's",
            '"q',
            "a\nb",
        ]
        + ["history", "@x", "@type", "${x}", "x ", " x", "a  b", "#", "\u00e9", "a" * 1100, "\u20ac" * 400]
    ),
)
TYPES = st.one_of(
    TEXTS,
    st.sampled_from(
        [
            "my.Type",
            "my.Outer$Inner",
            "int[]",
            "byte[]",
            "binary",
            "!binary",
            "!set",
            "!omap",
            "Map",
            "!null",
            "type",
            "UUID",
        ]
        + [
            "Date",
            "LocalTime",
            "ZonedDateTime",
            "Float64",
            "!typed",
            "!seqmap",
            "!opaque",
            "!str",
            "!",
            "!!x",
            "a!b",
            "%41",
        ]
        + ["<x>", "a b", "a,b", "a\nb", "tag:yaml.org,2002:set"]
    ),
)

_latin = st.text(st.characters(max_codepoint=255), max_size=8)
_short = st.one_of(TEXTS.filter(lambda text: len(to_utf8(text)) < 32), TEXTS)


def _block(content: bytes) -> bytes:
    return b"\x82" + struct.pack("<I", len(content)) + content


def _bytes_block(content: bytes) -> bytes:
    return _block(b"\x8a" + content)


def _fixed(code: int, layout: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return values.map(lambda value: bytes((code,)) + struct.pack(layout, value))


def _long_array(numbers: list[int], room: int) -> bytes:
    capacity = len(numbers) + room
    return b"\x8d" + struct.pack(f"<qq{capacity}q", capacity, len(numbers), *numbers, *[0] * room)


def _history(sources: list[tuple[int, int]], timings: list[int]) -> bytes:
    ids = b"".join(struct.pack("<i", source) for source, _ in sources)
    indexes = b"".join(struct.pack("<q", index) for _, index in sources)
    head = b"\x86" + bytes((len(sources),))
    return _block(head + ids + indexes + bytes((len(timings),)) + struct.pack(f"<{len(timings)}q", *timings))


_int64 = st.integers(-(1 << 63), (1 << 63) - 1)
_HISTORIES = st.builds(
    _history, st.lists(st.tuples(st.integers(-9, 9), _int64), max_size=3), st.lists(_int64, max_size=4)
)
_SCALARS = st.one_of(
    TEXTS.map(lambda text: utf8(0xB8, text)),
    st.sampled_from([b"\xbb", b"\xb0", b"\xb1", b"\xe0", b"\xb8\x80\x00", b"\x05", b"\x80\x00", b"\xbc\x06String"]),
    _fixed(0xA1, "<B", st.integers(0, 255)),
    _fixed(0xA6, "<i", st.integers(-(1 << 31), (1 << 31) - 1)),
    _fixed(0xA7, "<q", _int64),
    _fixed(0xA7, "<q", st.sampled_from([1712984614912, 1712984614912000001, 10**12])),
    _fixed(0xAF, "<q", _int64),
    _fixed(0x90, "<f", st.floats(width=32)),
    _fixed(0x91, "<d", st.floats()),
    st.integers(-(1 << 62), 1 << 62).map(lambda number: b"\x92" + stop_bit(number)),
    st.uuids().map(lambda one: b"\xa0" + struct.pack("<QQ", one.int >> 64, one.int & (1 << 64) - 1)),
    st.times().map(lambda one: utf8(0xB2, one.isoformat())),
    st.dates().map(lambda one: utf8(0xB3, one.isoformat())),
    st.datetimes().map(lambda one: utf8(0xB4, one.isoformat())),
    st.sampled_from(
        [
            utf8(0xB2, "10:37"),
            utf8(0xB2, "10:37:42.123456789"),
            utf8(0xB3, "+12345-01-01"),
            utf8(0xB3, "-0001-12-31"),
            utf8(0xB4, "2024-03-05T10:37:42.000000001"),
            utf8(0xB4, "+12345-01-01T00:00"),
            utf8(0xB5, "2024-03-05T10:37:42+01:00[Europe/Berlin]"),
            utf8(0xB5, "2024-03-05T10:37:42.5Z"),
            utf8(0xB5, "2024-03-05T10:37-02:30[Nowhere/Known]"),
            utf8(0xB5, "+12345-01-01T00:00Z[UTC]"),
        ]
    ),
    st.binary(max_size=9).map(_bytes_block),
    st.binary(max_size=9).map(_block),
    st.builds(_long_array, st.lists(_int64, max_size=3), st.integers(0, 3)),
    _HISTORIES,
)
_FILLING = st.one_of(
    st.just(b""),
    st.sampled_from([b"\x8f", b"\x8f\x8f", b"\x8e\x02\x00\x00\x00ab"]),
    TEXTS.map(lambda text: utf8(0xBE, text)),
)
_NAMES = st.one_of(
    _latin.map(lambda name: b"\xb7" + stop_bit(len(name)) + name.encode("latin-1")),
    TEXTS.filter(lambda name: all(char < "\u0100" for char in name)).map(
        lambda name: b"\xb9" + stop_bit(len(name)) + name.encode("latin-1")
    ),
    st.sampled_from("abc").map(lambda name: b"\xc1" + name.encode()),
    st.integers(-2, 300).map(lambda number: b"\xba" + stop_bit(number)),
)


def _joined(parts: Any) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


def _deeper(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    typed = st.lists(TYPES.map(lambda name: utf8(0xB6, name)), min_size=1, max_size=3).map(b"".join)
    keys = st.one_of(_NAMES, values.map(lambda key: b"\xbd" + key))
    fields = st.lists(_joined((_FILLING, keys, _FILLING, values)), max_size=4).map(b"".join)
    return st.one_of(
        _joined((typed, values)),
        st.lists(_joined((_FILLING, values)), max_size=4).map(b"".join).map(_block),
        fields.map(_block),
    )


VALUES = st.recursive(_SCALARS, _deeper, max_leaves=12)
_TOP_NAMES = st.one_of(_NAMES, VALUES.map(lambda key: b"\xbd" + key))
_FIELDS = st.lists(_joined((_FILLING, _TOP_NAMES, _FILLING, VALUES)), max_size=5).map(b"".join)
#: Payloads of BINARY_LIGHT: fields, events, bare values, both, histories, names without a value. Nearly all are Wire.
PAYLOADS = st.one_of(
    _FIELDS,
    _joined((_HISTORIES.map(lambda block: b"\xba\x80\x00" + block), _FIELDS)),
    st.lists(_joined((_FILLING, VALUES)), max_size=3).map(b"".join),
    st.lists(st.one_of(VALUES, _joined((_TOP_NAMES, VALUES))), max_size=4).map(b"".join),
    _joined((_FIELDS, _NAMES)),
)
