"""A Java tailer and ours over the same directory, doing the same things: where do they differ?

A case is a seed, and from it a list of operations (plain tuples, so that a failing one can be printed, pasted and
shortened). `play` runs a list and gives the first `Difference`. Cycles count from the first clock's.

    ("append", who, count, size)   who is "java" or "ours"; sizes vary from message to message
    ("meta", who)                  a user's metadata document (in a new cycle: a roll file without messages)
    ("clock", cycles)              moves the clock of both
    ("drop_eof", cycle)            takes a cycle's end-of-data marker away, as if its writer had died
    ("open", name)                 opens the pair of tailers; name is None for unnamed ones
    ("read", n) ("read_meta", n)   reads up to n documents, comparing each
    ("start",) ("end",) ("index", cycle, sequence) ("raw_index", index) ("cycle", cycle)
    ("direction", "FORWARD") ("striding", True)
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fix_java import JavaError, JavaPeer

import pychronix as px

Op = tuple[Any, ...]

BASE_MS = 19_787 * 86_400_000 + 38_262_500
BLOCK = 1 << 16
EOF = 0xC0000000
JAVA_NO_CYCLE = -(1 << 31)


class Seen(NamedTuple):
    """What an operation gave: its own result, then where the tailer stands."""

    result: object
    index: int  # type: ignore[assignment]
    cycle: int
    state: str
    direction: str

    def __str__(self) -> str:
        index = f"{self.index >> 32}:{self.index & 0xFFFFFFFF:#x}" if self.index > 1 << 32 else str(self.index)
        return f"{self.result!r:<44} index {index}, cycle {self.cycle}, {self.state}, {self.direction}"


class Difference(NamedTuple):
    """Where two tailers parted: after ``step`` (the number of an operation)."""

    step: int
    op: Op
    before: Seen
    java: Seen
    ours: Seen
    complaint: str = ""

    def __str__(self) -> str:
        lines = (f"step {self.step}, {self.op} {self.complaint}", f"  before {self.before}", f"  java   {self.java}")
        return "\n".join((*lines, f"  ours   {self.ours}"))


class Pair:
    """A directory, both libraries' queues over it, and at most one tailer of each."""

    def __init__(self, java: JavaPeer, directory: Path, roll: str = "TEST4_DAILY") -> None:
        self.directory = directory
        self.now_ms = BASE_MS
        self.java_queue = java.open(directory, roll=roll, block_size=BLOCK, clock_ms=self.now_ms, timeout_ms=1000)
        self.queue = px.open_queue(
            directory, "a", roll=roll, block_size_bytes=BLOCK, timeout_ms=1000, clock=lambda: self.now_ms * 1_000_000
        )
        self.java_appender = self.java_queue.appender()
        self.appender = self.queue.appender()
        self.base_cycle = self.queue.cycle_at(BASE_MS)
        self.counter = 0
        self.was_none = False  # Turned from NONE to FORWARD, and not moved since.
        self.name: str | None = None
        self.tailers = 0
        self.tailer = self.queue.tailer()
        self.java_tailer = self.java_queue.tailer()

    def close(self) -> None:
        self.java_queue.close()
        self.queue.close()

    def open(self, name: str | None) -> None:
        """A tailer of each. With a name, each has one of its own, since two of one name share their position."""
        self.was_none = False
        self.tailers += 1
        self.name = name and f"{name}{self.tailers}"  # Never one that stands somewhere already.
        self.tailer.close()
        self.java_tailer.close()
        self.tailer = self.queue.tailer(self.name and self.name + "-ours")
        self.java_tailer = self.java_queue.tailer(self.name and self.name + "-java")

    def note(self, op: Op, before: Seen) -> None:
        """Remembers what `excuse` has to know of the past. Called before an operation of the tailers."""
        if op[0] == "direction":
            self.was_none = op[1] == "FORWARD" and (before.direction == "NONE" or self.was_none)
        elif op[0] in ("start", "end", "cycle", "index", "raw_index"):
            self.was_none = False

    def payload(self, size: int) -> bytes:
        self.counter += 1
        return (b"%d " % self.counter).ljust(1 + size * self.counter % 97, b"x")

    def index(self, cycle: int, sequence: int) -> int:
        return self.queue.index(self.base_cycle + cycle, sequence)

    def stored(self) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """What is in the table store for the named tailers: position, and version where there is one; Java's, ours."""
        table = self.queue.table_store
        keys = ("index.%s-%s", "index.%s-%s.version")
        java, ours = (tuple(table.get(key % (self.name, who)) for key in keys) for who in ("java", "ours"))
        return java, ours

    def is_empty(self, cycle: int) -> bool:
        """Whether a cycle has a roll file without messages."""
        return any(known.number == cycle and known.count == 0 for known in self.queue.cycles())

    def is_at_header(self, seen: Seen) -> bool:
        """Whether that is the first message of a cycle, or what comes before it."""
        return seen.index & 0xFFFFFFFF == 0

    def skipped_by_java(self, before: Seen, java: Seen, ours: Seen) -> bool:
        """Whether ours read the last message before an empty cycle, and Java the one before that, or none."""
        if not self.is_empty(before.cycle) and before.state != "CYCLE_NOT_FOUND":
            return False
        return java.result is None or java.index < ours.index

    def ours(self, result: object = None) -> Seen:
        tailer = self.tailer
        cycle = JAVA_NO_CYCLE if tailer.cycle is None else tailer.cycle
        return Seen(result, tailer.index, cycle, tailer.state.name, tailer.direction.name)

    def java(self, result: object = None) -> Seen:
        return Seen(result, *self.java_tailer.where())

    # Operations on the queue.

    def change(self, op: Op) -> bool:
        """Does an operation that is not a tailer's; whether it was one."""
        kind = op[0]
        if kind == "append":
            payloads = [self.payload(op[3]) for _ in range(op[2])]
            if op[1] == "java":
                self.java_appender.append_many(payloads)
            else:
                self.appender.append_many(payloads)
        elif kind == "meta":
            if op[1] == "java":
                self.java_appender.append_meta(b"meta by java")
            else:
                with self.appender.writing(meta=True) as excerpt:
                    excerpt.write(b"meta by us")
        elif kind == "clock":
            self.now_ms += op[1] * self.queue.roll_cycle.length_ms
            self.java_queue.set_clock(self.now_ms)
        elif kind == "drop_eof":
            drop_eof(self.directory / self.queue.file_name(self.base_cycle + op[1]))
        elif kind == "open":
            self.open(op[1])
        else:
            return False
        return True

    # Operations on the tailers.

    def do_ours(self, op: Op) -> Seen:
        tailer, kind = self.tailer, op[0]
        result: object = None
        try:
            if kind in ("read", "read_meta"):
                tailer.meta = kind == "read_meta"
                data = tailer.read()
                if data is not None:
                    result = (tailer.is_meta, data if not tailer.is_meta else len(data))
            elif kind == "start":
                tailer.to_start()
            elif kind == "end":
                tailer.to_end()
            elif kind == "index":
                result = tailer.move_to_index(self.index(op[1], op[2]))
            elif kind == "raw_index":
                result = tailer.move_to_index(op[1])
            elif kind == "cycle":
                result = tailer.move_to_cycle(self.base_cycle + op[1])
            elif kind == "direction":
                tailer.direction = op[1]
            elif kind == "striding":
                tailer.striding = op[1]
            else:
                raise ValueError(f"unknown operation {op}")
        except px.ChronixError as error:
            result = error
        return self.ours(result)

    def do_java(self, op: Op) -> Seen:
        tailer, kind = self.java_tailer, op[0]
        result: object = None
        try:
            if kind in ("read", "read_meta"):
                excerpt = tailer.read(meta=kind == "read_meta")
                if excerpt is not None:
                    result = (excerpt.meta, excerpt.data if not excerpt.meta else len(excerpt.data))
            elif kind == "start":
                tailer.to_start()
            elif kind == "end":
                tailer.to_end()
            elif kind == "index":
                result = tailer.move_to_index(self.index(op[1], op[2]))
            elif kind == "raw_index":
                result = tailer.move_to_index(op[1])
            elif kind == "cycle":
                result = tailer.move_to_cycle(self.base_cycle + op[1])
            elif kind == "direction":
                tailer.direction(op[1])
            elif kind == "striding":
                tailer.striding(op[1])
            else:
                raise ValueError(f"unknown operation {op}")
        except JavaError as error:
            result = error
        return self.java(result)


