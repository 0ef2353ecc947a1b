"""The command line: parse, call the library, format.

The decision hidden here is what a shell user sees: options, lines, exit codes. Only the public API is used.

Rules
- A command is a function of its parsed options that returns nothing; COMMANDS lists them with their options. Whatever
  prints messages shares ``--output``; the formats stand in OUTPUTS.
- Standard output carries data alone, as UTF-8 whatever the locale. All else goes to standard error.
- Exit codes: 0, 1 for an error (one line on standard error), 2 for wrong usage, 130 after Ctrl-C. A closed pipe, as
  ``head`` leaves it, is the end of the work and no error; an output that cannot be written is one.
- What is asked of a queue is asked of every format's. A fact that a format does not have is None there and left out.
- Errors and hints name options, never arguments of Python functions: see HINTS and WORDS.
- PYCHRONIX_DEBUG=1 shows the traceback of an error.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import errno
import importlib
import itertools
import json
import logging
import os
import re
import select
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO

import pychronix as px
from pychronix.errors import EncodingError, IndexRangeError, ReadOnlyError
from pychronix.fields import (
    DIALECTS,
    Field,
    FieldReader,
    FieldWriter,
    array_of,
    dialect_of,
    line_of,
    parse_layout,
    read_fields,
    values_of_array,
    values_of_line,
    write_fields,
)
from pychronix.follow import follow

if TYPE_CHECKING:
    from pychronix import tcp

__all__ = ["main", "main_entry"]

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPT = 0, 1, 2, 130
READ_BYTES = 1 << 20  # One read of `append`; from a pipe less comes, which is appended at once.
POLL_MS_MIN, POLL_MS_MAX = 1.0, 20.0  # A person reads what `tail -f` prints: no need to spin.
EXIT_CODES = "exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; argv is without the program's name."""
    try:
        options = _parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", px.ChronixWarning)
            options.run(options)
    except SystemExit as leaving:  # argparse has printed help or what is wrong
        return leaving.code if isinstance(leaving.code, int) else EXIT_USAGE
    except KeyboardInterrupt:
        _abandon_stdout()
        return EXIT_INTERRUPT
    except _ReaderGoneError:
        _abandon_stdout()
    except _OutputError as error:
        _abandon_stdout()
        _complain(f"cannot write to standard output: {error}")
        return EXIT_ERROR
    except _WrongUsageError as error:
        _complain(str(error))
        return EXIT_USAGE
    except Exception as error:
        if os.environ.get("PYCHRONIX_DEBUG", "0") not in ("", "0"):
            raise
        _complain(_told(error))
        return EXIT_ERROR
    return EXIT_OK


def main_entry() -> None:
    """The ``pychronix`` script."""
    sys.exit(main())


class _WrongUsageError(Exception):
    """An option's value that argparse cannot judge is not one that the library knows."""


class _OutputError(Exception):
    """Standard output cannot be written to."""


class _ReaderGoneError(Exception):
    """Whoever read standard output does so no more."""


# What to do about an error where the library's own hint names arguments of Python functions, which a shell user has not.
HINTS: dict[type[px.ChronixError], str | None] = {
    px.LockedError: "wait for process {pid}, or end it if it hangs",
    px.QueueFullError: "free disk space",
    ReadOnlyError: None,
}
# How an argument of Python functions that a message names is written on a command line.
WORDS = (
    (re.compile(r"\b(roll|format)=(?=[\"'])"), r"--\1 "),
    (re.compile(r": leave out roll=$"), ": leave out --roll"),
    (re.compile(r"\bentries_per_cycle\b"), "--entries-per-cycle"),
    (re.compile(r"\b(index|data)_block_bytes="), r"--\1-block "),
    (re.compile(r"\b(index|data)_block_bytes\b"), r"--\1-block"),
    (re.compile(r"\b(line|thread)_(bytes|bits)\b"), r"--\1-\2"),
)


def _in_options(text: str) -> str:
    for pattern, replacement in WORDS:
        text = pattern.sub(replacement, text)
    return text


def _told(error: Exception) -> str:
    """An error in one line, for a shell user."""
    if isinstance(error, px.ChronixError):
        pid = getattr(error, "pid", None)
        # Where a lock bears our own pid the hint is about pids, and names no argument.
        if error.hint and type(error) in HINTS and pid != os.getpid():
            hint = HINTS[type(error)]
            error.hint = None if hint is None else hint.format(pid=pid)
        error.message = _in_options(error.message)
        error.hint = error.hint and _in_options(error.hint)
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    return f"{type(error).__name__}: {error}; PYCHRONIX_DEBUG=1 shows where"


def _complain(message: str) -> None:
    _write_stderr(f"pychronix: {_visible(message)}\n")


def _write_stderr(text: str) -> None:
    # Without a standard error (2>&-) there is nobody to tell; print() would tell standard output.
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _complain(f"warning: {_in_options(str(message))}")


def _abandon_stdout() -> None:
    """What is still buffered must neither fail nor block again when the interpreter flushes at its end."""
    try:
        descriptor = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
    except (AttributeError, OSError, ValueError):  # no stdout, or one without a descriptor, as in tests
        pass


