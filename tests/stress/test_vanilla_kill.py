"""SIGKILL at random moments, Java and Python writers of a Vanilla journal mixed: nothing acknowledged is lost or torn."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from fix_java import read_acks, read_follow
from fix_java3 import Java3Peer, Java3PeerFactory
from stress_tools import Child, python_follower, python_writer, seed_of, wait_until
from vanilla_tools import JAVA, check_live, judge, new_journal

import pychronix as px

SIZES = "16-600,64"
BATCH = 500
PER_SECOND = 4000


class PythonWriter:
    kind = "Python"

    def __init__(self, number: int, directory: Path, batch: int) -> None:
        self.number, self.ack, self.unacked = number, directory / f"{number}.ack", batch or 1
        self.child = python_writer(
            directory / "q", number, self.ack, batch=batch, rate=PER_SECOND, sizes=SIZES, deadline=3600, block=0
        )
        self.child.say()

    def kill(self) -> None:
        self.child.end()  # Which is a SIGKILL where it runs.


class JavaWriter:
    kind = "Java"
    unacked = 1

    def __init__(self, number: int, directory: Path, peer: Java3Peer) -> None:
        self.number, self.ack, self.peer = number, directory / f"{number}.ack", peer
        queue = peer.vanilla(directory / "q", **JAVA)
        queue.load(number, 1 << 40, rate=PER_SECOND, sizes=SIZES, ack=self.ack)

    def kill(self) -> None:
        if self.peer.running:
            os.kill(self.peer.pid, signal.SIGKILL)
        self.peer.kill()


Writer = PythonWriter | JavaWriter


def progress(writer: Writer) -> int:
    try:
        return writer.ack.stat().st_size
    except FileNotFoundError:
        return 0


def kill_and_replace(
    kills: int, rng: random.Random, directory: Path, start_java: Java3PeerFactory, java_share: float
) -> tuple[list[Writer], dict[str, int], float]:
    """Two writers of each language, one of which is killed and replaced again and again; all that ever were."""
    everyone: list[Writer] = []

    def start(kind: str) -> Writer:
        number = len(everyone)
        if kind == "Java":
            writer: Writer = JavaWriter(number, directory, start_java())
        else:
            writer = PythonWriter(number, directory, rng.choice([0, BATCH, 7]))
        everyone.append(writer)
        return writer

    killed = {"Python": 0, "Java": 0}
    worst_s = 0.0
    living = [start("Python"), start("Python"), start("Java"), start("Java")]
    try:
        for _ in range(kills):
            victim = rng.choice(living[2:] if rng.random() < java_share else living[:2])
            wait_until(lambda writer=victim: progress(writer), f"writer {victim.number} beginning")
            time.sleep(rng.random() * 0.05)  # The random moment.
            victim.kill()
            killed[victim.kind] += 1
            others = [(writer, progress(writer)) for writer in living if writer is not victim]
            for writer, size in others:
                gone_on = wait_until(
                    lambda one=writer, before=size: progress(one) > before, f"writer {writer.number} going on", 20
                )
                worst_s = max(worst_s, gone_on)
            living[living.index(victim)] = start(victim.kind)
    finally:
        for writer in everyone:
            writer.kill()
    return everyone, killed, worst_s


@pytest.mark.java
@pytest.mark.timeout(3000)
def test_random_kills_of_java_and_python_writers_lose_nothing(
    java3_peer: Java3PeerFactory, tmp_path: Path, budget
) -> None:
    kills = budget.of(12, 200, 2000)
    rng = seed_of(f"{kills} kills")
    path = tmp_path / "q"
    _, bits = new_journal(path, SIZES)
    follower: Child | None = None
    begun = time.monotonic()
    try:
        follower = python_follower(path, tmp_path / "python.follow", sizes=SIZES, deadline=3600)
        follower.expect("ready")
        follower.say()
        java_follow = java3_peer().vanilla(path, **JAVA).follow(tmp_path / "java.follow")
        everyone, killed, worst_s = kill_and_replace(kills, rng, tmp_path, java3_peer, budget.of(0.25, 0.4, 0.4))
        seconds = time.monotonic() - begun
        with px.open_queue(path) as queue:
            end = queue.tailer(start="end").index - 1
        wait_until(lambda: java_follow.state().last_index == end, "Java's follower reaching the end", 60)
        java_follow.stop()
        follower.say("stop")
        follower.expect("done", 60)
    finally:
        if follower is not None:
            follower.end()
    acks = {writer.number: read_acks(writer.ack) for writer in everyone}
    records = judge(path, bits, acks, SIZES, {writer.number: writer.unacked for writer in everyone})
    late = {name: check_live(name, read_follow(tmp_path / f"{name}.follow"), records) for name in ("python", "java")}
    with px.open_queue(path) as queue:
        assert [index for index, _ in queue.tailer().with_index()] == [record[0] for record in records]
    # Whoever comes next goes on behind the last message.
    with java3_peer().vanilla(path, **JAVA) as queue3:
        assert queue3.appender().append(b"next", cycle=end >> 28) == end + 1
    extra = len(records) - 1 - sum(map(len, acks.values()))
    print(
        f"killed {killed} in {seconds:.0f} s: {len(records)} messages, {extra} of them not acknowledged; others went on "
        f"within {worst_s * 1000:.0f} ms; came too late for live readers: {late}"
    )
