"""Where a tailer of a Vanilla journal goes (spec chronicle-3 2.11), and the batches it reads in."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clock import Clock
from vanilla_kit import DAY, DAY_MS

import pychronix as px
from pychronix import TailerState
from pychronix.errors import CycleFullError

E = 1 << 40
Make = Callable[..., px.Queue]


def fill(queue: px.Queue, clock: Clock, days: dict[int, int]) -> list[tuple[int, bytes]]:
    """Appends so many messages in each of these days (from DAY on); the clock is back where it was afterwards."""
    now, written = clock.now_ms, []
    with queue.appender() as appender:
        for day, count in days.items():
            clock.now_ms = now + day * DAY_MS
            for number in range(count):
                data = b"%d:%d" % (day, number)
                written.append((appender.append(data), data))
    clock.now_ms = now
    return written


def test_nothing_is_read_from_an_empty_journal_until_there_is_something(queue: px.Queue) -> None:
    tailer = queue.tailer()
    assert (tailer.read(), tailer.state, tailer.index) == (None, TailerState.UNINITIALISED, 0)
    index = queue.appender().append(b"first")
    assert (tailer.read(), tailer.last_read_index) == (b"first", index)
    assert (tailer.index, tailer.state) == (index + 1, TailerState.FOUND_IN_CYCLE)


def test_reading_steps_over_days_without_messages(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {-900: 3, -899: 1, -30: 200, -1: 2, 0: 1})
    (Path(queue.path) / "20240304").rename(Path(queue.path) / "20240229")
    assert [data for _, data in written] == list(queue.tailer())


def test_a_tailer_never_goes_into_the_future(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {0: 2, 1: 2})
    tailer = queue.tailer()
    assert list(tailer.with_index()) == written[:2]
    clock.forward(DAY_MS)
    assert list(tailer.with_index()) == written[2:]
    # By index, and at the start of a journal that begins there, it is read as Java reads it.
    clock.forward(-DAY_MS)
    assert tailer.move_to_index(written[3][0])
    assert tailer.read() == written[3][1]
    (Path(queue.path) / "20240305").rename(Path(queue.path) / "elsewhere")
    assert list(queue.tailer()) == [b"1:0", b"1:1"]


def test_late_messages_of_the_day_before_are_found_until_one_of_today_is(make: Make, clock: Clock) -> None:
    queue = make()
    tailer, slow, quick = queue.tailer(), queue.appender(), queue.appender()
    slow.append(b"yesterday")
    clock.forward(DAY_MS)
    assert list(tailer) == [b"yesterday"]
    clock.forward(-DAY_MS)
    slow.append(b"late")
    clock.forward(DAY_MS)
    assert list(tailer) == [b"late"]
    quick.append(b"today")
    assert list(tailer) == [b"today"]
    clock.forward(-DAY_MS)
    slow.append(b"too late")
    clock.forward(DAY_MS)
    assert list(tailer) == []
    assert list(queue.tailer()) == [b"yesterday", b"late", b"too late", b"today"]


@pytest.mark.parametrize("days", [1, 4, 6, 400])
@pytest.mark.parametrize("made", ["nothing", "an empty directory", "an empty index file"])
@pytest.mark.parametrize("roll", ["DAYS", "yyyy/MM/dd"])
def test_a_polling_tailer_finds_what_appears(make: Make, clock: Clock, days: int, made: str, roll: str) -> None:
    queue = make(roll=roll, entries_per_cycle=E)
    fill(queue, clock, {0: 1})
    tailer = queue.tailer()
    assert tailer.read() == b"0:0"
    clock.forward(days * DAY_MS)
    cycle = Path(queue.path) / queue.file_name(DAY + days)
    if made != "nothing":
        cycle.mkdir(parents=True)
    if made == "an empty index file":
        (cycle / "index-0").write_bytes(bytes(1024))
    for directory in [Path(queue.path), *Path(queue.path).rglob("*")]:
        os.utime(directory, (1, 1))  # Nothing has happened for long.
    for _ in range(3):
        assert tailer.read() is None
    clock.forward(DAY_MS)
    assert tailer.read() is None
    late = fill(queue, clock, {-1 - days: 1, -1: 2, 0: 1})
    assert list(tailer.with_index()) == late


def test_the_end_is_after_the_last_message_there_is(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {-2: 130, -1: 300})
    (Path(queue.path) / "20240305").mkdir()
    tailer = queue.tailer(start="end")
    assert (tailer.index, tailer.read()) == (written[-1][0] + 1, None)
    assert fill(queue, clock, {0: 1}) == list(tailer.with_index())
    back = queue.tailer(start="end", direction="backward")
    assert (back.index, back.read(), back.read()) == (DAY * E, b"0:0", b"-1:299")


def test_backward_from_behind_the_last_message_reads_that_one(queue: px.Queue, clock: Clock) -> None:
    fill(queue, clock, {-1: 2, 0: 3})
    tailer = queue.tailer()
    assert len(list(tailer)) == 5
    tailer.direction = "backward"
    assert list(tailer) == [b"0:2", b"0:1", b"0:0", b"-1:1", b"-1:0"]
    assert (tailer.read(), tailer.state) == (None, TailerState.BEYOND_START_OF_CYCLE)
    tailer.direction = "forward"
    assert tailer.read() == b"-1:0"
    tailer.direction = "none"
    assert [tailer.read(), tailer.read()] == [b"-1:1", b"-1:1"]


def test_moving_to_an_index_that_is_not_there(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {-1: 2, 0: 2})
    tailer = queue.tailer()
    assert not tailer.move_to_index(DAY * E + 2)
    assert (tailer.state, tailer.read()) == (TailerState.FOUND_IN_CYCLE, None)
    assert not tailer.move_to_index(DAY * E + 5)
    assert (tailer.state, tailer.read()) == (TailerState.NOT_REACHED_IN_CYCLE, None)
    assert not tailer.move_to_index((DAY - 7) * E)
    assert (tailer.state, tailer.index) == (TailerState.CYCLE_NOT_FOUND, DAY * E + 5)
    more = fill(queue, clock, {0: 5})
    assert list(tailer.with_index()) == more[3:]
    assert not tailer.move_to_index((DAY - 1) * E + 2)
    assert list(tailer.with_index()) == written[2:] + more


@pytest.mark.parametrize("index", [-1, -(1 << 63), (1 << 63) - 1, E - 1, 1 << 62, DAY * E + E - 1])
def test_absurd_indexes_are_not_there(index: int, queue: px.Queue, clock: Clock) -> None:
    fill(queue, clock, {0: 1})
    tailer = queue.tailer()
    assert not tailer.move_to_index(index)
    assert not tailer.move_to_cycle(index)


def test_a_day_and_a_second_are_moved_to(queue: px.Queue, clock: Clock) -> None:
    fill(queue, clock, {-3: 2, 0: 2})
    tailer = queue.tailer()
    assert tailer.move_to_cycle(DAY) and tailer.read() == b"0:0"
    assert tailer.seek_date("2024-03-03") and tailer.read() == b"0:0"
    assert not tailer.move_to_cycle(DAY - 1)


def test_names_that_are_no_dates_are_no_cycles(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {0: 1})
    base = Path(queue.path)
    for name in ("backup", "20240301.bak", "2024030", "20240230", "202403010", "x20240301", ".20240301"):
        (base / name).mkdir()
    (base / "20240302").write_text("a file")
    assert [cycle.number for cycle in queue.cycles()] == [DAY]
    assert list(queue.tailer().with_index()) == written


def test_foreign_files_in_a_cycle_do_no_harm(queue: px.Queue, clock: Clock) -> None:
    written = fill(queue, clock, {0: 200})
    for name in ("index-x", "data-1-x", "index-", "index-00", "index--1", "index-99999999999999999999", "notes.txt"):
        (Path(queue.path) / "20240305" / name).write_text("foreign")
    assert list(queue.tailer(start="end", direction="backward").with_index()) == written[::-1]
    assert queue.appender().append(b"next") == written[-1][0] + 1


def test_what_a_vanilla_journal_does_not_have_is_refused(queue: px.Queue) -> None:
    with pytest.raises(px.UnsupportedFormatError, match="named"):
        queue.tailer("name")
    with pytest.raises(px.UnsupportedFormatError, match="metadata"), queue.appender().writing(meta=True) as document:
        document.write(b"x")
    with pytest.raises(px.UnsupportedFormatError, match="striding"):
        queue.tailer().striding = True
    with pytest.raises(px.UnsupportedFormatError, match="end-of-data"):
        queue.appender().normalise_eofs()


# --- batches ---------------------------------------------------------------------------------------------------------


def several_writers(make: Make, rng: random.Random, count: int, sizes: Callable[[], int]) -> list[tuple[int, bytes]]:
    """Messages of four writers who alternate, sometimes after long runs."""
    written = []
    queues = [make(thread_id=100 + number, data_block_bytes=65536) for number in range(4)]
    appenders = [queue.appender() for queue in queues]
    while len(written) < count:
        appender = rng.choice(appenders)
        for _ in range(rng.choice([1, 1, 1, 2, 5, 70, 150])):
            data = rng.randbytes(sizes())
            written.append((appender.append(data), data))
    return written


@pytest.mark.parametrize("kind", ["equal", "mixed", "large"])
def test_messages_of_several_writers_are_read_in_order(make: Make, kind: str) -> None:
    rng = random.Random(kind)
    sizes = {"equal": lambda: 24, "mixed": lambda: rng.randrange(90), "large": lambda: rng.choice([0, 3, 60_000])}[kind]
    written = several_writers(make, rng, {"equal": 3000, "mixed": 3000, "large": 300}[kind], sizes)
    queue = make("r")
    assert list(queue.tailer().with_index()) == written
    assert list(queue.tailer(start="end", direction="backward").with_index()) == written[::-1]
    views = list(queue.tailer().views())
    assert [bytes(view) for view in views] == [data for _, data in written]
    spans = []
    for batch in queue.tailer().spans():
        spans += [bytes(batch.data[a:b]) for a, b in zip(batch.starts, batch.stops, strict=True)]
    assert spans == [data for _, data in written]
    # Any read between the batches of a scan, and turning round, goes on where the last one ended.
    tailer, at = queue.tailer(), 0
    for step in itertools.count():
        count = rng.choice([1, 1, 2, 30, 200])
        some = tailer.read_many(count) if step % 2 else list(itertools.islice(tailer, count))
        assert some == [data for _, data in written[at : at + count]]
        at += len(some)
        if at < len(written):
            assert tailer.index == written[at][0]
        if len(some) < count:
            break
    assert at == len(written)


def test_a_view_outlives_what_is_gathered_next(make: Make) -> None:
    written = several_writers(make, random.Random(3), 3000, lambda: 40)
    with make("r") as queue, queue.tailer() as tailer:
        kept = list(itertools.islice(tailer.views(), 2000))
        rest = list(tailer)
    assert [bytes(view) for view in kept] == [data for _, data in written[:2000]]
    assert rest == [data for _, data in written[2000:]]
    with pytest.raises(TypeError):
        kept[0][0] = 1


@pytest.mark.parametrize("mapped", [1, 20_000, 1 << 30])
def test_any_bound_on_mapped_files_reads_the_same(make: Make, mapped: int) -> None:
    rng = random.Random(mapped)
    written = several_writers(make, rng, 4000, lambda: rng.randrange(200))
    queue = make("r", max_mapped_bytes=mapped)
    assert list(queue.tailer().with_index()) == written
    assert list(queue.tailer(start="end", direction="backward").with_index()) == written[::-1]
    tailer = queue.tailer()
    for index, data in rng.sample(written, 300):
        assert tailer.move_to_index(index) and tailer.read() == data
    least = 1024 + 65536
    with open("/proc/self/maps") as maps:
        ours = [line for line in maps if queue.path in line]
    assert sum(int(line.split()[0].split("-")[1], 16) - int(line.split()[0].split("-")[0], 16) for line in ours) <= max(
        3 * mapped, 3 * (least + 8192 + 65536)
    )


def test_few_entries_fill_a_cycle_and_no_more(make: Make, clock: Clock) -> None:
    queue = make(entries_per_cycle=256)
    appender = queue.appender()
    indexes = appender.append_many([b"%d" % number for number in range(256)])
    assert list(indexes) == list(range(DAY * 256, DAY * 256 + 256))
    with pytest.raises(CycleFullError):
        appender.append(b"one too many")
    with pytest.raises(CycleFullError):
        appender.append_many([b"one too many"])
    clock.forward(DAY_MS)
    assert appender.append(b"tomorrow") == (DAY + 1) * 256
    assert list(queue.tailer())[255:] == [b"255", b"tomorrow"]
    assert queue.tailer(start="end", direction="backward").read_many(2) == [b"tomorrow", b"255"]


def test_the_end_of_a_full_cycle_is_the_beginning_of_the_next(make: Make, clock: Clock) -> None:
    queue = make(entries_per_cycle=256)
    appender, replica = queue.appender(), queue.appender()
    first, stop = DAY * 256, (DAY + 1) * 256
    assert replica.append_at(first, b"0")
    appender.append_many([b"%d" % number for number in range(1, 256)])
    assert not replica.append_at(stop - 1, b"it is there")
    assert not queue.appender().append_at(stop - 1, b"it is there")

    def check(later: list[bytes]) -> None:
        assert queue.count() == 256 + len(later)
        assert [queue.count(*ends) for ends in [(first, stop - 1), (stop - 1, first), (first, stop)]] == [255, 255, 256]
        assert [queue.count(*ends) for ends in [(stop - 1, stop), (first + 256, None)]] == [1, len(later)]
        tailer = queue.tailer()
        assert tailer.move_to_cycle(DAY, end=True)
        assert tailer.index == stop
        assert list(tailer) == later
        tailer.direction = "backward"
        assert tailer.move_to_cycle(DAY, end=True)
        assert tailer.read_many(2) == [b"255", b"254"]
        assert tailer.move_to_index(stop) == bool(later)
        assert tailer.read_many(2) == [*later, b"255", b"254"][:2]

    check([])
    assert queue.find_range(lambda payload: 0) == range(first, stop)
    assert queue.find_match(lambda payload: -1) == ~stop
    clock.forward(DAY_MS)
    appender.append(b"tomorrow")
    check([b"tomorrow"])


def test_every_index_of_a_long_cycle_is_found(make: Make, budget: object) -> None:
    count = budget.of(60_000, 20_000_000, 20_000_000)  # type: ignore[attr-defined]
    queue = make(index_block_bytes=65536, data_block_bytes=1 << 20)
    with queue.appender() as appender:
        for start in range(0, count, 100_000):
            appender.append_many(number.to_bytes(8, "little") for number in range(start, min(start + 100_000, count)))
    tailer = queue.tailer()
    first = DAY * E
    for number in [0, 1, 8191, 8192, 8193, count - 1, *random.Random(1).sample(range(count), 500)]:
        assert tailer.move_to_index(first + number)
        assert tailer.read() == number.to_bytes(8, "little")
    assert not tailer.move_to_index(first + count)
    assert queue.tailer(start="end").index == first + count
    assert queue.tailer(start="end", direction="backward").read() == (count - 1).to_bytes(8, "little")
    assert next(iter(queue.cycles())).count == count
    # A new appender finds the end by binary search.
    assert queue.appender().append(b"last") == first + count
    queue.close()
    shutil.rmtree(queue.path)


def file_pages_kib() -> int:
    """Resident pages of mapped files."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssFile:"))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_reading_much_keeps_little_resident(make: Make, direction: str, budget: object) -> None:
    count = budget.of(150, 1500, 10_000)  # type: ignore[attr-defined]
    queues = [make(data_block_bytes=1 << 26, index_block_bytes=1 << 20, thread_id=5 + number) for number in range(2)]
    before = file_pages_kib()
    with queues[0].appender() as one, queues[1].appender() as other:
        for number in range(count):
            (one if number % 20 < 10 else other).append_many([b"%06d" % number * 170] * 1000)
        assert file_pages_kib() - before < 64 << 10
    before = file_pages_kib()
    seen = most = 0
    start = "start" if direction == "forward" else "end"
    for data in queues[0].tailer(start=start, direction=direction):
        seen += 1
        if seen % 5000 == 0:
            most = max(most, file_pages_kib() - before)
            assert len(data) == 1020
    for queue in queues:
        queue.close()
    shutil.rmtree(queues[0].path)  # Gigabytes that pytest would keep.
    assert (seen, most < 48 << 10) == (count * 1000, True), f"{most} KiB of {count} MB stayed mapped"
