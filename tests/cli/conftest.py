"""What the tests of the command line share: a small queue with known indexes, and the command in and out of process."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import pychronix as px
from pychronix.cli import main

DAY_NS = 86_400_000_000_000
FIRST_CYCLE = 19_787  # 2024-03-05
MESSAGES = [b"plain", px.encode_text("Wire text"), b"\x00\x01\xfe", "h\u00e9 \U0001f600".encode(), b"two\nlines", b""]


class Result(NamedTuple):
    code: int
    out: bytes
    err: str


Run = Callable[..., Result]


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """Six messages of every kind, three in each of two cycles; the first is closed."""
    path = tmp_path / "queue"
    now = [FIRST_CYCLE * DAY_NS]
    with px.open_queue(path, "a", clock=lambda: now[0]) as queue, queue.appender() as appender:
        appender.append_many(MESSAGES[:3])
        now[0] += DAY_NS
        appender.append_many(MESSAGES[3:])
    return path


@pytest.fixture
def indexes() -> list[int]:
    """Those of the messages of `queue`."""
    return [cycle << 32 | sequence for cycle in (FIRST_CYCLE, FIRST_CYCLE + 1) for sequence in range(3)]


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command in this process."""

    def command(*arguments: object) -> Result:
        code = main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Result(code, out, err.decode())

    return command


@pytest.fixture
def shell() -> Callable[[str], Result]:
    """Runs a command as a shell does, redirections included; standard output is captured unless redirected."""

    def command(line: str) -> Result:
        environ = {**os.environ, "PYTHONPATH": str(Path(px.__file__).resolve().parents[1])}
        line = f"exec {shlex.quote(sys.executable)} -m pychronix {line}"
        done = subprocess.run(["sh", "-c", line], env=environ, capture_output=True, check=False, timeout=60)
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return command


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a command as a process of its own; what still runs at the end is killed."""
    processes = []
    root = Path(px.__file__).resolve().parents[1]

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(root)}
        # Under a test runner in the background SIGINT may be ignored, which children would inherit.
        process = subprocess.Popen(
            [sys.executable, "-m", "pychronix", *map(str, arguments)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
            **options,  # type: ignore[call-overload]
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
