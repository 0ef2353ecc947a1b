"""Our text beside Java's: of a queue's documents, of what its text wires write, and of ours read by Java."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from fix_java import JavaError, WirePeer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_payloads import TEXTS, alike

import pychronix
from pychronix.errors import WireError
from pychronix.wire import (
    Pairs,
    Typed,
    TypeLiteral,
    decode,
    from_utf8,
    parse_json,
    parse_text,
    parse_yaml,
    to_json,
    to_utf8,
    to_yaml,
    value_to_yaml,
)
from pychronix.wire.decoding import parse
from pychronix.wire.times import format_date_time, format_time, format_zoned
from pychronix.wire.yaml_out import whole_value

Peers = Callable[..., WirePeer]


class Written(NamedTuple):
    """What Java wrote of the same values to a wire of each type."""

    payload: bytes
    text: bytes
    json: bytes


#: What `Texts` writes.
ALL = [
    "texts",
    "names",
    "integers",
    "floats",
    "times",
    "zone",
    "uuid",
    "bytes",
    "byte array",
    "type literals",
    "types",
] + ["nested", "map", "keys", "events", "comment", "value text", "value list", "value typed"]


@pytest.fixture
def written(wire_peer: Peers) -> dict[str, Written]:
    found = {name: Written(*map(bytes.fromhex, texts)) for name, *texts in wire_peer("Texts").rows("both")}
    assert ALL == list(found)
    return found


class Tolerant(yaml.SafeLoader):
    """PyYAML as a user sets it up to read tagged documents: the tags are dropped."""


def _untagged(loader: Tolerant, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


Tolerant.add_multi_constructor("!", _untagged)
for _name in ("set", "omap", "typed", "opaque", "history"):
    Tolerant.add_constructor(f"tag:yaml.org,2002:{_name}", lambda loader, node: _untagged(loader, "", node))


def untagged(value: Any) -> Any:
    """A value as `Tolerant` gives it."""
    if isinstance(value, Typed):
        return untagged(value.value)
    if isinstance(value, TypeLiteral):
        return value.name
    if isinstance(value, dict):
        return {key: untagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, str):
        # PyYAML leaves the halves of a character apart.
        return "".join(one if one < "\U00010000" else _halves(one) for one in value)
    if isinstance(value, datetime.datetime):
        return format_date_time(value) if value.tzinfo is None else format_zoned(value)
    if isinstance(value, datetime.time):
        return format_time(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def _halves(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(chr(int.from_bytes(units[at : at + 2], "big")) for at in (0, 2))


# --- a queue of Java's -----------------------------------------------------------------------------------------------

#: The documents of `Mixed` that Java does not show as they are, and why.
JAVA_IS_WRONG = {
    "object": "a ZonedDateTime of a region is a quoted text, as any text that looks so",
    "fields": "bytes are shown as the text that they might be",
    "bare values": "a value a line: YAML reads the lines as one text",
    "uuid": "BinaryWire cannot copy a UUID to text: IllegalArgumentException",
    "json": "the payload itself, and null in JSON is the text null in TEXT",
}


def test_each_document_of_a_java_queue_prints_with_the_values_that_java_shows(wire_peer: Peers, tmp_path: Path) -> None:
    mixed = wire_peer("Mixed")
    names = [row[0] for row in mixed.rows("make", dir=tmp_path / "q")]
    shown = mixed.rows("show", dir=tmp_path / "q")
    with pychronix.open_queue(tmp_path / "q", mode="r") as queue, queue.tailer() as tailer:
        payloads = [bytes(excerpt) for excerpt in tailer]
    assert len(names) == len(shown) == len(payloads) >= 25
    differ = set()
    for name, (_, _, java), payload in zip(names, shown, payloads, strict=True):
        value = whole_value(parse(payload))
        ours = to_yaml(payload)
        assert alike(value, parse_yaml(ours)), name
        assert alike(value, parse_json(to_json(payload))), name
        assert json.loads(to_json(payload)) is not None, name
        if not alike(value, parse_text(java)):
            differ.add(name)
    assert set(JAVA_IS_WRONG) == differ


def test_what_java_shows_wrong_differs_in_that_alone(wire_peer: Peers, tmp_path: Path) -> None:
    mixed = wire_peer("Mixed")
    names = [row[0] for row in mixed.rows("make", dir=tmp_path / "q")]
    java = {name: row[2] for name, row in zip(names, mixed.rows("show", dir=tmp_path / "q"), strict=True)}
    with pychronix.open_queue(tmp_path / "q", mode="r") as queue, queue.tailer() as tailer:
        ours = {name: decode(bytes(excerpt)) for name, excerpt in zip(names, tailer, strict=True)}
    assert java["uuid"].startswith("java.lang.IllegalArgumentException")
    assert {"id": uuid.UUID("01234567-89ab-cdef-fedc-ba9876543210")} == ours["uuid"]
    shown = parse_text(java["object"])
    assert "2024-02-29T12:00Z[Europe/London]" == shown.pop("zoned") == format_zoned(ours["object"].pop("zoned"))
    assert alike(ours["object"], shown)
    shown = parse_text(java["fields"])
    assert "\x01\x02\x03" == shown.pop("bytes")
    assert b"\x01\x02\x03" == ours["fields"].pop("bytes")
    assert alike(ours["fields"], shown)
    assert [1 << 50, "behind it"] == ours["bare values"]
    assert "1.125899906842624E15\nbehind it\n" == java["bare values"]


# --- the same values on wires of each type ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_text_of_a_text_wire_has_the_values_of_its_binary_twin(written: dict[str, Written], name: str) -> None:
    value = decode(written[name].payload)
    read = decode(written[name].text, wire_type="TEXT")
    if name == "uuid":
        # Plain text to every reader of TEXT, Java's too.
        value = {key: str(item) for key, item in value.items()}
    if name == "keys":
        value["m"] = {str(key.value) if isinstance(key, Typed) else key: item for key, item in value["m"].items()}
    assert alike(value, read)


#: Of the same values, what Wires.asText shows of the binary wire.
AS_TEXT_IS_WRONG = {
    "zone": "quoted, as any text that looks so",
    "uuid": "IllegalArgumentException",
    "keys": "'? !TimeUnit DAYS, 1: text: 2': a comma in a key, and the rest out of step",
}


@pytest.mark.parametrize("name", ALL)
def test_java_s_text_of_a_binary_document_has_our_values(
    written: dict[str, Written], wire_peer: Peers, name: str
) -> None:
    value = decode(written[name].payload)
    try:
        shown = wire_peer("Reader").ask("text", data=written[name].payload)["text"]
        same = alike(value, parse_text(shown))
    except (JavaError, WireError):
        same = False
    assert (name not in AS_TEXT_IS_WRONG) == same


@pytest.mark.parametrize("name", ALL)
def test_pyyaml_reads_our_yaml(written: dict[str, Written], name: str) -> None:
    value = decode(written[name].payload)
    found = yaml.load(to_yaml(written[name].payload), Loader=Tolerant)
    if name == "keys":
        # Without its tag a key is its text.
        value["m"] = {str(key.value) if isinstance(key, Typed) else key: item for key, item in value["m"].items()}
    if name == "times":
        # The years that Python has not stay text.
        assert "+12345-01-01" == found["late"]
    assert alike(untagged(value), found)


#: What Java does not read back as it is, from any text.
JAVA_LOSES = {
    "type literals": "ClassNotFoundException: it reads no class that it has not",
    "types": "ClassNotFoundException",
    "value typed": "ClassNotFoundException",
    "events": "as an object it is a map, which has each name once",
}


@pytest.mark.parametrize("name", ALL)
def test_java_reads_our_yaml(written: dict[str, Written], wire_peer: Peers, name: str) -> None:
    value = decode(written[name].payload)
    try:
        data = wire_peer("Texts").ask("binary", text=to_yaml(written[name].payload))["data"]
        same = alike(value, decode(bytes.fromhex(data)))
    except JavaError as error:
        assert error.java_class.endswith("ClassNotFoundRuntimeException")
        same = False
    assert (name not in JAVA_LOSES) == same


def test_java_reads_types_that_it_knows_from_our_yaml(wire_peer: Peers) -> None:
    text = "a: !TimeUnit DAYS\nb: !!set [ x, y ]\nc: !int[] [ 1, 2 ]\nd: !type int\ne: !!omap { k: 1 }\n"
    data = bytes.fromhex(wire_peer("Texts").ask("binary", text=text)["data"])
    assert alike(parse_yaml(text), decode(data))
    assert alike(parse_yaml(text), parse_yaml(to_yaml(data)))


_UTC = datetime.timezone.utc
_texts = TEXTS.map(lambda text: from_utf8(to_utf8(text)))  # Two halves that meet are a character.
_scalars = st.one_of(
    _texts,
    st.booleans(),
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.binary(max_size=8),
    st.uuids(),
    st.dates(),
    st.times().map(lambda one: one.replace(fold=0)),
    st.datetimes().map(lambda one: one.replace(fold=0)),
    st.datetimes(timezones=st.just(_UTC)).map(lambda one: one.replace(fold=0)),
)
# A name is of ISO 8859-1. As a key TextWire takes "true" for a boolean; and what has no items is neither a list nor a
# mapping in Wire.
_names = _texts.filter(lambda name: name not in ("true", "false") and all(char < "\u0100" for char in name))
_values = st.recursive(
    _scalars,
    lambda values: st.one_of(st.lists(values, max_size=4), st.dictionaries(_names, values, min_size=1, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.dictionaries(_names, _values, min_size=1, max_size=3))
def test_java_and_pyyaml_read_any_yaml_of_ours(wire_peer: Peers, value: dict[str, Any]) -> None:
    text = value_to_yaml(value)
    assert alike(untagged(value), yaml.load(text, Loader=Tolerant))
    data = wire_peer("Texts").ask("binary", text=text)["data"]
    assert alike(value, decode(bytes.fromhex(data)))


# --- JSON ------------------------------------------------------------------------------------------------------------

#: What JSONWire writes that is no JSON.
JSON_IS_WRONG = {
    "integers": "0xff",
    "types": 'the brace of {"@my.Type":"body" is never closed',
    "value typed": "the same",
}
#: What it writes as a text.
JSON_IS_TEXT = {"floats", "times", "uuid", "keys"}


@pytest.mark.parametrize("name", ALL)
def test_json_of_a_json_wire_has_the_values_of_its_binary_twin(written: dict[str, Written], name: str) -> None:
    value = decode(written[name].payload)
    if name in JSON_IS_WRONG:
        with pytest.raises(WireError, match="cannot read JSON"):
            parse_json(written[name].json)
        return
    read = parse_json(written[name].json)
    if name in JSON_IS_TEXT:
        assert not alike(value, read)
        assert list(map(_as_text, _leaves(value))) == list(map(_as_text, _leaves(read)))
    else:
        assert alike(value, read)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        pairs = value.pairs() if isinstance(value, Pairs) else value.items()
        return [leaf for key, item in pairs for leaf in (key, *_leaves(item))]
    return [value]


def _as_text(value: Any) -> str:
    value = untagged(value)
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value)


#: What Java's JSONWire does not read back from our JSON.
JSON_LOST = {
    "bytes": 'of {"@!binary": ...}, its own form, it reads the base64 as the bytes',
    "byte array": "the same",
    "type literals": "a class that it has not is an UnresolvedType",
    "types": "ClassNotFoundException",
    "keys": "it has no form for keys that are no texts",
    "events": "nor for a name twice",
    "value typed": "ClassNotFoundException",
}


@pytest.mark.parametrize("name", ALL)
def test_java_reads_our_json(written: dict[str, Written], wire_peer: Peers, name: str) -> None:
    value = decode(written[name].payload)
    try:
        data = wire_peer("Texts").ask("binary", text=to_json(written[name].payload), wire="JSON")["data"]
        same = alike(value, decode(bytes.fromhex(data)))
    except JavaError as error:
        assert error.java_class.endswith("ClassNotFoundRuntimeException")
        same = False
    assert (name not in JSON_LOST) == same


# --- older releases --------------------------------------------------------------------------------------------------

#: What these releases do not show as it is, and why. (5.19 to 5.21 cannot copy a mapping to text on Java 17.)
_OLDER: dict[str, dict[str, str]] = {
    "5.17.43": {
        "zone": "quoted, as any text that looks so",
        "uuid": "nothing is shown",
        "bytes": "the text that they might be",
        "texts": "'a\"\\'b': a quote escaped as YAML does not between single quotes",
        "names": "the same",
    },
    "5.24ea27": AS_TEXT_IS_WRONG | {"texts": "IllegalArgumentException at what follows a character beyond the BMP"},
    "5.26ea7": AS_TEXT_IS_WRONG | {"texts": "IllegalArgumentException at what follows a character beyond the BMP"},
}


@pytest.mark.parametrize("release", _OLDER)
def test_older_releases_show_our_values(written: dict[str, Written], wire_peer: Peers, release: str) -> None:
    reader = wire_peer("Reader", release=release)
    differ = set()
    for name, (payload, _, _) in written.items():
        try:
            same = alike(decode(payload), parse_text(reader.ask("text", data=payload)["text"]))
        except (JavaError, WireError):
            same = False
        if not same:
            differ.add(name)
    assert set(_OLDER[release]) == differ
