"""Text values of Chronicle Wire; bytes from spec 9.2, 9.7 and appendix B."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pychronix.errors import EncodingError
from pychronix.wire import decode_text, encode_text

VECTORS = [
    (None, "bb"),
    ("", "e0"),
    ("A", "e141"),
    ("hello 0", "e768656c6c6f2030"),
    ("x" * 31, "ff" + "78" * 31),
    ("x" * 32, "b820" + "78" * 32),
    ("x" * 127, "b87f" + "78" * 127),
    ("x" * 128, "b88001" + "78" * 128),
    ("é", "e2c3a9"),
    ("€" * 10, "fe" + "e282ac" * 10),
    ("€" * 11, "b821" + "e282ac" * 11),
    ("\U0001f600", "e6eda0bdedb880"),
    ("a\0b", "e3610062"),
    ("\ud800", "e3eda080"),
]


@pytest.mark.parametrize("text, raw", VECTORS)
def test_text_is_written_as_java_writes_it_and_read_back(text, raw):
    assert encode_text(text).hex() == raw
    assert decode_text(bytes.fromhex(raw)) == text


def test_utf8_proper_is_read_too():
    assert decode_text(b"\xe4" + "\U0001f600".encode()) == "\U0001f600"


@pytest.mark.parametrize(
    "raw", ["8fe141", "e1418f8f8f", "8e03000000000000e141", "be03616263e141", "8f8e000000008fe1418e010000000f8f"]
)
def test_padding_and_comments_are_skipped(raw):
    assert decode_text(bytes.fromhex(raw)) == "A"


def test_null_may_be_a_length_of_minus_one():
    assert decode_text(b"\xb8\x80\x00") is None


@pytest.mark.parametrize(
    "raw", ["", "8f", "41", "6f6e65", "a101", "e2", "e241", "e14141", "b8", "b880", "b8ff", "b8ffffffffffffffffffff01",
            "b87f41", "e1ff", "8eff", "8effffffff", "be80", "bbbb"]
)  # fmt: skip
def test_what_is_not_one_text_is_an_encoding_error(raw):
    with pytest.raises(EncodingError):
        decode_text(bytes.fromhex(raw))


@pytest.mark.parametrize("wrong", [b"x", 5, ["x"]])
def test_only_str_and_none_are_texts(wrong):
    with pytest.raises(TypeError, match="a text is str or None"):
        encode_text(wrong)


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_every_text_round_trips_but_surrogate_pairs_join(text):
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert decode_text(encode_text(text)) == joined


@given(st.binary(max_size=60))
def test_random_bytes_give_a_text_or_an_encoding_error(raw):
    try:
        text = decode_text(raw)
    except EncodingError:
        return
    assert text is None or isinstance(text, str)
