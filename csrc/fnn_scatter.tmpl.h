/* The input gradient of a convolution with few channels: every pixel of the output adds to its window of the image.
 *
 * The lanes of a tile are the elements of windows, run by run; its rows are four pixels, a quarter of a row of the output
 * apart: windows of neighbours overlap, and what has just been stored in part could not be loaded at once.  Where those
 * overlap too, the four are one below the other, and add up in registers.
 * Order of summation: a pixel's share of an element is one chain over the outputs, from 0.  Shares add up row by row of
 * the output; in a row by four pixels at a time, one after the other, and those that are left at its end.  Of four rows
 * that are worked on together column by column, from the first row to the fourth.  So it is four on every instruction
 * set, and all vectors of a run are there before the first is added. */

#define VECTOR(p) (*(const FN(vector) *)(p))
enum { FN(SCATTER_ROOM) = FNN_SCATTER_RUN + FNN_SCATTER_VECTORS * FN(WIDTH) }; /* of a pixel, elements of the windows of a group */

/* Runs that are worked on together, and how their vectors are dealt out to tiles. */
typedef struct FN(scatter) {
    const fnn_windows *s;
    ptrdiff_t vectors;  /* of a run */
    ptrdiff_t runs;     /* of a group: as many as fill a tile, at least one */
    ptrdiff_t columns;  /* pixels in a row of the output */
    ptrdiff_t below;    /* as runs_below says */
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
    FN(vector) sum[FNN_SCATTER_ROWS][FNN_SCATTER_VECTORS];
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

/* Add a vector of shares of rows pixels, ``apart`` from each other in the sums, which lie at one place of dx.  Lanes that the
 * mask leaves out are no element of a window: they keep what is there, since infinity times a weight of 0 is NaN. */
FNN_ELEMENT void FN(add_shares)(REAL *out, const REAL *sums, ptrdiff_t rows, ptrdiff_t apart, FN(lanes) mask)
{
    const FN(vector) old = VECTOR(out);
    FN(vector) sum = old;
    for (; rows > 0; rows--, sums += apart)
        sum = sum + VECTOR(sums);
    *(FN(vector) *)out = (FN(vector))(((FN(lanes))sum & mask) | ((FN(lanes))old & ~mask));
}

/* What four pixels below each other add, each of whose runs lies where one of the first pixel's ``below`` runs further does. */
static void FN(add_rows)(const FN(scatter) *q, const REAL *sums, ptrdiff_t row, FN(lanes) tail, REAL *dx)
{
    const fnn_windows *s = q->s;
    const ptrdiff_t below = q->below, size = q->vectors * FN(WIDTH), apart = FN(SCATTER_ROOM) - below * size;
    const FN(lanes) all = (FN(lanes)){0} - 1;
    for (ptrdiff_t i = 0; i < s->runs + (FNN_SCATTER_ROWS - 1) * below; i++) {
        const ptrdiff_t first = i < s->runs ? 0 : (i - s->runs) / below + 1, most = i / below;
        const ptrdiff_t rows = (most < FNN_SCATTER_ROWS ? most + 1 : FNN_SCATTER_ROWS) - first;
        const REAL *sum = sums + first * apart + i * size;
        REAL *out = dx + first * row + s->run_at[i - first * below];
        for (ptrdiff_t v = 1; v < q->vectors; v++, out += FN(WIDTH), sum += FN(WIDTH))
            FN(add_shares)(out, sum, rows, apart, all);
        FN(add_shares)(out, sum, rows, apart, tail);
    }
}

/* What rows pixels, ``apart`` from pixel p on, add. */
static void FN(scatter_pixels)(const FN(scatter) *q, ptrdiff_t p, const int rows, ptrdiff_t apart, FN(lanes) tail,
                               const REAL *dy, const REAL *w, REAL *dx)
{
    const fnn_windows *s = q->s;
    const REAL *from[FNN_SCATTER_ROWS];
    const FN(lanes) whole = (FN(lanes)){0} - 1;
    const int together = q->below && apart == q->columns;
    REAL room[FNN_SCATTER_ROWS * FN(SCATTER_ROOM)], *sums = room;
    for (int r = 0; r < rows; r++)
        from[r] = dy + s->to[p + r * apart];
    for (ptrdiff_t run = 0; run < s->runs; run += q->runs) {
        const ptrdiff_t runs = FN(scatter_runs)(q, run), all = runs * q->vectors;
        for (ptrdiff_t v = 0, take; v < all; v += take) {
            take = FN(scatter_take)(all - v);
            FN(SCATTER_TILES)[rows == 1][take](from, s->outputs, w, sums + v * FN(WIDTH));
            w += take * FN(WIDTH) * s->outputs;
        }
        if (together) {
            sums += all * FN(WIDTH);
            continue;
        }
        for (int r = 0; r < rows; r++) {
            const REAL *sum = sums + r * FN(SCATTER_ROOM);
            for (ptrdiff_t i = run; i < run + runs; i++) {
                REAL *out = dx + s->at[p + r * apart] + s->run_at[i];
                for (ptrdiff_t v = 1; v < q->vectors; v++, out += FN(WIDTH), sum += FN(WIDTH))
                    FN(add_shares)(out, sum, 1, 0, whole);
                FN(add_shares)(out, sum, 1, 0, tail);
                sum += FN(WIDTH);
            }
        }
    }
    if (together)
        FN(add_rows)(q, room, s->at[p + apart] - s->at[p], tail, dx + s->at[p]);
}

/* Whether rows of the output are worked on by four: windows a quarter of a row apart would overlap, by vectors of the widest.
 * How many runs further a run of the first pixel lies where one of the pixel below it does; 0: not by four, also where there
 * is no such number or no room for all shares of a pixel. */
static ptrdiff_t FN(runs_below)(const fnn_windows *s, ptrdiff_t columns)
{
    enum { WIDEST = 64 / sizeof(REAL) };
    const ptrdiff_t quarter = columns / FNN_SCATTER_ROWS, size = (s->run + WIDEST - 1) / WIDEST * WIDEST;
    ptrdiff_t below = 1, row;
    if (FNN_SCATTER_ROWS * columns > s->pixels || s->runs * size > FNN_SCATTER_RUN)
        return 0;
    if (quarter && quarter * (s->at[1] - s->at[0]) >= size)
        return 0;
    row = s->at[columns] - s->at[0];
    while (below < s->runs && s->run_at[below] - s->run_at[0] < row)
        below++;
    for (ptrdiff_t i = below; i < s->runs; i++)
        if (s->run_at[i] - s->run_at[i - below] != row)
            return 0;
    return below < s->runs ? below : 0;
}

static void FN(fnn_scatter)(const fnn_windows *s, ptrdiff_t columns, const fnn_real *dy, const fnn_real *turned, fnn_real *dx)
{
    FN(scatter) q = FN(scatter_of)(s);
    const ptrdiff_t quarter = columns / FNN_SCATTER_ROWS, last = s->run - (q.vectors - 1) * FN(WIDTH);
    FN(lanes) tail;
    if (!s->run)
        return;
    UNROLLED_EACH(16, lane, FN(WIDTH))
        tail[lane] = lane < last ? (UNSIGNED)-1 : 0;
    const ptrdiff_t four = FNN_SCATTER_ROWS * columns;
    ptrdiff_t row = 0;
    q.columns = columns;
    q.below = FN(runs_below)(s, columns);
    for (; q.below && row + four <= s->pixels; row += four)
        for (ptrdiff_t p = row; p < row + columns; p++)
            FN(scatter_pixels)(&q, p, FNN_SCATTER_ROWS, columns, tail, dy, turned, dx);
    for (; row < s->pixels; row += columns) {
        for (ptrdiff_t p = row; p < row + quarter; p++)
            FN(scatter_pixels)(&q, p, FNN_SCATTER_ROWS, quarter, tail, dy, turned, dx);
        for (ptrdiff_t p = row + FNN_SCATTER_ROWS * quarter; p < row + columns; p++)
            FN(scatter_pixels)(&q, p, 1, 0, tail, dy, turned, dx);
    }
}

#undef VECTOR
