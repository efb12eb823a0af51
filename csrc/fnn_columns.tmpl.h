/* Columns of a matrix (R, C) whose rows lie side by side: their moments, affine maps with an activation, and what both
 * need backwards.  Batch, instance and group normalisation are made of them, and a scale per channel.
 *
 * A row of few columns would leave a vector half empty: as many rows as FNN_BLOCK has room for are taken as one.  How rows
 * are taken depends on C alone, so that the order of every sum does. */

#ifndef FNN_LEFT
#define FNN_LEFT(start, N) ((N) - (start) < FNN_BLOCK ? (N) - (start) : FNN_BLOCK)
#endif

enum { FN(NEAR) = 4096 }; /* elements whose mean is known before their deviations are summed: they are still in the cache */

/* out = x, or what stands for it if it is NULL. */
static inline void FN(copy_or)(ptrdiff_t N, const REAL *x, REAL otherwise, REAL *out)
{
    if (x)
        memcpy(out, x, (size_t)N * sizeof *out);
    for (ptrdiff_t n = 0; n < (x ? 0 : N); n++)
        out[n] = otherwise;
}

/* How many rows are taken as one; of a short matrix no more than there are. */
static inline ptrdiff_t FN(rows_in_one)(ptrdiff_t R, ptrdiff_t C)
{
    const ptrdiff_t most = C <= FNN_BLOCK / 2 ? FNN_BLOCK / C : 1;
    return most < R ? most : R;
}

/* out = ``count`` numbers of x, or ``otherwise`` for each if it is NULL, ``times`` over. */
FNN_SHARED void FN(repeat)(ptrdiff_t count, ptrdiff_t times, const REAL *x, REAL otherwise, REAL *out)
{
    FN(copy_or)(count, x, otherwise, out);
    for (ptrdiff_t k = 1; k < times; k++)
        memcpy(out + k * count, out, (size_t)count * sizeof *out);
}

/* out_c = sum_k x_(k count + c), k in order; out may be x. */
static inline void FN(fold)(ptrdiff_t count, ptrdiff_t times, const double *x, double *out)
{
    double total[FNN_BLOCK];
    memcpy(total, x, (size_t)count * sizeof *total);
    for (ptrdiff_t k = 1; k < times; k++) {
        EACH(c, count)
            total[c] += x[k * count + c];
    }
    memcpy(out, total, (size_t)count * sizeof *total);
}

/* Sums of columns, ``count`` of them and ``times`` rows as one, over n rows that lie ``apart`` elements apart. */
FNN_SHARED void FN(column_sums)(ptrdiff_t n, ptrdiff_t count, ptrdiff_t times, ptrdiff_t apart, const REAL *x, double *sum)
{
    double total[FNN_BLOCK] = {0};
    const ptrdiff_t width = count * times, step = apart * times;
    ptrdiff_t r = 0;
    for (; r + 4 * times <= n; r += 4 * times) {
        const REAL *a = x + r * apart, *b = a + step, *c = b + step, *d = c + step;
        EACH(k, width)
            total[k] += ((double)a[k] + (double)b[k]) + ((double)c[k] + (double)d[k]);
    }
    for (; r < n; r += times) {
        const ptrdiff_t left = (n - r < times ? n - r : times) * count;
        EACH(k, left)
            total[k] += (double)x[r * apart + k];
    }
    FN(fold)(count, times, total, sum);
}

/* The same of their squared deviations from ``center``. */
FNN_SHARED void FN(sum_deviations)(ptrdiff_t n, ptrdiff_t count, ptrdiff_t times, ptrdiff_t apart, const REAL *x,
                                   const double *center, double *sum)
{
    double total[FNN_BLOCK] = {0}, middle[FNN_BLOCK];
    const ptrdiff_t width = count * times;
    for (ptrdiff_t k = 0; k < times; k++)
        memcpy(middle + k * count, center, (size_t)count * sizeof *middle);
    ptrdiff_t r = 0;
    for (; r + 2 * times <= n; r += 2 * times) {
        const REAL *a = x + r * apart, *b = a + apart * times;
        EACH(k, width) {
            const double first = (double)a[k] - middle[k], second = (double)b[k] - middle[k];
            total[k] = FMA_DOUBLE(second, second, FMA_DOUBLE(first, first, total[k]));
        }
    }
    for (; r < n; r += times) {
        const ptrdiff_t left = (n - r < times ? n - r : times) * count;
        EACH(k, left) {
            const double deviation = (double)x[r * apart + k] - middle[k];
            total[k] = FMA_DOUBLE(deviation, deviation, total[k]);
        }
    }
    FN(fold)(count, times, total, sum);
}

