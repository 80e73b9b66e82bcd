/* What may have turned in the key of a query, the keys that follow from it, and its sketch:
   vcdb.search.probes, vcdb.fingerprint.sketch. */

#include "kernels.h"

enum { HASH_BITS = 32, HIGH_BITS = 24, CONTRASTS = 4, ITEMS = HIGH_BITS + CONTRASTS };
enum { MOST_DOUBLINGS = 7, INNER_RUNGS = 3, MOST_OUTER = 10, MOST_CHOICES = 55 };
enum { STEPS = 58, AREAS = 3 };

typedef struct {
    const int64_t *chosen, *read;
    Py_ssize_t reads;
    const float *contrasts, *bounds;
    float tie, cell_noise, contrast_noise, zone;
} Reading;

typedef struct {
    int index_hash, low, doublings;
    uint32_t perceptual, *flips;
    uint8_t *levels, *neighbours;
    int64_t *order;
    float *margins;
} Widened;

static void in_order(const float *distance, Widened *to)
{
    for (int64_t item = 0; item < ITEMS; item++) {
        int64_t at = item;
        /* Insertion keeps equal ones in order, and rows are short. */
        for (; at && to->margins[at - 1] > distance[item]; at--) {
            to->margins[at] = to->margins[at - 1];
            to->order[at] = to->order[at - 1];
        }
        to->margins[at] = distance[item];
        to->order[at] = item;
    }
    for (int at = 0; at < ITEMS; at++) {
        int64_t item = to->order[at];
        int shift = (int)(item < HIGH_BITS ? HIGH_BITS - 1 - item : HIGH_BITS + ITEMS - 1 - item);
        to->flips[at] = (uint32_t)1 << shift;
    }
}

static void widen_one(const float *brightness, const Reading *how, Widened *to)
{
    float distance[ITEMS];
    to->perceptual = 0, to->low = 0, to->index_hash = 0, to->doublings = 0;
    for (int k = 0; k < HASH_BITS; k++) {
        float value = brightness[how->chosen[k]], size = fabsf(value) / how->cell_noise;
        to->perceptual = to->perceptual << 1 | (value > 0);
        if (k < HIGH_BITS)
            distance[k] = size;
        else
            to->low = to->low << 1 | (size <= how->zone);
    }
    for (int k = 0; k < CONTRASTS; k++) {
        double total = 0;
        for (Py_ssize_t j = 0; j < how->reads; j++)
            total += brightness[how->read[j]] * how->contrasts[j * CONTRASTS + k];
        float value = (float)total;
        to->levels[k] = value >= how->bounds[k] - how->tie;
        to->neighbours[k] = to->levels[k] ^ 1;
        to->index_hash = to->index_hash << 1 | to->levels[k];
        distance[HIGH_BITS + k] = fabsf(value - how->bounds[k]) / how->contrast_noise;
    }
    in_order(distance, to);
    for (int at = 0; at < MOST_DOUBLINGS; at++)
        to->doublings += to->margins[at] <= how->zone;
}

PyObject *widen(PyObject *self, PyObject *args)
{
    Py_buffer b[10];
    Reading how;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*ffffw*w*w*w*w*", &b[0], &b[1], &b[2], &b[3], &b[4],
                          &how.tie, &how.cell_noise, &how.contrast_noise, &how.zone, &b[5], &b[6],
                          &b[7], &b[8], &b[9]))
        return NULL;
    Py_ssize_t count = rows_in(&b[0], 4, CELLS);
    how.chosen = b[1].buf, how.read = b[2].buf, how.reads = b[2].len / 8;
    how.contrasts = b[3].buf, how.bounds = b[4].buf;
    int fits = count >= 0 && has(&b[1], 8, HASH_BITS) && choose_among(&b[1], CELLS) &&
               choose_among(&b[2], CELLS) && has(&b[3], 4, how.reads * CONTRASTS) &&
               has(&b[4], 4, CONTRASTS) && has(&b[5], 8, count * ITEMS) &&
               has(&b[6], 4, count * ITEMS) && has(&b[7], 4, count * ITEMS) &&
               has(&b[8], 1, count * CONTRASTS) && has(&b[9], 1, count * CONTRASTS);
    PyObject *list = fits ? PyList_New(count) : NULL;
    for (Py_ssize_t n = 0; list && n < count; n++) {
        Widened to = {
            .order = (int64_t *)b[5].buf + n * ITEMS,
            .margins = (float *)b[6].buf + n * ITEMS,
            .flips = (uint32_t *)b[7].buf + n * ITEMS,
            .levels = (uint8_t *)b[8].buf + n * CONTRASTS,
            .neighbours = (uint8_t *)b[9].buf + n * CONTRASTS,
        };
        widen_one((const float *)b[0].buf + n * CELLS, &how, &to);
        PyObject *one = Py_BuildValue("iIii", to.index_hash, to.perceptual, to.low, to.doublings);
        if (!one || PyList_SetItem(list, n, one) < 0)
            Py_CLEAR(list);
    }
    release(b, 10);
    return list;
}

typedef struct {
    int count, one[MOST_CHOICES], other[MOST_CHOICES];
    float total[MOST_CHOICES];
} Choices;

