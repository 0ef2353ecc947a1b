"""Appending: what each call stores and returns, what it refuses, and that a refusal stores nothing."""

from __future__ import annotations

import array
import os
import random
import threading

import pytest
from clock import DAY_MS, START_MS
from hypothesis import given
from hypothesis import strategies as st

import pychronix as px
from pychronix.errors import AppendLockedError, CycleFullError, IndexRangeError, MessageTooLongError

DAY = 19787
FIRST = DAY << 32


@pytest.fixture
def appender(queue):
    return queue.appender()


def stored(queue):
    return list(queue.tailer())


# --- append ----------------------------------------------------------------------------------------------------------


def test_append_returns_consecutive_indexes_and_stores_the_bytes(queue, appender):
    messages = [b"a", b"bb", b"\0" * 5, bytes(range(256)), b"x" * 10_000]
    assert [appender.append(message) for message in messages] == [FIRST + i for i in range(5)]
    assert stored(queue) == messages
    assert (appender.last_index, appender.cycle) == (FIRST + 4, DAY)


def test_before_the_first_append_there_is_no_last_index(appender):
    assert (appender.last_index, appender.cycle) == (None, None)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (bytearray(b"z" * 100_000), b"z" * 100_000),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"abcdef")[2:5], b"cde"),
        (array.array("I", [1, 2]), b"\1\0\0\0\2\0\0\0"),
        (memoryview(array.array("H", [1, 2])), b"\1\0\2\0"),
        (b"", b"\x8f"),
        (bytearray(), b"\x8f"),
        (type("Sub", (bytes,), {})(b"abc"), b"abc"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_anything_bytes_like_is_stored_as_it_is(queue, appender, data, expected):
    appender.append(data)
    appender.append_many([data, b"-", data])
    assert stored(queue) == [expected, expected, b"-", expected]


@pytest.mark.parametrize("wrong", [5, None, 1.5, [1, 2], (1,), (), [], {}, object()], ids=repr)
def test_what_is_not_bytes_like_is_a_type_error(queue, appender, wrong):
    for use in (appender.append, lambda data: appender.append_many([b"fine", data]),
                lambda data: appender.append_at(FIRST, data)):  # fmt: skip
        with pytest.raises(TypeError, match="a message is bytes-like, not "):
            use(wrong)
    assert stored(queue) == []


def test_str_is_a_type_error_that_asks_about_encoding(queue, appender):
    for use in (appender.append, lambda data: appender.append_many([data]), lambda data: appender.append_at(0, data)):
        with pytest.raises(TypeError, match="did you forget to encode it"):
            use("text")
    assert stored(queue) == []


def test_bytes_that_are_not_contiguous_are_refused(queue, appender):
    for use in (appender.append, lambda data: appender.append_many([data])):
        with pytest.raises(px.UsageError, match="contiguous"):
            use(memoryview(b"abcdef")[::2])
    assert stored(queue) == []


def test_a_message_too_long_is_refused_and_the_next_one_taken(make):
    queue = make(block_size_bytes=1 << 30)
    appender = queue.appender()
    appender.append(b"a")
    with pytest.raises(MessageTooLongError):
        appender.append(memoryview(bytearray(1 << 30)))
    assert appender.append(b"b") == FIRST + 1
    assert stored(queue) == [b"a", b"b"]


def test_messages_larger_than_a_block(make):
    queue = make(block_size_bytes=1 << 16)
    messages = [os.urandom(size) for size in (100, 70_000, 1 << 20, 3, 5 << 20, 131_072, 65_536, 1)]
    appender = queue.appender()
    for message in messages[:4]:
        appender.append(message)
    appender.append_many(messages[4:])
    assert stored(queue) == messages
    assert [bytes(view) for view in queue.tailer().views()] == messages


def test_append_text_stores_javas_text(queue, appender):
    assert appender.append_text("hello 0") == FIRST
    appender.append_text(None)
    appender.append_text("\U0001f600")
    assert [payload.hex() for payload in stored(queue)] == ["e768656c6c6f2030", "bb", "e6eda0bdedb880"]
    assert [px.decode_text(payload) for payload in stored(queue)] == ["hello 0", None, "\U0001f600"]
    with pytest.raises(TypeError, match="a text is str or None"):
        appender.append_text(b"bytes")


def test_an_appender_without_a_clock_uses_the_systems(path):
    with px.open_queue(path, "a", block_size_bytes=1 << 16) as queue, queue.appender() as appender:
        import time

        before = time.time_ns() // 1_000_000
        indexes = [appender.append(b"a"), appender.append(bytearray(b"b")), *appender.append_many([b"c", b"d"])]
        after = time.time_ns() // 1_000_000
        assert queue.cycle_at(before) <= queue.cycle_of(indexes[0]) <= queue.cycle_at(after)
        assert [queue.sequence_of(index) for index in indexes] in ([0, 1, 2, 3], [0, 0, 1, 2], [0, 1, 0, 1])
        assert stored(queue) == [b"a", b"b", b"c", b"d"]


# --- rolling ---------------------------------------------------------------------------------------------------------


def test_the_clock_decides_the_cycle(queue, appender, clock):
    indexes = []
    for _ in range(3):
        indexes += [appender.append(b"x"), appender.append(b"y")]
        clock.forward(DAY_MS)
    assert indexes == [((DAY + i) << 32) + j for i in range(3) for j in range(2)]
    assert (appender.cycle, appender.last_index) == (DAY + 2, indexes[-1])


def test_a_clock_that_steps_back_does_not_break_the_order(queue, appender, clock):
    appender.append(b"a")
    clock.forward(DAY_MS)
    appender.append(b"b")
    clock.forward(-DAY_MS)
    try:
        index = appender.append(b"c")
    except px.ChronixError:
        assert stored(queue) == [b"a", b"b"]
    else:
        assert index == ((DAY + 1) << 32) + 1
        assert stored(queue) == [b"a", b"b", b"c"]


def test_a_full_cycle_is_refused_before_anything_is_written(make, clock):
    queue = make(roll="TEST_DAILY")
    appender = queue.appender()
    assert len(appender.append_many([b"x"] * 60)) == 60
    with pytest.raises(CycleFullError) as caught:
        appender.append_many([b"y%d" % i for i in range(10)])
    assert list(caught.value.appended) == [FIRST + 60 + i for i in range(4)]
    with pytest.raises(CycleFullError):
        appender.append(b"z")
    assert queue.count() == 64
    assert stored(queue)[60:] == [b"y0", b"y1", b"y2", b"y3"]
    clock.forward(DAY_MS)
    assert appender.append(b"next") == (DAY + 1) << 32


def test_normalise_eofs_and_pretouch(queue, appender, clock):
    appender.append(b"x")
    assert appender.pretouch() >= 0
    clock.forward(DAY_MS)
    with queue.appender() as other:
        other.append(b"y")
    appender.normalise_eofs()
    assert [cycle.closed for cycle in queue.cycles()] == [True, False]
    assert stored(queue) == [b"x", b"y"]


# --- append_many -----------------------------------------------------------------------------------------------------


def test_append_many_takes_any_iterable_and_returns_its_indexes(queue, appender):
    assert list(appender.append_many([b"a", b"b"])) == [FIRST, FIRST + 1]
    assert list(appender.append_many(b"%d" % i for i in range(3))) == [FIRST + 2 + i for i in range(3)]
    assert list(appender.append_many({b"k": 1})) == [FIRST + 5]
    assert list(appender.append_many([])) == []
    assert list(appender.append_many(iter(()))) == []
    assert stored(queue) == [b"a", b"b", b"0", b"1", b"2", b"k"]
    assert appender.last_index == FIRST + 5


@pytest.mark.parametrize("wrong", [b"abc", "abc", bytearray(b"abc"), memoryview(b"abc")])
def test_append_many_of_one_message_is_told(queue, appender, wrong):
    with pytest.raises(TypeError, match="use append"):
        appender.append_many(wrong)
    with pytest.raises(TypeError):
        appender.append_many(5)
    assert stored(queue) == []


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1023, 1024, 1025, 10_000])
def test_append_many_of_many(queue, appender, count):
    messages = [b"%d" % i * (i % 7) for i in range(count)]
    indexes = appender.append_many(messages)
    assert len(indexes) == count
    assert indexes == range(FIRST, FIRST + count)
    assert stored(queue) == [message or b"\x8f" for message in messages]


