/* Dropout.  Element n of the stream is kept if word n % 4 of block n / 4 lies below keep * 2^32. */

static void FN(fnn_dropout_forward)(ptrdiff_t N, const fnn_random *random, uint64_t first, double keep, double scale,
                                    const fnn_real *x, fnn_real *y, uint8_t *mask)
{
    /* keep = 1 is a threshold of 2^32, which does not fit: compare with the last number kept. */
    const uint32_t last = (uint32_t)((uint64_t)ceil(keep * 4294967296.0) - 1);
    const int none = keep <= 0;
    const REAL factor = (REAL)scale;
    uint32_t number[FNN_SPAN];
    ptrdiff_t n = 0;
    while (n < N) {
        const ptrdiff_t skip = (ptrdiff_t)((first + (uint64_t)n) % FNN_SPAN);
        const ptrdiff_t count = N - n < FNN_SPAN - skip ? N - n : FNN_SPAN - skip;
        const REAL *in = (const REAL *)x + n;
        REAL *out = (REAL *)y + n;
        uint8_t *kept = mask + n;
        fnn_philox_span(random, (first + (uint64_t)(n - skip)) / 4, number);
        EACH(k, count) {
            const int keeps = number[skip + k] <= last && !none;
            kept[k] = (uint8_t)keeps;
            out[k] = (keeps ? factor : 0) * in[k];
        }
        n += count;
    }
}

static void FN(fnn_dropout_backward)(ptrdiff_t N, double scale, const uint8_t *mask, const fnn_real *dy, fnn_real *dx)
{
    const REAL factor = (REAL)scale;
    const REAL *in = dy;
    REAL *out = dx;
    EACH(n, N)
        out[n] = (mask[n] ? factor : 0) * in[n];
}

static void FN(fnn_add_masked)(ptrdiff_t N, double scale, const uint8_t *mask, const fnn_real *x, fnn_real *y)
{
    const REAL factor = (REAL)scale;
    const REAL *in = x;
    REAL *out = y;
    EACH(n, N)
        out[n] = FMA(mask[n] ? factor : 0, in[n], out[n]);
}
