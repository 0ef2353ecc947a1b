"""Reading Indexed journals: positions around padding, batches, files cut short or damaged, and not a byte written."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from build_variants import environment
from indexed_kit import SHAPES, Shape, both_files, data_file, index_file, message, read_journal

import pychronix as px
from pychronix import TailerState
from pychronix._boundary import build_flags

SHAPE = Shape()


def fill(path: Path, count: int, size: int = 1000, shape: Shape = SHAPE) -> list[tuple[int, bytes]]:
    """Appends messages of one size and returns what the journal then holds."""
    with shape.ours(path) as queue, queue.appender() as appender:
        indexes = list(appender.append_many([message(number, size) for number in range(count)]))
    return [(index, message(number, size)) for number, index in enumerate(indexes)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_ways_of_reading_agree(tmp_path: Path, shape: Shape) -> None:
    """Forward and backward, one by one, in batches of all sizes, as bytes, views and spans: as the specification reads."""
    generator = random.Random(3)
    lengths = [generator.choice((8, 8, 8, 0, 1, 500, shape.data_block // 3)) for _ in range(700)]
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        for number, length in enumerate(lengths):
            appender.append(message(number, length))
    expected, count = read_journal(tmp_path / "q", shape)
    assert len(expected) == 700
    with shape.ours(tmp_path / "q", "r") as queue:
        assert queue.count() == count
        assert list(queue.tailer().with_index()) == expected
        tailer = queue.tailer(start="end", direction="backward")
        assert list(tailer.with_index()) == expected[::-1]
        tailer = queue.tailer()
        assert [(tailer.last_read_index, data) for data in iter(tailer.read, None)] == expected
        assert [bytes(view) for view in queue.tailer().views()] == [data for _, data in expected]
        for limit in (1, 2, 13, 1024):
            found = []
            for spans in queue.tailer().spans(limit):
                assert 1 <= len(spans.starts) <= limit
                found += [
                    (spans.first_index + i, bytes(spans.data[start:stop]))
                    for i, (start, stop) in enumerate(zip(spans.starts, spans.stops, strict=True))
                ]
            assert found == expected
        tailer = queue.tailer(start="end", direction="backward")
        assert [tailer.read_many(n) for n in (1, 5, 100)] == [
            [data for _, data in part] for part in (expected[:-2:-1], expected[-2:-7:-1], expected[-7:-107:-1])
        ]
        assert tailer.index == expected[-107][0] or expected[-107][0] < tailer.index < expected[-106][0]


def test_positions_around_padding(tmp_path: Path) -> None:
    """Four excerpts fill a block, number 4 is padding: it is no excerpt, and reading passes over it."""
    rows = fill(tmp_path / "q", 8)
    assert [index for index, _ in rows] == [0, 1, 2, 3, 5, 6, 7, 8]
    data = dict(rows)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        tailer = queue.tailer()
        assert (tailer.index, tailer.cycle, tailer.state) == (0, 0, TailerState.FOUND_IN_CYCLE)
        assert not tailer.move_to_index(4)
        assert tailer.state is TailerState.FOUND_IN_CYCLE
        assert tailer.read() == data[5]
        assert tailer.index == 6
        assert not tailer.move_to_index(4)
        tailer.direction = px.Direction.BACKWARD
        assert (tailer.read(), tailer.index) == (data[3], 2)
        assert not tailer.move_to_index(4)
        tailer.direction = px.Direction.NONE
        assert tailer.read() is None
        assert tailer.move_to_index(3)
        assert [tailer.read(), tailer.read()] == [data[3], data[3]]
        tailer.direction = px.Direction.FORWARD
        assert [tailer.read(), tailer.index] == [data[3], 4]
        assert [tailer.read(), tailer.index] == [data[5], 6]


def test_both_ends(tmp_path: Path) -> None:
    rows = fill(tmp_path / "q", 8)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        tailer = queue.tailer(start="end")
        assert (tailer.index, tailer.read(), tailer.state) == (9, None, TailerState.FOUND_IN_CYCLE)
        tailer.direction = px.Direction.BACKWARD
        # Standing behind the last one going backward means the last one.
        assert (tailer.read(), tailer.index) == (rows[-1][1], 7)
        tailer.to_start()
        assert (tailer.read(), tailer.index, tailer.state) == (rows[0][1], -1, TailerState.BEYOND_START_OF_CYCLE)
        assert tailer.read() is None
        tailer.direction = px.Direction.FORWARD
        assert (tailer.read(), tailer.index) == (rows[0][1], 1)
        assert not tailer.move_to_index(9)
        assert tailer.state is TailerState.FOUND_IN_CYCLE  # The next to be written.
        assert not tailer.move_to_index(10)
        assert (tailer.state, tailer.read()) == (TailerState.NOT_REACHED_IN_CYCLE, None)
        assert not tailer.move_to_index((1 << 63) - 1)
        assert (tailer.state, tailer.read()) == (TailerState.NOT_REACHED_IN_CYCLE, None)
        assert not tailer.move_to_index(-1)
        assert tailer.move_to_index(8)
        assert tailer.move_to_cycle(0)
        assert tailer.read() == rows[0][1]
        assert not tailer.move_to_cycle(1)
        assert tailer.state is TailerState.CYCLE_NOT_FOUND
        assert tailer.read() == rows[1][1]


def test_the_end_is_behind_padding_and_the_last_excerpt_before_it(tmp_path: Path) -> None:
    rows = fill(tmp_path / "q", 4)
    with SHAPE.ours(tmp_path / "q", reserve=3000) as queue, queue.appender() as appender:
        appender.append(b"first of the next block")
        # Reserving more than is left in the second block writes padding; then the number after it is taken back.
        index, data = both_files(tmp_path / "q")
        assert struct.unpack_from("<i", index, 8 + 4 * 4)[0] == -4096
    patched = bytearray(index)
    struct.pack_into("<i", patched, 8 + 4 * 5, 0)
    index_file(tmp_path / "q").write_bytes(patched)
    assert len(data) == 8192
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        assert queue.tailer(start="end").index == 5
        tailer = queue.tailer(start="end", direction="backward")
        assert (tailer.index, tailer.read()) == (3, rows[3][1])
        assert queue.last_index == 4


def test_an_empty_journal(tmp_path: Path) -> None:
    with SHAPE.ours(tmp_path / "q") as queue:
        assert [cycle.number for cycle in queue.cycles()] == [0]
        assert (queue.count(), queue.cycles()[0].ready) == (0, True)
        for direction in px.Direction:
            tailer = queue.tailer(direction=direction)
            assert (tailer.read(), tailer.index) == (None, 0)
            tailer.to_end()
            assert (tailer.read(), tailer.index) == (None, 0)
        tailer = queue.tailer()
        with queue.appender() as appender:
            for number in range(100):
                assert tailer.read() is None
                appender.append(b"%d" % number)
                assert tailer.read() == b"%d" % number
            assert tailer.index == 100
        assert not tailer.striding
        with pytest.raises(px.UnsupportedFormatError):
            tailer.striding = True
        with pytest.raises(px.UnsupportedFormatError, match="named"):
            queue.tailer("name")


def test_views_outlive_everything(tmp_path: Path) -> None:
    rows = fill(tmp_path / "q", 100)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        views = list(queue.tailer().views())
    assert [bytes(view) for view in views] == [data for _, data in rows]
    assert all(view.readonly for view in views)


def test_reading_writes_nothing_and_creates_nothing(tmp_path: Path) -> None:
    rows = fill(tmp_path / "q", 40)
    index, data = index_file(tmp_path / "q"), data_file(tmp_path / "q")
    # As a copy might come: shorter than its blocks, right behind the last entry and the last byte.
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        used = queue.cycles()[0].used_bytes
    last = rows[-1][0]
    os.truncate(index, last // 14 * 64 + 8 + 4 * (last % 14) + 4)
    os.truncate(data, used)
    before = [(path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_blocks) for path in (index, data)]
    for path in (index, data):
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with SHAPE.ours(tmp_path / "q", "r") as queue:
            assert list(queue.tailer().with_index()) == rows
            assert list(queue.tailer(start="end", direction="backward").with_index()) == rows[::-1]
            tailer = queue.tailer()
            assert [(tailer.index, tailer.read()) for index, _ in rows if tailer.move_to_index(index)] == rows
            assert queue.count() == last + 1
            with pytest.raises(px.ReadOnlyError):
                queue.appender()
    finally:
        tmp_path.chmod(0o755)
    assert before == [(path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_blocks) for path in (index, data)]
    assert sorted(os.listdir(tmp_path)) == ["q.data", "q.index"]


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_an_index_cut_anywhere_ends_there(tmp_path: Path, cut: int) -> None:
    rows = fill(tmp_path / "q", 60, 30)
    os.truncate(index_file(tmp_path / "q"), cut)
    # The entries that are whole: of each line those behind its base.
    whole = min(cut // 64 * 14 + max(0, (cut % 64 - 8) // 4), len(rows))
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        assert list(queue.tailer().with_index()) == rows[:whole]
        assert queue.tailer(start="end").index == whole
        assert list(queue.tailer(start="end", direction="backward").with_index()) == rows[:whole][::-1]


def test_data_cut_short_is_an_error_at_the_excerpt(tmp_path: Path) -> None:
    rows = fill(tmp_path / "q", 60)
    os.truncate(data_file(tmp_path / "q"), 30_500)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        tailer = queue.tailer()
        found = []
        with pytest.raises(px.CorruptError) as caught:
            for row in tailer.with_index():
                found.append(row)
        # Four of 1 000 bytes in each block of 4 096: 28 in the first seven, and one more before byte 30 500.
        assert found == rows[:29]
        assert caught.value.path == str(data_file(tmp_path / "q"))
        assert caught.value.offset == 30_500
        with pytest.raises(px.CorruptError):
            tailer.read()
        assert tailer.move_to_index(0)
        assert tailer.read() == rows[0][1]


def test_data_that_is_gone_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path / "q", 3)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        data_file(tmp_path / "q").unlink()
        with pytest.raises(px.CorruptError, match="no data file"):
            queue.tailer().read()


@pytest.mark.parametrize(
    "word", [b"\xff" * 8, b"\0" * 7 + b"\x80", struct.pack("<q", 13_001), struct.pack("<q", 1 << 49)]
)
def test_a_base_that_is_not_where_the_line_before_ends(tmp_path: Path, word: bytes) -> None:
    rows = fill(tmp_path / "q", 40)
    with index_file(tmp_path / "q").open("r+b") as file:
        file.seek(64)
        file.write(word)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        tailer = queue.tailer()
        found = []
        with pytest.raises(px.CorruptError) as caught:
            for row in tailer.with_index():
                found.append(row)
        assert found == [row for row in rows if row[0] < 14]
        assert (caught.value.path, caught.value.offset) == (str(index_file(tmp_path / "q")), 64)
        with pytest.raises(px.CorruptError):
            tailer.move_to_index(20)


@pytest.mark.parametrize("entry", [1, 500, -1, -1999, -(1 << 31)])
def test_an_entry_that_ends_before_it_begins(tmp_path: Path, entry: int) -> None:
    rows = fill(tmp_path / "q", 40)
    with index_file(tmp_path / "q").open("r+b") as file:
        file.seek(8 + 4 * 2)
        file.write(struct.pack("<i", entry))
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        found = []
        tailer = queue.tailer()
        with pytest.raises(px.CorruptError) as caught:
            for row in tailer.with_index():
                found.append(row)
        assert caught.value.path in (str(index_file(tmp_path / "q")), str(data_file(tmp_path / "q")))
        if entry in (-(1 << 31),):  # Padding of 2 GiB: what follows ends before it.
            assert (found, caught.value.offset) == (rows[:2], 8 + 4 * 3)
        else:
            assert (found, caught.value.offset) == (rows[:2], 8 + 4 * 2)


def test_a_truncation_under_an_open_tailer(tmp_path: Path) -> None:
    fill(tmp_path / "q", 400)
    with SHAPE.ours(tmp_path / "q", "r") as queue:
        tailer = queue.tailer()
        assert len(tailer.read_many(300)) == 300
        os.truncate(index_file(tmp_path / "q"), 64)
        with pytest.raises(px.CorruptError, match="truncated"):
            tailer.move_to_index(350)
        with pytest.raises(px.CorruptError, match="truncated"):
            tailer.to_end()


@pytest.mark.skipif("sanitizers" in build_flags(), reason="the sanitizer's own memory would count")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Writing and scanning 256 MB, 32 MB of it index, keeps less than 64 MB in the process's page tables."""
    script = """
import sys
import pychronix as px
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
with px.open_queue(sys.argv[1], "a", format="indexed") as queue:
    before, most = rss(), 0
    with queue.appender() as appender:
        for _ in range(100):
            appender.append_many([b"x" * 32] * 70_000)
            most = max(most, rss())
    found = 0
    for direction in ("forward", "backward"):
        tailer = queue.tailer(start="start" if direction == "forward" else "end", direction=direction)
        for spans in tailer.spans():
            found += len(spans.starts)
            if found % 50 == 0:
                most = max(most, rss())
    assert found == 14_000_000, found
    print(most - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "q"], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 << 20
