"""Documents in bulk, beside Java: what it writes by class and by method we read, what we append it reads into its class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_java import WirePeer
from test_wire_bulk import Counted, bare

import pychronix as px
from pychronix._boundary import DocumentBatch, DocumentCells
from pychronix.wire import decode
from pychronix.wire.shapes import Shapes
from pychronix.wire.tables import flattened

COUNT = 5000
SYMBOLS = ["EURUSD", "USDJPY", "GBPUSD", "AUDUSD", "USDCHF", "USDCAD", "NZDUSD"]


def order(number: int) -> dict[str, Any]:
    """The fields of Java's Order of this number."""
    return {
        "id": (1 << 40) + 1 + number,
        "side": "SELL" if number % 2 else "BUY",
        "symbol": SYMBOLS[number % 7],
        "px": 1 + number % 1000 / 100.0,
        "qty": 100 + number % 900,
        "ts": 1_000_000_000_000_000_001 + number * 1000,
        "live": number % 3 != 0,
        "venue": "EBS" if number % 5 else None,
    }


def total(orders: list[dict[str, Any]]) -> int:
    """What Java's sum over its orders is."""
    texts = sum(len(one["side"]) + len(one["symbol"]) + len(one["venue"] or "") for one in orders)
    return texts + sum(one["id"] + one["qty"] for one in orders)


@pytest.fixture
def orders(wire_peer: Callable[..., WirePeer]) -> WirePeer:
    return wire_peer("Orders")


def test_objects_of_a_java_class(orders: WirePeer, tmp_path: Path) -> None:
    orders.ask("write", dir=tmp_path / "q", count=COUNT)
    expected = [order(number) for number in range(COUNT)]
    with px.open_queue(tmp_path / "q") as queue:
        assert expected == queue.tailer().read_documents()
        assert expected == list(queue.tailer().values())
        columns = queue.tailer().read_documents(into="columns")
        arrays = queue.tailer().read_documents(into="numpy")
        payloads = list(queue.tailer())
    for name, cells in columns.items():
        assert [one[name] for one in expected] == cells == arrays[name].tolist()
    assert ["i8", "O", "O", "f8", "i8", "i8", "b1", "O"] == [array.dtype.str[1:] for array in arrays.values()]
    # A class is one shape, whatever the widths of its numbers.
    general = Counted()
    Shapes(DocumentCells(), general, bare).values(DocumentBatch.of_payloads(payloads[:1024]))
    assert 1 == len(general.payloads)


def test_method_calls(orders: WirePeer, tmp_path: Path) -> None:
    orders.ask("events", dir=tmp_path / "q", count=COUNT)
    expected = [{"trade": [SYMBOLS[number % 7], number]} for number in range(COUNT)]
    with px.open_queue(tmp_path / "q") as queue:
        assert expected == queue.tailer().read_documents()
        assert [one["trade"] for one in expected] == queue.tailer().read_documents(into="columns")["trade"]


def test_java_reads_values_of_ours_into_its_class(orders: WirePeer, tmp_path: Path) -> None:
    expected = [order(number) for number in range(COUNT)]
    with px.open_queue(tmp_path / "q", "a", roll="FAST_DAILY") as queue:
        with queue.appender() as appender:
            appender.append_value(expected[0])
            appender.append_values(expected[1:])
        answer = orders.ask("read", dir=tmp_path / "q")
        assert (COUNT, total(expected)) == (int(answer["count"]), int(answer["sum"]))
        # And the bytes are those of Java's own.
        orders.ask("write", dir=tmp_path / "java", count=COUNT)
        with px.open_queue(tmp_path / "java") as other:
            assert list(other.tailer()) == list(queue.tailer())


def test_documents_of_every_kind(wire_peer: Callable[..., WirePeer], tmp_path: Path) -> None:
    mixed = wire_peer("Mixed")
    for _ in range(3):  # The second and third time most are of a shape that is known.
        mixed.rows("make", dir=tmp_path / "q")
    general = Counted()
    with px.open_queue(tmp_path / "q") as queue:
        payloads = list(queue.tailer())
        expected = [decode(payload) for payload in payloads]
        assert len(expected) > 60
        assert repr(expected) == repr(queue.tailer().read_documents())
        assert repr(expected) == repr(list(queue.tailer().values()))
        columns = queue.tailer().read_documents(into="columns")
    rows = [flattened(value) for value in expected]
    assert {path: [row.get(path) for row in rows] for row in rows for path in row}.keys() == columns.keys()
    for path, cells in columns.items():
        assert repr([row.get(path) for row in rows]) == repr(cells)
    shapes = Shapes(DocumentCells(), general, bare)
    for _ in range(20):
        shapes.values(DocumentBatch.of_payloads(payloads))
    general.payloads.clear()
    shapes.values(DocumentBatch.of_payloads(payloads))
    assert len(general.payloads) < len(payloads) * 2 / 3