/* Mean and sum of squared deviations of ``before`` rows become those of ``before + n`` [Chan, Golub & LeVeque 1979]. */
FNN_SHARED void FN(merge_moments)(ptrdiff_t count, ptrdiff_t before, ptrdiff_t n, const double *center,
                                  const double *squares, double *mean, double *total)
{
    const double share = (double)n / (double)(before + n), weight = share * (double)before;
    EACH(c, count) {
        const double apart = center[c] - mean[c];
        total[c] = FMA_DOUBLE(apart * apart, weight, total[c] + squares[c]);
        mean[c] = FMA_DOUBLE(apart, share, mean[c]);
    }
}

static void FN(fnn_column_moments)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, double *moments)
{
    double center[FNN_BLOCK], squares[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C), times = FN(rows_in_one)(R, C);
        const ptrdiff_t near = (FN(NEAR) / (times * count)) * times;
        memset(moments + start, 0, (size_t)count * sizeof *moments);
        memset(moments + C + start, 0, (size_t)count * sizeof *moments);
        for (ptrdiff_t r = 0; r < R; r += near) {
            const ptrdiff_t n = R - r < near ? R - r : near;
            const REAL *rows = (const REAL *)x + r * C + start;
            FN(column_sums)(n, count, times, C, rows, center);
            for (ptrdiff_t c = 0; c < count; c++)
                center[c] /= (double)n;
            FN(sum_deviations)(n, count, times, C, rows, center, squares);
            FN(merge_moments)(count, r, n, center, squares, moments + start, moments + C + start);
        }
    }
}

static void FN(fnn_join_moments)(ptrdiff_t R, ptrdiff_t block, ptrdiff_t C, double *parts)
{
    for (ptrdiff_t r = block; r < R; r += block) {
        const double *part = parts + r / block * 2 * C;
        FN(merge_moments)(C, r, R - r < block ? R - r : block, part, part + C, parts, parts + C);
    }
}

static void FN(fnn_group_moments)(ptrdiff_t R, ptrdiff_t C, ptrdiff_t group, double *moments, fnn_real *mean,
                                  fnn_real *variance)
{
    REAL *middle = mean, *spread = variance;
    const double share = 1 / (double)R;
    for (ptrdiff_t start = 0; start < (group > 1 ? C : 0); start += group) {
        double *center = moments + start, *squares = moments + C + start, total = 0, sum = 0;
        for (ptrdiff_t c = 0; c < group; c++)
            total += center[c];
        total /= (double)group;
        for (ptrdiff_t c = 0; c < group; c++)
            sum += FMA_DOUBLE((double)R * (center[c] - total), center[c] - total, squares[c]);
        for (ptrdiff_t c = 0; c < group; c++) {
            center[c] = total;
            squares[c] = sum / (double)group;
        }
    }
    EACH(c, C) {
        middle[c] = (REAL)moments[c];
        spread[c] = (REAL)(moments[C + c] * share);
    }
}

static void FN(fnn_inverse_deviations)(ptrdiff_t C, double epsilon, const fnn_real *variance, fnn_real *inverse)
{
    const REAL *spread = variance;
    REAL *out = inverse;
    EACH(c, C)
        out[c] = (REAL)(1 / __builtin_sqrt((double)spread[c] + epsilon));
}

/* ---- maps ---- */

/* An affine map of ``count`` columns for ``times`` rows as one. */
typedef struct FN(wide_map) {
    REAL center[FNN_BLOCK], gain[FNN_BLOCK], shift[FNN_BLOCK];
} FN(wide_map);

static inline void FN(widen)(const fnn_columns *map, ptrdiff_t start, ptrdiff_t count, ptrdiff_t times, FN(wide_map) *out)
{
    const REAL *center = map->center, *gain = map->gain, *shift = map->shift;
    FN(repeat)(count, times, center ? center + start : NULL, 0, out->center);
    FN(repeat)(count, times, gain ? gain + start : NULL, 1, out->gain);
    FN(repeat)(count, times, shift ? shift + start : NULL, 0, out->shift);
}

FNN_ELEMENT REAL FN(map_value)(int activation, REAL alpha, REAL x, REAL center, REAL gain, REAL shift)
{
    const REAL z = FMA(x - center, gain, shift);
    if (activation == FNN_RELU)
        return FN(relu_value)(z, alpha);
    return activation == FNN_LEAKY_RELU ? FN(leaky_relu_value)(z, alpha) : z;
}

/* The gradient before the activation, of which the value is computed anew: it need not be kept. */
FNN_ELEMENT REAL FN(map_slope)(int activation, REAL alpha, REAL x, REAL center, REAL gain, REAL shift, REAL dy)
{
    if (activation == FNN_IDENTITY)
        return dy;
    const REAL y = FN(map_value)(activation, alpha, x, center, gain, shift);
    return dy * (activation == FNN_RELU ? FN(relu_slope)(y, alpha) : FN(leaky_relu_slope)(y, alpha));
}

