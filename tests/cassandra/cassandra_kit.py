"""A sample of everything Cassandra logs, and the comparison of what we read with what Cassandra reads."""

from __future__ import annotations

import json
import lzma
import os
import select
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fix_cassandra import CassandraPeer, is_unset, told_values

import pychronix as px
from pychronix.cassandra import AuditRecord, BatchRecord, QueryRecord, Record

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "cassandra"
DEADLINE_S = 60.0
START_MS = 1_709_635_062_500  # 2024-03-05T10:37:42.500Z
LONG_TEXT = "SELECT " + ", ".join(f"column_{number}" for number in range(500)) + " FROM ks.wide"
CONSISTENCIES = (
    "ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE",
)  # fmt: skip


def write_queries(peer: CassandraPeer) -> None:
    """Queries and batches with every option there is, a second apart each from `START_MS` on."""
    times = iter(range(START_MS, START_MS + 1_000_000, 1000))
    peer.query("SELECT * FROM system.local", time=next(times))
    for consistency in CONSISTENCIES:
        peer.query("SELECT v FROM t WHERE k = 5", time=next(times), keyspace="ks", consistency=consistency)
    peer.query(
        "INSERT INTO users (id, name, age) VALUES (?, ?, ?)",
        time=next(times), keyspace="ks", generated=True, consistency="LOCAL_QUORUM",
        values=[bytes(range(16)), "Zo\u00eb".encode(), b"\0\0\0\x2a"],
    )  # fmt: skip
    peer.query("UPDATE t SET v = ? WHERE k = ?", time=next(times), values=[None, b"", "unset", b"\xff" * 3000])
    for protocol in (3, 4, 5):
        peer.query(
            "SELECT * FROM t WHERE k = ?", time=next(times), keyspace="ks", protocol=protocol, values=[b"\0\0\0\1"],
            skip_metadata=True, page_size=5000, paging=b"key", serial="LOCAL_SERIAL", timestamp=1_709_635_062_500_001,
        )  # fmt: skip
    # Keyspace and now in seconds came with protocol 5; 5.0 takes the latter as unsigned.
    peer.query(
        "INSERT INTO t (k) VALUES (:k)", time=next(times), protocol=5, now=1_700_000_000, options_keyspace="other",
        timestamp=-5, page_size=0,
    )  # fmt: skip
    if peer.release.startswith("5."):
        peer.query("SELECT 1", time=next(times), protocol=5, now=3_000_000_000)
    peer.query(LONG_TEXT, time=next(times), keyspace="K\u00e9yspace")
    peer.query("SELECT 'two\nlines', '\U0001f600', '\t' FROM t", time=next(times), keyspace="ks")
    peer.batch(
        "LOGGED",
        [("INSERT INTO t (k, v) VALUES (?, ?)", [b"\0\0\0\1", b"one"]), ("DELETE FROM t WHERE k = 2", [])],
        time=next(times), keyspace="ks", consistency="QUORUM", generated=True, serial="SERIAL",
    )  # fmt: skip
    peer.batch("UNLOGGED", [("a", [b""]), ("b", [b"\1" * 300, b"\2"]), ("a", ["unset"])], time=next(times), protocol=4)
    peer.batch("COUNTER", [], time=next(times), timestamp=7)
    peer.batch(
        "LOGGED",
        [(f"UPDATE t SET v = {number} WHERE k = ?", [bytes([number])]) for number in range(200)],
        time=next(times),
        keyspace="ks",
    )


def write_audit(peer: CassandraPeer) -> None:
    """Audit entries of several kinds, a second apart each from `START_MS` on."""
    times = iter(range(START_MS, START_MS + 1_000_000, 1000))
    peer.audit("SELECT", time=next(times), user="alice", keyspace="ks", operation="SELECT * FROM ks.t WHERE k = 5")
    peer.audit("LOGIN_SUCCESS", time=next(times), user="bob", source="2001:db8::1", operation="LOGIN SUCCESSFUL")
    peer.audit("LOGIN_ERROR", time=next(times), operation="LOGIN FAILURE; Provided username mallory and/or password")
    batch = "5b6962dd-3f90-4c93-8f61-eabfa4a803e2"
    for operation in ("BatchId:[...] - BATCH of [2] statements", "INSERT INTO t (k) VALUES ('a|ks:b|operation:c')"):
        peer.audit("BATCH", time=next(times), user="alice", keyspace="ks", batch=batch, operation=operation)
    peer.audit("CREATE_KEYSPACE", time=next(times), user="a|b:c", keyspace="K\u00e9y", operation="CREATE\nKEYSPACE")
    peer.audit("DROP_TABLE", time=next(times), user="admin", keyspace="ks")


