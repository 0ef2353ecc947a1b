"""``pychronix append``: what becomes an excerpt."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix.follow import follow

Run = Callable[..., Any]

Spawn = Callable[..., "subprocess.Popen[bytes]"]


def stored(path: Path) -> list[bytes]:
    with px.open_queue(path) as queue:
        return list(queue.tailer())


@pytest.fixture
def append(run: Run, tmp_path: Path) -> Callable[..., list[bytes]]:
    """Appends a file's content to a new queue; what is stored then."""

    def command(content: bytes, *options: object) -> list[bytes]:
        (tmp_path / "input").write_bytes(content)
        assert (0, b"", "") == run("append", tmp_path / "q", tmp_path / "input", "--create", *options)
        return stored(tmp_path / "q")

    return command


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", []),
        (b"one\n", [b"one"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"\n\nx\n", [b"\x8f", b"\x8f", b"x"]),  # an empty excerpt is the byte 8F, as in Java
        (b"\xff\x00\r\n", [b"\xff\x00\r"]),
        (b"a" * 3_000_000 + b"\nb\n", [b"a" * 3_000_000, b"b"]),
    ],
)
def test_a_line_is_an_excerpt(append: Callable[..., list[bytes]], content: bytes, expected: list[bytes]) -> None:
    assert expected == append(content)


@pytest.mark.parametrize(
    "delimiter, content, expected",
    [
        (r"\0", b"a\nb\0c\0", [b"a\nb", b"c"]),
        (r"\x1e", b"a\x1eb", [b"a", b"b"]),
        (r"\r\n", b"a\r\nb\nc\r\n", [b"a", b"b\nc"]),
        ("||", b"a||b|c||d|", [b"a", b"b|c", b"d|"]),
        (r"\\", b"a\\b", [b"a", b"b"]),
        ("\u00e9", "a\u00e9b".encode(), [b"a", b"b"]),
    ],
)
def test_any_bytes_may_end_an_excerpt(
    append: Callable[..., list[bytes]], delimiter: str, content: bytes, expected: list[bytes]
) -> None:
    assert expected == append(content, "--delimiter", delimiter)


def test_a_delimiter_cut_by_a_read_is_found(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn("append", tmp_path / "q", "--create", "-d", "<->", stdin=subprocess.PIPE)
    assert process.stdin is not None
    for piece in (b"one<", b"-", b">two<-", b"x<->", b"<->end"):
        process.stdin.write(piece)
        process.stdin.flush()
    assert (b"", b"") == process.communicate()
    assert [b"one", b"two<-x", b"\x8f", b"end"] == stored(tmp_path / "q")


def test_raw_is_one_excerpt(append: Callable[..., list[bytes]]) -> None:
    assert [b"a\nb\n"] == append(b"a\nb\n", "--raw")


def test_text_is_stored_as_java_writes_text(append: Callable[..., list[bytes]]) -> None:
    lines = "hello 0\n\n\U0001f600\n"
    assert [bytes.fromhex("e768656c6c6f2030"), b"\xe0", bytes.fromhex("e6eda0bdedb880")] == append(
        lines.encode(), "--text"
    )


def test_text_that_is_no_text_is_an_error_that_says_what_is_in(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"fine\n\xff\n")
    code, _, err = run("append", "--create", "--text", tmp_path / "q", tmp_path / "input")
    assert 1 == code
    assert err.startswith("pychronix: cannot append excerpt 2 as text: its byte 0 is not UTF-8; ")
    assert 1 == err.count("\n")


def test_verbose_tells_count_and_last_index(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"1\n2\n3\n")
    code, out, err = run("append", "-v", "--create", tmp_path / "q", tmp_path / "input")
    with px.open_queue(tmp_path / "q") as queue:
        last = queue.last_index
    assert (0, b"", f"appended 3 excerpts, the last with index {last} ({last:#x})\n") == (code, out, err)


def test_the_roll_cycle_of_a_new_queue_can_be_named(append: Callable[..., list[bytes]], tmp_path: Path) -> None:
    append(b"x\n", "--roll", "test_hourly")
    with px.open_queue(tmp_path / "q") as queue:
        assert px.RollCycle.TEST_HOURLY == queue.roll_cycle


def test_an_existing_roll_cycle_wins_with_a_warning(run: Run, queue: Path, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"x\n")
    code, _, err = run("append", queue, tmp_path / "input", "--roll", "HOURLY")
    assert 0 == code
    assert err.startswith(f"pychronix: warning: {queue}: the queue's roll cycle is FAST_DAILY, not HOURLY")
    assert 1 == err.count("\n")
    assert b"x" == stored(queue)[-1]


def test_without_create_there_must_be_a_queue(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"x\n")
    code, _, err = run("append", tmp_path / "q", tmp_path / "input")
    assert (1, True, 1) == (code, err.startswith("pychronix: cannot open"), err.count("\n"))
    assert not (tmp_path / "q").exists()


def test_a_missing_input_is_an_error(run: Run, queue: Path, tmp_path: Path) -> None:
    missing = tmp_path / "no"
    assert (1, b"", f"pychronix: {missing}: No such file or directory\n") == run("append", queue, missing)


def test_lines_from_a_pipe_are_appended_as_they_come(spawn: Spawn, tmp_path: Path) -> None:
    px.open_queue(tmp_path / "q", "a").close()
    process = spawn("append", tmp_path / "q", stdin=subprocess.PIPE)
    assert process.stdin is not None
    with px.open_queue(tmp_path / "q") as queue:
        following = follow(queue.tailer())
        for line in (b"first", b"second"):
            process.stdin.write(line + b"\nhalf of the next")
            process.stdin.flush()
            got = next(following)
            assert got == (line if line == b"first" else b"half of the nextsecond")
    process.stdin.close()
    assert 0 == process.wait()
    assert b"half of the next" == stored(tmp_path / "q")[-1]
