/* Losses of one element, whose mean is that of a row, and the kernels of all losses. */

typedef struct FN(term) {
    REAL value;
    REAL slope;
} FN(term);

/* share = weight / O, that of the rows, of each element from start on. */
static void FN(share_of_elements)(ptrdiff_t start, ptrdiff_t count, ptrdiff_t O, const REAL *weight, double *share)
{
    ptrdiff_t b = start / O, end = (b + 1) * O - start;
    for (ptrdiff_t n = 0; n < count; b++, end += O) {
        const double of_row = (double)weight[b] / (double)O;
        for (; n < count && n < end; n++)
            share[n] = of_row;
    }
}

/* Elements from start on that belong to rows with weights: their slopes times scale * share, their values times share to the
 * partial sums. */
FNN_SHARED void FN(weigh_elements)(ptrdiff_t start, ptrdiff_t count, ptrdiff_t O, const REAL *weight, double scale,
                                   const REAL *value, REAL *slope, double *total)
{
    double share[FNN_BLOCK], lane[FNN_LANES];
    FN(share_of_elements)(start, count, O, weight, share);
    EACH(n, count)
        slope[n] *= (REAL)(scale * share[n]);
    ptrdiff_t n = 0;
    memcpy(lane, total, sizeof lane);
    for (; n + FNN_LANES <= count; n += FNN_LANES)
        for (int l = 0; l < FNN_LANES; l++)
            lane[l] = FMA_DOUBLE(share[n + l], (double)value[n + l], lane[l]);
    for (int l = 0; n + l < count; l++)
        lane[l] = FMA_DOUBLE(share[n + l], (double)value[n + l], lane[l]);
    memcpy(total, lane, sizeof lane);
}

/* Mean over the outputs of a loss of one element. */
FNN_ELEMENT double FN(mean_loss)(ptrdiff_t B, ptrdiff_t O, REAL parameter, const REAL *y, const REAL *target,
                                 const REAL *weight, double scale, REAL *dy,
                                 FN(term) (*element)(REAL y, REAL target, REAL parameter))
{
    const ptrdiff_t N = B * O;
    const REAL factor = (REAL)(weight ? 1 : scale / (double)O);
    double lane[FNN_LANES] = {0};
    for (ptrdiff_t start = 0; start < N; start += FNN_BLOCK) {
        const ptrdiff_t count = N - start < FNN_BLOCK ? N - start : FNN_BLOCK;
        REAL value[FNN_BLOCK], spare[FNN_BLOCK];
        REAL *slope = dy ? dy + start : spare;
        EACH(n, count) {
            const FN(term) term = element(y[start + n], target[start + n], parameter);
            value[n] = term.value;
            slope[n] = factor * term.slope;
        }
        if (weight)
            FN(weigh_elements)(start, count, O, weight, scale, value, slope, lane);
        else
            FN(accumulate)(count, value, lane);
    }
    return weight ? FN(join)(lane) : FN(join)(lane) / (double)O;
}

FNN_ELEMENT REAL FN(sign)(REAL x)
{
    const REAL positive = x > 0 ? 1 : 0;
    return x < 0 ? -1 : positive;
}

FNN_ELEMENT FN(term) FN(squared_error_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    return (FN(term)){e * e, 2 * e};
}

FNN_ELEMENT FN(term) FN(absolute_error_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    return (FN(term)){FABS(e), FN(sign)(e)};
}

FNN_ELEMENT FN(term) FN(huber_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    const REAL inner = FN(clamp)(e, -parameter, parameter);
    return (FN(term)){inner * (e - (REAL)0.5 * inner), inner};
}

FNN_ELEMENT FN(term) FN(quantile_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    const REAL rising = e > 0 ? 1 - parameter : 0;
    const REAL slope = e < 0 ? -parameter : rising;
    return (FN(term)){slope * e, slope};
}

/* With t = tanh(e/2): log cosh e = log((1 + t^2) / (1 - t^2)), exact where the textbook form cancels. */
FNN_ELEMENT FN(term) FN(log_cosh_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    const REAL size = FABS(e);
    const REAL t = FN(tanh)((REAL)0.5 * e);
    const REAL square = t * t;
    const REAL u = FN(exp_minus)(2 * size);
    const int small = size < 1;
    const REAL ratio = FN(log_ratio)(small ? square : u / (2 + u));
    const REAL start = small ? 0 : size - (REAL)0.69314718055994530942;
    return (FN(term)){start + ratio, 2 * t / (1 + square)};
}

FNN_ELEMENT FN(term) FN(poisson_term)(REAL y, REAL target, REAL parameter)
{
    const REAL rate = FN(exp)(y);
    return (FN(term)){FMA(-target, y, rate), rate - target};
}

FNN_ELEMENT FN(term) FN(binary_cross_entropy_term)(REAL y, REAL target, REAL parameter)
{
    const REAL t = FMA(target, 1 - parameter, (REAL)0.5 * parameter);
    const REAL u = FN(exp_minus)(FABS(y));
    const REAL probability = (y < 0 ? u : 1) / (1 + u);
    return (FN(term)){FMA(-y, t, y > 0 ? y : 0) + FN(log1p)(u), probability - t};
}

FNN_ELEMENT FN(term) FN(hinge_term)(REAL y, REAL target, REAL parameter)
{
    const REAL margin = FMA(-target, y, 1);
    return (FN(term)){margin <= 0 ? 0 : margin, margin > 0 ? -target : 0};
}

/* ---- the table's kernels: the mean of <name>_term over the elements, or <name>_rows ---- */

#define FNN_LOSS_KERNEL(name) \
    static double FN(fnn_##name##_loss)(ptrdiff_t B, ptrdiff_t O, double parameter, const fnn_real *y, \
                                        const void *target, const fnn_real *weight, double scale, fnn_real *dy)
#define FNN_LOSS_element(name) \
    FNN_LOSS_KERNEL(name) \
    { \
        return FN(mean_loss)(B, O, (REAL)parameter, y, target, weight, scale, dy, FN(name##_term)); \
    }
#define FNN_LOSS_row(name) \
    FNN_LOSS_KERNEL(name) \
    { \
        const FN(rows) rows = {B, O, parameter, y, target, weight, scale, dy}; \
        return FN(name##_rows)(&rows); \
    }
#define FNN_LOSS_labels(name) FNN_LOSS_row(name)
#define FNN_LOSS(NAME, name, kind) FNN_LOSS_##kind(name)
#include "fnn_families.def"
