"""Death at every named store point of a Vanilla appender: nothing acknowledged is lost, and whoever comes next goes on."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import build_variants
import pytest
import vanilla_crash_child
from fix_java3 import Java3Peer
from stress_tools import Child
from vanilla_crash_child import DATA_BLOCK, DAY_MS, INDEX_BLOCK, OPTIONS, message

import pychronix as px
from pychronix import _boundary

POINTS = tuple(point for point in _boundary.kill_points() if point.startswith("v3_"))
E = 1 << 40


@pytest.fixture(scope="session")
def variant() -> Path:
    return build_variants.build("CX_KILL_POINTS")


def passes(quick: bool) -> Iterator[int]:
    """Which passings of a point to die at, until the child lives through: 1, 2, 3, 5, 8, 13 ..."""
    one, other = 1, 2
    while True:
        yield one
        if quick:
            return
        one, other = other, one + other


class Case:
    """A child that died at a point, or lived through it."""

    def __init__(self, directory: Path, variant: Path, point: str, nth: int) -> None:
        self.journal, log, self.name = directory / "q", directory / "log", f"{point}, pass {nth}"
        script = Path(vanilla_crash_child.__file__)
        child = Child([sys.executable, script, self.journal, log, point, nth], env=build_variants.environment(variant))
        try:
            code = child.wait(60)
            self.died = code == -signal.SIGKILL
            assert self.died or code == 0, f"{self.name}: {child}"
        finally:
            child.end()
        self.tried = self.clock_ms = 0
        self.acked: list[int] = []
        for line in log.read_text().splitlines():
            word, *numbers = line.split()
            if word == "clock":
                self.clock_ms = int(numbers[0])
            elif word == "try":
                self.tried = int(numbers[0])
            elif word == "ack":
                assert int(numbers[0]) == len(self.acked)
                self.acked.append(int(numbers[1]))

    def open(self, path: Path, mode: str, clock_ms: int | None = None) -> px.Queue:
        now_ns = (self.clock_ms if clock_ms is None else clock_ms) * 1_000_000
        options = dict(OPTIONS) if mode == "a" else {}
        return px.open_queue(path, mode, clock=lambda: now_ns, **options)  # type: ignore[arg-type]

    def check(self, found: list[tuple[int, bytes]], more: list[bytes], who: str) -> None:
        """What was acknowledged, perhaps more of what was tried, then `more`."""
        written = len(found) - len(more)
        assert len(self.acked) <= written <= self.tried, f"{self.name}: {who} found {written} of {len(self.acked)}"
        assert [data for _, data in found] == [*map(message, range(written)), *more], f"{self.name}: {who}"
        indexes = [index for index, _ in found]
        assert indexes[: len(self.acked)] == self.acked, f"{self.name}: {who}"
        for one, other in itertools.pairwise(indexes):
            assert other == one + 1 or (other > one and other % E == 0), f"{self.name}: {other:#x} follows {one:#x}"


@pytest.mark.java
@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_loses_nothing(
    point: str, variant: Path, java3: Java3Peer, tmp_path: Path, budget
) -> None:
    died = 0
    for nth in passes(budget.of(True, False, False)):
        directory = tmp_path / str(nth)
        directory.mkdir()
        case = Case(directory, variant, point, nth)
        if not case.died:
            break
        died += 1
        by_java, by_us = directory / "java", directory / "ours"
        for copy in (by_java, by_us):
            shutil.copytree(case.journal, copy)
        # Ours goes on, in the same cycle and in a later one; and Java, each in a copy.
        with case.open(by_us, "a") as queue, queue.appender() as appender:
            appender.append(b"next")
            appender.append_many([b"and", b"more"])
        with case.open(by_us, "r+", case.clock_ms + DAY_MS) as queue, queue.appender() as appender:
            appender.append(b"tomorrow")
            found = list(queue.tailer().with_index())
            assert list(queue.tailer(start="end", direction="backward").with_index()) == found[::-1]
        more = [b"next", b"and", b"more", b"tomorrow"]
        case.check(found, more, "our reader")
        java = {"index_block": INDEX_BLOCK, "data_block": DATA_BLOCK}
        with java3.vanilla(by_us, **java) as theirs:
            case.check(theirs.dump(), more, "Java's reader")
        with java3.vanilla(by_java, **java) as theirs:
            theirs.appender().append(b"Java's", cycle=case.clock_ms // DAY_MS)
            case.check(theirs.dump(), [b"Java's"], "Java's reader of its own")
        with case.open(by_java, "r") as queue:
            case.check(list(queue.tailer().with_index()), [b"Java's"], "our reader of Java's")
        for copy in (by_java, by_us, case.journal):
            shutil.rmtree(copy)
        os.unlink(directory / "log")
    assert died, f"the child never passed {point}"
