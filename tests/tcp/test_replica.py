"""Replicas: the same indexes and bytes, whatever the format, from a queue or over TCP, after kills at any byte."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tcp_kit import DAY, PATIENCE, Proxy

import pychronix as px
from pychronix import tcp
from pychronix.errors import NackError, RemoteError, ReplicaError, UnsupportedFormatError, UsageError

Serve = Callable[..., tcp.ThreadedSource]

FORMATS: dict[str, dict[str, Any]] = {
    "cq5": {},
    "vanilla": {"format": "vanilla", "roll": "SECONDS", "data_block_bytes": 1 << 16, "index_block_bytes": 4096,
                "reserve_bytes": 512},
    "indexed": {"format": "indexed", "data_block_bytes": 4096, "index_block_bytes": 4096, "reserve_bytes": 512},
}  # fmt: skip
FIRST_NS = 20_000 * DAY


class Pair:
    """A queue that grows over several cycles, and where its replica is to be."""

    def __init__(self, directory: Path, format: str) -> None:
        self._now = FIRST_NS
        self.format = format
        self.options = FORMATS[format]
        self.replica_path = directory / "replica"
        self.source = px.open_queue(directory / "source", "a", clock=lambda: self._now, **self.options)
        self._appender = self.source.appender()
        self._random = random.Random(5)

    def grow(self, count: int) -> None:
        """Appends in runs, each in a cycle of its own."""
        while count:
            run = min(count, self._random.randint(1, 300))
            self._appender.append_many(self._random.randbytes(self._random.randint(1, 200)) for _ in range(run))
            self._now += self._random.randint(1, 3) * (DAY if self.format == "cq5" else 10**9)
            count -= run

    def replica(self) -> px.Queue:
        return px.open_queue(self.replica_path, "a", **self.options)

    def assert_equal(self) -> None:
        expected = list(self.source.tailer().with_index())
        with self.replica() as replica:
            assert expected == list(replica.tailer().with_index())
            assert self.source.last_index == replica.last_index
        assert len(expected) > 0


@pytest.fixture(params=FORMATS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, request.param)
    yield made
    made.source.close()


def test_a_copy_of_a_queue(pair: Pair) -> None:
    with pair.replica() as replica:
        assert 0 == tcp.replicate(pair.source, replica)
        for count in (1, 700, 0, 30):
            pair.grow(count)
            assert count == tcp.replicate(pair.source, replica)
    pair.assert_equal()


def test_a_copy_over_tcp(pair: Pair, serve: Serve) -> None:
    url = serve(pair.source).url
    for count in (1, 700, 0, 30):
        pair.grow(count)
        with pair.replica() as replica:
            assert count == tcp.replicate(url, replica)
    pair.assert_equal()
    with tcp.RemoteTailer(*tcp.parse_address(url)) as tailer, pair.replica() as replica:
        assert 0 == tcp.replicate(tailer, replica), "all is there already"


def test_the_padding_of_an_indexed_journal_is_copied(tmp_path: Path, serve: Serve) -> None:
    """Replicas are the same files, byte by byte, padding at the end included as soon as something follows it."""
    pair = Pair(tmp_path, "indexed")
    with pair.source:
        pair.grow(500)
        pair._appender.append_padding()
        pair._appender.append_padding()
        pair.grow(20)
        with pair.replica() as replica:
            assert 520 == tcp.replicate(serve(pair.source).url, replica)
        assert pair.source.count() > 520, "there is padding"
        pair.assert_equal()
        for suffix in (".index", ".data"):
            assert (tmp_path / f"source{suffix}").read_bytes() == (tmp_path / f"replica{suffix}").read_bytes()
        # The replica now gets padding at its end; a copy goes on behind it.
        pair._appender.append_padding()
        with pair.replica() as replica, replica.appender() as appender:
            appender.append_padding()
        pair.grow(5)
        with pair.replica() as replica:
            assert 5 == tcp.replicate(serve(pair.source).url, replica)
        pair._appender.append_padding()
        with pair.replica() as replica, replica.appender() as appender:
            appender.append_padding()
        pair.grow(5)
        with pair.replica() as replica:
            assert 5 == tcp.replicate(pair.source, replica)
        pair.assert_equal()


def test_what_a_source_must_know_of_a_format(pair: Pair, serve: Serve) -> None:
    """One writer, padding: both are the Indexed journal's alone."""
    indexed = pair.format == "indexed"
    assert (indexed, not indexed) == (pair.source.has_padding, pair.source.many_writers)
    assert pair.source.dialect == ("v5" if pair.format == "cq5" else "v3")
    if not indexed:
        with pytest.raises(UnsupportedFormatError, match="padding"):
            pair._appender.append_padding()
    with tcp.RemoteAppender("127.0.0.1", serve(pair.source).port) as appender:
        if indexed:
            with pytest.raises(NackError):
                appender.append(b"from afar")
            assert pair.source.last_index is None
        else:
            assert appender.append(b"from afar") == pair.source.last_index


