"""Documents as text: YAML, Chronicle's TEXT and JSON to values.

The decision hidden here is which value a piece of text stands for. ``yaml_out`` and ``json_out`` write what is read back
here to equal values; people type less formally, and Java's TextWire has a taste of its own.

Rules
- YAML's syntax is PyYAML's affair, up to its events; no object is ever made of a tag. The tags are Java's: ``!name`` gives
  Typed, except for the few that name a value Python has (the table in docs/wire.md).
- A number is what Java's ``TextWire`` takes for one: ``1_000``, ``0x1F``, ``012`` (octal), ``1e5``, ``1d``; a quoted
  scalar is a text.
- Nothing is recursive, depth and number of values are limited, and an alias counts as what it stands for: neither deep
  nesting nor a "billion laughs" takes more than the limits say. A cycle of anchors is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import TagToken

from pychronix.errors import EncodingError, WireError
from pychronix.wire.decoding import as_history, as_mapping, with_type
from pychronix.wire.text import from_utf8
from pychronix.wire.times import parse_date, parse_date_time, parse_time, parse_zoned
from pychronix.wire.values import History, Opaque, Typed, TypeLiteral, pairs_of

__all__ = [
    "FORMS",
    "NUMBERS",
    "TAGGED",
    "of_tag",
    "parse_json",
    "parse_text",
    "parse_yaml",
    "parse_yaml_all",
    "reads_back",
]

_DEPTH_MAX: Final = 1000  # Levels of nesting; Java's stack bears no more.
_ALIASED_MAX: Final = 100_000  # Values that the aliases of a document may stand for, all together.
_TAGS_MAX: Final = 100  # Before one value.
_CORE: Final = "tag:yaml.org,2002:"  # What YAML makes of "!!".

_NUMBER_START: Final = frozenset("0123456789+-")
_NUMBER_MAX: Final = 40  # TextWire takes nothing longer for a number.
_INT = re.compile(r"([+-]?)(?:(?:0[xX]|#)([0-9a-fA-F]+)|(0[0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_FLOAT = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[dDfF]?", re.ASCII)
_HEX_FLOAT = re.compile(r"([+-]?0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?[0-9]{1,5})[dDfF]?", re.ASCII)
_LONG_MAX: Final = (1 << 63) - 1
_NOT_FINITE: Final = {
    sign + name: float(sign + number)
    for sign in ("", "+", "-")
    for name, number in (("NaN", "nan"), ("Infinity", "inf"))
}
_YAML_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{sign + name: float(sign + "inf") for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_JAVA_WORDS: Final = {"true": True, "false": False, "": ""}
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_yaml(text: str) -> Any:
    """The value of one YAML document as people type it, or as ``to_yaml`` wrote it; None for an empty one.

    ``null``, ``~`` and nothing at all are None, ``True`` is ``true``, ``.5`` and ``.inf`` are numbers, as in YAML; all else
    is as in `parse_text`. Raises WireError, with the character as its offset, for what is no YAML, for more than one
    document (see `parse_yaml_all`), and for a tag whose value is none of it (``!!binary "?"``).
    """
    return _one(_documents(text, java=False), text)


def parse_yaml_all(text: str) -> Iterator[Any]:
    """The values of all documents of a text, between ``---`` and ``...``, as `parse_yaml` reads each."""
    return _documents(text, java=False)


def parse_text(text: str | bytes) -> Any:
    """The value of Chronicle's TEXT: a payload of a TEXT wire, or what Java's ``Wires.asText`` gave.

    Unlike people's YAML a plain ``null``, ``~`` or ``.5`` is a text here, for TextWire writes texts so, and nothing at all
    is the empty text. Bytes may be CESU-8. None for a text without a document. Raises WireError.
    """
    text = _decoded(text)
    return _one(_documents(text, java=True), text)


def parse_json(text: str | bytes) -> Any:
    """The value of one JSON document: what ``to_json`` wrote, a line of people's JSON, or a payload of a JSON wire.

    An object of one member ``"@type"`` is a typed value. The braces around all may be missing, as JSON wires leave them
    out. Raises WireError.
    """
    text = _decoded(text).strip()
    try:
        try:
            return _with_history(_JSON.decode(text))
        except json.JSONDecodeError as cause:
            if not text.startswith('"') or cause.msg != "Extra data":
                raise
            return _with_history(_JSON.decode("{" + text.removesuffix(",") + "}"))
    except json.JSONDecodeError as cause:
        raise WireError(f"cannot read JSON: {cause.msg} in line {cause.lineno}", offset=cause.pos) from None
    except WireError:
        raise
    except ValueError as cause:
        raise WireError(f"cannot read JSON: {cause}") from None
    except RecursionError:
        raise WireError("cannot read JSON: it is nested too deep") from None


def _one(documents: Iterator[Any], text: str) -> Any:
    value = next(documents, None)
    for _ in documents:
        raise WireError(f"cannot read one document: the text of {len(text)} characters holds more than one")
    return value


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return from_utf8(bytes(text))
    except EncodingError as cause:
        raise WireError(cause.message) from cause


# --- YAML ------------------------------------------------------------------------------------------------------------


class _Events(Reader, Scanner, Parser):
    """PyYAML's events, with what Java's TextWire writes and YAML proper has not.

    - A tag may follow a tag: ``!a !b 1``. They come as one, a newline between their names.
    - Tabs are space between the items of a flow collection.
    - A comma outside of any collection is nothing (``time: 1712984614912\\n, # 20240413T05:03:34``).
    - Any character may stand as it is.
    """

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def check_printable(self, data: Any) -> None:
        at = data.find("\0")
        if at >= 0:
            # PyYAML would take it for the end.
            raise WireError("cannot read YAML: a NUL character", offset=at)

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def fetch_flow_entry(self) -> None:
        if self.flow_level:
            super().fetch_flow_entry()
        else:
            self.forward()

    def scan_tag(self) -> TagToken:
        token = super().scan_tag()
        handle, suffix = token.value
        if "\n" in suffix:
            raise ScannerError("while scanning a tag", token.start_mark, "found a newline in it", token.end_mark)
        while self.peek() == " ":
            ahead = 1
            while self.peek(ahead) == " ":
                ahead += 1
            if self.peek(ahead) != "!":
                break
            self.forward(ahead)
            next_token = super().scan_tag()
            next_handle, next_suffix = next_token.value
            if "\n" in next_suffix:
                raise ScannerError("while scanning a tag", token.start_mark, "found a newline in it", token.end_mark)
            suffix += "\n" + ("!" if next_handle == "!!" else "") + next_suffix
        token.value = (handle, suffix)
        return token


class _Open:
    """A collection that is being read."""

    __slots__ = ("anchor", "block", "first", "is_map", "items", "tag")

    def __init__(self, event: Any, first: int) -> None:
        self.is_map = isinstance(event, yaml.MappingStartEvent)
        self.items: list[Any] = []
        self.tag: str | None = event.tag
        self.anchor: str | None = event.anchor
        self.block = not event.flow_style
        self.first = first


class _Pair(NamedTuple):
    """A mapping of one pair in block style. As a key it may be Java's ``? key: value``, which in YAML is such a mapping."""

    mapping: Any
    key: Any
    value: Any


def _documents(text: str, *, java: bool) -> Iterator[Any]:
    events = None
    try:
        events = _Events(text)
        while not events.check_event(yaml.StreamEndEvent):
            event = events.get_event()  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.DocumentStartEvent):
                yield _with_history(_document(events, java))
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        what = cause.problem or cause.context or "bad syntax"
        raise _bad(what, mark) from None
    except WireError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as cause:
        # Such as a character beyond Unicode in an escape.
        raise WireError(f"cannot read YAML: {cause}", offset=None if events is None else events.index) from None


