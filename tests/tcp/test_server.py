"""A source as its clients see it, byte by byte (spec 5.2 to 5.10)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import resource
import select
import shutil
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tcp_kit import (
    ACK,
    DAY,
    EAGER,
    IN_SYNC,
    NACK,
    PATIENCE,
    QUERY,
    SUBMIT,
    SUBMIT_NOACK,
    SUBSCRIBE,
    SYNC_IDX,
    UNSUBSCRIBE,
    WITH_MAPPING,
    Message,
    Peer,
    counts_memory,
    resident_bytes,
)

import pychronix as px
from pychronix import tcp
from pychronix.errors import UsageError

Serve = Callable[..., tcp.ThreadedSource]
Connect = Callable[[int], Peer]

UNLOCKED = -(2**63)
FIRST = 20_000  # A cycle in the past.


@pytest.fixture
def cycles(tmp_path: Path) -> px.Queue:
    """Three excerpts in each of two past cycles, the first of which is closed; no cycle between them."""
    now = [FIRST * DAY]
    queue = px.open_queue(tmp_path / "cycles", "a", clock=lambda: now[0])
    with queue.appender() as appender:
        appender.append_many([b"a0", b"a1", b"a2"])
        now[0] += 2 * DAY
        appender.append_many([b"b0", b"b1", b"b2"])
    return queue


@pytest.fixture(autouse=True)
def closing(cycles: px.Queue) -> object:
    yield
    cycles.close()


A = [(FIRST << 32) + number for number in range(3)]
B = [(FIRST + 2 << 32) + number for number in range(3)]
ALL = [*A, *B]
PAYLOADS = dict(zip(ALL, [b"a0", b"a1", b"a2", b"b0", b"b1", b"b2"], strict=True))


def messages(indexes: list[int]) -> list[Message]:
    return [Message(len(PAYLOADS[index]), index, PAYLOADS[index]) for index in indexes]


# --- SUBSCRIBE -------------------------------------------------------------------------------------------------------


def test_an_empty_queue_from_the_start(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    assert Message(SYNC_IDX, -1) == peer.message()
    assert Message(IN_SYNC, 0) == peer.message()
    index = queue.appender().append(b"\1\2\3\4" * 3)
    assert Message(12, index, b"\1\2\3\4" * 3) == peer.message()


@pytest.mark.parametrize("where", ["start", "end", *range(6)])
def test_a_stream_begins_where_it_was_asked_to(cycles: px.Queue, serve: Serve, connect: Connect, where: object) -> None:
    asked, said, at = -1, -1, 0
    if where == "end":
        asked, said, at = -2, ALL[-1], 5
    elif isinstance(where, int):
        asked, said, at = ALL[where], ALL[where], where
    peer = connect(serve(cycles).port)
    peer.command(SUBSCRIBE, asked, flags=EAGER)
    assert Message(SYNC_IDX, said) == peer.message()
    assert messages(ALL[at:]) == [peer.message() for _ in ALL[at:]]
    assert Message(IN_SYNC, 0) == peer.message()


def test_the_end_of_an_empty_queue_is_its_start(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue).port)
    peer.command(SUBSCRIBE, -2, flags=EAGER)
    assert Message(SYNC_IDX, -1) == peer.message()
    queue.appender().append(b"the first one")
    assert b"the first one" == peer.data(1)[0].payload


@pytest.mark.parametrize("asked, expected", [
    (A[2] + 1, B), (A[2] + 1000, B), (B[0] - 1, B), (0, ALL), (A[0] - 1, ALL), ((FIRST + 1 << 32) + 5, B),
])  # fmt: skip
def test_an_index_that_does_not_exist_goes_on_with_the_next_that_does(
    cycles: px.Queue, serve: Serve, connect: Connect, asked: int, expected: list[int]
) -> None:
    peer = connect(serve(cycles).port)
    peer.command(SUBSCRIBE, asked, flags=EAGER)
    assert Message(SYNC_IDX, asked) == peer.message()
    assert messages(expected) == peer.data(len(expected))


def test_an_index_to_come_is_waited_for(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    appender = queue.appender()
    first = appender.append(b"number 0 of this day")
    port = serve(queue).port
    peers = {ahead: connect(port) for ahead in (1, 2, 5)}
    for ahead, peer in peers.items():
        peer.command(SUBSCRIBE, first + ahead, flags=EAGER)
        assert [Message(SYNC_IDX, first + ahead), Message(IN_SYNC, 0)] == [peer.message(), peer.message()]
    for number in range(1, 8):
        appender.append(b"number %d of this day" % number)
    for ahead, peer in peers.items():
        assert [first + number for number in range(ahead, 8)] == [message.index for message in peer.data(8 - ahead)]


@pytest.mark.parametrize("asked", [2**63 - 1, 2**62, -3, -(2**63)])
def test_any_number_may_be_asked_for(cycles: px.Queue, serve: Serve, connect: Connect, asked: int) -> None:
    peer = connect(serve(cycles).port)
    peer.command(SUBSCRIBE, asked, flags=EAGER)
    assert Message(SYNC_IDX, asked) == peer.message()
    if asked < 0:
        assert messages(ALL) == peer.data(6)
    else:
        assert Message(IN_SYNC, 0) == peer.message()


def test_a_new_subscription_takes_the_place_of_the_old(cycles: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(cycles).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    peer.data(6)
    for at in (3, 0, 5, 2):
        peer.command(SUBSCRIBE, ALL[at], flags=EAGER)
        while peer.message() != Message(SYNC_IDX, ALL[at]):
            pass
        assert messages(ALL[at:]) == peer.data(6 - at)


def test_after_unsubscribe_there_is_silence(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    port = serve(queue, heartbeat_ms=20).port
    peer, other = connect(port), connect(port)
    for one in (peer, other):
        one.command(SUBSCRIBE, -1, flags=EAGER)
        assert [Message(SYNC_IDX, -1), Message(IN_SYNC, 0), Message(IN_SYNC, 0)] == [one.message() for _ in range(3)]
    peer.command(UNSUBSCRIBE, 0)
    peer.command(SUBMIT, 22, b"not for the silent one")
    while peer.message().size != ACK:
        pass  # Heartbeats that were on their way.
    assert b"not for the silent one" == other.data(1)[0].payload
    for _ in range(5):
        assert Message(IN_SYNC, 0) == other.message()
    assert not has_more(peer)


def has_more(peer: Peer) -> bool:
    peer.raw.setblocking(False)
    try:
        return bool(peer.raw.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        peer.raw.settimeout(PATIENCE)


# --- heartbeats ------------------------------------------------------------------------------------------------------


def test_heartbeats_come_in_their_interval(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue, heartbeat_ms=100).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    assert [Message(SYNC_IDX, -1), Message(IN_SYNC, 0)] == [peer.message(), peer.message()]
    begin = time.monotonic()
    for _ in range(4):
        assert Message(IN_SYNC, 0) == peer.message()
    assert time.monotonic() - begin >= 0.35, "they come too often"


def test_data_does_not_put_off_the_heartbeat(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue, heartbeat_ms=50).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    appender = queue.appender()
    beats = 0
    for _ in range(10_000):
        appender.append(b"something now and then")
        while peer.message().size < 0:
            beats += 1
        if beats > 4:
            break
    assert beats > 4


def test_a_short_last_message_is_followed_by_a_heartbeat(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """Java's sink handles nothing until it has 20 bytes (spec 5.8)."""
    peer = connect(serve(queue, heartbeat_ms=1e6).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    assert [Message(SYNC_IDX, -1), Message(IN_SYNC, 0)] == [peer.message(), peer.message()]
    appender = queue.appender()
    for payload in (b"1234567", b"12345678", b"1"):
        index = appender.append(payload)
        assert Message(len(payload), index, payload) == peer.message()
        if len(payload) < 8:
            assert Message(IN_SYNC, 0) == peer.message()
    assert not has_more(peer)


def test_only_who_asks_is_told_that_it_has_all(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """An IN_SYNC that is under way makes index() of Java's remote tailer fail."""
    appender = queue.appender()
    index = appender.append(b"long enough")
    source = serve(queue, heartbeat_ms=1e6)
    java, python = connect(source.port), connect(source.port)
    java.command(SUBSCRIBE, -1)
    python.command(SUBSCRIBE, -1, flags=EAGER)
    for peer in (java, python):
        assert [SYNC_IDX, 11] == [peer.message().size, peer.message().size]
    assert Message(IN_SYNC, 0) == python.message()
    java.command(SUBMIT, 10, b"0123456789")
    assert {Message(ACK, index + 1), Message(10, index + 1, b"0123456789")} == {java.message(), java.message()}
    assert not has_more(java)


# --- QUERY -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked, answer", [
    (A[0], Message(SYNC_IDX, A[1])), (A[2], Message(SYNC_IDX, B[0])), (B[1], Message(SYNC_IDX, B[2])),
    (B[2], Message(IN_SYNC, 0)), (A[2] + 1, Message(IN_SYNC, 0)), (B[2] + 1, Message(IN_SYNC, 0)),
    (-1, Message(IN_SYNC, 0)), (2**63 - 1, Message(IN_SYNC, 0)), (-(2**63), Message(IN_SYNC, 0)),
])  # fmt: skip
def test_query_tells_the_next(cycles: px.Queue, serve: Serve, connect: Connect, asked: int, answer: Message) -> None:
    peer = connect(serve(cycles).port)
    peer.command(QUERY, asked)
    assert answer == peer.message()


