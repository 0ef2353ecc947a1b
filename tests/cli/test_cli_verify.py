"""``pychronix verify``: the judge of a queue, its report and its exit code."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fix_java import unpack_fixture

import pychronix as px

Run = Callable[..., Any]


def test_a_sound_queue_is_told_in_a_line(run: Run, queue: Path) -> None:
    told = f"{queue}: cq5, 2 cycles, 6 messages, 0 errors, 0 warnings\n"
    assert (0, told.encode(), "") == run("verify", queue)


def test_a_queue_of_java_is_sound(run: Run, tmp_path: Path) -> None:
    for queue in unpack_fixture("v5/2026.4", tmp_path).values():
        code, out, err = run("verify", queue.path)
        assert (0, "") == (code, err), out


def damage(queue: Path) -> None:
    """Gives the first message of the second cycle a length beyond the end of its file."""
    path = queue / "20240306F.cq4"
    content = bytearray(path.read_bytes())
    at = content.index("h\u00e9 \U0001f600".encode())
    struct.pack_into("<I", content, at - 4, 0x3FFFFFF0)
    path.write_bytes(content)


def test_what_is_wrong_is_told_and_is_exit_code_1(run: Run, queue: Path) -> None:
    damage(queue)
    code, out, err = run("verify", queue)
    lines = out.decode().splitlines()
    assert (1, "") == (code, err)
    assert " 0 errors" not in lines[0] and len(lines) > 1
    assert any("20240306F.cq4" in line for line in lines[1:])


def test_json_has_the_findings(run: Run, queue: Path) -> None:
    assert {"ok": True, "clean": True, "messages": 6, "findings": [], "roll_cycle": "FAST_DAILY"}.items() <= (
        json.loads(run("verify", "--json", queue).out).items()
    )
    damage(queue)
    code, out, err = run("verify", "--json", queue)
    report = json.loads(out)
    assert (1, "", False) == (code, err, report["ok"])
    (kinds,) = [{finding["kind"] for finding in report["findings"]}]
    assert kinds == set(report["kinds"])
    assert {"severity", "kind", "path", "message"} <= set(report["findings"][0])


def test_a_warning_is_no_error(run: Run, queue: Path) -> None:
    """A writer that died holding the lock: every reader and writer copes."""
    with px.open_queue(queue, "r+") as opened:
        assert opened.table_store.compare_and_set("chronicle.write.lock", -(2**63), 2**22 + 12345)
    code, out, err = run("verify", queue)
    assert (0, "") == (code, err)
    assert b" 0 errors, 1 warnings\n" in out


def test_where_no_queue_is_there_is_nothing_to_verify(run: Run, tmp_path: Path) -> None:
    code, out, err = run("verify", tmp_path / "nothing")
    assert (1, b"", 1) == (code, out, err.count("\n"))
    assert 2 == run("verify", "tcp://127.0.0.1:1").code


def test_a_journal_is_checked_as_it_is_laid_out(run: Run, tmp_path: Path) -> None:
    """The options of Chronicle 3.x say what its files do not."""
    with px.open_queue(tmp_path / "v", "a", format="vanilla", roll="yyyyMMdd'x7'") as queue:
        queue.appender().append_many([b"one", b"two"])
    assert 1 == run("verify", tmp_path / "v").code, "the name of the directory has two sevens"
    code, out, err = run("verify", tmp_path / "v", "--roll", "yyyyMMdd'x7'")
    assert (0, "", True) == (code, err, out.endswith(b": vanilla, 1 cycles, 2 messages, 0 errors, 0 warnings\n")), out
    with px.open_queue(tmp_path / "i", "a", format="indexed", line_bytes=128, data_block_bytes=4096) as queue:
        queue.appender().append_many([b"x" * 100] * 50)
    assert 0 == run("verify", tmp_path / "i", "--line-bytes", 128, "--data-block", 4096).code
    assert 1 == run("verify", tmp_path / "i", "--line-bytes", 128, "--data-block", 8192).code, (
        "padding where none belongs"
    )
