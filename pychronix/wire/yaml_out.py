"""YAML of a document, item by item: the values that Java's ``Wires.asText`` and ChronicleReaderMain show.

The decision hidden here is how a value looks as text. Java's layout is kept (names in block style, all below in ``{ }``
and ``[ ]``), so that both Java's TextWire and YAML's parsers read it. Where Java's own text is ambiguous or does not parse,
this one is right:

- A text that anyone could take for something else is quoted; characters that some parser refuses are escaped.
- What a plain scalar cannot say to every reader has a tag of Java's: ``!UUID``, ``!DateTime``, ``!!binary``, ``!Float64``
  before NaN. What no tag of theirs can say is ``!!typed [name, value]``, ``!!opaque``.
- A key that is no text is ``? key`` and ``: value`` apart.
- A comment that explains a number follows it, and the comma stands before it.

Nothing is recursive; the output is linear in the payload.
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import UUID

from pychronix.errors import WireError
from pychronix.wire import codes
from pychronix.wire.decoding import Content, as_mapping, parse, to_value, with_type
from pychronix.wire.text import as_payload
from pychronix.wire.text_in import FORMS, NUMBERS, TAGGED, reads_back
from pychronix.wire.times import format_date, format_date_time, format_time, format_zoned
from pychronix.wire.values import History, LongArray, Opaque, Typed, TypeLiteral, pairs_of
from pychronix.wire.walking import Token, walk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["to_yaml", "tokens_of", "value_to_yaml", "whole_value"]

_DEPTH_MAX: Final = 900  # Levels of a value, and less than parse_yaml reads.
_INDENT_MAX: Final = 16  # Levels; deeper ones are indented no further, or the indentation would be most of the output.
_KEY_MAX: Final = 900  # Longer keys stand behind "? ": YAML looks for the ":" of others within 1024 characters.

# Words that some reader takes for no text: YAML 1.1 and 1.2 in any case, TextWire as they are.
_WORDS: Final = frozenset(("true", "false", "yes", "no", "on", "off", "null"))
_NOT_FINITE: Final = frozenset(("NaN", "Infinity"))
_SAFE = re.compile(r"[A-Za-z_][\w+./$\-]*(?: [\w+./$\-]+)*", re.ASCII)
# What stays as it is between quotes: all that YAML calls printable and Java's TextWire reads, but for breaks and U+FEFF.
_ESCAPED = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_BREAKS = re.compile(r"[^\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")

# The longs that Java takes for milliseconds or nanoseconds since 1970, and comments on.
_MILLIS: Final = range(10**12 + 1, 4_111 * 10**9)
_NANOS: Final = range(10**18 + 1, 4_111 * 10**15)
_EPOCH: Final = datetime.datetime(1970, 1, 1)


def to_yaml(payload: Buffer, *, wire_type: str = "auto") -> str:
    """A payload as YAML, with a newline at its end; empty for a payload without any item.

    ``parse_yaml`` gives back what ``decode`` gives, and the history as the first key of the mapping. ``wire_type`` is as
    for ``decode``. Raises WireError.
    """
    data = as_payload(payload)
    content = parse(data, wire_type)
    if content.kind in ("raw", "yaml", "json") or (content.kind == "text" and data[0] < codes.BYTES_LENGTH8):
        return value_to_yaml(whole_value(content))
    return _Writer(content.history is not None).write(walk(data))


def value_to_yaml(value: Any) -> str:
    """A value as YAML, as `to_yaml` shows a payload that holds it; a dict at the top as fields. Raises WireError."""
    history = isinstance(value, dict) and isinstance(value.get("history"), History)
    return _Writer(history).write(tokens_of(value))


def whole_value(content: Content) -> Any:
    """The value of a payload's content, with its history as the first key of the mapping."""
    if content.history is None:
        return to_value(content)
    return as_mapping([("history", content.history), *content.items])


