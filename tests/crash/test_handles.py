"""Handles that are used when they should not be: closed, by two threads, after a fork. An exception, never a crash."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crash_program import Program

import pychronix as px
from pychronix import errors, inspect
from pychronix.wire import LongArray


@contextmanager
def threads(*targets: Callable[[], object], deadline_s: float = 60) -> Iterator[Callable[[], bool]]:
    """Runs each target in a thread beside the block; all have ended, and none failed, when this ends.

    Gives a function that says whether all still run.
    """
    failures: list[BaseException] = []

    def guarded(target: Callable[[], object]) -> None:
        try:
            target()
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=guarded, args=(target,), daemon=True) for target in targets]
    for thread in running:
        thread.start()
    try:
        yield lambda: all(thread.is_alive() for thread in running)
    finally:
        limit = time.monotonic() + deadline_s
        for thread in running:
            thread.join(max(0.0, limit - time.monotonic()))
        assert not any(thread.is_alive() for thread in running), f"a thread still runs after {deadline_s} s"
    if failures:
        raise failures[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST_HOURLY") as queue, queue.appender() as appender:
        appender.append_many([b"message %d" % i for i in range(100)])
    return path


APPENDER_CALLS: dict[str, Callable[[px.Appender], object]] = {
    "append": lambda a: a.append(b"x"),
    "append_bytearray": lambda a: a.append(bytearray(b"x")),
    "append_many": lambda a: a.append_many([b"x", b"y"]),
    "append_text": lambda a: a.append_text("x"),
    "append_at": lambda a: a.append_at(0, b"x"),
    "append_document": lambda a: a.append_document({"n": 1}),
    "append_document, aligned": lambda a: a.append_document({"longs": LongArray([1])}),
    "meta": lambda a: a._append_meta(b"x"),
    "sync": lambda a: a.sync(),
    "pretouch": lambda a: a.pretouch(),
    "normalise_eofs": lambda a: a.normalise_eofs(),
    "last_index": lambda a: a.last_index,
    "cycle": lambda a: a.cycle,
}
TAILER_CALLS: dict[str, Callable[[px.Tailer], object]] = {
    "read": lambda t: t.read(),
    "read_many": lambda t: t.read_many(3),
    "iterate": lambda t: list(t),
    "with_index": lambda t: list(t.with_index()),
    "views": lambda t: list(t.views()),
    "spans": lambda t: list(t.spans()),
    "to_start": lambda t: t.to_start(),
    "to_end": lambda t: t.to_end(),
    "move_to_index": lambda t: t.move_to_index(1),
    "move_to_cycle": lambda t: t.move_to_cycle(1),
    "direction": lambda t: setattr(t, "direction", "backward"),
    "index": lambda t: t.index,
    "cycle": lambda t: t.cycle,
    "state": lambda t: t.state,
}
QUEUE_CALLS: dict[str, Callable[[px.Queue], object]] = {
    "appender": lambda q: q.appender(),
    "tailer": lambda q: q.tailer(),
    "named": lambda q: q.tailer("name"),
    "cycles": lambda q: [cycle.count for cycle in q.cycles()],
    "count": lambda q: q.count(),
    "first_index": lambda q: q.first_index,
    "last_index": lambda q: q.last_index,
    "refresh": lambda q: q.refresh(),
    "table": lambda q: dict(q.table_store),
    "table_get": lambda q: q.table_store["chronicle.write.lock"],
    "table_cas": lambda q: q.table_store.compare_and_set("listing.modCount", 1, 2),
}


@pytest.mark.parametrize("how", ["appender", "queue"])
@pytest.mark.parametrize("call", APPENDER_CALLS)
def test_a_closed_appender_says_so(path: Path, call: str, how: str) -> None:
    with px.open_queue(path, "a") as queue:
        appender = queue.appender()
        appender.append(b"x")
        (appender if how == "appender" else queue).close()
        with pytest.raises(errors.ClosedError):
            APPENDER_CALLS[call](appender)
        appender.close()


@pytest.mark.parametrize("how", ["tailer", "queue"])
@pytest.mark.parametrize("call", TAILER_CALLS)
@pytest.mark.parametrize("begun", [False, True], ids=["fresh", "begun"])
def test_a_closed_tailer_says_so(path: Path, call: str, how: str, begun: bool) -> None:
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        if begun:
            for _ in range(5):
                tailer.read()
        (tailer if how == "tailer" else queue).close()
        with pytest.raises(errors.ClosedError):
            TAILER_CALLS[call](tailer)
        tailer.close()


@pytest.mark.parametrize("call", QUEUE_CALLS)
def test_a_closed_queue_says_so(path: Path, call: str) -> None:
    queue = px.open_queue(path, "a")
    queue.close()
    queue.close()
    with pytest.raises(errors.ClosedError):
        QUEUE_CALLS[call](queue)


def test_closing_in_any_order_and_twice_is_harmless(path: Path) -> None:
    rng = random.Random(1)
    for _ in range(30):
        queue = px.open_queue(path, "a")
        things = [queue, queue.appender(), queue.tailer(), queue.tailer("named"), queue.appender()]
        rng.shuffle(things)
        for thing in things + things:
            thing.close()


def test_an_iterator_outlives_its_closed_tailer_without_harm(path: Path) -> None:
    for make in (iter, px.Tailer.with_index, px.Tailer.views):
        with px.open_queue(path) as queue:
            tailer = queue.tailer()
            items = make(tailer)
            next(items)
            tailer.close()
            # What was read ahead may still come, or the iteration may end, or say why not; but nothing strange.
            try:
                rest = list(items)
            except errors.ClosedError:
                rest = []
            assert len(rest) < 100


def test_views_stay_valid_after_everything_is_closed_and_collected(path: Path) -> None:
    queue = px.open_queue(path)
    tailer = queue.tailer()
    views = list(tailer.views())
    (spans,) = list(queue.tailer().spans())
    queue.close()
    del tailer, queue
    gc.collect()
    assert [bytes(view) for view in views] == [b"message %d" % i for i in range(100)]
    assert bytes(spans.data[spans.starts[7] : spans.stops[7]]) == b"message 7"
    assert all(view.readonly for view in views)
    del views[1:]
    gc.collect()
    assert views[0] == b"message 0"
    with pytest.raises(TypeError):
        views[0][0] = 1
    del views, spans


def test_objects_left_to_the_collector_in_any_order(path: Path) -> None:
    rng = random.Random(2)
    for _ in range(20):
        queue = px.open_queue(path, "a")
        things = [queue, queue.appender(), queue.tailer(), list(queue.tailer().views()), queue.appender()]
        queue.close()
        del queue
        rng.shuffle(things)
        while things:
            things.pop()
            gc.collect(0)


def test_no_python_runs_where_an_object_ends(path: Path) -> None:
    """Else Ctrl-C could strike there, where no exception gets out: it would be lost, and the native handle with it."""
    called = []
    with px.open_queue(path, "a") as queue:
        ends: list[object] = [queue.tailer(), queue.appender()]
        ends[0].read()  # type: ignore[attr-defined]
        sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
        try:
            ends.clear()
        finally:
            sys.setprofile(None)
        assert [] == called
        assert queue._children.all() == []


def test_objects_that_come_and_go_leave_nothing(path: Path) -> None:
    with px.open_queue(path, "r") as queue:
        kept = []
        for i in range(1000):
            tailer = queue.tailer()
            if i % 100 == 0:
                kept.append(tailer)
        del tailer
        assert {id(child) for child in queue._children.all()} == set(map(id, kept))
        assert len(queue._children._references) < 100
    assert all(tailer.closed for tailer in kept)


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["appender", "queue"])
def test_closing_while_other_threads_append(tmp_path: Path, what: str, budget) -> None:
    for number in range(budget.of(5, 40, 400)):
        path = tmp_path / str(number)
        queue = px.open_queue(path, "a", roll="TEST4_DAILY", block_size_bytes=4096)
        appenders = [queue.appender() for _ in range(3)]
        acked: list[int] = []
        started = threading.Barrier(4)

        def work(appender: px.Appender, started=started, acked=acked) -> None:
            started.wait(20)
            with pytest.raises((errors.ClosedError, errors.BusyError, errors.CycleFullError)):
                while True:
                    acked.extend(appender.append_many([b"x" * 100] * 20))

        with threads(*(lambda appender=appender: work(appender) for appender in appenders)) as running:
            started.wait(20)
            while not acked and running():
                pass
            for thing in appenders if what == "appender" else [queue]:
                thing.close()
        queue.close()
        with px.open_queue(path) as again:
            assert set(acked) <= {index for index, _ in again.tailer().with_index()}
            assert again.table_store["chronicle.write.lock"] == -(1 << 63)


def test_closing_while_other_threads_read(path: Path, budget) -> None:
    expected = [b"message %d" % i for i in range(100)]
    for _ in range(budget.of(5, 40, 400)):
        queue = px.open_queue(path)
        rounds = [0]
        started = threading.Barrier(5)

        def work(read: Callable[[px.Tailer], list[bytes]], queue=queue, started=started, rounds=rounds) -> None:
            tailer = queue.tailer()
            started.wait(20)
            # BusyError: the closing thread is inside at this very moment.
            with pytest.raises((errors.ClosedError, errors.BusyError)):
                while True:
                    tailer.to_start()
                    got = read(tailer)
                    assert got == expected[: len(got)]
                    rounds[0] += 1

        reads: list[Callable[[px.Tailer], list[bytes]]] = [
            list,
            lambda tailer: list(iter(tailer.read, None)),
            lambda tailer: [bytes(view) for view in tailer.views()],
            lambda tailer: [
                bytes(s.data[a:b]) for s in tailer.spans(7) for a, b in zip(s.starts, s.stops, strict=True)
            ],
        ]
        with threads(*(lambda read=read: work(read) for read in reads)) as running:
            started.wait(20)
            while rounds[0] < 8 and running():
                time.sleep(0)
            queue.close()


def test_many_threads_with_an_appender_each(tmp_path: Path, budget) -> None:
    each, count = budget.of(500, 5000, 50_000), 6
    acked: dict[int, list[int]] = {number: [] for number in range(count)}
    with px.open_queue(tmp_path / "q", "a") as queue:

        def work(number: int) -> None:
            with queue.appender() as appender:
                for counter in range(0, each, 10):
                    many = appender.append_many([b"%d %d" % (number, counter + i) for i in range(9)])
                    acked[number] += [*many, appender.append(b"%d %d" % (number, counter + 9))]

        with threads(*(lambda number=number: work(number) for number in range(count))):
            pass
        found = {data: index for index, data in queue.tailer().with_index()}
        assert len(found) == each * count
        for number in range(count):
            assert [found[b"%d %d" % (number, counter)] for counter in range(each)] == acked[number]
    report = inspect.verify(tmp_path / "q")
    assert report.clean, str(report)


def test_one_appender_used_by_many_threads_is_busy_not_broken(tmp_path: Path, budget) -> None:
    each = budget.of(300, 3000, 30_000)
    acked: list[tuple[int, bytes]] = []
    busy = [0]
    with px.open_queue(tmp_path / "q", "a") as queue:
        shared = queue.appender()

        def work(number: int) -> None:
            for counter in range(each):
                messages = [b"%d %d %d" % (number, counter, i) * 20 for i in range(1 + counter % 50)]
                try:
                    if counter % 3:
                        acked.extend(zip(shared.append_many(messages), messages, strict=True))
                    else:
                        acked.append((shared.append(messages[0]), messages[0]))
                except errors.BusyError as error:
                    busy[0] += 1
                    acked.extend(zip(error.appended, messages, strict=False))

        with threads(*(lambda number=number: work(number) for number in range(4))):
            pass
        assert sorted(acked) == list(queue.tailer().with_index())
        assert shared.append(b"last") == queue.last_index
    report = inspect.verify(tmp_path / "q")
    assert report.clean, str(report)
    print(f"{len(acked)} messages, {busy[0]} times busy")


def test_one_tailer_used_by_many_threads_is_busy_not_broken(path: Path, budget) -> None:
    expected = {b"message %d" % i for i in range(100)}
    with px.open_queue(path) as queue:
        shared = queue.tailer()

        def work(number: int) -> None:
            rng = random.Random(number)
            for _ in range(budget.of(2000, 20_000, 200_000)):
                try:
                    data = shared.read() if rng.random() < 0.9 else shared.to_start().read()
                    assert data is None or data in expected
                except errors.BusyError:
                    pass

        with threads(*(lambda number=number: work(number) for number in range(4))):
            pass
        assert set(shared.to_start()) == expected


# --- fork ------------------------------------------------------------------------------------------------------------

_FORK = """
import gc, warnings
warnings.simplefilter("ignore")  # A fork beside threads, and unclosed queues in the child, are the point here.
now = [1_709_635_062_500_000_000]
queue = px.open_queue(path, "a", roll="TEST4_DAILY", clock=lambda: now[0])
appender = queue.appender()
first = appender.append(b"before")
appender.append_many([b"m%d" % i for i in range(50)])
tailer = queue.tailer()
named = queue.tailer("named")
assert tailer.read() == b"before"
iterator = iter(queue.tailer())
next(iterator)
views = list(queue.tailer().views())

