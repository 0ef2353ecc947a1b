"""Everything that can go wrong, as types.

The decision hidden here is what a failure is called and how its message reads. This module imports nothing of the
package, so every other one may import it; ``_boundary`` maps the codes of the native core to these types.

Rules
- One root, ``ChronixError``. Each type is also the builtin that a careful caller would already catch.
- Three families and a few facts about the surroundings: misuse (``UsageError`` and below: mend the calling code),
  damage (``CorruptError``: the file breaks the format), absence (``NotFoundError``); then what the machine or another
  process did (``QueueFullError``, ``LockedError``, ``SystemCallError`` ...). The end of data is none of them: it is
  ``None``, or an iterator that ends.
- A message has three parts: what was attempted, what was found (with numbers), and what to do, which is ``hint``.
- Every error can be pickled, with its path, offset, hint and pid.
"""

from __future__ import annotations

import errno as _errno
import os
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "AccessError",
    "AppendLockedError",
    "BusyError",
    "ChronixError",
    "ChronixWarning",
    "ClosedError",
    "CodecError",
    "CorruptError",
    "CycleClosedError",
    "CycleFullError",
    "EncodingError",
    "EndOfDocumentError",
    "ForkedError",
    "IndexRangeError",
    "KeyNotFoundError",
    "LockedError",
    "MessageTooLongError",
    "NackError",
    "NotFoundError",
    "NotReadyError",
    "OutOfMemoryError",
    "ProtocolError",
    "QueueFullError",
    "ReadOnlyError",
    "RecordLengthError",
    "RemoteError",
    "ReplicaError",
    "SettingsChangedError",
    "SystemCallError",
    "UnsupportedFormatError",
    "UsageError",
    "WireError",
]


class ChronixWarning(UserWarning):
    """Something was not done as asked, yet nothing is lost: an argument that an existing queue overrules, say."""


def _restore(cls: type[ChronixError], message: str, state: dict[str, Any]) -> ChronixError:
    """Unpickles: fields that are no arguments of the constructor, such as pid, come back too."""
    error = cls(message)
    for name, value in state.items():
        setattr(error, name, value)
    return error


class ChronixError(Exception):
    """Root of all errors of this package.

    ``message`` says what was attempted and what was found, without a full stop. ``path`` is the file or directory
    concerned, ``offset`` the byte in it, ``hint`` what to do; each is None if there is none. ``str()`` has them all.
    """

    message: str
    path: str | None
    offset: int | None
    hint: str | None

    appended: Sequence[int] = ()
    """Indexes of the messages that append_many had appended when this error ended it. They stay appended."""

    default_hint: ClassVar[str | None] = None
    default_errno: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        offset: int | None = None,
        hint: str | None = None,
        errno: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else os.fspath(path)
        self.offset = offset
        self.hint = hint if hint is not None else self.default_hint
        error: Any = self
        if isinstance(error, OSError):
            # errno and filename are what callers of OSError look at; args keep the one message.
            number = errno if errno else self.default_errno
            if number:
                error.errno = number
                error.strerror = os.strerror(number)
            if self.path is not None:
                error.filename = self.path

    def __str__(self) -> str:
        text = self.message
        if self.path is not None and self.path not in text:
            text += f" in {self.path}"
        if self.offset is not None:
            text += f" at offset {self.offset}"
        if self.hint:
            text += f"; {self.hint}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        state = dict(self.__dict__)
        error: Any = self
        if isinstance(error, OSError):
            for name in ("errno", "strerror", "filename"):
                if getattr(error, name) is not None:
                    state[name] = getattr(error, name)
        return _restore, (type(self), self.message, state)


# --- misuse ----------------------------------------------------------------------------------------------------------


class UsageError(ChronixError, ValueError):
    """An argument is out of range, or a call makes no sense in this state. Nothing was changed."""


class ClosedError(UsageError):
    """The queue, appender or tailer was closed."""

    default_hint = "open another one"


class BusyError(ChronixError, RuntimeError):
    """Another thread is inside this appender or tailer, which one thread at a time may use. Nothing was changed."""

    default_hint = "give each thread its own appender or tailer; the queue itself may be shared"


class ForkedError(ChronixError, RuntimeError):
    """The handle was opened before fork() in the parent process. Nothing was changed."""

    default_hint = "open the queue again in the child process"


class MessageTooLongError(UsageError):
    """The message is longer than 2^30 - 1 bytes or than this queue's files can hold. Nothing was written."""


class IndexRangeError(UsageError, IndexError):
    """append_at was asked for an index beyond the next one; ``next_index`` is that one. Nothing was written."""

    next_index: int | None = None


class EncodingError(UsageError):
    """A value cannot be written as text, or a payload is not the text it was read as."""


