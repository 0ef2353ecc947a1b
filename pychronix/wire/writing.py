"""A document written item by item, as with Java's WireOut and ValueOut: for what no Python value says.

The decision hidden here is nothing but the order: which item follows which is the caller's, as in Java. A name without a
value, or a value without a name, is written as it is asked for.

Rules
- A call writes one item or raises and writes nothing: the name that waited for the value is taken back with it.
- A width is a promise about the range, not about the bytes: ``int64(1)`` takes two, as in Java. What is fixed says so.
"""

from __future__ import annotations

import contextlib
import datetime
import uuid as _uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, overload

from pychronix.errors import WireError
from pychronix.wire import codes, encoding, scalars
from pychronix.wire.scalars import Payload, utf8
from pychronix.wire.values import LongArray, TypeLiteral

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ValueWriter", "WireWriter"]

# ValueWriter has methods of these names.
_Bool: TypeAlias = bool
_Bytes: TypeAlias = bytes
_Object: TypeAlias = object

_COMPRESSED_FROM: Final = 128  # bytes: Java's COMPRESSED_BINARY leaves shorter ones as they are
_LARGEST_PADDING: Final = 1 << 28


class WireWriter:
    """A document that grows item by item. ``to_bytes()`` has it; ``Appender.writing_document()`` hands one out.

    ``wire_type`` is BINARY_LIGHT, BINARY, FIELDLESS_BINARY (names of fields are left out) or COMPRESSED_BINARY.

    >>> wire = WireWriter()
    >>> wire.write("name").text("bob").write("age").int32(40).to_bytes().hex(" ")
    'c4 6e 61 6d 65 e3 62 6f 62 c3 61 67 65 a1 28'
    """

    __slots__ = ("_named_at", "_open", "_payload", "_value", "wire_type")

    def __init__(self, wire_type: str = "BINARY_LIGHT") -> None:
        self._payload = Payload(wire_type)
        self._named_at = -1  # where the name begins that waits for its value
        self._open = 0
        self._value = ValueWriter(self)
        self.wire_type = wire_type

    def write(self, name: str) -> ValueWriter:
        """The name of a field; what is returned takes its value. FIELDLESS_BINARY leaves the name out.

        A name of up to 31 characters that is a decimal number becomes one (Java does so). Names are Latin-1: others, which
        Java mangles, are a WireError.
        """
        if not isinstance(name, str):
            raise WireError(
                f"the name of a field is a text, not {scalars.shown(name)}", hint="write_key takes other keys"
            )
        if self._payload.fieldless:
            return self._named(b"")
        return self._named(scalars.name[name])

    def write_event(self, event: str | int) -> ValueWriter:
        """The name of an event, or a method's id; what is returned takes its value. Also in FIELDLESS_BINARY."""
        return self._named(encoding.event_code(event))

    def write_key(self, key: object) -> ValueWriter:
        """A key of a Map, of any type; what is returned takes its value. (Java: writeEvent(Object.class, key).)"""
        start = self._start()
        self._encoded(lambda payload: encoding.write_key(payload.data, key, payload))
        self._named_at = start
        return self._value

    def value(self) -> ValueWriter:
        """Takes a value that has no name. (Java: getValueOut.)"""
        self._start()
        return self._value

    def comment(self, text: str) -> WireWriter:
        """A remark that readers skip."""
        self._start()
        self._payload.data += utf8(codes.COMMENT, text)
        return self

    def padding(self, count: int) -> WireWriter:
        """So many bytes that readers skip: single ones below 5, else one skip of them all."""
        if not 0 <= count < _LARGEST_PADDING:
            raise WireError(f"padding of {count} bytes")
        self._start()
        self._payload.data += scalars.padding(count)
        return self

    def fields(self, value: object) -> WireWriter:
        """The fields of a mapping or a dataclass, at this level. (Java: writeMarshallable(wire) of an object.)"""
        self._start()
        return self._encoded(lambda payload: encoding.write_fields(payload, value))

    def event(self, event: str | int, *arguments: object) -> WireWriter:
        """An event as ``encode_event`` writes it; several make a chain of calls."""
        self._start()
        return self._encoded(lambda payload: encoding.write_event(payload, event, arguments))

    def to_bytes(self) -> bytes:
        """The payload, aligned as at the beginning of a file. Raises WireError inside a block that is not ended."""
        return self.payload().at(0)

    def payload(self) -> Payload:
        """What was written, before it is known where in the file it will lie."""
        if self._open:
            raise WireError("a block of the document was not ended")
        return self._payload

    def __len__(self) -> int:
        return len(self._payload.data)

    # Helpers.

    def _start(self) -> int:
        """Where the next item begins."""
        self._named_at = -1
        return len(self._payload.data)

    def _named(self, encoded: bytes) -> ValueWriter:
        self._named_at = len(self._payload.data)
        self._payload.data += encoded
        return self._value

    def _take_back(self, start: int) -> None:
        """Nothing of the value that began there, nor its name."""
        self._payload.truncate(start if self._named_at < 0 else self._named_at)
        self._named_at = -1

    def _encoded(self, encode: Callable[[Payload], None]) -> WireWriter:
        """Lets ``encode`` write; if it raises, nothing remains."""
        payload = self._payload
        start, depth = len(payload.data), payload.depth
        try:
            encode(payload)
        except BaseException as cause:
            self._take_back(start)
            payload.depth = depth
            if isinstance(cause, WireError | RecursionError):
                raise encoding.located(cause) from None
            raise
        self._named_at = -1
        return self

    def _done(self, encoded: bytes) -> WireWriter:
        self._payload.data += encoded
        self._named_at = -1
        return self


