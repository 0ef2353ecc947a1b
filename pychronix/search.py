"""Finding excerpts by what is in them: binary search in a queue whose excerpts are in order.

The decision hidden here is Java's: which excerpts are compared, and what comes out where there is none, or padding in
between (Excerpt.findMatch and findRange; spec chronicle-3, 3.5). Results for Indexed journals are Java's exactly.

Rules
- A comparator gets a payload and says where it stands to what is looked for: below 0 it comes before, 0 it is one, above 0
  it comes after. The queue must be in that order; the result is of no use if it is not.
- What is appended meanwhile is not searched. About log2(count) payloads are read, each through the index.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pychronix.queue import Queue
    from pychronix.tailer import Tailer

__all__ = ["Comparator", "find_match", "find_range"]

Comparator: TypeAlias = Callable[[bytes], int]
"""What says where a payload stands: below 0 before, 0 at, above 0 after what is looked for."""


def find_match(queue: Queue, compare: Comparator) -> int:
    """The index of an excerpt that compares equal, or ``~i`` (below 0) where i is the index it would be inserted at.

    Of several equal ones it is any: ``find_range`` gives all. An empty queue gives ``~0``. (Java: Excerpt.findMatch.)
    """
    numbers = _Numbers(queue)
    with queue.tailer() as tailer:
        low, high = 0, numbers.count - 1
        while low <= high:
            middle, order = _probe(numbers, tailer, compare, low, high)
            if order is None:
                break
            if order < 0:
                low = middle + 1
            elif order > 0:
                high = middle - 1
            else:
                return numbers.index(middle)
    return ~numbers.index(low)


def find_range(queue: Queue, compare: Comparator) -> range:
    """The indexes of the excerpts that compare equal: from the first to one past the last, empty where there is none.

    Padding of an Indexed journal that lies before the first one may be counted in, as Java does. Where the excerpts are of
    several cycles start and stop are right, but numbers in between are no indexes. (Java: Excerpt.findRange.)
    """
    numbers = _Numbers(queue)
    with queue.tailer() as tailer:
        low_of_start, high_of_start = 0, numbers.count - 1
        low_of_stop, high_of_stop = 0, high_of_start
        both = True  # Nothing compared equal yet, so that every probe tells of start and stop.
        while low_of_start <= high_of_start:
            middle, order = _probe(numbers, tailer, compare, low_of_start, high_of_start)
            if order is None:
                break
            if order < 0:
                low_of_start = middle + 1
                if both:
                    low_of_stop = low_of_start
                continue
            high_of_start = middle - 1
            if both:
                if order > 0:
                    high_of_stop = high_of_start
                else:
                    low_of_stop = middle + 1
            if order == 0:
                both = False
        while low_of_stop <= high_of_stop:
            middle, order = _probe(numbers, tailer, compare, low_of_stop, high_of_stop)
            if order is None:
                break
            if order <= 0:
                low_of_stop = middle + 1
            else:
                high_of_stop = middle - 1
    return range(numbers.index(low_of_start), numbers.index(low_of_stop))


class _Numbers:
    """The excerpts of all cycles, numbered through from 0: what can be halved, which indexes cannot."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        found = [(cycle.number, cycle.count) for cycle in queue.cycles()]
        found = [(cycle, count) for cycle, count in found if count > 0]
        self._cycles = [cycle for cycle, _ in found]
        self._stops = list(accumulate(count for _, count in found))
        self.count = self._stops[-1] if self._stops else 0

    def index(self, number: int) -> int:
        """The index of a number within 0..count; of count itself, the index after the last one."""
        if not self._stops:
            return 0
        if number == self.count:  # Of a full cycle that is the beginning of the next one.
            return self.index(number - 1) + 1
        at = bisect_right(self._stops, number)
        return self._queue.index(self._cycles[at], number - (self._stops[at - 1] if at else 0))


def _probe(numbers: _Numbers, tailer: Tailer, compare: Comparator, low: int, high: int) -> tuple[int, int | None]:
    """The number in the middle and how its excerpt compares, or that of the excerpt before it where it is padding.

    None where there is nothing but padding from low up to it: Java then ends the search.
    """
    middle = (low + high) // 2
    while not tailer.move_to_index(numbers.index(middle)):
        if middle == low:
            return middle, None
        middle -= 1
    payload = tailer.read()
    assert payload is not None
    return middle, compare(payload)
