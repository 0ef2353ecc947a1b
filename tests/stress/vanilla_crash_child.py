"""Appends to a Vanilla journal until it passes a kill point: the child of test_vanilla_kill_points.

    vanilla_crash_child.py JOURNAL LOG POINT NTH

Runs with a build that has kill points on PYTHONPATH. The log gets ``clock <ms>`` before the injected clock is moved,
``try <k>`` before messages up to number k (exclusive) are handed to an append, and ``ack <k> <index>`` once they are
acknowledged. The run passes each kill point of the format at least once, and goes over the ends of files of both kinds.
"""

from __future__ import annotations

import os
import sys
import time

DAY_MS = 86_400_000
INDEX_BLOCK, DATA_BLOCK = 1024, 4096
OPTIONS = {"format": "vanilla", "index_block_bytes": INDEX_BLOCK, "data_block_bytes": DATA_BLOCK, "reserve_bytes": 0}


def message(number: int) -> bytes:
    """Message `number` of the run: of many lengths, and not to be mistaken for another."""
    return b"%06d" % number * (1 + number % 9) + b"." * (number % 4)


def main() -> None:
    journal, log_path, point, nth = sys.argv[1:]
    import pychronix as px
    from pychronix import _boundary

    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def say(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    # Some days ago: Java's tailer looks into every cycle up to the present one.
    now = [int(time.time() * 1000) - 5 * DAY_MS]
    numbers = 0

    def append(appender: px.Appender, count: int, many: bool = False) -> None:
        nonlocal numbers
        say("try", numbers + count)
        data = [message(number) for number in range(numbers, numbers + count)]
        for number, index in enumerate(appender.append_many(data) if many else map(appender.append, data), numbers):
            say("ack", number, index)
        numbers += count

    def move_clock(days: int) -> None:
        now[0] += days * DAY_MS
        say("clock", now[0])

    move_clock(0)
    _boundary.kill_at(point, int(nth))
    with px.open_queue(journal, "a", clock=lambda: now[0] * 1_000_000, **OPTIONS) as queue:
        with queue.appender() as appender:
            for _ in range(6):
                append(appender, 1)
            append(appender, 150, many=True)
            append(appender, 1)
            move_clock(1)
            append(appender, 1)
            append(appender, 127, many=True)
            append(appender, 1)
        move_clock(1)
        with queue.appender() as appender:
            append(appender, 2, many=True)
            appender.sync()
    say("end")


if __name__ == "__main__":
    main()
