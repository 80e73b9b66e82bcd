/* Where keys of ranges lie in a segment, and which of the postings there are of use:
   vcdb.store.segment_scan. Pieces of the segment are fetched by functions that it gives. */

#include "pieces.h"

enum { LOW_IN_KEY = 4, NARROW_BITS = 28 };
enum { WIDE_RUN_BITS = 22, WIDE_VIDEO_BITS = 22 };

/* What a base has lies wherever it was put, in steps of a byte. */
#pragma pack(push, 1)
typedef struct {
    uint32_t value;
} Key;
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

/* What lies far apart in memory is asked for so many steps ahead. */
enum { AHEAD = 4 };

/* Room for a segment's keys or values: what was fetched is held as long as this is. */
PyObject *pieces(PyObject *self, PyObject *args)
{
    if (!PyArg_ParseTuple(args, ""))
        return NULL;
    Held *held = PyMem_Calloc(1, sizeof(Held));
    PyObject *capsule = held ? PyCapsule_New(held, HELD, forget) : PyErr_NoMemory();
    if (!capsule)
        PyMem_Free(held);
    return capsule;
}

/* How many of ascending keys are below a bound, or at it where that is `included`. The first `from`
   of them are; the others are looked at in strides of `step`, and longer ones, before bisecting. */
