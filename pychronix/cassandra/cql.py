"""CQL values: bytes of the native protocol to Python, to CQL's own text and to JSON; and the shape of a statement.

The decision hidden here is how each CQL type is laid out (native protocol 6, ``org.apache.cassandra.db.marshal``) and
what stands for its values in Python.
"""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import re
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pychronix.errors import EncodingError, UsageError
from pychronix.wire import NanoTime, Pairs, Typed
from pychronix.wire.values import pairs_of

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Unset:
    """What `UNSET` is."""

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET = Unset()
"""A bound value that was left out, which leaves a column as it is. (Cassandra's own logs have an empty one for it.)"""

Value: TypeAlias = "bytes | Unset | None"


class ByteReader:
    """Bytes of the native protocol, read in order. Raises ValueError where they end too early."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, size: int, *, signed: bool = True) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError(f"{size} bytes are wanted at byte {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def value(self) -> Value:
        size = self.number(4)
        if size < 0:
            return UNSET if size == -2 else None
        return self.take(size)

    def text(self) -> str:
        return self.take(self.number(2, signed=False)).decode()

    def rest(self) -> int:
        return len(self.data) - self.at


_I32, _U32, _I64 = (struct.Struct(">" + code) for code in "iIq")
_F32, _F64 = struct.Struct(">f"), struct.Struct(">d")


# --- CQL types -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CqlType:
    """A CQL type: ``name`` (``int``, ``list``, ``udt`` ...), what it is made of, and of a vector its length.

    ``fields`` are the names of a user-defined type's. Its text is what `parse_type` takes.
    """

    name: str
    arguments: tuple[CqlType, ...] = ()
    fields: tuple[str, ...] = ()
    length: int = 0

    def __str__(self) -> str:
        inner = [str(argument) for argument in self.arguments]
        if self.name == "udt":
            inner = [f"{_quoted_name(name)}: {kind}" for name, kind in zip(self.fields, inner, strict=True)]
        elif self.name == "vector":
            inner.append(str(self.length))
        return f"{self.name}<{', '.join(inner)}>" if inner or self.name == "udt" else self.name


@dataclass(frozen=True, slots=True)
class Duration:
    """A CQL duration: months, days and nanoseconds do not add up to each other. All are negative or none is."""

    months: int = 0
    days: int = 0
    nanoseconds: int = 0

    def __str__(self) -> str:
        """As Cassandra shows it: ``1y2mo3d4h5m6s7ms8us9ns``."""
        years, months = divmod(abs(self.months), 12)
        parts = [(years, "y"), (months, "mo"), (abs(self.days), "d")]
        rest = abs(self.nanoseconds)
        for unit, name in _DURATION_UNITS:
            count, rest = divmod(rest, unit)
            parts.append((count, name))
        text = "".join(f"{count}{name}" for count, name in parts if count)
        return ("-" if min(self.months, self.days, self.nanoseconds) < 0 else "") + text


_DURATION_UNITS = (
    (3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"), (1, "ns"),
)  # fmt: skip

_SCALARS = {
    "ascii", "bigint", "blob", "boolean", "counter", "date", "decimal", "double", "duration", "empty", "float", "inet",
    "int", "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid", "varint",
}  # fmt: skip
_ARITIES = {"list": 1, "set": 1, "map": 2}
# org.apache.cassandra.db.marshal: what a type is called where Cassandra shows its class.
_CLASSES = {
    "AsciiType": "ascii", "BooleanType": "boolean", "ByteType": "tinyint", "BytesType": "blob",
    "CounterColumnType": "counter", "DateType": "timestamp", "DecimalType": "decimal", "DoubleType": "double",
    "DurationType": "duration", "EmptyType": "empty", "FloatType": "float", "InetAddressType": "inet",
    "Int32Type": "int", "IntegerType": "varint", "ListType": "list", "LongType": "bigint", "MapType": "map",
    "SetType": "set", "ShortType": "smallint", "SimpleDateType": "date", "TimeType": "time", "TimeUUIDType": "timeuuid",
    "TimestampType": "timestamp", "TupleType": "tuple", "UTF8Type": "text", "UUIDType": "uuid", "UserType": "udt",
    "VectorType": "vector", "FrozenType": "frozen", "ReversedType": "frozen", "varchar": "text",
}  # fmt: skip
_MAX_DEPTH = 100
_TYPE_TOKEN = re.compile(r"\s*(?:(?P<name>[\w.]+)|\"(?P<quoted>(?:[^\"]|\"\")*)\"|(?P<mark>[<>(),:]))\s*")


def parse_type(text: str) -> CqlType:
    """A CQL type: ``int``, ``map<text, frozen<list<int>>>``, ``vector<float, 3>``, ``udt<street: text, zip: int>``.

    CQL names user-defined types only; here one is written out as ``udt<name: type, ...>``. Cassandra's classes
    (``ListType(Int32Type)``) are known, too. Raises UsageError for what is no type.
    """
    types = parse_types(text)
    if len(types) != 1:
        raise UsageError(f"{text!r} is not one CQL type")
    return types[0]


def parse_types(text: str) -> tuple[CqlType, ...]:
    """CQL types with commas between, as those of a statement's markers: ``int, text, list<int>``. See `parse_type`."""
    parser = _TypeParser(text)
    types = [parser.type()]
    while parser.skip(","):
        types.append(parser.type())
    parser.end()
    return tuple(types)


