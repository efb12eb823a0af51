/* Matrix products without packing: a tile of outputs stays in registers while the contraction runs.
 *
 * Order of summation, a matter of the layer's shape alone, so that bits depend neither on the batch nor on threads nor
 * on which FMA instruction set runs: each output is one chain of multiply-adds over the contraction, from its start
 * value.  The forward product of a narrow layer (FNN_NARROW outputs or fewer) has FNN_CHAINS of them instead, chain c
 * over every FNN_CHAINS-th input from c, so that one row need not wait for the latency of each multiply-add. */

typedef REAL FN(vector) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef UNSIGNED FN(lanes) __attribute__((vector_size(FNN_VECTOR_BYTES)));

enum {
    FN(WIDTH) = FNN_VECTOR_BYTES / sizeof(REAL), /* lanes of a vector */
    FN(QUAD) = 16 / sizeof(REAL),                /* lanes of a sixteen-byte piece of it */
    FN(PANEL) = FNN_TILE_VECTORS * FN(WIDTH),    /* columns that are worked on at a time */
    FN(DEPTH) = 256,                             /* of a panel that is copied */
};

/* A product C[M,N] = start + A W, or C += scale A W. */
typedef struct FN(product) {
    const REAL *a;          /* A[M,K]: element (m, k) at m * a_row + k * a_step */
    ptrdiff_t a_row, a_step;
    const REAL *w;          /* W[K,N]: element (k, n) at k * w_row + n; turned: n * w_row + k */
    ptrdiff_t w_row;
    int turned;
    REAL *c;                /* C[M,N] */
    ptrdiff_t c_row;
    const REAL *start;      /* a row of N start values; NULL: zeros */
    int add;                /* C += scale * result, else C = activation(result) */
    REAL scale;
    int activation;         /* FNN_IDENTITY, FNN_RELU or FNN_LEAKY_RELU */
    REAL alpha;
} FN(product);

/* Columns n .. of W, rows k .. end: where they lie, or a copy. */
typedef struct FN(panel) {
    const REAL *w;
    ptrdiff_t w_row;
    ptrdiff_t n, k, end;
    ptrdiff_t count;        /* real columns of the last vector */
    int go_on;              /* C holds the chains so far */
    int last;               /* and will hold the results */
} FN(panel);

#define VECTOR(p) (*(const FN(vector) *)(p))

/* The activations that cost next to nothing, as in fnn_activation.tmpl.h.  Adding 0 makes a sum of -0 one of 0, so that
 * passing over inputs of 0 changes no bit. */
FNN_ELEMENT FN(vector) FN(activate)(const FN(product) *p, FN(vector) z)
{
    z = z + (REAL)0;
    if (p->activation == FNN_IDENTITY)
        return z;
    if (p->activation == FNN_RELU)
        return (FN(vector))((FN(lanes))z & ~(FN(lanes))(z <= 0));
    const FN(lanes) positive = (FN(lanes))(z > 0);
    return (FN(vector))(((FN(lanes))z & positive) | ((FN(lanes))(p->alpha * z) & ~positive));
}

/* Store a vector of results, of which count columns are real. */
FNN_ELEMENT void FN(store)(REAL *out, FN(vector) value, int partial, ptrdiff_t count)
{
    if (partial && count < FN(WIDTH))
        STORE_FIRST(out, value, count);
    else
        *(FN(vector) *)out = value;
}

