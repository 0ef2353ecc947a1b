"""Specification 11, items 27 to 35: indexes, index pages, the sequence word."""

from __future__ import annotations

import struct
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import (
    BLOCK,
    CYCLE,
    FIRST,
    MESSAGES,
    Clock,
    append,
    create,
    data_offsets,
    header_of,
    i64,
    numbered,
    page_at,
    pairs,
    poke,
    read_all,
    roll_file,
)
from fix_java import JavaPeer, payload

import pychronix as px
from pychronix.errors import CycleFullError
from pychronix.inspect import verify
from pychronix.rolling import ROLL_CYCLES, RollCycle, shift_of_counts

CREATABLE = sorted(name for name, roll in ROLL_CYCLES.items() if roll.creatable)
#: Specification 6.2: sequence bits of an index.
SHIFTS = {
    "LARGE_DAILY": 37, "XLARGE_DAILY": 38, "HUGE_DAILY": 40, "LARGE_HOURLY_SPARSE": 34, "LARGE_HOURLY_XSPARSE": 42,
    "HUGE_DAILY_XSPARSE": 48,
}  # fmt: skip


@pytest.mark.parametrize("roll", CREATABLE)
def test_27_an_index_is_cycle_and_sequence_cut_by_the_roll_cycle(tmp_path: Path, roll: str) -> None:
    known = ROLL_CYCLES[roll]
    shift = SHIFTS.get(roll, 32)
    assert known.shift == shift
    cycle = kit.T0 // known.length_ms
    for name, counts in (("default", {}), ("custom", {"index_count": 8, "index_spacing": 1})):
        path = tmp_path / name
        indexes = create(path, [b"%d" % n for n in range(5)], roll=roll, **counts)
        assert indexes == [(cycle << shift) + n for n in range(5)]
        assert [index for index, _ in read_all(path)] == indexes
        with px.open_queue(path) as queue:
            tailer = queue.tailer()
            for number, index in enumerate(indexes):
                assert (queue.cycle_of(index), queue.sequence_of(index)) == (cycle, number)
                assert tailer.move_to_index(index)
                assert tailer.read() == b"%d" % number


@pytest.mark.parametrize("roll", ["LARGE_DAILY", "HUGE_DAILY_XSPARSE", "TEST4_DAILY"])
def test_27_java_counts_the_same_with_custom_counts(java: JavaPeer, tmp_path: Path, roll: str) -> None:
    block = 1 << 20
    options = {"index_count": 16, "index_spacing": 2}
    ours = create(tmp_path / "ours", MESSAGES, roll=roll, block_size_bytes=block, **options)
    with java.open(tmp_path / "java", roll=roll, clock_ms=kit.T0, block_size=block, **options) as queue:
        assert queue.appender().append_many(MESSAGES) == ours
    with java.open(tmp_path / "ours", roll=roll, clock_ms=kit.T0, block_size=block) as queue:
        assert pairs(queue.dump()) == list(zip(ours, MESSAGES, strict=True))
        assert queue.appender().append(b"more") == ours[-1] + 1
    assert read_all(tmp_path / "java") == list(zip(ours, MESSAGES, strict=True))


def check_position(file: Path, shift: int) -> None:
    """Specification 5.4 for the last message of a file."""
    header = header_of(file)
    offsets = data_offsets(file)
    assert header.write_position == offsets[-1]
    word = (offsets[-1] << shift | len(offsets) - 1 & (1 << shift) - 1) & (1 << 64) - 1
    assert header.sequence_word == word


@pytest.mark.parametrize("roll", ["TEST4_DAILY", "FAST_DAILY", "LARGE_DAILY", "HUGE_DAILY", "HUGE_DAILY_XSPARSE"])
def test_28_position_and_sequence_word_name_the_last_message(tmp_path: Path, roll: str) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll=roll, clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        for message in MESSAGES[:12]:
            appender.append(message)
            check_position(roll_file(path), SHIFTS.get(roll, 32))
        appender.append_many(MESSAGES)
        check_position(roll_file(path), SHIFTS.get(roll, 32))
        before = header_of(roll_file(path)).write_position
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"metadata moves nothing")
        assert header_of(roll_file(path)).write_position == before
        appender.append_at(FIRST + len(MESSAGES) + 12, b"last") if roll == "TEST4_DAILY" else appender.append(b"last")
        check_position(roll_file(path), SHIFTS.get(roll, 32))


@pytest.mark.parametrize(("count", "spacing"), [(32_768, 1024), (1024, 65_536), (8, 1)])
def test_28_the_word_is_cut_by_the_counts_of_the_file(java: JavaPeer, tmp_path: Path, count: int, spacing: int) -> None:
    path = tmp_path / "q"
    shift = shift_of_counts(count, spacing)
    block = max(BLOCK, 32 * count)
    options = {"index_count": count, "index_spacing": spacing}
    create(path, MESSAGES, block_size_bytes=block, **options)
    check_position(roll_file(path), shift)
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=block) as queue:
        assert queue.appender().append(b"Java") == FIRST + len(MESSAGES)
    check_position(roll_file(path), shift)
    append(path, [b"Python"])
    check_position(roll_file(path), shift)
    assert read_all(path) == numbered([*MESSAGES, b"Java", b"Python"])