#define FNN_EACH_ACTIVATION(map, DO) \
    switch ((map)->activation) { \
    case FNN_RELU: \
        DO(FNN_RELU) \
        break; \
    case FNN_LEAKY_RELU: \
        DO(FNN_LEAKY_RELU) \
        break; \
    default: \
        DO(FNN_IDENTITY) \
    }

FNN_ELEMENT void FN(map_rows)(int activation, ptrdiff_t width, REAL alpha, const FN(wide_map) *w, const REAL *x, REAL *y)
{
    EACH(k, width)
        y[k] = FN(map_value)(activation, alpha, x[k], w->center[k], w->gain[k], w->shift[k]);
}

static void FN(fnn_map_columns)(const fnn_columns *map, ptrdiff_t R, const fnn_real *x, fnn_real *y)
{
    const ptrdiff_t C = map->columns, times = FN(rows_in_one)(R, C);
    const REAL alpha = (REAL)map->alpha;
    FN(wide_map) w;
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        FN(widen)(map, start, count, times, &w);
        for (ptrdiff_t r = 0; r < R; r += times) {
            const ptrdiff_t width = (R - r < times ? R - r : times) * count;
            const REAL *in = (const REAL *)x + r * C + start;
            REAL *out = (REAL *)y + r * C + start;
#define FNN_DO(activation) FN(map_rows)(activation, width, alpha, &w, in, out);
            FNN_EACH_ACTIVATION(map, FNN_DO)
#undef FNN_DO
        }
    }
}

FNN_ELEMENT void FN(add_slopes_of_rows)(int activation, ptrdiff_t width, REAL alpha, const FN(wide_map) *w, const REAL *x,
                                        const REAL *dy, double *flat, double *slope)
{
    EACH(k, width) {
        const double dz = (double)FN(map_slope)(activation, alpha, x[k], w->center[k], w->gain[k], w->shift[k], dy[k]);
        flat[k] += dz;
        slope[k] = FMA_DOUBLE(dz, (double)(x[k] - w->center[k]), slope[k]);
    }
}

static void FN(fnn_column_slopes)(const fnn_columns *map, ptrdiff_t R, const fnn_real *x, const fnn_real *dy, double *sums)
{
    const ptrdiff_t C = map->columns, times = FN(rows_in_one)(R, C);
    const REAL alpha = (REAL)map->alpha;
    FN(wide_map) w;
    double flat[FNN_BLOCK], slope[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        FN(widen)(map, start, count, times, &w);
        memset(flat, 0, sizeof flat);
        memset(slope, 0, sizeof slope);
        for (ptrdiff_t r = 0; r < R; r += times) {
            const ptrdiff_t width = (R - r < times ? R - r : times) * count;
            const REAL *in = (const REAL *)x + r * C + start, *gradient = (const REAL *)dy + r * C + start;
#define FNN_DO(activation) FN(add_slopes_of_rows)(activation, width, alpha, &w, in, gradient, flat, slope);
            FNN_EACH_ACTIVATION(map, FNN_DO)
#undef FNN_DO
        }
        FN(fold)(count, times, flat, sums + start);
        FN(fold)(count, times, slope, sums + C + start);
    }
}

static void FN(fnn_join_slopes)(ptrdiff_t parts, ptrdiff_t C, ptrdiff_t apart, double *sums)
{
    for (ptrdiff_t p = 1; p < parts; p++) {
        EACH(c, 2 * C)
            sums[c] += sums[p * apart + c];
    }
}

static void FN(fnn_norm_levels)(ptrdiff_t R, ptrdiff_t C, ptrdiff_t group, const fnn_real *gamma, const fnn_real *inverse,
                                const double *sums, fnn_real *level, fnn_real *tilt)
{
    const REAL *factor = gamma, *precision = inverse;
    const double share = 1 / (double)(R * group);
    REAL *constant = level, *linear = tilt;
    for (ptrdiff_t start = 0; start < C; start += group) {
        double flat = 0, slope = 0;
        for (ptrdiff_t c = start; c < start + group; c++) {
            flat = FMA_DOUBLE(factor ? (double)factor[c] : 1, sums[c], flat);
            slope = FMA_DOUBLE(factor ? (double)factor[c] : 1, sums[C + c], slope);
        }
        for (ptrdiff_t c = start; c < start + group; c++) {
            const double p = precision[c];
            constant[c] = (REAL)(flat * share * p);
            linear[c] = (REAL)(slope * share * p * p * p);
        }
    }
}

