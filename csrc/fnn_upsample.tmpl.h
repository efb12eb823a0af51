/* Images made larger by whole factors; channels lie side by side.  By the nearest pixel a block of outputs is a pixel; by
 * lines between pixels each output is made of four, at the places that its centre has among theirs. */

/* The two pixels around output o, and the share of the second: from (o + 1/2) / factor - 1/2, within 0 .. n - 1. */
static REAL FN(between)(ptrdiff_t o, ptrdiff_t factor, ptrdiff_t n, ptrdiff_t *low, ptrdiff_t *high)
{
    const ptrdiff_t twice = 2 * o + 1 - factor, at = twice > 0 ? twice / (2 * factor) : 0;
    *low = at;
    *high = at + 1 < n ? at + 1 : at;
    return twice > 0 ? (REAL)(twice - 2 * factor * at) / (REAL)(2 * factor) : 0;
}

static void FN(fnn_upsample_nearest_forward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *x_,
                                             fnn_real *y_)
{
    const ptrdiff_t C = u->channels, row = u->width * u->column_factor * C;
    for (ptrdiff_t i = first; i < last; i++) {
        const REAL *x = (const REAL *)x_ + i * u->width * C;
        REAL *y = (REAL *)y_ + i * u->row_factor * row;
        for (ptrdiff_t j = 0; j < u->width; j++)
            for (ptrdiff_t b = 0; b < u->column_factor; b++) {
                REAL *out = y + (j * u->column_factor + b) * C;
                EACH(c, C)
                    out[c] = x[j * C + c];
            }
        for (ptrdiff_t a = 1; a < u->row_factor; a++)
            memcpy(y + a * row, y, (size_t)row * sizeof(REAL));
    }
}

static void FN(fnn_upsample_nearest_backward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *dy_,
                                              fnn_real *dx_)
{
    const ptrdiff_t C = u->channels, row = u->width * u->column_factor * C;
    for (ptrdiff_t i = first; i < last; i++)
        for (ptrdiff_t j = 0; j < u->width; j++) {
            const REAL *dy = (const REAL *)dy_ + i * u->row_factor * row + j * u->column_factor * C;
            REAL *dx = (REAL *)dx_ + (i * u->width + j) * C;
            memcpy(dx, dy, (size_t)C * sizeof(REAL));
            for (ptrdiff_t k = 1; k < u->row_factor * u->column_factor; k++) {
                const REAL *in = dy + k / u->column_factor * row + k % u->column_factor * C;
                EACH(c, C)
                    dx[c] += in[c];
            }
        }
}

static void FN(fnn_upsample_bilinear_forward)(const fnn_upsample *u, ptrdiff_t first, ptrdiff_t last, const fnn_real *x_,
                                              fnn_real *y_)
{
    const ptrdiff_t C = u->channels, W = u->width, columns = W * u->column_factor;
    for (ptrdiff_t i = first; i < last; i++) {
        ptrdiff_t top, bottom, left, right;
        const REAL down = FN(between)(i, u->row_factor, u->height, &top, &bottom);
        for (ptrdiff_t j = 0; j < columns; j++) {
            const REAL across = FN(between)(j, u->column_factor, W, &left, &right);
            const REAL *x = x_, *a = x + (top * W + left) * C, *b = x + (top * W + right) * C;
            const REAL *c = x + (bottom * W + left) * C, *d = x + (bottom * W + right) * C;
            const REAL wa = (1 - down) * (1 - across), wb = (1 - down) * across;
            const REAL wc = down * (1 - across), wd = down * across;
            REAL *y = (REAL *)y_ + (i * columns + j) * C;
            EACH(n, C)
                y[n] = FMA(wd, d[n], FMA(wc, c[n], FMA(wb, b[n], wa * a[n])));
        }
    }
}

static void FN(fnn_upsample_bilinear_backward)(const fnn_upsample *u, const fnn_real *dy_, fnn_real *dx_)
{
    const ptrdiff_t C = u->channels, W = u->width, columns = W * u->column_factor;
    memset(dx_, 0, (size_t)(u->height * W * C) * sizeof(REAL));
    for (ptrdiff_t i = 0; i < u->height * u->row_factor; i++) {
        ptrdiff_t top, bottom, left, right;
        const REAL down = FN(between)(i, u->row_factor, u->height, &top, &bottom);
        for (ptrdiff_t j = 0; j < columns; j++) {
            const REAL across = FN(between)(j, u->column_factor, W, &left, &right);
            const ptrdiff_t place[] = {top * W + left, top * W + right, bottom * W + left, bottom * W + right};
            const REAL share[] = {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across};
            const REAL *dy = (const REAL *)dy_ + (i * columns + j) * C;
            for (int k = 0; k < 4; k++) { /* one after the other: at an edge two of them are one pixel */
                const REAL factor = share[k];
                REAL *dx = (REAL *)dx_ + place[k] * C;
                EACH(n, C)
                    dx[n] = FMA(factor, dy[n], dx[n]);
            }
        }
    }
}
