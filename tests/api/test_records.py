"""Records: many excerpts of one layout, by struct, NumPy and construct."""

from __future__ import annotations

import struct

import construct
import pytest

import pychronix as px

FIRST_COUNT = 3000
RECORDS = [(number - 5, number * 1_000_003, number / 8) for number in range(FIRST_COUNT)]
LAYOUT = struct.Struct("<iqd")


@pytest.fixture
def queue(tmp_path):
    with px.open_queue(tmp_path / "q", "a", roll="FAST_DAILY") as opened:
        yield opened


@pytest.fixture
def appender(queue):
    return queue.appender()


def numpy_or_skip():
    return pytest.importorskip("numpy", reason="NumPy is not installed")


@pytest.mark.parametrize("layout", ["iqd", "<iqd", " <iqd", LAYOUT, struct.Struct("=iqd")])
def test_tuples_are_excerpts_of_their_struct(queue, appender, layout):
    indexes = appender.append_records(layout, iter(RECORDS))
    assert list(queue.tailer()) == [LAYOUT.pack(*record) for record in RECORDS]
    assert (len(indexes), indexes.first, indexes.last) == (FIRST_COUNT, queue.first_index, queue.last_index)
    assert list(queue.tailer().read_records(layout)) == RECORDS


@pytest.mark.parametrize("layout, size", [(">iqd", 20), ("!hh", 4), ("<3sB", 4), ("i4xB", 9), ("<b", 1), ("@bq", 16)])
def test_other_structs(queue, appender, layout, size):
    compiled = struct.Struct(layout if layout[0] in "<>!@" else "<" + layout)
    records = [compiled.unpack(bytes((number % 100, 0) + (7,) * (size - 2))[:size]) for number in range(600)]
    appender.append_records(layout, records)
    assert [len(payload) for payload in queue.tailer().read_many(3)] == [size] * 3
    assert list(queue.tailer().read_records(layout)) == records
    tailer = queue.tailer()
    tailer.direction = "backward"
    tailer.to_end()
    assert list(tailer.read_records(layout)) == records[::-1]


def test_the_layout_of_a_struct_without_a_prefix_is_its_own(queue, appender):
    appender.append_records(struct.Struct("bq"), [(1, 2)] * 5)
    assert list(queue.tailer()) == [struct.pack("bq", 1, 2)] * 5
    assert list(queue.tailer().read_records(struct.Struct("bq"))) == [(1, 2)] * 5
    with pytest.raises(px.RecordLengthError):
        list(queue.tailer().read_records("bq"))


def test_a_loop_over_records_may_stop_move_and_go_on(queue, appender):
    indexes = appender.append_records("iqd", RECORDS)
    tailer = queue.tailer()
    for number, record in enumerate(tailer.read_records("iqd")):
        assert (record, tailer.last_read_index) == (RECORDS[number], indexes[number])
        if number == 1500:
            break
    assert tailer.index == indexes[1501]
    assert tailer.read() == LAYOUT.pack(*RECORDS[1501])
    assert list(tailer.read_records("iqd", 10)) == RECORDS[1502:1512]
    with tailer.reading() as doc:
        assert doc.index == indexes[1512]
    found = []
    for record in tailer.read_records("iqd"):
        found.append(record)
        if len(found) == 5:
            tailer.move_to_index(indexes[2990])
    assert found == RECORDS[1513:1518] + RECORDS[2990:]
    assert list(tailer.read_records("iqd")) == []
    assert list(tailer.read_records("iqd", 0)) == []


def test_a_record_of_another_length_is_an_error_that_loses_nothing(queue, appender):
    appender.append_records("iqd", RECORDS[:1500])
    odd = appender.append(b"odd")
    appender.append_records("iqd", RECORDS[1500:])
    tailer = queue.tailer()
    found = []
    with pytest.raises(px.RecordLengthError, match="as a record of 20 bytes: it has 3") as caught:
        for record in tailer.read_records("iqd"):
            found.append(record)
    assert (found, caught.value.index, tailer.index) == (RECORDS[:1500], odd, odd)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(px.RecordLengthError):
        next(tailer.read_records("iqd"))
    assert tailer.read() == b"odd"
    assert list(tailer.read_records("iqd")) == RECORDS[1500:]


