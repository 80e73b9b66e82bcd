/* What speaks for two pictures being the same, and how smooth one is: vcdb.search.evidence,
   vcdb.search.surface. */

#include "least_squares.h"
#include "pictures.h"

/* Terms of a surface of second degree. */
enum { TERMS = 6 };

typedef struct {
    const double *terms;
    double ridge;
} Surface;

static const double *terms_of(const Surface *surface, const int *cell, int k)
{
    return surface->terms + cell[k] * TERMS;
}

/* Of those cells that are `chosen`, or of all where that is NULL. */
INLINED Triangle triangle_of(const Surface *surface, const int *cell, int count,
                             const uint8_t *chosen)
{
    Triangle sum = {{{0}}};
    for (int k = 0; k < count; k++) {
        const double *term = terms_of(surface, cell, k);
        for (int i = 0; (!chosen || chosen[k]) && i < TERMS; i++)
            for (int j = 0; j <= i; j++)
                sum.at[i][j] += term[i] * term[j];
    }
    for (int i = 0; i < TERMS; i++)
        sum.at[i][i] += surface->ridge;
    decompose(&sum, TERMS);
    return sum;
}

/* What values show beside the surface that is nearest to them at the cells that are `chosen`. */
INLINED void beside(const Surface *surface, const Triangle *triangle, const float *values,
                    const int *cell, int count, const uint8_t *chosen, float *detail)
{
    double fit[TERMS] = {0};
    for (int k = 0; k < count; k++)
        for (int i = 0; (!chosen || chosen[k]) && i < TERMS; i++)
            fit[i] += terms_of(surface, cell, k)[i] * values[k];
    solve(triangle, TERMS, fit);
    for (int k = 0; k < count; k++) {
        const double *term = terms_of(surface, cell, k);
        double smooth = 0;
        for (int i = 0; i < TERMS; i++)
            smooth += term[i] * fit[i];
        detail[k] = (float)(values[k] - smooth);
    }
}

PyObject *blank_difference(PyObject *self, PyObject *args)
{
    Py_buffer b[2];
    Surface surface;
    double kept_share;
    if (!PyArg_ParseTuple(args, "y*y*dd", &b[0], &b[1], &surface.ridge, &kept_share))
        return NULL;
    int fits = has(&b[0], 4, CELLS) && has(&b[1], 8, CELLS * TERMS), count = 0, cell[CELLS];
    float values[CELLS], residual[CELLS], difference = NAN;
    uint8_t chosen[CELLS];
    surface.terms = b[1].buf;
    for (int k = 0; fits && k < CELLS; k++)
        if (!isnan(((const float *)b[0].buf)[k])) {
            values[count] = ((const float *)b[0].buf)[k];
            cell[count++] = k;
        }
    if (fits && count) {
        int kept = (int)rint(kept_share * count);
        standardise(values, count, values);
        Triangle triangle = triangle_of(&surface, cell, count, NULL);
        beside(&surface, &triangle, values, cell, count, NULL, residual);
        for (int k = 0; k < count; k++)
            residual[k] = fabsf(residual[k]);
        float bound = bound_of(residual, count, kept);
        for (int k = 0; k < count; k++)
            chosen[k] = residual[k] <= bound;
        triangle = triangle_of(&surface, cell, count, chosen);
        beside(&surface, &triangle, values, cell, count, chosen, residual);
        for (int k = 0; k < count; k++)
            residual[k] = fabsf(residual[k]);
        difference = mean_of_smallest(residual, count, kept);
    }
    release(b, 2);
    return fits ? PyFloat_FromDouble(difference) : NULL;
}

/* Pearson's correlation of values with mean 0, whose mean squares are given. */
INLINED float correlated(const float *x, const float *y, int count, float of_x, float of_y)
{
    float product = 0;
    for (int k = 0; k < count; k++)
        product += x[k] * y[k];
    return product / count / at_least(sqrtf(of_x) * sqrtf(of_y), TINY);
}

INLINED float correlation(const float *x, const float *y, int count)
{
    float ours[CELLS], theirs[CELLS];
    float of_x = centre(x, count, ours), of_y = centre(y, count, theirs);
    return correlated(ours, theirs, count, of_x, of_y);
}

