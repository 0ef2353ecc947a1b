"""``cat`` and ``tail``: which messages are printed, of a queue or of a source over TCP."""

from __future__ import annotations

import argparse
import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pychronix as px
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
from pychronix.cli.showing import Message, add_output, shown_as
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
    add_output(parser)
    add_chronicle3(parser, remote=True)


def _cat(options: argparse.Namespace) -> None:
    shown = shown_as(options)
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
            _print(itertools.islice(_remote_messages(remote), options.count), shown)
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
        _print(itertools.islice(_messages(queue, tailer), options.count), shown)


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
    add_output(parser)
    add_chronicle3(parser, remote=True)


def _tail(options: argparse.Namespace) -> None:
    shown = shown_as(options)
    if is_remote(options.queue):
        _tail_remote(options, shown)
        return
    count = 10 if options.count is None and options.date is None else options.count
    with open_queue(options) as queue, queue.tailer() as tailer:
        if options.date is not None:
            _move_to_date(queue, tailer, options.date)
        else:
            _move_before_last(queue, tailer, count)
        if not options.follow:
            _print(itertools.islice(_messages(queue, tailer), count), shown)
            return
        out = Output()
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
    out = Output()
    for message in messages:
        out.write(shown(message))
    out.flush()


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


def _remote_messages(tailer: tcp.RemoteTailer) -> Iterator[Message]:
    for index, payload in tailer.with_index():
        yield Message(index, payload, False, None)


def _tail_remote(options: argparse.Namespace, shown: Callable[[Message], bytes]) -> None:
    if options.count is not None and options.count > 1:
        raise WrongUsageError("a source finds its last message alone: -n 1, -n 0, or cat for all of them")
    with _remote_tailer(options, "now" if options.count == 0 else "end") as tailer:
        if not options.follow:
            _print(itertools.islice(_remote_messages(tailer), options.count), shown)
            return
        out = Output()
        while True:
            while (payload := tailer.read(POLL_MS_MAX / 1000)) is not None:
                out.write(shown(Message(tailer.last_read_index or 0, payload, False, None)))
            out.sleep(0)


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
