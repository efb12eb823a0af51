/* Products by panels: the columns of W that fill the registers, over a block of the contraction that stays in cache. */

/* As turn_block, for the last rows of a matrix, of which count exist. */
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
    q->w = copy;
    q->w_row = FN(PANEL);
}

/* What is to be fetched of columns n .. n + columns of W, while rows of outputs are computed. */
static fnn_ahead FN(next_panel)(const FN(product) *p, const FN(panel) *q, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t rows)
{
    enum { LINE = 64 };
    const ptrdiff_t row = p->w_row * (ptrdiff_t)sizeof(REAL), depth = q->end - q->k;
    const ptrdiff_t count = p->turned ? columns : depth, wide = p->turned ? depth : columns;
    const REAL *first = p->turned ? p->w + n * p->w_row + q->k : p->w + q->k * p->w_row + n;
    return (fnn_ahead){.row = (const char *)first, .step = row, .rows = count,
                       .lines = (wide * (ptrdiff_t)sizeof(REAL) + LINE - 1) / LINE + 1,
                       .share = (16 * count + rows - 1) / rows};
}

/* Rows of the next tile, and how many such follow, so that no small one is left to the end. */
static ptrdiff_t FN(next_tiles)(ptrdiff_t vectors, ptrdiff_t left, ptrdiff_t *count)
{
    const ptrdiff_t most = FN(MOST_ROWS)[vectors];
    ptrdiff_t rows = left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
    if (!FN(TILES)[vectors][rows])
        rows = (rows + 1) / 2;
    *count = left >= 2 * most ? left / most - (left % most != 0) : 1;
    return rows;
}

/* Rows m .. M of a panel. */
static void FN(run_panel)(const FN(product) *p, FN(panel) *q, ptrdiff_t m, ptrdiff_t M, ptrdiff_t vectors)
{
    if (q->copy) {
        FN(FIRST_TILES)[vectors](p, q, m, 1);
        q->w = q->copy;
        q->w_row = FN(PANEL);
        m += FN(MOST_ROWS)[vectors];
    }
    while (m < M) {
        ptrdiff_t count;
        const ptrdiff_t rows = FN(next_tiles)(vectors, M - m, &count);
        FN(TILES)[vectors][rows](p, q, m, count);
        m += rows * count;
    }
}

/* Columns n .. of a panel: how many vectors of them. */
static ptrdiff_t FN(panel_vectors)(ptrdiff_t columns)
{
    const ptrdiff_t left = (columns + FN(WIDTH) - 1) / FN(WIDTH);
    if (left == FNN_TILE_VECTORS + 1) /* a panel of one vector leaves most registers empty */
        return (left + 1) / 2;
    return left < FNN_TILE_VECTORS ? left : FNN_TILE_VECTORS;
}

/* Rows m .. M of outputs over rows k .. end of W. */
static void FN(run_block)(const FN(product) *p, FN(panel) *q, ptrdiff_t m, ptrdiff_t M, ptrdiff_t N, int copies, int fetches,
                          REAL *copy)
{
    for (q->n = 0; q->n < N;) {
        const ptrdiff_t vectors = FN(panel_vectors)(N - q->n), columns = N - q->n - (vectors - 1) * FN(WIDTH);
        const ptrdiff_t next = q->n + vectors * FN(WIDTH);
        q->count = columns < FN(WIDTH) ? columns : FN(WIDTH);
        q->w = p->w + q->k * p->w_row + q->n;
        q->w_row = p->w_row;
        q->copy = copies ? copy : NULL;
        if (p->turned)
            FN(turn_panel)(p, q, N, vectors, copy);
        if (fetches && next < N)
            q->ahead = FN(next_panel)(p, q, next, N - next < FN(PANEL) ? N - next : FN(PANEL), M - m);
        FN(run_panel)(p, q, m, M, vectors);
        q->n = next;
    }
}

/* Copy columns m .. M of rows k .. end of A, which lie side by side, to rows GROUP apart. */
static void FN(copy_group)(const FN(product) *p, const FN(panel) *q, ptrdiff_t m, ptrdiff_t M, ptrdiff_t group, REAL *copy)
{
    for (ptrdiff_t k = q->k; k < q->end; k++, copy += group) {
        const REAL *from = p->a + k * p->a_step + m;
        EACH(i, M - m)
            copy[i] = from[i];
    }
}

/* A product in blocks of the contraction and of rows, whose parts of W and of A stay in cache while they are used. */
static void FN(run_product)(const FN(product) *p, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K)
{
    enum { GROUP = FNN_GROUP_BYTES / sizeof(REAL), DEPTH = FNN_DEPTH > FNN_BATCH_BLOCK ? FNN_DEPTH : FNN_BATCH_BLOCK };
    REAL copy[(DEPTH + FN(QUAD)) * FN(PANEL)] __attribute__((aligned(64)));
    REAL group[GROUP * FNN_BATCH_BLOCK] __attribute__((aligned(64)));
    const ptrdiff_t row_bytes = p->w_row * (ptrdiff_t)sizeof(REAL);
    /* W is best read where it lies if all of it is near, or few rows of outputs use it; but rows far apart crowd into a few
     * places of a cache. */
    const int near = K * row_bytes <= FNN_NEAR_BYTES;
    const int copies = !p->turned && !near && M >= 2 * FNN_TILE_ROWS && (M >= FNN_COPY_ROWS || row_bytes > FNN_CROWDED_BYTES);
    const ptrdiff_t most = copies || p->turned ? FNN_DEPTH : 4 * FNN_DEPTH;
    const ptrdiff_t blocks = (K + most - 1) / most;
    const ptrdiff_t depth = p->add ? FNN_BATCH_BLOCK : blocks > 1 ? ((K + blocks - 1) / blocks + 3) / 4 * 4 : K;
    /* Inputs of a batch that lie in more pages than the processor knows by heart. */
    const int groups = p->add && copies && p->a_row == 1 && N >= 4 * FN(PANEL) &&
                       (K < depth ? K : depth) * p->a_step * (ptrdiff_t)sizeof(REAL) > FNN_PAGES * 4096;
    const ptrdiff_t rows = groups ? GROUP : FNN_BLOCK_BYTES / (ptrdiff_t)sizeof(REAL) / (K < depth ? K + 1 : depth);
    FN(panel) q = {.k = 0};
    do {
        q.end = K - q.k > depth ? q.k + depth : K;
        q.go_on = q.k > 0 && !p->add;
        q.last = q.end == K;
        for (ptrdiff_t m = 0; m < M;) {
            const ptrdiff_t end = M - m > rows + (groups ? 0 : rows / 2) ? m + rows : M;
            FN(product) part = *p;
            if (groups) {
                FN(copy_group)(p, &q, m, end, GROUP, group);
                part.a = group - m - q.k * GROUP;
                part.a_step = GROUP;
            }
            FN(run_block)(&part, &q, m, end, N, copies && end - m >= FNN_TILE_ROWS, (copies || p->turned) && !near, copy);
            m = end;
        }
        q.k = q.end;
    } while (q.k < K);
}
