/* Tails of the logistic and of the normal distribution, with nearly all digits that they have: what sigmoid, silu,
 * softplus and gelu are made of.  A sum that loses digits is kept in two parts, and every product that can wait is made of
 * both at once; the power of two comes last, because below the normal numbers that product rounds, too. */

static const REAL FN(NORMAL_TAIL)[] = { /* (t + m) Phi(-t) exp(t^2/2) - 1 in (t - m) / (t + m), 0 <= t <= NORMAL_LIMIT */
#if FNN_BITS == 32
    -0.244714871f, -0.607896566f, 0.387137085f, -0.186524168f, 0.0604019091f, -0.00752090989f, -0.00350304833f,
    0.00156496419f, 0.000162757933f, -0.000139482858f,
#else
    -0.23080695024993705, -0.6653825028900568, 0.49530561596997613, -0.3135331566712875, 0.1650203661704072,
    -0.06911863870687786, 0.020795066799263146, -0.0029933767618699637, -0.0007978693893305411, 0.0005448989927514259,
    -5.937580714388442e-05, -4.976245604190882e-05, 1.6681638804574405e-05, 3.979804173386487e-06,
    -2.770718710638578e-06, -3.3457168518762366e-07, 4.3629064090553406e-07, 4.017437024956601e-08,
    -7.014166310084986e-08, -8.552611101250977e-09, 1.079825246371386e-08, 2.219870630710777e-09,
    -1.1615537585916113e-09, -3.817298417417635e-10,
#endif
};

#if FNN_BITS == 32
static const REAL FN(NORMAL_LIMIT) = 14.4f; /* from here up t Phi(-t) is 0 */
static const REAL FN(NORMAL_MIDDLE) = 4;    /* m */
#else
static const REAL FN(NORMAL_LIMIT) = 38.6;
static const REAL FN(NORMAL_MIDDLE) = 5;
#endif

/* size >= 0, or limit if that is less, by their bits: one instruction and no wait.  NaN may become the limit.  SSE2, the
 * base of x86, compares no integers of 64 bits. */
FNN_ELEMENT REAL FN(at_most)(REAL size, REAL limit)
{
#if FNN_FMA
    const SIGNED bits = (SIGNED)FN(bits_of)(size), most = (SIGNED)FN(bits_of)(limit);
    return FN(from_bits)((UNSIGNED)(bits > most ? most : bits));
#else
    return size > limit ? limit : size;
#endif
}

/* a a / 2 - half, where half is that rounded: what was lost. */
FNN_ELEMENT REAL FN(half_square_rest)(REAL a, REAL half)
{
#if FNN_FMA
    return FMA((REAL)0.5 * a, a, -half);
#else
    const REAL high = FN(from_bits)(FN(bits_of)(a) & ~(((UNSIGNED)1 << (REAL_MANTISSA / 2 + 1)) - 1)), low = a - high;
    return (((REAL)0.5 * high * high - half) + high * low) + (REAL)0.5 * low * low;
#endif
}

/* exp(r) - 1 near 0 by even and odd powers: as many instructions as one after the other, half the wait. */
FNN_ELEMENT REAL FN(exp_by_halves_less_1)(REAL r)
{
    enum { TERMS = sizeof FN(EXP_TAIL) / sizeof *FN(EXP_TAIL), EVEN = (TERMS - 1) & ~1, ODD = (TERMS - 2) | 1 };
    const REAL square = r * r;
    REAL even = FN(EXP_TAIL)[EVEN], odd = FN(EXP_TAIL)[ODD];
    UNROLLED(16)
    for (int k = EVEN - 2; k >= 0; k -= 2)
        even = FMA(even, square, FN(EXP_TAIL)[k]);
    UNROLLED(16)
    for (int k = ODD - 2; k >= 0; k -= 2)
        odd = FMA(odd, square, FN(EXP_TAIL)[k]);
    return FMA(square, FMA(odd, r, even), r);
}

