"""Scalars made into what is asked for, as Java's ValueIn does: a text of a number is a number, a number can be a text.

The decision hidden here is which conversions there are. Each function takes a decoded value without the names of its
types and raises ValueError where Java has no such conversion, or an accident in its place.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from typing import Any, Final

from pychronix.wire.times import format_date, format_date_time, format_time, format_zoned
from pychronix.wire.values import TypeLiteral

__all__ = ["to_boolean", "to_double", "to_integer", "to_text"]

_MAX_I64: Final = (1 << 63) - 1
_INTEGER: Final = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_DOUBLE: Final = re.compile(r"[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?", re.ASCII)


def to_integer(value: Any) -> int:
    """An integer: of a float its whole part, saturated at 64 bits (NaN is 0); of a text the nearest one."""
    if isinstance(value, int):  # bool, too
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        number = to_double(text)
        return _saturated(math.floor(number + 0.5)) if math.isfinite(number) else _long_of(number)  # Math.round
    if isinstance(value, float):
        return _long_of(value)
    raise ValueError


def to_double(value: Any) -> float:
    """A float: of an integer the nearest, of a text the one that it spells."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and _DOUBLE.fullmatch(value.strip()):
        return float(value.strip().rstrip("fFdD"))
    raise ValueError


def to_boolean(value: Any) -> bool:
    """True or False; of a text what "true" and "false" say, in any case."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError


def to_text(value: Any) -> str:
    """A text; a number, bool, time, UUID or type as Java prints it; bytes as ISO-8859-1."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double_text(value)
    if isinstance(value, datetime.datetime):
        return format_date_time(value) if value.tzinfo is None else format_zoned(value)
    if isinstance(value, datetime.time):
        return format_time(value)
    if isinstance(value, datetime.date):
        return format_date(value)
    if isinstance(value, TypeLiteral):
        return value.name
    if isinstance(value, bytes):
        return str(value, "latin-1")
    if isinstance(value, int | uuid.UUID):
        return str(value)
    raise ValueError


def _saturated(number: int) -> int:
    return min(max(number, -_MAX_I64 - 1), _MAX_I64)


def _long_of(value: float) -> int:
    """Java's ``(long) value``."""
    if value != value:
        return 0
    if math.isinf(value):
        return _MAX_I64 if value > 0 else -_MAX_I64 - 1
    return _saturated(int(value))


def _double_text(value: float) -> str:
    """Java's Double.toString, as of JDK 19: the ones before print a digit more than needed now and then."""
    if value != value or math.isinf(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    # The shortest digits that give the number back are repr's, and so is the exponent: 1e-7 itself is a little less.
    shortest = decimal.Decimal(repr(value))
    digits = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    if len(digits) == 1:  # Java prints two at least: those nearest to the number, 4.9E-324.
        shortest = decimal.Decimal(f"{value:.1e}")
        digits = "".join(map(str, shortest.as_tuple().digits))
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{shortest.adjusted()}"
