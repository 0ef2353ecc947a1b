"""Chronicle Wire: what an excerpt says, as Python values, and Python values as documents that Java reads.

The decision hidden here is the encoding of values, names and nesting (BINARY_LIGHT and its kin; spec 9). Pure: bytes-like
in, values out. No class of Java is needed: an unknown type is a Typed.

``text`` has Java's UTF-8 and stop-bit numbers, ``codes`` the table of codes, ``values`` what stands for values that Python
has no word for.
"""

from pychronix.wire.text import decode_text, encode_text, from_utf8, stop_bit, to_utf8
from pychronix.wire.values import History, LongArray, Opaque, Pairs, Typed, TypeLiteral

__all__ = [
    "History",
    "LongArray",
    "Opaque",
    "Pairs",
    "TypeLiteral",
    "Typed",
    "decode_text",
    "encode_text",
    "from_utf8",
    "stop_bit",
    "to_utf8",
]
