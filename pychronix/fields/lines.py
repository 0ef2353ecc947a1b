"""Excerpts as lines: the values of a layout as tab-separated cells, or as a JSON array, and back.

The decision hidden here is how a value looks as text. Pure: values in, text out, and the other way round.

Rules
- What is read from a line are the values that it was made of, so that writing them gives the same bytes.
- A cell holds no tab, no end of line and nothing unprintable: text has escapes (``\\t``, ``\\\\``, ``\\u2028``), bytes
  are hex, null is ``\\N``. Lists, maps and objects are JSON, as it is.
- In JSON bytes are hex, too; a number that JSON lacks is its name ("NaN", "Infinity"); a Java object that JSON cannot tell
  from another is an object of one member that names its class: ``{"Integer": 5}``. See docs/fields.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from pychronix.errors import ChronixError, UsageError
from pychronix.fields.layouts import Field
from pychronix.fields.objects import (
    JavaBigInteger,
    JavaByte,
    JavaClass,
    JavaDate,
    JavaDouble,
    JavaFloat,
    JavaInteger,
    JavaObject,
    JavaSerialized,
    JavaShort,
)

__all__ = ["array_of", "line_of", "to_json_text", "values_of_array", "values_of_line"]

NULL = "\\N"
_LISTS, _MAPS = {"list", "object_list"}, {"map", "object_map"}
_AS_JSON = {"object", *_LISTS, *_MAPS}
_TEXTS = {"char", "chars", "string", "utf", "utf_short", "8bit_text", "text", "enum"}
_BYTES = {"bytes", "bytes_with_length", "rest"}

_SPECIAL = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
_NUMBER = re.compile(r"-?(?:NaN|Infinity|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)", re.ASCII)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.|$)", re.DOTALL)


def line_of(fields: Sequence[Field], values: Sequence[object]) -> str:
    """The values of a layout's fields as cells with tabs between, on one line without its end."""
    named = [field for field in fields if field.has_value]
    return "\t".join(_cell(field, value) for field, value in zip(named, values, strict=True))


def values_of_line(fields: Sequence[Field], line: str) -> list[object]:
    """The values of a line that ``line_of`` made, or that somebody wrote like it. Raises UsageError naming the field."""
    named = [field for field in fields if field.has_value]
    cells = line.split("\t") if named or line else []
    if len(cells) != len(named):
        raise UsageError(f"the line has {len(cells)} cells, and the layout {len(named)} fields with a value")
    return [_named(number, field, _of_cell, cell) for number, (field, cell) in _numbered(named, cells)]


def array_of(fields: Sequence[Field], values: Sequence[object]) -> list[object]:
    """The values as what JSON has: None, bool, int, float, str, list and dict."""
    named = [field for field in fields if field.has_value]
    return [_json(field, value) for field, value in zip(named, values, strict=True)]


def values_of_array(fields: Sequence[Field], line: str) -> list[object]:
    """The values of a JSON array as ``array_of`` makes them. Raises UsageError naming the field."""
    named = [field for field in fields if field.has_value]
    try:
        array = json.loads(line)
    except (ValueError, RecursionError) as cause:
        raise UsageError(f"the line is no JSON: {cause}") from cause
    if not isinstance(array, list):
        raise UsageError(f"the line is a JSON {type(array).__name__}, not an array")
    if len(array) != len(named):
        raise UsageError(f"the array has {len(array)} elements, and the layout {len(named)} fields with a value")
    return [_named(number, field, _of_json, value) for number, (field, value) in _numbered(named, array)]


def to_json_text(value: object) -> str:
    """JSON on one line, with escapes for whatever is not printable (JSON itself asks for fewer)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else _json_escape(c) for c in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))


def _numbered(fields: Sequence[Field], values: Sequence[Any]) -> enumerate[tuple[Field, Any]]:
    return enumerate(zip(fields, values, strict=True), 1)


def _named(number: int, field: Field, convert: Callable[[Field, Any], object], value: object) -> object:
    try:
        return convert(field, value)
    except (ChronixError, ValueError, TypeError, ArithmeticError, KeyError) as cause:
        raise UsageError(f"field {number} ({field}): {cause}") from cause


# --- cells -----------------------------------------------------------------------------------------------------------


def _cell(field: Field, value: Any) -> str:
    if field.kind in _AS_JSON:
        return to_json_text(_json(field, value))
    if value is None:
        return NULL
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return _float_text(field, value)
    return str(value)


def _of_cell(field: Field, cell: str) -> object:
    if cell == NULL:
        return None
    if field.kind in _AS_JSON:
        try:
            value = json.loads(cell)
        except RecursionError as cause:
            raise UsageError("JSON nested too deeply") from cause
        return _of_json(field, value)
    return unescaped(cell) if field.kind in _TEXTS else _value_of(field, cell)


def _value_of(field: Field, text: str) -> object:
    try:
        return field.value_of(text)
    except UsageError as cause:
        raise UsageError(f"{text!r} is no {'hex' if field.kind in _BYTES else field.kind}") from cause


def escaped(text: str) -> str:
    """The text with escapes for what a cell cannot hold."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        _SPECIAL.get(char) or (char if char.isprintable() else char.encode("unicode_escape").decode()) for char in text
    )


