"""find_match and find_range: Java's results on the same journals, and sense in queues of several cycles."""

from __future__ import annotations

import bisect
import random
import struct
from pathlib import Path

import pytest
from fix_java3 import Java3Peer
from indexed_kit import SHAPES, Shape

import pychronix as px
from pychronix.search import Comparator, find_match, find_range

DAY_NS = 86_400_000_000_000


def by_key(key: int) -> Comparator:
    """Compares the long at the beginning of a payload, as the peer does."""

    def compare(payload: bytes) -> int:
        (found,) = struct.unpack_from("<q", payload)
        return (found > key) - (found < key)

    return compare


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_are_javas(tmp_path: Path, java3: Java3Peer, shape: Shape, budget) -> None:
    """Journals with and without padding, keys with and without repeats, keys that are there and keys that are not."""
    seed = 50_000 + shape.line + shape.data_block
    generator = random.Random(seed)
    padded = 0
    for journal in range(budget.of(4, 10, 60)):
        path = tmp_path / f"q{journal}"
        key = 0
        keys = []
        with shape.ours(path) as queue, queue.appender() as appender:
            for _ in range(generator.choice((0, 1, 2, 40, 300))):
                key += generator.choice((0, 0, 1, 2))
                keys.append(key)
                appender.append(struct.pack("<q", key) + b"." * generator.randrange(0, shape.data_block // 5))
            padded += queue.count() - len(keys)
        with shape.java(java3, path) as theirs, shape.ours(path, "r") as queue:
            for wanted in sorted({-1, key + 5, *range(min(key + 2, 30)), *generator.choices(range(key + 2), k=20)}):
                compared = []
                compare = by_key(wanted)

                def noting(payload: bytes, compare: Comparator = compare, compared: list[int] = compared) -> int:
                    compared.append(struct.unpack_from("<q", payload)[0])
                    return compare(payload)

                index, probed = theirs.find(wanted)
                found = find_match(queue, noting)
                assert found == index, f"seed {seed}, journal {journal}, key {wanted}"
                tailer = queue.tailer()
                assert compared == [struct.unpack_from("<q", _at(tailer, number))[0] for number in probed]
                same = find_range(queue, compare)
                assert (same.start, same.stop) == theirs.find_range(wanted), f"seed {seed}, key {wanted}"
    if shape.data_block == 4096:
        assert padded > 0


def _at(tailer: px.Tailer, index: int) -> bytes:
    assert tailer.move_to_index(index)
    payload = tailer.read()
    assert payload is not None
    return payload


def test_an_empty_journal(tmp_path: Path, java3: Java3Peer) -> None:
    shape = Shape()
    with shape.ours(tmp_path / "q") as queue, shape.java(java3, tmp_path / "q") as theirs:
        assert find_match(queue, by_key(3)) == -1 == theirs.find(3)[0]
        assert find_range(queue, by_key(3)) == range(0)
        assert theirs.find_range(3) == (0, 0)


def test_a_queue_of_several_cycles(tmp_path: Path) -> None:
    """The place of every key is that of bisect in the list of all, whatever cycle it is in."""
    generator = random.Random(11)
    now = [20_000 * DAY_NS]
    rows: list[tuple[int, int]] = []
    key = 0
    with px.open_queue(tmp_path / "q", "a", roll="FAST_DAILY", clock=lambda: now[0]) as queue:
        with queue.appender() as appender:
            for count in (1, 0, 40, 7, 90):
                for _ in range(count):
                    key += generator.choice((0, 1, 1, 3))
                    rows.append((appender.append(struct.pack("<q", key)), key))
                now[0] += DAY_NS
        indexes, keys = [index for index, _ in rows], [key for _, key in rows]
        for wanted in range(-1, key + 3):
            first, stop = bisect.bisect_left(keys, wanted), bisect.bisect_right(keys, wanted)
            at = [*indexes, indexes[-1] + 1]
            found = find_match(queue, by_key(wanted))
            assert (found in indexes[first:stop]) if first < stop else found == ~at[first]
            same = find_range(queue, by_key(wanted))
            if first < stop:
                # One past the last of a cycle is the first of the next.
                assert (same.start, same.stop) == (at[first], at[stop])
            else:
                assert same.start == same.stop == at[first]


def test_what_the_comparator_raises_comes_out(tmp_path: Path) -> None:
    with Shape().ours(tmp_path / "q") as queue, queue.appender() as appender:
        appender.append(b"short")
        with pytest.raises(struct.error):
            find_match(queue, by_key(1))
        with pytest.raises(struct.error):
            find_range(queue, by_key(1))
