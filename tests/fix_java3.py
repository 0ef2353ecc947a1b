"""Java Chronicle 3.6.0 as a pytest fixture: Vanilla and Indexed journals, their typed fields and the TCP protocol.

What this hides: Debian's jars, how they are made to run on Java 17 (``tests/java3/shim``), and the line protocol of
``tests/java3/src/pychronix/peer/Peer3.java``. Process handling, generated messages (`payload`), digests, loads and
followers are those of `fix_java`.

- ``java3_peer(**jvm_properties)`` starts a process of its own: to kill it, to have two of them, or with other
  properties (``java3_peer(os__max__pid__bits="22")``).
- ``java3`` is one process shared by the whole run; a test's queues in it are closed at the test's end.

.. code-block:: python

    queue = java3.vanilla(tmp_path / "q", cycle="SECONDS", index_block=4096, data_block=65536)
    appender = queue.appender()                     # has a thread, so a tid, so data files of its own
    index = appender.append(b"raw bytes")
    written = appender.calls(("writeInt", 5), ("writeUTFΔ", None), ("writeObject", Java("bigdec", "12.340")))
    assert queue.dump() == [(index, b"raw bytes"), (written.index, written.data)]
    tailer = queue.tailer()
    assert tailer.index(written.index)
    assert tailer.calls("readInt", "readUTFΔ", "readObject") == [5, None, Java("bigdec", "12.340")]
    source = queue.source()                         # listens on 127.0.0.1, port source.port
    remote = java3.remote_tailer(source.port).tailer()

Missing Java or package: a skip on a user's machine, a failure where ``PYCHRONIX_REQUIRE_PEERS=1``. Import this module
as ``fix_java3`` everywhere, or there are two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus

import pytest
from fix_java import (
    JVM_OPTIONS,
    FixtureQueue,
    JavaFollow,
    JavaLoad,
    JavaProcess,
    PeerBuild,
    PeerError,
    PeerUnavailableError,
    build_home,
    build_once,
    file_lock,
    find_java,
    fixture_names,
    lend_peer,
    pack_classes,
    require_build,
    share_peers,
    start_peers,
    unhex,
    with_class_archive,
)

RELEASE3 = "3.6.0"
#: Debian packages that hold the jars; `.ci/run` installs them.
PACKAGES = ("libopenhft-chronicle-queue-java", "libslf4j-java", "libjna-java", "libjna-platform-java")

_PROJECT = Path(__file__).resolve().parent / "java3"
_JAVA = _PROJECT.parent / "java"
_PAYLOAD = _JAVA / "src/main/java/pychronix/peer/Payload.java"
_JARS = Path("/usr/share/java")
_JAR_NAMES = (
    "openhft-chronicle", "openhft-lang", "openhft-affinity", "openhft-compiler",
    "slf4j-api", "slf4j-simple", "jna", "jna-platform",
)  # fmt: skip
_MODULE_OPTIONS = (
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    # Chronicle 3 can crash the JVM: that is to be told on stderr, not in the protocol or in a file in the checkout.
    "-XX:+DisplayVMOutputToStderr",
    "-XX:+ErrorFileToStderr",
    "-XX:-CreateCoredumpOnCrash",
)
_ARCHIVE_SCRIPT = (
    "open_vanilla dir={}/q index_block=4096 data_block=65536\nappender q=1\ntailer q=1\nappend a=2 hex=00\nread t=3\n"
    "calls a=2 do=writeInt:num~5\nhello\n"
)


# --- building --------------------------------------------------------------------------------------------------------


def build_peer3(release: str = RELEASE3) -> PeerBuild:
    """Compiles the peer with javac against Debian's jars, or finds it done; raises `PeerUnavailableError`.

    The result is kept under a stamp of sources and jars where `fix_java` keeps its builds (``tests/java/target``, or
    ``PYCHRONIX_PEER_CACHE``); a file lock lets one of several processes do the work.
    """
    return build_once(release, _build)


def _build(release: str) -> PeerBuild:
    java = find_java()
    jars = [_JARS / f"{name}.jar" for name in _JAR_NAMES]
    missing = [jar.name for jar in jars if not jar.exists()]
    if missing:
        raise PeerUnavailableError(f"no {', '.join(missing)} in {_JARS}: apt-get install {' '.join(PACKAGES)}")
    shim = sorted((_PROJECT / "shim").rglob("*.java"))
    sources = [*sorted((_PROJECT / "src").rglob("*.java")), _PAYLOAD]
    stamp = hashlib.sha256(b"\0".join(source.read_bytes() for source in [*shim, *sources]))
    for jar in jars:
        stamp.update(f"{jar.resolve().name} {jar.stat().st_size} {jar.stat().st_mtime_ns}".encode())
    home = build_home(release)
    stamp_path = home / "stamp"
    with file_lock(home / "lock"):
        if not stamp_path.exists() or stamp_path.read_text() != stamp.hexdigest():
            stamp_path.unlink(missing_ok=True)
            classes = home / "classes"
            shutil.rmtree(classes, ignore_errors=True)
            classes.mkdir()
            # Nestmates, which the original knows nothing of, came with Java 11.
            _javac(["--release", "8", "-Xlint:-options", "-d", str(classes)], shim)
            # These two stand before lang's own; what else the shim compiles to is only there to compile them.
            for path in classes.rglob("*.class"):
                if path.name not in ("StringBuilderUtils.class", "AbstractBytes$FastStringOperations16.class"):
                    path.unlink()
            _javac(["-classpath", os.pathsep.join(map(str, jars)), "-d", str(classes)], sources)
            pack_classes(home)
            stamp_path.write_text(stamp.hexdigest())
        classpath = os.pathsep.join(map(str, [home / "peer.jar", *jars]))
        build = PeerBuild(release, java, classpath, (*JVM_OPTIONS, *_MODULE_OPTIONS, f"-Dpychronix.release={release}"))
        return with_class_archive(build, home, stamp.hexdigest(), "Peer3", _ARCHIVE_SCRIPT)


def _javac(options: Sequence[str], sources: Iterable[Path]) -> None:
    javac = shutil.which("javac")
    if javac is None:
        raise PeerUnavailableError("the Java compiler is not installed: apt-get install openjdk-17-jdk-headless")
    command = [javac, "-encoding", "UTF-8", *options, *map(str, sources)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError("javac took more than 300 s") from error
    if done.returncode != 0:
        raise PeerError(f"the peer's own sources do not compile:\n{done.stderr[:3000]}")


# --- values ----------------------------------------------------------------------------------------------------------


class Java(NamedTuple):
    """A Java value of a named type, as argument or result of a call.

    ======================================== =========================================================================
    type                                     value
    ======================================== =========================================================================
    int long short byte                      int (also for the class around it, where Java wants an Object)
    float double                             float
    boolean                                  bool
    char                                     str of one UTF-16 unit
    string sb chars                          str: String, StringBuilder, char[]
    bytes buffer                             bytes: byte[], ByteBuffer
    class                                    name; "Colour" is the peer's enum
    enum                                     RED, GREEN or BLUE of that enum (binary name pychronix.peer.Values$Colour)
    date                                     int, milliseconds since 1970
    bigdec bigint uuid instant               str: java.math.BigDecimal, BigInteger, java.util.UUID, java.time.Instant
    list set map                             list of values, list of values, dict or list of pairs
    ext marsh pojo                           "number:text" (Externalizable, BytesMarshallable, Serializable of the peer)
    stop                                     str: a StopCharTester that ends at any of these characters
    object                                   "class:toString" of any other object (results only)
    ======================================== =========================================================================

    Plain Python values stand for themselves: an int and a float for whatever type the method takes, str for String,
    bytes for byte[], None for null, bool for boolean, list for ArrayList, dict for LinkedHashMap. Inside lists and
    maps, and as an Object, say `Java` for numbers.
    """

    type: str
    value: Any


class Call(NamedTuple):
    """One call's outcome: the position after it, its result, and the mutable arguments it may have filled."""

    position: int
    result: Any
    filled: tuple[Any, ...] = ()


