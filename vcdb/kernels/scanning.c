/* Where keys of ranges lie in a segment, and which of the postings there are of use:
   vcdb.store.segment_scan. Pieces of the segment are fetched by functions that it gives. */

#include "kernels.h"

enum { LOW_IN_KEY = 4, NARROW_BITS = 28 };
enum { WIDE_RUN_BITS = 22, WIDE_VIDEO_BITS = 22 };

#pragma pack(push, 1)
typedef struct {
    uint32_t place;
    uint64_t sketch;
} Narrow;
typedef struct {
    uint32_t place;
    uint16_t place_high;
    uint64_t sketch;
} Wide;
#pragma pack(pop)

/* A piece of a segment that is at hand: what `fetch` gave for its number. */
typedef struct {
    PyObject *fetch, *object;
    Py_ssize_t number, item;
    Py_buffer data;
} Piece;

static void let_go(Piece *piece)
{
    if (piece->object)
        PyBuffer_Release(&piece->data);
    Py_CLEAR(piece->object);
    piece->number = -1;
}

/* Have the piece of this number at hand, with `rows` rows at least; 0 where that fails. */
static int take(Piece *piece, Py_ssize_t number, Py_ssize_t rows)
{
    if (piece->number != number) {
        let_go(piece);
        piece->object = PyObject_CallFunction(piece->fetch, "n", number);
        if (!piece->object)
            return 0;
        if (PyObject_GetBuffer(piece->object, &piece->data, PyBUF_SIMPLE) < 0) {
            Py_CLEAR(piece->object);
            return 0;
        }
        piece->number = number;
    }
    if (piece->data.len >= rows * piece->item)
        return 1;
    PyErr_SetString(PyExc_ValueError, "a piece of a segment is cut off");
    return 0;
}

/* How many of ascending keys are below a bound, or at it where that is `included`. */
static Py_ssize_t below(const uint32_t *keys, Py_ssize_t count, uint32_t bound, int included)
{
    Py_ssize_t low = 0;
    while (count > 0) {
        Py_ssize_t half = count / 2;
        if (keys[low + half] < bound || (included && keys[low + half] == bound)) {
            low += half + 1;
            count -= half + 1;
        } else
            count = half;
    }
    return low;
}

typedef struct {
    const uint32_t *fences;
    Py_ssize_t blocks, count, piece_rows, block_rows;
} Outline;

/* The same of a whole segment's keys; -1 where a piece could not be had. */
static Py_ssize_t rows_below(const Outline *segment, Piece *keys, uint32_t bound, int included)
{
    Py_ssize_t block = below(segment->fences, segment->blocks, bound, included);
    Py_ssize_t row = block ? (block - 1) * segment->block_rows : 0;
    Py_ssize_t rows = segment->count - row, begin = row % segment->piece_rows;
    rows = rows < segment->block_rows ? rows : segment->block_rows;
    if (!take(keys, row / segment->piece_rows, begin + rows))
        return -1;
    return row + below((const uint32_t *)keys->data.buf + begin, rows, bound, included);
}

static int are_positive(Py_ssize_t one, Py_ssize_t other)
{
    if (one > 0 && other > 0)
        return 1;
    PyErr_SetString(PyExc_ValueError, "an array is no segment's: pieces have rows, places 32 bits");
    return 0;
}

PyObject *hits(PyObject *self, PyObject *args)
{
    Py_buffer b[7];
    Outline segment;
    Piece pieces = {.number = -1, .item = 4};
    if (!PyArg_ParseTuple(args, "ny*nnOy*y*y*w*w*w*", &segment.count, &b[0], &segment.piece_rows,
                          &segment.block_rows, &pieces.fetch, &b[1], &b[2], &b[3], &b[4], &b[5],
                          &b[6]))
        return NULL;
    segment.fences = b[0].buf, segment.blocks = b[0].len / 4;
    const uint32_t *keys = b[1].buf;
    const uint8_t *low_min = b[2].buf, *low_max = b[3].buf;
    int64_t *probe = b[4].buf, *first = b[5].buf, *last = b[6].buf;
    Py_ssize_t count = rows_in(&b[1], 4, 1), found = 0, rows = 0;
    int fits = count >= 0 && are_positive(segment.piece_rows, segment.block_rows) &&
               has(&b[0], 4, (segment.count + segment.block_rows - 1) / segment.block_rows) &&
               has(&b[2], 1, count) && has(&b[3], 1, count) && has(&b[4], 8, count) &&
               has(&b[5], 8, count) && has(&b[6], 8, count);
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        uint32_t key = keys[n] << LOW_IN_KEY;
        uint32_t least = key | low_min[n] >> LOW_IN_KEY, most = key | low_max[n] >> LOW_IN_KEY;
        Py_ssize_t begin = rows_below(&segment, &pieces, least, 0);
        Py_ssize_t end = begin < 0 ? -1 : rows_below(&segment, &pieces, most, 1);
        fits = end >= 0;
        if (end > begin) {
            probe[found] = n, first[found] = begin, last[found] = end;
            found++, rows += end - begin;
        }
    }
    let_go(&pieces);
    release(b, 7);
    return fits ? Py_BuildValue("nn", found, rows) : NULL;
}

