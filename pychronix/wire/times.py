"""Times as Java prints and parses them: ISO text of LocalTime, LocalDate, LocalDateTime, ZonedDateTime and Instant.

The decision hidden here is what stands for a java.time value in Python. A LocalDateTime is a naive datetime, a
ZonedDateTime an aware one; nanoseconds, which Python's types lack, are added by NanoTime and NanoDateTime; what lies
outside the years 1 to 9999 stays text, as Typed.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any, SupportsIndex
from zoneinfo import ZoneInfo

from pychronix.errors import WireError
from pychronix.wire.values import Typed

__all__ = [
    "NanoDateTime",
    "NanoTime",
    "format_date",
    "format_date_time",
    "format_instant",
    "format_time",
    "format_zoned",
    "parse_date",
    "parse_date_time",
    "parse_instant",
    "parse_time",
    "parse_zoned",
]

_TIME = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,9}))?)?"
_DATE = r"([+-]?\d{4,9})-(\d\d)-(\d\d)"
_TIME_ONLY = re.compile(_TIME, re.ASCII)
_DATE_ONLY = re.compile(_DATE, re.ASCII)
_DATE_TIME = re.compile(f"{_DATE}T{_TIME}", re.ASCII | re.IGNORECASE)
_OFFSET = re.compile(r"Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?", re.ASCII | re.IGNORECASE)
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9~._+-]*/[A-Za-z0-9~/._+-]+", re.ASCII)
_ZONED = re.compile(f"{_DATE}T{_TIME}({_OFFSET.pattern})(?:\\[([^\\]]+)\\])?", re.ASCII | re.IGNORECASE)
_MAX_OFFSET_S = 18 * 3600  # ZoneOffset.MAX


class NanoTime(datetime.time):
    """A time of day finer than a microsecond: ``nanosecond`` (0..999) counts from its microsecond on.

    Equal, as a key too, only to a time of the same nanosecond. Text has all nine digits.
    """

    __slots__ = ("nanosecond",)

    nanosecond: int

    def __new__(
        cls,
        hour: SupportsIndex = 0,
        minute: SupportsIndex = 0,
        second: SupportsIndex = 0,
        microsecond: SupportsIndex = 0,
        tzinfo: datetime.tzinfo | None = None,
        *,
        fold: int = 0,
        nanosecond: int = 0,
    ) -> NanoTime:
        self = super().__new__(cls, hour, minute, second, microsecond, tzinfo, fold=fold)
        self.nanosecond = _nanosecond(nanosecond)
        return self

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, nanosecond={self.nanosecond})"

    def __str__(self) -> str:
        return self.isoformat()

    def isoformat(self, timespec: str = "auto") -> str:
        """As that of time, with nine digits of the second by default."""
        if timespec != "auto" or self.tzinfo is not None or not self.nanosecond:
            return super().isoformat(timespec)
        return f"{super().isoformat('microseconds')}{self.nanosecond:03}"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) is True and self.nanosecond == getattr(other, "nanosecond", 0)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: datetime.time) -> bool:
        equal = super().__eq__(other) is True
        return self.nanosecond < getattr(other, "nanosecond", 0) if equal else super().__lt__(other)

    def __le__(self, other: datetime.time) -> bool:
        return self == other or self < other

    def __gt__(self, other: datetime.time) -> bool:
        return not self <= other

    def __ge__(self, other: datetime.time) -> bool:
        return not self < other

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.nanosecond)) if self.nanosecond else super().__hash__()

    def replace(self, *args: Any, nanosecond: int | None = None, **fields: Any) -> NanoTime:
        """As that of time; the nanosecond stays unless given."""
        plain = datetime.time.replace(_plain_time(self), *args, **fields)
        return _nano_time(plain, self.nanosecond if nanosecond is None else nanosecond)

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        return _nano_time, (_plain_time(self), self.nanosecond)


class NanoDateTime(datetime.datetime):
    """A datetime finer than a microsecond: ``nanosecond`` (0..999) counts from its microsecond on.

    Equal, as a key too, only to a datetime of the same nanosecond. Arithmetic drops the nanosecond.
    """

    __slots__ = ("nanosecond",)

    nanosecond: int

    def __new__(
        cls,
        year: SupportsIndex,
        month: SupportsIndex,
        day: SupportsIndex,
        hour: SupportsIndex = 0,
        minute: SupportsIndex = 0,
        second: SupportsIndex = 0,
        microsecond: SupportsIndex = 0,
        tzinfo: datetime.tzinfo | None = None,
        *,
        fold: int = 0,
        nanosecond: int = 0,
    ) -> NanoDateTime:
        self = super().__new__(cls, year, month, day, hour, minute, second, microsecond, tzinfo, fold=fold)
        self.nanosecond = _nanosecond(nanosecond)
        return self

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, nanosecond={self.nanosecond})"

    def __str__(self) -> str:
        return self.isoformat(" ")

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        """As that of datetime, with nine digits of the second by default."""
        if timespec != "auto" or not self.nanosecond:
            return super().isoformat(sep, timespec)
        whole = super().isoformat(sep, "microseconds")
        return f"{whole[:26]}{self.nanosecond:03}{whole[26:]}"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) is True and self.nanosecond == getattr(other, "nanosecond", 0)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        equal = super().__eq__(other) is True
        return self.nanosecond < getattr(other, "nanosecond", 0) if equal else super().__lt__(other)

    def __le__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return self == other or self < other

    def __gt__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return not self <= other

    def __ge__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return not self < other

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.nanosecond)) if self.nanosecond else super().__hash__()

    def replace(self, *args: Any, nanosecond: int | None = None, **fields: Any) -> NanoDateTime:
        """As that of datetime; the nanosecond stays unless given."""
        plain = datetime.datetime.replace(_plain_datetime(self), *args, **fields)
        return _nano_datetime(plain, self.nanosecond if nanosecond is None else nanosecond)

    def timetz(self) -> datetime.time:
        """The time of day with its zone and nanosecond."""
        return _nano_time(_plain_datetime(self).timetz(), self.nanosecond)

    def time(self) -> datetime.time:
        """The time of day with its nanosecond."""
        return _nano_time(_plain_datetime(self).time(), self.nanosecond)

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        return _nano_datetime, (_plain_datetime(self), self.nanosecond)


def _nanosecond(nanosecond: int) -> int:
    if not 0 <= nanosecond <= 999:
        raise ValueError(f"nanosecond is within 0..999, not {nanosecond}")
    return nanosecond


def _plain_time(value: datetime.time) -> datetime.time:
    return datetime.time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


def _plain_datetime(value: datetime.datetime) -> datetime.datetime:
    return datetime.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo,
        fold=value.fold,
    )  # fmt: skip


def _nano_time(t: datetime.time, nanosecond: int) -> NanoTime:
    return NanoTime(t.hour, t.minute, t.second, t.microsecond, t.tzinfo, fold=t.fold, nanosecond=nanosecond)


def _nano_datetime(t: datetime.datetime, nanosecond: int) -> NanoDateTime:
    return NanoDateTime(
        t.year, t.month, t.day, t.hour, t.minute, t.second, t.microsecond, t.tzinfo, fold=t.fold, nanosecond=nanosecond
    )


# --- text to values --------------------------------------------------------------------------------------------------


def parse_time(text: str) -> datetime.time:
    """LocalTime: ``10:37``, ``10:37:42``, ``10:37:42.123456789``. Raises WireError."""
    match = _TIME_ONLY.fullmatch(text)
    if match is None:
        raise _not("time", text)
    try:
        return _time(*match.groups())
    except ValueError as cause:
        raise _not("time", text) from cause


@lru_cache(maxsize=1024)
def parse_date(text: str) -> datetime.date | Typed:
    """LocalDate: ``2024-03-05``; Typed for years that Python has not (``-0001``, ``+10000``). Raises WireError."""
    match = _DATE_ONLY.fullmatch(text)
    if match is None:
        raise _not("date", text)
    year, month, day = map(int, match.groups())
    try:
        return datetime.date(year, month, day) if _held(year) else _beyond("LocalDate", text, year, month, day)
    except ValueError as cause:
        raise _not("date", text) from cause


def parse_date_time(text: str) -> datetime.datetime | Typed:
    """LocalDateTime: ``2024-03-05T10:37:42.5``, naive. Typed for years that Python has not. Raises WireError."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise _not("date and time", text)
    year, month, day = map(int, match.group(1, 2, 3))
    try:
        time = _time(*match.groups()[3:7])
        if not _held(year):
            return _beyond("LocalDateTime", text, year, month, day)
        return _combined(year, month, day, time, None)
    except ValueError as cause:
        raise _not("date and time", text) from cause


