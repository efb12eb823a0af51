/* Every kernel of fastnn, as one table of function pointers per dtype.
 *
 * A network has one dtype, so the table is chosen once, when the network is built: the pointers below are typed
 * fnn_real (float or double, as the table says) and scalars travel as double.  An instruction set is chosen once
 * per process (see fnn_dispatch.h).
 *
 * Dimension letters, here and in Cython, docstrings and messages:
 *   B batch rows   I inputs   O outputs   N flat length   T time steps   H hidden units   R rows   C columns
 * Arrays are row-major and packed unless a leading dimension is named.  Gradients are dy, dx, dw; z is the weighted
 * input of a neuron and a = sigma(z) its activation.
 * Contract: inputs are const and never modified; outputs are overwritten unless a line says ADDS; an input and an
 * output may be the same array only where a line says so; no kernel allocates, prints, or keeps state.
 */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef void fnn_real;

/* Numbers of activations, losses and optimisers, and how many there are. */
#define FNN_ACTIVATION(NAME, name, reads) FNN_##NAME,
enum fnn_activation {
#include "fnn_families.def"
    FNN_ACTIVATIONS
};
#define FNN_LOSS(NAME, name, kind) FNN_##NAME,
enum fnn_loss {
#include "fnn_families.def"
    FNN_LOSSES
};
#define FNN_OPTIMIZER(NAME, name, states) FNN_##NAME,
enum fnn_optimizer {
#include "fnn_families.def"
    FNN_OPTIMIZERS
};

/* Scalars of one optimiser step; a rule reads only its own.  Adam's bias corrections are 1 - beta^t. */
typedef struct fnn_update {
    double learning_rate;
    double beta1; /* momentum, or decay of the first moment */
    double beta2; /* decay of the second moment (rho) */
    double epsilon;
    double correction1;
    double correction2;
} fnn_update;

/* Where a random stream stands: key = seed, counter = (index, stream, step). */
typedef struct fnn_random {
    uint64_t seed;
    uint64_t step;
    uint32_t stream;
} fnn_random;

/* Sizes of a dense layer's products, or of a part of one.  Rows of x and dx lie x_row elements apart, those of w and dw
 * w_row (the outputs of the whole layer), those of y and dy y_row.  bias_row is 0 if all rows start from one bias;
 * otherwise bias is a matrix (B, O) with rows that far apart, and may be y itself: y += x w. */
typedef struct fnn_shape {
    ptrdiff_t batch, inputs, outputs;
    ptrdiff_t x_row, w_row, y_row, bias_row;
} fnn_shape;

/* Memory that a kernel fetches into the second cache while it works, since the next one will read it. */
typedef struct fnn_stretch {
    const void *at;
    ptrdiff_t bytes;
} fnn_stretch;

/* Windows of an image, for a convolution: pixel p of outputs sees, from x + at[p] on, runs of neighbouring elements, each
 * ``run`` long and beginning at run_at[r]; its outputs, ``outputs`` of them, lie from y + to[p] on.  Weights (runs * run,
 * outputs) with rows w_row apart.  columns: the pixels are
 * rows of so many, which lie alike far apart, as do the pixels of each; 0: at any places.  ahead: what the next call reads. */
enum {
    FNN_SCATTER_RUN = 256, /* elements of a run, at most, that pixels add to */
    FNN_SCATTER_ROWS = 4,  /* rows of pixels whose shares add up together */
};
typedef struct fnn_windows {
    ptrdiff_t pixels, runs, run, outputs, w_row, columns;
    const int32_t *at, *run_at, *to;
    fnn_stretch ahead[2];
} fnn_windows;

/* A row of a depthwise convolution: ``pixels`` outputs of ``size`` channels, ``to`` elements apart, which see windows
 * ``step`` apart: rows, each of which begins somewhere, of columns that lie ``gap`` apart.  Weights (rows * columns, size)
 * with rows w_row apart. */
typedef struct fnn_depthwise {
    ptrdiff_t pixels, step, to, rows, columns, gap, size, w_row;
} fnn_depthwise;

/* Pooling over windows of an image (H, W, C): rows and columns of the window, which begin at the places that are given
 * for each row and column of outputs, and may end beyond the image, or begin before it: what lies outside does not count. */
