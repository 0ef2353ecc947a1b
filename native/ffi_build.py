"""Builds `pychronix._native` (cffi, API mode) from the C sources beside this file.

Who calls it: setup.py through `cffi_modules`. The boundary header is both the cdef and the C include, so the two cannot
drift. Environment switches, all off by default: CX_WERROR=1 (warnings are errors, as in CI), CX_SANITIZE=1 (ASan and
UBSan), CX_KILL_POINTS=1 (named places at which a test may kill the process), CX_TINY_WINDOWS=1 (64 KiB windows).
"""

import os
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
SOURCES = ["cx_error.c", "cx_fault.c", "cx_map.c", "cx_wire.c", "cx_roll.c", "cx_listing.c", "cx_table.c", "cx_store.c",
           "cx5_queue.c", "cx5_appender.c", "cx5_tailer.c", "cx3_vanilla.c", "cx3_vanilla_appender.c",
           "cx3_vanilla_tailer.c", "cx3_indexed.c", "cx3_indexed_appender.c", "cx3_indexed_tailer.c", "cx_columns.c",
           "cx_api.c"]


def switched_on(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


def relative(path: Path) -> str:
    """setuptools wants source paths relative to the project's root."""
    return os.path.relpath(path, HERE.parent)


compile_args = ["-std=c11", "-D_GNU_SOURCE", "-O3", "-fvisibility=hidden", "-fno-strict-aliasing"]
link_args: list[str] = []
if switched_on("CX_WERROR"):
    # cffi's generated file is not ours to mend: its conversions are exempted by a pragma in the preamble below.
    compile_args += ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
if switched_on("CX_SANITIZE"):
    compile_args += ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-wrapv",  # Python's own -fwrapv would hide overflows
                     "-fsanitize=address,undefined",
                     "-fno-sanitize-recover=undefined"]
    link_args += ["-fsanitize=address,undefined"]
for switch in ("CX_SANITIZE", "CX_KILL_POINTS", "CX_TINY_WINDOWS"):
    if switched_on(switch):
        compile_args.append(f"-D{switch}=1")

ffibuilder = FFI()
ffibuilder.cdef((HERE / "chronix_api.h").read_text())
ffibuilder.set_source(
    "pychronix._native",
    '#include <stdint.h>\n#include <stddef.h>\n#include "chronix_api.h"\n'
    '#pragma GCC diagnostic ignored "-Wconversion"\n'
    '#pragma GCC diagnostic ignored "-Wunused-parameter"\n'
    '#pragma GCC diagnostic ignored "-Wshadow"\n',
    sources=[relative(HERE / name) for name in SOURCES],
    depends=[relative(path) for path in sorted(HERE.glob("*.h"))],
    include_dirs=[relative(HERE)],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
