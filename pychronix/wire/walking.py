"""Every item of a binary Wire payload in order: ``walk``, which explains, prints and decides what is Wire at all.

The decision hidden here is the grammar (spec 9.1, 9.2, 9.7): what follows which code, where a block ends, and when a
block's content is no Wire. ``decoding`` reads the same grammar faster and falls back on this one; both agree.

Rules
- A level is the payload itself or the content of a block. In a block that starts with a name every value has a name, in
  any other block none has. At the top both may stand, and a name may be the last thing there is.
- What a class wrote as raw bytes (Java: BytesMarshallable) is in a block like any other. A block that cannot be read to
  its end, or starts with a field that has NUL in its name, is therefore one ``Opaque`` value; unless its first item is a
  field whose name is an identifier: then it is Wire, and damaged.
- No recursion, no look back: time and memory are linear in the payload, and what is inflated has a limit.
"""

from __future__ import annotations

import datetime
import re
import uuid
import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from pychronix.errors import EncodingError, WireError
from pychronix.wire import codes
from pychronix.wire.codes import BLOCK_HEADS, DELTA, name_of
from pychronix.wire.text import as_payload, from_utf8
from pychronix.wire.times import parse_date, parse_date_time, parse_time, parse_zoned
from pychronix.wire.values import MAX_SOURCES, History, LongArray, Opaque, Typed, TypeLiteral

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LIMITS", "Limits", "Token", "walk"]

_MAX_I64: Final = (1 << 63) - 1
# A name that marks a block as Wire: a Java identifier. A blob that begins as such a field is not to be expected.
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)

#: Type prefixes before compressed bytes (Java: Compression), and what zlib is to expect of those bytes.
COMPRESSIONS: Final = {"lzw": 15, "gzip": 31}

#: Code -> (unpack_from, bytes) of the numbers of fixed width that stand for themselves.
SCALARS: Final[dict[int, tuple[Callable[..., tuple[Any, ...]], int]]] = {
    code: (Struct(layout).unpack_from, Struct(layout).size)
    for code, layout in (
        (codes.FLOAT64, "<d"),
        (codes.UINT8, "<B"),
        (codes.UINT16, "<H"),
        (codes.UINT32, "<I"),
        (codes.INT8, "<b"),
        (codes.INT16, "<h"),
        (codes.INT32, "<i"),
        (codes.INT64, "<q"),
        (codes.INT64_0X, "<q"),
    )
}
_FLOAT32 = Struct("<f").unpack_from
_TWO_LONGS = Struct("<qq").unpack_from
_TWO_WORDS = Struct("<QQ").unpack_from
STOP_SCALES: Final = {codes.FLOAT_STOP_2: 1e2, codes.FLOAT_STOP_4: 1e4, codes.FLOAT_STOP_6: 1e6}
TIMES: Final[dict[int, Callable[[str], datetime.time | datetime.date | Typed]]] = {
    codes.TIME: parse_time,
    codes.DATE: parse_date,
    codes.DATE_TIME: parse_date_time,
    codes.ZONED_DATE_TIME: parse_zoned,
}
_CONSTANTS: Final = {codes.FALSE: False, codes.TRUE: True, codes.NULL: None}
_NAMES: Final = frozenset((codes.FIELD_NAME_ANY, codes.EVENT_NAME, codes.FIELD_NUMBER, codes.EVENT_OBJECT))
_BLOB: Final = "blob"  # The kind of a token that will be an Opaque's; its value is where the content starts.


class Limits(NamedTuple):
    """What a payload may cost. Without compressed values memory is linear in the payload: at most some 60 times it."""

    # Blocks within each other; more is a WireError. Java itself overflows its stack at some thousands.
    depth: int = 500
    inflated_bytes: int = 64 << 20  # All compressed values of a payload together; more is a WireError.


LIMITS: Final = Limits()


class Token(NamedTuple):
    """One item of a payload, bytes ``start`` to ``stop`` of it.

    ``code`` is the code byte; of a block that is one value, that of its content: U8_ARRAY for bytes, HISTORY_MESSAGE;
    TYPE_PREFIX for bytes that were compressed, and the block's own for Opaque. ``kind`` and ``value``:

    - ``field`` (code C0..DF, B7: str; BA: int), ``event`` (B9: str), ``key`` (BD: None; its value's tokens follow first)
    - ``type`` (str, of the next value)
    - ``value``: a scalar, None, bytes, TypeLiteral, History, LongArray, Opaque
    - ``open`` (``"map"`` or ``"sequence"``) and ``close`` (the same; empty, at the block's end)
    - ``padding`` (its bytes' count) and ``comment`` (str)
    """

    kind: str
    value: Any
    code: int
    start: int
    stop: int


