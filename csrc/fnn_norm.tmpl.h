/* Normalisation: of columns by the statistics of a batch, of rows each by its own.  Sums run in double, down a column in
 * the order of the rows; a variance is a second sum, around the mean. */

#ifndef FNN_LEFT
#define FNN_LEFT(start, N) ((N) - (start) < FNN_BLOCK ? (N) - (start) : FNN_BLOCK)
#endif

static void FN(fnn_column_moments)(ptrdiff_t R, ptrdiff_t C, ptrdiff_t x_row, const fnn_real *x, fnn_real *mean,
                                   fnn_real *variance)
{
    double center[FNN_BLOCK], total[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        REAL *first = (REAL *)mean + start, *second = (REAL *)variance + start;
        memset(total, 0, sizeof total);
        for (ptrdiff_t r = 0; r < R; r++) {
            const REAL *row = (const REAL *)x + r * x_row + start;
            EACH(c, count)
                total[c] += (double)row[c];
        }
        for (ptrdiff_t c = 0; c < count; c++) {
            center[c] = total[c] / (double)R;
            first[c] = (REAL)center[c];
            total[c] = 0;
        }
        for (ptrdiff_t r = 0; r < R; r++) {
            const REAL *row = (const REAL *)x + r * x_row + start;
            EACH(c, count) {
                const double deviation = (double)row[c] - center[c];
                total[c] += deviation * deviation;
            }
        }
        for (ptrdiff_t c = 0; c < count; c++)
            second[c] = (REAL)(total[c] / (double)R);
    }
}

/* out = x, or what stands for it if it is NULL. */
static inline void FN(copy_or)(ptrdiff_t N, const REAL *x, REAL otherwise, REAL *out)
{
    if (x)
        memcpy(out, x, (size_t)N * sizeof *out);
    for (ptrdiff_t n = 0; n < (x ? 0 : N); n++)
        out[n] = otherwise;
}

/* out = gamma / sqrt(variance + epsilon), columns from start. */
FNN_SHARED void FN(column_factors)(ptrdiff_t count, ptrdiff_t start, const fnn_norm *norm, const fnn_real *variance,
                                   REAL *out)
{
    const REAL epsilon = (REAL)norm->epsilon;
    const REAL *gamma = norm->gamma, *in = (const REAL *)variance + start;
    FN(copy_or)(count, gamma ? gamma + start : NULL, 1, out);
    EACH(c, count)
        out[c] /= SQRT(in[c] + epsilon);
}

static void FN(fnn_batch_norm_forward)(const fnn_norm *norm, const fnn_real *x, const fnn_real *mean,
                                       const fnn_real *variance, fnn_real *y)
{
    const ptrdiff_t C = norm->columns, apart = norm->x_row;
    const REAL *beta = norm->beta;
    REAL factor[FNN_BLOCK], shift[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        const REAL *center = (const REAL *)mean + start;
        FN(column_factors)(count, start, norm, variance, factor);
        FN(copy_or)(count, beta ? beta + start : NULL, 0, shift);
        for (ptrdiff_t r = 0; r < norm->rows; r++) {
            const REAL *in = (const REAL *)x + r * apart + start;
            REAL *out = (REAL *)y + r * apart + start;
            EACH(c, count)
                out[c] = FMA(in[c] - center[c], factor[c], shift[c]);
        }
    }
}

/* ADDS: out += scale * sum, unless out is NULL. */
FNN_SHARED void FN(add_column_sums)(ptrdiff_t count, double scale, const double *sum, REAL *out)
{
    if (!out)
        return;
    EACH(c, count)
        out[c] = FMA((REAL)scale, (REAL)sum[c], out[c]);
}

static void FN(fnn_batch_norm_backward)(const fnn_norm *norm, int coupled, double scale, const fnn_real *x,
                                        const fnn_real *mean, const fnn_real *variance, const fnn_real *dy,
                                        fnn_real *dx, fnn_real *dgamma, fnn_real *dbeta)
{
    const ptrdiff_t R = norm->rows, C = norm->columns, apart = norm->x_row;
    const double share = coupled ? 1 / (double)R : 0;
    double flat[FNN_BLOCK], slope[FNN_BLOCK]; /* sum_r dy and sum_r dy (x - mean) */
    REAL factor[FNN_BLOCK], level[FNN_BLOCK], tilt[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        const REAL *center = (const REAL *)mean + start, *spread = (const REAL *)variance + start;
        memset(flat, 0, sizeof flat);
        memset(slope, 0, sizeof slope);
        for (ptrdiff_t r = 0; r < R; r++) {
            const REAL *in = (const REAL *)x + r * apart + start, *gradient = (const REAL *)dy + r * apart + start;
            EACH(c, count) {
                flat[c] += (double)gradient[c];
                slope[c] += (double)gradient[c] * (double)(in[c] - center[c]);
            }
        }
        FN(column_factors)(count, start, norm, variance, factor);
        for (ptrdiff_t c = 0; c < count; c++) {
            const double precision = 1 / ((double)spread[c] + norm->epsilon);
            level[c] = (REAL)(flat[c] * share);
            tilt[c] = (REAL)(slope[c] * precision * share);
            slope[c] *= __builtin_sqrt(precision);
        }
        for (ptrdiff_t r = 0; r < (dx ? R : 0); r++) {
            const REAL *in = (const REAL *)x + r * apart + start, *gradient = (const REAL *)dy + r * apart + start;
            REAL *out = (REAL *)dx + r * apart + start;
            EACH(c, count)
                out[c] = FMA(center[c] - in[c], tilt[c], gradient[c] - level[c]) * factor[c];
        }
        FN(add_column_sums)(count, scale, slope, dgamma ? (REAL *)dgamma + start : NULL);
        FN(add_column_sums)(count, scale, flat, dbeta ? (REAL *)dbeta + start : NULL);
    }
}

