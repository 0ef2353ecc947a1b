"""Every byte of a document explained: what ``Document.dump`` and ``pychronix cat --output explain`` print.

The decision hidden here is how a payload looks beside its meaning: a line for each item with its offset, its bytes and
what they say, indented as it is nested. Damage is part of the picture, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pychronix.errors import WireError
from pychronix.wire import codes
from pychronix.wire.codes import BLOCK_HEADS, name_of
from pychronix.wire.decoding import parse
from pychronix.wire.text import as_payload
from pychronix.wire.values import History, LongArray, Opaque
from pychronix.wire.walking import Token, walk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["explain"]

_ROW: Final = 12  # Bytes a line.
_ROWS_MAX: Final = 8  # Lines of an item; of a longer one the rest is counted.
_SHOWN_MAX: Final = 60  # Characters of a value.
_INDENT_MAX: Final = 20  # Levels.


def explain(payload: Buffer, *, wire_type: str = "auto") -> str:
    """A payload as lines of ``offset  bytes  meaning``, in hex, with a newline at the end of each; empty for no bytes.

    Offsets count from the payload's first byte. A payload of text shows its lines. Where a payload is not Wire, the last
    line says so and has the bytes from there on, so nothing is raised but UsageError for an unknown ``wire_type``.
    """
    data = as_payload(payload)
    return "".join(f"{line}\n" for line in _lines(data, wire_type))


def _lines(data: bytes, wire_type: str) -> Iterator[str]:
    try:
        kind = parse(data, wire_type).kind
    except WireError:
        kind = "damaged"
    if kind == "raw":
        yield from _rows(data, 0, len(data), "bytes")
        return
    if kind in ("yaml", "json") or (kind == "text" and data[0] < codes.BYTES_LENGTH8):
        at = 0
        for line in data.splitlines(keepends=True):
            yield from _rows(data, at, at + len(line), f"{kind} {_short(line.decode('utf-8', 'backslashreplace'))}")
            at += len(line)
        return
    depth = at = 0
    try:
        for token in walk(data):
            at = token.stop
            if token.kind == "close":
                depth -= 1
                continue
            indent = "  " * min(depth, _INDENT_MAX)
            yield from _rows(data, token.start, token.stop, indent + _meaning(token))
            if token.kind == "open":
                depth += 1
    except WireError as error:
        yield from _rows(data, at, len(data), f"?? {error.message}" + _at(error))


def _at(error: WireError) -> str:
    return "" if error.offset is None else f" at {error.offset:#x}"


def _rows(data: bytes, start: int, stop: int, meaning: str) -> Iterator[str]:
    """The lines of an item: the first one says what it is."""
    end = min(stop, start + _ROW * _ROWS_MAX)
    for at in range(start, end, _ROW):
        shown = data[at : min(at + _ROW, end)].hex(" ")
        yield f"{at:06x}  {shown:<{3 * _ROW - 1}}  {meaning}".rstrip()
        meaning = ""
    if end < stop:
        yield f"{end:06x}  {f'.. {stop - end} more':<{3 * _ROW - 1}}".rstrip()


def _meaning(token: Token) -> str:
    kind, value, code = token.kind, token.value, token.code
    if kind == "field":
        return f"field {value}" if code == codes.FIELD_NUMBER else f"field {_short(value)}"
    if kind == "event":
        return f"event {_short(value)}"
    if kind == "key":
        return "event, its key is the next value"
    if kind == "type":
        return f"type {_short(value)}"
    if kind == "comment":
        return f"comment {_short(value)}"
    if kind == "padding":
        return f"padding of {token.stop - token.start}"
    length = token.stop - token.start
    if kind == "open":
        return f"{value}, {name_of(code)}" + (f" ({length} bytes)" if length != BLOCK_HEADS[code] else "")
    return f"{_kind_of(value, code)} {_short(value)}"


def _kind_of(value: Any, code: int) -> str:
    """What a value is, in Wire's words."""
    if isinstance(value, History):
        return "history"
    if isinstance(value, LongArray):
        return f"{name_of(code)} of {value.capacity}"
    if isinstance(value, Opaque):
        return f"no Wire, {len(value)} bytes:"
    if isinstance(value, bytes):
        return f"{'compressed ' if code == codes.TYPE_PREFIX else ''}bytes, {len(value)}:"
    if isinstance(value, str):
        return "text"
    return name_of(code)


def _short(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = bytes(value[:_SHOWN_MAX]).hex(" ", 4) if isinstance(value, bytes) else repr(value)
    if isinstance(value, LongArray):
        shown = repr(list(value[:_SHOWN_MAX]))
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[: _SHOWN_MAX - 3]}..."