class LimitError(WireError):
    """A payload is Wire, but would cost more than the limits allow."""


def walk(data: Buffer, start: int = 0, stop: int | None = None, *, limits: Limits = LIMITS) -> Iterator[Token]:
    """The items of ``data[start:stop]``, a payload of BINARY_LIGHT, BINARY, FIELDLESS_BINARY or COMPRESSED_BINARY.

    Every byte is told, also padding and comments. The tokens of a top-level item come when it is whole. Raises WireError
    with the offset in ``data`` where the payload is not Wire, is cut off, or exceeds the limits; never anything else,
    whatever the bytes are.
    """
    payload = as_payload(data)
    size = len(payload)
    return _Walker(payload, min(max(start, 0), size), size if stop is None else min(stop, size), limits).run()


class _Level:
    """The payload or the content of an open block, as far as it was read."""

    __slots__ = ("code", "first", "head", "is_wire", "kind", "named", "need", "start", "stop", "typed")

    def __init__(self, kind: str, code: int, head: int, start: int, stop: int, first: int) -> None:
        self.kind = kind  # "top", "map" or "sequence"
        self.code = code
        self.head = head  # Where the block's code is.
        self.start = start
        self.stop = stop
        self.first = first  # The number of its first token among those not yet handed out.
        self.is_wire = kind == "top"  # Damage is an error; else it makes the block Opaque.
        self.named = False  # Its first name was read.
        self.need = 0  # Values still to come for the name that was read: one, or two after EVENT_OBJECT.
        self.typed = 0  # Types that were read, whose value must follow.


