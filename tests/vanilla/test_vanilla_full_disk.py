"""A full disk: QueueFullError, nothing half-written, and once there is room again it goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pychronix as px
from pychronix.errors import ChronixError, QueueFullError

Make = Callable[..., px.Queue]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A tmpfs of 4 MB; skipped where mounting is not allowed."""
    where = Path(tempfile.mkdtemp(prefix="pychronix-full-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, timeout=60).returncode != 0:
        where.rmdir()
        pytest.skip("cannot mount a small file system")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True, timeout=60)
        where.rmdir()


def fill(path: Path, leave_kib: int) -> None:
    """Leaves so much room on the disk."""
    with open(path, "ab", buffering=0) as filler:
        block = bytes(1 << 16)
        while block:
            try:
                while True:
                    filler.write(block)
            except OSError as error:
                assert error.errno == errno.ENOSPC
            block = block[: len(block) // 2] if len(block) > 512 else b""
    os.truncate(path, max(0, path.stat().st_size - leave_kib * 1024))


@pytest.mark.parametrize("leave_kib", [0, 4, 8, 12, 16, 24, 40, 64, 200, 1000])
def test_a_full_disk_at_every_stage(small_disk: Path, make: Make, leave_kib: int) -> None:
    filler = small_disk / "filler"
    fill(filler, leave_kib)
    journal = small_disk / "q"
    acked: list[tuple[int, bytes]] = []
    try:
        queue = make(path=journal, data_block_bytes=1 << 18, index_block_bytes=1 << 14)
    except ChronixError:
        assert leave_kib == 0
        return
    with queue.appender() as appender:
        with pytest.raises(QueueFullError) as error:
            for number in range(1 << 30):
                data = b"%06d" % number * (number % 50)
                if number % 3:
                    acked.append((appender.append(data), data))
                    continue
                try:
                    acked += zip(appender.append_many([data] * 7), [data] * 7, strict=True)
                except QueueFullError as full:
                    acked += zip(full.appended, [data] * 7, strict=False)  # type: ignore[attr-defined]
                    raise
        assert error.value.errno == errno.ENOSPC
        fill(filler, 0)
        with pytest.raises(QueueFullError):
            appender.append(b"z" * 100_000)
        for reader in (queue, make("r", path=journal, roll="DAYS")) if acked else (queue,):
            assert list(reader.tailer().with_index()) == acked
            assert list(reader.tailer(start="end", direction="backward").with_index()) == acked[::-1]
            assert reader.tailer(start="end").read() is None
        # New appenders that come to nothing leave nothing behind.
        before = sorted(journal.rglob("data-*"))
        for _ in range(3):
            with queue.appender() as other, pytest.raises(QueueFullError):
                other.append(b"z" * 100_000)
        assert sorted(journal.rglob("data-*")) == before
        filler.unlink()
        index = appender.append(b"goes on")
        assert not acked or index == acked[-1][0] + 1
        assert list(queue.tailer().with_index()) == [*acked, (index, b"goes on")]


def test_holes_of_a_full_disk_read_as_nothing_yet(small_disk: Path, make: Make) -> None:
    """Java's index files are sparse, and a tmpfs that is full has no page for a hole, not even to read it."""
    journal = small_disk / "q"
    settings = {"path": journal, "data_block_bytes": 1 << 18, "index_block_bytes": 1 << 14}
    with make(**settings).appender() as appender:
        first = appender.append_many([b"%d" % number for number in range(512)])[0]
    index = journal / "20240305" / "index-0"
    slots = index.read_bytes()
    index.unlink()
    index.write_bytes(slots[:4096])
    os.truncate(index, len(slots))
    fill(small_disk / "filler", 0)
    queue = make("r+", path=journal)
    tailer, one_by_one = queue.tailer(), queue.tailer(start="end")
    assert len(list(tailer)) == 512
    for _ in range(3):
        assert (tailer.read(), list(tailer), one_by_one.read()) == (None, [], None)
        assert queue.tailer(start="end").index == first + 512
    (small_disk / "filler").unlink()
    more = [b"more %d" % number for number in range(600)]
    with queue.appender() as appender:
        assert appender.append_many(more)[0] == first + 512
    assert list(tailer) == more
    assert one_by_one.read() == more[0]
    one_by_one.direction = "backward"
    assert one_by_one.read_many(3) == [more[1], more[0], b"511"]
