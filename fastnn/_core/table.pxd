# The C contract (csrc/fnn_kernels.h) for Cython.  The C code is linked into this module alone: others take the types
# from the header and reach the code through kernel_table and the random_* functions.
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "fnn_kernels.h" nogil:
    cdef enum:
        FNN_IDENTITY        # an activation by its number
        FNN_ACTIVATIONS     # how many there are
        FNN_LOSSES
        FNN_SCATTER_RUN     # elements of a run that pixels add to, at most
        FNN_SCATTER_ROWS    # rows of pixels whose shares add up together
        FNN_OPTIMIZERS

    ctypedef struct fnn_update:
        double learning_rate
        double beta1
        double beta2
        double epsilon
        double correction1
        double correction2

    ctypedef struct fnn_random:
        uint64_t seed
        uint64_t step
        uint32_t stream

    ctypedef struct fnn_shape:
        Py_ssize_t batch
        Py_ssize_t inputs
        Py_ssize_t outputs
        Py_ssize_t x_row
        Py_ssize_t w_row
        Py_ssize_t y_row
        Py_ssize_t bias_row

    ctypedef struct fnn_stretch:
        const void* at
        Py_ssize_t bytes

    ctypedef struct fnn_windows:
        Py_ssize_t pixels
        Py_ssize_t runs
        Py_ssize_t run
        Py_ssize_t outputs
        Py_ssize_t w_row
        Py_ssize_t columns
        const int32_t* at
        const int32_t* run_at
        const int32_t* to
        fnn_stretch[2] ahead

    ctypedef struct fnn_depthwise:
        Py_ssize_t pixels
        Py_ssize_t step
        Py_ssize_t to
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t gap
        Py_ssize_t size
        Py_ssize_t w_row

    ctypedef struct fnn_pool_shape:
        Py_ssize_t height
        Py_ssize_t width
        Py_ssize_t channels
        Py_ssize_t out_height
        Py_ssize_t out_width
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t row_step
        Py_ssize_t column_step
        Py_ssize_t top
        Py_ssize_t left
        int counts_outside

    ctypedef struct fnn_columns:
        Py_ssize_t columns
        const void* center
        const void* gain
        const void* shift
        int activation
        double alpha

    ctypedef struct fnn_upsample:
        Py_ssize_t height
        Py_ssize_t width
        Py_ssize_t channels
        Py_ssize_t row_factor
        Py_ssize_t column_factor

    ctypedef struct fnn_local_response:
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t reach
        double alpha
        double beta
        double k

    ctypedef struct fnn_norm:
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t x_row
        double epsilon
        const void* gamma
        const void* beta

    # fnn_real is void in the header: float or double, as the table says.
    ctypedef void (*fnn_activation_forward)(
        Py_ssize_t N, double alpha, const void* z, void* a) noexcept nogil
    ctypedef void (*fnn_activation_backward)(
        Py_ssize_t N, double alpha, const void* z, const void* a, const void* da, void* dz) noexcept nogil
    ctypedef double (*fnn_loss_value)(
        Py_ssize_t B, Py_ssize_t O, double parameter, const void* y, const void* target, const void* weight,
        double scale, void* dy) noexcept nogil
    ctypedef void (*fnn_optimizer_update)(
        Py_ssize_t N, const fnn_update* u, const void* g, void* w, void* s0, void* s1, void* s2) noexcept nogil

    ctypedef struct fnn_products:
        int activates
        void (*forward)(const fnn_shape* shape, const void* x, const void* w, const void* bias, int activation,
                        double alpha, void* y) noexcept nogil
        void (*input_gradient)(const fnn_shape* shape, const void* dy, const void* w, void* dx) noexcept nogil
        void (*weight_gradient)(const fnn_shape* shape, double scale, const void* x, const void* dy,
                                void* dw) noexcept nogil
        void (*row_gradients)(const fnn_shape* shape, double scale, const void* x, const void* dy, const void* w,
                              void* dx, void* dw) noexcept nogil

    ctypedef struct fnn_kernels:
        const char* isa
        Py_ssize_t itemsize
        int has_fma
        fnn_activation_forward* activation_forward
        fnn_activation_backward* activation_backward
        void (*softmax_forward)(Py_ssize_t B, Py_ssize_t O, const void* z, void* a) noexcept nogil
        void (*softmax_backward)(Py_ssize_t B, Py_ssize_t O, const void* a, const void* da, void* dz) noexcept nogil
        void (*log_sum_exp)(Py_ssize_t B, Py_ssize_t O, const void* z, void* out) noexcept nogil
        void (*log_softmax_forward)(Py_ssize_t B, Py_ssize_t O, const void* z, void* a) noexcept nogil
        void (*log_softmax_backward)(Py_ssize_t B, Py_ssize_t O, const void* a, const void* da, void* dz) noexcept nogil
        fnn_products products
        void (*window_forward)(const fnn_windows* windows, const void* x, const void* w, const void* bias, int activation,
                               double alpha, void* y) noexcept nogil
        void (*window_gradient)(const fnn_windows* windows, Py_ssize_t first, Py_ssize_t last, double scale, const void* x,
                                const void* dy, void* dw) noexcept nogil
        Py_ssize_t (*scatter_size)(const fnn_windows* windows) noexcept nogil
        void (*scatter_turn)(const fnn_windows* windows, const void* w, void* turned) noexcept nogil
        void (*scatter)(const fnn_windows* windows, Py_ssize_t columns, const void* dy, const void* turned,
                        void* dx) noexcept nogil
        void (*depthwise_forward)(const fnn_depthwise* shape, const Py_ssize_t* at, const void* x, const void* w,
                                  const void* bias, int activation, double alpha, void* y) noexcept nogil
        void (*depthwise_gradient)(const fnn_depthwise* shape, const Py_ssize_t* at, const void* x, const void* dy,
                                   void* dw) noexcept nogil
        void (*winograd_weights)(Py_ssize_t N, Py_ssize_t w_step, const void* w, Py_ssize_t u_step, void* u) noexcept nogil
        void (*winograd_input)(Py_ssize_t C, Py_ssize_t width, const int32_t* rows, const int32_t* columns, const void* x,
                               const void* zeros, Py_ssize_t v_step, void* v) noexcept nogil
        void (*winograd_output)(Py_ssize_t O, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t m_step, const void* m,
                                const void* bias, int activation, double alpha, Py_ssize_t y_row, void* y) noexcept nogil
        void (*max_pool_forward)(const fnn_pool_shape* shape, Py_ssize_t first, Py_ssize_t last, const void* x,
                                 void* y) noexcept nogil
        void (*max_pool_backward)(const fnn_pool_shape* shape, const void* x, const void* y, const void* dy,
                                  void* dx) noexcept nogil
        void (*mean_pool_forward)(const fnn_pool_shape* shape, Py_ssize_t first, Py_ssize_t last, const void* x,
                                  void* y) noexcept nogil
        void (*mean_pool_backward)(const fnn_pool_shape* shape, const void* dy, void* dx) noexcept nogil
        void (*upsample_nearest_forward)(const fnn_upsample* u, Py_ssize_t first, Py_ssize_t last, const void* x,
                                         void* y) noexcept nogil
        void (*upsample_nearest_backward)(const fnn_upsample* u, Py_ssize_t first, Py_ssize_t last, const void* dy,
                                          void* dx) noexcept nogil
        void (*upsample_bilinear_forward)(const fnn_upsample* u, Py_ssize_t first, Py_ssize_t last, const void* x,
                                          void* y) noexcept nogil
        void (*upsample_bilinear_backward)(const fnn_upsample* u, const void* dy, void* dx) noexcept nogil
        void (*turn_over)(Py_ssize_t R, Py_ssize_t C, const void* x, Py_ssize_t x_row, void* y,
                          Py_ssize_t y_row) noexcept nogil
        fnn_loss_value* loss
        fnn_optimizer_update* update
        void (*add_row_sum)(Py_ssize_t B, Py_ssize_t O, double scale, const void* x, Py_ssize_t x_row,
                            void* out) noexcept nogil
        void (*add)(Py_ssize_t N, const void* x, const void* y, void* z) noexcept nogil
        void (*multiply)(Py_ssize_t N, const void* x, const void* y, void* z) noexcept nogil
        void (*column_maxima)(Py_ssize_t R, Py_ssize_t C, const void* x, void* y) noexcept nogil
        void (*column_maxima_backward)(Py_ssize_t R, Py_ssize_t C, const void* x, const void* dy,
                                       void* dx) noexcept nogil
        void (*add_scaled)(Py_ssize_t N, double scale, const void* x, void* y) noexcept nogil
        void (*scale)(Py_ssize_t N, double scale, const void* x, void* y) noexcept nogil
        void (*clip)(Py_ssize_t N, double limit, void* x) noexcept nogil
        double (*sum)(Py_ssize_t N, const void* x) noexcept nogil
        double (*sum_squares)(Py_ssize_t N, const void* x) noexcept nogil
        int (*all_finite)(Py_ssize_t N, const void* x) noexcept nogil
        void (*add_penalty)(Py_ssize_t N, double l1, double l2, const void* w, void* g) noexcept nogil
        void (*limit_columns)(Py_ssize_t I, Py_ssize_t O, Py_ssize_t w_row, double limit, void* w,
                              void* work) noexcept nogil
        void (*column_moments)(Py_ssize_t R, Py_ssize_t C, const void* x, double* moments) noexcept nogil
        void (*join_moments)(Py_ssize_t R, Py_ssize_t block, Py_ssize_t C, double* parts) noexcept nogil
        void (*group_moments)(Py_ssize_t R, Py_ssize_t C, Py_ssize_t group, double* moments, void* mean,
                              void* variance) noexcept nogil
        void (*inverse_deviations)(Py_ssize_t C, double epsilon, const void* variance, void* inverse) noexcept nogil
        void (*map_columns)(const fnn_columns* map, Py_ssize_t R, const void* x, void* y) noexcept nogil
        void (*column_slopes)(const fnn_columns* map, Py_ssize_t R, const void* x, const void* dy,
                              double* sums) noexcept nogil
        void (*join_slopes)(Py_ssize_t parts, Py_ssize_t C, Py_ssize_t apart, double* sums) noexcept nogil
        void (*norm_levels)(Py_ssize_t R, Py_ssize_t C, Py_ssize_t group, const void* gamma, const void* inverse,
                            const double* sums, void* level, void* tilt) noexcept nogil
        void (*column_gradient)(const fnn_columns* map, Py_ssize_t R, const void* level, const void* tilt, const void* x,
                                const void* dy, void* dx) noexcept nogil
        void (*scale_slopes)(Py_ssize_t C, const void* inverse, double* sums) noexcept nogil
        void (*add_slopes)(Py_ssize_t C, double scale, const double* sums, void* dgamma, void* dbeta) noexcept nogil
        void (*pixel_norm_forward)(Py_ssize_t R, Py_ssize_t C, double epsilon, const void* x, void* y,
                                   void* inverse) noexcept nogil
        void (*pixel_norm_backward)(Py_ssize_t R, Py_ssize_t C, const void* x, const void* inverse, const void* dy,
                                    void* dx) noexcept nogil
        void (*layer_norm_forward)(const fnn_norm* norm, const void* x, void* y, void* moments) noexcept nogil
        void (*layer_norm_backward)(const fnn_norm* norm, double scale, const void* x, const void* moments,
                                    const void* dy, void* dx, void* dgamma, void* dbeta) noexcept nogil
        void (*local_response_forward)(const fnn_local_response* p, const void* x, void* y) noexcept nogil
        void (*local_response_backward)(const fnn_local_response* p, const void* x, const void* dy, void* work,
                                        void* dx) noexcept nogil
        void (*dropout_forward)(Py_ssize_t N, const fnn_random* random, uint64_t first, double keep, double scale,
                                const void* x, void* y, uint8_t* mask) noexcept nogil
        void (*dropout_backward)(Py_ssize_t N, double scale, const uint8_t* mask, const void* dy,
                                 void* dx) noexcept nogil
        void (*add_noise)(Py_ssize_t N, const fnn_random* random, uint64_t first, double deviation, const void* x,
                          void* y) noexcept nogil
        void (*add_masked)(Py_ssize_t N, double scale, const uint8_t* mask, const void* x, void* y) noexcept nogil
        void (*lstm_forward)(Py_ssize_t B, Py_ssize_t H, int forgets, const void* peephole, const void* c_before,
                             void* z, void* c, void* s, void* h) noexcept nogil
        void (*lstm_backward)(Py_ssize_t B, Py_ssize_t H, int forgets, const void* peephole, const void* a,
                              const void* c_before, const void* s, const void* dh, void* dc, void* dz) noexcept nogil
        void (*add_products)(Py_ssize_t B, Py_ssize_t N, double scale, const void* x, Py_ssize_t x_row, const void* y,
                             void* out) noexcept nogil
        void (*gru_forward)(Py_ssize_t B, Py_ssize_t H, const void* q, const void* h_before, void* z,
                            void* h) noexcept nogil
        void (*gru_backward)(Py_ssize_t B, Py_ssize_t H, const void* a, const void* q, const void* h_before,
                             const void* dh, void* dz, void* dq, void* dh_before) noexcept nogil
        void (*gru_reset)(Py_ssize_t B, Py_ssize_t H, const void* h_before, void* z, void* s) noexcept nogil
        void (*gru_update)(Py_ssize_t B, Py_ssize_t H, const void* h_before, void* z, void* h) noexcept nogil
        void (*gru_update_backward)(Py_ssize_t B, Py_ssize_t H, const void* a, const void* h_before, const void* dh,
                                    void* dz, void* dh_before) noexcept nogil
        void (*gru_reset_backward)(Py_ssize_t B, Py_ssize_t H, const void* a, const void* h_before, const void* ds,
                                   void* dz, void* dh_before) noexcept nogil
        double (*probe_multiply_add)(Py_ssize_t N, double factor, double addend, Py_ssize_t* chains) noexcept nogil
        double (*probe_read)(Py_ssize_t repeats, Py_ssize_t N, const void* x) noexcept nogil


