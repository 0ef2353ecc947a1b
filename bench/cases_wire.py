"""The benchmarks of Wire documents: decoded one by one and in bulk, encoded, beside Java with its own class.

The documents are Java's Order (``tests/java``, ``pychronix.peer.wire.Orders``): eight fields, of them three longs or ints,
a double, a boolean and three texts. Java reads each into one object that is used again; we make a dict of each, or columns.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

import pychronix as px
from bench.cases import Plan, directory
from bench.pairing import JAVA, PYTHON, Contestant, Row, Target, clocked, compete, expect
from pychronix import wire

_SYMBOLS = ["EURUSD", "USDJPY", "GBPUSD", "AUDUSD", "USDCHF", "USDCAD", "NZDUSD"]
_TYPES = 64  # Different documents of the mixed load.


def order(number: int) -> dict[str, Any]:
    """The fields of Java's Order of this number."""
    return {
        "id": (1 << 40) + 1 + number,
        "side": "SELL" if number % 2 else "BUY",
        "symbol": _SYMBOLS[number % 7],
        "px": 1 + number % 1000 / 100.0,
        "qty": 100 + number % 900,
        "ts": 1_000_000_000_000_000_001 + number * 1000,
        "live": number % 3 != 0,
        "venue": "EBS" if number % 5 else None,
    }


def _total(orders: list[dict[str, Any]]) -> int:
    return sum(
        one["id"] + one["qty"] + len(one["side"]) + len(one["symbol"]) + len(one["venue"] or "") for one in orders
    )


def read(plan: Plan) -> list[Row]:
    """All documents of a queue, page cache warm: into dicts, columns, arrays; Java's readDocument into its DTO."""
    rows = []
    count = plan.messages // 4
    orders = list(map(order, range(count)))
    for place, parent in plan.places.items():
        with directory(parent, "orders") as path, plan.peer.program("Orders") as java:
            with px.open_queue(path, "a") as queue:
                queue.appender().append_values(orders)
            with px.open_queue(path) as queue:
                contestants = _readers(queue, orders)
                if java:
                    contestants.insert(
                        0, Contestant(JAVA, "readDocument", count, partial(_java_reads, java, path, orders))
                    )
                rows += compete("Wire objects of 8 fields, read", place, contestants, plan.rounds)
    return rows


def _java_reads(java: Any, path: str, orders: list[dict[str, Any]]) -> int:
    answer = java.request("read", dir=path, deadline_s=600).fields
    expect("what Java read", (int(answer["count"]), int(answer["sum"])), (len(orders), _total(orders)))
    return int(answer["ns"])


def _readers(queue: px.Queue, orders: list[dict[str, Any]]) -> list[Contestant]:
    count = len(orders)

    def documents(into: str, check: Callable[[Any], tuple[object, object]]) -> int:
        with queue.tailer() as tailer:
            begun = time.perf_counter_ns()
            found = tailer.read_documents(into=into)
            nanos = time.perf_counter_ns() - begun
            expect(f"documents into {into}", *check(found))
            return nanos

    def values() -> int:
        with queue.tailer() as tailer:
            nanos = clocked(lambda: deque(tailer.values(), maxlen=0))
            expect("values read", queue.sequence_of(tailer.index), count)
            return nanos

    def one_by_one() -> int:
        with queue.tailer() as tailer:
            begun = time.perf_counter_ns()
            last: Any = None
            for payload in tailer:
                last = wire.decode(payload)
            nanos = time.perf_counter_ns() - begun
            expect("the last document", last, orders[-1])
            return nanos

    ids = sum(one["id"] for one in orders)
    base = "readDocument"
    columns, arrays = "read_documents(into='columns')", "read_documents(into='numpy')"
    return [
        Contestant(PYTHON, "read_documents()", count, lambda: documents("dict", lambda found: (found[-1], orders[-1])),
                   base, Target(0.5e6)),
        Contestant(PYTHON, "for value in tailer.values()", count, values, base),
        Contestant(PYTHON, columns, count, lambda: documents("columns", lambda found: (sum(found["id"]), ids)), base,
                   Target(2e6)),
        Contestant(PYTHON, arrays, count, lambda: documents("numpy", lambda found: (int(found["id"].sum()), ids)), base,
                   Target(2e6)),
        Contestant(PYTHON, "decode() of each", count, one_by_one, base),
    ]  # fmt: skip


