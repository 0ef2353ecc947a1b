"""The table store of a queue (``metadata.cq4t``) as a mapping.

The decision hidden here is how a scan over documents looks like a Python mapping: keys to 64-bit integers, read afresh
at each look, with one way to change a value: compare-and-set, as every process that shares the queue does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pychronix import _boundary
from pychronix._boundary import lib
from pychronix.errors import KeyNotFoundError

if TYPE_CHECKING:
    from pychronix.queue import Queue

__all__ = ["UNLOCKED", "TableStore"]

UNLOCKED = -(1 << 63)
"""Value of a lock that nobody holds (``chronicle.write.lock`` and its kin); otherwise a lock's value is a pid."""


class TableStore(Mapping[str, int]):
    """Keys and values shared by all processes that have the queue open (Java's SingleTableStore; native/FORMATS.md, 3).

    Keys are compared without case. Every access reads the file anew; iteration sees the keys that exist while it runs
    (none is ever deleted). Empty where a queue has no table store. Chronicle's own values (locks, listing, positions
    of named tailers) keep the queue together: change them only if you know its protocol.
    """

    __slots__ = ("_queue",)

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __getitem__(self, key: str) -> int:
        value = _boundary.out_int64()
        raw = _key(key)
        code = _boundary.patient(
            lambda: lib.cx_table_get(self._queue._handle.number, raw, value), self._queue.timeout_ms
        )
        if code == lib.CX_E_NOT_FOUND:
            raise self._missing(key)
        self._check(code)
        return value[0]

    def __iter__(self) -> Iterator[str]:
        for key, _ in self._entries():
            yield key

    def __len__(self) -> int:
        return sum(1 for _ in self._entries())

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        try:
            self[key]
        except KeyNotFoundError:
            return False
        return True

    def compare_and_set(self, key: str, expected: int, value: int) -> bool:
        """Sets an existing key to ``value`` if it holds ``expected``; whether it did. Atomic among all processes.

        Raises KeyNotFoundError, and ReadOnlyError in mode "r".
        """
        found = _boundary.out_int64(_boundary.int64(expected, "expected"))
        value = _boundary.int64(value, "value")
        code = lib.cx_table_cas(self._queue._handle.number, _key(key), found, value)
        if code == lib.CX_E_NOT_FOUND:
            raise self._missing(key)
        return self._check(code) == 1

    def setdefault(self, key: str, default: int) -> int:
        """The value of a key, which is created with ``default`` if it is missing. Raises ReadOnlyError in mode "r".

        A table store holds some 1 600 keys and never forgets one.
        """
        default = _boundary.int64(default, "default")
        raw = _key(key)
        self._check(
            _boundary.patient(
                lambda: lib.cx_table_ensure(self._queue._handle.number, raw, default), self._queue.timeout_ms
            )
        )
        return self[key]

    def __repr__(self) -> str:
        return f"<TableStore of {self._queue.path!r}>"

    def _entries(self) -> Iterator[tuple[str, int]]:
        cursor = _boundary.out_int64()
        value = _boundary.out_int64()
        key = _boundary.chars(lib.CX_KEY_MAX)
        while True:
            code = lib.cx_table_next(self._queue._handle.number, cursor, key, value)
            if code == lib.CX_E_NOT_FOUND or not self._check(code):  # There is no table store, or no more of it.
                return
            yield _boundary.text_of(key), value[0]

    def _check(self, code: int) -> int:
        return _boundary.checked(code, self._queue.path)

    def _missing(self, key: str) -> KeyNotFoundError:
        return KeyNotFoundError(f"the table store has no key {key!r}", path=self._queue.path)


def _key(key: str) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"a key is str, not {type(key).__name__}")
    return _boundary.latin_string(key, "key", lib.CX_KEY_MAX)
