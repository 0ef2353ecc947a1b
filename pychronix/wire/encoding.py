"""Python values as Wire documents: the bytes that Java stores for the call that the value stands for.

The decision hidden here is which Java value a Python value is. There are two manners, as in Java:

- *fields*, what a class of Java's writes of its own fields and a method writer of its arguments: numbers as short as
  they go, a mapping is an object (``82`` and its fields), no type but where Java could not know it;
- *boxed*, what ``ValueOut.object(Object)`` writes, and ``writeMap`` of its values: numbers in the width of their box
  (Integer, Long, Double), a mapping is a ``java.util.Map`` (``82`` and an event for each key), bytes and enums carry
  their type. An object is an object there too, and its own fields are written as fields.

Rules
- Everything is encoded before anything is written: a value that Wire cannot hold is a WireError that names the place.
- A type is learnt once: the encoder of ``type(value)`` is looked up, and what derives from it finds it on its first use.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import re
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct, pack
from struct import error as StructError
from typing import Any, Final, NoReturn, TypeVar

from pychronix.errors import WireError
from pychronix.wire import codes, scalars
from pychronix.wire.scalars import (
    Payload,
    event_name,
    float32,
    float64,
    integer,
    name,
    shown,
    string,
    too_deep,
    utf8,
)
from pychronix.wire.times import format_date, format_date_time, format_time, format_zoned, parse_date, parse_date_time
from pychronix.wire.values import MAX_SOURCES, History, LongArray, Opaque, Pairs, Typed, TypeLiteral, pairs_of

__all__ = ["alias", "alias_of", "encode", "encode_document", "encode_event", "encode_map", "encoder_of", "type_hints"]

Encoder = Callable[[bytearray, Any, Payload], None]
_Class = TypeVar("_Class", bound=type)

_NULL = bytes((codes.NULL,))
_FALSE, _TRUE = bytes((codes.FALSE,)), bytes((codes.TRUE,))
_EVENT_OBJECT = bytes((codes.EVENT_OBJECT,))
_EMPTY_TEXT = bytes((codes.STRING0,))
_U8_ARRAY = bytes((codes.U8_ARRAY,))
_HISTORY_EVENT = scalars.event_id(-1)
_BYTES_PREFIX = utf8(codes.TYPE_PREFIX, "byte[]")
_SET_PREFIX = utf8(codes.TYPE_PREFIX, "!set")
_INT32 = Struct("<Bi")
_INT64 = Struct("<Bq")
_DOUBLE = Struct("<Bd")

# Java's names of containers, whose items it writes as objects, boxed.
_CONTAINERS = frozenset(
    ("!set", "!oset", "!omap", "!map", "!seq", "Set", "SortedSet", "SortedMap", "Map", "List")
    + tuple(
        f"java.util.{kind}" for kind in ("HashMap", "LinkedHashMap", "TreeMap", "HashSet", "LinkedHashSet", "TreeSet")
    )
)


# --- names of classes ------------------------------------------------------------------------------------------------

_aliases: dict[type, str] = {}


def alias(cls: _Class, type_name: str) -> _Class:
    """Names the Java type that a class stands for: a dataclass, an Enum or a Mapping. Returns the class.

    Its instances are then written with that name where Java would write one. A class attribute ``__wire_type__`` does
    the same. The name is that of a Java class (inner ones with ``$``) or an alias that Java knows.
    """
    if not isinstance(cls, type):
        raise TypeError(f"an alias is given to a class, not to {shown(cls)}")
    if not _type_name(type_name):
        raise WireError(f"the name of the Java type for {cls!r} is empty")
    _aliases[cls] = type_name
    for encoders in (_fields, _boxed, _arguments):
        encoders.clear()
        encoders.update(encoders.basic)
    return cls


def alias_of(cls: type) -> str | None:
    """The name of the Java type that a class stands for, None if it was given none."""
    for base in cls.__mro__:
        if base in _aliases:
            return _aliases[base]
        if isinstance(found := vars(base).get("__wire_type__"), str):
            return found
    return None


# --- errors ----------------------------------------------------------------------------------------------------------


class _MisfitError(WireError):
    """A WireError on its way up, with the steps to its place, the innermost first."""

    def __init__(self, cause: WireError) -> None:
        super().__init__(cause.message, hint=cause.hint)
        self.steps: list[str] = []


def _at(cause: WireError, step: object) -> WireError:
    """The error with one more step to its place: the key or the index of an item."""
    if not isinstance(cause, _MisfitError):
        cause = _MisfitError(cause)
    if isinstance(step, str):
        cause.steps.append(f".{step}" if step.isidentifier() else f"[{step!r}]")
    else:
        cause.steps.append(f"[{shown(step)}]")
    return cause


def located(cause: WireError | RecursionError) -> WireError:
    """The error as the caller sees it: with the place of the value in what was to be written."""
    if isinstance(cause, RecursionError):
        return too_deep()
    if not isinstance(cause, _MisfitError):
        return cause
    steps = cause.steps[::-1]
    shown = steps if len(steps) <= 12 else [*steps[:6], " ... ", *steps[-3:]]
    return WireError(f"cannot write {''.join(shown).removeprefix('.')} as Wire: {cause.message}", hint=cause.hint)


# --- values that both manners write alike ----------------------------------------------------------------------------


def _none(out: bytearray, _: None, __: Payload) -> None:
    out += _NULL


def _bool(out: bytearray, value: bool, _: Payload) -> None:
    out += _TRUE if value else _FALSE


def _text(out: bytearray, value: str, _: Payload) -> None:
    out += string(value)


def _time(out: bytearray, value: datetime.time, _: Payload) -> None:
    if value.tzinfo is not None:
        raise WireError(f"a time of day with a zone: {value}", hint="Java writes LocalTime; or give its text")
    out += utf8(codes.TIME, format_time(value))


def _date(out: bytearray, value: datetime.date, _: Payload) -> None:
    out += utf8(codes.DATE, format_date(value))


def _datetime(out: bytearray, value: datetime.datetime, _: Payload) -> None:
    if value.tzinfo is None:
        out += utf8(codes.DATE_TIME, format_date_time(value))
    else:
        out += utf8(codes.ZONED_DATE_TIME, format_zoned(value))


def _uuid(out: bytearray, value: uuid.UUID, _: Payload) -> None:
    out += b"\xa0" + value.bytes[7::-1] + value.bytes[:7:-1]


def _decimal(out: bytearray, value: decimal.Decimal, _: Payload) -> None:
    if not value.is_finite():
        raise WireError(f"a BigDecimal is finite, not {value}")
    exponent = value.as_tuple().exponent
    if not -(1 << 31) < int(exponent) < 1 << 31:
        raise WireError(f"a BigDecimal's scale has 32 bits, not {exponent}")
    out += string(str(value or value.copy_abs()))  # Python's rule for the exponent is Java's; there is no -0


def _duration(out: bytearray, value: datetime.timedelta, _: Payload) -> None:
    out += string(duration_text(((value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds) * 1000))


def duration_text(nanoseconds: int) -> str:
    """Java's text of a Duration: ``PT1H2M3.5S``."""
    if nanoseconds == 0:
        return "PT0S"
    seconds, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = "PT"
    if hours:
        text += f"{sign}{hours}H"
    if minutes:
        text += f"{sign}{minutes}M"
    if fraction:
        text += f"{sign}{seconds}.{f'{fraction:09d}'.rstrip('0')}S"
    elif seconds:
        text += f"{sign}{seconds}S"
    return text


