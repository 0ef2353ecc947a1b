"""``pychronix fql`` on genuine logs: forms of output, filters, types, counts, exit codes."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cassandra_kit import FIXTURES, START_MS, Fql, Result, unpack
from fix_java import unpack_fixture

import pychronix as px
from pychronix.cassandra import read_log
from pychronix.wire import encode_document

Run = Callable[..., Result]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The directory of ``fql`` and ``audit``, as 5.0.3 wrote them."""
    unpack("5.0.3", tmp_path)
    return tmp_path


def objects(result: Result) -> list[dict[str, Any]]:
    assert (result.code, result.err) == (0, "")
    return [json.loads(line) for line in result.out.splitlines()]


def test_a_table_has_a_line_a_record_and_one_for_each_statement_of_a_batch(logs: Path, fql: Run) -> None:
    code, out, err = fql(logs / "fql")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["TIME", "TYPE", "KEYSPACE", "CONSISTENCY", "STATEMENT", "[VALUES]"]
    assert lines[1] == "2024-03-05T10:37:42.500Z  query    -                ONE           SELECT * FROM system.local"
    assert "SELECT 'two\\nlines', '\U0001f600', '\t' FROM t" in out  # A line stays one.
    at = next(number for number, line in enumerate(lines) if "LOGGED batch of 2" in line)
    assert lines[at + 1] == "    INSERT INTO t (k, v) VALUES (?, ?)  [0x00000001, 0x6f6e65]"
    assert lines[at + 2] == "    DELETE FROM t WHERE k = 2"
    assert re.search(r"\[null, 0x, 0x, 0x(ff){64}\.\.\. \(3000 bytes\)\]", out)


def test_the_log_of_a_record_is_told_where_there_are_several(logs: Path, fql: Run) -> None:
    out = fql(logs / "fql", logs / "audit").out
    assert out.count(str(logs / "audit")) == 7
    assert "2024-03-05T10:37:42.500Z  audit    ks               alice         " in out
    assert "192.0.2.1 SELECT SELECT * FROM ks.t WHERE k = 5" in out
    assert str(logs / "fql") not in fql(logs / "fql").out


def test_json_has_all_options(logs: Path, fql: Run) -> None:
    records = objects(fql(logs / "fql", "-o", "json"))
    assert [record["time_ms"] for record in records] == [START_MS + 1000 * number for number in range(len(records))]
    full = next(record for record in records if record.get("paging_state") and record["protocol_version"] == 5)
    assert full == {
        "log": str(logs / "fql"),
        "index": full["index"],
        "type": "single-query",
        "time": "2024-03-05T10:37:58.500Z",
        "time_ms": START_MS + 16_000,
        "keyspace": "ks",
        "protocol_version": 5,
        "consistency": "ONE",
        "serial_consistency": "LOCAL_SERIAL",
        "page_size": 5000,
        "paging_state": full["paging_state"],
        "timestamp": 1_709_635_062_500_001,
        "skip_metadata": True,
        "query": "SELECT * FROM t WHERE k = ?",
        "values": ["00000001"],
    }
    assert b"key" in bytes.fromhex(full["paging_state"])
    named = next(record for record in records if "options_keyspace" in record)
    assert (named["options_keyspace"], named["now_in_seconds"], named["page_size"]) == ("other", 1_700_000_000, 0)
    assert any(record.get("now_in_seconds") == 3_000_000_000 for record in records)
    nulls = next(record for record in records if record.get("values", [""])[:1] == [None])
    assert nulls["values"] == [None, "", "", "ff" * 3000]
    batch = next(record for record in records if record["type"] == "batch")
    assert batch["batch_type"] == "LOGGED"
    assert batch["queries"] == [
        {"query": "INSERT INTO t (k, v) VALUES (?, ?)", "values": ["00000001", "6f6e65"]},
        {"query": "DELETE FROM t WHERE k = 2", "values": []},
    ]


def test_yaml_has_what_json_has(logs: Path, fql: Run) -> None:
    arguments = (logs / "fql", logs / "audit", "--types", "int", "--types", "uuid, text, int")
    documents = list(yaml.safe_load_all(fql(*arguments, "-o", "yaml").out))
    assert documents == objects(fql(*arguments, "-o", "json"))
    assert (
        yaml.safe_load(fql(*arguments, "-o", "yaml", "--stats").out)
        == objects(fql(*arguments, "-o", "json", "--stats")).pop()
    )


def test_audit_entries_have_their_parts(logs: Path, fql: Run) -> None:
    records = objects(fql(logs / "audit", "-o", "json"))
    assert [record["event"] for record in records] == [
        "SELECT", "LOGIN_SUCCESS", "LOGIN_ERROR", "BATCH", "BATCH", "CREATE_KEYSPACE", "DROP_TABLE",
    ]  # fmt: skip
    assert records[0]["user"] == "alice" and records[0]["port"] == 50123 and "message" not in records[0]
    assert records[3]["batch"] == records[4]["batch"] == "5b6962dd-3f90-4c93-8f61-eabfa4a803e2"


