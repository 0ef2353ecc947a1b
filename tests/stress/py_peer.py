"""A Python writer or follower as a process of its own, the counterpart of the Java peer's load and follow.

Run as a script, with pychronix on PYTHONPATH:

    py_peer.py write QUEUE --writer W --ack FILE [--count N --first F --rate R --sizes S --batch B --deadline SECONDS]
    py_peer.py follow QUEUE --out FILE [--limit N --how index|read|views --deadline SECONDS]

It says ``ready`` on stdout once its appender (tailer) stands and waits for a line on stdin. A writer acknowledges each
append with the line ``ack <counter> <index>`` in its ack file; ``--batch B`` uses append_many of B messages and
acknowledges them together, in one write. At the end it says ``done <count> <seconds> <locks recovered>``. A follower
writes 24 bytes for each message (index, writer, counter), checks each payload, ends after ``--limit`` messages, or at
the end of data once its stdin has a second line or is closed, and says ``done <count>``. Whatever happens, the process
ends by SIGALRM after ``--deadline`` seconds.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import struct
import sys
import time
from itertools import islice

_PERIOD = 251
_PATTERN = bytes(i % _PERIOD for i in range(_PERIOD))
_FILLER = _PATTERN * 48
_PAIR = struct.Struct("<qq")
_RECORD = struct.Struct("<q16s")


def payload_maker(sizes: str):
    """fix_java.payload(writer, counter, sizes) as a function of (writer, counter), quicker."""
    items = []
    for item in sizes.split(","):
        low, _, high = item.partition("-")
        items.append((int(low), int(high or low) - int(low) + 1))
    count = len(items)

    def make(writer: int, counter: int) -> bytes:
        low, span = items[counter % count]
        size = low if span == 1 else low + ((counter * 2654435761) & 0xFFFFFFFF) % span
        start = (writer * 17 + counter * 31) % _PERIOD
        return (_PAIR.pack(writer, counter) + _FILLER[start : start + max(0, size - 16)])[:size]

    return make


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def write(options: argparse.Namespace) -> None:
    import pychronix as px

    make = payload_maker(options.sizes)
    ack = os.open(options.ack, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    writer, batch = options.writer, options.batch
    block = {"block_size_bytes": options.block} if options.block else {}  # Journals of Chronicle 3 have none.
    with px.open_queue(options.queue, "r+", **block) as queue, queue.appender() as appender:
        _ready()
        begun = time.monotonic()
        counters = iter(range(options.first, options.first + options.count))
        done = 0
        while chunk := list(islice(counters, max(batch, 1))):
            if options.rate and (left := begun + done / options.rate - time.monotonic()) > 0:
                time.sleep(left)
            if batch:
                indexes = appender.append_many([make(writer, counter) for counter in chunk])
                lines = [f"ack {counter} {index}\n" for counter, index in zip(chunk, indexes, strict=True)]
            else:
                lines = [f"ack {chunk[0]} {appender.append(make(writer, chunk[0]))}\n"]
            os.write(ack, "".join(lines).encode())
            done += len(chunk)
        print(f"done {done} {time.monotonic() - begun:.3f} {appender.recovered_locks}", flush=True)


def follow(options: argparse.Namespace) -> None:
    import pychronix as px

    make = payload_maker(options.sizes)
    with px.open_queue(options.queue, "r") as queue, open(options.out, "wb") as out:
        tailer = queue.tailer()
        _ready()
        seen, pause = 0, 0.0002
        stopping = False
        while not options.limit or seen < options.limit:
            pairs = _some(tailer, options.how)
            if pairs:
                for index, data in pairs:
                    pair = _PAIR.unpack_from(data)
                    if bytes(data) != make(*pair):
                        sys.exit(f"torn: index {index:#x} (after {seen} messages) holds {bytes(data)!r}")
                    out.write(_RECORD.pack(index, bytes(data[:16])))
                seen += len(pairs)
                pause = 0.0002
            elif stopping:
                break
            else:
                time.sleep(pause)
                pause = min(pause * 2, 0.01)
                stopping = not options.limit and bool(select.select([sys.stdin], [], [], 0)[0])
    print(f"done {seen}", flush=True)


def _some(tailer, how: str):
    """The messages that are there now, at most some thousand."""
    if how == "index":
        return list(islice(tailer.with_index(), 5000))
    found = []
    if how == "read":
        while len(found) < 5000:
            index = tailer.index
            data = tailer.read()
            if data is None:
                break
            found.append((tailer.last_read_index, data))
            if index not in (0, found[-1][0]) and index >> 32 == found[-1][0] >> 32:
                sys.exit(f"the tailer said {index:#x} would come, and read {found[-1][0]:#x}")
    else:
        for view in islice(tailer.views(), 5000):
            found.append((tailer.last_read_index, view))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("write", "follow"))
    parser.add_argument("queue")
    parser.add_argument("--writer", type=int, default=0)
    parser.add_argument("--count", type=int, default=1 << 60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--sizes", default="64")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--block", type=int, default=1 << 20)
    parser.add_argument("--ack")
    parser.add_argument("--out")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--how", choices=("index", "read", "views"), default="index")
    parser.add_argument("--deadline", type=int, default=300)
    options = parser.parse_args()
    signal.alarm(options.deadline)
    {"write": write, "follow": follow}[options.verb](options)


if __name__ == "__main__":
    main()
