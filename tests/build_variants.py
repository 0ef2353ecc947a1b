"""Other builds of the extension for the tests, made once and kept: kill points, sanitizers, tiny windows.

``build("CX_KILL_POINTS")`` gives a directory that holds a whole ``pychronix`` package with the extension built with
that switch of native/ffi_build.py on. A child process uses it with ``environment(directory)``. The extension beside the
sources is never touched.

The cache is ``PYCHRONIX_VARIANT_CACHE`` (default: a directory of the user's below the system's temporary one), keyed by
the sources' content, so that a change in native/ or pychronix/ makes a new build. Several processes may ask at once.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_BUILD_S = 600


class VariantError(AssertionError):
    """The variant does not build; the message has the compiler's words."""


def _sources() -> list[Path]:
    native = [path for path in (_ROOT / "native").iterdir() if path.suffix in (".c", ".h", ".py")]
    package = [path for path in (_ROOT / "pychronix").rglob("*") if path.suffix in (".py", ".pyi", ".typed")]
    top = [_ROOT / name for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE")]
    return sorted(path for path in [*native, *package, *top] if path.is_file())


def build(*switches: str) -> Path:
    """The directory to put on PYTHONPATH for a build with these switches, made now if it is not there."""
    contents = {path.relative_to(_ROOT): path.read_bytes() for path in _sources()}
    stamp = hashlib.sha256(repr((sys.version, sys.platform, sorted(switches))).encode())
    for name, content in contents.items():
        stamp.update(b"%s\0%d\0" % (os.fsencode(name), len(content)) + content)
    cache = Path(
        os.environ.get("PYCHRONIX_VARIANT_CACHE")
        or Path(tempfile.gettempdir()) / f"pychronix-variants-{getpass.getuser()}"
    )
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"{'-'.join(sorted(switches)) or 'plain'}-{stamp.hexdigest()[:16]}"
    with open(cache / f"{home.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            shutil.rmtree(home, ignore_errors=True)
            for name, content in contents.items():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).write_bytes(content)
            _run_build(home, switches)
            (home / "done").touch()
    return home


def _run_build(home: Path, switches: tuple[str, ...]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CX_")}
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=home, env={**clean, **dict.fromkeys(switches, "1")}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=_BUILD_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise VariantError(f"the build with {switches} failed in {home}:\n{(done.stdout + done.stderr)[-6000:]}")


def environment(directory: Path | None = None) -> dict[str, str]:
    """The environment of a child that is to import pychronix from `directory` (default: this checkout)."""
    return {**os.environ, "PYTHONPATH": str(directory or _ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