/* Both colours as one row. */
INLINED int colours_of(const float *const *parts, int count, float *row)
{
    memcpy(row, parts[1], count * sizeof(*row));
    memcpy(row + count, parts[2], count * sizeof(*row));
    return 2 * count;
}

typedef struct {
    float colour_correlation, shift, difference;
} Colours;

INLINED Colours compare_colours(const Common *both, float unit, float stored_unit)
{
    float x[2 * CELLS], y[2 * CELLS], sums[2] = {0, 0}, size = 0;
    int cells = both->count, count = colours_of(both->x, cells, x);
    colours_of(both->y, cells, y);
    for (int k = 0; k < count; k++) {
        float shift = x[k] * unit - y[k] * stored_unit;
        sums[k >= cells] += shift;
        size += fabsf(shift);
    }
    float of_x = centre(x, count, x), of_y = centre(y, count, y);
    float least = sqrtf(of_x) * unit, other = sqrtf(of_y) * stored_unit;
    Colours told = {correlated(x, y, count, of_x, of_y), 0, size / count};
    if (!((least < other ? least : other) > 1))
        told.colour_correlation *= 0;
    told.shift = (fabsf(sums[0] / cells) + fabsf(sums[1] / cells)) / 2;
    return told;
}

INLINED float detail_correlation(const Common *both, const Surface *surface)
{
    float x[CELLS], y[CELLS];
    Triangle triangle = triangle_of(surface, both->cell, both->count, NULL);
    beside(surface, &triangle, both->x[0], both->cell, both->count, NULL, x);
    beside(surface, &triangle, both->y[0], both->cell, both->count, NULL, y);
    return correlation(x, y, both->count);
}

/* Features, in their order: vcdb.search.evidence.FEATURES. */
enum {
    DIFFERENCE,
    WHOLE_DIFFERENCE,
    BLANK_DIFFERENCE,
    CONTRAST,
    BRIGHTNESS_CORRELATION,
    COLOUR_CORRELATION,
    BRIGHTNESS_SHIFT,
    CONTRAST_RATIO,
    COLOUR_SHIFT,
    COLOUR_DIFFERENCE,
    DETAIL_CORRELATION,
    SUPPOSED,
    COLOURLESS,
    FEATURES
};

typedef struct {
    float least_in_common, told_apart[2], no_difference, no_blank;
    float brightness, contrast, colour, most;
} Telling;

/* What both pictures' cells tell, and their levels. */
INLINED void compare(const Common *both, Level ours, Level theirs, const Surface *surface,
                     const Telling *how, float *told)
{
    Colours colours = compare_colours(both, ours.deviation, theirs.deviation);
    float detail = detail_correlation(both, surface);
    float in_common = correlation(both->x[0], both->y[0], both->count);
    told[CONTRAST] = logf(ours.deviation);
    told[BRIGHTNESS_CORRELATION] = at_least(in_common, how->least_in_common);
    told[COLOUR_CORRELATION] = colours.colour_correlation;
    told[BRIGHTNESS_SHIFT] = at_most(fabsf(ours.mean - theirs.mean) / how->brightness, how->most);
    told[CONTRAST_RATIO] =
        at_most(fabsf(logf(ours.deviation / theirs.deviation)) / how->contrast, how->most);
    told[COLOUR_SHIFT] = at_most(colours.shift / how->colour, how->most);
    told[COLOUR_DIFFERENCE] = at_most(colours.difference / how->colour, how->most);
    told[DETAIL_CORRELATION] =
        atanhf(bounded(detail, how->told_apart[0], how->told_apart[1]));
}