def drop_eof(path: Path) -> None:
    """Overwrites a roll file's end-of-data marker with zeros; harmless where there is no file or no marker."""
    if not path.exists():
        return
    with open(path, "r+b") as file:
        data = file.read()
        at = 0
        while at + 4 <= len(data):
            (word,) = struct.unpack_from("<I", data, at)
            if word == EOF:
                file.seek(at)
                file.write(bytes(8))
            if word in (0, EOF):
                return
            at += 4 + (word & 0x3FFFFFFF) + 3 & ~3


def unrolled(ops: Sequence[Op]) -> list[Op]:
    """Reads of many as many reads, so that each is compared."""
    plain: list[Op] = []
    for op in ops:
        if op[0] in ("read", "read_meta"):
            plain += [(op[0],)] * (op[1] if len(op) > 1 else 1)
        else:
            plain.append(op)
    return plain


def random_ops(random: random.Random, length: int = 30, name: str | None = None) -> list[Op]:
    """A queue of a few cycles, then tailer operations with appends in between."""
    ops: list[Op] = []
    cycles = 0
    counts: dict[int, int] = {}

    def add(who: str, count: int) -> None:
        ops.append(("append", who, count, random.randrange(1, 60)))
        counts[cycles] = counts.get(cycles, 0) + count

    def grow() -> None:
        nonlocal cycles
        who = random.choice(("java", "ours"))
        kind = random.random()
        if kind < 0.55:
            add(who, random.choice((1, 1, 2, 3, 5, 9, 40)))
        elif kind < 0.65:
            ops.append(("meta", who))
            counts.setdefault(cycles, 0)
        else:
            days = random.choice((1, 1, 1, 2, 3))
            cycles += days
            ops.append(("clock", days))
            if random.random() < 0.25:
                ops.append(("meta", who))
                counts.setdefault(cycles, 0)
            else:
                add(who, random.choice((1, 2, 5, 9, 30)))

    for _ in range(random.randrange(0, 7)):
        grow()
    if counts and random.random() < 0.2:
        ops.append(("drop_eof", random.choice(sorted(counts))))
    ops.append(("open", name))
    for _ in range(length):
        kind = random.random()
        cycle = random.choice(sorted(counts)) if counts else 0
        have = counts.get(cycle, 0)
        if kind < 0.34:
            ops.append(("read", random.choice((1, 1, 1, 2, 3, 8, 50))))
        elif kind < 0.38:
            ops.append(("read_meta", random.choice((1, 2, 5))))
        elif kind < 0.43:
            ops.append(("start",))
        elif kind < 0.50:
            ops.append(("end",))
        elif kind < 0.68:
            sort = random.random()
            if sort < 0.5 and have:
                ops.append(("index", cycle, random.randrange(have)))
            elif sort < 0.7:
                ops.append(("index", cycle, have))
            elif sort < 0.8:
                ops.append(("index", cycle, have + random.choice((1, 2, 7, 130, 5000))))
            elif sort < 0.93:
                missing = random.choice((-3, -1, 1, 2, 3, cycles + 1, cycles + 4))
                ops.append(("index", missing, random.choice((0, 0, 2))))
            else:
                ops.append(("raw_index", random.choice((-1, -(1 << 63), 0, 1, 5, (1 << 63) - 1))))
        elif kind < 0.74:
            ops.append(("cycle", random.choice((cycle, cycle, cycle, -1, 1, 2, cycles + 1))))
        elif kind < 0.86:
            ops.append(("direction", random.choice(("FORWARD", "FORWARD", "BACKWARD", "BACKWARD", "NONE"))))
        elif kind < 0.88:
            ops.append(("striding", random.random() < 0.6))
        else:
            grow()
    return ops


