"""Appending to Indexed journals: one writer, refused settings, padding on demand, replicas, full disks, foreign hands."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from build_variants import environment
from fix_disk import flushes
from fix_java3 import Java3Peer
from indexed_kit import Shape, assert_same_files, both_files, data_file, index_file, message, read_journal

import pychronix as px
from pychronix import _boundary
from pychronix._boundary import lib

SHAPE = Shape()


def append_padding(appender: px.Appender) -> None:
    _boundary.checked(lib.cx_append_padding(appender._number))


def test_a_second_appender_is_refused_and_told_why(tmp_path: Path) -> None:
    """On the same queue, on another of this process, and of another process; once the first is closed it is welcome."""
    script = """
import sys
import pychronix as px
with px.open_queue(sys.argv[1], "a", format="indexed", index_block_bytes=4096, data_block_bytes=4096, timeout_ms=50) as q:
    try:
        q.appender()
    except px.LockedError as error:
        print(error)
"""
    with SHAPE.ours(tmp_path / "q", timeout_ms=50) as one, SHAPE.ours(tmp_path / "q", timeout_ms=50) as two:
        with one.appender() as appender:
            appender.append(b"first")
            for queue in (one, two):
                with pytest.raises(px.LockedError, match="another appender is open on this journal") as caught:
                    queue.appender()
                assert caught.value.path == str(index_file(tmp_path / "q"))
            done = subprocess.run(
                [sys.executable, "-c", script, tmp_path / "q"],
                env=environment(),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert "another appender is open on this journal" in done.stdout, done.stderr
            appender.append(b"second")
        with two.appender() as appender:
            assert appender.append(b"third") == 2
        assert list(one.tailer()) == [b"first", b"second", b"third"]


def test_an_appender_waits_for_the_one_before_it(tmp_path: Path) -> None:
    """Within the queue's timeout: what is closed meanwhile makes room."""
    with SHAPE.ours(tmp_path / "q", timeout_ms=20_000) as queue:
        first = queue.appender()
        first.append(b"first")
        waiting = threading.Event()
        indexes: list[int] = []

        def second() -> None:
            waiting.set()
            with queue.appender() as appender:
                indexes.append(appender.append(b"second"))

        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        first.close()
        thread.join(20)
        assert indexes == [1]


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    """A writer that was killed leaves no lock, and its journal goes on."""
    script = """
import os, signal, sys
import pychronix as px
queue = px.open_queue(sys.argv[1], "a", format="indexed", index_block_bytes=4096, data_block_bytes=4096)
queue.appender().append(b"of the dead")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "q"], env=environment(), timeout=60, check=False)
    assert done.returncode == -9
    with SHAPE.ours(tmp_path / "q", timeout_ms=50) as queue, queue.appender() as appender:
        assert appender.append(b"of the living") == 1
        assert list(queue.tailer()) == [b"of the dead", b"of the living"]


def test_a_forked_child_neither_writes_nor_frees_the_lock(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q", timeout_ms=50) as queue, queue.appender() as appender:
        appender.append(b"parent's")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                try:
                    appender.append(b"child's")
                except px.ChronixError:
                    appender.close()
                    queue.close()
                    code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        with SHAPE.ours(tmp_path / "q", timeout_ms=50) as other, pytest.raises(px.LockedError):
            other.appender()
        assert appender.append(b"parent's again") == 1


def test_another_writer_is_seen_before_anything_is_stored(tmp_path: Path, java3: Java3Peer) -> None:
    """Java takes no lock. What it appended is not overwritten, and a new appender goes on after it."""
    for ours, theirs in ((0, 1), (5, 3), (14, 1), (14, 20), (13, 1), (3, 40)):
        path = tmp_path / f"q{ours}-{theirs}"
        with SHAPE.ours(path) as queue, queue.appender() as appender:
            for number in range(ours):
                appender.append(b"ours %d" % number)
            with SHAPE.java(java3, path) as other:
                other.appender().append_many([b"Java's %d" % number for number in range(theirs)])
            before = both_files(path)
            calls: tuple[tuple[Callable[..., object], tuple[object, ...]], ...] = (
                (appender.append, (b"lost",)),
                (appender.append_many, ([b"lost", b"lost too"],)),
                (append_padding, (appender,)),
                (appender.append_at, (ours, b"lost")),
            )
            for call, arguments in calls:
                with pytest.raises(px.CorruptError, match="another writer appended") as caught:
                    call(*arguments)
                assert caught.value.path == str(index_file(path))
            assert both_files(path) == before
        with SHAPE.ours(path) as queue, queue.appender() as appender:
            assert appender.append(b"ours again") == ours + theirs
            assert list(queue.tailer()) == [
                *[b"ours %d" % number for number in range(ours)],
                *[b"Java's %d" % number for number in range(theirs)],
                b"ours again",
            ]


def test_longer_than_a_block_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append(b"x" * 4095)
        before = both_files(tmp_path / "q")
        with pytest.raises(px.UsageError, match="data blocks of 4096 hold less"):
            appender.append(b"x" * 4096)
        assert both_files(tmp_path / "q") == before
        with pytest.raises(px.UsageError):
            appender.append_many([b"fits", b"x" * 5000, b"fits, too"])
        # What came before the one that is refused is appended, as with every format.
        assert list(queue.tailer()) == [b"x" * 4095, b"fits"]


@pytest.mark.parametrize("index_block, data_block", [(8192, 4096), (4096 * 3, 4096), (4096, 8192 * 3)])
def test_blocks_of_another_size_are_refused(tmp_path: Path, index_block: int, data_block: int) -> None:
    """Java would take a journal for empty whose index is shorter than a block, and write over it."""
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x" * 1000] * 30)
    before = both_files(tmp_path / "q")
    with Shape(64, data_block, index_block).ours(tmp_path / "q") as queue:
        with pytest.raises(px.UsageError, match="no whole"):
            queue.appender()
        assert len(list(queue.tailer())) == 30
    assert both_files(tmp_path / "q") == before


def test_an_index_cut_short_is_refused(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 30)
    os.truncate(index_file(tmp_path / "q"), 200)
    with SHAPE.ours(tmp_path / "q") as queue, pytest.raises(px.UsageError, match="cut short"):
        queue.appender()
    assert index_file(tmp_path / "q").stat().st_size == 200


def test_data_that_are_gone_are_not_made_up(tmp_path: Path) -> None:
    """A new, empty data file would make every excerpt zeros."""
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 30)
    data_file(tmp_path / "q").unlink()
    with pytest.raises(px.CorruptError, match="no data file"):
        SHAPE.ours(tmp_path / "q")
    assert not data_file(tmp_path / "q").exists()
    data_file(tmp_path / "q").write_bytes(b"")
    with SHAPE.ours(tmp_path / "q", "r+") as queue, pytest.raises(px.CorruptError, match="excerpts end at 30"):
        queue.appender()


@pytest.mark.parametrize("hole", [4096, 8192, 12288])
def test_a_hole_in_the_index_is_not_appended_into(tmp_path: Path, hole: int) -> None:
    """What a power failure may leave: a page that never reached the disk."""
    shape = Shape(64, 4096, 1 << 16)
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 4000)  # 286 lines, five pages.
    with index_file(tmp_path / "q").open("r+b") as file:
        file.seek(hole)
        file.write(b"\0" * 4096)
    before = both_files(tmp_path / "q")
    with shape.ours(tmp_path / "q") as queue, pytest.raises(px.CorruptError) as caught:
        queue.appender()
    assert caught.value.path == str(index_file(tmp_path / "q"))
    assert caught.value.offset is not None and caught.value.offset <= hole + 4096
    assert both_files(tmp_path / "q") == before


def test_entries_behind_the_last_one_are_not_appended_into(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 5)
    with index_file(tmp_path / "q").open("r+b") as file:
        file.seek(8 + 4 * 7)
        file.write(struct.pack("<i", 9))
    with SHAPE.ours(tmp_path / "q") as queue, pytest.raises(px.CorruptError) as caught:
        queue.appender()
    assert caught.value.offset == 8 + 4 * 7


def test_a_replica_takes_each_index_once_and_in_order(tmp_path: Path) -> None:
    """append_at: the next one is appended, earlier ones are there, later ones are an error that names the next."""
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        for number in range(100):
            assert appender.append_at(number, message(number, 20))
        assert not appender.append_at(0, b"there already")
        assert not appender.append_at(99, b"there already")
        with pytest.raises(px.IndexRangeError) as caught:
            appender.append_at(101, b"too early")
        assert caught.value.next_index == 100
        assert list(queue.tailer()) == [message(number, 20) for number in range(100)]


@pytest.mark.parametrize("reserve", [0, 1000, 2500])
def test_a_replica_has_the_numbers_and_the_bytes_of_its_source(tmp_path: Path, reserve: int) -> None:
    """Excerpts by append_at, padding by append_padding: exact fills and reopening included, whatever either reserves."""
    generator = random.Random(reserve)
    source, copy = tmp_path / "source", tmp_path / "copy"
    for turn in range(20):
        with SHAPE.ours(source, reserve=reserve) as queue, queue.appender() as appender:
            for _ in range(30):
                left = 4096 - queue.cycles()[0].used_bytes % 4096
                length = left if generator.random() < 0.3 and left >= reserve else generator.randrange(1, 1500)
                appender.append(message(turn, min(length, 4095)))
        expected, count = read_journal(source, SHAPE)
        rows = dict(expected)
        with SHAPE.ours(copy, reserve=2000) as queue, queue.appender() as appender:
            for number in range(queue.count(), count):
                if number in rows:
                    assert appender.append_at(number, rows[number])
                else:
                    append_padding(appender)
        assert both_files(copy) == both_files(source), f"turn {turn}"


def test_padding_that_a_replica_does_not_have_is_refused(tmp_path: Path) -> None:
    """An index that is an excerpt in the source cannot become padding: a clear error, and nothing is written."""
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append(b"x" * 3000)
        before = both_files(tmp_path / "q")
        with pytest.raises(px.UsageError, match="needs padding before it"):
            appender.append_at(1, b"x" * 3000)
        assert both_files(tmp_path / "q") == before
        append_padding(appender)
        assert appender.append_at(2, b"x" * 3000)
        assert [index for index, _ in queue.tailer().with_index()] == [0, 2]


def test_padding_as_java_adds_it(tmp_path: Path, java3: Java3Peer) -> None:
    """addPaddedEntry() of an empty journal, of a begun block, at the end of a line: the same entry, the same bytes."""
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    with SHAPE.ours(mine) as queue, queue.appender() as ours, SHAPE.java(java3, yours) as theirs:
        other = theirs.appender()
        for count in (0, 1, 12, 5, 13, 2):
            for number in range(count):
                assert ours.append(message(number, 50)) == other.append(message(number, 50))
            append_padding(ours)
            other.padding()
            assert_same_files(mine, yours, SHAPE, f"after {count}")
        assert queue.count() == 6 + 33
        assert list(queue.tailer().with_index()) == theirs.dump()


def test_synchronous_and_sync(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q", synchronous=True) as queue, queue.appender() as appender:
        assert appender.append(b"on disk") == 0
        assert list(appender.append_many([b"these"] * 20)) == list(range(1, 21))
        assert appender.append(b"durable", durable=True) == 21
        appender.sync()
        assert appender.last_index == 21


FLUSHED = """
queue = px.open_queue(sys.argv[1], "a", format="indexed", index_block_bytes=4096, data_block_bytes=4096, reserve_bytes=0,
                      synchronous=True)
