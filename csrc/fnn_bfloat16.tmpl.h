/* Weights in bfloat16, the upper half of a float32: half of the bytes to read, and the arithmetic of float32.
 *
 * The processors' own products of bfloat16 (AVX512_BF16, AMX, BFMMLA) round otherwise than a multiply-add of float32, each
 * in its own way, and take activations in bfloat16: they are not used, since bits are promised. */

_Static_assert(FNN_BFLOAT16_NARROW == FNN_NARROW, "layers that are summed in several chains");

enum { FN(GROUP_VECTORS) = FNN_BFLOAT16_GROUP / FN(LANES) };

/* Columns v * LANES .. of a group, its vectors being those of the first columns of all pairs, then of the second. */
FNN_ELEMENT FN(reals) FN(widened)(const uint16_t *group, const int v)
{
    const int half = FN(GROUP_VECTORS) / 2;
    const FN(ints) pairs = *(const FN(ints) *)(group + v % half * 2 * FN(LANES));
    return v < half ? (FN(reals))(pairs << 16) : (FN(reals))(pairs & ~0xffff);
}

/* Some groups of columns of one row, over all inputs or over the `count` of them that are listed: chains of multiply-adds
 * as in the product of float32. */
FNN_ELEMENT void FN(bfloat16_groups)(const int groups, const int listed, ptrdiff_t count, const int32_t *list, ptrdiff_t w_row,
                                     ptrdiff_t columns, const float *x, const uint16_t *w, const float *bias,
                                     int activation, float alpha, float *y)
{
    FN(reals) sum[4 * FN(GROUP_VECTORS)];
    UNROLLED_EACH(16, v, groups * FN(GROUP_VECTORS))
        sum[v] = bias && v * FN(LANES) < columns ? *(const FN(reals) *)(bias + v * FN(LANES)) : (FN(reals)){0};
    for (ptrdiff_t k = 0; k < count; k++) {
        const ptrdiff_t i = listed ? list[k] : k;
        const uint16_t *row = w + i * w_row;
        const float input = x[i];
        UNROLLED_EACH(16, v, groups * FN(GROUP_VECTORS))
            sum[v] = input * FN(widened)(row + v / FN(GROUP_VECTORS) * FNN_BFLOAT16_GROUP, v % FN(GROUP_VECTORS)) + sum[v];
    }
    UNROLLED_EACH(16, v, groups * FN(GROUP_VECTORS))
        if (v * FN(LANES) < columns)
            FN(store_first)(y + v * FN(LANES), FN(activated)(sum[v], activation, alpha), columns - v * FN(LANES));
}

/* One row and the columns of one panel, as many groups at a time as stay in registers. */
FNN_ELEMENT void FN(bfloat16_panel)(const int listed, ptrdiff_t count, const int32_t *list, ptrdiff_t w_row, ptrdiff_t columns,
                                    const float *x, const uint16_t *w, const float *bias, int activation, float alpha,
                                    float *y)
{
    enum { MOST = FNN_MOST_GROUPS };
    const int crowded = listed && FN(LANES) == 8; /* with a list the sums of three groups do not all get a register */
    for (ptrdiff_t n = 0; n < columns;) {
        const ptrdiff_t groups = (w_row - n) / FNN_BFLOAT16_GROUP;
        const float *start = bias ? bias + n : NULL;
#define FNN_GROUPS(most)                                                                                               \
    FN(bfloat16_groups)(most, listed, count, list, w_row, columns - n, x, w + n, start, activation, alpha, y + n);             \
    n += (most) * FNN_BFLOAT16_GROUP
        if (MOST >= 4 && groups >= 4) {
            FNN_GROUPS(MOST >= 4 ? 4 : 1);
        } else if (MOST >= 3 && !crowded && groups >= 3) {
            FNN_GROUPS(MOST >= 3 ? 3 : 1);
        } else if (MOST >= 2 && groups >= 2) {
            FNN_GROUPS(MOST >= 2 ? 2 : 1);
        } else {
            FNN_GROUPS(1);
        }
#undef FNN_GROUPS
    }
}

/* One row: weights that meet an input of 0 are not read where there are enough of them to pay for the list of the others. */
static void FN(bfloat16_row)(const fnn_bfloat16_weights *w, ptrdiff_t first, ptrdiff_t last, const float *x,
                             const float *bias, int activation, float alpha, int32_t *list, float *y)
{
    const ptrdiff_t I = w->inputs;
    int32_t zeros = 0;
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < I; i++)
        zeros += x[i] == 0;
    const int listed = 4 * (ptrdiff_t)zeros > I;
    for (ptrdiff_t i = 0; listed && i < I; i++) {
        list[count] = (int32_t)i;
        count += x[i] != 0;
    }
    for (ptrdiff_t panel = first; panel < last; panel++) {
        const ptrdiff_t o = panel * FNN_BFLOAT16_PANEL, columns = fnn_bfloat16_columns(w->outputs, panel);
        const ptrdiff_t w_row = fnn_bfloat16_row(columns);
        const float *start = bias ? bias + o : NULL;
        if (listed)
            FN(bfloat16_panel)(1, count, list, w_row, columns, x, w->values + o * I, start, activation, alpha, y + o);
        else
            FN(bfloat16_panel)(0, I, NULL, w_row, columns, x, w->values + o * I, start, activation, alpha, y + o);
    }
}

