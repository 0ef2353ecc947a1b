"""Layouts of Chronicle Queue 4 and 5 in construct: the executable specification.

The decision hidden here is where every byte of a ``.cq4`` and ``.cq4t`` file lies. Nothing is shared with the C core;
a test that holds the two against each other proves both. Numbers in parentheses are sections of the specification.

Two halves
- *Layouts* (``document_header``, ``roll_header``, ``table_header``, ``table_entry``, ``index_page``, ``END_OF_DATA``)
  say exactly what Java writes. They build the very bytes and parse only these. A layout that aligns needs to know
  where it stands in the file: pass ``base=<offset>`` to its ``build`` and ``parse``.
- *The walk* (``parse_roll_header``, ``parse_table_store``, ``parse_index_page``, ``documents``) reads what any release
  or foreign writer may have written: fields by name in any order, any integer code, unknown fields skipped (11.19-21).

The walk is safe with hostile bytes: it raises CorruptError, its loops advance, nesting is limited.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import construct as c

from pychronix.errors import CorruptError

# --- document headers (2) ----------------------------------------------------------------------

NOT_COMPLETE = 0x8000_0000
META_DATA = 0x4000_0000
LENGTH_MASK = 0x3FFF_FFFF
EOF = 0xC000_0000
HEADER_MAX = 65_536
"""Longest first document that Java accepts; longer is an "unexpected magic number" to it."""

UNLOCKED = -(2**63)
"""Value of a free lock (Long.MIN_VALUE)."""
LISTING_UNSET = UNLOCKED
NO_LOWEST_CYCLE = 2**31 - 1
NO_HIGHEST_CYCLE = -(2**31)

document_header = c.ByteSwapped(
    c.BitStruct("not_complete" / c.Flag, "meta_data" / c.Flag, "length" / c.BitsInteger(30)),
)
"""The u32 before every document, taken apart; ``documents`` uses the constants above instead, for speed."""

END_OF_DATA = c.Struct(
    "header" / c.Const(EOF, c.Int32ul),
    "decoration" / c.Optional(c.Const(b"\xc3EOF")),  # 7.6: old files lack it, readers ignore it.
)


# --- wire items, as construct (9) ---------------------------------------------------------------


class _Padding(c.Construct):  # type: ignore[misc]
    """Skip bytes up to where the next byte has the wanted residue (9.8 addPadding)."""

    def __init__(self, modulus: int, residue: int = 0) -> None:
        super().__init__()
        self.flagbuildnone = True
        self.modulus, self.residue = modulus, residue

    def _gap(self, stream: Any, context: Any) -> int:
        return int((self.residue - context._params.get("base", 0) - stream.tell()) % self.modulus)

    def _parse(self, stream: Any, context: Any, path: str) -> None:
        gap = self._gap(stream, context)
        got = c.stream_read(stream, gap, path)
        if got != padding(gap):
            raise c.ConstError(f"expected {padding(gap).hex()}, found {got.hex()}", path=path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> None:
        gap = self._gap(stream, context)
        c.stream_write(stream, padding(gap), gap, path)


class _Sized(c.Subconstruct):  # type: ignore[misc]
    """A u32 that says how long the rest is, before the rest; in place, so that offsets stay those of the file."""

    def __init__(self, subcon: Any, flags: int = 0) -> None:
        super().__init__(subcon)
        self.flags = flags

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        word = c.Int32ul._parsereport(stream, context, path)
        start = stream.tell()
        obj = self.subcon._parsereport(stream, context, path)
        if word != stream.tell() - start | self.flags:
            raise c.ConstError(f"{word:#x} does not measure the {stream.tell() - start} bytes that follow", path=path)
        return obj

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        start = stream.tell()
        c.stream_write(stream, bytes(4), 4, path)
        built = self.subcon._build(obj, stream, context, path)
        stop = stream.tell()
        c.stream_seek(stream, start, 0, path)
        c.stream_write(stream, struct.pack("<I", stop - start - 4 | self.flags), 4, path)
        c.stream_seek(stream, stop, 0, path)
        return built


class _Bytes(c.Construct):  # type: ignore[misc]
    """A value whose encoding is found by ``encode`` and read by the walk; parsing insists on that very encoding."""

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        super().__init__()
        self.encode = encode

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        start = stream.tell()
        rest = stream.read(256)
        try:
            item, stop = _value(rest, 0, len(rest), 0, 0)
        except CorruptError as cause:
            raise c.ConstError(str(cause), path=path) from cause
        if rest[:stop] != self.encode(item.value):
            raise c.ConstError(f"{rest[:stop].hex()} is not how {item.value!r} is written", path=path)
        c.stream_seek(stream, start + stop, 0, path)
        return item.value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        data = self.encode(obj)
        c.stream_write(stream, data, len(data), path)
        return obj


def padding(count: int) -> bytes:
    """That many bytes to skip: ``8F`` each, or from five on one ``8E`` with a length."""
    return b"\x8f" * count if count < 5 else b"\x8e" + struct.pack("<I", count - 5) + bytes(count - 5)


def _text(value: str) -> bytes:
    data = value.encode()
    return bytes([0xE0 + len(data)]) + data if len(data) < 32 else b"\xb8" + c.VarInt.build(len(data)) + data


def _smallest(value: int) -> bytes:
    """Integers as releases from 5.22 on write them (9.3); those that become floats there do not occur in headers."""
    for low, high, code, form in (
        (0, 0xFF, 0xA1, "<B"),
        (-0x80, -1, 0xA4, "<b"),
        (-0x8000, 0x7FFF, 0xA5, "<h"),
        (0, 0xFFFF, 0xA2, "<H"),
        (-(2**31), 2**31 - 1, 0xA6, "<i"),
        (0, 2**32 - 1, 0xA3, "<I"),
    ):
        if low <= value <= high:
            return bytes([code]) + struct.pack(form, value)
    return b"\xa7" + struct.pack("<q", value)


def _bare(value: int) -> bytes:
    """Integers as releases up to 5.21 write them: 0 to 127 is one byte without a code."""
    return bytes([value]) if 0 <= value < 128 else _smallest(value)


def _string(code: int, text: str) -> Any:
    return c.Const(bytes([code]) + c.VarInt.build(len(text)) + text.encode("latin-1"))


def _after(prefix: Any, value: Any) -> Any:
    return c.FocusedSeq("value", prefix, "value" / value)


def _field(name: str, value: Any) -> Any:
    """``name: value`` of an object; the result is a member of a Struct."""
    return name / _after(c.Const(bytes([0xC0 + len(name)]) + name.encode("latin-1")), value)


def _typed(name: str, value: Any) -> Any:
    return _after(_string(0xB6, name), value)


def _block(value: Any) -> Any:
    return _after(c.Const(b"\x82"), _Sized(value))


def _event(name: str, value: Any) -> Any:
    return _after(_string(0xB9, name), value)


def _document(value: Any, flags: int) -> Any:
    return _Sized(value, flags)


Text = _Bytes(_text)
Time = _Bytes(lambda text: b"\xb2" + c.VarInt.build(len(text)) + text.encode())
SmallestInt = _Bytes(_smallest)
BareInt = _Bytes(_bare)
BoundLong = c.FocusedSeq("value", _Padding(8, 7), c.Const(b"\xa7"), "value" / c.Int64sl)
TwoLong = c.FocusedSeq(
    "value", _Padding(16, 15), c.Const(b"\x8d" + struct.pack("<qq", 2, 2)), "value" / c.Array(2, c.Int64sl)
)
WireTypeField = _field("wireType", _typed("WireType", _after(c.Const(_text("BINARY_LIGHT")), c.Pass)))
Recovery = _field("recovery", _typed("TimedStoreRecovery", _block(c.Struct(_field("timeStamp", BoundLong)))))

index_array = c.Struct(
    _Padding(8, 7),
    c.Const(b"\x8d"),
    "capacity" / c.Int64sl,
    "used" / c.Int64sl,
    "slots" / c.Array(c.this.capacity, c.Int64sl),
)


def index_page(event: str) -> Any:
    """A page of slots (5.2); ``event`` is "index2index" or "index"."""
    return _document(_event(event, index_array), META_DATA)


# --- the roll file's header (4) ------------------------------------------------------------------


def roll_header(release: str) -> Any:
    """The first document of a roll file as a release writes it.

    ``release`` is one of "4.16", "5.16", "5.17", "5.19" (to 5.21), "5.24" (to 2026.4) and "fieldless" (5.24 and later
    with FIELDLESS_BINARY).
    """
    integer = SmallestInt if release in ("5.24", "fieldless") else BareInt
    named = _field if release != "fieldless" else lambda name, value: name / value
    indexing = named(
        "indexing",
        _typed(
            "SCQSIndexing",
            _block(
                c.Struct(
                    named("indexCount", integer),
                    named("indexSpacing", integer),
                    named("index2Index", BoundLong),
                    named("lastIndex", BoundLong),
                )
            ),
        ),
    )
    position = named("writePosition", TwoLong)
    members = {
        "4.16": [
            WireTypeField,
            _Padding(64),  # Seen in every file of 4.x: this name starts a cache line.
            position,
            _field("roll", _typed("SCQSRoll", _block(_roll_settings(integer)))),
            indexing,
            _field("lastAcknowledgedIndexReplicated", BoundLong),
            Recovery,
            _field("deltaCheckpointInterval", integer),
            _field("lastIndexReplicated", BoundLong),
            _field("sourceId", integer),
        ],
        "5.16": [
            position,
            indexing,
            _field("lastAcknowledgedIndexReplicated", BoundLong),
            _field("lastIndexReplicated", BoundLong),
        ],
        "5.17": [position, indexing],
    }.get(release, [position, indexing, named("dataFormat", integer)])
    return _document(_event("header", _typed("SCQStore", _block(c.Struct(*members)))), META_DATA)


def _roll_settings(integer: Any, roll_time: bool = False, roll_time_zone: bool = False) -> Any:
    members = [_field("length", integer), _field("format", Text), _field("epoch", integer)]
    if roll_time:
        members.append(_field("rollTime", Time))
    if roll_time_zone:
        members.append(_field("rollTimeZone", Text))
    return c.Struct(*members)


# --- the table store (3) -------------------------------------------------------------------------


def table_header(release: str, *, roll_time: bool = False, roll_time_zone: bool = False) -> Any:
    """The first document of a table store as a release writes it.

    ``release`` is one of "4.16" (``directory-listing.cq4t``), "5.16", "5.17" (to 5.21), "5.24" (to 5.26) and "5.27"
    (to 2026.4, without deltaCheckpointInterval). The two oldest are not padded.
    """
    integer = BareInt if release in ("4.16", "5.16", "5.17") else SmallestInt
    roll = _roll_settings(integer, roll_time, roll_time_zone)
    meta = [_field("roll", _typed("SCQSRoll", _block(roll)))]
    if release != "5.27":
        meta.append(_field("deltaCheckpointInterval", integer))
    meta.append(_field("sourceId", integer))
    fields = [WireTypeField]
    if release in ("4.16", "5.16"):
        fields.append(
            _field("recovery", _typed("TimedStoreRecovery", _block(c.Struct(_field("timeStamp", BoundLong)))))
        )
    if release != "4.16":
        fields.append(_field("metadata", _typed("SCQMeta", _block(c.Struct(*meta)))))
    aligned = release not in ("4.16", "5.16")
    store = c.FocusedSeq("value", "value" / c.Struct(*fields), _Padding(4 if aligned else 1))
    return _document(_event("header", _typed("STStore", _block(store))), META_DATA)


table_entry = _document(
    c.Struct(c.Const(b"\xb9"), "key" / c.PascalString(c.VarInt, "latin-1"), "value" / BoundLong),
    0,
)
"""One key of a table store with its bound value (3.3)."""


# --- the walk: any header, read by name ----------------------------------------------------------

_DEPTH_MAX = 8  # Java's headers nest four deep.
_NAMES_MAX = 4096  # Items of a header; a hostile one of 64 KiB could otherwise hold 64 Ki of them.

_FIXED: dict[int, str] = {
    0x90: "<f",
    0x91: "<d",
    0xA0: "<QQ",
    0xA1: "<B",
    0xA2: "<H",
    0xA3: "<I",
    0xA4: "<b",
    0xA5: "<h",
    0xA6: "<i",
    0xA7: "<q",
    0xAF: "<q",
}


class Item(NamedTuple):
    """One value met by the walk."""

    name: str | None
    """Field or event name before it, None in FIELDLESS wire."""
    type: str | None
    """Type prefix before it."""
    code: int
    value: Any
    """int, float, str, bool or None; a list of Items for a block; (capacity, used) for an array."""
    offset: int
    """Where the value's own bytes start in the file: after its code; for an array, its first slot."""


