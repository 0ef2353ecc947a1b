"""Damaged Vanilla journals: a ChronixError with path and offset, or less is read; never a crash, nor a torn message."""

from __future__ import annotations

import os
import random
import shutil
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from clock import Clock
from vanilla_kit import DAY, DAY_MS

import pychronix as px
from pychronix.errors import AccessError, ChronixError, CorruptError

E = 1 << 40
TODAY, TOMORROW = "20240305", "20240306"
LOW = 64 - 22
Make = Callable[..., px.Queue]


@pytest.fixture
def journal(make: Make, path: Path, clock: Clock) -> list[tuple[int, bytes]]:
    """200 messages yesterday and 200 today, by two writers: thread ids 5 and 6."""
    written = []
    appenders: list[px.Appender] = []
    queues = [make(thread_id=5, thread_bits=22), make(thread_id=6, thread_bits=22)]
    for day in (-1, 0):
        clock.now_ms += day * DAY_MS
        for number in range(200):
            if number % 100 == 0:
                appenders = [queue.appender() for queue in queues]
            data = b"%d:%03d " % (day, number) * (number % 7)
            written.append((appenders[number // 7 % 2].append(data), data))
        clock.now_ms -= day * DAY_MS
    return written


def read_all(queue: px.Queue) -> tuple[list[tuple[int, bytes]], ChronixError | None]:
    found = []
    tailer = queue.tailer()
    try:
        for pair in tailer.with_index():
            found.append(pair)
    except ChronixError as error:
        return found, error
    return found, None


def everything(queue: px.Queue) -> None:
    """All that a reader can do; a ChronixError is fine, anything else escapes."""
    for do in (
        lambda: list(queue.tailer().with_index()),
        lambda: list(queue.tailer(start="end", direction="backward")),
        lambda: [view.nbytes for view in queue.tailer().views()],
        lambda: [cycle.count for cycle in queue.cycles()],
        lambda: [queue.tailer().move_to_index(DAY * E + number) for number in (0, 1, 127, 128, 199, 200, 5000)],
        lambda: queue.tailer(start="end").read(),
    ):
        try:
            do()
        except ChronixError:
            continue


def entry(thread: int, low: int) -> bytes:
    return struct.pack("<Q", (thread << LOW) + low)


def patch(file: Path, offset: int, data: bytes) -> None:
    with open(file, "r+b") as handle:
        handle.seek(offset)
        handle.write(data)


def test_a_missing_data_file_is_named(journal: list[tuple[int, bytes]], make: Make, path: Path) -> None:
    (path / "20240304" / "data-5-0").unlink()
    found, error = read_all(make("r"))
    assert isinstance(error, CorruptError) and "missing" in str(error)
    assert error.path == str(path / "20240304" / "data-5-0")
    assert found == []
    queue = make("r")
    tailer = queue.tailer()
    with pytest.raises(CorruptError, match="missing"):
        tailer.read()
    # Whoever knows what to skip goes on behind it.
    assert tailer.move_to_index(DAY * E) and tailer.read_many(500) == [data for _, data in journal[200:]]


@pytest.mark.parametrize(
    "slot, what, where, offset",
    [
        (entry(5, 0), "impossible position", "index-0", 0),
        (entry(5, 3), "impossible position", "index-0", 0),
        (entry(5, (1 << 30) + 4), "missing", f"data-5-{(1 << 30) // 4096}", None),
        (entry((1 << 22) - 1, 4), "missing", "data-4194303-0", None),
        (b"\xff" * 8, "missing", "data-4194303-1073741823", None),
    ],
)
def test_an_absurd_entry_is_named(
    slot: bytes, what: str, where: str, offset: int | None, journal: object, make: Make, path: Path
) -> None:
    patch(path / "20240304" / "index-0", 0, slot)
    for how in (
        lambda q: q.tailer().read(),
        lambda q: list(q.tailer()),
        lambda q: q.tailer().move_to_index((DAY - 1) * E),
    ):
        with pytest.raises(CorruptError, match=what) as error:
            how(make("r", thread_bits=22))
        assert (error.value.path, error.value.offset) == (str(path / "20240304" / where), offset)


@pytest.mark.parametrize("word", [0x7FFFFFFF, 0x3FFFFFFF, ~4096 & 0xFFFFFFFF, 0x80000000, 1])
def test_an_impossible_length_is_named(word: int, journal: list[tuple[int, bytes]], make: Make, path: Path) -> None:
    file, offset = (path / "20240304" / "data-5-0", 0)
    patch(file, offset, struct.pack("<I", word))
    found, error = read_all(make("r"))
    assert isinstance(error, CorruptError) and "length" in str(error)
    assert (found, error.path, error.offset) == ([], str(file), 0)


def test_a_length_of_zero_hides_the_rest_of_a_past_day_and_blocks_today(
    journal: list[tuple[int, bytes]], make: Make, path: Path
) -> None:
    (slot,) = struct.unpack_from("<Q", (path / "20240304" / "index-0").read_bytes(), 8 * 100)
    thread, low = slot >> LOW, slot & ((1 << LOW) - 1)
    patch(path / "20240304" / f"data-{thread}-{low // 4096}", low % 4096 - 4, bytes(4))
    queue = make("r")
    assert list(queue.tailer().with_index()) == journal[:100] + journal[200:]
    # What lies behind it is there for whoever goes by index, or backward.
    assert list(queue.tailer(start="end", direction="backward").with_index()) == journal[:100:-1] + journal[99::-1]
    tailer = queue.tailer()
    assert not tailer.move_to_index(journal[100][0])
    assert tailer.move_to_index(journal[101][0])
    assert list(tailer.with_index()) == journal[101:]
    # The same today.
    (slot,) = struct.unpack_from("<Q", (path / TODAY / "index-0").read_bytes(), 8 * 50)
    thread, low = slot >> LOW, slot & ((1 << LOW) - 1)
    patch(path / TODAY / f"data-{thread}-{low // 4096}", low % 4096 - 4, bytes(4))
    assert list(queue.tailer().with_index()) == journal[:100] + journal[200:250]


def test_truncation_at_any_place_tears_nothing(
    journal: list[tuple[int, bytes]], make: Make, path: Path, budget: object
) -> None:
    truth = dict(journal)
    rng = random.Random(11)
    for file in sorted((path / TODAY).iterdir()):
        whole = file.read_bytes()
        used = min(len(whole.rstrip(b"\0")) + 8, len(whole))
        cuts = range(used) if budget.of(False, True, True) else sorted(rng.sample(range(used), min(30, used)))  # type: ignore[attr-defined]
        for cut in (0, *cuts):
            os.truncate(file, cut)
            with make("r", index_block_bytes=1024, data_block_bytes=4096) as queue:
                found, error = read_all(queue)
                everything(queue)
            assert all(truth[index] == data for index, data in found), f"{file} cut at {cut}"
            assert found[:200] == journal[:200]
            assert error is None or (isinstance(error, CorruptError) and TODAY in str(error.path))
        file.write_bytes(whole)


def test_truncation_under_an_open_tailer_and_appender(make: Make, path: Path) -> None:
    queue = make(data_block_bytes=1 << 20, index_block_bytes=65536, thread_id=9)
    appender, tailer = queue.appender(), queue.tailer()
    appender.append_many([b"%d" % number for number in range(6000)])
    assert tailer.read() == b"0"
    os.truncate(path / TODAY / "data-9-0", 8192)
    found = []
    try:
        for data in tailer:
            found.append(data)
    except CorruptError as error:
        assert error.path == str(path / TODAY / "data-9-0")
    assert found == [b"%d" % number for number in range(1, 1 + len(found))] and len(found) < 5999
    os.truncate(path / TODAY / "index-0", 0)
    for append in (lambda: appender.append(b"x"), lambda: appender.append_many([b"x"] * 2000), appender.sync):
        with pytest.raises(CorruptError, match="truncated") as caught:
            append()
        assert caught.value.path in (str(path / TODAY / "data-9-0"), str(path / TODAY / "index-0"))
    everything(queue)
    assert list(queue.tailer()) == []  # An index without entries: nothing was added to it.


@pytest.mark.parametrize("batched", [False, True])
def test_a_cycle_deleted_under_an_open_tailer_is_over(make: Make, path: Path, clock: Clock, batched: bool) -> None:
    queue = make(index_block_bytes=65536)
    appender, tailer, back = queue.appender(), queue.tailer(), queue.tailer()
    appender.append(b"oldest")
    clock.forward(DAY_MS)
    first = appender.append_many([b"%03d" % number * 100 for number in range(300)])[0]
    assert back.move_to_index(first + 290)
    back.direction = "backward"
    assert tailer.read_many(2)[1] == b"000" * 100
    assert back.read() == b"290" * 100
    clock.forward(DAY_MS)
    shutil.rmtree(path / TOMORROW)
    appender.append(b"newest")

    def rest(tailer: px.Tailer) -> list[bytes]:
        return list(tailer) if batched else list(iter(tailer.read, None))

    # What is mapped is still there; the next data file is not.
    read = rest(tailer)
    assert read.pop() == b"newest"
    assert read == [b"%03d" % number * 100 for number in range(1, 1 + len(read))] and len(read) < 299
    read = rest(back)
    assert read.pop() == b"oldest"
    assert read == [b"%03d" % number * 100 for number in range(289, 289 - len(read), -1)] and len(read) < 290


def test_flipped_bits_are_survived(journal: list[tuple[int, bytes]], make: Make, path: Path, budget: object) -> None:
    rng = random.Random(4)
    files = [file for day in ("20240304", TODAY) for file in (path / day).iterdir()]
    for _ in range(budget.of(150, 3000, 30_000)):  # type: ignore[attr-defined]
        file = rng.choice(files)
        whole = file.read_bytes()
        used = min(len(whole.rstrip(b"\0")) + 8, len(whole))
        changed = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3, 20])):
            at = rng.randrange(used)
            changed[at] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        with make("r", thread_bits=22, index_block_bytes=1024, data_block_bytes=4096) as queue:
            everything(queue)
        file.write_bytes(whole)
    assert list(make("r").tailer().with_index()) == journal


