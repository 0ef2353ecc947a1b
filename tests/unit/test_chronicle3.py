"""What a Chronicle 3.x journal is taken for, by the names and lengths of its files."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix import UnsupportedFormatError, UsageError, VanillaCycle
from pychronix.chronicle3 import Chronicle3Options, Chronicle3Settings, detect, indexed_base, resolve
from pychronix.errors import NotReadyError

KIB, MIB = 1 << 10, 1 << 20


def leaf(root: Path, name: str, tid: int = 26915, index_bytes: int = 4 * KIB, data_bytes: int = 64 * KIB,
         bits: int = 22, entries: int = 3) -> None:  # fmt: skip
    """A cycle directory with one index and one data file, sparse but for the entries."""
    directory = root / name
    directory.mkdir(parents=True)
    with open(directory / "index-0", "wb") as file:
        file.write(struct.pack(f"<{entries}Q", *((tid << (64 - bits)) + 4 + 8 * i for i in range(entries))))
        file.truncate(index_bytes)
    with open(directory / f"data-{tid}-0", "wb") as file:
        file.truncate(data_bytes)


def settings(root: Path, roll: str | None = None, **options: int) -> Chronicle3Settings:
    return resolve("vanilla", str(root), roll, Chronicle3Options(**options))[0]  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "name, format, length_ms",
    [
        ("20240305", "yyyyMMdd", 86_400_000),
        ("2024030510", "yyyyMMddHH", 3_600_000),
        ("202403051037", "yyyyMMddHHmm", 60_000),
        ("20240305103742", "yyyyMMddHHmmss", 1000),
        ("20240305/1037/42", "yyyyMMdd/HHmm/ss", 1000),
        ("2024-03-05T10h", "yyyy-MM-dd'T'HH'h'", 3_600_000),
        ("2024/day 03.05", "yyyy/'day 'MM.dd", 86_400_000),
    ],
)
def test_the_cycle_is_read_off_the_names(tmp_path: Path, name: str, format: str, length_ms: int) -> None:
    leaf(tmp_path, name)
    found = settings(tmp_path).cycle
    assert (format, length_ms) == (found.format, found.length_ms)
    assert name == found.file_name(found.cycle_of_file(name) or 0)


def test_known_names_are_javas_cycles(tmp_path: Path) -> None:
    leaf(tmp_path, "20240305103742")
    assert VanillaCycle.SECONDS == settings(tmp_path).cycle


def test_names_that_are_no_dates_need_the_format(tmp_path: Path) -> None:
    leaf(tmp_path, "0305")
    with pytest.raises(UnsupportedFormatError, match="0305"):
        settings(tmp_path)


def test_a_wished_cycle_counts_where_it_fits_the_names(tmp_path: Path) -> None:
    leaf(tmp_path, "20240305")
    assert 3_600_000 == settings(tmp_path, entries_per_cycle=256).cycle.length_ms // 24
    found, differences = resolve("vanilla", str(tmp_path), "SECONDS", {})
    assert VanillaCycle.DAYS == found.cycle
    assert ["the journal's directories are named yyyyMMdd, not yyyyMMddHHmmss"] == differences


@pytest.mark.parametrize("bits", [15, 16, 17, 22, 24])
def test_thread_bits_are_those_that_name_the_data_files(tmp_path: Path, bits: int) -> None:
    leaf(tmp_path, "20240305", bits=bits)
    assert bits == settings(tmp_path).thread_bits


def test_thread_bits_without_entries_are_this_machines(tmp_path: Path) -> None:
    leaf(tmp_path, "20240305", entries=0)
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())
    assert (pid_max - 1).bit_length() == settings(tmp_path).thread_bits


def test_block_sizes_are_the_files_lengths(tmp_path: Path) -> None:
    leaf(tmp_path, "20240305", index_bytes=KIB, data_bytes=MIB)
    found, differences = resolve("vanilla", str(tmp_path), None, {"data_block_bytes": 2 * MIB})
    assert (KIB, MIB) == (found.index_block_bytes, found.data_block_bytes)
    assert ["the journal's data_block_bytes is 1048576, not 2097152 as asked for"] == differences


def test_a_file_cut_short_does_not_decide(tmp_path: Path) -> None:
    leaf(tmp_path, "20240305", data_bytes=64 * KIB)
    leaf(tmp_path, "20240306", data_bytes=5000)
    assert 64 * KIB == settings(tmp_path).data_block_bytes


def test_defaults_are_javas(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert not found.exists
    assert (16 * MIB, 64 * MIB, 128 * KIB) == (found.index_block_bytes, found.data_block_bytes, found.reserve_bytes)
    assert VanillaCycle.DAYS == found.cycle


@pytest.mark.parametrize(
    "options",
    [
        {"data_block_bytes": 6000},
        {"index_block_bytes": 512},
        {"data_block_bytes": 2 << 30},
        {"entries_per_cycle": 255},
        {"entries_per_cycle": 1 << 49},
        {"entries_per_cycle": 256},  # Of index files with 2^21.
        {"thread_bits": 7},
        {"thread_bits": 33},
        {"thread_id": -1},
        {"thread_id": 1 << 15, "thread_bits": 15},
        {"reserve_bytes": 64 * MIB},
        {"max_mapped_bytes": 0},
    ],
)
def test_options_out_of_range(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        settings(tmp_path, **options)


@pytest.mark.parametrize(
    "options",
    [{"synchronous": "no"}, {"synchronous": 1}, {"thread_id": "5"}, {"data_block_bytes": None}, {"no_such": 1}],
)
def test_options_of_other_types(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        settings(tmp_path, **options)


@pytest.mark.parametrize(
    "format, option",
    [
        ("vanilla", "line_bytes"),
        ("indexed", "entries_per_cycle"),
        ("indexed", "thread_bits"),
        ("indexed", "thread_id"),
        ("indexed", "max_mapped_bytes"),
    ],
)
def test_an_option_that_the_format_has_not_is_refused(tmp_path: Path, format: str, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is an option of .* journals, and .* is {format}"):
        resolve(format, str(tmp_path / "q"), None, {option: 64})  # type: ignore[misc]


def test_indexed_options(tmp_path: Path) -> None:
    path = str(tmp_path / "prices")
    found = resolve("indexed", path, None, {"line_bytes": 128})[0]
    assert (128, 128 * MIB, 32 * MIB, 128 * KIB) == (
        found.line_bytes, found.data_block_bytes, found.index_block_bytes, found.reserve_bytes)  # fmt: skip
    assert 4 * KIB == resolve("indexed", path, None, {"data_block_bytes": 8 * KIB})[0].reserve_bytes
    for wrong in ({"line_bytes": 100}, {"data_block_bytes": 100}, {"index_block_bytes": 4097}, {"reserve_bytes": -1}):
        with pytest.raises(UsageError):
            resolve("indexed", path, None, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not roll"):
        resolve("indexed", path, "DAYS", {})


def test_detection(tmp_path: Path) -> None:
    assert detect(str(tmp_path / "missing")) is None
    assert detect(str(tmp_path)) is None
    for suffix in (".index", ".data"):
        (tmp_path / f"prices{suffix}").write_bytes(b"")
        assert str(tmp_path / "prices") == indexed_base(str(tmp_path / f"prices{suffix}"))
    assert "indexed" == detect(str(tmp_path / "prices"))
    assert "indexed" == detect(str(tmp_path / "prices.index"))
    leaf(tmp_path / "v", "20240305")
    assert "vanilla" == detect(str(tmp_path / "v"))
    (tmp_path / "v" / "20240305F.cq4").write_bytes(b"")
    assert detect(str(tmp_path / "v")) is None


def test_a_foreign_tree_is_left_soon(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "1")  # A loop.
    assert detect(str(tmp_path)) is None


@pytest.mark.parametrize("roll", ["FORTNIGHTS", "yyyy", "", 5])
def test_what_is_no_cycle(roll: object) -> None:
    with pytest.raises(UsageError, match="SECONDS"):
        VanillaCycle.of(roll)  # type: ignore[arg-type]


def test_arithmetic_of_the_specs_examples() -> None:
    days = VanillaCycle.DAYS
    assert 18187021835042826 == days.index(days.cycle_at(1_429_142_400_000), 10)
    assert 22846752113557504 == days.index(20779, 0)
    assert "20261122" == days.file_name(20779)
    assert (20779, 0) == (days.cycle_of(22846752113557504), days.sequence_of(22846752113557504))
    for cycle, sequence in ((-1, 0), (1 << 31, 0), (0, -1), (0, 1 << 40)):
        with pytest.raises(UsageError):
            days.index(cycle, sequence)


def test_an_unknown_option_is_told_with_those_there_are(tmp_path: Path) -> None:
    options: Any = {"index_block": 4096}
    with pytest.raises(TypeError, match=r"'index_block'; Chronicle 3\.x has entries_per_cycle, index_block_bytes"):
        resolve("vanilla", str(tmp_path / "q"), None, options)


def test_a_first_file_without_length_is_waited_for(tmp_path: Path) -> None:
    """Between its creation and its first mapping a file tells no block size: the default would be a wrong guess."""
    leaf(tmp_path / "q", "20240305", entries=0)
    data = next((tmp_path / "q" / "20240305").glob("data-*"))
    os.truncate(data, 0)
    with pytest.raises(NotReadyError, match="give data_block_bytes"):
        px.open_queue(tmp_path / "q", timeout_ms=20)
    assert 64 * KIB == settings(tmp_path / "q", data_block_bytes=64 * KIB).data_block_bytes
    growing = threading.Timer(0.05, os.truncate, (data, 64 * KIB))
    growing.start()
    with px.open_queue(tmp_path / "q", timeout_ms=20_000) as queue:
        assert queue.chronicle3 is not None
        assert 64 * KIB == queue.chronicle3.data_block_bytes
    growing.join()


def test_a_first_index_file_is_waited_for(tmp_path: Path) -> None:
    """An appender makes its data file first: until the index file is there, too, its size is anybody's guess."""
    leaf(tmp_path / "q", "20240305", index_bytes=4 * KIB)
    index = tmp_path / "q" / "20240305" / "index-0"
    index.rename(tmp_path / "kept")
    with pytest.raises(NotReadyError, match="give index_block_bytes"):
        px.open_queue(tmp_path / "q", timeout_ms=20)
    assert 8 * KIB == settings(tmp_path / "q", index_block_bytes=8 * KIB).index_block_bytes
    leaf(tmp_path / "q", "20240304", index_bytes=KIB)  # Another day's tells it as well.
    assert KIB == settings(tmp_path / "q").index_block_bytes
