"""open_queue, and what a Queue tells: settings, cycles, counts, arithmetic, lifetime."""

from __future__ import annotations

import datetime
import gc
import os
import pickle
import shutil
import stat
import threading
import warnings
from pathlib import Path

import pytest
from clock import DAY_MS, START_MS, Clock

import pychronix as px
from pychronix.errors import AccessError, ForkedError, LockedError, NotReadyError
from pychronix.queue import _mapping

DAY = 19787  # FAST_DAILY cycle of START_MS.


def in_child(function):
    """Runs a function in a forked child; its exit status, 0 if it returned True."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process that has threads
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if function() else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- opening ---------------------------------------------------------------------------------------------------------


def test_mode_r_on_a_missing_path_is_not_found(path):
    with pytest.raises(px.NotFoundError, match="there is nothing") as caught:
        px.open_queue(path)
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.path == path
    assert not os.path.exists(path)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_an_empty_directory_is_not_a_queue(tmp_path, mode):
    with pytest.raises(px.NotFoundError, match="holds no queue"):
        px.open_queue(tmp_path, mode)
    assert os.listdir(tmp_path) == []


def test_mode_a_makes_directories_and_table_store(tmp_path):
    path = tmp_path / "one" / "two"
    with px.open_queue(path, "a") as queue:
        assert (queue.path, queue.mode, queue.format, queue.wire_type) == (str(path), "a", "cq5", "BINARY_LIGHT")
        assert queue.roll_cycle == px.RollCycle.FAST_DAILY
    assert os.listdir(path) == ["metadata.cq4t"]


def test_a_file_is_not_a_queue(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for mode in ("r", "a", "r+"):
        with pytest.raises(px.ChronixError):
            px.open_queue(file, mode)


def test_a_path_may_be_bytes_str_or_pathlike(tmp_path):
    for path in (tmp_path / "q", str(tmp_path / "q"), os.fsencode(tmp_path / "q")):
        px.open_queue(path, "a").close()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"mode": "w"}, "unknown mode 'w'"),
        ({"roll": "HOURS"}, "unknown roll cycle 'HOURS'"),
        ({"source_id": -1}, "source_id is within 0..2147483647, not -1"),
        ({"source_id": 1 << 31}, "source_id is within"),
        ({"block_size_bytes": 0}, "block_size_bytes is within"),
        ({"timeout_ms": -1}, "timeout_ms is within"),
        ({"index_count": 100}, "index_count must be a power of two"),
        ({"index_spacing": 3}, "index_spacing must be a power of two"),
        ({"epoch_ms": 1, "roll_time": "10:00"}, "two words for one thing"),
        ({"roll_time": "25:00"}, "cannot read the roll time"),
        ({"epoch_ms": 1 << 63}, "does not fit 64 bits"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_made(path, settings, message):
    mode = settings.pop("mode", "a")
    with pytest.raises(px.UsageError, match=message):
        px.open_queue(path, mode, **settings)
    assert not os.path.exists(path)


@pytest.mark.parametrize("settings", [{"epoch_ms": "0"}, {"clock": 5}, {"on_cycle": 5}, {"timeout_ms": 1.5}])
def test_a_wrong_type_is_a_type_error(path, settings):
    with pytest.raises(TypeError):
        px.open_queue(path, "a", **settings)
    assert not os.path.exists(path)


def test_nul_in_a_path_is_told(tmp_path):
    with pytest.raises((px.UsageError, ValueError), match=r"NUL|null"):
        px.open_queue(str(tmp_path / "a\0b"), "a")
    assert os.listdir(tmp_path) == []


def test_a_path_without_room_for_the_names_of_files_is_told(tmp_path):
    path = os.path.join(tmp_path, *["d" * 200] * 19)
    path = os.path.join(path, "e" * (4020 - len(path)))
    with pytest.raises(px.UsageError, match="the path of the queue is too long"):
        px.open_queue(path, "a")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "start, error",
    [(-1, px.UsageError), (-(1 << 63), px.UsageError), (1 << 63, px.UsageError), (1.5, TypeError), (b"end", TypeError)],
)
def test_a_start_that_is_no_index(queue, start, error):
    with pytest.raises(error, match=r"index|start"):
        queue.tailer(start=start)


def test_weekly_is_not_created_and_the_reason_given(path):
    with pytest.raises(px.UnsupportedFormatError, match="Java cannot reopen a WEEKLY queue"):
        px.open_queue(path, "a", roll="WEEKLY")
    assert not os.path.exists(path)


@pytest.mark.parametrize("roll", [name for name in px.ROLL_CYCLES if name != "WEEKLY"])
def test_each_roll_cycle_can_be_created_and_reopened(make, path, roll):
    with make(roll=roll) as queue:
        index = queue.appender().append(b"x")
        assert index == queue.roll_cycle.index(queue.cycle_at(START_MS), 0)
    with px.open_queue(path) as queue:
        assert queue.roll_cycle == px.ROLL_CYCLES[roll]
        assert list(queue.tailer().with_index()) == [(index, b"x")]
        assert os.path.exists(os.path.join(path, queue.file_name(queue.cycle_of(index))))


def test_stored_settings_win_and_a_difference_is_warned_of(path):
    px.open_queue(path, "a", roll="HOURLY", epoch_ms=5000, source_id=3).close()
    with pytest.warns(px.ChronixWarning) as caught:
        queue = px.open_queue(path, "a", roll="FAST_DAILY", epoch_ms=6000, source_id=4)
    with queue:
        assert (queue.roll_cycle, queue.epoch_ms, queue.source_id) == (px.RollCycle.HOURLY, 5000, 3)
    texts = [str(warning.message) for warning in caught]
    assert [text.removeprefix(f"{path}: ") for text in texts] == [
        "the queue's roll cycle is HOURLY, not FAST_DAILY as asked for",
        "the queue's epoch is 5000 ms, not 6000 ms as asked for",
        "the queue's source id is 3, not 4 as asked for",
    ]
    assert {warning.filename for warning in caught} == {__file__}


def test_the_same_settings_again_are_not_warned_of(path):
    px.open_queue(path, "a", roll="HOURLY", epoch_ms=5000, source_id=3).close()
    px.open_queue(path, "a", roll="HOURLY", epoch_ms=5000, source_id=3).close()
    px.open_queue(path, "r+").close()


@pytest.mark.parametrize("roll_time", ["22:30", datetime.time(22, 30)])
def test_roll_time_is_the_epoch_and_is_stored(path, roll_time):
    with px.open_queue(path, "a", roll_time=roll_time) as queue:
        assert (queue.epoch_ms, queue.roll_time) == (81_000_000, "22:30")
    with px.open_queue(path) as queue:
        assert (queue.epoch_ms, queue.roll_time) == (81_000_000, "22:30")
        assert queue.cycle_at(1_709_632_800_000) == 19786  # 2024-03-05T10:00Z, spec 6.1
        assert queue.file_name(19786) == "20240304F.cq4"


def test_mode_r_never_writes_a_byte(make, path):
    with make() as queue:
        queue.appender().append(b"x")
    files = [Path(path, name) for name in os.listdir(path)]
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    with px.open_queue(path) as queue:
        assert list(queue.tailer()) == [b"x"]
        assert list(queue.tailer(direction="backward", start="end")) == [b"x"]
        queue.refresh()
        assert queue.count() == 1
        assert len(dict(queue.table_store)) == 8
        with pytest.raises(px.ReadOnlyError):
            queue.appender()
        with pytest.raises(px.ReadOnlyError):
            queue.tailer("named")
    assert [(file.stat().st_mtime_ns, file.read_bytes()) for file in files] == before
    assert {file.name for file in files} == set(os.listdir(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_mode_r_works_on_a_read_only_directory_and_mode_a_is_refused(make, path):
    with make() as queue:
        queue.appender().append(b"x")
    for name in os.listdir(path):
        os.chmod(os.path.join(path, name), stat.S_IRUSR)
    os.chmod(path, stat.S_IRUSR | stat.S_IXUSR)
    try:
        with px.open_queue(path) as queue:
            assert list(queue.tailer()) == [b"x"]
        with pytest.raises(AccessError):
            px.open_queue(path, "a")
    finally:
        os.chmod(path, stat.S_IRWXU)


def test_roll_files_without_a_table_store_are_read(make, path, clock):
    with make(roll="HOURLY") as queue:
        queue.appender().append(b"x")
    os.unlink(os.path.join(path, "metadata.cq4t"))
    with px.open_queue(path) as queue:
        assert queue.roll_cycle == px.RollCycle.HOURLY
        assert list(queue.tailer()) == [b"x"]
        assert dict(queue.table_store) == {}
    assert os.listdir(path) == ["20240305-10.cq4"]
    with make("r+") as queue:
        assert queue.cycle_of(queue.appender().append(b"y")) == queue.cycle_at(clock.now_ms)
        assert list(queue.tailer()) == [b"x", b"y"]
    assert sorted(os.listdir(path)) == ["20240305-10.cq4", "metadata.cq4t"]


def test_roll_files_with_strange_names_and_no_table_store_are_not_guessed(make, path):
    with make() as queue:
        queue.appender().append(b"x")
    os.unlink(os.path.join(path, "metadata.cq4t"))
    os.rename(os.path.join(path, "20240305F.cq4"), os.path.join(path, "strange.cq4"))
    with pytest.raises(px.UnsupportedFormatError, match=r"no roll cycle .* names a file 'strange.cq4'"):
        px.open_queue(path)


def test_a_table_store_that_is_never_finished_times_out(path):
    os.mkdir(path)
    with open(os.path.join(path, "metadata.cq4t"), "wb") as file:
        file.write(b"\0\0\0\x80" + bytes(131068))
    with pytest.raises(NotReadyError) as caught:
        px.open_queue(path, timeout_ms=50)
    assert isinstance(caught.value, TimeoutError)


def test_garbage_is_corrupt_and_says_where(path):
    os.mkdir(path)
    with open(os.path.join(path, "metadata.cq4t"), "wb") as file:
        file.write(b"\x20\0\0\x40" + b"\xff" * 131068)
    for mode in ("r", "a"):
        with pytest.raises(px.ChronixError) as caught:
            px.open_queue(path, mode, timeout_ms=50)
        assert caught.value.path is not None
        assert "metadata.cq4t" in caught.value.path


@pytest.mark.parametrize(
    "block, count, expected",
    [
        (64 << 20, 4096, (64 << 20, 16 << 20)),
        (1, 4096, (131072, 65536)),
        (1, 32768, (1 << 20, 256 << 10)),
        (1, 8, (4096, 4096)),
        (5000, 8, (8192, 8192)),
        (8 << 30, 4096, (8 << 30, 1 << 30)),
    ],
)
def test_files_grow_as_javas(block, count, expected):
    assert _mapping(block, count) == expected


def test_a_fresh_roll_file_has_javas_size(tmp_path):
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append(b"x")
        assert queue.cycles()[0].size_bytes == 83_886_080


# --- what it tells ---------------------------------------------------------------------------------------------------


def test_an_empty_queue_has_neither_first_nor_last(queue):
    assert (queue.first_index, queue.last_index, queue.first_cycle, queue.last_cycle) == (None, None, None, None)
    assert (queue.cycles(), queue.count()) == ((), 0)


def test_cycles_and_indexes(make, clock):
    with make() as queue, queue.appender() as appender:
        for n in (3, 1, 2):
            appender.append_many([b"x"] * n)
            clock.forward(2 * DAY_MS)
        shift = 32
        assert (queue.first_cycle, queue.last_cycle) == (DAY, DAY + 4)
        assert (queue.first_index, queue.last_index) == (DAY << shift, ((DAY + 4) << shift) + 1)
        cycles = queue.cycles()
        assert [cycle.number for cycle in cycles] == [DAY, DAY + 2, DAY + 4]
        assert [cycle.name for cycle in cycles] == ["20240305F.cq4", "20240307F.cq4", "20240309F.cq4"]
        assert [cycle.path for cycle in cycles] == [os.path.join(queue.path, cycle.name) for cycle in cycles]
        assert [cycle.count for cycle in cycles] == [3, 1, 2]
        assert [cycle.closed for cycle in cycles] == [True, True, False]
        assert [cycle.ready for cycle in cycles] == [True] * 3
        assert [cycle.first_index for cycle in cycles] == [number << shift for number in (DAY, DAY + 2, DAY + 4)]
        assert [cycle.last_index for cycle in cycles] == [cycle.first_index + cycle.count - 1 for cycle in cycles]
        assert [cycle.size_bytes for cycle in cycles] == [os.path.getsize(cycle.path) for cycle in cycles]
        assert all(0 < cycle.used_bytes < cycle.size_bytes for cycle in cycles)
        assert [(cycle.data_format, cycle.index_count, cycle.index_spacing) for cycle in cycles] == [(1, 4096, 256)] * 3
        assert cycles[1].start_ms == (DAY + 2) * DAY_MS
        assert repr(cycles[0]) == f"<Cycle {DAY}, 20240305F.cq4>"
        assert cycles == queue.cycles()


def test_custom_index_counts_are_those_of_new_files_and_leave_indexes_alone(make):
    with make(index_count=16, index_spacing=2) as queue:
        index = queue.appender().append_many([b"x"] * 100).last
        assert index == (DAY << 32) + 99
        cycle = queue.cycles()[0]
        assert (cycle.index_count, cycle.index_spacing, cycle.count) == (16, 2, 100)


def test_count_is_half_open_across_cycles(make, clock):
    with make() as queue, queue.appender() as appender:
        first = appender.append_many([b"x"] * 10)
        clock.forward(DAY_MS)
        second = appender.append_many([b"x"] * 20)
        clock.forward(3 * DAY_MS)
        third = appender.append_many([b"x"] * 30)
        assert queue.count() == 60
        assert queue.count(first[0], first[0]) == 0
        assert queue.count(first[2], first[7]) == 5
        assert queue.count(first[7], first[2]) == 5
        assert queue.count(first[2], second[5]) == 13
        assert queue.count(first[2], third[5]) == 33
        assert queue.count(end=second[5]) == 15
        assert queue.count(start=second[5]) == 45
        assert queue.count(start=third[29]) == 1
        # The place of a tailer that went backward beyond the first message of a cycle.
        assert queue.count(first[0] - 1, first[4]) == 5
        with pytest.raises(px.NotFoundError, match="has no roll file"):
            queue.count(first[0], queue.index(DAY + 2, 0))
        with pytest.raises(px.UsageError):
            queue.count(-5, 7)


def test_arithmetic(queue):
    index = queue.index(DAY, 7)
    assert index == (DAY << 32) + 7
    assert (queue.cycle_of(index), queue.sequence_of(index)) == (DAY, 7)
    assert queue.file_name(DAY) == "20240305F.cq4"
    assert queue.cycle_of_file("20240305F.cq4") == DAY
    assert queue.cycle_of_file("/some/where/20240305F.cq4") == DAY
    assert queue.cycle_of_file("20240305.cq4") is None
    assert queue.cycle_at(START_MS) == DAY
    assert queue.start_ms(DAY) == DAY * DAY_MS


@pytest.mark.parametrize("wrong", [None, "5", 1.5, b"5", [5], object()], ids=repr)
@pytest.mark.parametrize(
    "ask",
    [
        lambda queue, it: queue.index(it, 0),
        lambda queue, it: queue.index(0, it),
        lambda queue, it: queue.cycle_of(it),
        lambda queue, it: queue.sequence_of(it),
        lambda queue, it: queue.file_name(it),
        lambda queue, it: queue.path_of(it),
        lambda queue, it: queue.cycle_at(it),
        lambda queue, it: queue.start_ms(it),
        lambda queue, it: queue.date_of(it),
        lambda queue, it: queue.index_of("2024-03-05", it),
        lambda queue, it: queue.roll_cycle.cycle_at(0, [it]),
        lambda queue, it: queue.roll_cycle.with_counts(index_spacing=[it]),
        lambda queue, it: next(queue.tailer().spans(it)),
    ],
)
def test_a_number_of_the_wrong_type_is_named(queue, ask, wrong):
    """In words of the API, and without reckoning with it first: a cycle times a length of "5" would be a huge text."""
    with pytest.raises(TypeError, match=r"(cycle|sequence|index|_ms|index_spacing|limit) is an int, not \w+"):
        ask(queue, wrong)


@pytest.mark.parametrize("reading", [None, "5", 1.5, b"5", [5]], ids=repr)
def test_a_clock_that_tells_no_int_is_told(path, reading):
    with px.open_queue(path, "a", clock=lambda: reading) as queue:
        appender = queue.appender()
        for append in (lambda: appender.append(b"x"), lambda: appender.append_many([b"x"])):
            with pytest.raises(TypeError, match=r"what clock\(\) returns is an int, not \w+"):
                append()
        assert queue.count() == 0


@pytest.mark.parametrize("reading", [1 << 63, -(1 << 63) - 1, 10**30, -1, (1 << 63) - 1])
def test_a_clock_that_tells_no_time_is_told(path, reading):
    with px.open_queue(path, "a", roll="TEST_SECONDLY", clock=lambda: reading) as queue:
        with pytest.raises(px.UsageError, match="clock"):
            queue.appender().append(b"x")
        assert queue.count() == 0


def test_refresh_sees_deleted_files(make, path, clock):
    with make() as queue, queue.appender() as appender:
        for _ in range(3):
            appender.append(b"x")
            clock.forward(DAY_MS)
        os.unlink(os.path.join(path, queue.file_name(DAY)))
        queue.refresh()
        assert queue.first_cycle == DAY + 1
        assert queue.table_store["listing.lowestCycle"] == DAY + 1
        assert queue.count() == 2


def test_repr_helps(make, path):
    with make() as queue:
        assert repr(queue) == f"<Queue {path!r}, cq5 FAST_DAILY, mode 'a'>"
    assert repr(queue) == f"<Queue {path!r}, cq5 FAST_DAILY, mode 'a', closed>"


# --- on_cycle --------------------------------------------------------------------------------------------------------


def test_on_cycle_tells_of_files_acquired_and_released(make, path, clock):
    told = []
    names = [os.path.join(path, name) for name in ("20240305F.cq4", "20240306F.cq4")]
    with make(on_cycle=lambda *facts: told.append(facts)) as queue:
        with queue.appender() as appender:
            appender.append(b"a")
            appender.append(b"b")
            assert told == [(DAY, names[0], True)]
            clock.forward(DAY_MS)
            appender.append_many([b"c", b"d"])
            assert told[1:] == [(DAY, names[0], False), (DAY + 1, names[1], True)]
        assert told[3:] == [(DAY + 1, names[1], False)]
        told.clear()
        with queue.tailer() as tailer:
            assert tailer.read() == b"a"
            assert told == [(DAY, names[0], True)]
            assert list(tailer) == [b"b", b"c", b"d"]
            assert told[1:] == [(DAY, names[0], False), (DAY + 1, names[1], True)]
        assert told[3:] == [(DAY + 1, names[1], False)]


def test_on_cycle_that_fails_does_not_fail_the_append(make):
    def fails(cycle, path, acquired):
        raise RuntimeError("no")

    with make(on_cycle=fails) as queue:
        with pytest.warns(px.ChronixWarning, match="on_cycle failed for cycle 19787"):
            appender = queue.appender()
            assert appender.append(b"a") == DAY << 32
        with pytest.warns(px.ChronixWarning, match="on_cycle failed"):
            appender.close()


# --- lifetime --------------------------------------------------------------------------------------------------------


def test_closing_the_queue_closes_its_appenders_and_tailers(make):
    queue = make()
    appender, tailer = queue.appender(), queue.tailer()
    appender.append(b"x")
    queue.close()
    queue.close()
    assert (queue.closed, appender.closed, tailer.closed) == (True, True, True)
    for use in (
        lambda: appender.append(b"y"),
        lambda: appender.append(bytearray(b"y")),
        lambda: appender.append_many([b"y"]),
        lambda: appender.append_text("y"),
        lambda: appender.append_at(5, b"y"),
        lambda: appender.sync(),
        lambda: appender.pretouch(),
        lambda: appender.normalise_eofs(),
        lambda: appender.last_index,
        lambda: tailer.read(),
        lambda: list(tailer),
        lambda: list(tailer.with_index()),
        lambda: list(tailer.views()),
        lambda: list(tailer.spans()),
        lambda: tailer.read_many(3),
        lambda: tailer.to_start(),
        lambda: tailer.to_end(),
        lambda: tailer.move_to_index(5),
        lambda: tailer.move_to_cycle(5),
        lambda: setattr(tailer, "direction", "backward"),
        lambda: tailer.index,
        lambda: tailer.state,
        lambda: queue.appender(),
        lambda: queue.tailer(),
        lambda: queue.refresh(),
        lambda: queue.first_index,
        lambda: queue.last_index,
        lambda: queue.cycles(),
        lambda: queue.count(),
        lambda: dict(queue.table_store),
        lambda: queue.table_store["listing.modCount"],
    ):
        with pytest.raises(px.ClosedError):
            use()
    assert "closed" in repr(appender)
    assert "closed" in repr(tailer)


def test_a_forgotten_queue_is_warned_of_and_closed(path):
    queue = px.open_queue(path, "a")
    queue.appender().append(b"x")
    with pytest.warns(ResourceWarning, match="unclosed queue"):
        del queue
        gc.collect()


def test_appender_and_tailer_keep_their_queue(path):
    appender = px.open_queue(path, "a").appender()
    gc.collect()
    appender.append(b"x")
    assert list(appender.queue.tailer()) == [b"x"]
    appender.queue.close()


def test_nothing_of_it_can_be_pickled(queue):
    for thing in (queue, queue.appender(), queue.tailer()):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)


def test_one_queue_serves_many_threads(make):
    queue = make()
    failures = []

    def work(number):
        try:
            with queue.appender() as appender, queue.tailer() as tailer:
                mine = [b"%d-%d" % (number, i) for i in range(2000)]
                for message in mine[:1000]:
                    appender.append(message)
                appender.append_many(mine[1000:])
                seen = [m for m in tailer if m.startswith(b"%d-" % number)]
                assert seen == mine
                assert queue.count() >= 2000
                assert queue.last_index >= appender.last_index
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert queue.count() == 8000
    assert len(set(queue.tailer())) == 8000


def test_after_fork_every_use_is_refused_in_the_child(make):
    queue = make()
    appender, tailer = queue.appender(), queue.tailer()
    appender.append_many([b"x"] * 50)
    assert [tailer.read() for _ in range(10)] == [b"x"] * 10  # Some are read ahead.

    def child():
        for use in (
            lambda: appender.append(b"y"),
            lambda: tailer.read(),
            lambda: list(tailer),
            lambda: queue.tailer(),
            lambda: queue.count(),
        ):
            try:
                use()
            except ForkedError:
                continue
            return False
        queue.close()
        with px.open_queue(queue.path, "r+", clock=Clock()) as again:
            return again.appender().append(b"child") == (DAY << 32) + 50

    assert in_child(child) == 0
    assert tailer.read_many(100) == [b"x"] * 40 + [b"child"]
    assert appender.append(b"z") == (DAY << 32) + 51


def test_a_lock_of_a_dead_process_is_released_and_one_of_a_live_one_respected(make):
    queue = make(timeout_ms=40)
    table = queue.table_store
    with queue.appender() as appender:
        appender.append(b"x")
        dead = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(dead, 0)
        assert table.compare_and_set("chronicle.write.lock", -(1 << 63), dead)
        assert appender.append(b"y") == (DAY << 32) + 1
        assert appender.recovered_locks == 1
        assert table["chronicle.write.lock"] == -(1 << 63)
        live = os.getppid()
        assert table.compare_and_set("chronicle.write.lock", -(1 << 63), live)
        for append in (lambda: appender.append(b"z"), lambda: appender.append_many([b"z"])):
            with pytest.raises(LockedError) as caught:
                append()
            assert caught.value.pid == live
            assert f"process {live}" in str(caught.value)
        assert table["chronicle.write.lock"] == live
        assert table.compare_and_set("chronicle.write.lock", live, -(1 << 63))
        assert appender.append(b"z") == (DAY << 32) + 2


def test_an_append_waits_for_a_lock_that_is_given_back(make):
    queue = make(timeout_ms=5000)
    table = queue.table_store
    appender = queue.appender()
    appender.append(b"x")
    live = os.getppid()
    assert table.compare_and_set("chronicle.write.lock", -(1 << 63), live)
    timer = threading.Timer(0.05, lambda: table.compare_and_set("chronicle.write.lock", live, -(1 << 63)))
    timer.start()
    assert appender.append(b"y") == (DAY << 32) + 1
    timer.join()


def test_a_copy_of_a_queue_reads_the_same(make, path, tmp_path):
    with make() as queue:
        queue.appender().append_many([b"%d" % i for i in range(1000)])
        expected = list(queue.tailer().with_index())
    shutil.copytree(path, tmp_path / "copy")
    with px.open_queue(tmp_path / "copy") as queue:
        assert list(queue.tailer().with_index()) == expected
