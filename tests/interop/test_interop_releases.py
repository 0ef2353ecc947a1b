"""Queues of every release: read as its own Java read them, appended to beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cq_kit as kit
import fix_java
import pytest
from cq_kit import pairs, read_all
from fix_java import FixtureQueue, JavaPeer, digest, fixture_names, payload

import pychronix as px
from pychronix.errors import UnsupportedFormatError
from pychronix.inspect import read_queue, verify

Unpack = Callable[[str], dict[str, FixtureQueue]]
PeerOf = Callable[[str], JavaPeer]
BLOCK = 1 << 16
FIXTURES = fixture_names()
READ_ONLY = ("4.16.4", "5.16.11")
#: Java 11, or of little interest between two others: not within the quick budget.
SLOW = ("5.17.43", "5.21.99", "5.24ea27")
APPENDABLE = [
    pytest.param(release, marks=pytest.mark.slow) if release in SLOW else release
    for release in fix_java.RELEASES
    if release not in READ_ONLY
]


def expected_messages(fixture: FixtureQueue) -> Iterator[tuple[int, bytes]]:
    """(index, payload) of all messages, those of the large queue computed as its writer did."""
    if "sample" not in fixture.expected:
        yield from fixture.excerpts
        return
    how = fixture.expected["generated"]
    index = fixture.expected["first_index"]
    for number, (first, count) in enumerate(how["runs"]):
        start = index + (number << 32)
        for counter in range(count):
            yield start + counter, payload(how["writer"], first + counter, how["sizes"])


@pytest.mark.parametrize("name", FIXTURES)
def test_a_fixture_reads_as_java_read_it(java_fixture: Unpack, name: str) -> None:
    for label, fixture in java_fixture(name).items():
        before = {file.name: file.read_bytes() for file in fixture.path.iterdir() if file.stat().st_size < 1 << 20}
        expected = list(expected_messages(fixture))
        what = fixture.expected
        assert (len(expected), digest(expected)) == (what["count"], (what["count"], what["sha256"])), label
        with px.open_queue(fixture.path) as queue:
            assert list(queue.tailer().with_index()) == expected, label
            backward = queue.tailer(start="end", direction="backward")
            assert list(backward.with_index()) == expected[::-1], label
            assert [bytes(view) for view in queue.tailer().views()] == [data for _, data in expected], label
            assert (queue.roll_cycle.format, queue.roll_cycle.length_ms) == (what["format"], what["length_ms"]), label
            # Before 5.17 the test cycles had DAILY's pattern.
            assert queue.roll_cycle.name == what["roll"] or name in ("v5/4.16.4", "v5/5.16.11"), label
            assert (queue.source_id, queue.wire_type) == (what["source_id"], what["wire"]), label
            assert queue.count() == len(expected)
            tailer, step = queue.tailer(), max(1, len(expected) // 300)
            for index, data in expected[::-step]:
                assert tailer.move_to_index(index), label
                assert (tailer.read(), tailer.last_read_index) == (data, index), label
            if label != "WEEKLY" and expected:
                assert (queue.first_index, queue.first_cycle) == (what["first_index"], what["first_cycle"]), label
                assert queue.last_cycle == what["last_cycle"], label
                assert what["last_index"] in (None, queue.last_index), label
            if what["table"] is not None and (fixture.path / "metadata.cq4t").exists():
                assert dict(queue.table_store) == what["table"], label
        if len(expected) < 5000:
            assert [(index, data) for index, data, _ in read_queue(fixture.path)] == expected, label
        for file, data in before.items():
            assert (fixture.path / file).read_bytes() == data, "reading changed a file"


#: These do not show the metadata documents of a cycle entered by rolling.
OLD = ("4.16.4", "5.16.11", "5.17.43", "5.19.76", "5.20.123")
LARGE = ("v5/large", "v5/roll-cycles")


@pytest.mark.parametrize("name", [n for n in FIXTURES if n not in LARGE and n.removeprefix("v5/") not in OLD])
def test_metadata_documents_of_a_fixture_are_those_java_showed(java_fixture: Unpack, name: str) -> None:
    for label, fixture in java_fixture(name).items():
        with px.open_queue(fixture.path) as queue:
            tailer, found = queue.tailer(meta=True), []
            while (data := tailer.read()) is not None:
                index = tailer.index if tailer.is_meta else tailer.last_read_index
                found.append([index, tailer.is_meta, len(data)])
        expected = list(fixture.expected["documents"])
        assert [document[1:] for document in found] == [document[1:] for document in expected], label
        messages = [document for document in expected if not document[1]]
        assert [document for document in found if not document[1]] == messages, label


@pytest.mark.parametrize("mode", ["a", "r+"])
@pytest.mark.parametrize("release", READ_ONLY)
def test_4_and_5_16_are_read_only(java_fixture: Unpack, release: str, mode: str) -> None:
    for fixture in java_fixture(f"v5/{release}").values():
        before = kit.snapshot(fixture.path)
        with pytest.raises(UnsupportedFormatError) as caught:
            px.open_queue(fixture.path, mode)
        assert isinstance(caught.value, ValueError)
        assert caught.value.path == str(fixture.path)
        assert "release" in str(caught.value).lower() or "releases" in str(caught.value)
        assert kit.snapshot(fixture.path) == before
        assert read_all(fixture.path) == fixture.excerpts


@pytest.mark.parametrize("release", APPENDABLE)
def test_what_we_append_to_an_old_queue_its_release_reads(java_fixture: Unpack, peer_of: PeerOf, release: str) -> None:
    peer = peer_of(release)
    for label, fixture in java_fixture(f"v5/{release}").items():
        same_day = kit.T0 + 3 * kit.DAY_MS
        # 5.17 cannot read the aligned files that every later release (and we) create: only where it left off.
        later = same_day if release == "5.17.43" else kit.T0 + 5 * kit.DAY_MS
        block = fixture.expected["files"]["20240305F.cq4"] if label == "fast_daily" else BLOCK
        block = 64 << 20 if block > 1 << 24 else BLOCK
        messages = [payload(8, number, "0-90,64") or b"\x8f" for number in range(150)]
        indexes = kit.append(fixture.path, messages[:100], clock_ms=same_day, block_size_bytes=block)
        indexes += kit.append(fixture.path, messages[100:], clock_ms=later, block_size_bytes=block)
        expected = fixture.excerpts + list(zip(indexes, messages, strict=True))
        roll = fixture.expected["roll"]
        with peer.open(fixture.path, roll=roll, clock_ms=later, block_size=block) as theirs:
            assert pairs(theirs.dump()) == expected, label
            assert pairs(theirs.dump(backward=True)) == expected[::-1], label
            probes = theirs.tailer().probe(index for index, _ in expected[::-7])
            assert [(p.moved, p.data) for p in probes] == [(True, data) for _, data in expected[::-7]], label
            assert theirs.appender().append(b"that release") == indexes[-1] + 1, label
            expected.append((indexes[-1] + 1, b"that release"))
        assert read_all(fixture.path) == expected, label
        assert verify(fixture.path).ok, label


@pytest.mark.parametrize(
    "release", [pytest.param(r, marks=pytest.mark.slow) if r in SLOW else r for r in fix_java.RELEASES[3:]]
)
def test_a_queue_of_ours_is_opened_by_every_release_from_5_19(peer_of: PeerOf, tmp_path: Path, release: str) -> None:
    path = tmp_path / "q"
    messages = [payload(8, number, "0-90,64") or b"\x8f" for number in range(90)]
    expected = kit.numbered(messages[:60])
    assert kit.create(path, messages[:60], roll="DAILY", block_size_bytes=1 << 18) == [i for i, _ in expected]
    later = kit.T0 + kit.DAY_MS
    indexes = kit.append(path, messages[60:], clock_ms=later, block_size_bytes=1 << 18)
    expected += zip(indexes, messages[60:], strict=True)
    with peer_of(release).open(path, roll="DAILY", clock_ms=later, block_size=1 << 18) as theirs:
        assert pairs(theirs.dump()) == expected
        assert pairs(theirs.dump(backward=True)) == expected[::-1]
        expected.append((indexes[-1] + 1, b"that release"))
        assert theirs.appender().append(b"that release") == expected[-1][0]
        theirs.advance_clock(kit.DAY_MS)
        expected.append((kit.CYCLE + 2 << 32, b"next day"))
        assert theirs.appender().append(b"next day") == expected[-1][0]
    expected += [(expected[-1][0] + 1, b"ours")]
    assert kit.append(path, [b"ours"], clock_ms=later + kit.DAY_MS, block_size_bytes=1 << 18) == [expected[-1][0]]
    assert read_all(path) == expected
    assert verify(path).ok


@pytest.mark.parametrize("release", fix_java.LIVE_RELEASES)
def test_both_sides_append_live(peer_of: PeerOf, tmp_path: Path, release: str) -> None:
    """Turn by turn over a roll, each with its queue open all the time; open tailers of both see everything."""
    path, clock = tmp_path / "q", kit.Clock()
    fixture = {"roll": "DAILY", "clock_ms": kit.T0, "block_size": 1 << 18}
    with (
        peer_of(release).open(path, **fixture) as theirs,
        px.open_queue(path, "a", roll="DAILY", clock=clock, block_size_bytes=1 << 18) as queue,
    ):
        java_appender, appender = theirs.appender(), queue.appender()
        java_tailer, tailer = theirs.tailer(), queue.tailer()
        seen: list[tuple[int, bytes]] = []
        for number in range(60):
            if number % 20 == 19:
                clock.ms += kit.DAY_MS
                theirs.set_clock(clock.ms)
            written = []
            for who in ("ours", "theirs")[:: 1 if number % 2 else -1]:
                data = b"%d by %s" % (number, who.encode())
                written.append(((appender if who == "ours" else java_appender).append(data), data))
            assert list(tailer.with_index()) == pairs(java_tailer.read_all()) == written
            seen += written
        assert [index for index, _ in seen] == sorted({index for index, _ in seen})
        assert read_all(path) == pairs(theirs.dump()) == seen
    assert verify(path).ok


@pytest.mark.parametrize("release", fix_java.LIVE_RELEASES)
def test_both_sides_append_at_once(peer_of: PeerOf, tmp_path: Path, release: str) -> None:
    path, count = tmp_path / "q", 1500
    with (
        peer_of(release).open(path, roll="DAILY", block_size=1 << 18) as theirs,
        px.open_queue(path, "a", roll="DAILY", block_size_bytes=1 << 18) as queue,
    ):
        appender, tailer = queue.appender(), queue.tailer()
        follow = theirs.follow(tmp_path / "seen", limit=2 * count)
        load = theirs.load(1, count, sizes="16-90,64", ack=tmp_path / "ack")
        own = [appender.append(payload(2, number, "16-90,64")) for number in range(count)]
        load.wait()
        follow.wait()
        found = list(tailer.with_index())
        acks = fix_java.read_acks(tmp_path / "ack")
    expected = {index: payload(1, counter, "16-90,64") for counter, index in acks}
    expected |= {index: payload(2, counter, "16-90,64") for counter, index in enumerate(own)}
    assert len(expected) == 2 * count == len(found)
    assert found == sorted(expected.items())
    assert [record.index for record in fix_java.read_follow(tmp_path / "seen")] == [index for index, _ in found]
    assert verify(path).ok
