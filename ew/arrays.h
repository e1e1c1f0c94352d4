/* Arrays as compiled kernels take them from Python: of one dtype, in one piece, their shape known. */
#ifndef EW_ARRAYS_H
#define EW_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_1_21_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

struct arrays { PyObject *held[12]; int count; };   /* of one call, let go at its end; all zeros at first */
struct array { void *data; npy_intp shape[3]; };

/* An array that is read: of another dtype or layout a copy takes its place. Returns 0 with an exception. */
static int take(struct arrays *arrays, PyObject *object, int type, int dimensions, struct array *array)
{
    PyObject *plain = PyArray_FROMANY(object, type, dimensions, dimensions, NPY_ARRAY_CARRAY_RO);
    if (!plain) return 0;
    arrays->held[arrays->count++] = plain;
    array->data = PyArray_DATA((PyArrayObject *)plain);
    for (int k = 0; k < dimensions; k++) array->shape[k] = PyArray_DIM((PyArrayObject *)plain, k);
    return 1;
}

/* An array that is written where it lies. Returns 0 with an exception. */
static int take_output(PyObject *object, int type, int dimensions, struct array *array)
{
    PyArrayObject *there = (PyArrayObject *)object;
    if (!PyArray_Check(object) || PyArray_TYPE(there) != type || PyArray_NDIM(there) != dimensions ||
        !PyArray_ISCARRAY(there)) {
        PyErr_SetString(PyExc_TypeError, "an output must be a contiguous, writeable array of the kernel's dtype and shape");
        return 0;
    }
    array->data = PyArray_DATA(there);
    for (int k = 0; k < dimensions; k++) array->shape[k] = PyArray_DIM(there, k);
    return 1;
}

/* The end of a call: None, or NULL where an exception or a shape that does not fit stands in the way. */
static PyObject *finish(struct arrays *arrays, PyObject *result)
{
    while (arrays->count) Py_DECREF(arrays->held[--arrays->count]);
    return result;
}

static PyObject *wrong_shape(struct arrays *arrays)
{
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the arrays' shapes do not fit each other");
    return finish(arrays, NULL);
}

#endif
