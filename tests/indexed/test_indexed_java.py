"""Indexed journals beside real Java 3.6.0: the same files byte by byte, whoever wrote them, and the same excerpts read."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from fix_java3 import Java3Peer
from indexed_kit import SHAPES, Shape, assert_same_files, index_file, lengths_like, message, read_journal

import pychronix as px


@pytest.fixture
def rounds(budget) -> int:
    return budget.of(12, 40, 400)


def room_left(end: int, block: int) -> int:
    """Bytes to the end of the data block that the next excerpt would go to."""
    return block - end % block


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sessions_of_both_write_the_same_bytes(tmp_path: Path, java3: Java3Peer, shape: Shape, rounds: int) -> None:
    """Random sessions: sizes, reserved capacities, exact fills, padding; after each both journals' files are equal."""
    seed = 20_000 + shape.line + shape.data_block
    generator = random.Random(seed)
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    number = 0
    for turn in range(rounds):
        reserve = generator.choice((0, 0, 100, shape.data_block // 2, shape.data_block - 1))
        with shape.ours(mine, reserve=reserve) as queue, queue.appender() as ours, shape.java(java3, yours) as theirs:
            other = theirs.appender()
            for length in lengths_like(generator, shape, generator.randrange(0, 60)):
                left = room_left(queue.cycles()[0].used_bytes, shape.data_block)
                if generator.random() < 0.15 and left < shape.data_block and left >= reserve:
                    length = left  # Fills the block exactly.
                data = message(number, length)
                index = ours.append(data)
                assert index == other.append(data, capacity=max(length, reserve)), f"seed {seed}, turn {turn}"
                number += 1
            assert queue.last_index == (None if theirs.last_index < 0 else theirs.last_index)
        assert_same_files(mine, yours, shape, f"seed {seed}, after session {turn} with reserve {reserve}")
    assert number > 50


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_append_many_writes_what_java_writes_one_by_one(
    tmp_path: Path, java3: Java3Peer, shape: Shape, rounds: int
) -> None:
    seed = 30_000 + shape.line + shape.data_block
    generator = random.Random(seed)
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    number = 0
    for turn in range(rounds):
        reserve = generator.choice((0, 50, shape.data_block // 2))
        lengths = lengths_like(generator, shape, generator.randrange(1, 300))
        messages = [message(number + i, length) for i, length in enumerate(lengths)]
        number += len(messages)
        with shape.ours(mine, reserve=reserve) as queue, queue.appender() as ours, shape.java(java3, yours) as theirs:
            indexes = list(ours.append_many(messages))
            other = theirs.appender()
            if reserve == 0:
                assert indexes == other.append_many(messages)
            else:
                assert indexes == [other.append(data, capacity=max(len(data), reserve)) for data in messages]
        assert_same_files(mine, yours, shape, f"seed {seed}, after batch {turn} with reserve {reserve}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_continue_one_journal_in_turns(tmp_path: Path, java3: Java3Peer, shape: Shape, rounds: int) -> None:
    """We and Java append after each other; a third reads the files by the specification, and all agree each time."""
    seed = 40_000 + shape.line + shape.data_block
    generator = random.Random(seed)
    path = tmp_path / "q"
    expected: list[tuple[int, bytes]] = []
    for turn in range(2 * rounds):
        lengths = lengths_like(generator, shape, generator.randrange(0, 20))
        messages = [message(len(expected) + i, length) for i, length in enumerate(lengths)]
        if turn % 2:
            with shape.java(java3, path) as queue:
                indexes = queue.appender().append_many(messages) if messages else []
                if generator.random() < 0.2:
                    queue.appender().padding()
        else:
            with shape.ours(path) as queue, queue.appender() as appender:
                indexes = [appender.append(data) for data in messages]
        expected += zip(indexes, messages, strict=True)
        assert read_journal(path, shape)[0] == expected, f"seed {seed}, turn {turn}"
    with shape.java(java3, path) as theirs, shape.ours(path, "r") as queue:
        assert theirs.dump() == expected
        assert list(queue.tailer().with_index()) == expected
        assert list(queue.tailer(start="end", direction="backward").with_index()) == expected[::-1]
        assert queue.last_index == theirs.last_index
        assert queue.count() == read_journal(path, shape)[1]


def test_a_journal_of_java_defaults(tmp_path: Path, java3: Java3Peer) -> None:
    """32 MiB and 128 MiB files, 128 KiB reserved for each excerpt: ours are Java's."""
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    with px.open_queue(mine, "a", format="indexed") as queue, queue.appender() as appender:
        first = [appender.append(b"x" * n) for n in (1, 100, 70_000, 200_000)]
    with java3.indexed(yours) as theirs:
        other = theirs.appender()
        assert first == [
            other.append(b"x" * n, capacity="default" if n < 131_072 else None) for n in (1, 100, 70_000, 200_000)
        ]
    for suffix in (".index", ".data"):
        one, two = Path(f"{mine}{suffix}"), Path(f"{yours}{suffix}")
        assert one.stat().st_size == two.stat().st_size
        with one.open("rb") as a, two.open("rb") as b:
            assert a.read(1 << 20) == b.read(1 << 20)
    assert Path(f"{mine}.index").stat().st_size == 32 << 20
    assert Path(f"{mine}.data").stat().st_size == 128 << 20
    # Sparse: the blocks under them are few.
    assert Path(f"{mine}.data").stat().st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_empty_excerpts_anywhere_are_read_by_java(tmp_path: Path, java3: Java3Peer, shape: Shape) -> None:
    """Where an empty excerpt would be a line's first entry, Java writes one that nobody sees; ours are all seen."""
    path = tmp_path / "q"
    generator = random.Random(7)
    messages = [b"" if generator.random() < 0.6 else message(i, generator.randrange(1, 900)) for i in range(400)]
    with shape.ours(path) as queue, queue.appender() as appender:
        indexes = [appender.append(data) for data in messages[:200]]
        indexes += appender.append_many(messages[200:])
    assert indexes == sorted(set(indexes))
    expected = list(zip(indexes, messages, strict=True))
    assert read_journal(path, shape)[0] == expected
    with shape.ours(path, "r") as queue, shape.java(java3, path) as theirs:
        assert theirs.dump() == expected
        assert list(queue.tailer().with_index()) == expected
        assert [queue.tailer(start=index).read() for index in indexes] == messages


@pytest.mark.parametrize("block", [1 << 30, 900 << 20])
def test_java_reads_lines_that_31_bits_end_early(tmp_path: Path, java3: Java3Peer, block: int) -> None:
    """Excerpts a GiB apart: a line holds offsets for two of them and is then filled up with padding of no bytes."""
    shape = Shape(64, block, 1 << 16)
    path = tmp_path / "q"
    with shape.ours(path, reserve=block - 1) as queue, queue.appender() as appender:
        indexes = [appender.append(b"%d" % number * 50) for number in range(10)]
        indexes += appender.append_many([b"%d" % number * 50 for number in range(10, 15)])
    # Without the filling up there would be 14 padding entries; each line but the last has 14 numbers.
    assert indexes[-1] > 5 * 14
    # Java negates an entry: -2^31 has no counterpart.
    raw = index_file(path).read_bytes()
    assert -(1 << 31) not in {entry for at in range(0, 1024, 64) for entry in struct.unpack_from("<14i", raw, at + 8)}
    expected = [(index, b"%d" % number * 50) for number, index in enumerate(indexes)]
    with shape.ours(path, "r") as queue:
        assert list(queue.tailer().with_index()) == expected
        assert list(queue.tailer(start="end", direction="backward").with_index()) == expected[::-1]
        assert queue.cycles()[0].used_bytes == 14 * block + 100
    with shape.java(java3, path) as theirs:
        tailer = theirs.tailer()
        assert [(tailer.index(index), tailer.view()) for index in indexes] == [(True, data) for _, data in expected]
