"""An excerpt that is begun in one cycle and finished in the next."""

from __future__ import annotations

from pathlib import Path

import pytest

import pychronix as px

DAY_NS = 86_400_000_000_000
DAY = 20_000


class Clock:
    """Reads what it is set to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.mark.parametrize("format, cycle", [("vanilla", DAY), ("cq5", DAY + 1)])
def test_midnight_between_start_and_finish(tmp_path: Path, format: str, cycle: int) -> None:
    """Chronicle 3 fixes the cycle at the start (spec chronicle-3, 2.10), Chronicle Queue 5 when the lock is taken."""
    clock = Clock()
    with px.open_queue(tmp_path / "q", "a", format=format, clock=clock) as queue, queue.appender() as appender:
        clock.now = (DAY + 1) * DAY_NS - 1
        with appender.writing() as excerpt:
            excerpt.write(b"begun before midnight")
            clock.now = (DAY + 1) * DAY_NS
        assert cycle == queue.cycle_of(excerpt.index or 0)
        assert DAY + 1 == queue.cycle_of(appender.append(b"after midnight"))
        assert [b"begun before midnight", b"after midnight"] == list(queue.tailer())


def test_an_excerpt_that_another_overtakes(tmp_path: Path) -> None:
    """The one begun first goes to the old cycle all the same, behind what was appended there."""
    clock = Clock()
    with px.open_queue(tmp_path / "q", "a", format="vanilla", clock=clock) as queue, queue.appender() as appender:
        clock.now = DAY * DAY_NS
        first = appender.append(b"first")
        with appender.writing() as excerpt:
            clock.now = (DAY + 1) * DAY_NS
            later = appender.append(b"the next day's")
            excerpt.write(b"the first day's")
        assert first + 1 == excerpt.index
        assert [b"first", b"the first day's", b"the next day's"] == list(queue.tailer())
        assert DAY + 1 == queue.cycle_of(later)


def test_without_a_clock_it_is_the_systems(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", format="vanilla", roll="HOURS") as queue, queue.appender() as appender:
        with appender.writing() as excerpt:
            excerpt.write(b"now")
        appender.append(b"then")
        assert [b"now", b"then"] == list(queue.tailer())
        assert excerpt.index == queue.first_index
