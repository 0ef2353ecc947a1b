"""The bytes of single items as Java's BinaryWire writes them: numbers, texts, names; and the payload they make up.

The decision hidden here is which of several codes Java chooses for a value (spec 9.3 to 9.6), and how items that Java
aligns in the *file* are written before it is known where in the file they will lie (spec 9.8).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from struct import Struct
from typing import Final

from pychronix.errors import WireError
from pychronix.wire import codes
from pychronix.wire.text import stop_bit, to_utf8

__all__ = [
    "Payload",
    "block_length",
    "event_id",
    "event_name",
    "fixed_float32",
    "fixed_float64",
    "fixed_int",
    "float32",
    "float64",
    "integer",
    "name",
    "padding",
    "string",
    "too_deep",
    "utf8",
]

INT8: Final = (-(1 << 7), (1 << 7) - 1)
INT16: Final = (-(1 << 15), (1 << 15) - 1)
INT32: Final = (-(1 << 31), (1 << 31) - 1)
INT64: Final = (-(1 << 63), (1 << 63) - 1)
UINT8: Final = (0, (1 << 8) - 1)
UINT16: Final = (0, (1 << 16) - 1)
UINT32: Final = (0, (1 << 32) - 1)

_INT64_MAX = INT64[1]
_SHORT = 32
_LONGEST = (1 << 31) - 1  # of a block, a text: Java counts in 32 bits with a sign
_NAMES_KEPT = 1 << 14  # as many encoded names are remembered; a document with more of them is slower, not larger
_NAME_KEPT = 64
MAX_DEPTH = 200  # blocks within blocks; a list that holds itself ends there

_U8: Final = tuple(bytes((codes.UINT8, n)) for n in range(256))
_SHORT_STRING: Final = tuple(bytes((codes.STRING0 + n,)) for n in range(_SHORT))

_pack_u16 = Struct("<BH").pack
_pack_i16 = Struct("<Bh").pack
_pack_u32 = Struct("<BI").pack
_pack_i32 = Struct("<Bi").pack
_pack_i64 = Struct("<Bq").pack
_pack_i8 = Struct("<Bb").pack
_pack_f32 = Struct("<Bf").pack
_pack_f64 = Struct("<Bd").pack
_FLOAT: Final = Struct("<f")
_put_u32 = Struct("<I").pack_into


# --- numbers ---------------------------------------------------------------------------------------------------------


def integer(number: int) -> bytes:
    """An integer of the 64-bit range, as short as Java writes it (``int8`` to ``int64``, ``uint8`` to ``uint32``).

    Beyond 32 bits that is a 32-bit float where such a one holds the value. Raises WireError beyond 64 bits.
    """
    if 0 <= number:
        if number < 0x100:
            return _U8[number]
        if number < 0x8000:
            return _pack_i16(codes.INT16, number)
        if number < 0x10000:
            return _pack_u16(codes.UINT16, number)
        if number < 0x80000000:
            return _pack_i32(codes.INT32, number)
        if number < 0x100000000:
            return _pack_u32(codes.UINT32, number)
    elif number >= -0x80:
        return _pack_i8(codes.INT8, number)
    elif number >= -0x8000:
        return _pack_i16(codes.INT16, number)
    elif number >= -0x80000000:
        return _pack_i32(codes.INT32, number)
    if not INT64[0] <= number <= _INT64_MAX:
        raise WireError(f"an integer beyond 64 bits: {number}")
    # Java compares after converting back, which saturates: the largest long passes, as 2^63.
    if not number & (1 << number.bit_length() - 24) - 1 or number == _INT64_MAX:
        return _pack_f32(codes.FLOAT32, number)
    return _pack_i64(codes.INT64, number)


def fixed_int(code: int, number: int) -> bytes:
    """An integer that lies in the range of its code, INT8 to INT64, INT64_0X or UINT8 to UINT32."""
    return bytes((code,)) + number.to_bytes(_WIDTH[code], "little", signed=code not in _UNSIGNED)


_WIDTH: Final = {
    codes.UINT8: 1,
    codes.UINT16: 2,
    codes.UINT32: 4,
    codes.INT8: 1,
    codes.INT16: 2,
    codes.INT32: 4,
    codes.INT64: 8,
    codes.INT64_0X: 8,
}
_UNSIGNED: Final = frozenset((codes.UINT8, codes.UINT16, codes.UINT32))


def float64(number: float) -> bytes:
    """A double as Java's ``float64`` writes it: an integer, a decimal or a 32-bit float where that is no loss.

    The sign of -0.0 is lost, as in Java.
    """
    if -34360.0 < number < 4398047.0:
        # Java writes decimals above -2^35 and below 2^42 millionths. It rounds to millionths and divides those by 10^4 or
        # 10^2: what is a decimal of that many places comes out the same.
        if (number + _ROUND) - _ROUND == number:
            return _integral(number)
        part = (number * 1e2 + _ROUND) - _ROUND
        if part / 1e2 == number and -3435973.8368 < part < 439804651.1104:
            return _decimal(codes.FLOAT_STOP_2, int(part))
        part = (number * 1e4 + _ROUND) - _ROUND
        if part / 1e4 == number and -343597383.68 < part < 43980465111.04:
            return _decimal(codes.FLOAT_STOP_4, int(part))
        part = (number * 1e6 + _ROUND) - _ROUND
        if part / 1e6 == number and -34359738368.0 < part < 4398046511104.0:
            return _decimal(codes.FLOAT_STOP_6, int(part))
    elif number.is_integer():
        return _integral(number)
    if _is_float32(number) or number != number:
        return _pack_f32(codes.FLOAT32, number)
    return _pack_f64(codes.FLOAT64, number)


_ROUND: Final = 1.5 * (1 << 52)  # added and taken away again, it rounds what is less than 2^51


def _integral(number: float) -> bytes:
    """A double that is an integer."""
    if 0 <= number <= 0xFFFF:
        return _U8[int(number)] if number <= 0xFF else _pack_u16(codes.UINT16, int(number))
    if -0x80 <= number < 0:
        return _pack_i8(codes.INT8, int(number))
    if -0x8000 <= number < 0:
        return _pack_i16(codes.INT16, int(number))
    if _is_float32(number):
        return _pack_f32(codes.FLOAT32, number)
    if 0 <= number <= 0xFFFFFFFF:
        return _pack_u32(codes.UINT32, int(number))
    if -0x80000000 <= number < 0:
        return _pack_i32(codes.INT32, int(number))
    return _pack_f64(codes.FLOAT64, number)


def _decimal(code: int, part: int) -> bytes:
    """A code with a stop-bit number."""
    if 0 <= part < 1 << 14:
        return bytes((code, part & 0x7F | 0x80, part >> 7)) if part >= 0x80 else bytes((code, part))
    if 0 <= part < 1 << 21:
        return bytes((code, part & 0x7F | 0x80, part >> 7 & 0x7F | 0x80, part >> 14))
    return bytes((code,)) + stop_bit(part)


def _is_float32(number: float) -> bool:
    try:
        return bool(_FLOAT.unpack(_FLOAT.pack(number))[0] == number)
    except OverflowError:
        return False


def _to_float32(number: float) -> float:
    """The nearest 32-bit float. Raises WireError where that would be an infinity."""
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(number))[0])
    except OverflowError:
        raise WireError(f"a number beyond the 32-bit floats: {number!r}") from None


def float32(number: float) -> bytes:
    """The nearest 32-bit float, as Java's ``float32`` writes it. Raises WireError where that would be an infinity."""
    number = _to_float32(number)
    if number.is_integer():
        if 0 <= number <= 0xFFFF or -0x8000 <= number < 0:
            return float64(number)
        return _pack_f32(codes.FLOAT32, number)
    if abs(number) < 3.0:  # Java: more than -2^14 millionths and less than 2^21
        millionths = round(number * 1e6)
        # Java's quotients are 32-bit floats; rounding the double once more gives the same.
        if _to_float32(millionths / 1e6) == number and -(1 << 14) < millionths < 1 << 21:
            # Java divides towards zero.
            part = millionths // 10000 if millionths >= 0 else -(-millionths // 10000)
            if _to_float32(part / 1e2) == number:
                return _decimal(codes.FLOAT_STOP_2, part)
            part = millionths // 100 if millionths >= 0 else -(-millionths // 100)
            if _to_float32(part / 1e4) == number:
                return _decimal(codes.FLOAT_STOP_4, part)
            return _decimal(codes.FLOAT_STOP_6, millionths)
    return _pack_f32(codes.FLOAT32, number)


