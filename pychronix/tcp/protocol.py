"""Chronicle 3's replication protocol as bytes: commands one way, messages the other.

The decision hidden here is what stands on the wire; no socket is touched. Decoders are fed whatever came and give back
what is complete; how TCP split it makes no difference.

Rules
- A length is checked against its bound as soon as its header is there, before a byte of it is waited for.
- What is kept of an incomplete item is what has arrived of it, never room for what was announced.
- Numbers are little-endian, as every x86 JVM sends them.

Client to source: ``i64 action, i64 data``, then the payload of a SUBMIT. (WITH_MAPPING: ``i64 action, i32 size``.) Java
looks at the low 32 bits of an action alone; in the high ones our tailers ask our source for more (EAGER).
Source to client: ``i32 size, i64 index``, then ``size`` bytes; a negative size is a Kind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import chain
from itertools import count as count_from
from operator import sub
from typing import NamedTuple

from pychronix.errors import ProtocolError, UsageError

__all__ = [
    "COMMAND_BYTES",
    "EAGER",
    "END",
    "HEADER_BYTES",
    "MAX_EXCERPT_BYTES",
    "NOT_SUPPORTED",
    "START",
    "Action",
    "CommandDecoder",
    "Control",
    "Excerpts",
    "Kind",
    "MessageDecoder",
    "Request",
    "Submission",
    "control",
    "encode_command",
    "encode_spans",
    "header",
    "parse_address",
]

MAX_EXCERPT_BYTES = 1 << 27  # What Java clients accept.
EAGER = 1  # SUBSCRIBE: IN_SYNC is to come as soon as all is sent, not with the next heartbeat.
START, END = -1, -2  # Where a SUBSCRIBE may begin beside at an index.
NOT_SUPPORTED = -4  # The index of Java's NACK.

_HEADER = struct.Struct("<iq")
_COMMAND = struct.Struct("<qq")
_ACTION = struct.Struct("<ii")
_I64, _I32 = struct.Struct("<q"), struct.Struct("<i")
HEADER_BYTES = _HEADER.size
COMMAND_BYTES = _COMMAND.size
_BLOCK_MIN, _BLOCK_MAX = 8, 1024  # Excerpts of equal size that are taken out of the stream by one unpacking.


class Action(IntEnum):
    """What a client asks for (spec 5.2)."""

    SUBSCRIBE = 1
    UNSUBSCRIBE = 2
    QUERY = 10
    SUBMIT = 20
    SUBMIT_NOACK = 21
    WITH_MAPPING = 30


class Kind(IntEnum):
    """A message without payload, told by its negative size (spec 5.3)."""

    SYNC_IDX = -126
    PADDED = -127
    IN_SYNC = -128
    ACK = -129
    NACK = -130


class Control(NamedTuple):
    """A message without payload."""

    kind: Kind
    value: int  # An index, as a rule.


class Excerpts(NamedTuple):
    """Excerpts that came one after the other: two sequences of the same length."""

    indexes: Sequence[int]
    payloads: Sequence[bytes]


class Request(NamedTuple):
    """A command without payload. WITH_MAPPING is one, too, its object being consumed: ``data`` is its size."""

    action: Action
    data: int
    flags: int = 0  # The action's high 32 bits, signed.


class Submission(NamedTuple):
    """A SUBMIT. ``payload`` is None if the decoder was told to keep none."""

    payload: bytes | None
    acknowledged: bool


_KINDS = {int(kind): kind for kind in Kind}
_ACTIONS = {int(action): action for action in Action}


def encode_command(action: Action, data: int, flags: int = 0) -> bytes:
    """The 16 bytes of a command; a SUBMIT's payload follows them."""
    return _COMMAND.pack(action | flags << 32, data)


def control(kind: Kind, index: int = 0) -> bytes:
    """The 12 bytes of a message without payload."""
    return _HEADER.pack(kind, index)


def header(size: int, index: int) -> bytes:
    """The 12 bytes before an excerpt."""
    return _HEADER.pack(size, index)


