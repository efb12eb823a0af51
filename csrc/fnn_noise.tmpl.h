/* Normal noise of a counter-based stream [Box & Muller 1958], of vector code: no libm, so that its bits are everyone's. */

/* cos and sin of pi/4 t for |t| <= 1, to the last digits of double: their Taylor series. */
static const REAL FN(COSINE)[] = {
    (REAL)1.0, (REAL)-0.30842513753404244, (REAL)0.0158543442438155, (REAL)-0.00032599188692738996,
    (REAL)3.590860448591509e-06, (REAL)-2.461136950494199e-08, (REAL)1.1501159127974046e-10, (REAL)-3.8980731712596733e-13,
};
static const REAL FN(SINE)[] = {
    (REAL)0.7853981633974483, (REAL)-0.08074551218828077, (REAL)0.00249039457019272, (REAL)-3.657620418217724e-05,
    (REAL)3.13361689037812e-07, (REAL)-1.7572476734434003e-09, (REAL)6.948453273886626e-12, (REAL)-2.041026339664143e-14,
};

FNN_ELEMENT REAL FN(series)(const REAL *term, REAL square)
{
    REAL sum = term[7];
    sum = FMA(sum, square, term[6]);
    sum = FMA(sum, square, term[5]);
    sum = FMA(sum, square, term[4]);
    sum = FMA(sum, square, term[3]);
    sum = FMA(sum, square, term[2]);
    sum = FMA(sum, square, term[1]);
    return FMA(sum, square, term[0]);
}

/* The normals of one span of numbers. */
FNN_SHARED void FN(normals)(const uint32_t number[FNN_SPAN], REAL out[FNN_SPAN])
{
    REAL radius[FNN_SPAN / 2];
    EACH(k, FNN_SPAN / 2) {
        const double logarithm = FN(log)(((double)number[k] + 0.5) * 0x1p-32);
        radius[k] = SQRT((REAL)(-2 * logarithm));
    }
    EACH(k, FNN_SPAN / 2) {
        const uint32_t turn = number[FNN_SPAN / 2 + k], quarter = (turn + 0x20000000u) >> 30;
        const REAL t = (REAL)(int32_t)(turn - (quarter << 30)) * (REAL)0x1p-29;
        const REAL square = t * t, c = FN(series)(FN(COSINE), square), s = t * FN(series)(FN(SINE), square);
        const REAL x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
        out[k] = radius[k] * (quarter == 1 || quarter == 2 ? -x : x);
        out[FNN_SPAN / 2 + k] = radius[k] * (quarter >= 2 ? -y : y);
    }
}

static void FN(fnn_add_noise)(ptrdiff_t N, const fnn_random *random, uint64_t first, double deviation, const fnn_real *x,
                              fnn_real *y)
{
    const REAL factor = (REAL)deviation;
    uint32_t number[FNN_SPAN];
    REAL normal[FNN_SPAN];
    ptrdiff_t n = 0;
    while (n < N) {
        const ptrdiff_t skip = (ptrdiff_t)((first + (uint64_t)n) % FNN_SPAN);
        const ptrdiff_t count = N - n < FNN_SPAN - skip ? N - n : FNN_SPAN - skip;
        const REAL *in = (const REAL *)x + n;
        REAL *out = (REAL *)y + n;
        fnn_philox_span(random, (first + (uint64_t)(n - skip)) / 4, number);
        FN(normals)(number, normal);
        EACH(k, count)
            out[k] = FMA(factor, normal[skip + k], in[k]);
        n += count;
    }
}
