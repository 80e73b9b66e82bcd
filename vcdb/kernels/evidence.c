/* What speaks for two pictures being the same, and how smooth one is: vcdb.search.evidence,
   vcdb.search.surface. */

#include "pictures.h"

/* Terms of a surface of second degree. */
enum { TERMS = 6 };

typedef struct {
    const double *terms;
    double ridge;
} Surface;

/* A triangle L whose product with its transpose is a sum over cells, for least squares. */
typedef struct {
    double at[TERMS][TERMS];
} Triangle;

static const double *terms_of(const Surface *surface, const int *cell, int k)
{
    return surface->terms + cell[k] * TERMS;
}

/* Of those cells that are `chosen`, or of all where that is NULL. (Cholesky.) */
static Triangle triangle_of(const Surface *surface, const int *cell, int count,
                            const uint8_t *chosen)
{
    Triangle sum = {{{0}}};
    for (int k = 0; k < count; k++) {
        const double *term = terms_of(surface, cell, k);
        for (int i = 0; (!chosen || chosen[k]) && i < TERMS; i++)
            for (int j = 0; j <= i; j++)
                sum.at[i][j] += term[i] * term[j];
    }
    for (int i = 0; i < TERMS; i++) {
        sum.at[i][i] += surface->ridge;
        for (int j = 0; j <= i; j++) {
            for (int n = 0; n < j; n++)
                sum.at[i][j] -= sum.at[i][n] * sum.at[j][n];
            sum.at[i][j] = i == j ? sqrt(sum.at[i][i]) : sum.at[i][j] / sum.at[j][j];
        }
    }
    return sum;
}

/* What values show beside the surface that is nearest to them at the cells that are `chosen`. */
static void beside(const Surface *surface, const Triangle *triangle, const float *values,
                   const int *cell, int count, const uint8_t *chosen, float *detail)
{
    double fit[TERMS] = {0};
    for (int k = 0; k < count; k++)
        for (int i = 0; (!chosen || chosen[k]) && i < TERMS; i++)
            fit[i] += terms_of(surface, cell, k)[i] * values[k];
    for (int i = 0; i < TERMS; i++) {
        for (int n = 0; n < i; n++)
            fit[i] -= triangle->at[i][n] * fit[n];
        fit[i] /= triangle->at[i][i];
    }
    for (int i = TERMS - 1; i >= 0; i--) {
        for (int n = i + 1; n < TERMS; n++)
            fit[i] -= triangle->at[n][i] * fit[n];
        fit[i] /= triangle->at[i][i];
    }
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
static float correlated(const float *x, const float *y, int count, float of_x, float of_y)
{
    float product = 0;
    for (int k = 0; k < count; k++)
        product += x[k] * y[k];
    return product / count / at_least(sqrtf(of_x) * sqrtf(of_y), TINY);
}

static float correlation(const float *x, const float *y, int count)
{
    float ours[CELLS], theirs[CELLS];
    float of_x = centre(x, count, ours), of_y = centre(y, count, theirs);
    return correlated(ours, theirs, count, of_x, of_y);
}

/* Both colours as one row. */
static int colours_of(const float *const *parts, int count, float *row)
{
    memcpy(row, parts[1], count * sizeof(*row));
    memcpy(row + count, parts[2], count * sizeof(*row));
    return 2 * count;
}

typedef struct {
    float colour_correlation, shift, difference;
} Colours;

static Colours compare_colours(const Common *both, float unit, float stored_unit)
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

static float detail_correlation(const Common *both, const Surface *surface)
{
    float x[CELLS], y[CELLS];
    Triangle triangle = triangle_of(surface, both->cell, both->count, NULL);
    beside(surface, &triangle, both->x[0], both->cell, both->count, NULL, x);
    beside(surface, &triangle, both->y[0], both->cell, both->count, NULL, y);
    return correlation(x, y, both->count);
}

PyObject *agreement(PyObject *self, PyObject *args)
{
    Py_buffer b[10];
    Surface surface;
    if (!PyArg_ParseTuple(args, "(y*y*y*)(y*y*y*)y*y*y*dw*", &b[0], &b[1], &b[2], &b[3], &b[4],
                          &b[5], &b[6], &b[7], &b[8], &surface.ridge, &b[9]))
        return NULL;
    enum { TOLD = 5 };
    Py_ssize_t count = pairs_in(b, b + 3), one = b[0].len == 4 * CELLS ? 0 : 1;
    const float *unit = b[6].buf, *stored_unit = b[7].buf;
    float *told = b[9].buf;
    surface.terms = b[8].buf;
    int fits = count >= 0 && has(&b[6], 4, one ? count : 1) && has(&b[7], 4, count) &&
               has(&b[8], 8, CELLS * TERMS) && has(&b[9], 4, count * TOLD);
    for (Py_ssize_t n = 0; fits && n < count; n++, told += TOLD) {
        Common both;
        find_common(&both, picture_at(b, n * one), picture_at(b + 3, n));
        Colours colours = compare_colours(&both, unit[n * one], stored_unit[n]);
        told[0] = correlation(both.x[0], both.y[0], both.count);
        told[1] = colours.colour_correlation;
        told[2] = colours.shift;
        told[3] = colours.difference;
        told[4] = detail_correlation(&both, &surface);
    }
    release(b, 10);
    return fits ? Py_NewRef(Py_None) : NULL;
}