# --- SUBMIT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100, 300_000, 5_000_000])
def test_a_submitted_excerpt_is_appended_and_acknowledged(
    queue: px.Queue, serve: Serve, connect: Connect, size: int
) -> None:
    peer = connect(serve(queue).port)
    payload = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    peer.command(SUBMIT, size, payload)
    answer = peer.message()
    assert ACK == answer.size
    assert [(answer.index, payload)] == list(queue.tailer().with_index())


def test_an_empty_excerpt_is_accepted(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue).port)
    peer.command(SUBMIT, 0)
    assert ACK == peer.message().size
    assert [b"\x8f"] == list(queue.tailer()), "as every empty excerpt in this format"


def test_without_ack_there_is_no_answer(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue).port)
    peer.command(SUBMIT_NOACK, 5, b"quiet")
    peer.command(SUBMIT, 4, b"loud")
    answer = peer.message()
    assert ACK == answer.size
    assert [(answer.index - 1, b"quiet"), (answer.index, b"loud")] == list(queue.tailer().with_index())


@pytest.mark.parametrize("pieces", [1, 3, 16, 17])
def test_commands_may_be_split_and_joined(queue: px.Queue, serve: Serve, connect: Connect, pieces: int) -> None:
    peer = connect(serve(queue).port)
    commands = b"".join(struct.pack("<qq", SUBMIT, number) + b"x" * number for number in range(1, 20))
    commands += struct.pack("<qq", SUBSCRIBE, -1)
    for at in range(0, len(commands), pieces):
        peer.raw.sendall(commands[at : at + pieces])
    assert [ACK] * 19 == [peer.message().size for _ in range(19)]
    assert SYNC_IDX == peer.message().size
    assert [b"x" * number for number in range(1, 20)] == [message.payload for message in peer.data(19)]


