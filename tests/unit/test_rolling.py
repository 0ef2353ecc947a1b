"""Roll cycles against the table of the specification (§6) and against the calendar."""

from __future__ import annotations

import contextlib
import datetime
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.vendor import pretty

from pychronix.errors import ChronixError, UnsupportedFormatError, UsageError
from pychronix.rolling import ROLL_CYCLES, RollCycle, format_roll_time, parse_roll_time, shift_of_counts

# Observed in Java 5.26: §6.2. Times with epoch 0 at 2024-03-05T10:37:42.5Z.
MOMENT_MS = 1_709_635_062_500
TABLE = """
FIVE_MINUTELY | yyyyMMdd-HHmm'V' | 300000 | 2048 | 256 | 32 | 1073741824 | 20240305-1035V | 5698783
TEN_MINUTELY | yyyyMMdd-HHmm'X' | 600000 | 2048 | 256 | 32 | 1073741824 | 20240305-1030X | 2849391
TWENTY_MINUTELY | yyyyMMdd-HHmm'XX' | 1200000 | 2048 | 256 | 32 | 1073741824 | 20240305-1020XX | 1424695
HALF_HOURLY | yyyyMMdd-HHmm'H' | 1800000 | 2048 | 256 | 32 | 1073741824 | 20240305-1030H | 949797
FAST_HOURLY | yyyyMMdd-HH'F' | 3600000 | 4096 | 256 | 32 | 4294967295 | 20240305-10F | 474898
TWO_HOURLY | yyyyMMdd-HH'II' | 7200000 | 4096 | 256 | 32 | 4294967295 | 20240305-10II | 237449
FOUR_HOURLY | yyyyMMdd-HH'IV' | 14400000 | 4096 | 256 | 32 | 4294967295 | 20240305-08IV | 118724
SIX_HOURLY | yyyyMMdd-HH'VI' | 21600000 | 4096 | 256 | 32 | 4294967295 | 20240305-06VI | 79149
FAST_DAILY | yyyyMMdd'F' | 86400000 | 4096 | 256 | 32 | 4294967295 | 20240305F | 19787
WEEKLY | YYYY'W'ww | 604800000 | 4096 | 256 | 32 | 4294967295 | 2024W10 | 2826
MINUTELY | yyyyMMdd-HHmm | 60000 | 2048 | 16 | 32 | 67108864 | 20240305-1037 | 28493917
HOURLY | yyyyMMdd-HH | 3600000 | 4096 | 16 | 32 | 268435456 | 20240305-10 | 474898
DAILY | yyyyMMdd | 86400000 | 8192 | 64 | 32 | 4294967295 | 20240305 | 19787
LARGE_HOURLY | yyyyMMdd-HH'L' | 3600000 | 8192 | 64 | 32 | 4294967295 | 20240305-10L | 474898
LARGE_DAILY | yyyyMMdd'L' | 86400000 | 32768 | 128 | 37 | 137438953471 | 20240305L | 19787
XLARGE_DAILY | yyyyMMdd'X' | 86400000 | 32768 | 256 | 38 | 274877906943 | 20240305X | 19787
HUGE_DAILY | yyyyMMdd'H' | 86400000 | 32768 | 1024 | 40 | 1099511627775 | 20240305H | 19787
SMALL_DAILY | yyyyMMdd'S' | 86400000 | 8192 | 8 | 32 | 536870912 | 20240305S | 19787
LARGE_HOURLY_SPARSE | yyyyMMdd-HH'LS' | 3600000 | 4096 | 1024 | 34 | 17179869183 | 20240305-10LS | 474898
LARGE_HOURLY_XSPARSE | yyyyMMdd-HH'LX' | 3600000 | 2048 | 1048576 | 42 | 4398046511103 | 20240305-10LX | 474898
HUGE_DAILY_XSPARSE | yyyyMMdd'HX' | 86400000 | 16384 | 1048576 | 48 | 281474976710655 | 20240305HX | 19787
TEST_SECONDLY | yyyyMMdd-HHmmss'T' | 1000 | 32768 | 4 | 32 | 4294967295 | 20240305-103742T | 1709635062
TEST4_SECONDLY | yyyyMMdd-HHmmss'T4' | 1000 | 32 | 4 | 32 | 4096 | 20240305-103742T4 | 1709635062
TEST_HOURLY | yyyyMMdd-HH'T' | 3600000 | 16 | 4 | 32 | 1024 | 20240305-10T | 474898
TEST_DAILY | yyyyMMdd'T1' | 86400000 | 8 | 1 | 32 | 64 | 20240305T1 | 19787
TEST2_DAILY | yyyyMMdd'T2' | 86400000 | 16 | 2 | 32 | 512 | 20240305T2 | 19787
TEST4_DAILY | yyyyMMdd'T4' | 86400000 | 32 | 4 | 32 | 4096 | 20240305T4 | 19787
TEST8_DAILY | yyyyMMdd'T8' | 86400000 | 128 | 8 | 32 | 131072 | 20240305T8 | 19787
"""
ROWS = [tuple(cell.strip() for cell in line.split(" | ")) for line in TABLE.strip().splitlines()]
DAILY_MS = 86_400_000