def fixed_float32(number: float) -> bytes:
    """The nearest 32-bit float in its own four bytes. Raises WireError where that would be an infinity."""
    return _pack_f32(codes.FLOAT32, _to_float32(number))


def fixed_float64(number: float) -> bytes:
    """A double in its own eight bytes."""
    return _pack_f64(codes.FLOAT64, number)


# --- texts and names -------------------------------------------------------------------------------------------------


def string(text: str) -> bytes:
    """A text."""
    if len(text) < _SHORT and text.isascii():
        return _SHORT_STRING[len(text)] + text.encode("ascii")
    raw = to_utf8(text)
    if len(raw) < _SHORT:
        return _SHORT_STRING[len(raw)] + raw
    return _ANY_STRING + stop_bit(_fitting(len(raw))) + raw


_ANY_STRING: Final = bytes((codes.STRING_ANY,))


def utf8(code: int, text: str) -> bytes:
    """A code with a text: a type's name, a date, a comment."""
    raw = to_utf8(text)
    return bytes((code,)) + stop_bit(_fitting(len(raw))) + raw


def _latin1(text: str) -> bytes:
    """A name: one byte for each character. Java mangles what has none, differently from release to release."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise WireError(
            f"a name has characters up to U+00FF only, unlike {text!r:.60}",
            hint="names are Latin-1 in Wire; a text may be a value",
        ) from None


class _Names(dict[str, bytes]):
    """Names of fields, by what is written for them."""

    def __missing__(self, text: str) -> bytes:
        encoded = _name(text)
        if len(self) < _NAMES_KEPT and len(text) < _NAME_KEPT:
            self[text] = encoded
        return encoded


def _name(text: str) -> bytes:
    raw = _latin1(text)
    if len(raw) >= _SHORT:
        return bytes((codes.FIELD_NAME_ANY,)) + stop_bit(_fitting(len(raw))) + raw
    if raw.isdigit() and int(raw) <= INT32[1]:
        return event_id(int(text))
    return bytes((codes.FIELD_NAME0 + len(raw),)) + raw


class _EventNames(_Names):
    def __missing__(self, text: str) -> bytes:
        raw = _latin1(text)
        encoded = bytes((codes.EVENT_NAME,)) + stop_bit(_fitting(len(raw))) + raw
        if len(self) < _NAMES_KEPT and len(text) < _NAME_KEPT:
            self[text] = encoded
        return encoded


# name[text]: the bytes of Java's write(name). A short name of decimal digits becomes a number, and loses its leading zeros.
name: Final = _Names()
# event_name[text]: the bytes of Java's writeEventName(name).
event_name: Final = _EventNames()


def event_id(number: int) -> bytes:
    """The bytes of Java's ``writeEventId``."""
    if not INT32[0] <= number <= INT32[1]:
        raise WireError(f"a method id beyond 32 bits: {shown(number)}")
    return bytes((codes.FIELD_NUMBER,)) + stop_bit(number)


