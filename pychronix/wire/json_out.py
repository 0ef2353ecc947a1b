"""JSON of a document: one line, nothing lost, which any reader of JSON loads and ``parse_json`` reads back.

The decision hidden here is what stands for values that JSON has not. Java's form of JSON_ONLY is kept: an object of one
member ``"@type"`` is a typed value.

- ``{"@!binary": base64}`` bytes, ``{"@!opaque": base64}`` the content of a block that is no Wire
- ``{"@type": name}`` a Java class as a value
- ``{"@Date": text}``, ``@Time``, ``@DateTime``, ``@ZonedDateTime``, ``@UUID``
- ``{"@Float64": "NaN"}``, ``"Infinity"``, ``"-Infinity"``
- ``{"@!seqmap": [{"key": ..., "value": ...}, ...]}`` a mapping with a name twice, with keys that are no texts, or of one
  name that begins with ``@``
- ``{"@!history": {"sources": [...], "timings": [...]}}`` a history that is not the document's own: that one has no tag
- ``{"@!typed": [name, value]}`` a typed value whose name is one of these

Integers are written in full, 64 bits of them, although some readers make doubles of them.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pychronix.errors import WireError
from pychronix.wire.decoding import as_mapping, parse
from pychronix.wire.text_in import FORMS, NUMBERS, reads_back
from pychronix.wire.times import format_date, format_date_time, format_time, format_zoned
from pychronix.wire.values import History, Opaque, Typed, TypeLiteral, pairs_of
from pychronix.wire.yaml_out import whole_value

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["to_json", "value_to_json"]

_DEPTH_MAX: Final = 500  # Objects and arrays within each other; the readers of JSON bear about twice that.
# Line ends of any kind (NDJSON), other controls that JSON lets through, halves of characters, which UTF-8 has not, and
# characters beyond the BMP, which Java's JSONWire does not read as they are.
_ESCAPED = re.compile(r"[\x7f-\xa0\xad\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff\U00010000-\U0010ffff]")


def to_json(payload: Buffer, *, wire_type: str = "auto") -> str:
    """A payload as one line of JSON without a newline; ``null`` for a payload without any item.

    ``parse_json`` gives back what ``decode`` gives, and the history as the first member. ``wire_type`` is as for
    ``decode``. Raises WireError, also where JSON would be nested deeper than its readers bear.
    """
    return value_to_json(whole_value(parse(payload, wire_type)))


def value_to_json(value: Any) -> str:
    """A value as one line of JSON. Raises WireError for what is no value of Wire."""
    if isinstance(value, dict) and value:
        name, first = next(iter(value.items()))
        if name == "history" and isinstance(first, History):
            value = as_mapping([(name, _sources_and_timings(first)), *list(pairs_of(value))[1:]])
    out: list[str] = []
    depth = 0
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if type(item) is _Text:
            out.append(item)
            continue
        if item is _END:
            depth -= 1
            continue
        plain = _plain(item)
        if plain is not None:
            out.append(plain)
            continue
        depth += 1
        if depth > _DEPTH_MAX:
            raise WireError(f"cannot write JSON: nested deeper than {_DEPTH_MAX} levels")
        pending.append(_END)
        pending.extend(reversed(_parts(item)))
    return "".join(out)


class _Text(str):
    """A piece of the output."""

    __slots__ = ()


_END: Final = object()  # Of an object or array.


def _string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: json.dumps(match[0])[1:-1], quoted)


def _plain(value: Any) -> str | None:
    """The JSON of a value that holds no other; None for one that does."""
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(float(value))
        return _tagged("Float64", "NaN" if value != value else "Infinity" if value > 0 else "-Infinity")
    if isinstance(value, bytes | bytearray):
        name = "!opaque" if isinstance(value, Opaque) else "!binary"
        return _tagged(name, base64.b64encode(value).decode())
    if isinstance(value, TypeLiteral):
        return _tagged("type", value.name)
    if isinstance(value, UUID):
        return _tagged("UUID", str(value))
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return _tagged("DateTime", format_date_time(value))
        return _tagged("ZonedDateTime", format_zoned(value))
    if isinstance(value, datetime.date):
        return _tagged("Date", format_date(value))
    if isinstance(value, datetime.time):
        return _tagged("Time", format_time(value))
    if isinstance(value, dict | list | tuple | Typed):
        return None
    raise WireError(f"cannot write JSON: no value of Wire is a {type(value).__name__}")


def _tagged(name: str, text: str) -> str:
    return f'{{"@{name}": {_string(text)}}}'


def _parts(value: Any) -> list[Any]:
    """A value that holds others, as pieces of text and those others."""
    if isinstance(value, Typed):
        if _is_reserved(value):
            return [_Text(f'{{"@!typed": [{_string(value.name)}, '), value.value, _Text("]}")]
        return [_Text(f"{{{_string('@' + value.name)}: "), value.value, _Text("}")]
    if isinstance(value, History):
        return [_Text('{"@!history": '), _sources_and_timings(value), _Text("}")]
    if not isinstance(value, dict):
        return _joined("[", ((item,) for item in value), "]")
    pairs = list(pairs_of(value))
    names = {key for key, _ in pairs if isinstance(key, str)}
    if len(names) == len(pairs) and not (len(names) == 1 and next(iter(names)).startswith("@")):
        return _joined("{", ((_Text(f"{_string(key)}: "), item) for key, item in pairs), "}")
    rows = ((_Text('{"key": '), key, _Text(', "value": '), item, _Text("}")) for key, item in pairs)
    return _joined('{"@!seqmap": [', rows, "]}")


def _sources_and_timings(history: History) -> dict[str, Any]:
    sources = [number for source in history.sources for number in source]
    return {"sources": sources, "timings": list(history.timings)}


def _joined(start: str, rows: Iterable[Iterable[Any]], end: str) -> list[Any]:
    parts: list[Any] = [_Text(start)]
    for row in rows:
        if len(parts) > 1:
            parts.append(_Text(", "))
        parts.extend(row)
    parts.append(_Text(end))
    return parts


def _is_reserved(typed: Typed) -> bool:
    """Whether ``{"@name": value}`` would read back as something else than this Typed."""
    if isinstance(typed.value, str):
        return not reads_back(typed.name, typed.value)
    if isinstance(typed.value, int | float):
        return typed.name in NUMBERS
    return typed.name in FORMS
