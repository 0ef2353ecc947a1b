"""What a source must stand: ten thousand idle clients, a hundred reconnects while somebody appends."""

from __future__ import annotations

import itertools
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tcp_kit import PATIENCE, Proxy, counts_memory, resident_bytes

import pychronix as px
from pychronix import tcp

Serve = Callable[..., tcp.ThreadedSource]

WRITER = """
import sys
import pychronix as px
with px.open_queue(sys.argv[1], "r+") as queue, queue.appender() as appender:
    for number in range(int(sys.argv[2])):
        appender.append(b"%d " % number + b"x" * (number * 7919 % 500))
"""


def test_a_hundred_reconnects_under_load(
    tmp_path: Path, serve: Serve, tail: Callable[..., tcp.RemoteTailer], budget: Any
) -> None:
    """Another process appends; every connection is cut after random bytes; each excerpt comes once, in order."""
    cuts = budget.of(100, 100, 1000)
    count = budget.of(20_000, 50_000, 500_000)
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append(b"0 ")
        source = serve(queue)
        randomness = random.Random(17)
        total = count * 265
        proxy = Proxy(source.port, lambda number: randomness.randint(20, 2 * total // cuts) if number < cuts else None)
        root = Path(px.__file__).resolve().parents[1]
        writer = subprocess.Popen([sys.executable, "-c", WRITER, queue.path, str(count)], cwd=root)
        try:
            tailer = tail(proxy.port, backoff_ms_max=5)
            got = list(itertools.islice(tailer.follow(with_index=True), count + 1))
            tailer.close()
            assert 0 == writer.wait(PATIENCE)
        finally:
            proxy.close()
            writer.kill()
            writer.wait()
        assert tailer.reconnects >= cuts // 3
        assert list(queue.tailer().with_index()) == got
        print(f"reconnects: {tailer.reconnects}, {len(got)} excerpts, each once and in order")
        source.close()


CLIENTS = """
import resource, socket, struct, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
clients = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(count)]
def exactly(client, size):
    got = b""
    while len(got) < size:
        piece = client.recv(size - len(got))
        if not piece:
            sys.exit("a connection ended")
        got += piece
    return got
def message(client):
    size, index = struct.unpack("<iq", exactly(client, 12))
    return size, index, exactly(client, size) if size > 0 else b""
for client in clients:
    client.sendall(struct.pack("<iiq", 1, 1, -1))
for client in clients:
    assert [-126, 13, -128] == [message(client)[0] for _ in range(3)]
print("all have all", flush=True)
index = int(sys.stdin.readline())
for client in clients:
    while (got := message(client))[0] == -128:
        pass
    assert (index, b"to everyone of you") == got[1:], got
print("all have it", flush=True)
sys.stdin.readline()
"""


@counts_memory
def test_idle_clients_cost_next_to_nothing(queue: px.Queue, serve: Serve, budget: Any) -> None:
    """All have subscribed and have everything: memory and processor time of each, and an excerpt that goes to all."""
    count = budget.of(2000, 10_000, 10_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        pytest.skip(f"{count + 500} files are needed, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
    queue.appender().append(b"there already")
    source = serve(queue, max_clients=count)
    before = resident_bytes()
    command = [sys.executable, "-c", CLIENTS, str(source.port), str(count)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdin is not None and child.stdout is not None
        assert "all have all\n" == child.stdout.readline()
        assert count == source.clients
        each = (resident_bytes() - before) / count
        print(f"{each:.0f} bytes a client")
        assert each < 10_000, f"{each:.0f} bytes a client"
        assert 1 == len([thread for thread in threading.enumerate() if "source" in thread.name])
        # A heartbeat for some of them; a look at the queue is one for all.
        begin = time.process_time()
        assert not source.wait(1)
        spent = time.process_time() - begin
        print(f"{spent:.3f} s of processor time in a second")
        assert spent < 0.8
        child.stdin.write(f"{queue.appender().append(b'to everyone of you')}\n")
        child.stdin.flush()
        assert "all have it\n" == child.stdout.readline()
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        source.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
