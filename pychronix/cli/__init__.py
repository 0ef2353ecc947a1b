"""The command line: parse, call the library, format.

The decision hidden here is what a shell user sees: options, lines, exit codes. Only the public API is used.

Rules
- A command is a function of its parsed options that returns nothing; COMMANDS lists them with their options. Whatever
  prints messages shares ``--output``; the formats stand in showing.OUTPUTS.
- Standard output carries data alone, as UTF-8 whatever the locale. All else goes to standard error.
- Exit codes: 0, 1 for an error (one line on standard error), 2 for wrong usage, 130 after Ctrl-C. A closed pipe, as
  ``head`` leaves it, is the end of the work and no error; an output that cannot be written is one.
- What is asked of a queue is asked of every format's. A fact that a format does not have is None there and left out.
- Errors and hints name options, never arguments of Python functions: see HINTS and WORDS in shell.
- PYCHRONIX_DEBUG=1 shows the traceback of an error.

The modules: ``shell`` is the ground (output, errors, lines), ``options`` says what commands share and which queue is
meant, ``messages`` what a message is taken for, ``showing`` how it is printed, ``choosing`` whether, ``colours`` how
bright; ``reading`` has cat and tail, ``appending`` what becomes an excerpt, ``network`` serves and copies, ``info`` tells
facts, ``checking`` judges, ``fql`` prints Cassandra's logs.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

import pychronix as px
from pychronix.cli.appending import APPEND
from pychronix.cli.checking import VERIFY
from pychronix.cli.fql import FQL
from pychronix.cli.info import INFO
from pychronix.cli.network import REPLICATE, SERVE
from pychronix.cli.reading import CAT, TAIL
from pychronix.cli.shell import (
    EXIT_ERROR,
    EXIT_INTERRUPT,
    EXIT_OK,
    EXIT_USAGE,
    Output,
    OutputError,
    Parser,
    ReaderGoneError,
    WrongUsageError,
    abandon_stdout,
    complain,
    show_warning,
    told,
)

__all__ = ["COMMANDS", "main", "main_entry"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; argv is without the program's name."""
    try:
        options, unknown = _parser().parse_known_args(argv)
        if unknown:
            # Said by the command's parser: argparse would show the usage of all commands, which has no option of this one.
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            warnings.simplefilter("always", px.ChronixWarning)
            options.run(options)
    except SystemExit as leaving:  # argparse has printed help or what is wrong
        return leaving.code if isinstance(leaving.code, int) else EXIT_USAGE
    except KeyboardInterrupt:
        abandon_stdout()
        return EXIT_INTERRUPT
    except ReaderGoneError:
        abandon_stdout()
    except OutputError as error:
        abandon_stdout()
        complain(f"cannot write to standard output: {error}")
        return EXIT_ERROR
    except WrongUsageError as error:
        complain(str(error))
        return EXIT_USAGE
    except Exception as error:
        if os.environ.get("PYCHRONIX_DEBUG", "0") not in ("", "0"):
            raise
        complain(told(error))
        return EXIT_ERROR
    return EXIT_OK


def main_entry() -> None:
    """The ``pychronix`` script."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="pychronix", description="Reads, appends to and tails Chronicle Queues.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.description)
        command.add_options(subparser)
        subparser.set_defaults(run=command.run, parser=subparser)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than many a command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        try:
            version = importlib.metadata.version("pychronix")
        except importlib.metadata.PackageNotFoundError:
            version = "(run from a checkout that is not installed)"
        out = Output()
        out.write(f"pychronix {version}\n".encode())
        out.flush()
        parser.exit()


# What there is, in the order of the help. A command and its options stand in the module that decides what it does.
COMMANDS = (CAT, TAIL, INFO, VERIFY, APPEND, SERVE, REPLICATE, FQL)
