"""Whatever the bytes are: a value or a WireError, the same from the fast decoder and from the walk, in bounded time."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pychronix.errors import WireError
from pychronix.wire import decode, walk
from pychronix.wire.decoding import from_tokens, parse
from pychronix.wire.walking import LIMITS

# Real documents that Java wrote (spec 7.10, 8.9, 9.9, B.1), to be damaged.
REAL = [
    bytes.fromhex(text.replace(" ", ""))
    for text in (
        "e768656c6c6f2030",
        "c178 a101 c179 e27979 c16d 82 08000000 b9016ba601000000 c16c 82 04000000 a101a102",
        "ba8000 81 1f00 86 01 02000000 0700000045230100 02 0100000000000000 0200000000000000 b903736179 e26869",
        "b90374776f 82 04000000 e161 a103 b903766961 b6064d7954797065 82 05000000 c178 9296 01",
        "c3617272 8f8f8f 8d 0200000000000000 0100000000000000 0500000000000000 0000000000000000"
        "c176 8e00000000 a70500000000000000",
        "c174 b208 30313a30323a3033 c164 b30a 323032342d30332d3035 c175 a0 0807060504030201 100f0e0d0c0b0a09"
        "c163 bc06 537472696e67",
        "c162 80 04 8a010203 be05 68656c6c6f c16e bb c166 90 0000005f c16f b6 01 54 82 06000000 0100000002fe",
        "b6036c7a77 80 0c 8a" + zlib.compress(b"").hex() + "000000",
        "bd a605000000 e16b 9a01",
    )
]
# Codes at which something begins, more of them than chance would bring.
_likely = st.sampled_from([bytes((code,)) for code in (*range(0x80, 0x98), *range(0xA0, 0xC4), *range(0xE0, 0xE4))])
wire_like = st.lists(st.one_of(_likely, st.binary(max_size=4), st.sampled_from(REAL)), max_size=12).map(b"".join)


def outcome(read: Callable[[bytes], Any], data: bytes) -> str:
    """The value's repr, or the error's text: NaN is equal to itself then."""
    try:
        return repr(read(data))
    except WireError as error:
        assert error.offset is None or 0 <= error.offset <= len(data)
        return f"WireError {error}"


def check(data: bytes) -> None:
    binary = outcome(lambda one: parse(one, "BINARY_LIGHT"), data)
    assert binary == outcome(lambda one: from_tokens(one, LIMITS), data)
    outcome(decode, data)
    covered = 0
    try:
        depth = 0
        for token in walk(data):
            assert token.start == covered or token.start < covered == token.stop, token
            covered = token.stop
            depth += (token.kind == "open") - (token.kind == "close")
        assert (depth, covered) == (0, len(data))
    except WireError:
        pass


@given(st.binary(max_size=200))
@example(b"")
def test_arbitrary_bytes(data: bytes) -> None:
    check(data)


@given(wire_like)
def test_what_looks_like_wire(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize("data", REAL, ids=lambda data: data.hex()[:12])
def test_every_cut_and_every_flip_of_a_real_document(data: bytes) -> None:
    for cut in range(len(data)):
        check(data[:cut])
    for at in range(len(data)):
        for bit in range(8):
            check(data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :])


def test_mutations_are_bounded_in_time(budget: Any) -> None:
    rounds = budget.of(3_000, 30_000, 1_000_000)
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    slowest = (0.0, b"")
    for _ in range(rounds):
        data = bytearray(b"".join(generator.choices(REAL, k=generator.randint(1, 3))))
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(data))
            kind = generator.randrange(4)
            if kind == 0:
                data[at] = generator.randrange(256)
            elif kind == 1:
                del data[at : at + generator.randint(1, 5)]
                data += b"\x8f"
            elif kind == 2:
                data[at:at] = generator.randbytes(generator.randint(1, 5))
            else:
                data[at] = generator.choice((0xFF, 0x00, 0x82, 0x8E, 0x8D, 0xB6, 0xBE))
        begun = time.process_time()
        try:
            decode(bytes(data))
        except WireError:
            pass
        except Exception as error:
            raise AssertionError(f"seed {seed}: {bytes(data).hex()}") from error
        slowest = max(slowest, (time.process_time() - begun, bytes(data)))
    assert slowest[0] < 2, f"seed {seed}: {slowest[1].hex()}"
