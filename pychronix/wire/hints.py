"""Values of Wire made into what a type hint asks for, as Java's readers convert by the declared type.

The decision hidden here is which conversions there are: those of Java's ValueIn (a text of a number is a number, a number
that was stored as a float is a whole one again), and dataclasses for Java's DTOs. Pure.

Rules
- None stays None, whatever the hint: Java's null.
- A hint that says nothing (``Any``, ``object``, a class unknown here) leaves the value as it is.
- A field that the document does not have is the dataclass's default; without one it is Java's: 0, 0.0, False or None. A
  field that the dataclass does not have is ignored.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import inspect
import re
import reprlib
import types
import typing
import uuid
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, get_args, get_origin

from pychronix.errors import WireError
from pychronix.wire.conversions import to_boolean, to_double, to_integer, to_text
from pychronix.wire.encoding import alias_of, type_hints
from pychronix.wire.times import parse_date, parse_date_time, parse_time, parse_zoned
from pychronix.wire.values import Opaque, Typed, TypeLiteral

__all__ = ["convert", "converter"]

Converter = Callable[[Any], Any]

T = TypeVar("T")
_JAVA_DEFAULTS: dict[Any, Any] = {int: 0, float: 0.0, bool: False}
_AS_IT_IS: frozenset[Any] = frozenset((Any, object, inspect.Parameter.empty, Typed, TypeLiteral))
_SEQUENCES: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    Sequence: list,
    MutableSequence: list,
    Iterable: list,
    Collection: list,
    set: set,
    frozenset: frozenset,
}
_MAPPINGS = (dict, Mapping, MutableMapping)


def convert(value: Any, hint: Any) -> Any:
    """The value as the hint has it, ``convert("7", int) == 7``. Raises WireError if it cannot be one."""
    return converter(hint)(value)


@functools.lru_cache(1024)
def _cached(hint: Any, _: str) -> Converter:
    return _converter(hint)


def converter(hint: Any) -> Converter:
    """What converts to the hint: made once for each, so keep it where speed counts."""
    try:
        # The text, for int | str and str | int are equal, but not tried in the same order.
        return _cached(hint, str(hint))
    except TypeError:  # a hint that cannot be hashed: Annotated[int, []]
        return _converter(hint)


def _named(cls: type, name: str) -> type | None:
    """The class or the subclass of it whose Java type has this name."""
    if alias_of(cls) == name:
        return cls
    below: list[type] = cls.__subclasses__()
    return next((found for one in below if (found := _named(one, name))), None)


def _converter(hint: Any) -> Converter:
    origin = get_origin(hint)
    if origin is typing.Annotated:
        return converter(get_args(hint)[0])
    if not isinstance(hint, Hashable) or hint in _AS_IT_IS or isinstance(hint, TypeVar):
        return _as_it_is
    if hint is None or hint is types.NoneType:
        return _none
    other_name_of = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
    if other_name_of is not None and not isinstance(hint, type):  # NewType("Id", int), type Id = int
        return converter(other_name_of)
    if origin is typing.Union or origin is types.UnionType:
        return _to_one_of(get_args(hint))
    if origin is typing.Literal:
        return _to_literal(get_args(hint))
    simple = _SIMPLE.get(hint)
    if simple is not None:
        return _null_safe(simple, hint, kind=hint if isinstance(hint, type) else None)
    outer = origin if origin is not None else hint
    if outer in _SEQUENCES:
        return _null_safe(_to_sequence(_SEQUENCES[outer], *get_args(hint)[:1]), hint)
    if outer is tuple:
        return _null_safe(_to_tuple(get_args(hint)), hint)
    if outer in _MAPPINGS:
        return _null_safe(_to_mapping(*(get_args(hint) or (Any, Any))), hint)
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return _null_safe(functools.partial(_to_enum, hint), hint)
        if dataclasses.is_dataclass(hint):
            return _null_safe(_to_dataclass(hint), hint)
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _none(value: Any) -> None:
    if value is not None:
        raise _not_this(value, None)


def _null_safe(convert_one: Converter, hint: Any, kind: type | None = None) -> Converter:
    def convert_value(value: Any) -> Any:
        if value is None or type(value) is kind:
            return value
        try:
            return convert_one(value)
        except WireError:
            raise
        except (ValueError, TypeError, ArithmeticError, LookupError) as cause:
            raise _not_this(value, hint) from cause

    return convert_value


def _not_this(value: Any, hint: Any) -> WireError:
    name = getattr(hint, "__name__", None) or str(hint)
    return WireError(f"cannot make {_repr.repr(value)} a value of type {name}")


_repr = reprlib.Repr()  # However large or deep the value is.
_repr.maxstring = _repr.maxother = 80


def _bare(value: Any) -> Any:
    return value.value if type(value) is Typed else value


# Scalars beside those of ``conversions``.


def _to_bytes(value: Any) -> bytes:
    value = _bare(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, list):  # a byte[] that was written as a sequence
        return bytes(number & 0xFF for number in value)
    raise TypeError


def _to_decimal(value: Any) -> Decimal:
    value = _bare(value)
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as cause:
        raise ValueError from cause


def _to_uuid(value: Any) -> uuid.UUID:
    value = _bare(value)
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, str):
        return uuid.UUID(value)
    raise TypeError


def _to_date(value: Any) -> datetime.date:
    value = _bare(value)
    if isinstance(value, datetime.datetime):
        return value.date()
    return value if isinstance(value, datetime.date) else _spelled(value, parse_date, datetime.date.fromisoformat)


def _to_time(value: Any) -> datetime.time:
    value = _bare(value)
    return value if isinstance(value, datetime.time) else _spelled(value, parse_time, datetime.time.fromisoformat)


def _to_datetime(value: Any) -> datetime.datetime:
    value = _bare(value)
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    found: datetime.datetime = _spelled(value, parse_zoned, parse_date_time, datetime.datetime.fromisoformat)
    return found


def _spelled(text: str, *parsers: Callable[[str], Any]) -> Any:
    """What the first of these makes of a text: Java's forms, which have nanoseconds and regions, before Python's."""
    for parse in parsers:
        try:
            found = parse(text)
        except ValueError:
            continue
        if not isinstance(found, Typed):  # A year that Python has not.
            return found
    raise ValueError


# java.time.Duration: P1DT2H3M4.5S, each number with a sign of its own.
_DURATION = re.compile(
    r"([-+]?)P(?=.)(?:([-+]?\d{1,19})D)?(?:T(?=.)(?:([-+]?\d{1,19})H)?(?:([-+]?\d{1,19})M)?(?:([-+]?\d{1,19}(?:\.\d{0,9})?)S)?)?",
    re.ASCII | re.IGNORECASE,
)


def _to_timedelta(value: Any) -> datetime.timedelta:
    value = _bare(value)
    if isinstance(value, datetime.timedelta):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError
    seconds = Decimal(0)
    for number, unit in zip(match.groups()[1:], (86400, 3600, 60, 1), strict=True):
        seconds += Decimal(number or 0) * unit
    sign = -1 if match[1] == "-" else 1
    return datetime.timedelta(microseconds=int(sign * seconds * 1_000_000))


_SIMPLE: dict[Any, Converter] = {
    int: lambda value: to_integer(_bare(value)),
    float: lambda value: to_double(_bare(value)),
    bool: lambda value: to_boolean(_bare(value)),
    str: lambda value: to_text(_bare(value)),
    bytes: _to_bytes,
    bytearray: lambda value: bytearray(_to_bytes(value)),
    Opaque: _to_bytes,
    Decimal: _to_decimal,
    uuid.UUID: _to_uuid,
    datetime.date: _to_date,
    datetime.time: _to_time,
    datetime.datetime: _to_datetime,
    datetime.timedelta: _to_timedelta,
}


# Composites.


def _to_one_of(hints: tuple[Any, ...]) -> Converter:
    converters = [(hint, converter(hint)) for hint in hints]

    def convert_value(value: Any) -> Any:
        if value is None:
            return None
        plain = _bare(value)
        for hint, convert_one in converters:
            if hint in _AS_IT_IS or (isinstance(hint, type) and type(plain) is hint):
                return convert_one(value)
        for hint, convert_one in converters:
            if hint not in (None, types.NoneType):
                try:
                    return convert_one(value)
                except WireError:
                    continue
        raise _not_this(value, " or ".join(getattr(hint, "__name__", str(hint)) for hint in hints))

    return convert_value


def _to_literal(choices: tuple[Any, ...]) -> Converter:
    def convert_value(value: Any) -> Any:
        plain = _bare(value)
        if plain is None:
            return None
        for choice in choices:
            if type(choice) is type(plain) and choice == plain:
                return choice
            if isinstance(choice, enum.Enum) and plain in (choice, choice.name):
                return choice
        raise _not_this(value, f"Literal{list(choices)}")

    return convert_value


def _items(value: Any) -> Any:
    value = _bare(value)
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    return value


def _to_sequence(make: Callable[[Iterable[Any]], Any], item: Any = Any) -> Converter:
    convert_item = converter(item)
    if convert_item is _as_it_is:
        return lambda value: make(_items(value))
    return lambda value: make(map(convert_item, _items(value)))


def _to_tuple(hints: tuple[Any, ...]) -> Converter:
    if not hints or hints[1:] == (...,):
        return _to_sequence(tuple, *hints[:1])
    converters = [converter(hint) for hint in hints]

    def convert_value(value: Any) -> tuple[Any, ...]:
        items = _items(value)
        if len(items) != len(converters):
            raise ValueError
        return tuple(convert_one(item) for convert_one, item in zip(converters, items, strict=True))

    return convert_value


def _to_mapping(key: Any, item: Any) -> Converter:
    convert_key, convert_item = converter(key), converter(item)

    def convert_value(value: Any) -> dict[Any, Any]:
        value = _bare(value)
        if not isinstance(value, dict):
            raise TypeError
        if convert_key is _as_it_is and convert_item is _as_it_is:
            return value
        return {convert_key(name): convert_item(one) for name, one in value.items()}

    return convert_value


def _to_enum(cls: type[enum.Enum], value: Any) -> enum.Enum:
    value = _bare(value)
    if isinstance(value, cls):
        return value
    try:
        return cls[value]
    except (KeyError, TypeError):
        return cls(value)


def _to_dataclass(cls: type) -> Converter:
    fields: dict[str, Converter] | None = None  # Made at the first use: a dataclass may have one of its own kind.
    missing: dict[str, Any] = {}

    def prepare() -> dict[str, Converter]:
        hints = type_hints(cls)
        for field in dataclasses.fields(cls):
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and field.init:
                missing[field.name] = _JAVA_DEFAULTS.get(hints.get(field.name))
        return {field.name: converter(hints.get(field.name, Any)) for field in dataclasses.fields(cls) if field.init}

    def convert_value(value: Any) -> Any:
        nonlocal fields
        if fields is None:
            fields = prepare()
        if isinstance(value, cls):
            return value
        if type(value) is Typed:
            other = _named(cls, value.name)
            if other is not None and other is not cls:
                return convert(value.value, other)
            value = value.value
        if isinstance(value, list) and len(value) == len(fields):
            value = dict(zip(fields, value, strict=True))  # FIELDLESS_BINARY has the fields in their order.
        if not isinstance(value, dict):
            raise TypeError
        given = dict(missing)
        for name, item in value.items():
            convert_field = fields.get(name)
            if convert_field is not None:
                try:
                    given[name] = convert_field(item)
                except WireError as error:
                    raise WireError(f"{error.message} (field {name!r} of {cls.__name__})") from error
        try:
            return cls(**given)
        except (ValueError, TypeError, ArithmeticError, LookupError) as cause:
            raise WireError(f"{_not_this(value, cls).message}: {cause}") from cause

    return convert_value