appender = queue.appender()
note("opened")
one, two = lambda: appender.append(b"one"), lambda: appender.append(b"two")
for call in (one, two, lambda: appender.append_many([b"x"] * 20)[0]):
    try:
        note(f"appended {call()}")
    except px.ChronixError as error:
        note(f"failed {type(error).__name__}")
    note(f"read {len(list(queue.tailer()))}")
"""
DATA, INDEX = "fdatasync some/q.data", "fdatasync some/q.index"


def test_a_synchronous_append_is_on_disk_with_the_names_of_its_files(tmp_path: Path) -> None:
    """The journal's own files and directory before anything is appended; an excerpt before the entry that speaks of it."""
    assert flushes(FLUSHED, tmp_path, tmp_path / "some" / "q") == [
        f"fsync {tmp_path}", "fsync some", "opened",
        DATA, INDEX, "appended 0", "read 1",
        DATA, INDEX, "appended 1", "read 2",
        DATA, INDEX, "appended 2", "read 22",
    ]  # fmt: skip


@pytest.mark.parametrize("fail_at, said", [
    (3, ["failed SystemCallError", "read 0", "appended 0", "read 1", "appended 1", "read 21"]),
    (4, ["appended 0", "read 1", "failed SystemCallError", "read 1", "appended 1", "read 21"]),
])  # fmt: skip
def test_a_flush_that_fails_is_said(tmp_path: Path, fail_at: int, said: list[str]) -> None:
    """Of the excerpt: nothing was appended. Of its entry: it is visible, and the next call says that it may not last."""
    lines = flushes(FLUSHED, tmp_path, tmp_path / "some" / "q", fail_at=fail_at)
    assert said == [line for line in lines[lines.index("opened") + 1 :] if line not in (DATA, INDEX)]


