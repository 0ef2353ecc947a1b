"""The codes of Chronicle Wire's binary form: one byte before each item (Java's BinaryWireCode, spec 9.2)."""

from __future__ import annotations

from typing import Final

__all__ = ["BLOCK_HEADS", "DELTA", "NAMES", "name_of"]

BYTES_LENGTH8: Final = 0x80
BYTES_LENGTH16: Final = 0x81
BYTES_LENGTH32: Final = 0x82
HISTORY_MESSAGE: Final = 0x86
FIELD_ANCHOR: Final = 0x87
ANCHOR: Final = 0x88
UPDATED_ALIAS: Final = 0x89
U8_ARRAY: Final = 0x8A
I64_ARRAY: Final = 0x8D
PADDING32: Final = 0x8E
PADDING: Final = 0x8F
FLOAT32: Final = 0x90
FLOAT64: Final = 0x91
FLOAT_STOP_2: Final = 0x92
FLOAT_STOP_4: Final = 0x94
FLOAT_STOP_6: Final = 0x96
FLOAT_SET_LOW_0: Final = 0x9A
FLOAT_SET_LOW_2: Final = 0x9B
FLOAT_SET_LOW_4: Final = 0x9C
UUID: Final = 0xA0
UINT8: Final = 0xA1
UINT16: Final = 0xA2
UINT32: Final = 0xA3
INT8: Final = 0xA4
INT16: Final = 0xA5
INT32: Final = 0xA6
INT64: Final = 0xA7
SET_LOW_INT8: Final = 0xA8
SET_LOW_INT16: Final = 0xA9
INT64_0X: Final = 0xAF
FALSE: Final = 0xB0
TRUE: Final = 0xB1
TIME: Final = 0xB2
DATE: Final = 0xB3
DATE_TIME: Final = 0xB4
ZONED_DATE_TIME: Final = 0xB5
TYPE_PREFIX: Final = 0xB6
FIELD_NAME_ANY: Final = 0xB7
STRING_ANY: Final = 0xB8
EVENT_NAME: Final = 0xB9
FIELD_NUMBER: Final = 0xBA
NULL: Final = 0xBB
TYPE_LITERAL: Final = 0xBC
EVENT_OBJECT: Final = 0xBD
COMMENT: Final = 0xBE
HINT: Final = 0xBF
FIELD_NAME0: Final = 0xC0  # 0xC0 + n: a name of n < 32 characters
STRING0: Final = 0xE0  # 0xE0 + n: a text of n < 32 bytes

# Code -> Java's name of it; the two families and the small integers have none of their own.
NAMES: Final[dict[int, str]] = {
    value: name
    for name, value in list(globals().items())
    if name.isupper() and type(value) is int and name not in ("FIELD_NAME0", "STRING0")
}

# A block's code -> bytes before its content: the code and the length.
BLOCK_HEADS: Final = {BYTES_LENGTH8: 2, BYTES_LENGTH16: 3, BYTES_LENGTH32: 5}

# Written by the licensed delta wire alone: they change a value that an earlier document told, so no document with one can
# be understood by itself.
DELTA: Final = frozenset(
    (
        FIELD_ANCHOR,
        ANCHOR,
        UPDATED_ALIAS,
        FLOAT_SET_LOW_0,
        FLOAT_SET_LOW_2,
        FLOAT_SET_LOW_4,
        SET_LOW_INT8,
        SET_LOW_INT16,
    )
)


def name_of(code: int) -> str:
    """Java's name of a code, ``"INT32"``, or what family it belongs to."""
    if code < BYTES_LENGTH8:
        return "small integer"
    if code >= STRING0:
        return f"STRING{code - STRING0}"
    if code >= FIELD_NAME0:
        return f"FIELD_NAME{code - FIELD_NAME0}"
    return NAMES.get(code, "unused")