def _fitting(length: int) -> int:
    if length > _LONGEST:
        raise WireError(f"{length} bytes are longer than Java can count")
    return length


def block_length(length: int) -> bytes:
    """The code and length before a block of raw bytes: as short as it can be."""
    if length < 0x100:
        return bytes((codes.BYTES_LENGTH8, length))
    if length < 0x10000:
        return _pack_u16(codes.BYTES_LENGTH16, length)
    return _pack_u32(codes.BYTES_LENGTH32, _fitting(length))


def padding(count: int) -> bytes:
    """So many bytes to skip, as Java's ``addPadding`` writes them."""
    if count < 5:
        return bytes((codes.PADDING,)) * count
    return _pack_u32(codes.PADDING32, count - 5) + bytes(count - 5)


# --- the payload -----------------------------------------------------------------------------------------------------

_NONE: Final[list[tuple[int, int]]] = []  # of every payload that aligns nothing: never written to
_BLOCK: Final = bytes((codes.BYTES_LENGTH32, 0, 0, 0, 0))


def shown(value: object) -> str:
    """A value in a message, however it is made."""
    try:
        return f"{value!r:.40}"
    except Exception:  # Too deep, an int of too many digits, or a class whose repr fails.
        return f"a value of {type(value).__name__}"


def too_deep() -> WireError:
    """What is said of blocks that have no end, or of Python's stack where that ends first."""
    return WireError(f"blocks within blocks are {MAX_DEPTH} at most", hint="does a list or a mapping hold itself?")


