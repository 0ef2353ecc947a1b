"""``pychronix cat`` and ``tail``: which messages, and how they look."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pychronix as px
from pychronix.cli.messages import readable_text_of, text_of

Run = Callable[..., Any]
FIRST_CYCLE = 19_787  # 2024-03-05
HEX = [
    b"706c61696e", b"e9576972652074657874", b"0001fe", b"68c3a920f09f9880", b"74776f0a6c696e6573",
    b"8f",  # an empty message is stored so, as in Java
]  # fmt: skip


def hex_lines(indexes: list[int], *which: int) -> bytes:
    return b"".join(b"%d\t%s\n" % (indexes[i], HEX[i]) for i in which)


def test_hex_is_index_tab_hex(run: Run, queue: Path, indexes: list[int]) -> None:
    assert (0, hex_lines(indexes, 0, 1, 2, 3, 4, 5), "") == run("cat", queue, "--output", "hex")


def test_reverse_starts_at_the_end(run: Run, queue: Path, indexes: list[int]) -> None:
    assert hex_lines(indexes, 5, 4, 3, 2, 1, 0) == run("cat", queue, "-o", "hex", "--reverse").out


@pytest.mark.parametrize(
    "options, which",
    [
        (["--count", "2"], [0, 1]),
        (["--count", "0"], []),
        (["--reverse", "--count", "2"], [5, 4]),
        (["--start", "start", "--reverse"], [0]),
        (["--start", "end"], []),
        (["--start", "end", "--reverse", "-n1"], [5]),
        (["--start", str(FIRST_CYCLE << 32 | 1), "-n", "3"], [1, 2, 3]),
        (["--start", hex(FIRST_CYCLE << 32 | 1), "-n", "3"], [1, 2, 3]),
        (["--start", hex(FIRST_CYCLE << 32 | 1), "--reverse"], [1, 0]),
        (["--start", hex(FIRST_CYCLE << 32 | 3)], [3, 4, 5]),  # behind the last message of a closed cycle
        (["--start", hex((FIRST_CYCLE + 1) << 32 | 3)], []),  # where the next message will be
    ],
)
def test_which_messages(run: Run, queue: Path, indexes: list[int], options: list[str], which: list[int]) -> None:
    assert (0, hex_lines(indexes, *which), "") == run("cat", queue, "-o", "hex", *options)


@pytest.mark.parametrize("index", [1, FIRST_CYCLE << 32 | 9, (FIRST_CYCLE + 1) << 32 | 4, (FIRST_CYCLE + 7) << 32])
def test_an_index_that_is_not_there_is_an_error(run: Run, queue: Path, indexes: list[int], index: int) -> None:
    code, out, err = run("cat", queue, "--start", index)
    assert (1, b"") == (code, out)
    assert err == (
        f"pychronix: cannot start at index {index:#x}: there is no such message between the first, {indexes[0]:#x}, "
        f"and the last, {indexes[5]:#x} in {queue}\n"
    )


def test_auto_shows_text_as_text_and_the_rest_as_a_line_of_hex(run: Run, queue: Path) -> None:
    lines = run("cat", queue).out.split(b"\n")
    expected = ["plain", "Wire text", "00 01 fe  |...|", "h\u00e9 \U0001f600", r"two\nlines", "8f  |.|", ""]
    assert expected == [line.decode() for line in lines]


@pytest.mark.parametrize(
    "payload, line",
    [
        (b"cr\r", r"cr\r"),
        (b"\x1b[31mred\x07", r"\x1b[31mred\x07"),
        (b"tab\tstays", "tab\tstays"),
        (b"back\\slash", r"back\slash"),
        ("next\u0085line".encode(), r"next\x85line"),
        ("separated\u2028by".encode(), r"separated\u2028by"),
        ("reversed\u202e".encode(), r"reversed\u202e"),
        ("csi\u009b31m".encode(), "63 73 69 c2 9b 33 31 6d  |csi..31m|"),
        (b"nul\0", "6e 75 6c 00  |nul.|"),
        (b"\xe4two\n", r"two\n"),  # Wire text
        (b"\xe3\xed\xa0\x80", r"\ud800"),  # Java writes a lone surrogate
    ],
)
def test_auto_prints_one_line_without_control_characters(run: Run, tmp_path: Path, payload: bytes, line: str) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append(payload)
    assert f"{line}\n" == run("cat", tmp_path / "q").out.decode()


@pytest.mark.parametrize(
    "character", ["\0", "\r", "\n", "\x1b", "\x7f", "\u009b", "\u2028", '"', "\ufeff", "\U0001f600"]
)
def test_json_tells_any_utf8_as_text_and_has_no_control_characters(run: Run, tmp_path: Path, character: str) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append(f"a{character}b".encode())
    out = run("cat", "-o", "json", tmp_path / "q").out.decode()
    assert [out.rstrip("\n")] == out.splitlines()
    assert [] == [char for char in out[:-1] if char < " " or "\x7f" <= char <= "\x9f"]
    facts = json.loads(out)
    assert (f"a{character}b", False) == (facts["text"], "base64" in facts)


def test_json_tells_what_is_no_utf8_in_base64(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many([b"\xff", b"\xe3\xed\xa0\x80"])  # the second is Java's text of a lone surrogate
    first, second = (json.loads(line) for line in run("cat", "-o", "json", tmp_path / "q").out.splitlines())
    assert (b"\xff", False) == (base64.b64decode(first["base64"]), "text" in first)
    assert "\ud800" == second["text"]


def test_text_is_always_text(run: Run, queue: Path) -> None:
    expected = "plain\nWire text\n\x00\x01\\xfe\nh\u00e9 \U0001f600\ntwo\nlines\n\\x8f\n"
    assert expected == run("cat", queue, "-o", "text").out.decode()


def test_raw_is_the_bytes(run: Run, queue: Path) -> None:
    assert bytes.fromhex(b"".join(HEX).decode()) == run("cat", queue, "-o", "raw").out


def test_json_is_an_object_a_line(run: Run, queue: Path, indexes: list[int]) -> None:
    objects = [json.loads(line) for line in run("cat", queue, "-o", "json").out.splitlines()]
    assert [
        {
            "index": index,
            "index_hex": hex(index),
            "cycle": index >> 32,
            "sequence": index & 0xFFFFFFFF,
            "length": len(bytes.fromhex(HEX[i].decode())),
        }
        for i, index in enumerate(indexes)
    ] == [{key: one[key] for key in ("index", "index_hex", "cycle", "sequence", "length")} for one in objects]
    texts = ["plain", "Wire text", None, "h\u00e9 \U0001f600", "two\nlines", None]
    assert texts == [one.get("text") for one in objects]
    assert [2, 5] == [i for i, one in enumerate(objects) if "base64" in one]
    assert b"\x00\x01\xfe" == base64.b64decode(objects[2]["base64"])


def test_meta_shows_headers_and_index_pages(run: Run, queue: Path, indexes: list[int]) -> None:
    objects = [json.loads(line) for line in run("cat", queue, "--meta", "-o", "json").out.splitlines()]
    assert 6 == sum("meta" not in one for one in objects)
    heads = [one for one in objects if "@SCQStore" in one.get("document", {}).get("header", {})]
    assert [indexes[0], indexes[3]] == [one["index"] for one in heads], "the index of the next message"
    assert all(one["meta"] is True for one in heads)
    shown = run("cat", queue, "--meta", "--count", 1).out.decode()
    assert shown.startswith(f"--- # {indexes[0]:#x} metadata\nheader: !SCQStore {{\n")


def test_reading_writes_nothing(run: Run, queue: Path) -> None:
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in queue.iterdir()}
    for arguments in (["cat"], ["cat", "--reverse", "--meta"], ["tail"], ["info"], ["info", "--json"]):
        assert 0 == run(*arguments, queue).code
    assert before == {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in queue.iterdir()}


@pytest.mark.parametrize("count, which", [(0, []), (1, [5]), (4, [2, 3, 4, 5]), (6, range(6)), (99, range(6))])
def test_tail_prints_the_last(run: Run, queue: Path, indexes: list[int], count: int, which: list[int]) -> None:
    assert (0, hex_lines(indexes, *which), "") == run("tail", "-n", count, "-o", "hex", queue)


def test_tail_prints_ten_by_default(run: Run, tmp_path: Path) -> None:
    with px.open_queue(tmp_path / "q", "a") as queue:
        queue.appender().append_many(b"%d" % i for i in range(25))
    assert b"15\n16\n17\n18\n19\n20\n21\n22\n23\n24\n" == run("tail", tmp_path / "q").out


def test_an_empty_queue_has_nothing_to_print(run: Run, tmp_path: Path) -> None:
    px.open_queue(tmp_path / "q", "a").close()
    for arguments in (["cat"], ["cat", "--reverse"], ["tail"]):
        assert (0, b"", "") == run(*arguments, tmp_path / "q")
    code, _, err = run("cat", "--start", "5", tmp_path / "q")
    assert (1, True) == (code, "the queue is empty" in err)


@pytest.mark.parametrize(
    "payload, text",
    [
        (b"abc", "abc"),
        (b"", ""),
        (b"tab\tand\r\n", "tab\tand\r\n"),
        (b"\x1b[31mred", "\x1b[31mred"),
        (b"nul\0", "nul\0"),
        (b"\xff", None),
        (b"\xe0", ""),
        (b"\xe3abc", "abc"),
        (b"\xe3abc\x8f\x8f", "abc"),
        (b"\xe3ab", None),
        (b"\xb8\x20" + b"x" * 32, "x" * 32),
        (b"\xb8\xac\x02" + b"y" * 300, "y" * 300),
        (b"\xe6\xed\xa0\xbd\xed\xb8\x80", "\U0001f600"),  # Java's surrogates
        (b"\xbb", None),  # Java's null
        ("\u3042\u3044".encode(), "\u3042\u3044"),  # begins like a Wire text, is none
        (b"\xe1\x07", "\x07"),
    ],
)
def test_what_counts_as_text(payload: bytes, text: str | None) -> None:
    assert text == text_of(payload)


@pytest.mark.parametrize("text", ["", "a\tb\r\n", "\x1b[31mred", "bell\a", "\u00a0\u3000", "\u200d"])
def test_what_a_person_may_have_written_is_readable(text: str) -> None:
    assert text == readable_text_of(text.encode())


@pytest.mark.parametrize("payload", [b"\0\0\0\5", b"\x01", b"\x7f", "\u0080".encode(), b"\xff", b"\x8f"])
def test_binary_data_is_not_readable_though_it_be_utf8(payload: bytes) -> None:
    assert readable_text_of(payload) is None
