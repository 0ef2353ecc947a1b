"""Reading: every way of iterating gives the same, the position is exact in between, and moving follows spec 8.3."""

from __future__ import annotations

import gc
import random
import threading
from itertools import islice
from operator import length_hint

import pytest
from clock import DAY_MS, START_MS
from hypothesis import given
from hypothesis import strategies as st

import pychronix as px
from pychronix.tailer import Spans

DAY = 19787
FIRST = DAY << 32
MASK = (1 << 32) - 1


def index(cycle: int, sequence: int) -> int:
    """cycle counts from the first."""
    return ((DAY + cycle) << 32) + sequence


@pytest.fixture(params=["equal", "mixed", "large"])
def shaped(request, make):
    """A queue of 3000 messages (200 large ones), whose batches are made in each of the ways."""
    rng = random.Random(7)
    sizes = {
        "equal": [64] * 3000,
        "mixed": [rng.randrange(1, 200) for _ in range(3000)],
        "large": [rng.randrange(3000, 6000) for _ in range(200)],
    }[request.param]
    queue = make(block_size_bytes=1 << 20)
    queue.messages = [rng.randbytes(size) for size in sizes]
    queue.appender().append_many(queue.messages)
    return queue


@pytest.fixture
def rolled(make, clock):
    """Three cycles: 19787 with a0 a1 a2, no 19788, 19789 with b0 b1, 19790 with c0 (open)."""
    queue = make()
    appender = queue.appender()
    appender.append_many([b"a0", b"a1", b"a2"])
    clock.forward(2 * DAY_MS)
    appender.append_many([b"b0", b"b1"])
    clock.forward(DAY_MS)
    appender.append(b"c0")
    queue.indexes = [index(0, 0), index(0, 1), index(0, 2), index(2, 0), index(2, 1), index(3, 0)]
    queue.messages = [b"a0", b"a1", b"a2", b"b0", b"b1", b"c0"]
    return queue


# --- all ways of reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_every_way_of_reading_gives_the_same(shaped, direction):
    def tailer():
        return shaped.tailer(direction=direction, start="end" if direction == "backward" else "start")

    indexes = [FIRST + i for i in range(len(shaped.messages))]
    messages = shaped.messages
    if direction == "backward":
        indexes, messages = indexes[::-1], messages[::-1]
    assert list(tailer()) == messages
    assert list(tailer().with_index()) == list(zip(indexes, messages, strict=True))
    assert [bytes(view) for view in tailer().views()] == messages
    assert list(iter(tailer().read, None)) == messages
    for count in (1, 7, 1000, 1024, 5000):
        one = tailer()
        assert [m for part in iter(lambda t=one, n=count: t.read_many(n), []) for m in part] == messages
    for limit in (1, 100, 1024):
        seen = []
        for spans in tailer().spans(limit):
            assert isinstance(spans, Spans)
            assert len(spans.starts) == len(spans.stops) <= limit
            for i, (start, stop) in enumerate(zip(spans.starts, spans.stops, strict=True)):
                seen.append((spans.first_index + i * spans.step, bytes(spans.data[start:stop])))
        assert seen == list(zip(indexes, messages, strict=True))


def test_the_index_is_exact_at_each_step_of_a_loop(shaped):
    for tailer, items in (
        (t, way(t))
        for t, way in (
            (shaped.tailer(), iter),
            (shaped.tailer(), px.Tailer.with_index),
            (shaped.tailer(), px.Tailer.views),
        )
    ):
        for i, _ in enumerate(items):
            assert tailer.index == FIRST + i + 1
            assert tailer.last_read_index == FIRST + i
            assert tailer.sequence == i + 1
            assert tailer.state is px.TailerState.FOUND_IN_CYCLE
        assert i == len(shaped.messages) - 1


def test_the_index_is_exact_backward(shaped):
    tailer = shaped.tailer(direction="backward", start="end")
    last = FIRST + len(shaped.messages) - 1
    for i, _ in enumerate(tailer):
        assert tailer.last_read_index == last - i
        if i < len(shaped.messages) - 1:
            assert tailer.index == last - i - 1
    assert tailer.index == index(-1, MASK)
    assert tailer.state is px.TailerState.BEYOND_START_OF_CYCLE