def _type_literal(out: bytearray, value: TypeLiteral, _: Payload) -> None:
    out += utf8(codes.TYPE_LITERAL, _type_name(value.name))


def _history(out: bytearray, value: History, _: Payload) -> None:
    out += history_block(value)


def history_block(history: History) -> bytes:
    """The block of a message history (spec 8.9): its sources and timings as they are, none added."""
    try:
        ids, indexes = tuple(zip(*history.sources, strict=True)) or ((), ())
        timings = tuple(history.timings)
        if len(ids) > MAX_SOURCES or len(timings) > 2 * MAX_SOURCES - 1:
            raise WireError(f"a history has at most {MAX_SOURCES} sources, not {len(ids)} with {len(timings)} timings")
        count = len(ids)
        raw = pack(
            f"<BB{count}i{count}qB{len(timings)}q", codes.HISTORY_MESSAGE, count, *ids, *indexes, len(timings), *timings
        )
    except (StructError, TypeError, ValueError) as cause:
        if isinstance(cause, WireError):
            raise
        raise WireError(
            "a history has pairs of a source id (32 bits) and an index (64), and timings of 64 bits"
        ) from None
    return bytes((codes.BYTES_LENGTH16,)) + len(raw).to_bytes(2, "little") + raw


def _long_array(out: bytearray, value: LongArray, payload: Payload) -> None:
    raw = long_array(value.capacity, value)
    payload.align(8)
    out += raw


