/* Losses of a whole row: <name>_rows gives value and gradient of all rows, in one pass. */

/* All rows, and what is asked of them, as the kernel of a loss has it. */
typedef struct FN(rows) {
    ptrdiff_t B, O;
    double parameter;
    const REAL *y;
    const void *target;
    const REAL *weight;
    double scale;
    REAL *dy;
} FN(rows);

/* L of one row; unless dy is NULL, factor * dL/dy is left there.  goal is its target. */
typedef double FN(loss_of_row)(ptrdiff_t O, double parameter, const REAL *y, const void *goal, double factor, REAL *dy);

FNN_ELEMENT double FN(weight_of)(const FN(rows) *r, ptrdiff_t b)
{
    return r->weight ? (double)r->weight[b] : 1;
}

/* Adds weight * L of the rows from b on to partial sums, row b to lane b % FNN_LANES, one by one; a target takes step
 * bytes. */
FNN_ELEMENT void FN(add_each_row)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t step, FN(loss_of_row) *row, double *lane)
{
    for (; b < r->B; b++) {
        const double weight = FN(weight_of)(r, b);
        const double value = row(r->O, r->parameter, r->y + b * r->O, (const char *)r->target + b * step,
                                 r->scale * weight, r->dy ? r->dy + b * r->O : NULL);
        lane[b % FNN_LANES] = FMA_DOUBLE(weight, value, lane[b % FNN_LANES]);
    }
}

/* out = scale times the weight of each row of a bundle; 0 of those that are missing to whole vectors.  Not by weight_of:
 * as vector code that reads from NULL under a mask of zeros, which takes some processors a hundred cycles. */
static void FN(times_weight)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t count, double scale, double *out)
{
    if (r->weight)
        EACH(l, count)
            out[l] = scale * (double)r->weight[b + l];
    else
        EACH(l, count)
            out[l] = scale;
    for (ptrdiff_t l = count; l < FN(whole_vectors)(count); l++)
        out[l] = 0;
}

/* A label out of 0 .. O - 1, -1 for any other number.  It is read once: it lies in memory of the caller, which another thread
 * may change after it was checked.  The loss of a row without a label is NaN, its gradient 0. */
FNN_ELEMENT ptrdiff_t FN(label_of)(const void *goal, ptrdiff_t O)
{
    const int64_t label = *(const volatile int64_t *)goal;
    return label >= 0 && label < O ? (ptrdiff_t)label : -1;
}

FNN_ELEMENT double FN(without_label)(ptrdiff_t O, REAL *dy)
{
    if (dy)
        memset(dy, 0, (size_t)O * sizeof *dy);
    return NAN;
}

FNN_ELEMENT double FN(each_row)(const FN(rows) *r, ptrdiff_t step, FN(loss_of_row) *row)
{
    double lane[FNN_LANES] = {0};
    FN(add_each_row)(r, 0, step, row, lane);
    return FN(join)(lane);
}

/* Short rows in bundles, whose losses bundle leaves in value, and the others one by one. */
typedef void FN(losses_of_bundle)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t count, double *value);

FNN_ELEMENT double FN(rows_in_bundles)(const FN(rows) *r, ptrdiff_t step, FN(loss_of_row) *row,
                                       FN(losses_of_bundle) *bundle)
{
    double lane[FNN_LANES] = {0};
    ptrdiff_t b = 0;
    for (ptrdiff_t count; (count = FN(bundle_of)(r->O, r->B - b)) > 0; b += count) {
        double value[FN(ROWS)], weight[FN(ROWS)];
        bundle(r, b, count, value);
        FN(times_weight)(r, b, count, 1, weight);
        for (ptrdiff_t start = 0; start < count; start += FNN_LANES)
            EACH(l, count - start < FNN_LANES ? count - start : FNN_LANES)
                lane[l] = FMA_DOUBLE(weight[start + l], value[start + l], lane[l]);
    }
    FN(add_each_row)(r, b, step, row, lane);
    return FN(join)(lane);
}

/* ---- distance ---- */