# --- where Java is not to be followed --------------------------------------------------------------------------------


def excuse(pair: Pair, op: Op, before: Seen, java: Seen, ours: Seen) -> str | None:
    """Why this difference is Java's doing and nothing that a user would want copied; None if it is ours.

    Each reason is narrow: it names the operation, the state before it, and exactly what Java does.
    """
    kind = op[0]
    moved = kind in ("index", "raw_index")
    target = pair.index(op[1], op[2]) if kind == "index" else op[1] if kind == "raw_index" else None

    if isinstance(java.result, JavaError):
        name = java.result.java_class
        if kind == "raw_index" and op[1] < 0 and name == "java.lang.ArithmeticException" and ours.result is False:
            return "a negative index after a move: Java throws ArithmeticException, else gives false"
        if before.state == "BEYOND_START_OF_CYCLE" and before.direction == "NONE" and ours.result is None:
            return "NONE beyond the start: Java's assertion 'direction not set'"
        return None
    if isinstance(ours.result, Exception):
        return None

    if moved and java.result is False and ours.result is False:
        if before.state == "FOUND_IN_CYCLE" and (java.index, java.state) == (before.index, before.state):
            # Java scans on from the last move if the target is at most 70 ahead; when that fails it forgets to say so,
            # and stands at the scan's end under the old index.
            assert target is not None
            if target >> 32 == before.index >> 32:
                return "a failed move close ahead of the last one leaves Java's index and state, but not its position"
        if ours.index == java.index == target and ours.cycle == java.cycle:
            if java.state == before.state and ours.state in ("FOUND_IN_CYCLE", "NOT_REACHED_IN_CYCLE"):
                return "a move to an index that is next to be written leaves Java's state what it was"
            if ours.state == "NOT_REACHED_IN_CYCLE" and pair.is_empty(ours.cycle):
                return "in a cycle without messages Java takes any sequence for the next one"
    stays = java[1:] == before._replace(direction=java.direction)[1:] and ours[1:3] == java[1:3]
    if stays and not java.result and not ours.result and kind in ("index", "raw_index", "cycle", "direction"):
        if before.state == "BEYOND_START_OF_CYCLE" and ours.state == "CYCLE_NOT_FOUND":
            return "a move to a cycle without file, no file being open: Java's state stays what it was"
        if kind == "direction" and ours.state == "FOUND_IN_CYCLE":
            return "turned forward at an index next to be written, Java's state stays what it was"
    if moved and java.result is True and ours.result is False and pair.is_empty(before.cycle):
        return "Java's second move to sequence 0 of an empty cycle is true, after a moveToCycle"

    if kind == "end" and pair.queue.last_index is None:
        return "toEnd with cycles but no message: Java goes to the first or the last, in one state or another"

    if kind in ("read", "read_meta"):
        same_result = java.result == ours.result
        backward = before.direction == "BACKWARD"
        if before.direction == "NONE" and before.state == "CYCLE_NOT_FOUND" and ours == before._replace(result=None):
            return "NONE in a cycle that does not exist: nothing is read, and Java calls it the end of one"
        if backward and before.state == "END_OF_CYCLE" and ours.result is not None:
            return "turned round at the end of a cycle, Java skips that cycle's messages"
        if (
            backward
            and ours.state == "BEYOND_START_OF_CYCLE"
            and same_result
            and (java[1:] == before[1:] or java.state == "END_OF_CYCLE")
        ):
            return "no message before an empty cycle: Java stays in it, ours stands beyond the start"
        if before.direction != "FORWARD" and before.state == "CYCLE_NOT_FOUND" and java.result is None and ours.result:
            return "after a failed move to a cycle, from behind the last message: Java does not step back"
        if before.direction == "NONE" and same_result and java.result is None and pair.is_empty(before.cycle):
            return "NONE in a cycle without messages: Java moves to the one before, or calls it not found"
        if before.direction == "FORWARD" and pair.was_none and ours.result is not None:
            return "turned from NONE to FORWARD, Java reads the next message under the index of the last"
        if before.direction == "NONE" and before.state in ("END_OF_CYCLE", "BEYOND_START_OF_CYCLE") and same_result:
            return "NONE at the end of a cycle: nothing is read, in one state or another"
        if backward and ours.result is not None and pair.skipped_by_java(before, java, ours):
            return "backward from an empty cycle Java steps back twice and skips a message"
        if (
            same_result
            and before.state in ("CYCLE_NOT_FOUND", "NOT_REACHED_IN_CYCLE")
            and java[1:] == before[1:]
            and ours == java._replace(state="FOUND_IN_CYCLE")
        ):
            return "at an index next to be written Java keeps the state of its failed move, and reads it all the same"
        if before.state == "NOT_REACHED_IN_CYCLE" and ours == before._replace(result=None):
            if java.result is None and java.index == ours.index:
                return "beyond the end a Java tailer that never found anything wavers between states"
            if backward:
                return "beyond the end a Java tailer that never found anything reads the last message backward"
        if (
            before.direction == "FORWARD"
            and before.state in ("UNINITIALISED", "BEYOND_START_OF_CYCLE")
            and ours.result is None
            and pair.is_empty(ours.cycle)
        ):
            if same_result and java == ours._replace(state="CYCLE_NOT_FOUND"):
                return "in a first cycle without messages Java says CYCLE_NOT_FOUND until there is one"
            return "an empty first cycle without end-of-data: Java leaves it if UNINITIALISED, waits after toStart"
        if kind == "read_meta" and java.result and java.result[0] and pair.is_at_header(java):
            return "metadata before the first message: Java remembers longer that a tailer stands before it"
    return None