def test_live_clients_get_every_cycle(pair: Pair, serve: Serve) -> None:
    """Three follow while the queue goes through its cycles; one resumes in the middle of it all."""
    pair.grow(50)
    source = serve(pair.source)
    tailers = [tcp.RemoteTailer(source.host, source.port) for _ in range(3)]
    got: list[list[tuple[int, bytes]]] = [list(tailer.with_index()) for tailer in tailers]
    for _ in range(20):
        pair.grow(30)
        for tailer, seen in zip(tailers, got, strict=True):
            seen += itertools.islice(tailer.follow(with_index=True), 30)
        tailers[1].close()
        tailers[1] = tcp.RemoteTailer(source.host, source.port, start=got[1].pop()[0])
        got[1] += itertools.islice(tailers[1].follow(with_index=True), 1)
    expected = list(pair.source.tailer().with_index())
    assert [expected] * 3 == got
    for tailer in tailers:
        tailer.close()


def test_a_copy_follows_until_it_is_told(pair: Pair, serve: Serve) -> None:
    pair.grow(100)
    url = serve(pair.source).url
    stop = threading.Event()
    copied: list[int] = []
    with pair.replica() as replica:
        for source in (url, pair.source):
            stop.clear()
            thread = threading.Thread(
                target=lambda source=source: copied.append(tcp.replicate(source, replica, follow=True, stop=stop))  # type: ignore[misc]
            )
            thread.start()
            pair.grow(100)
            tick = threading.Event()
            for _ in range(int(PATIENCE / 0.01)):
                if replica.last_index == pair.source.last_index:
                    break
                tick.wait(0.01)
            stop.set()
            thread.join(PATIENCE)
    assert [200, 100] == copied
    pair.assert_equal()


def test_what_is_no_replica_is_refused(pair: Pair, serve: Serve) -> None:
    """Nothing is appended to it: neither where the last excerpt differs, nor where the source has none there."""
    pair.grow(10)
    first = pair.source.tailer().with_index()
    index, _ = next(first)
    with pair.replica() as replica:
        with replica.appender() as appender:
            assert appender.append_at(index, b"something else")
        for source in (serve(pair.source).url, pair.source):
            with pytest.raises(ReplicaError, match="is not the source's"):
                tcp.replicate(source, replica)
            assert [(index, b"something else")] == list(replica.tailer().with_index())
        with tcp.RemoteTailer(*tcp.parse_address(serve(pair.source).url), start=index + 1) as tailer:
            with pytest.raises(ReplicaError, match="has not shown"):
                tcp.replicate(tailer, replica)
        with pytest.raises(UsageError):
            tcp.replicate(replica, replica)
    with pytest.raises(RemoteError), pair.replica() as replica:
        tcp.replicate("tcp://127.0.0.1:1", replica)


COPY = """
import sys
import pychronix as px
from pychronix import tcp
with px.open_queue(sys.argv[2], "a", **eval(sys.argv[3])) as queue:
    tcp.replicate(sys.argv[1], queue)
"""


def test_kills_at_any_byte(pair: Pair, serve: Serve, budget: Any) -> None:
    """A copy is killed when the source has sent so and so many bytes; the next goes on; in the end all is equal."""
    rounds = budget.of(6, 40, 400)
    pair.grow(4000)
    randomness = random.Random(11)
    source = serve(pair.source)
    total = sum(len(payload) + 12 for payload in pair.source.tailer())
    limit = [0]
    proxy = Proxy(source.port, lambda number: limit[0], stall=True)
    root = str(Path(px.__file__).resolve().parents[1])
    command = [sys.executable, "-c", COPY, f"tcp://127.0.0.1:{proxy.port}", str(pair.replica_path), repr(pair.options)]
    grown, kills = [], 0
    try:
        for _ in range(rounds):
            limit[0] = randomness.randint(1, total // 3)
            child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
            try:
                while not (cut := proxy.cut.acquire(timeout=0.01)) and child.poll() is None:
                    pass
                if cut:
                    # Somewhere between the last byte's arrival and its being appended.
                    threading.Event().wait(randomness.random() * 0.02)
            finally:
                child.send_signal(signal.SIGKILL)
                code = child.wait(PATIENCE)
            if cut:
                kills += 1
                assert -signal.SIGKILL == code
            else:
                # It had all of it before so many bytes were sent.
                assert 0 == code
                pair.grow(4000)
            with pair.replica() as replica:
                grown.append(replica.count())
    finally:
        proxy.close()
    assert grown == sorted(grown)
    assert kills >= rounds // 3
    with pair.replica() as replica:
        tcp.replicate(source.url, replica)
    pair.assert_equal()


@pytest.mark.parametrize("kind", [{"format": "cq5"}, {"format": "vanilla", "roll": "HOURS"}, {"format": "indexed"}])
def test_a_replica_of_another_numbering_is_refused(tmp_path: Path, kind: dict[str, str]) -> None:
    with (
        px.open_queue(tmp_path / "source", "a", format="vanilla") as source,
        px.open_queue(tmp_path / "replica", "a", **kind) as queue,  # type: ignore[arg-type]
    ):
        source.appender().append(b"one")
        with pytest.raises(px.UsageError, match="as its source does"):
            tcp.replicate(source, queue)
        assert queue.last_index is None
