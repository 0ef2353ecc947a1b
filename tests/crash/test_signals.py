"""Ctrl-C at any moment: KeyboardInterrupt, soon, and nothing lost or broken by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from build_variants import environment
from crash_program import Program

_INTERRUPT = """
class Later:
    '''Sends this process SIGINT after some seconds; within the block KeyboardInterrupt is due, and soon after that.'''
    def __init__(self, seconds, patience=1.0):
        self.seconds, self.patience = seconds, patience
        self.sent = None
    def __enter__(self):
        def send():
            time.sleep(self.seconds)
            self.sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
        self.thread = threading.Thread(target=send)
        self.thread.start()
        return self
    def __exit__(self, kind, error, _):
        self.thread.join(20)
        assert kind is KeyboardInterrupt, (kind, error)
        took = time.monotonic() - self.sent
        assert took < self.patience, f"KeyboardInterrupt came {took:.2f} s after the signal"
        self.error = error
        return True

signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def test_a_long_append_many_is_interrupted_and_keeps_what_it_appended(tmp_path: Path, program: Program) -> None:
    program(
        _INTERRUPT
        + """
import itertools
with px.open_queue(path, "a") as queue, queue.appender() as appender:
    appender.append(b"first")
    given = itertools.count()
    with Later(0.2) as later:
        appender.append_many(b"%d" % i for i in given)
    appended = later.error.appended
    found = list(queue.tailer().with_index())
    assert [data for _, data in found[1:]] == [b"%d" % i for i in range(len(found) - 1)]
    assert len(appended) > 1000
    # Interrupted between the call into C and the note of it, the last chunk is there without being named.
    assert list(appended) == [index for index, _ in found[1 : 1 + len(appended)]]
    assert len(found) - 1 - len(appended) <= 1024, (len(found), len(appended))
    assert queue.table_store["chronicle.write.lock"] == -1 << 63
    assert appender.append(b"last") == found[-1][0] + 1
assert inspect.verify(path).clean
""",
        tmp_path / "q",
    )


def test_a_long_loop_of_appends_is_interrupted(tmp_path: Path, program: Program) -> None:
    program(
        _INTERRUPT
        + """
with px.open_queue(path, "a") as queue, queue.appender() as appender:
    acked = []
    for _ in range(5):
        with Later(0.05):
            while True:
                acked.append(appender.append(b"%d" % len(acked)))
        found = [index for index, _ in queue.tailer().with_index()]
        assert set(acked) <= set(found) and len(found) - len(acked) <= 1
        acked = found
    assert queue.table_store["chronicle.write.lock"] == -1 << 63
assert inspect.verify(path).clean
""",
        tmp_path / "q",
    )


@pytest.mark.parametrize(
    "how",
    ["list(tailer)", "list(tailer.with_index())", "list(tailer.views())", "list(iter(tailer.read, None))",
     "tailer.read_many(1 << 40)", "[s for s in tailer.spans()]", "tailer.to_start().to_end()"],
)  # fmt: skip
def test_reading_is_interrupted(tmp_path: Path, program: Program, how: str) -> None:
    program(
        _INTERRUPT
        + f"""
with px.open_queue(path, "a") as queue:
    with queue.appender() as appender:
        indexes = appender.append_many([b"%d" % i for i in range(60_000)])
    tailer = queue.tailer()
    with Later(0.1):
        while True:
            tailer.to_start()
            {how}
    assert list(tailer.to_start()) == [b"%d" % i for i in range(60_000)]
    assert tailer.move_to_index(indexes[777]) and tailer.read() == b"777"
""",
        tmp_path / "q",
    )


@pytest.mark.parametrize("how", ["tailer", "tailer.with_index()", "iter(tailer.read, None)"])
def test_an_interrupted_loop_goes_on_where_it_was(tmp_path: Path, program: Program, how: str, budget) -> None:
    """KeyboardInterrupt at random moments of a loop: all that its body did not see comes again, nothing comes twice."""
    program(
        f"""
import random
rng = random.Random(int(sys.argv[2]))
armed = False
def strike(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt
signal.signal(signal.SIGVTALRM, strike)
total = 30_000
messages = [b"%d" % i for i in range(total)]
with px.open_queue(path, "a") as queue:
    with queue.appender() as appender:
        first = appender.append_many(messages).first
    interrupted = 0
    for _ in range(int(sys.argv[3])):
        tailer = queue.tailer()
        seen = 0
        while seen < total:
            try:
                armed = True
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.0001 + rng.random() * 0.004)
                for item in {how}:
                    seen += 1
                    data = item if isinstance(item, bytes) else item[1]
                    assert data == messages[seen - 1], (data, seen)
                armed = False
                break
            except KeyboardInterrupt:
                interrupted += 1
                # The interrupt may strike between taking an item and counting it, but no further from it.
                at = tailer.index - first
                assert seen <= at <= seen + 1, (seen, at)
                seen = at
        assert seen == total
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)  # At exit Python puts the default back, which is death.
    assert interrupted > 3, interrupted
""",
        tmp_path / "q",
        os.environ.get("PYCHRONIX_STRESS_SEED", "1"),
        budget.of(6, 100, 2000),
        deadline_s=200,
    )


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("how", ["moves", "views", "spans"])
def test_an_interrupted_loop_that_moves_or_views_goes_on(
    tmp_path: Path, program: Program, how: str, direction: str, budget
) -> None:
    """The same where each turn of the loop moves the tailer, which gives back what was read ahead, and without copies."""
    program(
        f"""
import random
rng = random.Random(int(sys.argv[2]))
armed = False
def strike(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt
signal.signal(signal.SIGVTALRM, strike)
def moves():
    for message in tailer:
        seen.append(message)
        tailer.move_to_index(tailer.index)
def views():
    for view in tailer.views():
        seen.append(view)
def spans():
    for batch in tailer.spans(7):
        seen.append(batch)
def flat(item):
    if not isinstance(item, tuple):
        return [bytes(item)]
    return [bytes(item.data[start:stop]) for start, stop in zip(item.starts, item.stops)]
messages = [b"%d" % i for i in range(1_500 if {how!r} == "moves" else 30_000)]
with px.open_queue(path, "a") as queue:
    with queue.appender() as appender:
        appender.append_many(messages)
    if {direction!r} == "backward":
        messages.reverse()
    interrupted = rounds = 0
    while rounds < int(sys.argv[3]) or interrupted <= 3 and rounds < 100:  # a quick round may end before it is struck
        rounds += 1
        tailer = queue.tailer(start="start" if {direction!r} == "forward" else "end", direction={direction!r})
        seen = []
        while True:
            try:
                armed = True
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.0001 + rng.random() * 0.002)
                {how}()
                armed = False
                break
            except KeyboardInterrupt:
                interrupted += 1
        found = [message for item in seen for message in flat(item)]
        assert found == messages, next(pair for pair in zip(found + [None], messages + [None]) if pair[0] != pair[1])
        # By the interpreter's own rules a signal's exception in a destructor is lost: none of ours is written in Python.
        held = [batch.data for batch in queue.tailer().spans()]
        calls = []
        sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
        del held
        sys.setprofile(None)
        assert not calls, calls
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    assert interrupted > 3, interrupted
""",
        tmp_path / "q",
        os.environ.get("PYCHRONIX_STRESS_SEED", "1"),
        budget.of(3, 30, 300),
        deadline_s=200,
    )


