"""Files of a cycle that are deleted, moved or made by somebody else while an appender has the cycle open."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clock import Clock
from vanilla_kit import DAY, DAY_MS

import pychronix as px

E = 1 << 40  # Entries of a day.
TODAY = "20240305"
SLOTS = 128
Make = Callable[..., px.Queue]


def append_until_it_is_seen(appender: px.Appender) -> px.NotFoundError:
    """An appender looks once in some milliseconds: what is appended before goes where the files went."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            appender.append(b"lost")
        except px.NotFoundError as error:
            return error
    pytest.fail("an appender wrote into deleted files for half a minute")


@pytest.mark.parametrize("block_bytes", [4096, 1 << 24])
def test_a_deleted_cycle_is_said_once_and_begun_anew(make: Make, path: Path, block_bytes: int) -> None:
    queue = make(index_block_bytes=block_bytes, data_block_bytes=block_bytes)
    appender = queue.appender()
    appender.append(b"lost")
    shutil.rmtree(path / TODAY)
    error = append_until_it_is_seen(appender)
    assert "were deleted while this appender had them open" in str(error)
    assert error.path is not None and TODAY in error.path
    assert not (path / TODAY).exists()
    assert appender.append(b"anew") == DAY * E
    assert list(queue.tailer()) == [b"anew"]


@pytest.mark.parametrize("block_bytes", [4096, 1 << 24])
@pytest.mark.parametrize("kind", ["index-0", "data-7-0"])
def test_one_deleted_file_is_enough(make: Make, path: Path, kind: str, block_bytes: int) -> None:
    queue = make(thread_id=7, index_block_bytes=block_bytes, data_block_bytes=block_bytes)
    appender = queue.appender()
    appender.append(b"lost")
    os.unlink(path / TODAY / kind)
    assert append_until_it_is_seen(appender).path == str(path / TODAY / kind)
    index = appender.append(b"kept")
    assert (index == DAY * E) == (kind == "index-0")
    tailer = queue.tailer()
    assert tailer.move_to_index(index)
    assert tailer.read() == b"kept"


def test_sync_does_not_promise_what_is_gone(make: Make, path: Path) -> None:
    appender = make().appender()
    appender.append(b"lost")
    shutil.rmtree(path / TODAY)
    with pytest.raises(px.NotFoundError, match="were deleted"):
        appender.sync()
    assert appender.append(b"anew") == DAY * E
    appender.sync()


@pytest.mark.parametrize("before, data", [(SLOTS, b"x"), (1, b"x" * 3000)], ids=["index", "data"])
@pytest.mark.parametrize("many", [False, True])
def test_a_next_file_is_not_made_beside_deleted_ones(
    make: Make, path: Path, before: int, data: bytes, many: bool
) -> None:
    """Whatever the time: an index file would begin with the wrong number, a data file have no index."""
    queue = make()
    appender = queue.appender()
    appender.append_many([data] * before)
    shutil.rmtree(path / TODAY)
    with pytest.raises(px.NotFoundError, match="were deleted"):
        if many:
            appender.append_many([data] * 2)
        else:
            appender.append(data)
    assert list(appender.append_many([data] * 2)) == [DAY * E, DAY * E + 1]
    assert list(queue.tailer()) == [data] * 2


def test_what_is_deleted_of_the_past_disturbs_nobody(make: Make, path: Path, clock: Clock) -> None:
    queue = make()
    appender = queue.appender()
    appender.append(b"yesterday")
    shutil.rmtree(path / TODAY)
    clock.forward(DAY_MS)
    assert appender.append(b"today") == (DAY + 1) * E
    assert list(queue.tailer()) == [b"today"]


def test_messages_go_with_a_cycle_that_is_moved_away(make: Make, path: Path) -> None:
    queue = make()
    appender = queue.appender()
    appender.append(b"before")
    (path / TODAY).rename(path.parent / TODAY)
    appender.sync()  # Which looks at once whether names are gone.
    assert appender.append(b"after") == DAY * E + 1
    (path.parent / TODAY).rename(path / TODAY)
    assert list(queue.tailer()) == [b"before", b"after"]


@pytest.mark.parametrize("block_bytes", [{"index_block_bytes": 1024}, {"data_block_bytes": 1024}])
def test_a_next_file_is_not_made_where_a_cycle_was_moved_away(
    make: Make, path: Path, block_bytes: dict[str, int]
) -> None:
    queue = make(**block_bytes)
    appender = queue.appender()
    appender.append(b"0" * 20)
    (path / TODAY).rename(path.parent / TODAY)
    with pytest.raises(px.NotFoundError, match=r"moved away while.*what it appended since went with them"):
        for number in range(1, 1 << 10):
            assert appender.append(b"%020d" % number) == DAY * E + number
    assert appender.append(b"anew") == DAY * E
    assert list(queue.tailer()) == [b"anew"]


@pytest.mark.parametrize("mine, theirs", [(1024, 4096), (4096, 1024)])
def test_two_that_begin_a_journal_with_different_blocks(make: Make, path: Path, mine: int, theirs: int) -> None:
    """Nothing tells them of each other before the first index file, whose length then does: its slots are not mixed up."""
    one, two = make(index_block_bytes=mine), make(index_block_bytes=theirs)
    assert one.appender().append(b"one") == DAY * E
    appender = two.appender()
    for _ in range(2):
        with pytest.raises(px.UsageError, match=f"have {mine} bytes, not {theirs}") as caught:
            appender.append(b"never")
        assert caught.value.path == str(path / TODAY / "index-0")
    assert (path / TODAY / "index-0").stat().st_size == mine
    assert make("r+").appender().append(b"two") == DAY * E + 1
    assert list(one.tailer()) == [b"one", b"two"]


def test_an_index_file_that_was_cut_is_not_continued(make: Make, path: Path) -> None:
    """Whoever opens it now has the right block size, so that the error says what else it may be."""
    with make(index_block_bytes=4096).appender() as appender:
        appender.append_many([b"x"] * 600)
    os.truncate(path / TODAY / "index-1", 2048)
    with pytest.raises(px.UsageError, match=r"have 2048 bytes, not 4096.*or this file was cut"):
        make("r+").appender().append(b"never")


@pytest.mark.parametrize("whole", [True, False], ids=["journal", "cycle"])
def test_tailers_go_on_with_what_was_made_anew(make: Make, path: Path, whole: bool) -> None:
    """Not with the deleted files, which they have mapped, nor with the directory that is no longer the journal's."""
    queue = make(thread_id=7)
    appender, tailer = queue.appender(), queue.tailer()
    appender.append_many([b"lost"] * 3)
    assert tailer.read_many(1) == [b"lost"]
    shutil.rmtree(path if whole else path / TODAY)
    append_until_it_is_seen(appender)
    appender.append_many([b"anew", b"more"])
    assert list(queue.tailer()) == [b"anew", b"more"]
    assert queue.count() == 2
    give_up = time.monotonic() + 30  # A tailer, too, looks once in some milliseconds.
    while (read := list(tailer)) != [b"more"]:
        assert set(read) <= {b"lost"} and time.monotonic() < give_up
        tailer.move_to_index(DAY * E + 1)
    tailer.to_start()
    assert list(tailer) == [b"anew", b"more"]
