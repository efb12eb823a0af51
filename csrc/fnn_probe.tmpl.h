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

static double FN(fnn_probe_multiply_add)(ptrdiff_t N, double factor, double addend, ptrdiff_t *chains)
{
    FN(vector) x[FNN_PROBE_VECTORS];
    const FN(vector) by = (REAL)factor + (FN(vector)){0}, plus = (REAL)addend + (FN(vector)){0};
    double sum = 0;
    for (int v = 0; v < FNN_PROBE_VECTORS; v++)
        for (int l = 0; l < FN(WIDTH); l++)
            x[v][l] = (REAL)(v * FN(WIDTH) + l);
    for (ptrdiff_t n = 0; n < N; n++)
        UNROLLED_EACH(16, v, FNN_PROBE_VECTORS)
            x[v] = by * x[v] + plus;
    for (int v = 0; v < FNN_PROBE_VECTORS; v++)
        for (int l = 0; l < FN(WIDTH); l++)
            sum += (double)x[v][l];
    *chains = FNN_PROBE_VECTORS * FN(WIDTH);
    return sum;
}

static double FN(fnn_probe_read)(ptrdiff_t repeats, ptrdiff_t N, const fnn_real *x)
{
    const REAL *in = x;
    FN(vector) lane[FNN_PROBE_READS] = {{0}};
    REAL rest = 0;
    double sum;
    for (ptrdiff_t r = 0; r < repeats; r++) {
        ptrdiff_t n = 0;
        for (; n + FNN_PROBE_READS * FN(WIDTH) <= N; n += FNN_PROBE_READS * FN(WIDTH))
            UNROLLED_EACH(8, v, FNN_PROBE_READS) /* volatile: in rising order; else L2 gave half its rate */
                lane[v] += *(const volatile FN(vector) *)(in + n + v * FN(WIDTH));
        for (; n < N; n++)
            rest += in[n];
    }
    sum = (double)rest;
    for (int v = 0; v < FNN_PROBE_READS; v++)
        for (int l = 0; l < FN(WIDTH); l++)
            sum += (double)lane[v][l];
    return sum;
}
