/* A matrix turned over: blocks in registers; where it has few rows or few columns, that loop is no loop. */

/* y_cr = x_rc for R rows, R a constant, with the rows of y one after the other. */
FNN_ELEMENT void FN(interleave)(const int R, ptrdiff_t C, const REAL *x, ptrdiff_t x_row, REAL *y)
{
    EACH(c, C)
        UNROLLED_EACH(4, r, R)
            y[c * R + r] = x[r * x_row + c];
}

/* y_cr = x_rc for C columns, C a constant, with the rows of x one after the other. */
FNN_ELEMENT void FN(deal)(const int C, ptrdiff_t R, const REAL *x, REAL *y, ptrdiff_t y_row)
{
    EACH(r, R)
        UNROLLED_EACH(4, c, C)
            y[c * y_row + r] = x[r * C + c];
}

static void FN(fnn_turn_over)(ptrdiff_t R, ptrdiff_t C, const fnn_real *x_, ptrdiff_t x_row, fnn_real *y_,
                              ptrdiff_t y_row)
{
    const REAL *x = x_;
    REAL *y = y_;
    ptrdiff_t c = 0;
    if (y_row == R && R <= 4) {
        if (R == 2)
            FN(interleave)(2, C, x, x_row, y);
        else if (R == 3)
            FN(interleave)(3, C, x, x_row, y);
        else if (R == 4)
            FN(interleave)(4, C, x, x_row, y);
        else
            memcpy(y, x, (size_t)C * sizeof(REAL));
        return;
    }
    if (x_row == C && (C == 2 || C == 3)) {
        if (C == 2)
            FN(deal)(2, R, x, y, y_row);
        else
            FN(deal)(3, R, x, y, y_row);
        return;
    }
    for (; c + FN(QUAD) <= C && R >= FN(WIDTH); c += FN(QUAD)) {
        ptrdiff_t r = 0;
        for (; r + FN(WIDTH) <= R; r += FN(WIDTH)) {
            FN(vector) t[FN(QUAD)];
            FN(turn_block)(x + r * x_row + c, x_row, t);
            UNROLLED_EACH(4, j, FN(QUAD))
                *(FN(vector) *)(y + (c + j) * y_row + r) = t[j];
        }
        for (; r < R; r++)
            UNROLLED_EACH(4, j, FN(QUAD))
                y[(c + j) * y_row + r] = x[r * x_row + c + j];
    }
    for (; c < C; c++)
        for (ptrdiff_t r = 0; r < R; r++)
            y[c * y_row + r] = x[r * x_row + c];
}
