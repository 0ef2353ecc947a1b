"""The independent reader and verifier: on queues built from the layouts, on damaged copies, on Java's fixtures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import os
import random
import shutil
import struct
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import construct
import pytest

from pychronix.errors import ChronixError, CorruptError, NotFoundError, UnsupportedFormatError
from pychronix.formats import Format, cq5
from pychronix.inspect import Report, read_queue, verify
from pychronix.rolling import RollCycle

ROLL = RollCycle.TEST4_DAILY  # 32 slots a page, every 4th message: the second page begins at message 128.
FIRST_CYCLE = 19787
FIXTURES = Path(__file__).parents[2] / "fixtures" / "v5"


# --- a writer in a few lines, from the layouts alone --------------------------------------------


class RollFile:
    """The bytes of one roll file as Java leaves them after these messages; bytearrays stand for metadata."""

    def __init__(
        self, payloads: Sequence[bytes | bytearray], *, roll: RollCycle = ROLL, release: str = "5.24", eof: bool = True
    ):
        self.roll, self.release = roll, release
        self.offsets: list[int] = []
        self.fields: dict[str, Any] = {
            "wireType": None,
            "writePosition": [0, 0],
            "roll": {"length": roll.length_ms, "format": roll.format, "epoch": 0},
            "indexing": {
                "indexCount": roll.index_count,
                "indexSpacing": roll.index_spacing,
                "index2Index": 0,
                "lastIndex": 0,
            },
            "dataFormat": 1,
            "lastAcknowledgedIndexReplicated": -1,
            "recovery": {"timeStamp": 0},
            "deltaCheckpointInterval": 0,
            "lastIndexReplicated": -1,
            "sourceId": 0,
        }
        self.padded = release in ("5.19", "5.24", "fieldless")
        self.data = bytearray(self._header())
        indexing = self.fields["indexing"]
        indexing["index2Index"] = self._page("index2index")
        self.slots2 = len(self.data) - 8 * roll.index_count
        self.pages: list[int] = []
        self._new_page()
        for payload in payloads:
            self.append(payload)
        self.data_end = self._next()
        self.data[self.data_end :] = bytes(self.data_end - len(self.data))
        if eof:
            self.data += cq5.END_OF_DATA.build({"decoration": b"\xc3EOF"})
        self.data += bytes(4096)
        header = self._header()
        self.data[: len(header)] = header
        self.header = cq5.parse_roll_header(bytes(self.data))

    def _header(self) -> bytes:
        return bytes(cq5.roll_header(self.release).build(self.fields))

    def _next(self) -> int:
        return (len(self.data) + 3) & ~3 if self.padded else len(self.data)

    def _document(self, payload: bytes, flags: int = 0) -> int:
        at = self._next()
        self.data += bytes(at - len(self.data)) + struct.pack("<I", len(payload) | flags) + payload
        return at

    def _page(self, event: str) -> int:
        at = self._next()
        array = {"capacity": self.roll.index_count, "used": 0, "slots": [0] * self.roll.index_count}
        self.data += bytes(at - len(self.data)) + cq5.index_page(event).build(array, base=at)
        return at

    def _new_page(self) -> None:
        at = self._page("index")
        self._set(self.slots2, len(self.pages), at)
        self.pages.append(len(self.data) - 8 * self.roll.index_count)

    def _set(self, slots: int, number: int, value: int) -> None:
        struct.pack_into("<q", self.data, slots + 8 * number, value)
        struct.pack_into("<q", self.data, slots - 8, number + 1)

    def append(self, payload: bytes | bytearray) -> None:
        if isinstance(payload, bytearray):
            self._document(bytes(payload), cq5.META_DATA)
            return
        sequence, at = len(self.offsets), self._document(payload)
        self.offsets.append(at)
        self.fields["writePosition"] = [at, at << 32 | sequence]
        if sequence % self.roll.index_spacing == 0:
            page, slot = divmod(sequence // self.roll.index_spacing, self.roll.index_count)
            if page == len(self.pages):
                self._new_page()
            self._set(self.pages[page], slot, at)
            self.fields["indexing"]["lastIndex"] = sequence + self.roll.index_spacing


def table_store(roll: RollCycle, entries: dict[str, int], release: str = "5.24") -> bytes:
    meta = {
        "roll": {"length": roll.length_ms, "format": roll.format, "epoch": 0},
        "deltaCheckpointInterval": 64,
        "sourceId": 0,
    }
    fields = {"wireType": None, "metadata": meta, "recovery": {"timeStamp": 0}}
    data = cq5.table_header(release).build(fields)
    for key, value in entries.items():
        data += cq5.table_entry.build({"key": key, "value": value}, base=len(data))
    return bytes(data) + bytes(131_072 - len(data))


def keys(low: int, high: int) -> dict[str, int]:
    return {
        "listing.highestCycle": high,
        "listing.lowestCycle": low,
        "listing.modCount": 4,
        "chronicle.write.lock": cq5.UNLOCKED,
        "chronicle.append.lock": cq5.UNLOCKED,
        "chronicle.lastIndexReplicated": -1,
        "chronicle.lastAcknowledgedIndexReplicated": -1,
        "chronicle.lastIndexMSynced": -1,
    }


MESSAGES = [bytes([number % 251]) * (1 + number * 7 % 61) for number in range(300)]


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """Three cycles, the middle one without a file; several index pages, user metadata between messages."""
    path = tmp_path / "queue"
    path.mkdir()
    first = RollFile([*MESSAGES[:5], bytearray(b"\xb9\x04user\xe2hi"), *MESSAGES[5:]])
    (path / ROLL.file_name(FIRST_CYCLE)).write_bytes(first.data)
    last = RollFile(MESSAGES[:10], eof=False)
    (path / ROLL.file_name(FIRST_CYCLE + 2)).write_bytes(last.data)
    entries = keys(FIRST_CYCLE, FIRST_CYCLE + 2)
    entries |= {"index.one": ROLL.index(FIRST_CYCLE, 7), "normalisedEOFsTo": FIRST_CYCLE}
    (path / "metadata.cq4t").write_bytes(table_store(ROLL, entries))
    return path


def first_file(queue: Path) -> Path:
    return queue / ROLL.file_name(FIRST_CYCLE)


def last_file(queue: Path) -> Path:
    return queue / ROLL.file_name(FIRST_CYCLE + 2)


def change(path: Path, edit: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    edit(data)
    path.write_bytes(data)


def put(path: Path, offset: int, form: str, value: int) -> None:
    change(path, lambda data: struct.pack_into(form, data, offset, value))


def header_of(path: Path) -> cq5.RollHeader:
    return cq5.parse_roll_header(path.read_bytes())


def key_offset(queue: Path, key: str) -> int:
    table = cq5.parse_table_store((queue / "metadata.cq4t").read_bytes())
    return next(entry.offset for entry in table.entries if entry.key == key)


# --- sound queues ------------------------------------------------------------------------------


def test_a_sound_queue_is_clean_and_read_in_order(queue: Path) -> None:
    report = verify(queue)
    assert [] == report.findings, str(report)
    assert report.ok
    assert report.clean
    assert (Format.CQ5, ROLL, 310) == (report.format, report.roll_cycle, report.messages)
    assert [(FIRST_CYCLE, 300, 6, 4, True), (FIRST_CYCLE + 2, 10, 3, 2, False)] == [
        (cycle.cycle, cycle.messages, cycle.metadata, cycle.index_pages, cycle.closed) for cycle in report.cycles
    ]
    expected = [(ROLL.index(FIRST_CYCLE, number), payload) for number, payload in enumerate(MESSAGES)]
    expected += [(ROLL.index(FIRST_CYCLE + 2, number), payload) for number, payload in enumerate(MESSAGES[:10])]
    assert expected == [(index, payload) for index, payload, _ in read_queue(str(queue))]
    data = first_file(queue).read_bytes()
    for _, payload, offset in list(read_queue(queue))[:300]:
        assert struct.pack("<I", len(payload)) + payload == data[offset : offset + 4 + len(payload)]


@pytest.mark.parametrize("release", ["4.16", "5.16", "5.17", "5.19", "5.24", "fieldless"])
def test_the_roll_files_of_every_release_are_read(tmp_path: Path, release: str) -> None:
    (tmp_path / ROLL.file_name(FIRST_CYCLE)).write_bytes(RollFile(MESSAGES, release=release).data)
    if release == "4.16":
        listing = {"listing.highestCycle": FIRST_CYCLE, "listing.lowestCycle": FIRST_CYCLE}
        (tmp_path / "directory-listing.cq4t").write_bytes(table_store(ROLL, listing, "4.16"))
    else:
        entries = keys(FIRST_CYCLE, FIRST_CYCLE)
        store = table_store(ROLL, entries, {"fieldless": "5.27", "5.19": "5.17"}.get(release, release))
        (tmp_path / "metadata.cq4t").write_bytes(store)
    report = verify(tmp_path)
    assert report.clean, str(report)
    assert (Format.CQ4 if release == "4.16" else Format.CQ5) is report.format
    assert MESSAGES == [payload for _, payload, _ in read_queue(tmp_path)]


def test_a_queue_without_table_store_is_read_by_its_file_names(queue: Path) -> None:
    (queue / "metadata.cq4t").unlink()
    report = verify(queue)
    assert {"no-table-store": 1} == dict(report.kinds)
    assert (True, ROLL, 310) == (report.ok, report.roll_cycle, report.messages)


def test_an_empty_queue_is_clean(tmp_path: Path) -> None:
    store = table_store(RollCycle.FAST_DAILY, keys(cq5.NO_LOWEST_CYCLE, cq5.NO_HIGHEST_CYCLE))
    (tmp_path / "metadata.cq4t").write_bytes(store)
    assert verify(tmp_path).clean
    assert [] == list(read_queue(tmp_path))


def test_weekly_is_read_whole_and_its_listing_not_believed(tmp_path: Path) -> None:
    roll = RollCycle.WEEKLY
    for cycle in (2826, 2827):
        (tmp_path / roll.file_name(cycle)).write_bytes(RollFile(MESSAGES[:3], roll=roll).data)
    (tmp_path / "metadata.cq4t").write_bytes(table_store(roll, keys(19785, 19792)))
    assert verify(tmp_path).clean
    assert [roll.index(cycle, number) for cycle in (2826, 2827) for number in range(3)] == [
        index for index, _, _ in read_queue(tmp_path)
    ]


def test_a_sparse_file_of_80_mib_is_read_no_further_than_its_data(queue: Path) -> None:
    os.truncate(last_file(queue), 83_886_080)
    os.truncate(first_file(queue), 83_886_080)
    start = time.perf_counter()
    assert verify(queue).clean
    assert 310 == len(list(read_queue(queue)))
    assert time.perf_counter() - start < 1


def test_a_message_longer_than_a_chunk_comes_back_whole(tmp_path: Path) -> None:
    payloads = [b"a", random.Random(1).randbytes(3_000_001), b"b" * 65_530, random.Random(2).randbytes(1 << 20), b"c"]
    (tmp_path / ROLL.file_name(FIRST_CYCLE)).write_bytes(RollFile(payloads).data)
    (tmp_path / "metadata.cq4t").write_bytes(table_store(ROLL, keys(FIRST_CYCLE, FIRST_CYCLE)))
    assert verify(tmp_path).clean
    assert payloads == [payload for _, payload, _ in read_queue(tmp_path)]


def test_hundreds_of_thousands_of_messages_take_a_few_seconds(tmp_path: Path) -> None:
    roll = RollCycle.TEST_SECONDLY
    payloads = [b"x" * 60] * 300_000
    (tmp_path / roll.file_name(5)).write_bytes(RollFile(payloads, roll=roll).data)
    (tmp_path / "metadata.cq4t").write_bytes(table_store(roll, keys(5, 5)))
    start = time.perf_counter()
    report = verify(tmp_path)
    seconds = time.perf_counter() - start
    assert report.clean, str(report)
    assert 300_000 == report.messages
    assert seconds < 5


# --- damaged and odd ones ----------------------------------------------------------------------


def kinds(queue: Path) -> dict[str, int]:
    return dict(verify(queue).kinds)


def test_a_missing_eof_is_its_own_finding(queue: Path) -> None:
    end = RollFile([*MESSAGES[:5], bytearray(b"\xb9\x04user\xe2hi"), *MESSAGES[5:]]).data_end
    put(first_file(queue), end, "<Q", 0)
    report = verify(queue)
    assert {"missing-eof": 1} == dict(report.kinds)
    assert report.ok
    finding = report.findings[0]
    assert ("warning", str(first_file(queue)), end) == (finding.severity, finding.path, finding.offset)
    assert "missing-eof" in str(report)


def test_an_eof_behind_normalised_eofs_is_checked(queue: Path) -> None:
    end = RollFile([*MESSAGES[:5], bytearray(b"\xb9\x04user\xe2hi"), *MESSAGES[5:]]).data_end
    put(first_file(queue), end, "<Q", 0)
    put(queue / "metadata.cq4t", key_offset(queue, "normalisedEOFsTo"), "<q", FIRST_CYCLE + 1)
    assert {"missing-eof": 1, "not-normalised": 1} == kinds(queue)


def test_data_after_the_eof_are_found(queue: Path) -> None:
    change(first_file(queue), lambda data: data.__setitem__(data.index(b"\xc3EOF") + 4, 1))
    assert {"garbage-after-eof": 1} == kinds(queue)


def test_garbage_where_the_next_message_would_go_is_found(queue: Path) -> None:
    end = RollFile(MESSAGES[:10], eof=False).data_end
    put(last_file(queue), end + 4, "<I", 0x41414141)
    assert {"garbage-after-data": 1} == kinds(queue)


def test_a_header_never_completed_is_found(queue: Path) -> None:
    end = RollFile(MESSAGES[:10], eof=False).data_end
    put(last_file(queue), end, "<I", 0x80000005)
    assert {"incomplete-header": 1} == kinds(queue)
    assert 310 == len(list(read_queue(queue)))


def slots(path: Path) -> int:
    """Offset of the first slot of the first index page."""
    data = path.read_bytes()
    header = cq5.parse_roll_header(data)
    (word,) = struct.unpack_from("<I", data, header.index2index)
    top = cq5.parse_index_page(data[header.index2index :][: 4 + (word & cq5.LENGTH_MASK)], header.index2index)
    return cq5.parse_index_page(data[top.slots[0] :][: (32 + 6) * 8], top.slots[0]).slots_offset


def test_a_slot_that_is_no_message_is_an_error(queue: Path) -> None:
    where = slots(first_file(queue)) + 8 * 3
    (right,) = struct.unpack_from("<q", first_file(queue).read_bytes(), where)
    put(first_file(queue), where, "<q", right + 4)
    report = verify(queue)
    assert (False, {"bad-slot": 1}, where) == (report.ok, dict(report.kinds), report.findings[0].offset)
    assert "message 12" in report.findings[0].message


def test_a_lost_slot_is_a_warning(queue: Path) -> None:
    put(first_file(queue), slots(first_file(queue)) + 8 * 3, "<q", 0)
    assert {"not-indexed": 1} == kinds(queue)
    assert verify(queue).ok


def test_a_slot_for_a_message_that_does_not_exist_is_an_error(queue: Path) -> None:
    put(last_file(queue), slots(last_file(queue)) + 8 * 5, "<q", 0x2000)
    assert {"bad-slot": 1, "used": 1, "last-index": 1} == kinds(queue)
    assert not verify(queue).ok


@pytest.mark.parametrize("value, ok", [(2, True), (99, False)])
def test_a_wrong_used_count_is_found(queue: Path, value: int, ok: bool) -> None:
    put(first_file(queue), slots(first_file(queue)) - 8, "<q", value)
    report = verify(queue)
    assert ({"used": 1}, ok) == (dict(report.kinds), report.ok)


@pytest.mark.parametrize("value, ok", [(0, True), (296, True), (304, False), (-1, True)])
def test_a_wrong_last_index_is_found(queue: Path, value: int, ok: bool) -> None:
    put(first_file(queue), header_of(first_file(queue)).last_index_offset, "<q", value)
    report = verify(queue)
    assert ({"last-index": 1}, ok) == (dict(report.kinds), report.ok)


def test_a_write_position_that_is_no_message_is_an_error(queue: Path) -> None:
    header = header_of(first_file(queue))
    put(first_file(queue), header.write_position_offset, "<q", header.write_position + 4)
    assert {"write-position": 1} == kinds(queue)
    assert not verify(queue).ok


@pytest.mark.parametrize("back", [1, 2])
def test_a_write_position_behind_the_last_message_is_a_warning(queue: Path, back: int) -> None:
    header = header_of(last_file(queue))
    offset = RollFile(MESSAGES[:10], eof=False).offsets[-1 - back]
    put(last_file(queue), header.write_position_offset, "<q", offset)
    put(last_file(queue), header.write_position_offset + 8, "<Q", offset << 32 | 9 - back)
    assert {"write-position": 1} == kinds(queue)
    assert verify(queue).ok


def test_a_write_position_of_zero_with_messages_is_a_warning(queue: Path) -> None:
    put(last_file(queue), header_of(last_file(queue)).write_position_offset, "<q", 0)
    assert {"write-position": 1} == kinds(queue)


@pytest.mark.parametrize("change_by, ok", [(1, False), (1 << 40, True)])
def test_a_wrong_sequence_word_is_found(queue: Path, change_by: int, ok: bool) -> None:
    header = header_of(last_file(queue))
    assert header.sequence_word is not None
    put(last_file(queue), header.write_position_offset + 8, "<Q", header.sequence_word + change_by)
    report = verify(queue)
    assert ({"sequence-word": 1}, ok) == (dict(report.kinds), report.ok)


def test_a_page_out_of_place_is_an_error(queue: Path) -> None:
    header = header_of(last_file(queue))
    put(last_file(queue), header.index2index_offset, "<q", header.index2index + 4)
    report = verify(queue)
    assert not report.ok
    assert "bad-page" in report.kinds


def test_no_index_at_all_is_a_warning(queue: Path) -> None:
    put(last_file(queue), header_of(last_file(queue)).index2index_offset, "<q", 0)
    report = verify(queue)
    assert report.kinds["no-index"] == 1
    assert report.kinds["orphan-page"] == 2


def test_a_document_beyond_the_file_is_an_error_and_ends_reading(queue: Path) -> None:
    offset = RollFile(MESSAGES[:10], eof=False).offsets[4]
    put(last_file(queue), offset, "<I", 0x3FFFFFFF)
    report = verify(queue)
    assert not report.ok
    assert report.kinds["bad-document"] == 1
    got: list[tuple[int, bytes, int]] = []
    with pytest.raises(CorruptError) as caught:
        got.extend(read_queue(queue))
    assert (str(last_file(queue)), offset) == (caught.value.path, caught.value.offset)


def test_a_file_without_a_first_header_is_passed_over(queue: Path) -> None:
    (queue / ROLL.file_name(FIRST_CYCLE + 3)).touch()
    report = verify(queue)
    assert {"not-ready": 1, "missing-eof": 1, "listing": 1} == dict(report.kinds)
    assert 310 == len(list(read_queue(queue)))


@pytest.mark.parametrize("name", ["20240305.cq4", "x.cq4", "99999999T4.cq4"])
def test_a_file_of_another_name_is_reported_and_not_read(queue: Path, name: str) -> None:
    shutil.copy(first_file(queue), queue / name)
    assert {"strange-file": 1} == kinds(queue)
    assert 310 == len(list(read_queue(queue)))


def test_a_pipe_or_directory_named_like_a_roll_file_is_damage(queue: Path) -> None:
    os.mkfifo(queue / ROLL.file_name(FIRST_CYCLE - 1))
    (queue / ROLL.file_name(FIRST_CYCLE - 2)).mkdir()
    report = verify(queue)
    assert report.kinds["damage"] == 2
    with pytest.raises(ChronixError):
        list(read_queue(queue))


def test_files_java_ignores_are_ignored(queue: Path) -> None:
    for name in ("20240307T4.cq4-1700000000000.discard", "20240309T4.precreated", "notes.txt"):
        (queue / name).write_bytes(b"\xff" * 100)
    assert verify(queue).clean


# --- the table store ---------------------------------------------------------------------------


def test_locks_that_are_held_are_reported(queue: Path) -> None:
    put(queue / "metadata.cq4t", key_offset(queue, "chronicle.write.lock"), "<q", 4711)
    put(queue / "metadata.cq4t", key_offset(queue, "chronicle.append.lock"), "<q", 7 << 32 | 12)
    report = verify(queue)
    assert {"locked": 2} == dict(report.kinds)
    assert "process 4711 " in report.findings[0].message
    assert "process 12 " in report.findings[1].message


@pytest.mark.parametrize("key", ["listing.highestCycle", "listing.lowestCycle"])
def test_a_listing_unlike_the_directory_is_reported(queue: Path, key: str) -> None:
    put(queue / "metadata.cq4t", key_offset(queue, key), "<q", FIRST_CYCLE + 1)
    assert {"listing": 1} == kinds(queue)


@pytest.mark.parametrize(
    "value, kind", [(-1, "tailer-position"), (ROLL.index(FIRST_CYCLE, 301), "tailer-position")]
    + [(ROLL.index(FIRST_CYCLE + 3, 0), "tailer-position"), (ROLL.index(FIRST_CYCLE + 1, 5), None), (0, None)]
    + [(ROLL.index(FIRST_CYCLE + 2, 10), None), (2**63 - 1, "tailer-position")],
)  # fmt: skip
def test_a_named_tailers_position_is_judged(queue: Path, value: int, kind: str | None) -> None:
    put(queue / "metadata.cq4t", key_offset(queue, "index.one"), "<q", value)
    assert ({kind: 1} if kind else {}) == kinds(queue)


def test_values_that_cannot_be_are_errors(queue: Path) -> None:
    put(queue / "metadata.cq4t", key_offset(queue, "chronicle.lastIndexMSynced"), "<q", -2)
    put(queue / "metadata.cq4t", key_offset(queue, "normalisedEOFsTo"), "<q", -5)
    put(queue / "metadata.cq4t", key_offset(queue, "listing.modCount"), "<q", -5)
    assert {"bad-value": 3} == kinds(queue)


def test_a_key_that_stands_twice_is_an_error(queue: Path) -> None:
    table = cq5.parse_table_store((queue / "metadata.cq4t").read_bytes())
    entry = cq5.table_entry.build({"key": "CHRONICLE.write.lock", "value": cq5.UNLOCKED}, base=table.stop)
    change(queue / "metadata.cq4t", lambda data: data.__setitem__(slice(table.stop, table.stop + len(entry)), entry))
    assert {"duplicate-key": 1} == kinds(queue)


def test_a_missing_key_is_a_warning(queue: Path) -> None:
    entries = keys(FIRST_CYCLE, FIRST_CYCLE + 2)
    del entries["listing.lowestCycle"]
    (queue / "metadata.cq4t").write_bytes(table_store(ROLL, entries))
    assert {"no-key": 1} == kinds(queue)


def test_a_ruined_table_store_is_found_and_the_files_are_checked(queue: Path) -> None:
    (queue / "metadata.cq4t").write_bytes(b"\xff" * 65_536)
    report = verify(queue)
    assert ({"damage": 1}, 310) == (dict(report.kinds), report.messages)
    with pytest.raises(CorruptError) as caught:
        list(read_queue(queue))
    assert str(queue / "metadata.cq4t") == caught.value.path


@pytest.mark.parametrize("content", [b"", bytes(65_536), b"\0\0\0\x80" + bytes(100)])
def test_a_table_store_whose_creator_died_is_a_warning_and_the_files_are_read(queue: Path, content: bytes) -> None:
    (queue / "metadata.cq4t").write_bytes(content)
    report = verify(queue)
    assert ({"not-ready": 1}, 310, True) == (dict(report.kinds), report.messages, report.ok)
    assert len(list(read_queue(queue))) == 310


def test_names_of_no_roll_cycle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.cq4").write_bytes(RollFile([b"a"]).data)
    report = verify(tmp_path)
    assert (False, 1) == (report.ok, report.kinds["unknown-roll-cycle"])
    with pytest.raises(UnsupportedFormatError):
        list(read_queue(tmp_path))


def test_what_is_no_queue_raises(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError):
        verify(tmp_path)
    with pytest.raises(NotFoundError):
        verify(tmp_path / "absent")
    with pytest.raises(NotFoundError):
        list(read_queue(tmp_path / "absent"))


def judge(queue: Path) -> Report:
    """Whatever the bytes, there is a report, and reading ends or raises ours."""
    report = verify(queue)
    try:
        for index, payload, offset in read_queue(queue):
            assert index >= 0
            assert offset > 0
            assert payload
    except ChronixError:
        pass
    return report


def test_any_flipped_byte_of_a_small_queue_is_survived(tmp_path: Path) -> None:
    roll = RollCycle.TEST_DAILY
    name = roll.file_name(5)
    sound = bytes(RollFile(MESSAGES[:20], roll=roll).data[:-4000])
    store = table_store(roll, keys(5, 5))[:1024]
    for target, data in ((name, sound), ("metadata.cq4t", store)):
        (tmp_path / name).write_bytes(sound)
        (tmp_path / "metadata.cq4t").write_bytes(store)
        for at in range(len(data)):
            flipped = data[:at] + bytes([data[at] ^ (1 << at % 8 | 0x80 * (at % 3 == 0))]) + data[at + 1 :]
            (tmp_path / target).write_bytes(flipped)
            judge(tmp_path)


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_to_a_larger_queue_is_survived(queue: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = [first_file(queue), last_file(queue), queue / "metadata.cq4t"]
    for _ in range(chance.choice([1, 3, 10, 100])):
        path = chance.choice(files)

        def edit(data: bytearray) -> None:
            at = chance.randrange(len(data))
            size = chance.choice([1, 4, 8, 64])
            data[at : at + size] = chance.randbytes(size)[: len(data) - at]
            if chance.random() < 0.1:
                del data[chance.randrange(len(data)) :]
                data += bytes(not data)

        change(path, edit)
    judge(queue)


def test_a_file_of_ones_is_survived_quickly(queue: Path) -> None:
    for word in (b"\x01\0\0\0\0\0\0\0", b"\x01\0\0\x40\0\0\0\0", b"\xff" * 8):
        sound = RollFile([], eof=False)
        body = bytes(sound.data[: sound.data_end]) + word * 500_000
        last_file(queue).write_bytes(body)
        start = time.perf_counter()
        report = verify(queue)
        assert time.perf_counter() - start < 5
        # Half a million metadata documents are odd, yet nothing forbids them.
        assert (word[3] == 0x40) == report.clean
        assert len(report.findings) < 500


# --- Java's own files --------------------------------------------------------------------------

ARCHIVES = sorted(FIXTURES.glob("*.tar.xz"))


def fixture_queues(archive: Path, home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The queues of an archive, unpacked, each with what Java said of it."""
    with tarfile.open(archive) as tar:
        tar.extractall(home, filter="data")
    expected = json.loads(lzma.decompress(archive.with_name(archive.name[:-7] + ".expected.json.xz").read_bytes()))
    for name, facts in expected["queues"].items():
        yield home / name, facts


