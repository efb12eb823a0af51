"""Pictures changed row by row: moved, turned, covered, their contrast changed.  Packed (B, H, W, C), float32 or float64.

All of it is in place: further arrays of pictures would cost more than what is done to them.
Each row has its own arguments and its own arithmetic, so its bits do not depend on the rows beside it.
"""

cimport numpy as cnp
from libc.math cimport llrint
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memmove

import numpy as np

cnp.import_array()

ctypedef fused real:
    float
    double


cdef extern from "fnn_pictures.h" nogil:
    void fnn_between_float(const float* x, Py_ssize_t line, float v, float h, float* y)
    void fnn_between_double(const double* x, Py_ssize_t line, double v, double h, double* y)


cdef double ONE = 4294967296.0      # a pixel, in the places of ``warp``


cdef struct Shape:
    Py_ssize_t B
    Py_ssize_t H
    Py_ssize_t W
    Py_ssize_t C


cdef Shape shape_of(cnp.ndarray x) except *:
    """Its sizes; ValueError if it is not packed pictures of real numbers."""
    if cnp.PyArray_NDIM(x) != 4 or not cnp.PyArray_ISCARRAY(x) or cnp.PyArray_TYPE(x) not in (cnp.NPY_FLOAT,
                                                                                               cnp.NPY_DOUBLE):
        raise ValueError(f"expected packed pictures (B, H, W, C) of float32 or float64, got {x.dtype} {(<object> x).shape}")
    return Shape(cnp.PyArray_DIM(x, 0), cnp.PyArray_DIM(x, 1), cnp.PyArray_DIM(x, 2), cnp.PyArray_DIM(x, 3))


cdef cnp.ndarray numbers(values, dtype, shape):
    """Packed numbers, one line for each row; ValueError if they are of another shape."""
    cdef cnp.ndarray array = np.ascontiguousarray(values, dtype)
    if (<object> array).shape != shape:
        raise ValueError(f"expected numbers of shape {shape}, got {(<object> array).shape}")
    return array


# ---- moved by whole pixels ----