def long_array(capacity: int, values: Sequence[int] = ()) -> bytes:
    """The code, counts and slots of an array of longs."""
    try:
        if not len(values) <= capacity < 1 << 28:
            raise WireError(f"an array of {len(values)} longs cannot have a capacity of {capacity}")
        raw = pack(f"<Bqq{len(values)}q", codes.I64_ARRAY, capacity, len(values), *values)
    except (StructError, TypeError):
        raise WireError("an array of longs holds integers of 64 bits") from None
    return raw + bytes(8 * (capacity - len(values)))


def _opaque(out: bytearray, value: bytes, payload: Payload) -> None:
    at = payload.open()
    out += value
    payload.close(at)


def _type_name(text: object) -> str:
    if not isinstance(text, str):
        raise WireError(f"the name of a type is a text, not {shown(text)}")
    return text


_TIMES: Final = {
    "LocalTime": codes.TIME,
    "LocalDate": codes.DATE,
    "LocalDateTime": codes.DATE_TIME,
    "ZonedDateTime": codes.ZONED_DATE_TIME,
}


def _typed(out: bytearray, value: Typed, payload: Payload) -> None:
    if value.name in _TIMES and isinstance(value.value, str):
        out += utf8(_TIMES[value.name], value.value)  # a time that Python cannot hold, by its text (times.py)
        return
    out += utf8(codes.TYPE_PREFIX, _type_name(value.name))
    item = value.value
    encoders = _boxed if value.name in _CONTAINERS else _fields
    encoders[type(item)](out, item, payload)


def _set(out: bytearray, value: Iterable[Any], payload: Payload) -> None:
    out += _SET_PREFIX
    _sequence_boxed(out, value, payload)


def _refuse(_: bytearray, value: object, __: Payload) -> NoReturn:
    raise WireError(
        f"a value of {type(value).__module__}.{type(value).__qualname__} is none that Wire can hold",
        hint="make it a dataclass, a mapping or a Typed",
    )


# --- fields ----------------------------------------------------------------------------------------------------------


def _int(out: bytearray, value: int, _: Payload) -> None:
    out += integer(value) if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF else _big_integer(value)


def _big_integer(value: int) -> bytes:
    try:
        return string(str(int(value)))
    except ValueError:  # Python's limit of digits
        raise WireError(f"an integer of {value.bit_length()} bits is too long for a text") from None


def _float(out: bytearray, value: float, _: Payload) -> None:
    out += float64(value)


def _bytes(out: bytearray, value: bytes | bytearray, _: Payload) -> None:
    out += scalars.block_length(len(value) + 1) + _U8_ARRAY
    out += value


def _buffer(out: bytearray, value: memoryview, payload: Payload) -> None:
    _bytes(out, value.tobytes(), payload)


def _sequence(out: bytearray, value: Iterable[Any], payload: Payload) -> None:
    _items(out, value, payload, _fields)


def _items(out: bytearray, value: Iterable[Any], payload: Payload, encoders: _Encoders) -> None:
    at = payload.open()
    index = 0
    try:
        for item in value:
            encoders[type(item)](out, item, payload)
            index += 1
    except WireError as cause:
        raise _at(cause, index) from None
    payload.close(at)


def _object(out: bytearray, value: Mapping[Any, Any], payload: Payload) -> None:
    at = payload.open()
    fields(out, pairs_of(value), payload)
    payload.close(at)