static Py_ssize_t below(const Key *keys, Py_ssize_t count, Py_ssize_t from, Py_ssize_t step,
                        uint32_t bound, int included)
{
    uint64_t end = (uint64_t)bound + (included != 0);
    Py_ssize_t low = from, high = from + step;
    while (high <= count && keys[high - 1].value < end) {
        low = high;
        step *= 2;
        high += step;
    }
    high = high <= count ? high - 1 : count;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (keys[middle].value < end)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

typedef struct {
    const Key *fences;
    Py_ssize_t blocks, count, piece_rows, block_rows;
} Outline;

/* The rows of the block that has a bound's row, or ends there: `blocks` begin below the bound. */
typedef struct {
    Py_ssize_t first, rows;
} Block;

static Block block_at(const Outline *segment, Py_ssize_t blocks)
{
    Py_ssize_t first = blocks ? (blocks - 1) * segment->block_rows : 0;
    Py_ssize_t left = segment->count - first;
    return (Block){first, left < segment->block_rows ? left : segment->block_rows};
}

/* How many of a segment's keys are below a bound, or at it where that is `included`. The first
   `known` of them are; -1 where a piece could not be had. */
static Py_ssize_t rows_below(const Outline *segment, Pieces *keys, Py_ssize_t blocks,
                             uint32_t bound, int included, Py_ssize_t known, Py_ssize_t step)
{
    Block here = block_at(segment, blocks);
    const char *there = at_row(keys, segment->piece_rows, here.first, here.rows);
    known = known > here.first ? known - here.first : 0;
    return there ? here.first + below((const Key *)there, here.rows, known, step, bound,
                                      included)
                 : -1;
}

/* Ask for what a search in a block will look at first; 0 where its piece could not be had. */
static int ask_for_block(const Outline *segment, Pieces *keys, Py_ssize_t blocks)
{
    enum { PARTS = 8 };
    Block here = block_at(segment, blocks);
    const char *there = at_row(keys, segment->piece_rows, here.first, here.rows);
    for (int part = 1; there && part < PARTS; part++)
        __builtin_prefetch(there + keys->item * (here.rows * part / PARTS));
    return there != NULL;
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

/* For all ranges, how many blocks begin below the least key that they have. */
static void find_blocks(const Outline *segment, const Wanted *what, int64_t *blocks)
{
    Py_ssize_t stride = 1 + segment->blocks / (2 * what->ranges + 1), before = 0;
    uint32_t last = 0;
    for (Py_ssize_t n = 0; n < what->ranges; n++) {
        uint32_t least = what->keys[n] << LOW_IN_KEY | what->low_min[n] >> LOW_IN_KEY;
        /* Ranges ascend; those of the same key, asked for by several, need not. */
        if (least < last)
            before = 0;
        before = below(segment->fences, segment->blocks, before, stride, least, 0);
        blocks[n] = before, last = least;
    }
}

/* Where the keys of all ranges lie, until more than `most` rows are found; 0 where a piece could
   not be had. */
static int find_all(const Outline *segment, Pieces *keys, const Wanted *what, Py_ssize_t most,
                    Hits *hits)
{
    hits->count = hits->rows = 0;
    hits->probe = PyMem_Malloc(3 * 8 * what->ranges);
    if (!hits->probe)
        return PyErr_NoMemory() != NULL;
    hits->first = hits->probe + what->ranges, hits->last = hits->first + what->ranges;
    /* Taken one after the other, and never before they were read. */
    int64_t *blocks = hits->first;
    find_blocks(segment, what, blocks);
    for (Py_ssize_t n = 0; n < what->ranges && hits->rows <= most; n++) {
        uint32_t key = what->keys[n] << LOW_IN_KEY, greatest = key | what->low_max[n] >> LOW_IN_KEY;
        Py_ssize_t ahead = n + AHEAD, block = blocks[n];
        if (ahead < what->ranges && !ask_for_block(segment, keys, blocks[ahead]))
            return 0;
        Py_ssize_t begin = rows_below(segment, keys, block, key | what->low_min[n] >> LOW_IN_KEY, 0,
                                      0, segment->block_rows);
        block = below(segment->fences, segment->blocks, block, 1, greatest, 1);
        Py_ssize_t end = begin < 0 ? -1 : rows_below(segment, keys, block, greatest, 1, begin, 1);
        if (end < 0)
            return 0;
        if (end > begin) {
            hits->probe[hits->count] = n, hits->first[hits->count] = begin;
            hits->last[hits->count++] = end;
            hits->rows += end - begin;
        }
    }
    return 1;
}

typedef struct {
    Posting *posting;
    int64_t *probe;
    Py_ssize_t count, within;
} Found;

/* What a range wants of the rows where its keys lie. */
typedef struct {
    uint8_t low_min, low_max;
    int most_bits;
    uint64_t sketch, certain;
} One;

static One one_of(const Wanted *what, int64_t probe)
{
    Py_ssize_t asked = what->asked > 1 ? probe : 0;
    One wanted = {what->low_min[probe], what->low_max[probe], 0, 0, 0};
    if (what->asked) {
        wanted.sketch = what->sketches[asked], wanted.certain = what->certain[asked];
        wanted.most_bits = what->most_bits[asked];
    }
    return wanted;
}

INLINED uint64_t sketch_at(const void *values, Py_ssize_t at, int run_bits)
{
    return run_bits ? ((const Narrow *)values + at)->sketch : ((const Wide *)values + at)->sketch;
}

/* Which of some rows are of use: their numbers, and how many they are. Without branches, as no
   guess at them would be right for long. `within`: how many have low bits in the range. */
INLINED Py_ssize_t of_use(const One *wanted, const Key *keys, const void *values,
                          Py_ssize_t rows, int run_bits, uint16_t *chosen, Py_ssize_t *within)
{
    const uint64_t sketch = wanted->sketch, certain = wanted->certain;
    const unsigned least = wanted->low_min, greatest = wanted->low_max;
    const int most_bits = wanted->most_bits;
    /* Keys have the upper low bits: where all of the others will do, so do the rows. */
    const unsigned others = (1u << LOW_IN_KEY) - 1;
    Py_ssize_t count = 0, there = 0;
    if (!(least & others) && (greatest & others) == others) {
        for (Py_ssize_t at = 0; at < rows; at++) {
            chosen[count] = (uint16_t)at;
            count += bits_in((sketch_at(values, at, run_bits) ^ sketch) & certain) <= most_bits;
        }
        *within += rows;
        return count;
    }
    for (Py_ssize_t at = 0; at < rows; at++) {
        Posting one = posting_at(keys[at].value, values, at, run_bits);
        unsigned low = (unsigned)(one.place >> (RUN_BITS + VIDEO_BITS));
        int in_range = (low >= least) & (low <= greatest);
        chosen[count] = (uint16_t)at;
        there += in_range;
        count += in_range & (bits_in((one.sketch ^ sketch) & certain) <= most_bits);
    }
    *within += there;
    return count;
}

/* Take those of some rows that are of use. */
INLINED void sift(const One *wanted, int64_t probe, const Key *keys, const void *values,
                  Py_ssize_t rows, int run_bits, Found *found)
{
    enum { AT_ONCE = 256 };
    uint16_t chosen[AT_ONCE];
    for (Py_ssize_t first = 0; first < rows; first += AT_ONCE) {
        const Key *from = keys + first;
        const char *of = (const char *)values + first * (run_bits ? sizeof(Narrow) : sizeof(Wide));
        Py_ssize_t left = rows - first < AT_ONCE ? rows - first : AT_ONCE;
        Py_ssize_t count = of_use(wanted, from, of, left, run_bits, chosen, &found->within);
        Posting *posting = found->posting + found->count;
        int64_t *probes = found->probe + found->count;
        for (Py_ssize_t n = 0; n < count; n++) {
            posting[n] = posting_at(from[chosen[n]].value, of, chosen[n], run_bits);
            probes[n] = probe;
        }
        found->count += count;
    }
}

INLINED int sift_span(const Wanted *what, int64_t probe, Py_ssize_t row, Py_ssize_t last,
                      Pieces *keys, Pieces *values, Py_ssize_t piece_rows, int run_bits,
                      Found *found)
{
    if (probe < 0 || probe >= what->ranges || row < 0) {
        PyErr_SetString(PyExc_ValueError, "there is no such range");
        return 0;
    }
    const One wanted = one_of(what, probe);
    while (row < last) {
        Py_ssize_t rows = piece_rows - row % piece_rows;
        rows = rows < last - row ? rows : last - row;
        const char *of_keys = at_row(keys, piece_rows, row, rows);
        const char *of_values = of_keys ? at_row(values, piece_rows, row, rows) : NULL;
        if (!of_values)
            return 0;
        /* Twice, so that no loop asks of each row how it is laid out. */
        if (run_bits)
            sift(&wanted, probe, (const Key *)of_keys, of_values, rows, run_bits, found);
        else
            sift(&wanted, probe, (const Key *)of_keys, of_values, rows, 0, found);
        row += rows;
    }
    return 1;
}

/* Ask for the first rows of a span; 0 where their pieces could not be had. */
static int ask_for_rows(Pieces *keys, Pieces *values, Py_ssize_t piece_rows, Py_ssize_t row)
{
    enum { LINE_BYTES = 64, LINES = 4 };
    const char *of_keys = row < 0 ? NULL : at_row(keys, piece_rows, row, 1);
    const char *of_values = of_keys ? at_row(values, piece_rows, row, 1) : NULL;
    if (!of_values)
        return row < 0;
    __builtin_prefetch(of_keys);
    for (int line = 0; line < LINES; line++)
        __builtin_prefetch(of_values + LINE_BYTES * line);
    return 1;
}

/* All rows that are of use of those where the keys of ranges lie. */
INLINED int sift_all(const Wanted *what, const Hits *hits, Pieces *keys, Pieces *values,
                     Py_ssize_t piece_rows, int run_bits, Found *found)
{
    found->posting = PyMem_Malloc(hits->rows * sizeof(Posting));
    found->probe = PyMem_Malloc(hits->rows * 8);
    found->count = found->within = 0;
    if (!found->posting || !found->probe)
        return PyErr_NoMemory() != NULL;
    for (Py_ssize_t n = 0; n < hits->count; n++) {
        Py_ssize_t ahead = n + AHEAD;
        if (ahead < hits->count && hits->first[ahead] < hits->last[ahead] &&
            !ask_for_rows(keys, values, piece_rows, hits->first[ahead]))
            return 0;
        if (!sift_span(what, hits->probe[n], hits->first[n], hits->last[n], keys, values,
                       piece_rows, run_bits, found))
            return 0;
    }
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
    Pieces keys = {.item = sizeof(Key)};
    Hits found = {0};
    PyObject *room;
    if (!PyArg_ParseTuple(args, "ny*nnOOy*y*y*", &segment.count, &b[0], &segment.piece_rows,
                          &segment.block_rows, &room, &keys.fetch, &b[1], &b[2], &b[3]))
        return NULL;
    segment.fences = b[0].buf, segment.blocks = b[0].len / 4;
    Wanted what = {b[1].buf, b[2].buf, b[3].buf, .ranges = b[2].len};
    int fits = hold(&keys, room) && has(&b[3], 1, what.ranges) &&
               outline_fits(&segment, &b[0], &b[1], &what) &&
               find_all(&segment, &keys, &what, PY_SSIZE_T_MAX, &found);
    PyObject *result = NULL;
    if (fits)
        result = Py_BuildValue("y#y#y#n", found.probe, 8 * found.count, found.first,
                               8 * found.count, found.last, 8 * found.count, found.rows);
    PyMem_Free(found.probe);
    let_go(&keys.own);
    release(b, 4);
    return result;
}

/* The postings in a segment that are of use; None where more than `most` lie within the ranges. */
WIDE PyObject *scanned(PyObject *self, PyObject *args)
{
    Py_buffer b[7];
    Outline segment;
    Pieces keys = {.item = sizeof(Key)}, values = {0};
    PyObject *rooms[2];
    Wanted what;
    Hits found_at = {0};
    Found found = {0};
    Py_ssize_t most;
    int run_bits;
    if (!PyArg_ParseTuple(args, "ny*nnOOOOiy*y*y*y*y*y*n", &segment.count, &b[0],
                          &segment.piece_rows, &segment.block_rows, &rooms[0], &keys.fetch,
                          &rooms[1], &values.fetch, &run_bits, &b[1], &b[2], &b[3], &b[4], &b[5],
                          &b[6], &most))
        return NULL;
    values.item = run_bits ? sizeof(Narrow) : sizeof(Wide);
    segment.fences = b[0].buf, segment.blocks = b[0].len / 4;
    int fits = hold(&keys, rooms[0]) && hold(&values, rooms[1]) &&
               are_positive(1, NARROW_BITS + 1 - run_bits) && wanted_of(&b[2], &b[4], &what) &&
               outline_fits(&segment, &b[0], &b[1], &what);
    what.keys = b[1].buf;
    fits = fits && find_all(&segment, &keys, &what, most, &found_at);
    int too_many = fits && found_at.rows > most;
    if (fits && !too_many)
        fits = sift_all(&what, &found_at, &keys, &values, segment.piece_rows, run_bits, &found);
    PyObject *result = postings_of(&found, found_at.rows, fits && !too_many);
    PyMem_Free(found_at.probe);
    let_go(&keys.own);
    let_go(&values.own);
    release(b, 7);
    return too_many ? Py_NewRef(Py_None) : result;
}

/* The same of the rows where some keys are known to lie. */
WIDE PyObject *kept(PyObject *self, PyObject *args)
{
    Py_buffer b[8];
    Pieces keys = {.item = sizeof(Key)}, values = {0};
    PyObject *rooms[2];
    Wanted what;
    Found found = {0};
    Py_ssize_t piece_rows;
    int run_bits;
    if (!PyArg_ParseTuple(args, "y*y*y*OOOOniy*y*y*y*y*", &b[0], &b[1], &b[2], &rooms[0],
                          &keys.fetch, &rooms[1], &values.fetch, &piece_rows, &run_bits, &b[3],
                          &b[4], &b[5], &b[6], &b[7]))
        return NULL;
    Hits found_at = {b[0].buf, b[1].buf, b[2].buf, rows_in(&b[0], 8, 1), 0};
    values.item = run_bits ? sizeof(Narrow) : sizeof(Wide);
    int fits = hold(&keys, rooms[0]) && hold(&values, rooms[1]) && found_at.count >= 0 &&
               are_positive(piece_rows, NARROW_BITS + 1 - run_bits) &&
               has(&b[1], 8, found_at.count) && has(&b[2], 8, found_at.count) &&
               wanted_of(&b[3], &b[5], &what);
    for (Py_ssize_t n = 0; fits && n < found_at.count; n++)
        if (found_at.last[n] > found_at.first[n])
            found_at.rows += found_at.last[n] - found_at.first[n];
    if (fits)
        fits = sift_all(&what, &found_at, &keys, &values, piece_rows, run_bits, &found);
    PyObject *result = postings_of(&found, found_at.rows, fits);
    let_go(&keys.own);
    let_go(&values.own);
    release(b, 8);
    return result;
}
