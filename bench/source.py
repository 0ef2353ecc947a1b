"""A fresh process that serves a journal over TCP, prints the port, and ends with its standard input.

``python -m bench.source QUEUE``
"""

from __future__ import annotations

import sys

import pychronix as px
from pychronix.tcp import serve


def main(path: str) -> None:
    """Serves it."""
    with px.open_queue(path) as queue, serve(queue, read_only=True) as source:
        print(source.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
