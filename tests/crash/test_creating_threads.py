"""Threads of one process that create one queue at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pychronix as px

THREADS = 6


def test_threads_that_create_a_queue_together_all_get_it(tmp_path: Path) -> None:
    start = Barrier(THREADS)

    def create(path: str, number: int) -> None:
        start.wait(30)
        with px.open_queue(path, "a") as queue, queue.appender() as appender:
            appender.append(b"%d" % number)

    with ThreadPoolExecutor(THREADS) as pool:
        for turn in range(20):
            path = str(tmp_path / f"q{turn}")
            list(pool.map(create, [path] * THREADS, range(THREADS)))  # Raises what a thread raised.
            with px.open_queue(path) as queue:
                assert [b"%d" % number for number in range(THREADS)] == sorted(queue.tailer())
