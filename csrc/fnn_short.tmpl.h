/* Short rows: a bundle of them at a time, one to a lane.  What a row costs by itself, joining partial sums, an inverse, a
 * logarithm, it shares with its neighbours then.  x[o * R + l] is element o of row l; R is the number of rows, rounded up to
 * whole vectors.  Sums have the order, and so the bits, of fnn_reduce.tmpl.h. */

enum {
    FN(ROWS) = 128 / sizeof(REAL), /* of a bundle at most: the latencies of some hide behind the others */
    FN(BUNDLE) = FNN_SHORT * FN(ROWS),
};

#define OF_ROWS(p) (*(FN(vector) *)(p)) /* one element of each of WIDTH rows */
#define EACH_VECTOR(l, R) for (ptrdiff_t l = 0; l < (R); l += FN(WIDTH))

/* How many of the rows that are left the next bundle takes: none if they are long or few.  A bundle of one vector takes as
 * long as a row and a half by itself, and a hundredth more for each of its elements. */
FNN_ELEMENT ptrdiff_t FN(bundle_of)(ptrdiff_t O, ptrdiff_t left)
{
    if (O > FNN_SHORT || 100 * left < 150 + O * FN(WIDTH))
        return 0;
    return left < FN(ROWS) ? left : FN(ROWS);
}

FNN_ELEMENT ptrdiff_t FN(whole_vectors)(ptrdiff_t count)
{
    return (count + FN(WIDTH) - 1) / FN(WIDTH) * FN(WIDTH);
}

/* WIDTH rows to lanes.  The last pieces of rows may overlap those before. */
FNN_ELEMENT void FN(turn_to_lanes)(ptrdiff_t O, const REAL *row, ptrdiff_t R, REAL *x)
{
    for (ptrdiff_t o = 0; o < O && O < FN(QUAD); o++)
        for (int l = 0; l < FN(WIDTH); l++)
            x[o * R + l] = row[l * O + o];
    for (ptrdiff_t o = 0; o < O && O >= FN(QUAD); o += FN(QUAD)) {
        const ptrdiff_t at = o < O - FN(QUAD) ? o : O - FN(QUAD);
        FN(vector) t[FN(QUAD)];
        FN(turn_block)(row + at, O, t);
        UNROLLED_EACH(4, j, FN(QUAD))
            OF_ROWS(x + (at + j) * R) = t[j];
    }
}

FNN_ELEMENT void FN(turn_to_rows)(ptrdiff_t O, const REAL *x, ptrdiff_t R, REAL *row)
{
    for (ptrdiff_t o = 0; o < O && O < FN(QUAD); o++)
        for (int l = 0; l < FN(WIDTH); l++)
            row[l * O + o] = x[o * R + l];
    for (ptrdiff_t o = 0; o < O && O >= FN(QUAD); o += FN(QUAD)) {
        const ptrdiff_t at = o < O - FN(QUAD) ? o : O - FN(QUAD);
        fnn_vector_64 x4[FN(QUAD)];
        FN(vector) t[FN(QUAD)];
        UNROLLED_EACH(4, j, FN(QUAD))
            x4[j] = (fnn_vector_64)OF_ROWS(x + (at + j) * R);
        FN(turn_pieces)(x4, t);
        UNROLLED_EACH(4, j, FN(QUAD))
            fnn_scatter_pieces((fnn_vector_64)t[j], (char *)(row + j * O + at),
                               FN(QUAD) * O * (ptrdiff_t)sizeof(REAL));
    }
}

/* x = count rows, turned over; the rows that are missing to whole vectors are zeros. */
FNN_SHARED void FN(load_rows)(ptrdiff_t O, ptrdiff_t count, const REAL *row, REAL *x)
{
    const ptrdiff_t R = FN(whole_vectors)(count);
    EACH_VECTOR(l, R) {
        REAL filled[FNN_SHORT * FN(WIDTH)];
        const REAL *from = row + l * O;
        if (l + FN(WIDTH) > count) {
            memset(filled, 0, (size_t)(O * FN(WIDTH)) * sizeof *filled);
            memcpy(filled, from, (size_t)((count - l) * O) * sizeof *filled);
            from = filled;
        }
        FN(turn_to_lanes)(O, from, R, x + l);
    }
}