def _damage(what: str, offset: int) -> CorruptError:
    return CorruptError(f"cannot read a header: {what}", offset=offset)


def _stop_bit(data: bytes, at: int, stop: int, base: int) -> tuple[int, int]:
    """A stop-bit integer (9.5) and where it ends."""
    value = shift = 0
    for place in range(at, min(stop, at + 10)):
        byte = data[place]
        if byte < 0x80:
            return (~value if byte == 0 and shift else value | byte << shift), place + 1
        value |= (byte & 0x7F) << shift
        shift += 7
    raise _damage("a number does not end", base + at)


def _chars(data: bytes, at: int, stop: int, base: int, encoding: str) -> tuple[str | None, int]:
    """A string with its length before it."""
    length, start = _stop_bit(data, at, stop, base)
    if length == -1:
        return None, start
    if not 0 <= length <= stop - start:
        raise _damage(f"a text of {length} bytes where {stop - start} are left", base + at)
    return data[start : start + length].decode(encoding, "replace"), start + length


def _skip(data: bytes, at: int, stop: int, base: int) -> int:
    """The next byte that is neither padding nor comment."""
    while at < stop:
        code = data[at]
        if code == 0x8F:
            at += 1
        elif code == 0x8E:
            if stop - at < 5:
                raise _damage("padding is cut off", base + at)
            (count,) = struct.unpack_from("<I", data, at + 1)
            if count > stop - at - 5:
                raise _damage(f"padding of {count} bytes where {stop - at - 5} are left", base + at)
            at += 5 + count
        elif code == 0xBE:
            at = _chars(data, at + 1, stop, base, "utf-8")[1]
        else:
            break
    return at


