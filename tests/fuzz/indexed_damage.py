"""Uses damaged copies of one Indexed journal, in a process of its own: the worker of test_indexed_flip.

    indexed_damage.py DIRECTORY JOURNAL CASES

CASES is a file of JSON: for each case [index patches, data patches], a patch being [offset, hex] or [length, null] (cut
there). ``case <n>`` is said before each, so that the parent knows which one ended the process; what goes wrong is said
as ``bad <n> <words>``. Whatever is done may raise ChronixError and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import islice
from pathlib import Path

import pychronix as px
from pychronix._boundary import build_flags

OPTIONS = {
    "format": "indexed",
    "data_block_bytes": 4096,
    "index_block_bytes": 4096,
    "reserve_bytes": 0,
    "timeout_ms": 0,
}
MEMORY_BYTES = 8 << 30  # Of address space: what a file says decides nothing about what is allocated.
MOST = 5_000  # More excerpts than the journal has: a reader that gives more goes in circles.
SLOW_S = 1.0


def damaged(raw: bytes, patches: list[list[object]]) -> bytes:
    content = bytearray(raw)
    for at, word in patches:
        assert isinstance(at, int)
        if word is None:
            del content[at:]
        else:
            assert isinstance(word, str)
            content[at : at + len(word) // 2] = bytes.fromhex(word)
    return bytes(content)


def tried(read: object) -> list[tuple[int, bytes]]:
    """What a way of reading gives before it ends or raises ChronixError."""
    found: list[tuple[int, bytes]] = []
    try:
        for row in islice(read, MOST):  # type: ignore[call-overload]
            found.append(row)
    except px.ChronixError:
        pass
    assert len(found) < MOST, "it does not end"
    return found


def use(path: Path, sound: dict[int, bytes]) -> None:
    """Reads a journal in all ways, then appends to it; `sound` is what it held before the damage."""
    with px.open_queue(path, **OPTIONS) as queue:  # type: ignore[arg-type]
        forward = tried(queue.tailer().with_index())
        tailer = queue.tailer()

        def singly():  # type: ignore[no-untyped-def]
            while (data := tailer.read()) is not None:
                yield tailer.last_read_index, data

        assert tried(singly()) == forward, "read() and iteration disagree"
        views = queue.tailer().views()
        assert [data for _, data in tried((0, bytes(view)) for view in views)] == [data for _, data in forward]
        end = queue.tailer()
        try:
            end.to_end()
            end.direction = px.Direction.BACKWARD
            tried(end.with_index())
        except px.ChronixError:
            pass
        try:
            assert queue.count() >= 0
            assert queue.cycles()[0].used_bytes >= 0
        except px.ChronixError:
            pass
        for index in (0, 1, 13, 14, 15, 27, 28, 100, 1 << 40, (1 << 63) - 1):
            try:
                if tailer.move_to_index(index):
                    data = tailer.read()
                    assert data is not None
            except px.ChronixError:
                continue
    # An entry that was damaged may speak of bytes that nobody wrote yet.
    before = {index: data for index, data in forward if sound.get(index) == data}
    appended: list[tuple[int, bytes]] = []
    try:
        with px.open_queue(path, "r+", **OPTIONS) as queue, queue.appender() as appender:  # type: ignore[arg-type]
            for number in range(30):
                data = b"after the damage %d" % number
                appended.append((appender.append(data), data))
    except px.ChronixError:
        pass
    with px.open_queue(path, **OPTIONS) as queue:  # type: ignore[arg-type]
        after = dict(tried(queue.tailer().with_index()))
        assert {index: after.get(index) for index in before} == before, "an append lost what could be read"
        if len(after) > len(forward):
            # Nothing stops a reader before them: they are all there.
            assert [(index, after.get(index)) for index, _ in appended] == appended, "an append is not read"


def main() -> None:
    directory, original, cases = map(Path, sys.argv[1:])
    index = original.with_name(original.name + ".index").read_bytes()
    data = original.with_name(original.name + ".data").read_bytes()
    if "sanitizers" not in build_flags():  # Which map terabytes.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    copy = directory / "copy"
    with px.open_queue(original, **OPTIONS) as queue:  # type: ignore[arg-type]
        sound = dict(queue.tailer().with_index())
    for number, (index_patches, data_patches) in enumerate(json.loads(cases.read_text())):
        print("case", number, flush=True)
        copy.with_name("copy.index").write_bytes(damaged(index, index_patches))
        copy.with_name("copy.data").write_bytes(damaged(data, data_patches))
        begun = time.process_time()
        try:
            use(copy, sound)
        except Exception as error:
            print("bad", number, repr(error).replace("\n", " "), flush=True)
        if time.process_time() - begun > SLOW_S:
            print("bad", number, "it took", time.process_time() - begun, "s", flush=True)
    print("end", flush=True)


if __name__ == "__main__":
    main()
