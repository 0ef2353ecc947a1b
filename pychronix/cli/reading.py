"""``cat`` and ``tail``: which messages are printed, of a queue or of a source over TCP."""

from __future__ import annotations

import argparse
import datetime
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pychronix as px
from pychronix.cli.choosing import add_choice, choice_of
from pychronix.cli.messages import Message
from pychronix.cli.options import (
    add_chronicle3,
    add_queue,
    address,
    is_remote,
    open_queue,
    parse_number,
    parse_place,
    tcp_module,
)
from pychronix.cli.shell import Command, Output, WrongUsageError, told
from pychronix.cli.showing import add_output, shown_as
from pychronix.errors import IndexRangeError
from pychronix.follow import follow

if TYPE_CHECKING:
    from pychronix import tcp

POLL_MS_MIN, POLL_MS_MAX = 1.0, 20.0  # A person reads what `tail -f` prints: no need to spin.


def _add_cat(parser: argparse.ArgumentParser) -> None:
    add_queue(parser, remote=True)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "-s",
        "--start",
        type=parse_place,
        metavar="INDEX",
        help="first message to print: an index (decimal or 0x...), start or end (default: start, with --reverse end)",
    )
    begin.add_argument("--date", metavar="DAY", help="start at a day (2024-03-05) or hour (2024-03-05T10:00), in UTC")
    parser.add_argument("-n", "--count", type=parse_number, metavar="N", help="print at most N messages")
    parser.add_argument("-r", "--reverse", action="store_true", help="newest first")
    parser.add_argument("--meta", action="store_true", help="print metadata documents (headers, index pages) too")
    add_choice(parser)
    add_output(parser)
    add_chronicle3(parser, remote=True)


def _cat(options: argparse.Namespace) -> None:
    printer = _Printer(options)
    start: int | str
    for given, name in ((options.fields, "--fields"), (options.date, "--date")):
        against = "--meta" if name == "--fields" else "--reverse"
        if given is not None and getattr(options, against[2:]):
            raise WrongUsageError(f"{name} and {against} do not go together")
    if is_remote(options.queue):
        if options.reverse or options.meta:
            raise WrongUsageError("a source sends neither backward nor metadata: leave out --reverse and --meta")
        # Where local queues have their end: behind the last message.
        start = "start" if options.start is None else "now" if options.start == "end" else options.start
        with _remote_tailer(options, start) as remote:
            printer.print(_remote_excerpts(remote), None, options.count)
        return
    with open_queue(options) as queue, queue.tailer() as tailer:
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
        printer.print(_excerpts(tailer), queue, options.count)


