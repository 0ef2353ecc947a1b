"""``info``: what a queue is and holds, as text for people or as JSON."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Iterable, Iterator
from typing import Any

import pychronix as px
from pychronix.cli.options import add_chronicle3, add_queue, open_queue
from pychronix.cli.shell import Command, Output, counted, json_line, known, visible


def _add_info(parser: argparse.ArgumentParser) -> None:
    add_queue(parser)
    parser.add_argument("--json", action="store_true", help="all facts as one JSON object")
    add_chronicle3(parser)


def _info(options: argparse.Namespace) -> None:
    with open_queue(options) as queue:
        facts = _facts(queue)
    out = Output()
    if options.json:
        out.write(json_line(facts, indent=2))
    else:
        for line in _told_facts(facts):
            out.write(visible(line.rstrip()).encode() + b"\n")
    out.flush()


def _facts(queue: px.Queue) -> dict[str, Any]:
    roll: Any = queue.roll_cycle
    table_store = _table_store(queue)
    cycles = [_cycle_facts(queue, cycle) for cycle in queue.cycles()]
    settings = queue.chronicle3
    facts = {
        "path": os.fspath(queue.path),
        "format": queue.format,
        **({} if settings is None else _journal_facts(queue)),
        "wire_type": queue.wire_type,
        "roll_cycle": None
        if roll is None or not roll.length_ms
        else {"name": roll.name, "pattern": roll.format, "length_ms": roll.length_ms},
        "roll_time": queue.roll_time,
        "epoch_ms": queue.epoch_ms if settings is None else None,
        "source_id": queue.source_id if settings is None else None,
        "release_hint": None if table_store is None else _release(table_store),
    }
    return {
        **known(facts),
        "first_index": queue.first_index,
        "last_index": queue.last_index,
        "count": sum(cycle["count"] for cycle in cycles),
        "size_bytes": sum(cycle["size_bytes"] for cycle in cycles),
        "used_bytes": sum(cycle.get("used_bytes", 0) for cycle in cycles),
        "cycles": cycles,
        **known({"table_store": table_store}),
    }


def _table_store(queue: px.Queue) -> dict[str, int] | None:
    try:
        return dict(queue.table_store)
    except px.UnsupportedFormatError:  # a format without one
        return None


def _journal_facts(queue: px.Queue) -> dict[str, Any]:
    """What a journal of Chronicle 3.x is read with: found in its files, given, or Java's default."""
    settings: Any = queue.chronicle3
    return {
        "entries_per_cycle": getattr(settings.cycle, "entries", None),  # An Indexed journal has but one cycle.
        "index_block_bytes": settings.index_block_bytes,
        "data_block_bytes": settings.data_block_bytes,
        "line_bytes": settings.line_bytes or None,
        "thread_bits": settings.thread_bits or None,
    }


def _cycle_facts(queue: px.Queue, cycle: px.Cycle) -> dict[str, Any]:
    journal = queue.chronicle3 is not None
    roll: Any = queue.roll_cycle
    return known(
        {
            "number": cycle.number,
            "name": cycle.name,
            "path": os.fspath(cycle.path),
            "start": _utc(cycle.start_ms) if roll is not None and roll.length_ms else None,
            "first_index": cycle.first_index,
            "count": cycle.count,
            "size_bytes": cycle.size_bytes,
            "used_bytes": cycle.used_bytes,
            "ready": cycle.ready,
            "closed": None if journal else cycle.closed,
            # The file's own counts: who made it may have chosen others than the roll cycle's. 0 while there are none.
            "index_count": cycle.index_count or None,
            "index_spacing": cycle.index_spacing or None,
        }
    )


def _utc(time_ms: int) -> str | None:
    try:
        return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time_ms)).isoformat() + "Z"
    except OverflowError:  # datetime ends with the year 9999, Java's cycles do not
        return None


# What a release leaves behind, from the newest on (spec, Appendix F): a key that only it and later ones make.
_RELEASE_KEYS = (
    ("chronicle.lastIndexMSynced", "5.24 or later"),
    ("chronicle.append.lock", "5.20 or 5.21"),
    ("chronicle.lastIndexReplicated", "5.17 to 5.19"),
    ("chronicle.write.lock", "5.16 or older"),
)


def _release(keys: Iterable[str]) -> str | None:
    """The Java releases that make these keys of a table store; which of them, or of their like, made it nobody noted."""
    present = set(keys)
    return next((release for key, release in _RELEASE_KEYS if key in present), None)