def tokens_of(value: Any) -> Iterator[Token]:
    """The tokens of a value, as ``walk`` gives those of a payload; their codes and offsets say nothing but hex or not."""
    pending: list[Any] = [value]
    top = True
    depth = 0
    while pending:
        item = pending.pop()
        if isinstance(item, Token):
            depth += {"open": 1, "close": -1}.get(item.kind, 0)
            if depth > _DEPTH_MAX:
                raise WireError(f"cannot write YAML: nested deeper than {_DEPTH_MAX} levels, or without end")
            yield item
        elif isinstance(item, Typed):
            yield Token("type", item.name, codes.TYPE_PREFIX, 0, 0)
            pending.append(item.value)
        elif isinstance(item, dict):
            if not top or not item:
                pending.append(_CLOSE_MAP)
            for key, of_key in reversed(list(pairs_of(item))):
                pending.append(of_key)
                if isinstance(key, str):
                    pending.append(Token("event", key, codes.EVENT_NAME, 0, 0))
                else:
                    pending += (key, _KEY)
            if not top or not item:
                pending.append(_OPEN_MAP)
        elif isinstance(item, list | tuple) and not isinstance(item, LongArray | History | TypeLiteral):
            pending += (_CLOSE_SEQUENCE, *reversed(item), _OPEN_SEQUENCE)
        else:
            yield Token("value", item, codes.NULL, 0, 0)
        top = False


_OPEN_MAP: Final = Token("open", "map", codes.BYTES_LENGTH32, 0, 0)
_CLOSE_MAP: Final = Token("close", "map", codes.BYTES_LENGTH32, 0, 0)
_OPEN_SEQUENCE: Final = Token("open", "sequence", codes.BYTES_LENGTH32, 0, 0)
_CLOSE_SEQUENCE: Final = Token("close", "sequence", codes.BYTES_LENGTH32, 0, 0)
_KEY: Final = Token("key", None, codes.EVENT_OBJECT, 0, 0)


class _Level:
    """What is open: a collection of the document, a ``!!typed [`` or a ``? ``, which end with the value in them."""

    __slots__ = ("commented", "items", "sign")

    def __init__(self, sign: str) -> None:
        self.sign = sign  # "{", "[", "(" for !!typed, "?"
        self.items = 0
        self.commented = False  # A comment was the last thing: a comma stands before it, if one had to.