def _document(events: _Events, java: bool) -> Any:
    """The value of the document whose events come next."""
    open_ones: list[_Open] = []
    anchors: dict[str, tuple[Any, int]] = {}  # Its value, and how many values it holds.
    values = aliased = 0
    while True:
        event = events.get_event()  # type: ignore[no-untyped-call]
        anchor: str | None = None
        first = values
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            if len(open_ones) >= _DEPTH_MAX:
                raise _bad(f"nested deeper than {_DEPTH_MAX} levels", event.start_mark)
            open_ones.append(_Open(event, values))
            values += 1
            continue
        if isinstance(event, yaml.AliasEvent):
            # An anchor stands for something only once its value is complete: that refuses cycles.
            if event.anchor not in anchors:
                raise _bad(f"the alias *{event.anchor} stands for nothing before it", event.start_mark)
            value, held = anchors[event.anchor]
            values += held
            aliased += held
            if aliased > _ALIASED_MAX:
                raise _bad(f"aliases stand for more than {_ALIASED_MAX} values", event.start_mark)
        elif isinstance(event, yaml.ScalarEvent):
            try:
                value = _scalar(event.value, _names(event.tag), plain=event.style is None, java=java)
            except WireError as cause:
                raise _bad(cause.message, event.start_mark) from cause
            values += 1
            anchor = event.anchor
        else:
            ended = open_ones.pop()
            try:
                value = _collection(ended)
            except WireError as cause:
                raise _bad(cause.message, event.start_mark) from cause
            first = ended.first
            anchor = ended.anchor
        if anchor is not None:
            anchors[anchor] = value.mapping if isinstance(value, _Pair) else value, values - first
        top = open_ones[-1] if open_ones else None
        if isinstance(value, _Pair) and not (top is not None and top.is_map and len(top.items) % 2 == 0):
            value = value.mapping
        if top is None:
            return value
        top.items.append(value)