@pytest.mark.parametrize("way", ["named", "meta", "none"])
def test_tailers_that_read_one_at_a_time(queue, appender, way):
    indexes = appender.append_records("iqd", RECORDS[:50])
    tailer = queue.tailer("name" if way == "named" else None)
    if way == "none":
        tailer.direction = "none"
        assert list(tailer.read_records("iqd", 3)) == RECORDS[:1] * 3
        return
    odd = appender.append(b"odd")
    if way == "meta":
        tailer.meta = True
        with pytest.raises(px.RecordLengthError):  # The file's header.
            next(tailer.read_records("iqd"))
        tailer.meta = False
    assert list(tailer.read_records("iqd", 20)) == RECORDS[:20]
    assert tailer.index == indexes[20]
    rest = tailer.read_records("iqd")
    assert [next(rest) for _ in range(30)] == RECORDS[20:50]
    with pytest.raises(px.RecordLengthError) as caught:
        next(rest)
    assert (caught.value.index, tailer.index) == (odd, odd)
    numpy = numpy_or_skip()
    tailer.to_start()
    with pytest.raises(px.RecordLengthError) as caught:
        tailer.read_records("iqd", into="numpy")
    assert caught.value.records.tolist() == RECORDS[:50]
    assert isinstance(caught.value.records, numpy.ndarray)


def test_a_record_that_does_not_fit_is_named_and_what_came_before_stays(queue, appender):
    records = [*RECORDS[:1100], (1 << 31, 0, 0.0), *RECORDS[:5]]
    with pytest.raises(px.UsageError, match=r"record 1100, \(2147483648, 0, 0\.0\)") as caught:
        appender.append_records("iqd", records)
    assert len(caught.value.appended) == queue.count() == 1100
    for wrong in ([(1, 2)], [(1, 2, 3.0, 4)], [5], [("a", 1, 1.0)]):
        with pytest.raises(px.UsageError, match="record 0"):
            appender.append_records("iqd", wrong)
    assert queue.count() == 1100


def test_an_iterable_that_raises(queue, appender):
    def records():
        yield from RECORDS[:1500]
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        appender.append_records("iqd", records())
    assert len(caught.value.appended) == queue.count() == 1024


@pytest.mark.parametrize("layout", ["", "x!", "k", "3", "iq\u20ac"])
def test_formats_that_are_none(appender, layout):
    with pytest.raises(px.UsageError):
        appender.append_records(layout, [])


@pytest.mark.parametrize("layout", [None, 5, b"i", object()])
def test_what_is_no_layout(queue, appender, layout):
    for call in (lambda: appender.append_records(layout, []), lambda: queue.tailer().read_records(layout)):
        with pytest.raises(TypeError, match="a record layout is"):
            call()


def test_arguments_of_read_records(queue):
    tailer = queue.tailer()
    with pytest.raises(px.UsageError, match="not negative"):
        tailer.read_records("i", -1)
    with pytest.raises(px.UsageError, match="into is"):
        tailer.read_records("i", into="pandas")


def test_records_over_a_roll_and_durable(tmp_path):
    now = [1_700_000_000]
    with px.open_queue(tmp_path / "q", "a", roll="FAST_DAILY", clock=lambda: now[0] * 10**9) as queue:
        appender = queue.appender()
        appender.append_records("q", [(1,)] * 5)
        now[0] += 86_400
        indexes = appender.append_records("q", [(2,)] * 5, durable=True)
        assert len(queue.cycles()) == 2 and indexes.first == queue.last_index - 4
        assert list(queue.tailer().read_records("q")) == [(1,)] * 5 + [(2,)] * 5


# --- NumPy -----------------------------------------------------------------------------------------------------------


