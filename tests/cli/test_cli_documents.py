"""``cat`` and ``tail`` of Wire documents: as YAML, JSON and tables, which of them, and what cannot be decoded."""

from __future__ import annotations

import base64
import datetime
import json
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fix_java import unpack_fixture

import pychronix as px
from pychronix import wire

Run = Callable[..., Any]
Shell = Callable[[str], Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
FIRST = 19_787 << 32  # 2024-03-05

DOCUMENTS = [
    wire.encode_document(
        {"sym": "EUR/USD", "px": 1.5, "legs": [{"side": "BUY", "qty": 1}, {"side": "SELL", "qty": 2}]}
    ),
    wire.encode_event("quote", {"sym": "GBP/USD", "px": 1.25, "day": datetime.date(2024, 2, 29)}),
    wire.encode_event("say", "hello: world"),
    b"plain text",
    b"\x00\x01\xfe",
    wire.encode_event("quote", {"sym": "EUR/USD", "px": 3, "day": None}),
]
BROKEN = DOCUMENTS[0][:-3]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A queue of DOCUMENTS."""
    path = tmp_path / "docs"
    with px.open_queue(path, "a", clock=lambda: 19_787 * 86_400_000_000_000) as queue:
        queue.appender().append_many(DOCUMENTS)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A document that ends too early, between two that do not."""
    path = tmp_path / "broken"
    with px.open_queue(path, "a", clock=lambda: 19_787 * 86_400_000_000_000) as queue:
        queue.appender().append_many([DOCUMENTS[0], BROKEN, DOCUMENTS[2]])
    return path


def head(sequence: int) -> str:
    return f"--- # {FIRST + sequence:#x}\n"


FIRST_YAML = """sym: EUR/USD
px: 1.5
legs: [
  {
    side: BUY,
    qty: 1
  },
  {
    side: SELL,
    qty: 2
  }
]
"""
SECOND_YAML = "quote: {\n  sym: GBP/USD,\n  px: 1.25,\n  day: 2024-02-29\n}\n"


def test_auto_shows_documents_as_java_does_each_after_its_index(run: Run, documents: Path) -> None:
    expected = (
        f"{head(0)}{FIRST_YAML}{head(1)}{SECOND_YAML}{head(2)}say: \"hello: world\"\n{head(3)}plain text\n"
        f"{head(4)}00 01 fe  |...|\n{head(5)}quote: {{\n  sym: EUR/USD,\n  px: 3,\n  day: !!null \"\"\n}}\n"
    )  # fmt: skip
    assert (0, expected, "") == decoded(run("cat", documents))


def decoded(result: Any) -> tuple[int, str, str]:
    return result.code, result.out.decode(), result.err


def test_before_the_first_document_lines_have_no_head(run: Run, documents: Path) -> None:
    assert (0, f"plain text\n00 01 fe  |...|\n{head(5)}", "") == (
        lambda code, out, err: (code, out[: out.index("quote")], err)
    )(*decoded(run("cat", documents, "--start", FIRST + 3)))


def test_without_indexes(run: Run, documents: Path) -> None:
    assert f"---\n{FIRST_YAML}---\n{SECOND_YAML}" == run("cat", documents, "--no-index", "-n", 2).out.decode()


def test_yaml_is_a_stream_that_yaml_reads(run: Run, documents: Path) -> None:
    code, out, err = decoded(run("cat", documents, "-o", "yaml"))
    values = list(yaml.safe_load_all(out))
    assert (0, 6) == (code, len(values))
    assert f"pychronix: {FIRST + 4:#x} cannot be decoded: " == err[: err.index("cannot read")]
    assert DOCUMENTS[4] == values[4]
    assert values[0] == {"sym": "EUR/USD", "px": 1.5, "legs": [{"side": "BUY", "qty": 1}, {"side": "SELL", "qty": 2}]}
    assert values[1] == {"quote": {"sym": "GBP/USD", "px": 1.25, "day": datetime.date(2024, 2, 29)}}
    assert values[2:4] == [{"say": "hello: world"}, "plain text"]
    assert out.startswith(head(0)) and head(5) in out


def test_json_has_the_document_beside_where_it_is(run: Run, documents: Path) -> None:
    code, out, err = run("cat", documents, "-o", "json")
    objects = [json.loads(line) for line in out.splitlines()]
    assert (0, "", 6) == (code, err, len(objects))
    assert objects[0] == {
        "index": FIRST,
        "index_hex": hex(FIRST),
        "cycle": 19_787,
        "sequence": 0,
        "length": len(DOCUMENTS[0]),
        "document": {"sym": "EUR/USD", "px": 1.5, "legs": [{"side": "BUY", "qty": 1}, {"side": "SELL", "qty": 2}]},
    }
    assert {"say": "hello: world"} == objects[2]["document"]
    assert "plain text" == objects[3]["text"]
    assert DOCUMENTS[4] == base64.b64decode(objects[4]["base64"])
    assert [3, 4] == [i for i, one in enumerate(objects) if "document" not in one]
    assert not any("error" in one for one in objects)


def test_a_table_has_columns_of_fields(run: Run, documents: Path) -> None:
    lines = decoded(run("cat", documents, "-o", "table"))[1].split("\n")
    assert lines == [
        "index           sym       px  legs",
        "0x4d4b00000000  EUR/USD  1.5  [{side: BUY, qty: 1}, {side: SELL, qty: 2}]",
        "",
        "index           event  sym        px  day",
        "0x4d4b00000001  quote  GBP/USD  1.25  2024-02-29",
        "",
        "index           event  value",
        "0x4d4b00000002  say    hello: world",
        "",
        "index           text",
        "0x4d4b00000003  plain text",
        "",
        "index           hex",
        "0x4d4b00000004  00 01 fe",
        "",
        "index           event  sym      px  day",
        "0x4d4b00000005  quote  EUR/USD   3  null",
        "",
    ]


def test_a_table_that_goes_on_has_one_head(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pychronix.cli import showing

    monkeypatch.setattr(showing.TableFormat, "_ROWS", 2)
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many(wire.encode_document({"n": n, "s": "x" * (n % 3)}) for n in range(98, 103))
    lines = run("cat", "--no-index", "-o", "table", tmp_path / "q").out.decode().split("\n")
    assert lines == [" n  s", "98  xx", "99", "100  x", "101  xx", "102", ""]


def test_explain_tells_every_byte(run: Run, documents: Path) -> None:
    out = run("cat", documents, "-n", 1, "-o", "explain").out.decode()
    assert out.startswith(head(0))
    assert "c3 73 79 6d" in out and "EUR/USD" in out


@pytest.mark.parametrize(
    "output, shown", [("auto", BROKEN.hex(" ")), ("yaml", "!!binary "), ("table", BROKEN.hex(" "))]
)
def test_what_cannot_be_decoded_stops_nothing(run: Run, broken: Path, output: str, shown: str) -> None:
    code, out, err = decoded(run("cat", broken, "-o", output))
    assert (0, 1) == (code, err.count("\n"))
    assert err.startswith(f"pychronix: {FIRST + 1:#x} cannot be decoded: ")
    assert shown in out and "hello: world" in out


def test_what_cannot_be_decoded_has_an_error_in_json(run: Run, broken: Path) -> None:
    code, out, err = run("cat", broken, "-o", "json")
    objects = [json.loads(line) for line in out.splitlines()]
    assert (0, "", [False, True, False]) == (code, err, ["error" in one for one in objects])
    assert BROKEN == base64.b64decode(objects[1]["base64"])


def test_explain_explains_what_it_can(run: Run, broken: Path) -> None:
    code, out, err = decoded(run("cat", broken, "-o", "explain"))
    assert (0, "") == (code, err)
    assert head(2) in out and "hello: world" in out


def sequences(run: Run, queue: Path, *options: object, command: str = "cat") -> list[int]:
    code, out, err = run(command, queue, "-o", "hex", *options)
    assert (0, "") == (code, err)
    return [int(line.split(b"\t")[0]) - FIRST for line in out.splitlines()]


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--include", "EUR"], [0, 5]),
        (["-i", "EUR", "-i", "quote"], [5]),  # all of them, as Java's
        (["--exclude", "quote"], [0, 2, 3, 4]),
        (["-e", "quote", "-e", "plain"], [0, 2, 4]),
        (["-i", "USD", "-e", r"px: \d\.\d\d"], [0, 5]),
        (["--include", r"^say: "], [2]),
        (["--include", "\x01"], [4]),  # bytes as Latin-1, which Java shows
        (["--filter", "quote|plain"], [1, 3, 5]),
        (["--filter", "sym=EUR/USD"], [0, 5]),
        (["--filter", "quote.sym=EUR/USD"], [5]),
        (["--filter", "px=3.0"], [5]),
        (["--filter", "px==3"], [5]),
        (["--filter", "px>=1.5"], [0, 5]),
        (["--filter", "px<1.5"], [1]),
        (["--filter", "px!=3"], [0, 1]),
        (["--filter", "legs.side=SELL"], [0]),
        (["--filter", "legs[0].side=SELL"], []),
        (["--filter", "legs[1].qty=2"], [0]),
        (["--filter", "day=2024-02-29"], [1]),
        (["--filter", "day<2024-03-01"], [1]),
        (["--filter", "day=null"], [5]),
        (["--filter", "say=hello: world"], [2]),
        (["--filter", "sym=EUR/USD", "--filter", "px>2"], [5]),
        (["--filter", "nothing=1"], []),
        (["--filter", "sym=EUR/USD", "--reverse"], [5, 0]),
        (["--filter", "sym=EUR/USD", "-n", "1"], [0]),
    ],
)
def test_which_messages_are_chosen(run: Run, documents: Path, options: list[str], expected: list[int]) -> None:
    assert expected == sequences(run, documents, *options)


