"""Codecs: values into excerpts and back, by name and by object; what fails writes nothing and says where."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import math
import pickle
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pychronix as px
from pychronix import codec as codecs
from pychronix.codec import Codec, codec_of
from pychronix.errors import CodecError, WireError
from pychronix.wire import Typed, decode, encode_document, encode_text

construct = pytest.importorskip("construct")

POINT = construct.Struct("x" / construct.Int32ul, "name" / construct.PascalString(construct.Byte, "utf8"))
TRADE = np.dtype([("px", "<f8"), ("qty", "<i4")])

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
I64 = st.integers(-(1 << 63), (1 << 63) - 1)
WIRE = st.recursive(
    st.none() | st.booleans() | I64 | st.text() | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner, min_size=1, max_size=4)
    ),
    max_leaves=10,
)

CASES: list[tuple[str, object, list[Any]]] = [
    ("bytes", "bytes", [b"abc", b"\x00", b"\xff" * 300]),
    ("text", "text", ["", "hello", "€uro", None, "x" * 100]),
    ("json", "json", [{"a": [1, 2.5, None, "é"]}, [], "text", 7, None]),
    ("wire", "wire", [{"id": 7, "px": 1.5, "tags": ["a", "b"]}, "text", None, 7, 1.5, True, [1, 2], Typed("Abc", {"x": 1}),
                      datetime.date(2024, 3, 5), {"o": {"p": {"q": b"raw"}}}]),
    ("tuple", "tuple", [(1, "a", 2.5), (None,), ("x", ["nested"], {"k": True})]),
    ("struct by name", "struct:iqd", [(1, 2, 3.5), (-1, 1 << 62, math.inf)]),
    ("struct", struct.Struct(">hh"), [(1, 2), (-3, 4)]),
    ("construct", POINT, [construct.Container(x=7, name="a"), construct.Container(x=1, name="long name é")]),
]  # fmt: skip


@pytest.mark.parametrize("spec, values", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_values_come_back(tmp_path: Path, spec: object, values: list[Any]) -> None:
    with px.open_queue(tmp_path / "q", "a", codec=spec) as queue:
        with queue.appender() as appender:
            first = appender.append_value(values[0])
            indexes = appender.append_values(values[1:] * 100)
            assert appender.last_index == indexes.last == first + 100 * (len(values) - 1)
        found = list(queue.tailer().values())
        expected = [values[0], *values[1:] * 100]
        assert expected == found
        assert list(map(type, expected)) == list(map(type, found))
        tailer = queue.tailer("named")  # One by one.
        assert values[:2] == [value for value, _ in zip(tailer.values(), range(2), strict=False)]
        backward = queue.tailer()
        backward.direction = "backward"
        assert expected[::-1] == list(backward.to_end().values())


def test_numpy_arrays(tmp_path: Path) -> None:
    arrays = [np.array([(1.5, 2), (2.5, 3)], TRADE), np.array([(0.0, 1)], TRADE)]
    for spec in (TRADE, "numpy:<f8,<i4"):
        with px.open_queue(tmp_path / str(type(spec)), "a", codec=spec) as queue:
            queue.appender().append_values(arrays)
            found = list(queue.tailer().values())
            assert [array.tolist() for array in arrays] == [array.tolist() for array in found]
            assert all(array.dtype.itemsize == 12 and array.ndim == 1 for array in found)
            assert arrays[0].tobytes() == queue.tailer().read()


def test_what_is_stored_is_javas() -> None:
    assert encode_text("hé") == codec_of("text").encode("hé")
    assert encode_document({"a": 1}) == codec_of("wire").encode({"a": 1})
    assert b'{"a":"\xc3\xa9","b":[1,null]}' == codec_of("json").encode({"a": "é", "b": [1, None]})
    assert {"a": 1} == decode(codec_of("wire").encode({"a": 1}))


def test_dataclasses_are_documents() -> None:
    @dataclasses.dataclass
    class Order:
        id: int
        side: str

    assert {"id": 7, "side": "BUY"} == decode(codec_of("wire").encode(Order(7, "BUY")))


@given(JSON)
def test_json_is_the_identity(value: object) -> None:
    codec = codec_of("json")
    payload = codec.encode(value)
    assert b"\n" not in payload
    assert value == codec.decode(payload)


@given(WIRE)
def test_wire_is_the_identity(value: object) -> None:
    codec = codec_of("wire")
    assert repr(value) == repr(codec.decode(codec.encode(value)))
    assert repr([value] * 3) == repr(codec.decode_many(codec.encode_many([value] * 3)))


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(width=64, allow_nan=False))))
def test_struct_in_bulk(values: list[tuple[int, float]]) -> None:
    codec = codec_of("struct:Bd")
    payloads = codec.encode_many(values)
    assert [codec.encode(value) for value in values] == payloads
    assert values == codec.decode_many(payloads) == [codec.decode(payload) for payload in payloads]


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[px.Queue]:
    with px.open_queue(tmp_path / "q", "a", codec="json") as opened:
        yield opened


def test_a_value_that_cannot_be_written_writes_nothing(queue: px.Queue) -> None:
    appender = queue.appender()
    with pytest.raises(CodecError, match=r"the codec json cannot write \{1, 2\}: .*not JSON serializable") as caught:
        appender.append_value({1, 2})
    assert isinstance(caught.value.__cause__, TypeError)
    assert caught.value.index is None
    with pytest.raises(CodecError, match=r"cannot write nan \(number 1500, counted from 0\)"):
        appender.append_values([*range(1500), math.nan, *range(3000)])
    with pytest.raises(ZeroDivisionError):  # The iterable's own errors are its own.
        appender.append_values(1 // (3 - number) for number in range(5))
    assert 0 == queue.count()
    appender.append_value("kept")
    assert ["kept"] == list(queue.tailer().values())


@pytest.mark.parametrize(
    "spec, value",
    [
        ("bytes", "text"),
        ("text", b"bytes"),
        ("tuple", 7),
        ("struct:i", ("x",)),
        ("struct:i", 5),
        ("wire", object()),
        (POINT, {}),
        (TRADE, [["x"]]),
        ("numpy:f8", [[1.0], [2.0]]),
    ],
)
def test_every_codec_refuses_what_is_not_its(tmp_path: Path, spec: object, value: object) -> None:
    with px.open_queue(tmp_path / "q", "a", codec=spec) as queue:
        for call in (queue.appender().append_value, lambda one: queue.appender().append_values([one])):
            with pytest.raises(CodecError) as caught:
                call(value)
            assert caught.value.__cause__ is not None
        assert 0 == queue.count()


def test_an_excerpt_that_cannot_be_read(queue: px.Queue) -> None:
    appender = queue.appender()
    appender.append_values(range(1100))
    bad = appender.append(b"{no json")
    appender.append_values(range(5))
    tailer = queue.tailer()
    found = []
    with pytest.raises(CodecError, match="the codec json cannot read excerpt") as caught:
        for value in tailer.values():
            found.append(value)
            assert queue.first_index + len(found) == tailer.index  # type: ignore[operator]
    assert list(range(1100)) == found
    assert (bad, bad) == (caught.value.index, tailer.index)
    assert caught.value.__cause__ is not None
    assert queue.path == caught.value.path
    with pytest.raises(CodecError):
        next(tailer.values())
    assert b"{no json" == tailer.read()
    assert list(range(5)) == list(tailer.values())
    assert caught.value.index == pickle.loads(pickle.dumps(caught.value)).index


def test_one_by_one_an_excerpt_that_cannot_be_read(queue: px.Queue) -> None:
    appender = queue.appender()
    appender.append_values(range(3))
    bad = appender.append(b"{no json")
    tailer = queue.tailer("named")
    found = []
    with pytest.raises(CodecError) as caught:
        found.extend(tailer.values())
    assert (bad, bad) == (caught.value.index, tailer.index)


def test_wire_that_is_none(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        assert "wire" == queue.codec.name
        queue.appender().append_values([{"a": 1}] * 10)
        bad = queue.appender().append(b"\xc1a\xa7\x01")
        found = []
        with pytest.raises(CodecError) as caught:
            for value in queue.tailer().values():
                found.append(value)
        assert [{"a": 1}] * 10 == found
        assert bad == caught.value.index
        assert isinstance(caught.value.__cause__, WireError)


def test_values_and_other_reading_share_one_position(queue: px.Queue) -> None:
    queue.appender().append_values(range(3000))
    tailer = queue.tailer()
    assert b"0" == tailer.read()
    values = tailer.values()
    assert [1, 2, 3] == [next(values) for _ in range(3)]
    assert b"4" == tailer.read()
    assert [5, 6] == [next(values) for _ in range(2)]
    tailer.move_to_index(queue.first_index + 2500)  # type: ignore[operator]
    assert list(range(2500, 3000)) == list(values)
    queue.appender().append_value("later")
    assert ["later"] == list(tailer.values())


# --- codecs of one's own ---------------------------------------------------------------------------------------------


class Cents:
    """decimal.Decimal as cents; counts its calls in bulk."""

    def __init__(self) -> None:
        self.bulk = 0

    def encode(self, value: decimal.Decimal) -> bytes:
        return int(value * 100).to_bytes(8, "little", signed=True)

    def decode(self, payload: bytes) -> decimal.Decimal:
        if len(payload) != 8:
            raise ValueError(f"{len(payload)} bytes")
        return decimal.Decimal(int.from_bytes(payload, "little", signed=True)) / 100

    def encode_many(self, values: list[decimal.Decimal]) -> list[bytes]:
        self.bulk += 1
        return list(map(self.encode, values))

    def decode_many(self, payloads: list[bytes]) -> list[decimal.Decimal]:
        self.bulk += 1
        return list(map(self.decode, payloads))


def test_an_object_of_ones_own(tmp_path: Path) -> None:
    codec = Cents()
    prices = [decimal.Decimal(number) / 100 for number in range(3000)]
    with px.open_queue(tmp_path / "q", "a", codec=codec) as queue:
        queue.appender().append_values(prices)
        assert 1 == codec.bulk
        assert prices == list(queue.tailer().values())
        assert 1 + 3 <= codec.bulk < 100  # A call for each batch.
        bad = queue.appender().append(b"short")
        with pytest.raises(CodecError, match=r"the codec Cents cannot read excerpt .*: 5 bytes") as caught:
            list(queue.tailer().values())
        assert bad == caught.value.index


def test_functions_are_a_codec(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", codec=Codec(str.encode, bytes.decode, name="utf8")) as queue:
        queue.appender().append_value("é")
        assert ["é".encode()] == list(queue.tailer())
        assert ["é"] == list(queue.tailer().values())
    with pytest.raises(TypeError):
        Codec("encode", bytes.decode)  # type: ignore[arg-type]


class Wrong:
    """Bulk forms that lose some."""

    def encode(self, value: int) -> bytes:
        return b"%d" % value

    def decode(self, payload: bytes) -> int:
        return int(payload)

    def encode_many(self, values: list[int]) -> list[bytes]:
        return [self.encode(value) for value in values[1:]]

    def decode_many(self, payloads: list[bytes]) -> list[int]:
        return [self.decode(payload) for payload in payloads[1:]]


def test_bulk_forms_that_lose_values_are_found_out(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", codec=Wrong()) as queue:
        with pytest.raises(CodecError, match="made 4 excerpts of 5 values"):
            queue.appender().append_values(range(5))
        assert 0 == queue.count()
        for number in range(5):
            queue.appender().append_value(number)
        assert list(range(5)) == list(queue.tailer().values())


def test_what_is_no_bytes_is_not_written(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", codec=Codec(str, bytes)) as queue:
        with pytest.raises(CodecError, match="encode gave str, not bytes"):
            queue.appender().append_value(1)
        assert 0 == queue.count()
    with px.open_queue(tmp_path / "r", "a", codec=Codec(bytearray, bytes)) as queue:
        queue.appender().append_values([b"ab", b"c"])
        assert [b"ab", b"c"] == list(queue.tailer())


def test_names_of_ones_own() -> None:
    codecs.register("test-cents", Cents())
    assert codec_of("test-cents") is codec_of("test-cents")
    for name in ("test-cents", "json", "struct", "", "a:b", "construct"):
        with pytest.raises(px.UsageError):
            codecs.register(name, Cents())
    with pytest.raises(TypeError):
        codecs.register("test-none", 7)


@pytest.mark.parametrize(
    "spec", ["jsn", "struct", "struct:", "struct:??!", "numpy:nonsense", "construct", "numpy:O", np.dtype("O")]
)
def test_codecs_that_there_are_not(tmp_path: Path, spec: object) -> None:
    with pytest.raises(px.UsageError):
        px.open_queue(tmp_path / "q", "a", codec=spec)
    assert not (tmp_path / "q").exists()


def test_the_default_is_what_the_formats_excerpts_are(tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue, px.open_queue(tmp_path / "v", "a", format="vanilla") as vanilla:
        assert ("wire", "bytes") == (queue.codec.name, vanilla.codec.name)
        vanilla.appender().append_values([b"abc", b"de"])
        assert [b"abc", b"de"] == list(vanilla.tailer().values())
    with px.open_queue(tmp_path / "v", codec="struct:2s") as vanilla:
        tailer = vanilla.tailer()
        with pytest.raises(CodecError):
            list(tailer.values())
        assert b"abc" == tailer.read()
        assert [(b"de",)] == list(tailer.values())
    with px.open_queue(tmp_path / "i", "a", format="indexed", codec="wire") as indexed:
        indexed.appender().append_values([{"a": number} for number in range(2000)])
        assert [{"a": number} for number in range(2000)] == list(indexed.tailer().values())
        assert 1999 == indexed.tailer().read_documents(wire_type="BINARY")[-1]["a"]
        with pytest.raises(px.UnsupportedFormatError):
            indexed.tailer().read_documents()


@pytest.mark.parametrize("spec", [7, object(), b"json"])
def test_what_is_no_codec(tmp_path: Path, spec: object) -> None:
    with pytest.raises(TypeError, match="a codec is a name"):
        px.open_queue(tmp_path / "q", "a", codec=spec)


def test_numpy_and_construct_are_imported_on_use() -> None:
    import subprocess

    code = (
        "import sys, pychronix.codec as c; [c.codec_of(n) for n in ('bytes','text','json','wire','tuple','struct:i')];"
        "print([n for n in ('numpy','construct','pyarrow') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "[]" == done.stdout.strip()


def test_a_fieldless_queue_has_no_names(java_fixture: Any) -> None:
    (fixture,) = java_fixture("v5/fieldless").values()
    with px.open_queue(fixture.path, "r+") as queue:
        assert "FIELDLESS_BINARY" == queue.wire_type
        before = queue.tailer().to_end()
        queue.appender().append_values([{"a": "abc", "b": number % 100} for number in range(2000)])
        assert [["abc", number % 100] for number in range(2000)] == before.read_documents()
        assert b"\xe3abc\xa1\x63" == list(queue.tailer())[-1]


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_value({"id": 1})
        tailer = queue.tailer()
        for into, name in (("numpy", "numpy"), ("arrow", "pyarrow")):
            with pytest.raises(ModuleNotFoundError, match=f"^this needs {name}: pip install {name}$"):
                tailer.read_documents(into=into)
        assert tailer.read_documents() == [{"id": 1}]  # The tailer is where it was.
    with pytest.raises(ModuleNotFoundError, match=r"^this needs numpy: pip install numpy$"):
        px.open_queue(tmp_path / "n", "a", codec="numpy:<f8")


def test_an_option_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'wire_typ'"):
        px.open_queue(tmp_path / "q", "a", wire_typ="TEXT")  # type: ignore[call-arg]
