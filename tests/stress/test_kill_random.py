"""SIGKILL at random moments, Java and Python writers mixed: nothing acknowledged is lost, nobody waits for the dead."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import py_peer
import pytest
from fix_java import UNLOCKED, JavaPeer, JavaPeerFactory, read_acks, read_follow
from stress_tools import Child, judge, python_follower, python_writer, same, seed_of, wait_until

import pychronix as px
from pychronix import errors, inspect
from pychronix.formats import cq5

SIZES = "16-600,64"
BATCH = 1000
PER_SECOND = 4000
AT_ONCE_S = 2.0
NEXT = 1 << 40  # The writer number of the test's own appender, which goes on after each kill.
#: What killed writers may leave for good in cycles that were closed after them; all are warnings.
AFTER_CRASHES = {"not-indexed", "no-index", "orphan-page", "used", "last-index", "write-position", "sequence-word",
                 "garbage-after-eof", "garbage-after-data"}  # fmt: skip


def lock_offset(queue: Path) -> int:
    table = cq5.parse_table_store((queue / "metadata.cq4t").read_bytes())
    (entry,) = (entry for entry in table.entries if entry.key == "chronicle.write.lock")
    return entry.offset


class LockWord:
    """Looks at chronicle.write.lock without a mapping."""

    def __init__(self, queue: Path) -> None:
        self._fd = os.open(queue / "metadata.cq4t", os.O_RDONLY | os.O_CLOEXEC)
        self._offset = lock_offset(queue)

    def holder(self) -> int | None:
        (value,) = struct.unpack("<q", os.pread(self._fd, 8, self._offset))
        return None if value == UNLOCKED else value & 0x7FFFFFFF

    def close(self) -> None:
        os.close(self._fd)


class Writer:
    """One incarnation of a writer, in either language, which can be killed once."""

    def __init__(self, number: int, directory: Path) -> None:
        self.number = number
        self.ack = directory / f"{number}.ack"
        self.begun = False

    def progress(self) -> int:
        try:
            return self.ack.stat().st_size
        except FileNotFoundError:
            return 0


class PythonWriter(Writer):
    kind = "Python"

    def __init__(self, number: int, directory: Path, batch: int) -> None:
        super().__init__(number, directory)
        self.unacked = batch or 1
        # Batches come in bursts, so that the lock is held for long while the mean rate stays bearable for the readers.
        self.child = python_writer(
            directory / "q", number, self.ack, batch=batch, rate=PER_SECOND, sizes=SIZES, deadline=3600
        )
        self.pid = self.child.pid
        self.child.say()

    def kill(self) -> None:
        self.child.kill()

    def reap(self) -> None:
        self.child.end()

    def trouble(self) -> str:
        return str(self.child)

    def alive(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None


class JavaWriter(Writer):
    kind = "Java"
    unacked = 1

    def __init__(self, number: int, directory: Path, start: Callable[[], JavaPeer]) -> None:
        super().__init__(number, directory)
        self.directory = directory
        self.peer = start()  # Starts while others work; begin() waits for it.
        self.pid = self.peer.pid

    def begin(self) -> None:
        queue = self.queue = self.peer.open(self.directory / "q", block_size=1 << 20)
        queue.load(self.number, 1 << 40, rate=PER_SECOND, sizes=SIZES, ack=self.ack)

    def hold_lock(self) -> None:
        """Begins a document that will never be committed, beside the load."""
        appender = self.queue.appender()
        appender.begin()
        appender.write(b"never committed, hence never seen")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        self.peer.kill()

    def trouble(self) -> str:
        return f"{self.peer!r}: {self.peer.stderr()}"

    def alive(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None


@pytest.mark.java
@pytest.mark.timeout(3000)
def test_random_kills_of_java_and_python_writers_lose_nothing(
    java_peer: JavaPeerFactory, tmp_path: Path, budget
) -> None:
    kills = budget.of(20, 210, 3000)
    rng = seed_of(f"{kills} kills")
    queue_path = tmp_path / "q"
    px.open_queue(queue_path, "a", roll="TEST_SECONDLY", block_size_bytes=1 << 20).close()
    run = Killing(queue_path, tmp_path, rng, java_peer)
    try:
        run.start()
        for number in range(kills):
            run.kill_one(number)
        run.finish()
    finally:
        run.end()
    run.judge()


class Killing:
    """Four writers, two of each language, of which one after another is killed and replaced."""

    def __init__(self, queue: Path, directory: Path, rng: random.Random, start_java: JavaPeerFactory) -> None:
        self.queue, self.directory, self.rng, self.start_java = queue, directory, rng, start_java
        self.numbers = iter(range(1 << 30))
        self.writers: list[PythonWriter | JavaWriter] = []
        self.spares: list[JavaWriter] = []
        self.all: list[PythonWriter | JavaWriter] = []
        self.killed = {"Python": 0, "Java": 0}
        self.held = {"Python": 0, "Java": 0}
        self.ours_s: list[float] = []
        self.java_s: list[float] = []
        self.early = 0
        self.begun = time.monotonic()
        self.followers: list[Child] = []
        self.next_writer = px.open_queue(queue, "r+", block_size_bytes=1 << 20)
        self.next_appender = self.next_writer.appender()
        self.next_acks: list[tuple[int, int]] = []
        self.make = py_peer.payload_maker(SIZES)

    def append_next(self) -> None:
        """One message of this process's own writer."""
        counter = len(self.next_acks)
        self.next_acks.append((counter, self.next_appender.append(self.make(NEXT, counter))))

    def python(self) -> PythonWriter:
        writer = PythonWriter(next(self.numbers), self.directory, self.rng.choice([0, BATCH, BATCH]))
        self.all.append(writer)
        return writer

    def java(self) -> JavaWriter:
        writer = JavaWriter(next(self.numbers), self.directory, self.start_java)
        self.all.append(writer)
        return writer

    def start(self) -> None:
        follower = python_follower(self.queue, self.directory / "python.follow", sizes=SIZES, deadline=3600)
        self.followers.append(follower)
        follower.expect("ready")
        follower.say()
        self.java_reader = self.start_java()
        self.java_follow = self.java_reader.open(self.queue, block_size=1 << 20).follow(self.directory / "java.follow")
        self.lock = LockWord(self.queue)
        self.writers = [self.python(), self.python(), self.java(), self.java()]
        self.spares = [self.java()]
        for writer in self.writers:
            if isinstance(writer, JavaWriter):
                writer.begin()
        for writer in self.writers:
            self.await_progress(writer, 0)

    def await_progress(self, writer: PythonWriter | JavaWriter, size: int, deadline_s: float = 60) -> float:
        """Until the writer has acknowledged more than `size` bytes' worth."""
        begun = time.monotonic()
        while writer.progress() <= size:
            assert writer.alive(), f"writer {writer.number} ended by itself: {writer.trouble()}"
            if time.monotonic() - begun > deadline_s:
                holder = self.lock.holder()
                raise AssertionError(f"writer {writer.number} does not go on; lock: {holder}; {writer.trouble()}")
            time.sleep(0.0003)
        return time.monotonic() - begun

    def kill_one(self, number: int) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            self.kill_an_opener()
        victim = rng.choice(self.writers if rng.random() < 0.6 else self.writers[:2])
        self.await_progress(victim, 0)
        others = [writer for writer in self.writers if writer is not victim]
        time.sleep(rng.random() * 0.02)  # The random moment.
        if isinstance(victim, JavaWriter) and rng.random() < 0.5:
            victim.hold_lock()
        elif rng.random() < 0.7:
            self.wait_for_lock_of(victim.pid)
        victim.kill()
        killed_at = time.monotonic()
        held = self.lock.holder() == victim.pid
        self.killed[victim.kind] += 1
        self.held[victim.kind] += held
        zombie = rng.random() < 0.5
        if not zombie:
            victim.reap()
        sizes = {writer.number: writer.progress() for writer in others}
        self.append_next()
        seconds = time.monotonic() - killed_at
        self.ours_s.append(seconds)
        assert seconds < AT_ONCE_S, (
            f"kill {number} of {victim.kind} {victim.pid} ({zombie=}, {held=}): our append came {seconds:.1f} s later"
        )
        for writer in others:
            self.await_progress(writer, sizes[writer.number], 20)
            if isinstance(writer, JavaWriter):
                self.java_s.append(time.monotonic() - killed_at)
        victim.reap()
        at = self.writers.index(victim)
        if isinstance(victim, PythonWriter):
            self.writers[at] = self.python()
        else:
            self.writers[at] = self.spares.pop()
            self.writers[at].begin()
            self.spares.append(self.java())

    def kill_an_opener(self) -> None:
        """One that is killed while it starts, opens the queue, or appends its first messages."""
        opener = self.python()
        time.sleep(self.rng.random() * 0.25)
        opener.kill()
        opener.reap()
        self.early += 1

    def wait_for_lock_of(self, pid: int) -> None:
        """Until the process is seen holding the write lock, for 0.7 s at most."""
        limit = time.monotonic() + 0.7
        while self.lock.holder() != pid and time.monotonic() < limit:
            pass

    def finish(self) -> None:
        """Ends the writers (by more kills), then the followers once a last message shows the queue whole."""
        for writer in self.writers + self.spares:
            writer.kill()
            writer.reap()
        # Java's reader waits at a cycle without end-of-data marker: the next writer brings it.
        self.append_next()
        last = self.next_appender.last_index
        wait_until(lambda: self.java_follow.state().last_index == last, "Java's follower reaching the end", 60)
        self.java_follow.stop()
        self.followers[0].say("stop")
        self.followers[0].expect("done", 60)
        self.seconds = time.monotonic() - self.begun

    def end(self) -> None:
        self.recovered = 0 if self.next_appender.closed else self.next_appender.recovered_locks
        self.next_writer.close()
        for writer in self.all:
            writer.reap()
        for follower in self.followers:
            follower.end()
        if hasattr(self, "lock"):
            self.lock.close()

    def judge(self) -> None:
        acks = {writer.number: read_acks(writer.ack) for writer in self.all}
        unacked = {writer.number: writer.unacked for writer in self.all}
        acks[NEXT] = self.next_acks
        records = judge(self.queue, acks, SIZES, unacked)
        same("the Python follower", read_follow(self.directory / "python.follow"), records)
        same("Java's follower", read_follow(self.directory / "java.follow"), records)
        report = inspect.verify(self.queue)
        extra = sum(1 for _ in records) - sum(map(len, acks.values()))
        print(
            f"killed {self.killed['Python']} Python and {self.killed['Java']} Java writers, {self.early} openers, in "
            f"{self.seconds:.0f} s; {sum(self.held.values())} seen holding the write lock after the kill "
            f"({self.held['Java']} of them Java), "
            f"{self.recovered} locks taken over by the test's own appender; {len(records)} messages, "
            f"{len(report.cycles)} cycles, "
            f"{extra} not acknowledged; our next append after {statistics.median(self.ours_s) * 1000:.1f} ms (median), "
            f"{max(self.ours_s) * 1000:.0f} ms (worst); Java's after {statistics.median(self.java_s) * 1000:.0f} ms, "
            f"{max(self.java_s) * 1000:.0f} ms; verify: {dict(report.kinds)}"
        )
        assert report.ok and not set(report.kinds) - AFTER_CRASHES, str(report)[:4000]


