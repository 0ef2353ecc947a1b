"""A program in a process of its own, so that a signal is a failure and not the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from build_variants import environment

_PREAMBLE = """
import contextlib, errno, faulthandler, os, signal, sys, threading, time
from pathlib import Path
import pychronix as px
from pychronix import errors, inspect
faulthandler.enable()
signal.alarm({deadline})
path = Path(sys.argv[1])
def raises(kind, call, *args, **kwargs):
    try:
        result = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{{call}} gave {{result!r}}, {{kind}} was due")
"""

Program = Callable[..., str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs Python text as a process of its own; its stdout. Anything but exit code 0 is a failure that names it.

    The text has px, os, sys, threading, time, `path` (the first argument) and `raises`.
    """

    def run(text: str, *arguments: object, deadline_s: int = 60, env: dict[str, str] | None = None) -> str:
        source = _PREAMBLE.format(deadline=deadline_s) + textwrap.dedent(text)
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", source, *map(str, arguments)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            # Into files: a grandchild that lives on must not keep a pipe, and us, waiting.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env or environment(), cwd=tmp_path
            )
            try:
                code = process.wait(deadline_s + 10)
            except subprocess.TimeoutExpired:
                code = -999
            finally:
                process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            said, wailed = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        if code:
            name = signal.Signals(-code).name if 0 < -code < 65 else f"exit code {code}"
            text = textwrap.dedent(text)
            pytest.fail(f"the program ended with {name}\n{said[-2000:]}\n{wailed[-6000:]}\n--- of\n{text}")
        assert not wailed, f"the program said on stderr: {wailed[-4000:]}"
        return said

    return run
