"""Which messages are printed: ``--include``, ``--exclude`` and ``--filter``.

The first two are Java's (ChronicleReaderMain -i and -e): all of the patterns must be found in what is shown, none of the
others. A filter also knows the fields of documents. Values are compared as what they are: 1, 1.0 and 0x1 are one number.
"""

from __future__ import annotations

import argparse
import datetime
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pychronix.cli.messages import Message
from pychronix.errors import WireError
from pychronix.wire import Opaque, Typed, TypeLiteral
from pychronix.wire.values import pairs_of

__all__ = ["Choice", "Condition", "add_choice", "choice_of"]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(r"([A-Za-z_$][\w$-]*(?:\.[\w$-]+|\[\d+\])*)(!=|<=|>=|==?|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A field of a document, by its path, compared with a value."""

    path: tuple[str, ...]
    compare: Callable[[Any, Any], bool]
    value: str

    def __call__(self, message: Message) -> bool:
        """Whether any of the fields with this path compares so; never of what is no document."""
        try:
            # A text may be a document, too: of JSON or YAML.
            if not (message.document.kind in ("json", "yaml") if message.text is not None else message.is_document):
                return False
            found = list(_found(message.document.to_python(), self.path))
        except WireError:
            return False
        return any(self._holds(value) for value in found)

    def _holds(self, value: Any) -> bool:
        if isinstance(value, Typed):
            value = value.value
        number = _number(self.value)
        if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return self.compare(value, number)
        return self.compare(_text(value), self.value)


def _found(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What lies at a path: from the top, or from the argument of any event or the fields of any part."""
    yield from _at(value, path)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        if isinstance(part, Typed):
            part = part.value
        if isinstance(part, dict | list):
            yield from _at(part, path)


def _at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What lies at a path from here. Of a list each item is tried where the path names no place of it."""
    if isinstance(value, Typed):
        value = value.value
    if not path:
        yield from value if isinstance(value, list) else (value,)
    elif isinstance(value, dict):
        for key, item in pairs_of(value):
            if str(key) == path[0]:
                yield from _at(item, path[1:])
    elif isinstance(value, list):
        if path[0].isdigit():
            yield from _at(value[int(path[0])], path[1:]) if int(path[0]) < len(value) else ()
        else:
            for item in value:
                yield from _at(item, path)


def _number(text: str) -> int | float | None:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _text(value: Any) -> str:
    """A value as one would type it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes | Opaque):
        return value.hex()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value.name if isinstance(value, TypeLiteral) else str(value)


class Choice:
    """Says of a message whether it is printed."""

    def __init__(
        self,
        include: Iterable[re.Pattern[str]] = (),
        exclude: Iterable[re.Pattern[str]] = (),
        conditions: Iterable[Condition] = (),
    ) -> None:
        self._include, self._exclude, self._conditions = tuple(include), tuple(exclude), tuple(conditions)

    def __bool__(self) -> bool:
        """Whether any message may be left out."""
        return bool(self._include or self._exclude or self._conditions)

    def __call__(self, message: Message) -> bool:
        return (
            all(condition(message) for condition in self._conditions)
            and all(pattern.search(message.searched) for pattern in self._include)
            and not any(pattern.search(message.searched) for pattern in self._exclude)
        )


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _filter(text: str) -> re.Pattern[str] | Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        return _pattern(text)
    return Condition(tuple(re.findall(r"[\w$-]+", found[1])), _OPERATORS[found[2].replace("==", "=")], found[3])


def add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--include", type=_pattern, action="append", default=[], metavar="REGEX",
        help="only messages in whose text (of a document: its YAML) this is found; several: all of them",
    )  # fmt: skip
    parser.add_argument(
        "-e", "--exclude", type=_pattern, action="append", default=[], metavar="REGEX",
        help="no message in whose text this is found; several: any of them",
    )  # fmt: skip
    parser.add_argument(
        "--filter", type=_filter, action="append", default=[], metavar="FIELD=VALUE",
        help="only documents with such a field, by its name or path (order.legs.px=1.5; also != < <= > >=); "
        "anything else is taken as by --include",
    )  # fmt: skip


def choice_of(options: argparse.Namespace) -> Choice:
    """What the options of `add_choice` choose."""
    conditions = [one for one in options.filter if isinstance(one, Condition)]
    patterns = [one for one in options.filter if isinstance(one, re.Pattern)]
    return Choice(options.include + patterns, options.exclude, conditions)
