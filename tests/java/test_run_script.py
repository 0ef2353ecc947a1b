"""``run.py`` in an interpreter without pytest, which what builds the peers is made with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parent / "run.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script alone, where it stands in a checkout."""
    (tmp_path / "tests" / "java").mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "tests" / "java")
    return tmp_path


def run(checkout: Path, *arguments: str) -> tuple[int, str, str]:
    # Without site there are no installed packages.
    command = [sys.executable, "-I", "-S", "tests/java/run.py", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_it_goes_on_in_the_checkouts_venv(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    assert (0, "tests/java/run.py --release 5.26ea7 Dump q\n", "") == run(checkout, "--release", "5.26ea7", "Dump", "q")


def test_without_a_venv_it_says_how_to_get_one(checkout: Path) -> None:
    message = "run.py: pytest is needed: `python3 tests/run.py shell` makes a .venv/ with it\n"
    assert (1, "", message) == run(checkout, "Dump", "q")
