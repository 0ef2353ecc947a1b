"""The ground that every command stands on: standard output, one-line errors, exit codes, what a terminal can be shown.

Nothing here knows a queue. Standard output is written through Output alone, so that a closed pipe ends a command and a
full disk fails it, wherever it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import select
import sys
from collections.abc import Callable
from typing import IO, Any, NamedTuple, NoReturn, TextIO

import pychronix as px
from pychronix.errors import ReadOnlyError

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPT = 0, 1, 2, 130
EXIT_CODES = "exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted"


class WrongUsageError(Exception):
    """An option's value that argparse cannot judge is not one that the library knows."""


class OutputError(Exception):
    """Standard output cannot be written to."""


class ReaderGoneError(Exception):
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


def told(error: Exception) -> str:
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


def complain(message: str) -> None:
    write_stderr(f"pychronix: {visible(message)}\n")


def write_stderr(text: str) -> None:
    # Without a standard error (2>&-) there is nobody to tell; print() would tell standard output.
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(f"warning: {_in_options(str(message))}")


def abandon_stdout() -> None:
    """What is still buffered must neither fail nor block again when the interpreter flushes at its end."""
    try:
        descriptor = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
    except (AttributeError, OSError, ValueError):  # no stdout, or one without a descriptor, as in tests
        pass


class Output:
    """Standard output for bytes. Raises ReaderGoneError for a closed pipe, OutputError for all else."""

    def __init__(self) -> None:
        if sys.stdout is None:
            raise OutputError("it is closed")
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
            raise ReaderGoneError

    def _failed(self, error: OSError) -> NoReturn:
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from error
        raise OutputError(error.strerror or str(error)) from error


class Parser(argparse.ArgumentParser):
    """Options are written out, so that a new one never makes a script's abbreviation ambiguous."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, epilog=EXIT_CODES)

    def print_help(self, file: Any = None) -> None:
        # argparse takes no notice of an output that cannot be written.
        out = Output()
        out.write(self.format_help().encode())
        out.flush()

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.format_usage()}{self.prog}: {visible(message)}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            write_stderr(message)
        raise SystemExit(status)


class Command(NamedTuple):
    name: str
    help: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


# JSON may hold these as they are, but a terminal obeys some, and others end a line or are no UTF-8.
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text on one line: what is not printable, but tabs, as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text
    )


def json_line(facts: object, indent: int | None = None) -> bytes:
    return json_safe(json.dumps(facts, ensure_ascii=False, indent=indent)).encode() + b"\n"


def json_safe(text: str) -> str:
    """JSON that a terminal does not obey, with what ends a line or is no UTF-8 as escapes."""
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def known(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without those that this format, queue or cycle does not have."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