typedef struct fnn_pool_shape {
    ptrdiff_t height, width, channels;   /* of x */
    ptrdiff_t out_height, out_width;     /* of y */
    ptrdiff_t rows, columns;             /* of a window */
    ptrdiff_t row_step, column_step;     /* between windows */
    ptrdiff_t top, left;                 /* rows and columns before the image where the first window begins */
    int counts_outside;                  /* a mean is over the whole window, else over what of it lies in the image */
} fnn_pool_shape;

/* y = activation((x - center) gain + shift) for each row of a matrix, (C,) each; NULL: 0, 1, 0.  activation: FNN_IDENTITY,
 * FNN_RELU or FNN_LEAKY_RELU with slope alpha. */
typedef struct fnn_columns {
    ptrdiff_t columns;
    const fnn_real *center, *gain, *shift;
    int activation;
    double alpha;
} fnn_columns;

/* An image (H, W, C), made so many times as high and as wide. */
typedef struct fnn_upsample {
    ptrdiff_t height, width, channels;
    ptrdiff_t row_factor, column_factor;
} fnn_upsample;

/* A normalisation of x (R, C) = (rows, columns) by the 2 reach + 1 columns around each; alpha: factor of their sum. */
typedef struct fnn_local_response {
    ptrdiff_t rows, columns, reach;
    double alpha, beta, k;
} fnn_local_response;

/* A normalisation of x (R, C) = (rows, columns), or of some of the columns of a matrix: rows of x, y, dy and dx lie
 * x_row apart.  gamma, beta (C,) or NULL: all 1, all 0. */
typedef struct fnn_norm {
    ptrdiff_t rows, columns, x_row;
    double epsilon; /* added to a variance */
    const fnn_real *gamma, *beta;
} fnn_norm;

/* a = sigma(z), elementwise; a may be z.  alpha: slope (leaky_relu) or scale of the negative part (elu). */
typedef void (*fnn_activation_forward)(ptrdiff_t N, double alpha, const fnn_real *z, fnn_real *a);
/* dz = da * sigma'(z); dz may be da.  Reads z or a, as its row in fnn_families.def says; the other may be NULL or clobbered. */
typedef void (*fnn_activation_backward)(ptrdiff_t N, double alpha, const fnn_real *z, const fnn_real *a,
                                        const fnn_real *da, fnn_real *dz);
/* Return sum_b weight_b L_b; unless dy is NULL also dy_b = scale * weight_b * dL_b/dy_b.
 * y (B, O); target (B, O), or (B,) int64 for labels; weight (B,) or NULL for ones; scale: usually 1 / sum_b weight_b.
 * The loss of a row whose label is not in 0 .. O - 1 is NaN, its dy 0.
 * dy may be y only if dy is the same array (never partially overlapping).  Sums run in double, in an order of their own. */
typedef double (*fnn_loss_value)(ptrdiff_t B, ptrdiff_t O, double parameter, const fnn_real *y, const void *target,
                                 const fnn_real *weight, double scale, fnn_real *dy);
/* One step of an optimiser on flat vectors: reads g, updates w and the state vectors s0, s1, s2 (N each; NULL where
 * the rule keeps fewer). */
typedef void (*fnn_optimizer_update)(ptrdiff_t N, const fnn_update *u, const fnn_real *g, fnn_real *w, fnn_real *s0,
                                     fnn_real *s1, fnn_real *s2);

/* ---- products of a dense layer (fnn_product.tmpl.h), for one dtype: our own kernels, or those of a BLAS -----------
 * x and dx (B, I), w and dw (I, O), bias (O,), (B, O) or NULL, y and dy (B, O).  No two arrays overlap, but bias may be y.
 * w, bias, y, dy and dw may be READ up to 63 bytes past their end: what is there must be memory of the caller's, its
 * contents do not matter.  The bits of an element depend neither on B nor on the part of the layer that is asked for, nor on
 * the instruction set among those with FMA; a sum of -0 comes out as 0.  (A BLAS promises nothing of bits.) */
typedef struct fnn_products {
    int activates; /* forward takes any of its activations, else the identity alone */
    /* y = activation(1 bias + x w); activation: FNN_IDENTITY, FNN_RELU or FNN_LEAKY_RELU with slope alpha. */
    void (*forward)(const fnn_shape *shape, const fnn_real *x, const fnn_real *w, const fnn_real *bias, int activation,
                    double alpha, fnn_real *y);
    /* dx = dy w^T. */
    void (*input_gradient)(const fnn_shape *shape, const fnn_real *dy, const fnn_real *w, fnn_real *dx);
    /* ADDS: dw += scale * x^T dy.  One row (B = 1): dw += (scale x_i) dy_o. */
    void (*weight_gradient)(const fnn_shape *shape, double scale, const fnn_real *x, const fnn_real *dy, fnn_real *dw);
    /* Both gradients for one row, in one sweep of w; dw may be w: dx is of w as it was.  NULL: there is none. */
    void (*row_gradients)(const fnn_shape *shape, double scale, const fnn_real *x, const fnn_real *dy, const fnn_real *w,
                          fnn_real *dx, fnn_real *dw);
} fnn_products;

