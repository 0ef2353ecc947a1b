"""Runs a class of the Java peers: ``run.py [--release R] Dump DIRECTORY [reverse]``; builds the release first.

The process is replaced by Java's, so that its exit code, pipes and signals are Java's own. What builds the peers is made
of pytest fixtures: an interpreter without pytest hands over to the one of the checkout's `.venv/`.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
VENV_PYTHON = TESTS.parent / ".venv" / "bin" / "python"


def find_pytest() -> None:
    """Returns in an interpreter that has pytest, or ends the script."""
    if find_spec("pytest") is not None:
        return
    in_venv = Path(sys.prefix).resolve() == VENV_PYTHON.parent.parent.resolve()
    if in_venv or not os.access(VENV_PYTHON, os.X_OK):
        sys.exit("run.py: pytest is needed: `python3 tests/run.py shell` makes a .venv/ with it")
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), *sys.argv])


def main() -> None:
    """Builds and becomes Java."""
    find_pytest()
    sys.path.insert(0, str(TESTS))
    from fix_java import RELEASE, PeerUnavailableError, build_peer
    from fix_java3 import RELEASE3, build_peer3

    parser = argparse.ArgumentParser(description="run a class of the Java peers")
    parser.add_argument("--release", default=RELEASE)
    parser.add_argument("main_class", metavar="CLASS", help="Peer, Dump or Bench (of release 3.6.0: Peer3)")
    parser.add_argument("arguments", nargs="*")
    arguments = parser.parse_args()
    try:
        build = build_peer3 if arguments.release == RELEASE3 else build_peer
        command = build(arguments.release).command(arguments.main_class, *arguments.arguments)
    except PeerUnavailableError as error:
        sys.exit(f"run.py: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
