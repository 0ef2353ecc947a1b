"""Genuine logs of each release, without Java; and what is no record, or damaged."""

from __future__ import annotations

import datetime
import pickle
import random
import time
from pathlib import Path

import pytest
from cassandra_kit import START_MS, assert_same, unpack
from fix_cassandra import RELEASES

import pychronix as px
from pychronix.cassandra import (
    UNSET,
    AuditRecord,
    BatchRecord,
    QueryRecord,
    UnknownRecord,
    decode_record,
    read_log,
    statement_shape,
)
from pychronix.errors import CodecError
from pychronix.wire import WireWriter, encode_document

CONFUSED = {
    "no version": {"type": "audit", "message": "m"},
    "version 1": {"version": 1, "type": "audit", "message": "m"},
    "version is text": {"version": "0", "type": "audit", "message": "m"},
    "no type": {"version": 0},
    "type is a number": {"version": 0, "type": 7},
    "unknown type": {"version": 0, "type": "no-op"},
    "audit without message": {"version": 0, "type": "audit"},
    "message is a number": {"version": 0, "type": "audit", "message": 5},
    "message is null": {"version": 0, "type": "audit", "message": None},
}


@pytest.fixture(params=RELEASES)
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, list[dict[str, str]]]]:
    return tmp_path, unpack(request.param, tmp_path)


Logs = tuple[Path, dict[str, list[dict[str, str]]]]


@pytest.mark.parametrize("name", ["fql", "audit"])
def test_a_genuine_log_has_what_cassandra_read_of_it(logs: Logs, name: str) -> None:
    directory, expected = logs
    assert len(expected[name]) >= 7
    assert_same(read_log(directory / name), expected[name])


def test_records_say_what_was_logged(logs: Logs) -> None:
    directory, _ = logs
    records = [record for record in read_log(directory / "fql") if isinstance(record, (QueryRecord, BatchRecord))]
    first = records[0]
    assert isinstance(first, QueryRecord)
    assert (first.query, first.keyspace, first.consistency, first.values) == (
        "SELECT * FROM system.local",
        None,
        "ONE",
        (),
    )
    assert first.time == datetime.datetime(2024, 3, 5, 10, 37, 42, 500_000, tzinfo=datetime.timezone.utc)
    assert first.generated_timestamp is first.generated_now_in_seconds is first.options.page_size is None
    insert = next(record for record in records if record.generated_timestamp is not None)
    assert isinstance(insert, QueryRecord)
    assert insert.values == (bytes(range(16)), "Zo\u00eb".encode(), b"\0\0\0\x2a")
    assert insert.generated_now_in_seconds == insert.generated_timestamp // 1_000_000
    v5 = [record for record in records if record.options.paging_state is not None]
    assert [record.protocol_version for record in v5] == [3, 4, 5]
    options = v5[-1].options
    assert (options.page_size, options.serial_consistency, options.skip_metadata) == (5000, "LOCAL_SERIAL", True)
    batches = [record for record in records if isinstance(record, BatchRecord)]
    assert [record.batch_type for record in batches] == ["LOGGED", "UNLOGGED", "COUNTER", "LOGGED"]
    assert batches[0].statements == (
        ("INSERT INTO t (k, v) VALUES (?, ?)", (b"\0\0\0\1", b"one")),
        ("DELETE FROM t WHERE k = 2", ()),
    )
    assert len(batches[-1].queries) == 200
    assert pickle.loads(pickle.dumps(records)) == records
    assert len(set(records)) == len(records)


def test_earlier_records_are_left_out(logs: Logs) -> None:
    directory, _ = logs
    everything = list(read_log(directory / "fql"))
    since = datetime.datetime(2024, 3, 5, 10, 37, 52)
    assert list(read_log(directory / "fql", since=since)) == [
        record for record in everything if record.time_ms >= START_MS + 9_500
    ]
    # Beyond the hour of the one file there is: nothing of it is read.
    assert list(read_log(directory / "fql", since=datetime.datetime(2200, 1, 1))) == []


def test_both_logs_are_merged_by_time(logs: Logs) -> None:
    directory, _ = logs
    records = list(read_log([directory / "fql", str(directory / "audit"), directory / "fql"]))
    times = [record.time_ms for record in records]
    assert times == sorted(times)
    assert {record.path for record in records} == {str(directory / "fql"), str(directory / "audit")}
    assert len(records) == len(list(read_log(directory / "fql"))) + len(list(read_log(directory / "audit")))


def test_a_log_is_closed_when_it_is_not_read_to_its_end(logs: Logs) -> None:
    directory, _ = logs
    with read_log([directory / "fql", directory / "audit"]) as reader:
        next(reader)
    assert list(reader) == []
    unread = read_log(directory / "fql")
    unread.close()
    assert list(unread) == []