def test_values_are_decoded_where_their_types_are_named(logs: Path, fql: Run) -> None:
    arguments = ("--types", "INSERT INTO users => uuid, text, int", "--types", "blob, blob", "--types", "int")
    records = objects(fql(logs / "fql", "-o", "json", *arguments))
    decoded = [record["decoded"] for record in records if "decoded" in record]
    assert decoded == [["00010203-0405-0607-0809-0a0b0c0d0e0f", "Zo\u00eb", 42], [1], [1], [1]]
    batches = [record["queries"] for record in records if record["type"] == "batch"]
    assert batches[0][0]["decoded"] == ["0x00000001", "0x6f6e65"]
    assert "decoded" not in batches[0][1]
    # One byte is no int: the bytes stay, and it is told.
    assert batches[-1][5] == {
        "query": "UPDATE t SET v = 5 WHERE k = ?", "values": ["05"], "types_error": "1 byte is no int: it takes 4",
    }  # fmt: skip
    table = fql(logs / "fql", *arguments, "--text", "users|WHERE k = [?]").out
    assert "[00010203-0405-0607-0809-0a0b0c0d0e0f, 'Zo\u00eb', 42]" in table
    assert "[0x05] (--types: 1 byte is no int" in table
    assert "[0x05] (--types: 3 types for 1 value)" in fql(logs / "fql", "--types", "v = 5 => int, int, int").out


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--keyspace", "K\u00e9yspace"], 1),
        (["--keyspace", "ks", "--keyspace", "other", "--type", "query"], 17),
        (["--type", "batch"], 4),
        (["--type", "batch", "--type", "audit"], 11),
        (["--text", "insert into (users|t) "], 4),
        (["--text", "BatchId:"], 1),
        (["--from", "2024-03-05T10:37:43.500Z", "--to", "2024-03-05T10:37:45.500+00:00"], 4),
        (["--from", "2024-03-05 11:37:43.500+01:00", "--to", "2024-03-05T10:37:45.5", "--type", "audit"], 2),
        (["--from", "2024-03-06"], 0),
        (["--from", "now"], 0),
        (["--to", "2024-03-05"], 0),
        (["-n", "3"], 3),
        (["-n", "0"], 0),
        (["-n", "2", "--type", "audit"], 2),
    ],
    ids=str,
)
def test_filters(logs: Path, fql: Run, arguments: list[str], count: int) -> None:
    assert len(objects(fql(logs / "fql", logs / "audit", "-o", "json", *arguments))) == count


def test_counts(logs: Path, fql: Run) -> None:
    (facts,) = objects(fql(logs / "fql", logs / "audit", "--stats", "-o", "json"))
    assert facts["records"] == sum(facts["type"].values()) == sum(facts["minute"].values())
    assert facts["type"] == {"single-query": 21, "audit": 7, "batch": 4}
    assert facts["minute"] == {"2024-03-05T10:37Z": 25, "2024-03-05T10:38Z": 7}
    assert facts["event"]["BATCH"] == 2
    assert facts["user"]["alice"] == 3
    assert facts["consistency"]["LOCAL_ONE"] == 1
    assert facts["keyspace"]["K\u00e9y"] == 1
    assert facts["shape"]["update t set v = ? where k = ?"] == 201
    assert facts["shape"]["select v from t where k = ?"] == 11
    code, out, err = fql(logs / "fql", "--stats", "--top", "2")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "25 records, 2024-03-05T10:37:42.500Z to 2024-03-05T10:38:06.500Z"
    assert "        201  update t set v = ? where k = ?" in out
    assert re.search(r"\n +\d+  \(\d+ more\)\n", out)
    assert fql(logs / "fql", "--stats", "--from", "now").out == "0 records\n"


def test_what_is_no_record_is_shown_and_told(logs: Path, fql: Run) -> None:
    with px.open_queue(logs / "mixed", "a") as queue, queue.appender() as appender:
        appender.append(encode_document({"version": 0, "type": "audit", "message": "free text"}))
        unknown = appender.append(encode_document({"version": 7, "type": "audit", "message": "m"}))
        appender.append(b"\xff\x00 no Wire")
    code, out, err = fql(logs / "mixed")
    assert code == 1
    assert "free text" in out
    assert "its version is 7, and 0 is the only one known: c776657273696f6e" in out
    assert f"2 excerpts could not be read; the first is {unknown:#x}: its version is 7" in err
    code, out, _ = fql(logs / "mixed", "-o", "json", "-n", "2")
    assert code == 1
    assert json.loads(out.splitlines()[1])["reason"] == "its version is 7, and 0 is the only one known"
    assert json.loads(fql(logs / "mixed", "-o", "json", "--stats").out)["type"] == {"unknown": 2, "audit": 1}


