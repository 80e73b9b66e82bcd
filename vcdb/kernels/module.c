/* The module vcdb.kernels._kernels. */

#include "kernels.h"

/* Raised whenever functions or arguments change: what was built before is then passed over. */
enum { VERSION = 2 };

static PyMethodDef methods[] = {
    {"band_sums", band_sums, METH_VARARGS, "See vcdb.fingerprint.bands."},
    {"widen", widen, METH_VARARGS, "See vcdb.search.probes.widen."},
    {"keys_of_rungs", keys_of_rungs, METH_VARARGS, "See vcdb.search.probes."},
    {"sketch", sketch, METH_VARARGS, "See vcdb.fingerprint.sketch.sketched."},
    {"hits", hits, METH_VARARGS, "See vcdb.store.segment_scan."},
    {"kept", kept, METH_VARARGS, "See vcdb.store.segment_scan."},
    {"nearest", nearest, METH_VARARGS, "See vcdb.search.nearest."},
    {"beyond_doubt", beyond_doubt, METH_VARARGS, "See vcdb.search.glance."},
    {"agreement", agreement, METH_VARARGS, "See vcdb.search.evidence."},
    {"blank_difference", blank_difference, METH_VARARGS, "See vcdb.search.surface."},
    {"differences", differences, METH_VARARGS, "See vcdb.search.difference."},
    {"distances", distances, METH_VARARGS, "See vcdb.search.moment."},
    {"anchor", anchor, METH_VARARGS, "See vcdb.store.codec.anchors_of."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernels", "Inner loops of a lookup, compiled.", 0, methods,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "VERSION", VERSION) < 0)
        Py_CLEAR(made);
    return made;
}
