"""An Indexed journal does what every format does."""

from __future__ import annotations

from typing import Any, ClassVar

from contract import QueueContract


class TestIndexed(QueueContract):
    options: ClassVar[dict[str, Any]] = {"format": "indexed", "data_block_bytes": 1 << 17, "index_block_bytes": 1 << 13}
