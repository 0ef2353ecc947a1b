"""A writer of an Indexed journal dies at every point after a store: the next one goes on, and so does Java.

Points are places in native/cx3_indexed*.c, compiled in with CX_KILL_POINTS=1. What is left is read by the specification
alone, then appended to by us and by Java, on copies.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import sys
from pathlib import Path

import build_variants
import indexed_kill_child
import pytest
from fix_java3 import Java3Peer
from stress_tools import Child

import pychronix as px
from pychronix import _boundary

POINTS = tuple(point for point in _boundary.kill_points() if point.startswith("i3_"))
LINE, ENTRIES = 64, 14
SHAPE = {"line": LINE, "data_block": 1 << 30, "index_block": 256}


@pytest.fixture(scope="session")
def variant() -> Path:
    return build_variants.build("CX_KILL_POINTS")


def read_by_specification(path: Path) -> list[tuple[int, bytes]]:
    """(number, payload) of every excerpt, with nothing of ours; the data file is mostly hole."""
    rows = []
    index = path.with_name(path.name + ".index").read_bytes()
    with path.with_name(path.name + ".data").open("rb") as data:
        for at in range(0, len(index) - len(index) % LINE, LINE):
            base, *entries = struct.unpack_from(f"<q{ENTRIES}i", index, at)
            start = base
            for k, entry in enumerate(entries):
                if entry == 0:
                    return rows
                if entry > 0:
                    data.seek(start)
                    rows.append((at // LINE * ENTRIES + k, data.read(base + entry - start)))
                start = base + abs(entry)
    return rows


def copy(path: Path, name: str) -> Path:
    """A copy of both files that stays sparse; what is missing stays missing."""
    target = path.with_name(name)
    for suffix in (".index", ".data"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            with source.open("rb") as old, target.with_name(name + suffix).open("wb") as new:
                size = os.fstat(old.fileno()).st_size
                at = 0
                while at < size:
                    try:
                        at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                    except OSError:
                        break
                    stop = os.lseek(old.fileno(), at, os.SEEK_HOLE)
                    os.pwrite(new.fileno(), os.pread(old.fileno(), stop - at, at), at)
                    at = stop
                os.truncate(new.fileno(), size)
    return target


@pytest.mark.parametrize("point", POINTS)
def test_the_writer_dies_at(point: str, tmp_path: Path, variant: Path, java3: Java3Peer, budget) -> None:
    died = 0
    for nth in budget.of((1, 3), (1, 2, 3, 7, 20, 50), tuple(range(1, 120))):
        directory = tmp_path / str(nth)
        directory.mkdir()
        path = directory / "q"
        script = Path(indexed_kill_child.__file__)
        child = Child(
            [sys.executable, script, path, directory / "log", point, nth], env=build_variants.environment(variant)
        )
        try:
            code = child.wait(60)
            if code == 0:
                break  # It passes the point less often.
            assert code == -signal.SIGKILL, child
        finally:
            child.end()
        died += 1
        tried, acked, ended = 0, [], False
        for line in (directory / "log").read_text().splitlines() if (directory / "log").exists() else []:
            word, *numbers = line.split()
            if word == "try":
                tried = int(numbers[0])
            elif word == "ack":
                acked.append(int(numbers[1]))
            else:
                ended = True
        assert not ended
        rows: list[tuple[int, bytes]] = []
        if path.with_name("q.data").exists():
            rows = read_by_specification(path)
        assert [data for _, data in rows] == [indexed_kill_child.message(number) for number in range(len(rows))]
        assert [index for index, _ in rows][: len(acked)] == acked
        assert len(acked) <= len(rows) <= tried
        ours, javas = copy(path, "ours"), copy(path, "javas")
        with px.open_queue(ours, "a", **indexed_kill_child.OPTIONS) as queue:  # type: ignore[arg-type]
            with queue.appender() as appender:
                index = appender.append(b"after the death")
                more = list(appender.append_many([b"and more"] * 40))
            expected = [*rows, (index, b"after the death"), *[(number, b"and more") for number in more]]
            assert list(queue.tailer().with_index()) == expected
            assert read_by_specification(ours) == expected
        with java3.indexed(javas, **SHAPE) as queue:
            assert queue.dump() == rows
            number = queue.appender().append(b"Java's, after the death")
            assert queue.dump() == [*rows, (number, b"Java's, after the death")]
        with px.open_queue(javas, **indexed_kill_child.OPTIONS) as queue:  # type: ignore[arg-type]
            assert list(queue.tailer().with_index()) == [*rows, (number, b"Java's, after the death")]
        shutil.rmtree(directory)
    assert died > 0, f"{point} is never passed"
