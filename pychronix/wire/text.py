"""Text as Chronicle Wire writes it into an excerpt: what Java's ``writeText`` stores and ``readText`` reads.

The decision hidden here is the encoding of one text value (BINARY_LIGHT; spec 9.2 and 9.5). Pure: bytes-like in, text
out; ``scalars`` writes all other values, ``decoding`` reads them.

Rules
- Java encodes each UTF-16 unit by itself, so a character outside the BMP becomes two surrogates of three bytes each
  (CESU-8). Writing does the same; reading accepts both forms.
- The length before the text counts encoded bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pychronix.errors import EncodingError
from pychronix.wire import codes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["as_payload", "decode_text", "encode_text", "from_utf8", "stop_bit", "to_utf8"]

_SHORT = 32

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def as_payload(data: Buffer) -> bytes:
    """The bytes of a payload, itself if it is bytes. TypeError for what has none: ``bytes(5)`` would make some up."""
    return data if isinstance(data, bytes) else bytes(memoryview(data))


def _surrogates(match: re.Match[str]) -> str:
    code = ord(match[0]) - 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def to_utf8(text: str) -> bytes:
    """The bytes that Java writes for a text: each UTF-16 unit by itself, in one to three bytes."""
    if text.isascii():
        return text.encode("ascii")
    return _ASTRAL.sub(_surrogates, text).encode("utf-8", "surrogatepass")


def stop_bit(number: int) -> bytes:
    """A stop-bit integer: seven bits a byte, the lowest first, bit 7 says that more follow.

    A negative number is its complement with bit 7 set in all bytes, and a zero byte after them.
    """
    if 0 <= number < 0x4000:
        return bytes((number,)) if number < 0x80 else bytes((number & 0x7F | 0x80, number >> 7))
    rest = number if number >= 0 else ~number
    out = bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    if number >= 0:
        out.append(rest)
    else:
        out += bytes((rest | 0x80, 0))
    return bytes(out)


def encode_text(text: str | None) -> bytes:
    """The payload of Java's ``appender.writeText(text)``; None gives Java's null.

    Lone surrogates are written as Java writes them. Raises TypeError for anything but str and None.
    """
    if text is None:
        return bytes((codes.NULL,))
    if not isinstance(text, str):
        raise TypeError(f"a text is str or None, not {type(text).__name__}; append() takes bytes")
    raw = to_utf8(text)
    if len(raw) < _SHORT:
        return bytes((codes.STRING0 + len(raw),)) + raw
    return bytes((codes.STRING_ANY,)) + stop_bit(len(raw)) + raw


def decode_text(payload: Buffer) -> str | None:
    """The text that a payload holds, None if it is Java's null.

    Padding and comments before the text, and padding after it, are skipped. Raises EncodingError if the payload is not
    exactly one text. Queues of Chronicle 4 store bare text without a code: decode those as UTF-8 yourself.
    """
    data = as_payload(payload)
    at = _skip(data, 0)
    if at >= len(data):
        raise EncodingError(f"cannot read a text: nothing but padding in {len(data)} bytes")
    code = data[at]
    at += 1
    length = -1
    if code >= codes.STRING0:
        length = code - codes.STRING0
    elif code == codes.STRING_ANY:
        length, at = _read_stop_bit(data, at)
    elif code != codes.NULL:
        raise EncodingError(f"cannot read a text: code {code:#04x} at byte {at - 1} is not a text's")
    stop = at + max(length, 0)
    if stop > len(data):
        raise EncodingError(f"cannot read a text: its length is {length}, but {len(data) - at} bytes follow")
    if _skip(data, stop) != len(data):
        raise EncodingError(f"cannot read a text: {len(data) - stop} bytes follow its end at byte {stop}")
    if length < 0:
        return None
    return from_utf8(data[at:stop])


def from_utf8(raw: bytes) -> str:
    """The text of such bytes; UTF-8 proper is read, too. Raises EncodingError."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as cause:
        raise EncodingError(f"cannot read a text: {cause}") from cause
    if _SURROGATE.search(text):
        # Pairs become the characters they stand for; a lone surrogate stays one.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def _skip(data: bytes, at: int) -> int:
    """The offset of the next item: after padding and comments."""
    while at < len(data):
        code = data[at]
        if code == codes.PADDING:
            at += 1
        elif code == codes.PADDING32:
            if at + 5 > len(data):
                raise EncodingError(f"cannot read a text: the padding at byte {at} is cut off")
            at += 5 + int.from_bytes(data[at + 1 : at + 5], "little")
        elif code == codes.COMMENT:
            length, at = _read_stop_bit(data, at + 1)
            at += max(length, 0)
        else:
            break
    return at


def _read_stop_bit(data: bytes, at: int) -> tuple[int, int]:
    """A stop-bit integer and the offset after it; -1 is Java's null length."""
    number = shift = 0
    while at < len(data) and shift < 63:
        byte = data[at]
        at += 1
        if not byte & 0x80:
            if byte == 0 and shift:
                return ~number, at
            return number | byte << shift, at
        number |= (byte & 0x7F) << shift
        shift += 7
    raise EncodingError(f"cannot read a text: the length before byte {at} does not end")
