"""Columns of documents: how mappings become named columns, and columns lists, NumPy arrays or an Arrow table.

The decision hidden here is what a column is called, what stands where a document has no such field, and which type a
column gets. NumPy and pyarrow are imported where they are asked for.

Rules
- A mapping within a mapping lends its name: ``{"order": {"id": 7}}`` has the column ``order.id``. A type name is left
  out. What is no mapping is a cell as it is, a list too; a document that is no mapping at all is in the column ``value``.
- No number changes: a column becomes float64 only if all its integers are floats exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain, repeat
from typing import Any, NamedTuple

from pychronix.errors import UsageError
from pychronix.wire.values import Typed

__all__ = ["Part", "Table", "flattened", "joined_path", "merged"]

_WHOLE = "value"
_EXACT_MAX = 1 << 53
_PLAIN = frozenset((str, bytes, int, float, bool, type(None)))


def joined_path(path: str, key: object) -> str:
    """The column of a key in the mapping that has this path."""
    return f"{path}.{key}" if path else str(key)


def flattened(value: Any) -> dict[str, Any]:
    """Column -> cell of one document. Where two fields have one path, the later one counts."""
    found: dict[str, Any] = {}
    todo: list[Iterator[tuple[str, Any]]] = [iter((("", value),))]
    while todo:
        for path, item in todo[-1]:
            inner = item
            while isinstance(inner, Typed):
                inner = inner.value
            if isinstance(inner, dict) and inner:
                todo.append(_within(path, inner))
                break
            found[path or _WHOLE] = item
        else:
            todo.pop()
    return found


def _within(path: str, mapping: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((joined_path(path, key), item) for key, item in mapping.items())


class Part(NamedTuple):
    """A piece of a column. ``kind`` says what data is:

    "i" int64, "f" float64, "b" bytes of 0 and 1 (bool), all as bytes in the machine's order; "m" a pair of bytes: for each
    cell whether it is an integer, and the int64 or float64; "t" a list of texts; "o" a list; "n" nothing: all missing.
    """

    kind: str
    size: int
    data: Any

    def listed(self) -> list[Any]:
        """Its cells; None where one is missing."""
        kind, size, data = self
        if kind == "o" or kind == "t":
            return data  # type: ignore[no-any-return]
        if kind == "i" or kind == "f":
            return memoryview(data).cast("q" if kind == "i" else "d").tolist()
        if kind == "b":
            return list(map(bool, data))
        if kind == "n":
            return [None] * size
        whole, raw = data
        bits = memoryview(raw)
        return [i if flag else f for flag, i, f in zip(whole, bits.cast("q"), bits.cast("d"), strict=True)]


def merged(numbers: bytes, pieces: Mapping[int, Iterable[Any]]) -> list[Any]:
    """The items of the pieces, in the order in which ``numbers`` names the pieces."""
    iterators = {number: iter(piece) for number, piece in pieces.items()}
    return list(map(next, map(iterators.__getitem__, numbers)))


class Table:
    """Columns of the same length that grow by batches of documents."""

    def __init__(self, raw: bool) -> None:
        self.raw = raw
        """Whether parts should keep numbers as they are in memory; else lists are wanted."""
        self.count = 0
        self._columns: dict[str, list[Part]] = {}

    def add(self, count: int, parts: Mapping[str, Part]) -> None:
        """Adds so many documents; columns without a part have nothing for them."""
        for path, part in parts.items():
            column = self._columns.get(path)
            if column is None:
                self._columns[path] = column = [Part("n", self.count, None)] if self.count else []
            column.append(part)
        if len(parts) < len(self._columns):
            for path, column in self._columns.items():
                if path not in parts:
                    column.append(Part("n", count, None))
        self.count += count

    def add_mixed(self, numbers: bytes, shapes: Mapping[int, Mapping[str, Part]], general: Sequence[Any]) -> None:
        """Adds documents of several shapes; ``numbers`` has each one's shape, 0 for the next one of ``general``."""
        rows = [flattened(value) for value in general]
        # Columns in the order in which the documents bring them.
        paths: dict[str, None] = {}
        unseen, rest = set(shapes), iter(rows)
        for number in numbers:
            if number == 0:
                paths.update(dict.fromkeys(next(rest)))
            elif number in unseen:
                unseen.discard(number)
                paths.update(dict.fromkeys(shapes[number]))
        columns = {}
        for path in paths:
            pieces: dict[int, Iterable[Any]] = {0: [row.get(path) for row in rows]}
            for number, parts in shapes.items():
                pieces[number] = parts[path].listed() if path in parts else repeat(None)
            columns[path] = Part("o", len(numbers), merged(numbers, pieces))
        self.add(len(numbers), columns)

    def lists(self) -> dict[str, list[Any]]:
        """Column -> its cells, None where a document has no such field."""
        return {
            path: list(chain.from_iterable(part.listed() for part in parts)) for path, parts in self._columns.items()
        }

    def arrays(self) -> dict[str, Any]:
        """Column -> NumPy array: int64, float64, bool, or object.

        Missing cells and None are NaN among numbers, and make an object column (with None) of anything else.
        """
        numpy = needed("numpy")
        return {path: _array_of(parts, numpy) for path, parts in self._columns.items()}

    def arrow(self) -> Any:
        """A pyarrow.Table; missing cells and None are null. UsageError for a column of several types."""
        pyarrow = needed("pyarrow")
        return pyarrow.table({path: _arrow_of(path, parts, pyarrow) for path, parts in self._columns.items()})


