/* How different pictures are: vcdb.search.difference, vcdb.search.moment. */

#include "pictures.h"

typedef struct {
    double kept_share, gain[2], saturation[2], colour_weight;
    int fewest;
} Measure;

INLINED float robust_brightness(const Common *both, int kept, const Measure *how)
{
    float x[CELLS], y[CELLS], residual[CELLS];
    int count = both->count;
    float chosen = 0, of_x = 0, of_y = 0, power = 0, product = 0;
    standardise(both->x[0], count, x);
    standardise(both->y[0], count, y);
    for (int k = 0; k < count; k++)
        residual[k] = fabsf(x[k] - y[k]);
    float worst = bound_of(residual, count, kept);
    for (int k = 0; k < count; k++) {
        float here = residual[k] <= worst ? 1.0f : 0.0f;
        chosen += here, of_x += here * x[k], of_y += here * y[k];
        power += here * y[k] * y[k], product += here * x[k] * y[k];
    }
    of_x /= chosen, of_y /= chosen;
    power = at_least(power / chosen - of_y * of_y, TINY), product = product / chosen - of_x * of_y;
    float gain = bounded(product / power, how->gain[0], how->gain[1]), offset = of_x - gain * of_y;
    for (int k = 0; k < count; k++)
        residual[k] = fabsf(x[k] - gain * y[k] - offset);
    return mean_of_smallest(residual, count, kept);
}

INLINED float robust_colour(const float *x, const float *y, int count, int kept, const Measure *how)
{
    float ours[CELLS], theirs[CELLS], product = 0;
    centre(x, count, ours);
    float power = at_least(centre(y, count, theirs), TINY);
    for (int k = 0; k < count; k++)
        product += ours[k] * theirs[k];
    float saturation = bounded(product / count / power, how->saturation[0], how->saturation[1]);
    for (int k = 0; k < count; k++)
        ours[k] = fabsf(ours[k] - saturation * theirs[k]);
    return mean_of_smallest(ours, count, kept);
}

INLINED float robust_difference(const Common *both, const Measure *how)
{
    int count = both->count, kept = (int)rint(how->kept_share * count);
    if (count < how->fewest)
        return INFINITY;
    kept = kept > how->fewest ? kept : how->fewest;
    float colour = robust_colour(both->x[1], both->y[1], count, kept, how) +
                   robust_colour(both->x[2], both->y[2], count, kept, how);
    return robust_brightness(both, kept, how) + (float)how->colour_weight * colour;
}

INLINED float whole_difference(const Common *both, const Measure *how)
{
    float change[CELLS];
    int count = both->count;
    if (count < how->fewest)
        return INFINITY;
    for (int k = 0; k < count; k++)
        change[k] = both->x[0][k] - both->y[0][k];
    /* Of an even number, any value between the middle two does as well. */
    float middle = value_at(change, count, count / 2);
    for (int k = 0; k < count; k++)
        change[k] = fabsf(change[k] - middle);
    return mean(change, count);
}

WIDE PyObject *differences(PyObject *self, PyObject *args)
{
    Py_buffer b[8];
    Measure how;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*(di(dd)(dd)d)w*w*", &b[0], &b[1], &b[2], &b[3],
                          &b[4], &b[5], &how.kept_share, &how.fewest, &how.gain[0],
                          &how.gain[1], &how.saturation[0], &how.saturation[1],
                          &how.colour_weight, &b[6], &b[7]))
        return NULL;
    Py_ssize_t count = pairs_in(b, b + 3), one = b[0].len == 4 * CELLS ? 0 : 1;
    int wanted = b[7].len > 0;
    int fits = count >= 0 && has(&b[6], 4, count) && (!wanted || has(&b[7], 4, count));
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        Common both;
        find_common(&both, picture_at(b, n * one), picture_at(b + 3, n));
        ((float *)b[6].buf)[n] = robust_difference(&both, &how);
        if (wanted)
            ((float *)b[7].buf)[n] = whole_difference(&both, &how);
    }
    release(b, 8);
    return fits ? Py_NewRef(Py_None) : NULL;
}

typedef struct {
    float level_weight, most_brighter, most_contrast, colour_weight, floor;
    float most_of_a_cell, most_times, noise;
    double held_back[3], saturation[2], of_one_colour[2];
    float luma[2];
    int fits;
} Placing;

/* Offset, gain and bend by weighted least squares: vcdb.search.tone.fitted. */
INLINED void fit_tone(const float *x, const float *y, const float *weights, int count,
                      const double *held_back, float *fitted)
{
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, t0 = 0, t1 = 0, t2 = 0;
    for (int k = 0; k < count; k++) {
        float one = weights[k], first = one * y[k], second = first * y[k], third = second * y[k];
        s0 += one, s1 += first, s2 += second, s3 += third, s4 += third * y[k];
        t0 += one * x[k], t1 += first * x[k], t2 += second * x[k];
    }
    double a = s0 + held_back[0], d = s2 + held_back[1], f = s4 + held_back[2];
    double b = s1, c = s2, e = s3;
    double of_a = d * f - e * e, of_b = c * e - b * f, of_c = b * e - c * d;
    double of_d = a * f - c * c, of_e = b * c - a * e, of_f = a * d - b * b;
    double whole = a * of_a + b * of_b + c * of_c;
    fitted[0] = (float)((of_a * t0 + of_b * t1 + of_c * t2) / whole);
    fitted[1] = (float)((of_b * t0 + of_d * t1 + of_e * t2) / whole);
    fitted[2] = (float)((of_c * t0 + of_e * t1 + of_f * t2) / whole);
}

