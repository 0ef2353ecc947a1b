"""Specification 11, items 51 to 54: the reading interface, step by step beside a Java tailer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import BLOCK, CYCLE, DAY_MS, FIRST, T0, Clock, append, create, numbered, pairs, read_all, table_values
from fix_java import FixtureQueue, JavaPeer, JavaQueue

import pychronix as px
from pychronix.errors import AppendLockedError, ReadOnlyError
from pychronix.formats import cq5

Unpack = Callable[[str], dict[str, FixtureQueue]]
MASK = (1 << 32) - 1


def three_days(path: Path) -> list[tuple[int, bytes]]:
    """Days 0, 1 and 4 with 10, 1 and 5 messages."""
    found = []
    for number, count in ((0, 10), (1, 1), (4, 5)):
        messages = [b"day %d, %d" % (number, n) for n in range(count)]
        indexes = (create if number == 0 else append)(path, messages, clock_ms=T0 + number * DAY_MS)
        found += list(zip(indexes, messages, strict=True))
    return found


def test_51_to_end_then_read_returns_only_later_messages(tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        assert tailer.to_end() is tailer
        assert (tailer.index, tailer.read()) == (expected[-1][0] + 1, None)
        append(path, [b"later"], clock_ms=T0 + 4 * DAY_MS)
        assert (tailer.read(), tailer.read()) == (b"later", None)
        append(path, [b"much later"], clock_ms=T0 + 9 * DAY_MS)
        assert list(tailer.with_index()) == [(CYCLE + 9 << 32, b"much later")]


def test_51_backward_from_the_end_crosses_cycles(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    with px.open_queue(path) as queue, java.open(path, readonly=True) as theirs:
        tailer = queue.tailer(direction="backward").to_end()
        assert tailer.index == expected[-1][0]
        assert list(tailer.with_index()) == expected[::-1] == pairs(theirs.dump(backward=True))
        assert (tailer.index, tailer.state.name) == ((CYCLE - 1 << 32) + MASK, "BEYOND_START_OF_CYCLE")
        tailer.direction = "forward"
        assert list(tailer.with_index()) == expected


def test_51_to_end_passes_over_cycles_without_messages(tmp_path: Path) -> None:
    path, clock = tmp_path / "q", Clock()
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=clock, block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"one")
        clock.ms += DAY_MS
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"no message")
        tailer = queue.tailer(start="end")
        assert tailer.read() is None
        appender.append(b"two")
        assert (tailer.read(), tailer.read()) == (b"two", None)
        assert list(queue.tailer(start="end", direction="backward")) == [b"two", b"one"]


def test_51_the_ends_of_an_empty_queue(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path)
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue, java.open(path) as theirs:
        for start in (None, "start", "end"):
            tailer, java_tailer = queue.tailer(start=start), theirs.tailer()
            if start is not None:
                (java_tailer.to_start if start == "start" else java_tailer.to_end)()
            assert tailer.read() is None
            assert java_tailer.read() is None
            where = java_tailer.where()
            assert (tailer.index, tailer.state.name) == (where.index, where.state)
        waiting = queue.tailer()
        assert waiting.read() is None
        queue.appender().append(b"first")
        assert waiting.read() == b"first"


def test_52_the_position_is_that_of_the_next_read_in_any_direction(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"a0", b"a1", b"a2", b"a3", b"a4"])
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        assert [tailer.read() for _ in range(3)] == [b"a0", b"a1", b"a2"]
        tailer.direction = "backward"
        assert [tailer.read(), tailer.read(), tailer.index] == [b"a3", b"a2", FIRST + 1]
        tailer.direction = "forward"
        assert [tailer.read(), tailer.read()] == [b"a1", b"a2"]
        tailer.direction = "none"
        assert tailer.move_to_index(FIRST + 1)
        assert [tailer.read(), tailer.read(), tailer.index] == [b"a1", b"a1", FIRST + 1]
        tailer.direction = "forward"
        assert tailer.read() == b"a1"


def test_52_moves_answer_as_in_8_3(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    day1 = CYCLE + 1 << 32
    with px.open_queue(path) as queue, java.open(path, readonly=True) as theirs:
        for index, moved, state, read in (
            (FIRST + 3, True, "FOUND_IN_CYCLE", expected[3]),
            (FIRST + 10, False, None, (day1, b"day 1, 0")),
            (FIRST + 12, False, "NOT_REACHED_IN_CYCLE", None),
            (CYCLE + 2 << 32, False, "CYCLE_NOT_FOUND", None),
            (-5, False, None, None),
            (expected[-1][0] + 1, False, None, None),
        ):
            tailer, java_tailer = queue.tailer(), theirs.tailer()
            assert tailer.move_to_index(index) is moved
            assert java_tailer.move_to_index(index) is moved
            if state is not None:
                assert tailer.state.name == java_tailer.state == state
            assert tailer.index == java_tailer.index
            found = next(tailer.with_index(), None)
            java_found = java_tailer.read()
            assert found == (None if java_found is None else (java_found.index, java_found.data))
            if state != "CYCLE_NOT_FOUND" and index > 0:
                assert found == read
        tailer = queue.tailer()
        assert [tailer.move_to_cycle(CYCLE + n) for n in (0, 1, 2, 4, 5)] == [True, True, False, True, False]


class Pair:
    """One tailer of each kind that do the same."""

    def __init__(self, queue: px.Queue, theirs: JavaQueue) -> None:
        self.ours, self.java = queue.tailer(), theirs.tailer()
        self.done: list[str] = []

    def check(self, step: str, one: object, other: object) -> None:
        self.done.append(f"{step} -> {other}")
        trail = "\n".join(self.done[-12:])
        assert one == other, f"after\n{trail}\nours says {one}, Java {other}"
        where = self.java.where()
        ours = (self.ours.index, self.ours.state.name, self.ours.direction.name)
        assert ours == (where.index, where.state, where.direction), f"after\n{trail}\nours {ours}, Java {where}"

    def read(self) -> None:
        found = next(self.ours.with_index(), None)
        other = self.java.read()
        self.check("read", found, None if other is None else (other.index, other.data))

    def turn(self, direction: str) -> None:
        at_start = self.ours.state.name == "BEYOND_START_OF_CYCLE"
        self.ours.direction = direction
        self.java.direction(direction)
        self.check(direction, None, None)
        if at_start and direction == "FORWARD":
            assert self.java.read() is None  # Java wakes up first, and reads the first message then.
            self.read()

    def move(self, index: int) -> None:
        self.check(f"move_to_index({index:#x})", self.ours.move_to_index(index), self.java.move_to_index(index))

    def cycle(self, cycle: int) -> None:
        self.check(f"move_to_cycle({cycle})", self.ours.move_to_cycle(cycle), self.java.move_to_cycle(cycle))

    def start(self) -> None:
        self.ours.to_start()
        self.java.to_start()
        self.check("to_start", None, None)

    def end(self) -> None:
        self.ours.to_end()
        self.java.to_end()
        self.check("to_end", None, None)


@pytest.mark.parametrize("seed", range(8))
def test_52_a_random_walk_leads_both_tailers_the_same_way(java: JavaPeer, tmp_path: Path, seed: int) -> None:
    # Left out is what Java answers oddly: a move to a missing message just ahead of the last move (it leaves the index
    # where it was), and leaving direction NONE without a move (the next message comes with this one's index).
    path, chance = tmp_path / "q", random.Random(seed)
    three_days(path)
    clock = Clock(T0 + 4 * DAY_MS)
    with (
        px.open_queue(path, "r+", clock=clock, block_size_bytes=BLOCK) as queue,
        java.open(path, roll="TEST4_DAILY", clock_ms=clock.ms, block_size=BLOCK) as theirs,
    ):
        appender, pair = queue.appender(), Pair(queue, theirs)
        indexes = [index for index, _ in read_all(path)]
        for step in range(120):
            what = chance.choice(["read"] * 8 + ["turn"] * 3 + ["move"] * 4 + ["start", "end", "cycle", "append"])
            if what == "read":
                for _ in range(chance.randrange(1, 4)):
                    pair.read()
            elif what == "turn":
                pair.turn(chance.choice(["FORWARD", "BACKWARD"]))
            elif what == "move":
                pair.move(chance.choice(indexes))
            elif what == "start":
                pair.start()
            elif what == "end":
                pair.end()
            elif what == "cycle":
                pair.cycle(queue.cycle_of(chance.choice(indexes)))
            else:
                if chance.random() < 0.3:
                    clock.ms += DAY_MS * chance.randrange(1, 3)
                indexes.append(appender.append(b"appended in step %d" % step))


def test_52_striding_visits_what_is_indexed(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"%d" % n for n in range(30)])
    with px.open_queue(path) as queue, java.open(path, readonly=True) as theirs:
        tailer, java_tailer = queue.tailer(direction="backward").to_end(), theirs.tailer()
        tailer.striding = True
        java_tailer.direction("BACKWARD")
        java_tailer.to_end()
        java_tailer.striding(True)
        assert list(tailer.with_index()) == pairs(java_tailer.read_all())


def test_53_a_named_tailer_resumes_where_it_left_off(tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    for index, message in expected:
        with px.open_queue(path, "r+") as queue:
            tailer = queue.tailer("mine")
            assert (tailer.name, tailer.read()) == ("mine", message)
            assert queue.table_store["index.mine"] == index + 1 == tailer.index
    with px.open_queue(path, "r+") as queue:
        tailer = queue.tailer("mine")
        assert tailer.read() is None
        tailer.move_to_index(expected[2][0])
        assert queue.table_store["index.mine"] == expected[2][0], "a move is stored, too"
        assert queue.tailer("mine").read() == expected[2][1]
        tailer.to_start()
        assert queue.table_store["index.mine"] == expected[0][0]
        assert queue.tailer("other").read() == expected[0][1]
    with px.open_queue(path) as queue, pytest.raises(ReadOnlyError):
        queue.tailer("mine")


def test_53_java_and_we_share_a_name(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    for number, (index, message) in enumerate(expected):
        if number % 2:
            with java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs:
                assert theirs.tailer("shared").read() == (index, message, False)
        else:
            with px.open_queue(path, "r+") as queue:
                assert list(queue.tailer("shared").read_many(1)) == [message]
    # Every move stores the same as Java's.
    with (
        java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs,
        px.open_queue(path, "r+") as queue,
    ):
        tailer, java_tailer = queue.tailer("ours"), theirs.tailer("java")
        for where in (expected[3][0], expected[-1][0] + 1, FIRST + 10, FIRST + 77, expected[12][0]):
            assert tailer.move_to_index(where) == java_tailer.move_to_index(where)
            assert queue.table_store["index.ours"] == queue.table_store["index.java"]
        tailer.to_end(), java_tailer.to_end()
        assert queue.table_store["index.ours"] == queue.table_store["index.java"]
        tailer.direction = "backward"
        java_tailer.direction("BACKWARD")
        for _ in range(4):
            assert tailer.read() == getattr(java_tailer.read(), "data", None)
            assert queue.table_store["index.ours"] == queue.table_store["index.java"]


def test_53_replicated_names_bump_their_version(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    expected = three_days(path)
    with (
        java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs,
        px.open_queue(path, "r+") as queue,
    ):
        for who in ("java", "ours"):
            name = f"replicated:{who}"
            key = f"index.{name}"
            tailer = theirs.tailer(name) if who == "java" else queue.tailer(name)
            versions = [queue.table_store[f"{key}.version"]]
            assert queue.table_store[f"{key}.lock"] == kit.UNLOCKED
            for index, _ in expected[:3]:
                tailer.read()
                versions.append(queue.table_store[f"{key}.version"])
                assert queue.table_store[key] == index + 1
                assert queue.table_store[f"{key}.lock"] == kit.UNLOCKED
            tailer.move_to_index(expected[1][0])
            versions.append(queue.table_store[f"{key}.version"])
            tailer.close()
            if who == "java":
                expected_versions = versions
            else:
                assert versions == expected_versions
        # A dead process's lock on a position is released.
        kit.set_key(path, "index.replicated:ours.lock", kit.dead_pid())
        tailer = queue.tailer("replicated:ours")
        assert tailer.read() == expected[1][1]
        assert queue.table_store["index.replicated:ours.lock"] == kit.UNLOCKED


def test_53_no_replicated_name_on_a_replication_sink(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with px.open_queue(path, "r+") as queue:
        queue.table_store.compare_and_set(kit.APPEND_LOCK, kit.UNLOCKED, 1)
        with pytest.raises(AppendLockedError):
            queue.tailer("replicated:mine")
        assert "index.replicated:mine" not in queue.table_store
        assert queue.tailer("mine").read() == b"one"


def test_53_positions_that_java_left_behind(java_fixture: Unpack) -> None:
    fixture = java_fixture("v5/named-tailers")["named-tailers"]
    positions = fixture.expected["positions"]
    values = table_values(fixture.path)
    everything = dict(fixture.excerpts)
    with px.open_queue(fixture.path, "r+", block_size_bytes=1 << 16) as queue:
        for name, index in positions.items():
            assert values[f"index.{name}"] == index
            tailer = queue.tailer(name)
            assert tailer.index == index
            assert tailer.read() == everything.get(index)


def test_54_user_metadata_is_skipped_and_has_no_index(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with (
        px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue,
        java.open(path, roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as theirs,
    ):
        appender, java_appender = queue.appender(), theirs.appender()
        for number in range(6):
            with appender.writing(meta=True) as excerpt:
                excerpt.write(b"ours %d" % number)
            assert excerpt.index is None
            appender.append(b"%d" % number)
            java_appender.append_meta(b"Java's %d" % number)
        expected = numbered([b"%d" % number for number in range(6)])
        assert read_all(path) == expected == pairs(theirs.dump())
        assert read_all(path, backward=True) == expected[::-1]
        with_meta = read_all(path, meta=True)
        assert with_meta == pairs(theirs.dump(meta=True))
        users = [pair for pair in with_meta if pair[1].startswith((b"ours", b"Java's"))]
        assert users == [
            (FIRST + n + late, who % n) for n in range(6) for who, late in ((b"ours %d", 0), (b"Java's %d", 1))
        ]
        # Header and index pages are metadata, too.
        assert with_meta[0][1].startswith(b"\xb9\x06header")
        assert [cq5.index_event(data) for _, data in with_meta[1:3]] == ["index2index", "index"]
        tailer = queue.tailer(meta=True)
        flags = []
        while tailer.read() is not None:
            flags.append(tailer.is_meta)
        assert flags == [e.meta for e in theirs.dump(meta=True)]


def test_54_metadata_backward_is_what_java_shows(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        for number in range(6):
            with appender.writing(meta=True) as excerpt:
                excerpt.write(b"meta %d" % number)
            appender.append(b"%d" % number)
    with java.open(path, readonly=True) as theirs:
        assert read_all(path, backward=True, meta=True) == pairs(theirs.dump(backward=True, meta=True))