def fields(out: bytearray, pairs: Iterable[tuple[Any, Any]], payload: Payload) -> None:
    """Names and values, without a block."""
    encoders = _fields
    key: Any = None
    try:
        if payload.fieldless:
            for key, item in pairs:
                if type(key) is not str:
                    write_key(out, key, payload)
                encoders[type(item)](out, item, payload)
            return
        for key, item in pairs:
            if type(key) is str:
                out += name[key]
            else:
                write_key(out, key, payload)
            kind = type(item)
            if kind is str:  # The three commonest without one more call.
                out += string(item)
            elif kind is int and -0x80000000 <= item <= 0x7FFFFFFF:
                out += integer(item)
            elif kind is float:
                out += float64(item)
            else:
                encoders[kind](out, item, payload)
    except WireError as cause:
        raise _at(cause, key) from None


def write_key(out: bytearray, key: object, payload: Payload) -> None:
    """A key of a Map, as Java's ``writeEvent(Object.class, key)``."""
    if isinstance(key, str) and not isinstance(key, enum.Enum):
        out += event_name[key]
    else:
        out += _EVENT_OBJECT
        _boxed[type(key)](out, key, payload)


def _enum(out: bytearray, value: enum.Enum, _: Payload) -> None:
    name_of: object = value.name
    if not isinstance(name_of, str):  # A Flag without any.
        raise WireError(f"{shown(value)} has no name to be written by")
    out += string(name_of)


# --- boxed -----------------------------------------------------------------------------------------------------------


def _int_boxed(out: bytearray, value: int, _: Payload) -> None:
    if -0x80000000 <= value <= 0x7FFFFFFF:
        out += _INT32.pack(codes.INT32, value)
    elif -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        out += _INT64.pack(codes.INT64, value)
    else:
        out += _big_integer(value)


def _float_boxed(out: bytearray, value: float, _: Payload) -> None:
    out += _DOUBLE.pack(codes.FLOAT64, value)


def _bytes_boxed(out: bytearray, value: bytes | bytearray, payload: Payload) -> None:
    out += _BYTES_PREFIX
    _bytes(out, value, payload)


def _buffer_boxed(out: bytearray, value: memoryview, payload: Payload) -> None:
    _bytes_boxed(out, value.tobytes(), payload)


def _sequence_boxed(out: bytearray, value: Iterable[Any], payload: Payload) -> None:
    _items(out, value, payload, _boxed)


def _map(out: bytearray, value: Mapping[Any, Any], payload: Payload) -> None:
    map_block(out, value, payload)


def map_block(out: bytearray, mapping: Mapping[Any, Any], payload: Payload, encoders: _Encoders | None = None) -> None:
    """A ``java.util.Map`` in a block."""
    at = payload.open()
    entries(out, mapping, payload, encoders)
    payload.close(at)


def entries(out: bytearray, mapping: Mapping[Any, Any], payload: Payload, encoders: _Encoders | None = None) -> None:
    """The entries of a ``java.util.Map``: an event for each key."""
    encoders = _boxed if encoders is None else encoders
    key: Any = None
    try:
        for key, item in pairs_of(mapping):
            if type(key) is str:
                out += event_name[key]
            else:
                write_key(out, key, payload)
            encoders[type(item)](out, item, payload)
    except WireError as cause:
        raise _at(cause, key) from None


# --- what the machine's other number types are -----------------------------------------------------------------------

# NumPy's dtype.kind and itemsize, or array's typecode made such: Java's box, and its array.
_BOXES: Final = {
    "i1": (codes.INT8, "byte[]"),
    "i2": (codes.INT16, "short[]"),
    "i4": (codes.INT32, "int[]"),
    "i8": (codes.INT64, "long[]"),
    # Java has no unsigned ones: the next larger.
    "u1": (codes.INT16, "short[]"),
    "u2": (codes.INT32, "int[]"),
    "u4": (codes.INT64, "long[]"),
    "u8": (codes.INT64, "long[]"),
}


def _numpy(out: bytearray, value: Any, boxed: bool, payload: Payload) -> None:
    """A scalar of NumPy's, by its dtype."""
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind in "iu":
        number = int(value)
        if boxed and number <= scalars.INT64[1]:
            out += scalars.fixed_int(_BOXES[f"{kind}{size}"][0], number)
        else:
            _int(out, number, payload)
    elif kind == "f" and size <= 4:
        out += (scalars.fixed_float32 if boxed else float32)(float(value))
    elif kind == "f" and size == 8:
        (_float_boxed if boxed else _float)(out, float(value), payload)
    elif kind == "b":
        _bool(out, bool(value), payload)
    elif kind in "US":
        (_text if kind == "U" else _bytes_boxed if boxed else _bytes)(out, value.item(), payload)
    elif kind == "M":
        _datetime64(out, str(value), payload)
    elif kind == "m" and str(value) == "NaT":
        out += _NULL
    elif kind == "m":
        out += string(duration_text(_nanoseconds(value)))
    else:
        _refuse(out, value, payload)


