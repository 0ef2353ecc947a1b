"""Wire documents in queues: what is appended, what a failure leaves, where bound values lie in the file."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import pychronix as px
from pychronix import errors, wire
from pychronix.wire import encoding, scalars


def test_each_call_appends_what_encode_says(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue, queue.appender() as appender:
        indexes = [
            appender.append_document({"name": "bob", "age": 40}),
            appender.append_map({"k1": 1}),
            appender.append_event("say", "hi"),
            appender.append_event(5, "id", 2),
            appender.append_document({}),
        ]
        with appender.writing_document() as document:
            document.write("msg").text("abc")
        indexes.append(document.index or -1)
        with appender.writing_document() as nothing:
            pass
        with appender.writing_document() as dropped:
            dropped.write("msg").text("abc")
            dropped.rollback_on_close()
        with pytest.raises(ZeroDivisionError), appender.writing_document() as failed:
            failed.write("msg").text("abc")
            raise ZeroDivisionError
        with pytest.raises(errors.WireError, match="not ended"), appender.writing_document() as unended:
            block = unended.write("block").marshallable()
            block.__enter__()
        assert dropped.index is failed.index is unended.index is None
        assert list(range(indexes[0], indexes[0] + 7)) == [*indexes, nothing.index]
        assert list(queue.tailer()) == [
            wire.encode_document({"name": "bob", "age": 40}),
            wire.encode_map({"k1": 1}),
            wire.encode_event("say", "hi"),
            wire.encode_event(5, "id", 2),
            b"\x8f",
            wire.encode_document({"msg": "abc"}),
            b"\x8f",
        ]


@pytest.mark.parametrize("call", ["append_document", "append_map", "append_event"])
def test_a_value_that_wire_cannot_hold_appends_nothing(tmp_path: Path, call: str) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue, queue.appender() as appender:
        arguments = ("event",) if call == "append_event" else ()
        with pytest.raises(errors.WireError, match=r"order\.qty"):
            getattr(appender, call)(*arguments, {"order": {"qty": object()}})
        assert appender.last_index is None
        getattr(appender, call)(*arguments, {"order": {"qty": 1}}, durable=True)
        assert len(list(queue.tailer())) == 1


def test_bound_values_are_aligned_where_the_document_lies(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", roll="DAILY") as queue, queue.appender() as appender:
        for number in range(40):
            appender.append(bytes(1 + number % 9))
            with appender.writing_document() as document:
                document.write("n").int64_for_binding(0x1122334455667700 + number)
                with document.write("inner").marshallable() as inner:
                    inner.write("two").int128_for_binding(0x2122334455667700 + number, -1)
            with appender.writing_document(meta=True) as meta:
                meta.write("m").int32_for_binding(0x31323300 + number)
            appender.append_document({"longs": wire.LongArray([0x4142434445464700 + number])})
        assert len(list(queue.tailer())) == 40 * 3
        (cycle,) = queue.cycles()
        raw = Path(cycle.path).read_bytes()
    for number in range(40):
        assert raw.index((0x1122334455667700 + number).to_bytes(8, "little")) % 8 == 0
        assert (raw.index((0x2122334455667700 + number).to_bytes(8, "little")) - 16) % 16 == 0
        assert raw.index((0x31323300 + number).to_bytes(4, "little")) % 4 == 0
        assert raw.index((0x4142434445464700 + number).to_bytes(8, "little")) % 8 == 0


def test_a_document_is_appended_with_the_queues_clock(tmp_path: Path) -> None:
    now_ns = [1_700_000_000_000_000_000]
    rolls: list[tuple[int, bool]] = []
    with px.open_queue(
        tmp_path / "q",
        "a",
        roll="DAILY",
        clock=lambda: now_ns[0],
        on_cycle=lambda cycle, _, opened: rolls.append((cycle, opened)),
    ) as queue:
        appender = queue.appender()
        for _ in range(3):
            appender.append_document({"longs": wire.LongArray([1])})
            appender.append_document({"day": datetime.date(2024, 1, 1)})
            now_ns[0] += 86_400_000_000_000
        assert [cycle.count for cycle in queue.cycles()] == [2, 2, 2]
    assert [opened for _, opened in rolls] == [True, False, True, False, True, False]


def test_names_are_left_out_of_a_fieldless_queue(tmp_path: Path) -> None:
    assert encoding.document_payload({"a": 1, "b": {"c": 2}}, "FIELDLESS_BINARY").at(0).hex() == "a1018202000000a102"
    assert wire.encode_map({"a": 1}, wire_type="FIELDLESS_BINARY") == wire.encode_map({"a": 1})
    assert wire.encode_event("a", {"b": 1}, wire_type="FIELDLESS_BINARY").hex() == "b901618202000000a101"


@pytest.mark.parametrize("roll", ["vanilla", "indexed"])
def test_a_chronicle_3_journal_stores_the_same_bytes(tmp_path: Path, roll: str) -> None:
    with px.open_queue(tmp_path / "q", "a", format=roll) as queue, queue.appender() as appender:
        index = appender.append_document({"name": "bob", "bound": wire.LongArray([7])})
        with appender.writing_document() as document:
            document.write("n").int64_for_binding(5)
        assert document.index is not None and document.index > index
        appender.append_event("say", "hi")
        assert list(queue.tailer()) == [
            wire.encode_document({"name": "bob", "bound": wire.LongArray([7])}),
            bytes.fromhex("c16e8e00000000a70500000000000000"),
            wire.encode_event("say", "hi"),
        ]
        with pytest.raises(errors.UnsupportedFormatError), appender.writing_document(meta=True) as meta:
            meta.write("n").int64_for_binding(5)


def test_the_forms_of_a_payload_are_as_many_as_its_largest_alignment() -> None:
    payload = scalars.Payload()
    assert payload.alignment == 1
    assert len(encoding.document_payload({"a": wire.LongArray([1])}).forms()) == 8