class Payload:
    """A payload that grows: its bytes, and where Java would have aligned an item in the file.

    ``data`` has no padding for that yet, for it depends on where the payload will begin; ``at(start)`` puts it in.
    ``depth`` counts the blocks around what is being written.
    """

    __slots__ = ("_blocks", "compressed", "data", "depth", "fieldless", "marks")

    def __init__(self, wire_type: str = "BINARY_LIGHT") -> None:
        self.data = bytearray()
        self.depth = 0
        self.fieldless = self.compressed = False
        if wire_type != "BINARY_LIGHT":
            if wire_type not in WRITABLE:
                raise WireError(f"documents are written as {', '.join(WRITABLE)}, not as {wire_type!r}")
            self.fieldless = wire_type == "FIELDLESS_BINARY"
            self.compressed = wire_type == "COMPRESSED_BINARY"
        # (offset, alignment) of each code whose value is to be aligned; none: the payload is the same wherever it begins
        self.marks: list[tuple[int, int]] = _NONE
        self._blocks: list[tuple[int, int]] = _NONE  # (offset of a length, end) of blocks with a mark in them

    @property
    def alignment(self) -> int:
        """The largest alignment of an item, in bytes; 1 if the payload is the same wherever it begins."""
        return max((alignment for _, alignment in self.marks), default=1)

    def align(self, alignment: int) -> None:
        """The value after the next code will lie at a multiple of this in the file."""
        if not self.marks:
            self.marks, self._blocks = [], []
        self.marks.append((len(self.data), alignment))

    def open(self) -> int:
        """Begins a block with a length of 32 bits; returns what ``close`` takes. Raises WireError for one too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_deep()
        at = len(self.data) + 1
        self.data += _BLOCK
        return at

    def close(self, at: int) -> None:
        """Ends the block that was begun there."""
        self.depth -= 1
        end = len(self.data)
        _put_u32(self.data, at, _fitting(end - at - 4))
        if self.marks and self.marks[-1][0] > at:
            self._blocks.append((at, end))

    def truncate(self, length: int) -> None:
        """Takes back all that was written beyond this length."""
        del self.data[length:]
        if self.marks:
            self.marks = [mark for mark in self.marks if mark[0] < length]
            self._blocks = [block for block in self._blocks if block[1] <= length]

    def at(self, start: int) -> bytes:
        """The bytes of a payload that begins at this offset in the file, modulo ``alignment``."""
        if not self.marks:
            return bytes(self.data)
        pieces: list[bytes] = []
        offsets, pads = [], [0]  # pads[i]: what the first i items need together
        done = 0
        data = bytearray(self.data)
        for offset, alignment in self.marks:
            offsets.append(offset)
            pads.append(pads[-1] + -(start + offset + pads[-1] + 1) % alignment)
        for length_at, end in self._blocks:
            inside = pads[bisect_left(offsets, end)] - pads[bisect_right(offsets, length_at)]
            _put_u32(data, length_at, _fitting(end - length_at - 4 + inside))
        for offset, before, after in zip(offsets, pads, pads[1:], strict=False):
            pieces += bytes(data[done:offset]), padding(after - before)
            done = offset
        return b"".join((*pieces, data[done:]))

    def forms(self) -> list[bytes]:
        """The payload for each place where it may begin: item ``i`` for a start of ``i`` modulo their number."""
        return [self.at(start) for start in range(self.alignment)]


WRITABLE: Final = ("BINARY_LIGHT", "BINARY", "FIELDLESS_BINARY", "COMPRESSED_BINARY")