typedef struct fnn_kernels {
    const char *isa;    /* "base", "avx2" or "avx512" */
    ptrdiff_t itemsize; /* bytes of one fnn_real */
    int has_fma;        /* a multiply-add is one instruction and rounds once: the bits are those of every such table */

    /* ---- activations (formulas in fnn_families.def, functions in fnn_activation.tmpl.h) */
    fnn_activation_forward activation_forward[FNN_ACTIVATIONS];
    fnn_activation_backward activation_backward[FNN_ACTIVATIONS];
    /* a_b = exp(z_b - m) / sum_o exp(z_bo - m), m = max_o z_bo; a may be z.  A row holding +inf or only -inf is NaN. */
    void (*softmax_forward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *a);
    /* dz_b = a_b * (da_b - sum_o a_bo da_bo); dz may be da. */
    void (*softmax_backward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *a, const fnn_real *da, fnn_real *dz);
    /* out_b = log sum_o exp z_bo, stable for |z| up to the largest finite number. */
    void (*log_sum_exp)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *out);
    /* a_bo = z_bo - log sum_o exp z_bo; a may be z. */
    void (*log_softmax_forward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *a);
    /* dz_b = da_b - exp(a_b) sum_o da_bo; dz may be da. */
    void (*log_softmax_backward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *a, const fnn_real *da, fnn_real *dz);

    fnn_products products;
    /* As the weight gradient for biases, ADDS: out_o += scale * sum_b x_bo, b in order: x (B, O) with rows x_row apart,
     * out (O,), both as dy and dw. */
    void (*add_row_sum)(ptrdiff_t B, ptrdiff_t outputs, double scale, const fnn_real *x, ptrdiff_t x_row,
                        fnn_real *out);

    /* ---- convolutions (fnn_window.tmpl.h): offsets in elements ----------------------------------------------------
     * y_po = activation(bias_o + sum_k x_pk w_ko) for every pixel p, k over the elements of its window; bias may be NULL.
     * w, bias and y may be READ up to 63 bytes past their end. */
    void (*window_forward)(const fnn_windows *windows, const fnn_real *x, const fnn_real *w, const fnn_real *bias,
                           int activation, double alpha, fnn_real *y);
    /* ADDS: dw_ko += scale * sum_p x_pk dy_po for k = first .. last - 1, dy lying as y does.  dy and dw as above.
     * Where windows are alike rows of pixels the order of these k is the kernel's; first and last are multiples of 24, or all. */
    void (*window_gradient)(const fnn_windows *windows, ptrdiff_t first, ptrdiff_t last, double scale, const fnn_real *x,
                            const fnn_real *dy, fnn_real *dw);

    /* The same product the other way, for windows of few elements (fnn_scatter.tmpl.h): ADDS: dx_pk += sum_o dy_po w_ko, dx
     * lying as x does, in rows of ``columns`` pixels, of which FNN_SCATTER_ROWS add up together; a run has at most
     * FNN_SCATTER_RUN elements.  turned: the weights as scatter_turn puts them, scatter_size of them.  Behind dx 63 bytes may
     * be written; they are left as they were. */
    ptrdiff_t (*scatter_size)(const fnn_windows *windows);
    void (*scatter_turn)(const fnn_windows *windows, const fnn_real *w, fnn_real *turned);
    void (*scatter)(const fnn_windows *windows, ptrdiff_t columns, const fnn_real *dy, const fnn_real *turned, fnn_real *dx);
    /* ---- depthwise convolutions (fnn_depthwise.tmpl.h): offsets in elements; the rows of the first window begin at ``at`` --
     * y_pc = activation(bias_c + sum_kl x[at_k + p step + l gap + c] w_klc); bias may be NULL.  x, w, bias, dy and dw may be
     * READ up to 63 bytes past their end. */
    void (*depthwise_forward)(const fnn_depthwise *shape, const ptrdiff_t *at, const fnn_real *x, const fnn_real *w,
                              const fnn_real *bias, int activation, double alpha, fnn_real *y);
    /* ADDS: dw_klc += sum_p x[at_k + p step + l gap + c] dy_pc. */
    void (*depthwise_gradient)(const fnn_depthwise *shape, const ptrdiff_t *at, const fnn_real *x, const fnn_real *dy,
                               fnn_real *dw);

    /* ---- convolutions of 3 x 3 by tiles of 4 x 4 outputs (fnn_winograd.tmpl.h) ---------------------------------------
     * u_ij = (G w G^T)_ij for i, j = 0 .. 5 and each of N weights: w_kl, k, l = 0 .. 2, lie w_step apart, u_ij u_step.  w may be
     * READ, u is WRITTEN, up to 63 bytes past the N-th. */
    void (*winograd_weights)(ptrdiff_t N, ptrdiff_t w_step, const fnn_real *w, ptrdiff_t u_step, fnn_real *u);
    /* v_ij = (B^T x B)_ij for each of C channels of the 36 pixels of x at these rows and columns, 6 each; -1: zeros (C,).
     * ``width``: pixels of a row of x.  Behind each v_ij 63 bytes may be written. */
    void (*winograd_input)(ptrdiff_t C, ptrdiff_t width, const int32_t *rows, const int32_t *columns, const fnn_real *x,
                           const fnn_real *zeros, ptrdiff_t v_step, fnn_real *v);
    /* y_kl = activation(bias + (A^T m A)_kl) for k, l = 0 .. 3, of them the first ``rows`` and ``columns``, for each of O outputs;
     * rows of y lie y_row apart.  m and bias may be READ up to 63 bytes past their end; bias may be NULL. */
    void (*winograd_output)(ptrdiff_t O, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t m_step, const fnn_real *m,
                            const fnn_real *bias, int activation, double alpha, ptrdiff_t y_row, fnn_real *y);

    /* ---- pooling (fnn_pooling.tmpl.h): one image, rows first .. last - 1 of y; channels by themselves ----------------
     * y = max over the window; NaN if one is NaN. */
    void (*max_pool_forward)(const fnn_pool_shape *shape, ptrdiff_t first, ptrdiff_t last, const fnn_real *x, fnn_real *y);
    /* dx = the sum of dy of the windows where x is y, and at the first such place of the window.  All rows of y. */
    void (*max_pool_backward)(const fnn_pool_shape *shape, const fnn_real *x, const fnn_real *y, const fnn_real *dy,
                              fnn_real *dx);
    /* y = mean over the window. */
    void (*mean_pool_forward)(const fnn_pool_shape *shape, ptrdiff_t first, ptrdiff_t last, const fnn_real *x, fnn_real *y);
    /* dx = the sum of dy / count of the windows that it lies in. */
    void (*mean_pool_backward)(const fnn_pool_shape *shape, const fnn_real *dy, fnn_real *dx);

    /* ---- axes in another order (fnn_permute.tmpl.h) -------------------------------------------------------------
     * y_cr = x_rc for R rows and C columns: rows of x lie x_row apart, those of y y_row. */
    void (*turn_over)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, ptrdiff_t x_row, fnn_real *y, ptrdiff_t y_row);

    /* ---- larger images (fnn_upsample.tmpl.h), one at a time ----------------------------------------------------
     * y_ij = x at i / row_factor, j / column_factor: rows first .. last - 1 of x, and what is made of them. */
    void (*upsample_nearest_forward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *x,
                                     fnn_real *y);
    /* dx = the sum of dy over the block of a pixel. */
    void (*upsample_nearest_backward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *dy,
                                      fnn_real *dx);
    /* y_ij = sum over the four pixels of x around (i + 1/2) / row_factor - 1/2, (j + 1/2) / column_factor - 1/2, moved into
     * the image, each weighted by how near it is: rows first .. last - 1 of y. */
    void (*upsample_bilinear_forward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *x,
                                      fnn_real *y);
    /* dx = the sum of dy over what a pixel went to, weighted alike. */
    void (*upsample_bilinear_backward)(const fnn_upsample *u, const fnn_real *dy, fnn_real *dx);

    /* ---- losses and optimisers (fnn_families.def, fnn_loss.tmpl.h, fnn_optimizer.tmpl.h) */
    fnn_loss_value loss[FNN_LOSSES];
    fnn_optimizer_update update[FNN_OPTIMIZERS];

    /* ---- vectors (fnn_vector.tmpl.h) -------------------------------------------------------------------------- */
    /* z = x + y; z may be x or y. */
    void (*add)(ptrdiff_t N, const fnn_real *x, const fnn_real *y, fnn_real *z);
    /* z = x * y; z may be x or y. */
    void (*multiply)(ptrdiff_t N, const fnn_real *x, const fnn_real *y, fnn_real *z);
    /* y_c = max_r x_rc: x (R, C), y (C,); a column that holds NaN is NaN. */
    void (*column_maxima)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, fnn_real *y);
    /* dx_rc = dy_c where x_rc is the first of the largest of its column, else 0. */
    void (*column_maxima_backward)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, const fnn_real *dy, fnn_real *dx);
    /* ADDS: y += scale * x. */
    void (*add_scaled)(ptrdiff_t N, double scale, const fnn_real *x, fnn_real *y);
    /* y = scale * x; y may be x. */
    void (*scale)(ptrdiff_t N, double scale, const fnn_real *x, fnn_real *y);
    /* x = min(max(x, -limit), limit) in place; NaN stays NaN. */
    void (*clip)(ptrdiff_t N, double limit, fnn_real *x);
    /* sum_n x_n, and sum_n x_n^2, in double with a fixed order for every instruction set. */
    double (*sum)(ptrdiff_t N, const fnn_real *x);
    double (*sum_squares)(ptrdiff_t N, const fnn_real *x);
    /* 1 if every x_n is finite, else 0. */
    int (*all_finite)(ptrdiff_t N, const fnn_real *x);
    /* Penalty of the weights, ADDS to the gradient: g += l1 sign(w) + l2 w. */
    void (*add_penalty)(ptrdiff_t N, double l1, double l2, const fnn_real *w, fnn_real *g);
    /* Scale each column of w (rows, columns), rows w_row apart, whose Euclidean norm exceeds limit back to it, in place
     * [Srebro 2005]; work (columns,). */
    void (*limit_columns)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t w_row, double limit, fnn_real *w, fnn_real *work);

    /* ---- columns (fnn_columns.tmpl.h) of x (R, C): batch, instance and group normalisation are made of these -----------
     * Sums run in double, in an order that depends on R and C alone; y may be x, dx may be dy.  A whole that is cut into
     * blocks of rows has the moments or slopes of each block side by side, and joins them in their order. */
    /* moments (2, C): mean_c = sum_r x_rc / R; sum_r (x_rc - mean_c)^2. */
    void (*column_moments)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, double *moments);
    /* parts (blocks, 2, C), of R rows in blocks of ``block``: the first becomes the moments of all. */
    void (*join_moments)(ptrdiff_t R, ptrdiff_t block, ptrdiff_t C, double *parts);
    /* Mean and variance (C,) of moments, first made those of each ``group`` of neighbouring columns (1: left as they are). */
    void (*group_moments)(ptrdiff_t R, ptrdiff_t C, ptrdiff_t group, double *moments, fnn_real *mean, fnn_real *variance);
    /* inverse = 1 / sqrt(variance + epsilon). */
    void (*inverse_deviations)(ptrdiff_t C, double epsilon, const fnn_real *variance, fnn_real *inverse);
    /* y = activation((x - center) gain + shift). */
    void (*map_columns)(const fnn_columns *map, ptrdiff_t R, const fnn_real *x, fnn_real *y);
    /* With dz = dy activation'(.), sums (2, C): sum_r dz; sum_r dz (x - center). */
    void (*column_slopes)(const fnn_columns *map, ptrdiff_t R, const fnn_real *x, const fnn_real *dy, double *sums);
    /* Blocks ``apart`` doubles apart: the first becomes the sum of all. */
    void (*join_slopes)(ptrdiff_t parts, ptrdiff_t C, ptrdiff_t apart, double *sums);
    /* With p = inverse: level = p mean(gamma dz), tilt = p^3 mean(gamma dz (x - center)) over R rows and ``group`` columns. */
    void (*norm_levels)(ptrdiff_t R, ptrdiff_t C, ptrdiff_t group, const fnn_real *gamma, const fnn_real *inverse,
                        const double *sums, fnn_real *level, fnn_real *tilt);
    /* dx = gain dz - level - (x - center) tilt; level NULL: gain dz.                       [Ioffe & Szegedy 2015, sec. 3] */
    void (*column_gradient)(const fnn_columns *map, ptrdiff_t R, const fnn_real *level, const fnn_real *tilt,
                            const fnn_real *x, const fnn_real *dy, fnn_real *dx);
    /* The second of the sums times inverse. */
    void (*scale_slopes)(ptrdiff_t C, const fnn_real *inverse, double *sums);
    /* ADDS: dgamma += scale times the second of the sums, dbeta += scale times the first; each may be NULL. */
    void (*add_slopes)(ptrdiff_t C, double scale, const double *sums, fnn_real *dgamma, fnn_real *dbeta);
    /* y = p x with p = 1 / sqrt(mean_c x_c^2 + epsilon) of each row; inverse (R,) or NULL: p.          [Karras et al. 2018] */
    void (*pixel_norm_forward)(ptrdiff_t R, ptrdiff_t C, double epsilon, const fnn_real *x, fnn_real *y, fnn_real *inverse);
    /* dx = p dy - p^3 x mean_c(x dy). */
    void (*pixel_norm_backward)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, const fnn_real *inverse, const fnn_real *dy,
                                fnn_real *dx);

    /* ---- normalisation (fnn_norm.tmpl.h), n = (x - mean) / sqrt(variance + epsilon) --------------------------
     * x, y, dy, dx (R, C) with rows x_row apart.  No two arrays overlap, but y may be x; dgamma may be gamma and dbeta beta: dx is of gamma as
     * it was.  dx, dgamma and dbeta may be NULL: not wanted.  Sums run in double. */
    /* y = gamma n + beta with the mean and variance of each row; moments (R, 2) or NULL: mean, 1 / sqrt(variance +
     * epsilon).  The bits of a row depend on the row alone.                               [Ba, Kiros & Hinton 2016] */
    void (*layer_norm_forward)(const fnn_norm *norm, const fnn_real *x, fnn_real *y, fnn_real *moments);
    /* g = gamma dy; dx = (g - mean_c g - n mean_c (g n)) / sqrt(variance + epsilon); dgamma and dbeta as above, ADDS. */
    void (*layer_norm_backward)(const fnn_norm *norm, double scale, const fnn_real *x, const fnn_real *moments,
                                const fnn_real *dy, fnn_real *dx, fnn_real *dgamma, fnn_real *dbeta);

    /* ---- normalisation by the columns beside (fnn_local_response.tmpl.h): x, y, dy and dx (R, C); no two arrays overlap.
     * s_c = k + alpha sum_{|i - c| <= reach} x_i^2 > 0; y_c = x_c s_c^-beta.  The bits of a row depend on the row alone.
     * Without roots (beta not 1/2 or 3/4) the relative error of s^-beta grows as beta |log s| / 2 ulp.
     *                                                                                    [Krizhevsky et al. 2012] */
    void (*local_response_forward)(const fnn_local_response *p, const fnn_real *x, fnn_real *y);
    /* dx_c = dy_c s_c^-beta - 2 alpha beta x_c sum_{|i - c| <= reach} dy_i x_i s_i^(-beta - 1); work (C,) holds garbage. */
    void (*local_response_backward)(const fnn_local_response *p, const fnn_real *x, const fnn_real *dy, fnn_real *work,
                                    fnn_real *dx);

    /* ---- dropout (fnn_dropout.tmpl.h) ------------------------------------------------------------------------
     * mask_n = 1 with probability keep: the uniform at index first + n of the stream is below keep.
     * y = mask * scale * x; y may be x. */
    void (*dropout_forward)(ptrdiff_t N, const fnn_random *random, uint64_t first, double keep, double scale,
                            const fnn_real *x, fnn_real *y, uint8_t *mask);
    /* dx = mask * scale * dy; dx may be dy. */
    void (*dropout_backward)(ptrdiff_t N, double scale, const uint8_t *mask, const fnn_real *dy, fnn_real *dx);
    /* y = x + deviation * normal, the normal at index first + n of the stream; y may be x.  Of each FNN_SPAN numbers of 32
     * bits the first half give radii, r = sqrt(-2 log((u + 1/2) / 2^32)), the second half angles, 2 pi u / 2^32: r cos, then
     * r sin.                                                                                       [Box & Muller 1958] */
    void (*add_noise)(ptrdiff_t N, const fnn_random *random, uint64_t first, double deviation, const fnn_real *x,
                      fnn_real *y);
    /* ADDS: y += mask * scale * x. */
    void (*add_masked)(ptrdiff_t N, double scale, const uint8_t *mask, const fnn_real *x, fnn_real *y);

    /* ---- cells of recurrent layers (fnn_recurrent.tmpl.h), one time step; z comes in as the sum of all products ------
     * Gates lie one after the other in each row of z, which is overwritten by their activations a.  H hidden units.
     *
     * LSTM, z and dz (B, 4 H) for i f g o: i = sigmoid(z_i + p_i c'), f = sigmoid(z_f + p_f c'), g = tanh z_g,
     * c = f c' + i g, o = sigmoid(z_o + p_o c), s = tanh c, h = o s; c' is c_before.  forgets 1, or 0: f = 1 and
     * z (B, 3 H) for i g o.  peephole: p_i p_f p_o, or p_i p_o, H each (zeros: none).  c_before, c, s, h (B, H); c may be
     * c_before.  [Hochreiter & Schmidhuber 1997; Gers et al. 2000, 2002] */
    void (*lstm_forward)(ptrdiff_t B, ptrdiff_t H, int forgets, const fnn_real *peephole, const fnn_real *c_before,
                         fnn_real *z, fnn_real *c, fnn_real *s, fnn_real *h);
    /* dh (B, H) and dc (B, H), the gradient of c from the steps after, give dz; dc becomes the gradient of c_before. */
    void (*lstm_backward)(ptrdiff_t B, ptrdiff_t H, int forgets, const fnn_real *peephole, const fnn_real *a,
                          const fnn_real *c_before, const fnn_real *s, const fnn_real *dh, fnn_real *dc, fnn_real *dz);
    /* ADDS: out_n += scale * sum_b x_bn y_bn, b in order: x (B, N) with rows x_row apart, y (B, N), out (N,). */
    void (*add_products)(ptrdiff_t B, ptrdiff_t N, double scale, const fnn_real *x, ptrdiff_t x_row, const fnn_real *y,
                         fnn_real *out);
    /* GRU, z and dz (B, 3 H) for r u n: r = sigmoid z_r, u = sigmoid z_u, n = tanh(z_n + r q), h = n + u (h' - n);
     * q (B, H) is h' U_n + b, h' is h_before.  h may be h_before.  [Cho et al. 2014, the reset after the product] */
    void (*gru_forward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *q, const fnn_real *h_before, fnn_real *z, fnn_real *h);
    /* dh (B, H) gives dz, dq (B, H) and what of dh goes to h_before past the products; dh_before may be dh. */
    void (*gru_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *q, const fnn_real *h_before,
                         const fnn_real *dh, fnn_real *dz, fnn_real *dq, fnn_real *dh_before);
    /* GRU with the reset before the product, in two halves: r = sigmoid z_r, u = sigmoid z_u, s = r h' (B, H), of which
     * s U_n is added to z_n; then n = tanh z_n, h = n + u (h' - n), and r stays.  h may be h_before.  [Cho et al. 2014] */
    void (*gru_reset)(ptrdiff_t B, ptrdiff_t H, const fnn_real *h_before, fnn_real *z, fnn_real *s);
    void (*gru_update)(ptrdiff_t B, ptrdiff_t H, const fnn_real *h_before, fnn_real *z, fnn_real *h);
    /* dh (B, H) gives dz_u, dz_n and what of dh goes to h_before past the gates; dh_before may be dh. */
    void (*gru_update_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *h_before,
                                const fnn_real *dh, fnn_real *dz, fnn_real *dh_before);
    /* ds (B, H) = dz_n U_n^T gives dz_r.  ADDS: dh_before += r ds. */
    void (*gru_reset_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *h_before,
                               const fnn_real *ds, fnn_real *dz, fnn_real *dh_before);

    /* ---- probes (fnn_probe.tmpl.h): what this processor can do at most; no network uses them ------------------
     * x_c = factor x_c + addend, N times, for C chains x_c = c, c = 0..C-1, that fill the vector registers; *chains = C.
     * Returns sum_c x_c, in double.  The work is 2 N C floating-point operations. */
    double (*probe_multiply_add)(ptrdiff_t N, double factor, double addend, ptrdiff_t *chains);
    /* Return repeats * sum_n x_n, read from x every time; sums run in REAL, in an order of the instruction set's own. */
    double (*probe_read)(ptrdiff_t repeats, ptrdiff_t N, const fnn_real *x);
} fnn_kernels;

#endif
