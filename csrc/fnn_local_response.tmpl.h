/* Normalisation by the channels beside: each place c of a row by the squares of c - reach .. c + reach within the row.
 * The order of a sum depends on its place in the window alone, so the bits of an element depend on its row alone. */

/* sums_n = sum over the window of place start + n, n < count: of x, or of x^2. */
FNN_SHARED void FN(window_sums)(ptrdiff_t count, ptrdiff_t start, ptrdiff_t C, ptrdiff_t reach, int squares, const REAL *x,
                                REAL *sums)
{
    memset(sums, 0, (size_t)count * sizeof *sums);
    for (ptrdiff_t d = -reach; d <= reach; d++) {
        const ptrdiff_t first = start + d < 0 ? -d : start, last = start + count + d > C ? C - d : start + count;
        const REAL *in = x + first + d;
        REAL *sum = sums + (first - start);
        if (squares) {
            EACH(n, last - first)
                sum[n] = FMA(in[n], in[n], sum[n]);
        } else {
            EACH(n, last - first)
                sum[n] += in[n];
        }
    }
}

/* f = s^-beta, s > 0.  Roots are correctly rounded; else exp(-beta log s), the log in double. */
FNN_SHARED void FN(negative_power)(ptrdiff_t count, double beta, const REAL *s, REAL *f)
{
    if (beta == 0.75) {
        EACH(n, count) {
            const REAL root = SQRT(s[n]);
            f[n] = 1 / (root * SQRT(root));
        }
    } else if (beta == 0.5) {
        EACH(n, count)
            f[n] = 1 / SQRT(s[n]);
    } else {
        EACH(n, count)
            f[n] = FN(exp)((REAL)(-beta * FN(log)((double)s[n])));
    }
}

/* s = k + alpha sum x^2, in place of the sums. */
FNN_ELEMENT void FN(local_scales)(ptrdiff_t count, const fnn_local_response *p, REAL *s)
{
    const REAL alpha = (REAL)p->alpha, k = (REAL)p->k;
    EACH(n, count)
        s[n] = FMA(alpha, s[n], k);
}

static void FN(fnn_local_response_forward)(const fnn_local_response *p, const fnn_real *x_, fnn_real *y_)
{
    const ptrdiff_t C = p->columns, reach = p->reach < C - 1 ? p->reach : C - 1;
    REAL s[FNN_BLOCK], f[FNN_BLOCK];
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
            const ptrdiff_t count = FNN_LEFT(start, C);
            const REAL *row = (const REAL *)x_ + r * C, *x = row + start;
            REAL *y = (REAL *)y_ + r * C + start;
            FN(window_sums)(count, start, C, reach, 1, row, s);
            FN(local_scales)(count, p, s);
            FN(negative_power)(count, p->beta, s, f);
            EACH(n, count)
                y[n] = x[n] * f[n];
        }
}

static void FN(fnn_local_response_backward)(const fnn_local_response *p, const fnn_real *x_, const fnn_real *dy_,
                                            fnn_real *work, fnn_real *dx_)
{
    const ptrdiff_t C = p->columns, reach = p->reach < C - 1 ? p->reach : C - 1;
    const REAL factor = (REAL)(-2 * p->beta * p->alpha);
    REAL s[FNN_BLOCK], f[FNN_BLOCK];
    REAL *share = work; /* dy_c x_c s_c^(-beta - 1): what each place of the window of c gets, times its x */
    for (ptrdiff_t r = 0; r < p->rows; r++) {
        const REAL *row = (const REAL *)x_ + r * C;
        for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
            const ptrdiff_t count = FNN_LEFT(start, C);
            const REAL *x = row + start, *dy = (const REAL *)dy_ + r * C + start;
            REAL *dx = (REAL *)dx_ + r * C + start, *t = share + start;
            FN(window_sums)(count, start, C, reach, 1, row, s);
            FN(local_scales)(count, p, s);
            FN(negative_power)(count, p->beta, s, f);
            EACH(n, count) {
                dx[n] = dy[n] * f[n];
                t[n] = dx[n] * x[n] / s[n];
            }
        }
        for (ptrdiff_t start = 0; start < C; start += FNN_BLOCK) {
            const ptrdiff_t count = FNN_LEFT(start, C);
            const REAL *x = row + start;
            REAL *dx = (REAL *)dx_ + r * C + start;
            FN(window_sums)(count, start, C, reach, 0, share, s);
            EACH(n, count)
                dx[n] = FMA(factor * x[n], s[n], dx[n]);
        }
    }
}
