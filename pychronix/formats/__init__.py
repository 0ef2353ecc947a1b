"""Which format a directory holds, and the formats' layouts by specification.

The decision hidden here is what a path is recognised by. The modules beside this one declare each format a second
time, in construct, independent of the C core; they serve ``inspect`` and the tests, never the fast path.
"""

from __future__ import annotations

import os
from enum import Enum

from pychronix.errors import AccessError, NotFoundError, SystemCallError, UnsupportedFormatError

__all__ = ["DIRECTORY_LISTING", "METADATA", "Format", "detect", "indexed_path", "roll_file_names"]

METADATA = "metadata.cq4t"
DIRECTORY_LISTING = "directory-listing.cq4t"
_ROLL_SUFFIX = ".cq4"


class Format(Enum):
    """The on-disk formats of OpenHFT's queues."""

    CQ5 = "cq5"
    """Chronicle Queue 5: ``*.cq4`` and ``metadata.cq4t``."""
    CQ4 = "cq4"
    """Chronicle Queue 4: ``*.cq4``, and usually ``directory-listing.cq4t``; the settings are in each roll file."""
    VANILLA = "vanilla"
    """Chronicle 3, rolling: ``YYYYMMDD/index-N`` and ``data-<thread>-N``."""
    INDEXED = "indexed"
    """Chronicle 3, two files: ``name.index`` and ``name.data``."""


def roll_file_names(path: str | os.PathLike[str]) -> list[str]:
    """Names in a queue's directory that end in .cq4, sorted; raises NotFoundError if there is no directory."""
    path = os.fspath(path)
    try:
        return sorted(name for name in os.listdir(path) if name.endswith(_ROLL_SUFFIX))
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise NotFoundError("there is no queue directory", path=path, hint="a queue is a directory") from cause
    except PermissionError as cause:
        raise AccessError("cannot list the queue directory", path=path) from cause
    except OSError as cause:
        raise SystemCallError(
            f"cannot list the queue directory: {cause.strerror}", path=path, errno=cause.errno
        ) from cause


def indexed_path(path: str | os.PathLike[str]) -> str | None:
    """The path of an Indexed journal, named by itself or by either of its files, without suffix; None if there is none."""
    path = os.fspath(path)
    for base in (path, path.removesuffix(".index"), path.removesuffix(".data")):
        if not os.path.isdir(base) and os.path.isfile(base + ".index") and os.path.isfile(base + ".data"):
            return base
    return None


def detect(path: str | os.PathLike[str]) -> Format:
    """The format of the queue in a directory, or of the Indexed journal of that name.

    ``metadata.cq4t`` makes it CQ5, even beside a ``directory-listing.cq4t``: a release of 5.x has opened that queue
    and keeps its listing and lock in the former. Roll files alone are legal in both; they are CQ4 if the first
    readable one carries its own roll settings. A directory below with files of a Vanilla journal makes it one. Raises
    NotFoundError if there is no directory, and UnsupportedFormatError if nothing in it is known.
    """
    path = os.fspath(path)
    if indexed_path(path) is not None:
        return Format.INDEXED
    names = roll_file_names(path)
    if os.path.isfile(os.path.join(path, METADATA)):
        return Format.CQ5
    if os.path.isfile(os.path.join(path, DIRECTORY_LISTING)):
        return Format.CQ4
    if names:
        from pychronix.formats import cq5  # construct is needed for this rare case only

        return Format.CQ4 if cq5.any_roll_settings(path, names) else Format.CQ5
    from pychronix.formats import vanilla

    if vanilla.is_journal(path):
        return Format.VANILLA
    raise UnsupportedFormatError(
        "this directory holds no queue",
        path=path,
        hint=f"looked for {METADATA}, {DIRECTORY_LISTING}, *{_ROLL_SUFFIX} and YYYYMMDD/index-N",
    )
