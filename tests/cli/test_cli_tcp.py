"""The command line over TCP: serve, tail, cat and append of tcp://, replicate."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix import tcp

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def source(queue: Path) -> Iterator[tcp.ThreadedSource]:
    """The six messages of ``queue``, served from this process."""
    with px.open_queue(queue, "r+") as opened, tcp.serve(opened) as serving:
        yield serving


def url_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    assert url.startswith("tcp://127.0.0.1:"), url
    return url


def test_serving_until_ctrl_c(queue: Path, spawn: Spawn, run: Run) -> None:
    process = spawn("serve", queue)
    url = url_of(process)
    assert 0 == run("append", url, os.devnull).code
    assert run("cat", queue, "--output", "hex").out == run("cat", url, "--output", "hex").out
    process.send_signal(signal.SIGINT)
    assert 130 == process.wait(30)
    assert process.stderr is not None and b"" == process.stderr.read()
    result = run("cat", url)
    assert (1, b"") == (result.code, result.out)
    assert "cannot connect" in result.err


def test_serving_takes_the_files_that_many_clients_need(queue: Path, spawn: Spawn) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 2000:
        pytest.skip(f"this process may have {hard} open files at the most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        process = spawn("serve", queue)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    url_of(process)
    found, _ = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert found in (hard, 1 << 15)


def test_serving_read_only(queue: Path, spawn: Spawn, run: Run, tmp_path: Path) -> None:
    url = url_of(spawn("serve", queue, "--read-only"))
    lines = tmp_path / "lines"
    lines.write_text("one\ntwo\n")
    result = run("append", url, lines)
    assert 1 == result.code
    assert "refused to append 2 of the 2 messages sent to it, number 0, 1; nothing was appended" in result.err
    with px.open_queue(queue) as opened:
        assert 6 == opened.count()


def test_a_port_of_ones_own(queue: Path, run: Run, spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", queue, "--port", port)
    assert (1, b"") == (result.code, result.out)
    assert "in use" in result.err
    assert f"tcp://127.0.0.1:{port}" == url_of(spawn("serve", queue, "--port", port))
    assert 2 == run("serve", queue, "--port", 65536).code


def test_cat_of_a_source(source: tcp.ThreadedSource, queue: Path, run: Run, indexes: list[int]) -> None:
    for options in ([], ["--count", 2], ["--start", "end"], ["--start", indexes[2]], ["--output", "raw"], ["-n", "0"]):
        here, there = run("cat", queue, *options), run("cat", source.url, *options)
        assert (0, "") == (there.code, there.err)
        assert here.out == there.out
    first = json.loads(run("cat", source.url, "--output", "json", "-n", 1).out)
    assert {"index": indexes[0], "index_hex": hex(indexes[0]), "length": 5, "text": "plain"} == first


def test_the_end_of_a_source(source: tcp.ThreadedSource, run: Run, indexes: list[int]) -> None:
    """Its last message is all that a source can find from behind."""
    assert b"%d\t8f\n" % indexes[-1] == run("tail", source.url, "--output", "hex").out
    assert b"%d\t8f\n" % indexes[-1] == run("tail", source.url, "-n", 1, "--output", "hex").out
    assert b"" == run("tail", source.url, "-n", 0).out


def test_a_day_of_a_source(source: tcp.ThreadedSource, run: Run, indexes: list[int]) -> None:
    out = run("tail", source.url, "--date", "2024-03-06", "--roll", "FAST_DAILY", "--output", "hex").out
    assert [b"%d" % index for index in indexes[3:]] == [line.split(b"\t")[0] for line in out.splitlines()]


def test_following_a_source(source: tcp.ThreadedSource, spawn: Spawn) -> None:
    process = spawn("tail", source.url, "-f", "-n", 1)
    assert process.stdout is not None
    assert b"8f  |.|\n" == process.stdout.readline()
    with tcp.RemoteAppender(source.host, source.port) as appender:
        for number in range(3):
            appender.append(b"number %d" % number)
            assert b"number %d\n" % number == process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert 130 == process.wait(30)


def test_a_reader_that_goes_ends_the_following(source: tcp.ThreadedSource, spawn: Spawn) -> None:
    process = spawn("tail", source.url, "-f", "-n", 1)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert 0 == process.wait(30)


def test_appending_to_a_source(source: tcp.ThreadedSource, queue: Path, run: Run, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    result = run("append", source.url, lines, "--verbose")
    assert (0, b"") == (result.code, result.out)
    assert result.err.startswith("appended 1000 excerpts, the last with index ")
    with px.open_queue(queue) as opened:
        assert [b"line %d" % number for number in range(1000)] == list(opened.tailer())[6:]


def test_typed_fields_over_tcp(tmp_path: Path, run: Run, spawn: Spawn) -> None:
    lines = tmp_path / "lines"
    lines.write_text("7\tEUR/USD\t1.0837\n8\t\\N\t1.25\n")
    trades = tmp_path / "trades"
    assert 0 == run("append", "--create", "--format", "vanilla", "--fields", "q,utf,d", trades, lines).code
    url = url_of(spawn("serve", trades))
    assert 0 == run("append", "--fields", "q,utf,d", url, lines).code
    assert lines.read_bytes() * 2 == run("cat", "--fields", "q,utf,d", url).out


def test_typed_fields_of_the_newer_dialect(tmp_path: Path, run: Run, spawn: Spawn) -> None:
    """What differs between the dialects: false is 4e, a char a stop bit."""
    lines = tmp_path / "lines"
    lines.write_text("false\t€\ntrue\tx\n")
    flags = tmp_path / "flags"
    assert 0 == run("append", "--create", "--fields", "boolean,char", flags, lines).code
    url = url_of(spawn("serve", flags))
    assert 0 == run("append", "--fields", "boolean,char", "--dialect", "v5", url, lines).code
    assert lines.read_bytes() * 2 == run("cat", "--fields", "boolean,char", flags).out
    assert lines.read_bytes() * 2 == run("cat", "--fields", "boolean,char", "--dialect", "v5", url).out
    assert 1 == run("cat", "--fields", "boolean,char", url).code


@pytest.mark.parametrize(
    ("served", "asked"),
    [
        (["--format", "vanilla"], []),
        (["--format", "vanilla", "--roll", "HOURS"], ["--format", "vanilla"]),
        (["--format", "vanilla"], ["--format", "vanilla", "--entries-per-cycle", "65536", "--index-block", "4K"]),
        (["--format", "vanilla"], ["--format", "indexed"]),
        (["--format", "indexed"], []),
        (["--format", "indexed"], ["--format", "vanilla"]),
        ([], ["--format", "vanilla"]),
        (["--roll", "FAST_HOURLY"], []),
    ],
    ids=str,
)
def test_a_replica_of_another_kind_is_not_made(
    tmp_path: Path, run: Run, spawn: Spawn, served: list[str], asked: list[str]
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("one\n")
    original = tmp_path / "original"
    assert 0 == run("append", "--create", *served, original, lines).code
    url = url_of(spawn("serve", original, "--read-only"))
    before = set(tmp_path.iterdir())
    result = run("replicate", url, tmp_path / "copy", *asked)
    assert (1, b"") == (result.code, result.out)
    assert "no source tells what it serves" in result.err
    assert before == set(tmp_path.iterdir())
    assert 0 == run("replicate", url, tmp_path / "copy", *served).code


def test_no_replica_of_a_source_that_is_not_there(tmp_path: Path, run: Run) -> None:
    result = run("replicate", "tcp://127.0.0.1:1", tmp_path / "copy")
    assert (1, b"") == (result.code, result.out)
    assert "cannot connect" in result.err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [[], ["--format", "vanilla"], ["--format", "indexed"]], ids=str)
def test_replicas(tmp_path: Path, run: Run, spawn: Spawn, options: list[str]) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"".join(b"line %d\n" % number for number in range(5000)))
    original, copy, second = tmp_path / "original", tmp_path / "copy", tmp_path / "second"
    assert 0 == run("append", "--create", *options, original, lines).code
    url = url_of(spawn("serve", original, "--read-only"))
    for expected in ("copied 5000 excerpts\n", "copied 0 excerpts\n"):
        result = run("replicate", url, copy, *options, "--verbose")
        assert (0, b"", expected) == (result.code, result.out, result.err)
    assert 0 == run("replicate", original, second).code
    hexes = [run("cat", path, "--output", "hex").out for path in (original, copy, second)]
    assert hexes[0] == hexes[1] == hexes[2] != b""


def test_a_replica_that_follows(source: tcp.ThreadedSource, queue: Path, tmp_path: Path, spawn: Spawn) -> None:
    copy = tmp_path / "copy"
    process = spawn("replicate", source.url, copy, "-f")
    with tcp.RemoteAppender(source.host, source.port) as appender:
        last = appender.append(b"while it follows")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with px.open_queue(copy) as opened:
                if opened.last_index == last:
                    break
        except px.ChronixError:
            pass  # It is just being made.
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert 130 == process.wait(30)
    with px.open_queue(copy) as opened, px.open_queue(queue) as original:
        assert list(original.tailer().with_index()) == list(opened.tailer().with_index())


@pytest.mark.parametrize(
    "arguments",
    [
        ["cat", "tcp://nowhere"],
        ["cat", "tcp://127.0.0.1:1", "--reverse"],
        ["cat", "tcp://127.0.0.1:1", "--meta"],
        ["tail", "tcp://127.0.0.1:1", "-n", "2"],
        ["tail", "tcp://127.0.0.1:1", "--date", "yesterday"],
        ["tail", "tcp://127.0.0.1:1", "--roll", "FORTNIGHTS"],
        ["tail", "tcp://127.0.0.1:1", "--entries-per-cycle", "512", "--roll", "FAST_DAILY"],
        ["append", "tcp://127.0.0.1:1", "--create", os.devnull],
        ["append", "tcp://127.0.0.1:99999", os.devnull],
        ["replicate", "tcp://nowhere", "copy"],
        ["replicate", "original", "tcp://127.0.0.1:1"],
        ["replicate", "tcp://127.0.0.1:1", "tcp://127.0.0.1:2"],
        ["serve", "tcp://127.0.0.1:1"],
        ["info", "tcp://127.0.0.1:1"],
        ["cat", "queue", "--fields", "i", "--dialect", "v5"],
        ["append", "queue", "--fields", "i", "--dialect", "v5", os.devnull],
        ["tail", "tcp://127.0.0.1:1", "--dialect", "v5"],
    ],
    ids=" ".join,
)
def test_wrong_usage(run: Run, tmp_path: Path, monkeypatch: Any, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert (2, b"") == (result.code, result.out)
    assert result.err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["cat"], ["tail"], ["append"]], ids=str)
def test_nobody_there(run: Run, tmp_path: Path, command: list[str]) -> None:
    lines = tmp_path / "lines"
    lines.write_text("one\n")
    result = run(*command, "tcp://127.0.0.1:1", *([lines] if command == ["append"] else []))
    assert (1, b"") == (result.code, result.out)
    assert "cannot connect to tcp://127.0.0.1:1" in result.err
