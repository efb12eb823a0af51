/* exp, tanh and log1p without branches or calls, so that the loops around them become vector code.
 * Coefficients: Chebyshev interpolants computed in 60 digits; their own error is below 2^-27 and 2^-56. */

static const REAL FN(EXP_TAIL)[] = { /* (exp(r) - 1 - r) / r^2 on |r| <= log(2)/2 */
#if FNN_BITS == 32
    0.5f, 0.166666672f, 0.041666463f, 0.00833331048f, 0.00139336591f, 0.000198910013f,
#else
    0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326129, 0.0013888888888883744, 0.00019841269874840768,
    2.4801587325562125e-05, 2.7557255374658744e-06, 2.755727362486648e-07, 2.510522763655176e-08,
    2.0914694560351592e-09,
#endif
};
static const REAL FN(TANH_TAIL)[] = { /* (tanh(x)/x - 1) / x^2 in x^2, |x| <= 0.625 */
#if FNN_BITS == 32
    -0.333333343f, 0.133333027f, -0.0539592281f, 0.0217686556f, -0.00834308565f, 0.00229177042f,
#else
    -0.3333333333333333, 0.1333333333333304, -0.05396825396789371, 0.02186948851886792, -0.008863235100174033,
    0.0035921217122266407, -0.0014557751050964238, 0.0005896591083635056, -0.00023758563980884253,
    9.256112886604006e-05, -3.118977434431334e-05, 6.479652583909459e-06,
#endif
};
static const REAL FN(ATANH_TAIL)[] = { /* (atanh(s)/s - 1) / s^2 in s^2, |s| <= 1/3 */
#if FNN_BITS == 32
    0.333333343f, 0.199998528f, 0.142962128f, 0.108527139f, 0.116151281f,
#else
    0.3333333333333333, 0.20000000000007362, 0.14285714283535833, 0.11111111360589111, 0.09090894623795769,
    0.07692787677757919, 0.06657028740061431, 0.06000948760351886, 0.043982635133370286, 0.08086486882582436,
#endif
};

#if FNN_BITS == 32
static const REAL FN(LOG2_E) = 1.44269504f;
static const REAL FN(LN2_HIGH) = 0.693115234375f; /* 12 bits after the point: n * LN2_HIGH is exact */
static const REAL FN(LN2_LOW) = 3.19461849e-05f;
static const REAL FN(EXP_FIRST) = -104; /* exp is 0 from here down */
static const REAL FN(EXP_LAST) = 89;    /* exp is inf from here up */
#else
static const REAL FN(LOG2_E) = 1.4426950408889634;
static const REAL FN(LN2_HIGH) = 0x1.62e42fefa2p-1; /* 40 bits after the point: n * LN2_HIGH is exact */
static const REAL FN(LN2_LOW) = 7.371002565167799e-13;
static const REAL FN(EXP_FIRST) = -746;
static const REAL FN(EXP_LAST) = 710;
#endif

FNN_ELEMENT REAL FN(polynomial)(REAL x, const REAL *coefficient, int terms)
{
    REAL sum = coefficient[terms - 1];
    UNROLLED(16)
    for (int k = terms - 2; k >= 0; k--)
        sum = FMA(sum, x, coefficient[k]);
    return sum;
}
#define POLYNOMIAL(x, table) FN(polynomial)(x, FN(table), sizeof FN(table) / sizeof *FN(table))

FNN_ELEMENT UNSIGNED FN(bits_of)(REAL x)
{
    UNSIGNED bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FNN_ELEMENT REAL FN(from_bits)(UNSIGNED bits)
{
    REAL x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* NaN stays NaN: both comparisons are false. */
FNN_ELEMENT REAL FN(clamp)(REAL x, REAL low, REAL high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

FNN_ELEMENT REAL FN(exp)(REAL x)
{
    /* Adding 1.5 * 2^mantissa rounds to an integer and leaves it in the low bits; twice the bias more keeps it
     * positive there, so that it splits by a shift into two exponents.  Two, because 2^n itself overflows or
     * underflows while exp(x) is still representable; the second product alone rounds. */
    const REAL round = (REAL)((UNSIGNED)3 << (REAL_MANTISSA - 1));
    const REAL shift = round + 2 * REAL_BIAS;
    x = FN(clamp)(x, FN(EXP_FIRST), FN(EXP_LAST));
    const REAL shifted = FMA(x, FN(LOG2_E), shift);
    const REAL n = shifted - shift;
    const REAL r = FMA(n, -FN(LN2_LOW), FMA(n, -FN(LN2_HIGH), x));
    const REAL e = 1 + FMA(r * r, POLYNOMIAL(r, EXP_TAIL), r);
    const UNSIGNED exponent = FN(bits_of)(shifted) - FN(bits_of)(round);
    const UNSIGNED half = exponent >> 1;
    return e * FN(from_bits)(half << REAL_MANTISSA) * FN(from_bits)((exponent - half) << REAL_MANTISSA);
}

FNN_ELEMENT REAL FN(tanh)(REAL x)
{
    const REAL size = FABS(x);
    const REAL square = x * x;
    const REAL small = FMA(size * square, POLYNOMIAL(square, TANH_TAIL), size);
    const REAL large = 1 - 2 / (FN(exp)(2 * size) + 1);
    return COPYSIGN(size < (REAL)0.625 ? small : large, x); /* last, so that -0 stays -0 */
}

/* exp(x) - 1 for x <= 0, with the relative accuracy of tanh near 0. */
FNN_ELEMENT REAL FN(expm1)(REAL x)
{
    const REAL t = FN(tanh)((REAL)0.5 * x);
    return 2 * t / (1 - t);
}

/* log((1 + s) / (1 - s)) for |s| <= 1/3. */
FNN_ELEMENT REAL FN(log_ratio)(REAL s)
{
    const REAL square = s * s;
    const REAL twice = 2 * s;
    return FMA(twice * square, POLYNOMIAL(square, ATANH_TAIL), twice);
}

/* log(1 + u) for 0 <= u <= 1. */
FNN_ELEMENT REAL FN(log1p)(REAL u)
{
    return FN(log_ratio)(u / (2 + u));
}

/* 1 / (1 + exp(-x)), by way of exp(-|x|): that of a large negative x would overflow before its inverse underflows. */
FNN_ELEMENT REAL FN(logistic)(REAL x)
{
    const REAL u = FN(exp)(-FABS(x));
    return (x < 0 ? u : 1) / (1 + u);
}

#undef POLYNOMIAL
