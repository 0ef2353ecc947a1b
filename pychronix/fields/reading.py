"""Reading of fields: the FieldReader."""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pychronix.errors import EncodingError, EndOfDocumentError, UsageError
from pychronix.fields.kinds import (
    BYTE,
    DOUBLE,
    EPOCH,
    FLOAT,
    INT,
    INT24,
    INT48,
    LONG,
    LONG_MAX,
    LONG_MIN,
    NULL,
    SHORT,
    UNSIGNED_BYTE,
    UNSIGNED_INT,
    UNSIGNED_INT24,
    UNSIGNED_SHORT,
    Fixed,
    absent,
    as_count,
    as_int,
    as_offset,
    as_text,
    get_byte,
    get_double,
    get_float,
    get_int,
    get_int24,
    get_int48,
    get_long,
    get_short,
    get_unsigned_int,
    get_unsigned_int24,
    get_unsigned_short,
    is_v5,
)
from pychronix.fields.objects import decode_object
from pychronix.wire import from_utf8, to_utf8

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FieldReader"]

struct_error = struct.error
_LONG_V3 = re.compile(rb"(-?[0-9]+)[^0-9]?", re.DOTALL)
_LONG_V5 = re.compile(rb" *([-+]?[0-9]+)[^0-9]?", re.DOTALL)
_NUMBER = rb"[0-9]+\.?[0-9]*|\.[0-9]+"
_DOUBLE_V3 = re.compile(rb"(-?(?:" + _NUMBER + rb"|Infinity)|NaN).?", re.DOTALL)
_DOUBLE_V5 = re.compile(rb" *([-+]?(?:(?:" + _NUMBER + rb")(?:[eE][-+]?[0-9]+)?|Infinity)|NaN).?", re.DOTALL)
_DATE = re.compile(rb"([0-9]{4})/?([0-9]{2})/?([0-9]{2})")
_TIME = re.compile(rb"([0-9]{2,}):([0-9]{2}):([0-9]{2})\.([0-9]{3})")
_DIRECT_BITS = 1 << 13
_TRUE, _FALSE = {"t", "true", "y", "yes", "1"}, {"f", "false", "n", "no", "0"}


@lru_cache(maxsize=64)
def _stop_at(stop: str) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(to_utf8(char)) for char in stop))


