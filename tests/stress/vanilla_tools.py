"""What the stress tests of Vanilla journals share: a journal of small files, and the judge of one that many wrote."""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import py_peer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vanilla"))

from vanilla_kit import read_journal

import pychronix as px

INDEX_BLOCK = 4096  # 512 slots: several files a second.
DATA_BLOCK = 1 << 18
ENTRIES = 1 << 28
JAVA = {"cycle": "SECONDS", "index_block": INDEX_BLOCK, "data_block": DATA_BLOCK, "message_size": 1024}
SEED = 1 << 41  # Writer number of the message that is there first, so that the settings can be inferred.

Record = tuple[int, int, int]


def new_journal(path: Path, sizes: str) -> tuple[int, int]:
    """A journal with one message, which betrays its settings; its index and thread-id bits."""
    options = {"index_block_bytes": INDEX_BLOCK, "data_block_bytes": DATA_BLOCK, "reserve_bytes": 1024}
    with px.open_queue(path, "a", format="vanilla", roll="SECONDS", **options) as queue:
        assert queue.chronicle3 is not None
        with queue.appender() as appender:
            index = appender.append(py_peer.payload_maker(sizes)(SEED, 0))
        return index, queue.chronicle3.thread_bits


def judge(
    path: Path, thread_bits: int, acks: dict[int, list[tuple[int, int]]], sizes: str, unacked: dict[int, int]
) -> list[Record]:
    """Reads the journal with the tests' own reader and holds it against what was acknowledged.

    Each payload is exactly what its writer wrote; each writer's messages are there once, in order and without a gap; the
    acknowledged ones stand at the index that was acknowledged; at most ``unacked[writer]`` more were written. Returns
    (index, writer, counter) of all.
    """
    make = py_peer.payload_maker(sizes)
    positions: defaultdict[int, list[int]] = defaultdict(list)
    records: list[Record] = []
    slots = read_journal(
        path, entries=ENTRIES, index_block=INDEX_BLOCK, data_block=DATA_BLOCK, thread_bits=thread_bits, length_ms=1000,
        format="yyyyMMddHHmmss",
    )  # fmt: skip
    for slot in slots:
        writer, counter = py_peer._PAIR.unpack_from(slot.payload)
        if writer != SEED:
            assert slot.payload == make(writer, counter), f"torn: {slot}"
            of_writer = positions[writer]
            assert counter == len(of_writer), (
                f"writer {writer}: {counter} stands where {len(of_writer)} was due: {slot}"
            )
            of_writer.append(slot.index)
        records.append((slot.index, writer, counter))
    for writer in sorted(set(positions) | set(acks)):
        found, acked = positions.get(writer, []), acks.get(writer, [])
        assert [counter for counter, _ in acked] == list(range(len(acked))), f"writer {writer}: a gap in its acks"
        wrong = [(counter, index) for counter, index in acked if counter >= len(found) or found[counter] != index]
        assert not wrong, f"writer {writer}: {len(wrong)} acknowledged messages are lost or elsewhere, first {wrong[0]}"
        more = len(found) - len(acked)
        assert more <= unacked.get(writer, 0), f"writer {writer}: {more} messages that were not acknowledged"
    return records


def check_live(name: str, seen: Sequence[Record], records: Sequence[Record]) -> int:
    """A live tailer saw each cycle from its start on, in order: all but what came late, after one of a later cycle
    (spec chronicle-3 2.11), which it never sees. Returns how many those are."""

    def by_cycle(one: Record) -> int:
        return one[0] // ENTRIES

    whole = {cycle: list(group) for cycle, group in itertools.groupby(records, by_cycle)}
    parts = [(cycle, [tuple(one) for one in group]) for cycle, group in itertools.groupby(seen, by_cycle)]
    assert [cycle for cycle, _ in parts] == sorted({cycle for cycle, _ in parts}), f"{name}: went back to a cycle"
    for cycle, group in parts:
        assert group == whole[cycle][: len(group)], f"{name}: cycle {cycle} reads otherwise than it is"
    return len(records) - len(seen)
