/* The jobs as a CPython extension. With -DRELEASE each call lets go of the GIL, without it none does. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "jobs.c"

#ifdef RELEASE
#define ENTER Py_BEGIN_ALLOW_THREADS
#define LEAVE Py_END_ALLOW_THREADS
#else
#define ENTER {
#define LEAVE }
#endif

/* The functions of one int, which returns a long. */
#define OF_ONE_INT(name)                                          \
    static PyObject *py_##name(PyObject *self, PyObject *args) {  \
        int n;                                                    \
        long value;                                               \
        (void)self;                                               \
        if (!PyArg_ParseTuple(args, "i", &n)) return NULL;        \
        ENTER                                                     \
        value = name(n);                                          \
        LEAVE                                                     \
        return PyLong_FromLong(value);                            \
    }

OF_ONE_INT(fib)
OF_ONE_INT(timed_fib)
OF_ONE_INT(get)

static PyObject *py_total(PyObject *self, PyObject *args) {
    Py_buffer view;
    Py_ssize_t start, stop;
    double value;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*nn", &view, &start, &stop)) return NULL;
    if (start < 0 || stop < start || stop > view.len / (Py_ssize_t)sizeof(double)) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_IndexError, "chunk [%zd, %zd) of %zd bytes", start, stop, view.len);
    }
    ENTER
    value = total((size_t)(stop - start), (const double *)view.buf + start);
    LEAVE
    PyBuffer_Release(&view);
    return PyFloat_FromDouble(value);
}

static PyObject *py_meet(PyObject *self, PyObject *args) {
    int wanted, patience, met;
    (void)self;
    if (!PyArg_ParseTuple(args, "ii", &wanted, &patience)) return NULL;
    ENTER
    met = meet(wanted, patience);
    LEAVE
    return PyLong_FromLong(met);
}

static PyMethodDef methods[] = {
    {"fib", py_fib, METH_VARARGS, NULL},     {"timed_fib", py_timed_fib, METH_VARARGS, NULL},
    {"get", py_get, METH_VARARGS, NULL},     {"total", py_total, METH_VARARGS, NULL},
    {"meet", py_meet, METH_VARARGS, NULL},   {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    /* Without this line a free-threaded interpreter turns its GIL on when it imports the module. */
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "jobs", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_jobs(void) { return PyModuleDef_Init(&definition); }
