"""RemoteTailer and RemoteAppender against our source, scripted sources and Java's rules, its bugs included."""

from __future__ import annotations

import datetime
import itertools
import os
import pickle
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest
from tcp_kit import (
    ACK,
    IN_SYNC,
    NACK,
    PADDED,
    PATIENCE,
    QUERY,
    SUBMIT,
    SUBMIT_NOACK,
    SUBSCRIBE,
    SYNC_IDX,
    UNSUBSCRIBE,
    JavaSource,
    Listener,
    Peer,
)

import pychronix as px
from pychronix import tcp
from pychronix.errors import ClosedError, MessageTooLongError, NackError, ProtocolError, RemoteError, UsageError

Serve = Callable[..., tcp.ThreadedSource]
Tail = Callable[..., tcp.RemoteTailer]
Listen = Callable[[Callable[[Peer, int], object]], Listener]
Java = Callable[..., JavaSource]

E_DAYS = 1 << 40
LARGE = b"L" * 131_073  # Java sends it, then drops the connection.
TOO_LARGE = b"T" * 262_133  # Java cannot send it.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


# --- where it begins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start, expected", [("start", [0, 1, 2, 3]), ("end", [2, 3]), ("now", [3]), (1, [1, 2, 3])])
def test_where_reading_begins(queue: px.Queue, serve: Serve, tail: Tail, start: object, expected: list[int]) -> None:
    appender = queue.appender()
    indexes = [appender.append(b"%d" % number) for number in range(3)]
    port = serve(queue).port
    tailer = tail(port, indexes[1] if start == 1 else start)
    assert expected[:-1] == [int(payload) for payload in tailer]
    indexes.append(appender.append(b"3"))
    assert b"3" == next(tailer.follow())
    assert indexes[3] == tailer.last_read_index == tailer.index - 1


@pytest.mark.parametrize("start", ["start", "end", "now"])
def test_an_empty_queue_has_nothing_and_then_something(queue: px.Queue, serve: Serve, tail: Tail, start: str) -> None:
    tailer = tail(serve(queue).port, start)
    assert tailer.read() is None
    assert tailer.last_read_index is None
    queue.appender().append(b"the first")
    assert b"the first" == next(tailer.follow())


AT_2015 = datetime.datetime(2015, 4, 16, 10, 30)


@pytest.mark.parametrize("start, cycle, expected", [
    (datetime.date(2015, 4, 16), "DAYS", 16541 * E_DAYS), (AT_2015, "DAYS", 16541 * E_DAYS),
    (AT_2015, "HOURS", (16541 * 24 + 10) * E_DAYS), (AT_2015, "MINUTES", ((16541 * 24 + 10) * 60 + 30) << 34),
    (AT_2015, "SECONDS", (((16541 * 24 + 10) * 60 + 30) * 60) << 28), (AT_2015, "FAST_DAILY", 16541 << 32),
    (AT_2015.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=11))), "DAYS", 16540 * E_DAYS),
    (AT_2015, px.VanillaCycle.of("yyyyMMdd/HH"), (16541 * 24 + 10) * E_DAYS), (datetime.date(1970, 1, 1), "DAYS", 0),
    (AT_2015, px.RollCycle.HOURLY, (16541 * 24 + 10) << 32), ("2015-04-16", "DAYS", 16541 * E_DAYS),
    ("2015-04-16T10:30", "HOURS", (16541 * 24 + 10) * E_DAYS), ("2015-04-16T10:30+11:00", "DAYS", 16540 * E_DAYS),
    ("today", "DAYS", 16541 * E_DAYS), ("today", "HOURS", 16541 * 24 * E_DAYS),
])  # fmt: skip
def test_a_date_is_the_first_index_of_its_cycle(
    listen: Listen, tail: Tail, start: object, cycle: object, expected: int
) -> None:
    asked = []

    def serve(peer: Peer, _: int) -> None:
        asked.append(peer.asked())
        peer.send(SYNC_IDX, expected)
        peer.excerpt(expected, b"found")
        peer.send(IN_SYNC)

    clock = AT_2015.replace(tzinfo=datetime.timezone.utc).timestamp
    assert [b"found"] == [tail(listen(serve).port, start, cycle=cycle, clock=clock).read()]
    assert [(SUBSCRIBE, expected)] == asked


