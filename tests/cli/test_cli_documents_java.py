"""Acceptance: what Java wrote, of classes that nobody told us of, prints as Java's own ChronicleReaderMain prints it.

Both texts are taken apart by PyYAML's parser and compared item by item: as values, for we write a long of 2^62 as that
number where Java's text has 4.6116860184273879E18.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fix_java import WirePeer, unpack_fixture

Run = Callable[..., Any]

# Java's text names some widths (!byte), ours some kinds (!Time) that nothing in the text tells otherwise.
_WIDTHS = {"!byte", "!short", "!int", "!long", "!float"}
_FORMS = {"str", "map", "seq", "int", "float", "bool", "timestamp"}
_KINDS = {"!Time", "!Date", "!DateTime", "!ZonedDateTime", "!UUID", "!Float64", "!Float32"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mixed") / "q"


@pytest.fixture
def shown(wire_peer: Callable[..., WirePeer], mixed: Path) -> list[tuple[int, str, str, str]]:
    """(index, what it is, "text" or "error", what Java shows) of each excerpt of the queue that Java made."""
    peer = wire_peer("Mixed")
    if not mixed.exists():
        (mixed.parent / "made").write_text("\n".join(what for (what,) in peer.rows("make", dir=mixed, source=7)))
    made = (mixed.parent / "made").read_text().splitlines()
    rows = peer.rows("show", dir=mixed)
    assert len(made) == len(rows)
    return [(int(index), what, kind, text) for what, (index, kind, text) in zip(made, rows, strict=True)]


def same(ours: yaml.Node | None, java: yaml.Node | None, where: str) -> None:
    """Fails where two YAML trees differ in value."""
    if isinstance(ours, yaml.SequenceNode) and isinstance(java, yaml.SequenceNode):
        assert tag(ours) == tag(java), where
        assert len(ours.value) == len(java.value), where
        for number, (one, other) in enumerate(zip(ours.value, java.value, strict=True)):
            same(one, other, f"{where}[{number}]")
    elif isinstance(ours, yaml.MappingNode) and isinstance(java, yaml.MappingNode):
        assert tag(ours) == tag(java), where
        assert [key.value for key, _ in ours.value] == [key.value for key, _ in java.value], where
        for (key, one), (_, other) in zip(ours.value, java.value, strict=True):
            same(one, other, f"{where}.{key.value}")
    else:
        assert isinstance(ours, yaml.ScalarNode) and isinstance(java, yaml.ScalarNode), (where, ours, java)
        assert same_scalar(ours, java), (where, ours, java)


def tag(node: yaml.Node) -> str:
    """The tag, where it says more than the form of the text."""
    core = node.tag.startswith("tag:yaml.org,2002:") and node.tag[18:] in _FORMS
    return "" if core or node.tag in _WIDTHS | _KINDS else node.tag


def same_scalar(ours: yaml.ScalarNode, java: yaml.ScalarNode) -> bool:
    one, other = joined(ours.value), joined(java.value)
    if ours.tag.endswith("2002:binary") and not java.tag.endswith("2002:binary"):
        return base64.b64decode(one) == other.encode("latin-1")  # Java shows bytes as text if they look like it.
    if ours.tag == java.tag == "tag:yaml.org,2002:null":
        return True
    plain = {node.style is None or node.tag in _WIDTHS | _KINDS for node in (ours, java)} == {True}
    if plain and (numbers := (number(one), number(other))) != (None, None):
        return numbers[0] == numbers[1] or repr(numbers[0]) == repr(numbers[1])  # NaN
    return one == other and tag(ours) == tag(java)


def joined(text: str) -> str:
    """With the halves of a character put together, as which Java reads and writes it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def number(text: str) -> float | None:
    try:
        return float(int(text, 0))
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def compare(run: Run, queue: Path, shown: list[tuple[int, str, str, str]]) -> int:
    """Compares what is printed of a queue with what Java showed of it; how many messages were the same."""
    code, out, err = run("cat", "--output", "yaml", queue)
    assert (0, "") == (code, err)
    printed = dict(piece.split("\n", 1) for piece in out.decode().split("--- # ")[1:])
    assert [hex(index) for index, *_ in shown] == list(printed)
    assert len(shown) == len(list(yaml.compose_all(out.decode()))), "all of it is one stream of YAML"
    compared = 0
    for index, what, kind, text in shown:
        ours = yaml.compose(printed[hex(index)])
        if kind == "error":
            # Java's own reader knows no UUID in this place.
            assert ("uuid", "java.lang.IllegalArgumentException: STRING_15") == (what, text)
            assert "id: !UUID 01234567-89ab-cdef-fedc-ba9876543210\n" == printed[hex(index)]
            continue
        if what == "bare values":  # Java's text of several is none of YAML.
            assert isinstance(ours, yaml.SequenceNode)
            for one, line in zip(ours.value, text.splitlines(), strict=True):
                same(one, yaml.compose(line), what)
        else:
            same(ours, yaml.compose(text), what)
        compared += 1
    return compared