/* Lay out weights, or take them back from how they are laid out. */
FNN_ELEMENT void FN(bfloat16_move)(ptrdiff_t I, ptrdiff_t O, uint16_t *w, uint16_t *packed, const int back)
{
    const int narrow = O <= FNN_BFLOAT16_NARROW;
    for (ptrdiff_t panel = 0; panel < fnn_bfloat16_panels(O); panel++) {
        const ptrdiff_t columns = fnn_bfloat16_columns(O, panel), row = narrow ? O : fnn_bfloat16_row(columns);
        for (ptrdiff_t i = 0; i < I; i++)
            for (ptrdiff_t n = 0; n < row; n++, packed++) {
                const ptrdiff_t group = n / FNN_BFLOAT16_GROUP * FNN_BFLOAT16_GROUP, place = n - group;
                const ptrdiff_t column = narrow ? n : group + place / 2 + place % 2 * (FNN_BFLOAT16_GROUP / 2);
                const ptrdiff_t o = panel * FNN_BFLOAT16_PANEL + column;
                if (!back)
                    *packed = o < O ? w[i * O + o] : 0;
                else if (o < O)
                    w[i * O + o] = *packed;
            }
    }
}

void BFLOAT16(pack)(ptrdiff_t I, ptrdiff_t O, const uint16_t *w, uint16_t *packed)
{
    FN(bfloat16_move)(I, O, (uint16_t *)w, packed, 0);
}

void BFLOAT16(unpack)(ptrdiff_t I, ptrdiff_t O, const uint16_t *packed, uint16_t *w)
{
    FN(bfloat16_move)(I, O, w, (uint16_t *)packed, 1);
}

static void FN(bfloat16_widen)(ptrdiff_t N, const uint16_t *w, float *out)
{
    for (ptrdiff_t n = 0; n < N; n += FNN_BFLOAT16_GROUP)
        UNROLLED_EACH(8, v, FN(GROUP_VECTORS))
            *(FN(reals) *)(out + n + v * FN(LANES)) = FN(widened)(w + n, v);
}

/* A narrow layer is summed in several chains, as in float32: its weights are turned into float32 as a whole. */
static void FN(bfloat16_narrow)(const fnn_products *products, const fnn_bfloat16_weights *w, ptrdiff_t B, const float *x,
                                const float *bias, int activation, double alpha, float *work, float *y)
{
    const ptrdiff_t I = w->inputs, O = w->outputs;
    const fnn_shape shape = {B, I, O, I, O, O, 0};
    for (ptrdiff_t n = 0; n < I * O; n++) {
        const union { uint32_t bits; float real; } both = {(uint32_t)w->values[n] << 16};
        work[n] = both.real;
    }
    products->forward(&shape, x, work, bias, activation, alpha, y);
}

void BFLOAT16(forward)(const fnn_products *products, const fnn_bfloat16_weights *w, ptrdiff_t B, ptrdiff_t first,
                       ptrdiff_t last, const float *x, const float *bias, int activation, double alpha, float *work,
                       float *y)
{
    enum { FEW = 8 }; /* rows for which it does not pay to write the weights in float32 */
    const ptrdiff_t I = w->inputs, O = w->outputs;
    if (O <= FNN_BFLOAT16_NARROW) {
        FN(bfloat16_narrow)(products, w, B, x, bias, activation, alpha, work, y);
        return;
    }
    for (ptrdiff_t b = 0; B <= FEW && b < B; b++)
        FN(bfloat16_row)(w, first, last, x + b * I, bias, activation, (float)alpha, (int32_t *)work, y + b * O);
    for (ptrdiff_t panel = first; B > FEW && panel < last; panel++) {
        const ptrdiff_t o = panel * FNN_BFLOAT16_PANEL, columns = fnn_bfloat16_columns(O, panel);
        const ptrdiff_t w_row = fnn_bfloat16_row(columns);
        const uint16_t *values = w->values + o * I;
        for (ptrdiff_t i = 0; i < I; i += FNN_BFLOAT16_DEPTH) { /* the chains go on from where they are, in y */
            const int ends = i + FNN_BFLOAT16_DEPTH >= I;
            const fnn_shape shape = {B, ends ? I - i : FNN_BFLOAT16_DEPTH, columns, I, w_row, O, i ? O : 0};
            FN(bfloat16_widen)(shape.inputs * w_row, values + i * w_row, work);
            products->forward(&shape, x + i, work, i ? y + o : bias ? bias + o : NULL,
                              ends ? activation : FNN_IDENTITY, alpha, y + o);
        }
    }
}
