"""The size of an index line is told from the file, where it can be; else it is Java's default, or what is asked for."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from indexed_kit import Shape, index_file, message

import pychronix as px

SIZES = (16, 32, 64, 128, 256, 1024, 4096)


def opened(path: Path, **options: int) -> px.Queue:
    return px.open_queue(path, format="indexed", data_block_bytes=4096, index_block_bytes=8192, **options)  # type: ignore[arg-type]


def line_of(queue: px.Queue) -> int:
    assert queue.chronicle3 is not None
    return queue.chronicle3.line_bytes


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("length", [1, 300, None])
def test_it_is_found_as_soon_as_it_makes_a_difference(tmp_path: Path, size: int, length: int | None) -> None:
    """A journal of 64 bytes and more is read right at every count of excerpts; beyond a line, all sizes are known.

    Of a shorter line that is just full, the next one's base looks like an empty excerpt in a line of 64.
    """
    shape = Shape(size, 4096, 8192)
    generator = random.Random(size)
    expected: list[tuple[int, bytes]] = []
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        for number in range(70 if size < 1024 else 300):
            data = message(number, generator.randrange(1, 1500) if length is None else length)
            expected.append((appender.append(data), data))
            if size < 64:
                continue
            with opened(tmp_path / "q") as guessed:
                assert list(guessed.tailer().with_index()) == expected
    if expected[-1][0] > max(shape.entries, 14):
        with opened(tmp_path / "q") as queue:
            assert line_of(queue) == size


def test_what_is_asked_for_stands_where_the_file_does_not_contradict(tmp_path: Path) -> None:
    shape = Shape(128)
    with shape.ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 14)
        for size in (64, 128, 4096):
            with opened(tmp_path / "q", line_bytes=size) as other:
                assert line_of(other) == size
        appender.append_many([b"x"] * 40)
        with (
            pytest.warns(px.ChronixWarning, match="line_bytes is 128, not 64"),
            opened(tmp_path / "q", line_bytes=64) as other,
        ):
            assert line_of(other) == 128
            assert len(list(other.tailer())) == 54
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with opened(tmp_path / "q", line_bytes=128) as queue:
            assert line_of(queue) == 128


def test_a_damaged_index_is_taken_for_what_is_expected(tmp_path: Path) -> None:
    with Shape(64).ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append_many([b"x"] * 40)
    raw = bytearray(index_file(tmp_path / "q").read_bytes())
    raw[64:72] = b"\x77" * 8
    index_file(tmp_path / "q").write_bytes(raw)
    with opened(tmp_path / "q") as queue:
        assert line_of(queue) == 64
        with pytest.raises(px.CorruptError):
            list(queue.tailer())
