"""How a message is printed: the formats of ``--output``, and typed fields by a layout.

A format turns messages into what is written to standard output for them, one after the other; it may hold some back
until it is asked for the rest. What cannot be decoded ends no listing: it is shown as bytes, and standard error says why.
"""

from __future__ import annotations

import argparse
import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pychronix as px
from pychronix.cli import colours
from pychronix.cli.messages import WIRE_TYPES, Message, text_of, wire_text_of
from pychronix.cli.options import is_remote, parse_fields
from pychronix.cli.shell import WrongUsageError, complain, counted, json_line, json_safe, known, visible
from pychronix.errors import EncodingError, WireError
from pychronix.fields import DIALECTS, Field, FieldReader, array_of, line_of, read_fields
from pychronix.wire import Typed, TypeLiteral

__all__ = ["OUTPUTS", "Format", "Look", "add_dialect", "add_output", "look_of", "shown_as", "tcp_dialect"]


@dataclass(frozen=True)
class Look:
    """What the user asked for beside the format."""

    with_index: bool = True
    colour: bool = False


class Format:
    """How messages are printed, one after the other."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def show(self, message: Message) -> bytes:
        """What is printed of a message now."""
        raise NotImplementedError

    def rest(self) -> bytes:
        """What was held back; asked for before anybody waits, and at the end."""
        return b""

    def head(self, message: Message) -> str:
        """The line between two messages that have several each: it begins a YAML document, and names the message."""
        line = f"--- # {message.index:#x}" if self.look.with_index else "---"
        return self.painted(line + (" metadata" if message.meta and self.look.with_index else "") + "\n")

    def painted(self, text: str) -> str:
        return colours.coloured(text) if self.look.colour else text


def _note(message: Message, error: WireError) -> None:
    """Tells that a message is shown as bytes since it is no document, though it should be one."""
    where = "" if error.offset is None else f" at byte {error.offset}"
    complain(f"{message.index:#x} cannot be decoded: {error.message}{where}")


def _hex_line(payload: bytes) -> str:
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in payload)
    return f"{payload.hex(' ')}  |{shown}|\n"


def _lines(text: str) -> str:
    """Lines that no terminal obeys: what is not printable, but tabs and their ends, as escapes."""
    return "\n".join(map(visible, text.split("\n")))


class AutoFormat(Format):
    """A line of text, the document as YAML, or a line of hex. Once there was a document every message has a head."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._headed = False

    def show(self, message: Message) -> bytes:
        head, shown = "", None if message.text is None else visible(message.text) + "\n"
        try:
            if shown is None and message.is_document:
                shown = self.painted(_lines(message.yaml))
                self._headed |= shown.count("\n") > 1 or message.document.kind not in ("text", "values")
        except WireError as error:
            _note(message, error)
        if self._headed:
            head = self.head(message)
        return (head + (_hex_line(message.payload) if shown is None else shown)).encode("utf-8", "backslashreplace")


class YamlFormat(Format):
    """A stream of YAML documents; what is none is a text or !!binary."""

    def show(self, message: Message) -> bytes:
        try:
            shown = self.painted(_lines(message.yaml))
        except WireError as error:
            _note(message, error)
            shown = f"# {_hex_line(message.payload)}!!binary {base64.b64encode(message.payload).decode()!r}\n"
        return (self.head(message) + shown).encode("utf-8", "backslashreplace")


class JsonFormat(Format):
    """An object a line: where the message is, and what it says."""

    def show(self, message: Message) -> bytes:
        facts: dict[str, Any] = known(
            {
                "index": message.index,
                "index_hex": f"{message.index:#x}",
                "cycle": None if message.queue is None else message.queue.cycle_of(message.index),
                "sequence": None if message.queue is None else message.queue.sequence_of(message.index),
                "length": len(message.payload),
                "meta": message.meta or None,
            }
        )
        text = text_of(message.payload) if message.may_be_text else None
        document = None
        if text is not None:
            facts["text"] = text
        else:
            try:
                document = message.document.to_json() if message.is_document else None
            except WireError as error:
                facts["error"] = error.message
            if document is None:
                facts["base64"] = base64.b64encode(message.payload).decode("ascii")
        line = json_line(facts).decode()
        if document is not None:
            line = f'{line.rstrip()[:-1]}, "document": {json_safe(document.strip())}}}\n'
        return self.painted(line).encode()