def _value(data: bytes, at: int, stop: int, base: int, depth: int, name: str | None = None) -> tuple[Item, int]:
    """The value at a byte, with its type prefix if there is one, and where it ends."""
    kind = None
    at = _skip(data, at, stop, base)
    if at < stop and data[at] == 0xB6:
        kind, at = _chars(data, at + 1, stop, base, "utf-8")
        at = _skip(data, at, stop, base)
    if at >= stop:
        raise _damage("a value is missing", base + at)
    code, start = data[at], at + 1

    def item(value: Any, end: int, offset: int = base + start) -> tuple[Item, int]:
        return Item(name, kind, code, value, offset), end

    if code < 0x80:
        return item(code, start, base + at)
    if code >= 0xE0:
        end = start + code - 0xE0
        if end > stop:
            raise _damage("a text is cut off", base + at)
        return item(data[start:end].decode("utf-8", "replace"), end)
    if code in _FIXED:
        form = _FIXED[code]
        end = start + struct.calcsize(form)
        if end > stop:
            raise _damage("a number is cut off", base + at)
        values = struct.unpack_from(form, data, start)
        return item(values[0] if len(values) == 1 else values, end)
    if code in (0x80, 0x81, 0x82):
        width = 1 << (code - 0x80)
        if stop - start < width:
            raise _damage("a block is cut off", base + at)
        size = int.from_bytes(data[start : start + width], "little")
        start += width
        if size > stop - start:
            raise _damage(f"a block of {size} bytes where {stop - start} are left", base + at)
        if size and data[start] in (0x86, 0x8A):  # history, raw bytes
            return item(data[start + 1 : start + size], start + size)
        return item(walk(data, start, start + size, base, depth + 1), start + size, base + start)
    if code == 0x8D:
        if stop - start < 16:
            raise _damage("an array is cut off", base + at)
        capacity, used = struct.unpack_from("<qq", data, start)
        if not 0 <= capacity <= (stop - start - 16) // 8:
            raise _damage(f"an array of {capacity} longs where {(stop - start - 16) // 8} fit", base + at)
        return item((capacity, used), start + 16 + 8 * capacity, base + start + 16)
    if code in (0xB0, 0xB1):
        return item(code == 0xB1, start)
    if code == 0xBB:
        return item(None, start)
    if code in (0xB2, 0xB3, 0xB4, 0xB5, 0xB8, 0xBC):
        text, end = _chars(data, start, stop, base, "utf-8")
        return item(text, end)
    if code in (0x92, 0x94, 0x96):
        number, end = _stop_bit(data, start, stop, base)
        return item(number / 10 ** (code - 0x90), end)
    raise _damage(f"code {code:02X} does not belong there", base + at)


