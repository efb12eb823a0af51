/* Forward products of few outputs whose windows lie one above the other: sweeps down the rows of an image.
 *
 * A tile of one vector of outputs loads a number for each multiply-add.  Windows of neighbouring rows overlap: a row of the
 * image is the first of one window, the second of the window above, and so on.  A sweep takes some pixels of a row and
 * holds sums for as many rows as a window has; each number of the image is loaded once for all of them.  With the next row
 * of the image the oldest sums are complete.  Each sum is the chain that fnn_window.tmpl.h has: run after run. */

#if FNN_SWEEPS
#define VECTOR(p) (*(const FN(vector) *)(p))
enum {
    FN(SWEEP_RUNS) = 3,   /* of a window, */
    FN(SWEEP_PIXELS) = 8, /* and pixels: with weights and an element they fill the registers */
};

/* Products of a row of the image with weights of runs low .. high - 1, added to the sums of the rows of pixels they are of. */
FNN_ELEMENT void FN(sweep_row)(const FN(window) *q, const int low, const int high, const int pixels, const REAL *x,
                               ptrdiff_t step, FN(vector) sum[][FN(SWEEP_PIXELS)])
{
    const ptrdiff_t length = q->s->run, w_row = q->s->w_row;
    const REAL *w[FN(SWEEP_RUNS)], *at[FN(SWEEP_PIXELS)];
    UNROLLED_EACH(4, j, high)
        w[j] = q->w + j * length * w_row;
    UNROLLED_EACH(8, p, pixels)
        at[p] = x + p * step;
    for (ptrdiff_t k = 0; k < length; k++) {
        FN(vector) row[FN(SWEEP_RUNS)];
        UNROLLED(4)
        for (int j = low; j < high; j++) {
            row[j] = VECTOR(w[j]);
            w[j] += w_row;
        }
        UNROLLED_EACH(8, p, pixels) {
            const FN(vector) element = at[p][k] - (FN(vector)){0};
            UNROLLED(4)
            for (int j = low; j < high; j++)
                ADD_PRODUCT(sum[j][p], element, row[j]);
        }
    }
}

/* ``pixels`` columns from ``column`` on, of all rows. */
FNN_ELEMENT void FN(sweep)(const FN(window) *q, const int pixels, ptrdiff_t column)
{
    enum { RUNS = FN(SWEEP_RUNS) };
    const fnn_windows *s = q->s;
    const ptrdiff_t columns = s->columns, rows = s->pixels / columns;
    const ptrdiff_t step = s->at[1] - s->at[0], below = s->at[columns] - s->at[0];
    const FN(vector) start = q->bias ? VECTOR(q->bias) : (FN(vector)){0};
    const REAL *x = q->x + s->at[column] + s->run_at[0];
    FN(vector) sum[RUNS][FN(SWEEP_PIXELS)]; /* of the newest row of pixels first */
    UNROLLED_EACH(4, j, RUNS)
        UNROLLED_EACH(8, p, pixels)
            sum[j][p] = start;
    for (ptrdiff_t row = 0; row < rows + RUNS - 1; row++, x += below) {
        if (row == 0)
            FN(sweep_row)(q, 0, 1, pixels, x, step, sum);
        else if (row == 1)
            FN(sweep_row)(q, 0, 2, pixels, x, step, sum);
        else if (row < rows)
            FN(sweep_row)(q, 0, 3, pixels, x, step, sum);
        else if (row == rows)
            FN(sweep_row)(q, 1, 3, pixels, x, step, sum);
        else
            FN(sweep_row)(q, 2, 3, pixels, x, step, sum);
        if (row >= RUNS - 1) {
            const int32_t *to = s->to + (row - RUNS + 1) * columns + column;
            UNROLLED_EACH(8, p, pixels)
                FN(store)(q->y + to[p], FN(activate)(&q->end, sum[RUNS - 1][p]), 1, q->count);
        }
        UNROLLED_EACH(8, p, pixels) {
            sum[2][p] = sum[1][p];
            sum[1][p] = sum[0][p];
            sum[0][p] = start;
        }
        fnn_fetch_lines(q->ahead, pixels * q->lines);
    }
}

/* Whether windows lie so: row r + 1 of the pixels sees first what row r sees second. */
static int FN(sweeps)(const fnn_windows *s)
{
    const ptrdiff_t columns = s->columns;
    return s->outputs <= FN(WIDTH) && s->runs == FN(SWEEP_RUNS) && columns >= FN(SWEEP_PIXELS) / 2 &&
           s->pixels >= columns * (FN(SWEEP_RUNS) - 1) && s->run_at[1] - s->run_at[0] == s->at[columns] - s->at[0] &&
           s->run_at[2] - s->run_at[1] == s->at[columns] - s->at[0];
}

/* All pixels; the last of a row may be some that were done before. */
static void FN(run_sweeps)(FN(window) *q)
{
    const ptrdiff_t columns = q->s->columns;
    q->count = q->s->outputs;
    q->lines = q->s->ahead->bytes / (64 * q->s->pixels) + 1;
    for (ptrdiff_t column = 0, left; (left = columns - column) > 0;) {
        if (left > 4 && columns >= 8) {
            FN(sweep)(q, 8, left < 8 ? columns - 8 : column);
            column += 8;
        } else {
            FN(sweep)(q, 4, left < 4 ? columns - 4 : column);
            column += 4;
        }
    }
}

#undef VECTOR
#endif
