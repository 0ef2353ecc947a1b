"""Documents that real Java wrote, decoded: field by field what the Java objects held, in releases 5.17 to 2026.4."""

from __future__ import annotations

import datetime
import math
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_java import WIRE_RELEASES, WirePeer

import pychronix as px
from pychronix.wire import Document, Opaque, Typed, TypeLiteral, walk
from pychronix.wire.decoding import from_tokens, parse
from pychronix.wire.times import format_date, format_date_time, format_time, format_zoned
from pychronix.wire.walking import LIMITS

Peers = Callable[..., WirePeer]


class Node:
    """A Java value: its type and text, and what is in it by name or number (see Samples.java)."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text
        self.parts: list[tuple[str, Node]] = []


class Sample:
    """What Java says of a document."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Node | None = None
        self.sources: str | None = None


def samples(rows: list[list[str]]) -> list[Sample]:
    found: list[Sample] = []
    nodes: dict[str, Node] = {}
    for number, name, path, kind, text in rows:
        if int(number) == len(found):
            found.append(Sample(name))
            nodes = {}
        if path == "history":
            found[-1].sources = text
            continue
        node = nodes[path] = Node(kind, text)
        if path == "":
            found[-1].root = node
        else:
            above, _, step = path.rpartition("/")
            nodes[above].parts.append((step, node))
    return found


def double(text: str) -> float:
    return float(struct.unpack(">d", int(text, 16).to_bytes(8, "big"))[0])


