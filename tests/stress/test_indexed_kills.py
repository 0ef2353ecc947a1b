"""SIGKILL of writers of one Indexed journal, ours and Java's in turns: nothing acknowledged is lost, nothing is torn.

Each session appends generated messages as fast as it can and is killed at a random moment. After every kill the files
are read by the specification alone: each session's messages are a prefix of what it generates, whole, in order, and at
the indexes it acknowledged; and the next writer goes on behind them.
"""

from __future__ import annotations

import struct
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import indexed_child
import pytest
from build_variants import environment
from fix_java import payload, read_acks
from fix_java3 import Java3Peer
from stress_tools import Child, seed_of, wait_until

import pychronix as px

SIZES = "20,16-300,900,17,64,16-2000"
LINE, ENTRIES = 64, 14


def read_by_specification(path: Path) -> list[tuple[int, bytes]]:
    """(number, payload) of every excerpt, with nothing of ours."""
    index = path.with_name(path.name + ".index").read_bytes()
    data = path.with_name(path.name + ".data").read_bytes()
    rows = []
    for at in range(0, len(index), LINE):
        base, *entries = struct.unpack_from(f"<q{ENTRIES}i", index, at)
        start = base
        for k, entry in enumerate(entries):
            if entry == 0:
                return rows
            if entry > 0:
                rows.append((at // LINE * ENTRIES + k, data[start : base + entry]))
            start = base + abs(entry)
    return rows


def judge(path: Path, acks: list[Path], what: str) -> list[tuple[int, bytes]]:
    """Holds what is in the journal against what its writers (one file of acknowledgements each) generate."""
    rows = read_by_specification(path)
    counters: dict[int, int] = defaultdict(int)
    at: dict[tuple[int, int], int] = {}
    for index, data in rows:
        writer = int.from_bytes(data[:8], "little")
        counter = counters[writer]
        assert data == payload(writer, counter, SIZES), f"{what}: excerpt {index} is not message {counter} of {writer}"
        at[writer, counter] = index
        counters[writer] += 1
    for writer, ack in enumerate(acks):
        acknowledged = read_acks(ack)
        assert [at.get((writer, counter)) for counter, _ in acknowledged] == [index for _, index in acknowledged], what
        # What was in flight: one message of Java's, one batch of ours.
        assert len(acknowledged) <= counters[writer] <= len(acknowledged) + 50, what
    return rows


def test_writers_killed_in_turns(
    tmp_path: Path, java3_peer: Callable[..., Java3Peer], java3: Java3Peer, budget
) -> None:
    generator = seed_of("kills of Indexed writers")
    path = tmp_path / "q"
    acks: list[Path] = []
    rows: list[tuple[int, bytes]] = []
    for turn in range(budget.of(12, 80, 400)):
        ack = tmp_path / f"ack{turn}"
        acks.append(ack)
        least = generator.choice((1, 10, 200, 1000)) * 12  # Bytes of acknowledgements before it is killed.
        reserve = generator.choice((0, 500, 1 << 13))

        def acknowledged(ack: Path = ack, least: int = least) -> bool:
            return ack.exists() and ack.stat().st_size >= least

        if turn % 3 == 2:
            peer = java3_peer()
            queue = peer.indexed(path, line=LINE, data_block=1 << 14, index_block=4096)
            queue.load(turn, 1_000_000_000, sizes=SIZES, ack=ack)
            wait_until(acknowledged, f"turn {turn}: Java's appends")
            peer.kill()
        else:
            batch = generator.choice((1, 1, 7, 50))
            script = Path(indexed_child.__file__)
            child = Child(
                [sys.executable, script, path, ack, turn, SIZES, batch, reserve],
                env={**environment(), "PYTHONPATH": f"{environment()['PYTHONPATH']}:{script.parent.parent}"},
            )
            try:
                wait_until(acknowledged, f"turn {turn}: {child}")
            finally:
                child.end()
        before = rows
        rows = judge(path, acks, f"turn {turn}")
        assert rows[: len(before)] == before, f"turn {turn}: an earlier excerpt changed"
        assert len(rows) > len(before)
    with px.open_queue(path, **indexed_child.SHAPE) as queue:  # type: ignore[arg-type]
        assert list(queue.tailer().with_index()) == rows
    with java3.indexed(path, line=LINE, data_block=1 << 14, index_block=4096) as theirs:
        assert theirs.dump() == rows


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "Java's"])
def test_a_kill_in_the_middle_of_a_line(tmp_path: Path, ours: bool, java3: Java3Peer) -> None:
    """An excerpt started, written and abandoned leaves its bytes; the next session of either side writes over them."""
    path = tmp_path / "q"
    with java3.indexed(path, line=LINE, data_block=1 << 14, index_block=4096) as queue:
        appender = queue.appender()
        appender.append_many([b"one", b"two"])
        appender.start(capacity=1 << 13)
        appender.write(b"abandoned" * 100)
    with px.open_queue(path, "a", reserve_bytes=0, **indexed_child.SHAPE) as queue:  # type: ignore[arg-type]
        assert list(queue.tailer()) == [b"one", b"two"]
        if ours:
            with queue.appender() as mine:
                assert mine.append(b"three") == 2
        else:
            with java3.indexed(path, line=LINE, data_block=1 << 14, index_block=4096) as theirs:
                assert theirs.appender().append(b"three") == 2
        assert list(queue.tailer()) == [b"one", b"two", b"three"]
        assert read_by_specification(path) == [(0, b"one"), (1, b"two"), (2, b"three")]
