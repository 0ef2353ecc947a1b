"""What commands share: how values of options are read, which queue or source is meant, and how it is opened."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import types

import pychronix as px
from pychronix.cli.shell import WrongUsageError, known, told
from pychronix.fields import Field, parse_layout


def parse_number(text: str) -> int:
    """A count: 0 or more."""
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of messages")
    return int(text)


def parse_place(text: str) -> int | str:
    """An index, decimal or 0x..., or start or end."""
    if text in ("start", "end"):
        return text
    if re.fullmatch("0[xX][0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch("[0-9]+", text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not an index (decimal or 0x...), start or end")


_ESCAPES = {b"0": b"\0", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def parse_delimiter(text: str) -> bytes:
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


def parse_size(text: str) -> int:
    """A number of bytes: 65536, 64K, 16M or 1G."""
    found = re.fullmatch("([0-9]+)([KMG]?)", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes (65536, 64K, 16M)")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def parse_fields(text: str) -> tuple[Field, ...]:
    try:
        return parse_layout(text)
    except px.UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def check_local(options: argparse.Namespace) -> None:
    if is_remote(options.queue):
        raise WrongUsageError(f"{options.queue} is a source, and this needs a queue of this machine")


def open_queue(options: argparse.Namespace, mode: str = "r", *, hint: str | None = None) -> px.Queue:
    """Opens the queue; if there is none, ``hint`` says what an option could do about it."""
    check_local(options)
    settings = {name: getattr(options, name) for name in CHRONICLE3_SETTINGS}
    try:
        return px.open_queue(
            options.queue, mode, format=getattr(options, "format", None), roll=options.roll, **known(settings)
        )
    except px.NotFoundError as error:
        error.hint = hint
        raise
    except px.UsageError as error:
        if error.hint and "format=" in error.hint and not hasattr(options, "format"):
            error.hint = f"{options.queue} is none"  # What only reads has no --format.
        raise WrongUsageError(told(error)) from error


def add_queue(parser: argparse.ArgumentParser, *, remote: bool = False) -> None:
    parser.add_argument(
        "queue",
        metavar="QUEUE",
        help="directory of the queue; of an Indexed journal its path without .index and .data, or one of these files"
        + ("; or tcp://host:port of a source" if remote else ""),
    )


CHRONICLE3_SETTINGS = ("entries_per_cycle", "index_block_bytes", "data_block_bytes", "line_bytes", "thread_bits")


def add_chronicle3(parser: argparse.ArgumentParser, *, roll: bool = True, remote: bool = False) -> None:
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
        type=parse_number,
        metavar="N",
        help="Vanilla: what a cycle's indexes are apart, a power of two",
    )
    group.add_argument(
        "--index-block",
        dest="index_block_bytes",
        type=parse_size,
        metavar="SIZE",
        help="size of index files: 65536, 64K, 16M",
    )
    group.add_argument(
        "--data-block", dest="data_block_bytes", type=parse_size, metavar="SIZE", help="size of data files"
    )
    group.add_argument(
        "--line-bytes", type=parse_size, metavar="SIZE", help="Indexed: size of an index line (Java: cacheLineSize)"
    )
    group.add_argument(
        "--thread-bits", type=parse_number, metavar="N", help="Vanilla: bits of an index entry for the thread id"
    )


def tcp_module() -> types.ModuleType:
    """The module, imported when a command needs it: asyncio takes longer to import than most commands to run."""
    return importlib.import_module("pychronix.tcp")


def is_remote(queue: str) -> bool:
    return queue.startswith("tcp://")


def address(url: str) -> tuple[str, int]:
    try:
        address: tuple[str, int] = tcp_module().parse_address(url)
    except px.UsageError as error:
        raise WrongUsageError(told(error)) from error
    return address