def _name(data: bytes, at: int, stop: int, base: int) -> tuple[str | None, int]:
    """The field or event name at a byte (None if a value stands there), and where it ends."""
    code = data[at]
    if 0xC0 <= code <= 0xDF:
        end = at + 1 + code - 0xC0
        if end > stop:
            raise _damage("a name is cut off", base + at)
        return data[at + 1 : end].decode("latin-1"), end
    if code in (0xB7, 0xB9):
        name, end = _chars(data, at + 1, stop, base, "latin-1")
        return name or "", end
    if code == 0xBA:
        number, end = _stop_bit(data, at + 1, stop, base)
        return str(number), end
    return None, at


def walk(data: bytes, start: int, stop: int, base: int = 0, depth: int = 0) -> list[Item]:
    """The values within ``data[start:stop]``, which stands at offset ``base`` of its file; blocks become lists."""
    if depth > _DEPTH_MAX:
        raise _damage("blocks are nested too deep", base + start)
    items: list[Item] = []
    at = _skip(data, start, stop, base)
    while at < stop:
        name, at = _name(data, at, stop, base)
        item, at = _value(data, at, stop, base, depth, name)
        items.append(item)
        if len(items) > _NAMES_MAX:
            raise _damage("it holds too many values", base + at)
        at = _skip(data, at, stop, base)
    return items


