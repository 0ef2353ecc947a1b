"""Documents made by the byte, for the tests of bulk decoding: every code in every width, padding, comments, damage.

A *layout* is a random structure of names; its documents differ in their values, and in how those are coded. `mixed` gives
payloads of several layouts, some of them damaged.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from pychronix.wire import stop_bit

NAMES = [
    "a",
    "b",
    "id",
    "px",
    "side",
    "qty",
    "é",
    "",
    "a.b",
    "history",
    "x" * 40,
    "class",
    "'",
    "\\",
    "12",
    "-1",
    "{0}",
]
TYPES = ["Abc", "!map", "!set", "byte[]", "!bitset", "lzw", "com.x.Ä", "java.util.Date", "'"]
TEXTS = ["", "A", "BUY", "hello world", "x" * 31, "y" * 32, "z" * 300, "é", "€uro", "\0", "a\0b", "\x7f", "2024-03-05"]
RAW_TEXTS = [text.encode() for text in TEXTS] + [
    b"\xed\xa0\xbd\xed\xb8\x80",  # CESU-8
    b"\xf0\x9f\x98\x80",  # the same in UTF-8 proper
    b"\xed\xa0\xbd",  # half of a pair
    b"\xed\xb8\x80",  # the other half
]
BROKEN_TEXTS = [b"\xff", b"\xc3", b"\x80abc", b"ab\xe2\x82"]


def utf8(raw: bytes) -> bytes:
    return stop_bit(len(raw)) + raw


def text(raw: bytes, rng: random.Random) -> bytes:
    if len(raw) < 32 and rng.random() < 0.8:
        return bytes((0xE0 + len(raw),)) + raw
    return b"\xb8" + utf8(raw)


def name(what: str, rng: random.Random) -> bytes:
    raw = what.encode("latin-1")
    kinds = [b"\xb7" + utf8(raw), b"\xb9" + utf8(raw)]
    if len(raw) < 32:
        kinds += [bytes((0xC0 + len(raw),)) + raw] * 6
    if what.lstrip("-").isdigit():
        kinds += [b"\xba" + stop_bit(int(what))] * 6
    return rng.choice(kinds)


def block(content: bytes, rng: random.Random) -> bytes:
    heads = [b"\x82" + struct.pack("<I", len(content))] * 4
    if len(content) < 256:
        heads.append(b"\x80" + bytes((len(content),)))
    if len(content) < 65536:
        heads.append(b"\x81" + struct.pack("<H", len(content)))
    return rng.choice(heads) + content


def integer(rng: random.Random) -> bytes:
    code = rng.choice(b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xaf\xa1\xa7")
    size = {0xA1: 1, 0xA4: 1, 0xA2: 2, 0xA5: 2, 0xA3: 4, 0xA6: 4, 0xA7: 8, 0xAF: 8}[code]
    edge = rng.choice([bytes(size), b"\xff" * size, b"\x00" * (size - 1) + b"\x80", b"\xff" * (size - 1) + b"\x7f"])
    return bytes((code,)) + rng.choice([edge, rng.randbytes(size)])


FLOAT32 = [0.0, -0.0, 1.5, 65536.0, 2.0**31, -(2.0**31), 2.0**32, -(2.0**31) - 256, 2.0**40, 2.0**63, -(2.0**63), 2.0**64,
           4294967040.0, float("nan"), float("inf"), float("-inf"), 1e-30]  # fmt: skip


def real(rng: random.Random) -> bytes:
    code = rng.choice(b"\x90\x91\x92\x94\x96\x92")
    if code == 0x90:
        return b"\x90" + rng.choice([struct.pack("<f", rng.choice(FLOAT32)), rng.randbytes(4)])
    if code == 0x91:
        return b"\x91" + rng.choice([struct.pack("<d", rng.choice([*FLOAT32, 0.1, 1e300])), rng.randbytes(8)])
    number = rng.choice(
        [0, 1, 150, -1, -150, 12345678, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, 1 << 60, 63 << 50]
    )
    return bytes((code,)) + stop_bit(number)


def other(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"\xa0" + rng.randbytes(16),
            b"\xb2" + utf8(b"01:02:03"),
            b"\xb2" + utf8(rng.choice([b"01:02:03.123456789", b"25:00"])),
            b"\xb3" + utf8(rng.choice([b"2024-03-05", b"2024-03-05", b"nonsense", b"+12345-01-01", b"\xff"])),
            b"\xb4" + utf8(b"2024-03-05T01:02:03.5"),
            b"\xb5" + utf8(rng.choice([b"2024-03-05T01:02:03Z", b"2024-03-05T01:02:03+01:00[Europe/Paris]"])),
            b"\xbc" + utf8(rng.choice([b"String", b"com.x.Y", b""])),
            b"\x80\x04\x8a\x01\x02\x03",
            b"\x80\x01\x8a",
            b"\x82\x03\x00\x00\x00\x8a\x00\xff",
        ]
    )


def rare(rng: random.Random) -> bytes:
    return rng.choice(
        [
            bytes((rng.randrange(128),)),
            b"\xb8\x80\x00",  # null as a text
            b"\x82\x00\x00\x00\x00",  # an empty block
            b"\x80\x02\x8f\x8f",
            b"\x80\x03\x8f\x8a\x01",
            b"\x8d" + struct.pack("<qqq", 1, 1, 7),
            b"\x80\x05\x01\x02\xc5\x00\x00",  # no Wire
            b"\x86",
            b"\x8a\x01",
            bytes((rng.randrange(0x80, 0xC0),)) + rng.randbytes(3),
            b"\xb6" + utf8(b"lzw") + b"\x80\x02\x8a\x00",
            b"\xbd\xa1\x05\xe1k",
            text(rng.choice(BROKEN_TEXTS), rng),
        ]
    )


SCALARS: list[Callable[[random.Random], bytes]] = [
    integer,
    integer,
    real,
    real,
    lambda rng: text(rng.choice(RAW_TEXTS), rng),
    lambda rng: text(rng.choice(RAW_TEXTS), rng),
    lambda rng: rng.choice([b"\xb0", b"\xb1"]),
    lambda rng: b"\xbb",
    other,
]


def scalar(rng: random.Random, kind: int, stray: float) -> bytes:
    """A value as a rule of this kind, else of any."""
    if rng.random() < stray:
        return rare(rng) if rng.random() < 0.2 else rng.choice(SCALARS)(rng)
    return SCALARS[kind](rng)


def padding(rng: random.Random, often: float) -> bytes:
    if rng.random() >= often:
        return b""
    return rng.choice(
        [
            b"\x8f",
            b"\x8f\x8f\x8f",
            b"\x8e\x00\x00\x00\x00",
            b"\x8e\x02\x00\x00\x00\xff\xff\x8f",
            b"\xbe\x05hello",
            b"\xbe\x00\xbe\x80\x00",
            b"\xbe\x02\xc3\xa9",
            b"\xbe\x01\xff",
        ]
    )


def layout(rng: random.Random, depth: int = 0) -> Callable[[random.Random, float, float], bytes]:
    """Makes documents of one structure: layout(rng)(rng, how often a value is stray, how often there is padding)."""
    named = rng.random() < (0.8 if depth == 0 else 0.6)
    names = rng.sample(NAMES, rng.randint(1, 8 if depth == 0 else 4))
    if named and rng.random() < 0.05:
        names.append(names[0])
    parts: list[tuple[bytes, bytes, object]] = []
    for what in names:
        head = name(what, rng) if named else b""
        type_prefix = b"\xb6" + utf8(rng.choice(TYPES).encode()) if rng.random() < 0.1 else b""
        nested = layout(rng, depth + 1) if depth < 3 and rng.random() < 0.2 else rng.randrange(len(SCALARS))
        parts.append((head, type_prefix, nested))

    def make(rng: random.Random, stray: float, padded: float) -> bytes:
        out = b""
        for head, type_prefix, nested in parts:
            out += padding(rng, padded)
            for piece in (head, type_prefix):
                if piece:
                    out += piece + padding(rng, padded / 2)
            if isinstance(nested, int):
                out += scalar(rng, nested, stray)
            else:
                out += block(nested(rng, stray, padded) + padding(rng, padded), rng)  # type: ignore[operator]
        return out + padding(rng, padded)

    return make


HISTORY = b"\xba\x80\x00\x81\x21\x00\x86\x01" + bytes(12) + b"\x02" + bytes(16) + b"\x8f\x8f"
HISTORIES = [HISTORY, b"\xb9\x07history\x80\x0f\x86\x01" + bytes(12) + b"\x00", HISTORY.replace(b"\x86\x01", b"\x86\x02"),
             b"\xba\x80\x00\xe1x", b"\xba\x80\x00\x80\x03\x86\x00\x07"]  # fmt: skip


def damaged(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(payload) + 1)
    changed = bytearray(payload)
    how = rng.randrange(5)
    if how == 0:
        return payload[:at]
    if how == 1 and payload:
        changed[at % len(payload)] ^= 1 << rng.randrange(8)
    elif how == 2 and payload:
        changed[at % len(payload)] = rng.randrange(256)
    elif how == 3:
        changed[at:at] = rng.randbytes(rng.randint(1, 4))
    else:
        del changed[at : at + rng.randint(1, 4)]
    return bytes(changed)


def mixed(seed: int, count: int) -> list[bytes]:
    """So many payloads of one to four layouts."""
    rng = random.Random(seed)
    layouts = [layout(rng) for _ in range(rng.randint(1, 4))]
    stray, padded, damage = (rng.choice([0.0, 0.0, 0.02, 0.2]) for _ in range(3))
    history = rng.choice([b"", b"", b"", *HISTORIES])
    payloads = []
    for _ in range(count):
        payload = history + rng.choice(layouts)(rng, stray, padded)
        if rng.random() < damage:
            payload = damaged(payload, rng)
        payloads.append(payload or b"\x8f")
    return payloads
