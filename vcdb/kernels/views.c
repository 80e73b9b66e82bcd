/* A query under one geometry, and fits of it to stored runs: vcdb.search.views. */

#include "grids.h"
#include "least_squares.h"
#include "pictures.h"

/* A change of geometry: scale and shift of either axis; of a fit, gain and offset come first. */
enum { CHANGES = 4, FITTED = 2 + CHANGES };

typedef struct {
    double noise, free, most_left_over, held_back[CHANGES], most[CHANGES];
    int fewest;
} Fitting;

#define FITTING "(dddi(dddd)(dddd))"
#define FITTING_OF(how) \
    &(how).noise, &(how).free, &(how).most_left_over, &(how).fewest, &(how).held_back[0], \
        &(how).held_back[1], &(how).held_back[2], &(how).held_back[3], &(how).most[0], \
        &(how).most[1], &(how).most[2], &(how).most[3]

static void brightness_under(const RunningSums *picture, Geometry where, double x, double y,
                             double *brightness)
{
    float grid[CODES];
    for (int k = 0; k <= COLUMNS; k++)
        where.x[k] += x;
    for (int k = 0; k <= ROWS; k++)
        where.y[k] += y;
    grid_of(picture, &where, grid);
    for (int cell = 0; cell < CELLS; cell++) {
        const float *rgb = grid + cell * CHANNELS;
        brightness[cell] = ((double)rgb[0] + (double)rgb[1] + (double)rgb[2]) / 3;
    }
}

static double unit_of(const double *here, double least)
{
    double sum = 0, power = 0;
    int count = 0;
    for (int cell = 0; cell < CELLS; cell++)
        if (!isnan(here[cell])) {
            sum += here[cell];
            count++;
        }
    for (int cell = 0; cell < CELLS; cell++)
        if (!isnan(here[cell]))
            power += (here[cell] - sum / count) * (here[cell] - sum / count);
    double deviation = count ? sqrt(power / count) : 0;
    return deviation > least ? deviation : least;
}

PyObject *view(PyObject *self, PyObject *args)
{
    PyObject *tuple;
    RunningSums picture;
    Geometry where;
    Py_buffer b[4];
    double reach, least_unit, side[4][CELLS];
    if (!PyArg_ParseTuple(args, "y*nnddOddw*w*w*", &b[0], &picture.rows, &picture.columns,
                          &picture.length_y, &picture.length_x, &tuple, &reach, &least_unit, &b[1],
                          &b[2], &b[3]))
        return NULL;
    picture.sums = b[0].buf;
    double *here = b[1].buf, *slopes = b[2].buf, *turn = b[3].buf;
    int fits = sums_fit(&b[0], &picture) && geometry_of(tuple, &where) && has(&b[1], 8, CELLS) &&
               has(&b[2], 8, CELLS * CHANGES) && has(&b[3], 8, CELLS);
    if (fits) {
        double x = reach * (where.x[1] - where.x[0]), y = reach * (where.y[1] - where.y[0]);
        brightness_under(&picture, where, 0, 0, here);
        /* Cells may then reach over the edge a bit. */
        where.tolerance += reach;
        brightness_under(&picture, where, -x, 0, side[0]);
        brightness_under(&picture, where, x, 0, side[1]);
        brightness_under(&picture, where, 0, -y, side[2]);
        brightness_under(&picture, where, 0, y, side[3]);
        for (int cell = 0; cell < CELLS; cell++) {
            double across = (side[1][cell] - side[0][cell]) / (2 * reach);
            double down = (side[3][cell] - side[2][cell]) / (2 * reach);
            double u = cell % COLUMNS - (COLUMNS - 1) / 2.0, v = cell / COLUMNS - (ROWS - 1) / 2.0;
            u = where.mirrored ? -u : u;
            double by[CHANGES] = {across * u, across, down * v, down};
            memcpy(slopes + cell * CHANGES, by, sizeof(by));
            turn[cell] = down * u - across * v;
            if (isnan(across) || isnan(down))
                here[cell] = NAN;
        }
        double unit = unit_of(here, least_unit);
        for (int cell = 0; cell < CELLS; cell++)
            here[cell] /= unit, turn[cell] /= unit;
        for (int n = 0; n < CELLS * CHANGES; n++)
            slopes[n] /= unit;
    }
    release(b, 4);
    return fits ? Py_NewRef(Py_None) : NULL;
}