def _named(items: Sequence[Item]) -> dict[str, Item]:
    """Items by name; of several with one name the first counts, as for Java."""
    found: dict[str, Item] = {}
    for item in items:
        if item.name is not None:
            found.setdefault(item.name, item)
    return found


def as_int(item: Item | None, what: str, offset: int = 0) -> int:
    """The integer an item stands for, whatever code it was written with (9.3)."""
    if item is None:
        raise _damage(f"field {what} is missing", offset)
    value = item.value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise _damage(f"field {what} is {value!r}, not a number", item.offset) from None
    if isinstance(value, float):
        if math.isnan(value):
            return 0
        # Java's cast saturates, which brings Long.MAX_VALUE back from the float it is written as.
        return 2**63 - 1 if value >= 2.0**63 else -(2**63) if value <= -(2.0**63) else int(value)
    if isinstance(value, int):
        return int(value)
    raise _damage(f"field {what} is not a number", item.offset)


def _as_text(item: Item | None) -> str | None:
    return item.value if item is not None and isinstance(item.value, str) else None


def _as_fields(item: Item | None, what: str, offset: int = 0) -> list[Item]:
    if item is None or not isinstance(item.value, list):
        raise _damage(f"object {what} is missing", offset)
    return item.value


class RollSettings(NamedTuple):
    """What a table store, or a v4 roll file, says about rolling."""

    length_ms: int
    format: str
    epoch_ms: int
    roll_time: str | None
    roll_time_zone: str | None


