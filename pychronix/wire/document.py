"""One excerpt as a document: ``Document``, and ``ValueReader`` for a value of it in the type that is asked for.

The decision hidden here is what a document is to a program: decoded when first looked at, its message history apart, its
values found by path and converted as Java's ValueIn does.

Conversions. Java reads a value as the type its caller names, whatever was written; so does ValueReader. Where Java's
answer depends on the method (int64 gives the whole part of a float, int32 refuses it) the one that has an answer is
followed; where it is an accident there is an error instead: unsigned integers beyond their range (Java: their low bits),
uint8 and uint32 of a text (Java: the code of a character), numbers of null or of an empty text (Java: the least number),
bool of a text that says neither (Java: false whatever it says).
"""

from __future__ import annotations

import datetime
import enum
import math
import re
import uuid
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pychronix.errors import EncodingError, WireError
from pychronix.wire.conversions import to_boolean, to_double, to_integer, to_text
from pychronix.wire.decoding import Content, parse, to_value
from pychronix.wire.text import as_payload
from pychronix.wire.times import (
    parse_date,
    parse_date_time,
    parse_time,
    parse_zoned,
)
from pychronix.wire.values import History, Typed, TypeLiteral, pairs_of
from pychronix.wire.walking import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

__all__ = ["Document", "ValueReader"]

_MAX_I64: Final = (1 << 63) - 1
_FLOAT = Struct("<f")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")
_MISSING: Any = object()
_Enum = TypeVar("_Enum", bound=enum.Enum)


