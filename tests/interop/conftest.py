"""What the interop tests share: one Java process of each release, and the conformance tests' helpers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_java import JavaError, JavaPeer, PeerError, require_build

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))


@pytest.fixture(scope="session")
def _peers() -> Iterator[dict[str, JavaPeer]]:
    peers: dict[str, JavaPeer] = {}
    yield peers
    for peer in peers.values():
        peer.close()


@pytest.fixture
def peer_of(_peers: dict[str, JavaPeer]) -> Iterator[Callable[[str], JavaPeer]]:
    """One Java process of a release, kept for the run: ``peer_of("5.26ea7")``. Do not kill or hang it."""

    def peer(release: str) -> JavaPeer:
        known = _peers.get(release)
        if known is None or not known.running:
            known = _peers[release] = JavaPeer(require_build(release))
        return known

    yield peer
    for known in _peers.values():
        if known.running:
            try:
                known.close_queues()
            except (JavaError, PeerError):
                known.kill()
