/* cx_roll.c -- see cx_roll.h. Calendar arithmetic is proleptic Gregorian in UTC, as java.time's. */
#include "cx_roll.h"

#include <stdio.h>
#include <string.h>

#include "cx_error.h"

#define DAY_MS 86400000LL
/* Some 300 000 years: sums with it cannot overflow. */
#define EPOCH_MAX_MS (1LL << 53)
/* RollCycle WEEKLY starts on Sunday 1970-01-04 unless an epoch is configured (spec 6.3). */
#define WEEKLY_EPOCH_MS 259200000LL

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

/* Days since 1970-01-01 of a date; eras of 400 years make the leap rules a table of none. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted + (shifted < 10 ? 3 : -9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* First day (Sunday) of week 1 of a week-based year, English (US) rules: the week with January 1st in it. */
static int64_t first_week_start(int64_t year)
{
    int64_t january = days_of(year, 1, 1);
    int64_t weekday = floor_div(january + 4, 7) * 7 - 4;   /* the Sunday at or before: 1970-01-01 was a Thursday */
    return weekday;
}

int32_t cx_roll_init(cx_roll *roll, const char *format, const char *suffix, int64_t length_ms, int64_t epoch_ms)
{
    memset(roll, 0, sizeof *roll);
    roll->suffix = suffix;
    if (length_ms < 1000 || length_ms > INT32_MAX || length_ms % 1000 != 0)
        return cx_fail(CX_E_UNSUPPORTED, NULL, -1, length_ms, "a roll cycle of %lld ms", (long long)length_ms);
    if (epoch_ms > EPOCH_MAX_MS || epoch_ms < -EPOCH_MAX_MS)
        return cx_fail(CX_E_UNSUPPORTED, NULL, -1, epoch_ms, "an epoch of %lld ms", (long long)epoch_ms);
    bool quoted = false;
    for (const char *at = format; *at != 0;) {
        if (*at == '\'') {
            quoted = !quoted;
            at++;
            continue;
        }
        if (roll->parts == CX_ROLL_PARTS)
            return cx_fail(CX_E_UNSUPPORTED, NULL, -1, 0, "roll pattern \"%s\" is too long", format);
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (quoted || !letter) {
            roll->depth += *at == '/';
            roll->part[roll->parts].literal = *at++;
        } else {
            int8_t width = 0;
            char c = *at;
            while (*at == c && width < 9)
                at++, width++;
            bool known = strchr("yY", c) != NULL ? width == 4 : strchr("MdHmsw", c) != NULL ? width == 2 : false;
            if (!known)
                return cx_fail(CX_E_UNSUPPORTED, NULL, -1, 0, "roll pattern \"%s\" has the unknown part %c x %d", format, c, width);
            roll->part[roll->parts].letter = c;
            roll->part[roll->parts].width = width;
            roll->weekly |= c == 'w';
        }
        roll->parts++;
    }
    if (quoted || roll->parts == 0)
        return cx_fail(CX_E_UNSUPPORTED, NULL, -1, 0, "malformed roll pattern \"%s\"", format);
    roll->length_ms = length_ms;
    roll->epoch_ms = roll->weekly && epoch_ms == 0 ? WEEKLY_EPOCH_MS : epoch_ms;
    int64_t in_day = roll->epoch_ms % DAY_MS;
    roll->name_base_ms = in_day >= 0 ? roll->epoch_ms - in_day : -DAY_MS;
    return 0;
}

int64_t cx_roll_cycle_at(const cx_roll *roll, int64_t time_ms)
{
    return (time_ms - roll->epoch_ms) / roll->length_ms;
}

int32_t cx_roll_name(const cx_roll *roll, int64_t cycle, char *name)
{
    if (cycle < 0 || cycle > INT32_MAX)
        return cx_fail(CX_E_USAGE, NULL, -1, cycle, "cycle %lld is out of range", (long long)cycle);
    int64_t seconds = floor_div(cycle * roll->length_ms + roll->name_base_ms, 1000);
    int64_t days = floor_div(seconds, 86400);
    int64_t in_day = seconds - days * 86400;
    int64_t year, month, day;
    date_of(days, &year, &month, &day);
    int64_t week_year = year + 1;
    while (first_week_start(week_year) > days)
        week_year--;
    int64_t week = (days - first_week_start(week_year)) / 7 + 1;
    if (year < 0 || year > 9999)
        return cx_fail(CX_E_USAGE, NULL, -1, cycle, "cycle %lld lies in the year %lld", (long long)cycle, (long long)year);
    size_t at = 0;
    for (int32_t i = 0; i < roll->parts; i++) {
        int64_t number = 0;
        switch (roll->part[i].letter) {
        case 0: number = -1; break;
        case 'y': number = year; break;
        case 'Y': number = week_year; break;
        case 'w': number = week; break;
        case 'M': number = month; break;
        case 'd': number = day; break;
        case 'H': number = in_day / 3600; break;
        case 'm': number = in_day / 60 % 60; break;
        default: number = in_day % 60; break;
        }
        int printed = number < 0 ? snprintf(name + at, CX_FORMAT_MAX - at, "%c", roll->part[i].literal)
                                 : snprintf(name + at, CX_FORMAT_MAX - at, "%0*lld", roll->part[i].width, (long long)number);
        at += (size_t)printed;
        if (at + strlen(roll->suffix) >= CX_FORMAT_MAX)
            return cx_fail(CX_E_UNSUPPORTED, NULL, -1, 0, "roll pattern gives names that are too long");
    }
    snprintf(name + at, CX_FORMAT_MAX - at, "%s", roll->suffix);
    return 0;
}

bool cx_roll_parse(const cx_roll *roll, const char *name, int64_t *cycle)
{
    int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, week = 1;
    for (int32_t i = 0; i < roll->parts; i++) {
        if (roll->part[i].letter == 0) {
            if (*name++ != roll->part[i].literal)
                return false;
            continue;
        }
        int64_t number = 0;
        for (int digit = 0; digit < roll->part[i].width; digit++, name++) {
            if (*name < '0' || *name > '9')
                return false;
            number = number * 10 + (*name - '0');
        }
        switch (roll->part[i].letter) {
        case 'y': case 'Y': year = number; break;
        case 'w': week = number; break;
        case 'M': month = number; break;
        case 'd': day = number; break;
        case 'H': hour = number; break;
        case 'm': minute = number; break;
        default: second = number; break;
        }
    }
    if (strcmp(name, roll->suffix) != 0)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 || week < 1 || week > 53)
        return false;
    int64_t seconds;
    if (roll->weekly) {
        seconds = (first_week_start(year) + (week - 1) * 7) * 86400;
    } else {
        int64_t days = days_of(year, month, day), y, m, d;
        date_of(days, &y, &m, &d);
        if (d != day)   /* February 30th */
            return false;
        seconds = days * 86400 + hour * 3600 + minute * 60 + second;
    }
    int64_t base = roll->weekly ? roll->epoch_ms : roll->name_base_ms;
    int64_t number = floor_div(seconds - floor_div(base, 1000), roll->length_ms / 1000);
    if (number < 0 || number > INT32_MAX)
        return false;
    *cycle = number;
    return true;
}
