"""Journals of Chronicle 3.x on the command line: what is made, how it is told, where reading begins."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_java import unpack_fixture

import pychronix as px
from pychronix.cli.shell import told

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
DAY_NS = 86_400_000_000_000
FIRST_CYCLE = 19_787  # 2024-03-05


def make(path: Path, days: list[int], **options: Any) -> list[tuple[int, bytes]]:
    """A journal or queue with two messages on each of these days after the first; indexes and messages."""
    now = [0]
    if options.get("format") == "vanilla":
        options = {"index_block_bytes": 4096, "data_block_bytes": 65536, **options}
    with px.open_queue(path, "a", clock=lambda: now[0], **options) as queue, queue.appender() as appender:
        found = []
        for day in days:
            now[0] = (FIRST_CYCLE + day) * DAY_NS + DAY_NS // 2
            for text in (b"%d first" % day, b"%d second" % day):
                found.append((appender.append(text), text))
        return found


@pytest.fixture
def append(run: Run, tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "input").write_bytes(b"one\n\ntwo\n")
    return lambda *options, name="q": run("append", tmp_path / name, tmp_path / "input", *options)


@pytest.mark.parametrize(
    "options, settings",
    [
        ([], {"roll_cycle": "DAYS", "entries_per_cycle": 1 << 40, "index_block_bytes": 16 << 20}),
        (
            ["--roll", "hours", "--index-block", "4K", "--data-block", "1M", "--thread-bits", 20],
            {"roll_cycle": "HOURS", "index_block_bytes": 4096, "data_block_bytes": 1 << 20, "thread_bits": 20},
        ),
        (
            ["--roll", "yyyyMMdd/HHmm", "--entries-per-cycle", 65536, "--index-block", "512K"],
            {"roll_cycle": "CUSTOM", "entries_per_cycle": 65536, "data_block_bytes": 64 << 20},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_vanilla_journal_is_made_as_it_is_asked_for(
    run: Run, append: Any, tmp_path: Path, options: list[Any], settings: dict[str, Any]
) -> None:
    assert (0, b"", "") == append("--create", "--format", "vanilla", *options)
    given = [part for pair in zip(options[::2], options[1::2], strict=True) if pair[0][2:3] in "et" for part in pair]
    assert b"one\n\ntwo\n" == run("cat", tmp_path / "q", *given).out
    facts = json.loads(run("info", "--json", tmp_path / "q", *given).out)
    assert "vanilla" == facts["format"]
    facts["roll_cycle"] = facts["roll_cycle"]["name"]
    assert settings == {name: facts[name] for name in settings}


def test_an_indexed_journal_is_made_and_named_by_any_of_its_files(run: Run, append: Any, tmp_path: Path) -> None:
    options = ["--line-bytes", 128, "--index-block", "64K", "--data-block", "64K"]
    assert (0, b"", "") == append("--create", "--format", "indexed", *options)
    assert {"input", "q.data", "q.index"} == set(os.listdir(tmp_path))
    assert 65536 == (tmp_path / "q.data").stat().st_size
    for name in ("q", "q.data", "q.index"):
        assert b"one\n\ntwo\n" == run("cat", tmp_path / name, *options).out
        facts = json.loads(run("info", "--json", tmp_path / name, *options).out)
        assert {
            "format": "indexed",
            "line_bytes": 128,
            "count": 3,
            "path": str(tmp_path / "q"),
        }.items() <= facts.items()
    assert (0, b"", "") == append(*options, name="q.index")
    assert b"two\none\n\ntwo\n" == run("tail", "-n", 4, tmp_path / "q", *options).out


def test_another_line_size_than_javas_default_is_found_out(run: Run, tmp_path: Path) -> None:
    journal = unpack_fixture("v3/indexed", tmp_path)["l128"].path
    given = run("cat", journal, "--line-bytes", 128)
    assert (0, "") == (given.code, given.err)
    assert len(given.out) > 1000
    assert given == run("cat", journal)
    code, out, err = run("cat", journal, "--line-bytes", 64)
    assert (0, given.out) == (code, out)
    assert f"pychronix: warning: {journal}: the journal's --line-bytes is 128, not 64 as asked for\n" == err


def test_the_format_of_an_existing_queue_wins_with_a_warning(
    run: Run, append: Any, queue: Path, tmp_path: Path
) -> None:
    (tmp_path / "input").write_bytes(b"x\n")
    code, out, err = run("append", queue, tmp_path / "input", "--create", "--format", "vanilla")
    assert (0, b"", f"pychronix: warning: {queue}: the queue's format is cq5, not vanilla as asked for\n") == (
        code,
        out,
        err,
    )
    assert b"x\n" == run("tail", "-n", 1, queue).out
    make(tmp_path / "v", [0], format="vanilla")
    code, out, err = run("append", tmp_path / "v", tmp_path / "input", "--create", "--format", "cq5")
    assert (0, f"pychronix: warning: {tmp_path}/v: the queue's format is vanilla, not cq5 as asked for\n") == (
        code,
        err,
    )
    assert b"x\n" == run("tail", "-n", 1, tmp_path / "v").out


def test_roll_files_without_table_store_are_no_place_for_a_journal(run: Run, queue: Path, tmp_path: Path) -> None:
    (queue / "metadata.cq4t").unlink()
    before = set(os.listdir(queue))
    code, _, err = run("append", queue, os.devnull, "--create", "--format", "vanilla")
    assert (0, True) == (code, "the queue's format is cq5, not vanilla" in err)
    assert {"metadata.cq4t"} == set(os.listdir(queue)) - before


@pytest.mark.parametrize(
    "options, wrong",
    [
        (["--data-block", "64K"], '--data-block is an option of Chronicle 3.x journals; give --format "vanilla", too'),
        (["--format", "indexed", "--roll", "DAYS"], "an Indexed journal does not roll: leave out --roll"),
        (["--format", "vanilla", "--roll", "FOO"], "unknown cycle 'FOO' of a Vanilla journal; one of SECONDS, "),
        (["--format", "vanilla", "--entries-per-cycle", 7], "--entries-per-cycle is a power of two within 256.."),
        (["--format", "vanilla", "--entries-per-cycle", 256], "every other cycle; --index-block 2048"),
        (["--format", "vanilla", "--index-block", 7], "--index-block is a power of two within 1024.."),
        (["--format", "vanilla", "--thread-bits", 40], "--thread-bits is within 8..32, not 40"),
        (["--format", "indexed", "--line-bytes", 48], "--line-bytes is a power of two within 16..4096, not 48"),
        (["--format", "indexed", "--index-block", 100], "--index-block is a multiple of --line-bytes up to "),
        (["--format", "mine"], "argument --format: invalid choice: 'mine'"),
        (["--data-block", "many"], "argument --data-block: 'many' is not a number of bytes (65536, 64K, 16M)"),
    ],
)
def test_wrong_settings_are_wrong_usage_in_the_words_of_the_command_line(
    append: Any, tmp_path: Path, options: list[Any], wrong: str
) -> None:
    code, out, err = append("--create", *options)
    assert (2, b"") == (code, out)
    assert wrong in err
    assert {"input"} == set(os.listdir(tmp_path))


def test_reading_a_queue_of_roll_files_takes_no_settings_of_chronicle_3(run: Run, queue: Path) -> None:
    for command in ("cat", "tail", "info"):
        code, out, err = run(command, queue, "--thread-bits", 20)
        told = f"pychronix: --thread-bits is an option of Chronicle 3.x journals; {queue} is none\n"
        assert (2, b"", told) == (code, out, err)


@pytest.mark.parametrize(
    "text", ["roll=\"yyyyMMdd'x'\"", 'give format="vanilla", too', "index_block_bytes", "line_bytes"]
)
def test_words_of_python_become_options(text: str) -> None:
    line = told(px.UnsupportedFormatError("cannot read", hint=text))
    assert "--" in line and "=" not in line and "_" not in line


def test_a_directory_name_that_cannot_be_read_asks_for_an_option(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "q", [0], format="vanilla", roll="yyyyMMdd'x7'")
    code, out, err = run("cat", tmp_path / "q")
    assert (1, b"") == (code, out)
    assert err.endswith("; give the journal's cycle format: --roll \"yyyyMMdd'x'\"\n")
    assert b"0 first\n0 second\n" == run("cat", tmp_path / "q", "--roll", "yyyyMMdd'x7'").out


def test_a_setting_that_the_files_contradict_is_warned_of(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "q", [0], format="vanilla")
    code, out, err = run("cat", tmp_path / "q", "--index-block", "8K")
    assert (0, b"0 first\n0 second\n") == (code, out)
    assert f"pychronix: warning: {tmp_path}/q: the journal's --index-block is 4096, not 8192 as asked for\n" == err


FORMS = ["cq5", "vanilla"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "day, first",
    [
        ("2024-03-05", 0),
        ("2024-03-06", 2),
        ("2024-03-07T23:00", 2),
        ("2024-03-08", 2),
        ("2024-03-09", 4),
        ("1999-12-31", 0),
    ],
)
def test_reading_starts_at_a_day(run: Run, tmp_path: Path, form: str, day: str, first: int) -> None:
    messages = make(tmp_path / "q", [0, 3], format=form)
    wanted = b"".join(b"%d\t%s\n" % (index, text.hex().encode()) for index, text in messages[first:])
    for command in ("cat", "tail"):
        assert (0, wanted, "") == run(command, tmp_path / "q", "--date", day, "-o", "hex")
    assert wanted.splitlines()[:1] == run("cat", tmp_path / "q", "--date", day, "-n", 1, "-o", "hex").out.splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_tail_follows_from_a_day_that_is_to_come(spawn: Spawn, tmp_path: Path, form: str) -> None:
    make(tmp_path / "q", [0], format=form)
    process = spawn("tail", "-f", "--date", "2024-03-04", tmp_path / "q")
    later = spawn("tail", "-f", "--date", "2024-03-07", tmp_path / "q")
    assert process.stdout is not None and later.stdout is not None
    assert [b"0 first\n", b"0 second\n"] == [process.stdout.readline() for _ in range(2)]
    make(tmp_path / "q", [2], format=form)
    assert [b"2 first\n", b"2 second\n"] == [process.stdout.readline() for _ in range(2)]
    # Whoever started late finds them there, whoever was early waited.
    assert b"2 first\n" == later.stdout.readline()


def test_days_that_make_no_sense(run: Run, queue: Path, tmp_path: Path) -> None:
    make(tmp_path / "i", [0], format="indexed", data_block_bytes=65536, index_block_bytes=4096)
    assert (1, b"", f"pychronix: cannot start at a day: an Indexed journal has no dates in {tmp_path}/i\n") == run(
        "cat", tmp_path / "i", "--date", "2024-03-05"
    )
    code, out, err = run("cat", queue, "--date", "someday")
    assert (2, b"", True) == (code, out, err.startswith("pychronix: --date: cannot read the moment 'someday'; "))
    assert (2, b"", "pychronix: --date and --reverse do not go together\n") == run(
        "cat", queue, "-r", "--date", "2024-03-05"
    )
    for more in (["--start", "0"], ["--start", "end"]):
        assert 2 == run("cat", queue, "--date", "2024-03-05", *more).code
    assert 2 == run("tail", queue, "--date", "2024-03-05", "-n", 3).code


def test_info_of_a_vanilla_journal_reads_well(run: Run, tmp_path: Path) -> None:
    messages = make(tmp_path / "q", [0, 3], format="vanilla", thread_bits=17)
    assert [
        f"{tmp_path}/q",
        "  format       vanilla",
        "  roll cycle   DAYS, named yyyyMMdd, 1 day each",
        "  entries      2^40 indexes a cycle",
        "  index block  4 KiB",
        "  data block   64 KiB",
        "  thread bits  17",
        "  messages     4 in 2 cycles",
        f"  first index  {messages[0][0]:#x}",
        f"  last index   {messages[-1][0]:#x}",
        "cycles",
        "  number  name           first index  messages  bytes used     of",
    ] == run("info", tmp_path / "q", "--thread-bits", 17).out.decode().splitlines()[:12]
    facts = json.loads(run("info", "--json", tmp_path / "q").out)
    assert {"wire_type", "epoch_ms", "source_id", "table_store", "line_bytes"}.isdisjoint(facts)
    assert ["2024-03-05T00:00:00Z", "2024-03-08T00:00:00Z"] == [cycle["start"] for cycle in facts["cycles"]]
    assert [2, 2] == [cycle["count"] for cycle in facts["cycles"]]
    assert {"closed", "index_count"}.isdisjoint(facts["cycles"][0])


def test_info_of_an_indexed_journal_says_what_its_files_do_not_tell(run: Run, tmp_path: Path) -> None:
    make(tmp_path / "i", [0], format="indexed", data_block_bytes=65536, index_block_bytes=4096)
    text = run("info", tmp_path / "i.data").out.decode()
    assert text.startswith(f"{tmp_path}/i\n  format       indexed\n")
    assert (
        "  data block   128 MiB (as given, or Java's default: the files do not tell)\n  index line   64 bytes\n" in text
    )
    assert "  messages     2, padding entries included\n" in text
    assert "roll" not in text and "state" not in text
