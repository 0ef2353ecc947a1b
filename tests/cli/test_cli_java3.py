"""Acceptance: what Java 3.6.0 wrote field by field is printed by ``cat --fields`` as Java reads it, and Java reads what
``append --fields`` wrote."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fix_java import unpack_fixture
from fix_java3 import FieldCall, FieldExcerpt, Java, Java3Peer, Java3Queue, field_excerpts, fixture3_names, to_json

import pychronix as px

Run = Callable[..., Any]
SETTINGS = ("--index-block", "4K", "--data-block", "32K")

# What Java's class names are in the head of a serialized object.
SERIALIZED = {
    "pojo": "pychronix.peer.Values$Pojo", "list": "java.util.ArrayList", "map": "java.util.LinkedHashMap",
    "uuid": "java.util.UUID", "instant": "java.time.Ser", "char": "java.lang.Character", "bytes": "[B",
}  # fmt: skip


def sizes(calls: Sequence[FieldCall]) -> list[int]:
    stops = [call.position for call in calls]
    return [stop - start for start, stop in zip([0, *stops], stops, strict=False)]


def layout_of(excerpt: FieldExcerpt) -> str:
    """The layout of an excerpt, by the names of the methods that Java wrote it with."""
    return ",".join(kind_of(call, size) for call, size in zip(excerpt.fields, sizes(excerpt.fields), strict=True))


def kind_of(call: FieldCall, size: int) -> str:
    method, *arguments = call.write
    (argument, *more) = arguments
    if method == "writeUTFΔ" and more:
        return "utf"  # At an offset: the position follows, as a call of its own.
    if method == "position":
        return f"align({argument})"
    if method == "writeObject":
        # These two classes write their own bytes, and nothing says how many.
        return f"bytes({size})" if isinstance(argument, Java) and argument.type in ("ext", "marsh") else "object"
    if method == "writeList":
        return "object_list" if argument and not isinstance(argument[0], str) else "list"
    if method in ("write", "writeBytes"):
        return f"chars({size // 2})" if isinstance(argument, Java) and argument.type == "chars" else f"bytes({size})"
    if method == "writeChars":
        return f"chars({size // 2})"
    if method.startswith("append"):
        return f"text({size})"
    named = {"writeUTFΔ": "utf", "writeUTF": "utf_short", "write8bitText": "8bit_text"}
    return named.get(method) or re.sub(r"([A-Z])", r"_\1", method.removeprefix("write")).lower().lstrip("_")


def value_of(call: FieldCall, data: bytes) -> Any:
    """What Java reads of a field, as JSON; `data` are the field's bytes. ``...`` has no value."""
    method, argument = call.write[0], call.write[1]
    result = call.filled[0] if call.filled and method not in ("writeMap",) else call.result
    if method == "position":
        return ...
    if method == "write8bitText" and call.result is False:
        return None  # Java says null by its result.
    if method in ("write", "writeBytes") and not (isinstance(argument, Java) and argument.type == "chars"):
        assert result == data
        return data.hex()
    if method.startswith("append"):
        text = data.decode()
        if isinstance(result, (int, str)) and call.read[0] != "position":
            assert str(result) == text, "Java parses the very text"
        return text
    if method == "writeObject":
        return object_of(argument, data)
    if method == "writeList":
        return result
    if method == "writeEnum" and isinstance(result, Java):
        return result.value
    return named(result)


