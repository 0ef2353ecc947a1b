"""open_queue(wire_type=): queues without names, made by us, are Java's own, byte for byte."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from fix_java import JavaPeer

import pychronix as px
from pychronix.errors import ChronixWarning, UsageError

T0 = 1_709_635_062_500  # 2024-03-05T10:37:42.5Z


def test_a_fieldless_queue_is_javas_own(java: JavaPeer, tmp_path: Path) -> None:
    with px.open_queue(
        tmp_path / "ours", "a", roll="TEST4_DAILY", wire_type="FIELDLESS_BINARY", clock=lambda: T0 * 1_000_000
    ) as queue:
        assert queue.wire_type == "FIELDLESS_BINARY"
        appender = queue.appender()
        appender.append_text("one")
        appender.append_document({"name": "bob", "age": 40})
        assert [document.to_python() for document in queue.tailer().documents()] == ["one", ["bob", 40]]
    for name in ("ours", "theirs"):
        with java.open(tmp_path / name, roll="TEST4_DAILY", clock_ms=T0, wire="FIELDLESS_BINARY") as queue_of_java:
            other = queue_of_java.appender()
            if name == "theirs":
                other.append_text("one")
                other.append(b"\xe3bob\xa1\x28")
            other.append_text("three")
            assert [excerpt.data for excerpt in queue_of_java.dump()] == [b"\xe3one", b"\xe3bob\xa1\x28", b"\xe5three"]
    ours, theirs = ((tmp_path / name / "20240305T4.cq4").read_bytes() for name in ("ours", "theirs"))
    size = min(len(ours), len(theirs))
    assert ours[:size] == theirs[:size]
    assert not ours[size:].strip(b"\0") and not theirs[size:].strip(b"\0")
    assert b"writePosition" not in ours
    # Nobody need say it again, and who says otherwise is told.
    with px.open_queue(tmp_path / "ours", "a") as queue:
        assert queue.wire_type == "FIELDLESS_BINARY"
    with pytest.warns(ChronixWarning, match="wire type is FIELDLESS_BINARY, not BINARY_LIGHT"):
        px.open_queue(tmp_path / "ours", wire_type="BINARY_LIGHT").close()


def test_wire_types_of_a_queue(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("BINARY_LIGHT", "BINARY", "COMPRESSED_BINARY"):
            with px.open_queue(tmp_path / name, "a", wire_type=name) as queue:
                queue.appender().append_text("x")
                assert queue.wire_type == "BINARY_LIGHT"
            px.open_queue(tmp_path / name, wire_type=name).close()
    with pytest.raises(UsageError, match="no queue can be of wire type 'TEXT'"):
        px.open_queue(tmp_path / "t", "a", wire_type="TEXT")
    with pytest.raises(UsageError, match=r"wire_type is an option of .cq4 queues"):
        px.open_queue(tmp_path / "v", "a", format="vanilla", wire_type="BINARY_LIGHT")
    assert not (tmp_path / "t").exists()