@pytest.mark.parametrize("fixture", ["v3/vanilla", "v3/indexed", "demo"])
def test_a_queue_that_is_no_log_is_shown_as_unknown(fixture: str, tmp_path: Path, fql: Run) -> None:
    for queue in unpack_fixture(fixture, tmp_path).values():
        with px.open_queue(queue.path) as opened, opened.tailer() as tailer:
            count = min(2, len(list(tailer)))
        code, out, err = fql(queue.path, "-n", "2")
        assert (code, out.count("  unknown  ")) == (int(count > 0), count)
        assert ("could not be read" in err) == (count > 0)


def test_hostile_records_are_printed_in_every_form(logs: Path, fql: Run) -> None:
    rng = random.Random(1)
    for name in ("fql", "audit"):
        with px.open_queue(logs / name) as queue, queue.tailer() as tailer:
            payloads = [payload for payload in tailer if len(payload) < 1000]
        with px.open_queue(logs / "hostile", "a") as queue, queue.appender() as appender:
            appender.append(encode_document({"version": 0, "type": "audit", "message": "\ud800\ufeff\uffff\x85\u2028"}))
            for payload in payloads * 20:
                changed = bytearray(payload)
                # Beyond the first fields, whose damage leaves nothing to be shown.
                for _ in range(rng.choice((1, 2, 5))):
                    changed[rng.randrange(30, len(changed))] = rng.randrange(256)
                appender.append(changed)
    types = ("--types", "text", "--types", "blob, blob", "--types", "double, int, decimal, timestamp")
    count = len(list(read_log(logs / "hostile", keep_unknown=True)))
    for form in ("table", "yaml", "json"):
        code, out, err = fql(logs / "hostile", "-o", form, *types)
        assert code == 1
        assert "excerpts could not be read" in err and err.count("\n") == 1
        if form == "yaml":
            assert len(list(yaml.safe_load_all(out))) == count
        elif form == "json":
            assert len([json.loads(line) for line in out.splitlines()]) == count
        assert fql(logs / "hostile", "-o", form, "--stats").code == 1


def test_a_file_cut_short_is_an_error_not_a_crash(logs: Path, fql: Run) -> None:
    (file,) = (logs / "fql").glob("*.cq4")
    data = file.read_bytes()[: 1 << 18]
    damaged = logs / "damaged"
    shutil.copytree(logs / "fql", damaged)
    for size in (100, 0x400, len(data)):
        (damaged / file.name).write_bytes(data[:size])
        code, _, err = fql(damaged, "--stats")
        assert code in (0, 1)
        assert (code == 0) == (err == "")
    broken = bytearray(data)
    first = data.index(b"\xc7version")
    broken[first - 4 : first] = (1 << 29).to_bytes(4, "little")
    (damaged / file.name).write_bytes(broken)
    code, _, err = fql(damaged)
    assert code == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["q", "-o", "xml"],
        ["q", "--types", "no_such"],
        ["q", "--types", "( => int"],
        ["q", "--text", "("],
        ["q", "--from", "yesterday"],
        ["q", "--type", "select"],
        ["q", "-n", "-1"],
        ["q", "--stats", "-f"],
        ["q", "--top", "3"],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str], fql: Run) -> None:
    code, out, err = fql(*arguments)
    assert (code, out) == (2, "")
    assert err


def test_a_log_that_is_not_there(tmp_path: Path, logs: Path, fql: Run) -> None:
    code, out, err = fql(tmp_path / "none")
    assert (code, out) == (1, "")
    assert "none: there is nothing; a log's directory has .cq4 files" in err
    (file,) = (logs / "fql").glob("*.cq4")
    assert fql(file, "-o", "json").out == fql(logs / "fql", "-o", "json").out.replace(str(logs / "fql"), str(file))
    assert fql(file, "-f").code == 2


def test_following_ends_with_its_reader(logs: Path, spawn_fql: Callable[..., Fql]) -> None:
    one = spawn_fql(logs / "fql", "-f")
    assert one.line().startswith("TIME")
    assert one.process.stdout is not None
    one.process.stdout.close()
    assert one.process.wait(60) == 0
    two = spawn_fql(logs / "fql", "-f", "-n", "3", "-o", "json")
    assert [json.loads(two.line())["time_ms"] for _ in range(3)] == [START_MS, START_MS + 1000, START_MS + 2000]
    assert two.process.wait(60) == 0


def test_the_documentation_shows_what_is_printed(logs: Path, fql: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(logs)
    (shown,) = re.findall(
        r"```text\n(.*?)```", (FIXTURES.parents[1] / "docs" / "cassandra.md").read_text("utf-8"), re.DOTALL
    )
    commands = re.findall(r"\$ pychronix fql (.*)\n((?:[^$].*\n)*)", shown)
    assert len(commands) == 3
    for arguments, expected in commands:
        assert fql(*shlex.split(arguments)) == (0, expected, "")