def digest(messages: Sequence[tuple[int, bytes, int]]) -> str:
    sha = hashlib.sha256()
    for index, payload, _ in messages:
        sha.update(struct.pack("<qI", index, len(payload)))
        sha.update(payload)
    return sha.hexdigest()


def test_there_are_fixtures() -> None:
    assert ARCHIVES or not FIXTURES.exists(), f"{FIXTURES} is empty; run tests/java/make_fixtures.py"


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name[:-7])
def test_what_java_wrote_is_sound_and_read_as_java_reads_it(archive: Path, tmp_path: Path) -> None:
    for queue, facts in fixture_queues(archive, tmp_path):
        report = verify(queue)
        assert report.ok, str(report)
        # The only thing missing is what one fixture was made without.
        allowed = {"no-table-store"} if "metadata.cq4t" not in facts["files"] else set()
        assert set(report.kinds) <= allowed, str(report)
        messages = list(read_queue(queue))
        assert facts["count"] == len(messages) == report.messages
        shown = [[index, payload.hex()] for index, payload, _ in messages]
        if "sample" in facts:
            assert facts["sample"] == shown[:: max(1, len(messages) // 200)]
        else:
            assert facts["excerpts"] == shown
        assert facts["sha256"] == digest(messages)
        assert report.roll_cycle is not None
        assert facts["epoch_ms"] == report.roll_cycle.effective_epoch_ms(report.epoch_ms)
        assert {os.path.basename(cycle.path): cycle.size for cycle in report.cycles} == {
            name: size for name, size in facts["files"].items() if name.endswith(".cq4")
        }


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name[:-7])
def test_the_layouts_build_the_headers_that_java_wrote(archive: Path, tmp_path: Path) -> None:
    for queue, facts in fixture_queues(archive, tmp_path):
        for name in facts["files"]:
            data = (queue / name).read_bytes()
            layouts = table_layouts() if name.endswith(".cq4t") else roll_layouts()
            parsed = []
            for layout in layouts:
                with contextlib.suppress(construct.ConstructError):
                    fields = layout.parse(data)
                    parsed.append(layout.build(fields))
            assert parsed, f"{name}: no layout parses {data[:600].hex(' ')}"
            assert any(data.startswith(built) for built in parsed)


def roll_layouts() -> list[Any]:
    return [cq5.roll_header(release) for release in ("4.16", "5.16", "5.17", "5.19", "5.24", "fieldless")]


def table_layouts() -> list[Any]:
    return [
        cq5.table_header(release, roll_time=roll_time, roll_time_zone=roll_time)
        for release in ("4.16", "5.16", "5.17", "5.24", "5.27")
        for roll_time in (False, True)
    ]