def test_iterating_again_continues(shaped):
    tailer = shaped.tailer()
    seen = list(islice(tailer, 10))
    seen += islice(tailer.views(), 5)
    seen += [payload for _, payload in islice(tailer.with_index(), 5)]
    seen += [tailer.read()]
    seen += tailer.read_many(9)
    seen += islice(tailer, 30)
    assert tailer.index == FIRST + 60
    seen += list(tailer)
    assert seen == shaped.messages
    assert list(tailer) == []
    assert tailer.read() is None
    assert tailer.read_many(5) == []


def test_iteration_ends_at_the_end_and_goes_on_when_there_is_more(queue):
    appender, tailer = queue.appender(), queue.tailer()
    assert (list(tailer), tailer.read()) == ([], None)
    for i in range(5):
        appender.append_many([b"%d" % j for j in range(i)])
        assert list(tailer) == [b"%d" % j for j in range(i)]
        appender.append(b"one")
        assert tailer.read() == b"one"
        assert tailer.read() is None


def test_a_loop_sees_what_is_appended_while_it_runs(queue):
    appender = queue.appender()
    appender.append(b"0")
    seen = []
    for payload in queue.tailer():
        seen.append(payload)
        if len(seen) < 2000:
            appender.append(b"%d" % len(seen))
    assert seen == [b"%d" % i for i in range(2000)]


@given(st.data())
def test_any_mixture_of_calls_reads_like_a_list(tmp_path_factory, data):
    """The model: a list, a position in it, a direction."""
    path = tmp_path_factory.mktemp("q") / "q"
    shapes = st.sampled_from([0, 1, 8, 8, 8, 50, 3000])
    sizes = data.draw(st.lists(shapes, min_size=1, max_size=60)) * data.draw(st.sampled_from([1, 1, 40]))
    messages = [b"%d" % i + b"." * size for i, size in enumerate(sizes)]
    with px.open_queue(path, "a", clock=lambda: START_MS * 10**6, block_size_bytes=1 << 18) as queue:
        queue.appender().append_many(messages)
        tailer = queue.tailer()
        at, step = 0, 1
        loops: list = []

        def take(count):
            nonlocal at
            out = []
            while len(out) < count and 0 <= at < len(messages):
                out.append(messages[at])
                at += step
            return out

        def index_of(position):
            return FIRST + position if position >= 0 else index(-1, MASK)

        for _ in range(data.draw(st.integers(1, 25))):
            action = data.draw(
                st.sampled_from(["read", "many", "loop", "indexed", "views", "resume", "seek", "turn", "start", "end"])
            )
            count = data.draw(st.integers(0, 20))
            if action == "read":
                assert tailer.read() == (take(1) or [None])[0]
            elif action == "many":
                assert tailer.read_many(count) == take(count)
            elif action == "loop":
                loops.append(iter(tailer))
                assert list(islice(loops[-1], count)) == take(count)
            elif action == "indexed":
                before = at
                found = list(islice(tailer.with_index(), count))
                expected = take(count)
                assert found == [(FIRST + before + step * i, m) for i, m in enumerate(expected)]
            elif action == "views":
                assert [bytes(view) for view in islice(tailer.views(), count)] == take(count)
            elif action == "resume" and loops:
                # A loop that was begun earlier goes on wherever the tailer stands now, or has ended.
                rest = list(islice(loops[-1], count))
                assert rest == take(len(rest))
                if len(rest) < count:
                    loops.pop()
            elif action == "seek":
                at = data.draw(st.integers(0, len(messages) - 1))
                assert tailer.move_to_index(FIRST + at) is True
            elif action == "turn" and 0 <= at < len(messages):
                step = -step
                tailer.direction = step
            elif action == "start":
                tailer.to_start()
                at = 0
            elif action == "end":
                tailer.to_end()
                at = len(messages) if step > 0 else len(messages) - 1
            assert tailer.index == index_of(at), action


def test_two_loops_over_one_tailer_share_its_position(shaped):
    tailer = shaped.tailer()
    one, two = iter(tailer), iter(tailer)
    three = tailer.with_index()
    seen = [next(one), next(two), next(one), next(three)[1], next(two), next(three)[1], next(one)]
    assert seen == shaped.messages[:7]
    assert tailer.index == FIRST + 7


