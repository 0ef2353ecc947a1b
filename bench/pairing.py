"""How two libraries are compared fairly on a machine that is never quite quiet.

The decision hidden here: contestants take turns (J, P, J, P, ...), so that what else the machine does hits
both. A ratio is formed within each turn, and the median of those ratios is reported, so that a slow minute
cancels out. All are warmed up by whole rounds first. Python's garbage collector is off while a round is
measured, and collects before it.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

PYTHON, JAVA, PYCHRO = "pychronix", "Java", "pychro"
WARM_UPS = 2


@dataclass(frozen=True, slots=True)
class Samples:
    """What the rounds gave, in their order."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "rounds": list(self.values),
        }


@dataclass(frozen=True, slots=True)
class Target:
    """What the project asks for: a ratio, or the value itself, at least or at most `limit`."""

    limit: float
    of_ratio: bool = False
    at_most: bool = False

    def met(self, row: Row) -> bool | None:
        samples = row.ratio if self.of_ratio else row.ours
        if samples is None:
            return None
        return samples.median <= self.limit if self.at_most else samples.median >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `versus` is what somebody, `whose`, does; `ratio` is above 1 where pychronix is faster."""

    case: str
    what: str
    place: str
    unit: str
    ours: Samples
    versus: str | None = None
    whose: str | None = None
    theirs: Samples | None = None
    ratio: Samples | None = None
    target: Target | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        target = None
        if self.target is not None:
            target = {
                "limit": self.target.limit,
                "of": "ratio" if self.target.of_ratio else self.unit,
                "direction": "at most" if self.target.at_most else "at least",
                "met": self.target.met(self),
            }
        return {
            "ratio": self.ratio and self.ratio.as_json(),
            "case": self.case,
            "what": self.what,
            "place": self.place,
            "unit": self.unit,
            "pychronix": self.ours.as_json(),
            "whose": self.whose,
            "versus": self.versus,
            "theirs": self.theirs and self.theirs.as_json(),
            "target": target,
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who does `count` messages' worth of work in a round.

    `run` measures itself and answers nanoseconds; what it prepares and checks is outside of that. `base` is
    the contestant it is compared with, by `what`; `also` are further ones, each with what is wanted of that
    comparison, and without a row where that contestant is missing.
    """

    who: str
    what: str
    count: int
    run: Callable[[], int]
    base: str | None = None
    target: Target | None = None
    also: tuple[tuple[str, Target | None], ...] = ()


def compete(
    case: str, place: str, contestants: Sequence[Contestant], rounds: int, facts: dict[str, Any] | None = None
) -> list[Row]:
    """Lets the contestants take turns; a row, in messages per second, for each comparison of one that is ours."""
    rates: dict[str, list[float]] = {contestant.what: [] for contestant in contestants}
    for turn in range(-WARM_UPS, rounds):
        for contestant in contestants:
            nanos = _undisturbed(contestant.run)
            if turn >= 0:
                rates[contestant.what].append(contestant.count * 1e9 / nanos)
        _progress(case, place, turn, rounds)
    whose = {contestant.what: contestant.who for contestant in contestants}
    rows = []
    for contestant in contestants:
        if contestant.who != PYTHON:
            continue
        ours = rates[contestant.what]
        further = [(base, target) for base, target in contestant.also if base in rates]
        for base, target in [(contestant.base, contestant.target), *further]:
            theirs = rates.get(base) if base is not None else None
            rows.append(
                Row(
                    case,
                    contestant.what,
                    place,
                    "msg/s",
                    Samples(tuple(ours)),
                    base if theirs else None,
                    whose.get(base) if base is not None else None,
                    Samples(tuple(theirs)) if theirs else None,
                    Samples(tuple(a / b for a, b in zip(ours, theirs, strict=True))) if theirs else None,
                    target,
                    {"messages": contestant.count, **(facts or {})},
                )
            )
    return rows


def clocked(work: Callable[[], object]) -> int:
    """Nanoseconds of one call."""
    begun = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begun


def expect(what: str, found: object, wanted: object) -> None:
    """A benchmark that measures the wrong work is worse than none."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def _undisturbed(run: Callable[[], int]) -> int:
    gc.collect()
    gc.disable()
    try:
        return run()
    finally:
        gc.enable()


def _progress(case: str, place: str, turn: int, rounds: int) -> None:
    stage = f"round {turn + 1}/{rounds}" if turn >= 0 else "warm-up"
    print(f"  {case}, {place}: {stage}", file=sys.stderr)
