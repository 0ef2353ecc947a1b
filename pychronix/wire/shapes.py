"""Documents in bulk: those of one shape are taken apart together, and their values made column by column.

The decision hidden here is when a document need not go through the general decoder. A shape is what documents have in
common that differ in their scalar values alone: the same names in the same order, the same nesting. It is learnt from
one document; the core takes the documents of a batch that are of it apart, into columns of numbers and places; Python
makes all values of a column at once, and a function generated for the shape puts them together.

Rules
- The results are the general decoder's, always. A shape is used only if the document that it was learnt from comes out
  as the general decoder has it. What does not fit a shape to its last byte goes to the general decoder, and so does a
  batch in which anything fails: no error is raised here but those of ``decode``.
- A lesson costs as much as decoding a few documents, so it is earned: one for every ``_LESSON`` documents that fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any, NamedTuple, Protocol, TypeAlias

from pychronix.errors import WireError
from pychronix.wire import codes
from pychronix.wire.decoding import BYTES_TYPES
from pychronix.wire.tables import Part, Table, joined_path, merged
from pychronix.wire.text import from_utf8
from pychronix.wire.values import Typed
from pychronix.wire.walking import COMPRESSIONS

__all__ = ["Cells", "Documents", "Shapes"]

_SHAPES_MAX = 64  # Each costs a look at every document that was not taken by those before it.
_SAMPLE_MAX = 1 << 16  # Bytes of a document that is learnt from: it is kept, and its names become source.
_LESSON = 64
_FIRST_LESSONS = 8
_NUMBER_MAX = 255
_HISTORY_NAMES = ("history", "-1")
_SPECIAL_TYPES = BYTES_TYPES | COMPRESSIONS.keys()  # What these become depends on what follows them.

# chronix_api.h: CX_STEP_*, CX_CELL_*.
_SAME, _VALUE, _OPEN, _CLOSE, _HISTORY = 1, 2, 3, 4, 5
_INT, _FLOAT, _TEXT, _NULL, _FALSE, _TRUE, _BYTES, _OTHER = 1, 2, 3, 4, 5, 6, 7, 8
_CONSTANTS = {_NULL: None, _FALSE: False, _TRUE: True}
_ONLY = [bytes(kind == number for number in range(256)) for kind in range(_OTHER + 1)]
"""Kind -> a table for bytes.translate that gives 1 for this kind and 0 for all others."""

Step: TypeAlias = tuple[int, int, int]
"""What it is, and the offset and length of its bytes in the document that the shape was learnt from."""


class Documents(Protocol):
    """A batch of payloads in memory."""

    @property
    def count(self) -> int:
        """How many they are."""

    def payload(self, at: int) -> bytes:
        """One of them."""

    def piece(self, extent: int) -> bytes:
        """What an extent, out of a cell, refers to."""


class Cells(Protocol):
    """The native side: see cx_shape, cx_columns and cx_texts in chronix_api.h."""

    def shape_of(self, document: bytes) -> list[Step]:
        """The steps of a document's shape; none if it has none."""

    def plan(self, document: bytes, steps: list[Step]) -> Any:
        """What ``take`` needs of a shape."""

    def begin(self, documents: Any) -> None:
        """From here on, of these: none of them is taken."""

    def take(self, plan: Any, number: int) -> int:
        """Takes the documents apart that are of this shape and not taken yet: their number. The cells are theirs then."""

    def numbers(self) -> bytes:
        """The number of the shape by which each document was taken, 0 if it was not."""

    def kinds(self, slot: int) -> bytes:
        """What the cells of a column are."""

    def raw(self, slot: int) -> bytes:
        """The cells of a column as 64-bit words."""

    def ints(self, slot: int) -> list[int]:
        """The same as integers."""

    def floats(self, slot: int) -> list[float]:
        """The same as floats."""

    def texts(self, slot: int) -> tuple[bytes, bool] | None:
        """A column's texts ("" for other cells), a zero byte after each; whether all is ASCII. None: one has zero bytes."""