/* sum_n y_n (x_n - center); y NULL: (x_n - center) in its place. */
FNN_SHARED double FN(dot_around)(ptrdiff_t N, const REAL *x, REAL center, const REAL *y)
{
    double lane[FNN_LANES] = {0};
    REAL deviation[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < N; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, N);
        const REAL *other = y ? y + start : deviation;
        ptrdiff_t n = 0;
        for (ptrdiff_t i = 0; i < count; i++)
            deviation[i] = x[start + i] - center;
        for (; n + FNN_LANES <= count; n += FNN_LANES)
            for (int l = 0; l < FNN_LANES; l++)
                lane[l] += (double)other[n + l] * (double)deviation[n + l];
        for (int l = 0; n + l < count; l++)
            lane[l] += (double)other[n + l] * (double)deviation[n + l];
    }
    return FN(join)(lane);
}

static void FN(fnn_layer_norm_forward)(const fnn_norm *norm, const fnn_real *x, fnn_real *y, fnn_real *moments)
{
    const ptrdiff_t C = norm->columns, apart = norm->x_row;
    const REAL *gamma = norm->gamma, *beta = norm->beta;
    for (ptrdiff_t r = 0; r < norm->rows; r++) {
        const REAL *in = (const REAL *)x + r * apart;
        REAL *out = (REAL *)y + r * apart, *moment = (REAL *)moments + 2 * r;
        const REAL mean = (REAL)(FN(fnn_sum)(C, in) / (double)C);
        const double variance = FN(dot_around)(C, in, mean, NULL) / (double)C;
        const REAL inverse = (REAL)(1 / __builtin_sqrt(variance + norm->epsilon));
        EACH(c, C)
            out[c] = (in[c] - mean) * inverse;
        /* A loop each, over a row that is in the cache: one for every combination would be four. */
        if (gamma) {
            EACH(c, C)
                out[c] *= gamma[c];
        }
        if (beta) {
            EACH(c, C)
                out[c] += beta[c];
        }
        if (moments)
            moment[0] = mean, moment[1] = inverse;
    }
}

static void FN(layer_norm_input_gradient)(const fnn_norm *norm, const REAL *x, const REAL *moments, const REAL *dy,
                                          REAL *dx)
{
    const ptrdiff_t C = norm->columns, apart = norm->x_row;
    const REAL *gamma = norm->gamma;
    for (ptrdiff_t r = 0; r < norm->rows; r++) {
        const REAL *in = x + r * apart, *gradient = dy + r * apart;
        const REAL mean = moments[2 * r], inverse = moments[2 * r + 1];
        REAL *out = dx + r * apart;
        FN(copy_or)(C, gamma, 1, out);
        EACH(c, C)
            out[c] *= gradient[c];
        const REAL level = (REAL)(FN(fnn_sum)(C, out) / (double)C);
        const REAL tilt = (REAL)(FN(dot_around)(C, in, mean, out) * (double)inverse * (double)inverse / (double)C);
        EACH(c, C)
            out[c] = FMA(mean - in[c], tilt, out[c] - level) * inverse;
    }
}

static void FN(fnn_layer_norm_backward)(const fnn_norm *norm, double scale, const fnn_real *x, const fnn_real *moments,
                                        const fnn_real *dy, fnn_real *dx, fnn_real *dgamma, fnn_real *dbeta)
{
    const ptrdiff_t C = norm->columns, apart = norm->x_row;
    double flat[FNN_BLOCK], slope[FNN_BLOCK];
    if (dx)
        FN(layer_norm_input_gradient)(norm, x, moments, dy, dx);
    for (ptrdiff_t start = 0; start < (dgamma || dbeta ? C : 0); start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        memset(flat, 0, sizeof flat);
        memset(slope, 0, sizeof slope);
        for (ptrdiff_t r = 0; r < norm->rows; r++) {
            const REAL *in = (const REAL *)x + r * apart + start, *gradient = (const REAL *)dy + r * apart + start;
            const REAL mean = ((const REAL *)moments)[2 * r], inverse = ((const REAL *)moments)[2 * r + 1];
            EACH(c, count) {
                flat[c] += (double)gradient[c];
                slope[c] += (double)gradient[c] * (double)((in[c] - mean) * inverse);
            }
        }
        FN(add_column_sums)(count, scale, slope, dgamma ? (REAL *)dgamma + start : NULL);
        FN(add_column_sums)(count, scale, flat, dbeta ? (REAL *)dbeta + start : NULL);
    }
}
