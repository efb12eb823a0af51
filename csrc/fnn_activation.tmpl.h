/* Activations. */

/* ---- <name>_value and <name>_slope, of one element: fnn_families.def says of what the slope is a function ---- */

/* Of those that one formula gives each, the slope from a. */
#define FORMULAS(name, value, slope) \
    FNN_ELEMENT REAL FN(name##_value)(REAL z, REAL alpha) \
    { \
        return value; \
    } \
    FNN_ELEMENT REAL FN(name##_slope)(REAL a, REAL alpha) \
    { \
        return slope; \
    }

static const REAL FN(SELU_SCALE) = (REAL)1.0507009873554804934193349852946;
static const REAL FN(SELU_FLOOR) = (REAL)1.7580993408473768599402175208123; /* scale times alpha */

FORMULAS(identity, z, 1)
FORMULAS(sigmoid, FN(logistic)(z), a * (1 - a))
FORMULAS(tanh, FN(tanh)(z), (1 - a) * (1 + a))
FORMULAS(relu, z <= 0 ? 0 : z, a > 0 ? 1 : 0) /* this way round NaN passes */
FORMULAS(leaky_relu, z > 0 ? z : alpha * z, a > 0 ? 1 : alpha)
FORMULAS(elu, z > 0 ? z : alpha * FN(expm1)(z), a > 0 ? 1 : a + alpha)
FORMULAS(selu, z > 0 ? FN(SELU_SCALE) * z : FN(SELU_FLOOR) * FN(expm1)(z), a > 0 ? FN(SELU_SCALE) : a + FN(SELU_FLOOR))
FORMULAS(softplus, FN(log_1_plus_exp)(z), -FN(expm1)(-a))
#undef FORMULAS

FNN_ELEMENT REAL FN(gelu_value)(REAL z, REAL alpha)
{
    return FN(times_normal)(z);
}
FNN_ELEMENT REAL FN(gelu_slope)(REAL z, REAL alpha)
{
    return FN(times_normal_slope)(z);
}

static const REAL FN(GELU_LINEAR) = (REAL)1.5957691216057307117597842397375; /* 2 sqrt(2/pi) */
static const REAL FN(GELU_CUBIC) = (REAL)0.071354816272600247446847922;      /* 0.044715 times that */

/* 1 + tanh(u) = 2 logistic(2u): the left tail keeps its relative accuracy.  Beyond the clamps the logistic is
 * exactly 0 or 1 and the products with infinity that would make a NaN do not arise. */
FNN_ELEMENT REAL FN(gelu_tanh_value)(REAL z, REAL alpha)
{
    z = z < -30 ? -30 : z;
    return z * FN(logistic)(z * FMA(FN(GELU_CUBIC), z * z, FN(GELU_LINEAR)));
}
FNN_ELEMENT REAL FN(gelu_tanh_slope)(REAL z, REAL alpha)
{
    z = FN(clamp)(z, -30, 30);
    const REAL square = z * z;
    const REAL s = FN(logistic)(z * FMA(FN(GELU_CUBIC), square, FN(GELU_LINEAR)));
    return FMA(z * s * (1 - s), FMA(3 * FN(GELU_CUBIC), square, FN(GELU_LINEAR)), s);
}

FNN_ELEMENT REAL FN(silu_value)(REAL z, REAL alpha)
{
    return FN(times_logistic)(z);
}
FNN_ELEMENT REAL FN(silu_slope)(REAL z, REAL alpha)
{
    return FN(times_logistic_slope)(z);
}

FNN_ELEMENT REAL FN(clipped_relu_value)(REAL z, REAL alpha)
{
    z = z <= 0 ? 0 : z;
    return z > alpha ? alpha : z;
}
FNN_ELEMENT REAL FN(clipped_relu_slope)(REAL z, REAL alpha)
{
    return z > 0 && z <= alpha ? 1 : 0;
}

/* ---- the table's kernels ---- */

#define FNN_ACTIVATION(NAME, name, reads) \
    static void FN(fnn_##name##_forward)(ptrdiff_t N, double alpha, const fnn_real *z, fnn_real *a) \
    { \
        const REAL *in = z; \
        REAL *out = a; \
        EACH(n, N) \
            out[n] = FN(name##_value)(in[n], (REAL)alpha); \
    } \
    static void FN(fnn_##name##_backward)(ptrdiff_t N, double alpha, const fnn_real *z, const fnn_real *a, \
                                          const fnn_real *da, fnn_real *dz) \
    { \
        const REAL *in = reads, *gradient = da; \
        REAL *out = dz; \
        EACH(n, N) \
            out[n] = gradient[n] * FN(name##_slope)(in[n], (REAL)alpha); \
    }
#include "fnn_families.def"
