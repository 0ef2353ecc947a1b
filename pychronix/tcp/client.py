"""Clients of a source, Java's or ours: RemoteTailer, RemoteAppender.

The decision hidden here is how a stream that breaks anywhere becomes one without loss or duplicate, over a plain
blocking socket and in the caller's thread.

How. Where reading stands is the index of the last excerpt that was received, whatever became of the connection. A
new connection subscribes that very index and drops the excerpt, which is how Java resumes, too: one index further may
not exist for ever (spec 5.4). Besides, whatever is not above the last index is dropped. Excerpts received and not yet
handed out are kept beyond a broken connection; the position within them is read off their iterator (see ``tailer``),
so that Ctrl-C loses none.

Java's own source has two bugs that a reader must survive (spec 5.8): having sent a large excerpt it drops the
connection, at every subscription of that index again, so that the next one is subscribed; and a still larger one it
cannot send at all, which is an error after a few attempts.
"""

from __future__ import annotations

import datetime
import math
import random
import select
import socket
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, chain, islice
from operator import itemgetter, length_hint, lt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, TypeVar, overload

from pychronix.chronicle3 import VanillaCycle
from pychronix.errors import ClosedError, MessageTooLongError, NackError, ProtocolError, RemoteError, UsageError
from pychronix.rolling import ROLL_CYCLES, RollCycle, moment_ms
from pychronix.tcp.protocol import (
    EAGER,
    END,
    MAX_EXCERPT_BYTES,
    START,
    Action,
    Control,
    Excerpts,
    Kind,
    MessageDecoder,
    encode_command,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pychronix.follow import StopEvent

    Buffer = bytes | bytearray | memoryview

__all__ = ["RemoteAppender", "RemoteTailer"]

T = TypeVar("T")
_payload_of = itemgetter(1)

_RECEIVE_BYTES = 256 << 10
_LATE_RECEIVES = 16  # Of _RECEIVE_BYTES each, beyond a deadline, if they bring no excerpt.
_STUCK_ATTEMPTS = 5  # How often a source may drop us at the same place before that is an error.
_PROBE_BEATS_MAX = 64  # Heartbeats between two questions whether the cycle has ended at a large excerpt.
_POLL_MS_MAX = 1 << 30  # What fits the system call.
_STOP_SECONDS = 0.1  # How often ``stop`` is looked at while nothing comes.
_REFUSED_TOLD = 5  # So many refused messages are named in an error's text; its attribute has all.
_WINDOW_MESSAGES, _WINDOW_BYTES = 256, 256 << 10  # Half of what may be sent before its answers are read.


def _cycle_of(cycle: str | RollCycle | VanillaCycle, entries: int | None) -> RollCycle | VanillaCycle:
    """What numbers the excerpts of a source, which cannot be asked."""
    if isinstance(cycle, str):
        known = ROLL_CYCLES.get(cycle.strip().upper())
        cycle = VanillaCycle.of(cycle) if known is None else known
    if not isinstance(cycle, (RollCycle, VanillaCycle)):
        raise TypeError(f"cycle is a str, a VanillaCycle or a RollCycle, not {type(cycle).__name__}")
    if entries is None:
        return cycle
    if isinstance(cycle, RollCycle):
        raise UsageError(f"entries_per_cycle is of Vanilla journals, and {cycle.name} a roll cycle of .cq4 queues")
    return replace(cycle, entries=entries)


class _Line:
    """One connection: a socket, or none at the moment."""

    __slots__ = ("address", "socket")

    def __init__(self, host: str, port: int) -> None:
        if not host:
            raise UsageError(f"no host: {host!r}")
        if not 0 < port < 65536:
            raise UsageError(f"a port is within 1..65535, not {port}")
        self.address = (host, port)
        self.socket: socket.socket | None = None

    def connect(self, timeout: float) -> None:
        """Connects. Raises RemoteError."""
        raw = None
        try:
            raw = socket.create_connection(self.address, timeout)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.socket, raw = raw, None
        except OSError as error:
            raise self.failed("cannot connect to", error) from error
        finally:
            if raw is not None:
                raw.close()

    @property
    def url(self) -> str:
        host, port = self.address
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    def readable(self, timeout: float) -> bool:
        """Whether there is something to receive, or the end, within as many seconds."""
        if self.socket is None:
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(max(0, min(math.ceil(timeout * 1000), _POLL_MS_MAX))))

    def close(self) -> None:
        raw, self.socket = self.socket, None
        if raw is not None:
            raw.close()

    def failed(self, what: str, error: OSError | None = None) -> RemoteError:
        reason = "" if error is None else f": {error.strerror or str(error) or type(error).__name__}"
        return RemoteError(f"{what} {self.url}{reason}", errno=None if error is None else error.errno)


