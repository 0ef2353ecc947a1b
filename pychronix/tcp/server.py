"""A source: serves a queue to Chronicle 3's remote tailers, sinks and remote appenders, Java's and ours.

The decision hidden here is how one thread serves ten thousand clients from one queue, each in bounded memory.

How. A client that has everything is *live*: it is an entry in a dictionary and costs nothing. One reader polls the
queue for all that are live, and what it finds is encoded once for them all. A client that lacks something is *behind*:
it gets a reader of its own from a small pool and a write of bounded size per turn, until it has caught up. A client
whose write buffer is full is neither: nothing is read for it until its buffer has drained, then it is behind.

Rules
- Everything but ``Source`` runs in the loop's thread: no locks. The queue is the caller's and is never closed here.
- Nothing here knows a format. Of a queue that ``has_padding`` every number between two excerpts is a padding entry, which
  clients are told of; one that has not ``many_writers`` answers SUBMIT with NACK, as Java's Indexed source does.
- A client's place is the index that it wants next. An index that does not exist (yet) is waited for by waiting for
  anything at or above it; Java waits for exactly that one and starves at the end of a cycle (spec 5.10).
- Besides every heartbeat_ms, IN_SYNC is sent behind a new message of less than 20 bytes: Java's sink handles nothing
  until it has that many (spec 5.8). It is not sent to Java when a client has caught up, but only to those that ask for
  it: where one is under way, ``index()`` of Java's remote tailer fails.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import struct
import sys
import threading
import warnings
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice, repeat
from operator import add, sub
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypedDict

from pychronix.errors import ChronixError, ProtocolError, UsageError
from pychronix.tcp.protocol import (
    EAGER,
    END,
    HEADER_BYTES,
    MAX_EXCERPT_BYTES,
    NOT_SUPPORTED,
    START,
    Action,
    CommandDecoder,
    Kind,
    Request,
    Submission,
    control,
    encode_spans,
    header,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from pychronix import Appender, Queue

__all__ = ["ServeOptions", "Source", "ThreadedSource", "serve", "serve_async", "serve_forever"]

log = logging.getLogger("pychronix.tcp")

_WRITE_BYTES = 128 << 10  # One write to a client; a longer excerpt goes in pieces of this size.
_BUFFER_BYTES = 32 << 10  # What may wait in this process for a slow client before nothing more is read for it.
_SOCKET_BYTES = 256 << 10  # The kernel's buffers of a connection, as Java sets them; more would be a slow reader's.
_READERS_MAX = 32  # Tailers for clients that are behind; more clients than that share them.
_READERS_FREE = 4  # Tailers that are kept when nobody is behind.
_TURN_REQUESTS = 256  # Commands of one client before others have their turn; nothing more is read from it meanwhile.
_TURN_CLIENTS = 16  # Clients behind that are served before commands and timers have their turn.
_BEATS = 256  # Heartbeats that are sent before others have their turn.
_SPINS = 20  # Looks at the queue without a pause after it had something.
_PASSED = 64  # Batches that a turn may pass over.
_PROBES = 64  # Indexes above a missing one that are looked up before its whole cycle is read over.
_PENDING_FACTOR = 4  # All half-received excerpts together may take this many times the largest one.
_BACKLOG = 1024
_FILES_KEPT = 128  # Of the files this process may open so many are for the queue and whatever else it does.
_ACCEPT_TURNS = 3  # Turns of the loop until what asyncio has just accepted is known here.
_LONE_BYTES = 20  # Java's sink waits for as many bytes before it handles anything.
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection.

_IN_SYNC = control(Kind.IN_SYNC)
_NACK = control(Kind.NACK, NOT_SUPPORTED)


class _Batch(NamedTuple):
    """Excerpts with consecutive indexes, in the mapped file: nothing is copied before it is sent."""

    data: memoryview
    starts: memoryview
    stops: memoryview
    first: int

    @property
    def last(self) -> int:
        return self.first + len(self.starts) - 1

    @property
    def last_size(self) -> int:
        return self.stops[-1] - self.starts[-1]

    def since(self, index: int) -> _Batch:
        """Those from this index on, of which there are some."""
        skip = index - self.first
        return _Batch(self.data, self.starts[skip:], self.stops[skip:], index) if skip > 0 else self

    def until(self, index: int) -> _Batch:
        """Those before this index, of which there are some."""
        count = index - self.first
        return _Batch(self.data, self.starts[:count], self.stops[:count], self.first)

    def encoded(self) -> bytes:
        return encode_spans(self.data, self.starts, self.stops, self.first)


class _Reader:
    """A tailer that reads batches of bounded size, from any index on."""

    __slots__ = ("_queue", "_rest", "_tailer", "seen")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._tailer = queue.tailer()
        self._rest: _Batch | None = None  # What is left of a batch that was too much for one write.
        self.seen = -1  # The last index read, whoever wanted it.

    def close(self) -> None:
        self._rest = None
        self._tailer.close()

    def seek(self, position: int, follows: bool) -> None:
        """Stands where the next excerpts are the first at or above ``position``, or some below it before them.

        ``follows``: the excerpt ``position - 1`` exists, and the tailer knows what comes after it in any cycle.
        """
        tailer = self._tailer
        self._rest = None
        self.seen = -1
        if position <= 0:
            tailer.to_start()
            return
        if follows and tailer.move_to_index(position - 1):
            return
        if tailer.move_to_index(position) or tailer.move_to_index(position - 1):
            return
        last = self._queue.last_index
        if last is not None and position > last:
            if tailer.move_to_index(last):
                return
        elif last is not None:
            # A gap: a cycle's end, padding entries, or excerpts that were never finished.
            for index in range(position + 1, min(position + _PROBES, last) + 1):
                if tailer.move_to_index(index):
                    return
            own = self._queue.cycle_of(position)
            for cycle in self._queue.cycles():
                if cycle.number >= own and tailer.move_to_cycle(cycle.number):
                    return
        tailer.to_start()

    def read(self) -> _Batch | None:
        """The next excerpts, of about _WRITE_BYTES; only a single one may be larger. None at the end."""
        batch = self._rest
        if batch is None:
            spans = next(self._tailer.spans(), None)
            if spans is None:
                return None
            batch = _Batch(spans.data, spans.starts, spans.stops, spans.first_index)
        count = len(batch.starts)
        if batch.stops[-1] - batch.starts[0] + HEADER_BYTES * count > _WRITE_BYTES:
            # Excerpts lie one after the other: where one stops tells how many bytes all before it have.
            bodies = map(sub, batch.stops, repeat(batch.starts[0]))
            sizes = map(add, bodies, range(HEADER_BYTES, HEADER_BYTES * (count + 1), HEADER_BYTES))
            count = max(bisect_right(list(sizes), _WRITE_BYTES), 1)
        self._rest = batch.since(batch.first + count) if count < len(batch.starts) else None
        self.seen = batch.first + count - 1
        return batch.until(batch.first + count)

    @property
    def at_end(self) -> bool:
        """Whether there was nothing more when the last batch was read, as far as is known."""
        return self._rest is None

    def next_after(self, index: int) -> int | None:
        """Index of the excerpt after this one; None if this one does not exist, or nothing after it."""
        self._rest = None
        if index < 0 or not self._tailer.move_to_index(index):
            return None
        # The two may lie in one batch, or in two where a cycle or a mapped window ends.
        for spans in islice(self._tailer.spans(2), 2):
            if spans.first_index + len(spans.starts) - 1 > index:
                return max(spans.first_index, index + 1)
        return None


class _Client(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_decoder",
        "_hub",
        "after",
        "fault",
        "follows",
        "paused",
        "peer",
        "position",
        "rest",
        "subscribed",
        "synced",
        "todo",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._decoder = CommandDecoder(hub.max_excerpt_bytes, hub.accepts)
        self.peer: Any = None
        self.subscribed = False
        self.synced = True  # Need not be told that it has caught up.
        self.paused = False
        self.position = 0
        self.follows = False  # position - 1 was sent, or exists.
        self.rest: memoryview | None = None  # What is still to be sent of a large excerpt,
        self.after = b""  # and what was to be sent after it meanwhile.
        self.todo: Sequence[Request | Submission] = ()  # Commands that wait for another turn,
        self.fault: str | None = None  # and what is wrong with the one behind them.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = transport.get_extra_info("peername")
        transport.set_write_buffer_limits(_BUFFER_BYTES)
        self._hub.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._hub.left(self)

    def data_received(self, data: bytes) -> None:
        decoder = self._decoder
        before = decoder.kept
        try:
            self.todo = decoder.feed(data)
        except ProtocolError as error:
            self.fault = error.message
            self.todo = error.decoded
        if decoder.kept != before:
            self._hub.waiting(self, decoder.kept - before)
        self._hub.execute(self)

    @property
    def kept(self) -> int:
        return self._decoder.kept

    def pause_writing(self) -> None:
        self.paused = True
        # Who does not take answers may not ask more; otherwise the answers would pile up here.
        self.transport.pause_reading()
        self._hub.paused(self)

    def resume_writing(self) -> None:
        self.paused = False
        self.push()
        if not self.paused:
            self._hub.resumed(self)
            self._hub.execute(self)

    def push(self) -> None:
        """Sends more of a large excerpt, as far as the client takes it."""
        rest = self.rest
        while rest is not None and not self.paused:
            piece, rest = rest[:_WRITE_BYTES], rest[_WRITE_BYTES:]
            self.rest = rest = rest if len(rest) else None
            self.transport.write(piece)
        if self.rest is None and self.after:
            after, self.after = self.after, b""
            self.transport.write(after)

    def answer(self, data: bytes) -> None:
        """Sends control messages, which must not come into the middle of an excerpt."""
        if self.rest is None:
            self.transport.write(data)
        else:
            self.after += data


class _Hub:
    """All clients of one queue, in one event loop."""

    def __init__(
        self,
        queue: Queue,
        *,
        read_only: bool,
        heartbeat_ms: float,
        poll_ms_min: float,
        poll_ms_max: float,
        max_excerpt_bytes: int,
        max_clients: int,
    ) -> None:
        if not 0 < poll_ms_min <= poll_ms_max:
            raise UsageError(
                f"poll_ms_min is to be above 0 and at most poll_ms_max, not {poll_ms_min} and {poll_ms_max}"
            )
        if heartbeat_ms <= 0:
            raise UsageError(f"heartbeat_ms is to be above 0, not {heartbeat_ms}", hint="Java clients hang without")
        if max_excerpt_bytes <= 0 or max_clients <= 0:
            raise UsageError("max_excerpt_bytes and max_clients are to be above 0")
        self._queue = queue
        self.accepts = queue.writable and not read_only and queue.many_writers
        self._has_padding = queue.has_padding
        self.max_excerpt_bytes = max_excerpt_bytes
        self._max_clients = min(max_clients, _clients_possible())
        self._beat = heartbeat_ms / 1000
        self._pause_min, self._pause_max = poll_ms_min / 1000, poll_ms_max / 1000
        self._loop = asyncio.get_running_loop()
        self._clients: set[_Client] = set()
        self._appender: Appender | None = None
        self._readers: OrderedDict[_Client, _Reader] = OrderedDict()
        self._free: list[_Reader] = []
        self._behind: OrderedDict[_Client, None] = OrderedDict()  # Each but once, however often it asks.
        self._turn_due = False
        self._live: dict[_Client, None] = {}
        self._live_reader: _Reader | None = None
        self._poll: asyncio.Handle | None = None
        self._empty_polls = 0
        self._due: OrderedDict[_Client, float] = OrderedDict()
        self._beats: asyncio.Handle | None = None
        self._pending_bytes = 0
        self._server: asyncio.Server | None = None
        self._stopping = False
        self._gone = asyncio.Event()  # The last client went after that.

    # Life.

    async def start(self, host: str, port: int) -> None:
        if not isinstance(port, int):
            raise TypeError(f"a port is an int, not {type(port).__name__}")
        if not 0 <= port < 65536:
            raise UsageError(f"a port is within 0..65535, not {port}")
        try:
            while True:
                self._server = await self._loop.create_server(
                    lambda: _Client(self), host, port, backlog=_BACKLOG, reuse_address=True
                )
                ports = [listening.getsockname()[1] for listening in self._server.sockets]
                if len(set(ports)) == 1:
                    break
                # A host with several addresses got a free port for each: clients are told one.
                self._server.close()
                port = ports[0]
        except OSError as error:
            if self._server is None and isinstance(error, socket.gaierror):
                raise UsageError(f"cannot listen on {host!r}: {error.strerror}") from error
            raise
        for listening in self._server.sockets:
            # Accepted connections inherit it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    @property
    def clients(self) -> int:
        return len(self._clients)

    async def stop(self) -> None:
        """Ends every connection. What a client has not taken yet it gets from the next source it asks."""
        if self._server is not None:
            # A server that closes while a connection is being accepted leaves that one open: first it accepts no more.
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            for _ in range(_ACCEPT_TURNS):
                turn = self._loop.create_future()
                self._loop.call_soon(turn.set_result, None)
                await turn
            self._server.close()
        for handle in (self._poll, self._beats):
            if handle is not None:
                handle.cancel()
        self._stopping = True
        for client in list(self._clients):
            if client.transport.get_write_buffer_size():
                client.transport.abort()
            else:
                client.transport.close()
        if self._clients:
            # connection_lost comes in a later turn of the loop.
            await self._gone.wait()
        self._turn_due = True  # No more of them.
        for reader in [*self._readers.values(), *self._free, self._live_reader]:
            if reader is not None:
                reader.close()
        self._live_reader = None
        if self._appender is not None:
            self._appender.close()

    # Connections.

    def joined(self, client: _Client) -> None:
        self._clients.add(client)
        if self._stopping:
            client.transport.abort()
            return
        if len(self._clients) > self._max_clients:
            self.drop(client, f"there are {self._max_clients} clients already (max_clients, or what ulimit -n leaves)")
            return
        raw = client.transport.get_extra_info("socket")
        with suppress(OSError):  # It went away already.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def left(self, client: _Client) -> None:
        self._clients.discard(client)
        if self._stopping and not self._clients:
            self._gone.set()
        self._pending_bytes -= client.kept
        self._unsubscribe(client)
        client.rest = None
        client.todo = ()

    def drop(self, client: _Client, reason: str) -> None:
        """Resets a connection, as Java does."""
        log.warning("client %s dropped: %s", client.peer, reason)
        raw = client.transport.get_extra_info("socket")
        if raw is not None and not client.transport.is_closing():
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._unsubscribe(client)
        client.transport.abort()

    def waiting(self, client: _Client, grown: int) -> None:
        """Half an excerpt waits for its rest, or no longer does."""
        self._pending_bytes += grown
        if grown > 0 and self._pending_bytes > _PENDING_FACTOR * self.max_excerpt_bytes:
            self.drop(client, f"{self._pending_bytes} bytes of unfinished excerpts wait in all")

    def paused(self, client: _Client) -> None:
        self._live.pop(client, None)
        self._give_back(client)

    def resumed(self, client: _Client) -> None:
        if client.subscribed and not client.transport.is_closing():
            self._put_behind(client)

    # Commands.

    def execute(self, client: _Client) -> None:
        """Does what a client asks, as much as one turn may take and as long as it takes the answers."""
        commands, client.todo = client.todo, ()
        submissions: list[Submission] = []
        requests = 0
        try:
            for at, command in enumerate(commands):
                if client.transport.is_closing():
                    return
                if isinstance(command, Submission):
                    submissions.append(command)
                    continue
                if requests == _TURN_REQUESTS or client.paused:
                    client.todo = commands[at:]
                    break
                requests += 1
                if submissions:
                    self._submit(client, submissions)
                    submissions = []
                if command.action is Action.SUBSCRIBE:
                    self._subscribe(client, command.data, command.flags)
                elif command.action is Action.UNSUBSCRIBE:
                    self._unsubscribe(client)
                elif command.action is Action.QUERY:
                    self._query(client, command.data)
                else:
                    self.drop(client, "WITH_MAPPING asks for a Java object to be run, which only Java can")
                    return
            if submissions:
                self._submit(client, submissions)
        except ChronixError as error:
            self.drop(client, str(error))
            return
        if client.todo:
            client.transport.pause_reading()
            if not client.paused:
                self._loop.call_soon(self.execute, client)
        elif client.fault is not None:
            self.drop(client, client.fault)
        elif not client.paused:
            client.transport.resume_reading()

    def _subscribe(self, client: _Client, start: int, flags: int) -> None:
        self._unsubscribe(client)
        if start == END:
            last = self._queue.last_index
            start = START if last is None else last
        client.position = max(start, 0)
        client.follows = False
        client.synced = not flags & EAGER
        client.subscribed = True
        self._control(client, control(Kind.SYNC_IDX, start))
        if not client.paused:
            self._put_behind(client)

    def _unsubscribe(self, client: _Client) -> None:
        client.subscribed = False
        self._live.pop(client, None)
        self._due.pop(client, None)
        self._give_back(client)

    def _query(self, client: _Client, index: int) -> None:
        reader = self._free.pop() if self._free else _Reader(self._queue)
        try:
            found = reader.next_after(index)
        finally:
            self._release(reader)
        self._control(client, _IN_SYNC if found is None else control(Kind.SYNC_IDX, found))

    def _submit(self, client: _Client, submissions: Sequence[Submission]) -> None:
        answers: list[bytes] = []
        if self.accepts:
            payloads = [submission.payload or b"" for submission in submissions]
            try:
                if self._appender is None:
                    self._appender = self._queue.appender()
                indexes: Sequence[int] = self._appender.append_many(payloads)
            except ChronixError as error:
                indexes = error.appended
                log.error("%d excerpts of client %s refused: %s", len(payloads) - len(indexes), client.peer, error)
            answers = [
                control(Kind.ACK, index)
                for submission, index in zip(submissions, indexes, strict=False)
                if submission.acknowledged
            ]
            submissions = submissions[len(indexes) :]
            self._look()  # Our own clients need not wait for the next poll.
        answers += [_NACK for submission in submissions if submission.acknowledged]
        if answers:
            self._control(client, b"".join(answers))

    def _control(self, client: _Client, data: bytes) -> None:
        client.answer(data)
        if client.subscribed:
            self._due[client] = self._loop.time() + self._beat
            self._due.move_to_end(client)
            if self._beats is None:
                self._beats = self._loop.call_at(self._due[client], self._send_beats)

    # Heartbeats.

    def _send_beats(self) -> None:
        now = self._loop.time()
        for client in list(islice(self._due, _BEATS)):
            if self._due.get(client, now + 1) > now:
                break
            if client in self._live:
                self._control(client, _IN_SYNC)
            else:
                # There is something to send: no heartbeat is due before the next interval.
                self._due[client] = now + self._beat
                self._due.move_to_end(client)
        # One that is overdue comes after whatever else waits.
        self._beats = self._loop.call_at(next(iter(self._due.values())), self._send_beats) if self._due else None

    # Clients behind.

    def _put_behind(self, client: _Client) -> None:
        self._behind[client] = None
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        behind = self._behind
        for _ in range(min(len(behind), _TURN_CLIENTS)):
            client = behind.popitem(last=False)[0]
            # It may have gone, or be live again by another way.
            if not client.subscribed or client.paused or client in self._live or client.transport.is_closing():
                continue
            try:
                idle = self._serve(client)
            except Exception as error:
                self._failed(error)
                self.drop(client, str(error))
                continue
            if not idle and not client.paused:
                behind[client] = None
        self._turn_due = bool(behind)
        if behind:
            self._loop.call_soon(self._turn)

    def _serve(self, client: _Client) -> bool:
        """Sends a client one write of what it lacks; True if there was nothing to send, and it is live as a rule."""
        reader = self._reader_of(client)
        # Seeking stands before what the client has already; its reader may be another's at its next turn, so that what is
        # passed over without sending must not end this one.
        for _ in range(_PASSED):
            batch = reader.read()
            if batch is None:
                break
            if batch.last >= client.position:
                self._send(client, batch)
                return False
        else:
            return False
        live = self._live_reader
        if live is None:
            self._live_reader = self._readers.pop(client)
            self._empty_polls = 0
            self._schedule_poll()
        elif live.seen >= client.position:
            last = self._queue.last_index
            if last is not None and last >= live.seen:
                # Somebody appended just now; or this tailer stands where nothing comes any more: it looks again from there.
                self._give_back(client)
                self._loop.call_later(self._pause_min, self._put_behind, client)
                return True
            # The queue was deleted, and begun anew: for all clients its end is where this reader stands.
            self._live_reader = self._readers.pop(client)
            self._release(live)
        else:
            self._give_back(client)
        self._live[client] = None
        if not client.synced:
            client.synced = True
            self._control(client, _IN_SYNC)
        return True

    def _send(self, client: _Client, batch: _Batch) -> None:
        """Sends what the client has not got of a batch."""
        wanted = client.position
        if batch.last < wanted:
            return
        batch = batch.since(wanted)
        client.position, client.follows = batch.last + 1, True
        data = b""
        if self._has_padding:
            data = b"".join(control(Kind.PADDED, index) for index in range(wanted, batch.first))
        if batch.last_size < _WRITE_BYTES:
            client.transport.write(data + batch.encoded())
            return
        # A large one goes in pieces, out of the mapped file: while its client is slow it costs no memory.
        client.rest = batch.data[batch.starts[0] : batch.stops[0]]
        client.transport.write(data + header(batch.last_size, batch.first))
        client.push()

    # Readers.

    def _reader_of(self, client: _Client) -> _Reader:
        reader = self._readers.get(client)
        if reader is None:
            if self._free:
                reader = self._free.pop()
            elif len(self._readers) < _READERS_MAX:
                reader = _Reader(self._queue)
            else:
                reader = self._readers.popitem(last=False)[1]
            self._readers[client] = reader
            reader.seek(client.position, client.follows)
        else:
            self._readers.move_to_end(client)
        return reader

    def _give_back(self, client: _Client) -> None:
        reader = self._readers.pop(client, None)
        if reader is not None:
            self._release(reader)

    def _release(self, reader: _Reader) -> None:
        if len(self._free) < _READERS_FREE:
            self._free.append(reader)
        else:
            reader.close()

    @staticmethod
    def _failed(error: Exception) -> None:
        """The other clients are served whatever happens to one; but what is no error of the queue's is ours."""
        if not isinstance(error, ChronixError):
            log.error("a defect in the source", exc_info=error)

    # Live clients.

    def _schedule_poll(self) -> None:
        if self._poll is None and self._live_reader is not None:
            if self._empty_polls < _SPINS:
                self._poll = self._loop.call_soon(self._poll_now)
            else:
                pause = min(self._pause_min * 2 ** min(self._empty_polls - _SPINS, 32), self._pause_max)
                self._poll = self._loop.call_later(pause, self._poll_now)

    def _look(self) -> None:
        """The next poll is to come at once."""
        if self._live_reader is not None and self._empty_polls >= _SPINS:
            if self._poll is not None:
                self._poll.cancel()
                self._poll = None
            self._empty_polls = 0
            self._schedule_poll()

    def _poll_now(self) -> None:
        self._poll = None
        reader = self._live_reader
        if reader is None:
            return
        if not self._live:
            # Nobody needs it: no more polls until somebody has caught up again.
            self._live_reader = None
            self._release(reader)
            return
        try:
            batch = reader.read()
        except Exception as error:
            self._failed(error)
            self._live_reader = None
            reader.close()
            for client in list(self._live):
                self.drop(client, str(error))
            return
        if batch is None:
            self._empty_polls += 1
        else:
            self._empty_polls = 0
            self._spread(reader, batch)
        self._schedule_poll()

    def _spread(self, reader: _Reader, batch: _Batch) -> None:
        """Sends to all live clients what the live reader found."""
        if batch.last_size >= _WRITE_BYTES:
            # It would wait in as many buffers as there are clients: each takes it at its own pace, as if it were behind.
            self._live_reader = None
            self._release(reader)
            clients = list(self._live)
            self._live.clear()
            for client in clients:
                self._put_behind(client)
            return
        usual = b""
        position = batch.last + 1
        lone = batch.last_size + HEADER_BYTES < _LONE_BYTES and reader.at_end
        for client in list(self._live):
            if client.transport.is_closing():
                continue
            if client.position == batch.first or (client.position < batch.first and not self._has_padding):
                client.position, client.follows = position, True
                usual = usual or batch.encoded()
                client.transport.write(usual)
            else:
                self._send(client, batch)
            if lone and client in self._live:
                self._control(client, _IN_SYNC)


