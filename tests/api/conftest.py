"""Queues on the test's own clock, which are closed again."""


from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock

import pychronix as px


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a queue may be made."""
    return str(tmp_path / "q")


@pytest.fixture
def make(path: str, clock: Clock) -> Iterator[Callable[..., px.Queue]]:
    """open_queue on ``path`` with the test's clock; everything opened is closed after the test."""
    opened: list[px.Queue] = []

    def open_(mode: str = "a", **settings: Any) -> px.Queue:
        settings.setdefault("clock", clock)
        settings.setdefault("block_size_bytes", 1 << 16)
        queue = px.open_queue(settings.pop("path", path), mode, **settings)
        opened.append(queue)
        return queue

    yield open_
    for queue in opened:
        queue.close()


@pytest.fixture
def queue(make: Callable[..., px.Queue]) -> px.Queue:
    """An empty FAST_DAILY queue to append to."""
    return make()
