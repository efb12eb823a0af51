/* Depthwise convolutions: channels in lanes, and neighbouring outputs in registers beside each other, so that an input that
 * several of them see is loaded once.
 *
 * Order of summation: an output is one chain from its bias over the places of its window; a weight gradient is one chain
 * over the outputs of a call, whose end is added to what is there. */

#define VECTOR(p) (*(const FN(vector) *)(p))

/* One vector of channels of a row. */
typedef struct FN(channels) {
    const fnn_depthwise *s;
    const ptrdiff_t *at;
    const REAL *x, *w;
    REAL *y;               /* backward: dw, and w is dy */
    FN(vector) start;
    FN(product) end;       /* what becomes of a sum */
    ptrdiff_t count;       /* of the channels that are real */
} FN(channels);

/* Outputs p .. p + pixels - 1.  columns: those of a window whose neighbours overlap, one output further on; 0: any. */
FNN_ELEMENT void FN(depthwise_tile)(const FN(channels) *q, const int pixels, const int columns, ptrdiff_t p)
{
    const fnn_depthwise *s = q->s;
    const ptrdiff_t step = s->step;
    const REAL *w = q->w;
    FN(vector) sum[8];
    UNROLLED_EACH(8, r, pixels)
        sum[r] = q->start;
    for (ptrdiff_t k = 0; k < s->rows; k++) {
        const REAL *row = q->x + q->at[k] + p * step;
        if (columns) {
            FN(vector) weight[5];
            UNROLLED_EACH(8, l, columns)
                weight[l] = VECTOR(w + l * s->w_row);
            w += columns * s->w_row;
            UNROLLED_EACH(12, j, pixels + columns - 1) {
                const FN(vector) seen = VECTOR(row + j * step);
                UNROLLED_EACH(8, l, columns)
                    if (j >= l && j - l < pixels)
                        ADD_PRODUCT(sum[j - l], seen, weight[l]);
            }
        } else {
            for (ptrdiff_t l = 0; l < s->columns; l++, row += s->gap, w += s->w_row) {
                const FN(vector) weight = VECTOR(w);
                UNROLLED_EACH(8, r, pixels) {
                    const FN(vector) seen = VECTOR(row + r * step);
                    ADD_PRODUCT(sum[r], seen, weight);
                }
            }
        }
    }
    UNROLLED_EACH(8, r, pixels)
        FN(store)(q->y + (p + r) * s->to, FN(activate)(&q->end, sum[r]), 1, q->count);
}

/* Rows of a window of so many columns: their weight gradients over all outputs of the row. */
FNN_ELEMENT void FN(depthwise_gradient_tile)(const FN(channels) *q, const int rows, const int columns, ptrdiff_t k)
{
    enum { PIXELS = 4 }; /* that share what they see */
    const fnn_depthwise *s = q->s;
    const ptrdiff_t step = s->step;
    FN(vector) sum[3][5];
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, l, columns)
            sum[r][l] = (FN(vector)){0};
    ptrdiff_t p = 0;
    for (; p + PIXELS <= s->pixels; p += PIXELS) {
        FN(vector) dy[PIXELS];
        UNROLLED_EACH(8, i, PIXELS)
            dy[i] = VECTOR(q->w + (p + i) * s->to);
        UNROLLED_EACH(8, r, rows) {
            const REAL *row = q->x + q->at[k + r] + p * step;
            UNROLLED_EACH(12, j, PIXELS + columns - 1) {
                const FN(vector) seen = VECTOR(row + j * step);
                UNROLLED_EACH(8, l, columns)
                    if (j >= l && j - l < PIXELS)
                        ADD_PRODUCT(sum[r][l], seen, dy[j - l]);
            }
        }
    }
    for (; p < s->pixels; p++) {
        const FN(vector) dy = VECTOR(q->w + p * s->to);
        UNROLLED_EACH(8, r, rows) {
            const REAL *row = q->x + q->at[k + r] + p * step;
            UNROLLED_EACH(8, l, columns) {
                const FN(vector) seen = VECTOR(row + l * step);
                ADD_PRODUCT(sum[r][l], seen, dy);
            }
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, l, columns) {
            REAL *out = q->y + ((k + r) * columns + l) * s->w_row;
            FN(store)(out, sum[r][l] + VECTOR(out), 1, q->count);
        }
}

