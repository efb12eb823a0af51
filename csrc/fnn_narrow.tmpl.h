/* Products of a narrow layer.
 * Forward: FNN_CHAINS chains for each output of a row.  Of very few outputs the rows lie across the lanes.
 * Weight gradient: the inputs lie across the lanes, since the outputs would leave most of them empty. */

/* Add input k of each row to one of its chains. */
FNN_ELEMENT void FN(narrow_input)(const FN(product) *p, const int rows, const int vectors, const REAL *a, const REAL *w,
                                  ptrdiff_t k, FN(vector) sum[FNN_NARROW_ROWS][2])
{
    UNROLLED_EACH(2, v, vectors) {
        const FN(vector) row = VECTOR(w + k * p->w_row + v * FN(WIDTH));
        UNROLLED_EACH(8, r, rows)
            sum[r][v] = a[r * p->a_row + k] * row + sum[r][v];
    }
}

/* rows x vectors outputs at (m, n). */
FNN_ELEMENT void FN(narrow_tile)(const FN(product) *p, const int rows, const int vectors, ptrdiff_t m, ptrdiff_t n,
                                 ptrdiff_t K, ptrdiff_t count)
{
    FN(vector) sum[FNN_CHAINS][FNN_NARROW_ROWS][2];
    const REAL *a = p->a + m * p->a_row;
    const REAL *w = p->w + n;
    ptrdiff_t k = 0;
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(2, v, vectors) {
            UNROLLED_EACH(4, chain, FNN_CHAINS)
                sum[chain][r][v] = (FN(vector)){0};
            if (p->start)
                sum[0][r][v] = VECTOR(p->start + (m + r) * p->start_row + n + v * FN(WIDTH));
        }
    for (; k + FNN_CHAINS <= K; k += FNN_CHAINS)
        UNROLLED_EACH(4, chain, FNN_CHAINS)
            FN(narrow_input)(p, rows, vectors, a, w, k + chain, sum[chain]);
    UNROLLED_EACH(4, chain, FNN_CHAINS - 1)
        if (k + chain < K)
            FN(narrow_input)(p, rows, vectors, a, w, k + chain, sum[chain]);
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(2, v, vectors)
            FN(store)(p->c + (m + r) * p->c_row + n + v * FN(WIDTH),
                      FN(activate)(p, (sum[0][r][v] + sum[2][r][v]) + (sum[1][r][v] + sum[3][r][v])),
                      v == vectors - 1, count);
}

/* WIDTH rows of all outputs of a layer that has so few: x is turned over, so that a vector holds one input of each row. */
FNN_ELEMENT void FN(narrow_rows)(const FN(product) *p, const int outputs, ptrdiff_t m, ptrdiff_t K)
{
    FN(vector) sum[FNN_CHAINS][FNN_FEW];
    const REAL *a = p->a + m * p->a_row;
    ptrdiff_t k = 0;
    UNROLLED_EACH(4, o, outputs) {
        UNROLLED_EACH(4, chain, FNN_CHAINS)
            sum[chain][o] = (FN(vector)){0};
        if (p->start)
            sum[0][o] = (FN(vector)){0} + p->start[o];
    }
    for (; k + FNN_CHAINS <= K; k += FNN_CHAINS)
    UNROLLED(2)
        for (int first = 0; first < FNN_CHAINS; first += FN(QUAD)) {
            FN(vector) x[FN(QUAD)];
            FN(turn_block)(a + k + first, p->a_row, x);
            UNROLLED_EACH(4, j, FN(QUAD))
                UNROLLED_EACH(4, o, outputs)
                    sum[first + j][o] = p->w[(k + first + j) * p->w_row + o] * x[j] + sum[first + j][o];
        }
    for (int chain = 0; k + chain < K; chain++) {
        REAL x[FN(WIDTH)];
        for (int lane = 0; lane < FN(WIDTH); lane++)
            x[lane] = a[lane * p->a_row + k + chain];
        UNROLLED_EACH(4, o, outputs)
            sum[chain][o] = p->w[(k + chain) * p->w_row + o] * VECTOR(x) + sum[chain][o];
    }
    UNROLLED_EACH(4, o, outputs) {
        const FN(vector) y = FN(activate)(p, (sum[0][o] + sum[2][o]) + (sum[1][o] + sum[3][o]));
        for (int lane = 0; lane < FN(WIDTH); lane++)
            p->c[(m + lane) * p->c_row + o] = y[lane];
    }
}

/* As many rows as fill vectors; returns how many. */
static ptrdiff_t FN(run_narrow_rows)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    ptrdiff_t m = 0;
    for (; m + FN(WIDTH) <= M; m += FN(WIDTH))
        switch (N) {
        case 1:
            FN(narrow_rows)(p, 1, m, K);
            break;
        case 2:
            FN(narrow_rows)(p, 2, m, K);
            break;
        case 3:
            FN(narrow_rows)(p, 3, m, K);
            break;
        default:
            FN(narrow_rows)(p, 4, m, K);
        }
    return m;
}