class Document:
    """One excerpt's payload, understood: text, fields, events or values, without any class of Java.

    Decoding happens when something is first asked of it, and raises WireError with the offset, and this excerpt's index,
    where the payload is no Wire. Values are Python's (see ``decode``); the message history is apart from them.

    >>> document = Document(bytes.fromhex("b9056f72646572" "820c000000" "c27078929601" "c3717479a107"))
    >>> document.kind, document.event, document.get("order.px")
    ('event', 'order', 1.5)
    >>> document.read("order.qty").float64()
    7.0
    """

    __slots__ = ("_content", "_value", "index", "is_meta", "payload", "wire_type")

    def __init__(
        self, payload: Buffer, *, wire_type: str = "auto", index: int | None = None, is_meta: bool = False
    ) -> None:
        self.payload = as_payload(payload)
        """The excerpt's bytes."""
        self.wire_type = wire_type
        """Java's name of the wire type it is read as, or "auto"."""
        self.index = index
        """The excerpt's index, None if nobody said."""
        self.is_meta = is_meta
        """Whether it is a metadata document."""
        self._content: Content | None = None
        self._value: Any = _MISSING

    def __repr__(self) -> str:
        where = "" if self.index is None else f" {self.index:#x}"
        try:
            shown = repr(self.to_python())
        except WireError as error:
            shown = f"{len(self.payload)} bytes, {error}"
        return f"<Document{where} {shown if len(shown) <= 200 else shown[:197] + '...'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _document, (self.payload, self.wire_type, self.index, self.is_meta)

    # What it is.

    def _parsed(self) -> Content:
        if self._content is None:
            try:
                self._content = parse(self.payload, self.wire_type)
            except WireError as error:
                error.index = self.index
                raise
        return self._content

    @property
    def kind(self) -> str:
        """What stands at the top.

        "text": one text, or null. "event", "events": what a method writer or ``writeMap`` stores. "fields": what
        ``writeDocument`` stores. "values": values without names, as in FIELDLESS_BINARY. "empty": nothing, or padding.
        "yaml", "json": a payload of text in that form. "raw": bytes, with wire type RAW.
        """
        return self._parsed().kind

    @property
    def event(self) -> str | int | Any | None:
        """The first event's name; its number if it has one (Java: @MethodId); None where there is no event.

        The key of an event may be any value (EVENT_OBJECT).
        """
        content = self._parsed()
        return _event_name(content.items[0][0]) if content.kind in ("event", "events") else None

    def events(self) -> tuple[tuple[Any, Any], ...]:
        """All (name, value) at the top in their order, numbers for events that have one. Fields count as events.

        So they do for Java's MethodReader. Several stand in one document where calls were chained.
        """
        content = self._parsed()
        return tuple((_event_name(name), value) for name, value in content.items) if content.named else ()

    def pairs(self) -> tuple[tuple[Any, Any], ...]:
        """All (key, value) at the top in their order, also those whose key stands twice; () where there are no names."""
        value = self.to_python()
        if not self._parsed().named:
            return ()
        return tuple(pairs_of(value))

    @property
    def value(self) -> Any:
        """Of one event its value (of a call: its argument, or a list of its arguments), else ``to_python()``."""
        content = self._parsed()
        return content.items[0][1] if content.kind == "event" else self.to_python()

    @property
    def history(self) -> History | None:
        """The message history that a method writer put before its event, None if there is none (spec 8.9)."""
        return self._parsed().history

    # Values.

    def to_python(self) -> Any:
        """The whole document as one Python value: see ``decode``. It is made once; change a copy of it."""
        if self._value is _MISSING:
            self._value = to_value(self._parsed())
        return self._value

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a path: ``"order.legs[0].px"``; ``default`` where there is none.

        A name with other characters is written ``["a.b"]``. Types are passed through: ``"order.px"`` is found in a Typed.
        """
        found = _find(self.to_python(), path)
        return default if found is _MISSING else found

    def read(self, path: str) -> ValueReader:
        """A reader of the value at a path, to be asked for the type that is wanted: ``read("qty").int64()``."""
        return ValueReader(self, path, _find(self.to_python(), path))

    # Other forms.

    def to_yaml(self) -> str:
        """The document as YAML, with the values that Java's text shows; Java and PyYAML read it."""
        from pychronix.wire.yaml_out import to_yaml

        return to_yaml(self.payload, wire_type=self.wire_type)

    def to_json(self) -> str:
        """The document as one line of JSON."""
        from pychronix.wire.json_out import to_json

        return to_json(self.payload, wire_type=self.wire_type)

    def dump(self) -> str:
        """Every byte explained: hex, what it is, and its value, a line for each item."""
        from pychronix.wire.explain import explain

        return explain(self.payload, wire_type=self.wire_type)

    def _offset(self, path: str) -> int | None:
        """Where the value of the path's first name begins; None in a payload of text."""
        content = self._parsed()
        if not content.named or content.kind in ("yaml", "json"):
            return None if content.kind in ("yaml", "json", "raw") else 0
        match = _STEP.match(path)
        first = "" if match is None else match[1] or match[3] or match[4] or ""
        depth = 0
        for token in walk(self.payload):
            if not depth and token.kind in ("field", "event") and str(token.value) == first:
                return token.stop
            depth += (token.kind == "open") - (token.kind == "close")
        return None


def _document(payload: bytes, wire_type: str, index: int | None, is_meta: bool) -> Document:
    return Document(payload, wire_type=wire_type, index=index, is_meta=is_meta)


def _event_name(name: Any) -> Any:
    return int(name) if isinstance(name, int) and not isinstance(name, bool) else name


def _find(value: Any, path: str) -> Any:
    """The value at a path, or _MISSING. Raises WireError for a path that is none."""
    if not isinstance(path, str):
        raise TypeError(f"a path is a text, not {type(path).__name__}")
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path.startswith(".")):
            raise WireError(
                f"cannot read a value: {path!r} is no path", hint='like "order.legs[0].px" or \'["a.b"].c\''
            )
        at = match.end()
        while isinstance(value, Typed):
            value = value.value
        name, number = match[1], match[2]
        if number is not None and isinstance(value, list):
            try:
                value = value[int(number)]
            except IndexError:
                return _MISSING
            continue
        if not isinstance(value, dict):
            return _MISSING
        key: Any = number if number is not None else name if name is not None else match[3] or match[4] or ""
        if key in value:
            value = value[key]
        elif number is not None and int(number) in value:
            value = value[int(number)]
        else:
            return _MISSING
    return value


