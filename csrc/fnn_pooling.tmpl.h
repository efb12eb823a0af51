/* Pooling: channels lie side by side, so a loop over them is vector code. */

/* The part of window (oh, ow) that lies in the image: rows *h .. *h_end, columns *w .. *w_end of x. */
static void FN(pool_window)(const fnn_pool_shape *s, ptrdiff_t oh, ptrdiff_t ow, ptrdiff_t *h, ptrdiff_t *h_end, ptrdiff_t *w,
                            ptrdiff_t *w_end)
{
    *h = oh * s->row_step - s->top;
    *w = ow * s->column_step - s->left;
    *h_end = *h + s->rows < s->height ? *h + s->rows : s->height;
    *w_end = *w + s->columns < s->width ? *w + s->columns : s->width;
    *h = *h > 0 ? *h : 0;
    *w = *w > 0 ? *w : 0;
}

static void FN(fnn_max_pool_forward)(const fnn_pool_shape *s, ptrdiff_t first, ptrdiff_t last, const fnn_real *x_,
                                     fnn_real *y_)
{
    const REAL *x = x_;
    const ptrdiff_t C = s->channels;
    for (ptrdiff_t oh = first; oh < last; oh++)
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++) {
            ptrdiff_t h, h_end, w, w_end;
            REAL *y = (REAL *)y_ + (oh * s->out_width + ow) * C;
            FN(pool_window)(s, oh, ow, &h, &h_end, &w, &w_end);
            memcpy(y, x + (h * s->width + w) * C, (size_t)C * sizeof(REAL));
            for (ptrdiff_t i = h; i < h_end; i++)
                for (ptrdiff_t j = w; j < w_end; j++) {
                    const REAL *in = x + (i * s->width + j) * C;
                    EACH(c, C)
                        y[c] = y[c] >= in[c] || y[c] != y[c] ? y[c] : in[c];
                }
        }
}

static void FN(fnn_max_pool_backward)(const fnn_pool_shape *s, const fnn_real *x_, const fnn_real *y_, const fnn_real *dy_,
                                      fnn_real *dx_)
{
    enum { CHANNELS = 64 }; /* that are looked at together: what is left of their gradient stays near */
    const ptrdiff_t C = s->channels;
    for (ptrdiff_t oh = 0; oh < s->out_height; oh++)
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++) {
            ptrdiff_t h, h_end, w, w_end;
            FN(pool_window)(s, oh, ow, &h, &h_end, &w, &w_end);
            for (ptrdiff_t from = 0; from < C; from += CHANNELS) {
                const ptrdiff_t count = C - from < CHANNELS ? C - from : CHANNELS;
                const REAL *y = (const REAL *)y_ + (oh * s->out_width + ow) * C + from;
                const REAL *dy = (const REAL *)dy_ + (oh * s->out_width + ow) * C + from;
                REAL left[CHANNELS];
                memcpy(left, dy, (size_t)count * sizeof(REAL));
                for (ptrdiff_t i = h; i < h_end; i++)
                    for (ptrdiff_t j = w; j < w_end; j++) {
                        const REAL *in = (const REAL *)x_ + (i * s->width + j) * C + from;
                        REAL *dx = (REAL *)dx_ + (i * s->width + j) * C + from;
                        EACH(c, count) {
                            const REAL taken = in[c] == y[c] ? left[c] : (REAL)0;
                            dx[c] += taken;
                            left[c] = in[c] == y[c] ? (REAL)0 : left[c];
                        }
                    }
            }
        }
}

/* What a window's sum is divided by. */
static REAL FN(pool_count)(const fnn_pool_shape *s, ptrdiff_t rows, ptrdiff_t columns)
{
    return (REAL)(s->counts_outside ? s->rows * s->columns : rows * columns);
}

static void FN(fnn_mean_pool_forward)(const fnn_pool_shape *s, ptrdiff_t first, ptrdiff_t last, const fnn_real *x_,
                                      fnn_real *y_)
{
    const REAL *x = x_;
    const ptrdiff_t C = s->channels;
    for (ptrdiff_t oh = first; oh < last; oh++)
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++) {
            ptrdiff_t h, h_end, w, w_end;
            REAL *y = (REAL *)y_ + (oh * s->out_width + ow) * C;
            FN(pool_window)(s, oh, ow, &h, &h_end, &w, &w_end);
            const REAL n = FN(pool_count)(s, h_end - h, w_end - w);
            memset(y, 0, (size_t)C * sizeof(REAL));
            for (ptrdiff_t i = h; i < h_end; i++)
                for (ptrdiff_t j = w; j < w_end; j++) {
                    const REAL *in = x + (i * s->width + j) * C;
                    EACH(c, C)
                        y[c] += in[c];
                }
            EACH(c, C)
                y[c] /= n;
        }
}

static void FN(fnn_mean_pool_backward)(const fnn_pool_shape *s, const fnn_real *dy_, fnn_real *dx_)
{
    const ptrdiff_t C = s->channels;
    for (ptrdiff_t oh = 0; oh < s->out_height; oh++)
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++) {
            ptrdiff_t h, h_end, w, w_end;
            const REAL *dy = (const REAL *)dy_ + (oh * s->out_width + ow) * C;
            FN(pool_window)(s, oh, ow, &h, &h_end, &w, &w_end);
            const REAL n = FN(pool_count)(s, h_end - h, w_end - w);
            for (ptrdiff_t i = h; i < h_end; i++)
                for (ptrdiff_t j = w; j < w_end; j++) {
                    REAL *dx = (REAL *)dx_ + (i * s->width + j) * C;
                    EACH(c, C)
                        dx[c] += dy[c] / n;
                }
        }
}
