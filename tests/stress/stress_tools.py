"""What the stress tests share: children that are always reaped, and the judge of a queue that many wrote."""

from __future__ import annotations

import os
import random
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import py_peer
from build_variants import environment

from pychronix import inspect

SCRIPT = Path(py_peer.__file__)


def seed_of(what: str) -> random.Random:
    """A generator from PYCHRONIX_STRESS_SEED, or a fresh seed; printed, so that a failure shows how to repeat it."""
    seed = int(os.environ.get("PYCHRONIX_STRESS_SEED") or secrets.randbits(32))
    print(f"{what}: repeat with PYCHRONIX_STRESS_SEED={seed}")
    return random.Random(seed)


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = 60) -> float:
    """Looks until the condition holds; how long that took. An AssertionError says ``what`` did not come in time."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > deadline_s:
            raise AssertionError(f"{what}: not within {deadline_s:g} s")
        time.sleep(0.0003)
    return time.monotonic() - begun


class Child:
    """A Python process that says ``ready``, takes lines, and is killed and reaped at the latest by `end`."""

    def __init__(self, command: Sequence[object], *, env: dict[str, str] | None = None) -> None:
        self.command = [str(word) for word in command]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._rest = b""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            env=env or environment(), bufsize=0, cwd=tempfile.gettempdir(),
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self, deadline_s: float = 60) -> str:
        """The next line of its stdout."""
        limit = time.monotonic() + deadline_s
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            if not select.select([self.process.stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
                raise AssertionError(f"no word within {deadline_s:g} s of {self}")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                self.process.wait(deadline_s)
                raise AssertionError(f"ended without the word that was waited for: {self}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def expect(self, word: str, deadline_s: float = 60) -> list[str]:
        """The next line, which starts with `word`; the words after it."""
        words = self.line(deadline_s).split()
        assert words[:1] == [word], f"said {words} where {word!r} was due: {self}"
        return words[1:]

    def say(self, line: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def kill(self) -> None:
        """SIGKILL; the process stays a zombie until `end` (or `reap`)."""
        os.kill(self.pid, signal.SIGKILL)

    def wait_dead(self, deadline_s: float = 20) -> None:
        """Until it is dead, which leaves it a zombie."""
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        wait_until(lambda: os.waitid(os.P_PID, self.pid, flags) is not None, f"the death of {self}", deadline_s)

    def wait(self, deadline_s: float = 60) -> int:
        """Its exit code."""
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {deadline_s:g} s: {self}") from None

    def end(self) -> None:
        """Kills it if it runs, reaps it, closes what belongs to it. Again is harmless."""
        if self._stderr.closed:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self._said = self.stderr()
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            if stream is not None:
                stream.close()

    def stderr(self) -> str:
        if self._stderr.closed:
            return self._said
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")[-3000:]

    def __str__(self) -> str:
        words = " ".join(self.command)
        return f"{words} (pid {self.pid}, code {self.process.returncode}); its stderr:\n{self.stderr()}"


def python_writer(queue: Path, writer: int, ack: Path, **options: object) -> Child:
    """A child that appends; `say` lets it begin once it is ready."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Child([sys.executable, SCRIPT, "write", queue, "--writer", writer, "--ack", ack, *words])


def python_follower(queue: Path, out: Path, **options: object) -> Child:
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Child([sys.executable, SCRIPT, "follow", queue, "--out", out, *words])


# --- judging ---------------------------------------------------------------------------------------------------------

Record = tuple[int, int, int]


def judge(queue: Path, acks: dict[int, list[tuple[int, int]]], sizes: str, unacked: dict[int, int]) -> list[Record]:
    """Reads the queue with the independent reader and holds it against what was acknowledged.

    Each payload is exactly what its writer wrote; indexes of a cycle are 0, 1, 2 ...; each writer's messages are there
    once, in order and without a gap; the acknowledged ones stand at the index that was acknowledged; at most
    ``unacked[writer]`` more were written (0 where not given). Returns (index, writer, counter) of all.
    """
    make = py_peer.payload_maker(sizes)
    unpack = py_peer._PAIR.unpack_from
    records: list[Record] = []
    positions: defaultdict[int, list[int]] = defaultdict(list)
    before = -1
    for index, data, offset in inspect.read_queue(queue):
        writer, counter = unpack(data)
        assert data == make(writer, counter), f"torn: {index:#x} at offset {offset} of {queue}: {data!r}"
        follows = index == before + 1 if index >> 32 == before >> 32 else not index & 0xFFFFFFFF
        assert follows, f"{index:#x} follows {before:#x}"
        before = index
        of_writer = positions[writer]
        assert counter == len(of_writer), (
            f"writer {writer}: counter {counter} stands at {index:#x}, {len(of_writer)} was due "
            f"(the one before is at {of_writer[-1] if of_writer else 0:#x})"
        )
        of_writer.append(index)
        records.append((index, writer, counter))
    for writer in sorted(set(positions) | set(acks)):
        found, acked = positions.get(writer, []), acks.get(writer, [])
        assert [counter for counter, _ in acked] == list(range(len(acked))), f"writer {writer}: a gap in its acks"
        wrong = [(counter, index) for counter, index in acked if counter >= len(found) or found[counter] != index]
        assert not wrong, (
            f"writer {writer}: {len(wrong)} acknowledged messages are lost or elsewhere; the first is counter "
            f"{wrong[0][0]} at {wrong[0][1]:#x}; {len(found)} were found"
        )
        more = len(found) - len(acked)
        assert more <= unacked.get(writer, 0), f"writer {writer}: {more} messages that were not acknowledged"
    return records


def same(name: str, seen: Sequence[Record], expected: Sequence[Record]) -> None:
    """The reader saw exactly that, in that order."""
    if list(seen) == list(expected):
        return
    for number, (one, other) in enumerate(zip(seen, expected, strict=False)):
        if tuple(one) != tuple(other):
            raise AssertionError(f"{name}: message {number} is {tuple(one)}, the file has {other} ({one[0]:#x})")
    raise AssertionError(f"{name}: saw {len(seen)} messages, the file has {len(expected)}")
