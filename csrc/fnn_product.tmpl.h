/* Matrix products without packing: a tile of outputs stays in registers while the contraction runs.
 *
 * Order of summation, a matter of the layer's shape alone, so that bits depend neither on the batch nor on threads nor
 * on which FMA instruction set runs:
 *   forward and weight gradient: each output is one chain of multiply-adds over the contraction, from its start value;
 *   input gradient: FNN_NARROW outputs or fewer, the same; more, FN(SPLIT) chains over every FN(SPLIT)-th output,
 *   joined in a fixed tree, so that both operands are read along their rows. */

typedef REAL FN(vector) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef REAL FN(quad) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

enum {
    FN(WIDTH) = FNN_VECTOR_BYTES / sizeof(REAL), /* lanes of a vector */
    FN(SPLIT) = 64 / sizeof(REAL),               /* chains of one dot product */
    FN(PARTS) = 64 / FNN_VECTOR_BYTES,           /* vectors that hold them */
};

/* Where the contraction of a tile starts, and what happens with the result. */
typedef struct FN(product) {
    const REAL *a;          /* A[M,K]: element (m, k) at m * a_row + k * a_step */
    ptrdiff_t a_row, a_step;
    const REAL *w;          /* W[K,N] */
    ptrdiff_t w_row;
    REAL *c;                /* C[M,N] */
    ptrdiff_t c_row;
    const REAL *start;      /* a row of N start values; NULL: zeros */
    int add;                /* C += scale * result, else C = result */
    REAL scale;
} FN(product);

#define VECTOR(p) (*(const FN(vector) *)(p))

/* One tile of rows x vectors outputs at (m, n), contraction from k to end; count columns of the last vector are real.
 * go_on: C holds the chain so far. */
FNN_ELEMENT void FN(product_tile)(const FN(product) *p, const int rows, const int vectors, ptrdiff_t m, ptrdiff_t n,
                                  ptrdiff_t k, ptrdiff_t end, ptrdiff_t count, int go_on)
{
    FN(vector) sum[FNN_TILE_ROWS][8];
    const REAL *a = p->a + m * p->a_row;
    const REAL *w = p->w + n;
    REAL *c = p->c + m * p->c_row + n;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            if (go_on)
                sum[r][v] = VECTOR(c + r * p->c_row + v * FN(WIDTH));
            else if (p->start)
                sum[r][v] = VECTOR(p->start + n + v * FN(WIDTH));
            else
                sum[r][v] = (FN(vector)){0};
        }
    for (; k < end; k++) {
        FN(vector) row[8];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            row[v] = VECTOR(w + k * p->w_row + v * FN(WIDTH));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const REAL x = a[r * p->a_row + k * p->a_step];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[r][v] = x * row[v] + sum[r][v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            REAL *out = c + r * p->c_row + v * FN(WIDTH);
            FN(vector) value = sum[r][v];
            if (p->add)
                value = p->scale * value + VECTOR(out);
            if (v == vectors - 1)
                memcpy(out, &value, (size_t)count * sizeof(REAL));
            else
                *(FN(vector) *)out = value;
        }
}

/* Columns n .. n + vectors * width of all rows: as many rows at once as fit into registers, then fewer. */
#define FNN_PANEL(vectors, most)                                                                                       \
    static void FN(product_panel_##vectors)(const FN(product) * p, ptrdiff_t M, ptrdiff_t n, ptrdiff_t k,              \
                                            ptrdiff_t end, ptrdiff_t count, int go_on)                                 \
    {                                                                                                                  \
        ptrdiff_t m = 0;                                                                                               \
        if (most >= 8)                                                                                                 \
            for (; m + 8 <= M; m += 8)                                                                                 \
                FN(product_tile)(p, most < 8 ? 1 : 8, vectors, m, n, k, end, count, go_on);                            \
        if (most >= 4)                                                                                                 \
            for (; m + 4 <= M; m += 4)                                                                                 \
                FN(product_tile)(p, most < 4 ? 1 : 4, vectors, m, n, k, end, count, go_on);                            \
        if (most >= 2)                                                                                                 \
            for (; m + 2 <= M; m += 2)                                                                                 \
                FN(product_tile)(p, most < 2 ? 1 : 2, vectors, m, n, k, end, count, go_on);                            \
        for (; m < M; m++)                                                                                             \
            FN(product_tile)(p, 1, vectors, m, n, k, end, count, go_on);                                               \
    }
FNN_PANEL(1, FNN_TILE_ROWS)
FNN_PANEL(2, FNN_TILE_ROWS)
#if FNN_TILE_VECTORS > 2
FNN_PANEL(3, FNN_TILE_ROWS)
#endif
FNN_PANEL(4, 1)
FNN_PANEL(8, 1)
#undef FNN_PANEL