class ValueReader:
    """One value of a document, read in the type that is asked for, with Java's conversions (ValueIn).

    Every method raises WireError, with the value's place, where the value cannot be that; of a value that is missing
    ``default`` is returned where one is given. Null is None for everything but numbers and bool.
    """

    __slots__ = ("_document", "_path", "_value")

    def __init__(self, document: Document, path: str, value: Any) -> None:
        self._document = document
        self._path = path
        self._value = value

    @property
    def present(self) -> bool:
        """Whether the document has this value."""
        return self._value is not _MISSING

    def __repr__(self) -> str:
        return f"<ValueReader {self._path} {'missing' if self._value is _MISSING else repr(self._value)}>"

    def _error(self, wanted: str, why: str | None = None) -> WireError:
        value = self._value
        if value is _MISSING:
            found = "there is none"
        else:
            shown = repr(value)
            found = f"it is {shown if len(shown) <= 60 else shown[:57] + '...'}"
        error = WireError(
            f"cannot read {self._path!r} as {wanted}: {found}{f', {why}' if why else ''}",
            offset=self._document._offset(self._path),
        )
        error.index = self._document.index
        return error

    def _plain(self) -> Any:
        """The value without the names of its types."""
        value = self._value
        while isinstance(value, Typed):
            value = value.value
        return value

    def _converted(self, convert: Callable[[Any], Any], value: Any, wanted: str) -> Any:
        try:
            return convert(value)
        except ValueError:
            raise self._error(wanted) from None

    def _scalar(self, convert: Callable[[Any], Any], wanted: str, default: Any) -> Any:
        value = self._plain()
        if value is _MISSING and default is not _MISSING:
            return default
        return self._converted(convert, value, wanted)

    # Numbers.

    def _integer(self, wanted: str, least: int, most: int, default: Any) -> Any:
        value = self._plain()
        if type(value) is not int:
            if value is _MISSING and default is not _MISSING:
                return default
            value = self._converted(to_integer, value, wanted)
        if not least <= value <= most:
            raise self._error(wanted, f"beyond {least}..{most}")
        return value

    def int8(self, default: Any = _MISSING) -> int:
        """An integer within -128..127."""
        found: int = self._integer("int8", -(1 << 7), (1 << 7) - 1, default)
        return found

    def int16(self, default: Any = _MISSING) -> int:
        """An integer within -32768..32767."""
        found: int = self._integer("int16", -(1 << 15), (1 << 15) - 1, default)
        return found

    def int32(self, default: Any = _MISSING) -> int:
        """An integer of 32 bits."""
        found: int = self._integer("int32", -(1 << 31), (1 << 31) - 1, default)
        return found

    def int64(self, default: Any = _MISSING) -> int:
        """An integer of 64 bits: of a float its whole part, within the range (NaN is 0); of a text the nearest one."""
        found: int = self._integer("int64", -_MAX_I64 - 1, _MAX_I64, default)
        return found

    def uint8(self, default: Any = _MISSING) -> int:
        """An integer within 0..255."""
        found: int = self._integer("uint8", 0, (1 << 8) - 1, default)
        return found

    def uint16(self, default: Any = _MISSING) -> int:
        """An integer within 0..65535."""
        found: int = self._integer("uint16", 0, (1 << 16) - 1, default)
        return found

    def uint32(self, default: Any = _MISSING) -> int:
        """An integer within 0..2^32 - 1."""
        found: int = self._integer("uint32", 0, (1 << 32) - 1, default)
        return found

    def float64(self, default: Any = _MISSING) -> float:
        """A float: of an integer the nearest, of a text the one that it spells."""
        found: float = self._scalar(to_double, "float64", default)
        return found

    def float32(self, default: Any = _MISSING) -> float:
        """A float rounded to 32 bits; beyond their range it is infinite."""
        value = self.float64(default)
        try:
            rounded: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
        except OverflowError:
            rounded = math.copysign(math.inf, value)
        return rounded

    # Other scalars.

    def bool(self, default: Any = _MISSING) -> bool:
        """True or False; of a text what "true" and "false" say, in any case."""
        found: bool = self._scalar(to_boolean, "bool", default)
        return found

    def text(self, default: Any = _MISSING) -> str | None:
        """A text; a number, bool, time, UUID, enum or type as Java prints it; bytes as ISO-8859-1. None of null."""
        if self._plain() is None:
            return None
        found: str = self._scalar(to_text, "text", default)
        return found

    def bytes(self, default: Any = _MISSING) -> bytes | None:
        """Bytes, also those of a block that is no Wire (Opaque). None of null."""
        found: bytes | None = self._of(bytes, "bytes", None, default)
        return found

    def time(self, default: Any = _MISSING) -> datetime.time | None:
        """A LocalTime, or the one that a text spells. None of null."""
        found: datetime.time | None = self._of(datetime.time, "time", parse_time, default)
        return found

    def date(self, default: Any = _MISSING) -> datetime.date | None:
        """A LocalDate, or the one that a text spells. None of null."""
        value = self._plain()
        if isinstance(value, datetime.datetime):
            raise self._error("date")
        found: datetime.date | None = self._of(datetime.date, "date", parse_date, default)
        return found

    def date_time(self, default: Any = _MISSING) -> datetime.datetime | None:
        """A LocalDateTime, naive, or the one that a text spells. None of null."""
        value = self._plain()
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            raise self._error("date_time", "which has a zone")
        found: datetime.datetime | None = self._of(datetime.datetime, "date_time", parse_date_time, default)
        return found

    def zoned_date_time(self, default: Any = _MISSING) -> datetime.datetime | None:
        """A ZonedDateTime, aware, or the one that a text spells. None of null."""
        value = self._plain()
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            raise self._error("zoned_date_time", "which has no zone")
        found: datetime.datetime | None = self._of(datetime.datetime, "zoned_date_time", parse_zoned, default)
        return found

    def uuid(self, default: Any = _MISSING) -> uuid.UUID | None:
        """A UUID, or the one that a text spells. None of null."""
        found: uuid.UUID | None = self._of(uuid.UUID, "uuid", uuid.UUID, default)
        return found

    def type_literal(self, default: Any = _MISSING) -> str | None:
        """The name of the Java class that the value is (``String.class``). None of null."""
        found = self._of(TypeLiteral, "type_literal", None, default)
        name: str | None = found.name if isinstance(found, TypeLiteral) else found
        return name

    def enum(self, kind: type[_Enum], default: Any = _MISSING) -> _Enum | None:
        """The member of an Enum whose name the value is. None of null."""
        if not isinstance(kind, enum.EnumMeta):
            raise TypeError(f"enum takes the class of an Enum, not {kind!r}")
        found: _Enum | None = self._of(kind, kind.__name__, lambda text: kind[text], default)
        return found

    def _of(self, kind: type, wanted: str, spelled: Any, default: Any) -> Any:
        """The value if it is of the kind, or what the text that it is spells."""
        value = self._plain()
        if value is None or isinstance(value, kind):
            return value
        if value is _MISSING and default is not _MISSING:
            return default
        if isinstance(value, str) and spelled is not None:
            try:
                found = spelled(value)
            except (EncodingError, ValueError, KeyError):
                raise self._error(wanted) from None
            if isinstance(found, kind):
                return found
        raise self._error(wanted)

    # Values of any shape.

    @property
    def type_name(self) -> str | None:
        """The name of its Java type, where the document says one."""
        return self._value.name if isinstance(self._value, Typed) else None

    def object(self, default: Any = _MISSING) -> Any:
        """The Python value as it is, a Typed where the document names the type."""
        if self._value is _MISSING:
            if default is not _MISSING:
                return default
            raise self._error("object")
        return self._value

    def list(self, default: Any = _MISSING) -> list[Any] | None:
        """A sequence. None of null."""
        found: list[Any] | None = self._of(list, "list", None, default)
        return found

    def map(self, default: Any = _MISSING) -> dict[Any, Any] | None:
        """A mapping or the fields of an object; of an empty block {}. None of null."""
        if self._plain() == []:
            return {}
        found: dict[Any, Any] | None = self._of(dict, "map", None, default)
        return found
