/* Normalisation of rows, each by its own mean and variance.  Sums run in double, down a column in the order of the rows;
 * a variance is a second sum, around the mean. */

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
