/* One distribution per row: softmax, and the log of what it divides by. */

FNN_ELEMENT void FN(softmax_row)(ptrdiff_t O, const REAL *z, REAL *a)
{
    const REAL inverse = (REAL)(1 / FN(exp_sum)(O, z, FN(largest)(O, z), a));
    EACH(o, O)
        a[o] *= inverse;
}

static void FN(softmax_bundle)(ptrdiff_t O, ptrdiff_t count, const REAL *z, REAL *a)
{
    const ptrdiff_t R = FN(whole_vectors)(count);
    REAL x[FN(BUNDLE)], m[FN(ROWS)], inverse[FN(ROWS)];
    double sum[FN(ROWS)];
    FN(load_rows)(O, count, z, x);
    FN(largest_of_rows)(O, R, x, m);
    FN(exp_of_rows)(O, R, m, x);
    FN(sum_of_rows)(O, R, x, sum);
    EACH(l, R)
        inverse[l] = (REAL)(1 / sum[l]);
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R)
            OF_ROWS(x + o * R + l) *= OF_ROWS(inverse + l);
    FN(store_rows)(O, count, x, a);
}

static void FN(fnn_softmax_forward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *a)
{
    const REAL *in = z;
    REAL *out = a;
    ptrdiff_t b = 0;
    for (ptrdiff_t count; (count = FN(bundle_of)(O, B - b)) > 0; b += count)
        FN(softmax_bundle)(O, count, in + b * O, out + b * O);
    for (; b < B; b++)
        FN(softmax_row)(O, in + b * O, out + b * O);
}

FNN_ELEMENT void FN(softmax_row_backward)(ptrdiff_t O, const REAL *a, const REAL *da, REAL *dz)
{
    const REAL mean = (REAL)FN(dot)(O, a, da);
    EACH(o, O)
        dz[o] = a[o] * (da[o] - mean);
}

static void FN(softmax_bundle_backward)(ptrdiff_t O, ptrdiff_t count, const REAL *a, const REAL *da, REAL *dz)
{
    const ptrdiff_t R = FN(whole_vectors)(count);
    REAL x[FN(BUNDLE)], dx[FN(BUNDLE)], mean[FN(ROWS)];
    double sum[FN(ROWS)];
    FN(load_rows)(O, count, a, x);
    FN(load_rows)(O, count, da, dx);
    FN(sum_rows)(O, R, x, dx, sum);
    EACH(l, R)
        mean[l] = (REAL)sum[l];
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R) {
            FN(vector) *out = &OF_ROWS(dx + o * R + l);
            *out = OF_ROWS(x + o * R + l) * (*out - OF_ROWS(mean + l));
        }
    FN(store_rows)(O, count, dx, dz);
}

static void FN(fnn_softmax_backward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *a, const fnn_real *da, fnn_real *dz)
{
    const REAL *row = a, *gradient = da;
    REAL *out = dz;
    ptrdiff_t b = 0;
    for (ptrdiff_t count; (count = FN(bundle_of)(O, B - b)) > 0; b += count)
        FN(softmax_bundle_backward)(O, count, row + b * O, gradient + b * O, out + b * O);
    for (; b < B; b++)
        FN(softmax_row_backward)(O, row + b * O, gradient + b * O, out + b * O);
}

/* inf - inf would hide a row's own inf. */
FNN_ELEMENT REAL FN(finite_or_0)(REAL x)
{
    return FABS(x) <= FN(MAXIMUM) ? x : 0;
}

static void FN(log_sum_exp_bundle)(ptrdiff_t O, ptrdiff_t count, const REAL *z, REAL *out)
{
    const ptrdiff_t R = FN(whole_vectors)(count);
    REAL x[FN(BUNDLE)], m[FN(ROWS)];
    double sum[FN(ROWS)], value[FN(ROWS)];
    FN(load_rows)(O, count, z, x);
    FN(largest_of_rows)(O, R, x, m);
    EACH(l, R) {
        m[l] = FN(finite_or_0)(m[l]);
        value[l] = (double)m[l];
    }
    FN(exp_of_rows)(O, R, m, x);
    FN(sum_of_rows)(O, R, x, sum);
    FN(add_logs)(R, sum, value);
    EACH(l, count)
        out[l] = (REAL)value[l];
}

static void FN(fnn_log_sum_exp)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *out)
{
    const REAL *in = z;
    REAL *log_sum = out;
    ptrdiff_t b = 0;
    for (ptrdiff_t count; (count = FN(bundle_of)(O, B - b)) > 0; b += count)
        FN(log_sum_exp_bundle)(O, count, in + b * O, log_sum + b);
    for (; b < B; b++) {
        const REAL m = FN(finite_or_0)(FN(largest)(O, in + b * O));
        log_sum[b] = (REAL)((double)m + FN(log)(FN(exp_sum)(O, in + b * O, m, NULL)));
    }
}

/* ---- log-softmax ---- */

static void FN(fnn_log_softmax_forward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *z, fnn_real *a)
{
    REAL log_sum[FNN_BLOCK];
    for (ptrdiff_t start = 0; start < B; start += FNN_BLOCK) {
        const ptrdiff_t count = B - start < FNN_BLOCK ? B - start : FNN_BLOCK;
        const REAL *in = (const REAL *)z + start * O;
        REAL *out = (REAL *)a + start * O;
        FN(fnn_log_sum_exp)(count, O, in, log_sum);
        for (ptrdiff_t b = 0; b < count; b++) {
            const REAL shift = log_sum[b];
            EACH(o, O)
                out[b * O + o] = in[b * O + o] - shift;
        }
    }
}

static void FN(fnn_log_softmax_backward)(ptrdiff_t B, ptrdiff_t O, const fnn_real *a, const fnn_real *da, fnn_real *dz)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        const REAL *row = (const REAL *)a + b * O, *gradient = (const REAL *)da + b * O;
        REAL *out = (REAL *)dz + b * O;
        double lane[FNN_LANES] = {0};
        FN(accumulate)(O, gradient, lane);
        const REAL sum = (REAL)FN(join)(lane);
        EACH(o, O)
            out[o] = FMA(-FN(exp)(row[o]), sum, gradient[o]);
    }
}
