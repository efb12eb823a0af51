/* Print a digest of what every kernel computes, one line each: "kernel dtype digest".
 *
 * Compiled for another processor and run under an emulator, or natively for one instruction set, it shows whether both
 * give the same bits.  Usage: digests ISA. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fnn_dispatch.h"
#include "fnn_quantized.h"

enum { SPARE = 64, MOST = 1 << 18 };

static const fnn_kernels *k;
static uint64_t state;

/* Uniform in (-1, 1) with 20 bits, the same number in both dtypes [Vigna 2015, splitmix64]. */
static double draw(void)
{
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 44) / 524288 - 1;
}

static void fill(void *x, ptrdiff_t n, double scale, double shift)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double value = scale * draw() + shift;
        if (k->itemsize == sizeof(float))
            ((float *)x)[i] = (float)value;
        else
            ((double *)x)[i] = value;
    }
}

static void *array(ptrdiff_t n, double scale, double shift)
{
    void *x = aligned_alloc(64, (size_t)(n * 8 / 64 + 1) * 64 + SPARE);
    if (!x)
        exit(1);
    fill(x, n, scale, shift);
    return x;
}

/* FNV-1a over the elements; every NaN is the same. */
static uint64_t digest(uint64_t hash, const void *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        const double value = k->itemsize == sizeof(float) ? (double)((const float *)x)[i] : ((const double *)x)[i];
        memcpy(&bits, &value, sizeof bits);
        if (isnan(value))
            bits = 1;
        for (int byte = 0; byte < 8; byte++)
            hash = (hash ^ (bits >> 8 * byte & 255)) * 0x100000001B3u;
    }
    return hash;
}

static void report(const char *kernel, int number, uint64_t hash)
{
    printf("%s_%d %s %016llx\n", kernel, number, k->itemsize == sizeof(float) ? "float" : "double",
           (unsigned long long)hash);
}

static void products(void)
{
    static const ptrdiff_t SIZES[][3] = {{1, 5, 3}, {1, 70, 10}, {1, 300, 130}, {3, 64, 64}, {9, 33, 17}, {20, 300, 50},
                                         {37, 1100, 5}, {33, 20, 600}};
    for (size_t n = 0; n < sizeof SIZES / sizeof *SIZES; n++) {
        const ptrdiff_t B = SIZES[n][0], inputs = SIZES[n][1], outputs = SIZES[n][2];
        const fnn_shape shape = {B, inputs, outputs, inputs, outputs, outputs, 0};
        void *x = array(B * inputs, 1, 0), *w = array(inputs * outputs, 1, 0), *bias = array(outputs, 1, 0);
        void *y = array(B * outputs, 0, 0), *dy = array(B * outputs, 1, 0), *dx = array(B * inputs, 0, 0);
        k->products.forward(&shape, x, w, bias, FNN_RELU, 0, y);
        report("product_forward", (int)n, digest(0, y, B * outputs));
        k->products.input_gradient(&shape, dy, w, dx);
        report("product_input_gradient", (int)n, digest(0, dx, B * inputs));
        if (B == 1)
            k->products.row_gradients(&shape, 0.3, x, dy, w, dx, w);
        else
            k->products.weight_gradient(&shape, 0.3, x, dy, w);
        report(B == 1 ? "product_row_gradients" : "product_weight_gradient", (int)n, digest(0, w, inputs * outputs));
    }
}

