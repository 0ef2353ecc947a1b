"""Chronicle Queues in Python: read, append and tail ``.cq4`` queues, byte for byte as Java does and beside it.

>>> import pychronix as px
>>> with px.open_queue("orders", mode="a") as queue:  # doctest: +SKIP
...     queue.appender().append(b"hello")
...     for payload in queue.tailer():
...         print(payload)

Storeys, each knowing only those below it: the native core (``native/``, C) behind ``_boundary``; arithmetic, text and
fields (``rolling``, ``wire``, ``fields``, ``formats``), pure; ``codec``, ``appender``, ``tailer``, ``table``, ``methods``
and ``queue``; ``follow``, which waits; ``tcp`` and ``cassandra``; the command line.

Errors are below ChronixError, in ``pychronix.errors``; the ones that programs tend to catch are here, too.
"""

from typing import TYPE_CHECKING

from pychronix.appender import Appender, ExcerptBuffer, Indexes
from pychronix.chronicle3 import VanillaCycle
from pychronix.errors import (
    BusyError,
    ChronixError,
    ChronixWarning,
    ClosedError,
    CodecError,
    CorruptError,
    EncodingError,
    EndOfDocumentError,
    IndexRangeError,
    LockedError,
    NotFoundError,
    QueueFullError,
    ReadOnlyError,
    RecordLengthError,
    UnsupportedFormatError,
    UsageError,
    WireError,
)
from pychronix.follow import follow
from pychronix.methods import MethodReader, MethodWriter, current_history, event_name, method_id
from pychronix.queue import Cycle, Queue, open_queue
from pychronix.rolling import ROLL_CYCLES, RollCycle
from pychronix.table import TableStore
from pychronix.tailer import Direction, ExcerptReader, Tailer, TailerState
from pychronix.wire import Document, Typed, decode_text, encode_text

__all__ = [
    "ROLL_CYCLES",
    "Appender",
    "BusyError",
    "ChronixError",
    "ChronixWarning",
    "ClosedError",
    "CodecError",
    "CorruptError",
    "Cycle",
    "Direction",
    "Document",
    "EncodingError",
    "EndOfDocumentError",
    "ExcerptBuffer",
    "ExcerptReader",
    "IndexRangeError",
    "Indexes",
    "LockedError",
    "MethodReader",
    "MethodWriter",
    "NotFoundError",
    "Queue",
    "QueueFullError",
    "ReadOnlyError",
    "RecordLengthError",
    "RollCycle",
    "TableStore",
    "Tailer",
    "TailerState",
    "Typed",
    "UnsupportedFormatError",
    "UsageError",
    "VanillaCycle",
    "WireError",
    "current_history",
    "decode_text",
    "encode_text",
    "event_name",
    "follow",
    "method_id",
    "open_queue",
]


if TYPE_CHECKING:
    from pychronix import tcp as tcp

    __version__: str
else:

    def __getattr__(name: str) -> object:
        if name == "__version__":
            # pyproject.toml has the one version; looking it up takes longer than importing all of the above.
            from importlib.metadata import version

            return version("pychronix")
        if name == "tcp":
            # asyncio takes longer to import than all of the above, and most programs serve nothing.
            from importlib import import_module

            return import_module("pychronix.tcp")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