class _TypeParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, bool]] = []  # and whether it is a name
        at = 0
        while at < len(text):
            found = _TYPE_TOKEN.match(text, at)
            if found is None:
                raise self._wrong(f"unexpected {text[at:].lstrip()[:1]!r}")
            quoted = found["quoted"]
            name = found["name"] if quoted is None else quoted.replace('""', '"')
            self._tokens.append((found["mark"] or name, found["mark"] is None))
            at = found.end()
        self._tokens.reverse()

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"{self._text!r} is not a CQL type: {what}")

    def skip(self, *marks: str) -> str:
        if self._tokens and not self._tokens[-1][1] and self._tokens[-1][0] in marks:
            return self._tokens.pop()[0]
        return ""

    def _expect(self, mark: str) -> None:
        if not self.skip(mark):
            raise self._wrong(f"{mark!r} is missing")

    def _name(self) -> str:
        if not self._tokens or not self._tokens[-1][1]:
            raise self._wrong("a name is missing")
        return self._tokens.pop()[0]

    def end(self) -> None:
        if self._tokens:
            raise self._wrong(f"unexpected {self._tokens[-1][0]!r}")

    def type(self, depth: int = 0) -> CqlType:
        if depth > _MAX_DEPTH:
            raise self._wrong(f"it is nested more than {_MAX_DEPTH} deep")
        written = self._name()
        name = written.rpartition(".")[2]
        name = _CLASSES.get(name) or name.lower()
        name = _CLASSES.get(name) or name
        if name in _SCALARS:
            return CqlType(name)
        opened = self.skip("<", "(")
        if not opened or name not in ("frozen", "list", "map", "set", "tuple", "udt", "vector"):
            raise self._wrong(
                f"{written!r} is none{' (write out a user-defined one: udt<field: type>)' * (not opened)}"
            )
        close = ">" if opened == "<" else ")"
        if name == "udt":
            made = self._udt(depth, as_class=opened == "(")
        elif name == "vector":
            made = self._vector(depth)
        else:
            made = self._parametric(name, depth)
        self._expect(close)
        return made

    def _parametric(self, name: str, depth: int) -> CqlType:
        arguments = [self.type(depth + 1)]
        while self.skip(","):
            arguments.append(self.type(depth + 1))
        wanted = 1 if name == "frozen" else _ARITIES.get(name)
        if wanted is not None and len(arguments) != wanted:
            raise self._wrong(f"{name} takes {wanted} of them")
        return arguments[0] if name == "frozen" else CqlType(name, tuple(arguments))

    def _vector(self, depth: int) -> CqlType:
        element = self.type(depth + 1)
        self._expect(",")
        length = self._name()
        if not re.fullmatch("[1-9][0-9]{0,8}", length):
            raise self._wrong(f"{length!r} is no length of a vector")
        return CqlType("vector", (element,), length=int(length))

    def _udt(self, depth: int, *, as_class: bool) -> CqlType:
        if as_class:  # UserType(keyspace,hex of its name,hex of a field:type,...)
            self._name()
            self._expect(",")
            self._name()
            if not self.skip(","):
                return CqlType("udt")
        names, types = [], []
        while True:
            name = self._name()
            if as_class:
                try:
                    name = bytes.fromhex(name).decode()
                except ValueError as error:
                    raise self._wrong(f"{name!r} is no name of a field in hex") from error
            names.append(name)
            self.skip(":")
            types.append(self.type(depth + 1))
            if not self.skip(","):
                return CqlType("udt", tuple(types), tuple(names))