static void elementwise(void)
{
    enum { N = 1003 };
    void *z = array(N, 30, 0), *a = array(N, 0, 0), *da = array(N, 1, 0), *dz = array(N, 0, 0);
    for (int kind = 0; kind < FNN_ACTIVATIONS; kind++) {
        k->activation_forward[kind](N, 0.3, z, a);
        k->activation_backward[kind](N, 0.3, z, a, da, dz);
        report("activation", kind, digest(digest(0, a, N), dz, N));
    }
    static const ptrdiff_t WIDTHS[] = {59, 1, 2, 10, 17, 29};
    for (size_t n = 0; n < sizeof WIDTHS / sizeof *WIDTHS; n++) {
        const ptrdiff_t columns = WIDTHS[n], rows = N / columns;
        fill(z, N, 30, 0);
        k->softmax_forward(rows, columns, z, a);
        k->softmax_backward(rows, columns, a, da, dz);
        k->log_sum_exp(rows, columns, z, z);
        report("softmax", (int)n, digest(digest(digest(0, a, rows * columns), dz, rows * columns), z, rows));
    }
}

static void losses(void)
{
    enum { MOST_ROWS = 77, MOST_OUTPUTS = 40, N = MOST_ROWS * MOST_OUTPUTS };
    static const ptrdiff_t SIZES[][2] = {{17, 13}, {1, 10}, {3, 10}, {77, 1}, {77, 2}, {77, 10}, {77, 32}, {77, 40}};
    void *y = array(N, 3, 0), *target = array(N, 0.5, 0.5), *weight = array(MOST_ROWS, 0.5, 1), *dy = array(N, 0, 0);
    int64_t label[MOST_ROWS];
    for (size_t n = 0; n < sizeof SIZES / sizeof *SIZES; n++) {
        const ptrdiff_t B = SIZES[n][0], outputs = SIZES[n][1];
        for (ptrdiff_t b = 0; b < B; b++)
            label[b] = b % outputs;
        for (int kind = 0; kind < FNN_LOSSES; kind++) {
            const int labels = kind == FNN_CROSS_ENTROPY_LABELS || kind == FNN_HINGE_LABELS;
            const void *goal = labels ? (void *)label : target;
            double value = k->loss[kind](B, outputs, 0.1, y, goal, weight, 0.3, dy);
            uint64_t bits, hash;
            memcpy(&bits, &value, sizeof bits);
            hash = digest(bits, dy, B * outputs);
            value = k->loss[kind](B, outputs, 0.1, y, goal, NULL, 0.3, dy);
            memcpy(&bits, &value, sizeof bits);
            report("loss", (int)n * FNN_LOSSES + kind, digest(hash ^ bits, dy, B * outputs));
        }
    }
}

static void updates(void)
{
    enum { N = 517 };
    const fnn_update u = {0.01, 0.9, 0.99, 1e-6, 0.3, 0.2};
    for (int kind = 0; kind < FNN_OPTIMIZERS; kind++) {
        void *g = array(N, 1, 0), *w = array(N, 1, 0), *s0 = array(N, 0.5, 1), *s1 = array(N, 0.5, 1);
        void *s2 = array(N, 0.5, 1);
        k->update[kind](N, &u, g, w, s0, s1, s2);
        report("update", kind, digest(digest(digest(digest(0, w, N), s0, N), s1, N), s2, N));
    }
}

static void vectors(void)
{
    enum { N = 1003, ROWS = 17, COLUMNS = 59 };
    const fnn_random random = {7, 3, 2};
    uint8_t mask[N];
    void *x = array(N, 1, 0), *y = array(N, 1, 0), *work = array(COLUMNS, 0, 0);
    double value = k->sum(N, x) + k->sum_squares(N, x);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    report("sum", 0, bits);
    k->add_row_sum(ROWS, COLUMNS, 0.3, x, COLUMNS, y);
    k->add_scaled(N, 0.7, x, y);
    k->add_penalty(N, 0.1, 0.2, x, y);
    k->limit_columns(ROWS, COLUMNS, COLUMNS, 1.5, y, work);
    k->clip(N, 0.5, y);
    k->dropout_forward(N, &random, 5, 0.8, 1.25, y, y, mask);
    k->add_masked(N, 0.3, mask, x, y);
    k->dropout_backward(N, 1.25, mask, y, y);
    report("vector", 0, digest(0, y, N));
}