def _move_to_date(queue: px.Queue, tailer: px.Tailer, day: str) -> None:
    """Stands before the first message of the first cycle at or after a moment; at the end if there is none."""
    if not queue.roll_cycle.length_ms:
        raise px.UsageError("cannot start at a day: an Indexed journal has no dates", path=queue.path)
    try:
        if not tailer.seek_date(day):
            tailer.to_end()
    except px.UsageError as error:
        raise WrongUsageError(f"--date: {error}") from error


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
    add_queue(parser, remote=True)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("-n", "--count", type=parse_number, metavar="N", help="the last N messages (10)")
    begin.add_argument(
        "--date", metavar="DAY", help="all messages from a day on (2024-03-05, or 2024-03-05T10:00), in UTC"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    add_choice(parser)
    add_output(parser)
    add_chronicle3(parser, remote=True)


def _tail(options: argparse.Namespace) -> None:
    printer = _Printer(options)
    if is_remote(options.queue):
        _tail_remote(options, printer)
        return
    count = 10 if options.count is None and options.date is None else options.count
    with open_queue(options) as queue, queue.tailer() as tailer:
        if options.date is not None:
            _move_to_date(queue, tailer, options.date)
        else:
            _move_before_last(queue, tailer, count, printer)
        if not options.follow:
            printer.print(_excerpts(tailer), queue, count)
            return
        following = follow(tailer.with_index, poll_ms_min=POLL_MS_MIN, poll_ms_max=POLL_MS_MAX, sleep=printer.sleep)
        for index, payload in following:
            printer.show(Message(index, payload, False, queue, options.wire_type))


def _move_before_last(queue: px.Queue, tailer: px.Tailer, count: int, printer: _Printer) -> None:
    """Stands before the last `count` messages that are printed, or at the start if there are fewer."""
    tailer.to_end()
    if count == 0:
        return
    with queue.tailer() as back:
        back.direction = "backward"
        back.to_end()
        indexes = [message.index for message in itertools.islice(printer.chosen(_excerpts(back), queue), count)]
    if not indexes or not tailer.move_to_index(indexes[-1]):
        tailer.to_start()


def _excerpts(tailer: px.Tailer) -> Iterator[tuple[int, bytes, bool]]:
    """(index, payload, whether it is metadata) to the present end."""
    meta = tailer.meta
    for index, payload in tailer.with_index():
        yield index, payload, meta and tailer.is_meta


class _Printer:
    """Prints the messages that the options choose, as they say."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._format, self._choice, self._wire_type = shown_as(options), choice_of(options), options.wire_type
        self._out: Output | None = None  # Without a standard output it is no use to begin, but wrong usage comes first.

    def print(self, excerpts: Iterable[tuple[int, bytes, bool]], queue: px.Queue | None, count: int | None) -> None:
        """Prints at most `count` of those chosen."""
        self._out = Output()
        for message in itertools.islice(self.chosen(excerpts, queue), count):
            self._out.write(self._format.show(message))
        self._out.write(self._format.rest())
        self._out.flush()

    def chosen(self, excerpts: Iterable[tuple[int, bytes, bool]], queue: px.Queue | None) -> Iterator[Message]:
        messages = (Message(index, payload, meta, queue, self._wire_type) for index, payload, meta in excerpts)
        return filter(self._choice, messages) if self._choice else messages

    def show(self, message: Message) -> None:
        """Prints one, if it is chosen."""
        if not self._choice or self._choice(message):
            self._output().write(self._format.show(message))

    def sleep(self, seconds: float) -> None:
        """Sleeps, having shown all that came."""
        out = self._output()
        out.write(self._format.rest())
        out.sleep(seconds)

    def _output(self) -> Output:
        if self._out is None:
            self._out = Output()
        return self._out


def _remote_tailer(options: argparse.Namespace, start: int | str) -> tcp.RemoteTailer:
    try:
        tailer: tcp.RemoteTailer = tcp_module().RemoteTailer(
            *address(options.queue),
            start if options.date is None else datetime.datetime.fromisoformat(options.date),
            cycle=options.roll or "DAYS",
            entries_per_cycle=options.entries_per_cycle,
        )
    except px.UsageError as error:
        raise WrongUsageError(told(error)) from error
    except ValueError as error:
        raise WrongUsageError(f"--date: {error}") from error
    return tailer


def _remote_excerpts(tailer: tcp.RemoteTailer) -> Iterator[tuple[int, bytes, bool]]:
    for index, payload in tailer.with_index():
        yield index, payload, False


def _tail_remote(options: argparse.Namespace, printer: _Printer) -> None:
    if options.count is not None and options.count > 1:
        raise WrongUsageError("a source finds its last message alone: -n 1, -n 0, or cat for all of them")
    with _remote_tailer(options, "now" if options.count == 0 else "end") as tailer:
        if not options.follow:
            printer.print(_remote_excerpts(tailer), None, options.count)
            return
        while True:
            while (payload := tailer.read(POLL_MS_MAX / 1000)) is not None:
                printer.show(Message(tailer.last_read_index or 0, payload, False, None, options.wire_type))
            printer.sleep(0)


CAT = Command(
    "cat",
    "print messages",
    "Prints the messages of a queue, oldest first, and ends. Nothing is written to the queue.",
    _add_cat,
    _cat,
)


TAIL = Command(
    "tail",
    "print the last messages, and follow",
    "Prints the last messages of a queue; with -f goes on with whatever any process appends. Nothing is written to "
    "the queue.",
    _add_tail,
    _tail,
)