cdef extern from "fnn_quantized.h" nogil:
    Py_ssize_t FNN_INT8_INPUTS

    ctypedef struct fnn_int8_weights:
        Py_ssize_t inputs
        Py_ssize_t outputs
        const int8_t* values
        const float* scale
        const int32_t* sums

    ctypedef struct fnn_bfloat16_weights:
        Py_ssize_t inputs
        Py_ssize_t outputs
        const uint16_t* values

    ctypedef struct fnn_quantized:
        const char* name
        const char* isa
        Py_ssize_t panel
        Py_ssize_t lanes
        void (*int8_pack)(Py_ssize_t I, Py_ssize_t O, const int8_t* q, int8_t* packed) noexcept nogil
        void (*int8_unpack)(Py_ssize_t I, Py_ssize_t O, const int8_t* packed, int8_t* q) noexcept nogil
        void (*int8_rows)(Py_ssize_t B, Py_ssize_t I, const float* x, void* rows) noexcept nogil
        void (*int8_forward)(const fnn_int8_weights* w, Py_ssize_t B, Py_ssize_t first, Py_ssize_t count,
                             const void* rows, const float* bias, int activation, double alpha,
                             float* y) noexcept nogil
        void (*bfloat16_pack)(Py_ssize_t I, Py_ssize_t O, const uint16_t* w, uint16_t* packed) noexcept nogil
        void (*bfloat16_unpack)(Py_ssize_t I, Py_ssize_t O, const uint16_t* packed, uint16_t* w) noexcept nogil
        void (*bfloat16_forward)(const fnn_products* products, const fnn_bfloat16_weights* w, Py_ssize_t B,
                                 Py_ssize_t first, Py_ssize_t last, const float* x, const float* bias, int activation,
                                 double alpha, float* work, float* y) noexcept nogil

    Py_ssize_t fnn_int8_row_bytes(Py_ssize_t inputs)
    Py_ssize_t fnn_bfloat16_panels(Py_ssize_t outputs)
    Py_ssize_t fnn_bfloat16_size(Py_ssize_t inputs, Py_ssize_t outputs)
    Py_ssize_t fnn_bfloat16_work(Py_ssize_t inputs, Py_ssize_t outputs)


cdef const fnn_kernels* kernel_table(Py_ssize_t itemsize, isa=*) except NULL
cdef const fnn_quantized* quantized_table(name=*) except NULL
cdef const fnn_kernels* table_for(array, isa=*) except NULL
cdef void* address(array, dtype, shape, bint writable=*) except? NULL
cdef void random_permutation(Py_ssize_t N, const fnn_random* random, int64_t first, int64_t* out) noexcept nogil
