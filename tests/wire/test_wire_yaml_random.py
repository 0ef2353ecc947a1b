"""YAML, JSON and the explanation of whatever there is: nothing lost, and nothing but WireError."""

from __future__ import annotations

import contextlib
import json

from hypothesis import example, given
from hypothesis import strategies as st
from test_wire_decode_random import wire_like
from wire_payloads import PAYLOADS, exact

from pychronix.errors import WireError
from pychronix.wire.decoding import parse
from pychronix.wire.explain import explain
from pychronix.wire.json_out import to_json
from pychronix.wire.text_in import parse_json, parse_text, parse_yaml, parse_yaml_all
from pychronix.wire.yaml_out import to_yaml, whole_value

_HISTORY = bytes.fromhex("ba8000 81 1f00 86 01 02000000 4523010000000000 02 0500000000000000 0600000000000000")
_NAMED_HISTORY = bytes.fromhex("8214000000 c7736f7572636573 8000 c774696d696e6773 8000")


@given(st.one_of(PAYLOADS, wire_like))
@example(b"\xb9\x01a\xe1x" + _HISTORY + b"\xb9\x01b\xe1y" + _HISTORY)  # Not at the beginning, and twice.
@example(b"\xba\x80\x00" + _NAMED_HISTORY)
@example(b"\xb9\x07history" + _NAMED_HISTORY + b"\xe1x")
@example(b"\xe1x" + _HISTORY)
@example(b"\xba\x80\x00\xe1x")
@example(b"\xe1x\xbd\xa1\x05")  # A key without a value in a list.
@example(b"\xe1x\xc1v\xbe\x01#\xa1\x05")  # A remark between name and value in a list.
def test_yaml_reads_back_as_what_was_decoded(payload: bytes) -> None:
    try:
        content = parse(payload, "BINARY_LIGHT")
    except WireError:
        return
    text = to_yaml(payload, wire_type="BINARY_LIGHT")
    assert exact(whole_value(content)) == exact(parse_yaml(text)), text


@given(st.one_of(PAYLOADS, wire_like))
def test_json_reads_back_as_what_was_decoded(payload: bytes) -> None:
    try:
        content = parse(payload, "BINARY_LIGHT")
    except WireError:
        return
    line = to_json(payload, wire_type="BINARY_LIGHT")
    json.loads(line)
    assert 1 == len(line.splitlines()) and line.encode()
    assert exact(whole_value(content)) == exact(parse_json(line)), line


@given(st.one_of(st.binary(max_size=60), PAYLOADS))
def test_any_bytes_give_text_or_a_wire_error(data: bytes) -> None:
    explain(data)
    for to_text in (to_yaml, to_json):
        try:
            to_text(data)
        except WireError:
            continue


@given(st.one_of(st.text(), st.text(st.sampled_from("ab1: -?[]{},#&*!|>'\"%@\\\n\t \0\x07\ud800~.x<=")), st.binary()))
@example("x: !!binary ?")
@example('"\\UFFFFFFFF"')
@example("%YAML " + "9" * 5000 + ".1\n--- a")
@example("&a [*a]")
@example("!!typed [1, 2]")
@example("? {a: 1}\n: b\n")
@example('{"@!seqmap": [1]}')
@example('"a":1,"b"')
def test_any_text_gives_a_value_or_a_wire_error(text: str | bytes) -> None:
    for read in (parse_text, parse_json):
        try:
            read(text)
        except WireError:
            continue
    if isinstance(text, str):
        with contextlib.suppress(WireError):
            parse_yaml(text)
        with contextlib.suppress(WireError):
            list(parse_yaml_all(text))
