"""What an appender of a Vanilla journal makes of files, and what it refuses (spec chronicle-3 2.9)."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from clock import Clock
from vanilla_kit import DAY, DAY_MS, files_of

import pychronix as px
from pychronix.errors import IndexRangeError, MessageTooLongError, ReadOnlyError

E = 1 << 40
TODAY, TOMORROW = "20240305", "20240306"
Make = Callable[..., px.Queue]


def names(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


def test_opening_makes_the_directory_and_only_an_append_makes_a_cycle(make: Make, path: Path) -> None:
    queue = make(thread_id=77)
    appender, tailer = queue.appender(), queue.tailer()
    appender.pretouch()
    appender.sync()
    assert (tailer.read(), names(path)) == (None, set())
    appender.append(b"x")
    assert names(path) == {TODAY, f"{TODAY}/index-0", f"{TODAY}/data-77-0"}
    assert {name: len(data) for name, data in files_of(path).items()} == {
        f"{TODAY}/index-0": 1024,
        f"{TODAY}/data-77-0": 4096,
    }


def test_each_appender_makes_a_data_file_of_its_own(make: Make, path: Path) -> None:
    one, other = make(thread_id=77), make(thread_id=77)
    first, second, third = one.appender(), one.appender(), other.appender()
    for turn in range(3):
        for number, appender in enumerate((first, second, third)):
            appender.append(b"%d.%d" % (number, turn))
    first.close()
    one.appender().append(b"a new session")
    assert {name for name in names(path) if "data" in name} == {f"{TODAY}/data-77-{number}" for number in range(4)}
    assert list(one.tailer()) == [b"%d.%d" % (n, turn) for turn in range(3) for n in range(3)] + [b"a new session"]


def test_an_appender_that_goes_to_another_thread_makes_another_file(make: Make, path: Path) -> None:
    queue = make()
    appender = queue.appender()
    ids = [threading.get_native_id()]
    appender.append(b"here")

    def elsewhere() -> None:
        ids.append(threading.get_native_id())
        appender.append(b"there")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    appender.append(b"here again")
    assert {name for name in names(path) if "data" in name} == {
        f"{TODAY}/data-{ids[0]}-0",
        f"{TODAY}/data-{ids[1]}-0",
        f"{TODAY}/data-{ids[0]}-1",
    }
    assert list(queue.tailer()) == [b"here", b"there", b"here again"]


def test_a_gap_in_the_numbers_is_not_filled(make: Make, path: Path) -> None:
    (path / TODAY).mkdir(parents=True)
    (path / TODAY / "data-77-41").write_bytes(b"")
    make(thread_id=77, roll="DAYS").appender().append(b"x")
    assert f"{TODAY}/data-77-42" in names(path)


def test_a_message_has_to_fit_a_data_file(make: Make) -> None:
    queue = make()
    appender = queue.appender()
    assert appender.append(b"y" * 4092) == DAY * E
    for append in (appender.append, lambda data: appender.append_many([data])):
        with pytest.raises(MessageTooLongError, match="4092 is the longest"):
            append(b"x" * 4093)
    assert appender.append(b"") == DAY * E + 1
    assert appender.append(b"z" * 4092) == DAY * E + 2
    assert list(queue.tailer()) == [b"y" * 4092, b"", b"z" * 4092]


def test_an_empty_message_is_never_put_where_it_would_read_as_another_files(make: Make, path: Path) -> None:
    queue = make(thread_id=77)
    appender = queue.appender()
    appender.append(b"x" * (4096 - 8))  # Leaves just the 4 bytes of a length.
    appender.append(b"")
    assert (path / TODAY / "data-77-1").read_bytes()[:4] == b"\xff" * 4
    assert list(queue.tailer()) == [b"x" * (4096 - 8), b""]


@pytest.mark.parametrize("reserve, per_file", [(0, 4096 // 104), (1000, 1 + (4096 - 1004) // 104), (4092, 1)])
def test_the_room_asked_for_decides_where_a_file_ends(make: Make, path: Path, reserve: int, per_file: int) -> None:
    """Java's startExcerpt(capacity): the room must be there, the message takes only what it needs."""
    for way in ("append", "append_many"):
        queue = make(thread_id=5, reserve_bytes=reserve, path=path / way)
        messages = [b"x" * 100] * 90
        with queue.appender() as appender:
            _ = [appender.append(one) for one in messages] if way == "append" else appender.append_many(messages)
        starts = struct.iter_unpack("<Q", (path / way / TODAY / "index-0").read_bytes())
        low = [entry & ((1 << 32) - 1) for (entry,) in starts if entry]
        assert [sum(one // 4096 == file for one in low) for file in range(90 // per_file)] == [per_file] * (
            90 // per_file
        )


def test_many_messages_go_over_the_ends_of_data_and_index_files(make: Make) -> None:
    queue = make()
    messages = [b"%d" % number * (number % 50) for number in range(5000)]
    with queue.appender() as appender:
        assert list(appender.append_many(messages)) == list(range(DAY * E, DAY * E + 5000))
    assert list(queue.tailer()) == messages
    assert next(iter(queue.cycles())).count == 5000


def test_two_appenders_take_turns_with_many_messages(make: Make) -> None:
    queue = make()
    written: list[tuple[int, bytes]] = []
    done = threading.Barrier(3)
    results: list[list[tuple[int, bytes]]] = [[], [], []]

    def write(number: int) -> None:
        messages = [b"%d:%d" % (number, counter) for counter in range(4000)]
        with queue.appender() as appender:
            done.wait()
            for start in range(0, 4000, 100):
                part = messages[start : start + 100]
                results[number] += zip(appender.append_many(part), part, strict=True)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = sorted(results[0] + results[1] + results[2])
    assert len(written) == 12_000
    assert list(queue.tailer().with_index()) == written


def test_append_at_writes_the_next_index_of_any_cycle_and_no_other(make: Make, path: Path) -> None:
    queue = make()
    appender = queue.appender()
    past = (DAY - 300) * E
    with pytest.raises(IndexRangeError) as error:
        appender.append_at(past + 1, b"beyond")
    assert (error.value.next_index, names(path)) == (past, set())
    assert appender.append_at(past, b"one")
    assert not appender.append_at(past, b"again")
    assert appender.append_at(past + 1, b"two")
    assert appender.append_at((DAY + 5) * E, b"in the future")
    other = queue.appender()
    assert not other.append_at(past + 1, b"again")
    assert other.append_at(past + 2, b"three")
    with pytest.raises(IndexRangeError) as error:
        appender.append_at(past + 4, b"beyond")
    assert error.value.next_index == past + 3
    assert appender.append(b"today") == DAY * E
    assert list(queue.tailer().with_index()) == [
        (past, b"one"), (past + 1, b"two"), (past + 2, b"three"), (DAY * E, b"today"),
    ]  # fmt: skip
    for index in range(past + 3, past + 700):
        assert appender.append_at(index, b"%d" % index)
    assert queue.tailer(start="end", direction="backward").read() == b"in the future"


@pytest.mark.parametrize("index", [-1, (1 << 62), DAY * E + E - 1])
def test_append_at_refuses_indexes_that_cannot_be(make: Make, path: Path, index: int) -> None:
    with pytest.raises(px.UsageError):
        make().appender().append_at(index, b"x")
    assert names(path) == set()


def test_the_cycle_is_the_clocks(make: Make, clock: Clock) -> None:
    queue = make()
    appender = queue.appender()
    assert appender.append(b"1") == DAY * E
    clock.now_ms = (DAY + 1) * DAY_MS - 1
    assert appender.append(b"2") == DAY * E + 1
    clock.now_ms += 1
    assert appender.append(b"3") == (DAY + 1) * E
    clock.now_ms -= 1
    assert appender.append(b"4") == DAY * E + 2
    clock.now_ms = -1
    with pytest.raises(px.UsageError, match="clock"):
        appender.append(b"5")


def test_synchronous_and_sync_flush_what_was_written(make: Make, clock: Clock) -> None:
    queue = make(synchronous=True)
    with queue.appender() as appender:
        appender.append(b"a")
        appender.append_many([b"b"] * 600)
    with make().appender() as appender:
        for _ in range(70):  # More files than are kept for sync().
            appender.append(b"x" * 4000)
        clock.forward(DAY_MS)
        appender.append(b"next day", durable=True)
        appender.sync()
    assert len(list(queue.tailer())) == 672


def test_pretouch_makes_room_in_files_that_are_there(make: Make, path: Path) -> None:
    queue = make(data_block_bytes=1 << 20, thread_id=9)
    with queue.appender() as appender:
        assert appender.pretouch() == 0
        appender.append(b"x")
        assert appender.pretouch() > 0
    assert os.stat(path / TODAY / "data-9-0").st_blocks * 512 >= 512 << 10
    assert list(queue.tailer()) == [b"x"]


def test_reading_only_never_writes_extends_nor_makes_anything(make: Make, path: Path) -> None:
    with make().appender() as appender:
        appender.append_many([b"%d" % number for number in range(300)])
    os.truncate(path / TODAY / "index-2", 384)
    for data in (path / TODAY).glob("data-*"):
        os.truncate(data, 3500)
    before = files_of(path)
    queue = make("r")
    tailer = queue.tailer()
    assert list(tailer) == [b"%d" % number for number in range(300)]
    assert (tailer.read(), queue.tailer(start="end").read()) == (None, None)
    with pytest.raises(ReadOnlyError):
        queue.appender()
    assert files_of(path) == before


def test_a_short_index_file_is_continued(make: Make, path: Path) -> None:
    with make().appender() as appender:
        appender.append_many([b"%d" % number for number in range(300)])
    os.truncate(path / TODAY / "index-2", 400)
    queue = make("r+")
    tailer = queue.tailer(start="end")
    assert queue.appender().append(b"next") == DAY * E + 300
    assert (path / TODAY / "index-2").stat().st_size == 1024
    assert tailer.read() == b"next"


def test_a_format_that_mixes_cycles_is_refused(path: Path) -> None:
    with pytest.raises(px.UsageError):
        px.open_queue(path, "a", format="vanilla", roll=px.VanillaCycle("X", "yyyyMMdd", DAY_MS // 24, 1 << 40))


def test_a_name_without_digits_may_follow_the_date(make: Make, path: Path) -> None:
    make(roll="yyyyMMdd'/orders'").appender().append(b"x")
    assert f"{TODAY}/orders/index-0" in names(path)
    for settings in ({}, {"roll": "yyyyMMdd'/orders'"}):
        with px.open_queue(path, **settings) as queue:  # type: ignore[arg-type]
            assert list(queue.tailer()) == [b"x"]


@pytest.mark.parametrize("roll", ["/yyyyMMdd", "yyyyMMdd/", "yyyyMMdd//HH", "yyyyMMdd'/'", "yyyyMMdd/../HH"])
def test_a_format_with_a_directory_that_has_no_name_is_refused(path: Path, roll: str) -> None:
    with pytest.raises(px.UsageError):
        px.open_queue(path, "a", format="vanilla", roll=roll)
    assert not path.exists()


def test_an_excerpt_in_flight_belongs_to_the_cycle_it_was_begun_in(make: Make, clock: Clock) -> None:
    queue = make()
    appender = queue.appender()
    clock.now_ms = (DAY + 1) * DAY_MS - 1
    with appender.writing() as document:
        document.write(b"begun before midnight")
        clock.forward(5)
        assert queue.appender().append(b"after midnight") == (DAY + 1) * E
    assert appender.last_index == DAY * E
    assert appender.append(b"next") == (DAY + 1) * E + 1
    assert list(queue.tailer()) == [b"begun before midnight", b"after midnight", b"next"]


def test_an_excerpt_begun_before_1970_is_refused_at_once(make: Make, path: Path, clock: Clock) -> None:
    appender = make().appender()
    clock.now_ms = -1
    with pytest.raises(px.UsageError, match="in no cycle"):
        with appender.writing() as document:
            document.write(b"never")
    clock.now_ms = DAY * DAY_MS
    with appender.writing() as document:
        document.write(b"some day")
    assert document.index == DAY * E


def test_on_cycle_hears_of_cycles_and_not_of_their_files(make: Make, path: Path, clock: Clock) -> None:
    heard: list[tuple[int, str, bool]] = []
    queue = make(on_cycle=lambda *what: heard.append(what))
    with queue.appender() as appender:
        appender.append_many([b"x" * 1000] * 50)  # A dozen data files.
        clock.forward(DAY_MS)
        appender.append(b"x")
    today, tomorrow = str(path / TODAY), str(path / TOMORROW)
    assert heard == [(DAY, today, True), (DAY, today, False), (DAY + 1, tomorrow, True), (DAY + 1, tomorrow, False)]
    heard.clear()
    with queue.tailer() as tailer:
        assert len(list(tailer)) == 51
    assert heard == [(DAY, today, True), (DAY, today, False), (DAY + 1, tomorrow, True), (DAY + 1, tomorrow, False)]
