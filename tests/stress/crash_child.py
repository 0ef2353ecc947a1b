"""Appends to a queue until it passes a kill point: the child of test_kill_points.

    crash_child.py QUEUE LOG POINT NTH

Runs with a build that has kill points on PYTHONPATH. The log gets ``clock <ms>`` before the injected clock is moved,
``try <k>`` before messages up to number k (exclusive) are handed to an append, and ``ack <k> <index>`` once they are
acknowledged. Every step goes through `steps`, which the test reads, too: it passes each kill point at least once.
"""

from __future__ import annotations

import os
import sys

T0_MS = 1_709_635_062_500  # 2024-03-05T10:37:42.5Z
DAY_MS = 86_400_000
ROLL = "TEST4_DAILY"  # 32 entries a page, one for every fourth message: a new index page after 128 messages.


def message(number: int) -> bytes:
    """Message `number` of the run: of many lengths, and not to be mistaken for another."""
    return b"%06d" % number * (1 + number % 9) + b"." * (number % 4)


def main() -> None:
    queue_path, log_path, point, nth = sys.argv[1:]
    import pychronix as px
    from pychronix import _boundary

    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def say(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    now = [T0_MS]
    numbers = 0

    def move_clock(days: int) -> None:
        now[0] += days * DAY_MS
        say("clock", now[0])

    def upcoming(count: int) -> list[bytes]:
        nonlocal numbers
        numbers += count
        say("try", numbers)
        return [message(number) for number in range(numbers - count, numbers)]

    def acknowledge(indexes: list[int]) -> None:
        for number, index in enumerate(indexes, numbers - len(indexes)):
            say("ack", number, index)

    def append(appender: px.Appender, count: int) -> None:
        for _ in range(count):
            (data,) = upcoming(1)
            acknowledge([appender.append(data)])

    def append_many(appender: px.Appender, count: int) -> None:
        acknowledge(list(appender.append_many(upcoming(count))))

    say("clock", now[0])
    _boundary.kill_at(point, int(nth))
    with px.open_queue(queue_path, "a", roll=ROLL, clock=lambda: now[0] * 1_000_000, block_size_bytes=4096) as queue:
        with queue.appender() as appender:
            append(appender, 6)
            append_many(appender, 9)
            with appender.writing(meta=True) as excerpt:
                excerpt.write(b"metadata")
            append(appender, 1)
            move_clock(1)
            append(appender, 3)
            append_many(appender, 127)
            append(appender, 2)
        move_clock(1)
        with queue.appender() as appender:
            append(appender, 2)
            (data,) = upcoming(1)
            index = (appender.last_index or 0) + 1
            assert appender.append_at(index, data)
            acknowledge([index])
            appender.sync()
            queue.tailer("named").read()
            move_clock(3)
            appender.normalise_eofs()
            append(appender, 2)
            move_clock(1)
            append_many(appender, 5)
    say("end")


if __name__ == "__main__":
    main()
