"""The C functions that an exported network is made of, each written only where it is needed.

They stand here in double; ``text.written_for`` turns ``real``, constants and functions of <math.h> into those of the
network's precision.  ``x`` and ``y`` may be the same array where a function says "in place"; no others may overlap.
"""

import re

from fastnn.formats.activations import TABLE
from fastnn.formats.c import images, layout, products

EMBEDDING = """\
/* The vectors of `count` indices; 1 if one of them is no whole number from 0 to vocabulary - 1. */
static int self_embedding(int count, int vocabulary, int units, const real *x, const real *table, real *y)
{
    int n, k, j;
    for (n = 0; n < count; n++) {
        if (!(x[n] >= 0.0 && x[n] < (real)vocabulary))
            return 1;
        k = (int)x[n];
        if ((real)k < x[n])
            return 1;
        for (j = 0; j < units; j++)
            y[n * units + j] = table[k * units + j];
    }
    return 0;
}
"""

BATCH_NORM = """\
/* y = (x - mean) gain + beta, in place; gain is gamma / sqrt(variance + epsilon), beta: 0 for none. */
static void self_batch_norm(int rows, int columns, const real *x, const real *mean, const real *gain, const real *beta,
                            real *y)
{
    int r, j;
    for (r = 0; r < rows; r++)
        for (j = 0; j < columns; j++)
            y[r * columns + j] = (x[r * columns + j] - mean[j]) * gain[j] + (beta ? beta[j] : 0.0);
}
"""

LAYER_NORM = """\
/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta of each row, in place; gamma, beta: 0 for none. */
static void self_layer_norm(int rows, int columns, real epsilon, const real *x, const real *gamma, const real *beta,
                            real *y)
{
    int r, j;
    for (r = 0; r < rows; r++, x += columns, y += columns) {
        real mean = 0.0, variance = 0.0, inverse;
        for (j = 0; j < columns; j++)
            mean += x[j];
        mean /= (real)columns;
        for (j = 0; j < columns; j++)
            variance += (x[j] - mean) * (x[j] - mean);
        inverse = 1.0 / sqrt(variance / (real)columns + epsilon);
        for (j = 0; j < columns; j++)
            y[j] = (x[j] - mean) * inverse * (gamma ? gamma[j] : 1.0) + (beta ? beta[j] : 0.0);
    }
}
"""

LOCAL_RESPONSE = """\
/* y_j = x_j / (k + alpha sum of the squares of columns j - reach .. j + reach)^beta of each row. */
static void self_local_response(int rows, int columns, int reach, real alpha, real beta, real k, const real *x, real *y)
{
    int r, j, i;
    for (r = 0; r < rows; r++, x += columns, y += columns)
        for (j = 0; j < columns; j++) {
            real sum = 0.0;
            for (i = j > reach ? j - reach : 0; i <= j + reach && i < columns; i++)
                sum += x[i] * x[i];
            y[j] = x[j] * pow(k + alpha * sum, -beta);
        }
}
"""

SOFTMAX = """\
/* exp(x_j) / sum_k exp(x_k) of each row, in place. */
static void self_softmax(int rows, int columns, const real *x, real *y)
{
    int r, j;
    for (r = 0; r < rows; r++, x += columns, y += columns) {
        real top = x[0], sum = 0.0;
        for (j = 1; j < columns; j++)
            top = x[j] > top ? x[j] : top;
        for (j = 0; j < columns; j++) {
            y[j] = exp(x[j] - top);
            sum += y[j];
        }
        for (j = 0; j < columns; j++)
            y[j] /= sum;
    }
}
"""

LOG_SOFTMAX = """\
/* x_j - log(sum_k exp(x_k)) of each row, in place. */
static void self_log_softmax(int rows, int columns, const real *x, real *y)
{
    int r, j;
    for (r = 0; r < rows; r++, x += columns, y += columns) {
        real top = x[0], sum = 0.0;
        for (j = 1; j < columns; j++)
            top = x[j] > top ? x[j] : top;
        for (j = 0; j < columns; j++)
            sum += exp(x[j] - top);
        sum = log(sum);
        for (j = 0; j < columns; j++)
            y[j] = x[j] - top - sum;
    }
}
"""