def _bad(what: str, mark: Any) -> WireError:
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return WireError(f"cannot read YAML: {what}{where}", offset=mark.index if mark else None)


def _names(tag: str | None) -> list[str]:
    """The Java types that a tag of PyYAML's names, the outermost first."""
    if tag is None:
        return []
    name = "!" + tag[len(_CORE) :] if tag.startswith(_CORE) else tag.removeprefix("!")
    names = name.split("\n")
    if len(names) > _TAGS_MAX:
        raise WireError(f"cannot read YAML: {len(names)} tags before one value")
    return names


def _scalar(text: str, names: list[str], *, plain: bool, java: bool) -> Any:
    if _SURROGATE.search(text):
        # Java escapes the two halves of a character beyond the BMP each by itself.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if not names:
        return _plain(text, java) if plain else text
    inner = names[-1]
    if inner in TAGGED or (inner in _FLOATS and text in _NOT_FINITE):
        value = of_tag(inner, text)  # Whatever it looks like.
    elif inner == "":
        value = text  # "!" alone says: not what it looks like.
    else:
        value = of_tag(inner, _plain(text, java) if plain else text)
    for name in reversed(names[:-1]):
        value = of_tag(name, value)
    return value


def _collection(ended: _Open) -> Any:
    value: Any = ended.items
    pair: _Pair | None = None
    if ended.is_map:
        items = list(zip(ended.items[::2], ended.items[1::2], strict=True))
        for at, (key, of_key) in enumerate(items):
            if isinstance(key, _Pair):
                items[at] = (key.key, key.value) if of_key in (None, "") else (key.mapping, of_key)
        value = as_mapping(items)
        if ended.block and len(items) == 1 and ended.tag is None:
            pair = _Pair(value, *items[0])
    for name in reversed(_names(ended.tag)):
        value = of_tag(name, value) if name else value
    return pair or value


def _plain(text: str, java: bool) -> Any:
    """What an unquoted scalar stands for."""
    words: dict[str, Any] = _JAVA_WORDS if java else _YAML_WORDS
    if text in words:
        return words[text]
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    if len(text) > _NUMBER_MAX and "T" not in text[:_NUMBER_MAX]:
        return text
    if text[0] in _NUMBER_START or (text[0] == "." and not java):
        number = _number(text.replace("_", ""), java)
        return _time(text) if number is None else number
    return text


def _number(text: str, java: bool) -> int | float | None:
    found = _INT.fullmatch(text)
    if found is not None:
        sign, hexadecimal, octal, decimal = found.groups()
        number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
        if hexadecimal and not sign and len(hexadecimal) == 16 and number > _LONG_MAX:
            return number - (1 << 64)  # Java shows negative numbers so.
        if sign == "-":
            number = -number
        if -_LONG_MAX - 1 <= number <= _LONG_MAX:
            return number
        if hexadecimal:
            return None
        # People's numbers lose nothing; TextWire's are doubles then.
        return float(text) if java else int(text)
    found = _FLOAT.fullmatch(text)
    if found is not None:
        return float(found[1])
    found = _HEX_FLOAT.fullmatch(text)
    if found is not None:
        try:
            return float.fromhex(found[1])
        except (ValueError, OverflowError):
            return None
    return None