def test_a_log_that_is_not_there(tmp_path: Path, logs: Logs) -> None:
    with pytest.raises(px.NotFoundError):
        read_log(tmp_path / "none")
    with pytest.raises(px.NotFoundError):
        read_log([tmp_path / "fql", tmp_path / "none"])
    (tmp_path / "fql" / "stranger.cq4").write_bytes(b"")
    with pytest.raises(px.NotFoundError, match="no file of the log beside it"):
        read_log(tmp_path / "fql" / "stranger.cq4")


@pytest.mark.parametrize("document", CONFUSED.values(), ids=CONFUSED.keys())
def test_what_is_no_record_is_named_with_its_index(document: object, tmp_path: Path) -> None:
    payload = encode_document(document)
    with pytest.raises(CodecError, match="cannot read record 0x7b of a Cassandra log") as caught:
        decode_record(payload, 123, "logs")
    assert (caught.value.index, caught.value.path) == (123, "logs")
    good = encode_document({"version": 0, "type": "audit", "message": "as it comes"})
    with px.open_queue(tmp_path / "q", "a") as queue, queue.appender() as appender:
        indexes = [appender.append(data) for data in (good, payload, good)]
    with pytest.raises(CodecError, match=f"{indexes[1]:#x}"):
        list(read_log(tmp_path / "q"))
    first, unknown, last = read_log(tmp_path / "q", keep_unknown=True)
    assert isinstance(unknown, UnknownRecord)
    assert (unknown.index, unknown.payload, unknown.statements) == (indexes[1], payload, ())
    assert isinstance(first, AuditRecord) and isinstance(last, AuditRecord)
    assert (first.message, first.event) == ("as it comes", None)
    with px.open_queue(tmp_path / "q") as queue:
        began_ms = queue.cycles()[0].start_ms
    assert first.time_ms == unknown.time_ms == last.time_ms == began_ms
    # What does not tell its time is not left out for it.
    now = datetime.datetime.now(datetime.timezone.utc)
    assert len(list(read_log(tmp_path / "q", since=now, keep_unknown=True))) == 3


def query_payload(options: bytes, protocol: int = 5, **more: object) -> bytes:
    fields = {
        "version": 0,
        "type": "single-query",
        "query-start-time": START_MS,
        "protocol-version": protocol,
        "query-options": options,
        "generated-timestamp": -(1 << 63),
        "generated-now-in-seconds": -(1 << 31),
        "keyspace": None,
        "query": "q",
    }
    return encode_document({**fields, **more})


def test_options_that_cassandra_reads_but_does_not_write() -> None:
    # Named values, unset ones as a client sends them, and a null paging state.
    options = bytes.fromhex("0001 00000049 0002 0001 61 fffffffe 0001 62 ffffffff ffffffff".replace(" ", ""))
    record = decode_record(query_payload(options))
    assert isinstance(record, QueryRecord)
    assert (record.options.names, record.values, record.options.paging_state) == (("a", "b"), (UNSET, None), None)
    # A log older than the keyspace's field.
    without = WireWriter()
    for name, value in (("version", 0), ("type", "audit"), ("message", "m"), ("later", 5)):
        without.write(name).object(value)
    assert decode_record(without.to_bytes()).type == "audit"


@pytest.mark.parametrize(
    ("options", "protocol", "reason"),
    [
        ("", 5, "2 bytes are wanted"),
        ("00ff00000000", 5, "unknown consistency level 255"),
        ("000100000200", 5, "unknown flags 0x200"),
        ("00010000000000", 5, "1 bytes are left"),
        ("0001000000010001", 5, "4 bytes are wanted"),
        ("000100000001000100000009aa", 5, "9 bytes are wanted"),
        ("00018000000000", 4, "cannot be"),
        ("000100000041000100025fff00000000", 5, "damaged"),
    ],
)
def test_damaged_options(options: str, protocol: int, reason: str) -> None:
    with pytest.raises(CodecError, match="damaged"):
        decode_record(query_payload(bytes.fromhex(options), protocol))
    if reason not in ("damaged", "cannot be"):
        with pytest.raises(CodecError, match=reason):
            decode_record(query_payload(bytes.fromhex(options), protocol))