/* Run a product in blocks of the contraction that keep the panel of W in cache. */
static void FN(run_product)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    const ptrdiff_t block = N * (ptrdiff_t)sizeof(REAL) >= 4096 ? 256 : 1024;
    ptrdiff_t k = 0;
    do {
        const ptrdiff_t end = K - k > block + block / 2 ? k + block : K;
        const int go_on = k > 0 && !p->add;
        ptrdiff_t n = 0;
        while (n < N) {
            const ptrdiff_t left = (N - n + FN(WIDTH) - 1) / FN(WIDTH);
            ptrdiff_t take = left < FNN_TILE_VECTORS ? left : FNN_TILE_VECTORS;
            if (M < 2 && left >= 4) /* one row alone: more chains side by side, to hide the latency of each */
                take = left >= 8 ? 8 : 4;
            else if (left == 4 && FNN_TILE_VECTORS == 3)
                take = 2;
            const ptrdiff_t columns = N - n - (take - 1) * FN(WIDTH);
            const ptrdiff_t count = columns < FN(WIDTH) ? columns : FN(WIDTH);
            switch (take) {
            case 1:
                FN(product_panel_1)(p, M, n, k, end, count, go_on);
                break;
            case 2:
                FN(product_panel_2)(p, M, n, k, end, count, go_on);
                break;
#if FNN_TILE_VECTORS > 2
            case 3:
                FN(product_panel_3)(p, M, n, k, end, count, go_on);
                break;
#endif
            case 4:
                FN(product_panel_4)(p, M, n, k, end, count, go_on);
                break;
            default:
                FN(product_panel_8)(p, M, n, k, end, count, go_on);
            }
            n += take * FN(WIDTH);
        }
        k = end;
    } while (k < K);
}

static void FN(fnn_product_forward)(ptrdiff_t B, ptrdiff_t I, ptrdiff_t O, const fnn_real *x, const fnn_real *w,
                                    const fnn_real *bias, fnn_real *y)
{
    const FN(product) p = {.a = x, .a_row = I, .a_step = 1, .w = w, .w_row = O, .c = y, .c_row = O, .start = bias};
    FN(run_product)(&p, B, O, I);
}

/* One row: dw += scale * x^T dy along the rows of dw, past those whose input is 0. */
static void FN(rank_one)(ptrdiff_t I, ptrdiff_t O, REAL scale, const REAL *x, const REAL *dy, REAL *dw)
{
    for (ptrdiff_t i = 0; i < I; i++) {
        REAL *row = dw + i * O;
        const REAL input = x[i]; /* a copy: for all the compiler knows, x could lie within dw */
        if (input == 0)
            continue;
        INDEPENDENT
        for (ptrdiff_t o = 0; o < O; o++)
            row[o] = FMA(scale, input * dy[o], row[o]);
    }
}

static void FN(fnn_product_weight_gradient)(ptrdiff_t B, ptrdiff_t I, ptrdiff_t O, double scale, const fnn_real *x,
                                            const fnn_real *dy, fnn_real *dw)
{
    if (B == 1) {
        FN(rank_one)(I, O, (REAL)scale, x, dy, dw);
        return;
    }
    const FN(product) p = {.a = x, .a_row = 1, .a_step = I, .w = dy, .w_row = O, .c = dw, .c_row = O, .add = 1,
                           .scale = (REAL)scale};
    FN(run_product)(&p, I, O, B);
}

/* ---- input gradient: rows of dy against rows of W ---- */

typedef struct FN(chains) {
    FN(vector) part[FN(PARTS)];
} FN(chains);

FNN_ELEMENT FN(chains) FN(load_chains)(const REAL *p)
{
    FN(chains) x;
#pragma GCC unroll 8
    for (int i = 0; i < FN(PARTS); i++)
        x.part[i] = VECTOR(p + i * FN(WIDTH));
    return x;
}

/* The chains meet: lane l and l + half, until four are left, and then one. */
FNN_ELEMENT FN(quad) FN(join_to_four)(const FN(chains) *sum)
{
    REAL lane[64 / sizeof(REAL)];
    memcpy(lane, sum, sizeof lane);
    const FN(quad) *quads = (const FN(quad) *)lane;
#if FNN_BITS == 32
    return (quads[0] + quads[2]) + (quads[1] + quads[3]);
#else
    return quads[0] + quads[1];
#endif
}

