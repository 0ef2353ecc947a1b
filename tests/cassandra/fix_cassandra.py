"""Real Cassandra, without a server, as a pytest fixture: its loggers write logs, its classes say what stands in them.

What this hides: how ``org.apache.cassandra:cassandra-all`` is resolved and run on Java 17, and the line protocol of
``tests/cassandra/src/pychronix/peer/CassandraPeer.java``. Process handling is that of `fix_java`.

.. code-block:: python

    peer = cassandra("5.0.3")                       # one process a release, shared by the run
    peer.enable(tmp_path / "fql")
    peer.query("SELECT * FROM t WHERE k = ?", time=1709635062500, values=[b"\\0\\0\\0\\5"], consistency="QUORUM")
    peer.batch("LOGGED", [("INSERT ...", [b"\\1"]), ("UPDATE ...", [])], time=1709635062501)
    peer.stop()
    rows = peer.dump(tmp_path / "fql")              # what Cassandra's own classes read

Missing Java, Maven or release: a skip on a user's machine, a failure where ``PYCHRONIX_REQUIRE_PEERS=1``. Builds are
kept where `fix_java` keeps its own (``tests/java/target``, or ``PYCHRONIX_PEER_CACHE``), under a stamp of the sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from fix_java import (
    JVM_OPTIONS,
    JavaError,
    JavaProcess,
    PeerBuild,
    PeerError,
    PeerUnavailableError,
    file_lock,
    find_java,
    pack_classes,
    require_build,
    unhex,
    with_class_archive,
)

#: The releases whose logs are read; each writes a Chronicle queue of its own release (5.20.123, 5.20.123, 5.23.37).
RELEASES = ("4.0.19", "4.1.7", "5.0.3")

_HERE = Path(__file__).resolve().parent
_LINE_SERVER = _HERE.parent / "java3/src/pychronix/peer/LineServer.java"
_CACHE = _HERE.parent / "java/target"
_BUILD_S = 900.0
# What conf/jvm17-server.options of Cassandra 5.0 opens, and what Chronicle needs beside it.
_MODULE_OPTIONS = (
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
    "--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED",
    "--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.module=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
    "--add-opens=java.base/java.time=ALL-UNNAMED",
    "--add-opens=java.base/java.net=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.loader=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.math=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.module=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.reflect=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.util.jar=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
)
_ARCHIVE_SCRIPT = (
    "enable dir={0}/q\nquery text=a time=1 values=00\nbatch batch_type=LOGGED time=1 n=1 text0=a values0=00\nstop\n"
    "audit_enable dir={0}/a\naudit type=SELECT time=1\naudit_stop\ndump dir={0}/q\nencode type=int json=1\n"
)


# --- building --------------------------------------------------------------------------------------------------------

_builds: dict[str, PeerBuild | PeerUnavailableError] = {}


def build_cassandra(release: str) -> PeerBuild:
    """Resolves a release and compiles the peer against it, or finds it done; raises `PeerUnavailableError`."""
    if release not in _builds:
        try:
            _builds[release] = _build(release)
        except PeerUnavailableError as error:
            _builds[release] = error
    known = _builds[release]
    if isinstance(known, PeerUnavailableError):
        raise known
    return known


def _build(release: str) -> PeerBuild:
    java = find_java()
    home = Path(os.environ.get("PYCHRONIX_PEER_CACHE") or _CACHE) / f"cassandra-{release}"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PeerUnavailableError(f"cannot make {home}: {error}") from error
    sources = [*sorted((_HERE / "src").rglob("*.java")), _LINE_SERVER]
    inputs = [_HERE / "pom.xml", *sources]
    stamp = hashlib.sha256(b"\0".join([release.encode(), *(path.read_bytes() for path in inputs)])).hexdigest()
    stamp_path, classpath_path = home / "stamp", home / "classpath"
    with file_lock(home / "lock"):
        if not _is_built(stamp_path, stamp, classpath_path):
            stamp_path.unlink(missing_ok=True)
            _resolve(release, classpath_path)
            _compile(home / "classes", classpath_path.read_text().strip(), sources)
            pack_classes(home)
            stamp_path.write_text(stamp)
        classpath = f"{home / 'peer.jar'}{os.pathsep}{classpath_path.read_text().strip()}"
        options = (
            *JVM_OPTIONS,
            *_MODULE_OPTIONS,
            f"-Dpychronix.release={release}",
            f"-Dlogback.configurationFile={_HERE / 'logback.xml'}",
        )
        return with_class_archive(
            PeerBuild(release, java, classpath, options), home, stamp, "CassandraPeer", _ARCHIVE_SCRIPT
        )


def _is_built(stamp_path: Path, stamp: str, classpath_path: Path) -> bool:
    """Whether this stamp is built and every jar it needs is still in Maven's repository."""
    try:
        if stamp_path.read_text() != stamp:
            return False
        return all(os.path.exists(jar) for jar in classpath_path.read_text().strip().split(os.pathsep))
    except OSError:
        return False