def _read_roll_settings(item: Item | None) -> RollSettings | None:
    if item is None or not isinstance(item.value, list):
        return None
    fields = _named(item.value)
    form = _as_text(fields.get("format"))
    if form is None:
        raise _damage("field format is missing", item.offset)
    return RollSettings(
        as_int(fields.get("length"), "length", item.offset),
        form,
        as_int(fields["epoch"], "epoch") if "epoch" in fields else 0,
        _as_text(fields.get("rollTime")),
        _as_text(fields.get("rollTimeZone")),
    )


@dataclass(frozen=True, slots=True)
class RollHeader:
    """What a roll file's header says, and where its bound values lie."""

    stop: int
    """Offset after the header document, without the alignment gap."""
    fieldless: bool
    write_position: int
    write_position_offset: int
    sequence_word: int | None
    """None in very old files, whose writePosition is one long."""
    index_count: int
    index_spacing: int
    index2index: int
    index2index_offset: int
    last_index: int
    last_index_offset: int
    data_format: int
    roll: RollSettings | None
    """Only in v4 files."""

    @property
    def padded(self) -> bool:
        """Whether documents start 4-aligned (2.1); Java takes any value but 1 for "no"."""
        return self.data_format == 1


def _event_object(data: bytes, start: int, stop: int, base: int, event: str, kinds: Sequence[str]) -> list[Item]:
    """The fields of the object that a header document must hold."""
    items = walk(data, start, stop, base)
    if not items or items[0].name != event or items[0].type not in kinds:
        raise _damage(f"it does not start with {event}: !{' or !'.join(kinds)}", base + start)
    return _as_fields(items[0], kinds[0], base + start)


def first_document(data: bytes) -> int:
    """Where the first document of a file ends; CorruptError if it is not a metadata document of legal length."""
    if len(data) < 4:
        raise _damage("the file is empty", 0)
    (word,) = struct.unpack_from("<I", data, 0)
    length = int(word & LENGTH_MASK)
    if word & (NOT_COMPLETE | META_DATA) != META_DATA or not 0 < length <= HEADER_MAX:
        raise _damage(f"the first word is {word:#010x}, not that of a ready header", 0)
    if 4 + length > len(data):
        raise _damage(f"it says {length} bytes, the file ends after {len(data)}", 0)
    return 4 + length


