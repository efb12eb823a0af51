"""Networks in Cython without the GIL: ``fastnn.h``, which says what each function does and which threads may call it.

``fastnn.get_include()`` is the folder of the header, for ``include_dirs``.
"""

from libc.stdint cimport int32_t, int64_t

cdef extern from "fastnn.h" nogil:
    ctypedef struct fnn_api
    ctypedef struct fnn_network
    const int FNN_ABI_VERSION
    const double FNN_OWN_RATE

    enum:
        FNN_OK
        FNN_BUSY
        FNN_WRONG_DTYPE
        FNN_WRONG_ROWS
        FNN_NO_ARRAY
        FNN_NOT_FINITE
        FNN_WRONG_TARGET
        FNN_NOT_COMPILED
        FNN_WRONG_RATE
        FNN_DIVERGED
        FNN_NO_MEMORY
        FNN_FAILED

    void fnn_close(fnn_network* net) noexcept
    int32_t fnn_inputs(const fnn_network* net) noexcept
    int32_t fnn_outputs(const fnn_network* net) noexcept
    int32_t fnn_n_params(const fnn_network* net) noexcept
    int32_t fnn_itemsize(const fnn_network* net) noexcept
    float* fnn_params_f32(const fnn_network* net) noexcept
    double* fnn_params_f64(const fnn_network* net) noexcept
    int fnn_predict_f32(fnn_network* net, int32_t rows, const float* x, float* y) noexcept
    int fnn_predict_f64(fnn_network* net, int32_t rows, const double* x, double* y) noexcept
    int fnn_train_step_f32(fnn_network* net, int32_t rows, const float* x, const float* y, double learning_rate,
                           double* loss) noexcept
    int fnn_train_step_f64(fnn_network* net, int32_t rows, const double* x, const double* y, double learning_rate,
                           double* loss) noexcept
    int fnn_train_step_labels_f32(fnn_network* net, int32_t rows, const float* x, const int64_t* labels,
                                  double learning_rate, double* loss) noexcept
    int fnn_train_step_labels_f64(fnn_network* net, int32_t rows, const double* x, const int64_t* labels,
                                  double learning_rate, double* loss) noexcept
    const char* fnn_message(const fnn_network* net, int status) noexcept

cdef extern from "fastnn.h":
    const fnn_api* fnn_import() except NULL
    fnn_network* fnn_open(object net, int32_t threads) except NULL
    int fnn_check(fnn_network* net, int status) except -1
