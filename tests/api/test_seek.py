"""Positions by date: index_of, date_of, seek_date, the ends of a cycle."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import pychronix as px

DAY_MS = 86_400_000
DAYS = ("2024-03-05", "2024-03-06", "2024-03-09")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Three days with three messages each."""
    now = [0]
    where = str(tmp_path / "q")
    with px.open_queue(where, "a", clock=lambda: now[0]) as queue, queue.appender() as appender:
        for day in DAYS:
            midnight = datetime.datetime.fromisoformat(day + "T00:00:00+00:00")
            now[0] = int(midnight.timestamp()) * 1_000_000_000 + 1
            appender.append_many([f"{day} {i}".encode() for i in range(3)])
    return where


def test_an_index_of_a_date_and_back(path: str) -> None:
    with px.open_queue(path) as queue:
        index = queue.index_of("2024-03-06", 2)
        assert b"2024-03-06 2" == _read_at(queue, index)
        assert datetime.datetime(2024, 3, 6, tzinfo=datetime.timezone.utc) == queue.date_of(index)
        assert 2 == queue.sequence_of(index)


@pytest.mark.parametrize(
    "moment",
    [
        "2024-03-06T23:59:59",
        datetime.date(2024, 3, 6),
        datetime.datetime(2024, 3, 6, 12),
        datetime.datetime(2024, 3, 7, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        1_709_683_200_000_000_000,
    ],
)
def test_all_kinds_of_moments_mean_the_day(path: str, moment: int | str | datetime.date) -> None:
    with px.open_queue(path) as queue:
        assert queue.index_of("2024-03-06") == queue.index_of(moment)


@pytest.mark.parametrize("moment, error", [(1.5, TypeError), (None, TypeError), (True, TypeError), ("now", ValueError)])
def test_what_is_no_moment(path: str, moment: object, error: type[Exception]) -> None:
    with px.open_queue(path) as queue, pytest.raises(error):
        queue.index_of(moment)  # type: ignore[arg-type]


def test_seek_date_finds_the_first_cycle_at_or_after(path: str) -> None:
    with px.open_queue(path) as queue, queue.tailer() as tailer:
        assert tailer.seek_date("2024-03-07")
        assert b"2024-03-09 0" == tailer.read()
        assert tailer.seek_date("2024-03-01")
        assert b"2024-03-05 0" == tailer.read()


def test_seek_date_exactly_or_beyond_the_end_moves_nothing(path: str) -> None:
    with px.open_queue(path) as queue, queue.tailer() as tailer:
        assert b"2024-03-05 0" == tailer.read()
        assert not tailer.seek_date("2024-03-07", exact=True)
        assert not tailer.seek_date("2024-03-10")
        assert b"2024-03-05 1" == tailer.read()
        assert tailer.seek_date("2024-03-06", exact=True)
        assert b"2024-03-06 0" == tailer.read()


def test_the_end_of_a_cycle(path: str) -> None:
    with px.open_queue(path) as queue, queue.tailer() as tailer:
        cycle = queue.cycle_of(queue.index_of("2024-03-06"))
        assert tailer.move_to_cycle(cycle, end=True)
        assert b"2024-03-09 0" == tailer.read()
        tailer.direction = "backward"
        assert tailer.move_to_cycle(cycle, end=True)
        assert b"2024-03-06 2" == tailer.read()
        assert not tailer.move_to_cycle(cycle + 1, end=True)


def _read_at(queue: px.Queue, index: int) -> bytes | None:
    with queue.tailer(start=index) as tailer:
        return tailer.read()
