/* exp, tanh, log1p and log without branches or calls, so that the loops around them become vector code.
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
static const REAL FN(EXP_LIMIT) = 112; /* exp is inf from here up; 0 from minus this down, its product with x too */
static const REAL FN(EXPM1_LIMIT) = 30; /* from here up exp(-x) - 1 is -1 */
#else
static const REAL FN(LOG2_E) = 1.4426950408889634;
static const REAL FN(LN2_HIGH) = 0x1.62e42fefa2p-1; /* 40 bits after the point: n * LN2_HIGH is exact */
static const REAL FN(LN2_LOW) = 7.371002565167799e-13;
static const REAL FN(EXP_LIMIT) = 760;
static const REAL FN(EXPM1_LIMIT) = 60;
#endif

FNN_ELEMENT REAL FN(polynomial)(REAL x, const REAL *coefficient, int terms)
{
    REAL sum = coefficient[terms - 1];
    UNROLLED(32)
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

/* exp(x) for |x| <= EXP_LIMIT, in two steps: x = n log(2) + r, and what it is of them.  Adding 1.5 * 2^mantissa rounds to an
 * integer and leaves it in the low bits; twice the bias more keeps it positive there, so that it splits by a shift into two
 * exponents.  Two, because 2^n itself overflows or underflows while exp(x) is still representable; the second product alone
 * rounds. */
static const REAL FN(EXP_ROUND) = (REAL)((UNSIGNED)3 << (REAL_MANTISSA - 1));
static const REAL FN(EXP_SHIFT) = (REAL)((UNSIGNED)3 << (REAL_MANTISSA - 1)) + 2 * REAL_BIAS;

FNN_ELEMENT REAL FN(exp_shifted)(REAL x)
{
    return FMA(x, FN(LOG2_E), FN(EXP_SHIFT));
}

FNN_ELEMENT REAL FN(exp_rest)(REAL x, REAL shifted)
{
    const REAL n = shifted - FN(EXP_SHIFT);
    return FMA(n, -FN(LN2_LOW), FMA(n, -FN(LN2_HIGH), x));
}

FNN_ELEMENT REAL FN(exp_near_0_less_1)(REAL r)
{
    return FMA(r * r, POLYNOMIAL(r, EXP_TAIL), r);
}

FNN_ELEMENT REAL FN(exp_near_0)(REAL r)
{
    return 1 + FN(exp_near_0_less_1)(r);
}

FNN_ELEMENT REAL FN(times_power)(REAL e, REAL shifted)
{
    const UNSIGNED exponent = FN(bits_of)(shifted) - FN(bits_of)(FN(EXP_ROUND));
    const UNSIGNED half = exponent >> 1;
    return e * FN(from_bits)(half << REAL_MANTISSA) * FN(from_bits)((exponent - half) << REAL_MANTISSA);
}

FNN_ELEMENT REAL FN(exp_of_rest)(REAL r, REAL shifted)
{
    return FN(times_power)(FN(exp_near_0)(r), shifted);
}

FNN_ELEMENT REAL FN(exp_within)(REAL x)
{
    const REAL shifted = FN(exp_shifted)(x);
    return FN(exp_of_rest)(FN(exp_rest)(x, shifted), shifted);
}

/* One comparison with a size: of two with x, one after the other, GCC makes nine instructions.  NaN stays NaN. */
FNN_ELEMENT REAL FN(size_within)(REAL size)
{
    return size > FN(EXP_LIMIT) ? FN(EXP_LIMIT) : size;
}

/* What stands for x: exp of it is the same, inf and 0 included. */
FNN_ELEMENT REAL FN(exp_argument)(REAL x)
{
    return COPYSIGN(FN(size_within)(FABS(x)), x);
}

FNN_ELEMENT REAL FN(exp)(REAL x)
{
    return FN(exp_within)(FN(exp_argument)(x));
}

/* exp(-size) for size >= 0. */
FNN_ELEMENT REAL FN(exp_minus)(REAL size)
{
    return FN(exp_within)(-FN(size_within)(size));
}

FNN_ELEMENT REAL FN(tanh)(REAL x)
{
    const REAL size = FABS(x);
    const REAL square = x * x;
    const REAL small = FMA(size * square, POLYNOMIAL(square, TANH_TAIL), size);
    const REAL large = 1 - 2 / (FN(exp_within)(FN(size_within)(2 * size)) + 1);
    return COPYSIGN(size < (REAL)0.625 ? small : large, x); /* last, so that -0 stays -0 */
}

/* exp(x) - 1 for x <= 0: 2^n (1 + p) - 1 as (2^n - 1) + 2^n p, where 2^n - 1 is exact as far as it counts.  -0 stays -0. */
FNN_ELEMENT REAL FN(expm1)(REAL x)
{
    const REAL size = FABS(x), within = size > FN(EXPM1_LIMIT) ? FN(EXPM1_LIMIT) : size;
    const REAL shifted = FN(exp_shifted)(-within), r = FN(exp_rest)(-within, shifted);
    const REAL power = FN(from_bits)((FN(bits_of)(shifted) - FN(bits_of)(FN(EXP_ROUND)) - REAL_BIAS) << REAL_MANTISSA);
    return COPYSIGN(FMA(power, FN(exp_near_0_less_1)(r), power - 1), x);
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

/* The log of a sum, in double for both dtypes: x is 0, a normal number, inf or NaN.  With x = 2^k (1 + f), 1 + f next to 1,
 * and s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + s^2 LOG_TAIL)), which rounds f no second time.
 * libm's would be a call for every row, with bits of its own on every platform. */
FNN_ELEMENT double FN(log)(double x)
{
    static const double LOG_TAIL[] = { /* (log((1 + s) / (1 - s))/s - 2) / s^2 in s^2, |s| <= 0.1716 */
        0.666666666666667, 0.3999999999989938, 0.28571428626031065, 0.2222221112572281, 0.18182889786191042,
        0.15331699633543858, 0.14616721179861816,
    };
    const double ln2_high = 0x1.62e42fefa2p-1, ln2_low = 7.371002565167799e-13; /* k * ln2_high is exact */
    const uint64_t one = (uint64_t)1023 << 52, root_half = 0x3FE6A09E667F3BCD, magic = (uint64_t)1075 << 52;
    uint64_t bits, biased;
    double k, f;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t exponent = (bits + (one - root_half)) >> 52; /* k + 1023, then behind the point of 2^52 */
    bits -= (exponent << 52) - one;
    biased = magic | exponent;
    memcpy(&f, &bits, sizeof f);
    memcpy(&k, &biased, sizeof k);
    k -= 4503599627370496.0 + 1023;
    f -= 1;
    const double s = f / (2 + f), square = s * s, half = 0.5 * f * f;
    const double fourth = square * square; /* by pairs: half the latency of one term after the other */
    const double low = FMA_DOUBLE(FMA_DOUBLE(LOG_TAIL[3], square, LOG_TAIL[2]), fourth,
                                  FMA_DOUBLE(LOG_TAIL[1], square, LOG_TAIL[0]));
    const double high = FMA_DOUBLE(LOG_TAIL[6], fourth, FMA_DOUBLE(LOG_TAIL[5], square, LOG_TAIL[4]));
    const double tail = FMA_DOUBLE(high, fourth * fourth, low);
    const double rest = FMA_DOUBLE(s, FMA_DOUBLE(square, tail, half), k * ln2_low);
    const double sum = FMA_DOUBLE(k, ln2_high, f - (half - rest));
    const double finite = x > 0 ? sum : -(double)INFINITY;
    return x < (double)INFINITY ? finite : x; /* inf and NaN as they are */
}
