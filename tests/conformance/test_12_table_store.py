"""Specification 11, items 12 to 18: the table store."""

from __future__ import annotations

import fcntl
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cq_kit as kit
import pytest
from cq_kit import BLOCK, FIRST, UNLOCKED, Clock, append, create, numbered, pairs, read_all, table_of, table_values
from fix_java import FixtureQueue, JavaPeer

import pychronix as px
from pychronix.errors import ChronixError, ChronixWarning, LockedError, UnsupportedFormatError
from pychronix.formats import cq5
from pychronix.inspect import verify

Unpack = Callable[[str], dict[str, FixtureQueue]]
KEYS = [
    "listing.highestCycle",
    "listing.lowestCycle",
    "listing.modCount",
    "chronicle.write.lock",
    "chronicle.append.lock",
    "chronicle.lastIndexReplicated",
    "chronicle.lastAcknowledgedIndexReplicated",
    "chronicle.lastIndexMSynced",
]


def test_12_the_table_store_is_padded_binary_light_whatever_the_queue_is(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with java.open(path, roll="TEST4_DAILY", wire="FIELDLESS_BINARY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        queue.appender().append(b"from Java")
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as ours:
        assert ours.wire_type == "FIELDLESS_BINARY"
        ours.appender().append(b"from Python")
        assert ours.tailer("mine").read() == b"from Java"
    store = table_of(path)
    assert (store.wire_type, store.padded) == ("BINARY_LIGHT", True)
    for entry in store.entries:
        assert entry.document % 4 == 0
        assert entry.offset % 8 == 0
    assert store.values()["index.mine"] == FIRST + 1
    with java.open(path, roll="TEST4_DAILY", wire="FIELDLESS_BINARY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert queue.tailer("mine").read_all() == [(FIRST + 1, b"from Python", False)]
        assert pairs(queue.dump()) == read_all(path)


def odd_table(path: Path, keys: dict[str, int]) -> None:
    """A table store of ours with other entries in another order."""
    create(path)
    file = path / "metadata.cq4t"
    whole = file.read_bytes()
    data = whole[: 4 + (struct.unpack_from("<I", whole)[0] & cq5.LENGTH_MASK)]
    for key, value in keys.items():
        data += cq5.table_entry.build({"key": key, "value": value}, base=len(data))
    file.write_bytes(data.ljust(131_072, b"\0"))


def test_13_keys_are_found_by_scanning_and_without_regard_to_case(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    keys = {"x" * 117: 5, "index.Mine": FIRST + 1, "CHRONICLE.write.LOCK": UNLOCKED, "chronicle.lastIndexMSYNCED": -1}
    keys |= {"listing.MODcount": 77, "Listing.lowestCycle": kit.CYCLE, "a": 3, "LISTING.HIGHESTCYCLE": kit.CYCLE}
    odd_table(path, keys)
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as ours:
        assert ours.table_store["listing.HighestCycle"] in (kit.CYCLE, cq5.NO_HIGHEST_CYCLE)  # Nothing is there yet.
        assert (ours.table_store["A"], ours.table_store["INDEX.mine"]) == (3, FIRST + 1)
        assert ours.appender().append(b"zero") == FIRST
        ours.appender().append(b"one")
        assert ours.tailer("MINE").read() == b"one"
        assert ours.table_store["Listing.highestCycle"] == kit.CYCLE
    names = [entry.key.lower() for entry in table_of(path).entries]
    assert len(names) == len(set(names)), "a key was created although it was there"
    assert {key.lower() for key in KEYS} <= set(names)
    assert list(names[: len(keys)]) == [key.lower() for key in keys]
    assert all(entry.offset % 8 == 0 for entry in table_of(path).entries)
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert queue.table_get("Index.MINE") == FIRST + 2
        assert queue.appender().append(b"two") == FIRST + 2
    assert len(table_of(path).entries) in (len(names), len(names) + 1)  # Java may add normalisedEOFsTo.
    assert read_all(path) == numbered([b"zero", b"one", b"two"])


@contextmanager
def range_locked(path: Path, start: int, length: int, kind: int = fcntl.F_WRLCK) -> Iterator[None]:
    """Holds an open-file-description lock, which conflicts with every other descriptor's, ours included."""
    set_lock = getattr(fcntl, "F_OFD_SETLK", 37)
    with open(path, "r+b") as file:
        fcntl.fcntl(file, set_lock, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))
        yield


KEY_LOCK = 0x7FFFFFFFFFFFFFFE


def test_14_keys_are_created_only_under_the_byte_range_lock(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = path / "metadata.cq4t"
    with px.open_queue(path, "r+", timeout_ms=100) as queue:
        before = file.read_bytes()
        with range_locked(file, KEY_LOCK, 1):
            with pytest.raises(LockedError):
                queue.table_store.setdefault("mine", 1)
            with pytest.raises(LockedError):
                queue.tailer("mine")
            assert file.read_bytes() == before
            # What exists is read and changed without the lock, and a reader needs none.
            assert queue.table_store["listing.modCount"] >= 0
            assert queue.table_store.compare_and_set("chronicle.lastIndexReplicated", -1, 5)
            assert read_all(path) == [(FIRST, b"one")]
        assert queue.table_store.setdefault("mine", 1) == 1
        # Only that byte counts.
        with range_locked(file, 0, KEY_LOCK):
            assert queue.table_store.setdefault("mine too", 2) == 2
        with range_locked(file, KEY_LOCK, 1, fcntl.F_RDLCK), pytest.raises(LockedError):
            queue.table_store.setdefault("not mine", 3)


def test_14_the_table_store_is_created_under_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "q"
    path.mkdir()
    file = path / "metadata.cq4t"
    file.write_bytes(b"")
    with range_locked(file, KEY_LOCK, 1):
        with pytest.raises(TimeoutError):
            px.open_queue(path, "a", timeout_ms=100)
        assert not any(file.read_bytes()), "nothing may be stored"


@pytest.mark.parametrize("size", [0, 3, 131_072])
def test_14_a_table_store_nobody_wrote_into_is_created(java: JavaPeer, tmp_path: Path, size: int) -> None:
    path = tmp_path / "q"
    path.mkdir()
    (path / "metadata.cq4t").write_bytes(bytes(size))
    assert create(path, [b"one"], timeout_ms=200) == [FIRST]
    assert read_all(path) == [(FIRST, b"one")]
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert queue.appender().append(b"two") == FIRST + 1


def test_14_java_waits_while_we_hold_it_and_we_while_java_does(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        with px.open_queue(path, "r+") as ours:
            for number in range(20):  # Each creates a key, in turn: neither overwrites the other's.
                ours.table_store.setdefault(f"python {number}", number)
                queue.table_get(f"java {number}", number)
            assert {key: ours.table_store[key] for key in ours.table_store} == queue.table()
    values = table_values(path)
    assert [values[f"{who} {n}"] for n in range(20) for who in ("python", "java")] == [
        n for n in range(20) for _ in "pj"
    ]


HEADER = (
    "b0000040b906" + b"header".hex() + "b607" + b"STStore".hex() + "829a000000c8" + b"wireType".hex() + "b608"
    + b"WireType".hex() + "ec" + b"BINARY_LIGHT".hex() + "c8" + b"metadata".hex() + "b607" + b"SCQMeta".hex()
    + "8260000000c4" + b"roll".hex() + "b608" + b"SCQSRoll".hex() + "8227000000c6" + b"length".hex() + "a6005c2605c6"
    + b"format".hex() + "eb" + b"yyyyMMdd'F'".hex() + "c5" + b"epoch".hex() + "a100d7" + b"deltaCheckpointInterval".hex()
    + "a140c8" + b"sourceId".hex() + "a1008f8f8f"
)  # fmt: skip


def test_15_a_fresh_table_store_is_what_5_25_writes(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, roll="FAST_DAILY")
    data = (path / "metadata.cq4t").read_bytes()
    assert len(data) == 131_072
    assert data[:0xB4] == bytes.fromhex(HEADER)
    entries = [(e.document, e.offset, e.key) for e in table_of(path).entries[:8]]
    offsets = [0xD0, 0xF8, 0x118, 0x140, 0x168, 0x198, 0x1D0, 0x200]
    assert [(offset, key) for _, offset, key in entries] == list(zip(offsets, KEYS, strict=True))
    # Specification 3.6, byte for byte but for the cycle numbers and the counter.
    no = struct.pack("<q", cq5.NO_HIGHEST_CYCLE).hex(), struct.pack("<q", cq5.NO_LOWEST_CYCLE).hex()
    unset, minus = "0000000000000080", "ff" * 8
    expected = "20000000b914" + KEYS[0].encode().hex() + "8fa7" + no[0]
    expected += "24000000b913" + KEYS[1].encode().hex() + "8e0100000000" + "a7" + no[1]
    assert data[0xB4:0x100].hex() == expected
    assert data[0x100:0x118].hex() == "1c000000b910" + KEYS[2].encode().hex() + "8fa7"
    assert data[0x120:0x148].hex() == "24000000b914" + KEYS[3].encode().hex() + "8e00000000a7" + unset
    assert data[0x148:0x170].hex() == "24000000b915" + KEYS[4].encode().hex() + "8f8f8f8fa7" + unset
    assert data[0x170:0x1A0].hex() == "2c000000b91d" + KEYS[5].encode().hex() + "8f8f8f8fa7" + minus
    assert data[0x1A0:0x1D8].hex() == "34000000b929" + KEYS[6].encode().hex() + "a7" + minus
    assert data[0x1D8:0x208].hex() == "2c000000b91a" + KEYS[7].encode().hex() + "8e02000000" + "0000" + "a7" + minus
    assert not any(data[0x208:]), "nothing else before anything was appended"


def test_15_with_roll_time_and_source_id_the_header_is_that_of_appendix_b(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, roll="FAST_DAILY", roll_time="22:30", source_id=7)
    data = (path / "metadata.cq4t").read_bytes()
    assert data[:12] == bytes.fromhex("d4000040b906") + b"header"
    part = b"\xc5epoch\xa6\x40\xf6\xd3\x04\xc8rollTime\xb2\x0522:30\xccrollTimeZone\xe3UTC"
    part += b"\xd7deltaCheckpointInterval\xa1\x40\xc8sourceId\xa1\x07\x8f\x8f\x8f"
    assert data[: 4 + 0xD4].endswith(part)


@pytest.mark.parametrize("release", ["5.17.43", "5.19.76", "5.20.123", "5.21.99"])
def test_16_a_small_file_with_missing_keys_is_completed(java_fixture: Unpack, release: str) -> None:
    fixture = java_fixture(f"v5/{release}")["test4_daily"]
    file = fixture.path / "metadata.cq4t"
    size, names = file.stat().st_size, {entry.key for entry in table_of(fixture.path).entries}
    missing = [key for key in KEYS if key not in names]
    assert missing
    assert read_all(fixture.path) == fixture.excerpts, "reading needs none of the missing keys"
    assert file.stat().st_size == size
    (index,) = append(fixture.path, [b"new"], clock_ms=kit.T0 + 3 * kit.DAY_MS)
    values = table_of(fixture.path).values()
    for key in KEYS:
        assert key.lower() in values, f"{key} was not created"
    assert values["chronicle.append.lock"] == UNLOCKED
    assert [values[key.lower()] for key in missing if "last" in key] == [-1] * sum("last" in key for key in missing)
    assert read_all(fixture.path) == [*fixture.excerpts, (index, b"new")]
    assert not [f for f in verify(fixture.path).findings if f.path.endswith("cq4t")]


def test_16_a_file_of_65536_bytes_serves_as_it_is(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    os.truncate(path / "metadata.cq4t", 65_536)
    assert read_all(path) == [(FIRST, b"one")]
    append(path, [b"two"])
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert queue.appender().append(b"three") == FIRST + 2
    assert (path / "metadata.cq4t").stat().st_size in (65_536, 131_072)
    assert read_all(path) == numbered([b"one", b"two", b"three"])


def test_17_what_the_file_says_wins(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"], roll="FAST_HOURLY", epoch_ms=5 * kit.HOUR_MS, source_id=7)
    with pytest.warns(ChronixWarning) as caught:
        queue = px.open_queue(
            path, "r+", roll="DAILY", epoch_ms=1000, source_id=9, clock=Clock(), block_size_bytes=BLOCK
        )
    with queue:
        assert len(caught) == 3
        assert (queue.roll_cycle.name, queue.epoch_ms, queue.source_id) == ("FAST_HOURLY", 5 * kit.HOUR_MS, 7)
        first = queue.first_index
        assert queue.appender().append(b"two") == (first or 0) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        px.open_queue(path, "r+", roll="FAST_HOURLY", epoch_ms=5 * kit.HOUR_MS, source_id=7).close()
    with java.open(path, roll="DAILY", source_id=9, clock_ms=kit.T0, block_size=1 << 17) as theirs:
        facts = theirs.facts()
        assert (facts.roll, facts.epoch_ms, facts.source_id) == ("FAST_HOURLY", 5 * kit.HOUR_MS, 7)
        assert theirs.appender().append(b"three") == (first or 0) + 2
    assert [data for _, data in read_all(path)] == [b"one", b"two", b"three"]


def test_17_java_settings_win_over_ours(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with java.open(path, roll="HUGE_DAILY", roll_time="22:30", source_id=5, clock_ms=kit.T0) as theirs:
        index = theirs.appender().append(b"one")
    with pytest.warns(ChronixWarning):
        queue = px.open_queue(path, "a", roll="MINUTELY", clock=Clock())
    with queue:
        assert (queue.roll_cycle.name, queue.roll_time, queue.epoch_ms) == ("HUGE_DAILY", "22:30", 81_000_000)
        assert queue.source_id == 5
        assert queue.appender().append(b"two") == index + 1


@pytest.mark.parametrize(
    ("pattern", "readable"), [("yyyyMMdd'Q'", True), ("yyyy'Q'QQww", False), ("no pattern!", False)]
)
def test_17_an_unknown_format_is_understood_or_refused(tmp_path: Path, pattern: str, readable: bool) -> None:
    path = tmp_path / "q"
    create(path, [b"one"], roll="FAST_DAILY")
    file = path / "metadata.cq4t"
    data = file.read_bytes()
    assert data.count(b"yyyyMMdd'F'") == 1
    file.write_bytes(data.replace(b"yyyyMMdd'F'", pattern.encode()))
    if readable:
        kit.roll_file(path).rename(path / "20240305Q.cq4")
        assert read_all(path) == [(FIRST, b"one")]
    else:
        with pytest.raises((UnsupportedFormatError, ChronixError)) as caught:
            read_all(path)
        assert isinstance(caught.value, UnsupportedFormatError)
        with pytest.raises(UnsupportedFormatError):
            px.open_queue(path, "r+")


def test_18_no_entry_starts_beyond_65536(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    created: dict[str, Any] = {}
    with px.open_queue(path, "r+") as queue:
        with pytest.raises(ChronixError):
            for number in range(700):
                created[key] = queue.table_store.setdefault(key := f"{number:0>120}", number)
        assert 400 < len(created) < 600
        with pytest.raises(ChronixError):
            queue.table_store.setdefault("another", 1)
        assert all(queue.table_store[key] == value for key, value in list(created.items())[::50])
        queue.appender().append(b"two")
    store = table_of(path)
    assert max(entry.document for entry in store.entries) < 65_536
    assert max(entry.document for entry in store.entries) > 65_000
    with java.open(path, roll="TEST4_DAILY", readonly=True) as theirs:
        assert len(pairs(theirs.dump())) == 2


def test_18_java_opens_what_we_filled(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
        queue.appender().append(b"two")
        for number in range(400):
            queue.table_store.setdefault(f"{number:0>100}", number)
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
        assert theirs.table_get(f"{399:0>100}") == 399
        assert theirs.appender().append(b"three") == FIRST + 2


def test_18_keys_that_java_puts_there_are_read(java: JavaPeer, tmp_path: Path) -> None:
    # 2026.4 does create entries there.
    path = tmp_path / "q"
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
        theirs.appender().append(b"one")
        for number in range(600):
            theirs.table_get(f"{number:0>120}", number)
        assert max(entry.document for entry in table_of(path).entries) > 65_536
        with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
            assert queue.table_store[f"{599:0>120}"] == 599
            assert queue.table_store.compare_and_set(f"{599:0>120}", 599, -5)
            assert queue.appender().append(b"two") == FIRST + 1
        assert theirs.table_get(f"{599:0>120}") == -5
