/* Pieces of a segment of a base: fetched by functions that Python gives, and held. */

#ifndef VCDB_PIECES_H
#define VCDB_PIECES_H

#include "kernels.h"

/* Pieces that were fetched, by their numbers; NULL where one was not. */
typedef struct {
    Py_ssize_t room;
    Py_buffer **at;
} Held;

static const char HELD[] = "vcdb.kernels.pieces";

static void let_go(Held *held)
{
    for (Py_ssize_t n = 0; n < held->room; n++)
        if (held->at[n]) {
            PyBuffer_Release(held->at[n]);
            PyMem_Free(held->at[n]);
        }
    PyMem_Free(held->at);
    *held = (Held){0, NULL};
}

static void forget(PyObject *capsule)
{
    Held *held = PyCapsule_GetPointer(capsule, HELD);
    let_go(held);
    PyMem_Free(held);
}

/* Pieces of a segment: those that are held, and what `fetch` gives for the numbers of others. */
typedef struct {
    Held *held, own;
    PyObject *fetch;
    Py_ssize_t item;
} Pieces;

/* Hold them where Python says, or, for None, for this call; 0 where that is no such room. */
static int hold(Pieces *pieces, PyObject *capsule)
{
    pieces->own = (Held){0, NULL};
    pieces->held = capsule == Py_None ? &pieces->own : PyCapsule_GetPointer(capsule, HELD);
    return pieces->held != NULL;
}

static int has_room(Held *held, Py_ssize_t number)
{
    if (number < held->room)
        return 1;
    Py_ssize_t room = 2 * number + 8;
    Py_buffer **at = PyMem_Realloc(held->at, room * sizeof(Py_buffer *));
    if (!at)
        return PyErr_NoMemory() != NULL;
    memset(at + held->room, 0, (room - held->room) * sizeof(Py_buffer *));
    *held = (Held){room, at};
    return 1;
}

static int fetch(Pieces *pieces, Py_ssize_t number)
{
    PyObject *object = PyObject_CallFunction(pieces->fetch, "n", number);
    Py_buffer *data = object ? PyMem_Malloc(sizeof(Py_buffer)) : NULL;
    int fits = data && PyObject_GetBuffer(object, data, PyBUF_SIMPLE) == 0;
    if (object && !data)
        PyErr_NoMemory();
    Py_XDECREF(object);
    if (!fits)
        PyMem_Free(data);
    else if (!has_room(pieces->held, number) || pieces->held->at[number]) {
        /* Another thread may have been quicker. */
        PyBuffer_Release(data);
        PyMem_Free(data);
    } else
        pieces->held->at[number] = data;
    return fits && !PyErr_Occurred();
}

/* Where a row lies whose piece has `rows` rows from there on; NULL, and an error, where not. */
static const char *at_row(Pieces *pieces, Py_ssize_t piece_rows, Py_ssize_t row, Py_ssize_t rows)
{
    Py_ssize_t number = row / piece_rows, begin = row % piece_rows;
    if (number >= pieces->held->room || !pieces->held->at[number])
        if (!fetch(pieces, number))
            return NULL;
    const Py_buffer *data = pieces->held->at[number];
    if (data->len >= (begin + rows) * pieces->item)
        return (const char *)data->buf + begin * pieces->item;
    PyErr_SetString(PyExc_ValueError, "a piece of a segment is cut off");
    return NULL;
}

#endif
