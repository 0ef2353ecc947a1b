"""Self-test of the Java peers: what the other tests rely on when they say "Java shows ..."."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import fix_java
import pytest
from fix_java import Excerpt, FixtureQueue, JavaError, JavaPeer, JavaPeerFactory, PeerError, payload

T0 = 1_709_635_062_500  # 2024-03-05T10:37:42.5Z
DAY_MS = 86_400_000


def test_appended_messages_are_dumped_with_their_indexes_in_both_directions(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="FAST_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        first = 19787 << 32
        assert appender.last_index is None
        assert appender.append(b"one") == first
        assert appender.append(b"") == first + 1
        assert appender.append_text("three") == first + 2
        queue.advance_clock(DAY_MS)
        assert appender.append_many([b"\x00", b"a" * 4000]) == [(19788 << 32), (19788 << 32) + 1]
        expected = [
            Excerpt(first, b"one"),
            Excerpt(first + 1, b"\x8f"),
            Excerpt(first + 2, b"\xe5three"),
            Excerpt(19788 << 32, b"\x00"),
            Excerpt((19788 << 32) + 1, b"a" * 4000),
        ]
        assert queue.dump() == expected
        assert queue.dump(backward=True) == expected[::-1]
        assert queue.dump_to(tmp_path / "dump") == 5
        lines = [f"{index}\t{data.hex()}" for index, data, _ in expected]
        assert (tmp_path / "dump").read_text().splitlines() == lines
        assert queue.digest() == fix_java.digest((e.index, e.data) for e in expected)


def test_facts_name_the_queue_as_java_sees_it(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0, source_id=7) as queue:
        appender = queue.appender()
        appender.generate(1, 10)
        facts = queue.facts()
        assert (facts.first_index, facts.last_index) == (19787 << 32, (19787 << 32) + 9)
        assert (facts.first_cycle, facts.last_cycle, facts.cycle) == (19787, 19787, 19787)
        assert (facts.roll, facts.source_id, facts.index_count, facts.index_spacing) == (
            "TEST4_DAILY",
            7,
            32,
            4,
        )
        assert queue.count(facts.first_index, facts.last_index or 0) == 9
        assert queue.file(19787) == tmp_path / "q" / "20240305T4.cq4"
        assert queue.file(19780) is None


def test_generated_messages_are_what_python_computes(java: JavaPeer, tmp_path: Path) -> None:
    sizes = "0,1,16,64,17-300,4000"
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        queue.appender().generate(3, 200, first=1000, sizes=sizes)
        expected = [payload(3, counter, sizes) or b"\x8f" for counter in range(1000, 1200)]
        assert [e.data for e in queue.dump()] == expected


def test_tailer_moves_and_tells_its_state(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        tailer = queue.tailer()
        assert tailer.read() is None
        assert tailer.where() == (0, -(1 << 31), "UNINITIALISED", "FORWARD")
        appender = queue.appender()
        appender.append_many([b"a", b"b", b"c"])
        first = 19787 << 32
        assert tailer.read() == Excerpt(first, b"a")
        assert tailer.move_to_index(first + 2)
        assert tailer.read() == Excerpt(first + 2, b"c")
        assert tailer.where() == (first + 3, 19787, "FOUND_IN_CYCLE", "FORWARD")
        tailer.direction("BACKWARD")
        tailer.to_end()
        assert [e.data for e in tailer.read_all()] == [b"c", b"b", b"a"]
        assert tailer.state == "BEYOND_START_OF_CYCLE"
        tailer.direction("NONE")
        assert tailer.move_to_cycle(19787)
        assert [e.data for e in tailer.read_many(2)] == [b"a", b"a"]
        tailer.direction("FORWARD")
        assert not tailer.move_to_cycle(5)
        assert [(p.moved, p.data) for p in tailer.probe([first + 1, first + 7])] == [
            (True, b"b"),
            (False, None),
        ]


def test_metadata_and_rollback(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        appender.append_meta(b"user metadata")
        appender.roll_back(b"never seen")
        appender.append(b"data")
        assert [e.data for e in queue.dump()] == [b"data"]
        documents = queue.dump(meta=True)
        assert Excerpt(19787 << 32, b"user metadata", meta=True) in documents
        assert [e.data for e in documents if not e.meta] == [b"data"]


def test_an_exception_of_java_arrives_with_its_class(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        appender.append(b"x")
        with pytest.raises(JavaError) as caught:
            appender.append_at((19787 << 32) + 5, b"too far")
        assert caught.value.java_class == "net.openhft.chronicle.queue.impl.single.IllegalIndexException"
        appender.append_at((19787 << 32) + 1, b"next")
        appender.append_at(19787 << 32, b"ignored")
        assert [e.data for e in queue.dump()] == [b"x", b"next"]


def test_table_store_is_read_and_set(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        queue.appender().append(b"x")
        assert list(queue.table())[:4] == [
            "listing.highestCycle", "listing.lowestCycle", "listing.modCount", "chronicle.write.lock",
        ]  # fmt: skip
        assert queue.table_get("chronicle.write.lock") == fix_java.UNLOCKED
        tailer = queue.tailer("mine")
        tailer.read()
        assert queue.table_get("index.mine") == (19787 << 32) + 1
        assert queue.table_set("index.mine", 5) == (19787 << 32) + 1
        assert queue.table_cas("index.mine", 5, 6)
        assert not queue.table_cas("index.mine", 5, 7)


def test_an_open_document_holds_the_write_lock(java: JavaPeer, java_peer: JavaPeerFactory, tmp_path: Path) -> None:
    holder = java_peer()
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = holder.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0).appender()
        appender.begin()
        appender.write(b"never committed")
        assert queue.table_get("chronicle.write.lock") == holder.pid
        holder.kill()
        assert queue.table_get("chronicle.write.lock") == holder.pid
        with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as again:
            assert again.appender().append(b"y") == 19787 << 32


def test_followers_of_two_processes_see_one_order(java_peer: JavaPeerFactory, tmp_path: Path) -> None:
    queues = [java_peer().open(tmp_path / "q", roll="TEST_SECONDLY") for _ in range(2)]
    follows = [q.follow(tmp_path / f"seen{i}", limit=20_000) for i, q in enumerate(queues)]
    loads = [q.load(i, 10_000, sizes="16-80", ack=tmp_path / f"ack{i}") for i, q in enumerate(queues)]
    assert [load.wait().appended for load in loads] == [10_000, 10_000]
    assert [follow.wait().seen for follow in follows] == [20_000, 20_000]
    seen = fix_java.read_follow(tmp_path / "seen0")
    assert seen == fix_java.read_follow(tmp_path / "seen1")
    for writer in range(2):
        own = [(r.counter, r.index) for r in seen if r.writer == writer]
        assert [counter for counter, _ in own] == list(range(10_000))
        assert fix_java.read_acks(tmp_path / f"ack{writer}") == own


def test_acknowledgements_outlive_a_kill(java_peer: JavaPeerFactory, java: JavaPeer, tmp_path: Path) -> None:
    peer = java_peer()
    load = peer.open(tmp_path / "q", roll="FAST_DAILY", clock_ms=T0).load(1, 1 << 40, ack=tmp_path / "ack")
    while load.state().appended < 1000:
        assert load.state().failure is None
    peer.kill()
    acks = fix_java.read_acks(tmp_path / "ack")
    with java.open(tmp_path / "q", clock_ms=T0) as queue:
        messages = queue.dump()
    assert len(acks) >= 1000
    assert len(messages) in (len(acks), len(acks) + 1)
    assert [e.index for e in messages][: len(acks)] == [index for _, index in acks]


def test_a_silent_peer_is_killed_and_named(java_peer: JavaPeerFactory) -> None:
    peer = java_peer()
    peer.hello()
    with pytest.raises(PeerError, match="no answer"):
        peer.receive("nothing was asked", deadline_s=0.05)
    assert not peer.running
    with pytest.raises(PeerError, match="had ended"):
        peer.hello()


def test_table_keys_of_sync_normalise_and_replicated_tailers(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        appender.append_many([b"a", b"b"])
        appender.sync()
        assert queue.table_get("chronicle.lastIndexMSynced") == (19787 << 32) + 1
        queue.advance_clock(DAY_MS)
        appender.append(b"c")
        appender.normalise_eofs()
        assert queue.table()["normalisedEOFsTo"] == 19787
        tailer = queue.tailer("replicated:r")
        tailer.read_all()
        assert queue.table()["index.replicated:r"] == (19788 << 32) + 1
        tailer.close()


def test_the_append_lock_refuses_appends(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        queue.table_set("chronicle.append.lock", 1)
        with pytest.raises(JavaError):
            appender.append(b"refused")
        queue.table_set("chronicle.append.lock", fix_java.UNLOCKED)
        assert appender.append(b"taken") == 19787 << 32


def test_striding_visits_indexed_messages_backward(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        queue.appender().generate(1, 12)
        tailer = queue.tailer()
        tailer.striding(True)
        tailer.direction("BACKWARD")
        tailer.to_end()
        assert [e.index & 0xFFFF for e in tailer.read_all()] == [11, 8, 4, 0]


def test_loads_and_followers_stop_when_told(java: JavaPeer, tmp_path: Path) -> None:
    with java.open(tmp_path / "q", roll="FAST_DAILY", clock_ms=T0) as queue:
        follow = queue.follow(tmp_path / "seen", from_end=True)
        load = queue.load(4, 1 << 40, rate=20_000, sizes="16,8")
        while load.state().appended < 10:
            assert load.state().running
        appended = load.stop().appended
        assert follow.stop().seen == appended
        seen = fix_java.read_follow(tmp_path / "seen")
        assert [(r.writer, r.counter) for r in seen[:4]] == [(4, 0), (-1, 8), (4, 2), (-1, 8)]


def test_missing_java_is_a_skip_and_in_ci_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fix_java, "_builds", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYCHRONIX_JAVA", raising=False)
    monkeypatch.delenv("PYCHRONIX_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Java is not installed"):
        fix_java.require_build()
    monkeypatch.setenv("PYCHRONIX_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="Java is not installed"):
        fix_java.require_build()


def test_bench_measures_rounds(tmp_path: Path) -> None:
    with fix_java.JavaBench(fix_java.require_build()) as bench:
        bench.open(tmp_path / "q", clock_ms=T0)
        assert bench.append(5_000) > 0
        assert bench.append(4_999) > 0
        for how in ("bytes", "document", "copy"):
            assert bench.read(how)[1:] == (10_000, 640_000)
        assert bench.seek(100) > 0
        bench.close_queue()


@pytest.mark.parametrize("name", fix_java.fixture_names())
def test_newest_java_shows_of_a_fixture_what_is_expected(
    java: JavaPeer, java_fixture: Callable[[str], dict[str, FixtureQueue]], name: str
) -> None:
    queues = java_fixture(name)
    assert queues
    for label, queue in queues.items():
        expected = queue.expected
        assert {path.name: path.stat().st_size for path in queue.path.iterdir()} == expected["files"]
        # Java cannot walk a WEEKLY queue; 2026.4 cannot open one of 5.16.11 (not even read-only: an InternalError).
        if label == "WEEKLY" or name == "v5/5.16.11":
            continue
        with java.open(queue.path, readonly=True, wire=expected["wire"]) as opened:
            assert opened.digest() == (expected["count"], expected["sha256"])


def test_dump_prints_what_cat_prints(java_fixture: Callable[[str], dict[str, FixtureQueue]]) -> None:
    queue = java_fixture("demo")["demo/orders"]
    build = fix_java.require_build()
    lines = [f"{index}\t{data.hex()}" for index, data in queue.excerpts]
    for arguments, wanted in (((), lines), (("reverse",), lines[::-1])):
        command = build.command("Dump", str(queue.path), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("release", fix_java.RELEASES)
def test_each_release_writes_and_reads_a_queue(java_peer: JavaPeerFactory, tmp_path: Path, release: str) -> None:
    peer = java_peer(release)
    assert peer.hello()["release"] == release
    with peer.open(tmp_path / "q", roll="TEST4_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        appender.append_many([b"raw", b"x" * 100])
        appender.generate(1, 40)
        queue.advance_clock(DAY_MS)
        appender.append(b"tomorrow")
        messages = [b"raw", b"x" * 100, *(payload(1, counter) for counter in range(40))]
        expected = [((19787 << 32) + i, data) for i, data in enumerate(messages)] + [(19788 << 32, b"tomorrow")]
        assert [(e.index, e.data) for e in queue.dump()] == expected
        assert queue.digest() == fix_java.digest(expected)
        assert queue.facts().first_index == 19787 << 32
        # Before 5.17 the test cycles had no letters of their own in their file names.
        suffix = "" if release in ("4.16.4", "5.16.11") else "T4"
        assert queue.file(19788) == tmp_path / "q" / f"20240306{suffix}.cq4"
