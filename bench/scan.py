"""A fresh process that writes or reads a whole queue and prints, as JSON, how much memory that took.

``python -m bench.scan QUEUE WAY COUNT [FORMAT]``: "append" and "append_many" write COUNT messages of 4 KiB, into a
queue of that format if there is none; "bytes", "views", "spans" and "backward" read all there are; "random" reads as
many by random indexes; "tail" waits until COUNT have come.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterable
from itertools import islice, repeat
from pathlib import Path

import pychronix as px

MESSAGE = bytes(range(256)) * 16


def status(name: str) -> int:
    """A field of /proc/self/status, in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise KeyError(name)


def write(queue: px.Queue, way: str, count: int) -> tuple[int, int]:
    """Messages and bytes written."""
    appender = queue.appender()
    if way == "append_many":
        return len(appender.append_many(repeat(MESSAGE, count))), count * len(MESSAGE)
    for _ in repeat(None, count):
        appender.append(MESSAGE)
    return count, count * len(MESSAGE)


def read(queue: px.Queue, way: str, count: int) -> tuple[int, int]:
    """Messages and bytes read; every page of them is touched."""
    tailer = queue.tailer()
    messages = size = 0
    if way == "spans":
        for spans in tailer.spans():
            messages += len(spans.starts)
            size += sum(spans.stops) - sum(spans.starts)
            assert spans.data[:: len(MESSAGE)]
        return messages, size
    payloads: Iterable[bytes | memoryview] = tailer
    if way == "tail":
        payloads = islice(px.follow(tailer), count)
    elif way == "views":
        payloads = tailer.views()
    elif way == "backward":
        tailer.direction = "backward"
        tailer.to_end()
    elif way == "random":
        first = queue.first_index or 0
        choices = random.Random(1).choices(range(count), k=count)
        payloads = (tailer.read() or b"" for number in choices if tailer.move_to_index(first + number))
    for payload in payloads:
        messages += 1
        size += len(payload)
        assert payload[-1] == MESSAGE[-1]
    return messages, size


def main(path: str, way: str, count: int, format: str | None = None) -> None:
    """Does the work and prints."""
    writes = way.startswith("append")
    facts = {"VmHWM_before_kB": status("VmHWM")}
    begun = time.perf_counter_ns()
    with px.open_queue(path, "a" if writes else "r", format=format) as queue:
        facts["messages"], facts["bytes"] = (write if writes else read)(queue, way, count)
        facts["nanos"] = time.perf_counter_ns() - begun
        for name in ("VmHWM", "RssAnon", "RssFile", "RssShmem"):
            facts[f"{name}_kB"] = status(name)
    print(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
