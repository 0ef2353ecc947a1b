"""The command line: parse, call the library, format.

The decision hidden here is what a shell user sees: options, lines, exit codes. Only the public API is used.

Rules
- A command is a function of its parsed options that returns nothing; COMMANDS lists them with their options. Whatever
  prints messages shares ``--output``; the formats stand in OUTPUTS.
- Standard output carries data alone, as UTF-8 whatever the locale. All else goes to standard error.
- Exit codes: 0, 1 for an error (one line on standard error), 2 for wrong usage, 130 after Ctrl-C. A closed pipe, as
  ``head`` leaves it, is the end of the work and no error.
- PYCHRONIX_DEBUG=1 shows the traceback of an error.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import itertools
import json
import os
import re
import select
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, TextIO

import pychronix as px
from pychronix.errors import EncodingError, IndexRangeError
from pychronix.follow import follow

__all__ = ["main", "main_entry"]

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPT = 0, 1, 2, 130
READ_BYTES = 1 << 20  # One read of `append`; from a pipe less comes, which is appended at once.
POLL_MS_MIN, POLL_MS_MAX = 1.0, 20.0  # A person reads what `tail -f` prints: no need to spin.
EXIT_CODES = "exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; argv is without the program's name."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as leaving:  # argparse has printed help or what is wrong
        return leaving.code if isinstance(leaving.code, int) else EXIT_USAGE
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", px.ChronixWarning)
            options.run(options)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPT
    except BrokenPipeError:
        _abandon_stdout()
    except _WrongUsageError as error:
        print(f"pychronix {options.command}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Exception as error:
        if os.environ.get("PYCHRONIX_DEBUG", "0") not in ("", "0"):
            raise
        _complain(_one_line(error))
        return EXIT_ERROR
    return EXIT_OK


def main_entry() -> None:
    """The ``pychronix`` script."""
    sys.exit(main())


class _WrongUsageError(Exception):
    """Options that argparse accepts one by one but that make no sense together."""


def _one_line(error: Exception) -> str:
    if isinstance(error, px.ChronixError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = f"{type(error).__name__}: {error}; PYCHRONIX_DEBUG=1 shows where"
    return " ".join(text.split())


def _complain(message: str) -> None:
    print(f"pychronix: {message}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _complain(f"warning: {message}")


def _abandon_stdout() -> None:
    """Nobody reads any more: what is still buffered must not fail again when the interpreter flushes at its end."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # a stdout without a descriptor, as in tests
        pass


# --- options ---------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pychronix", description="Reads, appends to and tails Chronicle Queues.", epilog=EXIT_CODES
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(subparser)
        subparser.set_defaults(run=command.run)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than many a command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        try:
            print(f"pychronix {importlib.metadata.version('pychronix')}")
        except importlib.metadata.PackageNotFoundError:
            print("pychronix, run from a checkout that is not installed")
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


def _open(path: str, mode: str = "r", *, roll: str | None = None, hint: str | None = None) -> px.Queue:
    """Opens the queue; if there is none, says what an option (not an argument of open_queue) could do about it."""
    try:
        return px.open_queue(path, mode, roll=roll)
    except px.NotFoundError as error:
        error.hint = hint
        raise


def _add_queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue", metavar="QUEUE", help="directory of the queue")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=list(OUTPUTS),
        default="auto",
        help="auto (default): text where a message is text, otherwise its bytes in hex and ASCII, one line; "
        "text: always text, what is none as \\x escapes; hex: index, tab, bytes in hex; "
        "json: an object a line; raw: the bytes, nothing between them",
    )


# --- messages out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """What is printed of a document."""

    index: int
    payload: bytes
    meta: bool
    roll: px.RollCycle