/* n and 2^n 2^LIFT of exp(-size) = 2^n exp(-r), 0 <= size <= EXP_LIMIT, which is a normal number.  The
 * exponent stands in the low bits, the sign's is 0 there, and a shift drops the others.  FALL takes 2^LIFT back. */
#if FNN_BITS == 32
static const REAL FN(LIFTED_SHIFT) = (REAL)((UNSIGNED)3 << (REAL_MANTISSA - 1)) + REAL_BIAS + 64;
static const REAL FN(FALL) = 0x1p-64f;
#else
static const REAL FN(LIFTED_SHIFT) = (REAL)((UNSIGNED)3 << (REAL_MANTISSA - 1)) + REAL_BIAS + 512;
static const REAL FN(FALL) = 0x1p-512;
#endif

typedef struct {
    REAL n, lifted;
} FN(power);

FNN_ELEMENT FN(power) FN(lifted_power)(REAL size)
{
    const REAL shifted = FMA(size, -FN(LOG2_E), FN(LIFTED_SHIFT));
    return (FN(power)){shifted - FN(LIFTED_SHIFT), FN(from_bits)(FN(bits_of)(shifted) << REAL_MANTISSA)};
}

/* ---- the logistic distribution ---- */

/* 1 / (half 2^n + exp(r)), where exp(size) = 2^-n exp(r).  Of that divided by the inverse, 1 - lost is what rounding the
 * sum has taken. */
typedef struct {
    REAL inverse, lost, lifted;
} FN(logistic_parts);

FNN_ELEMENT FN(logistic_parts) FN(logistic_tail)(REAL size, REAL half)
{
    const FN(power) power = FN(lifted_power)(size);
    const REAL r = FMA(power.n, FN(LN2_LOW), FMA(power.n, FN(LN2_HIGH), size));
    const REAL w = FMA(half * FN(FALL), power.lifted, FN(exp_by_halves_less_1)(r));
    const REAL sum = 1 + w, inverse = 1 / sum;
    return (FN(logistic_parts)){inverse, ((sum - 1) - w) * inverse, power.lifted};
}

/* A lifted tail where x < 0, and 1 less the tail where not: by signs alone, without a comparison. */
FNN_ELEMENT REAL FN(on_either_side)(REAL x, REAL tail)
{
    const REAL fall = COPYSIGN(FN(FALL), x);
    return FMA(-tail, fall, FMA(fall, (REAL)0.5 / FN(FALL), (REAL)0.5));
}

/* 1 / (1 + exp(size)), lifted. */
FNN_ELEMENT REAL FN(lifted_logistic)(REAL size)
{
    const FN(logistic_parts) part = FN(logistic_tail)(size, 1);
    const REAL rounded = part.inverse * part.lifted;
    return FMA(part.lost, rounded, rounded);
}

/* 1 / (1 + exp(-x)). */
FNN_ELEMENT REAL FN(logistic)(REAL x)
{
    return FN(on_either_side)(x, FN(lifted_logistic)(FN(size_within)(FABS(x))));
}

/* x / (1 + exp(-x)) as max(x, 0) less |x| times a tail. */
FNN_ELEMENT REAL FN(times_logistic)(REAL x)
{
    const REAL size = FN(at_most)(FABS(x), FN(EXP_LIMIT));
    const FN(logistic_parts) part = FN(logistic_tail)(size, 1);
    const REAL rounded = part.inverse * (size * part.lifted), tail = FMA(part.lost, rounded, rounded);
    return FMA(-tail, FN(FALL), x < 0 ? 0 : x);
}

/* s + x s (1 - s) with s = logistic(x), by s = logistic(-|x|). */
FNN_ELEMENT REAL FN(times_logistic_slope)(REAL x)
{
    const REAL size = FN(size_within)(FABS(x)), tail = FN(lifted_logistic)(size);
    return FN(on_either_side)(x, tail * FMA(-size, FMA(-tail, FN(FALL), 1), 1));
}

