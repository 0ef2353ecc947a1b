"""The benchmarks themselves: what is measured, against what, and what must come out.

Each takes a `Plan` and answers rows. Every queue is FAST_DAILY, made afresh below the plan's directory of the
place and deleted again. Both libraries work in the same place with messages of the same bytes, and
their readers on the very same files.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from pathlib import Path

import pychronix as px
from bench.pairing import JAVA, PYTHON, Contestant, Row, Samples, Target, compete, expect
from bench.peer import JavaBench, Peer, Pychro
from bench.ways import by_for, by_spans, last_payload, many, one_by_one, read_all

SIZE = 64
MESSAGE = bytes(range(SIZE))
SEED = 20260401
MIXED_LENGTHS = (1, 127)  # Uniform; the mean is 64.


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done, and where."""

    places: dict[str, Path]
    peer: Peer
    java3: Peer
    pychro: Pychro
    rounds: int
    messages: int
    random_sizes: tuple[int, ...]
    reads: int
    many: int
    scan_bytes: int
    opens: int = 101

    @property
    def disk(self) -> tuple[str, Path]:
        """The place for what is too large for memory."""
        return list(self.places.items())[-1]


@contextmanager
def directory(parent: Path, name: str) -> Iterator[str]:
    """A queue's directory that is gone afterwards."""
    path = parent / f"{name}-{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield str(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _fill(path: str, messages: Iterator[bytes], count: int) -> None:
    with px.open_queue(path, "a") as queue:
        expect("messages written", len(queue.appender().append_many(islice(messages, count))), count)


def _facts(path: str) -> tuple[int, bytes | None]:
    """Number of messages, and the last one, as a reader of its own sees them."""
    with px.open_queue(path) as queue:
        return sum(cycle.count for cycle in queue.cycles()), last_payload(queue)


# --- append ---------------------------------------------------------------------------------------


def append(plan: Plan) -> list[Row]:
    """One call a message, and many a call, against Java's writeBytes. Each round fills a new queue; one
    message is appended before the clock starts, which creates the file."""
    rows = []
    for place, parent in plan.places.items():
        with plan.peer.process() as java:
            rows += compete("append", place, _append_contestants(plan.messages, parent, java), plan.rounds)
    return rows


def _append_contestants(count: int, parent: Path, java: JavaBench | None) -> list[Contestant]:
    def in_new_queue(work: Callable[[px.Appender, bytes, int], int]) -> int:
        with directory(parent, "append") as path:
            with px.open_queue(path, "a") as queue, queue.appender() as appender:
                appender.append(MESSAGE)
                nanos = work(appender, MESSAGE, count)
            expect("what was appended", _facts(path), (count + 1, MESSAGE))
        return nanos

    def by_java() -> int:
        assert java is not None
        with directory(parent, "append-java") as path:
            java.open(path)
            nanos = java.append(count, SIZE)
            java.close_queue()
            expect("what Java appended", _facts(path), (count + 1, MESSAGE))
        return nanos

    base = "writeBytes"
    ours = [
        Contestant(PYTHON, "append()", count, lambda: in_new_queue(one_by_one), base, Target(0.8, of_ratio=True)),
        Contestant(PYTHON, "append_many()", count, lambda: in_new_queue(many), base, Target(2.0, of_ratio=True)),
    ]
    return ([Contestant(JAVA, base, count, by_java)] if java else []) + ours


def latency(plan: Plan) -> list[Row]:
    """Time of each single append, the clock's own included. Java's peer does not tell this."""
    rows = []
    count = plan.messages
    for place, parent in plan.places.items():
        percentiles: dict[str, list[float]] = {name: [] for name in ("p50", "p99", "p99.9", "p99.99", "max")}
        for turn in range(-1, plan.rounds):
            with directory(parent, "latency") as path:
                with px.open_queue(path, "a") as queue:
                    times = _append_times(queue.appender(), count)
                expect("what was appended", _facts(path), (count, MESSAGE))
            if turn < 0:
                continue
            ordered = sorted(times)
            for name, collected in percentiles.items():
                share = 1.0 if name == "max" else float(name[1:]) / 100
                collected.append(float(ordered[min(count - 1, int(share * count))]))
        for name, collected in percentiles.items():
            what = f"one append(), {name}"
            rows.append(Row("latency", what, place, "ns", Samples(tuple(collected)), facts={"messages": count}))
    return rows