def test_one_connection_may_append_and_read(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(queue).port)
    peer.command(SUBSCRIBE, -1, flags=EAGER)
    acks, data = [], []
    for number in range(200):
        peer.command(SUBMIT, 20, b"%020d" % number)
    while len(acks) < 200 or len(data) < 200:
        message = peer.message()
        if message.size == ACK:
            acks.append(message.index)
        elif message.size >= 0:
            data.append((message.index, int(message.payload)))
    assert list(zip(acks, range(200), strict=True)) == data


@pytest.mark.parametrize("how", ["option", "mode"])
def test_a_read_only_source_refuses_and_stays_in_step(
    queue: px.Queue, serve: Serve, connect: Connect, how: str
) -> None:
    queue.appender().append(b"the only one there will be")
    with px.open_queue(queue.path, "r" if how == "mode" else "a") as served:
        source = serve(served, read_only=how == "option")
        peer = connect(source.port)
        peer.command(SUBMIT, 200_000, b"\1" * 200_000)
        assert Message(NACK, -4) == peer.message()
        peer.command(SUBMIT_NOACK, 3, b"abc")
        peer.command(SUBMIT, 0)
        assert Message(NACK, -4) == peer.message()
        peer.command(SUBSCRIBE, -1, flags=EAGER)
        assert SYNC_IDX == peer.message().size
        assert b"the only one there will be" == peer.message().payload
        assert Message(IN_SYNC, 0) == peer.message()
        source.close()
    assert 1 == queue.count()