class Written(NamedTuple):
    """An excerpt made by calls: its index, its bytes as Java holds them, and what each call did."""

    index: int  # type: ignore[assignment]
    data: bytes
    calls: list[Call]


def _token(value: Any) -> str:
    if isinstance(value, Java):
        kind, inner = value.type, value.value
    elif value is None:
        kind, inner = "null", ""
    elif isinstance(value, bool):
        kind, inner = "boolean", value
    elif isinstance(value, int):
        kind, inner = "num", value
    elif isinstance(value, float):
        kind, inner = "real", value
    elif isinstance(value, str):
        kind, inner = "string", value
    elif isinstance(value, (bytes, bytearray, memoryview)):
        kind, inner = "bytes", value
    elif isinstance(value, list):
        kind, inner = "list", value
    elif isinstance(value, dict):
        kind, inner = "map", value
    else:
        raise TypeError(f"no Java type for {value!r}")
    if kind == "boolean":
        text = "true" if inner else "false"
    elif kind in ("float", "double", "real"):
        text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(float(inner)), repr(float(inner)))
    elif kind == "char":
        text = str(ord(inner))
    elif kind in ("bytes", "buffer"):
        text = bytes(inner).hex() or "-"
    elif kind in ("list", "set"):
        text = ";".join(map(_token, inner))
    elif kind == "map":
        pairs = inner.items() if isinstance(inner, dict) else inner
        text = ";".join(f"{_token(key)};{_token(item)}" for key, item in pairs)
    elif kind == "string" and not inner.isascii():
        kind, text = "utf16", inner.encode("utf-16-be", "surrogatepass").hex()
    else:
        text = str(inner)
    return f"{kind}~{quote(text, safe='')}"


