/* fuzz_columns.c -- the fuzz target of native/cx_columns.c: a shape is learnt from one document and taken to others.
 *
 * An input is documents, each behind two bytes of length (the last one is what is left); the shape is the first one's. What
 * holds whatever the bytes are: nothing outside of a document is read, every extent lies within its own document, a document
 * comes out the same alone as among others, and the document that was learnt from fits.
 *
 * With clang: -fsanitize=fuzzer,address,undefined. Elsewhere -DSTANDALONE makes a program of it that mutates the files it is
 * given: fuzz_columns SECONDS SEED FILE... See test_fuzz_columns.py.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chronix_api.h"

#define DOCUMENTS 16
#define SLOTS CX_STEPS_MAX

static void hold(bool true_always, const char *what)
{
    if (!true_always) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

/* A copy with nothing readable behind it, which AddressSanitizer watches. */
static uint8_t *exactly(const uint8_t *data, int64_t length)
{
    uint8_t *copy = malloc(length > 0 ? (size_t)length : 1);
    hold(copy != NULL, "there is memory");
    memcpy(copy, data, (size_t)length);
    return copy;
}

static uint8_t kinds[SLOTS * CX_BATCH], kinds_alone[SLOTS * CX_BATCH];
static int64_t values[SLOTS * CX_BATCH], values_alone[SLOTS * CX_BATCH];

static void check_texts(const uint8_t *region, int64_t length, const uint8_t *column, const int64_t *cells, int32_t rows)
{
    int32_t plain = 0;
    int64_t size = cx_texts(region, length, column, cells, rows, NULL, -1, &plain);
    hold(size >= 0, "extents lie within the region");
    char *out = malloc(size > 0 ? (size_t)size : 1);
    hold(out != NULL, "there is memory");
    hold(cx_texts(region, length, column, cells, rows, out, size, &plain) == size, "texts have one size");
    hold(plain >= CX_TEXTS_ASCII && plain <= CX_TEXTS_ZERO, "texts are of a kind");
    int64_t zeros = 0;
    for (int64_t i = 0; i < size; i++)
        zeros += out[i] == 0;
    hold(plain == CX_TEXTS_ZERO ? zeros > rows : zeros == rows, "zero bytes are told of");
    free(out);
}

static void documents_of_a_shape(const uint8_t *data, int64_t size)
{
    static const uint8_t nothing[1];
    int32_t starts[DOCUMENTS], stops[DOCUMENTS], count = 0;
    uint8_t *region = exactly(size > 0 ? data : nothing, size);
    for (int64_t at = 0; count < DOCUMENTS && size - at >= 2; count++) {
        int64_t length = data[at] | data[at + 1] << 8;
        at += 2;
        if (length > size - at || count == DOCUMENTS - 1)
            length = size - at;
        starts[count] = (int32_t)at;
        stops[count] = (int32_t)(at += length);
    }
    if (count == 0) {
        free(region);
        return;
    }
    int64_t sample_length = stops[0] - starts[0];
    uint8_t *sample = exactly(region + starts[0], sample_length);
    cx_step *steps = malloc(CX_STEPS_MAX * sizeof *steps);
    hold(steps != NULL, "there is memory");
    int32_t step_count = cx_shape(sample, sample_length, steps, CX_STEPS_MAX), slots = 0;
    hold(step_count >= 0 && step_count <= CX_STEPS_MAX, "steps are counted");
    for (int32_t i = 0; i < step_count; i++)
        slots += steps[i].op == CX_STEP_VALUE;
    if (step_count > 0) {
        uint8_t shapes[DOCUMENTS] = {0};
        hold(cx_columns(region, size, starts, stops, count, sample, sample_length, steps, step_count, shapes, 7, kinds, values,
                        slots - 1) == CX_E_USAGE, "too few slots are refused");
        int32_t rows = cx_columns(region, size, starts, stops, count, sample, sample_length, steps, step_count, shapes, 7,
                                  kinds, values, slots);
        hold(rows >= 1 && shapes[0] == 7, "a document fits its own shape");
        int32_t row = 0;
        for (int32_t i = 0; i < count; i++) {
            /* By itself: what is behind the document is not there to be read. */
            int32_t start = 0, stop = stops[i] - starts[i];
            uint8_t *alone = exactly(region + starts[i], stop), shape = 0;
            int32_t fits = cx_columns(alone, stop, &start, &stop, 1, sample, sample_length, steps, step_count, &shape, 9,
                                      kinds_alone, values_alone, slots);
            hold(fits == (shapes[i] == 7) && fits == (shape == 9), "a document fits alone as it does among others");
            for (int32_t slot = 0; fits && slot < slots; slot++) {
                uint8_t kind = kinds[slot * CX_BATCH + row];
                int64_t value = values[slot * CX_BATCH + row];
                hold(kind >= CX_CELL_INT && kind <= CX_CELL_OTHER, "a cell is of a kind");
                if (kind == CX_CELL_TEXT || kind == CX_CELL_BYTES || kind == CX_CELL_OTHER) {
                    int64_t offset = value >> 32, length = value & 0xFFFFFFFF;
                    hold(offset >= starts[i] && length <= stops[i] - offset, "an extent lies within its document");
                    value -= (int64_t)starts[i] << 32;
                }
                hold(kind == kinds_alone[slot * CX_BATCH] && value == values_alone[slot * CX_BATCH],
                     "cells are the same alone as among others");
            }
            row += fits;
            free(alone);
        }
        hold(row == rows, "rows are counted");
        for (int32_t slot = 0; slot < slots; slot++)
            check_texts(region, size, kinds + slot * CX_BATCH, values + slot * CX_BATCH, rows);
    }
    free(steps);
    free(sample);
    free(region);
}