@pytest.mark.parametrize(
    ("queries", "lists", "reason"),
    [
        (3, 0, "its queries are too few for a count of 3"),
        (1, 1, "its queries go on after the last one"),
        (2, 0, "it has 2 queries and 0 lists of values"),
        (2, 1 << 31, "its values are too few for a count of 2147483648"),
        (2, -1, "its values are too few for a count of -1"),
        (2, None, "among its values is a NoneType where a int belongs"),
        ("a", 2, "among its queries is a str where a int belongs"),
    ],
)
def test_damaged_batches(queries: object, lists: object, reason: str) -> None:
    wire = WireWriter()
    plain = query_payload(bytes.fromhex("000100000000"), type="batch")
    assert decode_fails(plain, "no field")
    for name, value in (
        ("version", 0), ("type", "batch"), ("query-start-time", 1), ("protocol-version", 5),
        ("query-options", bytes.fromhex("000100000000")), ("generated-timestamp", 1), ("generated-now-in-seconds", 1),
        ("keyspace", "ks"), ("batch-type", "LOGGED"), ("queries", queries), ("values", lists),
    ):  # fmt: skip
        out = wire.write(name)
        if isinstance(value, bytes):
            out.bytes(value)
        else:
            out.object(value)
        if name == "queries":
            for text in ("a", "b"):
                wire.value().text(text)
    assert decode_fails(wire.to_bytes(), reason)


def decode_fails(payload: bytes, reason: str) -> bool:
    with pytest.raises(CodecError, match=reason):
        decode_record(payload)
    return True


def test_hostile_bytes_are_never_more_than_an_error(logs: Logs, budget: object) -> None:
    directory, _ = logs
    payloads = []
    for name in ("fql", "audit"):
        with px.open_queue(directory / name) as queue, queue.tailer() as tailer:
            payloads += [payload for payload in tailer if len(payload) < 2000]
    random_bytes = random.Random(5)
    damaged = 0
    for payload in payloads:
        cuts = [payload[:size] for size in range(0, len(payload), 1 + len(payload) // 60)]
        for _ in range(budget.of(40, 400, 10_000)):  # type: ignore[attr-defined]
            changed = bytearray(payload)
            for _ in range(random_bytes.choice((1, 1, 2, 8))):
                changed[random_bytes.randrange(len(changed))] = random_bytes.choice(
                    (0, 255, random_bytes.randrange(256))
                )
            cuts.append(bytes(changed))
        for cut in cuts:
            try:
                decode_record(cut, 7)
            except CodecError as error:
                damaged += 1
                assert error.index == 7
    assert damaged > len(payloads)


def test_an_audit_entry_may_hold_what_looks_like_its_parts() -> None:
    tail = "|timestamp:7|type:LOGIN_ERROR|category:AUTH"
    for user in ("a|host:b|source:c", "a" + tail, "|port:1" + tail + "|host:x", "two\nlines", ""):
        for operation in ("o", "|operation:o" + tail, ""):
            message = f"user:{user}|host:h/1.2.3.4:7000|source:/1.2.3.4|port:5{tail}|ks:k|operation:{operation}"
            record = decode_record(encode_document({"version": 0, "type": "audit", "message": message}))
            assert isinstance(record, AuditRecord)
            assert (record.user, record.host, record.source) == (user, "h/1.2.3.4:7000", "/1.2.3.4")
            assert (record.port, record.time_ms, record.keyspace, record.operation) == (5, 7, "k", operation)


def test_hostile_text_takes_no_long_time() -> None:
    """Each of these takes minutes where time grows with the square of the length, and more where with the cube."""
    start = time.process_time()
    for text in (
        "|host:|source:",
        "|timestamp:1|type:a|category:b",
        "|ks:|scope:|operation:",
        "user:",
        "|timestamp:1|type:a|category:b|ks:",
        "|host:|source:|timestamp:1|type:a|category:b",
    ):
        message = "user:" + text * 20_000 + "!"
        decode_record(encode_document({"version": 0, "type": "audit", "message": message}))
    for text in ("''", '""', "$$ ", "/*", "--", "1", "0x", "in (?, ", "(?, ", ":a", "- "):
        statement_shape("'" * (text == "''") + '"' * (text == '""') + text * 50_000)
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("SELECT * FROM t WHERE k = 'a''b'", "select * from t where k = ?"),
        ("select  *\nfrom T where K = -5.5e3 ;", "select * from t where k = ?"),
        ('SELECT "X y" FROM t1 WHERE k1 IN (1, 2, 3)', 'select "X y" from t1 where k1 in (?)'),
        ("INSERT INTO t2 (a, b) VALUES (:a, ?)", "insert into t2 (a, b) values (?, ?)"),
        ("UPDATE t SET b = 0xCAFE, u = 5b6962dd-3f90-4c93-8f61-eabfa4a803e2", "update t set b = ?, u = ?"),
        ("SELECT 1 -- why\nFROM t /* ' */ WHERE a = $$ it's $$ // end", "select ? from t where a = ?"),
        ("UPDATE t SET f = true, m = {'k': 1}", "update t set f = ?, m = {?: ?}"),
        ("SELECT 'never closed", "select ?"),
        ('SELECT "never closed', 'select "never closed'),
        ("", ""),
    ],
)
def test_statements_that_differ_in_values_alone_have_one_shape(query: str, shape: str) -> None:
    assert statement_shape(query) == shape
