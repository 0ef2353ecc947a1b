"""A fresh process that scans a queue and prints how much memory that took: ``python -m bench.scan QUEUE WAY``.

Prints messages, bytes, the peak before the scan (VmHWM), then VmHWM, RssAnon and RssFile at its end, all in kB, and the
nanoseconds of the scan.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pychronix as px


def status(name: str) -> int:
    """A field of /proc/self/status, in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise KeyError(name)


def main(path: str, way: str) -> None:
    """Scans and prints."""
    before = status("VmHWM")
    count = size = 0
    with px.open_queue(path) as queue, queue.tailer() as tailer:
        begun = time.perf_counter_ns()
        if way == "spans":
            for spans in tailer.spans():
                count += len(spans.starts)
                size += sum(spans.stops) - sum(spans.starts)
        else:
            if way == "backward":
                tailer.direction = "backward"
                tailer.to_end()
            for payload in tailer.views() if way == "views" else tailer:
                count += 1
                size += len(payload)
                # Read it: views alone touch nothing but headers.
                payload[-1]
        nanos = time.perf_counter_ns() - begun
        print(count, size, before, status("VmHWM"), status("RssAnon"), status("RssFile"), nanos)


if __name__ == "__main__":
    main(*sys.argv[1:])