/* The posting at a row of a piece: vcdb.store.segments.Rows.postings. */
INLINED Posting posting_at(uint32_t key, const void *values, Py_ssize_t at, int run_bits)
{
    Posting one;
    uint64_t stored, low;
    int video_bits = WIDE_VIDEO_BITS;
    if (run_bits) {
        const Narrow *value = (const Narrow *)values + at;
        stored = value->place, low = stored >> NARROW_BITS, one.sketch = value->sketch;
        video_bits = NARROW_BITS - run_bits;
    } else {
        const Wide *value = (const Wide *)values + at;
        stored = value->place | (uint64_t)value->place_high << 32, one.sketch = value->sketch;
        run_bits = WIDE_RUN_BITS, low = stored >> (WIDE_RUN_BITS + WIDE_VIDEO_BITS);
    }
    low |= (key << LOW_IN_KEY) & 0xFF;
    uint64_t video = stored >> run_bits & (((uint64_t)1 << video_bits) - 1);
    one.key = key >> LOW_IN_KEY;
    one.place = low << (RUN_BITS + VIDEO_BITS) | video << RUN_BITS |
                (stored & (((uint64_t)1 << run_bits) - 1));
    return one;
}

typedef struct {
    const uint8_t *low_min, *low_max, *most_bits;
    const uint64_t *sketches, *certain;
    Py_ssize_t ranges, asked;
} Wanted;

typedef struct {
    Posting *posting;
    int64_t *probe;
    Py_ssize_t count, within;
} Found;

/* Take those rows of a piece that are of use. */
INLINED void sift(const Wanted *what, int64_t probe, const uint32_t *keys, const void *values,
                  Py_ssize_t begin, Py_ssize_t end, int run_bits, Found *found)
{
    Py_ssize_t asked = what->asked > 1 ? probe : 0;
    for (Py_ssize_t at = begin; at < end; at++) {
        Posting one = posting_at(keys[at], values, at, run_bits);
        uint8_t low = (uint8_t)(one.place >> (RUN_BITS + VIDEO_BITS));
        if (low < what->low_min[probe] || low > what->low_max[probe])
            continue;
        found->within++;
        if (what->asked && bits_in((one.sketch ^ what->sketches[asked]) & what->certain[asked]) >
                               what->most_bits[asked])
            continue;
        found->posting[found->count] = one;
        found->probe[found->count++] = probe;
    }
}

INLINED int sift_span(const Wanted *what, int64_t probe, Py_ssize_t row, Py_ssize_t last,
                      Piece *keys, Piece *values, Py_ssize_t piece_rows, int run_bits, Found *found)
{
    if (probe < 0 || probe >= what->ranges || row < 0) {
        PyErr_SetString(PyExc_ValueError, "there is no such range");
        return 0;
    }
    while (row < last) {
        Py_ssize_t begin = row % piece_rows, end = begin + last - row;
        end = end < piece_rows ? end : piece_rows;
        if (!take(keys, row / piece_rows, end) || !take(values, row / piece_rows, end))
            return 0;
        sift(what, probe, keys->data.buf, values->data.buf, begin, end, run_bits, found);
        row += end - begin;
    }
    return 1;
}

WIDE PyObject *kept(PyObject *self, PyObject *args)
{
    Py_buffer b[8];
    Piece keys = {.number = -1, .item = 4}, values = {.number = -1};
    Py_ssize_t piece_rows;
    int run_bits;
    if (!PyArg_ParseTuple(args, "y*y*y*OOniy*y*y*y*y*", &b[0], &b[1], &b[2], &keys.fetch,
                          &values.fetch, &piece_rows, &run_bits, &b[3], &b[4], &b[5], &b[6], &b[7]))
        return NULL;
    const int64_t *probe = b[0].buf, *first = b[1].buf, *last = b[2].buf;
    Wanted what = {b[3].buf, b[4].buf, b[7].buf, b[5].buf, b[6].buf, b[3].len, b[7].len};
    Py_ssize_t spans = rows_in(&b[0], 8, 1), total = 0;
    values.item = run_bits ? sizeof(Narrow) : sizeof(Wide);
    int fits = spans >= 0 && are_positive(piece_rows, NARROW_BITS + 1 - run_bits) &&
               has(&b[1], 8, spans) && has(&b[2], 8, spans) &&
               has(&b[4], 1, what.ranges) && has(&b[5], 8, what.asked) && has(&b[6], 8, what.asked);
    if (fits && what.asked > 1)
        fits = has(&b[7], 1, what.ranges);
    for (Py_ssize_t n = 0; fits && n < spans; n++)
        total += last[n] > first[n] ? last[n] - first[n] : 0;
    Found found = {.count = 0};
    if (fits) {
        found.posting = PyMem_Malloc(total * sizeof(Posting));
        found.probe = PyMem_Malloc(total * 8);
        fits = found.posting && found.probe;
        if (!fits)
            PyErr_NoMemory();
    }
    for (Py_ssize_t n = 0; fits && n < spans; n++)
        fits = sift_span(&what, probe[n], first[n], last[n], &keys, &values, piece_rows, run_bits,
                         &found);
    PyObject *result = NULL;
    if (fits)
        result = Py_BuildValue("y#y#n", found.posting, found.count * sizeof(Posting), found.probe,
                               found.count * 8, found.within);
    PyMem_Free(found.posting);
    PyMem_Free(found.probe);
    let_go(&keys);
    let_go(&values);
    release(b, 8);
    return result;
}
