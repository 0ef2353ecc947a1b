"""Flushes seen, and made to fail: a library between a child process and fsync(), fdatasync() and syncfs().

``flushes(program, tmp_path, fail_at=n)`` runs a Python program in a child, which finds ``note(text)`` defined, and returns
what happened in order: ``fsync <path>`` and the like for each call, and what the program noted. The n-th call fails with
EIO and flushes nothing. Needs the C compiler that the extension itself was built with.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from build_variants import environment

_SHIM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls;

static int flush(const char *name, long number, int fd)
{
    char link[64], line[5000];
    const char *log = getenv("PYCHRONIX_FLUSH_LOG"), *fail_at = getenv("PYCHRONIX_FLUSH_FAIL_AT");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int used = snprintf(line, sizeof line, "%s ", name);
    ssize_t got = readlink(link, line + used, sizeof line - (size_t)used - 1);
    used += got > 0 ? (int)got : 0;
    line[used++] = '\n';
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (out < 0 || write(out, line, (size_t)used) != used)
        abort();
    close(out);
    if (fail_at != NULL && ++calls == atoi(fail_at)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(number, fd);
}

int fsync(int fd) { return flush("fsync", SYS_fsync, fd); }
int fdatasync(int fd) { return flush("fdatasync", SYS_fdatasync, fd); }
int syncfs(int fd) { return flush("syncfs", SYS_syncfs, fd); }
"""

_PRELUDE = """
import os, sys
import pychronix as px

def note(text):
    with open(os.environ["PYCHRONIX_FLUSH_LOG"], "a") as log:
        log.write(f"{text}\\n")
"""


@functools.cache
def _library() -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    directory = Path(tempfile.mkdtemp(prefix="pychronix-flush-"))
    (directory / "shim.c").write_text(_SHIM)
    library = str(directory / "shim.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(directory / "shim.c")], check=True, timeout=60)
    return library


def flushes(program: str, tmp_path: Path, *arguments: object, fail_at: int = 0) -> list[str]:
    """Flushes and notes of a program, in order. Paths below tmp_path are given relative to it."""
    log = tmp_path / "flushes.log"
    log.unlink(missing_ok=True)
    preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), _library()]))  # A sanitizer wants to be first.
    environ = {**environment(), "LD_PRELOAD": preload, "PYCHRONIX_FLUSH_LOG": str(log)}
    if fail_at:
        environ["PYCHRONIX_FLUSH_FAIL_AT"] = str(fail_at)
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + program, *map(str, arguments)],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.replace(f"{os.path.realpath(tmp_path)}/", "") for line in lines]