rolls = st.sampled_from(list(ROLL_CYCLES.values()))
epochs = st.sampled_from([0, 5 * 3_600_000, 81_000_000, DAILY_MS, 3 * DAILY_MS + 1, -1, -DAILY_MS, -3 * DAILY_MS - 7])


def test_the_table_has_the_28_cycles_in_javas_order() -> None:
    assert [row[0] for row in ROWS] == list(ROLL_CYCLES)
    assert 28 == len(ROLL_CYCLES)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_cycle_has_the_parameters_java_has(row: tuple[str, ...]) -> None:
    name, pattern, length, count, spacing, shift, most, file_stem, cycle = row
    roll = ROLL_CYCLES[name]
    assert getattr(RollCycle, name) is roll
    assert (name, pattern, int(length), int(count), int(spacing)) == (
        roll.name,
        roll.format,
        roll.length_ms,
        roll.index_count,
        roll.index_spacing,
    )
    assert int(shift) == roll.shift
    assert int(most) == roll.max_messages()
    assert int(cycle) == roll.cycle_at(MOMENT_MS)
    assert file_stem + ".cq4" == roll.file_name(int(cycle))
    assert int(cycle) == roll.cycle_of_file(file_stem + ".cq4")
    assert roll is RollCycle.guess([file_stem + ".cq4"])
    assert roll is RollCycle.parse(name.lower())
    assert roll is RollCycle.parse(pattern)
    assert roll is RollCycle.of(pattern, int(length))


def test_a_name_tells_the_cycle_from_the_epochs_day_not_from_the_clock() -> None:
    at_ten = 1_709_632_800_000
    fast_hourly, epoch_ms = RollCycle.FAST_HOURLY, 5 * 3_600_000
    assert "20240305-05F.cq4" == fast_hourly.file_name(fast_hourly.cycle_at(at_ten, epoch_ms), epoch_ms)
    fast_daily, epoch_ms = RollCycle.FAST_DAILY, parse_roll_time("22:30")
    assert 19786 == fast_daily.cycle_at(at_ten, epoch_ms)
    assert "20240304F.cq4" == fast_daily.file_name(19786, epoch_ms)
    assert 19786 * DAILY_MS + 81_000_000 == fast_daily.start_ms(19786, epoch_ms)


def test_a_negative_epoch_that_is_not_a_whole_day_counts_from_the_day_before_1970() -> None:
    assert -DAILY_MS == RollCycle.DAILY.name_base_ms(-5)
    assert -DAILY_MS == RollCycle.DAILY.name_base_ms(-9 * DAILY_MS - 5)
    assert -9 * DAILY_MS == RollCycle.DAILY.name_base_ms(-9 * DAILY_MS)
    assert "19691231.cq4" == RollCycle.DAILY.file_name(0, -5)


def test_the_moments_before_the_epoch_round_towards_zero_as_in_java() -> None:
    assert 0 == RollCycle.DAILY.cycle_at(-DAILY_MS + 1)
    assert -1 == RollCycle.DAILY.cycle_at(-DAILY_MS)


@pytest.mark.parametrize(
    "date, cycle, name",
    [
        ("2024-03-05", 2826, "2024W10.cq4"),
        ("2023-12-31", 2817, "2024W01.cq4"),
        ("2024-12-31", 2869, "2025W01.cq4"),
    ],
)
def test_weeks_are_english_ones_from_sunday(date: str, cycle: int, name: str) -> None:
    time_ms = int(datetime.datetime.fromisoformat(date + "T00:00+00:00").timestamp() * 1000)
    assert cycle == RollCycle.WEEKLY.cycle_at(time_ms)
    assert name == RollCycle.WEEKLY.file_name(cycle)
    assert cycle == RollCycle.WEEKLY.cycle_of_file(name)


def test_a_week_that_a_year_does_not_have_names_no_cycle() -> None:
    assert None is RollCycle.WEEKLY.cycle_of_file("2024W00.cq4")
    assert None is RollCycle.WEEKLY.cycle_of_file("2024W53.cq4")  # It is the first of 2025.


def test_weekly_is_read_but_not_created() -> None:
    assert not RollCycle.WEEKLY.creatable
    assert "FAST_DAILY" in str(RollCycle.WEEKLY.not_creatable_reason)
    assert [name for name, roll in ROLL_CYCLES.items() if not roll.creatable] == ["WEEKLY"]


