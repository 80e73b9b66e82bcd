/* Runs of a scene that look the same, or best among neighbours: vcdb.search.candidates,
   vcdb.search.moment. */

#include "kernels.h"

PyObject *alike(PyObject *self, PyObject *args)
{
    Py_buffer b;
    Py_ssize_t row;
    float within;
    if (!PyArg_ParseTuple(args, "y*nf", &b, &row, &within))
        return NULL;
    const float *distance = b.buf;
    Py_ssize_t count = rows_in(&b, 4, 1), start = row, stop = row + 1;
    int fits = count >= 0;
    if (fits && (row < 0 || row >= count)) {
        PyErr_SetString(PyExc_ValueError, "an array has no such row");
        fits = 0;
    }
    if (fits) {
        float limit = distance[row] + within;
        while (start > 0 && !(distance[start - 1] > limit))
            start--;
        while (stop < count && !(distance[stop] > limit))
            stop++;
    }
    release(&b, 1);
    return fits ? Py_BuildValue("nn", start, stop) : NULL;
}

PyObject *local_minima(PyObject *self, PyObject *args)
{
    Py_buffer b[2];
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1]))
        return NULL;
    const float *values = b[0].buf;
    int64_t *rows = b[1].buf;
    Py_ssize_t count = rows_in(&b[0], 4, 1), found = 0;
    int fits = count >= 0 && has(&b[1], 8, count);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        float before = n ? values[n - 1] : INFINITY;
        float after = n + 1 < count ? values[n + 1] : INFINITY;
        if (values[n] < before && values[n] <= after)
            rows[found++] = n;
    }
    release(b, 2);
    return fits ? PyLong_FromSsize_t(found) : NULL;
}