static void FN(run_narrow)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    const int one_start = !p->start || p->start_row == 0;
    const ptrdiff_t done = N <= FNN_FEW && one_start ? FN(run_narrow_rows)(p, M, N, K) : 0;
    for (ptrdiff_t n = 0; n < N; n += 2 * FN(WIDTH)) {
        const int two = N - n > FN(WIDTH);
        const ptrdiff_t left = N - n - (two ? FN(WIDTH) : 0);
        const ptrdiff_t count = left < FN(WIDTH) ? left : FN(WIDTH);
        ptrdiff_t m = done;
        if (two) {
            for (; m + FNN_NARROW_ROWS / 2 <= M; m += FNN_NARROW_ROWS / 2)
                FN(narrow_tile)(p, FNN_NARROW_ROWS / 2, 2, m, n, K, count);
            for (; m < M; m++)
                FN(narrow_tile)(p, 1, 2, m, n, K, count);
        }
        for (; m + FNN_NARROW_ROWS <= M; m += FNN_NARROW_ROWS)
            FN(narrow_tile)(p, FNN_NARROW_ROWS, 1, m, n, K, count);
        for (; m < M; m++)
            FN(narrow_tile)(p, 1, 1, m, n, K, count);
    }
}

/* dw += scale x^T dy for vectors * WIDTH inputs and some outputs, x, dy and dw pointing at the first of them. */
FNN_ELEMENT void FN(narrow_gradient_tile)(const fnn_shape *s, const int vectors, const int outputs, REAL scale,
                                          const REAL *x, const REAL *dy, REAL *dw)
{
    FN(vector) sum[4][4];
    UNROLLED_EACH(4, o, outputs)
        UNROLLED_EACH(4, v, vectors)
            sum[o][v] = (FN(vector)){0};
    for (ptrdiff_t b = 0; b < s->batch; b++)
        UNROLLED_EACH(4, v, vectors) {
            const FN(vector) input = VECTOR(x + b * s->x_row + v * FN(WIDTH));
            UNROLLED_EACH(4, o, outputs)
                sum[o][v] = dy[b * s->y_row + o] * input + sum[o][v];
        }
    UNROLLED_EACH(4, v, vectors)
        for (int lane = 0; lane < FN(WIDTH); lane++)
            UNROLLED_EACH(4, o, outputs) {
                REAL *out = dw + (v * FN(WIDTH) + lane) * s->w_row + o;
                *out = FMA(scale, ((const REAL *)&sum[o][v])[lane], *out);
            }
}

#define FNN_NARROW_GRADIENT(vectors)                                                                                   \
    for (; i + vectors * FN(WIDTH) <= s->inputs; i += vectors * FN(WIDTH)) {                                           \
        ptrdiff_t o = 0;                                                                                               \
        for (; o + 4 <= s->outputs; o += 4)                                                                            \
            FN(narrow_gradient_tile)(s, vectors, 4, scale, x + i, dy + o, dw + i * s->w_row + o);                      \
        for (; o + 2 <= s->outputs; o += 2)                                                                            \
            FN(narrow_gradient_tile)(s, vectors, 2, scale, x + i, dy + o, dw + i * s->w_row + o);                      \
        for (; o < s->outputs; o++)                                                                                    \
            FN(narrow_gradient_tile)(s, vectors, 1, scale, x + i, dy + o, dw + i * s->w_row + o);                      \
    }

/* dw of as many inputs as fill vectors, over some rows of the batch; returns how many. */
static ptrdiff_t FN(narrow_gradient_block)(const fnn_shape *s, REAL scale, const REAL *x, const REAL *dy, REAL *dw)
{
    ptrdiff_t i = 0;
    FNN_NARROW_GRADIENT(FNN_NARROW_VECTORS)
    FNN_NARROW_GRADIENT(2)
    FNN_NARROW_GRADIENT(1)
    return i;
}
#undef FNN_NARROW_GRADIENT

/* The same over all rows.  None, if the outputs fill vectors themselves. */
static ptrdiff_t FN(narrow_gradient)(const fnn_shape *s, REAL scale, const REAL *x, const REAL *dy, REAL *dw)
{
    fnn_shape block = *s;
    ptrdiff_t done = 0;
    if (s->outputs % FN(WIDTH) == 0)
        return 0;
    for (ptrdiff_t b = 0; b < s->batch; b += FNN_BATCH_BLOCK) {
        block.batch = s->batch - b < FNN_BATCH_BLOCK ? s->batch - b : FNN_BATCH_BLOCK;
        done = FN(narrow_gradient_block)(&block, scale, x + b * s->x_row, dy + b * s->y_row, dw);
    }
    return done;
}
