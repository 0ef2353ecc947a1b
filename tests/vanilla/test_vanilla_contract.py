"""A Vanilla journal does what every format does."""

from __future__ import annotations

from typing import Any, ClassVar

from contract import QueueContract


class TestVanilla(QueueContract):
    options: ClassVar[dict[str, Any]] = {
        "format": "vanilla",
        "index_block_bytes": 1024,
        "data_block_bytes": 65536,
        "reserve_bytes": 100,
    }


class TestVanillaNestedSeconds(QueueContract):
    options: ClassVar[dict[str, Any]] = {
        "format": "vanilla",
        "roll": "yyyyMMdd/HHmm/ss",
        "index_block_bytes": 4096,
        "max_mapped_bytes": 1,
    }
