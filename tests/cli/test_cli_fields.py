"""``--fields``: typed excerpts as cells and JSON, and back to the same bytes."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pychronix as px
from pychronix import fields
from pychronix.fields import array_of, line_of, parse_layout, to_json_text, values_of_array, values_of_line

Run = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
FORMS = ["cq5", "vanilla", "indexed"]
LAYOUT = "id:q,pair:utf,price:d,live:?"
ROWS = [
    (7, "EUR/USD", 1.0837, True),
    (-8, None, math.inf, False),
    (9, "", -0.0, True),
    (10, "a\tb\\n\n\u2028", 1e-300, True),
]
CELLS = "7\tEUR/USD\t1.0837\ttrue\n-8\t\\N\tInfinity\tfalse\n9\t\t-0.0\ttrue\n10\ta\\tb\\\\n\\n\\u2028\t1e-300\ttrue\n"


@pytest.fixture
def append(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Appends a text to a new queue or to the one that is there."""

    def command(text: str, *options: object, name: str = "q") -> Any:
        (tmp_path / "input").write_bytes(text.encode("utf-8", "surrogateescape"))
        return run("append", tmp_path / name, tmp_path / "input", "--create", *options)

    return command


def payloads(path: Path) -> list[bytes]:
    with px.open_queue(path) as queue:
        return list(queue.tailer())


def written(rows: list[tuple[Any, ...]], dialect: str) -> list[bytes]:
    found = []
    for row in rows:
        doc = fields.FieldWriter(dialect)
        doc.write_long(row[0])
        doc.write_string(row[1])
        doc.write_double(row[2])
        doc.write_boolean(row[3])
        found.append(bytes(doc))
    return found


@pytest.mark.parametrize("form", FORMS)
def test_cells_become_fields_and_fields_cells(run: Run, append: Any, tmp_path: Path, form: str) -> None:
    assert (0, b"", "") == append(CELLS, "--format", form, "--fields", LAYOUT)
    expected = written(ROWS, "v5" if form == "cq5" else "v3")
    assert expected == payloads(tmp_path / "q")
    code, out, err = run("cat", tmp_path / "q", "--fields", LAYOUT)
    assert (0, CELLS, "") == (code, out.decode(), err)
    assert (0, b"", "") == append(out.decode(), "--format", form, "--fields", LAYOUT, name="again")
    assert expected == payloads(tmp_path / "again")


@pytest.mark.parametrize("form", FORMS)
def test_json_arrays_do_the_same(run: Run, append: Any, tmp_path: Path, form: str) -> None:
    append(CELLS, "--format", form, "--fields", LAYOUT)
    out = run("tail", tmp_path / "q", "--fields", LAYOUT, "-o", "json").out.decode()
    assert [list(row) for row in ROWS] == [
        [math.inf if value == "Infinity" else value for value in json.loads(line)] for line in out.splitlines()
    ]
    assert "\u2028" not in out
    assert (0, b"", "") == append(out, "--format", form, "--fields", LAYOUT, "--json-lines", name="again")
    assert payloads(tmp_path / "q") == payloads(tmp_path / "again")


