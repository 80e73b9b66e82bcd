/* Sums over bands of rows and columns of a frame's planes: vcdb.fingerprint.bands. */

#include "kernels.h"

/* Rows of bytes that are added up in 16 bits, and bytes that come from memory together. */
enum { ROWS_IN_16_BITS = 257, LINE = 64 };

#ifdef __GNUC__
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)(address))
#endif

/* A plane of a picture: samples of one or two bytes, `step` bytes apart. */
typedef struct {
    const uint8_t *data;
    Py_ssize_t rows, columns, size, stride, step;
} Plane;

static int plane_in(const Py_buffer *buffer, Plane *plane)
{
    if (buffer->ndim != 2 || buffer->itemsize < 1 || buffer->itemsize > 2) {
        PyErr_SetString(PyExc_ValueError, "an array is no plane of one or two bytes a sample");
        return 0;
    }
    *plane = (Plane){buffer->buf, buffer->shape[0], buffer->shape[1], buffer->itemsize,
                     buffer->strides[0], buffer->strides[1]};
    return 1;
}

INLINED void add_bytes(const uint8_t *row, Py_ssize_t step, uint16_t *sums, Py_ssize_t count)
{
    if (step == 1)
        for (Py_ssize_t k = 0; k < count; k++)
            sums[k] += row[k];
    else
        for (Py_ssize_t k = 0; k < count; k++)
            sums[k] += row[k * step];
}

/* Four rows at once, as sums are written only once for them. Meanwhile the next four are fetched:
   frames lie in memory, not in caches, and by rows that begin anew processors do not see what comes
   next. */
INLINED void add_four(const uint8_t *row, Py_ssize_t stride, uint16_t *sums, Py_ssize_t count)
{
    const uint8_t *second = row + stride, *third = second + stride, *fourth = third + stride;
    for (Py_ssize_t start = 0; start < count; start += LINE) {
        Py_ssize_t stop = start + LINE < count ? start + LINE : count;
        for (int n = 4; n < 8; n++)
            FETCH(row + n * stride + start);
        for (Py_ssize_t k = start; k < stop; k++)
            sums[k] += (uint16_t)(row[k] + second[k] + third[k] + fourth[k]);
    }
}

INLINED void add_words(const uint8_t *row, Py_ssize_t step, uint32_t *sums, Py_ssize_t count)
{
    if (step == sizeof(uint16_t))
        for (Py_ssize_t k = 0; k < count; k++)
            sums[k] += ((const uint16_t *)row)[k];
    else
        for (Py_ssize_t k = 0; k < count; k++)
            sums[k] += *(const uint16_t *)(row + k * step);
}

/* Sums of `count` columns, from `row` on, over some rows; `narrow` is room for as many. */
INLINED void add_rows(const Plane *plane, const uint8_t *row, Py_ssize_t rows, Py_ssize_t count,
                      uint16_t *narrow, uint32_t *sums)
{
    memset(sums, 0, count * sizeof(*sums));
    while (plane->size == 1 && rows > 0) {
        Py_ssize_t here = rows < ROWS_IN_16_BITS ? rows : ROWS_IN_16_BITS;
        memset(narrow, 0, count * sizeof(*narrow));
        Py_ssize_t n = 0;
        for (; plane->step == 1 && n + 4 <= here; n += 4, row += 4 * plane->stride)
            add_four(row, plane->stride, narrow, count);
        for (; n < here; n++, row += plane->stride)
            add_bytes(row, plane->step, narrow, count);
        for (Py_ssize_t k = 0; k < count; k++)
            sums[k] += narrow[k];
        rows -= here;
    }
    for (Py_ssize_t n = 0; n < rows; n++, row += plane->stride)
        add_words(row, plane->step, sums, count);
}

/* Whether numbers (n,) ascend from 0 or more to `limit` at most. */
static int ascend(const Py_buffer *buffer, Py_ssize_t limit)
{
    const int64_t *numbers = buffer->buf;
    Py_ssize_t count = buffer->len / 8;
    int fits = count > 1 && numbers[0] >= 0 && numbers[count - 1] <= limit;
    for (Py_ssize_t n = 1; fits && n < count; n++)
        fits = numbers[n] > numbers[n - 1];
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "bands of an array must ascend within it");
    return fits;
}

WIDE PyObject *band_sums(PyObject *self, PyObject *args)
{
    PyObject *object;
    Py_buffer b[4], data;
    Plane plane;
    if (!PyArg_ParseTuple(args, "Oy*y*y*w*", &object, &b[0], &b[1], &b[2], &b[3]))
        return NULL;
    if (PyObject_GetBuffer(object, &data, PyBUF_STRIDES) < 0) {
        release(b, 4);
        return NULL;
    }
    const int64_t *rows = b[0].buf, *places = b[1].buf, *columns = b[2].buf;
    Py_ssize_t bands = b[0].len / 8 - 1, across = b[2].len / 8 - 1;
    int fits = plane_in(&data, &plane) && ascend(&b[0], plane.rows) &&
               ascend(&b[2], plane.columns) && has(&b[1], 8, bands) && choose_among(&b[1], bands) &&
               has(&b[3], 4, bands * across);
    Py_ssize_t width = fits ? columns[across] - columns[0] : 0;
    uint32_t *sums = fits ? PyMem_Malloc(width * sizeof(*sums)) : NULL;
    uint16_t *narrow = fits ? PyMem_Malloc(width * sizeof(*narrow)) : NULL;
    if (fits && (!sums || !narrow))
        fits = PyErr_NoMemory() != NULL;
    for (Py_ssize_t band = 0; fits && band < bands; band++) {
        const uint8_t *first = plane.data + rows[band] * plane.stride + columns[0] * plane.step;
        float *to = (float *)b[3].buf + places[band] * across;
        add_rows(&plane, first, rows[band + 1] - rows[band], width, narrow, sums);
        for (Py_ssize_t n = 0; n < across; n++) {
            uint64_t total = 0;
            for (Py_ssize_t k = columns[n] - columns[0]; k < columns[n + 1] - columns[0]; k++)
                total += sums[k];
            to[n] = (float)total;
        }
    }
    PyMem_Free(sums);
    PyMem_Free(narrow);
    PyBuffer_Release(&data);
    release(b, 4);
    return fits ? Py_NewRef(Py_None) : NULL;
}
