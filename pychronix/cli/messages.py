"""What a message is to whoever prints or chooses it: text, a Wire document, or opaque bytes.

The decision hidden here is how the three are told apart. A queue does not say what its messages are: Java's writeBytes
stores anything. Text is what looks as if a person had written it. Of the rest a document is what decodes to its last
byte, from a first byte that Java, too, takes for binary Wire (0x80 and above: names, events, typed values); only the
queues of Chronicle Queue 5 are believed to hold any, unless ``--wire-type`` says so.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pychronix as px
from pychronix.errors import EncodingError, WireError

if TYPE_CHECKING:
    from pychronix.wire.document import Document

__all__ = ["WIRE_TYPES", "Message", "readable_text_of", "text_of", "wire_text_of"]

WIRE_TYPES = ("auto", "BINARY_LIGHT", "BINARY", "FIELDLESS_BINARY", "COMPRESSED_BINARY", "TEXT", "YAML", "JSON", "RAW")

_TEXTUAL = ("TEXT", "YAML", "JSON", "RAW")

# Control characters that do not occur in text. Those that do are the ones file(1) knows: 07 to 0D, ESC and NEL.
_NO_TEXT = re.compile("[\0-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
# What a document of fields or events begins with: an event, a name, a key, a type, padding or a comment before one.
_NAMES = frozenset([*range(0xC0, 0xE0), 0xB7, 0xB9, 0xBA, 0xBD])


@dataclass
class Message:
    """An excerpt that may be printed."""

    index: int
    payload: bytes
    meta: bool
    queue: px.Queue | None  # None of one that came over TCP: the source does not tell what it serves.
    wire_type: str = "auto"  # what it is taken for

    @cached_property
    def text(self) -> str | None:
        """What it says, if it is text for people; None otherwise."""
        return readable_text_of(self.payload) if self.may_be_text else None

    @property
    def may_be_text(self) -> bool:
        """Not of metadata, nor where text is to be taken for more than that."""
        return not self.meta and self.wire_type not in _TEXTUAL

    @cached_property
    def document(self) -> Document:
        """It as a document, whatever it is; what is not Wire says so when it is asked."""
        from pychronix.wire.document import Document  # Not every command decodes.

        wire_type = self.wire_type
        if wire_type == "auto" and self.queue is not None and self.queue.wire_type == "FIELDLESS_BINARY":
            wire_type = "FIELDLESS_BINARY"  # Without names nothing tells it apart.
        return Document(self.payload, wire_type=wire_type, index=self.index, is_meta=self.meta)

    @cached_property
    def is_document(self) -> bool:
        """Whether it is shown as a document where nobody asked for one. Raises WireError if it looks like one, broken.

        Bytes may decode by chance. Java writes no number below 0x80 without a name, and no empty name.
        """
        if self.wire_type != "auto" or self.meta:
            return bool(self.document.kind)
        of_wire = self.queue is not None and self.queue.wire_type is not None
        if not of_wire or self.payload[:1] < b"\x80" or self.payload == b"\x8f":
            return False
        try:
            if self.document.kind in ("fields", "event", "events"):
                return all(name != "" for name, _ in self.document.events())
        except WireError:
            if self.payload[0] in _NAMES:
                raise
            return False
        return self.document.kind == "text" or _are_values(self.payload)

    @cached_property
    def yaml(self) -> str:
        """The document as Java's ChronicleReaderMain shows it, ending with a line's end. Raises WireError."""
        text = self.document.to_yaml()
        return text if text.endswith("\n") else text + "\n"

    @cached_property
    def searched(self) -> str:
        """What a regular expression is looked for in: the text, the YAML, or the bytes as Latin-1, which Java shows."""
        if self.text is not None:
            return self.text
        with contextlib.suppress(WireError):
            if self.is_document:
                return self.yaml
        return self.payload.decode("latin-1")


def _are_values(payload: bytes) -> bool:
    """Whether these are values one after the other as Java writes them: no small numbers, and no names between."""
    from pychronix.wire.walking import walk

    depth = 0
    for token in walk(payload):
        if depth == 0 and (token.kind in ("field", "event", "key") or token.code < 0x80):
            return False
        depth += (token.kind == "open") - (token.kind == "close")
    return True


def text_of(payload: bytes) -> str | None:
    """The payload as text: Wire text (Java writeText) decoded, or UTF-8; None if it is neither."""
    text = wire_text_of(payload)
    return text if text is not None else _utf8(payload)


def readable_text_of(payload: bytes) -> str | None:
    """The payload as text if it looks as if a person had written it, else None: binary data may be UTF-8 by chance."""
    text = text_of(payload)
    return None if text is None or _NO_TEXT.search(text) else text


def wire_text_of(payload: bytes) -> str | None:
    """What Java's writeText stored; None if that did not write it."""
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