def _append_times(appender: px.Appender, count: int) -> array[int]:
    times = array("q", bytes(8 * count))
    append_one, message, clock = appender.append, MESSAGE, time.perf_counter_ns
    for at in range(count):
        begun = clock()
        append_one(message)
        times[at] = clock() - begun
    return times


# --- read -----------------------------------------------------------------------------------------


def iterate(plan: Plan) -> list[Row]:
    """From the first message to the last of one queue, page cache warm: equal lengths, then mixed ones."""
    rows = []
    for place, parent in plan.places.items():
        count = plan.messages
        with directory(parent, "equal") as path:
            _fill(path, repeat(MESSAGE), count)
            rows += _read_all(plan, "iterate, 64 bytes", place, path, count, SIZE * count, 12e6)
        low, high = MIXED_LENGTHS
        lengths = random.Random(SEED).choices(range(low, high + 1), k=count)
        pool = [bytes([length]) * length for length in range(high + 1)]
        with directory(parent, "mixed") as path:
            _fill(path, map(pool.__getitem__, lengths), count)
            rows += _read_all(plan, f"iterate, {low}-{high} bytes", place, path, count, sum(lengths), 5e6)
    return rows


def _read_all(plan: Plan, case: str, place: str, path: str, count: int, size: int, least: float) -> list[Row]:
    def by_deque(tailer: px.Tailer) -> None:
        deque(tailer, maxlen=0)

    def by_views(tailer: px.Tailer) -> None:
        deque(tailer.views(), maxlen=0)

    def by_java(java: JavaBench, how: str) -> int:
        nanos, messages, total = java.read(how)
        expect("what Java read", (messages, total), (count, size))
        return nanos

    with px.open_queue(path) as queue, plan.peer.process() as java:
        sizes = [sum(map(len, queue.tailer())), sum(map(len, queue.tailer().views()))]
        sizes.append(sum(sum(spans.stops) - sum(spans.starts) for spans in queue.tailer().spans()))
        expect("bytes read by iteration, views, spans", sizes, [size] * 3)
        ways: list[tuple[str, Callable[[px.Tailer], int | None], str, float | None]] = [
            ("bytes: for payload in tailer: pass", by_for, "readBytes", least),
            ("bytes: deque(tailer, maxlen=0)", by_deque, "readBytes", least),
            ("memoryviews: deque(tailer.views(), maxlen=0)", by_views, "readingDocument", None),
            ("spans(): no object per message", by_spans, "readingDocument", 20e6),
        ]
        contestants = [
            Contestant(PYTHON, what, count, partial(read_all, queue, count, work), base, Target(limit) if limit else None)
            for what, work, base, limit in ways
        ]
        if java:
            java.open(path)
            for what, how in (("readingDocument", "document"), ("readBytes", "bytes")):
                contestants.insert(0, Contestant(JAVA, what, count, partial(by_java, java, how)))
        return compete(case, place, contestants, plan.rounds, {"bytes": size})


def seek(plan: Plan) -> list[Row]:
    """move_to_index of a random message and one read of it. Message i holds i, so that it can be checked."""
    rows = []
    for place, parent in plan.places.items():
        for size in plan.random_sizes:
            with directory(parent, "seek") as path:
                _fill(path, (number.to_bytes(SIZE, "little") for number in range(size)), size)
                rows += _seek_in(plan, place, path, size)
    return rows