def test_a_queue_of_java_prints_as_yaml_equal_in_value(
    run: Run, mixed: Path, shown: list[tuple[int, str, str, str]]
) -> None:
    assert compare(run, mixed, shown) == len(shown) - 1 >= 20


def test_a_queue_that_java_made_once_prints_as_java_showed_it_then(run: Run, tmp_path: Path) -> None:
    """The same without a Java at hand."""
    queue = unpack_fixture("v5/documents", tmp_path)["documents"]
    shown = [
        (index, what, *told)
        for what, (index, *told) in zip(queue.expected["made"], queue.expected["shown"], strict=True)
    ]
    assert compare(run, queue.path, shown) == len(shown) - 1 >= 20


def test_the_comparison_sees_differences() -> None:
    for one, other in [
        ("a: 1", "a: 2"), ("a: 1", "b: 1"), ("a: [1, 2]", "a: [1]"), ("a: x", 'a: ["x"]'), ("a: !t x", "a: !u x"),
        ("a: !t {b: 1}", "a: {b: 1}"), ("a: '1'", "a: '1.0'"), ("a: !!null ''", "a: ''"), ("a: !!binary AAA=", "a: x"),
        ("a: 1\nb: 2", "b: 2\na: 1"), ("a: 2024-02-29", "a: 2024-02-28"), ("a: .5", "a: .6"),
    ]:  # fmt: skip
        with pytest.raises(AssertionError):
            same(yaml.compose(one), yaml.compose(other), "")
    for one, other in [
        ("a: 4611686018427387904", "a: 4.6116860184273879E18"), ("a: !Time 01:02:03", "a: 01:02:03"),
        ("a: 1", "a: !byte 1"),
        ("a: !Float64 NaN", "a: NaN"), ("a: !!binary AQ==", 'a: "\\x01"'), ('a: "\\U0001f600"', 'a: "\\uD83D\\uDE00"'),
    ]:  # fmt: skip
        same(yaml.compose(one), yaml.compose(other), "")


def test_a_queue_of_java_prints_as_json(run: Run, mixed: Path, shown: list[tuple[int, str, str, str]]) -> None:
    code, out, err = run("cat", "--output", "json", mixed)
    objects = [json.loads(line) for line in out.splitlines()]
    assert (0, "") == (code, err)
    assert [index for index, *_ in shown] == [one["index"] for one in objects]
    assert not any("error" in one or "base64" in one for one in objects)
    found = {what: one.get("document", one.get("text")) for (_, what, *_), one in zip(shown, objects, strict=True)}
    assert found["map"] == {
        "key": "value", "int": 1, "long": 1 << 40, "double": 2.5, "null": None, "flag": False, "12": "a key like a number",
    }  # fmt: skip
    everything = found["object"]
    assert everything["big"] == -(1 << 63) and everything["coded"] == 1 << 62
    assert everything["text"] == "h\u00e9llo \U0001f600: 'quoted' \"twice\"\n\tnext"
    assert everything["words"] == ["one", "two: three", None]
    assert everything["legs"][1] == {"symbol": "b", "price": -2.25, "side": "SELL"}
    assert found["call of two"]["two"] == ["a", 3]
    assert found["call of null"]["say"] is None
    assert found["chained call"]["via"] == "route" and found["chained call"]["end"]["symbol"] == "chained"
    assert found["text of two lines"] == "two\nlines: \u20ac"