FNN_ELEMENT REAL FN(join_chains)(const FN(chains) *sum)
{
    const FN(quad) q = FN(join_to_four)(sum);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

/* Four sums at once, each joined as above. */
FNN_ELEMENT FN(quad) FN(join_four_chains)(const FN(chains) *sum)
{
    const FN(quad) a = FN(join_to_four)(sum), b = FN(join_to_four)(sum + 1);
    const FN(quad) c = FN(join_to_four)(sum + 2), d = FN(join_to_four)(sum + 3);
    const FN(quad) ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
    const FN(quad) cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
    return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}

/* dx of rows x columns elements at (b, i). */
FNN_ELEMENT void FN(dot_tile)(const int rows, const int columns, ptrdiff_t b, ptrdiff_t i, ptrdiff_t I, ptrdiff_t O,
                              const REAL *dy, const REAL *w, REAL *dx)
{
    FN(chains) sum[FNN_DOT_ROWS][FNN_DOT_COLUMNS];
    const REAL *y = dy + b * O;
    const REAL *v = w + i * O;
    memset(sum, 0, sizeof sum);
    ptrdiff_t o = 0;
    for (; o + FN(SPLIT) <= O; o += FN(SPLIT)) {
        FN(chains) left[FNN_DOT_ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            left[r] = FN(load_chains)(y + r * O + o);
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++) {
            const FN(chains) right = FN(load_chains)(v + c * O + o);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
                for (int i_part = 0; i_part < FN(PARTS); i_part++)
                    sum[r][c].part[i_part] = left[r].part[i_part] * right.part[i_part] + sum[r][c].part[i_part];
        }
    }
    if (o < O) {
        REAL left[FNN_DOT_ROWS][64 / sizeof(REAL)] = {{0}};
        for (int r = 0; r < rows; r++)
            memcpy(left[r], y + r * O + o, (size_t)(O - o) * sizeof(REAL));
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++) {
            REAL tail[64 / sizeof(REAL)] = {0};
            memcpy(tail, v + c * O + o, (size_t)(O - o) * sizeof(REAL));
            const FN(chains) right = FN(load_chains)(tail);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const FN(chains) mine = FN(load_chains)(left[r]);
#pragma GCC unroll 8
                for (int i_part = 0; i_part < FN(PARTS); i_part++)
                    sum[r][c].part[i_part] = mine.part[i_part] * right.part[i_part] + sum[r][c].part[i_part];
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        REAL *out = dx + (b + r) * I + i;
        if (columns == 4) {
            *(FN(quad) *)out = FN(join_four_chains)(sum[r]);
            continue;
        }
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++)
            out[c] = FN(join_chains)(&sum[r][c]);
    }
}

static void FN(dot_rows)(ptrdiff_t B, ptrdiff_t I, ptrdiff_t O, const REAL *dy, const REAL *w, REAL *dx)
{
    ptrdiff_t i = 0;
    for (; i + FNN_DOT_COLUMNS <= I; i += FNN_DOT_COLUMNS) {
        ptrdiff_t b = 0;
        for (; b + FNN_DOT_ROWS <= B; b += FNN_DOT_ROWS)
            FN(dot_tile)(FNN_DOT_ROWS, FNN_DOT_COLUMNS, b, i, I, O, dy, w, dx);
        for (; b < B; b++)
            FN(dot_tile)(1, FNN_DOT_COLUMNS, b, i, I, O, dy, w, dx);
    }
    for (; i < I; i++) {
        ptrdiff_t b = 0;
        for (; b + FNN_DOT_ROWS <= B; b += FNN_DOT_ROWS)
            FN(dot_tile)(FNN_DOT_ROWS, 1, b, i, I, O, dy, w, dx);
        for (; b < B; b++)
            FN(dot_tile)(1, 1, b, i, I, O, dy, w, dx);
    }
}

static void FN(fnn_product_input_gradient)(ptrdiff_t B, ptrdiff_t I, ptrdiff_t O, const fnn_real *dy,
                                           const fnn_real *w, fnn_real *dx)
{
    if (O > FNN_NARROW) {
        FN(dot_rows)(B, I, O, dy, w, dx);
        return;
    }
    /* Few outputs: turn W over, some columns of dx at a time, and go on as in the forward product. */
    enum { COLUMNS = 96 };
    REAL turned[FNN_NARROW * COLUMNS + 64 / sizeof(REAL)];
    for (ptrdiff_t i = 0; i < I; i += COLUMNS) {
        const ptrdiff_t count = I - i < COLUMNS ? I - i : COLUMNS;
        const REAL *rows = (const REAL *)w + i * O;
        for (ptrdiff_t o = 0; o < O; o++)
            for (ptrdiff_t j = 0; j < count; j++)
                turned[o * COLUMNS + j] = rows[j * O + o];
        const FN(product) p = {.a = dy, .a_row = O, .a_step = 1, .w = turned, .w_row = COLUMNS, .c = (REAL *)dx + i,
                               .c_row = I};
        FN(run_product)(&p, B, count, O);
    }
}

#undef VECTOR