# --- playing ---------------------------------------------------------------------------------------------------------

READS = ("read", "read_meta")
JAVA_READS = 4  # An empty read of Java's may only change its state; the next one, or the one after it, reads.


class Play(NamedTuple):
    """How a sequence went: the first difference that is ours, and how often each excuse was good for one of Java's."""

    difference: Difference | None
    excuses: Counter[str]
    compared: int


def play(java: JavaPeer, directory: Path, ops: Sequence[Op], roll: str = "TEST4_DAILY") -> Play:
    """Does `ops` in a new queue, comparing after each one. After an excused difference both tailers are new ones."""
    pair = Pair(java, directory, roll)
    name: str | None = None
    excuses: Counter[str] = Counter()
    compared = 0
    try:
        for step, op in enumerate(unrolled(ops)):
            if op[0] == "open":
                name = op[1]
            if pair.change(op):
                continue
            compared += 1
            before = pair.java()
            stored = pair.stored() if name else None
            pair.note(op, before)
            theirs, ours = pair.do_java(op), pair.do_ours(op)
            if theirs != ours and op[0] in READS and theirs.result is None:
                again = theirs
                for _ in range(JAVA_READS):
                    last, again = again, pair.do_java(op)
                    if again == last or again.result is not None:
                        break
                if again == (pair.do_ours(op) if ours.result is None else ours):
                    excuses["Java's read was empty, the next one was not"] += 1
                    continue
                theirs = again
            if theirs == ours and stored is not None:
                complaint = compare_stored(op, before, ours, stored, pair.stored(), exact=not pair.was_none)
                if complaint is not None:
                    return Play(Difference(step, op, before, theirs, ours, complaint), excuses, compared)
            if theirs == ours:
                continue
            why = excuse(pair, op, before, theirs, ours)
            if why is None:
                return Play(Difference(step, op, before, theirs, ours), excuses, compared)
            excuses[why] += 1
            pair.open(name)
        return Play(None, excuses, compared)
    finally:
        pair.close()