class _Output:
    """Standard output for bytes. Raises _ReaderGoneError for a closed pipe, _OutputError for all else."""

    def __init__(self) -> None:
        if sys.stdout is None:
            raise _OutputError("it is closed")
        self._file: IO[bytes] = sys.stdout.buffer
        self._poll: select.poll | None = None

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self._failed(error)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._failed(error)

    def sleep(self, seconds: float) -> None:
        """Sleeps between two looks at a queue, having shown what was printed so far.

        ``tail -f | head -1`` must end when head does, though nothing more may come that could be written: a descriptor
        whose reader is gone reports an error at once.
        """
        self.flush()
        if self._poll is None:
            self._poll = select.poll()
            with contextlib.suppress(OSError):  # a stdout without a descriptor, as in tests
                self._poll.register(self._file.fileno(), 0)
        if self._poll.poll(seconds * 1000):
            raise _ReaderGoneError

    def _failed(self, error: OSError) -> NoReturn:
        if isinstance(error, BrokenPipeError):
            raise _ReaderGoneError from error
        raise _OutputError(error.strerror or str(error)) from error


# --- options ---------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Options are written out, so that a new one never makes a script's abbreviation ambiguous."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, epilog=EXIT_CODES)

    def print_help(self, file: Any = None) -> None:
        # argparse takes no notice of an output that cannot be written.
        out = _Output()
        out.write(self.format_help().encode())
        out.flush()

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.format_usage()}{self.prog}: {_visible(message)}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            _write_stderr(message)
        raise SystemExit(status)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pychronix", description="Reads, appends to and tails Chronicle Queues.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.description)
        command.add_options(subparser)
        subparser.set_defaults(run=command.run)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than many a command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        try:
            version = importlib.metadata.version("pychronix")
        except importlib.metadata.PackageNotFoundError:
            version = "(run from a checkout that is not installed)"
        out = _Output()
        out.write(f"pychronix {version}\n".encode())
        out.flush()
        parser.exit()


def _number(text: str) -> int:
    """A count: 0 or more."""
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of messages")
    return int(text)


def _place(text: str) -> int | str:
    """An index, decimal or 0x..., or start or end."""
    if text in ("start", "end"):
        return text
    if re.fullmatch("0[xX][0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch("[0-9]+", text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not an index (decimal or 0x...), start or end")


