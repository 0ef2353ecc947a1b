"""The explanation of a payload: every byte in it once, beside what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_payloads import PAYLOADS

from pychronix.errors import UsageError
from pychronix.wire import Document
from pychronix.wire.explain import explain


def lines(payload: bytes, **options: str) -> list[str]:
    return explain(payload, **options).splitlines()


def shown_bytes(text: str) -> bytes:
    """The bytes of the second column."""
    return b"".join(bytes.fromhex(line[8:43]) for line in text.splitlines() if ".." not in line[8:43])


def test_an_item_a_line_with_offset_bytes_and_meaning() -> None:
    assert [
        "000000  be 02 68 69                          comment 'hi'",
        "000004  b9 03 73 61 79                       event 'say'",
        "000009  b6 04 6d 79 2e 54                    type 'my.T'",
        "00000f  82 0f 00 00 00                       map, BYTES_LENGTH32",
        "000014  c1 78                                  field 'x'",
        "000016  a5 2c 01                               INT16 300",
        "000019  c1 6c                                  field 'l'",
        "00001b  82 03 00 00 00                         sequence, BYTES_LENGTH32",
        "000020  b1                                       TRUE true",
        "000021  e1 79                                    text 'y'",
        "000023  8f 8f                                padding of 2",
    ] == lines(bytes.fromhex("be026869b903736179b6046d792e54820f000000c178a52c01c16c8203000000b1e1798f8f"))


def test_offsets_of_what_spans_lines() -> None:
    payload = b"\xb8\x1e" + b"abc" * 10
    assert [
        "000000  b8 1e 61 62 63 61 62 63 61 62 63 61  text 'abcabcabcabcabcabcabcabcabcabc'",
        "00000c  62 63 61 62 63 61 62 63 61 62 63 61",
        "000018  62 63 61 62 63 61 62 63",
    ] == lines(payload)


def test_a_long_value_is_cut_and_counted() -> None:
    payload = b"\x82" + (1001).to_bytes(4, "little") + b"\x8a" + bytes(1000)
    found = lines(payload)
    assert 9 == len(found)
    assert found[0].endswith("bytes, 1000: " + "00000000 " * 6 + "000...")
    assert f"000060  .. {len(payload) - 96} more" == found[-1]


def test_damage_is_the_last_line() -> None:
    found = lines(bytes.fromhex("c178a101c179a70102"))
    assert "000002  a1 01                                UINT8 1" == found[1]
    assert found[-1].startswith(
        "000004  c1 79 a7 01 02                       ?? cannot read a document: INT64 is cut off"
    )


def test_text_is_shown_by_its_lines() -> None:
    assert [
        "000000  61 3a 20 31 0a                       yaml 'a: 1\\n'",
        "000005  62 3a 20 5b 5d                       yaml 'b: []'",
    ] == lines(b"a: 1\nb: []")
    assert ["000000  ff 00                                bytes"] == lines(b"\xff\x00", wire_type="RAW")
    with pytest.raises(UsageError, match="no wire type 'NONE'"):
        explain(b"", wire_type="NONE")


def test_a_document_dumps_itself() -> None:
    assert explain(b"\xe2hi") == Document(b"\xe2hi").dump()
    assert "" == explain(b"")


@given(st.one_of(PAYLOADS, st.binary(max_size=80)))
def test_every_byte_is_there_once_and_in_order(payload: bytes) -> None:
    text = explain(payload, wire_type="BINARY_LIGHT")
    if ".." not in "".join(line[8:43] for line in text.splitlines()):
        assert payload == shown_bytes(text)