def text_of(payload: bytes) -> str | None:
    """The payload as text to look at: Wire text (Java writeText) decoded, or printable UTF-8; None if it is neither."""
    wire = _wire_text(payload)
    text = wire if wire is not None else _utf8(payload)
    return text if text is not None and all(char.isprintable() or char in "\t\r\n" for char in text) else None


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
    text = None if message.meta else text_of(message.payload)
    if text is not None:
        return text.encode() + b"\n"
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
    facts: dict[str, Any] = {
        "index": message.index,
        "index_hex": f"{message.index:#x}",
        "cycle": message.roll.cycle_of(message.index),
        "sequence": message.roll.sequence_of(message.index),
        "length": len(message.payload),
    }
    if message.meta:
        facts["meta"] = True
    text = None if message.meta else text_of(message.payload)
    if text is not None:
        facts["text"] = text
    else:
        facts["base64"] = base64.b64encode(message.payload).decode("ascii")
    return json.dumps(facts, ensure_ascii=False).encode() + b"\n"


def _as_raw(message: Message) -> bytes:
    return message.payload


OUTPUTS: dict[str, Callable[[Message], bytes]] = {
    "auto": _as_auto,
    "text": _as_text,
    "hex": _as_hex,
    "json": _as_json,
    "raw": _as_raw,
}


def _stdout() -> IO[bytes]:
    """Standard output for bytes; what was printed as text before comes first."""
    sys.stdout.flush()
    return sys.stdout.buffer