@given(rolls, st.integers(0, 2**31 - 1), epochs)
def test_every_cycle_round_trips_through_its_file_name(roll: RollCycle, cycle: int, epoch_ms: int) -> None:
    name = roll.file_name(cycle, epoch_ms)
    assert cycle == roll.cycle_of_file(name, epoch_ms)
    assert cycle == roll.cycle_at(roll.start_ms(cycle, epoch_ms), epoch_ms)
    assert cycle == roll.cycle_at(roll.start_ms(cycle + 1, epoch_ms) - 1, epoch_ms)


@given(rolls.filter(lambda roll: roll is not RollCycle.WEEKLY), st.integers(0, 2932896 * DAILY_MS - 1))
def test_names_agree_with_datetime(roll: RollCycle, time_ms: int) -> None:
    time_ms %= roll.length_ms * 2**31
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time_ms - time_ms % roll.length_ms)
    expected = (
        roll.format.replace("yyyy", f"{moment.year:04d}").replace("MM", f"{moment:%m}").replace("dd", f"{moment:%d}")
    )
    expected = expected.replace("HH", f"{moment:%H}", 1).replace("mm", f"{moment:%M}").replace("ss", f"{moment:%S}")
    assert expected.replace("'", "") + ".cq4" == roll.file_name(roll.cycle_at(time_ms))


def test_years_beyond_9999_carry_a_sign_as_in_java() -> None:
    name = RollCycle.DAILY.file_name(2932897)
    assert "+100000101.cq4" == name
    assert 2932897 == RollCycle.DAILY.cycle_of_file(name)


@pytest.mark.parametrize(
    "name",
    ["", ".cq4", "20240305", "20240305.cq4t", "20240230.cq4", "20241301.cq4", "20240305F.cq4", "x20240305.cq4"]
    + ["19691231.cq4", "+20240305.cq4", "２0240305.cq4", "20240305.cq4\n", "20240305.cq4-17.discard"],
)
def test_a_name_no_cycle_has_gives_none(name: str) -> None:
    assert None is RollCycle.DAILY.cycle_of_file(name)


def test_a_name_inside_a_cycle_but_not_its_own_gives_none() -> None:
    assert None is RollCycle.FIVE_MINUTELY.cycle_of_file("20240305-1037V.cq4")
    assert None is RollCycle.MINUTELY.cycle_of_file("20240305-2460.cq4")


@given(rolls, st.integers(0, 32767), st.integers(0, 2**32 - 1))
def test_an_index_is_cut_into_what_it_was_made_of(roll: RollCycle, cycle: int, sequence: int) -> None:
    index = roll.index(cycle, sequence)
    assert (cycle << roll.shift) + sequence == index
    assert (cycle, sequence) == (roll.cycle_of(index), roll.sequence_of(index))


def test_custom_counts_leave_the_shift_alone() -> None:
    roll = RollCycle.FAST_DAILY.with_counts(32768, 1024)
    assert 40 == shift_of_counts(32768, 1024)
    assert 32 == roll.shift
    assert (32768, 1024) == (roll.index_count, roll.index_spacing)
    assert 2**32 - 1 == roll.max_messages()
    assert 64 == RollCycle.FAST_DAILY.max_messages(8, 1)
    assert 40 == RollCycle.HUGE_DAILY.with_counts(8, 1).shift
    assert RollCycle.FAST_DAILY == RollCycle.FAST_DAILY.with_counts()


@pytest.mark.parametrize("counts", [(7, 1), (4, 1), (65536, 1), (8, 0), (8, 3), (8, 2**31), (-8, 1)])
def test_counts_that_java_would_not_take_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="power of two"):
        RollCycle.FAST_DAILY.with_counts(*counts)


@pytest.mark.parametrize(
    "call",
    [
        lambda: RollCycle.DAILY.index(-1, 0),
        lambda: RollCycle.DAILY.index(2**31, 0),
        lambda: RollCycle.DAILY.index(0, 2**32),
        lambda: RollCycle.HUGE_DAILY_XSPARSE.index(32768, 0),
        lambda: RollCycle.DAILY.cycle_of(-1),
        lambda: RollCycle.DAILY.cycle_of(2**63),
        lambda: RollCycle.DAILY.file_name(-1),
        lambda: RollCycle("x", "yyyyMMdd", 0, 8, 1),
    ],
)
def test_numbers_out_of_range_are_usage_errors(call: object) -> None:
    with pytest.raises(UsageError):
        call()  # type: ignore[operator]


def test_an_unknown_name_is_answered_with_the_allowed_ones() -> None:
    with pytest.raises(UsageError) as caught:
        RollCycle.parse("daly")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(UsageError):
        RollCycle.parse(5)  # type: ignore[arg-type]
    assert RollCycle.WEEKLY is RollCycle.parse(RollCycle.WEEKLY)


