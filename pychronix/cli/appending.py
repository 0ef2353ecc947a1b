"""``append``: what of the input becomes an excerpt, and when."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pychronix as px
from pychronix import wire
from pychronix.cli.options import (
    add_chronicle3,
    add_queue,
    address,
    is_remote,
    open_queue,
    parse_delimiter,
    parse_fields,
    tcp_module,
)
from pychronix.cli.shell import Command, WrongUsageError, counted, write_stderr
from pychronix.cli.showing import add_dialect, tcp_dialect
from pychronix.errors import EncodingError, WireError
from pychronix.fields import Field, FieldWriter, values_of_array, values_of_line, write_fields

if TYPE_CHECKING:
    from pychronix import tcp

READ_BYTES = 1 << 20  # One read of `append`; from a pipe less comes, which is appended at once.


def _add_append(parser: argparse.ArgumentParser) -> None:
    add_queue(parser, remote=True)
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="what to append (default, or -: standard input)"
    )
    parser.add_argument("--create", action="store_true", help="make the queue if there is none")
    parser.add_argument(
        "--format", choices=["cq5", "vanilla", "indexed"], metavar="FORMAT",
        help="what is made: cq5 (default), vanilla or indexed (both Chronicle 3.x)",
    )  # fmt: skip
    parser.add_argument(
        "--roll",
        metavar="NAME",
        help="roll cycle of a queue that is made (default: FAST_DAILY; vanilla: SECONDS, MINUTES, HOURS, DAYS, or a "
        "pattern such as yyyyMMdd/HH; default: DAYS)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="append as Java's writeText does, not as plain bytes")
    form.add_argument(
        "--fields",
        type=parse_fields,
        metavar="LAYOUT",
        help="a line has typed fields with tabs between, as cat --fields prints them: i,q,utf or id:long,price:double",
    )
    form.add_argument(
        "--yaml", action="store_true",
        help="what lies between lines of --- is a document, stored as Java would write it; cat --output yaml prints such",
    )  # fmt: skip
    form.add_argument("--json", action="store_true", help="a line is JSON, likewise; empty lines are left out")
    parser.add_argument(
        "--event", metavar="NAME",
        help="what is appended is the argument of such a call, as Java's method writers store it: a line as a text; with "
        "--json or --yaml any value, and of several arguments a list",
    )  # fmt: skip
    add_dialect(parser)
    parser.add_argument("--json-lines", action="store_true", help="with --fields: a line is a JSON array")
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        "-d",
        "--delimiter",
        type=parse_delimiter,
        metavar="BYTES",
        help=r"what ends an excerpt, instead of a newline; \0, \t, \x1e and the like are understood",
    )
    cut.add_argument("--raw", action="store_true", help="the whole input is one excerpt")
    parser.add_argument("-v", "--verbose", action="store_true", help="at the end say how many and the last index")
    add_chronicle3(parser, roll=False)


def _append(options: argparse.Namespace) -> None:
    if options.json_lines and options.fields is None:
        raise WrongUsageError("--json-lines needs --fields: what the elements of the arrays are")
    tcp_dialect(options)
    if options.raw and options.fields is not None:
        raise WrongUsageError("--fields reads lines: leave out --raw")
    if options.yaml and options.delimiter is not None:
        raise WrongUsageError("--yaml has its own delimiter, a line of ---: leave out --delimiter")
    if options.event is not None and (options.text or options.fields is not None):
        raise WrongUsageError("--event takes lines of text, --json or --yaml: leave out --text and --fields")
    if options.file != "-":
        with open(options.file, "rb", buffering=0) as file:
            _append_from(file.fileno(), options.file, options)
    elif sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), _STDIN)
    else:
        _append_from(sys.stdin.fileno(), _STDIN, options)


_STDIN = "standard input"


def _append_from(descriptor: int, name: str, options: argparse.Namespace) -> None:
    reads = _reads(descriptor, name)
    if options.raw:
        batches = iter([[b"".join(reads)]])
    else:
        batches = _yaml_pieces(reads) if options.yaml else _pieces(reads, options.delimiter or b"\n")
    total, number = 0, 1  # excerpts appended; line or, where lines are none, piece that comes next
    with contextlib.ExitStack() as stack:
        queue: px.Queue | None = None
        appender: px.Appender | tcp.RemoteAppender
        if is_remote(options.queue):
            if options.create or options.format or options.roll:
                raise WrongUsageError("a source makes no queue: leave out --create, --format and --roll")
            appender = stack.enter_context(tcp_module().RemoteAppender(*address(options.queue)))
        else:
            if options.format in ("vanilla", "indexed") and _makes_documents(options):
                raise _no_documents(options)  # Before a directory is made for nothing.
            queue = stack.enter_context(open_queue(options, "a" if options.create else "r+", hint="--create makes one"))
            appender = stack.enter_context(queue.appender())
        encode = _encoder(options, queue, name)
        try:
            for batch in batches:
                if encode is not None:
                    excerpts: list[bytes] = []
                    for piece in batch:
                        excerpts += encode(piece, number)
                        number += piece.count(b"\n") if options.yaml else 1
                    batch = excerpts
                total += len(appender.append_many(batch))
        except BaseException as error:
            # What was appended stays: whoever tries again must know how much. The failed batch says its share.
            total += len(getattr(error, "appended", ()))
            if total:
                _report_appended(total, appender.last_index)
            raise
        if options.verbose:
            _report_appended(total, appender.last_index)


Encode = Callable[[bytes, int], Sequence[bytes]]


def _makes_documents(options: argparse.Namespace) -> bool:
    return bool(options.yaml or options.json or options.event is not None)


def _no_documents(options: argparse.Namespace) -> WrongUsageError:
    return WrongUsageError(f"{options.queue} is a journal of Chronicle 3.x, where there are no Wire documents")


def _encoder(options: argparse.Namespace, queue: px.Queue | None, name: str) -> Encode | None:
    """What makes an excerpt, or none, of a piece of the input and its number; None if it is one already."""
    if _makes_documents(options):
        wire_type = "BINARY_LIGHT" if queue is None else queue.wire_type
        if wire_type is None:
            raise _no_documents(options)
        return _document_encoder(options, wire_type, name)
    if options.text:
        return lambda piece, number: [_as_java_text(piece, number, name)]
    if options.fields is None:
        return None
    layout, dialect = options.fields, tcp_dialect(options) if queue is None else queue.dialect
    values_of = values_of_array if options.json_lines else values_of_line

    def encode(piece: bytes, number: int) -> Sequence[bytes]:
        what = f"cannot append line {number} as these fields"
        try:
            values = values_of(layout, piece.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise EncodingError(f"{what}: its byte {error.start} is not UTF-8", path=name) from error
        except px.UsageError as error:
            raise EncodingError(f"{what}: {error.message}", path=name, hint=error.hint) from error
        doc = FieldWriter(dialect)
        try:
            write_fields(doc, layout, values)
        except (px.ChronixError, TypeError) as error:
            raise EncodingError(f"{what}: {_first_wrong(layout, values, dialect)}", path=name) from error
        return [bytes(doc)]

    return encode


def _document_encoder(options: argparse.Namespace, wire_type: str, name: str) -> Encode:
    """Makes a Wire document of what a person typed."""
    form = "YAML" if options.yaml else "JSON" if options.json else "text"

    def encode(piece: bytes, number: int) -> Sequence[bytes]:
        what = f"cannot append {'the document of ' * options.yaml}line {number} as {form}"
        try:
            text = piece.decode("utf-8")
        except UnicodeDecodeError as error:
            line = number + piece.count(b"\n", 0, error.start)
            at = f"byte {error.start - piece.rfind(_NEWLINE, 0, error.start) - 1} of line {line}"
            raise EncodingError(f"{what}: {at} is not UTF-8", path=name) from error
        from pychronix.wire import text_in  # brings PyYAML

        if form != "text" and _NOTHING[form].fullmatch(text):
            return []
        try:
            value: Any = text
            if form != "text":
                value = text_in.parse_yaml(text) if form == "YAML" else text_in.parse_json(text)
            if options.event is not None:
                return [wire.encode_event(options.event, value, wire_type=wire_type)]
            return [_document_of(value, wire_type)]
        except WireError as error:
            # The parser counts the lines of its text.
            message = error.message.removeprefix(f"cannot read {form}: ")
            message = _IN_LINE.sub(lambda found: f"in line {int(found[1]) + number - 1}", message)
            raise EncodingError(f"{what}: {message}", path=name) from error

    return encode


_NEWLINE = b"\n"
_IN_LINE = re.compile(r"\bin line ([0-9]+)")
# What holds no document: blanks, and of YAML remarks and the marks of begin and end.
_NOTHING = {
    "YAML": re.compile(r"(?:(?:---|\.\.\.)?[ \t\r]*(?:#[^\n]*)?(?:\n|\Z))*"),
    "JSON": re.compile(r"\s*"),
}


def _document_of(value: Any, wire_type: str) -> bytes:
    """A mapping is an object and its fields; anything else a bare value, with its type if it has one."""
    if isinstance(value, str):
        return wire.encode_text(value)
    if not isinstance(value, dict):
        return wire.encode(value, wire_type=wire_type)
    history = value.get("history")
    if not isinstance(history, wire.History) or len(value) == 1:
        return wire.encode_document(value, wire_type=wire_type)
    # Only calls have a history: what follows it are events, each with its argument.
    calls = [(event, argument) for event, argument in value.items() if argument is not history]
    (event, argument), *chained = calls
    first = wire.encode_event(event, argument, history=history, wire_type=wire_type)
    return first + b"".join(wire.encode_event(event, argument, wire_type=wire_type) for event, argument in chained)


def _first_wrong(layout: Sequence[Field], values: Iterable[object], dialect: str) -> str:
    """Which of the values cannot be written, and why not."""
    rest = iter(values)
    for number, field in enumerate((field for field in layout if field.has_value), 1):
        value = next(rest)
        try:
            write_fields(FieldWriter(dialect), [field], [value])
        except (px.ChronixError, TypeError) as error:
            return f"field {number} ({field}): {'it cannot be null' if value is None else error}"
    raise AssertionError("each value can be written by itself")


def _as_java_text(piece: bytes, number: int, name: str) -> bytes:
    try:
        return px.encode_text(piece.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EncodingError(
            f"cannot append excerpt {number} as text: its byte {error.start} is not UTF-8",
            path=name,
            hint="without --text it is appended as it is",
        ) from error


def _report_appended(count: int, last: int | None) -> None:
    where = "" if last is None else f", the last with index {last} ({last:#x})"
    write_stderr(f"appended {counted(count, 'excerpt')}{where}\n")


def _reads(descriptor: int, name: str) -> Iterator[bytes]:
    """What each read gives, to the end."""
    try:
        while data := os.read(descriptor, READ_BYTES):
            yield data
    except OSError as error:
        error.filename = name
        raise


def _pieces(reads: Iterable[bytes], delimiter: bytes) -> Iterator[list[bytes]]:
    """The input cut at the delimiter, in batches of what one read gave: a line typed or piped is never held back.

    What follows the last delimiter is a piece, too, unless it is empty.
    """
    pending, searched = bytearray(), 0
    for data in reads:
        pending += data
        if pending.find(delimiter, searched) < 0:
            # A delimiter may be cut by the end of a read: its first bytes are looked at again.
            searched = max(0, len(pending) - len(delimiter) + 1)
            continue
        *pieces, last = bytes(pending).split(delimiter)
        pending, searched = bytearray(last), max(0, len(last) - len(delimiter) + 1)
        yield pieces
    if pending:
        yield [bytes(pending)]


def _yaml_pieces(reads: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The input cut before each line of --- and behind each of ..., in batches of what one read completed."""
    pending, searched = b"", 0
    for data in reads:
        pending += data
        begin, pieces = 0, []
        for found in _YAML_CUT.finditer(pending, searched):
            if found.end() > begin:
                pieces.append(pending[begin : found.end()])
                begin = found.end()
        pending = pending[begin:]
        searched = pending.rfind(b"\n") + 1  # The mark may be cut by the end of a read.
        if pieces:
            yield pieces
    if pending:
        yield [pending]


_YAML_CUT = re.compile(rb"^(?:(?=---[ \t\r\n])|\.\.\.[ \t\r]*\n)", re.MULTILINE)


APPEND = Command(
    "append",
    "append lines as excerpts",
    "Appends each line of the input as one excerpt, without its newline, while other processes append to the same "
    "queue or read it. What is read at once is appended at once. In .cq4 queues an empty line is stored as the one "
    "byte 8F, as an empty message is in Java.",
    _add_append,
    _append,
)
