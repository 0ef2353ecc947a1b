"""What writing and reading of fields share: the kinds of fixed size, and checks of arguments."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from pychronix.errors import EncodingError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

DIALECTS = ("v3", "v5")

as_int = operator.index

MESSAGE_MAX = (1 << 30) - 1
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1
NULL = b"\x80\x00"  # Stop-bit -1, Java's null length.
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Fixed(NamedTuple):
    """A kind of fixed size: its struct's methods, and what may be written."""

    what: str
    size: int
    put: Callable[..., None]
    # Floats are among them; but what is an int to a type checker may stand for a float, too.
    get: Callable[..., tuple[int, ...]]
    low: int | None
    high: int | None

    def refusal(self, value: object) -> Exception:
        """What is wrong with a value that could not be packed."""
        if self.low is None:
            if isinstance(value, (int, float)):
                return UsageError(f"{self.what} cannot hold {value!r}")
            return TypeError(f"{self.what} is a number, not {type(value).__name__}")
        try:
            as_int(value)  # type: ignore[arg-type]
        except TypeError:
            return TypeError(f"{self.what} is an int, not {type(value).__name__}")
        return UsageError(f"{self.what} is within {self.low}..{self.high}, not {value}")


def _fixed(what: str, layout: str, low: int | None = None, high: int | None = None) -> Fixed:
    compiled = struct.Struct(layout)
    return Fixed(what, compiled.size, compiled.pack_into, compiled.unpack_from, low, high)


def _signed(what: str, layout: str, bits: int) -> Fixed:
    return _fixed(what, layout, -(1 << bits - 1), (1 << bits - 1) - 1)


BYTE = _signed("a byte", "<b", 8)
UNSIGNED_BYTE = _fixed("an unsigned byte", "<B", 0, (1 << 8) - 1)
SHORT = _signed("a short", "<h", 16)
UNSIGNED_SHORT = _fixed("an unsigned short", "<H", 0, (1 << 16) - 1)
INT24 = _signed("an int24", "<Hb", 24)
UNSIGNED_INT24 = _fixed("an unsigned int24", "<HB", 0, (1 << 24) - 1)
INT = _signed("an int", "<i", 32)
UNSIGNED_INT = _fixed("an unsigned int", "<I", 0, (1 << 32) - 1)
INT48 = _signed("an int48", "<Hi", 48)
LONG = _signed("a long", "<q", 64)
FLOAT = _fixed("a float", "<f")
DOUBLE = _fixed("a double", "<d")

# The fast paths find a global sooner than an attribute of a tuple.
put_byte, get_byte = BYTE.put, BYTE.get
put_unsigned_byte, get_unsigned_byte = UNSIGNED_BYTE.put, UNSIGNED_BYTE.get
put_short, get_short = SHORT.put, SHORT.get
put_unsigned_short, get_unsigned_short = UNSIGNED_SHORT.put, UNSIGNED_SHORT.get
put_int24, get_int24 = INT24.put, INT24.get
put_unsigned_int24, get_unsigned_int24 = UNSIGNED_INT24.put, UNSIGNED_INT24.get
put_int, get_int = INT.put, INT.get
put_unsigned_int, get_unsigned_int = UNSIGNED_INT.put, UNSIGNED_INT.get
put_int48, get_int48 = INT48.put, INT48.get
put_long, get_long = LONG.put, LONG.get
put_float, get_float = FLOAT.put, FLOAT.get
put_double, get_double = DOUBLE.put, DOUBLE.get


def is_v5(dialect: str) -> bool:
    """Whether this is the newer dialect; UsageError if it is none."""
    if dialect not in DIALECTS:
        raise UsageError(f"unknown dialect {dialect!r}", hint='"v3" or "v5"')
    return dialect == "v5"


def absent(what: str, other: str) -> UsageError:
    """What to raise where a dialect lacks a kind."""
    return UsageError(f"Java's Bytes of this release has no {what}", hint=f"only {other} has: see docs/fields.md")


def as_bytes(data: Buffer) -> bytes:
    """A copy of what is bytes-like, or TypeError saying what was given."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise TypeError("write takes bytes, not str: did you forget to encode it? write_string() writes text")
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"write takes what is bytes-like, not {type(data).__name__}") from None
    if not view.c_contiguous:
        raise UsageError("contiguous bytes are written", hint="pass bytes(...) of them")
    return view.tobytes()


def as_text(value: object, what: str = "a text") -> str:
    """The value if it is a str, or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is str, not {type(value).__name__}")
    return value


def as_latin(text: str, what: str) -> bytes:
    """A byte for each character (ISO-8859-1), or EncodingError."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as cause:
        raise EncodingError(f"{what} holds the characters up to U+00FF, not {text[cause.start]!r}") from None


def as_offset(offset: int) -> int:
    """The offset if an excerpt can have it; TypeError or UsageError."""
    try:
        number = as_int(offset)
    except TypeError:
        raise TypeError(f"an offset is an int, not {type(offset).__name__}") from None
    if not 0 <= number <= MESSAGE_MAX:
        raise UsageError(f"an offset is within 0..{MESSAGE_MAX}, not {number}")
    return number


def as_count(count: int, what: str = "a count") -> int:
    """The count if it is not negative; TypeError or UsageError."""
    try:
        number = as_int(count)
    except TypeError:
        raise TypeError(f"{what} is an int, not {type(count).__name__}") from None
    if number < 0:
        raise UsageError(f"{what} is not negative: {number}")
    return number


def as_long(value: int, what: str) -> int:
    """The int if it has 64 bits; TypeError or UsageError."""
    try:
        number = as_int(value)
    except TypeError:
        raise TypeError(f"{what} is an int, not {type(value).__name__}") from None
    if not LONG_MIN <= number <= LONG_MAX:
        raise UsageError(f"{what} is within {LONG_MIN}..{LONG_MAX}, not {number}")
    return number
