/* Convolutions: tiles of outputs in registers, as in fnn_tile.tmpl.h, whose rows of inputs are windows of an image.
 *
 * The rows of a tile are pixels, wherever they lie, so tiles cross the rows of an image.  A window is read in runs of
 * neighbouring elements: in an image with its channels last, one row of the window after the other.
 * Order of summation: an output is one chain from its bias over the runs; a weight gradient is one chain over the pixels of
 * a call, whose end is added to what is there.  Which pixels are one call is a matter of the layer's shape.
 * Few outputs fill one vector.  Such tiles need many rows, or they would wait for loads and for the latency of the
 * multiply-adds, and there is no register for the address of each: of two pixels that are neighbours one address does, of
 * neighbouring weights one for all. */

#define VECTOR(p) (*(const FN(vector) *)(p))

/* sum += *p times the factors, the number at p taken from memory where an instruction does both. */
#if defined(__x86_64__) && FNN_VECTOR_BYTES == 64 && FNN_BITS == 32
#define ADD_PRODUCT_AT(sum, p, factors) \
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(factors), "m"(*(p)))
#elif defined(__x86_64__) && FNN_VECTOR_BYTES == 64
#define ADD_PRODUCT_AT(sum, p, factors) \
    __asm__("vfmadd231pd %2%{1to8%}, %1, %0" : "+v"(sum) : "v"(factors), "m"(*(p)))
#else
#define ADD_PRODUCT_AT(sum, p, factors)                    \
    {                                                      \
        const FN(vector) element = *(p) - (FN(vector)){0}; \
        ADD_PRODUCT(sum, element, factors);                \
    }
#endif
/* A number that the compiler may not compute from others whenever it is wanted. */
#define KEEP_REGISTER(number) __asm__("" : "+r"(number))

typedef struct FN(window) {
    const fnn_windows *s;
    const REAL *x, *w, *bias;   /* backward: w is dy */
    REAL *y;                    /* backward: dw */
    FN(product) end;            /* what becomes of a sum */
    ptrdiff_t n, count;         /* columns from n on; how many of the last vector are real */
    fnn_stretch *ahead;         /* what is left to be fetched meanwhile */
    ptrdiff_t lines;            /* of it for each pixel of a tile */
} FN(window);
enum { FN(WINDOW_PIXELS) = 64 }; /* of a gradient, between two fetches: each ends a loop, whose end is guessed wrong */

/* Pixels of a gradient; memory is fetched every now and then. */
#define EACH_PIXEL(q, p, pixels)                                                                                       \
    for (ptrdiff_t p = 0, part; p < (pixels) && (fnn_fetch_lines((q)->ahead, FN(WINDOW_PIXELS)), 1);)                  \
        for (part = (pixels) - p < FN(WINDOW_PIXELS) ? (pixels) : p + FN(WINDOW_PIXELS); p < part; p++)