def mixed(plan: Plan) -> list[Row]:
    """The general decoder alone, on payloads in memory of a dozen kinds that no shape is made for."""
    payloads = _mixed_payloads()
    count = plan.messages // 20
    times = max(1, count // len(payloads))

    def ours() -> int:
        decode = wire.decode
        begun = time.perf_counter_ns()
        for _ in repeat(None, times):
            for payload in payloads:
                decode(payload)
        return time.perf_counter_ns() - begun

    mean = sum(map(len, payloads)) / len(payloads)
    contestant = Contestant(PYTHON, "decode()", times * len(payloads), ours, None, Target(60e3))
    return compete("Wire documents of all kinds", "memory", [contestant], plan.rounds, {"mean_bytes": mean})


def _mixed_payloads() -> list[bytes]:
    payloads = []
    for number in range(_TYPES):
        one = order(number)
        payloads += [
            wire.encode_document(one),
            wire.encode_event("order", one),
            wire.encode_event("trade", _SYMBOLS[number % 7], number),
            wire.encode_event("end"),
            wire.encode_event("say", "hello, world"),
            wire.encode_map({"k1": 1, "k2": "two"}),
            wire.encode_document({"order": one, "legs": [one] * 2, "tags": ["a", "b"], "note": None}),
            wire.encode(wire.Typed("com.example.Order", one)),
            wire.encode_text("hello"),
            wire.encode([1.5, number, "x", True]),
        ]
    return payloads


def write(plan: Plan) -> list[Row]:
    """Documents of eight fields and calls with two scalars: in memory, and into a new queue each round."""
    rows = []
    count = plan.messages // 8
    orders = list(map(order, range(count)))
    for place, parent in plan.places.items():
        with plan.peer.program("Orders") as java:

            def in_new_queue(work: Callable[[px.Appender], object], parent: Any = parent) -> int:
                with directory(parent, "documents") as path:
                    with px.open_queue(path, "a") as queue, queue.appender() as appender:
                        appender.append(b"\x8f")
                        nanos = clocked(lambda: work(appender))
                        expect("what was appended", queue.count(), count + 1)
                return nanos

            def by_java(verb: str, java: Any = java, parent: Any = parent) -> int:
                with directory(parent, "documents-java") as path:
                    nanos = int(java.request(verb, dir=path, count=count, deadline_s=600).fields["ns"])
                    with px.open_queue(path) as queue:
                        expect("what Java appended", queue.count(), count)
                return nanos

            def encoded() -> int:
                return clocked(lambda: deque(map(wire.encode_document, orders), maxlen=0))

            def documents(appender: px.Appender) -> None:
                append = appender.append_document
                for one in orders:
                    append(one)

            def events(appender: px.Appender) -> None:
                append = appender.append_event
                for number in range(count):
                    append("trade", "EURUSD", number)

            ours = [
                Contestant(PYTHON, "encode_document(), in memory", count, encoded, "writeDocument", Target(0.25e6)),
                Contestant(PYTHON, "append_document()", count, partial(in_new_queue, documents), "writeDocument"),
                Contestant(PYTHON, "append_values()", count, partial(in_new_queue, lambda one: one.append_values(orders)),
                           "writeDocument"),
            ]  # fmt: skip
            calls = [
                Contestant(PYTHON, 'append_event("trade", text, number)', count, partial(in_new_queue, events),
                           "methodWriter", Target(0.6e6)),
            ]  # fmt: skip
            if java:
                ours.insert(0, Contestant(JAVA, "writeDocument", count, partial(by_java, "write")))
                calls.insert(0, Contestant(JAVA, "methodWriter", count, partial(by_java, "events")))
            rows += compete("Wire objects of 8 fields, written", place, ours, plan.rounds)
            rows += compete("Wire method calls with two scalars, written", place, calls, plan.rounds)
    return rows


CASES_WIRE: dict[str, Callable[[Plan], list[Row]]] = {"wire_read": read, "wire_mixed": mixed, "wire_write": write}