# Of a timedelta64.
_UNIT_NS: Final = {
    "W": 604_800_000_000_000, "D": 86_400_000_000_000, "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000,
    "ms": 1_000_000, "us": 1000, "ns": 1,
}  # fmt: skip


def _nanoseconds(value: Any) -> int:
    """Of a timedelta64, by its dtype, ``<m8[25s]``: converted by NumPy, large ones would wrap around."""
    many, unit = re.fullmatch(r".*?m8(?:\[(\d*)(\w+)\])?", value.dtype.str).groups("")  # type: ignore[union-attr]
    if unit not in _UNIT_NS:
        raise WireError(f"a duration has days to nanoseconds, no {value.dtype}")
    return int(value.astype("int64")) * int(many or 1) * _UNIT_NS[unit]


def _datetime64(out: bytearray, text: str, payload: Payload) -> None:
    if text == "NaT":
        out += _NULL
    elif len(text) < 10:
        raise WireError(f"no date, but a part of one: {text}")
    else:
        text += ":00" if len(text) == text.find("T") + 3 else ""  # hours alone
        stamp = parse_date_time(text) if "T" in text else parse_date(text)
        _fields[type(stamp)](out, stamp, payload)


def _numpy_small(out: bytearray, value: Any, payload: Payload) -> None:
    _numpy(out, value, False, payload)


def _numpy_boxed(out: bytearray, value: Any, payload: Payload) -> None:
    _numpy(out, value, True, payload)


# --- learning a type -------------------------------------------------------------------------------------------------


class _Encoders(dict[type, Encoder]):
    """Type -> encoder, of one manner; a type that is new is learnt from what it derives from."""

    def __init__(self, boxed: bool, basic: dict[type, Encoder]) -> None:
        super().__init__(basic)
        self.basic = basic
        self.boxed = boxed

    def __missing__(self, cls: type) -> Encoder:
        encoder = self[cls] = self._learn(cls)
        return encoder

    def _learn(self, cls: type) -> Encoder:
        if issubclass(cls, enum.Enum):
            return _with_type(cls, _enum) if self.boxed else _enum
        if any(base.__module__ == "numpy" and base.__name__ == "generic" for base in cls.__mro__):
            return _numpy_boxed if self.boxed else _numpy_small
        if dataclasses.is_dataclass(cls):
            return _with_type(cls, object_encoder(cls))
        for base in cls.__mro__:
            if base in self.basic:
                encoder = self.basic[base]
                break
        else:
            like = next((builtin for kind, builtin in _KINDS.items() if issubclass(cls, kind)), None)
            encoder = _refuse if like is None else self.basic[like]
        if issubclass(cls, collections.abc.Mapping) and alias_of(cls) is not None:
            return _with_type(cls, _object)
        return encoder


def _with_type(cls: type, encoder: Encoder) -> Encoder:
    """The encoder, after the name of the Java type if the class was given one."""
    type_name = alias_of(cls)
    if type_name is None:
        return encoder
    prefix = utf8(codes.TYPE_PREFIX, type_name)

    def typed(out: bytearray, value: Any, payload: Payload) -> None:
        out += prefix
        encoder(out, value, payload)

    return typed