@pytest.mark.parametrize("file", [index_file, data_file])
def test_deleted_files_are_seen(tmp_path: Path, file: Callable[[Path], Path]) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append(b"lost")
        file(tmp_path / "q").unlink()
        give_up = time.monotonic() + 30
        with pytest.raises(px.NotFoundError, match="deleted while this appender had it open") as caught:
            while time.monotonic() < give_up:
                appender.append(b"lost")
        assert caught.value.path == str(file(tmp_path / "q"))
        with pytest.raises(px.NotFoundError):
            appender.append(b"never")


@pytest.mark.parametrize("file", [index_file, data_file])
def test_sync_does_not_promise_what_is_gone(tmp_path: Path, file: Callable[[Path], Path]) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append(b"lost")
        file(tmp_path / "q").unlink()
        with pytest.raises(px.NotFoundError, match="deleted while this appender had it open"):
            appender.sync()


def test_pretouch_makes_room_ahead(tmp_path: Path) -> None:
    shape = Shape(64, 1 << 24, 1 << 16)
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        assert appender.pretouch() > 0
        blocks = data_file(tmp_path / "q").stat().st_blocks
        assert blocks * 512 >= 512 << 10
        appender.append_many([b"x" * 100] * 100)
        assert data_file(tmp_path / "q").stat().st_blocks == blocks
        assert appender.pretouch() > 0
        assert data_file(tmp_path / "q").stat().st_blocks > blocks
        assert appender.pretouch() == 0  # There is room enough ahead.


