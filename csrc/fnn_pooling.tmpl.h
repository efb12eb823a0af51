/* Pooling: channels lie side by side, and a vector of them is worked on at a time.  Where a pixel has fewer, the vector
 * reaches into its neighbours: what is stored there is stored again when their turn comes, and is cut off at the end of a
 * row.  Both forward kernels are one loop over windows, and so are both of the way back, compiled for what
 * each does with a pixel. */

#define VECTOR(p) (*(const FN(vector) *)(p))

/* x where it is larger, else y: one instruction where there is one that means just that. */
#if defined(__x86_64__) && FNN_VECTOR_BYTES == 64 && FNN_BITS == 32
#define LARGER(x, y) ((FN(vector))_mm512_max_ps((__m512)(x), (__m512)(y)))
#elif defined(__x86_64__) && FNN_VECTOR_BYTES == 64
#define LARGER(x, y) ((FN(vector))_mm512_max_pd((__m512d)(x), (__m512d)(y)))
#elif defined(__x86_64__) && FNN_VECTOR_BYTES == 32 && FNN_BITS == 32
#define LARGER(x, y) ((FN(vector))_mm256_max_ps((__m256)(x), (__m256)(y)))
#elif defined(__x86_64__) && FNN_VECTOR_BYTES == 32
#define LARGER(x, y) ((FN(vector))_mm256_max_pd((__m256d)(x), (__m256d)(y)))
#else
#define LARGER(x, y) \
    ((FN(vector))(((FN(lanes))(x) & (FN(lanes))((x) > (y))) | ((FN(lanes))(y) & ~(FN(lanes))((x) > (y)))))
#endif

enum { FN(MAX_POOL), FN(MAX_POOL_BACK), FN(MEAN_POOL), FN(MEAN_POOL_BACK) };

typedef struct FN(pool) {
    const fnn_pool_shape *s;
    const REAL *x, *y, *dy;
    REAL *out;                  /* y, backward: dx */
} FN(pool);

/* count lanes from p on, and beyond where there is memory up to ``end``. */
FNN_ELEMENT FN(vector) FN(pool_load)(const REAL *p, const REAL *end, ptrdiff_t count)
{
    if (p + FN(WIDTH) <= end)
        return VECTOR(p);
    FN(vector) lanes = {0};
    memcpy(&lanes, p, (size_t)count * sizeof(REAL));
    return lanes;
}

/* Store count lanes, and beyond where there is memory up to ``end``. */
FNN_ELEMENT void FN(pool_store)(REAL *p, const REAL *end, FN(vector) value, ptrdiff_t count)
{
    if (p + FN(WIDTH) <= end)
        *(FN(vector) *)p = value;
    else
        STORE_FIRST(p, value, count);
}

/* One more pixel of a window. */
FNN_ELEMENT void FN(pool_see)(const int what, FN(vector) seen, FN(vector) *result, FN(lanes) *nan)
{
    if (what == FN(MAX_POOL)) {
        *result = LARGER(seen, *result);
        *nan |= (FN(lanes))(seen != seen);
    } else {
        *result += seen;
    }
}

/* The largest, or the sum, of a window from x on: rows x columns pixels, constants, all lanes of which may be read; or, if
 * rows is 0, R x K pixels, of which there is memory up to ``end``. */
FNN_ELEMENT FN(vector) FN(pool_seen)(const int what, const REAL *x, const REAL *end, ptrdiff_t row, ptrdiff_t C,
                                     const int rows, const int columns, ptrdiff_t R, ptrdiff_t K, ptrdiff_t count)
{
    FN(vector) result = {0};
    FN(lanes) nan = {0};
    if (what == FN(MAX_POOL))
        result = result - (REAL)__builtin_inff();
    if (rows) {
        UNROLLED_EACH(4, i, rows)
            UNROLLED_EACH(4, j, columns)
                FN(pool_see)(what, VECTOR(x + i * row + j * C), &result, &nan);
    } else {
        for (ptrdiff_t i = 0; i < R; i++)
            for (ptrdiff_t j = 0; j < K; j++)
                FN(pool_see)(what, FN(pool_load)(x + i * row + j * C, end, count), &result, &nan);
    }
    return what == FN(MAX_POOL) ? (FN(vector))((FN(lanes))result | nan) : result;
}