/* The way back. */
FNN_SHARED void FN(store_rows)(ptrdiff_t O, ptrdiff_t count, const REAL *x, REAL *row)
{
    const ptrdiff_t R = FN(whole_vectors)(count);
    EACH_VECTOR(l, R) {
        REAL filled[FNN_SHORT * FN(WIDTH)];
        const int whole = l + FN(WIDTH) <= count;
        FN(turn_to_rows)(O, x + l, R, whole ? row + l * O : filled);
        if (!whole)
            memcpy(row + l * O, filled, (size_t)((count - l) * O) * sizeof *filled);
    }
}

/* m = the largest element of each row; NaN is passed over. */
FNN_SHARED void FN(largest_of_rows)(ptrdiff_t O, ptrdiff_t R, const REAL *x, REAL *m)
{
    EACH_VECTOR(l, R) {
        FN(vector) most = (FN(vector)){0} - (REAL)INFINITY;
        for (ptrdiff_t o = 0; o < O; o++) {
            const FN(vector) next = OF_ROWS(x + o * R + l);
            const FN(lanes) larger = (FN(lanes))(next > most);
            most = (FN(vector))(((FN(lanes))next & larger) | ((FN(lanes))most & ~larger));
        }
        OF_ROWS(m + l) = most;
    }
}

/* x = exp(x - m).  In two loops: in one, the long chains of so many vectors would not fit into a processor's window. */
FNN_SHARED void FN(exp_of_rows)(ptrdiff_t O, ptrdiff_t R, const REAL *m, REAL *x)
{
    REAL shifted[FN(BUNDLE)];
    for (ptrdiff_t o = 0; o < O; o++)
        EACH_VECTOR(l, R)
            OF_ROWS(x + o * R + l) = OF_ROWS(x + o * R + l) - OF_ROWS(m + l);
    EACH(n, O * R) {
        const REAL z = FN(exp_argument)(x[n]);
        shifted[n] = FN(exp_shifted)(z);
        x[n] = FN(exp_rest)(z, shifted[n]);
    }
    EACH(n, O * R)
        x[n] = FN(exp_of_rest)(x[n], shifted[n]);
}

/* sum = sum_o x_o of each row, or sum_o x_o y_o unless y is NULL. */
FNN_ELEMENT void FN(sum_rows)(ptrdiff_t O, ptrdiff_t R, const REAL *x, const REAL *y, double *sum)
{
    double lane[FNN_LANES * FN(ROWS)] __attribute__((aligned(64)));
    ptrdiff_t lanes = O < FNN_LANES ? O : FNN_LANES;
    EACH(n, lanes * R)
        lane[n] = y ? (double)x[n] * (double)y[n] + 0.0 : (double)x[n]; /* + 0: a sum is never -0 */
    for (ptrdiff_t o = lanes; o < O; o += FNN_LANES) {
        const REAL *left = x + o * R, *right = y ? y + o * R : left;
        EACH(n, (O - o < FNN_LANES ? O - o : FNN_LANES) * R)
            lane[n] += y ? (double)left[n] * (double)right[n] : (double)left[n];
    }
    for (ptrdiff_t width = FNN_LANES / 2; width > 0; width /= 2) {
        EACH(n, (lanes - width) * R) /* the lanes beyond hold nothing */
            lane[n] += lane[n + width * R];
        lanes = lanes < width ? lanes : width;
    }
    memcpy(sum, lane, (size_t)R * sizeof *sum);
}

FNN_SHARED void FN(sum_of_rows)(ptrdiff_t O, ptrdiff_t R, const REAL *x, double *sum)
{
    FN(sum_rows)(O, R, x, NULL, sum);
}

/* value += log(sum). */
FNN_SHARED void FN(add_logs)(ptrdiff_t R, const double *sum, double *value)
{
    EACH(l, R)
        value[l] += FN(log)(sum[l]);
}
