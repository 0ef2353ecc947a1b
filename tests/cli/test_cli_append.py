"""``pychronix append``: what becomes an excerpt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_java import unpack_fixture

import pychronix as px
from pychronix.cli.shell import HINTS, told
from pychronix.follow import follow

Run = Callable[..., Any]
Shell = Callable[[str], Any]

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
    assert err.startswith(f"pychronix: cannot append excerpt 2 as text: its byte 0 is not UTF-8 in {tmp_path}/input; ")
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


def test_a_directory_is_no_input_and_is_named(run: Run, tmp_path: Path) -> None:
    code, out, err = run("append", "--create", tmp_path / "q", tmp_path)
    assert (1, b"", f"pychronix: {tmp_path}: Is a directory\n") == (code, out, err)
    assert not (tmp_path / "q").exists()


def test_an_input_that_may_not_be_read_is_named(run: Run, queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may read whatever its mode: /proc has a file that opens and then refuses to be read.
    name = "/proc/self/mem"
    assert (1, b"", f"pychronix: {name}: Input/output error\n") == run("append", queue, name)


def test_a_closed_standard_input_is_an_error(shell: Shell, queue: Path) -> None:
    assert (1, b"", "pychronix: standard input: Bad file descriptor\n") == shell(f"append {queue} <&-")
    assert 6 == len(stored(queue))


@pytest.mark.parametrize("roll", ["NONSENSE", ""])
def test_an_unknown_roll_cycle_is_wrong_usage(run: Run, tmp_path: Path, roll: str) -> None:
    code, out, err = run("append", "--create", "--roll", roll, tmp_path / "q", os.devnull)
    assert (2, b"", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"pychronix: unknown roll cycle {roll!r}; one of FIVE_MINUTELY, ")


def test_hints_speak_of_options(run: Run, queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library advises its callers to write in Python is of no use on a command line."""
    with px.open_queue(queue, "r+") as opened:
        assert opened.table_store.compare_and_set("chronicle.write.lock", -(2**63), 1)
    open_queue = px.open_queue
    monkeypatch.setattr(px, "open_queue", lambda *a, **o: open_queue(*a, **o, timeout_ms=10))
    (queue.parent / "input").write_bytes(b"x\n")
    code, _, err = run("append", queue, queue.parent / "input")
    assert (1, 1) == (code, err.count("\n"))
    assert err.endswith("; wait for process 1, or end it if it hangs\n")
    assert "timeout_ms" not in err


@pytest.mark.parametrize("kind", HINTS)
def test_no_hint_names_an_argument_of_python(kind: type[px.ChronixError]) -> None:
    error = kind("cannot append", hint="call it with mode=")
    assert "=" not in told(error)


@pytest.mark.parametrize("name", ["v5/4.16.4", "v5/5.16.11"])
def test_a_queue_that_is_only_read_says_so_without_python(run: Run, tmp_path: Path, name: str) -> None:
    queue = next(iter(unpack_fixture(name, tmp_path).values())).path
    code, out, err = run("append", queue, os.devnull)
    assert (1, b"", 1) == (code, out, err.count("\n"))
    assert str(queue) in err and "; pychronix only reads it; " in err and "mode=" not in err


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
