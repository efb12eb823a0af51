#include "fnn_random.h"

#include <math.h>

#include "fnn_philox.h"

void fnn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    fnn_words word[4];
    for (int w = 0; w < 4; w++)
        word[w] = (fnn_words){0} + counter[w];
    fnn_philox_blocks(word, key[0], key[1]);
    for (int w = 0; w < 4; w++)
        out[w] = (uint32_t)word[w][0];
}

/* out = the uniforms first .. first + FNN_SPAN/2 - 1 of the stream; first is a multiple of FNN_SPAN/2. */
static void uniform_span(const fnn_random *random, uint64_t first, double out[FNN_SPAN / 2])
{
    uint32_t number[FNN_SPAN];
    fnn_philox_span(random, first / 2, number);
    for (int n = 0; n < FNN_SPAN / 2; n++) {
        const uint64_t bits = (uint64_t)number[2 * n + 1] << 32 | number[2 * n];
        out[n] = (double)(bits >> 11) * 0x1p-53;
    }
}

void fnn_random_uniform(ptrdiff_t N, const fnn_random *random, double *out)
{
    for (ptrdiff_t n = 0; n < N; n += FNN_SPAN / 2) {
        double uniform[FNN_SPAN / 2];
        uniform_span(random, (uint64_t)n, uniform);
        for (ptrdiff_t k = 0; k < FNN_SPAN / 2 && n + k < N; k++)
            out[n + k] = uniform[k];
    }
}

void fnn_random_normal(ptrdiff_t N, const fnn_random *random, double *out)
{
    for (ptrdiff_t n = 0; n < N; n += FNN_SPAN / 2) {
        double uniform[FNN_SPAN / 2];
        uniform_span(random, (uint64_t)n, uniform);
        for (ptrdiff_t k = 0; k < FNN_SPAN / 2 && n + k < N; k += 2) {
            const double radius = sqrt(-2 * log1p(-uniform[k])); /* 1 - uniform is never 0 */
            const double angle = 6.283185307179586 * uniform[k + 1];
            out[n + k] = radius * cos(angle);
            if (n + k + 1 < N)
                out[n + k + 1] = radius * sin(angle);
        }
    }
}

void fnn_random_permutation(ptrdiff_t N, const fnn_random *random, int64_t first, int64_t *out)
{
    double uniform[FNN_SPAN / 2];
    /* Inside out: element n changes places with a uniform one among 0 .. n. */
    for (ptrdiff_t n = 0; n < N; n++) {
        if (n % (FNN_SPAN / 2) == 0)
            uniform_span(random, (uint64_t)n, uniform);
        const ptrdiff_t place = (ptrdiff_t)(uniform[n % (FNN_SPAN / 2)] * (double)(n + 1));
        out[n] = first + n;
        const int64_t other = out[place];
        out[place] = out[n];
        out[n] = other;
    }
}
