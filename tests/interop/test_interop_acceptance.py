"""Acceptance items 2 and 3: `pychronix cat` beside Java's dump; Java's tailers on our queues, ours on Java's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cq_kit as kit
import pytest
from cq_kit import pairs, read_all
from cq_script import of_roll_cycle
from fix_java import JavaPeer, payload, require_build

import pychronix as px
from pychronix.cli import main
from pychronix.rolling import ROLL_CYCLES

PeerOf = Callable[[str], JavaPeer]
CREATABLE = sorted(name for name, roll in ROLL_CYCLES.items() if roll.creatable)


@pytest.mark.parametrize("roll", CREATABLE)
def test_cat_prints_what_java_dumps(
    java: JavaPeer, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], roll: str
) -> None:
    path = tmp_path / "q"
    of_roll_cycle(roll, ROLL_CYCLES[roll].length_ms).by_java(java, path)
    with java.open(path, readonly=True) as theirs:
        for backward in (False, True):
            count = theirs.dump_to(tmp_path / "dump", backward=backward)
            assert main(["cat", "--output", "hex", *(["--reverse"] if backward else []), str(path)]) == 0
            printed = capsysbinary.readouterr().out
            assert printed.count(b"\n") == count > 60
            assert printed == (tmp_path / "dump").read_bytes()


def test_the_command_prints_what_java_dumps(java: JavaPeer, tmp_path: Path) -> None:
    """The same with both programs as a user starts them."""
    path = tmp_path / "q"
    of_roll_cycle("FAST_DAILY", kit.DAY_MS).by_java(java, path)
    build = require_build()
    for ours, theirs in (([], []), (["--reverse"], ["reverse"])):
        command = [sys.executable, "-m", "pychronix", "cat", "--output", "hex", *ours, str(path)]
        printed = subprocess.run(command, cwd=kit.ROOT, capture_output=True, check=True, timeout=60).stdout
        dumped = subprocess.run(build.command("Dump", str(path), *theirs), capture_output=True, check=True, timeout=60)
        assert printed == dumped.stdout != b""


@pytest.mark.parametrize("release", ["2026.4", "5.26ea7"])
def test_java_tailers_move_about_in_a_queue_of_ours(peer_of: PeerOf, tmp_path: Path, release: str) -> None:
    path, clock = tmp_path / "q", kit.Clock()
    expected: list[tuple[int, bytes]] = []
    with px.open_queue(path, "a", roll="FAST_HOURLY", clock=clock, block_size_bytes=1 << 17) as queue:
        appender = queue.appender()
        for number, hours in enumerate((0, 1, 1, 5, 48)):
            clock.ms += hours * kit.HOUR_MS
            messages = [payload(number, counter, "1-90,64") for counter in range(300 + 100 * number)]
            expected += zip(appender.append_many(messages), messages, strict=True)
        tailer = queue.tailer(start="end")
        assert tailer.read() is None
        with peer_of(release).open(path, roll="FAST_HOURLY", clock_ms=clock.ms, block_size=1 << 17) as theirs:
            assert pairs(theirs.dump()) == expected
            assert pairs(theirs.dump(backward=True)) == expected[::-1]
            theirs_tailer = theirs.tailer()
            theirs_tailer.to_end()
            assert (theirs_tailer.index, theirs_tailer.read()) == (expected[-1][0] + 1, None)
            theirs_tailer.direction("BACKWARD")
            theirs_tailer.to_end()
            assert pairs(theirs_tailer.read_many(900)) == expected[:-901:-1]
            theirs_tailer.direction("FORWARD")
            for index, data in (*expected[::97], expected[0], expected[-1]):
                assert theirs_tailer.move_to_index(index)
                assert theirs_tailer.read() == (index, data, False)
            for cycle in {index >> 32 for index, _ in expected}:
                assert theirs_tailer.move_to_cycle(cycle)
                assert theirs_tailer.read() == next((i, data, False) for i, data in expected if i >> 32 == cycle)
            assert not theirs_tailer.move_to_index(expected[-1][0] + 2)
            # Java goes on; our tailer, open all the while, shows it: in the same cycle, in the next, after a gap.
            theirs_appender = theirs.appender()
            for number, hours in enumerate((0, 0, 1, 7)):
                theirs.advance_clock(hours * kit.HOUR_MS)
                data = b"Java's %d" % number
                index = theirs_appender.append(data)
                assert list(tailer.with_index()) == [(index, data)]
                assert tailer.read() is None
                expected.append((index, data))
            # And a Java tailer at the end shows what we append then.
            theirs_tailer.to_end()
            clock.ms += 20 * kit.HOUR_MS
            index = appender.append(b"ours again")
            assert pairs(theirs_tailer.read_all()) == [(index, b"ours again")]
            expected.append((index, b"ours again"))
        assert list(tailer) == [b"ours again"]
    assert read_all(path) == expected