_COMMON: Final[dict[type, Encoder]] = {
    type(None): _none,
    bool: _bool,
    str: _text,
    datetime.time: _time,
    datetime.date: _date,
    datetime.datetime: _datetime,
    datetime.timedelta: _duration,
    decimal.Decimal: _decimal,
    uuid.UUID: _uuid,
    Typed: _typed,
    TypeLiteral: _type_literal,
    History: _history,
    LongArray: _long_array,
    Opaque: _opaque,
    set: _set,
    frozenset: _set,
}
_fields: Final = _Encoders(
    False,
    {
        **_COMMON,
        int: _int,
        float: _float,
        bytes: _bytes,
        bytearray: _bytes,
        memoryview: _buffer,
        list: _sequence,
        tuple: _sequence,
        dict: _object,
        Pairs: _object,
    },
)
_boxed: Final = _Encoders(
    True,
    {
        **_COMMON,
        int: _int_boxed,
        float: _float_boxed,
        bytes: _bytes_boxed,
        bytearray: _bytes_boxed,
        memoryview: _buffer_boxed,
        list: _sequence_boxed,
        tuple: _sequence_boxed,
        dict: _map,
        Pairs: _map,
    },
)
# Arguments of methods: Java knows the type of each, but not what a list holds.
_arguments: Final = _Encoders(False, {**_fields.basic, list: _sequence_boxed, tuple: _sequence_boxed})
# What is written as which builtin type, where nothing that it derives from tells.
_KINDS: Final[dict[type, type]] = {
    collections.abc.Mapping: dict,
    collections.abc.Set: set,
    collections.abc.Sequence: list,
    collections.deque: list,
}


# --- dataclasses and declared types ----------------------------------------------------------------------------------


def object_encoder(cls: type) -> Encoder:
    """Writes a dataclass as an object of its own type: a block with its fields, in their order."""
    write = fields_encoder(cls)

    def encoder(out: bytearray, value: Any, payload: Payload) -> None:
        at = payload.open()
        write(out, value, payload)
        payload.close(at)

    return encoder


def fields_encoder(cls: type) -> Encoder:
    """Writes the fields of a dataclass, without a block. What is declared as its own class needs no type (spec 9.10)."""
    plan: list[tuple[str, bytes, Encoder]] = []

    def encoder(out: bytearray, value: Any, payload: Payload) -> None:
        attribute = ""
        try:
            for attribute, encoded, write in plan or learn():
                if not payload.fieldless:
                    out += encoded
                write(out, getattr(value, attribute), payload)
        except WireError as cause:
            raise _at(cause, attribute) from None

    def learn() -> list[tuple[str, bytes, Encoder]]:
        # On first use: a class may be declared in terms of itself, and of classes that come after it.
        hints = type_hints(cls)
        plan[:] = [
            (field.name, name[field.name], encoder_of(hints.get(field.name))) for field in dataclasses.fields(cls)
        ]
        return plan

    return encoder


def type_hints(declared: Any) -> dict[str, Any]:
    """The type hints of a class or function, by name. One that only a type checker understands is left out."""
    if isinstance(declared, functools.partial):
        declared = declared.func
    if not inspect.isroutine(declared) and not isinstance(declared, type):
        declared = type(declared).__call__
    try:
        return typing.get_type_hints(declared)
    except Exception:  # A hint is code that was never run before.
        found: dict[str, Any] = {}
    for owner in reversed(declared.__mro__) if isinstance(declared, type) else (inspect.unwrap(declared),):
        names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
        for parameter, hint in inspect.get_annotations(owner).items():
            try:
                found[parameter] = _hint(hint, names)
            except Exception:
                found.pop(parameter, None)
    return found


