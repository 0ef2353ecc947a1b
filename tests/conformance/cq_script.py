"""The same appends by Java and by us: what the comparisons of bytes are made with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cq_kit as kit
from fix_java import JavaPeer, payload

import pychronix as px

#: (kind, data): what is appended in one cycle.
Step = tuple[str, bytes]


@dataclass(frozen=True)
class Script:
    """A queue's settings, and for each moment (ms after T0) what is appended then."""

    roll: str
    days: Sequence[tuple[int, Sequence[Step]]]
    block: int = 1 << 16
    options: dict[str, Any] = field(default_factory=dict)
    start_ms: int = kit.T0

    def by_java(self, peer: JavaPeer, path: Path) -> list[int]:
        """Has Java do it; the indexes of the messages."""
        indexes = []
        with peer.open(path, roll=self.roll, clock_ms=self.start_ms, block_size=self.block, **self.options) as queue:
            appender = queue.appender()
            for offset_ms, steps in self.days:
                queue.set_clock(self.start_ms + offset_ms)
                for kind, group in itertools.groupby(steps, lambda step: step[0]):
                    messages = [data for _, data in group]
                    if kind == "bytes":
                        indexes += appender.append_many(messages)
                    for data in messages if kind != "bytes" else ():
                        if kind == "text":
                            indexes.append(appender.append_text(data.decode()))
                        else:
                            appender.append_meta(data)
        return indexes

    def by_us(self, path: Path) -> list[int]:
        """Does it with pychronix; the indexes of the messages."""
        indexes, clock = [], kit.Clock(self.start_ms)
        with px.open_queue(
            path, "a", roll=self.roll, clock=clock, block_size_bytes=self.block, **self.options
        ) as queue:
            appender = queue.appender()
            for offset_ms, steps in self.days:
                clock.ms = self.start_ms + offset_ms
                for kind, group in itertools.groupby(steps, lambda step: step[0]):
                    messages = [data for _, data in group]
                    if kind == "bytes":
                        indexes += appender.append_many(messages)
                    for data in messages if kind != "bytes" else ():
                        if kind == "text":
                            indexes.append(appender.append_text(data.decode()))
                        else:
                            with appender.writing(meta=True) as excerpt:
                                excerpt.write(data)
        return indexes

    def payloads(self) -> list[bytes]:
        """What is stored of each message."""
        found = []
        for kind, data in (step for _, steps in self.days for step in steps):
            if kind == "bytes":
                found.append(data or b"\x8f")
            elif kind == "text":
                found.append(px.encode_text(data.decode()))
        return found


def mixed(writer: int, count: int) -> Iterator[Step]:
    """Bytes of awkward lengths, with texts and metadata between."""
    for number in range(count):
        yield "bytes", payload(writer, number, "0,1,2,3,4,5-70,64,200")
        if number % 13 == 5:
            yield "text", f"text {number}, \u00e9\u2603".encode()
        if number % 17 == 6:
            yield "meta", b"metadata %d" % number


def of_roll_cycle(roll: str, length_ms: int) -> Script:
    """Three cycles with a gap before the last."""
    return Script(
        roll,
        [(0, list(mixed(1, 40))), (length_ms, list(mixed(2, 21))), (3 * length_ms, [("bytes", b"the last one")])],
    )


def variants() -> dict[str, Script]:
    """Queues with one unusual setting each."""
    day, hour = kit.DAY_MS, kit.HOUR_MS
    days = [(number * day, list(mixed(number, 30))) for number in (0, 1, 2, 5, 30)]
    hours = [(number * hour, list(mixed(number, 30))) for number in (0, 1, 7)]
    seconds = [(1000 * number * number, list(mixed(number, 7))) for number in range(10)]
    many = [(0, [("bytes", payload(1, number, "16-90,64")) for number in range(700)]), (day, list(mixed(3, 300)))]
    large = [(0, [("bytes", payload(1, number, "3000,60-70")) for number in range(120)]), (day, [("bytes", b"x")])]
    late = kit.T0 - kit.T0 % day + 22 * hour + 29 * 60_000  # A minute before 22:30.
    return {
        "gaps": Script("TEST4_DAILY", days),
        "seconds": Script("TEST_SECONDLY", seconds, block=1 << 20),
        "custom counts": Script("FAST_DAILY", days, options={"index_count": 16, "index_spacing": 2}),
        "counts of one page": Script("TEST4_DAILY", [(0, many[0][1][:60])], options={"index_count": 8, "index_spacing": 1}),
        "epoch 5 h": Script("FAST_HOURLY", hours, block=1 << 17, options={"epoch_ms": 5 * hour}),
        "epoch of days": Script("TEST4_DAILY", days, options={"epoch_ms": 3 * day + hour}),
        "roll time": Script("FAST_DAILY", [(0, days[0][1]), (120_000, days[1][1])], block=1 << 17, start_ms=late,
                            options={"roll_time": "22:30"}),
        "source id": Script("TEST4_DAILY", days[:2], options={"source_id": 7}),
        "large source id": Script("TEST4_DAILY", days[:1], options={"source_id": 70_000}),
        "small blocks": Script("TEST4_DAILY", many, block=4096),
        "blocks of 64 KiB": Script("TEST4_DAILY", [*many, (2 * day, many[0][1])]),
        "blocks of 256 KiB": Script("TEST8_DAILY", large, block=1 << 18),
        "messages near the block": Script("TEST4_DAILY", large, block=8192),
        "default block": Script("FAST_DAILY", days[:1], block=64 << 20),
        "meta first": Script("TEST4_DAILY", [
            (0, [("meta", b"m"), ("bytes", b"a"), ("meta", b"mm")]), (day, [("meta", b"only")]),
            (2 * day, [("bytes", b"b")]),
        ]),
    }  # fmt: skip
