"""Colours: only where somebody looks, and only between the characters."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix import wire
from pychronix.cli.colours import coloured

Run = Callable[..., Any]
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    with px.open_queue(tmp_path / "docs", "a") as queue:
        appender = queue.appender()
        appender.append(wire.encode_document({"sym": "EUR/USD", "px": 1.5, "ok": True, "note": "a: b"}))
    return tmp_path / "docs"


def on_a_terminal(arguments: list[str], **environ: str) -> str:
    """What the command writes to a terminal."""
    leader, follower = pty.openpty()
    root = Path(px.__file__).resolve().parents[1]
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pychronix", *arguments],
        stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
        env={**variables, "TERM": "xterm", "PYTHONPATH": str(root), **environ},
    )  # fmt: skip
    os.close(follower)
    written = b""
    try:
        while select.select([leader], [], [], 60)[0]:
            try:
                data = os.read(leader, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
            if not data:
                break
            written += data
        assert 0 == process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("output", ["auto", "yaml", "json", "table"])
def test_a_terminal_gets_colours_and_the_same_text(run: Run, documents: Path, output: str) -> None:
    plain = run("cat", documents, "-o", output).out.decode()
    assert "\x1b" not in plain
    shown = on_a_terminal(["cat", str(documents), "-o", output])
    assert "\x1b[" in shown
    assert plain == SGR.sub("", shown)


@pytest.mark.parametrize(
    "environ, options", [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--color", "never"])]
)
def test_who_wants_none_gets_none(documents: Path, environ: dict[str, str], options: list[str]) -> None:
    assert "\x1b" not in on_a_terminal(["cat", str(documents), *options], **environ)


def test_an_empty_no_color_says_nothing(documents: Path) -> None:
    """As https://no-color.org has it."""
    assert "\x1b[" in on_a_terminal(["cat", str(documents)], NO_COLOR="")


def test_colours_may_be_had_in_a_file(run: Run, documents: Path) -> None:
    assert "\x1b[36msym\x1b[0m: EUR/USD\n" in run("cat", documents, "--color", "always").out.decode()


@pytest.mark.parametrize("output", ["text", "hex", "raw"])
def test_what_programs_read_is_never_coloured(run: Run, documents: Path, output: str) -> None:
    assert run("cat", documents, "-o", output) == run("cat", documents, "-o", output, "--color", "always")


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("key: value", [("36", "key")]),
        ("  a.b$c: 1.5", [("36", "a.b$c"), ("33", "1.5")]),
        ('"quoted key": "text: with # all"', [("36", '"quoted key"'), ("32", '"text: with # all"')]),
        ("when: 2024-02-29T12:00:01", [("36", "when")]),
        ("type: !pkg.Some$Thing {", [("36", "type"), ("35", "!pkg.Some$Thing")]),
        ("n: !!null \"\"", [("36", "n"), ("35", "!!null"), ("32", '""')]),
        ("--- # 0x4d4b00000000", [("2", "--- # 0x4d4b00000000")]),
        ("a: -1.0E300 # a remark", [("36", "a"), ("33", "-1.0E300"), ("2", "# a remark")]),
        ('{"index": 5, "text": "a\\"b", "x": null}',
         [("36", '"index"'), ("33", "5"), ("36", '"text"'), ("32", '"a\\"b"'), ("36", '"x"'), ("33", "null")]),
        ("an apostrophe: it's", [("36", "apostrophe")]),
    ],
)  # fmt: skip
def test_what_has_which_colour(text: str, kinds: list[tuple[str, str]]) -> None:
    shown = coloured(text)
    assert text == SGR.sub("", shown)
    assert kinds == re.findall(r"\x1b\[([0-9]+)m(.*?)\x1b\[0m", shown)