FNN_ELEMENT double FN(distance_row)(ptrdiff_t O, double parameter, const REAL *y, const void *goal, double factor, REAL *dy)
{
    const REAL *target = goal;
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

static void FN(distance_bundle)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t count, double *value)
{
    const ptrdiff_t O = r->O, R = FN(whole_vectors)(count);
    REAL e[FN(BUNDLE)], t[FN(BUNDLE)], slope[FN(ROWS)];
    double squares[FN(ROWS)], factor[FN(ROWS)];
    FN(load_rows)(O, count, r->y + b * O, e);
    FN(load_rows)(O, count, (const REAL *)r->target + b * O, t);
    EACH(n, O * R)
        e[n] -= t[n];
    FN(sum_rows)(O, R, e, e, squares);
    FN(times_weight)(r, b, count, r->scale, factor);
    EACH(l, R) {
        value[l] = __builtin_sqrt(squares[l]);
        slope[l] = (REAL)(value[l] == 0 ? 0 : factor[l] / value[l]);
    }
    if (!r->dy)
        return;
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R)
            OF_ROWS(e + o * R + l) *= OF_ROWS(slope + l);
    FN(store_rows)(O, count, e, r->dy + b * O);
}

static double FN(distance_rows)(const FN(rows) *r)
{
    return FN(rows_in_bundles)(r, r->O * (ptrdiff_t)sizeof(REAL), FN(distance_row), FN(distance_bundle));
}

/* ---- hinge of classes ---- */

FNN_ELEMENT double FN(hinge_labels_row)(ptrdiff_t O, double parameter, const REAL *y, const void *goal, double factor,
                                        REAL *dy)
{
    const ptrdiff_t label = FN(label_of)(goal, O);
    if (label < 0)
        return FN(without_label)(O, dy);
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

static double FN(hinge_labels_rows)(const FN(rows) *r)
{
    return FN(each_row)(r, sizeof(int64_t), FN(hinge_labels_row));
}

/* ---- cross-entropy ---- */

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

FNN_ELEMENT double FN(cross_entropy_row)(ptrdiff_t O, double parameter, const REAL *y, const void *goal, double factor,
                                         REAL *dy)
{
    const REAL *target = goal;
    const REAL keep = (REAL)(1 - parameter), floor = (REAL)(parameter / (double)O);
    const REAL m = FN(largest)(O, y);
    const double gap = FN(mean_gap)(O, keep, floor, y, target, m);
    const double sum = FN(exp_sum)(O, y, m, dy);
    const REAL share = (REAL)factor, inverse = (REAL)(1 / sum);
    if (dy)
        EACH(o, O)
            dy[o] = share * FMA(dy[o], inverse, -FMA(keep, target[o], floor));
    return FN(log)(sum) + gap;
}

FNN_ELEMENT double FN(cross_entropy_labels_row)(ptrdiff_t O, double parameter, const REAL *y, const void *goal,
                                                double factor, REAL *dy)
{
    const ptrdiff_t label = FN(label_of)(goal, O);
    if (label < 0)
        return FN(without_label)(O, dy);
    const double keep = 1 - parameter, floor = parameter / (double)O;
    const REAL m = FN(largest)(O, y);
    /* Without smoothing no mean: 0 * inf, where an output was switched off by -inf, would be NaN. */
    const double mean = floor != 0 ? FN(mean_gap)(O, 0, (REAL)floor, y, NULL, m) : 0;
    const double gap = FMA_DOUBLE(keep, (double)m - (double)y[label], mean);
    const double sum = FN(exp_sum)(O, y, m, dy);
    if (dy) {
        const REAL slope = (REAL)(factor / sum), lower = (REAL)(factor * floor);
        const REAL at_label = (REAL)(factor * ((double)dy[label] / sum - (keep + floor)));
        EACH(o, O)
            dy[o] = FMA(dy[o], slope, -lower);
        dy[label] = at_label;
    }
    return FN(log)(sum) + gap;
}

/* A bundle of short rows, as the functions above would do each. */
static void FN(cross_entropy_bundle)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t count, double *value)
{
    const ptrdiff_t O = r->O, R = FN(whole_vectors)(count);
    const REAL keep = (REAL)(1 - r->parameter), floor = (REAL)(r->parameter / (double)O);
    REAL x[FN(BUNDLE)], t[FN(BUNDLE)], gap[FN(BUNDLE)], m[FN(ROWS)], share[FN(ROWS)], inverse[FN(ROWS)];
    double sum[FN(ROWS)], factor[FN(ROWS)];
    FN(load_rows)(O, count, r->y + b * O, x);
    FN(load_rows)(O, count, (const REAL *)r->target + b * O, t);
    FN(largest_of_rows)(O, R, x, m);
    EACH(n, O * R)
        t[n] = FMA(keep, t[n], floor);
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R)
            OF_ROWS(gap + o * R + l) = OF_ROWS(t + o * R + l) * (OF_ROWS(m + l) - OF_ROWS(x + o * R + l));
    FN(sum_of_rows)(O, R, gap, value);
    FN(exp_of_rows)(O, R, m, x);
    FN(sum_of_rows)(O, R, x, sum);
    FN(add_logs)(R, sum, value);
    if (!r->dy)
        return;
    FN(times_weight)(r, b, count, r->scale, factor);
    EACH(l, R) {
        share[l] = (REAL)factor[l];
        inverse[l] = (REAL)(1 / sum[l]);
    }
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R) {
            FN(vector) *out = &OF_ROWS(x + o * R + l);
            *out = OF_ROWS(share + l) * (*out * OF_ROWS(inverse + l) - OF_ROWS(t + o * R + l));
        }
    FN(store_rows)(O, count, x, r->dy + b * O);
}

