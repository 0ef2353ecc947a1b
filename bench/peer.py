"""Java's side, as far as it is to be had.

``tests/fix_java.py`` knows how a release is built and driven; this module only asks it for a process, and
says why if there is none, so that a machine without Java still measures pychronix alone.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

RELEASE = "2026.4"


class JavaBench(Protocol):
    """What the JavaBench of tests/fix_java.py offers."""

    def open(self, directory: str) -> None: ...
    def append(self, count: int, size: int = 64) -> int: ...
    def read(self, how: str = "document", count: int | None = None) -> tuple[int, int, int]: ...
    def seek(self, count: int, seed: int = 1) -> int: ...
    def close_queue(self) -> None: ...


class Peer:
    """Starts Java processes; ``build`` is None, and ``reason`` says why, where there is no Java."""

    def __init__(self, wanted: bool = True) -> None:
        self.build: Any = None
        self.version: str | None = None
        self.reason = "left out by --no-java"
        if not wanted:
            return
        sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
        try:
            # It also holds pytest fixtures: without pytest it cannot be imported.
            import fix_java  # type: ignore[import-not-found, unused-ignore]

            self._fix_java = fix_java
            self.build = fix_java.build_peer(RELEASE)
            with fix_java.JavaBench(self.build) as process:
                self.version = process.request("hello").fields["java"]
        except ImportError as error:
            self.reason = f"{error} (pip install pytest)"
        except Exception as error:
            if type(error).__name__ != "PeerUnavailableError":
                raise
            self.reason = str(error)

    @contextlib.contextmanager
    def process(self) -> Iterator[JavaBench | None]:
        """A JVM of its own, so that one benchmark's profile does not spoil another's compiled code."""
        if self.build is None:
            yield None
        else:
            with self._fix_java.JavaBench(self.build) as process:
                yield process
