"""Random operations on a queue and on a perfect one, lists in memory: what must come out is the same.

Hypothesis chooses operations (see the rules), several appenders and tailers at once, rolls and a clock that jumps, with
index pages so small that they turn over. At the end the files are judged by `inspect.verify`, which shares no code
with the core, and read once more in both directions.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model import BACKWARD, FORWARD, Beyond, Closed, Full, ModelQueue, ModelTailer

import pychronix as px
from pychronix import errors, inspect

DAY_NS = 86_400_000_000_000
START_NS = 19_787 * DAY_NS + 38_262_500_000_000
BLOCK = 1 << 16
SHM = Path("/dev/shm")

# Name, indexCount, indexSpacing. TEST_DAILY holds 64 messages a cycle.
QUEUES = (
    ("TEST_DAILY", None, None),
    ("TEST4_DAILY", None, None),
    ("TEST2_DAILY", None, None),
    ("FAST_DAILY", 8, 1),
    ("FAST_DAILY", 8, 4),
    ("HUGE_DAILY", 16, 2),
    ("LARGE_HOURLY_XSPARSE", 8, 8),
)


def _sized(size: int, seed: int) -> bytes:
    return (bytes(range(seed % 200, 256)) * (size // 56 + 1))[:size]


PAYLOADS = st.one_of(
    st.binary(max_size=9),
    st.builds(_sized, st.integers(0, 300), st.integers(0, 199)),
    st.builds(_sized, st.sampled_from((4090, 4096, 20_000)), st.integers(0, 199)),
)
# Longer than a block; than a block and its overlap.
GIANTS = st.builds(_sized, st.sampled_from((65_500, 65_536, 90_000, 140_000)), st.integers(0, 199))
WHO = st.integers(0, 9)


class Broken(Exception):
    """Raised by a caller inside writing()."""


class QueueAgainstModel(RuleBasedStateMachine):
    """One directory, its queue object, appenders and tailers; and the same as models."""

    @initialize(which=st.sampled_from(QUEUES))
    def create(self, which: tuple[str, int | None, int | None]) -> None:
        self.directory = tempfile.mkdtemp(prefix="chronix-model-", dir=SHM if SHM.is_dir() else None)
        self.path = Path(self.directory) / "q"
        self.roll, self.index_count, self.index_spacing = which
        self.now_ns = START_NS
        self.queue = self.open("a")
        cycle = self.queue.roll_cycle
        self.model = ModelQueue(cycle.shift, cycle.index_count**2 * cycle.index_spacing)
        self.appenders = [self.queue.appender()]
        self.tailers = [(self.queue.tailer(), ModelTailer(self.model))]
        self.views: list[tuple[memoryview, bytes]] = []

    def open(self, mode: str) -> px.Queue:
        return px.open_queue(
            self.path,
            mode,
            roll=self.roll,
            index_count=self.index_count,
            index_spacing=self.index_spacing,
            block_size_bytes=BLOCK,
            timeout_ms=2000,
            clock=lambda: self.now_ns,
        )

    @property
    def clock_cycle(self) -> int:
        return self.queue.cycle_at(self.now_ns // 1_000_000)

    def appender(self, who: int) -> px.Appender:
        return self.appenders[who % len(self.appenders)]

    def tailer(self, who: int) -> tuple[px.Tailer, ModelTailer]:
        return self.tailers[who % len(self.tailers)]

    # Writing.

    def append_both(self, appender: px.Appender, data: bytes) -> None:
        try:
            expected = self.model.append(self.clock_cycle, data)
        except Full:
            with pytest.raises(errors.CycleFullError):
                appender.append(data)
        except Closed:
            with pytest.raises(errors.CycleClosedError):
                appender.append(data)
        else:
            assert appender.append(data) == expected
            assert appender.last_index == expected

    @rule(who=WHO, data=PAYLOADS)
    def append(self, who: int, data: bytes) -> None:
        self.append_both(self.appender(who), data)

    @rule(who=WHO, data=GIANTS)
    def append_giant(self, who: int, data: bytes) -> None:
        self.append_both(self.appender(who), data)

    @rule(who=WHO, messages=st.lists(PAYLOADS, max_size=30), repeat=st.sampled_from((1, 1, 1, 3, 60)))
    def append_many(self, who: int, messages: list[bytes], repeat: int) -> None:
        messages = (messages * repeat)[:400]
        expected = []
        failure: type[Exception] | None = None
        for data in messages:
            try:
                expected.append(self.model.append(self.clock_cycle, data))
            except (Full, Closed) as error:
                failure = errors.CycleFullError if isinstance(error, Full) else errors.CycleClosedError
                break
        if failure is None:
            assert list(self.appender(who).append_many(iter(messages))) == expected
        else:
            with pytest.raises(failure) as caught:
                self.appender(who).append_many(messages)
            assert list(caught.value.appended) == expected  # type: ignore[attr-defined]

    @rule(who=WHO, pieces=st.lists(PAYLOADS, max_size=4), end=st.sampled_from(("commit", "commit", "raise", "roll back")))
    def write(self, who: int, pieces: list[bytes], end: str) -> None:
        appender = self.appender(who)
        expected = None
        failure: type[Exception] | None = None
        if end == "commit":
            try:
                expected = self.model.append(self.clock_cycle, b"".join(pieces))
            except (Full, Closed) as error:
                failure = errors.CycleFullError if isinstance(error, Full) else errors.CycleClosedError
        elif end == "raise":
            failure = Broken

        def go() -> int | None:
            with appender.writing() as excerpt:
                for piece in pieces:
                    excerpt.write(piece)
                if end == "raise":
                    raise Broken
                if end == "roll back":
                    excerpt.rollback_on_close()
            return excerpt.index

        if failure is None:
            assert go() == expected
        else:
            with pytest.raises(failure):
                go()

    @rule(who=WHO, data=st.binary(min_size=1, max_size=300))
    def write_meta(self, who: int, data: bytes) -> None:
        def go() -> None:
            with self.appender(who).writing(meta=True) as excerpt:
                excerpt.write(data)

        try:
            self.model.enter(self.clock_cycle)
        except Closed:
            with pytest.raises(errors.CycleClosedError):
                go()
        else:
            go()

    @rule(who=WHO, text=st.text(max_size=12))
    def append_text(self, who: int, text: str) -> None:
        with suppress(Full, Closed):
            data = px.encode_text(text)
            self.model.append(self.clock_cycle, data)
            self.appender(who).append_text(text)

    @rule(
        who=WHO,
        data=PAYLOADS,
        where=st.sampled_from(("next", "next", "old", "beyond", "new", "new beyond")),
        at=st.integers(0, 1 << 20),
    )
    def append_at(self, who: int, data: bytes, where: str, at: int) -> None:
        model, appender = self.model, self.appender(who)
        if where in ("old", "next", "beyond") and not model.cycles:
            return
        numbers = model.numbers
        if where == "old":
            cycle = numbers[at % len(numbers)]
            index = model.index(cycle, at % (len(model.cycles[cycle]) + 2))
        elif where in ("next", "beyond"):
            index = model.index(model.last, len(model.cycles[model.last]) + (at % 9 + 1 if where == "beyond" else 0))
        else:
            index = model.index(max(model.last, self.clock_cycle) + 1 + at % 2, at % 3 if where == "new beyond" else 0)
        try:
            expected = model.append_at(index, data)
        except Full:
            with pytest.raises(errors.CycleFullError):
                appender.append_at(index, data)
        except Closed:
            with pytest.raises(errors.CycleClosedError):
                appender.append_at(index, data)
        except Beyond as error:
            with pytest.raises(errors.IndexRangeError) as caught:
                appender.append_at(index, data)
            assert caught.value.next_index == error.next_index
        else:
            assert appender.append_at(index, data) is expected

    @rule(who=WHO)
    def normalise(self, who: int) -> None:
        appender = self.appender(who)
        self.model.normalise(self.clock_cycle, appender.cycle)
        appender.normalise_eofs()

    @rule(who=WHO)
    def sync(self, who: int) -> None:
        self.appender(who).sync()

    @rule(who=WHO)
    def pretouch(self, who: int) -> None:
        try:
            self.model.enter(self.clock_cycle)
        except Closed:
            with pytest.raises(errors.CycleClosedError):
                self.appender(who).pretouch()
        else:
            self.appender(who).pretouch()

    # Time and life.

    @rule(cycles=st.sampled_from((0.3, 1, 1, 1, 1.5, 2, 4)))
    def clock_on(self, cycles: float) -> None:
        self.now_ns += int(cycles * self.queue.roll_cycle.length_ms) * 1_000_000

    @rule(cycles=st.sampled_from((0.3, 1, 2, 6)))
    def clock_back(self, cycles: float) -> None:
        self.now_ns -= int(cycles * self.queue.roll_cycle.length_ms) * 1_000_000

    @rule()
    def another_appender(self) -> None:
        if len(self.appenders) < 3:
            self.appenders.append(self.queue.appender())
        else:
            self.appenders.pop(0).close()

    @rule()
    def another_tailer(self) -> None:
        if len(self.tailers) >= 3:
            self.tailers.pop(0)[0].close()
        self.tailers.append((self.queue.tailer(), ModelTailer(self.model)))

    @rule(mode=st.sampled_from(("a", "r+")))
    def reopen(self, mode: str) -> None:
        self.queue.close()
        self.queue = self.open(mode)
        self.appenders = [self.queue.appender()]
        self.tailers = [(self.queue.tailer(), ModelTailer(self.model))]

    # Reading. Each compares with as many reads of the model.

    @rule(who=WHO, times=st.sampled_from((1, 1, 2, 7)))
    def read(self, who: int, times: int) -> None:
        tailer, model = self.tailer(who)
        for _ in range(times):
            expected = model.read()
            assert tailer.read() == (expected and expected[1])
            if expected is not None:
                assert tailer.last_read_index == expected[0]
                assert tailer.index == model.index

    @rule(
        who=WHO,
        how=st.sampled_from(("plain", "index", "views", "many", "spans")),
        number=st.sampled_from((0, 1, 2, 5, 40, 1500)),
    )
    def iterate(self, who: int, how: str, number: int) -> None:
        """Stops midway, or not; what follows goes on from there."""
        tailer, model = self.tailer(who)
        if how == "spans":
            found = []
            for spans in tailer.spans(min(number, 1024) or 1):
                for i, (start, stop) in enumerate(zip(spans.starts, spans.stops, strict=True)):
                    found.append((spans.first_index + i * spans.step, bytes(spans.data[start:stop])))
                if len(found) >= number:
                    break
            assert found == self.expected(model, len(found))
            if len(found) < number:
                assert model.read() is None
            return
        expected = self.expected(model, number)
        payloads = [data for _, data in expected]
        if how == "plain":
            assert list(islice(tailer, number)) == payloads
        elif how == "index":
            assert list(islice(tailer.with_index(), number)) == expected
        elif how == "many":
            assert tailer.read_many(number) == payloads
        else:
            views = list(islice(tailer.views(), number))
            assert [bytes(view) for view in views] == payloads
            self.views += zip(views[-2:], payloads[-2:], strict=True)
        if expected and len(expected) == number:
            assert tailer.index == model.index

    def expected(self, model: ModelTailer, number: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        while len(found) < number:
            one = model.read()
            if one is None:
                break
            found.append(one)
        return found

    @rule(who=WHO, stop=st.integers(1, 9), move=st.sampled_from(("none", "start", "end", "turn", "read")))
    def move_within_a_loop(self, who: int, stop: int, move: str) -> None:
        """A call on the tailer in the body of a loop: the loop goes on at the new position."""
        tailer, model = self.tailer(who)
        for number, data in enumerate(tailer, 1):
            expected = model.read()
            assert expected is not None
            assert data == expected[1]
            if number == stop:
                self.move(tailer, model, move)
            if number >= stop + 20:
                return
        assert model.read() is None

    def move(self, tailer: px.Tailer, model: ModelTailer, move: str) -> None:
        if move == "start":
            tailer.to_start()
            model.to_start()
        elif move == "end":
            tailer.to_end()
            model.to_end()
        elif move == "turn":
            wanted = BACKWARD if model.direction == FORWARD else FORWARD
            tailer.direction = wanted
            model.turn(wanted)
        elif move == "read":
            expected = model.read()
            assert tailer.read() == (expected and expected[1])

    @rule(who=WHO, move=st.sampled_from(("start", "end", "turn")))
    def move_tailer(self, who: int, move: str) -> None:
        self.move(*self.tailer(who), move)

    @rule(who=WHO, at=st.integers(0, 1 << 30), beyond=st.sampled_from((0, 0, 0, 0, 1, 2, 900)))
    def move_to_index(self, who: int, at: int, beyond: int) -> None:
        tailer, model = self.tailer(who)
        numbers = self.model.numbers
        if not numbers or beyond == 900:
            index = self.model.index(self.model.last + 3 - at % 9, at % 3)
            if self.model.last < 0:
                index = at
        else:
            cycle = numbers[at % len(numbers)]
            count = len(self.model.cycles[cycle])
            index = self.model.index(cycle, at % count if count and not beyond else count + beyond - 1)
        expected = model.move_to_index(index)
        assert tailer.move_to_index(index) is expected
        if expected:
            assert tailer.index == index

    @rule(who=WHO, at=st.integers(0, 1 << 30), missing=st.booleans())
    def move_to_cycle(self, who: int, at: int, missing: bool) -> None:
        tailer, model = self.tailer(who)
        numbers = self.model.numbers
        cycle = self.clock_cycle - at % 5 if missing or not numbers else numbers[at % len(numbers)]
        assert tailer.move_to_cycle(cycle) is model.move_to_cycle(cycle)

    # Facts.

    @rule()
    def facts(self) -> None:
        queue, model = self.queue, self.model
        cycles = queue.cycles()
        assert [cycle.number for cycle in cycles] == model.numbers
        assert [cycle.count for cycle in cycles] == [len(model.cycles[number]) for number in model.numbers]
        assert [cycle.closed for cycle in cycles] == [model.is_closed(number) for number in model.numbers]
        assert queue.first_cycle == min(model.cycles, default=None)
        last = list(model.messages())[-1:]
        assert queue.last_index == (last[0][0] if last else None)

    @rule(at=st.integers(0, 1 << 30))
    def count(self, at: int) -> None:
        messages = [index for index, _ in self.model.messages()]
        assert self.queue.count() == len(messages)
        if messages:
            low, high = sorted((at % len(messages), at // 1000 % len(messages)))
            assert self.queue.count(messages[low], messages[high]) == high - low

    @invariant()
    @precondition(lambda self: hasattr(self, "queue"))
    def cycle_is_told(self) -> None:
        assert self.queue.last_cycle == (None if self.model.last < 0 else self.model.last)

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        try:
            self.queue.close()
            for view, data in self.views:
                assert view == data
            expected = list(self.model.messages())
            report = inspect.verify(self.path)
            assert report.clean, str(report)
            assert report.messages == len(expected)
            with px.open_queue(self.path) as reader:
                assert list(reader.tailer().with_index()) == expected
                assert list(reader.tailer(start="end", direction="backward").with_index()) == expected[::-1]
                tailer = reader.tailer()
                for index, data in expected[:: max(1, len(expected) // 50)]:
                    assert tailer.move_to_index(index)
                    assert tailer.read() == data
        finally:
            # Hypothesis keeps failures and so this object; views would keep their windows mapped with it.
            self.views.clear()
            shutil.rmtree(self.directory, ignore_errors=True)


TestModel = QueueAgainstModel.TestCase
TestModel.settings = settings(settings.get_profile("budget"), stateful_step_count=60, report_multiple_bugs=False)


def test_a_cycle_takes_exactly_what_its_index_can(tmp_path: Path) -> None:
    """TEST_DAILY: 8 pages of 8. Java publishes message 65 and then fails; ours refuses before."""
    now = [START_NS]
    with px.open_queue(tmp_path / "q", "a", roll="TEST_DAILY", block_size_bytes=BLOCK, clock=lambda: now[0]) as queue:
        appender = queue.appender()
        messages = [b"%d" % i for i in range(70)]
        with pytest.raises(errors.CycleFullError) as caught:
            appender.append_many(messages)
        assert len(caught.value.appended) == 64
        for _ in range(3):
            with pytest.raises(errors.CycleFullError):
                appender.append(b"more")
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"metadata needs no index")
        assert list(queue.tailer()) == messages[:64]
        now[0] += DAY_NS
        assert appender.append(b"next day") == queue.index(19_788, 0)
        assert queue.count() == 65
    assert inspect.verify(tmp_path / "q").clean
