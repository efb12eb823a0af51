"""The caller's arrays while C reads them: they are what C expects, and nobody frees their memory meanwhile.

Whoever keeps arrays of the caller, which may be views of others, for longer than a call in C keeps ``held`` of them, too.
Whoever hands an array's memory to C without the GIL, or while functions of the user's may run, first asks
``require_packed`` whether it is what is about to be read, and keeps what ``hold`` returns until C has done with it.
"""

cimport numpy as cnp
from cpython.buffer cimport PyObject_CheckBuffer
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.object cimport PyObject
from cpython.weakref cimport PyWeakref_NewRef

import numpy as np

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    PyObject* base_of "PyArray_BASE"(cnp.ndarray array) nogil


cdef object hold(object array):
    """What is to be kept while C reads an array, so that nobody can free the memory.

    NumPy resizes an array in place that others still use, if it is told to (``refcheck=False``), but none that something
    has a weak reference to; who lent the memory as a buffer (bytearray, mmap) keeps it for as long as a view of it lives.
    """
    owner = array
    while isinstance(owner, cnp.ndarray) and base_of(<cnp.ndarray> owner) != NULL:
        owner = <object> base_of(<cnp.ndarray> owner)
    if isinstance(owner, cnp.ndarray):
        return PyWeakref_NewRef(owner, None)
    if PyObject_CheckBuffer(owner):
        return PyMemoryView_FromObject(owner)
    return owner


cdef list hold_all(arrays, more=None):
    """The same for several, and perhaps one more."""
    cdef list held = []
    for array in arrays:
        held.append(hold(array))
    if more is not None:
        held.append(hold(more))
    return held


def held(values):
    """What is to be kept so that the memory of the arrays among some values stays."""
    cdef list arrays = []
    for value in values:
        if isinstance(value, cnp.ndarray):
            arrays.append(value)
    return hold_all(arrays)


def aligned_part(cnp.ndarray block not None, Py_ssize_t n, int type_number, Py_ssize_t alignment):
    """``n`` elements of this type of NumPy's from the first place in a block of bytes that is so aligned.

    Not by a slice and a view of it: where memory fails NumPy crashes on the way.
    """
    cdef Py_ssize_t skip = -<Py_ssize_t> cnp.PyArray_DATA(block) % alignment
    cdef cnp.npy_intp size = n
    cdef cnp.ndarray part
    skip += alignment if skip < 0 else 0
    part = cnp.PyArray_SimpleNewFromData(1, &size, type_number, <char*> cnp.PyArray_DATA(block) + skip)
    if skip + cnp.PyArray_NBYTES(part) > cnp.PyArray_NBYTES(block):
        raise ValueError(f"expected a block for {n} elements, got one of {cnp.PyArray_NBYTES(block)} bytes")
    cnp.set_array_base(part, block)
    return part


cdef int require_packed(str what, object array, int type_number, Py_ssize_t rows, Py_ssize_t width,
                        bint writable=False) except -1:
    """Refuse what is not a packed array of this type of NumPy's with at least ``rows`` rows of ``width`` numbers.

    Raises
    ------
    TypeError
        If it is no array.
    ValueError
        If it is another one, or a row has another size.
    """
    cdef cnp.ndarray found
    cdef Py_ssize_t n
    if type(array) is cnp.ndarray:
        found = array
        n = cnp.PyArray_DIM(found, 0) if cnp.PyArray_NDIM(found) else 0
        if (n >= rows and cnp.PyArray_TYPE(found) == type_number and cnp.PyArray_SIZE(found) == n * width
                and cnp.PyArray_ISCARRAY_RO(found) and (not writable or cnp.PyArray_ISWRITEABLE(found))):
            return 0
    got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
    error = ValueError if isinstance(array, np.ndarray) else TypeError
    raise error(f"expected {what} to be {rows} packed{', writable' if writable else ''} rows of {width} numbers of "
                f"{np.dtype(cnp.PyArray_DescrFromType(type_number))}, got {got}; leave arrays as they are until the "
                "call that was given them ends")


cdef int require_count(str what, object arrays, Py_ssize_t count) except -1:
    """Refuse another number of arrays."""
    if len(arrays) != count:
        raise ValueError(f"expected {count} arrays of {what}, got {len(arrays)}")
    return 0
