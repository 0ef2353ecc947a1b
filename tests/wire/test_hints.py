"""Values of Wire converted to type hints, as Java's readers convert to declared types."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, Union, get_origin

import pytest

from pychronix.errors import WireError
from pychronix.wire import NanoTime, Typed, TypeLiteral
from pychronix.wire.hints import convert


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


@dataclasses.dataclass
class Leg:
    id: int
    px: float
    live: bool
    name: str


@dataclasses.dataclass
class Order:
    legs: list[Leg]
    color: Color | None = None
    parent: Order | None = None
    more: dict[str, int] = dataclasses.field(default_factory=dict)


UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (7, int, 7),
        (7.9, int, 7),
        (-7.9, int, -7),
        (9.3e18, int, (1 << 63) - 1),
        (float("nan"), int, 0),
        ("-12", int, -12),
        ("7.6", int, 8),
        ("1.5f", float, 1.5),
        (True, int, 1),
        (Typed("int", 5), int, 5),
        (7, float, 7.0),
        ("1.5", float, 1.5),
        ("TRUE", bool, True),
        ("false", bool, False),
        (5, str, "5"),
        (True, str, "true"),
        (TypeLiteral("String"), str, "String"),
        (datetime.date(2024, 3, 5), str, "2024-03-05"),
        (datetime.time(10, 37), str, "10:37"),
        (1e-7, str, "1.0E-7"),
        (float("inf"), str, "Infinity"),
        (b"\xe9", str, "\xe9"),
        ([1, -1], bytes, b"\x01\xff"),
        (b"ab", bytes, b"ab"),
        ("1.10", Decimal, Decimal("1.10")),
        (0.1, Decimal, Decimal("0.1")),
        ("2024-03-05", datetime.date, datetime.date(2024, 3, 5)),
        ("01:02:03", datetime.time, datetime.time(1, 2, 3)),
        ("01:02:03.123456789", datetime.time, NanoTime(1, 2, 3, 123456, nanosecond=789)),
        ("2024-03-05T01:02:03.5", datetime.datetime, datetime.datetime(2024, 3, 5, 1, 2, 3, 500000)),
        ("2024-03-05T01:02+01:00[Europe/Berlin]", datetime.datetime, datetime.datetime(2024, 3, 5, 0, 2, tzinfo=UTC)),
        ("2024-03-05 01:02:03", datetime.datetime, datetime.datetime(2024, 3, 5, 1, 2, 3)),
        ("2024-03-05T01:02:03Z", datetime.datetime, datetime.datetime(2024, 3, 5, 1, 2, 3, tzinfo=UTC)),
        (datetime.date(2024, 3, 5), datetime.datetime, datetime.datetime(2024, 3, 5)),
        ("PT1H2.5S", datetime.timedelta, datetime.timedelta(hours=1, seconds=2.5)),
        ("P1DT-3M", datetime.timedelta, datetime.timedelta(days=1, minutes=-3)),
        ("-PT5S", datetime.timedelta, datetime.timedelta(seconds=-5)),
        ("01020304-0506-0708-090a-0b0c0d0e0f10", uuid.UUID, uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")),
        ("RED", Color, Color.RED),
        (Typed("pkg.Color", "GREEN"), Color, Color.GREEN),
        ("g", Color, Color.GREEN),
        (["1", 2.0], list[int], [1, 2]),
        ([1, 1], set[int], {1}),
        (Typed("!set", [1, 2]), frozenset, frozenset((1, 2))),
        (["1", "x"], tuple[int, str], (1, "x")),
        ([1, 2, 3], tuple[float, ...], (1.0, 2.0, 3.0)),
        ([1], Sequence[str], ["1"]),
        ({"5": "6"}, dict[int, int], {5: 6}),
        ({"a": 1}, Mapping, {"a": 1}),
        (5, Optional[int], 5),  # noqa: UP045
        ("5", Union[int, str], "5"),  # noqa: UP007
        ("5", int | None, 5),
        ("b", Literal["a", "b"], "b"),
        (3, Annotated[float, "unit"], 3.0),
        (Typed("x", 1), Any, Typed("x", 1)),
        (Typed("x", 1), Typed, Typed("x", 1)),
        ("as it is", object, "as it is"),
    ],
)
def test_a_value_becomes_what_the_hint_says(value: object, hint: Any, expected: object) -> None:
    found = convert(value, hint)
    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize("hint", [int, float, str, bool, bytes, Color, Leg, list[int], dict[str, int], tuple[int, int]])
def test_null_stays_none(hint: Any) -> None:
    assert convert(None, hint) is None


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("x", int),
        ([1], int),
        ({}, float),
        ([], str),
        ("0xff", int),
        ("1_000", int),
        (1, bool),
        ("no", bool),
        (5, list[int]),
        ([1], dict),
        ([1, 2, 3], tuple[int, int]),
        ("BLUE", Color),
        ("soon", datetime.date),
        ("+12024-03-05", datetime.date),
        ("P", datetime.timedelta),
        ("PT5", datetime.timedelta),
        ("c", Literal["a", "b"]),
        ([], int | float),
        (5, Leg),
        ([300, "a"], list[int]),
    ],
)
def test_what_cannot_be_converted_is_a_wire_error(value: object, hint: Any) -> None:
    with pytest.raises(WireError, match="cannot make"):
        convert(value, hint)


def test_a_dataclass_takes_its_fields_and_no_others() -> None:
    document = {
        "legs": [Typed("pkg.Leg", {"id": "7", "px": 1, "unknown": [1]}), {"name": 5, "live": "true"}],
        "color": "RED",
        "parent": {"legs": []},
    }
    order = convert(document, Order)
    assert [Leg(7, 1.0, False, None), Leg(0, 0.0, True, "5")] == order.legs  # type: ignore[arg-type]
    assert (Color.RED, Order([]), {}) == (order.color, order.parent, order.more)


def test_an_error_in_a_dataclass_names_the_field() -> None:
    with pytest.raises(WireError, match=r"field 'px' of Leg.*field 'legs' of Order"):
        convert({"legs": [{"px": "much"}]}, Order)


class Mood(enum.Enum):
    GOOD = 1


Id = NewType("Id", int)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1.5, list[int | str], [1]),
        (1.5, list[str | int], ["1.5"]),  # Equal hints, but the first that fits counts.
        ("7", Id, 7),
        ("7", Annotated[int, []], 7),  # It cannot be hashed.
        ("GOOD", Literal[Mood.GOOD], Mood.GOOD),
        (1, Literal[1], 1),
        ("P1DT-2H3M4.5S", datetime.timedelta, datetime.timedelta(days=1, hours=-2, minutes=3, seconds=4.5)),
    ],
)
def test_hints_of_other_kinds(value: object, hint: Any, expected: object) -> None:
    items = [value] if get_origin(hint) is list else value
    assert convert(items, hint) == expected


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, Literal[1]),
        ([], uuid.UUID),
        (5, uuid.UUID),
        ("PT1e99999999S", datetime.timedelta),  # A number of a hundred million digits.
        ("P", datetime.timedelta),
        ("PT", datetime.timedelta),
        ("P1DT", datetime.timedelta),
        (functools.reduce(lambda inner, _: [inner], range(5000), []), int),  # Too deep for repr.
    ],
)
def test_hostile_values_are_wire_errors_at_once(value: object, hint: Any) -> None:
    with pytest.raises(WireError, match=r"^cannot make .{1,100} a value of type"):
        convert(value, hint)


@dataclasses.dataclass
class Half:
    number: int = 0
    other: NoSuchClass = None  # type: ignore[name-defined]  # noqa: F821


@dataclasses.dataclass
class Checked:
    number: int
    extra: dataclasses.InitVar[int]


def test_a_hint_that_means_nothing_here_leaves_the_others_in_force() -> None:
    assert Half(7, "x") == convert({"number": "7", "other": "x"}, Half)


def test_a_dataclass_that_refuses_says_why() -> None:
    with pytest.raises(WireError, match=r"type Checked: .*'extra'"):
        convert({"number": 1}, Checked)
