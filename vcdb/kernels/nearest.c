/* Which records are nearest by sketch, what they show, and whether one is a copy beyond doubt:
   vcdb.search.nearest, vcdb.store.codec, vcdb.search.glance. */

#include "kernels.h"

typedef struct {
    double share;
    int64_t row;
} Turned;

/* Shares of at most 64 bits that are not the same differ by 1 / (64 * 63) or more: no two of them
   fall into one such step. */
enum { STEPS_OF_SHARE = 4096 };

/* The nearest of records in order, all but those after the last that is as near as the one at place
   `most`; `ordered` has room for as many as there are. How many. */
static Py_ssize_t put_in_order(const Turned *turned, Py_ssize_t count, Py_ssize_t most,
                               Turned *ordered)
{
    uint32_t starts[STEPS_OF_SHARE + 1] = {0};
    Py_ssize_t total = 0;
    int last = 0;
    for (Py_ssize_t n = 0; n < count; n++)
        starts[(int)(turned[n].share * STEPS_OF_SHARE)]++;
    for (; last <= STEPS_OF_SHARE && total < most; last++) {
        uint32_t here = starts[last];
        starts[last] = (uint32_t)total;
        total += here;
    }
    for (Py_ssize_t n = 0; n < count; n++) {
        int step = (int)(turned[n].share * STEPS_OF_SHARE);
        if (step < last)
            ordered[starts[step]++] = turned[n];
    }
    return total;
}

/* How records are chosen: from so many blocks, so many of each; and which come first. */
typedef struct {
    Py_ssize_t most_blocks, records_of_block, first_blocks, block_runs;
    double as_near;
} Choosing;

/* Records that were chosen, the first `first` of which come before the others. */
typedef struct {
    Py_ssize_t count, first;
    int64_t *hypotheses;
    uint64_t *places, *blocks;
    uint32_t *videos, *runs;
} Chosen;

/* What was chosen before of a record's block, and of that for its hypothesis. */
typedef struct {
    int block_known, is_there;
    Py_ssize_t records;
} Before;

static Before before(const Chosen *chosen, int64_t hypothesis, uint64_t place, uint64_t block)
{
    Before found = {0};
    for (Py_ssize_t n = 0; n < chosen->count; n++)
        if (chosen->blocks[n] == block) {
            int same = chosen->hypotheses[n] == hypothesis;
            found.block_known = 1;
            found.records += same;
            found.is_there |= same && chosen->places[n] == place;
        }
    return found;
}

/* Whether (hypothesis, place) is in a set; -1 and an error where that cannot be told. */
static int is_in(PyObject *asked, int64_t hypothesis, uint64_t place)
{
    if (PySet_Size(asked) == 0)
        return 0;
    PyObject *pair = Py_BuildValue("LK", (long long)hypothesis, (unsigned long long)place);
    int found = pair ? PySet_Contains(asked, pair) : -1;
    Py_XDECREF(pair);
    return found;
}

/* Of records, nearest first; false, and an error, where it cannot be told what was asked before. */
static int choose(const Turned *turned, Py_ssize_t count, const Posting *posting,
                  const int64_t *hypotheses, PyObject *asked, const Choosing *how, Chosen *chosen)
{
    const uint64_t mask = ((uint64_t)1 << (RUN_BITS + VIDEO_BITS)) - 1;
    Py_ssize_t blocks = 0;
    double limit = 0;
    chosen->count = 0, chosen->first = -1;
    for (Py_ssize_t n = 0; n < count; n++) {
        int64_t hypothesis = hypotheses[turned[n].row];
        uint64_t place = posting[turned[n].row].place & mask, block = place / how->block_runs;
        Before known = before(chosen, hypothesis, place, block);
        if (!known.block_known && blocks == how->most_blocks)
            break;
        if (known.is_there || known.records == how->records_of_block)
            continue;
        int again = is_in(asked, hypothesis, place);
        if (again < 0)
            return 0;
        if (again)
            continue;
        blocks += !known.block_known;
        if (!chosen->count)
            limit = turned[n].share + how->as_near;
        if (chosen->first < 0 && (turned[n].share > limit || blocks > how->first_blocks))
            chosen->first = chosen->count;
        chosen->hypotheses[chosen->count] = hypothesis;
        chosen->places[chosen->count] = place;
        chosen->blocks[chosen->count] = block;
        chosen->videos[chosen->count] = (uint32_t)(place >> RUN_BITS);
        chosen->runs[chosen->count++] = place & (((uint64_t)1 << RUN_BITS) - 1);
    }
    if (chosen->first < 0)
        chosen->first = chosen->count;
    return 1;
}

