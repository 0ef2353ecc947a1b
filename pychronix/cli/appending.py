"""``append``: what of the input becomes an excerpt, and when."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pychronix as px
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
from pychronix.errors import EncodingError
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
    add_dialect(parser)
    parser.add_argument("--json-lines", action="store_true", help="with --fields: a line is a JSON array")
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        "-d",
        "--delimiter",
        type=parse_delimiter,
        default=b"\n",
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
    batches = iter([[b"".join(reads)]]) if options.raw else _pieces(reads, options.delimiter)
    total = 0
    with contextlib.ExitStack() as stack:
        queue: px.Queue | None = None
        appender: px.Appender | tcp.RemoteAppender
        if is_remote(options.queue):
            if options.create or options.format or options.roll:
                raise WrongUsageError("a source makes no queue: leave out --create, --format and --roll")
            appender = stack.enter_context(tcp_module().RemoteAppender(*address(options.queue)))
        else:
            queue = stack.enter_context(open_queue(options, "a" if options.create else "r+", hint="--create makes one"))
            appender = stack.enter_context(queue.appender())
        encode = _encoder(options, queue, name)
        try:
            for batch in batches:
                if encode is not None:
                    batch = [encode(piece, number) for number, piece in enumerate(batch, total + 1)]
                total += len(appender.append_many(batch))
        except BaseException as error:
            # What was appended stays: whoever tries again must know how much. The failed batch says its share.
            total += len(getattr(error, "appended", ()))
            if total:
                _report_appended(total, appender.last_index)
            raise
        if options.verbose:
            _report_appended(total, appender.last_index)


def _encoder(options: argparse.Namespace, queue: px.Queue | None, name: str) -> Callable[[bytes, int], bytes] | None:
    """What makes an excerpt of a piece of the input and its number; None if it is one already."""
    if options.text:
        return lambda piece, number: _as_java_text(piece, number, name)
    if options.fields is None:
        return None
    layout, dialect = options.fields, tcp_dialect(options) if queue is None else queue.dialect
    values_of = values_of_array if options.json_lines else values_of_line

    def encode(piece: bytes, number: int) -> bytes:
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
        return bytes(doc)

    return encode


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


APPEND = Command(
    "append",
    "append lines as excerpts",
    "Appends each line of the input as one excerpt, without its newline, while other processes append to the same "
    "queue or read it. What is read at once is appended at once. In .cq4 queues an empty line is stored as the one "
    "byte 8F, as an empty message is in Java.",
    _add_append,
    _append,
)