def test_every_output_prints_all_of_it(run: Run, mixed: Path, shown: list[tuple[int, str, str, str]]) -> None:
    for output in ("auto", "yaml", "json", "table", "text", "hex", "explain", "raw"):
        code, out, err = run("cat", "--output", output, mixed)
        assert (0, "", True) == (code, err, out.count(b"\n") >= len(shown) or output == "raw"), output


def test_java_filters_as_we_do(run: Run, mixed: Path, shown: list[tuple[int, str, str, str]]) -> None:
    """The same expressions choose the same messages, of what Java's reader can show."""
    for options, chosen in [
        (["--include", "symbol: "], lambda text: "symbol: " in text),
        (["--include", "symbol: ", "--include", "side: BUY"], lambda text: "symbol: " in text and "side: BUY" in text),
        (["--exclude", "history"], lambda text: "history" not in text),
    ]:  # fmt: skip
        expected = [index for index, _, kind, text in shown if kind == "error" or chosen(text)]
        uuid = {index for index, _, kind, _ in shown if kind == "error"}
        lines = run("cat", "--output", "hex", *options, mixed).out.splitlines()
        found = [int(line.split(b"\t")[0]) for line in lines]
        assert [index for index in expected if index not in uuid] == [index for index in found if index not in uuid]


def test_java_shows_what_append_typed(run: Run, wire_peer: Callable[..., WirePeer], tmp_path: Path) -> None:
    documents = '{"sym": "EUR/USD", "px": 1.5, "legs": [{"side": "BUY", "qty": 1}]}\n{"a": null, "b": [true]}\n'
    (tmp_path / "input").write_text(documents)
    assert 0 == run("append", "--create", "--json", tmp_path / "q", tmp_path / "input").code
    (tmp_path / "input").write_text('day: 2024-02-29\ntext: |\n  two\n  lines\n--- "a text"\n')
    assert 0 == run("append", "--yaml", tmp_path / "q", tmp_path / "input").code
    (tmp_path / "input").write_text("hello: world\n")
    assert 0 == run("append", "--event", "say", tmp_path / "q", tmp_path / "input").code
    rows = wire_peer("Mixed").rows("show", dir=tmp_path / "q")
    assert [text for _, _, text in rows] == [
        "sym: EUR/USD\npx: 1.5\nlegs: [\n  {\n    side: BUY,\n    qty: 1\n  }\n]\n",
        'a: !!null ""\nb: [\n  true\n]\n',
        'day: 2024-02-29\ntext: "two\\nlines\\n"\n',
        "a text\n",
        'say: "hello: world"\n',
    ]


def test_java_is_called_with_what_people_typed(run: Run, wire_peer: Callable[..., WirePeer], tmp_path: Path) -> None:
    """A MethodReader on an object of the interface, whose methods take a String, an int, two arguments, a List, a DTO."""
    typed = [
        ("say", "hello", []),
        ("num", "7", ["--json"]),
        ("two", '["a", 3]', ["--json"]),
        ("names", "[n1, n2]", ["--yaml"]),
        ("color", "GREEN", []),
        ("order", '{"id": 1, "px": 2.25, "name": "first", "color": "RED", "tags": ["x", "y"]}', ["--json"]),
    ]
    for event, text, options in typed:
        (tmp_path / "input").write_text(text + "\n")
        arguments = ["append", "--create", "--event", event, *options, tmp_path / "q", tmp_path / "input"]
        assert (0, b"", "") == run(*arguments)
    rows = wire_peer("Services").rows("read", path=tmp_path / "q", source=0)
    assert [call.split(" @")[0] for (call,) in rows] == [
        "say hello",
        "num 7",
        "two a 3",
        "names [n1, n2]",
        "color GREEN",
        "order 1,2.25,first,0,RED,false,[x, y]",
    ]
