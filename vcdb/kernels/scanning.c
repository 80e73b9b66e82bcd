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

/* How many of ascending keys are below a bound, or at it where that is `included`. The first `from`
   of them are; the others are looked at in strides of `step`, and longer ones, before bisecting. */
static Py_ssize_t below(const uint32_t *keys, Py_ssize_t count, Py_ssize_t from, Py_ssize_t step,
                        uint32_t bound, int included)
{
    uint64_t end = (uint64_t)bound + (included != 0);
    Py_ssize_t low = from, high = from + step;
    while (high <= count && keys[high - 1] < end) {
        low = high;
        step *= 2;
        high += step;
    }
    high = high <= count ? high - 1 : count;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (keys[middle] < end)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

typedef struct {
    const uint32_t *fences;
    Py_ssize_t blocks, count, piece_rows, block_rows;
} Outline;

/* Where a bound lies in a segment: how many blocks begin below it, and how many rows are. */
typedef struct {
    uint32_t key;
    Py_ssize_t block, row;
} Bound;

/* Find where a bound that is not below another lies; 0 where a piece could not be had. */
static int find(const Outline *segment, Piece *keys, uint32_t key, int included, Py_ssize_t stride,
                const Bound *before, Bound *found)
{
    Py_ssize_t block = below(segment->fences, segment->blocks, before->block, stride, key, included);
    Py_ssize_t first = block ? (block - 1) * segment->block_rows : 0;
    Py_ssize_t rows = segment->count - first, begin = first % segment->piece_rows;
    Py_ssize_t known = before->row > first ? before->row - first : 0;
    rows = rows < segment->block_rows ? rows : segment->block_rows;
    if (!take(keys, first / segment->piece_rows, begin + rows))
        return 0;
    const uint32_t *there = (const uint32_t *)keys->data.buf + begin;
    *found = (Bound){key, block, first + below(there, rows, known, stride, key, included)};
    return 1;
}

/* Where the keys of ranges lie: those of `count` ranges from `first` to `last`, the latter
   excluded, `rows` in all. */
typedef struct {
    int64_t *probe, *first, *last;
    Py_ssize_t count, rows;
} Hits;

static int are_positive(Py_ssize_t one, Py_ssize_t other)
{
    if (one > 0 && other > 0)
        return 1;
    PyErr_SetString(PyExc_ValueError, "an array is no segment's: pieces have rows, places 32 bits");
    return 0;
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
    const uint32_t *keys;
    const uint8_t *low_min, *low_max, *most_bits;
    const uint64_t *sketches, *certain;
    Py_ssize_t ranges, asked;
} Wanted;

/* Where the keys of all ranges lie, until more than `most` rows are found; 0 where a piece could
   not be had. */
static int find_all(const Outline *segment, Piece *pieces, const Wanted *what, Py_ssize_t most,
                    Hits *hits)
{
    Bound begin = {0}, end;
    Py_ssize_t stride = 1 + segment->blocks / (2 * what->ranges + 1);
    hits->count = hits->rows = 0;
    hits->probe = PyMem_Malloc(3 * 8 * what->ranges);
    if (!hits->probe)
        return PyErr_NoMemory() != NULL;
    hits->first = hits->probe + what->ranges, hits->last = hits->first + what->ranges;
    for (Py_ssize_t n = 0; n < what->ranges && hits->rows <= most; n++) {
        uint32_t key = what->keys[n] << LOW_IN_KEY;
        uint32_t least = key | what->low_min[n] >> LOW_IN_KEY;
        /* Ranges ascend; those of the same key, asked for by several, need not. */
        if (least < begin.key)
            begin = (Bound){0};
        if (!find(segment, pieces, least, 0, stride, &begin, &begin) ||
            !find(segment, pieces, key | what->low_max[n] >> LOW_IN_KEY, 1, 1, &begin, &end))
            return 0;
        if (end.row > begin.row) {
            hits->probe[hits->count] = n, hits->first[hits->count] = begin.row;
            hits->last[hits->count++] = end.row;
            hits->rows += end.row - begin.row;
        }
    }
    return 1;
}

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

/* All rows that are of use of those where the keys of ranges lie. */
INLINED int sift_all(const Wanted *what, const Hits *hits, Piece *keys, Piece *values,
                     Py_ssize_t piece_rows, int run_bits, Found *found)
{
    found->posting = PyMem_Malloc(hits->rows * sizeof(Posting));
    found->probe = PyMem_Malloc(hits->rows * 8);
    found->count = found->within = 0;
    if (!found->posting || !found->probe)
        return PyErr_NoMemory() != NULL;
    for (Py_ssize_t n = 0; n < hits->count; n++)
        if (!sift_span(what, hits->probe[n], hits->first[n], hits->last[n], keys, values,
                       piece_rows, run_bits, found))
            return 0;
    return 1;
}

/* As Python has it, with how many rows were looked at; frees what was found. */
static PyObject *postings_of(Found *found, Py_ssize_t rows, int fits)
{
    PyObject *result = NULL;
    if (fits)
        result = Py_BuildValue("y#y#nn", found->posting, found->count * sizeof(Posting),
                               found->probe, found->count * 8, found->within, rows);
    PyMem_Free(found->posting);
    PyMem_Free(found->probe);
    return result;
}

/* Buffers of ranges and of what postings must be like; 0, and an error, where they do not fit. */
static int wanted_of(const Py_buffer *ranges, const Py_buffer *likeness, Wanted *what)
{
    *what = (Wanted){NULL, ranges[0].buf, ranges[1].buf, likeness[2].buf, likeness[0].buf,
                     likeness[1].buf, ranges[0].len, likeness[2].len};
    return has(&ranges[1], 1, what->ranges) && has(&likeness[0], 8, what->asked) &&
           has(&likeness[1], 8, what->asked) &&
           (what->asked <= 1 || has(&likeness[2], 1, what->ranges));
}

/* Whether buffers are a segment's fences, and keys of ranges. */
static int outline_fits(const Outline *segment, const Py_buffer *fences, const Py_buffer *keys,
                        const Wanted *what)
{
    return are_positive(segment->piece_rows, segment->block_rows) &&
           has(fences, 4, (segment->count + segment->block_rows - 1) / segment->block_rows) &&
           has(keys, 4, what->ranges);
}

/* Where the keys of ranges lie in a segment: numbers of ranges, and their first and last rows. */
PyObject *hits(PyObject *self, PyObject *args)
{
    Py_buffer b[4];
    Outline segment;
    Piece keys = {.number = -1, .item = 4};
    Hits found = {0};
    if (!PyArg_ParseTuple(args, "ny*nnOy*y*y*", &segment.count, &b[0], &segment.piece_rows,
                          &segment.block_rows, &keys.fetch, &b[1], &b[2], &b[3]))
        return NULL;
    segment.fences = b[0].buf, segment.blocks = b[0].len / 4;
    Wanted what = {b[1].buf, b[2].buf, b[3].buf, .ranges = b[2].len};
    int fits = has(&b[3], 1, what.ranges) && outline_fits(&segment, &b[0], &b[1], &what) &&
               find_all(&segment, &keys, &what, PY_SSIZE_T_MAX, &found);
    PyObject *result = NULL;
    if (fits)
        result = Py_BuildValue("y#y#y#n", found.probe, 8 * found.count, found.first,
                               8 * found.count, found.last, 8 * found.count, found.rows);
    PyMem_Free(found.probe);
    let_go(&keys);
    release(b, 4);
    return result;
}

/* The postings in a segment that are of use; None where more than `most` lie within the ranges. */
WIDE PyObject *scanned(PyObject *self, PyObject *args)
{
    Py_buffer b[7];
    Outline segment;
    Piece keys = {.number = -1, .item = 4}, values = {.number = -1};
    Wanted what;
    Hits found_at = {0};
    Found found = {0};
    Py_ssize_t most;
    int run_bits;
    if (!PyArg_ParseTuple(args, "ny*nnOOiy*y*y*y*y*y*n", &segment.count, &b[0],
                          &segment.piece_rows, &segment.block_rows, &keys.fetch, &values.fetch,
                          &run_bits, &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &most))
        return NULL;
    values.item = run_bits ? sizeof(Narrow) : sizeof(Wide);
    segment.fences = b[0].buf, segment.blocks = b[0].len / 4;
    int fits = are_positive(1, NARROW_BITS + 1 - run_bits) && wanted_of(&b[2], &b[4], &what) &&
               outline_fits(&segment, &b[0], &b[1], &what);
    what.keys = b[1].buf;
    fits = fits && find_all(&segment, &keys, &what, most, &found_at);
    int too_many = fits && found_at.rows > most;
    if (fits && !too_many)
        fits = sift_all(&what, &found_at, &keys, &values, segment.piece_rows, run_bits, &found);
    PyObject *result = postings_of(&found, found_at.rows, fits && !too_many);
    PyMem_Free(found_at.probe);
    let_go(&keys);
    let_go(&values);
    release(b, 7);
    return too_many ? Py_NewRef(Py_None) : result;
}

/* The same of the rows where some keys are known to lie. */
WIDE PyObject *kept(PyObject *self, PyObject *args)
{
    Py_buffer b[8];
    Piece keys = {.number = -1, .item = 4}, values = {.number = -1};
    Wanted what;
    Found found = {0};
    Py_ssize_t piece_rows;
    int run_bits;
    if (!PyArg_ParseTuple(args, "y*y*y*OOniy*y*y*y*y*", &b[0], &b[1], &b[2], &keys.fetch,
                          &values.fetch, &piece_rows, &run_bits, &b[3], &b[4], &b[5], &b[6], &b[7]))
        return NULL;
    Hits found_at = {b[0].buf, b[1].buf, b[2].buf, rows_in(&b[0], 8, 1), 0};
    values.item = run_bits ? sizeof(Narrow) : sizeof(Wide);
    int fits = found_at.count >= 0 && are_positive(piece_rows, NARROW_BITS + 1 - run_bits) &&
               has(&b[1], 8, found_at.count) && has(&b[2], 8, found_at.count) &&
               wanted_of(&b[3], &b[5], &what);
    for (Py_ssize_t n = 0; fits && n < found_at.count; n++)
        found_at.rows += found_at.last[n] > found_at.first[n] ? found_at.last[n] - found_at.first[n] : 0;
    if (fits)
        fits = sift_all(&what, &found_at, &keys, &values, piece_rows, run_bits, &found);
    PyObject *result = postings_of(&found, found_at.rows, fits);
    let_go(&keys);
    let_go(&values);
    release(b, 8);
    return result;
}
