"""Roll cycles: which file a moment belongs to, and how an index is cut.

The decision hidden here is the arithmetic between time, cycle, file name, sequence and index. It is
pure: no file is opened, no clock is read, and nothing of the package but its errors is imported.

Rules
- Two shifts exist and must not be confused. The one that cuts an *index* comes from the roll cycle's
  own defaults and survives custom counts (``RollCycle.shift``); the one of a roll file's sequence word
  comes from that file's counts (``shift_of_counts``).
- A file is not named after the wall-clock start of its cycle but after ``cycle * length`` counted from
  the epoch's day (``name_base_ms``), as Java does. The two differ whenever the epoch is not midnight.
- All times are proleptic Gregorian UTC in milliseconds since 1970; years have no upper limit (Java
  writes a year beyond 9999 as ``+10000``).
"""

from __future__ import annotations

import datetime as _datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import index as as_int
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from pychronix.errors import UnsupportedFormatError, UsageError

__all__ = [
    "FILE_SUFFIX",
    "MAX_CYCLE",
    "ROLL_CYCLES",
    "RollCycle",
    "compile_pattern",
    "format_roll_time",
    "moment_ms",
    "parse_roll_time",
    "shift_of_counts",
]

FILE_SUFFIX = ".cq4"
MAX_CYCLE = 2**31 - 1  # Java keeps a cycle in a non-negative int.
MAX_INDEX = 2**63 - 1  # Java keeps an index in a non-negative long.
MAX_INDEX_COUNT = 32 << 10  # RollCycle.MAX_INDEX_COUNT: a page of slots must fit one mapping.
MIN_INDEX_COUNT = 8  # RollCycleArithmetic rounds anything smaller up to this.
MAX_INDEX_SPACING = 1 << 30  # A Java int that is a power of two.
MIN_SHIFT = 32  # No cycle gives a message fewer than 32 bits.
MAX_LENGTH_MS = 2**31 - 1  # lengthInMillis() is an int.
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
SUNDAY_MS = 259_200_000  # 1970-01-04, the first Sunday: what WEEKLY counts from if no epoch is set.

CUSTOM = "CUSTOM"
_WEEKLY_REASON = (
    "Java cannot reopen a WEEKLY queue: it reads the week in a file name back as a day number, loses "
    "the listing and then shows no messages; use FAST_DAILY"
)
_CUSTOM_REASON = "Java opens a queue only if its name pattern is one of its own roll cycles"


def shift_of_counts(index_count: int, index_spacing: int) -> int:
    """Number of low bits that hold a sequence, given an index's counts (both powers of two)."""
    return max(MIN_SHIFT, 2 * (index_count.bit_length() - 1) + index_spacing.bit_length() - 1)


# --- calendar ----------------------------------------------------------------------------------
# datetime ends with the year 9999, a DAILY cycle number may reach the year 5 881 580; hence the
# well-known era arithmetic (400 years are 146 097 days) on plain integers.


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to the given date."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def _civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of the date that many days after 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + (3 if shifted_month < 10 else -9)
    year = era * 400 + year_of_era + (month <= 2)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1


def _first_sunday(year: int) -> int:
    """Day number of the Sunday that starts week 1 of an English (US) week year: the week of 1 January."""
    new_year = _days_from_civil(year, 1, 1)
    return new_year - (new_year + 4) % 7  # 1970-01-01, day 0, was a Thursday: four days after a Sunday.


def _week_of_day(days: int) -> tuple[int, int]:
    """English (US) week year and week number of a day."""
    year = _civil_from_days(days)[0]
    if days >= _first_sunday(year + 1):
        year += 1
    return year, (days - _first_sunday(year)) // 7 + 1


# --- name patterns -----------------------------------------------------------------------------


