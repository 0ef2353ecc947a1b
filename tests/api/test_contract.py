"""A .cq4 queue does what every format does."""

from __future__ import annotations

from typing import Any, ClassVar

from contract import QueueContract


class TestQueue5(QueueContract):
    options: ClassVar[dict[str, Any]] = {"roll": "TEST8_DAILY", "block_size_bytes": 1 << 16}
