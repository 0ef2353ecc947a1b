"""What a power cut leaves: the order in which files and directories reach the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from fix_disk import flushes
from vanilla_kit import DAY, DAY_MS

E = 1 << 40  # Entries of a day.

APPEND = f"""
settings = dict(format="vanilla", index_block_bytes=1024, data_block_bytes=4096, reserve_bytes=0, thread_id=7,
                roll=sys.argv[2], clock=lambda: {DAY * DAY_MS * 1_000_000})
queue = px.open_queue(sys.argv[1], "a", synchronous=sys.argv[3] == "synchronous", **settings)
"""

TWICE = (
    APPEND
    + """
appender = queue.appender()
note("opened")
for data in (b"one", b"two"):
    try:
        note(f"appended {appender.append(data)}")
    except px.ChronixError as error:
        note(f"failed {type(error).__name__}")
    note(f"read {list(queue.tailer())}")
"""
)

MANY = (
    APPEND
    + """
appender = queue.appender()
note("opened")
appender.append_many([b"x" * 1000] * 5)
note("appended")
appender.append_many([b"x"] * 130)
note("appended")
"""
)

SYNC = (
    APPEND
    + """
appender = queue.appender()
appender.append(b"one")
note("opened")
appender.sync()
note("flushed")
"""
)


def flushed(lines: list[str], after: str, before: str) -> list[str]:
    begin = lines.index(after)
    return lines[begin + 1 : lines.index(before, begin + 1)]


@pytest.mark.parametrize("roll, today", [("yyyyMMdd", "20240305"), ("yyyy/MM/dd", "2024/03/05")])
def test_a_synchronous_append_has_its_directories_on_disk(tmp_path: Path, roll: str, today: str) -> None:
    lines = flushes(TWICE, tmp_path, tmp_path / "some" / "q", roll, "synchronous")
    assert lines[:2] == [f"fsync {tmp_path}", "fsync some"]  # The new names "some" and "some/q".
    parts = today.split("/")
    above = ["/".join(["fsync some/q", *parts[:depth]]) for depth in range(len(parts), -1, -1)]
    file = f"fdatasync some/q/{today}"
    # Data and its name, before the entry that speaks of it; then the entry and the name of its file.
    assert flushed(lines, "opened", f"appended {DAY * E}") == [f"{file}/data-7-0", *above, f"{file}/index-0", *above]
    # Nothing was made for the second.
    assert flushed(lines, "read [b'one']", f"appended {DAY * E + 1}") == [f"{file}/data-7-0", f"{file}/index-0"]
    assert lines[-1] == "read [b'one', b'two']"


def test_new_files_of_a_batch_are_on_disk_when_it_returns(tmp_path: Path) -> None:
    lines = flushes(MANY, tmp_path, tmp_path / "q", "yyyyMMdd", "synchronous")
    first = flushed(lines, "opened", "appended")
    assert {f"fdatasync q/20240305/{name}" for name in ("data-7-0", "data-7-1", "index-0")} <= set(first)
    last = lines[lines.index("appended") + 1 :]
    assert {f"fdatasync q/20240305/{name}" for name in ("data-7-1", "index-1")} <= set(last)
    assert last.index("fsync q/20240305") > last.index("fdatasync q/20240305/index-1")


@pytest.mark.parametrize("fail_at", range(1, 7))
def test_a_flush_that_fails_is_said_and_nothing_is_appended_twice(tmp_path: Path, fail_at: int) -> None:
    """Calls of the first append: data, two directories, all before its entry; then index, two directories."""
    lines = flushes(TWICE, tmp_path, tmp_path, "yyyyMMdd", "synchronous", fail_at=fail_at)
    said = [line for line in lines if not line.startswith(("fsync", "fdatasync"))]
    if fail_at <= 3:
        assert said == ["opened", "failed SystemCallError", "read []", f"appended {DAY * E}", "read [b'two']"]
        # All is flushed again around the next entry, which takes the place of the one that was not made.
        data, index, names = (
            "fdatasync 20240305/data-7-0",
            "fdatasync 20240305/index-0",
            ["fsync 20240305", f"fsync {tmp_path}"],
        )
        assert flushed(lines, "read []", f"appended {DAY * E}") == [data, *names, index, *names]
    else:
        assert said == ["opened", f"appended {DAY * E}", "read [b'one']", "failed SystemCallError", "read [b'one']"]


def test_sync_flushes_what_was_made(tmp_path: Path) -> None:
    lines = flushes(SYNC, tmp_path, tmp_path / "q", "yyyyMMdd", "later")
    assert lines[0] == "opened"
    assert set(flushed(lines, "opened", "flushed")) == {
        "fsync q/20240305", "fsync q", "fdatasync q/20240305/data-7-0", "fdatasync q/20240305/index-0",
    }  # fmt: skip
