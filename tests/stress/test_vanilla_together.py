"""Java and Python write one Vanilla journal at the same time, while others read it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import py_peer
import pytest
from fix_java import read_acks, read_follow
from fix_java3 import Java3PeerFactory
from stress_tools import Child, python_follower, python_writer, wait_until
from vanilla_tools import JAVA, check_live, judge, new_journal

import pychronix as px

SIZES = "64,16-300"


def write_in_thread(queue: px.Queue, writer: int, count: int, rate: float, ack: Path, batch: int) -> None:
    """py_peer's writer, as a thread of this process."""
    make = py_peer.payload_maker(SIZES)
    begun = time.monotonic()
    with queue.appender() as appender, open(ack, "w") as log:
        for done in range(0, count, batch):
            time.sleep(max(0.0, begun + done / rate - time.monotonic()))
            numbers = range(done, min(done + batch, count))
            indexes = list(appender.append_many([make(writer, number) for number in numbers]))
            log.writelines(f"ack {number} {index}\n" for number, index in zip(numbers, indexes, strict=True))


@pytest.mark.java
@pytest.mark.timeout(1800)
def test_java_and_python_writers_in_threads_and_processes_lose_and_tear_nothing(
    java3_peer: Java3PeerFactory, tmp_path: Path, budget, request: pytest.FixtureRequest
) -> None:
    each = budget.of(4_000, 340_000, 1_000_000)
    rate = budget.of(2_000, 10_000, 20_000)
    deadline_s = 120 + each / 500
    path = tmp_path / "q"
    first, bits = new_journal(path, SIZES)
    children: list[Child] = []
    try:
        peers = [java3_peer(), java3_peer()]
        queues = [peer.vanilla(path, **JAVA) for peer in peers]
        java_follow = peers[0].vanilla(path, **JAVA).follow(tmp_path / "java.follow")
        readers = {"Java": tmp_path / "java.follow"}
        for how in ("index", "views"):
            out = readers[f"Python by {how}"] = tmp_path / f"{how}.follow"
            children.append(python_follower(path, out, how=how, sizes=SIZES, deadline=int(deadline_s)))
        options = {"count": each, "rate": rate, "sizes": SIZES, "deadline": int(deadline_s), "block": 0}
        children.append(python_writer(path, 2, tmp_path / "2.ack", **options))
        children.append(python_writer(path, 3, tmp_path / "3.ack", batch=37, **options))
        for child in children:
            child.expect("ready")
        with px.open_queue(path, "r+") as queue:
            threads = [
                threading.Thread(target=write_in_thread, args=(queue, n, each, rate, tmp_path / f"{n}.ack", 50))
                for n in (4, 5)
            ]
            begun = time.monotonic()
            loads = [
                one.load(writer, each, rate=rate, sizes=SIZES, ack=tmp_path / f"{writer}.ack")
                for writer, one in enumerate(queues)
            ]
            for child in children:
                child.say()
            for thread in threads:
                thread.start()
            for load in loads:
                load.wait(deadline_s)
            for child in children[2:]:
                child.expect("done", deadline_s)
            for thread in threads:
                thread.join()
        seconds = time.monotonic() - begun
        with px.open_queue(path) as queue:
            end = queue.tailer(start="end").index - 1
        wait_until(lambda: java_follow.state().last_index == end, "Java's follower reaching the end", 60)
        java_follow.stop()
        for child in children[:2]:
            child.say("stop")
            child.expect("done", 60)
        for child in children:
            assert child.wait() == 0
    finally:
        for child in children:
            child.end()

    acks = {writer: read_acks(tmp_path / f"{writer}.ack") for writer in range(6)}
    assert {writer: len(acked) for writer, acked in acks.items()} == dict.fromkeys(range(6), each)
    records = judge(path, bits, acks, SIZES, {})
    assert len(records) == 6 * each + 1
    with px.open_queue(path) as queue:
        assert [index for index, _ in queue.tailer().with_index()] == [record[0] for record in records]
        cycles = len(list(queue.cycles()))
    late = {name: check_live(name, read_follow(out), records) for name, out in readers.items()}
    changes = sum(one[1] != other[1] for one, other in zip(records, records[1:], strict=False))
    print(
        f"together: {len(records)} messages from {first:#x}, {cycles} cycles, {seconds:.1f} s, "
        f"{len(records) / seconds:,.0f} messages/s, {changes} changes of writer; came too late for live readers: {late}"
    )
