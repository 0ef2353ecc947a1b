"""``fql``: Cassandra's full-query and audit logs, as a table, YAML or JSON lines, or counted."""

from __future__ import annotations

import argparse
import datetime
import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pychronix as px
from pychronix.cli.options import parse_number
from pychronix.cli.shell import Command, Output, WrongUsageError, counted, json_line, known, told, visible
from pychronix.errors import CodecError

if TYPE_CHECKING:
    from pychronix import cassandra

KINDS = {"query": "single-query", "batch": "batch", "audit": "audit"}
TOP_LINES = 20
TABLE_VALUE_BYTES = 64  # A longer value is cut short in a table; YAML and JSON have all of it.


def _cassandra() -> Any:
    """The module, imported when it is needed: no other command does."""
    return importlib.import_module("pychronix.cassandra")


# --- options ---------------------------------------------------------------------------------------------------------


class _Rule(NamedTuple):
    """What ``--types`` says: of which statements (None: all that have as many values) the values are of these types."""

    pattern: re.Pattern[str] | None
    types: tuple[cassandra.CqlType, ...]


def _moment(text: str) -> datetime.datetime:
    """A day or a moment in ISO 8601, UTC if it names no zone; or now."""
    if text == "now":
        return datetime.datetime.now(datetime.timezone.utc)
    try:
        moment = datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment (2024-03-05, 2024-03-05T10:37:42Z, now)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE | re.DOTALL)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _rule(text: str) -> _Rule:
    """``int, text`` or ``INSERT INTO users => int, text``."""
    pattern, arrow, types = text.rpartition("=>")
    try:
        return _Rule(_pattern(pattern.strip()) if arrow else None, _cassandra().parse_types(types.strip()))
    except px.UsageError as error:
        raise argparse.ArgumentTypeError(told(error)) from error


def _add_fql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="directory of a full-query or audit log, or one of its .cq4 files; several are merged by time",
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is logged, until Ctrl-C")
    parser.add_argument("-n", "--count", type=parse_number, metavar="N", help="end after N records")
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "yaml", "json"),
        default="table",
        metavar="FORMAT",
        help="table (default), yaml: a document a record, json: an object a line; the latter two have every option",
    )
    parser.add_argument(
        "--types",
        action="append",
        type=_rule,
        default=[],
        metavar="TYPES",
        help="CQL types of the bound values, which the log does not tell: 'int, text, list<int>', for statements with "
        "as many values; or 'REGEX => int, text', for those that match. May be given again: the first that fits counts",
    )
    parser.add_argument(
        "--from", dest="since", type=_moment, metavar="TIME", help="records from this moment on, or now"
    )
    parser.add_argument("--to", dest="until", type=_moment, metavar="TIME", help="records before this moment")
    parser.add_argument(
        "--keyspace", action="append", metavar="NAME", help="records of this keyspace; may be given again"
    )
    parser.add_argument("--text", type=_pattern, metavar="REGEX", help="records with a statement that matches")
    parser.add_argument(
        "--type", dest="kinds", action="append", choices=list(KINDS), metavar="TYPE",
        help="records of this type: query, batch or audit; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--stats",
        action="store_true",
        help="count: records of each type, keyspace, consistency, minute, statements of each shape",
    )
    parser.add_argument(
        "--top", type=parse_number, metavar="N", help=f"with --stats: lines of each table ({TOP_LINES})"
    )


def _fql(options: argparse.Namespace) -> None:
    if options.stats and options.follow:
        raise WrongUsageError("--stats counts what there is: leave out --follow")
    if options.top is not None and not options.stats:
        raise WrongUsageError(
            "--top says how long the tables of --stats are: give --stats, too, or --count for records"
        )
    out = Output()
    try:
        records = _cassandra().read_log(
            options.paths, since=options.since, follow=options.follow, keep_unknown=True, sleep=out.sleep
        )
    except px.UsageError as error:
        raise WrongUsageError(told(error)) from error
    damaged = _Damaged()
    with records:
        wanted = _wanted(damaged.seen(records), options)
        if options.stats:
            _print_stats(out, wanted, options)
        else:
            show = _shown_as(options)
            if options.output == "table":
                out.write(_HEADER)
            for record in wanted:
                out.write(show(record))
    out.flush()
    damaged.complain()


