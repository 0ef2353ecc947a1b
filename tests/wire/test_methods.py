"""Method writers and readers by themselves: what a call becomes, who is called, what goes wrong, how histories grow."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
from services import Api, BigOrder, Order

import pychronix as px
from pychronix.errors import UsageError, WireError
from pychronix.wire import History, Typed, encode_document, encode_event
from pychronix.wire.decoding import parse


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[px.Queue]:
    with px.open_queue(tmp_path / "q", "a", roll="FAST_DAILY") as opened:
        yield opened


@pytest.fixture
def hop(tmp_path: Path) -> Iterator[px.Queue]:
    with px.open_queue(tmp_path / "hop", "a", roll="FAST_DAILY", source_id=9) as opened:
        yield opened


class Recorder:
    """A handler that knows every event."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def say(self, text: str) -> None:
        self.calls.append(("say", text))

    def two(self, text: str, number: int = 5) -> None:
        self.calls.append(("two", text, number))

    def nothing(self) -> None:
        self.calls.append(("nothing",))

    def pair(self, text: str, number: int) -> None:
        self.calls.append(("pair", text, number))

    def many(self, *values: object) -> None:
        self.calls.append(("many", *values))

    def numbers(self, values: list[int]) -> None:
        self.calls.append(("numbers", values))

    def _hidden(self) -> None:
        raise AssertionError("called")


def read(queue: px.Queue, *handlers: object, **options: Any) -> list[int]:
    with queue.method_reader(*handlers, **options) as reader:
        return list(reader)


# Writing.


@pytest.mark.parametrize(
    ("call", "stored"),
    [
        (("say", "hi"), "b9 03 73 61 79 e2 68 69"),
        (("num", 7), "b9 03 6e 75 6d a1 07"),
        (("dbl", 1.5), "b9 03 64 62 6c 92 96 01"),
        (("two", "a", 3), "b9 03 74 77 6f 82 04 00 00 00 e1 61 a1 03"),
        (("byId", "id"), "ba 05 e2 69 64"),
        (("nothing",), "b9 07 6e 6f 74 68 69 6e 67 e0"),
        (("say", None), "b9 03 73 61 79 bb"),
    ],
)
def test_a_call_is_stored_as_the_specification_has_it(queue: px.Queue, call: tuple[Any, ...], stored: str) -> None:
    index = getattr(queue.method_writer(Api), call[0])(*call[1:])
    assert [(index, bytes.fromhex(stored))] == list(queue.tailer().with_index())


def test_names_alone_make_a_writer(queue: px.Queue) -> None:
    writer = queue.method_writer("say", "two")
    writer.say("hi")
    writer.two("a", 3)
    assert [encode_event("say", "hi"), encode_event("two", "a", 3)] == list(queue.tailer())
    with pytest.raises(AttributeError, match="no method 'tree'; it has say, two"):
        writer.tree()


def test_named_and_default_arguments_find_their_place(queue: px.Queue) -> None:
    class WithDefault(Protocol):
        def two(self, text: str, number: int = 5) -> None: ...

    writer = queue.method_writer(WithDefault)
    writer.two(number=1, text="a")
    writer.two("b")
    assert [encode_event("two", "a", 1), encode_event("two", "b", 5)] == list(queue.tailer())


