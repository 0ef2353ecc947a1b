"""What the tests of typed fields write beside either Java, and when what comes back is the same."""

from __future__ import annotations

import math
import struct

LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1
TEXTS = [
    None, "", "hello", "é", "€", "\U0001f600", "a\0b", "x" * 127, "x" * 128, "€" * 43, "\ud83d", "\ude00\ud83d",
    "\U0010ffff" * 3, "\x7f\x80߿ࠀ\uffff",
]  # fmt: skip
FLOATS = [0.0, -0.0, 1.0, 1.5, -2.75, math.inf, -math.inf, math.nan, 2.0**-149, 3.4028234663852886e38]
DOUBLES = [*FLOATS, 1.1, math.pi, 1e300, 5e-324, 1.7976931348623157e308]


def joined(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return value


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))
    return joined(one) == joined(other) and type(one) is type(other)