/* The cells that a query and a run have, and what is left over at the best gain and offset. */
typedef struct {
    int count, cell[CELLS];
    double here[CELLS], there[CELLS], residual[CELLS];
} Levelled;

/* Cauchy's, by the median size. */
INLINED void weights_of(const double *residual, int count, double noise, double *weights)
{
    float size[CELLS];
    for (int k = 0; k < count; k++)
        size[k] = (float)fabs(residual[k]);
    double upper = value_at(size, count, count / 2);
    double both = upper + (count % 2 ? upper : value_at(size, count, count / 2 - 1));
    double scale = both > noise ? both : noise;
    for (int k = 0; k < count; k++) {
        double part = residual[k] / scale;
        weights[k] = 1 / (1 + part * part);
    }
}

INLINED void off_line(Levelled *both, const double *weights, double free)
{
    double a = free, b = 0, c = free, u = 0, v = 0;
    for (int k = 0; k < both->count; k++) {
        double weighted = weights[k] * both->there[k];
        a += weighted * both->there[k], b += weighted, c += weights[k];
        u += weighted * both->here[k], v += weights[k] * both->here[k];
    }
    double whole = a * c - b * b, gain = (c * u - b * v) / whole, offset = (a * v - b * u) / whole;
    for (int k = 0; k < both->count; k++)
        both->residual[k] = both->here[k] - both->there[k] * gain - offset;
}

/* False where too few cells are common. */
INLINED int level(const double *here, const float *stored, const Fitting *how, Levelled *both)
{
    double weights[CELLS];
    both->count = 0;
    for (int cell = 0; cell < CELLS; cell++)
        if (!isnan(here[cell]) && !isnan(stored[cell])) {
            both->cell[both->count] = cell;
            both->here[both->count] = here[cell];
            both->there[both->count] = stored[cell];
            weights[both->count++] = 1;
        }
    if (both->count < how->fewest || !both->count)
        return 0;
    off_line(both, weights, how->free);
    for (int n = 0; n < 2; n++) {
        weights_of(both->residual, both->count, how->noise, weights);
        off_line(both, weights, how->free);
    }
    return 1;
}

INLINED double mean_left_over(const double *residual, int count, double most)
{
    double total = 0;
    for (int k = 0; k < count; k++) {
        double size = fabs(residual[k]);
        total += size < most ? size : most;
    }
    return total / count;
}

PyObject *left_over_of(PyObject *self, PyObject *args)
{
    Py_buffer b[2];
    Fitting how;
    Levelled both;
    double left_over = INFINITY;
    if (!PyArg_ParseTuple(args, "y*y*" FITTING, &b[0], &b[1], FITTING_OF(how)))
        return NULL;
    int fits = has(&b[0], 8, CELLS) && has(&b[1], 4, CELLS);
    if (fits && level(b[0].buf, b[1].buf, &how, &both))
        left_over = mean_left_over(both.residual, both.count, how.most_left_over);
    release(b, 2);
    return fits ? PyFloat_FromDouble(left_over) : NULL;
}

static double within(double change, double most)
{
    return change < -most ? -most : change > most ? most : change;
}

