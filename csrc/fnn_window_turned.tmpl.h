/* Convolutions the other way round: the lanes of a tile are not outputs, of which there may be few.
 *
 * Weight gradients have elements of windows in the lanes, forward products of one channel have pixels that are neighbours;
 * the rows are outputs.  Outputs that do not fill a vector would leave lanes of it empty, and one vector of them is one
 * multiply-add for each number that is loaded.  Each sum is the chain that fnn_window.tmpl.h has, so which way it goes is
 * no matter of bits. */

#define VECTOR(p) (*(const FN(vector) *)(p))

/* A vector of the array that windows are of: where it lies, which row of the result its lane 0 is, and which lanes are
 * wanted.  The last of a row of neighbours lies back over the one before it: there is nothing to be read behind them. */
typedef struct FN(window_lanes) {
    ptrdiff_t at, row, first, last;
} FN(window_lanes);

/* Add to sums of rows outputs from o on, rows FNN_TILE_VECTORS vectors apart. */
FNN_ELEMENT void FN(turned_tile)(const FN(window) *q, const FN(window_lanes) *lanes, const int rows, const int vectors,
                                 ptrdiff_t o, REAL *sums)
{
    FN(vector) sum[FN(WINDOW_ROWS)][FNN_TILE_VECTORS];
    const REAL *x[FNN_TILE_VECTORS];
    const REAL *w = q->w + o;
    const int32_t *at = q->s->at, *to = q->s->to;
    const ptrdiff_t pixels = q->s->pixels;
    UNROLLED_EACH(8, v, vectors)
        x[v] = q->x + lanes[v].at;
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            sum[r][v] = VECTOR(sums + r * FN(PANEL) + v * FN(WIDTH));
    EACH_PIXEL(q, p, pixels) {
        FN(vector) window[FNN_TILE_VECTORS];
        const REAL *factor = w + to[p];
        const ptrdiff_t k = at[p];
        UNROLLED_EACH(8, v, vectors)
            window[v] = VECTOR(x[v] + k);
        UNROLLED_EACH(8, r, rows) {
            const FN(vector) element = factor[r] - (FN(vector)){0};
            UNROLLED_EACH(8, v, vectors)
                ADD_PRODUCT(sum[r][v], element, window[v]);
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            *(FN(vector) *)(sums + r * FN(PANEL) + v * FN(WIDTH)) = sum[r][v];
}

typedef void (*FN(turned_tiles))(const FN(window) *q, const FN(window_lanes) *lanes, ptrdiff_t o, REAL *sums);
#define FNN_TILE(rows, vectors)                                                                                        \
    static void FN(turned_##rows##_##vectors)(const FN(window) *q, const FN(window_lanes) *lanes, ptrdiff_t o,         \
                                              REAL *sums)                                                              \
    {                                                                                                                  \
        FN(turned_tile)(q, lanes, rows, vectors, o, sums);                                                             \
    }
#define FNN_TILE_ENTRY(rows, vectors) [vectors][rows] = FN(turned_##rows##_##vectors),
FNN_WINDOW_TILES(FNN_TILE)
static const FN(turned_tiles) FN(TURNED_TILES)[FNN_TILE_VECTORS + 1][FN(WINDOW_ROWS) + 1] = {
    FNN_WINDOW_TILES(FNN_TILE_ENTRY)};
#undef FNN_TILE
#undef FNN_TILE_ENTRY

/* dw += scale * sums of rows outputs from o on, for the elements of one vector. */
static void FN(add_turned)(const FN(window) *q, const FN(window_lanes) *lanes, ptrdiff_t rows, ptrdiff_t o, const REAL *sums)
{
    typedef REAL piece __attribute__((vector_size(16), aligned(sizeof(REAL)), may_alias));
    const REAL scale = q->end.scale;
    const ptrdiff_t w_row = q->s->w_row;
    REAL *dw = q->y + lanes->row * w_row + o;
    ptrdiff_t r = 0;
    for (; r + FN(QUAD) <= rows; r += FN(QUAD)) {
        fnn_vector_64 x[FN(QUAD)];
        FN(vector) t[FN(QUAD)];
        UNROLLED_EACH(4, j, FN(QUAD))
            x[j] = (fnn_vector_64)VECTOR(sums + (r + j) * FN(PANEL));
        FN(turn_pieces)(x, t);
        for (ptrdiff_t lane = lanes->first; lane < lanes->last; lane++) {
            piece *out = (piece *)(dw + lane * w_row + r);
            *out = scale * ((const piece *)&t[lane % FN(QUAD)])[lane / FN(QUAD)] + *out;
        }
    }
    for (; r < rows; r++)
        for (ptrdiff_t lane = lanes->first; lane < lanes->last; lane++)
            dw[lane * w_row + r] = FMA(scale, sums[r * FN(PANEL) + lane], dw[lane * w_row + r]);
}

/* The next vectors of weights *m .. M, as many as a tile has at most. */
static ptrdiff_t FN(take_lanes)(const fnn_windows *s, ptrdiff_t *m, ptrdiff_t M, FN(window_lanes) *lanes)
{
    ptrdiff_t v = 0;
    for (; v < FNN_TILE_VECTORS && *m < M; v++) {
        const ptrdiff_t k = *m % s->run, start = k + FN(WIDTH) <= s->run ? k : s->run - FN(WIDTH), weight = *m - k + start;
        const ptrdiff_t last = M - weight < FN(WIDTH) ? M - weight : FN(WIDTH);
        lanes[v] = (FN(window_lanes)){s->run_at[*m / s->run] + start, weight, k - start, last};
        *m = weight + last;
    }
    return v;
}

/* Gradients of weights m .. M. */
static void FN(run_turned)(const FN(window) *q, ptrdiff_t m, ptrdiff_t M)
{
    while (m < M) {
        FN(window_lanes) lanes[FNN_TILE_VECTORS];
        const ptrdiff_t vectors = FN(take_lanes)(q->s, &m, M, lanes);
        for (ptrdiff_t o = 0; o < q->s->outputs;) {
            REAL sums[FN(WINDOW_ROWS) * FN(PANEL)] __attribute__((aligned(64)));
            ptrdiff_t count;
            const ptrdiff_t rows = FN(window_rows)(FN(WINDOW_TILES)[1][vectors], q->s->outputs - o, &count);
            for (; count > 0; count--, o += rows) {
                memset(sums, 0, sizeof sums);
                FN(TURNED_TILES)[vectors][rows](q, lanes, o, sums);
                for (ptrdiff_t v = 0; v < vectors; v++)
                    FN(add_turned)(q, lanes + v, rows, o, sums + v * FN(WIDTH));
            }
        }
    }
}

/* Whether that takes less time: fewer multiply-adds of vectors, or as many where outputs are few; a tile of one vector of
 * outputs waits for its loads. */
static int FN(turns)(const fnn_windows *s)
{
    const ptrdiff_t turned = s->outputs * s->runs * ((s->run + FN(WIDTH) - 1) / FN(WIDTH));
    const ptrdiff_t straight = (s->outputs + FN(WIDTH) - 1) / FN(WIDTH) * s->runs * s->run;
    if (s->run < FN(WIDTH))
        return 0;
    if (s->outputs <= FN(WIDTH))
        return 8 * turned <= 9 * straight;
    return s->outputs <= FNN_TURNED ? turned <= straight : turned < straight;
}

static void FN(fnn_window_gradient)(const fnn_windows *s, ptrdiff_t first, ptrdiff_t last, double scale, const fnn_real *x,
                                    const fnn_real *dy, fnn_real *dw)
{
    fnn_stretch ahead[2] = {s->ahead[0], s->ahead[1]};
    FN(window) q = {.s = s, .x = x, .w = dy, .y = dw, .end = {.scale = (REAL)scale}, .ahead = ahead};
#if FNN_FLAT
    FN(flat) flat;
    if (FN(is_flat)(s, &flat)) {
        FN(run_flat)(&q, &flat, first, last);
        return;
    }
#endif
#if FNN_SWEEPS
    if (FN(sweeps_gradient)(s)) {
        FN(run_gradient_sweeps)(&q, first, last);
        return;
    }
#endif
    if (FN(turns)(s))
        FN(run_turned)(&q, first, last);
    else
        FN(run_windows)(&q, 1, first, last);
}

/* ---- forward, of one channel ---- */

enum { FN(WINDOW_ELEMENTS) = 128 }; /* of a window, at most */

/* y = activation(sums), for the pixels of one vector. */
static void FN(store_turned)(const FN(window) *q, ptrdiff_t pixel, const REAL *sums)
{
    const int32_t *to = q->s->to + pixel;
    const ptrdiff_t O = q->s->outputs, apart = to[1] - to[0];
    REAL *y = q->y + to[0];
    for (ptrdiff_t o = 0; o < O && O < FN(QUAD); o++) {
        const FN(vector) value = FN(activate)(&q->end, VECTOR(sums + o * FN(PANEL)));
        for (int lane = 0; lane < FN(WIDTH); lane++)
            y[lane * apart + o] = value[lane];
    }
    for (ptrdiff_t o = 0; o < O && O >= FN(QUAD); o += FN(QUAD)) { /* the last may be some of those before */
        const ptrdiff_t first = o < O - FN(QUAD) ? o : O - FN(QUAD);
        fnn_vector_64 x[FN(QUAD)];
        FN(vector) t[FN(QUAD)];
        UNROLLED_EACH(4, j, FN(QUAD))
            x[j] = (fnn_vector_64)FN(activate)(&q->end, VECTOR(sums + (first + j) * FN(PANEL)));
        FN(turn_pieces)(x, t);
        UNROLLED_EACH(4, j, FN(QUAD))
            fnn_scatter_pieces((fnn_vector_64)t[j], (char *)(y + j * apart + first),
                               FN(QUAD) * apart * (ptrdiff_t)sizeof(REAL));
    }
}

/* All pixels, in rows of ``columns`` that are neighbours: the tiles run over the elements of a window. */
static void FN(run_pixels)(const FN(window) *q, ptrdiff_t columns)
{
    const fnn_windows *s = q->s;
    const ptrdiff_t of_row = (columns + FN(WIDTH) - 1) / FN(WIDTH), all = s->pixels / columns * of_row;
    ptrdiff_t rows = s->outputs, most = FNN_TILE_VECTORS;
    int32_t at[FN(WINDOW_ELEMENTS)], to[FN(WINDOW_ELEMENTS)];
    const fnn_windows elements = {.pixels = s->runs * s->run, .at = at, .to = to};
    const FN(window) window = {.s = &elements, .x = q->x, .w = q->w, .ahead = q->ahead};
    REAL start[FN(WINDOW_ROWS) * FN(PANEL)], sums[FN(WINDOW_ROWS) * FN(PANEL)] __attribute__((aligned(64)));
    while (!FN(TURNED_TILES)[1][rows]) /* beyond the last output there is something to be read */
        rows++;
    while (!FN(TURNED_TILES)[most][rows])
        most--;
    for (ptrdiff_t i = 0; i < elements.pixels; i++) {
        at[i] = s->run_at[i / s->run] + (int32_t)(i % s->run);
        to[i] = (int32_t)(i * s->w_row);
    }
    for (ptrdiff_t i = 0; i < rows * FN(PANEL); i++)
        start[i] = q->bias ? q->bias[i / FN(PANEL)] : 0;
    for (ptrdiff_t g = 0, vectors; g < all; g += vectors) {
        FN(window_lanes) lanes[FNN_TILE_VECTORS];
        vectors = all - g < most ? all - g : most;
        for (ptrdiff_t v = 0; v < vectors; v++) {
            const ptrdiff_t column = (g + v) % of_row * FN(WIDTH), last = columns - FN(WIDTH);
            lanes[v].row = (g + v) / of_row * columns + (column < last ? column : last);
            lanes[v].at = s->at[lanes[v].row];
        }
        memcpy(sums, start, (size_t)(rows * FN(PANEL)) * sizeof *sums);
        FN(TURNED_TILES)[vectors][rows](&window, lanes, 0, sums);
        for (ptrdiff_t v = 0; v < vectors; v++)
            FN(store_turned)(q, lanes[v].row, sums + v * FN(WIDTH));
    }
}

/* Pixels of a row that are neighbours, if it is worth having them in the lanes; else 0. */
static ptrdiff_t FN(row_of_neighbours)(const fnn_windows *s)
{
    ptrdiff_t n = 1;
    if (s->outputs > FN(WINDOW_ROWS) || s->outputs > FN(WIDTH) || s->runs * s->run > FN(WINDOW_ELEMENTS))
        return 0;
    while (n < s->pixels && s->at[n] == s->at[0] + n)
        n++;
    return n >= FN(WIDTH) && 3 * s->outputs * ((n + FN(WIDTH) - 1) / FN(WIDTH)) <= 2 * n ? n : 0;
}

static void FN(fnn_window_forward)(const fnn_windows *s, const fnn_real *x, const fnn_real *w, const fnn_real *bias,
                                   int activation, double alpha, fnn_real *y)
{
    fnn_stretch ahead[2] = {s->ahead[0], s->ahead[1]};
    FN(window) q = {.s = s, .x = x, .w = w, .bias = bias, .y = y, .end = {.activation = activation, .alpha = (REAL)alpha},
                    .ahead = ahead};
    const ptrdiff_t columns = FN(row_of_neighbours)(s);
    if (columns)
        FN(run_pixels)(&q, columns);
#if FNN_SWEEPS
    else if (FN(sweeps)(s))
        FN(run_sweeps)(&q);
#endif
    else
        FN(run_windows)(&q, 0, 0, s->pixels);
}

#undef VECTOR
