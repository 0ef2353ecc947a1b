"""The benchmarks of Chronicle 3.x journals, against Java 3.6.0 and pychro.

Journals have Java's default settings (daily cycles, 64 MiB data and 16 MiB index files; Indexed: 64-byte lines, 128 MiB
blocks) and are made afresh in each round. All three libraries work in the same place with excerpts of the same bytes,
and their readers on the very same files, which pychronix has written. pychro does a tenth of the excerpts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import pychronix as px
from bench import scan
from bench.cases import Plan, directory
from bench.loads import FIXED, FIXED_BYTES, NOTE, STRINGS, mixed, payload, strings
from bench.pairing import JAVA, PYCHRO, PYTHON, Contestant, Row, Samples, Target, clocked, compete, expect
from bench.peer import PychroProcess
from bench.ways import by_for, by_spans, last_payload, many, one_by_one, read_all

SIZES = (8, 100)
RECORD = "iqd"  # (int, long, double), as Java's writeInt, writeLong, writeDouble put them.
_SCAN_TIMEOUT_S = 600
FIRST = 1  # Excerpts appended before the clock starts: they create the files.


class Journal(NamedTuple):
    """A format of Chronicle 3.x, as the libraries are told of it."""

    format: str

    def path(self, parent: str) -> str:
        return parent if self.format == "vanilla" else f"{parent}/journal"

    def open(self, parent: str, mode: str = "r") -> px.Queue:
        os.makedirs(parent, exist_ok=True)
        return px.open_queue(self.path(parent), mode, format=self.format)

    def java(self, java: Any, parent: str) -> Any:
        """Java's queue."""
        return (java.vanilla if self.format == "vanilla" else java.indexed)(self.path(parent))

    def facts(self, parent: str) -> tuple[int, bytes | None]:
        """Number of excerpts and the last one, as a reader of its own sees them."""
        with self.open(parent) as queue:
            return by_spans(queue.tailer()), last_payload(queue)


VANILLA, INDEXED = Journal("vanilla"), Journal("indexed")


# --- bytes ----------------------------------------------------------------------------------------


def append(plan: Plan) -> list[Row]:
    """One call an excerpt, and many a call."""
    rows = []
    for journal in (VANILLA, INDEXED):
        for size in SIZES:
            for place, parent in plan.places.items():
                with plan.java3.process() as java, plan.pychro.process() as pychro:
                    case = f"{journal.format} append, {size} bytes"
                    contestants = _append_contestants(plan, journal, size, parent, java, pychro)
                    rows += compete(case, place, contestants, plan.rounds)
    return rows


def _append_contestants(
    plan: Plan, journal: Journal, size: int, parent: Path, java: Any, pychro: PychroProcess | None
) -> list[Contestant]:
    count, few, message = plan.messages, plan.messages // 10, payload(size)

    def in_new_journal(work: Callable[[px.Appender, bytes, int], int]) -> int:
        with directory(parent, "append") as path:
            with journal.open(path, "a") as queue, queue.appender() as appender:
                appender.append(message)
                nanos = work(appender, message, count)
            expect("what was appended", journal.facts(path), (count + FIRST, message))
        return nanos

    def by_java() -> int:
        with directory(parent, "append-java") as path:
            os.makedirs(path)
            with journal.java(java, path) as queue:
                appender = queue.appender()
                appender.bench(FIRST, size=size)
                nanos = int(appender.bench(count, size=size))
            expect("what Java appended", journal.facts(path), (count + FIRST, message))
        return nanos

    def by_pychro() -> int:
        assert pychro is not None
        with directory(parent, "append-pychro") as path:
            nanos = pychro.append(path, "long" if size == 8 else "bytes", few, size)
            expect("what pychro appended", journal.facts(path), (few + FIRST, message))
        return nanos

    base, other = "write(byte[])", "write_long()" if size == 8 else "slice of the mapping"
    others = [Contestant(JAVA, base, count, by_java)] if java else []
    if pychro and journal is VANILLA:
        others.append(Contestant(PYCHRO, other, few, by_pychro))
    least = Target(1.5e6)
    return [
        *others,
        Contestant(
            PYTHON,
            "append()",
            count,
            lambda: in_new_journal(one_by_one),
            base,
            least,
            ((other, Target(8.0, of_ratio=True)),),
        ),
        Contestant(
            PYTHON,
            "append_many()",
            count,
            lambda: in_new_journal(many),
            base,
            Target(1.0, of_ratio=True),
            ((other, None),),
        ),
    ]


