"""Values of a Wire payload: ``decode``, the general decoder.

The decision hidden here is how decoding gets fast: the usual items are read by tables and slices, with no object for
each; whatever is unusual, damaged or deep is left to ``walking``, whose tokens are then made into values. So there is one
place that says what is Wire, and this one never disagrees with it: it either reads the payload as that would, or does
not read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pychronix.errors import EncodingError, UsageError, WireError
from pychronix.wire import codes
from pychronix.wire.text import as_payload, from_utf8
from pychronix.wire.values import History, Pairs, Typed, TypeLiteral, pairs_of
from pychronix.wire.walking import (
    COMPRESSIONS,
    LIMITS,
    SCALARS,
    STOP_SCALES,
    TIMES,
    Limits,
    read_history,
    stop_bit_at,
    uuid_at,
    walk,
    whole_float,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "BYTES_TYPES",
    "Content",
    "EventId",
    "as_history",
    "as_mapping",
    "decode",
    "from_tokens",
    "parse",
    "to_value",
    "wire_type_of",
    "with_type",
]

_EVENTS: Final = frozenset((codes.EVENT_NAME, codes.FIELD_NUMBER, codes.EVENT_OBJECT))
_STARTS: Final = frozenset((codes.EVENT_NAME, codes.FIELD_NUMBER, codes.FIELD_NAME_ANY))
_HISTORY: Final = "history"
_HISTORY_ID: Final = -1  # MethodReader.MESSAGE_HISTORY_METHOD_ID
BYTES_TYPES: Final = frozenset(("byte[]", "binary", "!binary"))  # What says of bytes that they are bytes.
_MAP_TYPES: Final = frozenset(("!map", "!omap", "Map", "SortedMap"))  # Of an empty block that it is a mapping.


class Content(NamedTuple):
    """The top level of a payload.

    ``kind``: ``"empty"``, ``"text"`` (one text or null), ``"values"`` (values without a name), ``"fields"``, ``"event"``,
    ``"events"``, ``"raw"``, ``"yaml"`` or ``"json"``. ``items``: where ``named`` pairs of name and value, else the values.
    """

    kind: str
    named: bool
    items: list[Any]
    history: History | None = None


class EventId(int):
    """The number that stands for an event's name (Java: @MethodId; FIELD_NUMBER). In a mapping its text is the key."""

    __slots__ = ()

    def __repr__(self) -> str:
        return int.__repr__(self)


class _Unsure(Exception):
    """What is being read is unusual or damaged: the walk will tell."""


# --- the fast way ----------------------------------------------------------------------------------------------------

# Each reader takes (data, offset of the code, end of the level, blocks still allowed) and returns (value, offset after it).
# A value that reaches beyond its level leaves an offset beyond it, which the level's reader finds.
_Reader = Callable[[bytes, int, int, int], "tuple[Any, int]"]


