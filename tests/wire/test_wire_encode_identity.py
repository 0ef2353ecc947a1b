"""What is encoded decodes to the same, for values of any shape: the two halves of ``pychronix.wire`` against each other.

Not the same, and why (docs/wire.md has the list): -0.0 and 2.0**63 as fields (Java's rule), Decimals, timedeltas and
integers beyond 64 bits (text), sets (Typed "!set"), enums (their name), an empty mapping (an empty list: Wire writes both
alike), names of digits with leading zeros (a number), a block whose names have NUL in them (taken for no Wire).
"""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pychronix import wire

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False).filter(lambda number: number != 2.0**63 and (number != 0 or str(number) == "0.0"))
DECIMALS = st.builds(lambda digits, places: digits / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 7)).map(
    lambda number: number or 0.0
)
NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=40).filter(
    lambda name: not (name.isascii() and name.isdigit() and name != str(int(name)))
)
ZONES = st.sampled_from(
    [
        datetime.timezone.utc,
        zoneinfo.ZoneInfo("Europe/Paris"),
        datetime.timezone(datetime.timedelta(hours=-9, minutes=-30)),
    ]
)
TIMES = st.one_of(
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(
        datetime.datetime(1971, 1, 1), datetime.datetime(2037, 1, 1), timezones=ZONES, allow_imaginary=False
    ).map(lambda moment: moment.replace(fold=0)),
    st.builds(wire.NanoTime, st.integers(0, 23), nanosecond=st.integers(1, 999)),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INT64,
    FLOATS,
    DECIMALS,
    st.text(max_size=50),
    st.binary(max_size=300),
    TIMES,
    st.uuids(),
    st.builds(wire.TypeLiteral, NAMES),
    st.builds(wire.LongArray, st.lists(INT64, max_size=4)),
    st.builds(
        wire.History,
        st.lists(st.tuples(st.integers(-(1 << 31), (1 << 31) - 1), INT64), max_size=3).map(tuple),
        st.lists(INT64, max_size=5).map(tuple),
    ),
)


def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    mappings = st.dictionaries(NAMES, children, min_size=1, max_size=5)
    return st.one_of(
        st.lists(children, max_size=5),
        mappings,
        st.dictionaries(
            st.one_of(NAMES, st.integers(-5, 1 << 40), st.booleans(), st.uuids()), children, min_size=1, max_size=4
        ),
        st.builds(wire.Typed, st.text(min_size=1, max_size=40).map("t.".__add__), st.one_of(mappings, children)),
    )


VALUES = st.recursive(SCALARS, containers, max_leaves=25)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=6)


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type, but for a number that is integral."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and list(one) == list(other)
            and all(same(item, other[key]) for key, item in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, wire.Typed):
        return isinstance(other, wire.Typed) and one.name == other.name and same(one.value, other.value)
    if isinstance(one, float):
        return isinstance(other, int | float) and one == other
    return type(one) is type(other) and bool(one == other)


@settings(max_examples=120, deadline=None)
@given(VALUES)
def test_a_bare_value(value: Any) -> None:
    assert same(value, wire.decode(wire.encode(value)))


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS)
def test_a_document_and_a_map(document: dict[Any, Any]) -> None:
    assert same(document, wire.decode(wire.encode_document(document)))
    assert same(document, wire.decode(wire.encode_map(document)))


@settings(max_examples=120, deadline=None)
@given(st.one_of(NAMES, st.integers(0, (1 << 31) - 1)), st.lists(VALUES, max_size=4))
def test_an_event(name: str | int, arguments: list[Any]) -> None:
    document = wire.Document(wire.encode_event(name, *arguments))
    assert document.event == name
    (event,) = document.events()
    expected = arguments[0] if len(arguments) == 1 else arguments or ""
    assert same(expected, event[1])