def parse_roll_header(data: bytes) -> RollHeader:
    """Reads the header of a roll file, whose first bytes (HEADER_MAX + 4 suffice) are given."""
    stop = first_document(data)
    items = _event_object(data, 4, stop, 0, "header", ("SCQStore",))
    fieldless = not any(item.name for item in items)
    if fieldless:
        # 9.11: no names, so the order speaks.
        if len(items) < 2:
            raise _damage("a header without names needs writePosition and indexing", 4)
        fields = dict(zip(("writePosition", "indexing", "dataFormat"), items, strict=False))
        inner = _as_fields(items[1], "indexing", items[1].offset)
        indexing = dict(zip(("indexCount", "indexSpacing", "index2Index", "lastIndex"), inner, strict=False))
    else:
        fields = _named(items)
        indexing = _named(_as_fields(fields.get("indexing"), "indexing"))

    position = fields.get("writePosition")
    if position is None:
        raise _damage("field writePosition is missing", 4)
    word: int | None = None
    if position.code == 0x8D:
        if position.value[0] < 2:
            raise _damage(f"writePosition has {position.value[0]} longs, not 2", position.offset)
        write_position, word = struct.unpack_from("<qq", data, position.offset)
    else:
        write_position = as_int(position, "writePosition")
    index2index, last_index = indexing.get("index2Index"), indexing.get("lastIndex")
    header = RollHeader(
        stop=stop,
        fieldless=fieldless,
        write_position=write_position,
        write_position_offset=position.offset,
        sequence_word=word if word is None else word & 2**64 - 1,
        index_count=as_int(indexing.get("indexCount"), "indexCount"),
        index_spacing=as_int(indexing.get("indexSpacing"), "indexSpacing"),
        index2index=as_int(index2index, "index2Index"),
        index2index_offset=0 if index2index is None else index2index.offset,
        last_index=as_int(last_index, "lastIndex"),
        last_index_offset=0 if last_index is None else last_index.offset,
        data_format=as_int(fields["dataFormat"], "dataFormat") if "dataFormat" in fields else 0,
        roll=_read_roll_settings(fields.get("roll")),
    )
    for what, value, low, high in (
        ("indexCount", header.index_count, 8, 1 << 20),
        ("indexSpacing", header.index_spacing, 1, 1 << 30),
    ):
        if not low <= value <= high or value & (value - 1):
            raise _damage(f"{what} is {value}, not a power of two within {low}..{high}", 4)
    return header


class TableEntry(NamedTuple):
    """A key of a table store."""

    key: str
    value: int
    offset: int
    """Offset of the value in the file."""
    document: int
    """Offset of the document's header."""


@dataclass(frozen=True, slots=True)
class TableStore:
    """What a ``.cq4t`` file says."""

    roll: RollSettings | None
    """None in a v4 ``directory-listing.cq4t``."""
    wire_type: str | None
    source_id: int
    delta_checkpoint_interval: int | None
    padded: bool
    """False for the table store of release 5.16 and v4, whose documents are not aligned."""
    entries: tuple[TableEntry, ...]
    stop: int
    """Offset of the first header that is not ready: the end of the entries."""

    def values(self) -> dict[str, int]:
        """Values by key in lower case; of two equal keys the first counts, as for Java."""
        found: dict[str, int] = {}
        for entry in self.entries:
            found.setdefault(entry.key.lower(), entry.value)
        return found


def parse_table_store(data: bytes) -> TableStore:
    """Reads a table store, whose whole bytes are given."""
    stop = first_document(data)
    fields = _named(_event_object(data, 4, stop, 0, "header", ("STStore",)))
    metadata = fields.get("metadata")
    inner = _named(metadata.value) if metadata is not None and isinstance(metadata.value, list) else {}
    # Only a store with a TimedStoreRecovery is unpadded: 5.16 and v4. After the header both rules agree, because every
    # entry ends with an aligned value.
    padded = "recovery" not in fields
    entries = []
    at = stop
    for at, word in documents(lambda offset, size: data[offset : offset + size], len(data), padded=padded):
        if at == 0 or word == 0 or word & (NOT_COMPLETE | META_DATA):
            continue
        entries.append(_read_entry(data, at, at + 4 + word))
    return TableStore(
        roll=_read_roll_settings(inner.get("roll")),
        wire_type=_as_text(fields.get("wireType")),
        source_id=as_int(inner["sourceId"], "sourceId") if "sourceId" in inner else 0,
        delta_checkpoint_interval=(
            as_int(inner["deltaCheckpointInterval"], "deltaCheckpointInterval")
            if "deltaCheckpointInterval" in inner
            else None
        ),
        padded=padded,
        entries=tuple(entries),
        stop=at,
    )