def parse_zoned(text: str) -> datetime.datetime | Typed:
    """ZonedDateTime: ``2024-03-05T10:37:42+01:00[Europe/Berlin]``, aware.

    The zone is a ZoneInfo where Python knows the region and agrees on the offset, else a timezone of that offset, named
    as the region; ``timezone.utc`` for a plain ``Z``. Typed for years that Python has not. Raises WireError.
    """
    match = _ZONED.fullmatch(text)
    if match is None:
        raise _not("date and time with a zone", text)
    groups = match.groups()
    year, month, day = map(int, groups[:3])
    try:
        time = _time(*groups[3:7])
        offset = _offset(*groups[8:12])
        if not _held(year):
            return _beyond("ZonedDateTime", text, year, month, day)
        region = groups[12]
        zone = None if region is None else _zone(region)
        if zone is not None:
            for fold in (0, 1):
                found = _combined(year, month, day, time, zone, fold)
                if found.utcoffset() == offset:
                    return found
        return _combined(year, month, day, time, _fixed(offset, region))
    except (ValueError, OverflowError) as cause:
        raise _not("date and time with a zone", text) from cause


def parse_instant(text: str) -> datetime.datetime | Typed:
    """Instant: ``2024-03-05T10:37:42Z``, aware in UTC. Typed for years that Python has not. Raises WireError."""
    found = parse_zoned(text)
    if isinstance(found, Typed):
        return Typed("Instant", text)
    return found if found.tzinfo is datetime.timezone.utc else found.astimezone(datetime.timezone.utc)


