/* The products of a dense layer: which way each goes. */

/* The gradient of biases: that of the weights of an input that is always 1. */
static void FN(fnn_add_row_sum)(ptrdiff_t B, ptrdiff_t O, double scale, const fnn_real *x, ptrdiff_t x_row,
                                fnn_real *out)
{
    static const REAL ONE = 1;
    const FN(product) p = {.a = &ONE, .w = x, .w_row = x_row, .c = out, .add = 1, .scale = (REAL)scale};
    FN(run_product)(&p, 1, O, B);
}

static void FN(fnn_product_forward)(const fnn_shape *s, const fnn_real *x, const fnn_real *w, const fnn_real *bias,
                                    int activation, double alpha, fnn_real *y)
{
    const FN(product) p = {.a = x, .a_row = s->x_row, .a_step = 1, .w = w, .w_row = s->w_row, .c = y,
                           .c_row = s->y_row, .start = bias, .start_row = s->bias_row, .activation = activation,
                           .alpha = (REAL)alpha};
    if (s->w_row <= FNN_NARROW)
        FN(run_narrow)(&p, s->batch, s->outputs, s->inputs);
    else if (s->batch == 1)
        FN(run_row)(&p, s->outputs, s->inputs);
    else
        FN(run_product)(&p, s->batch, s->outputs, s->inputs);
}

static void FN(fnn_product_input_gradient)(const fnn_shape *s, const fnn_real *dy, const fnn_real *w, fnn_real *dx)
{
    const FN(product) p = {.a = dy, .a_row = s->y_row, .a_step = 1, .w = w, .w_row = s->w_row, .turned = 1, .c = dx,
                           .c_row = s->x_row};
    if (s->batch == 1)
        FN(row_gradient)(s->inputs, s->outputs, s->w_row, dy, w, dx);
    else
        FN(run_product)(&p, s->batch, s->inputs, s->outputs);
}

static void FN(fnn_product_weight_gradient)(const fnn_shape *s, double scale, const fnn_real *x, const fnn_real *dy,
                                            fnn_real *dw)
{
    if (s->batch == 1) {
        FN(rank_one)(s->inputs, s->outputs, s->w_row, (REAL)scale, x, dy, dw);
        return;
    }
    const ptrdiff_t done = s->w_row <= FNN_NARROW ? FN(narrow_gradient)(s, (REAL)scale, x, dy, dw) : 0;
    const FN(product) p = {.a = (const REAL *)x + done, .a_row = 1, .a_step = s->x_row, .w = dy, .w_row = s->y_row,
                           .c = (REAL *)dw + done * s->w_row, .c_row = s->w_row, .add = 1, .scale = (REAL)scale};
    if (done < s->inputs)
        FN(run_product)(&p, s->inputs - done, s->outputs, s->batch);
}

static void FN(fnn_product_row_gradients)(const fnn_shape *s, double scale, const fnn_real *x, const fnn_real *dy,
                                          const fnn_real *w, fnn_real *dx, fnn_real *dw)
{
    enum { ROWS = 4 * FN(WIDTH) }; /* few enough to be in the nearest cache still when their turn to change comes */
    for (ptrdiff_t i = 0; i < s->inputs; i += ROWS) {
        const ptrdiff_t count = s->inputs - i < ROWS ? s->inputs - i : ROWS;
        FN(row_gradient)(count, s->outputs, s->w_row, dy, (const REAL *)w + i * s->w_row, (REAL *)dx + i);
        FN(rank_one)(count, s->outputs, s->w_row, (REAL)scale, (const REAL *)x + i, dy, (REAL *)dw + i * s->w_row);
    }
}

#undef VECTOR
