"""Many processes, Java among them, create one queue at the same moment."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from fix_java import JavaPeerFactory
from stress_tools import Child

import pychronix as px
from pychronix import inspect

_CREATOR = """
import sys, time
import pychronix as px
print("ready", flush=True)
for line in sys.stdin:
    path, name = line.split()
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=lambda: 1_709_635_062_500_000_000) as queue:
        with queue.appender() as appender:
            indexes = [appender.append(f"{name} {i}".encode()) for i in range(20)]
    print("done", *indexes, flush=True)
"""
T0_MS = 1_709_635_062_500
EACH = 20


def check(path: Path, acked: dict[str, list[int]]) -> None:
    """Everything is there once, where it was acknowledged, in files that are sound, and nothing else lies about."""
    with px.open_queue(path) as queue:
        found = {data.decode(): index for index, data in queue.tailer().with_index()}
    assert len(found) == EACH * len(acked), f"{len(found)} messages of {len(acked)} writers"
    for name, indexes in acked.items():
        assert [found[f"{name} {i}"] for i in range(EACH)] == indexes, name
    report = inspect.verify(path)
    assert report.clean, str(report)
    assert sorted(os.listdir(path)) == ["20240305T4.cq4", "metadata.cq4t"]


def test_many_processes_create_one_queue_at_once(tmp_path: Path, budget) -> None:
    children = [Child([sys.executable, "-c", _CREATOR]) for _ in range(6)]
    try:
        for child in children:
            child.expect("ready")
        for number in range(budget.of(20, 200, 2000)):
            path = tmp_path / str(number)
            for who, child in enumerate(children):
                child.say(f"{path} w{who}")
            check(path, {f"w{who}": [int(w) for w in child.expect("done", 30)] for who, child in enumerate(children)})
            shutil.rmtree(path)
    finally:
        for child in children:
            child.end()


@pytest.mark.java
def test_java_and_we_create_one_queue_at_once(java_peer: JavaPeerFactory, tmp_path: Path, budget) -> None:
    children = [Child([sys.executable, "-c", _CREATOR]) for _ in range(2)]
    peers = [java_peer(), java_peer()]
    rng = random.Random(1)
    try:
        for child in children:
            child.expect("ready")
        for number in range(budget.of(15, 100, 1000)):
            path = tmp_path / str(number)
            starts = [
                lambda path=path, who=who, child=child: child.say(f"{path} w{who}")
                for who, child in enumerate(children)
            ]
            starts += [
                lambda path=path, peer=peer: peer.send("open", dir=str(path), roll="TEST4_DAILY", clock_ms=T0_MS)
                for peer in peers
            ]
            rng.shuffle(starts)
            for start in starts:
                start()
            acked = {}
            for who, peer in enumerate(peers):
                queue = int(peer.receive("open").fields["q"])
                appender = int(peer.request("appender", q=queue).fields["a"])
                messages = ",".join(f"j{who} {i}".encode().hex() for i in range(EACH))
                rows = peer.request("append", a=appender, hex=messages).rows
                acked[f"j{who}"] = [int(row[0]) for row in rows]
                peer.request("close", q=queue)
            for who, child in enumerate(children):
                acked[f"w{who}"] = [int(word) for word in child.expect("done", 30)]
            check(path, acked)
            shutil.rmtree(path)
    finally:
        for child in children:
            child.end()


def test_debris_of_a_creator_with_our_pid_is_no_obstacle(tmp_path: Path) -> None:
    """In a container the next process often has the pid of the one that died."""
    path = tmp_path / "q"
    path.mkdir()
    for name in ("metadata.cq4t", "20240305T4.cq4"):
        for suffix in (f".{os.getpid()}.creating", ".creating"):
            (path / (name + suffix)).write_bytes(b"debris" * 1000)
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=lambda: T0_MS * 1_000_000) as queue:
        with queue.appender() as appender:
            appender.append(b"x")
        assert list(queue.tailer()) == [b"x"]
    assert inspect.verify(path).clean