static void choose(Choices *choices, int one, int other, float total)
{
    int at = choices->count++;
    for (; at && choices->total[at - 1] > total; at--) {
        choices->total[at] = choices->total[at - 1];
        choices->one[at] = choices->one[at - 1];
        choices->other[at] = choices->other[at - 1];
    }
    choices->total[at] = total;
    choices->one[at] = one;
    choices->other[at] = other;
}

/* Every one and every two outer items, the smallest sum of margins first; -1: no second one. */
static void choose_outer(Choices *choices, const float *margins, int first, float zone)
{
    int last = first;
    while (last < ITEMS && last < first + MOST_OUTER && margins[last] <= zone)
        last++;
    choices->count = 0;
    for (int one = first; one < last; one++)
        choose(choices, one, -1, margins[one]);
    for (int one = first; one < last; one++)
        for (int other = one + 1; other < last; other++)
            choose(choices, one, other, margins[one] + margins[other]);
}

static uint32_t *span(uint32_t *keys, uint32_t key, const uint32_t *flips, int doublings)
{
    Py_ssize_t done = 1;
    keys[0] = key;
    for (int item = 0; item < doublings; item++, done *= 2)
        for (Py_ssize_t k = 0; k < done; k++)
            keys[done + k] = keys[k] ^ flips[item];
    return keys + done;
}

PyObject *keys_of_rungs(PyObject *self, PyObject *args)
{
    Py_buffer b[2];
    unsigned int key;
    int doublings, spanned, start, stop;
    float zone;
    if (!PyArg_ParseTuple(args, "Iy*y*iiiif", &key, &b[0], &b[1], &doublings, &spanned, &start,
                          &stop, &zone))
        return NULL;
    PyObject *result = NULL;
    int fits = has(&b[0], 4, ITEMS) && has(&b[1], 4, ITEMS);
    if (fits && (spanned < 0 || spanned > doublings || doublings > MOST_DOUBLINGS)) {
        PyErr_SetString(PyExc_ValueError, "so many items are never doubled");
        fits = 0;
    }
    if (fits) {
        const uint32_t *flips = b[0].buf;
        Choices choices = {.count = 0};
        int first = start > INNER_RUNGS ? start - INNER_RUNGS : 0, last = 0;
        if (stop > INNER_RUNGS) {
            choose_outer(&choices, b[1].buf, doublings, zone);
            last = stop - INNER_RUNGS < choices.count ? stop - INNER_RUNGS : choices.count;
        }
        int parts = (last > first ? last - first : 0) + (start < INNER_RUNGS);
        result = PyBytes_FromStringAndSize(NULL, 4 * ((Py_ssize_t)parts << spanned));
        uint32_t *to = result ? (uint32_t *)PyBytes_AsString(result) : NULL;
        if (to && start < INNER_RUNGS)
            to = span(to, key, flips, spanned);
        for (int n = first; to && n < last; n++) {
            uint32_t other = choices.other[n] < 0 ? 0 : flips[choices.other[n]];
            to = span(to, key ^ flips[choices.one[n]] ^ other, flips, spanned);
        }
    }
    release(b, 2);
    return result;
}

PyObject *sketch(PyObject *self, PyObject *args)
{
    Py_buffer b[10];
    float tie, uncertain;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*ffw*w*w*", &b[0], &b[1], &b[2], &b[3], &b[4],
                          &b[5], &b[6], &tie, &uncertain, &b[7], &b[8], &b[9]))
        return NULL;
    const int64_t *first = b[3].buf, *second = b[4].buf, *read = b[5].buf;
    const float *contrasts = b[6].buf;
    Py_ssize_t count = rows_in(&b[0], 4, CELLS), reads = b[5].len / 8;
    int fits = count >= 0 && has(&b[1], 4, count * CELLS) && has(&b[2], 4, count * CELLS) &&
               has(&b[3], 8, STEPS) && has(&b[4], 8, STEPS) && choose_among(&b[3], CELLS) &&
               choose_among(&b[4], CELLS) && choose_among(&b[5], CELLS) &&
               has(&b[6], 4, reads * AREAS) &&
               has(&b[7], 8, count) && has(&b[8], 8, count) && has(&b[9], 4, count);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        const float *brightness = (const float *)b[0].buf + n * CELLS;
        uint64_t bits = 0, sure = 0;
        double size = 0;
        for (int k = 0; k < STEPS; k++) {
            float value = brightness[first[k]] - brightness[second[k]];
            bits |= (uint64_t)(value > tie) << k;
            sure |= (uint64_t)(fabsf(value) > uncertain) << k;
            size += fabsf(value);
        }
        for (int k = 0; k < 2 * AREAS; k++) {
            const float *colour = (const float *)b[1 + k / AREAS].buf + n * CELLS;
            double total = 0;
            for (Py_ssize_t j = 0; j < reads; j++)
                total += colour[read[j]] * contrasts[j * AREAS + k % AREAS];
            bits |= (uint64_t)((float)total > tie) << (STEPS + k);
            sure |= (uint64_t)(fabsf((float)total) > uncertain) << (STEPS + k);
        }
        ((uint64_t *)b[7].buf)[n] = bits;
        ((uint64_t *)b[8].buf)[n] = sure;
        ((float *)b[9].buf)[n] = (float)(size / STEPS);
    }
    release(b, 10);
    return fits ? Py_NewRef(Py_None) : NULL;
}