def test_moving_within_a_loop_goes_on_there(shaped):
    tailer = shaped.tailer()
    seen = []
    for i, payload in enumerate(tailer):
        seen.append(payload)
        if i == 4:
            assert tailer.move_to_index(FIRST + 100) is True
        if i == 9:
            assert tailer.read() == shaped.messages[105]
        if i == 12:
            tailer.direction = "backward"
        if i == 15:
            break
    m = shaped.messages
    assert seen == m[0:5] + m[100:105] + m[106:109] + [m[109], m[108], m[107]]


def test_views_are_read_only_and_outlive_everything(make):
    queue = make(block_size_bytes=1 << 16)
    messages = [b"%06d" % i * 20 for i in range(5000)]
    queue.appender().append_many(messages)
    tailer = queue.tailer()
    views = list(tailer.views())
    first = next(queue.tailer().spans())
    tailer.close()
    queue.close()
    del tailer, queue
    gc.collect()
    assert [bytes(view) for view in views] == messages
    assert bytes(first.data[first.starts[3] : first.stops[3]]) == messages[3]
    for view in (views[0], first.data, first.starts):
        assert view.readonly
        with pytest.raises(TypeError):
            view[0] = 1


def test_reading_holds_little_memory_mapped(make, path):
    """A window at a time, however large the file; views of one window do not hold the others."""
    queue = make(block_size_bytes=1 << 20)
    message = bytes(1 << 14)
    queue.appender().append_many(message for _ in range(2000))
    queue_files = path

    def mapped():
        with open("/proc/self/maps") as maps:
            ranges = [line.split()[0].split("-") for line in maps if queue_files in line and ".cq4" in line]
        return sum(int(high, 16) - int(low, 16) for low, high in ranges)

    tailer = queue.tailer()
    before = mapped()
    kept = None
    for i, view in enumerate(tailer.views()):
        if i == 10:
            kept = view
    assert i == 1999
    assert kept == message
    assert mapped() - before < 300 << 20


# --- moving, states (spec 8.3) ---------------------------------------------------------------------------------------


def test_a_new_tailer_stands_at_the_first_message(rolled):
    tailer = rolled.tailer()
    assert (tailer.index, tailer.state) == (FIRST, px.TailerState.FOUND_IN_CYCLE)
    assert list(tailer.with_index()) == list(zip(rolled.indexes, rolled.messages, strict=True))


def test_a_new_tailer_on_an_empty_queue_waits_for_the_first_message(queue):
    tailer = queue.tailer()
    assert (tailer.index, tailer.state, tailer.cycle) == (0, px.TailerState.UNINITIALISED, None)
    assert tailer.last_read_index is None
    assert tailer.read() is None
    queue.appender().append(b"x")
    assert tailer.read() == b"x"
    assert (tailer.index, tailer.cycle, tailer.last_read_index) == (FIRST + 1, DAY, FIRST)


def test_to_start_and_to_end(rolled):
    tailer = rolled.tailer()
    assert tailer.to_end() is tailer
    assert (tailer.index, tailer.read()) == (index(3, 1), None)
    assert tailer.to_start() is tailer
    assert (tailer.index, tailer.read()) == (FIRST, b"a0")
    tailer.direction = "backward"
    tailer.to_end()
    assert (tailer.index, tailer.read(), tailer.index) == (index(3, 0), b"c0", index(2, 1))
    assert tailer.read() == b"b1"


def test_backward_crosses_cycles_and_turns_round_at_the_start(rolled):
    tailer = rolled.tailer(start="end", direction="backward")
    assert list(tailer.with_index()) == list(zip(rolled.indexes, rolled.messages, strict=True))[::-1]
    assert (tailer.index, tailer.state) == (index(-1, MASK), px.TailerState.BEYOND_START_OF_CYCLE)
    assert tailer.read() is None
    tailer.direction = "forward"
    assert list(tailer) == rolled.messages


def test_turning_round_reads_the_current_position(make):
    queue = make()
    queue.appender().append_many([b"a0", b"a1", b"a2", b"a3", b"a4"])
    tailer = queue.tailer()
    assert tailer.read_many(3) == [b"a0", b"a1", b"a2"]
    tailer.direction = px.Direction.BACKWARD
    assert list(tailer) == [b"a3", b"a2", b"a1", b"a0"]


def test_move_to_index(rolled):
    tailer = rolled.tailer()
    for at, message in random.Random(3).sample(list(zip(rolled.indexes, rolled.messages, strict=True)) * 5, 30):
        assert tailer.move_to_index(at) is True
        assert tailer.index == at
        assert tailer.read() == message
        assert tailer.last_read_index == at


