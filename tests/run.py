#!/usr/bin/env python3
"""Sets up a fresh machine, then shows or tests pychronix: `python3 tests/run.py demo`, `python3 tests/run.py test`.

Needs only Python 3.10 or later; nothing goes into the system's Python. A virtual environment is made in `.venv/`
beside this checkout. What only the system can give (a C compiler, Python's headers, the venv module) is installed with
apt-get if this runs as root on Debian or its kin, and asked for otherwise.

    demo        prints a journal that Java made, appends to a copy of it, and tails it
    test        ruff, mypy and the quick test budget; arguments after it go to pytest
    shell       only the set-up: then `. .venv/bin/activate`

Environment: PYCHRONIX_BUDGET=ci runs every stage, as `.ci/run` does: the Java peers, crash and stress tests, a build
in which C warnings are errors, the suite under AddressSanitizer, and wheel and sdist. PYCHRONIX_REQUIRE_PEERS=1 makes a
missing Java a failure. PYCHRONIX_STAGES=ruff,mypy,... runs only those.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = str(BIN / "python")
BUDGET = os.environ.get("PYCHRONIX_BUDGET", "quick")


def run(*command: str, cwd: Path = ROOT, **environ: str) -> None:
    """Runs a command, shown first; stops the whole script if it fails."""
    shown = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in environ.items()), shlex.join(command)])
    print(f"$ {shown}", flush=True)
    code = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, check=False).returncode
    if code:
        sys.exit(f"tests/run.py: exit code {code} of: {shown}")


# --- set-up ----------------------------------------------------------------------------------------------------------


def missing_packages() -> list[str]:
    """Debian packages without which the extension cannot be built here."""
    missing = []
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if not (shutil.which("gcc") or shutil.which("cc")):
        missing.append("gcc")
    if not Path("/usr/include/stdio.h").exists():
        missing.append("libc6-dev")
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        missing.append("python3-dev")
    return missing


def install_packages(packages: Sequence[str]) -> None:
    # Where it fails, missing_packages() tells below what is still wanting.
    apt = ["apt-get", "-q", "-o", "Dpkg::Use-Pty=0"]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *packages]):
        print("$ " + " ".join(command), flush=True)
        subprocess.run(command, env=environ, check=False, stdout=subprocess.DEVNULL)


def prepare() -> None:
    """Makes .venv with pychronix and all tools in it, as an editable install of this checkout."""
    if sys.version_info < (3, 10):  # noqa: UP036 - this script is what an older Python meets first
        sys.exit(f"tests/run.py: Python 3.10 or later is needed, this is {sys.version.split()[0]}")
    missing = missing_packages()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install_packages(missing)
        missing = missing_packages()
    if missing:
        command = "apt-get install " + " ".join(missing)
        sys.exit(f"tests/run.py: this machine lacks {', '.join(missing)}; as root, run: {command}")
    if not venv_works():
        run(sys.executable, "-m", "venv", "--clear", str(VENV))
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[dev]")


def venv_works() -> bool:
    """Whether .venv is there, of this very Python, and complete (a set-up that was interrupted leaves half of one)."""
    if not os.access(PYTHON, os.X_OK):
        return False
    probe = "import sys, pip; print(sys.version_info[:3], sys.base_prefix)"
    answer = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=False).stdout.strip()
    return answer == f"{tuple(sys.version_info[:3])} {sys.base_prefix}"


# --- test ------------------------------------------------------------------------------------------------------------


def stage_ruff(_: Sequence[str]) -> None:
    run(str(BIN / "ruff"), "check", ".")


def stage_mypy(_: Sequence[str]) -> None:
    run(str(BIN / "mypy"))


def stage_pytest(arguments: Sequence[str]) -> None:
    budget = [] if any(argument.startswith("--budget") for argument in arguments) else [f"--budget={BUDGET}"]
    run(str(BIN / "pytest"), *budget, *arguments)


def stage_werror(_: Sequence[str]) -> None:
    """Every C warning is an error. Built apart, so that the installed extension stays as it is."""
    shutil.rmtree(ROOT / "build" / "werror", ignore_errors=True)
    run(*build_command("build/werror"), CX_WERROR="1")


def stage_sanitize(_: Sequence[str]) -> None:
    """The quick budget over a build with AddressSanitizer, UBSan and tiny windows, in a copy of the checkout."""
    copy = ROOT / "build" / "sanitize"
    shutil.rmtree(copy, ignore_errors=True)
    copy_checkout(copy)
    run(PYTHON, "setup.py", "-q", "build_ext", "--inplace", cwd=copy, CX_SANITIZE="1", CX_TINY_WINDOWS="1")
    environ = {
        "LD_PRELOAD": " ".join(compiler_file(name) for name in ("libasan.so", "libubsan.so")),
        # CPython keeps what it allocated at exit, so leaks cannot be told apart; a failed malloc is tested for.
        # SIGBUS is cx_fault.c's, and its tests' business.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:handle_sigbus=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'build'}",
        "PYCHRONIX_PEER_CACHE": str(ROOT / "tests" / "java" / "target"),
    }
    (copy / "build").mkdir(exist_ok=True)
    (copy / "build" / "sitecustomize.py").write_text(UNLIMITED)
    java = shutil.which("java")
    if java:
        # A JVM does not run with a foreign sanitizer loaded into it.
        wrapper = copy / "build" / "java"
        wrapper.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {java} "$@"\n')
        wrapper.chmod(0o755)
        environ["PYCHRONIX_JAVA"] = str(wrapper)
    # Left out: what runs no C code, and the stress tests, whose many processes run builds of their own.
    left_out = [f"--ignore=tests/{name}" for name in ("arch", "stress", "test_java_peer.py", "test_java3_peer.py",
                                                     "fuzz/test_fuzz_columns.py")]
    left_out.append("--deselect=tests/fuzz/test_flip.py::test_the_harness_names_what_goes_wrong")  # dies otherwise here
    left_out += ["-k", "not fork"]  # the sanitizer's allocator is not safe to fork beside threads: the child may hang
    # A fork beside running threads leaves the sanitizer's own locks taken in the child; the plain stage runs these.
    left_out += [f"--deselect=tests/crash/test_handles.py::test_forking_beside_{who}"
                 for who in ("appending_threads", "threads_that_open_queues")]
    run(str(BIN / "pytest"), "--budget=quick", "-p", "no:cacheprovider", *left_out, cwd=copy, **environ)


# AddressSanitizer maps terabytes of address space: a limit below that would end any process at once, and is dropped.
UNLIMITED = '''
import resource

set_limit = resource.setrlimit

def setrlimit(which, limits):
    with open("/proc/self/statm") as file:
        mapped_bytes = int(file.read().split()[0]) * resource.getpagesize()
    if which != resource.RLIMIT_AS or not 0 <= limits[0] < mapped_bytes:
        set_limit(which, limits)

resource.setrlimit = setrlimit
'''


def compiler_file(name: str) -> str:
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def stage_package(_: Sequence[str]) -> None:
    """sdist, a wheel built from that sdist, and its installation, used away from the checkout."""
    with tempfile.TemporaryDirectory(prefix="pychronix-package-") as name:
        away = Path(name)
        source = away / "source"
        copy_checkout(source)
        run(PYTHON, "setup.py", "-q", "sdist", "--dist-dir", str(away), cwd=source)
        (sdist,) = away.glob("*.tar.gz")
        run(sys.executable, "-m", "venv", str(away / "venv"))
        run(str(away / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check", str(sdist), cwd=away)
        shutil.rmtree(source)
        command = str(away / "venv/bin/pychronix")
        print("$ printf 'one\\ntwo\\n' | pychronix append --create q && pychronix cat q", flush=True)
        subprocess.run([command, "append", "--create", "q"], input=b"one\ntwo\n", cwd=away, check=True)
        printed = subprocess.run([command, "cat", "q"], cwd=away, check=True, capture_output=True).stdout
        if printed != b"one\ntwo\n":
            sys.exit(f"tests/run.py: the installed package printed {printed!r}")
        run(str(away / "venv/bin/python"), "-m", "pychronix", "info", "q", cwd=away)


def build_command(directory: str) -> list[str]:
    command = [PYTHON, "setup.py", "-q", "build_ext", "--force"]
    return [*command, f"--build-lib={directory}/lib", f"--build-temp={directory}/temp"]


def copy_checkout(target: Path) -> None:
    """Copies what git tracks (in an unpacked sdist: everything but .venv and build)."""
    listed = b""
    if shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout
    if listed:
        for name in os.fsdecode(listed).split("\0"):
            if name and (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
    else:
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".venv", "build", "_native*.so", "__pycache__"))


QUICK: dict[str, Callable[[Sequence[str]], None]] = {
    "ruff": stage_ruff,
    "mypy": stage_mypy,
    "pytest": stage_pytest,
}
CI: dict[str, Callable[[Sequence[str]], None]] = {
    "ruff": stage_ruff,
    "mypy": stage_mypy,
    "werror": stage_werror,
    "package": stage_package,
    "pytest": stage_pytest,
    "sanitize": stage_sanitize,
}


def test(arguments: Sequence[str]) -> None:
    stages = QUICK if BUDGET == "quick" else CI
    chosen = os.environ.get("PYCHRONIX_STAGES")
    names = chosen.split(",") if chosen else list(stages)
    seconds = {}
    for name in names:
        print(f"\n=== {name}", flush=True)
        started = time.monotonic()
        CI[name](arguments)
        seconds[name] = time.monotonic() - started
    print("\nAll passed: " + ", ".join(f"{name} {taken:.0f} s" for name, taken in seconds.items()), flush=True)


# --- demo ------------------------------------------------------------------------------------------------------------


def demo(_: Sequence[str]) -> None:
    run(PYTHON, str(ROOT / "tests" / "demo.py"))


def shell(_: Sequence[str]) -> None:
    print("\nReady: . .venv/bin/activate")


COMMANDS = {"demo": demo, "test": test, "shell": shell}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit((__doc__ or "").strip() if len(sys.argv) < 2 else f"usage: tests/run.py {'|'.join(COMMANDS)}")
    prepare()
    COMMANDS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    main()
