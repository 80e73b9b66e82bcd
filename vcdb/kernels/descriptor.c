/* What codes stand for, and what a query's grids do: vcdb.fingerprint.descriptor. */

#include "kernels.h"

enum { MISSING = -128 };

PyObject *values(PyObject *self, PyObject *args)
{
    Py_buffer b[5];
    float brightness_steps, colour_steps, floor;
    if (!PyArg_ParseTuple(args, "y*y*fffw*w*w*", &b[0], &b[1], &brightness_steps, &colour_steps,
                          &floor, &b[2], &b[3], &b[4]))
        return NULL;
    Py_ssize_t count = rows_in(&b[0], 1, CODES);
    int fits = count >= 0 && has(&b[1], 4, count) && has(&b[2], 4, count * CELLS) &&
               has(&b[3], 4, count * CELLS) && has(&b[4], 4, count * CELLS);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        const int8_t *codes = (const int8_t *)b[0].buf + n * CODES;
        float unit = ((const float *)b[1].buf)[n];
        float scale = (unit > floor ? unit : floor) / unit / colour_steps;
        float *brightness = (float *)b[2].buf + n * CELLS;
        for (int k = 0; k < CELLS; k++)
            brightness[k] = codes[k] == MISSING ? NAN : (codes[k] + 0.5f) / brightness_steps;
        for (int part = 1; part < 3; part++) {
            float *colour = (float *)b[2 + part].buf + n * CELLS;
            for (int k = 0; k < CELLS; k++) {
                int code = codes[part * CELLS + k];
                colour[k] = code == MISSING ? NAN : code * scale;
            }
        }
    }
    release(b, 5);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static void level(const float *rgb, const int64_t *chosen, Py_ssize_t some, float lowest,
                  float *const *parts, float *mean, float *deviation)
{
    float brightness[CELLS], power = 0;
    *mean = 0;
    for (int k = 0; k < CELLS; k++)
        brightness[k] = (rgb[3 * k] + rgb[3 * k + 1] + rgb[3 * k + 2]) / 3;
    for (Py_ssize_t n = 0; n < some; n++)
        *mean += brightness[chosen[n]] / some;
    for (int k = 0; k < CELLS; k++)
        brightness[k] -= *mean;
    for (Py_ssize_t n = 0; n < some; n++)
        power += brightness[chosen[n]] * brightness[chosen[n]] / some;
    /* Where a chosen cell is missing it is not known. */
    *deviation = sqrtf(power) < lowest ? lowest : sqrtf(power);
    for (int k = 0; k < CELLS; k++) {
        float red = rgb[3 * k], green = rgb[3 * k + 1], blue = rgb[3 * k + 2];
        parts[0][k] = brightness[k] / *deviation;
        parts[1][k] = (red - green) / *deviation;
        parts[2][k] = (blue - (red + green) / 2) / *deviation;
    }
}

PyObject *levels_of_grids(PyObject *self, PyObject *args)
{
    Py_buffer b[7];
    float lowest;
    if (!PyArg_ParseTuple(args, "y*y*fw*w*w*w*w*", &b[0], &b[1], &lowest, &b[2], &b[3], &b[4],
                          &b[5], &b[6]))
        return NULL;
    Py_ssize_t count = rows_in(&b[0], 4, CODES), some = rows_in(&b[1], 8, 1);
    int fits = count >= 0 && some >= 0 && choose_among(&b[1], CELLS) &&
               has(&b[2], 4, count * CELLS) && has(&b[3], 4, count * CELLS) &&
               has(&b[4], 4, count * CELLS) && has(&b[5], 4, count) && has(&b[6], 4, count);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        float *parts[3];
        for (int part = 0; part < 3; part++)
            parts[part] = (float *)b[2 + part].buf + n * CELLS;
        level((const float *)b[0].buf + n * CODES, b[1].buf, some, lowest, parts,
              (float *)b[5].buf + n, (float *)b[6].buf + n);
    }
    release(b, 7);
    return fits ? Py_NewRef(Py_None) : NULL;
}
