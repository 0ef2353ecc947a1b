"""How a message is printed: the formats of ``--output``, and typed fields by a layout.

A format is a function of a Message that returns what is written to standard output for it.
"""

from __future__ import annotations

import argparse
import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pychronix as px
from pychronix.cli.options import is_remote, parse_fields
from pychronix.cli.shell import WrongUsageError, counted, json_line, known, visible
from pychronix.errors import EncodingError
from pychronix.fields import DIALECTS, Field, FieldReader, array_of, line_of, read_fields


@dataclass(frozen=True, slots=True)
class Message:
    """What is printed of a document."""

    index: int
    payload: bytes
    meta: bool
    queue: px.Queue | None  # None of one that came over TCP: the source does not tell what it serves.


# Control characters that do not occur in text. Those that do are the ones file(1) knows: 07 to 0D, ESC and NEL.
_NO_TEXT = re.compile("[\0-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def text_of(payload: bytes) -> str | None:
    """The payload as text: Wire text (Java writeText) decoded, or UTF-8; None if it is neither."""
    text = _wire_text(payload)
    return text if text is not None else _utf8(payload)


def readable_text_of(payload: bytes) -> str | None:
    """The payload as text if it looks as if a person had written it, else None: binary data may be UTF-8 by chance."""
    text = text_of(payload)
    return None if text is None or _NO_TEXT.search(text) else text


def _wire_text(payload: bytes) -> str | None:
    # The first byte tells most payloads apart without the cost of an exception.
    if payload[:1] < b"\x8e":
        return None
    try:
        return px.decode_text(payload)
    except EncodingError:
        return None


def _utf8(payload: bytes) -> str | None:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _as_auto(message: Message) -> bytes:
    text = None if message.meta else readable_text_of(message.payload)
    if text is not None:
        return visible(text).encode() + b"\n"
    shown = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in message.payload)
    return message.payload.hex(" ").encode() + b"  |" + shown + b"|\n"


def _as_text(message: Message) -> bytes:
    text = _wire_text(message.payload)
    if text is None:
        text = message.payload.decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _as_hex(message: Message) -> bytes:
    return b"%d\t%s\n" % (message.index, message.payload.hex().encode())


def _as_json(message: Message) -> bytes:
    facts = known(
        {
            "index": message.index,
            "index_hex": f"{message.index:#x}",
            "cycle": None if message.queue is None else message.queue.cycle_of(message.index),
            "sequence": None if message.queue is None else message.queue.sequence_of(message.index),
            "length": len(message.payload),
            "meta": message.meta or None,
        }
    )
    text = None if message.meta else text_of(message.payload)
    if text is not None:
        facts["text"] = text
    else:
        facts["base64"] = base64.b64encode(message.payload).decode("ascii")
    return json_line(facts)


def _as_raw(message: Message) -> bytes:
    return message.payload


def _as_fields(layout: Sequence[Field], remote_dialect: str, *, json_array: bool) -> Callable[[Message], bytes]:
    def shown(message: Message) -> bytes:
        values = _values_of(layout, message, remote_dialect if message.queue is None else message.queue.dialect)
        if json_array:
            return json_line(array_of(layout, values))
        return line_of(layout, values).encode() + b"\n"

    return shown


def _values_of(layout: Sequence[Field], message: Message, dialect: str) -> list[object]:
    doc = FieldReader(message.payload, dialect)
    what = f"cannot read {message.index:#x} as these fields"
    try:
        values = read_fields(doc, layout)
    except px.ChronixError:
        for number, field in enumerate(layout, 1):
            try:
                read_fields(doc, [field])
            except px.ChronixError as error:
                raise EncodingError(f"{what}: field {number} ({field}): {error.message}") from error
        raise
    if doc.remaining:
        raise EncodingError(
            f"{what}: {counted(doc.remaining, 'byte')} of {len(doc)} left after the last one",
            hint="a layout that ends with rest shows them",
        )
    return values


OUTPUTS: dict[str, Callable[[Message], bytes]] = {
    "auto": _as_auto,
    "text": _as_text,
    "hex": _as_hex,
    "json": _as_json,
    "raw": _as_raw,
}


def tcp_dialect(options: argparse.Namespace) -> str:
    """How they are written over TCP: unless told otherwise as the Javas write them that speak its protocol.

    Of a queue here the format says it, so that the option would only let one read nonsense.
    """
    if options.dialect is not None and (options.fields is None or not is_remote(options.queue)):
        raise WrongUsageError("--dialect is for --fields over tcp://; of a queue its format tells it")
    return options.dialect or "v3"


def add_dialect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dialect", choices=DIALECTS, metavar="DIALECT",
        help="with --fields and tcp://, which does not tell: v3 for fields of Chronicle 3.x (default), v5 for those of "
        "a .cq4 queue",
    )  # fmt: skip


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fields",
        type=parse_fields,
        metavar="LAYOUT",
        help="print each excerpt's typed fields, with tabs between: i,q,utf or id:long,side:char,price:double; with "
        "--output json as an array",
    )
    add_dialect(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=list(OUTPUTS),
        default="auto",
        metavar="FORMAT",
        help="auto (default): a line of text, or of hex where the message is no text; text: always text, undecodable "
        "bytes as \\x escapes; hex: index, tab, bytes in hex; json: an object a line; raw: the bytes, nothing between",
    )


def shown_as(options: argparse.Namespace) -> Callable[[Message], bytes]:
    """How a message is printed."""
    remote_dialect = tcp_dialect(options)
    if options.fields is None:
        return OUTPUTS[options.output]
    if options.output not in ("auto", "json"):
        raise WrongUsageError(f"--fields makes its own lines: leave out --output {options.output}, or make it json")
    return _as_fields(options.fields, remote_dialect, json_array=options.output == "json")
