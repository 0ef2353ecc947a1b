"""Codecs: how a queue's values become excerpts, and excerpts values.

The decision hidden here is which codecs there are, how they are named, and what a failure is. A queue has one,
``open_queue(..., codec=)``, "wire" by default; ``Appender.append_value`` and ``Tailer.values`` use it. The bytes
are nobody else's business: ``append``, ``read`` and all else know nothing of codecs.

========== ========================================= ================================================================
name       values                                    excerpts
========== ========================================= ================================================================
bytes      bytes-like in, bytes out                  the same
text       str, None                                 Java's ``writeText``
json       what json has, without NaN                one JSON text, UTF-8, no line breaks
wire       whatever Wire has (pychronix.wire)        mappings and dataclasses: Java's ``writeDocument``; else a bare value
tuple      tuples of what Wire has                   a Wire sequence
struct:F   tuples, of the struct format F            packed; without a prefix "<": little-endian, not aligned
numpy:D    arrays of one dimension, of the dtype D   their memory
========== ========================================= ================================================================

Instead of a name: a ``struct.Struct``, a NumPy dtype, a construct struct, or an object of your own with ``encode(value) ->
bytes`` and ``decode(bytes) -> value``; it may have ``encode_many(list) -> list`` and ``decode_many(list) -> list``, which
are used where many come at once. So msgspec's are one: ``Codec(msgspec.msgpack.encode, msgspec.msgpack.decode)``.

Rules
- A codec that fails, whatever it raises, is a CodecError with that as ``__cause__``. Writing, nothing of the call was
  appended; reading, its ``index`` is the excerpt's and the tailer stands on it.
- NumPy is imported where it is asked for; construct never: what looks like one of its structs is used as one.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import starmap
from typing import TYPE_CHECKING, Any, NoReturn

from pychronix import _boundary
from pychronix.errors import ChronixError, CodecError, UsageError
from pychronix.wire import decode, decode_text, encode, encode_document, encode_text
from pychronix.wire.shapes import Shapes
from pychronix.wire.tables import needed

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["NAMES", "Codec", "codec_of", "decode_all", "encode_all", "encode_one", "register", "wire"]


class Codec:
    """A codec of two functions, ``encode(value) -> bytes`` and ``decode(bytes) -> value``, and perhaps their bulk forms.

    >>> codec = Codec(str.encode, bytes.decode)
    >>> codec.decode(codec.encode("é"))
    'é'
    """

    encode: Callable[[Any], bytes]
    """The excerpt of a value."""
    decode: Callable[[bytes], Any]
    """The value of an excerpt."""
    encode_many: Callable[[list[Any]], list[bytes]]
    """The excerpts of many values."""
    decode_many: Callable[[list[bytes]], list[Any]]
    """The values of many excerpts."""
    name: str
    """For messages."""

    def __init__(
        self,
        encode: Callable[[Any], bytes],
        decode: Callable[[bytes], Any],
        *,
        encode_many: Callable[[list[Any]], list[bytes]] | None = None,
        decode_many: Callable[[list[bytes]], list[Any]] | None = None,
        name: str = "custom",
    ) -> None:
        for function in (encode, decode):
            if not callable(function):
                raise TypeError(f"encode and decode are functions, not {type(function).__name__}")
        self.encode = encode
        self.decode = decode
        self.encode_many = encode_many or (lambda values: list(map(encode, values)))
        self.decode_many = decode_many or (lambda payloads: list(map(decode, payloads)))
        self.name = name

    def __repr__(self) -> str:
        return f"<Codec {self.name}>"


# --- those that come along -------------------------------------------------------------------------------------------


def _bytes() -> Codec:
    return Codec(_boundary.as_bytes, bytes, decode_many=list, name="bytes")


def _text() -> Codec:
    return Codec(encode_text, decode_text, name="text")


def _json() -> Codec:
    # An encoder of its own: json.dumps makes one for each call that has options.
    dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    return Codec(lambda value: dump(value).encode(), json.loads, name="json")


def wire(wire_type: str = "BINARY_LIGHT") -> Codec:
    """The codec "wire" of a queue of this wire type, which decides how names are written."""

    def encode_wire(value: Any) -> bytes:
        # An empty mapping has no fields: as a document it would be an empty excerpt.
        has_fields = bool(value) if isinstance(value, Mapping) else dataclasses.is_dataclass(value) and fields(value)
        if has_fields:
            return encode_document(value, wire_type=wire_type)
        return encode(value, wire_type=wire_type)

    return Codec(encode_wire, decode, decode_many=_decode_wire_many, name="wire")


def _decode_wire_many(payloads: list[bytes]) -> list[Any]:
    shapes = Shapes(_boundary.DocumentCells(), decode, _decode_bare)
    found: list[Any] = []
    for at in range(0, len(payloads), _boundary.BATCH):
        values, error = shapes.values(_boundary.DocumentBatch.of_payloads(payloads[at : at + _boundary.BATCH]))
        found += values
        if error is not None:
            raise error
    return found


def _decode_bare(raw: bytes) -> Any:
    return decode(raw, wire_type="BINARY_LIGHT")


def _tuple() -> Codec:
    def encode_tuple(value: Sequence[Any]) -> bytes:
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"not a tuple: {type(value).__name__}")
        return encode(list(value))

    def decode_tuple(payload: bytes) -> tuple[Any, ...]:
        return as_tuple(_decode_bare(payload))

    def as_tuple(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise UsageError(f"the excerpt is no sequence but {type(value).__name__}")
        return tuple(value)

    return Codec(
        encode_tuple,
        decode_tuple,
        decode_many=lambda payloads: list(map(as_tuple, _decode_wire_many(payloads))),
        name="tuple",
    )


def _struct(layout: str | struct.Struct) -> Codec:
    if isinstance(layout, str):
        text = layout.strip()
        try:
            layout = struct.Struct(text if text[:1] in ("<", ">", "=", "!", "@") else "<" + text)
        except (struct.error, UnicodeEncodeError) as cause:
            raise UsageError(f"{text!r} is no format of struct: {cause}") from None
    if not layout.size:
        raise UsageError("a record has at least one byte")
    pack, unpack, size = layout.pack, layout.unpack, layout.size
    iterated = layout.iter_unpack

    def decode_many(payloads: list[bytes]) -> list[Any]:
        if set(map(len, payloads)) <= {size}:
            return list(iterated(b"".join(payloads)))
        return list(map(unpack, payloads))

    return Codec(
        lambda value: pack(*value),
        unpack,
        encode_many=lambda values: list(starmap(pack, values)),
        decode_many=decode_many,
        name=f"struct:{layout.format}",
    )


def _numpy(dtype: Any) -> Codec:
    numpy = needed("numpy")
    try:
        kind = numpy.dtype(dtype)
    except TypeError as cause:
        raise UsageError(f"{dtype!r} is no dtype: {cause}") from None
    if kind.hasobject or not kind.itemsize:
        raise UsageError(f"items of {kind} are no bytes")

    def encode_array(value: Any) -> bytes:
        array = numpy.asarray(value, kind)
        if array.ndim != 1:
            raise ValueError(f"an excerpt is an array of one dimension, not {array.ndim}")
        return bytes(array.tobytes())

    return Codec(encode_array, lambda payload: numpy.frombuffer(payload, kind), name=f"numpy:{kind}")


def _construct(layout: Any) -> Codec:
    return Codec(layout.build, layout.parse, name="construct")


_BUILT_IN: dict[str, Callable[[], Codec]] = {
    "bytes": _bytes,
    "text": _text,
    "json": _json,
    "wire": wire,
    "tuple": _tuple,
}
_WITH_FORMAT: dict[str, Callable[[str], Codec]] = {"struct": _struct, "numpy": _numpy}
NAMES = (*_BUILT_IN, *_WITH_FORMAT)
"""The names that come along; those before a colon's are "struct" and "numpy"."""