def test_what_an_indexed_journal_has_not(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q") as queue, queue.appender() as appender:
        with pytest.raises(px.UnsupportedFormatError), appender.writing(meta=True) as excerpt:
            excerpt.write(b"metadata")
        with pytest.raises(px.UnsupportedFormatError):
            appender.normalise_eofs()
        assert queue.count() == 0


def test_a_file_size_limit_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    """A limit on file sizes (as a full disk): QueueFullError at the append that does not fit, all before it readable."""
    shape = Shape(64, 1 << 16, 4096)
    path = tmp_path / "q"
    script = """
import resource, signal, sys
import pychronix as px
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with px.open_queue(sys.argv[1], "a", format="indexed", data_block_bytes=1 << 16, index_block_bytes=4096) as queue:
    with queue.appender() as appender:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.RLIM_INFINITY))
        count = 0
        try:
            while True:
                appender.append(b"x" * 1000)
                count += 1
        except px.QueueFullError:
            pass
        for _ in range(3):
            try:
                appender.append(b"y" * 1000)
            except px.QueueFullError:
                continue
            raise AssertionError("there is no room")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        appender.append(b"last")
        assert list(queue.tailer()) == [b"x" * 1000] * count + [b"last"]
        print(count)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, path], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    # Half a block is reserved for an excerpt: 33 of a thousand bytes begin in one, and there are four.
    assert int(done.stdout) == 4 * 33
    assert [data for _, data in read_journal(path, shape)[0]][-1] == b"last"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """A file system of 2 MiB in memory; skipped where it cannot be mounted."""
    where = Path(tempfile.mkdtemp(prefix="pychronix-full-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(where)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        where.rmdir()
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip() if done else 'not root'}")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True, timeout=60)
    where.rmdir()


@pytest.mark.parametrize("batch", [1, 40])
def test_a_full_disk_is_an_error_and_nothing_is_lost(full_disk: Path, batch: int) -> None:
    """The files are sparse and longer than the disk: an append fails before a store would end the process."""
    script = """
import sys
import pychronix as px
directory, batch = sys.argv[1], int(sys.argv[2])
with open(directory + "/ballast", "wb") as file:
    file.write(b"x" * (1 << 20))
with px.open_queue(directory + "/q", "a", format="indexed") as queue, queue.appender() as appender:
    acked = []
    def fill():
        refused = 0
        while refused < 3:
            payloads = [b"%06d" % (len(acked) + i) * 77 for i in range(batch)]
            try:
                if batch == 1:
                    appender.append(payloads[0])
                    acked.append(payloads[0])
                else:
                    appender.append_many(payloads)
                    acked.extend(payloads)
            except px.QueueFullError:
                refused += 1
                acked[:] = queue.tailer()
    fill()
    first = len(acked)
    assert list(queue.tailer()) == acked and first > 500, first
    import os
    os.unlink(directory + "/ballast")
    fill()
    assert list(queue.tailer()) == acked and len(acked) > 2 * first, (first, len(acked))
    assert acked == [b"%06d" % i * 77 for i in range(len(acked))]
"""
    done = subprocess.run(
        [sys.executable, "-c", script, full_disk, str(batch)],
        env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_files_are_longer_than_a_java_reader_comes_to(tmp_path: Path) -> None:
    """Before the last entry of a block is there, the next block is: a JVM that extends the file would cut it (I-6)."""
    shape = Shape(64, 4096, 128)  # Two lines of 14 entries in an index block.
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        sizes = []
        for _ in range(28 * 3 + 1):
            appender.append(b"x")
            sizes.append(index_file(tmp_path / "q").stat().st_size)
        # Within a block's last line, of entries 15 to 28, it has the next one, too.
        assert sizes == [128 * (2 + number // 28 if number % 28 >= 14 else 1 + number // 28) for number in range(85)]
        end = queue.cycles()[0].used_bytes
        assert data_file(tmp_path / "q").stat().st_size == 4096
        appender.append(b"x" * (4096 - end))
        assert data_file(tmp_path / "q").stat().st_size == 8192
        appender.append(b"x")
        assert data_file(tmp_path / "q").stat().st_size == 8192
        appender.append_many([b"x" * 1000, b"x" * (4095 - 1000)])
        assert data_file(tmp_path / "q").stat().st_size == 12288
