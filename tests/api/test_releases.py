"""Queues of every Java release: what Java wrote is read in each way, and appended to exactly where we say so."""

from __future__ import annotations

import hashlib
import os
import random
import shutil

import fix_java
import pytest

import pychronix as px

READ_ONLY = {"v5/4.16.4": "Chronicle 4", "v5/5.16.11": "5.16 or older"}
SMALL = [name for name in fix_java.fixture_names() if name != "v5/large"]


def is_weekly(queue):
    return queue.expected["roll"] == "WEEKLY"


def digest(path):
    """Names and contents of a directory's files."""
    found = {}
    for name in os.listdir(path):
        with open(os.path.join(path, name), "rb") as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


@pytest.mark.parametrize("name", SMALL)
def test_what_java_wrote_is_read_in_each_way_without_a_trace(java_fixture, name):
    for fixture in java_fixture(name).values():
        before = digest(fixture.path)
        with px.open_queue(fixture.path) as queue:
            expected = fixture.excerpts
            assert list(queue.tailer().with_index()) == expected
            assert list(queue.tailer()) == [payload for _, payload in expected]
            assert [bytes(view) for view in queue.tailer().views()] == [payload for _, payload in expected]
            assert list(iter(queue.tailer().read, None)) == [payload for _, payload in expected]
            assert list(queue.tailer(start="end", direction="backward").with_index()) == expected[::-1]
            assert queue.count() == len(expected)
            tailer = queue.tailer()
            for index, payload in random.Random(1).sample(expected, min(len(expected), 100)):
                assert tailer.move_to_index(index) is True
                assert tailer.read() == payload
            if not is_weekly(fixture):  # Java's own answers for WEEKLY are what makes it unusable.
                assert queue.roll_cycle.length_ms == fixture.expected["length_ms"]
                assert queue.source_id == fixture.expected["source_id"]
                assert queue.first_index == (expected[0][0] if expected else None)
            assert queue.last_index == (expected[-1][0] if expected else None)
            assert queue.format == ("cq4" if name == "v5/4.16.4" else "cq5")
            # Whether roll files are fieldless shows in them only: an empty queue of that kind cannot be told.
            assert queue.wire_type == fixture.expected["wire"] or not expected
        assert digest(fixture.path) == before


@pytest.mark.parametrize("name", sorted(READ_ONLY))
@pytest.mark.parametrize("mode", ["a", "r+"])
def test_releases_that_cannot_be_appended_to_say_which_can(java_fixture, name, mode):
    for fixture in java_fixture(name).values():
        before = digest(fixture.path)
        with pytest.raises(px.UnsupportedFormatError, match=READ_ONLY[name]) as caught:
            px.open_queue(fixture.path, mode)
        assert "release" in str(caught.value)
        assert caught.value.path == str(fixture.path)
        assert digest(fixture.path) == before


def test_a_weekly_queue_is_read_but_not_appended_to(java_fixture):
    fixture = java_fixture("v5/roll-cycles")["WEEKLY"]
    with px.open_queue(fixture.path) as queue:
        assert [index for index, _ in queue.tailer().with_index()] == [index for index, _ in fixture.excerpts]
        assert [queue.cycle_of_file(cycle.name) for cycle in queue.cycles()] == [c.number for c in queue.cycles()]
    for mode in ("a", "r+"):
        with pytest.raises(px.UnsupportedFormatError, match="cannot append to a WEEKLY queue"):
            px.open_queue(fixture.path, mode)


@pytest.mark.parametrize("name", [name for name in SMALL if name not in READ_ONLY])
def test_what_java_wrote_is_appended_to_where_it_ends(java_fixture, name):
    for fixture in java_fixture(name).values():
        if is_weekly(fixture):
            shutil.rmtree(fixture.path)
            continue
        expected = fixture.excerpts
        with px.open_queue(fixture.path) as queue:
            last = queue.last_index
            # The day Java's clock stood at; where nothing was written, any will do.
            now_ms = queue.start_ms(queue.last_cycle if queue.last_cycle is not None else 19787) + 1
            closed = bool(queue.cycles()) and queue.cycles()[-1].closed
        if closed:
            now_ms += fixture.expected["length_ms"]
        block = 1 << 20
        with px.open_queue(fixture.path, "a", clock=lambda ms=now_ms: ms * 10**6, block_size_bytes=block) as queue:
            appender = queue.appender()
            mine = [b"one", b"", b"x" * 1000]
            indexes = [appender.append(payload) for payload in mine]
            indexes += appender.append_many([b"four", b"five"])
            if last is not None and not closed:
                assert indexes == [last + 1 + i for i in range(5)]
            added = list(zip(indexes, [b"one", b"\x8f", b"x" * 1000, b"four", b"five"], strict=True))
            assert list(queue.tailer().with_index()) == expected + added
            assert list(queue.tailer(start="end", direction="backward").with_index()) == (expected + added)[::-1]


@pytest.mark.parametrize("name", ["v5/fieldless"])
def test_new_roll_files_of_a_fieldless_queue_are_fieldless(java_fixture, name):
    (fixture,) = java_fixture(name).values()
    with px.open_queue(fixture.path) as queue:
        now_ms = queue.start_ms(queue.last_cycle + 1)
    with px.open_queue(fixture.path, "a", clock=lambda: now_ms * 10**6, block_size_bytes=1 << 20) as queue:
        index = queue.appender().append(b"next day")
        assert queue.cycle_of(index) == queue.last_cycle
        assert list(queue.tailer().with_index()) == [*fixture.excerpts, (index, b"next day")]
    heads = []
    for cycle_name in sorted(n for n in os.listdir(fixture.path) if n.endswith(".cq4"))[-2:]:
        with open(fixture.path / cycle_name, "rb") as file:
            heads.append(file.read(16)[4:12])
    assert heads[0] == heads[1]


def test_the_large_fixture(java_fixture):
    (fixture,) = java_fixture("v5/large").values()
    with px.open_queue(fixture.path) as queue:
        assert fix_java.digest(queue.tailer().with_index()) == (fixture.expected["count"], fixture.expected["sha256"])
        assert queue.last_index == fixture.expected["last_index"]