def _unusual(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    raise _Unsure


_READERS: list[_Reader] = [_unusual] * 256
# The number of fixed width that a code stands before: what unpacks it, and the item's size.
_UNPACK: list[Callable[..., tuple[Any, ...]] | None] = [None] * 256
_SIZES = [0] * 256
for _code, (_unpack, _size) in SCALARS.items():
    _UNPACK[_code] = _unpack
    _SIZES[_code] = 1 + _size
_FLOAT32 = Struct("<f").unpack_from


def _text(data: bytes, start: int, stop: int) -> str:
    raw = data[start:stop]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return from_utf8(raw)


def _utf8(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and the offset after it."""
    length = data[at]
    at += 1
    if length >= 0x80:
        length, at = stop_bit_at(data, at - 1, len(data))
        if length < 0:
            raise _Unsure
    return _text(data, at, at + length), at + length


def _reads(*which: int) -> Callable[[_Reader], _Reader]:
    def register(reader: _Reader) -> _Reader:
        for code in which:
            _READERS[code] = reader
        return reader

    return register


@_reads(*SCALARS)
def _number(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    code = data[at]
    unpack = _UNPACK[code]
    assert unpack is not None
    return unpack(data, at + 1)[0], at + _SIZES[code]


@_reads(*range(codes.STRING0, 0x100))
def _short_text(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    end = at + 1 + data[at] - codes.STRING0
    return _text(data, at + 1, end), end


@_reads(*range(codes.BYTES_LENGTH8))
def _small(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return data[at], at + 1


@_reads(codes.FLOAT32)
def _float32(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return whole_float(_FLOAT32(data, at + 1)[0]), at + 5


@_reads(*STOP_SCALES)
def _stop_float(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    number, end = stop_bit_at(data, at + 1, stop)
    return number / STOP_SCALES[data[at]], end


@_reads(codes.STRING_ANY)
def _long_text(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    if data[at + 1 : at + 3] == b"\x80\x00":
        return None, at + 3
    return _utf8(data, at + 1)


@_reads(codes.NULL)
def _null(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return None, at + 1


@_reads(codes.TRUE)
def _true(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return True, at + 1


@_reads(codes.FALSE)
def _false(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return False, at + 1


@_reads(*TIMES)
def _time(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    text, end = _utf8(data, at + 1)
    return TIMES[data[at]](text), end


@_reads(codes.UUID)
def _uuid(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    return uuid_at(data, at + 1), at + 17


@_reads(codes.TYPE_LITERAL)
def _type_literal(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    name, end = _utf8(data, at + 1)
    return TypeLiteral(name), end


@_reads(codes.PADDING)
def _padded(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    while data[at] == codes.PADDING:
        at += 1
    return _READERS[data[at]](data, at, stop, depth)


@_reads(codes.PADDING32)
def _padded32(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    at += 5 + int.from_bytes(data[at + 1 : at + 5], "little")
    while at < stop and data[at] == codes.PADDING:
        at += 1
    if data[at] == codes.PADDING32:  # Not written by Java; left to the walk, lest a run of them recurses.
        raise _Unsure
    return _READERS[data[at]](data, at, stop, depth)


@_reads(codes.BYTES_LENGTH8)
def _block8(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    start = at + 2
    end = start + data[at + 1]
    return _block(data, start, end, stop, depth), end


@_reads(codes.BYTES_LENGTH16)
def _block16(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    start = at + 3
    end = start + int.from_bytes(data[at + 1 : start], "little")
    return _block(data, start, end, stop, depth), end


@_reads(codes.BYTES_LENGTH32)
def _block32(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    start = at + 5
    end = start + int.from_bytes(data[at + 1 : start], "little")
    return _block(data, start, end, stop, depth), end


@_reads(codes.TYPE_PREFIX)
def _typed(data: bytes, at: int, stop: int, depth: int) -> tuple[Any, int]:
    name, end = _utf8(data, at + 1)
    if name in COMPRESSIONS or data[end] == codes.TYPE_PREFIX or data[end] == codes.PADDING or not depth:
        raise _Unsure
    value, end = _READERS[data[end]](data, end, stop, depth - 1)
    return with_type(name, value), end


def _block(data: bytes, start: int, end: int, stop: int, depth: int) -> Any:
    if end > stop or not depth:
        raise _Unsure
    if start == end:
        return []
    code = data[start]
    if code == codes.U8_ARRAY:
        return data[start + 1 : end]
    if codes.FIELD_NAME0 <= code < codes.STRING0:
        if data.find(0, start + 1, start + 1 + code - codes.FIELD_NAME0) >= 0:
            raise _Unsure
        return _mapping(data, start, end, depth - 1)
    if code == codes.EVENT_NAME or code == codes.FIELD_NAME_ANY:
        return _mapping(data, start, end, depth - 1)
    if _READERS[code] is not _unusual:
        return _sequence(data, start, end, depth - 1)
    raise _Unsure


def _mapping(data: bytes, at: int, stop: int, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    count = 0
    readers, unpacks, sizes = _READERS, _UNPACK, _SIZES
    while at < stop:
        code = data[at]
        at += 1
        if 0xC0 <= code < 0xE0:
            end = at + code - 0xC0
        elif (code == 0xB9 or code == 0xB7) and data[at] < 0x80:
            end = at + 1 + data[at]
            at += 1
        elif code == 0x8F:
            continue
        else:
            raise _Unsure
        name = str(data[at:end], "latin-1")
        code = data[end]
        at = end + 1
        if code >= 0xE0:
            end = at + code - 0xE0
            raw = data[at:end]
            try:
                found[name] = raw.decode()
            except UnicodeDecodeError:
                found[name] = from_utf8(raw)
            at = end
        elif (unpack := unpacks[code]) is not None:
            found[name] = unpack(data, at)[0]
            at = end + sizes[code]
        else:
            found[name], at = readers[code](data, end, stop, depth)
        count += 1
    if at != stop or len(found) != count:
        raise _Unsure
    return found


def _sequence(data: bytes, at: int, stop: int, depth: int) -> list[Any]:
    found: list[Any] = []
    append = found.append
    readers, unpacks, sizes = _READERS, _UNPACK, _SIZES
    while at < stop:
        code = data[at]
        if (unpack := unpacks[code]) is not None:
            append(unpack(data, at + 1)[0])
            at += sizes[code]
        elif code == 0x8F:
            at += 1
        else:
            value, at = readers[code](data, at, stop, depth)
            append(value)
    if at != stop:
        raise _Unsure
    return found


def _top(data: bytes, depth: int) -> Content:
    at, stop = 0, len(data)
    while at < stop and data[at] == codes.PADDING:
        at += 1
    code = data[at] if at < stop else codes.NULL
    if not (codes.FIELD_NAME0 <= code < codes.STRING0 or code in _STARTS):
        return _of_values(_sequence(data, at, stop, depth))
    items: list[Any] = []
    history: History | None = None
    event = False
    readers, unpacks, sizes = _READERS, _UNPACK, _SIZES
    while at < stop:
        code = data[at]
        at += 1
        name: Any
        if 0xC0 <= code < 0xE0:
            end = at + code - 0xC0
            name = str(data[at:end], "latin-1")
        elif (code == 0xB9 or code == 0xB7) and data[at] < 0x80:
            end = at + 1 + data[at]
            name = str(data[at + 1 : end], "latin-1")
            event = event or code == 0xB9
        elif code == 0xBA:
            number, end = stop_bit_at(data, at, stop)
            if number == _HISTORY_ID:
                history, at = _history(data, end, stop)
                continue
            name = EventId(number)
            event = True
        elif code == 0x8F:
            continue
        else:
            raise _Unsure
        if name == _HISTORY:
            raise _Unsure
        code = data[end]
        if (unpack := unpacks[code]) is not None:
            value = unpack(data, end + 1)[0]
            at = end + sizes[code]
        else:
            value, at = readers[code](data, end, stop, depth)
        items.append((name, value))
    if at != stop:
        raise _Unsure
    if not items:
        return Content("empty", False, items, history)
    return Content(("event" if len(items) == 1 else "events") if event else "fields", True, items, history)


def _history(data: bytes, at: int, stop: int) -> tuple[History, int]:
    """A history in bytes and the offset after its block."""
    head = codes.BLOCK_HEADS.get(data[at], 0)
    start = at + head
    end = start + int.from_bytes(data[at + 1 : start], "little")
    if not head or end > stop or data[start] != codes.HISTORY_MESSAGE:
        raise _Unsure
    history = read_history(data, start + 1, end)
    if history is None:
        raise _Unsure
    return history, end


# --- the sure way ----------------------------------------------------------------------------------------------------


class _Frame:
    """A level whose tokens are being made into values."""

    __slots__ = ("items", "names")

    def __init__(self) -> None:
        self.items: list[tuple[bool, Any, Any]] = []  # (named, name, value)
        # What is to be applied to the next value: types, the last first; a name.
        self.names: list[tuple[str, Any]] = []

    def put(self, value: Any) -> None:
        names = self.names
        while names and names[-1][0] == "type":
            value = with_type(names.pop()[1], value)
        if not names:
            self.items.append((False, None, value))
        elif names[-1][0] == "key":
            names[-1] = ("name", value)
        else:
            self.items.append((True, names.pop()[1], value))


def from_tokens(data: bytes, limits: Limits) -> Content:
    """What the walk finds in a payload: the judge of what ``parse`` makes of it. Raises WireError."""
    frame = _Frame()
    above: list[_Frame] = []
    events = 0
    for kind, value, code, _, _ in walk(data, limits=limits):
        if kind == "value":
            frame.put(value)
        elif kind == "open":
            above.append(frame)
            frame = _Frame()
        elif kind == "close":
            items = frame.items
            frame = above.pop()
            if value == "map":
                frame.put(as_mapping((name, item) for _, name, item in items))
            else:
                frame.put([item for _, _, item in items])
        elif kind == "type" or kind == "key":
            frame.names.append((kind, value))
        elif kind == "field" or kind == "event":
            frame.names.append(("name", EventId(value) if code == codes.FIELD_NUMBER else value))
        if not above and code in _EVENTS and kind in ("event", "field", "key"):
            events += 1
    if frame.names:
        frame.put(None)  # A name that is the last thing there is.
    items = frame.items
    if not all(named for named, _, _ in items):
        return _of_values([as_mapping([(name, value)]) if named else value for named, name, value in items])
    return _of_pairs([(name, value) for _, name, value in items], events)


def _of_pairs(pairs: list[tuple[Any, Any]], events: int) -> Content:
    """Content of names and values, the history apart; ``events`` of the names are events'."""
    history = None
    if any(name in (_HISTORY, _HISTORY_ID) for name, _ in pairs if type(name) in (str, EventId)):
        # Releases up to 5.20 write it before each event of a chain; as for Java's reader the last one holds.
        kept = []
        for name, value in pairs:
            found = as_history(value) if type(name) in (str, EventId) and name in (_HISTORY, _HISTORY_ID) else None
            if found is None:
                kept.append((name, value))
            else:
                history = found
                events -= 1
        pairs = kept
    if not pairs:
        return Content("empty", False, [], history)
    return Content(("event" if len(pairs) == 1 else "events") if events > 0 else "fields", True, pairs, history)


def as_history(value: Any) -> History | None:
    """The history that a value is: read from bytes, or in the self-describing form (spec 8.9)."""
    if isinstance(value, Typed):
        value = value.value
    if isinstance(value, History):
        return value
    if not isinstance(value, dict) or not value or not value.keys() <= {"sources", "timings"}:
        return None
    sources, timings = value.get("sources") or [], value.get("timings") or []
    if not (isinstance(sources, list) and isinstance(timings, list)):
        return None
    if len(sources) % 2 or not all(type(number) is int for number in (*sources, *timings)):
        return None
    return History(tuple(zip(sources[::2], sources[1::2], strict=True)), tuple(timings))


def _of_values(values: list[Any]) -> Content:
    if len(values) == 1 and (values[0] is None or type(values[0]) is str):
        return Content("text", False, values)
    return Content("values" if values else "empty", False, values)


def as_mapping(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The dict of these pairs, event ids as text; Pairs where a key stands twice or cannot be a dict's."""
    pairs = [(str(name) if type(name) is EventId else name, value) for name, value in pairs]
    try:
        found = dict(pairs)
    except TypeError:
        return Pairs(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def with_type(name: str, value: Any) -> Any:
    """What a value behind its type's name is: Typed, or the value where the name says no more than the value does."""
    if name in BYTES_TYPES and type(value) is bytes:
        return value
    if name in _MAP_TYPES and value == []:
        value = {}
    return Typed(name, value)


# --- any wire type ---------------------------------------------------------------------------------------------------


def parse(payload: Buffer, wire_type: str = "auto", limits: Limits = LIMITS) -> Content:
    """What the top level of a payload holds. Raises WireError, UsageError for an unknown wire type."""
    data = as_payload(payload)
    kind = "auto" if wire_type == "auto" else _WIRE_TYPES[wire_type_of(wire_type)]
    if kind == "auto":
        if _looks_textual(data):
            return _of_text(data)
    elif kind == "RAW":
        return Content("raw", False, [data])
    elif kind in ("JSON", "YAML", "TEXT"):
        return _from_text(_decoded(data), kind.lower())
    try:
        return _top(data, limits.depth)
    except (_Unsure, IndexError, StructError, EncodingError, RecursionError):
        return from_tokens(data, limits)


def decode(payload: Buffer, *, wire_type: str = "auto", limits: Limits = LIMITS) -> Any:
    """The Python value of a payload, whatever Java wrote it with.

    Fields and events give a dict (Pairs where a name stands twice), one value itself, several values a list, a payload
    of nothing but padding None. The message history is left out: see Document. ``wire_type`` is one of Java's names, or
    "auto": text is told from binary by its bytes. A block whose content is no Wire is an Opaque; an unknown type a Typed.

    Raises WireError with the offset where the payload is not Wire, or costs more than the limits allow.
    """
    return to_value(parse(payload, wire_type, limits))


def to_value(content: Content) -> Any:
    """The one Python value of a payload's content."""
    if content.named:
        return as_mapping(content.items)
    if len(content.items) == 1:
        return content.items[0]
    return content.items or None


_WIRE_TYPES: Final = {
    "READ_ANY": "auto",
    "BINARY": "BINARY",
    "BINARY_LIGHT": "BINARY",
    "DEFAULT_ZERO_BINARY": "BINARY",
    "FIELDLESS_BINARY": "BINARY",
    "COMPRESSED_BINARY": "BINARY",
    "TEXT": "TEXT",
    "YAML": "YAML",
    "YAML_ONLY": "YAML",
    "JSON": "JSON",
    "JSON_ONLY": "JSON",
    "RAW": "RAW",
}


def wire_type_of(name: str) -> str:
    """The name of a wire type as Java spells it, or "auto". Raises UsageError for one that cannot be read."""
    if name == "auto":
        return name
    spelled = str(name).upper()
    if spelled not in _WIRE_TYPES:
        raise UsageError(
            f"cannot read a document: no wire type {name!r}", hint=f"auto or one of {', '.join(_WIRE_TYPES)}"
        )
    return spelled


def _decoded(data: bytes) -> str:
    try:
        return from_utf8(data)
    except EncodingError as cause:
        raise WireError(f"cannot read a document: it is no text: {cause.message}", offset=0) from cause


def _looks_textual(data: bytes) -> bool:
    """Whether a payload is text and not Wire's binary form, whose codes but for small integers are above 127."""
    if not data or data[0] >= 0x80 or _CONTROL.search(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _of_text(data: bytes) -> Content:
    """A payload of text that nobody has said the type of: JSON or YAML if it is that, else itself."""
    text = data.decode()
    for kind, like in (("json", _LIKE_JSON), ("yaml", _LIKE_YAML)):
        if like.match(text):
            try:
                return _from_text(text, kind)
            except WireError:
                continue
    return Content("text", False, [text])


def _from_text(text: str, kind: str) -> Content:
    # Only documents of text need their readers.
    from pychronix.wire import text_in

    value = {"json": text_in.parse_json, "text": text_in.parse_text}.get(kind, text_in.parse_yaml)(text)
    kind = "json" if kind == "json" else "yaml"
    if not isinstance(value, dict):
        return Content(kind, False, [value])
    return _of_pairs(list(pairs_of(value)), 0)._replace(kind=kind)


_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LIKE_JSON = re.compile(r"\s*[{\[]")
_LIKE_YAML = re.compile(r"\s*(?:---|[!\[{]|- |\S[^\n]*:(?:\s|$))")