class _Pattern(NamedTuple):
    """A java.time pattern taken apart: literal text and the fields between."""

    parts: tuple[tuple[str, bool], ...]  # (letters or literal text, is it a field)
    regex: re.Pattern[str]
    resolution_ms: int  # How much time one name covers.

    def format(self, time_ms: int) -> str:
        days, of_day = divmod(time_ms, DAY_MS)
        seconds = of_day // 1000
        year, month, day = _civil_from_days(days)
        week_year, week = _week_of_day(days)
        values = {
            "yyyy": year,
            "uuuu": year,
            "YYYY": week_year,
            "MM": month,
            "dd": day,
            "ww": week,
            "HH": seconds // 3600,
            "mm": seconds // 60 % 60,
            "ss": seconds % 60,
        }
        texts = []
        for text, is_field in self.parts:
            if not is_field:
                texts.append(text)
            elif len(text) == 4:
                # SignStyle.EXCEEDS_PAD: a sign only where the year needs more than four digits.
                texts.append(("+" if values[text] > 9999 else "") + format(values[text], "04d"))
            else:
                texts.append(format(values[text], "02d"))
        return "".join(texts)

    def parse(self, name: str) -> int | None:
        """Time of the first moment that has this name, or None."""
        match = self.regex.fullmatch(name)
        if match is None:
            return None
        got = {key: int(text) for key, text in match.groupdict().items()}
        if got.get("HH", 0) > 23 or got.get("mm", 0) > 59 or got.get("ss", 0) > 59:
            return None
        if "ww" in got:
            days = _first_sunday(got["YYYY"]) + 7 * (got["ww"] - 1)
            if _week_of_day(days + 6) != (got["YYYY"], got["ww"]):
                return None
        else:
            year, month, day = got["yyyy"], got["MM"], got["dd"]
            if not 1 <= month <= 12 or not 1 <= day <= 31:
                return None
            days = _days_from_civil(year, month, day)
            if _civil_from_days(days) != (year, month, day):  # The 30th of February has another name.
                return None
        return days * DAY_MS + 1000 * (got.get("HH", 0) * 3600 + got.get("mm", 0) * 60 + got.get("ss", 0))


_FIELDS = {"yyyy", "uuuu", "YYYY", "MM", "dd", "ww", "HH", "mm", "ss"}
# Sets of fields which determine a time, with the span that one name then covers.
_RESOLUTIONS = {
    frozenset({"yyyy", "MM", "dd"}): DAY_MS,
    frozenset({"yyyy", "MM", "dd", "HH"}): 3_600_000,
    frozenset({"yyyy", "MM", "dd", "HH", "mm"}): 60_000,
    frozenset({"yyyy", "MM", "dd", "HH", "mm", "ss"}): 1000,
    frozenset({"YYYY", "ww"}): WEEK_MS,
}


def _split_pattern(text: str, nested: bool) -> list[tuple[str, bool]]:
    """Literals and fields of a pattern; adjacent literals are not merged."""
    parts: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "'":
            if text.startswith("''", at):
                parts.append(("'", False))
                at += 2
                continue
            literal = re.compile(r"'((?:[^']|'')+)'(?!')").match(text, at)
            if literal is None:
                raise UnsupportedFormatError(f"cannot read the roll pattern {text!r}: a quote is not closed")
            parts.append((literal[1].replace("''", "'"), False))
            at = literal.end()
        elif char.isascii() and char.isalpha():
            stop = at
            while stop < len(text) and text[stop] == char:
                stop += 1
            parts.append((text[at:stop], True))
            at = stop
        elif char in "[]{}#/\\\0" and not (nested and char == "/"):
            # Reserved by java.time, or not possible in a file name.
            raise UnsupportedFormatError(f"cannot read the roll pattern {text!r}: {char!r} is not understood")
        else:
            parts.append((char, False))
            at += 1
    return parts


