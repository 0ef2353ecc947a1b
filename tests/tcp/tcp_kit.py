"""Raw peers to talk to a source, and sources that follow a script or Java's own rules. No code of the package's own end."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest

from pychronix._boundary import build_flags

PATIENCE = 60.0  # No test waits longer for anything; a machine may be slow.
DAY = 86_400_000_000_000
SUBSCRIBE, UNSUBSCRIBE, QUERY, SUBMIT, SUBMIT_NOACK, WITH_MAPPING = 1, 2, 10, 20, 21, 30
EAGER = 1
SYNC_IDX, PADDED, IN_SYNC, ACK, NACK = -126, -127, -128, -129, -130


class Message(NamedTuple):
    size: int
    index: int
    payload: bytes = b""


class Peer:
    """The other end of a connection, byte by byte: it shares no code with the package."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        raw.settimeout(PATIENCE)

    # As a client.

    def command(self, action: int, data: int, payload: bytes = b"", flags: int = 0) -> None:
        self.raw.sendall(struct.pack("<iiq", action, flags, data) + payload)

    def message(self) -> Message:
        size, index = struct.unpack("<iq", self.exactly(12))
        return Message(size, index, self.exactly(size) if size > 0 else b"")

    def data(self, count: int) -> list[Message]:
        """The next excerpts; control messages between them are left out."""
        found: list[Message] = []
        while len(found) < count:
            message = self.message()
            if message.size >= 0:
                found.append(message)
        return found

    def ended(self) -> bool:
        """Whether the other end closes, having sent nothing more."""
        with suppress(ConnectionError):
            return self.raw.recv(1) == b""
        return True

    # As a source.

    def asked(self) -> tuple[int, int]:
        # As Java: the low 32 bits of the action.
        action, _, data = struct.unpack("<iiq", self.exactly(16))
        return action, data

    def send(self, size: int, index: int = 0, payload: bytes = b"") -> None:
        self.raw.sendall(struct.pack("<iq", size, index) + payload)

    def excerpt(self, index: int, payload: bytes) -> None:
        self.send(len(payload), index, payload)

    # Both.

    def exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            piece = self.raw.recv(count - len(got))
            if not piece:
                raise EOFError
            got += piece
        return bytes(got)

    def reset(self) -> None:
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def close(self) -> None:
        self.raw.close()


class Listener:
    """Accepts connections, each served by ``serve(peer, number)`` in a thread of its own."""

    def __init__(self, serve: Callable[[Peer, int], object], port: int = 0) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.accepted = 0
        self.failures: list[BaseException] = []
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            peer = Peer(raw)
            self._peers.append(peer)
            number, self.accepted = self.accepted, self.accepted + 1
            thread = threading.Thread(target=self._run, args=(peer, number))
            self._threads.append(thread)
            thread.start()

    def _run(self, peer: Peer, number: int) -> None:
        try:
            self._serve(peer, number)
        except (EOFError, ConnectionError):
            pass  # The client went away, which is its right.
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.close()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # Wakes accept().
        self._socket.close()
        self._accepting.join()
        for peer in self._peers:
            with suppress(OSError):
                peer.raw.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


class JavaSource:
    """Java's Vanilla source as the specification describes it (5.4 to 5.8), bugs included.

    ``excerpts`` is what the queue holds, by index. ``appended`` is to be notified after a change.
    """

    def __init__(self, excerpts: dict[int, bytes], *, beat: float = 0.02, buffer: int = 262_144) -> None:
        self.excerpts = excerpts
        self.appended = threading.Condition()
        self.beat = beat
        self.buffer = buffer
        self.asked: list[tuple[int, int]] = []
        self.closing = False
        self.listener = Listener(self._serve)
        self.port = self.listener.port

    def append(self, index: int, payload: bytes) -> None:
        with self.appended:
            self.excerpts[index] = payload
            self.appended.notify_all()

    def close(self) -> None:
        with self.appended:
            self.closing = True
            self.appended.notify_all()
        self.listener.close()

    def _serve(self, peer: Peer, _: int) -> None:
        wanted: int | None = None
        peer.raw.setblocking(False)
        pending = b""
        exact = True
        while not self.closing:
            with suppress(BlockingIOError):
                got = peer.raw.recv(4096)
                if not got:
                    return
                pending += got
            while len(pending) >= 16:
                action, _, data = struct.unpack_from("<iiq", pending)
                pending = pending[16:]
                self.asked.append((action, data))
                peer.raw.setblocking(True)
                if action == SUBSCRIBE:
                    last = max(self.excerpts, default=-1)
                    wanted = last if data == -2 else data
                    exact = wanted >= 0
                    peer.send(SYNC_IDX, wanted)
                elif action == UNSUBSCRIBE:
                    wanted = None
                elif action == QUERY:
                    later = [index for index in self.excerpts if index > data]
                    if data not in self.excerpts:
                        peer.send(IN_SYNC)
                    else:
                        assert later, "Java would spin now, and serve nothing else"
                        peer.send(SYNC_IDX, min(later))
                else:
                    peer.reset()
                    return
                peer.raw.setblocking(False)
            found = None
            if wanted is not None:
                with self.appended:
                    if exact:
                        found = wanted if wanted in self.excerpts else None
                    else:
                        found = min((index for index in self.excerpts if index > wanted), default=None)
                    if found is None:
                        self.appended.wait(self.beat)
                peer.raw.setblocking(True)
                if found is None:
                    peer.send(IN_SYNC)
                else:
                    payload = self.excerpts[found]
                    if len(payload) > self.buffer - 12:
                        return
                    peer.excerpt(found, payload)
                    if len(payload) > self.buffer // 2:
                        return
                    wanted, exact = found, False
                peer.raw.setblocking(False)
            else:
                with self.appended:
                    self.appended.wait(self.beat)


class Proxy:
    """Stands between a client and a source and cuts each connection after as many bytes as ``limits`` tells.

    ``limits(number of the connection)`` is how many bytes go to the client; None: all of them. After that the
    connection is reset, or, with ``stall``, stays open and silent.
    """

    def __init__(self, port: int, limits: Callable[[int], int | None], *, stall: bool = False) -> None:
        self._target = port
        self._limits = limits
        self._stall = stall
        self.cut = threading.Semaphore(0)  # Released once for each connection that was cut.
        self._ending = threading.Event()
        self.listener = Listener(self._serve)
        self.port = self.listener.port

    def _serve(self, peer: Peer, number: int) -> None:
        left = self._limits(number)
        with socket.create_connection(("127.0.0.1", self._target), PATIENCE) as source:
            poll = select.poll()
            poll.register(peer.raw, select.POLLIN)
            poll.register(source, select.POLLIN)
            while not self._ending.is_set():
                for fd, _ in poll.poll(50):
                    if fd == peer.raw.fileno():
                        data = peer.raw.recv(65536)
                        if not data:
                            return
                        source.sendall(data)
                        continue
                    data = source.recv(65536 if left is None else min(65536, max(left, 1)))
                    if not data:
                        return
                    if left is not None:
                        data, left = data[:left], left - len(data)
                    peer.raw.sendall(data)
                    if left is not None and left <= 0:
                        self.cut.release()
                        if self._stall:
                            self._ending.wait(PATIENCE)
                        else:
                            peer.reset()
                        return

    def close(self) -> None:
        self._ending.set()
        self.listener.close()


# The sanitizer keeps what was freed.
counts_memory = pytest.mark.skipif("sanitizers" in build_flags(), reason="the sanitizer's own memory would count")


def resident_bytes() -> int:
    """Memory of this process that is its own: pages of mapped files do not count."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon:"))
