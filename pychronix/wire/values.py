"""What stands for the values of Wire that Python has no word for.

They are thin: each prints, compares, copies and pickles as the value it wraps, and is written back as it was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["MAX_SOURCES", "History", "LongArray", "Opaque", "Pairs", "TypeLiteral", "Typed", "pairs_of"]

#: Hops that a history has room for (Java: VanillaMessageHistory.MESSAGE_HISTORY_LENGTH); it holds twice as many times.
MAX_SOURCES: Final = 128


class Typed:
    """A value with the name of its Java type: an object of a class unknown here, an enum, a set (``!set``).

    Immutable; equal to another Typed of equal name and value; hashable, even where the value is a list or a dict.
    """

    __match_args__ = ("name", "value")
    __slots__ = ("name", "value")

    name: str
    value: Any

    def __init__(self, name: str, value: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "value", value)

    def __setattr__(self, attribute: str, _: object) -> None:
        raise AttributeError(f"a Typed cannot be changed: {attribute}")

    def __delattr__(self, attribute: str) -> None:
        raise AttributeError(f"a Typed cannot be changed: {attribute}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Typed) and self.name == other.name and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((self.name, _frozen(self.value)))

    def __repr__(self) -> str:
        return f"Typed({self.name!r}, {self.value!r})"

    def __reduce__(self) -> tuple[type[Typed], tuple[str, Any]]:
        return Typed, (self.name, self.value)


class TypeLiteral(NamedTuple):
    """A Java class as a value (``String.class``), by its name or alias."""

    name: str


class Pairs(dict[Any, Any]):
    """A mapping in which a key stands more than once: as a dict it has the last value of each, as in Java.

    ``pairs()`` has all of them in their order. It cannot be changed but as a dict; the pairs stay as they were read.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        self._pairs = tuple(pairs)
        super().__init__((_frozen(key), value) for key, value in self._pairs)

    def pairs(self) -> tuple[tuple[Any, Any], ...]:
        """All (key, value) in the order of the document."""
        return self._pairs

    def __eq__(self, other: object) -> bool:
        return self._pairs == other._pairs if isinstance(other, Pairs) else super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"Pairs({list(self._pairs)!r})"

    def __reduce__(self) -> tuple[type[Pairs], tuple[tuple[tuple[Any, Any], ...]]]:
        return Pairs, (self._pairs,)


def pairs_of(mapping: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """All (key, value) of any mapping, of Pairs also those whose key stands twice."""
    return mapping.pairs() if isinstance(mapping, Pairs) else mapping.items()


class History(NamedTuple):
    """The message history of an excerpt (Java's MessageHistory, spec 8.9)."""

    sources: tuple[tuple[int, int], ...]  # (source id, index), the first hop first
    timings: tuple[int, ...]  # ns of an epoch of the writer's choice (System.nanoTime), two for each hop but the last


class LongArray(list[int]):
    """An array of 64-bit integers with room for more (Java's LongArrayValues): the used ones are its items."""

    __slots__ = ("capacity",)

    def __init__(self, values: Iterable[int] = (), capacity: int | None = None) -> None:
        super().__init__(values)
        self.capacity = len(self) if capacity is None else capacity

    def __repr__(self) -> str:
        return f"LongArray({super().__repr__()}, capacity={self.capacity})"


class Opaque(bytes):
    """The content of a block that is no Wire: what a BytesMarshallable wrote. Delimited, but not described."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Opaque({super().__repr__()})"


def _frozen(value: Any) -> Any:
    """The value with its lists and dicts made hashable."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, set):
        return frozenset(value)
    return bytes(value) if isinstance(value, bytearray) else value