def test_structured_arrays(queue, appender):
    numpy = numpy_or_skip()
    dtype = numpy.dtype([("a", "<i4"), ("b", "<i8"), ("c", "<f8")])
    array = numpy.array(RECORDS, dtype)
    assert len(appender.append_records(dtype, array)) == FIRST_COUNT
    appender.append_records(dtype, array[::-2])
    appender.append_records(dtype, RECORDS[:7])
    appender.append_records(dtype, iter(RECORDS[:7]))
    appender.append_records(dtype, numpy.frombuffer(array[:7].tobytes(), numpy.uint8).reshape(7, 20))
    tailer = queue.tailer()
    found = tailer.read_records(dtype, 2000)
    assert (found.dtype, found.tolist(), tailer.read()) == (dtype, RECORDS[:2000], LAYOUT.pack(*RECORDS[2000]))
    found = tailer.read_records(dtype)
    assert found.tolist() == RECORDS[2001:] + RECORDS[::-2] + RECORDS[:7] * 3
    found["a"][0] = 7  # It is the caller's own.
    assert tailer.queue.tailer().read_many(2002)[-1] == LAYOUT.pack(*RECORDS[2001])
    empty = tailer.read_records(dtype)
    assert (len(empty), empty.dtype) == (0, dtype)
    tailer.direction = "backward"
    tailer.to_end()
    assert tailer.read_records(dtype, 9).tolist() == RECORDS[:7][::-1] + RECORDS[:7][::-1][:2]


def test_structs_into_numpy(queue, appender):
    numpy = numpy_or_skip()
    appender.append_records("<hx3s2?B", [(-2, b"abc", True, False, 7)] * 3)
    found = queue.tailer().read_records("<hx3s2?B", into="numpy")
    assert found.dtype.names == ("f0", "f1", "f2", "f3", "f4")
    assert found.tolist() == [(-2, b"abc", True, False, 7)] * 3
    for layout in ("@hq", "<3p"):
        with pytest.raises(px.UsageError):
            queue.tailer().read_records(layout, into="numpy")
    assert isinstance(found, numpy.ndarray)


def test_an_error_has_the_array_so_far(queue, appender):
    numpy = numpy_or_skip()
    appender.append_records("iqd", RECORDS[:1500])
    odd = appender.append(b"odd")
    tailer = queue.tailer()
    with pytest.raises(px.RecordLengthError) as caught:
        tailer.read_records(numpy.dtype("<i4,<i8,<f8"))
    assert (caught.value.index, tailer.index, caught.value.records.tolist()) == (odd, odd, RECORDS[:1500])


def test_arrays_that_are_no_records(queue, appender):
    numpy = numpy_or_skip()
    dtype = numpy.dtype([("a", "<i4"), ("b", "<i4")])
    for wrong in (numpy.zeros((3, 7), numpy.uint8), numpy.zeros((2, 2), dtype), ["text"], [(1 << 40, 0)]):
        with pytest.raises(px.UsageError):
            appender.append_records(dtype, wrong)
    with pytest.raises(px.UsageError, match="Python objects"):
        appender.append_records(numpy.dtype([("a", "O")]), [])
    assert queue.count() == 0


def test_records_of_many_sizes(queue, appender):
    """Longer ones than fit a batch, and such as lie unevenly because index pages come between."""
    numpy = numpy_or_skip()
    dtype = numpy.dtype([("head", "<i8"), ("body", "S3001")])
    records = [(number, b"%d" % number * 3) for number in range(300)]
    appender.append_records(dtype, records)
    assert queue.tailer().read_records(dtype).tolist() == records
    assert list(queue.tailer().read_records("<q3001s")) == [
        (number, body.ljust(3001, b"\0")) for number, body in records
    ]


# --- construct -------------------------------------------------------------------------------------------------------


def test_construct_structs(queue, appender):
    layout = construct.Struct("number" / construct.Int32sl, "price" / construct.Float64l, "tag" / construct.Bytes(3))
    records = [{"number": number, "price": number / 4, "tag": b"%03d" % (number % 999)} for number in range(1500)]
    appender.append_records(layout, records)
    found = list(queue.tailer().read_records(layout))
    assert [(one.number, one.price, one.tag) for one in found] == [
        (one["number"], one["price"], one["tag"]) for one in records
    ]
    with pytest.raises(px.UsageError, match="record 1"):
        appender.append_records(layout, [records[0], {"number": 1}])
    assert queue.count() == 1501
    with pytest.raises(px.UsageError, match="NumPy"):
        queue.tailer().read_records(layout, into="numpy")


def test_a_construct_without_a_fixed_size(appender):
    with pytest.raises(px.UsageError, match="no fixed size"):
        appender.append_records(construct.Struct("text" / construct.CString("utf8")), [])
