/* The input gradient of a convolution with few channels: every pixel of the output adds to its window of the image.
 *
 * The lanes of a tile are the elements of windows, run by run; its rows are four pixels, a quarter of a row of the output
 * apart: windows of neighbours overlap, and what has just been stored in part could not be loaded at once.
 * Order of summation: a pixel's share of an element is one chain over the outputs, from 0.  Shares add up row by row of
 * the output; in a row by four pixels at a time, one after the other, and those that are left at its end.  So it is four
 * on every instruction set, and all vectors of a run are there before the first is added. */

#define VECTOR(p) (*(const FN(vector) *)(p))
enum {
    FN(SCATTER_ROWS) = 4,
    FN(SCATTER_ROOM) = FNN_SCATTER_RUN + FNN_SCATTER_VECTORS * FN(WIDTH), /* elements of the windows that a group has of a pixel */
};

/* Runs that are worked on together, and how their vectors are dealt out to tiles. */
typedef struct FN(scatter) {
    const fnn_windows *s;
    ptrdiff_t vectors;  /* of a run */
    ptrdiff_t runs;     /* of a group: as many as fill a tile, at least one */
} FN(scatter);

static FN(scatter) FN(scatter_of)(const fnn_windows *s)
{
    FN(scatter) q = {.s = s, .vectors = (s->run + FN(WIDTH) - 1) / FN(WIDTH), .runs = 1};
    if (q.vectors && q.vectors <= FNN_SCATTER_VECTORS)
        q.runs = FNN_SCATTER_VECTORS / q.vectors;
    return q;
}

/* Runs of the group that begins with this one. */
static ptrdiff_t FN(scatter_runs)(const FN(scatter) *q, ptrdiff_t run)
{
    return q->s->runs - run < q->runs ? q->s->runs - run : q->runs;
}

/* Vectors of the next tile, of those that are left. */
static ptrdiff_t FN(scatter_take)(ptrdiff_t left)
{
    const ptrdiff_t tiles = (left + FNN_SCATTER_VECTORS - 1) / FNN_SCATTER_VECTORS;
    return (left + tiles - 1) / tiles;
}

static ptrdiff_t FN(fnn_scatter_size)(const fnn_windows *s)
{
    const FN(scatter) q = FN(scatter_of)(s);
    return s->runs * q.vectors * FN(WIDTH) * s->outputs;
}

/* The weights, tile by tile as they are read: (outputs, vectors); beyond the end of a run zeros. */
static void FN(fnn_scatter_turn)(const fnn_windows *s, const fnn_real *w_, fnn_real *turned)
{
    const REAL *w = w_;
    REAL *out = turned;
    const FN(scatter) q = FN(scatter_of)(s);
    for (ptrdiff_t run = 0; run < s->runs; run += q.runs) {
        const ptrdiff_t all = FN(scatter_runs)(&q, run) * q.vectors;
        for (ptrdiff_t v = 0, take; v < all; v += take) {
            take = FN(scatter_take)(all - v);
            for (ptrdiff_t o = 0; o < s->outputs; o++)
                for (ptrdiff_t i = v; i < v + take; i++)
                    for (ptrdiff_t lane = 0; lane < FN(WIDTH); lane++) {
                        const ptrdiff_t k = i % q.vectors * FN(WIDTH) + lane;
                        *out++ = k < s->run ? w[((run + i / q.vectors) * s->run + k) * s->w_row + o] : (REAL)0;
                    }
        }
    }
}

/* Shares of rows pixels in vectors of their windows, into sums, rows SCATTER_ROOM apart. */
FNN_ELEMENT void FN(scatter_tile)(const REAL *const *dy, ptrdiff_t O, const int rows, const int vectors, const REAL *w,
                                  REAL *sums)
{
    FN(vector) sum[FN(SCATTER_ROWS)][FNN_SCATTER_VECTORS];
    UNROLLED_EACH(4, r, rows)
        UNROLLED_EACH(8, v, vectors)
            sum[r][v] = (FN(vector)){0};
    for (ptrdiff_t o = 0; o < O; o++) {
        FN(vector) row[FNN_SCATTER_VECTORS];
        UNROLLED_EACH(8, v, vectors)
            row[v] = VECTOR(w + v * FN(WIDTH));
        w += vectors * FN(WIDTH);
        UNROLLED_EACH(4, r, rows) {
            const FN(vector) element = dy[r][o] - (FN(vector)){0};
            UNROLLED_EACH(8, v, vectors)
                ADD_PRODUCT(sum[r][v], element, row[v]);
        }
    }
    UNROLLED_EACH(4, r, rows)
        UNROLLED_EACH(8, v, vectors)
            *(FN(vector) *)(sums + r * FN(SCATTER_ROOM) + v * FN(WIDTH)) = sum[r][v];
}