@pytest.mark.parametrize("arguments", [(), ("a",), ("a", 1, 2)])
def test_a_wrong_number_of_arguments_writes_nothing(queue: px.Queue, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        queue.method_writer(Api).two(*arguments)
    assert queue.count() == 0


def test_a_value_that_wire_cannot_hold_writes_nothing(queue: px.Queue) -> None:
    writer = queue.method_writer(Api)
    with pytest.raises(WireError, match="two"):
        writer.two("a", object())
    chain = writer.via("r")
    with pytest.raises(WireError):
        chain.end(object())
    assert queue.count() == 0
    chain.end("e")  # What failed left no trace in the chain.
    assert [encode_event("via", "r") + encode_event("end", "e")] == list(queue.tailer())


def test_a_chain_that_is_not_ended_writes_nothing_and_none_is_ended_twice(queue: px.Queue) -> None:
    writer = queue.method_writer(Api)
    writer.via("never")
    chain = writer.via("r")
    chain.end("e")
    with pytest.raises(UsageError, match="gone on already"):
        chain.end("f")
    with pytest.raises(AttributeError, match="Via has no method 'stop'; it has end"):
        writer.via("r").stop()
    assert queue.count() == 1


def test_the_generic_event_takes_its_name_first(queue: px.Queue) -> None:
    writer = queue.method_writer("event", generic_event="event")
    writer.event("any", 1, 2)
    writer.event("none")
    assert [encode_event("any", 1, 2), encode_event("none")] == list(queue.tailer())
    with pytest.raises(TypeError):
        writer.event()
    with pytest.raises(UsageError, match="none of the methods: event"):
        queue.method_writer("event", generic_event="other")


def test_method_ids_can_be_left_to_names(queue: px.Queue) -> None:
    queue.method_writer(Api, use_method_ids=False).byId("x")
    assert [encode_event("byId", "x")] == list(queue.tailer())


def test_an_object_of_another_class_carries_its_type(queue: px.Queue) -> None:
    writer = queue.method_writer(Api)
    writer.order(Order(1))
    writer.order(BigOrder(2))
    writer.any(Order(3))
    payloads = [payload[7 if number < 2 else 5 :] for number, payload in enumerate(queue.tailer())]
    assert [0x82, 0xB6, 0xB6] == [payload[0] for payload in payloads]
    assert b"Services$BigOrder" in payloads[1]


def test_what_is_no_interface_is_refused(queue: px.Queue) -> None:
    class Empty:
        pass

    class Named(Protocol):
        def f(self, *, only: int) -> None: ...

    for interface, error in ((Empty, UsageError), (Named, UsageError), (5, TypeError)):
        with pytest.raises(error):
            queue.method_writer(interface)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        queue.method_writer()


def test_a_writer_ends_with_its_queue(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        writer = queue.method_writer("say")
    with pytest.raises(px.ClosedError):
        writer.say("late")
    with px.open_queue(tmp_path / "q") as queue, pytest.raises(px.ReadOnlyError):
        queue.method_writer("say")


# Reading.


def test_events_become_calls(queue: px.Queue) -> None:
    writer = queue.method_writer("say", "two", "nothing", "many", "numbers")
    indexes = [
        writer.say("a"),
        writer.two("b", 3),
        writer.two("c"),
        writer.nothing(),
        writer.many(1, "x", None),
        writer.many(),
        writer.many(5),
        writer.numbers([1, 2]),
        writer.numbers([]),
    ]
    recorder = Recorder()
    assert indexes == read(queue, recorder)
    assert [
        ("say", "a"),
        ("two", "b", 3),
        ("two", "c", 5),
        ("nothing",),
        ("many", 1, "x", None),
        ("many",),
        ("many", 5),
        ("numbers", [1, 2]),
        ("numbers", []),
    ] == recorder.calls


def test_unknown_events_are_skipped_or_go_to_the_default(queue: px.Queue) -> None:
    writer = queue.method_writer("say", "strange")
    writer.strange(1, 2)
    writer.say("a")
    queue.appender().append_document({"x": 1, "y": "two"})
    writer.strange("end")
    recorder, unknown = Recorder(), []
    assert len(read(queue, recorder)) == 4
    assert [("say", "a")] == recorder.calls
    read(queue, recorder, default=lambda name, value: unknown.append((name, value)))
    assert [("strange", [1, 2]), ("x", 1), ("y", "two"), ("strange", "end")] == unknown


def test_scanning_goes_on_to_what_is_known(queue: px.Queue) -> None:
    writer = queue.method_writer("say", "strange")
    writer.strange(1)
    last = writer.say("a")
    writer.strange(2)
    with queue.method_reader(Recorder(), scanning=True) as reader:
        assert reader.read_one()
        assert last == reader.tailer.last_read_index
        assert not reader.read_one()
        writer.say("b")
        assert reader.read_one()
    with queue.method_reader(Recorder()) as reader:
        assert [True, True, True, True, False] == [reader.read_one() for _ in range(5)]


def test_names_ids_and_functions_find_their_method(queue: px.Queue) -> None:
    heard: list[object] = []

    class Handler:
        @px.event_name("onOrder")
        def on_order(self, number: int) -> None:
            heard.append(("on_order", number))

        @px.method_id(7)
        def seven(self, text: str) -> None:
            heard.append(("seven", text))

    appender = queue.appender()
    appender.append_event("onOrder", 1)
    appender.append_event(7, "x")
    appender.append_event("seven", "y")
    appender.append_event("on_order", 2)  # not its name
    appender.append_event("f", 3)
    read(queue, Handler(), {"f": heard.append, "onOrder": heard.append})
    assert [("on_order", 1), ("seven", "x"), ("seven", "y"), 3] == heard


def test_an_interface_hides_the_rest_of_a_handler(queue: px.Queue) -> None:
    class OnlySay(Protocol):
        def say(self, text: str) -> None: ...

    appender = queue.appender()
    appender.append_event("say", "a")
    appender.append_event("nothing")
    recorder = Recorder()
    read(queue, recorder, interface=OnlySay)
    assert [("say", "a")] == recorder.calls


def test_private_methods_are_not_called(queue: px.Queue) -> None:
    queue.appender().append_event("_hidden")
    queue.appender().append_event("__init__")
    recorder = Recorder()
    assert len(read(queue, recorder)) == 2
    assert recorder.calls == []


def test_metadata_goes_to_its_own_handler(queue: px.Queue) -> None:
    with queue.appender() as appender:
        appender.append_event("say", "data")
        with appender.writing_document(meta=True) as wire:
            wire.write_event("say").text("meta")
    data, meta = Recorder(), Recorder()
    read(queue, data)
    assert [("say", "data")] == data.calls
    read(queue, data, metadata=meta)
    assert [("say", "data")] * 2 == data.calls
    assert ("say", "meta") in meta.calls


def test_what_a_handler_returns_hears_the_rest_of_the_message(queue: px.Queue) -> None:
    heard: list[str] = []

    class Route:
        def __init__(self, name: str) -> None:
            self.name = name

        def end(self, text: str) -> None:
            heard.append(f"{self.name}.end({text})")

    class Router:
        def via(self, name: str) -> Route:
            return Route(name)

        def end(self, text: str) -> None:
            heard.append(f"end({text})")

    writer = queue.method_writer(Api)
    writer.via("r1").end("e")
    queue.appender().append_event("end", "alone")
    read(queue, Router())
    assert ["r1.end(e)", "end(alone)"] == heard


def test_an_exception_of_a_handler_comes_out_and_the_message_counts_as_read(queue: px.Queue) -> None:
    class Failing(Recorder):
        def say(self, text: str) -> None:
            raise KeyError(text)

    writer = queue.method_writer("say", "nothing")
    writer.say("a")
    writer.nothing()
    handler = Failing()
    with queue.method_reader(handler) as reader:
        with pytest.raises(KeyError):
            reader.read_one()
        assert px.current_history() is None
        assert reader.read_one()
    assert [("nothing",)] == handler.calls


def test_wrong_arguments_and_damage_are_wire_errors_with_the_index(queue: px.Queue) -> None:
    appender = queue.appender()
    indexes = [
        appender.append_event("pair", "a"),
        appender.append_event("numbers", ["x"]),
        appender.append(b"\xb9\x03say\xe5ab"),
        appender.append(b"\x82\xff\xff\xff\xff"),
    ]
    last = appender.append_event("nothing")
    with queue.method_reader(Recorder()) as reader:
        found = []
        while len(found) < len(indexes):
            with pytest.raises(WireError) as caught:
                reader.read_one()
            found.append(caught.value.index)
        assert indexes == found
        assert reader.read_one()
        assert last == reader.tailer.last_read_index


def test_a_named_tailer_goes_on_where_it_stopped(queue: px.Queue) -> None:
    writer = queue.method_writer("say")
    for text in "abc":
        writer.say(text)
    first, second = Recorder(), Recorder()
    with queue.method_reader(first, tailer="service") as reader:
        reader.read_one()
    read(queue, second, tailer="service")
    assert [("say", "a")] == first.calls
    assert [("say", "b"), ("say", "c")] == second.calls


def test_a_reader_needs_a_handler(queue: px.Queue) -> None:
    with pytest.raises(UsageError):
        queue.method_reader()


# Histories.


def history_of(payload: bytes) -> History:
    found = parse(payload).history
    assert found is not None
    return found


def test_a_queue_without_a_source_id_writes_no_history(queue: px.Queue) -> None:
    queue.method_writer("say").say("a")
    assert parse(next(iter(queue.tailer()))).history is None


def test_histories_grow_with_each_hop(queue: px.Queue, hop: px.Queue) -> None:
    before = time.monotonic_ns()
    first = queue.method_writer("say").say("a")
    forward = hop.method_writer("say")

    class Service:
        def say(self, text: str) -> None:
            current = px.current_history()
            assert current is not None
            assert ((0, first),) == current.sources
            forward.say(text)
            forward.say(text + "!")

    read(queue, Service())
    assert px.current_history() is None
    histories = [history_of(payload) for payload in hop.tailer()]
    assert [((0, first),)] * 2 == [history.sources for history in histories]
    for history in histories:
        assert len(history.timings) == 2
        assert before <= history.timings[0] <= history.timings[1] <= time.monotonic_ns()
    assert histories[0].timings[0] == histories[1].timings[0]


def test_wall_clock_histories_are_times_since_1970(hop: px.Queue) -> None:
    before = time.time_ns()
    hop.method_writer("say", wall_clock=True).say("a")
    history = history_of(next(iter(hop.tailer())))
    assert before <= history.timings[0] <= time.time_ns()


def test_a_history_is_that_of_its_thread_and_task(queue: px.Queue) -> None:
    queue.method_writer("say").say("a")
    seen: list[History | None] = []

    class Service:
        def say(self, text: str) -> None:
            thread = threading.Thread(target=lambda: seen.append(px.current_history()))
            thread.start()
            thread.join()
            seen.append(px.current_history())

            async def task() -> None:
                seen.append(px.current_history())

            asyncio.run(task())

    read(queue, Service())
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] == seen[2]


def test_a_history_has_room_for_128_sources(queue: px.Queue, hop: px.Queue) -> None:
    forward = hop.method_writer("say")
    appender = queue.appender()
    full = History(tuple((1, index) for index in range(127)), tuple(range(253)))
    appender.append(encode_event("say", "last", history=full))
    over = History((*full.sources, (1, 127)), (*full.timings, 253, 254))
    index = appender.append(encode_event("say", "too far", history=over))
    with queue.method_reader({"say": forward.say}) as reader:
        assert reader.read_one()
        with pytest.raises(WireError, match="no room") as caught:
            reader.read_one()
        assert index == caught.value.index
    (payload,) = hop.tailer()
    assert len(history_of(payload).sources) == 128


def test_dataclasses_come_as_they_were(queue: px.Queue) -> None:
    heard: list[object] = []

    class Handler:
        def order(self, order: Order | None) -> None:
            heard.append(order)

        def any(self, value: object) -> None:
            heard.append(value)

    orders = [Order(1, 1.5, "n", 1 << 62, None, True, ["x"]), BigOrder(2, quantity=3), None]
    writer = queue.method_writer(Api)
    for order in orders:
        writer.order(order)
    writer.any(orders[1])
    read(queue, Handler())
    assert orders == heard[:3]
    assert isinstance(heard[3], Typed)
    assert dataclasses.asdict(orders[1])["quantity"] == heard[3].value["quantity"]  # type: ignore[arg-type]


def test_documents_are_events_of_their_fields(queue: px.Queue) -> None:
    queue.appender().append(encode_document({"say": "x", "nothing": ""}))
    recorder = Recorder()
    read(queue, recorder)
    assert [("say", "x"), ("nothing",)] == recorder.calls


# What is no method, and what is one all the same.


class Statics:
    calls: ClassVar[list[tuple[str, int]]] = []

    @staticmethod
    def plain(number: int) -> None:
        Statics.calls.append(("plain", number))

    @classmethod
    def of_class(cls, number: int) -> None:
        cls.calls.append(("of_class", number))

    @property
    def price(self) -> int:
        raise AssertionError("a property was read")


def test_static_and_class_methods_are_methods(queue: px.Queue) -> None:
    writer = queue.method_writer(Statics)
    writer.plain(7)
    writer.of_class(number=8)
    assert [encode_event("plain", 7), encode_event("of_class", 8)] == list(queue.tailer())
    Statics.calls.clear()
    read(queue, Statics())
    assert [("plain", 7), ("of_class", 8)] == Statics.calls


class Marked:
    @px.event_name("onOrder")
    def order(self, number: int) -> None: ...

    @px.method_id(12)
    def cancel(self, number: int) -> None: ...


class Unmarked(Marked):
    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []

    def order(self, number: int) -> None:
        self.got.append(("order", number))

    def cancel(self, number: int) -> None:
        self.got.append(("cancel", number))


def test_names_and_numbers_are_inherited_by_what_overrides_a_method(queue: px.Queue) -> None:
    writer = queue.method_writer(Unmarked)
    writer.order(1)
    writer.cancel(2)
    assert [encode_event("onOrder", 1), encode_event(12, 2)] == list(queue.tailer())
    handler = Unmarked()
    read(queue, handler)
    assert [("order", 1), ("cancel", 2)] == handler.got


class Late:
    async def order(self, number: int) -> None: ...


class Lazy:
    def order(self, number: int) -> Iterator[int]:
        yield number


class NamedOnly:
    def order(self, *, number: int) -> None: ...


class Twice:
    @px.method_id(3)
    def first(self) -> None: ...

    @px.method_id(3)
    def second(self) -> None: ...


@pytest.mark.parametrize(
    ("handler", "error", "told"),
    [
        (Late(), UsageError, r"order\(\) is a coroutine function"),
        ({"order": Late().order}, UsageError, r"order\(\) is a coroutine function"),
        ({"order": functools.partial(Late().order, 1)}, UsageError, "coroutine"),
        (Lazy(), UsageError, r"order\(\) is a generator"),
        (NamedOnly(), UsageError, "no named arguments, as 'number'"),
        (Twice(), UsageError, r"first\(\) and second\(\) of Twice have the same event: 3"),
        (Unmarked, TypeError, "not the class Unmarked"),
        (None, UsageError, "NoneType has no public method"),
        (5, UsageError, "no public method"),
        ({"order": 5}, TypeError, "callable"),
        ({1.5: print}, TypeError, "1.5"),
    ],
)
def test_what_is_no_handler_is_refused_and_leaves_no_tailer(
    tmp_path: Path, handler: object, error: type[Exception], told: str
) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        with pytest.raises(error, match=told):
            queue.method_reader(handler, tailer="mine")
        queue.method_reader(Recorder(), tailer="mine").close()
        with pytest.raises(UsageError, match="coroutine"):
            queue.method_reader(Recorder(), default=Late().order)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="interface"):
            queue.method_reader(Recorder(), interface=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("interface", "error", "told"),
    [
        (Late, UsageError, "coroutine"),
        (Twice, UsageError, r"first\(\) and second\(\) have the same event: 3"),
        ("_caller", UsageError, "cannot have a method '_caller'"),
        ("__enter__", UsageError, "cannot have a method '__enter__'"),
    ],
)
def test_an_interface_that_cannot_be_written_is_refused(
    queue: px.Queue, interface: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        queue.method_writer("say", interface)


@pytest.mark.parametrize(
    ("number", "error"), [(-1, UsageError), (1 << 31, UsageError), (True, TypeError), ("5", TypeError)]
)
def test_a_method_id_is_a_number_of_32_bits_but_the_histories(number: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        px.method_id(number)
    with pytest.raises(TypeError):
        px.event_name(5)  # type: ignore[arg-type]


def test_a_tailer_of_another_queue_is_refused(queue: px.Queue, hop: px.Queue) -> None:
    with hop.tailer() as tailer, pytest.raises(UsageError, match="another queue's"):
        queue.method_reader(Recorder(), tailer=tailer)


def test_hints_of_all_arguments_convert_and_defaults_fill_up(queue: px.Queue) -> None:
    got: list[tuple[object, ...]] = []

    class Handler:
        def many(self, first: int, *rest: float) -> None:
            got.append((first, *rest))

        def maybe(self, number: int = 5, /, text: str = "t", *, other: int = 1) -> None:
            got.append((number, text, other))

        def one(self, number: int = 9) -> None:
            got.append((number,))

        def odd(self, first: NoSuchClass, second: int) -> None:  # type: ignore[name-defined]  # noqa: F821
            got.append((first, second))

    writer = queue.method_writer("many", "maybe", "one", "odd")
    writer.many("1", 2, "3.5")
    writer.many(1)
    writer.maybe()
    writer.maybe(1, "u")
    writer.one()
    writer.odd("x", "2")
    read(queue, Handler())
    assert [(1, 2.0, 3.5), (1,), (5, "t", 1), (1, "u", 1), (9,), ("x", 2)] == got
    writer.maybe(1, "u", 3)
    writer.many()
    reader = queue.method_reader({"maybe": Unmarked().order, "many": Handler().many, "one": int, "odd": max})
    with pytest.raises(WireError, match="argument 1"):
        list(reader)


def test_a_chain_fails_as_often_as_it_likes(queue: px.Queue) -> None:
    chain = queue.method_writer(Api).via("r")
    for _ in range(300):  # More than blocks may be within each other.
        with pytest.raises(WireError, match="object"):
            chain.end([object()])
    chain.end("e")
    assert [encode_event("via", "r") + encode_event("end", "e")] == list(queue.tailer())


def test_the_history_belongs_to_the_call_even_where_another_reader_is_used_in_it(
    queue: px.Queue, hop: px.Queue
) -> None:
    queue.method_writer("outer").outer(1)
    hop.method_writer("inner").inner(2)
    seen: list[tuple[int, ...]] = []

    def note(_: int) -> None:
        history = px.current_history()
        assert history is not None
        seen.append(tuple(source for source, _ in history.sources))

    def outer(number: int) -> None:
        note(number)
        read(hop, {"inner": note})
        note(number)

    read(queue, {"outer": outer})
    assert [(0,), (9,), (0,)] == seen
    assert px.current_history() is None


@pytest.mark.parametrize("wire_type", ["FIELDLESS_BINARY", "COMPRESSED_BINARY", "BINARY"])
def test_objects_are_arguments_in_queues_of_every_wire_type(tmp_path: Path, wire_type: str) -> None:
    got: list[object] = []

    class Handler:
        def order(self, order: Leg) -> None:
            got.append(order)

        def pair(self, order: Leg, text: str) -> None:
            got.append((order, text))

    with px.open_queue(tmp_path / "q", "a", wire_type=wire_type) as queue:
        writer = queue.method_writer(Handler)
        writer.order(Leg("x" * 200, 1.5))
        writer.pair(Leg("b", 2.5), "t")
        read(queue, Handler())
    assert [Leg("x" * 200, 1.5), (Leg("b", 2.5), "t")] == got


@dataclasses.dataclass
class Leg:
    name: str = ""
    price: float = 0.0


@pytest.mark.parametrize("journal", ["vanilla", "indexed"])
def test_journals_of_chronicle_3_have_method_writers_and_readers(tmp_path: Path, journal: str) -> None:
    got: list[Leg] = []

    class Handler:
        def order(self, order: Leg) -> None:
            got.append(order)

    with px.open_queue(tmp_path / "q", "a", format=journal) as queue:
        with pytest.raises(TypeError):
            queue.method_writer(5)  # type: ignore[arg-type]
        with queue.method_writer(Handler) as writer:  # What failed left no appender, of which there is one at a time.
            writer.order(Leg("a", 1.5))
        read(queue, Handler())
    assert got == [Leg("a", 1.5)]


def test_damage_is_told_with_its_index(queue: px.Queue) -> None:
    index = queue.appender().append(b"\x82\xff\xff\xff\xff")
    queue.method_writer("say").say("after")
    reader = queue.method_reader(Recorder())
    with pytest.raises(WireError, match=f"index {index:#x}") as caught:
        reader.read_one()
    assert (caught.value.index, caught.value.offset) == (index, 0)
    assert reader.read_one()
