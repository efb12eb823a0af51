"""The C functions that multiply by weights; see ``functions`` for how they are written."""

SUMS = 8  # of a product at a time: as many as stay in the registers of small processors


def product(*, quantized: bool) -> str:
    """Return the one function that multiplies by a weight matrix, of numbers or of 8-bit integers."""

    def each(line: str) -> str:
        return "\n".join(line.replace("J", str(j)) for j in range(SUMS))

    about = "y = start + x W, for `outputs` columns of W from `column` on, of `row` in all.  start: 0 for none, or y."
    if quantized:
        about += "\n * W is whole numbers times the scale of their column; x, sums and y are floating-point numbers."
        columns = "    const signed char *w = matrix_w->values + column;\n"
        columns += "    const real *scale = matrix_w->scale + column;"
        wi, weight, zero = "const signed char *wi", "(real)wi[J]", "0.0"
        put, one = "y[o + J] = (start ? start[o + J] : 0.0) + scale[o + J] * sJ;", "(real)w[i * row + o]"
        last = "(start ? start[o] : 0.0) + scale[o] * sum"
    else:
        columns = "    const real *w = matrix_w + column;"
        wi, weight, zero = "const real *wi", "wi[J]", "start ? start[o + J] : 0.0"
        put, one, last = "y[o + J] = sJ;", "w[i * row + o]", "sum"
    first = zero.replace(" + J", "")
    return f"""\
/* {about} */
static void self_product(int inputs, int outputs, int row, int column, const real *x, const matrix *matrix_w,
                         const real *start, real *y)
{{
{columns}
    int o = 0, i;
    for (; o + {SUMS} <= outputs; o += {SUMS}) {{
        {wi} = w + o;
{each(f"        real sJ = {zero};")}
        for (i = 0; i < inputs; i++, wi += row) {{
            const real xi = x[i];
{each(f"            sJ += xi * {weight};")}
        }}
{each(f"        {put}")}
    }}
    for (; o < outputs; o++) {{
        real sum = {first};
        for (i = 0; i < inputs; i++)
            sum += x[i] * {one};
        y[o] = {last};
    }}
}}
"""


DENSE = """\
/* y = x W + b for each of `rows` vectors; b: 0 for none. */
static void self_dense(int rows, int inputs, int outputs, const real *x, const matrix *w, const real *b, real *y)
{
    int r;
    for (r = 0; r < rows; r++)
        self_product(inputs, outputs, outputs, 0, x + r * inputs, w, b, y + r * outputs);
}
"""

PHASE_CUBIC = """\
/* The four control points around a phase in cycles, and their coefficients in the cyclic Catmull-Rom spline. */
static int self_phase_cubic(int points, real phase, int *point, real *c)
{
    const real place = (phase - floor(phase)) * (real)points;
    const int k = place == place ? (int)place : 0;
    const real u = place - (real)k;
    int j;
    c[0] = ((-0.5 * u + 1.0) * u - 0.5) * u;
    c[1] = (1.5 * u - 2.5) * u * u + 1.0;
    c[2] = ((-1.5 * u + 2.0) * u + 0.5) * u;
    c[3] = (0.5 * u - 0.5) * u * u;
    for (j = 0; j < 4; j++)
        point[j] = (k + points - 1 + j) % points;
    return 4;
}
"""

PHASE_LINEAR = """\
/* The two control points around a phase in cycles, and their coefficients on the straight line between them. */
static int self_phase_linear(int points, real phase, int *point, real *c)
{
    const real place = (phase - floor(phase)) * (real)points;
    const int k = place == place ? (int)place : 0;
    c[1] = place - (real)k;
    c[0] = 1.0 - c[1];
    point[0] = k % points;
    point[1] = (k + 1) % points;
    return 2;
}
"""

PHASE_CONSTANT = """\
/* The control point nearest to a phase in cycles. */
static int self_phase_constant(int points, real phase, int *point, real *c)
{
    const real place = (phase - floor(phase)) * (real)points + 0.5;
    const int k = place == place ? (int)place : 0;
    c[0] = place == place ? 1.0 : place;
    point[0] = k % points;
    return 1;
}
"""

PHASE_PRODUCT = """\
/* y = sum_k c_k (x W_k + b_k) over `count` control points; b: 0 for none. */
static void self_phase_product(int inputs, int outputs, int count, const int *point, const real *c, const real *x,
                               const real *w, const real *b, real *y)
{
    int k, i, o;
    for (o = 0; o < outputs; o++)
        y[o] = 0.0;
    for (k = 0; k < count; k++) {
        const real *wk = w + point[k] * inputs * outputs;
        for (o = 0; b && o < outputs; o++)
            y[o] += c[k] * b[point[k] * outputs + o];
        for (i = 0; i < inputs; i++) {
            const real cx = c[k] * x[i];
            for (o = 0; o < outputs; o++)
                y[o] += cx * wk[i * outputs + o];
        }
    }
}
"""
