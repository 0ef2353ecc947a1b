"""Indexed journals while they are written: a Java tailer behind our writer, ours behind Java's, over many blocks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fix_java import payload, read_follow
from fix_java3 import Java3Peer
from indexed_kit import Shape, read_journal

#: Data blocks that fill after some dozens of excerpts, index blocks of 64 lines.
SHAPE = Shape(64, 1 << 14, 4096)
SIZES = "64,16-900,20,16"
DEADLINE_S = 60


@pytest.mark.parametrize("index_block", [64, 4096])
@pytest.mark.parametrize("batch", [1, 30])
def test_a_java_tailer_behind_our_writer(
    tmp_path: Path, java3: Java3Peer, batch: int, index_block: int, budget
) -> None:
    """It sees each excerpt once, in order, under the index that append returned."""
    count = budget.of(6_000, 60_000, 600_000)
    shape, path = SHAPE._replace(index_block=index_block), tmp_path / "q"
    with shape.ours(path, reserve=1000) as queue, shape.java(java3, path) as theirs, queue.appender() as appender:
        follow = theirs.follow(tmp_path / "seen", limit=count)
        indexes: list[int] = []
        while len(indexes) < count:
            messages = [payload(1, len(indexes) + i, SIZES) for i in range(min(batch, count - len(indexes)))]
            indexes += appender.append_many(messages) if batch > 1 else [appender.append(messages[0])]
        follow.wait(DEADLINE_S)
    assert read_follow(tmp_path / "seen") == [(index, 1, number) for number, index in enumerate(indexes)]


@pytest.mark.parametrize("how", ["read", "with_index", "views", "spans"])
def test_our_tailer_behind_a_java_writer(tmp_path: Path, java3: Java3Peer, how: str, budget) -> None:
    count = budget.of(6_000, 60_000, 600_000)
    path = tmp_path / "q"
    seen: list[tuple[int, bytes]] = []
    with SHAPE.java(java3, path) as theirs, SHAPE.ours(path, "r") as queue:
        tailer = queue.tailer()
        load = theirs.load(2, count, sizes=SIZES)
        give_up = time.monotonic() + DEADLINE_S
        while len(seen) < count and time.monotonic() < give_up:
            if how == "read":
                data = tailer.read()
                seen += [] if data is None or tailer.last_read_index is None else [(tailer.last_read_index, data)]
            elif how == "with_index":
                seen += tailer.with_index()
            elif how == "views":
                for view in tailer.views():
                    assert tailer.last_read_index is not None
                    seen.append((tailer.last_read_index, bytes(view)))
            else:
                for spans in tailer.spans():
                    seen += [
                        (spans.first_index + i, bytes(spans.data[start:stop]))
                        for i, (start, stop) in enumerate(zip(spans.starts, spans.stops, strict=True))
                    ]
        load.wait(DEADLINE_S)
    assert [data for _, data in seen] == [payload(2, number, SIZES) for number in range(count)]
    assert seen == read_journal(path, SHAPE)[0]


def test_our_tailer_is_there_before_the_java_writer(tmp_path: Path, java3: Java3Peer) -> None:
    """On files that a Java appender has made and not written to yet; `to_end` while it writes is a place in its run."""
    path = tmp_path / "q"
    with SHAPE.java(java3, path) as theirs, SHAPE.ours(path, "r") as queue:
        tailer, ends = queue.tailer(), []
        assert tailer.read() is None
        load = theirs.load(3, 20_000, sizes="16")
        end = queue.tailer()
        seen: list[bytes] = []
        give_up = time.monotonic() + DEADLINE_S
        while len(seen) < 20_000 and time.monotonic() < give_up:
            ends.append(end.to_end().index)
            seen += tailer
            assert tailer.index >= ends[-1]
        load.wait(DEADLINE_S)
        assert seen == [payload(3, number, "16") for number in range(20_000)]
        assert ends == sorted(ends)
        assert end.to_end().index == tailer.index == theirs.last_index + 1
