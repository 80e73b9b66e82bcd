/* Pairs of pictures, and what is asked of their short rows of values: no row is sorted, as a bound
   that so many values do not exceed is found faster by counting. */

#ifndef VCDB_PICTURES_H
#define VCDB_PICTURES_H

#include "kernels.h"

/* Keeps quotients defined. */
#define TINY 1e-9f

/* A picture's brightness, red-green and blue-yellow, (77,) each; NaN where it does not reach. */
typedef struct {
    const float *part[3];
} Picture;

/* The levels that values leave out, of 255. */
typedef struct {
    float mean, deviation;
} Level;

/* The cells that two pictures have in common: their values, how many they are, and which. */
typedef struct {
    const float *x[3], *y[3];
    int count;
    float some[6][CELLS];
    int cell[CELLS];
} Common;

static inline Picture picture_at(const Py_buffer *parts, Py_ssize_t row)
{
    Picture picture;
    for (int part = 0; part < 3; part++)
        picture.part[part] = (const float *)parts[part].buf + row * CELLS;
    return picture;
}

INLINED void find_common(Common *both, Picture query, Picture stored)
{
    const float *ours = query.part[0], *theirs = stored.part[0];
    int missing = 0;
    for (int cell = 0; cell < CELLS; cell++)
        missing |= (ours[cell] != ours[cell]) | (theirs[cell] != theirs[cell]);
    both->count = 0;
    for (int cell = 0; cell < CELLS; cell++) {
        if (isnan(ours[cell]) || isnan(theirs[cell]))
            continue;
        both->cell[both->count] = cell;
        for (int part = 0; missing && part < 3; part++) {
            both->some[part][both->count] = query.part[part][cell];
            both->some[3 + part][both->count] = stored.part[part][cell];
        }
        both->count++;
    }
    for (int part = 0; part < 3; part++) {
        both->x[part] = missing ? both->some[part] : query.part[part];
        both->y[part] = missing ? both->some[3 + part] : stored.part[part];
    }
}

/* A bound that `kept` of the values do not exceed, or more where several are equal to the last of
   them. By bisection: counting takes no branches, and rows are short. */
INLINED float bound_of(const float *values, int count, int kept)
{
    float low = INFINITY, high = -INFINITY;
    for (int k = 0; k < count; k++) {
        low = values[k] < low ? values[k] : low;
        high = values[k] > high ? values[k] : high;
    }
    int at_low = 0;
    for (int k = 0; k < count; k++)
        at_low += values[k] <= low;
    if (at_low >= kept)
        return low;
    /* Now fewer than `kept` are at `low` or below it, and at least so many at `high` or below. */
    for (;;) {
        float middle = low + (high - low) / 2;
        int there = 0;
        if (!(middle > low && middle < high))
            return high;
        for (int k = 0; k < count; k++)
            there += values[k] <= middle;
        if (there == kept)
            return middle;
        if (there < kept)
            low = middle;
        else
            high = middle;
    }
}

/* The value at a place of their order. */
INLINED float value_at(const float *values, int count, int place)
{
    float bound = bound_of(values, count, place + 1), largest = -INFINITY;
    for (int k = 0; k < count; k++) {
        float value = values[k] <= bound ? values[k] : -INFINITY;
        largest = value > largest ? value : largest;
    }
    return largest;
}

/* Whether no cell has a colour: vcdb.search.tint.is_colourless. */
INLINED int is_colourless(Picture picture)
{
    for (int cell = 0; cell < CELLS; cell++)
        if (fabsf(picture.part[1][cell]) + fabsf(picture.part[2][cell]) > 0)
            return 0;
    return 1;
}

INLINED float mean(const float *values, int count)
{
    float total = 0;
    for (int k = 0; k < count; k++)
        total += values[k];
    return total / count;
}

INLINED float mean_of_smallest(const float *values, int count, int kept)
{
    float bound = bound_of(values, count, kept), total = 0;
    int within = 0;
    for (int k = 0; k < count; k++) {
        within += values[k] <= bound;
        total += values[k] <= bound ? values[k] : 0;
    }
    /* Where there are more, the bound is the value of the last ones. */
    return (total - (within - kept) * bound) / kept;
}

INLINED float bounded(float value, double least, double most)
{
    return value < least ? (float)least : value > most ? (float)most : value;
}

/* Mean 0; returns the mean square. */
INLINED float centre(const float *values, int count, float *centred)
{
    float middle = mean(values, count), power = 0;
    for (int k = 0; k < count; k++) {
        centred[k] = values[k] - middle;
        power += centred[k] * centred[k];
    }
    return power / count;
}

/* Mean 0 and deviation 1. */
INLINED void standardise(const float *values, int count, float *scaled)
{
    float deviation = sqrtf(centre(values, count, scaled));
    deviation = deviation > 1e-6f ? deviation : 1e-6f;
    for (int k = 0; k < count; k++)
        scaled[k] /= deviation;
}

INLINED float at_least(float value, float least)
{
    return value > least ? value : least;
}

INLINED float at_most(float value, float most)
{
    return value < most ? value : most;
}

/* Two buffers of the levels of so many pictures. */
static inline int levels_fit(const Py_buffer *levels, Py_ssize_t count)
{
    return has(&levels[0], 4, count) && has(&levels[1], 4, count);
}

static inline Level level_at(const Py_buffer *levels, Py_ssize_t row)
{
    return (Level){((const float *)levels[0].buf)[row], ((const float *)levels[1].buf)[row]};
}

/* Six buffers of two sets of pictures; how many pairs they make, -1 where they do not. */
static inline Py_ssize_t pairs_in(const Py_buffer *query, const Py_buffer *stored)
{
    Py_ssize_t ours = rows_in(&query[0], 4, CELLS), theirs = rows_in(&stored[0], 4, CELLS);
    int fits = ours >= 0 && theirs >= 0;
    for (int part = 1; fits && part < 3; part++)
        fits = has(&query[part], 4, ours * CELLS) && has(&stored[part], 4, theirs * CELLS);
    if (fits && ours != 1 && ours != theirs) {
        PyErr_SetString(PyExc_ValueError, "there are not as many of both");
        fits = 0;
    }
    return fits ? theirs : -1;
}

#endif
