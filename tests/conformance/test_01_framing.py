"""Specification 11, items 1 to 11: headers and framing."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import (
    BLOCK,
    FIRST,
    MESSAGES,
    Clock,
    append,
    create,
    documents_of,
    end_of,
    numbered,
    pairs,
    peek,
    poke,
    read_all,
    roll_file,
    u32,
)
from fix_java import FixtureQueue, JavaPeer, digest, payload

import pychronix as px
from pychronix.errors import CorruptError, MessageTooLongError
from pychronix.formats import cq5

Unpack = Callable[[str], dict[str, FixtureQueue]]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 127, 128, 255, 256, 257, 65_535, 65_536, 70_001])
def test_01_header_is_a_little_endian_length_with_two_flag_bits(tmp_path: Path, length: int) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"m" * length)
        with appender.writing(meta=True) as excerpt:
            excerpt.write(b"u" * length)
    data, meta = documents_of(roll_file(path))[-3:-1]
    assert peek(roll_file(path), data[0], 4) == length.to_bytes(4, "little")
    assert peek(roll_file(path), meta[0], 4) == (length | 1 << 30).to_bytes(4, "little")
    parsed = cq5.document_header.parse(peek(roll_file(path), meta[0], 4))
    assert (parsed.not_complete, parsed.meta_data, parsed.length) == (False, True, length)
    assert [len(data) for _, data in read_all(path)] == [length]


def test_01_headers_java_writes_mean_the_same(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        appender = queue.appender()
        appender.append_many(MESSAGES)
        appender.append_meta(b"user metadata")
    words = [word for _, word in documents_of(roll_file(path))]
    assert [word for word in words if 0 < word < cq5.META_DATA] == [len(message) for message in MESSAGES]
    assert words[-2:] == [13 | 1 << 30, 0]
    assert read_all(path) == numbered(MESSAGES)


NOTHING_YET = [0, 0x80000000, 0x80000005, 0x8000ABCD, 0xBFFFFFFF, 0xC0000001, 0xC0000005, 0xFFFFFFFF]


@pytest.mark.parametrize("word", NOTHING_YET, ids=hex)
def test_02_zero_and_not_complete_headers_mean_nothing_yet(tmp_path: Path, word: int) -> None:
    path = tmp_path / "q"
    create(path, [b"one", b"two"])
    file = roll_file(path)
    place = end_of(file)
    poke(file, place + 4, b"late")
    poke(file, place, struct.pack("<I", word))
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        assert list(tailer.with_index()) == numbered([b"one", b"two"])
        assert (tailer.read(), tailer.index, tailer.state.name) == (None, FIRST + 2, "FOUND_IN_CYCLE")
        assert [data for _, data in queue.tailer(start="end", direction="backward").with_index()] == [b"two", b"one"]
        assert not queue.cycles()[0].closed
        poke(file, place, struct.pack("<I", 4))
        assert (tailer.read(), tailer.index) == (b"late", FIRST + 3)


def test_02_java_too_takes_not_complete_headers_for_nothing_yet(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one", b"two"])
    place = end_of(roll_file(path))
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        for word in (0x80000000, 0x80000005):
            poke(roll_file(path), place, struct.pack("<I", word))
            assert pairs(queue.dump()) == read_all(path) == numbered([b"one", b"two"])


def test_02_only_c0000000_is_the_end_of_data(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    append(path, [b"tomorrow"], clock_ms=kit.T0 + kit.DAY_MS)
    first, second = kit.roll_files(path)
    assert u32(first, end_of(first)) == 0xC0000000
    assert u32(second, end_of(second)) == 0
    with px.open_queue(path) as queue:
        assert [cycle.closed for cycle in queue.cycles()] == [True, False]
    expected = [(FIRST, b"one"), (FIRST + (1 << 32), b"tomorrow")]
    assert read_all(path) == expected
    with java.open(path, readonly=True) as queue:
        assert pairs(queue.dump()) == expected
    # Without the marker both wait there.
    poke(first, end_of(first), bytes(4))
    assert read_all(path) == expected[:1]
    with java.open(path, readonly=True) as queue:
        assert pairs(queue.dump()) == expected[:1]


@pytest.mark.parametrize("release", ["5.17.43", "5.19.76", "2026.4"])
def test_03_documents_are_aligned_iff_the_file_says_so(java_fixture: Unpack, release: str) -> None:
    fixture = java_fixture(f"v5/{release}")["test4_daily"]
    last = fixture.excerpts[-1][0]
    appended = append(fixture.path, MESSAGES, clock_ms=kit.T0 + 3 * kit.DAY_MS)
    assert appended == [last + 1 + i for i in range(len(MESSAGES))]
    file = kit.roll_files(fixture.path)[-1]
    padded = kit.header_of(file).data_format == 1
    assert padded == (release != "5.17.43")
    offsets = documents_of(file)
    for (offset, word), (following, _) in zip(offsets, offsets[1:], strict=False):
        stop = offset + 4 + (word & cq5.LENGTH_MASK)
        assert following == (-(-stop // 4) * 4 if padded else stop)
    assert padded or any(offset % 4 for offset, _ in offsets)
    assert read_all(fixture.path) == fixture.excerpts + [(i, m) for i, m in zip(appended, MESSAGES, strict=True)]


def test_03_java_goes_on_in_a_file_we_appended_to_unaligned(java: JavaPeer, java_fixture: Unpack) -> None:
    fixture = java_fixture("v5/5.17.43")["test4_daily"]
    later = kit.T0 + 3 * kit.DAY_MS
    append(fixture.path, MESSAGES, clock_ms=later)
    with java.open(fixture.path, roll="TEST4_DAILY", clock_ms=later) as queue:
        queue.appender().append_many(MESSAGES)
        shown = pairs(queue.dump())
    append(fixture.path, [b"last"], clock_ms=later)
    expected = [data for _, data in fixture.excerpts] + MESSAGES + MESSAGES
    assert [data for _, data in shown] == expected
    assert read_all(fixture.path) == [*shown, (shown[-1][0] + 1, b"last")]


def test_04_after_a_header_of_193_bytes_comes_a_document_at_200(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"hello"], roll="FAST_DAILY")
    file = roll_file(path)
    assert u32(file, 0) == 193 | 1 << 30
    assert documents_of(file)[1] == (200, 0x8024 | 1 << 30)
    assert peek(file, 204, 13) == b"\xb9\x0bindex2index"
    assert peek(file, 197, 3) == bytes(3)
    assert read_all(path) == [(FIRST, b"hello")]


def _huge(path: Path, length: int) -> Path:
    """A queue whose second message is a hole of the file."""
    create(path, [b"before", b"x", b"after"])
    file = roll_file(path)
    second, third = kit.data_offsets(file)[1:]
    after = peek(file, third, 9)
    os.truncate(file, second + 4 + length + 64)
    poke(file, second + 4, bytes(third - second + len(after)))
    poke(file, second, struct.pack("<I", length))
    poke(file, -(-(second + 4 + length) // 4) * 4, after)
    return file


@pytest.mark.parametrize(
    "length", [(64 << 20) + 5, pytest.param((1 << 30) - 1, marks=pytest.mark.slow)], ids=["64MiB", "limit"]
)
def test_05_a_message_of_any_length_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "q"
    _huge(path, length)
    with px.open_queue(path) as queue:
        views = list(queue.tailer().views())
        assert [len(view) for view in views] == [6, length, 5]
        assert (bytes(views[1][:8]), bytes(views[1][-8:]), bytes(views[2])) == (bytes(8), bytes(8), b"after")
        del views
        tailer = queue.tailer(start="end", direction="backward")
        assert tailer.read() == b"after"
        assert (tailer.index, queue.last_index) == (FIRST + 1, FIRST + 2)


def test_05_a_message_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    before = roll_file(path).read_bytes()
    too_long = mmap.mmap(-1, 1 << 30)  # Address space only: nothing touches it.
    try:
        with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
            with pytest.raises(MessageTooLongError):
                queue.appender().append(too_long)
        assert roll_file(path).read_bytes() == before
        assert append(path, [b"two"]) == [FIRST + 1]
    finally:
        too_long.close()


def test_05_a_message_longer_than_block_and_overlap_goes_both_ways(java: JavaPeer, tmp_path: Path) -> None:
    # Java appends no message longer than its overlap in one go, but reads it: in bulk only (with blocks of 4096 bytes
    # not even so), hence the digest.
    path, block = tmp_path / "q", 1 << 20
    long = payload(1, 1, str(3 * block + 17))
    expected = numbered([b"one", long, b"three"])
    create(path, [b"one", long, b"three"], block_size_bytes=block)
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=block) as queue:
        assert queue.digest() == digest(expected)
        assert queue.appender().append(b"four") == FIRST + 3
    assert read_all(path) == [*expected, (FIRST + 3, b"four")]


def test_06_an_empty_payload_is_one_padding_byte(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    with px.open_queue(path, "a", roll="TEST4_DAILY", clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        appender.append(b"")
        appender.append_many([b"", b"x"])
        with appender.writing():
            pass
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        queue.appender().append(b"")
        shown = pairs(queue.dump())
    file = roll_file(path)
    raw = [peek(file, offset, 5) for offset in kit.data_offsets(file)]
    assert raw == [bytes.fromhex(text) for text in ["010000008f"] * 2 + ["0100000078"] + ["010000008f"] * 2]
    assert read_all(path) == shown == numbered([b"\x8f", b"\x8f", b"x", b"\x8f", b"\x8f"])


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 61])
@pytest.mark.parametrize("kind", ["append", "append_many", "append_at", "meta"])
def test_07_eight_bytes_after_the_payload_are_zeroed(tmp_path: Path, length: int, kind: str) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = roll_file(path)
    place = end_of(file)
    poke(file, place + 4, b"A" * 200)  # What a writer leaves that dies before it publishes.
    with px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK) as queue:
        appender = queue.appender()
        message = b"m" * length
        if kind == "append":
            appender.append(message)
        elif kind == "append_many":
            appender.append_many([message])
        elif kind == "append_at":
            assert appender.append_at(FIRST + 1, message)
        else:
            with appender.writing(meta=True) as excerpt:
                excerpt.write(message)
    assert peek(file, place + 4, length + 8) == message + bytes(8)
    assert peek(file, place + 4 + length + 8, 8) == b"A" * 8, "no more than that is needed"
    assert end_of(file) == -(-(place + 4 + length) // 4) * 4
    assert len(read_all(path)) == (1 if kind == "meta" else 2)


def test_07_garbage_behind_our_messages_is_never_seen_by_java(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    poke(roll_file(path), end_of(roll_file(path)) + 4, b"A" * 2000)
    appended = append(path, MESSAGES[:60])
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as queue:
        assert pairs(queue.dump()) == numbered([b"one", *MESSAGES[:60]])
        assert queue.appender().append(b"Java") == appended[-1] + 1
    assert read_all(path) == numbered([b"one", *MESSAGES[:60], b"Java"])


def watch_headers(path: Path, count: int, size: int) -> bool:
    """Watches the headers of large messages that another process appends; whether one was seen in its midst."""
    create(path, [b"one"], block_size_bytes=64 << 20)
    position = end_of(roll_file(path)) // 4
    seen_zero = False
    with kit.slow_writer(path, size) as process, kit.mapped(roll_file(path)) as view, view.cast("I") as words:
        assert process.stdin is not None and process.stdout is not None
        for _ in range(count):
            process.stdin.write("go\n")
            process.stdin.flush()
            limit = time.monotonic() + kit.DEADLINE_S
            while (word := words[position]) == 0:
                # The payload is being copied (memcpy may store its first bytes last), the header still is 0.
                seen_zero |= view[4 * position + 4096] != 0 and words[position] == 0
                assert time.monotonic() < limit
            assert {word, *(words[position] for _ in range(100))} == {size}, "intermediate values of the header"
            start = 4 * position + 4
            assert view[start] == view[start + size // 2] == view[start + size - 1] == ord("m")
            assert process.stdout.readline() == "0 0\n"
            position += (4 + size) // 4
    return seen_zero


def test_08_the_header_goes_from_zero_to_its_final_value_in_one_step(tmp_path: Path) -> None:
    # The eye may blink, where the message does not come off a disk.
    assert any(watch_headers(tmp_path / str(attempt), 3, 4 << 20) for attempt in range(20))


def test_09_a_header_that_was_zero_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with px.open_queue(path) as reading:
        tailer, looped, named = reading.tailer(), reading.tailer(), reading.tailer(meta=True)
        assert [tailer.read(), tailer.read(), *looped] == [b"one", None, b"one"]
        list(named)
        for number in range(40):
            message = b"%d" % number
            append(path, [message])
            assert [tailer.read(), tailer.read()] == [message, None]
            assert list(looped) == [message]
            assert list(named)[-1] == message


def test_09_no_payload_is_seen_before_it_is_complete(java: JavaPeer, tmp_path: Path) -> None:
    path, count, sizes = tmp_path / "q", 20_000, "16-90,64,1000,16"
    with java.open(path, roll="FAST_DAILY", clock_ms=kit.T0) as queue, px.open_queue(path) as reading:
        load = queue.load(5, count, sizes=sizes)
        tailer = reading.tailer()
        limit = time.monotonic() + kit.DEADLINE_S
        found = 0
        while found < count:
            for data in tailer:
                assert data == payload(5, found, sizes)
                found += 1
            assert time.monotonic() < limit
        assert load.wait().appended == count
        assert tailer.read() is None


@pytest.mark.parametrize("beyond", [0, 1, 2, 3, 4, 5])
def test_10_a_file_that_ends_at_the_next_header_reads_as_zero(tmp_path: Path, beyond: int) -> None:
    path = tmp_path / "q"
    create(path, MESSAGES)
    file = roll_file(path)
    os.truncate(file, end_of(file) + beyond)
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        assert list(tailer.with_index()) == numbered(MESSAGES)
        assert tailer.read() is None
        assert queue.count() == len(MESSAGES)
        backward = queue.tailer(start="end", direction="backward")
        assert list(backward.with_index()) == numbered(MESSAGES)[::-1]
        assert append(path, [b"grown"]) == [FIRST + len(MESSAGES)]
        assert tailer.read() == b"grown"
    assert read_all(path) == numbered([*MESSAGES, b"grown"])


@pytest.mark.parametrize("left", [1, 3, 4, 5, 2000])
def test_10_a_file_that_ends_within_a_message_is_damage_not_a_signal(tmp_path: Path, left: int) -> None:
    path = tmp_path / "q"
    create(path, MESSAGES)
    file = roll_file(path)
    last = kit.data_offsets(file)[-1]
    os.truncate(file, last + left)
    with px.open_queue(path) as queue:
        tailer = queue.tailer()
        for message in MESSAGES[:-1]:
            assert tailer.read() == message
        if left < 4:
            assert tailer.read() is None
        else:
            with pytest.raises(CorruptError) as caught:
                tailer.read()
            assert caught.value.offset == last
            assert caught.value.path == str(file)


def test_11_gaps_and_what_follows_an_end_of_data_are_ignored(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    indexes = create(path, MESSAGES)
    append(path, [b"tomorrow"], clock_ms=kit.T0 + kit.DAY_MS)
    expected = numbered(MESSAGES) + [(indexes[0] + (1 << 32), b"tomorrow")]
    file = kit.roll_files(path)[0]
    places = documents_of(file)
    stale = 0
    for (offset, word), (following, _) in zip(places, places[1:], strict=False):
        stop = offset + 4 + (word & cq5.LENGTH_MASK)
        if following > stop:
            poke(file, stop, b"\xff" * (following - stop))
            stale += 1
    assert stale > 30
    assert peek(file, places[-1][0] + 4, 4) == b"\xc3EOF"
    for decoration in (b"\xc3EOF", bytes(4), b"\x05\x00\x00\x00garbage", b"\xff" * 16):
        poke(file, places[-1][0] + 4, decoration)
        assert read_all(path) == expected
        assert read_all(path, backward=True) == expected[::-1]
        with java.open(path, readonly=True) as queue:
            assert pairs(queue.dump()) == expected


def test_11_a_writer_goes_on_in_a_file_with_stale_gaps(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"a", b"bb"])
    file = roll_file(path)
    offset = kit.data_offsets(file)[0]
    poke(file, offset + 5, b"\xff\xff\xff")
    assert append(path, [b"ccc"]) == [FIRST + 2]
    assert read_all(path) == numbered([b"a", b"bb", b"ccc"])