def _clients_possible() -> int:
    """How many connections the limit of open files leaves room for.

    Beyond it asyncio fails to accept, over and over, and worse, a new roll file cannot be opened for those that are there.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit < 0 else max(limit - len(os.listdir("/proc/self/fd")) - _FILES_KEPT, 1)


# --- sources ---------------------------------------------------------------------------------------------------------


class Source:
    """A queue being served over TCP. Comes from ``serve`` or ``serve_async``."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._address = hub.address
        self._ended = threading.Event()

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._address[1]

    @property
    def url(self) -> str:
        """``tcp://host:port``, as ``replicate`` and the command line take it."""
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"

    @property
    def clients(self) -> int:
        """How many connections there are."""
        return self._hub.clients

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.url}, {self.clients} clients>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a source cannot be pickled")


class ThreadedSource(Source):
    """A Source whose event loop runs in a thread of its own: close it, or use it as a context manager."""

    def __init__(self, hub: _Hub, stop: Callable[[], object], thread: threading.Thread) -> None:
        super().__init__(hub)
        self._stop = stop
        self._thread = thread

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the source has ended, at most ``timeout`` seconds; whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends every connection and the thread. The queue stays open. Once more is nothing."""
        if self._thread.is_alive():
            self._stop()
            self._thread.join()

    def __enter__(self) -> ThreadedSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        thread = getattr(self, "_thread", None)
        if thread is not None and thread.is_alive():
            warnings.warn(f"unclosed source on {self.url}", ResourceWarning, source=self, stacklevel=2)
            self._stop()


class ServeOptions(TypedDict, total=False):
    """What ``serve``, ``serve_async`` and ``serve_forever`` take besides queue, host and port."""

    read_only: bool
    """SUBMIT is refused."""
    heartbeat_ms: float
    """How long a client that lacks nothing hears nothing, 2500 by default."""
    poll_ms_min: float
    """The pause between two looks at the queue, 1 by default, doubled while there is nothing new ..."""
    poll_ms_max: float
    """... up to this, 20 by default."""
    max_excerpt_bytes: int
    """The longest excerpt that is accepted, 128 MiB by default, which is Java's own limit."""
    max_clients: int
    """More are sent away, 16 384 by default; always those for whom the limit of open files leaves no room."""