class _PipeWatch:
    """Sleeps between two looks at the queue, having shown what was printed so far.

    ``tail -f | head -1`` must end when head does, though nothing more may come that could be written: a descriptor
    whose reader is gone reports an error at once.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._poll: select.poll | None = None
        try:
            descriptor = out.fileno()
        except (OSError, ValueError):  # a stdout without a descriptor, as in tests
            return
        self._poll = select.poll()
        self._poll.register(descriptor, 0)

    def sleep(self, seconds: float) -> None:
        self._out.flush()
        if self._poll is None:
            time.sleep(seconds)
        elif self._poll.poll(seconds * 1000):
            raise BrokenPipeError


# --- cat and tail ----------------------------------------------------------------------------------------------------


def _add_cat(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser)
    parser.add_argument(
        "-s",
        "--start",
        type=_place,
        metavar="INDEX",
        help="first message to print: an index (decimal or 0x...), start or end (default: start, with --reverse end)",
    )
    parser.add_argument("-n", "--count", type=_number, metavar="N", help="print at most N messages")
    parser.add_argument("-r", "--reverse", action="store_true", help="newest first")
    parser.add_argument("--meta", action="store_true", help="print metadata documents (headers, index pages) too")
    _add_output(parser)


def _cat(options: argparse.Namespace) -> None:
    with _open(options.queue) as queue, queue.tailer() as tailer:
        tailer.meta = options.meta
        start: int | str = options.start if options.start is not None else ("end" if options.reverse else "start")
        tailer.direction = "backward" if options.reverse else "forward"
        if isinstance(start, int):
            _move_to(queue, tailer, start)
        elif start == "start":
            tailer.to_start()
        else:
            tailer.to_end()
        _print(itertools.islice(_messages(queue, tailer), options.count), options.output)


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
    _add_queue(parser)
    parser.add_argument("-n", "--count", type=_number, default=10, metavar="N", help="the last N messages (10)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    _add_output(parser)


def _tail(options: argparse.Namespace) -> None:
    with _open(options.queue) as queue, queue.tailer() as tailer:
        _move_before_last(queue, tailer, options.count)
        if not options.follow:
            _print(itertools.islice(_messages(queue, tailer), options.count), options.output)
            return
        out = _stdout()
        following = follow(
            tailer.with_index, poll_ms_min=POLL_MS_MIN, poll_ms_max=POLL_MS_MAX, sleep=_PipeWatch(out).sleep
        )
        shown, roll = OUTPUTS[options.output], queue.roll_cycle
        for index, payload in following:
            out.write(shown(Message(index, payload, False, roll)))


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
    roll = queue.roll_cycle
    meta = tailer.meta
    for index, payload in tailer.with_index():
        yield Message(index, payload, meta and tailer.is_meta, roll)


def _print(messages: Iterable[Message], output: str) -> None:
    out, shown = _stdout(), OUTPUTS[output]
    for message in messages:
        out.write(shown(message))
    out.flush()


# --- append ----------------------------------------------------------------------------------------------------------


def _add_append(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser)
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="what to append (standard input)")
    parser.add_argument("--create", action="store_true", help="make the queue if there is none")
    parser.add_argument("--roll", metavar="NAME", help="roll cycle of a queue that is made (default: FAST_DAILY)")
    parser.add_argument("--text", action="store_true", help="append as Java's writeText does, not as plain bytes")
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


def _append(options: argparse.Namespace) -> None:
    if options.file == "-":
        _append_from(sys.stdin.fileno(), options)
        return
    descriptor = os.open(options.file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _append_from(descriptor, options)
    finally:
        os.close(descriptor)


def _append_from(descriptor: int, options: argparse.Namespace) -> None:
    batches = [[_read_all(descriptor)]] if options.raw else _pieces(descriptor, options.delimiter)
    total = 0
    opened = _open(options.queue, "a" if options.create else "r+", roll=options.roll, hint="--create makes one")
    with opened as queue, queue.appender() as appender:
        try:
            for batch in batches:
                if options.text:
                    batch = [_as_java_text(piece, number) for number, piece in enumerate(batch, total + 1)]
                total += len(appender.append_many(batch))
        except BaseException as error:
            # What was appended stays: whoever tries again must know how much. The failed batch says its share.
            total += len(getattr(error, "appended", ()))
            if total:
                _report_appended(total, appender.last_index)
            raise
        if options.verbose:
            _report_appended(total, appender.last_index)


def _as_java_text(piece: bytes, number: int) -> bytes:
    try:
        return px.encode_text(piece.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EncodingError(
            f"cannot append excerpt {number} as text: its byte {error.start} is not UTF-8",
            hint="without --text it is appended as it is",
        ) from error


def _report_appended(count: int, last: int | None) -> None:
    noun = "excerpt" if count == 1 else "excerpts"
    where = "" if last is None else f", the last with index {last} ({last:#x})"
    print(f"appended {count} {noun}{where}", file=sys.stderr)


def _read_all(descriptor: int) -> bytes:
    return b"".join(iter(lambda: os.read(descriptor, READ_BYTES), b""))


def _pieces(descriptor: int, delimiter: bytes) -> Iterator[list[bytes]]:
    """The input cut at the delimiter, in batches of what one read gave: a line typed or piped is never held back.

    What follows the last delimiter is a piece, too, unless it is empty.
    """
    pending, searched = bytearray(), 0
    while data := os.read(descriptor, READ_BYTES):
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


# --- info ------------------------------------------------------------------------------------------------------------


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_queue(parser)
    parser.add_argument("--json", action="store_true", help="all facts as one JSON object")


def _info(options: argparse.Namespace) -> None:
    with _open(options.queue) as queue:
        facts = _facts(queue)
    if options.json:
        _stdout().write(json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n")
    else:
        _print_facts(facts)


def _facts(queue: px.Queue) -> dict[str, Any]:
    roll = queue.roll_cycle
    cycles = [
        {
            "number": cycle.number,
            "name": cycle.name,
            "path": os.fspath(cycle.path),
            "start": _utc(cycle.start_ms),
            "first_index": cycle.first_index,
            "count": cycle.count,
            "size_bytes": cycle.size_bytes,
            "used_bytes": cycle.used_bytes,
            "closed": cycle.closed,
        }
        for cycle in queue.cycles()
    ]
    format_name, table_store = queue.format, dict(queue.table_store)
    return {
        "path": os.fspath(queue.path),
        "format": format_name,
        "wire_type": str(queue.wire_type),
        "roll_cycle": {
            "name": roll.name,
            "pattern": roll.format,
            "length_ms": roll.length_ms,
            "index_count": roll.index_count,
            "index_spacing": roll.index_spacing,
        },
        "epoch_ms": queue.epoch_ms,
        "source_id": queue.source_id,
        "first_index": queue.first_index,
        "last_index": queue.last_index,
        "count": sum(cycle["count"] for cycle in cycles),
        "size_bytes": sum(cycle["size_bytes"] for cycle in cycles),
        "used_bytes": sum(cycle["used_bytes"] for cycle in cycles),
        "cycles": cycles,
        "release_hint": _release(format_name, table_store),
        "table_store": table_store,
    }


def _utc(time_ms: int) -> str | None:
    try:
        return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time_ms)).isoformat() + "Z"
    except OverflowError:  # datetime ends with the year 9999, Java's cycles do not
        return None


# What a release leaves behind, from the newest on (spec, Appendix F): a key that only it and later ones make.
_RELEASE_KEYS = (
    ("chronicle.lastIndexMSynced", "5.24 or later"),
    ("chronicle.append.lock", "5.20 to 5.21"),
    ("chronicle.lastIndexReplicated", "5.17 to 5.19"),
)


def _release(format_name: str, keys: Iterable[str]) -> str:
    """The newest Java release that has opened this queue for writing, as far as its files tell."""
    if format_name != "cq5":
        return "4.x"
    present = set(keys)
    if not present:
        return "unknown"
    return next((release for key, release in _RELEASE_KEYS if key in present), "5.16")


def _print_facts(facts: dict[str, Any]) -> None:
    roll, first, last, cycles = facts["roll_cycle"], facts["first_index"], facts["last_index"], facts["cycles"]
    print(facts["path"])
    _print_pairs(
        ("format", f"{facts['format']}, wire type {facts['wire_type']}"),
        ("last opened by", f"Java {facts['release_hint']}, or a peer of it"),
        ("roll cycle", f"{roll['name']}, named {roll['pattern']}, {_duration(roll['length_ms'])} each"),
        ("index", f"{roll['index_count']} entries a page, one for {_counted(roll['index_spacing'], 'message')}"),
        ("epoch", f"{facts['epoch_ms']} ms"),
        ("source id", str(facts["source_id"])),
        ("messages", f"{facts['count']} in {_counted(len(cycles), 'cycle')}"),
        ("first index", "none" if first is None else f"{first:#x}"),
        ("last index", "none" if last is None else f"{last:#x}"),
    )
    if cycles:
        print("cycles")
        _print_table(
            ["number", "file", "first index", "messages", "bytes used", "of", ""],
            [
                [
                    str(cycle["number"]),
                    cycle["name"],
                    "-" if cycle["first_index"] is None else f"{cycle['first_index']:#x}",
                    str(cycle["count"]),
                    str(cycle["used_bytes"]),
                    str(cycle["size_bytes"]),
                    "closed" if cycle["closed"] else "open",
                ]
                for cycle in cycles
            ],
        )
    if facts["table_store"]:
        print("table store")
        _print_pairs(*((key, _table_value(key, value)) for key, value in facts["table_store"].items()))


def _print_pairs(*pairs: tuple[str, str]) -> None:
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"  {name:{width}}  {value}")


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [f"{cell:<{width}}" if column == 1 else f"{cell:>{width}}"
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        print(("  " + "  ".join(cells)).rstrip())


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
        "Prints the last messages of a queue; with -f goes on with whatever any process appends.\n"
        "Nothing is written to the queue.",
        _add_tail,
        _tail,
    ),
    Command(
        "info",
        "tell what a queue is and holds",
        "Tells what a queue is and holds: format, roll cycle, cycles, and the table store with its locks.",
        _add_info,
        _info,
    ),
    Command(
        "append",
        "append lines as excerpts",
        "Appends each line of the input as one excerpt, without its newline, while other processes\n"
        "append to the same queue or read it. What is read at once is appended at once.\n"
        "An empty line is stored as the one byte 8F, as an empty message is in Java.",
        _add_append,
        _append,
    ),
)
