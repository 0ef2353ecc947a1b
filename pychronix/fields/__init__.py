"""Typed fields within an excerpt: cursors that write and read them as Java's ``Bytes`` does.

The decision hidden here is how each kind of field looks as bytes. Pure: bytes-like in, values out. ``Appender.writing()``
and ``Tailer.reading()`` hand out these cursors over an excerpt; alone they serve any bytes. ``objects`` has what stands
for Java's objects, ``layouts`` fields named by a text, ``records`` many excerpts of one fixed layout at once.

Two dialects, which agree in most kinds (docs/fields.md has the table of Java's names, ours and the bytes):
- "v3": ``net.openhft.lang.io.Bytes`` of Chronicle 3.x, lang 6.7 (spec chronicle-3 4);
- "v5": ``net.openhft.chronicle.bytes.Bytes`` of Chronicle Queue 5 and 2026 (``wire.bytes()``).

Rules
- Numbers are little-endian, fields are not aligned and have no tags: what is read must be read as it was written.
- A value out of range, or one that Java could not read back, is a UsageError (a ValueError); a field that reaches beyond
  the end is an EndOfDocumentError; bytes that are no such field are an EncodingError. The position has then not moved.
- Where Java has null, it is None.
- One Python frame for a field of fixed size: the struct is compiled, the room is there already, and only what fails
  goes on to make room or to tell why.
"""

from pychronix.fields.kinds import DIALECTS
from pychronix.fields.layouts import Field, parse_layout, read_fields, write_fields
from pychronix.fields.lines import array_of, line_of, to_json_text, values_of_array, values_of_line
from pychronix.fields.objects import (
    JavaBigInteger,
    JavaByte,
    JavaClass,
    JavaDate,
    JavaDouble,
    JavaFloat,
    JavaInteger,
    JavaObject,
    JavaSerialized,
    JavaShort,
)
from pychronix.fields.reading import FieldReader
from pychronix.fields.writing import FieldWriter

__all__ = [
    "DIALECTS",
    "Field",
    "FieldReader",
    "FieldWriter",
    "JavaBigInteger",
    "JavaByte",
    "JavaClass",
    "JavaDate",
    "JavaDouble",
    "JavaFloat",
    "JavaInteger",
    "JavaObject",
    "JavaSerialized",
    "JavaShort",
    "array_of",
    "line_of",
    "parse_layout",
    "read_fields",
    "to_json_text",
    "values_of_array",
    "values_of_line",
    "write_fields",
]
