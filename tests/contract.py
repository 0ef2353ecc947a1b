"""QueueContract: what appenders and tailers do alike, whatever the format. Each format's tests inherit it.

A subclass says what ``open_queue`` needs for its format (`options`); all else is the same for everybody. Where a test
knows better than a list of messages what must happen, it says why.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from clock import Clock

import pychronix as px
from pychronix import Direction, TailerState
from pychronix.errors import ClosedError, IndexRangeError, ReadOnlyError

#: Of many lengths, none empty: .cq4 has no empty messages.
SOME = [b"%d" % number * (1 + number * 7 % 61) for number in range(300)]


class QueueContract:
    """Inherit, and set `options`."""

    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def where(self, tmp_path: Path) -> Path:
        return tmp_path / "contract"

    @pytest.fixture
    def queue(self, where: Path, clock: Clock) -> Iterator[px.Queue]:
        """An empty queue to append to."""
        with px.open_queue(where, "a", clock=clock, **self.options) as queue:
            yield queue

    @pytest.fixture
    def full(self, queue: px.Queue) -> list[tuple[int, bytes]]:
        """The queue has SOME messages, half of them appended one by one."""
        with queue.appender() as appender:
            indexes = [appender.append(data) for data in SOME[:150]]
            indexes += appender.append_many(SOME[150:])
        return list(zip(indexes, SOME, strict=True))

    # Appending.

    def test_indexes_are_consecutive_and_last(self, queue: px.Queue) -> None:
        with queue.appender() as appender:
            assert appender.last_index is None
            first = appender.append(SOME[0])
            assert appender.last_index == first
            assert list(appender.append_many(SOME[1:5])) == [first + 1, first + 2, first + 3, first + 4]
            assert appender.last_index == queue.last_index == first + 4
            assert list(appender.append_many([])) == []
            assert (queue.first_index, queue.count()) == (first, 5)

    def test_two_appenders_take_turns(self, where: Path, queue: px.Queue, clock: Clock) -> None:
        if self.options.get("format") == "indexed":
            pytest.skip("an Indexed journal has one writer")
        with queue.appender() as one, queue.appender() as other:
            written = [(one if number % 3 else other).append(data) for number, data in enumerate(SOME)]
        assert list(queue.tailer().with_index()) == list(zip(written, SOME, strict=True))

    def test_a_queue_that_is_opened_again_goes_on(self, where: Path, queue: px.Queue, clock: Clock) -> None:
        with queue.appender() as appender:
            first = appender.append(b"first")
        queue.close()
        with px.open_queue(where, "a", clock=clock, **self.options) as again, again.appender() as appender:
            assert appender.append(b"second") == first + 1
            assert list(again.tailer()) == [b"first", b"second"]

    def test_append_at_writes_the_next_index_only(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        last = full[-1][0]
        with queue.appender() as appender:
            assert not appender.append_at(full[0][0], b"other")
            assert not appender.append_at(last, b"other")
            assert appender.append_at(last + 1, b"next")
            assert not appender.append_at(last + 1, b"next")
            with pytest.raises(IndexRangeError) as error:
                appender.append_at(last + 3, b"beyond")
            assert error.value.next_index == last + 2
        assert list(queue.tailer().with_index()) == [*full, (last + 1, b"next")]

    def test_large_messages_between_small_ones(self, queue: px.Queue) -> None:
        written = [b"x", b"y" * 30_000, b"z", b"w" * 60_000, b"v" * 20_000, b"u"]
        with queue.appender() as appender:
            appender.append_many(written)
            for data in written:
                appender.append(data)
        assert list(queue.tailer()) == written * 2
        assert list(queue.tailer(start="end", direction="backward")) == (written * 2)[::-1]

    def test_what_cannot_be_written_to_says_so(self, where: Path, queue: px.Queue, full: object, clock: Clock) -> None:
        with px.open_queue(where, "r", clock=clock) as reader, pytest.raises(ReadOnlyError):
            reader.appender()
        appender = queue.appender()
        appender.close()
        with pytest.raises(ClosedError):
            appender.append(b"x")

    # Reading on.

    def test_an_empty_queue(self, queue: px.Queue) -> None:
        tailer = queue.tailer()
        for _ in range(2):
            assert (tailer.read(), list(tailer), tailer.index, tailer.last_read_index) == (None, [], 0, None)
            tailer.to_end()
            tailer.to_start()
        assert not tailer.move_to_index(0)
        with queue.appender() as appender:
            index = appender.append(b"first")
        assert (tailer.read(), tailer.last_read_index, tailer.index) == (b"first", index, index + 1)

    def test_every_way_to_read_gives_the_same(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        assert list(queue.tailer()) == SOME
        assert list(queue.tailer().with_index()) == full
        assert [bytes(view) for view in queue.tailer().views()] == SOME
        assert queue.tailer().read_many(1000) == SOME
        spans = [
            (batch.first_index + i, bytes(batch.data[batch.starts[i] : batch.stops[i]]))
            for batch in queue.tailer().spans(100)
            for i in range(len(batch.starts))
        ]
        assert spans == full
        tailer = queue.tailer()
        for index, data in full:
            assert tailer.index == index
            assert (tailer.read(), tailer.last_read_index) == (data, index)
        assert (tailer.read(), tailer.index) == (None, full[-1][0] + 1)
        assert tailer.state is TailerState.FOUND_IN_CYCLE

    def test_a_tailer_sees_what_is_appended(self, queue: px.Queue, full: object) -> None:
        tailer = queue.tailer()
        with queue.appender() as appender:
            for round_ in range(5):
                assert len(list(tailer)) == (len(SOME) if round_ == 0 else 7)
                appender.append_many(SOME[:7])
        assert list(tailer.with_index())[-1][1] == SOME[6]

    def test_views_stay_valid_when_everything_is_closed(self, where: Path, queue: px.Queue, full: object) -> None:
        with px.open_queue(where) as reader, reader.tailer() as tailer:
            views = list(tailer.views())
        queue.close()
        assert [bytes(view) for view in views] == SOME

    # Positions.

    def test_the_end(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        tailer = queue.tailer(start="end")
        assert (tailer.read(), tailer.index) == (None, full[-1][0] + 1)
        with queue.appender() as appender:
            index = appender.append(b"late")
        assert (tailer.read(), tailer.last_read_index) == (b"late", index)
        back = queue.tailer(start="end", direction="backward")
        assert (back.index, back.read(), back.read()) == (index, b"late", SOME[-1])
        assert back.to_start().index == full[0][0]

    def test_any_index_is_moved_to(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        tailer = queue.tailer()
        for index, data in random.Random(1).sample(full, 100):
            assert tailer.move_to_index(index)
            assert (tailer.index, tailer.read(), tailer.last_read_index) == (index, data, index)
        assert tailer.move_to_index(full[-3][0])
        assert list(tailer) == SOME[-3:]

    def test_an_index_that_is_not_there_yet(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        tailer, far = queue.tailer(), queue.tailer()
        last = full[-1][0]
        assert not tailer.move_to_index(last + 1)
        assert (tailer.read(), tailer.state) == (None, TailerState.FOUND_IN_CYCLE)
        assert not far.move_to_index(last + 3)
        assert (far.read(), far.state) == (None, TailerState.NOT_REACHED_IN_CYCLE)
        with queue.appender() as appender:
            appender.append(b"1")
            assert (tailer.read(), far.read()) == (b"1", None)
            appender.append_many([b"2", b"3"])
        assert (list(tailer), far.read()) == ([b"2", b"3"], b"3")
        assert not tailer.move_to_index(-1)

    def test_back_and_forth(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        """The position is that of the next read in any direction."""
        tailer = queue.tailer()
        assert list(tailer) == SOME
        tailer.direction = Direction.BACKWARD
        assert tailer.read_many(2) == [SOME[-1], SOME[-2]]
        tailer.direction = Direction.FORWARD
        assert tailer.read_many(2) == [SOME[-3], SOME[-2]]
        assert tailer.move_to_index(full[5][0])
        tailer.direction = Direction.NONE
        assert [tailer.read() for _ in range(3)] == [SOME[5]] * 3
        assert tailer.index == full[5][0]
        tailer.direction = Direction.BACKWARD
        assert list(tailer.with_index()) == full[5::-1]
        assert (tailer.read(), tailer.state) == (None, TailerState.BEYOND_START_OF_CYCLE)
        tailer.direction = Direction.FORWARD
        assert list(tailer) == SOME

    def test_a_random_walk_agrees_with_a_list(self, queue: px.Queue, full: list[tuple[int, bytes]]) -> None:
        """Reads of all kinds, in both directions, between appends and moves, against a position in a list."""
        rng = random.Random(2)
        messages = [data for _, data in full]
        first = full[0][0]
        tailer, at, step = queue.tailer(), 0, 1
        with queue.appender() as appender:
            for _ in range(1500):
                kind = rng.randrange(7)
                if kind == 0:
                    messages.append(b"%d" % len(messages) * rng.randrange(1, 30))
                    assert appender.append(messages[-1]) == first + len(messages) - 1
                    continue
                if kind == 1:
                    at, step = rng.randrange(len(messages)), rng.choice([1, -1])
                    tailer.direction = step
                    assert tailer.move_to_index(first + at)
                    continue
                count = rng.choice([1, 1, 2, 5, 40])
                if step > 0:
                    due = messages[at : at + count]
                else:
                    due = messages[max(0, at - count + 1) : at + 1][::-1]
                if kind == 2:
                    got = list(itertools.islice(iter(tailer.read, None), len(due)))
                elif kind == 3:
                    got = tailer.read_many(count)
                elif kind == 4:
                    got = [bytes(view) for view in itertools.islice(tailer.views(), count)]
                elif kind == 5:
                    pairs = list(itertools.islice(tailer.with_index(), count))
                    assert [index - first for index, _ in pairs] == [at + step * i for i in range(len(pairs))]
                    got = [data for _, data in pairs]
                else:
                    got = list(itertools.islice(tailer, count))
                assert got == due
                at += step * len(due)
                if at < 0:  # Before the first: the next move decides.
                    assert tailer.read() is None
                    at, step = 0, 1
                    tailer.direction = "forward"
                    tailer.to_start()
