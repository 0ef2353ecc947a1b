"""What stands in a record of a Cassandra log, as frozen dataclasses.

The decision hidden here is the form of a record: fields of Wire (``BinLog``, ``FullQueryLogger``, ``BinAuditLogger``),
in which the options of a query are bytes of the native protocol (``QueryOptions.codec``) and an audit entry is text
(``AuditLogEntry.getLogString``).
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from pychronix.cassandra.cql import EPOCH, ByteReader, Value
from pychronix.errors import CodecError, WireError
from pychronix.wire import decode

VERSION = 0
"""The one record version there is (``FullQueryLogger.CURRENT_VERSION``)."""

_LONG_MIN = -(1 << 63)
_INT_MIN = -(1 << 31)


# --- records ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What a client sent along with a query (native protocol, ``<query_parameters>``). None: the client did not say.

    Without a ``serial_consistency`` Cassandra takes SERIAL. ``timestamp`` is in microseconds since 1970, ``names``
    are those of named values, ``paging_state`` is Cassandra's own.
    """

    consistency: str
    values: tuple[Value, ...] = ()
    names: tuple[str, ...] | None = None
    skip_metadata: bool = False
    page_size: int | None = None
    paging_state: bytes | None = None
    serial_consistency: str | None = None
    timestamp: int | None = None
    keyspace: str | None = None
    now_in_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    index: int
    path: str
    time_ms: int

    @property
    def time(self) -> datetime.datetime | None:
        """The moment in UTC; None beyond the years 1 to 9999."""
        try:
            return EPOCH + datetime.timedelta(milliseconds=self.time_ms)
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class _FqlRecord(_Record):
    protocol_version: int
    options: QueryOptions
    generated_timestamp: int | None
    generated_now_in_seconds: int | None
    keyspace: str | None

    @property
    def consistency(self) -> str:
        return self.options.consistency


@dataclass(frozen=True, slots=True)
class QueryRecord(_FqlRecord):
    """A query that succeeded. ``time_ms`` is when it began, ``keyspace`` the session's (``USE``), if any.

    ``generated_timestamp`` (microseconds) and ``generated_now_in_seconds`` are what the coordinator took, where it had
    to. ``path`` is the log's directory.
    """

    query: str

    type: ClassVar[str] = "single-query"

    @property
    def values(self) -> tuple[Value, ...]:
        """The bound values, as bytes of their types."""
        return self.options.values

    @property
    def statements(self) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        """The query with its values: as of a batch, so that both can be read alike."""
        return ((self.query, self.options.values),)


