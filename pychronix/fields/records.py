"""Records: many excerpts of one fixed layout, packed and unpacked in bulk.

The decision hidden here is which layouts there are (struct, NumPy, construct) and how a batch of excerpts becomes records
without a Python frame for each. NumPy is imported where it is asked for, construct never: what looks like one of its
structs is used as one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice, starmap
from typing import Any, NamedTuple, Protocol

from pychronix.errors import UsageError

__all__ = ["Packed", "RecordLayout", "record_layout"]

_RECORD_MAX = (1 << 30) - 1


class Packed(NamedTuple):
    """Records as they lie in a batch: record i begins at ``i * pitch + lead``; nothing need follow the last."""

    data: bytes
    total: int
    pitch: int
    lead: int


class RecordLayout(Protocol):
    """How records of one size become bytes, and bytes records."""

    size: int
    is_array: bool
    """Whether many of them are one NumPy array."""

    def encoded(self, records: Iterable[Any], count: int, size: int) -> Iterator[tuple[bytes, int]]:
        """Chunks of the records' bytes, with their number: at most so many, and about so many bytes."""

    def decoded(self, batch: Packed) -> Iterator[Any]:
        """The records of a batch; length_hint of the iterator is how many remain."""

    def arrays(self) -> ArrayLayout:
        """How they become a NumPy array; UsageError if they do not."""


class ArrayLayout(Protocol):
    """How records of one size become one NumPy array."""

    def packed(self, batch: Packed) -> bytes:
        """The records of a batch back to back."""

    def array(self, packed: bytearray) -> Any:
        """The array of records that lie back to back, in this memory."""


def record_layout(layout: object) -> RecordLayout:
    """The layout that a struct format, struct.Struct, NumPy dtype or construct struct describes; TypeError, UsageError."""
    found: RecordLayout
    if isinstance(layout, str):
        found = _struct_layout(layout)
    elif isinstance(layout, struct.Struct):
        found = _StructLayout(layout)
    elif hasattr(layout, "itemsize") and hasattr(layout, "fields"):
        found = _NumpyLayout(layout)
    elif all(hasattr(layout, name) for name in ("build", "parse", "sizeof")):
        found = _ConstructLayout(layout)
    else:
        raise TypeError(
            "a record layout is a struct format, a struct.Struct, a NumPy dtype or a construct struct, "
            f"not {type(layout).__name__}"
        )
    if not 0 < found.size <= _RECORD_MAX:
        raise UsageError(f"a record has 1..{_RECORD_MAX} bytes, not {found.size}")
    return found


def _chunks(records: Iterable[Any], most: int) -> Iterator[list[Any]]:
    if type(records) is list:
        for start in range(0, len(records), most):
            yield records[start : start + most]
        return
    rest = iter(records)
    while chunk := list(islice(rest, most)):
        yield chunk