def iterate(plan: Plan) -> list[Row]:
    """From the first excerpt to the last of one journal, page cache warm."""
    rows = []
    for journal in (VANILLA, INDEXED):
        for size in SIZES:
            for place, parent in plan.places.items():
                with directory(parent, "iterate") as path:
                    with journal.open(path, "a") as queue:
                        appended = queue.appender().append_many(repeat(payload(size), plan.messages))
                        expect("excerpts written", len(appended), plan.messages)
                    rows += _iterate_in(plan, journal, size, place, path)
    return rows


def _iterate_in(plan: Plan, journal: Journal, size: int, place: str, path: str) -> list[Row]:
    count, few = plan.messages, plan.messages // 10

    def by_java(tailers: Any, kind: str) -> int:
        tailer = tailers.tailer()
        nanos, messages, total = tailer.bench(kind=kind)
        tailer.close()
        expect("what Java read", (messages, total), (count, size * count))
        return int(nanos)

    def by_pychro() -> int:
        assert pychro is not None
        nanos, total = pychro.read(path, "bytes", few)
        expect("bytes that pychro read", total, few * size)
        return nanos

    with (
        journal.open(path) as queue,
        plan.java3.process() as java,
        plan.pychro.process() as pychro,
        contextlib.ExitStack() as stack,
    ):
        expect("bytes", sum(map(len, queue.tailer())), count * size)
        ours = partial(read_all, queue, count)
        base, other = "read(byte[])", "slice of the mapping"
        target, also = Target(5e6), ((other, Target(12.0, of_ratio=True)),)
        contestants = [
            Contestant(PYTHON, "for payload in tailer: pass", count, partial(ours, by_for), base, target, also),
            Contestant(PYTHON, "spans(): no object each", count, partial(ours, by_spans), "nextIndex()"),
        ]
        if pychro and journal is VANILLA:
            contestants.insert(0, Contestant(PYCHRO, other, few, by_pychro))
        if java:
            theirs = stack.enter_context(journal.java(java, path))
            for what, kind in (("nextIndex()", "view"), (base, "bytes")):
                contestants.insert(0, Contestant(JAVA, what, count, partial(by_java, theirs, kind)))
        return compete(f"{journal.format} iterate, {size} bytes", place, contestants, plan.rounds)


# --- records --------------------------------------------------------------------------------------