def wait(pid, limit=time.monotonic() + 40):
    while True:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > limit:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.001)
"""


def test_a_forked_child_is_told_and_does_no_harm(tmp_path: Path, program: Program) -> None:
    program(
        _FORK
        + """
pid = os.fork()
if pid == 0:
    try:
        for call in (lambda: appender.append(b"child"), lambda: appender.append_many([b"child"]), appender.sync,
                     lambda: appender.append_at(first, b"child"), appender.pretouch, appender.normalise_eofs,
                     tailer.read, lambda: list(tailer), lambda: tailer.read_many(3), tailer.to_start, tailer.to_end,
                     lambda: list(tailer.views()), lambda: list(tailer.with_index()), named.read,
                     lambda: tailer.move_to_index(first), lambda: tailer.move_to_cycle(1),
                     queue.appender, queue.tailer, lambda: queue.tailer("other"), queue.refresh,
                     lambda: dict(queue.table_store), lambda: queue.last_index, lambda: queue.count(),
                     lambda: queue.table_store.compare_and_set("chronicle.write.lock", -1 << 63, 5)):
            raises(errors.ForkedError, call)
        with contextlib.suppress(errors.ForkedError):
            next(iterator)
        assert views[0] == b"before"  # Mapped memory is shared with a child.
        with px.open_queue(path, "r+", clock=lambda: now[0]) as again, again.appender() as other:
            assert list(again.tailer())[:1] == [b"before"]
            other.append(b"from the child")
        appender.close(); tailer.close(); queue.close()
        del iterator
        gc.collect()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
