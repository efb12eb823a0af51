/* Products of a dense layer whose weights are narrow numbers, for float32 networks: forward alone.
 *
 * x (B, I), y (B, O), bias (O,) or NULL, all float32 and packed; w (I, O) is packed for the kernel (see `panel`).
 * y = activation(1 bias + x w), the activation FNN_IDENTITY, FNN_RELU or FNN_LEAKY_RELU with slope alpha.
 * bias and w may be READ up to 63 bytes past their end.
 *
 * int8.      w_io = q_io s_o, whole numbers -127 .. 127 and a scale for each output.  Each row of x is rounded to 8 bits
 *            too: with lo = min(0, min_i x_i), hi = max(0, max_i x_i), s = hi / 255 - lo / 255 and the zero point
 *            n = rint(-lo / s): u_i = rint(x_i / s + n) in 0 .. 255, so that 0 stays 0.  Then
 *            y_o = activation((sum_i (u_i - n) q_io) (s_o s) + b_o), the sum exact, in 32-bit whole numbers: I is at most
 *            FNN_INT8_INPUTS.  A row whose s would be no normal number counts as 0; one that holds NaN or inf gives NaN.
 * bfloat16.  w_io is a float32 whose lower 16 bits are 0, stored as the upper 16.  Products and sums are those of float32
 *            weights: fnn_products.forward gives the same bits.
 *
 * The bits of an element depend neither on B nor on the part of the layer that is asked for, nor on the instruction set
 * among those with FMA.
 */
#ifndef FNN_QUANTIZED_H
#define FNN_QUANTIZED_H

#include "fnn_kernels.h"

/* Compilers that know AVX-VNNI. */
#if defined(__x86_64__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define FNN_HAS_AVX_VNNI 1
#endif

#define FNN_INT8_INPUTS 65536
/* bfloat16 weights lie in panels of columns; the last panel of a layer takes what remains, REST columns more at most.  A
 * narrow layer has one.  Columns are rounded up to GROUP, filled with zeros. */
#define FNN_BFLOAT16_NARROW 16
#define FNN_BFLOAT16_GROUP 32
#define FNN_BFLOAT16_PANEL (3 * FNN_BFLOAT16_GROUP)
#define FNN_BFLOAT16_REST FNN_BFLOAT16_GROUP
#define FNN_BFLOAT16_DEPTH 256 /* inputs whose weights are turned into float32 at a time */

/* Weights (I, O) in 8 bits: panels of outputs, within a panel all outputs of four inputs together, those four side by side
 * for each output.  Outputs are rounded up to `lanes`, inputs to four. */
typedef struct fnn_int8_weights {
    ptrdiff_t inputs, outputs;
    const int8_t *values;   /* as int8_pack lays them out */
    const float *scale;     /* by output, rounded up to `lanes` */
    const int32_t *sums;    /* of each output's whole numbers, likewise */
} fnn_int8_weights;

/* Weights (I, O) in bfloat16.  More than NARROW outputs: panel after panel, each row-major by itself; within a group of
 * 32 columns the columns j and j + 16 lie side by side, so that one shift and one mask make two vectors of them.  Fewer:
 * row-major. */
typedef struct fnn_bfloat16_weights {
    ptrdiff_t inputs, outputs;
    const uint16_t *values; /* as bfloat16_pack lays them out */
} fnn_bfloat16_weights;