class _Damaged:
    """Keeps count of what is no record known here, so that a script learns of it at the end."""

    def __init__(self) -> None:
        self._count = 0
        self._first: Any = None

    def seen(self, records: Iterable[cassandra.Record]) -> Iterator[cassandra.Record]:
        for record in records:
            if record.type == "unknown":
                self._count += 1
                self._first = self._first or record
            yield record

    def complain(self) -> None:
        if self._first is not None:
            first = f"the first is {self._first.index:#x}: {self._first.reason}"
            raise CodecError(f"{counted(self._count, 'excerpt')} could not be read; {first}", path=self._first.path)


def _wanted(records: Iterable[cassandra.Record], options: argparse.Namespace) -> Iterator[cassandra.Record]:
    """The records that pass all filters, at most as many as asked for; what cannot be read passes those by time."""
    left = options.count
    until_ms = None if options.until is None else options.until.timestamp() * 1000
    kinds = None if options.kinds is None else {KINDS[kind] for kind in options.kinds}
    if left == 0:
        return
    for record in records:
        if until_ms is not None and record.time_ms >= until_ms:
            continue
        if record.type != "unknown":
            if kinds is not None and record.type not in kinds:
                continue
            if options.keyspace is not None and not set(options.keyspace) & _keyspaces(record):
                continue
            if options.text is not None and not any(options.text.search(query) for query in _texts(record)):
                continue
        yield record
        if left is not None:
            left -= 1
            if not left:
                return


def _keyspaces(record: cassandra.Record) -> set[str | None]:
    """The session's, and the one that protocol 5 lets a query name."""
    options = getattr(record, "options", None)
    return {record.keyspace, None if options is None else options.keyspace}


def _texts(record: cassandra.Record) -> Iterator[str]:
    if record.type == "audit":
        yield getattr(record, "message", "")
    for query, _ in record.statements:
        yield query


# --- values ----------------------------------------------------------------------------------------------------------


def _hex(value: cassandra.Value) -> str | None:
    if value is None or isinstance(value, bytes):
        return None if value is None else value.hex()
    return "unset"


def _types_of(
    query: str, values: Sequence[cassandra.Value], rules: Sequence[_Rule]
) -> tuple[cassandra.CqlType, ...] | None:
    """The types that the first rule that fits gives to the values. Raises ValueError if that has another number."""
    for rule in rules if values else ():
        if rule.pattern is None:
            if len(rule.types) == len(values):
                return rule.types
        elif rule.pattern.search(query):
            if len(rule.types) != len(values):
                raise ValueError(f"{counted(len(rule.types), 'type')} for {counted(len(values), 'value')}")
            return rule.types
    return None


def _decoded(
    query: str,
    values: Sequence[cassandra.Value],
    rules: Sequence[_Rule],
    decode: Callable[[cassandra.CqlType, cassandra.Value], Any],
) -> tuple[list[Any] | None, str | None]:
    """The values as their types have them, or what is wrong with that; neither where no rule fits."""
    try:
        types = _types_of(query, values, rules)
        if types is None:
            return None, None
        return [decode(kind, value) for kind, value in zip(types, values, strict=True)], None
    except ValueError as error:
        return None, error.message if isinstance(error, px.ChronixError) else str(error)


# --- a record --------------------------------------------------------------------------------------------------------


def _shown_as(options: argparse.Namespace) -> Callable[[cassandra.Record], bytes]:
    rules: Sequence[_Rule] = options.types
    if options.output == "json":
        return lambda record: json_line(_facts(record, rules))
    if options.output == "yaml":
        return lambda record: ("---\n" + "".join(_yaml(_facts(record, rules), ""))).encode()
    several = len(options.paths) > 1
    return lambda record: "".join(visible(line) + "\n" for line in _lines(record, rules, several)).encode()


def _time_text(time_ms: int) -> str:
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time_ms)
    except OverflowError:
        return f"{time_ms} ms"
    return moment.isoformat(timespec="milliseconds") + "Z"