@pytest.mark.parametrize("sizes", [(5, 5, 5), (5, 6, 5), (5, 5, 6), (6, 5, 5), (300, 300, 300), (300, 299, 300)])
@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_append_many_of_lengths_that_are_equal_or_nearly(queue, appender, sizes, kind):
    messages = [bytes([at + 1]) * size for at, size in enumerate(sizes)]
    for _ in range(2):
        appender.append_many(kind(messages))
    assert stored(queue) == messages * 2


def test_append_many_of_large_messages_keeps_to_its_chunks(queue, appender):
    rng = random.Random(5)
    messages = [rng.randbytes(rng.choice((1, 100, 300_000, 2_000_000))) for _ in range(60)]
    assert appender.append_many(messages) == range(FIRST, FIRST + 60)
    assert stored(queue) == messages


def test_append_many_rolls_in_between(make, clock):
    """The clock is read for each native batch."""

    class Stepping:
        def __call__(self):
            clock.forward(1)
            return clock()

    queue = make(clock=Stepping(), roll="TEST_SECONDLY")
    indexes = queue.appender().append_many(b"%d" % i for i in range(600_000))
    assert len(indexes) == 600_000
    assert len(indexes.pieces) == len(queue.cycles()) > 1
    assert [index for index, _ in queue.tailer().with_index()] == list(indexes)
    assert stored(queue) == [b"%d" % i for i in range(600_000)]
    assert indexes.pieces[0].stop != indexes.pieces[1].start