_registered: dict[str, Codec] = {}


# --- by name, by object ----------------------------------------------------------------------------------------------


def register(name: str, codec: object) -> None:
    """Gives a codec a name for ``open_queue(codec=)``, in this process. UsageError if it is taken."""
    if not name or ":" in name or name in NAMES or name in _registered or name == "construct":
        raise UsageError(f"{name!r} cannot be the name of a codec: it is empty, has a colon, or is taken")
    _registered[name] = codec_of(codec)


def codec_of(codec: object) -> Codec:
    """The codec of a name or object, as the table above has them; UsageError, TypeError."""
    if isinstance(codec, Codec):
        return codec
    if isinstance(codec, str):
        name, colon, layout = codec.partition(":")
        if colon and name in _WITH_FORMAT:
            return _WITH_FORMAT[name](layout)
        if codec in _BUILT_IN:
            return _BUILT_IN[codec]()
        if codec in _registered:
            return _registered[codec]
        known = ", ".join([*_BUILT_IN, *(f"{name}:..." for name in _WITH_FORMAT), *_registered])
        raise UsageError(f"there is no codec {codec!r}", hint=f"one of {known}, or an object")
    if isinstance(codec, struct.Struct):
        return _struct(codec)
    if hasattr(codec, "itemsize") and hasattr(codec, "fields"):
        return _numpy(codec)
    if callable(getattr(codec, "encode", None)) and callable(getattr(codec, "decode", None)):
        return Codec(
            codec.encode,  # type: ignore[attr-defined]
            codec.decode,  # type: ignore[attr-defined]
            encode_many=getattr(codec, "encode_many", None),
            decode_many=getattr(codec, "decode_many", None),
            name=type(codec).__name__,
        )
    if callable(getattr(codec, "build", None)) and callable(getattr(codec, "parse", None)):
        return _construct(codec)
    raise TypeError(
        "a codec is a name, a struct.Struct, a NumPy dtype, a construct struct or an object with encode and decode, "
        f"not {type(codec).__name__}"
    )