class _Client:
    """What both ends have in common: a line, and an end."""

    def __init__(self, host: str, port: int) -> None:
        self._line = _Line(host, port)
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Ends the connection; what was sent is still delivered if the source lives. Once more is nothing."""
        self._closed = True
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled")


class _Current(NamedTuple):
    """The batch that is being handed out. One object, so that it changes at one moment."""

    batch: Excerpts | Control | None
    indexes: Sequence[int]
    pending: Iterator[tuple[int, bytes]]  # Its length_hint is the number of excerpts not handed out.
    before: int | None  # last_read_index before this batch.
    position: int | None  # The last index of it, padding counted.


class _Connection:
    """What is known of the present connection."""

    __slots__ = (
        "asked_next",
        "awaited",
        "beats",
        "heard",
        "probing",
        "progress",
        "queried",
        "repeated",
        "synced",
    )

    def __init__(self) -> None:
        self.awaited = 0  # SYNC_IDX messages that are to come before data counts.
        self.synced = False  # The subscription was answered.
        self.asked_next = False  # It asked for the index after the last one.
        self.repeated = False  # What we have already came again.
        self.progress = False  # Something new came, or the source said that there is nothing new.
        self.heard = time.monotonic()  # When anything came.
        self.beats = 0  # Heartbeats at the index after the last one.
        self.probing = False  # Looking whether there is anything after that index that does not come,
        self.queried = False  # having found that there is.


class RemoteTailer(_Client):
    """Reads a queue that a source serves over TCP: a Java Chronicle 3, or ``serve``.

    ``start``: "start", "end" (the last excerpt, then what comes after it, as Java's toEnd), "now" (only what comes
    after it), an index, "today" (UTC), or a date, a datetime or ISO text such as "2024-03-05T10:00" (naive means UTC),
    which is the first index of that moment's cycle. For the latter ``cycle`` and ``entries_per_cycle`` say how indexes
    are made, for the protocol does not: "DAYS" (default), "HOURS", "MINUTES", "SECONDS", a format or a VanillaCycle of
    Chronicle 3, or a roll cycle of ``.cq4`` queues such as "FAST_DAILY". An index that does not exist is waited for; a
    Java source then sends nothing before exactly that one exists.

    Iterating yields payloads until the source says that there are no more at present, and the next time goes on. A
    Java source says so by its heartbeats, every 2.5 s; ours at once. ``follow`` does not end. Connects at the first
    read, which raises RemoteError if that fails. A connection that breaks later is made anew, after a pause of
    ``backoff_ms_min`` that doubles up to ``backoff_ms_max``, less a random half, for ``retry_ms`` (None: for ever);
    nothing is lost and nothing comes twice. One that is silent for ``heartbeat_timeout_ms`` is broken.

    ``max_excerpt_bytes`` bounds what is believed of a length, and memory: one such excerpt and 256 KiB. One thread at
    a time. Raises RemoteError, ProtocolError; after either the next call goes on where it stood.
    """

    def __init__(
        self,
        host: str,
        port: int,
        start: str | int | datetime.date = "start",
        *,
        cycle: str | RollCycle | VanillaCycle = "DAYS",
        entries_per_cycle: int | None = None,
        heartbeat_timeout_ms: float = 10_000,
        connect_timeout_ms: float = 10_000,
        retry_ms: float | None = None,
        backoff_ms_min: float = 50,
        backoff_ms_max: float = 5_000,
        max_excerpt_bytes: int = MAX_EXCERPT_BYTES,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(host, port)
        for name, value in (
            ("heartbeat_timeout_ms", heartbeat_timeout_ms),
            ("connect_timeout_ms", connect_timeout_ms),
            ("backoff_ms_min", backoff_ms_min),
            ("max_excerpt_bytes", max_excerpt_bytes),
        ):
            if value <= 0:
                raise UsageError(f"{name} is to be above 0, not {value}")
        if backoff_ms_max < backoff_ms_min:
            raise UsageError(f"backoff_ms_max is at least backoff_ms_min, not {backoff_ms_max}")
        self._start, self._skip_start = self._resolved(start, _cycle_of(cycle, entries_per_cycle), clock)
        self._heartbeat_timeout = heartbeat_timeout_ms / 1000
        self._connect_timeout = connect_timeout_ms / 1000
        self._retry = None if retry_ms is None else retry_ms / 1000
        self._backoff_min, self._backoff_max = backoff_ms_min / 1000, backoff_ms_max / 1000
        self._max_bytes = max_excerpt_bytes
        self._sleep, self._random = sleep, random
        self._decoder = MessageDecoder(max_excerpt_bytes)
        # Received and not begun; _current may still be the first of it, if Ctrl-C struck (see _fill).
        self._batches: deque[Excerpts | Control] = deque()
        self._current = _Current(None, (), iter(()), None, None)
        self.on_padding: Callable[[int], object] | None = None
        """Called with the number of each padding entry of an Indexed source, in its place between the excerpts."""
        self.reconnects = 0
        """How many connections were made after the first one."""
        # What is known of the source: when it was lost, how often in a row, and where it drops us.
        self._reached = False  # It has answered once.
        self._failures = 0
        self._lost_at = self._retry_at = 0.0
        self._ask_next = False
        self._stuck = 0
        self._probe_beats = 1
        self._in_sync = False  # The last thing that came said that there is nothing more.
        self._fault: ProtocolError | None = None  # To be raised when all before it is handed out.
        self._state = _Connection()

    @staticmethod
    def _resolved(
        start: str | int | datetime.date, cycle: RollCycle | VanillaCycle, clock: Callable[[], float]
    ) -> tuple[int, bool]:
        """What to subscribe, and whether the excerpt that SYNC_IDX names is to be dropped."""
        places = {"start": (START, False), "end": (END, False), "now": (END, True)}
        if isinstance(start, str) and start in places:
            return places[start]
        if isinstance(start, int) and not isinstance(start, bool):
            if not 0 <= start < 1 << 63:
                raise UsageError(f"an index is within 0..2^63 - 1, not {start}")
            return int(start), False
        if isinstance(start, (str, datetime.date)):
            if start == "today":
                start = datetime.datetime.fromtimestamp(clock(), datetime.timezone.utc).date()
            try:
                time_ms = moment_ms(start)
            except UsageError as cause:
                raise UsageError(
                    f"unknown start {start!r}",
                    hint='one of "start", "end", "now", "today", an index, a date or ISO text such as "2024-03-05T10:00"',
                ) from cause
            if time_ms < 0:
                raise UsageError(f"there are no cycles before 1970: {start}")
            return cycle.index(cycle.cycle_at(time_ms), 0), False
        raise TypeError(f"start is a str, an int or a datetime.date, not {type(start).__name__}")

    # Reading.

    def read(self, timeout: float | None = None) -> bytes | None:
        """The next payload; None if the source has no more at present, or none came within ``timeout`` seconds.

        ``timeout`` 0 only looks what is there. Without one this waits until the source says that there is no more.
        """
        for _, payload in self._current.pending:
            return payload
        deadline = None if timeout is None else time.monotonic() + timeout
        return next(self._current.pending)[1] if self._fill(deadline) else None

    def __iter__(self) -> Iterator[bytes]:
        """The payloads until the source says that there are no more at present. The fast way."""
        return chain.from_iterable(self._payload_batches(None, True))

    def with_index(self) -> Iterator[tuple[int, bytes]]:
        """Pairs of index and payload, as far as iterating goes."""
        return chain.from_iterable(self._indexed_batches(None, True))

    @overload
    def follow(self, *, stop: StopEvent | None = None, with_index: Literal[False] = False) -> Iterator[bytes]: ...
    @overload
    def follow(self, *, stop: StopEvent | None = None, with_index: Literal[True]) -> Iterator[tuple[int, bytes]]: ...
    def follow(
        self, *, stop: StopEvent | None = None, with_index: bool = False
    ) -> Iterator[bytes] | Iterator[tuple[int, bytes]]:
        """Payloads, or pairs of index and payload, for ever: waits while there are none.

        ``stop`` is looked at before each item and ten times a second; once it is set, the iteration ends, and what was
        not yielded is still there.
        """
        if with_index:
            indexed = self._indexed_batches(stop, False)
            return chain.from_iterable(indexed) if stop is None else _until(stop, indexed)
        batches = self._payload_batches(stop, False)
        return chain.from_iterable(batches) if stop is None else _until(stop, batches)

    # Facts.

    @property
    def last_read_index(self) -> int | None:
        """Index of the last excerpt read, None before the first."""
        current = self._current
        done = len(current.indexes) - length_hint(current.pending)
        return current.indexes[done - 1] if done else current.before

    @property
    def index(self) -> int:
        """Index of the next excerpt, as far as it is known.

        That of one received already; otherwise the one after the last, though the next may be in a later cycle. Before
        anything was read what was subscribed: -1 for the start, -2 for the end.
        """
        current = self._current
        rest = length_hint(current.pending)
        if rest:
            return current.indexes[len(current.indexes) - rest]
        for batch in self._batches:
            if isinstance(batch, Excerpts) and batch is not current.batch:
                return batch.indexes[0]
        last = self.last_read_index
        if last is not None:
            return last + 1
        return self._start + 1 if self._skip_start and self._start >= 0 else self._start

    @property
    def connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._line.socket is not None

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<RemoteTailer of {self._line.url}, index {self.index:#x}{state}>"

    # Batches.

    def _payload_batches(self, stop: StopEvent | None, bounded: bool) -> Iterator[Iterator[bytes]]:
        while length_hint(self._current.pending) or self._fill_until(stop, bounded):
            yield map(_payload_of, self._current.pending)

    def _indexed_batches(self, stop: StopEvent | None, bounded: bool) -> Iterator[Iterator[tuple[int, bytes]]]:
        while length_hint(self._current.pending) or self._fill_until(stop, bounded):
            yield self._current.pending

    def _fill_until(self, stop: StopEvent | None, bounded: bool) -> bool:
        """Waits for the next batch; False at the end, or once ``stop`` is set."""
        while stop is None or not stop.is_set():
            deadline = None if stop is None else time.monotonic() + _STOP_SECONDS
            if self._fill(deadline):
                return True
            if bounded:
                return False
        return False

    def _fill(self, deadline: float | None) -> bool:
        """Makes the next batch the current one; False when the source has no more, or at the deadline."""
        if self._closed:
            raise ClosedError("the remote tailer is closed")
        late = 0
        while True:
            batches = self._batches
            if batches and batches[0] is self._current.batch:
                batches.popleft()  # Ctrl-C struck between the two lines below.
            if batches:
                batch = batches[0]
                before = self.last_read_index
                if isinstance(batch, Excerpts):
                    pending = iter(list(zip(batch.indexes, batch.payloads, strict=True)))
                    self._current = _Current(batch, batch.indexes, pending, before, batch.indexes[-1])
                    batches.popleft()
                    return True
                if self.on_padding is not None:
                    self.on_padding(batch.value)
                self._current = _Current(batch, (), iter(()), before, batch.value)
                batches.popleft()
            elif self._fault is not None:
                fault, self._fault = self._fault, None
                raise fault
            elif self._in_sync and not self._line.readable(0):
                self._in_sync = False
                return False
            elif not self._receive(deadline):
                return False
            elif deadline is not None and time.monotonic() >= deadline:
                # What is there is looked at, but not for ever: more may come as fast.
                late += 1
                if late > _LATE_RECEIVES and not self._batches:
                    return False

    @property
    def _received(self) -> int | None:
        """Index of the last thing received, which is where the stream goes on; None before the first."""
        if self._batches:
            last = self._batches[-1]
            return last.indexes[-1] if isinstance(last, Excerpts) else last.value
        if self._current.position is not None:
            return self._current.position
        return self._start if self._skip_start and self._start >= 0 else None

    # The connection.

    def _receive(self, deadline: float | None) -> bool:
        """Receives once, having connected if need be; False if the deadline came first."""
        if self._line.socket is None and not self._connect(deadline):
            return False
        state = self._state
        how, dropped = "", True
        try:
            silent_at = state.heard + self._heartbeat_timeout
            until = silent_at if deadline is None else min(silent_at, deadline)
            assert self._line.socket is not None
            if self._line.readable(until - time.monotonic()):
                data = self._line.socket.recv(_RECEIVE_BYTES)
                state.heard = time.monotonic()
                if data:
                    self._decode(data)
                else:
                    how = "ended the connection"
            elif time.monotonic() >= silent_at:
                how, dropped = f"was silent for {self._heartbeat_timeout:g} s", False
            else:
                return False
        except OSError as error:
            how = f"ended the connection ({error.strerror})"
        except BaseException:
            # Ctrl-C: how much of the stream was taken is unknown, but what was taken is whole.
            self._line.close()
            raise
        if how:
            self._lost(how, dropped)
        return True

    def _decode(self, data: bytes) -> None:
        self._in_sync = False
        try:
            messages: Sequence[Excerpts | Control] = self._decoder.feed(data)
        except ProtocolError as error:
            messages = error.decoded
            self._fault = error
        for message in messages:
            if isinstance(message, Excerpts):
                if not _ascend(message.indexes):
                    self._fault = ProtocolError(f"{self._line.url} sent excerpts whose indexes do not ascend")
                    break
                self._take(message)
            elif message.kind is Kind.PADDED:
                received = self._received
                if not self._state.awaited and (received is None or message.value > received):
                    self._new(message)
            elif message.kind is Kind.SYNC_IDX:
                self._synced(message.value)
            elif message.kind is Kind.IN_SYNC:
                self._beat()
        if self._fault is not None:
            self._line.close()
            self._back_off()

    def _take(self, excerpts: Excerpts) -> None:
        state = self._state
        if state.awaited:
            return
        received = self._received
        if received is not None and excerpts.indexes[0] <= received:
            state.repeated = True
            skip = bisect_right(excerpts.indexes, received)
            if skip == len(excerpts.indexes):
                return
            excerpts = Excerpts(excerpts.indexes[skip:], excerpts.payloads[skip:])
        self._new(excerpts)

    def _new(self, batch: Excerpts | Control) -> None:
        self._batches.append(batch)
        self._in_sync = False
        self._state.progress = True
        self._ask_next = self._state.asked_next = False
        self._failures = self._stuck = 0
        self._probe_beats = 1

    def _beat(self) -> None:
        """The source has nothing new."""
        state = self._state
        if state.awaited:
            return  # It was under way before what we asked was read.
        self._in_sync = True
        self._failures = self._stuck = 0
        state.progress = True
        if not state.asked_next:
            return
        # Java sends exactly the index that was asked for, which never comes if its cycle is over.
        state.beats += 1
        if state.beats >= self._probe_beats:
            state.beats = 0
            self._probe_beats = min(2 * self._probe_beats, _PROBE_BEATS_MAX)
            state.probing = True
            self._ask(Action.SUBSCRIBE, END)

    def _synced(self, index: int) -> None:
        state = self._state
        if state.awaited == 0:
            return
        state.awaited -= 1
        if state.probing:
            received = self._received
            if state.queried or received is None or index <= received:
                # Where the next cycle begins; or the last excerpt is still the last one.
                state.probing = state.queried = False
                self._ask(Action.SUBSCRIBE, index if received is not None and index > received else self._place())
            else:
                # There is something after it: QUERY tells the next one (if there were none, Java would not answer).
                state.queried = True
                self._ask(Action.UNSUBSCRIBE, 0)
                self._ask(Action.QUERY, received)
                state.awaited = 1
            return
        state.synced = self._reached = True
        if self._start == END and self._received is None:
            # The next connection is to begin at the same place, whatever was appended meanwhile.
            self._start = index
            self._skip_start = self._skip_start and index >= 0

    def _place(self) -> int:
        """What to subscribe."""
        received = self._received
        if received is None:
            return self._start
        self._state.asked_next = self._ask_next
        return received + 1 if self._ask_next else received

    def _ask(self, action: Action, data: int) -> None:
        assert self._line.socket is not None
        try:
            self._line.socket.sendall(encode_command(action, data, EAGER if action is Action.SUBSCRIBE else 0))
        except OSError as error:
            raise self._line.failed("lost the connection to", error) from error
        if action is Action.SUBSCRIBE:
            self._state.awaited += 1

    def _connect(self, deadline: float | None) -> bool:
        """Connects and subscribes, as often as it takes; False if the deadline comes first."""
        while True:
            now = time.monotonic()
            if self._retry_at > now:
                if deadline is not None and deadline < self._retry_at:
                    self._sleep(max(deadline - now, 0))
                    return False
                self._sleep(self._retry_at - now)
            self._decoder = MessageDecoder(self._max_bytes)
            self._state = _Connection()
            try:
                self._line.connect(self._connect_timeout)
                self._ask(Action.SUBSCRIBE, self._place())
            except OSError:
                self._line.close()
                if not self._reached:
                    raise
                if self._retry is not None and time.monotonic() - self._lost_at > self._retry:
                    raise
                self._back_off()
                continue
            except BaseException:
                self._line.close()
                raise
            if self._reached:
                self.reconnects += 1
            self._state.heard = time.monotonic()
            return True

    def _lost(self, how: str, dropped: bool) -> None:
        """The connection is gone: decides where and when the next one begins. Raises RemoteError where that is vain."""
        state = self._state
        self._line.close()
        self._in_sync = False
        if self._failures == 0:
            self._lost_at = time.monotonic()
        self._back_off()
        if not self._reached:
            raise self._line.failed(f"is this a source? It {how} before it answered:")
        if self._retry is not None and time.monotonic() - self._lost_at > self._retry:
            raise self._line.failed(f"for {self._retry:g} s nothing came of any connection to")
        if state.progress or not state.synced or not dropped:
            return
        # It was dropped at once, again. After the very excerpt: it is one that Java sends and then stumbles over.
        self._ask_next = state.repeated and not state.asked_next
        self._stuck += 1
        if self._stuck >= _STUCK_ATTEMPTS:
            attempts, self._stuck = self._stuck, 0
            received = self._received
            where = "the first excerpt" if received is None else f"what follows {received:#x}"
            error = self._line.failed(f"cannot read {where} from")
            error.message += f", which {how} {attempts} times before anything came"
            error.hint = (
                "a Java source cannot send an excerpt that is longer than its minBufferSize (256 KiB less 12 bytes by "
                "default): raise it there"
            )
            raise error

    def _back_off(self) -> None:
        pause = min(self._backoff_min * 2 ** min(self._failures, 32), self._backoff_max)
        self._failures += 1
        # Clients that lost the same source are not to come back at the same moment.
        self._retry_at = time.monotonic() + pause * (1 + self._random()) / 2


def _ascend(indexes: Sequence[int]) -> bool:
    """Whether indexes grow from one to the next."""
    # Most follow one another, and two lists are compared sooner than their items.
    count = len(indexes)
    first = indexes[0]
    return (indexes[-1] - first == count - 1 and indexes == list(range(first, first + count))) or all(
        map(lt, indexes, islice(indexes, 1, None))
    )


def _until(stop: StopEvent, batches: Iterator[Iterator[T]]) -> Iterator[T]:
    """The items of batches, with a look at ``stop`` before each."""
    for batch in batches:
        while not stop.is_set():
            try:
                item = next(batch)
            except StopIteration:
                break
            yield item
        if stop.is_set():
            return


class RemoteAppender(_Client):
    """Appends to a queue that a source serves over TCP: a Java Vanilla Chronicle 3, or ``serve``.

    With ``ack`` (default) a call returns when the source has acknowledged, and tells the index. Without, it returns
    when the bytes are on their way: whatever becomes of them is not known, as with Java's remote appender.

    ``timeout_ms`` bounds the wait for any answer. A connection is made when it is needed. Nothing is ever sent twice:
    if a connection breaks while an answer is due, the call raises RemoteError, whose ``unsure`` says how many messages
    may or may not have been appended. A refusal is NackError. In both ``appended`` has what was acknowledged, as in
    the errors of ``Appender.append_many``. One thread at a time.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ack: bool = True,
        *,
        timeout_ms: float = 30_000,
        connect_timeout_ms: float = 10_000,
        max_excerpt_bytes: int = MAX_EXCERPT_BYTES,
    ) -> None:
        super().__init__(host, port)
        if timeout_ms <= 0 or connect_timeout_ms <= 0 or max_excerpt_bytes <= 0:
            raise UsageError("timeout_ms, connect_timeout_ms and max_excerpt_bytes are to be above 0")
        self._action = Action.SUBMIT if ack else Action.SUBMIT_NOACK
        self._timeout = timeout_ms / 1000
        self._connect_timeout = connect_timeout_ms / 1000
        self._max_bytes = max_excerpt_bytes
        self._decoder = MessageDecoder(0)
        self._last: int | None = None

    def append(self, data: Buffer) -> int | None:
        """Appends one excerpt; its index, or None without ``ack``.

        Raises MessageTooLongError, NackError, RemoteError.
        """
        indexes = self.append_many((data,))
        return indexes[0] if indexes else None

    def append_many(self, messages: Iterable[Buffer]) -> list[int]:
        """Appends each of many excerpts; their indexes, or an empty list without ``ack``.

        Some hundreds are under way at a time, so that this is as fast as the source, whatever the distance. A
        refusal or a broken connection ends it after the answers that are due; what was not sent then stays unsent.
        """
        if isinstance(messages, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"append_many takes an iterable of messages, not one {type(messages).__name__}: use append")
        if self._closed:
            raise ClosedError("the remote appender is closed")
        batch = _Submitting()
        rest = iter(messages)
        try:
            while True:
                try:
                    chunk = self._chunk(rest)
                except Exception:
                    # What was sent is known, whatever the caller's iterable does.
                    self._await(batch, 0)
                    raise
                if not chunk:
                    break
                self._send(batch, chunk)
                # The answers of the chunk before are read while this one is under way. 512 answers fit any buffer.
                self._await(batch, len(chunk))
                if batch.refused:
                    break
            self._await(batch, 0)
            if batch.refused:
                raise _refused(self._line.url, batch)
        except BaseException as error:
            # Answers that are still to come would be taken for those of the next call.
            self._line.close()
            known: Any = error
            known.appended = batch.indexes
            known.unsure = len(batch.due)
            if isinstance(error, NackError):
                error.refused = batch.refused
            elif isinstance(error, RemoteError) and batch.due:
                error.hint = f"{len(batch.due)} of the messages sent may have been appended or not"
            raise
        finally:
            if batch.indexes:
                self._last = batch.indexes[-1]
        return batch.indexes

    @property
    def last_index(self) -> int | None:
        """The last index that was acknowledged, None before the first."""
        return self._last

    def __repr__(self) -> str:
        return f"<RemoteAppender to {self._line.url}{', closed' if self._closed else ''}>"

    # Helpers.

    def _chunk(self, rest: Iterator[Buffer]) -> list[bytes]:
        """Some messages, as they go over the wire."""
        chunk: list[bytes] = []
        size = 0
        for message in islice(rest, _WINDOW_MESSAGES):
            data = message if isinstance(message, bytes) else memoryview(message).cast("B")
            if len(data) > self._max_bytes:
                raise MessageTooLongError(f"a message has at most {self._max_bytes} bytes, not {len(data)}")
            chunk.append(encode_command(self._action, len(data)) + data)
            size += len(data)
            if size >= _WINDOW_BYTES:
                break
        return chunk

    def _send(self, batch: _Submitting, chunk: list[bytes]) -> None:
        line = self._line
        if line.socket is not None and not batch.due and line.readable(0):
            # Nothing is due: it can only have ended. Nothing of this chunk was sent, so another connection will do.
            line.close()
        if line.socket is None:
            line.connect(self._connect_timeout)
            self._decoder = MessageDecoder(0)
        assert line.socket is not None
        line.socket.settimeout(self._timeout)
        data = b"".join(chunk)
        done = 0
        try:
            view = memoryview(data)
            while done < len(data):
                done += line.socket.send(view[done:])
        except OSError as error:
            raise self._broken(error) from error
        finally:
            # A message that is not whole is not appended. One that is may have been, whatever error follows.
            whole = len(chunk)
            if done < len(data):
                whole = bisect_right(list(accumulate(map(len, chunk))), done)
            if self._action is Action.SUBMIT:
                batch.due.extend(range(batch.sent, batch.sent + whole))
            batch.sent += whole

    def _await(self, batch: _Submitting, allowed: int) -> None:
        """Reads answers until at most ``allowed`` are due."""
        while len(batch.due) > allowed:
            assert self._line.socket is not None
            try:
                data = self._line.socket.recv(_RECEIVE_BYTES)
            except OSError as error:
                raise self._broken(error) from error
            if not data:
                raise self._broken(None)
            for message in self._decoder.feed(data):
                if not isinstance(message, Control):
                    raise ProtocolError(f"{self._line.url} sent an excerpt to an appender")
                if message.kind is Kind.ACK and batch.due:
                    batch.due.popleft()
                    batch.indexes.append(message.value)
                elif message.kind is Kind.NACK and batch.due:
                    batch.refused.append(batch.due.popleft())

    def _broken(self, error: OSError | None) -> RemoteError:
        if isinstance(error, TimeoutError):
            return self._line.failed(f"no answer within {self._timeout:g} s from", error)
        return self._line.failed("lost the connection to", error)


def _refused(url: str, batch: _Submitting) -> NackError:
    """What an append_many raises whose answers have all come."""
    numbers = ", ".join(map(str, batch.refused[:_REFUSED_TOLD])) + (", ..." if batch.refused[_REFUSED_TOLD:] else "")
    rest = f"; the other {len(batch.indexes)} are appended" if batch.indexes else "; nothing was appended"
    return NackError(
        f"{url} refused to append {len(batch.refused)} of the {batch.sent} messages sent to it, number {numbers}{rest}",
        hint="the protocol tells no reason: a source refuses if it is read-only or its journal Indexed, which has one "
        "writer, or if the queue there takes nothing (its log says why: a full disk, a lock); append there, or where it is",
    )


class _Submitting:
    """How far an append_many has come; messages are numbered within it, from 0."""

    __slots__ = ("due", "indexes", "refused", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.due: deque[int] = deque()
        self.indexes: list[int] = []
        self.refused: list[int] = []
