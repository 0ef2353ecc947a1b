"""Vanilla journals of Java Chronicle 3.6.0 and of pychronix are the same: read, written, and continued by either."""

from __future__ import annotations

import random
from pathlib import Path

import fix_java
import pytest
from clock import Clock
from fix_java import payload
from fix_java3 import Java3Peer, Java3PeerFactory
from vanilla_kit import CONFIGS, DAY, Config, files_of

import pychronix as px

by_name = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
SIZES = "0-40,100,1-700"


def messages(count: int, writer: int = 7, first: int = 0) -> list[bytes]:
    return [payload(writer, counter, SIZES) for counter in range(first, first + count)]


def count_of(config: Config) -> int:
    return 250 if config.entries == 256 else 700


def ours(path: Path, mode: str, config: Config, cycle: int | None = None, **options: object) -> px.Queue:
    clock = Clock(config.time_ms(config.cycle if cycle is None else cycle))
    return px.open_queue(path, mode, clock=clock, **{**config.ours, **options})  # type: ignore[arg-type]


@by_name
def test_javas_journal_is_read_identically(config: Config, java3: Java3Peer, tmp_path: Path) -> None:
    path, count = tmp_path / "q", count_of(config)
    with java3.vanilla(path, **config.java) as queue:
        writers = [queue.appender(), queue.appender()]
        for cycle in (config.cycle - 3, config.cycle - 1, config.cycle):
            for number, writer in enumerate(writers):
                for part in range(2):
                    writer.generate(number, count // 4, first=part * 100, sizes=SIZES, cycle=cycle)
        expected = queue.dump()
    assert len(expected) == 3 * 4 * (count // 4)
    with ours(path, "r", config) as queue:
        assert list(queue.tailer().with_index()) == expected
        assert list(queue.tailer(start="end", direction="backward").with_index()) == expected[::-1]
        one_by_one = []
        tailer = queue.tailer()
        while (data := tailer.read()) is not None:
            one_by_one.append((tailer.last_read_index, data))
        assert one_by_one == expected
        for index, data in random.Random(5).sample(expected, 50):
            assert tailer.move_to_index(index)
            assert tailer.read() == data


@by_name
def test_java_reads_our_journal(config: Config, java3: Java3Peer, tmp_path: Path) -> None:
    path, count = tmp_path / "q", count_of(config)
    expected = []
    for cycle in (config.cycle - 3, config.cycle - 1, config.cycle):
        with ours(path, "a", config, cycle) as queue:
            with queue.appender() as one, queue.appender() as other:
                for number, data in enumerate(messages(count // 2)):
                    appender = other if number % 3 == 0 else one
                    expected.append((appender.append(data), data))
                many = messages(count // 2, writer=9)
                expected += zip(one.append_many(many), many, strict=True)
    with java3.vanilla(path, **config.java) as queue:
        assert queue.dump() == expected
        assert queue.last_index == expected[-1][0]
        assert queue.digest() == fix_java.digest(expected)
        tailer = queue.tailer()
        for index, data in random.Random(5).sample(expected, 50):
            assert tailer.index(index)
            assert tailer.view() == data


@by_name
@pytest.mark.parametrize("way", ["append", "append_many"])
def test_our_files_are_byte_for_byte_javas(config: Config, way: str, java3: Java3Peer, tmp_path: Path) -> None:
    data = messages(count_of(config))
    capacity = {"days-defaults": 128 << 10, "message-size": 20_000}.get(config.name)
    options = {"reserve_bytes": capacity or 0}
    with java3.vanilla(tmp_path / "java", **config.java) as queue:
        appender = queue.appender()
        indexes = appender.append_many(data, cycle=config.cycle, capacity=capacity)
        indexes += appender.append_many(data[:100], cycle=config.cycle + 1, capacity=capacity)
    for cycle, part in ((config.cycle, data), (config.cycle + 1, data[:100])):
        with (
            ours(tmp_path / "ours", "a", config, cycle, thread_id=appender.tid, **options) as queue,
            queue.appender() as a,
        ):
            written = [a.append(one) for one in part] if way == "append" else list(a.append_many(part))
            assert indexes[: len(part)] == written
            del indexes[: len(part)]
    theirs, us = files_of(tmp_path / "java"), files_of(tmp_path / "ours")
    assert sorted(theirs) == sorted(us)
    assert [name for name in theirs if theirs[name] != us[name]] == []


@by_name
def test_each_side_appends_after_the_other(config: Config, java3: Java3Peer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = []
    counter = 0
    theirs = java3.vanilla(path, **config.java)
    writer = theirs.appender()
    with ours(path, "a", config) as queue, queue.appender() as appender:
        reader, java_reader = queue.tailer(), theirs.tailer()
        for turn in range(6):
            for who in ("java", "we"):
                part = messages(20, first=counter)
                counter += 20
                if who == "java":
                    indexes = writer.append_many(part, cycle=config.cycle)
                else:
                    indexes = list(appender.append_many(part)) if turn % 2 else [appender.append(one) for one in part]
                expected += zip(indexes, part, strict=True)
                assert list(reader.with_index()) == expected[-20:]
                assert java_reader.read(20) == expected[-20:]
        first = config.index(config.cycle, 0)
        assert [index for index, _ in expected] == list(range(first, first + len(expected)))
        theirs.close()
    # New sessions continue, too: with a data file of their own each.
    with ours(path, "a", config) as queue, queue.appender() as appender:
        assert appender.append(b"ours again") == expected[-1][0] + 1
    with java3.vanilla(path, **config.java) as queue:
        assert queue.appender().append(b"theirs again", cycle=config.cycle) == expected[-1][0] + 2
        assert queue.dump() == [*expected, (expected[-1][0] + 1, b"ours again"), (expected[-1][0] + 2, b"theirs again")]


@pytest.mark.parametrize("bits", [15, 16, 17, 22, 24])
def test_thread_bits_of_another_machine(bits: int, java3_peer: Java3PeerFactory, tmp_path: Path) -> None:
    peer = java3_peer(os__max__pid__bits=str(bits))
    with peer.vanilla(tmp_path / "q", index_block=4096, data_block=65536) as queue:
        appenders = [queue.appender(), queue.appender()]
        for number in range(200):
            appenders[number % 2].append(payload(1, number, SIZES), cycle=DAY)
        expected = queue.dump()
        with px.open_queue(tmp_path / "q", "a", clock=Clock(DAY * 86_400_000 + 5)) as ours:
            assert ours.chronicle3 is not None and ours.chronicle3.thread_bits == bits
            assert list(ours.tailer().with_index()) == expected
            index = ours.appender().append(b"continued")
        assert queue.dump() == [*expected, (index, b"continued")]


def test_an_empty_record_at_the_very_end_of_a_file_is_read(java3: Java3Peer, tmp_path: Path) -> None:
    """Java's startExcerpt(0) puts it there; number and position then read as those of the next file."""
    with java3.vanilla(tmp_path / "q", index_block=4096, data_block=4096) as queue:
        appender = queue.appender()
        appender.append(b"x" * (4096 - 8), capacity=4096 - 8, cycle=DAY)
        appender.append(b"", capacity=0, cycle=DAY)
    files = {path.name for path in (tmp_path / "q" / "20240305").glob("data-*")}
    with px.open_queue(tmp_path / "q") as ours:
        read = list(ours.tailer())
    assert (read, files) == ([b"x" * (4096 - 8), b""], {f"data-{appender.tid}-0"})


def test_a_tailer_of_ours_goes_where_javas_goes(java3: Java3Peer, tmp_path: Path) -> None:
    """Random appends into several cycles between random reads: both tailers show the same, late commits included."""
    config = CONFIGS[0]
    rng = random.Random(20)
    theirs = java3.vanilla(tmp_path / "q", **config.java)
    writer = theirs.appender()
    with ours(tmp_path / "q", "a", config) as queue:
        reader, java_reader = queue.tailer(), theirs.tailer()
        for step in range(120):
            if rng.random() < 0.6:
                cycle = config.cycle - rng.choice([0, 0, 1, 2, 5, 40])
                writer.append(b"%d" % step, cycle=cycle)
            else:
                count = rng.randrange(1, 6)
                expected = java_reader.read(count)
                got = []
                while len(got) < count and (data := reader.read()) is not None:
                    got.append((reader.last_read_index, data))
                assert got == expected
        assert list(reader.with_index()) == java_reader.read(1000)
    theirs.close()