@lru_cache(maxsize=128)
def compile_pattern(text: str, nested: bool = False) -> _Pattern:
    """A java.time pattern taken apart, or UnsupportedFormatError saying why it cannot name files.

    ``nested`` allows slashes, which make nested directories of Chronicle 3's SimpleDateFormat patterns.
    """
    parts = _split_pattern(text, nested)
    if nested and not {"", ".", ".."}.isdisjoint("".join(part for part, _ in parts).split("/")):
        raise UnsupportedFormatError(f"cannot read the roll pattern {text!r}: a directory in it has no name")
    seen: set[str] = set()
    regex = []
    for part, is_field in parts:
        if not is_field:
            regex.append(re.escape(part))
            continue
        if part not in _FIELDS:
            raise UnsupportedFormatError(
                f"cannot read the roll pattern {text!r}: {part!r} is not understood",
                hint="the fields understood are " + " ".join(sorted(_FIELDS)),
            )
        key = "yyyy" if part == "uuuu" else part
        if key in seen:
            raise UnsupportedFormatError(f"cannot read the roll pattern {text!r}: {part!r} stands there twice")
        seen.add(key)
        digits = r"[0-9]{4}|\+[0-9]{5,10}" if len(part) == 4 else "[0-9]{2}"
        regex.append(f"(?P<{key}>{digits})")
    resolution_ms = _RESOLUTIONS.get(frozenset(seen))
    if resolution_ms is None:
        raise UnsupportedFormatError(
            f"cannot read the roll pattern {text!r}: its fields do not determine a time",
            hint="a pattern needs yyyy MM dd, then as many of HH mm ss as wanted; or YYYY ww",
        )
    return _Pattern(tuple(parts), re.compile("".join(regex)), resolution_ms)


# --- the value ---------------------------------------------------------------------------------


class _Known:
    """Java's roll cycles as attributes.

    They stand in a base class, because tools that print a dataclass (hypothesis, for one) print its ClassVars, too,
    and here each would print all 28 again.
    """

    __slots__ = ()

    FIVE_MINUTELY: ClassVar[RollCycle]
    TEN_MINUTELY: ClassVar[RollCycle]
    TWENTY_MINUTELY: ClassVar[RollCycle]
    HALF_HOURLY: ClassVar[RollCycle]
    FAST_HOURLY: ClassVar[RollCycle]
    TWO_HOURLY: ClassVar[RollCycle]
    FOUR_HOURLY: ClassVar[RollCycle]
    SIX_HOURLY: ClassVar[RollCycle]
    FAST_DAILY: ClassVar[RollCycle]
    WEEKLY: ClassVar[RollCycle]
    MINUTELY: ClassVar[RollCycle]
    HOURLY: ClassVar[RollCycle]
    DAILY: ClassVar[RollCycle]
    LARGE_HOURLY: ClassVar[RollCycle]
    LARGE_DAILY: ClassVar[RollCycle]
    XLARGE_DAILY: ClassVar[RollCycle]
    HUGE_DAILY: ClassVar[RollCycle]
    SMALL_DAILY: ClassVar[RollCycle]
    LARGE_HOURLY_SPARSE: ClassVar[RollCycle]
    LARGE_HOURLY_XSPARSE: ClassVar[RollCycle]
    HUGE_DAILY_XSPARSE: ClassVar[RollCycle]
    TEST_SECONDLY: ClassVar[RollCycle]
    TEST4_SECONDLY: ClassVar[RollCycle]
    TEST_HOURLY: ClassVar[RollCycle]
    TEST_DAILY: ClassVar[RollCycle]
    TEST2_DAILY: ClassVar[RollCycle]
    TEST4_DAILY: ClassVar[RollCycle]
    TEST8_DAILY: ClassVar[RollCycle]