cdef inline void fill_pixels(real* y, Py_ssize_t n, real value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = value


cdef void move_picture(const Shape* s, real* x, Py_ssize_t down, Py_ssize_t right, real value) noexcept nogil:
    """One picture, line by line: none is written before it was read."""
    cdef Py_ssize_t k, i, line = s.W * s.C, first = max(right, 0), last = s.W + min(right, 0)
    cdef real* to
    for k in range(s.H):
        i = s.H - 1 - k if down > 0 else k
        to = x + i * line
        if i < down or i >= s.H + down or first >= last:
            fill_pixels(to, line, value)
            continue
        memmove(to + first * s.C, x + (i - down) * line + (first - right) * s.C, (last - first) * s.C * sizeof(real))
        fill_pixels(to, first * s.C, value)
        fill_pixels(to + last * s.C, (s.W - last) * s.C, value)


cdef void move_all(const Shape* s, real* x, const int64_t* by, double value) noexcept nogil:
    cdef Py_ssize_t b, size = s.H * s.W * s.C
    for b in range(s.B):
        move_picture(s, x + b * size, by[2 * b], by[2 * b + 1], <real> value)


def move(cnp.ndarray x, by, double value=0.0):
    """Move pictures, in place: ``by`` (B, 2) has pixels down and to the right.  What comes in from outside is ``value``."""
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray how = numbers(by, np.int64, (s.B, 2))
    cdef const int64_t* moves = <const int64_t*> cnp.PyArray_DATA(how)
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            move_all(&s, <float*> cnp.PyArray_DATA(x), moves, value)
    else:
        with nogil:
            move_all(&s, <double*> cnp.PyArray_DATA(x), moves, value)


# ---- mirrored ----

cdef void mirror_all(const Shape* s, real* x, const uint8_t* which) noexcept nogil:
    cdef Py_ssize_t b, i, c, line = s.W * s.C
    cdef real* left
    cdef real* right
    cdef real held
    for b in range(s.B):
        if not which[b]:
            continue
        for i in range(s.H):
            left = x + (b * s.H + i) * line
            right = left + line - s.C
            while left < right:
                for c in range(s.C):
                    held = left[c]
                    left[c] = right[c]
                    right[c] = held
                left += s.C
                right -= s.C


def mirror(cnp.ndarray x, which):
    """Turn left and right of some pictures round, in place: ``which`` (B,) says of which."""
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray chosen = numbers(which, np.bool_, (s.B,))
    cdef const uint8_t* of = <const uint8_t*> cnp.PyArray_DATA(chosen)
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            mirror_all(&s, <float*> cnp.PyArray_DATA(x), of)
    else:
        with nogil:
            mirror_all(&s, <double*> cnp.PyArray_DATA(x), of)


# ---- seen through a map of the plane, bilinear ----

cdef inline real pixel(const Shape* s, const real* x, Py_ssize_t i, Py_ssize_t j, Py_ssize_t c, real value) noexcept nogil:
    return x[(i * s.W + j) * s.C + c] if 0 <= i < s.H and 0 <= j < s.W else value


cdef void warp_edge(const Shape* s, const real* x, real* y, Py_ssize_t top, Py_ssize_t left, real v, real h,
                    real value) noexcept nogil:
    """One pixel, between others of which some may be outside."""
    cdef Py_ssize_t c
    cdef real above, below
    for c in range(s.C):
        above = pixel(s, x, top, left, c, value)
        above += h * (pixel(s, x, top, left + 1, c, value) - above)
        below = pixel(s, x, top + 1, left, c, value)
        below += h * (pixel(s, x, top + 1, left + 1, c, value) - below)
        y[c] = above + v * (below - above)


cdef inline real between(const real* at, Py_ssize_t C, Py_ssize_t line, real v, real h) noexcept nogil:
    cdef real above = at[0] + h * (at[C] - at[0]), below = at[line] + h * (at[line + C] - at[line])
    return above + v * (below - above)


cdef inline float fraction(int64_t place) noexcept nogil:
    """What is behind the point, in 24 bits: exact."""
    return <float> <int> ((place >> 8) & 0xFFFFFF) * <float> (1.0 / 16777216.0)


cdef void warp_picture(const Shape* s, const real* x, real* y, const double* m, real value) noexcept nogil:
    """One picture.  Places are whole numbers of 2^-32 pixels, so they are the same on every processor."""
    cdef Py_ssize_t i, j, c, top, left, line = s.W * s.C
    cdef int64_t down, right, more_down = llrint(m[1] * ONE), more_right = llrint(m[4] * ONE)
    cdef real v, h
    cdef const real* at
    for i in range(s.H):
        down, right = llrint((m[0] * i + m[2]) * ONE), llrint((m[3] * i + m[5]) * ONE)
        for j in range(s.W):
            top, left = down >> 32, right >> 32
            if 0 <= top < s.H - 1 and 0 <= left < s.W - 1:
                v, h = <real> fraction(down), <real> fraction(right)
                at = x + top * line + left * s.C
                if s.C == 3 and left < s.W - 2 and j < s.W - 1:   # there is a number behind what is read and written
                    if sizeof(real) == sizeof(float):
                        fnn_between_float(<const float*> at, line, <float> v, <float> h, <float*> y)
                    else:
                        fnn_between_double(<const double*> at, line, <double> v, <double> h, <double*> y)
                else:
                    for c in range(s.C):
                        y[c] = between(at + c, s.C, line, v, h)
            elif -1 <= top < s.H and -1 <= left < s.W:
                warp_edge(s, x, y, top, left, <real> fraction(down), <real> fraction(right), value)
            else:
                fill_pixels(y, s.C, value)
            down += more_down
            right += more_right
            y += s.C


cdef void warp_all(const Shape* s, real* x, real* before, const double* maps, double value) noexcept nogil:
    cdef Py_ssize_t b, size = s.H * s.W * s.C
    for b in range(s.B):
        memcpy(before, x + b * size, size * sizeof(real))
        warp_picture(s, before, x + b * size, maps + 6 * b, <real> value)


def warp(cnp.ndarray x, maps, double value=0.0):
    """See pictures through affine maps (B, 6), bilinear between the pixels, in place; outside there is ``value``.

    The pixel at (i, j) becomes what was at ``(m0 i + m1 j + m2, m3 i + m4 j + m5)``.
    """
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray how = numbers(maps, np.float64, (s.B, 6)), before = np.empty(s.H * s.W * s.C, x.dtype)
    cdef const double* m = <const double*> cnp.PyArray_DATA(how)
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            warp_all(&s, <float*> cnp.PyArray_DATA(x), <float*> cnp.PyArray_DATA(before), m, value)
    else:
        with nogil:
            warp_all(&s, <double*> cnp.PyArray_DATA(x), <double*> cnp.PyArray_DATA(before), m, value)


# ---- a rectangle covered ----

cdef void cover_all(const Shape* s, real* x, const int64_t* boxes, double value) noexcept nogil:
    cdef Py_ssize_t b, i, top, bottom, left, right
    for b in range(s.B):
        top, bottom = max(boxes[4 * b], 0), min(boxes[4 * b + 1], s.H)
        left, right = max(boxes[4 * b + 2], 0), min(boxes[4 * b + 3], s.W)
        if left < right:
            for i in range(top, bottom):
                fill_pixels(x + ((b * s.H + i) * s.W + left) * s.C, (right - left) * s.C, <real> value)


def cover(cnp.ndarray x, boxes, double value=0.0):
    """Write ``value`` to a rectangle of each picture, in place: ``boxes`` (B, 4) has top, bottom, left, right."""
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray how = numbers(boxes, np.int64, (s.B, 4))
    cdef const int64_t* box = <const int64_t*> cnp.PyArray_DATA(how)
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            cover_all(&s, <float*> cnp.PyArray_DATA(x), box, value)
    else:
        with nogil:
            cover_all(&s, <double*> cnp.PyArray_DATA(x), box, value)


# ---- contrast about the mean, and brightness ----

cdef void stretch_all(const Shape* s, real* x, const double* how) noexcept nogil:
    cdef Py_ssize_t b, n, k, size = s.H * s.W * s.C
    cdef double[4] sums
    cdef double mean
    cdef real factor, shift
    for b in range(s.B):
        sums[0] = sums[1] = sums[2] = sums[3] = 0.0
        n = 0
        while n + 4 <= size:
            for k in range(4):
                sums[k] += <double> x[n + k]
            n += 4
        while n < size:
            sums[0] += <double> x[n]
            n += 1
        mean = (sums[0] + sums[1] + sums[2] + sums[3]) / size
        factor, shift = <real> how[2 * b], <real> (mean - how[2 * b] * mean + how[2 * b + 1])
        for n in range(size):
            x[n] = factor * x[n] + shift
        x += size


def stretch(cnp.ndarray x, how):
    """Write ``m + f (x - m) + s`` to each picture, in place, m its mean: ``how`` (B, 2) has f and s."""
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray values = numbers(how, np.float64, (s.B, 2))
    cdef const double* by = <const double*> cnp.PyArray_DATA(values)
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            stretch_all(&s, <float*> cnp.PyArray_DATA(x), by)
    else:
        with nogil:
            stretch_all(&s, <double*> cnp.PyArray_DATA(x), by)


# ---- a mixture of two ----

cdef void mix_all(Py_ssize_t B, Py_ssize_t size, real* x, const real* other, const double* shares) noexcept nogil:
    cdef Py_ssize_t b, n
    cdef real share, rest
    for b in range(B):
        share, rest = <real> shares[b], <real> (1.0 - shares[b])
        for n in range(size):
            x[n] = share * x[n] + rest * other[n]
        x += size
        other += size


def mix(cnp.ndarray x, cnp.ndarray other, shares):
    """Write ``share x + (1 - share) other`` to each picture, in place: ``shares`` (B,)."""
    cdef Shape s = shape_of(x)
    cdef cnp.ndarray values = numbers(shares, np.float64, (s.B,))
    cdef const double* by = <const double*> cnp.PyArray_DATA(values)
    if (<object> other).shape != (<object> x).shape or other.dtype != x.dtype or not cnp.PyArray_ISCARRAY_RO(other):
        raise ValueError(f"expected packed {x.dtype} {(<object> x).shape}, got {other.dtype} {(<object> other).shape}")
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT:
        with nogil:
            mix_all(s.B, s.H * s.W * s.C, <float*> cnp.PyArray_DATA(x), <const float*> cnp.PyArray_DATA(other), by)
    else:
        with nogil:
            mix_all(s.B, s.H * s.W * s.C, <double*> cnp.PyArray_DATA(x), <const double*> cnp.PyArray_DATA(other), by)
