/* Weight gradients of convolutions with few outputs: the lanes of a tile are elements of windows, its rows are outputs.
 *
 * Outputs that do not fill a vector leave lanes of it empty, and one vector of them is one multiply-add for each number that
 * is loaded.  Of elements of windows there are always several vectors.  Each sum is the chain that fnn_window.tmpl.h has, so
 * which way it goes is no matter of bits. */

#define VECTOR(p) (*(const FN(vector) *)(p))

/* A vector of elements of a run: where it lies in a window, which weight its lane 0 is, and which lanes are wanted.  The last
 * vector of a run lies back over the one before it: there is nothing to be read behind a window. */
typedef struct FN(window_lanes) {
    ptrdiff_t at, weight, first, last;
} FN(window_lanes);

/* Sums of rows outputs from o on, rows FNN_TILE_VECTORS vectors apart. */
FNN_ELEMENT void FN(turned_tile)(const FN(window) *q, const FN(window_lanes) *lanes, const int rows, const int vectors,
                                 ptrdiff_t o, REAL *sums)
{
    FN(vector) sum[FN(WINDOW_ROWS)][FNN_TILE_VECTORS];
    const REAL *x[FNN_TILE_VECTORS];
    const REAL *dy = q->w + o;
    const int32_t *at = q->s->at, *to = q->s->to;
    const ptrdiff_t pixels = q->s->pixels;
    UNROLLED_EACH(8, v, vectors)
        x[v] = q->x + lanes[v].at;
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            sum[r][v] = (FN(vector)){0};
    for (ptrdiff_t p = 0; p < pixels; p++) {
        FN(vector) window[FNN_TILE_VECTORS];
        const REAL *gradient = dy + to[p];
        const ptrdiff_t k = at[p];
        UNROLLED_EACH(8, v, vectors)
            window[v] = VECTOR(x[v] + k);
        UNROLLED_EACH(8, r, rows) {
            const FN(vector) element = gradient[r] - (FN(vector)){0};
            UNROLLED_EACH(8, v, vectors)
                ADD_PRODUCT(sum[r][v], element, window[v]);
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            *(FN(vector) *)(sums + (r * FNN_TILE_VECTORS + v) * FN(WIDTH)) = sum[r][v];
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
    REAL *dw = q->y + lanes->weight * w_row + o;
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
            ptrdiff_t count, rows = FN(window_rows)(FN(WINDOW_TILES)[1][vectors], q->s->outputs - o, &count);
            for (; count > 0; count--, o += rows) {
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
    FN(window) q = {.s = s, .x = x, .w = dy, .y = dw, .end = {.scale = (REAL)scale}};
    if (FN(turns)(s))
        FN(run_turned)(&q, first, last);
    else
        FN(run_windows)(&q, 1, first, last);
}

#undef VECTOR