def _most(count: int, size: int, record: int) -> int:
    return max(1, min(count, size // record))


class _Joined:
    """What layouts share whose records are built one by one."""

    size: int
    is_array = False

    def encoded(self, records: Iterable[Any], count: int, size: int) -> Iterator[tuple[bytes, int]]:
        done = 0
        for chunk in _chunks(records, _most(count, size, self.size)):
            try:
                joined = self.join(chunk)
            except Exception as cause:
                at, why = self._blame(chunk, cause)
                if at:
                    yield self.join(chunk[:at]), at
                raise UsageError(f"cannot write record {done + at}, {chunk[at]!r}: {why}") from cause
            yield joined, len(chunk)
            done += len(chunk)

    def join(self, chunk: list[Any]) -> bytes:
        raise NotImplementedError

    def _blame(self, chunk: list[Any], cause: Exception) -> tuple[int, Exception]:
        for at, record in enumerate(chunk):
            try:
                self.join([record])
            except Exception as why:
                return at, why
        raise cause  # Only the chunk as a whole fails: no record is to blame.

    def arrays(self) -> ArrayLayout:
        raise UsageError("records of this layout do not become a NumPy array", hint="pass a NumPy dtype as layout")


@lru_cache(maxsize=64)
def _struct_layout(layout: str) -> _StructLayout:
    text = layout.strip()
    if text[:1] not in ("<", ">", "=", "!", "@"):
        text = "<" + text
    try:
        return _StructLayout(struct.Struct(text))
    except (struct.error, UnicodeEncodeError) as cause:
        raise UsageError(f"{layout!r} is no format of struct: {cause}") from None


class _StructLayout(_Joined):
    """Tuples."""

    def __init__(self, layout: struct.Struct) -> None:
        self._struct = layout
        self._pack = layout.pack
        self.size = layout.size

    def join(self, chunk: list[Any]) -> bytes:
        return b"".join(starmap(self._pack, chunk))

    def decoded(self, batch: Packed) -> Iterator[Any]:
        data, count, pitch, lead = batch
        # Of one record nothing else is known than that it is there: its gap is none.
        spaced = _spaced(self._struct.format, lead, 0 if count == 1 else pitch - lead - self.size)
        if spaced is None:
            # Native alignment: with something before it the record would look another way.
            return iter(list(map(self._struct.unpack_from, [data] * count, range(lead, lead + count * pitch, pitch))))
        # The last record lacks the gap behind it.
        missing = count * spaced.size - len(data)
        return spaced.iter_unpack(data + bytes(missing) if missing else data)

    def arrays(self) -> ArrayLayout:
        return _NumpyLayout(_dtype_of(self._struct))


@lru_cache(maxsize=64)
def _spaced(layout: str, lead: int, gap: int) -> struct.Struct | None:
    """The record with what lies before and behind it; None where the format is aligned as C's is."""
    if layout[0] not in "<>=!":
        return None
    return struct.Struct(f"{layout[0]}{lead}x{layout[1:]}{gap}x")


_KINDS = {"b": "i1", "B": "u1", "?": "?", "h": "i2", "H": "u2", "i": "i4", "I": "u4", "l": "i4", "L": "u4", "q": "i8",
          "Q": "u8", "e": "f2", "f": "f4", "d": "f8"}  # fmt: skip


def _dtype_of(layout: struct.Struct) -> Any:
    """The structured dtype of a struct: fields f0, f1 ...; bytes stay bytes, padding is left out."""
    import re

    import numpy

    order = layout.format[0]
    if order not in "<>=!":
        raise UsageError(
            f"the format {layout.format!r} is aligned as C's and does not become a NumPy array",
            hint='begin it with "<", or pass a NumPy dtype',
        )
    order = {"!": ">", "=": "="}.get(order, order)
    formats: list[str] = []
    offsets: list[int] = []
    at = 0
    for number, kind in re.findall(r"([0-9]*)([a-zA-Z?])", layout.format[1:]):
        repeat = int(number) if number else 1
        if kind in "sxpc" and kind != "c":
            if kind == "p":
                raise UsageError(f"the format {layout.format!r} has a Pascal string, which NumPy lacks")
            if kind == "s":
                formats.append(f"S{repeat}")
                offsets.append(at)
            at += repeat
            continue
        item = "S1" if kind == "c" else order + _KINDS[kind]
        width = numpy.dtype(item).itemsize
        for _ in range(repeat):
            formats.append(item)
            offsets.append(at)
            at += width
    names = [f"f{number}" for number in range(len(formats))]
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": layout.size})


class _NumpyLayout:
    """Structured arrays."""

    is_array = True

    def __init__(self, dtype: Any) -> None:
        import numpy

        self._numpy = numpy
        self._dtype = numpy.dtype(dtype)
        if self._dtype.hasobject:
            raise UsageError(f"{self._dtype} holds Python objects, which are no bytes")
        self.size: int = self._dtype.itemsize
        self._opaque = numpy.dtype((numpy.void, self.size))

    def encoded(self, records: Iterable[Any], count: int, size: int) -> Iterator[tuple[bytes, int]]:
        most = _most(count, size, self.size)
        if isinstance(records, (self._numpy.ndarray, list, tuple)):
            array = self._as_array(records)
            for start in range(0, len(array), most):
                chunk = array[start : start + most]
                yield chunk.tobytes(), len(chunk)
            return
        for items in _chunks(records, most):
            yield self._as_array(items).tobytes(), len(items)

    def _as_array(self, records: Any) -> Any:
        numpy, dtype = self._numpy, self._dtype
        if isinstance(records, numpy.ndarray) and records.dtype == numpy.uint8 and records.ndim == 2:
            if records.shape[1] != self.size:
                raise UsageError(f"a record of {dtype} has {self.size} bytes, not {records.shape[1]}")
            return numpy.ascontiguousarray(records).view(dtype).reshape(-1)
        try:
            array = numpy.asarray(records, dtype=dtype)
        except (ValueError, TypeError, OverflowError) as cause:
            raise UsageError(f"these are no records of {dtype}: {cause}") from cause
        if array.ndim != 1:
            raise UsageError(f"records are an array of one dimension, not {array.ndim}")
        return array

    def decoded(self, batch: Packed) -> Iterator[Any]:
        return iter(list(self.array(bytearray(self.packed(batch)))))

    def arrays(self) -> ArrayLayout:
        return self

    def packed(self, batch: Packed) -> bytes:
        data, total, pitch, lead = batch
        if not lead and len(data) == total * self.size:
            return data
        # Copied as opaque items of their size: field by field would take several times as long.
        packed: bytes = self._numpy.ndarray((total,), self._opaque, data, lead, (pitch,)).tobytes()
        return packed

    def array(self, packed: bytearray) -> Any:
        return self._numpy.ndarray((len(packed) // self.size,), self._dtype, packed)


class _ConstructLayout(_Joined):
    """Containers of construct, built from dicts."""

    def __init__(self, layout: Any) -> None:
        try:
            self.size = layout.sizeof()
        except Exception as cause:
            raise UsageError(f"the construct {layout!r} has no fixed size: {cause}") from cause
        self._build = layout.build
        self._parse = layout.parse

    def join(self, chunk: list[Any]) -> bytes:
        return b"".join(map(self._build, chunk))

    def decoded(self, batch: Packed) -> Iterator[Any]:
        starts = range(batch.lead, batch.lead + batch.total * batch.pitch, batch.pitch)
        return iter([self._parse(batch.data[start : start + self.size]) for start in starts])
