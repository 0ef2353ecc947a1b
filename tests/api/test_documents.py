"""Typed fields within excerpts of a queue: what writing() and reading() hand out, and when it counts."""

from __future__ import annotations

import pytest

import pychronix as px


@pytest.fixture
def queue(tmp_path):
    with px.open_queue(tmp_path / "q", "a") as opened:
        yield opened


@pytest.fixture
def appender(queue):
    return queue.appender()


def write_numbers(appender, count):
    indexes = []
    for number in range(count):
        with appender.writing() as doc:
            doc.write_int(number)
            doc.write_string(f"no {number}")
        indexes.append(doc.index)
    return indexes


def test_fields_come_back_with_their_index(queue, appender):
    indexes = write_numbers(appender, 20)
    tailer = queue.tailer()
    found = []
    while True:
        with tailer.reading() as doc:
            if not doc:
                break
            found.append((doc.index, doc.read_int(), doc.read_string(), doc.remaining))
    assert found == [(index, number, f"no {number}", 0) for number, index in enumerate(indexes)]
    assert (doc.index, bytes(doc), len(doc)) == (None, b"", 0)
    with pytest.raises(px.EndOfDocumentError):
        doc.read_int()


@pytest.mark.parametrize("name", [None, "named"])
def test_reading_mixes_with_every_other_way_to_read(queue, appender, name):
    indexes = write_numbers(appender, 12)
    tailer = queue.tailer(name)
    assert tailer.read()[:1] == b"\0"
    with tailer.reading() as doc:
        assert (doc.index, doc.read_int(), tailer.index) == (indexes[1], 1, indexes[2])
    assert [payload[0] for payload in tailer.read_many(2)] == [2, 3]
    with tailer.reading() as doc:
        assert (doc.index, doc.read_int()) == (indexes[4], 4)
    for payload in tailer:
        assert payload[0] == 5
        break
    with tailer.reading() as doc:
        assert (doc.index, doc.read_int()) == (indexes[6], 6)
    tailer.direction = "backward"
    for number in (7, 6, 5):
        with tailer.reading() as doc:
            assert (doc.index, doc.read_int()) == (indexes[number], number)


@pytest.mark.parametrize("name", [None, "named"])
def test_an_excerpt_counts_as_read_unless_it_is_rolled_back(queue, appender, name):
    indexes = write_numbers(appender, 3)
    tailer = queue.tailer(name)
    with pytest.raises(KeyError), tailer.reading() as doc:
        raise KeyError("mine")
    assert tailer.index == indexes[1]
    for _ in range(2):
        with tailer.reading() as doc:
            assert doc.read_int() == 1
            doc.rollback_on_close()
        assert tailer.index == indexes[1]
    with pytest.raises(KeyError), tailer.reading() as doc:
        doc.rollback_on_close()
        raise KeyError("mine")
    assert tailer.read()[:1] == b"\1"
    with tailer.reading() as doc:
        pass
    with tailer.reading() as doc:
        doc.rollback_on_close()
    assert not doc and tailer.index == indexes[2] + 1
    if name:
        tailer.close()
        assert queue.tailer(name).index == indexes[2] + 1


@pytest.mark.parametrize("direction", ["backward", "none"])
def test_an_excerpt_is_rolled_back_in_every_direction(queue, appender, direction):
    indexes = write_numbers(appender, 4)
    tailer = queue.tailer()
    tailer.move_to_index(indexes[2])
    tailer.direction = direction
    for _ in range(3):
        with tailer.reading() as doc:
            assert (doc.index, doc.read_int()) == (indexes[2], 2)
            doc.rollback_on_close()
    if direction == "backward":
        assert [payload[0] for payload in tailer] == [2, 1, 0]


def test_an_exception_while_writing_leaves_no_trace(queue, appender):
    for error in (KeyError("mine"), px.UsageError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), appender.writing() as doc:
            doc.write_int(1)
            raise error
    with pytest.raises(ValueError, match="an int is within"), appender.writing() as doc:
        doc.write_long(1)
        doc.write_int(1 << 31)
    assert (queue.count(), queue.cycles(), doc.index) == (0, (), None)
    write_numbers(appender, 1)
    assert queue.count() == 1


def test_nothing_can_be_written_when_the_block_has_ended(appender):
    with appender.writing() as doc:
        doc.write_int(7)
    for write in (
        lambda: doc.write_int(1), lambda: doc.write_string("x"), lambda: doc.write_byte(1, offset=0),
        lambda: doc.append_long(5), lambda: doc.write_string_at(0, 4, "a"), doc.truncate, lambda: doc.write(b""),
        doc.__enter__,
    ):  # fmt: skip
        with pytest.raises(px.UsageError, match="finished"):
            write()
    doc.seek(0)
    for write in (lambda: doc.write_int(1), lambda: doc.write(b"x"), lambda: doc.write_double(1.0)):
        with pytest.raises(px.UsageError, match="finished"):
            write()
    assert bytes(doc) == b"\7\0\0\0"


def test_a_placeholder_is_filled_in_later(queue, appender):
    with appender.writing() as doc:
        doc.write_int(0)
        doc.write_string("body")
        doc.write_int(doc.position, offset=0)
    with queue.tailer().reading() as found:
        assert found.read_int() == found.remaining + 4 == 9


def test_an_empty_block_and_one_rolled_back(queue, appender):
    with appender.writing() as doc:
        doc.write_int(1)
        doc.rollback_on_close()
    with appender.writing():
        pass
    assert list(queue.tailer()) == [b"\x8f"]


def test_metadata_takes_fields_too(queue, appender):
    with appender.writing(meta=True) as doc:
        doc.write_string("about")
    write_numbers(appender, 1)
    tailer = queue.tailer(meta=True)
    found = []
    while doc := tailer.reading():
        found.append((bytes(doc), tailer.is_meta))
    assert (b"\5about", True) in found and found[-1][1] is False


def test_the_dialect_is_the_queues(queue, appender):
    with appender.writing() as doc:
        assert doc.dialect == "v5"
        doc.write_boolean(False)
    with queue.tailer().reading() as found:
        assert (found.dialect, bytes(found), found.read_boolean()) == ("v5", b"N", False)


def test_a_large_excerpt(queue, appender):
    with appender.writing() as doc:
        for number in range(50_000):
            doc.write_long(number)
        doc.write_string("x" * 100_000)
    with queue.tailer().reading() as found:
        assert [found.read_long() for _ in range(50_000)] == list(range(50_000))
        assert found.read_string() == "x" * 100_000


def test_a_cursor_is_for_one_excerpt_of_its_appender(queue, appender):
    with appender.writing() as one, appender.writing() as other:
        one.write(b"one")
        other.write(b"other")
    assert list(queue.tailer()) == [b"other", b"one"]
    assert (one.index, other.index) == (other.index + 1, one.index - 1)