/* One tile of rows x vectors outputs at row m. */
FNN_ELEMENT void FN(product_tile)(const FN(product) *p, const FN(panel) *q, const int rows, const int vectors,
                                  ptrdiff_t m)
{
    FN(vector) sum[FNN_TILE_ROWS][FNN_TILE_VECTORS];
    const REAL *a = p->a + m * p->a_row;
    const REAL *w = q->w;
    REAL *c = p->c + m * p->c_row + q->n;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            if (q->go_on)
                sum[r][v] = VECTOR(c + r * p->c_row + v * FN(WIDTH));
            else if (p->start)
                sum[r][v] = VECTOR(p->start + q->n + v * FN(WIDTH));
            else
                sum[r][v] = (FN(vector)){0};
        }
    if (p->add) /* what is added to will be there when the sums are */
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                __builtin_prefetch(c + r * p->c_row + v * FN(WIDTH), 1);
    for (ptrdiff_t k = q->k; k < q->end; k++) {
        FN(vector) row[FNN_TILE_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            row[v] = VECTOR(w + k * q->w_row + v * FN(WIDTH));
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
            else if (q->last)
                value = FN(activate)(p, value);
            FN(store)(out, value, v == vectors - 1, q->count);
        }
}

/* All rows of a panel: as many at once as fit into registers, then fewer. */
#define FNN_PANEL(vectors, most)                                                                                       \
    static void FN(product_panel_##vectors)(const FN(product) * p, const FN(panel) * q, ptrdiff_t M)                   \
    {                                                                                                                  \
        ptrdiff_t m = 0;                                                                                               \
        if (most >= 8)                                                                                                 \
            for (; m + 8 <= M; m += 8)                                                                                 \
                FN(product_tile)(p, q, most < 8 ? 1 : 8, vectors, m);                                                  \
        if (most >= 4)                                                                                                 \
            for (; m + 4 <= M; m += 4)                                                                                 \
                FN(product_tile)(p, q, most < 4 ? 1 : 4, vectors, m);                                                  \
        if (most >= 2)                                                                                                 \
            for (; m + 2 <= M; m += 2)                                                                                 \
                FN(product_tile)(p, q, most < 2 ? 1 : 2, vectors, m);                                                  \
        for (; m < M; m++)                                                                                             \
            FN(product_tile)(p, q, 1, vectors, m);                                                                     \
    }
FNN_PANEL(1, FNN_TILE_ROWS)
FNN_PANEL(2, FNN_TILE_ROWS)
#if FNN_TILE_VECTORS > 2
FNN_PANEL(3, FNN_TILE_ROWS)
#endif
#undef FNN_PANEL

static void FN(run_panel)(const FN(product) *p, const FN(panel) *q, ptrdiff_t M, ptrdiff_t vectors)
{
    switch (vectors) {
    case 1:
        FN(product_panel_1)(p, q, M);
        break;
    case 2:
        FN(product_panel_2)(p, q, M);
        break;
#if FNN_TILE_VECTORS > 2
    default:
        FN(product_panel_3)(p, q, M);
#endif
    }
}

/* ---- panels of W that are copied ---- */

/* t[j][l] = w[l * row + j], for WIDTH rows l and QUAD columns j of w. */
FNN_ELEMENT void FN(turn_block)(const REAL *w, ptrdiff_t row, FN(vector) t[FN(QUAD)])
{
    fnn_vector_64 x[FN(QUAD)];
    const ptrdiff_t step = FN(QUAD) * row * (ptrdiff_t)sizeof(REAL);
#pragma GCC unroll 4
    for (int r = 0; r < FN(QUAD); r++)
        x[r] = fnn_gather_pieces((const char *)(w + r * row), step);
#if FNN_BITS == 32
    const fnn_vector_64 low = FNN_INTERLEAVE(32, LOW, x[0], x[1]), low2 = FNN_INTERLEAVE(32, LOW, x[2], x[3]);
    const fnn_vector_64 high = FNN_INTERLEAVE(32, HIGH, x[0], x[1]), high2 = FNN_INTERLEAVE(32, HIGH, x[2], x[3]);
    t[0] = (FN(vector))FNN_INTERLEAVE(64, LOW, low, low2);
    t[1] = (FN(vector))FNN_INTERLEAVE(64, HIGH, low, low2);
    t[2] = (FN(vector))FNN_INTERLEAVE(64, LOW, high, high2);
    t[3] = (FN(vector))FNN_INTERLEAVE(64, HIGH, high, high2);
#else
    t[0] = (FN(vector))FNN_INTERLEAVE(64, LOW, x[0], x[1]);
    t[1] = (FN(vector))FNN_INTERLEAVE(64, HIGH, x[0], x[1]);
#endif
}

/* The same for the last rows of a matrix, of which count exist. */
static void FN(turn_last)(const REAL *w, ptrdiff_t row, ptrdiff_t count, ptrdiff_t depth, REAL *t)
{
    for (ptrdiff_t k = 0; k < depth; k++)
        for (ptrdiff_t l = 0; l < count; l++)
            t[k * FN(PANEL) + l] = w[l * row + k];
}

/* Turn rows k .. end of a panel over into a copy. */
static void FN(turn_panel)(const FN(product) *p, FN(panel) *q, ptrdiff_t N, ptrdiff_t vectors, REAL *copy)
{
    const ptrdiff_t depth = q->end - q->k;
    for (ptrdiff_t v = 0; v < vectors; v++) {
        const ptrdiff_t n = q->n + v * FN(WIDTH);
        const REAL *w = p->w + n * p->w_row + q->k;
        REAL *to = copy + v * FN(WIDTH);
        if (n + FN(WIDTH) > N) {
            FN(turn_last)(w, p->w_row, N - n, depth, to);
            continue;
        }
        for (ptrdiff_t k = 0; k < depth; k += FN(QUAD)) {
            FN(vector) t[FN(QUAD)];
            FN(turn_block)(w + k, p->w_row, t);
#pragma GCC unroll 4
            for (int j = 0; j < FN(QUAD); j++)
                *(FN(vector) *)(to + (k + j) * FN(PANEL)) = t[j];
        }
    }
    q->w = copy - q->k * FN(PANEL);
    q->w_row = FN(PANEL);
}

/* Run a product panel by panel, in blocks of the contraction that stay in cache. */
static void FN(run_product)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    REAL copy[(FN(DEPTH) + FN(QUAD)) * FN(PANEL)] __attribute__((aligned(64)));
    const ptrdiff_t block = p->turned || N * (ptrdiff_t)sizeof(REAL) >= 4096 ? FN(DEPTH) : 4 * FN(DEPTH);
    FN(panel) q = {.k = 0};
    do {
        q.end = K - q.k > block ? q.k + block : K;
        q.go_on = q.k > 0 && !p->add;
        q.last = q.end == K;
        q.n = 0;
        while (q.n < N) {
            const ptrdiff_t left = (N - q.n + FN(WIDTH) - 1) / FN(WIDTH);
            ptrdiff_t take = left < FNN_TILE_VECTORS ? left : FNN_TILE_VECTORS;
            if (left == 4 && FNN_TILE_VECTORS == 3)
                take = 2;
            const ptrdiff_t columns = N - q.n - (take - 1) * FN(WIDTH);
            q.count = columns < FN(WIDTH) ? columns : FN(WIDTH);
            q.w = p->w + q.n;
            q.w_row = p->w_row;
            if (p->turned)
                FN(turn_panel)(p, &q, N, take, copy);
            FN(run_panel)(p, &q, M, take);
            q.n += take * FN(WIDTH);
        }
        q.k = q.end;
    } while (q.k < K);
}

