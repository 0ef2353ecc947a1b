"""Queues to serve, and both ends of the protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tcp_kit import PATIENCE, JavaSource, Listener, Peer

import pychronix as px
from pychronix import tcp


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [] == [thread for thread in threading.enumerate() if thread not in before]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[px.Queue]:
    """An empty daily queue to append to."""
    with px.open_queue(tmp_path / "q", "a") as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Callable[..., tcp.ThreadedSource]]:
    """tcp.serve; what it started is closed."""
    sources = []

    def start(queue: px.Queue, **options: object) -> tcp.ThreadedSource:
        sources.append(tcp.serve(queue, **options))
        return sources[-1]

    yield start
    for source in sources:
        source.close()


@pytest.fixture
def connect() -> Iterator[Callable[[int], Peer]]:
    """A raw connection to a port."""
    peers = []

    def open_(port: int) -> Peer:
        peers.append(Peer(socket.create_connection(("127.0.0.1", port), PATIENCE)))
        return peers[-1]

    yield open_
    for peer in peers:
        peer.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[Peer, int], object]], Listener]]:
    """A scripted source: ``serve(peer, number of the connection)``."""
    listeners = []

    def open_(serve: Callable[[Peer, int], object]) -> Listener:
        listeners.append(Listener(serve))
        return listeners[-1]

    yield open_
    for listener in listeners:
        listener.close()


@pytest.fixture
def java() -> Iterator[Callable[..., JavaSource]]:
    """A source with Java's behaviour."""
    sources = []

    def open_(excerpts: dict[int, bytes], **options: float) -> JavaSource:
        sources.append(JavaSource(excerpts, **options))  # type: ignore[arg-type]
        return sources[-1]

    yield open_
    for source in sources:
        source.close()


@pytest.fixture
def tail() -> Iterator[Callable[..., tcp.RemoteTailer]]:
    """A RemoteTailer of a port on this machine, which is closed again."""
    tailers = []

    def open_(port: int, *arguments: object, **options: object) -> tcp.RemoteTailer:
        options.setdefault("backoff_ms_min", 1)
        options.setdefault("heartbeat_timeout_ms", PATIENCE * 1000)
        tailers.append(tcp.RemoteTailer("127.0.0.1", port, *arguments, **options))  # type: ignore[arg-type]
        return tailers[-1]

    yield open_
    for tailer in tailers:
        tailer.close()