def test_move_to_one_beyond_a_closed_cycle_continues_with_the_next(rolled):
    tailer = rolled.tailer()
    assert tailer.move_to_index(index(0, 3)) is False
    assert list(tailer) == [b"b0", b"b1", b"c0"]


def test_move_to_the_next_index_of_the_open_cycle_waits_there(rolled):
    tailer = rolled.tailer()
    assert tailer.move_to_index(index(3, 1)) is False
    assert tailer.read() is None
    rolled.appender().append(b"c1")
    assert tailer.read() == b"c1"


def test_move_far_beyond_a_cycle_reads_nothing(rolled):
    tailer = rolled.tailer()
    assert tailer.move_to_index(index(0, 50)) is False
    assert tailer.state is px.TailerState.NOT_REACHED_IN_CYCLE
    assert (tailer.read(), list(tailer)) == (None, [])


def test_move_to_a_cycle_without_a_file(rolled):
    tailer = rolled.tailer()
    tailer.read_many(2)
    assert tailer.move_to_index(index(1, 0)) is False
    assert tailer.state is px.TailerState.CYCLE_NOT_FOUND
    assert tailer.move_to_index(FIRST + 1) is True
    assert tailer.move_to_cycle(DAY + 1) is False


def test_move_to_a_negative_index(rolled):
    tailer = rolled.tailer()
    assert tailer.move_to_index(-1) is False


@pytest.mark.parametrize("wrong", ["5", None, 1.5])
def test_an_index_is_an_int(rolled, wrong):
    tailer = rolled.tailer()
    with pytest.raises(TypeError, match="index is an int"):
        tailer.move_to_index(wrong)
    with pytest.raises(TypeError, match="cycle is an int"):
        tailer.move_to_cycle(wrong)
    with pytest.raises(px.UsageError, match="does not fit 64 bits"):
        tailer.move_to_index(1 << 63)
    assert tailer.read() == b"a0"


def test_move_to_cycle(rolled):
    tailer = rolled.tailer()
    assert tailer.move_to_cycle(DAY + 2) is True
    assert (tailer.index, tailer.read()) == (index(2, 0), b"b0")


def test_direction_none_repeats_the_message_it_was_moved_to(rolled):
    tailer = rolled.tailer(direction="none")
    assert tailer.move_to_index(index(2, 0)) is True
    assert [tailer.read(), tailer.read()] == [b"b0", b"b0"]
    assert list(islice(tailer, 3)) == [b"b0"] * 3
    assert list(islice(tailer.with_index(), 2)) == [(index(2, 0), b"b0")] * 2
    assert tailer.index == index(2, 0)
    tailer.direction = "forward"
    assert list(tailer) == [b"b0", b"b1", b"c0"]


def test_direction_by_name_number_or_enum(rolled):
    tailer = rolled.tailer()
    for given_, expected in (("Backward", -1), (0, 0), (px.Direction.FORWARD, 1), ("NONE", 0)):
        tailer.direction = given_
        assert tailer.direction is px.Direction(expected)
    for wrong in ("sideways", 2):
        with pytest.raises(px.UsageError, match="unknown direction"):
            tailer.direction = wrong
        with pytest.raises(px.UsageError, match="unknown direction"):
            rolled.tailer(direction=wrong)


def test_start_may_be_a_word_or_an_index(rolled):
    assert rolled.tailer(start="start").read() == b"a0"
    assert rolled.tailer(start="end").read() is None
    assert rolled.tailer(start=index(2, 1)).read() == b"b1"
    with pytest.raises(px.UsageError, match="unknown start"):
        rolled.tailer(start="middle")
    with pytest.raises(TypeError):
        rolled.tailer(start=1.5)


def test_striding_visits_indexed_messages_only(make):
    queue = make(roll="SMALL_DAILY")  # Every 8th message is indexed.
    queue.appender().append_many([b"%d" % i for i in range(100)])
    tailer = queue.tailer(start="end", direction="backward")
    tailer.striding = True
    assert tailer.striding is True
    indexes = [at - FIRST for at, payload in tailer.with_index() if payload == b"%d" % (at - FIRST)]
    assert indexes[0] == 99
    assert indexes[1:] == list(range(96, -1, -8))


# --- named tailers, metadata -----------------------------------------------------------------------------------------