def single(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def as_java_prints(kind: str, value: Any) -> str:
    """A scalar as Samples.java tells it."""
    plain: dict[str, tuple[type, Callable[[Any], str]]] = {
        "text": (str, str),
        "bytes": (bytes, lambda data: data.hex() or "-"),
        "opaque": (Opaque, lambda data: data.hex()),
        "time": (datetime.time, format_time),
        "date": (datetime.date, format_date),
        "date_time": (datetime.datetime, format_date_time),
        "zoned": (datetime.datetime, format_zoned),
        "uuid": (uuid.UUID, str),
        "class": (TypeLiteral, lambda literal: literal.name),
        "int": (int, str),
    }
    cls, text = plain[kind]
    assert isinstance(value, cls) and not isinstance(value, bool), (kind, value)
    return text(value)


def agree(node: Node, value: Any, where: str, named: bool = True, older: bool = False) -> None:
    """The decoded value is the Java value; without names (FIELDLESS) an object is a list of its values.

    Older releases (up to 5.21) write a byte[] that is a field as a sequence of numbers, and those up to 5.19 an object
    that is a BytesMarshallable field by field.
    """
    while isinstance(value, Typed):
        value = value.value
    if older and node.kind == "bytes" and isinstance(value, list):
        value = bytes(number & 0xFF for number in value)
    if older and node.kind == "opaque" and isinstance(value, dict):
        assert value == {"a": 1, "b": 2, "c": "hi", "d": 1.5}, where
    elif node.kind == "null":
        assert value is None, where
    elif node.kind == "bool":
        assert value is (node.text == "true"), where
    elif node.kind in ("float", "double"):
        expected = double(node.text)
        assert type(value) in (float, int), where
        found = float(value) if node.kind == "double" else single(value)
        assert found == expected or (found != found and expected != expected), (where, found, expected)
    elif node.kind == "list" or (node.kind == "map" and isinstance(value, list)):
        assert isinstance(value, list), where
        assert node.kind == "list" or not named or not node.parts, where
        assert len(node.parts) == len(value) == int(node.text), where
        for (step, part), item in zip(node.parts, value, strict=True):
            agree(part, item, f"{where}/{step}", named, older)
    elif node.kind == "map":
        assert isinstance(value, dict), where
        assert [step for step, _ in node.parts] == list(value), where
        for step, part in node.parts:
            agree(part, value[step], f"{where}/{step}", named, older)
    else:
        assert node.text == as_java_prints(node.kind, value), where


def check(directory: Path, told: list[Sample], *, named: bool = True, older: bool = False) -> list[Document]:
    with px.open_queue(directory) as queue:
        documents = list(queue.tailer().documents())
        one_by_one = queue.tailer()
        for expected in documents:
            found = one_by_one.read_document()
            assert found is not None
            assert (found.index, found.payload) == (expected.index, expected.payload)
        assert one_by_one.read_document() is None
    assert len(documents) == len(told)
    for sample, document in zip(told, documents, strict=True):
        assert sample.root is not None
        value = document.to_python()
        if not named and sample.root.kind == "map" and document.kind in ("values", "text"):
            value = parse(document.payload, "BINARY").items  # Of one value to_python() is the value itself.
        agree(sample.root, value, sample.name, named, older)
        history = document.history
        if sample.sources is None:
            assert history is None
        else:
            assert history is not None
            assert ",".join(f"{source}:{index}" for source, index in history.sources) == sample.sources
            # When each hop was read and written; the described form leaves out when it is written itself.
            assert len(history.timings) in (2 * len(history.sources) - 1, 2 * len(history.sources))
        # Both ways of reading, and every byte told.
        content = parse(document.payload, "BINARY")
        assert repr(content) == repr(from_tokens(document.payload, LIMITS))
        assert sum(token.stop - token.start for token in walk(document.payload) if token.kind == "padding") < 40
    return documents


def write(peer: WirePeer, directory: Path, **options: object) -> list[Sample]:
    return samples(peer.rows("write", dir=directory, **options))


@pytest.mark.slow
@pytest.mark.parametrize("release", [release for release in WIRE_RELEASES if release != "2026.4"])
def test_what_older_releases_write(wire_peer: Peers, release: str, tmp_path: Path, budget: Any) -> None:
    # 5.17 and 5.19 store other characters than ASCII as parts of UTF-16, which they cannot read themselves.
    older = not release.startswith(("5.24", "5.26"))
    peer = wire_peer("Samples", release=release)
    told = write(peer, tmp_path / "q", numbers=budget.of(20, 200, 5000), source=3, ascii=older)
    check(tmp_path / "q", told, older=older)


def test_what_java_writes(wire_peer: Peers, tmp_path: Path, budget: Any) -> None:
    peer = wire_peer("Samples")
    documents = check(tmp_path / "q", write(peer, tmp_path / "q", numbers=budget.of(200, 2000, 50_000)))
    kinds = {document.kind for document in documents}
    assert kinds == {"text", "fields", "event", "events"}
    by_event = {document.event: document for document in documents if document.kind == "event"}
    assert by_event[5].events() == ((5, "id"),)
    assert by_event["two"].value == ["a", 3]


def test_histories(wire_peer: Peers, tmp_path: Path) -> None:
    told = write(wire_peer("Samples"), tmp_path / "q", numbers=1, source=7)
    assert sum(sample.sources == "77:320254236426247" for sample in told) >= 17
    documents = check(tmp_path / "q", told)
    assert {document.kind for document in documents if document.history is not None} == {"event", "events"}


def test_self_describing_histories(wire_peer: Peers, tmp_path: Path) -> None:
    told = write(wire_peer("Samples", history__self__describing="true"), tmp_path / "q", numbers=1, source=7)
    assert sum(sample.sources is not None for sample in told) >= 17
    documents = check(tmp_path / "q", told)
    described = [document for document in documents if document.history is not None]
    assert all(b"sources" in document.payload for document in described)


@pytest.mark.parametrize("wire", ["BINARY", "COMPRESSED_BINARY"])
def test_other_binary_wires(wire_peer: Peers, tmp_path: Path, wire: str) -> None:
    told = write(wire_peer("Samples"), tmp_path / "q", wire=wire, numbers=20)
    documents = check(tmp_path / "q", told)
    compressed = [document for document in documents if b"\xb6\x03lzw" in document.payload]
    assert len(compressed) == (wire == "COMPRESSED_BINARY")


def test_documents_without_names(wire_peer: Peers, tmp_path: Path) -> None:
    told = write(wire_peer("Samples"), tmp_path / "q", wire="FIELDLESS_BINARY", numbers=20)
    documents = check(tmp_path / "q", told, named=False)
    assert {document.kind for document in documents} >= {"values", "event", "text"}