/* ---- narrow layers: FNN_CHAINS chains for each output of a row ---- */

/* rows x vectors outputs at (m, n). */
FNN_ELEMENT void FN(narrow_tile)(const FN(product) *p, const int rows, const int vectors, ptrdiff_t m, ptrdiff_t n,
                                 ptrdiff_t K, ptrdiff_t count)
{
    FN(vector) sum[FNN_CHAINS][FNN_NARROW_ROWS][2];
    const REAL *a = p->a + m * p->a_row;
    const REAL *w = p->w + n;
    ptrdiff_t k = 0;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 4
            for (int chain = 0; chain < FNN_CHAINS; chain++)
                sum[chain][r][v] = (FN(vector)){0};
            if (p->start)
                sum[0][r][v] = VECTOR(p->start + n + v * FN(WIDTH));
        }
    for (; k + FNN_CHAINS <= K; k += FNN_CHAINS)
#pragma GCC unroll 4
        for (int chain = 0; chain < FNN_CHAINS; chain++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                const FN(vector) row = VECTOR(w + (k + chain) * p->w_row + v * FN(WIDTH));
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++)
                    sum[chain][r][v] = a[r * p->a_row + k + chain] * row + sum[chain][r][v];
            }
#pragma GCC unroll 4
    for (int chain = 0; chain < FNN_CHAINS - 1; chain++)
        if (k + chain < K)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                const FN(vector) row = VECTOR(w + (k + chain) * p->w_row + v * FN(WIDTH));
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++)
                    sum[chain][r][v] = a[r * p->a_row + k + chain] * row + sum[chain][r][v];
            }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            FN(store)(p->c + (m + r) * p->c_row + n + v * FN(WIDTH),
                      FN(activate)(p, (sum[0][r][v] + sum[2][r][v]) + (sum[1][r][v] + sum[3][r][v])),
                      v == vectors - 1, count);
}

