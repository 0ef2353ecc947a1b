"""Specification 11, items 36 to 42: locks, crashes, writers together."""

from __future__ import annotations

import os
import random
import re
import struct
import time
from pathlib import Path

import cq_kit as kit
import fix_java
import pytest
from cq_kit import (
    APPEND_LOCK,
    BLOCK,
    FIRST,
    UNLOCKED,
    WRITE_LOCK,
    Clock,
    append,
    create,
    end_of,
    numbered,
    pairs,
    poke,
    read_all,
    roll_file,
    set_key,
    table_values,
)
from fix_java import JavaError, JavaPeer, JavaPeerFactory, payload

import pychronix as px
from pychronix.errors import AppendLockedError, LockedError
from pychronix.inspect import verify


def ours(path: Path, timeout_ms: int = 100) -> px.Queue:
    return px.open_queue(path, "r+", clock=Clock(), block_size_bytes=BLOCK, timeout_ms=timeout_ms)


def lock_word(path: Path) -> int:
    return table_values(path)[WRITE_LOCK]


def lock_offset(path: Path) -> int:
    return next(entry.offset for entry in kit.table_of(path).entries if entry.key == WRITE_LOCK)


def watch_writing(path: Path, size: int) -> int:
    """Lets another process append three large messages and watches its lock; how often it was seen in their midst."""
    create(path, [b"one"], block_size_bytes=64 << 20)
    place, lock_at = end_of(roll_file(path)), lock_offset(path)
    within = 0
    with (
        kit.slow_writer(path, size) as process,
        kit.mapped(roll_file(path)) as data,
        kit.mapped(path / "metadata.cq4t") as table,
        data.cast("I") as words,
        table.cast("q") as longs,
    ):
        assert process.stdin is not None and process.stdout is not None
        locks: set[int] = set()
        for _ in range(3):
            process.stdin.write("go\n")
            process.stdin.flush()
            limit = time.monotonic() + kit.DEADLINE_S
            while True:
                # Begun, then the lock, then not published: the lock was read in the midst of the message.
                begun = data[place + 4096] != 0  # memcpy may store the first bytes last.
                lock = longs[lock_at // 8]
                locks.add(lock)
                if words[place // 4]:
                    break
                if begun:
                    within += 1
                    assert lock == process.pid
                assert time.monotonic() < limit
            assert process.stdout.readline() == "0 0\n"
            assert longs[lock_at // 8] == UNLOCKED
            place += 4 + size
        assert locks <= {UNLOCKED, process.pid}, "the lock only ever is our pid or free"
    return within


def test_36_the_lock_is_held_while_a_message_is_written(tmp_path: Path) -> None:
    # The eye may blink, where the message does not come off a disk.
    assert any(watch_writing(tmp_path / str(attempt), 4 << 20) for attempt in range(20))


def lose_lock(path: Path, size: int) -> bool:
    """Takes the lock from a process in the midst of an append, as UnlockMain and another writer would; if in time."""
    create(path, [b"one"], block_size_bytes=64 << 20)
    lock_at = lock_offset(path)
    with (
        kit.slow_writer(path, size) as process,
        kit.mapped(path / "metadata.cq4t") as table,
        table.cast("q") as longs,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        limit = time.monotonic() + kit.DEADLINE_S
        while longs[lock_at // 8] != process.pid:
            if len(kit.data_offsets(roll_file(path))) > 1:
                return False  # Missed it.
            assert time.monotonic() < limit
        longs[lock_at // 8] = os.getpid()
        lost = process.stdout.readline() == "1 0\n"  # The appender tells that its lock was lost.
        assert longs[lock_at // 8] == os.getpid(), "stored over"
        longs[lock_at // 8] = UNLOCKED
    return lost


def test_36_a_lock_taken_from_us_is_not_stored_over(tmp_path: Path) -> None:
    assert any(lose_lock(tmp_path / str(attempt), 4 << 20) for attempt in range(20))


def test_36_nothing_is_stored_while_another_holds_the_lock(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
        holder = theirs.appender()
        holder.append(b"two")
        holder.begin()
        holder.write(b"three")
        assert lock_word(path) == java.pid
        before = roll_file(path).read_bytes()
        with ours(path) as queue:
            appender = queue.appender()
            for call in (
                lambda: appender.append(b"x"),
                lambda: appender.append_many([b"x"]),
                lambda: appender.append_at(FIRST + 2, b"x"),
                appender.normalise_eofs,
            ):
                with pytest.raises(LockedError) as caught:
                    call()
                assert caught.value.pid == java.pid
            assert roll_file(path).read_bytes() == before
            assert lock_word(path) == java.pid
            holder.commit()
            assert appender.append(b"four") == FIRST + 3
    assert read_all(path) == numbered([b"one", b"two", b"three", b"four"])


@pytest.mark.parametrize("value", ["live", "dead", "zero", "own"])
def test_37_nothing_is_appended_while_the_append_lock_is_set(tmp_path: Path, value: str) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with kit.live_process() as other:
        holder = {"live": other.pid, "dead": kit.dead_pid(), "zero": 0, "own": os.getpid()}[value]
        with ours(path) as queue:
            appender = queue.appender()
            assert queue.table_store.compare_and_set(APPEND_LOCK, UNLOCKED, holder)
            before = roll_file(path).read_bytes()
            for call in (lambda: appender.append(b"x"), lambda: appender.append_many([b"x"])):
                with pytest.raises(AppendLockedError) as caught:
                    call()
                assert caught.value.pid == (holder or None)
            if value == "own":  # The replication sink itself writes at explicit indexes, and metadata.
                assert appender.append_at(FIRST + 1, b"two")
                with appender.writing(meta=True) as excerpt:
                    excerpt.write(b"meta")
            else:
                with pytest.raises(AppendLockedError):
                    appender.append_at(FIRST + 1, b"x")
                with pytest.raises(AppendLockedError), appender.writing(meta=True) as excerpt:
                    excerpt.write(b"meta")
                assert roll_file(path).read_bytes() == before
            assert lock_word(path) == UNLOCKED
            assert queue.table_store[APPEND_LOCK] == holder, "no liveness test, no recovery"
            queue.table_store.compare_and_set(APPEND_LOCK, holder, UNLOCKED)
            assert appender.append(b"last") == FIRST + (2 if value == "own" else 1)


def test_37_java_and_we_refuse_for_each_others_append_lock(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs, ours(path) as queue:
        appender, java_appender = queue.appender(), theirs.appender()
        theirs.table_set(APPEND_LOCK, java.pid)
        with pytest.raises(AppendLockedError) as caught:
            appender.append(b"x")
        assert caught.value.pid == java.pid
        assert queue.table_store.compare_and_set(APPEND_LOCK, java.pid, os.getpid())
        with pytest.raises(JavaError):
            java_appender.append(b"x")
        assert queue.table_store.compare_and_set(APPEND_LOCK, os.getpid(), UNLOCKED)
        assert java_appender.append(b"two") == FIRST + 1
        assert appender.append(b"three") == FIRST + 2


def test_38_a_dead_holder_is_released_at_open(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    set_key(path, WRITE_LOCK, kit.dead_pid())
    assert read_all(path) == [(FIRST, b"one")]
    assert lock_word(path) != UNLOCKED, "a reader stores nothing"
    with ours(path) as queue:
        assert lock_word(path) == UNLOCKED
        assert queue.appender().append(b"two") == FIRST + 1


@pytest.mark.parametrize("upper", [0, 1, 0x7FFF_FFFF])
def test_38_a_holder_that_died_meanwhile_is_released_without_waiting(tmp_path: Path, upper: int) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with ours(path, timeout_ms=60_000) as queue:
        appender = queue.appender()
        assert appender.recovered_locks == 0
        set_key(path, WRITE_LOCK, upper << 32 | kit.dead_pid())
        begun = time.monotonic()
        assert appender.append(b"two") == FIRST + 1
        assert time.monotonic() - begun < 10
        assert (appender.recovered_locks, lock_word(path)) == (1, UNLOCKED)


@pytest.mark.parametrize("upper", [0, 1])
def test_38_a_live_holder_is_never_displaced(tmp_path: Path, upper: int) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with kit.live_process() as holder:
        value = upper << 32 | holder.pid
        set_key(path, WRITE_LOCK, value)
        with ours(path, timeout_ms=200) as queue:
            appender = queue.appender()
            before = roll_file(path).read_bytes()
            begun = time.monotonic()
            with pytest.raises(LockedError) as caught:
                appender.append(b"x")
            assert 0.3 <= time.monotonic() - begun < 5, "1.5 times the timeout, as Java"
            assert isinstance(caught.value, TimeoutError)
            assert (caught.value.pid, lock_word(path)) == (holder.pid, value)
            assert str(holder.pid) in str(caught.value)
            assert roll_file(path).read_bytes() == before
            holder.kill()
            holder.wait(20)
            assert appender.append(b"two") == FIRST + 1


def test_38_our_own_pid_left_behind_is_a_live_holder(tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    with ours(path, timeout_ms=50) as queue:
        set_key(path, WRITE_LOCK, os.getpid())
        with pytest.raises(LockedError) as caught:
            queue.appender().append(b"x")
        assert (caught.value.pid, lock_word(path)) == (os.getpid(), os.getpid())


def test_38_java_that_dies_holding_the_lock(java_peer: JavaPeerFactory, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    peer = java_peer()
    holder = peer.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK).appender()
    with ours(path) as queue:
        appender = queue.appender()
        holder.begin()
        holder.write(b"never committed")
        with pytest.raises(LockedError) as caught:
            appender.append(b"x")
        assert caught.value.pid == peer.pid
        peer.kill()
        assert lock_word(path) == peer.pid
        assert appender.append(b"two") == FIRST + 1
        assert appender.recovered_locks == 1
    assert read_all(path) == numbered([b"one", b"two"])
    assert verify(path).ok


HOLDER = """
import os, sys
import pychronix as px
with px.open_queue(sys.argv[1], "r+") as queue:
    assert queue.table_store.compare_and_set("chronicle.write.lock", -1 << 63, os.getpid())
    print("held", flush=True)
    sys.stdin.read()
"""


def test_38_java_goes_on_after_a_holder_of_ours_that_died(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    options = {"roll": "TEST4_DAILY", "clock_ms": kit.T0, "block_size": BLOCK, "timeout_ms": 200}
    with java.open(path, **options) as theirs:
        opened_before = theirs.appender()
        opened_before.append(b"two")
        with kit.python(HOLDER, path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
        assert lock_word(path) == process.pid
        assert opened_before.append(b"three") == FIRST + 2
        set_key(path, WRITE_LOCK, process.pid)
        with java.open(path, **options) as opened_after:
            assert lock_word(path) == UNLOCKED
            assert opened_after.appender().append(b"four") == FIRST + 3


def test_39_zero_in_the_lock_word_is_stale(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    set_key(path, WRITE_LOCK, 0)
    with ours(path) as queue:
        appender = queue.appender()
        assert appender.append(b"two") == FIRST + 1
        set_key(path, WRITE_LOCK, 0)
        assert appender.append(b"three") == FIRST + 2
        assert (appender.recovered_locks, lock_word(path)) == (1, UNLOCKED)
    set_key(path, WRITE_LOCK, 0)
    with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
        assert theirs.appender().append(b"four") == FIRST + 3


ACKNOWLEDGER = """
import sys, time
sys.path.insert(0, sys.argv[4])
from fix_java import payload
import pychronix as px
path, writer, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with px.open_queue(path, "r+", block_size_bytes=1 << 20) as queue:
    appender = queue.appender()
    for counter in range(first, 1 << 40):
        index = appender.append(payload(writer, counter, "16-90,64,1000"))
        sys.stdout.write(f"{counter} {index}\\n")
        sys.stdout.flush()
"""


def acknowledged(output: str) -> list[tuple[int, int]]:
    """What a killed writer acknowledged; a torn last line is none."""
    return [(int(c), int(i)) for c, i in re.findall(r"^(\d+) (\d+)\n", output, re.MULTILINE)]


def test_40_a_writer_killed_anywhere_loses_nothing(java_peer: JavaPeerFactory, tmp_path: Path) -> None:
    path, chance = tmp_path / "q", random.Random(40)
    create(path, roll="TEST_SECONDLY", block_size_bytes=1 << 20)
    known: dict[int, bytes] = {}
    for round_ in range(6):
        if round_ % 3 == 2:
            peer = java_peer()
            ack = tmp_path / f"ack{round_}"
            load = peer.open(path, roll="TEST_SECONDLY").load(round_, 1 << 40, ack=ack, sizes="16-90,64")
            kit.wait_until(lambda load=load: load.state().appended > 300)  # type: ignore[misc]
            peer.kill()
            acks, sizes = fix_java.read_acks(ack), "16-90,64"
        else:
            tests = Path(fix_java.__file__).parent
            with kit.python(ACKNOWLEDGER, path, round_, 0, tests) as process:
                assert process.stdout is not None
                head = "".join(process.stdout.readline() for _ in range(chance.randrange(1, 400)))
                process.kill()
                process.wait(20)
                acks, sizes = acknowledged(head + process.stdout.read()), "16-90,64,1000"
        assert acks
        for counter, index in acks:
            assert index not in known, "an index was given twice"
            known[index] = payload(round_, counter, sizes)
        begun = time.monotonic()
        with px.open_queue(path, "r+", block_size_bytes=1 << 20) as queue:
            index = queue.appender().append(b"next %d" % round_)
        assert time.monotonic() - begun < 5, "the next writer goes on at once"
        assert max(known) < index
        known[index] = b"next %d" % round_
    report = verify(path)
    assert report.ok, str(report)
    found = dict(read_all(path))
    assert {index: found.get(index) for index in known} == known
    # Each killed writer may have published one message that it could not acknowledge any more.
    assert len(found) - len(known) <= 6


def test_41_writers_of_both_kinds_make_one_order(java: JavaPeer, tmp_path: Path) -> None:
    path, count = tmp_path / "q", 1500
    create(path, roll="TEST_SECONDLY", block_size_bytes=1 << 20)
    with java.open(path) as theirs, kit.python(ACKNOWLEDGER.replace("1 << 40", str(count)), path, 3, 0,
                                               Path(fix_java.__file__).parent) as process:  # fmt: skip
        assert process.stdout is not None
        follow = theirs.follow(tmp_path / "seen", limit=3 * count)
        loads = [theirs.load(writer, count, sizes="16-90", ack=tmp_path / f"ack{writer}") for writer in (1, 2)]
        with px.open_queue(path) as queue:
            tailer, seen = queue.tailer(), []
            limit = time.monotonic() + 60
            for load in loads:
                load.wait()
            acks = {3: acknowledged(process.stdout.read())}
            while len(seen) < 3 * count:
                seen += tailer.with_index()
                assert time.monotonic() < limit
        follow.wait()
    acks |= {writer: fix_java.read_acks(tmp_path / f"ack{writer}") for writer in (1, 2)}
    records = [(index, *struct.unpack_from("<qq", data)) for index, data in seen]
    assert records == fix_java.read_follow(tmp_path / "seen")
    for writer in (1, 2, 3):
        own = [(counter, index) for index, who, counter in records if who == writer]
        assert own == acks[writer]
        assert [counter for counter, _ in own] == list(range(count))
    assert [index for index, _ in seen] == sorted({index for index, _ in seen})
    report = verify(path)
    assert report.ok, str(report)


@pytest.mark.parametrize("word", [0x80000000, 0x80000005, 0x8000FFFF, 0xBFFFFFFF, 0xC0000001], ids=hex)
@pytest.mark.parametrize("how", ["append", "append_many", "append_at", "open appender", "eof"])
def test_42_a_stale_incomplete_header_is_replaced(tmp_path: Path, word: int, how: str) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = roll_file(path)
    place = end_of(file)

    def plant() -> None:
        poke(file, place, struct.pack("<I", word) + b"debris of an older writer")

    expected = numbered([b"one", b"two"])
    with ours(path) as queue:
        appender = queue.appender()
        if how == "open appender":
            appender.append(b"before")
            place = end_of(file)
            expected = numbered([b"one", b"before", b"two"])
        plant()
        if how == "append_many":
            assert list(appender.append_many([b"two"])) == [FIRST + 1]
        elif how == "append_at":
            assert appender.append_at(FIRST + 1, b"two")
        elif how != "eof":
            appender.append(b"two")
    if how == "eof":
        append(path, [b"tomorrow"], clock_ms=kit.T0 + kit.DAY_MS)
        expected = [(FIRST, b"one"), (FIRST + (1 << 32), b"tomorrow")]
        file = kit.roll_files(path)[0]
        assert kit.documents_of(file)[-1] == (place, 0xC0000000)
    else:
        assert kit.documents_of(file)[-2] == (place, 3)
    assert read_all(path) == expected
    assert verify(path).ok


def test_42_java_replaces_it_too(java: JavaPeer, tmp_path: Path) -> None:
    path = tmp_path / "q"
    create(path, [b"one"])
    file = roll_file(path)
    for number, who in enumerate(("java", "ours", "java")):
        poke(file, end_of(file), struct.pack("<I", 0x80000007) + b"debris")
        if who == "java":
            with java.open(path, roll="TEST4_DAILY", clock_ms=kit.T0, block_size=BLOCK) as theirs:
                assert theirs.appender().append(b"%d" % number) == FIRST + 1 + number
        else:
            assert append(path, [b"%d" % number]) == [FIRST + 1 + number]
    with java.open(path, readonly=True) as theirs:
        assert pairs(theirs.dump()) == read_all(path) == numbered([b"one", b"0", b"1", b"2"])
