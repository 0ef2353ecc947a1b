"""Reads and checks a queue by specification, independently of the C core.

The decision hidden here is what a sound queue is. Everything is done with plain file reads and the layouts of
``formats``: no mapping, no lock, no store. That makes this module slow, and the judge of the fast one: tests compare
both, ``verify`` is what an operator runs on a queue he doubts.

Rules
- A queue at rest is judged. Beside a running writer, the figures it is just changing may give warnings.
- *error*: no sequence of appends, crashes and deletions leaves this behind; something wrote outside the protocol or
  the disk failed. *warning*: a writer died at a bad moment, a file was deleted, a process holds a lock; every reader
  copes. ``Report.ok`` allows warnings, ``Report.clean`` does not.
- Only ChronixError escapes, whatever the bytes. Every loop is bounded by the size of a file, findings by FINDINGS_MAX.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pychronix.chronicle3 import Chronicle3Settings, VanillaCycle
from pychronix.errors import (
    AccessError,
    ChronixError,
    CorruptError,
    NotFoundError,
    SystemCallError,
    UnsupportedFormatError,
)
from pychronix.formats import (
    DIRECTORY_LISTING,
    METADATA,
    Format,
    cq5,
    detect,
    indexed,
    indexed_path,
    roll_file_names,
    vanilla,
)
from pychronix.rolling import MAX_CYCLE, ROLL_CYCLES, RollCycle, shift_of_counts

__all__ = ["CycleReport", "Finding", "Report", "layout_of", "read_queue", "verify"]

ERROR = "error"
WARNING = "warning"

_PAGE_MIN = 80  # Eight slots and what stands before them; nothing shorter is remembered as a possible page.

FINDINGS_MAX = 200
"""Findings kept for each file; the rest are counted only, so that a ruined file gives a readable report."""

_NO_ROLL_CYCLE = "cannot tell the roll cycle from these file names"
_TABLE_MAX = 1 << 24
"""A table store is 64 or 128 KiB; a larger one is read no further than this."""


Chronicle3Layout = vanilla.Settings | indexed.Settings
"""What the files of a Chronicle 3 journal do not say; inferred where it is not given."""


def layout_of(settings: Chronicle3Settings) -> Chronicle3Layout:
    """What `verify` and `read_queue` want to know of a journal that was opened with these (``queue.chronicle3``)."""
    cycle = settings.cycle
    if not isinstance(cycle, VanillaCycle):
        return indexed.Settings(settings.line_bytes, settings.data_block_bytes)
    return vanilla.Settings(
        cycle.format,
        cycle.length_ms,
        cycle.entries,
        settings.index_block_bytes,
        settings.data_block_bytes,
        settings.thread_bits,
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    severity: str
    """"error" or "warning"."""
    kind: str
    """A short fixed name, such as "missing-eof" or "bad-slot"."""
    path: str
    offset: int | None
    message: str

    def __str__(self) -> str:
        where = self.path if self.offset is None else f"{self.path}:{self.offset:#x}"
        return f"{self.severity}: {where}: {self.message} [{self.kind}]"


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What was found in one roll file, one cycle directory (Vanilla), or a whole journal (Indexed)."""

    cycle: int
    path: str
    messages: int
    metadata: int
    """Metadata documents, the header included; padding entries of an Indexed journal."""
    index_pages: int
    """Pages of both kinds that are in use; index files; lines."""
    data_end: int
    """Offset of the first header that is not ready; bytes of all records; end of the last excerpt."""
    size: int
    """Of the roll file, or of all data files."""
    closed: bool
    """Whether it ends with an end-of-data marker, which Chronicle 3 does not have."""


