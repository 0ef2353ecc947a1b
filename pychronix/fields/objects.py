"""Java's objects within an excerpt: what ``writeObject`` of Chronicle 3 stores and ``readObject`` reads.

The decision hidden here is which Python value stands for which Java object (spec chronicle-3 4.6). Pure: values in, bytes
out, and back through a FieldReader. Nothing of what Java serialised is ever executed.

Rules
- What is read can be written again and gives the same bytes: where a Python type has no way of its own to say which
  Java class it came from, it comes back as a subtype (JavaInteger is an int) or as a small holder.
- A class whose own method writes its bytes (Externalizable, BytesMarshallable) says nowhere how many they are: reading
  needs a function for it, see ``FieldReader.read_object``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from struct import Struct
from typing import TYPE_CHECKING, Any

from pychronix.errors import EncodingError, UnsupportedFormatError
from pychronix.wire import from_utf8, stop_bit, to_utf8

if TYPE_CHECKING:
    from pychronix.fields.reading import FieldReader

__all__ = [
    "JavaBigInteger",
    "JavaByte",
    "JavaClass",
    "JavaDate",
    "JavaDouble",
    "JavaFloat",
    "JavaInteger",
    "JavaObject",
    "JavaSerialized",
    "JavaShort",
    "decode_object",
    "encode_object",
    "java_double",
]

_NULL, _STRING, _INTEGER, _LONG, _DOUBLE, _DATE, _CLASS, _BYTES = 0x4E, 0x13, 0x09, 0x0C, 0x04, 0x14, 0x03, 0x02
_ENUMED, _SERIALIZED = 0x45, 0x53
# Codes that Java's stock factory keeps free for marshallers which it never registers.
_RESERVED = {0x5B: "a list", 0x1B: "a set", 0x7B: "a map", 0x1A: "Snappy text", 0x19: "a compressed map"}

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_STREAM_MAGIC = b"\xac\xed\x00\x05"
_ZLIB = b"\x78"  # The first byte of every zlib stream; Java's own go on with 9C.
_STREAM_MAX = 1 << 30  # A stream is not inflated beyond the size of the largest message.
_HEADER_MAX = 1 << 17  # The longest header that names a class: two bytes of length before the name.


class JavaInteger(int):
    """A java.lang.Integer; a plain int is a Long."""


class JavaShort(int):
    """A java.lang.Short."""


class JavaByte(int):
    """A java.lang.Byte."""


class JavaBigInteger(int):
    """A java.math.BigInteger; a plain int beyond 64 bits is one, too."""


class JavaFloat(float):
    """A java.lang.Float: a float of 32 bits; ``text`` is how Java wrote it."""

    text: str

    def __new__(cls, value: float | str, text: str | None = None) -> JavaFloat:
        number = float(value)
        try:
            number = _float32.unpack(_float32.pack(number))[0]
        except OverflowError:
            raise EncodingError(f"{number} is beyond the range of a float") from None
        found = super().__new__(cls, number)
        found.text = _java_decimal(_shortest_float(number)) if text is None else text
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return JavaFloat, (float(self), self.text)


class JavaDouble(float):
    """A java.lang.Double that Java wrote with other digits than the fewest (before 19 it did now and then): ``text``."""

    text: str

    def __new__(cls, value: float | str, text: str | None = None) -> JavaDouble:
        found = super().__new__(cls, value)
        found.text = java_double(found) if text is None else text
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return JavaDouble, (float(self), self.text)


@dataclass(frozen=True, slots=True)
class JavaDate:
    """A java.util.Date that datetime cannot hold; others come as datetime in UTC."""

    millis: int
    """Milliseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class JavaClass:
    """A java.lang.Class. Java shortens a few names: "Integer", "String", "BigDecimal" and the like."""

    name: str


@dataclass(frozen=True, slots=True)
class JavaObject:
    """An object of a class with a marshaller (code 'E').

    ``value`` is the name of an enum constant, or what toString() gave; or the bytes that the class itself wrote.
    """

    class_name: str
    value: str | bytes


@dataclass(frozen=True, slots=True)
class JavaSerialized:
    """An object as Java's serialization stored it, opaque: nothing of it is executed.

    ``raw`` is as stored: usually zlib, possibly the plain stream. ``framed`` says whether its length stood before it; the
    form without one (useCompressedObjectSerializer=false) reaches to the end of its document.
    """

    raw: bytes
    framed: bool = True

    @property
    def stream(self) -> bytes:
        """The plain ObjectOutputStream. Raises EncodingError if it is damaged or longer than a GiB."""
        return self._head(_STREAM_MAX, whole=True)

    @property
    def class_name(self) -> str | None:
        """Name of the object's class, "[B" for byte[]; None if the stream does not begin with an object."""
        try:
            return _class_of(self._head(_HEADER_MAX))
        except EncodingError:
            return None

    def _head(self, limit: int, whole: bool = False) -> bytes:
        if not self.raw.startswith(_ZLIB):
            return self.raw
        inflater = zlib.decompressobj()
        try:
            stream = inflater.decompress(self.raw, limit)
        except zlib.error as cause:
            raise EncodingError(f"cannot inflate a serialized object of {len(self.raw)} bytes: {cause}") from cause
        if whole and not inflater.eof:
            what = "is longer than a GiB" if inflater.unconsumed_tail else "is cut off"
            raise EncodingError(f"cannot inflate a serialized object of {len(self.raw)} bytes: the stream {what}")
        return stream

    def __repr__(self) -> str:
        return f"<JavaSerialized {self.class_name}, {len(self.raw)} bytes>"