class TextFormat(Format):
    def show(self, message: Message) -> bytes:
        text = wire_text_of(message.payload)
        if text is None:
            text = message.payload.decode("utf-8", "backslashreplace")
        return text.encode("utf-8", "backslashreplace") + b"\n"


class HexFormat(Format):
    def show(self, message: Message) -> bytes:
        return b"%d\t%s\n" % (message.index, message.payload.hex().encode())


class ExplainFormat(Format):
    """Every byte with what it means."""

    def show(self, message: Message) -> bytes:
        try:
            shown = _lines(message.document.dump().rstrip("\n")) + "\n"
        except WireError as error:
            _note(message, error)
            shown = _hex_line(message.payload)
        return (self.head(message) + shown).encode("utf-8", "backslashreplace")


class RawFormat(Format):
    def show(self, message: Message) -> bytes:
        return message.payload


class FieldsFormat(Format):
    """Typed fields by a layout, with tabs between; or as an array."""

    def __init__(self, layout: Sequence[Field], remote_dialect: str, *, json_array: bool) -> None:
        super().__init__(Look())
        self._layout, self._dialect, self._json_array = layout, remote_dialect, json_array

    def show(self, message: Message) -> bytes:
        values = _values_of(self._layout, message, self._dialect if message.queue is None else message.queue.dialect)
        if self._json_array:
            return json_line(array_of(self._layout, values))
        return line_of(self._layout, values).encode() + b"\n"


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


class TableFormat(Format):
    """Columns of fields. Messages of one event, or of the same fields, that follow each other share a table.

    Some are held back, so that the columns fit; a table that goes on keeps its widths and has no second head.
    """

    _ROWS = 1000  # held back at most

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._rows: list[dict[str, str]] = []
        self._shape: tuple[str, ...] | None = None  # of what is held back: the event, or else the names
        self._printed: dict[str, int] = {}  # the columns of the last table, and their widths
        self._printed_shape: tuple[str, ...] | None = None

    def show(self, message: Message) -> bytes:
        event, cells = self._cells(message)
        shape = ("event", event) if event is not None else ("fields", *cells)
        shown = b""
        if self._rows and (shape != self._shape or len(self._rows) >= self._ROWS):
            shown = self.rest()
        self._shape = shape
        index = {"index": f"{message.index:#x}"} if self.look.with_index else {}
        self._rows.append({**index, **({"event": event} if event is not None else {}), **cells})
        return shown

    def _cells(self, message: Message) -> tuple[str | None, dict[str, str]]:
        """The event, and the cells by the names of their columns."""
        if message.text is not None:
            return None, {"text": _printed(message.text)}
        try:
            if message.is_document:
                return _columns(message.document.to_python(), message.document.kind)
        except WireError as error:
            _note(message, error)
        return None, {"hex": message.payload.hex(" ")}

    def rest(self) -> bytes:
        if not self._rows:
            return b""
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        goes_on = self._shape == self._printed_shape and set(names) <= set(self._printed)
        if goes_on:
            names = list(self._printed)
        widths = {
            name: max(self._printed[name] if goes_on else len(name), *(len(row.get(name, "")) for row in self._rows))
            for name in names
        }
        right = {name for name in names if all(_NUMERIC.fullmatch(row.get(name, "")) for row in self._rows)}
        lines = [self._line({name: name for name in names}, widths, right)] if not goes_on else []
        if lines and self._printed_shape is not None:
            lines.insert(0, "")
        if lines and self.look.colour:
            lines[-1] = f"\x1b[1m{lines[-1]}\x1b[0m"
        lines += [self._line(row, widths, right) for row in self._rows]
        self._printed, self._printed_shape = widths, self._shape
        self._rows = []
        return "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")

    @staticmethod
    def _line(row: dict[str, str], widths: dict[str, int], right: set[str]) -> str:
        cells = (f"{row.get(name, ''):{'>' if name in right else '<'}{width}}" for name, width in widths.items())
        return "  ".join(cells).rstrip()