def assert_same(records: Iterable[Record], rows: Sequence[dict[str, str]]) -> None:
    """Each record has what Cassandra's own classes read of it."""
    records = list(records)
    assert [record.index for record in records] == [int(row["index"]) for row in rows]
    for record, row in zip(records, rows, strict=True):
        assert record.type == row["type"]
        if isinstance(record, AuditRecord):
            assert record.message == row["message"]
            continue
        assert isinstance(record, (QueryRecord, BatchRecord))
        found = _facts(record)
        for name, wanted in _row_facts(row).items():
            assert found[name] == wanted, f"{name} of {record.index:#x}: {found[name]!r}, and Cassandra has {wanted!r}"


def _facts(record: QueryRecord | BatchRecord) -> dict[str, Any]:
    options = record.options
    batch = isinstance(record, BatchRecord)
    return {
        "time": record.time_ms,
        "protocol": record.protocol_version,
        "keyspace": record.keyspace,
        "generated_timestamp": record.generated_timestamp,
        "generated_now": record.generated_now_in_seconds,
        "consistency": record.consistency,
        # Where a client named none, Cassandra takes this one.
        "serial": options.serial_consistency or "SERIAL",
        "skip_metadata": options.skip_metadata,
        "page_size": -1 if options.page_size is None else options.page_size,
        "paging": options.paging_state,
        "timestamp": options.timestamp,
        "now": options.now_in_seconds,
        "options_keyspace": options.keyspace,
        "values": [None if value is None else bytes(value) for value in options.values],  # type: ignore[arg-type]
        "batch_type": record.batch_type if isinstance(record, BatchRecord) else None,
        "statements": [(text, list(values) if batch else None) for text, values in record.statements],
    }


def _row_facts(row: dict[str, str]) -> dict[str, Any]:
    numbers = ("generated_timestamp", "generated_now", "timestamp", "now")
    batch = row["type"] == "batch"
    statements: list[tuple[str, Any]] = [(row["query"], None)] if not batch else []
    for number in range(int(row.get("n", 0))):
        statements.append((row[f"query{number}"], told_values(row[f"batch_values{number}"])))
    return {
        "time": int(row["time"]),
        "protocol": int(row["protocol"]),
        "keyspace": None if row["keyspace"] == "null" else row["keyspace"],
        "consistency": row["consistency"],
        "serial": row["serial"],
        "skip_metadata": row["skip_metadata"] == "true",
        "page_size": int(row["page_size"]),
        "paging": None if row["paging"] == "none" else bytes.fromhex(row["paging"]),
        "options_keyspace": None if row["options_keyspace"] == "null" else row["options_keyspace"],
        "values": told_values(row["values"]),
        "batch_type": row.get("batch_type"),
        "statements": statements,
        **{name: None if is_unset(row[name]) else int(row[name]) for name in numbers},
    }


def unpack(release: str, directory: Path) -> dict[str, list[dict[str, str]]]:
    """Unpacks a fixture's logs, ``fql`` and ``audit``, and gives what Cassandra read of each (see PROVENANCE.md)."""
    with tarfile.open(FIXTURES / f"{release}.txz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(directory, filter="data")
        else:
            archive.extractall(directory)
    with lzma.open(FIXTURES / f"{release}.expected.json.xz", "rt", encoding="utf-8") as file:
        expected: dict[str, list[dict[str, str]]] = json.load(file)
    return expected


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Fql:
    """The command in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        environ = {**os.environ, "PYTHONPATH": str(Path(px.__file__).resolve().parents[1])}
        command = [sys.executable, "-m", "pychronix", "fql", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, bufsize=0)
        self._buffer = b""

    def line(self) -> str:
        """The next line of its standard output; fails if none comes within a minute."""
        assert self.process.stdout is not None
        limit = time.monotonic() + DEADLINE_S
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, limit - time.monotonic()))
            assert ready, "it printed nothing within a minute"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "it ended"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def interrupt(self) -> int:
        """Ctrl-C, and the exit code it ends with."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)