class Shapes:
    """The shapes that one reader has seen, and what they make of its documents.

    ``decode`` is the general decoder of a document, ``decode_value`` the one of a bare value in binary. Without ``learns``
    there are no shapes.
    """

    def __init__(
        self,
        cells: Cells,
        decode: Callable[[bytes], Any],
        decode_value: Callable[[bytes], Any],
        *,
        learns: bool = True,
    ) -> None:
        self._cells = cells
        self._decode = decode
        self._decode_value = decode_value
        self._shapes: list[_Shape] = []
        self._lessons = _FIRST_LESSONS if learns else 0
        self._unpaid = 0  # Documents that fitted since the last lesson was earned.
        self._crowded = False

    def values(self, documents: Documents) -> tuple[list[Any], WireError | None]:
        """What ``decode`` gives for each document; where it raises for one, for those before it, and the error."""
        numbers, taken = self._taken(documents, self._values_of)
        if len(taken) == 1 and 0 not in numbers:
            return next(iter(taken.values())), None
        numbers, general, error = self._general(documents, numbers)
        return merged(numbers, {0: general, **taken}), error

    def add_to(self, table: Table, documents: Documents) -> WireError | None:
        """Adds the documents to a table; where ``decode`` raises for one, those before it, and the error."""
        numbers, taken = self._taken(documents, self._raw_parts_of if table.raw else self._parts_of)
        if len(taken) == 1 and 0 not in numbers:
            table.add(len(numbers), next(iter(taken.values())))
            return None
        numbers, general, error = self._general(documents, numbers)
        table.add_mixed(numbers, taken, general)
        return error

    # Who takes which document.

    def _taken(self, documents: Documents, make: Callable[[_Shape, Documents], Any]) -> tuple[bytes, dict[int, Any]]:
        """Each document's number of a shape, 0 for the general decoder; and what ``make`` makes of those of a shape."""
        cells, count = self._cells, documents.count
        if self._crowded:
            # There are documents that fit none, and no room: the half that fitted least is forgotten.
            self._crowded = False
            self._shapes = sorted(self._shapes, key=lambda shape: -shape.hits)[: _SHAPES_MAX // 2]
            for shape in self._shapes:
                shape.hits = 0
        cells.begin(documents)
        taken: dict[int, Any] = {}
        refused = b""
        done = 0
        try:
            for number, shape in enumerate(self._shapes, 1):
                rows = cells.take(shape.plan, number)
                if rows:
                    taken[number] = make(shape, documents)
                    shape.hits += rows
                    done += rows
                    if done == count:
                        break
            number, asked = len(self._shapes), -1
            while done < count and self._lessons and len(self._shapes) < _SHAPES_MAX and number < _NUMBER_MAX:
                # The documents before this one are taken, or no shape was to be learnt from them.
                asked = cells.numbers().find(0, asked + 1)
                if asked < 0:
                    break
                self._lessons -= 1
                document = documents.payload(asked)
                learnt = _shape_of(document, cells)
                if learnt is None:
                    continue
                number += 1
                rows = cells.take(learnt.plan, number)
                if not self._agrees(self._values_of(learnt, documents)[0], document):
                    refused += bytes((number,))
                    continue
                self._shapes.append(learnt)
                taken[number] = make(learnt, documents)
                learnt.hits = rows
                done += rows
        except ValueError:
            # A text that is no text, say. Which document that is, and what is to be said of it, the general decoder knows.
            return bytes(count), {}
        self._crowded = done < count and len(self._shapes) == _SHAPES_MAX
        self._unpaid += done
        self._lessons = min(self._lessons + self._unpaid // _LESSON, _SHAPES_MAX)
        self._unpaid %= _LESSON
        numbers = cells.numbers()
        for number in refused:
            numbers = numbers.replace(bytes((number,)), b"\0")
        return numbers, taken

    def _agrees(self, value: Any, document: bytes) -> bool:
        """Whether the general decoder makes the same of a document, to the types."""
        try:
            return repr(value) == repr(self._decode(document))
        except WireError:
            return False

    def _general(self, documents: Documents, numbers: bytes) -> tuple[bytes, list[Any], WireError | None]:
        """The documents of number 0 by the general decoder; where it raises, what is before that document."""
        found: list[Any] = []
        at = -1
        try:
            while (at := numbers.find(0, at + 1)) >= 0:
                found.append(self._decode(documents.payload(at)))
        except WireError as error:
            return numbers[:at], found, error
        return numbers, found, None

    # Cells into values.

    def _values_of(self, shape: _Shape, documents: Documents) -> list[Any]:
        return self._built(shape.whole, documents)

    def _parts_of(self, shape: _Shape, documents: Documents) -> dict[str, Part]:
        return {path: self._part(leaf, documents) for path, leaf in shape.leaves.items()}

    def _raw_parts_of(self, shape: _Shape, documents: Documents) -> dict[str, Part]:
        return {
            path: self._raw_part(leaf, documents) if leaf.build is None else self._part(leaf, documents)
            for path, leaf in shape.leaves.items()
        }

    def _part(self, leaf: _Builder, documents: Documents) -> Part:
        cells = self._built(leaf, documents)
        return Part("o", len(cells), cells)

    def _raw_part(self, leaf: _Builder, documents: Documents) -> Part:
        cells, slot = self._cells, leaf.slots[0]
        kinds = cells.kinds(slot)
        count = len(kinds)
        ints = kinds.count(_INT)
        if ints == count:
            return Part("i", count, cells.raw(slot))
        floats = kinds.count(_FLOAT)
        if floats == count:
            return Part("f", count, cells.raw(slot))
        if ints + floats == count:
            return Part("m", count, (kinds.translate(_ONLY[_INT]), cells.raw(slot)))
        if kinds.count(_TRUE) + kinds.count(_FALSE) == count:
            return Part("b", count, kinds.translate(_ONLY[_TRUE]))
        if kinds.count(_TEXT) == count:
            return Part("t", count, self._column(slot, documents))
        return self._part(leaf, documents)

    def _built(self, builder: _Builder, documents: Documents) -> list[Any]:
        columns = [self._column(slot, documents) for slot in builder.slots]
        return columns[0] if builder.build is None else builder.build(columns)

    def _column(self, slot: int, documents: Documents) -> list[Any]:
        """The values of a slot."""
        kinds = self._cells.kinds(slot)
        count = len(kinds)
        found: list[tuple[int, int]] = []  # (how many, of which kind)
        for kind in range(_INT, _OTHER + 1):
            cells = kinds.count(kind)
            if cells:
                found.append((cells, kind))
                count -= cells
                if not count:
                    break
        found.sort(reverse=True)
        # The commonest kind makes the column; the others are put into it, cell by cell.
        column = self._cells_of(found[0][1], slot, kinds, documents)
        for _, kind in found[1:]:
            places = compress(range(len(kinds)), kinds.translate(_ONLY[kind]))
            if kind in _CONSTANTS:
                value = _CONSTANTS[kind]
                for at in places:
                    column[at] = value
            else:
                others = self._cells_of(kind, slot, kinds, documents)
                for at in places:
                    column[at] = others[at]
        return column

    def _cells_of(self, kind: int, slot: int, kinds: bytes, documents: Documents) -> list[Any]:
        """A column with the cells of one kind as values; what it has for others means nothing."""
        cells = self._cells
        if kind == _INT:
            return cells.ints(slot)
        if kind == _FLOAT:
            return cells.floats(slot)
        if kind == _TEXT:
            texts = cells.texts(slot)
            if texts is not None:
                data, ascii_only = texts
                found = (data.decode("ascii") if ascii_only else from_utf8(data)).split("\0")
                found.pop()
                return found
        elif kind in _CONSTANTS:
            return [_CONSTANTS[kind]] * len(kinds)
        makers: dict[int, Callable[[bytes], Any]] = {_TEXT: from_utf8, _BYTES: bytes, _OTHER: self._decode_value}
        make, piece = makers[kind], documents.piece
        return [make(piece(cell)) if one == kind else None for one, cell in zip(kinds, cells.ints(slot), strict=True)]


# --- shapes ----------------------------------------------------------------------------------------------------------


class _Node(NamedTuple):
    """A part of a document: a slot, or the items of a mapping or sequence (slot -1); perhaps with a type before it."""

    slot: int
    named: bool
    items: tuple[tuple[str, _Node], ...]
    type_name: str | None


class _Builder(NamedTuple):
    """Makes values of the columns of these slots, in this order; with build None the one column is it."""

    slots: tuple[int, ...]
    build: Callable[[list[list[Any]]], list[Any]] | None


class _Shape:
    """One shape: the core's plan of it, and what its columns become."""

    __slots__ = ("hits", "leaves", "plan", "whole")

    def __init__(self, plan: Any, root: _Node) -> None:
        self.plan = plan
        self.hits = 0
        self.whole = _builder(root)
        self.leaves = {path: _builder(node) for path, node in _leaves(root, "")}
        """Column -> how it comes about."""


def _shape_of(document: bytes, cells: Cells) -> _Shape | None:
    steps = cells.shape_of(document) if len(document) <= _SAMPLE_MAX else []
    if not steps:
        return None
    try:
        root = _Parser(document, steps).root()
    except _Unfit:
        return None
    return _Shape(cells.plan(document, steps), root)


class _Unfit(Exception):
    """Such documents are the general decoder's."""


class _Parser:
    """The tree of a shape's steps."""

    def __init__(self, document: bytes, steps: list[Step]) -> None:
        self._document = document
        self._steps = iter(steps)
        self._slots = 0

    def root(self) -> _Node:
        root = self._items()
        return root if root.named or len(root.items) > 1 else root.items[0][1]

    def _items(self) -> _Node:
        """The items up to the end of the document or of the block."""
        items: list[tuple[str, _Node]] = []
        named = False
        name, type_name = "", None
        for op, start, length in self._steps:
            if op == _CLOSE:
                break
            if op == _SAME:
                raw = self._document[start : start + length]
                if raw[0] == codes.TYPE_PREFIX:
                    type_name = from_utf8(_after_number(raw)[1])
                else:
                    name, named = _name(raw), True
                continue
            if op == _HISTORY:
                # It is no part of the value. After any other name it would be.
                if items or name not in _HISTORY_NAMES:
                    raise _Unfit
                name = ""
                continue
            if name in _HISTORY_NAMES:
                raise _Unfit  # A history in another form.
            if op == _OPEN:
                node = self._items()._replace(type_name=type_name)
            else:
                if type_name in _SPECIAL_TYPES:
                    raise _Unfit
                node = _Node(self._slots, False, (), type_name)
                self._slots += 1
            items.append((name, node))
            type_name = None
        if not items or (named and len(dict(items)) < len(items)):
            raise _Unfit
        return _Node(-1, named, tuple(items), None)


def _after_number(raw: bytes) -> tuple[int, bytes]:
    """The stop-bit number behind a code, and what follows it."""
    number = shift = 0
    for at, byte in enumerate(raw[1:], 1):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (~number if byte == 0 and at > 1 else number), raw[at + 1 :]
    raise _Unfit


def _name(raw: bytes) -> str:
    if raw[0] >= codes.FIELD_NAME0:
        name = raw[1:].decode("iso-8859-1")
    else:
        number, rest = _after_number(raw)
        name = str(number) if raw[0] == codes.FIELD_NUMBER else rest.decode("iso-8859-1")
    return name


def _leaves(node: _Node, path: str) -> Iterator[tuple[str, _Node]]:
    """The columns of a shape, as tables.flattened names them."""
    if node.named:
        for name, item in node.items:
            yield from _leaves(item, joined_path(path, name))
    else:
        yield path or "value", node


def _builder(node: _Node) -> _Builder:
    slots: list[int] = []

    def source(part: _Node) -> str:
        if part.slot >= 0:
            slots.append(part.slot)
            text = f"v{part.slot}"
        elif part.named:
            text = "{" + ", ".join(f"{name!r}: {source(item)}" for name, item in part.items) + "}"
        else:
            text = "[" + ", ".join(source(item) for _, item in part.items) + "]"
        return text if part.type_name is None else f"Typed({part.type_name!r}, {text})"

    text = source(node)
    if node.slot >= 0 and node.type_name is None:
        return _Builder((node.slot,), None)
    # What of a document gets into the source is names, and only as their repr.
    names = "".join(f"v{slot}, " for slot in slots)
    return _Builder(tuple(slots), eval(f"lambda columns: [{text} for {names} in zip(*columns)]", {"Typed": Typed}))
