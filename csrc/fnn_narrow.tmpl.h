/* The forward product of a narrow layer: FNN_CHAINS chains for each output of a row. */

/* Add input k of each row to one of its chains. */
FNN_ELEMENT void FN(narrow_input)(const FN(product) *p, const int rows, const int vectors, const REAL *a, const REAL *w,
                                  ptrdiff_t k, FN(vector) sum[FNN_NARROW_ROWS][2])
{
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const FN(vector) row = VECTOR(w + k * p->w_row + v * FN(WIDTH));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sum[r][v] = a[r * p->a_row + k] * row + sum[r][v];
    }
}

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
            FN(narrow_input)(p, rows, vectors, a, w, k + chain, sum[chain]);
#pragma GCC unroll 4
    for (int chain = 0; chain < FNN_CHAINS - 1; chain++)
        if (k + chain < K)
            FN(narrow_input)(p, rows, vectors, a, w, k + chain, sum[chain]);
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