def records(plan: Plan) -> list[Row]:
    """Excerpts of (int, long, double), 20 bytes: many at once, from and into NumPy arrays and tuples."""
    try:
        import numpy
    except ImportError:
        print("  records: left out, there is no NumPy", file=sys.stderr)
        return []
    count, rows = plan.messages, []
    dtype = numpy.dtype([("number", "<i4"), ("time", "<i8"), ("price", "<f8")])
    array = numpy.zeros(count, dtype)
    for name in array.dtype.names or ():
        array[name] = numpy.arange(count)
    tuples = [(number, number, float(number)) for number in range(count)]
    last = struct.pack("<" + RECORD, *tuples[-1])

    def written(parent: Path, layout: Any, values: Any) -> int:
        with directory(parent, "records") as path:
            with VANILLA.open(path, "a") as queue, queue.appender() as appender:
                appender.append_records(RECORD, tuples[:FIRST])
                nanos = clocked(lambda: appender.append_records(layout, values))
            expect("records appended", VANILLA.facts(path), (count + FIRST, last))
        return nanos

    def by_java(parent: Path, java: Any) -> int:
        with directory(parent, "records-java") as path:
            with VANILLA.java(java, path) as queue:
                appender = queue.appender()
                appender.bench(FIRST, kind="record")
                nanos = int(appender.bench(count, kind="record"))
            expect("records Java appended", VANILLA.facts(path), (count + FIRST, last))
        return nanos

    def read_array(queue: px.Queue, layout: Any, **how: Any) -> int:
        begun = time.perf_counter_ns()
        found = queue.tailer().read_records(layout, **how)
        nanos = time.perf_counter_ns() - begun
        expect("records read", (len(found), tuple(found[-1].item())), (count, tuples[-1]))
        return nanos

    def read_tuples(queue: px.Queue) -> int:
        begun = time.perf_counter_ns()
        found = deque(queue.tailer().read_records(RECORD), maxlen=1)
        nanos = time.perf_counter_ns() - begun
        expect("last record", found[0], tuples[-1])
        return nanos

    def read_by_java(queue: Any) -> int:
        tailer = queue.tailer()
        nanos, messages, _ = tailer.bench(kind="record")
        tailer.close()
        expect("records Java read", messages, count)
        return int(nanos)

    least = Target(10e6)
    for place, parent in plan.places.items():
        with plan.java3.process() as java:
            base = "writeInt, writeLong, writeDouble"
            contestants = [Contestant(JAVA, base, count, partial(by_java, parent, java))] if java else []
            for what, layout, values in (
                ("append_records(dtype, array)", dtype, array),
                (f"append_records({RECORD!r}, tuples)", RECORD, tuples),
            ):
                contestants.append(
                    Contestant(PYTHON, what, count, partial(written, parent, layout, values), base, least)
                )
            rows += compete("records, append", place, contestants, plan.rounds)
        with directory(parent, "records") as path:
            with VANILLA.open(path, "a") as queue:
                expect("records", len(queue.appender().append_records(dtype, array)), count)
            with VANILLA.open(path) as queue, plan.java3.process() as java, contextlib.ExitStack() as stack:
                base = "readInt, readLong, readDouble"
                contestants = []
                if java:
                    theirs = stack.enter_context(VANILLA.java(java, path))
                    contestants.append(Contestant(JAVA, base, count, partial(read_by_java, theirs)))
                into_array = partial(read_array, queue, dtype)
                contestants += [
                    Contestant(PYTHON, "read_records(dtype): an array", count, into_array, base, least),
                    Contestant(
                        PYTHON, f"read_records({RECORD!r}): tuples", count, partial(read_tuples, queue), base, least
                    ),
                ]
                rows += compete("records, read", place, contestants, plan.rounds)
    return rows


# --- TCP ------------------------------------------------------------------------------------------


def tcp(plan: Plan) -> list[Row]:
    """A stream of 100-byte excerpts from a source to a tailer, each in a process of its own, over loopback."""
    from pychronix.tcp import RemoteTailer

    size, count, rows = 100, plan.messages // 2, []

    def to_java(tailers: Any, port: int) -> int:
        with tailers.remote_tailer(port) as remote:
            nanos, messages, total = remote.tailer().bench(count, timeout_s=60)
        expect("what Java received", (messages, total), (count, count * size))
        return int(nanos)

    def to_us(port: int) -> int:
        with RemoteTailer("127.0.0.1", port) as tailer:
            payloads = tailer.follow()
            first = next(payloads)
            begun = time.perf_counter_ns()
            last = deque(islice(payloads, count - 1), maxlen=1)
            nanos = time.perf_counter_ns() - begun
        expect("what was received", (first, last[0]), (payload(size), payload(size)))
        return nanos

    for place, parent in plan.places.items():
        with (
            directory(parent, "tcp") as path,
            plan.java3.process() as sources,
            plan.java3.process() as tailers,
            contextlib.ExitStack() as stack,
        ):
            with VANILLA.open(path, "a") as queue:
                expect("excerpts", len(queue.appender().append_many(repeat(payload(size), count))), count)
            base, least = "Java to Java", Target(1.0, of_ratio=True)
            ours = stack.enter_context(_source(path))
            contestants = [
                Contestant(PYTHON, "pychronix to pychronix", count, partial(to_us, ours), base, least),
            ]
            if sources and tailers:
                port = stack.enter_context(VANILLA.java(sources, path)).source().port
                contestants = [
                    Contestant(JAVA, base, count, partial(to_java, tailers, port)),
                    *contestants,
                    Contestant(PYTHON, "Java to pychronix", count, partial(to_us, port), base, least),
                    Contestant(PYTHON, "pychronix to Java", count, partial(to_java, tailers, ours), base, least),
                ]
            rows += compete("TCP, 100 bytes", place, contestants, plan.rounds)
    return rows