def named(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def object_of(argument: Any, data: bytes) -> Any:
    kind, value = (argument.type, argument.value) if isinstance(argument, Java) else (None, argument)
    if isinstance(value, bytes) and kind is None:
        kind = "bytes"
    if kind in SERIALIZED:
        # 'S', the length as an int, and what Java serialized.
        return {"class": SERIALIZED[kind], "serialized": data[5:].hex()}
    if kind == "date":
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=value)
        return {"Date": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"}
    if kind == "class":
        # Java shortens some names, and the peer's own.
        return {"Class": {"java.lang.String": "String", "Colour": "pychronix.peer.Values$Colour"}.get(value, value)}
    if kind == "enum":
        return {"class": "pychronix.peer.Values$Colour", "text": value}
    if kind == "sb":
        return {"class": "java.lang.StringBuilder", "text": value}
    if kind in ("ext", "marsh"):
        return data.hex()
    tags = {"int": "Integer", "short": "Short", "byte": "Byte", "bigdec": "BigDecimal", "bigint": "BigInteger"}
    if kind in tags:
        return {tags[kind]: value}
    if kind == "float":
        return {"Float": str(value)}
    return {"Double": "NaN"} if isinstance(value, float) and math.isnan(value) else value


def values_of(excerpt: FieldExcerpt) -> list[Any]:
    found, start = [], 0
    for call in excerpt.fields:
        value = value_of(call, excerpt.data[start : call.position])
        start = call.position
        if value is not ...:
            found.append(value)
    return found


def same(expected: Any, printed: Any) -> bool:
    """Equal, and of the same type: 1 is not true, and -0.0 not 0.0. A float of 32 bits is printed by its own digits."""
    if isinstance(expected, str) and isinstance(printed, str):
        # Java's strings have units, ours characters.
        return expected.encode("utf-16-le", "surrogatepass") == printed.encode("utf-16-le", "surrogatepass")
    if isinstance(expected, float) and isinstance(printed, float):
        near = math.isclose(expected, printed, rel_tol=2**-24, abs_tol=0) or 0 < abs(expected) < 1e-44
        return (expected == printed or near) and math.copysign(1, expected) == math.copysign(1, printed)
    return repr(expected) == repr(printed)


def check(expected: list[Any], printed: list[Any], kind: str) -> None:
    assert len(expected) == len(printed), kind
    assert [] == [pair for pair in zip(expected, printed, strict=True) if not same(*pair)], kind


def outcomes(queue: Java3Queue, excerpt: FieldExcerpt, index: int) -> str:
    """What Java reads of the excerpt with an index by the calls for this one."""
    got = queue.tailer().outcomes(*(field.read for field in excerpt.fields), index=index)
    return repr([(call.position, to_json(call.result), [to_json(value) for value in call.filled]) for call in got])


def told(excerpt: FieldExcerpt) -> str:
    """What Java said when the fixture was made."""
    return repr([(to_json(field.result), [to_json(value) for value in field.filled]) for field in excerpt.fields])


@pytest.mark.parametrize("name", ["fields", "fields-indexed"])
def test_thirty_kinds_of_field_are_printed_as_java_reads_them(run: Run, tmp_path: Path, name: str) -> None:
    fixture = unpack_fixture("v3/fields", tmp_path)[name]
    excerpts = field_excerpts(fixture)
    assert len(excerpts) > 30
    for excerpt in excerpts:
        fields = ["--fields", layout_of(excerpt)]
        here = [fixture.path, "--start", excerpt.index, "-n", 1, *fields]
        code, out, err = run("cat", *here, "-o", "json")
        assert (0, "") == (code, err), excerpt.kind
        check(values_of(excerpt), json.loads(out), excerpt.kind)
        cells = run("cat", *here).out
        assert 1 == cells.count(b"\n")
        # Written again, from cells and from JSON: the bytes are Java's.
        for number, (line, more) in enumerate([(cells, []), (out, ["--json-lines"])]):
            copy = tmp_path / f"{excerpt.kind}-{number}"
            (tmp_path / "line").write_bytes(line)
            command = ["append", copy, tmp_path / "line", "--create", "--format", "vanilla", *SETTINGS, *fields, *more]
            assert (0, b"", "") == run(*command), excerpt.kind
            with px.open_queue(copy) as queue:
                assert [excerpt.data] == list(queue.tailer()), excerpt.kind


def test_an_object_that_java_serialized_without_its_length_reaches_to_the_end(run: Run, tmp_path: Path) -> None:
    """As Java writes with useCompressedObjectSerializer=false."""
    fixture = unpack_fixture("v3/fields", tmp_path)["fields-raw"]
    excerpt = field_excerpts(fixture)[0]
    first = next(n for n, call in enumerate(excerpt.fields) if getattr(call.write[1], "type", None) == "pojo")
    kinds = [kind_of(call, size) for call, size in zip(excerpt.fields, sizes(excerpt.fields), strict=True)]
    fields = ["--fields", ",".join([*kinds[:first], "object"])]
    code, out, err = run("cat", fixture.path, "-n", 1, "-o", "json", *fields)
    assert (0, "") == (code, err)
    found = json.loads(out)
    check(values_of(excerpt)[:first], found[:first], excerpt.kind)
    rest = excerpt.data[excerpt.fields[first - 1].position + 1 :]
    assert [{"class": SERIALIZED["pojo"], "serialized": rest.hex(), "framed": False}] == found[first:]
    (tmp_path / "line").write_bytes(out)
    command = ["append", tmp_path / "q", tmp_path / "line", "--create", "--format", "vanilla", "--json-lines", *fields]
    assert (0, b"", "") == run(*command)
    with px.open_queue(tmp_path / "q") as queue:
        assert [excerpt.data] == list(queue.tailer())


@pytest.mark.parametrize("form", ["vanilla", "indexed"])
def test_java_reads_the_journal_that_append_wrote(run: Run, java3: Java3Peer, tmp_path: Path, form: str) -> None:
    fixture = unpack_fixture("v3/fields", tmp_path)["fields"]
    excerpts = field_excerpts(fixture)
    for excerpt in excerpts:
        fields = ["--fields", layout_of(excerpt)]
        (tmp_path / "line").write_bytes(run("cat", fixture.path, "--start", excerpt.index, "-n", 1, *fields).out)
        command = ["append", tmp_path / "q", tmp_path / "line", "--create", "--format", form, *SETTINGS, *fields]
        assert (0, b"", "") == run(*command), excerpt.kind
    opened = java3.vanilla if form == "vanilla" else java3.indexed
    with opened(tmp_path / "q", **fixture.expected["options"]) as queue:
        dumped = queue.dump()
        assert [excerpt.data for excerpt in excerpts] == [data for _, data in dumped]
        for excerpt, (index, _) in zip(excerpts, dumped, strict=True):
            got = queue.tailer().outcomes(*(field.read for field in excerpt.fields), index=index)
            again = repr([(to_json(call.result), [to_json(value) for value in call.filled]) for call in got])
            assert told(excerpt) == again, excerpt.kind


@pytest.mark.parametrize("form", ["vanilla", "indexed"])
def test_a_journal_of_a_running_java_is_printed_and_written_again(
    run: Run, java3: Java3Peer, tmp_path: Path, form: str
) -> None:
    """Excerpts with all kinds in each, by one layout; what Java reads of the copy is what it reads of its own."""
    everything = field_excerpts(unpack_fixture("v3/fields", tmp_path)["fields"])[-1]
    assert everything.kind == "all"
    opened = java3.vanilla if form == "vanilla" else java3.indexed
    settings = {"index_block": 4096, "data_block": 32768}
    queue = opened(tmp_path / "java", **settings)
    appender = queue.appender()
    indexes = []
    for _ in range(3):
        written = appender.calls(*(field.write for field in everything.fields), capacity=8192)
        assert written.data == everything.data
        indexes.append(written.index)
    fields = ["--fields", layout_of(everything)]
    code, out, err = run("cat", tmp_path / "java", "-o", "json", *fields)
    assert (0, "", 3) == (code, err, out.count(b"\n"))
    for line in out.splitlines():
        check(values_of(everything), json.loads(line), "all")
    (tmp_path / "lines").write_bytes(run("tail", tmp_path / "java", *fields).out)
    command = ["append", tmp_path / "ours", tmp_path / "lines", "--create", "--format", form, *SETTINGS, *fields]
    assert (0, b"", "") == run(*command)
    copy = opened(tmp_path / "ours", **settings)
    dumped = copy.dump()
    assert [everything.data] * 3 == [data for _, data in dumped]
    for index, (copied, _) in zip(indexes, dumped, strict=True):
        assert outcomes(queue, everything, index) == outcomes(copy, everything, copied)


UNTOLD = {"entries": "--entries-per-cycle"}  # What no file tells.
JOURNALS = [name for name in fixture3_names() if name != "v3/fields"]


@pytest.mark.parametrize("name", JOURNALS)
def test_hex_equals_the_dump_of_the_java_that_wrote_it(run: Run, tmp_path: Path, name: str) -> None:
    for journal, fixture in unpack_fixture(name, tmp_path).items():
        given = {key: value for key, value in fixture.expected["options"].items() if key in UNTOLD}
        options = [part for key, value in given.items() for part in (UNTOLD[key], value)]
        wanted = [f"{index}\t{data.hex()}" for index, data in fixture.excerpts]
        for path in [fixture.path, *(f"{fixture.path}.{end}" for end in ("data", "index")[: 2 * ("indexed" in name)])]:
            code, out, err = run("cat", path, "-o", "hex", *options)
            assert (0, "") == (code, err), journal
            assert wanted == out.decode().splitlines(), journal
        backward = run("cat", fixture.path, "-r", "-o", "hex", *options).out.decode()
        assert wanted == backward.splitlines()[::-1], journal
        assert wanted[-3:] == run("tail", fixture.path, "-n", 3, "-o", "hex", *options).out.decode().splitlines()
        if wanted:
            middle = len(wanted) // 2
            start = fixture.excerpts[middle][0]
            printed = run("cat", fixture.path, "-s", f"{start:#x}", "-n", 2, "-o", "hex", *options).out.decode()
            assert wanted[middle : middle + 2] == printed.splitlines(), journal


@pytest.mark.parametrize("name", JOURNALS)
def test_info_agrees_with_java(run: Run, tmp_path: Path, name: str) -> None:
    for journal, fixture in unpack_fixture(name, tmp_path).items():
        expected = fixture.expected
        options = expected["options"]
        given = [part for key in set(UNTOLD) & set(options) for part in (UNTOLD[key], options[key])]
        facts = json.loads(run("info", "--json", fixture.path, *given).out)
        assert expected["format"] == facts["format"]
        assert expected["count"] + len(expected.get("padding", [])) == facts["count"], journal
        if expected["last_index"] >= 0 and expected["count"]:
            assert expected["last_index"] == facts["last_index"], journal
        if expected["format"] == "vanilla":
            if expected["count"]:
                assert expected["thread_bits"] == facts["thread_bits"], journal
            for key, fact in (("index_block", "index_block_bytes"), ("data_block", "data_block_bytes")):
                assert options.get(key, facts[fact]) == facts[fact], journal
            assert (
                options.get("format", facts["roll_cycle"]["pattern"]).replace("'day' ", "'day '")
                == (facts["roll_cycle"]["pattern"])
            )
        else:
            assert {"roll_cycle", "entries_per_cycle", "thread_bits", "table_store"}.isdisjoint(facts)
            assert {"start", "closed"}.isdisjoint(facts["cycles"][0])
            assert options.get("line", 64) == facts["line_bytes"]