@pytest.mark.parametrize("count, expected", [(1, [5]), (2, [1, 5]), (10, [1, 5])])
def test_tail_counts_what_it_prints(run: Run, documents: Path, count: int, expected: list[int]) -> None:
    assert expected == sequences(run, documents, "--include", "quote", "-n", count, command="tail")


def test_a_filter_of_what_cannot_be_decoded_finds_nothing(run: Run, broken: Path) -> None:
    assert [0] == sequences(run, broken, "--filter", "sym=EUR/USD")


def test_tail_follows_what_is_chosen(spawn: Spawn, documents: Path) -> None:
    process = spawn("tail", "-f", "-n", "1", "--filter", "px>2", "-o", "json", documents)
    assert process.stdout is not None
    assert 5 == json.loads(process.stdout.readline())["sequence"]
    with px.open_queue(documents, "r+", clock=lambda: 19_787 * 86_400_000_000_000) as queue:
        appender = queue.appender()
        appender.append(wire.encode_document({"px": 1}))
        appender.append(wire.encode_document({"px": 2.5}))
    assert {"px": 2.5} == json.loads(process.stdout.readline())["document"]


def test_tail_follows_as_a_table(spawn: Spawn, documents: Path) -> None:
    """What is held back for its columns is shown before anybody waits."""
    process = spawn("tail", "-f", "-n", "1", "-o", "table", "--no-index", documents)
    assert process.stdout is not None
    assert b"event  sym      px  day\n" == process.stdout.readline()
    assert b"quote  EUR/USD   3  null\n" == process.stdout.readline()
    with px.open_queue(documents, "r+", clock=lambda: 19_787 * 86_400_000_000_000) as queue:
        queue.appender().append(DOCUMENTS[1])
    assert b"quote  GBP/USD  1.25  2024-02-29\n" == process.stdout.readline()


