"""The main job on a journal that Java made: print it, append to a copy, tail the copy (`tests/run.py demo`).

Every command is shown before it runs, and does what it says: it may be copied and pasted.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from fix_java import unpack_fixture

ROOT = Path(__file__).resolve().parent.parent
PYCHRONIX = [sys.executable, "-m", "pychronix"]
LINES = ["order 1201 12:00:00.000 buy 100 ACME @ 101.250", "fill 1201 100 @ 101.250", "-- appended by Python --"]


def say(text: str) -> None:
    print(f"\n# {text}", flush=True)


def show(command: list[str]) -> None:
    print("$ " + shlex.join(["pychronix", *command]), flush=True)


def pychronix(*command: str, head: int | None = None) -> bytes:
    """Runs a command and prints its output, or only the first lines of it."""
    show(list(command))
    out = subprocess.run([*PYCHRONIX, *command], check=True, stdout=subprocess.PIPE).stdout
    lines = out.decode().splitlines()
    print("\n".join(lines if head is None else [*lines[:head], f"... {len(lines) - head} lines more"]), flush=True)
    return out


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="pychronix-demo-") as name:
        (journal,) = unpack_fixture("demo", Path(name, "java")).values()
        (copy,) = unpack_fixture("demo", Path(name, "copy")).values()
        os.environ["PYTHONPATH"] = str(ROOT)
        os.chdir(journal.path.parent)

        say("A journal that Java (Chronicle Queue 2026.4) made: three days of an order gateway.")
        pychronix("info", journal.path.name)
        pychronix("cat", journal.path.name, head=5)
        pychronix("cat", "--reverse", "--count", "2", "--output", "json", journal.path.name)

        say("Every index and every byte, compared with what Java's own tailer shows:")
        printed = pychronix("cat", "--output", "hex", journal.path.name, head=2)
        expected = "".join(f"{index}\t{payload.hex()}\n" for index, payload in journal.excerpts)
        if printed.decode() != expected:
            sys.exit("the two differ")
        print(f"all {expected.count(chr(10))} messages are equal")

        say("A copy of it is tailed (in the background) while lines are appended to it.")
        os.chdir(copy.path.parent)
        follow = ["tail", "-f", "-n", "1", copy.path.name]
        print("$ " + shlex.join(["pychronix", *follow]) + " &", flush=True)
        tail = subprocess.Popen([*PYCHRONIX, *follow], stdout=subprocess.PIPE, text=True)
        assert tail.stdout is not None
        print(f"tail: {tail.stdout.readline()}", end="", flush=True)
        for line in LINES:
            print(f"$ echo {shlex.quote(line)} | pychronix append --text --verbose {copy.path.name}", flush=True)
            command = [*PYCHRONIX, "append", "--text", "--verbose", copy.path.name]
            subprocess.run(command, input=line.encode() + b"\n", check=True, stderr=subprocess.STDOUT)
            seen = tail.stdout.readline()
            print(f"tail: {seen}", end="", flush=True)
            if seen != line + "\n":
                sys.exit("the tail shows something else")
        tail.terminate()
        tail.wait()

        say("Java's last cycle is now closed, a new one is open; Java would go on from here.")
        pychronix("info", copy.path.name)


if __name__ == "__main__":
    main()
