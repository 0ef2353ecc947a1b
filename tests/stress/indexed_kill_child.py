"""Appends to an Indexed journal until it passes a kill point: the child of test_indexed_kill_points.

    indexed_kill_child.py JOURNAL LOG POINT NTH

Runs with a build that has kill points on PYTHONPATH. The log gets ``try <k>`` before messages up to number k (exclusive)
are handed to an append, and ``ack <k> <index>`` once they are acknowledged. It passes every point of the format.
"""

from __future__ import annotations

import os
import sys

OPTIONS = {"format": "indexed", "index_block_bytes": 256, "data_block_bytes": 1 << 30, "reserve_bytes": 64}


def message(number: int) -> bytes:
    """Message `number` of the run."""
    return b"%06d" % number * (1 + number % 9)


def main() -> None:
    path, log_path, point, nth = sys.argv[1:]
    import pychronix as px
    from pychronix import _boundary

    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    numbers = 0

    def say(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    def append(appender: px.Appender, count: int, batch: bool) -> None:
        nonlocal numbers
        for _ in range(1 if batch else count):
            messages = [message(numbers + i) for i in range(count if batch else 1)]
            say("try", numbers + len(messages))
            indexes = appender.append_many(messages) if batch else [appender.append(messages[0])]
            for number, index in enumerate(indexes, numbers):
                say("ack", number, index)
            numbers += len(messages)

    _boundary.kill_at(point, int(nth))
    with px.open_queue(path, "a", **OPTIONS) as queue:  # type: ignore[arg-type]
        with queue.appender() as appender:
            append(appender, 20, False)
            append(appender, 70, True)
            append(appender, 5, False)
        with queue.appender() as appender:
            for _ in range(4):
                append(appender, 2, False)
                _boundary.checked(_boundary.lib.cx_append_padding(appender._number))
    # All of a block of a GiB is reserved: each excerpt begins one, and a third in one line would not fit its 31 bits.
    whole = {**OPTIONS, "reserve_bytes": (1 << 30) - 1}
    with px.open_queue(path, "a", **whole) as queue, queue.appender() as appender:  # type: ignore[arg-type]
        append(appender, 10, False)
        append(appender, 5, True)
    say("end")


if __name__ == "__main__":
    main()