class _Walker:
    """The state of one walk."""

    def __init__(self, data: bytes, start: int, stop: int, limits: Limits) -> None:
        self._data = data
        self._at = start
        self._limits = limits
        self._inflatable = limits.inflated_bytes
        self._level = _Level("top", -1, start, start, stop, 0)
        self._above: list[_Level] = []
        self._tokens: list[Token] = []
        self._types = 0  # Types whose values are not complete, on all levels.

    def run(self) -> Iterator[Token]:
        tokens = self._tokens
        while True:
            level = self._level
            if level.kind == "top" and not level.need and not level.typed and tokens:
                yield from map(self._whole, tokens)
                tokens.clear()
            try:
                if self._at < level.stop:
                    self._item(level)
                elif not self._close(level):
                    break
            except LimitError:
                raise
            except WireError:
                if self._level.is_wire:
                    raise
                self._give_up()
        yield from map(self._whole, tokens)

    def _whole(self, token: Token) -> Token:
        """The token as it is handed out: blobs are copied only now, for one may have turned out to lie in another."""
        if token.kind != _BLOB:
            return token
        return token._replace(kind="value", value=Opaque(self._data[token.value : token.stop]))

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        raise WireError(f"cannot read a document: {what}", offset=self._at if at is None else at)

    def _close(self, level: _Level) -> bool:
        """The end of a level; False at the payload's."""
        if level.typed:
            self._fail("no value follows its type")
        if level.need > (level.kind == "top"):
            self._fail("no value follows its name")
        if level.kind == "top":
            return False
        self._tokens.append(Token("close", level.kind, level.code, self._at, self._at))
        self._level = self._above.pop()
        self._complete()
        return True

    def _give_up(self) -> None:
        """The block being read is no Wire: it becomes one value."""
        level = self._level
        del self._tokens[level.first :]
        self._types -= level.typed
        self._level = self._above.pop()
        self._tokens.append(Token(_BLOB, level.start, level.code, level.head, level.stop))
        self._at = level.stop
        self._complete()

    def _complete(self) -> None:
        """A value has ended."""
        level = self._level
        self._types -= level.typed
        level.typed = 0
        if level.need:
            level.need -= 1

    def _value(self, value: Any, code: int, start: int, stop: int) -> None:
        if stop > self._level.stop:
            self._fail(
                f"{name_of(code)} is cut off: {stop - start} bytes, and {self._level.stop - start} are left", start
            )
        self._tokens.append(Token("value", value, code, start, stop))
        self._at = stop
        self._complete()

    def _item(self, level: _Level) -> None:
        at = self._at
        code = self._data[at]
        if code == codes.PADDING or code == codes.PADDING32 or code == codes.COMMENT:
            self._filling(code, at, level)
        elif codes.FIELD_NAME0 <= code < codes.STRING0 or code in _NAMES:
            self._name(code, at, level)
        elif level.kind == "map" and not level.need:
            self._fail(f"a value ({name_of(code)}) where a name is to stand")
        elif code == codes.TYPE_PREFIX:
            name, stop = self._utf8(at + 1)
            if name is None:
                self._fail("a type without a name")
            if name in COMPRESSIONS:
                self._compressed(name, at, stop)
            else:
                self._tokens.append(Token("type", name, code, at, stop))
                self._at = stop
                self._check_depth(at)
                self._types += 1
                level.typed += 1
        elif code in BLOCK_HEADS:
            self._block(code, at, level)
        else:
            self._scalar(code, at, level)

    def _filling(self, code: int, at: int, level: _Level) -> None:
        value: Any
        if code == codes.COMMENT:
            value, stop = self._utf8(at + 1)
            kind, value = "comment", value or ""
        elif code == codes.PADDING:
            kind, stop = "padding", at + 1
            while stop < level.stop and self._data[stop] == codes.PADDING:
                stop += 1
            value = stop - at
        else:
            kind, value = "padding", 5 + int.from_bytes(self._data[at + 1 : at + 5], "little")
            stop = at + value
        if stop > level.stop:
            self._fail(f"{name_of(code)} is cut off", at)
        self._tokens.append(Token(kind, value, code, at, stop))
        self._at = stop

    def _name(self, code: int, at: int, level: _Level) -> None:
        if level.need or level.typed:
            self._fail(f"a name ({name_of(code)}) where a value is to stand")
        if level.kind == "sequence":
            self._fail(f"a name ({name_of(code)}) among values without one")
        name: str | int | None
        if code == codes.EVENT_OBJECT:
            name, stop = None, at + 1
        elif code == codes.FIELD_NUMBER:
            name, stop = self._stop_bit(at + 1)
        else:
            length, start = (code - codes.FIELD_NAME0, at + 1) if code >= codes.FIELD_NAME0 else self._stop_bit(at + 1)
            stop = start + length
            if length < 0 or stop > level.stop:
                self._fail("a name is cut off", at)
            name = str(self._data[start:stop], "latin-1")
            if not level.named and _IDENTIFIER.fullmatch(name):
                level.is_wire = True
            elif not (level.named or level.is_wire) and "\0" in name and code >= codes.FIELD_NAME0:
                self._fail("a name with NUL in it")
        kind = "event" if code == codes.EVENT_NAME else "key" if code == codes.EVENT_OBJECT else "field"
        self._tokens.append(Token(kind, name, code, at, stop))
        self._at = stop
        level.named = True
        level.need = 2 if code == codes.EVENT_OBJECT else 1

    def _block(self, code: int, at: int, level: _Level) -> None:
        data = self._data
        start = at + BLOCK_HEADS[code]
        stop = start + int.from_bytes(data[at + 1 : start], "little")
        if stop > level.stop or start > level.stop:
            self._fail(f"a block of {stop - start} bytes, and {max(level.stop - start, 0)} are left", at)
        first = data[start] if start < stop else -1
        if first == codes.U8_ARRAY:
            self._value(data[start + 1 : stop], first, at, stop)
        elif first == codes.HISTORY_MESSAGE:
            history = read_history(data, start + 1, stop)
            value = Opaque(data[start:stop]) if history is None else history
            self._value(value, code if history is None else first, at, stop)
        else:
            self._check_depth(at)
            kind = "map" if self._starts_with_name(start, stop) else "sequence"
            self._above.append(level)
            self._level = _Level(kind, code, at, start, stop, len(self._tokens))
            self._tokens.append(Token("open", kind, code, at, start))
            self._at = start

    def _check_depth(self, at: int) -> None:
        if len(self._above) + self._types >= self._limits.depth:
            raise LimitError(
                f"cannot read a document: more than {self._limits.depth} blocks or types within each other", offset=at
            )

    def _starts_with_name(self, at: int, stop: int) -> bool:
        """Whether the first item that is not padding nor a comment is a name."""
        data = self._data
        while at < stop:
            code = data[at]
            if code == codes.PADDING:
                at += 1
            elif code == codes.PADDING32:
                at += 5 + int.from_bytes(data[at + 1 : at + 5], "little")
            elif code == codes.COMMENT:
                try:
                    length, at = stop_bit_at(data, at + 1, stop)
                except WireError:
                    return False
                at += max(length, 0)
            else:
                return codes.FIELD_NAME0 <= code < codes.STRING0 or code in _NAMES
        return False

    def _compressed(self, name: str, at: int, block: int) -> None:
        """Bytes that were compressed: a block of them follows the type."""
        data = self._data
        stop = self._level.stop
        head = BLOCK_HEADS.get(data[block], 0) if block < stop else 0
        start = block + head
        end = start + int.from_bytes(data[block + 1 : start], "little")
        if not head or not start < end <= stop or data[start] != codes.U8_ARRAY:
            self._fail(f"no bytes follow the type {name!r}", at)
        inflater = zlib.decompressobj(COMPRESSIONS[name])
        try:
            value = inflater.decompress(data[start + 1 : end], self._inflatable + 1)
        except zlib.error as cause:
            raise WireError(f"cannot read a document: {name!r}: {cause}", offset=at) from cause
        if len(value) > self._inflatable:
            raise LimitError(
                f"cannot read a document: its compressed values hold more than {self._limits.inflated_bytes} bytes",
                offset=at,
                hint="give walk() or decode() other limits if they are to be trusted",
            )
        if not inflater.eof or inflater.unused_data:
            self._fail(f"the bytes compressed by {name!r} do not end where their block does", at)
        self._inflatable -= len(value)
        self._value(value, codes.TYPE_PREFIX, at, end)

    def _scalar(self, code: int, at: int, level: _Level) -> None:
        data = self._data
        if code in SCALARS:
            unpack, size = SCALARS[code]
            if at + 1 + size > level.stop:
                self._fail(f"{name_of(code)} is cut off: {size} bytes, and {level.stop - at - 1} are left")
            self._value(unpack(data, at + 1)[0], code, at, at + 1 + size)
        elif code >= codes.STRING0:
            stop = at + 1 + code - codes.STRING0
            self._value(self._text(at + 1, stop, level.stop), code, at, stop)
        elif code in _CONSTANTS:
            self._value(_CONSTANTS[code], code, at, at + 1)
        elif code < codes.BYTES_LENGTH8:
            self._value(code, code, at, at + 1)
        elif code == codes.STRING_ANY:
            text, stop = self._utf8(at + 1)
            self._value(text, code, at, stop)
        elif code == codes.TYPE_LITERAL:
            text, stop = self._utf8(at + 1)
            self._value(None if text is None else TypeLiteral(text), code, at, stop)
        elif code in TIMES:
            text, stop = self._utf8(at + 1)
            if text is None:
                self._fail(f"{name_of(code)} without a text")
            try:
                self._value(TIMES[code](text), code, at, stop)
            except WireError as cause:
                raise WireError(cause.message, offset=at) from cause
        elif code in STOP_SCALES:
            number, stop = self._stop_bit(at + 1)
            self._value(number / STOP_SCALES[code], code, at, stop)
        elif code == codes.FLOAT32 or code == codes.UUID:
            size = 4 if code == codes.FLOAT32 else 16
            if at + 1 + size > level.stop:
                self._fail(f"{name_of(code)} is cut off: {size} bytes, and {level.stop - at - 1} are left")
            if code == codes.FLOAT32:
                self._value(whole_float(_FLOAT32(data, at + 1)[0]), code, at, at + 5)
            else:
                self._value(uuid_at(data, at + 1), code, at, at + 17)
        elif code == codes.I64_ARRAY:
            self._array(code, at, level)
        elif code == codes.U8_ARRAY:
            self._value(data[at + 1 : level.stop], code, at, level.stop)
        elif code in DELTA:
            if code == codes.FIELD_ANCHOR and at == level.start and self._is_anchor(at + 1, level.stop):
                level.is_wire = True
            raise WireError(
                f"cannot read a document: {name_of(code)} ({code:#04x}) changes what an earlier document said",
                offset=at,
                hint="documents of DELTA_BINARY cannot be read one by one",
            )
        else:
            self._fail(f"code {code:#04x} ({name_of(code)}) is not one of a value")

    def _array(self, code: int, at: int, level: _Level) -> None:
        """I64_ARRAY: capacity, used, then as many integers as the capacity."""
        if at + 17 > level.stop:
            self._fail(f"{name_of(code)} is cut off")
        capacity, used = _TWO_LONGS(self._data, at + 1)
        if not 0 <= capacity <= (level.stop - at - 17) // 8:
            self._fail(f"an array of {capacity} integers, and {level.stop - at - 17} bytes are left")
        if not 0 <= used <= capacity:
            self._fail(f"an array of {capacity} integers with {used} in use")
        values = unpack_longs(self._data, at + 17, used)
        self._value(LongArray(values, capacity), code, at, at + 17 + 8 * capacity)

    def _is_anchor(self, at: int, stop: int) -> bool:
        """Whether FIELD_ANCHOR's operands could be: a number and an identifier."""
        try:
            _, at = stop_bit_at(self._data, at, stop)
            length, at = stop_bit_at(self._data, at, stop)
        except WireError:
            return False
        name = str(self._data[at : at + max(length, 0)], "latin-1")
        return at + length <= stop and _IDENTIFIER.fullmatch(name) is not None

    def _stop_bit(self, at: int) -> tuple[int, int]:
        return stop_bit_at(self._data, at, self._level.stop)

    def _utf8(self, at: int) -> tuple[str | None, int]:
        """A text with its length before it, and the offset after it; None for null."""
        length, start = self._stop_bit(at)
        if length < 0:
            if length != -1:
                self._fail(f"a text of length {length}")
            return None, start
        return self._text(start, start + length, self._level.stop), start + length

    def _text(self, start: int, stop: int, limit: int) -> str:
        if stop > limit:
            self._fail(f"a text of {stop - start} bytes, and {limit - start} are left")
        raw = self._data[start:stop]
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
        try:
            return from_utf8(raw)
        except EncodingError as cause:
            raise WireError(f"cannot read a document: {cause.message}", offset=self._at) from cause


