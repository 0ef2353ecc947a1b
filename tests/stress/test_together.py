"""Java and Python write one queue at the same time, and everybody sees the same."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import fix_java
import py_peer
import pytest
from fix_java import JavaPeerFactory, read_acks, read_follow
from stress_tools import Child, judge, python_follower, python_writer, same

import pychronix as px
from pychronix import inspect

SIZES = "64,16-300"


@pytest.mark.parametrize("sizes", ["64", "16-300", SIZES, "8,700-900"])
def test_the_python_peer_makes_the_messages_of_the_java_peer(sizes: str) -> None:
    make = py_peer.payload_maker(sizes)
    for writer, counter in ((0, 0), (1, 1), (7, 250), (123456, 987654321), (3, 2**40 + 5)):
        assert make(writer, counter) == fix_java.payload(writer, counter, sizes)


@pytest.mark.java
@pytest.mark.timeout(900)
def test_two_java_and_two_python_writers_are_seen_in_one_order_by_all_readers(
    java_peer: JavaPeerFactory, tmp_path: Path, budget, request: pytest.FixtureRequest
) -> None:
    each = budget.of(8_000, 120_000, 400_000)
    rate = budget.of(3_000, 8_000, 20_000)
    total = 4 * each
    deadline_s = 120 + each / 500
    queue_path = tmp_path / "q"
    px.open_queue(queue_path, "a", roll="TEST_SECONDLY", block_size_bytes=1 << 20).close()
    children: list[Child] = []
    try:
        peers = [java_peer(), java_peer()]
        queues = [peer.open(queue_path, block_size=1 << 20) for peer in peers]
        readers = {f"Java reader {i}": tmp_path / f"java{i}.follow" for i in range(2)}
        java_followers = [
            peer.open(queue_path, readonly=i == 1).follow(tmp_path / f"java{i}.follow", limit=total)
            for i, peer in enumerate(peers)
        ]
        for how in ("index", "views", "read"):
            path = readers[f"Python reader by {how}"] = tmp_path / f"{how}.follow"
            children.append(
                python_follower(queue_path, path, how=how, limit=total, sizes=SIZES, deadline=int(deadline_s))
            )
        options = {"count": each, "rate": rate, "sizes": SIZES, "deadline": int(deadline_s)}
        children.append(python_writer(queue_path, 2, tmp_path / "2.ack", **options))
        children.append(python_writer(queue_path, 3, tmp_path / "3.ack", batch=37, **options))
        for child in children:
            child.expect("ready")
        begun = time.monotonic()
        loads = [
            queue.load(writer, each, rate=rate, sizes=SIZES, ack=tmp_path / f"{writer}.ack")
            for writer, queue in enumerate(queues)
        ]
        for child in children:
            child.say()
        for load in loads:
            load.wait(deadline_s)
        for child in children[3:]:
            child.expect("done", deadline_s)
        seconds = time.monotonic() - begun
        for child in children[:3]:
            assert child.expect("done", 60) == [str(total)]
        for follower in java_followers:
            assert follower.wait(60).seen == total
        for child in children:
            assert child.wait() == 0
    finally:
        for child in children:
            child.end()

    acks = {writer: read_acks(tmp_path / f"{writer}.ack") for writer in range(4)}
    assert {len(acked) for acked in acks.values()} == {each}
    records = judge(queue_path, acks, SIZES, {})
    assert len(records) == total
    for name, path in readers.items():
        same(name, read_follow(path), records)
    report = inspect.verify(queue_path)
    assert report.clean, str(report)
    changes = sum(one[1] != other[1] for one, other in itertools.pairwise(records))
    print(
        f"together: {total} messages, {len(report.cycles)} cycles, {seconds:.1f} s, {total / seconds:,.0f} messages/s, "
        f"{changes} changes of writer, {len(readers)} readers"
    )
