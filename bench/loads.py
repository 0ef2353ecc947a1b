"""What is written and read: payloads, and the three loads of pychro's own performance tests.

No import of pychronix here: the same values are made by the bench and in pychro's process.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

SEED = 20260401
NOTE = "order of the day: buy low, sell high, and keep the book"
FIXED = "New York 0123456789" * 2
FIXED_BYTES = 70
STRINGS = 4096  # Different ones; more would measure the cache that holds them.


def payload(size: int) -> bytes:
    """What an excerpt of so many bytes consists of."""
    return bytes(number & 0xFF for number in range(size))


def strings() -> Sequence[str]:
    """Texts of about 180 characters, as long as pychro's."""
    digits = random.Random(SEED)
    return [str(digits.random()) * 10 for _ in range(STRINGS)]


def mixed(number: int) -> tuple[int, int, int, int]:
    """The numbers of the mixed load's excerpt: before and behind the first text, and behind the second."""
    return 2 * number, -number, number * number & 0x7FFFFFFF, -number