/* Of records, nearest first. */
static PyObject *chosen_of(const Turned *turned, Py_ssize_t count, const Posting *posting,
                           const int64_t *hypotheses, PyObject *asked, const Choosing *how)
{
    Chosen chosen;
    PyObject *result = NULL;
    char *room = PyMem_Malloc(count * 32 + 1);
    if (!room)
        return PyErr_NoMemory();
    chosen.hypotheses = (int64_t *)room;
    chosen.places = (uint64_t *)(room + 8 * count);
    chosen.blocks = (uint64_t *)(room + 16 * count);
    chosen.videos = (uint32_t *)(room + 24 * count);
    chosen.runs = (uint32_t *)(room + 28 * count);
    if (choose(turned, count, posting, hypotheses, asked, how, &chosen))
        result = Py_BuildValue("ny#y#y#y#", chosen.first, chosen.hypotheses, 8 * chosen.count,
                               chosen.places, 8 * chosen.count, chosen.videos, 4 * chosen.count,
                               chosen.runs, 4 * chosen.count);
    PyMem_Free(room);
    return result;
}

WIDE PyObject *nearest(PyObject *self, PyObject *args)
{
    Py_buffer b[4];
    double largest;
    PyObject *before;
    Choosing how;
    Py_ssize_t most, found = 0;
    if (!PyArg_ParseTuple(args, "y*y*y*y*O!dn(nndnn)", &b[0], &b[1], &b[2], &b[3], &PySet_Type,
                          &before, &largest, &most, &how.most_blocks, &how.records_of_block,
                          &how.as_near, &how.first_blocks, &how.block_runs))
        return NULL;
    Py_ssize_t count = rows_in(&b[0], sizeof(Posting), 1), pictures = b[2].len / 8;
    const Posting *posting = b[0].buf;
    const int64_t *hypotheses = b[1].buf;
    const uint64_t *sketches = b[2].buf, *certain = b[3].buf;
    Turned *turned = NULL;
    PyObject *result = NULL;
    int fits = count >= 0 && has(&b[1], 8, count) && has(&b[3], 8, pictures);
    if (fits && how.block_runs <= 0) {
        PyErr_SetString(PyExc_ValueError, "blocks have runs");
        fits = 0;
    }
    if (fits && !(turned = PyMem_Malloc(2 * count * sizeof(Turned))))
        fits = PyErr_NoMemory() != NULL;
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        int64_t asked = hypotheses[n];
        if (asked < 0 || asked >= pictures) {
            PyErr_SetString(PyExc_ValueError, "there is no such hypothesis");
            fits = 0;
            break;
        }
        int all = bits_in(certain[asked]);
        int differ = bits_in((posting[n].sketch ^ sketches[asked]) & certain[asked]);
        double share = differ / (double)(all ? all : 1);
        if (share <= largest)
            turned[found++] = (Turned){share, n};
    }
    if (fits) {
        Turned *ordered = turned + count;
        found = put_in_order(turned, found, most, ordered);
        found = found < most ? found : most;
        result = chosen_of(ordered, found, posting, hypotheses, before, &how);
    }
    PyMem_Free(turned);
    release(b, 4);
    return result;
}

/* One row of a block's columns, which are differences from row to row: summed up to it. */
static void sum_up(const uint8_t *steps, Py_ssize_t count, Py_ssize_t number, int8_t *codes,
                   uint8_t *mean, uint8_t *deviation)
{
    for (int column = 0; column < ROW; column++, steps += count) {
        uint8_t total = 0;
        for (Py_ssize_t row = 0; row <= number; row++)
            total += steps[row];
        if (column >= 2)
            codes[column - 2] = (int8_t)total;
        else
            *(column ? deviation : mean) = total;
    }
}

/* The steps of a block's body, whose first two bytes tell how many runs it has, after `head` bytes
   and twelve for each run; NULL, and an error, where it has not the run of this number. */
static const uint8_t *steps_in(PyObject *body, Py_ssize_t head, Py_ssize_t number,
                               Py_ssize_t *count)
{
    char *data;
    Py_ssize_t there;
    if (PyBytes_AsStringAndSize(body, &data, &there) < 0)
        return NULL;
    *count = there < 2 ? 0 : (uint8_t)data[0] << 8 | (uint8_t)data[1];
    head += 12 * *count;
    if (number < *count && head >= 0 && head + ROW * *count <= there)
        return (const uint8_t *)data + head;
    PyErr_Format(PyExc_ValueError, "it has %zd runs", *count);
    return NULL;
}