def needed(module: str) -> Any:
    """A library that pychronix does without until it is asked for; a ModuleNotFoundError says how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:  # It is there, and lacks something itself.
            raise
        raise ModuleNotFoundError(f"this needs {module}: pip install {module}", name=module) from None


# --- NumPy -----------------------------------------------------------------------------------------------------------


def _array_of(parts: list[Part], numpy: Any) -> Any:
    kinds = {part.kind for part in parts if part.size}
    if kinds == {"i"} or kinds == {"f"}:
        data = bytearray().join(part.data for part in parts if part.size)  # Becomes the array's memory: writable.
        return numpy.frombuffer(data, numpy.int64 if kinds == {"i"} else numpy.float64)
    if kinds == {"b"}:
        return numpy.frombuffer(bytearray().join(part.data for part in parts if part.size), numpy.bool_)
    if kinds == {"t"}:
        array, at = numpy.empty(sum(part.size for part in parts), object), 0
        for part in parts:
            array[at : at + part.size] = part.data
            at += part.size
        return array
    if kinds <= {"i", "f", "m", "n"} and kinds - {"n"}:
        floats = [_floats_of(part, numpy) for part in parts if part.size]
        if all(piece is not None for piece in floats):
            return numpy.concatenate(floats)
    return _array_of_list(list(chain.from_iterable(part.listed() for part in parts)), numpy)


def _floats_of(part: Part, numpy: Any) -> Any:
    """float64 of a part with numbers alone; None if an integer among them is none exactly."""
    if part.kind == "n":
        return numpy.full(part.size, numpy.nan)
    whole, raw = (numpy.True_, part.data) if part.kind == "i" else (numpy.False_, part.data)
    if part.kind == "m":
        whole, raw = numpy.frombuffer(part.data[0], numpy.bool_), part.data[1]
    ints = numpy.where(whole, numpy.frombuffer(raw, numpy.int64), 0)
    if ((ints > _EXACT_MAX) | (ints < -_EXACT_MAX)).any():
        return None
    return numpy.where(whole, ints.astype(numpy.float64), numpy.frombuffer(raw, numpy.float64))


def _array_of_list(cells: list[Any], numpy: Any) -> Any:
    types = set(map(type, cells))
    if types == {bool}:
        return numpy.array(cells, numpy.bool_)
    if types == {int} and all(-(1 << 63) <= cell < 1 << 63 for cell in cells):
        return numpy.array(cells, numpy.int64)
    if types <= {int, float, type(None)} and types - {type(None)} and _exact(cells):
        return numpy.array([numpy.nan if cell is None else cell for cell in cells], numpy.float64)
    array = numpy.empty(len(cells), object)
    if types <= _PLAIN:
        array[:] = cells
    else:
        for at, cell in enumerate(cells):  # One by one: NumPy would take lists for another dimension.
            array[at] = cell
    return array


def _exact(cells: Iterable[Any]) -> bool:
    return all(type(cell) is not int or -_EXACT_MAX <= cell <= _EXACT_MAX for cell in cells)


# --- Arrow -----------------------------------------------------------------------------------------------------------


def _arrow_of(path: str, parts: list[Part], pyarrow: Any) -> Any:
    kinds = {part.kind for part in parts if part.size}
    if kinds == {"i"} or kinds == {"f"}:
        data = b"".join(part.data for part in parts if part.size)
        kind = pyarrow.int64() if kinds == {"i"} else pyarrow.float64()
        return pyarrow.Array.from_buffers(kind, len(data) // 8, [None, pyarrow.py_buffer(data)])
    cells = list(chain.from_iterable(part.listed() for part in parts))
    types = set(map(type, cells)) - {type(None)}
    try:
        if types == {int, float} and _exact(cells):
            return pyarrow.array(cells, pyarrow.float64())
        if types - {int, float, bool} or len(types) <= 1:
            return pyarrow.array(cells)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as cause:
        raise _no_arrow(path, types) from cause
    raise _no_arrow(path, types)


def _no_arrow(path: str, types: set[type]) -> UsageError:
    names = ", ".join(sorted(kind.__name__ for kind in types))
    return UsageError(
        f"the column {path!r} holds {names}, which Arrow has no one type for", hint='into="columns" takes anything'
    )
