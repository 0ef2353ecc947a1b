"""Damaged Indexed journals: only ChronixError comes out, soon, and appending loses nothing that could still be read."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import indexed_damage
import pytest
from build_variants import environment

import pychronix as px

Patch = tuple[int, "str | None"]
Case = tuple[list[Patch], list[Patch]]

LINES = 4  # With entries; 14 in each.


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Excerpts of all kinds: empty ones, some that fill a block, padding; some 50 numbers."""
    path = tmp_path_factory.mktemp("indexed") / "q"
    generator = random.Random(5)
    with px.open_queue(path, "a", **indexed_damage.OPTIONS) as queue, queue.appender() as appender:  # type: ignore[arg-type]
        for number in range(47):
            appender.append(b"%d:" % number * generator.choice((0, 1, 3, 100, 300, 500)))
        assert 14 * (LINES - 1) < queue.count() < 14 * LINES
    return path


def run(journal: Path, cases: list[Case]) -> list[str]:
    """Tries all cases; what went wrong."""
    bad: list[str] = []
    done = 0
    with tempfile.TemporaryDirectory(prefix="pychronix-indexed-") as scratch:
        while done < len(cases) and len(bad) < 10:
            Path(scratch, "cases").write_text(json.dumps(cases[done:]))
            process = subprocess.run(
                [sys.executable, "-X", "faulthandler", indexed_damage.__file__, scratch, journal, f"{scratch}/cases"],
                env=environment(), capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
            last = -1
            for line in process.stdout.splitlines():
                word, _, rest = line.partition(" ")
                if word == "case":
                    last = int(rest)
                elif word == "bad":
                    number, _, what = rest.partition(" ")
                    bad.append(f"{cases[done + int(number)]}: {what}")
                elif word == "end":
                    return bad
            assert last >= 0, f"the worker did not start: {process.stderr[-2000:]}"
            bad.append(f"{cases[done + last]}: ended with {process.returncode}: {process.stderr[-2000:]}")
            done += last + 1
    return bad


def test_each_byte_of_the_index(journal: Path, budget) -> None:
    generator = random.Random(1)
    index = Path(f"{journal}.index").read_bytes()
    cases: list[Case] = []
    for at in range(64 * (LINES + 1)):
        flipped = [index[at] ^ 1 << bit for bit in range(8)]
        values = budget.of([generator.choice(flipped), 0xFF], [*flipped, 0, 0xFF], list(range(256)))
        cases += [([(at, bytes([value]).hex())], []) for value in dict.fromkeys(values) if value != index[at]]
    assert run(journal, cases) == []


def test_words_of_the_index(journal: Path, budget) -> None:
    """Bases and entries of the kinds that reckoning goes wrong with, one at a time and many at once."""
    generator = random.Random(2)
    bases = [-1, 1, 4096, (1 << 31) - 1, 1 << 31, 1 << 40, 1 << 48, (1 << 63) - 1, -(1 << 63)]
    entries = [1, -1, 4096, -4096, (1 << 31) - 1, -(1 << 31), -(1 << 31) + 1, 1 << 30]
    cases: list[Case] = []
    for line in range(LINES + 1):
        cases += [([(64 * line, struct.pack("<q", base).hex())], []) for base in bases]
        for k in range(14):
            at = 64 * line + 8 + 4 * k
            cases += [([(at, struct.pack("<i", entry).hex())], []) for entry in entries]
    for _ in range(budget.of(100, 2_000, 50_000)):
        patches: list[Patch] = []
        for _ in range(generator.randrange(2, 12)):
            at = 64 * generator.randrange(64) + 4 * generator.randrange(16)
            patches.append((at, struct.pack("<i", generator.choice([*entries, 0, generator.randrange(9000)])).hex()))
        cases.append((patches, []))
    cases += [([(0, generator.randbytes(4096).hex())], []) for _ in range(budget.of(30, 200, 5_000))]
    assert run(journal, cases) == []


def test_files_cut_anywhere(journal: Path, budget) -> None:
    step = budget.of(13, 5, 1)
    lengths = range(0, 64 * (LINES + 1), step)
    cases: list[Case] = [([(length, None)], []) for length in lengths]
    cases += [([], [(length, None)]) for length in range(0, Path(f"{journal}.data").stat().st_size, 97 * step)]
    cases += [([(length, None)], [(length * 40, None)]) for length in lengths]
    assert run(journal, cases) == []


def test_the_worker_tells_what_is_wrong(journal: Path) -> None:
    """The search sees what it looks for: a patch that cannot be applied is an exception that is no ChronixError."""
    bad = run(journal, [([(0, "zz")], [])])
    assert len(bad) == 1
    assert "ended with" in bad[0]
