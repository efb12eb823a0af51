"""The C functions of layers of images, (height, width, channels); see ``functions`` for how they are written."""

PLACE = """\
/* The row (or column) that padding shows at place p of n: -1 for zeros (mode 0), mirrored (1), or the nearest (2). */
static int self_place(int p, int n, int mode)
{
    if (p >= 0 && p < n)
        return p;
    if (mode == 0)
        return -1;
    if (mode == 1)
        return p < 0 ? -p : 2 * (n - 1) - p;
    return p < 0 ? 0 : n - 1;
}
"""

CONV2D = """\
/* y = b + windows of x times w (rows, columns, channels / groups, filters); b: 0 for none. */
static void self_conv2d(int height, int width, int channels, int filters, int out_height, int out_width, int rows,
                        int columns, int row_step, int column_step, int row_gap, int column_gap, int top, int left,
                        int groups, int mode, const real *x, const real *w, const real *b, real *y)
{
    const int in = channels / groups, out = filters / groups;
    int i, j, g, k, l, c, o;
    for (i = 0; i < out_height; i++)
        for (j = 0; j < out_width; j++, y += filters) {
            for (o = 0; o < filters; o++)
                y[o] = b ? b[o] : 0.0;
            for (k = 0; k < rows; k++)
                for (l = 0; l < columns; l++) {
                    const int h = self_place(i * row_step + k * row_gap - top, height, mode);
                    const int v = self_place(j * column_step + l * column_gap - left, width, mode);
                    if (h < 0 || v < 0)
                        continue;
                    for (g = 0; g < groups; g++)
                        for (c = 0; c < in; c++) {
                            const real pixel = x[(h * width + v) * channels + g * in + c];
                            const real *weight = w + ((k * columns + l) * in + c) * filters + g * out;
                            for (o = 0; o < out; o++)
                                y[g * out + o] += pixel * weight[o];
                        }
                }
        }
}
"""

CONV_TRANSPOSE2D = """\
/* y = b + what the pixels of x add to their windows, by w (rows, columns, filters / groups, channels); b may be 0. */
static void self_conv_transpose2d(int height, int width, int channels, int filters, int out_height, int out_width,
                                  int rows, int columns, int row_step, int column_step, int row_gap, int column_gap,
                                  int top, int left, int groups, const real *x, const real *w, const real *b, real *y)
{
    const int in = channels / groups, out = filters / groups;
    int i, j, g, k, l, c, o;
    for (i = 0; i < out_height * out_width; i++)
        for (o = 0; o < filters; o++)
            y[i * filters + o] = b ? b[o] : 0.0;
    for (i = 0; i < height; i++)
        for (j = 0; j < width; j++, x += channels)
            for (k = 0; k < rows; k++)
                for (l = 0; l < columns; l++) {
                    const int h = i * row_step + k * row_gap - top, v = j * column_step + l * column_gap - left;
                    if (h < 0 || h >= out_height || v < 0 || v >= out_width)
                        continue;
                    for (g = 0; g < groups; g++)
                        for (o = 0; o < out; o++) {
                            const real *weight = w + ((k * columns + l) * out + o) * channels + g * in;
                            real sum = 0.0;
                            for (c = 0; c < in; c++)
                                sum += x[g * in + c] * weight[c];
                            y[(h * out_width + v) * filters + g * out + o] += sum;
                        }
                }
}
"""

GROUP_NORM = """\
/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta, of groups of channels over rows; gamma, beta: 0 for none. */
static void self_group_norm(int rows, int columns, int group, real epsilon, const real *x, const real *gamma,
                            const real *beta, real *y)
{
    const real count = (real)rows * (real)group;
    int first, r, j;
    for (first = 0; first < columns; first += group) {
        real mean = 0.0, variance = 0.0, inverse;
        for (r = 0; r < rows; r++)
            for (j = first; j < first + group; j++)
                mean += x[r * columns + j] / count;
        for (r = 0; r < rows; r++)
            for (j = first; j < first + group; j++)
                variance += (x[r * columns + j] - mean) * (x[r * columns + j] - mean) / count;
        inverse = 1.0 / sqrt(variance + epsilon);
        for (r = 0; r < rows; r++)
            for (j = first; j < first + group; j++)
                y[r * columns + j] = (x[r * columns + j] - mean) * inverse * (gamma ? gamma[j] : 1.0)
                                     + (beta ? beta[j] : 0.0);
    }
}
"""

PIXEL_NORM = """\
/* y = x / sqrt(mean of squares + epsilon) of each row, in place. */
static void self_pixel_norm(int rows, int columns, real epsilon, const real *x, real *y)
{
    int r, j;
    for (r = 0; r < rows; r++, x += columns, y += columns) {
        real square = 0.0, inverse;
        for (j = 0; j < columns; j++)
            square += x[j] * x[j];
        inverse = 1.0 / sqrt(square / (real)columns + epsilon);
        for (j = 0; j < columns; j++)
            y[j] = x[j] * inverse;
    }
}
"""


GRAM = """\
/* y[i][j] = mean of x[i] x[j] over the rows. */
static void self_gram(int rows, int columns, const real *x, real *y)
{
    int r, i, j;
    for (i = 0; i < columns; i++)
        for (j = 0; j < columns; j++) {
            real sum = 0.0;
            for (r = 0; r < rows; r++)
                sum += x[r * columns + i] * x[r * columns + j];
            y[i * columns + j] = sum / (real)rows;
        }
}
"""


def pool(name: str, about: str, options: str, begin: str, take: str, end: str) -> str:
    """Return a function that goes through all windows of an image."""
    return f"""\
/* {about} */
static void self_{name}(int height, int width, int channels, int out_height, int out_width, int rows, int columns,
                        int row_step, int column_step, int top, int left, {options}const real *x, real *y)
{{
    int i, j, h, v, c;
    for (i = 0; i < out_height; i++)
        for (j = 0; j < out_width; j++, y += channels) {{
            const int h0 = i * row_step - top, v0 = j * column_step - left;
            const int first = h0 > 0 ? h0 : 0, last = h0 + rows < height ? h0 + rows : height;
            const int from = v0 > 0 ? v0 : 0, to = v0 + columns < width ? v0 + columns : width;
            for (c = 0; c < channels; c++)
                y[c] = {begin};
            for (h = first; h < last; h++)
                for (v = from; v < to; v++)
                    for (c = 0; c < channels; c++) {{
                        const real pixel = x[(h * width + v) * channels + c];
                        {take}
                    }}
            {end}
        }}
}}
"""


MAX_POOL = pool(
    "max_pool",
    "The largest value of each window, channel by channel.",
    "",
    "x[(first * width + from) * channels + c]",
    "y[c] = pixel > y[c] ? pixel : y[c];",
    "",
).replace("            \n", "")
MEAN_POOL = pool(
    "mean_pool",
    "The mean of each window; `whole`: zeros outside the image count.",
    "int whole, ",
    "0.0",
    "y[c] += pixel;",
    "for (c = 0; c < channels; c++)\n"
    "                y[c] /= (real)(whole ? rows * columns : (last - first) * (to - from));",
)