FNN_ELEMENT void FN(gradient_of_rows)(int activation, ptrdiff_t width, REAL alpha, const FN(wide_map) *w, const REAL *level,
                                      const REAL *tilt, const REAL *x, const REAL *dy, REAL *dx)
{
    EACH(k, width) {
        const REAL dz = FN(map_slope)(activation, alpha, x[k], w->center[k], w->gain[k], w->shift[k], dy[k]);
        dx[k] = FMA(w->center[k] - x[k], tilt[k], FMA(w->gain[k], dz, -level[k]));
    }
}

FNN_ELEMENT void FN(plain_gradient_of_rows)(int activation, ptrdiff_t width, REAL alpha, const FN(wide_map) *w,
                                            const REAL *x, const REAL *dy, REAL *dx)
{
    EACH(k, width)
        dx[k] = w->gain[k] * FN(map_slope)(activation, alpha, x[k], w->center[k], w->gain[k], w->shift[k], dy[k]);
}

static void FN(fnn_column_gradient)(const fnn_columns *map, ptrdiff_t R, const fnn_real *level, const fnn_real *tilt,
                                    const fnn_real *x, const fnn_real *dy, fnn_real *dx)
{
    const ptrdiff_t C = map->columns, times = FN(rows_in_one)(R, C);
    const REAL alpha = (REAL)map->alpha;
    FN(wide_map) w;
    REAL flat[FNN_BLOCK], slope[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
        const ptrdiff_t count = FNN_LEFT(start, C);
        FN(widen)(map, start, count, times, &w);
        if (level) {
            FN(repeat)(count, times, (const REAL *)level + start, 0, flat);
            FN(repeat)(count, times, (const REAL *)tilt + start, 0, slope);
        }
        for (ptrdiff_t r = 0; r < R; r += times) {
            const ptrdiff_t width = (R - r < times ? R - r : times) * count;
            const REAL *in = (const REAL *)x + r * C + start, *gradient = (const REAL *)dy + r * C + start;
            REAL *out = (REAL *)dx + r * C + start;
#define FNN_DO(activation) \
    if (level) \
        FN(gradient_of_rows)(activation, width, alpha, &w, flat, slope, in, gradient, out); \
    else \
        FN(plain_gradient_of_rows)(activation, width, alpha, &w, in, gradient, out);
            FNN_EACH_ACTIVATION(map, FNN_DO)
#undef FNN_DO
        }
    }
}

static void FN(fnn_scale_slopes)(ptrdiff_t C, const fnn_real *inverse, double *sums)
{
    const REAL *precision = inverse;
    EACH(c, C)
        sums[C + c] *= (double)precision[c];
}

/* out += scale * sum, unless out is NULL. */
FNN_SHARED void FN(add_column_sums)(ptrdiff_t count, double scale, const double *sum, REAL *out)
{
    if (!out)
        return;
    EACH(c, count)
        out[c] = FMA((REAL)scale, (REAL)sum[c], out[c]);
}

static void FN(fnn_add_slopes)(ptrdiff_t C, double scale, const double *sums, fnn_real *dgamma, fnn_real *dbeta)
{
    FN(add_column_sums)(C, scale, sums + C, dgamma);
    FN(add_column_sums)(C, scale, sums, dbeta);
}

/* ---- pixels: rows that are divided by their root mean square ---- */

static void FN(fnn_pixel_norm_forward)(ptrdiff_t R, ptrdiff_t C, double epsilon, const fnn_real *x, fnn_real *y,
                                       fnn_real *inverse)
{
    for (ptrdiff_t r = 0; r < R; r++) {
        const REAL *in = (const REAL *)x + r * C;
        REAL *out = (REAL *)y + r * C;
        const REAL factor = (REAL)(1 / __builtin_sqrt(FN(dot)(C, in, in) / (double)C + epsilon));
        EACH(c, C)
            out[c] = in[c] * factor;
        if (inverse)
            ((REAL *)inverse)[r] = factor;
    }
}

static void FN(fnn_pixel_norm_backward)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x, const fnn_real *inverse,
                                        const fnn_real *dy, fnn_real *dx)
{
    for (ptrdiff_t r = 0; r < R; r++) {
        const REAL *in = (const REAL *)x + r * C, *gradient = (const REAL *)dy + r * C;
        const REAL factor = ((const REAL *)inverse)[r];
        const double p = factor;
        const REAL tilt = (REAL)(FN(dot)(C, in, gradient) / (double)C * p * p * p);
        REAL *out = (REAL *)dx + r * C;
        EACH(c, C)
            out[c] = FMA(-in[c], tilt, factor * gradient[c]);
    }
}
