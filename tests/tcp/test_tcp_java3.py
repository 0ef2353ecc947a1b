"""Java 3.6.0 as the peer: its remote tailer, sink and remote appender against our source, ours against Java's source."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fix_java import JavaError
from fix_java3 import Java3Peer
from tcp_kit import PATIENCE, Proxy

import pychronix as px
from pychronix import tcp
from pychronix.errors import NackError, RemoteError

Serve = Callable[..., tcp.ThreadedSource]

SMALL: dict[str, dict[str, Any]] = {
    "vanilla": {"index_block_bytes": 4096, "data_block_bytes": 1 << 20},
    "indexed": {"index_block_bytes": 4096, "data_block_bytes": 4096, "reserve_bytes": 256},
}
JAVA: dict[str, dict[str, Any]] = {
    "vanilla": {"index_block": 4096, "data_block": 1 << 20},
    "indexed": {"index_block": 4096, "data_block": 4096},
}


def java_queue(java3: Java3Peer, format: str, path: Path) -> Any:
    return java3.vanilla(path, **JAVA["vanilla"]) if format == "vanilla" else java3.indexed(path, **JAVA["indexed"])


def ours(path: Path, format: str, mode: str = "a") -> px.Queue:
    if format == "cq5":
        return px.open_queue(path, mode)
    return px.open_queue(path, mode, format=format, **SMALL[format])


def payloads(count: int, seed: int = 1, most: int = 300) -> list[bytes]:
    """From 1 byte on: an empty excerpt is something else in each format."""
    randomness = random.Random(seed)
    return [randomness.randbytes(randomness.randint(1, most)) for _ in range(count)]


@pytest.fixture(params=["vanilla", "indexed", "cq5"])
def queue3(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[px.Queue]:
    """A queue of ours to serve to Java."""
    with ours(tmp_path / "source", request.param) as queue:
        yield queue


def fill(queue: px.Queue, messages: list[bytes]) -> list[tuple[int, bytes]]:
    with queue.appender() as appender:
        return list(zip(appender.append_many(messages), messages, strict=True))


# --- Java's clients at our source ------------------------------------------------------------------------------------


def read(tailer: Any, count: int) -> list[tuple[int, bytes]]:
    got: list[tuple[int, bytes]] = []
    while len(got) < count:
        got += tailer.read(count - len(got), timeout_s=PATIENCE)
    return got


def test_javas_remote_tailer_reads_ours(java3: Java3Peer, queue3: px.Queue, serve: Serve) -> None:
    expected = fill(queue3, payloads(500))
    source = serve(queue3, heartbeat_ms=200)
    remote = java3.remote_tailer(source.port)
    tailer = remote.tailer()
    assert expected == read(tailer, 500)
    more = fill(queue3, payloads(20, 2))
    assert more == read(tailer, 20)
    assert [] == tailer.read(1), "a heartbeat ends its wait"
    remote.close()


def test_javas_remote_tailer_goes_where_it_wants(java3: Java3Peer, queue3: px.Queue, serve: Serve) -> None:
    # No padding: a PADDED that is under way makes index() fail, at Java's own source as well.
    expected = fill(queue3, payloads(100, most=40))
    assert queue3.count() == 100
    source = serve(queue3, heartbeat_ms=200)
    remote = java3.remote_tailer(source.port)
    tailer = remote.tailer()
    for at in (50, 3, 99, 0):
        assert tailer.index(expected[at][0])
        assert expected[at][1] == tailer.view()
        assert expected[at + 1 : at + 4] == read(tailer, min(3, 99 - at))
    assert expected[-1][0] == tailer.end()
    assert expected[-1][1] == tailer.view()
    more = fill(queue3, [b"after the end"])
    assert more == read(tailer, 1)
    tailer.start()
    assert expected[:5] == read(tailer, 5)
    remote.close()


def test_javas_remote_tailer_survives_our_restart(java3: Java3Peer, queue3: px.Queue) -> None:
    expected = fill(queue3, payloads(60))
    with tcp.serve(queue3, heartbeat_ms=200) as source:
        port = source.port
        remote = java3.remote_tailer(port)
        tailer = remote.tailer()
        assert expected[:60] == read(tailer, 60)
    expected += fill(queue3, payloads(60, 2))
    with tcp.serve(queue3, port=port, heartbeat_ms=200):
        assert expected[60:] == read(tailer, 60)
        remote.close()


@pytest.mark.parametrize("format", ["vanilla", "indexed"])
def test_javas_sink_makes_a_replica_of_ours(java3: Java3Peer, tmp_path: Path, serve: Serve, format: str) -> None:
    with ours(tmp_path / "source", format) as queue:
        expected = fill(queue, payloads(700, most=900))
        if format == "indexed":
            with queue.appender() as appender:
                appender.append_padding()
            expected += fill(queue, payloads(5, 3))
        source = serve(queue, heartbeat_ms=200)
        for seed in (7, 8):
            local = java_queue(java3, format, tmp_path / "replica")
            sink = local.sink(source.port)
            tailer = sink.tailer()
            # A new one shows what is there already, then what it is sent.
            assert expected == read(tailer, len(expected))
            for message in (b"7 bytes", b"12 bytes now"):
                expected += fill(queue, [message])
                assert expected[-1:] == read(tailer, 1)
            sink.close()
            local.close()
            expected += fill(queue, payloads(30, seed))
        local = java_queue(java3, format, tmp_path / "replica")
        sink = local.sink(source.port)
        assert expected == read(sink.tailer(), len(expected))
        sink.close()
        local.close()
        again = java_queue(java3, format, tmp_path / "replica")
        assert expected == again.dump()
        again.close()
        with ours(tmp_path / "replica", format, "r") as replica:
            assert expected == list(replica.tailer().with_index())


@pytest.mark.parametrize("ack", [True, False])
def test_javas_remote_appender_appends_to_ours(
    java3: Java3Peer, tmp_path: Path, serve: Serve, tail: Any, ack: bool
) -> None:
    messages = [*payloads(50), b"x" * 300_000, b"last"]
    for format in ("vanilla", "cq5"):
        with ours(tmp_path / format, format) as queue:
            source = serve(queue)
            remote = java3.remote_appender(source.port, ack=ack, min_buffer=1 << 20)
            appender = remote.appender()
            indexes = appender.append_many(messages)
            got = list(itertools.islice(tail(source.port).follow(with_index=True), len(messages)))
            assert messages == [payload for _, payload in got]
            assert indexes == ([index for index, _ in got] if ack else [-1] * len(messages))
            remote.close()
            source.close()


def test_javas_remote_appender_is_refused(java3: Java3Peer, queue3: px.Queue, serve: Serve) -> None:
    source = serve(queue3, read_only=True)
    remote = java3.remote_appender(source.port, ack=True)
    appender = remote.appender()
    with pytest.raises(JavaError, match="discarded by server"):
        appender.append(b"no")
    assert queue3.last_index is None
    remote.close()


def test_all_three_at_once(java3: Java3Peer, tmp_path: Path, serve: Serve, tail: Any) -> None:
    """A Java appender writes through our source while a Java tailer, a Java sink and a tailer of ours read it."""
    with ours(tmp_path / "source", "vanilla") as queue:
        source = serve(queue, heartbeat_ms=200)
        appender = java3.remote_appender(source.port, ack=True).appender()
        tailer = java3.remote_tailer(source.port).tailer()
        local = java_queue(java3, "vanilla", tmp_path / "replica")
        sunk = local.sink(source.port).tailer()
        mine = tail(source.port)
        messages = payloads(400)
        indexes: list[int] = []
        for at in range(0, 400, 100):
            indexes += appender.append_many(messages[at : at + 100])
            expected = list(zip(indexes, messages, strict=False))[at:]
            assert expected == read(tailer, 100)
            assert expected == read(sunk, 100)
            assert expected == list(itertools.islice(mine.follow(with_index=True), 100))
        assert list(zip(indexes, messages, strict=True)) == list(queue.tailer().with_index())
        java3.close_queues()
        with ours(tmp_path / "replica", "vanilla", "r") as replica:
            assert list(zip(indexes, messages, strict=True)) == list(replica.tailer().with_index())


# --- our clients at Java's source ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["vanilla", "indexed"])
def test_our_tailer_reads_javas(java3: Java3Peer, tmp_path: Path, tail: Any, format: str) -> None:
    queue = java_queue(java3, format, tmp_path / "source")
    appender = queue.appender()
    messages = payloads(300)
    expected = list(zip(appender.append_many(messages), messages, strict=True))
    source = queue.source(heartbeat_ms=100)
    tailer = tail(source.port)
    assert expected == list(tailer.with_index())
    assert tailer.read() is None
    more = [(appender.append(b"%d" % number), b"%d" % number) for number in range(20)]
    assert more == list(itertools.islice(tailer.follow(with_index=True), 20))
    assert more[-1:] == list(tail(source.port, "end").with_index())
    assert [] == list(tail(source.port, "now").with_index())
    assert expected[200:] + more == list(tail(source.port, expected[200][0]).with_index())
    if format == "vanilla":
        assert expected + more == list(tail(source.port, "today").with_index())


@pytest.mark.parametrize("format", ["vanilla", "indexed"])
def test_our_replica_of_javas(java3: Java3Peer, tmp_path: Path, format: str) -> None:
    queue = java_queue(java3, format, tmp_path / "source")
    appender = queue.appender()
    expected: list[tuple[int, bytes]] = []
    source = queue.source(heartbeat_ms=100)
    for seed in range(3):
        messages = payloads(300, seed, 900)
        expected += zip(appender.append_many(messages), messages, strict=True)
        if format == "indexed":
            appender.padding()
            expected.append((appender.append(b"behind the padding"), b"behind the padding"))
        with ours(tmp_path / "replica", format) as replica:
            assert len(messages) + (format == "indexed") == tcp.replicate(f"tcp://127.0.0.1:{source.port}", replica)
            assert expected == list(replica.tailer().with_index())
    read_back = java_queue(java3, format, tmp_path / "replica")
    assert expected == read_back.dump()
    read_back.close()
    if format == "indexed":
        java3.close_queues()
        for suffix in (".index", ".data"):
            theirs, mine = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("source", "replica"))
            length = min(len(theirs), len(mine))
            assert theirs[:length] == mine[:length]
            assert not theirs[length:].strip(b"\0") and not mine[length:].strip(b"\0")


@pytest.mark.parametrize("ack", [True, False])
def test_our_appender_at_javas(java3: Java3Peer, tmp_path: Path, tail: Any, ack: bool) -> None:
    queue = java_queue(java3, "vanilla", tmp_path / "source")
    source = queue.source(heartbeat_ms=100)
    messages = [*payloads(400), os.urandom(300_000), b""]
    with tcp.RemoteAppender("127.0.0.1", source.port, ack) as appender:
        indexes = appender.append_many(messages)
        assert (ack and appender.append(b"one more")) is not None
    got: list[tuple[int, bytes]] = []
    tick = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        got = queue.dump()
        if len(got) >= 402 + ack:
            break
        tick.wait(0.02)
    assert messages == [payload for _, payload in got][:402]
    if ack:
        assert indexes == [index for index, _ in got][:402]


def test_javas_indexed_source_refuses(java3: Java3Peer, tmp_path: Path) -> None:
    queue = java_queue(java3, "indexed", tmp_path / "source")
    queue.appender().append(b"only this")
    source = queue.source(heartbeat_ms=100)
    with tcp.RemoteAppender("127.0.0.1", source.port) as appender:
        with pytest.raises(NackError) as caught:
            appender.append(b"")
        assert [0] == caught.value.refused
        with pytest.raises(RemoteError) as broken:
            appender.append_many([b"x" * 64] * 3)
        assert [] == broken.value.appended
    assert [b"only this"] == [payload for _, payload in queue.dump()]


@pytest.mark.parametrize("size", [131_072, 131_073, 200_000, 262_131])
def test_javas_large_excerpts_and_what_it_does_after_them(
    java3: Java3Peer, tmp_path: Path, tail: Any, size: int
) -> None:
    """Spec 5.8: above 131 072 bytes the excerpt comes and the connection goes."""
    queue = java3.vanilla(tmp_path / "source", index_block=4096, data_block=1 << 21)
    appender = queue.appender()
    large = os.urandom(size)
    messages = [b"first", large, b"third", large, large, b"sixth"]
    expected = list(zip(appender.append_many(messages), messages, strict=True))
    source = queue.source(heartbeat_ms=100)
    tailer = tail(source.port)
    assert expected == list(itertools.islice(tailer.follow(with_index=True), 6))
    more = [(appender.append(data), data) for data in (large, b"eighth")]
    assert more == list(itertools.islice(tailer.follow(with_index=True), 2))


def test_what_java_cannot_send_is_an_error(java3: Java3Peer, tmp_path: Path, tail: Any) -> None:
    queue = java3.vanilla(tmp_path / "source", index_block=4096, data_block=1 << 21)
    queue.appender().append_many([b"first", b"x" * 262_133, b"third"])
    source = queue.source(heartbeat_ms=100)
    tailer = tail(source.port, backoff_ms_max=10)
    got = []
    with pytest.raises(RemoteError, match="minBufferSize"):
        for payload in tailer.follow():
            got.append(payload)
    assert [b"first"] == got


def test_a_large_excerpt_at_the_end_of_javas_cycle(java3: Java3Peer, tmp_path: Path, tail: Any) -> None:
    queue = java3.vanilla(tmp_path / "source", index_block=4096, data_block=1 << 21)
    appender = queue.appender()
    large = os.urandom(200_000)
    cycle = 20_000
    expected = [(appender.append(data, cycle=cycle), data) for data in (b"first", large)]
    expected.append((appender.append(b"two cycles later", cycle=cycle + 2), b"two cycles later"))
    source = queue.source(heartbeat_ms=50)
    assert expected == list(itertools.islice(tail(source.port).follow(with_index=True), 3))
    assert expected[2][0] >> 40 == cycle + 2


def test_a_hundred_reconnects_under_load(java3: Java3Peer, tmp_path: Path, tail: Any, budget: Any) -> None:
    """Java appends and serves; every connection is cut after random bytes; each excerpt comes once, in order."""
    cuts = budget.of(20, 100, 1000)
    count = budget.of(4000, 20_000, 200_000)
    queue = java3.vanilla(tmp_path / "source", index_block=1 << 16, data_block=1 << 22)
    source = queue.source(heartbeat_ms=50)
    randomness = random.Random(3)
    total = count * (64 + 12)
    proxy = Proxy(source.port, lambda number: randomness.randint(200, 2 * total // cuts) if number < cuts else None)
    try:
        load = queue.load(0, count, rate=count / 4, sizes="64")
        tailer = tail(proxy.port, backoff_ms_max=20)
        got = list(itertools.islice(tailer.follow(with_index=True), count))
        load.wait()
        assert tailer.reconnects >= cuts // 2
        tailer.close()
    finally:
        proxy.close()
    assert queue.dump() == got
