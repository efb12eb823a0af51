/* Convolutions of 3 x 3 by F(4 x 4, 3 x 3) [Lavin and Gray 2016, section 4.3]: y = A^T ((G w G^T) (B^T x B)) A, the brackets
 * elementwise: polynomials that are multiplied by their values at some points.  Those of the paper are 0, 1, -1, 2, -2 and
 * infinity; with 3/4 in place of 1 rounding errors are half as large, since powers of the points are nearer to each other
 * [Barabasz et al. 2020].
 *
 * Channels lie across the lanes.  A matrix of 6 x 6 vectors does not fit the registers, so both passes are loops over one
 * that lies near: their code is a sixth of what it would be, and as fast.
 * Order of summation: as written, each product one multiply-add by name.  A has the factors of the points 1 and 2, which
 * round nothing, and G no fractions; what is left is one factor at the end. */

#define FNN_POINT ((REAL)0.75) /* of short squares, which no REAL rounds */
#define VECTOR(p) (*(const FN(vector) *)(p))

/* factor x + y, rounded once. */
FNN_ELEMENT FN(vector) FN(plus)(REAL factor, FN(vector) x, FN(vector) y)
{
    const FN(vector) factors = factor - (FN(vector)){0};
    ADD_PRODUCT(y, factors, x);
    return y;
}

/* G without the fractions of its rows. */
FNN_ELEMENT void FN(winograd_g)(const FN(vector) w[3], FN(vector) u[6])
{
    const FN(vector) near = FN(plus)(FNN_POINT * FNN_POINT, w[2], w[0]), far = FN(plus)(4 * FNN_POINT * FNN_POINT, w[2], w[0]);
    u[0] = w[0];
    u[1] = FN(plus)(FNN_POINT, w[1], near);
    u[2] = FN(plus)(-FNN_POINT, w[1], near);
    u[3] = FN(plus)(2 * FNN_POINT, w[1], far);
    u[4] = FN(plus)(-2 * FNN_POINT, w[1], far);
    u[5] = w[2];
}

/* B^T. */
FNN_ELEMENT void FN(winograd_b)(const FN(vector) x[6], FN(vector) v[6])
{
    const REAL square = FNN_POINT * FNN_POINT;
    const FN(vector) even = FN(plus)(-4 * square, x[2], x[4]), odd = FN(plus)(-4 * square, x[1], x[3]);
    const FN(vector) far_even = FN(plus)(-square, x[2], x[4]), far_odd = FN(plus)(-square, x[1], x[3]);
    v[0] = FN(plus)(-5 * square, x[2], FN(plus)(4 * square * square, x[0], x[4]));
    v[1] = FN(plus)(FNN_POINT, odd, even);
    v[2] = FN(plus)(-FNN_POINT, odd, even);
    v[3] = FN(plus)(2 * FNN_POINT, far_odd, far_even);
    v[4] = FN(plus)(-2 * FNN_POINT, far_odd, far_even);
    v[5] = FN(plus)(-5 * square, x[3], FN(plus)(4 * square * square, x[1], x[5]));
}

/* A^T without the powers of FNN_POINT, which are those of its rows. */
FNN_ELEMENT void FN(winograd_a)(const FN(vector) m[6], FN(vector) y[4])
{
    const FN(vector) even = m[1] + m[2], odd = m[1] - m[2], far_even = m[3] + m[4], far_odd = m[3] - m[4];
    y[0] = m[0] + even + far_even;
    y[1] = FN(plus)(2, far_odd, odd);
    y[2] = FN(plus)(4, far_even, even);
    y[3] = FN(plus)(8, far_odd, odd) + m[5];
}

static void FN(fnn_winograd_weights)(ptrdiff_t N, ptrdiff_t w_step, const fnn_real *w, ptrdiff_t u_step, fnn_real *u)
{
    /* 1 over the products of a point's distances from the others, and of the last row what A^T gives back. */
    static const double FRACTION[6] = {64.0 / 81, -128.0 / 243, -128.0 / 243, 32.0 / 243, 32.0 / 243, 64.0 / 27};
    for (ptrdiff_t n = 0; n < N; n += FN(WIDTH)) {
        FN(vector) half[3][6];
        const REAL *from = (const REAL *)w + n;
        REAL *to = (REAL *)u + n;
        for (int l = 0; l < 3; l++, from += w_step) {
            const FN(vector) column[3] = {VECTOR(from), VECTOR(from + 3 * w_step), VECTOR(from + 6 * w_step)};
            FN(winograd_g)(column, half[l]);
        }
        for (int i = 0; i < 6; i++) {
            const FN(vector) row[3] = {half[0][i], half[1][i], half[2][i]};
            FN(vector) whole[6];
            FN(winograd_g)(row, whole);
            for (int j = 0; j < 6; j++, to += u_step)
                *(FN(vector) *)to = (REAL)(FRACTION[i] * FRACTION[j]) * whole[j];
        }
    }
}

