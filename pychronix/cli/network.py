"""``serve`` and ``replicate``: a queue for other machines, and a copy with the same indexes."""

from __future__ import annotations

import argparse
import contextlib
import logging
import resource
import time
from typing import TYPE_CHECKING

import pychronix as px
from pychronix.cli.options import (
    add_chronicle3,
    add_queue,
    address,
    check_local,
    is_remote,
    open_queue,
    parse_number,
    tcp_module,
)
from pychronix.cli.shell import Command, Output, WrongUsageError, counted, told, write_stderr

if TYPE_CHECKING:
    from pychronix import tcp


_FILES = 1 << 15  # What the most clients that a source takes need, and the queue besides.


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add_queue(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="HOST",
        help="address to listen on (default: 127.0.0.1, this machine alone); there is no authentication",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=parse_number, default=0, metavar="N", help="port to listen on (default: a free one)"
    )
    parser.add_argument("--read-only", action="store_true", help="nobody may append through this source")
    add_chronicle3(parser)


def _serve(options: argparse.Namespace) -> None:
    if options.port > 65535:
        raise WrongUsageError(f"a port is at most 65535, not {options.port}")
    out = Output()

    def ready(source: tcp.Source) -> None:
        out.write(f"{source.url}\n".encode())
        out.flush()

    # Each client takes a file; Python's select() alone could not stand so many, and nothing here uses it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 0 else max(soft, min(hard, _FILES)), hard))
    logging.basicConfig(format="pychronix: %(message)s", level=logging.WARNING)
    with open_queue(options, "r" if options.read_only else "r+") as queue:
        tcp_module().serve_forever(queue, options.host, options.port, read_only=options.read_only, ready=ready)


def _add_replicate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="tcp://host:port of a source, or a queue of the same format")
    add_queue(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    parser.add_argument(
        "--format", choices=["cq5", "vanilla", "indexed"], metavar="FORMAT",
        help="what the source serves, if the replica is to be made (default cq5): no source tells",
    )  # fmt: skip
    parser.add_argument("--roll", metavar="NAME", help="its roll cycle, likewise (default: FAST_DAILY; vanilla: DAYS)")
    parser.add_argument("-v", "--verbose", action="store_true", help="at the end say how many")
    add_chronicle3(parser, roll=False)


def _replicate(options: argparse.Namespace) -> None:
    check_local(options)
    with contextlib.ExitStack() as stack:
        source: str | px.Queue = options.source
        if is_remote(options.source):
            address(options.source)
        else:
            source = stack.enter_context(open_queue(argparse.Namespace(**{**vars(options), "queue": options.source})))
            if options.format is None and options.roll is None:
                options.format, options.roll = source.format, source.roll_cycle if source.roll_cycle.length_ms else None
        try:
            queue = stack.enter_context(open_queue(options, "r+"))
        except px.NotFoundError:
            if isinstance(source, str):
                _check_new_replica(options, source)
            queue = stack.enter_context(open_queue(options, "a"))
        copied = tcp_module().replicate(source, queue, follow=options.follow)
        if options.verbose:
            write_stderr(f"copied {counted(copied, 'excerpt')}\n")


def _check_new_replica(options: argparse.Namespace, url: str) -> None:
    """That a source is there, and that its indexes make sense in the replica that is about to be made.

    No source tells what it serves, and a replica of the wrong kind would be made first and fail then, or worse: have
    its cycles in the wrong years. What the indexes of a journal mean in time tells most mistakes.
    """
    with tcp_module().RemoteTailer(*address(url)) as tailer:
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
            raise WrongUsageError(told(error)) from error
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


SERVE = Command(
    "serve",
    "serve a queue over TCP",
    "Serves a queue to remote tailers, sinks and remote appenders, Java's (Chronicle 3) and ours, until Ctrl-C. Prints "
    "its address, tcp://host:port, once it listens.",
    _add_serve,
    _serve,
)


REPLICATE = Command(
    "replicate",
    "copy what a source has, at the same indexes",
    "Copies what a queue lacks of a source, at the same indexes, making the queue if there is none. May be killed at "
    "any moment and run again; nobody else may append to the replica.",
    _add_replicate,
    _replicate,
)
