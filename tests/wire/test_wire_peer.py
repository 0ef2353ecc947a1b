"""Self-test of the Java programs of the wire tests: what Java shows of a payload, in every release."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_java import WIRE_RELEASES, JavaError, WirePeer


@pytest.mark.parametrize("release", WIRE_RELEASES)
def test_java_shows_a_payload_as_text(wire_peer: Callable[..., WirePeer], release: str) -> None:
    reader = wire_peer("Reader", release=release)
    assert reader.hello()["release"] == release
    payload = bytes.fromhex("c36d7367e3616263c16ea640e20100")
    # Releases before 5.24 name the type of a number that TEXT would not read back as the same.
    assert reader.ask("text", data=payload)["text"].replace("!int ", "") == "msg: abc\nn: 123456\n"
    assert '"msg":"abc"' in reader.ask("json", data=payload)["text"].replace(" ", "")


def test_what_java_throws_is_an_error_of_the_peer(wire_peer: Callable[..., WirePeer]) -> None:
    with pytest.raises(JavaError):
        wire_peer("Reader").ask("text", data=b"\x82\xff\x00\x00\x00")
