"""The fuzz target of native/cx_columns.c, run for a bounded time: by libFuzzer where there is clang, and by our own loop.

Both with AddressSanitizer and UBSan. It starts from documents as Java and we write them. An input that libFuzzer stumbles
over is kept in build/fuzz_columns; our own loop does the same again whenever it gets the same seed.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Budget

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "tests" / "fuzz" / "fuzz_columns.c", ROOT / "native" / "cx_columns.c"]
SANITIZE = "address,undefined"
COMMON = [
    "-std=c11",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-sanitize-recover=undefined",
    f"-I{ROOT / 'native'}",
]
FOUND = ROOT / "build" / "fuzz_columns"

FIELDS = bytes.fromhex(
    "c26964a70500000000000100 c473696465e3425559 c67379626f6c78b805303132333435 c27078929601 c3717479a52c01 c46c697665b1"
    "c16eba a101"
) + bytes.fromhex("c27473a70000a7dcd54ef411 c164b30a323032342d30332d3035 c175a0000102030405060708090a0b0c0d0e0f")
DOCUMENTS = [
    bytes.fromhex("c178a101c179e27979"),
    FIELDS,
    b"\xb9\x05order\xb6\x03Abc\x82" + struct.pack("<I", len(FIELDS)) + FIELDS,
    bytes.fromhex("b90374776f8204000000e161a103"),
    bytes.fromhex("b9037361 79e26869".replace(" ", "")),
    bytes.fromhex("ba05e26964"),
    bytes.fromhex("c17690000080 4fc1779000 00005f".replace(" ", "")) + bytes.fromhex("c16691182d4454fb210940"),
    bytes.fromhex("c1618e020000000000a701000000000000008f8f") + b"\xbe\x05hello\xc1b\x80\x04\x8a\x01\x02\x03",
    b"\xb9\x01o\x80\x0f\xc1a\x81\x05\x00\xc1b\xc1ca\xc1d\xbb\xb0" + b"\xc1e\x96\x85\x00",
    b"\xe7hello 0",
    b"\xba\x80\x00\x81\x20\x00\x86\x01" + bytes(12) + b"\x02" + bytes(16) + b"\x8f" + b"\xb9\x03say\xe2hi",
    b"\xb8\x20" + b"x" * 32,
]


def corpus(directory: Path) -> list[Path]:
    """An input for each document, four times, and one of all."""
    directory.mkdir()
    inputs = [[document] * 4 for document in DOCUMENTS] + [DOCUMENTS]
    paths = []
    for number, documents in enumerate(inputs):
        paths.append(directory / f"{number:03}")
        paths[-1].write_bytes(b"".join(struct.pack("<H", len(one)) + one for one in documents))
    return paths


# In the sanitizers' stage of CI their library is loaded into this process; these have their own.
ENVIRON = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "ASAN_OPTIONS")}


def compiled(program: Path, compiler: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [compiler, *COMMON, *flags, "-o", str(program), *map(str, SOURCES)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRON, check=False)


def run_bounded(*command: str, seconds: int) -> str:
    """What it printed; a failure unless it ended by itself and found nothing."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, env=ENVIRON, check=False)
    assert done.returncode == 0, (
        f"exit code {done.returncode} of {command}; inputs are kept in {FOUND}:\n{done.stderr[-6000:]}"
    )
    return done.stderr


def test_libfuzzer_finds_nothing(tmp_path: Path, budget: Budget) -> None:
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("there is no clang; the loop below runs without")
    built = compiled(tmp_path / "fuzz", clang, f"-fsanitize=fuzzer,{SANITIZE}")
    if "libclang_rt" in built.stderr:
        pytest.skip("clang has no libclang-rt here")
    assert built.returncode == 0, built.stderr
    corpus(tmp_path / "corpus")
    FOUND.mkdir(parents=True, exist_ok=True)
    seconds = budget.of(2, 12, 600)
    report = run_bounded(
        str(tmp_path / "fuzz"), f"-max_total_time={seconds}", "-max_len=2048", "-print_final_stats=1",
        f"-artifact_prefix={FOUND}/", str(tmp_path / "corpus"), seconds=seconds,
    )  # fmt: skip
    runs = re.search(r"number_of_executed_units:\s*(\d+)", report)
    assert runs is not None and int(runs[1]) > 1000 * seconds, report[-2000:]


def test_mutations_of_real_documents_find_nothing(tmp_path: Path, budget: Budget) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    built = compiled(tmp_path / "fuzz", compiler, f"-fsanitize={SANITIZE}", "-DSTANDALONE")
    if "cannot find -lasan" in built.stderr or "libasan" in built.stderr:
        pytest.skip("the compiler has no AddressSanitizer here")
    assert built.returncode == 0, built.stderr
    seconds = budget.of(2, 6, 300)
    files = map(str, corpus(tmp_path / "corpus"))
    report = run_bounded(str(tmp_path / "fuzz"), str(seconds), "20261122", *files, seconds=seconds)
    runs = re.search(r"Done (\d+) runs", report)
    assert runs is not None and int(runs[1]) > 1000 * seconds, report[-2000:]


def test_the_target_sees_a_fault(tmp_path: Path) -> None:
    """With one check of a length taken out of the C file, the same loop ends in a report."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    sound = SOURCES[1].read_text()
    check = "return end - at < 8 ? NULL : whole(out, load64(at), at + 8);"
    assert sound.count(check) == 1
    broken = tmp_path / "cx_columns.c"
    broken.write_text(sound.replace(check, "return whole(out, load64(at), at + 8);"))
    command = [compiler, *COMMON, f"-fsanitize={SANITIZE}", "-DSTANDALONE", "-o", str(tmp_path / "fuzz")]
    built = subprocess.run(
        [*command, str(SOURCES[0]), str(broken)], capture_output=True, text=True, timeout=120, env=ENVIRON, check=False
    )
    if "libasan" in built.stderr or "-lasan" in built.stderr:
        pytest.skip("the compiler has no AddressSanitizer here")
    assert built.returncode == 0, built.stderr
    files = map(str, corpus(tmp_path / "corpus"))
    done = subprocess.run(
        [str(tmp_path / "fuzz"), "60", "1", *files],
        capture_output=True,
        text=True,
        timeout=180,
        env=ENVIRON,
        check=False,
    )
    assert done.returncode != 0
    assert "ERROR: AddressSanitizer" in done.stderr