def test_waiting_for_a_lock_is_interrupted(tmp_path: Path, program: Program) -> None:
    program(
        _INTERRUPT
        + """
with px.open_queue(path, "a", timeout_ms=30_000) as queue, queue.appender() as appender:
    appender.append(b"x")
    parent = os.getppid()
    assert queue.table_store.compare_and_set("chronicle.write.lock", -1 << 63, parent)
    with Later(0.1):
        appender.append(b"y")
    with Later(0.1):
        appender.append_many([b"y"])
    assert queue.table_store.compare_and_set("chronicle.write.lock", parent, -1 << 63)
    assert appender.append(b"z") == queue.last_index
    assert list(queue.tailer()) == [b"x", b"z"]
""",
        tmp_path / "q",
    )


def test_following_is_interrupted(tmp_path: Path, program: Program) -> None:
    program(
        _INTERRUPT
        + """
with px.open_queue(path, "a") as queue, queue.appender() as appender:
    appender.append(b"x")
    tailer = queue.tailer()
    got = []
    for _ in range(3):
        with Later(0.05):
            for data in px.follow(tailer):
                got.append(data)
        appender.append(b"y")
    assert got + list(tailer) == [b"x", b"y", b"y", b"y"]
""",
        tmp_path / "q",
    )


def test_a_process_that_exits_with_everything_open_leaves_no_lock(tmp_path: Path, program: Program) -> None:
    program(
        """
import warnings
warnings.simplefilter("ignore", ResourceWarning)
pids = []
for way in range(4):
    pid = os.fork()
    if pid == 0:
        queue = px.open_queue(path, "a")
        appender = queue.appender()
        tailer = queue.tailer()
        views = list(tailer.views())
        appender.append(b"%d" % way)
        threading.Thread(target=lambda: [appender.append(b"t") for _ in range(100)]).start()
        if way == 0:
            sys.exit(0)
        if way == 1:
            os._exit(0)
        if way == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        if way == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    pids.append(pid)
for pid in pids:
    os.waitpid(pid, 0)
begun = time.monotonic()
with px.open_queue(path, "a") as queue, queue.appender() as appender:
    appender.append(b"last")
    assert time.monotonic() - begun < 2
    assert {b"0", b"1", b"2", b"3", b"last"} <= set(queue.tailer())
assert inspect.verify(path).ok
""",
        tmp_path / "q",
    )


@pytest.mark.parametrize("order", ["open", "open,dump", "dump,open", "open,dump,open", "dump,open,dump,open"])
def test_somebody_elses_sigbus_ends_the_process_as_ever(tmp_path: Path, order: str) -> None:
    """The core answers for its own windows only, whoever else (faulthandler) handles the signal before or after it."""
    source = f"""
import faulthandler, mmap, os, signal, sys
import pychronix as px
signal.alarm(20)
queues = []
faulthandler.disable()
for step in {order!r}.split(","):
    if step == "dump":
        faulthandler.disable()
        faulthandler.enable()
    else:
        queue = px.open_queue(sys.argv[1], "a")
        with queue.appender() as appender:
            appender.append(b"x")
        queues.append(queue)
with open(sys.argv[2], "w+b") as file:
    file.truncate(8192)
    foreign = mmap.mmap(file.fileno(), 8192)
    file.truncate(0)
    print("now", flush=True)
    foreign[5000]
"""
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "q"), str(tmp_path / "file")],
        env=environment(), cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "now\n", done.stderr
    assert done.returncode == -signal.SIGBUS, f"ended with {done.returncode}; stderr: {done.stderr[-2000:]}"
    assert ("Bus error" in done.stderr) == ("dump" in order), done.stderr