/* Rows first .. last - 1 of y. */
FNN_ELEMENT void FN(pool_forward)(const FN(pool) *q, const int what, ptrdiff_t first, ptrdiff_t last)
{
    const fnn_pool_shape *s = q->s;
    const ptrdiff_t C = s->channels, row = s->width * C, all = s->rows * s->columns;
    const ptrdiff_t room = (C + FN(WIDTH) - 1) / FN(WIDTH) * FN(WIDTH);
    const REAL *const x_end = q->x + s->height * row;
    for (ptrdiff_t oh = first; oh < last; oh++) {
        ptrdiff_t h = oh * s->row_step - s->top;
        const ptrdiff_t h_end = h + s->rows < s->height ? h + s->rows : s->height;
        h = h > 0 ? h : 0;
        REAL *y = q->out + oh * s->out_width * C;
        const REAL *const y_end = y + s->out_width * C;
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++, y += C) {
            ptrdiff_t w = ow * s->column_step - s->left;
            const ptrdiff_t w_end = w + s->columns < s->width ? w + s->columns : s->width;
            w = w > 0 ? w : 0;
            const ptrdiff_t rows = h_end - h, columns = w_end - w;
            const REAL *const x = q->x + h * row + w * C;
            const REAL n = (REAL)(s->counts_outside ? all : rows * columns);
            const int inside = x + (rows - 1) * row + (columns - 1) * C + room <= x_end;
            for (ptrdiff_t c = 0; c < C; c += FN(WIDTH)) {
                const ptrdiff_t count = C - c < FN(WIDTH) ? C - c : FN(WIDTH);
                FN(vector) result;
                if (inside && rows == 2 && columns == 2)
                    result = FN(pool_seen)(what, x + c, NULL, row, C, 2, 2, 0, 0, count);
                else if (inside && rows == 3 && columns == 3)
                    result = FN(pool_seen)(what, x + c, NULL, row, C, 3, 3, 0, 0, count);
                else
                    result = FN(pool_seen)(what, x + c, x_end, row, C, 0, 0, rows, columns, count);
                if (what == FN(MEAN_POOL))
                    result /= n;
                FN(pool_store)(y + c, y_end, result, count);
            }
        }
    }
}

#define POOL(name) FN(pool_##name)
#define POOL_WIDTH FN(WIDTH)
#define POOL_STORE_FIRST(p, value, count) STORE_FIRST(p, value, count)
#include "fnn_pool_back.tmpl.h"
#undef POOL
#undef POOL_WIDTH
#undef POOL_STORE_FIRST
#if FNN_VECTOR_BYTES == 64
enum { FN(HALF_WIDTH) = FN(WIDTH) / 2 };
#define POOL(name) FN(pool_half_##name)
#define POOL_WIDTH FN(HALF_WIDTH)
#define POOL_STORE_FIRST(p, value, count) memcpy(p, &(value), (size_t)(count) * sizeof(REAL))
#include "fnn_pool_back.tmpl.h"
#undef POOL
#undef POOL_WIDTH
#undef POOL_STORE_FIRST
#define BACKWARD(q, what, apart) \
    if ((q)->s->channels <= FN(HALF_WIDTH)) \
        FN(pool_half_backward)(q, what, apart); \
    else \
        FN(pool_backward)(q, what, apart)
#else
#define BACKWARD(q, what, apart) FN(pool_backward)(q, what, apart)
#endif

/* dx = 0 where no window stores, or all of them add; whether they only store. */
static int FN(pool_begin)(const fnn_pool_shape *s, REAL *dx)
{
    const int apart = s->row_step >= s->rows && s->column_step >= s->columns;
    const int whole = s->row_step == s->rows && s->column_step == s->columns && !s->top && !s->left &&
                      s->out_height * s->rows == s->height && s->out_width * s->columns == s->width;
    if (!whole)
        memset(dx, 0, (size_t)(s->height * s->width * s->channels) * sizeof *dx);
    return apart;
}

static void FN(fnn_max_pool_forward)(const fnn_pool_shape *s, ptrdiff_t first, ptrdiff_t last, const fnn_real *x, fnn_real *y)
{
    const FN(pool) q = {.s = s, .x = x, .y = y, .out = y};
    FN(pool_forward)(&q, FN(MAX_POOL), first, last);
}

static void FN(fnn_mean_pool_forward)(const fnn_pool_shape *s, ptrdiff_t first, ptrdiff_t last, const fnn_real *x, fnn_real *y)
{
    const FN(pool) q = {.s = s, .x = x, .y = y, .out = y};
    FN(pool_forward)(&q, FN(MEAN_POOL), first, last);
}

static void FN(fnn_max_pool_backward)(const fnn_pool_shape *s, const fnn_real *x, const fnn_real *y, const fnn_real *dy,
                                      fnn_real *dx)
{
    const FN(pool) q = {.s = s, .x = x, .y = y, .dy = dy, .out = dx};
    if (FN(pool_begin)(s, dx)) {
        BACKWARD(&q, FN(MAX_POOL_BACK), 1);
    } else {
        BACKWARD(&q, FN(MAX_POOL_BACK), 0);
    }
}

static void FN(fnn_mean_pool_backward)(const fnn_pool_shape *s, const fnn_real *dy, fnn_real *dx)
{
    const FN(pool) q = {.s = s, .x = dx, .y = dy, .dy = dy, .out = dx};
    if (FN(pool_begin)(s, dx)) {
        BACKWARD(&q, FN(MEAN_POOL_BACK), 1);
    } else {
        BACKWARD(&q, FN(MEAN_POOL_BACK), 0);
    }
}

#undef BACKWARD
#undef LARGER
#undef VECTOR
