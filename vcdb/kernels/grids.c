/* Means over the cells of a still picture: vcdb.fingerprint.picture. */

#include "grids.h"

/* A place between two pixels: the one before it, and how far it is from there. */
typedef struct {
    Py_ssize_t below;
    double part;
} Place;

int geometry_of(PyObject *tuple, Geometry *where)
{
    double *x = where->x, *y = where->y;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a geometry is a tuple");
        return 0;
    }
    return PyArg_ParseTuple(tuple, "(dddddddddddd)(dddddddd)(dddd)pd", &x[0], &x[1], &x[2], &x[3],
                            &x[4], &x[5], &x[6], &x[7], &x[8], &x[9], &x[10], &x[11], &y[0], &y[1],
                            &y[2], &y[3], &y[4], &y[5], &y[6], &y[7], &where->left, &where->top,
                            &where->right, &where->bottom, &where->mirrored, &where->tolerance);
}

int sums_fit(const Py_buffer *sums, const RunningSums *picture)
{
    if (picture->rows >= 2 && picture->columns >= 2 && picture->rows < PY_SSIZE_T_MAX / 16 &&
        picture->columns < PY_SSIZE_T_MAX / 16 / picture->rows)
        return has(sums, sizeof(int32_t), picture->rows * picture->columns * CHANNELS);
    PyErr_SetString(PyExc_ValueError, "an array of sums has two rows and columns at least");
    return 0;
}

static Place place_of(double position, Py_ssize_t length)
{
    Py_ssize_t below = position >= 0 && position < length ? (Py_ssize_t)position : 0;
    below = below < length - 2 ? below : length - 2;
    return (Place){below, position - below};
}

/* Edges moved into their bounds, as places of `samples` samples; and which of the cells between
   them are there. */
static void clip(const double *edges, int cells, double low, double high, double tolerance,
                 double length, Py_ssize_t samples, double *moved, Place *places, int *known)
{
    double slack = tolerance * (edges[1] - edges[0]);
    for (int k = 0; k <= cells; k++) {
        double edge = edges[k] > low ? edges[k] : low;
        edge = (edge < high ? edge : high) * length;
        moved[k] = edge < samples - 1 ? edge : (double)(samples - 1);
        places[k] = place_of(moved[k], samples);
        if (k < cells)
            known[k] = edges[k] >= low - slack && edges[k + 1] <= high + slack;
    }
}

/* The running sum at a place between pixels, where it is linear. */
static double sum_at(const RunningSums *picture, Place down, Place across, int channel)
{
    const int32_t *above =
        picture->sums + (down.below * picture->columns + across.below) * CHANNELS + channel;
    const int32_t *below = above + picture->columns * CHANNELS;
    double left = above[0] + (below[0] - above[0]) * down.part;
    double right = above[CHANNELS] + (below[CHANNELS] - above[CHANNELS]) * down.part;
    return left + (right - left) * across.part;
}

void grid_of(const RunningSums *picture, const Geometry *where, float *grid)
{
    double down[ROWS + 1], across[COLUMNS + 1], sums[ROWS + 1][COLUMNS + 1];
    Place rows[ROWS + 1], columns[COLUMNS + 1];
    int row_known[ROWS], column_known[COLUMNS];
    clip(where->y, ROWS, where->top, where->bottom, where->tolerance, picture->length_y,
         picture->rows, down, rows, row_known);
    clip(where->x, COLUMNS, where->left, where->right, where->tolerance, picture->length_x,
         picture->columns, across, columns, column_known);
    for (int channel = 0; channel < CHANNELS; channel++) {
        for (int i = 0; i <= ROWS; i++)
            for (int j = 0; j <= COLUMNS; j++)
                sums[i][j] = sum_at(picture, rows[i], columns[j], channel);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++) {
                double sum = (sums[i + 1][j + 1] - sums[i + 1][j]) - (sums[i][j + 1] - sums[i][j]);
                double side = (down[i + 1] - down[i]) * (across[j + 1] - across[j]);
                int column = where->mirrored ? COLUMNS - 1 - j : j;
                /* Sums are in the order of OpenCV, grids are not. */
                float *cell = grid + (i * COLUMNS + column) * CHANNELS + CHANNELS - 1 - channel;
                *cell = row_known[i] && column_known[j] ? (float)(sum / side) : NAN;
            }
    }
}

PyObject *grids(PyObject *self, PyObject *args)
{
    PyObject *geometries;
    RunningSums picture;
    Py_buffer b[2];
    if (!PyArg_ParseTuple(args, "y*nnddO!w*", &b[0], &picture.rows, &picture.columns,
                          &picture.length_y, &picture.length_x, &PyList_Type, &geometries, &b[1]))
        return NULL;
    Py_ssize_t count = PyList_Size(geometries);
    int fits = sums_fit(&b[0], &picture) && has(&b[1], sizeof(float), count * CODES);
    picture.sums = b[0].buf;
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        Geometry where;
        fits = geometry_of(PyList_GetItem(geometries, n), &where);
        if (fits)
            grid_of(&picture, &where, (float *)b[1].buf + n * CODES);
    }
    release(b, 2);
    return fits ? Py_NewRef(Py_None) : NULL;
}
