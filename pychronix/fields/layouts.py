"""Layouts: a short text that names the fields of an excerpt one after the other, for command lines and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from pychronix.errors import UsageError
from pychronix.fields.kinds import as_text
from pychronix.fields.reading import FieldReader
from pychronix.fields.writing import FieldWriter
from pychronix.wire import from_utf8, to_utf8

__all__ = ["Field", "parse_layout", "read_fields", "write_fields"]

_TRUE, _FALSE = {"t", "true", "y", "yes", "1"}, {"f", "false", "n", "no", "0"}


class Field(NamedTuple):
    """One field of a layout: its kind, the name it was given, and its size where the kind has one."""

    kind: str
    name: str | None = None
    size: int | None = None

    def __str__(self) -> str:
        size = "" if self.size is None else f"({self.size})"
        return f"{'' if self.name is None else self.name + ':'}{self.kind}{size}"

    @property
    def has_value(self) -> bool:
        """Whether it stands for a value: skip and align do not."""
        return self.kind not in ("skip", "align")

    def value_of(self, text: str) -> object:
        """The value that a text stands for, as on a command line: numbers, true and false, hex for bytes, or text."""
        convert = _CONVERT.get(self.kind, str)
        try:
            return convert(text)
        except (ValueError, ArithmeticError) as cause:
            raise UsageError(f"{text!r} is no value of a field {self}: {cause}") from cause


def _boolean_of(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return text.lower() in _TRUE


def _int_of(text: str) -> int:
    return int(text, 0)


# fmt: off
_INTEGERS = [
    "byte", "unsigned_byte", "short", "unsigned_short", "int24", "unsigned_int24", "int", "unsigned_int", "int48", "long",
    "compact_short", "compact_unsigned_short", "compact_int", "compact_unsigned_int", "compact_long", "stop_bit",
    "big_integer",
]
# fmt: on
_FLOATS = ["float", "double", "compact_double", "stop_bit_double"]
# Kinds that are the names of the methods; utf is the usual string, as people call it, and utf_short Java's writeUTF.
_METHODS = {
    kind: kind for kind in [*_INTEGERS, *_FLOATS, "boolean", "char", "big_decimal", "string", "8bit_text", "enum"]
}
_METHODS |= {"utf": "string", "utf_short": "utf", "bytes_with_length": "with_length", "object": "object"}
_METHODS |= {
    "list": "list",
    "map": "map",
    "object_list": "list",
    "object_map": "map",
    "bytes": "bytes",
    "chars": "chars",
}
_LETTERS = {
    "b": "byte", "B": "unsigned_byte", "h": "short", "H": "unsigned_short", "i": "int", "I": "unsigned_int", "q": "long",
    "f": "float", "d": "double", "?": "boolean", "c": "char",
}  # fmt: skip
# Collections whose elements, or values, are read as objects instead of text.
_ELEMENTS: dict[str, tuple[type, ...]] = {"object_list": (object,), "object_map": (str, object)}
_SIZED = {"bytes", "chars", "text", "skip", "align"}
_KINDS = {**_METHODS, "rest": "read", "text": "read", "skip": "skip", "align": "align"}
_CONVERT: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(_INTEGERS, _int_of),
    **dict.fromkeys(_FLOATS, float),
    **dict.fromkeys(["bytes", "bytes_with_length", "rest"], bytes.fromhex),
    "boolean": _boolean_of,
    "big_decimal": Decimal,
}
_ITEM = re.compile(r"\s*(?:([^:,()]+):)?\s*([A-Za-z0-9_?Δ]+)\s*(?:\(\s*([0-9]+)\s*\))?\s*")


def parse_layout(text: str) -> tuple[Field, ...]:
    """The fields that a layout names: ``i,q,utf`` or ``id:long, side:char, price:double, skip(4), tag:bytes(8)``.

    Items are separated by commas; each is a kind, with a name and a colon before it if it has one. A kind is a letter of
    struct (b B h H i I q f d ? c), or named as its methods are (``compact_int`` for ``read_compact_int``), or one of
    ``utf`` (the usual string, the same as ``string``), ``utf_short`` (Java's writeUTF), ``bytes(n)``, ``chars(n)``,
    ``text(n)`` (a text of n bytes), ``object_list`` and ``object_map`` (a list and a map with objects in them),
    ``skip(n)``, ``align(n)``, ``bytes_with_length``, and ``rest`` (all remaining bytes). Raises UsageError.
    """
    fields: list[Field] = []
    names: set[str] = set()
    for item in as_text(text, "a layout").split(","):
        found = _ITEM.fullmatch(item)
        kind = found and _LETTERS.get(found[2], found[2])
        if found is None or kind not in _KINDS:
            raise UsageError(
                f"unknown field {item.strip()!r} in the layout {text!r}",
                hint=f"a kind is one of {' '.join(_LETTERS)} or {' '.join(sorted(_KINDS))}",
            )
        if (found[3] is None) == (kind in _SIZED):
            raise UsageError(
                f"the field {item.strip()!r} {'needs' if kind in _SIZED else 'has no'} size",
                hint="for instance bytes(8)",
            )
        name = found[1] and found[1].strip()
        if name is not None and name in names:
            raise UsageError(f"two fields are called {name!r} in the layout {text!r}")
        names |= {name} if name else set()
        fields.append(Field(kind, name, None if found[3] is None else int(found[3])))
    return tuple(fields)


def _fields(layout: str | Sequence[Field]) -> Sequence[Field]:
    return parse_layout(layout) if isinstance(layout, str) else layout


def read_fields(doc: FieldReader, layout: str | Sequence[Field]) -> list[Any]:
    """The values of a layout's fields, read one after the other; skip and align have none.

    Raises what the single reads raise; the position is then where it was before the first.
    """
    at = doc.position
    values: list[Any] = []
    try:
        for field in _fields(layout):
            if field.kind == "rest":
                values.append(doc.read())
            elif field.kind == "text":
                values.append(from_utf8(doc.read(field.size)))
            elif not field.has_value:
                getattr(doc, field.kind)(field.size)
            else:
                read = getattr(doc, f"read_{_METHODS[field.kind]}")
                values.append(read(*_ELEMENTS.get(field.kind, ())) if field.size is None else read(field.size))
    except BaseException:
        doc.position = at
        raise
    return values


def write_fields(doc: FieldWriter, layout: str | Sequence[Field], values: Iterable[object]) -> None:
    """Writes the values of a layout's fields one after the other; skip and align write zeros and take no value.

    Raises UsageError where the number of values, or the length of bytes(n), chars(n) or text(n), is another one, and
    what the single writes raise. At the end of the document nothing of them is written then.
    """
    fields = _fields(layout)
    given = list(values)
    wanted = sum(field.has_value for field in fields)
    if len(given) != wanted:
        raise UsageError(f"the layout has {wanted} fields with a value, not {len(given)}")
    at, end = doc.position, len(doc)
    try:
        _write_fields(doc, fields, iter(given))
    except BaseException:
        if at == end:
            doc.truncate(at)
        raise


def _write_fields(doc: FieldWriter, fields: Sequence[Field], values: Iterator[object]) -> None:
    for field in fields:
        if field.kind == "skip":
            doc.pad(field.size or 0)
        elif field.kind == "align":
            doc.align(field.size or 0)
        elif field.kind == "rest":
            doc.write(next(values))  # type: ignore[arg-type]
        elif field.kind == "text":
            raw = to_utf8(as_text(next(values)))
            _check_size(field, raw)
            doc.write(raw)
        else:
            value = next(values)
            if field.size is not None:
                _check_size(field, value)
            getattr(doc, f"write_{_METHODS[field.kind]}")(value)


def _check_size(field: Field, value: object) -> None:
    size = len(value.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(value, str) else len(value)  # type: ignore[arg-type]
    if size != field.size:
        raise UsageError(f"the field {field} has {field.size} units, not {size}")
