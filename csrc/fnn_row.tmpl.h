/* Products of one row: nothing is used twice, so all depends on reading W once, and not at all where it does not count. */

/* Columns n .. of one row, over all inputs k .. end or over those listed. */
FNN_ELEMENT void FN(row_tile)(const FN(product) *p, const FN(panel) *q, const int vectors, const int32_t *list)
{
    FN(vector) sum[8];
    const REAL *w = p->w + q->n;
    REAL *c = p->c + q->n;
    UNROLLED_EACH(8, v, vectors)
        sum[v] = q->go_on ? VECTOR(c + v * FN(WIDTH)) : p->start ? VECTOR(p->start + q->n + v * FN(WIDTH)) : (FN(vector)){0};
    for (ptrdiff_t k = q->k; k < q->end; k++) {
        const ptrdiff_t input = list ? list[k] : k;
        const REAL x = p->a[input];
        UNROLLED_EACH(8, v, vectors)
            sum[v] = x * VECTOR(w + input * p->w_row + v * FN(WIDTH)) + sum[v];
    }
    UNROLLED_EACH(8, v, vectors)
        FN(store)(c + v * FN(WIDTH), q->last ? FN(activate)(p, sum[v]) : sum[v], v == vectors - 1, q->count);
}

/* The columns of one row, eight vectors at a time so that their latencies overlap. */
FNN_ELEMENT void FN(row_columns)(const FN(product) *p, FN(panel) *q, ptrdiff_t N, const int32_t *list)
{
    for (q->n = 0; q->n < N;) {
        const ptrdiff_t left = (N - q->n + FN(WIDTH) - 1) / FN(WIDTH);
        const ptrdiff_t take = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const ptrdiff_t columns = N - q->n - (take - 1) * FN(WIDTH);
        q->count = columns < FN(WIDTH) ? columns : FN(WIDTH);
        if (take == 8)
            FN(row_tile)(p, q, 8, list);
        else if (take == 4)
            FN(row_tile)(p, q, 4, list);
        else if (take == 2)
            FN(row_tile)(p, q, 2, list);
        else
            FN(row_tile)(p, q, 1, list);
        q->n += take * FN(WIDTH);
    }
}

/* One row of the forward product, in blocks of inputs.  Rows of W that meet an input of 0 are not read where there are
 * enough of them to pay for the list of the others. */
static void FN(run_row)(const FN(product) *p, ptrdiff_t N, ptrdiff_t K)
{
    enum { BLOCK = 1024 };
    int32_t list[BLOCK];
    FN(product) block = *p;
    FN(panel) q = {.k = 0};
    for (ptrdiff_t first = 0; first == 0 || first < K; first += BLOCK) {
        const ptrdiff_t size = K - first < BLOCK ? K - first : BLOCK;
        ptrdiff_t nonzero = size;
        block.a = p->a + first;
        block.w = p->w + first * p->w_row;
        q.go_on = first > 0;
        q.last = first + BLOCK >= K;
        if (N >= 2 * FN(WIDTH) && size >= 32) {
            UNSIGNED zeros = 0;
            for (ptrdiff_t k = 0; k < size; k++)
                zeros += block.a[k] == 0;
            nonzero -= (ptrdiff_t)zeros;
        }
        if (4 * (size - nonzero) > size) {
            nonzero = 0;
            for (ptrdiff_t k = 0; k < size; k++) {
                list[nonzero] = (int32_t)k;
                nonzero += block.a[k] != 0;
            }
            q.end = nonzero;
            FN(row_columns)(&block, &q, N, list);
        } else {
            q.end = size;
            FN(row_columns)(&block, &q, N, NULL);
        }
    }
}

/* dx of one row at inputs i .. i + vectors * WIDTH: W is turned over in registers, a cache line of each row at a time. */
FNN_ELEMENT void FN(row_gradient_tile)(const int vectors, ptrdiff_t O, ptrdiff_t w_row, const REAL *dy, const REAL *w,
                                       REAL *dx)
{
    enum { LINE = 64 / sizeof(REAL) };
    FN(vector) sum[2], t[FN(QUAD)];
    UNROLLED_EACH(2, v, vectors)
        sum[v] = (FN(vector)){0};
    for (ptrdiff_t line = 0; line < O; line += LINE)
        UNROLLED_EACH(2, v, vectors) {
            const ptrdiff_t end = O - line < LINE ? O : line + LINE;
            ptrdiff_t o = line;
            for (; o + FN(QUAD) <= end; o += FN(QUAD)) {
                FN(turn_block)(w + v * FN(WIDTH) * w_row + o, w_row, t);
                UNROLLED_EACH(4, j, FN(QUAD))
                    sum[v] = dy[o + j] * t[j] + sum[v];
            }
            if (o < end) {
                FN(turn_block)(w + v * FN(WIDTH) * w_row + o, w_row, t);
                UNROLLED_EACH(4, j, FN(QUAD) - 1)
                    if (o + j < end)
                        sum[v] = dy[o + j] * t[j] + sum[v];
            }
        }
    UNROLLED_EACH(2, v, vectors)
        *(FN(vector) *)(dx + v * FN(WIDTH)) = sum[v] + (REAL)0;
}

static void FN(row_gradient)(ptrdiff_t I, ptrdiff_t O, ptrdiff_t w_row, const REAL *dy, const REAL *w, REAL *dx)
{
    ptrdiff_t i = 0;
    for (; i + 2 * FN(WIDTH) <= I; i += 2 * FN(WIDTH))
        FN(row_gradient_tile)(2, O, w_row, dy, w + i * w_row, dx + i);
    for (; i + FN(WIDTH) <= I; i += FN(WIDTH))
        FN(row_gradient_tile)(1, O, w_row, dy, w + i * w_row, dx + i);
    for (; i < I; i++) {
        REAL sum = 0;
        for (ptrdiff_t o = 0; o < O; o++)
            sum = FMA(dy[o], w[i * w_row + o], sum);
        dx[i] = sum + 0;
    }
}

/* dw += scale * x^T dy, row by row of dw, past those whose input is 0. */
static void FN(rank_one)(ptrdiff_t I, ptrdiff_t O, ptrdiff_t w_row, REAL scale, const REAL *x, const REAL *dy, REAL *dw)
{
    for (ptrdiff_t i = 0; i < I; i++) {
        REAL *row = dw + i * w_row;
        const REAL factor = scale * x[i]; /* a copy: for all the compiler knows, x could lie within dw */
        if (x[i] == 0)
            continue;
        EACH(o, O)
            row[o] = FMA(factor, dy[o], row[o]);
    }
}