_ESCAPES = {b"0": b"\0", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _delimiter(text: str) -> bytes:
    """One byte or several, with the escapes of C."""

    def replaced(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        if escape[:1] == b"x" and len(escape) == 3:
            return bytes([int(escape[1:], 16)])
        if escape == b"\\":
            return escape
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        raise argparse.ArgumentTypeError(f"{text!r}: unknown escape {os.fsdecode(match[0])!r}")

    got = re.sub(rb"\\(x[0-9a-fA-F]{2}|.|$)", replaced, os.fsencode(text), flags=re.DOTALL)
    if not got:
        raise argparse.ArgumentTypeError("a delimiter has at least one byte")
    return got


def _size(text: str) -> int:
    """A number of bytes: 65536, 64K, 16M or 1G."""
    found = re.fullmatch("([0-9]+)([KMG]?)", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes (65536, 64K, 16M)")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def _layout(text: str) -> tuple[Field, ...]:
    try:
        return parse_layout(text)
    except px.UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _check_local(options: argparse.Namespace) -> None:
    if _is_remote(options.queue):
        raise _WrongUsageError(f"{options.queue} is a source, and this needs a queue of this machine")


def _open(options: argparse.Namespace, mode: str = "r", *, hint: str | None = None) -> px.Queue:
    """Opens the queue; if there is none, ``hint`` says what an option could do about it."""
    _check_local(options)
    settings = {name: getattr(options, name) for name in CHRONICLE3_SETTINGS}
    try:
        return px.open_queue(
            options.queue, mode, format=getattr(options, "format", None), roll=options.roll, **_known(settings)
        )
    except px.NotFoundError as error:
        error.hint = hint
        raise
    except px.UsageError as error:
        if error.hint and "format=" in error.hint and not hasattr(options, "format"):
            error.hint = f"{options.queue} is none"  # What only reads has no --format.
        raise _WrongUsageError(_told(error)) from error


def _add_queue(parser: argparse.ArgumentParser, *, remote: bool = False) -> None:
    parser.add_argument(
        "queue",
        metavar="QUEUE",
        help="directory of the queue; of an Indexed journal its path without .index and .data, or one of these files"
        + ("; or tcp://host:port of a source" if remote else ""),
    )


CHRONICLE3_SETTINGS = ("entries_per_cycle", "index_block_bytes", "data_block_bytes", "line_bytes", "thread_bits")


def _add_chronicle3(parser: argparse.ArgumentParser, *, roll: bool = True, remote: bool = False) -> None:
    """What the files of Chronicle 3.x may not tell."""
    more = "; of tcp:// what --date is reckoned with, also FAST_DAILY and the like (default: DAYS)" if remote else ""
    group = parser.add_argument_group(
        "Chronicle 3.x",
        "How a Vanilla or Indexed journal is laid out, where its files cannot tell and it is not Java's default.",
    )
    if roll:
        group.add_argument(
            "--roll", metavar="NAME", help="cycle: SECONDS, MINUTES, HOURS, DAYS, or a pattern: yyyyMMdd/HH" + more
        )
    group.add_argument(
        "--entries-per-cycle",
        type=_number,
        metavar="N",
        help="Vanilla: what a cycle's indexes are apart, a power of two",
    )
    group.add_argument(
        "--index-block",
        dest="index_block_bytes",
        type=_size,
        metavar="SIZE",
        help="size of index files: 65536, 64K, 16M",
    )
    group.add_argument("--data-block", dest="data_block_bytes", type=_size, metavar="SIZE", help="size of data files")
    group.add_argument(
        "--line-bytes", type=_size, metavar="SIZE", help="Indexed: size of an index line (Java: cacheLineSize)"
    )
    group.add_argument(
        "--thread-bits", type=_number, metavar="N", help="Vanilla: bits of an index entry for the thread id"
    )


def _add_dialect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dialect", choices=DIALECTS, metavar="DIALECT",
        help="with --fields and tcp://, which does not tell: v3 for fields of Chronicle 3.x (default), v5 for those of "
        "a .cq4 queue",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fields",
        type=_layout,
        metavar="LAYOUT",
        help="print each excerpt's typed fields, with tabs between: i,q,utf or id:long,side:char,price:double; with "
        "--output json as an array",
    )
    _add_dialect(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=list(OUTPUTS),
        default="auto",
        metavar="FORMAT",
        help="auto (default): a line of text, or of hex where the message is no text; text: always text, undecodable "
        "bytes as \\x escapes; hex: index, tab, bytes in hex; json: an object a line; raw: the bytes, nothing between",
    )


# --- messages out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """What is printed of a document."""

    index: int
    payload: bytes
    meta: bool
    queue: px.Queue | None  # None of one that came over TCP: the source does not tell what it serves.


# Control characters that do not occur in text. Those that do are the ones file(1) knows: 07 to 0D, ESC and NEL.
_NO_TEXT = re.compile("[\0-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
# JSON may hold these as they are, but a terminal obeys some, and others end a line or are no UTF-8.
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text_of(payload: bytes) -> str | None:
    """The payload as text: Wire text (Java writeText) decoded, or UTF-8; None if it is neither."""
    text = _wire_text(payload)
    return text if text is not None else _utf8(payload)


def readable_text_of(payload: bytes) -> str | None:
    """The payload as text if it looks as if a person had written it, else None: binary data may be UTF-8 by chance."""
    text = text_of(payload)
    return None if text is None or _NO_TEXT.search(text) else text


def _visible(text: str) -> str:
    """The text on one line: what is not printable, but tabs, as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text
    )


def _json(facts: object, indent: int | None = None) -> bytes:
    text = json.dumps(facts, ensure_ascii=False, indent=indent)
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode() + b"\n"


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without those that this format, queue or cycle does not have."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def _wire_text(payload: bytes) -> str | None:
    # The first byte tells most payloads apart without the cost of an exception.
    if payload[:1] < b"\x8e":
        return None
    try:
        return px.decode_text(payload)
    except EncodingError:
        return None


def _utf8(payload: bytes) -> str | None:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _as_auto(message: Message) -> bytes:
    text = None if message.meta else readable_text_of(message.payload)
    if text is not None:
        return _visible(text).encode() + b"\n"
    shown = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in message.payload)
    return message.payload.hex(" ").encode() + b"  |" + shown + b"|\n"


def _as_text(message: Message) -> bytes:
    text = _wire_text(message.payload)
    if text is None:
        text = message.payload.decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _as_hex(message: Message) -> bytes:
    return b"%d\t%s\n" % (message.index, message.payload.hex().encode())


def _as_json(message: Message) -> bytes:
    facts = _known(
        {
            "index": message.index,
            "index_hex": f"{message.index:#x}",
            "cycle": None if message.queue is None else message.queue.cycle_of(message.index),
            "sequence": None if message.queue is None else message.queue.sequence_of(message.index),
            "length": len(message.payload),
            "meta": message.meta or None,
        }
    )
    text = None if message.meta else text_of(message.payload)
    if text is not None:
        facts["text"] = text
    else:
        facts["base64"] = base64.b64encode(message.payload).decode("ascii")
    return _json(facts)


def _as_raw(message: Message) -> bytes:
    return message.payload


def _as_fields(layout: Sequence[Field], remote_dialect: str, *, json_array: bool) -> Callable[[Message], bytes]:
    def shown(message: Message) -> bytes:
        values = _values_of(layout, message, remote_dialect if message.queue is None else _dialect(message.queue))
        if json_array:
            return _json(array_of(layout, values))
        return line_of(layout, values).encode() + b"\n"

    return shown


def _values_of(layout: Sequence[Field], message: Message, dialect: str) -> list[object]:
    doc = FieldReader(message.payload, dialect)
    what = f"cannot read {message.index:#x} as these fields"
    try:
        values = read_fields(doc, layout)
    except px.ChronixError:
        for number, field in enumerate(layout, 1):
            try:
                read_fields(doc, [field])
            except px.ChronixError as error:
                raise EncodingError(f"{what}: field {number} ({field}): {error.message}") from error
        raise
    if doc.remaining:
        raise EncodingError(
            f"{what}: {_counted(doc.remaining, 'byte')} of {len(doc)} left after the last one",
            hint="a layout that ends with rest shows them",
        )
    return values


OUTPUTS: dict[str, Callable[[Message], bytes]] = {
    "auto": _as_auto,
    "text": _as_text,
    "hex": _as_hex,
    "json": _as_json,
    "raw": _as_raw,
}


def _dialect(queue: px.Queue) -> str:
    """How typed fields are written in a queue."""
    return dialect_of(queue.format)


def _remote_dialect(options: argparse.Namespace) -> str:
    """How they are written over TCP: unless told otherwise as the Javas write them that speak its protocol.

    Of a queue here the format says it, so that the option would only let one read nonsense.
    """
    if options.dialect is not None and (options.fields is None or not _is_remote(options.queue)):
        raise _WrongUsageError("--dialect is for --fields over tcp://; of a queue its format tells it")
    return options.dialect or dialect_of("vanilla")


def _shown_as(options: argparse.Namespace) -> Callable[[Message], bytes]:
    """How a message is printed."""
    remote_dialect = _remote_dialect(options)
    if options.fields is None:
        return OUTPUTS[options.output]
    if options.output not in ("auto", "json"):
        raise _WrongUsageError(f"--fields makes its own lines: leave out --output {options.output}, or make it json")
    return _as_fields(options.fields, remote_dialect, json_array=options.output == "json")


# --- cat and tail ----------------------------------------------------------------------------------------------------


def _add_cat(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser, remote=True)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "-s",
        "--start",
        type=_place,
        metavar="INDEX",
        help="first message to print: an index (decimal or 0x...), start or end (default: start, with --reverse end)",
    )
    begin.add_argument("--date", metavar="DAY", help="start at a day (2024-03-05) or hour (2024-03-05T10:00), in UTC")
    parser.add_argument("-n", "--count", type=_number, metavar="N", help="print at most N messages")
    parser.add_argument("-r", "--reverse", action="store_true", help="newest first")
    parser.add_argument("--meta", action="store_true", help="print metadata documents (headers, index pages) too")
    _add_output(parser)
    _add_chronicle3(parser, remote=True)


def _cat(options: argparse.Namespace) -> None:
    shown = _shown_as(options)
    start: int | str
    for given, name in ((options.fields, "--fields"), (options.date, "--date")):
        against = "--meta" if name == "--fields" else "--reverse"
        if given is not None and getattr(options, against[2:]):
            raise _WrongUsageError(f"{name} and {against} do not go together")
    if _is_remote(options.queue):
        if options.reverse or options.meta:
            raise _WrongUsageError("a source sends neither backward nor metadata: leave out --reverse and --meta")
        # Where local queues have their end: behind the last message.
        start = "start" if options.start is None else "now" if options.start == "end" else options.start
        with _remote_tailer(options, start) as remote:
            _print(itertools.islice(_remote_messages(remote), options.count), shown)
        return
    with _open(options) as queue, queue.tailer() as tailer:
        tailer.meta = options.meta
        start = options.start if options.start is not None else ("end" if options.reverse else "start")
        tailer.direction = "backward" if options.reverse else "forward"
        if options.date is not None:
            _move_to_date(queue, tailer, options.date)
        elif isinstance(start, int):
            _move_to(queue, tailer, start)
        elif start == "start":
            tailer.to_start()
        else:
            tailer.to_end()
        _print(itertools.islice(_messages(queue, tailer), options.count), shown)


def _move_to_date(queue: px.Queue, tailer: px.Tailer, day: str) -> None:
    """Stands before the first message of the first cycle at or after a moment; at the end if there is none."""
    if not queue.roll_cycle.length_ms:
        raise px.UsageError("cannot start at a day: an Indexed journal has no dates", path=queue.path)
    try:
        if not tailer.seek_date(day):
            tailer.to_end()
    except px.UsageError as error:
        raise _WrongUsageError(f"--date: {error}") from error


def _move_to(queue: px.Queue, tailer: px.Tailer, index: int) -> None:
    """Stands before the message with this index; one past the last message of a cycle is a place, too."""
    if tailer.move_to_index(index) or tailer.state is px.TailerState.END_OF_CYCLE:
        return
    last = queue.last_index
    if last is not None and index == last + 1:
        return
    raise IndexRangeError(f"cannot start at index {index:#x}: {_extent(queue)}", path=queue.path)


def _extent(queue: px.Queue) -> str:
    first, last = queue.first_index, queue.last_index
    if first is None or last is None:
        return "the queue is empty"
    return f"there is no such message between the first, {first:#x}, and the last, {last:#x}"


def _add_tail(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser, remote=True)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("-n", "--count", type=_number, metavar="N", help="the last N messages (10)")
    begin.add_argument(
        "--date", metavar="DAY", help="all messages from a day on (2024-03-05, or 2024-03-05T10:00), in UTC"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    _add_output(parser)
    _add_chronicle3(parser, remote=True)


def _tail(options: argparse.Namespace) -> None:
    shown = _shown_as(options)
    if _is_remote(options.queue):
        _tail_remote(options, shown)
        return
    count = 10 if options.count is None and options.date is None else options.count
    with _open(options) as queue, queue.tailer() as tailer:
        if options.date is not None:
            _move_to_date(queue, tailer, options.date)
        else:
            _move_before_last(queue, tailer, count)
        if not options.follow:
            _print(itertools.islice(_messages(queue, tailer), count), shown)
            return
        out = _Output()
        following = follow(tailer.with_index, poll_ms_min=POLL_MS_MIN, poll_ms_max=POLL_MS_MAX, sleep=out.sleep)
        for index, payload in following:
            out.write(shown(Message(index, payload, False, queue)))


def _move_before_last(queue: px.Queue, tailer: px.Tailer, count: int) -> None:
    """Stands before the last `count` messages, or at the start if there are fewer."""
    tailer.to_end()
    if count == 0:
        return
    with queue.tailer() as back:
        back.direction = "backward"
        back.to_end()
        indexes = [index for index, _ in itertools.islice(back.with_index(), count)]
    if not indexes or not tailer.move_to_index(indexes[-1]):
        tailer.to_start()


def _messages(queue: px.Queue, tailer: px.Tailer) -> Iterator[Message]:
    meta = tailer.meta
    for index, payload in tailer.with_index():
        yield Message(index, payload, meta and tailer.is_meta, queue)


def _print(messages: Iterable[Message], shown: Callable[[Message], bytes]) -> None:
    out = _Output()
    for message in messages:
        out.write(shown(message))
    out.flush()


# --- append ----------------------------------------------------------------------------------------------------------


def _add_append(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser, remote=True)
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
        type=_layout,
        metavar="LAYOUT",
        help="a line has typed fields with tabs between, as cat --fields prints them: i,q,utf or id:long,price:double",
    )
    _add_dialect(parser)
    parser.add_argument("--json-lines", action="store_true", help="with --fields: a line is a JSON array")
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        "-d",
        "--delimiter",
        type=_delimiter,
        default=b"\n",
        metavar="BYTES",
        help=r"what ends an excerpt, instead of a newline; \0, \t, \x1e and the like are understood",
    )
    cut.add_argument("--raw", action="store_true", help="the whole input is one excerpt")
    parser.add_argument("-v", "--verbose", action="store_true", help="at the end say how many and the last index")
    _add_chronicle3(parser, roll=False)


def _append(options: argparse.Namespace) -> None:
    if options.json_lines and options.fields is None:
        raise _WrongUsageError("--json-lines needs --fields: what the elements of the arrays are")
    _remote_dialect(options)
    if options.raw and options.fields is not None:
        raise _WrongUsageError("--fields reads lines: leave out --raw")
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
        if _is_remote(options.queue):
            if options.create or options.format or options.roll:
                raise _WrongUsageError("a source makes no queue: leave out --create, --format and --roll")
            appender = stack.enter_context(_tcp().RemoteAppender(*_address(options.queue)))
        else:
            queue = stack.enter_context(_open(options, "a" if options.create else "r+", hint="--create makes one"))
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
    layout, dialect = options.fields, _remote_dialect(options) if queue is None else _dialect(queue)
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
    _write_stderr(f"appended {_counted(count, 'excerpt')}{where}\n")


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


# --- tcp -------------------------------------------------------------------------------------------------------------


def _tcp() -> types.ModuleType:
    """The module, imported when a command needs it: asyncio takes longer to import than most commands to run."""
    return importlib.import_module("pychronix.tcp")


def _is_remote(queue: str) -> bool:
    return queue.startswith("tcp://")


def _address(url: str) -> tuple[str, int]:
    try:
        address: tuple[str, int] = _tcp().parse_address(url)
    except px.UsageError as error:
        raise _WrongUsageError(_told(error)) from error
    return address


def _remote_tailer(options: argparse.Namespace, start: int | str) -> tcp.RemoteTailer:
    place: int | str | datetime.datetime = start
    cycle: str | tuple[int, int] = options.roll or "DAYS"
    try:
        if options.date is not None:
            place = datetime.datetime.fromisoformat(options.date)
        if options.entries_per_cycle is not None:
            if cycle not in _tcp().CYCLES:
                raise _WrongUsageError("--entries-per-cycle needs --roll SECONDS, MINUTES, HOURS or DAYS")
            cycle = (_tcp().CYCLES[cycle][0], options.entries_per_cycle)
        tailer: tcp.RemoteTailer = _tcp().RemoteTailer(*_address(options.queue), place, cycle=cycle)
    except px.UsageError as error:
        raise _WrongUsageError(_told(error)) from error
    except ValueError as error:
        raise _WrongUsageError(f"--date: {error}") from error
    return tailer


def _remote_messages(tailer: tcp.RemoteTailer) -> Iterator[Message]:
    for index, payload in tailer.with_index():
        yield Message(index, payload, False, None)


def _tail_remote(options: argparse.Namespace, shown: Callable[[Message], bytes]) -> None:
    if options.count is not None and options.count > 1:
        raise _WrongUsageError("a source finds its last message alone: -n 1, -n 0, or cat for all of them")
    with _remote_tailer(options, "now" if options.count == 0 else "end") as tailer:
        if not options.follow:
            _print(itertools.islice(_remote_messages(tailer), options.count), shown)
            return
        out = _Output()
        while True:
            while (payload := tailer.read(POLL_MS_MAX / 1000)) is not None:
                out.write(shown(Message(tailer.last_read_index or 0, payload, False, None)))
            out.sleep(0)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="HOST",
        help="address to listen on (default: 127.0.0.1, this machine alone); there is no authentication",
    )  # fmt: skip
    parser.add_argument("--port", type=_number, default=0, metavar="N", help="port to listen on (default: a free one)")
    parser.add_argument("--read-only", action="store_true", help="nobody may append through this source")
    _add_chronicle3(parser)


def _serve(options: argparse.Namespace) -> None:
    if options.port > 65535:
        raise _WrongUsageError(f"a port is at most 65535, not {options.port}")
    out = _Output()

    def ready(source: tcp.Source) -> None:
        out.write(f"{source.url}\n".encode())
        out.flush()

    logging.basicConfig(format="pychronix: %(message)s", level=logging.WARNING)
    with _open(options, "r" if options.read_only else "r+") as queue:
        _tcp().serve_forever(queue, options.host, options.port, read_only=options.read_only, ready=ready)


def _add_replicate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="tcp://host:port of a source, or a queue of the same format")
    _add_queue(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    parser.add_argument(
        "--format", choices=["cq5", "vanilla", "indexed"], metavar="FORMAT",
        help="what the source serves, if the replica is to be made (default cq5): no source tells",
    )  # fmt: skip
    parser.add_argument("--roll", metavar="NAME", help="its roll cycle, likewise (default: FAST_DAILY; vanilla: DAYS)")
    parser.add_argument("-v", "--verbose", action="store_true", help="at the end say how many")
    _add_chronicle3(parser, roll=False)


def _replicate(options: argparse.Namespace) -> None:
    _check_local(options)
    with contextlib.ExitStack() as stack:
        source: str | px.Queue = options.source
        if _is_remote(options.source):
            _address(options.source)
        else:
            source = stack.enter_context(_open(argparse.Namespace(**{**vars(options), "queue": options.source})))
            if options.format is None and options.roll is None:
                options.format, options.roll = source.format, source.roll_cycle if source.roll_cycle.length_ms else None
        try:
            queue = stack.enter_context(_open(options, "r+"))
        except px.NotFoundError:
            if isinstance(source, str):
                _check_new_replica(options, source)
            queue = stack.enter_context(_open(options, "a"))
        copied = _tcp().replicate(source, queue, follow=options.follow)
        if options.verbose:
            _write_stderr(f"copied {_counted(copied, 'excerpt')}\n")


def _check_new_replica(options: argparse.Namespace, url: str) -> None:
    """That a source is there, and that its indexes make sense in the replica that is about to be made.

    No source tells what it serves, and a replica of the wrong kind would be made first and fail then, or worse: have
    its cycles in the wrong years. What the indexes of a journal mean in time tells most mistakes.
    """
    with _tcp().RemoteTailer(*_address(url)) as tailer:
        tailer.read()
        first = tailer.last_read_index
    if first is None:
        return
    kind = options.format or "cq5"
    what, sensible = "an Indexed journal", first < _INDEXED_FIRST
    if kind != "indexed":
        try:
            what, sensible = _cycle_is_sensible(options, kind, first)
        except px.UsageError as error:
            raise _WrongUsageError(_told(error)) from error
    if not sensible:
        raise px.UnsupportedFormatError(
            f"cannot make {what} of what {url} serves: its first index is {first:#x}",
            hint="no source tells what it serves: --format, --roll and --entries-per-cycle must say it",
        )


_INDEXED_FIRST = 1 << 32  # Indexed journals begin at 0; a cycle's first index is beyond this after 1970.


def _cycle_is_sensible(options: argparse.Namespace, kind: str, index: int) -> tuple[str, bool]:
    """What a replica of these options is, in words, and whether an index lies within 2000 and tomorrow in it."""
    roll: px.VanillaCycle | px.RollCycle
    if kind == "vanilla":
        roll = px.VanillaCycle.of(options.roll or "DAYS")
        entries = options.entries_per_cycle or roll.entries
    else:
        roll = px.RollCycle.parse(options.roll or "FAST_DAILY")
        entries = roll.sequence_mask + 1
    seconds = index // entries * roll.length_ms // 1000
    return f"a {kind} replica of cycle {roll.name}", _YEAR_2000 <= seconds <= time.time() + 2 * 86400


_YEAR_2000 = 946_684_800


# --- info ------------------------------------------------------------------------------------------------------------


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser)
    parser.add_argument("--json", action="store_true", help="all facts as one JSON object")
    _add_chronicle3(parser)


def _info(options: argparse.Namespace) -> None:
    with _open(options) as queue:
        facts = _facts(queue)
    out = _Output()
    if options.json:
        out.write(_json(facts, indent=2))
    else:
        for line in _told_facts(facts):
            out.write(_visible(line.rstrip()).encode() + b"\n")
    out.flush()


def _facts(queue: px.Queue) -> dict[str, Any]:
    roll: Any = queue.roll_cycle
    table_store = _table_store(queue)
    cycles = [_cycle_facts(queue, cycle) for cycle in queue.cycles()]
    settings = queue.chronicle3
    facts = {
        "path": os.fspath(queue.path),
        "format": queue.format,
        **({} if settings is None else _journal_facts(queue)),
        "wire_type": queue.wire_type,
        "roll_cycle": None
        if roll is None or not roll.length_ms
        else {"name": roll.name, "pattern": roll.format, "length_ms": roll.length_ms},
        "roll_time": queue.roll_time,
        "epoch_ms": queue.epoch_ms if settings is None else None,
        "source_id": queue.source_id if settings is None else None,
        "release_hint": None if table_store is None else _release(table_store),
    }
    return {
        **_known(facts),
        "first_index": queue.first_index,
        "last_index": queue.last_index,
        "count": sum(cycle["count"] for cycle in cycles),
        "size_bytes": sum(cycle["size_bytes"] for cycle in cycles),
        "used_bytes": sum(cycle.get("used_bytes", 0) for cycle in cycles),
        "cycles": cycles,
        **_known({"table_store": table_store}),
    }


def _table_store(queue: px.Queue) -> dict[str, int] | None:
    try:
        return dict(queue.table_store)
    except px.UnsupportedFormatError:  # a format without one
        return None


def _journal_facts(queue: px.Queue) -> dict[str, Any]:
    """What a journal of Chronicle 3.x is read with: found in its files, given, or Java's default."""
    settings: Any = queue.chronicle3
    vanilla = queue.format == "vanilla"
    return {
        "entries_per_cycle": settings.cycle.entries if vanilla else None,
        "index_block_bytes": settings.index_block_bytes,
        "data_block_bytes": settings.data_block_bytes,
        "line_bytes": None if vanilla else settings.line_bytes,
        "thread_bits": settings.thread_bits if vanilla else None,
    }


def _cycle_facts(queue: px.Queue, cycle: px.Cycle) -> dict[str, Any]:
    journal = queue.chronicle3 is not None
    return _known(
        {
            "number": cycle.number,
            "name": cycle.name,
            "path": os.fspath(cycle.path),
            "start": _utc(cycle.start_ms) if queue.format != "indexed" else None,
            "first_index": cycle.first_index,
            "count": cycle.count,
            "size_bytes": cycle.size_bytes,
            "used_bytes": cycle.used_bytes,
            "ready": cycle.ready,
            "closed": None if journal else cycle.closed,
            # The file's own counts: who made it may have chosen others than the roll cycle's. 0 while there are none.
            "index_count": cycle.index_count or None,
            "index_spacing": cycle.index_spacing or None,
        }
    )


def _utc(time_ms: int) -> str | None:
    try:
        return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time_ms)).isoformat() + "Z"
    except OverflowError:  # datetime ends with the year 9999, Java's cycles do not
        return None


# What a release leaves behind, from the newest on (spec, Appendix F): a key that only it and later ones make.
_RELEASE_KEYS = (
    ("chronicle.lastIndexMSynced", "5.24 or later"),
    ("chronicle.append.lock", "5.20 or 5.21"),
    ("chronicle.lastIndexReplicated", "5.17 to 5.19"),
    ("chronicle.write.lock", "5.16 or older"),
)


def _release(keys: Iterable[str]) -> str | None:
    """The Java releases that make these keys of a table store; which of them, or of their like, made it nobody noted."""
    present = set(keys)
    return next((release for key, release in _RELEASE_KEYS if key in present), None)


def _told_facts(facts: dict[str, Any]) -> Iterator[str]:
    """The lines of ``info``."""
    cycles, roll = facts["cycles"], facts.get("roll_cycle")
    first, last = facts["first_index"], facts["last_index"]
    pages = {(cycle["index_count"], cycle["index_spacing"]) for cycle in cycles if "index_count" in cycle}
    indexed = facts["format"] == "indexed"
    assumed = " (as given, or Java's default: the files do not tell)" if indexed else ""
    yield facts["path"]
    yield from _told_pairs(
        {
            "format": facts["format"] + (f", wire type {facts['wire_type']}" if "wire_type" in facts else ""),
            "table keys": f"those of Java {facts['release_hint']}" if "release_hint" in facts else None,
            "roll cycle": roll and _told_roll(roll),
            "roll time": f"{facts['roll_time']} UTC" if "roll_time" in facts else None,
            "entries": _told_entries(facts["entries_per_cycle"]) if "entries_per_cycle" in facts else None,
            "index block": _told_size(facts.get("index_block_bytes"), assumed),
            "data block": _told_size(facts.get("data_block_bytes"), assumed),
            "index line": _told_size(facts.get("line_bytes"), ""),
            "thread bits": facts.get("thread_bits"),
            "index": "differs from cycle to cycle" if len(pages) > 1 else "".join(map(_told_page, pages)) or None,
            "epoch": f"{facts['epoch_ms']} ms" if facts.get("epoch_ms") else None,
            "source id": facts.get("source_id") or None,
            "messages": f"{facts['count']} in {_counted(len(cycles), 'cycle')}"
            if not indexed
            else f"{facts['count']}, padding entries included",
            "first index": "none" if first is None else f"{first:#x}",
            "last index": "none" if last is None else f"{last:#x}",
        }
    )
    if cycles:
        yield "cycles"
        rows = [_told_cycle(cycle, with_page=len(pages) > 1) for cycle in cycles]
        if not any(row["state"] for row in rows):
            rows = [{name: cell for name, cell in row.items() if name != "state"} for row in rows]
        yield from _told_table(rows)
    if facts.get("table_store"):
        yield "table store"
        yield from _told_pairs({key: _table_value(key, value) for key, value in facts["table_store"].items()})


def _told_entries(entries: int) -> str:
    return f"2^{entries.bit_length() - 1} indexes a cycle"


def _told_size(size: int | None, remark: str) -> str | None:
    if size is None:
        return None
    unit, name = next(((unit, name) for unit, name in _UNITS if size % unit == 0), (1, "bytes"))
    return f"{size // unit} {name}{remark}"


_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _told_roll(roll: dict[str, Any]) -> str:
    return f"{roll['name']}, named {roll['pattern']}, {_duration(roll['length_ms'])} each"


def _told_page(page: tuple[int, int]) -> str:
    count, spacing = page
    return f"{count} entries a page, one for {_counted(spacing, 'message')}"


def _told_cycle(cycle: dict[str, Any], *, with_page: bool) -> dict[str, str]:
    """A line of the table of cycles, by the names of its columns."""
    page = f"{cycle['index_count']} x {cycle['index_spacing']}" if "index_count" in cycle else "-"
    if not cycle["ready"]:
        state = "unfinished"
    elif "closed" in cycle:
        state = "closed" if cycle["closed"] else "open"
    else:
        state = ""
    return {
        "number": str(cycle["number"]),
        "name": cycle["name"],
        "first index": f"{cycle['first_index']:#x}" if "first_index" in cycle else "-",
        "messages": str(cycle["count"]),
        "bytes used": str(cycle.get("used_bytes", "-")),
        "of": str(cycle["size_bytes"]),
        **({"index": page} if with_page else {}),
        "state": state,
    }


def _told_pairs(pairs: dict[str, object]) -> Iterator[str]:
    known = _known(pairs)
    width = max(map(len, known))
    for name, value in known.items():
        yield f"  {name:{width}}  {value}"


def _told_table(rows: list[dict[str, str]]) -> Iterator[str]:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in widths}, *rows]:
        left = {"name", "state"}  # Words; numbers stand right.
        yield "  " + "  ".join(
            f"{cell:<{widths[name]}}" if name in left else f"{cell:>{widths[name]}}" for name, cell in row.items()
        )