static void FN(cross_entropy_labels_bundle)(const FN(rows) *r, ptrdiff_t b, ptrdiff_t count, double *value)
{
    const ptrdiff_t O = r->O, R = FN(whole_vectors)(count);
    const double keep = 1 - r->parameter, floor = r->parameter / (double)O;
    ptrdiff_t label[FN(ROWS)];
    REAL x[FN(BUNDLE)], gap[FN(BUNDLE)], m[FN(ROWS)], own[FN(ROWS)], slope[FN(ROWS)], lower[FN(ROWS)];
    double sum[FN(ROWS)], mean[FN(ROWS)], factor[FN(ROWS)];
    FN(load_rows)(O, count, r->y + b * O, x);
    for (ptrdiff_t l = 0; l < count; l++)
        label[l] = FN(label_of)((const int64_t *)r->target + b + l, O);
    for (ptrdiff_t l = 0; l < R; l++) {
        const REAL at_label = l < count && label[l] >= 0 ? r->y[(b + l) * O + label[l]] : 0;
        own[l] = l < count && label[l] < 0 ? (REAL)NAN : at_label;
    }
    FN(largest_of_rows)(O, R, x, m);
    EACH(l, R)
        value[l] = (double)m[l] - (double)own[l];
    if (floor != 0) {
        for (ptrdiff_t o = 0; o < O; o++)
            EACH_VECTOR(l, R)
                OF_ROWS(gap + o * R + l) = (REAL)floor * (OF_ROWS(m + l) - OF_ROWS(x + o * R + l));
        FN(sum_of_rows)(O, R, gap, mean);
        EACH(l, R)
            value[l] = FMA_DOUBLE(keep, value[l], mean[l]);
    }
    FN(exp_of_rows)(O, R, m, x);
    for (ptrdiff_t l = 0; l < R; l++)
        own[l] = x[(l < count && label[l] > 0 ? label[l] * R : 0) + l];
    FN(sum_of_rows)(O, R, x, sum);
    FN(add_logs)(R, sum, value);
    if (!r->dy)
        return;
    FN(times_weight)(r, b, count, r->scale, factor);
    for (ptrdiff_t l = 0; l < count; l++)
        factor[l] = label[l] < 0 ? 0 : factor[l];
    EACH(l, R) {
        slope[l] = (REAL)(factor[l] / sum[l]);
        lower[l] = (REAL)(factor[l] * floor);
        own[l] = (REAL)(factor[l] * ((double)own[l] / sum[l] - (keep + floor)));
    }
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R) {
            FN(vector) *out = &OF_ROWS(x + o * R + l);
            *out = *out * OF_ROWS(slope + l) - OF_ROWS(lower + l);
        }
    FN(store_rows)(O, count, x, r->dy + b * O);
    for (ptrdiff_t l = 0; l < count; l++)
        if (label[l] >= 0)
            r->dy[(b + l) * O + label[l]] = own[l];
}

static double FN(cross_entropy_rows)(const FN(rows) *r)
{
    return FN(rows_in_bundles)(r, r->O * (ptrdiff_t)sizeof(REAL), FN(cross_entropy_row), FN(cross_entropy_bundle));
}

static double FN(cross_entropy_labels_rows)(const FN(rows) *r)
{
    return FN(rows_in_bundles)(r, sizeof(int64_t), FN(cross_entropy_labels_row), FN(cross_entropy_labels_bundle));
}

#undef OF_ROWS
#undef EACH_VECTOR