def _hint(hint: Any, names: dict[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={"hint": hint})
    return typing.get_type_hints(holder, names)["hint"]


def encoder_of(declared: Any, *, argument: bool = False) -> Encoder:
    """The encoder of a field, or with ``argument`` of an argument of a method, that is declared so: a type or a type hint.

    As in Java: a dataclass that is just the declared one carries no type; ``Any`` and ``object`` are Java's Object, whose
    values are boxed; ``X | None`` is X. Of a field, ``dict[K, V]`` is a Map, ``set[X]`` a Set that is known to be one, and
    both and ``list[X]`` pass the declaration on to what they hold. Of an argument Java does not know what a container
    holds: its items are boxed. Anything else is written by its value alone.
    """
    encoders = _arguments if argument else _fields
    if declared is Any or declared is object:
        return _by_value(_boxed)
    origin = typing.get_origin(declared)
    parameters = typing.get_args(declared)
    if origin is typing.Annotated:
        return encoder_of(parameters[0], argument=argument)
    if origin is typing.Union or origin is types.UnionType:
        others = [parameter for parameter in parameters if parameter is not type(None)]
        if len(others) > 1:
            return _by_value(encoders)
        return _either(type(None), _none, encoder_of(others[0], argument=argument))
    container = origin or declared
    if isinstance(container, type) and (argument or parameters):
        if issubclass(container, collections.abc.Mapping) and alias_of(container) is None:
            return _declared_map(_by_value(_boxed) if argument else encoder_of(parameters[-1]))
        if not argument and issubclass(container, collections.abc.Set):
            return _declared_items(encoder_of(parameters[0]), collections.abc.Set)
        if (
            not argument
            and issubclass(container, collections.abc.Sequence)
            and (container is not tuple or parameters[1:] == (...,))
        ):
            return _declared_items(encoder_of(parameters[0]), collections.abc.Sequence)
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        return _either(declared, object_encoder(declared), _by_value(encoders))
    return _by_value(encoders)


def _by_value(encoders: _Encoders) -> Encoder:
    def encoder(out: bytearray, value: Any, payload: Payload) -> None:
        encoders[type(value)](out, value, payload)

    return encoder


def _either(cls: type, encoder: Encoder, otherwise: Encoder) -> Encoder:
    def either(out: bytearray, value: Any, payload: Payload) -> None:
        (encoder if type(value) is cls else otherwise)(out, value, payload)

    return either


class _Always(dict[type, Encoder]):
    """The same encoder for whatever type."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self._encoder = encoder

    def __missing__(self, _: type) -> Encoder:
        return self._encoder


def _declared_items(encoder: Encoder, kind: Any) -> Encoder:
    items: Any = _Always(encoder)

    def declared(out: bytearray, value: Any, payload: Payload) -> None:
        # Only what Java would hold in such a field: a text is a sequence in Python, too.
        if isinstance(value, kind) and _fields[type(value)] in (_sequence, _set):
            _items(out, value, payload, items)
        else:
            _fields[type(value)](out, value, payload)

    return declared


def _declared_map(encoder: Encoder) -> Encoder:
    values: Any = _Always(encoder)

    def declared(out: bytearray, value: Any, payload: Payload) -> None:
        if isinstance(value, collections.abc.Mapping) and alias_of(type(value)) is None:
            map_block(out, value, payload, values)
        else:
            _fields[type(value)](out, value, payload)

    return declared


# --- payloads --------------------------------------------------------------------------------------------------------


def value_payload(value: object, wire_type: str = "BINARY_LIGHT") -> Payload:
    """``encode``, before it is known where in the file it will lie."""
    payload = Payload(wire_type)
    try:
        _boxed[type(value)](payload.data, value, payload)
    except (WireError, RecursionError) as cause:
        raise located(cause) from None
    return payload


def map_payload(mapping: Mapping[Any, Any], wire_type: str = "BINARY_LIGHT") -> Payload:
    """``encode_map``, before it is known where in the file it will lie."""
    payload = Payload(wire_type)
    if not isinstance(mapping, collections.abc.Mapping):
        raise WireError(f"a map is a mapping, not {type(mapping).__name__}")
    try:
        entries(payload.data, mapping, payload)
    except (WireError, RecursionError) as cause:
        raise located(cause) from None
    return payload


def document_payload(value: object, wire_type: str = "BINARY_LIGHT") -> Payload:
    """``encode_document``, before it is known where in the file it will lie."""
    payload = Payload(wire_type)
    try:
        if type(value) is dict:
            fields(payload.data, value.items(), payload)
        else:
            write_fields(payload, value)
    except (WireError, RecursionError) as cause:
        raise located(cause) from None
    return payload


def write_fields(payload: Payload, value: object) -> None:
    """The fields of an object, without a block and without its type."""
    if isinstance(value, Typed):
        value = value.value
    if isinstance(value, collections.abc.Mapping):
        fields(payload.data, pairs_of(value), payload)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        cls = type(value)
        encoder = _document_encoders.get(cls)
        if encoder is None:
            encoder = _document_encoders[cls] = fields_encoder(cls)
        encoder(payload.data, value, payload)
    else:
        raise WireError(
            f"a document is a mapping, a dataclass or a Typed of one, not {type(value).__name__}",
            hint="append_text writes a text, append_event an event, writing_document whatever it is told",
        )


def object_block(payload: Payload, value: object) -> None:
    """An object without its type, in a block."""
    at = payload.open()
    write_fields(payload, value)
    payload.close(at)


_document_encoders: Final[dict[type, Encoder]] = {}


def event_payload(
    event: str | int,
    arguments: Sequence[Any],
    declared: Sequence[Encoder] | None = None,
    history: History | None = None,
    wire_type: str = "BINARY_LIGHT",
) -> Payload:
    """``encode_event``, before it is known where in the file it will lie.

    ``declared`` has an ``encoder_of(..., argument=True)`` for each argument.
    """
    payload = Payload(wire_type)
    try:
        write_event(payload, event, arguments, declared, history)
    except (WireError, RecursionError) as cause:
        raise located(cause) from None
    return payload


def write_event(
    payload: Payload,
    event: str | int,
    arguments: Sequence[Any],
    declared: Sequence[Encoder] | None = None,
    history: History | None = None,
) -> None:
    """One call of a method; several make a chain."""
    out = payload.data
    if history is not None:
        out += _HISTORY_EVENT + history_block(history)
    if type(event) is str:
        out += event_name[event]
    else:
        out += event_code(event)
    if not arguments:
        out += _EMPTY_TEXT
        return
    at = -1
    if len(arguments) > 1:
        at = payload.open()
    number = 0
    try:
        if declared is None:
            for argument in arguments:
                kind = type(argument)
                if kind is str:
                    out += string(argument)
                elif kind is int and -0x80000000 <= argument <= 0x7FFFFFFF:
                    out += integer(argument)
                elif kind is float:
                    out += float64(argument)
                else:
                    _arguments[kind](out, argument, payload)
                number += 1
        else:
            for argument, encoder in zip(arguments, declared, strict=True):
                encoder(out, argument, payload)
                number += 1
    except WireError as cause:
        raise _at(_at(cause, number), str(event)) from None
    if at >= 0:
        payload.close(at)


def event_code(event: object) -> bytes:
    """The name of an event, or the number of a method."""
    if isinstance(event, str):
        return event_name[event]
    if isinstance(event, int) and not isinstance(event, bool):
        return scalars.event_id(int(event))
    raise WireError(f"an event is a name or a method id, not {shown(event)}")


# --- the public functions --------------------------------------------------------------------------------------------


def encode(value: object, *, wire_type: str = "BINARY_LIGHT") -> bytes:
    """A bare value, as Java's ``wire.getValueOut().object(value)`` writes it.

    An int is an Integer or a Long, whichever it fits, beyond that a BigInteger; a float a Double; a mapping a Map; a list a
    List; a set a Set; bytes a ``byte[]``. Items that Java aligns in the file are aligned as at its beginning.

    Raises WireError, with the place in the value, for one that Wire cannot hold.
    """
    return value_payload(value, wire_type).at(0)


def encode_map(mapping: Mapping[Any, Any], *, wire_type: str = "BINARY_LIGHT") -> bytes:
    """A document as Java's ``writeMap`` stores it: an event for each key, the values as ``encode`` writes them."""
    return map_payload(mapping, wire_type).at(0)


def encode_document(value: object, *, wire_type: str = "BINARY_LIGHT") -> bytes:
    """A document as Java's ``writeDocument`` stores it of an object: its fields, numbers as short as they go.

    ``value`` is a mapping (names and values), a dataclass or a Typed of one; its own type is not written. Mappings in
    it are objects, too.
    """
    payload = document_payload(value, wire_type)
    return payload.at(0) if payload.marks else bytes(payload.data)


def encode_event(
    event: str | int, *arguments: object, history: History | None = None, wire_type: str = "BINARY_LIGHT"
) -> bytes:
    """A document as Java's method writer stores it of a call: the method's name or id, and its arguments.

    Numbers are as short as they go, as arguments of primitive types are; a mapping is an object; items of a list are boxed,
    for Java does not know them. ``history`` comes before it, as it is.
    """
    payload = Payload(wire_type)
    try:
        write_event(payload, event, arguments, None, history)
    except (WireError, RecursionError) as cause:
        raise located(cause) from None
    return payload.at(0) if payload.marks else bytes(payload.data)