@dataclass(frozen=True, slots=True)
class RollCycle(_Known):
    """How long a cycle is, what its files are called, and how its indexes are cut.

    A value: equal by its fields, hashable, cheap to pass on. The 28 which Java knows are attributes
    (``RollCycle.FAST_DAILY``) and entries of ``ROLL_CYCLES``; ``RollCycle.parse`` finds one by name
    or pattern. Times are milliseconds since 1970 UTC; ``epoch_ms`` is what the table store records.
    """

    name: str
    format: str
    length_ms: int
    index_count: int
    index_spacing: int
    shift: int = field(default=0, repr=False)
    """Bits of an index that hold the sequence; 0 asks for what the counts give."""

    def __post_init__(self) -> None:
        _check_counts(self.index_count, self.index_spacing)
        if not 1000 <= self.length_ms <= MAX_LENGTH_MS:
            raise UsageError(f"a roll cycle lasts 1000 to {MAX_LENGTH_MS} ms, not {self.length_ms}")
        if compile_pattern(self.format).resolution_ms > self.length_ms:
            raise UnsupportedFormatError(
                f"the roll pattern {self.format!r} gives several cycles of {self.length_ms} ms one name"
            )
        if self.shift == 0:
            object.__setattr__(self, "shift", shift_of_counts(self.index_count, self.index_spacing))
        elif not MIN_SHIFT <= self.shift <= 62:
            raise UsageError(f"an index has {MIN_SHIFT} to 62 bits of sequence, not {self.shift}")

    # Finding one.

    @classmethod
    def parse(cls, roll: str | RollCycle) -> RollCycle:
        """The roll cycle of that name (in any case) or name pattern; a RollCycle is returned as it is.

        Raises UsageError naming the allowed values.
        """
        if isinstance(roll, RollCycle):
            return roll
        if isinstance(roll, str):
            found = ROLL_CYCLES.get(roll.strip().upper()) or _BY_FORMAT.get(roll)
            if found is not None:
                return found
        raise UsageError(
            f"unknown roll cycle {roll!r}",
            hint="one of " + ", ".join(ROLL_CYCLES) + ", or a name pattern such as yyyyMMdd'F'",
        )

    @classmethod
    def of(
        cls, format: str, length_ms: int, *, index_count: int | None = None, index_spacing: int | None = None
    ) -> RollCycle:
        """The roll cycle that a table store (or a v4 roll file) describes.

        The first of Java's with that pattern and length. A pattern or length that Java does not know gives
        a cycle named CUSTOM, which can be read; the counts (those of a roll file, if known) then decide its
        shift. A known pattern with another length keeps the known counts and shift. Raises
        UnsupportedFormatError if the pattern or length cannot be interpreted.
        """
        known = _BY_FORMAT.get(format)
        if known is not None and known.length_ms == length_ms:
            return known
        try:
            if known is not None:
                return replace(known, name=CUSTOM, length_ms=length_ms)
            default = cls.FAST_DAILY
            return cls(
                CUSTOM,
                format,
                length_ms,
                default.index_count if index_count is None else index_count,
                default.index_spacing if index_spacing is None else index_spacing,
            )
        except UsageError as cause:
            raise UnsupportedFormatError(f"cannot use the stored roll cycle {format!r}: {cause}") from cause

    @classmethod
    def guess(cls, names: Iterable[str]) -> RollCycle | None:
        """The first of Java's roll cycles that could have named all these roll files (with or without .cq4).

        This is what Java does with a directory that has lost its table store; WEEKLY, DAILY and the like
        have distinct patterns, so the answer is exact unless the queue had a custom cycle.
        """
        stems = [_stem(name) for name in names]
        if not stems:
            return None
        for roll in ROLL_CYCLES.values():
            pattern = compile_pattern(roll.format)
            if all(pattern.parse(stem) is not None for stem in stems):
                return roll
        return None

    def with_counts(self, index_count: int | None = None, index_spacing: int | None = None) -> RollCycle:
        """The same cycle with other index pages; the shift of its indexes stays, as in Java."""
        count = self.index_count if index_count is None else index_count
        spacing = self.index_spacing if index_spacing is None else index_spacing
        return replace(self, index_count=count, index_spacing=spacing)

    # What may be done with it.

    @property
    def creatable(self) -> bool:
        """Whether Java could go on using a queue created with this cycle."""
        return self.not_creatable_reason is None

    @property
    def not_creatable_reason(self) -> str | None:
        """Why a queue must not be created with this cycle, or None."""
        if self.format == WEEKLY_FORMAT:
            return _WEEKLY_REASON
        known = _BY_FORMAT.get(self.format)
        return _CUSTOM_REASON if known is None or known.length_ms != self.length_ms else None

    @property
    def default_epoch_ms(self) -> int:
        """The epoch that an epoch of 0 stands for; only WEEKLY, which counts from a Sunday, has another."""
        return SUNDAY_MS if self.format == WEEKLY_FORMAT else 0

    # Index arithmetic.

    @property
    def sequence_mask(self) -> int:
        """The bits of an index that hold the sequence."""
        return (1 << self.shift) - 1

    def max_messages(self, index_count: int | None = None, index_spacing: int | None = None) -> int:
        """How many messages one roll file can index, with its own counts if given."""
        count = self.index_count if index_count is None else index_count
        spacing = self.index_spacing if index_spacing is None else index_spacing
        return min(self.sequence_mask, count * count * spacing)

    def index(self, cycle: int, sequence: int) -> int:
        """The index of a message; raises UsageError where Java's long could not hold it."""
        cycle, sequence = _checked_cycle(cycle), _int(sequence, "a sequence")
        if not 0 <= sequence <= self.sequence_mask:
            raise UsageError(f"sequence {sequence} is not within 0..{self.sequence_mask} of {self.name}")
        index = (cycle << self.shift) | sequence
        if index > MAX_INDEX:
            raise UsageError(f"cycle {cycle} does not fit an index of {self.name}, whose shift is {self.shift}")
        return index

    def cycle_of(self, index: int) -> int:
        """The cycle of an index; raises UsageError if it is not within 0..2^31-1."""
        index = _int(index, "an index")
        if not 0 <= index <= MAX_INDEX:
            raise UsageError(f"{index:#x} is not an index")
        cycle = index >> self.shift
        if cycle > MAX_CYCLE:
            raise UsageError(f"{index:#x} is not an index of {self.name}: its cycle would be {cycle}")
        return cycle

    def sequence_of(self, index: int) -> int:
        """The 0-based number of a message within its cycle."""
        return _int(index, "an index") & self.sequence_mask

    # Time and names.

    def effective_epoch_ms(self, epoch_ms: int = 0) -> int:
        """The epoch Java reckons with, given the recorded one."""
        return _int(epoch_ms, "epoch_ms") or self.default_epoch_ms

    def name_base_ms(self, epoch_ms: int = 0) -> int:
        """The moment that file names count from: the epoch's day (Java's rule, odd for negative epochs)."""
        epoch = self.effective_epoch_ms(epoch_ms)
        # Java's % keeps the sign: a negative epoch that is not a whole day counts from 1969-12-31.
        return epoch - epoch % DAY_MS if epoch >= 0 or epoch % DAY_MS == 0 else -DAY_MS

    def cycle_at(self, time_ms: int, epoch_ms: int = 0) -> int:
        """The cycle of a moment; negative if the moment lies a cycle or more before the epoch.

        Rounds towards zero, as Java: the moments just before the epoch are in cycle 0, too.
        """
        since = _int(time_ms, "time_ms") - self.effective_epoch_ms(epoch_ms)
        return since // self.length_ms if since >= 0 else -(-since // self.length_ms)

    def start_ms(self, cycle: int, epoch_ms: int = 0) -> int:
        """The first moment of a cycle on the clock (not the one its file is named after)."""
        return _int(cycle, "a cycle") * self.length_ms + self.effective_epoch_ms(epoch_ms)

    def file_name(self, cycle: int, epoch_ms: int = 0) -> str:
        """The name of a cycle's roll file, with .cq4."""
        cycle = _checked_cycle(cycle)
        return compile_pattern(self.format).format(cycle * self.length_ms + self.name_base_ms(epoch_ms)) + FILE_SUFFIX

    def cycle_of_file(self, name: str, epoch_ms: int = 0) -> int | None:
        """The cycle whose roll file has this name, or None if no cycle's has."""
        if not name.endswith(FILE_SUFFIX):
            return None
        pattern = compile_pattern(self.format)
        named_ms = pattern.parse(_stem(name))
        if named_ms is None:
            return None
        # The one cycle whose start lies within the span of the name, if there is one.
        cycle = -((self.name_base_ms(epoch_ms) - named_ms) // self.length_ms)
        if not 0 <= cycle <= MAX_CYCLE or self.file_name(cycle, epoch_ms) != name:
            return None
        return cycle


def _stem(name: str) -> str:
    return name.removesuffix(FILE_SUFFIX)


def _int(value: int, what: str) -> int:
    try:
        return as_int(value)
    except TypeError:
        raise TypeError(f"{what} is an int, not {type(value).__name__}") from None


def _checked_cycle(cycle: int) -> int:
    cycle = _int(cycle, "a cycle")
    if not 0 <= cycle <= MAX_CYCLE:
        raise UsageError(f"cycle {cycle} is not within 0..{MAX_CYCLE}")
    return cycle


def _check_counts(index_count: int, index_spacing: int) -> None:
    for what, value, low, high in (
        ("index_count", index_count, MIN_INDEX_COUNT, MAX_INDEX_COUNT),
        ("index_spacing", index_spacing, 1, MAX_INDEX_SPACING),
    ):
        if not low <= _int(value, what) <= high or value & (value - 1):
            raise UsageError(f"{what} must be a power of two within {low}..{high}, not {value}")


WEEKLY_FORMAT = "YYYY'W'ww"
_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000

# Java's RollCycles.all(), in its order, which decides where two cycles could read one file name.
# Within an enum the order is that of declaration; the enums are RollCycles, Legacy, Large, Sparse, Test.
_TABLE = (
    RollCycle("FIVE_MINUTELY", "yyyyMMdd-HHmm'V'", 5 * _MINUTE, 2048, 256),
    RollCycle("TEN_MINUTELY", "yyyyMMdd-HHmm'X'", 10 * _MINUTE, 2048, 256),
    RollCycle("TWENTY_MINUTELY", "yyyyMMdd-HHmm'XX'", 20 * _MINUTE, 2048, 256),
    RollCycle("HALF_HOURLY", "yyyyMMdd-HHmm'H'", 30 * _MINUTE, 2048, 256),
    RollCycle("FAST_HOURLY", "yyyyMMdd-HH'F'", _HOUR, 4096, 256),
    RollCycle("TWO_HOURLY", "yyyyMMdd-HH'II'", 2 * _HOUR, 4096, 256),
    RollCycle("FOUR_HOURLY", "yyyyMMdd-HH'IV'", 4 * _HOUR, 4096, 256),
    RollCycle("SIX_HOURLY", "yyyyMMdd-HH'VI'", 6 * _HOUR, 4096, 256),
    RollCycle("FAST_DAILY", "yyyyMMdd'F'", DAY_MS, 4096, 256),
    RollCycle("WEEKLY", WEEKLY_FORMAT, WEEK_MS, 4096, 256),
    RollCycle("MINUTELY", "yyyyMMdd-HHmm", _MINUTE, 2048, 16),
    RollCycle("HOURLY", "yyyyMMdd-HH", _HOUR, 4096, 16),
    RollCycle("DAILY", "yyyyMMdd", DAY_MS, 8192, 64),
    RollCycle("LARGE_HOURLY", "yyyyMMdd-HH'L'", _HOUR, 8192, 64),
    RollCycle("LARGE_DAILY", "yyyyMMdd'L'", DAY_MS, 32768, 128),
    RollCycle("XLARGE_DAILY", "yyyyMMdd'X'", DAY_MS, 32768, 256),
    RollCycle("HUGE_DAILY", "yyyyMMdd'H'", DAY_MS, 32768, 1024),
    RollCycle("SMALL_DAILY", "yyyyMMdd'S'", DAY_MS, 8192, 8),
    RollCycle("LARGE_HOURLY_SPARSE", "yyyyMMdd-HH'LS'", _HOUR, 4096, 1024),
    RollCycle("LARGE_HOURLY_XSPARSE", "yyyyMMdd-HH'LX'", _HOUR, 2048, 1 << 20),
    RollCycle("HUGE_DAILY_XSPARSE", "yyyyMMdd'HX'", DAY_MS, 16384, 1 << 20),
    RollCycle("TEST_SECONDLY", "yyyyMMdd-HHmmss'T'", _SECOND, 32768, 4),
    RollCycle("TEST4_SECONDLY", "yyyyMMdd-HHmmss'T4'", _SECOND, 32, 4),
    RollCycle("TEST_HOURLY", "yyyyMMdd-HH'T'", _HOUR, 16, 4),
    RollCycle("TEST_DAILY", "yyyyMMdd'T1'", DAY_MS, 8, 1),
    RollCycle("TEST2_DAILY", "yyyyMMdd'T2'", DAY_MS, 16, 2),
    RollCycle("TEST4_DAILY", "yyyyMMdd'T4'", DAY_MS, 32, 4),
    RollCycle("TEST8_DAILY", "yyyyMMdd'T8'", DAY_MS, 128, 8),
)

ROLL_CYCLES: Mapping[str, RollCycle] = MappingProxyType({roll.name: roll for roll in _TABLE})
"""Java's roll cycles by name, in Java's order of look-up."""

_BY_FORMAT: Mapping[str, RollCycle] = MappingProxyType({roll.format: roll for roll in reversed(_TABLE)})

for _roll in _TABLE:
    setattr(_Known, _roll.name, _roll)
del _roll


# --- moments ------------------------------------------------------------------------------------


def moment_ms(moment: int | str | _datetime.date) -> int:
    """Milliseconds since 1970 UTC of a moment: an int is ns since 1970, text is ISO 8601, naive means UTC.

    A date, also one without a time in text, is its midnight. A fraction of a millisecond is dropped.
    """
    if isinstance(moment, bool) or not isinstance(moment, (int, str, _datetime.date)):
        raise TypeError(f"a moment is an int (ns), ISO text, datetime or date, not {type(moment).__name__}")
    if isinstance(moment, int):
        return moment // 1_000_000
    if isinstance(moment, str):
        try:
            moment = _datetime.datetime.fromisoformat(moment)
        except ValueError as cause:
            raise UsageError(f"cannot read the moment {moment!r}", hint='write it as "2026-11-22T09:00"') from cause
    if not isinstance(moment, _datetime.datetime):
        moment = _datetime.datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_datetime.timezone.utc)
    return (moment - _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)) // _datetime.timedelta(milliseconds=1)