/* Of runs (n,) the rows, each in the block of the body that `which` tells the place of. */
PyObject *anchors(PyObject *self, PyObject *args)
{
    Py_buffer b[4];
    PyObject *bodies, *which;
    Py_ssize_t block_runs, head;
    if (!PyArg_ParseTuple(args, "O!O!y*nnw*w*w*", &PyList_Type, &bodies, &PyList_Type, &which,
                          &b[0], &block_runs, &head, &b[1], &b[2], &b[3]))
        return NULL;
    Py_ssize_t rows = rows_in(&b[0], 4, 1), count;
    int fits = rows >= 0 && has(&b[1], 1, CODES * rows) && has(&b[2], 1, rows) &&
               has(&b[3], 1, rows);
    if (fits && (PyList_Size(which) != rows || block_runs <= 0)) {
        PyErr_SetString(PyExc_ValueError, "an array has another length");
        fits = 0;
    }
    for (Py_ssize_t n = 0; fits && n < rows; n++) {
        Py_ssize_t number = ((const uint32_t *)b[0].buf)[n] % block_runs;
        PyObject *body = PyList_GetItem(bodies, PyLong_AsSsize_t(PyList_GetItem(which, n)));
        const uint8_t *steps = body ? steps_in(body, head, number, &count) : NULL;
        fits = steps != NULL;
        if (fits)
            sum_up(steps, count, number, (int8_t *)b[1].buf + n * CODES, (uint8_t *)b[2].buf + n,
                   (uint8_t *)b[3].buf + n);
    }
    release(b, 4);
    return fits ? Py_NewRef(Py_None) : NULL;
}

/* All rows. */
PyObject *all_anchors(PyObject *self, PyObject *args)
{
    Py_buffer b[4];
    Py_ssize_t begin, count;
    if (!PyArg_ParseTuple(args, "y*nnw*w*w*", &b[0], &begin, &count, &b[1], &b[2], &b[3]))
        return NULL;
    int fits = count >= 0 && has(&b[1], 1, CODES * count) && has(&b[2], 1, count) &&
               has(&b[3], 1, count);
    if (fits && (begin < 0 || begin + ROW * count > b[0].len)) {
        PyErr_Format(PyExc_ValueError, "it has not %zd runs", count);
        fits = 0;
    }
    const uint8_t *steps = (const uint8_t *)b[0].buf + begin;
    for (int column = 0; fits && column < ROW; column++, steps += count) {
        int code = column >= 2;
        uint8_t *to = (uint8_t *)b[code ? 1 : 2 + column].buf + (code ? column - 2 : 0);
        uint8_t total = 0;
        for (Py_ssize_t row = 0; row < count; row++) {
            total += steps[row];
            to[row * (code ? CODES : 1)] = total;
        }
    }
    release(b, 4);
    return fits ? Py_NewRef(Py_None) : NULL;
}

typedef struct {
    const float *parts[3];
    float mean, deviation, brightness_steps, colour_scale, colour_steps;
    float most_brightness, most_colour, most_mean, most_contrast;
} Copied;

/* How far a stored picture's brightness is from the query's, where it is a copy beyond doubt; else
   a negative number. */
static float copied(const Copied *query, const int8_t *codes, float mean, float deviation)
{
    float scale = query->colour_scale;
    double brightness = 0, colour = 0;
    int cells = 0, colours = 0;
    if (!(fabsf(mean - query->mean) <= query->most_mean) ||
        !(fabs(log(deviation / query->deviation)) <= query->most_contrast))
        return -1;
    for (int k = 0; k < CELLS; k++)
        if (!isnan(query->parts[0][k])) {
            brightness += fabsf(codes[k] - (query->brightness_steps * query->parts[0][k] - 0.5f));
            cells++;
        }
    for (int part = 1; part < 3; part++)
        for (int k = 0; k < CELLS; k++)
            if (!isnan(query->parts[part][k])) {
                colour += fabsf(codes[part * CELLS + k] - scale * query->parts[part][k]);
                colours++;
            }
    float differs = (float)(brightness / (query->brightness_steps * (cells ? cells : 1)));
    colour /= query->colour_steps * (colours ? colours : 1);
    return differs <= query->most_brightness && colour <= query->most_colour ? differs : -1;
}

WIDE PyObject *beyond_doubt(PyObject *self, PyObject *args)
{
    Py_buffer b[6];
    Copied query;
    if (!PyArg_ParseTuple(args, "y*y*y*fffff(ffff)y*y*y*", &b[0], &b[1], &b[2], &query.mean,
                          &query.deviation, &query.brightness_steps, &query.colour_scale,
                          &query.colour_steps, &query.most_brightness, &query.most_colour,
                          &query.most_mean, &query.most_contrast, &b[3], &b[4], &b[5]))
        return NULL;
    Py_ssize_t count = rows_in(&b[3], 1, CODES), best = -1;
    float nearest = INFINITY;
    int fits = count >= 0 && has(&b[4], 4, count) && has(&b[5], 4, count);
    for (int part = 0; fits && part < 3; part++) {
        fits = has(&b[part], 4, CELLS);
        query.parts[part] = b[part].buf;
    }
    for (Py_ssize_t n = 0; fits && n < count; n++) {
        float differs = copied(&query, (const int8_t *)b[3].buf + n * CODES,
                               ((const float *)b[4].buf)[n], ((const float *)b[5].buf)[n]);
        if (differs >= 0 && differs < nearest)
            nearest = differs, best = n;
    }
    release(b, 6);
    return fits ? PyLong_FromSsize_t(best) : NULL;
}
