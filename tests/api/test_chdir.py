"""A queue that was opened by a relative path, in a process that changes its directory."""

from __future__ import annotations

from pathlib import Path

import pytest

import pychronix as px

HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize("format, roll", [("cq5", "FAST_HOURLY"), ("vanilla", "HOURS"), ("indexed", None)])
def test_a_roll_after_chdir_goes_to_the_same_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, roll: str | None
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    now = [475_000 * HOUR_NS]
    with px.open_queue("q", "a", format=format, roll=roll, clock=lambda: now[0]) as queue:
        assert str(here / "q") == queue.path
        appender = queue.appender()
        appender.append(b"before")
        monkeypatch.chdir(there)
        now[0] += HOUR_NS
        appender.append(b"after")
        tailer = queue.tailer()
        assert [b"before", b"after"] == list(tailer)
        assert 2 == queue.count()
    assert [] == list(there.iterdir())
    with px.open_queue(here / "q") as queue:
        assert [b"before", b"after"] == list(queue.tailer())


def test_a_deleted_current_directory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(px.NotFoundError, match="current directory"):
        px.open_queue("q", "a")
