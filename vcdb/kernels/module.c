/* The module vcdb.kernels._kernels. */

#include "kernels.h"

/* Raised whenever functions or arguments change: what was built before is then passed over. */
enum { VERSION = 6 };

static PyMethodDef methods[] = {
    {"band_sums", band_sums, METH_VARARGS, "See vcdb.fingerprint.bands."},
    {"widen", widen, METH_VARARGS, "See vcdb.search.probes.widen."},
    {"keys_of_rungs", keys_of_rungs, METH_VARARGS, "See vcdb.search.probes."},
    {"sketch", sketch, METH_VARARGS, "See vcdb.fingerprint.sketch.sketched."},
    {"pieces", pieces, METH_VARARGS, "See vcdb.store.segments.Segment."},
    {"hits", hits, METH_VARARGS, "See vcdb.store.segment_scan."},
    {"scanned", scanned, METH_VARARGS, "See vcdb.store.segment_scan."},
    {"kept", kept, METH_VARARGS, "See vcdb.store.segment_scan."},
    {"nearest", nearest, METH_VARARGS, "See vcdb.search.nearest."},
    {"beyond_doubt", beyond_doubt, METH_VARARGS, "See vcdb.search.glance."},
    {"features", features, METH_VARARGS, "See vcdb.search.evidence."},
    {"probabilities", probabilities, METH_VARARGS, "See vcdb.search.evidence."},
    {"blank_difference", blank_difference, METH_VARARGS, "See vcdb.search.surface."},
    {"differences", differences, METH_VARARGS, "See vcdb.search.difference."},
    {"distances", distances, METH_VARARGS, "See vcdb.search.moment."},
    {"all_anchors", all_anchors, METH_VARARGS, "See vcdb.store.codec.runs_of."},
    {"anchors", anchors, METH_VARARGS, "See vcdb.store.codec.anchors_of."},
    {"values", values, METH_VARARGS, "See vcdb.fingerprint.descriptor.values_of."},
    {"levels_of_grids", levels_of_grids, METH_VARARGS, "See vcdb.fingerprint.descriptor."},
    {"grids", grids, METH_VARARGS, "See vcdb.fingerprint.picture."},
    {"view", view, METH_VARARGS, "See vcdb.search.views."},
    {"left_over_of", left_over_of, METH_VARARGS, "See vcdb.search.views."},
    {"left_over_by_runs", left_over_by_runs, METH_VARARGS, "See vcdb.search.views."},
    {"step", step, METH_VARARGS, "See vcdb.search.views."},
    {"likely_changes", likely_changes, METH_VARARGS, "See vcdb.search.views."},
    {"is_tinted", is_tinted, METH_VARARGS, "See vcdb.search.tint."},
    {"is_toned", is_toned, METH_VARARGS, "See vcdb.search.tint."},
    {"local_minima", local_minima, METH_VARARGS, "See vcdb.search.moment."},
    {"alike", alike, METH_VARARGS, "See vcdb.search.candidates."},
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