def _time(text: str) -> Any:
    """The time or date that a plain scalar is, else itself. Java quotes a text that begins with a digit."""
    for parse in (parse_zoned, parse_date_time) if "T" in text else (parse_date, parse_time):
        try:
            return parse(f"0{text}" if len(text) == 7 and text[1] == ":" else text)
        except WireError:
            continue
    return text


# --- tags ------------------------------------------------------------------------------------------------------------


def of_tag(name: str, value: Any) -> Any:
    """What a type's name before a value stands for: a value that Python has, or Typed. Raises WireError.

    Texts below the names of `TAGGED` are read; ``!typed`` is ``[name, value]``, for what no tag can say; ``!seqmap`` is
    Java's mapping of any keys, a sequence of ``{key: ..., value: ...}``.
    """
    if isinstance(value, str):
        read = TAGGED.get(name)
        if read is not None:
            return read(value)
        if name in _FLOATS and value in _NOT_FINITE:
            return _NOT_FINITE[value]
    elif isinstance(value, list):
        if name == "!typed":
            if len(value) != 2 or not isinstance(value[0], str):
                raise WireError("!!typed takes a name and a value")
            return Typed(*value)
        if name == "!seqmap":
            if not all(type(pair) is dict and pair.keys() == {"key", "value"} for pair in value):
                raise WireError("!!seqmap takes a sequence of {key: ..., value: ...}")
            return as_mapping([(pair["key"], pair["value"]) for pair in value])
    elif name in NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    elif name == "!history" and (history := as_history(value)) is not None:
        return history
    return with_type(name, value)


def reads_back(name: str, text: str) -> bool:
    """Whether a type's name before a text stands for Typed of both."""
    try:
        value = of_tag(name, text)
    except WireError:
        return False
    return isinstance(value, Typed) and value == Typed(name, text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise WireError(f"base64 is expected here: {cause}") from cause


def _null(text: str) -> None:
    if text not in ("", "~", "null"):
        raise WireError(f"a null has no value: {text[:40]!r}")


def _uuid(text: str) -> UUID:
    if _UUID.fullmatch(text) is None:
        raise WireError(f"cannot read a UUID: {text[:60]!r} is none")
    return UUID(text)


def _byte_array(text: str) -> bytes:
    """Java shows a byte[] as text, a character a byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise WireError("the characters of a byte[] are below 256") from None


# The names before a text that do not give Typed, and what they give. Typed of such a name is written as !!typed.
TAGGED: Final[dict[str, Callable[[str], Any]]] = {
    "!null": _null,
    "!str": str,
    "String": str,
    "!binary": _base64,
    "!opaque": lambda text: Opaque(_base64(text)),
    "byte[]": _byte_array,
    "type": TypeLiteral,
    "UUID": _uuid,
    "Time": parse_time,
    "LocalTime": parse_time,
    "Date": parse_date,
    "LocalDate": parse_date,
    "DateTime": parse_date_time,
    "LocalDateTime": parse_date_time,
    "ZonedDateTime": parse_zoned,
}
_FLOATS: Final = frozenset(("Float64", "Double", "double"))  # Before NaN, Infinity and -Infinity alone.
# The names of Java's boxes, which it writes before a number where text would not tell; Wire's numbers have no such type.
NUMBERS: Final = _FLOATS | frozenset(
    ("byte", "short", "int", "long", "float", "Byte", "Short", "Integer", "Long", "Float")
    + ("int8", "int16", "int32", "int64", "Float32")
)
FORMS: Final = frozenset(("!typed", "!seqmap", "!history"))  # The names before a collection that do not.


# --- JSON ------------------------------------------------------------------------------------------------------------


def _object(members: list[tuple[str, Any]]) -> Any:
    if len(members) == 1 and members[0][0].startswith("@"):
        name, value = members[0]
        return of_tag(name[1:], value)
    return as_mapping(members)


_JSON = json.JSONDecoder(object_pairs_hook=_object)


# --- histories -------------------------------------------------------------------------------------------------------


def _with_history(document: Any) -> Any:
    """The document with its ``history``, flat sources (id, index, ...) and timings, as History and first; the last one."""
    if not isinstance(document, dict) or "history" not in document:
        return document
    history: History | None = None
    kept: list[tuple[Any, Any]] = []
    for name, value in pairs_of(document):
        found = as_history(value) if name == "history" else None
        if found is None:
            kept.append((name, value))
        else:
            history = found
    return document if history is None else as_mapping([("history", history), *kept])