class WireError(EncodingError):
    """A document is not Wire, or a value is none that Wire can hold. ``offset`` is the byte in the excerpt's payload.

    ``index`` is the excerpt's, where it is known. Nothing was written. ``documents`` holds what the same call of
    ``read_documents`` read before it.
    """

    index: int | None = None
    documents: Any = None


class CodecError(ChronixError, ValueError):
    """A codec failed on a value or on an excerpt. Its own error is the ``__cause__``; nothing was written.

    ``index`` is the excerpt's; None when a value was to be appended, for it has none.
    """

    index: int | None = None


class EndOfDocumentError(ChronixError, EOFError):
    """A field reaches beyond the end of its document. The position is where it was before that read."""

    default_hint = "is the document of another layout, or cut off?"


class RecordLengthError(UsageError):
    """An excerpt is not as long as the record layout it is read with. The tailer stands on it.

    ``index`` is the excerpt's. ``records`` holds what the same call read before it, where that was to become one array.
    """

    index: int | None = None
    records: Any = None


class AccessError(ChronixError, PermissionError):
    """The operating system does not let this process read or write the file."""

    default_errno = _errno.EACCES
    default_hint = "check owner and mode of the directory and its files"


class ReadOnlyError(AccessError):
    """The queue was opened with mode "r", which never writes."""

    default_errno = _errno.EROFS
    default_hint = 'open it with mode="a" or "r+"'


# --- absence ---------------------------------------------------------------------------------------------------------


class NotFoundError(ChronixError, FileNotFoundError):
    """There is no queue, cycle or key here."""

    default_errno = _errno.ENOENT


class KeyNotFoundError(NotFoundError, KeyError):
    """The table store has no such key."""


# --- damage ----------------------------------------------------------------------------------------------------------


class CorruptError(ChronixError, ValueError):
    """A file breaks the format; ``path`` and ``offset`` say where."""


class UnsupportedFormatError(ChronixError, ValueError):
    """A format, release or wire type that cannot be read, or not be appended to."""


# --- the machine and other processes ---------------------------------------------------------------------------------


class SystemCallError(ChronixError, OSError):
    """A system call failed; ``errno`` says how."""


class QueueFullError(SystemCallError):
    """The file system has no room for the next message. Nothing of it was written; what was appended stays."""

    default_errno = _errno.ENOSPC
    default_hint = "free disk space, or lower block_size_bytes"


class OutOfMemoryError(ChronixError, MemoryError):
    """Memory or address space ran out."""


class LockedError(ChronixError, TimeoutError):
    """A live process kept a lock for longer than the queue's timeout; ``pid`` is that process, if known.

    Nothing was written. Java would force the lock open here; pychronix never takes a lock from a live process.
    """

    default_errno = _errno.ETIMEDOUT
    pid: int | None = None


class NotReadyError(ChronixError, TimeoutError):
    """Another process began to create a file and did not finish within the queue's timeout."""

    default_errno = _errno.ETIMEDOUT


class AppendLockedError(ChronixError, RuntimeError):
    """The append lock (``chronicle.append.lock``) is set, by ``pid``: this queue is not to be appended to."""

    default_hint = "append locks are set on replication sinks; append to the source, or unlock it with Java"
    pid: int | None = None


class CycleClosedError(ChronixError, RuntimeError):
    """The cycle to append to is already closed by an end-of-data marker. Nothing was written."""

    default_hint = "is the clock slow? Wait for the next cycle"


class CycleFullError(ChronixError, OverflowError):
    """The index of this cycle cannot hold another message. Nothing was written."""

    default_hint = "wait for the next cycle, or use a roll cycle with a larger index"


class SettingsChangedError(ChronixError, RuntimeError):
    """The stored settings kept changing while the queue was being opened."""

    default_hint = "another process is recreating this queue; try again"


class RemoteError(ChronixError, ConnectionError):
    """The peer of a TCP connection cannot be reached, fell silent or went away.

    Reading goes on at the next call, where it was. Of an append, ``appended`` has the indexes that were acknowledged;
    ``unsure`` counts the messages sent whose answer did not come: each was appended or was not.
    """

    default_errno = _errno.ECONNRESET
    unsure: int = 0


class NackError(RemoteError):
    """The source refused to append. ``refused`` numbers the messages of the call it refused, from 0."""

    default_errno = _errno.EPERM
    refused: Sequence[int] = ()


class ProtocolError(RemoteError):
    """The peer sent what the protocol does not have. ``decoded`` is what came before it."""

    default_errno = _errno.EPROTO
    decoded: Sequence[Any] = ()


class ReplicaError(ChronixError, ValueError):
    """A queue is not the replica of this source that it was taken for. Nothing was appended to it."""