static void cells(void)
{
    enum { B = 5, H = 21, N = B * H };
    void *z = array(4 * N, 2, 0), *peephole = array(3 * H, 1, 0), *before = array(N, 1, 0), *c = array(N, 0, 0);
    void *s = array(N, 0, 0), *h = array(N, 0, 0), *dh = array(N, 1, 0), *dc = array(N, 1, 0), *dz = array(4 * N, 0, 0);
    for (int forgets = 0; forgets < 2; forgets++) {
        const ptrdiff_t gates = (3 + forgets) * N;
        fill(z, gates, 2, 0);
        k->lstm_forward(B, H, forgets, peephole, before, z, c, s, h);
        k->lstm_backward(B, H, forgets, peephole, z, before, s, dh, dc, dz);
        k->add_products(B, H, 0.3, dz, (3 + forgets) * H, c, peephole);
        report("lstm", forgets,
               digest(digest(digest(digest(digest(0, z, gates), h, N), dc, N), dz, gates), peephole, 3 * H));
    }
    fill(z, 3 * N, 2, 0);
    k->gru_forward(B, H, before, dh, z, h);
    k->gru_backward(B, H, z, before, dh, h, dz, c, s);
    report("gru", 0, digest(digest(digest(digest(digest(0, z, 3 * N), h, N), dz, 3 * N), c, N), s, N));
}

static void norms(void)
{
    enum { ROWS = 17, COLUMNS = 301, N = ROWS * COLUMNS };
    void *x = array(N, 1, 3), *y = array(N, 0, 0), *dy = array(N, 1, 0), *dx = array(N, 0, 0);
    void *mean = array(COLUMNS, 0, 0), *variance = array(COLUMNS, 0, 0), *moments = array(2 * ROWS, 0, 0);
    void *gamma = array(COLUMNS, 1, 0), *beta = array(COLUMNS, 1, 0);
    const fnn_norm norm = {ROWS, COLUMNS, COLUMNS, 1e-5, gamma, beta};
    void *inverse = array(COLUMNS, 0, 0), *level = array(COLUMNS, 0, 0), *tilt = array(COLUMNS, 0, 0);
    double *sums = malloc(4 * COLUMNS * sizeof *sums);
    k->column_moments(10, COLUMNS, x, sums);
    k->column_moments(ROWS - 10, COLUMNS, (const char *)x + 10 * COLUMNS * k->itemsize, sums + 2 * COLUMNS);
    k->join_moments(ROWS, 10, COLUMNS, sums);
    k->group_moments(ROWS, COLUMNS, 7, sums, mean, variance);
    report("norm_moments", 0, digest(digest(0, mean, COLUMNS), variance, COLUMNS));
    k->inverse_deviations(COLUMNS, 1e-5, variance, inverse);
    for (int activation = FNN_IDENTITY; activation <= FNN_LEAKY_RELU; activation++) {
        if (activation != FNN_IDENTITY && activation != FNN_RELU && activation != FNN_LEAKY_RELU)
            continue;
        const fnn_columns map = {COLUMNS, mean, inverse, beta, activation, 0.2};
        k->map_columns(&map, ROWS, x, y);
        k->column_slopes(&map, 10, x, dy, sums);
        k->column_slopes(&map, ROWS - 10, (const char *)x + 10 * COLUMNS * k->itemsize,
                         (const char *)dy + 10 * COLUMNS * k->itemsize, sums + 2 * COLUMNS);
        k->join_slopes(2, COLUMNS, 2 * COLUMNS, sums);
        k->norm_levels(ROWS, COLUMNS, 7, gamma, inverse, sums, level, tilt);
        k->column_gradient(&map, ROWS, level, tilt, x, dy, dx);
        k->scale_slopes(COLUMNS, inverse, sums);
        k->add_slopes(COLUMNS, 0.3, sums, gamma, NULL);
        report("norm_columns", activation, digest(digest(digest(0, y, N), dx, N), gamma, COLUMNS));
    }
    k->pixel_norm_forward(ROWS, COLUMNS, 1e-8, x, y, moments);
    k->pixel_norm_backward(ROWS, COLUMNS, x, moments, dy, dx);
    report("norm_pixels", 0, digest(digest(0, y, N), dx, N));
    const fnn_random random = {3, 4, 5};
    k->add_noise(N, &random, 7, 0.5, x, y);
    report("noise", 0, digest(0, y, N));
    free(sums);
    k->layer_norm_forward(&norm, x, y, moments);
    report("norm_layer_forward", 0, digest(digest(0, y, N), moments, 2 * ROWS));
    k->layer_norm_backward(&norm, 0.3, x, moments, dy, dx, gamma, beta);
    report("norm_layer_backward", 0, digest(digest(digest(0, dx, N), gamma, COLUMNS), beta, COLUMNS));
}