_DEFAULTS: ServeOptions = {
    "read_only": False,
    "heartbeat_ms": 2500,
    "poll_ms_min": 1.0,
    "poll_ms_max": 20.0,
    "max_excerpt_bytes": MAX_EXCERPT_BYTES,
    "max_clients": 16_384,
}


def _checked_options(options: ServeOptions) -> ServeOptions:
    unknown = options.keys() - _DEFAULTS.keys()
    if unknown:
        raise TypeError(f"serve() has no option {min(unknown)!r}; it has " + ", ".join(_DEFAULTS))
    return _DEFAULTS | options


@asynccontextmanager
async def _serving(queue: Queue, host: str, port: int, options: ServeOptions) -> AsyncIterator[_Hub]:
    hub = _Hub(queue, **_checked_options(options))
    await hub.start(host, port)
    try:
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def serve_async(
    queue: Queue, host: str = "127.0.0.1", port: int = 0, **options: Unpack[ServeOptions]
) -> AsyncIterator[Source]:
    """As ``serve``, with the same options, in the running event loop: ``async with serve_async(queue) as source``.

    The queue's calls run in the loop's thread: they take microseconds, but an append waits for another process's lock
    as long as the queue's timeout says.
    """
    async with _serving(queue, host, port, options) as hub:
        yield Source(hub)