def _decimal_of(number: int, exponent: int) -> Decimal:
    """Exactly ``number * 10**exponent``, by halves: Decimal(int) takes the square of the time that multiplying does."""
    exact = Context(prec=number.bit_length() // 3 + 2, Emin=MIN_EMIN, Emax=MAX_EMAX)
    powers: dict[int, Decimal] = {}

    def converted(part: int, bits: int) -> Decimal:
        if bits <= _DIRECT_BITS:
            return Decimal(part)
        half = bits // 2
        power = powers.get(half)
        if power is None:
            power = powers[half] = exact.power(Decimal(2), half)
        high = part >> half
        return exact.fma(converted(high, bits - half), power, converted(part - (high << half), half))

    return exact.scaleb(converted(number, number.bit_length()), exponent)


class FieldReader:
    """Fields read one after the other from the bytes of an excerpt.

    Each read moves ``position``; kinds of fixed size take ``offset=`` to read there instead. A read that fails has moved
    nothing. ``dialect`` is "v3" or "v5". (Java: StreamingDataInput, RandomDataInput, ByteStringParser.)

    >>> doc = FieldReader(bytes.fromhex("070000000178"))
    >>> doc.read_int(), doc.read_string(), doc.remaining
    (7, 'x', 0)
    """

    __slots__ = ("_data", "_position", "_v5")

    def __init__(self, data: Buffer, dialect: str = "v3") -> None:
        self._v5 = dialect != "v3" and (dialect == "v5" or is_v5(dialect))
        self._data = data if isinstance(data, bytes) else bytes(memoryview(data))
        self._position = 0

    # The bytes.

    @property
    def dialect(self) -> str:
        """ "v3" or "v5"."""
        return "v5" if self._v5 else "v3"

    def read(self, count: int | None = None) -> bytes:
        """So many raw bytes; all that remain without a count."""
        at = self._position
        stop = len(self._data) if count is None else at + as_count(count)
        if stop > len(self._data):
            raise self._ended("bytes", stop - at)
        self._position = stop
        return self._data[at:stop]

    @property
    def position(self) -> int:
        """Offset at which the next read begins; can be set, from 0 to the length."""
        return self._position

    @position.setter
    def position(self, position: int) -> None:
        self._position = self._within(as_offset(position))

    @property
    def remaining(self) -> int:
        """Number of bytes that were not read yet."""
        return len(self._data) - self._position

    def skip(self, count: int) -> None:
        """Moves the cursor forward, or back where count is negative. (Java: skip, readSkip.)"""
        to = self._position + as_int(count)
        if to < 0:
            raise UsageError(f"cannot skip {count} bytes from position {self._position}")
        self._position = self._within(to)

    def align(self, size: int) -> None:
        """Moves the cursor to the next multiple of size, counted from the start of the excerpt."""
        if as_count(size, "a size") == 0:
            raise UsageError("a size to align to is at least 1")
        self._position = self._within(self._position + -self._position % size)

    def peek(self, count: int = 1) -> bytes:
        """The next bytes without moving; fewer, possibly none, at the end."""
        return self._data[self._position : self._position + as_count(count)]

    def peek_unsigned_byte(self) -> int:
        """The next byte without moving, -1 at the end. (Java "v5": peekUnsignedByte.)"""
        at = self._position
        return self._data[at] if at < len(self._data) else -1

    def __len__(self) -> int:
        return len(self._data)

    def __bytes__(self) -> bytes:
        return self._data

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._data)} bytes, position {self._position}>"

    # Numbers of fixed size.

    def read_boolean(self, *, offset: int | None = None) -> bool:
        """One byte: false is 0, "v5" also 'N' and 'n'; all else is true."""
        raw = self.read_unsigned_byte(offset=offset)
        return raw not in (0, 0x4E, 0x6E) if self._v5 else raw != 0

    def read_byte(self, *, offset: int | None = None) -> int:
        """One byte as -128..127."""
        if offset is not None:
            return self._get_at(BYTE, offset)[0]
        at = self._position
        try:
            (value,) = get_byte(self._data, at)
        except struct_error:
            raise self._ended("a byte", 1) from None
        self._position = at + 1
        return value

    def read_unsigned_byte(self, *, offset: int | None = None) -> int:
        """One byte as 0..255."""
        if offset is not None:
            return self._get_at(UNSIGNED_BYTE, offset)[0]
        at = self._position
        try:
            value = self._data[at]
        except IndexError:
            raise self._ended("an unsigned byte", 1) from None
        self._position = at + 1
        return value

    def read_short(self, *, offset: int | None = None) -> int:
        """16 bits with sign."""
        if offset is not None:
            return self._get_at(SHORT, offset)[0]
        at = self._position
        try:
            (value,) = get_short(self._data, at)
        except struct_error:
            raise self._ended("a short", 2) from None
        self._position = at + 2
        return value

    def read_unsigned_short(self, *, offset: int | None = None) -> int:
        """16 bits without sign."""
        if offset is not None:
            return self._get_at(UNSIGNED_SHORT, offset)[0]
        at = self._position
        try:
            (value,) = get_unsigned_short(self._data, at)
        except struct_error:
            raise self._ended("an unsigned short", 2) from None
        self._position = at + 2
        return value

    def read_char(self, *, offset: int | None = None) -> str:
        """One UTF-16 unit; half of a character beyond U+FFFF is a lone surrogate."""
        if self._v5:
            if offset is not None:
                raise absent("readChar(offset)", "Chronicle 3")
            at = self._position
            number = self.read_stop_bit()
            if not -0x8000 <= number <= 0xFFFF:
                self._position = at
                raise EncodingError(f"cannot read a char: {number} at byte {at} is none")
            return chr(number & 0xFFFF)
        return chr(self.read_unsigned_short(offset=offset))

    def read_int24(self, *, offset: int | None = None) -> int:
        """24 bits with sign."""
        if offset is not None:
            low, high = self._get_at(INT24, offset)
            return low | high << 16
        at = self._position
        try:
            low, high = get_int24(self._data, at)
        except struct_error:
            raise self._ended("an int24", 3) from None
        self._position = at + 3
        return low | high << 16

    def read_unsigned_int24(self, *, offset: int | None = None) -> int:
        """24 bits without sign ("v5" only)."""
        if not self._v5:
            raise absent("readUnsignedInt24", "Chronicle Queue 5")
        if offset is not None:
            low, high = self._get_at(UNSIGNED_INT24, offset)
            return low | high << 16
        at = self._position
        try:
            low, high = get_unsigned_int24(self._data, at)
        except struct_error:
            raise self._ended("an unsigned int24", 3) from None
        self._position = at + 3
        return low | high << 16

    def read_int(self, *, offset: int | None = None) -> int:
        """32 bits with sign."""
        if offset is not None:
            return self._get_at(INT, offset)[0]
        at = self._position
        try:
            (value,) = get_int(self._data, at)
        except struct_error:
            raise self._ended("an int", 4) from None
        self._position = at + 4
        return value

    def read_unsigned_int(self, *, offset: int | None = None) -> int:
        """32 bits without sign."""
        if offset is not None:
            return self._get_at(UNSIGNED_INT, offset)[0]
        at = self._position
        try:
            (value,) = get_unsigned_int(self._data, at)
        except struct_error:
            raise self._ended("an unsigned int", 4) from None
        self._position = at + 4
        return value

    def read_int48(self, *, offset: int | None = None) -> int:
        """48 bits with sign ("v3" only)."""
        if self._v5:
            raise absent("readInt48", "Chronicle 3")
        if offset is not None:
            low, high = self._get_at(INT48, offset)
            return low | high << 16
        at = self._position
        try:
            low, high = get_int48(self._data, at)
        except struct_error:
            raise self._ended("an int48", 6) from None
        self._position = at + 6
        return low | high << 16

    def read_long(self, *, offset: int | None = None) -> int:
        """64 bits with sign."""
        if offset is not None:
            return self._get_at(LONG, offset)[0]
        at = self._position
        try:
            (value,) = get_long(self._data, at)
        except struct_error:
            raise self._ended("a long", 8) from None
        self._position = at + 8
        return value

    def read_float(self, *, offset: int | None = None) -> float:
        """A float of 32 bits."""
        if offset is not None:
            return self._get_at(FLOAT, offset)[0]
        at = self._position
        try:
            (value,) = get_float(self._data, at)
        except struct_error:
            raise self._ended("a float", 4) from None
        self._position = at + 4
        return value

    def read_double(self, *, offset: int | None = None) -> float:
        """A double of 64 bits."""
        if offset is not None:
            return self._get_at(DOUBLE, offset)[0]
        at = self._position
        try:
            (value,) = get_double(self._data, at)
        except struct_error:
            raise self._ended("a double", 8) from None
        self._position = at + 8
        return value

    # Compact numbers ("v3" only), spec 4.2.

    def read_compact_short(self) -> int:
        """A short of one byte or three."""
        return self._compact("CompactShort", BYTE, SHORT, -0x80, -0x7F, -0x7E)

    def read_compact_unsigned_short(self) -> int:
        """0..254 in one byte; Java's reader takes two more behind FF, which its writer never gives it."""
        return self._compact_unsigned("CompactUnsignedShort", UNSIGNED_BYTE, UNSIGNED_SHORT)

    def read_compact_int(self) -> int:
        """An int of two bytes or six."""
        return self._compact("CompactInt", SHORT, INT, -0x8000, -0x7FFF, -0x7FFE)

    def read_compact_unsigned_int(self) -> int:
        """An unsigned int of two bytes or six."""
        return self._compact_unsigned("CompactUnsignedInt", UNSIGNED_SHORT, UNSIGNED_INT)

    def read_compact_long(self) -> int:
        """A long of four bytes or twelve."""
        return self._compact("CompactLong", INT, LONG, -0x80000000, -0x7FFFFFFF, -0x7FFFFFFE)

    def read_compact_double(self) -> float:
        """A double of four bytes or twelve."""
        if self._v5:
            raise absent("readCompactDouble", "Chronicle 3")
        (value,) = self._get(FLOAT, self._position)
        if value == value:
            self._position += 4
            return value
        (value,) = self._get(DOUBLE, self._position + 4)
        self._position += 12
        return value

    # Stop-bit numbers.

    def read_stop_bit(self) -> int:
        """A long of as many bytes as it needs (spec 4.3). Raises EncodingError if it does not end within 64 bits."""
        value, self._position = self._stop_bit(self._position)
        return value

    def read_stop_bit_double(self) -> float:
        """A double of as many bytes as it needs ("v5" only)."""
        if not self._v5:
            raise absent("readStopBitDouble", "Chronicle Queue 5")
        at = self._position
        bits, shift = 0, 57
        while True:
            if at >= len(self._data):
                raise self._ended("a stop-bit double", at + 1 - self._position)
            byte = self._data[at]
            at += 1
            bits |= (byte & 0x7F) << shift if shift > 0 else (byte & 0x7F) >> -shift
            if byte < 0x80:
                break
            shift -= 7
            if shift < -6:
                raise EncodingError(f"cannot read a stop-bit double: it does not end at byte {at}")
        value: float = get_double(bits.to_bytes(8, "little"))[0]
        self._position = at
        return value

    def read_big_integer(self) -> int:
        """An int of any size ("v5" only)."""
        if not self._v5:
            raise absent("readBigInteger", "Chronicle Queue 5")
        value, self._position = self._big_integer(self._position)
        return value

    def read_big_decimal(self) -> Decimal:
        """A Decimal with its decimal places ("v5" only)."""
        if not self._v5:
            raise absent("readBigDecimal", "Chronicle Queue 5")
        number, at = self._big_integer(self._position)
        places, stop = self._stop_bit(at)
        if not 0 <= places < 1 << 31:
            raise EncodingError(f"cannot read a big decimal: {places} decimal places at byte {at}")
        self._position = stop
        return _decimal_of(number, -places)

    # Text.

    def read_string(self, *, offset: int | None = None) -> str | None:
        """The usual string; None for null. (Java: readUTFΔ, in "v5" readUtf8.)

        Pairs of surrogates become the characters they stand for, a lone one stays; UTF-8 proper is read, too.
        """
        data = self._data
        at = self._position if offset is None else self._within(as_offset(offset))
        try:
            size = data[at]
        except IndexError:
            raise self._ended("a string", 1) from None
        start = at + 1
        if size >= 0x80:
            size, start = self._length(at, "a string")
        stop = start + max(size, 0)
        if stop > len(data):
            raise self._ended("a string", stop - at)
        if size < 0:
            text = None
        else:
            raw = data[start:stop]
            text = raw.decode("ascii") if raw.isascii() else from_utf8(raw)
        if offset is None:
            self._position = stop
        return text

    def read_utf(self) -> str:
        """A text behind its number of bytes, an unsigned short ("v3" only; Java: readUTF)."""
        if self._v5:
            raise absent("readUTF", "Chronicle 3")
        start = self._position + 2
        stop = start + self._get(UNSIGNED_SHORT, self._position)[0]
        if stop > len(self._data):
            raise self._ended("a UTF", stop - self._position)
        text = from_utf8(self._data[start:stop])
        self._position = stop
        return text

    def read_8bit_text(self) -> str | None:
        """A text of one byte a character (ISO-8859-1); None for null. (Java: read8bitText, "v5" read8bit.)"""
        size, start = self._length(self._position, "8-bit text")
        stop = start + max(size, 0)
        if stop > len(self._data):
            raise self._ended("8-bit text", stop - self._position)
        self._position = stop
        return None if size < 0 else self._data[start:stop].decode("latin-1")

    def read_bytes(self, count: int) -> bytes:
        """So many raw bytes."""
        return self.read(as_count(count))

    def read_with_length(self) -> bytes:
        """Bytes behind their stop-bit length. (Java "v5": readWithLength.)"""
        size, start = self._length(self._position, "bytes with their length")
        if size < 0:
            raise EncodingError(f"cannot read bytes with their length: {size} at byte {self._position}")
        if start + size > len(self._data):
            raise self._ended("bytes with their length", start + size - self._position)
        self._position = start + size
        return self._data[start : start + size]

    def read_chars(self, count: int) -> str:
        """A text of so many UTF-16 units of two bytes ("v3" only)."""
        if self._v5:
            raise absent("reading of char[]", "Chronicle 3")
        stop = self._position + 2 * as_count(count)
        if stop > len(self._data):
            raise self._ended("chars", stop - self._position)
        text = self._data[self._position : stop].decode("utf-16-le", "surrogatepass")
        self._position = stop
        return text

    # Text for people. The end of the excerpt ends a text or number, too; one that begins there is an EndOfDocumentError.

    def parse_utf8(self, stop: str) -> str:
        """The text up to the next of the stop characters, which is skipped. (Java: parseUtf8.)"""
        if not as_text(stop):
            raise UsageError("at least one stop character is needed")
        at = self._position
        if at >= len(self._data):
            raise self._ended("a text", 1)
        found = _stop_at(stop).search(self._data, at)
        end, after = found.span() if found else (len(self._data), len(self._data))
        text = from_utf8(self._data[at:end])
        self._position = after
        return text

    def parse_boolean(self, stop: str) -> bool | None:
        """The boolean up to a stop character: true, t, yes, y, 1 and their opposites; None for anything else."""
        word = self.parse_utf8(stop).lower()
        return True if word in _TRUE else False if word in _FALSE else None

    def parse_long(self) -> int:
        """The decimal integer here, and one byte behind it that is none of its digits. (Java: parseLong.)

        Raises EncodingError where there is none (Java gives 0), or one beyond 64 bits.
        """
        digits, stop = self._match(_LONG_V5 if self._v5 else _LONG_V3, "an integer")
        value = int(digits) if len(digits) < 32 else LONG_MAX + 1
        if not LONG_MIN <= value <= LONG_MAX:
            raise EncodingError(f"cannot read an integer: the one at byte {self._position} is beyond 64 bits")
        self._position = stop
        return value

    def parse_double(self) -> float:
        """The decimal number here, and one byte behind it: also NaN, Infinity, "v5" with an exponent.

        Raises EncodingError where there is none. (Java: parseDouble, which may differ in the last bit.)
        """
        digits, self._position = self._match(_DOUBLE_V5 if self._v5 else _DOUBLE_V3, "a number")
        return float(digits)

    def parse_decimal(self) -> Decimal:
        """The decimal number here with all its digits, and one byte behind it. (Java: parseDecimal, parseBigDecimal.)"""
        digits, stop = self._match(_DOUBLE_V5 if self._v5 else _DOUBLE_V3, "a number")
        try:
            number = Decimal(digits.decode("ascii"))
        except InvalidOperation:
            raise EncodingError(f"cannot read a number: the exponent at byte {self._position} is too large") from None
        self._position = stop
        return number

    def parse_date_millis(self) -> int:
        """A day as ``append_date_millis`` writes it, in milliseconds since 1970."""
        millis, self._position = self._date(self._position)
        return millis

    def parse_time_millis(self) -> int:
        """A time as ``append_time_millis`` writes it, in milliseconds."""
        millis, self._position = self._time(self._position)
        return millis

    def parse_date_time_millis(self) -> int:
        """Day and time as ``append_date_time_millis`` writes them, in milliseconds since 1970."""
        day, at = self._date(self._position)
        if self._data[at : at + 1] != b"T":
            if at >= len(self._data):
                raise self._ended("a time", at + 1 - self._position)
            raise EncodingError(f"cannot read a time: byte {at} is not its 'T'")
        time, self._position = self._time(at + 1)
        return day + time

    def skip_to(self, stop: str) -> bool:
        """Moves behind the next stop character; to the end, and False, if there is none. (Java: skipTo.)"""
        if not as_text(stop):
            raise UsageError("at least one stop character is needed")
        found = _stop_at(stop).search(self._data, self._position)
        self._position = found.end() if found else len(self._data)
        return found is not None

    # Enums, collections, objects.

    def read_enum(self, kind: type = str) -> Any:
        """What ``write_enum`` wrote: a constant of ``kind`` if that is an enum.Enum, looked up by name, or a str.

        "v3": None for null, and with any other ``kind`` an object. Raises EncodingError where the enum has no such
        constant.
        """
        at = self._position
        if not issubclass(kind, (str, enum.Enum)):
            if self._v5:
                raise TypeError(f"an enum constant is an enum.Enum or its name, not {kind.__name__}")
            if self._data[at : at + 2] == NULL:  # No object begins with this byte.
                self._position = at + 2
                return None
            return self.read_object()
        name = self.read_8bit_text()
        if name is None or not issubclass(kind, enum.Enum):
            return name
        try:
            return kind[name]
        except KeyError:
            self._position = at
            raise EncodingError(f"cannot read a {kind.__name__}: {name!r} at byte {at} is none of its names") from None

    def read_list(self, kind: type = str) -> list[Any]:
        """A list whose elements are read as ``read_enum`` does ("v3" only). (Java: readList.)"""
        if self._v5:
            raise absent("readList", "Chronicle 3")
        at = self._position
        try:
            return [self.read_enum(kind) for _ in range(self._elements("a list", 1))]
        except BaseException:
            self._position = at
            raise

    def read_map(self, key_kind: type = str, value_kind: type = str) -> dict[Any, Any]:
        """A map whose keys and values are read as ``read_enum`` does ("v3" only). (Java: readMap.)"""
        if self._v5:
            raise absent("readMap", "Chronicle 3")
        at = self._position
        try:
            count = self._elements("a map", 2)
            return {self.read_enum(key_kind): self.read_enum(value_kind) for _ in range(count)}
        except BaseException:
            self._position = at
            raise

    def read_object(self, readers: Mapping[str, Callable[[FieldReader], object]] | None = None) -> Any:
        """What ``write_object`` wrote ("v3" only; Java: readObject), as the types of ``pychronix.fields``.

        ``readers`` has, by class name, a function for each class that writes its own bytes (Externalizable,
        BytesMarshallable): it gets this cursor behind the name and returns the object. Without one such an object is
        read as the text that enums and others have. Nothing that Java serialized is executed.
        """
        if self._v5:
            raise absent("readObject of Chronicle 3", "Chronicle 3")
        at = self._position
        try:
            return decode_object(self, readers or {})
        except BaseException:
            self._position = at
            raise

    # Helpers.

    def _ended(self, what: str, size: int) -> EndOfDocumentError:
        return EndOfDocumentError(
            f"cannot read {what} of {size} bytes at position {self._position}: the document ends at {len(self._data)}"
        )

    def _within(self, offset: int) -> int:
        if offset > len(self._data):
            raise EndOfDocumentError(f"cannot go to position {offset}: the document ends at {len(self._data)}")
        return offset

    def _get(self, kind: Fixed, at: int) -> tuple[int, ...]:
        try:
            return kind.get(self._data, at)
        except struct_error:
            raise self._ended(kind.what, at - self._position + kind.size) from None

    def _get_at(self, kind: Fixed, offset: int) -> tuple[int, ...]:
        at = as_offset(offset)
        try:
            return kind.get(self._data, at)
        except struct_error:
            raise EndOfDocumentError(
                f"cannot read {kind.what} of {kind.size} bytes at offset {at}: the document ends at {len(self._data)}"
            ) from None

    def _compact(self, name: str, short: Fixed, long: Fixed, least: int, extended: int, largest: int) -> int:
        if self._v5:
            raise absent("read" + name, "Chronicle 3")
        at = self._position
        value: int = self._get(short, at)[0]
        stop = at + short.size
        if value == extended:
            value = self._get(long, stop)[0]
            stop += long.size
        elif value == least:
            value = long.low  # type: ignore[assignment]
        elif value == largest:
            value = long.high  # type: ignore[assignment]
        self._position = stop
        return value

    def _compact_unsigned(self, name: str, short: Fixed, long: Fixed) -> int:
        if self._v5:
            raise absent("read" + name, "Chronicle 3")
        at = self._position
        value: int = self._get(short, at)[0]
        stop = at + short.size
        if value == short.high:
            value = self._get(long, stop)[0]
            stop += long.size
        self._position = stop
        return value

    def _stop_bit(self, at: int) -> tuple[int, int]:
        """The stop-bit integer at an offset, and the offset behind it."""
        data = self._data
        number = shift = 0
        while True:
            try:
                byte = data[at]
            except IndexError:
                raise self._ended("a stop-bit integer", at + 1 - self._position) from None
            at += 1
            if byte < 0x80:
                break
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise EncodingError(f"cannot read a stop-bit integer: it does not end within 64 bits at byte {at}")
        if byte == 0 and shift:
            return ~number, at
        if shift > 56:
            raise EncodingError(f"cannot read a stop-bit integer: it is beyond 64 bits at byte {at}")
        return number | byte << shift, at

    def _length(self, at: int, what: str) -> tuple[int, int]:
        """The stop-bit length at an offset, -1 for null, and the offset behind it."""
        size, start = self._stop_bit(at)
        if size < -1:
            raise EncodingError(f"cannot read {what}: its length at byte {at} is {size}")
        return size, start

    def _elements(self, what: str, least: int) -> int:
        """A count of elements of at least so many bytes, checked against what remains."""
        at = self._position
        count = self.read_stop_bit()
        if count < 0:
            raise EncodingError(f"cannot read {what}: its count at byte {at} is {count}")
        if count * least > self.remaining:
            raise self._ended(what, count * least)
        return count

    def _big_integer(self, at: int) -> tuple[int, int]:
        size, start = self._stop_bit(at)
        if size <= 0:
            raise EncodingError(f"cannot read a big integer: its length at byte {at} is {size}")
        if start + size > len(self._data):
            raise self._ended("a big integer", start + size - self._position)
        return int.from_bytes(self._data[start : start + size], "big", signed=True), start + size

    def _match(self, pattern: re.Pattern[bytes], what: str) -> tuple[bytes, int]:
        at = self._position
        found = pattern.match(self._data, at)
        if found is None:
            if at >= len(self._data):
                raise self._ended(what, 1)
            raise EncodingError(f"cannot read {what}: {self._data[at : at + 12]!r} at byte {at} is none")
        return found[1], found.end()

    def _date(self, at: int) -> tuple[int, int]:
        found = _DATE.match(self._data, at)
        if found is None:
            raise self._no_match("a date", at, 8)
        try:
            day = datetime(*map(int, found.groups()), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
        except ValueError as cause:
            raise EncodingError(f"cannot read a date: {found[0]!r} at byte {at}: {cause}") from None
        return (day - EPOCH) // timedelta(milliseconds=1), found.end()

    def _time(self, at: int) -> tuple[int, int]:
        found = _TIME.match(self._data, at)
        if found is None:
            raise self._no_match("a time", at, 12)
        hour, minute, second, milli = map(int, found.groups())
        return ((hour * 60 + minute) * 60 + second) * 1000 + milli, found.end()

    def _no_match(self, what: str, at: int, least: int) -> EncodingError | EndOfDocumentError:
        if at + least > len(self._data):
            return self._ended(what, at - self._position + least)
        return EncodingError(f"cannot read {what}: {self._data[at : at + least]!r} at byte {at} is none")