typedef struct fnn_quantized {
    const char *name;   /* "avx512_vnni" */
    const char *isa;    /* of the table that it goes with: "avx512" */
    ptrdiff_t panel, lanes; /* outputs of a panel, of a vector */
    /* Lay out whole numbers q (I, O), row-major: I and O rounded up to four and to `lanes`, so many bytes. */
    void (*int8_pack)(ptrdiff_t inputs, ptrdiff_t outputs, const int8_t *q, int8_t *packed);
    void (*int8_unpack)(ptrdiff_t inputs, ptrdiff_t outputs, const int8_t *packed, int8_t *q);
    /* Round B rows of x to 8 bits: fnn_int8_row_bytes(I) bytes each. */
    void (*int8_rows)(ptrdiff_t B, ptrdiff_t inputs, const float *x, void *rows);
    /* Outputs first .. first + count of B rounded rows; first is a multiple of `panel`. */
    void (*int8_forward)(const fnn_int8_weights *w, ptrdiff_t B, ptrdiff_t first, ptrdiff_t count, const void *rows,
                         const float *bias, int activation, double alpha, float *y);
    /* Lay out the upper halves of w (I, O), row-major: fnn_bfloat16_size(I, O) numbers. */
    void (*bfloat16_pack)(ptrdiff_t inputs, ptrdiff_t outputs, const uint16_t *w, uint16_t *packed);
    void (*bfloat16_unpack)(ptrdiff_t inputs, ptrdiff_t outputs, const uint16_t *packed, uint16_t *w);
    /* Outputs of panels first .. last.  products: of float32, of the same instruction set; work: fnn_bfloat16_work(I, O)
     * numbers. */
    void (*bfloat16_forward)(const fnn_products *products, const fnn_bfloat16_weights *w, ptrdiff_t B, ptrdiff_t first,
                             ptrdiff_t last, const float *x, const float *bias, int activation, double alpha, float *work,
                             float *y);
} fnn_quantized;

/* A rounded row: 64 bytes for what holds for all of it, two for each number, one for the list of those that are not 0. */
static inline ptrdiff_t fnn_int8_list_at(ptrdiff_t inputs)
{
    return 64 + (2 * inputs + 8) / 8 * 8;
}

static inline ptrdiff_t fnn_int8_row_bytes(ptrdiff_t inputs)
{
    return (fnn_int8_list_at(inputs) + inputs + 4 + 63) / 64 * 64;
}

static inline ptrdiff_t fnn_bfloat16_panels(ptrdiff_t outputs)
{
    const ptrdiff_t panels = (outputs - FNN_BFLOAT16_REST + FNN_BFLOAT16_PANEL - 1) / FNN_BFLOAT16_PANEL;
    return panels > 1 ? panels : 1;
}

/* Columns of a panel. */
static inline ptrdiff_t fnn_bfloat16_columns(ptrdiff_t outputs, ptrdiff_t panel)
{
    return panel == fnn_bfloat16_panels(outputs) - 1 ? outputs - panel * FNN_BFLOAT16_PANEL : FNN_BFLOAT16_PANEL;
}

/* Numbers of a row of a panel of so many columns. */
static inline ptrdiff_t fnn_bfloat16_row(ptrdiff_t columns)
{
    return (columns + FNN_BFLOAT16_GROUP - 1) / FNN_BFLOAT16_GROUP * FNN_BFLOAT16_GROUP;
}

/* Numbers of packed weights. */
static inline ptrdiff_t fnn_bfloat16_size(ptrdiff_t inputs, ptrdiff_t outputs)
{
    return inputs * (outputs <= FNN_BFLOAT16_NARROW ? outputs : fnn_bfloat16_row(outputs));
}

/* Numbers: a list of inputs, or the float32 copy of a block of weights, after which a vector may be read. */
static inline ptrdiff_t fnn_bfloat16_work(ptrdiff_t inputs, ptrdiff_t outputs)
{
    const ptrdiff_t wide = FNN_BFLOAT16_DEPTH * (FNN_BFLOAT16_PANEL + FNN_BFLOAT16_REST);
    const ptrdiff_t block = outputs <= FNN_BFLOAT16_NARROW ? inputs * outputs : wide;
    return (block > inputs ? block : inputs) + 16;
}

/* The kernels of this name, or the fastest that go with instruction set isa (name NULL); NULL if there are none. */
const fnn_quantized *fnn_quantized_table(const char *isa, const char *name);

#endif