def test_an_iterable_that_fails_midway_leaves_what_was_appended(queue, appender):
    def messages():
        for i in range(100):
            yield b"%d" % i
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        appender.append_many(messages())
    appended = caught.value.appended
    assert isinstance(appended, px.Indexes)
    assert appended.first == FIRST
    assert stored(queue) == [b"%d" % i for i in range(len(appended))]
    assert 0 < len(appended) <= 100


def test_a_wrong_message_midway_leaves_what_was_appended(queue, appender):
    with pytest.raises(TypeError, match="not int") as caught:
        appender.append_many([b"%d" % i for i in range(100)] + [5] + [b"x"])
    assert stored(queue) == [b"%d" % i for i in range(len(caught.value.appended))]


def test_a_generator_may_use_the_same_appender(queue, appender):
    def messages():
        for i in range(3):
            appender.append(b"inner %d" % i)
            yield b"outer %d" % i

    indexes = appender.append_many(messages())
    assert stored(queue) == [b"inner 0", b"inner 1", b"inner 2", b"outer 0", b"outer 1", b"outer 2"]
    assert list(indexes) == [FIRST + 3, FIRST + 4, FIRST + 5]


@given(st.lists(st.binary(max_size=300), max_size=200))
def test_append_many_equals_append_one_by_one(tmp_path_factory, messages):
    path = tmp_path_factory.mktemp("q")
    clock = lambda: START_MS * 1_000_000  # noqa: E731
    with (
        px.open_queue(path / "one", "a", clock=clock, block_size_bytes=1) as one,
        px.open_queue(path / "many", "a", clock=clock, block_size_bytes=1) as many,
    ):
        appender = one.appender()
        singly = [appender.append(message) for message in messages]
        assert list(many.appender().append_many(messages)) == singly
    if messages:
        with open(path / "one" / "20240305F.cq4", "rb") as a, open(path / "many" / "20240305F.cq4", "rb") as b:
            assert a.read() == b.read()


# --- Indexes ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 6)), max_size=5), st.data())
def test_indexes_behave_like_the_list_of_them(pieces, data):
    ranges, at = [], 100
    for gap, count in pieces:
        ranges.append(range(at + gap, at + gap + count))
        at += gap + count
    indexes, plain = px.Indexes(ranges), [index for piece in ranges for index in piece]
    assert list(indexes) == plain
    assert len(indexes) == len(plain)
    assert indexes == plain
    assert (indexes.first, indexes.last) == ((plain[0], plain[-1]) if plain else (None, None))
    assert list(reversed(indexes)) == plain[::-1]
    assert [index in indexes for index in range(95, 160)] == [index in plain for index in range(95, 160)]
    for position in range(-len(plain), len(plain)):
        assert indexes[position] == plain[position]
    for outside in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError):
            indexes[outside]
    part = slice(*(data.draw(st.none() | st.integers(-20, 20)) for _ in range(2)),
                 data.draw(st.none() | st.sampled_from([-3, -1, 1, 2])))  # fmt: skip
    assert list(indexes[part]) == plain[part]
    assert hash(indexes) == hash(px.Indexes(ranges))


# --- writing ---------------------------------------------------------------------------------------------------------


def test_writing_commits_one_excerpt_at_the_end_of_the_block(queue, appender):
    with appender.writing() as excerpt:
        assert excerpt.write(b"head") == 4
        excerpt.write(bytearray(b"body"))
        assert (excerpt.position, len(excerpt), excerpt.index) == (8, 8, None)
        assert stored(queue) == []
    assert excerpt.index == FIRST
    assert stored(queue) == [b"headbody"]


