/* cx_roll.h -- cycle <-> file name (spec 6.1), for the patterns that Chronicle's roll cycles use; Vanilla's directories, whose
 * patterns may hold '/', are named the same way (chronicle-3 2.3). */
#ifndef CX_ROLL_H
#define CX_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "cx_error.h"

#define CX_ROLL_PARTS 24

typedef struct {
    int64_t length_ms;
    int64_t epoch_ms;        /* with WEEKLY's own epoch, where none was configured */
    int64_t name_base_ms;    /* what is added to a cycle's start to name its file */
    bool weekly;
    const char *suffix;      /* what every name ends with: a literal's address */
    int32_t depth;           /* names have this many '/' */
    int32_t parts;
    struct { char letter; char literal; int8_t width; } part[CX_ROLL_PARTS];
} cx_roll;

/* Understands the letters y M d H m s Y w and quoted text. suffix: a literal. Returns 0, CX_E_UNSUPPORTED or CX_E_USAGE. */
int32_t cx_roll_init(cx_roll *roll, const char *format, const char *suffix, int64_t length_ms, int64_t epoch_ms);
/* "20240305F.cq4", in CX_FORMAT_MAX bytes. Returns 0, or CX_E_USAGE for a cycle outside the years 0 ... 9999. */
int32_t cx_roll_name(const cx_roll *roll, int64_t cycle, char *name);
/* Cycle of a file name; false if the name is not of this roll cycle. */
bool cx_roll_parse(const cx_roll *roll, const char *name, int64_t *cycle);
int64_t cx_roll_cycle_at(const cx_roll *roll, int64_t time_ms);

#endif
