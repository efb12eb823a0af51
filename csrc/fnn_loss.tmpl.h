/* Losses: value and gradient of a row in one pass. */

typedef struct FN(term) {
    REAL value;
    REAL slope;
} FN(term);

/* Value and slope of a loss of N elements; returns the sum of the values. */
FNN_ELEMENT double FN(element_loss)(ptrdiff_t N, REAL parameter, REAL factor, const REAL *y, const REAL *target, REAL *dy,
                                    FN(term) (*element)(REAL y, REAL target, REAL parameter))
{
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
        FN(accumulate)(count, value, lane);
    }
    return FN(join)(lane);
}

/* Mean over the outputs of a loss of one element.  Without weights all rows are one, for the same loop: the element is
 * compiled once. */
FNN_ELEMENT double FN(mean_loss)(ptrdiff_t B, ptrdiff_t O, REAL parameter, const REAL *y, const REAL *target,
                                 const REAL *weight, double scale, REAL *dy,
                                 FN(term) (*element)(REAL y, REAL target, REAL parameter))
{
    const ptrdiff_t rows = weight ? B : 1;
    const ptrdiff_t N = weight ? O : B * O;
    double total = 0;
    for (ptrdiff_t b = 0; b < rows; b++) {
        const double share = weight ? (double)weight[b] / (double)O : 1;
        const double factor = weight ? scale * share : scale / (double)O;
        const double sum = FN(element_loss)(N, parameter, (REAL)factor, y + b * N, target + b * N,
                                            dy ? dy + b * N : NULL, element);
        total += weight ? share * sum : sum / (double)O;
    }
    return total;
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
    const REAL u = FN(exp)(-2 * size);
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
    const REAL u = FN(exp)(-FABS(y));
    const REAL probability = (y < 0 ? u : 1) / (1 + u);
    return (FN(term)){FMA(-y, t, y > 0 ? y : 0) + FN(log1p)(u), probability - t};
}

FNN_ELEMENT FN(term) FN(hinge_term)(REAL y, REAL target, REAL parameter)
{
    const REAL margin = FMA(-target, y, 1);
    return (FN(term)){margin <= 0 ? 0 : margin, margin > 0 ? -target : 0};
}

/* ---- losses of a whole row ---- */

/* <name>_row returns L of one row and, unless dy is NULL, leaves factor * dL/dy there. */
FNN_ELEMENT double FN(distance_row)(ptrdiff_t O, double parameter, const REAL *y, const REAL *target, double factor,
                                    REAL *dy)
{
    double squares = 0;
    for (ptrdiff_t start = 0; start < O; start += FNN_BLOCK) {
        const ptrdiff_t count = O - start < FNN_BLOCK ? O - start : FNN_BLOCK;
        REAL e[FNN_BLOCK];
        for (ptrdiff_t o = 0; o < count; o++)
            e[o] = y[start + o] - target[start + o];
        squares += FN(dot)(count, e, e);
    }
    const double distance = sqrt(squares);
    const REAL slope = (REAL)(distance == 0 ? 0 : factor / distance);
    if (dy)
        EACH(o, O)
            dy[o] = slope * (y[o] - target[o]);
    return distance;
}

/* sum_o t_o (m - y_o), t = keep * target + floor; a target of NULL stands for zeros. */
FNN_ELEMENT double FN(mean_gap)(ptrdiff_t O, REAL keep, REAL floor, const REAL *y, const REAL *target, REAL m)
{
    double lane[FNN_LANES] = {0};
    for (ptrdiff_t start = 0; start < O; start += FNN_BLOCK) {
        const ptrdiff_t count = O - start < FNN_BLOCK ? O - start : FNN_BLOCK;
        REAL gap[FNN_BLOCK];
        for (ptrdiff_t o = 0; o < count; o++)
            gap[o] = FMA(keep, target ? target[start + o] : 0, floor) * (m - y[start + o]);
        FN(accumulate)(count, gap, lane);
    }
    return FN(join)(lane);
}

