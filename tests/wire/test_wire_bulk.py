"""Documents in bulk are what the general decoder makes of each: read_documents, its columns, values()."""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_documents import mixed

import pychronix as px
from pychronix._boundary import DocumentBatch, DocumentCells
from pychronix.errors import WireError
from pychronix.wire import Typed, decode, encode_text
from pychronix.wire.shapes import Shapes
from pychronix.wire.tables import Table, flattened

ORDER = bytes.fromhex("c26964a70500000000000100c473696465e3425559c27078929601c46c697665b1c16ebb")


def bare(raw: bytes) -> Any:
    return decode(raw, wire_type="BINARY_LIGHT")


def until_error(payloads: list[bytes]) -> tuple[list[Any], WireError | None]:
    values: list[Any] = []
    for payload in payloads:
        try:
            values.append(decode(payload))
        except WireError as error:
            return values, error
    return values, None


class Counted:
    """The general decoder, and how often it was asked."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def __call__(self, payload: bytes) -> Any:
        self.payloads.append(payload)
        return decode(payload)


def in_bulk(payloads: list[bytes], shapes: Shapes | None = None) -> tuple[list[Any], WireError | None]:
    return (shapes or Shapes(DocumentCells(), decode, bare)).values(DocumentBatch.of_payloads(payloads))


# --- the same as one by one ------------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_values_are_the_general_decoders(seed: int, count: int) -> None:
    payloads = mixed(seed, count)
    expected, error = until_error(payloads)
    shapes = Shapes(DocumentCells(), decode, bare)
    for _ in range(2):  # The second time all shapes are known.
        found, failure = in_bulk(payloads, shapes)
        assert repr(found) == repr(expected)
        assert (failure and failure.message, failure and failure.offset) == (
            error and error.message,
            error and error.offset,
        )


@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_damaged_documents_are_left_out_of_nothing(seed: int, count: int) -> None:
    """Also of those behind a damaged one: what can be decoded is, in any company."""
    payloads = [payload for payload in mixed(seed, count) if until_error([payload])[1] is None]
    if payloads:
        found, error = in_bulk(payloads)
        assert error is None
        assert repr(found) == repr([decode(payload) for payload in payloads])


@given(st.integers(0, 1 << 32), st.integers(1, 40))
def test_columns_are_those_of_the_values(seed: int, count: int) -> None:
    payloads = [payload for payload in mixed(seed, count) if until_error([payload])[1] is None]
    rows = [flattened(decode(payload)) for payload in payloads]
    paths = list(dict.fromkeys(path for row in rows for path in row))
    expected = {path: [row.get(path) for row in rows] for path in paths}
    shapes = Shapes(DocumentCells(), decode, bare)
    lists, raw = Table(raw=False), Table(raw=True)
    for start in range(0, len(payloads), 16):
        for table in (lists, raw):
            assert shapes.add_to(table, DocumentBatch.of_payloads(payloads[start : start + 16])) is None
    found = lists.lists()
    assert repr(expected) == repr(found)
    assert repr(raw.lists()) == repr(found)
    arrays = raw.arrays()
    assert set(arrays) == set(expected)
    for path, array in arrays.items():
        check_array(array, expected[path])


def check_array(array: np.ndarray[Any, Any], cells: list[Any]) -> None:
    types = set(map(type, cells))
    exact = all(type(cell) is not int or abs(cell) <= 1 << 53 for cell in cells)
    if types == {int}:
        assert array.dtype == np.int64
    elif types == {bool}:
        assert array.dtype == np.bool_
    elif types & {int, float} and types <= {int, float, type(None)} and exact:
        assert array.dtype == np.float64
        cells = [float("nan") if cell is None else float(cell) for cell in cells]
    else:
        assert array.dtype == object
    assert repr(array.tolist()) == repr(cells)


# --- and by the fast way ---------------------------------------------------------------------------------------------

EACH = [
    ("fields", ORDER, {"id": (1 << 48) + 5, "side": "BUY", "px": 1.5, "live": True, "n": None}),
    ("event", b"\xb9\x05order\x82" + struct.pack("<I", len(ORDER)) + ORDER,
     {"order": {"id": (1 << 48) + 5, "side": "BUY", "px": 1.5, "live": True, "n": None}}),
    ("object", b"\xb6\x03Abc\x80\x05\xc1x\xa1\x07\x8f", Typed("Abc", {"x": 7})),
    ("two arguments", bytes.fromhex("b90374776f8204000000e161a103"), {"two": ["a", 3]}),
    ("method id", bytes.fromhex("ba05e26964"), {"5": "id"}),
    ("chain", b"\xb9\x03via\xe2r1\xb9\x03end\xe1e", {"via": "r1", "end": "e"}),
    ("text", b"\xe7hello 0", "hello 0"),
    ("enum", b"\xc1s\xb6\x04Side\xe3BUY", {"s": Typed("Side", "BUY")}),
    ("history", b"\xba\x80\x00\x80\x1f\x86\x01" + bytes(12) + b"\x02" + bytes(16) + b"\xb9\x03say\xe2hi", {"say": "hi"}),
    ("nested", b"\xc1o\x80\x0d\xc1a\x81\x04\x00\xc1b\xa1\x01\xc1c\xb0\x8f", {"o": {"a": {"b": 1}, "c": False}}),
    ("date", b"\xc1d\xb3\x0a2024-03-05", {"d": datetime.date(2024, 3, 5)}),
    ("uuid", b"\xc1u\xa0" + bytes(range(16)), {"u": uuid.UUID(bytes=bytes([*range(7, -1, -1), *range(15, 7, -1)]))}),
    ("bytes", b"\xc1b\x80\x04\x8a\x01\x02\x03", {"b": b"\x01\x02\x03"}),
]  # fmt: skip


@pytest.mark.parametrize("payload, value", [one[1:] for one in EACH], ids=[one[0] for one in EACH])
def test_documents_of_a_shape_need_the_general_decoder_once(payload: bytes, value: object) -> None:
    general = Counted()
    shapes = Shapes(DocumentCells(), general, bare)
    for _ in range(3):
        found, error = in_bulk([payload] * 100, shapes)
        assert error is None
        assert repr([value] * 100) == repr(found)
    assert [payload] == general.payloads


def test_widths_padding_and_kinds_are_no_other_shape() -> None:
    general = Counted()
    values = [b"\xa1\x05", b"\xa5\x00\x01", b"\xa2\x00\x80", b"\xa6\x00\x00\x01\x00", b"\xa3\xff\xff\xff\xff",
              b"\xa4\xff", b"\xa7" + bytes(7) + b"\x80", b"\x90\x00\x00\x00\x5f", b"\x90\x00\x00\x80\x4f",
              b"\x90\x00\x00\x80\x47",
              b"\x91\x18\x2d\x44\x54\xfb\x21\x09\x40", b"\x92\x96\x01", b"\x94\x95\x81\x00", b"\xbb", b"\xb1", b"\xe1x",
              b"\xb8\x03a\x00b", b"\xb3\x0a2024-03-05", b"\x80\x03\x8a\x01\x02", b"\xb0", b"\xe2\xc3\xa9"]  # fmt: skip
    payloads = [b"\xc1a\xa1\x01\xc1b" + value for value in values]
    payloads += [b"\x8f\xc1a\x8e\x01\x00\x00\x00\x00\xa1\x01\xc1b\x8f" + value + b"\x8f" for value in values]
    payloads += [b"\xc1a\xa1\x01\xbe\x05hello\xc1b" + value for value in values]
    found, error = Shapes(DocumentCells(), general, bare).values(DocumentBatch.of_payloads(payloads))
    assert error is None
    assert repr([decode(payload) for payload in payloads]) == repr(found)
    assert 5 == found[0]["b"] and (1 << 63) - 1 == found[7]["b"] and 1 << 32 == found[8]["b"]
    assert [payloads[0]] == general.payloads


def test_shapes_come_and_go() -> None:
    """More shapes than are kept, in phases: the old ones make room."""
    general = Counted()
    shapes = Shapes(DocumentCells(), general, bare)
    for phase in range(6):
        asked = len(general.payloads)
        for _ in range(100):
            payloads = [b"\xb9\x05ev%03d\xa1" % (40 * phase + number % 40) + bytes((number,)) for number in range(200)]
            found, _ = in_bulk(payloads, shapes)
            assert [decode(payload) for payload in payloads] == found
        assert len(general.payloads) - asked < 100 * 200 / 4


def test_lessons_are_earned() -> None:
    """Documents of which no two are alike cost little more than the general decoder."""
    general = Counted()
    shapes = Shapes(DocumentCells(), general, bare)
    payloads = [b"\xc5n%04d\xa1\x01" % number for number in range(1000)]
    for _ in range(3):
        in_bulk(payloads, shapes)
    assert len(payloads) * 3 <= len(general.payloads) + 3 * 8 and len(general.payloads) <= 3 * 1000 + 8


def test_a_text_that_is_none_spoils_no_other_document() -> None:
    good, bad = b"\xc1a\xe2\xc3\xa9", b"\xc1a\xe2\xc3\x28"
    shapes = Shapes(DocumentCells(), decode, bare)
    found, error = in_bulk([good] * 5 + [bad] + [good] * 5, shapes)
    assert [{"a": "é"}] * 5 == found
    assert error is not None and error.message == until_error([bad])[1].message  # type: ignore[union-attr]
    assert ([{"a": "é"}] * 7, None) == in_bulk([good] * 7, shapes)


# --- from a queue ----------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[px.Queue]:
    with px.open_queue(tmp_path / "q", "a", roll="TEST_SECONDLY", block_size_bytes=1 << 16) as opened:
        yield opened


def filled(queue: px.Queue, payloads: list[bytes]) -> px.Tailer:
    queue.appender().append_many(payloads)
    return queue.tailer()


ORDERS = [b"\xc2id\xa5" + struct.pack("<h", number) + b"\xc2px\x92" + bytes((number % 100,)) for number in range(3000)]
VALUES = [{"id": number, "px": number % 100 / 100} for number in range(3000)]


def test_all_and_a_count(queue: px.Queue) -> None:
    tailer = filled(queue, ORDERS)
    assert VALUES[:10] == tailer.read_documents(10)
    assert tailer.index == queue.first_index + 10  # type: ignore[operator]
    assert [] == tailer.read_documents(0)
    assert ORDERS[10] == tailer.read()
    assert VALUES[11:2500] == tailer.read_documents(2489)
    assert VALUES[2500:] == tailer.read_documents()
    assert [] == tailer.read_documents()
    queue.appender().append(ORDERS[7])
    assert [VALUES[7]] == tailer.read_documents()


def test_backward(queue: px.Queue) -> None:
    tailer = filled(queue, ORDERS)
    tailer.direction = "backward"
    assert VALUES[:-101:-1] == tailer.to_end().read_documents(100)
    assert VALUES[-101::-1] == tailer.read_documents()
    tailer.to_end()
    assert [value["id"] for value in VALUES[:-2001:-1]] == tailer.read_documents(2000, into="columns")["id"]


def test_over_a_roll(tmp_path: Path) -> None:
    now = [1_700_000_000_000_000_000]
    with px.open_queue(tmp_path / "q", "a", roll="TEST_SECONDLY", clock=lambda: now[0]) as queue:
        for start in range(0, 300, 100):
            queue.appender().append_many(ORDERS[start : start + 100])
            now[0] += 1_000_000_000
        assert VALUES[:300] == queue.tailer().read_documents()
        assert list(range(300)) == queue.tailer().read_documents(into="numpy")["id"].tolist()


def test_columns_arrays(queue: px.Queue) -> None:
    tailer = filled(queue, [*ORDERS[:5], b"\xc2id\xa1\x07\xc1t\xe1x", b"\xe4text"])
    assert {
        "id": [0, 1, 2, 3, 4, 7, None],
        "px": [0.0, 0.01, 0.02, 0.03, 0.04, None, None],
        "t": [None] * 5 + ["x", None],
        "value": [None] * 6 + ["text"],
    } == tailer.read_documents(into="columns")
    arrays = tailer.to_start().read_documents(into="numpy")
    assert {"id": "f8", "px": "f8", "t": "O", "value": "O"} == {
        name: array.dtype.str[1:] for name, array in arrays.items()
    }
    assert np.isnan(arrays["id"][-1])
    arrays = tailer.to_start().read_documents(5, into="numpy")
    assert ["i8", "f8"] == [array.dtype.str[1:] for array in arrays.values()]
    arrays["id"][0] = 1  # They are the caller's.
    assert {} == tailer.to_end().read_documents(into="columns") == tailer.read_documents(into="numpy")


def test_integers_that_no_float_is(queue: px.Queue) -> None:
    large = b"\xc1a\xa7" + struct.pack("<q", (1 << 53) + 1)
    array = filled(queue, [large, b"\xc1a\xbb", b"\xc1a\x91" + bytes(8)]).read_documents(into="numpy")["a"]
    assert array.dtype == object
    assert [(1 << 53) + 1, None, 0.0] == array.tolist()


def test_arrow(queue: px.Queue) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    tailer = filled(queue, [*ORDERS[:5], b"\xc2id\xa1\x07\xc1t\xe1x"])
    table = tailer.read_documents(into="arrow")
    assert {"id": "int64", "px": "double", "t": "string"} == {field.name: str(field.type) for field in table.schema}
    assert [0, 1, 2, 3, 4, 7] == table["id"].to_pylist()
    assert [None] * 5 + ["x"] == table["t"].to_pylist()
    assert pyarrow.float64() == tailer.to_start().read_documents(5, into="arrow")["px"].type
    # Two types in one column: nothing is lost, the tailer is where it was.
    queue.appender().append(b"\xc2id\xe1x")
    with pytest.raises(px.UsageError, match="'id' holds int, str"):
        tailer.to_start().read_documents(into="arrow")
    assert ORDERS[0] == tailer.read()


def test_a_damaged_document(queue: px.Queue) -> None:
    bad = b"\xc1a\xa7\x01"
    tailer = filled(queue, [*ORDERS[:2000], bad, *ORDERS[2000:]])
    index = queue.first_index + 2000  # type: ignore[operator]
    for into, before in (
        ("dict", VALUES[:2000]),
        ("columns", {"id": [*range(2000)], "px": [v["px"] for v in VALUES[:2000]]}),
    ):
        with pytest.raises(WireError) as caught:
            tailer.to_start().read_documents(into=into)
        assert index == caught.value.index == tailer.index
        assert before == caught.value.documents
        assert queue.path in str(caught.value)
        assert bad == tailer.read()
        assert VALUES[2000:] == tailer.read_documents()


def test_backward_a_damaged_document(queue: px.Queue) -> None:
    bad = b"\xc1a\xa7\x01"
    tailer = filled(queue, [*ORDERS[:20], bad, *ORDERS[20:50]])
    tailer.direction = "backward"
    with pytest.raises(WireError) as caught:
        tailer.to_end().read_documents()
    assert VALUES[49:19:-1] == caught.value.documents
    assert queue.first_index + 20 == caught.value.index == tailer.index  # type: ignore[operator]
    assert [bad, ORDERS[19]] == tailer.read_many(2)


def test_named_tailers_and_other_single_ways(queue: px.Queue) -> None:
    filled(queue, [*ORDERS[:5], b"\xc1a\xa7\x01"])
    tailer = queue.tailer("strategy")
    assert VALUES[:3] == tailer.read_documents(3)
    tailer.close()
    tailer = queue.tailer("strategy")
    with pytest.raises(WireError) as caught:
        tailer.read_documents()
    assert VALUES[3:5] == caught.value.documents
    assert queue.first_index + 5 == caught.value.index == tailer.index  # type: ignore[operator]
    same = queue.tailer()
    same.direction = "none"
    assert [VALUES[0]] * 3 == same.read_documents(3)
    with pytest.raises(px.UsageError, match="give a count"):
        same.read_documents()


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"into": "list"}, px.UsageError),
        ({"count": -1}, px.UsageError),
        ({"count": "1"}, TypeError),
        ({"wire_type": "X"}, px.UsageError),
    ],
)
def test_arguments(queue: px.Queue, arguments: dict[str, Any], error: type[Exception]) -> None:
    tailer = filled(queue, ORDERS[:3])
    with pytest.raises(error):
        tailer.read_documents(**arguments)
    assert VALUES[:3] == tailer.read_documents()


def test_what_strikes_while_decoding_loses_nothing(queue: px.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, say: the documents of that batch are read by the next call."""
    tailer = filled(queue, ORDERS)
    assert VALUES[:2] == tailer.read_documents(2)
    with monkeypatch.context() as patched:
        patched.setattr(Shapes, "values", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tailer.read_documents()
        patched.setattr(Shapes, "add_to", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tailer.read_documents(into="columns")
        with pytest.raises(KeyboardInterrupt):
            next(tailer.values())
    assert queue.first_index + 2 == tailer.index  # type: ignore[operator]
    assert VALUES[2:] == tailer.read_documents()


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def test_another_thread_inside_is_told(queue: px.Queue) -> None:
    tailer = filled(queue, ORDERS)
    with tailer._lock:  # As if another thread were in the middle of a call.
        for call in (tailer.read_documents, lambda: tailer.read_documents(into="numpy"), lambda: next(tailer.values())):
            with pytest.raises(px.BusyError):
                call()
    tailer.close()
    with pytest.raises(px.ClosedError):
        tailer.read_documents()


def test_wire_types(queue: px.Queue) -> None:
    tailer = filled(queue, [b"\xe3abc\xa1\x07"] * 10)
    assert [["abc", 7]] * 10 == tailer.read_documents(wire_type="FIELDLESS_BINARY")
    assert [b"\xe3abc\xa1\x07"] * 10 == tailer.to_start().read_documents(wire_type="RAW")
    dates = [b"\xb3\x0a2024-03-05", b"\xe1x", b"\xb3\x0a2024-03-06"]
    queue.appender().append_many(dates)
    assert [*dates] == tailer.read_documents(wire_type="RAW")
    with pytest.raises(WireError):
        tailer.to_start().read_documents(wire_type="JSON")


def test_large_documents_and_large_texts(queue: px.Queue) -> None:
    values = [{"a": "x" * (number * 1000), "n": number} for number in range(40)]
    payloads = [b"\xc1a" + encode_text(value["a"]) + b"\xc1n\xa1" + bytes((value["n"],)) for value in values]  # type: ignore[arg-type, list-item]
    assert values == filled(queue, payloads).read_documents()


def test_what_is_large_is_not_decoded_all_at_once(tmp_path: Path) -> None:
    sizes = []

    class Watched:
        encode = staticmethod(bytes)
        decode = staticmethod(len)

        def decode_many(self, payloads: list[bytes]) -> list[int]:
            sizes.append(len(payloads))
            return list(map(len, payloads))

    with px.open_queue(tmp_path / "q", "a", codec=Watched()) as queue:
        queue.appender().append_values([bytes(1 << 20)] * 40 + [b"small"] * 2000)
        assert [1 << 20] * 40 + [5] * 2000 == list(queue.tailer().values())
        assert max(sizes[:3]) <= 16
        assert [2040] == [len(queue.tailer().read_documents(wire_type="RAW"))]


def test_a_large_document_is_not_learnt() -> None:
    general = Counted()
    large, small = b"\xc1a" + encode_text("x" * 70000), b"\xc1a\xe1x"
    shapes = Shapes(DocumentCells(), general, bare)
    assert [{"a": "x" * 70000}] * 5 == in_bulk([large] * 5, shapes)[0]
    assert 5 == len(general.payloads)
    assert [{"a": "x"}] * 5 == in_bulk([small] * 5, shapes)[0]
    in_bulk([large] * 5, shapes)  # Now it is one of a shape.
    assert 6 == len(general.payloads)


@given(seed=st.integers(0, 1 << 32))
def test_mixed_queues(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    payloads = mixed(seed, 40)
    with px.open_queue(tmp_path_factory.mktemp("q"), "a", block_size_bytes=1 << 16) as queue:
        queue.appender().append_many(payloads)
        tailer = queue.tailer()
        found: list[Any] = []
        expected: list[Any] = []
        while len(found) < len(payloads):
            try:
                found += tailer.read_documents()
            except WireError as error:
                found += [*error.documents, "damaged"]
                assert tailer.read() == payloads[len(found) - 1]
        for payload in payloads:
            value, _ = until_error([payload])
            expected += value or ["damaged"]
        assert repr(expected) == repr(found)