# --- single deaths ---------------------------------------------------------------------------------------------------


@pytest.fixture
def queue_path(tmp_path: Path) -> Path:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY") as queue, queue.appender() as appender:
        appender.append(b"first")
    return path


_HOLD = """
import os, sys, threading
import pychronix as px
queue = px.open_queue(sys.argv[1], "r+")
assert queue.table_store.compare_and_set("chronicle.write.lock", -1 << 63, os.getpid())
print("ready", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def holder(path: Path, program: str = _HOLD) -> Iterator[Child]:
    """A process that holds the write lock."""
    child = Child([sys.executable, "-c", program, path])
    try:
        child.expect("ready")
        yield child
    finally:
        child.end()


def test_a_zombie_holder_counts_as_dead(queue_path: Path) -> None:
    with holder(queue_path) as child, px.open_queue(queue_path, "a") as queue, queue.appender() as appender:
        child.kill()
        child.wait_dead()
        begun = time.monotonic()
        appender.append(b"second")
        assert time.monotonic() - begun < AT_ONCE_S
        assert appender.recovered_locks == 1
        child.end()
        assert list(queue.tailer()) == [b"first", b"second"]


def test_a_dead_holder_counts_as_dead_when_it_is_reaped(queue_path: Path) -> None:
    with px.open_queue(queue_path, "a") as queue, queue.appender() as appender:
        with holder(queue_path) as child:
            child.kill()
        begun = time.monotonic()
        appender.append(b"second")
        assert time.monotonic() - begun < AT_ONCE_S


def test_a_dead_holder_is_released_on_opening(queue_path: Path) -> None:
    with holder(queue_path) as child:
        child.kill()
        child.wait_dead()
        with px.open_queue(queue_path, "a") as queue:
            assert queue.table_store["chronicle.write.lock"] == UNLOCKED


def test_a_living_holder_is_waited_for_and_never_robbed(queue_path: Path) -> None:
    with holder(queue_path) as child, px.open_queue(queue_path, "a", timeout_ms=200) as queue:
        with queue.appender() as appender:
            begun = time.monotonic()
            with pytest.raises(errors.LockedError) as caught:
                appender.append(b"second")
            assert 0.29 < time.monotonic() - begun < 5
            assert caught.value.pid == child.pid
            assert str(child.pid) in str(caught.value)
            assert queue.table_store["chronicle.write.lock"] == child.pid
        assert list(queue.tailer()) == [b"first"]


def test_a_stopped_holder_is_alive(queue_path: Path) -> None:
    with holder(queue_path) as child, px.open_queue(queue_path, "a", timeout_ms=100) as queue:
        os.kill(child.pid, signal.SIGSTOP)
        with queue.appender() as appender, pytest.raises(errors.LockedError):
            appender.append(b"second")


_LEADERLESS = """
import ctypes, os, sys, threading
import pychronix as px
queue = px.open_queue(sys.argv[1], "r+")
assert queue.table_store.compare_and_set("chronicle.write.lock", -1 << 63, os.getpid())
libc = ctypes.CDLL(None)
def others():
    status = lambda: open(f"/proc/{os.getpid()}/stat").read().rpartition(")")[2].split()[0]
    while status() != "Z":
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    os._exit(0)
threading.Thread(target=others).start()
libc.syscall(60, 0)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of the system call exit is x86-64's")
def test_a_process_whose_main_thread_has_ended_is_alive(queue_path: Path) -> None:
    """Such a process shows state Z, but its other threads run: as JVMs do whose launcher thread has gone."""
    with holder(queue_path, _LEADERLESS) as child, px.open_queue(queue_path, "a", timeout_ms=100) as queue:
        with queue.appender() as appender, pytest.raises(errors.LockedError) as caught:
            appender.append(b"second")
        assert caught.value.pid == child.pid
        assert queue.table_store["chronicle.write.lock"] == child.pid


