"""Does to damaged queues what users do to sound ones, in a process of its own, and tells what went wrong.

``run`` starts this file as a script and feeds it cases: patches of bytes, applied to a copy of a queue and taken back
afterwards. A case is bad if anything but ChronixError (or ChronixWarning) comes out, if it takes longer than a second,
if a message that was readable before an append is not afterwards, or if the process dies: `run` then names the case,
and goes on behind it with a new process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

SLOW_S = 1.0  # More processor time than this for one case is a hang in the making.
HANG_S = 20  # So long without an end, by the clock, is one.
MEMORY_BYTES = 3 << 30  # Address space of the worker; a length read from a file must not decide what is allocated.
NOBODY = 65_534
ROUNDS = 40_000  # No small queue has so many documents: a reader that gives more goes in circles.


class Patch(NamedTuple):
    """Bytes to store into one file of the queue."""

    file: str
    offset: int
    data: bytes


Case = list[Patch]

#: In the place of bytes: the file is cut at the offset; something else is put there (offset: which of KINDS, or the mode
#: of the directory if the file is ".").
TRUNCATE, REPLACE = b"truncate here!", b"replace this!!"


class Bad(NamedTuple):
    """A case that went wrong, and how."""

    case: Case
    what: str

    def __str__(self) -> str:
        patches = ", ".join(f"{patch.file}@{patch.offset:#x}={patch.data.hex()}" for patch in self.case)
        return f"{patches}: {self.what}"


# --- the parent's side -----------------------------------------------------------------------------------------------


def run(
    queue: Path, cases: Sequence[Case], how: str, *, clock_ns: int, indexes: Sequence[int] = (), limit: int = 20
) -> list[Bad]:
    """Tries all cases on copies of `queue`; the bad ones, at most `limit`.

    `how`: "read" what is damaged, "append" to it, or have it open while it is being damaged ("live").
    """
    # Here and not in the worker, which may not live to clear it away. Open to the user that the worker may become.
    shm = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="chronix-damage-", dir=shm) as scratch:
        os.chmod(scratch, 0o711)
        return _run(queue, cases, how, scratch, clock_ns=clock_ns, indexes=indexes, limit=limit)


def _run(
    queue: Path, cases: Sequence[Case], how: str, scratch: str, *, clock_ns: int, indexes: Sequence[int], limit: int
) -> list[Bad]:
    bad: list[Bad] = []
    done = 0
    while done < len(cases) and len(bad) < limit:
        config = {
            "queue": str(queue),
            "how": how,
            "scratch": scratch,
            "clock_ns": clock_ns,
            "indexes": list(indexes),
            "cases": [[(p.file, p.offset, p.data.hex()) for p in case] for case in cases[done:]],
        }
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.run(
                [sys.executable, "-X", "faulthandler", __file__],
                input=json.dumps(config),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                check=False,
                cwd=Path(__file__).resolve().parents[2],
            )
            errors.seek(0)
            stderr = errors.read()[-1500:]
        last = -1
        for line in process.stdout.splitlines():
            word, _, rest = line.partition(" ")
            number, _, what = rest.partition(" ")
            if word == "case":
                last = int(number)
            elif word == "bad":
                bad.append(Bad(cases[done + int(number)], what))
            elif word == "end":
                return bad
        if last < 0:
            raise AssertionError(f"the worker did not start: exit code {process.returncode}, {stderr}")
        bad.append(Bad(cases[done + last], f"the process ended with {process.returncode}: {stderr}"))
        done += last + 1
    return bad


def flips(queue: Path, file: str, offsets: Iterable[int], generator: random.Random) -> Iterator[Case]:
    """Each bit of each byte, and the byte as 00, FF and at random."""
    offsets = list(offsets)
    with open(queue / file, "rb") as handle:
        data = handle.read(max(offsets, default=0) + 1)
    for offset in offsets:
        old = data[offset]
        values = dict.fromkeys([*(old ^ 1 << bit for bit in range(8)), 0, 0xFF, generator.randrange(256)])
        for value in values:
            if value != old:
                yield [Patch(file, offset, bytes([value]))]


# --- the worker's side -----------------------------------------------------------------------------------------------


class Wrong(Exception):
    """Something came out that must not."""


def attempt(step: Callable[[], Any]) -> Any:
    """The result of a step, or None if it raised what may be raised."""
    from pychronix import ChronixError, ChronixWarning

    with warnings.catch_warnings(), contextlib.suppress(ChronixError, ChronixWarning):
        warnings.simplefilter("error")
        return step()
    return None


def bounded(items: Iterable[Any]) -> list[Any]:
    """All of them, unless they go on for ever; what came before a ChronixError counts."""
    from pychronix import ChronixError

    found: list[Any] = []
    try:
        for item in islice(items, ROUNDS):
            found.append(item)
    except ChronixError:
        return found
    if len(found) >= ROUNDS:
        raise Wrong(f"reading gave {ROUNDS} documents and goes on")
    return found


def opened(path: str, mode: str, **options: Any) -> Any:
    import pychronix as px

    return attempt(lambda: px.open_queue(path, mode, timeout_ms=1, **options))


def readable(path: str) -> list[tuple[int, bytes]]:
    """What a reader gets, forward."""
    queue = opened(path, "r")
    if queue is None:
        return []
    with queue:
        tailer = attempt(queue.tailer)
        return [] if tailer is None else bounded(tailer.with_index())


def read_everything(path: str, indexes: Sequence[int], generator: random.Random) -> None:
    """All ways of reading."""
    queue = opened(path, "r")
    if queue is None:
        return
    with queue:
        attempt(lambda: (queue.first_index, queue.last_index, queue.count(), queue.last_cycle))
        for cycle in attempt(queue.cycles) or ():
            attempt(lambda c=cycle: (c.count, c.closed, c.used_bytes, c.data_format, c.index_count, c.last_index))
        attempt(lambda: dict(queue.table_store))
        tailer = attempt(queue.tailer)
        if tailer is None:
            return
        bounded(tailer.with_index())
        attempt(tailer.read)
        attempt(lambda: setattr(tailer, "direction", "backward"))
        attempt(tailer.to_end)
        bounded(tailer)
        attempt(tailer.to_end)
        bounded(iter(tailer.read, None))
        attempt(lambda: setattr(tailer, "striding", True))
        attempt(tailer.to_end)
        bounded(tailer.with_index())
        attempt(lambda: setattr(tailer, "striding", False))
        attempt(lambda: setattr(tailer, "direction", "forward"))
        attempt(tailer.to_end)
        bounded(tailer)
        wanted = [*generator.sample(list(indexes), min(len(indexes), 4)), *((max(indexes) + 1,) if indexes else ())]
        for index in wanted:
            attempt(lambda i=index: tailer.move_to_index(i))
            attempt(tailer.read)
            attempt(lambda: tailer.read_many(3))
        attempt(tailer.to_start)
        attempt(lambda: setattr(tailer, "meta", True))
        bounded(tailer.views())
        if generator.random() < 0.04:
            verified(path)


def verified(path: str) -> None:
    from pychronix import inspect

    attempt(lambda: inspect.verify(path))
    attempt(lambda: bounded(inspect.read_queue(path)))


def append_everything(path: str, clock_ns: int, indexes: Sequence[int], sound: Sequence[tuple[int, bytes]]) -> None:
    """Appends in all ways, in this cycle and the next; no sound message that could be read may be lost.

    A message with a wrong length is not one: what it covers may be free space, which is written to.
    """
    before = list(takewhile_equal(readable(path), sound))
    now = [clock_ns]
    queue = opened(path, "r+", clock=lambda: now[0], block_size_bytes=1 << 16)
    if queue is not None:
        with queue:
            appender = attempt(queue.appender)
            if appender is not None:
                for _ in range(2):
                    attempt(lambda: appender.append(b"appended to a damaged queue"))
                    attempt(lambda: appender.append_many([b"x" * n for n in range(1, 40)]))
                    with_meta(appender)
                    if indexes:
                        attempt(lambda: appender.append_at(max(indexes) + 1, b"at"))
                    attempt(appender.sync)
                    now[0] += 86_400_000_000_000
                attempt(appender.normalise_eofs)
                attempt(appender.pretouch)
            attempt(lambda: queue.tailer("named").read_many(2))
            attempt(lambda: queue.tailer("replicated:named").read_many(2))
            attempt(queue.refresh)
    after = readable(path)
    if after[: len(before)] != before:
        lost = next((i for i, one in enumerate(before) if i >= len(after) or after[i] != one), 0)
        raise Wrong(f"message {lost} of {len(before)} was sound and readable before appending, and is not afterwards")


def takewhile_equal(items: Iterable[Any], others: Iterable[Any]) -> Iterator[Any]:
    """The items up to the first that differs from the other at its place."""
    for item, other in zip(items, others, strict=False):
        if item != other:
            return
        yield item


def with_meta(appender: Any) -> None:
    def go() -> None:
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"metadata")

    attempt(go)


def copied(queue: str, scratch: str) -> str:
    path = os.path.join(tempfile.mkdtemp(dir=scratch), "q")
    shutil.copytree(queue, path, copy_function=copy_sparse)
    return path


def copy_sparse(source: str, target: str) -> None:
    """Copies a file whose holes stay holes: roll files are mostly holes, and there are thousands of cases."""
    with open(source, "rb", buffering=0) as old, open(target, "xb", buffering=0) as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        at = 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:  # Nothing but a hole from here on.
                break
            stop = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            os.pwrite(new.fileno(), os.pread(old.fileno(), stop - at, at), at)
            at = stop


def patched(path: str, case: list[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
    """Stores the patches; those that take them back."""
    undo = []
    for file, offset, data in case:
        if data == TRUNCATE:
            os.truncate(os.path.join(path, file), offset)
            continue
        if data == REPLACE:
            replace(path, file, offset)
            continue
        with open(os.path.join(path, file), "r+b", buffering=0) as handle:
            handle.seek(offset)
            undo.append((file, offset, handle.read(len(data))))
            handle.seek(offset)
            handle.write(data)
    return undo[::-1]


def replace(path: str, file: str, which: int) -> None:
    """Puts something in a file's place that is no roll file; for ".", changes the directory's mode."""
    target = os.path.join(path, file)
    if file == ".":
        os.chmod(path, which)
        return
    os.unlink(target)
    kind = ("directory", "fifo", "loop", "dangling", "empty", "socket", "device", "unreadable")[which]
    if kind == "directory":
        os.mkdir(target)
    elif kind == "fifo":
        os.mkfifo(target)
    elif kind == "loop":
        os.symlink(file, target)
    elif kind == "dangling":
        os.symlink("nowhere", target)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(target)
    elif kind == "device":
        os.symlink("/dev/zero", target)
    else:
        with open(target, "xb"):
            os.chmod(target, 0 if kind == "unreadable" else 0o600)


def damage_live(path: str, case: list[tuple[str, int, bytes]], clock_ns: int) -> None:
    """Damages files that a tailer, views and an appender hold open, and goes on using them."""
    now = [clock_ns]
    queue = opened(path, "r+", clock=lambda: now[0], block_size_bytes=1 << 16)
    assert queue is not None
    with queue:
        appender, forward, backward = queue.appender(), queue.tailer(), queue.tailer(direction="backward")
        appender.append(b"before")
        forward.read_many(30)
        backward.to_end().read_many(30)
        named = queue.tailer("named")
        patched(path, case)
        for _ in range(3):
            attempt(lambda: appender.append(b"after"))
            attempt(lambda: appender.append_many([b"y" * 500] * 200))
            attempt(appender.sync)
            for tailer in (forward, backward, named):
                attempt(tailer.read)
                attempt(lambda t=tailer: t.read_many(20))
            attempt(lambda: (queue.count(), queue.last_index, dict(queue.table_store)))
            attempt(backward.to_end)
            attempt(forward.to_start)
            now[0] += 86_400_000_000_000
        bounded(forward)
        attempt(queue.refresh)


def hand_over(path: str) -> None:
    """Gives the queue to an ordinary user and becomes that user."""
    for name in ("..", ".", *os.listdir(path)):
        os.chown(os.path.join(path, name), NOBODY, -1, follow_symlinks=False)
    os.seteuid(NOBODY)


def spin() -> None:
    started = time.process_time()
    while time.process_time() < started + SLOW_S * 1.1:
        pass


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode("utf-8", "replace"))


def main() -> None:
    sys.path.insert(0, os.getcwd())
    config = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, how, indexes, clock_ns = config["queue"], config["how"], config["indexes"], config["clock_ns"]
    path = copied(source, config["scratch"])
    sound = readable(path)
    try:
        for number, raw in enumerate(config["cases"]):
            say("case", number)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            case = [(file, offset, bytes.fromhex(data)) for file, offset, data in raw]
            generator = random.Random(number)
            try:
                undo = [] if how == "live" else patched(path, case)
                if os.getuid() == 0 and any(data == REPLACE for _, _, data in case):
                    hand_over(path)  # Root may read what nobody may.
                started = time.process_time()
                if how == "read":
                    read_everything(path, indexes, generator)
                elif how == "live":
                    damage_live(path, case, clock_ns)
                elif how == "append":
                    append_everything(path, clock_ns, indexes, sound)
                elif number % 2 and how == "crash":
                    os.kill(os.getpid(), signal.SIGSEGV)
                elif number % 2 and how == "escape":
                    {}["nothing"]
                elif number % 2 and how == "spin":
                    spin()
                taken = time.process_time() - started
                if taken > SLOW_S:
                    raise Wrong(f"took {taken:.1f} s of processor time")
            except Exception as error:
                say("bad", number, repr(error).replace("\n", " "), *trace(error))
            os.seteuid(os.getuid())
            if undo and how == "read":
                patched(path, undo)
            else:
                os.chmod(path, 0o700)
                shutil.rmtree(os.path.dirname(path), ignore_errors=True)
                path = copied(source, config["scratch"])
        faulthandler.cancel_dump_traceback_later()
    finally:
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)
    say("end")


def trace(error: Exception) -> list[str]:
    """Where an error came from, on one line."""
    import traceback

    return [f"[{os.path.basename(f.filename)}:{f.lineno}]" for f in traceback.extract_tb(error.__traceback__)[-4:]]


if __name__ == "__main__":
    main()
