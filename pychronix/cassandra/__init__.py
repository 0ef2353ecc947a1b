"""Cassandra's full-query and audit logs: Chronicle queues of records that Cassandra 4.0 and later write.

``logs`` reads a log, live or not; ``records`` says what stands in a record; ``cql`` decodes bound values, which are
bytes there: the log does not tell their types.

>>> for record in read_log("/var/log/cassandra/fql"):  # doctest: +SKIP
...     for query, values in record.statements:
...         print(record.time, record.keyspace, query, values)

What a log does not tell: whether a statement failed (only what succeeded is logged), the types of bound values, and,
for all three releases, an unset value from an empty one.
"""

from __future__ import annotations

from pychronix.cassandra.cql import (
    UNSET,
    CqlType,
    Duration,
    Unset,
    Value,
    decode_value,
    parse_type,
    parse_types,
    statement_shape,
    value_json,
    value_literal,
)
from pychronix.cassandra.logs import LogReader, read_log
from pychronix.cassandra.records import (
    AuditRecord,
    BatchRecord,
    QueryOptions,
    QueryRecord,
    Record,
    UnknownRecord,
    decode_record,
)

__all__ = [
    "UNSET",
    "AuditRecord",
    "BatchRecord",
    "CqlType",
    "Duration",
    "LogReader",
    "QueryOptions",
    "QueryRecord",
    "Record",
    "UnknownRecord",
    "Unset",
    "Value",
    "decode_record",
    "decode_value",
    "parse_type",
    "parse_types",
    "read_log",
    "statement_shape",
    "value_json",
    "value_literal",
]