@pytest.mark.parametrize("value", [0, (7 << 32) | 0x7FFF_FFF0, 0x7FFF_FFF0, -1])
def test_lock_values_of_no_living_process_are_released(queue_path: Path, value: int) -> None:
    """0 is pid 0, which is dead; a thread id may stand above the pid (spec 7.3)."""
    with px.open_queue(queue_path, "a", timeout_ms=100) as queue, queue.appender() as appender:
        assert queue.table_store.compare_and_set("chronicle.write.lock", UNLOCKED, value)
        appender.append(b"second")
        assert queue.table_store["chronicle.write.lock"] == UNLOCKED


def test_a_lock_that_bears_our_own_pid_is_a_living_holders(queue_path: Path) -> None:
    """As in Java (spec 7.3), even where an earlier process of the same pid left it, as happens in containers: the error
    names the pid, nothing hangs, and who knows better sets the word free."""
    with px.open_queue(queue_path, "a", timeout_ms=100) as queue, queue.appender() as appender:
        assert queue.table_store.compare_and_set("chronicle.write.lock", UNLOCKED, os.getpid())
        with pytest.raises(px.LockedError) as caught:
            appender.append(b"second")
        assert caught.value.pid == os.getpid()
        assert queue.table_store.compare_and_set("chronicle.write.lock", os.getpid(), UNLOCKED)
        appender.append(b"second")
        assert list(queue.tailer()) == [b"first", b"second"]


