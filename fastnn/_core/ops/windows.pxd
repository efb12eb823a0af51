# The three products of a convolution, between images (H, W, C), padded, and maps (OH, OW, O) of what windows of them give.
from libc.stdint cimport int32_t

from fastnn._core.ops.padding cimport Padding
from fastnn._core.step cimport Frame, Step
from fastnn._core.table cimport fnn_windows

# One phase of the strides: the pixels of the image that see the map through the same places of the kernel.
cdef struct Phase:
    fnn_windows windows
    const int32_t* first    # pixel that each row begins with
    const int32_t* taps
    Py_ssize_t n_taps
    Py_ssize_t weights      # where its turned weights begin, in elements

cdef struct Dims:
    Padding x
    Padding dy
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t filters
    Py_ssize_t groups
    Py_ssize_t taps         # places of the kernel
    Py_ssize_t row_step     # rows of the image between two of the map
    Py_ssize_t reach        # rows of the image that a window spans
    Py_ssize_t images       # in a block of the weight gradient
    Py_ssize_t band         # rows of the map in a band
    bint folds              # the padding shows pixels of the image, whose gradients are added to theirs
    bint scatters           # pixels of the map add to their windows; else those of the image gather
    fnn_windows windows
    Phase* phases
    int n_phases

# What is added to a product and what becomes of it: ``bias`` NULL: nothing.
cdef struct End:
    const char* bias
    int activation
    double alpha

cdef inline Py_ssize_t depth(const Dims* dims) noexcept nogil:
    """Rows of the weights of a group."""
    return dims.taps * (dims.x.size // dims.groups)

cdef inline Py_ssize_t image_size(const Dims* dims) noexcept nogil:
    return dims.x.height * dims.x.width * dims.x.size

cdef inline Py_ssize_t map_size(const Dims* dims) noexcept nogil:
    return dims.out_height * dims.out_width * dims.filters

cdef void lay_out(Dims* dims, list memory, geometry) except *
cdef Py_ssize_t forward_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil
cdef Py_ssize_t input_gradient_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil
cdef Py_ssize_t weight_gradient_scratch(const Dims* dims, Py_ssize_t itemsize) noexcept nogil
cdef void forward(const Step* step, const Frame* frame, const Dims* dims, const char* x, const char* w, End end, char* y,
                  bint carries) noexcept nogil
cdef void input_gradient(const Step* step, const Frame* frame, const Dims* dims, const char* dy, const char* w, End end,
                         char* dx, bint carries) noexcept nogil
cdef void weight_gradient(const Step* step, const Frame* frame, const Dims* dims, double scale, const char* x, const char* dy,
                          char* dw, char* db) noexcept nogil