static void FN(run_narrow)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    for (ptrdiff_t n = 0; n < N; n += 2 * FN(WIDTH)) {
        const int two = N - n > FN(WIDTH);
        const ptrdiff_t left = N - n - (two ? FN(WIDTH) : 0);
        const ptrdiff_t count = left < FN(WIDTH) ? left : FN(WIDTH);
        ptrdiff_t m = 0;
        if (two) {
            for (; m + FNN_NARROW_ROWS / 2 <= M; m += FNN_NARROW_ROWS / 2)
                FN(narrow_tile)(p, FNN_NARROW_ROWS / 2, 2, m, n, K, count);
            for (; m < M; m++)
                FN(narrow_tile)(p, 1, 2, m, n, K, count);
        }
        for (; m + FNN_NARROW_ROWS <= M; m += FNN_NARROW_ROWS)
            FN(narrow_tile)(p, FNN_NARROW_ROWS, 1, m, n, K, count);
        for (; m < M; m++)
            FN(narrow_tile)(p, 1, 1, m, n, K, count);
    }
}

/* ---- one row ---- */

/* Columns n .. of one row, over all inputs k .. end or over those listed. */
FNN_ELEMENT void FN(row_tile)(const FN(product) *p, const FN(panel) *q, const int vectors, const int32_t *list)
{
    FN(vector) sum[8];
    const REAL *w = p->w + q->n;
    REAL *c = p->c + q->n;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        sum[v] = q->go_on ? VECTOR(c + v * FN(WIDTH)) : p->start ? VECTOR(p->start + q->n + v * FN(WIDTH)) : (FN(vector)){0};
    for (ptrdiff_t k = q->k; k < q->end; k++) {
        const ptrdiff_t input = list ? list[k] : k;
        const REAL x = p->a[input];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sum[v] = x * VECTOR(w + input * p->w_row + v * FN(WIDTH)) + sum[v];
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        FN(store)(c + v * FN(WIDTH), q->last ? FN(activate)(p, sum[v]) : sum[v], v == vectors - 1, q->count);
}

/* The columns of one row, eight vectors at a time so that their latencies overlap. */
FNN_ELEMENT void FN(row_columns)(const FN(product) *p, FN(panel) *q, ptrdiff_t N, const int32_t *list)
{
    for (q->n = 0; q->n < N;) {
        const ptrdiff_t left = (N - q->n + FN(WIDTH) - 1) / FN(WIDTH);
        const ptrdiff_t take = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const ptrdiff_t columns = N - q->n - (take - 1) * FN(WIDTH);
        q->count = columns < FN(WIDTH) ? columns : FN(WIDTH);
        if (take == 8)
            FN(row_tile)(p, q, 8, list);
        else if (take == 4)
            FN(row_tile)(p, q, 4, list);
        else if (take == 2)
            FN(row_tile)(p, q, 2, list);
        else
            FN(row_tile)(p, q, 1, list);
        q->n += take * FN(WIDTH);
    }
}

/* One row of the forward product, in blocks of inputs.  Rows of W that meet an input of 0 are not read where there are
 * enough of them to pay for the list of the others. */
static void FN(run_row)(const FN(product) *p, ptrdiff_t N, ptrdiff_t K)
{
    enum { BLOCK = 1024 };
    int32_t list[BLOCK];
    FN(product) block = *p;
    FN(panel) q = {.k = 0};
    for (ptrdiff_t first = 0; first == 0 || first < K; first += BLOCK) {
        const ptrdiff_t size = K - first < BLOCK ? K - first : BLOCK;
        ptrdiff_t nonzero = size;
        block.a = p->a + first;
        block.w = p->w + first * p->w_row;
        q.go_on = first > 0;
        q.last = first + BLOCK >= K;
        if (N >= 2 * FN(WIDTH) && size >= 32) {
            UNSIGNED zeros = 0;
            for (ptrdiff_t k = 0; k < size; k++)
                zeros += block.a[k] == 0;
            nonzero -= (ptrdiff_t)zeros;
        }
        if (4 * (size - nonzero) > size) {
            nonzero = 0;
            for (ptrdiff_t k = 0; k < size; k++) {
                list[nonzero] = (int32_t)k;
                nonzero += block.a[k] != 0;
            }
            q.end = nonzero;
            FN(row_columns)(&block, &q, N, list);
        } else {
            q.end = size;
            FN(row_columns)(&block, &q, N, NULL);
        }
    }
}

/* dx of one row at inputs i .. i + vectors * WIDTH: W is turned over in registers, a cache line of each row at a time. */
FNN_ELEMENT void FN(row_gradient_tile)(const int vectors, ptrdiff_t O, ptrdiff_t w_row, const REAL *dy, const REAL *w,
                                       REAL *dx)
{
    enum { LINE = 64 / sizeof(REAL) };
    FN(vector) sum[2], t[FN(QUAD)];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        sum[v] = (FN(vector)){0};
    for (ptrdiff_t line = 0; line < O; line += LINE)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const ptrdiff_t end = O - line < LINE ? O : line + LINE;
            ptrdiff_t o = line;
            for (; o + FN(QUAD) <= end; o += FN(QUAD)) {
                FN(turn_block)(w + v * FN(WIDTH) * w_row + o, w_row, t);
#pragma GCC unroll 4
                for (int j = 0; j < FN(QUAD); j++)
                    sum[v] = dy[o + j] * t[j] + sum[v];
            }
            if (o < end) {
                FN(turn_block)(w + v * FN(WIDTH) * w_row + o, w_row, t);
#pragma GCC unroll 4
                for (int j = 0; j < FN(QUAD) - 1; j++)
                    if (o + j < end)
                        sum[v] = dy[o + j] * t[j] + sum[v];
            }
        }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        *(FN(vector) *)(dx + v * FN(WIDTH)) = sum[v] + (REAL)0;
}