/* Gain, offset and change of geometry that go best, by weighted least squares. */
INLINED void fit(const Levelled *both, const double *slopes, const double *weights,
                 const Fitting *how, double *fitted)
{
    Triangle sum = {{{0}}};
    memset(fitted, 0, FITTED * sizeof(*fitted));
    for (int k = 0; k < both->count; k++) {
        const double *by = slopes + both->cell[k] * CHANGES;
        double column[FITTED] = {both->there[k], 1, -by[0], -by[1], -by[2], -by[3]};
        for (int i = 0; i < FITTED; i++) {
            double weighted = weights[k] * column[i];
            fitted[i] += weighted * both->here[k];
            for (int j = 0; j <= i; j++)
                sum.at[i][j] += weighted * column[j];
        }
    }
    for (int i = 0; i < FITTED; i++)
        sum.at[i][i] += i < 2 ? how->free : how->held_back[i - 2];
    decompose(&sum, FITTED);
    solve(&sum, FITTED, fitted);
}

WIDE PyObject *step(PyObject *self, PyObject *args)
{
    Py_buffer b[4];
    Fitting how;
    Levelled both;
    double left_over = INFINITY;
    if (!PyArg_ParseTuple(args, "y*y*y*" FITTING "w*", &b[0], &b[1], &b[2], FITTING_OF(how), &b[3]))
        return NULL;
    const double *slopes = b[1].buf;
    double *change = b[3].buf;
    int fits = has(&b[0], 8, CELLS) && has(&b[1], 8, CELLS * CHANGES) && has(&b[2], 4, CELLS) &&
               has(&b[3], 8, CHANGES);
    if (fits)
        memset(change, 0, CHANGES * sizeof(*change));
    if (fits && level(b[0].buf, b[2].buf, &how, &both)) {
        double weights[CELLS], fitted[FITTED], residual[CELLS];
        weights_of(both.residual, both.count, how.noise, weights);
        fit(&both, slopes, weights, &how, fitted);
        for (int k = 0; k < both.count; k++) {
            const double *by = slopes + both.cell[k] * CHANGES;
            residual[k] = both.here[k] - fitted[0] * both.there[k] - fitted[1];
            for (int n = 0; n < CHANGES; n++)
                residual[k] += fitted[2 + n] * by[n];
        }
        weights_of(residual, both.count, how.noise, weights);
        fit(&both, slopes, weights, &how, fitted);
        for (int n = 0; n < CHANGES; n++)
            change[n] = within(fitted[2 + n], how.most[n]);
        left_over = mean_left_over(both.residual, both.count, how.most_left_over);
    }
    release(b, 4);
    return fits ? PyFloat_FromDouble(left_over) : NULL;
}

/* The cells that a query has and the first of n runs, and the query there, with mean 0. */
typedef struct {
    int count, cell[CELLS];
    float here[CELLS];
} Known;

static Known known_of(const double *here, const float *stored)
{
    Known known = {0};
    for (int cell = 0; cell < CELLS; cell++)
        if (!isnan(here[cell]) && !isnan(stored[cell])) {
            known.cell[known.count] = cell;
            known.here[known.count++] = (float)here[cell];
        }
    if (known.count)
        centre(known.here, known.count, known.here);
    return known;
}

/* A run at the best gain, less the query. */
INLINED void take_apart(const Known *known, const float *stored, float *residual)
{
    float product = 0, power = 0;
    for (int k = 0; k < known->count; k++) {
        float value = stored[known->cell[k]];
        residual[k] = isnan(value) ? 0 : value;
    }
    centre(residual, known->count, residual);
    for (int k = 0; k < known->count; k++) {
        product += residual[k] * known->here[k];
        power += residual[k] * residual[k];
    }
    float gain = product / at_least(power, TINY);
    for (int k = 0; k < known->count; k++)
        residual[k] = residual[k] * gain - known->here[k];
}

INLINED float short_mean(const float *residual, int count, float most)
{
    float total = 0;
    for (int k = 0; k < count; k++) {
        float size = fabsf(residual[k]);
        total += size < most ? size : most;
    }
    return total / count;
}