def encode_spans(data: memoryview, starts: memoryview, stops: memoryview, first_index: int) -> bytes:
    """The messages of many excerpts, ``data[starts[i]:stops[i]]`` with the index ``first_index + i``, one or more.

    No Python statement runs per excerpt.
    """
    lengths = list(map(sub, stops, starts))
    count, size, at = len(lengths), lengths[0], starts[0]
    pitch = starts[1] - at if count > 1 else size
    payloads: Iterable[bytes | memoryview]
    if (
        lengths.count(size) == count
        and pitch >= max(size, 1)
        and starts.tolist() == list(range(at, at + count * pitch, pitch))
    ):
        # Equal sizes are usual, and several times faster.
        payloads = _row(size, pitch - size, count).unpack_from(data, at)
    else:
        payloads = map(data.__getitem__, map(slice, starts, stops))
    headers = map(_HEADER.pack, lengths, count_from(first_index))
    return b"".join(chain.from_iterable(zip(headers, payloads, strict=False)))


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``tcp://host:port``; an IPv6 address stands in brackets. Raises UsageError."""
    scheme, found, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if host[:1] == "[" and host[-1:] == "]":
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if scheme != "tcp" or not found or not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError(f"not an address: {text!r}", hint="tcp://host:port, an IPv6 address in brackets")
    return host, int(port)


@lru_cache(maxsize=128)
def _row(size: int, gap: int, count: int) -> struct.Struct:
    return struct.Struct(f"{size}s{gap}x" * (count - 1) + f"{size}s")


@lru_cache(maxsize=256)
def _block(size: int, count: int) -> struct.Struct:
    return struct.Struct("<" + f"iq{size}s" * count)


class _Partial:
    """Keeps what has arrived of an incomplete item."""

    __slots__ = ("_kept", "_needed")

    def __init__(self) -> None:
        self._kept = bytearray()
        self._needed = 0

    @property
    def kept(self) -> int:
        """Number of bytes that wait for the rest of their item."""
        return len(self._kept)

    def _joined(self, data: bytes) -> bytes | None:
        """What is to be decoded now that ``data`` came, None if the item that waits is still incomplete."""
        if not self._kept:
            return data
        self._kept += data
        if len(self._kept) < self._needed:
            return None
        whole = bytes(self._kept)
        self._kept = bytearray()
        return whole

    def _keep(self, data: bytes, at: int, needed: int) -> None:
        """Keeps what begins at ``at``, an item of ``needed`` bytes as far as is known."""
        if at < len(data):
            self._kept += memoryview(data)[at:]
        self._needed = needed


