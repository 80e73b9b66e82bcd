/* Means over the cells of a still picture: vcdb.fingerprint.picture. */

#ifndef VCDB_GRIDS_H
#define VCDB_GRIDS_H

#include "kernels.h"

enum { ROWS = 7, COLUMNS = 11, CHANNELS = 3 };

/* vcdb.fingerprint.geometry.Geometry. */
typedef struct {
    double x[COLUMNS + 1], y[ROWS + 1], left, top, right, bottom, tolerance;
    int mirrored;
} Geometry;

/* vcdb.fingerprint.picture.RunningSums: (rows, columns, 3), BGR, and the picture's lengths. */
typedef struct {
    const int32_t *sums;
    Py_ssize_t rows, columns;
    double length_y, length_x;
} RunningSums;

#pragma GCC visibility push(hidden)
/* False, and an error, where it is no geometry. */
int geometry_of(PyObject *tuple, Geometry *where);

/* False, and ValueError, where there are not so many sums. */
int sums_fit(const Py_buffer *sums, const RunningSums *picture);

/* A grid under a geometry, (7, 11, 3), RGB, NaN where missing. */
void grid_of(const RunningSums *picture, const Geometry *where, float *grid);
#pragma GCC visibility pop

#endif
