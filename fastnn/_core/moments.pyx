"""Counts, means and squares of columns; rows of a stream, one at a time: names to columns, standardised values.

NaN stands for a value that is missing: it is not learnt from, and becomes 0, the mean, in what is written.
"""

cimport numpy as cnp
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from libc.math cimport fabs, isnan, sqrt
from libc.string cimport memcpy

from fastnn._core.held cimport hold, require_packed
from fastnn._core.rows cimport Row, data_of, fits, row_of

import numpy as np

cnp.import_array()

cdef double LARGEST = 1e150     # of a value: its square, and sums of them, are finite
cdef double NAN = float("nan")


cdef double number_of(str who, name, value) except? -1.0:
    """A number of any type, NaN for the NA of pandas; TypeError for what is none, dates and times of NumPy included."""
    try:
        if isinstance(value, (np.datetime64, np.timedelta64)):
            raise TypeError
        return value
    except TypeError:
        if type(value).__name__ == "NAType":
            return NAN
        raise TypeError(f"{who}: expected a number for feature {name!r:.60}, got {type(value).__name__} "
                        f"{value!r:.60}; encode it as numbers first") from None
    except OverflowError:
        return LARGEST * 10.0


cdef class Moments:
    """Count, mean and sum of squared deviations of each column, value by value.

    With decay d a value x changes them so: ``n <- d n + 1; m' = m + (x - m) / n; s <- d s + (x - m)(x - m')``.  A row
    is handed over by ``take`` or ``take_named``; then ``learn`` learns from it and ``write`` standardises it.
    """

    cdef readonly cnp.ndarray state     # (3, *shape of a row) float64: counts, means, sums of squares
    cdef readonly Py_ssize_t width      # columns
    cdef public Py_ssize_t rows         # learnt from
    cdef double decay, limit            # of weights, per value; of what is written, 0: none
    cdef cnp.ndarray work               # (4, width): the state before the last ``learn``, and the row
    cdef Row shape
    cdef double* count
    cdef double* mean
    cdef double* squares
    cdef double* values
    cdef double* before

    def __init__(self, shape, double decay=1.0, double limit=0.0, state=None, Py_ssize_t rows=0):
        self.state = np.zeros((3, *np.atleast_1d(shape))) if state is None else np.array(state, np.float64, order="C")
        if state is not None and (self.state.ndim == 0 or len(self.state) != 3):
            raise ValueError(f"Moments: expected a state of shape (3, *shape of a row), got {(<object> self.state).shape}")
        self.width, self.rows, self.decay, self.limit = self.state.size // 3, rows, decay, limit
        self.work, self.shape = np.zeros((4, self.width)), row_of((self.width,))
        self.count = <double*> cnp.PyArray_DATA(self.state)
        self.mean, self.squares = self.count + self.width, self.count + 2 * self.width
        self.before = <double*> cnp.PyArray_DATA(self.work)
        self.values = self.before + 3 * self.width

    def __reduce__(self):
        return Moments, ((<object> self.state).shape[1:], self.decay, self.limit, self.state.copy(), self.rows)

    def take(self, x):
        """Take a row (I,), float32 or float64; False if it is no such packed array, or a value is too large."""
        cdef Py_ssize_t i
        if fits(x, cnp.NPY_DOUBLE, &self.shape, False):
            memcpy(self.values, data_of(x), self.width * sizeof(double))
        elif fits(x, cnp.NPY_FLOAT, &self.shape, False):
            for i in range(self.width):
                self.values[i] = <double> (<const float*> data_of(x))[i]
        else:
            return False
        for i in range(self.width):
            if fabs(self.values[i]) > LARGEST:
                return False
        return True

    def take_named(self, str who, dict x, dict columns):
        """Take a row of values by name, None or NaN where there is none; returns how many names have no column."""
        cdef Py_ssize_t i, unknown = 0
        cdef double number
        for i in range(self.width):
            self.values[i] = NAN
        for name, value in x.items():
            column = columns.get(name)
            if column is None:
                unknown += 1
                continue
            if PyFloat_CheckExact(value):
                number = PyFloat_AS_DOUBLE(value)
            elif value is None:
                continue
            else:
                number = number_of(who, name, value)
            if fabs(number) > LARGEST:
                raise ValueError(f"{who}: expected a finite number for feature {name!r:.60}, or NaN where it is missing, "
                                 f"got {value!r:.60}")
            if not 0 <= column < self.width:
                raise ValueError(f"{who}: expected columns from 0 to {self.width - 1}, got {column} for {name!r:.60}")
            self.values[<Py_ssize_t> column] = number
        return unknown

    cdef void learn_values(self, const double* values) noexcept nogil:
        cdef Py_ssize_t i
        cdef double count, gap, squares
        for i in range(self.width):
            if isnan(values[i]):
                continue
            count = self.decay * self.count[i] + 1.0
            gap = values[i] - self.mean[i]
            self.count[i] = count
            self.mean[i] += gap / count
            squares = self.decay * self.squares[i] + gap * (values[i] - self.mean[i])
            self.squares[i] = squares if squares > 0.0 else 0.0     # rounding could take it below
        self.rows += 1

    cdef inline double standardised(self, Py_ssize_t i, double value) noexcept nogil:
        cdef double z
        if isnan(value) or self.squares[i] <= 0.0:
            return 0.0
        z = (value - self.mean[i]) / sqrt(self.squares[i] / self.count[i])
        if self.limit > 0.0:
            z = min(max(z, -self.limit), self.limit)
        return z

    def learn(self):
        """Learn from the row that was taken."""
        memcpy(self.before, self.count, 3 * self.width * sizeof(double))
        self.learn_values(self.values)

    def undo(self):
        """Be as before the last ``learn``: once."""
        memcpy(self.count, self.before, 3 * self.width * sizeof(double))
        self.rows -= 1

    def write(self, cnp.ndarray out, bint standardise=True):
        """Write the row that was taken, standardised or as it is, to ``out``: (I,), float32 or float64, packed."""
        cdef Py_ssize_t i
        cdef double value
        cdef bint double_precision = cnp.PyArray_TYPE(out) == cnp.NPY_DOUBLE
        require_packed("out", out, cnp.NPY_DOUBLE if double_precision else cnp.NPY_FLOAT, self.width, 1, True)
        for i in range(self.width):
            value = self.values[i]
            value = self.standardised(i, value) if standardise else 0.0 if isnan(value) else value
            if double_precision:
                (<double*> data_of(out))[i] = value
            else:
                (<float*> data_of(out))[i] = <float> value

    def number(self, double z):
        """The value of the first column that ``z`` stands for."""
        return self.mean[0] + z * sqrt(self.squares[0] / self.count[0]) if self.count[0] > 0.0 else 0.0

    def learn_rows(self, cnp.ndarray X):
        """Learn from rows (B, I) of float64, packed, not too large."""
        cdef const double* values = <const double*> data_of(X)
        cdef Py_ssize_t row, rows
        require_packed("X", X, cnp.NPY_DOUBLE, 0, self.width)
        rows, held = cnp.PyArray_DIM(X, 0), hold(X)
        with nogil:
            for row in range(rows):
                self.learn_values(values + row * self.width)

    def write_rows(self, cnp.ndarray X):
        """Standardise rows (B, I) of float64, packed and not too large, in place."""
        cdef double* values = <double*> data_of(X)
        cdef Py_ssize_t row, i, rows
        require_packed("X", X, cnp.NPY_DOUBLE, 0, self.width, True)
        rows, held = cnp.PyArray_DIM(X, 0), hold(X)
        with nogil:
            for row in range(rows):
                for i in range(self.width):
                    values[i] = self.standardised(i, values[i])
                values += self.width
