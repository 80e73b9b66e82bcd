/* Grey and tinted pictures: vcdb.search.tint. */

#include "least_squares.h"
#include "pictures.h"

/* A polynomial of the third degree. */
enum { TONES = 4 };

/* The mean square of a colour that does not follow the tone of its cells. */
static double own_power(const Triangle *triangle, const double (*powers)[TONES],
                        const float *colour, int count)
{
    double fit[TONES] = {0}, total = 0;
    for (int k = 0; k < count; k++)
        for (int n = 0; n < TONES; n++)
            fit[n] += powers[k][n] * colour[k];
    solve(triangle, TONES, fit);
    for (int k = 0; k < count; k++) {
        double own = colour[k];
        for (int n = 0; n < TONES; n++)
            own -= powers[k][n] * fit[n];
        total += own * own;
    }
    return total / count;
}

PyObject *is_tinted(PyObject *self, PyObject *args)
{
    Py_buffer b[5];
    double tones, ridge, least_colour;
    if (!PyArg_ParseTuple(args, "y*y*y*y*dddw*", &b[0], &b[1], &b[2], &b[3], &tones, &ridge,
                          &least_colour, &b[4]))
        return NULL;
    Py_ssize_t pictures = rows_in(&b[0], 4, CELLS);
    int fits = pictures >= 0 && has(&b[1], 4, pictures * CELLS) &&
               has(&b[2], 4, pictures * CELLS) && has(&b[3], 4, pictures) &&
               has(&b[4], 1, pictures);
    for (Py_ssize_t n = 0; fits && n < pictures; n++) {
        Common both;
        double powers[CELLS][TONES];
        Triangle sum = {{{0}}};
        find_common(&both, picture_at(b, n), picture_at(b, n));
        for (int k = 0; k < both.count; k++) {
            double tone = bounded((float)(both.x[0][k] / tones), -1, 1);
            powers[k][0] = 1;
            for (int power = 1; power < TONES; power++)
                powers[k][power] = powers[k][power - 1] * tone;
            for (int i = 0; i < TONES; i++)
                for (int j = 0; j <= i; j++)
                    sum.at[i][j] += powers[k][i] * powers[k][j];
        }
        for (int i = 0; i < TONES; i++)
            sum.at[i][i] += ridge;
        decompose(&sum, TONES);
        double power = own_power(&sum, powers, both.x[1], both.count);
        double other = own_power(&sum, powers, both.x[2], both.count);
        double own = sqrt(power > other ? power : other) * ((const float *)b[3].buf)[n];
        ((uint8_t *)b[4].buf)[n] = own < least_colour;
    }
    release(b, 5);
    return fits ? Py_NewRef(Py_None) : NULL;
}

/* What makes a channel follow another one. */
typedef struct {
    int full;
    double least_share, gain[2], noise;
} Following;

static int follows(const uint8_t *channel, const uint8_t *other, Py_ssize_t count,
                   const Following *how)
{
    Py_ssize_t open = 0;
    double x = 0, y = 0, power = 0, product = 0, apart = 0;
    for (Py_ssize_t n = 0; n < 3 * count; n += 3)
        if (channel[n] < how->full && other[n] < how->full) {
            x += other[n], y += channel[n];
            open++;
        }
    if (!open || open < how->least_share * count)
        return 0;
    x /= open, y /= open;
    for (Py_ssize_t n = 0; n < 3 * count; n += 3)
        if (channel[n] < how->full && other[n] < how->full) {
            power += (other[n] - x) * (other[n] - x);
            product += (other[n] - x) * channel[n];
        }
    double gain = product / (power > 1e-6 ? power : 1e-6);
    if (!(how->gain[0] <= gain && gain <= how->gain[1]))
        return 0;
    for (Py_ssize_t n = 0; n < 3 * count; n += 3) {
        double expected = gain * (other[n] - x) + y;
        expected = expected < 0 ? 0 : expected > 255 ? 255 : expected;
        apart += (expected - channel[n]) * (expected - channel[n]);
    }
    return sqrt(apart / count) <= how->noise;
}

PyObject *is_toned(PyObject *self, PyObject *args)
{
    Py_buffer b;
    Following how;
    if (!PyArg_ParseTuple(args, "y*(id(dd)d)", &b, &how.full, &how.least_share, &how.gain[0],
                          &how.gain[1], &how.noise))
        return NULL;
    const uint8_t *pixels = b.buf;
    Py_ssize_t count = rows_in(&b, 1, 3), full[3] = {0, 0, 0};
    int fits = count >= 0, toned = count > 0, least = 0;
    for (Py_ssize_t n = 0; fits && n < 3 * count; n++)
        full[n % 3] += pixels[n] >= how.full;
    for (int channel = 1; channel < 3; channel++)
        least = full[channel] < full[least] ? channel : least;
    for (int channel = 0; fits && toned && channel < 3; channel++)
        toned = channel == least || follows(pixels + channel, pixels + least, count, &how);
    release(&b, 1);
    return fits ? PyBool_FromLong(toned) : NULL;
}