@pytest.mark.parametrize(("count", "spacing"), [(8, 1), (8, 4), (16, 2), (32, 4), (64, 8), (128, 64), (32, 256)])
def test_29_every_spacing_th_message_has_its_slot_and_no_other(tmp_path: Path, count: int, spacing: int) -> None:
    path = tmp_path / "q"
    number = min(count * count * spacing, 700)
    create(path, [b"%d" % n for n in range(number)], index_count=count, index_spacing=spacing)
    file = roll_file(path)
    header, offsets = header_of(file), data_offsets(file)
    expected = offsets[::spacing]
    top = page_at(file, header.index2index)
    pages = -(-len(expected) // count)
    assert (top.used, sum(map(bool, top.slots))) == (pages, pages)
    for i in range(pages):
        page = page_at(file, top.slots[i])
        slots = expected[i * count : (i + 1) * count]
        assert page.used == len(slots)
        assert list(page.slots) == slots + [0] * (count - len(slots))
    assert header.last_index == len(expected) * spacing
    assert verify(path).clean


def test_30_pages_come_exactly_when_they_are_needed(java: JavaPeer, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "java"
    with (
        px.open_queue(ours, "a", roll="TEST_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue,
        java.open(theirs, roll="TEST_DAILY", clock_ms=kit.T0, block_size=BLOCK) as java_queue,
    ):
        one, other = queue.appender(), java_queue.appender()
        for number in range(64):
            one.append(payload(1, number, "1-40"))
            other.append(payload(1, number, "1-40"))
            documents = kit.documents_of(roll_file(ours))
            metadata = sum(word >= 1 << 30 for _, word in documents)
            assert metadata == 3 + number // 8, f"after message {number}"
            assert kit.documents_of(roll_file(theirs)) == documents
    assert metadata == 10
    assert kit.differences(roll_file(ours).read_bytes(), roll_file(theirs).read_bytes()) == []


def test_31_lost_index_entries_are_tolerated(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    messages = [b"%d" % n for n in range(120)]
    create(path, messages, index_count=8, index_spacing=4)
    file = roll_file(path)
    top = page_at(file, header_of(file).index2index)
    lost = [(page_at(file, page).slots_offset + 8 * slot) for page in top.slots[:4] if page for slot in range(8)]
    lost += [top.slots_offset + 8 * slot for slot in range(4)]
    whole = file.read_bytes()
    expected = numbered(messages)

    def check() -> None:
        with px.open_queue(path) as queue:
            tailer = queue.tailer()
            for index, message in expected:
                assert tailer.move_to_index(index)
                assert tailer.read() == message
            assert not tailer.move_to_index(expected[-1][0] + 1)
            backward = queue.tailer(start="end", direction="backward")
            assert list(backward.with_index()) == expected[::-1]

    for offset in lost:
        poke(file, offset, bytes(8))
        check()
        poke(file, offset, whole[offset : offset + 8])
    for offset in lost:  # One after the other, until nothing is left.
        poke(file, offset, bytes(8))
    check()
    assert append(path, [b"more"]) == [FIRST + 120]
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert pairs(queue.dump()) == [*expected, (FIRST + 120, b"more")]
        assert [probe.data for probe in queue.tailer().probe([FIRST + 5, FIRST + 119])] == [b"5", b"119"]


def test_31_no_index_at_all(tmp_path: Path) -> None:
    path = tmp_path / "q"
    messages = [b"%d" % n for n in range(50)]
    create(path, messages)
    poke(roll_file(path), header_of(roll_file(path)).index2index_offset, bytes(8))
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        for index, message in numbered(messages)[::7]:
            assert tailer.move_to_index(index)
            assert tailer.read() == message
    assert append(path, [b"more"]) == [FIRST + 50]


@pytest.mark.parametrize("spacing", [1, 4, 8, 64, 256])
def test_32_random_access_is_the_same_as_a_scan(java: JavaPeer, tmp_path: Path, spacing: int) -> None:
    path = tmp_path / "q"
    count, number = 32, 600
    with java.open(
        path, roll="FAST_DAILY", clock_ms=kit.T0, block_size=BLOCK, index_count=count, index_spacing=spacing
    ) as queue:
        queue.appender().generate(1, number // 2, sizes="1-60")
        with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as ours:
            ours.appender().append_many(payload(1, n, "1-60") for n in range(number // 2, number))
            scan = list(ours.tailer().with_index())
            assert scan == numbered([payload(1, n, "1-60") for n in range(number)])
            tailer = ours.tailer()
            order = sorted(scan, key=lambda pair: pair[1])
            for index, data in order:
                assert tailer.move_to_index(index)
                assert tailer.read() == data
                assert tailer.index == index + 1
            probes = queue.tailer().probe(index for index, _ in order)
            assert [(p.moved, p.read_index, p.data) for p in probes] == [(True, *pair) for pair in order]


@pytest.mark.parametrize("word", [0, 1, -1, 0x1234567800000003, FIRST])
def test_33_a_zero_or_wrong_sequence_word_is_recomputed(java: JavaPeer, tmp_path: Path, word: int) -> None:
    messages = [b"%d" % n for n in range(300)]
    for who in ("ours", "java"):
        path = tmp_path / who
        create(path, messages)
        file = roll_file(path)
        place = header_of(file).write_position_offset + 8
        poke(file, place, struct.pack("<q", word))
        with px.open_queue(path) as queue:
            tailer = queue.tailer(start="end")
            assert (tailer.index, tailer.read()) == (FIRST + 300, None)
            assert queue.last_index == FIRST + 299
            assert list(queue.tailer(start="end", direction="backward")) == messages[::-1]
        if who == "ours":
            assert append(path, [b"more"]) == [FIRST + 300]
        else:
            with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
                assert queue.appender().append(b"more") == FIRST + 300
        assert i64(file, place) == header_of(file).write_position << 32 | 300
        assert read_all(path) == numbered([*messages, b"more"])
    assert verify(tmp_path / "ours").clean


def test_34_a_lost_write_position_does_not_renumber(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    messages = [b"%d" % n for n in range(130)]
    create(path, messages)
    file = roll_file(path)
    place = header_of(file).write_position_offset
    for length in (16, 8):  # With and without the sequence word.
        poke(file, place, bytes(length))
        with px.open_queue(path) as queue:
            assert queue.last_index == FIRST + len(messages) - 1
            assert queue.tailer(start="end").index == FIRST + len(messages)
        assert append(path, [b"more"]) == [FIRST + len(messages)]
        messages.append(b"more")
        check_position(file, 32)
        assert read_all(path) == numbered(messages)
    assert verify(path).ok
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert pairs(queue.dump()) == numbered(messages)
        assert queue.appender().append(b"Java") == FIRST + len(messages)


def test_34_a_write_position_behind_the_last_message_is_caught_up(tmp_path: Path) -> None:
    # What a writer leaves that dies between publishing and storing the position.
    path = tmp_path / "q"
    messages = [b"%d" % n for n in range(30)]
    create(path, messages)
    file = roll_file(path)
    place, offsets = header_of(file).write_position_offset, data_offsets(file)
    for behind in (1, 2, 29):
        poke(file, place, struct.pack("<qq", offsets[29 - behind], offsets[29 - behind] << 32 | 29 - behind))
        with px.open_queue(path) as queue:
            assert queue.last_index == FIRST + 29
    assert append(path, [b"more"]) == [FIRST + 30]
    check_position(file, 32)
    assert verify(path).ok


def test_35_a_message_that_cannot_be_indexed_is_refused_before_it_is_published(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"%d" % n for n in range(60)], roll="TEST_DAILY")
    file = roll_file(path)
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        with pytest.raises(CycleFullError) as caught:
            appender.append_many(b"%d" % n for n in range(60, 70))
        assert list(caught.value.appended) == [FIRST + n for n in range(60, 64)]
        full = file.read_bytes()
        for refused in (lambda: appender.append(b"x"), lambda: appender.append_at(FIRST + 64, b"x")):
            with pytest.raises(CycleFullError):
                refused()
        assert file.read_bytes() == full
        assert kit.table_values(path)[kit.WRITE_LOCK] == kit.UNLOCKED
        assert queue.last_index == FIRST + 63
    assert RollCycle.parse("TEST_DAILY").max_messages() == 64
    assert verify(path).clean
    tomorrow = append(path, [b"tomorrow"], clock_ms=kit.T0 + kit.DAY_MS)
    expected = [*numbered([b"%d" % n for n in range(64)]), (CYCLE + 1 << 32, b"tomorrow")]
    assert (tomorrow, read_all(path)) == ([CYCLE + 1 << 32], expected)
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == expected


def test_35_what_java_publishes_beyond_the_limit_is_read(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with java.open(path, roll="TEST_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        appender = queue.appender()
        for number in range(66):
            try:
                appender.append(b"%d" % number)
            except Exception as error:
                assert number >= 64 and "Unable to index" in str(error)
        shown = pairs(queue.dump())
    assert len(shown) == 66
    assert read_all(path) == shown
    assert read_all(path, backward=True) == shown[::-1]
    with px.open_queue(path) as ours:
        tailer = ours.tailer()
        assert tailer.move_to_index(FIRST + 65)
        assert tailer.read() == b"65"