def test_random_settings_over_foreign_files_are_survived(
    journal: list[tuple[int, bytes]], make: Make, path: Path, clock: Clock
) -> None:
    rng = random.Random(8)
    for _ in range(60):
        for file in (path / TODAY).iterdir():
            if rng.random() < 0.3:
                file.write_bytes(rng.randbytes(rng.choice([0, 1, 7, 1024, 4096, 5000])))
        settings = {
            "index_block_bytes": 1 << rng.randrange(10, 20),
            "data_block_bytes": 1 << rng.randrange(10, 24),
            "thread_bits": rng.randrange(8, 33),
            "entries_per_cycle": 1 << rng.randrange(8, 49),
            "max_mapped_bytes": rng.choice([1, 1 << 30]),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", px.ChronixWarning)
            with make("r", **settings) as queue:
                everything(queue)
            with px.open_queue(path, "r+", clock=clock, **settings) as queue, queue.appender() as appender:  # type: ignore[arg-type]
                try:
                    appender.append(b"on top of it")
                except ChronixError:
                    continue


def test_directories_where_files_should_be_and_files_that_may_not_be_read(
    journal: list[tuple[int, bytes]], make: Make, path: Path
) -> None:
    (path / "20240304" / "index-0").rename(path / "kept")
    (path / "20240304" / "index-0").mkdir()
    with pytest.raises(CorruptError, match="not a regular file"):
        list(make("r", roll="DAYS").tailer())
    (path / "20240304" / "index-0").rmdir()
    os.mkfifo(path / "20240304" / "index-0")
    with pytest.raises(CorruptError, match="not a regular file"):
        list(make("r").tailer())
    (path / "20240304" / "index-0").unlink()
    (path / "kept").rename(path / "20240304" / "index-0")
    if os.geteuid() != 0:
        os.chmod(path / "20240304" / "data-5-0", 0)
        with pytest.raises(AccessError):
            list(make("r").tailer())
        os.chmod(path / "20240304" / "data-5-0", 0o644)
    assert list(make("r").tailer().with_index()) == journal


def test_wrong_thread_bits_name_a_file_that_is_not_there(journal: object, make: Make, path: Path) -> None:
    for bits in (15, 16, 17, 24, 32):
        with pytest.raises(CorruptError, match=r"missing|impossible"):
            list(make("r", thread_bits=bits).tailer())