def _read_entry(data: bytes, document: int, stop: int) -> TableEntry:
    try:
        name, at = _name(data, document + 4, stop, 0)
        item, _ = _value(data, at, stop, 0, 0, name)
    except CorruptError as cause:
        raise CorruptError(f"cannot read an entry of a table store: {cause.message}", offset=cause.offset) from cause
    if name is None or not isinstance(item.value, int) or item.code not in (0xA7, 0):
        raise CorruptError("cannot read an entry of a table store: it is not a name with a long", offset=document)
    return TableEntry(name, item.value, item.offset, document)


class IndexPage(NamedTuple):
    """A page of slots."""

    event: str
    capacity: int
    used: int
    slots: tuple[int, ...]
    slots_offset: int


def index_event(data: bytes) -> str | None:
    """Which kind of index page a metadata document's first payload bytes announce, or None."""
    for event in ("index2index", "index"):
        if data.startswith(bytes([0xB9, len(event)]) + event.encode()):
            return event
    return None


def parse_index_page(data: bytes, offset: int) -> IndexPage:
    """Reads an index page, given its whole document (header word included), which stands at ``offset``."""
    stop = len(data)
    if stop < 4:
        raise CorruptError("cannot read an index page: it is cut off", offset=offset)
    try:
        name, at = _name(data, 4, stop, offset)
        item, _ = _value(data, at, stop, offset, 0)
    except (CorruptError, IndexError) as cause:
        raise CorruptError(f"cannot read an index page: {cause}", offset=offset) from cause
    if name not in ("index", "index2index") or item.code != 0x8D:
        raise CorruptError("cannot read an index page: it is not an index with an array", offset=offset)
    capacity, used = item.value
    slots = struct.unpack_from(f"<{capacity}q", data, item.offset - offset)
    return IndexPage(name, capacity, used, slots, item.offset)


# --- documents of a file ---------------------------------------------------------------------------

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: up to that many bytes; fewer where the file ends."""

_CHUNK_MIN = 1 << 16  # Small files and sparse tails cost little,
_CHUNK_MAX = 1 << 20  # long ones few calls.


def documents(read: Read, size: int, *, padded: bool, start: int = 0) -> Iterator[tuple[int, int]]:
    """(offset, header word) of each ready document from ``start`` on, then of what ends them.

    The last pair has a word that is not ready: 0 for the end of data (also where the file ends), EOF for a closed
    cycle, or another with NOT_COMPLETE set. Raises CorruptError where a document would reach beyond ``size`` or is
    empty metadata, which nobody writes. Reads in chunks, and nothing beyond the chunk that holds the end.
    """
    word_at = struct.Struct("<I").unpack_from
    gap, mask = (3, ~3) if padded else (0, -1)
    position, chunk_size = start, _CHUNK_MIN
    while True:
        chunk = read(position, min(chunk_size, size - position)) if position < size else b""
        chunk_size = min(2 * chunk_size, _CHUNK_MAX)
        last = len(chunk) - 4
        if last < 0:
            yield position, 0
            return
        at = 0
        while at <= last:
            (word,) = word_at(chunk, at)
            if word == 0 or word >= NOT_COMPLETE:
                yield position + at, word
                return
            stop = at + 4 + (word & LENGTH_MASK)
            if position + stop > size or word == META_DATA:
                length = word & LENGTH_MASK
                raise CorruptError(
                    f"cannot walk on: a document of {length} bytes, {size - position - at - 4} are left",
                    offset=position + at,
                )
            yield position + at, word
            at = (stop + gap) & mask
        position += at


def any_roll_settings(directory: str, names: Sequence[str]) -> bool:
    """Whether the first readable one of these roll files carries its own roll settings, as those of v4 do."""
    for name in names:
        path = os.path.join(directory, name)
        if not os.path.isfile(path):  # Opening a pipe would hang.
            continue
        try:
            with open(path, "rb") as file:
                return parse_roll_header(file.read(HEADER_MAX + 4)).roll is not None
        except (OSError, CorruptError):
            continue
    return False