class ValueWriter:
    """Writes one value; each method returns the WireWriter, as Java's do, so that the next name can follow.

    None is Java's null wherever a value may be. Numbers outside of the width they are written with are a WireError.
    """

    __slots__ = ("_wire",)

    def __init__(self, wire: WireWriter) -> None:
        self._wire = wire

    # Texts and the like.

    def null(self) -> WireWriter:
        """Java's null."""
        return self._wire._done(bytes((codes.NULL,)))

    def text(self, value: str | None) -> WireWriter:
        """A text."""
        if value is not None and not isinstance(value, str):
            self._refuse(f"a text is str or None, not {type(value).__name__}")
        return self.null() if value is None else self._put(lambda: scalars.string(value))

    def bool(self, value: _Bool | None) -> WireWriter:
        """A truth."""
        if value is None:
            return self.null()
        if value not in (0, 1):
            self._refuse(f"a truth is True or False, not {scalars.shown(value)}")
        return self._wire._done(bytes((codes.TRUE if value else codes.FALSE,)))

    def bytes(self, value: Buffer | None, type_name: str | None = None) -> WireWriter:
        """A ``byte[]``; with the name of a type before it if there is one. (Java: bytes(byte[]).)"""
        if value is None:
            return self.null()
        raw = self._checked(lambda: memoryview(value).tobytes())
        prefix = b"" if type_name is None else utf8(codes.TYPE_PREFIX, type_name)
        return self._put(lambda: prefix + _byte_array(raw))

    def bytes_store(self, value: Buffer | None) -> WireWriter:
        """A BytesStore: as ``bytes``, but COMPRESSED_BINARY compresses 128 bytes and more. (Java: bytes(BytesStore).)"""
        if value is None:
            return self.null()
        raw = self._checked(lambda: memoryview(value).tobytes())
        if self._wire._payload.compressed and len(raw) >= _COMPRESSED_FROM:
            return self._put(lambda: utf8(codes.TYPE_PREFIX, "lzw") + _byte_array(zlib.compress(raw)))
        return self._put(lambda: _byte_array(raw))

    def bytes_marshallable(self, content: Buffer) -> WireWriter:
        """A block of bytes that are no Wire: what a BytesMarshallable of Java's wrote."""
        raw = self._checked(lambda: memoryview(content).tobytes())
        return self._put(lambda: bytes((codes.BYTES_LENGTH32,)) + len(raw).to_bytes(4, "little") + raw)

    def uuid(self, value: _uuid.UUID | None) -> WireWriter:
        """A UUID."""
        return self._object(value, _uuid.UUID)

    def type_literal(self, type_name: str | None) -> WireWriter:
        """A class as a value, by its name or alias."""
        return self.null() if type_name is None else self._object(TypeLiteral(type_name), TypeLiteral)

    def type_prefix(self, type_name: str) -> ValueWriter:
        """The name of the type of the value that follows."""
        start = len(self._wire._payload.data)
        if not isinstance(type_name, str):
            self._refuse(f"the name of a type is a text, not {scalars.shown(type_name)}")
        self._wire._payload.data += utf8(codes.TYPE_PREFIX, type_name)
        if self._wire._named_at < 0:
            self._wire._named_at = start
        return self

    # Integers: as short as they go.

    def int8(self, value: int) -> WireWriter:
        """An integer of -128 to 127."""
        return self._integer(value, scalars.INT8)

    def int16(self, value: int) -> WireWriter:
        """An integer of 16 bits."""
        return self._integer(value, scalars.INT16)

    def int32(self, value: int) -> WireWriter:
        """An integer of 32 bits."""
        return self._integer(value, scalars.INT32)

    def int64(self, value: int) -> WireWriter:
        """An integer of 64 bits; as a 32-bit float where it is beyond 32 bits and no loss, as in Java."""
        return self._integer(value, scalars.INT64)

    def uint8(self, value: int) -> WireWriter:
        """An integer of 0 to 255."""
        return self._integer(value, scalars.UINT8)

    def uint16(self, value: int) -> WireWriter:
        """An integer of 0 to 65535."""
        return self._integer(value, scalars.UINT16)

    def uint32(self, value: int) -> WireWriter:
        """An integer of 0 to 2**32 - 1."""
        return self._integer(value, scalars.UINT32)

    def int64_0x(self, value: int) -> WireWriter:
        """An integer of 64 bits that is shown in hex, in eight bytes."""
        return self._fixed(codes.INT64_0X, value, scalars.INT64)

    # Integers in the bytes of their width, as boxed numbers are.

    def fixed_int8(self, value: int) -> WireWriter:
        """A Byte."""
        return self._fixed(codes.INT8, value, scalars.INT8)

    def fixed_int16(self, value: int) -> WireWriter:
        """A Short."""
        return self._fixed(codes.INT16, value, scalars.INT16)

    def fixed_int32(self, value: int) -> WireWriter:
        """An Integer."""
        return self._fixed(codes.INT32, value, scalars.INT32)

    def fixed_int64(self, value: int) -> WireWriter:
        """A Long."""
        return self._fixed(codes.INT64, value, scalars.INT64)

    # Floats.

    def float32(self, value: float) -> WireWriter:
        """The nearest 32-bit float; an integer or a decimal where that is no loss, as in Java."""
        return self._put(lambda: scalars.float32(float(value)))

    def float64(self, value: float) -> WireWriter:
        """A double; an integer, a decimal or a 32-bit float where that is no loss, as in Java."""
        return self._put(lambda: scalars.float64(float(value)))

    def fixed_float32(self, value: float) -> WireWriter:
        """A Float."""
        return self._put(lambda: scalars.fixed_float32(float(value)))

    def fixed_float64(self, value: float) -> WireWriter:
        """A Double."""
        return self._put(lambda: scalars.fixed_float64(float(value)))

    # Times.

    def time(self, value: datetime.time | None) -> WireWriter:
        """A LocalTime."""
        return self._object(value, datetime.time)

    def date(self, value: datetime.date | None) -> WireWriter:
        """A LocalDate; of a datetime its date."""
        if isinstance(value, datetime.datetime):
            value = value.date()
        return self._object(value, datetime.date)

    def date_time(self, value: datetime.datetime | None) -> WireWriter:
        """A LocalDateTime: a datetime without a zone."""
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            self._refuse(f"a LocalDateTime has no zone: {value}")
        return self._object(value, datetime.datetime)

    def zoned_date_time(self, value: datetime.datetime | None) -> WireWriter:
        """A ZonedDateTime: a datetime with a zone."""
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            self._refuse(f"a ZonedDateTime has a zone: {value}")
        return self._object(value, datetime.datetime)

    # Values that are aligned in the file, for Java to bind to.

    def int32_for_binding(self, value: int) -> WireWriter:
        """An integer in four bytes, aligned."""
        return self._bound(4, self._ranged(value, scalars.INT32, codes.INT32))

    def int64_for_binding(self, value: int) -> WireWriter:
        """An integer in eight bytes, aligned."""
        return self._bound(8, self._ranged(value, scalars.INT64, codes.INT64))

    def int128_for_binding(self, value: int, value2: int) -> WireWriter:
        """Two longs (Java's TwoLongValue), aligned to 16 bytes."""
        return self._bound(16, self._checked(lambda: encoding.long_array(2, (value, value2))))

    def int64_array(self, capacity: int, values: Iterable[int] = ()) -> WireWriter:
        """An array with room for so many longs, of which ``values`` are used, aligned."""
        used = LongArray(values)
        return self._bound(8, self._checked(lambda: encoding.long_array(capacity, used)))

    # Whatever there is.

    def object(self, value: _Object, declared: Any = Any) -> WireWriter:
        """Any value as ``encode`` writes it; declared as a type (hint), as a field of that type. (Java: object.)"""
        encoder = encoding.encoder_of(declared)
        return self._wire._encoded(lambda payload: encoder(payload.data, value, payload))

    def map(self, value: Mapping[Any, Any] | None) -> WireWriter:
        """A ``java.util.Map``: an event for each key, the values as ``object`` writes them."""
        if value is None:
            return self.null()
        if not isinstance(value, Mapping):
            self._refuse(f"a map is a mapping, not {type(value).__name__}")
        return self._wire._encoded(lambda payload: encoding.map_block(payload.data, value, payload))

    @overload
    def sequence(self) -> AbstractContextManager[ValueWriter]: ...
    @overload
    def sequence(self, items: Iterable[Any] | Callable[[ValueWriter], _Object] | None) -> WireWriter: ...
    def sequence(self, items: Any = ...) -> Any:
        """A sequence: of items as ``object`` writes them, or of what a function or a ``with`` block writes.

        >>> WireWriter().value().sequence(lambda out: out.int32(1).value().int32(2)).to_bytes().hex(" ")
        '82 04 00 00 00 a1 01 a1 02'
        """
        if items is ...:
            return self._block(self)
        if items is None:
            return self.null()
        if callable(items):
            with self._block(self):
                items(self)
            return self._wire
        return self.object(items if isinstance(items, set | frozenset) else list(items))

    @overload
    def marshallable(self) -> AbstractContextManager[WireWriter]: ...
    @overload
    def marshallable(self, value: Any) -> WireWriter: ...
    def marshallable(self, value: Any = ...) -> Any:
        """An object without its type: the fields of a mapping or a dataclass, or what a function or ``with`` block writes.

        >>> wire = WireWriter()
        >>> with wire.write("leg").marshallable() as leg:
        ...     _ = leg.write("px").float64(1.5)
        >>> wire.to_bytes().hex(" ")
        'c3 6c 65 67 82 06 00 00 00 c2 70 78 92 96 01'
        """
        if value is ...:
            return self._block(self._wire)
        if value is None:
            return self.null()
        if callable(value) and not isinstance(value, Mapping):
            with self._block(self._wire):
                value(self._wire)
            return self._wire
        return self._wire._encoded(lambda payload: encoding.object_block(payload, value))

    # Helpers.

    @contextlib.contextmanager
    def _block(self, given: Any) -> Iterator[Any]:
        """A block around what is written meanwhile; nothing of it remains after an exception."""
        wire = self._wire
        payload = wire._payload
        start = len(payload.data) if wire._named_at < 0 else wire._named_at
        opened, depth = wire._open, payload.depth
        try:
            at = payload.open()
            wire._named_at = -1
            wire._open += 1
            yield given
        except BaseException:
            payload.truncate(start)
            raise
        else:
            payload.close(at)
        finally:
            wire._named_at = -1
            wire._open, payload.depth = opened, depth

    def _refuse(self, reason: str) -> NoReturn:
        self._wire._take_back(len(self._wire._payload.data))
        raise WireError(reason)

    def _checked(self, encode: Callable[[], _Bytes]) -> _Bytes:
        """What a function encodes; if it cannot, the name goes with it."""
        try:
            return encode()
        except WireError:
            self._wire._take_back(len(self._wire._payload.data))
            raise
        except (TypeError, ValueError) as cause:
            self._refuse(str(cause))

    def _put(self, encode: Callable[[], _Bytes]) -> WireWriter:
        return self._wire._done(self._checked(encode))

    def _ranged(self, value: int, limits: tuple[int, int], code: int | None) -> _Bytes:
        """An integer of a range, with a code of its own or as short as it goes."""
        number = value.__index__() if hasattr(value, "__index__") else None
        if number is None or not limits[0] <= number <= limits[1]:
            self._refuse(f"not an integer of {limits[0]} to {limits[1]}: {scalars.shown(value)}")
        return scalars.integer(number) if code is None else scalars.fixed_int(code, number)

    def _integer(self, value: int, limits: tuple[int, int]) -> WireWriter:
        return self._wire._done(self._ranged(value, limits, None))

    def _fixed(self, code: int, value: int, limits: tuple[int, int]) -> WireWriter:
        return self._wire._done(self._ranged(value, limits, code))

    def _bound(self, alignment: int, encoded: _Bytes) -> WireWriter:
        self._wire._payload.align(alignment)
        return self._wire._done(encoded)

    def _object(self, value: _Object, cls: type) -> WireWriter:
        if value is None:
            return self.null()
        if not isinstance(value, cls):
            self._refuse(f"not a {cls.__name__}, but a {type(value).__name__}")
        return self.object(value)


def _byte_array(raw: bytes) -> bytes:
    """The block of a ``byte[]``."""
    return scalars.block_length(len(raw) + 1) + bytes((codes.U8_ARRAY,)) + raw
