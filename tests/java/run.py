"""Runs a class of the Java peers: ``run.py [--release R] Dump DIRECTORY [reverse]``; builds the release first.

The process is replaced by Java's, so that its exit code, pipes and signals are Java's own.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fix_java import RELEASE, PeerUnavailableError, build_peer


def main() -> None:
    """Builds and becomes Java."""
    parser = argparse.ArgumentParser(description="run a class of the Java peers")
    parser.add_argument("--release", default=RELEASE)
    parser.add_argument("main_class", metavar="CLASS", help="Peer, Dump or Bench")
    parser.add_argument("arguments", nargs="*")
    arguments = parser.parse_args()
    try:
        command = build_peer(arguments.release).command(arguments.main_class, *arguments.arguments)
    except PeerUnavailableError as error:
        sys.exit(f"run.py: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
