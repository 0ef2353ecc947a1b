"""``verify``: whether a queue is sound, by a judge that shares no code with what reads and writes it."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from pychronix.cli.options import CHRONICLE3_SETTINGS, add_chronicle3, add_queue, check_local, open_queue
from pychronix.cli.shell import EXIT_ERROR, Command, Output, json_line, known, visible


def _add_verify(parser: argparse.ArgumentParser) -> None:
    add_queue(parser)
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    add_chronicle3(parser)


def _verify(options: argparse.Namespace) -> None:
    check_local(options)
    inspect: Any = importlib.import_module("pychronix.inspect")  # brings construct, which takes its time
    layout = None
    if options.roll is not None or any(getattr(options, name) is not None for name in CHRONICLE3_SETTINGS):
        with open_queue(options) as queue:
            layout = None if queue.chronicle3 is None else inspect.layout_of(queue.chronicle3)
    report = inspect.verify(options.queue, layout)
    out = Output()
    if options.json:
        out.write(json_line(_facts(report), indent=2))
    else:
        for line in str(report).splitlines():
            out.write(visible(line).encode("utf-8", "backslashreplace") + b"\n")
    out.flush()
    if not report.ok:
        raise SystemExit(EXIT_ERROR)


def _facts(report: Any) -> dict[str, Any]:
    return {
        "path": report.path,
        "format": report.format.value,
        **known({"roll_cycle": report.roll_cycle and report.roll_cycle.name}),
        "ok": report.ok,
        "clean": report.clean,
        "messages": report.messages,
        "kinds": dict(report.kinds),
        "findings": [
            known({name: getattr(one, name) for name in ("severity", "kind", "path", "offset", "message")})
            for one in report.findings
        ],
        "cycles": [
            {
                name: getattr(cycle, name)
                for name in ("cycle", "path", "messages", "metadata", "index_pages", "data_end", "size", "closed")
            }
            for cycle in report.cycles
        ],
    }


VERIFY = Command(
    "verify",
    "check that a queue is sound",
    "Checks every byte of a queue that has a meaning, by the specification of its format, and tells what is wrong. Exit "
    "code 1 if anything is; a warning, as a writer leaves it that died, is not. Nothing is written to the queue.",
    _add_verify,
    _verify,
)