static void FN(row_gradient)(ptrdiff_t I, ptrdiff_t O, ptrdiff_t w_row, const REAL *dy, const REAL *w, REAL *dx)
{
    ptrdiff_t i = 0;
    for (; i + 2 * FN(WIDTH) <= I; i += 2 * FN(WIDTH))
        FN(row_gradient_tile)(2, O, w_row, dy, w + i * w_row, dx + i);
    for (; i + FN(WIDTH) <= I; i += FN(WIDTH))
        FN(row_gradient_tile)(1, O, w_row, dy, w + i * w_row, dx + i);
    for (; i < I; i++) {
        REAL sum = 0;
        for (ptrdiff_t o = 0; o < O; o++)
            sum = FMA(dy[o], w[i * w_row + o], sum);
        dx[i] = sum + 0;
    }
}

/* dw += scale * x^T dy, row by row of dw, past those whose input is 0. */
static void FN(rank_one)(ptrdiff_t I, ptrdiff_t O, ptrdiff_t w_row, REAL scale, const REAL *x, const REAL *dy, REAL *dw)
{
    for (ptrdiff_t i = 0; i < I; i++) {
        REAL *row = dw + i * w_row;
        const REAL factor = scale * x[i]; /* a copy: for all the compiler knows, x could lie within dw */
        if (x[i] == 0)
            continue;
        INDEPENDENT
        for (ptrdiff_t o = 0; o < O; o++)
            row[o] = FMA(factor, dy[o], row[o]);
    }
}