/* The same of any ``taps`` places of a window, from place t on. */
FNN_ELEMENT void FN(depthwise_gradient_taps)(const FN(channels) *q, const int taps, ptrdiff_t t)
{
    const fnn_depthwise *s = q->s;
    FN(vector) sum[8];
    const REAL *x[8];
    const REAL *dy = q->w;
    UNROLLED_EACH(8, i, taps) {
        sum[i] = (FN(vector)){0};
        x[i] = q->x + q->at[(t + i) / s->columns] + (t + i) % s->columns * s->gap;
    }
    for (ptrdiff_t p = 0, k = 0; p < s->pixels; p++, k += s->step, dy += s->to) {
        const FN(vector) gradient = VECTOR(dy);
        UNROLLED_EACH(8, i, taps) {
            const FN(vector) seen = VECTOR(x[i] + k);
            ADD_PRODUCT(sum[i], seen, gradient);
        }
    }
    UNROLLED_EACH(8, i, taps) {
        REAL *out = q->y + (t + i) * s->w_row;
        FN(store)(out, sum[i] + VECTOR(out), 1, q->count);
    }
}

/* All outputs of a row: the last tile begins where it ends with the row, and computes some again. */
#define FNN_DEPTHWISE(COUNT, COLUMNS)                                                                                 \
    static void FN(depthwise_##COUNT##_##COLUMNS)(const FN(channels) * q)                                             \
    {                                                                                                                  \
        ptrdiff_t p = 0;                                                                                               \
        for (; p + COUNT <= q->s->pixels; p += COUNT)                                                                  \
            FN(depthwise_tile)(q, COUNT, COLUMNS, p);                                                                  \
        if (p < q->s->pixels)                                                                                          \
            FN(depthwise_tile)(q, COUNT, COLUMNS, q->s->pixels - COUNT);                                              \
    }
FNN_DEPTHWISE(1, 0)
FNN_DEPTHWISE(1, 3)
FNN_DEPTHWISE(1, 5)
FNN_DEPTHWISE(4, 0)
FNN_DEPTHWISE(4, 3)
FNN_DEPTHWISE(4, 5)
FNN_DEPTHWISE(8, 0)
FNN_DEPTHWISE(8, 3)
FNN_DEPTHWISE(8, 5)
#undef FNN_DEPTHWISE

/* 1: three columns, 2: five, one output apart from each other; 0: any. */
static int FN(depthwise_kind)(const fnn_depthwise *s)
{
    if (s->step != s->gap || s->columns % 2 == 0 || s->columns > 5)
        return 0;
    return (int)s->columns / 2;
}

static void FN(fnn_depthwise_forward)(const fnn_depthwise *s, const ptrdiff_t *at, const fnn_real *x, const fnn_real *w,
                                      const fnn_real *bias, int activation, double alpha, fnn_real *y)
{
    static void (*const ROWS[3][3])(const FN(channels) *) = {
        {FN(depthwise_1_0), FN(depthwise_1_3), FN(depthwise_1_5)},
        {FN(depthwise_4_0), FN(depthwise_4_3), FN(depthwise_4_5)},
        {FN(depthwise_8_0), FN(depthwise_8_3), FN(depthwise_8_5)},
    };
    void (*const row)(const FN(channels) *) = ROWS[(s->pixels >= 4) + (s->pixels >= 8)][FN(depthwise_kind)(s)];
    FN(channels) q = {.s = s, .at = at, .end = {.activation = activation, .alpha = (REAL)alpha}};
    for (ptrdiff_t c = 0; c < s->size; c += FN(WIDTH)) {
        q.x = (const REAL *)x + c, q.w = (const REAL *)w + c, q.y = (REAL *)y + c;
        q.start = bias ? VECTOR((const REAL *)bias + c) : (FN(vector)){0};
        q.count = s->size - c < FN(WIDTH) ? s->size - c : FN(WIDTH);
        row(&q);
    }
}

static void FN(fnn_depthwise_gradient)(const fnn_depthwise *s, const ptrdiff_t *at, const fnn_real *x, const fnn_real *dy,
                                       fnn_real *dw)
{
    const ptrdiff_t taps = s->rows * s->columns;
    const int kind = FN(depthwise_kind)(s);
    FN(channels) q = {.s = s, .at = at};
    for (ptrdiff_t c = 0; c < s->size; c += FN(WIDTH)) {
        ptrdiff_t k = 0;
        q.x = (const REAL *)x + c, q.w = (const REAL *)dy + c, q.y = (REAL *)dw + c;
        q.count = s->size - c < FN(WIDTH) ? s->size - c : FN(WIDTH);
        if (kind == 1) {
            for (; k + 3 <= s->rows; k += 3)
                FN(depthwise_gradient_tile)(&q, 3, 3, k);
            for (; k < s->rows; k++)
                FN(depthwise_gradient_tile)(&q, 1, 3, k);
        } else if (kind == 2) {
            for (; k < s->rows; k++)
                FN(depthwise_gradient_tile)(&q, 1, 5, k);
        } else {
            for (; k + 8 <= taps; k += 8)
                FN(depthwise_gradient_taps)(&q, 8, k);
            for (; k + 3 <= taps; k += 3)
                FN(depthwise_gradient_taps)(&q, 3, k);
            for (; k < taps; k++)
                FN(depthwise_gradient_taps)(&q, 1, k);
        }
    }
}

#undef VECTOR
