"""What can neither be written nor be shown is refused with a typed error all the same; times that Java could not read."""

from __future__ import annotations

import datetime
import enum
import functools
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix import wire
from pychronix.errors import CodecError, WireError
from pychronix.wire import (
    Document,
    Opaque,
    Typed,
    WireWriter,
    alias,
    decode,
    decode_text,
    encode,
    encode_document,
    encode_event,
    to_json,
    to_yaml,
    walk,
)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __hash__(self) -> int:
        return 7


class Rights(enum.Flag):
    READ = 1


LONG = 10**5000  # Python writes no integer of so many digits.


def deep() -> list[Any]:
    return functools.reduce(lambda inner, _: [inner], range(5000), [])


@pytest.mark.parametrize(
    "value", [LONG, Unshowable(), deep(), Rights(0)], ids=["long", "unshowable", "deep", "no flag"]
)
def test_what_cannot_be_shown_is_refused_by_every_way_of_writing(tmp_path: Path, value: Any) -> None:
    for write in (encode, lambda it: encode_document({"a": it}), lambda it: encode_event("e", it)):
        with pytest.raises(WireError):
            write(value)
    with pytest.raises(WireError):
        WireWriter().write("a").object(value)
    with px.open_queue(tmp_path / "q", "a") as queue:
        appender = queue.appender()
        with pytest.raises(CodecError, match="the codec wire cannot write"):
            appender.append_value(value)
        with pytest.raises(CodecError, match="the codec wire cannot write"):
            appender.append_values([1, value])
        assert queue.count() == 0


@pytest.mark.parametrize("key", [LONG, Unshowable()], ids=["long", "unshowable"])
def test_a_place_that_cannot_be_shown_is_named_by_its_type(key: Any) -> None:
    with pytest.raises(WireError, match=f"a value of {type(key).__name__}"):
        encode({key: {key: object()}})
    for write in (
        lambda: encode_event(key),
        lambda: WireWriter().write(key),
        lambda: WireWriter().write("a").int32(key),
    ):
        with pytest.raises(WireError):
            write()


@pytest.mark.parametrize(
    ("hours", "name", "text"),
    [
        (2, "CEST", "+02:00"),  # As astimezone() has it; ZonedDateTime.parse knows no such region.
        (1, "CET", "+01:00"),
        (2, "W. Europe Daylight Time", "+02:00"),
        (2, "UTC", "+02:00"),
        (2, "x]", "+02:00"),
        (2, "", "+02:00"),
        (2, "\ud800", "+02:00"),
        (0, "GMT", "Z[GMT]"),
        (5, "Mars/Base", "+05:00[Mars/Base]"),
    ],
)
def test_only_names_of_regions_are_written_as_such(hours: int, name: str, text: str) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=hours), name)
    moment = datetime.datetime(2024, 3, 5, 10, 37, tzinfo=zone)
    written = encode(moment)
    assert written[2:].decode() == "2024-03-05T10:37" + text
    assert decode(written) == moment


@pytest.mark.parametrize("payload", [5, 1 << 60, [0xE1, 0x61], "text", None], ids=repr)
def test_what_is_no_payload_is_a_type_error(payload: Any) -> None:
    for read in (decode, Document, decode_text, to_yaml, to_json, lambda it: list(walk(it))):
        with pytest.raises(TypeError):
            read(payload)


@pytest.mark.parametrize("payload", [bytearray(b"\xe1a"), memoryview(b"\xe1?a?")[::2], Opaque(b"\xe1a")], ids=repr)
def test_a_payload_is_anything_like_bytes(payload: Any) -> None:
    assert decode(payload) == Document(payload).to_python() == decode_text(payload) == "a"


@pytest.mark.parametrize("path", [None, 5, b"a"])
def test_a_path_is_a_text(path: Any) -> None:
    document = Document(encode_document({"a": "RED"}))
    for use in (document.get, document.read):
        with pytest.raises(TypeError, match="a path is a text"):
            use(path)
    with pytest.raises(TypeError, match="class of an Enum"):
        document.read("a").enum(path)


def test_only_a_class_has_an_alias() -> None:
    with pytest.raises(TypeError, match="given to a class, not to 5"):
        alias(5, "pkg.Five")  # type: ignore[type-var]


def test_the_package_lists_what_it_has_and_every_typed_value_has_a_hash() -> None:
    assert set(wire.__all__) <= set(dir(wire))
    assert all(hasattr(wire, name) for name in dir(wire))
    assert hash(Typed("!set", {1, 2})) == hash(Typed("!set", {2, 1}))