def test_what_cannot_be_appended_is_refused(
    queue: px.Queue, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """An append lock keeps everybody out; the connection lives on."""
    queue.appender().append(b"one")
    store = queue.table_store
    assert store.compare_and_set("chronicle.append.lock", UNLOCKED, 1)
    peer = connect(serve(queue).port)
    with caplog.at_level(logging.ERROR, "pychronix.tcp"):
        peer.raw.sendall(b"".join(struct.pack("<qq", SUBMIT, 3) + b"two" for _ in range(3)))
        assert [Message(NACK, -4)] * 3 == [peer.message() for _ in range(3)]
    assert "refused" in caplog.text
    assert store.compare_and_set("chronicle.append.lock", 1, UNLOCKED)
    peer.command(SUBMIT, 5, b"three")
    assert ACK == peer.message().size
    assert [b"one", b"three"] == list(queue.tailer())


# --- what no client should do ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [
    struct.pack("<qq", 3, 0), struct.pack("<qq", -1, 0), struct.pack("<qq", SUBMIT, -1),
    struct.pack("<qq", SUBMIT, 1 << 40), struct.pack("<qq", SUBMIT, (1 << 27) + 1), struct.pack("<qi", 30, -5),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 100, struct.pack("<qi", WITH_MAPPING, 4) + b"N\0\0\0",
])  # fmt: skip
def test_nonsense_ends_the_connection_alone(
    cycles: px.Queue, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    port = serve(cycles).port
    good, bad = connect(port), connect(port)
    with caplog.at_level(logging.WARNING, "pychronix.tcp"):
        bad.raw.sendall(struct.pack("<qq", QUERY, A[0]) + data)
        assert Message(SYNC_IDX, A[1]) == bad.message(), "what came before it is still answered"
        assert bad.ended()
    assert "dropped" in caplog.text
    good.command(SUBSCRIBE, -1, flags=EAGER)
    assert messages(ALL) == good.data(6)


def test_an_unknown_action_resets(cycles: px.Queue, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(cycles).port)
    peer.command(99, 0)
    with pytest.raises(ConnectionResetError):
        peer.raw.recv(1)


def test_noise_does_no_harm(queue: px.Queue, serve: Serve, connect: Connect, budget: Any) -> None:
    """Random bytes, half of them behind a good command: the source lives, and its bookkeeping of halves is right."""
    randomness = random.Random(23)
    source = serve(queue, max_excerpt_bytes=5000)
    heads = [
        struct.pack("<qq", action, size) for action in (1, 2, 10, 20, 21, 30, 99) for size in (-1, 0, 5, 4000, 6000)
    ]
    for number in range(budget.of(100, 1000, 20_000)):
        peer = connect(source.port)
        noise = b"".join(
            randomness.choice([*heads, randomness.randbytes(randomness.randint(0, 40))])
            for _ in range(randomness.randint(1, 6))
        )
        with contextlib.suppress(ConnectionError):
            peer.raw.sendall(noise)
        peer.reset() if number % 2 else peer.close()
    wait_until(lambda: source.clients == 0)
    # All of what may wait in halves is free again.
    peers = [connect(source.port) for _ in range(4)]
    for peer in peers:
        peer.command(SUBMIT, 5000, b"x" * 4900)
    for peer in peers:
        peer.raw.sendall(b"x" * 100)
        assert ACK == peer.message().size


def test_half_a_command_is_waited_for(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    port = serve(queue).port
    half, other = connect(port), connect(port)
    half.raw.sendall(struct.pack("<qq", SUBMIT, 10) + b"01234")
    other.command(SUBMIT, 5, b"other")
    assert ACK == other.message().size
    half.raw.sendall(b"56789")
    assert ACK == half.message().size
    assert [b"other", b"0123456789"] == list(queue.tailer())


def test_a_client_that_dies_in_a_payload_leaves_no_trace(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    source = serve(queue)
    for reset in (False, True):
        peer = connect(source.port)
        peer.command(SUBMIT, 1000, b"half of it")
        peer.reset() if reset else peer.close()
    survivor = connect(source.port)
    survivor.command(SUBMIT, 4, b"mine")
    assert ACK == survivor.message().size
    assert [b"mine"] == list(queue.tailer())
    wait_until(lambda: source.clients == 1)


def test_all_halves_together_are_bounded(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """No more than four of the largest excerpts may be on their way at a time."""
    source = serve(queue, max_excerpt_bytes=100_000)
    peers = []
    for _ in range(6):
        peer = connect(source.port)
        peer.command(SUBMIT, 100_000, b"x" * 90_000)
        peers.append(peer)
    # The two that are sent away have an end to read, the others wait for the rest.
    wait_until(lambda: len(select.select([peer.raw for peer in peers], [], [], 0)[0]) == 2)
    alive = 0
    for peer in peers:
        try:
            peer.raw.sendall(b"x" * 10_000)
            alive += peer.message().size == ACK
        except (ConnectionError, EOFError):
            pass
    assert 4 == alive == queue.count()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        tick.wait(0.002)


# --- many clients, slow clients, large excerpts ----------------------------------------------------------------------


def test_all_clients_get_the_same(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """Forty clients at a time, more than there are readers, from different places, while somebody appends."""
    appender = queue.appender()
    indexes = list(appender.append_many(b"%08d" % number for number in range(3000)))
    port = serve(queue).port
    peers = [connect(port) for _ in range(40)]
    for number, peer in enumerate(peers):
        peer.command(SUBSCRIBE, indexes[number * 50], flags=EAGER)
    indexes += appender.append_many(b"%08d" % number for number in range(3000, 6000))
    for number, peer in enumerate(peers):
        expected = [Message(8, index, b"%08d" % at) for at, index in enumerate(indexes)][number * 50 :]
        assert expected == peer.data(len(expected))
    last = appender.append(b"to all of them")
    assert [last] * 40 == [peer.data(1)[0].index for peer in peers]


@counts_memory
def test_a_slow_reader_costs_nothing(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """Twenty clients do not read 40 MB; another does meanwhile; then they do, and have everything."""
    appender = queue.appender()
    payloads = [bytes([number % 256]) * 1000 for number in range(40_000)]
    appender.append_many(payloads[:10])
    source = serve(queue)
    slow = [connect(source.port) for _ in range(20)]
    for peer in slow:
        peer.command(SUBSCRIBE, -1, flags=EAGER)
        peer.data(10)
    before = resident_bytes()
    appender.append_many(payloads[10:])
    quick = connect(source.port)
    quick.command(SUBSCRIBE, -1, flags=EAGER)
    assert payloads == [message.payload for message in quick.data(40_000)]
    assert resident_bytes() - before < 60 << 20, "20 x 40 MB were not read"
    assert payloads[10:] == [message.payload for message in slow[7].data(40_000 - 10)]
    assert Message(IN_SYNC, 0) == slow[7].message()


def test_large_excerpts_go_in_pieces(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """Sizes around a write's; none is copied for who does not read it."""
    sizes = [0, 131_059, 131_060, 131_061, 131_072, 131_073, 5_000_000, 3, 262_144, 1, 20_000_000]
    appender = queue.appender()
    payloads = [bytes([number]) * (size or 1) for number, size in enumerate(sizes)]
    source = serve(queue)
    live = connect(source.port)
    live.command(SUBSCRIBE, -1, flags=EAGER)
    assert [SYNC_IDX, IN_SYNC] == [live.message().size, live.message().size]
    indexes = [appender.append(payload) for payload in payloads]
    behind = [connect(source.port) for _ in range(5)]
    for peer in behind:
        peer.command(SUBSCRIBE, -1, flags=EAGER)
    for peer in (live, behind[3]):
        assert list(zip(indexes, payloads, strict=True)) == [
            (message.index, message.payload) for message in peer.data(len(sizes))
        ]


def test_an_answer_does_not_come_into_the_middle_of_an_excerpt(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    queue.appender().append(b"\x81\xff\xff\xff" * 5_000_000)
    peer = connect(serve(queue).port)
    peer.raw.sendall(struct.pack("<qq", SUBSCRIBE, -1) + (struct.pack("<qq", SUBMIT, 3) + b"abc") * 10)
    got = [peer.message() for _ in range(22)]
    assert 10 == sum(message.size == ACK for message in got)
    assert [20_000_000] + [3] * 10 == [message.size for message in got if message.size >= 0]
    assert b"\x81\xff\xff\xff" * 5_000_000 == next(message.payload for message in got if message.size > 3)


@counts_memory
def test_asking_without_taking_answers_is_stopped(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    """Answers are not kept without end for a client that does not take them: it is no longer listened to."""
    source = serve(queue)
    peer = connect(source.port)
    peer.raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer.raw.setblocking(False)
    before = resident_bytes()
    queries = struct.pack("<qq", QUERY, 5) * 4096
    stuck = sent = 0
    tick = threading.Event()
    while stuck < 20:
        try:
            sent += peer.raw.send(queries[sent % 16 :])
            stuck = 0
        except BlockingIOError:
            stuck += 1
            tick.wait(0.01)
    assert resident_bytes() - before < 2 << 20
    other = connect(source.port)
    other.command(QUERY, 5)
    assert Message(IN_SYNC, 0) == other.message()


@pytest.mark.parametrize("action, number", [(SUBSCRIBE, -1), (SUBSCRIBE, A[0]), (QUERY, A[0])])
def test_who_asks_without_end_does_not_keep_others_waiting(
    cycles: px.Queue, serve: Serve, connect: Connect, action: int, number: int
) -> None:
    source = serve(cycles)
    flood, other = connect(source.port), connect(source.port)
    done = threading.Event()

    def ask() -> None:
        commands = struct.pack("<qq", action, number) * 4096
        with contextlib.suppress(OSError):
            while not done.is_set():
                flood.raw.sendall(commands)

    def take() -> None:
        with contextlib.suppress(OSError):
            while flood.raw.recv(1 << 20):
                pass

    threads = [threading.Thread(target=target) for target in (ask, take)]
    for thread in threads:
        thread.start()
    try:
        times = []
        for _ in range(50):
            begin = time.monotonic()
            other.command(QUERY, A[0])
            assert Message(SYNC_IDX, A[1]) == other.message()
            times.append(time.monotonic() - begin)
            # Nothing piles up for the one that floods, either: it is served once a turn, however often it asked.
            assert len(source._hub._behind) <= 2
        usual, longest = sorted(times)[25], max(times)
        print(f"{usual:.3f} s, {longest:.3f} s at the longest")
        assert usual < 0.25
    finally:
        done.set()
        flood.raw.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)


# --- the life of a source --------------------------------------------------------------------------------------------


def test_it_listens_on_this_machine_alone(queue: px.Queue, serve: Serve) -> None:
    source = serve(queue)
    assert "127.0.0.1" == source.host
    assert f"tcp://127.0.0.1:{source.port}" == source.url
    assert source.url in repr(source)


def test_the_queue_outlives_the_source(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    with serve(queue) as source:
        peer = connect(source.port)
        peer.command(SUBSCRIBE, -1, flags=EAGER)
        assert SYNC_IDX == peer.message().size
        assert not source.wait(0)
    assert source.wait(0)
    source.close()
    assert Message(IN_SYNC, 0) == peer.message()
    assert peer.ended()
    queue.appender().append(b"still open")
    assert b"still open" == queue.tailer().read()


def test_a_port_that_is_taken_is_an_error(queue: px.Queue, serve: Serve) -> None:
    source = serve(queue)
    with pytest.raises(OSError, match="in use"):
        serve(queue, port=source.port)


@pytest.mark.parametrize("options", [
    {"heartbeat_ms": 0}, {"poll_ms_min": 0}, {"poll_ms_min": 5, "poll_ms_max": 4}, {"max_excerpt_bytes": 0},
    {"max_clients": 0},
])  # fmt: skip
def test_impossible_options(queue: px.Queue, serve: Serve, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        serve(queue, **options)


@pytest.mark.parametrize(
    ("port", "kind"), [(-1, UsageError), (1 << 16, UsageError), ("x", TypeError), (None, TypeError)]
)
def test_impossible_ports(queue: px.Queue, serve: Serve, port: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="a port is"):
        serve(queue, port=port)


def test_all_addresses_of_a_host_have_the_same_port(queue: px.Queue, serve: Serve) -> None:
    source = serve(queue, host="")
    for address in ("127.0.0.1", "::1") if socket.has_ipv6 else ("127.0.0.1",):
        with tcp.RemoteAppender(address, source.port) as appender:
            assert appender.append(address.encode()) == queue.last_index


def test_clients_leave_files_for_the_queue(
    queue: px.Queue, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the limit of open files is low, those that come too late are sent away; the others are served on."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    present = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (present + 150, limits[1]))
    try:
        with caplog.at_level(logging.WARNING, "pychronix.tcp"):
            port = serve(queue).port
            # Both ends are ours here.
            peers = []
            for _ in range(40):
                with contextlib.suppress(ConnectionResetError):
                    peers.append(connect(port))
            # Who is sent away has an end to read.
            wait_until(lambda: len(peers) - len(select.select([peer.raw for peer in peers], [], [], 0)[0]) < 25)
        index = queue.appender().append(b"in a file that is opened now")
        peers[0].command(SUBSCRIBE, -1, flags=EAGER)
        assert [Message(28, index, b"in a file that is opened now")] == peers[0].data(1)
        assert "ulimit -n" in caplog.text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_more_clients_than_allowed_are_sent_away(queue: px.Queue, serve: Serve, connect: Connect) -> None:
    source = serve(queue, max_clients=2)
    first, second = connect(source.port), connect(source.port)
    for peer in (first, second):
        peer.command(QUERY, 0)
        assert IN_SYNC == peer.message().size
    with contextlib.suppress(ConnectionResetError):  # It may be sent away before connect() has returned.
        assert connect(source.port).ended()
    first.close()
    wait_until(lambda: source.clients == 1)
    third = connect(source.port)
    third.command(QUERY, 0)
    assert IN_SYNC == third.message().size


def test_damage_ends_the_connections_that_meet_it(
    queue: px.Queue, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A header that no writer writes, behind two good excerpts; the source lives on."""
    appender = queue.appender()
    indexes = [appender.append(payload) for payload in (b"good", b"good too", b"BAD!")]
    queue_file = next(Path(queue.path).glob("*.cq4"))
    content = queue_file.read_bytes()
    at = content.index(b"BAD!") - 4
    appender.close()
    with open(queue_file, "r+b") as file:
        file.seek(at)
        file.write(struct.pack("<I", 0x3FFFFFFF))
    port = serve(queue).port
    peer, other = connect(port), connect(port)
    with caplog.at_level(logging.WARNING, "pychronix.tcp"):
        peer.command(SUBSCRIBE, -1, flags=EAGER)
        assert SYNC_IDX == peer.message().size
        assert [b"good", b"good too"] == [message.payload for message in peer.data(2)]
        assert peer.ended()
    assert str(queue_file) in caplog.text
    other.command(QUERY, indexes[0])
    assert Message(SYNC_IDX, indexes[1]) == other.message()


def test_a_forgotten_source_is_told_of(queue: px.Queue) -> None:
    source = tcp.serve(queue)
    thread = source._thread
    with pytest.warns(ResourceWarning, match="unclosed source"):
        del source
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_it_runs_in_a_loop_of_the_callers(queue: px.Queue) -> None:
    async def talk() -> bytes:
        async with tcp.serve_async(queue) as source:
            reader, writer = await asyncio.open_connection(source.host, source.port)
            writer.write(struct.pack("<qq", SUBMIT, 3) + b"abc")
            answer = await asyncio.wait_for(reader.readexactly(12), PATIENCE)
            writer.close()
            return answer

    assert struct.pack("<iq", ACK, queue.index(queue.cycle_at(time.time_ns() // 10**6), 0)) == asyncio.run(talk())
    assert [b"abc"] == list(queue.tailer())


@pytest.mark.parametrize("turns", range(6))
def test_a_source_that_stops_while_it_accepts_leaves_nothing_open(queue: px.Queue, turns: int) -> None:
    async def run() -> None:
        async with tcp.serve_async(queue) as source:
            for raw in raws:
                raw.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    raw.connect((source.host, source.port))
            # It stops before they are accepted, at any step of that, or after it.
            for _ in range(turns):
                await asyncio.sleep(0)

    raws = [socket.socket() for _ in range(3)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(run())
        gc.collect()
    assert [] == [str(warning.message) for warning in caught]
    for raw in raws:
        Peer(raw).close()


def test_it_serves_until_it_is_interrupted(queue: px.Queue) -> None:
    def interrupt(source: tcp.Source) -> None:
        with tcp.RemoteAppender(source.host, source.port, ack=False) as appender:
            appender.append(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tcp.serve_forever(queue, ready=interrupt)


def test_an_option_that_serve_has_not_is_named(tmp_path: Path) -> None:
    with (
        px.open_queue(tmp_path / "q", "a") as queue,
        pytest.raises(TypeError, match=r"no option 'readonly'.*read_only"),
    ):
        tcp.serve(queue, readonly=True)  # type: ignore[call-arg]


def test_a_journal_deleted_and_begun_anew_under_a_source(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    """A client that has more than there now is does not keep the others from hearing that they have all."""
    with px.open_queue(tmp_path / "v", "a", format="vanilla", clock=lambda: FIRST * DAY) as queue:
        appender, first = queue.appender(), FIRST << 40
        appender.append_many([b"lost"] * 5)
        port = serve(queue).port
        ahead = connect(port)
        ahead.command(SUBSCRIBE, -1, flags=EAGER)
        assert [message.payload for message in ahead.data(5)] == [b"lost"] * 5
        assert Message(IN_SYNC, 0) == ahead.message()
        shutil.rmtree(tmp_path / "v")
        with pytest.raises(px.NotFoundError):
            appender.sync()
        appender.append(b"anew")
        other = connect(port)
        other.command(SUBSCRIBE, -1, flags=EAGER)
        assert Message(SYNC_IDX, -1) == other.message()
        assert Message(4, first, b"anew") == other.message()
        assert Message(IN_SYNC, 0) == other.message()
        appender.append_many([b"%04d" % number for number in range(1, 7)])
        assert [message.index for message in other.data(6)] == [first + number for number in range(1, 7)]
        assert ahead.data(2) == [Message(4, first + 5, b"0005"), Message(4, first + 6, b"0006")]
