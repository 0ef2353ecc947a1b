"""Exit codes, errors, help, ``info``, and what happens when the reader or the user ends it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fix_java import unpack_fixture

import pychronix as px
from pychronix import cli
from pychronix.cli import info

Run = Callable[..., Any]
Shell = Callable[[str], Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
FIRST_CYCLE = 19_787  # 2024-03-05


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["cat"],
        ["cat", "q", "--start", "x"],
        ["cat", "q", "--start", "-1"],
        ["cat", "q", "--count", "-1"],
        ["cat", "q", "--output", "xml"],
        ["append", "q", "--raw", "--delimiter", "x"],
        ["append", "q", "--delimiter", ""],
        ["append", "q", "--delimiter", r"\q"],
        ["tail", "q", "-n", "many"],
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (2, b"", True) == (code, out, err.startswith("usage: pychronix"))


def test_an_unknown_option_shows_the_usage_of_its_command(run: Run) -> None:
    code, out, err = run("tail", "q", "--reverse", "--limit")
    assert (2, b"") == (code, out)
    assert err.startswith("usage: pychronix tail [-h]")
    assert err.endswith("pychronix tail: unrecognized arguments: --reverse --limit\n")


@pytest.mark.parametrize("command", [command.name for command in cli.COMMANDS])
def test_every_command_has_help(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert (0, "") == (code, err)
    assert b"exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted" in out


@pytest.mark.parametrize("command", [[], *([command.name] for command in cli.COMMANDS)])
def test_help_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert [] == [line for line in run(*command, "--help").out.decode().splitlines() if len(line) > 80]


@pytest.mark.parametrize("arguments", [["--vers"], ["cat", "q", "--out", "hex"], ["tail", "q", "--foll"]])
def test_options_are_not_abbreviated(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (2, b"") == (code, out)
    assert "usage: pychronix" in err


COMMANDS_THAT_PRINT = [
    "--help",
    "--version",
    "cat --help",
    "cat {}",
    "cat -o raw {}",
    "tail {}",
    "tail -f {}",
    "info {}",
]


@pytest.mark.parametrize("command", COMMANDS_THAT_PRINT)
@pytest.mark.parametrize("output, what", [(">/dev/full", "No space left on device"), (">&-", "it is closed")])
def test_an_output_that_cannot_be_written_is_an_error(
    shell: Shell, queue: Path, command: str, output: str, what: str
) -> None:
    code, out, err = shell(f"{command.format(queue)} {output}")
    assert (1, b"", f"pychronix: cannot write to standard output: {what}\n") == (code, out, err)


def test_append_needs_no_output(shell: Shell, queue: Path) -> None:
    assert (0, b"", "") == shell(f"append {queue} >&- < /dev/null")


@pytest.mark.parametrize("command", ["cat /nowhere", "cat", "append {} -v < /dev/null"])
def test_without_standard_error_nothing_is_told_to_standard_output(shell: Shell, queue: Path, command: str) -> None:
    assert shell(f"{command.format(queue)} 2>&-")[1:] == (b"", "")


def test_an_error_shows_no_control_characters(run: Run, tmp_path: Path) -> None:
    code, out, err = run("cat", f"{tmp_path}/a\x1b[31m\nb  c")
    assert (1, b"", 1) == (code, out, err.count("\n"))
    assert f"{tmp_path}/a\\x1b[31m\\nb  c: there is nothing" in err


@pytest.mark.parametrize(
    "command, more", [("cat", []), ("tail", []), ("tail", ["-f"]), ("info", []), ("append", [os.devnull])]
)
def test_an_error_is_one_line(run: Run, tmp_path: Path, command: str, more: list[str]) -> None:
    code, out, err = run(command, tmp_path / "nothing", *more)
    assert (1, b"") == (code, out)
    assert err.startswith(f"pychronix: cannot open {tmp_path}/nothing: there is nothing")
    assert 1 == err.count("\n")


def test_a_file_is_no_queue(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, _, err = run("cat", tmp_path / "file")
    assert (1, f"pychronix: cannot open the queue: not a directory in {tmp_path}/file\n") == (code, err)


def test_an_unexpected_error_is_one_line_and_debug_shows_all(
    run: Run, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> dict[str, object]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(info, "_facts", broken)
    monkeypatch.delenv("PYCHRONIX_DEBUG", raising=False)
    assert (1, b"", "pychronix: ZeroDivisionError: a bug; PYCHRONIX_DEBUG=1 shows where\n") == run("info", queue)
    monkeypatch.setenv("PYCHRONIX_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("info", queue)


def test_info_json_has_all_facts(run: Run, queue: Path, indexes: list[int]) -> None:
    code, out, err = run("info", "--json", queue)
    assert (0, "") == (code, err)
    facts = json.loads(out)
    table = facts.pop("table_store")
    assert {"listing.highestCycle": FIRST_CYCLE + 1, "listing.lowestCycle": FIRST_CYCLE}.items() <= table.items()
    cycles = facts.pop("cycles")
    assert [
        {
            "number": FIRST_CYCLE + i,
            "name": name,
            "path": str(queue / name),
            "start": start,
            "first_index": indexes[3 * i],
            "count": 3,
            "ready": True,
            "closed": closed,
            "index_count": 4096,
            "index_spacing": 256,
        }
        for i, (name, start, closed) in enumerate(
            [("20240305F.cq4", "2024-03-05T00:00:00Z", True), ("20240306F.cq4", "2024-03-06T00:00:00Z", False)]
        )
    ] == [{key: value for key, value in cycle.items() if not key.endswith("_bytes")} for cycle in cycles]
    assert all((queue / cycle["name"]).stat().st_size == cycle["size_bytes"] for cycle in cycles)
    assert all(0 < cycle["used_bytes"] < cycle["size_bytes"] for cycle in cycles)
    assert facts == {
        "path": str(queue),
        "format": "cq5",
        "wire_type": "BINARY_LIGHT",
        "roll_cycle": {
            "name": "FAST_DAILY",
            "pattern": "yyyyMMdd'F'",
            "length_ms": 86_400_000,
        },
        "epoch_ms": 0,
        "source_id": 0,
        "first_index": indexes[0],
        "last_index": indexes[5],
        "count": 6,
        "size_bytes": sum(cycle["size_bytes"] for cycle in cycles),
        "used_bytes": sum(cycle["used_bytes"] for cycle in cycles),
        "release_hint": "5.24 or later",
    }


def test_info_reads_well(run: Run, queue: Path, indexes: list[int]) -> None:
    text = run("info", queue).out.decode()
    assert text.startswith(f"{queue}\n  format ")
    assert "  table keys   those of Java 5.24 or later\n" in text
    assert "  index        4096 entries a page, one for 256 messages\n" in text
    assert "  messages     6 in 2 cycles\n" in text
    assert f"  last index   {indexes[5]:#x}\n" in text
    assert "roll time" not in text
    assert "  chronicle.write.lock                       unlocked\n" in text
    assert "\n   19787  20240305F.cq4  0x4d4b00000000         3  " in text
    assert text == "".join(line.rstrip() + "\n" for line in text.splitlines())


def counts_of(facts: dict[str, Any]) -> list[tuple[int, int]]:
    return [(cycle["index_count"], cycle["index_spacing"]) for cycle in facts["cycles"]]


def test_info_tells_the_index_of_the_files_not_of_the_roll_cycle(run: Run, tmp_path: Path) -> None:
    (queue,) = unpack_fixture("v5/custom-index", tmp_path).values()
    assert "  index        16 entries a page, one for 2 messages\n" in run("info", queue.path).out.decode()
    facts = json.loads(run("info", "--json", queue.path).out)
    assert {(16, 2)} == set(counts_of(facts))
    assert {"name", "pattern", "length_ms"} == set(facts["roll_cycle"])


def test_info_tells_the_index_of_each_cycle_where_they_differ(run: Run, queue: Path) -> None:
    now = (FIRST_CYCLE + 2) * 86_400_000_000_000
    with px.open_queue(queue, "r+", clock=lambda: now, index_count=16, index_spacing=1) as opened:
        opened.appender().append(b"x")
    lines = run("info", queue).out.decode().splitlines()
    assert "  index        differs from cycle to cycle" in lines
    table = lines[lines.index("cycles") + 1 :][:4]
    assert ["index", "4096 x 256", "4096 x 256", "16 x 1"] == [re.split("  +", line)[-2] for line in table]
    assert [(4096, 256), (4096, 256), (16, 1)] == counts_of(json.loads(run("info", "--json", queue).out))


def test_info_tells_the_roll_time(run: Run, tmp_path: Path) -> None:
    (queue,) = unpack_fixture("v5/roll-time", tmp_path).values()
    assert "  roll time    22:30 UTC\n" in run("info", queue.path).out.decode()
    assert "22:30" == json.loads(run("info", "--json", queue.path).out)["roll_time"]


def test_info_says_which_file_is_unfinished(run: Run, queue: Path) -> None:
    """Its creator died before the first header was complete."""
    (queue / "20240306F.cq4").write_bytes(bytes(4096))
    lines = run("info", queue).out.decode().splitlines()
    (closed,) = [line for line in lines if "20240305F" in line]
    (unfinished,) = [line for line in lines if "20240306F" in line]
    assert closed.endswith("  closed")
    assert unfinished.endswith("  unfinished")
    first, second = json.loads(run("info", "--json", queue).out)["cycles"]
    assert [True, False] == [first["ready"], second["ready"]]
    assert "index_count" not in second


def test_info_of_an_empty_queue(run: Run, tmp_path: Path) -> None:
    px.open_queue(tmp_path / "q", "a").close()
    text = run("info", tmp_path / "q").out.decode()
    assert "  messages     0 in 0 cycles\n  first index  none\n  last index   none\ntable store\n" in text
    assert "  index " not in text, "no file says how its index is cut"


class BareQueue:
    """A queue of a format that has cycles, but neither roll files nor a table store nor wire types."""

    path, format, first_index, last_index = "/data/q", "vanilla", 7, 9
    wire_type = roll_cycle = roll_time = epoch_ms = source_id = chronicle3 = None

    @property
    def table_store(self) -> None:
        raise px.UnsupportedFormatError("a journal has no table store")

    def cycles(self) -> list[SimpleNamespace]:
        unknown = dict.fromkeys(["used_bytes", "closed", "index_count", "index_spacing", "data_format"])
        facts = {"path": "/data/q/20240305", "start_ms": 0, "first_index": 7, "count": 3, "size_bytes": 64}
        return [SimpleNamespace(number=1, name="20240305", ready=True, **facts, **unknown)]


def test_info_leaves_out_what_a_format_does_not_have() -> None:
    facts = info._facts(BareQueue())  # type: ignore[arg-type]
    assert {
        "path", "format", "first_index", "last_index", "count", "size_bytes", "used_bytes", "cycles",
    } == set(facts)  # fmt: skip
    assert [
        "/data/q",
        "  format       vanilla",
        "  messages     3 in 1 cycle",
        "  first index  0x7",
        "  last index   0x9",
        "cycles",
        "  number  name      first index  messages  bytes used  of",
        "       1  20240305          0x7         3           -  64",
    ] == [line.rstrip() for line in info._told_facts(facts)]


def test_info_has_no_roll_cycle_of_what_never_rolls() -> None:
    queue = BareQueue()
    queue.roll_cycle = SimpleNamespace(name="NONE", format="q", length_ms=0)  # type: ignore[assignment]
    facts = info._facts(queue)  # type: ignore[arg-type]
    assert "roll_cycle" not in facts
    assert [] == [line for line in info._told_facts(facts) if "roll" in line]


def test_info_tells_epoch_and_source_id_where_there_are_any(run: Run, queue: Path, tmp_path: Path) -> None:
    px.open_queue(tmp_path / "q", "a", epoch_ms=18_000_000, source_id=7).close()
    text = run("info", tmp_path / "q").out.decode()
    assert "  epoch        18000000 ms\n  source id    7\n" in text
    text = run("info", queue).out.decode()
    assert "  epoch  " not in text and "  source id  " not in text


def test_info_names_the_holder_of_a_lock(run: Run, queue: Path) -> None:
    with px.open_queue(queue, "r+") as opened:
        assert opened.table_store.compare_and_set("chronicle.append.lock", -(2**63), os.getpid())
    printed = run("info", queue).out.decode()
    assert f"  chronicle.append.lock                      held by process {os.getpid()}\n" in printed


@pytest.mark.parametrize(
    "keys, release",
    [
        (["listing.modCount", "chronicle.lastIndexReplicated"], "5.17 to 5.19"),
        (["chronicle.append.lock", "chronicle.lastIndexReplicated"], "5.20 or 5.21"),
        (["listing.modCount", "chronicle.write.lock"], "5.16 or older"),
        ([], None),
    ],
)
def test_which_releases_make_such_keys(keys: list[str], release: str | None) -> None:
    assert release == info._release(keys)


def test_the_module_runs_as_a_program(spawn: Spawn) -> None:
    out, err = spawn("--version").communicate()
    assert (b"", True) == (err, out.startswith(b"pychronix"))


def test_a_checkout_that_is_not_built_says_so(tmp_path: Path) -> None:
    """As `pip install .` leaves it: who starts Python there gets the sources."""
    package = Path(px.__file__).resolve().parent
    shutil.copytree(package, tmp_path / "pychronix", ignore=shutil.ignore_patterns("_native*.so", "__pycache__"))
    command = [sys.executable, "-S", "-c", "import pychronix"]  # -S: an editable install would be found first
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert 1 == done.returncode
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: the native core is not built in this copy of pychronix: "
    )


def test_a_closed_pipe_ends_cat_quietly(spawn: Spawn, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many(b"%060d" % i for i in range(50_000))
    process = spawn("cat", tmp_path / "q")
    assert process.stdout is not None and process.stderr is not None
    assert b"%060d\n" % 0 == process.stdout.readline()
    process.stdout.close()
    assert (0, b"") == (process.wait(timeout=60), process.stderr.read())


def test_a_closed_pipe_ends_a_short_output_quietly(spawn: Spawn, queue: Path) -> None:
    """Everything fits the buffer, so only the flush at the end meets the closed pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    root = Path(px.__file__).resolve().parents[1]
    process = subprocess.run(
        [sys.executable, "-m", "pychronix", "cat", str(queue)],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    os.close(writer)
    assert (0, b"") == (process.returncode, process.stderr)


def test_tail_follow_prints_what_comes_and_ends_with_the_reader(spawn: Spawn, tmp_path: Path) -> None:
    now = [1_700_000_000_000_000_000]
    with px.open_queue(tmp_path / "q", "a", roll="TEST_SECONDLY", clock=lambda: now[0]) as queue:
        appender = queue.appender()
        appender.append(b"before")
        process = spawn("tail", "-f", "-n", "1", tmp_path / "q")
        assert process.stdout is not None and process.stderr is not None
        assert b"before\n" == process.stdout.readline()
        for i in range(3):
            now[0] += 1_000_000_000  # a roll before each
            appender.append(b"after %d" % i)
            assert b"after %d\n" % i == process.stdout.readline()
        process.stdout.close()  # and nothing more is appended
        assert (0, b"") == (process.wait(timeout=60), process.stderr.read())


def test_tail_follow_waits_for_the_first_message(spawn: Spawn, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        process = spawn("tail", "-f", tmp_path / "q")
        assert process.stdout is not None
        queue.appender().append(b"first")
        assert b"first\n" == process.stdout.readline()


def test_ctrl_c_is_130(spawn: Spawn, queue: Path) -> None:
    process = spawn("tail", "-f", "-n1", queue)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert (130, b"") == (process.wait(timeout=60), process.stderr.read())


def test_ctrl_c_is_130_while_tail_waits_for_the_first_message(
    run: Run, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def register(self, *_: object) -> None: ...

        def poll(self, _: float) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(select, "poll", Interrupted)
    assert (130, b"", "") == run("tail", "-f", "-n0", queue)


def test_sigterm_ends_it_as_any_program(spawn: Spawn, queue: Path) -> None:
    process = spawn("tail", "-f", "-n1", queue)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.terminate()
    assert (-signal.SIGTERM, b"") == (process.wait(timeout=60), process.stderr.read())