def test_tail_follows_by_fields(spawn: Spawn, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a", format="vanilla", index_block_bytes=4096, data_block_bytes=65536) as queue:
        appender = queue.appender()
        appender.append_many(written(ROWS[:2], "v3"))
        process = spawn("tail", "-f", "-n", "1", "--fields", LAYOUT, tmp_path / "q")
        assert process.stdout is not None
        assert b"-8\t\\N\tInfinity\tfalse\n" == process.stdout.readline()
        appender.append(written(ROWS[2:3], "v3")[0])
        assert b"9\t\t-0.0\ttrue\n" == process.stdout.readline()


@pytest.mark.parametrize(
    "layout, wrong",
    [
        ("q,utf,d", "1 byte of 25 left after the last one; a layout that ends with rest shows them"),
        ("q,utf,i", "5 bytes of 25 left after the last one; a layout that ends with rest shows them"),
        (
            "id:q,pair:utf,price:d,live:?,more:h",
            "field 5 (more:short): cannot read a short of 2 bytes at position 25: the document ends at 25",
        ),
        ("q,skip(40)", "field 2 (skip(40)): cannot go to position 48: the document ends at 25"),
        ("q,object", "field 2 (object): cannot read an object: unknown code 0x07 at byte 8"),
    ],
)
def test_an_excerpt_of_another_layout_is_an_error_that_names_index_and_field(
    run: Run, append: Any, tmp_path: Path, layout: str, wrong: str
) -> None:
    append(CELLS, "--format", "vanilla", "--fields", LAYOUT)
    with px.open_queue(tmp_path / "q") as queue:
        first = queue.first_index
    code, out, err = run("cat", tmp_path / "q", "--fields", layout)
    assert (1, b"", f"pychronix: cannot read {first:#x} as these fields: {wrong}\n") == (code, out, err)


def test_what_comes_before_an_excerpt_of_another_layout_is_printed(run: Run, append: Any, tmp_path: Path) -> None:
    append("1\n2\n", "--fields", "q")
    append("x", name="q")
    code, out, err = run("cat", tmp_path / "q", "--fields", "q")
    assert (1, b"1\n2\n", 1) == (code, out, err.count("\n"))


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("1\tx\t2.5", "the line has 3 cells, and the layout 4 fields with a value"),
        ("", "the line has 1 cells, and the layout 4 fields with a value"),
        ("x\tx\t2.5\ttrue", "field 1 (id:long): 'x' is no long"),
        ("1\tx\t2,5\ttrue", "field 3 (price:double): '2,5' is no double"),
        ("1\tx\t2.5\tmaybe", "field 4 (live:boolean): 'maybe' is no boolean"),
        ("1\ta\\q\t2.5\ttrue", "field 2 (pair:string): unknown escape '\\\\q'"),
        ("1\ta\\\t2.5\ttrue", "field 2 (pair:string): unknown escape '\\\\'"),
        ("1\t\\Uffffffff\t2.5\ttrue", "field 2 (pair:string): unknown escape '\\\\Uffffffff'"),
        ("\\N\tx\t2.5\ttrue", "field 1 (id:long): it cannot be null"),
        ("9223372036854775808\tx\t2.5\ttrue", "field 1 (id:long): a long is within "),
        ("1\t\udcff\t2.5\ttrue", "its byte 2 is not UTF-8"),
    ],
)
def test_a_line_that_does_not_fit_is_an_error_that_names_line_and_field(
    append: Any, tmp_path: Path, line: str, wrong: str
) -> None:
    code, out, err = append(f"1\tx\t2.5\ttrue\n{line}\n", "--fields", LAYOUT.replace("utf", "string"))
    assert (1, b"", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"pychronix: cannot append line 2 as these fields: {wrong}")
    assert f" in {tmp_path}/input" in err


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("{}", "the line is a JSON dict, not an array"),
        ("[1", "the line is no JSON: "),
        ("[" * 100_000, "the line is no JSON: "),
        ("[1]", "the array has 1 elements, and the layout 2 fields with a value"),
        ('[true, "x"]', "field 1 (i): true is no value of it"),
        ('[1.5, "x"]', "field 1 (int): "),
        ("[1, 2]", "field 2 (string): "),
        ("[1, null]", None),
        ('["0x10", ""]', None),
    ],
)
def test_json_that_does_not_fit_is_an_error(append: Any, line: str, wrong: str | None) -> None:
    code, out, err = append(line + "\n", "--fields", "i,string", "--json-lines")
    if wrong is None:
        assert (0, b"", "") == (code, out, err)
    else:
        assert (1, b"", 1) == (code, out, err.count("\n"))
        assert wrong.replace("(i)", "(int)") in err


@pytest.mark.parametrize(
    "arguments, wrong",
    [
        (["cat", "q", "--fields", "nonsense"], "argument --fields: unknown field 'nonsense'"),
        (["cat", "q", "--fields", "i", "--meta"], "--fields and --meta do not go together"),
        (["tail", "q", "--fields", "i", "-o", "hex"], "--fields makes its own lines: leave out --output hex"),
        (["append", "q", "--json-lines"], "--json-lines needs --fields"),
        (["append", "q", "--fields", "i", "--raw"], "--fields reads lines: leave out --raw"),
        (["append", "q", "--fields", "i", "--text"], "not allowed with argument"),
    ],
)
def test_options_that_make_no_sense_together_are_wrong_usage(run: Run, arguments: list[str], wrong: str) -> None:
    code, out, err = run(*arguments)
    assert (2, b"") == (code, out)
    assert wrong in err


def test_another_delimiter_lets_cells_have_lines(append: Any, tmp_path: Path) -> None:
    assert 0 == append("1\ta\nb\x001\tc", "--fields", "B,utf", "-d", r"\0").code
    assert [b"\x01\x03a\nb", b"\x01\x01c"] == payloads(tmp_path / "q")


def test_what_has_no_value_takes_no_cell(run: Run, append: Any, tmp_path: Path) -> None:
    layout = "b,align(4),text(3),skip(2),bytes(2),chars(1),rest"
    assert 0 == append("1\th\u00e9\t0aff\t\u20ac\t0102\n", "--fields", layout, "--format", "vanilla").code
    assert [bytes.fromhex("01000000 68c3a9 0000 0aff ac20 0102")] == payloads(tmp_path / "q")
    assert "1\th\u00e9\t0aff\t\u20ac\t0102\n" == run("cat", tmp_path / "q", "--fields", layout).out.decode()
    code, _, err = append("1\th\t0aff\t\u20ac\t\n", "--fields", layout)
    assert (1, True) == (code, "field 2 (text(3)): the field text(3) has 3 units, not 1" in err)