def _facts(record: cassandra.Record, rules: Sequence[_Rule]) -> dict[str, Any]:
    """All of a record, for YAML and JSON; what it does not have is left out."""
    module = _cassandra()
    facts: dict[str, Any] = {
        "log": record.path,
        "index": record.index,
        "type": record.type,
        "time": _time_text(record.time_ms),
        "time_ms": record.time_ms,
    }
    if isinstance(record, module.UnknownRecord):
        return {**facts, "reason": record.reason, "payload": record.payload.hex()}
    if isinstance(record, module.AuditRecord):
        names = ("event", "category", "user", "host", "source", "port", "batch", "keyspace", "scope", "operation")
        facts.update((name, getattr(record, name)) for name in names)
        facts["batch"] = None if record.batch is None else str(record.batch)
        facts["message"] = record.message if record.event is None else None
        return known(facts)
    assert isinstance(record, (module.QueryRecord, module.BatchRecord))
    options = record.options
    facts.update(
        keyspace=record.keyspace,
        protocol_version=record.protocol_version,
        consistency=options.consistency,
        serial_consistency=options.serial_consistency,
        page_size=options.page_size,
        paging_state=_hex(options.paging_state),
        timestamp=options.timestamp,
        now_in_seconds=options.now_in_seconds,
        options_keyspace=options.keyspace,
        skip_metadata=options.skip_metadata or None,
        generated_timestamp=record.generated_timestamp,
        generated_now_in_seconds=record.generated_now_in_seconds,
    )
    statements = [_statement_facts(query, values, rules) for query, values in record.statements]
    if isinstance(record, module.BatchRecord):
        facts.update(batch_type=record.batch_type, queries=statements)
    else:
        facts.update(statements[0], names=None if options.names is None else list(options.names))
    return known(facts)


def _statement_facts(query: str, values: Sequence[cassandra.Value], rules: Sequence[_Rule]) -> dict[str, Any]:
    decoded, wrong = _decoded(query, values, rules, _cassandra().value_json)
    return known(
        {"query": query, "values": [_hex(value) for value in values], "decoded": decoded, "types_error": wrong}
    )


def _yaml(value: Any, indent: str) -> Iterator[str]:
    """The lines of a mapping or a sequence. Scalars are those of JSON, which YAML takes."""
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for name, item in items:
        lead = f"{indent}-" if name is None else _yaml_key(name, indent)
        if isinstance(item, (dict, list)) and item:
            yield lead + "\n"
            yield from _yaml(item, indent + "  ")
        else:
            yield f"{lead} {_yaml_scalar(item)}\n"


def _yaml_key(name: str, indent: str) -> str:
    if re.fullmatch("[a-z_]{3,}", name) and name not in _YAML_WORDS:
        return f"{indent}{name}:"
    quoted = _yaml_scalar(name)
    # A key of more than 1024 characters is to be marked as one.
    return f"{indent}{quoted}:" if len(quoted) < 1000 else f"{indent}? {quoted}\n{indent}:"