WIDE PyObject *left_over_by_runs(PyObject *self, PyObject *args)
{
    Py_buffer b[3];
    Fitting how;
    if (!PyArg_ParseTuple(args, "y*y*" FITTING "w*", &b[0], &b[1], FITTING_OF(how), &b[2]))
        return NULL;
    Py_ssize_t count = rows_in(&b[1], 4, CELLS);
    int fits = has(&b[0], 8, CELLS) && count >= 0 && has(&b[2], 4, count);
    const float *stored = b[1].buf;
    float *left_over = b[2].buf, residual[CELLS];
    if (fits && count) {
        Known known = known_of(b[0].buf, stored);
        for (Py_ssize_t n = 0; n < count; n++, stored += CELLS) {
            if (known.count < how.fewest || !known.count) {
                left_over[n] = INFINITY;
                continue;
            }
            take_apart(&known, stored, residual);
            left_over[n] = short_mean(residual, known.count, (float)how.most_left_over);
        }
    }
    release(b, 3);
    return fits ? Py_NewRef(Py_None) : NULL;
}

/* The slopes of known cells, less their means; and what turns what is left over into the change
   that explains most of it. */
INLINED void invert(const Known *known, const double *slopes, const Fitting *how,
                    float (*by)[CELLS], float (*inverse)[CELLS])
{
    Triangle sum = {{{0}}};
    double own[CHANGES][CELLS];
    for (int n = 0; n < CHANGES; n++) {
        double mean = 0;
        for (int k = 0; k < known->count; k++)
            mean += slopes[known->cell[k] * CHANGES + n];
        mean /= known->count;
        for (int k = 0; k < known->count; k++)
            own[n][k] = slopes[known->cell[k] * CHANGES + n] - mean;
    }
    for (int i = 0; i < CHANGES; i++)
        for (int j = 0; j <= i; j++) {
            for (int k = 0; k < known->count; k++)
                sum.at[i][j] += own[i][k] * own[j][k];
            sum.at[i][j] += i == j ? how->held_back[i] : 0;
        }
    decompose(&sum, CHANGES);
    for (int k = 0; k < known->count; k++) {
        double column[CHANGES];
        for (int n = 0; n < CHANGES; n++)
            by[n][k] = (float)(column[n] = own[n][k]);
        solve(&sum, CHANGES, column);
        for (int n = 0; n < CHANGES; n++)
            inverse[n][k] = (float)column[n];
    }
}

WIDE PyObject *likely_changes(PyObject *self, PyObject *args)
{
    Py_buffer b[5];
    Fitting how;
    if (!PyArg_ParseTuple(args, "y*y*y*" FITTING "w*w*", &b[0], &b[1], &b[2], FITTING_OF(how),
                          &b[3], &b[4]))
        return NULL;
    Py_ssize_t count = rows_in(&b[2], 4, CELLS);
    int fits = has(&b[0], 8, CELLS) && has(&b[1], 8, CELLS * CHANGES) && count >= 0 &&
               has(&b[3], 4, count * CHANGES) && has(&b[4], 4, count);
    const float *stored = b[2].buf;
    float *changes = b[3].buf, *left_over = b[4].buf;
    float by[CHANGES][CELLS], inverse[CHANGES][CELLS], residual[CELLS];
    if (fits && count) {
        Known known = known_of(b[0].buf, stored);
        invert(&known, b[1].buf, &how, by, inverse);
        for (Py_ssize_t n = 0; n < count; n++, stored += CELLS, changes += CHANGES) {
            take_apart(&known, stored, residual);
            for (int i = 0; i < CHANGES; i++) {
                float change = 0;
                for (int k = 0; k < known.count; k++)
                    change += residual[k] * inverse[i][k];
                changes[i] = (float)within(change, how.most[i]);
            }
            for (int i = 0; i < CHANGES; i++)
                for (int k = 0; k < known.count; k++)
                    residual[k] -= changes[i] * by[i][k];
            left_over[n] = short_mean(residual, known.count, (float)how.most_left_over);
        }
    }
    release(b, 5);
    return fits ? Py_NewRef(Py_None) : NULL;
}
