/* What the files of this folder share.

   Each function that Python calls does what a numpy form beside its caller does, which is used
   where this was not built; how and why is told there. Arrays come as C-contiguous buffers. Their
   lengths are checked, and numbers that choose within them, so that no argument makes it read
   elsewhere. None comes within a tuple: for those that do, Python's parsing of arguments makes no
   room, and writes beyond what it has. */

#ifndef VCDB_KERNELS_H
#define VCDB_KERNELS_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stored values are little-endian, and are read where they lie"
#endif

/* A picture's cells, the codes of a descriptor, and a row of a stored block: vcdb.fingerprint. */
enum { CELLS = 77, CODES = 3 * CELLS, ROW = CODES + 2 };
/* Bits of a posting's place: vcdb.store.codec. */
enum { RUN_BITS = 24, VIDEO_BITS = 32 };

/* A posting: vcdb.store.codec. */
#pragma pack(push, 1)
typedef struct {
    uint32_t key;
    uint64_t place, sketch;
} Posting;
#pragma pack(pop)

/* Compiled twice, for processors that take eight values at once and for others; the one that fits
   is taken as the library is loaded. Helpers are compiled with it where they are inlined. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#define INLINED static inline __attribute__((always_inline))
#else
#define WIDE
#define INLINED static inline
#endif

/* Rows of `width` items that a buffer holds; -1, and ValueError, where there are no whole rows. */
static inline Py_ssize_t rows_in(const Py_buffer *buffer, Py_ssize_t item, Py_ssize_t width)
{
    if (buffer->len % (item * width)) {
        PyErr_SetString(PyExc_ValueError, "an array has another shape");
        return -1;
    }
    return buffer->len / (item * width);
}

static inline int has(const Py_buffer *buffer, Py_ssize_t item, Py_ssize_t count)
{
    if (buffer->len == item * count)
        return 1;
    PyErr_SetString(PyExc_ValueError, "an array has another length");
    return 0;
}

/* Whether the numbers in a buffer choose among so many. */
static inline int choose_among(const Py_buffer *buffer, Py_ssize_t limit)
{
    const int64_t *numbers = buffer->buf;
    for (Py_ssize_t n = 0; n < buffer->len / 8; n++)
        if (numbers[n] < 0 || numbers[n] >= limit) {
            PyErr_SetString(PyExc_ValueError, "an array has a number beyond its bounds");
            return 0;
        }
    return 1;
}

static inline void release(Py_buffer *buffers, int count)
{
    for (int n = 0; n < count; n++)
        PyBuffer_Release(&buffers[n]);
}

INLINED int bits_in(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (int)((x * 0x0101010101010101u) >> 56);
}

/* Of this library alone: others have functions of these names, the C library a `step`. */
#pragma GCC visibility push(hidden)
PyObject *band_sums(PyObject *self, PyObject *args);
PyObject *widen(PyObject *self, PyObject *args);
PyObject *keys_of_rungs(PyObject *self, PyObject *args);
PyObject *sketch(PyObject *self, PyObject *args);
PyObject *pieces(PyObject *self, PyObject *args);
PyObject *hits(PyObject *self, PyObject *args);
PyObject *scanned(PyObject *self, PyObject *args);
PyObject *kept(PyObject *self, PyObject *args);
PyObject *nearest(PyObject *self, PyObject *args);
PyObject *anchors(PyObject *self, PyObject *args);
PyObject *all_anchors(PyObject *self, PyObject *args);
PyObject *beyond_doubt(PyObject *self, PyObject *args);
PyObject *features(PyObject *self, PyObject *args);
PyObject *probabilities(PyObject *self, PyObject *args);
PyObject *blank_difference(PyObject *self, PyObject *args);
PyObject *values(PyObject *self, PyObject *args);
PyObject *levels_of_grids(PyObject *self, PyObject *args);
PyObject *differences(PyObject *self, PyObject *args);
PyObject *distances(PyObject *self, PyObject *args);
PyObject *grids(PyObject *self, PyObject *args);
PyObject *view(PyObject *self, PyObject *args);
PyObject *left_over_of(PyObject *self, PyObject *args);
PyObject *left_over_by_runs(PyObject *self, PyObject *args);
PyObject *step(PyObject *self, PyObject *args);
PyObject *likely_changes(PyObject *self, PyObject *args);
PyObject *is_tinted(PyObject *self, PyObject *args);
PyObject *is_toned(PyObject *self, PyObject *args);
PyObject *alike(PyObject *self, PyObject *args);
PyObject *local_minima(PyObject *self, PyObject *args);
#pragma GCC visibility pop

#endif
