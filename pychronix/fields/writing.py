"""Writing of fields: the FieldWriter."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from pychronix.errors import EncodingError, MessageTooLongError, UsageError
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
    MESSAGE_MAX,
    NULL,
    SHORT,
    UNSIGNED_BYTE,
    UNSIGNED_INT,
    UNSIGNED_INT24,
    UNSIGNED_SHORT,
    Fixed,
    absent,
    as_bytes,
    as_count,
    as_int,
    as_latin,
    as_long,
    as_offset,
    as_text,
    get_float,
    is_v5,
    put_byte,
    put_double,
    put_float,
    put_int,
    put_int24,
    put_int48,
    put_long,
    put_short,
    put_unsigned_byte,
    put_unsigned_int,
    put_unsigned_int24,
    put_unsigned_short,
)
from pychronix.fields.objects import encode_object
from pychronix.wire import stop_bit, to_utf8

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FieldWriter"]

_ROOM = 256  # A writer's room at first; it doubles.
_DAY_MS = 86_400_000
_DATE_MAX = 253_402_300_800_000  # The year 10000.
_PLACES_MAX = 18
# What a struct raises where there is no room, where the value does not fit, and where its buffer is finished bytes.
_NOT_PUT = (struct.error, TypeError, OverflowError)
_pack_float = struct.Struct("<f").pack
_pack_double = struct.Struct("<d").pack
_pack_short = struct.Struct("<bh").pack
_pack_int = struct.Struct("<hi").pack
_pack_long = struct.Struct("<iq").pack
_pack_unsigned_int = struct.Struct("<HI").pack
_QUIET_NAN = b"\x00\x00\xc0\x7f"
_ONE = [bytes((number,)) for number in range(256)]
_WIDE = Context(prec=400)  # Digits enough for the largest double and all decimal places.


def _unit(char: str) -> int:
    """The one UTF-16 unit of a character."""
    text = as_text(char, "a char")
    if len(text) != 1:
        raise UsageError(f"a char is one character, not {len(text)}")
    unit = ord(text)
    if unit > 0xFFFF:
        raise UsageError(f"U+{unit:X} is two chars of Java", hint="write_chars() writes them")
    return unit


def _plain(number: float) -> str:
    """The shortest decimal that is this double, without exponent and without ".0"."""
    if number != number:
        return "NaN"
    if number in (float("inf"), -float("inf")):
        return "Infinity" if number > 0 else "-Infinity"
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def _rounded_v3(number: float, places: int) -> str:
    """lang's append(double, precision): half up on the binary product, zeros at the end dropped."""
    minus = "-" if number < 0 else ""
    scaled = abs(number) * 10**places
    if scaled != scaled or scaled > LONG_MAX:
        return _plain(number)
    digits = int(scaled + 0.5)
    while places and digits % 10 == 0:
        digits //= 10
        places -= 1
    text = str(digits).rjust(places + 1, "0")
    return f"{minus}{text[:-places]}.{text[-places:]}" if places else minus + text


def _rounded_v5(number: float, places: int) -> str:
    """chronicle-bytes' append(double, decimalPlaces): half up on the shortest decimal, all places shown."""
    if number != number or number in (float("inf"), -float("inf")):
        raise UsageError(f"{number} has no decimal places")
    whole = Decimal(repr(number))
    rounded = whole.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, context=_WIDE)
    return format(abs(rounded) if rounded == 0 else rounded, "f")


def _millis(moment: int | datetime) -> int:
    """Milliseconds since 1970 of what may be given as a point in time."""
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        moment = (aware - EPOCH) // timedelta(milliseconds=1)
    try:
        millis = as_int(moment)
    except TypeError:
        raise TypeError(f"a time is an int of milliseconds or a datetime, not {type(moment).__name__}") from None
    if not 0 <= millis < _DATE_MAX:
        raise UsageError(f"a date is from 1970 to 9999, and {millis} milliseconds are not")
    return millis


def _date_text(millis: int, v5: bool) -> str:
    day = EPOCH + timedelta(milliseconds=millis)
    return f"{day.year:04}{day.month:02}{day.day:02}" if v5 else f"{day.year:04}/{day.month:02}/{day.day:02}"


def _time_text(millis: int) -> str:
    seconds, milli = divmod(millis, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}.{milli:03}"


