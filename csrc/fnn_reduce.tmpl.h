/* Reductions whose bits do not depend on the instruction set: element n always goes to partial sum n % FNN_LANES,
 * and the partial sums always meet in the same order. */

#if FNN_BITS == 32
static const REAL FN(MAXIMUM) = 3.40282347e+38f;
#else
static const REAL FN(MAXIMUM) = 1.7976931348623157e+308;
#endif

#ifndef FNN_LANES
#define FNN_LANES 16
#define FNN_BLOCK 256 /* elements of a buffer on the stack; a multiple of FNN_LANES */
#endif

FNN_ELEMENT double FN(join)(double *lane)
{
    for (int width = FNN_LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

static inline void FN(accumulate)(ptrdiff_t N, const REAL *x, double *total)
{
    double lane[FNN_LANES];
    ptrdiff_t n = 0;
    memcpy(lane, total, sizeof lane); /* a local array can live in registers */
    for (; n + FNN_LANES <= N; n += FNN_LANES)
        for (int l = 0; l < FNN_LANES; l++)
            lane[l] += (double)x[n + l];
    for (int l = 0; n + l < N; l++)
        lane[l] += (double)x[n + l];
    memcpy(total, lane, sizeof lane);
}

static double FN(dot)(ptrdiff_t N, const REAL *x, const REAL *y)
{
    double lane[FNN_LANES] = {0};
    ptrdiff_t n = 0;
    for (; n + FNN_LANES <= N; n += FNN_LANES)
        for (int l = 0; l < FNN_LANES; l++)
            lane[l] += (double)x[n + l] * (double)y[n + l];
    for (int l = 0; n + l < N; l++)
        lane[l] += (double)x[n + l] * (double)y[n + l];
    return FN(join)(lane);
}

/* NaN is passed over: whoever subtracts the maximum meets it again. */
static REAL FN(largest)(ptrdiff_t N, const REAL *x)
{
    REAL lane[FNN_LANES];
    REAL top = -(REAL)INFINITY;
    ptrdiff_t n = 0;
    for (int l = 0; l < FNN_LANES; l++)
        lane[l] = top;
    for (; n + FNN_LANES <= N; n += FNN_LANES)
        for (int l = 0; l < FNN_LANES; l++)
            lane[l] = x[n + l] > lane[l] ? x[n + l] : lane[l];
    for (int l = 0; n + l < N; l++)
        lane[l] = x[n + l] > lane[l] ? x[n + l] : lane[l];
    for (int l = 0; l < FNN_LANES; l++)
        top = lane[l] > top ? lane[l] : top;
    return top;
}

/* Return sum_n exp(x_n - m), leaving the terms in out (which may be x) unless it is NULL. */
static double FN(exp_sum)(ptrdiff_t N, const REAL *x, REAL m, REAL *out)
{
    double lane[FNN_LANES] = {0};
    REAL spare[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < N; start += FNN_BLOCK) {
        const ptrdiff_t count = N - start < FNN_BLOCK ? N - start : FNN_BLOCK;
        REAL *term = out ? out + start : spare;
        EACH(n, count)
            term[n] = FN(exp)(x[start + n] - m);
        FN(accumulate)(count, term, lane);
    }
    return FN(join)(lane);
}
