"""Method writers and readers against Java's: each is called with what the other wrote, histories and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fix_java import WirePeer
from services import Api, Teller, script

import pychronix as px

RELEASES = ("5.21.99", "5.24ea27", "5.26ea7", "2026.4")
HISTORY = b"\xba\x80\x00\x81\x0b\x00\x86\x00\x01"  # no source, one timing of 8 bytes


def without_timing(payload: bytes) -> bytes:
    assert payload.startswith(HISTORY)
    return payload[len(HISTORY) + 8 :]


def calls_of_python(path: Path, following: object = None) -> list[str]:
    teller = Teller(following)
    with px.open_queue(path) as queue, queue.method_reader(teller) as reader:
        assert len(list(reader)) == queue.count()
    return teller.calls


@pytest.mark.parametrize("release", ("5.17.43", *RELEASES))
def test_python_is_called_with_what_java_wrote(
    wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str
) -> None:
    peer = wire_peer("Services", release=release)
    peer.ask("write", path=tmp_path / "q", source=7)
    expected = [row for (row,) in peer.rows("read", path=tmp_path / "q", source=7)]
    assert len(expected) == 20
    assert expected == calls_of_python(tmp_path / "q")


def test_the_bytes_of_each_call_are_javas(wire_peer: Callable[..., WirePeer], tmp_path: Path) -> None:
    wire_peer("Services").ask("write", path=tmp_path / "java", source=7)
    with px.open_queue(tmp_path / "python", "a", roll="FAST_DAILY", source_id=7) as ours:
        script(ours.method_writer(Api))
        with px.open_queue(tmp_path / "java") as theirs:
            for expected, found in zip(theirs.tailer(), ours.tailer(), strict=True):
                assert without_timing(expected).hex(" ") == without_timing(found).hex(" ")


@pytest.mark.parametrize("release", RELEASES)
def test_java_is_called_with_what_python_wrote(
    wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str
) -> None:
    peer = wire_peer("Services", release=release)
    with px.open_queue(tmp_path / "q", "a", roll="DAILY", source_id=7) as queue:
        script(queue.method_writer(Api))
        expected = calls_of_python(tmp_path / "q")
        assert expected == [row for (row,) in peer.rows("read", path=tmp_path / "q", source=7)]


@pytest.mark.parametrize("release", RELEASES)
def test_there_and_back_with_both_hops_in_the_history(
    wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str
) -> None:
    """Java's method writer, a Python service, Java's method reader; and once more through a service of Java."""
    peer = wire_peer("Services", release=release)
    peer.ask("write", path=tmp_path / "first", source=7)
    with px.open_queue(tmp_path / "second", "a", roll="DAILY", source_id=8) as queue:
        heard = calls_of_python(tmp_path / "first", queue.method_writer(Api))
        cycle = queue.first_index
    assert cycle is not None
    there = [row for (row,) in peer.rows("read", path=tmp_path / "second", source=8)]
    third = {"path": tmp_path / "second", "source": 8, "to": tmp_path / "third", "to_source": 9}
    assert there == [row for (row,) in peer.rows("bridge", **third)]
    back = calls_of_python(tmp_path / "third")
    assert len(heard) == len(there) == len(back) == 20
    number = -1
    for one, two, three in zip(heard, there, back, strict=True):
        number += 0 if one.startswith("end") else 1  # its chain is one message
        said, _, first = one.partition(" @ ")
        source = first.split(" #")[0]
        assert two == f"{said} @ {source} 8={cycle + number} #4 ordered"
        assert three.startswith(f"{said} @ {source} 8={cycle + number} 9=")
        assert three.endswith("#6 ordered")


@pytest.mark.parametrize("release", ("5.19.76", "5.20.123"))
def test_releases_before_histories_hear_calls_without_one(
    wire_peer: Callable[..., WirePeer], tmp_path: Path, release: str
) -> None:
    """Their readers do not call anything for a message with a history in this form; their writers write none."""
    peer = wire_peer("Services", release=release)
    with px.open_queue(tmp_path / "q", "a", roll="DAILY") as queue:
        script(queue.method_writer(Api))
    expected = [call.replace("#2", "#1") for call in calls_of_python(tmp_path / "q")]
    assert expected == [row for (row,) in peer.rows("read", path=tmp_path / "q", source=0)]