def stop_bit_at(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """A stop-bit integer and the offset after it (spec 9.5). Raises WireError."""
    start = at
    number = shift = 0
    while at < stop:
        byte = data[at]
        at += 1
        if byte & 0x80:
            if shift > 56:
                break
            number |= (byte & 0x7F) << shift
            shift += 7
        elif byte == 0 and shift:
            return ~number, at
        elif shift <= 56:
            return number | byte << shift, at
        else:
            break
    what = "is cut off" if at >= stop and shift <= 56 else "has more than 63 bits"
    raise WireError(f"cannot read a document: a stop-bit number {what}", offset=start)


def whole_float(number: float) -> float | int:
    """A FLOAT32: the long that Java writes as one is beyond the 32-bit integers, and saturates as in Java (spec 9.3)."""
    if number >= 4294967296.0 or number < -2147483648.0:
        return min(int(number), _MAX_I64) if abs(number) <= 9223372036854775808.0 else number
    return number


def uuid_at(data: bytes, at: int) -> uuid.UUID:
    """A UUID from its two halves."""
    most, least = _TWO_WORDS(data, at)
    return uuid.UUID(int=most << 64 | least)


def unpack_longs(data: bytes, at: int, count: int) -> tuple[int, ...]:
    """So many little-endian 64-bit integers."""
    return Struct(f"<{count}q").unpack_from(data, at) if count else ()


def read_history(data: bytes, at: int, stop: int) -> History | None:
    """The message history behind HISTORY_MESSAGE, up to the end of its block (spec 8.9); None if it is none."""
    if at >= stop:
        return None
    sources = data[at]
    timings_at = at + 1 + 12 * sources
    if timings_at >= stop or sources > MAX_SOURCES:
        return None
    count = data[timings_at]
    end = timings_at + 1 + 8 * count
    if end > stop:  # What stands behind it is no part of it: 5.26ea7 leaves room for one timing too many.
        return None
    ids = Struct(f"<{sources}i").unpack_from(data, at + 1)
    indexes = unpack_longs(data, at + 1 + 4 * sources, sources)
    return History(tuple(zip(ids, indexes, strict=True)), unpack_longs(data, timings_at + 1, count))