def _not(what: str, text: str) -> WireError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return WireError(f"cannot read a {what}: {shown!r} is none")


def _held(year: int) -> bool:
    return datetime.MINYEAR <= year <= datetime.MAXYEAR


def _common_year(year: int) -> int:
    """A year of Python's with as many days."""
    return year if _held(year) else 2000 + year % 400


def _beyond(name: str, text: str, year: int, month: int, day: int) -> Typed:
    datetime.date(_common_year(year), month, day)  # Raises where there is no such day.
    return Typed(name, text)


def _time(hour: str, minute: str, second: str | None, fraction: str | None) -> datetime.time:
    if not fraction:
        return datetime.time(int(hour), int(minute), int(second or 0))
    digits = fraction.ljust(9, "0")
    time = datetime.time(int(hour), int(minute), int(second or 0), int(digits[:6]))
    return time if digits.endswith("000") else _nano_time(time, int(digits[6:]))


def _combined(
    year: int, month: int, day: int, t: datetime.time, zone: datetime.tzinfo | None, fold: int = 0
) -> datetime.datetime:
    if isinstance(t, NanoTime):
        return NanoDateTime(
            year, month, day, t.hour, t.minute, t.second, t.microsecond, zone, fold=fold, nanosecond=t.nanosecond
        )
    return datetime.datetime(year, month, day, t.hour, t.minute, t.second, t.microsecond, zone, fold=fold)


def _offset(sign: str | None, hours: str | None, minutes: str | None, seconds: str | None) -> datetime.timedelta:
    if sign is None:
        return datetime.timedelta(0)
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    if total > _MAX_OFFSET_S:
        raise ValueError("an offset is at most 18 hours")
    return datetime.timedelta(seconds=-total if sign == "-" else total)


@lru_cache(maxsize=256)
def _zone(region: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(region)
    except (LookupError, ValueError, OSError):
        return None


@lru_cache(maxsize=256)
def _fixed(offset: datetime.timedelta, region: str | None) -> datetime.timezone:
    if region is not None:
        return datetime.timezone(offset, region)
    return datetime.timezone(offset) if offset else datetime.timezone.utc


# --- values to text --------------------------------------------------------------------------------------------------


def format_time(value: datetime.time) -> str:
    """As Java's LocalTime.toString: no seconds where they are zero; 3, 6 or 9 digits of a fraction."""
    nanos = value.microsecond * 1000 + getattr(value, "nanosecond", 0)
    text = f"{value.hour:02}:{value.minute:02}"
    if value.second or nanos:
        text += f":{value.second:02}{_fraction(nanos)}"
    return text


def format_date(value: datetime.date) -> str:
    """As Java's LocalDate.toString."""
    return f"{value.year:04}-{value.month:02}-{value.day:02}"


def format_date_time(value: datetime.datetime) -> str:
    """As Java's LocalDateTime.toString; a zone is left out."""
    return f"{format_date(value)}T{format_time(value.timetz())}"


def format_zoned(value: datetime.datetime) -> str:
    """As Java's ZonedDateTime.toString. Raises WireError for a naive datetime or an offset that Java has not."""
    offset = value.utcoffset()
    if offset is None:
        raise WireError(f"cannot write {value!r} as a ZonedDateTime: it has no zone")
    seconds = offset.total_seconds()
    if seconds != int(seconds) or abs(seconds) > _MAX_OFFSET_S:
        raise WireError(f"cannot write {value!r} as a ZonedDateTime: an offset of {offset}")
    return format_date_time(value) + _offset_text(int(seconds)) + _region_text(value, offset)


def format_instant(value: datetime.datetime) -> str:
    """As Java's Instant.toString: in UTC, with seconds. Raises WireError for a naive datetime."""
    if value.utcoffset() is None:
        raise WireError(f"cannot write {value!r} as an Instant: it has no zone")
    nanos = value.microsecond * 1000 + getattr(value, "nanosecond", 0)
    try:
        utc = value.astimezone(datetime.timezone.utc)
    except OverflowError as cause:
        raise WireError(f"cannot write {value!r} as an Instant: in UTC it is of no year that Python has") from cause
    return f"{format_date(utc)}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}{_fraction(nanos)}Z"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    return f".{nanos // 1000:06}" if nanos % 1000 == 0 else f".{nanos:09}"


def _offset_text(seconds: int) -> str:
    if not seconds:
        return "Z"
    rest = abs(seconds)
    text = f"{'-' if seconds < 0 else '+'}{rest // 3600:02}:{rest // 60 % 60:02}"
    return text + (f":{rest % 60:02}" if rest % 60 else "")


def _region_text(value: datetime.datetime, offset: datetime.timedelta) -> str:
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo):
        return f"[{zone.key}]" if zone.key else ""
    if isinstance(zone, datetime.timezone):
        # An abbreviation, as astimezone() gives it ("CEST"), is no region: Java could not read it, the offset tells all.
        name = zone.tzname(None)
        if _REGION.fullmatch(name) or (not offset and name in ("GMT", "UT")):
            return f"[{name}]"
    return ""