WIDE PyObject *features(PyObject *self, PyObject *args)
{
    Py_buffer b[16];
    Surface surface;
    Telling how;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*y*y*y*y*y*y*d(f(ff)ffffff)w*", &b[0], &b[1],
                          &b[2], &b[6], &b[7], &b[3], &b[4], &b[5], &b[8], &b[9], &b[10], &b[11],
                          &b[12], &b[13], &b[14], &surface.ridge, &how.least_in_common,
                          &how.told_apart[0], &how.told_apart[1], &how.no_difference,
                          &how.no_blank, &how.brightness, &how.contrast, &how.colour, &how.most,
                          &b[15]))
        return NULL;
    Py_ssize_t count = pairs_in(b, b + 3), one = b[0].len == 4 * CELLS ? 0 : 1;
    Py_ssize_t asked = b[10].len == 8 ? 0 : 1;
    const float *robust = b[12].buf, *whole = b[13].buf;
    const double *blank = b[10].buf;
    const uint8_t *supposed = b[11].buf;
    float *told = b[15].buf;
    surface.terms = b[14].buf;
    int fits = count >= 0 && levels_fit(&b[6], one ? count : 1) && levels_fit(&b[8], count) &&
               has(&b[10], 8, asked ? count : 1) && has(&b[11], 1, asked ? count : 1) &&
               has(&b[12], 4, count) && has(&b[13], 4, count) &&
               has(&b[14], 8, CELLS * TERMS) && has(&b[15], 4, count * FEATURES);
    for (Py_ssize_t n = 0; fits && n < count; n++, told += FEATURES) {
        Picture query = picture_at(b, n * one);
        int grey = is_colourless(query);
        Common both;
        find_common(&both, query, picture_at(b + 3, n));
        compare(&both, level_at(&b[6], n * one), level_at(&b[8], n), &surface, &how, told);
        if (grey)
            told[COLOUR_CORRELATION] = told[COLOUR_SHIFT] = told[COLOUR_DIFFERENCE] = NAN;
        told[DIFFERENCE] = logf(robust[n] + how.no_difference);
        told[WHOLE_DIFFERENCE] = logf(whole[n] + how.no_difference);
        told[BLANK_DIFFERENCE] = (float)log(blank[n * asked] + how.no_blank);
        told[SUPPOSED] = supposed[n * asked];
        told[COLOURLESS] = (float)grey;
    }
    release(b, 16);
    return fits ? Py_NewRef(Py_None) : NULL;
}

/* The very frame, however little it says: all that is stored agrees within rounding. */
static int is_unaltered(const float *told, double most_different, const double *rounding)
{
    int same = told[DIFFERENCE] <= most_different && told[WHOLE_DIFFERENCE] <= most_different;
    for (int n = BRIGHTNESS_SHIFT; n <= COLOUR_DIFFERENCE; n++)
        same = same && fabsf(told[n]) <= rounding[n - BRIGHTNESS_SHIFT];
    return same;
}

PyObject *probabilities(PyObject *self, PyObject *args)
{
    Py_buffer b[5];
    double bias, most_different, rounding[4], least;
    if (!PyArg_ParseTuple(args, "y*y*y*y*d(d(dddd)d)w*", &b[0], &b[1], &b[2], &b[3], &bias,
                          &most_different, &rounding[0], &rounding[1], &rounding[2], &rounding[3],
                          &least, &b[4]))
        return NULL;
    Py_ssize_t count = rows_in(&b[0], 4, FEATURES);
    int fits = count >= 0 && has(&b[1], 8, FEATURES) && has(&b[2], 8, FEATURES) &&
               has(&b[3], 8, FEATURES) && has(&b[4], 8, count);
    const float *told = b[0].buf;
    const double *mean = b[1].buf, *scale = b[2].buf, *weights = b[3].buf;
    for (Py_ssize_t n = 0; fits && n < count; n++, told += FEATURES) {
        double score = bias;
        for (int k = 0; k < FEATURES; k++)
            /* What says nothing counts as it is on average. */
            score += isnan(told[k]) ? 0 : (told[k] - mean[k]) / scale[k] * weights[k];
        score = score < -30 ? -30 : score > 30 ? 30 : score;
        double probability = 1 / (1 + exp(-score));
        if (probability < least && is_unaltered(told, most_different, rounding))
            probability = least;
        ((double *)b[4].buf)[n] = probability;
    }
    release(b, 5);
    return fits ? Py_NewRef(Py_None) : NULL;
}