/* log(1 + exp(x)) as max(x, 0) and log(1 + u) with u = exp(-|x|): 2 atanh(s) with s = u / (2 + u), another tail. */
FNN_ELEMENT REAL FN(log_1_plus_exp)(REAL x)
{
    const FN(logistic_parts) part = FN(logistic_tail)(FN(at_most)(FABS(x), FN(EXP_LIMIT)), (REAL)0.5);
    const REAL rounded = part.inverse * (part.lifted * FN(FALL)), twice = FMA(part.lost, rounded, rounded);
    const REAL square = (REAL)0.25 * twice * twice;
    return FMA(twice * square, POLYNOMIAL(square, ATANH_TAIL), twice) + (x < 0 ? 0 : x);
}

/* ---- the normal distribution ---- */

/* t Phi(-t) is share (1 + excess) (1 + e) 2^n, with share = t / (t + m) and exp(-t^2/2) = 2^n (1 + e).  Of share (1 + excess)
 * lost times weight is what the quotient and its sum have lost to rounding.  The square is exact, in two parts: the
 * rounding of one would be t^2/2 times as large in the exponential. */
typedef struct {
    REAL share, excess, e, lost, weight, lifted;
} FN(normal_parts);

FNN_ELEMENT FN(normal_parts) FN(normal_tail)(REAL t)
{
    const REAL size = (REAL)0.5 * t * t, rest = FN(half_square_rest)(t, size);
    const FN(power) power = FN(lifted_power)(size);
    const REAL r = FMA(power.n, FN(LN2_HIGH), size) + FMA(power.n, FN(LN2_LOW), rest);
    const REAL share = t / (t + FN(NORMAL_MIDDLE));
    const REAL excess = POLYNOMIAL(FMA(2, share, -1), NORMAL_TAIL);
    /* t - share (t + m), which next to 0 is exact, times how much the product grows with t, (t Phi(-t) exp(t^2/2))', over
     * 1 - share: that is 1/2 at 0 and soon less, near enough the fourth power of root. */
    const REAL lost = FMA(-share, t, FMA(-FN(NORMAL_MIDDLE), share, t));
    const REAL root = FMA((REAL)-1.093, share, (REAL)0.8409), square = root * root;
    return (FN(normal_parts)){share, excess, FN(exp_by_halves_less_1)(-r), lost * square, square, power.lifted};
}

/* x Phi(x) as max(x, 0) less t Phi(-t), t = |x|. */
FNN_ELEMENT REAL FN(times_normal)(REAL x)
{
    const FN(normal_parts) part = FN(normal_tail)(FN(at_most)(FABS(x), FN(NORMAL_LIMIT)));
    const REAL product = FMA(part.share, part.excess, part.share);
    const REAL rest = FMA(part.share, part.excess, part.share - product);
    const REAL tail = product + FMA(product, part.e, FMA(part.lost, part.weight, rest));
    return FMA(-(tail * part.lifted), FN(FALL), x < 0 ? 0 : x);
}

/* Phi(x) + x phi(x), likewise; NaN passes through t. */
FNN_ELEMENT REAL FN(times_normal_slope)(REAL x)
{
    const REAL size = FABS(x), t = size > FN(NORMAL_LIMIT) ? FN(NORMAL_LIMIT) : size;
    const FN(normal_parts) part = FN(normal_tail)(t);
    const REAL inverse = FMA(-1 / FN(NORMAL_MIDDLE), part.share, 1 / FN(NORMAL_MIDDLE)); /* of t + m */
    const REAL tail = FMA(inverse, part.excess, inverse);
    const REAL rest = FMA(t, (REAL)0.39894228040143267793994605993438, -tail); /* 1 / sqrt(2 pi) */
    const REAL fallen = FMA(rest, part.e, rest) * part.lifted * FN(FALL);
    return x > 0 ? 1 + fallen : -fallen;
}

#undef POLYNOMIAL