def test_the_cursor_overwrites_extends_and_truncates(queue, appender):
    with appender.writing() as excerpt:
        excerpt.write(b"0123456789")
        excerpt.seek(2)
        excerpt.write(b"ab")
        assert (excerpt.position, len(excerpt)) == (4, 10)
        excerpt.position = 12
        excerpt.write(b"z")
        assert bytes(excerpt) == b"01ab456789\0\0z"
        excerpt.truncate(11)
        assert excerpt.position == 11
        excerpt.seek(5)
        excerpt.truncate()
        with excerpt.buffer() as view:
            view[0:1] = b"X"
        excerpt.write_text("é")
    assert stored(queue) == [b"X1ab4\xe2\xc3\xa9"]


def test_an_exception_in_the_block_writes_nothing(queue, appender):
    with pytest.raises(KeyError, match="mine"), appender.writing() as excerpt:
        excerpt.write(b"lost")
        raise KeyError("mine")
    assert excerpt.index is None
    assert (stored(queue), queue.cycles()) == ([], ())
    assert appender.append(b"next") == FIRST


def test_what_is_rolled_back_is_not_written(queue, appender):
    with appender.writing() as excerpt:
        excerpt.write(b"lost")
        excerpt.rollback_on_close()
    assert (excerpt.index, stored(queue)) == (None, [])


def test_an_empty_block_is_the_padding_byte(queue, appender):
    with appender.writing():
        pass
    assert stored(queue) == [b"\x8f"]


def test_metadata_takes_no_index_and_is_skipped(queue, appender):
    appender.append(b"a")
    with appender.writing(meta=True) as excerpt:
        excerpt.write(b"about a")
    assert excerpt.index is None
    assert appender.append(b"b") == FIRST + 1
    assert list(queue.tailer().with_index()) == [(FIRST, b"a"), (FIRST + 1, b"b")]
    tailer = queue.tailer(meta=True)
    documents = [(index, payload, tailer.is_meta) for index, payload in tailer.with_index()]
    assert [document for document in documents if not document[2]] == [(FIRST, b"a", False), (FIRST + 1, b"b", False)]
    assert (FIRST + 1, b"about a", True) in documents


def test_an_excerpt_is_finished_after_its_block(appender):
    with appender.writing() as excerpt:
        excerpt.write(b"x")
    for use in (lambda: excerpt.write(b"y"), lambda: excerpt.truncate(0), excerpt.buffer):
        with pytest.raises(px.UsageError, match="finished"):
            use()
    assert bytes(excerpt) == b"x"


@pytest.mark.parametrize("wrong", [-1, 1 << 31, 1 << 64])
def test_a_cursor_stays_within_a_message(appender, wrong):
    with appender.writing() as excerpt:
        with pytest.raises(px.UsageError):
            excerpt.seek(wrong)
        with pytest.raises(TypeError):
            excerpt.seek("1")
        with pytest.raises(TypeError, match="did you forget to encode"):
            excerpt.write("text")
        with pytest.raises(px.UsageError):
            excerpt.truncate(-1)
        excerpt.rollback_on_close()


# --- append_at -------------------------------------------------------------------------------------------------------


def test_append_at_has_three_outcomes(queue, appender):
    assert appender.append_at(FIRST, b"a") is True
    assert appender.append_at(FIRST + 1, b"b") is True
    assert appender.append_at(FIRST, b"again") is False
    with pytest.raises(IndexRangeError) as caught:
        appender.append_at(FIRST + 3, b"d")
    assert caught.value.next_index == FIRST + 2
    assert isinstance(caught.value, IndexError)
    assert stored(queue) == [b"a", b"b"]


def test_append_at_in_a_later_cycle_creates_it(queue, appender):
    appender.append_at(FIRST, b"a")
    later = (DAY + 3) << 32
    assert appender.append_at(later, b"b") is True
    assert list(queue.tailer().with_index()) == [(FIRST, b"a"), (later, b"b")]
    assert [cycle.closed for cycle in queue.cycles()] == [True, False]


