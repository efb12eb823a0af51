/* Backward pooling by vectors of POOL_WIDTH lanes, included by fnn_pooling.tmpl.h for each width: where channels are few, a
 * vector that reaches far into its neighbours costs more than it brings.
 *
 * A gradient goes to pixels channel by channel; what a vector stores beyond its channels is stored again when their turn
 * comes, and is cut off at the end of a row. */

typedef REAL POOL(vector) __attribute__((vector_size(POOL_WIDTH * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef UNSIGNED POOL(lanes) __attribute__((vector_size(POOL_WIDTH * sizeof(REAL))));

/* count lanes from p on, and beyond where there is memory up to ``end``; inside: there is. */
FNN_ELEMENT POOL(vector) POOL(take)(const int inside, const REAL *p, const REAL *end, ptrdiff_t count)
{
    if (inside || p + POOL_WIDTH <= end)
        return *(const POOL(vector) *)p;
    POOL(vector) lanes = {0};
    memcpy(&lanes, p, (size_t)count * sizeof(REAL));
    return lanes;
}

/* Store count lanes, and beyond likewise. */
FNN_ELEMENT void POOL(give)(const int inside, REAL *p, const REAL *end, POOL(vector) value, ptrdiff_t count)
{
    if (inside || p + POOL_WIDTH <= end)
        *(POOL(vector) *)p = value;
    else
        POOL_STORE_FIRST(p, value, count);
}

/* apart: windows share no pixel, and dx is stored, not added to; inside: whole vectors end where the rows of images do.
 * count channels from c on (``real``: those lanes) of the output at element y, whose window is rows x columns pixels from
 * pixel (h, w) on. */
FNN_ELEMENT void POOL(window)(const FN(pool) *q, const int what, const int apart, const int inside, ptrdiff_t h, ptrdiff_t w,
                              ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t y, ptrdiff_t c, ptrdiff_t count,
                              POOL(lanes) real)
{
    const fnn_pool_shape *s = q->s;
    const ptrdiff_t C = s->channels, row = s->width * C, at = h * row + w * C + c;
    const REAL *const x_end = q->x + s->height * row, *const y_end = q->y + s->out_height * s->out_width * C;
    POOL(vector) left = POOL(take)(inside, q->dy + y, q->dy + (y_end - q->y), count), largest;
    left = (POOL(vector))((POOL(lanes))left & real);
    if (what == FN(MAX_POOL_BACK))
        largest = POOL(take)(inside, q->y + y, y_end, count);
    else
        largest = left / (REAL)(s->counts_outside ? s->rows * s->columns : rows * columns);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) {
            const ptrdiff_t pixel = at + i * row + j * C;
            const REAL *const row_end = C > POOL_WIDTH ? q->out + pixel + count : q->out + (h + i + 1) * row;
            POOL(vector) taken = largest;
            if (what == FN(MAX_POOL_BACK)) {
                const POOL(vector) seen = POOL(take)(inside, q->x + pixel, x_end, count);
                const POOL(lanes) here = (POOL(lanes))(seen == largest);
                taken = (POOL(vector))((POOL(lanes))left & here);
                left = (POOL(vector))((POOL(lanes))left & ~here);
            }
            if (!apart)
                taken += POOL(take)(inside, q->out + pixel, row_end, count);
            POOL(give)(inside, q->out + pixel, row_end, taken, count);
        }
}

FNN_ELEMENT void POOL(backward)(const FN(pool) *q, const int what, const int apart)
{
    const fnn_pool_shape *s = q->s;
    const ptrdiff_t C = s->channels;
    UNSIGNED tail[POOL_WIDTH];
    POOL(lanes) every, last_lanes;
    for (ptrdiff_t c = 0; c < POOL_WIDTH; c++)
        tail[c] = c < (C - 1) % POOL_WIDTH + 1 ? ~(UNSIGNED)0 : 0;
    memcpy(&last_lanes, tail, sizeof tail);
    every = ~(last_lanes ^ last_lanes);
    for (ptrdiff_t oh = 0; oh < s->out_height; oh++) {
        ptrdiff_t h = oh * s->row_step - s->top;
        const ptrdiff_t h_end = h + s->rows < s->height ? h + s->rows : s->height;
        h = h > 0 ? h : 0;
        for (ptrdiff_t ow = 0; ow < s->out_width; ow++) {
            ptrdiff_t w = ow * s->column_step - s->left;
            const ptrdiff_t w_end = w + s->columns < s->width ? w + s->columns : s->width;
            w = w > 0 ? w : 0;
            const ptrdiff_t rows = h_end - h, columns = w_end - w, y = (oh * s->out_width + ow) * C;
            for (ptrdiff_t c = 0; c < C; c += POOL_WIDTH) {
                const ptrdiff_t count = C - c < POOL_WIDTH ? C - c : POOL_WIDTH;
                const POOL(lanes) real = c + POOL_WIDTH < C ? every : last_lanes;
                const int inside = count == POOL_WIDTH || (C < POOL_WIDTH && (w + 1) * C + POOL_WIDTH <= s->width * C &&
                                                           ow * C + POOL_WIDTH <= s->out_width * C);
                if (inside && rows == 2 && columns == 2)
                    POOL(window)(q, what, apart, 1, h, w, 2, 2, y + c, c, count, real);
                else
                    POOL(window)(q, what, apart, 0, h, w, rows, columns, y + c, c, count, real);
            }
        }
    }
}