_float32 = Struct("<f")
_uint32 = Struct("<I")


def _class_of(stream: bytes) -> str | None:
    """The class that the first object of an ObjectOutputStream has, by the grammar of the serialization protocol."""
    if not stream.startswith(_STREAM_MAGIC) or len(stream) < 5:
        return None
    code = stream[4]
    if code in (0x74, 0x7C):
        return "java.lang.String"
    if code == 0x76:
        return "java.lang.Class"
    if code == 0x72:
        return "java.io.ObjectStreamClass"
    # An object, array or enum constant whose class description follows.
    if code not in (0x73, 0x75, 0x7E) or stream[5:6] != b"\x72":
        return None
    stop = 8 + int.from_bytes(stream[6:8], "big")
    if stop > len(stream):
        return None
    # Java's modified UTF-8 has NUL in two bytes; no class name holds one.
    return from_utf8(stream[8:stop])


# --- numbers as Java prints them -------------------------------------------------------------------------------------


def _shortest_float(number: float) -> str:
    """The shortest decimal that is this float of 32 bits."""
    if number != number or number in (float("inf"), -float("inf")):
        return repr(number)
    for digits in range(2, 10):  # Java never shows fewer than two.
        text = f"{number:.{digits - 1}e}"
        try:
            if _float32.unpack(_float32.pack(float(text)))[0] == number:
                return text
        except OverflowError:
            continue  # The largest floats, rounded up, are none any more.
    return repr(number)


def _java_decimal(text: str) -> str:
    """A decimal, as repr gives it, in the form of Java's Double.toString."""
    if "n" in text:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[text]
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    minus = "-" if sign else ""
    plain = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(plain)
    if not plain:
        return minus + "0.0"
    point = len(plain) + exponent  # Digits before the point.
    if -2 <= point <= 7:
        before = plain[: max(point, 0)].ljust(max(point, 0), "0") or "0"
        after = "0" * max(-point, 0) + plain[max(point, 0) :]
        return f"{minus}{before}.{after or '0'}"
    return f"{minus}{plain[0]}.{plain[1:] or '0'}E{point - 1}"


def java_double(number: float) -> str:
    """A double as Java's Double.toString writes it, with the fewest digits that are this double."""
    text = repr(float(number))
    two = f"{number:.1e}"  # Java shows two digits at least, and of those the nearest: 4.9E-324, not 5.0E-324.
    return _java_decimal(two if float(two) == number else text)


# --- writing ---------------------------------------------------------------------------------------------------------


def _utf(text: str) -> bytes:
    raw = to_utf8(text)
    return stop_bit(len(raw)) + raw


def _coded(code: int, text: str) -> bytes:
    return bytes((code,)) + _utf(text)


def _enumed(class_name: str, text: str) -> bytes:
    return bytes((_ENUMED, _CLASS)) + _utf(class_name) + _utf(text)


def _within(value: int, bits: int) -> str:
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise EncodingError(f"{value} does not fit the {bits} bits of {type(value).__name__}")
    return int.__repr__(value)


def _date(millis: int) -> bytes:
    text = b"%d" % millis
    if not _LONG_MIN <= millis <= _LONG_MAX:
        raise EncodingError(f"{millis} milliseconds do not fit 64 bits")
    return bytes((_DATE, len(text))) + text


def _moment(value: datetime) -> bytes:
    millis, rest = divmod((value if value.tzinfo else value.replace(tzinfo=timezone.utc)) - _EPOCH, _MILLISECOND)
    if rest:
        raise EncodingError(f"a java.util.Date has milliseconds, and {value.isoformat()} has more: round it")
    return _date(millis)


def _decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise EncodingError(f"a BigDecimal is finite, not {value}")
    return _enumed("BigDecimal", str(value))


def _long(value: int) -> bytes:
    if _LONG_MIN <= value <= _LONG_MAX:
        return _coded(_LONG, int.__repr__(value))
    return _enumed("BigInteger", int.__repr__(value))


def _object(value: JavaObject) -> bytes:
    content = _utf(value.value) if isinstance(value.value, str) else bytes(value.value)
    return bytes((_ENUMED, _CLASS)) + _utf(value.class_name) + content


def _serialized(value: JavaSerialized) -> bytes:
    return b"S" + (_uint32.pack(len(value.raw)) if value.framed else b"") + value.raw


def _bytes(value: bytes | bytearray | memoryview) -> bytes:
    raw = bytes(value)
    return bytes((_BYTES,)) + stop_bit(len(raw)) + raw


