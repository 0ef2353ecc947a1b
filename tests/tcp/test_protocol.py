"""The bytes on the wire: the specification's transcript, any splitting, every bound."""

from __future__ import annotations

import struct
import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pychronix.errors import ProtocolError, UsageError
from pychronix.tcp import protocol
from pychronix.tcp.protocol import Action, CommandDecoder, Control, Excerpts, Kind, MessageDecoder, Request, Submission

TRANSCRIPT = bytes.fromhex(
    "82 ff ff ff ff ff ff ff ff ff ff ff 80 ff ff ff 00 00 00 00 00 00 00 00"
    "04 00 00 00 00 00 00 00 00 2b 51 00 01 02 03 04"
)

indexes = st.integers(-(2**63), 2**63 - 1)
controls = st.builds(Control, st.sampled_from(Kind), indexes)
# Runs of equal sizes are decoded in blocks: both they and mixtures are wanted.
payloads = st.one_of(
    st.lists(st.binary(max_size=40), min_size=1, max_size=20),
    st.builds(
        lambda size, count: [bytes([i % 256]) * size for i in range(count)], st.integers(0, 30), st.integers(1, 90)
    ),
)
excerpts = st.builds(
    lambda first, payloads: Excerpts(range(first, first + len(payloads)), payloads), st.integers(0, 2**62), payloads
)


def encoded(message: Control | Excerpts) -> bytes:
    """Independent of the package's own encoding."""
    if isinstance(message, Control):
        return struct.pack("<iq", message.kind, message.value)
    return b"".join(
        struct.pack("<iq", len(data), index) + data
        for index, data in zip(message.indexes, message.payloads, strict=True)
    )


def flat(messages: list[Control | Excerpts]) -> list[object]:
    """Where a run of excerpts was cut is nobody's business."""
    found: list[object] = []
    for message in messages:
        if isinstance(message, Control):
            found.append(message)
        else:
            assert len(message.indexes) == len(message.payloads) > 0
            found += zip(message.indexes, message.payloads, strict=True)
    return found


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in zip(places, places[1:], strict=False)]


def test_the_transcript_of_the_specification() -> None:
    assert bytes.fromhex("01 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff") == protocol.encode_command(
        Action.SUBSCRIBE, protocol.START
    )
    decoder = MessageDecoder()
    got = flat(decoder.feed(TRANSCRIPT))
    assert [Control(Kind.SYNC_IDX, -1), Control(Kind.IN_SYNC, 0), (0x512B0000000000, b"\1\2\3\4")] == got
    assert TRANSCRIPT[:12] == protocol.control(Kind.SYNC_IDX, -1)


@given(st.lists(st.one_of(controls, excerpts), max_size=8), st.lists(st.integers(0, 10**6), max_size=12))
def test_messages_come_out_however_they_are_split(messages: list[Control | Excerpts], cuts: list[int]) -> None:
    data = b"".join(map(encoded, messages))
    decoder = MessageDecoder()
    got: list[Control | Excerpts] = []
    for piece in pieces(data, cuts):
        got += decoder.feed(piece)
    assert flat(messages) == flat(got)
    assert 0 == decoder.kept


@given(st.lists(st.one_of(controls, excerpts), max_size=3))
def test_messages_come_out_byte_by_byte(messages: list[Control | Excerpts]) -> None:
    decoder = MessageDecoder()
    got: list[Control | Excerpts] = []
    for byte in b"".join(map(encoded, messages)):
        got += decoder.feed(bytes([byte]))
    assert flat(messages) == flat(got)


@given(excerpts, st.integers(0, 3), st.integers(0, 5))
def test_excerpts_are_encoded_as_they_lie_in_a_file(run: Excerpts, gap: int, before: int) -> None:
    data = bytearray(b"\xaa" * before)
    starts, stops = array("i"), array("i")
    for payload in run.payloads:
        data += b"\xbb" * gap
        starts.append(len(data))
        data += payload
        stops.append(len(data))
    got = protocol.encode_spans(memoryview(bytes(data)), memoryview(starts), memoryview(stops), run.indexes[0])
    assert encoded(run) == got


commands = st.one_of(
    st.builds(Request, st.sampled_from([Action.SUBSCRIBE, Action.UNSUBSCRIBE, Action.QUERY]), indexes),
    st.builds(Submission, st.binary(max_size=60), st.booleans()),
    st.builds(Request, st.just(Action.WITH_MAPPING), st.integers(0, 40)),
)