static void narrow_weights(const char *isa)
{
    static const ptrdiff_t SIZES[][3] = {{1, 5, 3}, {1, 70, 10}, {1, 300, 130}, {3, 64, 64}, {9, 33, 17}, {20, 300, 225}};
    const fnn_quantized *q = fnn_quantized_table(isa, NULL);
    for (size_t n = 0; n < sizeof SIZES / sizeof *SIZES; n++) {
        const ptrdiff_t B = SIZES[n][0], inputs = SIZES[n][1], outputs = SIZES[n][2], most = outputs + 64;
        float *x = array(B * inputs, 1, n % 2 ? 1 : 0), *bias = array(outputs, 1, 0), *y = array(B * outputs, 0, 0);
        float *scale = array(most, 0.1, 1), *w = array(inputs * outputs, 1, 0);
        float *work = array(fnn_bfloat16_work(inputs, outputs), 0, 0);
        int8_t *values = array(inputs * outputs, 0, 0), *packed = array((inputs + 4) * most, 0, 0);
        uint16_t *halves = array(inputs * outputs, 0, 0), *laid = array(fnn_bfloat16_size(inputs, outputs), 0, 0);
        int32_t *sums = array(most, 0, 0);
        void *rows = array(B * fnn_int8_row_bytes(inputs), 0, 0);
        for (ptrdiff_t i = 0; i < inputs * outputs; i++) {
            uint32_t bits;
            memcpy(&bits, w + i, sizeof bits);
            halves[i] = (uint16_t)(bits >> 16);
            values[i] = (int8_t)(w[i] * 127);
            sums[i % outputs] += values[i];
        }
        q->int8_pack(inputs, outputs, values, packed);
        q->bfloat16_pack(inputs, outputs, halves, laid);
        const fnn_int8_weights int8 = {inputs, outputs, packed, scale, sums};
        const fnn_bfloat16_weights bfloat16 = {inputs, outputs, laid};
        q->int8_rows(B, inputs, x, rows);
        q->int8_forward(&int8, B, 0, outputs, rows, bias, FNN_LEAKY_RELU, 0.1, y);
        report("quantized_int8", (int)n, digest(0, y, B * outputs));
        q->bfloat16_forward(&k->products, &bfloat16, B, 0, fnn_bfloat16_panels(outputs), x, bias, FNN_RELU, 0, work, y);
        report("quantized_bfloat16", (int)n, digest(0, y, B * outputs));
    }
}

int main(int count, char **arguments)
{
    for (ptrdiff_t itemsize = 4; itemsize <= 8; itemsize += 4) {
        k = fnn_kernel_table(itemsize, count > 1 ? arguments[1] : NULL);
        if (!k)
            return 2;
        state = 1;
        products();
        elementwise();
        losses();
        updates();
        vectors();
        cells();
        norms();
        if (itemsize == sizeof(float))
            narrow_weights(k->isa);
    }
    return 0;
}