@pytest.mark.parametrize(
    "options",
    [["--include", "("], ["--exclude", "*"], ["--filter", "[z-a]"], ["--wire-type", "YEMEN"], ["--color", "blue"]],
)
def test_wrong_usage_of_the_options(run: Run, documents: Path, options: list[str]) -> None:
    code, out, err = run("cat", documents, *options)
    assert (2, b"", True) == (code, out, err.startswith("usage: pychronix cat"))


def test_a_wire_type_may_be_forced(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append(b"a: 1\nb: [ x, y ]\n")
    assert "a: 1\\nb: [ x, y ]\\n\n" == run("cat", tmp_path / "q").out.decode()
    shown = run("cat", "--no-index", "--wire-type", "TEXT", tmp_path / "q").out.decode()
    assert {"a": 1, "b": ["x", "y"]} == yaml.safe_load(shown)
    assert shown.startswith("---\na: 1\n")
    facts = json.loads(run("cat", "-o", "json", "--wire-type", "TEXT", tmp_path / "q").out)
    assert {"a": 1, "b": ["x", "y"]} == facts["document"]
    assert b"" == run("cat", "--wire-type", "TEXT", "--filter", "b=z", tmp_path / "q").out
    assert b"" != run("cat", "--wire-type", "TEXT", "--filter", "b=y", tmp_path / "q").out


def test_a_binary_wire_type_leaves_text_be(run: Run, documents: Path) -> None:
    out = run("cat", "--wire-type", "BINARY_LIGHT", "-n", 4, documents).out.decode()
    assert out.endswith(f"{head(3)}plain text\n")
    assert (
        "plain text"
        == json.loads(run("cat", "-o", "json", "--wire-type", "BINARY_LIGHT", "-s", FIRST + 3, "-n", 1, documents).out)[
            "text"
        ]
    )


def test_documents_without_names_are_lists(run: Run, tmp_path: Path) -> None:
    """The wire type stands in the queue's header, and append heeds it, too."""
    queue = unpack_fixture("v5/fieldless", tmp_path)["fieldless"].path
    (tmp_path / "input").write_text('{"sym": "EUR/USD", "px": 1.5, "legs": [1, 2]}\n')
    assert 0 == run("append", "--json", queue, tmp_path / "input").code
    facts = json.loads(run("tail", "-n", 1, "-o", "json", queue).out)
    assert ["EUR/USD", 1.5, [1, 2]] == facts["document"]
    assert "---\n- EUR/USD\n- 1.5\n" in run("tail", "-n", 1, "--no-index", queue).out.decode()


def nested(levels: int, inner: bytes) -> bytes:
    for _ in range(levels):
        inner = b"\x82" + struct.pack("<I", len(inner)) + inner
    return inner


def test_what_is_nested_too_deep_stops_nothing(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        deep = [b"\xc1a" + nested(levels, b"\xa1\x07") for levels in (9, 490, 100_000)]
        queue.appender().append_many([*deep, DOCUMENTS[2]])
    for output in ("auto", "yaml", "json", "table", "explain"):
        code, out, err = decoded(run("cat", "-o", output, "--no-index", tmp_path / "q"))
        assert (0, "hello: world" in out, "Traceback" in err) == (0, True, False), (output, code, err)
        told = 0 if output in ("json", "explain") else 1  # These have it in their output.
        assert told == err.count("\n"), (output, err)
    table = decoded(run("cat", "-n", 2, "-o", "table", "--no-index", tmp_path / "q"))[1].splitlines()
    assert ["a", "[" * 9 + "7" + "]" * 9, "[" * 10 + "..." + "]" * 10] == table
    assert 0 == run("cat", "--filter", "a=7", "--include", "x", tmp_path / "q").code


@pytest.mark.parametrize("seed", [1, 2])
def test_no_bytes_stop_a_listing(run: Run, tmp_path: Path, seed: int) -> None:
    """Documents of Java with some bytes changed, lost, put in: whatever they are now, all are listed."""
    chance = random.Random(seed)
    with px.open_queue(unpack_fixture("v5/documents", tmp_path)["documents"].path) as queue:
        originals = list(queue.tailer())
    spoilt = []
    for number in range(400):
        payload = bytearray(originals[number % len(originals)])
        for _ in range(chance.randrange(1, 5)):
            at, other = chance.randrange(len(payload) + 1), chance.choice(originals)
            stop, change = at + chance.randrange(8), chance.randrange(8)
            payload[at:stop] = chance.choice([chance.randbytes(change), other[change : change + 20]])
        spoilt.append(bytes(payload))
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many(spoilt)
    for options in (
        ["auto"],
        ["yaml"],
        ["json"],
        ["table"],
        ["explain"],
        ["hex", "--filter", "leg.price>1", "-i", "x"],
    ):
        code, out, err = run("cat", "-o", *options, tmp_path / "q")
        assert 0 == code, err
        text = out.decode()
        assert [] == [char for char in text if char not in "\t\n" and not char.isprintable()], options
        if options == ["json"]:
            assert 400 == len([json.loads(line) for line in text.splitlines()])
        if options in (["yaml"], ["explain"]):
            assert 400 == text.count("\n--- # 0x") + 1


def test_a_journal_of_chronicle_3_holds_no_wire_unless_told(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", format="vanilla") as queue:
        queue.appender().append(DOCUMENTS[2])
    line = f"{DOCUMENTS[2].hex(' ')}  |..say.hello: world|\n"
    assert line == run("cat", tmp_path / "q").out.decode()
    assert 'say: "hello: world"\n' in run("cat", "--wire-type", "BINARY_LIGHT", tmp_path / "q").out.decode()


def test_a_source_serves_documents_to_who_says_so(run: Run, documents: Path) -> None:
    with px.open_queue(documents) as queue, px.tcp.serve(queue, read_only=True) as source:
        line = f"{DOCUMENTS[1].hex(' ')}  |"
        assert line in run("cat", source.url).out.decode(), "a source does not tell what it serves"
        code, out, err = decoded(run("cat", source.url, "--wire-type", "BINARY_LIGHT", "--filter", "sym=GBP/USD"))
        assert (0, head(1) + SECOND_YAML, "") == (code, out, err)
        facts = json.loads(run("cat", source.url, "-n", 1, "-o", "json", "--wire-type", "BINARY_LIGHT").out)
    assert {"index", "index_hex", "length", "document"} == set(facts)


def test_no_terminal_obeys_a_document(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        appender = queue.appender()
        appender.append(wire.encode_document({"x": "a\x1b[31mb\u009bc\u202ed", "k\x1b]0;t\x07": "\r"}))
        appender.append(wire.encode_event("e\x1b[1m\x9b", {"a\tb": wire.Typed("t\x1b[m", {"c": "\x1b"})}))
    for output in ("auto", "yaml", "json", "table", "explain"):
        out = run("cat", "-o", output, tmp_path / "q").out.decode()
        assert [] == [char for char in out if char != "\n" and not char.isprintable()], output


def test_a_closed_pipe_ends_a_listing_of_documents_quietly(spawn: Spawn, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many([DOCUMENTS[0]] * 2000)
    for output in ("yaml", "table"):
        process = spawn("cat", "-o", output, tmp_path / "q")
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (0, b"") == (process.wait(timeout=60), process.stderr.read())