/* One vector of channels. */
FNN_SHARED void FN(winograd_channels)(const REAL *const *x, ptrdiff_t c, ptrdiff_t v_step, REAL *v)
{
    FN(vector) half[6][6];
    for (int j = 0; j < 6; j++, x++) {
        const FN(vector) column[6] = {VECTOR(x[0] + c), VECTOR(x[6] + c), VECTOR(x[12] + c),
                                      VECTOR(x[18] + c), VECTOR(x[24] + c), VECTOR(x[30] + c)};
        FN(winograd_b)(column, half[j]);
    }
    for (int i = 0; i < 6; i++) {
        const FN(vector) row[6] = {half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]};
        FN(vector) whole[6];
        FN(winograd_b)(row, whole);
        UNROLLED_EACH(6, j, 6)
            *(FN(vector) *)(v + j * v_step) = whole[j];
        v += 6 * v_step;
    }
}

static void FN(fnn_winograd_input)(ptrdiff_t C, ptrdiff_t width, const int32_t *rows, const int32_t *columns, const fnn_real *x,
                                   const fnn_real *zeros, ptrdiff_t v_step, fnn_real *v)
{
    const REAL *pixels[36];
    REAL last[36][FN(WIDTH)];
    ptrdiff_t c = 0;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            pixels[6 * i + j] = (rows[i] | columns[j]) < 0 ? zeros : (const REAL *)x + (rows[i] * width + columns[j]) * C;
    for (; c + FN(WIDTH) <= C; c += FN(WIDTH))
        FN(winograd_channels)(pixels, c, v_step, (REAL *)v + c);
    if (c == C)
        return;
    memset(last, 0, sizeof last); /* behind the last pixel there may be nothing to read */
    for (int k = 0; k < 36; k++) {
        memcpy(last[k], pixels[k] + c, (size_t)(C - c) * sizeof(REAL));
        pixels[k] = last[k];
    }
    FN(winograd_channels)(pixels, 0, v_step, (REAL *)v + c);
}

static void FN(fnn_winograd_output)(ptrdiff_t O, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t m_step, const fnn_real *m,
                                    const fnn_real *bias, int activation, double alpha, ptrdiff_t y_row, fnn_real *y)
{
    static const REAL POWER[7] = {1, (REAL)3 / 4, (REAL)9 / 16, (REAL)27 / 64, (REAL)81 / 256, (REAL)243 / 1024, (REAL)729 / 4096};
    const FN(product) end = {.activation = activation, .alpha = (REAL)alpha};
    for (ptrdiff_t o = 0; o < O; o += FN(WIDTH)) {
        FN(vector) half[6][4];
        const REAL *from = (const REAL *)m + o;
        const FN(vector) start = bias ? VECTOR((const REAL *)bias + o) : (FN(vector)){0};
        for (int j = 0; j < 6; j++, from += m_step) {
            const FN(vector) column[6] = {VECTOR(from), VECTOR(from + 6 * m_step), VECTOR(from + 12 * m_step),
                                          VECTOR(from + 18 * m_step), VECTOR(from + 24 * m_step), VECTOR(from + 30 * m_step)};
            FN(winograd_a)(column, half[j]);
        }
        for (ptrdiff_t i = 0; i < rows; i++) {
            const FN(vector) row[6] = {half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]};
            FN(vector) whole[4];
            FN(winograd_a)(row, whole);
            UNROLLED_EACH(4, j, 4)
                if (j < columns)
                    FN(store)((REAL *)y + i * y_row + j * O + o, FN(activate)(&end, FN(plus)(POWER[i + j], whole[j], start)),
                              1, O - o);
        }
    }
}

#undef VECTOR
#undef FNN_POINT