SUM = """\
/* y_i = factor sum_t x_ti of each block (count, inner) of x. */
static void self_sum_of(int blocks, int count, int inner, real factor, const real *x, real *y)
{
    int b, t, i;
    for (b = 0; b < blocks; b++, x += count * inner, y += inner)
        for (i = 0; i < inner; i++) {
            real sum = 0.0;
            for (t = 0; t < count; t++)
                sum += x[t * inner + i];
            y[i] = factor * sum;
        }
}
"""

LARGEST = """\
/* y_i = max_t x_ti of each block (count, inner) of x. */
static void self_largest_of(int blocks, int count, int inner, const real *x, real *y)
{
    int b, t, i;
    for (b = 0; b < blocks; b++, x += count * inner, y += inner)
        for (i = 0; i < inner; i++) {
            real top = x[i];
            for (t = 1; t < count; t++)
                top = x[t * inner + i] > top ? x[t * inner + i] : top;
            y[i] = top;
        }
}
"""

SCALED = """\
/* y = gamma x + beta, in place; gamma, beta: 0 for none. */
static void self_scaled(int rows, int columns, const real *x, const real *gamma, const real *beta, real *y)
{
    int r, j;
    for (r = 0; r < rows; r++)
        for (j = 0; j < columns; j++)
            y[r * columns + j] = x[r * columns + j] * (gamma ? gamma[j] : 1.0) + (beta ? beta[j] : 0.0);
}
"""

SIGMOID_OF = """\
static real self_sigmoid_of(real z)
{
    const real e = exp(z < 0.0 ? z : -z);
    return (z < 0.0 ? e : 1.0) / (1.0 + e);
}
"""

LSTM_CELL = """\
/* One step: z holds the weighted inputs of the gates i, f (if `forget`), g, o; h and c become those after it.
 * peephole: p_i, p_f (if `forget`), p_o; 0 for none. */
static void self_lstm_cell(int units, int forget, const real *peephole, const real *z, real *h, real *c)
{
    const real *g = z + (forget ? 2 : 1) * units, *o = g + units;
    int j;
    for (j = 0; j < units; j++) {
        real i = z[j], f = 1.0, shown = o[j];
        if (peephole)
            i += peephole[j] * c[j];
        if (forget)
            f = self_sigmoid_of(z[units + j] + (peephole ? peephole[units + j] * c[j] : 0.0));
        c[j] = f * c[j] + self_sigmoid_of(i) * tanh(g[j]);
        if (peephole)
            shown += peephole[(forget ? 2 : 1) * units + j] * c[j];
        h[j] = self_sigmoid_of(shown) * tanh(c[j]);
    }
}
"""

GRU_CELL = """\
/* One step: z holds the weighted inputs of the gates r, u and the input's part of n; q is h U_n + b'; h moves on. */
static void self_gru_cell(int units, const real *z, const real *q, real *h)
{
    int j;
    for (j = 0; j < units; j++) {
        const real r = self_sigmoid_of(z[j]), u = self_sigmoid_of(z[units + j]);
        h[j] = (1.0 - u) * tanh(z[2 * units + j] + r * q[j]) + u * h[j];
    }
}
"""

GRU_RESET = """\
/* First half of a step: z holds the weighted inputs of the gates r and u, which they become; q is r h. */
static void self_gru_reset(int units, real *z, const real *h, real *q)
{
    int j;
    for (j = 0; j < 2 * units; j++)
        z[j] = self_sigmoid_of(z[j]);
    for (j = 0; j < units; j++)
        q[j] = z[j] * h[j];
}
"""

GRU_UPDATE = """\
/* Second half: z holds the gates r and u and the weighted inputs of n; h moves on. */
static void self_gru_update(int units, const real *z, real *h)
{
    int j;
    for (j = 0; j < units; j++) {
        const real u = z[units + j];
        h[j] = (1.0 - u) * tanh(z[2 * units + j]) + u * h[j];
    }
}
"""