@contextlib.contextmanager
def _source(path: str) -> Iterator[int]:
    """The port of a process that serves a journal."""
    command = [sys.executable, "-m", "bench.source", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        yield int(child.stdout.readline())
        child.stdin.close()


# --- memory ---------------------------------------------------------------------------------------


def memory(plan: Plan) -> list[Row]:
    """Peak resident memory of fresh processes with a large Vanilla journal on disk, in excerpts of 4 KiB: a writer, a
    tailer that follows it live, and readers of all of it. Only readers have a target."""
    place, parent = plan.disk
    count = plan.scan_bytes >> 12
    free = shutil.disk_usage(parent).free
    if free < plan.scan_bytes + (2 << 30):
        print(f"  memory: left out, {parent} has only {free >> 20} MiB free", file=sys.stderr)
        return []

    rows = []
    with directory(parent, "memory") as path:
        with VANILLA.open(path, "a") as queue:
            queue.appender().append(scan.MESSAGE)  # There is something to open for the tailer.
        for ways in (("append_many", "tail"), ("bytes",), ("views",), ("spans",), ("backward",), ("random",)):
            for way, facts in _peaks(path, ways, count):
                wanted = count - FIRST if way == "append_many" else count
                expect("messages and bytes", (facts["messages"], facts["bytes"]), (wanted, wanted << 12))
                target = None if way in ("append_many", "random") else Target(100.0, at_most=True)
                case, what = f"vanilla memory, {plan.scan_bytes / (1 << 30):.3g} GiB", f"peak RSS, {way}"
                peak = Samples((facts["VmHWM_kB"] / 1000,))
                rows.append(Row(case, what, place, "MB", peak, target=target, facts=facts))
    return rows


def _peaks(path: str, ways: Sequence[str], count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What processes, which run at the same time, tell of their memory."""
    running: list[tuple[str, subprocess.Popen[str]]] = []
    try:
        for way in ways:
            number = count - FIRST if way == "append_many" else count
            command = [sys.executable, "-m", "bench.scan", path, way, str(number), "vanilla"]
            running.append((way, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)))
        for way, child in running:
            yield way, json.loads(child.communicate(timeout=_SCAN_TIMEOUT_S)[0])
    finally:
        for _, child in running:
            child.kill()
            child.wait()


# --- pychro's loads -------------------------------------------------------------------------------


def pychro_loads(plan: Plan) -> list[Row]:
    """The three loads of pychro's own performance tests: an int, a string, and four ints with two strings. They
    measure Python rather than the disk, so one place is enough."""
    rows = []
    place, parent = next(iter(plan.places.items()))
    for load in ("ints", "strings", "mixed"):
        with plan.pychro.process() as pychro:
            rows += compete(f"{load}, append", place, _writers(plan, load, parent, pychro), plan.rounds)
            with directory(parent, "load") as path:
                count = plan.messages // 10
                with VANILLA.open(path, "a") as queue:
                    _by_cursor(load, queue.appender(), count)
                with VANILLA.open(path) as queue:
                    readers = _readers(load, count, queue, path, pychro)
                    rows += compete(f"{load}, read", place, readers, plan.rounds)
    return rows


_BULK: dict[str, str] = {
    # Lengths of the texts are bytes of the record, for they are less than 128.
    "ints": "i",
    "mixed": f"iB{len(NOTE)}siiB{FIXED_BYTES - 1}si",
}


def _bulk(load: str, count: int) -> Sequence[tuple[Any, ...]]:
    if load == "ints":
        return [(number,) for number in range(count)]
    note, text = NOTE.encode(), FIXED.encode()
    found = []
    for number in range(count):
        first, second, third, last = mixed(number & 0xFFFF)
        found.append((first, len(note), note, second, third, len(text), text, last))
    return found


def _by_cursor(load: str, appender: px.Appender, count: int) -> None:
    writing = appender.writing
    if load == "ints":
        for number in range(count):
            with writing() as doc:
                doc.write_int(number)
    elif load == "strings":
        texts = strings()
        for number in range(count):
            with writing() as doc:
                doc.write_string(texts[number % STRINGS])
    else:
        for number in range(count):
            first, second, third, last = mixed(number & 0xFFFF)
            with writing() as doc:
                doc.write_int(first)
                doc.write_string(NOTE)
                doc.write_int(second)
                doc.write_int(third)
                doc.write_string_at(doc.position, FIXED_BYTES, FIXED)
                doc.skip(FIXED_BYTES)
                doc.write_int(last)


def _sum_by_cursor(load: str, tailer: px.Tailer) -> int:
    total = 0
    reading = tailer.reading
    while True:
        with reading() as doc:
            if not doc:
                return total
            if load == "ints":
                total += doc.read_int()
            elif load == "strings":
                total += len(doc.read_string() or "")
            else:
                total += doc.read_int()
                total += len(doc.read_string() or "")
                total += doc.read_int()
                total += doc.read_int()
                start = doc.position
                total += len(doc.read_string() or "")
                doc.position = start + FIXED_BYTES
                total += doc.read_int()


def _sum_in_bulk(load: str, tailer: px.Tailer) -> int:
    if load == "ints":
        return sum(chain.from_iterable(tailer.read_records(_BULK[load])))
    total = 0
    for first, length, _note, second, third, size, _text, last in tailer.read_records(_BULK[load]):
        total += first + length + second + third + size + last
    return total


def _sum_of(load: str, count: int) -> int:
    if load == "ints":
        return sum(range(count))
    if load == "strings":
        texts = strings()
        return sum(len(texts[number % STRINGS]) for number in range(count))
    return sum(sum(mixed(number & 0xFFFF)) + len(NOTE) + len(FIXED) for number in range(count))


def _writers(plan: Plan, load: str, parent: Path, pychro: PychroProcess | None) -> list[Contestant]:
    count = plan.messages // 10
    wanted = _sum_of(load, FIRST) + _sum_of(load, count)

    def checked(who: str, path: str) -> None:
        with VANILLA.open(path) as queue:
            expect(f"sum of what {who} appended", _sum_by_cursor(load, queue.tailer()), wanted)

    def ours(work: Callable[[px.Appender], object]) -> int:
        with directory(parent, "load") as path:
            with VANILLA.open(path, "a") as queue, queue.appender() as appender:
                _by_cursor(load, appender, FIRST)
                nanos = clocked(lambda: work(appender))
            checked("was", path)
        return nanos

    def by_pychro() -> int:
        assert pychro is not None
        with directory(parent, "load-pychro") as path:
            nanos = pychro.append(path, load, count)
            checked("pychro", path)
        return nanos

    def by_cursor() -> int:
        return ours(lambda appender: _by_cursor(load, appender, count))

    def in_bulk() -> int:
        return ours(lambda appender: appender.append_records(_BULK[load], values))

    base = "write_int() ..."
    contestants = [Contestant(PYCHRO, base, count, by_pychro)] if pychro else []
    contestants.append(Contestant(PYTHON, "with appender.writing()", count, by_cursor, base))
    if load in _BULK:
        values = _bulk(load, count)
        contestants.append(Contestant(PYTHON, "append_records()", count, in_bulk, base))
    return contestants


def _readers(load: str, count: int, queue: px.Queue, path: str, pychro: PychroProcess | None) -> list[Contestant]:
    wanted = _sum_of(load, count)

    def ours(work: Callable[[str, px.Tailer], int]) -> int:
        with queue.tailer() as tailer:
            begun = time.perf_counter_ns()
            total = work(load, tailer)
            nanos = time.perf_counter_ns() - begun
        expect("sum of what was read", total, wanted)
        return nanos

    def by_pychro() -> int:
        assert pychro is not None
        nanos, total = pychro.read(path, load, count)
        expect("sum of what pychro read", total, wanted)
        return nanos

    base = "read_int() ..."
    contestants = [Contestant(PYCHRO, base, count, by_pychro)] if pychro else []
    contestants.append(Contestant(PYTHON, "with tailer.reading()", count, lambda: ours(_sum_by_cursor), base))
    if load in _BULK:
        contestants.append(Contestant(PYTHON, "read_records()", count, lambda: ours(_sum_in_bulk), base))
    return contestants


CASES3: dict[str, Callable[[Plan], list[Row]]] = {
    "v3_append": append,
    "v3_iterate": iterate,
    "v3_records": records,
    "v3_memory": memory,
    "tcp": tcp,
    "pychro": pychro_loads,
}