def _yaml_scalar(value: Any) -> str:
    """As in JSON, but for three characters that YAML may not hold as they are."""
    text = json_line(value).decode().rstrip("\n")
    return re.sub("[\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)


_YAML_WORDS = {"null", "true", "false", "yes", "off"}

_HEADER = b"TIME                      TYPE     KEYSPACE         CONSISTENCY   STATEMENT [VALUES]\n"


def _lines(record: cassandra.Record, rules: Sequence[_Rule], with_log: bool) -> Iterator[str]:
    """The lines of a table: one, and of a batch one more for each statement."""
    module = _cassandra()
    kind = {"single-query": "query"}.get(record.type, record.type)
    consistency = getattr(record, "consistency", None) or getattr(record, "user", None) or "-"
    lead = f"{_time_text(record.time_ms)}  {kind:7}  {record.keyspace or '-':15}  {consistency:12}  "
    lead += f"{record.path}  " if with_log else ""
    if isinstance(record, module.UnknownRecord):
        yield f"{lead}{record.reason}: {record.payload[:TABLE_VALUE_BYTES].hex()}"
    elif isinstance(record, module.AuditRecord):
        client = record.source and f"{record.source.lstrip('/')} "
        yield lead + (f"{client}{record.event} {record.operation or ''}" if record.event else record.message)
    elif isinstance(record, module.BatchRecord):
        yield f"{lead}{record.batch_type} batch of {len(record.queries)}"
        for query, values in record.statements:
            yield f"    {query}{_told_values(query, values, rules)}"
    else:
        for query, values in record.statements:
            yield f"{lead}{query}{_told_values(query, values, rules)}"


def _told_values(query: str, values: Sequence[cassandra.Value], rules: Sequence[_Rule]) -> str:
    if not values:
        return ""
    shown, wrong = _decoded(query, values, rules, _cassandra().value_literal)
    if shown is None:
        shown = [_told_hex(value) for value in values]
    return f"  [{', '.join(shown)}]" + (f" (--types: {wrong})" if wrong else "")


def _told_hex(value: cassandra.Value) -> str:
    if not isinstance(value, bytes):
        return "null" if value is None else "unset"
    more = f"... ({len(value)} bytes)" if len(value) > TABLE_VALUE_BYTES else ""
    return f"0x{value[:TABLE_VALUE_BYTES].hex()}{more}"


# --- stats -----------------------------------------------------------------------------------------------------------


def _print_stats(out: Output, records: Iterable[cassandra.Record], options: argparse.Namespace) -> None:
    facts = _counts(records)
    if options.output == "json":
        out.write(json_line(facts))
    elif options.output == "yaml":
        out.write(("---\n" + "".join(_yaml(facts, ""))).encode())
    else:
        for line in _told_counts(facts, TOP_LINES if options.top is None else options.top):
            out.write(visible(line).encode() + b"\n")


def _counts(records: Iterable[cassandra.Record]) -> dict[str, Any]:
    """How many there are of what; the most frequent first, minutes in their order."""
    shape = _cassandra().statement_shape
    count, first_ms, last_ms = 0, None, None
    tables: dict[str, Counter[str]] = {
        name: Counter() for name in ("type", "keyspace", "consistency", "event", "user", "minute", "shape")
    }
    shapes: dict[str, str] = {}
    for record in records:
        count += 1
        first_ms = record.time_ms if first_ms is None else min(first_ms, record.time_ms)
        last_ms = record.time_ms if last_ms is None else max(last_ms, record.time_ms)
        tables["type"][record.type] += 1
        tables["keyspace"][record.keyspace or "-"] += 1
        tables["minute"][_time_text(record.time_ms - record.time_ms % 60_000)[:16] + "Z"] += 1
        for name in ("consistency", "event", "user"):
            value = getattr(record, name, None)
            if value is not None:
                tables[name][value] += 1
        for query, _ in record.statements:
            if query not in shapes:
                # Prepared statements repeat, literal ones need not: what is remembered is bounded.
                if len(shapes) >= 10_000:
                    shapes.clear()
                shapes[query] = shape(query)
            tables["shape"][shapes[query]] += 1
    facts: dict[str, Any] = {"records": count}
    if first_ms is not None and last_ms is not None:
        facts.update(first=_time_text(first_ms), last=_time_text(last_ms))
    for name, table in tables.items():
        facts[name] = dict(sorted(table.items()) if name == "minute" else table.most_common())
    return {name: fact for name, fact in facts.items() if fact != {}}


def _told_counts(facts: dict[str, Any], top: int) -> Iterator[str]:
    between = f", {facts['first']} to {facts['last']}" if "first" in facts else ""
    yield counted(facts["records"], "record") + between
    for name, table in facts.items():
        if isinstance(table, dict):
            yield f"{name}"
            for value, count in list(table.items())[:top]:
                yield f"  {count:9}  {value}"
            if len(table) > top:
                rest = list(table.values())[top:]
                yield f"  {sum(rest):9}  ({len(rest)} more)"


FQL = Command(
    "fql",
    "print Cassandra's full-query and audit logs",
    "Prints full-query logs and audit logs of Cassandra 4.0 and later, also while it writes them. Nothing is written "
    "to them.",
    _add_fql,
    _fql,
)