def sent(command: Request | Submission, high: int) -> bytes:
    if isinstance(command, Submission):
        action = 20 if command.acknowledged else 21
        return struct.pack("<iiq", action, high, len(command.payload or b"")) + (command.payload or b"")
    if command.action is Action.WITH_MAPPING:
        return struct.pack("<iii", 30, high, command.data) + b"\x4e" * command.data
    return struct.pack("<iiq", command.action, high, command.data)


@given(
    st.lists(commands, max_size=12),
    st.integers(-(2**31), 2**31 - 1),
    st.booleans(),
    st.lists(st.integers(0, 10**6), max_size=12),
)
def test_commands_come_out_however_they_are_split(
    commands: list[Request | Submission], high: int, keep: bool, cuts: list[int]
) -> None:
    """Java looks at the low 32 bits of an action alone, hence ``high``."""
    data = b"".join(sent(command, high) for command in commands)
    decoder = CommandDecoder(keep_payloads=keep)
    got: list[Request | Submission] = []
    for piece in pieces(data, cuts):
        got += decoder.feed(piece)
    expected: list[Request | Submission] = []
    for command in commands:
        if isinstance(command, Request):
            expected.append(command._replace(flags=high))
        else:
            expected.append(command if keep else command._replace(payload=None))
    assert expected == got
    assert 0 == decoder.kept


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_garbage_is_refused_or_waited_for(data: bytes, cuts: list[int]) -> None:
    for decoder in (MessageDecoder(1000), CommandDecoder(1000)):
        try:
            for piece in pieces(data, cuts):
                decoder.feed(piece)
        except ProtocolError as error:
            assert isinstance(error.decoded, list)
        assert decoder.kept <= len(data)


@pytest.mark.parametrize("size", [-1, -125, -131, -(2**31)])
def test_an_unknown_kind_ends_it_after_what_came_before(size: int) -> None:
    good = struct.pack("<iq", 2, 7) + b"ab"
    with pytest.raises(ProtocolError, match=str(size)) as caught:
        MessageDecoder().feed(good + struct.pack("<iq", size, 0) + good)
    assert [(7, b"ab")] == flat(list(caught.value.decoded))


def test_a_length_is_bounded_before_anything_of_it_is_there() -> None:
    good = struct.pack("<iq", 2, 7) + b"ab"
    with pytest.raises(ProtocolError, match="101 bytes") as caught:
        MessageDecoder(100).feed(good + struct.pack("<iq", 101, 8))
    assert [(7, b"ab")] == flat(list(caught.value.decoded))
    assert [] == MessageDecoder(100).feed(struct.pack("<iq", 100, 8))
    for size in (-1, 101, 2**40, -(2**63)):
        with pytest.raises(ProtocolError, match=str(size)):
            CommandDecoder(100).feed(struct.pack("<qq", 20, size))
    with pytest.raises(ProtocolError, match="-1"):
        CommandDecoder(100).feed(struct.pack("<qi", 30, -1))


def test_what_is_announced_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        for decoder, head in (
            (MessageDecoder(), struct.pack("<iq", 1 << 27, 0)),
            (CommandDecoder(), struct.pack("<qq", 20, 1 << 27)),
        ):
            before = tracemalloc.get_traced_memory()[0]
            decoder.feed(head)
            for _ in range(1000):
                decoder.feed(b"x")
            assert decoder.kept == len(head) + 1000
            assert tracemalloc.get_traced_memory()[0] - before < 16_384
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("number", [0, 3, 9, 11, 22, 31, -1])
def test_an_unknown_action_ends_it_after_what_came_before(number: int) -> None:
    with pytest.raises(ProtocolError, match=str(number)) as caught:
        CommandDecoder().feed(struct.pack("<qq", 2, 0) + struct.pack("<q", number))
    assert [Request(Action.UNSUBSCRIBE, 0)] == caught.value.decoded


@pytest.mark.parametrize(
    "text, expected",
    [
        ("tcp://localhost:1", ("localhost", 1)),
        ("tcp://10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("tcp://[::1]:80", ("::1", 80)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert expected == protocol.parse_address(text)


@pytest.mark.parametrize("text", ["", "host:1", "udp://h:1", "tcp://h", "tcp://:1", "tcp://h:0", "tcp://h:65536", "tcp://h:x",
                                  "tcp://::1:80", "tcp://h:\u0661"])  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="tcp://host:port"):
        protocol.parse_address(text)
