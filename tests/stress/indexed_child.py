"""Appends generated messages to an Indexed journal until it is killed: the child of test_indexed_kills.

    indexed_child.py JOURNAL ACK WRITER SIZES BATCH RESERVE

After each append (each batch, if BATCH > 1) it writes a line for every message, `<writer> <counter> <index>`, in one
write, so that what was acknowledged survives the kill.
"""

from __future__ import annotations

import os
import sys

from fix_java import payload

import pychronix as px

SHAPE = {"format": "indexed", "data_block_bytes": 1 << 14, "index_block_bytes": 4096}


def main() -> None:
    path, ack_path, writer, sizes, batch, reserve = sys.argv[1:]
    ack = os.open(ack_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    counter = 0
    with px.open_queue(path, "a", reserve_bytes=int(reserve), **SHAPE) as queue, queue.appender() as appender:  # type: ignore[arg-type]
        while True:
            upcoming = range(counter, counter + int(batch))
            messages = [payload(int(writer), number, sizes) for number in upcoming]
            indexes = [appender.append(messages[0])] if len(messages) == 1 else appender.append_many(messages)
            lines = (f"{writer} {number} {index}\n" for number, index in zip(upcoming, indexes, strict=True))
            os.write(ack, "".join(lines).encode())
            counter = upcoming.stop


if __name__ == "__main__":
    main()
