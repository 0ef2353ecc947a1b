"""The others' side, as far as it is to be had: Java in two releases, and pychro.

``tests/fix_java.py`` and ``tests/fix_java3.py`` know how a release of Java's is built and driven, ``pychro_peer.py`` runs
under pychro's own Python. This module only starts them, and says why if there is none, so that a machine without them
still measures pychronix alone.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

RELEASE = "2026.4"
RELEASE3 = "3.6.0"

_BENCH = Path(__file__).resolve().parent


class JavaBench(Protocol):
    """What the JavaBench of tests/fix_java.py offers."""

    def open(self, directory: str) -> None: ...
    def append(self, count: int, size: int = 64) -> int: ...
    def read(self, how: str = "document", count: int | None = None) -> tuple[int, int, int]: ...
    def seek(self, count: int, seed: int = 1) -> int: ...
    def close_queue(self) -> None: ...


class Peer:
    """Starts Java processes of a release; ``build`` is None, and ``reason`` says why, where there is no Java.

    A process is a JavaBench of tests/fix_java.py, or for 3.6.0 a Java3Peer of tests/fix_java3.py.
    """

    def __init__(self, release: str, without: str | None = None) -> None:
        self.name = f"Java with Chronicle {release}"
        self.build: Any = None
        self.version: str | None = None
        self.reason = without or ""
        if without is not None:
            return
        sys.path.append(str(_BENCH.parent / "tests"))
        try:
            # They also hold pytest fixtures: without pytest they cannot be imported.
            if release == RELEASE3:
                import fix_java3  # type: ignore[import-not-found, unused-ignore]

                self._start, build = fix_java3.Java3Peer, fix_java3.build_peer3
            else:
                import fix_java  # type: ignore[import-not-found, unused-ignore]

                self._start, build = fix_java.JavaBench, fix_java.build_peer
                self._program = fix_java.WirePeer
            self.build = build(release)
            with self._start(self.build) as process:
                self.version = process.request("hello").fields["java"]
        except ImportError as error:
            self.reason = f"{error} (pip install pytest)"
        except Exception as error:
            if type(error).__name__ != "PeerUnavailableError":
                raise
            self.reason = str(error)

    @contextlib.contextmanager
    def process(self) -> Iterator[Any]:
        """A JVM of its own, so that one benchmark's profile does not spoil another's compiled code; None without."""
        if self.build is None:
            yield None
        else:
            with self._start(self.build) as process:
                yield process

    @contextlib.contextmanager
    def program(self, name: str) -> Iterator[Any]:
        """A program of pychronix.peer.wire (a WirePeer of tests/fix_java.py) in a JVM of its own; None without."""
        if self.build is None:
            yield None
        else:
            with self._program(self.build, name) as process:
                yield process


class Pychro:
    """Starts processes of pychro; ``version`` is None, and ``reason`` says why, where there is none.

    ``python``: the interpreter of a virtual environment in which it is installed, made by the same Python as ours.
    """

    def __init__(self, python: Path, without: str | None = None) -> None:
        self.name = "pychro"
        self._python = python
        self.version: str | None = None
        self.reason = without or ""
        if without is not None:
            return
        if not python.exists():
            self.reason = f"no {python}; see bench/README.md"
            return
        with self._running() as process:
            facts = process.request(do="hello")
        self.version = f"{facts['pychro']}, {facts['python']}"

    @contextlib.contextmanager
    def process(self) -> Iterator[PychroProcess | None]:
        """A process of its own, None where there is no pychro."""
        if self.version is None:
            yield None
        else:
            with self._running() as process:
                yield process

    @contextlib.contextmanager
    def _running(self) -> Iterator[PychroProcess]:
        command = [str(self._python), str(_BENCH / "pychro_peer.py")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            yield PychroProcess(child)
            assert child.stdin is not None
            child.stdin.close()


class PychroProcess:
    """bench/pychro_peer.py in a process: a request is a line of JSON, and so is the answer."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def request(self, **fields: Any) -> dict[str, Any]:
        """Does what ``do`` says; raises RuntimeError, with the traceback, if that failed there."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(fields) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"pychro's process ended with {self._child.wait()} at {fields}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def append(self, path: str, load: str, count: int, size: int = 0) -> int:
        """Nanoseconds of `count` appends to a new journal, after one that is not measured."""
        return int(self.request(do="append", path=path, load=load, count=count, size=size)["ns"])

    def read(self, path: str, load: str, count: int) -> tuple[int, int]:
        """Nanoseconds of `count` reads from the start, and the sum over what was read (see pychro_peer.py)."""
        answer = self.request(do="read", path=path, load=load, count=count)
        return int(answer["ns"]), int(answer["sum"])
