"""A clock that tests own: no test waits for the time to pass."""

from __future__ import annotations

DAY_MS = 86_400_000
START_MS = 1_709_635_062_500  # 2024-03-05T10:37:42.5Z, the moment of spec 6.2's examples.


class Clock:
    """Nanoseconds since 1970 that pass when a test says so; pass it as open_queue's ``clock``."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms * 1_000_000 + 999_999

    def forward(self, ms: int) -> None:
        self.now_ms += ms