@pytest.mark.java
@pytest.mark.parametrize("zombie", [True, False], ids=["zombie", "reaped"])
def test_a_java_writer_killed_in_the_middle_of_a_document_is_passed_at_once(
    java_peer: JavaPeerFactory, queue_path: Path, zombie: bool
) -> None:
    with px.open_queue(queue_path, "a") as queue, queue.appender() as appender:
        peer = java_peer()
        java_appender = peer.open(queue_path).appender()
        java_appender.append(b"Java's first")
        java_appender.begin()
        java_appender.write(b"never committed")
        assert queue.table_store["chronicle.write.lock"] == peer.pid
        os.kill(peer.pid, signal.SIGKILL)
        if zombie:
            flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
            wait_until(lambda: os.waitid(os.P_PID, peer.pid, flags) is not None, "Java's death")
        else:
            peer.kill()
        begun = time.monotonic()
        appender.append(b"second")
        assert time.monotonic() - begun < AT_ONCE_S
        assert list(queue.tailer()) == [b"first", b"Java's first", b"second"]
    assert inspect.verify(queue_path).ok


@pytest.mark.java
def test_java_follows_a_python_writer_that_died_with_the_lock(java_peer: JavaPeerFactory, queue_path: Path) -> None:
    """Java's own rule: released at once on opening, after 1.5 times its timeout by an appender that was open before."""
    with java_peer().open(queue_path, timeout_ms=400) as open_before:
        old = open_before.appender()
        old.append(b"Java's first")
        with holder(queue_path) as child:
            child.kill()
        begun = time.monotonic()
        old.append(b"Java's second")
        waited = time.monotonic() - begun
        with holder(queue_path) as child:
            child.kill()
        begun = time.monotonic()
        with java_peer().open(queue_path) as new:
            opened = time.monotonic()
            new.appender().append(b"Java's third")
            assert time.monotonic() - opened < 5
        new_s = time.monotonic() - begun
        print(f"an open Java appender (timeout 400 ms) waited {waited:.2f} s; a new one {new_s:.2f} s")
    with px.open_queue(queue_path) as queue:
        assert list(queue.tailer()) == [b"first", b"Java's first", b"Java's second", b"Java's third"]