typedef void (*FN(scatter_tiles))(const REAL *const *dy, ptrdiff_t O, const REAL *w, REAL *sums);
#define FNN_TILE(rows, vectors)                                                                                        \
    static void FN(scatter_##rows##_##vectors)(const REAL *const *dy, ptrdiff_t O, const REAL *w, REAL *sums)          \
    {                                                                                                                  \
        FN(scatter_tile)(dy, O, rows, vectors, w, sums);                                                               \
    }
#define FNN_TILE_ENTRY(rows, vectors) [rows == 1][vectors] = FN(scatter_##rows##_##vectors),
#define FNN_TILES_OF(TILE, rows) FNN_SCATTER_TILES(TILE, rows)
FNN_TILES_OF(FNN_TILE, 4)
FNN_TILES_OF(FNN_TILE, 1)
static const FN(scatter_tiles) FN(SCATTER_TILES)[2][FNN_SCATTER_VECTORS + 1] = {FNN_TILES_OF(FNN_TILE_ENTRY, 4)
                                                                                    FNN_TILES_OF(FNN_TILE_ENTRY, 1)};
#undef FNN_TILE
#undef FNN_TILE_ENTRY
#undef FNN_TILES_OF

/* What rows pixels, ``apart`` from pixel p on, add. */
static void FN(scatter_pixels)(const FN(scatter) *q, ptrdiff_t p, const int rows, ptrdiff_t apart, FN(lanes) tail,
                               const REAL *dy, const REAL *w, REAL *dx)
{
    const fnn_windows *s = q->s;
    const REAL *from[FN(SCATTER_ROWS)];
    REAL sums[FN(SCATTER_ROWS) * FN(SCATTER_ROOM)];
    for (int r = 0; r < rows; r++)
        from[r] = dy + s->to[p + r * apart];
    for (ptrdiff_t run = 0; run < s->runs; run += q->runs) {
        const ptrdiff_t runs = FN(scatter_runs)(q, run), all = runs * q->vectors;
        for (ptrdiff_t v = 0, take; v < all; v += take) {
            take = FN(scatter_take)(all - v);
            FN(SCATTER_TILES)[rows == 1][take](from, s->outputs, w, sums + v * FN(WIDTH));
            w += take * FN(WIDTH) * s->outputs;
        }
        for (int r = 0; r < rows; r++) {
            const REAL *sum = sums + r * FN(SCATTER_ROOM);
            for (ptrdiff_t i = run; i < run + runs; i++) {
                REAL *out = dx + s->at[p + r * apart] + s->run_at[i];
                for (ptrdiff_t v = 1; v < q->vectors; v++, out += FN(WIDTH), sum += FN(WIDTH))
                    *(FN(vector) *)out = VECTOR(out) + VECTOR(sum);
                /* what is no element of the window gets 0, whatever there is: infinity times a weight of 0 is NaN */
                *(FN(vector) *)out = VECTOR(out) + (FN(vector))((FN(lanes))VECTOR(sum) & tail);
                sum += FN(WIDTH);
            }
        }
    }
}

static void FN(fnn_scatter)(const fnn_windows *s, ptrdiff_t columns, const fnn_real *dy, const fnn_real *turned, fnn_real *dx)
{
    const FN(scatter) q = FN(scatter_of)(s);
    const ptrdiff_t quarter = columns / FN(SCATTER_ROWS), last = s->run - (q.vectors - 1) * FN(WIDTH);
    FN(lanes) tail;
    if (!s->run)
        return;
    UNROLLED_EACH(16, lane, FN(WIDTH))
        tail[lane] = lane < last ? (UNSIGNED)-1 : 0;
    for (ptrdiff_t row = 0; row < s->pixels; row += columns) {
        for (ptrdiff_t p = row; p < row + quarter; p++)
            FN(scatter_pixels)(&q, p, FN(SCATTER_ROWS), quarter, tail, dy, turned, dx);
        for (ptrdiff_t p = row + FN(SCATTER_ROWS) * quarter; p < row + columns; p++)
            FN(scatter_pixels)(&q, p, 1, 0, tail, dy, turned, dx);
    }
}

#undef VECTOR