@dataclass(slots=True)
class Report:
    """What ``verify`` found. ``ok``: no errors; ``clean``: no warnings either."""

    path: str
    format: Format
    roll_cycle: RollCycle | None = None
    epoch_ms: int = 0
    cycles: list[CycleReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """How often each kind was found, those beyond FINDINGS_MAX included."""
    settings: Chronicle3Layout | None = None
    """Of a Chronicle 3 journal: what it was read with."""

    @property
    def ok(self) -> bool:
        return not any(finding.severity == ERROR for finding in self.findings)

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def messages(self) -> int:
        return sum(cycle.messages for cycle in self.cycles)

    def __str__(self) -> str:
        errors = sum(finding.severity == ERROR for finding in self.findings)
        head = (
            f"{self.path}: {self.format.value}, {len(self.cycles)} cycles, {self.messages} messages, "
            f"{errors} errors, {len(self.findings) - errors} warnings"
        )
        return "\n".join([head, *map(str, self.findings)])


# --- files -----------------------------------------------------------------------------------------


class _File:
    """A file read by offset. Small reads are served from the last large one, which ``documents`` made."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._chunk = b""
        self._chunk_at = 0
        self._fd = -1
        with _system_calls(path):
            # Not to hang on a pipe that somebody named like a roll file.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise CorruptError("cannot read a queue's file: it is not a regular file", path=path)
        self.size = status.st_size

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        at = offset - self._chunk_at
        if 0 <= at and at + size <= len(self._chunk):
            return self._chunk[at : at + size]
        with _system_calls(self.path):
            data = os.pread(self._fd, size, offset)
            while len(data) < size and (more := os.pread(self._fd, size - len(data), offset + len(data))):
                data += more
        return data

    def read_chunk(self, offset: int, size: int) -> bytes:
        """As read, and kept for the small reads that follow."""
        with _system_calls(self.path):
            self._chunk, self._chunk_at = os.pread(self._fd, size, offset), offset
        return self._chunk


@contextmanager
def _system_calls(path: str) -> Iterator[None]:
    """Turns an OSError within into ours."""
    try:
        yield
    except FileNotFoundError as cause:
        raise NotFoundError("cannot read the file: it is gone", path=path) from cause
    except PermissionError as cause:
        raise AccessError("cannot read the file", path=path) from cause
    except OSError as cause:
        raise SystemCallError(f"cannot read the file: {cause.strerror}", path=path, errno=cause.errno) from cause


# --- what the directory says -----------------------------------------------------------------------


@dataclass(slots=True)
class _Queue:
    """A queue's directory, understood."""

    path: str
    format: Format
    roll: RollCycle | None
    epoch_ms: int
    files: list[tuple[int, str]]
    """(cycle, path) in order of cycles."""
    strange: list[str]
    """Names ending in .cq4 that no cycle has."""
    table: cq5.TableStore | None
    table_path: str
    table_damage: CorruptError | None
    table_pending: bool
    """Its first header was never published."""


def _open_queue(path: str | os.PathLike[str]) -> _Queue:
    path = os.fspath(path)
    form = detect(path)
    names = roll_file_names(path)
    table_path = os.path.join(path, METADATA if form is Format.CQ5 else DIRECTORY_LISTING)
    table: cq5.TableStore | None = None
    damage: CorruptError | None = None
    pending = False
    if os.path.lexists(table_path):
        try:
            with _File(table_path) as file:
                data = file.read(0, min(file.size, _TABLE_MAX))
                pending = int.from_bytes(data[:4], "little") in (0, cq5.NOT_COMPLETE)
                if not pending:
                    table = cq5.parse_table_store(data)
        except CorruptError as error:
            error.path = table_path
            damage = error
    settings = table.roll if table is not None else None
    roll: RollCycle | None = None
    epoch_ms = 0
    counts = _first_header(path, names)
    if settings is None and counts is not None:
        settings = counts.roll  # A v4 file carries its own.
    if settings is not None:
        epoch_ms = settings.epoch_ms
        try:
            roll = _roll_cycle(settings, counts)
        except UnsupportedFormatError as error:
            if damage is None:
                damage = CorruptError(error.message, path=table_path)
    if roll is None:
        roll = RollCycle.guess(names)
    files, strange = [], []
    for name in names:
        cycle = roll.cycle_of_file(name, epoch_ms) if roll is not None else None
        if cycle is None:
            strange.append(name)
        else:
            files.append((cycle, os.path.join(path, name)))
    return _Queue(path, form, roll, epoch_ms, sorted(files), strange, table, table_path, damage, pending)


def _roll_cycle(settings: cq5.RollSettings, header: cq5.RollHeader | None) -> RollCycle:
    if header is None:
        return RollCycle.of(settings.format, settings.length_ms)
    return RollCycle.of(
        settings.format, settings.length_ms, index_count=header.index_count, index_spacing=header.index_spacing
    )


def _first_header(path: str, names: Sequence[str]) -> cq5.RollHeader | None:
    """The header of the first roll file that has a readable one."""
    for name in names:
        try:
            with _File(os.path.join(path, name)) as file:
                return cq5.parse_roll_header(file.read(0, cq5.HEADER_MAX + 4))
        except ChronixError:
            continue
    return None


# --- reading ---------------------------------------------------------------------------------------


def read_queue(
    path: str | os.PathLike[str], settings: Chronicle3Layout | None = None
) -> Iterator[tuple[int, bytes, int]]:
    """(index, payload, offset of its header) of every message, in order: the oracle of the tests.

    A file that is still being created is passed over; a cycle without end-of-data marker does not stop the walk, as it
    would stop a tailer. Raises CorruptError at the first damage, after everything before it was given.

    Of Chronicle 3 journals the offset is that of the record's length (Vanilla) or of the payload (Indexed), in a data
    file; `settings` says what they do not (entries per cycle above all).
    """
    form = detect(path)
    if form is Format.VANILLA:
        yield from _read_vanilla(_open_vanilla(path, settings))
        return
    if form is Format.INDEXED:
        yield from _read_indexed(path, settings)
        return
    queue = _open_queue(path)
    if queue.table_damage is not None:
        raise queue.table_damage
    roll = queue.roll
    if roll is None:
        if queue.strange:
            raise UnsupportedFormatError(_NO_ROLL_CYCLE, path=queue.path, hint="are all *.cq4 files of one queue?")
        return
    for cycle, file_path in queue.files:
        try:
            with _File(file_path) as file:
                yield from _messages(file, roll, cycle)
        except CorruptError as error:
            error.path = error.path or file_path
            raise


def _messages(file: _File, roll: RollCycle, cycle: int) -> Iterator[tuple[int, bytes, int]]:
    head = file.read(0, cq5.HEADER_MAX + 4)
    if _not_ready(head):
        return
    index = roll.index(cycle, 0)
    read = file.read
    for offset, word in cq5.documents(file.read_chunk, file.size, padded=cq5.parse_roll_header(head).padded):
        if 0 < word < cq5.META_DATA:
            yield index, read(offset + 4, word), offset
            index += 1


def _not_ready(head: bytes) -> bool:
    """Whether a file's first header has not been published: it is being created, or its creator died."""
    word = int.from_bytes(head[:4], "little")
    return word == 0 or (word & cq5.NOT_COMPLETE != 0 and word != cq5.EOF)


# --- checking --------------------------------------------------------------------------------------


def verify(path: str | os.PathLike[str], settings: Chronicle3Layout | None = None) -> Report:
    """Checks every byte of a queue that has a meaning, and reports what is wrong.

    `settings` says of a Chronicle 3 journal what its files do not. Raises ChronixError only if there is nothing to
    check: no directory, no queue in it, no permission.
    """
    form = detect(path)
    if form is Format.VANILLA:
        return _VanillaCheck(_open_vanilla(path, settings)).report
    if form is Format.INDEXED:
        return _check_indexed(path, settings)
    queue = _open_queue(path)
    report = Report(queue.path, queue.format, queue.roll, queue.epoch_ms)
    roll = queue.roll
    if roll is None and queue.strange:
        _Notes(report, queue.path).error("unknown-roll-cycle", None, _NO_ROLL_CYCLE)
    for name in queue.strange:
        notes = _Notes(report, os.path.join(queue.path, name))
        notes.warning("strange-file", None, "no cycle of this queue has this name")
    for number, (cycle, file_path) in enumerate(queue.files):
        if roll is None:
            break
        notes = _Notes(report, file_path)
        try:
            with _File(file_path) as file:
                _RollFile(file, roll, notes).check(cycle, last=number == len(queue.files) - 1)
        except NotFoundError:
            notes.warning("vanished", None, "the file was deleted while it was to be checked")
        except ChronixError as error:
            notes.error("damage", error.offset, error.message)
    _check_table(queue, report)
    return report


class _Notes:
    """Findings about one file."""

    def __init__(self, report: Report, path: str) -> None:
        self._report, self._path, self._count = report, path, 0

    def _note(self, severity: str, kind: str, offset: int | None, message: str) -> None:
        self._report.kinds[kind] += 1
        self._count += 1
        if self._count <= FINDINGS_MAX:
            self._report.findings.append(Finding(severity, kind, self._path, offset, message))
        elif severity == ERROR and self._count > FINDINGS_MAX and self._report.ok:
            # The first error must not be lost behind warnings, or ``ok`` would lie.
            self._report.findings.append(Finding(severity, kind, self._path, offset, message))

    def error(self, kind: str, offset: int | None, message: str) -> None:
        self._note(ERROR, kind, offset, message)

    def warning(self, kind: str, offset: int | None, message: str) -> None:
        self._note(WARNING, kind, offset, message)

    def add(self, cycle: CycleReport) -> None:
        self._report.cycles.append(cycle)


class _RollFile:
    """One roll file under examination: a walk over all its documents, then a comparison with what it says of itself."""

    def __init__(self, file: _File, roll: RollCycle, notes: _Notes) -> None:
        self.file, self.roll, self.notes = file, roll, notes
        self.messages = 0
        self.indexed = array("q")
        """Offsets of the messages whose sequence is a multiple of the spacing."""
        self.metadata = 0
        """Number of metadata documents."""
        self.pages: dict[int, int] = {}
        """Offset and length of each metadata document that could be an index page."""
        self.last_message = 0
        self.position_sequence: int | None = None
        """Sequence of the message that writePosition points at."""
        self.used_pages: set[int] = set()

    def check(self, cycle: int, *, last: bool) -> None:
        file, notes = self.file, self.notes
        head = file.read(0, cq5.HEADER_MAX + 4)
        if _not_ready(head):
            notes.warning("not-ready", 0, "the first header was never published: the file is being created or debris")
            notes.add(CycleReport(cycle, file.path, 0, 0, 0, 0, file.size, False))
            return
        header: cq5.RollHeader | None = None
        end, ending = 0, 0
        try:
            header = cq5.parse_roll_header(head)
            end, ending = self._walk(header)
            self._check_end(end, ending, header.padded, last=last)
            self._check_positions(header)
            self._check_index(header)
        finally:
            notes.add(
                CycleReport(
                    cycle,
                    file.path,
                    self.messages,
                    self.metadata,
                    len(self.used_pages),
                    end,
                    file.size,
                    ending == cq5.EOF,
                )
            )

    def _walk(self, header: cq5.RollHeader) -> tuple[int, int]:
        """Counts and places all documents; where they end, and with which word."""
        spacing_mask = header.index_spacing - 1
        write_position = header.write_position
        indexed, meta_flag = self.indexed, cq5.META_DATA
        sequence = -1  # Of the last message.
        offset, word = 0, 0
        last_message = 0
        try:
            for offset, word in cq5.documents(self.file.read_chunk, self.file.size, padded=header.padded):
                if word >= meta_flag:
                    if word < cq5.NOT_COMPLETE:
                        self.metadata += 1
                        if word & cq5.LENGTH_MASK >= _PAGE_MIN:
                            self.pages[offset] = word & cq5.LENGTH_MASK
                elif word:
                    sequence += 1
                    last_message = offset
                    if not sequence & spacing_mask:
                        indexed.append(offset)
                    if offset == write_position:
                        self.position_sequence = sequence
        except CorruptError as error:
            self.notes.error("bad-document", error.offset, error.message)
            offset, word = error.offset or 0, -1
        self.messages, self.last_message = sequence + 1, last_message
        return offset, word

    def _check_end(self, end: int, ending: int, padded: bool, *, last: bool) -> None:
        notes = self.notes
        if ending == -1:
            return
        if padded and end % 4:
            notes.error("unaligned", end, "a document does not start at a multiple of 4")
        after = self.file.read(end + 4, 64)
        if ending == cq5.EOF:
            if after.startswith(b"\xc3EOF"):
                after = after[4:]
            if any(after[:8]):
                notes.warning("garbage-after-eof", end + 4, "the bytes after the end-of-data marker are not zero")
        elif ending:
            notes.warning("incomplete-header", end, f"the data end at a header that was never completed: {ending:#x}")
        else:
            if any(self.file.read(end, 4)):
                notes.warning("cut-off", end, "the file ends within a header")
            if any(after[:4]):  # Header and these are the 8 bytes that a writer zeroes (2.2).
                notes.warning("garbage-after-data", end + 4, "the bytes after the data are not zero")
            if not last:
                notes.warning("missing-eof", end, "a past cycle has no end-of-data marker; tailers wait there for ever")

    def _check_positions(self, header: cq5.RollHeader) -> None:
        """writePosition and the sequence word (5.4)."""
        notes, position, at = self.notes, header.write_position, header.write_position_offset
        word = header.sequence_word
        if at % 8 or (word is not None and at % 16):
            notes.error("unaligned", at, "writePosition is not aligned")
        for where in (header.index2index_offset, header.last_index_offset):
            if where % 8:
                notes.error("unaligned", where, "a bound value of the header is not aligned")
        if position == 0:
            if self.messages:
                notes.warning("write-position", at, f"writePosition is 0, the file has {self.messages} messages")
            elif word:
                notes.error("sequence-word", at + 8, f"the sequence word is {word:#x} without a message")
            return
        if self.position_sequence is None:
            notes.error("write-position", at, f"writePosition {position:#x} is not the header of a message")
            return
        if position != self.last_message:
            behind = self.messages - 1 - self.position_sequence
            notes.warning("write-position", at, f"writePosition is {behind} messages behind the last")
        if word is None:
            return
        # The creator's shift comes from the roll cycle, everybody else's from the file's counts (5.4).
        shifts = {shift_of_counts(header.index_count, header.index_spacing), self.roll.shift}
        expected = {
            (position << shift | self.position_sequence & (1 << shift) - 1) & 2**64 - 1: shift for shift in shifts
        }
        if word in expected:
            return
        if any(word >> shift == (position << shift & 2**64 - 1) >> shift for shift in shifts):
            found = word & (1 << min(shifts)) - 1
            notes.error("sequence-word", at + 8, f"it says {found}, the message is number {self.position_sequence}")
        else:
            notes.warning("sequence-word", at + 8, f"{word:#x} does not belong to writePosition {position:#x}")

    # The index.

    def _page(self, offset: int, event: str, header: cq5.RollHeader, slot: int) -> cq5.IndexPage | None:
        """The index page at an offset, if there is a sound one."""
        notes = self.notes
        length = self.pages.get(offset)
        if length is None:
            notes.error("bad-page", slot, f"{offset:#x} is not the header of an index page")
            return None
        try:
            page = cq5.parse_index_page(self.file.read(offset, 4 + length), offset)
        except CorruptError as error:
            notes.error("bad-page", error.offset, error.message)
            return None
        if page.event != event:
            notes.error("bad-page", offset, f"expected a page {event}, found {page.event}")
            return None
        if page.slots_offset % 8:
            notes.error("unaligned", page.slots_offset, "the slots are not aligned")
        if page.capacity != header.index_count:
            notes.error("bad-page", offset, f"{page.capacity} slots, indexCount is {header.index_count}")
            return None
        return page

    def _check_used(self, page: cq5.IndexPage, highest: int) -> None:
        """``used`` is the highest slot set, plus one; a writer may die between the two stores."""
        if page.used < highest + 1:
            self.notes.warning("used", page.slots_offset - 8, f"used is {page.used}, slot {highest} is set")
        elif page.used > highest + 1:
            self.notes.error("used", page.slots_offset - 8, f"used is {page.used}, the last slot set is {highest}")

    def _check_index(self, header: cq5.RollHeader) -> None:
        notes, count, spacing = self.notes, header.index_count, header.index_spacing
        highest_indexed = -1  # In units of the spacing.
        if header.index2index == 0:
            if self.messages:
                notes.warning("no-index", header.index2index_offset, "there is no index")
        elif (top := self._page(header.index2index, "index2index", header, header.index2index_offset)) is not None:
            self.used_pages.add(header.index2index)
            highest_page = -1
            for number, offset in enumerate(top.slots):
                entries = self.indexed[number * count : (number + 1) * count]
                if offset == 0:
                    if entries:
                        notes.warning("not-indexed", top.slots_offset + 8 * number, f"page {number} is missing")
                    continue
                highest_page = number
                if offset in self.used_pages:
                    notes.error("bad-page", top.slots_offset + 8 * number, f"the page at {offset:#x} is used twice")
                    continue
                self.used_pages.add(offset)
                page = self._page(offset, "index", header, top.slots_offset + 8 * number)
                if page is not None:
                    slot = self._check_slots(page, entries, number * count * spacing, spacing)
                    if slot >= 0:
                        highest_indexed = number * count + slot
            self._check_used(top, highest_page)
        if len(self.indexed) > count * count:
            notes.warning("cycle-full", None, f"the index holds {count * count * spacing} of {self.messages} messages")
        expected = 0 if highest_indexed < 0 else (highest_indexed + 1) * spacing
        if header.last_index < expected:
            notes.warning("last-index", header.last_index_offset, f"lastIndex is {header.last_index}, not {expected}")
        elif header.last_index > expected:
            notes.error("last-index", header.last_index_offset, f"lastIndex is {header.last_index}, not {expected}")
        self._check_orphans()

    def _check_slots(self, page: cq5.IndexPage, entries: Sequence[int], first: int, spacing: int) -> int:
        """Compares a page's slots with where the messages are; the highest slot that is set, or -1."""
        slots = page.slots
        wanted = (*entries, *(0,) * (len(slots) - len(entries)))
        if slots == wanted:
            highest = len(entries) - 1
        else:
            highest = -1
            for number, (found, right) in enumerate(zip(slots, wanted, strict=True)):
                if found:
                    highest = number
                if found == right:
                    continue
                where, sequence = page.slots_offset + 8 * number, first + number * spacing
                if found == 0:
                    self.notes.warning("not-indexed", where, f"message {sequence} is not in the index")
                elif right == 0:
                    self.notes.error("bad-slot", where, f"{found:#x} for message {sequence}, which does not exist")
                else:
                    self.notes.error("bad-slot", where, f"{found:#x} for message {sequence}, which is at {right:#x}")
        self._check_used(page, highest)
        return highest

    def _check_orphans(self) -> None:
        """Pages that a writer published but died before using."""
        for offset in self.pages:
            if offset and offset not in self.used_pages:
                event = cq5.index_event(self.file.read(offset + 4, 16))
                if event is not None:
                    self.notes.warning("orphan-page", offset, f"this page {event} is not in use")


# --- the table store ---------------------------------------------------------------------------------

_LOCKS = ("chronicle.write.lock", "chronicle.append.lock")
_REPLICATION = (
    "chronicle.lastindexreplicated",
    "chronicle.lastacknowledgedindexreplicated",
    "chronicle.lastindexmsynced",
)


def _check_table(queue: _Queue, report: Report) -> None:
    notes = _Notes(report, queue.table_path)
    if queue.table_damage is not None:
        notes.error("damage", queue.table_damage.offset, queue.table_damage.message)
        return
    table = queue.table
    if queue.table_pending:
        notes.warning(
            "not-ready", 0, "the first header was never published: the table store is being created or debris"
        )
        return
    if table is None:
        notes.warning("no-table-store", None, "there is no table store; readers list the directory, writers add one")
        return
    seen: dict[str, int] = {}
    for entry in table.entries:
        key = entry.key.lower()  # Java compares keys without regard to case.
        if key in seen:
            notes.error("duplicate-key", entry.document, f"key {entry.key} stands at {seen[key]:#x}, too")
        seen.setdefault(key, entry.document)
        if entry.offset % 8:
            notes.error("unaligned", entry.offset, f"the value of {entry.key} is not aligned")
        if entry.document >= 65_536:
            notes.warning("key-too-far", entry.document, f"Java never creates a key there: {entry.key}")
        if key in _LOCKS or (key.startswith("index.") and key.endswith(".lock")):
            if entry.value != cq5.UNLOCKED:
                holder = entry.value & 0xFFFF_FFFF
                notes.warning("locked", entry.offset, f"{entry.key} is held by process {holder} ({entry.value:#x})")
        elif key in _REPLICATION or (key.startswith("index.replicated:") and key.endswith(".version")):
            if entry.value < -1:
                notes.error("bad-value", entry.offset, f"{entry.key} is {entry.value}")
        elif key.startswith("index."):
            _check_tailer(queue, report, notes, entry)
    values = table.values()
    offsets = {entry.key.lower(): entry.offset for entry in reversed(table.entries)}
    cycles = {cycle.cycle: cycle for cycle in report.cycles}
    if queue.format is Format.CQ5 and queue.roll is not ROLL_CYCLES["WEEKLY"]:
        # Java reads WEEKLY's names back wrongly, so its listing says nothing (6.3).
        low, high = (min(cycles), max(cycles)) if cycles else (cq5.NO_LOWEST_CYCLE, cq5.NO_HIGHEST_CYCLE)
        for key, right in (("listing.lowestcycle", low), ("listing.highestcycle", high)):
            value = values.get(key)
            if value is None:
                notes.warning("no-key", None, f"key {key} is missing")
            elif _to_int(value) != right and not (value == cq5.LISTING_UNSET and not cycles):
                notes.warning("listing", offsets[key], f"{key} is {_to_int(value)}, the directory says {right}")
    if values.get("listing.modcount", 0) < 0 and values["listing.modcount"] != cq5.LISTING_UNSET:
        notes.error("bad-value", offsets["listing.modcount"], f"listing.modCount is {values['listing.modcount']}")
    normalised = values.get("normalisedeofsto")
    if normalised is not None:
        where = offsets["normalisedeofsto"]
        if not 0 <= normalised <= MAX_CYCLE:
            notes.error("bad-value", where, f"normalisedEOFsTo is {normalised}, not a cycle")
        for cycle in report.cycles:
            if cycle.cycle < normalised and not cycle.closed and cycle.data_end:
                notes.warning("not-normalised", where, f"normalisedEOFsTo is {normalised}, cycle {cycle.cycle} is open")


def _to_int(value: int) -> int:
    """As Java narrows a long to an int."""
    return struct.unpack("<i", struct.pack("<q", value)[:4])[0]  # type: ignore[no-any-return]


def _check_tailer(queue: _Queue, report: Report, notes: _Notes, entry: cq5.TableEntry) -> None:
    """A named tailer's position is the index to read next; 0 is the start."""
    name, index, roll = entry.key, entry.value, queue.roll
    if index < 0:
        notes.error("tailer-position", entry.offset, f"{name} is {index}, not an index")
        return
    if index == 0 or roll is None:
        return
    try:
        cycle = roll.cycle_of(index)
    except ChronixError as error:
        notes.error("tailer-position", entry.offset, f"{name} is {index:#x}: {error.message}")
        return
    sequence = roll.sequence_of(index)
    for known in report.cycles:
        if known.cycle == cycle:
            if sequence > known.messages:
                notes.warning("tailer-position", entry.offset, f"{name} is at {sequence} of {known.messages} messages")
            return
    if report.cycles and cycle > report.cycles[-1].cycle:
        notes.warning("tailer-position", entry.offset, f"{name} is at cycle {cycle}, beyond the last")


# --- Vanilla journals ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Vanilla:
    """A Vanilla journal's directories, understood."""

    path: str
    settings: vanilla.Settings
    cycles: list[tuple[int, str, vanilla.Files]]
    """(cycle, directory relative to the journal, its files) in order of cycles; the directories Java looks into."""
    strange: list[str]
    """Leaf directories that are none of these."""


def _open_vanilla(path: str | os.PathLike[str], settings: Chronicle3Layout | None) -> _Vanilla:
    path = os.fspath(path)
    if settings is not None and not isinstance(settings, vanilla.Settings):
        raise TypeError("a Vanilla journal is read with vanilla.Settings")
    leaves = [(name, vanilla.Files.of(os.path.join(path, name))) for name in vanilla.leaf_directories(path)]
    used = [(name, files) for name, files in leaves if files.any]

    def slots(name: str, number: int) -> list[int]:
        with _File(os.path.join(path, name, f"index-{number}")) as file:
            return [value for _, value in vanilla.slots_of(file.read, file.size // vanilla.SLOT_SIZE)]

    settings = vanilla.infer([name for name, _ in used], [files for _, files in used], slots, settings)
    cycles, strange = [], []
    for name, files in leaves:
        cycle = settings.cycle_of(name)
        if cycle is not None and settings.name_of(cycle) == name:
            cycles.append((cycle, name, files))
        else:
            strange.append(name)
    return _Vanilla(path, settings, sorted(cycles, key=lambda found: found[0]), strange)


class _DataFiles:
    """A cycle's data files, some of them open."""

    def __init__(self, directory: str, block: int) -> None:
        self.directory, self.block = directory, block
        self._open: dict[tuple[int, int], _File] = {}

    def __enter__(self) -> _DataFiles:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1].__exit__()

    def path(self, slot: vanilla.Slot) -> str:
        return os.path.join(self.directory, f"data-{slot.thread_id}-{slot.file}")

    def payload(self, slot: vanilla.Slot) -> bytes | None:
        """The record a slot names, None if it was not committed; raises CorruptError with the data file's path."""
        key = slot.thread_id, slot.file
        try:
            file = self._open.get(key)
            if file is None:
                if len(self._open) == 64:
                    self._open.pop(next(iter(self._open))).__exit__()
                file = self._open[key] = _File(self.path(slot))
            return vanilla.payload_at(file.read, slot.offset, self.block)
        except NotFoundError as cause:
            raise CorruptError("cannot read a record: there is no such data file", path=self.path(slot)) from cause
        except CorruptError as error:
            error.path = error.path or self.path(slot)
            raise


def _read_vanilla(journal: _Vanilla) -> Iterator[tuple[int, bytes, int]]:
    """As a Java tailer: a cycle ends at the first slot that is 0 or names a record without a length (2.11)."""
    settings = journal.settings
    for cycle, name, files in journal.cycles:
        directory = os.path.join(journal.path, name)
        with _DataFiles(directory, settings.data_block) as data:
            for expected, (sequence, value) in enumerate(_vanilla_slots(settings, directory, files)):
                slot = settings.slot(value)
                payload = data.payload(slot) if sequence == expected else None
                if payload is None:
                    break
                yield cycle * settings.entries + sequence, payload, slot.offset - vanilla.LENGTH_SIZE


def _vanilla_slots(settings: vanilla.Settings, directory: str, files: vanilla.Files) -> Iterator[tuple[int, int]]:
    """(sequence within the cycle, value) of every slot that was written, in order."""
    for number in sorted(files.index):
        with _File(os.path.join(directory, f"index-{number}")) as file:
            for slot, value in vanilla.slots_of(file.read, settings.slots):
                yield number * settings.slots + slot, value


class _VanillaCheck:
    """A Vanilla journal under examination."""

    def __init__(self, journal: _Vanilla) -> None:
        self.journal, self.settings = journal, journal.settings
        self.report = Report(journal.path, Format.VANILLA, settings=journal.settings)
        for name in journal.strange:
            notes = _Notes(self.report, os.path.join(journal.path, name))
            if self.settings.cycle_of(name) is None:
                notes.warning("strange-directory", None, "its name is no date of this journal's cycles")
            else:
                cycle = self.settings.cycle_of(name)
                notes.warning("strange-directory", None, f"Java takes it for cycle {cycle}, and does not look into it")
        for number, (cycle, name, files) in enumerate(journal.cycles):
            try:
                self._check_cycle(cycle, os.path.join(journal.path, name), files, number == len(journal.cycles) - 1)
            except NotFoundError as error:
                _Notes(self.report, error.path or name).warning("vanished", None, "it was deleted while it was checked")

    def _check_cycle(self, cycle: int, directory: str, files: vanilla.Files, last: bool) -> None:
        settings, notes = self.settings, _Notes(self.report, directory)
        self._check_files(directory, files, notes, last)
        used: dict[tuple[int, int], list[tuple[int, int, int]]] = {key: [] for key in files.data}
        messages = expected = 0
        indexes = {number: _Notes(self.report, os.path.join(directory, f"index-{number}")) for number in files.index}
        with _DataFiles(directory, settings.data_block) as data:
            for sequence, value in _vanilla_slots(settings, directory, files):
                number, slot = divmod(sequence, settings.slots)
                where, offset = indexes[number], slot * vanilla.SLOT_SIZE
                index = cycle * settings.entries + sequence
                if sequence != expected:
                    missing = sequence - expected
                    where.error(
                        "hole", offset, f"{missing} slots before that of {index:#x} are 0: they hide what follows"
                    )
                expected = sequence + 1
                messages += self._check_record(data, settings.slot(value), index, where, offset, used)
        for key, records in used.items():
            self._check_overlaps(_Notes(self.report, os.path.join(directory, f"data-{key[0]}-{key[1]}")), records)
        notes.add(
            CycleReport(
                cycle, directory, messages, 0, len(files.index),
                sum(stop - start for records in used.values() for start, stop, _ in records),
                sum(files.data.values()), False,
            )
        )  # fmt: skip

    def _check_files(self, directory: str, files: vanilla.Files, notes: _Notes, last: bool) -> None:
        if not files.index:
            if last:
                notes.warning(
                    "no-index", None, "the newest cycle has no index file: Java's lastIndex() is -1, toEnd() the start"
                )
            elif files.data:
                notes.warning("no-index", None, "there are data files and no index file: nothing was committed")
        for number in range(max(files.index, default=-1)):
            if number not in files.index:
                notes.error("no-index-file", None, f"index-{number} is missing, index-{max(files.index)} is not")
                break
        for name in files.strange:
            if name.startswith(("index-", "data-")):
                notes.error("strange-file", None, f"Java cannot read the number in {name} and throws")
            else:
                notes.warning("strange-file", None, f"{name} is no file of a journal")
        blocks = [(f"index-{number}", size, self.settings.index_block) for number, size in files.index.items()]
        blocks += [(f"data-{a}-{b}", size, self.settings.data_block) for (a, b), size in files.data.items()]
        for name, size, block in blocks:
            if size != block:
                kind = "short-file" if size < block else "long-file"
                found = _Notes(self.report, os.path.join(directory, name))
                found.warning(kind, None, f"it has {size} bytes, a block has {block}")

    def _check_record(
        self,
        data: _DataFiles,
        slot: vanilla.Slot,
        index: int,
        where: _Notes,
        offset: int,
        used: dict[tuple[int, int], list[tuple[int, int, int]]],
    ) -> int:
        """Whether a slot names a sound record; 1 or 0."""
        try:
            payload = data.payload(slot)
        except CorruptError as error:
            known = (slot.thread_id, slot.file) in used
            kind = "bad-record" if known else "no-data-file"
            name = f"data-{slot.thread_id}-{slot.file}"
            where.error(kind, offset, f"{index:#x} is at {slot.offset:#x} of {name}: {error.message}")
            return 0
        if payload is None:
            where.error("no-length", offset, f"the record of {index:#x} was not committed: it hides what follows")
            return 0
        if slot.offset % 4:
            where.warning("unaligned", offset, f"the record of {index:#x} is at {slot.offset:#x}: not Java's writing")
        used[slot.thread_id, slot.file].append((slot.offset - vanilla.LENGTH_SIZE, slot.offset + len(payload), index))
        return 1

    @staticmethod
    def _check_overlaps(notes: _Notes, records: list[tuple[int, int, int]]) -> None:
        if not records:
            notes.warning("unused", None, "no slot names a record of this file: its writer committed nothing")
        records.sort()
        for (start, stop, index), (next_start, _, next_index) in zip(records, records[1:], strict=False):
            if next_start == start:
                notes.error("doubled", start, f"{index:#x} and {next_index:#x} are the same record")
            elif next_start < stop:
                notes.error("overlap", next_start, f"{next_index:#x} begins within {index:#x}, which ends at {stop:#x}")


# --- Indexed journals ------------------------------------------------------------------------------------------------


def _indexed_layout(path: str | os.PathLike[str], index: _File, settings: Chronicle3Layout | None) -> indexed.Settings:
    if settings is None:
        return indexed.Settings(indexed.infer_line(index.read, index.size))
    if not isinstance(settings, indexed.Settings):
        raise TypeError("an Indexed journal is read with indexed.Settings")
    return settings


def _read_indexed(path: str | os.PathLike[str], settings: Chronicle3Layout | None) -> Iterator[tuple[int, bytes, int]]:
    base = indexed_path(path) or os.fspath(path)
    with _File(base + ".index") as index, _File(base + ".data") as data:
        line_size = _indexed_layout(path, index, settings).line_size
        try:
            for entry in indexed.entries_of(index.read, index.size - index.size % line_size, line_size):
                if entry.padding:
                    continue
                if entry.stop > data.size:
                    raise CorruptError(
                        f"cannot read excerpt {entry.number}: it ends at {entry.stop}, the file has {data.size} bytes",
                        path=data.path,
                        offset=entry.start,
                    )
                yield entry.number, data.read(entry.start, entry.stop - entry.start), entry.start
        except CorruptError as error:
            error.path = error.path or index.path
            raise


def _check_indexed(path: str | os.PathLike[str], settings: Chronicle3Layout | None) -> Report:
    base = indexed_path(path) or os.fspath(path)
    report = Report(base, Format.INDEXED)
    with _File(base + ".index") as index, _File(base + ".data") as data:
        layout = _indexed_layout(path, index, settings)
        report.settings = layout
        notes, data_notes = _Notes(report, index.path), _Notes(report, data.path)
        line_size, size = layout.line_size, index.size - index.size % layout.line_size
        if index.size % 4096:
            notes.warning(
                "odd-size", size, f"it has {index.size} bytes, Java's has whole blocks: reopening it finds no end"
            )
        messages = padding = end = numbers = 0
        crossing: list[indexed.Entry] = []
        block = layout.data_block
        try:
            # Padding ends where a block does, so all paddings together bound the block from above. Of at most a byte
            # they may be ours, which only take a number (native/FORMATS.md, I-5).
            if block is None:
                entries = indexed.entries_of(index.read, size, line_size)
                block = math.gcd(data.size, *(e.stop for e in entries if e.padding and e.stop - e.start > 1))
        except CorruptError:
            block = 0  # Told below.
        try:
            for entry in indexed.entries_of(index.read, size, line_size):
                numbers, end = entry.number + 1, entry.stop
                if entry.stop > data.size:
                    data_notes.error(
                        "beyond-data", entry.start, f"excerpt {entry.number} ends at {entry.stop} of {data.size} bytes"
                    )
                elif entry.padding:
                    padding += 1
                    if layout.data_block and entry.stop % layout.data_block and entry.stop - entry.start > 1:
                        notes.error(
                            "bad-padding", entry.offset, f"padding {entry.number} ends within a block, at {entry.stop}"
                        )
                else:
                    messages += 1
                    if block and entry.stop > entry.start and entry.start // block != (entry.stop - 1) // block:
                        crossing.append(entry)
            rest = indexed.remains(index.read, size, line_size, numbers)
            if rest is not None:
                notes.error("hole", rest, f"entry {numbers} is not written, something behind it is")
        except CorruptError as error:
            notes.error("damage", error.offset, error.message)
        for entry in crossing:
            data_notes.error("crosses-block", entry.start, f"excerpt {entry.number} crosses a multiple of {block}")
        lines = -(-numbers // indexed.entries_per_line(line_size))
        report.cycles.append(CycleReport(0, data.path, messages, padding, lines, end, data.size, False))
    return report
