"""``pychronix append --yaml``, ``--json`` and ``--event``: documents typed by people."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix import wire
from pychronix.follow import follow

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def stored(path: Path) -> list[bytes]:
    with px.open_queue(path) as queue:
        return list(queue.tailer())


@pytest.fixture
def append(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Appends a text to a new queue; the command's result."""

    def command(content: str | bytes, *options: object) -> Any:
        (tmp_path / "input").write_bytes(content.encode() if isinstance(content, str) else content)
        return run("append", tmp_path / "q", tmp_path / "input", "--create", *options)

    return command


OK = (0, b"", "")


def test_a_line_of_json_is_a_document(append: Callable[..., Any], tmp_path: Path) -> None:
    lines = '{"sym": "EUR/USD", "px": 1.5, "legs": [{"n": 1}]}\n\n  \n{"a": null, "b": true, "big": 1099511627776}'
    assert append(lines, "--json") == OK
    assert stored(tmp_path / "q") == [
        wire.encode_document({"sym": "EUR/USD", "px": 1.5, "legs": [{"n": 1}]}),
        wire.encode_document({"a": None, "b": True, "big": 1 << 40}),
    ]


def test_json_that_is_no_object_is_a_bare_value(append: Callable[..., Any], tmp_path: Path) -> None:
    assert append('"text"\n42\n[1, "x"]\n', "--json") == OK
    assert stored(tmp_path / "q") == [wire.encode_text("text"), wire.encode(42), wire.encode([1, "x"])]


def test_yaml_documents_lie_between_marks(append: Callable[..., Any], tmp_path: Path) -> None:
    text = """# a remark before all
---
sym: EUR/USD
when: 2024-02-29
text: |
  two lines,
  --- of text
--- # 0x4d4b00000001
side: !pkg.Side SELL
n: [1, 2.5, null, 0x1F]
...
--- just a text
---
"""
    assert append(text, "--yaml") == OK
    assert stored(tmp_path / "q") == [
        wire.encode_document(
            {"sym": "EUR/USD", "when": datetime.date(2024, 2, 29), "text": "two lines,\n--- of text\n"}
        ),
        wire.encode_document({"side": wire.Typed("pkg.Side", "SELL"), "n": [1, 2.5, None, 31]}),
        wire.encode_text("just a text"),
    ]


def test_what_cat_prints_append_takes(append: Callable[..., Any], run: Run, tmp_path: Path) -> None:
    documents = [
        wire.encode_document({"sym": "EUR/USD", "px": 1.5, "bytes": b"\0\xff", "none": None, "q": "12"}),
        wire.encode_document({"map": {"a": [1, {"b": "c: d"}], "e": ""}, "t": wire.Typed("pkg.T", {"x": 1})}),
        wire.encode_text("a text\nof two lines"),
    ]
    with px.open_queue(tmp_path / "from", "a") as queue:
        queue.appender().append_many(documents)
    printed = run("cat", "-o", "yaml", tmp_path / "from").out
    assert append(printed, "--yaml") == OK
    assert documents == stored(tmp_path / "q")


def test_an_event_takes_a_line_of_text(append: Callable[..., Any], tmp_path: Path) -> None:
    assert append("hello\nerror: 42\n\n", "--event", "say") == OK
    assert stored(tmp_path / "q") == [wire.encode_event("say", text) for text in ("hello", "error: 42", "")]


@pytest.mark.parametrize("form", ["--json", "--yaml"])
def test_an_event_takes_any_value(append: Callable[..., Any], tmp_path: Path, form: str) -> None:
    lines = '{"sym": "EUR/USD", "px": 1.5}', '["a", 3]', "7"
    assert append(("\n---\n" if form == "--yaml" else "\n").join(lines), "--event", "call", form) == OK
    assert stored(tmp_path / "q") == [
        wire.encode_event("call", {"sym": "EUR/USD", "px": 1.5}),
        wire.encode_event("call", ["a", 3]),  # as are two arguments, but for the width of the number
        wire.encode_event("call", 7),
    ]


def test_a_whole_input_may_be_one_document(append: Callable[..., Any], tmp_path: Path) -> None:
    assert append(json.dumps({"a": [1, 2]}, indent=2), "--json", "--raw") == OK
    assert stored(tmp_path / "q") == [wire.encode_document({"a": [1, 2]})]