def _value(token: str) -> Any:
    kind, _, text = token.partition("~")
    text = unquote_plus(text)
    if kind in ("null", "void", "self"):
        return None
    if kind in ("int", "long", "short", "byte"):
        return int(text)
    if kind in ("float", "double"):
        return float(text)
    if kind == "boolean":
        return text == "true"
    if kind == "char":
        return chr(int(text))
    if kind in ("string", "sb", "chars"):
        return text
    if kind == "utf16":
        return bytes.fromhex(text).decode("utf-16-be", "surrogatepass")
    if kind in ("bytes", "buffer"):
        return unhex(text)
    items = [_value(item) for item in text.split(";")] if text and kind in ("list", "set", "map") else []
    if kind == "map":
        return dict(zip(items[::2], items[1::2], strict=True))
    if kind == "list":
        return items
    return Java(kind, items if kind == "set" else int(text) if kind == "date" else text)


def _calls(calls: Iterable[str | tuple[Any, ...]]) -> str:
    words = []
    for call in calls:
        name, *arguments = (call,) if isinstance(call, str) else call
        words.append(":".join([name, *map(_token, arguments)]))
    return ",".join(words)


def to_json(value: Any) -> Any:
    """An argument or result as JSON can hold it; `from_json` turns it back."""
    if isinstance(value, Java):
        return {"java": value.type, "value": to_json(value.value)}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, dict):
        return {"map": [[to_json(key), to_json(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(value: Any) -> Any:
    """What `to_json` was given (a tuple comes back as a list)."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "java" in value:
        return Java(value["java"], from_json(value["value"]))
    if "bytes" in value:
        return bytes.fromhex(value["bytes"])
    return {from_json(key): from_json(item) for key, item in value["map"]}


class FieldCall(NamedTuple):
    """One field of a fixture: how Java wrote it, the position after it, how Java read it, and what came out."""

    write: tuple[Any, ...]
    position: int
    read: tuple[Any, ...]
    result: Any
    filled: tuple[Any, ...]


class FieldExcerpt(NamedTuple):
    """An excerpt of ``fixtures/v3/fields``: its kind of field ("all" for the one with all kinds), bytes and fields."""

    kind: str
    index: int  # type: ignore[assignment]
    data: bytes
    fields: list[FieldCall]


def field_excerpts(queue: FixtureQueue) -> list[FieldExcerpt]:
    """What Java wrote into a journal of ``fixtures/v3/fields`` (``java_fixture("v3/fields")["fields"]``), in order."""
    return [
        FieldExcerpt(
            excerpt["kind"],
            excerpt["index"],
            bytes.fromhex(excerpt["hex"]),
            [
                FieldCall(
                    tuple(map(from_json, call["write"])),
                    call["position"],
                    tuple(map(from_json, call["read"])),
                    from_json(call["result"]),
                    tuple(map(from_json, call["filled"])),
                )
                for call in excerpt["calls"]
            ],
        )
        for excerpt in queue.expected["fields"]
    ]


def fixture3_names() -> list[str]:
    """The fixtures of Chronicle 3: ``v3/vanilla`` and so on; `fix_java.unpack_fixture` unpacks one."""
    return [name for name in fixture_names(chronicle3=True) if name.startswith("v3/")]


# --- peers -----------------------------------------------------------------------------------------------------------


class Java3Peer(JavaProcess):
    """A Java process with journals of Chronicle 3.6.0."""

    def __init__(self, build: PeerBuild, properties: dict[str, str] | None = None, options: Sequence[str] = ()) -> None:
        super().__init__(build, properties, options, main_class="Peer3")
        self.queues: list[Java3Queue] = []

    def _open(self, verb: str, **fields: Any) -> Java3Queue:
        reply = self.request(verb, **fields)
        return Java3Queue(self, int(reply.fields["q"]), int(reply.fields.get("port", 0)))

    def vanilla(
        self,
        directory: str | os.PathLike[str],
        *,
        cycle: str | None = None,
        format: str | None = None,
        length_ms: int | None = None,
        time_zone: str | None = None,
        entries: int | None = None,
        index_block: int | None = None,
        data_block: int | None = None,
        message_size: int | None = None,
        synchronous: bool | None = None,
        sync_on_roll: bool | None = None,
        compressed: bool | None = None,
        checked: bool | None = None,
        data_cache: int | None = None,
        index_cache: int | None = None,
    ) -> Java3Queue:
        """Opens a VanillaChronicle. What is left out is Java's default (spec 2.2); `cycle` is SECONDS ... DAYS."""
        return self._open(
            "open_vanilla", dir=os.path.abspath(directory), cycle=cycle, format=format, length_ms=length_ms,
            time_zone=time_zone, entries=entries, index_block=index_block, data_block=data_block,
            message_size=message_size, synchronous=synchronous, sync_on_roll=sync_on_roll, compressed=compressed,
            checked=checked, data_cache=data_cache, index_cache=index_cache,
        )  # fmt: skip

    def indexed(
        self,
        path: str | os.PathLike[str],
        *,
        preset: str | None = None,
        line: int | None = None,
        data_block: int | None = None,
        index_block: int | None = None,
        capacity: int | None = None,
        synchronous: bool | None = None,
        compressed: bool | None = None,
        checked: bool | None = None,
    ) -> Java3Queue:
        """Opens an IndexedChronicle, ``<path>.index`` and ``<path>.data``.

        `preset` is small, medium or large; what is left out is Java's default (spec 3.1).
        """
        return self._open(
            "open_indexed", path=os.path.abspath(path), preset=preset, line=line, data_block=data_block,
            index_block=index_block, capacity=capacity, synchronous=synchronous, compressed=compressed,
            checked=checked,
        )  # fmt: skip

    def remote_tailer(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        bind: bool = False,
        min_buffer: int | None = None,
        spin: int | None = None,
    ) -> Java3Queue:
        """A remote tailer's queue: take its one `tailer` or `follow` it. It connects on first use.

        `bind`: it listens and the source connects. `spin` polls of the socket make reads non-blocking; without, a read
        waits until the source sends something, be it a heartbeat.
        """
        return self._open("remote_tailer", host=host, port=port, bind=bind or None, min_buffer=min_buffer, spin=spin)

    def remote_appender(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        ack: bool = False,
        bind: bool = False,
        min_buffer: int | None = None,
    ) -> Java3Queue:
        """A remote appender's queue: take its one `appender` or `load` through it. Without `ack` indexes are -1."""
        return self._open(
            "remote_appender", host=host, port=port, ack=ack or None, bind=bind or None, min_buffer=min_buffer
        )

    def close_queues(self) -> None:
        """Closes every queue still open in the process, the last opened first."""
        for queue in list(reversed(self.queues)):
            queue.close()


class Facts(NamedTuple):
    """What Java says of a queue; ``last_written_index`` and ``size`` know only what went through this queue object."""

    last_index: int
    last_written_index: int
    size: int
    name: str


class Java3Queue:
    """A ``Chronicle`` in a peer: a journal, a source or sink around one, a remote end."""

    def __init__(self, peer: Java3Peer, number: int, port: int = 0) -> None:
        self.peer = peer
        self.number = number
        #: Where a source listens.
        self.port = port
        peer.queues.append(self)

    def __enter__(self) -> Java3Queue:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.peer.running:
            self.close()

    def close(self) -> None:
        """Closes the queue; of a source or sink the journal, too. Again is harmless."""
        if self in self.peer.queues:
            self.peer.queues.remove(self)
            self.peer.request("close", q=self.number)

    def facts(self) -> Facts:
        """``lastIndex()``, ``lastWrittenIndex()``, ``size()`` and ``name()``."""
        fields = self.peer.request("facts", q=self.number).fields
        return Facts(int(fields["last_index"]), int(fields["last_written_index"]), int(fields["size"]), fields["name"])

    @property
    def last_index(self) -> int:
        """``lastIndex()``."""
        return self.facts().last_index

    def appender(self) -> Java3Appender:
        """A new appender with a thread of its own, so with a tid and data files of its own."""
        fields = self.peer.request("appender", q=self.number).fields
        return Java3Appender(self, int(fields["a"]), int(fields["tid"]))

    def tailer(self) -> Java3Tailer:
        """A new tailer with a thread of its own, before the first excerpt."""
        return Java3Tailer(self, int(self.peer.request("tailer", q=self.number).fields["t"]))

    def dump(self, *, start: int | None = None) -> list[tuple[int, bytes]]:
        """(index, payload) of every excerpt a new tailer shows, from the first or from index `start` (included) on."""
        rows = self.peer.request("dump", q=self.number, from_=start).rows
        return [(int(index), unhex(data)) for index, data in rows]

    def dump_to(self, path: str | os.PathLike[str]) -> int:
        """Writes ``<index>\\t<hex>`` lines as `dump` would show them and returns their number."""
        reply = self.peer.request("dump", q=self.number, file=os.path.abspath(path), deadline_s=600)
        return int(reply.fields["count"])

    def digest(self) -> tuple[int, str]:
        """Count and SHA-256 of all excerpts; compare with `fix_java.digest` of what Python reads."""
        fields = self.peer.request("digest", q=self.number, deadline_s=600).fields
        return int(fields["count"]), fields["sha256"]

    def find(self, key: int | bytes, *, offset: int = 0) -> tuple[int, list[int]]:
        """``findMatch``: its result and the indexes it compared. Indexed only.

        An int is compared with the long at `offset`, bytes with the whole excerpt (unsigned, as memcmp does).
        """
        reply = self.peer.request("find", q=self.number, **_key(key), offset=offset)
        return int(reply.fields["index"]), [int(row[0]) for row in reply.rows]

    def find_range(self, key: int | bytes, *, offset: int = 0) -> tuple[int, int]:
        """``findRange``: start and stop of the excerpts that compare equal. Indexed only."""
        fields = self.peer.request("find_range", q=self.number, **_key(key), offset=offset).fields
        return int(fields["from"]), int(fields["to"])

    def load(
        self,
        writer: int,
        count: int,
        *,
        first: int = 0,
        rate: float = 0,
        sizes: str = "64",
        ack: str | os.PathLike[str] | None = None,
        capacity: int | None = None,
    ) -> JavaLoad:
        """Starts a thread with an appender that writes `count` generated messages (`fix_java.payload`).

        `rate` a second (0: as fast as it goes). After each append one line goes to the file `ack` (see
        `fix_java.read_acks`), in one write, so that it survives a kill. `capacity` is the least that is asked for.
        """
        reply = self.peer.request(
            "load", q=self.number, writer=writer, first=first, count=count, rate=rate or None, sizes=sizes,
            ack=None if ack is None else os.path.abspath(ack), capacity=capacity,
        )  # fmt: skip
        return JavaLoad(self, int(reply.fields["l"]))

    def follow(
        self,
        path: str | os.PathLike[str],
        *,
        start: str | int | None = None,
        limit: int = 0,
        hex: bool = False,
        wait: bool = True,
    ) -> JavaFollow:
        """Starts a thread with a tailer that records all it sees into `path` (see `fix_java.read_follow`).

        `start` is "start", "end" (on the last excerpt, so the next one is the first seen), an index (the one after it
        is the first seen) or None, which calls none of them. `hex` records ``<index>\\t<hex>`` lines. It ends after
        `limit` excerpts (0: only when stopped). With `wait` its tailer stands when this returns: not for a remote
        tailer whose source is not there yet.
        """
        reply = self.peer.request(
            "follow", q=self.number, file=os.path.abspath(path), from_="-" if start is None else start, limit=limit,
            hex=hex or None, remote=None if wait else True,
        )  # fmt: skip
        return JavaFollow(self, int(reply.fields["f"]))

    def source(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        connect: bool = False,
        heartbeat_ms: int | None = None,
        min_buffer: int | None = None,
        max_excerpts: int | None = None,
    ) -> Java3Queue:
        """Serves the journal over TCP; it listens when this returns, at ``.port``.

        The source is a queue, too. `connect`: it connects to a client that listens at `port`.
        """
        reply = self.peer.request(
            "source", q=self.number, host=host, port=port, connect=connect or None, heartbeat_ms=heartbeat_ms,
            min_buffer=min_buffer, max_excerpts=max_excerpts,
        )  # fmt: skip
        return Java3Queue(self.peer, int(reply.fields["q"]), int(reply.fields["port"]))

    def sink(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        bind: bool = False,
        min_buffer: int | None = None,
        shared: bool = False,
        spin: int | None = None,
    ) -> Java3Queue:
        """A stateful sink that replicates a source into this journal while its one tailer (or `follow`) reads."""
        reply = self.peer.request(
            "sink", q=self.number, host=host, port=port, bind=bind or None, min_buffer=min_buffer,
            shared=shared or None, spin=spin,
        )  # fmt: skip
        return Java3Queue(self.peer, int(reply.fields["q"]), port)


def _key(key: int | bytes) -> dict[str, Any]:
    return {"key": key} if isinstance(key, int) else {"key": key.hex() or "-", "kind": "bytes"}


class Java3Appender:
    """An appender in a peer, with its thread. `tid` is what its data files are named after.

    `capacity` is what an excerpt is started with, never less than its size (None: its size; "default": Java's own
    ``startExcerpt()``, 128 KiB, which must fit into a data block). `cycle` is the Vanilla cycle to write into instead
    of the clock's, as a sink does.
    """

    def __init__(self, queue: Java3Queue, number: int, tid: int) -> None:
        self.queue = queue
        self.number = number
        self.tid = tid

    def _request(self, verb: str, **fields: Any) -> Any:
        return self.queue.peer.request(verb, a=self.number, **fields)

    def append(self, data: bytes, *, capacity: int | str | None = None, cycle: int | None = None) -> int:
        """Appends one excerpt and returns its index (-1 from a remote appender without acknowledgement)."""
        return self.append_many([data], capacity=capacity, cycle=cycle)[0]

    def append_many(
        self, payloads: Sequence[bytes], *, capacity: int | str | None = None, cycle: int | None = None
    ) -> list[int]:
        """Appends one excerpt each and returns their indexes."""
        wanted = ",".join(bytes(data).hex() or "-" for data in payloads)
        return [int(row[0]) for row in self._request("append", hex=wanted, capacity=capacity, cycle=cycle).rows]

    def generate(
        self,
        writer: int,
        count: int,
        *,
        first: int = 0,
        sizes: str = "64",
        capacity: int | str | None = None,
        cycle: int | None = None,
    ) -> tuple[int, int]:
        """Appends generated messages (`fix_java.payload`) and returns the first and the last index."""
        fields = self._request(
            "generate", writer=writer, first=first, count=count, sizes=sizes, capacity=capacity, cycle=cycle,
            deadline_s=600,
        ).fields  # fmt: skip
        return int(fields["first_index"]), int(fields["last_index"])

    def start(self, *, capacity: int | str | None = 1024, cycle: int | None = None) -> None:
        """``startExcerpt``: the excerpt is in flight until `finish`; another start abandons it."""
        self._request("start", capacity=capacity, cycle=cycle)

    def write(self, data: bytes) -> None:
        """Adds bytes to the excerpt in flight."""
        self._request("write", hex=data)

    def finish(self) -> int:
        """Commits the excerpt in flight and returns its index."""
        return int(self._request("finish").fields["index"])

    def padding(self) -> int:
        """``addPaddedEntry()`` (Indexed only); the index of the last entry written then."""
        return int(self._request("padding").fields["index"])

    def calls(
        self,
        *calls: str | tuple[Any, ...],
        capacity: int | str | None = None,
        cycle: int | None = None,
        abort: bool = False,
    ) -> Written:
        """One excerpt made by calling methods of Java's ``Bytes``: ``("writeInt", 5)``, ``("writeUTFΔ", "text")``.

        Offsets count from the payload's first byte. See `Java` for arguments; capacity is 2048 unless given. With
        `abort` the excerpt is not finished and has index -1.
        """
        reply = self._request("calls", do=_calls(calls), capacity=capacity, cycle=cycle, abort=abort or None)
        return Written(int(reply.fields.get("index", -1)), unhex(reply.fields["hex"]), _outcomes(reply.rows))

    def bench(self, count: int, *, kind: str = "bytes", size: int = 100, capacity: int | None = None) -> int:
        """Nanoseconds for `count` appends; the first rounds of a process also compile, so repeat.

        `kind`: bytes (``write(byte[])`` of `size`), int, long, text (``writeUTFΔ`` of `size` characters), record (int,
        long, double), mixed (int, long, double, text).
        """
        reply = self._request("bench_append", count=count, kind=kind, size=size, capacity=capacity, deadline_s=600)
        return int(reply.fields["ns"])

    def close(self) -> None:
        """Closes the appender and ends its thread."""
        self.queue.peer.request("release", id=self.number)


class Java3Tailer:
    """A tailer in a peer, with its thread."""

    def __init__(self, queue: Java3Queue, number: int) -> None:
        self.queue = queue
        self.number = number

    def _request(self, verb: str, **fields: Any) -> Any:
        return self.queue.peer.request(verb, t=self.number, **fields)

    def read(self, count: int = 1, *, timeout_s: float = 0) -> list[tuple[int, bytes]]:
        """Up to `count` times ``nextIndex()``: (index, payload) each; stops at the end when `timeout_s` has passed.

        A remote tailer's blocking read ends no sooner than the source sends something.
        """
        reply = self._request("read", n=count, ms=int(timeout_s * 1000), deadline_s=timeout_s + 60)
        return [(int(index), unhex(data)) for index, data in reply.rows]

    def index(self, index: int) -> bool:
        """``index(i)``; where it is true the tailer stands on that excerpt: see `view` and `calls`."""
        return bool(self._request("index", index=index).fields["found"] == "true")

    def start(self) -> int:
        """``toStart()``; the index then."""
        return int(self._request("start").fields["index"])

    def end(self) -> int:
        """``toEnd()``: it stands on the last excerpt, whose index this is."""
        return int(self._request("end").fields["index"])

    def where(self) -> tuple[int, bool]:
        """``index()`` and ``wasPadding()``."""
        fields = self._request("where").fields
        return int(fields["index"]), fields["padding"] == "true"

    def view(self) -> bytes:
        """The payload of the excerpt it stands on."""
        return unhex(self._request("view").fields["hex"])

    def outcomes(self, *calls: str | tuple[Any, ...], index: int | None = None) -> list[Call]:
        """Calls methods of Java's ``Bytes`` on the excerpt it stands on, or on that of `index`, from its start.

        ``"readInt"``, ``("readUTFΔ", Java("sb", ""))``, ``("position", 8)``: see `Java`.
        """
        return _outcomes(self._request("calls", do=_calls(calls), index=index).rows)

    def calls(self, *calls: str | tuple[Any, ...], index: int | None = None) -> list[Any]:
        """The results of `outcomes` alone; of a method that fills its argument and returns nothing, the argument."""
        found = self.outcomes(*calls, index=index)
        return [call.filled[0] if call.result is None and call.filled else call.result for call in found]

    def bench(self, count: int | None = None, *, kind: str = "bytes", timeout_s: float = 0) -> tuple[int, int, int]:
        """Nanoseconds, excerpts and payload bytes of a pass from where it stands, timed from the first excerpt on.

        `kind`: view (nothing is read), bytes (copied out), int, long, text, record, mixed. Stops after `count` or at
        the end once `timeout_s` has passed; with both, it measures what a remote tailer receives.
        """
        reply = self._request("bench_read", count=count, kind=kind, ms=int(timeout_s * 1000), deadline_s=600)
        fields = reply.fields
        return int(fields["ns"]), int(fields["count"]), int(fields["bytes"])

    def close(self) -> None:
        """Closes the tailer and ends its thread."""
        self.queue.peer.request("release", id=self.number)


def _outcomes(rows: list[list[str]]) -> list[Call]:
    return [Call(int(row[0]), _value(row[1]), tuple(map(_value, row[2:]))) for row in rows]


# --- fixtures --------------------------------------------------------------------------------------------------------

Java3PeerFactory = Callable[..., Java3Peer]


def require_build3() -> PeerBuild:
    """`build_peer3`, or the test's skip (failure where peers are required) with the reason."""
    return require_build(RELEASE3, build_peer3)


@pytest.fixture
def java3_peer() -> Iterator[Java3PeerFactory]:
    """Starts Java processes of the test's own: ``java3_peer(**properties)`` gives a `Java3Peer`.

    Properties are JVM system properties; a double underscore stands for a dot (``os__max__pid__bits="22"``).
    `jvm_options` takes further options. All end with the test.
    """
    yield from start_peers(Java3Peer, build_peer3, RELEASE3)


@pytest.fixture(scope="session")
def _java3_shared() -> Iterator[list[Java3Peer]]:
    yield from share_peers()


@pytest.fixture
def java3(_java3_shared: list[Java3Peer]) -> Iterator[Java3Peer]:
    """One Java process of Chronicle 3.6.0, shared by the run and so quick to have. Do not kill or hang it.

    A test's queues in it are closed at the test's end.
    """
    yield from lend_peer(_java3_shared, lambda: Java3Peer(require_build3()))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at the moment."""

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
