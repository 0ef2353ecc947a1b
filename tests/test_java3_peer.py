"""Self-test of the Chronicle 3.6.0 peer: what the other tests rely on when they say "Java shows ..."."""

from __future__ import annotations

import signal
from pathlib import Path

import fix_java
import fix_java3
import pytest
from fix_java import JavaError, PeerError, PeerUnavailableError, payload, read_acks, read_follow
from fix_java3 import (
    Call,
    Java,
    Java3Peer,
    Java3PeerFactory,
    Java3Queue,
    field_excerpts,
    fixture3_names,
    free_port,
    from_json,
    to_json,
)

DAY = 19787  # 2024-03-05
E_DAYS = 1 << 40


def small(java3: Java3Peer, directory: Path, **options: object) -> Java3Queue:
    return java3.vanilla(directory, **{"index_block": 4096, "data_block": 65536, **options})  # type: ignore[arg-type]


def test_a_vanilla_journal_is_dumped_with_the_indexes_java_gave(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q") as queue:
        appender = queue.appender()
        assert appender.append(b"one", cycle=DAY) == DAY * E_DAYS
        assert appender.append(b"", cycle=DAY) == DAY * E_DAYS + 1
        second = appender.append_many([b"\x00", b"a" * 5000], cycle=DAY + 1)
        assert second == [(DAY + 1) * E_DAYS, (DAY + 1) * E_DAYS + 1]
        expected = [(DAY * E_DAYS, b"one"), (DAY * E_DAYS + 1, b""), (second[0], b"\x00"), (second[1], b"a" * 5000)]
        assert queue.dump() == expected
        assert queue.dump(start=second[0]) == expected[2:]
        assert queue.dump_to(tmp_path / "dump") == 4
        assert (tmp_path / "dump").read_text().split("\n")[1] == f"{DAY * E_DAYS + 1}\t-"
        assert queue.digest() == fix_java.digest(expected)
        assert queue.last_index == second[1]
        names = {path.name for path in (tmp_path / "q" / "20240305").iterdir()}
        assert names == {"index-0", f"data-{appender.tid}-0"}


def test_each_appender_has_a_thread_and_so_data_files_of_its_own(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q", cycle="HOURS") as queue:
        appenders = [queue.appender() for _ in range(3)]
        for number in range(9):
            appenders[number % 3].append(b"%d" % number, cycle=DAY * 24 + 5)
        assert [data for _, data in queue.dump()] == [b"%d" % number for number in range(9)]
        tids = {appender.tid for appender in appenders}
        files = {path.name for path in (tmp_path / "q" / "2024030505").glob("data-*")}
        assert files == {f"data-{tid}-0" for tid in tids}
        assert len(tids) == 3


def test_an_excerpt_in_flight_stays_in_the_cycle_it_was_started_in(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q") as queue:
        slow, quick = queue.appender(), queue.appender()
        slow.start(cycle=DAY)
        slow.write(b"late")
        quick.append(b"next day", cycle=DAY + 1)
        assert slow.finish() == DAY * E_DAYS
        assert [data for _, data in queue.dump()] == [b"late", b"next day"]


def test_a_tailer_moves_as_java_says(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q") as queue:
        first, last = queue.appender().generate(7, 700, sizes="20-60", cycle=DAY)
        assert (first, last) == (DAY * E_DAYS, DAY * E_DAYS + 699)
        tailer = queue.tailer()
        assert tailer.read(2) == [(first, payload(7, 0, "20-60")), (first + 1, payload(7, 1, "20-60"))]
        assert tailer.index(first + 600)
        assert tailer.view() == payload(7, 600, "20-60")
        assert not tailer.index(last + 1)
        assert tailer.where() == (first + 600, False)
        assert tailer.end() == last
        assert tailer.read() == []
        assert tailer.start() == first - 1
        assert len(tailer.read(1000)) == 700


def test_an_indexed_journal_shows_padding_and_is_searched(java3: Java3Peer, tmp_path: Path) -> None:
    with java3.indexed(tmp_path / "i", data_block=8192, index_block=4096) as queue:
        appender = queue.appender()
        assert appender.generate(1, 40, sizes="1000") == (0, 43)
        dumped = queue.dump()
        assert [index for index, _ in dumped] == [n for n in range(44) if n % 9 != 8]
        assert [data for _, data in dumped] == [payload(1, n, "1000") for n in range(40)]
        tailer = queue.tailer()
        assert not tailer.index(8)
        assert tailer.where() == (8, True)
        assert queue.find(20, offset=8)[0] == 22
        assert queue.find(99, offset=8)[0] == ~44
        assert queue.find_range(20, offset=8) == (22, 23)
    with java3.indexed(tmp_path / "i", data_block=8192, index_block=4096) as queue:
        assert queue.appender().append(b"more") == 44


def test_an_indexed_tailer_of_java_goes_back_by_index_0_alone(
    java3: Java3Peer, java3_peer: Java3PeerFactory, tmp_path: Path
) -> None:
    queue = java3.indexed(tmp_path / "i", data_block=8192, index_block=4096)
    queue.appender().append_many([b"%04d" % number * 100 for number in range(40)])
    tailer = queue.tailer()
    tailer.read(3)
    assert tailer.start() == -1
    # toStart() is wrong: the number goes back, the place does not.
    assert tailer.read() == [(0, b"0003" * 100)]
    assert tailer.index(0)
    assert tailer.view() == b"0000" * 100
    assert tailer.read() == [(1, b"0001" * 100)]
    # index(-1) of another data block's tailer reads what lies before the mapping: at best garbage.
    peer = java3_peer()
    tailer = peer.indexed(tmp_path / "i", data_block=8192, index_block=4096).tailer()
    tailer.read(30)
    assert not tailer.index(-1)
    try:
        shown = tailer.read()
    except PeerError:
        assert not peer.running  # SIGSEGV
    else:
        assert shown != [(0, b"0000" * 100)]


def test_more_slots_in_a_file_than_entries_in_a_cycle_are_lost_to_java(java3: Java3Peer, tmp_path: Path) -> None:
    queue = java3.vanilla(tmp_path / "q", index_block=4096, data_block=65536, entries=256)  # 512 slots
    appender = queue.appender()
    odd, even = appender.append(b"odd", cycle=DAY), appender.append(b"even", cycle=DAY + 1)
    assert (odd, even) == (DAY * 256, (DAY + 1) * 256)
    # It looks for slot 256 + 0 in an odd cycle: the slot's bits reach into the cycle's.
    assert queue.dump() == [(even, b"even")]


def test_text_and_objects_work_on_java_17(java3: Java3Peer, tmp_path: Path) -> None:
    text = "h\u00e9\u20ac\U0001f600\0"
    with small(java3, tmp_path / "q") as queue:
        written = queue.appender().calls(
            ("writeInt", -2),
            ("writeUTFΔ", text),
            ("writeUTFΔ", None),
            ("writeUTF", "hell\u00f6"),
            ("write8bitText", "abc"),
            ("writeObject", Java("bigdec", "12.340")),
            ("writeObject", Java("ext", "5:x")),
            ("writeObject", Java("pojo", "6:y")),
            ("writeEnum", Java("enum", "RED")),
            ("writeList", ["a", "bc", None]),
            ("writeMap", {"k": "v"}),
            ("writeCompactDouble", 1.1),
            ("append", -17),
            ("append", "\n"),
            cycle=DAY,
        )
        assert written.data.startswith(b"\xfe\xff\xff\xff\x0dh\xc3\xa9\xe2\x82\xac\xed\xa0\xbd\xed\xb8\x80\0\x80\0")
        assert written.calls[0] == Call(4, None)
        assert queue.dump() == [(written.index, written.data)]
        assert queue.tailer().calls(
            "readInt",
            "readUTFΔ",
            "readUTFΔ",
            "readUTF",
            ("read8bitText", Java("sb", "")),
            "readObject",
            "readObject",
            "readObject",
            ("readEnum", Java("class", "Colour")),
            ("readList", [], Java("class", "java.lang.String")),
            ("readMap", {}, Java("class", "java.lang.String"), Java("class", "java.lang.String")),
            "readCompactDouble",
            "parseLong",
            "remaining",
            index=written.index,
        ) == [
            -2,
            text,
            None,
            "hell\u00f6",
            True,
            Java("bigdec", "12.340"),
            Java("ext", "5:x"),
            Java("pojo", "6:y"),
            Java("enum", "RED"),
            ["a", "bc", None],
            {"k": "v"},
            1.1,
            -17,
            0,
        ]


def test_lone_surrogates_reach_java_and_come_back(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q") as queue:
        written = queue.appender().calls(("writeUTFΔ", "a\ud800b"), ("writeChar", 0x20AC), cycle=DAY)
        assert written.data == b"\x05a\xed\xa0\x80b\xac\x20"
        assert queue.tailer().calls("readUTFΔ", "readChar", index=written.index) == ["a\ud800b", "\u20ac"]


def test_what_java_throws_is_a_java_error_and_the_peer_lives_on(java3: Java3Peer, tmp_path: Path) -> None:
    with small(java3, tmp_path / "q") as queue:
        with pytest.raises(JavaError) as caught:
            queue.find(1)
        assert caught.value.java_class == "java.lang.UnsupportedOperationException"
        with pytest.raises(JavaError, match="NoSuchMethod"):
            queue.appender().calls("writeNothing")
        assert java3.hello()["release"] == "3.6.0"


def test_thread_id_bits_are_what_the_property_says(java3_peer: Java3PeerFactory, tmp_path: Path) -> None:
    peer = java3_peer(os__max__pid__bits="22")
    assert peer.hello()["tid_bits"] == "22"
    queue = small(peer, tmp_path / "q")
    appender = queue.appender()
    appender.append(b"x", cycle=DAY)
    entry = int.from_bytes((tmp_path / "q" / "20240305" / "index-0").read_bytes()[:8], "little")
    assert entry == appender.tid << 42 | 4


def test_a_killed_writer_leaves_what_it_acknowledged(
    java3: Java3Peer, java3_peer: Java3PeerFactory, tmp_path: Path
) -> None:
    writer = java3_peer()
    small(writer, tmp_path / "q").load(3, 10**9, ack=tmp_path / "acks", sizes="16-64")
    follower = small(java3, tmp_path / "q").follow(tmp_path / "seen", start="start", limit=200)
    assert follower.wait().seen == 200
    writer.kill()
    assert writer._process.returncode == -signal.SIGKILL
    acks = read_acks(tmp_path / "acks")
    assert [counter for counter, _ in acks] == list(range(len(acks)))
    dumped = dict(small(java3, tmp_path / "q").dump())
    assert [dumped[index] for _, index in acks] == [payload(3, counter, "16-64") for counter, _ in acks]
    records = read_follow(tmp_path / "seen")
    assert [record.counter for record in records] == list(range(200))


@pytest.mark.parametrize("kind", ["vanilla", "indexed"])
def test_a_source_feeds_a_remote_tailer_and_a_sink(java3: Java3Peer, tmp_path: Path, kind: str) -> None:
    def journal(name: str) -> Java3Queue:
        if kind == "vanilla":
            return small(java3, tmp_path / name)
        return java3.indexed(tmp_path / name, data_block=8192, index_block=4096)

    queue = journal("q")
    queue.appender().generate(1, 50, sizes="8-300")
    expected = queue.dump()
    source = queue.source(heartbeat_ms=100)
    tailer = java3.remote_tailer(source.port).tailer()
    assert tailer.read(50, timeout_s=20) == expected
    sink = journal("copy").sink(source.port)
    assert sink.follow(tmp_path / "seen", limit=50).wait().seen == 50
    assert journal("copy").dump() == expected
    assert java3.remote_tailer(source.port).tailer().end() == expected[-1][0]


def test_a_remote_appender_is_told_the_index_when_it_asks(java3: Java3Peer, tmp_path: Path) -> None:
    queue = small(java3, tmp_path / "q")
    source = queue.source(heartbeat_ms=100)
    told = java3.remote_appender(source.port, ack=True).appender()
    index = told.append(b"with ack")
    assert queue.dump() == [(index, b"with ack")]
    assert told.append(b"") == index + 1
    untold = java3.remote_appender(source.port).appender()
    assert untold.append(b"without") == -1
    assert queue.tailer().read(3, timeout_s=20)[2] == (index + 2, b"without")


def test_directions_of_the_connection_can_be_reversed(java3: Java3Peer, tmp_path: Path) -> None:
    queue = small(java3, tmp_path / "q")
    index = queue.appender().append(b"reversed")
    port = free_port()
    follower = java3.remote_tailer(port, bind=True).follow(tmp_path / "seen", limit=1, hex=True, wait=False)
    queue.source(port, connect=True, heartbeat_ms=100)
    assert follower.wait().seen == 1
    assert (tmp_path / "seen").read_text() == f"{index}\t{b'reversed'.hex()}\n"


@pytest.mark.parametrize("kind", ["bytes", "int", "long", "text", "record", "mixed"])
def test_bench_rounds_write_and_read_what_they_say(java3: Java3Peer, tmp_path: Path, kind: str) -> None:
    queue = small(java3, tmp_path / "q")
    assert queue.appender().bench(1000, kind=kind, size=40) > 0
    nanos, count, size = queue.tailer().bench(kind=kind)
    assert nanos > 0
    assert (count, size) == (1000, 1000 * {"int": 4, "long": 8, "record": 20, "mixed": 61, "text": 41}.get(kind, 40))


@pytest.mark.parametrize("name", fixture3_names())
def test_java_still_reads_what_the_fixture_says(name: str, java3_peer: Java3PeerFactory, tmp_path: Path) -> None:
    peers: dict[str, Java3Peer] = {}
    for journal, fixture in fix_java.unpack_fixture(name, tmp_path).items():
        expected = fixture.expected
        if expected["format"] == "indexed":
            queue = java3_peer().indexed(fixture.path, **expected["options"])
        else:
            bits = str(expected["thread_bits"])
            if bits not in peers:
                peers[bits] = java3_peer(os__max__pid__bits=bits)
            queue = peers[bits].vanilla(fixture.path, **expected["options"])
        assert queue.last_index == expected["last_index"], journal
        assert len(fixture.excerpts) == expected["count"]
        assert fix_java.digest(fixture.excerpts) == (expected["count"], expected["sha256"])
        tailer = queue.tailer()
        for index, data in fixture.excerpts[:: max(1, expected["count"] // 20)] + fixture.excerpts[-1:]:
            assert tailer.index(index), (journal, index)
            assert tailer.view() == data


def test_field_fixtures_are_read_again_as_they_were(java3: Java3Peer, tmp_path: Path) -> None:
    fixture = fix_java.unpack_fixture("v3/fields", tmp_path)["fields-indexed"]
    excerpts = field_excerpts(fixture)
    assert len(excerpts) == 34
    tailer = java3.indexed(fixture.path, **fixture.expected["options"]).tailer()
    for excerpt in excerpts:
        got = tailer.outcomes(*(field.read for field in excerpt.fields), index=excerpt.index)
        again = [(to_json(call.result), [to_json(value) for value in call.filled]) for call in got]
        wanted = [(to_json(field.result), [to_json(value) for value in field.filled]) for field in excerpt.fields]
        assert repr(again) == repr(wanted), excerpt.kind  # NaN does not equal itself


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fix_java3, "_JARS", tmp_path)
    with pytest.raises(
        PeerUnavailableError, match=r"openhft-chronicle\.jar.*apt-get install libopenhft-chronicle-queue-java"
    ):
        fix_java3._build(fix_java3.RELEASE3)


def test_values_survive_json() -> None:
    value = [Java("map", [["k", b"\x00"]]), {"a": Java("list", [None, 1.5])}, "\ud800", True]
    assert from_json(to_json(value)) == value