def serve(queue: Queue, host: str = "127.0.0.1", port: int = 0, **options: Unpack[ServeOptions]) -> ThreadedSource:
    """Serves a queue over TCP from a thread of its own, until the source is closed.

    Java's remote tailers, stateful sinks and remote appenders are clients, and so are RemoteTailer and RemoteAppender.
    There is no authentication in the protocol: whoever reaches the port reads the queue and, if it is open for
    appending and ``read_only`` is False, appends to it. Hence only this machine reaches it unless ``host`` says
    otherwise. ``port`` 0 takes a free one, which ``source.port`` tells.

    Options (``ServeOptions``): ``read_only`` refuses SUBMIT; ``heartbeat_ms`` (2500); ``poll_ms_min`` (1) and
    ``poll_ms_max`` (20) between two looks at the queue; ``max_excerpt_bytes`` (128 MiB, Java's own limit) of those
    accepted; ``max_clients`` (16 384, or what the limit of open files leaves room for).

    Raises OSError where it cannot listen, UsageError. The queue must stay open as long as the source; it is not closed.

    >>> with px.tcp.serve(queue, port=9876) as source:  # doctest: +SKIP
    ...     source.wait()
    """
    started = threading.Event()
    running: list[tuple[_Hub, Callable[[], object]]] = []
    failed: list[BaseException] = []

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            with suppress(RuntimeError):  # The loop has ended already.
                loop.call_soon_threadsafe(stopping.set)

        async with _serving(queue, host, port, options) as hub:
            running.append((hub, stop))
            started.set()
            await stopping.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
            if started.is_set():
                log.exception("the source ended")
        finally:
            started.set()

    thread = threading.Thread(target=main, name="pychronix source", daemon=True)
    thread.start()
    started.wait()
    if failed:
        thread.join()
        raise failed[0]
    hub, stop = running[0]
    return ThreadedSource(hub, stop, thread)


def serve_forever(
    queue: Queue,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[Source], object] | None = None,
    **options: Unpack[ServeOptions],
) -> None:
    """As ``serve``, in the calling thread, until Ctrl-C. ``ready`` is called with the source once it listens."""

    async def run() -> None:
        async with serve_async(queue, host, port, **options) as source:
            if ready is not None:
                ready(source)
            await asyncio.Event().wait()

    asyncio.run(run())
