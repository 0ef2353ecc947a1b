"""Chronicle Wire: what an excerpt says, as Python values, and Python values as documents that Java reads.

The decision hidden here is the encoding of values, names and nesting (BINARY_LIGHT and its kin; spec 9). Pure: bytes-like
in, values out. No class of Java is needed: an unknown type is a Typed.

``encoding`` makes documents of values, ``writing`` writes them item by item, ``scalars`` has the bytes of single items.
``text`` has Java's UTF-8 and stop-bit numbers, ``codes`` the table of codes, ``values`` what stands for values that Python
has no word for, ``times`` the texts of times. ``walking`` knows the grammar; ``decoding`` reads it fast; ``document`` is
one excerpt as a program sees it. ``yaml_out`` and ``json_out`` show documents as text, ``text_in`` reads it; they and
PyYAML are imported when they are first used. ``shapes`` decodes many documents at once, ``tables`` makes columns of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pychronix.wire.decoding import decode
from pychronix.wire.document import Document, ValueReader
from pychronix.wire.encoding import alias, alias_of, encode, encode_document, encode_event, encode_map
from pychronix.wire.text import decode_text, encode_text, from_utf8, stop_bit, to_utf8
from pychronix.wire.times import NanoDateTime, NanoTime
from pychronix.wire.values import History, LongArray, Opaque, Pairs, Typed, TypeLiteral
from pychronix.wire.walking import Limits, Token, walk
from pychronix.wire.writing import ValueWriter, WireWriter

if TYPE_CHECKING:
    from pychronix.wire.json_out import to_json, value_to_json
    from pychronix.wire.text_in import parse_json, parse_text, parse_yaml, parse_yaml_all
    from pychronix.wire.yaml_out import to_yaml, value_to_yaml

__all__ = [
    "Document",
    "History",
    "Limits",
    "LongArray",
    "NanoDateTime",
    "NanoTime",
    "Opaque",
    "Pairs",
    "Token",
    "TypeLiteral",
    "Typed",
    "ValueReader",
    "ValueWriter",
    "WireWriter",
    "alias",
    "alias_of",
    "decode",
    "decode_text",
    "encode",
    "encode_document",
    "encode_event",
    "encode_map",
    "encode_text",
    "from_utf8",
    "parse_json",
    "parse_text",
    "parse_yaml",
    "parse_yaml_all",
    "stop_bit",
    "to_json",
    "to_utf8",
    "to_yaml",
    "value_to_json",
    "value_to_yaml",
    "walk",
]

_LATE = {
    **dict.fromkeys(("to_json", "value_to_json"), "json_out"),
    **dict.fromkeys(("parse_json", "parse_text", "parse_yaml", "parse_yaml_all"), "text_in"),
    **dict.fromkeys(("to_yaml", "value_to_yaml"), "yaml_out"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