MASKED = """\
/* Whether all inputs of a step are the value that says: this step does not count. */
static int self_masked(int n, const real *x, real value)
{
    int i;
    for (i = 0; i < n; i++)
        if (x[i] < value || x[i] > value)
            return 0;
    return 1;
}
"""

PUT_COLUMNS = """\
/* The columns of x become some of the columns of y, whose rows have `row` numbers. */
static void self_put_columns(int rows, int columns, int row, const real *x, real *y)
{
    int r, j;
    for (r = 0; r < rows; r++)
        for (j = 0; j < columns; j++)
            y[r * row + j] = x[r * columns + j];
}
"""

ACTIVATIONS = {name: row.c for name, row in TABLE.items() if row.c}


def loop(name: str, arguments: str, statement: str, about: str = "") -> str:
    """Return a function that carries out a statement for each of n numbers."""
    comment = f"/* {about} */\n" if about else ""
    return f"""\
{comment}static void self_{name}(int n, {arguments})
{{
    int i;
    for (i = 0; i < n; i++)
        {statement};
}}
"""


def elementwise(name: str) -> str:
    """Return the function of an activation over n numbers, in place."""
    alpha = "real alpha, " if "alpha" in ACTIVATIONS[name] else ""
    return f"""\
static void self_{name}(int n, {alpha}const real *x, real *y)
{{
    int i;
    for (i = 0; i < n; i++) {{
        const real z = x[i];
        y[i] = {ACTIVATIONS[name]};
    }}
}}
"""


# In an order in which they can stand in a file: what a function calls comes before it.
FUNCTIONS: dict[str, str] = {
    "copy": loop("copy", "const real *x, real *y", "y[i] = x[i]"),
    "zero": loop("zero", "real *y", "y[i] = 0.0"),
    "product": products.product(quantized=False),
    "dense": products.DENSE,
    "phase_cubic": products.PHASE_CUBIC,
    "phase_linear": products.PHASE_LINEAR,
    "phase_constant": products.PHASE_CONSTANT,
    "phase_product": products.PHASE_PRODUCT,
    "place": images.PLACE,
    "conv2d": images.CONV2D,
    "conv_transpose2d": images.CONV_TRANSPOSE2D,
    "max_pool": images.MAX_POOL,
    "mean_pool": images.MEAN_POOL,
    "permute": layout.PERMUTE,
    "pad": layout.PAD,
    "crop": layout.CROP,
    "upsample_nearest": layout.UPSAMPLE_NEAREST,
    "upsample_bilinear": layout.UPSAMPLE_BILINEAR,
    "embedding": EMBEDDING,
    "batch_norm": BATCH_NORM,
    "layer_norm": LAYER_NORM,
    "group_norm": images.GROUP_NORM,
    "pixel_norm": images.PIXEL_NORM,
    "gram": images.GRAM,
    "local_response": LOCAL_RESPONSE,
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
    "sum_of": SUM,
    "largest_of": LARGEST,
    "scaled": SCALED,
    "sigmoid_of": SIGMOID_OF,
    **{name: elementwise(name) for name in ACTIVATIONS},
    "lstm_cell": LSTM_CELL,
    "gru_cell": GRU_CELL,
    "gru_reset": GRU_RESET,
    "gru_update": GRU_UPDATE,
    "masked": MASKED,
    "add": loop("add", "const real *a, const real *b, real *y", "y[i] = a[i] + b[i]", "y = a + b, in place."),
    "multiply": loop("multiply", "const real *a, const real *b, real *y", "y[i] = a[i] * b[i]", "y = a b, in place."),
    "scale": loop("scale", "real factor, const real *x, real *y", "y[i] = factor * x[i]", "y = factor x, in place."),
    "put_columns": PUT_COLUMNS,
}


def sources(names: set[str], *, quantized: bool) -> list[str]:
    """Return the functions of these names and all that they call, in order."""
    called = {other for name in names for other in re.findall(r"\bself_(\w+)\(", FUNCTIONS[name])}
    wanted = names | called
    chosen = {**FUNCTIONS, "product": products.product(quantized=True)} if quantized else FUNCTIONS
    return [code for name, code in chosen.items() if name in wanted]
