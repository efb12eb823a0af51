/* Flat vectors, and the few matrix loops that belong to no layer. */

static void FN(fnn_add)(ptrdiff_t N, const fnn_real *x, const fnn_real *y, fnn_real *z)
{
    const REAL *left = x, *right = y;
    REAL *out = z;
    EACH(n, N)
        out[n] = left[n] + right[n];
}

static void FN(fnn_multiply)(ptrdiff_t N, const fnn_real *x, const fnn_real *y, fnn_real *z)
{
    const REAL *left = x, *right = y;
    REAL *out = z;
    EACH(n, N)
        out[n] = left[n] * right[n];
}

static void FN(fnn_column_maxima)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, fnn_real *y)
{
    REAL *out = y;
    memcpy(out, x, (size_t)C * sizeof *out);
    for (ptrdiff_t r = 1; r < R; r++) {
        const REAL *row = (const REAL *)x + r * C;
        EACH(c, C)
            out[c] = row[c] <= out[c] || out[c] != out[c] ? out[c] : row[c]; /* NaN is larger than all */
    }
}

static void FN(fnn_column_maxima_backward)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, const fnn_real *dy, fnn_real *dx)
{
    const REAL *in = x, *gradient = dy;
    REAL *out = dx;
    memset(out, 0, (size_t)(R * C) * sizeof *out);
    for (ptrdiff_t c = 0; c < C; c++) {
        ptrdiff_t largest = 0;
        for (ptrdiff_t r = 1; r < R; r++)
            largest = in[r * C + c] <= in[largest * C + c] || in[largest * C + c] != in[largest * C + c] ? largest : r;
        out[largest * C + c] = gradient[c];
    }
}

static void FN(fnn_add_scaled)(ptrdiff_t N, double scale, const fnn_real *x, fnn_real *y)
{
    const REAL factor = (REAL)scale;
    const REAL *in = x;
    REAL *out = y;
    EACH(n, N)
        out[n] = FMA(factor, in[n], out[n]);
}

static void FN(fnn_scale)(ptrdiff_t N, double scale, const fnn_real *x, fnn_real *y)
{
    const REAL factor = (REAL)scale;
    const REAL *in = x;
    REAL *out = y;
    EACH(n, N)
        out[n] = factor * in[n];
}

static void FN(fnn_clip)(ptrdiff_t N, double limit, fnn_real *x)
{
    const REAL high = (REAL)limit;
    REAL *out = x;
    EACH(n, N)
        out[n] = FN(clamp)(out[n], -high, high);
}

static double FN(fnn_sum)(ptrdiff_t N, const fnn_real *x)
{
    double lane[FNN_LANES] = {0};
    FN(accumulate)(N, x, lane);
    return FN(join)(lane);
}

static double FN(fnn_sum_squares)(ptrdiff_t N, const fnn_real *x)
{
    return FN(dot)(N, x, x);
}

static int FN(fnn_all_finite)(ptrdiff_t N, const fnn_real *x)
{
    /* 0 times anything finite is 0, and NaN otherwise, which no later sum takes back: one instruction a vector. */
    enum { CHAINS = 4, ROUND = CHAINS * FN(WIDTH) };
    const REAL *in = x;
    FN(vector) sum[CHAINS] = {{0}};
    REAL total = 0;
    ptrdiff_t n = 0;
    for (; n + ROUND <= N; n += ROUND)
        UNROLLED_EACH(4, chain, CHAINS)
            sum[chain] = *(const FN(vector) *)(in + n + chain * FN(WIDTH)) * (REAL)0 + sum[chain];
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int lane = 0; lane < FN(WIDTH); lane++)
        total += sum[0][lane];
    for (; n < N; n++)
        total += in[n] * 0;
    return total == 0;
}

static void FN(fnn_add_penalty)(ptrdiff_t N, double l1, double l2, const fnn_real *w, fnn_real *g)
{
    const REAL lasso = (REAL)l1, ridge = (REAL)l2;
    const REAL *in = w;
    REAL *out = g;
    EACH(n, N)
        out[n] += FMA(ridge, in[n], lasso * FN(sign)(in[n]));
}

static void FN(fnn_limit_columns)(ptrdiff_t I, ptrdiff_t O, ptrdiff_t w_row, double limit, fnn_real *w, fnn_real *work)
{
    const REAL most = (REAL)limit;
    REAL *factor = work;
    memset(factor, 0, (size_t)O * sizeof *factor);
    for (ptrdiff_t i = 0; i < I; i++) {
        const REAL *row = (const REAL *)w + i * w_row;
        EACH(o, O)
            factor[o] = FMA(row[o], row[o], factor[o]);
    }
    EACH(o, O) {
        const REAL norm = SQRT(factor[o]);
        factor[o] = norm > most ? most / norm : 1;
    }
    for (ptrdiff_t i = 0; i < I; i++) {
        REAL *row = (REAL *)w + i * w_row;
        EACH(o, O)
            row[o] *= factor[o];
    }
}
