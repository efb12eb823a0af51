"""Rows of a sparse matrix made dense.  Every index is checked where it is used: the arrays are the caller's."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from fastnn._core.held cimport require_packed

import numpy as np

cnp.import_array()

ctypedef fused real:
    float
    double

ctypedef fused place:
    int32_t
    int64_t


cdef Py_ssize_t fill(Py_ssize_t n, const int64_t* rows, Py_ssize_t stored, Py_ssize_t columns, Py_ssize_t values,
                     const real* data, const place* index, const place* start, real* out) noexcept:
    """Add the values of rows to lines of zeros; returns how many rows were filled: less than ``n`` if one is wrong."""
    cdef Py_ssize_t b, k, first, last, column
    for b in range(n):
        if not 0 <= rows[b] < stored:
            return b
        first, last = start[rows[b]], start[rows[b] + 1]
        if not 0 <= first <= last <= values:
            return b
        for k in range(first, last):
            column = index[k]
            if not 0 <= column < columns:
                return b
            out[b * columns + column] += data[k]
    return n


cdef Py_ssize_t fill_any(cnp.ndarray rows, Py_ssize_t columns, Py_ssize_t values, cnp.ndarray data, const place* index,
                         const place* start, Py_ssize_t stored, cnp.ndarray out) noexcept:
    cdef Py_ssize_t n = cnp.PyArray_SIZE(rows)
    cdef const int64_t* numbers = <const int64_t*> cnp.PyArray_DATA(rows)
    if cnp.PyArray_TYPE(data) == cnp.NPY_FLOAT:
        return fill(n, numbers, stored, columns, values, <const float*> cnp.PyArray_DATA(data), index, start,
                    <float*> cnp.PyArray_DATA(out))
    return fill(n, numbers, stored, columns, values, <const double*> cnp.PyArray_DATA(data), index, start,
                <double*> cnp.PyArray_DATA(out))


def dense_rows(data, indices, indptr, rows, Py_ssize_t columns):
    """Return the numbered ``rows`` (B, columns) of the CSR matrix that these arrays are: a new array of data's dtype.

    Raises
    ------
    ValueError
        If they are not the arrays of such a matrix, or there is no such row.
    """
    cdef cnp.ndarray numbers = np.ascontiguousarray(rows, np.int64), out
    cdef Py_ssize_t values, stored, filled
    cdef int kind = cnp.NPY_DOUBLE if getattr(data, "dtype", None) == np.float64 else cnp.NPY_FLOAT
    cdef int whole = cnp.NPY_INT64 if getattr(indices, "dtype", None) == np.int64 else cnp.NPY_INT32
    out = np.zeros((numbers.size, columns), np.float64 if kind == cnp.NPY_DOUBLE else np.float32)
    # From here on no other thread runs: it has no chance to change these arrays between check and use.
    require_packed("data of a sparse matrix", data, kind, 0, 1)
    values = cnp.PyArray_SIZE(<cnp.ndarray> data)
    require_packed("indices of a sparse matrix", indices, whole, values, 1)
    require_packed("indptr of a sparse matrix", indptr, whole, 1, 1)
    values, stored = min(values, cnp.PyArray_SIZE(<cnp.ndarray> indices)), cnp.PyArray_SIZE(<cnp.ndarray> indptr) - 1
    if whole == cnp.NPY_INT64:
        filled = fill_any(numbers, columns, values, <cnp.ndarray> data,
                          <const int64_t*> cnp.PyArray_DATA(indices), <const int64_t*> cnp.PyArray_DATA(indptr), stored,
                          out)
    else:
        filled = fill_any(numbers, columns, values, <cnp.ndarray> data,
                          <const int32_t*> cnp.PyArray_DATA(indices), <const int32_t*> cnp.PyArray_DATA(indptr), stored,
                          out)
    if filled < numbers.size:
        raise ValueError(f"expected row {numbers[filled]} of a sparse matrix of {stored} rows and {columns} columns to have "
                         "indices within them, got others; leave the matrix as it is until the call that was given it ends")
    return out