def test_a_foreign_pattern_is_interpreted_if_it_can_be() -> None:
    roll = RollCycle.of("yyyy-MM-dd_HH'h'mm''", 90 * 60_000)
    assert ("CUSTOM", 32, False) == (roll.name, roll.shift, roll.creatable)
    assert "1970-01-01_01h30'.cq4" == roll.file_name(1)
    assert 1 == roll.cycle_of_file("1970-01-01_01h30'.cq4")
    assert None is roll.cycle_of_file("1970-01-01_01h31'.cq4")
    assert 37 == RollCycle.of("uuuuMMdd", DAILY_MS, index_count=32768, index_spacing=128).shift


def test_a_known_pattern_with_another_length_keeps_the_known_shift() -> None:
    roll = RollCycle.of("yyyyMMdd'H'", 2 * DAILY_MS)
    assert ("CUSTOM", 40, 2 * DAILY_MS, False) == (roll.name, roll.shift, roll.length_ms, roll.creatable)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "yyyy",
        "yyyyMM",
        "yyMMdd",
        "yyyyMMddHHmm['x']",
        "yyyyMMdd'F",
        "yyyyMMddMM",
        "yyyyMMdd/",
        "HHmmss",
        "yyyyMMmm",
        "yyyyMMdd'",
    ],
)
def test_a_pattern_that_names_no_time_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedFormatError):
        RollCycle.of(pattern, DAILY_MS)


@pytest.mark.parametrize("length_ms", [0, -1, 999, 3_600_000, 2**31])
def test_a_length_that_the_pattern_cannot_tell_apart_is_refused(length_ms: int) -> None:
    with pytest.raises(UnsupportedFormatError):
        RollCycle.of("yyyyMMdd'Q'", length_ms)


@given(st.text(max_size=20), st.integers(-(2**63), 2**63 - 1))
def test_whatever_a_table_store_says_is_read_or_refused(pattern: str, length_ms: int) -> None:
    with contextlib.suppress(ChronixError):
        RollCycle.of(pattern, length_ms)


def test_guessing_needs_all_names_to_fit() -> None:
    assert RollCycle.DAILY is RollCycle.guess(["20240305.cq4", "20240306.cq4"])
    assert None is RollCycle.guess(["20240305.cq4", "20240306F.cq4"])
    assert None is RollCycle.guess([])


def test_a_roll_cycle_prints_itself_and_no_other() -> None:
    text = pretty.pretty(RollCycle.DAILY)
    assert text.count("name=") == 1
    assert "RollCycle(name='DAILY', format='yyyyMMdd'" in repr(RollCycle.DAILY)


def test_a_roll_cycle_is_a_value() -> None:
    roll = RollCycle.DAILY.with_counts(8, 1)
    assert roll == pickle.loads(pickle.dumps(roll))
    assert 1 == len({roll, RollCycle.DAILY.with_counts(8, 1)})
    with pytest.raises(AttributeError):
        roll.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "text, epoch_ms, back",
    [("00:00", 0, "00:00"), ("22:30", 81_000_000, "22:30"), ("01:02:03", 3_723_000, "01:02:03")]
    + [("22:30:00", 81_000_000, "22:30"), ("22:30:00.5", 81_000_000, "22:30"), ("23:59", 86_340_000, "23:59")],
)
def test_roll_times_are_read_and_written_as_java_does(text: str, epoch_ms: int, back: str) -> None:
    assert epoch_ms == parse_roll_time(text)
    assert back == format_roll_time(epoch_ms)
    assert epoch_ms == parse_roll_time(datetime.time.fromisoformat(back))


@pytest.mark.parametrize("text", ["", "24:00", "7:30", "07:60", "07:30:60", "22.30", "22:30Z", "22:30\n"])
def test_a_roll_time_java_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_roll_time(text)
    with pytest.raises(UsageError):
        parse_roll_time(datetime.time(1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))))


@pytest.mark.parametrize("roll_time", [22.5, 5, b"22:30", datetime.datetime(2024, 3, 5, 22, 30)])
def test_a_roll_time_is_text_or_a_time(roll_time: object) -> None:
    with pytest.raises(TypeError, match=rf"^a roll time is str .* or datetime\.time, not {type(roll_time).__name__}$"):
        parse_roll_time(roll_time)  # type: ignore[arg-type]


@pytest.mark.parametrize("epoch_ms", [-1000, DAILY_MS, 1])
def test_an_epoch_that_is_no_time_of_day_has_no_roll_time(epoch_ms: int) -> None:
    with pytest.raises(UsageError):
        format_roll_time(epoch_ms)