def _resolve(release: str, classpath_path: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise PeerUnavailableError("Maven (mvn) is not installed: apt-get install maven")
    command = [
        maven, "-q", "-B", "-Dstyle.color=never", "-f", str(_HERE / "pom.xml"), f"-Dcassandra.version={release}",
        "dependency:build-classpath", f"-Dmdep.outputFile={classpath_path}", "-Dmdep.includeScope=runtime",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"Maven took more than {_BUILD_S:.0f} s for Cassandra {release}") from error
    if done.returncode != 0:
        raise PeerUnavailableError(f"Maven cannot resolve Cassandra {release}: {(done.stdout + done.stderr)[-2000:]}")


def _compile(classes: Path, classpath: str, sources: Iterable[Path]) -> None:
    javac = shutil.which("javac")
    if javac is None:
        raise PeerUnavailableError("the Java compiler is not installed: apt-get install openjdk-17-jdk-headless")
    shutil.rmtree(classes, ignore_errors=True)
    classes.mkdir()
    command = [
        javac, "-nowarn", "-proc:none", "-encoding", "UTF-8", "-classpath", classpath, "-d", str(classes),
        *map(str, sources),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError("javac took more than 300 s") from error
    if done.returncode != 0:
        raise PeerError(f"the Cassandra peer's own sources do not compile:\n{done.stderr[:3000]}")


# --- the peer --------------------------------------------------------------------------------------------------------

Value = bytes | str | None  # a bound value: its bytes, None for null, "unset"
_UNSET = {"-9223372036854775808", "-2147483648"}


def _told(values: Iterable[Value]) -> str:
    return ",".join("null" if v is None else v if isinstance(v, str) else v.hex() or "-" for v in values)


def told_values(text: str) -> list[bytes | None]:
    """A list of values as a row of `CassandraPeer.dump` has it."""
    return [None if item == "null" else unhex(item) for item in text.split(",")] if text else []


class CassandraPeer(JavaProcess):
    """A Java process with Cassandra's loggers. One full-query log and one audit log are open at a time."""

    def __init__(self, build: PeerBuild) -> None:
        super().__init__(build, main_class="CassandraPeer")

    def enable(self, directory: Path, *, roll: str = "HOURLY", max_size: int | None = None, clean: bool = True) -> None:
        """Starts the full-query log. Like ``nodetool enablefullquerylog`` it empties the directory if `clean`."""
        self.request("enable" if clean else "resume", dir=directory, roll=roll, max_size=max_size)

    def settle(self) -> None:
        """Returns when all that was logged is in the files."""
        self.request("settle")

    def stop(self) -> None:
        """Stops the full-query log; all that was logged is in the files then."""
        self.request("stop")

    def query(
        self, text: str, *, time: int, keyspace: str | None = None, generated: bool = False, **options: Any
    ) -> None:
        """``FullQueryLogger.querySuccess``.

        Options: protocol consistency values skip_metadata page_size paging serial timestamp now options_keyspace.
        `generated` lets the server generate timestamp and now.
        """
        self.request("query", text=text, time=time, keyspace=keyspace, generated=generated, **_options(options))

    def batch(
        self,
        kind: str,
        statements: Sequence[tuple[str, Sequence[Value]]],
        *,
        time: int,
        keyspace: str | None = None,
        generated: bool = False,
        **options: Any,
    ) -> None:
        """``FullQueryLogger.batchSuccess``; `kind` is LOGGED, UNLOGGED or COUNTER."""
        fields: dict[str, Any] = {}
        for number, (text, values) in enumerate(statements):
            fields[f"text{number}"], fields[f"values{number}"] = text, _told(values)
        self.request(
            "batch", batch_type=kind, n=len(statements), time=time, keyspace=keyspace, generated=generated, **fields,
            **_options(options),
        )  # fmt: skip

    def load(self, count: int, *, first: int = 0, pause_us: int = 0, **options: Any) -> None:
        """Starts a thread that logs ``SELECT * FROM t WHERE k = <number>`` in keyspace ``loaded``; see `load_wait`."""
        self.request("load", first=first, count=count, pause_us=pause_us, **_options(options))

    def load_wait(self, timeout_s: float = 60) -> int:
        """Waits for the end of `load`, and for all to be in the files."""
        count = int(self.request("load_wait", ms=int(timeout_s * 1000), deadline_s=timeout_s + 30).fields["count"])
        self.settle()
        return count

    def audit_enable(self, directory: Path, *, roll: str = "HOURLY") -> None:
        self.request("audit_enable", dir=directory, roll=roll)

    def audit_stop(self) -> None:
        self.request("audit_stop")

    def audit(self, kind: str, *, time: int, **fields: Any) -> None:
        """``BinAuditLogger.log``; `kind` is an ``AuditLogEntryType``. Fields: user keyspace operation batch source."""
        self.request("audit", type=kind, time=time, **fields)

    def dump(self, directory: Path, *, roll: str = "HOURLY") -> list[dict[str, str]]:
        """Every record's fields as Cassandra reads them (as ``fqltool dump`` does, but all of them)."""
        rows = self.request("dump", dir=directory, roll=roll, deadline_s=300).rows
        return [{name: unquote_plus(value) for name, _, value in (word.partition("=") for word in row)} for row in rows]

    def audit_view(self, directory: Path, *, roll: str = "HOURLY") -> list[str]:
        """What ``auditlogviewer`` prints of each record."""
        return [unquote_plus(row[0]) for row in self.request("audit_view", dir=directory, roll=roll).rows]

    def options(self, protocol: int, data: bytes) -> dict[str, str]:
        """What ``QueryOptions.codec`` makes of these bytes."""
        return self.request("options", protocol=protocol, hex=data).fields

    def udt(self, name: str, fields: dict[str, str]) -> None:
        """Makes a user-defined type known."""
        self.request("udt", name=name, fields=";".join(f"{field}:{kind}" for field, kind in fields.items()))

    def encode(self, cql_type: str, json: str) -> bytes:
        """The bytes of a value, from its JSON as ``INSERT ... JSON`` takes it."""
        return unhex(self.request("encode", type=cql_type, json=json).fields["hex"])

    def show(self, cql_type: str, data: bytes) -> dict[str, str]:
        """How Cassandra's type shows these bytes: ``string json literal class``; `JavaError` if they are no value."""
        return self.request("show", type=cql_type, hex=data).fields


def _options(options: dict[str, Any]) -> dict[str, Any]:
    if "values" in options:
        options = {**options, "values": _told(options["values"])}
    return options


def is_unset(text: str) -> bool:
    """Whether a number of a row is what Cassandra has where there is none."""
    return text in _UNSET


# --- fixtures --------------------------------------------------------------------------------------------------------

Cassandra = Callable[[str], CassandraPeer]


@pytest.fixture(scope="session")
def _cassandra_shared() -> Iterator[dict[str, CassandraPeer]]:
    peers: dict[str, CassandraPeer] = {}
    yield peers
    for peer in peers.values():
        peer.close()


@pytest.fixture
def cassandra(_cassandra_shared: dict[str, CassandraPeer]) -> Iterator[Cassandra]:
    """``cassandra("5.0.3")`` is one process of that release, shared by the run; its logs are stopped at a test's end."""
    used: set[str] = set()

    def peer(release: str) -> CassandraPeer:
        used.add(release)
        if release not in _cassandra_shared or not _cassandra_shared[release].running:
            _cassandra_shared[release] = CassandraPeer(require_build(release, build_cassandra))
        return _cassandra_shared[release]

    yield peer
    for release in used:
        shared = _cassandra_shared.get(release)
        if shared is not None and shared.running:
            try:
                shared.request("close")
            except (JavaError, PeerError):
                shared.kill()