@pytest.mark.parametrize(
    "content, options, what, before",
    [
        ('{"a": 1}\n\n{"a": ]}\n', ["--json"], "cannot append line 3 as JSON: ", 0),
        ('{"a": 1}\n{"a": 2\n', ["--json"], "cannot append line 2 as JSON: ", 0),
        (b'{"a": 1}\n{"a": "\xff"}\n', ["--json"], "cannot append line 2 as JSON: byte 7 of line 2 is not UTF-8", 0),
        (b"a: 1\n---\nb: x\nc: \xff\n", ["--yaml"],
         "cannot append the document of line 2 as YAML: byte 3 of line 4 is not UTF-8", 1),
        ("a: 1\n---\nb: x\nc: [1, 2\nd: 3\n", ["--yaml"], "cannot append the document of line 2 as YAML: ", 1),
        ("a: 1\n--- !!binary '?'\n", ["--yaml"], "cannot append the document of line 2 as YAML: ", 1),
    ],
)  # fmt: skip
def test_an_error_names_the_line(
    append: Callable[..., Any], tmp_path: Path, content: str | bytes, options: list[str], what: str, before: int
) -> None:
    """Lines that were read at once are appended together, or none of them; of YAML all documents that were complete."""
    code, out, err = append(content, *options)
    *told, error = err.splitlines()
    assert (1, b"", [f"appended {before} excerpt"] * before) == (code, out, [line.split(",")[0] for line in told])
    assert error.startswith(f"pychronix: {what}"), error
    assert f" in {tmp_path}/input" in error
    assert [wire.encode_document({"a": 1})] * before == stored(tmp_path / "q")


def test_lines_within_a_document_are_counted_from_the_first(append: Callable[..., Any]) -> None:
    err = append("a: 1\n---\nb: x\nc: [1, 2\nd: 3\n", "--yaml").err
    assert "line 5" in err.split("as YAML: ")[1]


def test_what_was_read_before_an_error_is_in(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn("append", tmp_path / "q", "--create", "--json", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(b'{"a": 1}\n')
    process.stdin.flush()
    with px.open_queue(tmp_path / "q", "a") as queue:
        assert wire.encode_document({"a": 1}) == next(follow(queue.tailer()))
    process.stdin.write(b'{"a": 2\n')
    process.stdin.close()
    assert 1 == process.wait(timeout=60)
    lines = process.stderr.read().decode().splitlines()
    assert lines[0].startswith("appended 1 excerpt, the last with index ")
    assert lines[1].startswith("pychronix: cannot append line 2 as JSON: ")


def test_a_yaml_document_is_appended_when_the_next_begins(spawn: Spawn, tmp_path: Path) -> None:
    px.open_queue(tmp_path / "q", "a").close()
    process = spawn("append", tmp_path / "q", "--yaml", stdin=subprocess.PIPE)
    assert process.stdin is not None
    with px.open_queue(tmp_path / "q") as queue:
        following = follow(queue.tailer())
        for piece in (b"a: 1\n-", b"--", b"\nb: 2\n..", b".\n"):  # marks cut by the end of a read
            process.stdin.write(piece)
            process.stdin.flush()
        assert wire.encode_document({"a": 1}) == next(following)
        assert wire.encode_document({"b": 2}) == next(following)
    process.stdin.close()
    assert 0 == process.wait(timeout=60)


@pytest.mark.parametrize(
    "options, what",
    [
        (["--yaml", "--json"], "usage: pychronix append"),
        (["--yaml", "--text"], "usage: pychronix append"),
        (["--json", "--fields", "i"], "usage: pychronix append"),
        (["--yaml", "--delimiter", "x"], "pychronix: --yaml has its own delimiter"),
        (["--event", "say", "--text"], "pychronix: --event takes lines of text"),
        (["--event", "say", "--fields", "i"], "pychronix: --event takes lines of text"),
        (["--json", "--format", "vanilla"], "pychronix: "),
    ],
)
def test_wrong_usage(append: Callable[..., Any], options: list[str], what: str) -> None:
    code, out, err = append("", *options)
    assert (2, b"", True) == (code, out, err.startswith(what)), err


def test_a_history_comes_before_its_event(append: Callable[..., Any], run: Run, tmp_path: Path) -> None:
    history = wire.History(((3, 0x1234_0000_0005),), (17, 18))
    document = wire.encode_event("say", "hello", history=history)
    with px.open_queue(tmp_path / "from", "a") as queue:
        queue.appender().append(document)
    assert append(run("cat", "-o", "yaml", tmp_path / "from").out, "--yaml") == OK
    assert [document] == stored(tmp_path / "q")


@pytest.mark.parametrize("format", ["vanilla", "indexed"])
def test_a_journal_that_cannot_hold_documents_is_not_made_for_them(
    append: Callable[..., Any], tmp_path: Path, format: str
) -> None:
    code, out, err = append('{"a": 1}', "--json", "--format", format)
    told = f"pychronix: {tmp_path / 'q'} is a journal of Chronicle 3.x, where there are no Wire documents\n"
    assert (2, b"", told) == (code, out, err)
    assert [tmp_path / "input"] == list(tmp_path.iterdir())