/* Outputs n .. of rows pixels from pixel p on. */
FNN_ELEMENT void FN(window_tile)(const FN(window) *q, const int rows, const int vectors, ptrdiff_t p)
{
    const fnn_windows *s = q->s;
    FN(vector) sum[8][FNN_TILE_VECTORS];
    const REAL *x[8];
    const ptrdiff_t w_row = s->w_row, length = s->run;
    const REAL *w = q->w + q->n;
    UNROLLED_EACH(8, r, rows)
        x[r] = q->x + s->at[p + r];
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors) {
            if (q->bias)
                sum[r][v] = VECTOR(q->bias + q->n + v * FN(WIDTH));
            else
                sum[r][v] = (FN(vector)){0};
        }
    for (ptrdiff_t run = 0; run < s->runs; run++) {
        ptrdiff_t k = s->run_at[run];
        for (const ptrdiff_t end = k + length; k < end; k++) {
            FN(vector) row[FNN_TILE_VECTORS];
            UNROLLED_EACH(8, v, vectors)
                row[v] = VECTOR(w + v * FN(WIDTH));
            w += w_row;
            UNROLLED_EACH(8, r, rows) {
                const FN(vector) element = x[r][k] - (FN(vector)){0};
                UNROLLED_EACH(8, v, vectors)
                    ADD_PRODUCT(sum[r][v], element, row[v]);
            }
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            FN(store)(q->y + s->to[p + r] + q->n + v * FN(WIDTH), FN(activate)(&q->end, sum[r][v]), v == vectors - 1,
                      q->count);
}

#if FNN_WINDOW_PAIRED
/* As window_tile with one vector, of FNN_WINDOW_PAIRED pixels that are neighbours two by two. */
static void FN(window_paired)(const FN(window) *q, ptrdiff_t p)
{
    enum { PAIRS = FNN_WINDOW_PAIRED / 2 };
    const fnn_windows *s = q->s;
    FN(vector) sum[2 * PAIRS];
    const REAL *x[PAIRS];
    const ptrdiff_t w_row = s->w_row, pair = s->at[1] - s->at[0], length = s->run;
    const REAL *w = q->w + q->n;
    UNROLLED_EACH(8, g, PAIRS) {
        x[g] = q->x + s->at[p + 2 * g];
        sum[2 * g] = q->bias ? VECTOR(q->bias + q->n) : (FN(vector)){0};
        sum[2 * g + 1] = sum[2 * g];
    }
    for (ptrdiff_t run = 0; run < s->runs; run++) {
        ptrdiff_t k = s->run_at[run], second = k + pair;
        for (const ptrdiff_t end = k + length; k < end; k++, second++) {
            const FN(vector) row = VECTOR(w);
            KEEP_REGISTER(second);
            w += w_row;
            UNROLLED_EACH(8, g, PAIRS) {
                ADD_PRODUCT_AT(sum[2 * g], x[g] + k, row);
                ADD_PRODUCT_AT(sum[2 * g + 1], x[g] + second, row);
            }
        }
    }
    UNROLLED_EACH(16, r, 2 * PAIRS)
        FN(store)(q->y + s->to[p + r] + q->n, FN(activate)(&q->end, sum[r]), 1, q->count);
}
#endif

/* Where the elements of a window that weights i, i + apart, ... belong to begin, ``count`` of them: one division for all. */
FNN_ELEMENT void FN(window_places)(const FN(window) *q, const int count, ptrdiff_t i, ptrdiff_t apart, const REAL **x)
{
    const ptrdiff_t length = q->s->run;
    const int32_t *run = q->s->run_at + i / length;
    ptrdiff_t k = i % length;
    UNROLLED_EACH(8, r, count) {
        x[r] = q->x + *run + k;
        k += apart;
        if (k >= length) {
            k -= length;
            run++;
        }
    }
}

/* Gradients of rows weights from row i on, over all pixels: their elements of a window lie where run_at says. */
FNN_ELEMENT void FN(window_gradient_tile)(const FN(window) *q, const int rows, const int vectors, ptrdiff_t i)
{
    const fnn_windows *s = q->s;
    FN(vector) sum[8][FNN_TILE_VECTORS];
    const REAL *x[8];
    const REAL *dy = q->w + q->n;
    const int32_t *at = s->at, *to = s->to;
    FN(window_places)(q, rows, i, 1, x);
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors)
            sum[r][v] = (FN(vector)){0};
    for (ptrdiff_t p = 0; p < s->pixels; p++) {
        FN(vector) row[FNN_TILE_VECTORS];
        const ptrdiff_t k = at[p];
        UNROLLED_EACH(8, v, vectors)
            row[v] = VECTOR(dy + to[p] + v * FN(WIDTH));
        UNROLLED_EACH(8, r, rows) {
            const FN(vector) element = x[r][k] - (FN(vector)){0};
            UNROLLED_EACH(8, v, vectors)
                ADD_PRODUCT(sum[r][v], element, row[v]);
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors) {
            REAL *out = q->y + (i + r) * s->w_row + q->n + v * FN(WIDTH);
            FN(store)(out, q->end.scale * sum[r][v] + VECTOR(out), v == vectors - 1, q->count);
        }
}

#if FNN_WINDOW_NEAR
/* As window_gradient_tile with one vector, of groups of weights whose elements of a window are neighbours, ``near`` each. */
FNN_ELEMENT void FN(window_gradient_near)(const FN(window) *q, const int groups, const int near, ptrdiff_t i)
{
    const fnn_windows *s = q->s;
    FN(vector) sum[FNN_WINDOW_NEAR];
    const REAL *x[FNN_WINDOW_NEAR / 3];
    const REAL *dy = q->w + q->n;
    const int32_t *at = s->at, *to = s->to;
    FN(window_places)(q, groups, i, near, x);
    UNROLLED_EACH(16, r, groups * near)
        sum[r] = (FN(vector)){0};
    EACH_PIXEL(q, p, s->pixels) {
        const FN(vector) row = VECTOR(dy + to[p]);
        const ptrdiff_t k = at[p];
        UNROLLED_EACH(8, g, groups)
            UNROLLED_EACH(16, r, near)
                ADD_PRODUCT_AT(sum[g * near + r], x[g] + k + r, row);
    }
    UNROLLED_EACH(16, r, groups * near) {
        REAL *out = q->y + (i + r) * s->w_row + q->n;
        FN(store)(out, q->end.scale * sum[r] + VECTOR(out), 1, q->count);
    }
}

typedef void (*FN(near_tile))(const FN(window) *q, ptrdiff_t i);
#define FNN_TILE(groups, near)                                                     \
    static void FN(window_gradient_##groups##_of_##near)(const FN(window) * q, ptrdiff_t i) \
    {                                                                              \
        FN(window_gradient_near)(q, groups, near, i);                              \
    }
#define FNN_TILE_ENTRY(groups, near) [near][groups] = FN(window_gradient_##groups##_of_##near),
FNN_WINDOW_NEAR_TILES(FNN_TILE)
static const FN(near_tile) FN(NEAR_TILES)[FNN_WINDOW_NEAR + 1][FNN_WINDOW_NEAR / 3 + 1] = {
    FNN_WINDOW_NEAR_TILES(FNN_TILE_ENTRY)};
#undef FNN_TILE
#undef FNN_TILE_ENTRY

/* Weights m .. M in such tiles; where the rest begins. */
static ptrdiff_t FN(run_near)(const FN(window) *q, ptrdiff_t m, ptrdiff_t M)
{
    ptrdiff_t near = 0, most = 0;
    for (ptrdiff_t n = FNN_WINDOW_NEAR; n >= 3; n--) {
        ptrdiff_t groups = FNN_WINDOW_NEAR / n;
        if (FN(NEAR_TILES)[n][groups] && q->s->run % n == 0 && m % n == 0 && groups * n > most) {
            near = n;
            most = groups * n;
        }
    }
    if (near)
        while (m + near <= M) {
            const ptrdiff_t left = (M - m) / near, groups = left * near < most ? left : most / near;
            FN(NEAR_TILES)[near][groups](q, m);
            m += groups * near;
        }
    return m;
}
#endif

/* The tiles of this instruction set: functions that compute ``count`` of them, by gradient, vectors and rows. */
typedef void (*FN(window_tiles))(const FN(window) *q, ptrdiff_t m, ptrdiff_t count);
#define FNN_TILE(rows, vectors)                                                                                        \
    static void FN(window_##rows##_##vectors)(const FN(window) * q, ptrdiff_t m, ptrdiff_t count)                      \
    {                                                                                                                  \
        for (; count > 0; count--, m += rows)                                                                          \
            FN(window_tile)(q, rows, vectors, m), fnn_fetch_lines(q->ahead, rows * q->lines);                          \
    }                                                                                                                  \
    static void FN(window_gradient_##rows##_##vectors)(const FN(window) * q, ptrdiff_t m, ptrdiff_t count)             \
    {                                                                                                                  \
        for (; count > 0; count--, m += rows)                                                                          \
            FN(window_gradient_tile)(q, rows, vectors, m), fnn_fetch_lines(q->ahead, FN(WINDOW_PIXELS) / 2);           \
    }
#define FNN_TILE_ENTRY(rows, vectors) [vectors][rows] = FN(window_##rows##_##vectors),
#define FNN_GRADIENT_ENTRY(rows, vectors) [vectors][rows] = FN(window_gradient_##rows##_##vectors),
FNN_WINDOW_TILES(FNN_TILE)
enum { FN(WINDOW_ROWS) = 8 }; /* more would have no register left for the address of each */
static const FN(window_tiles) FN(WINDOW_TILES)[2][FNN_TILE_VECTORS + 1][FN(WINDOW_ROWS) + 1] = {
    {FNN_WINDOW_TILES(FNN_TILE_ENTRY)},
    {FNN_WINDOW_TILES(FNN_GRADIENT_ENTRY)},
};
#undef FNN_TILE
#undef FNN_TILE_ENTRY
#undef FNN_GRADIENT_ENTRY

/* Rows of the next tile, which leaves no small one to the end, and how many such follow. */
static ptrdiff_t FN(window_rows)(const FN(window_tiles) *tiles, ptrdiff_t left, ptrdiff_t *count)
{
    ptrdiff_t most = FN(WINDOW_ROWS), rows;
    while (!tiles[most])
        most--;
    rows = left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
    *count = left >= 2 * most ? left / most - (left % most != 0) : 1;
    return tiles[rows] ? rows : (rows + 1) / 2;
}

/* Rows from m on that are done in larger tiles of one vector; where the others begin. */
static ptrdiff_t FN(run_larger)(const FN(window) *q, int gradient, ptrdiff_t m, ptrdiff_t M)
{
#if FNN_WINDOW_NEAR
    if (gradient)
        return FN(run_near)(q, m, M);
#endif
#if FNN_WINDOW_PAIRED
    if (!gradient && q->s->columns && q->s->columns % 2 == 0 && m % 2 == 0)
        for (; m + FNN_WINDOW_PAIRED <= M; m += FNN_WINDOW_PAIRED)
            FN(window_paired)(q, m), fnn_fetch_lines(q->ahead, FNN_WINDOW_PAIRED * q->lines);
#endif
    return m;
}

/* Rows m .. M of all columns. */
static void FN(run_windows)(FN(window) *q, int gradient, ptrdiff_t m, ptrdiff_t M)
{
    const ptrdiff_t N = q->s->outputs;
    q->lines = q->s->ahead->bytes / (64 * (M - m + 1)) + 1;
    for (q->n = 0; q->n < N;) {
        const ptrdiff_t vectors = FN(panel_vectors)(N - q->n, gradient ? FNN_GRADIENT_VECTORS : FNN_TILE_VECTORS);
        const ptrdiff_t columns = N - q->n - (vectors - 1) * FN(WIDTH);
        const FN(window_tiles) *tiles = FN(WINDOW_TILES)[gradient][vectors];
        q->count = columns < FN(WIDTH) ? columns : FN(WIDTH);
        for (ptrdiff_t row = vectors == 1 ? FN(run_larger)(q, gradient, m, M) : m; row < M;) {
            ptrdiff_t count;
            const ptrdiff_t rows = FN(window_rows)(tiles, M - row, &count);
            tiles[rows](q, row, count);
            row += rows * count;
        }
        q->n += vectors * FN(WIDTH);
    }
}

#undef KEEP_REGISTER
#undef ADD_PRODUCT_AT
#undef VECTOR