# --- roll time ---------------------------------------------------------------------------------

_ROLL_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?")


def parse_roll_time(text: str | _datetime.time) -> int:
    """The epoch in ms that a roll time stands for: ``"22:30"`` gives 81 000 000.

    Accepts what Java's LocalTime reads (``HH:mm``, ``HH:mm:ss``, with a fraction) or a datetime.time
    without a zone. A fraction of a second is dropped, as Java's toSecondOfDay drops it. Raises TypeError for anything
    else, UsageError for a text that is no time or a time that is not UTC.
    """
    if isinstance(text, _datetime.time):
        if text.tzinfo is not None and text.utcoffset() != _datetime.timedelta(0):
            raise UsageError(f"a roll time is UTC, not {text!r}")
        return 1000 * (text.hour * 3600 + text.minute * 60 + text.second)
    if not isinstance(text, str):
        raise TypeError(f'a roll time is str ("HH:mm") or datetime.time, not {type(text).__name__}')
    match = _ROLL_TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"cannot read the roll time {text!r}", hint='write it as "HH:mm" or "HH:mm:ss", UTC')
    return 1000 * (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0))


def format_roll_time(epoch_ms: int) -> str:
    """A roll time as Java stores it (LocalTime's text): the seconds are left out if they are 0."""
    if not 0 <= epoch_ms < DAY_MS or epoch_ms % 1000:
        raise UsageError(f"a roll time is a whole second of one day, not {epoch_ms} ms")
    seconds = epoch_ms // 1000
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    return text if seconds % 60 == 0 else f"{text}:{seconds % 60:02d}"