# --- in use ----------------------------------------------------------------------------------------------------------


def encode_one(codec: Codec, value: Any) -> bytes:
    """The excerpt of a value; CodecError."""
    try:
        return _excerpt(codec.encode(value))
    except Exception as cause:
        _refuse(codec, value, cause)


def encode_all(codec: Codec, values: Iterable[Any]) -> list[bytes]:
    """The excerpts of all values, or CodecError, which says of which value."""
    listed = list(values)
    try:
        found = list(map(_excerpt, codec.encode_many(listed)))
        if len(found) == len(listed):
            return found
    except Exception as error:
        whole: Exception = error
    else:
        whole = ValueError(f"encode_many made {len(found)} excerpts of {len(listed)} values")
    for at, value in enumerate(listed):
        try:
            _excerpt(codec.encode(value))
        except Exception as cause:
            _refuse(codec, value, cause, at)
    raise CodecError(f"the codec {codec.name} cannot write {len(listed)} values at once: {whole}") from whole


def decode_all(codec: Codec, payloads: list[bytes]) -> tuple[list[Any], Exception | None]:
    """The values of all excerpts; where one cannot be decoded, of those before it, and the codec's error."""
    try:
        found = list(codec.decode_many(payloads))
        if len(found) == len(payloads):
            return found, None
    except Exception:
        pass
    # One by one, to know which it was. What only fails at once is then decoded all the same.
    found = []
    for payload in payloads:
        try:
            found.append(codec.decode(payload))
        except Exception as error:
            return found, error
    return found, None


def _excerpt(data: Buffer) -> bytes:
    if type(data) is bytes:
        return data
    if isinstance(data, (bytearray, memoryview, bytes)):
        return bytes(data)
    raise TypeError(f"encode gave {type(data).__name__}, not bytes")


def _refuse(codec: Codec, value: Any, cause: Exception, at: int | None = None) -> NoReturn:
    try:
        text = repr(value)
        shown = text if len(text) <= 200 else f"{text[:200]}..."
    except Exception:  # Too deep, an int of too many digits, or a class whose repr fails.
        shown = f"a value of {type(value).__name__}"
    which = "" if at is None else f" (number {at}, counted from 0)"
    why = cause.message if isinstance(cause, ChronixError) else str(cause) or type(cause).__name__
    raise CodecError(f"the codec {codec.name} cannot write {shown}{which}: {why}") from cause
