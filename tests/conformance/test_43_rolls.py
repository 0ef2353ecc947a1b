"""Specification 11, items 43 to 50: rolling, file names, clocks."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import (
    BLOCK,
    CYCLE,
    DAY_MS,
    FIRST,
    HOUR_MS,
    T0,
    UNLOCKED,
    WRITE_LOCK,
    Clock,
    append,
    create,
    end_of,
    pairs,
    peek,
    poke,
    read_all,
    roll_file,
    roll_files,
    set_key,
    table_values,
    u32,
)
from fix_java import FixtureQueue, JavaError, JavaPeer

import pychronix as px
from pychronix.errors import ChronixError, CycleClosedError, NotReadyError, UsageError
from pychronix.inspect import verify
from pychronix.rolling import ROLL_CYCLES, RollCycle

Unpack = Callable[[str], dict[str, FixtureQueue]]
EOF_WORD = 0xC0000000


def closed(queue: Path) -> list[bool]:
    """Which roll files end with an end-of-data marker."""
    return [u32(file, end_of(file)) == EOF_WORD for file in roll_files(queue)]


def day(number: int) -> int:
    return CYCLE + number << 32


def test_43_the_file_left_is_closed(tmp_path: Path) -> None:
    path, clock = tmp_path / "q", Clock()
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"one")
        assert closed(path) == [False]
        clock.ms += DAY_MS
        appender.append(b"two")
        assert closed(path) == [True, False]
        clock.ms += 7 * DAY_MS
        list(appender.append_many([b"three", b"four"]))
        assert closed(path) == [True, True, False]
    file = roll_files(path)[0]
    assert peek(file, end_of(file), 8) == bytes.fromhex("000000c0c3454f46")
    assert verify(path).clean


def test_43_so_is_the_highest_earlier_file_that_another_wrote(java: JavaPeer, tmp_path: Path) -> None:
    path, clock = tmp_path / "q", Clock()
    with (
        px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue,
        java.open(path, roll="TEST4_DAILY", clock_ms=T0 + 2 * DAY_MS, block_size=BLOCK) as theirs,
    ):
        appender = queue.appender()
        appender.append(b"ours, day 0")
        theirs.appender().append(b"Java's, day 2")
        clock.ms = T0 + 5 * DAY_MS
        appender.append(b"ours, day 5")
        assert closed(path) == [True, True, False]
        theirs.set_clock(T0 + 6 * DAY_MS)
        theirs.appender().append(b"Java's, day 6")
        assert closed(path) == [True, True, True, False]
        expected = [(day(0), b"ours, day 0"), (day(2), b"Java's, day 2"), (day(5), b"ours, day 5"),
                    (day(6), b"Java's, day 6")]  # fmt: skip
        assert pairs(theirs.dump()) == expected
    assert read_all(path) == expected


@pytest.mark.parametrize("missing", [[0], [1], [0, 1], [0, 1, 2]])
def test_43_a_missing_marker_is_made_up_for_before_a_new_cycle(
    java: JavaPeer, tmp_path: Path, missing: list[int]
) -> None:
    path = tmp_path / "q"
    for number in range(4):
        (create if number == 0 else append)(path, [b"%d" % number], clock_ms=T0 + number * DAY_MS)
    set_key(path, "normalisedEOFsTo", CYCLE)
    for number in missing:
        file = roll_files(path)[number]
        poke(file, end_of(file), bytes(8))
    append(path, [b"4"], clock_ms=T0 + 4 * DAY_MS)
    expected = [(day(number), b"%d" % number) for number in range(5)]
    assert closed(path) == [True] * 4 + [False]
    assert read_all(path) == expected
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


def test_43_normalise_eofs_closes_what_is_open(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    for number in range(3):
        (create if number == 0 else append)(path, [b"%d" % number], clock_ms=T0 + number * DAY_MS)
    set_key(path, "normalisedEOFsTo", CYCLE)
    for file in roll_files(path):
        poke(file, end_of(file), bytes(8))
    with px.open_queue(path, "r+", clock=Clock(T0 + 2 * DAY_MS), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"more")
        appender.normalise_eofs()
    assert closed(path) == [True, True, False]
    assert table_values(path)["normalisedeofsto"] in (CYCLE + 1, CYCLE + 2)
    with java.open(path, readonly=True) as theirs:
        assert [e.data for e in theirs.dump()] == [b"0", b"1", b"2", b"more"]


def test_44_creating_a_file_updates_the_listing(tmp_path: Path) -> None:
    path, clock = tmp_path / "q", Clock()
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue:
        table, appender = queue.table_store, queue.appender()
        assert table["listing.lowestCycle"] == (1 << 31) - 1
        assert table["listing.highestCycle"] == -(1 << 31)
        for number in (0, 1, 5):
            clock.ms = T0 + number * DAY_MS
            before = table["listing.modCount"]
            appender.append(b"x")
            assert table["listing.modCount"] > before
            assert (table["listing.lowestCycle"], table["listing.highestCycle"]) == (CYCLE, CYCLE + number)
            before = table["listing.modCount"]
            appender.append(b"y")
            assert table["listing.modCount"] == before, "nothing happened to the directory"
        # An earlier cycle, written at an explicit index.
        assert appender.append_at(CYCLE - 3 << 32, b"earlier")
        assert (table["listing.lowestCycle"], table["listing.highestCycle"]) == (CYCLE - 3, CYCLE + 5)
    assert not [f for f in verify(path).findings if f.kind == "listing"]


def test_44_deleted_files_are_noticed_by_a_refresh(tmp_path: Path) -> None:
    path = tmp_path / "q"
    for number in range(3):
        (create if number == 0 else append)(path, [b"%d" % number], clock_ms=T0 + number * DAY_MS)
    roll_files(path)[0].unlink()
    assert table_values(path)["listing.lowestcycle"] == CYCLE
    with px.open_queue(path) as queue:
        queue.refresh()  # Read-only: nothing is stored.
    assert table_values(path)["listing.lowestcycle"] == CYCLE
    with px.open_queue(path, "r+") as queue:
        assert queue.first_cycle == CYCLE + 1
        assert table_values(path)["listing.lowestcycle"] == CYCLE + 1, "a new writer refreshes"
        roll_files(path)[-1].unlink()
        queue.refresh()
    values = table_values(path)
    assert (values["listing.lowestcycle"], values["listing.highestcycle"]) == (CYCLE + 1, CYCLE + 1)


def test_44_a_busy_java_tailer_is_not_stalled_by_our_rolls(java: JavaPeer, tmp_path: Path) -> None:
    path, count = tmp_path / "q", 30
    with java.open(path, roll="TEST_SECONDLY", clock_ms=T0, block_size=1 << 20) as theirs:
        theirs.appender().append(b"from Java, who has the queue open")
        follow = theirs.follow(tmp_path / "seen", limit=count + 1)
        clock = Clock()
        begun = time.monotonic()
        with px.open_queue(path, "r+", clock=clock, block_size_bytes=1 << 20) as queue:
            appender = queue.appender()
            for number in range(count):
                clock.ms += 1000
                appender.append(struct.pack("<qq", 1, number))
                # The follower stands at the end of that file, polling, when the next one comes.
                kit.wait_until(lambda n=number: follow.state().seen == n + 2)  # type: ignore[misc]
        follow.wait()
        assert time.monotonic() - begun < 30, "Java lists the directory anew after a minute only"


def test_45_nothing_is_written_after_an_end_of_data(java_fixture: Unpack) -> None:
    queue = java_fixture("v5/last-closed")["last-closed"]
    assert closed(queue.path) == [True, True]
    before = [file.read_bytes() for file in roll_files(queue.path)]
    last = queue.excerpts[-1][0]
    with px.open_queue(queue.path, "r+", clock=Clock(T0 + DAY_MS), block_size_bytes=1 << 16) as ours:
        appender = ours.appender()
        for call in (
            lambda: appender.append(b"x"),
            lambda: appender.append_many([b"x"]),
            lambda: appender.append_at(last + 1, b"x"),
        ):
            with pytest.raises(CycleClosedError):
                call()
        with pytest.raises(CycleClosedError), appender.writing(meta=True) as excerpt:
            excerpt.write(b"x")
        assert ours.table_store[WRITE_LOCK] == UNLOCKED
    assert [file.read_bytes() for file in roll_files(queue.path)] == before
    (index,) = append(queue.path, [b"next"], clock_ms=T0 + 2 * DAY_MS)
    assert (index, read_all(queue.path)) == (day(2), [*queue.excerpts, (day(2), b"next")])


def test_45_java_refuses_such_a_cycle_too(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    append(path, [b"two"], clock_ms=T0 + DAY_MS)
    roll_files(path)[1].unlink()
    with java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs:
        with pytest.raises(JavaError):
            theirs.appender().append(b"x")
    with pytest.raises(CycleClosedError):
        append(path, [b"x"])
    assert read_all(path) == [(FIRST, b"one")]


def test_46_reading_goes_on_behind_an_end_of_data(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    cycles = [0, 1, 2, 30, 400, 401]
    for number in cycles:
        (create if number == 0 else append)(path, [b"%d" % number], clock_ms=T0 + number * DAY_MS)
    expected = [(day(number), b"%d" % number) for number in cycles]
    assert read_all(path) == expected
    assert read_all(path, backward=True) == expected[::-1]
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected
        assert pairs(theirs.dump(backward=True)) == expected[::-1]
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        assert [tailer.read() for _ in cycles] == [b"%d" % number for number in cycles]
        append(path, [b"later"], clock_ms=T0 + 500 * DAY_MS)
        assert (tailer.read(), tailer.index, tailer.cycle) == (b"later", day(500) + 1, CYCLE + 500)


def test_46_without_an_end_of_data_it_stays(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    append(path, [b"two"], clock_ms=T0 + DAY_MS)
    file = roll_files(path)[0]
    place = end_of(file)
    poke(file, place, bytes(8))
    with px.open_queue(path) as queue, java.open(path, readonly=True) as theirs:
        tailer, java_tailer = queue.tailer(), theirs.tailer()
        assert [tailer.read(), tailer.read(), tailer.read()] == [b"one", None, None]
        assert pairs(java_tailer.read_all()) == [(FIRST, b"one")]
        where = java_tailer.where()
        assert (tailer.index, tailer.state.name) == (where.index, where.state)
        poke(file, place, struct.pack("<I", EOF_WORD))
        assert (tailer.read(), tailer.index) == (b"two", day(1) + 1)
        assert pairs(java_tailer.read_all()) == [(day(1), b"two")]


def test_46_a_cycle_without_messages_is_passed_over(java: JavaPeer, tmp_path: Path) -> None:
    path, clock = tmp_path / "q", Clock()
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"one")
        for _ in range(2):
            clock.ms += DAY_MS
            with appender.writing(meta=True) as excerpt:
                excerpt.write(b"nothing but metadata")
        clock.ms += DAY_MS
        appender.append(b"two")
        expected = [(day(0), b"one"), (day(3), b"two")]
        assert list(queue.tailer().with_index()) == expected
        assert list(queue.tailer(start="end", direction="backward").with_index()) == expected[::-1]
        assert [cycle.count for cycle in queue.cycles()] == [1, 0, 0, 1]
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


#: Specification 6.2: file name and cycle of 2024-03-05T10:37:42.5Z with epoch 0.
NAMES = [
    "FIVE_MINUTELY",
    "20240305-1035V",
    "5698783",
    "TEN_MINUTELY",
    "20240305-1030X",
    "2849391",
    "TWENTY_MINUTELY",
    "20240305-1020XX",
    "1424695",
    "HALF_HOURLY",
    "20240305-1030H",
    "949797",
    "FAST_HOURLY",
    "20240305-10F",
    "474898",
    "TWO_HOURLY",
    "20240305-10II",
    "237449",
    "FOUR_HOURLY",
    "20240305-08IV",
    "118724",
    "SIX_HOURLY",
    "20240305-06VI",
    "79149",
    "FAST_DAILY",
    "20240305F",
    "19787",
    "WEEKLY",
    "2024W10",
    "2826",
    "MINUTELY",
    "20240305-1037",
    "28493917",
    "HOURLY",
    "20240305-10",
    "474898",
    "DAILY",
    "20240305",
    "19787",
    "LARGE_HOURLY",
    "20240305-10L",
    "474898",
    "LARGE_DAILY",
    "20240305L",
    "19787",
    "XLARGE_DAILY",
    "20240305X",
    "19787",
    "HUGE_DAILY",
    "20240305H",
    "19787",
    "SMALL_DAILY",
    "20240305S",
    "19787",
    "LARGE_HOURLY_SPARSE",
    "20240305-10LS",
    "474898",
    "LARGE_HOURLY_XSPARSE",
    "20240305-10LX",
    "474898",
    "HUGE_DAILY_XSPARSE",
    "20240305HX",
    "19787",
    "TEST_SECONDLY",
    "20240305-103742T",
    "1709635062",
    "TEST4_SECONDLY",
    "20240305-103742T4",
    "1709635062",
    "TEST_HOURLY",
    "20240305-10T",
    "474898",
    "TEST_DAILY",
    "20240305T1",
    "19787",
    "TEST2_DAILY",
    "20240305T2",
    "19787",
    "TEST4_DAILY",
    "20240305T4",
    "19787",
    "TEST8_DAILY",
    "20240305T8",
    "19787",
]


def test_47_all_roll_cycles_are_known() -> None:
    assert sorted(NAMES[::3]) == sorted(ROLL_CYCLES)


@pytest.mark.parametrize(("roll", "name", "cycle"), list(zip(*[iter(NAMES)] * 3, strict=True)), ids=NAMES[::3])
def test_47_file_names_and_cycles_are_each_others_inverse(tmp_path: Path, roll: str, name: str, cycle: str) -> None:
    known = ROLL_CYCLES[roll]
    assert known.cycle_at(T0) == int(cycle)
    assert known.file_name(int(cycle)) == f"{name}.cq4"
    assert known.cycle_of_file(f"{name}.cq4") == int(cycle)
    assert known.cycle_of_file(f"{name}.cq4x") is None
    if not known.creatable:
        return
    for epoch_ms in (0, 5 * HOUR_MS, 81_000_000, 1, 3 * DAY_MS, 100 * DAY_MS + HOUR_MS):
        path = tmp_path / str(epoch_ms)
        if epoch_ms % 1000 and roll in ("TEST_SECONDLY", "TEST4_SECONDLY"):
            continue  # Cycles are told apart by whole seconds.
        for time_ms in (T0, T0 + known.length_ms, T0 + 1000 * known.length_ms):
            number = known.cycle_at(time_ms, epoch_ms)
            assert known.cycle_of_file(known.file_name(number, epoch_ms), epoch_ms) == number
        (index,) = create(path, [b"x"], roll=roll, epoch_ms=epoch_ms)
        with px.open_queue(path) as queue:
            assert queue.cycle_of(index) == known.cycle_at(T0, epoch_ms) == (T0 - epoch_ms) // known.length_ms
            assert roll_file(path).name == queue.file_name(queue.cycle_of(index))
            assert queue.cycle_of_file(roll_file(path).name) == queue.first_cycle == queue.cycle_of(index)
            assert list(queue.tailer().with_index()) == [(index, b"x")]


@pytest.mark.parametrize(
    ("options", "name", "cycle"),
    [
        ({"roll": "FAST_DAILY", "roll_time": "22:30"}, "20240304F.cq4", 19786),
        ({"roll": "FAST_HOURLY", "epoch_ms": 5 * HOUR_MS}, "20240305-05F.cq4", 474893),
    ],
)
def test_47_epochs_name_files_as_java_does(
    java: JavaPeer, tmp_path: Path, options: dict[str, object], name: str, cycle: int
) -> None:
    at = T0 - T0 % DAY_MS + 10 * HOUR_MS  # 10:00
    for who, path in (("ours", tmp_path / "ours"), ("java", tmp_path / "java")):
        if who == "ours":
            (index,) = create(path, [b"x"], clock_ms=at, block_size_bytes=1 << 17, **options)
        else:
            with java.open(path, clock_ms=at, block_size=1 << 17, **options) as theirs:
                assert theirs.appender().append(b"x") == index
        assert index == cycle << 32
        assert roll_file(path).name == name
        assert read_all(path) == [(index, b"x")]
    with java.open(tmp_path / "ours", clock_ms=at + HOUR_MS, block_size=1 << 17) as theirs:
        assert pairs(theirs.dump()) == [(index, b"x")]
        theirs.appender().append(b"later")
    assert [data for _, data in read_all(tmp_path / "ours")] == [b"x", b"later"]


def test_48_other_files_are_ignored(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    good = roll_file(path).read_bytes()
    for name in (
        "20240306T4.cq4-1709635062500.discard", "20240306T4.precreated", "20240306T4.cq4.bak", "20240306T4.txt",
        "20240306T4.cq", "20240306T4.CQ4", "notes", "20240306T4.cq4~",
    ):  # fmt: skip
        (path / name).write_bytes(good)
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
        assert [cycle.number for cycle in queue.cycles()] == [CYCLE]
        queue.refresh()
        assert (queue.table_store["listing.highestCycle"], queue.last_cycle) == (CYCLE, CYCLE)
        assert queue.appender().append(b"two") == FIRST + 1
    assert read_all(path) == [(FIRST, b"one"), (FIRST + 1, b"two")]
    with java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs:
        assert pairs(theirs.dump()) == read_all(path)


@pytest.mark.parametrize("content", ["empty", "zeros", "ready"])
def test_48_a_precreated_file_is_used(java: JavaPeer, tmp_path: Path, content: str) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    ready = tmp_path / "elsewhere"
    with px.open_queue(ready, "a", roll="TEST4_DAILY", clock=Clock(T0 + DAY_MS), block_size_bytes=BLOCK) as queue:
        with queue.appender().writing(meta=True) as excerpt:
            excerpt.write(b"precreated")
    precreated = path / "20240306T4.precreated"
    if content == "ready":
        roll_file(ready).rename(precreated)
    else:
        precreated.write_bytes(b"" if content == "empty" else bytes(8192))
    inode = precreated.stat().st_ino
    assert append(path, [b"two"], clock_ms=T0 + DAY_MS) == [day(1)]
    assert not precreated.exists()
    assert (path / "20240306T4.cq4").stat().st_ino == inode
    values = table_values(path)
    assert (values["listing.lowestcycle"], values["listing.highestcycle"]) == (CYCLE, CYCLE + 1)
    expected = [(FIRST, b"one"), (day(1), b"two")]
    assert read_all(path) == expected
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


def test_48_a_precreated_file_is_left_alone_if_the_cycle_has_one(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    (path / "20240305T4.precreated").write_bytes(b"anything")
    append(path, [b"two"])
    assert (path / "20240305T4.precreated").read_bytes() == b"anything"


def stuck(path: Path, word: int = 0x80000000) -> Path:
    """A queue with day 0, and a file of day 1 whose creator got no further than claiming it."""
    create(path, [b"one"])
    file = path / "20240306T4.cq4"
    file.write_bytes(struct.pack("<I", word) + bytes(8188))
    return file


def test_49_a_stuck_file_is_set_aside_after_the_timeout(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    file = stuck(path)
    now_ms = time.time_ns() // 1_000_000
    begun = time.monotonic()
    assert append(path, [b"two"], clock_ms=T0 + DAY_MS, timeout_ms=300) == [day(1)]
    assert 0.3 <= time.monotonic() - begun < 10
    (aside,) = path.glob("*.discard")
    match = re.fullmatch(r"20240306T4\.cq4-(\d+)\.discard", aside.name)
    assert match is not None and abs(int(match[1]) - now_ms) < 60_000
    assert u32(aside, 0) == 0x80000000
    assert u32(file, 0) == 0x400000C1
    expected = [(FIRST, b"one"), (day(1), b"two")]
    assert read_all(path) == expected
    assert closed(path) == [True, False]
    assert verify(path).ok
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


def test_49_at_once_after_its_creator_died_holding_the_lock(tmp_path: Path) -> None:
    for number, when in enumerate(("before opening", "while open")):
        path = tmp_path / str(number)
        stuck(path)
        if when == "before opening":
            set_key(path, WRITE_LOCK, kit.dead_pid())
        begun = time.monotonic()
        with px.open_queue(path, "r+", clock=Clock(T0 + DAY_MS), block_size_bytes=BLOCK, timeout_ms=60_000) as queue:
            appender = queue.appender()
            if when == "while open":
                set_key(path, WRITE_LOCK, kit.dead_pid())
            assert appender.append(b"two") == day(1)
        assert time.monotonic() - begun < 10
        assert len(list(path.glob("*.discard"))) == 1


def test_49_an_earlier_stuck_file_does_not_stop_a_writer(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    stuck(path)
    assert append(path, [b"three"], clock_ms=T0 + 2 * DAY_MS, timeout_ms=300) == [day(2)]
    expected = [(FIRST, b"one"), (day(2), b"three")]
    assert read_all(path) == expected
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


@pytest.mark.parametrize("size", [0, 3, 4, 100, 8192])
def test_49_a_file_nobody_claimed_is_simply_initialised(tmp_path: Path, size: int) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    (path / "20240306T4.cq4").write_bytes(bytes(size))
    begun = time.monotonic()
    assert append(path, [b"two"], clock_ms=T0 + DAY_MS, timeout_ms=60_000) == [day(1)]
    assert time.monotonic() - begun < 10
    assert list(path.glob("*.discard")) == []
    assert read_all(path) == [(FIRST, b"one"), (day(1), b"two")]


def test_49_a_reader_waits_for_a_file_that_is_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    append(path, [b"two"], clock_ms=T0 + DAY_MS)
    file = roll_files(path)[1]
    word = peek(file, 0, 4)
    with px.open_queue(path, timeout_ms=50) as queue:
        tailer = queue.tailer()
        assert tailer.read() == b"one"
        for waiting in (bytes(4), b"\0\0\0\x80"):
            poke(file, 0, waiting)
            assert tailer.read() is None
            assert list(queue.tailer(start="end", direction="backward")) == [b"one"]
        poke(file, 0, word)
        assert tailer.read() == b"two"
    assert list(path.glob("*.discard")) == []


def test_49_java_sets_a_stuck_file_aside_under_the_same_name(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    stuck(path)
    with java.open(path, roll="TEST4_DAILY", clock_ms=T0 + DAY_MS, block_size=BLOCK, timeout_ms=300) as theirs:
        assert theirs.appender().append(b"two") == day(1)
    (aside,) = path.glob("*.discard")
    assert re.fullmatch(r"20240306T4\.cq4-\d+\.discard", aside.name)
    assert append(path, [b"three"], clock_ms=T0 + DAY_MS) == [day(1) + 1]
    assert [data for _, data in read_all(path)] == [b"one", b"two", b"three"]


def test_49_not_ready_is_an_error_where_nothing_may_be_renamed(tmp_path: Path) -> None:
    # In mode "r" asking for the facts of such a file tells that there are none (yet).
    path = tmp_path / "q"
    stuck(path)
    with px.open_queue(path, timeout_ms=50) as queue:
        assert [cycle.count for cycle in queue.cycles()] == [1, 0]
        try:
            moved = queue.tailer().move_to_cycle(CYCLE + 1)
        except NotReadyError:
            moved = False
        assert not moved


@pytest.mark.parametrize("again", [False, True], ids=["same appender", "opened again"])
def test_50_a_clock_that_steps_back_keeps_the_order(java: JavaPeer, tmp_path: Path, again: bool) -> None:
    path, clock = tmp_path / "q", Clock(T0 + 2 * DAY_MS)
    written: list[int] = []
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        for step in (0, -DAY_MS, -1, -2 * DAY_MS, 5 * DAY_MS, -4 * DAY_MS, 0):
            clock.ms += step
            if again:
                appender.close()
                appender = queue.appender()
            written.append(appender.append(b"%d" % len(written)))
    assert written == sorted(set(written))
    expected = [(index, b"%d" % number) for number, index in enumerate(written)]
    assert read_all(path) == expected
    assert verify(path).clean
    with java.open(path, roll="TEST4_DAILY", clock_ms=T0 + 9 * DAY_MS, block_size=BLOCK) as theirs:
        assert pairs(theirs.dump()) == expected
        assert theirs.appender().append(b"Java") == CYCLE + 9 << 32


def test_50_a_clock_behind_java_does_not_corrupt(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs:
        appender = theirs.appender()
        appender.append(b"day 0")
        theirs.set_clock(T0 + DAY_MS)
        appender.append(b"day 1")
        assert append(path, [b"ours, a day behind"], clock_ms=T0) == [day(1) + 1]
        assert appender.append(b"day 1") == day(1) + 2
    assert [data for _, data in read_all(path)] == [b"day 0", b"day 1", b"ours, a day behind", b"day 1"]
    assert verify(path).ok


def test_50_a_clock_before_the_epoch_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(-5), block_size_bytes=BLOCK) as queue:
        with pytest.raises(ChronixError) as caught:
            queue.appender().append(b"x")
        assert isinstance(caught.value, UsageError)
        assert queue.table_store[WRITE_LOCK] == UNLOCKED
    assert roll_files(path) == []
    assert RollCycle.parse("TEST4_DAILY").cycle_at(0) == 0