_NUMERIC = re.compile(r"[-+]?[0-9][0-9_.]*(?:[eE][-+]?[0-9]+)?|")


def _columns(value: Any, kind: str) -> tuple[str | None, dict[str, str]]:
    """A document's event, if it is one, and its cells."""
    event = None
    if kind == "event" and isinstance(value, dict) and len(value) == 1:
        ((name, value),) = value.items()
        event = _printed(str(name))
    if isinstance(value, Typed):
        value = value.value
    if isinstance(value, dict):
        return event, {_printed(str(name)): _printed(_cell(item)) for name, item in value.items()}
    return event, {"value": _printed(_cell(value))}


def _printed(text: str) -> str:
    """A text as wide as it is long: tabs as escapes, too."""
    return visible(text).replace("\t", "\\t")


def _cell(value: Any, depth: int = 0) -> str:
    """A value on one line, as YAML's flow style has it; what lies deeper than anybody reads in a table as ``...``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Typed):
        return _cell(value.value, depth)
    if isinstance(value, TypeLiteral):
        return value.name
    if isinstance(value, dict | list) and depth == _CELL_DEPTH:
        return "..."
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_cell(item, depth + 1)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_cell(item, depth + 1) for item in value) + "]"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return repr(text) if depth and isinstance(value, str) and not _WORD.fullmatch(text) else text


_CELL_DEPTH = 10  # blocks within each other
_WORD = re.compile(r"[^\s,:{}\[\]'\"]+(?: [^\s,:{}\[\]'\"]+)*")


OUTPUTS: dict[str, type[Format]] = {
    "auto": AutoFormat,
    "yaml": YamlFormat,
    "json": JsonFormat,
    "table": TableFormat,
    "text": TextFormat,
    "hex": HexFormat,
    "explain": ExplainFormat,
    "raw": RawFormat,
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
        help="auto (default): a line of text, a document as YAML, or a line of hex; yaml: all as YAML; json: an object a "
        "line; table: columns of fields; text: always text, undecodable bytes as \\x escapes; hex: index, tab, bytes in "
        "hex; explain: every byte with its meaning; raw: the bytes, nothing between",
    )
    parser.add_argument(
        "--wire-type", choices=WIRE_TYPES, default="auto", metavar="TYPE",
        help="what messages are taken for: auto (default), BINARY_LIGHT, BINARY, FIELDLESS_BINARY, COMPRESSED_BINARY, "
        "TEXT, YAML, JSON or RAW",
    )  # fmt: skip
    parser.add_argument("--no-index", action="store_true", help="do not print indexes before documents")
    parser.add_argument(
        "--color", choices=colours.CHOICES, default="auto", metavar="WHEN",
        help="auto (default: on a terminal, unless NO_COLOR is set), always or never",
    )  # fmt: skip


def look_of(options: argparse.Namespace) -> Look:
    """What the options of `add_output` say beside the format."""
    return Look(not options.no_index, colours.wanted(options.color))


def shown_as(options: argparse.Namespace) -> Format:
    """How messages are printed."""
    remote_dialect = tcp_dialect(options)
    if options.fields is None:
        return OUTPUTS[options.output](look_of(options))
    if options.output not in ("auto", "json"):
        raise WrongUsageError(f"--fields makes its own lines: leave out --output {options.output}, or make it json")
    return FieldsFormat(options.fields, remote_dialect, json_array=options.output == "json")
