/* A tile of outputs, which stays in registers while the contraction runs.
 *
 * Order of summation, a matter of the layer's shape alone, so that bits depend neither on threads nor on which FMA
 * instruction set runs: each output is one chain of multiply-adds over the contraction, from its start value.  A weight
 * gradient is the sum of one such chain for every FNN_BATCH_BLOCK rows of the batch, added up in their order.  The
 * forward product of a narrow layer (FNN_NARROW outputs or fewer) has FNN_CHAINS chains, chain c over every
 * FNN_CHAINS-th input from c, so that one row need not wait for the latency of each multiply-add. */

typedef REAL FN(vector) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef UNSIGNED FN(lanes) __attribute__((vector_size(FNN_VECTOR_BYTES)));

enum {
    FN(WIDTH) = FNN_VECTOR_BYTES / sizeof(REAL), /* lanes of a vector */
    FN(QUAD) = 16 / sizeof(REAL),                /* lanes of a sixteen-byte piece of it */
    FN(PANEL) = FNN_TILE_VECTORS * FN(WIDTH),    /* columns that are worked on at a time */
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
    const REAL *w;          /* row k of it */
    ptrdiff_t w_row;
    ptrdiff_t n, k, end;
    ptrdiff_t count;        /* real columns of the last vector */
    int go_on;              /* C holds the chains so far */
    int last;               /* and will hold the results */
    REAL *copy;             /* where the first tile leaves a copy, rows PANEL apart; NULL: nowhere */
    fnn_ahead ahead;        /* what the tiles fetch meanwhile: the next panel */
} FN(panel);

#define VECTOR(p) (*(const FN(vector) *)(p))

/* sum += x * y in the register where sum is: left to itself GCC moves some sums to and fro in every turn of a loop. */
#if defined(__x86_64__) && FNN_FMA && FNN_BITS == 32
#define ADD_PRODUCT(sum, x, y) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y))
#elif defined(__x86_64__) && FNN_FMA
#define ADD_PRODUCT(sum, x, y) __asm__("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y))
#else
#define ADD_PRODUCT(sum, x, y) ((sum) = (x) * (y) + (sum))
#endif

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

/* One tile of rows x vectors outputs at row m.  The first of a panel copies it on its way: the stores cost nothing beside
 * the multiply-adds. */
FNN_ELEMENT void FN(product_tile)(const FN(product) *p, const FN(panel) *q, const int rows, const int vectors,
                                  const int copies, ptrdiff_t m)
{
    FN(vector) sum[FNN_TILE_ROWS][FNN_TILE_VECTORS];
    const ptrdiff_t a_row = p->a_row, a_step = p->a_step, w_row = q->w_row, c_row = p->c_row;
    const REAL *a = p->a + m * a_row + q->k * a_step;
    const REAL *w = q->w;
    REAL *copy = q->copy;
    REAL *c = p->c + m * c_row + q->n;
    UNROLLED_EACH(12, r, rows)
        UNROLLED_EACH(8, v, vectors) {
            if (q->go_on)
                sum[r][v] = VECTOR(c + r * c_row + v * FN(WIDTH));
            else if (p->start)
                sum[r][v] = VECTOR(p->start + (m + r) * p->start_row + q->n + v * FN(WIDTH));
            else
                sum[r][v] = (FN(vector)){0};
        }
    if (p->add || q->go_on) { /* what is added to is there when it is wanted: here at the end, in the next tile at once */
        const REAL *ahead = p->add ? c : c + rows * c_row;
        UNROLLED_EACH(12, r, rows)
            UNROLLED(8)
            for (int v = 0; v < vectors; v += 64 / FNN_VECTOR_BYTES)
                __builtin_prefetch(ahead + r * c_row + v * FN(WIDTH), 1);
    }
    for (ptrdiff_t k = q->end - q->k; k > 0; k--) {
        FN(vector) row[FNN_TILE_VECTORS];
        UNROLLED_EACH(8, v, vectors)
            row[v] = VECTOR(w + v * FN(WIDTH));
        if (copies) { /* rows far apart, which the processor does not fetch by itself */
            UNROLLED(8)
            for (int v = 0; v < vectors; v += 64 / FNN_VECTOR_BYTES)
                __builtin_prefetch(w + FNN_ROWS_AHEAD * w_row + v * FN(WIDTH));
        }
        w += w_row;
        if (copies) {
            UNROLLED_EACH(8, v, vectors)
                *(FN(vector) *)(copy + v * FN(WIDTH)) = row[v];
            copy += FN(PANEL);
        }
        UNROLLED_EACH(12, r, rows) {
            const FN(vector) x = a[r * a_row] - (FN(vector)){0};
            UNROLLED_EACH(8, v, vectors)
                ADD_PRODUCT(sum[r][v], x, row[v]);
        }
        a += a_step;
    }
    UNROLLED_EACH(12, r, rows)
        UNROLLED_EACH(8, v, vectors) {
            REAL *out = c + r * c_row + v * FN(WIDTH);
            FN(vector) value = sum[r][v];
            if (p->add)
                value = p->scale * value + VECTOR(out);
            else if (q->last)
                value = FN(activate)(p, value);
            FN(store)(out, value, v == vectors - 1, q->count);
        }
}

/* The tiles of this instruction set: functions that compute ``count`` of them, and tables by vectors and rows. */
typedef void (*FN(tile))(const FN(product) *p, FN(panel) *q, ptrdiff_t m, ptrdiff_t count);
#define FNN_TILE(rows, vectors)                                                                                        \
    static void FN(tile_##rows##_##vectors)(const FN(product) * p, FN(panel) * q, ptrdiff_t m, ptrdiff_t count)        \
    {                                                                                                                  \
        for (; count > 0; count--, m += rows) {                                                                        \
            fnn_fetch(&q->ahead, rows);                                                                                \
            FN(product_tile)(p, q, rows, vectors, 0, m);                                                               \
        }                                                                                                              \
    }
#define FNN_FIRST_TILE(rows, vectors)                                                                                  \
    static void FN(first_tile_##vectors)(const FN(product) * p, FN(panel) * q, ptrdiff_t m, ptrdiff_t count)           \
    {                                                                                                                  \
        FN(product_tile)(p, q, rows, vectors, 1, m);                                                                   \
    }
#define FNN_TILE_ENTRY(rows, vectors) [vectors][rows] = FN(tile_##rows##_##vectors),
#define FNN_FIRST_TILE_ENTRY(rows, vectors) [vectors] = FN(first_tile_##vectors),
#define FNN_MOST_ROWS(rows, vectors) [vectors] = rows,
FNN_TILES(FNN_TILE)
FNN_LARGEST_TILES(FNN_TILE)
FNN_LARGEST_TILES(FNN_FIRST_TILE)
static const FN(tile) FN(TILES)[FNN_TILE_VECTORS + 1][FNN_TILE_ROWS + 1] = {FNN_TILES(FNN_TILE_ENTRY)
                                                                                FNN_LARGEST_TILES(FNN_TILE_ENTRY)};
static const FN(tile) FN(FIRST_TILES)[FNN_TILE_VECTORS + 1] = {FNN_LARGEST_TILES(FNN_FIRST_TILE_ENTRY)};
static const int FN(MOST_ROWS)[FNN_TILE_VECTORS + 1] = {FNN_LARGEST_TILES(FNN_MOST_ROWS)};
#undef FNN_TILE
#undef FNN_FIRST_TILE
#undef FNN_TILE_ENTRY
#undef FNN_FIRST_TILE_ENTRY
#undef FNN_MOST_ROWS