class MessageDecoder(_Partial):
    """Messages of a source, as a client receives them."""

    __slots__ = ("_block", "_max_bytes")

    def __init__(self, max_excerpt_bytes: int = MAX_EXCERPT_BYTES) -> None:
        super().__init__()
        self._max_bytes = max_excerpt_bytes
        self._block = _BLOCK_MIN

    def feed(self, data: bytes) -> list[Excerpts | Control]:
        """What is complete now that ``data`` came, in order.

        Raises ProtocolError, whose ``decoded`` has the messages before the bad one; nothing may be fed after it.
        """
        messages: list[Excerpts | Control] = []
        whole = self._joined(data)
        if whole is None:
            return messages
        indexes: list[int] = []
        payloads: list[bytes] = []
        at, length = 0, len(whole)
        needed = HEADER_BYTES
        block = self._block
        while length - at >= HEADER_BYTES:
            size, index = _HEADER.unpack_from(whole, at)
            if size < 0:
                if size not in _KINDS:
                    raise self._broken(messages, indexes, payloads, f"a message of unknown kind {size}")
                if indexes:
                    messages.append(Excerpts(indexes, payloads))
                    indexes, payloads = [], []
                messages.append(Control(_KINDS[size], index))
                at += HEADER_BYTES
                continue
            pitch = HEADER_BYTES + size
            if index < 0:
                raise self._broken(messages, indexes, payloads, f"an excerpt with the index {index}")
            if size > self._max_bytes:
                raise self._broken(
                    messages, indexes, payloads, f"excerpt {index:#x} of {size} bytes, above max_excerpt_bytes, "
                    f"{self._max_bytes}"
                )  # fmt: skip
            if pitch > length - at:
                needed = pitch
                break
            if block * pitch > length - at:
                # Towards the end of what came; the next time begins with large ones again.
                self._block = max(self._block, block)
                block = max((length - at) // pitch, 1)
                block = 1 << block.bit_length() - 1
            if block >= _BLOCK_MIN and whole[at : at + 4] == whole[at + pitch : at + pitch + 4]:
                # Equal sizes are usual. Taking a block of them out at once is five times faster than one by one; a
                # wrong guess costs little, for blocks start small.
                items = _block(size, block).unpack_from(whole, at)
                sizes = items[::3]
                equal = block if sizes.count(size) == block else next(i for i in range(block) if sizes[i] != size)
                indexes += items[1 : 3 * equal : 3]
                payloads += items[2 : 3 * equal : 3]
                at += equal * pitch
                if equal == block:
                    block = min(4 * block, _BLOCK_MAX)
                else:
                    self._block = block = _BLOCK_MIN
                continue
            block = _BLOCK_MIN
            indexes.append(index)
            payloads.append(whole[at + HEADER_BYTES : at + pitch])
            at += pitch
        if indexes:
            messages.append(Excerpts(indexes, payloads))
        self._keep(whole, at, needed)
        return messages

    @staticmethod
    def _broken(
        messages: list[Excerpts | Control], indexes: list[int], payloads: list[bytes], found: str
    ) -> ProtocolError:
        error = ProtocolError(f"the source sent {found}")
        error.decoded = [*messages, Excerpts(indexes, payloads)] if indexes else messages
        return error


class CommandDecoder(_Partial):
    """Commands of a client, as a source receives them."""

    __slots__ = ("_keep_payloads", "_max_bytes", "_pending", "_skip")

    def __init__(self, max_excerpt_bytes: int = MAX_EXCERPT_BYTES, keep_payloads: bool = True) -> None:
        super().__init__()
        self._max_bytes = max_excerpt_bytes
        self._keep_payloads = keep_payloads
        self._skip = 0
        self._pending: Request | Submission | None = None

    def feed(self, data: bytes) -> list[Request | Submission]:
        """What is complete now that ``data`` came, in order.

        Raises ProtocolError, whose ``decoded`` has the commands before the bad one; nothing may be fed after it.
        """
        commands: list[Request | Submission] = []
        whole = self._joined(data)
        if whole is None:
            return commands
        at, length = 0, len(whole)
        needed = _I64.size
        try:
            while True:
                if self._pending is not None:
                    skipped = min(self._skip, length - at)
                    at += skipped
                    self._skip -= skipped
                    if self._skip:
                        break
                    commands.append(self._pending)
                    self._pending = None
                needed = _I64.size
                if length - at < needed:
                    break
                number, flags = _ACTION.unpack_from(whole, at)
                action = _ACTIONS.get(number)
                if action is None:
                    raise ProtocolError(f"an unknown action, {number}")
                if action is Action.WITH_MAPPING:
                    needed = _I64.size + _I32.size
                    if length - at < needed:
                        break
                    size = self._checked(_I32.unpack_from(whole, at + _I64.size)[0], "mapping function")
                    self._pending, self._skip = Request(action, size, flags), size
                    at += needed
                    continue
                needed = COMMAND_BYTES
                if length - at < needed:
                    break
                value = _I64.unpack_from(whole, at + _I64.size)[0]
                if action is not Action.SUBMIT and action is not Action.SUBMIT_NOACK:
                    commands.append(Request(action, value, flags))
                    at += COMMAND_BYTES
                    continue
                size = self._checked(value, "submitted excerpt")
                if not self._keep_payloads:
                    self._pending, self._skip = Submission(None, action is Action.SUBMIT), size
                    at += COMMAND_BYTES
                    continue
                stop = at + COMMAND_BYTES + size
                if stop > length:
                    needed = COMMAND_BYTES + size
                    break
                commands.append(Submission(whole[at + COMMAND_BYTES : stop], action is Action.SUBMIT))
                at = stop
        except ProtocolError as error:
            error.decoded = commands
            raise
        self._keep(whole, at, needed)
        return commands

    def _checked(self, size: int, what: str) -> int:
        if not 0 <= size <= self._max_bytes:
            raise ProtocolError(f"a {what} of {size} bytes, not within 0..{self._max_bytes}")
        return size
