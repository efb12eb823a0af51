/* Windows of three rows or columns that overlap: sweeps over an image, which load a number once for all windows it is in.
 *
 * Forward, of few outputs, down the rows.  A tile of one vector of outputs loads a number for each multiply-add.  Windows of neighbouring rows overlap: a row of the
 * image is the first of one window, the second of the window above, and so on.  A sweep takes some pixels of a row and
 * holds sums for as many rows as a window has; each number of the image is loaded once for all of them.  With the next row
 * of the image the oldest sums are complete.
 * Weight gradients, along the rows.  A pixel of the image is the first of one window, the second of the one before, the third
 * of the one before that: sums for three neighbouring weights of some channels take it with the last three gradients.
 * Each sum is the chain that fnn_window.tmpl.h has. */

#if FNN_SWEEPS
#define VECTOR(p) (*(const FN(vector) *)(p))
enum {
    FN(SWEEP_RUNS) = 3,   /* of a window, */
    FN(SWEEP_PIXELS) = 8, /* and pixels, or channels: with weights and an element they fill the registers */
};

/* ---- forward ---- */

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

/* ---- weight gradients: of one run of the windows, the first ``channels`` of each of its three pixels ---- */

/* Products of a pixel of the image with the gradients low .. high - 1 of the last three. */
FNN_ELEMENT void FN(sweep_pixel)(const REAL *x, const int low, const int high, const int channels, const int vectors,
                                 FN(vector) sum[][FN(SWEEP_PIXELS)][2], const FN(vector) dy[][2])
{
    UNROLLED_EACH(8, c, channels) {
        const FN(vector) element = x[c] - (FN(vector)){0};
        UNROLLED(4)
        for (int j = low; j < high; j++)
            UNROLLED_EACH(2, v, vectors)
                ADD_PRODUCT(sum[j][c][v], element, dy[j][v]);
    }
}

/* The last three gradients, after one more. */
FNN_ELEMENT void FN(next_gradient)(const int vectors, const REAL *gradient, FN(vector) dy[][2])
{
    UNROLLED_EACH(2, v, vectors) {
        dy[2][v] = dy[1][v];
        dy[1][v] = dy[0][v];
        dy[0][v] = VECTOR(gradient + v * FN(WIDTH));
    }
}

/* Of outputs n .. ; weights of the second pixel lie ``apart`` rows behind those of the first. */
FNN_ELEMENT void FN(sweep_gradient)(const FN(window) *q, const int channels, const int vectors, const REAL *window, REAL *dw)
{
    enum { RUNS = FN(SWEEP_RUNS) };
    const fnn_windows *s = q->s;
    const ptrdiff_t columns = s->columns, apart = s->at[1] - s->at[0], dy_step = s->to[1] - s->to[0], w_row = s->w_row;
    FN(vector) sum[RUNS][FN(SWEEP_PIXELS)][2], dy[RUNS][2]; /* the newest gradient first */
    UNROLLED_EACH(4, j, RUNS)
        UNROLLED_EACH(8, c, channels)
            UNROLLED_EACH(2, v, vectors)
                sum[j][c][v] = (FN(vector)){0};
    for (ptrdiff_t first = 0; first < s->pixels; first += columns) {
        const REAL *x = window + s->at[first], *gradient = q->w + q->n + s->to[first];
        UNROLLED_EACH(4, p, RUNS - 1) {
            FN(next_gradient)(vectors, gradient + p * dy_step, dy);
            FN(sweep_pixel)(x + p * apart, 0, p + 1, channels, vectors, sum, dy);
        }
        for (ptrdiff_t p = RUNS - 1; p < columns; p++) {
            FN(next_gradient)(vectors, gradient + p * dy_step, dy);
            FN(sweep_pixel)(x + p * apart, 0, RUNS, channels, vectors, sum, dy);
        }
        UNROLLED(4)
        for (int p = 1; p < RUNS; p++) {
            FN(next_gradient)(vectors, gradient, dy); /* which nothing is multiplied with */
            FN(sweep_pixel)(x + (columns + p - 1) * apart, p, RUNS, channels, vectors, sum, dy);
        }
        fnn_fetch_lines(q->ahead, q->lines);
    }
    UNROLLED_EACH(4, j, RUNS)
        UNROLLED_EACH(8, c, channels)
            UNROLLED_EACH(2, v, vectors) {
                REAL *out = dw + (j * apart + c) * w_row + q->n + v * FN(WIDTH);
                FN(store)(out, q->end.scale * sum[j][c][v] + VECTOR(out), v == vectors - 1, q->count);
            }
}

/* Whether windows lie so, and fill most of their vectors: pixel p + 1 sees first what pixel p sees second. */
static int FN(sweeps_gradient)(const fnn_windows *s)
{
    const ptrdiff_t apart = s->columns < FN(SWEEP_RUNS) ? 0 : s->at[1] - s->at[0];
    const ptrdiff_t lanes = (s->outputs + FN(WIDTH) - 1) / FN(WIDTH) * FN(WIDTH);
    return apart && s->run == FN(SWEEP_RUNS) * apart && apart % FN(SWEEP_PIXELS) == 0 && 4 * lanes <= 5 * s->outputs;
}

/* Rows m .. M of the weights in the order in which they are made: some channels of three pixels, then the next channels. */
static void FN(run_gradient_sweeps)(FN(window) *q, ptrdiff_t m, ptrdiff_t M)
{
    enum { CHANNELS = FN(SWEEP_PIXELS), UNIT = FN(SWEEP_RUNS) * CHANNELS };
    const fnn_windows *s = q->s;
    const ptrdiff_t sweeps = (M - m) / UNIT * ((s->outputs + FN(WIDTH) - 1) / FN(WIDTH));
    q->lines = (q->ahead[0].bytes + q->ahead[1].bytes) / (64 * (s->pixels / s->columns * sweeps)) + 1; /* for each row */
    for (; m < M; m += UNIT) {
        const ptrdiff_t run = m / s->run, channel = m % s->run / UNIT * CHANNELS, N = s->outputs;
        const REAL *window = q->x + s->run_at[run] + channel;
        REAL *dw = q->y + (run * s->run + channel) * s->w_row;
        for (q->n = 0; q->n < N;) {
            const int two = N - q->n > FN(WIDTH);
            q->count = N - q->n - two * FN(WIDTH) < FN(WIDTH) ? N - q->n - two * FN(WIDTH) : FN(WIDTH);
            if (two) {
                FN(sweep_gradient)(q, CHANNELS / 2, 2, window, dw);
                FN(sweep_gradient)(q, CHANNELS / 2, 2, window + CHANNELS / 2, dw + CHANNELS / 2 * s->w_row);
            } else
                FN(sweep_gradient)(q, CHANNELS, 1, window, dw);
            q->n += (1 + two) * FN(WIDTH);
        }
    }
}

#undef VECTOR
#endif