def _quoted_name(name: str) -> str:
    return name if re.fullmatch("[a-z][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


# --- CQL values ------------------------------------------------------------------------------------------------------


def decode_value(cql_type: str | CqlType, data: Value) -> Any:
    """The value of some bytes of a CQL type (native protocol 6); None of null, and UNSET of that.

    ============================================ ======================================================================
    CQL                                          Python
    ============================================ ======================================================================
    tinyint smallint int bigint varint counter   int
    float double, decimal                        float, Decimal
    text ascii, blob, boolean                    str, bytes, bool
    uuid timeuuid, inet                          UUID, IPv4Address or IPv6Address
    date, timestamp                              date, datetime (UTC); `Typed` with text beyond the years 1 to 9999
    time                                         time; `NanoTime` if it is finer than a microsecond
    duration                                     `Duration`
    list set vector, tuple                       list (a set's in Cassandra's order), tuple
    map, user-defined                            dict (`Pairs`, with a pair for each, if keys are not hashable)
    ============================================ ======================================================================

    No bytes at all are None, but of text, ascii and blob: Cassandra has an empty value of the other types, too. Raises
    UsageError for what is no type, EncodingError for bytes that are none of it.
    """
    kind = parse_type(cql_type) if isinstance(cql_type, str) else cql_type
    if data is None or data is UNSET:
        return data
    assert isinstance(data, (bytes, bytearray, memoryview))
    try:
        return _decode(kind, bytes(data))
    except (ValueError, struct.error, OverflowError) as error:
        if isinstance(error, UsageError):
            raise
        count = "1 byte is" if len(data) == 1 else f"{len(data)} bytes are"
        raise EncodingError(f"{count} no {kind}: {error}") from error


def _decode(kind: CqlType, data: bytes) -> Any:
    name = kind.name
    if not data and name not in _EMPTY_IS_VALUE:
        return None
    if name in _PLAIN:
        return _PLAIN[name](data)
    reader = ByteReader(data)
    value = _COMPOUND[name](kind, reader)
    if reader.rest():
        raise ValueError(f"{reader.rest()} bytes are left")
    return value


_EMPTY_IS_VALUE = {"text", "ascii", "blob", "tuple", "udt"}


def _fixed(form: struct.Struct) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        if len(data) != form.size:
            raise ValueError(f"it takes {form.size}")
        return form.unpack(data)[0]

    return decode


def _boolean(data: bytes) -> bool:
    if len(data) != 1:
        raise ValueError("a boolean is one byte")
    return data != b"\0"


def _empty(data: bytes) -> None:
    raise ValueError("it takes 0")


def _varint(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _decimal(data: bytes) -> decimal.Decimal:
    scale = _I32.unpack(data[:4])[0]
    unscaled = _varint(data[4:])
    # Through Decimal, which takes what str() and int() refuse: more than 4300 digits.
    digits = decimal.Decimal(abs(unscaled)).as_tuple().digits
    return decimal.Decimal((int(unscaled < 0), digits, -scale))


def _date(data: bytes) -> datetime.date | Typed:
    days = _U32.unpack(data)[0] - (1 << 31)
    try:
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    except OverflowError:
        return Typed("date", _date_text(days))


def _timestamp(data: bytes) -> datetime.datetime | Typed:
    ms = _I64.unpack(data)[0]
    try:
        return EPOCH + datetime.timedelta(milliseconds=ms)
    except OverflowError:
        days, ms = divmod(ms, 86_400_000)
        return Typed("timestamp", f"{_date_text(days)}T{_time_text(ms * 1_000_000)[:12]}Z")


def _date_text(days: int) -> str:
    """ISO text of a day since 1970-01-01 in any year (proleptic Gregorian, year 0 is 1 BC), as java.time has it."""
    # Eras of 400 years, which have 146097 days each, all of them alike.
    eras, day = divmod(days, 146_097)
    found = datetime.date(2000, 1, 1) + datetime.timedelta(days=day - 10_957)
    if day < 10_957:
        found, eras = datetime.date(2400, 1, 1) + datetime.timedelta(days=day - 10_957), eras - 1
    year = found.year + 400 * eras
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{found.month:02}-{found.day:02}"


def _time(data: bytes) -> datetime.time:
    ns: int = _I64.unpack(data)[0]
    if not 0 <= ns < 86_400_000_000_000:
        raise ValueError(f"{ns} ns are no time of a day")
    microseconds, ns = divmod(ns, 1000)
    seconds, microseconds = divmod(microseconds, 1_000_000)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    if ns:
        return NanoTime(hour, minute, second, microseconds, nanosecond=ns)
    return datetime.time(hour, minute, second, microseconds)


def _time_text(ns: int) -> str:
    seconds, ns = divmod(ns, 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ns:09}"


def _inet(data: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if len(data) not in (4, 16):
        raise ValueError("an address is of 4 or 16 bytes")
    return ipaddress.IPv4Address(data) if len(data) == 4 else ipaddress.IPv6Address(data)


def _duration(data: bytes) -> Duration:
    reader = ByteReader(data)
    duration = Duration(*(_signed_vint(reader) for _ in range(3)))
    if reader.rest():
        raise ValueError(f"{reader.rest()} bytes are left")
    return duration


def _vint(reader: ByteReader) -> int:
    """A number whose first byte begins with as many ones as there are more bytes."""
    first = reader.take(1)[0]
    more = 8 - (first ^ 0xFF).bit_length()
    return int.from_bytes(bytes([first & (0xFF >> more)]) + reader.take(more), "big")


def _signed_vint(reader: ByteReader) -> int:
    number = _vint(reader)
    return (number >> 1) ^ -(number & 1)


def _elements(kind: CqlType, reader: ByteReader, per_item: int = 1) -> Iterator[Any]:
    count = reader.number(4)
    if not 0 <= count * per_item * 4 <= reader.rest():
        raise ValueError(f"{count} elements do not fit")
    for _ in range(count):
        for argument in kind.arguments:
            yield _element(argument, reader)


def _element(kind: CqlType, reader: ByteReader) -> Any:
    size = reader.number(4)
    return None if size < 0 else _decode(kind, reader.take(size))


def _list(kind: CqlType, reader: ByteReader) -> list[Any]:
    return list(_elements(kind, reader))


def _map(kind: CqlType, reader: ByteReader) -> dict[Any, Any]:
    items = list(_elements(kind, reader, 2))
    return _mapping(list(zip(items[::2], items[1::2], strict=True)))


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    try:
        return dict(pairs)
    except TypeError:
        return Pairs(pairs)


def _tuple(kind: CqlType, reader: ByteReader) -> tuple[Any, ...]:
    """What is missing at the end is null: the type may have got more fields since."""
    return tuple(_element(argument, reader) if reader.rest() else None for argument in kind.arguments)


def _udt(kind: CqlType, reader: ByteReader) -> dict[str, Any]:
    return dict(zip(kind.fields, _tuple(kind, reader), strict=True))


# Elements of these types have no length before them in a vector (AbstractType.valueLengthIfFixed).
_FIXED_SIZES = {
    "bigint": 8, "boolean": 1, "double": 8, "float": 4, "int": 4, "timestamp": 8, "timeuuid": 16, "uuid": 16,
}  # fmt: skip


def _fixed_size(kind: CqlType) -> int:
    if kind.name == "vector":
        return kind.length * _fixed_size(kind.arguments[0])
    return _FIXED_SIZES.get(kind.name, 0)


def _vector(kind: CqlType, reader: ByteReader) -> list[Any]:
    element = kind.arguments[0]
    size = _fixed_size(element)
    if kind.length * max(size, 1) > reader.rest():
        raise ValueError(f"{kind.length} elements do not fit")
    return [_decode(element, reader.take(size or _vint(reader))) for _ in range(kind.length)]


_PLAIN: dict[str, Callable[[bytes], Any]] = {
    "ascii": lambda data: data.decode("ascii"),
    "bigint": _fixed(_I64),
    "blob": bytes,
    "boolean": _boolean,
    "counter": _fixed(_I64),
    "date": _date,
    "decimal": _decimal,
    "double": _fixed(_F64),
    "duration": _duration,
    "empty": _empty,
    "float": _fixed(_F32),
    "inet": _inet,
    "int": _fixed(_I32),
    "smallint": _fixed(struct.Struct(">h")),
    "text": lambda data: data.decode(),
    "time": _time,
    "timestamp": _timestamp,
    "timeuuid": lambda data: uuid.UUID(bytes=data),
    "tinyint": _fixed(struct.Struct(">b")),
    "uuid": lambda data: uuid.UUID(bytes=data),
    "varint": _varint,
}
_COMPOUND: dict[str, Callable[[CqlType, ByteReader], Any]] = {
    "list": _list,
    "map": _map,
    "set": _list,
    "tuple": _tuple,
    "udt": _udt,
    "vector": _vector,
}


def value_literal(cql_type: str | CqlType, data: Value) -> str:
    """A value as CQL writes it: ``'text'``, ``0xcafe``, ``{'k': [1, 2]}``; ``null``, ``unset``. Raises as decode_value."""
    kind = parse_type(cql_type) if isinstance(cql_type, str) else cql_type
    return "unset" if data is UNSET else _literal(kind, decode_value(kind, data))


def _literal(kind: CqlType, value: Any) -> str:
    if value is None:
        return "null"
    name = kind.name
    if name in ("list", "vector", "set", "tuple"):
        arguments = kind.arguments if name == "tuple" else kind.arguments * len(value)
        inner = ", ".join(_literal(argument, item) for argument, item in zip(arguments, value, strict=True))
        return {"set": "{%s}", "tuple": "(%s)"}.get(name, "[%s]") % inner
    if name == "map":
        key, item = kind.arguments
        return "{" + ", ".join(f"{_literal(key, k)}: {_literal(item, v)}" for k, v in pairs_of(value)) + "}"
    if name == "udt":
        fields = zip(kind.fields, kind.arguments, strict=True)
        inner = ", ".join(f"{_quoted_name(field)}: {_literal(part, value[field])}" for field, part in fields)
        return "{" + inner + "}"
    if name == "float":
        value = _shortest(value)
    if isinstance(value, (bytes, bool, float)) or name in ("duration", "uuid", "timeuuid"):
        return _plain_text(value)
    if isinstance(value, (int, decimal.Decimal)):
        return _number_text(value)
    return "'" + _plain_text(value).replace("'", "''") + "'"


def value_json(cql_type: str | CqlType, data: Value) -> Any:
    """A value as JSON has it, near to what ``SELECT JSON`` shows: for `json.dumps`. Raises as decode_value.

    Text what JSON has no word for, among it decimals, integers beyond 64 bits, NaN and the infinities (which Cassandra
    shows as null); keys are text; a blob is ``"0xcafe"``; an unset value ``"unset"``.
    """
    kind = parse_type(cql_type) if isinstance(cql_type, str) else cql_type
    return "unset" if data is UNSET else _json(kind, decode_value(kind, data))


def _json(kind: CqlType, value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (list, tuple)):
        arguments = kind.arguments if kind.name == "tuple" else kind.arguments * len(value)
        return [_json(argument, item) for argument, item in zip(arguments, value, strict=True)]
    if kind.name == "udt":
        return {name: _json(part, value[name]) for name, part in zip(kind.fields, kind.arguments, strict=True)}
    if kind.name == "map":
        key, item = kind.arguments
        return {k if isinstance(k, str) else _literal(key, k).strip("'"): _json(item, v) for k, v in pairs_of(value)}
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else _number_text(value)
    if isinstance(value, float):
        finite = value - value == 0
        return _plain_text(value) if not finite else _shortest(value) if kind.name == "float" else value
    if isinstance(value, decimal.Decimal):
        return _number_text(value)
    return _plain_text(value)


def _shortest(value: float) -> float:
    """The number of the fewest digits that is this one as a float of 32 bits: 0.1, not 0.10000000149011612."""
    if value - value != 0:
        return value
    return next(near for digits in range(6, 10) if _as_f32(near := float(f"{value:.{digits}g}")) == value)


def _as_f32(value: float) -> float:
    try:
        return float(_F32.unpack(_F32.pack(value))[0])
    except OverflowError:  # Rounded up beyond the greatest.
        return value


def _number_text(value: int | decimal.Decimal) -> str:
    # A decimal of a huge scale would be as long as that, so it keeps its exponent; str(int) refuses 4300 digits.
    return str(decimal.Decimal(value)) if isinstance(value, int) else str(value)


def _plain_text(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z".rjust(24, "0")
    if isinstance(value, datetime.time):
        return f"{value.isoformat('microseconds')[:15]}{getattr(value, 'nanosecond', 0):03}"
    if isinstance(value, Typed):
        return str(value.value)
    return str(value)


# --- shapes ----------------------------------------------------------------------------------------------------------

# What is not closed reaches to the end, so that no text is looked through again and again.
_LITERALS = re.compile(
    r"""
    (?P<comment>--[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<name>"(?:[^"]|"")*(?:"|\Z))
    | (?P<value>'(?:[^']|'')*(?:'|\Z) | \$\$.*?(?:\$\$|\Z)
        | (?<![\w.?:])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b
        | (?<![\w.?:])0x[0-9a-f]*\b
        | (?<![\w.?:)\]])-?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?\b
        | (?<![\w.?:])(?:true|false)\b | :\w+)
    | (?P<space>\s+)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_IN_LIST = re.compile(r"(?<=\bin )\(\s*\?(?:\s*,\s*\?)*\s*\)")


def statement_shape(query: str) -> str:
    """A statement without its values, so that alike ones can be counted: literals, and named markers, become ``?``.

    Comments and needless space go, all but quoted names is in small letters, and a list of markers after IN is one.
    """

    def replaced(found: re.Match[str]) -> str:
        if found["name"]:
            return found[0]
        return "?" if found["value"] else " "

    # Lower case first would spoil quoted names and texts: these are what the pattern finds.
    parts, at = [], 0
    for found in _LITERALS.finditer(query):
        parts += [query[at : found.start()].lower(), replaced(found)]
        at = found.end()
    parts.append(query[at:].lower())
    shape = re.sub(r" +", " ", "".join(parts)).strip(" ;")
    return _IN_LIST.sub("(?)", shape)