FNN_ELEMENT double FN(cross_entropy_row)(ptrdiff_t O, double parameter, const REAL *y, const REAL *target, double factor,
                                         REAL *dy)
{
    const REAL keep = (REAL)(1 - parameter), floor = (REAL)(parameter / (double)O);
    const REAL m = FN(largest)(O, y);
    const double gap = FN(mean_gap)(O, keep, floor, y, target, m);
    const double sum = FN(exp_sum)(O, y, m, dy);
    const REAL share = (REAL)factor, inverse = (REAL)(1 / sum);
    if (dy)
        EACH(o, O)
            dy[o] = share * FMA(dy[o], inverse, -FMA(keep, target[o], floor));
    return log(sum) + gap;
}

FNN_ELEMENT double FN(cross_entropy_labels_row)(ptrdiff_t O, double parameter, const REAL *y, ptrdiff_t label,
                                                double factor, REAL *dy)
{
    const double keep = 1 - parameter, floor = parameter / (double)O;
    const REAL m = FN(largest)(O, y);
    double gap = keep * ((double)m - (double)y[label]);
    if (floor != 0) /* else 0 * inf, where an output was switched off by -inf, would be NaN */
        gap += FN(mean_gap)(O, 0, (REAL)floor, y, NULL, m);
    const double sum = FN(exp_sum)(O, y, m, dy);
    if (dy) {
        const REAL slope = (REAL)(factor / sum), lower = (REAL)(factor * floor);
        const REAL at_label = (REAL)(factor * ((double)dy[label] / sum - (keep + floor)));
        EACH(o, O)
            dy[o] = FMA(dy[o], slope, -lower);
        dy[label] = at_label;
    }
    return log(sum) + gap;
}

FNN_ELEMENT double FN(hinge_labels_row)(ptrdiff_t O, double parameter, const REAL *y, ptrdiff_t label, double factor,
                                        REAL *dy)
{
    ptrdiff_t rival = label == 0 ? 1 : 0;
    for (ptrdiff_t o = rival + 1; o < O; o++)
        if (o != label && y[rival] == y[rival] && !(y[o] <= y[rival])) /* a NaN wins and stays */
            rival = o;
    const REAL margin = rival < O ? 1 + (y[rival] - y[label]) : 0;
    if (dy) {
        memset(dy, 0, (size_t)O * sizeof *dy);
        if (margin > 0) {
            dy[rival] = (REAL)factor;
            dy[label] = -dy[rival];
        }
    }
    return margin <= 0 ? 0 : (double)margin;
}

/* ---- the table's kernels: the mean of <name>_term over the elements, or the sum of <name>_row ---- */

#define FNN_LOSS_KERNEL(name) \
    static double FN(fnn_##name##_loss)(ptrdiff_t B, ptrdiff_t O, double parameter, const fnn_real *y, \
                                        const void *target, const fnn_real *weight, double scale, fnn_real *dy)
#define FNN_LOSS_element(name) \
    FNN_LOSS_KERNEL(name) \
    { \
        return FN(mean_loss)(B, O, (REAL)parameter, y, target, weight, scale, dy, FN(name##_term)); \
    }
#define FNN_LOSS_ROWS(name, goal) \
    FNN_LOSS_KERNEL(name) \
    { \
        double total = 0; \
        for (ptrdiff_t b = 0; b < B; b++) { \
            const double share = weight ? (double)((const REAL *)weight)[b] : 1; \
            total += share * FN(name##_row)(O, parameter, (const REAL *)y + b * O, goal, scale * share, \
                                            dy ? (REAL *)dy + b * O : NULL); \
        } \
        return total; \
    }
#define FNN_LOSS_row(name) FNN_LOSS_ROWS(name, (const REAL *)target + b * O)
#define FNN_LOSS_labels(name) FNN_LOSS_ROWS(name, (ptrdiff_t)((const int64_t *)target)[b])
#define FNN_LOSS(NAME, name, kind) FNN_LOSS_##kind(name)
#include "fnn_families.def"