def _seek_in(plan: Plan, place: str, path: str, size: int) -> list[Row]:
    reads = plan.reads
    with px.open_queue(path) as queue, plan.peer.process() as java:
        first = queue.first_index
        assert first is not None
        indexes = [first + number for number in random.Random(SEED).choices(range(size), k=reads)]
        for index in indexes[:1000]:
            tailer = queue.tailer()
            expect("moved", tailer.move_to_index(index), True)
            expect("read", tailer.read(), (index - first).to_bytes(SIZE, "little"))

        def ours() -> int:
            with queue.tailer() as tailer:
                move, read = tailer.move_to_index, tailer.read
                found = total = 0
                begun = time.perf_counter_ns()
                for index in indexes:
                    if move(index):
                        found += 1
                    total += len(read() or b"")
                nanos = time.perf_counter_ns() - begun
                expect("found and read", (found, total), (reads, reads * SIZE))
            return nanos

        base = "moveToIndex + readingDocument"
        contestants = [Contestant(PYTHON, "move_to_index() + read()", reads, ours, base, Target(0.5e6))]
        if java:
            java.open(path)
            contestants.insert(0, Contestant(JAVA, base, reads, lambda: java.seek(reads, SEED)))
        return compete(f"random access, {size:.0e} messages", place, contestants, plan.rounds, {"queue": size})


def open_to_end(plan: Plan) -> list[Row]:
    """open_queue + tailer + to_end on a queue of many tiny messages (4 bytes), page cache warm; on disk also
    cold, as far as the kernel lets go of the pages."""
    rows = []
    for place, parent in plan.places.items():
        with directory(parent, "open") as path:
            with px.open_queue(path, "a") as queue:
                indexes = queue.appender().append_many(repeat(b"tiny", plan.many))
                expect("messages written", len(indexes), plan.many)
                behind = (indexes.last or 0) + 1

            def once(path: str = path, behind: int = behind) -> float:
                begun = time.perf_counter_ns()
                queue = px.open_queue(path)
                tailer = queue.tailer().to_end()
                nanos = time.perf_counter_ns() - begun
                expect("index behind the last message", tailer.index, behind)
                queue.close()
                return nanos / 1e6

            once()
            ways = {"warm": [once() for _ in range(plan.opens)]}
            if place != "tmpfs":
                ways["cold"] = [once() for _ in range(11) if _evicted(Path(path))]
            rows += [
                Row(
                    f"open, {plan.many:.0e} messages",
                    f"open_queue() + tailer().to_end(), page cache {way}",
                    place,
                    "ms",
                    Samples(tuple(times)),
                    target=Target(5.0, at_most=True) if way == "warm" else None,
                    facts={"messages": plan.many},
                )
                for way, times in ways.items()
                if times
            ]
    return rows


def _evicted(directory: Path) -> bool:
    """Writes the files out and has the kernel drop them from the page cache, as far as it will."""
    for path in directory.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def memory(plan: Plan) -> list[Row]:
    """Peak resident memory (VmHWM: anonymous and mapped file pages) of fresh processes, each of which
    reads or writes all of a large queue of 4 KiB messages on disk. Only scans have a target."""
    place, parent = plan.disk
    count = plan.scan_bytes >> 12
    free = shutil.disk_usage(parent).free
    if free < plan.scan_bytes + (2 << 30):
        print(f"  memory: left out, {parent} has only {free >> 20} MiB free", file=sys.stderr)
        return []
    rows = []
    with directory(parent, "memory") as path:
        for way in ("append", "append_many", "bytes", "views", "spans", "backward", "random"):
            if way == "append_many":
                shutil.rmtree(path)
            command = [sys.executable, "-m", "bench.scan", path, way, str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            facts = json.loads(done.stdout)
            expect("messages and bytes", (facts["messages"], facts["bytes"]), (count, count << 12))
            peak = Samples((facts["VmHWM_kB"] / 1000,))
            case = f"memory, {plan.scan_bytes / (1 << 30):.3g} GiB"
            scans = way in ("bytes", "views", "spans", "backward")
            target = Target(100.0, at_most=True) if scans else None
            rows.append(Row(case, f"peak RSS, {way}", place, "MB", peak, target=target, facts=facts))
    return rows


CASES: dict[str, Callable[[Plan], list[Row]]] = {
    "append": append,
    "latency": latency,
    "iterate": iterate,
    "seek": seek,
    "open": open_to_end,
    "memory": memory,
}