@dataclass(frozen=True, slots=True)
class BatchRecord(_FqlRecord):
    """A batch that succeeded: LOGGED, UNLOGGED or COUNTER. See `QueryRecord`."""

    batch_type: str
    queries: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]

    type: ClassVar[str] = "batch"

    @property
    def statements(self) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        """Each query with its values."""
        return tuple(zip(self.queries, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class AuditRecord(_Record):
    """A line of the audit log. ``message`` is all of it; the rest is what stands in it, None where it does not.

    ``event`` is an ``AuditLogEntryType`` (SELECT, LOGIN_ERROR ...), ``host`` the node, ``source`` and ``port`` the
    client, ``batch`` the id that the statements of a batch share. Of a message of another form nothing is known but
    that: its time is about that of the record before it (0 from `decode_record`).
    """

    message: str
    user: str | None = None
    host: str | None = None
    source: str | None = None
    port: int | None = None
    event: str | None = None
    category: str | None = None
    batch: uuid.UUID | None = None
    keyspace: str | None = None
    scope: str | None = None
    operation: str | None = None

    type: ClassVar[str] = "audit"

    @property
    def statements(self) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        """The operation, which has its values in its text, if any."""
        return () if self.operation is None else ((self.operation, ()),)


@dataclass(frozen=True, slots=True)
class UnknownRecord(_Record):
    """An excerpt that is no record known here, or a damaged one. Its time is about that of the record before it."""

    payload: bytes
    reason: str

    type: ClassVar[str] = "unknown"
    keyspace: ClassVar[None] = None
    statements: ClassVar[tuple[tuple[str, tuple[Value, ...]], ...]] = ()


Record: TypeAlias = "QueryRecord | BatchRecord | AuditRecord | UnknownRecord"


class NotARecordError(Exception):
    """What is wrong with an excerpt, in words."""


def decode_record(payload: bytes, index: int = 0, path: str = "") -> QueryRecord | BatchRecord | AuditRecord:
    """The record in an excerpt. Raises CodecError, with its ``index``, if there is none that is known here."""
    try:
        return read_record(payload, index, path)
    except NotARecordError as error:
        wrong = CodecError(f"cannot read record {index:#x} of a Cassandra log: {error}", path=path or None)
        wrong.index = index
        raise wrong from error.__cause__


def read_record(payload: bytes, index: int, path: str) -> QueryRecord | BatchRecord | AuditRecord:
    fields, lists = _fields(payload)
    version = _int(fields, "version")
    if version != VERSION:
        raise NotARecordError(f"its version is {version}, and {VERSION} is the only one known")
    kind = _text(fields, "type")
    if kind == AuditRecord.type:
        return _audit_record(_needed(fields, "message"), index, path)
    if kind not in (QueryRecord.type, BatchRecord.type):
        raise NotARecordError(f"its type is {kind!r}, and none that is known")
    protocol = _int(fields, "protocol-version")
    now = _int(fields, "generated-now-in-seconds")
    timestamp = _int(fields, "generated-timestamp")
    common = (
        index,
        path,
        _int(fields, "query-start-time"),
        protocol,
        _decode_options(_bytes(fields, "query-options"), protocol),
        None if timestamp == _LONG_MIN else timestamp,
        None if now in (_LONG_MIN, _INT_MIN) else now,
        _text(fields, "keyspace") if "keyspace" in fields else None,
    )
    if kind == QueryRecord.type:
        return QueryRecord(*common, _needed(fields, "query"))
    texts = _Values(fields, lists, "queries")
    queries = texts.counted(str)
    texts.end()
    bound = _Values(fields, lists, "values")
    values = tuple(bound.counted(bytes) for _ in range(bound.count()))
    bound.end()
    if len(values) != len(queries):
        raise NotARecordError(f"it has {len(queries)} queries and {len(values)} lists of values")
    return BatchRecord(*common, _needed(fields, "batch-type"), queries, values)


def _fields(payload: bytes) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The value after each name, and all that stand after it: of a batch, queries and values are many after one name."""
    try:
        document = decode(payload, wire_type="BINARY_LIGHT")
    except WireError as error:
        raise NotARecordError(str(error)) from error
    if isinstance(document, dict):
        return document, {}
    fields: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    # Values without a name make a document a list, in which a name with its first value is a mapping of one.
    values: list[Any] = []
    for item in document if isinstance(document, list) else ():
        if isinstance(item, dict):
            fields.update(item)
            for name, value in item.items():
                values = lists[name] = [value]
        else:
            values.append(item)
    return fields, lists


_MISSING = object()


def _int(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name, _MISSING)
    if type(value) is int:
        return value
    # Java writes a long that a float can hold as one.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _wrong_field(value, name, "int")


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name, _MISSING)
    if value is None or isinstance(value, str):
        return value
    raise _wrong_field(value, name, "str")


def _needed(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, _MISSING)
    if isinstance(value, str):
        return value
    raise _wrong_field(value, name, "str")


def _bytes(fields: Mapping[str, Any], name: str) -> bytes:
    value = fields.get(name, _MISSING)
    if isinstance(value, bytes):
        return value
    raise _wrong_field(value, name, "bytes")


def _wrong_field(value: object, name: str, kind: str) -> NotARecordError:
    if value is _MISSING:
        return NotARecordError(f"it has no field {name!r}")
    return NotARecordError(f"its field {name!r} is of type {type(value).__name__}, not {kind}")


class _Values:
    """The values after one name, taken one after the other."""

    def __init__(self, fields: Mapping[str, Any], lists: Mapping[str, list[Any]], name: str) -> None:
        if name not in fields:
            raise NotARecordError(f"it has no field {name!r}")
        self._name = name
        self._values = lists.get(name, [fields[name]])  # No more than one each: a batch without queries.
        self._at = 0

    def take(self, kind: type) -> Any:
        if self._at == len(self._values):
            raise NotARecordError(f"its {self._name} end too early, after {self._at}")
        value = self._values[self._at]
        if not isinstance(value, kind):
            raise NotARecordError(f"among its {self._name} is a {type(value).__name__} where a {kind.__name__} belongs")
        self._at += 1
        return value

    def count(self) -> int:
        count: int = self.take(int)
        if not 0 <= count <= len(self._values) - self._at:
            raise NotARecordError(f"its {self._name} are too few for a count of {count}")
        return count

    def counted(self, kind: type) -> tuple[Any, ...]:
        """As many values of a type as the number before them says."""
        return tuple([self.take(kind) for _ in range(self.count())])

    def end(self) -> None:
        if self._at != len(self._values):
            raise NotARecordError(f"its {self._name} go on after the last one")


# AuditLogEntry.getLogString, in this order: user, host and source; these; then what there is of batch, ks, scope and
# operation. Names and the operation may hold anything, also what looks like a part: the first place where all fits counts.
_AUDIT_MIDDLE = re.compile(
    r"(?:\|port:(?P<port>[0-9]{1,5}))?\|timestamp:(?P<time>-?[0-9]{1,19})\|type:(?P<event>\w+)\|category:(?P<category>\w+)"
)
_AUDIT_END = re.compile(
    r"(?:\|batch:(?P<batch>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?"
    r"(?:\|ks:(?P<keyspace>.*?))?(?:\|scope:(?P<scope>.*?))?(?:\|operation:(?P<operation>.*))?",
    re.DOTALL,
)


def _audit_record(message: str, index: int, path: str) -> AuditRecord:
    # The names end with the last host and source before the middle; what comes before the first ones is none.
    host_at = message.find("|host:", len("user:")) if message.startswith("user:") else -1
    source_at = message.find("|source:", host_at) if host_at >= 0 else -1
    for middle in _AUDIT_MIDDLE.finditer(message, source_at + len("|source:")) if source_at >= 0 else ():
        end = _AUDIT_END.fullmatch(message, middle.end())
        if end is None:
            continue
        names, _, source = message[: middle.start()].rpartition("|source:")
        user, _, host = names.rpartition("|host:")
        found = {**middle.groupdict(), **end.groupdict()}
        return AuditRecord(
            index,
            path,
            int(found["time"]),
            message,
            user[len("user:") :],
            host,
            source,
            None if found["port"] is None else int(found["port"]),
            found["event"],
            found["category"],
            None if found["batch"] is None else uuid.UUID(found["batch"]),
            found["keyspace"],
            found["scope"],
            found["operation"],
        )
    return AuditRecord(index, path, 0, message)


# --- query options ---------------------------------------------------------------------------------------------------

_CONSISTENCY = (
    "ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE",
    "NODE_LOCAL",
)  # fmt: skip
# Flags of <query_parameters>; from version 5 of the protocol on they are an int, before that a byte.
_VALUES, _SKIP_METADATA, _PAGE_SIZE, _PAGING_STATE, _SERIAL, _TIMESTAMP, _NAMES, _KEYSPACE, _NOW = (
    1 << bit for bit in range(9)
)


def _decode_options(data: bytes, protocol: int) -> QueryOptions:
    """As ``QueryOptions.codec`` encodes them (native protocol 4.1.4)."""
    try:
        return _read_options(ByteReader(data), protocol)
    except (ValueError, UnicodeDecodeError) as error:
        raise NotARecordError(f"its query options are damaged: {error}") from error


def _read_options(reader: ByteReader, protocol: int) -> QueryOptions:
    consistency = _consistency(reader)
    flags = reader.number(4 if protocol >= 5 else 1, signed=False)
    if flags >= 2 * _NOW:
        raise ValueError(f"unknown flags {flags:#x}")
    names: list[str] = []
    values: list[Value] = []
    if flags & _VALUES:
        for _ in range(reader.number(2, signed=False)):
            if flags & _NAMES:
                names.append(reader.text())
            values.append(reader.value())
    page_size = reader.number(4) if flags & _PAGE_SIZE else None
    paging_state = reader.value() if flags & _PAGING_STATE else None
    options = QueryOptions(
        consistency,
        tuple(values),
        tuple(names) if flags & _VALUES and flags & _NAMES else None,
        bool(flags & _SKIP_METADATA),
        page_size,
        paging_state if isinstance(paging_state, bytes) else None,
        _consistency(reader) if flags & _SERIAL else None,
        reader.number(8) if flags & _TIMESTAMP else None,
        reader.text() if flags & _KEYSPACE else None,
        # An int that 5.0 takes as unsigned, so that it lasts until 2106.
        reader.number(4, signed=False) if flags & _NOW else None,
    )
    if reader.rest():
        raise ValueError(f"{reader.rest()} bytes are left after the last one")
    return options


def _consistency(reader: ByteReader) -> str:
    code = reader.number(2, signed=False)
    if code >= len(_CONSISTENCY):
        raise ValueError(f"unknown consistency level {code}")
    return _CONSISTENCY[code]