class _Writer:
    """One document being written."""

    def __init__(self, has_history: bool) -> None:
        self._has_history = has_history  # Then that is what "history" and -1 at the top name.
        self._out: list[str] = []
        self._levels: list[_Level] = []
        self._depth = 0  # Collections among the levels.
        self._named = False  # A name was written, its value is to follow.
        self._top_name: object = None  # The name of the value at the top that comes next, if that may be a history.
        self._remark = ""  # What explains the value written last, to stand behind its comma.
        self._starts: list[int] = []  # Where in _out the items at the top begin.
        self._bare = False  # Whether one of them is a value without a name.

    def write(self, tokens: Iterable[Token]) -> str:
        """The text of all tokens."""
        types: list[str] = []
        for token in tokens:
            kind = token.kind
            if kind == "value" or kind == "open":
                self._begin()
                self._types(types, token)
                types.clear()
                if kind == "value":
                    self._value(token)
                else:
                    if token.value == "map" and self._top_name == -1:
                        self._is_own_history()  # In the form of names.
                    self._named = False
                    self._depth += 1
                    self._levels.append(_Level("{" if token.value == "map" else "["))
                    self._out.append(self._levels[-1].sign)
            elif kind == "type":
                types.append(token.value)
            elif kind == "close":
                self._close()
            elif kind == "comment":
                self._comment(token.value)
            elif kind != "padding":
                self._name(token)
        return self._finished()

    def _begin(self) -> None:
        """Before a value."""
        if self._named or (self._levels and self._levels[-1].sign in "(?"):
            return
        if self._levels:
            self._separate()
        else:
            self._starts.append(len(self._out))
            self._bare = True
            self._top_name = None

    def _separate(self) -> None:
        """Before an item of a collection: the comma of the one before it, what explains that one, a new line."""
        level = self._levels[-1]
        if level.items and not level.commented:
            self._out.append(",")
        level.commented = False
        level.items += 1
        self._line()

    def _line(self) -> None:
        self._out.append(f" # {self._remark}\n" if self._remark else "\n")
        self._out.append("  " * min(self._depth, _INDENT_MAX))
        self._remark = ""

    def _end(self) -> None:
        """After a value."""
        self._named = False
        levels = self._levels
        while levels and levels[-1].sign == "(":
            levels.pop()
            self._out.append(" ]")
        if levels and levels[-1].sign == "?":
            levels.pop()
            self._out.append(" : " if levels else _KEY_END)
            self._remark = ""
            self._named = True
        elif not levels:
            self._out.append(f" # {self._remark}\n" if self._remark else "\n")
            self._remark = ""

    def _close(self) -> None:
        level = self._levels.pop()
        self._depth -= 1
        if level.items:
            self._line()
        self._out.append("}" if level.sign == "{" else "]")
        self._end()

    def _name(self, token: Token) -> None:
        if self._levels:
            self._separate()
        else:
            self._starts.append(len(self._out))
        if not self._levels:
            self._top_name = None
        if token.kind == "key":
            self._out.append("? ")
            self._levels.append(_Level("?"))
            return
        if not self._levels and self._has_history:
            self._top_name = token.value
        text = _text(str(token.value))
        if len(text) <= _KEY_MAX:
            self._out.append(f"{text}: ")
        else:
            self._out += (f"? {text}", " : " if self._levels else _KEY_END)
        self._named = True

    def _comment(self, text: str) -> None:
        shown = f"# {_BREAKS.sub(_escape, text)}".rstrip()
        if self._named or (self._levels and self._levels[-1].sign in "(?"):
            self._out += (shown, "\n    ", "  " * min(self._depth, _INDENT_MAX))
        elif self._levels:
            self._separate()
            self._levels[-1].commented = True
            self._out.append(shown)
        else:
            self._out += (shown, "\n")

    def _types(self, names: list[str], token: Token) -> None:
        """The types before a value; what a tag cannot say is said by !!typed."""
        if names and type(token.value) is bytes and with_type(names[-1], token.value) is token.value:
            names.pop()  # It says no more than that they are bytes.
        for at, name in enumerate(names):
            tag = _tag(name)
            if at < len(names) - 1 or tag is None or not _is_plain_tag(name, token):
                self._out.append(f"!!typed [ {_text(name)}, ")
                self._levels.append(_Level("("))
            else:
                self._out.append(f"{tag} ")

    def _value(self, token: Token) -> None:
        value = token.value
        if isinstance(value, History):
            self._history(value)
            return
        if isinstance(value, LongArray):
            self._out.append(f"[ {', '.join(map(str, value))} ]" if value else "[]")
            if value.capacity != len(value):
                self._remark = f"capacity: {value.capacity}"
        elif type(value) is int and token.code == codes.INT64_0X:
            self._out.append(f"{'-' if value < 0 else ''}{abs(value):#x}")
        else:
            self._out.append(_scalar(value)[0])
            if token.code == codes.INT64 and type(value) is int:
                self._remark = _moment(value)
        self._end()

    def _is_own_history(self) -> bool:
        """Whether the next value is the document's history; its name is then that, if it was a number."""
        if self._top_name not in ("history", -1) or any(level.sign != "(" for level in self._levels):
            return False
        self._out[self._starts[-1]] = "history: "
        return True

    def _history(self, history: History) -> None:
        numbers = [f"{source}, {index:#x}" for source, index in history.sources]
        timings = ", ".join(map(str, history.timings))
        sources = f"[ {', '.join(numbers)} ]" if numbers else "[]"
        if not self._is_own_history() or self._levels:
            self._out.append("!!history ")
        self._out.append(f"{{ sources: {sources}, timings: {f'[ {timings} ]' if timings else '[]'} }}")
        self._end()

    def _finished(self) -> str:
        out = self._out
        if self._bare and len(self._starts) > 1:
            # Values without names are a list; what has a name among them is a mapping of its own.
            for at in self._starts:
                out[at] = f"- {out[at]}"
            out = ["\n  : " if part is _KEY_END else part for part in out]
        # The last thing of a payload may be a name.
        return "".join(out).removesuffix(" ") + "\n" if self._named else "".join(out)