/* Steps that nobody learnt: refused, or harmless. */
static void steps_of_anything(const uint8_t *data, int64_t size)
{
    cx_step steps[64];
    int32_t count = (int32_t)(size / 3 < 64 ? size / 3 : 64), start = 0, stop = (int32_t)size;
    for (int32_t i = 0; i < count; i++) {
        steps[i].op = data[3 * i] % 7;
        steps[i].start = (int8_t)data[3 * i + 1];
        steps[i].length = (int8_t)data[3 * i + 2];
    }
    uint8_t *region = exactly(data, size), shape = 0;
    int32_t rows = cx_columns(region, size, &start, &stop, 1, region, size, steps, count, &shape, 1, kinds, values, 8);
    hold(rows == CX_E_USAGE || rows == shape, "foreign steps are refused, or taken");
    free(region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    documents_of_a_shape(data, (int64_t)size);
    if (size > 0)
        steps_of_anything(data, (int64_t)size);
    return 0;
}

#ifdef STANDALONE
#include <time.h>

#define INPUT_MAX 4096
#define FILES_MAX 1024

static uint64_t random_state;

static uint32_t below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state % limit);
}

static uint8_t corpus[FILES_MAX][INPUT_MAX];
static size_t lengths[FILES_MAX];

/* One to eight changes: a bit, a code, a length; bytes taken out, doubled, or taken from another input. */
static size_t mutate(uint8_t *input, size_t length, uint32_t files)
{
    static const uint8_t codes[] = {0x00, 0x7F, 0x80, 0x81, 0x82, 0x8A, 0x8E, 0x8F, 0x90, 0x92, 0x96, 0xA0, 0xA1, 0xA7, 0xB2,
                                    0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xBB, 0xBC, 0xBE, 0xC0, 0xC1, 0xDF, 0xE0, 0xE1, 0xFF};
    for (uint32_t changes = 1 + below(8); changes > 0 && length > 0; changes--) {
        size_t at = below((uint32_t)length), other = below(files), piece = 1 + below(16);
        switch (below(6)) {
        case 0: input[at] ^= (uint8_t)(1u << below(8)); break;
        case 1: input[at] = codes[below(sizeof codes)]; break;
        case 2: input[at] = (uint8_t)(input[at] + below(5) - 2); break;
        case 3:
            piece = piece < length - at ? piece : length - at;
            memmove(input + at, input + at + piece, length - at - piece);
            length -= piece;
            break;
        case 4:
            piece = piece < length - at ? piece : length - at;
            if (length + piece <= INPUT_MAX) {
                memmove(input + at + piece, input + at, length - at);
                length += piece;
            }
            break;
        default:
            piece = piece < lengths[other] ? piece : lengths[other];
            piece = piece < length - at ? piece : length - at;
            memcpy(input + at, corpus[other] + below((uint32_t)(lengths[other] - piece + 1)), piece);
        }
    }
    return length;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    time_t end = time(NULL) + atoi(argv[1]);
    random_state = strtoull(argv[2], NULL, 10) | 1;
    uint32_t files = 0;
    for (int i = 3; i < argc && files < FILES_MAX; i++) {
        FILE *file = fopen(argv[i], "rb");
        hold(file != NULL, "the files can be read");
        lengths[files] = fread(corpus[files], 1, INPUT_MAX, file);
        fclose(file);
        LLVMFuzzerTestOneInput(corpus[files], lengths[files]);
        files++;
    }
    long runs = 0;
    while (time(NULL) < end) {
        for (int i = 0; i < 100; i++, runs++) {
            uint8_t input[INPUT_MAX];
            uint32_t which = below(files);
            memcpy(input, corpus[which], lengths[which]);
            LLVMFuzzerTestOneInput(input, mutate(input, lengths[which], files));
        }
    }
    fprintf(stderr, "Done %ld runs\n", runs);
    return 0;
}
#endif