def _told_facts(facts: dict[str, Any]) -> Iterator[str]:
    """The lines of ``info``."""
    cycles, roll = facts["cycles"], facts.get("roll_cycle")
    first, last = facts["first_index"], facts["last_index"]
    pages = {(cycle["index_count"], cycle["index_spacing"]) for cycle in cycles if "index_count" in cycle}
    indexed = facts["format"] == "indexed"
    assumed = " (as given, or Java's default: the files do not tell)" if indexed else ""
    yield facts["path"]
    yield from _told_pairs(
        {
            "format": facts["format"] + (f", wire type {facts['wire_type']}" if "wire_type" in facts else ""),
            "table keys": f"those of Java {facts['release_hint']}" if "release_hint" in facts else None,
            "roll cycle": roll and _told_roll(roll),
            "roll time": f"{facts['roll_time']} UTC" if "roll_time" in facts else None,
            "entries": _told_entries(facts["entries_per_cycle"]) if "entries_per_cycle" in facts else None,
            "index block": _told_size(facts.get("index_block_bytes"), assumed),
            "data block": _told_size(facts.get("data_block_bytes"), assumed),
            "index line": _told_size(facts.get("line_bytes"), ""),
            "thread bits": facts.get("thread_bits"),
            "index": "differs from cycle to cycle" if len(pages) > 1 else "".join(map(_told_page, pages)) or None,
            "epoch": f"{facts['epoch_ms']} ms" if facts.get("epoch_ms") else None,
            "source id": facts.get("source_id") or None,
            "messages": f"{facts['count']} in {counted(len(cycles), 'cycle')}"
            if not indexed
            else f"{facts['count']}, padding entries included",
            "first index": "none" if first is None else f"{first:#x}",
            "last index": "none" if last is None else f"{last:#x}",
        }
    )
    if cycles:
        yield "cycles"
        rows = [_told_cycle(cycle, with_page=len(pages) > 1) for cycle in cycles]
        if not any(row["state"] for row in rows):
            rows = [{name: cell for name, cell in row.items() if name != "state"} for row in rows]
        yield from _told_table(rows)
    if facts.get("table_store"):
        yield "table store"
        yield from _told_pairs({key: _table_value(key, value) for key, value in facts["table_store"].items()})


def _told_entries(entries: int) -> str:
    return f"2^{entries.bit_length() - 1} indexes a cycle"


def _told_size(size: int | None, remark: str) -> str | None:
    if size is None:
        return None
    unit, name = next(((unit, name) for unit, name in _UNITS if size % unit == 0), (1, "bytes"))
    return f"{size // unit} {name}{remark}"


_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _told_roll(roll: dict[str, Any]) -> str:
    return f"{roll['name']}, named {roll['pattern']}, {_duration(roll['length_ms'])} each"


def _told_page(page: tuple[int, int]) -> str:
    count, spacing = page
    return f"{count} entries a page, one for {counted(spacing, 'message')}"


def _told_cycle(cycle: dict[str, Any], *, with_page: bool) -> dict[str, str]:
    """A line of the table of cycles, by the names of its columns."""
    page = f"{cycle['index_count']} x {cycle['index_spacing']}" if "index_count" in cycle else "-"
    if not cycle["ready"]:
        state = "unfinished"
    elif "closed" in cycle:
        state = "closed" if cycle["closed"] else "open"
    else:
        state = ""
    return {
        "number": str(cycle["number"]),
        "name": cycle["name"],
        "first index": f"{cycle['first_index']:#x}" if "first_index" in cycle else "-",
        "messages": str(cycle["count"]),
        "bytes used": str(cycle.get("used_bytes", "-")),
        "of": str(cycle["size_bytes"]),
        **({"index": page} if with_page else {}),
        "state": state,
    }


def _told_pairs(pairs: dict[str, object]) -> Iterator[str]:
    facts = known(pairs)
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"  {name:{width}}  {value}"


def _told_table(rows: list[dict[str, str]]) -> Iterator[str]:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in widths}, *rows]:
        left = {"name", "state"}  # Words; numbers stand right.
        yield "  " + "  ".join(
            f"{cell:<{widths[name]}}" if name in left else f"{cell:>{widths[name]}}" for name, cell in row.items()
        )


def _table_value(key: str, value: int) -> str:
    if value == -(2**63):
        return "unlocked" if key.endswith("lock") else "not set"
    if key.endswith("lock"):
        return f"held by process {value & 0xFFFFFFFF}"
    return f"{value:#x}" if key.startswith(("index.", "chronicle.lastIndex")) and value > 0 else str(value)


def _duration(length_ms: int) -> str:
    for unit_ms, noun in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")):
        if length_ms % unit_ms == 0:
            return counted(length_ms // unit_ms, noun)
    return f"{length_ms} ms"


INFO = Command(
    "info",
    "tell what a queue is and holds",
    "Tells what a queue is and holds: its settings, its cycles, its table store with locks and positions of named "
    "tailers. Nothing is written to the queue.",
    _add_info,
    _info,
)