def _table_value(key: str, value: int) -> str:
    if value == -(2**63):
        return "unlocked" if key.endswith("lock") else "not set"
    if key.endswith("lock"):
        return f"held by process {value & 0xFFFFFFFF}"
    return f"{value:#x}" if key.startswith(("index.", "chronicle.lastIndex")) and value > 0 else str(value)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _duration(length_ms: int) -> str:
    for unit_ms, noun in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")):
        if length_ms % unit_ms == 0:
            return _counted(length_ms // unit_ms, noun)
    return f"{length_ms} ms"


# --- the commands ----------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    name: str
    help: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


COMMANDS = (
    Command(
        "cat",
        "print messages",
        "Prints the messages of a queue, oldest first, and ends. Nothing is written to the queue.",
        _add_cat,
        _cat,
    ),
    Command(
        "tail",
        "print the last messages, and follow",
        "Prints the last messages of a queue; with -f goes on with whatever any process appends. Nothing is written to "
        "the queue.",
        _add_tail,
        _tail,
    ),
    Command(
        "info",
        "tell what a queue is and holds",
        "Tells what a queue is and holds: its settings, its cycles, its table store with locks and positions of named "
        "tailers. Nothing is written to the queue.",
        _add_info,
        _info,
    ),
    Command(
        "append",
        "append lines as excerpts",
        "Appends each line of the input as one excerpt, without its newline, while other processes append to the same "
        "queue or read it. What is read at once is appended at once. In .cq4 queues an empty line is stored as the one "
        "byte 8F, as an empty message is in Java.",
        _add_append,
        _append,
    ),
    Command(
        "serve",
        "serve a queue over TCP",
        "Serves a queue to remote tailers, sinks and remote appenders, Java's (Chronicle 3) and ours, until Ctrl-C. Prints "
        "its address, tcp://host:port, once it listens.",
        _add_serve,
        _serve,
    ),
    Command(
        "replicate",
        "copy what a source has, at the same indexes",
        "Copies what a queue lacks of a source, at the same indexes, making the queue if there is none. May be killed at "
        "any moment and run again; nobody else may append to the replica.",
        _add_replicate,
        _replicate,
    ),
)