def test_copying_a_queue_by_index_twice_changes_nothing(make, path, clock, tmp_path):
    queue = make(roll="TEST4_SECONDLY")
    appender = queue.appender()
    for i in range(50):
        appender.append(b"%d" % i)
        clock.forward(137)
    messages = list(queue.tailer().with_index())
    copy = make(roll="TEST4_SECONDLY", path=str(tmp_path / "copy"))
    target = copy.appender()
    assert [target.append_at(index, data) for index, data in messages] == [True] * 50
    assert [target.append_at(index, data) for index, data in messages] == [False] * 50
    assert list(copy.tailer().with_index()) == messages


@pytest.mark.parametrize("wrong", [-1, 1 << 63])
def test_append_at_an_impossible_index(queue, appender, wrong):
    with pytest.raises(px.UsageError):
        appender.append_at(wrong, b"x")
    with pytest.raises(TypeError):
        appender.append_at("5", b"x")
    assert stored(queue) == []


# --- durability, locks, threads --------------------------------------------------------------------------------------


def test_sync_raises_last_index_msynced(queue, appender):
    appender.sync()
    table = queue.table_store
    appender.append(b"a")
    assert table["chronicle.lastIndexMSynced"] == -1
    appender.sync()
    assert table["chronicle.lastIndexMSynced"] == FIRST
    appender.append(b"b", durable=True)
    assert table["chronicle.lastIndexMSynced"] == FIRST + 1
    appender.append_many([b"c"] * 3, durable=True)
    appender.append_text("d", durable=True)
    assert table["chronicle.lastIndexMSynced"] == FIRST + 5


@pytest.mark.parametrize("holder", [os.getppid(), os.getpid()], ids=["other", "own"])
def test_the_append_lock_refuses_appends_but_lets_its_holder_replicate(queue, appender, holder):
    def write_meta():
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"m")

    appender.append(b"a")
    table = queue.table_store
    assert table.compare_and_set("chronicle.append.lock", -(1 << 63), holder)
    refused = [lambda: appender.append(b"x"), lambda: appender.append_many([b"x"]), lambda: appender.append_text("x")]
    if holder != os.getpid():
        refused += [write_meta, lambda: appender.append_at(FIRST + 1, b"x")]
    for use in refused:
        with pytest.raises(AppendLockedError) as caught:
            use()
        assert caught.value.pid == holder
    assert table["chronicle.write.lock"] == -(1 << 63)
    if holder == os.getpid():
        write_meta()
        assert appender.append_at(FIRST + 1, b"replica") is True
    assert table.compare_and_set("chronicle.append.lock", holder, -(1 << 63))
    assert stored(queue) == ([b"a", b"replica"] if holder == os.getpid() else [b"a"])
    assert appender.append(b"b") == FIRST + len(stored(queue)) - 1


def test_a_second_thread_inside_an_appender_is_told_or_waits_its_turn(queue, appender):
    """Whatever the timing: each append succeeds or raises BusyError, and exactly the successes are stored."""
    outcomes: list[list[int]] = [[], []]
    busy = [0, 0]

    def work(number: int) -> None:
        for _ in range(3000):
            try:
                outcomes[number].append(appender.append(b"%d" % number * 500))
            except px.BusyError:
                busy[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    indexes = sorted(outcomes[0] + outcomes[1])
    assert indexes == [FIRST + i for i in range(len(indexes))]
    assert queue.count() == len(indexes) == 6000 - sum(busy)


def test_two_appenders_take_turns(queue):
    one, two = queue.appender(), queue.appender()
    assert [one.append(b"a"), two.append(b"b"), one.append(b"c"), two.append(b"d")] == [FIRST + i for i in range(4)]
    assert (one.last_index, two.last_index) == (FIRST + 2, FIRST + 3)
    assert stored(queue) == [b"a", b"b", b"c", b"d"]


def test_repr_and_context_manager(queue):
    with queue.appender() as appender:
        assert repr(appender) == f"<Appender of {queue.path!r}, last index none>"
        appender.append(b"x")
        assert repr(appender) == f"<Appender of {queue.path!r}, last index {FIRST:#x}>"
        assert appender.queue is queue
    assert appender.closed
    appender.close()


def test_a_roll_file_that_was_never_finished_is_put_aside_after_the_timeout(make, path):
    queue = make(timeout_ms=50)
    stuck = os.path.join(path, "20240305F.cq4")
    with open(stuck, "wb") as file:
        file.write(b"\0\0\0\x80" + bytes(131068))
    assert queue.appender().append(b"x") == FIRST
    assert stored(queue) == [b"x"]
    aside = [name for name in os.listdir(path) if name.startswith("20240305F.cq4-")]
    assert len(aside) == 1
    assert aside[0].endswith(".discard")