# By exact type first; subclasses of these are found by their bases.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: _enumed("Boolean", "true" if value else "false"),
    JavaInteger: lambda value: _coded(_INTEGER, _within(value, 32)),
    JavaShort: lambda value: _enumed("Short", _within(value, 16)),
    JavaByte: lambda value: _enumed("Byte", _within(value, 8)),
    JavaBigInteger: lambda value: _enumed("BigInteger", int.__repr__(value)),
    JavaFloat: lambda value: _enumed("Float", value.text),
    JavaDouble: lambda value: _coded(_DOUBLE, value.text),
    JavaDate: lambda value: _date(value.millis),
    JavaClass: lambda value: _coded(_CLASS, value.name),
    JavaObject: _object,
    JavaSerialized: _serialized,
    int: _long,
    float: lambda value: _coded(_DOUBLE, java_double(value)),
    str: lambda value: _coded(_STRING, value),
    Decimal: _decimal,
    datetime: _moment,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}


def encode_object(value: object) -> bytes:
    """The bytes of Java's ``writeObject``; TypeError for what has no place there, EncodingError for what does not fit."""
    for kind in type(value).__mro__:
        encoder = _ENCODERS.get(kind)
        if encoder is not None:
            return encoder(value)
    raise TypeError(
        f"a {type(value).__name__} is no object that Java could read back; "
        "lists and dicts have write_list and write_map, other classes JavaObject(class_name, value)"
    )


# --- reading ---------------------------------------------------------------------------------------------------------


# What Python's own conversions take, too, such as "1_0" or " 1", is none of Java's.
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)", re.ASCII)


def _digits(text: str, pattern: re.Pattern[str] = _INT) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _to_double(text: str) -> float:
    number = float(_digits(text, _FLOAT))
    return number if java_double(number) == text else JavaDouble(number, text)


def _to_date(text: str) -> datetime | JavaDate:
    millis = int(_digits(text))
    try:
        return _EPOCH + millis * _MILLISECOND
    except OverflowError:
        return JavaDate(millis)


def _to_boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


# Classes of code 'E' whose text is a Python value that writes back as itself.
_VALUES: dict[str, Callable[[str], object]] = {
    "BigDecimal": lambda text: Decimal(_digits(text, _FLOAT)),
    "BigInteger": lambda text: JavaBigInteger(_digits(text)),
    "Boolean": _to_boolean,
    "Byte": lambda text: JavaByte(_digits(text)),
    "Float": lambda text: JavaFloat(_digits(text, _FLOAT), text),
    "Short": lambda text: JavaShort(_digits(text)),
}
_TEXTS: dict[int, Callable[[str], object]] = {
    _STRING: str,
    _INTEGER: lambda text: JavaInteger(_digits(text)),
    _LONG: lambda text: int(_digits(text)),
    _DOUBLE: _to_double,
    _CLASS: JavaClass,
    _DATE: _to_date,
}


def _text(doc: FieldReader) -> str:
    text = doc.read_string()
    if text is None:
        raise EncodingError(f"cannot read an object: a null text before byte {doc.position}")
    return text


def _converted(convert: Callable[[str], object], text: str) -> object:
    try:
        return convert(text)
    except (ValueError, KeyError, InvalidOperation) as cause:
        raise EncodingError(f"cannot read an object: {text!r} is no value of its class") from cause


def decode_object(doc: FieldReader, readers: Mapping[str, Callable[[FieldReader], object]]) -> object:
    """The object at the cursor, which moves behind it; on an error the caller moves it back."""
    code = doc.read_unsigned_byte()
    convert = _TEXTS.get(code)
    if convert is not None:
        return _converted(convert, _text(doc))
    if code == _NULL:
        return None
    if code == _ENUMED:
        return _decode_enumed(doc, readers)
    if code == _SERIALIZED:
        if doc.peek(4) == _STREAM_MAGIC:
            return JavaSerialized(doc.read(), framed=False)
        return JavaSerialized(doc.read(doc.read_unsigned_int()))
    if code == _BYTES:
        return doc.read_with_length()
    if code in _RESERVED:
        raise UnsupportedFormatError(f"cannot read an object: code {code:#04x} is kept for {_RESERVED[code]}")
    raise EncodingError(f"cannot read an object: unknown code {code:#04x} at byte {doc.position - 1}")


def _decode_enumed(doc: FieldReader, readers: Mapping[str, Callable[[FieldReader], object]]) -> object:
    code = doc.read_unsigned_byte()
    if code != _CLASS:
        raise EncodingError(f"cannot read an object: code {code:#04x} where its class should be")
    name = _text(doc)
    reader = readers.get(name)
    if reader is not None:
        return reader(doc)
    text = _text(doc)
    convert = _VALUES.get(name)
    if convert is None:
        return JavaObject(name, text)
    value = _converted(convert, text)
    # Java's own texts come back the same; one that would not is kept as it is.
    return (
        value if encode_object(value) == bytes((_ENUMED, _CLASS)) + _utf(name) + _utf(text) else JavaObject(name, text)
    )
