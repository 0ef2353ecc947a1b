"""Both directions, all roll cycles and settings: what one side writes the other reads, and the files are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import differences, pairs, read_all, roll_files
from cq_script import Script, of_roll_cycle, variants
from fix_java import FixtureQueue, JavaPeer, JavaQueue

import pychronix as px
from pychronix.errors import UnsupportedFormatError
from pychronix.formats import cq5
from pychronix.inspect import verify
from pychronix.rolling import ROLL_CYCLES

Unpack = Callable[[str], dict[str, FixtureQueue]]
PeerOf = Callable[[str], JavaPeer]
CREATABLE = sorted(name for name, roll in ROLL_CYCLES.items() if roll.creatable)
SCRIPTS = {name: of_roll_cycle(name, ROLL_CYCLES[name].length_ms) for name in CREATABLE} | variants()
all_scripts = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)


def test_every_roll_cycle_of_java_is_known(java: JavaPeer) -> None:
    theirs = {c.name: (c.format, c.length_ms, c.index_count, c.index_spacing) for c in java.roll_cycles()}
    theirs.pop("DEFAULT", None)
    ours = {n: (r.format, r.length_ms, r.index_count, r.index_spacing) for n, r in ROLL_CYCLES.items()}
    assert ours == theirs
    assert len(CREATABLE) == 27


def same_size(script: Script) -> bool:
    """Below blocks of 64 KiB the releases of Java differ among themselves in how early they lengthen a file."""
    return script.block >= 1 << 16


def same(script: Script, ours: bytes, theirs: bytes) -> list[str]:
    """Where the two differ, in more than zeros at the end where these may differ."""
    if not same_size(script):
        size = max(len(ours), len(theirs))
        ours, theirs = ours.ljust(size, b"\0"), theirs.ljust(size, b"\0")
    return differences(ours, theirs)


def check_both_read(path: Path, theirs: JavaQueue, expected: list[tuple[int, bytes]]) -> None:
    """Both sides show exactly these, in both directions and by every index."""
    for backward in (False, True):
        wanted = expected[::-1] if backward else expected
        assert read_all(path, backward=backward) == wanted
        assert pairs(theirs.dump(backward=backward)) == wanted
    probes = theirs.tailer().probe(index for index, _ in expected[::-1])
    assert [(p.moved, p.read_index, p.data) for p in probes] == [(True, *pair) for pair in expected[::-1]]
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        for index, data in expected[::-1]:
            assert tailer.move_to_index(index)
            assert (tailer.read(), tailer.last_read_index) == (data, index)
        facts = theirs.facts()
        assert (queue.first_index, queue.last_index) == (facts.first_index, facts.last_index)
        assert (queue.first_cycle, queue.last_cycle) == (facts.first_cycle, facts.last_cycle)
        assert (queue.epoch_ms, queue.source_id, queue.roll_cycle.name) == (facts.epoch_ms, facts.source_id, facts.roll)
        assert [Path(cycle.path) for cycle in queue.cycles()] == [theirs.file(c.number) for c in queue.cycles()]
        if queue.epoch_ms < kit.DAY_MS:  # Java's countExcerpts fails if the epoch is a day or more.
            for start, stop in ((expected[0][0], expected[-1][0]), (expected[3][0], expected[-1][0])):
                assert queue.count(start, stop) == theirs.count(start, stop)
        assert queue.count() == len(expected)


@all_scripts
def test_what_java_writes_we_read(java: JavaPeer, tmp_path: Path, script: Script) -> None:
    path = tmp_path / "q"
    expected = list(zip(script.by_java(java, path), script.payloads(), strict=True))
    if len(expected) < 4:
        assert read_all(path) == expected
        return
    with java.open(path, readonly=True) as theirs:
        check_both_read(path, theirs, expected)
    assert verify(path).clean


@all_scripts
def test_what_we_write_java_reads(java: JavaPeer, tmp_path: Path, script: Script) -> None:
    path = tmp_path / "q"
    expected = list(zip(script.by_us(path), script.payloads(), strict=True))
    assert verify(path).clean
    if len(expected) >= 4:
        with java.open(path, readonly=True) as theirs:
            check_both_read(path, theirs, expected)
    # Java goes on where we left off, and we after it.
    now = script.start_ms + script.days[-1][0]
    with java.open(path, roll=script.roll, clock_ms=now, block_size=script.block) as theirs:
        assert theirs.appender().append(b"from Java") == expected[-1][0] + 1
    assert kit.append(path, [b"from Python"], clock_ms=now, block_size_bytes=script.block) == [expected[-1][0] + 2]
    later = [(expected[-1][0] + 1, b"from Java"), (expected[-1][0] + 2, b"from Python")]
    assert read_all(path) == expected + later
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected + later


@all_scripts
def test_roll_files_equal_those_of_the_newest_java(java: JavaPeer, tmp_path: Path, script: Script) -> None:
    assert script.by_us(tmp_path / "ours") == script.by_java(java, tmp_path / "java")
    ours, theirs = roll_files(tmp_path / "ours"), roll_files(tmp_path / "java")
    assert [file.name for file in ours] == [file.name for file in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert same(script, one.read_bytes(), other.read_bytes()) == [], one.name


@all_scripts
def test_all_files_equal_those_of_5_26(peer_of: PeerOf, tmp_path: Path, script: Script) -> None:
    # 5.26 is the newest release that writes deltaCheckpointInterval, as we do. Only modCount may differ: it counts how
    # often somebody looked at the directory.
    assert script.by_us(tmp_path / "ours") == script.by_java(peer_of("5.26ea7"), tmp_path / "java")
    ours, theirs = kit.snapshot(tmp_path / "ours"), kit.snapshot(tmp_path / "java")
    assert list(ours) == list(theirs)
    for entry in kit.table_of(tmp_path / "ours").entries:
        if entry.key == "listing.modCount":
            for files in (ours, theirs):
                table = bytearray(files["metadata.cq4t"])
                table[entry.offset : entry.offset + 8] = bytes(8)
                files["metadata.cq4t"] = bytes(table)
    for name in ours:
        assert same(script, ours[name], theirs[name]) == [], name


def test_metadata_of_the_newest_java_lacks_one_field_only(java: JavaPeer, tmp_path: Path) -> None:
    script = SCRIPTS["gaps"]
    script.by_us(tmp_path / "ours")
    script.by_java(java, tmp_path / "java")
    ours, theirs = kit.table_of(tmp_path / "ours"), kit.table_of(tmp_path / "java")
    assert (ours.delta_checkpoint_interval, theirs.delta_checkpoint_interval) == (64, None)
    assert (ours.roll, ours.wire_type, ours.source_id) == (theirs.roll, theirs.wire_type, theirs.source_id)
    assert [entry.key for entry in ours.entries] == [entry.key for entry in theirs.entries]
    one, other = ours.values(), theirs.values()
    for values in (one, other):
        del values["listing.modcount"]
    assert one == other


def test_weekly_files_of_java_are_read(java: JavaPeer, java_fixture: Unpack, tmp_path: Path) -> None:
    # Java cannot read them itself once the queue is closed: its appender says what it wrote.
    fixture = java_fixture("v5/roll-cycles")["WEEKLY"]
    assert read_all(fixture.path) == fixture.excerpts
    assert read_all(fixture.path, backward=True) == fixture.excerpts[::-1]
    script = of_roll_cycle("WEEKLY", 7 * kit.DAY_MS)
    expected = list(zip(script.by_java(java, tmp_path / "q"), script.payloads(), strict=True))
    assert read_all(tmp_path / "q") == expected
    with px.open_queue(tmp_path / "q") as queue:
        tailer = queue.tailer()
        for index, data in expected:
            assert tailer.move_to_index(index)
            assert tailer.read() == data
    for mode in ("a", "r+"):
        with pytest.raises(UnsupportedFormatError):
            px.open_queue(tmp_path / "q", mode)
    with pytest.raises(UnsupportedFormatError):
        px.open_queue(tmp_path / "new", "a", roll="WEEKLY")
    assert not (tmp_path / "new").exists()


def test_fieldless_queues_are_shared(java: JavaPeer, java_fixture: Unpack, tmp_path: Path) -> None:
    path, wire = tmp_path / "q", "FIELDLESS_BINARY"
    options = {"roll": "TEST4_DAILY", "wire": wire, "block_size": 1 << 16}
    messages = [b"%d" % number for number in range(200)]
    with java.open(path, clock_ms=kit.T0, **options) as theirs:
        indexes = theirs.appender().append_many(messages[:70])
    assert cq5.parse_roll_header(roll_files(path)[0].read_bytes()).fieldless
    indexes += kit.append(path, messages[70:140], block_size_bytes=1 << 16)
    with java.open(path, clock_ms=kit.T0, **options) as theirs:
        indexes += theirs.appender().append_many(messages[140:150])
        assert pairs(theirs.dump()) == list(zip(indexes, messages[:150], strict=True))
    # A roll file that we create is fieldless as well, and just as Java makes it.
    indexes += kit.append(path, messages[150:], clock_ms=kit.T0 + kit.DAY_MS, block_size_bytes=1 << 16)
    with java.open(path, clock_ms=kit.T0 + kit.DAY_MS, **options) as theirs:
        assert pairs(theirs.dump()) == read_all(path) == list(zip(indexes, messages, strict=True))
    with java.open(tmp_path / "java", clock_ms=kit.T0 + kit.DAY_MS, **options) as theirs:
        theirs.appender().append_many(messages[150:])
    (same,) = roll_files(tmp_path / "java")
    assert differences(roll_files(path)[1].read_bytes(), same.read_bytes()) == []
    fixture = java_fixture("v5/fieldless")["fieldless"]
    (index,) = kit.append(fixture.path, [b"more"], clock_ms=kit.T0 + kit.DAY_MS, block_size_bytes=1 << 16)
    with java.open(fixture.path, readonly=True, wire=wire) as theirs:
        assert pairs(theirs.dump()) == [*fixture.excerpts, (index, b"more")]
