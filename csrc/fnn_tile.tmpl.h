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
    const REAL *start;      /* N start values for row m at m * start_row; NULL: zeros */
    ptrdiff_t start_row;
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
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors) {
            if (q->go_on)
                sum[r][v] = VECTOR(c + r * p->c_row + v * FN(WIDTH));
            else if (p->start)
                sum[r][v] = VECTOR(p->start + (m + r) * p->start_row + q->n + v * FN(WIDTH));
            else
                sum[r][v] = (FN(vector)){0};
        }
    if (p->add) /* what is added to will be there when the sums are */
        UNROLLED_EACH(8, r, rows)
            UNROLLED_EACH(8, v, vectors)
                __builtin_prefetch(c + r * p->c_row + v * FN(WIDTH), 1);
    for (ptrdiff_t k = q->k; k < q->end; k++) {
        FN(vector) row[FNN_TILE_VECTORS];
        UNROLLED_EACH(8, v, vectors)
            row[v] = VECTOR(w + k * q->w_row + v * FN(WIDTH));
        UNROLLED_EACH(8, r, rows) {
            const REAL x = a[r * p->a_row + k * p->a_step];
            UNROLLED_EACH(8, v, vectors)
                sum[r][v] = x * row[v] + sum[r][v];
        }
    }
    UNROLLED_EACH(8, r, rows)
        UNROLLED_EACH(8, v, vectors) {
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

/* Turn over the pieces of QUAD vectors: element j of piece g of x[i] becomes element i of piece g of t[j]. */
FNN_ELEMENT void FN(turn_pieces)(const fnn_vector_64 x[FN(QUAD)], FN(vector) t[FN(QUAD)])
{
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

/* t[j][l] = w[l * row + j], for WIDTH rows l and QUAD columns j of w. */
FNN_ELEMENT void FN(turn_block)(const REAL *w, ptrdiff_t row, FN(vector) t[FN(QUAD)])
{
    fnn_vector_64 x[FN(QUAD)];
    const ptrdiff_t step = FN(QUAD) * row * (ptrdiff_t)sizeof(REAL);
    UNROLLED_EACH(4, r, FN(QUAD))
        x[r] = fnn_gather_pieces((const char *)(w + r * row), step);
    FN(turn_pieces)(x, t);
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
            UNROLLED_EACH(4, j, FN(QUAD))
                *(FN(vector) *)(to + (k + j) * FN(PANEL)) = t[j];
        }
    }
    q->w = copy - q->k * FN(PANEL);
    q->w_row = FN(PANEL);
}

/* Copy rows k .. end of a panel to where they lie side by side. */
static void FN(copy_panel)(FN(panel) *q, ptrdiff_t vectors, REAL *copy)
{
    for (ptrdiff_t k = q->k; k < q->end; k++)
        for (ptrdiff_t v = 0; v < vectors; v++)
            *(FN(vector) *)(copy + (k - q->k) * FN(PANEL) + v * FN(WIDTH)) = VECTOR(q->w + k * q->w_row + v * FN(WIDTH));
    q->w = copy - q->k * FN(PANEL);
    q->w_row = FN(PANEL);
}

/* Run a product panel by panel, in blocks of the contraction that stay in cache. */
static void FN(run_product)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    REAL copy[(FN(DEPTH) + FN(QUAD)) * FN(PANEL)] __attribute__((aligned(64)));
    /* Rows that lie a power of two apart all want the same few places of a cache. */
    const int crowded = !p->turned && p->w_row * (ptrdiff_t)sizeof(REAL) % FNN_CROWDED_BYTES == 0 && M >= FNN_CROWDED_ROWS;
    const ptrdiff_t block =
        p->turned || crowded || N * (ptrdiff_t)sizeof(REAL) >= 4096 ? FN(DEPTH) : 4 * FN(DEPTH);
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
            else if (crowded)
                FN(copy_panel)(&q, take, copy);
            FN(run_panel)(p, &q, M, take);
            q.n += take * FN(WIDTH);
        }
        q.k = q.end;
    } while (q.k < K);
}
