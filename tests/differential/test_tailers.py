"""Random sequences of tailer operations, done by a Java 2026.4 tailer and by ours over the same directory.

What must agree after every step is what an operation gave (payload, or true or false), ``index()``, ``cycle()``,
``state()`` and ``direction()``; of named tailers also what they stored. Where Java contradicts itself it is not
followed: ``pair.excuse`` lists those cases one by one, with the reason.

A failure prints the seed and a shortened sequence: paste it into `test_sequences_that_once_differed`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_java import JavaPeer
from pair import Difference, Op, play, random_ops, shrunk

import pychronix as px

ROLLS = ("TEST4_DAILY", "TEST4_DAILY", "TEST2_DAILY", "FAST_DAILY", "TEST_HOURLY")

if TYPE_CHECKING:
    from conftest import Budget

pytestmark = pytest.mark.java


def _run(java: JavaPeer, directory: Path, seeds: range, names: Sequence[str | None]) -> None:
    excuses: Counter[str] = Counter()
    compared = 0
    for seed in seeds:
        name, roll = names[seed % len(names)], ROLLS[seed % len(ROLLS)]
        ops = random_ops(random.Random(seed), name=name)
        played = play(java, directory / str(seed), ops, roll)
        excuses += played.excuses
        compared += played.compared
        if played.difference is not None:
            number = count()

            def fails(shorter: Sequence[Op], *, roll: str = roll, number: count[int] = number) -> Difference | None:
                return play(java, directory / f"shrunk{next(number)}", shorter, roll).difference

            short, difference = shrunk(ops, fails)
            pytest.fail(f"seed {seed}, {roll}: {difference}\n{short}", pytrace=False)
    print(f"{compared} operations compared; excused:")
    for why, times in excuses.most_common():
        print(f"{times:6}  {why}")
    # The excuses are for corners: were they used often, they would hide something.
    assert excuses.total() < compared / 5


def test_random_operations_agree_with_java(java: JavaPeer, tmp_path: Path, budget: Budget) -> None:
    _run(java, tmp_path, range(budget.of(60, 1200, 20_000)), [None])


def test_named_tailers_store_what_javas_store(java: JavaPeer, tmp_path: Path, budget: Budget) -> None:
    _run(java, tmp_path, range(100_000, 100_000 + budget.of(30, 400, 6_000)), ["plain", "replicated:r"])


@pytest.mark.parametrize("name", ["shared", "replicated:shared"])
def test_a_named_tailer_is_handed_back_and_forth(java: JavaPeer, tmp_path: Path, name: str) -> None:
    """Java and we take turns under one name: each goes on where the other stopped, and the versions add up."""
    with (
        java.open(tmp_path / "q", roll="TEST4_DAILY", block_size=1 << 16, clock_ms=1_709_635_062_500) as java_queue,
        px.open_queue(tmp_path / "q", "r+") as queue,
    ):
        appender = java_queue.appender()
        messages = [b"%d" % i for i in range(120)]
        appender.append_many(messages[:70])
        java_queue.advance_clock(86_400_000)
        appender.append_many(messages[70:])
        generator = random.Random(5)
        read: list[bytes] = []
        openings = 0
        while len(read) < len(messages):
            number = generator.randrange(1, 9)
            if generator.random() < 0.5:
                java_tailer = java_queue.tailer(name)
                read += [excerpt.data for excerpt in java_tailer.read_many(number)]
                index = java_tailer.index
                java_tailer.close()
                openings += 1
            else:
                with queue.tailer(name) as tailer:
                    read += tailer.read_many(number)
                    index = tailer.index
            assert queue.table_store[f"index.{name}"] == index
        assert read == messages
        if name.startswith("replicated:"):
            # From -1 on one for each message, for Java's lookup when it opens, for going on to the next cycle.
            version = queue.table_store[f"index.{name}.version"]
            assert len(messages) - 1 <= version <= len(messages) + openings + 3
            assert queue.table_store[f"index.{name}.lock"] == -(1 << 63)


ONCE: dict[str, list[Op]] = {
    "backward out of an empty cycle": [
        ("append", "java", 2, 51),
        ("clock", 1),
        ("meta", "java"),
        ("read", 3),
        ("direction", "BACKWARD"),
        ("read", 3),
    ],
    "an index beyond the calendar": [("append", "java", 1, 1), ("raw_index", (1 << 63) - 1), ("read", 2)],
    "none behind the last message": [("append", "java", 2, 1), ("direction", "NONE"), ("end",), ("read", 3)],
    "none without a move": [("append", "java", 2, 1), ("open", None), ("direction", "NONE"), ("read", 3)],
    "none from before the first message": [("direction", "NONE"), ("append", "ours", 2, 1), ("read", 3)],
    "turned forward before the first cycle": [
        ("append", "java", 1, 1),
        ("direction", "BACKWARD"),
        ("start",),
        ("index", -3, 0),
        ("direction", "FORWARD"),
        ("direction", "NONE"),
        ("read", 2),
    ],
    "turned round twice in the middle": [
        ("append", "java", 9, 30),
        ("read", 4),
        ("direction", "BACKWARD"),
        ("read", 2),
        ("direction", "FORWARD"),
        ("read", 9),
    ],
}


@pytest.mark.parametrize("case", ONCE)
def test_sequences_that_once_differed(java: JavaPeer, tmp_path: Path, case: str) -> None:
    difference = play(java, tmp_path / "q", ONCE[case]).difference
    assert difference is None, str(difference)