def unescaped(cell: str) -> str:
    """The text that a cell stands for. Raises UsageError for an escape that is none."""
    return _ESCAPE.sub(_unescaped, cell) if "\\" in cell else cell


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) > 1:
        number = int(escape[1:], 16)
        if number <= 0x10FFFF:
            return chr(number)
    elif escape in _ESCAPED:
        return _ESCAPED[escape]
    raise UsageError(f"unknown escape {found[0]!r}", hint=r"a backslash is written \\")


def _float_text(field: Field, value: float) -> str:
    # The fewest digits that are this float of 32 bits, or this double.
    if field.kind == "float":
        return JavaFloat(value).text
    return repr(value) if math.isfinite(value) else _name_of(value)


def _name_of(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(field: Field, value: Any) -> object:
    if field.kind in _LISTS:
        return [_object_json(element) for element in value]
    if field.kind in _MAPS:
        if all(isinstance(key, str) for key in value):
            return {key: _object_json(element) for key, element in value.items()}
        return [[_object_json(key), _object_json(element)] for key, element in value.items()]
    if field.kind == "object":
        return _object_json(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        text = _float_text(field, value)
        return float(text) if math.isfinite(value) else text
    return str(value) if isinstance(value, Decimal) else value


def _of_json(field: Field, value: Any) -> object:
    kind = field.kind
    if kind in _LISTS:
        return [_object(element) for element in _a(list, value)]
    if kind in _MAPS:
        pairs = value.items() if isinstance(value, dict) else _a(list, value)
        return {_object(key): _object(element) for key, element in pairs}
    if kind == "object":
        return _object(value)
    if value is None or kind in _TEXTS:
        return value
    if isinstance(value, str):
        return _value_of(field, value)
    if isinstance(value, bool) != (kind == "boolean"):
        raise UsageError(f"{to_json_text(value)} is no value of it")
    return value


def _a(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a JSON {kind.__name__} is wanted, not {type(value).__name__}")
    return value


# Java objects by the name of the one member that tells them from others, and what that member holds.
_MEMBERS: dict[type, tuple[str, Callable[[Any], object]]] = {
    JavaInteger: ("Integer", int),
    JavaShort: ("Short", int),
    JavaByte: ("Byte", int),
    JavaBigInteger: ("BigInteger", int.__repr__),
    JavaFloat: ("Float", lambda value: value.text),
    JavaDouble: ("Double", lambda value: value.text),
    Decimal: ("BigDecimal", str),
    datetime: ("Date", lambda value: value.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
    JavaDate: ("Date", lambda value: value.millis),
    JavaClass: ("Class", lambda value: value.name),
    bytes: ("ByteBuffer", bytes.hex),
}


def _digits(value: Any) -> str | None:
    """The text of a number, None for a number; what Python takes, too, such as "1_0", Java could not read."""
    if not isinstance(value, str):
        return None
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is no number of Java's")
    return value


def _double(value: Any) -> float:
    found = JavaDouble(value, _digits(value))
    return float(found) if JavaDouble(float(found)).text == found.text else found


def _date(value: Any) -> object:
    if isinstance(value, int):
        return JavaDate(value)
    moment = datetime.fromisoformat(_a(str, value).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


_OF_MEMBER: dict[str, Callable[[Any], object]] = {
    "Integer": JavaInteger,
    "Short": JavaShort,
    "Byte": JavaByte,
    "BigInteger": lambda value: JavaBigInteger(int(value)),
    "Float": lambda value: JavaFloat(value, _digits(value)),
    "Double": lambda value: _double(value),
    "BigDecimal": lambda value: Decimal(_a(str, value)),
    "Date": _date,
    "Class": lambda value: JavaClass(_a(str, value)),
    "ByteBuffer": lambda value: bytes.fromhex(_a(str, value)),
}


def _object_json(value: Any) -> object:
    if isinstance(value, JavaObject):
        content = {"text": value.value} if isinstance(value.value, str) else {"bytes": value.value.hex()}
        return {"class": value.class_name, **content}
    if isinstance(value, JavaSerialized):
        return {"class": value.class_name, "serialized": value.raw.hex(), **({} if value.framed else {"framed": False})}
    member = _MEMBERS.get(type(value))
    if member is not None:
        return {member[0]: member[1](value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"Double": _name_of(value)}
    return value


def _object(value: Any) -> object:
    if isinstance(value, list):
        raise TypeError("a JSON array is no Java object")
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, member),) = value.items()
        if name in _OF_MEMBER:
            return _OF_MEMBER[name](member)
    elif set(value) == {"class", "text"}:
        return JavaObject(_a(str, value["class"]), _a(str, value["text"]))
    elif set(value) == {"class", "bytes"}:
        return JavaObject(_a(str, value["class"]), bytes.fromhex(_a(str, value["bytes"])))
    elif "serialized" in value and set(value) <= {"class", "serialized", "framed"}:
        return JavaSerialized(bytes.fromhex(_a(str, value["serialized"])), value.get("framed", True) is not False)
    raise ValueError(f"{to_json_text(value)} is no Java object")
