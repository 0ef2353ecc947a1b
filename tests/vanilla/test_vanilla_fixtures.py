"""Journals that real Java 3.6.0 wrote long ago (fixtures/v3) are read as Java said then; no Java is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fix_java
import pytest
from fix_java import FixtureQueue
from vanilla_kit import read_journal

import pychronix as px

VANILLA = {
    "v3/vanilla": ("days", "hours", "minutes", "seconds", "nested", "quoted", "literal", "pid-15", "pid-17", "few-entries",
                   "threads", "sessions", "unfinished", "exact", "synchronous"),
    "v3/vanilla-big": ("big", "defaults", "defaults-15"),
    "v3/fields": ("fields", "fields-raw"),
}  # fmt: skip
NAMES = [(fixture, name) for fixture, names in VANILLA.items() for name in names]


def opened(queue: FixtureQueue) -> px.Queue:
    options = queue.expected["options"]
    given: dict[str, object] = {}
    if "format" in options:
        given["roll"] = options["format"]
    if "entries" in options:
        given["entries_per_cycle"] = options["entries"]
    return px.open_queue(queue.path, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("fixture, name", NAMES, ids=lambda value: value)
def test_a_journal_is_read_as_java_reads_it(
    fixture: str, name: str, java_fixture: Callable[[str], dict[str, FixtureQueue]]
) -> None:
    journal = java_fixture(fixture)[name]
    with opened(journal) as queue:
        settings = queue.chronicle3
        assert settings is not None and settings.thread_bits == journal.expected["thread_bits"]
        forward = list(queue.tailer().with_index())
        assert fix_java.digest(forward) == (journal.expected["count"], journal.expected["sha256"])
        assert list(queue.tailer(start="end", direction="backward").with_index()) == forward[::-1]
        if journal.expected["last_index"] >= 0:
            assert forward[-1][0] == journal.expected["last_index"]
        tailer = queue.tailer()
        for index, data in forward[:: max(1, len(forward) // 60)]:
            assert tailer.move_to_index(index)
            assert (tailer.read(), tailer.last_read_index) == (data, index)
        assert sum(cycle.count for cycle in queue.cycles()) == len(forward)
        slots = read_journal(
            Path(journal.path),
            entries=queue.roll_cycle.sequence_mask + 1,
            index_block=settings.index_block_bytes,
            data_block=settings.data_block_bytes,
            thread_bits=settings.thread_bits,
            length_ms=queue.roll_cycle.length_ms,
            format=queue.roll_cycle.format,
        )
        assert [(slot.index, slot.payload) for slot in slots] == forward


def test_the_end_of_a_copy_whose_newest_cycle_is_unfinished(
    java_fixture: Callable[[str], dict[str, FixtureQueue]],
) -> None:
    """Java's lastIndex() is -1 there, and its toEnd() goes to the very start."""
    journal = java_fixture("v3/vanilla")["unfinished"]
    with px.open_queue(journal.path) as queue:
        assert len(list(queue.cycles())) > 1 and list(queue.cycles())[-1].count == 0
        everything = list(queue.tailer().with_index())
        tailer = queue.tailer(start="end")
        assert tailer.read() is None
        tailer.direction = "backward"
        assert list(tailer.with_index()) == everything[::-1]
