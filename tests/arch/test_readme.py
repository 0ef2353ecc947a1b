"""The README cannot drift: its example runs, its commands exist, its reference names every option."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fix_java import unpack_fixture

import pychronix as px
from pychronix import cli
from pychronix.cli.options import add_chronicle3
from pychronix.cli.shell import Command
from pychronix.cli.showing import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_example_has_twelve_lines_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = blocks("python")[0]
    assert 12 == len([line for line in example.splitlines() if line.strip()])
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" b'any bytes'")
    assert lines[1].endswith(" " + repr(px.encode_text("hello from Python")))
    assert lines[-2].endswith(" b'tick 2'")
    assert "5 messages" == lines[-1]
    exec(compile(example, "README.md", "exec"), {})  # A new user may well run it twice.
    assert "10 messages" == capsys.readouterr().out.splitlines()[-1]


def test_the_page_of_api_names_what_exists_and_runs(tmp_path: Path) -> None:
    page = blocks("python")[1]
    with px.open_queue(tmp_path / "q", "a") as queue:
        objects = {"queue": queue, "appender": queue.appender(), "tailer": queue.tailer()}
        with objects["appender"].writing() as excerpt:
            objects["excerpt"] = excerpt
        named = re.findall(r"\b(queue|appender|tailer|excerpt)\.(\w+)", page)
        assert len(named) > 25
        assert [] == [f"{name}.{attribute}" for name, attribute in named if not hasattr(objects[name], attribute)]
    names = {"px": px, "path": tmp_path / "page", "index": 0, "cycle": 0}
    exec(compile(page, "README.md", "exec"), names)
    names["queue"].close()  # type: ignore[attr-defined]
    assert [] == [name for name in re.findall(r"\bpx\.(\w+)", README) if not hasattr(px, name)]


def test_the_example_of_chronicle_3_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[2], "README.md", "exec"), {})
    tick, match = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"b'a tick' \d+", tick)
    assert "42" == match


def test_the_example_of_typed_fields_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[3], "README.md", "exec"), {})
    assert ["7 EUR/USD 1.0837", "[(1, 2, 3.5), (4, 5, 6.5)]"] == capsys.readouterr().out.splitlines()


def test_the_example_of_documents_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unpack_fixture("v5/documents", tmp_path)
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks("python") if ".documents()" in block]
    exec(compile(example, "README.md", "exec"), {})
    expected = "GBP/USD 1.25 {'leg': {'symbol': 'GBP/USD', 'price': 1.25, 'side': 'BUY'}}\n"
    assert expected == capsys.readouterr().out
    with px.open_queue("orders") as queue:
        assert [{"leg": {"symbol": "EUR/USD", "price": 1.0837, "side": "SELL"}}] == [
            document.to_python() for document in queue.tailer().documents()
        ]


def test_the_flags_of_java_are_all_mapped() -> None:
    """Those of spec 10.1; the options on our side are ours."""
    text = (ROOT / "docs" / "cli.md").read_text()
    (table,) = re.findall(r"^\| Java \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    flags = {
        flag for row in table.strip().splitlines()[2:] for flag in re.findall(r"(?<!-)-[a-zA-Z]+", row.split("|")[1])
    }
    assert {f"-{flag}" for flag in [*"diefmnbargwslzkxh", "cbl", "cblArg", "named"]} == flags
    ours = {option for command in cli.COMMANDS for option in all_options_of(command)} | {"--help"}
    assert set() == set(re.findall(r"(?<=[` ])--[a-z][a-z-]*", text)) - ours


def test_the_table_of_fields_names_what_exists() -> None:
    text = (ROOT / "docs" / "fields.md").read_text()
    named = re.findall(r"^\| ((?:`[a-z0-9_]+`,? ?)+)[^|]*\| [^|]*\bwrite", text, re.MULTILINE)
    kinds = {kind for cell in named for kind in re.findall(r"`(\w+)`", cell)}
    assert {
        "boolean",
        "unsigned_int",
        "compact_double",
        "stop_bit",
        "string",
        "utf",
        "8bit_text",
        "enum",
        "list",
    } <= kinds
    for kind in kinds:
        assert hasattr(px.fields.FieldWriter, f"write_{kind}"), kind
        assert hasattr(px.fields.FieldReader, f"read_{kind}"), kind
    written = {name.removeprefix("write_") for name in dir(px.fields.FieldWriter) if name.startswith("write_")}
    assert set() == {name for name in written if f"`{name}" not in text and f"`write_{name}" not in text}
    for name in re.findall(r"`((?:append|parse)_\w+)", text):
        assert (
            hasattr(px.fields.FieldWriter, name)
            or hasattr(px.fields.FieldReader, name)
            or hasattr(px.fields, name)
            or hasattr(px.Appender, name)
        )
    for name in re.findall(r"`(Java\w+)", text):
        assert hasattr(px.fields, name), name


def test_the_errors_are_the_builtins_that_it_says() -> None:
    text = " ".join(README.split())
    said = re.findall(r"`(\w+Error)`(?: is)? an? `(\w+Error)`", text)
    assert 4 == len(said)
    for name, builtin in said:
        assert issubclass(getattr(px, name), eval(builtin)), (name, builtin)


def test_the_two_commands_are_commands() -> None:
    commands = [block.strip() for block in blocks("sh")]
    assert "python3 tests/run.py demo" == commands[0]
    assert "python3 tests/run.py test" == commands[1]
    command = [sys.executable, "tests/run.py"]
    usage = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr
    assert all(f"    {name} " in usage for name in ("demo", "test", "shell"))


def test_ci_runs_the_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "python3 tests/run.py test" == lines[-1]


def options_of(command: Command) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_options(parser)
    shown = set()
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.option_strings:
                # Whatever commands share stands in a group, which the reference names once.
                name = max(action.option_strings, key=len)
                shown.add(name if group in (parser._optionals, parser._positionals) else f"[{group.title}]")
    return shown


def all_options_of(command: Command) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_options(parser)
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_the_reference_has_every_command_and_option(command: Command) -> None:
    (line,) = [line for line in blocks("text")[0].splitlines() if line.startswith(f"pychronix {command.name} ")]
    short = {"--follow": "-f", "--count": "-n"} if command.name == "tail" else {}
    named = set(re.findall(r"(?<=[\[ ])--?[a-z-]+|\[Chronicle 3.x\]", line))
    assert named == {short.get(option, option) for option in options_of(command)}


@pytest.mark.parametrize("example", blocks("console"), ids=["documents", "fields"])
def test_the_example_on_the_command_line_runs(tmp_path: Path, example: str) -> None:
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    # Indexes hold the day, and only the reader of a terminal sees the two streams as one.
    shown = re.sub("0x[0-9a-f]+", "0x", "".join(line for line in example.splitlines(True) if not line.startswith("$")))
    commands = "\n".join(line[2:] for line in example.splitlines() if line.startswith("$"))
    program = f'pychronix() {{ "{sys.executable}" -m pychronix "$@"; }}\n{commands}\n'
    environ = {**os.environ, "PYTHONPATH": str(Path(px.__file__).resolve().parents[1])}
    done = subprocess.run(
        ["sh"], input=program, cwd=tmp_path, env=environ, text=True, check=False, timeout=120,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert shown == re.sub("0x[0-9a-f]+", "0x", done.stdout)


def test_the_json_of_objects_is_read_as_it_is_documented() -> None:
    text = (ROOT / "docs" / "fields.md").read_text()
    objects = re.findall(r'`(\{"[^`]*\})`', text)
    assert 12 == len(objects)
    layout = px.fields.parse_layout("object")
    for example in objects:
        if "..." not in example:
            assert example == px.fields.line_of(layout, px.fields.values_of_line(layout, example))


def test_the_options_of_chronicle_3_are_described() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_chronicle3(parser)
    (table,) = re.findall(r"^\| `\[Chronicle 3.x\]` .*?\n\n", README, re.MULTILINE | re.DOTALL)
    named = re.findall(r"^\| `(--[a-z0-9-]+) ", table, re.MULTILINE)
    assert [action.option_strings[0] for action in parser._actions] == named


def test_the_outputs_are_all_described() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert list(OUTPUTS) == rows


def test_every_module_is_under_a_version_in_the_changelog() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"\n## {version[1]} " in CHANGELOG