/* ---- the kernels ---- */

/* The gradient of biases: that of the weights of an input that is always 1. */
static void FN(fnn_add_row_sum)(ptrdiff_t B, ptrdiff_t O, double scale, const fnn_real *x, fnn_real *out)
{
    static const REAL ONE = 1;
    const FN(product) p = {.a = &ONE, .w = x, .w_row = O, .c = out, .add = 1, .scale = (REAL)scale};
    FN(run_product)(&p, 1, O, B);
}

static void FN(fnn_product_forward)(const fnn_shape *s, const fnn_real *x, const fnn_real *w, const fnn_real *bias,
                                    int activation, double alpha, fnn_real *y)
{
    const FN(product) p = {.a = x, .a_row = s->x_row, .a_step = 1, .w = w, .w_row = s->w_row, .c = y,
                           .c_row = s->y_row, .start = bias, .activation = activation, .alpha = (REAL)alpha};
    if (s->w_row <= FNN_NARROW)
        FN(run_narrow)(&p, s->batch, s->outputs, s->inputs);
    else if (s->batch == 1)
        FN(run_row)(&p, s->outputs, s->inputs);
    else
        FN(run_product)(&p, s->batch, s->outputs, s->inputs);
}

static void FN(fnn_product_input_gradient)(const fnn_shape *s, const fnn_real *dy, const fnn_real *w, fnn_real *dx)
{
    const FN(product) p = {.a = dy, .a_row = s->y_row, .a_step = 1, .w = w, .w_row = s->w_row, .turned = 1, .c = dx,
                           .c_row = s->x_row};
    if (s->batch == 1)
        FN(row_gradient)(s->inputs, s->outputs, s->w_row, dy, w, dx);
    else
        FN(run_product)(&p, s->batch, s->inputs, s->outputs);
}

static void FN(fnn_product_weight_gradient)(const fnn_shape *s, double scale, const fnn_real *x, const fnn_real *dy,
                                            fnn_real *dw)
{
    const FN(product) p = {.a = x, .a_row = 1, .a_step = s->x_row, .w = dy, .w_row = s->y_row, .c = dw,
                           .c_row = s->w_row, .add = 1, .scale = (REAL)scale};
    if (s->batch == 1)
        FN(rank_one)(s->inputs, s->outputs, s->w_row, (REAL)scale, x, dy, dw);
    else
        FN(run_product)(&p, s->inputs, s->outputs, s->batch);
}

static void FN(fnn_product_row_gradients)(const fnn_shape *s, double scale, const fnn_real *x, const fnn_real *dy,
                                          const fnn_real *w, fnn_real *dx, fnn_real *dw)
{
    enum { ROWS = 4 * FN(WIDTH) }; /* few enough to be in the nearest cache still when their turn to change comes */
    for (ptrdiff_t i = 0; i < s->inputs; i += ROWS) {
        const ptrdiff_t count = s->inputs - i < ROWS ? s->inputs - i : ROWS;
        FN(row_gradient)(count, s->outputs, s->w_row, dy, (const REAL *)w + i * s->w_row, (REAL *)dx + i);
        FN(rank_one)(count, s->outputs, s->w_row, (REAL)scale, (const REAL *)x + i, dy, (REAL *)dw + i * s->w_row);
    }
}

#undef VECTOR
