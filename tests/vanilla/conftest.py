"""Vanilla journals on the test's own clock, which are closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from vanilla_kit import DAY, DAY_MS

import pychronix as px


@pytest.fixture
def clock() -> Clock:
    """Somewhere in 2024-03-05."""
    return Clock(DAY * DAY_MS + 38_262_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "q"


@pytest.fixture
def make(path: Path, clock: Clock) -> Iterator[Callable[..., px.Queue]]:
    """open_queue for a DAYS journal of small files; everything opened is closed after the test."""
    opened: list[px.Queue] = []

    def open_(mode: str = "a", **settings: Any) -> px.Queue:
        if mode == "a":
            settings = {"format": "vanilla", "index_block_bytes": 1024, "data_block_bytes": 4096, **settings}
            settings.setdefault("reserve_bytes", 0)
        settings.setdefault("clock", clock)
        queue = px.open_queue(settings.pop("path", path), mode, **settings)
        opened.append(queue)
        return queue

    yield open_
    for queue in opened:
        queue.close()


@pytest.fixture
def queue(make: Callable[..., px.Queue]) -> px.Queue:
    """An empty journal to append to."""
    return make()
