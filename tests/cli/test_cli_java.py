"""Acceptance: what ``pychronix cat --output hex`` prints of a queue that Java made is Java's own dump of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_java import fixture_names, unpack_fixture

Run = Callable[..., Any]


def lines(excerpts: list[tuple[int, bytes]]) -> list[str]:
    return [f"{index}\t{payload.hex()}" for index, payload in excerpts]


@pytest.mark.parametrize("name", fixture_names())
def test_hex_equals_the_dump_of_the_java_that_wrote_it(run: Run, tmp_path: Path, name: str) -> None:
    for queue_name, queue in unpack_fixture(name, tmp_path).items():
        forward = run("cat", "--output", "hex", queue.path)
        backward = run("cat", "--output", "hex", "--reverse", queue.path)
        assert (0, "", 0, "") == (forward.code, forward.err, backward.code, backward.err), queue_name
        printed = forward.out.decode().splitlines()
        assert printed == backward.out.decode().splitlines()[::-1], queue_name
        if "excerpts" in queue.expected:
            assert lines(queue.excerpts) == printed, queue_name
        else:
            sample = [(index, bytes.fromhex(payload)) for index, payload in queue.expected["sample"]]
            assert queue.expected["count"] == len(printed)
            assert set() == set(lines(sample)) - set(printed)


@pytest.mark.parametrize("name", fixture_names())
def test_info_agrees_with_java(run: Run, tmp_path: Path, name: str) -> None:
    for queue_name, queue in unpack_fixture(name, tmp_path).items():
        assert 0 == run("info", queue.path).code, queue_name
        if queue_name == "WEEKLY":
            continue  # Java cannot reopen it, and so tells nothing
        facts: dict[str, Any] = json.loads(run("info", "--json", queue.path).out)
        expected = queue.expected
        assert expected["count"] == facts["count"], queue_name
        assert expected["format"] == facts["roll_cycle"]["pattern"], queue_name
        if queue.expected["release"] > "5.17":  # older ones gave several roll cycles one pattern
            assert expected["roll"] == facts["roll_cycle"]["name"]
        assert expected["source_id"] == facts["source_id"], queue_name
        listed = expected.get("excerpts")  # old releases do not tell their last index
        last = expected["last_index"] if listed is None else max((index for index, _ in listed), default=None)
        assert (last, last is None) == (facts["last_index"], facts["first_index"] is None), queue_name


def test_java_dumps_what_append_wrote(run: Run, java: Any, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"one\n\n\xff\x00\n")
    assert 0 == run("append", "--create", "--roll", "TEST4_DAILY", tmp_path / "q", tmp_path / "input").code
    printed = run("cat", "--output", "hex", tmp_path / "q").out
    assert 3 == printed.count(b"\n")
    with java.open(tmp_path / "q") as queue:
        queue.dump_to(tmp_path / "dump")
    assert (tmp_path / "dump").read_bytes() == printed