class FieldWriter:
    """Fields written one behind the other into a buffer that grows; ``bytes()`` of it are what was written.

    Each write goes to ``position`` and moves it behind; writing before the end overwrites, a position beyond the end
    leaves zeros between. Kinds of fixed size take ``offset=`` to write there instead and leave the position. ``dialect``
    is "v3" or "v5". (Java: StreamingDataOutput, RandomDataOutput, ByteStringAppender.)

    >>> doc = FieldWriter()
    >>> doc.write_int(7), doc.write_string("x")
    (None, None)
    >>> bytes(doc).hex()
    '070000000178'
    """

    __slots__ = ("_bytes", "_end", "_finished", "_position", "_sought", "_v5")

    def __init__(self, dialect: str = "v3") -> None:
        self._v5 = dialect != "v3" and (dialect == "v5" or is_v5(dialect))
        self._bytes = bytearray(_ROOM)  # Room, of which the first len(self) bytes are written and the others zero.
        self._position = 0
        # Writing moves the position alone: where it was last set, and what was written by then, give the length. Only
        # from that end on a struct packs straight into the room: one that raises has zeroed the bytes under it.
        self._sought = 0
        self._end = 0
        self._finished = False

    # The buffer.

    @property
    def dialect(self) -> str:
        """ "v3" or "v5"."""
        return "v5" if self._v5 else "v3"

    def write(self, data: Buffer) -> int:
        """Writes raw bytes, without their length; returns how many."""
        raw = as_bytes(data)
        self._put(raw)
        return len(raw)

    @property
    def position(self) -> int:
        """Offset at which the next write goes, 0 at first; can be set."""
        return self._position

    @position.setter
    def position(self, position: int) -> None:
        self.seek(position)

    def seek(self, position: int) -> None:
        """Moves the cursor to an offset from the start, possibly beyond the end."""
        try:
            position = as_int(position)
        except TypeError:
            raise TypeError(f"a position is an int, not {type(position).__name__}") from None
        if not 0 <= position <= MESSAGE_MAX:
            raise UsageError(f"a position is within 0..{MESSAGE_MAX}, not {position}")
        self._end = len(self)
        self._position = self._sought = position

    def skip(self, count: int) -> None:
        """Moves the cursor forward, or back where count is negative. (Java: skip, writeSkip.)

        Nothing is written, so what was skipped at the very end does not count as in Java: ``pad`` makes it count.
        """
        self.seek(self._position + as_int(count))

    def pad(self, count: int) -> None:
        """Writes so many zero bytes."""
        self._put(bytes(as_count(count)))

    def align(self, size: int) -> None:
        """Writes zero bytes up to the next multiple of size, counted from the start of the excerpt."""
        if as_count(size, "a size") == 0:
            raise UsageError("a size to align to is at least 1")
        self._put(bytes(-self._position % size))

    def truncate(self, size: int | None = None) -> None:
        """Cuts off what lies at ``size`` (default: the cursor) and behind; the cursor moves back if it was there."""
        self._check_open()
        size = self._position if size is None else as_count(size, "a size")
        end = len(self)
        if size < end:
            self._bytes[size:end] = bytes(end - size)
        self._end = min(end, size)
        self._position = self._sought = min(self._position, size)

    def buffer(self) -> memoryview:
        """A writable view of the bytes so far. Release it before writing more: the bytes cannot grow while it lives."""
        self._check_open()
        return memoryview(self._bytes)[: len(self)]

    def __len__(self) -> int:
        # A position that was set beyond the end counts once something is written there.
        return self._end if self._position == self._sought else max(self._end, self._position)

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self._bytes)[: len(self)])

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} bytes, position {self._position}>"

    # Numbers of fixed size.

    def write_boolean(self, value: bool, *, offset: int | None = None) -> None:
        """Writes 'Y', or 0 ("v5": 'N'), in one byte."""
        raw = 0x59 if value else 0x4E if self._v5 else 0
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(BYTE, offset, raw)
            return
        try:
            put_byte(self._bytes, at, raw)
        except _NOT_PUT:
            self._put_again(BYTE, raw, raw)
        else:
            self._position = at + 1

    def write_byte(self, value: int, *, offset: int | None = None) -> None:
        """Writes -128..127 in one byte."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(BYTE, offset, value)
            return
        try:
            put_byte(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(BYTE, value, value)
        else:
            self._position = at + 1

    def write_unsigned_byte(self, value: int, *, offset: int | None = None) -> None:
        """Writes 0..255 in one byte."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(UNSIGNED_BYTE, offset, value)
            return
        try:
            put_unsigned_byte(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(UNSIGNED_BYTE, value, value)
        else:
            self._position = at + 1

    def write_short(self, value: int, *, offset: int | None = None) -> None:
        """Writes 16 bits with sign."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(SHORT, offset, value)
            return
        try:
            put_short(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(SHORT, value, value)
        else:
            self._position = at + 2

    def write_unsigned_short(self, value: int, *, offset: int | None = None) -> None:
        """Writes 16 bits without sign."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(UNSIGNED_SHORT, offset, value)
            return
        try:
            put_unsigned_short(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(UNSIGNED_SHORT, value, value)
        else:
            self._position = at + 2

    def write_char(self, value: str, *, offset: int | None = None) -> None:
        """Writes one UTF-16 unit in two bytes; "v5": as a stop-bit integer of one to three, 0xFFFF as -1."""
        unit = _unit(value)
        if self._v5:
            if offset is not None:
                raise absent("writeChar(offset, char)", "Chronicle 3")
            # As Java: the last 128 units look like the negative numbers -1 to -128.
            self._put(stop_bit(unit - 0x10000 if unit >= 0xFF80 else unit))
            return
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(UNSIGNED_SHORT, offset, unit)
            return
        try:
            put_unsigned_short(self._bytes, at, unit)
        except _NOT_PUT:
            self._put_again(UNSIGNED_SHORT, unit, unit)
        else:
            self._position = at + 2

    def write_int24(self, value: int, *, offset: int | None = None) -> None:
        """Writes 24 bits with sign."""
        try:
            low, high = value & 0xFFFF, value >> 16
        except TypeError:
            raise INT24.refusal(value) from None
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(INT24, offset, value, low, high)
            return
        try:
            put_int24(self._bytes, at, low, high)
        except _NOT_PUT:
            self._put_again(INT24, value, low, high)
        else:
            self._position = at + 3

    def write_unsigned_int24(self, value: int) -> None:
        """Writes 24 bits without sign ("v5" only)."""
        if not self._v5:
            raise absent("writeUnsignedInt24", "Chronicle Queue 5")
        try:
            low, high = value & 0xFFFF, value >> 16
        except TypeError:
            raise UNSIGNED_INT24.refusal(value) from None
        at = self._position
        if at < self._end:
            self._put_at(UNSIGNED_INT24, None, value, low, high)
            return
        try:
            put_unsigned_int24(self._bytes, at, low, high)
        except _NOT_PUT:
            self._put_again(UNSIGNED_INT24, value, low, high)
        else:
            self._position = at + 3

    def write_int(self, value: int, *, offset: int | None = None) -> None:
        """Writes 32 bits with sign."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(INT, offset, value)
            return
        try:
            put_int(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(INT, value, value)
        else:
            self._position = at + 4

    def write_unsigned_int(self, value: int, *, offset: int | None = None) -> None:
        """Writes 32 bits without sign."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(UNSIGNED_INT, offset, value)
            return
        try:
            put_unsigned_int(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(UNSIGNED_INT, value, value)
        else:
            self._position = at + 4

    def write_int48(self, value: int, *, offset: int | None = None) -> None:
        """Writes 48 bits with sign ("v3" only)."""
        if self._v5:
            raise absent("writeInt48", "Chronicle 3")
        try:
            low, high = value & 0xFFFF, value >> 16
        except TypeError:
            raise INT48.refusal(value) from None
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(INT48, offset, value, low, high)
            return
        try:
            put_int48(self._bytes, at, low, high)
        except _NOT_PUT:
            self._put_again(INT48, value, low, high)
        else:
            self._position = at + 6

    def write_long(self, value: int, *, offset: int | None = None) -> None:
        """Writes 64 bits with sign."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(LONG, offset, value)
            return
        try:
            put_long(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(LONG, value, value)
        else:
            self._position = at + 8

    def write_float(self, value: float, *, offset: int | None = None) -> None:
        """Writes the nearest float of 32 bits; UsageError beyond its range."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(FLOAT, offset, value)
            return
        try:
            put_float(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(FLOAT, value, value)
        else:
            self._position = at + 4

    def write_double(self, value: float, *, offset: int | None = None) -> None:
        """Writes 64 bits of IEEE 754."""
        at = self._position
        if offset is not None or at < self._end:
            self._put_at(DOUBLE, offset, value)
            return
        try:
            put_double(self._bytes, at, value)
        except _NOT_PUT:
            self._put_again(DOUBLE, value, value)
        else:
            self._position = at + 8

    # Compact numbers ("v3" only), spec 4.2.

    def write_compact_short(self, value: int) -> None:
        """Writes a short in one byte if it is -125..127 or an extreme, otherwise in three."""
        if self._v5:
            raise absent("writeCompactShort", "Chronicle 3")
        if _fits(SHORT, value, -125, 127):
            self._put(_ONE[value & 0xFF])
        elif value == -0x8000:
            self._put(b"\x80")
        elif value == 0x7FFF:
            self._put(b"\x82")
        else:
            self._put(_pack_short(-127, value))

    def write_compact_unsigned_short(self, value: int) -> None:
        """Writes 0..254 in one byte. Java truncates larger numbers, which it cannot read back: they are a UsageError."""
        if self._v5:
            raise absent("writeCompactUnsignedShort", "Chronicle 3")
        if not _fits(UNSIGNED_SHORT, value, 0, 254):
            raise UsageError(
                f"a compact unsigned short is within 0..254, not {value}",
                hint="Java itself cannot read larger ones back; use write_unsigned_short",
            )
        self._put(_ONE[value])

    def write_compact_int(self, value: int) -> None:
        """Writes an int in two bytes if it is -32765..32767 or an extreme, otherwise in six."""
        if self._v5:
            raise absent("writeCompactInt", "Chronicle 3")
        if _fits(INT, value, -0x7FFD, 0x7FFF):
            self._put((value & 0xFFFF).to_bytes(2, "little"))
        elif value == -0x80000000:
            self._put(b"\x00\x80")
        elif value == 0x7FFFFFFF:
            self._put(b"\x02\x80")
        else:
            self._put(_pack_int(-0x7FFF, value))

    def write_compact_unsigned_int(self, value: int) -> None:
        """Writes an unsigned int in two bytes if it is 0..65534, otherwise in six."""
        if self._v5:
            raise absent("writeCompactUnsignedInt", "Chronicle 3")
        if _fits(UNSIGNED_INT, value, 0, 0xFFFE):
            self._put(value.to_bytes(2, "little"))
        else:
            self._put(_pack_unsigned_int(0xFFFF, value))

    def write_compact_long(self, value: int) -> None:
        """Writes a long in four bytes if it is -2147483645..2147483647 or an extreme, otherwise in twelve."""
        if self._v5:
            raise absent("writeCompactLong", "Chronicle 3")
        if _fits(LONG, value, -0x7FFFFFFD, 0x7FFFFFFF):
            self._put((value & 0xFFFFFFFF).to_bytes(4, "little"))
        elif value == LONG_MIN:
            self._put(b"\x00\x00\x00\x80")
        elif value == LONG_MAX:
            self._put(b"\x02\x00\x00\x80")
        else:
            self._put(_pack_long(-0x7FFFFFFF, value))

    def write_compact_double(self, value: float) -> None:
        """Writes a double in four bytes if a float is exactly it, otherwise in twelve."""
        if self._v5:
            raise absent("writeCompactDouble", "Chronicle 3")
        try:
            raw = _pack_double(value)
        except struct.error:
            raise DOUBLE.refusal(value) from None
        try:
            short = _pack_float(value)
        except OverflowError:
            short = _QUIET_NAN
        self._put(short if get_float(short)[0] == value else _QUIET_NAN + raw)

    # Stop-bit numbers.

    def write_stop_bit(self, value: int) -> None:
        """Writes a long in as many bytes as it needs, seven bits in each (spec 4.3)."""
        if type(value) is int and 0 <= value < 0x80:
            self._put(_ONE[value])
        else:
            self._put(stop_bit(as_long(value, "a stop-bit integer")))

    def write_stop_bit_double(self, value: float) -> None:
        """Writes a double in as many bytes as it needs, the highest bits first ("v5" only)."""
        if not self._v5:
            raise absent("writeStopBit(double)", "Chronicle Queue 5")
        try:
            bits = int.from_bytes(_pack_double(value), "little")
        except struct.error:
            raise DOUBLE.refusal(value) from None
        out = bytearray()
        while bits & (1 << 57) - 1:
            out.append(bits >> 57 | 0x80)
            bits = bits << 7 & (1 << 64) - 1
        out.append(bits >> 57)
        self._put(bytes(out))

    def write_big_integer(self, value: int) -> None:
        """Writes an int of any size: stop-bit length, then the bytes, the highest first ("v5" only)."""
        if not self._v5:
            raise absent("writeBigInteger", "Chronicle Queue 5")
        self._put(_big_integer(value))

    def write_big_decimal(self, value: Decimal) -> None:
        """Writes a Decimal: its digits as a big integer, then the stop-bit number of decimal places ("v5" only).

        Raises UsageError for Decimals with a positive exponent (1E+3): Java writes, but cannot read them.
        """
        if not self._v5:
            raise absent("writeBigDecimal", "Chronicle Queue 5")
        if not isinstance(value, Decimal):
            raise TypeError(f"a big decimal is a Decimal, not {type(value).__name__}")
        sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or not -(1 << 31) < exponent <= 0:
            raise UsageError(f"a big decimal is finite and has decimal places, not {value}", hint="quantize it")
        self._put(_big_integer(int(Decimal((sign, digits, 0)))) + stop_bit(-exponent))

    # Text.

    def write_string(self, text: str | None) -> None:
        """Writes the usual string: stop-bit number of bytes, then the text; None is null.

        Each UTF-16 unit is encoded by itself (CESU-8), in both dialects. (Java: writeUTFΔ, in "v5" writeUtf8.)
        """
        if text is None:
            self._put(NULL)
            return None
        raw = to_utf8(as_text(text))
        size = len(raw)
        return self._put((_ONE[size] if size < 0x80 else stop_bit(size)) + raw)

    def write_string_at(self, offset: int, max_size: int, text: str | None) -> int:
        """Writes a string at an offset, in at most max_size bytes; the position stays. Returns the offset behind it.

        "v3": max_size counts the length, too, and the rest of the room is zeroed (Java: writeUTFΔ(offset, maxSize,
        text)). "v5": max_size counts the text alone, nothing is zeroed (writeUtf8Limited).
        """
        offset, max_size = as_offset(offset), as_count(max_size, "a size")
        raw = b"" if text is None else to_utf8(as_text(text))
        field = NULL if text is None else stop_bit(len(raw)) + raw
        size = len(raw) if self._v5 else len(field)
        if size > max_size:
            raise UsageError(f"a text of {size} bytes does not fit {max_size}")
        stop = offset + len(field)
        if not self._v5 and text is not None:
            field = field.ljust(max_size, b"\0")
        self._check_open()
        self._place(offset, field)
        return stop

    def write_utf(self, text: str) -> None:
        """Writes a text behind its number of bytes, an unsigned short: at most 65535 ("v3" only; Java: writeUTF)."""
        if self._v5:
            raise absent("writeUTF", "Chronicle 3")
        raw = to_utf8(as_text(text))
        if len(raw) > 0xFFFF:
            raise UsageError(f"a UTF has at most 65535 bytes, not {len(raw)}", hint="write_string has no such limit")
        self._put(len(raw).to_bytes(2, "little") + raw)

    def write_8bit_text(self, text: str | None) -> None:
        """Writes a stop-bit number of characters, then each in a byte (ISO-8859-1); None is null.

        Raises EncodingError for characters beyond U+00FF, which Java would cut. (Java: write8bitText, "v5" write8bit.)
        """
        if text is None:
            self._put(NULL)
            return None
        raw = as_latin(as_text(text), "8-bit text")
        return self._put(stop_bit(len(raw)) + raw)

    def write_bytes(self, data: str | Buffer) -> None:
        """Writes bytes, or the characters of a str as bytes (ISO-8859-1), without their length. (Java: writeBytes.)"""
        self._put(as_latin(data, "writeBytes") if isinstance(data, str) else as_bytes(data))

    def write_with_length(self, data: Buffer) -> None:
        """Writes a stop-bit length and the bytes: the usual form of a byte[]. (Java "v5": writeWithLength.)"""
        raw = as_bytes(data)
        self._put(stop_bit(len(raw)) + raw)

    def write_chars(self, text: str) -> None:
        """Writes the UTF-16 units of a text in two bytes each, without their number ("v3" only; Java: writeChars)."""
        if self._v5:
            raise absent("writeChars", "Chronicle 3")
        self._put(as_text(text).encode("utf-16-le", "surrogatepass"))

    # Text for people.

    def append_text(self, text: str) -> None:
        """Appends a text as it is, without its length. (Java: append(CharSequence).)"""
        self._put(to_utf8(as_text(text)))

    def append_char(self, char: str) -> None:
        """Appends a char; "v3" has one byte for it, hence EncodingError beyond U+00FF. (Java: append(char).)"""
        unit = _unit(char)
        if self._v5:
            self._put(to_utf8(char))
            return None
        if unit > 0xFF:
            raise EncodingError(f"append(char) writes one byte, and {char!r} needs more", hint="append_text() does")
        return self._put(_ONE[unit])

    def append_long(self, value: int) -> None:
        """Appends a long in decimal. (Java: append(long), append(int).)"""
        self._put(b"%d" % as_long(value, "a long"))

    def append_double(self, value: float, places: int | None = None) -> None:
        """Appends a double in decimal, without exponent: the fewest digits that are it, "v5" with ".0" at least.

        ``places`` (0..18) rounds half up: "v3" drops zeros at the end, "v5" shows all places. (Java: append(double),
        append(double, int).)
        """
        try:
            _pack_double(value)
        except struct.error:
            raise DOUBLE.refusal(value) from None
        number = float(value)
        if places is None:
            text = _plain(number)
            if self._v5 and "." not in text and text[-1].isdigit():
                text += ".0"
        else:
            if as_count(places) > _PLACES_MAX:
                raise UsageError(f"decimal places are within 0..{_PLACES_MAX}, not {places}")
            text = _rounded_v5(number, places) if self._v5 else _rounded_v3(number, places)
        self._put(text.encode("ascii"))

    def append_boolean(self, value: bool) -> None:
        """Appends "true" or "false", "v5": "T" or "F". (Java: append(boolean).)"""
        if self._v5:
            self._put(b"T" if value else b"F")
        else:
            self._put(b"true" if value else b"false")

    def append_date_millis(self, moment: int | datetime) -> None:
        """Appends the day in UTC of milliseconds since 1970, or of a datetime: ``2023/11/14``, "v5" ``20231114``."""
        self._put(_date_text(_millis(moment), self._v5).encode())

    def append_time_millis(self, millis: int) -> None:
        """Appends a time of day given in milliseconds: ``22:13:20.123``. "v3" counts hours on, "v5" begins at 0 again."""
        number = as_count(millis, "a time")
        self._put(_time_text(number % _DAY_MS if self._v5 else as_long(number, "a time")).encode())

    def append_date_time_millis(self, moment: int | datetime) -> None:
        """Appends day and time in UTC: ``2023/11/14T22:13:20.123``, "v5" ``20231114T22:13:20.123``."""
        millis = _millis(moment)
        self._put(f"{_date_text(millis, self._v5)}T{_time_text(millis % _DAY_MS)}".encode())

    # Enums, collections, objects.

    def write_enum(self, value: object) -> None:
        """Writes the name of an enum constant (an enum.Enum, or a str) as 8-bit text.

        "v3" also has None for null, and writes anything else as an object. A str must be ASCII there, because Java
        reads Strings in another encoding than it writes them in. (Java: writeEnum.)
        """
        self._put(self._enum(value))

    def write_list(self, values: Iterable[object]) -> None:
        """Writes a stop-bit count, then each element as ``write_enum`` does ("v3" only). (Java: writeList.)"""
        if self._v5:
            raise absent("writeList", "Chronicle 3")
        fields = [self._enum(value) for value in values]
        self._put(stop_bit(len(fields)) + b"".join(fields))

    def write_map(self, values: Mapping[Any, object]) -> None:
        """Writes a stop-bit count, then keys and values in order, as ``write_enum`` does ("v3" only; Java: writeMap)."""
        if self._v5:
            raise absent("writeMap", "Chronicle 3")
        fields = [self._enum(key) + self._enum(value) for key, value in values.items()]
        self._put(stop_bit(len(fields)) + b"".join(fields))

    def write_object(self, value: object) -> None:
        """Writes an object ("v3" only; Java: writeObject; spec 4.6).

        None, bool, int (a Long, beyond 64 bits a BigInteger), float (a Double), str, Decimal, datetime (a Date), bytes
        (a ByteBuffer), and the types of ``pychronix.fields``. Raises TypeError for others.
        """
        if self._v5:
            raise absent("writeObject of Chronicle 3", "Chronicle 3")
        self._put(encode_object(value))

    # Helpers.

    def _enum(self, value: object) -> bytes:
        if isinstance(value, enum.Enum):
            raw = as_latin(value.name, "the name of an enum constant")
        elif isinstance(value, str):
            raw = as_latin(value, "the name of an enum constant")
            if not self._v5 and not value.isascii():
                raise EncodingError(f"a str in an enum, list or map is ASCII for Java, not {value!r}")
        elif self._v5:
            raise TypeError(f"an enum constant is an enum.Enum or its name, not {type(value).__name__}")
        else:
            return NULL if value is None else encode_object(value)
        return stop_bit(len(raw)) + raw

    def _put(self, raw: bytes) -> None:
        """Writes bytes at the cursor and moves it behind."""
        if self._finished:
            self._check_open()
        at = self._position
        stop = at + len(raw)
        if stop > len(self._bytes):
            self._make_room(stop)
        self._bytes[at:stop] = raw
        self._position = stop

    def _put_again(self, kind: Fixed, value: object, *parts: object) -> None:
        """Writes a fixed-size value at the end that was refused: it lacks room, or something is wrong with it."""
        self._check_open()
        raw = bytearray(kind.size)
        try:
            kind.put(raw, 0, *parts)
        except _NOT_PUT:
            # The struct may have written some of it into the room, which is to be zero.
            stop = min(self._position + kind.size, len(self._bytes))
            self._bytes[self._position : stop] = bytes(max(0, stop - self._position))
            raise kind.refusal(value) from None
        self._put(bytes(raw))

    def _put_at(self, kind: Fixed, offset: int | None, value: object, *parts: object) -> None:
        """Writes a fixed-size value at an offset, or over others at the cursor, so that an error changes nothing there."""
        if offset is not None:
            offset = as_offset(offset)
        self._check_open()
        raw = bytearray(kind.size)
        try:
            kind.put(raw, 0, *(parts or (value,)))
        except _NOT_PUT:
            raise kind.refusal(value) from None
        if offset is None:
            self._put(bytes(raw))
        else:
            self._place(offset, raw)

    def _place(self, offset: int, raw: bytes | bytearray) -> None:
        stop = offset + len(raw)
        if stop > len(self._bytes):
            self._make_room(stop)
        self._bytes[offset:stop] = raw
        self._end = max(len(self), stop)

    def _make_room(self, size: int) -> None:
        if size > MESSAGE_MAX:
            raise MessageTooLongError(f"a message has at most {MESSAGE_MAX} bytes, not {size}")
        self._bytes.extend(bytes(max(size, min(2 * len(self._bytes), MESSAGE_MAX)) - len(self._bytes)))

    def _finish(self) -> bytes:
        """The bytes, for good: nothing can be written any more."""
        size = len(self)
        # Two small copies are quicker than a view.
        done = bytes(self._bytes[:size]) if size <= _ROOM else bytes(self)
        # What packs into bytes raises TypeError, and then looks at _finished: the fast paths need not.
        self._end = size
        self._sought = self._position
        self._bytes = done  # type: ignore[assignment]
        self._finished = True
        return done

    def _check_open(self) -> None:
        if self._finished:
            raise UsageError("the excerpt is finished, its context has ended")


def _fits(kind: Fixed, value: int, low: int, high: int) -> bool:
    """Whether an int is within the short form's range; raises what is due if it is not within the kind's own."""
    try:
        number = as_int(value)
    except TypeError:
        raise kind.refusal(value) from None
    if low <= number <= high:
        return True
    if not kind.low <= number <= kind.high:  # type: ignore[operator]
        raise kind.refusal(value)
    return False


def _big_integer(value: int) -> bytes:
    number = as_int(value)
    raw = number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)
    return stop_bit(len(raw)) + raw