INLINED float middle_size(const float *values, int count)
{
    float size[CELLS];
    for (int k = 0; k < count; k++)
        size[k] = fabsf(values[k]);
    return value_at(size, count, count / 2);
}

INLINED float brightness_distance(const Common *both, int grey, const Placing *how)
{
    float x[CELLS], y[CELLS], shown[CELLS], left_over[CELLS], weights[CELLS], total = 0;
    int count = both->count;
    for (int k = 0; grey && k < count; k++)
        shown[k] = both->y[0][k] + (how->luma[0] * both->y[1][k] + how->luma[1] * both->y[2][k]);
    standardise(both->x[0], count, x);
    standardise(grey ? shown : both->y[0], count, y);
    for (int k = 0; k < count; k++)
        left_over[k] = x[k] - y[k];
    for (int n = 0; n < how->fits; n++) {
        float scale = at_least(2 * middle_size(left_over, count), how->noise), tone[3];
        for (int k = 0; k < count; k++) {
            float part = left_over[k] / scale;
            weights[k] = 1 / (1 + part * part);
        }
        fit_tone(x, y, weights, count, how->held_back, tone);
        for (int k = 0; k < count; k++)
            left_over[k] = x[k] - (tone[0] + y[k] * (tone[1] + tone[2] * y[k]));
    }
    float most = at_least(how->most_times * middle_size(left_over, count), how->most_of_a_cell);
    for (int k = 0; k < count; k++) {
        float size = fabsf(left_over[k]);
        size = size < most ? size : most;
        total += size * size;
    }
    return sqrtf(total / count);
}

INLINED float colour_distance(const Common *both, float stored_scale, const Placing *how)
{
    float x[2][CELLS], y[2][CELLS], change[CELLS], product[2], power[2], total = 0;
    int count = both->count;
    for (int part = 0; part < 2; part++) {
        float sum = 0;
        centre(both->x[part + 1], count, x[part]);
        power[part] = centre(both->y[part + 1], count, y[part]) * stored_scale * stored_scale;
        power[part] = at_least(power[part], TINY);
        for (int k = 0; k < count; k++) {
            y[part][k] *= stored_scale;
            sum += x[part][k] * y[part][k];
        }
        product[part] = sum / count;
    }
    float all = bounded((product[0] + product[1]) / (power[0] + power[1]), how->saturation[0],
                        how->saturation[1]);
    for (int part = 0; part < 2; part++) {
        float saturation = bounded(product[part] / power[part], all * how->of_one_colour[0],
                                   all * how->of_one_colour[1]);
        for (int k = 0; k < count; k++)
            change[k] = x[part][k] - saturation * y[part][k];
        float middle = value_at(change, count, count / 2);
        for (int k = 0; k < count; k++)
            change[k] = fabsf(change[k] - middle);
        total += mean(change, count);
    }
    return total;
}

/* How far the levels are from each other: brightness and contrast change slowly in a scene. */
INLINED float level_distance(Level ours, Level theirs, const Placing *how)
{
    float unit = at_least(ours.deviation, how->floor);
    float brighter = at_most(fabsf(ours.mean - theirs.mean), how->most_brighter) / unit;
    float contrast = fabsf(logf(theirs.deviation / ours.deviation));
    return how->level_weight * (brighter + at_most(contrast, how->most_contrast));
}

WIDE PyObject *distances(PyObject *self, PyObject *args)
{
    Py_buffer b[11];
    Placing how;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*y*((fffff)(fff)(ddd)(dd)(dd)(ff)i)w*", &b[0],
                          &b[1], &b[2], &b[6], &b[7], &b[3], &b[4], &b[5], &b[8], &b[9],
                          &how.level_weight, &how.most_brighter, &how.most_contrast,
                          &how.colour_weight, &how.floor, &how.most_of_a_cell, &how.most_times,
                          &how.noise, &how.held_back[0], &how.held_back[1], &how.held_back[2],
                          &how.saturation[0], &how.saturation[1], &how.of_one_colour[0],
                          &how.of_one_colour[1], &how.luma[0], &how.luma[1], &how.fits, &b[10]))
        return NULL;
    Py_ssize_t count = pairs_in(b, b + 3), one = b[0].len == 4 * CELLS ? 0 : 1;
    float *distance = b[10].buf;
    int fits = count >= 0 && levels_fit(&b[6], one ? count : 1) && levels_fit(&b[8], count) &&
               has(&b[10], 4, count);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        Picture query = picture_at(b, n * one);
        Level ours = level_at(&b[6], n * one), theirs = level_at(&b[8], n);
        int grey = is_colourless(query);
        Common both;
        find_common(&both, query, picture_at(b + 3, n));
        if (!both.count) {
            distance[n] = NAN;
            continue;
        }
        distance[n] = level_distance(ours, theirs, &how) + brightness_distance(&both, grey, &how);
        /* A grey copy's colour says nothing. */
        if (!grey)
            distance[n] += how.colour_weight * ours.deviation /
                           at_least(ours.deviation, how.floor) *
                           colour_distance(&both, theirs.deviation / ours.deviation, &how);
    }
    release(b, 11);
    return fits ? Py_NewRef(Py_None) : NULL;
}