assert wait(pid) == 0
assert appender.append(b"after") == first + 52
assert tailer.read() == b"m0"
assert list(iterator)[-2:] == [b"from the child", b"after"]
now[0] += 86_400_000_000_000
appender.append(b"next day")
assert list(tailer)[-1] == b"next day"
queue.close()
report = inspect.verify(path)
assert report.clean, str(report)
""",
        tmp_path / "q",
    )


@pytest.mark.parametrize("way", ["sys.exit(0)", "os._exit(0)", "os.kill(os.getpid(), 9)", "gc.collect(); os._exit(0)"])
def test_a_forked_child_that_ends_in_any_way_leaves_the_parent_alone(
    tmp_path: Path, program: Program, way: str
) -> None:
    program(
        _FORK
        + f"""
pid = os.fork()
if pid == 0:
    del appender, tailer, named, queue, iterator, views
    {way}
wait(pid)
assert appender.append(b"after") == first + 51
assert list(tailer)[-1] == b"after"
assert views[0] == b"before"
queue.close()
assert inspect.verify(path).clean
""",
        tmp_path / "q",
    )


def test_forking_beside_appending_threads(tmp_path: Path, program: Program) -> None:
    """The child inherits an appender whose lock is held by a thread it does not have."""
    program(
        _FORK
        + """