OBJECTS = [
    (None, "null"),
    ("x", '"x"'),
    (True, "true"),
    (5, "5"),
    (1.5, "1.5"),
    (math.inf, '{"Double": "Infinity"}'),
    (fields.JavaDouble("2.0E-3", "2.0E-3"), '{"Double": "2.0E-3"}'),
    (fields.JavaInteger(5), '{"Integer": 5}'),
    (fields.JavaShort(-3), '{"Short": -3}'),
    (fields.JavaByte(-4), '{"Byte": -4}'),
    (fields.JavaFloat("1.10", "1.10"), '{"Float": "1.10"}'),
    (fields.JavaBigInteger(10**30), '{"BigInteger": "1000000000000000000000000000000"}'),
    (Decimal("12.340"), '{"BigDecimal": "12.340"}'),
    (datetime(1969, 12, 31, 23, 59, 59, 995_000, timezone.utc), '{"Date": "1969-12-31T23:59:59.995Z"}'),
    (fields.JavaDate(1 << 60), '{"Date": 1152921504606846976}'),
    (fields.JavaClass("java.util.List"), '{"Class": "java.util.List"}'),
    (b"\x01\xff", '{"ByteBuffer": "01ff"}'),
    (fields.JavaObject("Side", "BUY"), '{"class": "Side", "text": "BUY"}'),
    (fields.JavaObject("Own", b"\x01"), '{"class": "Own", "bytes": "01"}'),
    (
        fields.JavaSerialized(b"\xac\xed\x00\x05t\x00\x01x"),
        '{"class": "java.lang.String", "serialized": "aced000574000178"}',
    ),
    (
        fields.JavaSerialized(b"\xac\xed\x00\x05p", framed=False),
        '{"class": null, "serialized": "aced000570", "framed": false}',
    ),
]


@pytest.mark.parametrize("value, text", OBJECTS, ids=[text for _, text in OBJECTS])
def test_objects_are_json_that_tells_their_class(value: object, text: str) -> None:
    layout = parse_layout("object")
    assert text == line_of(layout, [value])
    again = values_of_line(layout, text)
    assert (type(value), value) == (type(again[0]), again[0])
    one, other = fields.FieldWriter(), fields.FieldWriter()
    one.write_object(value)
    other.write_object(values_of_array(layout, f"[{text}]")[0])
    assert bytes(one) == bytes(other)


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{}", '{"Unknown": 1}', '{"Integer": []}', '{"Date": "x"}', '{"ByteBuffer": 1}', '{"Double": "1_0"}',
        '{"Float": "inf"}', '{"class": 1, "text": "x"}', '{"class": "x", "bytes": "zz"}', '{"serialized": null}',
        '{"BigInteger": "x"}', "nonsense", "[" * 100_000,
    ],
)  # fmt: skip
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(px.UsageError, match=r"field 1 \(object\): "):
        values_of_line(parse_layout("object"), text)


def test_collections_are_json(run: Run, append: Any, tmp_path: Path) -> None:
    line = '["a", null]\t{"k": "v"}\t[{"Integer": 1}, "x"]\t{"k": 5}\n'
    layout = "list,map,object_list,object_map"
    assert 0 == append(line, "--fields", layout, "--format", "vanilla").code
    doc = fields.FieldWriter("v3")
    doc.write_list(["a", None])
    doc.write_map({"k": "v"})
    doc.write_list([fields.JavaInteger(1), "x"])
    doc.write_map({"k": 5})
    assert [bytes(doc)] == payloads(tmp_path / "q")
    # Java reads a list as one of texts or of objects, not both: so does a layout.
    (tmp_path / "two").write_text('["a"]\t{}\t[{"Integer": 1}, 2, null]\t{"k": 5}\n')
    assert (
        0 == run("append", "--create", "--format", "vanilla", "--fields", layout, tmp_path / "r", tmp_path / "two").code
    )
    assert (tmp_path / "two").read_bytes() == run("cat", "--fields", layout, tmp_path / "r").out


TEXT = st.text(st.characters() | st.characters(categories=["Cs"]))


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_any_text_passes_cells_and_json(texts: list[str]) -> None:
    layout = parse_layout(",".join(["utf"] * len(texts)))
    line = line_of(layout, texts)
    assert line.replace("\t", "").isprintable() and len(texts) - 1 == line.count("\t")
    assert texts == values_of_line(layout, line)
    array = to_json_text(array_of(layout, texts))
    assert array.isprintable()
    pairs = [text.encode("utf-16-le", "surrogatepass") for text in texts]
    again = [str(text).encode("utf-16-le", "surrogatepass") for text in values_of_array(layout, array)]
    assert pairs == again


@given(st.floats(width=32), st.floats(), st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=9))
def test_any_number_passes_cells_and_json(single: float, double: float, number: int, raw: bytes) -> None:
    layout = parse_layout("f,d,q,rest")
    values = [single, double, number, raw]
    for again in (
        values_of_line(layout, line_of(layout, values)),
        values_of_array(layout, to_json_text(array_of(layout, values))),
    ):
        one, other = fields.FieldWriter(), fields.FieldWriter()
        fields.write_fields(one, layout, [math.nan if v != v else v for v in values])
        fields.write_fields(other, layout, again)
        assert bytes(one) == bytes(other)


def test_nothing_to_append_is_no_error(run: Run, tmp_path: Path) -> None:
    assert (0, b"", "") == run("append", "--create", "--fields", "q", tmp_path / "q", os.devnull)