_KEY_END: Final = "\n: "  # At the top.


def _is_plain_tag(name: str, token: Token) -> bool:
    """Whether a tag of this name before the value reads back as Typed of both."""
    value = token.value
    if token.kind == "open":
        return name not in FORMS
    if isinstance(value, LongArray):
        return True
    if isinstance(value, str):
        return reads_back(name, value) and not _scalar(value)[1]
    return not (name in TAGGED or name in NUMBERS or isinstance(value, History) or _scalar(value)[1])


def _tag(name: str) -> str | None:
    """The YAML tag of a Java type; None for a name that no tag can have."""
    kernel = name.removeprefix("!")
    if not kernel or "\n" in name:
        return None
    try:
        return ("!!" if kernel != name else "!") + quote(kernel, safe="-;/?:@&=+$_.~*'()[]")
    except UnicodeEncodeError:
        return None


def _text(text: str) -> str:
    """A text, quoted where it has to be."""
    if _SAFE.fullmatch(text) and text.lower() not in _WORDS and text not in _NOT_FINITE:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    if code > 0xFFFF:
        # TextWire knows no other way to say them, and does not read them as they are.
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


def _scalar(value: Any) -> tuple[str, bool]:
    """A value's text, and whether it begins with a tag."""
    if isinstance(value, str):
        # TextWire takes even a quoted "true" for a boolean, unless it is told.
        return (f'!String "{value}"', True) if value in ("true", "false") else (_text(value), False)
    if value is None:
        return '!!null ""', True
    if isinstance(value, bool):
        return "true" if value else "false", False
    if isinstance(value, int):
        return str(value), False
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Opaque):
        return f'!!opaque "{base64.b64encode(value).decode()}"', True
    if isinstance(value, bytes | bytearray):
        return f"!!binary {base64.b64encode(value).decode() or _NOTHING}", True
    if isinstance(value, TypeLiteral):
        return f"!type {_text(value.name)}", True
    if isinstance(value, UUID):
        return f"!UUID {value}", True
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return f"!DateTime {format_date_time(value)}", True
        return f'!ZonedDateTime "{format_zoned(value)}"', True
    if isinstance(value, datetime.date):
        return format_date(value), False
    if isinstance(value, datetime.time):
        return f"!Time {format_time(value)}", True
    if isinstance(value, Typed):
        return f"!{value.name} {_quoted(value.value)}", True  # A date of a year that Python has not.
    raise WireError(f"cannot write YAML: no value of Wire is a {type(value).__name__}")


_NOTHING: Final = '""'


def _float(value: float) -> tuple[str, bool]:
    if not math.isfinite(value):
        return f"!Float64 {'NaN' if value != value else 'Infinity' if value > 0 else '-Infinity'}", True
    text = repr(float(value))
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1 takes it for a text otherwise.
    return text, False


def _moment(number: int) -> str:
    """The time since 1970 that Java takes a long for, as a remark; empty if for none."""
    if number in _MILLIS:
        return (_EPOCH + datetime.timedelta(milliseconds=number)).isoformat(timespec="milliseconds")
    if number in _NANOS:
        moment = _EPOCH + datetime.timedelta(seconds=number // 10**9)
        return f"{moment.isoformat()}.{number % 10**9:09}"
    return ""
