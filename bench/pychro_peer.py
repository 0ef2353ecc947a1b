"""pychro's side, run by the Python that has it: lines of JSON in, lines of JSON out. Imports nothing of pychronix.

- ``hello``: versions.
- ``append path load count size``: a new journal, one excerpt that creates its files, then ``count`` more under the clock.
- ``read path load count``: as many from the start under the clock, and a sum over what they hold, to compare.

Loads: "bytes" of ``size``, by a slice of the mapping, which is the fastest way pychro has (for 8 bytes "long" is its
fastest); "ints", "strings", "mixed" as in its own performance tests.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import struct
import sys
import time
import traceback
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import pychro

sys.path.append(str(Path(__file__).resolve().parent.parent))
from bench.loads import FIXED, FIXED_BYTES, NOTE, STRINGS, mixed, payload, strings

clock = time.perf_counter_ns


def append(path: str, load: str, count: int, size: int) -> dict[str, Any]:
    writer = pychro.VanillaChronicleWriter(path)
    try:
        work = APPENDS[load]
        appender = writer.get_appender()
        work(appender, 1, size)
        begun = clock()
        work(appender, count, size)
        return {"ns": clock() - begun}
    finally:
        writer.close()


def append_bytes(appender: Any, count: int, size: int) -> None:
    data = payload(size)
    for _ in repeat(None, count):
        room = appender.get_bytes()
        start = appender.get_offset()
        room[start : start + size] = data
        appender.advance(size)
        appender.finish()


def append_longs(appender: Any, count: int, size: int) -> None:
    value = int.from_bytes(payload(8), "little")
    for _ in repeat(None, count):
        appender.write_long(value)
        appender.finish()


def append_ints(appender: Any, count: int, size: int) -> None:
    for number in range(count):
        appender.write_int(number)
        appender.finish()


def append_strings(appender: Any, count: int, size: int) -> None:
    texts = strings()
    for number in range(count):
        appender.write_string(texts[number % STRINGS])
        appender.finish()


def append_mixed(appender: Any, count: int, size: int) -> None:
    for number in range(count):
        first, second, third, last = mixed(number & 0xFFFF)
        appender.write_int(first)
        appender.write_string(NOTE)
        appender.write_int(second)
        appender.write_int(third)
        appender.write_fixed_string(FIXED, FIXED_BYTES)
        appender.write_int(last)
        appender.finish()


def read(path: str, load: str, count: int) -> dict[str, Any]:
    reader = pychro.VanillaChronicleReader(path)
    try:
        begun = clock()
        total = READS[load](reader, count)
        return {"ns": clock() - begun, "sum": total}
    finally:
        reader.close()


def read_bytes(reader: Any, count: int) -> int:
    total = 0
    next_raw_bytes, length_at = reader.next_raw_bytes, struct.Struct("i").unpack_from
    for _ in repeat(None, count):
        start, room = next_raw_bytes()
        data = room[start : start + ~length_at(room, start - 4)[0]]
        total += len(data)
    return total


def read_ints(reader: Any, count: int) -> int:
    total = 0
    for _ in repeat(None, count):
        total += reader.next_reader().read_int()
    return total


def read_strings(reader: Any, count: int) -> int:
    total = 0
    for _ in repeat(None, count):
        total += len(reader.next_reader().read_string())
    return total


def read_mixed(reader: Any, count: int) -> int:
    total = 0
    for _ in repeat(None, count):
        excerpt = reader.next_reader()
        total += excerpt.read_int()
        total += len(excerpt.read_string())
        total += excerpt.read_int()
        total += excerpt.read_int()
        total += len(excerpt.read_fixed_string(FIXED_BYTES))
        total += excerpt.read_int()
    return total


APPENDS: dict[str, Callable[[Any, int, int], None]] = {
    "bytes": append_bytes,
    "long": append_longs,
    "ints": append_ints,
    "strings": append_strings,
    "mixed": append_mixed,
}
READS: dict[str, Callable[[Any, int], int]] = {
    "bytes": read_bytes,
    "ints": read_ints,
    "strings": read_strings,
    "mixed": read_mixed,
}


def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
    if do == "append":
        return append(**fields)
    if do == "read":
        return read(**fields)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"pychro": importlib.metadata.version("pychro"), "python": python}


def main() -> None:
    for line in sys.stdin:
        fields = json.loads(line)
        try:
            found = answer(fields.pop("do"), fields)
        except Exception:
            found = {"error": traceback.format_exc()}
        print(json.dumps(found), flush=True)


main()