stop = threading.Event()
acked = []
def work():
    with queue.appender() as mine:
        while not stop.is_set():
            acked.extend(mine.append_many([b"y" * 50] * 10))
            if len(acked) > 3000:
                return
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        try:
            raises(errors.ForkedError, appender.append, b"child")
            raises(errors.ForkedError, tailer.read)
            with px.open_queue(path, "r+", clock=lambda: now[0]) as again, again.appender() as other:
                other.append(b"from a child")
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(pid)
codes = [wait(pid) for pid in children]
stop.set()
for worker in workers:
    worker.join(30)
assert codes == [0] * 8, codes
found = list(queue.tailer().with_index())
assert sum(data == b"from a child" for _, data in found) == 8
assert set(acked) <= {index for index, _ in found}
queue.close()
assert inspect.verify(path).ok
""",
        tmp_path / "q",
    )


def test_forking_beside_threads_that_open_queues(tmp_path: Path, program: Program, budget) -> None:
    """No lock of the core may be left locked in the child, where the thread that had it does not exist."""
    program(
        _FORK
        + """
stop = threading.Event()
def work():
    while not stop.is_set():
        with px.open_queue(path) as other:
            list(other.tailer())
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers:
    worker.start()
try:
    for number in range(int(sys.argv[2])):
        pid = os.fork()
        if pid == 0:
            with px.open_queue(path) as again:
                list(again.tailer())
            os._exit(0)
        assert wait(pid, time.monotonic() + 10) == 0, number
finally:
    stop.set()
    for worker in workers:
        worker.join(30)
queue.close()
""",
        tmp_path / "q",
        budget.of(300, 1500, 10_000),
        deadline_s=200,
    )
