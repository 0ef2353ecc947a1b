"""Python values as words of ``pychronix.peer.wire.Writer``, which make the same values in Java: for tests of bytes."""

from __future__ import annotations

import datetime
import decimal
import struct
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from pychronix import wire


def text(value: str) -> str:
    """A text as UTF-16 in hex."""
    return value.encode("utf-16-be", "surrogatepass").hex() or "-"


def double(value: float) -> str:
    """A double by its bits."""
    return struct.pack(">d", value).hex()


def single(value: float) -> str:
    """The nearest 32-bit float by its bits."""
    return struct.pack(">f", value).hex()


def raw(value: bytes) -> str:
    """Bytes in hex."""
    return value.hex() or "-"


def boxed(value: Any) -> str:
    """The object that a value is to ``wire.encode``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"Z {int(value)}"
    if isinstance(value, int):
        if -(1 << 31) <= value < 1 << 31:
            return f"I {value}"
        return f"L {value}" if -(1 << 63) <= value < 1 << 63 else f"BIG {value}"
    if isinstance(value, float):
        return f"D {double(value)}"
    if isinstance(value, str):
        return f"T {text(value)}"
    if isinstance(value, bytes):
        return f"X {raw(value)}"
    if isinstance(value, uuid.UUID):
        return f"U {value}"
    if isinstance(value, decimal.Decimal):
        return f"DEC {value}"
    if isinstance(value, datetime.timedelta):
        return f"DUR {value // datetime.timedelta(microseconds=1) * 1000}"
    if isinstance(value, datetime.datetime):
        return f"{'ZDT' if value.tzinfo else 'LDT'} {time(value)}"
    if isinstance(value, datetime.date):
        return f"LD {value.isoformat()}"
    if isinstance(value, datetime.time):
        return f"LT {value.isoformat()}"
    if isinstance(value, Mapping):
        return f"{{ {' '.join(f'{boxed(key)} {boxed(item)}' for key, item in value.items())} }}"
    if isinstance(value, set | frozenset):
        return f"set {items(value)}"
    if isinstance(value, list | tuple):
        return items(value)
    raise AssertionError(f"no words for {value!r}")


def items(values: Iterable[Any]) -> str:
    """A list of objects."""
    return f"[ {' '.join(map(boxed, values))} ]"


def time(value: datetime.datetime) -> str:
    """The ISO text that Java parses: with the region, if there is one."""
    key = getattr(value.tzinfo, "key", None)
    return value.isoformat() + (f"[{key}]" if key else "")


def field(value: Any) -> str:
    """The call of ValueOut that a value of a document is to ``wire.encode_document``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"bool {int(value)}"
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return f"int64 {value}"
    if isinstance(value, float):
        return f"float64 {double(value)}"
    if isinstance(value, str):
        return f"text {text(value)}"
    if isinstance(value, bytes):
        return f"bytes {raw(value)}"
    if isinstance(value, Mapping):
        return f"marshallable ( {fields(value)} )"
    if isinstance(value, list | tuple):
        return f"sequence ( {' '.join(map(field, value))} )"
    if isinstance(value, wire.Typed):
        return f"prefix {text(value.name)} {field(value.value)}"
    return f"object {boxed(value)}"


def fields(document: Mapping[Any, Any]) -> str:
    """The calls of WireOut that a document is."""
    return " ".join(
        f"{f'write {text(key)}' if isinstance(key, str) else f'key {boxed(key)}'} {field(value)}"
        for key, value in document.items()
    )