Stored = tuple[tuple[int | None, ...], tuple[int | None, ...]]


def compare_stored(op: Op, before: Seen, seen: Seen, was: Stored, now: Stored, *, exact: bool) -> str | None:
    """What is wrong with the positions that named tailers stored, both standing at `seen`; None if nothing is.

    Java counts a version more or less where it looks something up on its way, so the count is compared where it does
    not, and is otherwise to grow when the position changes.
    """
    (theirs, their_version), (ours, our_version) = now
    if theirs != ours or ours not in (seen.index, 0):
        return f"stored positions: Java {theirs}, ours {ours}, index() {seen.index}"
    if our_version is None and their_version is None:
        return None
    if our_version is None or their_version is None or was[0][1] is None or was[1][1] is None:
        return f"stored versions: Java {their_version}, ours {our_version}"
    growth, our_growth = their_version - was[0][1], our_version - was[1][1]
    plain = exact and seen.direction == "FORWARD" and before.state == "FOUND_IN_CYCLE" and before.cycle == seen.cycle
    plain = plain and before.index != seen.index and bool(seen.result) and op[0] in ("read", "index")
    changed = was[1][0] != ours
    if our_growth < changed or (plain and growth != our_growth):
        return f"version of the stored position: Java +{growth}, ours +{our_growth}"
    return None


def shrunk(ops: Sequence[Op], fails: Callable[[Sequence[Op]], Difference | None]) -> tuple[list[Op], Difference]:
    """A shorter sequence that still fails, with its difference. `fails` plays one."""
    ops = unrolled(ops)
    found = fails(ops)
    assert found is not None, "a difference that does not happen again"
    ops = ops[: found.step + 1]
    size = max(1, len(ops) // 2)
    while size:
        at = 0
        while at < len(ops):
            less = ops[:at] + ops[at + size :]
            difference = fails(less)
            if difference is None or difference.op != found.op:
                at += size
            else:
                ops, found = less[: difference.step + 1], difference
        size //= 2
    return ops, found
