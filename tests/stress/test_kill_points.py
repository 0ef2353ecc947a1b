"""Death at every named store point of the core: whoever comes next goes on at once, and nothing acknowledged is lost.

Each case is a child that appends and dies at the nth passing of a point. Then, each in its own copy of the directory:
an appender of ours that was open all the time, with the dead process still a zombie; a newly opened appender of ours;
a newly opened Java appender. All acknowledged messages are there, readers agree, the independent verifier is content.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import build_variants
import crash_child
import pytest
from crash_child import DAY_MS, ROLL, T0_MS
from fix_java import JavaPeer
from stress_tools import Child

import pychronix as px
from pychronix import _boundary, inspect

# Those of other formats have a prefix, and tests of their own.
POINTS = tuple(point for point in _boundary.kill_points() if not point.startswith(("i3_", "v3_")))
#: Where a roll file's first header says "not complete": Java waits its timeout for the writer that is dead.
JAVA_WAITS = {"file_claimed", "file_header_stored", "file_pages_stored", "index_page_reserved", "index_page_published"}
#: What a crash may leave, by the words of pychronix.inspect; all are warnings.
AFTER_A_CRASH = {
    "not-indexed", "no-index", "orphan-page", "used", "last-index", "write-position", "sequence-word", "missing-eof",
    "garbage-after-data", "garbage-after-eof", "listing", "locked",
    "incomplete-header", "not-ready", "not-normalised", "no-key",
    "no-table-store", "empty-file",
}  # fmt: skip
OURS_S = 2.0
JAVA_TIMEOUT_MS = 600


@pytest.fixture(scope="session")
def variant() -> Path:
    return build_variants.build("CX_KILL_POINTS")


class Log:
    """What the child said before it died."""

    def __init__(self, path: Path) -> None:
        self.clock_ms = T0_MS
        self.tried = 0
        self.acked: list[int] = []
        self.ended = False
        for line in path.read_text().splitlines() if path.exists() else []:
            word, *numbers = line.split()
            if word == "clock":
                self.clock_ms = int(numbers[0])
            elif word == "try":
                self.tried = int(numbers[0])
            elif word == "ack":
                assert int(numbers[0]) == len(self.acked)
                self.acked.append(int(numbers[1]))
            else:
                self.ended = True


class Case:
    """A child that died at a point, and the copies of what it left."""

    def __init__(self, directory: Path, variant: Path, point: str, nth: int, before: int = 0) -> None:
        self.directory = directory
        self.point, self.nth, self.before = point, nth, before
        self.original = directory / "q"
        script = Path(crash_child.__file__)
        self.child = Child(
            [sys.executable, script, self.original, directory / "log", point, nth],
            env=build_variants.environment(variant),
        )

    def wait(self) -> bool:
        """Whether the child died at the point; False if it passed it less than nth times. It is a zombie then."""
        self.child.wait_dead(60)
        state = os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOWAIT)
        assert state is not None
        self.log = Log(self.directory / "log")
        if state.si_code == os.CLD_EXITED:
            assert state.si_status == 0 and self.log.ended, f"{self}: {self.child}"
            return False
        assert state.si_status == signal.SIGKILL, f"{self}: died of signal {state.si_status}: {self.child}"
        return True

    def copy(self, name: str) -> Path:
        target = self.directory / name
        if self.original.exists():
            shutil.copytree(self.original, target)
        else:
            target.mkdir()
        return target

    def survivors(self, path: Path, more: tuple[bytes, ...]) -> list[tuple[int, bytes]]:
        """What is in the queue: what was before, what the child acknowledged, perhaps what it was at, then `more`."""
        found = [(index, data) for index, data, _ in inspect.read_queue(path)]
        expected = [f"before {number}".encode() for number in range(self.before)]
        acked, tried = len(self.log.acked), self.log.tried
        written = len(found) - len(expected) - len(more)
        assert acked <= written <= tried, f"{self}: {written} of its messages, {acked} acknowledged, {tried} tried"
        expected += [crash_child.message(number) for number in range(written)]
        assert [data for _, data in found] == [*expected, *more], str(self)
        indexes = [index for index, _ in found]
        assert indexes[self.before :][:acked] == self.log.acked, f"{self}: other indexes than acknowledged"
        for one, other in itertools.pairwise(indexes):
            assert other == one + 1 or (other > one and not other & 0xFFFFFFFF), f"{self}: {other:#x} follows {one:#x}"
        return found

    def java_renumbers(self, found: list[tuple[int, bytes]]) -> bool:
        """Whether this is the one case that Java itself gets wrong (spec, trap 7): the first message of a file was
        published and writePosition still is 0, so Java numbers its own messages from 0 again."""
        lost = [index for index, data in found if data == crash_child.message(len(self.log.acked))]
        return self.point == "header_published" and bool(lost) and not lost[0] & 0xFFFFFFFF

    def content(self, path: Path, *, at_once: bool = False) -> None:
        """The verifier finds nothing that a crash does not explain."""
        if at_once and not [*path.glob("*.cq4"), *path.glob("*.cq4t")]:
            return  # It died before there was a queue, or with its files still under another name.
        report = inspect.verify(path)
        assert report.ok, f"{self}, {'before' if at_once else 'after'} the next append: {report}"
        strange = set(report.kinds) - AFTER_A_CRASH
        assert not strange, f"{self}: {strange} in {report}"
        if not at_once:
            left = set(report.kinds) & {"locked", "missing-eof", "listing", "incomplete-header", "not-normalised"}
            assert not left, f"{self}: the next writer left {left}: {report}"

    def ours_reads(self, path: Path, expected: list[tuple[int, bytes]]) -> None:
        with px.open_queue(path) as queue:
            assert list(queue.tailer().with_index()) == expected, f"{self}: our forward tailer"
            backward = queue.tailer(start="end", direction="backward").with_index()
            assert list(backward) == expected[::-1], f"{self}: our backward tailer"
            tailer = queue.tailer()
            for index, data in expected:
                assert tailer.move_to_index(index) and tailer.read() == data, f"{self}: no way to {index:#x}"
            assert queue.last_index == expected[-1][0]

    def java_reads(self, java: JavaPeer, path: Path, expected: list[tuple[int, bytes]]) -> None:
        with java.open(path, clock_ms=self.log.clock_ms, block_size=4096, timeout_ms=JAVA_TIMEOUT_MS) as queue:
            seen = [(excerpt.index, excerpt.data) for excerpt in queue.dump()]
            assert seen == expected, f"{self}: Java's forward tailer"
            seen = [(excerpt.index, excerpt.data) for excerpt in queue.dump(backward=True)]
            assert seen == expected[::-1], f"{self}: Java's backward tailer"
            probes = queue.tailer().probe(index for index, _ in expected)
            assert [(probe.read_index, probe.data) for probe in probes] == expected, f"{self}: Java's moveToIndex"

    def __str__(self) -> str:
        log = getattr(self, "log", None)
        where = f", clock {log.clock_ms}, {len(log.acked)} acknowledged, {log.tried} tried" if log else ""
        return f"killed at {self.point}, pass {self.nth}{where}; files in {self.directory}"


def passes(quick: bool) -> Iterator[int]:
    """Which passings of a point to die at, until the child lives through: 1, 2, 3, 5, 8, 13 ..."""
    one, other = 1, 2
    while True:
        yield one
        if quick:
            return
        one, other = other, one + other


def opened(path: Path, clock_ms: Callable[[], int]) -> px.Queue:
    return px.open_queue(path, "a", roll=ROLL, clock=lambda: clock_ms() * 1_000_000, block_size_bytes=4096)


def go_on(case: Case, path: Path, *, clock_ms: int) -> float:
    """A newly opened appender of ours appends twice; how long the first took, opening included."""
    begun = time.monotonic()
    with opened(path, lambda: clock_ms) as queue, queue.appender() as appender:
        appender.append(b"next")
        seconds = time.monotonic() - begun
        appender.append(b"and next")
    assert seconds < OURS_S, f"{case}: our next writer needed {seconds:.1f} s"
    return seconds


@pytest.mark.parametrize("point", POINTS)
def test_our_next_writer_goes_on_at_once_after_a_death_at(point: str, variant: Path, tmp_path: Path, budget) -> None:
    killed = 0
    for nth in passes(budget.name == "quick"):
        directory = tmp_path / str(nth)
        directory.mkdir()
        case = Case(directory, variant, point, nth)
        try:
            if not case.wait():
                break
            killed += 1
            copy = case.copy("reaped")
            case.content(copy, at_once=True)
            # The dead process is a zombie still.
            go_on(case, case.original, clock_ms=case.log.clock_ms)
        finally:
            case.child.end()
        go_on(case, copy, clock_ms=case.log.clock_ms + DAY_MS)
        for path in (case.original, copy):
            expected = case.survivors(path, (b"next", b"and next"))
            case.content(path)
            case.ours_reads(path, expected)
        shutil.rmtree(directory)
    assert killed, f"the child never passed {point}"
    print(f"{point}: {killed} deaths")


@pytest.mark.java
@pytest.mark.parametrize("point", POINTS)
def test_javas_next_writer_goes_on_after_a_death_at(
    point: str, variant: Path, tmp_path: Path, java: JavaPeer, budget
) -> None:
    killed, slowest = 0, 0.0
    for nth in passes(budget.name == "quick"):
        directory = tmp_path / str(nth)
        directory.mkdir()
        case = Case(directory, variant, point, nth)
        try:
            if not case.wait():
                break
            killed += 1
        finally:
            case.child.end()
        for_java = case.copy("java")
        clock_ms = case.log.clock_ms
        begun = time.monotonic()
        with java.open(for_java, roll=ROLL, clock_ms=clock_ms, block_size=4096, timeout_ms=JAVA_TIMEOUT_MS) as queue:
            appender = queue.appender()
            appender.append(b"next")
            seconds = time.monotonic() - begun
            appender.append(b"and next")
        slowest = max(slowest, seconds)
        if point not in JAVA_WAITS:
            assert seconds < OURS_S, f"{case}: Java's next writer needed {seconds:.1f} s"
        expected = case.survivors(for_java, (b"next", b"and next"))
        if not case.java_renumbers(expected):
            case.content(for_java)
            case.java_reads(java, for_java, expected)
            case.ours_reads(for_java, expected)
        # Ours repairs it, too, and Java goes on with what ours made of it.
        go_on(case, case.original, clock_ms=clock_ms)
        with java.open(case.original, clock_ms=clock_ms, block_size=4096, timeout_ms=JAVA_TIMEOUT_MS) as queue:
            queue.appender().append(b"Java")
        expected = case.survivors(case.original, (b"next", b"and next", b"Java"))
        case.content(case.original)
        case.java_reads(java, case.original, expected)
        case.ours_reads(case.original, expected)
        shutil.rmtree(directory)
    assert killed, f"the child never passed {point}"
    print(f"{point}: {killed} deaths, Java's slowest next append after {slowest:.2f} s (timeout {JAVA_TIMEOUT_MS} ms)")


WITNESSED = tuple(point for point in POINTS if not point.startswith(("table_", "key_")))


@pytest.mark.parametrize("point", WITNESSED)
def test_an_appender_that_was_open_all_the_time_goes_on_beside_the_zombie_of(
    point: str, variant: Path, tmp_path: Path, budget
) -> None:
    killed, slowest = 0, 0.0
    for nth in passes(budget.name == "quick"):
        directory = tmp_path / str(nth)
        directory.mkdir()
        now = [T0_MS]
        path = directory / "q"
        with opened(path, partial(now.__getitem__, 0)) as queue, queue.appender() as appender:
            tailer = queue.tailer()
            for number in range(3):
                appender.append(f"before {number}".encode())
            case = Case(directory, variant, point, nth, before=3)
            try:
                if not case.wait():
                    break
                killed += 1
                now[0] = case.log.clock_ms
                begun = time.monotonic()
                appender.append(b"next")
                seconds = time.monotonic() - begun
                slowest = max(slowest, seconds)
                assert seconds < OURS_S, f"{case}: the open appender needed {seconds:.1f} s"
                appender.append(b"and next")
            finally:
                case.child.end()
            expected = case.survivors(path, (b"next", b"and next"))
            assert list(tailer.with_index()) == expected, f"{case}: the open tailer"
        case.content(path)
        case.ours_reads(path, expected)
        shutil.rmtree(directory)
    assert killed, f"the child never passed {point}"
    print(f"{point}: {killed} deaths, slowest next append after {slowest * 1000:.1f} ms")