def test_a_named_tailer_continues_where_its_name_left_off(rolled):
    with rolled.tailer("mine") as tailer:
        assert (tailer.name, tailer.read(), tailer.read()) == ("mine", b"a0", b"a1")
        assert rolled.table_store["index.mine"] == FIRST + 2
    with rolled.tailer("mine") as tailer:
        assert tailer.index == FIRST + 2
        assert list(islice(tailer, 2)) == [b"a2", b"b0"]
        assert rolled.table_store["index.mine"] == index(2, 1)
    with rolled.tailer("mine") as tailer:
        assert list(tailer.with_index()) == [(index(2, 1), b"b1"), (index(3, 0), b"c0")]
        assert tailer.read_many(5) == []
        tailer.move_to_index(FIRST)
    with rolled.tailer("mine") as tailer:
        assert [bytes(view) for view in tailer.views()] == rolled.messages
        with pytest.raises(px.UsageError, match="spans cannot be had"):
            next(tailer.spans())
    with rolled.tailer("mine", start="start") as tailer:
        assert tailer.read_many(100) == rolled.messages


def test_a_replicated_name_counts_its_updates(rolled):
    table = rolled.table_store
    with rolled.tailer("replicated:x") as tailer:
        assert table["index.replicated:x.version"] == -1
        assert tailer.read() == b"a0"
        before = table["index.replicated:x.version"]
        assert before >= 0
        assert tailer.read() == b"a1"
        assert (table["index.replicated:x"], table["index.replicated:x.version"]) == (FIRST + 2, before + 1)
        assert table["index.replicated:x.lock"] == -(1 << 63)


@pytest.mark.parametrize("wrong", ["", "a\0b", "имя", "x" * 300])
def test_a_name_that_cannot_be_one(queue, wrong):
    with pytest.raises(px.UsageError):
        queue.tailer(wrong)
    with pytest.raises(TypeError):
        queue.tailer(5)


def test_metadata_documents_are_read_when_asked_for(rolled):
    tailer = rolled.tailer(meta=True)
    kinds = [(at, tailer.is_meta) for at, _ in tailer.with_index()]
    assert [at for at, meta in kinds if not meta] == rolled.indexes
    # Each file: header, index2index and one page, all with the index of its first message.
    assert kinds[:3] == [(FIRST, True)] * 3
    assert sum(meta for _, meta in kinds) == 9
    tailer.to_start()
    assert tailer.read()[:8] == b"\xb9\x06header"
    tailer.meta = False
    assert list(tailer) == rolled.messages
    assert tailer.is_meta is False


# --- misuse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, 1025])
def test_a_limit_out_of_range(rolled, wrong):
    with pytest.raises(px.UsageError, match="limit is within"):
        next(rolled.tailer().spans(wrong))
    if wrong < 0:
        with pytest.raises(px.UsageError, match="a count is not negative"):
            rolled.tailer().read_many(wrong)


def test_closing_within_a_loop_ends_it_with_an_error(shaped):
    tailer = shaped.tailer()
    seen = []
    with pytest.raises(px.ClosedError):
        for payload in tailer:
            seen.append(payload)
            tailer.close()
    assert seen == shaped.messages[:1]


def test_many_threads_misusing_one_tailer_get_busy_or_each_message_once(make):
    queue = make()
    messages = [b"%d" % i for i in range(20_000)]
    queue.appender().append_many(messages)
    tailer = queue.tailer()
    seen: list[bytes] = []
    wrong: list[BaseException] = []

    def work():
        while True:
            try:
                payload = tailer.read()
            except px.BusyError:
                continue
            except BaseException as error:
                wrong.append(error)
                return
            if payload is None:
                return
            seen.append(payload)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for error in wrong if not isinstance(error, px.ChronixError)] == []
    assert set(seen) <= set(messages)


def test_repr_helps(rolled):
    tailer = rolled.tailer()
    tailer.read()
    assert repr(tailer) == f"<Tailer of {rolled.path!r}, forward, index {FIRST + 1:#x}, FOUND_IN_CYCLE>"
    assert "'mine'" in repr(rolled.tailer("mine"))
    assert tailer.queue is rolled


def test_nothing_is_counted_per_item(shaped):
    """The position is read off the iterator: the speed of a loop depends on that."""
    tailer = shaped.tailer()
    loop = iter(tailer)
    next(loop)
    rest = length_hint(tailer._pending)
    next(loop)
    assert length_hint(tailer._pending) == rest - 1