def test_entries_per_cycle_are_those_of_the_source(listen: Listen, tail: Tail) -> None:
    asked = []

    def serve(peer: Peer, _: int) -> None:
        asked.append(peer.asked())
        peer.send(SYNC_IDX, 16541 << 20)
        peer.excerpt(16541 << 20, b"found")
        peer.send(IN_SYNC)

    assert [b"found"] == [tail(listen(serve).port, "2015-04-16", entries_per_cycle=1 << 20).read()]
    assert [(SUBSCRIBE, 16541 << 20)] == asked


def test_a_start_is_text_a_number_or_a_date() -> None:
    for start in (1.5, None, True, b"start"):
        with pytest.raises(TypeError, match="start is"):
            tcp.RemoteTailer("127.0.0.1", 1, start)  # type: ignore[arg-type]


def test_our_source_finds_a_date_that_has_nothing(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    queue.appender().append(b"today's")
    yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
    assert [b"today's"] == list(tail(serve(queue).port, yesterday, cycle="FAST_DAILY"))


@pytest.mark.parametrize("cycle", [5, None, (86_400_000, 1 << 40)])
def test_a_cycle_is_a_name_or_a_cycle(cycle: object) -> None:
    with pytest.raises(TypeError, match="cycle is a str, a VanillaCycle or a RollCycle"):
        tcp.RemoteTailer("127.0.0.1", 1, "2024-03-05", cycle=cycle)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments, options", [
    (("nowhere",), {}), ((-1,), {}), ((1 << 63,), {}), ((datetime.date(1969, 12, 31),), {}), ((), {"cycle": "WEEKS"}),
    (("2015-02-30",), {}), (("1969-12-31",), {}), ((), {"entries_per_cycle": 5}),
    ((), {"cycle": "FAST_DAILY", "entries_per_cycle": 1 << 32}),
    ((), {"heartbeat_timeout_ms": 0}), ((), {"backoff_ms_min": 5, "backoff_ms_max": 4}),
    ((), {"max_excerpt_bytes": 0}),
])  # fmt: skip
def test_impossible_arguments(arguments: tuple[object, ...], options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        tcp.RemoteTailer("127.0.0.1", 1, *arguments, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        tcp.RemoteTailer("127.0.0.1", 65536)
    with pytest.raises(UsageError):
        tcp.RemoteAppender("", 1)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_ways_of_reading_share_one_position(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    indexes = list(queue.appender().append_many(b"%d" % number for number in range(3000)))
    tailer = tail(serve(queue).port)
    assert -1 == tailer.index
    expected = itertools.count()
    for index, payload in tailer.with_index():
        number = next(expected)
        assert (indexes[number], b"%d" % number) == (index, payload)
        assert index == tailer.last_read_index
        if number % 7 == 0:
            number = next(expected)
            assert b"%d" % number == tailer.read()
            assert indexes[number] == tailer.last_read_index
        if number > 1000:
            break
    for payload in tailer:
        number = next(expected)
        assert b"%d" % number == payload
        assert indexes[number] + 1 == tailer.index
        if number > 2000:
            break
    for index, payload in tailer.follow(with_index=True):
        number = next(expected)
        assert (indexes[number], b"%d" % number) == (index, payload)
        if number == 2999:
            break
    assert tailer.read() is None


def test_large_excerpts_arrive_whole(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    payloads = [os.urandom(size) for size in (1, 300_000, 12, 20_000_000, 100)]
    queue.appender().append_many(payloads)
    assert payloads == list(tail(serve(queue).port))


def test_a_timeout_ends_a_read(listen: Listen, tail: Tail) -> None:
    """The source sends half an excerpt, then the rest once it is told."""
    go_on = threading.Event()

    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.send(4, 7, b"ab")
        assert go_on.wait(PATIENCE)
        peer.raw.sendall(b"cd")
        peer.asked()

    tailer = tail(listen(serve).port)
    assert tailer.read(0) is None
    begin = time.monotonic()
    assert tailer.read(0.05) is None
    assert time.monotonic() - begin >= 0.05
    go_on.set()
    assert b"abcd" == tailer.read(PATIENCE)


def test_following_ends_when_told_and_loses_nothing(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    queue.appender().append_many(b"%d" % number for number in range(10))
    tailer = tail(serve(queue).port)
    stop = threading.Event()
    got = []
    for payload in tailer.follow(stop=stop):
        got.append(int(payload))
        if len(got) == 4:
            stop.set()
    assert [0, 1, 2, 3] == got
    assert [] == list(tailer.follow(stop=stop))
    assert list(range(4, 10)) == [int(payload) for payload in tailer]
    stop.clear()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    assert [] == list(tailer.follow(stop=stop)), "it is told while there is nothing"
    timer.join()


def test_ctrl_c_while_waiting_loses_nothing(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    appender = queue.appender()
    appender.append(b"one")
    tailer = tail(serve(queue).port)
    timer = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    got = []
    with pytest.raises(KeyboardInterrupt):
        for payload in tailer.follow():
            got.append(payload)
            timer.start()
    timer.join()
    appender.append(b"two")
    assert [b"one", b"two"] == [*got, next(tailer.follow())]


def test_padding_is_stepped_over_and_told(listen: Listen, tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(0, b"zero")
        peer.send(PADDED, 1)
        peer.excerpt(2, b"two")
        peer.send(PADDED, 3)
        peer.send(IN_SYNC)

    tailer = tail(listen(serve).port)
    events: list[object] = []
    tailer.on_padding = events.append
    events.extend([])
    for pair in tailer.with_index():
        events.append(pair)
    assert [(0, b"zero"), 1, (2, b"two"), 3] == events


# --- connections that break ------------------------------------------------------------------------------------------


def test_it_resumes_with_the_last_index_and_drops_it(listen: Listen, tail: Tail) -> None:
    """Spec 5.4: subscribe n, drop the first excerpt if its index is n."""
    asked = []

    def serve(peer: Peer, number: int) -> None:
        asked.append(peer.asked())
        at = asked[-1][1]
        peer.send(SYNC_IDX, at)
        at = max(at, 0)
        for index in range(at, at + 3):
            peer.excerpt(index, b"%d" % index)
        if number == 4:
            peer.send(IN_SYNC)
            peer.asked()
        peer.reset() if number % 2 else peer.close()

    tailer = tail(listen(serve).port)
    assert list(range(11)) == [int(payload) for payload in itertools.islice(tailer.follow(), 11)]
    assert [(SUBSCRIBE, at) for at in (-1, 2, 4, 6, 8)] == asked
    assert 4 == tailer.reconnects


def test_the_end_is_the_same_after_a_reconnect(listen: Listen, tail: Tail) -> None:
    """What "end" and "now" mean is settled by the first answer, though the queue grows while there is no connection."""
    asked: list[tuple[int, int]] = []

    def serve(peer: Peer, number: int) -> None:
        asked.append(peer.asked())
        peer.send(SYNC_IDX, 41 if asked[-1][1] == -2 else asked[-1][1])
        if number % 2:
            peer.excerpt(41, b"old")
            peer.excerpt(42, b"new")
            peer.send(IN_SYNC)
            peer.asked()

    port = listen(serve).port
    assert [b"old", b"new"] == list(tail(port, "end"))
    assert [b"new"] == list(tail(port, "now"))
    assert [(SUBSCRIBE, -2), (SUBSCRIBE, 41)] * 2 == asked


def test_a_silent_source_is_given_up(listen: Listen, tail: Tail) -> None:
    hang = threading.Event()

    def serve(peer: Peer, number: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        if number == 0:
            peer.excerpt(1, b"one")
            hang.wait(PATIENCE)
        else:
            peer.excerpt(1, b"one")
            peer.excerpt(2, b"two")
            hang.set()
            peer.asked()

    tailer = tail(listen(serve).port, heartbeat_timeout_ms=100)
    assert [b"one", b"two"] == list(itertools.islice(tailer.follow(), 2))
    assert tailer.reconnects >= 1


def test_a_slow_excerpt_is_a_sign_of_life(listen: Listen, tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.send(30, 1)
        tick = threading.Event()
        for _ in range(30):
            tick.wait(0.05)
            peer.raw.sendall(b"x")
        peer.asked()

    tailer = tail(listen(serve).port, heartbeat_timeout_ms=1000)
    assert b"x" * 30 == next(tailer.follow())
    assert 0 == tailer.reconnects


def test_a_source_that_was_never_there_is_an_error_at_once(tail: Tail) -> None:
    tailer = tail(free_port())
    for _ in range(2):
        with pytest.raises(RemoteError, match="cannot connect to tcp://") as caught:
            tailer.read()
        assert isinstance(caught.value, OSError) and caught.value.errno


def test_a_source_that_went_away_is_waited_for(listen: Listen, tail: Tail) -> None:
    """Pauses double from backoff_ms_min to backoff_ms_max, less a random half."""
    pauses: list[float] = []
    back: list[Listener] = []
    port = 0

    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(len(back), b"%d" % len(back))

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            back.append(Listener(serve, port))

    first = Listener(serve)
    port = first.port
    tailer = tail(port, sleep=sleep, random=lambda: 0.5, backoff_ms_min=4000, backoff_ms_max=100_000)
    assert b"0" == tailer.read()
    first.close()
    assert b"1" == next(tailer.follow())
    back[0].close()
    # Nobody slept, so that the moments themselves are missing from each.
    assert [3, 6, 12, 24, 48, 75, 75, 75] == pytest.approx(pauses, abs=2)


def test_patience_has_its_limit(tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(1, b"one")

    listener = Listener(serve)
    tailer = tail(listener.port, retry_ms=50, backoff_ms_max=10)
    assert b"one" == tailer.read()
    listener.close()
    with pytest.raises(RemoteError, match="cannot connect"):
        tailer.read()


def test_what_is_no_source_is_told(listen: Listen, tail: Tail) -> None:
    """It ends the connection, or says nothing, or speaks another protocol."""
    hang = threading.Event()

    def serve(peer: Peer, number: int) -> None:
        peer.asked()
        if number == 1:
            hang.wait(PATIENCE)
        elif number == 2:
            peer.raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.asked()

    tailer = tail(listen(serve).port, heartbeat_timeout_ms=500)
    with pytest.raises(RemoteError, match="is this a source"):
        tailer.read()
    with pytest.raises(RemoteError, match=r"silent for 0\.5 s"):
        tailer.read()
    hang.set()
    with pytest.raises(ProtocolError, match="1347703880 bytes"):
        tailer.read()


def test_patience_with_a_source_that_answers_and_no_more(listen: Listen, tail: Tail) -> None:
    served = [True]

    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        if served.pop() if served else False:
            peer.send(SYNC_IDX, -1)
            peer.excerpt(1, b"one")

    tailer = tail(listen(serve).port, retry_ms=50, backoff_ms_max=10)
    with pytest.raises(RemoteError, match="nothing came of any connection"):
        assert [b"one"] == list(tailer.follow())
    assert 1 == tailer.last_read_index


@pytest.mark.parametrize("size, index", [(IN_SYNC, 0), (SYNC_IDX, 5), (PADDED, 3)])
def test_a_source_that_repeats_itself_without_end_holds_nobody_up(
    listen: Listen, tail: Tail, size: int, index: int
) -> None:
    """Not a read with a timeout, nor follow(), which is to look at its ``stop``."""

    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, 5)
        peer.excerpt(5, b"the only one")
        peer.send(IN_SYNC)
        while True:
            peer.raw.sendall((struct.pack("<iq", size, index) + b"x" * max(size, 0)) * 4096)

    tailer = tail(listen(serve).port, 5)
    assert b"the only one" == tailer.read()
    begin = time.monotonic()
    assert tailer.read(0.05) is None
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    assert [] == list(tailer.follow(stop=stop))
    timer.join()
    assert time.monotonic() - begin < PATIENCE
    assert 5 == tailer.last_read_index


@pytest.mark.parametrize("indexes", [[7, 7], [7, 6, 9], [7, 9, 8, 20], [7, 5]])
def test_indexes_that_do_not_ascend_are_an_error(listen: Listen, tail: Tail, indexes: list[int]) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(6, b"good")
        peer.send(IN_SYNC)
        peer.raw.sendall(b"".join(struct.pack("<iq", 3, index) + b"bad" for index in indexes))
        peer.asked()

    tailer = tail(listen(serve).port)
    assert b"good" == tailer.read()
    with pytest.raises(ProtocolError, match="do not ascend"):
        while tailer.read() is None:
            pass
    assert 6 == tailer.last_read_index


def test_an_index_below_zero_is_an_error(listen: Listen, tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(7, b"good")
        peer.excerpt(-8, b"bad")
        peer.asked()

    tailer = tail(listen(serve).port)
    assert b"good" == tailer.read()
    with pytest.raises(ProtocolError, match="an excerpt with the index -8"):
        tailer.read()
    assert 7 == tailer.last_read_index


def test_a_read_with_a_timeout_does_not_wait_for_the_source(tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(SYNC_IDX, -1)
        peer.excerpt(1, b"one")

    listener = Listener(serve)
    tailer = tail(listener.port, backoff_ms_min=3_600_000, backoff_ms_max=3_600_000)
    assert b"one" == tailer.read()
    listener.close()
    begin = time.monotonic()
    assert tailer.read(0.05) is None
    assert tailer.read(0) is None
    assert time.monotonic() - begin < PATIENCE


def test_closing(queue: px.Queue, serve: Serve, tail: Tail) -> None:
    queue.appender().append(b"x")
    tailer = tail(serve(queue).port)
    assert not tailer.connected
    with tailer:
        assert b"x" == tailer.read()
        assert tailer.connected
        assert "127.0.0.1" in repr(tailer)
    assert tailer.closed and not tailer.connected
    with pytest.raises(ClosedError):
        tailer.read()
    with pytest.raises(TypeError):
        pickle.dumps(tailer)


# --- what a source should not send -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [-131, -1, 1001, 2**31 - 1])
def test_what_is_not_the_protocol_is_an_error_after_all_before_it(listen: Listen, tail: Tail, size: int) -> None:
    def serve(peer: Peer, number: int) -> None:
        asked = peer.asked()[1]
        peer.send(SYNC_IDX, asked)
        for index in range(max(asked, 0), 3):
            peer.excerpt(index, b"%d" % index)
        if number:
            peer.excerpt(3, b"3")
        peer.send(size, 9)
        if number:
            return
        peer.asked()

    tailer = tail(listen(serve).port, max_excerpt_bytes=1000)
    got = []
    with pytest.raises(ProtocolError):
        for payload in tailer.follow():
            got.append(int(payload))
    assert [0, 1, 2] == got
    with pytest.raises(ProtocolError):
        for payload in tailer.follow():
            got.append(int(payload))
    assert [0, 1, 2, 3] == got, "the next call goes on where it stood"


def test_a_second_sync_idx_changes_nothing(listen: Listen, tail: Tail) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.excerpt(3, b"of an older subscription")
        peer.send(SYNC_IDX, -1)
        peer.excerpt(5, b"five")
        peer.send(SYNC_IDX, 5)
        peer.send(ACK, 9)
        peer.send(NACK, -4)
        peer.excerpt(6, b"six")
        peer.send(IN_SYNC)

    assert [b"five", b"six"] == list(tail(listen(serve).port))


# --- Java's source and its bugs (spec 5.8) ---------------------------------------------------------------------------


def test_javas_own_rules_without_any_bug(java: Java, tail: Tail) -> None:
    excerpts = {day * E_DAYS + number: b"%d %d" % (day, number) for day in (5, 6, 9) for number in range(50)}
    source = java(dict(excerpts))
    tailer = tail(source.port)
    assert list(excerpts.items()) == list(tailer.with_index())
    source.append(10 * E_DAYS, b"more")
    assert b"more" == next(tailer.follow())
    assert list(excerpts.values())[-1:] + [b"more"] == list(tail(source.port, 9 * E_DAYS + 49))


@pytest.mark.parametrize("large", [[0], [3], [9], [3, 4, 5], list(range(10))], ids=str)
def test_large_excerpts_that_java_drops_the_connection_after(java: Java, tail: Tail, large: list[int]) -> None:
    excerpts = {7 * E_DAYS + number: LARGE if number in large else b"%d" % number for number in range(10)}
    source = java(excerpts)
    tailer = tail(source.port)
    assert list(excerpts.items()) == list(itertools.islice(tailer.follow(with_index=True), 10))
    later = [7 * E_DAYS + 10, 7 * E_DAYS + 11]
    for index in later:
        source.append(index, b"later")
        assert (index, b"later") == next(tailer.follow(with_index=True))
    assert (SUBSCRIBE, 7 * E_DAYS + large[0] + 1) in source.asked


def test_a_large_excerpt_at_the_end_of_a_cycle(java: Java, tail: Tail) -> None:
    """Behind it neither n works, which drops the connection, nor n + 1, which never comes: QUERY tells what does."""
    excerpts = {7 * E_DAYS: b"first", 7 * E_DAYS + 1: LARGE}
    source = java(excerpts)
    tailer = tail(source.port)
    assert [b"first", LARGE] == list(itertools.islice(tailer.follow(), 2))
    while tailer.read() is not None or tailer.reconnects < 3:
        pass  # The first question comes to nothing: it is still the last excerpt.
    for index in (9 * E_DAYS, 9 * E_DAYS + 1):
        source.append(index, b"%d" % index)
    assert [9 * E_DAYS, 9 * E_DAYS + 1] == [index for index, _ in itertools.islice(tailer.follow(with_index=True), 2)]
    assert (QUERY, 7 * E_DAYS + 1) in source.asked
    assert (UNSUBSCRIBE, 0) in source.asked


def test_an_excerpt_that_java_cannot_send_is_told_and_not_skipped(java: Java, tail: Tail) -> None:
    excerpts = {number: b"%d" % number for number in range(3)} | {3: TOO_LARGE, 4: b"4"}
    source = java(excerpts)
    tailer = tail(source.port, backoff_ms_max=2)
    got = []
    for _ in range(2):
        with pytest.raises(RemoteError, match=r"what follows 0x2 .*minBufferSize"):
            for payload in tailer.follow():
                got.append(payload)
    assert [b"0", b"1", b"2"] == got
    source.append(3, b"3, shortened")
    assert [b"3, shortened", b"4"] == list(itertools.islice(tailer.follow(), 2))


def test_a_stream_that_is_cut_at_any_byte(listen: Listen, tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source ends five connections after 1, 2, 3 ... bytes; the tailer gets all, once."""
    monkeypatch.setattr("pychronix.tcp.client._STUCK_ATTEMPTS", 1000)
    excerpts = [(index, bytes([65 + index]) * (5 * index)) for index in range(5)]
    cut = [0]

    def serve(peer: Peer, number: int) -> None:
        asked = peer.asked()[1]
        stream = struct.pack("<iq", SYNC_IDX, asked)
        for index, payload in excerpts:
            if index >= asked:
                stream += struct.pack("<iq", len(payload), index) + payload
        stream += struct.pack("<iq", IN_SYNC, 0)
        if number < 5:
            # The first answer is the sign that this is a source at all.
            peer.raw.sendall(stream[: max(cut[0], 12) if number == 0 else cut[0]])
        else:
            peer.raw.sendall(stream)
            peer.asked()

    for cut[0] in range(1, 12 * 7 + 50 + 1):
        tailer = tail(listen(serve).port, backoff_ms_max=1, sleep=lambda seconds: None)
        assert excerpts == list(tailer.with_index())
        tailer.close()


# --- RemoteAppender --------------------------------------------------------------------------------------------------


@pytest.fixture
def appending() -> object:
    appenders = []

    def open_(port: int, **options: object) -> tcp.RemoteAppender:
        appenders.append(tcp.RemoteAppender("127.0.0.1", port, **options))  # type: ignore[arg-type]
        return appenders[-1]

    yield open_
    for appender in appenders:
        appender.close()


Appending = Callable[..., tcp.RemoteAppender]


def test_it_appends_and_tells_the_index(queue: px.Queue, serve: Serve, appending: Appending) -> None:
    appender = appending(serve(queue).port)
    assert appender.last_index is None
    got = [(appender.append(data), bytes(data)) for data in (b"bytes", bytearray(b"array"), memoryview(b"view"))]
    indexes = appender.append_many(b"%d" % number for number in range(2000))
    got += zip(indexes, (b"%d" % number for number in range(2000)), strict=True)
    big = os.urandom(3_000_000)
    got.append((appender.append(big), big))
    assert got == list(queue.tailer().with_index())
    assert queue.last_index == appender.last_index
    assert [] == appender.append_many([])


def test_without_ack_it_tells_nothing(queue: px.Queue, serve: Serve, appending: Appending, tail: Tail) -> None:
    source = serve(queue)
    appender = appending(source.port, ack=False)
    assert appender.append(b"one") is None
    assert [] == appender.append_many([b"two", b"three"])
    assert appender.last_index is None
    appender.close()
    assert [b"one", b"two", b"three"] == list(itertools.islice(tail(source.port).follow(), 3))


def test_the_bytes_that_it_sends(listen: Listen, appending: Appending) -> None:
    got = []

    def serve(peer: Peer, number: int) -> None:
        got.append(peer.exactly(19))
        if number == 0:
            peer.send(IN_SYNC)  # Java sends one if the connection was ever subscribed: no answer.
            peer.send(ACK, 77)
        peer.asked()

    port = listen(serve).port
    assert 77 == appending(port).append(b"abc")
    appending(port, ack=False).append(b"xyz")
    deadline = time.monotonic() + PATIENCE
    while len(got) < 2 and time.monotonic() < deadline:
        threading.Event().wait(0.002)
    assert [SUBMIT.to_bytes(8, "little") + (3).to_bytes(8, "little") + b"abc",
            SUBMIT_NOACK.to_bytes(8, "little") + (3).to_bytes(8, "little") + b"xyz"] == got  # fmt: skip


def test_a_refusal_is_an_error(queue: px.Queue, serve: Serve, appending: Appending) -> None:
    appender = appending(serve(queue, read_only=True).port)
    for _ in range(2):
        with pytest.raises(NackError, match=r"to append 1 of the 1 .* number 0; nothing was") as caught:
            appender.append(b"no")
        assert [0] == caught.value.refused
        assert [] == caught.value.appended
        assert 0 == caught.value.unsure
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), NackError)
    assert 0 == queue.count()


def test_a_refusal_tells_what_was_appended(listen: Listen, appending: Appending) -> None:
    """Number 3 is refused, those that were under way behind it are appended."""

    def serve(peer: Peer, _: int) -> None:
        for number in range(6):
            peer.asked()
            peer.exactly(1)
            peer.send(NACK, -4) if number == 3 else peer.send(ACK, 100 + number)
        peer.asked()

    with pytest.raises(NackError, match="1 of the 6 messages sent to it, number 3; the other 5 are appended") as caught:
        appending(listen(serve).port).append_many([b"x"] * 6)
    assert [3] == caught.value.refused
    assert [100, 101, 102, 104, 105] == caught.value.appended
    assert 0 == caught.value.unsure


def test_java_indexed_refuses_and_reads_the_payload_as_a_command(listen: Listen, appending: Appending) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.send(NACK, -4)
        peer.exactly(16)
        peer.reset()

    with pytest.raises(RemoteError) as caught:
        appending(listen(serve).port).append_many([b"x" * 100] * 3)
    assert [] == caught.value.appended
    assert caught.value.unsure in (0, 2)


def test_a_broken_connection_tells_what_is_unsure(listen: Listen, appending: Appending) -> None:
    def serve(peer: Peer, number: int) -> None:
        for answer in range(1000 if number else 4):
            peer.asked()
            peer.exactly(5)
            peer.send(ACK, answer)
        peer.exactly(10 * 21)

    appender = appending(listen(serve).port)
    with pytest.raises(RemoteError, match="lost the connection") as caught:
        appender.append_many([b"12345"] * 14)
    assert [0, 1, 2, 3] == caught.value.appended
    assert 10 == caught.value.unsure
    assert [0, 1] == appender.append_many([b"again"] * 2), "the next call connects again"
    assert 1 == appender.last_index


def test_a_connection_that_ended_unnoticed_is_made_anew(listen: Listen, appending: Appending) -> None:
    ended = threading.Event()

    def serve(peer: Peer, number: int) -> None:
        peer.asked()
        peer.exactly(1)
        peer.send(ACK, number)
        if number == 0:
            peer.close()
            ended.set()
        else:
            peer.asked()

    appender = appending(listen(serve).port)
    assert 0 == appender.append(b"x")
    assert ended.wait(PATIENCE)
    assert 1 == appender.append(b"y")


def test_an_answer_that_does_not_come(listen: Listen, appending: Appending) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.exactly(1 << 20)

    appender = appending(listen(serve).port, timeout_ms=50)
    with pytest.raises(RemoteError, match="no answer within") as caught:
        appender.append(b"hello?")
    assert 1 == caught.value.unsure


def test_what_a_peer_should_not_answer(listen: Listen, appending: Appending) -> None:
    def serve(peer: Peer, _: int) -> None:
        peer.asked()
        peer.exactly(1)
        peer.excerpt(5, b"")
        peer.exactly(1)

    with pytest.raises(ProtocolError) as caught:
        appending(listen(serve).port).append(b"x")
    assert 1 == caught.value.unsure


def test_an_iterable_that_fails_leaves_nothing_unsure(queue: px.Queue, serve: Serve, appending: Appending) -> None:
    def messages() -> object:
        for number in range(1000):
            yield b"%d" % number
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        appending(serve(queue).port).append_many(messages())
    assert 0 == caught.value.unsure  # type: ignore[attr-defined]
    assert queue.count() == len(caught.value.appended) >= 512  # type: ignore[attr-defined]


def test_misuse_of_an_appender(queue: px.Queue, serve: Serve, appending: Appending) -> None:
    appender = appending(serve(queue).port, max_excerpt_bytes=10)
    with pytest.raises(MessageTooLongError):
        appender.append(b"x" * 11)
    for wrong in (b"bytes", "text", bytearray(2)):
        with pytest.raises(TypeError):
            appender.append_many(wrong)
    with pytest.raises(TypeError):
        appender.append("text")  # type: ignore[arg-type]
    appender.close()
    assert appender.closed
    with pytest.raises(ClosedError):
        appender.append(b"x")
    with pytest.raises(RemoteError, match="cannot connect"):
        appending(free_port()).append(b"x")
    assert 0 == queue.count()
