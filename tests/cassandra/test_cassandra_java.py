"""What Cassandra's own loggers write is what we read: release by release, and live."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cassandra_kit import DEADLINE_S, START_MS, Fql, assert_same, write_audit, write_queries
from fix_cassandra import RELEASES, Cassandra, CassandraPeer

import pychronix as px
from pychronix.cassandra import AuditRecord, QueryRecord, Record, read_log


@pytest.fixture(params=RELEASES)
def peer(request: pytest.FixtureRequest, cassandra: Cassandra) -> CassandraPeer:
    return cassandra(request.param)


def test_a_full_query_log_has_what_cassandra_reads_of_it(peer: CassandraPeer, tmp_path: Path) -> None:
    peer.enable(tmp_path / "fql")
    write_queries(peer)
    peer.stop()
    rows = peer.dump(tmp_path / "fql")
    assert len(rows) >= 20
    assert_same(read_log(tmp_path / "fql"), rows)


def test_an_audit_log_has_what_auditlogviewer_shows(peer: CassandraPeer, tmp_path: Path) -> None:
    peer.audit_enable(tmp_path / "audit")
    write_audit(peer)
    peer.audit_stop()
    records = list(read_log(tmp_path / "audit"))
    assert_same(records, peer.dump(tmp_path / "audit"))
    audit = [record for record in records if isinstance(record, AuditRecord)]
    assert [f"Type: {record.type}\nLogMessage: {record.message}\n" for record in audit] == peer.audit_view(
        tmp_path / "audit"
    )
    assert [record.time_ms for record in audit] == [START_MS + 1000 * number for number in range(len(audit))]
    first, login, failed, batch, insert, create, drop = audit
    assert (first.user, first.event, first.category, first.keyspace) == ("alice", "SELECT", "QUERY", "ks")
    assert (first.source, first.port) == ("/192.0.2.1", 50123)
    assert first.operation == "SELECT * FROM ks.t WHERE k = 5"
    assert (login.source, login.user, login.keyspace) == ("/2001:db8:0:0:0:0:0:1", "bob", None)
    assert (failed.category, failed.user) == ("AUTH", "anonymous")
    assert batch.batch == insert.batch is not None
    assert insert.operation == "INSERT INTO t (k) VALUES ('a|ks:b|operation:c')"
    assert (create.user, create.keyspace, create.operation) == ("a|b:c", "K\u00e9y", "CREATE\nKEYSPACE")
    assert (drop.keyspace, drop.operation, drop.statements) == ("ks", None, ())


def test_a_log_is_followed_while_cassandra_writes_it(peer: CassandraPeer, tmp_path: Path) -> None:
    count = 5000
    peer.enable(tmp_path / "fql")
    seen = []
    with following(tmp_path / "fql") as records:
        peer.load(count, pause_us=20)
        for record in records:
            seen.append(record)
            if len(seen) == count:
                break
        assert peer.load_wait() == count
    assert [query(record) for record in seen] == [f"SELECT * FROM t WHERE k = {number}" for number in range(count)]
    assert_same(seen, peer.dump(tmp_path / "fql"))


def test_a_log_that_is_begun_anew_is_followed_on(peer: CassandraPeer, tmp_path: Path) -> None:
    # nodetool disablefullquerylog and enablefullquerylog: the directory is emptied meanwhile.
    directory = tmp_path / "fql"
    peer.enable(directory)
    with following(directory) as records:
        for life in range(3):
            peer.query(f"life {life}", time=START_MS)
            assert query(next(records)) == f"life {life}"
            # The file is gone before anybody looked at the last of it, but still mapped.
            peer.query(f"end of life {life}", time=START_MS)
            peer.stop()
            peer.enable(directory)
            assert query(next(records)) == f"end of life {life}"
        peer.stop()
        peer.enable(directory, clean=False)
        peer.query("resumed", time=START_MS)
        assert query(next(records)) == "resumed"


def test_the_oldest_files_may_go_while_a_log_is_followed(peer: CassandraPeer, tmp_path: Path) -> None:
    """A log of a few KB in files of a second each: Cassandra deletes all but the newest as it rolls on."""
    directory = tmp_path / "fql"
    peer.enable(directory, roll="TEST_SECONDLY", max_size=1)
    seen: list[str] = []
    written: list[str] = []
    with following(directory) as records:
        for number in until(directory, files=4):
            peer.query(f"query {number}", time=START_MS + number)
            written.append(f"query {number}")
            # The follower stands still for some of it: files go that it has not read, and one that it reads.
            if number % 50 == 0:
                seen.append(query(next(records)))
        peer.query("last", time=START_MS)
        for record in records:
            seen.append(query(record))
            if seen[-1] == "last":
                break
    limit = time.monotonic() + DEADLINE_S
    while len(list(directory.glob("*.cq4"))) >= 4:
        assert time.monotonic() < limit, "Cassandra deleted nothing"
    numbers = [int(text.split()[1]) for text in seen[:-1]]
    assert numbers == sorted(set(numbers))
    assert set(seen[:-1]) <= set(written)
    # What its last file had it has read, whatever went before.
    assert seen[-1] == "last"
    assert_same(read_log(directory), peer.dump(directory, roll="TEST_SECONDLY"))


def test_logs_of_several_nodes_are_merged_by_time(cassandra: Cassandra, tmp_path: Path) -> None:
    for number, release in enumerate(RELEASES):
        peer = cassandra(release)
        peer.enable(tmp_path / release)
        for step in range(50):
            peer.query(f"{release} {step}", time=START_MS + 3 * step + number)
        peer.stop()
    records = list(read_log([tmp_path / release for release in RELEASES]))
    assert [query(record) for record in records] == [f"{release} {step}" for step in range(50) for release in RELEASES]
    assert records[0].path == str(tmp_path / RELEASES[0])


def test_several_logs_are_followed_at_once(cassandra: Cassandra, tmp_path: Path) -> None:
    old, new = cassandra("4.1.7"), cassandra("5.0.3")
    old.enable(tmp_path / "old")
    new.audit_enable(tmp_path / "new")
    with following(tmp_path / "old", tmp_path / "new") as records:
        for step in range(5):
            new.audit("SELECT", time=START_MS + step)
            assert next(records).type == "audit"
            old.query(f"query {step}", time=START_MS + step)
            assert query(next(records)) == f"query {step}"


def test_archived_files_are_read_wherever_they_are(peer: CassandraPeer, tmp_path: Path) -> None:
    peer.enable(tmp_path / "fql", roll="TEST_SECONDLY")
    for number in until(tmp_path / "fql", files=2):
        peer.query(f"query {number}", time=START_MS + number)
    peer.stop()
    all_of_them = [query(record) for record in read_log(tmp_path / "fql")]
    # An archive_command moves a file that is complete, without the table store beside it.
    archive = tmp_path / "archive"
    archive.mkdir()
    first, *others = sorted((tmp_path / "fql").glob("*.cq4"))
    of_first = [query(record) for record in read_log(first)]
    assert 0 < len(of_first) < len(all_of_them)
    moved = first.rename(archive / first.name)
    assert [query(record) for record in read_log(archive)] == of_first == [query(record) for record in read_log(moved)]
    assert of_first + [query(record) for path in others for record in read_log(path)] == all_of_them
    with pytest.raises(px.UsageError, match="cannot be followed"):
        read_log(moved, follow=True)


def test_what_is_logged_is_printed_live(peer: CassandraPeer, tmp_path: Path, spawn_fql: Callable[..., Fql]) -> None:
    peer.enable(tmp_path / "fql")
    fql = spawn_fql(tmp_path / "fql", "-f", "-o", "json", "--types", "int, text", "--text", "insert")
    for number in range(3):
        peer.query("SELECT 1", time=START_MS)
        values = [number.to_bytes(4, "big"), b"n%d" % number]
        peer.query("INSERT INTO t (k, v) VALUES (?, ?)", time=START_MS + number, keyspace="ks", values=values)
        shown = json.loads(fql.line())
        assert (shown["time_ms"], shown["keyspace"], shown["decoded"]) == (
            START_MS + number,
            "ks",
            [number, f"n{number}"],
        )
    assert fql.interrupt() == 130


def query(record: Record) -> str:
    assert isinstance(record, QueryRecord)
    return record.query


class following:
    """Follows a log in this thread; fails where nothing comes for a minute instead of waiting for ever."""

    def __init__(self, *paths: Path) -> None:
        self._stop = threading.Event()
        self._timer = threading.Timer(DEADLINE_S, self._stop.set)
        self._records = read_log(paths, follow=True, stop=self._stop)

    def __enter__(self) -> Iterator[Record]:
        self._timer.start()
        return self._records

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        assert not self._stop.is_set(), f"the log was not read within {DEADLINE_S:g} s"
        self._records.close()


def until(directory: Path, *, files: int) -> Iterator[int]:
    """Counts until the log has, or had, that many files; fails if it has not within a minute."""
    seen: set[Path] = set()
    limit = time.monotonic() + DEADLINE_S
    number = 0
    while len(seen) < files:
        assert time.monotonic() < limit
        yield number
        number += 1
        seen |= set(directory.glob("*.cq4"))
