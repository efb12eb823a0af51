/* How fast this instruction set can go: the limits that benchmarks compare with.  Work is stated in the header; who
 * calls measures the time. */

/* Chains that hide the latency of a multiply-add on two units, and leave registers for its two operands. */
#ifndef FNN_PROBE_VECTORS
#if FNN_VECTOR_BYTES == 64 || defined(__aarch64__)
#define FNN_PROBE_VECTORS 16 /* of 32 registers */
#else
#define FNN_PROBE_VECTORS 12 /* of 16 */
#endif
#define FNN_PROBE_READS 8
#endif

typedef REAL FN(probe_vector) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
enum { FN(PROBE_LANES) = FNN_VECTOR_BYTES / sizeof(REAL) };

static double FN(fnn_probe_multiply_add)(ptrdiff_t N, double factor, double addend, ptrdiff_t *chains)
{
    FN(probe_vector) x[FNN_PROBE_VECTORS];
    const FN(probe_vector) by = (REAL)factor + (FN(probe_vector)){0}, plus = (REAL)addend + (FN(probe_vector)){0};
    double sum = 0;
    for (int v = 0; v < FNN_PROBE_VECTORS; v++)
        for (int l = 0; l < FN(PROBE_LANES); l++)
            x[v][l] = (REAL)(v * FN(PROBE_LANES) + l);
    for (ptrdiff_t n = 0; n < N; n++)
#pragma GCC unroll 16
        for (int v = 0; v < FNN_PROBE_VECTORS; v++)
            x[v] = by * x[v] + plus;
    for (int v = 0; v < FNN_PROBE_VECTORS; v++)
        for (int l = 0; l < FN(PROBE_LANES); l++)
            sum += (double)x[v][l];
    *chains = FNN_PROBE_VECTORS * FN(PROBE_LANES);
    return sum;
}

static double FN(fnn_probe_read)(ptrdiff_t repeats, ptrdiff_t N, const fnn_real *x)
{
    const REAL *in = x;
    FN(probe_vector) lane[FNN_PROBE_READS] = {{0}};
    REAL rest = 0;
    double sum;
    for (ptrdiff_t r = 0; r < repeats; r++) {
        ptrdiff_t n = 0;
        for (; n + FNN_PROBE_READS * FN(PROBE_LANES) <= N; n += FNN_PROBE_READS * FN(PROBE_LANES))
#pragma GCC unroll 8
            for (int v = 0; v < FNN_PROBE_READS; v++) /* volatile: in rising order; else L2 gave half its rate */
                lane[v] += *(const volatile FN(probe_vector) *)(in + n + v * FN(PROBE_LANES));
        for (; n < N; n++)
            rest += in[n];
    }
    sum = (double)rest;
    for (int v = 0; v < FNN_PROBE_READS; v++)
        for (int l = 0; l < FN(PROBE_LANES); l++)
            sum += (double)lane[v][l];
    return sum;
}
